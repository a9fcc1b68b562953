"""The time as it is, for tests on a real server, which has it too."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

from caseproof.domain.errors import CaseproofError
from tests.support.fakes import Clock

T = TypeVar("T")


class RealClock(Clock):
    """Waiting is waiting, a second at most. A world's clock becomes one by ``world.clock.__class__ = RealClock``."""

    def __call__(self) -> datetime:
        return datetime.now(UTC)

    def move(self, **by: float) -> None:
        time.sleep(min(1.0, by.get("seconds", 0.0)))


def until(what: Callable[[], T], seconds: float = 120) -> T:
    """What ``what`` gives, once that is true; an error of Caseproof's is waited out as well."""
    ends = time.monotonic() + seconds
    while True:
        try:
            if found := what():
                return found
        except CaseproofError:
            if time.monotonic() > ends:
                raise
        assert time.monotonic() < ends, "it took too long"
        time.sleep(0.5)
