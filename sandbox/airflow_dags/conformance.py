# mypy: ignore-errors
"""DAGs of the conformance suite on a real Airflow: a pool a test, of jobs with twins, whose runs end as they are told.

A run ends at once where its conf says how (`end`), or where the schedule started it. Each other one waits for a file
that says it, of its own or of its DAG; a DAG that a file says is gone is not defined any more.
"""

import os
import time
from datetime import UTC, datetime
from pathlib import Path

from airflow.sdk import dag, get_current_context, get_parsing_context, task

POOLS, JOBS = 22, ("a", "b", "c")
SIGNS = Path(os.environ["AIRFLOW_HOME"]) / "signs"
SINCE = datetime.fromtimestamp((SIGNS / "since").stat().st_mtime, UTC)  # else each would run at once for what it missed
YEARLY = "0 4 1 1 *"
ONLY = get_parsing_context().dag_id  # what a task is of: it need not define all the others


@task
def deliver() -> None:
    run = get_current_context()["dag_run"]
    end = "success" if run.run_type == "scheduled" else (run.conf or {}).get("end")
    signs = [SIGNS / f"{run.dag_id}--{run.run_id}", SIGNS / f"{run.dag_id}--all"]
    while end is None:
        end = next((sign.read_text() for sign in signs if sign.exists()), None)
        time.sleep(0.2)
    if end == "failed":
        raise RuntimeError("401 from the marketplace: the token expired")


def defined(dag_id: str, schedule: str | None, *tags: str) -> None:
    if ONLY not in (None, dag_id) or (SIGNS / f"{dag_id}--gone").exists():
        return

    @dag(
        dag_id=dag_id, schedule=schedule, start_date=SINCE, catchup=False, tags=[*tags], max_active_runs=1
    )  # fmt: skip
    def made() -> None:
        deliver()

    made()


def job(name: str, retailer: str, marketplace: str, connection: str) -> None:
    whose = (f"retailer:{retailer}", f"marketplace:{marketplace}", f"connection:{connection}")
    defined(name, YEARLY, *whose)
    defined(f"{name}-again", None, f"rerun-of:{name}", *whose)


for pool in range(1, POOLS):
    for name in JOBS:
        job(f"pool-{pool}-{name}", f"garden-{pool}", "bazaar", "sftp")
for name, *whose in (
    ("a", "garden-0", "bazaar", "sftp"),
    ("b", "garden-0", "bazaar", "sftp"),
    ("elsewhere", "garden-0", "fair", "api"),
    ("theirs", "toy-0", "bazaar", "sftp"),
):
    job(f"pool-0-{name}", *whose)
defined("clock", YEARLY)
