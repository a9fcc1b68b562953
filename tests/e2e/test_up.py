"""`caseproof up --postgres`: it starts everything once, and whatever of it is killed, cases go on."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import httpx
import psutil
import pytest

from caseproof.domain.case import Case
from caseproof.domain.errors import CaseproofError
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.vocabulary import Decision
from caseproof.evidence.proof import verify_proof
from caseproof.procedure.closing.proving import proof_path
from caseproof.up.processes import wait_until
from sandbox.world import World
from tests.support.foreign_page import Spoils, attacked, browser_tab
from tests.support.loopback import Loopback
from tests.support.own_job import OwnJob, deploy
from tests.support.up_house import SERVICES, UpHouse, up_house

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

ANSWERS = {
    "retailers-word": {"answered_by": "operator", "what": "decide without the retailer's word"},
    "decision": {"answered_by": "operator", "decision": Decision.AFTER_FIX, "reason": "Mended and looked at."},
    "review": {"answered_by": "team lead", "verdict": "approve"},
    "try-again": {"answered_by": "operator", "remark": "It is up again."},
}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UpHouse]:
    home = tmp_path_factory.mktemp("up") / "home"
    quick = {"CASEPROOF_RETRY_DELAYS": "[1, 2]", "PREFECT_WORKER_QUERY_SECONDS": "1"}
    with up_house(home, "--postgres", env=quick) as running:
        yield running


def test_everything_asks_for_the_password_and_listens_on_loopback_alone(house: UpHouse) -> None:
    api = house.world.server.api_url
    answer = httpx.post(f"{api}/flow_runs/filter", json={}, timeout=60, trust_env=False)
    assert answer.status_code == httpx.codes.UNAUTHORIZED
    for part in SERVICES:
        identity = house.identity(part)
        assert identity is not None
        process = psutil.Process(identity.pid)
        listening = [one.laddr.ip for p in (process, *process.children(recursive=True)) for one in _listening(p)]
        assert set(listening) <= {"127.0.0.1"}, part


def _listening(process: psutil.Process) -> list[Any]:
    return [one for one in process.net_connections("inet") if one.status == psutil.CONN_LISTEN]


def test_the_password_is_in_one_file_for_its_owner_alone_and_nowhere_else(house: UpHouse) -> None:
    home, secret = house.world.home, house.password.partition(":")[2]
    assert len(secret) >= 32
    kept = home / "keys" / "prefect-password"
    assert (kept.stat().st_mode & 0o777, kept.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert secret not in house.said
    assert "caseproof keys prefect" in house.said, "where nobody watches it says how to see it"
    files = [path for path in home.rglob("*") if path.is_file() and path != kept and "ui" not in path.parts]
    assert [path for path in files if secret.encode() in path.read_bytes()] == []
    everything = psutil.Process(house.process.pid).children(recursive=True)
    assert [process for process in everything if secret in " ".join(process.cmdline())] == []
    deployments = World.call(house.world.server, "POST", "deployments/filter", json={}).text
    assert "job-failure-case" in deployments
    assert secret not in deployments


def test_a_page_of_another_origin_reads_nothing_and_does_nothing(house: UpHouse) -> None:
    """A block's password, a case's form, a run's state, a new deployment: in a real browser, by every way it has."""
    with browser_tab() as tab, Loopback({"/": (200, {"Content-Type": "text/html"}, b"<h1>Cat pictures</h1>")}) as page:
        tab.goto(page.url)
        open_server, ours = house.world.jobs_server, house.world.server
        spoils = attacked(tab, open_server, 120)
        assert spoils == Spoils(read=True, resumed=True, completed=True, deployed=True, listened=True), "an open door"
        assert attacked(tab, ours) == Spoils()
        tab.goto(page.url.replace("127.0.0.1", "localhost"))
        assert attacked(tab, ours) == Spoils(), "nor by the other name of this machine"


def test_a_name_that_somebody_else_has_lead_to_this_machine_opens_nothing(house: UpHouse) -> None:
    """To the browser that page and our server are one (DNS rebinding); but it has no password to send."""
    api = house.world.server.api_url
    answer = httpx.post(
        f"{api}/flow_runs/filter", json={}, headers={"Host": "rebound.example.com"}, timeout=60, trust_env=False
    )
    assert answer.status_code == httpx.codes.UNAUTHORIZED


def test_an_operator_logs_in_with_the_line_that_the_command_prints(house: UpHouse) -> None:
    """At ``localhost``, whose page calls the server by its other name: that origin is let in."""
    with browser_tab() as tab:
        tab.goto(f"{house.world.server.ui_url.replace('127.0.0.1', 'localhost')}/deployments")
        tab.locator("input[type=password]").fill(house.password)
        tab.keyboard.press("Enter")
        tab.get_by_text("job-failure-case").first.wait_for()


def test_a_second_up_finds_what_runs_and_starts_nothing_twice(house: UpHouse) -> None:
    before = {part: house.identity(part) for part in SERVICES}
    second = house.world.python("-m", "caseproof.cli", "up", "--postgres").stdout
    assert f"process {house.process.pid}" in second
    assert house.world.server.ui_url in second
    assert second.count(" up ") >= len(SERVICES), "one line a part, each of them healthy"
    assert {part: house.identity(part) for part in SERVICES} == before


