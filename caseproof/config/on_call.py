"""What a team decides about being called: the people and their numbers, calendars, overrides, leave, and contracts.

An entry that could only fail when somebody has to be called is refused here, by the name of the person it is about.
"""

from __future__ import annotations

import re
from datetime import date
from itertools import pairwise
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AwareDatetime, BeforeValidator, Field, SecretStr, field_validator, model_validator

from caseproof.config.mail_address import usable_address
from caseproof.config.policy_check import Strict, zone_of
from caseproof.config.public_holidays import refuse_place
from caseproof.domain.errors import BadInput
from caseproof.domain.on_call.roster import MINUTES_A_DAY, Kind, Line
from caseproof.domain.people import same_person

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_MOST_KEYS = 32
"""So many keys and pauses, of a second each, telephone services send after the other side has answered."""


def _time_of_day(given: Any) -> str:
    """YAML takes 17:00 without quotation marks for the number 1020."""
    if not isinstance(given, str) or not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d|24:00", given):
        raise ValueError('is no time of day; write it in quotation marks, like "09:00" (24:00 is the end of the day)')
    return given


def _one_name(given: Any) -> Any:
    if isinstance(given, str) and not given.strip():
        raise ValueError("is empty")
    return " ".join(given.split()) if isinstance(given, str) else given


def _quoted(given: Any) -> Any:
    """YAML takes +44... without quotation marks for a number, and 0101 for 65."""
    if isinstance(given, int | float):
        raise ValueError("has to stand in quotation marks")  # noqa: TRY004 - pydantic takes a ValueError
    return given


TimeOfDay = Annotated[str, BeforeValidator(_time_of_day)]
Digits = Annotated[str, BeforeValidator(_quoted)]
Name = Annotated[str, BeforeValidator(_one_name), Field(max_length=100)]


class WorkingHours(Strict):
    """Hours by the clock on the wall, in ``timezone``, but for the public holidays of ``country``."""

    timezone: str = Field("UTC", description="The time zone, like Europe/Berlin.")
    days: tuple[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], ...] = ("mon", "tue", "wed", "thu", "fri")
    begins: TimeOfDay = "09:00"
    ends: TimeOfDay = "17:00"
    country: str = Field("", description="Whose public holidays are none of them, as ISO 3166 has it: DE; empty: none.")
    subdivision: str = Field("", description="Its state or province, like BY; empty: the holidays of all of them.")

    @field_validator("timezone")
    @classmethod
    def _is_a_zone(cls, name: str) -> str:
        zone_of(name)
        return name

    @model_validator(mode="after")
    def _begin_before_they_end(self) -> WorkingHours:
        if self.first_minute >= self.last_minute:
            raise ValueError(f"the hours end ({self.ends}) before they begin ({self.begins})")
        refuse_place(self.country, self.subdivision)
        return self

    @property
    def first_minute(self) -> int:
        """When they begin, in minutes of the day."""
        return _minutes(self.begins)

    @property
    def last_minute(self) -> int:
        """When they end, in minutes of the day."""
        return _minutes(self.ends)


def _minutes(told: str) -> int:
    hours, minutes = told.split(":")
    return min(int(hours) * 60 + int(minutes), MINUTES_A_DAY)


