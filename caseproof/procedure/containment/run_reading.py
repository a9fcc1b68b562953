"""Reading the runs of a platform, each job's as far back as it asks for (``checks.paces``): pages as they come."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from caseproof.checks.paces import Told, asked_by, window_for_job, windows
from caseproof.config.policy_check import CheckPolicy
from caseproof.platforms.base import JobPlatform, Run, Survey


class RunReading:
    """The pages of runs: of all jobs by the first window, of some by longer ones, a survey a window.

    A longer window tells again what a shorter one told. ``since`` says, once all pages were taken, from when on the
    runs of each job were read; ``pages`` counts what was taken. Taking a page raises what a survey raises.
    """

    def __init__(
        self, platform: JobPlatform, survey: Survey, now: datetime, first: timedelta, check: CheckPolicy
    ) -> None:
        self._platform, self._survey, self._now, self._check = platform, survey, now, check
        self._windows = windows(first)
        self.since = {one.job.id: now - first for one in survey.jobs}
        self.pages = 0

    def __iter__(self) -> Iterator[Sequence[Run]]:
        told = Told(self._check)
        yield from self._taken(self._survey, told)
        jobs = self._survey.jobs
        own = {one.job.id: window_for_job(one, self._now, self._check, self._windows) for one in jobs}
        for window in self._windows[1:]:
            asked = asked_by(window, own, jobs, told, self._now)
            if asked:
                since = self._now - window
                yield from self._taken(self._platform.survey(since, asked), told)
                self.since |= dict.fromkeys(asked, since)

    def _taken(self, survey: Survey, told: Told) -> Iterator[Sequence[Run]]:
        for page in survey.pages:
            self.pages += 1
            told.take(page)
            yield page
