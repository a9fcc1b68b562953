"""The flow's own order: each place in it has a reason, and no two neighbours may change places."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import flows.job_failure_case
from caseproof.desks.base import DeskDown
from caseproof.domain.forms import CauseChoice, Counts, Verdict, Word
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.vocabulary import Decision
from caseproof.evidence.screenshot import NotTheRun
from caseproof.platforms.base import RunState
from caseproof.procedure.core.causes import correct_cause
from caseproof.procedure.views.case_page import sentence
from tasks.people import NothingMoved
from tests.support.fakes import Killed
from tests.support.keeper import writes
from tests.support.world import CONTACT, DECIDER, JOB, REVIEWER, THE_END, WORDS, World

MakeWorld = Callable[..., World]

EFFECTS = {"stop", "start_run", "go_live", "send", "create", "attach", "comment", "set_status"}
FORMS = {
    "retailers-word": {"answered_by": DECIDER, "what": Word.WROTE, "sender": CONTACT, "message": WORDS},
    "agreement": {"answered_by": REVIEWER, "counts": Counts.AGREE, "remark": "I saw their letter."},
    "decision": {
        "answered_by": DECIDER, "decision": Decision.AFTER_CHANGE, "reason": "It works.", "checked": "A test call.",
    },
    "review": {"answered_by": REVIEWER, "verdict": Verdict.APPROVE},
}  # fmt: skip


def calls(world: World) -> list[str]:
    """What is done to the other systems from now on, in the order in which it is done."""
    done: list[str] = []
    for system in (world.platform, world.desk, world.mail):
        system.faulty.during = lambda call: done.append(call) if call in EFFECTS else None
    return done


# -- why each step stands where it stands -----------------------------------------------------------------------------


def the_stop_comes_first_then_the_ticket_then_the_notice(world: World) -> None:
    """J2, J1, J5."""
    ref = world.open()
    done = calls(world)
    world.walk(ref, people=False)
    assert done == ["stop", "create", "send"]


def what_the_retailer_wrote_is_on_the_ticket_before_a_person_is_asked_and_after_the_notice_went_out(
    world: World,
) -> None:
    """J5, J8: a desk that is down keeps no notice back, and the front line knows what the team is asked."""
    ref = world.open()
    world.walk(ref, until="ticket")
    writes(world, ref, "Which token do you mean?")
    done = calls(world)
    world.walk(ref, people=False)
    assert done == ["send", "comment"]


def the_ticket_is_there_before_a_person_is_asked_for_the_cause(world: World) -> None:
    """J1: whoever is asked finds the ticket."""
    ref = world.open(cause="unknown", summary="something broke")
    done = calls(world)
    world.walk(ref, people=False)
    assert done == ["stop", "create"]


def a_cause_that_a_person_said_is_told_in_the_same_turn(world: World) -> None:
    """House rule 11, J5."""
    ref = world.open(cause="unknown", summary="something broke")
    world.walk(ref, forms={"cause": {"answered_by": DECIDER, "cause": CauseChoice.FEED}}, until="note")
    assert world.count(ref, Kind.NOTICE_SENT) == 1
    for taken in world.walker.processes:
        assert len(taken) == len(set(taken)), "a second turn"


def who_was_told_another_cause_is_told_so_before_anybody_is_asked_anything(world: World) -> None:
    """J5: also where the process died between the notice and its record, and the cause was corrected meanwhile."""
    ref = world.open()
    world.mail.faulty.fails("send", after=Killed())
    with pytest.raises(Killed):
        world.walk(ref)
    correct_cause(world.services.ledger, world.services.policy.team, ref, "feed", by=REVIEWER)
    world.restart(minutes=30)
    done = calls(world)
    world.walk(ref, people=False)
    assert done == ["send", "send"], "the same notice once more, and what takes it back"


def a_desk_that_is_down_keeps_no_correction_back(world: World) -> None:
    """J5 before J8."""
    ref = world.open()
    world.walk(ref, until="tell")
    writes(world, ref, "Which token do you mean?")
    correct_cause(world.services.ledger, world.services.policy.team, ref, "feed", by=REVIEWER)
    done = calls(world)
    world.walk(ref, people=False)
    assert done == ["send", "comment"]


def one_turn_is_enough_from_one_question_to_the_next(world: World) -> None:
    """Each step finds what it needs: an answer is acted on, and what follows from it done, without going round."""
    ref = world.open()
    done = calls(world)

    def is_labelled(name: str) -> None:
        assert name != "look" or world.walker.name.endswith("at work"), "the answer was read before the run is named"

    case = world.walk(ref, until=THE_END, forms=FORMS, after=is_labelled)
    assert case.is_closed
    for taken in world.walker.processes:
        assert len(taken) == len(set(taken)), "a second turn"
    assert world.happened(ref)[-3:] == [Kind.CLOSED, Kind.TICKET_CLOSED, Kind.RECOVERY_TOLD]
    assert done[-2:] == ["set_status", "send"]
    assert world.walker.name.endswith("closed")
    card = world.walker.shown[f"{ref.lower()}-case"][0]
    assert sentence(case.events[-1]).split("@")[0] in card, "the card is shown last"


def a_browser_that_takes_no_picture_keeps_no_good_job_stopped(world: World) -> None:
    """J6: the schedule goes live as soon as the run is verified."""
    ref = world.open()
    world.camera.says = ("Please log in",)
    with pytest.raises(NotTheRun):
        world.walk(ref)
    assert world.platform.is_active(JOB)


def a_case_that_could_not_be_closed_is_closed_when_it_is_tried_again_and_nobody_is_asked_for_more_help(
    world: World,
) -> None:
    ref = world.open()
    world.desk.faulty.fails("attach", what=f"{ref}-1-", before=DeskDown("The desk does not answer.", "Wait."))
    with pytest.raises(DeskDown):
        world.walk(ref)
    assert world.walk(ref).is_closed


def a_job_that_fails_again_is_stopped_at_once_in_the_next_turn(world: World) -> None:
    """J10, J2: the run that looks again stops it itself, before it tells anybody."""
    ref = world.open()
    world.walk(ref, before="look")
    world.clock.move(minutes=5)
    world.platform.add_run(JOB, RunState.FAILED, message="401 again")
    done = calls(world)
    assert world.walk(ref).is_closed
    assert done[:2] == ["stop", "send"]


def a_turn_that_changes_nothing_asks_for_help(world: World) -> None:
    """Never in circles, never in silence: here the platform answers with another run than the one it was asked for."""
    ref = world.open()
    world.walk(ref, until="start")
    mine = world.case(ref).run["run"]
    world.clock.move(minutes=30)
    world.platform.pass_time()
    world.platform.runs[mine] = replace(world.platform.runs[mine], id="run-9")
    with pytest.raises(NothingMoved, match="Nothing moves"):
        world.walk(ref)


STORIES: tuple[Callable[[World], None], ...] = (
    the_stop_comes_first_then_the_ticket_then_the_notice,
    what_the_retailer_wrote_is_on_the_ticket_before_a_person_is_asked_and_after_the_notice_went_out,
    the_ticket_is_there_before_a_person_is_asked_for_the_cause,
    a_cause_that_a_person_said_is_told_in_the_same_turn,
    who_was_told_another_cause_is_told_so_before_anybody_is_asked_anything,
    a_desk_that_is_down_keeps_no_correction_back,
    one_turn_is_enough_from_one_question_to_the_next,
    a_browser_that_takes_no_picture_keeps_no_good_job_stopped,
    a_case_that_could_not_be_closed_is_closed_when_it_is_tried_again_and_nobody_is_asked_for_more_help,
    a_job_that_fails_again_is_stopped_at_once_in_the_next_turn,
    a_turn_that_changes_nothing_asks_for_help,
)


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_in_the_order_of_the_flow(world: World, story: Callable[[World], None]) -> None:
    story(world)


# -- no two neighbours may change places ------------------------------------------------------------------------------


def tree() -> ast.Module:
    return ast.parse(Path(flows.job_failure_case.__file__).read_text(encoding="utf-8"))


def the_function(module: ast.Module) -> ast.FunctionDef:
    [found] = [node for node in module.body if isinstance(node, ast.FunctionDef)]
    return found


def places(function: ast.FunctionDef) -> list[ast.Expr]:
    """Every line of the flow that does something for the case, in the flow's order."""

    def walk(body: list[ast.stmt]) -> Iterator[ast.Expr]:
        for statement in body:
            if isinstance(statement, ast.While):
                yield from walk(statement.body)
            elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
                yield statement

    return list(walk(function.body))


