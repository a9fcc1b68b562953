"""The deployments as this installation wants them: the shipped prefect.yaml with the policy's times."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from caseproof.config.policy import Policy, Times
from caseproof.config.shipped import shipped

NET: dict[str, Any] = {"interval": 3600}
"""How often passes are made as flow runs, whatever happens to those that `caseproof up` makes in place."""


def write_prefect_file(folder: Path, policy: Policy) -> Path:
    """Write the prefect.yaml to deploy into ``folder``; gives its path.

    Prefect replaces a deployment's schedules at every deploying, so a time that somebody chose in its UI would be lost;
    the policy's is not.
    """
    wanted = yaml.safe_load(shipped("prefect.yaml").read_text(encoding="utf-8"))
    for deployment in wanted["deployments"]:
        if deployment.get("schedules"):
            deployment["schedules"] = schedules_of(deployment["name"], policy.times, mailbox=policy.answers.mailbox)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "prefect.yaml"
    path.write_text(yaml.safe_dump(wanted, sort_keys=False), encoding="utf-8")
    return path


def schedules_of(deployment: str, times: Times, mailbox: str) -> list[dict[str, Any]]:
    """The schedules of one of our scheduled deployments, as prefect.yaml writes them; an idle one where it runs by
    hand, or where there is no ``mailbox`` for it to read.

    An empty list would leave the schedule of the last deploying at work: Prefect takes it for "nothing said".
    """
    if deployment == "retailer-inbox":
        return [{**NET} if mailbox else {**NET, "active": False}]
    lines = {"daily-job-check": times.check, "case-report": times.report}
    if deployment not in lines:
        return [{**NET}]
    if lines[deployment]:
        return [{"cron": lines[deployment], "timezone": times.timezone}]
    idle = {"daily-job-check": Times().check, "case-report": Times().report}
    return [{"cron": idle[deployment], "timezone": times.timezone, "active": False}]
