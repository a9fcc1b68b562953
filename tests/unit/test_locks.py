"""Locks that end with their process, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from caseproof.store import locks
from caseproof.up.processes import wait_until

HOLD = """
import sys
from pathlib import Path
from caseproof.store import locks
locks.hold(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def another_process(path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lock until it is ended."""
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        assert child.stdout.readline() == "held\n"
        yield child
    finally:
        child.kill()
        child.wait(60)
        child.stdin.close()
        child.stdout.close()


def test_nobody_holds_a_lock_that_was_never_taken(tmp_path: Path) -> None:
    assert locks.is_held(tmp_path / "lock") is None
    assert locks.holder(tmp_path / "lock") is None


def test_a_lock_is_held_until_its_process_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "lock"
    with another_process(path) as child:
        assert locks.is_held(path) is True
        assert locks.holder(path) == child.pid
        assert not locks.hold(path, wait=False)
        os.kill(child.pid, signal.SIGKILL)
        child.wait(60)
    assert locks.is_held(path) is False
    assert locks.holder(path) is None
    assert locks.hold(path, wait=False)
    locks.let_go(path)


def test_a_lock_taken_twice_by_one_process_is_one_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert locks.hold(path)
    assert locks.hold(path, wait=False)
    assert locks.holder(path) == os.getpid()
    locks.let_go(path)
    assert locks.is_held(path) is False


@pytest.mark.parametrize("held", [True, False])
def test_clearing_away_spares_a_lock_that_is_held(tmp_path: Path, held: bool) -> None:
    path = tmp_path / "lock"
    with another_process(path) as child:
        if not held:
            child.kill()
            child.wait(60)
        locks.clear(path)
        assert path.exists() is held
    locks.clear(tmp_path / "never-there")


def test_one_who_waited_for_a_lock_that_was_cleared_away_takes_the_new_one(tmp_path: Path) -> None:
    """Else two would believe to hold it: one the file that is gone, one the file that others look at."""
    path = tmp_path / "lock"
    with another_process(path) as first:
        waiting = threading.Thread(target=locks.hold, args=(path,))
        waiting.start()
        wait_until("somebody to wait for the lock", lambda: _opened(path) >= 2, 60, every=0.05)
        path.unlink()  # as clear() does between the end of the first and the turn of the second
        first.kill()
        waiting.join(60)
    assert not waiting.is_alive()
    assert locks.holder(path) == os.getpid()
    locks.let_go(path)


def _opened(path: Path) -> int:
    """How many of this process and its children have the file open."""
    here = psutil.Process()
    return sum(file.path == str(path) for one in (here, *here.children()) for file in one.open_files())
