"""A table of jobs on SQLite and on PostgreSQL: what is read, and that a statement never does more than it may."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from caseproof.domain.errors import BadInput
from caseproof.domain.vocabulary import Scope
from caseproof.platforms import sql_jobs_watched
from caseproof.platforms.base import (
    PlatformCannot,
    PlatformDown,
    PlatformRefused,
    RunState,
    Schedule,
    UnknownJob,
    UnknownRun,
)
from caseproof.platforms.sql_jobs import SqlJobsClient
from caseproof.platforms.sql_jobs_declaration import read_sql_declaration
from caseproof.up.postgres import EmbeddedPostgres
from sandbox.job_table import DECLARATION, JobTable
from tests.support.mariadb import MARIADB, mariadb

LATER = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
AGO = LATER - timedelta(days=1)
SECOND = timedelta(seconds=1)

Client = Callable[..., SqlJobsClient]


@pytest.fixture(scope="module")
def file_of_tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tables") / "jobs.db"


@pytest.fixture(params=["postgresql", "sqlite", *(["mariadb"] if MARIADB else [])])
def table(request: pytest.FixtureRequest, file_of_tables: Path) -> Iterator[JobTable]:
    if request.param == "sqlite":
        file_of_tables.unlink(missing_ok=True)
        url = f"sqlite:///{file_of_tables}"
    elif request.param == "mariadb":
        url = mariadb("tables")
    else:
        postgres: EmbeddedPostgres = request.getfixturevalue("postgres")
        postgres.ensure_database("tables")
        url = postgres.url("tables")
    with closing(JobTable(url)) as made:
        made.add("feed-a")
        made.add("feed-b")
        yield made


@pytest.fixture
def client(table: JobTable) -> Iterator[Client]:
    """Makes clients; arguments change entries of the declaration, as in ``statements__stop``."""
    made: list[SqlJobsClient] = []

    def make(seconds: float = 5.0, **changed: Any) -> SqlJobsClient:
        declared = yaml.safe_load(DECLARATION)
        for path, value in changed.items():
            *parts, last = path.split("__")
            inner = declared
            for part in parts:
                inner = inner[part]
            inner[last] = value
        made.append(SqlJobsClient(table.url, read_sql_declaration(yaml.safe_dump(declared)), seconds=seconds))
        return made[-1]

    yield make
    for one in made:
        one.close()


# -- reading ---------------------------------------------------------------------------------------------------------


def test_the_doctor_s_look_prepares_every_statement_and_executes_none(table: JobTable, client: Client) -> None:
    probe = client().probe()
    assert "has 2 jobs; stop, resume, cancel, rerun, remove can be prepared" in probe.found
    assert probe.clock is not None
    assert abs(probe.clock - datetime.now(UTC)) < timedelta(minutes=1)
    assert table.is_enabled("feed-a")
    assert table.ask("SELECT count(*) FROM feeds") == [(2,)]
    assert table.ask("SELECT count(*) FROM feed_runs") == [(0,)]


def test_a_survey_tells_every_job_and_each_run_once(table: JobTable, client: Client) -> None:
    table.run("UPDATE feeds SET enabled = FALSE WHERE code = 'feed-b'")
    table.add("stranger", shop=None, marketplace=None, cron=None)
    early = table.add_run("feed-a", "done", started=AGO, lasted=SECOND)
    failed = table.add_run("feed-a", "failed", started=LATER, lasted=SECOND, error="HTTP 401")
    running = table.add_run("feed-b", "running", started=LATER)
    table.add_run("feed-b", "queued")
    survey = client().survey(AGO)
    assert {(one.job.id, one.active) for one in survey.jobs} == {
        ("feed-a", True), ("feed-b", False), ("stranger", True),
    }  # fmt: skip
    assert next(one for one in survey.jobs if one.job.id == "feed-a").schedules == (Schedule(cron="0 * * * *"),)
    runs = [run for page in survey.pages for run in page]
    assert {(run.id, run.state, run.started_at) for run in runs} == {
        (failed, RunState.FAILED, LATER), (running, RunState.RUNNING, LATER),
    }  # fmt: skip
    assert next(run for run in runs if run.id == failed).message == "HTTP 401"
    assert early not in {run.id for run in runs}


def test_a_survey_of_some_jobs_is_of_these_alone_and_leaves_out_who_is_gone(table: JobTable, client: Client) -> None:
    table.add_run("feed-a", "done", started=LATER, lasted=SECOND)
    other = table.add_run("feed-b", "done", started=LATER, lasted=SECOND)
    survey = client().survey(AGO, ["feed-b", "gone"])
    assert [one.job.id for one in survey.jobs] == ["feed-b"]
    assert [run.id for page in survey.pages for run in page] == [other]


def test_a_page_in_columns_is_what_one_run_after_the_other_is(table: JobTable, client: Client) -> None:
    told = 'login failed: {"password": "hunter2hunter2"}'
    for _ in range(3):
        table.add_run("feed-a", "failed", started=LATER, lasted=SECOND, error=told)
    table.add_run("feed-a", "done", started=LATER, lasted=SECOND)
    jobs = client()
    surveyed = [run for page in jobs.survey(AGO).pages for run in page]
    assert surveyed == [jobs.run(run.id) for run in surveyed]
    assert len(surveyed) == 4
    assert not any("hunter2" in run.message for run in surveyed)


def test_a_survey_of_several_pages_tells_each_run_once(
    table: JobTable, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("caseproof.platforms.sql_jobs_reading.PAGE", 3)
    wanted = [table.add_run(feed, "done", started=LATER, lasted=SECOND) for feed in ("feed-a", "feed-b") * 4]
    for jobs in (None, ["feed-a", "feed-b"]):
        pages = [[run.id for run in page] for page in client().survey(AGO, jobs).pages]
        assert sorted(map(len, pages), reverse=True) == [3, 3, 2]
        assert sorted(run for page in pages for run in page) == sorted(wanted)


def test_a_survey_that_is_left_half_read_keeps_nobody_waiting(
    table: JobTable, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("caseproof.platforms.sql_jobs_reading.PAGE", 1)
    for _ in range(3):
        table.add_run("feed-a", "done", started=LATER, lasted=SECOND)
    jobs = client()
    for page in jobs.survey(AGO).pages:
        assert len(page) == 1
        break
    jobs.stop("feed-a")
    assert not table.is_enabled("feed-a")


@pytest.mark.parametrize("table", ["sqlite"], indirect=True)  # alone it keeps texts that are none
def test_a_message_that_is_no_text_keeps_no_other_run_from_being_read(table: JobTable, client: Client) -> None:
    run = table.add_run("feed-a", "failed", started=LATER, lasted=SECOND)
    table.run("UPDATE feed_runs SET error = CAST(x'4b61ff' AS TEXT)")
    assert client().run(run).message == "Ka\ufffd"


def test_a_run_that_says_done_and_no_times_was_not_executed(table: JobTable, client: Client) -> None:
    by_hand = table.add_run("feed-a", "done", started=LATER)
    assert client().run(by_hand).state is RunState.UNKNOWN
    assert client().run(by_hand).said == "done"


def test_a_state_that_the_declaration_does_not_know_is_neither_a_success_nor_a_failure(
    table: JobTable, client: Client
) -> None:
    run = table.add_run("feed-a", "halted", started=LATER, lasted=SECOND)
    assert client().run(run).state is RunState.UNKNOWN
    assert "runs are also 'halted'" in client().probe().found


def test_a_job_that_is_spelt_otherwise_is_unknown_and_the_nearest_is_named(client: Client) -> None:
    with pytest.raises(UnknownJob, match="feed-a"):
        client().job("fead-a")
    with pytest.raises(UnknownRun):
        client().run("12345")
    with pytest.raises(UnknownRun):
        client().run("no number")
    with pytest.raises(UnknownJob):
        client().standing("fead-a")


def test_a_stop_of_a_marketplace_reaches_the_retailer_s_jobs_there_and_nobody_else_s(
    table: JobTable, client: Client
) -> None:
    table.add("feed-c", marketplace="South")
    table.add("feed-d", shop="Shop B")
    table.add("nobody-s", shop=None)
    table.add("typed", shop="Shop A ", marketplace=" North")
    jobs = client()
    assert [one.id for one in jobs.jobs_in(Scope.MARKETPLACE, jobs.job("feed-b"))] == ["feed-b", "feed-a", "typed"]
    with pytest.raises(BadInput, match="retailer"):
        jobs.jobs_in(Scope.MARKETPLACE, jobs.job("nobody-s"))


def test_columns_without_a_zone_are_of_the_declared_one(table: JobTable, client: Client) -> None:
    if table.kind == "mysql":
        with pytest.raises(PlatformRefused, match="does not know the declared time zone"):
            client(timezone="Europe/Berlin").probe()
        return
    kind = "TEXT" if table.kind == "sqlite" else "TIMESTAMP"
    table.run(f"CREATE TABLE walls (id INTEGER, feed TEXT, state TEXT, started {kind}, ended {kind})")
    try:
        table.run("INSERT INTO walls VALUES (1, 'feed-a', 'done', '2026-07-01 12:00:00', '2026-07-01 12:00:05')")
        jobs = client(
            timezone="Europe/Berlin", runs__query="SELECT * FROM walls", statements__rerun=None,
            runs__columns={"id": "id", "job": "feed", "state": "state", "started": "started", "ended": "ended"},
        )  # fmt: skip
        noon = datetime(2026, 7, 1, 10, 0, tzinfo=UTC)
        assert jobs.run("1").started_at == noon
        assert [run.id for run in jobs.runs_since("feed-a", noon - SECOND)] == ["1"]
        assert jobs.runs_since("feed-a", noon) == []
    finally:
        table.run("DROP TABLE walls")


# -- writing ---------------------------------------------------------------------------------------------------------


def test_a_stop_switches_one_job_off_cancels_its_queue_and_repeats_harmlessly(table: JobTable, client: Client) -> None:
    queued, other = table.add_run("feed-a", "queued"), table.add_run("feed-b", "queued")
    jobs = client()
    assert not jobs.standing("feed-a").is_stopped
    jobs.stop("feed-a")
    jobs.stop("feed-a")
    standing = jobs.standing("feed-a")
    assert standing.is_stopped
    assert standing.waiting == 0
    assert jobs.run(queued).state is RunState.CANCELLED
    assert jobs.run(other).state is RunState.WAITING
    assert table.is_enabled("feed-b")
    jobs.go_live("feed-a")
    assert jobs.standing("feed-a").active


def test_a_stop_that_is_not_about_this_one_job_is_rolled_back_and_told(table: JobTable, client: Client) -> None:
    for statement, wrong in (
        ("UPDATE feeds SET enabled = FALSE WHERE shop = (SELECT shop FROM feeds WHERE code = :job)", "touched 2 rows"),
        ("UPDATE feeds SET enabled = FALSE WHERE code >= :job", "touched 2 rows"),
        ("UPDATE feeds SET enabled = FALSE WHERE code = :job AND 1 = 2", "touched no row"),
        ("UPDATE feeds SET enabled = FALSE WHERE code > :job", "changed something else, too: feed-b"),
    ):
        with pytest.raises(PlatformRefused, match=wrong):
            client(statements__stop=statement).stop("feed-a")
        assert table.is_enabled("feed-a")
        assert table.is_enabled("feed-b")


def test_a_job_of_several_rows_may_be_declared_and_the_others_are_left_alone(table: JobTable, client: Client) -> None:
    table.add("feed-c", shop="Shop B")
    grouped = "SELECT shop, MAX(CASE WHEN enabled THEN 1 ELSE 0 END) AS works FROM feeds GROUP BY shop"
    of_shops = {"jobs__query": grouped, "jobs__columns": {"id": "shop", "active": "works"}, "rows": {"stop": 2}}
    with pytest.raises(PlatformRefused, match="changed something else, too: Shop A"):
        client(**of_shops, statements__stop="UPDATE feeds SET enabled = FALSE WHERE shop <> :job").stop("Shop B")
    assert table.is_enabled("feed-a")
    jobs = client(**of_shops, statements__stop="UPDATE feeds SET enabled = FALSE WHERE shop = :job")
    jobs.stop("Shop A")
    assert not jobs.standing("Shop A").active
    assert jobs.standing("Shop B").active


@pytest.mark.parametrize(
    ("act", "statement"),
    [
        ("stop", "UPDATE feeds SET enabled = FALSE WHERE code > :job"),
        ("remove", "DELETE FROM feeds WHERE code > :job"),
    ],
)
def test_a_job_that_stands_as_wanted_already_hides_no_change_of_another(
    table: JobTable, client: Client, act: str, statement: str
) -> None:
    table.run("UPDATE feeds SET enabled = FALSE WHERE code = 'feed-a'")
    with pytest.raises(PlatformRefused, match="changed something else, too: feed-b"):
        getattr(client(**{f"statements__{act}": statement}), act)("feed-a")
    assert table.is_enabled("feed-b")


def test_a_cancel_that_reaches_another_job_s_runs_is_rolled_back(table: JobTable, client: Client) -> None:
    table.add_run("feed-a", "queued")
    other = table.add_run("feed-b", "queued")
    statement = "UPDATE feed_runs SET state = 'killed' WHERE feed >= :job"
    with pytest.raises(PlatformRefused, match="touched 2 rows"):
        client(statements__cancel=statement).stop("feed-a")
    assert client().run(other).state is RunState.WAITING


@pytest.mark.parametrize("state", ["queued", "done"])
def test_a_cancel_that_takes_one_run_of_another_job_is_rolled_back(table: JobTable, client: Client, state: str) -> None:
    other = table.add_run("feed-b", state, started=LATER, lasted=SECOND)
    table.add_run("feed-a", "queued")
    jobs = client(statements__cancel="UPDATE feed_runs SET state = 'killed' WHERE id = :run - 1")
    with pytest.raises(PlatformRefused, match="changed something else, too: runs that are"):
        jobs.stop("feed-a")
    assert jobs.run(other).said == state


def test_a_cancel_that_only_asks_the_scheduler_is_one_all_the_same(table: JobTable, client: Client) -> None:
    run = table.add_run("feed-a", "running", started=LATER)
    client(statements__cancel="UPDATE feed_runs SET params = 'kill' WHERE id = :run").stop("feed-a")
    assert table.ask("SELECT id, params FROM feed_runs") == [(int(run), "kill")]


@pytest.mark.parametrize("word", ["enqueued", "QUEUED"])
def test_a_queued_run_whose_state_was_renamed_is_still_one_that_may_go_on(
    table: JobTable, client: Client, word: str
) -> None:
    table.add_run("feed-a", word)
    table.add_run("feed-a", "halted", started=LATER, lasted=SECOND)
    standing = client().standing("feed-a")
    assert (standing.waiting, standing.running) == (0, 1)


def test_what_a_query_s_comment_says_is_none_of_ours(client: Client) -> None:
    assert client(jobs__query="SELECT * FROM feeds -- all of them").job("feed-a").id == "feed-a"


def test_a_job_that_vanished_is_unknown_to_whatever_is_asked(table: JobTable, client: Client) -> None:
    jobs = client()
    jobs.remove("feed-a")
    jobs.remove("feed-a")
    for act in (jobs.job, jobs.standing, jobs.stop, jobs.go_live):
        with pytest.raises(UnknownJob):
            act("feed-a")
    with pytest.raises(UnknownJob):
        jobs.start_run("feed-a", "key")
    with pytest.raises(UnknownJob):
        jobs.run_by_key("feed-a", "key")
    with pytest.raises(UnknownJob):
        jobs.runs_since("feed-a", AGO)
    assert table.ask("SELECT count(*) FROM feeds") == [(1,)]


def test_a_key_starts_one_run_however_often_and_by_however_many_it_is_asked_for(
    table: JobTable, client: Client
) -> None:
    table.run("UPDATE feeds SET enabled = FALSE WHERE code = 'feed-a'")
    jobs = client()
    assert jobs.run_by_key("feed-a", "JF-1:rerun:1") is None
    started: list[str] = []
    threads = [
        threading.Thread(target=lambda: started.append(jobs.start_run("feed-a", "JF-1:rerun:1").id)) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(started) == 4
    assert len(set(started)) == 1
    assert table.ask("SELECT count(*) FROM feed_runs") == [(1,)]
    table.pass_time(LATER)
    run = jobs.run_by_key("feed-a", "JF-1:rerun:1")
    assert run is not None
    assert (run.state, run.started_at, run.ended_at) == (RunState.SUCCEEDED, LATER, LATER + table.lasts)


def test_a_key_is_the_job_s_own(table: JobTable, client: Client) -> None:
    client().start_run("feed-a", "key", {"day": "2026-11-30"})
    assert client().run_by_key("feed-b", "key") is None
    assert table.ask("SELECT params FROM feed_runs") == [('{"day": "2026-11-30"}',)]


def test_a_rerun_that_writes_something_else_than_one_run_of_this_key_is_rolled_back(
    table: JobTable, client: Client
) -> None:
    for selected, wrong in (
        ("{job}, 'queued', {key}", "gives none"),
        ("code, {job}, {key} FROM feeds", "2 rows"),
        ("{job}, 'queued', {key} FROM feeds WHERE 1 = 2", "0 rows"),
    ):
        # PostgreSQL has to be told of what kind a value is that stands alone.
        job, key = (":job", ":key") if table.kind == "mysql" else ("CAST(:job AS TEXT)", "CAST(:key AS TEXT)")
        statement = f"INSERT INTO feed_runs (feed, state, error) SELECT {selected.format(job=job, key=key)}"
        with pytest.raises(PlatformRefused, match=wrong):
            client(statements__rerun=statement).start_run("feed-a", "key")
        assert table.ask("SELECT count(*) FROM feed_runs") == [(0,)]


def test_a_value_is_bound_and_never_part_of_a_statement(table: JobTable, client: Client) -> None:
    evil = "x'; DELETE FROM feeds; --"
    with pytest.raises(UnknownJob):
        client().stop(evil)
    table.add(evil)
    client().stop(evil)
    assert not table.is_enabled(evil)
    assert table.is_enabled("feed-a")


def test_what_is_not_declared_it_cannot_do_and_says_what_a_person_does(client: Client) -> None:
    jobs = client(statements={})
    for act in (jobs.stop, jobs.go_live, jobs.remove):
        with pytest.raises(PlatformCannot, match="no statement"):
            act("feed-a")
    with pytest.raises(PlatformCannot):
        jobs.start_run("feed-a", "key")
    assert "it is only read" in jobs.probe().found


# -- what hurts --------------------------------------------------------------------------------------------------------


def test_a_declaration_that_does_not_fit_is_told_at_doctor_time_by_its_entry(client: Client) -> None:
    misfits: tuple[tuple[dict[str, Any], str], ...] = (
        ({"runs__columns__started": "startd"}, r"runs.columns.started is 'startd'.*do you mean started\?"),
        ({"jobs__columns__retailer": "retailer_name"}, r"jobs.columns.retailer is 'retailer_name'"),
        ({"statements__stop": "UPDATE feeds SET enabld = FALSE WHERE code = :job"}, "statements.stop: .*enabld"),
        ({"statements__resume": "UPDATE feds SET enabled = TRUE WHERE code = :job"}, "statements.resume: .*feds"),
        ({"runs__query": "SELECT * FROM feed_run"}, "feed_run"),
        ({"jobs__query": "SELECT * FROM feeds UNION ALL SELECT * FROM feeds"}, "'feed-[ab]' twice"),
        ({"jobs__columns__active": "title"}, "'title' says 'feed-[ab]' of a job, which is neither yes nor no"),
        ({"jobs__columns__active": "owner"}, "'owner' says nothing of a job, which is neither yes nor no"),
    )
    for changed, told in misfits:
        with pytest.raises(PlatformRefused, match=told):
            client(**changed).probe()


def test_a_column_that_was_renamed_meanwhile_is_told_and_nothing_is_written(table: JobTable, client: Client) -> None:
    jobs = client()
    jobs.probe()
    table.run("ALTER TABLE feeds RENAME COLUMN enabled TO is_enabled")
    with pytest.raises(PlatformRefused, match="enabled"):
        jobs.stop("feed-a")
    with pytest.raises(PlatformRefused, match="enabled"):
        jobs.survey(AGO)


@pytest.mark.parametrize("table", ["postgresql"], indirect=True)  # the queries of the others have nothing that writes
def test_a_query_that_writes_is_refused_by_the_database(table: JobTable, client: Client) -> None:
    table.run(
        "CREATE OR REPLACE FUNCTION count_down() RETURNS boolean LANGUAGE sql VOLATILE "
        "AS 'DELETE FROM feed_runs; SELECT true'"
    )
    table.add_run("feed-a", "done", started=LATER, lasted=SECOND)
    with pytest.raises(PlatformRefused, match="takes no writing"):
        client(jobs__query="SELECT *, count_down() AS gone FROM feeds").survey(AGO)
    assert table.ask("SELECT count(*) FROM feed_runs") == [(1,)]


@pytest.mark.parametrize("table", ["postgresql"], indirect=True)  # alone it has statements that write within others
@pytest.mark.parametrize("name", ["rerun", "stop"])
def test_a_statement_that_writes_within_another_does_not_reach_the_others_unseen(
    table: JobTable, client: Client, name: str
) -> None:
    within = "WITH more AS (UPDATE feeds SET enabled = FALSE WHERE code <> :job RETURNING 1) "
    plain = yaml.safe_load(DECLARATION)["statements"][name]
    jobs = client(**{f"statements__{name}": within + plain})
    with pytest.raises(PlatformRefused, match="changed something else, too: feed-b"):
        jobs.stop("feed-a") if name == "stop" else jobs.start_run("feed-a", "key")
    assert table.is_enabled("feed-a")
    assert table.is_enabled("feed-b")
    assert table.ask("SELECT count(*) FROM feed_runs") == [(0,)]


@pytest.mark.parametrize("table", ["postgresql"], indirect=True)  # alone it has enumerations and casts with colons
def test_states_may_be_an_enumeration_that_changes(table: JobTable, client: Client) -> None:
    table.run("DROP TYPE IF EXISTS run_state")
    table.run("CREATE TYPE run_state AS ENUM ('queued', 'running', 'done', 'failed', 'killed')")
    table.run("CREATE TABLE typed (id INT, feed TEXT, state run_state, started TIMESTAMPTZ, ended TIMESTAMPTZ)")
    try:
        table.run("INSERT INTO typed VALUES (1, 'feed-a', 'queued'), (2, 'feed-a', 'queued'), (3, 'feed-b', 'queued')")
        jobs = client(
            runs__query="SELECT * FROM typed", statements__rerun=None,
            statements__cancel="UPDATE typed SET state = 'killed'::run_state WHERE feed = :job AND state = 'queued'",
            runs__columns={"id": "id", "job": "feed", "state": "state", "started": "started", "ended": "ended"},
        )  # fmt: skip
        assert jobs.standing("feed-a").waiting == 2
        jobs.stop("feed-a")
        assert jobs.standing("feed-a").is_stopped
        table.run("ALTER TYPE run_state RENAME VALUE 'queued' TO 'enqueued'")
        assert jobs.standing("feed-b").running == 1
    finally:
        table.run("DROP TABLE typed")


def test_a_locked_table_is_down_in_time(table: JobTable, client: Client) -> None:
    jobs = client(seconds=0.3)
    with table.engine.connect() as other:
        if table.kind == "sqlite":
            other.exec_driver_sql("BEGIN EXCLUSIVE")
        elif table.kind == "mysql":
            other.exec_driver_sql("LOCK TABLES feeds WRITE")
        else:
            other.exec_driver_sql("LOCK TABLE feeds IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(PlatformDown, match="locked"):
            jobs.stop("feed-a")
        if table.kind == "mysql":
            other.exec_driver_sql("UNLOCK TABLES")
        other.rollback()
    client().stop("feed-a")
    assert not table.is_enabled("feed-a")


@pytest.mark.parametrize("table", ["postgresql"], indirect=True)  # the others wait by time-outs of their drivers
def test_a_server_that_freezes_is_given_up_and_down(
    table: JobTable, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Any] = []
    connect = sql_jobs_watched.connect
    monkeypatch.setattr(sql_jobs_watched, "connect", lambda *given: made.append(connect(*given)) or made[-1])
    monkeypatch.setattr("caseproof.platforms.sql_jobs_reading.PAGE", 1)
    for _ in range(3):
        table.add_run("feed-a", "done", started=LATER, lasted=SECOND)
    jobs = client()
    pages = iter(jobs.survey(AGO).pages)
    next(pages)
    reading = "SELECT pid FROM pg_stat_activity WHERE state = 'idle in transaction' AND datname = current_database()"
    ((pid,),) = table.ask(reading)
    assert [one.silence for one in made] == [10.0]  # longer than its own time-outs
    made[0].silence = 0.2
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(PlatformDown, match=r"said nothing for long.*\(0.2 seconds\)"):
            next(pages)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert jobs.standing("feed-a").active


def test_no_error_holds_the_password(table: JobTable, tmp_path: Path) -> None:
    declared = read_sql_declaration(DECLARATION)
    secret = "hunter2hunter2"
    if table.kind == "sqlite":
        addresses = [f"sqlite:///{tmp_path}/none.db", f"oracle://me:{secret}@host/db", f"no address {secret}"]
    else:
        addresses = [
            table.url.replace(table.url.split(":")[2].split("@")[0], secret),
            f"postgresql://me:{secret}@127.0.0.1:9/jobs",
        ]
    for address in addresses:
        with pytest.raises((PlatformDown, PlatformRefused, BadInput)) as told:
            SqlJobsClient(address, declared, seconds=2).probe()
        assert secret not in repr(told.value) + str(told.value) + str(told.value.__cause__)
        assert told.value.__suppress_context__ or told.value.__context__ is None
