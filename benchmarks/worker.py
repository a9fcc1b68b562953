"""What a flow run costs and how soon it begins: the warm worker against Prefect's process worker, in turns.

One Prefect server and one PostgreSQL for both; one work pool, served by one worker and then by the other, twice. The
cases are real ones: jobs of the job farm, stopped and their retailers told by mail, whose runs suspend at the question
for the retailer's word; the answer is written down as the confirmation page does, and wakes them.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil

from caseproof.config.policy import BUILT_IN
from caseproof.up.deployments import write_prefect_file
from caseproof.up.postgres import EmbeddedPostgres
from caseproof.up.prefect_services import CASES_WORKER, STOCK, WARM, deploy_command, worker_command
from caseproof.up.processes import Process, wait_until
from sandbox.farm import Farm, farm_of, start_farm
from sandbox.mailbox import Mailbox
from sandbox.processes import PrefectServer, start_prefect_server
from sandbox.world import PLATFORM, World

ROOT = Path(__file__).resolve().parents[1]
POOL, EMERGENCY_POOL = "caseproof", "caseproof-emergency"
ROUNDS = 2
RUNS = 12
"""Runs without work of their own, for the cost of one."""
CASES = 40
"""Cases that get their runs at once."""
ANSWERS = 5
TOGETHER = 8
"""Runs that are at work at once, for their memory."""
SETTLE_SECONDS = 8.0
"""The warm worker's server is ready by then; a worker that has stood for a while is what is measured."""
POLLS = {WARM: None, STOCK: None, "stock, 3 s": "3"}
"""How often each looks for runs: None is Prefect's own 10 seconds; 3 is what `caseproof up --stock-worker` sets."""


@dataclass
class Measured:
    """What was measured of one worker."""

    cpu: list[float] = field(default_factory=list)
    throughput: list[float] = field(default_factory=list)
    latency: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)


def figures() -> list[dict[str, Any]]:
    """The figures, as ``make bench`` writes them down."""
    found = {name: Measured() for name in POLLS}
    with tempfile.TemporaryDirectory() as folder, _place(Path(folder)) as place:
        for _ in range(ROUNDS):
            for name in (STOCK, WARM):
                with place.worker(name) as worker:
                    found[name].cpu.append(place.cpu_of_a_run(worker))
                    found[name].throughput.append(place.started_a_second())
                    found[name].latency += place.answered()
                    found[name].memory.append(place.memory_together(worker))
        with place.worker("stock, 3 s"):
            found["stock, 3 s"].latency += place.answered()
    stock, warm, often = found[STOCK], found[WARM], found["stock, 3 s"]
    return [
        _figure(
            "CPU-seconds a run without work of its own (worker and children)",
            min(warm.cpu), min(stock.cpu), 1 / 5, at_least=False,
        ),
        _figure(
            f"case runs started and suspended a second, {CASES} at once",
            max(warm.throughput), max(stock.throughput), 4, at_least=True,
        ),
        _figure(
            f"seconds from an answer to the case's next step, median of {len(warm.latency)}",
            statistics.median(warm.latency), statistics.median(stock.latency), 1 / 5, at_least=False,
            also=f" (polling every 3 s: {statistics.median(often.latency):.2f})",
        ),
        _figure(
            f"MB of {TOGETHER} runs at once, with their worker (proportional set size)",
            min(warm.memory), min(stock.memory), 1 / 2, at_least=False,
        ),
    ]  # fmt: skip


def _figure(
    what: str, ours: float, baseline: float, target: float, *, at_least: bool, also: str = ""
) -> dict[str, Any]:
    ratio = ours / baseline
    return {
        "figure": f"{what}: {ours:.2f}",
        "baseline": f"the stock process worker: {baseline:.2f}{also}",
        "ratio": round(ratio, 3),
        "target": f"{'>=' if at_least else '<='} {target:g}",
        "ok": ratio >= target if at_least else ratio <= target,
        "command": "python -m benchmarks.worker",
    }


