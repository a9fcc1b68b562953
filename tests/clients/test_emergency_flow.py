"""An emergency's flow on a real Prefect server: its form raises it, each try is a row, and its form says who has it."""

from __future__ import annotations

import contextvars
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints
from uuid import UUID

import httpx
import pytest
import yaml
from prefect import states
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey, FlowRunFilter, FlowRunFilterTags
from prefect.client.schemas.objects import FlowRun, State
from prefect.settings import PREFECT_API_URL, temporary_settings

from blocks.base import PrefectDown
from caseproof.config.clock import utc_now
from caseproof.domain.emergency.form import Down, EmergencyReply, Ladder, Reply, Whom
from caseproof.domain.emergency.paging import Paging
from caseproof.domain.emergency.raising import Raising, ShortCase, Sighting
from caseproof.domain.emergency.vocabulary import Criterion, OwnLadder, Via
from caseproof.domain.errors import NotAllowed
from caseproof.procedure.core.services import Services
from caseproof.procedure.escalation.opening import short_case_opener
from caseproof.procedure.paging.answering import Answer, acknowledge, give_back
from caseproof.procedure.paging.installed import parts_of
from caseproof.procedure.paging.ports import raise_by
from caseproof.procedure.paging.raising import end_emergency, standing
from flows.emergency import emergency
from sandbox.processes import PrefectServer
from tasks import common
from tasks.emergencies import call_people
from tasks.runs import emergency_runs
from tasks.runs.emergency_forms import do_as_said, hear, put_form
from tasks.runs.emergency_runs import EmergencyOwner, give_emergency_runs

PERSON = "first on call"
SAID: dict[str, Any] = {
    "what_is_down": str(Down.PAYMENTS_DOWN), "what_was_seen": "The checkout says 500.", "site": "shop.example.com",
    "client": "Shop A", "what_they_say": "Nobody can pay.", "raised_by": "operator",
}  # fmt: skip


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefect_server: PrefectServer) -> Iterator[Services]:
    policy = tmp_path / "policy.yaml"
    people = [{"name": PERSON, "mobile": "+442079460001"}]
    policy.write_text(yaml.safe_dump({"team": ["operator", "team lead"], "on_call": {"people": people}}))
    monkeypatch.setenv("CASEPROOF_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CASEPROOF_POLICY", str(policy))
    common.installed_services.cache_clear()
    with temporary_settings({PREFECT_API_URL: prefect_server.api_url}):
        with get_client(sync_client=True) as client:
            client.create_deployment(client.create_flow(emergency), name="emergency")
        yield common.services()
    common.services().store.close()
    common.installed_services.cache_clear()


def raised(services: Services, client: str = "Shop B") -> str:
    """An emergency that was raised elsewhere: on the page, say."""
    raising = Raising(
        site="shop.example.com", sightings=(Sighting(Criterion.STORE_DOWN, "500"),), since=None, tried="",
        own_ladder=OwnLadder.USED, new_case=ShortCase(client, "Nobody can order."),
    )  # fmt: skip
    opener = short_case_opener(services.ledger, services.files, services.policy)
    return raise_by(parts_of(services), raising, "operator", opener).ref


def paging(services: Services, ref: str) -> Paging:
    return standing(services.ledger.case(ref))


def wait_until(what: Callable[[], Any], why: str = "") -> Any:
    """What it gives, once it gives something."""
    ends = time.monotonic() + 60
    while not (found := what()):
        assert time.monotonic() < ends, why or "it did not come true"
        threading.Event().wait(0.1)
    return found


class Running:
    """The flow in a thread, as a worker runs it in a process; ``state`` is what it ends with."""

    def __init__(self, **given: Any) -> None:
        self.state: State[Any] | None = None
        context = contextvars.copy_context()

        def run() -> None:
            self.state = context.run(emergency, return_state=True, **given)

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()

    def ended(self) -> State[Any]:
        self._thread.join(60)
        assert self.state is not None, "it goes on"
        return self.state


def waiting_run(client: Any, ref: str) -> FlowRun | None:
    """The run of this emergency that waits with its form."""
    tagged = FlowRunFilter(tags=FlowRunFilterTags(all_=["emergency"]))
    runs = [run for run in client.read_flow_runs(flow_run_filter=tagged) if run.name.startswith(ref.lower())]
    return next((run for run in runs if run.state is not None and run.state.is_paused()), None)


