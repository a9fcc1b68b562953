"""The job platforms under the suite: one line each, in ``LINES``. A new one is a harness in a file of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from caseproof.platforms.abilities import Ability
from caseproof.platforms.base import JobPlatform
from tests.conformance.platforms.line import PlatformLine
from tests.conformance.platforms.line_airflow import AirflowLine, RealAirflowLine
from tests.conformance.platforms.line_fake import FakeLine, LookingLine
from tests.conformance.platforms.line_http_jobs import HttpJobsLine
from tests.conformance.platforms.line_prefect import PrefectLine
from tests.conformance.platforms.line_sql_jobs import MariaLine, PostgresLine, SqlLine
from tests.conformance.platforms.line_woocommerce import WooAloneLine, WooLine
from tests.support.mariadb import MARIADB
from tests.support.real_airflow import AIRFLOW

LINES: tuple[type[PlatformLine], ...] = (
    PrefectLine,
    HttpJobsLine,
    SqlLine,
    PostgresLine,
    *((MariaLine,) if MARIADB else ()),
    AirflowLine,
    *((RealAirflowLine,) if AIRFLOW else ()),
    WooLine,
    WooAloneLine,
    FakeLine,
    LookingLine,
)

CALLS: Mapping[Ability, Callable[[JobPlatform, str, str], Any]] = {
    Ability.LIST: lambda platform, job, _: platform.job(job),
    Ability.SURVEY: lambda platform, *_: platform.survey(datetime.now(UTC) - timedelta(days=1)),
    Ability.STANDING: lambda platform, job, _: platform.standing(job),
    Ability.STOP: lambda platform, job, _: platform.stop(job),
    Ability.RESUME: lambda platform, job, _: platform.go_live(job),
    Ability.RUN: lambda platform, job, _: platform.start_run(job, "JF-000001:rerun:1"),
    Ability.KEYED_RUN: lambda platform, job, _: platform.run_by_key(job, "JF-000001:rerun:1"),
    Ability.REMOVE: lambda platform, job, _: platform.remove(job),
    Ability.VERIFY: lambda platform, _, run: platform.run(run),
}
"""What is called of a platform that has an ability, with a job and a run of it, where it is a call of its own."""
