"""One pass of the keeper after the other, with a moved clock: nothing is forgotten, and nothing is done twice."""

from __future__ import annotations

import dataclasses
import sqlite3
from datetime import timedelta

import pytest

from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.vocabulary import Decision
from caseproof.platforms.base import RunState
from caseproof.procedure.keeper.keeper import keep
from caseproof.procedure.keeper.passes import Ran
from caseproof.procedure.views.board import board
from caseproof.store import locks
from tests.support.fakes import START
from tests.support.keeper import Keeper, mails, row, waits


# -- waking -----------------------------------------------------------------------------------------------------------
def test_a_run_is_woken_by_news_until_it_asks_anew(keeper, world, waiting) -> None:
    assert keeper(minutes=3).woken == []
    world.confirm(waiting)
    assert [keeper(minutes=3).woken for _ in range(2)] == [[waiting], [waiting]], "it may have been about to suspend"
    waits(world, waiting, "decision")
    assert keeper(minutes=3).woken == []


def test_a_paused_account_is_decided_anew_on_its_date(keeper, world, waiting) -> None:
    until = (START + timedelta(days=10)).date()
    world.decide(waiting, Decision.KEEP_PAUSED, until=until)
    waits(world, waiting, "decision")
    done = [keeper(days=1) for _ in range(9)]
    assert not any(one.woken or one.team_told or one.reminded for one in done), "it is left in peace until then"
    day = keeper(days=1)
    assert (day.woken, day.team_told) == ([waiting], 1)
    waits(world, waiting, "decision")
    assert [keeper(days=7).team_told for _ in range(4)] == [0, 1, 0, 1]


@pytest.mark.parametrize("code", [{}, {"code": "still_running"}], ids=["of a version without codes", "of this version"])
@pytest.mark.parametrize("name", ["otter", 50 * "otter"], ids=["a short name", "a name of 250 characters"])
def test_a_case_that_waits_for_a_long_run_is_woken_when_the_run_is_over(keeper, world, waiting, name, code) -> None:
    world.platform.outcome = "never"
    world.decide(waiting)
    world.step("start", waiting)
    run = world.case(waiting).run["run"]
    world.services.ledger.record(
        waiting, Kind.TROUBLE, step="verify the run", problem=f"The run {name} is still going.", next_action="Resume.",
        **code,
    )  # fmt: skip
    waits(world, waiting, "try-again")
    assert [keeper(minutes=m).woken for m in (1, 2, 5)] == [[], [], []]
    line = board(world.services.ledger, world.services.policy.keeper).lines[0]
    assert (line.who, line.what.startswith(f"The run {name}"[:100])) == ("nobody", True)
    read = world.platform.faulty.did("run")
    keeper(seconds=1)
    assert world.platform.faulty.did("run") == read, "the longer it takes, the seldomer it is read"
    world.platform.runs[run] = dataclasses.replace(
        world.platform.runs[run], state=RunState.SUCCEEDED, ended_at=world.clock()
    )
    assert keeper(minutes=5).woken == [waiting]


def test_a_case_whose_platform_was_down_when_the_run_was_to_be_read_needs_us_until_the_run_is_over(
    keeper, world, waiting
) -> None:
    world.platform.outcome = "never"
    world.decide(waiting)
    world.step("start", waiting)
    run = world.case(waiting).run["run"]
    world.services.ledger.record(
        waiting, Kind.TROUBLE, step="verify the run", problem="The platform is down.", next_action="Wait.",
        code="platform_down",
    )  # fmt: skip
    waits(world, waiting, "try-again")
    assert (keeper(minutes=1).woken, board(world.services.ledger, world.services.policy.keeper).lines[0].who) == (
        [],
        "error to put right",
    )
    world.platform.runs[run] = dataclasses.replace(
        world.platform.runs[run], state=RunState.SUCCEEDED, ended_at=world.clock()
    )
    assert keeper(minutes=5).woken == [waiting]


def test_a_case_without_a_question_is_looked_after_by_its_flow_run(keeper, world) -> None:
    ref = world.open()
    keeper()
    assert keeper.looked_after == [ref]
    keeper(minutes=1)
    assert keeper.looked_after == [ref], "its run is at work"
    keeper(minutes=11)
    assert keeper.looked_after == [ref, ref]


# -- what is looked at when -------------------------------------------------------------------------------------------
def test_a_case_is_looked_at_when_something_is_due_and_not_before(keeper, world, waiting) -> None:
    assert keeper().looked_at == 1
    assert [keeper(hours=6).looked_at for _ in range(4)] == [0, 0, 0, 1], "once a day at least"
    assert row(world, waiting).due_at is not None


