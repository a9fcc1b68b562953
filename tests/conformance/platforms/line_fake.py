"""The platform of the procedure's own tests under the suite."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import pytest

from caseproof.platforms.abilities import Ability, Lack, PlatformAbilities, none_but
from caseproof.platforms.base import JobPlatform, PlatformDown, PlatformRefused, Run, RunState
from tests.conformance.lines import NO_HTTP
from tests.conformance.platforms.line import PlatformLine
from tests.support.fakes import FAKE_ABILITIES, Clock, FakePlatform


class FakeLine(PlatformLine):
    """The platform of the procedure's own tests: what is proven over it holds, because it keeps the same promises."""

    NAME = "the fake"
    BLOCK = None
    ABILITIES: ClassVar[PlatformAbilities] = FAKE_ABILITIES
    NEVER: ClassVar[Mapping[str, str]] = {
        "html_instead_of_json_is_refused_in_words_that_name_the_base_url": NO_HTTP,
        "expired_credentials_are_refused_saying_so": "It asks for none.",
    }

    def start(self, request: pytest.FixtureRequest) -> None:  # noqa: ARG002 - it shares nothing
        self.clock = Clock(datetime.now(UTC))
        self.platform = self.fake = FakePlatform(self.clock)
        self.fake.abilities = self.ABILITIES
        self.fake.lasts = timedelta(days=1)  # what it starts runs until it is told how it ends

    def add(self, name: str, *, shop: str = "garden", marketplace: str = "bazaar", connection: str = "sftp") -> str:
        job_id = f"feed-{self.mark}/{name}"
        return self.fake.add(job_id, retailer=shop, marketplace=marketplace, connection=connection).id

    def due(self, job_id: str) -> None:
        self.fake.held[job_id].waiting += self.fake.is_active(job_id)

    def ran(self, job_id: str, state: RunState) -> str:
        if state in (RunState.WAITING, RunState.RUNNING):
            setattr(self.fake.held[job_id], state.value, 1)
        return self.fake.add_run(job_id, state, lasted=timedelta() if state.is_over else None).id

    def ends(self, run: Run, state: RunState) -> None:
        self.fake.finish(run.id, state)

    def vanishes(self, job_id: str) -> None:
        self.fake.vanish(job_id)

    def lies(self, about: str) -> None:
        self.fake.faulty.fails(about, lie=True, times=99)

    def dead(self) -> JobPlatform:
        return self._failing(lambda: PlatformDown("It cannot be reached.", "Start it."))

    def expired(self) -> JobPlatform:
        return self._failing(lambda: PlatformRefused("It does not accept our credentials.", "Enter them anew."))

    def endless(self) -> JobPlatform:
        self.add("endless")
        for _ in range(3):
            self.ran(f"feed-{self.mark}/endless", RunState.SUCCEEDED)
        self.fake.faulty.fails("survey page", what="1", before=PlatformDown("A list without an end.", "Look there."))
        return self.fake

    def _failing(self, error: Callable[[], Exception]) -> JobPlatform:
        for call in ("probe", "survey", "job", "standing", "stop", "go_live", "start_run", "run"):
            self.fake.faulty.fails(call, before=error(), times=99)
        return self.fake


class LookingLine(FakeLine):
    """A platform that is only looked at: it shows what such a one still owes the suite."""

    NAME = "a fake that can only be looked at"
    ABILITIES: ClassVar[PlatformAbilities] = none_but(
        Ability,
        (
            Ability.LIST,
            Ability.SURVEY,
            Ability.STANDING,
            Ability.VERIFY,
            Ability.PAGE,
            Ability.CLOCK,
            Ability.SCHEDULES,
        ),
        Lack("It is only looked at.", "Do it on the platform itself."),
    )
