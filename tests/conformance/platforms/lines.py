"""The job platforms under the suite: one line each, in ``LINES``. A new one is a harness and its line.

A harness says how its world is started, how a job and a run come to be in it, and how it goes wrong.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import httpx
import pytest
from sqlalchemy import make_url

from blocks.airflow import AirflowJobs
from blocks.base import PlatformBlock
from blocks.http_jobs import HttpJobs
from blocks.platforms import PrefectJobs
from blocks.sql_jobs import SqlJobTable
from blocks.woocommerce import WooCommerceSite
from caseproof.platforms.abilities import Ability, Lack, PlatformAbilities, none_but
from caseproof.platforms.airflow import AirflowClient
from caseproof.platforms.base import JobPlatform, PlatformDown, PlatformRefused, Run, RunState
from caseproof.platforms.prefect import PrefectJobsClient
from caseproof.platforms.sql_jobs import SqlJobsClient
from caseproof.platforms.sql_jobs_declaration import read_sql_declaration
from caseproof.platforms.woocommerce import SiteSetUp, WooCommerceClient
from caseproof.platforms.woocommerce_abilities import ABILITIES as WOO_ABILITIES
from caseproof.platforms.woocommerce_abilities import RECORD_HAS_PAGE, WITHOUT_RECORD
from caseproof.platforms.woocommerce_declared import read_record
from caseproof.platforms.woocommerce_record import ReceiversRecord
from caseproof.platforms.woocommerce_site import WooSite
from caseproof.up.processes import free_port
from sandbox.airflow import PASSWORD, USER, Airflow
from sandbox.farm import FarmServer
from sandbox.farm_http import Asked
from sandbox.job_table import DECLARATION, JobTable
from sandbox.provider import Bad as Wrong
from sandbox.provider import running
from sandbox.woocommerce import KEY, SECRET, TOKEN, WooCommerce, record_at
from tests.conformance.lines import NO_HTTP, Bad, Liar, Line
from tests.support.fakes import FAKE_ABILITIES, Clock, FakePlatform
from tests.support.job_service import Service
from tests.support.mariadb import MARIADB, mariadb
from tests.support.prefect_world import PrefectWorld
from tests.support.real_airflow import AIRFLOW, RealAirflow
from tests.support.real_time import until


class PlatformLine(Line):
    """A job platform: ``platform`` is its client, ``ADDRESS`` the base URL that its errors name."""

    BLOCK: ClassVar[type[PlatformBlock] | None]
    ADDRESS: ClassVar[str] = "https://jobs.example.com/api"
    platform: JobPlatform

    def add(self, name: str, *, shop: str = "garden", marketplace: str = "bazaar", connection: str = "sftp") -> str:
        """A job that is live, with a schedule where it can have one; its id."""
        raise NotImplementedError

    def due(self, job_id: str) -> None:
        """The moment of the job's schedule has come, and the platform's scheduler looks at it."""
        raise NotImplementedError

    def ran(self, job_id: str, state: RunState) -> str:
        """The job ran just now, or runs (WAITING, RUNNING), and this came of it; the run's id."""
        raise NotImplementedError

    def ends(self, run: Run, state: RunState) -> None:
        """A run that Caseproof started comes to this end."""
        raise NotImplementedError

    def vanishes(self, job_id: str) -> None:
        """Somebody deletes the job."""
        raise NotImplementedError

    def lies(self, about: str) -> None:
        """From now on the platform answers well to this ("stop", "go_live") and does nothing."""
        raise NotImplementedError

    def html(self) -> JobPlatform:
        """A client whose base URL leads to a login page."""
        raise NotImplementedError

    def dead(self) -> JobPlatform:
        """A client of one that cannot be reached."""
        raise NotImplementedError

    def expired(self) -> JobPlatform:
        """A client whose credentials ("hunter2" among them) are not valid any more."""
        raise NotImplementedError

    def endless(self) -> JobPlatform:
        """A client of one whose lists never end."""
        raise NotImplementedError


class HttpLine(PlatformLine):
    """A platform that is asked over HTTP: its client over any transport is all that the bad servers need."""

    def over(self, transport: httpx.BaseTransport) -> JobPlatform:
        """A client at ``ADDRESS``, with "hunter2" as its secret, that waits for nothing."""
        raise NotImplementedError

    def html(self) -> JobPlatform:
        return self.over(httpx.MockTransport(Bad.html))

    def dead(self) -> JobPlatform:
        return self.over(httpx.MockTransport(Bad.dead))

    def expired(self) -> JobPlatform:
        return self.over(httpx.MockTransport(Bad.expired))


