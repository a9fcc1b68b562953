"""Mail is paced: all processes of this home together send no more in a minute than the policy says.

The file ``mail-pace`` in the home folder holds the time of the latest turn that somebody took. Whoever wants to send
takes the next one under the lock, lets go of it, and then waits for that turn, so that nobody waits with the lock.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from caseproof.channels.outbound.mail import Delivery, MailDown, Send
from caseproof.config.clock import Clock

LONGEST_WAIT = 12.0
"""How many seconds ``send`` waits for its turn at most. Who has to wait longer lets go of the letter meanwhile."""


class NotYourTurn(MailDown):
    """So much mail waits already that nobody waits for the next turn here; it is ``seconds`` away."""

    def __init__(self, problem: str, next_action: str, seconds: float) -> None:
        super().__init__(problem, next_action)
        self.seconds = seconds


def paced(send: Send, *, per_minute: float, home: Path, clock: Clock, sleep: Callable[[float], None]) -> Send:
    """The same ``send``, at the pace of this home folder. Raises NotYourTurn where the next turn is too far away to
    wait for."""

    def send_in_turn(content: bytes, sender: str, recipients: Sequence[str]) -> Delivery:
        sleep(_take_turn(per_minute, home, clock))
        return send(content, sender, recipients)

    return send_in_turn


def _take_turn(per_minute: float, home: Path, clock: Clock) -> float:
    """Take the next free turn; how many seconds it is away."""
    apart = timedelta(minutes=1 / per_minute)
    path = home / "mail-pace"
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        now = clock()
        turn = max(now, _latest(handle, now, apart) + apart)
        wait = (turn - now).total_seconds()
        if wait > LONGEST_WAIT:
            raise NotYourTurn(
                f"Mail is paced at {per_minute:g} a minute, and the next turn is {wait:.0f} s away.",
                "It is tried again later; if this goes on, raise mail.per_minute in the policy.",
                wait,
            )
        os.ftruncate(handle, 0)
        os.pwrite(handle, turn.isoformat().encode(), 0)
    finally:
        os.close(handle)
    return wait


def _latest(handle: int, now: datetime, apart: timedelta) -> datetime:
    """The latest turn that somebody took; long ago where the file says nothing that can be true."""
    long_ago = now - apart
    try:
        latest = datetime.fromisoformat(os.pread(handle, 100, 0).decode())
        possible = latest - now <= timedelta(seconds=LONGEST_WAIT)  # else the clock was set back
    except (ValueError, TypeError):
        return long_ago
    return latest if possible else long_ago
