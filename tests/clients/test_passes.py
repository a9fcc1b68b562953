"""Passes of the keeper in place and as flow runs, on a real Prefect server: what they leave there, and what goes."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from prefect import flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId, FlowRunFilterName
from prefect.client.schemas.objects import State
from prefect.exceptions import ObjectNotFound
from prefect.states import Completed, Crashed, Failed, Running, Scheduled

from caseproof.domain.errors import CaseproofError
from caseproof.domain.job_failure.kinds import Kind
from caseproof.procedure.core.services import Services
from caseproof.procedure.views.board import BOARD, board_url
from caseproof.procedure.views.case_page import sentence
from caseproof.store import locks
from caseproof.up.plan import keeper_lock
from caseproof.up.prefect_services import CASE, SAVED_FILTER, PrefectApi
from flows.case_keeper import case_keeper
from sandbox.processes import PrefectServer, free_port
from tasks import common
from tasks.common import INSTALLED
from tasks.display.labels import label
from tasks.keeping import KeeperWatch, keep_once
from tasks.ports import bound
from tasks.prefect_run import PrefectRun, find_shown
from tasks.runs.carrying import take_up
from tasks.runs.case_runs import CaseOwner, wake
from tasks.runs.passes import NOTHING_TO_DO, PASSES, clear_away, nothing_to_do
from tasks.runs.reviving import revive
from tests.support.case_runs import generation, opened, suspended
from tests.support.command import Run

KEEPER, INBOX = PASSES
PACE = 180  # seconds, by the built-in policy
SOON = 10  # seconds: less than the pace, more than the first pause after trouble
WAITS = "{} · Shop A · North · waits for the review"


@pytest.fixture
def client(services: Services) -> Iterator[SyncPrefectClient]:
    assert services.policy.times.keeper_minutes * 60 == PACE
    with get_client(sync_client=True) as one:
        yield one


# -- in place ---------------------------------------------------------------------------------------------------------


def test_a_pass_in_place_draws_the_board_as_one_artifact_that_stays_and_makes_no_flow_run(
    services: Services, client: SyncPrefectClient
) -> None:
    said: list[str] = []
    watch = KeeperWatch(services, said.append)
    runs = client.count_flow_runs()
    first = opened(services)
    assert 0 < watch.round() <= PACE
    drawn = find_shown(BOARD)
    assert drawn is not None
    second = opened(services)
    watch.round()
    again = find_shown(BOARD)
    assert again is not None
    assert (again.id, again.flow_run_id) == (drawn.id, None), "an address of it leads nowhere else later"
    assert first in drawn.data
    assert second in again.data
    assert second not in drawn.data
    assert client.count_flow_runs() == runs
    newest = client.request("GET", "/artifacts/{key}/latest", path_params={"key": BOARD}).json()
    assert second in newest["data"]


@pytest.mark.usefixtures("services")
def test_a_board_that_a_run_drew_before_is_left_to_that_run(client: SyncPrefectClient) -> None:
    """Runs of passes are deleted: what links to one of them leads nowhere then."""
    keep_once()
    shown = find_shown(BOARD)
    assert shown is not None
    (deployment,) = made(client, KEEPER)
    run = client.create_flow_run_from_deployment(deployment)
    body = {"key": BOARD, "type": "table", "data": "[]", "flow_run_id": str(run.id)}
    theirs = client.request("POST", "/artifacts/", json=body).json()["id"]
    keep_once()
    assert str(find_shown(BOARD).id) not in (theirs, str(shown.id))  # type: ignore[union-attr]


def test_a_pass_in_place_and_one_in_a_flow_run_at_once_do_nothing_twice(services: Services) -> None:
    opened(services)
    lock = services.settings.home_folder / "keeper" / "pass"
    locks.hold(lock)  # as the other one does while it is at work
    ended = case_keeper(return_state=True)
    assert (ended.is_completed(), ended.name) == (True, NOTHING_TO_DO)
    said: list[str] = []
    assert keep_once(said.append) is None
    assert KeeperWatch(services, said.append).round() > SOON
    assert said == []
    locks.let_go(lock)
    assert keep_once(said.append) is not None


def test_a_pass_in_place_goes_by_the_policy_of_now(services: Services) -> None:
    """A process that lives for weeks: the file of the policy may be another, or broken, by the next pass."""
    watch = KeeperWatch(services, [].append)
    policy = services.settings.policy
    assert policy is not None
    text = policy.read_text()
    policy.write_text(text.replace("keeper_minutes: 3", "keeper_minutes: 50"))
    assert watch.round() > 40 * 60
    policy.write_text("no: policy")
    watch.round()
    assert "**The policy file has an error.**" in find_shown(BOARD).description  # type: ignore[union-attr, operator]


def test_trouble_with_a_pass_is_told_once_and_its_end_too(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    watch = KeeperWatch(services, said.append)
    with monkeypatch.context() as broken:
        broken.setattr("tasks.keeping.keep", _away)
        pauses = [watch.round() for _ in range(3)]
    assert pauses == sorted(set(pauses)), "tried again ever later"
    watch.round()
    assert said == ["The store is away. Wait.", "The keeper looks after the cases again."]


def _away(*_: object) -> None:
    raise CaseproofError("The store is away.", "Wait.")


def test_a_long_pause_between_two_passes_is_no_pass_that_hangs(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(KeeperWatch, "round", lambda _: 3600.0)
    command = import_module("caseproof.cli.keeper")
    monkeypatch.setattr(command, "time", SimpleNamespace(time=time.time, sleep=_ends))
    with pytest.raises(KeyboardInterrupt):
        command._watch(services)
    lock = keeper_lock(services.settings)
    assert lock.stat().st_mtime > time.time() + 3500
    locks.let_go(lock)


def _ends(_: float) -> None:
    raise KeyboardInterrupt


def test_the_command_makes_a_pass_at_once_without_any_prefect_too_and_says_where_another_is_at_work(
    run: Run, home: Path
) -> None:
    common.installed_services.cache_clear()
    assert "0 open cases; 0 with an error to put right." in run("keeper").out
    lock = home / "keeper" / "pass"
    locks.hold(lock)
    assert "Another pass is at work" in run("keeper").out
    locks.let_go(lock)
    common.services().store.close()
    common.installed_services.cache_clear()


# -- what goes again --------------------------------------------------------------------------------------------------


def made(client: SyncPrefectClient, *names: str, tags: tuple[str, ...] = ("caseproof",)) -> list[UUID]:
    """These deployments (``flow/deployment``)."""
    found = []
    for name in names:
        its_flow, _, deployment = name.partition("/")
        flow_id = client.create_flow(flow(name=its_flow)(_stand_in))
        found.append(client.create_deployment(flow_id, name=deployment, tags=list(tags)))
    return found


def _stand_in() -> None:
    """Stands for a flow: no worker runs it."""


def ran(client: SyncPrefectClient, deployment: UUID, state: State[Any]) -> UUID:
    run = client.create_flow_run_from_deployment(deployment, state=Scheduled())
    client.set_flow_run_state(run.id, state, force=True)
    return run.id


def is_there(client: SyncPrefectClient, run: UUID) -> bool:
    try:
        return client.read_flow_run(run) is not None
    except ObjectNotFound:
        return False


def there(client: SyncPrefectClient, runs: dict[str, UUID]) -> set[str]:
    return {what for what, run in runs.items() if is_there(client, run)}


def test_what_a_pass_leaves_goes_at_once_or_after_the_policys_days_and_nothing_else_ever_does(
    services: Services, client: SyncPrefectClient, clock: Any
) -> None:
    keeper, inbox = made(client, KEEPER, INBOX)
    case = client.read_deployment_by_name("job-failure-case/job-failure-case").id
    (others,) = made(client, "case-keeper/of-a-customer", tags=("caseproof", "customer"))
    empty = nothing_to_do("Nothing was to be done.")
    passes = {
        "an empty pass": ran(client, keeper, empty),
        "an empty look at the mailbox": ran(client, inbox, empty),
        "a pass that did something": ran(client, keeper, Completed()),
        "a pass that failed": ran(client, inbox, Failed(message="boom")),
        "a pass that died": ran(client, keeper, Crashed()),
        "a pass that is at work": ran(client, keeper, Running()),
        "the next pass": ran(client, keeper, Scheduled(scheduled_time=clock() + timedelta(days=1))),
        "a case's run": ran(client, case, empty),
        "a case's run that ended": ran(client, case, Completed()),
        "a customer's run": ran(client, others, empty),
    }
    assert clear_away(services) == 0, "their workers may still tell how they ended"
    clock.move(minutes=4)
    clear_away(services)
    gone = {"an empty pass", "an empty look at the mailbox"}
    assert there(client, passes) == passes.keys() - gone
    clock.move(days=services.policy.prefect.keep_passes_days)
    clear_away(services)
    gone |= {"a pass that did something", "a pass that failed", "a pass that died"}
    assert there(client, passes) == passes.keys() - gone
    clock.move(days=3000)
    clear_away(services)
    assert there(client, passes) == passes.keys() - gone


def test_a_deployment_of_the_same_name_that_is_not_ours_keeps_its_runs(
    services: Services, client: SyncPrefectClient, clock: Any
) -> None:
    (theirs,) = made(client, KEEPER, tags=())
    run = ran(client, theirs, nothing_to_do("theirs"))
    clock.move(days=3000)
    assert clear_away(services) == 0
    assert is_there(client, run)


def test_a_policy_that_keeps_nothing_still_waits_for_the_worker(
    services: Services, client: SyncPrefectClient, clock: Any
) -> None:
    (keeper,) = made(client, KEEPER)
    run = ran(client, keeper, Completed())
    prefect = services.policy.prefect.model_copy(update={"keep_passes_days": 0})
    here = dataclasses.replace(services, policy=services.policy.model_copy(update={"prefect": prefect}))
    clear_away(here)
    assert is_there(client, run)
    clock.move(minutes=4)
    clear_away(here)
    assert not is_there(client, run)


# -- a run that was forced --------------------------------------------------------------------------------------------


def named(client: SyncPrefectClient, ref: str, run: str, name: str = WAITS) -> None:
    """As the run of a case is named and tagged while it waits."""
    tags = ["caseproof", CASE, "retailer:Shop A", "status:verified"]
    client.update_flow_run(UUID(run), name=name.format(ref), tags=tags)


def found_by(client: SyncPrefectClient, words: str, *runs: str) -> list[str]:
    """Which of these runs the search of Prefect's pages finds; other tests have cases of the same reference."""
    asked = FlowRunFilter(name=FlowRunFilterName(like_=words), id=FlowRunFilterId(any_=[UUID(run) for run in runs]))
    return [str(run.id) for run in client.read_flow_runs(flow_run_filter=asked)]


