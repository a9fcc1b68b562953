"""Nothing is forgotten: what is owed is worked off with back-off until it is done, or a person gives it up.

Every kind of what can be owed has one entry here: what it is called, and how it is done. The steps of an open case are
done by its own run, which is woken for that; everything else is done in the keeper's pass, by the same function as in a
run. That touches another system once under its intent, so it does not matter who is faster.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Literal

from caseproof.channels.outbound.mail import MailDown
from caseproof.config.policy import Policy
from caseproof.config.policy_check import KeeperPolicy
from caseproof.desks.base import Desk, DeskDown, DeskError
from caseproof.domain.case import Case
from caseproof.domain.codes import Code
from caseproof.domain.decisions import require_member
from caseproof.domain.errors import BadInput, CaseproofError, NotAllowed
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.owing import PASSES, Debt
from caseproof.domain.payloads import GivenUp, TeamTold
from caseproof.domain.specs import EventKind
from caseproof.domain.vocabulary import TRY_AGAIN
from caseproof.http.redaction import redact
from caseproof.procedure.answers.writing_back import send_written
from caseproof.procedure.closing.development import ensure_development_tickets, tell_development
from caseproof.procedure.closing.ticket import close_ticket, ensure_ticket, note_words, offer_another
from caseproof.procedure.core.parts import Dispatch, Effects, EvidenceFiles, Ledger, Links
from caseproof.procedure.core.support import people_of
from caseproof.procedure.keeper.problems import Problems
from caseproof.procedure.keeper.schedule import nudge_at
from caseproof.procedure.keeper.team_alerts import TeamAlert
from caseproof.procedure.notify.correcting import tell_correction
from caseproof.procedure.notify.mail_pace import NotYourTurn
from caseproof.procedure.notify.recovery import tell_recovery
from caseproof.procedure.notify.reminding import may_answer, remind, waits_for_word
from caseproof.procedure.notify.renewing import renew_link
from caseproof.procedure.paging.review import keep_reviews
from caseproof.store import CaseRow, OwedRow, UnitOfWork
from caseproof.store.errors import Unreadable

AT_MOST = 500
"""How many things that are due a pass looks at; the others are next."""


@dataclass(frozen=True)
class Hands:
    """What it is done with; ``desk`` and ``dispatch`` (what mail goes out by) may raise when they are used.

    Each kind's function gives the cases of which it was done: mail may be about several.
    """

    ledger: Ledger
    effects: Effects
    links: Links
    policy: Policy
    desk: Callable[[], Desk]
    dispatch: Callable[[], Dispatch]
    files: EvidenceFiles
    desk_called: Callable[[str], Desk] | None = None
    """The desk of this name, where the policy names several; else there is one."""

    def desk_named(self, name: str) -> Desk:
        """The desk that the policy calls so."""
        return self.desk() if self.desk_called is None or name == self.policy.desk else self.desk_called(name)

    def desk_for(self, what: Debt, ref: str) -> str:
        """On which desk something that a case owes is done, as the policy calls it."""
        return self.policy.development_desk if what is Debt.DEVELOPMENT else self.policy.desk_of(ref.partition("-")[0])

    def _desk(self, ref: str) -> Desk:
        return self.desk_named(self.desk_for(Debt.NOTE, ref))

    def recovery(self, ref: str) -> list[str]:
        """The mail that says how it ended."""
        tell_recovery(self.ledger, self.dispatch(), ref, turns=0)
        return [ref]

    def correction(self, ref: str) -> list[str]:
        """The mail that takes back a wrong cause."""
        tell_correction(self.ledger, self.dispatch(), self.policy, ref, turns=0)
        return [ref]

    def reminder(self, ref: str) -> list[str]:
        """The reminder."""
        return remind(self.ledger, self.dispatch(), self.policy, ref)

    def link(self, ref: str) -> list[str]:
        """The new link."""
        return renew_link(self.ledger, self.dispatch(), self.policy, ref)

    def mail(self, ref: str) -> list[str]:
        """All mail that people wrote in it."""
        send_written(self.ledger, self.dispatch(), ref)
        return [ref]

    def ticket(self, ref: str) -> list[str]:
        """The ticket's closing, after what happened: what is told on a closed ticket nobody reads.

        What the desk refuses to be told for good holds it up no more: that is owed by itself.
        """
        try:
            self.note(ref)
        except DeskDown:
            raise
        except DeskError:
            pass
        close_ticket(self.ledger, self.links, self._desk(ref), ref)
        return [ref]

    def ticket_opening(self, ref: str) -> list[str]:
        """The ticket of a support case."""
        people, name = people_of(self.policy), self.desk_for(Debt.TICKET_OPENING, ref)
        ensure_ticket(self.ledger, self.effects, self.links, self.desk_named(name), ref, desk_name=name, people=people)
        return [ref]

    def development(self, ref: str) -> list[str]:
        """The tickets for the development team, and what is told on them."""
        name = self.policy.development_desk
        ensure_development_tickets(
            self.ledger, self.effects, self.files, self.links, self.desk_named(name), ref, desk_name=name
        )
        tell_development(self.effects, self.links, self.desk_named(name), self.ledger.case(ref))
        return [ref]

    def review(self, ref: str) -> list[str]:
        """The timelines of emergencies that are over."""
        desk = self._desk(ref) if self.ledger.case(ref).ticket is not None else None
        keep_reviews(self.ledger, self.effects, self.files, desk, ref)
        return [ref]

    def note(self, ref: str) -> list[str]:
        """All comments that the ticket lacks."""
        note_words(self.ledger, self.effects, self.links, self._desk(ref), ref, people=people_of(self.policy))
        return [ref]


@dataclass(frozen=True, slots=True)
class Way:
    """How a kind is called in front of people, and how it is done: ``do`` of ``Hands``, ``through`` another system.

    Without ``do`` it is not the list that has it done: the case's own run, or the team's mail of each pass.
    ``instead`` is what a person does who wants it no more; "" where it can be given up.
    """

    thing: str
    do: Callable[[Hands, str], list[str]] | None = None
    through: Literal["mail", "desk", ""] = ""
    instead: str = ""


_IN_THE_FORM = "Answer in the case's form: the case needs it."
WAYS: Mapping[Debt, Way] = MappingProxyType(
    {
        Debt.STEP: Way("a step of the case", instead=_IN_THE_FORM),
        Debt.TICKET: Way("the closing of its ticket", Hands.ticket, "desk"),
        Debt.RECOVERY: Way("the mail to the retailer that says how it ended", Hands.recovery, "mail"),
        Debt.CORRECTION: Way("the mail to the retailer that takes back a wrong cause", Hands.correction, "mail"),
        Debt.TICKET_OPENING: Way("its ticket", Hands.ticket_opening, "desk"),
        Debt.NOTE: Way("what happened, on the ticket", Hands.note, "desk"),
        Debt.DEVELOPMENT: Way("the ticket for the development team", Hands.development, "desk"),
        Debt.REVIEW: Way("the timeline of the emergency, kept and on the ticket", Hands.review, "desk"),
        Debt.RECORDING: Way(
            "the recording of the emergency's session, or why there is none",
            instead="Say on the case's page of recordings why there is none.",
        ),
        Debt.MAIL: Way("the mail to the retailer that somebody on the team wrote", Hands.mail, "mail"),
        Debt.ALERT: Way("what the team has to hear", instead="It is told with the next mail to the team."),
        Debt.REMINDER: Way("the mail that reminds the retailer", Hands.reminder, "mail", instead=_IN_THE_FORM),
        Debt.LINK: Way("the mail to the retailer with a new link", Hands.link, "mail", instead=_IN_THE_FORM),
        Debt.TEAM_MAIL: Way("the mail to the team", instead="Take `mail.team` out of the policy, or correct it."),
        Debt.RAISE: Way("a case that somebody wants", instead="Take it back where it was wanted, on `/raise`."),
    }
)


_BY_TIME: Mapping[Debt, Callable[[Case], bool]] = MappingProxyType(
    {Debt.REMINDER: waits_for_word, Debt.LINK: may_answer}
)
"""What time makes owed, and whether it may be owed by a case as it is."""
_NAMED = (Debt.STEP, Debt.RAISE)
"""Kinds whose key says more to people."""


def thing_of(row: OwedRow) -> str:
    """What is owed, in words."""
    return f"{WAYS[row.what].thing}: {row.key}" if row.what in _NAMED else WAYS[row.what].thing


# -- working it off --------------------------------------------------------------------------------------------------


@dataclass
class Worked:
    """What became of what was due: the cases of which it was done, by kind, and closed ones whose run may end."""

    done: dict[Debt, list[str]] = field(default_factory=dict)
    wake: list[str] = field(default_factory=list)


def work_off(hands: Hands, problems: Problems, hung: float) -> Worked:
    """Try what is due, but for the steps: one kind of one case that fails holds up no other.

    A system that is down is asked once a pass; what else needed it is late for the same reason, and keeps its turn. No
    new one is begun after ``hung`` seconds. Raises StoreError.
    """
    ledger, worked, down = hands.ledger, Worked(), dict[str, CaseproofError | None]()
    deadline = time.monotonic() + hung
    for (ref, what), rows in _due(ledger).items():
        way = WAYS[what]
        if way.do is None or time.monotonic() > deadline:
            continue
        through = f"desk {hands.desk_for(what, ref)}" if way.through == "desk" else way.through
        if through in down:
            if (why := down[through]) is not None:
                _note_held_up(ledger, rows, why)
            continue
        try:
            done = way.do(hands, ref) if _is_owed(ledger.case(ref), rows) else []
        except NotYourTurn:
            down[through] = None  # much mail waits: nothing is wrong, and the next pass goes on
        except Exception as error:
            if isinstance(error, MailDown | DeskDown):
                down[through] = error
            if what in (Debt.NOTE, Debt.TICKET_OPENING):
                offer_another(error, hands.links, ref)
            problems(ref, error)
            _note_failure(ledger, rows, error)
        else:
            worked.done.setdefault(what, []).extend(done)
            _settle(ledger, rows)
    worked.wake = _asleep(ledger, [ref for refs in worked.done.values() for ref in refs])
    return worked


def _due(ledger: Ledger) -> dict[tuple[str, Debt], list[OwedRow]]:
    """What is due, by case and kind: one doing does all of a kind. However much waits for a system that is down, what
    needs another one has its turn."""
    found: dict[tuple[str, Debt], list[OwedRow]] = {}
    with ledger.store.reading() as uow:
        for through in dict.fromkeys(way.through for way in WAYS.values() if way.do):
            kinds = [what for what, way in WAYS.items() if way.do and way.through == through]
            for row in uow.owed.due(ledger.clock(), AT_MOST, *kinds):
                found.setdefault((row.ref, row.what), []).append(row)
    return found


def _is_owed(case: Case, rows: Sequence[OwedRow]) -> bool:
    """Whether any of it is owed still, so that nothing has to be reached for what is not.

    What time makes owed stands in no event: it is owed as long as the retailer may answer.
    """
    if (may_be_owed := _BY_TIME.get(rows[0].what)) is not None:
        return may_be_owed(case)
    owes = {(one.what, one.key) for one in case.procedure.owes(case)}
    return any((row.what, row.key) in owes for row in rows)


def _note_failure(ledger: Ledger, rows: Sequence[OwedRow], error: Exception) -> None:
    code, said = what_is_wrong(error)
    with ledger.store.uow() as uow:
        for row in rows:
            uow.owed.tried(row, code, said, ledger.clock())
        uow.commit()


def _note_held_up(ledger: Ledger, rows: Sequence[OwedRow], error: Exception) -> None:
    code, said = what_is_wrong(error)
    with ledger.store.uow() as uow:
        for row in rows:
            uow.owed.held_up(row, code, said)
        uow.commit()


def _settle(ledger: Ledger, rows: Sequence[OwedRow]) -> None:
    """Take off what turned out to be done; the event or the intent that tells of it did so as a rule."""
    with ledger.store.uow() as uow:
        for row in rows:
            uow.owed.settle(row.ref, row.what, row.key)
        uow.commit()


def _asleep(ledger: Ledger, refs: Sequence[str]) -> list[str]:
    """Of these cases the closed ones whose run waits for a person yet, as those of older versions do."""
    with ledger.store.reading() as uow:
        rows = uow.cases.of_refs(refs[:200])
    return [row.ref for row in rows if row.closed_at is not None and row.asked_form and row.flow_run]


def what_is_wrong(error: Exception) -> tuple[str, str]:
    """A code and a sentence for people."""
    if isinstance(error, CaseproofError):
        return str(error.code), f"{error.problem} {error.next_action}".strip()
    return str(Code.OTHER), redact(f"{type(error).__name__}: {error}")


def steps_to_try(ledger: Ledger) -> list[str]:
    """The open cases whose run is to try a step again that could not be carried out. ``note_tried`` comes after it.

    What is no trouble of its case any more is taken off the list; where no run waits to be woken, the next look is
    later.
    """
    now, found = ledger.clock(), list[str]()
    with ledger.store.uow() as uow:
        rows = uow.owed.due(now, AT_MOST, Debt.STEP)
        cases = _rows_of(uow, [row.ref for row in rows])
        for row in rows:
            case = cases.get(row.ref)
            if case is None or case.closed_at is not None or not (case.trouble or case.asked_form == TRY_AGAIN):
                uow.owed.settle(row.ref, row.what, row.key)
            elif case.asked_form == TRY_AGAIN and case.flow_run:
                found.append(row.ref)
            else:
                uow.owed.tried(row, row.code, row.trouble, now)
        uow.commit()
    return found


def note_tried(ledger: Ledger, refs: Sequence[str], later: Collection[str]) -> list[str]:
    """Note that the runs of these cases were woken to try their steps; gives those that are woken only ``later``."""
    now, woken = ledger.clock(), set(refs) - set(later)
    if woken:
        with ledger.store.uow() as uow:
            for row in uow.owed.due(now, AT_MOST, Debt.STEP):
                if row.ref in woken:
                    uow.owed.tried(row, row.code, row.trouble, now)
            uow.commit()
    return [ref for ref in refs if ref not in woken]


def _rows_of(uow: UnitOfWork, refs: Sequence[str]) -> dict[str, CaseRow]:
    some = (refs[start : start + 200] for start in range(0, len(refs), 200))
    return {row.ref: row for part in some for row in uow.cases.of_refs(part)}


def note_failed(ledger: Ledger, ref: str, what: Debt, key: str, error: Exception) -> None:
    """What time makes owed could not be done: it is on the list from now on."""
    code, said = what_is_wrong(error)
    with ledger.store.uow() as uow:
        uow.owed.failed(ref, what, key, code, said, ledger.clock())
        uow.commit()


# -- telling the team -------------------------------------------------------------------------------------------------

_ALARMS: Mapping[EventKind, str] = {
    Kind.STOP_DID_NOT_HOLD: "the stop did not hold, and was made again (J2)",
    Kind.REOPENED: "the job failed again after the case was closed, so the case is open again (J10)",
}


def alarms(ledger: Ledger) -> list[TeamAlert]:
    """What the team has to hear at once, and has not: each as long as no mail told it."""
    with ledger.store.reading() as uow:
        rows = uow.owed.rows(AT_MOST, Debt.ALERT)
    found = []
    for row in rows:
        try:
            case = ledger.case(row.ref)
        except Unreadable:
            continue  # `caseproof case list` names it
        number = int(row.key)
        about = _ALARMS[case.events[number - 1].kind]
        times = len(case.since_question(case.procedure.kind(TeamTold))) + 1
        found.append(TeamAlert(row.ref, case.name, about, times, aside=True, of=number))
    return found


def reminders_of_debts(ledger: Ledger, keeper: KeeperPolicy) -> list[TeamAlert]:
    """What is owed and could not be done for long, as often as a question that waits; of closed cases, too."""
    now = ledger.clock()
    with ledger.store.reading() as uow:
        rows = [row for row in uow.owed.rows(AT_MOST) if row.ref and row.code and row.what is not Debt.ALERT]
        due = [row for row in rows if _tell_at(keeper, row) <= now]
        jobs = {ref: row.job_name for ref, row in _rows_of(uow, [one.ref for one in due]).items()}
    return [
        TeamAlert(row.ref, jobs[row.ref], _about(row), row.told + 1, aside=True, row=row)
        for row in due
        if row.ref in jobs
    ]


def wanted_in_vain(ledger: Ledger, links: Links, keeper: KeeperPolicy) -> list[TeamAlert]:
    """The cases that somebody wants and that cannot be opened: their jobs are not stopped (J2), and they have no page
    that would say so."""
    now = ledger.clock()
    with ledger.store.reading() as uow:
        rows = [row for row in uow.owed.rows(AT_MOST, Debt.RAISE) if row.code]
    return [
        TeamAlert("A case that is not open yet", row.key, _about(row), row.told + 1, url=links.raise_url, row=row)
        for row in rows
        if _tell_at(keeper, row) <= now
    ]


def note_wanted(ledger: Ledger, row: OwedRow) -> bool:
    """Note that the team was told of a case that is wanted; whether it was news."""
    with ledger.store.uow() as uow:
        news = uow.owed.note_told(row)
        uow.commit()
    return news


def _tell_at(keeper: KeeperPolicy, row: OwedRow) -> datetime:
    """At once where a person has to put it right and no form asks for it; else as of a question."""
    if row.what is Debt.STEP or row.code in PASSES:
        return nudge_at(keeper, row.since, row.told)
    return row.since if row.told == 0 else nudge_at(keeper, row.since, row.told - 1)


def _about(row: OwedRow) -> str:
    if row.what is Debt.STEP:
        return f"a step needs help: {row.trouble} Asked {row.since:%Y-%m-%d %H:%M} UTC"
    if row.what is Debt.RECORDING:
        return f"{thing_of(row)}, since {row.since:%Y-%m-%d %H:%M} UTC: {row.trouble}"
    return f"{thing_of(row)} is owed since {row.since:%Y-%m-%d %H:%M} UTC, tried {row.tries} times: {row.trouble}"


# -- giving up --------------------------------------------------------------------------------------------------------


def give_up(ledger: Ledger, team: Sequence[str], ref: str, what: str, *, by: str, reason: str) -> list[str]:
    """A member of the team says that something is owed no more: an event each; gives what it was, in words.

    Raises NotOnTheTeam, BadInput where the case owes no such thing, NotAllowed where the case cannot do without it.
    """
    member = require_member(by, team)
    case = ledger.case(ref)
    with ledger.store.reading() as uow:
        rows = uow.owed.of(case.ref)
    wanted = [row for row in rows if row.what == what]
    if not wanted:
        owes = ", ".join(sorted({str(row.what) for row in rows})) or "nothing"
        raise BadInput(f"{case.ref} owes no {what!r}.", f"It owes {owes}; `caseproof case why {case.ref}` tells more.")
    way = WAYS[wanted[0].what]
    if way.instead:
        raise NotAllowed(f"{way.thing.capitalize()} cannot be given up.", way.instead)
    if not reason.strip():
        raise BadInput("It is not said why it is given up.", "Give the reason: it stands in the case.")

    said = {"what": what, "thing": way.thing, "reason": reason.strip()}
    ledger.change(
        case.ref, lambda _: [ledger.event(case.procedure.kind(GivenUp), member, key=row.key, **said) for row in wanted]
    )
    _settle(ledger, wanted)  # what stood there though no event says so, too
    return [thing_of(row) for row in wanted]
