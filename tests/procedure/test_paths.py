"""Every path to an end, with its proof (J6 to J10), and the ways on which a case stays open."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from datetime import timedelta

import pytest

from caseproof.desks.base import TicketStatus
from caseproof.domain.closure import closure_blockers
from caseproof.domain.errors import BadInput, ClosureRefused, NotAllowed, NotOnTheTeam
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.job_failure.lifecycle import State
from caseproof.domain.vocabulary import Decision
from caseproof.evidence.proof import verify_proof
from caseproof.platforms.abilities import Ability, Lack
from caseproof.platforms.base import PlatformRefused, RunState, UnknownJob
from caseproof.procedure.closing import deciding, proving, removing
from caseproof.procedure.closing.ticket import close_ticket
from caseproof.procedure.views.asking import _offered
from caseproof.procedure.views.case_page import case_page
from tests.support.world import CONTACT, DECIDER, JOB, REVIEWER, STEPS, THE_END, World


def proven(world: World, ref: str) -> dict:
    """The proof of a closed case, checked as anybody would check it."""
    assert [check for check in verify_proof(world.proof(ref)) if not check.ok] == []
    return json.loads(world.proof(ref).read_text(encoding="utf-8"))


def test_a_job_that_we_fixed_is_closed_under_j7_with_the_run_the_picture_and_the_review(world: World) -> None:
    ref = world.closed(Decision.AFTER_FIX)
    proof = proven(world, ref)
    assert (proof["rule"], proof["kind"]) == ("J7", "reactivation")
    assert [one["by"] for one in proof["approvals"]] == [DECIDER, REVIEWER]
    assert proof["confirmations"] == []
    assert proof["run"]["run"] in world.platform.runs
    assert world.platform.is_active(JOB)


def test_a_job_whose_retailer_made_the_change_is_closed_under_j8_with_the_word_and_the_validation(world: World) -> None:
    proof = proven(world, world.closed(Decision.AFTER_CHANGE))
    assert proof["rule"] == "J8"
    assert [word["from"] for word in proof["confirmations"]] == [CONTACT]
    codes = {one["code"] for one in proof["conditions"]}
    assert {"confirmed", "validated", "succeeded", "pictured", "attached", "live"} <= codes


def test_a_removal_is_closed_by_its_own_run_and_never_says_that_the_job_succeeded(world: World) -> None:
    ref = world.closed(Decision.REMOVE)
    proof = proven(world, ref)
    assert (proof["rule"], proof["kind"]) == ("J8", "removal")
    assert "removed" in proof["statement"]
    assert "ran successfully" not in proof["statement"]
    assert proof["run"]["run"] in world.prefect.runs
    assert world.prefect.parameters == [{"case": ref}]
    assert not world.platform.is_active(JOB)
    assert world.platform.faulty.did("go_live") == 0


def test_what_is_said_of_a_removal_is_no_success_and_says_what_is_left_and_how_to_have_it_back(world: World) -> None:
    ref = world.closed(Decision.REMOVE)
    close_ticket(world.services.ledger, world.services.links, world.desk, ref)
    [ticket] = world.tickets()
    with world.services.store.reading() as uow:
        last = uow.tickets.comments(ticket.id)[-1].text
    card = case_page(world.case(ref), case_url="https://c.example.com", evidence_url="https://e.example.com")
    for said in (last, card.partition("## Timeline")[0]):
        assert "removal" in said
        assert "Its schedules are switched off, and Caseproof deleted none." in said
        assert "To have it back one day, switch them on again on" in said
        assert not re.search("success|works again|no schedule", said)
    assert world.attachments(ref)[0] == f"{ref}-removal-1.png"


def test_a_removal_whose_job_vanished_is_closed_all_the_same(world: World) -> None:
    ref = world.open()
    world.platform.vanish(JOB)
    world.decision = Decision.REMOVE
    assert world.walk(ref).is_closed
    assert proven(world, ref)["kind"] == "removal"


def deleting(make_world: Callable[..., World]) -> World:
    """The policy has removed jobs deleted."""
    return make_world(closing={"delete_removed_jobs": True})


def test_where_the_policy_says_so_a_removed_job_is_deleted_and_everything_says_that_it_is_gone(make_world) -> None:
    world = deleting(make_world)
    ref = world.closed(Decision.REMOVE)
    assert JOB not in world.platform.held
    close_ticket(world.services.ledger, world.services.links, world.desk, ref)
    [ticket] = world.tickets()
    with world.services.store.reading() as uow:
        last = uow.tickets.comments(ticket.id)[-1].text
    card = case_page(world.case(ref), case_url="https://c.example.com", evidence_url="https://e.example.com")
    for said in (last, card.partition("## Timeline")[0]):
        assert "The job does not exist on its platform any more. To have it back one day, set it up there anew" in said
        assert "deleted none" not in said
    assert proven(world, ref)["kind"] == "removal"


def test_a_platform_that_cannot_delete_leaves_the_removed_job_stopped(make_world) -> None:
    world = deleting(make_world)
    world.platform.abilities = world.platform.abilities.lacking({Ability.REMOVE: Lack("It keeps all.", "Leave it.")})
    ref = world.closed(Decision.REMOVE)
    assert not world.platform.is_active(JOB)
    assert not world.case(ref).verified["gone"]


@pytest.mark.parametrize("lies", [True, False], ids=["says that it deleted it", "refuses"])
def test_a_job_that_is_there_after_its_deletion_is_not_removed(make_world, lies, monkeypatch) -> None:
    world = deleting(make_world)
    ref, world.decision = world.open(), Decision.REMOVE
    world.walk(ref, before="start")
    if lies:
        monkeypatch.setattr(world.platform, "remove", lambda _: None)
        with pytest.raises(removing.NotRemoved, match="and still has it"):
            removing.delete(world.platform, world.case(ref))
    else:
        world.platform.faulty.fails("remove", before=PlatformRefused("No.", "Ask."))
        with pytest.raises(PlatformRefused):
            removing.delete(world.platform, world.case(ref))
    assert JOB in world.platform.held


def test_nothing_is_deleted_that_does_not_stand_still(make_world) -> None:
    world = deleting(make_world)
    ref, world.decision = world.open(), Decision.REMOVE
    world.walk(ref, before="start")
    world.platform.held[JOB].waiting = 1
    with pytest.raises(removing.NotRemoved, match="1 queued"):
        removing.delete(world.platform, world.case(ref))
    assert world.platform.faulty.did("remove") == 0


def test_nothing_is_stopped_for_good_that_nobody_decided_to_remove(world: World) -> None:
    with pytest.raises(NotAllowed, match="Nobody decided to remove"):
        removing.stop_for_good(world.platform, world.case(world.open()))


def test_nothing_is_deleted_once_somebody_decides_otherwise_between_stop_and_deletion(make_world) -> None:
    world = deleting(make_world)
    ref, world.decision = world.open(), Decision.REMOVE
    world.walk(ref, before="start")
    case = world.case(ref)
    removing.stop_for_good(world.platform, case)
    with pytest.raises(NotAllowed, match="Nobody decided to remove"):
        removing.delete(world.platform, dataclasses.replace(case, decision=None))
    assert JOB in world.platform.held


def test_a_removal_that_is_run_again_after_its_case_closed_touches_no_job_that_was_set_up_anew(make_world) -> None:
    world = deleting(make_world)
    ref = world.closed(Decision.REMOVE)
    world.platform.add(JOB)
    for do in (removing.stop_for_good, removing.delete):
        with pytest.raises(NotAllowed, match="is closed"):
            do(world.platform, world.case(ref))
    assert world.platform.is_active(JOB)


def test_a_deletion_of_which_nothing_was_written_down_is_done_when_it_is_tried_again(make_world, monkeypatch) -> None:
    world = deleting(make_world)
    ref, world.decision = world.open(), Decision.REMOVE
    world.walk(ref, before="start")

    def beaten(job: str) -> None:
        del world.platform.held[job]  # another run of ours was faster
        raise UnknownJob(job)

    monkeypatch.setattr(world.platform, "remove", beaten)
    for said in ("is deleted", "nothing to delete"):
        assert said in removing.delete(world.platform, world.case(ref))


def test_whoever_decides_a_removal_reads_whether_the_job_is_deleted(make_world) -> None:
    for deletes, said in ((True, "nobody gets it back"), (False, "none is deleted")):
        world = make_world(closing={"delete_removed_jobs": deletes})
        case = world.case(world.open())
        assert said in _offered(world.policy, case, Decision.REMOVE, "operator").hint


def test_a_removal_that_does_not_hold_leads_back_to_the_decision(world: World) -> None:
    ref, world.decision = world.open(), Decision.REMOVE
    world.walk(ref, until="start")
    world.platform.held[JOB].waiting = 1
    world.step("verify", ref)
    assert world.case(ref).state is State.WAITING
    assert "1 queued" in world.case(ref).last_failure["why"]


def test_a_removed_job_that_is_active_again_at_closing_sends_the_case_back_to_the_stop(world: World) -> None:
    ref, world.decision = world.open(), Decision.REMOVE
    world.walk(ref, before="look")
    world.platform.held[JOB].active = True
    world.step("look", ref)
    assert world.case(ref).state is State.OPENED
    assert "active or queued again" in world.case(ref).last_failure["why"]


def test_every_step_taken_twice_changes_nothing(world: World) -> None:
    ref, taken = world.open(), set()

    def again(name: str) -> None:
        version = world.case(ref).version
        world.step(name, ref)
        assert world.case(ref).version == version, f"{name} twice"
        taken.add(name)

    assert world.walk(ref, until=THE_END, after=again).is_closed
    assert taken == set(STEPS)


def test_no_later_step_does_anything_before_the_run_is_verified(world: World) -> None:
    ref, earlier = world.open(), set()

    def try_the_later_ones(name: str) -> None:
        version = world.case(ref).version
        for later in ("live", "photo", "attach", "look", "close", "close ticket"):
            world.step(later, ref)
        assert world.case(ref).version == version, f"after {name}"
        earlier.add(name)

    world.walk(ref, before="verify", after=try_the_later_ones)
    assert earlier == {"contain", "ticket", "tell", "correct", "note", "start"}
    assert world.platform.faulty.did("go_live") == world.desk.faulty.did("attach") == world.camera.taken == 0


def test_a_proof_too_early_is_refused_with_every_missing_item(world: World) -> None:
    ref = world.open()
    with pytest.raises(ClosureRefused) as refusal:
        proving.make_proof(world.services.ledger, world.services.files, world.services.proofs, ref)
    for blocker in closure_blockers(world.case(ref)):
        assert blocker.missing in str(refusal.value)


def test_the_ticket_is_closed_after_the_case_with_a_link_to_the_proof_and_both_files_attached(world: World) -> None:
    ref = world.closed()
    case = world.case(ref)
    assert world.desk.ticket(case.ticket["ticket"]).status is TicketStatus.CLOSED
    assert world.attachments(ref) == [f"{ref}-successful-run-1.png", world.proof(ref).name]
    with world.services.store.reading() as uow:
        assert any(case.proof["evidence"] in comment.text for comment in uow.tickets.comments(1))


def test_keeping_paused_keeps_the_case_open_with_the_date_and_a_later_decision_ends_it(world: World) -> None:
    ref = world.open()
    world.walk(ref, until="tell")
    until = world.clock.now.date() + timedelta(days=7)
    world.decide(ref, Decision.KEEP_PAUSED, until=until)
    case = world.case(ref)
    assert (case.state, case.paused_until) == (State.PAUSED, until)
    assert not world.platform.is_active(JOB)
    for name in STEPS.keys() - {"proof"}:
        world.step(name, ref)
    assert world.case(ref).version == case.version
    with pytest.raises(ClosureRefused):
        world.step("proof", ref)
    world.decide(ref, Decision.KEEP_PAUSED, until=until + timedelta(days=1))
    assert world.case(ref).paused_until == until + timedelta(days=1)
    assert world.walk(ref).is_closed
    proven(world, ref)


def test_a_policy_without_a_review_closes_with_one_approval(make_world: Callable[..., World]) -> None:
    world = make_world(review={"required": False})
    ref = world.closed()
    assert [one["what"] for one in proven(world, ref)["approvals"]] == ["decision: reactivate after our fix"]
    assert world.count(ref, Kind.REVIEW_APPROVED) == 0


def test_whoever_decided_may_not_review_it_under_another_spelling_either(world: World) -> None:
    ref = world.open()
    world.walk(ref, until="attach")
    for name in ("operator", " OPERATOR ", "Operator"):
        with pytest.raises(NotAllowed, match="another person"):
            deciding.review(world.services.ledger, world.services.policy.team, ref, approved=True, by=name, remark="")
    assert world.case(ref).state is State.VERIFIED


def test_a_policy_that_lets_anybody_review_lets_the_decider(make_world: Callable[..., World]) -> None:
    world = make_world(review={"required": True, "by": "anybody"})
    ref = world.open()
    world.walk(ref, until="attach")
    deciding.review(world.services.ledger, world.services.policy.team, ref, approved=True, by=DECIDER, remark="")
    assert world.walk(ref).is_closed


def test_a_stranger_may_not_review(world: World) -> None:
    ref = world.open()
    world.walk(ref, until="attach")
    with pytest.raises(NotOnTheTeam, match="team list"):
        deciding.review(
            world.services.ledger, world.services.policy.team, ref, approved=True, by="a visitor", remark=""
        )


def test_a_case_sent_back_stops_again_and_needs_everything_anew(world: World) -> None:
    ref = world.open()
    world.walk(ref, until="attach")
    with pytest.raises(BadInput, match="needs a reason"):
        deciding.review(world.services.ledger, world.services.policy.team, ref, approved=False, by=REVIEWER, remark=" ")
    deciding.review(
        world.services.ledger,
        world.services.policy.team,
        ref,
        approved=False,
        by=REVIEWER,
        remark="The page is another account's.",
    )
    assert_back_at_the_stop(world, ref)
    assert world.walk(ref).is_closed
    proven(world, ref)


def assert_back_at_the_stop(world: World, ref: str) -> None:
    case = world.case(ref)
    assert (case.state, case.round) == (State.OPENED, 2)
    missing = {blocker.code for blocker in closure_blockers(case)}
    assert {"stopped", "told", "decided", "succeeded", "live", "pictured", "attached", "reviewed", "looked"} <= missing


def test_a_failed_verification_leads_back_to_the_decision_and_the_schedule_stays_stopped(world: World) -> None:
    ref = world.open()
    world.platform.outcome = "failed"
    world.walk(ref, until="verify")
    case = world.case(ref)
    assert case.state is State.WAITING
    assert case.decision is None
    assert "401" in case.last_failure["why"]
    assert not world.platform.is_active(JOB)
    world.platform.outcome = "succeeded"
    assert world.walk(ref).is_closed
    assert len(world.platform.runs) == 2
    assert len(world.mail.taken) == 1
    proven(world, ref)


def test_a_run_that_failed_later_stops_the_job_again_and_needs_everything_anew(world: World) -> None:
    ref = world.open()
    world.walk(ref, before="look")
    world.clock.move(minutes=5)
    world.platform.add_run(JOB, RunState.FAILED, message="401 again")
    world.step("look", ref)
    assert_back_at_the_stop(world, ref)
    assert "401 again" in world.case(ref).last_failure["why"]
    assert world.walk(ref).is_closed
    assert world.platform.faulty.done["stop", JOB] == 2
    assert [b"Again: " in content for content, *_ in world.mail.taken] == [False, True]
    assert world.count(ref, Kind.DECIDED) == 2
    assert len(set(world.platform.keys)) == 2
    proven(world, ref)


def test_a_run_that_fails_while_the_desk_is_down_is_seen_before_the_case_closes(world: World) -> None:
    ref = world.open()
    world.walk(ref, until="proof")
    world.clock.move(hours=9)  # nobody could attach the proof overnight
    world.platform.add_run(JOB, RunState.FAILED, message="401 overnight")
    with pytest.raises(ClosureRefused, match="last 15 minutes"):
        world.step("close", ref)
    world.step("look", ref)
    assert world.case(ref).state is State.OPENED


def test_a_look_that_grew_old_is_taken_again_with_a_new_proof(world: World) -> None:
    ref = world.open()
    world.walk(ref, until="proof")
    first = world.case(ref).proof["evidence"]
    world.clock.move(hours=9)
    assert world.walk(ref).is_closed
    assert world.case(ref).proof["evidence"] != first
    proven(world, ref)


def test_a_reopened_case_needs_a_new_proof_and_cannot_use_the_old_one(world: World) -> None:
    ref = world.closed(Decision.AFTER_CHANGE)
    old = world.case(ref).proof
    event = world.services.ledger.event(Kind.REOPENED, DECIDER, why="It fails again.")
    world.services.store.change(ref, lambda _: [event])
    case = world.case(ref)
    assert (case.state, case.opening, case.confirmations) == (State.OPENED, 2, ())
    world.walk(ref, until="look")
    with pytest.raises(NotAllowed, match="was taken before"):
        world.services.ledger.record(ref, Kind.PROOF_MADE, **old.event.data)
    with pytest.raises(ClosureRefused):
        world.services.ledger.record(ref, Kind.CLOSED, proof=old["evidence"])
    assert not world.case(ref).is_closed


def test_a_reopened_case_closes_again_with_a_proof_of_its_second_opening(world: World) -> None:
    ref = world.closed()
    old = world.proof(ref)
    world.services.ledger.record(ref, Kind.REOPENED, DECIDER, why="It fails again.")
    assert world.walk(ref).is_closed
    assert proven(world, ref)["opening"] == 2
    assert world.proof(ref) != old
    assert all(check.ok for check in verify_proof(old)), "the old proof still says what was true then"


@pytest.mark.parametrize("days", [0, -1])
def test_a_date_that_is_not_after_today_is_refused(world: World, days: int) -> None:
    ref = world.open()
    world.walk(ref, until="tell")
    with pytest.raises(BadInput, match="not after today"):
        world.decide(ref, Decision.KEEP_PAUSED, until=world.clock.now.date() + timedelta(days=days))
    assert world.case(ref).state is State.WAITING
