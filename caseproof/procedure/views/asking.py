"""What a case asks now, for the page that asks it: the same form and the same words as in Prefect, field by field."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from caseproof.config.policy import Policy
from caseproof.domain.case import Case, Fact
from caseproof.domain.decisions import NEEDS
from caseproof.domain.errors import CaseproofError
from caseproof.domain.forms import (
    AccountDecision,
    Apart,
    CauseChoice,
    CauseElsewhere,
    CauseOfFailure,
    Counts,
    ForAll,
    Form,
    FormField,
    IncidentDecision,
    RetailersWord,
    Review,
    TryAgain,
    Verdict,
    Word,
    WordAgreement,
    fields_of,
)
from caseproof.domain.job_failure.conditions import owes_validation
from caseproof.domain.people import same_person
from caseproof.domain.procedure import of_kind
from caseproof.domain.support.answers import request_of, tiers_making
from caseproof.domain.support.choices import PtAnswers
from caseproof.domain.support.conditions import linked_jobs
from caseproof.domain.support.efforts import documents, mails_of, without_outcome
from caseproof.domain.support.forms import About, Finish, SupportForm, TierForm
from caseproof.domain.support.ladder import request_blockers
from caseproof.domain.support.payloads import PtAsked
from caseproof.domain.support.procedure import SUPPORT
from caseproof.domain.support.vocabulary import TIER_NAMES, Tier
from caseproof.domain.vocabulary import Decision
from caseproof.procedure.core import causes
from caseproof.procedure.core.asked import choice_field, choices_of, typed_before
from caseproof.procedure.core.parts import Ledger, Links
from caseproof.procedure.core.support import people_of
from caseproof.procedure.core.texts import in_words
from caseproof.procedure.escalation.acting import who_answers
from caseproof.procedure.views.cause_question import what_another_asks, what_to_say_of_the_cause, would_read
from caseproof.procedure.views.questions import (
    incident_question,
    question_on_its_page,
    what_to_agree,
    what_to_decide,
    what_to_put_right,
    what_to_record,
    what_to_review,
)
from caseproof.procedure.views.support_parts import what_to_do, who_may_answer
from caseproof.store import CaseRow, IncidentRow


@dataclass(frozen=True, slots=True)
class Offered:
    """A choice: what is sent, what people read, what it leads to, and why this person cannot take it now ("": can)."""

    value: str
    label: str
    hint: str
    not_now: str


@dataclass(frozen=True, slots=True)
class AskedNow:
    """A case's question for one person.

    ``says`` (markdown) stands above the form; ``choice`` is the field by which the ``fields`` are asked for, None where
    there is none; ``contacts`` are the retailer's addresses; ``typed`` are texts of an answer that was refused.
    ``suggested``: what may be typed into a field, each with what it is, by the field's name. ``not_theirs`` (markdown)
    says who may answer, where this person may not; "" where they may.
    """

    number: int
    form: type[Form]
    says: str
    choice: FormField | None
    offered: Sequence[Offered]
    fields: Sequence[FormField]
    contacts: Sequence[str]
    typed: Mapping[str, str]
    seen: int
    suggested: Mapping[str, Sequence[tuple[str, str]]] = field(default_factory=dict)
    not_theirs: str = ""

    @property
    def title(self) -> str:
        """What is asked, in a few words."""
        if issubclass(self.form, TierForm):
            name = TIER_NAMES[self.form.tier]
            return f"{name[:1].upper()}{name[1:]}: what is next?"
        return _TITLES.get(self.form, "A question")

    def asked_with(self, choice: str) -> list[FormField]:
        """The fields that are asked for where this was chosen."""
        return [one for one in self.fields if one.is_asked_with(choice)]


def asked_now(
    ledger: Ledger, links: Links, policy: Policy, case: Case, by: str, evidence_url: Callable[[str], str]
) -> AskedNow | None:
    """What the case asks now, as this member of the team may answer it; None where it asks nothing."""
    question = case.question
    form = case.procedure.forms.get(question["form"]) if question else None
    if question is None or form is None:
        return None
    choice = choice_field(form)
    with ledger.store.reading() as uow:
        retailer = case.facts.get("retailer") or ""
        contacts = [contact.address for contact in uow.people.contacts(retailer)] if retailer else []
    explain = explained(ledger, links, policy, case, form, evidence_url)
    return AskedNow(
        number=question["number"],
        form=form,
        says=question_on_its_page(case, links.case_url(case.ref), explain),
        choice=choice,
        offered=[_offered(policy, case, value, by) for value in (choices_of(case, choice) if choice else [])],
        fields=[one for one in fields_of(form) if one.choices is None and one.name != "answered_by"],
        contacts=contacts,
        typed=typed_before(case, form),
        seen=case.version,
        suggested=_suggested(policy, case) if case.procedure is SUPPORT else {},
        not_theirs=_not_theirs(policy, case, form, by),
    )


def _not_theirs(policy: Policy, case: Case, form: type[Form], by: str) -> str:
    """Whose form it is, where it is of another tier than theirs; a case's other forms are the whole team's."""
    if not issubclass(form, SupportForm):
        return ""
    names = who_answers(policy, case, form)
    return "" if any(same_person(by, name) for name in names) else who_may_answer(case, form, names)


def _suggested(policy: Policy, case: Case) -> dict[str, list[tuple[str, str]]]:
    """What a form of the ladder may be answered with: the linked documents, PT's open lines, technicians, mails."""
    people = people_of(policy)
    technicians = [(name, str(tier)) for tier in (Tier.L2, Tier.PT) for name in people[tier]]
    mails = [(one.file, f"{one.sender}, {one.at:%Y-%m-%d}") for one in mails_of(case) if not one.unproven]
    jobs = [(ref, "linked") for ref in linked_jobs(case)]
    return {
        "document": [(str(one["address"]), str(one["title"])) for one in documents(case)],
        "item": [(item.key, item.words) for item in without_outcome(case)],
        "technician": technicians,
        "source": mails,
        "job": jobs,
    }


