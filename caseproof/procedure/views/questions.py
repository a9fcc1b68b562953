"""The words of a question, as markdown: which case or incident it is about, what was said, and what is to be decided.

They are the same wherever the form is shown. Prefect's older interface formats the question, and has no room for what
stands in front of the form; the newer one formats what stands in front, and shows the question as it is written, in one
paragraph. So an address that people need stands in both, and in the question as it is, to be copied.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence

from caseproof.domain.case import Case, Fact
from caseproof.domain.errors import CaseproofError
from caseproof.domain.job_failure.cause import is_answered, is_neutral
from caseproof.domain.job_failure.claims import whose_run
from caseproof.domain.job_failure.conditions import owes_validation
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.job_failure.pictures import kind_of_picture
from caseproof.domain.procedure import Procedure, called
from caseproof.domain.specs import EventKind
from caseproof.domain.support.procedure import SUPPORT
from caseproof.domain.vocabulary import Choice, Picture, Starter
from caseproof.procedure.closing.running import what_a_removal_left
from caseproof.procedure.core.parts import US
from caseproof.procedure.core.retailer_answer import came_by, doubts, notes
from caseproof.procedure.core.texts import in_words, link, plain, short
from caseproof.procedure.views.support_parts import above_form, above_form_on_page
from caseproof.procedure.views.titles import about, about_incident
from caseproof.store import CaseRow, IncidentRow

LONGEST_WORDS = 1500
"""How many characters of a retailer's mail a form shows; the case page shows all of it."""
MOST_WORDS = 5
"""How many of the retailer's words and replies a form shows, the newest; the case page shows all of them."""


def case_heading(case: Case) -> str:
    """Which case it is, in bold (markdown)."""
    return plain(about(case)).replace(case.ref, f"**{case.ref}**", 1)


def in_parts(digest: str) -> str:
    """A digest as it may stand in an address that is shown as it is written: a line can end at each dash."""
    return "-".join(digest[at : at + 16] for at in range(0, len(digest), 16))


def form_heading(case: Case, page: str, picture: str = "", whose: str = "") -> str:
    """What stands in front of a case's form (markdown): which case, ``whose`` form it is, and the case's page and its
    ``picture`` to click."""
    links = [f"[{case.ref}'s own page]({page}): what stands below is easier to read there."]
    links += [f"[The picture to review]({picture})"] if picture else []
    return _paragraphs(case_heading(case), whose, *links)


def case_question(case: Case, page: str, explain: str, whose: str = "") -> str:
    """What stands above a case's form (markdown): the case, what was said, and ``explain``, which says what to do.

    ``page`` is the address of the case's own page; ``whose`` says for whom the form is, where not for the whole team.
    """
    facts = case.facts
    if case.procedure is SUPPORT:
        heading = f"{case_heading(case)}. The case's own page: {page}"
        return _paragraphs(_not_taken(case), heading, whose, *above_form(case), explain)
    return _paragraphs(
        _not_taken(case),
        f"{case_heading(case)} · cause: {plain(in_words(facts['cause']))}. The case's own page: {page}",
        f"What fails: {_ended(plain(short(facts['summary'])))}",
        *_what_happened(case, page),
        explain,
    )


def question_on_its_page(case: Case, page: str, explain: str) -> str:
    """The same above the form on the case's own page, which says by itself what the case is and what fails."""
    happened = above_form_on_page(case) if case.procedure is SUPPORT else _what_happened(case, page)
    return _paragraphs(_not_taken(case), *happened, explain)


def what_rules_mean(procedure: Procedure) -> str:
    """What a link to the rules is called."""
    if procedure is SUPPORT:
        return "What E1 to E12 and J1 to J11 mean"
    return "What J1 to J11 mean"


def _paragraphs(*parts: str) -> str:
    return "\n\n".join(part for part in parts if part)


def _not_taken(case: Case) -> str:
    return f"**Your last answer was not taken.** {plain(case.refused['why'])}" if case.refused else ""


def _what_happened(case: Case, page: str) -> list[str]:
    incident = (
        f"Part of the incident **{plain(case.incident['incident'])}**, where it may be decided for all its cases."
        if case.incident
        else ""
    )
    return [incident, _what_failed(case), *_what_they_said(case, page)]


_FAILED: Mapping[EventKind, str] = {
    Kind.RUN_FAILED: "The last run failed (J11).",
    Kind.FAILED_AGAIN: "It failed again before the case could close (J10).",
    Kind.REVIEW_REJECTED: "The review sent the case back (J7, J8).",
}


def _what_failed(case: Case) -> str:
    """What failed last, while that is so: "" once a run succeeded since, and of what was before the case reopened."""
    failed, opened = case.last_failure, case.last_opened
    if failed is None or case.verified is not None or (opened is not None and failed.seq < opened.seq):
        return ""
    return f"**{_FAILED[failed.event.kind]}** {plain(short(failed['why']))}"


