"""An access token that all processes of an installation share, each no longer than it lives.

Such a token is got for a refresh token, lives for an hour or so, and its server gives out a few in ten minutes. So it
is kept in a file of the home that only its owner can read, under a lock of the operating system: whoever finds that it
is over gets the next one, and all others wait for that one and take it. That is one refresh, not a storm.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from caseproof.config.clock import Clock
from caseproof.domain.errors import CaseproofError

EARLIER = timedelta(minutes=1)
"""A token is renewed so long before it ends."""
WINDOW, MOST = timedelta(minutes=10), 8
"""So many tokens are got in so long a time; servers give out about ten."""
FRESH = timedelta(minutes=2)
"""A token that is refused so soon after it was given is not at fault itself: another one would be refused, too."""
REMEMBERED = timedelta(minutes=2)
"""So long a refused refresh token is not tried again: each process would ask the same in vain."""
LONGEST = timedelta(days=1)
"""No token is taken to live longer, whatever its server says."""


@dataclass(frozen=True, slots=True)
class Given:
    """An access token as its server gave it, for so many seconds. ``refresh`` is the next refresh token, if any."""

    token: str
    seconds: int
    refresh: str = ""


class _Kept(BaseModel):
    """What stands in the file; ``asked`` are the times of the last refreshes."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    token: str = ""
    given: AwareDatetime | None = None
    ends: AwareDatetime | None = None
    refresh: str = ""
    refused: str = ""
    action: str = ""
    refused_at: AwareDatetime | None = None
    asked: tuple[AwareDatetime, ...] = ()


class SharedToken:
    """The token of one account. ``account`` tells it from others (never a secret by itself: only a digest is kept).

    ``ask`` gets a token for a refresh token; the one at hand is "" until the server gave another. It raises ``refused``
    where the account is not let in any more, and ``down`` where that cannot be said. ``name`` is what people call the
    other side. Safe to use from several threads and processes.
    """

    def __init__(
        self,
        folder: Path,
        account: str,
        name: str,
        ask: Callable[[str], Given],
        clock: Clock,
        *,
        down: type[CaseproofError],
        refused: type[CaseproofError],
    ) -> None:
        self._file = folder / f"{hashlib.sha256(account.encode()).hexdigest()[:24]}.json"
        self._name, self._ask, self._clock = name, ask, clock
        self._down, self._refused = down, refused

    def get(self, instead_of: str = "") -> str:
        """A token that holds; ``instead_of`` is one that was just refused. Raises ``down``, ``refused``."""
        try:
            return self._held_or_renewed(instead_of)
        except OSError as error:
            raise self._down(
                f"The access token of {self._name} cannot be kept in {self._file.parent}: {error.strerror}.",
                "Make it a folder that Caseproof may write to, with room in it; then it is tried again.",
            ) from error

    def _held_or_renewed(self, instead_of: str) -> str:
        kept = self._read()
        if self._holds(kept, instead_of):
            return kept.token
        with self._locked():
            kept = self._read()  # another process may have got it meanwhile
            if self._holds(kept, instead_of):
                return kept.token
            return self._renewed(kept, instead_of)

    def _renewed(self, kept: _Kept, instead_of: str) -> str:
        now = self._clock()
        if kept.refused and _within(kept.refused_at, now, REMEMBERED):
            raise self._refused(kept.refused, f"{kept.action} It is tried again in two minutes.".strip())
        if instead_of and instead_of == kept.token and _within(kept.given, now, FRESH):
            raise self._refused(
                f"{self._name} refuses a token that it gave a moment ago.",
                "Look at the scopes of the refresh token, and at the organisation that is asked for.",
            )
        asked = tuple(at for at in kept.asked if _within(at, now, WINDOW))
        if len(asked) >= MOST:
            raise self._down(
                f"{self._name} was asked for {len(asked)} tokens within ten minutes, and would give no more.",
                "It is asked again when the ten minutes are over. Does another program use the same refresh token?",
            )
        kept = kept.model_copy(update={"asked": (*asked, now), "refused": "", "action": "", "refused_at": None})
        self._write(kept)  # before it is asked: a process that dies over it has used one up
        try:
            given = self._ask(kept.refresh)
        except self._refused as error:
            no = {"token": "", "refused": error.problem, "action": error.next_action, "refused_at": now}
            self._write(kept.model_copy(update=no))
            raise
        ends = now + timedelta(seconds=max(0, min(given.seconds, int(LONGEST.total_seconds()))))
        refresh = given.refresh or kept.refresh
        self._write(kept.model_copy(update={"token": given.token, "given": now, "ends": ends, "refresh": refresh}))
        return given.token

    def _holds(self, kept: _Kept, instead_of: str) -> bool:
        if not kept.token or kept.token == instead_of or kept.ends is None:
            return False
        return self._clock() + EARLIER < kept.ends

    def _read(self) -> _Kept:
        try:
            return _Kept.model_validate_json(self._file.read_bytes())
        except (FileNotFoundError, ValidationError):  # none yet, or half of one: the next one is got
            return _Kept()

    def _write(self, kept: _Kept) -> None:
        """Whole or not at all, and for its owner alone."""
        half = self._file.with_suffix(".part")
        half.unlink(missing_ok=True)  # of a process that died over it, whatever mode it had
        with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(kept.model_dump_json())
        half.replace(self._file)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Opened for each holder: so threads of one process wait for each other, too.
        handle = os.open(self._file.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def _within(at: datetime | None, now: datetime, span: timedelta) -> bool:
    """Whether that was no longer ago; a time ahead of ours, as after the clock was put back, is none."""
    return at is not None and timedelta() <= now - at < span
