"""The copies of on-call calendars under the home: fetched now and then, and the last good one kept.

A copy takes the place of the one before only after it was read: what is broken, too large or away changes nothing but
what is said about it. One that cannot be kept counts all the same, for as long as whoever fetched it needs it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from caseproof.channels.calendars.screening import LARGEST, CalendarRefused, refused
from caseproof.config.given_files import read_plain
from caseproof.config.on_call import Calendar
from caseproof.config.whole_file import put_whole
from caseproof.http.client import CallFailed, HttpClient, Transport

_LONGEST_HEAD = 1000
"""Of a copy's first line: what it is a copy of, and of when."""


@dataclass(frozen=True, slots=True)
class Copy:
    """What was fetched from a calendar, when, and its SHA-256."""

    content: bytes
    fetched: datetime
    digest: str


class Copies:
    """The copies in one folder. ``seconds`` is how long a server may hang; ``transport`` carries the calls in tests.

    ``keeps``: whether anything is kept of what is fetched, and of what is read.
    """

    def __init__(self, folder: Path, seconds: float, transport: Transport | None = None, *, keeps: bool = True) -> None:
        self.folder = folder
        self._seconds = seconds
        self._transport = transport
        self.keeps = keeps

    def kept(self, calendar: Calendar) -> Copy | None:
        """The last good copy of this calendar, from where the policy says now; None where there is none."""
        try:
            head, _, content = read_plain(self._path(calendar), LARGEST + _LONGEST_HEAD).partition(b"\n")
            said = json.loads(head)
            fetched = datetime.fromisoformat(said["fetched"])
            digest = hashlib.sha256(content).hexdigest()
            fits = said["source"] == _source(calendar) and said["sha256"] == digest
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return Copy(content, fetched, digest) if fits and fetched.tzinfo is not None else None

    def fetched(self, calendar: Calendar, at: datetime) -> Copy:
        """A new copy, which is kept by `keep` once it was read. Raises CalendarRefused."""
        content = self._from_file(calendar) if calendar.file else self._from_address(calendar)
        return Copy(content, at, hashlib.sha256(content).hexdigest())

    def keep(self, calendar: Calendar, copy: Copy) -> None:
        """This is the last good copy from here on. Raises OSError."""
        if not self.keeps:
            return
        said = {"source": _source(calendar), "sha256": copy.digest, "fetched": copy.fetched.isoformat()}
        put_whole(self._path(calendar), json.dumps(said).encode() + b"\n" + copy.content)

    def _path(self, calendar: Calendar) -> Path:
        return self.folder / f"{calendar.name}.copy"

    def _from_file(self, calendar: Calendar) -> bytes:
        path = Path(calendar.file).expanduser()
        try:
            return read_plain(path, LARGEST)
        except OSError as error:
            raise refused(
                calendar.name, f"cannot be read from {path}: {error.strerror}", "Put it there, or correct the policy."
            ) from error

    def _from_address(self, calendar: Calendar) -> bytes:
        address = calendar.address.get_secret_value()
        where = urlsplit(address)
        base = f"{where.scheme}://{where.netloc}"
        client = HttpClient(
            base,
            connect_seconds=self._seconds,
            read_seconds=self._seconds,
            follow_redirects=True,
            transport=self._transport,
        )
        try:
            answer = client.ask("GET", address[len(base) :].lstrip("/"), most=LARGEST, within=self._seconds)
            return answer.required().content
        except CallFailed as failed:
            # Neither path nor query: who knows them reads the calendar.
            raise refused(
                calendar.name,
                f"cannot be fetched from {where.hostname}: {failed}",
                "Open its address in a browser; if it changed there, write the new one into the policy.",
            ) from None
        finally:
            client.close()


def older_than(copy: Copy, at: datetime, minutes: float) -> bool:
    """Whether a copy is to be fetched anew; also where the clock was set back."""
    return not timedelta(0) <= at - copy.fetched < timedelta(minutes=minutes)


def _source(calendar: Calendar) -> str:
    """What tells one source from another; no one reads the address from it."""
    return hashlib.sha256(f"{calendar.file}\n{calendar.address.get_secret_value()}".encode()).hexdigest()


__all__ = ["CalendarRefused", "Copies", "Copy", "older_than"]
