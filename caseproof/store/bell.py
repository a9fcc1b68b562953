"""A bell between the processes of one home: whoever writes news down rings, whoever waits for news looks at once.

It carries no message and may be missed (nobody waits, the home is on another machine): whoever waits looks by itself
every few seconds, too, so that a missed ring costs time and nothing else.
"""

from __future__ import annotations

import os
import select
from contextlib import suppress
from pathlib import Path

_MANY = 65536  # all that a pipe holds: however often it rang, it is looked once


class Bell:
    """A named pipe at ``path``; nothing is made before somebody waits. Safe between threads and processes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._heard = -1

    def ring(self) -> None:
        """Have whoever waits look now. Never waits, never fails."""
        with suppress(OSError):  # no pipe, nobody who reads it, or it is full of rings
            handle = os.open(self._path, os.O_WRONLY | os.O_NONBLOCK)
            try:
                os.write(handle, b".")
            finally:
                os.close(handle)

    def wait(self, seconds: float) -> bool:
        """Wait until it rings, so many seconds at most; whether it rang since the last wait."""
        try:
            heard = self._open()
        except OSError:  # a file system without pipes: whoever waits looks by itself
            return bool(select.select([], [], [], seconds)[0])
        rang = bool(select.select([heard], [], [], seconds)[0])
        if rang:
            with suppress(BlockingIOError):  # another that waits was quicker
                os.read(heard, _MANY)
        return rang

    def close(self) -> None:
        """Listen no more."""
        if self._heard >= 0:
            os.close(self._heard)
            self._heard = -1

    def _open(self) -> int:
        if self._heard < 0:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileExistsError):
                os.mkfifo(self._path, 0o600)
            # Read and write: a pipe that nobody else holds open would be at its end, and "ring" at once for ever.
            self._heard = os.open(self._path, os.O_RDWR | os.O_NONBLOCK)
        return self._heard