PLACES = [ast.unparse(place) for place in places(the_function(tree()))]


def swapped(one: int, other: int) -> Callable[..., Any]:
    """The flow with two of its lines in each other's place."""
    module = tree()
    function = the_function(module)
    function.decorator_list = []
    here = places(function)
    here[one].value, here[other].value = here[other].value, here[one].value
    names: dict[str, Any] = {}
    exec(compile(ast.fix_missing_locations(module), "a changed flow", "exec"), names)  # noqa: S102 - our own file
    return names[function.name]  # type: ignore[no-any-return]


def is_red(
    make_world: MakeWorld, flow: Callable[..., Any], stories: Sequence[Callable[[World], None]] = STORIES
) -> bool:
    for story in stories:
        world = make_world()
        world.flow = flow
        try:
            story(world)
        except (Exception, pytest.fail.Exception):
            return True
    return False


@pytest.mark.parametrize(
    "place",
    [pytest.param(place, marks=[pytest.mark.full] if place % 4 else []) for place in range(len(PLACES) - 1)],
    ids=lambda place: " and ".join(PLACES[place : place + 2]),
)
def test_two_neighbours_that_change_places_are_found_out(make_world: MakeWorld, place: int) -> None:
    assert is_red(make_world, swapped(place, place + 1))


def test_a_flow_that_was_not_changed_is_not_red(make_world: MakeWorld, full_run: bool) -> None:
    """The short run asks one story of it: all of them pass with the flow as it stands."""
    assert len(PLACES) > 18
    assert not is_red(make_world, swapped(0, 0), STORIES if full_run else STORIES[:1])
