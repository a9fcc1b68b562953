"""The deployments that `caseproof up` makes: the shipped prefect.yaml with the times of the policy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.client.schemas.schedules import CronSchedule, IntervalSchedule

from caseproof.config.policy import BUILT_IN, AnswersPolicy, Policy, Times, load_policy
from caseproof.config.shipped import shipped
from caseproof.up.deployments import schedules_of, write_prefect_file
from caseproof.up.prefect_services import CASE
from tests.support.prefect_yaml import unknown_keys

SCHEDULED = {"daily-job-check", "case-keeper", "case-report", "retailer-inbox"}
OWN = Times(
    timezone="Europe/Berlin", check="0 5 * * 1-5", report="15 8 1 * *", keeper_minutes=7.5, inbox_minutes=2.5
)  # fmt: skip


def as_shipped() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(shipped("prefect.yaml").read_text(encoding="utf-8"))
    return found


def written(folder: Path, times: Times, mailbox: str = "") -> dict[str, Any]:
    policy = Policy.model_construct(times=times, answers=AnswersPolicy(mailbox=mailbox))
    found: dict[str, Any] = yaml.safe_load(write_prefect_file(folder, policy).read_text(encoding="utf-8"))
    return found


def schedules(config: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The schedules of the deployments that have some."""
    return {one["name"]: one["schedules"] for one in config["deployments"] if one.get("schedules")}


def test_every_scheduled_deployment_gets_its_time(tmp_path: Path) -> None:
    assert schedules(written(tmp_path, OWN, "retailers")) == {
        "daily-job-check": [{"cron": "0 5 * * 1-5", "timezone": "Europe/Berlin"}],
        "case-keeper": [{"interval": 3600}],
        "case-report": [{"cron": "15 8 1 * *", "timezone": "Europe/Berlin"}],
        "retailer-inbox": [{"interval": 3600}],
    }
    assert set(schedules(as_shipped())) == SCHEDULED, "one that is scheduled by somebody else's time"


@pytest.mark.parametrize("times", [Times(), load_policy(BUILT_IN).times], ids=["built in", "policy-default.yaml"])
def test_the_times_of_the_shipped_file_are_the_policys_defaults(tmp_path: Path, times: Times) -> None:
    assert written(tmp_path, times) == as_shipped()


def test_nothing_but_the_times_differs_from_the_shipped_file(tmp_path: Path) -> None:
    found, expected = written(tmp_path, OWN), as_shipped()
    for deployment in (*found["deployments"], *expected["deployments"]):
        deployment.pop("schedules", None)
    assert found == expected
    assert found["pull"] == [], "without it Prefect writes down the folder that was deployed from"


@pytest.mark.parametrize("name", ["daily-job-check", "case-report"])
def test_what_runs_by_hand_only_has_an_idle_schedule_and_not_none(tmp_path: Path, name: str) -> None:
    """Prefect takes an empty list for "nothing said", and goes on by the schedule of the last deploying."""
    times = Times.model_construct(**(Times().model_dump() | {"check": "", "report": ""}))
    (idle,) = schedules(written(tmp_path, times))[name]
    assert idle["active"] is False
    assert schedules(written(tmp_path, times))["case-keeper"] == [{"interval": 3600}], "the keeper always runs"


def test_without_a_mailbox_its_reading_stands_idle_as_in_the_shipped_file(tmp_path: Path) -> None:
    assert schedules(written(tmp_path, OWN))["retailer-inbox"] == [{"interval": 3600, "active": False}]
    assert schedules(as_shipped())["retailer-inbox"][0]["active"] is False


def test_prefect_takes_every_key_and_every_value_of_what_is_written(tmp_path: Path) -> None:
    for times in (OWN, Times(check="")):
        config = written(tmp_path, times)
        assert unknown_keys(config) == []
        for one in [one for some in schedules(config).values() for one in some]:
            assert len({"cron", "interval"} & one.keys()) == 1
            if "cron" in one:
                assert CronSchedule(cron=one["cron"], timezone=one["timezone"]).cron == one["cron"]
            else:
                assert IntervalSchedule(interval=one["interval"]).interval.total_seconds() == one["interval"]


@pytest.mark.parametrize("minutes", [1, 60])
@pytest.mark.parametrize("name", ["case-keeper", "retailer-inbox"])
def test_a_pass_is_a_flow_run_once_an_hour_however_often_passes_are_made(name: str, minutes: float) -> None:
    """Prefect makes a schedule's run before any code of ours starts: at the policy's pace they would be 480 a day."""
    times = Times(keeper_minutes=minutes, inbox_minutes=minutes)
    assert schedules_of(name, times, "retailers") == [{"interval": 3600}]


def test_a_tag_tells_the_runs_of_cases_from_all_others() -> None:
    tagged = [one["name"] for one in as_shipped()["deployments"] if CASE in one["tags"]]
    assert tagged == ["job-failure-case", "escalation"]


def test_a_file_of_before_is_written_over_and_its_folder_is_made(tmp_path: Path) -> None:
    folder = tmp_path / "home" / "prefect"
    written(folder, OWN)
    assert written(folder, Times()) == as_shipped()
    assert [one.name for one in folder.iterdir()] == ["prefect.yaml"]
