"""The keys of a prefect.yaml that Prefect goes by. It passes over every other key without a word."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

LOOKED_UP_FOR = "3.9.1"
"""Prefect's version whose documentation and `prefect deploy` were looked at for these keys."""

_ACTIONS = {"build", "push", "pull"}
KEYS = {
    "file": {"prefect-version", "name", "definitions", "deployments", *_ACTIONS},
    "deployment": {
        "name", "version", "version_type", "tags", "description", "schedule", "schedules", "paused",
        "concurrency_limit", "flow_name", "entrypoint", "parameters", "enforce_parameter_schema", "work_pool",
        "triggers", "sla", *_ACTIONS,
    },
    "work_pool": {"name", "work_queue_name", "job_variables"},
    "schedule": {
        "cron", "interval", "rrule", "timezone", "anchor_date", "active", "parameters", "slug", "replaces", "day_or",
    },
    "concurrency_limit": {"limit", "collision_strategy", "grace_period_seconds"},
}  # fmt: skip


def unknown_keys(config: dict[str, Any]) -> list[str]:
    """The keys of a prefect.yaml that Prefect would ignore."""

    def check(kind: str, where: str, mapping: Any) -> Iterator[str]:
        if isinstance(mapping, dict):
            yield from (f"{where}: {key}" for key in mapping if key not in KEYS[kind])

    found = list(check("file", "prefect.yaml", config))
    for deployment in config.get("deployments", []):
        name = deployment.get("name", "a deployment without a name")
        schedules = [*(deployment.get("schedules") or []), deployment.get("schedule")]
        found += check("deployment", name, deployment)
        found += check("work_pool", f"{name}, work_pool", deployment.get("work_pool"))
        found += check("concurrency_limit", f"{name}, limit", deployment.get("concurrency_limit"))
        for schedule in schedules:
            found += check("schedule", f"{name}, schedule", schedule)
    return found
