"""A real process that is killed by the very system it talks to, right after the effect and before the answer."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from caseproof.channels.outbound.mail import MailAccount, send
from caseproof.config.clock import utc_now
from caseproof.domain.job_failure.kinds import Kind
from caseproof.platforms.prefect import PrefectJobsClient
from caseproof.procedure.containment.containment import contain
from caseproof.procedure.notify.telling import tell_retailer
from sandbox.mailbox import Mailbox
from tests.support.world import JOB, World

ROOT = Path(__file__).parents[2]
DEPLOYMENT = "11111111-1111-4111-8111-111111111111"


class Killer:
    """Knows the process that is to die, and kills it once; keeps what it was told about the effect."""

    def __init__(self) -> None:
        self.victim: subprocess.Popen[str] | None = None
        self.seen: list[Any] = []

    def __call__(self, what: Any) -> None:
        if self.victim is not None:
            victim, self.victim = self.victim, None
            self.seen.append(what)
            os.kill(victim.pid, signal.SIGKILL)
            victim.wait(60)


class SmallPrefect:
    """The few routes of Prefect's API that a stop uses, over one deployment and its queued runs."""

    def __init__(self, killer: Killer) -> None:
        self.paused = False
        self.queued = ["run-1", "run-2"]
        self.pauses = 0
        small = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.answer(200, small.deployment() if "/deployments/name/" in self.path else {})

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if self.path.endswith("/pause_deployment"):
                    small.paused = True
                    small.pauses += 1
                    killer("paused")
                    self.answer(204, None)
                elif self.path.endswith("/flow_runs/paginate"):
                    page = [small.run(name) for name in small.queued]
                    self.answer(200, {"results": page, "count": len(page)})
                elif self.path.endswith("/set_state"):
                    small.queued.remove(self.path.split("/")[-2])
                    self.answer(201, {"status": "ACCEPT"})
                else:
                    self.answer(404, {"detail": self.path})

            def answer(self, status: int, what: Any) -> None:
                body = b"" if what is None else json.dumps(what).encode()
                try:
                    self.send_response(status)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    pass  # the one who asked is dead

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def deployment(self) -> dict[str, Any]:
        return {
            "id": DEPLOYMENT, "name": "feed-a", "flow_id": "flow-1", "paused": self.paused, "tags": ["retailer:Shop A"],
            "schedules": [{"active": True}],
        }  # fmt: skip

    @staticmethod
    def run(name: str) -> dict[str, Any]:
        return {
            "id": name, "name": name, "flow_id": "flow-1", "deployment_id": DEPLOYMENT, "state_type": "SCHEDULED",
            "state_name": "Scheduled", "run_count": 0, "start_time": None, "end_time": None,
        }  # fmt: skip


@pytest.fixture
def killer() -> Killer:
    return Killer()


@pytest.fixture
def small_prefect(killer: Killer) -> Iterator[SmallPrefect]:
    small = SmallPrefect(killer)
    yield small
    small.server.shutdown()
    small.server.server_close()


def dies(killer: Killer, world: World, step: str, ref: str, url: str) -> None:
    """Let a process of its own take a step; it must not live to its end."""
    command = [sys.executable, str(ROOT / "tests" / "support" / "procedure_child.py"), step, str(world.home), ref, url]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CASEPROOF_")}
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, env=environment | {"PYTHONPATH": str(ROOT)}, cwd=ROOT, text=True, **pipes) as child:
        killer.victim = child
        try:
            told, complaints = child.communicate("go\n", timeout=240)
        finally:
            child.kill()
    assert (child.returncode, told) == (-signal.SIGKILL, ""), complaints
    assert len(killer.seen) == 1


def live_again(world: World) -> None:
    """The next process, after the dead one's time is up; the clock is the real one, which the child used, too."""
    world.clock.now = utc_now() + timedelta(minutes=2)
    world.restart()


def test_a_process_killed_between_the_pause_and_its_answer_leaves_a_stop_that_is_read_back(
    world: World, killer: Killer, small_prefect: SmallPrefect
) -> None:
    world.clock.now = utc_now()
    ref = world.open()
    dies(killer, world, "stop", ref, small_prefect.url)
    assert small_prefect.paused
    assert world.kinds(ref) == [Kind.OPENED]
    live_again(world)
    with PrefectJobsClient(f"{small_prefect.url}/api", small_prefect.url, sleep=world.sleep) as platform:
        case = contain(world.services.stopping, platform, ref)
    assert case.contained.event.kind is Kind.STOPPED
    assert [(job["was_active"], job["active"], job["waiting"]) for job in case.stopped_jobs] == [(True, False, 0)]
    assert small_prefect.queued == [], "the dead process had cancelled none of them"
    assert case.stopped_jobs[0]["job"] == JOB


def test_a_process_killed_between_the_mail_and_its_answer_sends_the_same_message_again(
    world: World, killer: Killer
) -> None:
    world.clock.now = utc_now()
    ref = world.open()
    world.walk(ref, until="ticket")
    with Mailbox(on_message=killer) as mailbox:
        dies(killer, world, "tell", ref, f"smtp://127.0.0.1:{mailbox.port}")
        assert Kind.NOTICE_SENT not in world.kinds(ref)
        live_again(world)
        account = MailAccount("127.0.0.1", mailbox.port, "plain", None, "", timeout_seconds=10)
        tell_retailer(
            world.services.ledger,
            world.services.dispatch(lambda content, sender, to: send(account, content, sender=sender, recipients=to)),
            world.services.policy,
            ref,
        )
        second = mailbox.wait_for(1, seconds=60)[-1]
    [first] = killer.seen
    assert (first.content, first.mail_from, tuple(first.rcpt_tos)) == (second.raw, second.mail_from, second.rcpt_tos)
    assert second.parsed["Message-ID"] == world.case(ref).notice["message_id"]
    assert world.count(ref, Kind.NOTICE_SENT) == 1
    assert world.walk(ref).is_closed
