"""What every job platform keeps, each sentence over each line (``lines.py``)."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from blocks.platforms import PLATFORMS
from caseproof.domain.codes import Code
from caseproof.domain.errors import BadInput, CaseproofError
from caseproof.domain.vocabulary import Scope
from caseproof.platforms.abilities import Ability
from caseproof.platforms.base import (
    PlatformCannot,
    PlatformDown,
    PlatformRefused,
    Run,
    RunState,
    UnknownJob,
    UnknownRun,
)
from tests.conformance.lines import needs
from tests.conformance.platforms.line import PlatformLine
from tests.conformance.platforms.lines import CALLS, LINES

KEY = "JF-000001:rerun:1"


def surveyed(line: PlatformLine, *jobs: str, back: timedelta = timedelta(hours=1)) -> list[Run]:
    since = datetime.now(UTC) - back
    return [run for page in line.platform.survey(since, jobs).pages for run in page]


# -- what it is able to do -------------------------------------------------------------------------------------------


def test_every_kind_of_platform_is_a_line_of_this_suite() -> None:
    assert set(PLATFORMS) == {line.BLOCK for line in LINES if line.BLOCK is not None}


@pytest.mark.parametrize("kind", LINES, ids=[kind.NAME for kind in LINES])
def test_what_cannot_happen_to_a_line_is_a_sentence_that_there_is(kind: type[PlatformLine]) -> None:
    assert {f"test_{sentence}" for sentence in kind.NEVER} - globals().keys() == set()
    assert all(kind.NEVER.values())


def test_what_it_cannot_do_it_declares_and_raises(line: PlatformLine) -> None:
    assert line.platform.abilities == line.ABILITIES
    assert dict(line.platform.abilities.depends) == {}
    job = line.add("shop")
    for ability, lack in line.platform.abilities.lacks.items():
        if ability in CALLS:
            with pytest.raises(PlatformCannot) as raised:
                CALLS[ability](line.platform, job, "r1")
            assert lack.why in raised.value.problem
            assert (raised.value.next_action, raised.value.code) == (lack.instead, Code.PLATFORM_CANNOT)


def test_what_its_block_says_of_its_kind_is_true_of_it(line: PlatformLine) -> None:
    if line.BLOCK is not None:
        kind = line.BLOCK.ABILITIES
        assert kind.can <= line.platform.abilities.can <= kind.can | kind.depends.keys()


@needs(Ability.RUN)
def test_what_starts_runs_knows_them_by_their_key(line: PlatformLine) -> None:
    assert Ability.KEYED_RUN in line.platform.abilities


# -- jobs ------------------------------------------------------------------------------------------------------------


def test_it_answers_when_it_is_only_asked_whether_it_is_there(line: PlatformLine) -> None:
    before = datetime.now(UTC)
    probed = line.platform.probe()
    assert probed.found
    assert (probed.clock is not None) is (Ability.CLOCK in line.platform.abilities)
    if probed.clock is not None:
        assert abs(probed.clock - before) < timedelta(minutes=2)


@needs(Ability.LIST)
def test_a_wide_stop_reaches_the_same_retailer_s_jobs_and_nobody_else_s(line: PlatformLine) -> None:
    first, same = line.add("orders"), line.add("stock")
    line.add("elsewhere", connection="api", marketplace="fair")
    line.add("theirs", shop="toy")
    job = line.platform.job(first)
    assert job.id == first
    for scope in (Scope.MARKETPLACE, Scope.CONNECTION):
        assert [one.id for one in line.platform.jobs_in(scope, job)] == [first, same]
    assert [one.id for one in line.platform.jobs_in(Scope.JOB, job)] == [first]


@needs(Ability.STOP)
def test_a_stopped_job_does_not_run_on_schedule(line: PlatformLine) -> None:
    job = line.add("shop")
    line.due(job)
    assert line.platform.standing(job).active
    line.platform.stop(job)
    line.due(job)
    now = line.platform.standing(job)
    assert (now.job, now.active) == (job, False)
    if Ability.CANCEL in line.platform.abilities:
        assert (now.is_stopped, now.waiting) == (True, 0)


@needs(Ability.STOP, Ability.CANCEL)
def test_what_is_queued_when_it_is_stopped_is_cancelled(line: PlatformLine) -> None:
    job = line.add("shop")
    line.ran(job, RunState.WAITING)
    line.platform.stop(job)
    assert line.platform.standing(job).waiting == 0


@needs(Ability.STOP)
def test_stopping_twice_is_one_stop(line: PlatformLine) -> None:
    job, other = line.add("shop"), line.add("other")
    line.platform.stop(job)
    once = line.platform.standing(job)
    line.platform.stop(job)
    assert line.platform.standing(job) == once
    assert not once.active
    assert line.platform.standing(other).active


@needs(Ability.STOP, Ability.RESUME)
def test_one_going_live_undoes_any_number_of_stops(line: PlatformLine) -> None:
    job = line.add("shop")
    for _ in range(2):
        line.platform.stop(job)
    for _ in range(2):
        line.platform.go_live(job)
        assert line.platform.standing(job).active


@needs(Ability.STOP)
def test_a_stop_that_it_takes_and_does_not_make_is_seen_by_reading_back(line: PlatformLine) -> None:
    job = line.add("shop")
    line.lies("stop")
    line.platform.stop(job)
    assert line.platform.standing(job).active


@needs(Ability.STOP, Ability.RESUME)
def test_a_going_live_that_it_takes_and_does_not_make_is_seen_by_reading_back(line: PlatformLine) -> None:
    job = line.add("shop")
    line.platform.stop(job)
    line.lies("go_live")
    line.platform.go_live(job)
    assert not line.platform.standing(job).active


@needs(Ability.REMOVE)
def test_a_removed_job_does_nothing_any_more_and_removing_it_twice_is_harmless(line: PlatformLine) -> None:
    job, other = line.add("shop"), line.add("other")
    for _ in range(2):
        line.platform.remove(job)
    with suppress(UnknownJob):
        assert line.platform.standing(job).is_stopped
    assert line.platform.standing(other).active


@needs(Ability.LIST)
def test_a_job_that_vanished_is_an_unknown_job(line: PlatformLine) -> None:
    job = line.add("shop")
    assert line.platform.job(job).id == job
    line.vanishes(job)
    asked = {Ability.LIST, Ability.STANDING, Ability.STOP, Ability.RESUME, Ability.RUN} & line.platform.abilities.can
    for ability in sorted(asked):
        with pytest.raises(UnknownJob) as unknown:
            CALLS[ability](line.platform, job, "")
        assert job in unknown.value.problem
        assert unknown.value.next_action


# -- runs ------------------------------------------------------------------------------------------------------------


@needs(Ability.RUN, Ability.STOP)
def test_a_re_run_with_the_same_key_is_one_run_and_starts_while_the_job_is_stopped(line: PlatformLine) -> None:
    job, other = line.add("shop"), line.add("other")
    line.platform.stop(job)
    assert line.platform.run_by_key(job, KEY) is None
    first = line.platform.start_run(job, KEY)
    again = line.platform.start_run(job, KEY)
    known = line.platform.run_by_key(job, KEY)
    assert first.id == again.id
    assert known is not None
    assert (known.id, known.job) == (first.id, job)
    runs = {line.platform.start_run(job, f"{KEY}0").id, line.platform.start_run(other, KEY).id, first.id}
    assert len(runs) == 3
    assert not line.platform.standing(job).active


@needs(Ability.RUN, Ability.VERIFY)
@pytest.mark.parametrize("end", [RunState.SUCCEEDED, RunState.FAILED])
def test_a_run_that_we_started_is_read_back_as_it_ended(line: PlatformLine, end: RunState) -> None:
    job = line.add("shop")
    started = line.platform.start_run(job, KEY)
    assert not line.platform.run(started.id).state.is_over
    line.ends(started, end)
    run = line.platform.run(started.id)
    assert (run.id, run.job, run.state) == (started.id, job, end)
    assert run.started_at is not None
    assert run.ended_at is not None
    assert run.started_at.utcoffset() == run.ended_at.utcoffset() == timedelta()
    assert run.started_at <= run.ended_at


@needs(Ability.VERIFY)
def test_a_run_is_read_back_as_what_it_is(line: PlatformLine) -> None:
    job = line.add("shop")
    for state in (RunState.SUCCEEDED, RunState.FAILED, RunState.RUNNING):
        run = line.platform.run(line.ran(job, state))
        assert (run.job, run.state) == (job, state)
        assert run.said
        assert (run.ended_at is not None) is state.is_over


@needs(Ability.VERIFY)
def test_a_run_that_is_not_there_is_an_unknown_run(line: PlatformLine) -> None:
    with pytest.raises(UnknownRun) as unknown:
        line.platform.run("99999999-9999-4999-8999-999999999999")
    assert unknown.value.next_action


@needs(Ability.SURVEY)
def test_a_survey_tells_each_run_of_these_jobs_once(line: PlatformLine) -> None:
    with pytest.raises(BadInput, match="no time zone"):
        line.platform.survey(datetime(2026, 11, 30))  # noqa: DTZ001
    jobs = [line.add("orders"), line.add("stock")]
    quiet = line.add("quiet")
    ran = {line.ran(job, state): (job, state) for job in jobs for state in (RunState.SUCCEEDED, RunState.FAILED)}
    found = surveyed(line, *jobs, "feed/that-is-gone")
    assert len(found) == len(ran)
    assert {run.id: (run.job, run.state) for run in found} == ran
    survey = line.platform.survey(datetime.now(UTC) - timedelta(hours=1), [*jobs, quiet, "feed/that-is-gone"])
    assert {one.job.id: one.active for one in survey.jobs} == dict.fromkeys([*jobs, quiet], True)
    assert (survey.clock is not None) is (Ability.CLOCK in line.platform.abilities)
    assert surveyed(line, *jobs, back=-timedelta(hours=1)) == []


@needs(Ability.SURVEY)
def test_the_runs_of_a_job_are_told_oldest_first(line: PlatformLine) -> None:
    job, other = line.add("orders"), line.add("stock")
    mine = [line.ran(job, RunState.SUCCEEDED), line.ran(job, RunState.FAILED)]
    line.ran(other, RunState.FAILED)
    assert [run.id for run in line.platform.runs_since(job, datetime.now(UTC) - timedelta(hours=1))] == mine
    assert line.platform.runs_since(job, datetime.now(UTC) + timedelta(hours=1)) == []


@needs(Ability.SURVEY)
def test_a_survey_comes_to_its_end_or_says_that_it_did_not(line: PlatformLine) -> None:
    platform = line.endless()
    with pytest.raises(PlatformDown) as down:
        for _ in platform.survey(datetime.now(UTC) - timedelta(days=1)).pages:
            pass
    assert down.value.next_action


@needs(Ability.VERIFY, Ability.PAGE)
def test_the_page_of_a_run_names_it_at_an_address_that_was_set_up(line: PlatformLine) -> None:
    run = line.platform.run(line.ran(line.add("shop"), RunState.SUCCEEDED))
    page = line.platform.page(run)
    assert {run.id, run.name} & {*page.names}
    assert page.success
    assert page.url.startswith(tuple(page.own))
    assert not {*map(str, page.storage.values()), *map(str, page.headers.values())} & {*repr(page).split("'")}


# -- when it goes wrong -----------------------------------------------------------------------------------------------

READS = (Ability.LIST, Ability.STANDING, Ability.SURVEY, Ability.VERIFY)
ACTS = (Ability.STOP, Ability.RESUME, Ability.RUN)


def wrong(line: PlatformLine, platform: object, *asked: Ability) -> list[CaseproofError]:
    """What these calls raise, each; and the probe."""
    raised = []
    calls = {ability: CALLS[ability] for ability in asked if ability in line.platform.abilities}
    for call in (lambda platform, *_: platform.probe(), *calls.values()):
        with pytest.raises(CaseproofError) as error:
            call(platform, f"feed-{line.mark}/shop", "11111111-1111-4111-8111-111111111111")
        raised.append(error.value)
    return raised


def test_html_instead_of_json_is_refused_in_words_that_name_the_base_url(line: PlatformLine) -> None:
    for error in wrong(line, line.html(), *READS):
        assert isinstance(error, PlatformRefused)
        assert line.ADDRESS.removeprefix("https://").partition("/")[0] in error.problem
        assert "address" in error.next_action.lower()


def test_one_that_cannot_be_reached_is_down_and_not_refused(line: PlatformLine) -> None:
    line.add("shop")
    for error in wrong(line, line.dead(), *READS, *ACTS):
        assert isinstance(error, PlatformDown)
        assert error.next_action


def test_expired_credentials_are_refused_saying_so(line: PlatformLine) -> None:
    for error in wrong(line, line.expired(), *READS, *ACTS):
        assert isinstance(error, PlatformRefused)
        assert "credentials" in error.problem
        assert error.next_action
        assert "hunter2" not in f"{error} {error!r} {error.__cause__!r}"