@dataclass
class Place:
    """A Prefect server, a home with cases that can be opened, and no worker yet."""

    world: World
    farm: Farm
    jobs: Iterator[str]
    flows: dict[str, str] = field(default_factory=dict)
    asleep: list[str] = field(default_factory=list)
    """Cases that wait for their retailer's word."""

    @contextmanager
    def worker(self, name: str) -> Iterator[psutil.Process]:
        """Serve the pool with this worker."""
        env = {**CASES_WORKER, **self.world.env(), "PREFECT_LOGGING_LEVEL": "WARNING"}
        if seconds := POLLS[name]:
            env["PREFECT_WORKER_QUERY_SECONDS"] = seconds
        command = worker_command(POOL, f"bench {name}", stock=name != WARM)
        log = self.world.home / "logs" / f"{name}.log"
        process = Process.start(f"{name} worker", command, cwd=self.world.home, env=env, log=log)
        try:
            is_online = self.world.server.api.is_online
            process.wait_until_ready("the worker to be online", lambda: is_online(POOL, f"bench {name}"), 60)
            time.sleep(SETTLE_SECONDS)
            yield psutil.Process(process.pid)
        finally:
            process.stop()

    def cpu_of_a_run(self, worker: psutil.Process) -> float:
        """What worker and children spend on a run."""
        before = _cpu(worker)
        runs = [self._begin("nothing") for _ in range(RUNS)]
        self._wait_for(runs, {"COMPLETED"}, 300)
        wait_until("the processes to end", lambda: not _engines(worker), 60)
        return (_cpu(worker) - before) / RUNS

    def started_a_second(self) -> float:
        """Open cases, give all of them runs at once, and see them suspended."""
        from tasks.runs.case_runs import give_runs

        services = self._services()
        refs = [self._open(next(self.jobs)) for _ in range(CASES)]
        begun = time.monotonic()
        given = give_runs(services, refs)
        if given != CASES:
            raise AssertionError(f"{given} of {CASES} cases got a run.")
        with services.store.reading() as uow:
            runs = [str(row.flow_run) for row in uow.cases.of_refs(refs)]
        self._wait_for(runs, {"PAUSED"}, 900)
        took = time.monotonic() - begun
        self.asleep += refs
        return CASES / took

    def answered(self) -> list[float]:
        """How long after its answer each of some cases takes its next step."""
        found = []
        with self.world.listening():
            for _ in range(ANSWERS):
                found.append(self._answer(self.asleep.pop()))
        return found

    def memory_together(self, worker: psutil.Process) -> float:
        """Megabytes of some runs that are at work, and of the worker."""
        until = self.world.home / f"until-{time.monotonic_ns()}"
        runs = [self._begin("wait", until=str(until)) for _ in range(TOGETHER)]
        self._wait_for(runs, {"RUNNING"}, 300)
        time.sleep(2)
        used = sum(_proportional(one) for one in (worker, *worker.children(recursive=True)))
        until.touch()
        self._wait_for(runs, {"COMPLETED"}, 120)
        return used / 1e6

    # -- what the figures are made of ----------------------------------------------------------------------------------

    def _services(self) -> Any:
        from tasks.common import services

        return services()

    def _open(self, job: str) -> str:
        from caseproof.procedure.containment.opening import Request
        from tasks.runs.case_runs import open_and_stop

        request = Request(PLATFORM, job, by="benchmark", how="the benchmark", cause="expired_token")
        return open_and_stop(self._services(), request)[0]

    def _answer(self, ref: str) -> float:
        from caseproof.procedure.answers.manual_confirmation import confirm_by_form

        services = self._services()
        with services.store.reading() as uow:
            row = uow.cases.of_refs([ref])[0]
        run, contact = str(row.flow_run), _contact(int(str(row.retailer).removeprefix("Shop ")))
        said = {"words": "We renewed the token.", "sender": contact, "recorded_by": "operator"}
        answered = time.time()
        confirm_by_form(services.ledger, services.files, ref, **said)

        def next_step() -> float | None:
            asked = {"flow_runs": {"id": {"any_": [run]}}, "sort": "EXPECTED_START_TIME_DESC", "limit": 10}
            found = self.world.call(self.world.server, "POST", "task_runs/filter", json=asked).json()
            started = [datetime.fromisoformat(one["start_time"]).timestamp() for one in found if one["start_time"]]
            return min((one for one in started if one > answered), default=None)

        return wait_until(f"{ref} to take its next step", next_step, 120, 0.5) - answered

    def _begin(self, flow: str, **parameters: str) -> str:
        path = f"deployments/{self.flows[flow]}/create_flow_run"
        return str(self.world.call(self.world.server, "POST", path, json={"parameters": parameters}).json()["id"])

    def _wait_for(self, runs: Sequence[str], states: set[str], seconds: float) -> None:
        asked = {"flow_runs": {"id": {"any_": list(runs)}}, "limit": 200}

        def all_there() -> bool:
            found = self.world.call(self.world.server, "POST", "flow_runs/filter", json=asked).json()
            if wrong := [one for one in found if one["state_type"] in {"CRASHED", "FAILED", "CANCELLED"}]:
                raise AssertionError(f"{len(wrong)} runs went wrong: {wrong[0]['state']['message']}")
            return sum(one["state_type"] in states for one in found) == len(runs)

        wait_until(f"{len(runs)} runs to be {' or '.join(sorted(states))}", all_there, seconds, 0.5)

    def deploy(self, flow: str) -> None:
        """Deploy a flow of ``worker_flows.py`` from where it lies."""
        call: Callable[..., Any] = self.world.call
        made = call(self.world.server, "POST", "flows/", json={"name": flow}).json()
        asked = {
            "name": flow, "flow_id": made["id"], "entrypoint": f"worker_flows.py:{flow}", "work_pool_name": POOL,
            "pull_steps": [
                {"prefect.deployments.steps.set_working_directory": {"directory": str(ROOT / "benchmarks")}}
            ],
            "enforce_parameter_schema": False,
        }  # fmt: skip
        self.flows[flow] = call(self.world.server, "POST", "deployments/", json=asked).json()["id"]


