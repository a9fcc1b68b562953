"""A process that dies at one of its writes to the store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from caseproof.store import Store
from caseproof.store.uow import UnitOfWork
from tests.support.fakes import Killed
from tests.support.world import World


@dataclass
class DyingStore(Store):
    """The real store of a process that dies at its n-th write, just before it or just after."""

    real: Store
    at: int = 0
    after: bool = False
    writes: int = field(default=0, init=False)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    @contextmanager
    def uow(self) -> Iterator[UnitOfWork]:
        self.writes += 1
        if self.writes == self.at and not self.after:
            raise Killed
        with self.real.uow() as uow:
            yield uow
        if self.writes == self.at:
            raise Killed


def dying(world: World, at: int, *, after: bool) -> DyingStore:
    store = DyingStore(world.services.store, at, after)
    world.services = replace(world.services, store=store)
    return store