class PrefectLine(HttpLine):
    """Prefect: a real server, shared with other tests. No worker: states are set as one would."""

    NAME = "Prefect"
    BLOCK = PrefectJobs
    ABILITIES = PrefectJobs.ABILITIES
    NEEDS = ("prefect_server",)
    LIES: ClassVar[Mapping[str, str]] = {"stop": "pause_deployment", "go_live": "resume_deployment"}
    STATES: ClassVar[Mapping[RunState, tuple[str, ...]]] = {
        RunState.WAITING: (),
        RunState.RUNNING: ("RUNNING",),
        RunState.SUCCEEDED: ("RUNNING", "COMPLETED"),
        RunState.FAILED: ("RUNNING", "FAILED"),
        RunState.CANCELLED: ("RUNNING", "CANCELLED"),
    }

    def start(self, request: pytest.FixtureRequest) -> None:
        server = request.getfixturevalue("prefect_server")
        self.world = PrefectWorld(self.enter(server.client(), request), f"feed-{self.mark}")
        self.liar = Liar()
        self.platform = PrefectJobsClient(server.api_url, server.ui_url, transport=self.liar)

    def end(self) -> None:
        self.platform.close()

    def add(self, name: str, *, shop: str = "garden", marketplace: str = "bazaar", connection: str = "sftp") -> str:
        tags = (f"retailer:{shop}-{self.mark}", f"marketplace:{marketplace}", f"connection:{connection}")
        return self.world.deploy(name, tags, schedules=(True,))

    def due(self, job_id: str) -> None:
        if not self.world.deployment(job_id)["paused"]:  # the scheduler's own question; its loop is not waited for
            self.world.plan(job_id)

    def ran(self, job_id: str, state: RunState) -> str:
        return self.world.start(job_id, *((word, None) for word in self.STATES[state]))

    def ends(self, run: Run, state: RunState) -> None:
        for word in self.STATES[state]:
            self.world.set(run.id, word)

    def vanishes(self, job_id: str) -> None:
        self.world.delete(job_id)

    def lies(self, about: str) -> None:
        self.liar.about = self.LIES[about]

    def over(self, transport: httpx.BaseTransport) -> JobPlatform:
        ui = self.ADDRESS.removesuffix("/api")
        return PrefectJobsClient(self.ADDRESS, ui, auth="admin:hunter2", transport=transport, sleep=lambda _: None)

    def endless(self) -> JobPlatform:
        ran = {"start": (datetime.now(UTC) - timedelta(hours=1)).isoformat(), "state": "COMPLETED"}
        farm = FarmServer([{"id": "feed/a", "runs": [ran]}], timedelta())
        farm.answer(Asked("POST", "/farm/behaviour", {}, [{"kind": "endless", "path": "flow_runs/filter"}]))
        return self.over(httpx.MockTransport(lambda request: _of_farm(farm, request)))


def _of_farm(farm: FarmServer, request: httpx.Request) -> httpx.Response:
    body = httpx.Response(200, content=request.content).json() if request.content else {}
    reply = farm.answer(Asked(request.method, request.url.path, dict(request.url.params), body))
    return httpx.Response(reply.status, json=reply.body, headers=reply.headers)


class HttpJobsLine(HttpLine):
    """Any HTTP job service: the made-up one, by its declaration in docs/recipes. No worker takes its runs."""

    NAME = "HTTP job service"
    BLOCK = HttpJobs
    ABILITIES: ClassVar[PlatformAbilities] = HttpJobs.ABILITIES.lacking({})
    WORDS: ClassVar[Mapping[RunState, str]] = {
        RunState.WAITING: "queued",
        RunState.RUNNING: "running",
        RunState.SUCCEEDED: "done",
        RunState.FAILED: "broken",
    }

    def start(self, request: pytest.FixtureRequest) -> None:  # noqa: ARG002 - it shares nothing
        self.there = Service(now=datetime.now(UTC))
        self.platform = self.there.client()

    def end(self) -> None:
        self.platform.close()

    def add(self, name: str, *, shop: str = "garden", marketplace: str = "bazaar", connection: str = "sftp") -> str:
        whose = {"shop": shop, "marketplace": marketplace, "connection": connection}
        return self.there.add(f"feed-{self.mark}/{name}", held=True, **whose).id

    def due(self, job_id: str) -> None:
        self.there.service.jobs[job_id].next_at = self.there.now
        self.there.service.advance()

    def ran(self, job_id: str, state: RunState) -> str:
        run_id = self.there.service.queue(job_id).id
        self._becomes(run_id, state)
        return run_id

    def ends(self, run: Run, state: RunState) -> None:
        self._becomes(run.id, state)

    def _becomes(self, run_id: str, state: RunState) -> None:
        run = self.there.service.runs[run_id]
        run.state = self.WORDS[state]
        if state is not RunState.WAITING:
            run.started, run.ended = self.there.now, self.there.now if state.is_over else None
        self.there.move(0.01)

    def vanishes(self, job_id: str) -> None:
        del self.there.service.jobs[job_id]

    def lies(self, about: str) -> None:
        assert about in ("stop", "go_live")
        self.there.service.bad = [Wrong("nothing", "PUT")]

    def over(self, transport: httpx.BaseTransport) -> JobPlatform:
        return self.there.client(transport=transport, secret="hunter2")

    def endless(self) -> JobPlatform:
        self.ran(self.add("endless"), RunState.SUCCEEDED)
        self.there.service.bad = [Wrong("endless")]
        return self.platform


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


