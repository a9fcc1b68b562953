"""Reads the on-call calendars before anybody has to be called: a huge one takes seconds, and an emergency has none."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from caseproof.config.clock import Clock
from caseproof.config.on_call import OnCallPolicy
from caseproof.config.policy import Policy
from caseproof.procedure.core.on_call import Window, call_plan

EVERY = timedelta(minutes=5)
"""So often the calendars are looked at: one that was read already, and is not old, costs some milliseconds."""
LOOK_SECONDS = 5.0
"""So soon it is seen that the policy names other calendars, or another list."""

_log = logging.getLogger(__name__)


class ReadsAhead:
    """Keeps what the policy's calendars say at hand. The keeper's pass does the same; this one waits for none."""

    def __init__(self, policy: Callable[[], Policy], home: Path, clock: Clock) -> None:
        self._policy, self._home, self._clock = policy, home, clock
        self._read: tuple[OnCallPolicy, datetime] | None = None
        self._wrong = ""

    def look(self) -> bool:
        """Fetch and read what is not at hand; gives whether it looked. Whatever is wrong, the keeper tells the team."""
        try:
            policy, now = self._policy(), self._clock()
            if self._read is not None and self._read[0] == policy.on_call and now - self._read[1] < EVERY:
                return False
            self._read = policy.on_call, now
            if policy.on_call.calendars:
                call_plan(policy, self._home, Window.around(now, policy.on_call.tell_gaps_days), fetch=True)
        except Exception as error:  # an emergency reads what is there, then
            if repr(error) != self._wrong:  # a policy that stays wrong is told once
                self._wrong = repr(error)
                _log.exception("The on-call calendars cannot be read ahead")
            return False
        self._wrong = ""
        return True

    def keep_on(self) -> None:
        """Look for as long as the process lives, in a thread beside it."""

        def loop() -> None:
            while True:
                self.look()
                threading.Event().wait(LOOK_SECONDS)

        threading.Thread(target=loop, name="calendars", daemon=True).start()
