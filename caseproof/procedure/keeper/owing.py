"""Nothing is forgotten: what is owed is worked off with back-off until it is done, or a person gives it up.

The steps of an open case are done by its own run, which is woken for that; everything else is done in the keeper's
pass, by the same function as in a run (``ways``). That touches another system once under its intent, so it does not
matter who is faster.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from caseproof.channels.outbound.mail import MailDown
from caseproof.desks.base import DeskDown
from caseproof.domain.case import Case
from caseproof.domain.codes import Code
from caseproof.domain.errors import CaseproofError
from caseproof.domain.owing import Debt
from caseproof.domain.vocabulary import TRY_AGAIN
from caseproof.http.redaction import redact
from caseproof.procedure.closing.ticket import offer_another
from caseproof.procedure.core.parts import Ledger
from caseproof.procedure.keeper.problems import Problems
from caseproof.procedure.keeper.ways import WAYS, Hands
from caseproof.procedure.notify.mail_pace import NotYourTurn
from caseproof.procedure.notify.reminding import may_answer, waits_for_word
from caseproof.store import CaseRow, OwedRow, UnitOfWork

AT_MOST = 500
"""How many things that are due a pass looks at; the others are next."""
_BY_TIME: Mapping[Debt, Callable[[Case], bool]] = MappingProxyType(
    {Debt.REMINDER: waits_for_word, Debt.LINK: may_answer}
)
"""What time makes owed, and whether it may be owed by a case as it is."""


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
        through = ""
        try:
            case = ledger.case(ref)
            through = hands.through(what, case)
            if through in down:
                if (why := down[through]) is not None:
                    _note_held_up(ledger, rows, why)
                continue
            done = way.do(hands, ref) if _is_owed(case, rows) else []
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
            settle(ledger, rows)
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


def settle(ledger: Ledger, rows: Sequence[OwedRow]) -> None:
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
        cases = rows_of(uow, [row.ref for row in rows])
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


def rows_of(uow: UnitOfWork, refs: Sequence[str]) -> dict[str, CaseRow]:
    some = (refs[start : start + 200] for start in range(0, len(refs), 200))
    return {row.ref: row for part in some for row in uow.cases.of_refs(part)}


def note_failed(ledger: Ledger, ref: str, what: Debt, key: str, error: Exception) -> None:
    """What time makes owed could not be done: it is on the list from now on."""
    code, said = what_is_wrong(error)
    with ledger.store.uow() as uow:
        uow.owed.failed(ref, what, key, code, said, ledger.clock())
        uow.commit()
