"""Storms: many cases with one cause on one marketplace are decided about together, and each goes on alone."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import date, timedelta
from email import message_from_bytes, policy

import pytest

from caseproof.domain.errors import BadInput, NotAllowed, NotOnTheTeam
from caseproof.domain.forms import AccountDecision
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.job_failure.lifecycle import State
from caseproof.domain.vocabulary import Decision
from caseproof.procedure.keeper import incidents
from caseproof.store import IncidentRow, StoreError
from tests.support.world import DECIDER, World

RETAILERS = 12
FIX = {"by": DECIDER, "reason": "The marketplace lifted its block."}


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    """Here three cases are a storm."""
    return make_world(check={"storm": {"cases": 3, "minutes": 60}})


def storm(world: World, count: int, marketplace: str | None = "North", cause: str = "expired_token") -> list[str]:
    """What a check left behind: so many cases of twelve retailers, each stopped."""
    refs = []
    with world.services.store.uow() as uow:
        for _ in range(count):
            number = len(world.platform.held)
            job = world.platform.add(f"jobs/{number}", retailer=f"Shop {number % RETAILERS}", marketplace=marketplace)
            opened = world.services.ledger.event(
                Kind.OPENED, platform="jobs", job=job.id, job_name=job.name, job_url=job.url, retailer=job.retailer,
                marketplace=marketplace, connection=None, cause=cause, summary="401", how="daily check", scope="job",
            )  # fmt: skip
            held = {"job": job.id, "name": job.name, "was_active": True, "active": False, "waiting": 0}
            stopped = world.services.ledger.event(Kind.STOPPED, scope="job", jobs=[held], evidence="0" * 64)
            refs.append(uow.cases.append(uow.cases.create(opened), stopped).ref)
        uow.commit()
    return refs


def told(world: World, refs: list[str]) -> None:
    """Their retailers were told."""
    with world.services.store.uow() as uow:
        for ref in refs:
            sent = {"message_id": f"<{ref}@example.com>", "accepted": ["owner@example.com"], "evidence": "0" * 64}
            uow.cases.append(uow.cases.get(ref), world.services.ledger.event(Kind.NOTICE_SENT, **sent))
        uow.commit()


def real_storm(world: World) -> list[str]:
    """Three cases that went through the procedure themselves, up to the notice."""
    refs = []
    for number in range(3):
        world.platform.add(f"jobs/{number}", retailer=f"Shop {number}")
        world.register(f"Shop {number}", f"owner@shop-{number}.example.com")
        refs.append(world.open(f"jobs/{number}"))
        world.step("contain", refs[-1])
    gather(world)
    for ref in refs:
        world.walk(ref, until="tell")
    return refs


def gather(world: World, platform: str = "") -> list[str]:
    return incidents.gather(world.services.ledger, world.services.policy.check.storm, platform)


def settle_stragglers(world: World) -> list[str]:
    return incidents.settle_stragglers(world.services.ledger, world.services.policy)


def row(world: World, ref: str = "IN-000001") -> IncidentRow:
    with world.services.store.reading() as uow:
        return uow.incidents.get(ref)


def members(world: World, ref: str = "IN-000001") -> list[str]:
    with world.services.store.reading() as uow:
        return [member.ref for member in uow.cases.of_incident(ref)]


def states(world: World, refs: list[str]) -> set[State]:
    return {world.case(ref).state for ref in refs}


def decide(world: World, decision: Decision = Decision.AFTER_FIX, **more: object) -> list[str]:
    return incidents.decide_all(world.services.ledger, world.services.policy, "IN-000001", decision, **(FIX | more))  # type: ignore[arg-type]


# -- gathering ------------------------------------------------------------------------------------------------------


def test_thirty_cases_of_twelve_retailers_are_one_incident_and_are_gathered_once(world: World) -> None:
    refs = storm(world, 30)
    assert gather(world, "jobs") == ["IN-000001"]
    assert gather(world) == []
    assert members(world) == refs
    assert (row(world).marketplace, row(world).cause) == ("North", "expired_token")
    assert {world.count(ref, Kind.INCIDENT_JOINED) for ref in refs} == {1}


def test_few_cases_or_other_causes_marketplaces_and_platforms_are_none(world: World) -> None:
    storm(world, 2)
    storm(world, 2, marketplace="South")
    storm(world, 2, cause="feed")
    assert gather(world) == []
    storm(world, 1)
    assert gather(world, "another") == []
    assert gather(world) == ["IN-000001"]
    assert len(members(world)) == 3


def test_cases_of_another_hour_do_not_count(world: World) -> None:
    storm(world, 2)
    world.clock.move(minutes=61)
    storm(world, 2)
    assert gather(world) == []


def test_a_new_case_joins_the_incident_that_is_open(world: World) -> None:
    storm(world, 4)
    gather(world)
    world.clock.move(hours=20)
    (late,) = storm(world, 1)
    assert gather(world) == ["IN-000001"]
    assert late in members(world)


@pytest.mark.parametrize(("cause", "is_one"), [("our_platform", True), ("connection", False), ("unknown", False)])
def test_jobs_without_a_marketplace_have_nothing_in_common_unless_the_cause_is_ours(
    world: World, cause: str, is_one: bool
) -> None:
    storm(world, 4, marketplace=None, cause=cause)
    assert bool(gather(world)) is is_one


def test_a_closed_case_is_not_gathered_and_a_reopened_one_is(world: World) -> None:
    closed = world.closed()
    refs = storm(world, 2)
    assert gather(world) == []
    world.clock.move(minutes=50)
    world.services.ledger.record(closed, Kind.REOPENED, why="It failed again.")
    assert gather(world) == ["IN-000001"]
    assert members(world) == [closed, *refs]


# -- deciding -------------------------------------------------------------------------------------------------------


def test_the_decision_reaches_all_at_once(world: World) -> None:
    refs = storm(world, 30)
    gather(world)
    told(world, refs)
    assert decide(world) == refs
    facts = [world.case(ref).decision for ref in refs]
    assert {(fact.actor, fact["incident"], fact["review"]) for fact in facts} == {
        (DECIDER, "IN-000001", "another person")
    }
    assert states(world, refs) == {State.DECIDED}


def test_each_case_is_verified_pictured_reviewed_and_closed_alone(world: World) -> None:
    refs = real_storm(world)
    decide(world)
    assert states(world, refs) == {State.DECIDED}
    for closed, ref in enumerate(refs, 1):
        assert world.walk(ref).is_closed
        assert world.camera.taken == closed
    assert len({world.case(ref).proof["evidence"] for ref in refs}) == 3


def test_the_decision_for_a_case_comes_only_after_its_retailer_was_told(world: World) -> None:
    """J2, J5 before J6: a case that is not so far gets the decision as soon as it is."""
    refs = storm(world, 4)
    gather(world)
    told(world, refs[1:])
    assert decide(world) == refs[1:]
    assert settle_stragglers(world) == []
    assert not incidents.end_if_over(world.services.ledger, "IN-000001")
    told(world, refs[:1])
    assert settle_stragglers(world) == refs[:1]
    assert world.case(refs[0]).decision.actor == DECIDER
    assert settle_stragglers(world) == []
    assert incidents.end_finished(world.services.ledger) == ["IN-000001"]


def test_a_decision_that_was_taken_for_one_case_stays(world: World) -> None:
    refs = storm(world, 4)
    gather(world)
    told(world, refs)
    until = world.clock.now.date() + timedelta(days=30)
    world.decide(refs[0], Decision.KEEP_PAUSED, until=until, reason="The shop is on holiday.")
    world.decide(refs[1], reason="This one is fixed by hand.")
    assert decide(world) == refs[2:]
    assert world.case(refs[0]).paused_until == until
    assert world.case(refs[1]).decision["reason"] == "This one is fixed by hand."
    assert settle_stragglers(world) == []
    assert incidents.end_finished(world.services.ledger) == ["IN-000001"], (
        "what was decided alone does not hold it open"
    )


def test_an_answer_for_one_case_that_its_run_has_not_acted_on_yet_comes_first(world: World) -> None:
    refs = storm(world, 4)
    gather(world)
    told(world, refs)
    record = world.services.ledger.record
    for ref in refs[:2]:
        asked = {"number": 1, "form": AccountDecision.slug}
        record(ref, Kind.QUESTION_ASKED, **asked, flow_run="a-run")
        record(ref, Kind.QUESTION_ANSWERED, DECIDER, **asked, answer={"decision": str(Decision.KEEP_PAUSED)})
    assert decide(world) == refs[2:]
    assert settle_stragglers(world) == []
    assert incidents.end_finished(world.services.ledger) == []
    world.decide(refs[0], Decision.KEEP_PAUSED, until=world.clock.now.date() + timedelta(days=30), question=1)
    record(refs[1], Kind.ANSWER_REFUSED, number=1, why="It has no date.", question=1)
    assert settle_stragglers(world) == refs[1:2], "one that is refused is as good as none"
    assert incidents.end_finished(world.services.ledger) == ["IN-000001"]
    assert world.case(refs[0]).state is State.PAUSED


def test_a_case_that_fails_again_after_the_fix_asks_by_itself(world: World) -> None:
    refs = real_storm(world)
    decide(world)
    world.platform.outcome = "failed"
    world.walk(refs[0], until="verify")
    assert world.case(refs[0]).state is State.WAITING
    world.clock.move(days=1)
    assert settle_stragglers(world) == []
    assert incidents.end_finished(world.services.ledger) == ["IN-000001"]
    assert world.case(refs[0]).state is State.WAITING


def test_a_case_that_was_sent_back_before_the_decision_still_gets_it(world: World) -> None:
    refs = real_storm(world)
    world.walk(refs[0], until="attach")
    world.services.ledger.record(refs[0], Kind.REVIEW_REJECTED, "team lead", why="Another run is shown.")
    world.clock.move(minutes=5)
    assert decide(world) == refs[1:]
    world.walk(refs[0], until="tell")
    assert settle_stragglers(world) == refs[:1]


def test_a_case_that_joined_after_the_decision_waits_for_the_next(world: World) -> None:
    told(world, storm(world, 4))
    gather(world)
    late = storm(world, 1)
    decide(world)
    world.clock.move(minutes=1)
    newest = storm(world, 1)
    gather(world)
    told(world, [*late, *newest])
    assert settle_stragglers(world) == late
    assert not incidents.end_if_over(world.services.ledger, "IN-000001")
    assert decide(world) == newest
    assert incidents.end_if_over(world.services.ledger, "IN-000001")


def test_keeping_paused_leaves_the_incident_open_and_the_next_decision_goes_on(world: World) -> None:
    refs = storm(world, 4)
    gather(world)
    told(world, refs)
    until = world.clock.now.date() + timedelta(days=3)
    assert decide(world, Decision.KEEP_PAUSED, until=until) == refs
    assert {world.case(ref).paused_until for ref in refs} == {until}
    assert incidents.end_finished(world.services.ledger) == []
    assert row(world).until == until
    assert decide(world) == refs
    assert incidents.end_finished(world.services.ledger) == ["IN-000001"]


def test_a_pause_whose_date_is_over_reaches_nobody_any_more(world: World) -> None:
    refs = storm(world, 4)
    gather(world)
    decide(world, Decision.KEEP_PAUSED, until=world.clock.now.date() + timedelta(days=1))
    told(world, refs[:1])
    assert settle_stragglers(world) == refs[:1]
    world.clock.move(days=2)
    told(world, refs[1:])
    assert settle_stragglers(world) == []
    assert states(world, refs[1:]) == {State.WAITING}


def test_what_may_not_be_decided_for_all_is_refused_and_nothing_is_written(world: World) -> None:
    refs = storm(world, 3)
    gather(world)
    told(world, refs)
    wrongs: list[tuple[dict[str, object], type[Exception]]] = [
        ({"decision": Decision.AFTER_CHANGE}, NotAllowed),
        ({"decision": Decision.REMOVE}, NotAllowed),
        ({"by": "a stranger"}, NotOnTheTeam),
        ({"reason": " "}, BadInput),
        ({"decision": Decision.KEEP_PAUSED}, BadInput),
        ({"decision": Decision.KEEP_PAUSED, "until": date(2020, 1, 1)}, BadInput),
        ({"until": date(2030, 1, 1)}, BadInput),
    ]
    for wrong, error in wrongs:
        with pytest.raises(error):
            decide(world, **wrong)  # type: ignore[arg-type]
    assert states(world, refs) == {State.WAITING}
    assert row(world).decision == ""


def test_the_decision_is_written_for_all_or_for_none(world: World) -> None:
    refs = storm(world, 4)
    gather(world)
    told(world, refs)
    full = "CREATE TRIGGER full BEFORE INSERT ON events WHEN NEW.case_id = 4 BEGIN SELECT RAISE(ABORT, 'full'); END"
    with closing(sqlite3.connect(world.services.settings.home_folder / "caseproof.sqlite")) as file:
        file.execute(full)
        with pytest.raises(StoreError):
            decide(world)
        assert states(world, refs) == {State.WAITING}
        assert row(world).decision == ""
        file.execute("DROP TRIGGER full")
    assert decide(world) == refs


def test_a_case_that_cannot_be_read_holds_up_no_other(world: World) -> None:
    refs = storm(world, 4)
    gather(world)
    told(world, refs)
    with closing(sqlite3.connect(world.services.settings.home_folder / "caseproof.sqlite")) as file:
        for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            file.execute(f"DROP TRIGGER {name}")
        file.execute("UPDATE events SET kind = 'nonsense' WHERE case_id = 2 AND seq = 2")
        file.commit()
    assert decide(world) == [ref for ref in refs if ref != "JF-000002"]


def test_two_cases_that_cannot_be_read_among_many_hold_up_no_other(world: World) -> None:
    refs = storm(world, 13)
    gather(world)
    told(world, refs)
    with closing(sqlite3.connect(world.services.settings.home_folder / "caseproof.sqlite")) as file:
        for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            file.execute(f"DROP TRIGGER {name}")
        file.execute("UPDATE events SET actor = 'somebody' WHERE case_id IN (1, 9) AND seq = 2")
        file.commit()
    reached = [ref for ref in refs if ref not in ("JF-000001", "JF-000009")]
    assert decide(world) == reached
    assert states(world, reached) == {State.DECIDED}


# -- asking ---------------------------------------------------------------------------------------------------------


def test_an_answer_that_two_runs_read_is_acted_on_once(world: World) -> None:
    refs = storm(world, 4)
    gather(world)
    told(world, refs)
    number = incidents.ask(world.services.ledger, "IN-000001", "run-a")
    asked = incidents.question(world.services.store, "IN-000001")
    assert asked is not None
    assert (asked.number, asked.flow_run) == (number, "run-a")
    until = world.clock.now.date() + timedelta(days=1)
    assert decide(world, Decision.KEEP_PAUSED, until=until, question=number) == refs
    assert decide(world, Decision.KEEP_PAUSED, until=until, question=number) == []
    assert {world.count(ref, Kind.KEPT_PAUSED) for ref in refs} == {1}
    assert incidents.question(world.services.store, "IN-000001") is None
    assert incidents.ask(world.services.ledger, "IN-000001", "run-a") > number


def test_a_refused_answer_says_why_until_one_is_taken(world: World) -> None:
    storm(world, 4)
    gather(world)
    number = incidents.ask(world.services.ledger, "IN-000001", "run-a")
    incidents.refuse(world.services.store, "IN-000001", number, "There is no date.")
    incidents.refuse(world.services.store, "IN-000001", number, "read by a second run")
    assert incidents.refused(world.services.store, "IN-000001") == "There is no date."
    assert incidents.question(world.services.store, "IN-000001") is None
    again = incidents.ask(world.services.ledger, "IN-000001", "run-b")
    asked = incidents.question(world.services.store, "IN-000001")
    assert asked is not None
    assert (asked.number, asked.flow_run) == (again, "run-b")
    decide(world, question=again)
    assert incidents.refused(world.services.store, "IN-000001") == ""


# -- ending ---------------------------------------------------------------------------------------------------------


def test_an_answer_to_an_incident_that_ended_meanwhile_changes_nothing(world: World) -> None:
    told(world, storm(world, 3))
    gather(world)
    number = incidents.ask(world.services.ledger, "IN-000001", "a-run")
    with world.services.store.uow() as uow:
        uow.incidents.close("IN-000001", world.clock.now)
        uow.commit()
    with pytest.raises(NotAllowed, match="is over"):
        decide(world, question=number)
    incidents.refuse(world.services.store, "IN-000001", number, "IN-000001 is over.")  # its run ends, and does not die
    assert row(world).asked == number
    assert states(world, members(world)) == {State.WAITING}


def test_an_incident_is_over_when_all_its_cases_are_closed_however_that_came(world: World) -> None:
    refs = real_storm(world)
    for ref in refs[1:]:
        assert world.walk(ref).is_closed
    assert incidents.end_finished(world.services.ledger) == []
    assert world.walk(refs[0]).is_closed
    assert incidents.end_finished(world.services.ledger) == ["IN-000001"]
    assert incidents.end_finished(world.services.ledger) == []
    assert row(world).is_closed
    with pytest.raises(NotAllowed, match="is over"):
        incidents.ask(world.services.ledger, "IN-000001", "run-a")


def test_the_next_storm_of_the_same_cause_is_the_next_incident(world: World) -> None:
    refs = storm(world, 3)
    gather(world)
    told(world, refs)
    decide(world)
    assert incidents.end_finished(world.services.ledger) == ["IN-000001"]
    later = storm(world, 3)
    assert gather(world) == ["IN-000002"]
    assert members(world, "IN-000002") == later


# -- the notice -----------------------------------------------------------------------------------------------------


def text(world: World) -> str:
    return message_from_bytes(world.mail.taken[-1][0], policy=policy.default).get_body(("plain",)).get_content()


def test_the_notice_in_an_incident_of_several_shops_says_that_it_is_not_their_fault(world: World) -> None:
    real_storm(world)
    assert "it is not a fault of yours" in text(world)
    assert "1. You need to change nothing." in text(world)


def test_a_second_shop_whose_token_ends_on_the_same_day_is_told_to_renew_it_too(world: World) -> None:
    """Three cases are a storm here, but they are of two shops: each of them has something to do."""
    refs = []
    for number, retailer in enumerate(["Shop A", "Shop A", "Shop B"]):
        world.platform.add(f"jobs/{number}", retailer=retailer)
        refs.append(world.open(f"jobs/{number}"))
        world.step("contain", refs[-1])
    world.register("Shop B", "owner@shop-b.example.com")
    assert gather(world) == ["IN-000001"]
    for ref in refs:
        world.walk(ref, until="tell")
        assert "1. Log in to your seller account at North" in text(world)
        assert "fault of yours" not in text(world)


def test_a_shop_that_joins_an_old_incident_months_later_is_not_told_that_many_have_it_now(world: World) -> None:
    real_storm(world)
    decide(world, Decision.KEEP_PAUSED, until=world.clock.now.date() + timedelta(days=90))
    world.clock.move(days=60)
    world.platform.add("jobs/late", retailer="Shop Late")
    world.register("Shop Late", "owner@shop-late.example.com")
    ref = world.open("jobs/late")
    world.step("contain", ref)
    assert gather(world) == ["IN-000001"]
    world.walk(ref, until="tell")
    assert "1. Log in to your seller account at North" in text(world)


def test_many_jobs_of_one_shop_alone_are_its_own_matter(world: World) -> None:
    refs = []
    for number in range(3):
        world.platform.add(f"jobs/{number}")
        refs.append(world.open(f"jobs/{number}"))
    world.step("contain", refs[0])
    assert gather(world) == ["IN-000001"]
    world.walk(refs[0], until="tell")
    assert "1. Log in to your seller account at North" in text(world)
