"""Sees to it that people are called for each emergency that goes on, whoever raised it, by plain code (E8).

``caseproof up`` keeps one such watch running: the web's form and the command work while Prefect is down or all its
workers are full, and calling begins again when an acknowledgement runs out. Another engine beside it (a flow run, a
command) is harmless: of two, each makes a try that the other has not begun.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from caseproof.config.clock import Clock
from caseproof.domain.case import Case
from caseproof.domain.emergency.paging import paging_of
from caseproof.domain.errors import CaseproofError
from caseproof.procedure.core.told_once import ToldOnce
from caseproof.procedure.paging.engine import Pager
from caseproof.procedure.paging.raising import GOING_ON
from caseproof.store import Store, UnknownCase

LOOK_SECONDS = 0.25
"""How often it is looked which emergencies go on: it is one row a time."""
RUN_LOOKS_SECONDS = 10.0
"""How often an engine looks by itself whether somebody else wrote something: this watch tells it."""
_UNUSED = timedelta(minutes=1)
"""After how long a mark is forgotten whose case has no emergency, or one of before: whoever noted it was to raise one
at once."""

_log = logging.getLogger(__name__)


@dataclass
class _Watched:
    """An emergency that goes on: the thread and the engine that see to it, and until when nothing is due for a case so
    old."""

    thread: threading.Thread | None = None
    pager: Pager | None = None
    quiet_until: datetime | None = None
    version: int = 0
    looked_at: int = 0
    """The number of the emergency whose site was looked at, or will be."""


class PagingWatch:
    """Looks, and has an engine run for each emergency; ``pager`` makes one, by the policy and the channels of now.

    ``say`` tells people what is wrong. ``start`` starts a thread. ``beside`` is told of each emergency once, by its
    case, and does not wait.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        pager: Callable[[], Pager],
        say: Callable[[str], None],
        start: Callable[[threading.Thread], None] = threading.Thread.start,
        beside: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._store, self._clock, self._pager, self._start = store, clock, pager, start
        self._beside = beside
        self._trouble = ToldOnce(say, "Emergencies are looked for again.", longest=LOOK_SECONDS)
        self._watched: dict[str, _Watched] = {}

    def round(self) -> float:
        """One look, whatever is wrong; gives how many seconds to pause before the next one."""
        try:
            self.look()
            self._trouble.is_over()
        except Exception as error:  # the next look is soon: nobody is called while this one fails
            self._trouble.is_this(error)
        return LOOK_SECONDS

    def look(self) -> None:
        """Have each emergency that needs it seen to, in a thread of its own. Raises StoreError."""
        with self._store.reading() as uow:
            marks = uow.cursors.below(GOING_ON)
            versions = uow.bulk.versions(marks)
        for ref in self._watched.keys() - marks.keys():
            if self._is_idle(ref):
                del self._watched[ref]
        for ref, (_, noted) in marks.items():
            one = self._watched.setdefault(ref, _Watched())
            if one.pager is not None:
                one.pager.heard(ref, versions.get(ref, 0))
            if self._is_idle(ref) and not (self._is_quiet(ref) and versions.get(ref) == one.version):
                one.thread = threading.Thread(target=self._see_to, args=(ref, one, noted), name=ref, daemon=True)
                self._start(one.thread)

    def _is_idle(self, ref: str) -> bool:
        one = self._watched[ref]
        return one.thread is None or not one.thread.is_alive()

    def _is_quiet(self, ref: str) -> bool:
        one = self._watched.get(ref)
        return one is not None and one.quiet_until is not None and self._clock() < one.quiet_until

    def _see_to(self, ref: str, one: _Watched, noted: datetime) -> None:
        """Run the engine until nothing is due, and until a run has found nothing new."""
        try:
            before = self._store.case(ref)
            paging = paging_of(before)
            if paging is None:
                if self._clock() - noted > _UNUSED:
                    self._forget(ref, noted)
                return
            if not paging.over and one.looked_at != paging.number:
                one.looked_at = paging.number
                self._beside(ref)
            one.pager = self._pager()
            one.pager.look = RUN_LOOKS_SECONDS
            until, after = one.pager.run(ref), self._store.case(ref)
            if until is None and not self._is_awaited(after, noted):
                self._forget(ref, noted)
            # What was written meanwhile was perhaps not seen: only a run that changed nothing has seen all of it.
            quiet = until if until is not None else noted + _UNUSED
            one.quiet_until, one.version = (quiet if after.version == before.version else None), before.version
        except UnknownCase:
            self._forget(ref, noted)
        except CaseproofError as error:
            _log.warning("%s: people are called as soon as this is over: %s", ref, error)
        except Exception:
            _log.exception("%s: people are called by the next look", ref)

    def _is_awaited(self, case: Case, noted: datetime) -> bool:
        """Whether another emergency is about to be raised there: it was noted since the one that is over was."""
        paging = paging_of(case)
        return paging is None or (paging.raised.at < noted and self._clock() - noted <= _UNUSED)

    def _forget(self, ref: str, noted: datetime) -> None:
        """Look at it no more, unless another emergency was raised meanwhile."""
        name = f"{GOING_ON}{ref}"
        with self._store.uow() as uow:
            found = uow.cursors.get(name)
            if found is not None and found[1] == noted:
                uow.cursors.forget(name)
                uow.commit()


def going_on(store: Store) -> list[str]:
    """The cases in which people may have to be called, by reference. Raises StoreError."""
    with store.reading() as uow:
        return list(uow.cursors.below(GOING_ON))
