"""What a team decides about an emergency: by what people are reached, how long things take, and who hears of it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from caseproof.config.mail_address import usable_address
from caseproof.config.policy_check import Strict
from caseproof.domain.emergency.due import PagingRules
from caseproof.domain.errors import BadInput

What = Literal["store_down", "ordering_down", "payments_down", "terminals_fail", "staff_locked_out", "ecm_down"]


def watch_lock(home: Path) -> Path:
    """The lock that the process holds that calls people for each emergency of this home: one at a time."""
    return home / "emergency" / "watch"


class PagingPolicy(Strict):
    """How people are reached in an emergency (E7 to E12). Whom to call says ``on_call``."""

    voice: str = Field("", description="The name of the saved voice block that calls people; empty calls nobody.")
    second_voice: str = Field("", description="The one that calls where the first cannot; empty: none.")
    teams: str = Field("", description="The name of the saved Teams block that cards are posted to; empty: none.")
    connect: str = Field(
        "", description="The name of the saved block that rings an operator's own line and connects it; empty: none."
    )
    product_team: tuple[str, ...] = Field(
        (), description="The product team's mail addresses (E8), beside those of whom to call."
    )
    updates_to: tuple[str, ...] = Field(
        (), description="Who else gets each mail about how an emergency stands: those who wait for it."
    )
    ring_seconds: float = Field(25, ge=5, le=120, description="How long a call rings before the next person is called.")
    talk_seconds: float = Field(
        35, ge=10, le=300, description="How much longer somebody who picked up may take to press a digit."
    )
    pause_seconds: float = Field(30, ge=0, le=3600, description="The pause before the list is called once more.")
    message_seconds: float = Field(20, ge=2, le=300, description="How long the mail server or Teams may hang.")
    retry_seconds: float = Field(
        60, ge=5, le=3600, description="After how long a mail or card that failed is sent again."
    )
    update_minutes: float = Field(
        10, ge=1, le=1440, description="How often those who wait hear that it goes on, while nothing else is told."
    )
    silence_minutes: float = Field(
        60,
        ge=1,
        le=1440,
        description="How long an acknowledgement holds; then calling begins again. It ends with the holder's shift.",
    )
    young_minutes: float = Field(
        5, ge=0, le=120, description="What began less than so long ago, the caller is advised to solve first (E7)."
    )
    everybody_at_once: tuple[What, ...] = Field(
        (), description="What is down where the whole team is called at once, and not one after the other."
    )
    web_ecm: tuple[str, ...] = Field(
        (),
        max_length=8,
        description="The addresses of the web ECM servers, looked at in each emergency; they may be inner ones.",
    )

    @field_validator("product_team", "updates_to")
    @classmethod
    def _are_addresses(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        try:
            return tuple(dict.fromkeys(usable_address(one) for one in given))
        except BadInput as error:
            raise ValueError(error.problem) from None

    @field_validator("web_ecm")
    @classmethod
    def _are_pages(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        for one in given:
            try:
                parts = urlsplit(one)
                usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
            except ValueError:
                usable = False
            if not usable or "@" in parts.netloc:
                raise ValueError("is no address of a page; it begins with https://, and holds no user and no password")
        return tuple(dict.fromkeys(given))

    @model_validator(mode="after")
    def _two_voices_are_two(self) -> PagingPolicy:
        if self.second_voice and not self.voice:
            raise ValueError("second_voice is named, and voice is not: name the first one")
        if self.second_voice and self.second_voice == self.voice:
            raise ValueError(f"voice and second_voice are both '{self.voice}': the second is for when the first fails")
        return self

    @property
    def rules(self) -> PagingRules:
        """How long things take, as the engine has it."""
        return PagingRules(
            ring=timedelta(seconds=self.ring_seconds),
            talk=timedelta(seconds=self.talk_seconds),
            between_rounds=timedelta(seconds=self.pause_seconds),
            message=timedelta(seconds=self.message_seconds),
            retry=timedelta(seconds=self.retry_seconds),
            update=timedelta(minutes=self.update_minutes),
            silence=timedelta(minutes=self.silence_minutes),
        )

    @property
    def young(self) -> timedelta:
        """What began less than this long ago, support may still solve."""
        return timedelta(minutes=self.young_minutes)

    @property
    def voices(self) -> tuple[str, ...]:
        """The voice blocks in the order in which they are tried."""
        return tuple(name for name in (self.voice, self.second_voice) if name)