def asked_for_all(row: IncidentRow, cases: Sequence[CaseRow], refused: str) -> AskedNow:
    """What an incident asks now, for all its cases; ``refused`` is why the latest answer was not taken."""
    choice = choice_field(IncidentDecision)
    values = [str(one) for one in ForAll]
    return AskedNow(
        number=row.asked,
        form=IncidentDecision,
        says=incident_question(row, cases, refused),
        choice=choice,
        offered=[Offered(value, _LABELS[value], _HINTS[value], "") for value in values],
        fields=[one for one in fields_of(IncidentDecision) if one.choices is None and one.name != "answered_by"],
        contacts=[],
        typed={},
        seen=row.asked,
    )


def explained(
    ledger: Ledger, links: Links, policy: Policy, case: Case, form: type[Form], evidence_url: Callable[[str], str]
) -> str:
    """What is to be done with this form (markdown); "" where the case cannot say it."""
    if form is CauseOfFailure:
        remembered = list(causes.remembered_causes(ledger).values())
        hours = policy.keeper.ask_cause_hours
        return what_to_say_of_the_cause(
            case, causes.message_of(case), policy.check.signatures, remembered, hours, with_choices=False
        )
    if form is CauseElsewhere:
        asks = _asking_case(ledger, case)
        return what_another_asks(asks, f"{links.case_url(asks)}#question")
    if form is RetailersWord:
        return what_to_record(case)
    if form is WordAgreement:
        return what_to_agree(case)
    if issubclass(form, SupportForm):
        return what_to_do(case, form)
    if form is AccountDecision:
        return what_to_decide(case, policy.answers.by_itself)
    if form is Review and case.verified and case.photo and case.decision:
        return what_to_review(case, evidence_url)
    if case.trouble is not None:
        problem = CaseproofError(str(case.trouble["problem"]), str(case.trouble["next_action"]))
        return what_to_put_right(str(case.trouble["step"]), problem)
    return ""


def _asking_case(ledger: Ledger, case: Case) -> str:
    """The case that asks for the cause of this one's message."""
    shape, _ = causes.shape_of_case(case)
    with ledger.store.reading() as uow:
        waiting = uow.causes.waiting(shape)
    return waiting[0] if waiting else case.ref


# -- the choices -----------------------------------------------------------------------------------------------------


_TITLES: Mapping[type[Form], str] = {
    CauseOfFailure: "Why does it fail?",
    CauseElsewhere: "The cause is asked with another case",
    RetailersWord: "What did the retailer say?",
    WordAgreement: "Is it the retailer's word?",
    AccountDecision: "What becomes of the account?",
    IncidentDecision: "What becomes of all these accounts?",
    Review: "Does the evidence hold?",
    TryAgain: "A step needs help",
    About: "What is it about?",
    Finish: "What is left before it closes?",
}

