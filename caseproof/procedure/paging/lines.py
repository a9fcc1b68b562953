"""What the engine reaches people by, as it needs it: a mail, a card, a call. Channels are given, never made here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from caseproof.channels.voice.pages import VoiceAlert
from caseproof.domain.emergency.due import Callee
from caseproof.domain.emergency.vocabulary import NewsKind, Outcome


@dataclass(frozen=True, slots=True)
class Message:
    """A mail or a card. ``key`` is the same whenever the same try is made; ``text`` holds no personal link.

    ``people`` are those on the list, and ``raised_by`` is who waits for news of it.

    ``links`` are the personal links by name, for a mail to each person alone: no two people get the same one.
    """

    key: str
    ref: str
    news: NewsKind
    subject: str
    text: str
    people: Sequence[Callee]
    raised_by: str
    links: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ring:
    """A call to one person. ``key`` is the same whenever the same try is made; ``alert`` is what the voice says.

    ``begun`` is when it was written down (aware), and ``known`` are the provider's numbers of earlier calls: a call to
    this person since then that is none of them is this one.
    ``round`` counts how often the list was begun: whoever has several numbers is called on one after the other.
    ``ring_seconds`` is how long it rings, ``whole_seconds`` how long all of it may take.
    """

    key: str
    ref: str
    emergency: int
    attempt: int
    person: Callee
    round: int
    alert: VoiceAlert
    begun: datetime
    known: tuple[str, ...]
    ring_seconds: float
    whole_seconds: float


@dataclass(frozen=True, slots=True)
class Rung:
    """What came of a call. ``digit`` is what was pressed, where the call itself tells and no call-back does."""

    outcome: Outcome
    detail: str = ""
    provider: str = ""
    digit: str = ""


class Voice(Protocol):
    """Calls people. Each method may take long, or raise; it runs in a thread of its own."""

    def ring(self, call: Ring) -> Rung:
        """Call, and wait until it is over."""
        ...

    def look_up(self, call: Ring) -> Rung | None:
        """What came of a call that was begun with this key, read back; None where there is no such call."""
        ...

    def hang_up(self, call: Ring) -> None:
        """End it, if it is still under way."""
        ...


Send = Callable[[Message], str]
"""Sends a message and returns a word for people (an address, a number over there). Raises where it was not taken."""


@dataclass(frozen=True, slots=True)
class Lines:
    """The three channels of E8."""

    mail: Send
    teams: Send
    voice: Voice
