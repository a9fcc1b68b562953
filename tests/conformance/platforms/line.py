"""What a line of a job platform is: how its world starts, how jobs and runs come to be in it, how it goes wrong."""

from __future__ import annotations

from typing import ClassVar

import httpx

from blocks.base import PlatformBlock
from caseproof.platforms.base import JobPlatform, Run, RunState
from tests.conformance.lines import Bad, Line


class PlatformLine(Line):
    """A job platform: ``platform`` is its client, ``ADDRESS`` the base URL that its errors name."""

    BLOCK: ClassVar[type[PlatformBlock] | None]
    ADDRESS: ClassVar[str] = "https://jobs.example.com/api"
    platform: JobPlatform

    def add(self, name: str, *, shop: str = "garden", marketplace: str = "bazaar", connection: str = "sftp") -> str:
        """A job that is live, with a schedule where it can have one; its id."""
        raise NotImplementedError

    def due(self, job_id: str) -> None:
        """The moment of the job's schedule has come, and the platform's scheduler looks at it."""
        raise NotImplementedError

    def ran(self, job_id: str, state: RunState) -> str:
        """The job ran just now, or runs (WAITING, RUNNING), and this came of it; the run's id."""
        raise NotImplementedError

    def ends(self, run: Run, state: RunState) -> None:
        """A run that Caseproof started comes to this end."""
        raise NotImplementedError

    def vanishes(self, job_id: str) -> None:
        """Somebody deletes the job."""
        raise NotImplementedError

    def lies(self, about: str) -> None:
        """From now on the platform answers well to this ("stop", "go_live") and does nothing."""
        raise NotImplementedError

    def html(self) -> JobPlatform:
        """A client whose base URL leads to a login page."""
        raise NotImplementedError

    def dead(self) -> JobPlatform:
        """A client of one that cannot be reached."""
        raise NotImplementedError

    def expired(self) -> JobPlatform:
        """A client whose credentials ("hunter2" among them) are not valid any more."""
        raise NotImplementedError

    def endless(self) -> JobPlatform:
        """A client of one whose lists never end."""
        raise NotImplementedError


class HttpLine(PlatformLine):
    """A platform that is asked over HTTP: its client over any transport is all that the bad servers need."""

    def over(self, transport: httpx.BaseTransport) -> JobPlatform:
        """A client at ``ADDRESS``, with "hunter2" as its secret, that waits for nothing."""
        raise NotImplementedError

    def html(self) -> JobPlatform:
        return self.over(httpx.MockTransport(Bad.html))

    def dead(self) -> JobPlatform:
        return self.over(httpx.MockTransport(Bad.dead))

    def expired(self) -> JobPlatform:
        return self.over(httpx.MockTransport(Bad.expired))
