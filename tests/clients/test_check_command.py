"""`caseproof check` as a person runs it: what it prints, what it refuses, and what it does without Prefect (J2, J4)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from blocks.reading import variable
from caseproof.config.settings import Settings
from caseproof.procedure.containment.check_lock import check_lock
from caseproof.procedure.containment.known_jobs import find_jobs
from caseproof.procedure.containment.stop_targets import StopResult
from caseproof.procedure.core.services import bootstrap
from caseproof.up.processes import free_port
from sandbox.farm import Behaviour, Farm, farm_of
from tasks.checking import check_all
from tests.support.command import Run, for_home
from tests.support.farm_here import farm_here

ROOT = Path(__file__).parents[2]
POLICY = "team: [operator, team lead]\n"
FAILING = 4


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "home").mkdir()
    return for_home(tmp_path / "home", monkeypatch)


@pytest.fixture(autouse=True)
def _without_prefect() -> Iterator[None]:
    gone = f"http://127.0.0.1:{free_port()}/api"
    with temporary_settings({PREFECT_API_URL: gone, PREFECT_CLIENT_MAX_RETRIES: 0}):
        yield


@pytest.fixture
def described(home: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Farm], Farm]:
    """Has a farm's platform stand in the environment, while no Prefect server answers (house rule 4)."""

    assert home.exists()  # it takes every CASEPROOF variable away, so it comes first

    def describe(farm: Farm) -> Farm:
        fields = {"api_url": farm.api_url, "ui_url": "http://jobs.example.com"}
        monkeypatch.setenv(variable("farm"), json.dumps(fields))
        return farm

    return describe


@pytest.fixture
def jobs(described: Callable[[Farm], Farm]) -> Iterator[Farm]:
    with farm_here(farm_of(20, failing=FAILING)) as running:
        yield described(running)


def stops(farm: Farm) -> int:
    return sum(counts["stops"] for counts in farm.jobs().values())


def checked(out: str) -> Any:
    return json.loads(out)["platforms"]["farm"]


def test_a_pass_needs_no_prefect_and_says_that_the_keeper_makes_the_runs(jobs: Farm, run: Run, home: Path) -> None:
    ended = run("check")
    assert ended.code == 0
    assert ended.err.startswith("farm: No contact is registered for Shop 0000"), "before the first of them is stopped"
    assert stops(jobs) == FAILING
    assert f"{FAILING} stopped" in ended.out
    assert "The cases have no flow runs yet; the keeper makes them." in " ".join(ended.out.split())
    with bootstrap(Settings(home=home)).store.reading() as uow:
        assert len(uow.cases.rows(open_only=True)) == FAILING
        assert len(find_jobs(uow, "/", 99)) == 20, "whoever raises a case finds all jobs"


def test_a_dry_run_prints_the_plan_and_does_nothing(jobs: Farm, run: Run, home: Path) -> None:
    planned = checked(run("check", "--dry-run", "--json").out)
    assert [line["act"] for line in planned["lines"]].count("stop") == FAILING
    assert stops(jobs) == 0
    assert "nothing was done" in " ".join(run("check", "--dry-run").out.split())
    with bootstrap(Settings(home=home)).store.reading() as uow:
        assert (uow.cases.rows(), find_jobs(uow, "/", 99)) == ([], [])


def test_a_second_check_at_the_same_time_says_so_and_does_nothing(jobs: Farm, run: Run, home: Path) -> None:
    services = bootstrap(Settings(home=home))
    working, done = threading.Event(), threading.Event()

    def work() -> None:
        with check_lock(services.settings, "farm"):
            working.set()
            done.wait(60)

    other = threading.Thread(target=work)
    other.start()
    try:
        assert working.wait(60)
        ended = run("check")
    finally:
        done.set()
        other.join()
    assert ended.code == 1
    assert "A check of farm is at work already" in " ".join(ended.err.split())
    assert stops(jobs) == 0
    assert run("check").code == 0


def test_a_platform_that_is_down_is_told_and_no_case_is_opened(jobs: Farm, run: Run, home: Path) -> None:
    jobs.behave(Behaviour("unavailable"))
    ended = run("check")
    assert ended.code == 1
    assert "farm: " in ended.err
    assert ended.err.count("Next:") == 1
    with bootstrap(Settings(home=home)).store.reading() as uow:
        assert uow.cases.rows() == []


def test_runs_that_cannot_be_read_to_their_end_stop_nothing(jobs: Farm, run: Run) -> None:
    for bad in ("cut short", "endless", "growing"):
        jobs.behave(Behaviour(bad, path="flow_runs/filter"))
        assert run("check").code == 1, bad
        assert stops(jobs) == 0, bad


