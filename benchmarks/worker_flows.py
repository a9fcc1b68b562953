"""What the worker's figures run: a flow that does nothing, and one that has the case flow imported and waits."""

from __future__ import annotations

import time
from pathlib import Path

from prefect import flow

from flows.job_failure_case import job_failure_case

_ = job_failure_case  # what a case's run has in memory


@flow
def nothing() -> None:
    """No work of its own: what it costs is Prefect's and the worker's."""


@flow
def wait(until: str) -> None:
    """Stay at work until there is a file of this name."""
    while not Path(until).exists():
        time.sleep(0.2)
