"""A customer's job that is not part of the sandbox, for the end-to-end tests."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.world import PLATFORM, ROOT, World

FLOW = "nightly-export"


@dataclass
class OwnJob:
    """A customer's job that is not part of the sandbox, with its own retailer and contact."""

    world: World
    name: str
    switch: Path

    @property
    def id(self) -> str:
        return f"{FLOW}/{self.name}"

    @property
    def retailer(self) -> str:
        return f"{self.name}-shop"

    @property
    def contact(self) -> str:
        return f"owner@{self.name}.example.com"

    def mend(self) -> None:
        """Whatever was broken is put right: the next run succeeds."""
        self.switch.touch()

    def spoil(self) -> None:
        """It is broken again: the next run fails."""
        self.switch.unlink()

    def pause(self) -> None:
        """Its schedule starts no more runs."""
        path = f"deployments/{self.deployment()['id']}/pause_deployment"
        self.world.call(self.world.jobs_server, "POST", path)

    def open_case(self, *more: str, platform: str = PLATFORM) -> str:
        """``caseproof case open``, as an operator types it; returns the case's reference."""
        opened = self.world.caseproof("case", "open", "--platform", platform, "--job", self.id, *more)
        return str(opened["case"])

    def deployment(self) -> dict[str, Any]:
        """The deployment as the customers' Prefect server tells it."""
        found: dict[str, Any] = self.world.call(self.world.jobs_server, "GET", f"deployments/name/{self.id}").json()
        return found

    def runs(self, state: str = "") -> list[dict[str, Any]]:
        """All its runs, or those in this state; oldest first."""
        wanted: dict[str, Any] = {"deployments": {"name": {"any_": [self.name]}}, "sort": "EXPECTED_START_TIME_ASC"}
        if state:  # Prefect plans a hundred runs ahead: all of them are much to read
            wanted["flow_runs"] = {"state": {"type": {"any_": [state]}}}
        found: list[dict[str, Any]] = self.world.call(
            self.world.jobs_server, "POST", "flow_runs/filter", json=wanted
        ).json()
        return found


def deploy(world: World, name: str, *, every: int | None = None, says: str = "") -> OwnJob:
    """Deploy a job on the customers' server, as its owner would, and register its contact.

    ``every`` is its schedule in seconds; None leaves it without one. ``says``: what its failures say beside the cause.
    """
    job = OwnJob(world, name, world.home / f"{name}.mended")
    if says:
        Path(f"{job.switch}.says").write_text(says, encoding="utf-8")
    tags = [f"retailer:{job.retailer}", "marketplace:harbour", "connection:harbour-api"]
    asked = [{"name": name, "switch": str(job.switch), "tags": tags, "every": every}]
    subprocess.run(
        [sys.executable, str(ROOT / "tests" / "e2e" / "own_jobs.py")],
        input=json.dumps(asked),
        text=True,
        env=world.jobs_server.env(),
        cwd=world.home,
        check=True,
        capture_output=True,
        timeout=240,
    )
    world.python("-m", "caseproof.cli", "contact", "add", "--retailer", job.retailer, "--address", job.contact)
    return job
