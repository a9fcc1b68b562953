"""A small web app that answers telephones as the product does: it believes signed call-backs alone."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import parse_qs

from caseproof.channels.voice.dialling import Line
from caseproof.channels.voice.pages import MOST_TURNS, VoiceAlert, asking, hang_up, nothing_heard, said_back
from caseproof.channels.voice.progress import Outcome, Progress, follow, read_call_back
from caseproof.channels.voice.signature import form_of, signed_by
from caseproof.channels.voice.twilio import Call, Placed
from tests.support.voice_door import VoiceDoor


@dataclass
class Answering(VoiceDoor):
    """Answers for one alert; ``calls`` are those that were placed, as far as they are known."""

    alert: VoiceAlert
    tokens: Mapping[str, str]
    calls: dict[str, Progress] = field(default_factory=dict)
    forged: int = 0
    told: list[tuple[str, bytes, str]] = field(default_factory=list)
    """Address, body and signature of each call-back that came."""

    def __post_init__(self) -> None:
        self._changed = threading.Condition()

    def call(self, number: str, extension: str = "") -> Call:
        """A call to this number, with this app's addresses."""
        page = asking(self.alert, f"{self.url}/page?turn=2")
        return Call(Line(number, extension), page, f"{self.url}/status", machine_url=f"{self.url}/machine")

    def follow(self, placed: Placed) -> None:
        """A call was placed."""
        with self._changed:
            self.calls.setdefault(placed.call, Progress(placed.call, placed.account))
            self._changed.notify_all()

    def outcome(self, placed: Placed, seconds: float = 60) -> Outcome:
        """What came of this call, once it is over."""
        with self._changed:
            done = self._changed.wait_for(lambda: self.calls[placed.call].state.is_over, seconds)
            assert done, self.calls[placed.call]
            return self.calls[placed.call].outcome

    def heard(self, path: str, body: bytes, given: str) -> tuple[int, bytes]:
        """A call-back: what it is answered."""
        self.told.append((path, body, given))
        form = form_of(body)
        if signed_by(f"{self.url}{path}", form, given, self.tokens) is None:
            self.forged += 1
            return 403, b""
        told = read_call_back(form)
        with self._changed:
            # Twilio may be faster than its own answer to the placed call.
            before = self.calls.get(told.call) or Progress(told.call, told.account)
            after = self.calls[told.call] = follow(before, told, datetime.now(UTC))
            self._changed.notify_all()
        if not path.startswith("/page"):
            return 204, b""
        turn = int(parse_qs(path.partition("?")[2])["turn"][0])
        return 200, self._page(turn, told.digits, after).encode()

    def _page(self, turn: int, digits: str | None, after: Progress) -> str:
        if after.state.is_over:
            return hang_up()
        if digits and after.choice is not None:
            return said_back(self.alert, after.choice)
        if turn > MOST_TURNS:
            return nothing_heard(self.alert)
        return asking(self.alert, f"{self.url}/page?turn={turn + 1}", pressed=digits or "")
