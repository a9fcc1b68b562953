"""Services are started in order, watched, started again when they die, and stopped in the opposite order.

A service found running from an earlier `caseproof up` that died is taken over, not started twice, unless it was started
with other settings.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from caseproof.up.service import LOOK_SECONDS, Health, Service, Watched, nothing

Say = Callable[[str], None]


class Supervisor:
    """All services. ``groups``: each group is started once the ones before it answer. ``say`` tells people."""

    def __init__(self, folder: Path, logs: Path, groups: Sequence[Sequence[Service]], say: Say) -> None:
        self._groups = [[Watched(service, folder, logs) for service in group] for group in groups]
        self._say = say

    @property
    def services(self) -> list[Watched]:
        """Every service, in the order of starting."""
        return [watched for group in self._groups for watched in group]

    @property
    def is_up(self) -> bool:
        """Whether every service answers."""
        return all(watched.health is Health.UP for watched in self.services)

    def service(self, name: str) -> Watched:
        """The service of this name."""
        return next(watched for watched in self.services if watched.service.name == name)

    def start(self) -> None:
        """Start what does not run yet, and wait until everything answers. Raises CaseproofError, OSError."""
        # All are looked for first: whatever stops the starting must stop them, too.
        found = [watched for watched in self.services if watched.find()]
        for group in self._groups:
            for watched in group:
                self._ensure(watched, was_found=watched in found)
            for watched in group:
                watched.wait()

    def _ensure(self, watched: Watched, *, was_found: bool) -> None:
        title = watched.service.title
        if was_found and watched.is_as_planned():
            self._say(f"{title} runs already; it is not started twice.")
            return
        if was_found:
            self._say(f"{title} runs already, but with other settings or of another version: it is started anew.")
            watched.stop()
        else:
            self._say(f"{title} is starting.")
        watched.start()

    def watch(self, over: threading.Event, also: Callable[[], None] = nothing) -> None:
        """Look after everything until ``over`` is set; ``also`` is called at each look."""
        with ThreadPoolExecutor(max_workers=len(self.services)) as asking:
            while not over.wait(LOOK_SECONDS):
                for watched in self.services:
                    for sentence in watched.look(asking):
                        self._say(sentence)
                also()

    def stop(self) -> None:
        """Stop everything, in the opposite order."""
        for watched in reversed(self.services):
            watched.stop()
