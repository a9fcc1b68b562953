"""Whom to call, in which order, and why (E8, E10, E11): an answer that explains itself.

Whoever a calendar names comes first, then who is at work, then the rest of the list; those on leave are passed over.
Nobody on duty is an alarm, and the next on the list are called all the same. A contract advises and forbids nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from caseproof.domain.on_call.duty import Duty, OnCall, OnShift, is_away, on_duty
from caseproof.domain.on_call.roster import Closed, Contract, Hours, Kind, Person


class Why(StrEnum):
    """Why somebody stands where they stand on the list."""

    ON_CALL = "on call"
    STANDS_IN = "stands in"
    AT_WORK = "at work"
    NEXT = "next on the list"
    LAST_RESORT = "on leave"
    """Everybody is away: in doubt they are called (house rule 9)."""


class Alarm(StrEnum):
    """What has to reach a person besides the call itself."""

    NOBODY_ON_DUTY = "nobody on duty"
    EVERYBODY_AWAY = "everybody away"
    NOBODY_TO_CALL = "nobody to call"
    CALENDAR = "calendar"


class Coverage(StrEnum):
    """What the client's contract says of this moment."""

    COVERED = "covered"
    BILLED = "billed"
    OUTSIDE = "outside the hours"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class CaseToCall:
    """What of a case decides whom to call. An empty ``contract`` is the client's; ``tier`` "" is the policy's tiers."""

    client: str = ""
    contract: str = ""
    tier: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """One person to call, and why, as a code and as a sentence."""

    person: Person
    why: Why
    because: str


@dataclass(frozen=True, slots=True)
class PassedOver:
    """One who is not called, and why not."""

    person: Person
    because: str


@dataclass(frozen=True, slots=True)
class WhoToCall:
    """The answer: ``calls`` in their order, who was passed over, and what the contract says of this moment."""

    at: datetime
    calls: tuple[Call, ...]
    passed_over: tuple[PassedOver, ...]
    coverage: Coverage
    advice: str
    alarms: tuple[tuple[Alarm, str], ...]

    @property
    def explanation(self) -> tuple[str, ...]:
        """All of it in sentences: alarms, the list, who was passed over, the contract."""
        return (
            *(told for _, told in self.alarms),
            *(
                f"{place}. {one.person.name} ({one.person.tier}): {one.because}"
                for place, one in enumerate(self.calls, 1)
            ),
            *(f"Not {one.person.name}: {one.because}" for one in self.passed_over),
            self.advice,
        )


def who_to_call(at: datetime, case: CaseToCall, plan: OnCall) -> WhoToCall:
    """Whom to call at ``at`` (aware) about ``case``, in order. Never empty as long as there is anybody on the list."""
    duty = on_duty(at, plan)
    listed = [one for one in plan.people if one.tier in ((case.tier,) if case.tier else plan.tiers)]
    calls = _ordered(at, duty, listed, plan)
    away = [one for one in plan.people if (one in listed or one in duty.away) and is_away(one, at, plan.leave)]
    passed_over = tuple(PassedOver(one, _away_because(one, duty)) for one in away)
    if not calls and away:
        calls = [Call(one, Why.LAST_RESORT, "on leave, but there is nobody else (E10).") for one in away]
        passed_over = ()
    coverage, advice = _coverage(at, case, plan)
    return WhoToCall(at, tuple(calls), passed_over, coverage, advice, _alarms(duty, calls, plan))


def _ordered(at: datetime, duty: Duty, listed: list[Person], plan: OnCall) -> list[Call]:
    at_work = [one for one in listed if one.hours.closed(at) is None]
    found = [
        *(_on_shift(one) for one in duty.on_call),
        *(Call(one, Why.AT_WORK, f"at work ({one.hours.told()}) (E10).") for one in at_work),
        *(Call(one, Why.NEXT, f"next on the list; {_closed(at, one.hours)} (E8).") for one in listed),
    ]
    first: dict[str, Call] = {}
    for call in found:
        if not is_away(call.person, at, plan.leave):
            first.setdefault(call.person.name, call)
    return list(first.values())


def _on_shift(one: OnShift) -> Call:
    if one.stands_in:
        whom = one.source or "everybody on call"
        return Call(one.person, Why.STANDS_IN, f"stands in for {whom}, says an override (E10).")
    return Call(one.person, Why.ON_CALL, f"on call, says the calendar '{one.source}' (E10).")


def _closed(at: datetime, hours: Hours) -> str:
    here = f"it is {at.astimezone(hours.zone):%a %H:%M} there"
    holiday = hours.closed(at) is Closed.HOLIDAY
    return f"{here}, {hours.holidays[at.astimezone(hours.zone).date()]}" if holiday else here


def _away_because(person: Person, duty: Duty) -> str:
    return "on leave, though a calendar has them on call." if person in duty.away else "on leave."


def _alarms(duty: Duty, calls: list[Call], plan: OnCall) -> tuple[tuple[Alarm, str], ...]:
    alarms = [(Alarm.CALENDAR, one.told) for one in plan.troubles]
    if not calls:
        return (*alarms, (Alarm.NOBODY_TO_CALL, "There is nobody on the list: fill on_call.people in the policy."))
    if all(one.why is Why.LAST_RESORT for one in calls):
        alarms.insert(0, (Alarm.EVERYBODY_AWAY, "Everybody on the list is on leave; they are called all the same."))
    elif duty.is_nobody:
        told = (
            "Nobody is on call and nobody is at work: the next on the list are called. Put somebody into the calendar."
        )
        alarms.insert(0, (Alarm.NOBODY_ON_DUTY, told))
    return tuple(alarms)


def _coverage(at: datetime, case: CaseToCall, plan: OnCall) -> tuple[Coverage, str]:
    name = case.contract or plan.clients.get(case.client, "")
    contract = plan.contracts.get(name)
    if contract is None:
        whose = f"The contract '{name}' is not in the policy" if name else "It is not known which contract counts"
        return Coverage.UNKNOWN, f"{whose}: the caller decides, and it is recorded (E11)."
    return _advice(at, contract)


def _advice(at: datetime, contract: Contract) -> tuple[Coverage, str]:
    named = f"The contract '{contract.name}'"
    if contract.kind is Kind.ALWAYS:
        return Coverage.COVERED, f"{named} has support at all hours (E11)."
    outside = contract.hours is not None and contract.hours.closed(at) is not None
    if outside and contract.hours is not None:
        return Coverage.OUTSIDE, (
            f"{named} has support {contract.hours.told()}, and {_closed(at, contract.hours)}: a real emergency is "
            "called all the same; the caller decides, and it is recorded (E11)."
        )
    if contract.kind is Kind.TIME_AND_MATERIALS:
        return Coverage.BILLED, f"{named} is by time and materials: the call is billed (E11)."
    return Coverage.COVERED, f"{named} has support now (E11)."