class AirflowLine(HttpLine):
    """Airflow 3: its simulator; each job has a twin, or it could not be run while it is stopped."""

    NAME = "Airflow 3"
    BLOCK = AirflowJobs
    ABILITIES = AirflowJobs.ABILITIES.lacking({})
    STATES: ClassVar[Mapping[RunState, str]] = {
        RunState.WAITING: "queued",
        RunState.RUNNING: "running",
        RunState.SUCCEEDED: "success",
        RunState.FAILED: "failed",
    }

    def start(self, request: pytest.FixtureRequest) -> None:
        self.airflow, url = self.enter(running(Airflow()), request)
        self.liar = Liar()
        self.platform = AirflowClient(url, user=USER, password=PASSWORD, transport=self.liar)

    def end(self) -> None:
        self.platform.close()

    def add(self, name: str, *, shop: str = "garden", marketplace: str = "bazaar", connection: str = "sftp") -> str:
        dag = f"feed-{self.mark}-{name}"
        self.airflow.add(dag, f"retailer:{shop}", f"marketplace:{marketplace}", f"connection:{connection}")
        self.airflow.add(f"{dag}-again", f"retailer:{shop}", f"rerun-of:{dag}", schedule=None)
        return dag

    def due(self, job_id: str) -> None:
        self.airflow.due(job_id)

    def ran(self, job_id: str, state: RunState) -> str:
        number = f"manual__{len(self.airflow.runs)}"
        self.airflow.make_run(job_id, number, self.STATES.get(state, "running"))
        if state is RunState.CANCELLED:
            self.airflow.by_hand(job_id, number, "failed")
        return f"{job_id}/{number}"

    def ends(self, run: Run, state: RunState) -> None:
        dag, _, number = run.id.partition("/")
        if state is RunState.CANCELLED:
            self.airflow.by_hand(dag, number, "failed")
        else:
            self.airflow.ends(dag, number, self.STATES[state])

    def vanishes(self, job_id: str) -> None:
        del self.airflow.dags[job_id]

    def lies(self, about: str) -> None:  # noqa: ARG002 - both are the same call
        self.liar.about = "/api/v2/dags/"

    def over(self, transport: httpx.BaseTransport) -> JobPlatform:
        return AirflowClient(self.ADDRESS, user=USER, password="hunter2", transport=transport, sleep=lambda _: None)

    def endless(self) -> JobPlatform:
        self.ran(self.add("endless"), RunState.SUCCEEDED)
        self.airflow.endless = True
        return self.platform


