"""Sees to it that people are called for each emergency that goes on, whoever raised it, by plain code (E8).

``caseproof up`` keeps one such watch running: the web's form and the command work while Prefect is down or all its
workers are full, and calling begins again when an acknowledgement runs out. Another engine beside it (a flow run, a
command) is harmless: of two, each makes a try that the other has not begun.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from caseproof.config.clock import Clock
from caseproof.domain.case import Case
from caseproof.domain.emergency.paging import Paging, paging_of
from caseproof.domain.errors import CaseproofError, NotAllowed
from caseproof.procedure.core.told_once import ToldOnce
from caseproof.procedure.paging.engine import Pager, Stands
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
    """An emergency that goes on: which thread sees to it now, and until when nothing is due for a case so old.

    ``noted`` is when it was noted that it goes on."""

    noted: datetime
    thread: threading.Thread | None = None
    pager: Pager | None = None
    quiet_until: datetime | None = None
    version: int = 0
    looked_at: int = 0
    """The number of the emergency whose site was looked at, or will be."""

    @property
    def is_seen_to(self) -> bool:
        """A thread that is gone sees to nothing, however it ended."""
        return self.thread is not None and self.thread.is_alive()

    def let_go(self, thread: threading.Thread) -> None:
        """This thread sees to it no more; perhaps another does already."""
        if self.thread is thread:
            self.thread = None


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
        """Have the emergencies that need it seen to, all of them by one thread beside this. Raises StoreError."""
        with self._store.reading() as uow:
            marks = uow.cursors.below(GOING_ON)
            versions = uow.bulk.versions(marks)
        for ref in self._watched.keys() - marks.keys():
            if not self._watched[ref].is_seen_to:
                del self._watched[ref]
        wanted = dict[str, _Watched]()
        for ref, (_, noted) in marks.items():
            one = self._watched.setdefault(ref, _Watched(noted))
            if one.pager is not None:
                one.pager.heard(ref, versions.get(ref, 0))
            if not one.is_seen_to and not (self._is_quiet(one) and versions.get(ref) == one.version):
                one.noted = noted
                wanted[ref] = one
        if wanted:
            self._begin(wanted)

    def _begin(self, wanted: Mapping[str, _Watched]) -> None:
        thread = threading.Thread(target=self._see_to, args=(wanted,), name="paging", daemon=True)
        for one in wanted.values():
            one.thread = thread
        self._start(thread)

    def _is_quiet(self, one: _Watched) -> bool:
        return one.quiet_until is not None and self._clock() < one.quiet_until

    def _see_to(self, wanted: Mapping[str, _Watched]) -> None:
        """Run an engine until nothing is due in any of them, and until a run has found nothing new.

        It keeps them itself: those that are over are watched no more long before this ends.
        """
        try:
            pager = self._pager()
            pager.look = RUN_LOOKS_SECONDS
            for one in wanted.values():
                one.pager = pager
            pager.run_all(list(wanted), partial(self._ended, wanted), partial(self._seen, wanted))
        except CaseproofError as error:
            _log.warning("People are called as soon as this is over: %s", error)
        except Exception:
            _log.exception("People are called by the next look")
        finally:
            for one in wanted.values():
                one.let_go(threading.current_thread())

    def _seen(self, wanted: Mapping[str, _Watched], ref: str, paging: Paging) -> None:
        one = wanted[ref]
        if not paging.over and one.looked_at != paging.number:
            one.looked_at = paging.number
            try:
                self._beside(ref)
            except Exception:  # people are called all the same, in this and in the others
                _log.exception("%s: nothing is done beside it", ref)

    def _ended(self, wanted: Mapping[str, _Watched], ref: str, how: Stands | Exception) -> None:
        one = wanted[ref]
        try:
            self._settle(ref, one, how)
        except UnknownCase:
            self._forget(ref, one.noted)
        except CaseproofError as error:
            _log.warning("%s: people are called as soon as this is over: %s", ref, error)
        except Exception:
            _log.exception("%s: people are called by the next look", ref)
        finally:
            one.let_go(threading.current_thread())

    def _settle(self, ref: str, one: _Watched, how: Stands | Exception) -> None:
        """Raises what the run raised, and StoreError."""
        if isinstance(how, NotAllowed) and paging_of(self._store.case(ref)) is None:
            if self._clock() - one.noted > _UNUSED:
                self._forget(ref, one.noted)
            return
        if isinstance(how, Exception):
            raise how
        if how.at is None and not self._is_awaited(how.case, one.noted):
            self._forget(ref, one.noted)
        # What was written meanwhile was perhaps not seen: only a run that changed nothing has seen all of it.
        quiet = how.at if how.at is not None else one.noted + _UNUSED
        one.quiet_until, one.version = (quiet if how.case.version == how.before else None), how.before

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
