"""One HTTP call of a check: answered in seconds or told as an error for people, and the other side's clock noted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from caseproof.config.clock import utc_now
from caseproof.doctor.clocks import Clocks
from caseproof.doctor.examination import Failed
from caseproof.http.client import Answer, CallFailed, Fault, HttpClient, shown

CONNECT_SECONDS = 3.0
READ_SECONDS = 6.0


class Caller:
    """Calls one HTTP server. ``whose`` is what people call it; ``next_action`` what to do when it does not answer."""

    def __init__(
        self, base_url: str, whose: str, clocks: Clocks, *, next_action: str, headers: Mapping[str, str] | None = None
    ) -> None:
        self.whose = whose
        self.address = shown(base_url)
        self._clocks = clocks
        self._next_action = next_action
        self._client = HttpClient(
            base_url,
            connect_seconds=CONNECT_SECONDS,
            read_seconds=READ_SECONDS,
            headers=headers,
            follow_redirects=True,
        )

    def __call__(self, method: str, path: str, **options: Any) -> Answer:
        """The answer, whatever its status; ``options`` are those of ``HttpClient.ask``. Raises Failed without one."""
        before = utc_now()
        try:
            answer = self._client.ask(method, path, **options)
        except CallFailed as failed:
            raise Failed(f"{self.whose} at {self.address} {_why(failed)}.", self._next_action) from None
        self._clocks.note(self.whose, before, answer.date, utc_now())
        return answer

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def _why(failed: CallFailed) -> str:
    match failed.fault:
        case Fault.UNTRUSTED:
            return f"shows a certificate that is not valid ({failed.detail})"
        case Fault.NOT_REACHED:
            return "cannot be reached"
        case Fault.TOO_SLOW:
            return f"does not answer within {READ_SECONDS:g} s"
        case _:
            return f"gives no usable answer ({failed.detail})"
