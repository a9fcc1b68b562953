"""The supervisor over small programs: started in order, found again, started again, stopped in the opposite order."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from caseproof.domain.errors import CaseproofError
from caseproof.up import processes
from caseproof.up.processes import Identity, free_port, wait_until
from caseproof.up.service import CannotStart, Health, Service
from caseproof.up.supervisor import Supervisor

# Writes that it started and that it was told to end, so that the order can be seen.
PROGRAM = """
import os, signal, sys, time
name, diary = sys.argv[1], sys.argv[2]
def write(what):
    with open(diary, "a") as file:
        file.write(f"{name} {what}\\n")
signal.signal(signal.SIGTERM, lambda *_: (write("ends"), os._exit(0)))
write("starts")
while True:
    time.sleep(0.05)
"""


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def diary(tmp_path: Path) -> Path:
    return tmp_path / "diary"


@pytest.fixture
def service(diary: Path) -> Callable[..., Service]:
    """Makes services that are ready once they wrote that they started."""

    def make(name: str, program: str = PROGRAM, **more: Any) -> Service:
        facts: dict[str, Any] = {
            "title": name.capitalize(), "address": "", "env": dict(os.environ),
            "is_ready": lambda: _lines(diary, name) > 0,
            "command": lambda: [sys.executable, "-c", program, name, str(diary)],
        }  # fmt: skip
        return Service(name=name, **{**facts, **more})

    return make


def _lines(diary: Path, name: str, what: str = "starts") -> int:
    return diary.read_text().splitlines().count(f"{name} {what}") if diary.exists() else 0


@pytest.fixture
def build(tmp_path: Path, said: list[str]) -> Iterator[Callable[..., Supervisor]]:
    """Makes supervisors in one folder; what still runs at the end is stopped."""
    built: list[Supervisor] = []

    def make(*groups: list[Service]) -> Supervisor:
        folder = tmp_path / "up"
        folder.mkdir(exist_ok=True)
        built.append(Supervisor(folder, tmp_path / "logs", groups, said.append))
        return built[-1]

    yield make
    for supervisor in built:
        supervisor.stop()


def watched_until(supervisor: Supervisor, holds: Callable[[], bool], what: str) -> None:
    """Watch the supervisor until something holds."""
    over = threading.Event()
    watching = threading.Thread(target=supervisor.watch, args=(over,))
    watching.start()
    try:
        wait_until(what, holds, 60, every=0.05)
    finally:
        over.set()
        watching.join(60)


def test_services_are_started_in_order_and_stopped_in_the_opposite_order(build, service, diary) -> None:
    supervisor = build([service("database")], [service("server")], [service("worker"), service("web")])
    supervisor.start()
    assert supervisor.is_up
    supervisor.stop()
    lines = diary.read_text().splitlines()
    assert lines[:2] == ["database starts", "server starts"]
    assert lines[-2:] == ["server ends", "database ends"]
    assert set(lines[2:4]) == {"worker starts", "web starts"}
    assert [watched.health for watched in supervisor.services] == [Health.DOWN] * 4


def test_a_service_that_is_killed_is_started_again_and_said(build, service, said) -> None:
    supervisor = build([service("worker")])
    supervisor.start()
    before = supervisor.service("worker").process.identity
    os.kill(before.pid, signal.SIGKILL)
    watched_until(supervisor, lambda: "Worker is up." in said, "the worker to be up again")
    assert "Worker ended (killed by SIGKILL). It is started again now." in said
    assert supervisor.service("worker").process.identity != before
    assert supervisor.is_up


def test_a_service_that_dies_again_and_again_waits_before_its_next_start(build, service, said, diary) -> None:
    dies = "import sys; open(sys.argv[2], 'a').write(f'{sys.argv[1]} starts\\n'); sys.exit(3)"
    supervisor = build([service("web", dies, is_ready=lambda: True)])
    supervisor.service("web").start()
    watched_until(supervisor, lambda: any(" in " in sentence for sentence in said), "it to wait")
    assert "Web ended (exit code 3). It is started again now." in said
    assert any("It is started again in" in sentence for sentence in said)
    assert _lines(diary, "web") == 3, "not in a circle"


def test_a_supervisor_that_was_killed_is_taken_over_by_the_next_one(build, service, said, diary) -> None:
    first = build([service("server")], [service("web")])
    first.start()
    second = build([service("server")], [service("web")])
    second.start()
    assert _lines(diary, "server") == _lines(diary, "web") == 1
    assert "Server runs already; it is not started twice." in said
    assert second.service("server").process.identity == first.service("server").process.identity
    os.kill(second.service("web").process.pid, signal.SIGKILL)
    first.service("web").process.wait(60)  # in real life the dead supervisor's parent reaps it
    watched_until(second, lambda: _lines(diary, "web") == 2, "a service that is no child of ours to be started again")
    second.stop()
    assert not first.service("server").process.is_running


def test_a_number_that_belongs_to_another_process_by_now_is_not_taken_for_the_service(build, service, diary) -> None:
    supervisor = build([service("web")])
    record = {"pid": os.getpid(), "born": 1.0, "boot": Identity.of(os.getpid()).boot, "like": ""}
    (supervisor.service("web").folder / "web.json").write_text(json.dumps(record))
    supervisor.start()
    assert supervisor.service("web").process.pid != os.getpid()
    assert _lines(diary, "web") == 1


def test_a_service_that_was_started_with_other_settings_is_started_anew(build, service, said, diary) -> None:
    build([service("web", env={**os.environ, "CASEPROOF_WEB_URL": "http://127.0.0.1:1", "TERM": "a"})]).start()
    same = build([service("web", env={**os.environ, "CASEPROOF_WEB_URL": "http://127.0.0.1:1", "TERM": "b"})])
    same.start()
    assert _lines(diary, "web") == 1, "what is no setting of ours or Prefect's does not count"
    elsewhere = {**os.environ, "CASEPROOF_WEB_URL": "http://127.0.0.1:2"}
    other = build([service("web", env=elsewhere, is_ready=lambda: _lines(diary, "web") > 1)])
    other.start()
    assert _lines(diary, "web") == 2
    assert not same.service("web").process.is_running
    assert any("with other settings" in sentence for sentence in said)
    assert "127.0.0.1:2" not in (other.service("web").folder / "web.json").read_text(), "settings hold passwords"


def test_what_an_earlier_supervisor_left_is_stopped_also_when_the_start_is_given_up(build, service, diary) -> None:
    build([service("server")], [service("web")]).start()
    broken = service("server", command=lambda: [sys.executable, "-c", "raise SystemExit(3)"], is_ready=lambda: False)
    second = build([broken], [service("web")])
    with pytest.raises(CannotStart):
        second.start()
    second.stop()
    assert _lines(diary, "web", "ends") == 1, "it was found before it was its turn"


def test_a_service_that_stays_silent_is_ended_and_started_again(build, service, said, diary, monkeypatch) -> None:
    monkeypatch.setattr("caseproof.up.service.ASK_SECONDS", 0.1)
    monkeypatch.setattr("caseproof.up.service.SILENT_SECONDS", 0.5)
    hangs = threading.Event()
    supervisor = build([service("worker", is_ready=lambda: not hangs.is_set() or _lines(diary, "worker") > 1)])
    supervisor.start()
    hangs.set()
    watched_until(supervisor, lambda: _lines(diary, "worker") == 2, "it to be started again")
    assert any("has not answered for" in sentence for sentence in said)


def test_a_disk_that_is_full_is_said_and_the_supervisor_goes_on(build, service, said) -> None:
    full = threading.Event()

    def before() -> None:
        if full.is_set():
            raise OSError(28, "No space left on device")

    supervisor = build([service("worker", before=before)])
    supervisor.start()
    full.set()
    os.kill(supervisor.service("worker").process.pid, signal.SIGKILL)
    watched_until(supervisor, lambda: any("No space left" in sentence for sentence in said), "the reason to be said")


@pytest.mark.parametrize("record", ["", "{", "[]", '{"pid": "x"}', '{"pid": 1}'])
def test_a_record_that_cannot_be_read_is_no_reason_not_to_start(build, service, record, diary) -> None:
    supervisor = build([service("web")])
    (supervisor.service("web").folder / "web.json").write_text(record)
    supervisor.start()
    assert _lines(diary, "web") == 1


def test_a_service_whose_port_is_taken_says_so_and_starts_nothing(build, service, diary, monkeypatch) -> None:
    import socket

    monkeypatch.setattr("caseproof.up.service.GRACE_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as other:
        supervisor = build([service("web", listens=other.getsockname()[:2], listens_by="CASEPROOF_WEB_URL")])
        with pytest.raises(CannotStart, match="another program has this port") as refusal:
            supervisor.start()
    assert "export CASEPROOF_WEB_URL=http://127.0.0.1:" in refusal.value.next_action
    assert not diary.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nobody could listen beside what keeps it")
def test_a_port_that_was_given_is_left_alone_until_its_server_listens_and_no_more_than_a_hundred_are_kept() -> None:
    """Two demos at once would choose the same: their servers listen only after seconds of imports."""
    port = free_port()
    with socket.socket() as somebody, pytest.raises(OSError, match="in use"):
        somebody.bind(("127.0.0.1", port))
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    for _ in range(2):  # one that dies is started again
        with socket.create_server(("127.0.0.1", port)), socket.create_connection(("127.0.0.1", port)):
            pass
    for _ in range(200):
        free_port()
    assert len(processes._kept) <= 100


def test_a_free_port_is_no_reason_to_wait(build, service, monkeypatch) -> None:
    monkeypatch.setattr("caseproof.up.service.GRACE_SECONDS", 120)
    supervisor = build([service("web", listens=("127.0.0.1", free_port()))])
    began = time.monotonic()
    supervisor.start()
    assert time.monotonic() - began < 60


def test_a_service_that_cannot_start_shows_the_end_of_its_log(build, service) -> None:
    supervisor = build([service("web", "import sys; print('no licence'); sys.exit(2)")])
    with pytest.raises(CannotStart, match="no licence") as refusal:
        supervisor.start()
    assert "exit code 2" in refusal.value.problem
    assert "web.log" in refusal.value.next_action


def test_a_service_that_stops_answering_is_said_and_so_is_its_return(build, service, said, monkeypatch) -> None:
    monkeypatch.setattr("caseproof.up.service.ASK_SECONDS", 0.1)
    answers = threading.Event()
    answers.set()
    supervisor = build([service("server", is_ready=answers.is_set)])
    supervisor.start()
    answers.clear()
    watched_until(supervisor, lambda: any("does not answer" in s for s in said), "its silence to be said")
    assert supervisor.service("server").health is Health.SILENT
    answers.set()
    watched_until(supervisor, lambda: "Server is up." in said, "its return to be said")


def test_what_a_service_needs_before_its_start_is_tried_again_when_it_fails_later(build, service, said) -> None:
    refuses = threading.Event()

    def before() -> None:
        if refuses.is_set():
            raise CaseproofError("The disk is full.", "Free some space.")

    supervisor = build([service("database", before=before)])
    supervisor.start()
    refuses.set()
    os.kill(supervisor.service("database").process.pid, signal.SIGKILL)
    watched_until(
        supervisor, lambda: any("The disk is full. Free some space." in s for s in said), "the reason to be said"
    )
    assert supervisor.service("database").health is Health.DOWN
