"""What people answer in an emergency: they have it, they cannot, it needs everybody, or they give it back.

The first acknowledgement wins, and whoever comes second is told who has it. Said again, it changes nothing: call-backs
come twice and out of order, and a button is pressed twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from caseproof.config.clock import Clock
from caseproof.domain.case import Case
from caseproof.domain.emergency import payloads as says
from caseproof.domain.emergency.due import PagingRules
from caseproof.domain.emergency.kinds import kind_with
from caseproof.domain.emergency.paging import Attempt, Paging
from caseproof.domain.emergency.vocabulary import Outcome, Press, Via
from caseproof.domain.errors import NotAllowed
from caseproof.domain.events import Event
from caseproof.domain.people import same_person
from caseproof.http.redaction import redact
from caseproof.procedure.core.parts import US, event_of
from caseproof.procedure.paging.raising import is_done, refuse_another, standing
from caseproof.store import CaseStore


@dataclass(frozen=True, slots=True)
class Answer:
    """Whoever says "I have it": which emergency, who, how, in which call, and when their shift ends (aware) or None.

    Of an answer to a form: its ``key``, and with which event the calling began in which it was asked; else "" and 0.
    """

    emergency: int
    by: str
    via: Via
    attempt: int = 0
    shift_ends: datetime | None = None
    key: str = ""
    began_seq: int = 0


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """Who has it, until when; ``yours`` is whether it is who said so now."""

    by: str
    until: datetime
    yours: bool


def silent_until(now: datetime, rules: PagingRules, shift_ends: datetime | None) -> datetime:
    """Until when an acknowledgement holds: the policy's time, or until the holder's shift ends, if that is sooner.

    Somebody whose shift is over, and who takes it all the same, has it for the policy's time.
    """
    until = now + rules.silence
    return min(until, shift_ends) if shift_ends is not None and shift_ends > now else until


def acknowledge(store: CaseStore, clock: Clock, rules: PagingRules, ref: str, answer: Answer) -> Acknowledged:
    """Write down that somebody has it, if nobody else has; gives who does.

    An answer to a form counts once, and in the calling in which it was asked: what is heard late, or a second time,
    takes nothing that was given back meanwhile. In doubt people are called.

    Raises NotAllowed where it is over, where it is another emergency than the one that was answered, and where calling
    has begun again since; UnknownCase.
    """

    def decide(case: Case) -> Sequence[Event]:
        if is_done(case, answer.key):
            return []
        return _taking(case, standing(case), answer, clock(), rules)

    paging = standing(store.change(ref, decide))
    holder = paging.holder(clock())
    if holder is None:  # its time was up between the two, or it was given back before this was heard again
        raise _began_again(ref)
    return Acknowledged(holder.by, holder.until, same_person(holder.by, answer.by))


def _began_again(ref: str) -> NotAllowed:
    return NotAllowed(f"{ref}: calling has begun again.", "Say once more that you have it.")


def _taking(case: Case, paging: Paging, answer: Answer, now: datetime, rules: PagingRules) -> list[Event]:
    refuse_another(paging, answer.emergency)
    if paging.over:
        raise NotAllowed(f"The emergency of {case.ref} is over: {paging.over_why}", "Go on with the case.")
    holder = paging.holder(now)
    known = {"attempt": answer.attempt, "answer": answer.key}
    more = {name: value for name, value in known.items() if value}
    if holder is None:
        ran_out = paging.taken is not None  # and nobody looked since
        if answer.began_seq and (ran_out or answer.began_seq != paging.began_seq):
            raise _began_again(case.ref)
        until = silent_until(now, rules, answer.shift_ends)
        said = says.EmergencyTaken(emergency=paging.number, via=str(answer.via), until=until.isoformat())
        taken = event_of(kind_with(case.procedure, says.EmergencyTaken), now, answer.by, {**said, **more})
        return [*_its_own_end(case, paging, now), taken]
    if same_person(holder.by, answer.by) or _was_told(case, answer, holder.seq):
        return []
    late = says.TakenByAnother(emergency=paging.number, via=str(answer.via), holder=holder.by)
    return [event_of(kind_with(case.procedure, says.TakenByAnother), now, answer.by, {**late, **more})]


def _its_own_end(case: Case, paging: Paging, now: datetime) -> list[Event]:
    """Where an acknowledgement ran out and nobody looked since, its end is written before the next one."""
    if paging.taken is None:
        return []
    said = says.CallingAgain(emergency=paging.number, why=f"what {paging.taken.by} said has run out")
    return [event_of(kind_with(case.procedure, says.CallingAgain), now, US, said)]


def _was_told(case: Case, answer: Answer, since: int) -> bool:
    """Whether this person was told already who has it: said twice, it is written once."""
    told = (fact for fact in case.all_of(says.TakenByAnother) if fact.seq > since)
    return any(same_person(fact.actor, answer.by) for fact in told)


def give_back(
    store: CaseStore, clock: Clock, ref: str, by: str, why: str, *, emergency: int | None = None
) -> Paging:  # fmt: skip
    """Who has it gives it back, and calling begins again. ``emergency``: the one that is meant, else the latest.

    Raises NotAllowed where they do not have it, and where another one goes on.
    """

    def decide(case: Case) -> Sequence[Event]:
        paging, now = standing(case), clock()
        refuse_another(paging, emergency)
        holder = paging.holder(now)
        if paging.over or holder is None or not same_person(holder.by, by):
            raise NotAllowed(f"{by} does not have the emergency of {ref}.", "Look at the case's page who has it.")
        said = says.CallingAgain(emergency=paging.number, why=redact(why.strip()) or f"{by} gave it back")
        return [event_of(kind_with(case.procedure, says.CallingAgain), now, by, said)]

    return standing(store.change(ref, decide))


def cannot(store: CaseStore, clock: Clock, ref: str, emergency: int, by: str) -> Paging:
    """Somebody cannot: a call of theirs that is under way is over, so that the next one is called at once.

    Said again, it changes nothing. Raises NotAllowed for an earlier emergency, and where they have it.
    """

    def decide(case: Case) -> Sequence[Event]:
        paging, now = standing(case), clock()
        refuse_another(paging, emergency)
        holder = paging.holder(now)
        if holder is not None and same_person(holder.by, by):
            raise NotAllowed(f"{by} has the emergency of {ref}.", "Give it back: then calling begins again.")
        kind, said = kind_with(case.procedure, says.PageEnded), f"{by} said that they cannot"
        return [
            event_of(kind, now, by, says.PageEnded(
                emergency=emergency, attempt=one.number, outcome=str(Outcome.DECLINED), detail=said
            ))
            for one in paging.ringing if same_person(one.person, by)
        ]  # fmt: skip

    return standing(store.change(ref, decide))


def call_whole_team(
    store: CaseStore, clock: Clock, ref: str, by: str, why: str, *, emergency: int | None = None
) -> Paging:  # fmt: skip
    """From here on everybody is called at once, until somebody has it. ``emergency`` as for ``give_back``.

    Raises NotAllowed where it is over, and where another one goes on.
    """

    def decide(case: Case) -> Sequence[Event]:
        paging = standing(case)
        refuse_another(paging, emergency)
        if paging.over:
            raise NotAllowed(f"The emergency of {ref} is over.", "Raise a new one if people are needed again.")
        return _whole_team(case, paging, by, redact(why), clock())

    return standing(store.change(ref, decide))


def _whole_team(case: Case, paging: Paging, by: str, why: str, now: datetime) -> list[Event]:
    if paging.whole_team:
        return []
    said = says.WholeTeamCalled(emergency=paging.number, why=why)
    return [event_of(kind_with(case.procedure, says.WholeTeamCalled), now, by, said)]


# -- digits ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Digit:
    """What was pressed in a call: which emergency, which try, and when the shift ends of whoever was called."""

    emergency: int
    attempt: int
    pressed: str
    shift_ends: datetime | None = None


def press(store: CaseStore, clock: Clock, rules: PagingRules, ref: str, digit: Digit) -> Press | None:
    """Do what the digit says; returns what it means, None for one that is none, which is no acknowledgement.

    Who pressed is who was called. The same call-back twice is one. Raises NotAllowed for a try that never was, or for
    an earlier emergency; UnknownCase.
    """
    pressed = digit.pressed.strip()[:20]
    means = next((one for one in Press if one == pressed), None)

    def decide(case: Case) -> Sequence[Event]:
        paging, now = standing(case), clock()
        refuse_another(paging, digit.emergency)
        attempt = paging.attempt(digit.attempt)
        if attempt is None or not attempt.person:
            raise NotAllowed(f"{ref} has no call {digit.attempt}.", "Look at the case's page.")
        if pressed in paging.pressed.get(attempt.number, ()):
            return []
        said = says.PagePressed(emergency=paging.number, attempt=attempt.number, digit=pressed, means=str(means or ""))
        written = event_of(kind_with(case.procedure, says.PagePressed), now, attempt.person, said)
        return [written, *_follows(case, paging, attempt, means, digit, now, rules)]

    store.change(ref, decide)
    return means


def _follows(
    case: Case,
    paging: Paging,
    attempt: Attempt,
    means: Press | None,
    digit: Digit,
    now: datetime,
    rules: PagingRules,
) -> list[Event]:
    if paging.over or means is None:
        return []
    if means is Press.HAVE_IT:
        answer = Answer(paging.number, attempt.person, Via.DIGIT, attempt.number, digit.shift_ends)
        return _taking(case, paging, answer, now, rules)
    events = []
    if attempt.is_open:
        ended = says.PageEnded(
            emergency=paging.number, attempt=attempt.number, outcome=str(Outcome.DECLINED), detail=f"pressed {means}"
        )
        events = [event_of(kind_with(case.procedure, says.PageEnded), now, attempt.person, ended)]
    if means is Press.ESCALATE and paging.holder(now) is None:
        events += _whole_team(case, paging, attempt.person, f"{attempt.person} pressed {means}", now)
    return events