def run_of(services: Services, ref: str) -> str:
    with services.store.reading() as uow:
        return str(uow.cases.of_refs([ref])[0].flow_run)


def told(services: Services, ref: str) -> list[str]:
    return [str(fact.data["flow_run"]) for fact in services.ledger.case(ref).events if fact.kind is Kind.RUN_FORCED]


@pytest.mark.parametrize(
    ("name", "by_hand"),
    [(WAITS, False), (WAITS, True), ("my {}-1", False)],
    ids=["by the keeper", "by case wake", "a name of a person's own"],
)
def test_after_a_run_was_forced_to_completed_a_search_finds_the_live_one_alone_and_the_case_tells_of_it(
    services: Services, client: SyncPrefectClient, carried: Any, name: str, by_hand: bool
) -> None:
    ref, run = carried(suspended())
    named(client, ref, run, name if name == WAITS else name.format(ref.lower()))
    client.set_flow_run_state(UUID(run), Completed(), force=True)
    if by_hand:
        wake(services, ref)
    else:
        revive(services)
    live = run_of(services, ref)
    assert live != run
    assert found_by(client, ref, run, live) == found_by(client, ref.lower(), run, live) == [live]
    old = client.read_flow_run(UUID(run))
    assert old.name.startswith("replaced · ")
    assert set(old.tags) == {"caseproof", "retailer:Shop A"}
    assert told(services, ref) == [run]
    revive(services)
    assert told(services, ref) == [run], "once"
    assert any("set to Completed in Prefect" in sentence(event) for event in services.ledger.case(ref).events)
    assert services.ledger.case(ref).events[-1].kind.spec.wakes is False, "it is no progress of the case"


