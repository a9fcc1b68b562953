# mypy: ignore-errors
"""DAGs for `make test-airflow`: a feed that fails while a file says so, and its twin."""

import os
from datetime import UTC, datetime
from pathlib import Path

from airflow.sdk import dag, task


@task
def deliver() -> None:
    if (Path(os.environ["AIRFLOW_HOME"]) / "signs" / "broken").exists():
        raise RuntimeError("401 from the marketplace: the token expired")


def feed(dag_id: str, schedule: str | None, tags: list[str]) -> None:
    @dag(dag_id=dag_id, schedule=schedule, start_date=datetime(2026, 1, 1, tzinfo=UTC), catchup=False, tags=tags)
    def made() -> None:
        deliver()

    made()


feed("offers_feed", "0 4 * * *", ["retailer:Shop A", "marketplace:bazaar", "connection:sftp"])
feed("offers_feed_again", None, ["rerun-of:offers_feed"])
