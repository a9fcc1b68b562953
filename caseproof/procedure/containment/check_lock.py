"""One check of a platform at a time: the second says so and does nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from caseproof.config.settings import Settings
from caseproof.domain.errors import CaseproofError
from caseproof.store import locks


class CheckRunning(CaseproofError):
    """Another check of this platform is at work."""


_here: dict[Path, int] = {}
_looking = threading.Lock()


@contextmanager
def check_lock(settings: Settings, name: str) -> Iterator[None]:
    """Be the only check of the platform ``name`` in this home; inside itself, in one thread, it is harmless.

    The operating system lets go of it however the process ends. Raises CheckRunning, which says who works since when,
    and CaseproofError where the home's folder takes no lock.
    """
    path = settings.home_folder / "checks" / name
    me = threading.get_ident()
    with _looking:
        inside = _here.get(path) == me
        if not inside:
            if path in _here or not _hold(path):
                raise _running(path, name)
            _here[path] = me
    try:
        yield
    finally:
        if not inside:
            with _looking:
                del _here[path]
                locks.let_go(path)


def _hold(path: Path) -> bool:
    try:
        return locks.hold(path, wait=False)
    except OSError as error:
        raise CaseproofError(
            f"The lock of the check, {path}, cannot be taken: {error.strerror}.",
            "Check as the user whose home that is, and look whether its disk is full.",
        ) from error


def _running(path: Path, name: str) -> CheckRunning:
    since = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    return CheckRunning(
        f"A check of {name} is at work already: process {locks.holder(path)}, since {since:%Y-%m-%d %H:%M:%S} UTC.",
        "Nothing was done. Wait until it ends, then check again if there is need to.",
    )