def test_a_run_that_died_is_replaced_by_name_too_and_nobody_is_said_to_have_forced_it(
    services: Services, client: SyncPrefectClient, carried: Any
) -> None:
    ref, run = carried(Crashed())
    named(client, ref, run)
    revive(services)
    live = run_of(services, ref)
    assert found_by(client, ref, run, live) == [live]
    assert told(services, ref) == []


def test_a_run_from_the_uis_form_that_takes_the_case_up_leaves_no_second_one_of_its_name(
    services: Services, client: SyncPrefectClient, carried: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref, run = carried(suspended())
    named(client, ref, run)
    client.set_flow_run_state(UUID(run), Completed(), force=True)
    deployment = client.read_deployment_by_name("job-failure-case/job-failure-case").id
    mine = str(client.create_flow_run_from_deployment(deployment, state=Scheduled()).id)
    monkeypatch.setattr("tasks.runs.carrying.begin", lambda _: mine)
    assert take_up(CaseOwner(services, ref))
    assert (found_by(client, ref, run), told(services, ref)) == ([], [run])
    assert (run_of(services, ref), generation(services, ref)) == (mine, 2)


@dataclass
class _Carrier(PrefectRun):
    """The flow run that a process executes, which only notes what it is to be called."""

    flow_run: str
    called: list[Any] = field(default_factory=list)

    @property
    def id(self) -> str:
        return self.flow_run

    def label(self, name: str, tags: Sequence[str], instead_of: tuple[str, ...]) -> None:
        self.called.append((name, tags, instead_of))


def test_a_run_that_was_forced_while_it_was_at_work_does_not_take_its_name_back(
    services: Services, client: SyncPrefectClient, carried: Any
) -> None:
    """Prefect lets its process go on for a moment."""
    ref, run = carried(Running())
    client.set_flow_run_state(UUID(run), Completed(), force=True)
    revive(services)
    old, live = _Carrier(run), _Carrier(run_of(services, ref))
    for carrier in (old, live):
        with bound(dataclasses.replace(INSTALLED, carrier=carrier)):
            label(services.ledger.case(ref))
    assert (len(old.called), len(live.called)) == (0, 1)


def test_a_run_that_ended_with_its_case_was_not_forced_however_the_case_is_opened_again(
    services: Services, client: SyncPrefectClient, carried: Any
) -> None:
    ref, run = carried(Completed())
    now = services.ledger.case(ref)
    ended = client.read_flow_run(UUID(run))
    assert ended.end_time is not None
    again = ended.end_time + timedelta(hours=1)
    reopened = dataclasses.replace(now.events[0], kind=Kind.REOPENED, at=again, data={"why": "It fails again."})
    later = dataclasses.replace(now, events=(*now.events, reopened))
    assert CaseOwner.was_forced(ended, now)
    assert not CaseOwner.was_forced(ended, later)
    assert CaseOwner.was_forced(ended.model_copy(update={"end_time": again + timedelta(hours=1)}), later)


# -- the filter -------------------------------------------------------------------------------------------------------


def test_prefect_offers_the_runs_of_cases_as_a_saved_filter_once(
    services: Services, client: SyncPrefectClient, prefect_server: PrefectServer
) -> None:
    assert services
    for _ in range(2):
        PrefectApi(prefect_server.api_url).save_filter()
    saved = [one for one in client.request("POST", "/saved_searches/filter").json() if one["name"] == SAVED_FILTER]
    (filters,) = [one["filters"] for one in saved]
    assert {one["property"]: one["value"] for one in filters}["tag"] == [CASE]


def test_where_prefect_takes_no_filter_nothing_fails() -> None:
    PrefectApi(f"http://127.0.0.1:{free_port()}/api").save_filter()
    assert board_url("http://127.0.0.1:4200/") == f"http://127.0.0.1:4200/artifacts/key/{BOARD}"
    assert board_url("") == ""
