"""What time asks for in a case that waits: a pure plan of one row, and the rows that are due (J5, J6, J10).

A case is looked at when something happened to it, and when the policy says that something is due: then it is noted when
to look next. Nothing here folds events of a case that merely waits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from types import MappingProxyType

from caseproof.config.policy_check import KeeperPolicy
from caseproof.domain.case import Case
from caseproof.domain.codes import StepName
from caseproof.domain.job_failure.lifecycle import State
from caseproof.domain.job_failure.turn import owes_word
from caseproof.domain.procedure import procedure_of
from caseproof.domain.vocabulary import AGREEMENT, CAUSE, DECISION, REVIEW, SHARED_CAUSE, TRY_AGAIN, WORD
from caseproof.platforms.base import JobPlatform, UnknownRun
from caseproof.procedure.core.causes import over_at
from caseproof.procedure.core.parts import Ledger
from caseproof.procedure.keeper.by_time import BY_TIME
from caseproof.store import CaseRow

US, RETAILER, TEAM, CASEPROOF, NOBODY = "error to put right", "the retailer", "the team", "Caseproof", "nobody"
"""Who must act next; the first is whoever puts an error right, which nobody else does."""

SOON = timedelta(minutes=1)
"""When a case is looked at again whose run should act by now."""
AT_WORK = timedelta(minutes=10)
"""When a case is looked at again whose run is at work."""
IDLE = timedelta(days=1)
"""The longest time in which a case is not looked at."""
AT_MOST = 2000
"""How many due cases a pass looks at; the others are next."""


class Due(StrEnum):
    """What a case may need because time has passed."""

    GIVE_A_RUN = "give it a run"
    WAKE = "wake its run"
    READ_THE_RUN = "read the job's run"
    REMIND = "remind the retailer"
    TELL = "tell the team"
    KEEP_PAUSED = "keep the account paused"


@dataclass(frozen=True, slots=True)
class DueAction:
    """What comes, and when; ``about`` is what the team is told then."""

    what: Due
    at: datetime
    about: str = ""


def due_actions(row: CaseRow, policy: KeeperPolicy) -> list[DueAction]:
    """What time will ask for, by what is known now: some of it may be due. Nothing of a closed case."""
    if row.closed_at is not None:
        return []
    if row.rest_until is not None:
        return [DueAction(Due.GIVE_A_RUN, row.rest_until)]
    found = [DueAction(Due.WAKE, row.updated_at)] if row.has_news else []
    if not row.asked_form or row.asked_at is None:
        return [*found, DueAction(Due.GIVE_A_RUN, row.updated_at)]  # its run is at work, if it was not answered here
    if row.state is State.PAUSED and row.paused_until is not None and row.notice_at is not None:
        return [*found, *_paused(row, policy, datetime.combine(row.paused_until, time(), UTC))]
    if row.asked_form in (CAUSE, SHARED_CAUSE) and row.cause_since is not None:
        found.append(DueAction(Due.WAKE, over_at(policy, row.cause_since) if policy.ask_cause else row.asked_at))
    if row.asked_form == SHARED_CAUSE:
        return found  # the team is told of the case that asks
    if row.asked_form == TRY_AGAIN and row.state is State.RUNNING:
        found.append(DueAction(Due.READ_THE_RUN, row.asked_at))
    if row.asked_form == TRY_AGAIN:
        return found  # it is tried again, and the team told of it, as of what is owed
    if row.notice_at is not None and waits_for_retailer(row):
        return [*found, *_word(row, policy, row.notice_at)]
    return found if procedure_of(row.ref).prefix in BY_TIME else [*found, _nudge(row, policy, row.asked_at)]


def is_asked(row: CaseRow) -> bool:
    """Whether the retailer has anything to do: not where the fault is not theirs."""
    return owes_word(row.cause, row.incident, row.told_neutrally)


def waits_for_retailer(row: CaseRow) -> bool:
    """Whether it is the retailer's turn: they were asked for their word, and wrote nothing since."""
    return row.asked_form == WORD and row.state is State.WAITING and row.notice_at is not None and is_asked(row)


def may_answer(row: CaseRow) -> bool:
    """The same, also where the account is kept paused."""
    paused = row.asked_form == WORD and row.state is State.PAUSED and row.notice_at is not None and is_asked(row)
    return paused or waits_for_retailer(row)