@pytest.mark.timeout(3600)
def test_the_case_goes_on_and_closes_whichever_part_is_killed(house: UpHouse, kills: int, full_run: bool) -> None:
    """Each part is killed so often, at random moments of cases; nobody does anything but answer the forms.

    The short run kills what a case goes through in any event; the others, the full one.
    """
    seed = random.randrange(10**6)
    moments = random.Random(seed)
    victims = [part for part in SERVICES if full_run or part in ("server", "worker", "keeper", "database")] * kills
    moments.shuffle(victims)
    number = 0
    while victims:
        number += 1
        _a_case_with_kills(house, victims, moments, f"killed-{number}", seed)


def _a_case_with_kills(house: UpHouse, victims: list[str], moments: random.Random, name: str, seed: int) -> None:
    """Carry one case from its job to its closing while parts of the list are killed, one after the other."""
    world = house.world
    job = deploy(world, name)
    job.mend()
    closed = threading.Event()
    operator = _Operator(world, job, closed)
    operator.start()
    killed = []
    while victims and not closed.wait(moments.uniform(0, 6)):  # a case takes some twenty seconds
        killed.append(victims.pop())
        house.await_another(killed[-1], than=house.kill(killed[-1]))
    operator.join(1300)
    about = f"killed: {', '.join(killed)}; seed {seed}; the house said:\n{house.said[-3000:]}"
    assert operator.case is not None, f"no case closed: {operator.trouble}; {about}"
    _nothing_lost_nothing_twice(world, job, operator.case, about)


class _Operator(threading.Thread):
    """Opens a case and answers its forms until it is closed; tries again whenever something does not answer."""

    def __init__(self, world: World, job: OwnJob, closed: threading.Event) -> None:
        super().__init__(daemon=True)
        self.world, self.job, self.closed = world, job, closed
        self.case: Case | None = None
        self.trouble = ""

    def run(self) -> None:
        try:
            ref = wait_until("the case to be opened", self._open, 300, every=1)
            self.case = wait_until("the case to be closed, with its ticket", lambda: self._look(ref), 900, every=1)
        except (TimeoutError, AssertionError) as error:
            self.trouble = f"{error} {self.trouble}"
        self.closed.set()

    def _open(self) -> str | None:
        done = self.world.python(
            "-m", "caseproof.cli", "case", "open", "--platform", "sandbox", "--job", self.job.id, "--cause", "feed",
            "--json", ok=False,
        )  # fmt: skip
        self.trouble = done.stderr
        with suppress(CaseproofError), self.world.services.store.reading() as uow:
            return next((row.ref for row in uow.cases.rows() if row.job == self.job.id), None)
        return None

    def _look(self, ref: str) -> Case | None:
        with suppress(CaseproofError, httpx.HTTPError, TimeoutError):
            case = self.world.services.ledger.case(ref)
            if case.ticket_closed is not None:
                return case
            # As in the UI, where a person answers whatever run waits: two may have asked, and one of them have died.
            for number in sorted(case.asked.keys() - case.answered.keys(), reverse=True):
                self._answer(case.asked[number]["flow_run"], number, case.asked[number]["form"])
        return None

    def _answer(self, flow_run: str, number: int, form: str) -> None:
        state = self.world.flow_run(flow_run)["state"]
        if state["type"] == "PAUSED" and state["state_details"]["pause_key"] == f"question-{number}":
            with self.world.server.client() as client:
                client.post(f"flow_runs/{flow_run}/resume", json={"run_input": ANSWERS[form]})


def _nothing_lost_nothing_twice(world: World, job: OwnJob, case: Case, about: str) -> None:
    proof = proof_path(world.services.proofs, case)
    assert proof is not None
    assert all(check.ok for check in verify_proof(proof)), about
    assert case.photo["url"].startswith(world.jobs_server.ui_url), "the picture is the customers' own page"
    got: dict[str, set[bytes]] = {}
    for mail in world.mailbox.messages:
        if job.contact in mail.rcpt_tos:
            got.setdefault(mail.parsed["Message-ID"], set()).add(mail.raw)
    # The notice always; that it works again where its mail was out before this look.
    assert sum("recovery" not in name for name in got) == 1, f"one notice, not lost and not made twice; {about}"
    assert all(len(same) == 1 for same in got.values()), f"a mail may come twice, but only as the same one; {about}"
    kinds = Counter(event.kind for event in case.events)
    once = (Kind.OPENED, Kind.STOPPED, Kind.TICKET_OPENED, Kind.NOTICE_SENT, Kind.CLOSED, Kind.TICKET_CLOSED)
    assert {kind: kinds[kind] for kind in once} == dict.fromkeys(once, 1), about
    assert len(job.runs()) == kinds[Kind.RUN_STARTED], f"no run was started twice; {about}"
    with world.services.store.reading() as uow:
        assert len([row for row in uow.tickets.rows() if case.ref in row.subject]) == 1, about


def test_last_of_all_ctrl_c_stops_everything_that_was_started(house: UpHouse) -> None:
    running = [identity for part in SERVICES if (identity := house.identity(part))]
    os.kill(house.process.pid, signal.SIGINT)
    house.process.wait(240)
    assert not [identity for identity in running if identity.is_running]
    assert "Everything that was started here is stopped" in house.said
