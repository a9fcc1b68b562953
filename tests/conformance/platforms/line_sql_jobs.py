"""A table of jobs under the suite, in each kind of database."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import pytest
from sqlalchemy import make_url

from blocks.sql_jobs import SqlJobTable
from caseproof.platforms.abilities import PlatformAbilities
from caseproof.platforms.base import JobPlatform, Run, RunState
from caseproof.platforms.sql_jobs import SqlJobsClient
from caseproof.platforms.sql_jobs_declaration import read_sql_declaration
from sandbox.job_table import DECLARATION, JobTable
from tests.conformance.lines import NO_HTTP
from tests.conformance.platforms.line import PlatformLine
from tests.support.mariadb import mariadb


class SqlLine(PlatformLine):
    """A table of jobs in SQLite; PostgreSQL has a line of its own, below."""

    NAME = "SQL job table"
    BLOCK = SqlJobTable
    ABILITIES: ClassVar[PlatformAbilities] = SqlJobTable.ABILITIES.lacking({})
    NEVER: ClassVar[Mapping[str, str]] = {
        "html_instead_of_json_is_refused_in_words_that_name_the_base_url": NO_HTTP,
        "expired_credentials_are_refused_saying_so": "A file asks for none.",
        "one_that_cannot_be_reached_is_down_and_not_refused": "A file that is not there is a wrong address.",
        "a_survey_comes_to_its_end_or_says_that_it_did_not": "A query ends.",
    }
    WORDS: ClassVar[Mapping[RunState, str]] = {
        RunState.WAITING: "queued",
        RunState.RUNNING: "running",
        RunState.SUCCEEDED: "done",
        RunState.FAILED: "failed",
    }

    def start(self, request: pytest.FixtureRequest) -> None:
        self.url = self.address(request)
        self.table = JobTable(self.url)
        self.platform = SqlJobsClient(self.url, read_sql_declaration(DECLARATION))

    def address(self, request: pytest.FixtureRequest) -> str:
        return f"sqlite:///{request.getfixturevalue('tmp_path') / 'jobs.db'}"

    def end(self) -> None:
        self.platform.close()
        self.table.close()

    def add(self, name: str, *, shop: str = "garden", marketplace: str = "bazaar", connection: str = "sftp") -> str:
        return self.table.add(f"feed-{self.mark}/{name}", shop=shop, marketplace=marketplace, connection=connection)

    def due(self, job_id: str) -> None:
        if self.table.is_enabled(job_id):
            self.table.add_run(job_id, "queued")

    def ran(self, job_id: str, state: RunState) -> str:
        started = None if state is RunState.WAITING else datetime.now(UTC)
        lasted = timedelta() if state.is_over else None
        return self.table.add_run(job_id, self.WORDS[state], started=started, lasted=lasted)

    def ends(self, run: Run, state: RunState) -> None:  # noqa: ARG002 - its scheduler runs what is queued
        self.table.outcome, self.table.lasts = self.WORDS[state], timedelta()
        self.table.pass_time(datetime.now(UTC))

    def vanishes(self, job_id: str) -> None:
        self.table.run("DELETE FROM feeds WHERE code = :code", {"code": job_id})

    def lies(self, about: str) -> None:
        assert about in ("stop", "go_live")
        self.table.swallows()


class PostgresLine(SqlLine):
    """The same in PostgreSQL, on a shared server."""

    NAME = "SQL job table on PostgreSQL"
    NEEDS = ("postgres",)
    NEVER: ClassVar[Mapping[str, str]] = {
        "html_instead_of_json_is_refused_in_words_that_name_the_base_url": NO_HTTP,
        "a_survey_comes_to_its_end_or_says_that_it_did_not": "A query ends.",
    }

    def address(self, request: pytest.FixtureRequest) -> str:
        postgres = request.getfixturevalue("postgres")
        postgres.ensure_database("conforming")
        return str(postgres.url("conforming"))

    def dead(self) -> JobPlatform:
        url = "postgresql+psycopg://shop:hunter2@127.0.0.1:9/jobs"
        return SqlJobsClient(url, read_sql_declaration(DECLARATION), seconds=2.0)

    def expired(self) -> JobPlatform:
        return SqlJobsClient(_as_stranger(self.url), read_sql_declaration(DECLARATION))


class MariaLine(PostgresLine):
    """The same in MariaDB: `make test-mariadb` starts one."""

    NAME = "SQL job table on MariaDB"
    NEEDS = ()

    def address(self, request: pytest.FixtureRequest) -> str:  # noqa: ARG002 - it is started elsewhere
        return mariadb("conforming")

    def dead(self) -> JobPlatform:
        url = "mysql+pymysql://shop:hunter2@127.0.0.1:9/jobs"
        return SqlJobsClient(url, read_sql_declaration(DECLARATION), seconds=2.0)


def _as_stranger(url: str) -> str:
    return make_url(url).set(username="nobody", password="hunter2").render_as_string(hide_password=False)