def _word(row: CaseRow, policy: KeeperPolicy, told: datetime) -> Iterable[DueAction]:
    """The retailer is reminded; then the team is told; then the account stays paused (J6)."""
    if row.reminders < len(policy.remind_after_days):
        yield DueAction(Due.REMIND, told + timedelta(days=policy.remind_after_days[row.reminders]))
    since = f"the retailer has not answered since {told:%Y-%m-%d}{_times(row.reminders)}"
    about = f"{since}: call them, or decide without their word; else the account stays paused"
    yield DueAction(Due.TELL, _follow_up(row, policy, told + timedelta(days=policy.answer_within_days)), about)
    yield DueAction(Due.KEEP_PAUSED, told + timedelta(days=policy.keep_paused_after_days), about)


def _times(reminders: int) -> str:
    return f", reminded {reminders} times" if reminders > 1 else ", reminded once" if reminders else ""


def _paused(row: CaseRow, policy: KeeperPolicy, until: datetime) -> Iterable[DueAction]:
    """The date of a paused account: its form is asked anew, and the team told."""
    if row.asked_at is not None and row.asked_at < until:
        yield DueAction(Due.WAKE, until)
    about = f"the account was to stay paused until {until:%Y-%m-%d}: decide again"
    yield DueAction(Due.TELL, _follow_up(row, policy, until), about)


def _follow_up(row: CaseRow, policy: KeeperPolicy, first: datetime) -> datetime:
    """At ``first``, then every so many days; a question asked anew after it begins with the second."""
    every = timedelta(days=policy.follow_up_days)
    start = first if row.asked_at is None or row.asked_at <= first else row.asked_at + every
    return start + every * row.nudges


_ABOUT = {
    CAUSE: "nobody knows the cause, and the retailer is not told before somebody says it (J5)",
    AGREEMENT: "something speaks against the retailer's word, and somebody else has to say whether it counts (J8)",
    DECISION: "the decision about the account is waited for (J6)",
    REVIEW: "the evidence waits for its review (J7, J8)",
}


def nudge_at(policy: KeeperPolicy, asked: datetime, nudges: int) -> datetime:
    """When the team is told next of a question that was asked then, after it was told so often."""
    hours = policy.nudge_after_hours
    if nudges < len(hours):
        return asked + timedelta(hours=hours[nudges])
    last = timedelta(hours=hours[-1]) if hours else timedelta()
    return asked + last + timedelta(days=policy.follow_up_days) * (nudges - len(hours) + 1)


def _nudge(row: CaseRow, policy: KeeperPolicy, asked: datetime) -> DueAction:
    at = nudge_at(policy, asked, row.nudges)
    about = _of_word(row) if row.asked_form == WORD else _ABOUT.get(row.asked_form)
    asks = procedure_of(row.ref).questions.get(row.asked_form)
    about = about or (f"{asks} is waited for" if asks else f"it asks: {row.asked_form}")
    return DueAction(Due.TELL, at, f"{about}, asked {asked:%Y-%m-%d %H:%M} UTC")


def _of_word(row: CaseRow) -> str:
    if row.notice_at is None:
        return "the retailer wrote: read it, and say whether it is their confirmation (J8)"
    return "the decision about the account is waited for: the retailer has nothing to do here"


def next_look(row: CaseRow, policy: KeeperPolicy, now: datetime) -> datetime | None:
    """When the case is to be looked at again after it was looked at ``now``; None for a closed one.

    What is due and not done yet (a run that was woken and has not acted, a mail server that is down) is tried again
    soon. Never later than ``IDLE``, so that a clock that was wrong for a while leaves no case behind.
    """
    times = [_again(one, now) if one.at <= now else one.at for one in due_actions(row, policy)]
    return min([*times, now + IDLE]) if row.closed_at is None else None


def _again(one: DueAction, now: datetime) -> datetime:
    longer = (now - one.at) / 10  # the longer it takes, the longer it will
    if one.what is Due.READ_THE_RUN:
        return now + max(SOON, longer)
    if one.what is Due.KEEP_PAUSED:
        return now + max(AT_WORK, longer)
    return now + (AT_WORK if one.what in (Due.GIVE_A_RUN, Due.REMIND) else SOON)