class RosterPerson(WorkingHours):
    """Somebody who can be called; ``days``, ``begins`` and ``ends`` are when they are at work, by their own clock."""

    name: Name
    tier: Literal["L1", "L2", "PT", "DEV", "IMPLEMENTATION"] = "PT"
    mobile: Digits = Field("", description="With country code, like +442079460123.")
    extension: Digits = Field("", description="Dialled through main_number; a comma in it is a pause of two seconds.")
    mail: str = Field("", description="Their mail address.")
    teams: str = Field("", max_length=200, description="Who they are in Teams: their sign-in name or id.")
    goto_line: Annotated[str, Field(max_length=100), BeforeValidator(_quoted)] = Field(
        "", description="The id of their own line in GoTo Connect, which `ring me and connect` rings; empty: none."
    )

    @field_validator("mobile")
    @classmethod
    def _is_a_number(cls, number: str) -> str:
        return telephone_number(number) if number else ""

    @field_validator("extension")
    @classmethod
    def _is_dialled(cls, extension: str) -> str:
        if extension and not re.fullmatch(r"[0-9*#wW,]{0,40}[0-9][0-9*#wW,]{0,40}", extension):
            raise ValueError("is no extension; it holds digits, * and #, with a comma for a pause of two seconds")
        return extension

    @field_validator("mail")
    @classmethod
    def _is_an_address(cls, mail: str) -> str:
        try:
            return usable_address(mail) if mail else ""
        except BadInput as error:
            raise ValueError(error.problem) from None

    @model_validator(mode="after")
    def _can_be_reached(self) -> RosterPerson:
        if not (self.mobile or self.extension):
            raise ValueError("has no number: give a mobile, or an extension that main_number leads to")
        return self


def telephone_number(text: str) -> str:
    """A number as it is dialled from anywhere (E.164). Raises ValueError."""
    import phonenumbers  # where there is a number: each command reads the policy, and most have none

    how = "write it with the country code, like +442079460123"
    try:
        number = phonenumbers.parse(text)
    except phonenumbers.NumberParseException:
        raise ValueError(f"is no telephone number; {how}") from None
    if number.extension:
        raise ValueError("holds an extension; give the number alone, and the extension in its own entry")
    if not phonenumbers.is_possible_number(number):  # newer ranges than this list's are numbers too
        raise ValueError(f"is too short or too long for a telephone number of its country; {how}")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


class Calendar(Strict):
    """An on-call calendar in iCalendar form, from a ``file`` or an ``address``. Its events name people of the list."""

    name: str = Field(pattern=r"^[a-z0-9-]{1,40}$")
    file: str = ""
    # An address that needs no login is a secret: whoever has it reads the calendar.
    address: SecretStr = SecretStr("")
    timezone: str = Field("", description="Where times have none and for whole days; empty: what the calendar says.")

    @field_validator("timezone")
    @classmethod
    def _is_a_zone(cls, name: str) -> str:
        if name:
            zone_of(name)
        return name

    @model_validator(mode="after")
    def _is_somewhere(self) -> Calendar:
        address = self.address.get_secret_value()
        if bool(self.file) == bool(address):
            raise ValueError("give either a file or an address")
        try:
            told = urlsplit(address)
        except ValueError:
            told = urlsplit("none:")
        if address and not (told.scheme in ("http", "https") and told.hostname):
            raise ValueError("the address is none that can be called; it begins with https://")
        return self


class OverrideEntry(Strict):
    """From ``begins`` up to ``ends`` ``person`` is on call ``instead_of`` another; of everybody where that is empty."""

    person: Name
    begins: AwareDatetime
    ends: AwareDatetime
    instead_of: str = ""

    @model_validator(mode="after")
    def _has_a_length(self) -> OverrideEntry:
        if self.begins >= self.ends:
            raise ValueError(f"that of {self.person} ends before it begins")
        return self


class LeaveEntry(Strict):
    """``person`` is away from the ``first`` day to the ``last``, both included."""

    person: Name
    first: date
    last: date

    @model_validator(mode="after")
    def _has_a_length(self) -> LeaveEntry:
        if self.first > self.last:
            raise ValueError(f"that of {self.person} ends before it begins")
        return self


