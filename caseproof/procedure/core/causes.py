"""Unknown means ask (house rule 11): a person says the cause, once for all messages of one shape, and it is remembered.

Everything about one shape happens in one transaction, and two writers queue: so a message has one case that asks, an
answer reaches every case that waits for it, and no case begins to wait for an answer that was given a moment ago.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from caseproof.checks.shapes import abridged, key_of, shape_of
from caseproof.config.policy_check import KeeperPolicy
from caseproof.domain.case import Case
from caseproof.domain.codes import Code
from caseproof.domain.decisions import require_member
from caseproof.domain.errors import BadInput, NotAllowed
from caseproof.domain.events import Event
from caseproof.domain.forms import CauseChoice
from caseproof.domain.job_failure.cause import choice_of, owes_cause
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.job_failure.procedure import require_job_failure
from caseproof.domain.spelling import no_such
from caseproof.domain.vocabulary import CAUSES, NO_MESSAGE, UNKNOWN
from caseproof.procedure.core.parts import US, Ledger
from caseproof.store import ChosenCause, UnitOfWork


class CauseKnown(NotAllowed):
    """Somebody said the cause already."""

    code = Code.CAUSE_KNOWN

    def __init__(self, case: Case) -> None:
        chosen = choice_of(case)
        by = f", chosen by {chosen['by']} on {chosen['on'][:10]}" if chosen else ""
        known = f"The cause of {case.ref} is {case.facts['cause']} already{by}."
        if case.facts["cause"] == UNKNOWN:
            known = f"{case.ref} asks for its cause no more: its retailer is told without one."
        super().__init__(known, f"If it is another: `caseproof case correct {case.ref} --cause CAUSE --by NAME`.")


@dataclass(frozen=True, slots=True)
class Corrected:
    """What a correction changed: the cases (the one that was named first), and what is remembered now, if anything."""

    refs: tuple[str, ...]
    remembered: ChosenCause | None


def message_of(case: Case) -> str:
    """The message that the case is about; "" where it has none, so that its cause is its own."""
    said, opening = str(case.facts["summary"]), case.last_opened
    planned = opening is not None and opening.get("check") and not case.facts.get("failed_run")
    return "" if planned or said == NO_MESSAGE else said  # a check that found no failed run wrote that sentence itself


def shape_of_case(case: Case) -> tuple[str, str]:
    """The key and the words of the shape of its message; two empty texts where it has none, or asks by itself."""
    if case.cause_awaited is not None:
        return case.cause_awaited["shape"], case.cause_awaited["words"]
    words = shape_of(message_of(case))
    return key_of(words), words


def may_tell(keeper: KeeperPolicy, case: Case) -> bool:
    """Whether the retailer may be told: not before the cause is known, or left open, where the policy asks for it."""
    return not (keeper.ask_cause and owes_cause(case))


def await_cause(ledger: Ledger, keeper: KeeperPolicy, ref: str) -> str | None:
    """The case that asks for the cause of this one's message: often itself. None where nobody is asked (any more).

    What is remembered for the message is taken; and when nobody answered for as long as the policy says, the cause is
    left open. Either way it is written down, for all cases of the message that it is true of. Raises UnknownCase.
    """
    with ledger.store.uow() as uow:
        case = uow.cases.get(ref)
        if may_tell(keeper, case):
            return None
        shape, words = shape_of_case(case)
        if (known := uow.causes.of_shape(shape)) is not None:
            event = _taken(ledger, known, f"remembered since {known.ref}")
            uow.cases.append(case, event)
            uow.causes.count(shape)
            uow.commit()
            return None
        if case.cause_awaited is None:
            uow.cases.append(case, ledger.event(Kind.CAUSE_AWAITED, shape=shape, words=words))
        elif _is_over(case, keeper, ledger.clock()):
            _leave_open(ledger, keeper, uow, case, shape)
            uow.commit()
            return None
        waiting = uow.causes.waiting(shape)
        uow.commit()
    return waiting[0] if waiting else ref


def over_at(keeper: KeeperPolicy, since: datetime) -> datetime:
    """Until when a person may say the cause of a case that waits for it since then."""
    return since + timedelta(hours=keeper.ask_cause_hours)


def _is_over(case: Case, keeper: KeeperPolicy, now: datetime) -> bool:
    return case.cause_awaited is not None and now >= over_at(keeper, case.cause_awaited.at)


def _leave_open(ledger: Ledger, keeper: KeeperPolicy, uow: UnitOfWork, case: Case, shape: str) -> None:
    """For every case of the message that waited long enough: those of one retailer then share a mail."""
    why = f"nobody said it within {keeper.ask_cause_hours:g} hours."
    left = ledger.event(Kind.CAUSE_LEFT_OPEN, why=why)
    now = ledger.clock()

    def over(one: Case) -> list[Event]:
        return [left] if owes_cause(one) and _is_over(one, keeper, now) else []

    uow.bulk.change({case.ref, *uow.causes.waiting(shape)}, over)


def choose_cause(
    ledger: Ledger, team: Collection[str], ref: str, choice: CauseChoice, *, by: str, question: int | None = None
) -> Case:
    """Write down the cause that a person says, for this case and all that wait for the same message, and remember it.

    That none of the causes fits is not remembered: the next message of this shape is asked about again. Raises
    NotOnTheTeam, and CauseKnown where it was settled meanwhile; nothing is recorded then.
    """
    member = require_member(by, team)
    answer = {} if question is None else {"question": question}
    with ledger.store.uow() as uow:
        case = uow.cases.get(ref)
        ledger.along(case, [])  # somebody's answer that came too late is refused, and not passed over
        if question in case.handled:  # two live runs of one case read the same answer
            return case
        if not owes_cause(case):
            raise CauseKnown(case)
        shape, words = shape_of_case(case)
        others = [other for other in uow.causes.waiting(shape) if other != ref]
        if choice is CauseChoice.NONE:
            why = f"{member} says that no cause fits."
            own = ledger.event(Kind.CAUSE_LEFT_OPEN, member, why=why, **answer)
            theirs = ledger.event(Kind.CAUSE_LEFT_OPEN, why=f"{why} Asked with {ref}.")
        else:
            known = _remember(ledger, uow, case, shape, words, str(choice), member, corrects=False)
            kept = known.shape if known else ""
            own = _chosen(ledger, member, str(choice), member, "asked", UNKNOWN, kept, **answer)
            theirs = _chosen(ledger, US, str(choice), member, f"asked with {ref}", UNKNOWN, kept)
            uow.causes.count(kept, 1 + len(others))
        after = uow.cases.append(case, *ledger.along(case, [own]))
        uow.bulk.change(others, lambda one: [theirs] if owes_cause(one) else [])
        uow.commit()
    return after


def ask_by_itself(ledger: Ledger, team: Collection[str], ref: str, *, by: str, question: int | None = None) -> Case:
    """This failure only looks like the one that another case asks about: from now on it asks alone.

    Raises NotOnTheTeam, CauseKnown.
    """
    member = require_member(by, team)
    answer = {} if question is None else {"question": question}

    def events(case: Case) -> Sequence[Event]:
        if question in case.handled:
            return []
        if not owes_cause(case):
            raise CauseKnown(case)
        return [ledger.event(Kind.CAUSE_AWAITED, member, shape="", words="", **answer)]

    return ledger.change(ref, events)


def correct_cause(ledger: Ledger, team: Collection[str], ref: str, cause: str, *, by: str) -> Corrected:
    """The cause is another than was said: write it down, for every open case that has it from the same choice, too.

    It is remembered for the message in place of what was, and counts more than a signature: it was said against one.
    Whoever was told otherwise is owed a mail. Raises NotOnTheTeam, BadInput, UnknownCase, NotAllowed (J2: before the
    stop).
    """
    member = require_member(by, team)
    if cause not in CAUSES or cause == UNKNOWN:
        raise no_such("cause that a person can say", cause, [one for one in CAUSES if one != UNKNOWN])
    with ledger.store.uow() as uow:
        case = uow.cases.get(ref)
        require_job_failure(case)
        before = str(case.facts["cause"])
        if before == cause:
            raise BadInput(f"The cause of {case.ref} is {cause} already.", f"`caseproof case show {case.ref}`.")
        shape, words = shape_of_case(case)
        others = _with_the_same_choice(uow, case, shape, before)
        if (known := uow.causes.of_shape(shape)) is not None:
            uow.causes.undo(known.id, member, ledger.clock())
        new = _remember(ledger, uow, case, shape, words, cause, member, corrects=True)
        uow.causes.count(shape, 1 + len(others))
        uow.cases.append(case, _chosen(ledger, member, cause, member, "corrected", before, shape))

        def theirs(one: Case) -> list[Event]:
            """What it was is each case's own: some of them were still waiting for a cause."""
            was, how = str(one.facts["cause"]), f"corrected with {case.ref}"
            return [_chosen(ledger, US, cause, member, how, was, shape)]

        uow.bulk.change(others, theirs)
        uow.commit()
    return Corrected((case.ref, *others), new)