# -- the rows that are due --------------------------------------------------------------------------------------------


@dataclass
class DueCases:
    """What a look at the due cases found: whose runs to wake, to look after, whom to tell about what."""

    rows: list[CaseRow] = field(default_factory=list)
    wake: list[str] = field(default_factory=list)
    runs: list[CaseRow] = field(default_factory=list)
    remind: list[str] = field(default_factory=list)
    tell: list[tuple[CaseRow, str]] = field(default_factory=list)
    pause: list[tuple[CaseRow, str]] = field(default_factory=list)
    read: list[CaseRow] = field(default_factory=list)
    timed: list[CaseRow] = field(default_factory=list)


def due_cases(ledger: Ledger, keeper: KeeperPolicy) -> DueCases:
    """The cases that are due, and what each needs now. Reads rows only."""
    now = ledger.clock()
    with ledger.store.reading() as uow:
        rows = uow.cases.due(now, AT_MOST)
    found = DueCases(rows)
    for row in rows:
        if row.closed_at is None and procedure_of(row.ref).prefix in BY_TIME:
            found.timed.append(row)
        for one in due_actions(row, keeper):
            if one.at <= now:
                _sort(found, row, one)
    return found


def _sort(found: DueCases, row: CaseRow, one: DueAction) -> None:
    match one.what:
        case Due.WAKE:
            found.wake.append(row.ref)
        case Due.GIVE_A_RUN:
            found.runs.append(row)
        case Due.READ_THE_RUN:
            found.read.append(row)
        case Due.REMIND:
            found.remind.append(row.ref)
        case Due.TELL:
            found.tell.append((row, one.about))
        case Due.KEEP_PAUSED:
            found.pause.append((row, one.about))


def note_next(
    ledger: Ledger, keeper: KeeperPolicy, rows: Sequence[CaseRow], wanted: Mapping[str, datetime] = MappingProxyType({})
) -> None:
    """Note when each of these is looked at next; what happened to one meanwhile makes it due by itself.

    ``wanted``: when its procedure wants it looked at, by its reference.
    """
    now = ledger.clock()
    with ledger.store.uow() as uow:
        for row in rows:
            planned = next_look(row, keeper, now)
            at = min(planned, wanted[row.ref]) if planned is not None and row.ref in wanted else planned
            uow.cases.set_due(row.ref, row.version, at)
        uow.commit()


def look_at_all_again(ledger: Ledger, keeper: KeeperPolicy) -> int:
    """Note anew when every open case is looked at: for a policy that changed, or a clock that was set back."""
    after, count = 0, 0
    while True:
        with ledger.store.reading() as uow:
            rows = uow.cases.slice(after, 1000)
        if not rows:
            return count
        note_next(ledger, keeper, rows)
        after, count = rows[-1].id, count + len(rows)


POLICY_MARK = "keeper-policy"


def has_to_look_at_all(ledger: Ledger, keeper: KeeperPolicy) -> bool:
    """Whether the policy's times are others than at the last pass, or the clock says an earlier time than then."""
    now, policy = ledger.clock(), keeper.model_dump_json()
    with ledger.store.reading() as uow:
        before = uow.cursors.get(POLICY_MARK)
    return before is not None and (before[0] != policy or before[1] > now)


def remember_the_policy(ledger: Ledger, keeper: KeeperPolicy) -> None:
    """Note by which times, and when, all cases were planned."""
    with ledger.store.uow() as uow:
        uow.cursors.set(POLICY_MARK, keeper.model_dump_json(), ledger.clock())
        uow.commit()


def is_over(ledger: Ledger, runner: Callable[[Case], JobPlatform], ref: str) -> bool:
    """Whether the job's run that a suspended case waits for is over. Raises PlatformError."""
    case = ledger.case(ref)
    trouble = case.trouble
    if case.state is not State.RUNNING or case.run is None or trouble is None:
        return False
    if trouble["step"] != StepName.VERIFY_THE_RUN:  # whatever is wrong there, the run's end is worth another look
        return False
    try:
        run = runner(case).run(case.run.data["run"])
    except UnknownRun:
        return True  # so that the case reads that itself
    return run.state.is_over or run.ended_at is not None
