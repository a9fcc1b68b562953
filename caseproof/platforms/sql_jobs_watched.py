"""Connections to PostgreSQL that nobody waits on for ever: a server that says nothing is cut off after a while.

A server that was stopped in its tracks, or a machine that is gone, keeps none of the time-outs that it was given, and
the driver would wait until somebody ends the process. All that it waits for goes through one method.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from threading import Event, Timer
from typing import Any

import psycopg

SILENT = "silent"
"""In the place of an SQLSTATE: the server gave none."""


class Silent(psycopg.OperationalError):
    """The server said nothing for so long that the connection was given up."""

    sqlstate = SILENT


def connect(seconds: float, args: Sequence[Any], given: Mapping[str, Any]) -> psycopg.Connection[Any]:
    """A connection by the driver's own arguments, which raises Silent after so many seconds of silence."""
    made: _Watched = _Watched.connect(*args, **given)
    made.silence = seconds
    return made


class _Watched(psycopg.Connection[Any]):
    silence: float | None = None  # None while it is being made: the driver has a time-out for that

    def wait(self, *args: Any, **given: Any) -> Any:
        if self.silence is None:
            return super().wait(*args, **given)
        with self._cut_off_after(self.silence) as cut:
            try:
                return super().wait(*args, **given)
            except psycopg.OperationalError:
                if cut.is_set():
                    raise Silent(f"{self.silence:g} seconds") from None
                raise

    @contextmanager
    def _cut_off_after(self, seconds: float) -> Iterator[Event]:
        """Ends the connection under whoever waits for longer, and sets the event."""
        cut = Event()
        # A number of its own, so that it is this connection, whatever the first may stand for by then.
        own = socket.socket(fileno=os.dup(self.pgconn.socket))

        def end() -> None:
            cut.set()
            with suppress(OSError):
                own.shutdown(socket.SHUT_RDWR)

        timer = Timer(seconds, end)
        timer.daemon = True
        timer.start()
        try:
            yield cut
        finally:
            timer.cancel()
            own.close()