def _with_the_same_choice(uow: UnitOfWork, case: Case, shape: str, cause: str) -> list[str]:
    """The other open cases that wait for the cause of this message, or have it from the choice that is wrong."""
    if not shape:
        return []
    alike = [row.ref for row in uow.cases.rows(open_only=True) if row.cause == cause and row.ref != case.ref]
    chosen = {one.ref: choice_of(one) for one in uow.bulk.cases(alike).values()}
    had = {other for other, choice in chosen.items() if choice is not None and choice["shape"] == shape}
    return sorted({*had, *uow.causes.waiting(shape)} - {case.ref})


def undo_choice(ledger: Ledger, team: Collection[str], number: int, *, by: str) -> ChosenCause:
    """Remember a choice no more: the next message of its shape is asked about. Cases keep what they have from it.

    Raises NotOnTheTeam, UnknownChoice, and BadInput where it was undone already.
    """
    member = require_member(by, team)
    with ledger.store.uow() as uow:
        if not uow.causes.undo(number, member, ledger.clock()):
            known = uow.causes.get(number)
            raise BadInput(
                f"The choice {number} was undone by {known.undone_by} on {known.undone_at:%Y-%m-%d} already.",
                "`caseproof causes` shows those that hold.",
            )
        known = uow.causes.get(number)
        uow.commit()
    return known


