"""Whether the clocks around us agree with ours: a case compares times from all of them."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime, timedelta

from caseproof.doctor.examination import Failed, Skipped

TOLERANCE = timedelta(seconds=5)
_COARSE = timedelta(seconds=1)  # a Date header tells whole seconds, and a server may keep it for one


@dataclass(frozen=True, slots=True)
class Reading:
    """What another clock said between two looks at ours; all aware."""

    before: datetime
    said: datetime
    after: datetime

    @property
    def ahead(self) -> timedelta:
        """How far it is ahead of ours at least (below zero: behind); zero where it may well agree."""
        if self.said > self.after:
            return self.said - self.after
        return min(self.said + _COARSE - self.before, timedelta())


class Clocks:
    """The clocks that the other checks came across, by whose they are."""

    def __init__(self) -> None:
        self._readings: dict[str, Reading] = {}
        self._lock = threading.Lock()

    def note(self, whose: str, before: datetime, said: datetime | None, after: datetime) -> None:
        """Remember what a clock said; None where it said nothing."""
        if said is not None:
            with self._lock:
                self._readings[whose] = Reading(before, said, after)

    def compare(self) -> str:
        """Raises Failed where one is more than TOLERANCE off."""
        if not self._readings:
            raise Skipped("no other clock could be read")
        off = {whose: one.ahead for whose, one in self._readings.items() if abs(one.ahead) > TOLERANCE}
        if off:
            told = "; ".join(f"{whose} is {_told(ahead)} this machine's clock" for whose, ahead in off.items())
            raise Failed(
                f"The clocks disagree: {told}.",
                "Turn on time synchronisation (NTP) on each of these machines and on this one (`timedatectl`).",
            )
        return f"Within {TOLERANCE.seconds} s of ours: {', '.join(self._readings)}."


def _told(ahead: timedelta) -> str:
    seconds = abs(ahead.total_seconds())
    return f"{seconds:.0f} s {'ahead of' if ahead > timedelta() else 'behind'}"