class RealAirflowLine(PlatformLine):
    """Airflow 3 itself: `make test-airflow` starts one. A test has a pool of its DAGs, each with a twin, for itself."""

    NAME = "a real Airflow 3"
    BLOCK = AirflowJobs
    ABILITIES = AirflowJobs.ABILITIES.lacking({})
    ADDRESS = AIRFLOW
    NEVER: ClassVar[Mapping[str, str]] = {
        "a_survey_comes_to_its_end_or_says_that_it_did_not": "Its lists have an end; the simulator's have none.",
    }
    POOLS: ClassVar[Iterator[int]] = itertools.count(1)
    WIDE: ClassVar[Collection[str]] = ("elsewhere", "theirs")

    def start(self, request: pytest.FixtureRequest) -> None:
        self.airflow = RealAirflow()
        self.is_wide = "wide_stop" in request.node.name
        self.pool, self.names = "", iter("abc")
        self.added: list[str] = []
        self.liar = Liar()
        self.platform = AirflowClient(AIRFLOW, user=USER, password=PASSWORD, transport=self.liar)

    def end(self) -> None:
        for dag in self.added:
            self.airflow.lets_go(dag)
        self.platform.close()
        self.airflow.close()

    def add(self, name: str, *, shop: str = "garden", marketplace: str = "bazaar", connection: str = "sftp") -> str:
        # The pool of number 0 has jobs of another connection and of another retailer besides.
        self.pool = self.pool or f"pool-{0 if self.is_wide else next(self.POOLS)}"
        dag = f"{self.pool}-{name if name in self.WIDE else next(self.names)}"
        until(lambda: self.airflow.knows(dag) and self.airflow.knows(f"{dag}-again"))
        self.added += [dag, f"{dag}-again"]
        job = self.platform.job(dag)
        assert (str(job.retailer).partition("-")[0], job.marketplace, job.connection) == (shop, marketplace, connection)
        return dag

    def due(self, job_id: str) -> None:
        self.airflow.due(job_id)

    def ran(self, job_id: str, state: RunState) -> str:
        if state is RunState.WAITING:
            self.ran(job_id, RunState.RUNNING)  # a DAG does one at a time: the next has to wait
        word = AirflowLine.STATES[state]
        run = self.airflow.starts(job_id, word if state.is_over else "")
        until(lambda: self.airflow.state(job_id, run) == word)
        return f"{job_id}/{run}"

    def ends(self, run: Run, state: RunState) -> None:
        dag, _, number = run.id.partition("/")
        self.airflow.ends(dag, number, AirflowLine.STATES[state])

    def vanishes(self, job_id: str) -> None:
        self.airflow.vanishes(job_id)

    def lies(self, about: str) -> None:  # noqa: ARG002 - both are the same call
        self.liar.about = "/api/v2/dags/"

    def html(self) -> JobPlatform:
        return self.other(f"{AIRFLOW}/home")

    def dead(self) -> JobPlatform:
        return self.other(f"http://127.0.0.1:{free_port()}")

    def expired(self) -> JobPlatform:
        return self.other(AIRFLOW)

    def other(self, url: str) -> JobPlatform:
        """A client with a password that is none, which waits for nothing."""
        return AirflowClient(url, user=USER, password="hunter2", sleep=lambda _: None)


class WooLine(HttpLine):
    """WooCommerce: the simulator of a site, and the record of who receives what it delivers."""

    NAME = "WooCommerce"
    BLOCK = WooCommerceSite
    ABILITIES = WOO_ABILITIES.lacking(RECORD_HAS_PAGE)
    NEVER: ClassVar[Mapping[str, str]] = {
        "a_wide_stop_reaches_the_same_retailer_s_jobs_and_nobody_else_s": "A site is one retailer's (its own tests).",
    }
    WORDS: ClassVar[Mapping[RunState, str]] = {
        RunState.WAITING: "queued",
        RunState.RUNNING: "working",
        RunState.SUCCEEDED: "ok",
        RunState.FAILED: "error",
        RunState.CANCELLED: "cancelled",
    }

    def start(self, request: pytest.FixtureRequest) -> None:
        self.shop, self.address = self.enter(running(WooCommerce()), request)
        self.platform = self.made(self.address, SECRET)

    def made(self, address: str, secret: str, transport: httpx.BaseTransport | None = None) -> JobPlatform:
        """A client of this site and its receiver."""
        site = WooSite(address, KEY, secret, transport=transport, sleep=lambda _: None)
        token = TOKEN if transport is None else secret
        record = ReceiversRecord(read_record(record_at(address)), token, transport=transport, sleep=lambda _: None)
        return WooCommerceClient(site, SiteSetUp("garden", "bazaar", "sftp"), record)

    def end(self) -> None:
        self.platform.close()

    def add(self, name: str, *, shop: str = "garden", marketplace: str = "bazaar", connection: str = "sftp") -> str:
        assert (shop, marketplace, connection) == ("garden", "bazaar", "sftp")
        return f"webhook/{self.shop.add(name)}"

    def due(self, job_id: str) -> None:  # noqa: ARG002 - an order is every webhook's
        self.shop.order()

    def ran(self, job_id: str, state: RunState) -> str:
        delivered: str = self.shop.delivered(job_id.removeprefix("webhook/"), self.WORDS[state])
        return delivered

    def ends(self, run: Run, state: RunState) -> None:
        self.shop.ends(run.id, self.WORDS[state])

    def vanishes(self, job_id: str) -> None:
        del self.shop.hooks[int(job_id.removeprefix("webhook/"))]

    def lies(self, about: str) -> None:  # noqa: ARG002 - both are the same call
        self.shop.bad = [Wrong("nothing", "PUT /wp-json")]

    def over(self, transport: httpx.BaseTransport) -> JobPlatform:
        return self.made(self.ADDRESS, "hunter2", transport)

    def endless(self) -> JobPlatform:
        def answer(request: httpx.Request) -> httpx.Response:
            if "wp-json" in request.url.path:
                return httpx.Response(200, json=[{"id": 1, "status": "active"}], headers={"X-WP-TotalPages": "1"})
            page = int(request.url.params.get("from", 0)) + 1
            return httpx.Response(200, json={"items": [], "next": f"deliveries?from={page}"})

        return self.over(httpx.MockTransport(answer))