class OnCallPolicy(Strict):
    """Who is called in an emergency, and when: the list, the calendars, overrides and leave."""

    main_number: Digits = Field("", description="The number that extensions are dialled through, with country code.")
    extension_pause_seconds: float = Field(
        2, ge=0, le=10, description="How long to wait after it answers, before the extension is dialled."
    )
    people: tuple[RosterPerson, ...] = Field((), description="The call list, in its order; a number each.")
    tiers: tuple[str, ...] = Field(("PT",), description="Which tiers of it an emergency calls.")
    calendars: tuple[Calendar, ...] = Field((), description="The on-call calendars; the first is called first.")
    refresh_minutes: float = Field(
        15, ge=1, le=10_000, description="How old the copy of a calendar may be before it is fetched anew."
    )
    fetch_seconds: float = Field(10, gt=0, le=60, description="How long the server of a calendar may hang.")
    overrides: tuple[OverrideEntry, ...] = Field((), description="Who stands in for whom, once.")
    leave: tuple[LeaveEntry, ...] = Field((), description="Who is away when: they are not called.")
    tell_gaps_days: float = Field(
        7, ge=1, le=60, description="How far ahead the team is told that nobody will be on duty."
    )

    test_day: int = Field(
        0,
        ge=0,
        le=28,
        description="From which day of each month on everybody on the list gets a test page; 0: never.",
    )
    test_time: TimeOfDay = Field(
        "10:00", description="Not before this time of that day, by their own clocks, and within their own hours."
    )

    @field_validator("main_number")
    @classmethod
    def _is_a_number(cls, number: str) -> str:
        return telephone_number(number) if number else ""

    @model_validator(mode="after")
    def _fit_together(self) -> OnCallPolicy:
        refuse_twice("people", [one.name for one in self.people])
        refuse_twice("calendars", [one.name for one in self.calendars])
        for one in self.people:
            if one.extension and not one.mobile and not self.main_number:
                raise ValueError(f"people.{one.name} has an extension alone, and main_number is empty: give it")
            if one.extension and len(one.extension) + one.extension.count(",") > _MOST_KEYS - self._pauses:
                raise ValueError(f"people.{one.name}.extension is longer with its pauses than can be dialled")
        if self.people and not any(one.tier in self.tiers for one in self.people):
            raise ValueError(f"people: nobody is of {' or '.join(self.tiers)}, which `tiers` says are called")
        for entry, names in (
            ("overrides", [name for one in self.overrides for name in (one.person, one.instead_of) if name]),
            ("leave", [one.person for one in self.leave]),
        ):
            for name in names:
                if not any(same_person(name, one.name) for one in self.people):
                    raise ValueError(f"{entry}: {name} is not among the people of the list")
        return self

    @property
    def _pauses(self) -> int:
        halves = round(self.extension_pause_seconds * 2)
        return halves // 2 + halves % 2

    @property
    def test_minute(self) -> int:
        """Not before this minute of the day a test page leaves."""
        return _minutes(self.test_time)

    def lines_of(self, one: RosterPerson) -> tuple[Line, ...]:
        """How somebody is rung: their mobile first, then their extension."""
        lines = [Line(one.mobile)] if one.mobile else []
        if one.extension and self.main_number:
            lines.append(Line(self.main_number, one.extension, self.extension_pause_seconds))
        return tuple(lines)


def refuse_twice(entry: str, names: list[str]) -> None:
    """Raise ValueError where two of the names are one, whatever their capitals and blanks."""
    tidy = sorted(" ".join(name.split()).casefold() for name in names)
    if twice := next((one for one, after in pairwise(tidy) if one == after), ""):
        raise ValueError(f"{entry}: {twice} stands there twice")


class ContractEntry(WorkingHours):
    """What a kind of contract promises; the hours count for all but 24x7."""

    kind: Kind


def refuse_unknown_contracts(clients: dict[str, str], contracts: dict[str, ContractEntry]) -> None:
    """Raise ValueError where a client has a contract that is not there."""
    for client, name in clients.items():
        if name not in contracts:
            known = ", ".join(contracts) or "none yet"
            raise ValueError(f"{client} has the contract '{name}', and there is no such one; the contracts are {known}")