def _ended(text: str) -> str:
    """As a sentence of its own: the newer interface puts the next one right behind it."""
    return text if text.endswith((".", "!", "?", "…", ":")) else f"{text}."


def _what_they_said(case: Case, page: str) -> list[str]:
    """The retailer's words, and the replies that a person has to read, in the order in which they came."""
    said = sorted((*case.words, *case.doubted, *case.open_replies), key=lambda fact: fact.seq)
    older = len(said) - MOST_WORDS
    more = [f"{older} older words of theirs stand on the case's own page: {page}"] if older > 0 else []
    return [*more, *(_quoted(case, fact) for fact in said[-MOST_WORDS:])]


def _quoted(case: Case, fact: Fact) -> str:
    """The retailer's own words, as a quotation that cannot draw anything else into the form."""
    said = str(fact["words"])
    more = " …" if len(said) > LONGEST_WORDS else ""
    lines = "\n".join(f"> {plain(line)}" for line in (said[:LONGEST_WORDS] + more).splitlines())
    what = "replied" if fact.event.kind is Kind.REPLY_RECEIVED else "wrote"
    rule = f"confirms nothing by itself: {plain(fact['why'])}" if what == "replied" else "J8"
    known = "".join(f" **{plain(one)}.**" for one in (doubts(case, fact) if what == "wrote" else notes(fact)))
    return f"**{plain(fact['sender'])}** {what} {plain(came_by(fact))} ({rule}):{known}\n\n{lines or '> (no words)'}"


# -- what is asked with each form -----------------------------------------------------------------------------------


def what_to_record(case: Case) -> str:
    """What is asked with the form for the retailer's word."""
    return (
        f"{_stop_and_notice(case)}{not_known_yet(case)}{_answers_another(case)} "
        f"**Now record what the retailer wrote (J8){_or_the_reply(case)}.** What you type in, somebody else has to "
        "agree to: no mail is there to look at. Without their word "
        "you can go on to 'reactivate after our fix' (J7) or 'keep paused' (J6), and to nothing else."
    )


def what_to_agree(case: Case) -> str:
    """What is asked with the form for a word that something speaks against."""
    brought = ", ".join(sorted({word.actor for word in case.doubted}))
    return (
        f"**Now say whether it counts (J8): somebody else than {plain(brought)}.** {plain(brought)} brought it in, and "
        "what speaks against it stands above. Look for yourself: at the mail where it arrived, or ask the retailer. "
        "Nothing is decided on it before; if it does not count, the case waits on for the retailer's word."
    )


def _stop_and_notice(case: Case) -> str:
    held = "The job is stopped (J2)" if case.stopped_jobs else "The job cannot be stopped from our side (J3)"
    return f"{held}, and the retailer was told (J5)."


def not_known_yet(case: Case) -> str:
    """What an operator does about a cause that was left open, once somebody knows it; "" elsewhere."""
    if not is_neutral(case):
        return ""
    return (
        " They were told without a cause, and asked nothing: once you know it, "
        f"`caseproof case correct {case.ref} --cause CAUSE --by NAME` tells them."
    )


def _answers_another(case: Case) -> str:
    """What a word is worth that came before the cause was corrected; "" where there is none."""
    if not case.words or is_answered(case):
        return ""
    return " What they wrote before we corrected the cause answers what we had said until then."


def _or_the_reply(case: Case) -> str:
    return ", or say that the newest reply above counts, or that you answered it" if case.open_replies else ""


_WHAT_TO_DECIDE = (
    "**Now decide what becomes of the account (J6).** 'After the retailer's change' and 'remove' need the retailer's "
    "written word (J8, J9); 'keep paused' leaves the case open. Nobody's word closes it: a run does, read back as "
    "successful (J10, J11)."
)


def what_to_decide(case: Case, by_itself: Collection[str]) -> str:
    """What is asked with the form for the decision; ``by_itself``: the ways by which a clear word goes on alone."""
    paused = f"The account is kept paused until **{case.paused_until}**. " if case.paused_until else ""
    return f"{paused}{_why_not_by_itself(case, by_itself)}{_WHAT_TO_DECIDE}"


def _why_not_by_itself(case: Case, by_itself: Collection[str]) -> str:
    """What a team that lets clear words go on wants to know where one did not."""
    clear = [word for word in case.words if word["by_way_of"] in by_itself]
    if not any(word.get("choice") == Choice.CHANGED for word in clear):
        return ""
    return (
        "Their 'I made the change' waits for you: something else was said since the notice, by them or by us, or a run "
        "has failed after it. "
    )