@contextmanager
def _place(folder: Path) -> Iterator[Place]:
    home = folder / "home"
    home.mkdir()
    cases = ROUNDS * 2 * CASES
    with ExitStack() as stack:
        cluster = stack.enter_context(EmbeddedPostgres(folder / "postgres", durable=False).running())
        for name in ("prefect", "caseproof"):
            cluster.ensure_database(name)
        prefect = {"PREFECT_SERVER_DATABASE_CONNECTION_URL": cluster.url("prefect", "postgresql+asyncpg")}
        server = start_prefect_server(folder / "prefect", env=prefect)
        stack.callback(server.stop)
        farm = stack.enter_context(start_farm(folder / "farm", farm_of(cases, failing=cases, runs=9)))
        mailbox = stack.enter_context(Mailbox(folder=folder / "mail"))
        database = {"CASEPROOF_DATABASE_URL": cluster.url("caseproof", "postgresql+psycopg")}
        jobs_server = _elsewhere(farm, server)
        world = World(home, server, jobs_server, mailbox, "http://127.0.0.1:9", extra_env=database)
        place = Place(world, farm, iter(list(farm.jobs())))
        _set_up(place)
        yield place


def _elsewhere(farm: Farm, server: PrefectServer) -> PrefectServer:
    """The farm in the place of the customers' Prefect server."""
    return PrefectServer(server.process, server.home, farm.api_url, farm.url)


def _set_up(place: Place) -> None:
    """What an operator does once; from here on this process is one of the installation."""
    text = BUILT_IN.read_text(encoding="utf-8")
    text = text.replace("runs_at_once: 8", "runs_at_once: 1000", 1).replace("per_minute: 60", "per_minute: 100000", 1)
    (place.world.home / "policy.yaml").write_text(text, encoding="utf-8")
    os.environ.update(place.world.env())
    from prefect_email import EmailServerCredentials

    from blocks.desks import EmbeddedDesk
    from blocks.platforms import PrefectJobs

    services = place._services()
    wait_until("the work pools", lambda: all(map(place.world.server.api.ensure_pool, (POOL, EMERGENCY_POOL))), 30)
    file = write_prefect_file(place.world.home / "prefect-file", services.policy)
    subprocess.run(deploy_command(str(file)), env=place.world.env(), cwd=file.parent, check=True, capture_output=True)  # noqa: S603
    for name in ("daily-job-check", "case-keeper", "case-report", "retailer-inbox"):
        place.world.pause(name)
    PrefectJobs(api_url=place.farm.api_url, ui_url=place.farm.url).save(PLATFORM, overwrite=True)
    EmbeddedDesk().save(services.policy.desk, overwrite=True)
    host, port = place.world.mailbox.host, place.world.mailbox.port
    EmailServerCredentials(smtp_server=host, smtp_port=port, smtp_type="INSECURE").save(services.policy.mail.account)
    with services.store.uow() as uow:
        for number in range(ROUNDS * 2 * CASES // 3 + 1):
            uow.people.add_contact(f"Shop {number:04}", _contact(number), "Shop owner")
        uow.commit()
    for flow in ("nothing", "wait"):
        place.deploy(flow)


def _contact(number: int) -> str:
    return f"owner@shop-{number:04}.example.com"


def _cpu(worker: psutil.Process) -> float:
    """CPU-seconds of a worker and its children, those that live and those that ended."""
    total = 0.0
    for one in (worker, *worker.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            times = one.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def _engines(worker: psutil.Process) -> list[psutil.Process]:
    """The processes of runs: all below the worker but a server that they are forked from."""
    found = []
    for one in worker.children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # it has just ended
            if "warm_worker.forkserver" not in one.cmdline() or one.ppid() != worker.pid:
                found.append(one)
    return found


def _proportional(process: psutil.Process) -> float:
    return float(process.memory_full_info().pss)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(figures(), indent=2) + "\n")
