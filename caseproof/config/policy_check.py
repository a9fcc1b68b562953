"""What a team decides about the daily check: what a message means, how patient it is, and how fast it goes.

Times are in the units that their names end with.
"""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import yaml
from cronsim import CronSim, CronSimError
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator, model_validator

from caseproof.config.expressions import refuse_endless, refuse_expression
from caseproof.domain.vocabulary import Cause


class Strict(BaseModel):
    """A part of the policy. Unknown entries are refused, so that a misspelt one cannot be silently ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def zone_of(name: str) -> ZoneInfo:
    """The time zone of this name. Raises ValueError."""
    with suppress(KeyError, ValueError, OSError):
        if not name.startswith(("posix", "right")):  # some machines have these; Prefect has not
            return ZoneInfo(name)
    raise ValueError(f"there is no time zone '{name}'; write it like Europe/Berlin")


def refuse_cron(line: str) -> None:
    """Raise ValueError for what is no cron line of five fields.

    Prefect takes a sixth field for seconds, and does not know "the last" (L) and "the next weekday" (W).
    """
    plain = re.fullmatch(r"[\w*,/-]+( [\w*,/-]+){4}", line) and not re.search(r"\dL\b|\bL|W\b", line)
    with suppress(CronSimError):
        if plain:
            CronSim(line, datetime(2026, 1, 1, tzinfo=UTC))
            return
    raise ValueError(f"'{line}' is no cron line of five fields; write it like '30 6 * * *'")


class Patience(Strict):
    """How long a failure is watched before the job is stopped: so many failures, or so many days, whichever is first.

    A wrong stop is the worst error of a check, so failures are counted. But ten failures of a weekly job are ten weeks,
    in which the retailer has nothing of it; what lasts for days does not pass by itself, however seldom it is tried.
    """

    failures: int = Field(3, ge=1, le=1000, description="How many runs in a row must have failed ...")
    days: float | None = Field(
        3, gt=0, le=365,
        description="... or for how many days it must not have succeeded since its first failure; null: the failures "
        "alone decide.",
    )  # fmt: skip
    minutes: float = Field(
        0, ge=0, le=100_000, description="How long it must have been failing in any case, since the first."
    )


class Signature(Patience):
    """What the message of a failed run means. The first signature in the list that fits decides.

    It fits when the message tells of an answer with one of the codes in ``http``, and one of ``frames``, ``codes`` and
    ``says`` is found in it; where only the one or the other is given, that is enough.
    """

    name: str = Field(min_length=1, description="What people call it, like 'the token is refused'; each its own.")
    cause: Cause = Field(description="The cause of the case; it chooses the words of the notice.")
    http: tuple[Annotated[int, Field(ge=400, le=599)], ...] = Field(
        (), description="HTTP codes (400 to 599). Only an answer counts, never a number that merely looks like a code."
    )
    frames: tuple[str, ...] = Field(
        (), description="How the message begins, as what runs the jobs puts it around theirs; * stands for any text."
    )
    codes: tuple[str, ...] = Field(
        (),
        description="Error codes and names of exceptions, whole, in any spelling (InvalidToken is invalid_token). A "
        "single word or a number counts only where programs put codes, like in 'code: Unauthorized'.",
    )
    says: tuple[str, ...] = Field((), description="Regular expressions; capital and small letters are the same.")
    in_answers: bool = Field(
        True,
        description="Whether it is also looked for in what the other side answered; false for what is only ours: a "
        "full disk in an answer is theirs.",
    )

    @field_validator("frames", "codes")
    @classmethod
    def _hold_text(cls, entries: tuple[str, ...]) -> tuple[str, ...]:
        for entry in entries:
            if len(re.sub(r"[\W_]", "", entry)) < 2:
                raise ValueError(f"'{entry}' would fit too much; say more")
        return entries

    @field_validator("says")
    @classmethod
    def _are_expressions(cls, says: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in says:
            if pattern not in _SHIPPED:
                refuse_expression(pattern)
        return says

    @model_validator(mode="after")
    def _says_something(self) -> Signature:
        if not (self.http or self.frames or self.codes or self.says):
            raise ValueError("give http (codes of answers), frames, codes or says (regular expressions)")
        return self


BUILT_IN = Path(__file__).with_name("policy-default.yaml")
"""The policy in force where none is found; also the one place of the built-in signatures."""


_SHIPPED: set[str] = set()
"""The expressions of the built-in list. Tests look at them, so that no process has to compile five hundred at its start
for that: a fifth of a second."""


@cache
def built_in_signatures() -> tuple[Signature, ...]:
    """The built-in list, in its order."""
    with BUILT_IN.open(encoding="utf-8") as file:
        found = yaml.load(file, yaml.CSafeLoader)["check"]["signatures"]
    _SHIPPED.update(pattern for one in found for pattern in one.get("says", ()))
    return tuple(Signature.model_validate(one) for one in found)


class Flapping(Strict):
    """When a job counts as flapping: it fails and succeeds by turns."""

    changes: int = Field(4, ge=2, le=1000, description="How often it changed between success and failure ...")
    hours: float = Field(24, gt=0, le=10_000, description="... within the last so many hours.")
    stop: bool = Field(False, description="Whether it is stopped and gets a case; else it is only reported.")


class Missed(Strict):
    """When a job counts as having stopped running although it should."""

    starts: int = Field(2, ge=1, le=1000, description="How many planned starts in a row it missed.")
    grace_minutes: float = Field(30, ge=0, le=100_000, description="How late a start may be.")
    stop: bool = Field(False, description="Whether it is stopped and gets a case; else it is only reported.")


class Maintenance(Strict):
    """A window in which failures are left alone: once (``begins``, ``ends``), or each time of a ``cron`` line.

    It is for the jobs that all of ``platform``, ``marketplace``, ``retailer`` and ``job`` fit, where they are given.
    """

    why: str = Field(min_length=1, description="What is going on; the report shows it.")
    platform: str = ""
    marketplace: str = ""
    retailer: str = ""
    job: str = Field("", description="The job's id; * stands for any text.")
    begins: AwareDatetime | None = None
    ends: AwareDatetime | None = None
    cron: str = Field("", description="When it begins, as a cron line, like '0 2 * * sun'.")
    timezone: str = "UTC"
    minutes: float = Field(0, ge=0, le=10_000, description="How long it lasts each time.")

    @model_validator(mode="after")
    def _has_a_time(self) -> Maintenance:
        once = self.begins is not None and self.ends is not None
        if once == bool(self.cron):
            raise ValueError("give either begins and ends, or cron and minutes")
        if self.begins is not None and self.ends is not None and self.begins >= self.ends:
            raise ValueError("it ends before it begins")
        if self.cron:
            if not self.minutes:
                raise ValueError("cron needs minutes: how long it lasts")
            zone_of(self.timezone)
            refuse_cron(self.cron)
        return self


class Pace(Strict):
    """How hard a check may lean on one platform."""

    at_once: int = Field(10, ge=1, le=100, description="How many calls may be under way at once.")
    # Slower than this, a check of two thousand failing jobs would take longer than a day.
    per_second: float = Field(50, ge=0.1, le=10_000, description="How many calls may begin in a second.")


class Storm(Strict):
    """When many cases with one cause on one marketplace become one incident."""

    cases: int = Field(5, ge=2, le=100_000, description="How many cases ...")
    minutes: float = Field(60, gt=0, le=10_000, description="... opened within so many minutes.")


class CheckPolicy(Strict):
    """The daily check."""

    look_back_hours: float = Field(
        72, gt=0, le=2400,
        description="How far back the runs of all jobs are read; those of a job that runs seldom further, as its "
        "schedule and patience ask for.",
    )  # fmt: skip
    signatures: tuple[Signature, ...] = Field(
        default_factory=built_in_signatures,
        description="What messages of failed runs mean; the first that fits decides. Your list takes the place of the "
        "built-in one, so copy what you keep.",
    )
    otherwise: Patience = Field(Patience(), description="The patience where no signature fits (cause 'unknown').")
    flapping: Flapping = Flapping()
    missed: Missed = Missed()
    maintenance: tuple[Maintenance, ...] = Field((), description="Windows in which failures are left alone.")
    pace: Pace = Pace()
    platforms: dict[str, Pace] = Field(default_factory=dict, description="The pace of a platform, by its name.")
    runs_at_once: int = Field(
        8,
        ge=1,
        le=1000,
        description="How many case runs may be under way at once; the keeper makes the others later.",
    )
    storm: Storm = Storm()

    @field_validator("signatures")
    @classmethod
    def _names_are_distinct(cls, signatures: tuple[Signature, ...]) -> tuple[Signature, ...]:
        names = [signature.name for signature in signatures]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"'{twice[0]}' stands there twice; each signature has its own name")
        return signatures

    @field_validator("signatures")
    @classmethod
    def _expressions_end(cls, signatures: tuple[Signature, ...]) -> tuple[Signature, ...]:
        known = {expression for one in built_in_signatures() for expression in one.says}  # a test has tried these
        for signature in signatures:
            for expression in signature.says:
                if expression not in known:
                    try:
                        refuse_endless(expression)
                    except ValueError as error:
                        raise ValueError(f"{signature.name}.says: {error}") from None
        return signatures

    def pace_of(self, platform: str) -> Pace:
        """How hard this platform may be leaned on."""
        return self.platforms.get(platform, self.pace)


class KeeperPolicy(Strict):
    """How cases are kept alive, and who is reminded when."""

    remind_after_days: tuple[float, ...] = Field(
        (2, 5), description="When a retailer who does not answer is reminded, counted from the notice."
    )
    answer_within_days: float = Field(
        7, gt=0, le=365, description="By when a retailer is to answer, counted from the notice; then the team is told."
    )
    keep_paused_after_days: float = Field(
        14, gt=0, le=1000,
        description="When the account of one who has not answered stays paused, counted from the notice; the team is "
        "told first, and decides again after follow_up_days.",
    )  # fmt: skip
    nudge_after_hours: tuple[float, ...] = Field(
        (8, 24, 72), description="When the team is told that a question to it waits, counted from the question."
    )
    follow_up_days: float = Field(
        14, gt=0, le=1000,
        description="When the team is told again after the last of these, and of an account kept paused past its date.",
    )  # fmt: skip
    ask_cause: bool = Field(
        True,
        description="Whether a person is asked for the cause where no signature says it, before the retailer is told; "
        "false tells them at once that it is not known, and asks for their help.",
    )
    ask_cause_hours: float = Field(
        24, gt=0, le=1000,
        description="How long that question waits; then a neutral notice leaves, which asks the retailer nothing.",
    )  # fmt: skip
    parked_hours: float = Field(
        24, gt=0, le=10_000, description="How long a case rests whose run somebody cancelled in the Prefect UI."
    )
    crashes: int = Field(3, ge=1, le=100, description="How many runs in a row may die before a case rests ...")
    rest_minutes: float = Field(60, gt=0, le=100_000, description="... for so long.")
    watch_days: float = Field(
        7, gt=0, le=365, description="How long a closed case is watched: what fails again reopens it."
    )

    @field_validator("remind_after_days", "nudge_after_hours")
    @classmethod
    def _grow(cls, times: tuple[float, ...]) -> tuple[float, ...]:
        if any(time <= 0 for time in times) or list(times) != sorted(set(times)):
            raise ValueError("each must be later than the one before it, and above 0")
        return times

    @model_validator(mode="after")
    def _follow_each_other(self) -> KeeperPolicy:
        answer, pause = self.answer_within_days, self.keep_paused_after_days
        late = [days for days in self.remind_after_days if days >= answer]
        if late:
            raise ValueError(
                f"remind_after_days has {late[0]:g}, which is not before answer_within_days ({answer:g}): "
                "remind earlier, or leave more time for the answer"
            )
        if pause < answer:
            raise ValueError(
                f"keep_paused_after_days ({pause:g}) is before answer_within_days ({answer:g}): nobody was asked to "
                "answer by then"
            )
        return self
