"""Trouble of a process that lives long: said once, however long it lasts, and tried again ever later."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from caseproof.domain.errors import CaseproofError

FIRST_PAUSE, LONGEST_PAUSE = 5.0, 300.0
"""How long the next try waits after something went wrong: each time twice as long."""


@dataclass
class ToldOnce:
    """What is wrong with one thing: said once, however long it lasts, and so is its end."""

    say: Callable[[str], None]
    over: str
    longest: float = LONGEST_PAUSE
    said: str = ""
    times: int = 0

    def is_this(self, error: Exception) -> float:
        """It went wrong; gives how many seconds to wait before the next try."""
        told = f"{error.problem} {error.next_action}" if isinstance(error, CaseproofError) else f"{error!r}"
        if told != self.said:
            self.say(told)
            self.said = told
        self.times += 1
        return float(min(self.longest, FIRST_PAUSE * 2 ** min(self.times - 1, 10)))

    def is_over(self) -> None:
        """It went well."""
        if self.said:
            self.say(self.over)
        self.said, self.times = "", 0
