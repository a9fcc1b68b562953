"""How hard a pass leans on one platform: so many calls at once, so many a second, and an end where nobody answers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from caseproof.config.policy_check import Pace
from caseproof.domain.vocabulary import Scope
from caseproof.platforms.abilities import PlatformAbilities
from caseproof.platforms.base import Job, PlatformDown, Standing
from caseproof.procedure.containment.stop import Stops

T = TypeVar("T")


class Pacer:
    """Lets calls begin one after another, never more than ``per_second``. Times are in seconds."""

    def __init__(
        self,
        per_second: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._apart, self._clock, self._sleep = 1 / per_second, clock, sleep
        self._next = clock()
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Return when the next call may begin."""
        with self._lock:
            now = self._clock()
            turn = max(self._next, now)
            self._next = turn + self._apart
        if turn > now:
            self._sleep(turn - now)


class PacedPlatform:
    """What a stop asks of a platform, paced; after ``pace.at_once`` calls in a row that found it down, nothing more.

    A call is one of these methods; a client may need several requests for it. How many run at once is up to the
    caller's threads.
    """

    def __init__(self, platform: Stops, pace: Pace) -> None:
        self._platform, self._patience = platform, pace.at_once
        self._pacer = Pacer(pace.per_second)
        self._downs = 0
        self.over: PlatformDown | None = None
        """Why nothing is asked any more."""

    @property
    def abilities(self) -> PlatformAbilities:
        return self._platform.abilities

    def give_up(self, why: str) -> None:
        """Ask nothing more."""
        self.over = self.over or PlatformDown(why, "The next check goes on from there.")

    def job(self, job_id: str) -> Job:
        return self._ask(lambda: self._platform.job(job_id))

    def jobs_in(self, scope: Scope, job: Job) -> list[Job]:
        return self._ask(lambda: self._platform.jobs_in(scope, job))

    def standing(self, job_id: str) -> Standing:
        return self._ask(lambda: self._platform.standing(job_id))

    def stop(self, job_id: str) -> None:
        self._ask(lambda: self._platform.stop(job_id))

    def _ask(self, call: Callable[[], T]) -> T:
        if not self.over:
            self._pacer.wait()
        if self.over:
            raise PlatformDown(self.over.problem, self.over.next_action)
        try:
            answer = call()
        except PlatformDown as down:
            self._downs += 1  # two threads at once may count one too few: it is a measure, not a sum
            if self._downs >= self._patience:
                self.give_up(f"{down.problem} It did not answer {self._patience} times in a row, so the pass ended.")
            raise
        except Exception:
            self._downs = 0  # it answered
            raise
        self._downs = 0
        return answer
