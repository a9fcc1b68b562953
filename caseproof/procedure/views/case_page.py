"""The case card: what an operator sees of a case, as markdown (facts, what blocks closure, next action, timeline)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from caseproof.domain.case import Case
from caseproof.domain.closure import closure_blockers
from caseproof.domain.events import Event
from caseproof.domain.job_failure.cause import choice_of, is_answered, is_neutral, owes_cause
from caseproof.domain.job_failure.conditions import waits_for_review_alone
from caseproof.domain.job_failure.lifecycle import State
from caseproof.domain.job_failure.pictures import kind_of_picture
from caseproof.domain.payloads import AnswerRefused
from caseproof.domain.support.procedure import SUPPORT
from caseproof.domain.vocabulary import SHARED_CAUSE
from caseproof.procedure.core.retailer_answer import came_by, doubts
from caseproof.procedure.core.sentences import whole_sentence
from caseproof.procedure.core.texts import data_uri, in_words, link, own_line, plain, short
from caseproof.procedure.views.owed import OwedLine
from caseproof.procedure.views.questions import left_by_a_removal, what_rules_mean
from caseproof.procedure.views.support import next_step
from caseproof.procedure.views.support_parts import card_parts


def next_action(case: Case) -> str:
    """What has to happen next, in a sentence a person can act on."""
    if case.trouble is not None:
        return f"{case.trouble['problem']} {case.trouble['next_action']}"
    if case.is_closed:
        return "Nothing: the case is closed, with its proof."
    if case.procedure is SUPPORT:
        return next_step(case)
    if owes_cause(case) and case.cause_awaited is not None:
        return _waits_for_cause(case)
    if case.state is State.PAUSED:
        return f"Paused until {case.paused_until}; decide again in the case's form when the time has come."
    if case.state is State.WAITING:
        return _waits(case)
    if case.state is State.VERIFIED and waits_for_review_alone(case):
        return "Review the evidence, in the case's form."
    blockers = closure_blockers(case)
    return blockers[0].next_action if blockers else "The case's run makes the proof and closes the case."


def _waits_for_cause(case: Case) -> str:
    if case.question is not None and case.question["form"] == SHARED_CAUSE:
        return "The cause is asked with another case of this message; its answer holds for this one, too (J5)."
    return "Say the cause, in the case's form; the retailer is not told before (J5)."


def _waits(case: Case) -> str:
    if is_answered(case):
        return "Decide what becomes of the account, in the case's form."
    if case.doubted:
        brought = ", ".join(sorted({word.actor for word in case.doubted}))
        return f"Somebody else than {brought} says whether the retailer's word counts, in the case's form."
    if case.open_replies:
        return "Read what the retailer wrote, and say what it means, in the case's form."
    if is_neutral(case):
        command = f"`caseproof case correct {case.ref} --cause CAUSE --by NAME`"
        return f"Find out the cause, then {command}: the retailer waits for it."
    return "Wait for the retailer's word and record it, or decide without it if we fixed it ourselves."


def case_page(
    case: Case,
    *,
    case_url: str,
    evidence_url: str,
    picture: bytes | None = None,
    owed: Sequence[OwedLine] = (),
    rules_url: str = "",
) -> str:
    """The card as markdown. ``evidence_url`` is what evidence links start with; ``picture`` a small PNG of the run;
    ``owed`` is what the case owes yet; ``rules_url`` says what the rules mean."""
    is_support = case.procedure is SUPPORT
    parts = [
        f"# {case.ref}: {plain(case.name)}",
        f"**{case.procedure.called(case.state).upper()}.** {case.procedure.sentences[case.state]}",
        f"**Next:** {plain(next_action(case))}",
        *(card_parts(case) if is_support else ()),
        # Not in the table: Prefect cuts a long cell at its right edge.
        "" if is_support else f"**What fails:** {plain(short(case.facts['summary']))}",
        _facts_table(case, case_url),
        _blockers_table(case),
        _owed(owed),
        _proof(case, evidence_url),
        _run(case, picture),
        _words(case),
        timeline(case, evidence_url),
        f"[{what_rules_mean(case.procedure)}]({rules_url})" if rules_url else "",
    ]
    return "\n\n".join(part for part in parts if part)


def _proof(case: Case, evidence_url: str) -> str:
    if case.proof is None or not case.is_closed:
        return ""
    file = link(case.proof.data["file"], f"{evidence_url}/{case.proof['evidence']}")
    return f"## The proof\n\nClosed under **{plain(case.proof['rule'])}**: {file}"


def _run(case: Case, picture: bytes | None) -> str:
    """The run that was read back as successful: its picture, and the link to its own page."""
    run = case.verified
    if run is None:
        return ""
    said = f"{link(run.get('name') or run['run'], run.get('url'))} was read back as {plain(run.get('said') or 'over')}"
    is_removal = run["purpose"] == "removal"
    title = "The removal" if is_removal else "The successful run"
    lines = [f"## {title}", f"{said}, ended {plain(_minute(run['ended_at']))}."]
    lines += [left_by_a_removal(case)] if is_removal else []
    if picture is not None:
        lines.append(f"![{kind_of_picture(case).page}]({data_uri(picture)})")
    return "\n\n".join(lines)


def _facts_table(case: Case, case_url: str) -> str:
    facts = case.facts
    rows = {
        **({} if case.procedure is SUPPORT else _job_rows(case)),
        "Opened": f"{_time(case.opened)} by {case.opened.actor if case.opened else ''} ({facts['how']})",
        "Ticket": _ticket(case),
        "Case page": link(f"everything about {case.ref}", case_url),
    }
    links = {"Job", "Ticket", "Case page"}
    lines = [f"| {name} | {value if name in links else plain(value)} |" for name, value in rows.items()]
    return "\n".join(["| | |", "|---|---|", *lines])


def _job_rows(case: Case) -> dict[str, str]:
    facts = case.facts
    return {
        "Job": link(facts["job"], facts.get("job_url")),
        "Platform": facts["platform"],
        "Retailer": facts.get("retailer") or "not known",
        "Marketplace": facts.get("marketplace") or "none",
        "Cause": cause_in_words(case),
        "Decision": f"{case.decided} ({case.decision.actor})" if case.decision else "none yet",
    }


def cause_in_words(case: Case) -> str:
    """The cause as people say it, and which of them chose it when, where somebody did; "" of what has no cause."""
    if case.procedure is SUPPORT:
        return ""
    chosen = choice_of(case)
    by = f", chosen by {chosen['by']} on {chosen['on'][:10]}" if chosen else ""
    asked = ": a person is asked for it" if owes_cause(case) and case.cause_awaited else ""
    return f"{in_words(case.facts['cause'])}{by}{asked}"


def _ticket(case: Case) -> str:
    if case.ticket is None:
        return "none yet"
    return link(case.ticket.data["ticket"], case.ticket.data.get("url"))


def _blockers_table(case: Case) -> str:
    blockers = closure_blockers(case)
    if case.is_closed or not blockers:
        return ""
    lines = [f"| {b.rule} | {plain(b.missing)} | {plain(b.next_action)} |" for b in blockers]
    return "\n".join(["## What blocks closure", "", "| Rule | Missing | Next action |", "|---|---|---|", *lines])


def _owed(owed: Sequence[OwedLine]) -> str:
    return "\n".join(["## Owed yet", "", *(f"* {plain(one.sentence)}" for one in owed)]) if owed else ""


def _words(case: Case) -> str:
    """The retailer's own words, verbatim, each line quoted, in the order in which they came."""
    said = []
    for word in sorted((*case.confirmations, *case.open_replies), key=lambda fact: fact.seq):
        quoted = "\n".join(f"> {own_line(line)}" for line in str(word["words"]).splitlines())
        who = f"{own_line(word['sender'])}, {plain(came_by(word))}, recorded {_time(word)} by {plain(word.actor)}"
        said.append(f"{'. '.join([who, *map(plain, doubts(case, word))])}:\n\n{quoted}")
    return "## The retailer's word\n\n" + "\n\n".join(said) if said else ""


def timeline(case: Case, evidence_url: str) -> str:
    """Everything that happened, oldest first, as a markdown table with links to the evidence."""
    lines = ["## Timeline", "", "| # | At (UTC) | Who | What |", "|---|---|---|---|"]
    for number, event in enumerate(case.events, start=1):
        if not event.kind.spec.news:
            continue
        said = plain(sentence(event))
        if event.data.get("evidence"):
            said += f" ([evidence]({evidence_url}/{event.data['evidence']}))"
        # What happened stands last: Prefect cuts a table at its right edge.
        lines.append(f"| {number} | {event.at:%Y-%m-%d %H:%M:%S} | {plain(event.actor)} | {said} |")
    return "\n".join(lines)


def sentence(event: Event) -> str:
    """What happened, as one line of plain text, shortened to ``LONGEST`` characters.

    Why an answer was refused stays whole: it ends in what to do next.
    """
    told = whole_sentence(event)
    return told if event.kind.spec.says is AnswerRefused else short(told)


def _minute(at: object) -> str:
    return f"{str(at)[:16].replace('T', ' ')} UTC"


def _time(fact: Any) -> str:
    return f"{fact.at:%Y-%m-%d %H:%M} UTC" if fact else ""