def rows_of(client: Any, ref: str) -> list[dict[str, str]]:
    key = ArtifactFilter(key=ArtifactFilterKey(any_=[f"emergency-{ref.lower()}"]))
    (table,) = client.read_artifacts(artifact_filter=key)
    found: list[dict[str, str]] = json.loads(table.data)
    return found


def test_the_form_s_choices_are_those_of_the_rules() -> None:
    hints = get_type_hints(emergency.fn)
    assert get_args(hints["what_is_down"])[1:] == tuple(map(str, Down))
    assert get_args(hints["own_ladder"])[1:] == tuple(map(str, Ladder))
    assert get_args(hints["who_is_called"]) == tuple(map(str, Whom))


def test_a_form_that_says_too_little_is_refused_with_all_that_is_missing_and_writes_no_case(services: Services) -> None:
    state: State[Any] = emergency(what_was_seen="500", return_state=True)
    assert state.is_failed()
    for missing in ("E7", "E9", "site", "Next: "):
        assert missing in str(state.message)
    assert "Traceback" not in str(state.message)
    with services.store.reading() as uow:
        assert uow.cases.rows() == []


def test_people_are_called_each_try_is_a_row_and_prefect_s_form_says_who_has_it(services: Services) -> None:
    run = Running(**SAID)
    with get_client(sync_client=True) as client:
        ref = "SC-000001"
        waits = wait_until(lambda: waiting_run(client, ref))
        assert paging(services, ref).calls, "the tries did not wait for the form"
        assert answered(client, waits.id, Reply.OVER) == "ACCEPT"
        again = wait_until(lambda: waiting_run(client, ref), "it is asked again: nothing was said of why")
        assert answered(client, again.id, Reply.UPDATE, "The database is being restored.") == "ACCEPT"
        wait_until(lambda: paging(services, ref).update is not None)
        again = wait_until(lambda: waiting_run(client, ref), "it is asked on: nobody has it")
        assert answered(client, again.id, Reply.HAVE_IT) == "ACCEPT"
        state = run.ended()
        rows = rows_of(client, ref)
    taken = paging(services, ref).taken
    assert taken is not None
    assert (taken.by, taken.via) == (PERSON, Via.FORM)
    assert state.is_completed()
    assert f"{PERSON} has it until" in str(state.message)
    assert {row["By"] for row in rows} == {"mail", "Teams", "call"}
    assert any("There is no voice account" in row["More"] for row in rows)


def test_a_run_that_waits_with_its_form_ends_as_soon_as_somebody_has_it_by_another_way(services: Services) -> None:
    ref = raised(services)
    assert give_emergency_runs(services) == [ref], "it gets a run, whoever raised it"
    assert give_emergency_runs(services) == [], "and one is enough"
    given = EmergencyOwner(services, ref).latest()[0]
    with get_client(sync_client=True) as client:
        assert given is not None
        client.delete_flow_run(given)
        run = Running(case=ref)
        wait_until(lambda: waiting_run(client, ref))
        acknowledge(services.store, utc_now, services_rules(services), ref, Answer(1, PERSON, Via.LINK))
        assert run.ended().is_completed()
        assert waiting_run(client, ref) is None
        assert give_emergency_runs(services) == [], "somebody has it"
        give_back(services.store, utc_now, ref, PERSON, "no network")
        assert give_emergency_runs(services) == [ref], "calling has begun again"


def services_rules(services: Services) -> Any:
    return services.policy.paging.rules


def answered(client: SyncPrefectClient, run: UUID, what: Reply, why: str = "") -> str:
    """What Prefect says to an answer."""
    return client.resume_flow_run(run, {"answered_by": PERSON, "what": str(what), "why": why}).status.value


def run_left(services: Services, client: SyncPrefectClient, ref: str) -> UUID:
    """A run that waits with its form, and whose process died."""
    run = client.create_flow_run(emergency, tags=["emergency"], state=states.Running())
    EmergencyOwner(services, ref).take(str(run.id), 1)
    services.at_work(str(run.id)).parent.mkdir(exist_ok=True)
    services.at_work(str(run.id)).touch()
    put_form(services, run.id, paging(services, ref))
    return run.id


