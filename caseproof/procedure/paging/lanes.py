"""A lane a channel: its jobs run beside each other, in threads that are used again, and none waits for another channel.

So many jobs as a machine does well run at once, for hundreds of threads that all have something to do keep each other
from it. Where these get nowhere (a server hangs), twice as many run, and so on: no job waits long for others.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar

AT_ONCE = 32
"""So many jobs of a lane run at once while they get on."""
STUCK_SECONDS = 0.1
"""Where none of them ended for so long while others wait, more run."""
IDLE_SECONDS = 5.0
"""How long a thread without a job is kept."""

_log = logging.getLogger(__name__)

A = TypeVar("A")
B = TypeVar("B")
Job = Callable[[], None]


class Lane:
    """Starts jobs of one channel. Safe to use from several threads, and from its own jobs."""

    def __init__(self, name: str, at_once: int = AT_ONCE) -> None:
        self._name, self._at_once = name, at_once
        self._lock = threading.Lock()
        self._waiting: deque[Job] = deque()
        self._idle: list[queue.SimpleQueue[Job]] = []
        self._allowed = at_once
        self._active = self._taken = 0
        self._is_guarded = False
        self._of_mine = threading.local()

    def start(self, job: Job) -> None:
        """Run it beside this thread, soon. Raises RuntimeError where no thread is there, and none can be started."""
        with self._lock:
            if self._active < self._allowed:
                try:
                    self._begin(job)
                    return
                except RuntimeError:
                    if not self._active:
                        raise
            self._waiting.append(job)
            self._be_guarded()

    def wait(self, event: threading.Event, seconds: float | None = None) -> bool:
        """Wait for an event, as ``Event.wait``; another job takes the turn of a job that waits."""
        if not getattr(self._of_mine, "thread", False) or event.is_set():
            return event.wait(seconds)
        with self._lock:
            self._active -= 1
            self._fill()
        try:
            return event.wait(seconds)
        finally:
            with self._lock:
                self._active += 1

    def beside(self, work: Callable[[A], B], items: Sequence[A], most: int) -> list[B]:
        """What ``work`` makes of each, in their order: ``most`` beside each other, or as many as there is room for.

        This thread works, too, so it ends also where no other is free, or can be started. Raises what ``work`` raises
        first.
        """
        left = deque(enumerate(items))
        made: dict[int, B] = {}
        failed: list[BaseException] = []
        done = threading.Event()

        def help_out() -> None:
            while left:
                try:
                    place, item = left.popleft()
                except IndexError:  # another was faster
                    return
                try:
                    made[place] = work(item)
                except BaseException as error:  # told to who asked
                    failed.append(error)
                if len(made) + len(failed) == len(items):
                    done.set()

        with suppress(RuntimeError):  # no thread is left: those that are there do it
            for _ in range(min(most, len(items)) - 1):
                self.start(help_out)
        help_out()
        if items:
            self.wait(done)
        if failed:
            raise failed[0]
        return [made[place] for place in range(len(items))]

    def _begin(self, job: Job) -> None:
        """Under the lock."""
        if self._idle:
            self._idle.pop().put(job)
        else:
            threading.Thread(target=self._work, args=(job,), name=self._name, daemon=True).start()
        self._active += 1

    def _fill(self) -> None:
        """Begin those who wait, as far as there is room; under the lock."""
        while self._waiting and self._active < self._allowed:
            job = self._waiting.popleft()
            try:
                self._begin(job)
            except RuntimeError as error:  # no thread is left: one that ends takes it
                self._waiting.appendleft(job)
                _log.error("%s: no thread can be started: %s", self._name, error)
                return
            self._taken += 1

    def _work(self, job: Job) -> None:
        self._of_mine.thread = True
        mine: queue.SimpleQueue[Job] = queue.SimpleQueue()
        following: Job | None = job
        while following is not None:
            try:
                following()
            except Exception:
                _log.exception("%s: a job broke off", self._name)
            except BaseException:  # this thread ends, and another has its turn
                with self._lock:
                    self._active -= 1
                    self._fill()
                raise
            following = self._following(mine)

    def _following(self, mine: queue.SimpleQueue[Job]) -> Job | None:
        with self._lock:
            self._taken += 1
            if self._waiting and self._active <= self._allowed:
                return self._waiting.popleft()
            self._active -= 1
            self._idle.append(mine)
        try:
            return mine.get(timeout=IDLE_SECONDS)
        except queue.Empty:
            with self._lock:
                if mine in self._idle:
                    self._idle.remove(mine)
                    return None
        return mine.get()  # it was given one at the last moment

    def _be_guarded(self) -> None:
        """Under the lock."""
        if self._is_guarded:
            return
        try:
            threading.Thread(target=self._guard, name=f"{self._name}-guard", daemon=True).start()
        except RuntimeError as error:  # the next job that waits begins it
            _log.error("%s: nothing sees to those who wait: %s", self._name, error)
        else:
            self._is_guarded = True

    def _guard(self) -> None:
        """Have more run as long as some wait and nothing moves."""
        moved = -1
        while True:
            threading.Event().wait(STUCK_SECONDS)
            with self._lock:
                if not self._waiting:
                    self._is_guarded, self._allowed = False, self._at_once
                    return
                if self._taken == moved:
                    if self._active >= self._allowed:  # else there is room, and no thread could be started
                        self._allowed = 2 * self._active
                    self._fill()
                moved = self._taken
