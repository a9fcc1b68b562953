"""Keeps what a probe of the site saw as evidence of the case. It decides nothing, and nobody waits for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from caseproof.domain.case import Case
from caseproof.domain.emergency import payloads as says
from caseproof.domain.emergency.kinds import kind_with
from caseproof.domain.emergency.raising import Terminals
from caseproof.domain.events import Event
from caseproof.evidence.site_probe import Probe, Site, probe_site
from caseproof.procedure.core.parts import US, EvidenceFiles, event_of
from caseproof.procedure.paging.raising import standing


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
