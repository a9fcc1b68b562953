"""How much one case asks of Prefect, from open to closed: every request of its programs, counted before the server.

A real Prefect server, a real worker, a job that really runs again, mail and a browser (``sandbox/starting.py``). The
command that opens the case, the worker, the case's runs and their client of the job platform call the server through a
relay each (``benchmarks/relay.py``). What people and the customer's own job ask is not counted, nor what is asked again
and again by the clock: how often that is depends on the machine. ``python -m benchmarks.calls`` measures alone.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.relay import MESSAGE, Relay, relay_before
from caseproof.domain.vocabulary import Decision
from caseproof.up.prefect_services import CASES_WORKER
from caseproof.up.processes import wait_until
from sandbox.processes import start_worker
from sandbox.starting import small_world
from sandbox.world import PLATFORM, ROOT, World

JOB = "marketplace-orders/garden-shop"
POOL = "counted"
AT_FIRST = 224
"""The calls of a case at commit 1296e7c, before what is not needed was cut: counted by this file, with Prefect's own
process worker (a run was then three processes that each read their run anew)."""
TARGET = 0.67
BY_THE_CLOCK: Mapping[str, Sequence[str]] = {
    # A worker looks for runs, says that it lives, and the warm one looks for runs to cancel.
    "worker": (
        "POST work_pools/{pool}/get_scheduled_flow_runs",
        "POST flow_runs/filter",
        "POST deployments/filter",
        "POST logs",
    ),
    "runs": ("POST logs",),  # what was logged is sent every two seconds
    # A run that was started is read until it is over.
    "platform": ("GET flow_runs/{id}",),
}
STATEMENTS = "CASEPROOF_BENCH_STATEMENTS"
"""What names the file for ``benchmarks/counting/sitecustomize.py``."""
PATIENCE_SECONDS = 400.0
"""How long a step may take: calls are counted, not seconds, also where others use the machine."""
QUIET_SECONDS = 4.0
"""When nothing came for so long, the last of the logs and events are there: Prefect sends them every two seconds."""
SAVE_PLATFORM = (
    "import os; from blocks.platforms import PrefectJobs as P; auth = os.environ['PREFECT_API_AUTH_STRING']; "
    "P(api_url={api!r}, ui_url={ui!r}, auth=auth).save({name!r}, overwrite=True)"
)


@dataclass(frozen=True)
class Asked:
    """What one case asked, by who asked it and by kind; and how often the store was asked (``COMMIT``: written to)."""

    of_prefect: Mapping[str, Counter[str]]
    of_the_store: Counter[str]

    def lines(self, *, by_the_clock: bool = False) -> Iterator[tuple[str, str, int]]:
        """Who asked, what, how often."""
        for who, counts in self.of_prefect.items():
            for kind, number in counts.most_common():
                if (kind in BY_THE_CLOCK.get(who, ())) == by_the_clock:
                    yield who, kind, number

    @property
    def calls(self) -> int:
        """Requests; a websocket that is opened is one."""
        return sum(number for _, kind, number in self.lines() if not kind.endswith(MESSAGE))

    @property
    def messages(self) -> int:
        """What was sent over websockets: events."""
        return sum(number for _, kind, number in self.lines() if kind.endswith(MESSAGE))

    @property
    def statements(self) -> int:
        """Statements of SQL."""
        return sum(number for what, number in self.of_the_store.items() if what != "COMMIT")


def figures() -> list[dict[str, Any]]:
    """The figure, as ``make bench`` writes it down, and on the screen what it is made of."""
    asked = one_case()
    _show(asked)
    return [
        {
            "figure": f"calls of Prefect's API for a case from open to closed: {asked.calls}",
            "baseline": f"before what is not needed was cut: {AT_FIRST}",
            "ratio": round(asked.calls / AT_FIRST, 3),
            "target": f"<= {TARGET}",
            "ok": asked.calls / AT_FIRST <= TARGET,
            "command": "python -m benchmarks.calls",
        }
    ]


def one_case() -> Asked:
    """Carry a case from open to closed (J7), and give what it asked."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        world = stack.enter_context(small_world(Path(folder) / "world", lambda _: None, by_itself=False))
        statements = Path(folder) / "statements"
        statements.touch()
        relays = stack.enter_context(_counted(world, statements))
        _carry(world)
        _await_quiet(relays)
        asked = {who: Counter(relay.counts) for who, relay in relays.items()}
        return Asked(asked, Counter(statements.read_text().split()))


