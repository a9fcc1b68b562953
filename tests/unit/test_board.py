"""The board: who must act next in each open case, since when and for what; those with an error to put right first."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from caseproof.config.policy import BUILT_IN, load_policy
from caseproof.config.settings import Settings
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.job_failure.lifecycle import State
from caseproof.domain.vocabulary import Disposition
from caseproof.evidence.vault import Vault
from caseproof.procedure.core.services import Services
from caseproof.procedure.keeper.problems import note_problems
from caseproof.procedure.views.board import CASEPROOF, NOBODY, RETAILER, TEAM, US, Returned, board, line
from caseproof.store import CaseRow, Store

NOW = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)

ROW = CaseRow(
    id=1, ref="JF-000001", state=State.WAITING, version=9, opening=1, platform="jobs", job="offers/a",
    job_name="offers/a", retailer="Shop A", marketplace="North", cause="expired_token", opened_at=NOW,
    updated_at=NOW, closed_at=None, flow_run="run", generation=1, paused_until=None, last_opened_at=NOW,
    asked_form="retailers-word", asked_at=NOW + timedelta(hours=1), has_news=False, notice_at=NOW, reminders=0,
    nudges=0, trouble="", incident="", ticket_closed=False, due_at=NOW, crashes=0, rest_until=None, rest_why="",
)  # fmt: skip


@pytest.fixture
def services(tmp_path: Path) -> Services:
    settings = Settings(home=tmp_path)
    store = Store(settings.database)
    store.migrate()
    return Services(settings, load_policy(BUILT_IN), store, Vault(tmp_path / "evidence"), lambda: NOW)


@pytest.mark.parametrize(
    ("changes", "who", "what"),
    [
        ({}, RETAILER, "the retailer's written word (J8)"),
        ({"reminders": 1}, RETAILER, "reminded 1 of 2 times"),
        ({"reminders": 2}, RETAILER, "reminded 2 of 2 times"),
        (
            {"reminders": 2, "notice_at": NOW - timedelta(days=7)},
            TEAM, "the retailer has not answered, reminded 2 of 2 times: call them (J8)",
        ),
        ({"notice_at": None}, TEAM, "the retailer wrote: read it"),
        (
            {"notice_at": None, "state": State.PAUSED, "paused_until": date(2026, 12, 1)},
            TEAM, "the retailer wrote: read it",
        ),
        ({"cause": "our_platform"}, TEAM, "decide without the retailer's word"),
        ({"asked_form": "decision"}, TEAM, "decide about the account (J6)"),
        ({"asked_form": "review", "state": State.VERIFIED}, TEAM, "review the evidence (J7, J8)"),
        ({"asked_form": "try-again", "trouble": "The desk refuses."}, US, "The desk refuses."),
        (
            {
                "asked_form": "try-again", "state": State.RUNNING,
                "trouble": "The run otter is still going.", "trouble_code": "still_running",
            },
            NOBODY, "The run otter is still going.",
        ),
        (
            {"asked_form": "try-again", "state": State.RUNNING, "trouble": "The run otter is still going."},
            US, "The run otter is still going.",
        ),
        ({"asked_form": "decision", "state": State.PAUSED, "paused_until": date(2026, 12, 1)}, NOBODY, "2026-12-01"),
        ({"asked_form": "decision", "state": State.PAUSED, "paused_until": date(2026, 11, 20)}, TEAM, "2026-11-20"),
        ({"asked_form": "", "flow_run": None}, CASEPROOF, "it waits for its first run"),
        ({"asked_form": ""}, CASEPROOF, "its run is at work"),
        ({"rest_until": NOW, "rest_why": "3 runs in a row died; its run ended as Crashed: boom"}, US, "boom"),
        ({"rest_until": NOW, "rest_why": "parked it seems", "rest_code": "runs_died"}, US, "parked it seems"),
        ({"rest_until": NOW, "rest_why": "its run was cancelled", "rest_code": "parked"}, TEAM, "case wake JF-000001"),
    ],
)  # fmt: skip
def test_who_must_act_and_what_for(services: Services, changes: dict[str, object], who: str, what: str) -> None:
    shown = line(replace(ROW, **changes), services.policy.keeper, NOW)  # type: ignore[arg-type]
    assert shown.who == who
    assert what in shown.what
    assert shown.needs_us is (who == US)


def test_since_when_is_when_the_one_who_must_act_was_told(services: Services) -> None:
    assert line(ROW, services.policy.keeper, NOW).since == NOW, "the notice"
    assert line(replace(ROW, asked_form="decision"), services.policy.keeper, NOW).since == ROW.asked_at
    assert line(replace(ROW, asked_form="", asked_at=None), services.policy.keeper, NOW).since == ROW.updated_at


def opened(services: Services, job: str, marketplace: str = "North") -> str:
    event = services.ledger.event(
        Kind.OPENED, platform="jobs", job=job, job_name=job, retailer="Shop A", marketplace=marketplace, cause="feed",
        summary="It fails.", how="a test", scope="job",
    )  # fmt: skip
    with services.store.uow() as uow:
        ref = uow.cases.create(event).ref
        uow.commit()
    return ref


def test_the_oldest_comes_first_and_those_that_need_us_before_it(services: Services) -> None:
    refs = [opened(services, f"job/{number}", "South" if number else "") for number in range(5)]
    with services.store.uow() as uow:
        uow.cases.set_rest(refs[3], 3, NOW + timedelta(hours=1), "3 runs in a row died")
        uow.commit()
    note_problems(services.ledger, {refs[4]: "It cannot be read.", "the platform jobs": "It is down."})
    shown = board(services.ledger, services.policy.keeper, at_most=3)
    assert [one.ref for one in shown.lines] == [refs[3], refs[4], refs[0]]
    assert [one.needs_us for one in shown.lines] == [True, True, False]
    assert shown.lines[1].what == "It cannot be read."
    assert (shown.open, shown.by_state) == (5, {"opened": 5}), "the counts are of all"
    assert shown.by_marketplace == {"none": 1, "South": 4}
    assert shown.problems["the platform jobs"] == "It is down."


def message(services: Services, name: str, place: Disposition, ref: str = "") -> None:
    with services.store.uow() as uow:
        uow.messages.add(
            hashlib.sha256(name.encode()).hexdigest(), message_id="", sender="x@example.com", subject="", size=1,
            way="mail", place=place, why=name, ref=ref, at=NOW,
        )  # fmt: skip
        uow.commit()


def test_what_came_from_retailers_is_counted_by_where_it_ended(services: Services) -> None:
    assert board(services.ledger, services.policy.keeper).from_retailers == {}
    for name, place in (
        ("a", Disposition.REPLY),
        ("b", Disposition.REPLY),
        ("c", Disposition.UNMATCHED),
        ("d", Disposition.COUNTED),
    ):
        message(services, name, place)
    assert board(services.ledger, services.policy.keeper).from_retailers == {"reply": 2, "unmatched": 1}


def test_a_case_whose_mail_came_back_is_named_with_the_address(services: Services) -> None:
    """Where no address is left, somebody has to put that right; where one is, the retailer knows."""
    assert (
        RETURNED
        in line(ROW, services.policy.keeper, NOW, returned=Returned(("a@example.com", "b@example.com"), all=True)).what
    )
    some = line(ROW, services.policy.keeper, NOW, returned=Returned(("a@example.com",), all=False))
    assert (some.who, some.what) == (
        RETAILER, "the retailer's written word (J8); the mail to a@example.com came back",
    )  # fmt: skip


RETURNED = "the mail to a@example.com, b@example.com came back: register an address that works"


def test_every_case_of_a_retailer_whose_mail_came_back_says_so(services: Services) -> None:
    refs = [opened(services, f"job/{number}") for number in range(2)]
    with services.store.uow() as uow:
        uow.people.add_contact("Shop A", "a@example.com")
        uow.people.mark_bounced("Shop A", "a@example.com", "550 no such user", NOW)
        uow.commit()
    rows = board(services.ledger, services.policy.keeper).lines
    assert {one.ref for one in rows} == set(refs)
    assert all("the mail to a@example.com came back" in one.what for one in rows)


def test_an_empty_board_is_a_board(services: Services) -> None:
    assert board(services.ledger, services.policy.keeper).lines == ()
    assert board(services.ledger, services.policy.keeper).open == 0
