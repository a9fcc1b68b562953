"""The parts of paging, of this installation's services; the policy is read anew whenever it may be another one."""

from __future__ import annotations

from collections.abc import Callable

from caseproof.config.paging import watch_lock
from caseproof.config.policy import PolicyNow
from caseproof.procedure.core.services import Services
from caseproof.procedure.paging.ahead import ReadsAhead
from caseproof.procedure.paging.by_link import Keys
from caseproof.procedure.paging.engine import Pager
from caseproof.procedure.paging.ports import CallList, Channels, PagingParts, pager_of
from caseproof.procedure.paging.probing import SiteLooks, look_once
from caseproof.procedure.paging.watch import PagingWatch
from caseproof.store import Together, locks


def parts_of(services: Services) -> PagingParts:
    """What paging works with."""
    return PagingParts(
        services.ledger,
        PolicyNow(services.settings),
        lambda: Keys(services.keys.in_force(), services.keys.void()),
        services.settings.home_folder,
        services.links,
    )


def pagers_of(services: Services, worker: str, channels: Channels | None = None) -> Callable[[], Pager]:
    """What makes an engine, by the policy of then. All of them share their channels, and write together."""
    parts = parts_of(services)
    shared = channels or Channels(parts.home, services.clock)
    whom, store = CallList(parts), Together(services.store)
    return lambda: pager_of(parts, shared, worker, whom, store)


def site_looks(services: Services) -> SiteLooks:
    """What looks at sites beside the calling, and at the web ECM servers that the policy names."""
    parts = parts_of(services)
    return SiteLooks(lambda ref: look_once(services.files, ref, parts.paging.web_ecm))


def look_beside(services: Services, ref: str) -> None:
    """Have the site looked at by this process, unless a pager runs: that one ends with none of the callings."""
    if not locks.is_held(watch_lock(services.settings.home_folder)):
        site_looks(services)(ref)


def reads_ahead(services: Services) -> ReadsAhead:
    """What reads the calendars before anybody has to be called."""
    parts = parts_of(services)
    return ReadsAhead(parts.policy, parts.home, services.clock)


def watch_of(services: Services, say: Callable[[str], None]) -> PagingWatch:
    """What `caseproof up` keeps running for emergencies: people are called, and the site is looked at."""
    pagers = pagers_of(services, "the pager")
    return PagingWatch(services.store, services.clock, pagers, say, beside=site_looks(services))