def test_what_is_answered_in_the_moment_when_it_is_asked_is_taken(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref, quick = raised(services), list[str]()
    with get_client(sync_client=True) as client:
        run = client.create_flow_run(emergency)
        monkeypatch.setattr(SyncPrefectClient, "set_flow_run_state", quickly(Reply.HAVE_IT, quick, before=False))
        put_form(services, run.id, paging(services, ref))
    assert quick == ["ACCEPT"]
    assert hear(services, run.id) == [""]
    assert paging(services, ref).taken is not None
    assert hear(services, run.id) == [], "and done once"


def test_what_is_answered_in_the_moment_when_the_form_is_taken_away_is_done(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref, quick = raised(services), list[str]()
    run = Running(case=ref)
    with get_client(sync_client=True) as client:
        wait_until(lambda: waiting_run(client, ref))
    monkeypatch.setattr(SyncPrefectClient, "set_flow_run_state", quickly(Reply.OVER, quick, before=True))
    acknowledge(services.store, utc_now, services_rules(services), ref, Answer(1, PERSON, Via.LINK))
    assert run.ended().is_completed()
    assert "ACCEPT" in quick
    assert paging(services, ref).over_why == "It works: the disk was full."


def quickly(what: Reply, said: list[str], *, before: bool) -> Callable[..., Any]:
    """Whatever state a run gets, somebody answers right before it or after."""
    sets = SyncPrefectClient.set_flow_run_state

    def set_flow_run_state(client: SyncPrefectClient, run: UUID, *given: Any, **more: Any) -> Any:
        if before:
            said.append(answered(client, run, what, "It works: the disk was full."))
        told = sets(client, run, *given, **more)
        if not before:
            said.append(answered(client, run, what))
        return told

    return set_flow_run_state


def test_what_was_answered_on_a_run_whose_process_died_is_done_whoever_has_it_by_then(services: Services) -> None:
    ref = raised(services)
    with get_client(sync_client=True) as client:
        assert answered(client, run_left(services, client, ref), Reply.HAVE_IT) == "ACCEPT"
        assert give_emergency_runs(services) == [], "no other run is needed"
        assert paging(services, ref).taken is not None
        left = run_left(services, client, ref)
        assert answered(client, left, Reply.OVER, "It works: the disk was full.") == "ACCEPT"
        give_emergency_runs(services)
        assert paging(services, ref).over


@pytest.mark.parametrize("ended", ["crashed", "completed"])
def test_what_was_answered_on_a_run_that_prefect_says_has_ended_is_done_whoever_has_it_by_then(
    services: Services, ended: str
) -> None:
    ref = raised(services)
    state: State[Any] = states.Crashed() if ended == "crashed" else states.Completed()
    with get_client(sync_client=True) as client:
        left = run_left(services, client, ref)
        assert answered(client, left, Reply.OVER, "It works: the disk was full.") == "ACCEPT"
        client.set_flow_run_state(left, state, force=True)
        acknowledge(services.store, utc_now, services_rules(services), ref, Answer(1, PERSON, Via.LINK))
        give_emergency_runs(services)
        assert paging(services, ref).over
        assert not services.at_work(str(left)).exists(), "and it is not looked at again"


def test_an_answer_that_prefect_could_not_delete_takes_nothing_that_was_given_back(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = raised(services)
    with get_client(sync_client=True) as client:
        left = run_left(services, client, ref)
        assert answered(client, left, Reply.HAVE_IT) == "ACCEPT"
        with monkeypatch.context() as away:
            away.setattr(SyncPrefectClient, "delete_flow_run_input", goes_away)
            with pytest.raises(PrefectDown):
                hear(services, left)
        give_back(services.store, utc_now, ref, PERSON, "no network here")
        give_emergency_runs(services)
        assert paging(services, ref).taken is None
        assert hear(services, left) == [], "it was heard again, and not taken"


def goes_away(*_: Any) -> None:
    raise httpx.ConnectError("Prefect went away.")


def test_whatever_else_stands_among_the_answers_keeps_none_from_being_heard(services: Services) -> None:
    ref = raised(services)
    key, good = f"emergency-answer-{ref.lower()}-1", {"answered_by": PERSON, "what": str(Reply.HAVE_IT)}
    with get_client(sync_client=True) as client:
        run = client.create_flow_run(emergency).id
        for number, value in enumerate(("{", "[1]", '"x"', "null", "[" * 5000)):
            client.create_flow_run_input(run, f"{key}-a{number}", value)
        client.create_flow_run_input(run, "emergency-answer-sc-999999-1-ab", json.dumps(good))
        client.create_flow_run_input(run, "emergency-answer-none", json.dumps(good))
        client.create_flow_run_input(run, f"{key}-f", json.dumps(good))
    heard = hear(services, run)
    assert (len(heard), heard.count("")) == (8, 1)
    assert paging(services, ref).taken is not None
    assert hear(services, run) == []


def test_the_trouble_with_one_run_keeps_no_other_emergency_from_getting_its_run(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, other, third = (raised(services, client) for client in ("Shop B", "Shop C", "Shop D"))
    with get_client(sync_client=True) as client:
        left = run_left(services, client, bad)
        kept = run_left(services, client, third)
        assert answered(client, kept, Reply.HAVE_IT) == "ACCEPT"

        def one_fails(here: Services, run: UUID) -> list[str]:
            if run == left:
                raise ValueError(bad)
            return hear(here, run)

        monkeypatch.setattr(emergency_runs, "hear", one_fails)
        assert give_emergency_runs(services) == [other]
        assert paging(services, third).taken is not None
        assert services.at_work(str(left)).exists(), "it is looked at again"


def test_a_form_that_nobody_would_hear_ends_at_once_and_another_run_asks(services: Services) -> None:
    ref = raised(services)
    with get_client(sync_client=True) as client:
        left = run_left(services, client, ref)
        assert give_emergency_runs(services) == [ref]
        assert answered(client, left, Reply.HAVE_IT) == "ABORT"
        acknowledge(services.store, utc_now, services_rules(services), ref, Answer(1, PERSON, Via.LINK))
        left = run_left(services, client, ref)
        give_emergency_runs(services)
        assert answered(client, left, Reply.OVER) == "ABORT", "also where nobody is called any more"


def test_an_answer_to_the_form_of_an_earlier_emergency_ends_none_that_goes_on(services: Services) -> None:
    ref = raised(services)
    end_emergency(services.store, utc_now, ref, "operator", "It works.")
    again = Raising(
        site="shop.example.com", sightings=(Sighting(Criterion.STORE_DOWN, "500"),), since=None, tried="",
        own_ladder=OwnLadder.USED, case=ref,
    )  # fmt: skip
    assert raise_by(parts_of(services), again, "operator", lambda *_: "").number == 2
    for what in (Reply.HAVE_IT, Reply.OVER):
        with pytest.raises(NotAllowed, match="earlier emergency"):
            do_as_said(services, ref, 1, EmergencyReply(what=what, why="It works.", answered_by="operator"))
    assert (paging(services, ref).taken, paging(services, ref).over) == (None, 0)


def test_in_emergencies_of_a_whole_region_few_runs_show_them_and_the_pager_calls_for_all(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emergency_runs, "AT_ONCE", 2)
    refs = [raised(services, client) for client in ("Shop B", "Shop C", "Shop D")]
    assert give_emergency_runs(services) == refs[:2]
    assert give_emergency_runs(services) == []
    acknowledge(services.store, utc_now, parts_of(services).paging.rules, refs[0], Answer(1, PERSON, Via.LINK))
    assert give_emergency_runs(services) == refs[2:], "somebody has the first, and its run ends"


def test_prefect_that_is_away_keeps_nobody_from_being_called(services: Services) -> None:
    """As far as the process runs at all: the pager and the command need not even that."""
    ref = raised(services)
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:1/api"}):
        calling = call_people(ref)
        wait_until(lambda: paging(services, ref).calls)
    acknowledge(services.store, utc_now, services_rules(services), ref, Answer(1, PERSON, Via.LINK))
    calling.join(60)
    assert not calling.is_alive()
