"""Keeps what a probe of the site saw as evidence of the case. It decides nothing, and nobody waits for it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from queue import SimpleQueue

from caseproof.domain.case import Case
from caseproof.domain.emergency import payloads as says
from caseproof.domain.emergency.kinds import kind_with
from caseproof.domain.emergency.raising import Terminals
from caseproof.domain.errors import CaseproofError
from caseproof.domain.events import Event
from caseproof.evidence.site_probe import Probe, Site, probe_site
from caseproof.procedure.core.parts import US, EvidenceFiles, event_of
from caseproof.procedure.paging.raising import standing

AT_ONCE = 4
"""So many sites are looked at beside each other."""
AFTER_SECONDS = 2.0
"""How long a look lets the first calls go ahead."""
_BEGUN = "site-look "
_GIVEN_UP = timedelta(minutes=1)
"""Whoever began a look and died has let so much time pass."""

_log = logging.getLogger(__name__)


class SiteLooks:
    """Looks at the sites of emergencies beside the calling, a few at a time; ``look`` looks at one, by its case."""

    def __init__(self, look: Callable[[str], object], after_seconds: float = AFTER_SECONDS) -> None:
        self._look, self._after = look, after_seconds
        self._wanted: SimpleQueue[tuple[str, float]] = SimpleQueue()
        self._threads, self._lock = 0, threading.Lock()

    def __call__(self, ref: str) -> None:
        """Look at the site of this case's emergency soon. Waits for nothing."""
        self._wanted.put((ref, time.monotonic() + self._after))
        with self._lock:
            if self._threads < AT_ONCE:
                threading.Thread(target=self._go_on, name="looks at sites", daemon=True).start()
                self._threads += 1

    def _go_on(self) -> None:
        while True:
            ref, at = self._wanted.get()
            time.sleep(max(at - time.monotonic(), 0.0))
            try:
                self._look(ref)
            except CaseproofError as error:  # a site that is named by no address, say
                _log.info("%s: its site is not looked at: %s", ref, error)
            except Exception as error:
                _log.warning("%s: its site could not be looked at: %s", ref, type(error).__name__)


def look_once(files: EvidenceFiles, ref: str, ecm: Sequence[str] = ()) -> None:
    """See to it that the site of the case's emergency, and the team's web ECM servers, are looked at once, by whomever.

    Raises as ``keep_probe``.
    """
    case = files.store.case(ref)
    number = standing(case).number
    if _was_looked_at(case, number):
        return
    name, now = f"{_BEGUN}{case.ref}", files.clock()
    with files.store.uow() as uow:
        begun = uow.cursors.get(name)
        if begun is not None and begun[0] == str(number) and now - begun[1] < _GIVEN_UP:
            return
        uow.cursors.set(name, str(number), now)
        uow.commit()
    keep_probe(files, ref, ecm=ecm, own=ecm)
    with files.store.uow() as uow:
        uow.cursors.forget(name)
        uow.commit()


def _was_looked_at(case: Case, number: int) -> bool:
    return any(fact.data["emergency"] == number for fact in case.all_of(says.ProbeLooked))


def keep_probe(files: EvidenceFiles, ref: str, *, ecm: Sequence[str] = (), own: Iterable[str] = ()) -> Probe:
    """Look at the site of the case's emergency, and write down what was seen; gives it.

    ``ecm`` and ``own`` are what the team set up: the web ECM's addresses, and sites that may lie in an inner network.
    Raises BadInput where the site is named by no address, NotAllowed where there is no emergency, UnknownCase.
    """
    paging = standing(files.store.case(ref))
    figures = paging.raised.data.get("terminals")
    terminals = Terminals(*figures) if figures else None
    probe = probe_site(Site(paging.raised.data["site"], ecm), files.clock(), own=own, terminals=terminals)
    digest = files.keep_json(ref, f"site-{paging.number}-{probe.at:%Y%m%dT%H%M%S}.json", probe.as_json())

    def decide(case: Case) -> Sequence[Event]:
        said = says.ProbeLooked(emergency=paging.number, evidence=digest, found=probe.summary)
        return [event_of(kind_with(case.procedure, says.ProbeLooked), probe.at, US, said)]

    files.store.change(ref, decide)
    return probe
