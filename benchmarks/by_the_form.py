"""How soon people are reached after an emergency is submitted in Prefect's form: alone, and behind a queue of cases.

A real Prefect server on SQLite, and warm workers as ``caseproof up`` has them: one for cases, one for emergencies. What
begins is what was written down before a provider is asked: the slowest of the first mail, card and call counts.
``python -m benchmarks.by_the_form`` measures alone.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import httpx

from caseproof.domain.emergency.paging import paging_of
from caseproof.domain.emergency.raising import ShortCase
from caseproof.procedure.escalation.opening import short_case_opener
from caseproof.procedure.paging.raising import end_emergency
from caseproof.procedure.paging.watch import going_on
from caseproof.up.plan import EMERGENCY_POOL, POOL
from caseproof.up.processes import wait_until
from sandbox.emergency import EmergencyWorld, emergency_world, prefect_beside
from sandbox.processes import answered

TIMES, SOON = 20, 2.0
QUEUED, TIMES_BEHIND = 40, 3
AT_ONCE = 2
"""So many of the queued cases run at the same time, the rest wait in their pool."""
COMMAND = "python -m benchmarks.by_the_form"


def figures() -> list[dict[str, Any]]:
    """The figures, as ``make bench`` writes them down."""
    with (
        tempfile.TemporaryDirectory() as folder,
        emergency_world(Path(folder) / "home", {}) as world,
        prefect_beside(world, EMERGENCY_POOL, POOL) as server,
        server.client() as client,
    ):
        form = Form(world, client)
        form.seconds()  # the first warms up what is read once
        alone = [form.seconds() for _ in range(TIMES)]
        queue = Queue(world, client)
        behind, lengths = [], []
        for _ in range(TIMES_BEHIND):
            queue.fill()
            behind.append(form.seconds(queue.begin))
            lengths.append(queue.length)
            queue.clear()
    return [
        _row(
            "by Prefect's form, a warm worker", alone, f"asked for: {SOON:g} s"
        ),
        _row(
            f"by Prefect's form behind {QUEUED} queued cases ({min(lengths)} of them still waited once it was reached)",
            behind,
            f"asked for: {SOON:g} s; without the queue {median(alone):.2f} s",
        ),
    ]  # fmt: skip


def _row(what: str, seconds: list[float], baseline: str) -> dict[str, Any]:
    took = median(seconds)
    return {
        "figure": f"one emergency {what}: the slowest of the first mail, card and call begins {took:.2f} s after it is"
        f" submitted (median of {len(seconds)}, the longest {max(seconds):.2f} s)",
        "baseline": baseline,
        "ratio": round(took / SOON, 3),
        "target": "<= 1",
        "ok": took <= SOON,
        "command": COMMAND,
    }


@dataclass
class Form:
    """The emergency's form in Prefect, to be submitted again and again; ``number`` is how often it was."""

    world: EmergencyWorld
    client: httpx.Client
    number: int = 0

    def __post_init__(self) -> None:
        self._deployment = _deployment(self.client, "emergency/emergency")

    def seconds(self, before: Any = lambda: None) -> float:
        """From its submitting until mail, card and call have begun; then it is over, and nobody is called any more.

        ``before`` is done right before it is submitted.
        """
        store, self.number = self.world.services.store, self.number + 1
        said = {
            "what_is_down": "payments are down", "what_was_seen": "The checkout says 500.", "site": "shop.example.com",
            "client": f"Shop {self.number}", "what_they_say": "Nobody can pay.", "raised_by": "operator",
        }  # fmt: skip
        known = set(going_on(store))
        before()
        submitted = datetime.now(UTC)
        path = f"deployments/{self._deployment}/create_flow_run"
        answered(self.client, "POST", path, json={"parameters": said}).raise_for_status()
        (ref,) = wait_until("the emergency to be raised", lambda: set(going_on(store)) - known, 60, every=0.05)

        def begun() -> dict[str, datetime]:
            paging = paging_of(store.case(ref))
            return {one.channel: one.begun for one in reversed(paging.attempts)} if paging is not None else {}

        wait_until("mail, card and call to begin", lambda: len(begun()) == 3, 60, every=0.05)
        end_emergency(store, self.world.services.clock, ref, "operator", "It was a measurement.")
        return (max(begun().values()) - submitted).total_seconds()


@dataclass
class Queue:
    """Support cases whose runs wait in the pool of cases, which lets few of them run at once."""

    world: EmergencyWorld
    client: httpx.Client
    number: int = 0

    def __post_init__(self) -> None:
        self._deployment = _deployment(self.client, "escalation/escalation")
        self._pool(concurrency_limit=AT_ONCE)

    def fill(self) -> None:
        """Give so many new cases their runs, none of which begins yet."""
        self._pool(is_paused=True)
        services = self.world.services
        write = short_case_opener(services.ledger, services.files, services.policy)
        path = f"deployments/{self._deployment}/create_flow_run"
        for _ in range(QUEUED):
            self.number += 1
            ref = write(ShortCase(f"Client {self.number}", "The printer prints nothing."), "operator")
            answered(self.client, "POST", path, json={"parameters": {"case": ref}}).raise_for_status()
        if self.length < QUEUED:
            raise AssertionError(f"{self.length} cases are queued, and not {QUEUED}.")

    def begin(self) -> None:
        """Let them begin, as many at once as the pool takes."""
        self._pool(is_paused=False)

    @property
    def length(self) -> int:
        """How many wait."""
        count: int = answered(self.client, "POST", "flow_runs/count", json=self._waiting).raise_for_status().json()
        return count

    def clear(self) -> None:
        """Delete those that still wait: each of them would take a second and more."""
        self._pool(is_paused=True)
        for run in answered(self.client, "POST", "flow_runs/filter", json=self._waiting).raise_for_status().json():
            answered(self.client, "DELETE", f"flow_runs/{run['id']}")

    @property
    def _waiting(self) -> dict[str, Any]:
        waits = {"type": {"any_": ["SCHEDULED"]}}
        return {"deployments": {"id": {"any_": [self._deployment]}}, "flow_runs": {"state": waits}}

    def _pool(self, **change: object) -> None:
        answered(self.client, "PATCH", f"work_pools/{POOL}", json=change).raise_for_status()


def _deployment(client: httpx.Client, name: str) -> str:
    found: str = answered(client, "GET", f"deployments/name/{name}").raise_for_status().json()["id"]
    return found


if __name__ == "__main__":
    for row in figures():
        print(f"{row['figure']}: {row['ratio']} ({row['target']}; against {row['baseline']})")  # noqa: T201