def what_to_review(case: Case, evidence_url: Callable[[str], str], only_at: str = "") -> str:
    """What is asked with the form for the review; ``evidence_url`` gives a file's address by its digest.

    ``only_at``: the address at which alone a review is taken, where the policy asks for a login. Raises CaseproofError
    where there is no evidence yet.
    """
    run = case.verified
    decision = case.decision
    if run is None or case.photo is None or decision is None:
        raise CaseproofError(f"{case.ref} has no evidence to review yet.", "Let the case's run gather it first.")
    picture = evidence_url(in_parts(case.photo["evidence"]))
    checked = f" Checked in the system: {plain(short(case.validated['how']))}" if case.validated else ""
    ended = f"{run['ended_at'][:16].replace('T', ' ')} UTC"
    another = f" The policy asks for somebody else than {plain(decision.actor)}." if _another(decision) else ""
    there = (
        f"**Review on [the case's page]({only_at}), logged in: the policy takes no review from this form.**\n\n"
        if only_at
        else ""
    )
    return (
        f"{there}Decided by {plain(decision.actor)} (J6): {plain(case.decided or '')}. "
        f"{plain(short(decision['reason']))}"
        f"{checked}\n\n"
        f"[{plain(run['name'])}]({run['url']}) was read back as **{plain(run['said'])}** (J10), ended {ended}. "
        f"[Its picture]({picture}) is attached to the ticket (J7, J8):\n\n"
        f"![the page of the run]({picture})\n\n"
        f"{_whose_run(case)}{_whose_picture(case)}"
        f"{_what_is_left(case, run)}"
        f"**Now review: does the picture show this run, and that it {_ended_well(run)}?**{another}"
        f"{look_at_the_change(case)}"
    )


def picture_in_words(case: Case) -> str:
    """What the picture in force is, to stand behind "the picture" (markdown); "" where there is none."""
    photo, uploaded = case.photo, case.uploaded
    if photo is None:
        return ""
    kind = kind_of_picture(case)
    if kind is not Picture.UPLOADED or uploaded is None:
        return f"of {kind.page}, taken {photo['taken_at'][:16].replace('T', ' ')} UTC"
    return f"that {plain(uploaded.actor)} uploaded and {plain(photo.actor)} confirmed"


def _whose_run(case: Case) -> str:
    """Where it was no run of ours: whoever reviews it looks more closely."""
    by_hand = case.run is not None and case.run.get("started_by") == Starter.PERSON
    return f"{plain(whose_run(case))}\n\n" if by_hand else ""


def _whose_picture(case: Case) -> str:
    if kind_of_picture(case) is Picture.OWN_PAGE:
        return ""
    return f"It is no picture of the run's own page, but one {picture_in_words(case)}.\n\n"


def _what_is_left(case: Case, run: Fact) -> str:
    return f"{left_by_a_removal(case)}\n\n" if run["purpose"] == "removal" else ""


def left_by_a_removal(case: Case) -> str:
    """What is left of a removed job, and how it could be had back (markdown)."""
    return what_a_removal_left(case, link("the job's own page", case.facts.get("job_url")))


def _ended_well(run: Fact) -> str:
    """What the picture has to show: a removal ran no job, so that nothing of it succeeded but the removal itself."""
    if run["purpose"] != "removal":
        return "succeeded"
    return "read back that every schedule of the integration is switched off and nothing is queued"


def _another(decision: Fact) -> bool:
    return bool(decision.get("review") == "another person") and decision.actor != US


def look_at_the_change(case: Case) -> str:
    """What is asked of the reviewer of a case that went on by itself (J8)."""
    if not owes_validation(case):
        return ""
    return (
        " **Then look at the change in the system (J8): nobody has yet.** The retailer's word and a successful run are "
        "not that (J11). Say below what you looked at and what you saw; without it the approval is not taken."
    )


def what_to_put_right(step: str, problem: CaseproofError) -> str:
    """What is asked with the form for a step that needs help."""
    return f"**'{step}' needs help.** {plain(problem)}\n\nPut it right, then submit: the step is tried again."


# -- of an incident --------------------------------------------------------------------------------------------------


def incident_heading(row: IncidentRow) -> str:
    """Which incident it is, in bold (markdown)."""
    return plain(about_incident(row)).replace(row.ref, f"**{row.ref}**", 1)


def incident_question(row: IncidentRow, cases: Sequence[CaseRow], refused: str) -> str:
    """What stands above an incident's form (markdown). ``refused``: why the latest answer was not taken, else ""."""
    states = Counter(str(case.state) for case in cases)
    told = ", ".join(f"{count} {called(state)}" for state, count in states.most_common())
    cause = plain(in_words(row.cause))
    retailers = len({case.retailer for case in cases})
    parts = [
        f"**Your last answer was not taken.** {plain(refused)}" if refused else "",
        f"{incident_heading(row)} · {len(cases)} cases of {retailers} retailers: {told}. Its table links to each.",
        f"**Decided before:** {plain(row.decision)}, by {plain(row.decided_by)}: {plain(row.reason)}"
        if row.decision
        else "",
        f"**Decide for all cases that wait (J6)**, whose cause is {cause}. 'After our fix' runs every job again and "
        "reads it back (J10); each case is then pictured, reviewed and closed by itself (J7). 'Keep paused' leaves "
        "them open. A case that somebody decided by itself keeps that decision, and one that fails again asks by "
        "itself.",
    ]
    return "\n\n".join(part for part in parts if part)
