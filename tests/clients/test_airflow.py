"""Airflow as a job platform, against a simulator that keeps what was measured on a real 3.3.2.

The same sentences as for every platform: tests/conformance. Here is what is Airflow's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from caseproof.domain.errors import BadInput
from caseproof.domain.vocabulary import Scope
from caseproof.platforms.airflow import AirflowClient, AirflowTags
from caseproof.platforms.airflow_wire import reason_in
from caseproof.platforms.base import (
    PlatformCannot,
    PlatformDown,
    PlatformError,
    PlatformRefused,
    Run,
    RunState,
    Schedule,
    UnknownJob,
)
from sandbox.airflow import PASSWORD, USER, Airflow
from sandbox.provider import Bad, running

JOB, TWIN = "orders_feed", "orders_feed_again"
KEY = "JF-000001:reactivation:1:7"


@pytest.fixture
def airflow() -> Iterator[tuple[Airflow, str]]:
    with running(Airflow()) as (simulator, url):
        simulator.add(JOB, "retailer:garden-shop", "marketplace:bazaar")
        simulator.add(TWIN, "retailer:garden-shop", "marketplace:bazaar", f"rerun-of:{JOB}", schedule=None)
        yield simulator, url


@pytest.fixture
def simulator(airflow: tuple[Airflow, str]) -> Airflow:
    return airflow[0]


@pytest.fixture
def platform(airflow: tuple[Airflow, str]) -> Iterator[AirflowClient]:
    with client(airflow[1]) as made:
        yield made


def client(url: str, password: str = PASSWORD, **more: str) -> AirflowClient:
    return AirflowClient(url, user=USER, password=password, sleep=lambda _: None, **more)  # type: ignore[arg-type]


def ago(**back: float) -> datetime:
    return datetime.now(UTC) - timedelta(**back)


def surveyed(platform: AirflowClient, *jobs: str) -> list[Run]:
    return [run for page in platform.survey(ago(hours=1), jobs or None).pages for run in page]


# -- the twin --------------------------------------------------------------------------------------------------------


def test_a_job_that_is_stopped_is_run_once_more_by_its_twin_and_stays_stopped(
    platform: AirflowClient, simulator: Airflow
) -> None:
    platform.stop(JOB)
    run = platform.start_run(JOB, KEY, {"case": "JF-000001"})
    assert (run.id, run.job, run.state) == (f"{TWIN}/{KEY}", JOB, RunState.WAITING)
    assert simulator.find(TWIN, KEY)["conf"] == {"case": "JF-000001"}
    assert platform.standing(JOB).is_stopped
    simulator.ends(TWIN, KEY, "success")
    assert platform.run(run.id).state is RunState.SUCCEEDED
    assert platform.run(run.id).job == JOB
    assert [one.id for one in platform.runs_since(JOB, ago(hours=1))] == [run.id]


def test_stopping_again_leaves_the_run_of_the_twin_alone(platform: AirflowClient, simulator: Airflow) -> None:
    platform.start_run(JOB, KEY)
    platform.stop(JOB)
    assert simulator.find(TWIN, KEY)["state"] == "queued"
    assert not simulator.dags[TWIN]["is_paused"]


WRONG = {
    "it has a schedule": lambda one: one.dags[TWIN].update(timetable_summary="@daily"),
    "it is planned": lambda one: one.dags[TWIN].update(next_dagrun_run_after="2026-01-01T00:00:00Z"),
    "it is paused": lambda one: one.dags[TWIN].update(is_paused=True),
    "another file": lambda one: one.dags[TWIN].update(fileloc="/dags/other.py"),
    "other tasks": lambda one: one.dags[TWIN].update(tasks=["deliver", "clean"]),
    "none": lambda one: one.dags.pop(TWIN),
    "its file is gone": lambda one: one.dags[TWIN].update(is_stale=True),
    "two": lambda one: one.add("third", f"rerun-of:{JOB}", schedule=None),
}


@pytest.mark.parametrize("what", sorted(WRONG))
def test_without_a_twin_that_could_run_it_no_run_is_made_and_the_refusal_says_why(
    platform: AirflowClient, simulator: Airflow, what: str
) -> None:
    WRONG[what](simulator)
    platform.stop(JOB)
    with pytest.raises(PlatformCannot) as refused:
        platform.start_run(JOB, KEY)
    assert JOB in refused.value.problem
    assert "twin" in f"{refused.value}"
    assert simulator.runs == []


def test_a_twin_is_no_job_of_its_own(platform: AirflowClient, simulator: Airflow) -> None:
    simulator.make_run(TWIN, "r1", "failed")
    survey = platform.survey(ago(hours=1))
    assert [one.job.id for one in survey.jobs] == [JOB]
    assert [(run.job, run.id) for page in survey.pages for run in page] == [(JOB, f"{TWIN}/r1")]
    assert [job.id for job in platform.jobs_in(Scope.MARKETPLACE, platform.job(JOB))] == [JOB]


# -- states that were set by hand ------------------------------------------------------------------------------------


@pytest.mark.parametrize("bulk", [False, True])
def test_a_success_that_was_set_by_hand_is_none(platform: AirflowClient, simulator: Airflow, bulk: bool) -> None:
    for name, before in (("ran", "failed"), ("waited", "queued")):
        simulator.make_run(JOB, name, before)
        simulator.by_hand(JOB, name, "success", bulk=bulk)
        found = platform.run(f"{JOB}/{name}")
        assert (found.state, found.said) == (RunState.UNKNOWN, "success")
    assert [run.state for run in surveyed(platform)] == [RunState.UNKNOWN]


def test_a_run_that_was_given_up_is_cancelled_and_no_new_failure(platform: AirflowClient, simulator: Airflow) -> None:
    simulator.make_run(JOB, "runs", "running")
    simulator.make_run(JOB, "waits")
    platform.stop(JOB)
    assert platform.standing(JOB).is_stopped
    assert [platform.run(f"{JOB}/{name}").state for name in ("runs", "waits")] == [RunState.CANCELLED] * 2
    assert [run.state for run in surveyed(platform)] == [RunState.CANCELLED]


def test_what_was_ended_before_it_ran_is_told_without_the_whole_audit_log(
    platform: AirflowClient, simulator: Airflow
) -> None:
    for name, word in (("given up", "failed"), ("called so", "success")):
        simulator.make_run(JOB, name)
        simulator.by_hand(JOB, name, word)
    simulator.rights.discard("audit")
    states = [platform.run(f"{JOB}/{name}").state for name in ("given up", "called so")]
    assert states == [RunState.CANCELLED, RunState.UNKNOWN]


def test_a_failure_that_somebody_notes_or_fails_once_more_stays_one(
    platform: AirflowClient, simulator: Airflow
) -> None:
    simulator.make_run(JOB, "r1", "failed", ago=timedelta(minutes=5))
    simulator._logged("patch_dag_run", JOB, "r1", {"note": "seen"})
    simulator.by_hand(JOB, "r1", "failed")
    assert platform.run(f"{JOB}/r1").state is RunState.FAILED


def test_without_the_right_to_the_audit_log_no_success_is_believed(platform: AirflowClient, simulator: Airflow) -> None:
    simulator.make_run(JOB, "r1", "success")
    simulator.rights.discard("audit")
    with pytest.raises(PlatformRefused, match="eventLogs"):
        platform.run(f"{JOB}/r1")
    assert "audit log" in platform.probe().lacks[0]


def test_a_run_that_ended_while_the_stop_looked_at_it_keeps_its_end(
    platform: AirflowClient, simulator: Airflow
) -> None:
    simulator.make_run(JOB, "r1", "running")
    listed = platform._unfinished(JOB)
    simulator.ends(JOB, "r1", "success")
    platform._give_up(listed[0])
    assert simulator.find(JOB, "r1")["state"] == "success"


# -- why a run failed ------------------------------------------------------------------------------------------------


def test_a_failed_run_says_what_its_task_s_log_says_without_the_secrets(
    platform: AirflowClient, simulator: Airflow
) -> None:
    simulator.reasons[JOB] = "401 for token=sk_live_51Habcdefghijklmnop"
    simulator.make_run(JOB, "r1", "failed")
    message = platform.run(f"{JOB}/r1").message
    assert message.startswith("Task deliver: RuntimeError: 401 for ")
    assert "sk_live" not in message


def test_a_log_that_cannot_be_read_hides_no_failure(platform: AirflowClient, simulator: Airflow) -> None:
    simulator.make_run(JOB, "r1", "failed")
    simulator.bad = [Bad("broken", "/logs/")]
    found = platform.run(f"{JOB}/r1")
    assert (found.state, found.message) == (RunState.FAILED, "")


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        ({"content": "a\nb\n"}, "a\nb"),
        ({"content": ["a", "b"]}, "a\nb"),
        ({"content": [{"event": "::group::x"}, {"event": "gone"}]}, "gone"),
        ({"content": [{"event": 7}, None]}, ""),
        ([], ""),
        (None, ""),
    ],
)
def test_a_log_of_whatever_shape_is_read(log: object, reason: str) -> None:
    assert reason_in(log) == reason


# -- keys ------------------------------------------------------------------------------------------------------------


def test_a_key_that_airflow_would_not_take_is_still_one_run(platform: AirflowClient, simulator: Airflow) -> None:
    first, second = (platform.start_run(JOB, "JF 1/two & three") for _ in range(2))
    assert first.id == second.id
    assert platform.start_run(JOB, "JF 1/two - three").id != first.id
    assert len(simulator.runs) == 2


def test_a_run_whose_answer_was_lost_is_found_by_its_key(platform: AirflowClient, simulator: Airflow) -> None:
    simulator.bad = [Bad("drop", f"POST /api/v2/dags/{TWIN}/dagRuns")]
    with pytest.raises(PlatformDown):
        platform.start_run(JOB, KEY)
    found = platform.run_by_key(JOB, KEY)
    assert found is not None
    assert len(simulator.runs) == 1


# -- getting in ------------------------------------------------------------------------------------------------------


def test_a_token_that_ran_out_is_renewed_once_however_many_ask(platform: AirflowClient, simulator: Airflow) -> None:
    platform.probe()
    simulator.expire()
    with ThreadPoolExecutor(8) as threads:
        assert len({one.id for one in threads.map(lambda _: platform.job(JOB), range(16))}) == 1
    assert simulator.token_asked == 2


def test_a_tag_that_the_block_leaves_empty_is_none_and_hides_no_job(
    airflow: tuple[Airflow, str], simulator: Airflow
) -> None:
    none = AirflowTags(retailer="", marketplace="", connection="", stopped_by="", rerun_of="")
    with AirflowClient(airflow[1], user=USER, password=PASSWORD, tags=none) as made:
        job = made.job(JOB)
        assert (job.retailer, job.marketplace, job.connection, job.stopped_by) == (None, None, None, None)
        assert {one.job.id for one in made.survey(datetime.now(UTC)).jobs} == set(simulator.dags)


def test_a_password_that_is_not_accepted_is_tried_once_and_not_by_each_call(
    airflow: tuple[Airflow, str], simulator: Airflow
) -> None:
    asked = simulator.token_asked
    with AirflowClient(airflow[1], user=USER, password="of-last-year") as made:
        for _ in range(5):
            with pytest.raises(PlatformRefused, match="user name and password"):
                made.job(JOB)
    assert simulator.token_asked == asked + 1


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_a_stop_of_no_name_is_one_of_no_dag(platform: AirflowClient, simulator: Airflow, name: str) -> None:
    with pytest.raises(PlatformError):
        platform.stop(name)
    assert not any(dag["is_paused"] for dag in simulator.dags.values())


def test_a_right_that_is_missing_is_named_and_asks_for_no_new_token(
    platform: AirflowClient, simulator: Airflow
) -> None:
    simulator.rights.discard("edit")
    with pytest.raises(PlatformRefused, match="does not allow our user to change dags/orders_feed"):
        platform.stop(JOB)
    assert simulator.token_asked == 1
    assert any("pause" in one for one in platform.probe().lacks)


@pytest.mark.parametrize(
    ("path", "password", "words"),
    [("", "wrong", "user name and password"), ("/wrong", PASSWORD, "something that is not Airflow")],
)
def test_what_is_wrong_in_the_block_is_named(
    airflow: tuple[Airflow, str], path: str, password: str, words: str
) -> None:
    with client(f"{airflow[1]}{path}", password) as made, pytest.raises(PlatformRefused, match=words) as refused:
        made.probe()
    assert password not in str(refused.value)


def test_a_token_that_was_given_to_us_and_is_worthless_says_so(airflow: tuple[Airflow, str]) -> None:
    with (
        AirflowClient(airflow[1], token="worthless-made-up") as made,
        pytest.raises(PlatformRefused, match=r"credentials \(token\)") as refused,
    ):
        made.probe()
    assert "worthless" not in str(refused.value)


def test_a_scheduler_that_does_not_run_is_told(platform: AirflowClient, simulator: Airflow) -> None:
    simulator.scheduler = "unhealthy"
    assert platform.probe().lacks == ("Airflow's scheduler does not run, so no job does: start it.",)


def test_pages_that_are_built_for_another_address_are_refused(airflow: tuple[Airflow, str]) -> None:
    with client(airflow[1]) as made:
        assert made.probe_pages().endswith("shows Airflow's pages")
    with client(f"{airflow[1]}/team") as made, pytest.raises(PlatformRefused, match="built for"):
        made.probe_pages()


def test_a_time_zone_that_is_none_is_refused_before_anything_is_asked() -> None:
    with pytest.raises(BadInput, match="Berlinn"):
        AirflowClient("http://airflow.example.com", timezone="Europe/Berlinn")


# -- the survey ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cursors", [False, True])
def test_a_survey_reads_every_run_once_over_many_pages(
    platform: AirflowClient, simulator: Airflow, cursors: bool
) -> None:
    simulator.knows_cursors = cursors
    for number in range(250):
        simulator.make_run(JOB, f"r{number}", "success")
    simulator.make_run(JOB, "old", "success", ago=timedelta(hours=2))
    simulator.make_run(JOB, "waits")
    assert sorted(run.name for run in surveyed(platform)) == sorted(f"r{number}" for number in range(250))


@pytest.mark.parametrize("cursors", [False, True])
def test_a_list_of_runs_without_an_end_or_cut_short_is_down(
    platform: AirflowClient, simulator: Airflow, cursors: bool
) -> None:
    simulator.knows_cursors = cursors
    for number in range(3):
        simulator.make_run(JOB, f"r{number}", "success")
    simulator.keeps_back = 1
    with pytest.raises(PlatformDown, match="2 of 3 runs"):
        surveyed(platform)
    simulator.keeps_back, simulator.endless = 0, True
    with pytest.raises(PlatformDown, match="without an end"):
        surveyed(platform)


def test_the_clock_is_airflow_s_own_and_a_start_that_it_planned_and_did_not_make_is_late(
    platform: AirflowClient, simulator: Airflow
) -> None:
    simulator.clock = timedelta(hours=3)
    survey = platform.survey(ago(hours=1))
    assert survey.clock is not None
    assert survey.clock - datetime.now(UTC) > timedelta(hours=2, minutes=59)
    planned = datetime.fromisoformat(simulator.dags[JOB]["next_dagrun_run_after"])
    assert survey.jobs[0].late == (planned,)


@pytest.mark.parametrize(
    ("summary", "planned", "zone", "schedule"),
    [
        ("0 6 * * *", "2026-06-01T06:00:00Z", "UTC", Schedule(cron="0 6 * * *")),
        ("0 6 * * *", "2026-06-01T04:00:00Z", "Europe/Berlin", Schedule(cron="0 6 * * *", timezone="Europe/Berlin")),
        ("0 6 * * *", "2026-06-01T04:00:00Z", "UTC", Schedule()),  # another zone than is said: not believed
        ("1 day, 0:30:00", "2026-06-01T04:00:00Z", "UTC", Schedule(
            every=timedelta(days=1, minutes=30), anchor=datetime(2026, 6, 1, 4, tzinfo=UTC))),
        ("Asset", None, "UTC", Schedule()),
    ],
)  # fmt: skip
def test_a_schedule_is_told_as_far_as_it_is_known(
    airflow: tuple[Airflow, str], summary: str, planned: str | None, zone: str, schedule: Schedule
) -> None:
    airflow[0].dags[JOB] |= {"timetable_summary": summary, "next_dagrun_run_after": planned}
    with client(airflow[1], timezone=zone) as made:
        assert made.survey(ago(hours=1)).jobs[0].schedules == (schedule,)


def test_a_dag_that_no_file_defines_any_more_is_no_job(platform: AirflowClient, simulator: Airflow) -> None:
    simulator.dags[JOB]["is_stale"] = True
    with pytest.raises(UnknownJob):
        platform.standing(JOB)
    with pytest.raises(UnknownJob):
        platform.go_live(JOB)


def test_the_page_of_a_run_gets_the_token_as_a_header_that_nobody_sees(
    airflow: tuple[Airflow, str], certificate: Path
) -> None:
    own = certificate.read_text().partition("-----BEGIN PRIVATE KEY")[0]
    with client(airflow[1], ca=own) as made:
        page = made.page(made.start_run(JOB, KEY))
    assert page.ca == own  # the browser has to know it, too
    assert page.url.endswith(f"/dags/{TWIN}/runs/JF-000001%3Areactivation%3A1%3A7")
    assert (page.names, page.success) == ((TWIN, KEY), "Success")
    assert page.headers["Authorization"].startswith("Bearer token-")
    assert "token-" not in repr(page)