@contextmanager
def _counted(world: World, statements: Path) -> Iterator[dict[str, Relay]]:
    """Have everything that the case is carried by call through relays, by who calls."""
    with ExitStack() as stack:
        whose = ("command", "worker", "runs", "platform")
        relays = {who: stack.enter_context(relay_before(world.server.api_url)) for who in whose}
        platform = {"api": relays["platform"].api_url, "ui": world.jobs_server.ui_url, "name": PLATFORM}
        world.python("-c", SAVE_PLATFORM.format(**platform))
        # The path holds the code that is measured, also where another is installed.
        hook = {"PYTHONPATH": os.pathsep.join(map(str, (ROOT / "benchmarks" / "counting", ROOT)))}
        world.extra_env = {**hook, STATEMENTS: str(statements), "PREFECT_API_URL": relays["command"].api_url}
        env = {**CASES_WORKER, **world.env(), "PREFECT_API_URL": relays["worker"].api_url}
        # The worker that `caseproof up` starts.
        worker = start_worker(
            world.server, POOL, world.home, name=POOL, cwd=world.home, env=env, query_seconds=1, stock=False
        )
        stack.callback(worker.stop)
        found = world.call(world.server, "GET", "deployments/name/job-failure-case/job-failure-case").json()
        ours = {"work_pool_name": POOL, "job_variables": {"env": {"PREFECT_API_URL": relays["runs"].api_url}}}
        world.call(world.server, "PATCH", f"deployments/{found['id']}", json=ours)
        for relay in relays.values():
            relay.counts.clear()
        yield relays


def _carry(world: World) -> None:
    """One case, as the team carries it: three questions, and so four processes of its flow run."""
    opened = ("case", "open", "--platform", PLATFORM, "--job", JOB, "--cause", "our_platform", "--by", "operator")
    ref = str(world.caseproof(*opened)["case"])
    world.answer(
        ref,
        "retailers-word",
        seconds=PATIENCE_SECONDS,
        answered_by="operator",
        what="decide without the retailer's word",
    )
    decided = {"decision": Decision.AFTER_FIX.value, "reason": "Seen and settled."}
    world.answer(ref, "decision", seconds=PATIENCE_SECONDS, answered_by="operator", **decided)  # type: ignore[arg-type]
    world.answer(ref, "review", seconds=PATIENCE_SECONDS, answered_by="team lead", verdict="approve")
    run = world.flow_run_of(ref)
    wait_until("the case's run to end", lambda: world.flow_run(run)["state"]["type"] == "COMPLETED", PATIENCE_SECONDS)
    if not world.services.ledger.case(ref).is_closed:
        raise AssertionError("The case did not close.")


def _await_quiet(relays: Mapping[str, Relay]) -> None:
    """Wait for what is sent last."""

    def so_far() -> int:
        return sum(sum(relays[who].counts.values()) for who in ("runs", "platform"))

    before = -1
    while before != (before := so_far()):
        time.sleep(QUIET_SECONDS)


def _show(asked: Asked) -> None:
    table = Table(title="What a case asks of Prefect", title_justify="left", header_style="bold")
    for column in ("Who", "What", "How often"):
        table.add_column(column, overflow="fold")
    for who, kind, number in asked.lines():
        table.add_row(who, kind, str(number))
    table.add_section()
    for who, kind, number in asked.lines(by_the_clock=True):
        table.add_row(who, f"{kind}, by the clock", str(number), style="dim")
    console = Console(width=120)
    console.print(table)
    written = asked.of_the_store["COMMIT"]
    said = f"{asked.calls} calls and {asked.messages} messages; {asked.statements} statements of SQL, {written} commits"
    console.print(said, highlight=False)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(figures(), indent=2) + "\n")