_LABELS: Mapping[str, str] = {
    Word.WROTE: "The retailer wrote: record it",
    Word.COUNTS: "The newest reply above counts: record it",
    Word.ANSWERED: "I answered the reply above: wait on",
    Word.WITHOUT: "Decide without the retailer's word",
    Counts.AGREE: "I agree: it is the retailer's word",
    Counts.NO: "It does not count",
    Decision.AFTER_CHANGE: "Reactivate after the retailer's change",
    Decision.AFTER_FIX: "Reactivate after our fix",
    Decision.KEEP_PAUSED: "Keep paused until a date",
    Decision.REMOVE: "Remove the integration",
    Verdict.APPROVE: "Approve",
    Verdict.SEND_BACK: "Send back",
    CauseChoice.OUR_PLATFORM: "our own platform",
    CauseChoice.NONE: "None of these",
    Apart.BY_ITSELF: "This failure is another: ask about this case by itself",
}
_HINTS: Mapping[str, str] = {
    Word.WROTE: "A letter, a chat, a call's protocol. Somebody else then says whether it counts.",
    Word.COUNTS: "It stays as it came, with its sender and its file.",
    Word.ANSWERED: "Their words confirm nothing; the retailer has the next turn.",
    Word.WITHOUT: "Then only 'after our fix' and 'keep paused' can be decided.",
    Counts.AGREE: "You know it from elsewhere: you saw the mail arrive, or asked them.",
    Counts.NO: "The case waits on for the retailer's word.",
    Decision.AFTER_CHANGE: "They made the change, and you looked at it. The job runs again before it goes live.",
    Decision.AFTER_FIX: "The fault was ours and is mended. The job runs again before it goes live.",
    Decision.KEEP_PAUSED: "The job stays stopped, the case stays open, and you are asked again on that day.",
    Decision.REMOVE: "Its schedules are switched off for good; none is deleted.",
    Verdict.APPROVE: "The picture shows this run, and how it ended. The case then closes with its proof.",
    Verdict.SEND_BACK: "The job is stopped again, and the case is decided anew.",
}


def _offered(policy: Policy, case: Case, value: str, by: str) -> Offered:
    label = _LABELS.get(value, in_words(value))
    if case.procedure is SUPPORT:
        no = _closed_gate(case, value) or _for_another_tier(policy, case, value, by) or _own_question(case, value, by)
        return Offered(value, label[:1].upper() + label[1:], "", no)
    hint = _HINTS.get(value, "")
    if value == Decision.REMOVE and policy.closing.delete_removed_jobs:
        hint = "It is stopped for good and then deleted, where its platform can: nobody gets it back from there."
    if value in list(CauseChoice):
        title, asked = would_read(CauseChoice(value), case.facts.get("marketplace"))
        hint = f"They read: \u201c{title}\u201d. Asked of them: {asked}"
    return Offered(value, label[:1].upper() + label[1:], hint, _not_now(case, value, by))


def _closed_gate(case: Case, value: str) -> str:
    """What keeps the case from what this choice asks for, each with its rule and the next action; "" for nothing.

    What the answer itself has to bring, it is asked for in its fields.
    """
    form = case.procedure.forms.get(case.question["form"]) if case.question else None
    if form is None or not issubclass(form, TierForm):
        return ""
    found = request_blockers(case, request_of(form, value))
    return " ".join(f"{one.rule}: {one.missing} {one.next_action}" for one in found)


def _for_another_tier(policy: Policy, case: Case, value: str, by: str) -> str:
    """For whom this choice is, where it is not for them: a form may be for more than one tier; "" where it is."""
    form = case.procedure.forms.get(case.question["form"]) if case.question else None
    if form is None or not issubclass(form, TierForm):
        return ""
    tiers, people = tiers_making(case, form, value), people_of(policy)
    members = [name for tier in tiers for name in people[tier]]
    if not members or any(same_person(by, name) for name in members):
        return ""
    return f"This is for {' or '.join(TIER_NAMES[tier] for tier in tiers)} alone."


def _own_question(case: Case, value: str, by: str) -> str:
    """E3: whoever asked PT does not answer themselves; "" where they may answer."""
    asked = case.all_of(PtAsked)
    is_own = value == PtAnswers.ADVISE and bool(asked) and same_person(asked[-1].actor, by)
    return "You asked PT this yourself: somebody else of PT answers (E3)." if is_own else ""


def _not_now(case: Case, value: str, by: str) -> str:
    """Why this person cannot take this choice now; "" where they can. The procedure refuses it all the same."""
    decision = case.decision
    if value in list(Decision) and NEEDS[Decision(value)].confirmation and not case.words:
        return "It needs the retailer's written word (J8), and there is none that counts yet."
    if value == Counts.AGREE and case.doubted and all(same_person(word.actor, by) for word in case.doubted):
        return "You brought this word in: somebody else has to agree (J8)."
    another = decision is not None and decision.get("review") == "another person"
    if value == Verdict.APPROVE and another and decision is not None and same_person(decision.actor, by):
        return "You took the decision: the policy asks somebody else to approve it."
    return ""


def needs_words(case: Case | None, one: FormField, choice: str) -> bool:
    """Whether a field may not stay empty with this choice, as the case stands (J8: whoever approves looked).

    ``case`` is None where all of an incident are asked about.
    """
    looks = case is not None and choice == Verdict.APPROVE and one.name == "checked" and owes_validation(case)
    return looks or one.needs_a_word_with(choice)


def answered_in_words(answer: Fact) -> str:
    """What was answered, as people read it: the choice's own words."""
    form = of_kind(answer.event.kind).forms.get(answer["form"])
    choice = choice_field(form) if form else None
    value = str(answer["answer"].get(choice.name, "")) if choice else ""
    return _LABELS.get(value, in_words(value)) if value else "done, try again"
