"""J6: the team settles the account's status, and a second person reviews before a case closes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from caseproof.channels.inbound.meaning import Meaning, meaning_of
from caseproof.config.policy import Policy
from caseproof.domain.case import Case, Fact
from caseproof.domain.decisions import NEEDS, refuse_decision, require_member
from caseproof.domain.errors import BadInput, NotAllowed
from caseproof.domain.events import Event
from caseproof.domain.job_failure.cause import asks_for_answer, owes_correction
from caseproof.domain.job_failure.conditions import AT_THE_REVIEW
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.job_failure.lifecycle import State
from caseproof.domain.people import same_person
from caseproof.domain.vocabulary import WAYS, Choice, Decision, Disposition
from caseproof.procedure.core.parts import US, Ledger, event_of
from caseproof.store import Store


def read_date(text: str) -> date | None:
    """A date as people type it into a form (YYYY-MM-DD); None where it is empty. Raises BadInput."""
    if not text.strip():
        return None
    try:
        return date.fromisoformat(text.strip())
    except ValueError as error:
        raise BadInput(f"'{text.strip()}' is not a date.", "Write it as YYYY-MM-DD, like 2027-01-31.") from error


def decide(
    ledger: Ledger, policy: Policy, ref: str, *, decision: Decision, by: str, reason: str, checked: str = "",
    until: date | None = None, question: int | None = None,
) -> Case:  # fmt: skip
    """Record the team's decision. Raises NotOnTheTeam, NotAllowed (J8) and BadInput; nothing is recorded then.

    ``checked`` says what was looked at in the system and what was seen there (J8).
    """
    member = require_member(by, policy.team)

    def events(case: Case) -> Sequence[Event]:
        if question in case.handled:  # two live runs of one case read the same answer
            return []
        now = ledger.clock()
        refuse_decision(case, decision, reason=reason, checked=checked, until=until, today=now.date())
        answer = {} if question is None else {"question": question}
        if until is not None:  # only keeping paused takes a date, and it needs one
            return [event_of(Kind.KEPT_PAUSED, now, member, {"until": until.isoformat(), "reason": reason, **answer})]
        taken = {"decision": str(decision), "reason": reason, **policy.review_terms, **answer}
        found = []
        if NEEDS[decision].validation:
            found.append(event_of(Kind.CHANGE_VALIDATED, now, member, {"how": checked}))
        return [*found, event_of(Kind.DECIDED, now, member, taken)]

    return ledger.change(ref, events)


def goes_on_by_itself(ledger: Ledger, policy: Policy, ref: str) -> bool:
    """Decide without an operator where the retailer clearly said that the change is made, and the policy allows it.

    The case then goes on to the re-run, and whoever reviews it says what was checked in the system (J8, J11). Once a
    word; never a removal. Where a person has to decide, nothing changes.
    """

    def events(case: Case) -> Sequence[Event]:
        word = clear_word(ledger.store, policy, case)
        return [] if word is None else [_decided_by(ledger, policy, word)]

    return ledger.change(ref, events).state is State.DECIDED


def clear_word(store: Store, policy: Policy, case: Case) -> Fact | None:
    """The word on which the case may go on by itself, or None.

    It came a way that the policy names, after what the retailer was told last (the notice, or what corrected it) and
    after the last failure; and whatever else they have said since then says the same: no question, no other choice. Who
    wrote it still speaks for the retailer.
    """
    told = case.last_told
    if not _waits_for_the_retailer(case) or told is None or not policy.review.required:
        return None
    said = [fact for fact in (*case.words, *case.doubted, *case.replies) if fact.seq > told.seq]
    if not asks_for_answer(case) or owes_correction(case) or not all(map(_is_clear, said)):
        return None
    since = case.last_failure.seq if case.last_failure is not None else 0
    clear = [fact for fact in said if fact["by_way_of"] in policy.answers.by_itself and fact.seq > since]
    return clear[-1] if clear and _speaks_for_them(store, case, str(clear[-1]["sender"])) else None


def _speaks_for_them(store: Store, case: Case, sender: str) -> bool:
    """Whether a sender is a registered contact now: whoever was taken off since decides nothing alone."""
    with store.reading() as uow:
        return uow.people.is_contact(case.facts.get("retailer") or "", sender)


def _waits_for_the_retailer(case: Case) -> bool:
    """Whether nobody on the team has decided: also where Caseproof keeps the account paused for want of an answer."""
    by_us = case.state is State.PAUSED and case.decision is not None and case.decision.actor == US
    return case.state is State.WAITING or by_us


_OTHERWISE = frozenset({Meaning.REMOVE, Meaning.NOT_YET, Meaning.QUESTION, Meaning.NOT_THEIRS})


def _is_clear(said: Fact) -> bool:
    """The choice, and nothing else in the words that were typed along with it."""
    chosen = said.event.kind is Kind.CONFIRMATION_RECEIVED and said.get("choice") == Choice.CHANGED
    return chosen and meaning_of(str(said["words"])) not in _OTHERWISE


def _decided_by(ledger: Ledger, policy: Policy, word: Fact) -> Event:
    said = f"{word['sender']} said {WAYS[word['by_way_of']]} that the change is made ({word.at:%Y-%m-%d %H:%M} UTC)"
    return ledger.event(
        Kind.DECIDED,
        US,
        decision=str(Decision.AFTER_CHANGE),
        reason=f"{said}; the policy lets the case go on to the re-run. Whoever reviews it looks at the change first.",
        validation=AT_THE_REVIEW,
        **policy.review_terms,
    )


def looked_at(ledger: Ledger, ref: str, *, by: str, question: int) -> None:
    """Mark the retailer's messages that stood above this question as looked at by who answered it.

    What came later, the answer was given without; and what a flood kept out of the case did not stand there either.
    """
    case = ledger.case(ref)
    asked = case.asked[question].at
    written = {event.data.get("evidence") for event in case.events}
    with ledger.store.uow() as uow:
        before = [row for row in uow.messages.of_case(ref) if row.needs_eye and row.at <= asked]
        shown = [row.id for row in before if row.place is Disposition.REPLY or row.digest in written]
        uow.messages.done(shown, by, ledger.clock())
        uow.commit()


def review(
    ledger: Ledger,
    team: Sequence[str],
    ref: str,
    *,
    approved: bool,
    by: str,
    remark: str,
    checked: str = "",
    question: int | None = None,
) -> Case:
    """Record the review. Sending back needs a reason; the policy may ask for another person than who decided.

    ``checked`` says what the reviewer looked at in the system and saw there: needed for an approval where nobody did so
    before (J8). Raises NotOnTheTeam, NotAllowed, BadInput.
    """
    member = require_member(by, team)
    if not approved and not remark.strip():
        raise BadInput("Sending back needs a reason.", "Say in a sentence what is missing or wrong.")

    def events(case: Case) -> Sequence[Event]:
        if question in case.handled:
            return []
        answer = {} if question is None else {"question": question}
        if not approved:
            return [ledger.event(Kind.REVIEW_REJECTED, member, why=remark, **answer)]
        decision = case.decision
        if decision and decision.get("review") == "another person" and same_person(decision.actor, member):
            raise NotAllowed(
                f"{member} took the decision; the policy asks another person to review it.",
                "Let another member of the team answer.",
            )
        if case.photo is None and case.state in (State.VERIFIED, State.REVIEWED):
            raise NotAllowed(
                f"J7: the picture of {case.ref} that was to be reviewed was taken back.",
                "Wait for the next one: it is reviewed then.",
            )
        seen = [ledger.event(Kind.CHANGE_VALIDATED, member, how=checked)] if checked.strip() else []
        return [*seen, ledger.event(Kind.REVIEW_APPROVED, member, remark=remark, **answer)]

    return ledger.change(ref, events)