def remembered_causes(ledger: Ledger) -> dict[str, ChosenCause]:
    """The choices that hold, by the keys of their shapes."""
    with ledger.store.reading() as uow:
        return {known.shape: known for known in uow.causes.rows()}


def _remember(
    ledger: Ledger, uow: UnitOfWork, case: Case, shape: str, words: str, cause: str, by: str, *, corrects: bool
) -> ChosenCause | None:
    if not shape:
        return None
    return uow.causes.choose(
        shape, words=words, example=abridged(message_of(case)), cause=cause, corrects=corrects, by=by,
        at=ledger.clock(), ref=case.ref,
    )  # fmt: skip


def _taken(ledger: Ledger, known: ChosenCause, how: str) -> Event:
    on = known.chosen_at.isoformat()
    return ledger.event(
        Kind.CAUSE_CHOSEN, cause=known.cause, by=known.chosen_by, on=on, how=how, was=UNKNOWN, shape=known.shape
    )


def _chosen(ledger: Ledger, actor: str, cause: str, by: str, how: str, was: str, shape: str, **answer: int) -> Event:
    on = ledger.clock().isoformat()
    return ledger.event(Kind.CAUSE_CHOSEN, actor, cause=cause, by=by, on=on, how=how, was=was, shape=shape, **answer)
