"""The daily job check: find the jobs that fail, stop them in the same pass, open one case each (J1, J2, J4)."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from tasks.checking import check_all
from tasks.common import KEEP_NOTHING, services
from tasks.display.showing_checks import Progress, show_the_pass, verdict


@flow(name="daily-job-check", flow_run_name="job check", **KEEP_NOTHING)
def daily_job_check(platform: str = "", dry_run: bool = False) -> State[Any]:
    """Find the jobs that fail, stop them, and open one case each.

    Args:
        platform: The name of the saved platform block; empty checks all of them.
        dry_run: Only say what would be done.
    """
    with Progress() as progress:
        checked = check_all(services(), platform, dry_run=dry_run, watcher=progress)
    show_the_pass(checked, dry_run)
    return verdict(checked)
