"""Locks of the operating system: held until a process ends, however it ends, and seen by all that share the folder."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

_held: dict[Path, int] = {}


def hold(path: Path, *, wait: bool = True) -> bool:
    """Hold the lock until this process ends or lets go; the file says its number. Repeating is harmless.

    False, where ``wait`` is False and another process holds it.
    """
    if path in _held:
        return True
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return False
        if _is_still_there(path, handle):
            os.ftruncate(handle, 0)
            os.write(handle, str(os.getpid()).encode())
            _held[path] = handle
            return True
        os.close(handle)  # it was cleared away between opening and locking


def let_go(path: Path) -> None:
    """End holding it; the file stays."""
    if path in _held:
        os.close(_held.pop(path))


def is_held(path: Path) -> bool | None:
    """Whether a process holds it; None where there is no such file: nobody ever did, or it was cleared away."""
    try:
        handle = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def holder(path: Path) -> int | None:
    """The process that holds it; None where nobody does."""
    if not is_held(path):
        return None
    with suppress(ValueError, OSError):
        return int(path.read_text())
    return 0  # it has the lock and has not written its number yet


def clear(path: Path) -> None:
    """Remove the file of a lock that nobody holds; one that is held stays."""
    with suppress(FileNotFoundError):
        handle = os.open(path, os.O_RDWR)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
        except BlockingIOError:
            pass
        finally:
            os.close(handle)


def _is_still_there(path: Path, handle: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except FileNotFoundError:
        return False