class WooAloneLine(WooLine):
    """WooCommerce where the block names no receiver's record: it tells what it disabled itself, and nothing more."""

    NAME = "WooCommerce without a record"
    ABILITIES = WOO_ABILITIES.lacking(WITHOUT_RECORD)
    NEVER: ClassVar[Mapping[str, str]] = dict(WooLine.NEVER) | dict.fromkeys(
        (
            "a_survey_tells_each_run_of_these_jobs_once",
            "the_runs_of_a_job_are_told_oldest_first",
            "a_survey_comes_to_its_end_or_says_that_it_did_not",
        ),
        "Without a record only what WooCommerce disabled itself is told (its own tests).",
    )

    def made(self, address: str, secret: str, transport: httpx.BaseTransport | None = None) -> JobPlatform:
        site = WooSite(address, KEY, secret, transport=transport, sleep=lambda _: None)
        return WooCommerceClient(site, SiteSetUp("garden", "bazaar", "sftp"))


class FakeLine(PlatformLine):
    """The platform of the procedure's own tests: what is proven over it holds, because it keeps the same promises."""

    NAME = "the fake"
    BLOCK = None
    ABILITIES: ClassVar[PlatformAbilities] = FAKE_ABILITIES
    NEVER: ClassVar[Mapping[str, str]] = {
        "html_instead_of_json_is_refused_in_words_that_name_the_base_url": NO_HTTP,
        "expired_credentials_are_refused_saying_so": "It asks for none.",
    }

    def start(self, request: pytest.FixtureRequest) -> None:  # noqa: ARG002 - it shares nothing
        self.clock = Clock(datetime.now(UTC))
        self.platform = self.fake = FakePlatform(self.clock)
        self.fake.abilities = self.ABILITIES
        self.fake.lasts = timedelta(days=1)  # what it starts runs until it is told how it ends

    def add(self, name: str, *, shop: str = "garden", marketplace: str = "bazaar", connection: str = "sftp") -> str:
        job_id = f"feed-{self.mark}/{name}"
        return self.fake.add(job_id, retailer=shop, marketplace=marketplace, connection=connection).id

    def due(self, job_id: str) -> None:
        self.fake.held[job_id].waiting += self.fake.is_active(job_id)

    def ran(self, job_id: str, state: RunState) -> str:
        if state in (RunState.WAITING, RunState.RUNNING):
            setattr(self.fake.held[job_id], state.value, 1)
        return self.fake.add_run(job_id, state, lasted=timedelta() if state.is_over else None).id

    def ends(self, run: Run, state: RunState) -> None:
        self.fake.finish(run.id, state)

    def vanishes(self, job_id: str) -> None:
        self.fake.vanish(job_id)

    def lies(self, about: str) -> None:
        self.fake.faulty.fails(about, lie=True, times=99)

    def dead(self) -> JobPlatform:
        return self._failing(lambda: PlatformDown("It cannot be reached.", "Start it."))

    def expired(self) -> JobPlatform:
        return self._failing(lambda: PlatformRefused("It does not accept our credentials.", "Enter them anew."))

    def endless(self) -> JobPlatform:
        self.add("endless")
        for _ in range(3):
            self.ran(f"feed-{self.mark}/endless", RunState.SUCCEEDED)
        self.fake.faulty.fails("survey page", what="1", before=PlatformDown("A list without an end.", "Look there."))
        return self.fake

    def _failing(self, error: Callable[[], Exception]) -> JobPlatform:
        for call in ("probe", "survey", "job", "standing", "stop", "go_live", "start_run", "run"):
            self.fake.faulty.fails(call, before=error(), times=99)
        return self.fake


class LookingLine(FakeLine):
    """A platform that is only looked at: it shows what such a one still owes the suite."""

    NAME = "a fake that can only be looked at"
    ABILITIES: ClassVar[PlatformAbilities] = none_but(
        Ability,
        (
            Ability.LIST,
            Ability.SURVEY,
            Ability.STANDING,
            Ability.VERIFY,
            Ability.PAGE,
            Ability.CLOCK,
            Ability.SCHEDULES,
        ),
        Lack("It is only looked at.", "Do it on the platform itself."),
    )


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
