"""The bell: whoever waits hears it at once, nobody who rings ever waits, and a ring that nobody hears costs nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from caseproof.store.bell import Bell


@pytest.fixture
def bell(tmp_path: Path) -> Bell:
    return Bell(tmp_path / "below" / "bell")


def test_without_a_ring_the_wait_ends_after_its_time(bell: Bell) -> None:
    begun = time.monotonic()
    assert not bell.wait(0.2)
    assert 0.2 <= time.monotonic() - begun < 60


def test_many_rings_are_one_and_the_next_wait_waits_again(bell: Bell) -> None:
    bell.wait(0)
    for _ in range(3):
        bell.ring()
    assert bell.wait(60)
    assert not bell.wait(0)


def test_a_ring_ends_a_wait_that_has_begun(bell: Bell) -> None:
    bell.wait(0)
    threading.Timer(0.2, bell.ring).start()
    begun = time.monotonic()
    assert bell.wait(120)
    assert time.monotonic() - begun < 60


def test_another_process_rings(bell: Bell, tmp_path: Path) -> None:
    bell.wait(0)
    code = "import sys; from pathlib import Path; from caseproof.store.bell import Bell; Bell(Path(sys.argv[1])).ring()"
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "below" / "bell")], check=True)
    assert bell.wait(0)


def test_where_nobody_waits_a_ring_makes_nothing_and_fails_not(bell: Bell, tmp_path: Path) -> None:
    bell.ring()
    assert list(tmp_path.iterdir()) == []


def test_a_ring_after_the_listener_is_gone_is_not_heard_later_as_old_news(bell: Bell) -> None:
    bell.wait(0)
    bell.close()
    bell.ring()
    assert not bell.wait(0)


def test_a_pipe_that_is_full_keeps_nobody_who_rings_waiting(bell: Bell, tmp_path: Path) -> None:
    bell.wait(0)
    handle = os.open(tmp_path / "below" / "bell", os.O_WRONLY | os.O_NONBLOCK)
    with suppress(BlockingIOError):
        while True:
            os.write(handle, b"." * 4096)
    os.close(handle)
    bell.ring()
    assert bell.wait(0)
    while bell.wait(0):
        pass
    bell.ring()
    assert bell.wait(0)


def test_where_no_pipe_can_be_made_the_wait_still_ends_after_its_time(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way of the folder")
    bell = Bell(tmp_path / "file" / "bell")
    begun = time.monotonic()
    assert not bell.wait(0.2)
    assert time.monotonic() - begun >= 0.2
    bell.ring()
