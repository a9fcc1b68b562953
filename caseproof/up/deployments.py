"""The deployments as this installation wants them: the shipped prefect.yaml with the policy's times."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from caseproof.policy import Times
from caseproof.shipped import shipped


def write_prefect_file(folder: Path, times: Times) -> Path:
    """Write the prefect.yaml to deploy into ``folder``; gives its path.

    Prefect replaces a deployment's schedules at every deploying, so a time that somebody chose in its UI would be lost;
    the policy's is not.
    """
    wanted = yaml.safe_load(shipped("prefect.yaml").read_text(encoding="utf-8"))
    for deployment in wanted["deployments"]:
        if deployment.get("schedules"):
            deployment["schedules"] = [schedule_of(deployment["name"], times)]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "prefect.yaml"
    path.write_text(yaml.safe_dump(wanted, sort_keys=False), encoding="utf-8")
    return path


def schedule_of(deployment: str, times: Times) -> dict[str, Any]:
    """The schedule of one of our deployments, as prefect.yaml writes it."""
    lines = {"daily-job-check": times.check, "case-report": times.report}
    if deployment in lines:
        return {"cron": lines[deployment], "timezone": times.timezone}
    return {"interval": times.keeper_minutes * 60}
