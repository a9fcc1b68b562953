"""The jobs of the platforms as the last check saw them: what people search where no platform is at hand."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from caseproof.config.clock import Clock
from caseproof.platforms.base import Job
from caseproof.store import Store, UnitOfWork

_MARK = "jobs/"
_LOOKED_THROUGH = 20_000
"""So many characters of a text are looked through for the names of ten thousand jobs."""


@dataclass(frozen=True, slots=True)
class KnownJob:
    """A job as people find it: by what they type, its name, and whose it is ("" where it does not say)."""

    platform: str
    job: str
    name: str
    retailer: str
    marketplace: str

    @property
    def words(self) -> str:
        """All of it in small letters, to be looked through."""
        return f"{self.job}\n{self.name}\n{self.retailer}\n{self.marketplace}".casefold()


def note_jobs(store: Store, clock: Clock, platform: str, jobs: Iterable[Job]) -> None:
    """Note which jobs the platform has, in place of those of before. Raises StoreError."""
    told = [[job.id, job.name, job.retailer or "", job.marketplace or ""] for job in jobs]
    with store.uow() as uow:
        uow.cursors.set(f"{_MARK}{platform}", json.dumps(told), clock())
        uow.commit()


def were_listed(uow: UnitOfWork) -> bool:
    """Whether a check ever listed the jobs of any platform."""
    return any(uow.cursors.names(_MARK))


def known_platforms(uow: UnitOfWork) -> list[str]:
    """The platforms that were checked, or have open cases, sorted."""
    checked = (name.removeprefix(_MARK) for name in uow.cursors.names(_MARK))
    return sorted({*checked, *uow.cases.platforms()})


def find_jobs(uow: UnitOfWork, words: str, limit: int) -> list[KnownJob]:
    """The jobs in which each of these words stands, at most ``limit``; small and capital letters are the same."""
    wanted = words.casefold().split()
    found = (one for one in _known(uow) if all(word in one.words for word in wanted))
    return [one for _, one in zip(range(limit), found, strict=False)] if wanted else []


def jobs_named_in(uow: UnitOfWork, text: str, limit: int) -> list[KnownJob]:
    """The jobs that the beginning of a text names, else those of the retailers whom it names; at most ``limit``."""
    text = text[:_LOOKED_THROUGH].casefold()
    known = list(_known(uow))
    named = [one for one in known if one.job.casefold() in text or (len(one.name) > 3 and one.name.casefold() in text)]
    theirs = [one for one in known if len(one.retailer) > 2 and one.retailer.casefold() in text]
    return (named or theirs)[:limit]


def jobs_called(uow: UnitOfWork, platform: str, name: str) -> list[KnownJob]:
    """The jobs with this name, on any platform where ``platform`` is ""; what they are known by there goes first."""
    name, known = name.casefold(), [one for one in _known(uow) if platform in ("", one.platform)]
    return [one for one in known if one.job.casefold() == name] or [o for o in known if o.name.casefold() == name]


def _known(uow: UnitOfWork) -> Iterator[KnownJob]:
    for mark in uow.cursors.names(_MARK):
        noted = uow.cursors.get(mark)
        for told in json.loads(noted[0]) if noted else []:
            yield KnownJob(mark.removeprefix(_MARK), *told)
