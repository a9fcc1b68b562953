"""J1: a case that somebody wanted in the web app is opened by the next pass, and its job is stopped first (J2)."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

import pytest

from caseproof.domain.errors import BadInput, NotOnTheTeam
from caseproof.domain.job_failure.lifecycle import State
from caseproof.domain.owing import Debt
from caseproof.platforms.base import PlatformDown
from caseproof.procedure.containment.known_jobs import find_jobs, jobs_named_in, known_platforms, note_jobs
from caseproof.procedure.containment.opening import Request
from caseproof.procedure.keeper.raising import key_of, raise_wanted, take_back, want_case, wanted_cases
from tests.support.keeper import Keeper, mails
from tests.support.world import JOB

TEAM = ("operator", "team lead")


def want(world, job: str = JOB, **more: str):
    request = Request("jobs", job, more.pop("by", "Operator"), "the web app", **more)
    return want_case(world.services.ledger, TEAM, request)


def wanted(world) -> list:
    with world.services.store.reading() as uow:
        return wanted_cases(uow)


def test_j2_the_next_pass_stops_the_job_and_opens_its_case_in_the_name_of_who_wanted_it(keeper, world) -> None:
    ticket = world.desk.create("by a person", "The feed is late", "Since Monday.").id
    assert want(world, cause="feed", summary="It is late. password=hunter2hunter2", ticket=ticket) is None
    assert want(world, cause="feed", summary="It is late. password=hunter2hunter2", ticket=ticket) is None, "sent twice"
    assert len(wanted(world)) == 1
    with world.services.store.reading() as uow:
        assert "hunter2" not in uow.cursors.get(f"raise/{key_of('jobs', JOB)}")[0]
    [ref] = keeper(seconds=1).raised
    case = world.case(ref)
    assert (case.state, world.platform.is_active(JOB)) == (State.CONTAINED, False)
    told = {name: case.facts.get(name) for name in ("cause", "how", "ticket", "retailer")}
    assert told == {"cause": "feed", "how": "the web app", "ticket": ticket, "retailer": "Shop A"}
    assert (case.opened.actor, case.facts["summary"][:11]) == ("operator", "It is late.")
    assert wanted(world) == []
    assert want(world).ref == ref, "it is open already, so nothing more is wanted"
    assert keeper(minutes=5).raised == []


def test_what_cannot_be_opened_is_tried_again_and_says_why_until_somebody_takes_it_back(keeper, world) -> None:
    want(world, "offers/feed-z")
    done = keeper(seconds=1)
    [one] = wanted(world)
    assert (done.raised, one.row.tries) == ([], 1)
    assert "offers/feed-z" in one.row.trouble
    assert list(done.problems.said) == ["a case that somebody wants: jobs: offers/feed-z"]
    assert keeper(seconds=1).problems.said == {}, "with back-off"
    world.platform.add("offers/feed-z")
    assert len(keeper(days=1).raised) == 1

    want(world, "offers/feed-y")
    keeper(seconds=1)
    take_back(world.services.ledger, key_of("jobs", "offers/feed-y"))
    world.platform.add("offers/feed-y")
    assert (wanted(world), keeper(days=1).raised) == ([], [])
    with pytest.raises(BadInput, match="No case is wanted"):
        take_back(world.services.ledger, key_of("jobs", "offers/feed-y"))


def test_a_platform_that_is_down_for_an_hour_forgets_nobodys_case(keeper, world) -> None:
    want(world)
    world.platform.faulty.fails("job", before=PlatformDown("It does not answer."), times=10**6)
    for _ in range(12):
        assert keeper(minutes=5).raised == []
    with world.services.store.reading() as uow:
        assert [row.what for row in uow.owed.rows(9) if row.is_late] == [Debt.RAISE]
    world.platform.faulty.faults.clear()
    assert len(keeper(minutes=30).raised) == 1
    assert not world.platform.is_active(JOB)


def test_j2_the_team_is_told_of_a_case_that_cannot_be_opened(make_world) -> None:
    """It has no page, and its job runs on."""
    world = make_world(mail={"team": "team@example.com"})
    keeper = Keeper(world)
    want(world, "offers/feed-z")
    told = [keeper(minutes=3).team_told for _ in range(3)]
    assert told == [1, 0, 0]
    [mail] = mails(world, "team@example.com")
    assert "jobs: offers/feed-z" in mail.get_content()
    assert "/raise" in mail.get_content()


def test_what_was_wanted_and_cannot_be_read_holds_up_no_other_and_is_told(keeper, world) -> None:
    here, broken = world.services, key_of("jobs", "offers/feed-z")
    want(world, "offers/feed-z")
    with here.store.uow() as uow:
        uow.cursors.set(f"raise/{broken}", '{"of a newer": "version"}', world.clock())
        uow.commit()
    world.clock.move(seconds=1)
    want(world)
    assert len(keeper(seconds=1).raised) == 1
    with here.store.reading() as uow:
        assert [(row.key, row.is_late) for row in uow.owed.rows(9, Debt.RAISE)] == [(broken, True)]
    world.platform.add("offers/feed-z")
    assert want(world, "offers/feed-z") is None
    assert len(keeper(seconds=1).raised) == 1, "it is wanted anew, and can be read"


def test_a_stop_that_fails_after_the_case_is_open_is_its_runs_business(keeper, world) -> None:
    want(world)
    world.platform.faulty.fails("stop", before=PlatformDown("It does not answer."), times=10**6)
    [ref] = keeper(seconds=1).raised
    assert (world.case(ref).state, wanted(world)) == (State.OPENED, [])


@pytest.mark.parametrize(
    ("more", "error"),
    [({"by": "mallory"}, NotOnTheTeam), ({"cause": "gremlins"}, BadInput), ({"job": "  "}, BadInput),
     ({"job": "a\x07b"}, BadInput), ({"ticket": "T" * 501}, BadInput)],
)  # fmt: skip
def test_what_no_case_can_be_opened_with_is_refused_at_once(world, more, error) -> None:
    with pytest.raises(error):
        want(world, **more)
    assert wanted(world) == []


def test_jobs_are_found_as_the_last_check_saw_them(world) -> None:
    here = world.services
    world.platform.add("orders/x", name="Orders of the garden", retailer="Garden & Söhne")
    listed = world.platform.survey(here.clock() - timedelta(days=1)).jobs
    note_jobs(here.store, here.clock, "jobs", [one.job for one in listed])
    with here.store.reading() as uow:
        assert known_platforms(uow) == ["jobs"]
        found = {
            words: [one.job for one in find_jobs(uow, words, 9)] for words in ("GARDEN orders", "söhne", "none", "")
        }
        assert found == {"GARDEN orders": ["orders/x"], "söhne": ["orders/x"], "none": [], "": []}
        assert len(find_jobs(uow, "o", 1)) == 1
        assert [one.job for one in jobs_named_in(uow, "Offers/Feed-A is late", 9)] == [JOB]
        assert [one.job for one in jobs_named_in(uow, "garden & söhne called", 9)] == ["orders/x"]
    note_jobs(here.store, here.clock, "jobs", [])
    with here.store.reading() as uow:
        assert find_jobs(uow, "orders", 9) == []


def test_a_platform_that_hangs_holds_up_no_other(world) -> None:
    answers, said = threading.Event(), []

    def platform(name: str):
        if name == "slow":
            answers.wait(120)
        return world.platform

    for name, job in (("slow", JOB), ("jobs", "offers/feed-q")):
        world.platform.add(job)
        want_case(world.services.ledger, TEAM, Request(name, job, "operator", "the web app"))

    def a_pass(hung: float) -> list[str]:
        here = world.services
        return raise_wanted(here.stopping, platform, lambda: world.desk, lambda *told: said.append(told), hung)

    [ref] = a_pass(3)
    assert world.case(ref).facts["platform"] == "jobs"
    assert a_pass(0.1) == [], "what hangs is at work once"
    answers.set()
    while wanted(world):
        time.sleep(0)
    assert (said, world.platform.is_active(JOB)) == ([], False)
