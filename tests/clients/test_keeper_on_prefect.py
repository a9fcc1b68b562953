"""A pass of the keeper on a real Prefect server: every open case has one live run again, and the board is drawn."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.client.schemas.objects import Artifact
from prefect.states import Cancelled, Completed, Crashed

from caseproof.channels.kept_channels import path_of
from caseproof.config.policy import Policy
from caseproof.domain.emergency.raising import Raising, Sighting
from caseproof.domain.emergency.vocabulary import Criterion, OwnLadder
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.recordings.linking import Link
from caseproof.domain.vocabulary import Disposition
from caseproof.procedure.core.recordings import link_recording
from caseproof.procedure.keeper.keeper import keep
from caseproof.procedure.paging.raising import end_emergency, raise_emergency
from caseproof.procedure.paging.tested import Came, Try, Way, answer, begin
from caseproof.procedure.views.kept_reports import kept_page
from flows.case_keeper import case_keeper
from tasks.common import ports
from tasks.display.after import show_what_follows
from tasks.display.on_call import show_who_is_on_call
from tasks.display.test_page import show_the_test_page
from tasks.keeping import keeper_ports
from tasks.ports import bound
from tasks.runs.our_prefect import read_run
from tests.support.case_runs import generation, opened, suspended


def newest(key: str) -> Artifact:
    """The newest artifact of this key."""
    with get_client(sync_client=True) as client:
        found = client.read_artifacts(artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=[key])))
    return max(found, key=lambda artifact: artifact.created)


def table(key: str) -> list[dict[str, Any]]:
    """The newest table artifact of this key."""
    return list(json.loads(newest(key).data))


def state_of(services: Any, ref: str) -> str:
    with services.store.reading() as uow:
        run = read_run(uow.cases.run_of(ref).flow_run)
    return str(run.state_name) if run else "deleted"


def test_a_pass_gives_every_open_case_one_live_run_again_and_draws_the_board(services, carried) -> None:
    crashed, forced, cancelled = (carried(state)[0] for state in (Crashed(message="boom"), Completed(), Cancelled()))
    deleted, gone = carried(suspended())
    with get_client(sync_client=True) as client:
        client.delete_flow_run(read_run(gone).id)
    asleep, sleeping = carried(suspended())
    services.ledger.record(asleep, Kind.QUESTION_ASKED, number=1, form="decision", flow_run=sleeping)
    news, waiting = carried(suspended())
    services.ledger.record(news, Kind.QUESTION_ASKED, number=1, form="decision", flow_run=waiting)
    services.ledger.record(
        news, Kind.CONFIRMATION_RECEIVED, sender="x", words="We did.", evidence="e", by_way_of="form"
    )
    with services.store.uow() as uow:
        uow.messages.add(
            "d" * 64, message_id="", sender="x@example.com", subject="", size=1, way="mail", place=Disposition.REPLY,
            why="asks for help", ref=news, at=services.clock(),
        )  # fmt: skip
        uow.commit()
    ended = case_keeper(return_state=True)
    assert ended.is_completed(), ended.message
    assert path_of(services.settings.home_folder).exists(), "each pass keeps the copy of the channels fresh"
    refs = (crashed, forced, deleted, cancelled, asleep, news)
    assert [generation(services, ref) for ref in refs] == [2, 2, 2, 1, 1, 1]
    assert [state_of(services, ref) for ref in (crashed, forced, deleted)] == ["Scheduled"] * 3
    assert (state_of(services, asleep), state_of(services, news)) == ("Suspended", "Resuming")
    assert services.ledger.case(cancelled).events[-1].kind is Kind.PARKED
    shown = {line["Case"].partition("]")[0].removeprefix("["): line for line in table("caseproof-board")}
    assert set(shown) == set(refs)
    assert "parked" in shown[cancelled]["What for"]
    assert f"/runs/flow-run/{sleeping}" in shown[asleep]["What for"]
    above = newest("caseproof-board").description
    assert f"**From retailers: [1 to look at]({services.links.inbox_url}).** reply 1." in above
    told = {line["What"]: line["How much"] for line in table("caseproof-keeper")}
    assert told["told to the team"] == "1"
    assert told["given a run"].startswith("3: ")
    assert "There is no platform called 'p'" in told["could not be done"]


def test_who_is_on_call_now_and_next_stands_in_a_table_that_is_drawn_anew_where_that_changed(services, clock) -> None:
    clock.move(seconds=(datetime(2040, 1, 2, 8, tzinfo=UTC) - clock()).total_seconds())  # a Monday
    people = [
        {"name": "Product Lead", "mobile": "+442079460123"},
        {"name": "Product_Engineer", "mobile": "+442079460124", "days": ["mon"], "begins": "08:00", "ends": "10:00"},
    ]

    def show(**policy: Any) -> bool:
        own = Policy.model_validate(services.policy.model_dump() | policy)
        with bound(replace(ports(), services=lambda: replace(services, policy=own))):
            return show_who_is_on_call()

    assert not show(), "nobody is on the list, and nothing was ever shown"
    listed = {"on_call": {"people": people}}
    assert [show(**listed), show(**listed)] == [True, False]
    first = table("caseproof-on-call")[:2]
    assert [(one["From (UTC)"], one["Until (UTC)"][-5:], one["At work"]) for one in first] == [
        ("now", "09:00", "Product\\_Engineer"), ("Mon 2040-01-02 09:00", "10:00", "Product Lead, Product\\_Engineer"),
    ]  # fmt: skip
    above = newest("caseproof-on-call").description
    assert "1. Product\\_Engineer (PT): at work\n2. Product Lead (PT): next on the list" in above
    assert "+44" not in above
    clock.move(minutes=30)
    assert not show(**listed)
    clock.move(hours=3)
    assert show(**listed)
    assert table("caseproof-on-call")[0]["At work"] == "Product Lead"
    assert [show(), table("caseproof-on-call"), show()] == [True, [], False]


def test_what_came_of_a_test_page_stands_in_a_table_without_numbers_and_on_a_page(services) -> None:
    one = Try(
        "2026-11", "Product Lead", Way.CALL, "+442079460123", services.clock(), services.clock(), Came.NOT_ANSWERED
    )

    def shown() -> bool:
        with bound(replace(ports(), services=lambda: services)):
            return show_the_test_page()

    assert not shown(), "there was none"
    with services.store.uow() as uow:
        begin(uow, one)
        uow.commit()
    assert [shown(), shown()] == [True, False]
    (row,) = table("caseproof-test-page")
    assert row["What came of it"].startswith("NOT REACHED: nobody answered")
    assert "+44" not in str(row) + newest("caseproof-test-page").description
    page = kept_page(services.settings.home_folder, "test-page-2026-11.html")
    assert page is not None
    assert "+442079460123" in page.read_text()
    with services.store.uow() as uow:
        answer(uow, one.month, one.key, services.clock())
        uow.commit()
    assert shown()
    assert table("caseproof-test-page")[0]["What came of it"].startswith("reached, ")


def test_two_keepers_at_once_give_each_case_one_run(services, clock, carried) -> None:
    refs = [carried(Crashed())[0] for _ in range(3)]
    clock.move(minutes=2)
    refs.append(opened(services))
    clock.move(minutes=2)
    with ThreadPoolExecutor(2) as two:
        here = keeper_ports(services)
        both = [two.submit(copy_context().run, keep, services, here, patience=0) for _ in range(2)]
    passes = [one.result() for one in both]
    assert None in passes or [] in [one.given_runs for one in passes if one], "one works, one has nothing to do"
    given = [generation(services, ref) for ref in refs]
    assert given == [2, 2, 2, 1]


def test_a_timeline_and_the_index_for_training_stand_in_prefect_without_any_address(services) -> None:
    ref, there = opened(services), "https://meetings.example.com/r/1?key=very-secret"
    sighting = Sighting(Criterion.STORE_DOWN, "The page says 500.")
    raising = Raising(
        site="shop.example.com", sightings=(sighting,), since=None, tried="", own_ladder=OwnLadder.USED, case=ref
    )
    raise_emergency(services.store, services.clock, raising, "operator", open_case=lambda _, by: by)
    end_emergency(services.store, services.clock, ref, "operator", "the server was restarted")
    link = Link("a full disk", "the meeting", "operator: said so", ["PT"], services.clock().date().isoformat(), there)
    link_recording(services.ledger, services.policy, ref, link, by="operator")
    with bound(replace(ports(), services=lambda: services)):
        show_what_follows([ref, ref])
        show_what_follows([])
    (line,) = table("caseproof-training")
    assert (line["Topic"], line["Who may hear it"]) == ("a full disk", "PT")
    review = newest(f"{ref.lower()}-emergency-1")
    assert review.type == "markdown"
    assert "the server was restarted" in str(review.data)
    assert "very-secret" not in f"{line}{review.data}{review.description}{newest('caseproof-training').description}"