def test_a_policy_that_changed_is_in_force_with_the_next_pass(keeper, world, waiting) -> None:
    keeper()
    keeper(minutes=3)
    hasty = world.policy.model_copy(
        update={"keeper": world.policy.keeper.model_copy(update={"remind_after_days": (0.1, 3.0)})}
    )
    world.services = dataclasses.replace(world.services, policy=hasty)
    assert keeper(minutes=1).reminded == []
    assert keeper(hours=3).reminded == [waiting]


def test_a_clock_that_was_years_ahead_for_a_while_leaves_no_case_behind(keeper, world, waiting) -> None:
    keeper()
    world.clock.move(days=1000)
    keeper()
    world.clock.move(days=-1000)
    keeper()
    reminded = world.count(waiting, Kind.REMINDER_SENT)
    keeper(days=6)
    keeper(days=1)
    assert reminded == 1, "the wrong clock reminded once"
    assert world.count(waiting, Kind.REMINDER_SENT) == 2


def test_a_case_that_cannot_be_read_is_told_on_the_board_and_holds_up_no_other(keeper, world, waiting) -> None:
    world.platform.add("other/job")
    broken = world.open("other/job")
    world.walk(broken, until="tell")
    waits(world, broken)
    keeper()
    with sqlite3.connect(world.services.settings.home_folder / "caseproof.sqlite") as raw:
        raw.execute("DROP TRIGGER events_unchanged")
        raw.execute("UPDATE events SET data = '{' WHERE case_id = (SELECT id FROM cases WHERE ref = ?)", (broken,))
    raw.close()
    done = keeper(days=2, hours=1)
    assert done.reminded == [waiting]
    assert broken in done.problems.said
    first = board(world.services.ledger, world.services.policy.keeper).lines[0]
    assert (first.ref, first.needs_us) == (broken, True)


def test_a_case_that_cannot_be_read_has_the_team_written_to_no_more_than_once(make_world) -> None:
    world = make_world(mail={"team": "team@example.com"})
    keeper, refs = Keeper(world), []
    for job in ("broken/job", "other/job"):
        world.platform.add(job)
        refs.append(world.open(job))
        world.walk(refs[-1], until="tell")
        waits(world, refs[-1])
    keeper()
    with sqlite3.connect(world.services.settings.home_folder / "caseproof.sqlite") as raw:
        raw.execute("DROP TRIGGER events_unchanged")
        raw.execute("UPDATE events SET data = '{' WHERE case_id = (SELECT id FROM cases WHERE ref = ?)", (refs[0],))
    raw.close()
    keeper(days=7, hours=1)
    for _ in range(3):
        keeper(minutes=3)
    assert len(mails(world, "team@example.com")) == 1
    assert (world.count(refs[1], Kind.TEAM_TOLD)) == 1


def test_one_pass_at_a_time(keeper, world) -> None:
    lock = world.services.settings.home_folder / "keeper" / "pass"
    locks.hold(lock)
    assert keep(world.services, keeper.ports(), patience=0) is None
    locks.let_go(lock)
    assert keep(world.services, keeper.ports(), patience=0) is not None


def test_prefect_that_is_down_leaves_the_rest_of_the_pass_alone(keeper, world, waiting) -> None:
    def down(*_: object) -> Ran:
        raise ConnectionError("refused")

    world.clock.move(days=2)
    done = keep(world.services, dataclasses.replace(keeper.ports(), runs=down), patience=0)
    assert done is not None
    assert done.reminded == [waiting]
    assert "flow runs" in done.problems.said


def test_a_pass_goes_on_giving_runs_while_workers_take_them(world, waiting) -> None:
    world.confirm(waiting)
    asked = iter(
        [
            Ran(waiting=2, later=[waiting]),
            Ran(given=["JF-000009"], waiting=1, woken=[waiting]),
            Ran(given=["JF-000010"]),
        ]
    )
    keeper = Keeper(world)
    ports = dataclasses.replace(keeper.ports(), runs=lambda *_: next(asked))
    done = keep(world.services, ports, patience=600)
    assert done is not None
    assert (done.given_runs, done.woken, done.waiting_for_runs) == (["JF-000009", "JF-000010"], [waiting], 0)
    assert done.in_words()["given a run"] == "2: JF-000009, JF-000010"
