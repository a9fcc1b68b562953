"""Changes of many cases at the same moment, written together: in an emergency of a whole region there are hundreds.

Each thread asks for its change as it would ask the store (``Store.change``). The first writes what all who wait want,
in one transaction, then the first of those who came meanwhile does. A change that is refused stops no other.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from caseproof.domain.case import Case
from caseproof.domain.errors import CaseproofError
from caseproof.domain.events import Event
from caseproof.domain.fold import apply
from caseproof.store.case_rows import as_stored
from caseproof.store.errors import StoreDown
from caseproof.store.refs import normal
from caseproof.store.store import Store

MOST = 200
"""How many changes are written in one transaction: others who write wait for it."""
_KEPT = 1000
"""How many cases are kept as they were seen last, so that who changes one again need not read it all."""

Decide = Callable[[Case], Sequence[Event]]


class CaseStore(Protocol):
    """What reads and changes one case: the store itself, or ``Together``."""

    def case(self, ref: str) -> Case:
        """The case as it is now. Raises UnknownCase, StoreDown."""
        ...

    def change(self, ref: str, decide: Decide) -> Case:
        """Read it, ask ``decide`` what happens, write that; gives the case after it. Raises as ``Store.change``."""
        ...

    def note(self, name: str, value: str, at: datetime) -> None:
        """Note a mark (``Cursors.set``). Raises StoreDown, StoreError."""
        ...


@dataclass
class _Change:
    """What one thread wants, and what came of it: ``after`` or ``refused``. ``leads``: it writes, for all."""

    ref: str
    decide: Decide
    wake: threading.Event = field(default_factory=threading.Event)
    leads: bool = False
    after: Case | None = None
    refused: BaseException | None = None


class Together:
    """A store for those who change many cases at once, from many threads of this process."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._waiting: list[_Change] = []
        self._led = False
        self._seen: OrderedDict[str, Case] = OrderedDict()

    def case(self, ref: str) -> Case:
        """The case as it is now. Raises UnknownCase, StoreDown."""
        return self._store.case(ref)

    def note(self, name: str, value: str, at: datetime) -> None:
        """As ``Store.note``."""
        self._store.note(name, value, at)

    def change(self, ref: str, decide: Decide) -> Case:
        """As ``Store.change``, and the case may hold what others wrote with it. ``decide`` is asked while others wait.

        Raises UnknownCase, NotAllowed, StoreDown and what ``decide`` raises.
        """
        mine = _Change(normal(ref), decide)
        with self._lock:
            self._waiting.append(mine)
            if not self._led:
                self._lead_with(mine)
        mine.wake.wait()
        if mine.leads:
            self._lead()
        if mine.refused is not None:
            raise mine.refused
        assert mine.after is not None  # noqa: S101 - for the types
        return mine.after

    def change_all(self, wanted: Sequence[tuple[str, Decide]]) -> list[Case | Exception]:
        """As ``change``, of many cases by one thread, in this order: each case after it, or why it was refused."""
        mine = [_Change(normal(ref), decide) for ref, decide in wanted]
        if not mine:
            return []
        with self._lock:
            self._waiting += mine
            if not self._led:
                self._lead_with(self._waiting[0])
        broke_off: BaseException | None = None
        for one in mine:  # in their order: whoever leads is the first who waits
            one.wake.wait()
            if one.leads:
                try:
                    self._lead()
                except BaseException as error:  # others wait for us to lead on
                    broke_off = error
        if broke_off is not None and not isinstance(broke_off, Exception):
            raise broke_off
        return [one.after or _as_exception(one.refused) for one in mine]

    def _lead_with(self, one: _Change) -> None:
        self._led, one.leads = True, True
        one.wake.set()

    def _lead(self) -> None:
        """Write for all who wait. Whoever leads is the first of them."""
        with self._lock:
            taken, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
        try:
            self._write(taken)
        except BaseException as error:
            for one in taken:
                one.refused = one.refused or error
            raise
        finally:
            with self._lock:
                self._led = False
                if self._waiting:
                    self._lead_with(self._waiting[0])
            for one in taken:
                one.wake.set()

    def _write(self, taken: Sequence[_Change]) -> None:
        by_ref: dict[str, list[_Change]] = {}
        for one in taken:
            by_ref.setdefault(one.ref, []).append(one)
        try:
            with self._store.uow() as uow:
                after = uow.bulk.change(by_ref, lambda case: _decided(case, by_ref[case.ref]), self._seen)
                uow.commit()
        except StoreDown as down:
            for one in taken:
                one.refused = down
        except CaseproofError:  # it is one of them: each by itself, so that the others are not refused for it
            for one in taken:
                self._by_itself(one)
        else:
            for one in taken:
                one.after = after[one.ref]
            self._keep(after)

    def _by_itself(self, one: _Change) -> None:
        one.refused = None
        try:
            one.after = self._store.change(one.ref, one.decide)
        except Exception as error:
            one.refused = error

    def _keep(self, after: Mapping[str, Case]) -> None:
        for ref, case in after.items():
            self._seen[ref] = case
            self._seen.move_to_end(ref)
        while len(self._seen) > _KEPT:
            self._seen.popitem(last=False)


def change_each(store: CaseStore, wanted: Sequence[tuple[str, Decide]]) -> list[Case | Exception]:
    """As ``CaseStore.change``, of each of these cases in this order: together where the store writes together."""
    if isinstance(store, Together) and len(wanted) > 1:
        return store.change_all(wanted)
    found: list[Case | Exception] = []
    for ref, decide in wanted:
        try:
            found.append(store.change(ref, decide))
        except Exception as error:
            found.append(error)
    return found


def _as_exception(refused: BaseException | None) -> Exception:
    if isinstance(refused, Exception):
        return refused
    raise refused or AssertionError("Nothing came of a change.")


def _decided(case: Case, changes: Sequence[_Change]) -> list[Event]:
    """What these changes say of the case, each after the one before; one that raises says nothing."""
    events: list[Event] = []
    for one in changes:
        one.refused = None
        try:
            said = [as_stored(event) for event in one.decide(case)]
            for event in said:
                case = apply(case, event)
        except Exception as error:
            one.refused = error
        else:
            events += said
    return events
