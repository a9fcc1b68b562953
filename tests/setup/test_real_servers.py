"""What starts real servers for tests: a dead one is told at once, and nothing that was started stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from caseproof.up.processes import Identity, wait_until
from tests.support import real_servers
from tests.support.real_servers import ROOT, ended_by_signals, free_port, listens, program, run_tests, started

SERVER = """
import socket, subprocess, sys
with socket.create_server(("127.0.0.1", int(sys.argv[1]))) as listening:
    subprocess.run([sys.executable, "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"])
"""
SCRIPT = """
import sys
from pathlib import Path
from tests.support import real_servers
from tests.support.real_servers import *
real_servers.GRACE_SECONDS = 0.2
with ended_by_signals(), folder("test") as place:
    port = int(sys.argv[2])
    with started("The server", [sys.executable, "-c", sys.argv[1], str(port)], place / "log") as server:
        server.wait(lambda: listens(port), 60)
        print(server.process.pid, place, flush=True)
        sys.exit(run_tests({"TOLD": "by the script"}))
"""
TESTS = "#!/bin/sh\necho $$ $TOLD\nexec sleep 600\n"


def test_a_server_that_dies_at_its_start_is_told_at_once_with_what_it_said(tmp_path: Path) -> None:
    dies = [sys.executable, "-c", "print('no such table'); raise SystemExit(3)"]
    with pytest.raises(SystemExit) as ended, started("The server", dies, tmp_path / "log") as server:
        server.wait(lambda: False, 600)
    assert str(ended.value) == "The server ended by itself, with 3. The end of its log:\nno such table"


def test_one_that_never_is_ready_is_told_with_what_it_said(tmp_path: Path) -> None:
    hangs = [sys.executable, "-uc", "import time; print('waiting for the moon'); time.sleep(600)"]
    log = tmp_path / "log"
    with started("The server", hangs, log) as server:
        server.wait(lambda: log.stat().st_size > 0, 60)
        with pytest.raises(SystemExit, match=r"did not start within 0 seconds\. .*\nwaiting for the moon$"):
            server.wait(lambda: False, 0)
    assert server.process.returncode == -signal.SIGTERM


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM])
def test_a_script_that_is_told_to_end_leaves_no_server_no_tests_and_no_folder(
    number: signal.Signals, tmp_path: Path
) -> None:
    """Also where a server's own children do not hear."""
    tests = tmp_path / "tests"
    tests.write_text(TESTS, encoding="ascii")
    tests.chmod(0o755)
    command = [sys.executable, "-c", SCRIPT, SERVER, str(port := free_port())]
    environment = os.environ | {"PYTHON": str(tests)}
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=environment) as script:
        assert script.stdout is not None
        server, place = script.stdout.readline().split()
        of_tests, said = script.stdout.readline().split(maxsplit=1)
        wait_until("the server's own child", lambda: len(_group(int(server))) > 1, 60, every=0.05)
        running = [Identity.of(pid) for pid in (int(of_tests), *_group(int(server)))]
        script.send_signal(number)
        assert script.wait(60) == 128 + number
    assert (len(running), said) == (3, "by the script\n")
    wait_until("what it started to end", lambda: not any(one.is_running for one in running), 60, every=0.05)
    assert (listens(port), Path(place).exists()) == (False, False)


def _a_server(place: Path) -> None:
    with started("The server", ["sleep", "600"], place / "log"):
        pytest.fail("It goes on although it was told to end.")


@pytest.mark.parametrize("start", [_a_server, lambda _: run_tests({})], ids=["a server", "the tests"])
def test_a_signal_in_the_middle_of_a_start_leaves_nothing_behind(
    start: Callable[[Path], object], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tests = tmp_path / "tests"
    tests.write_text(TESTS, encoding="ascii")
    tests.chmod(0o755)
    monkeypatch.setenv("PYTHON", str(tests))
    monkeypatch.setattr(real_servers, "GRACE_SECONDS", 0.2)
    made: list[subprocess.Popen[bytes]] = []

    def told_to_end(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        made.append(popen(*arguments, **options))
        os.kill(os.getpid(), signal.SIGTERM)
        return made[0]

    popen = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", told_to_end)
    with pytest.raises(SystemExit, match=str(128 + signal.SIGTERM)), ended_by_signals():
        start(tmp_path)
    assert [one.returncode is not None for one in made] == [True]


def _group(leader: int) -> list[int]:
    return [leader, *(child.pid for child in psutil.Process(leader).children(recursive=True))]


def test_a_program_that_cannot_be_had_is_named_with_its_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(SystemExit, match=r"^no-such is not on this machine\. Next: .*\(Debian: a-server b-client\)"):
        program("no-such", "a-server", "b-client")