@pytest.mark.full
@pytest.mark.parametrize("hours", [-9, 7])
def test_a_clock_that_is_hours_off_changes_nothing(hours: int, described: Callable[[Farm], Farm], run: Run) -> None:
    there = datetime.now(UTC) + timedelta(hours=hours)
    with farm_here(farm_of(20, failing=FAILING, flapping=2, missed=1, now=there), now=there) as farm:
        described(farm)
        found = Counter(line["verdict"] for line in checked(run("check", "--json").out)["lines"])
        assert found == {"failing": FAILING, "flapping": 2, "missed": 1, "fine": 20 - FAILING - 3}
        assert stops(farm) == FAILING


def test_a_platform_whose_address_cannot_be_used_leaves_the_others_alone(
    jobs: Farm, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = {"api_url": "http://jobs.example.com/api?page=1", "ui_url": "http://jobs.example.com"}
    monkeypatch.setenv(variable("another"), json.dumps(fields))
    ended = run("check")
    assert ended.code == 1
    assert "another: The address of the Prefect API cannot be used" in ended.err
    assert stops(jobs) == FAILING


def test_a_schedule_outside_the_calendar_leaves_its_platform_checked(
    described: Callable[[Farm], Farm], run: Run
) -> None:
    some = farm_of(3, failing=1)
    every = {"interval": 3600, "anchor_date": "0001-01-01T00:00:00+14:00", "timezone": "UTC"}
    some[1]["schedules"] = [{"schedule": every, "active": True}]
    with farm_here(some) as farm:
        described(farm)
        assert run("check").code == 0
        assert stops(farm) == 1


def test_what_a_pass_did_is_told_though_it_did_not_get_to_its_end(jobs: Farm, home: Path) -> None:
    class Falls:
        def reads(self, platform: str) -> None: ...
        def found(self, platform: str, notes: Sequence[str]) -> None: ...
        def begins(self, platform: str, total: int) -> None: ...
        def did(self, result: StopResult) -> None:
            raise LookupError(f"made-up {result.job}")

    [one] = check_all(bootstrap(Settings(home=home)), "", dry_run=False, watcher=Falls())
    assert one.counts["stopped"] == stops(jobs) == FAILING
    assert "It failed unexpectedly: LookupError (test_check_command.py, line " in one.wrong
    assert "made-up" not in one.wrong


def test_a_signal_ends_a_pass_that_hangs() -> None:
    """For each signal a process that hangs, forked from one that has imported the command: that takes seconds."""
    hangs = """
import importlib, os, threading, time
check = importlib.import_module("caseproof.cli.check")
check.END_SECONDS = 0.1
for _ in range(2):
    if child := os.fork():
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
        continue
    thread = threading.Thread(target=time.sleep, args=(60,))
    thread.start()
    with check.ending_soon():
        print(os.getpid(), flush=True)
        thread.join()
"""
    with subprocess.Popen([sys.executable, "-c", hangs], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            for signum in (signal.SIGINT, signal.SIGTERM):
                os.kill(int(process.stdout.readline()), signum)
                assert int(process.stdout.readline()) == 128 + signum
            assert process.wait(60) == 0
        finally:
            process.kill()


def test_a_name_cannot_steer_the_terminal(described: Callable[[Farm], Farm], run: Run) -> None:
    some = farm_of(1, failing=1)
    some[0]["id"] = "feed/clear\x1b[2J\u202e"
    with farm_here(some) as farm:
        described(farm)
        ended = run("check", "--dry-run")
    assert "feed/clear [2J" in ended.out
    assert not {"\x1b", "\u202e"} & set(ended.out)


def test_a_policy_with_an_error_leaves_the_old_one_in_force_and_is_told(jobs: Farm, run: Run, home: Path) -> None:
    (home / "policy.yaml").write_text(POLICY)
    assert "policy" not in run("check", "--dry-run").err
    (home / "policy.yaml").write_text(POLICY + "check: {otherwise: {failures: none}}\n")
    ended = run("check")
    assert ended.code == 0
    said = " ".join(ended.err.split())
    assert "check.otherwise.failures" in said
    assert "the policy from before stays in force" in said
    assert stops(jobs) == FAILING


def test_a_platform_that_nobody_knows_is_refused_with_what_would_serve(jobs: Farm, run: Run) -> None:
    ended = run("check", "--platform", "other")
    assert ended.code == 1
    assert "CASEPROOF_PLATFORM_OTHER" in ended.err
    assert stops(jobs) == 0
