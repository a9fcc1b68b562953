"""The Prefect job platform when Prefect behaves badly: down, hanging, overloaded, or not Prefect at all."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from caseproof.domain.errors import CaseproofError
from caseproof.platforms.base import PlatformDown, PlatformRefused, RunState, UnknownJob, UnknownRun
from caseproof.platforms.prefect import PrefectJobsClient

SECRET = "admin:hunter2"
RUN_ID = "11111111-1111-4111-8111-111111111111"

Answer = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]


def deployment(**changes: Any) -> dict[str, Any]:
    return {
        "id": "d1",
        "name": "shop",
        "flow_id": "f1",
        "paused": False,
        "tags": [],
        "schedules": [],
    } | changes


def flow_run(number: int = 1, **changes: Any) -> dict[str, Any]:
    return {
        "id": f"run-{number}",
        "name": f"run {number}",
        "flow_id": "f1",
        "deployment_id": "d1",
        "state_type": "RUNNING",
        "state_name": "Running",
        "state": {"type": "RUNNING", "name": "Running", "message": None},
        "run_count": 1,
        "start_time": f"2026-01-01T00:00:{number % 60:02}Z",
        "end_time": None,
    } | changes


def ok(body: Any) -> httpx.Response:
    return httpx.Response(200, json=body)


@dataclass
class Prefect:
    """Answers each path with what is told, the last of several for ever; remembers calls and waits."""

    answers: dict[str, list[Answer]]
    calls: list[str] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/api/")
        self.calls.append(f"{request.method} {path}")
        self.bodies.append(json.loads(request.content) if request.content else None)
        told = self.answers.get(path, [httpx.Response(404, json={"detail": "Not found"})])
        answer = told.pop(0) if len(told) > 1 else told[0]
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, httpx.Response) else answer(request)

    def client(self, api_url: str = "http://prefect.example.com/api") -> PrefectJobsClient:
        transport = httpx.MockTransport(self)
        return PrefectJobsClient(
            api_url, "http://prefect.example.com", auth=SECRET, transport=transport, sleep=self.waits.append
        )


def page_of(*runs: dict[str, Any], count: int | None = None) -> httpx.Response:
    """A page of runs, and how many there are on all pages: these, if nothing else is told."""
    return ok({"results": list(runs), "count": len(runs) if count is None else count})


SHOP = "deployments/name/sync/shop"
LEFT = "flow_runs/paginate"
CANCEL = "flow_runs/run-1/set_state"


def a_job(*answers: Answer) -> Prefect:
    """A Prefect with the job ``sync/shop`` that answers so when the job is read."""
    return Prefect({SHOP: list(answers) or [ok(deployment())], LEFT: [page_of()]})


def tells_no_secret(error: CaseproofError) -> bool:
    said = f"{error} {error!r} {error.__cause__!r} {error.next_action}"
    return not any(secret in said for secret in ("hunter2", "YWRtaW4", "token=", "admin"))


# -- not there, hanging, overloaded


def test_a_stop_is_repeated_where_the_connection_was_never_made() -> None:
    prefect = a_job()
    prefect.answers |= {
        "deployments/d1/pause_deployment": [httpx.ConnectError("no"), httpx.Response(200)],
    }

    prefect.client().stop("sync/shop")

    assert prefect.calls.count("POST deployments/d1/pause_deployment") == 2


@pytest.mark.parametrize("lost", [httpx.ReadTimeout("no"), httpx.ReadError("no"), httpx.RemoteProtocolError("no")])
def test_a_read_whose_answer_was_lost_is_repeated(lost: Exception) -> None:
    prefect = a_job(lost, ok(deployment()))
    prefect.answers[LEFT] = [lost, page_of(flow_run(1), flow_run(2, state_type="SCHEDULED"), flow_run(3))]

    standing = prefect.client().standing("sync/shop")

    assert (standing.waiting, standing.running) == (1, 2)
    assert len(prefect.calls) == 4


@pytest.mark.parametrize("path", ["pause_deployment", "resume_deployment", "create_flow_run"])
@pytest.mark.parametrize("lost", [httpx.ReadTimeout("no"), httpx.ReadError("no"), httpx.Response(502)])
def test_a_write_whose_answer_was_lost_is_never_repeated(path: str, lost: Answer) -> None:
    prefect = a_job()
    prefect.answers[f"deployments/d1/{path}"] = [lost]
    client = prefect.client()
    act = {
        "pause_deployment": lambda: client.stop("sync/shop"),
        "resume_deployment": lambda: client.go_live("sync/shop"),
        "create_flow_run": lambda: client.start_run("sync/shop", "JF-000001:1"),
    }[path]

    with pytest.raises(PlatformDown):
        act()

    assert prefect.calls.count(f"POST deployments/d1/{path}") == 1
    assert prefect.waits == []


def test_a_503_is_tried_again_even_for_a_write_because_nothing_was_done() -> None:
    prefect = a_job()
    prefect.answers["deployments/d1/create_flow_run"] = [httpx.Response(503), ok(flow_run())]

    run = prefect.client().start_run("sync/shop", "JF-000001:1")

    assert run.state is RunState.RUNNING
    sent = [body for call, body in zip(prefect.calls, prefect.bodies, strict=True) if "create" in call]
    assert len(sent) == 2
    assert sent[0] == sent[1]  # the same key: still one run


# -- refused


@pytest.mark.parametrize("status", [401, 403])
def test_wrong_credentials_are_refused_at_once_without_telling_them(status: int) -> None:
    prefect = a_job(httpx.Response(status, json={"exception_message": "Unauthorized"}))

    with pytest.raises(PlatformRefused, match="credentials") as error:
        prefect.client("http://admin:hunter2@prefect.example.com/api").job("sync/shop")

    assert len(prefect.calls) == 1
    assert tells_no_secret(error.value)


def test_a_refusal_tells_the_servers_own_words() -> None:
    prefect = a_job()
    prefect.answers["deployments/d1/create_flow_run"] = [
        httpx.Response(409, json={"detail": "Error creating flow run: 'shop' is a required property"})
    ]

    with pytest.raises(PlatformRefused, match="'shop' is a required property"):
        prefect.client().start_run("sync/shop", "JF-000001:1")


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, html="<html><form action=/login>Please log in</form></html>"),
        httpx.Response(200, content=b'{"id": "d1", "name": "sh'),
        httpx.Response(200, json={"id": "d1"}),
        httpx.Response(200, json=[]),
        httpx.Response(200),
        httpx.Response(302, headers={"Location": "http://login.example.com/?token=1"}),
    ],
    ids=["login page", "half a JSON", "another shape", "a list", "nothing", "redirect to a login"],
)
def test_an_answer_that_is_not_prefects_is_refused(answer: httpx.Response) -> None:
    prefect = a_job(answer)

    with pytest.raises(PlatformRefused, match="not the Prefect API") as error:
        prefect.client().standing("sync/shop")

    assert "address" in error.value.next_action
    assert tells_no_secret(error.value)


@pytest.mark.parametrize("answer", [{"detail": "maintenance"}, [], {"results": []}, {"count": 0}, 0])
def test_an_answer_that_is_no_page_of_runs_is_not_taken_for_nothing_queued(answer: Any) -> None:
    prefect = a_job()
    prefect.answers[LEFT] = [ok(answer)]

    with pytest.raises(PlatformRefused):
        prefect.client().standing("sync/shop")


def test_a_missing_route_is_not_taken_for_a_job_that_vanished() -> None:
    with pytest.raises(PlatformRefused, match="not the Prefect API"):
        Prefect({}).client().standing("sync/shop")


# -- things that vanish or change while we look


def test_a_job_that_was_deleted_between_two_calls_is_unknown() -> None:
    prefect = a_job()
    prefect.answers["deployments/filter"] = [ok([])]

    for act in (prefect.client().stop, prefect.client().go_live):
        with pytest.raises(UnknownJob):
            act("sync/shop")
    with pytest.raises(UnknownJob):
        prefect.client().start_run("sync/shop", "JF-000001:1")


def test_a_run_that_vanished_is_unknown() -> None:
    with pytest.raises(UnknownRun, match=RUN_ID):
        Prefect({}).client().run(RUN_ID)


def test_a_stop_goes_on_when_a_run_vanished_or_ended_while_it_was_cancelled() -> None:
    prefect = a_job()
    aborted = ok({"state": None, "status": "ABORT", "details": {"type": "abort_details", "reason": "over"}})
    prefect.answers |= {
        "deployments/d1/pause_deployment": [httpx.Response(200)],
        LEFT: [page_of(flow_run(1), flow_run(2)), page_of()],
        "flow_runs/run-2/set_state": [aborted],
    }

    prefect.client().stop("sync/shop")

    assert "POST flow_runs/run-1/set_state" in prefect.calls  # it was gone: 404
    assert "POST flow_runs/run-2/set_state" in prefect.calls


def test_a_stop_pauses_before_it_cancels_and_never_hangs_on_runs_that_keep_coming() -> None:
    prefect = a_job()
    prefect.answers |= {
        "deployments/d1/pause_deployment": [httpx.Response(200)],
        LEFT: [page_of(flow_run(1))],
        CANCEL: [ok({"state": None, "status": "REJECT", "details": {}})],
    }

    prefect.client().stop("sync/shop")

    assert prefect.calls.index("POST deployments/d1/pause_deployment") < prefect.calls.index(f"POST {CANCEL}")
    assert prefect.calls.count(f"POST {CANCEL}") == 3


def test_a_stop_with_its_read_backs_is_eight_calls_and_every_look_reads_the_job_and_its_runs() -> None:
    paused = ok(deployment(paused=True))
    prefect = a_job(ok(deployment()), paused)
    prefect.answers |= {
        "deployments/d1/pause_deployment": [httpx.Response(200)],
        LEFT: [page_of(flow_run(1, state_type="SCHEDULED")), page_of()],
    }
    client = prefect.client()

    assert client.standing("sync/shop").waiting == 1
    client.stop("sync/shop")
    assert client.standing("sync/shop").is_stopped
    assert client.standing("sync/shop").is_stopped

    look = [f"GET {SHOP}", f"POST {LEFT}"]
    assert prefect.calls == [*look, "POST deployments/d1/pause_deployment", f"POST {LEFT}", *look, *look]
    asked = [body["flow_runs"]["state"]["type"]["any_"] for body in prefect.bodies if body and "flow_runs" in body]
    assert asked[0] == asked[2] == asked[3] == ["SCHEDULED", "PENDING", "PAUSED", "RUNNING", "CANCELLING"]


def test_a_job_that_was_deleted_and_made_anew_since_the_look_is_the_one_that_is_stopped() -> None:
    prefect = a_job(ok(deployment()), ok(deployment(id="d2")))
    prefect.answers["deployments/d2/pause_deployment"] = [httpx.Response(200)]  # and d1 is gone: 404
    client = prefect.client()

    client.standing("sync/shop")
    client.stop("sync/shop")
    client.stop("sync/shop")

    pauses = [call for call in prefect.calls if "pause" in call]
    assert pauses == [f"POST deployments/{one}/pause_deployment" for one in ("d1", "d2", "d2")]
    assert prefect.bodies[-1]["flow_runs"]["deployment_id"] == {"any_": ["d2"]}, "its runs, and not the old one's"


def test_a_job_that_was_deleted_since_the_look_is_unknown_to_a_stop() -> None:
    prefect = a_job(ok(deployment()), httpx.Response(404, json={"detail": "Deployment not found"}))
    prefect.answers["deployments/filter"] = [ok([])]
    client = prefect.client()

    client.standing("sync/shop")

    with pytest.raises(UnknownJob):
        client.stop("sync/shop")


def test_a_page_with_fewer_runs_than_prefect_counts_is_not_taken_for_all_of_them() -> None:
    prefect = a_job(ok(deployment(paused=True)))
    prefect.answers[LEFT] = [page_of(count=1)]
    prefect.answers["flow_runs/filter"] = [ok([flow_run(1, state_type="SCHEDULED")]), ok([])]

    assert prefect.client().standing("sync/shop").waiting == 1

    prefect.answers |= {"flow_runs/filter": [ok([])], "flow_runs/count": [ok(1)]}
    with pytest.raises(PlatformDown, match="gave 0 of 1 runs"):
        prefect.client().standing("sync/shop")


def test_all_pages_are_read_and_a_row_that_moved_to_the_next_page_counts_once() -> None:
    rows = [flow_run(number, start_time=f"2026-01-01T{number // 60:02}:{number % 60:02}:00Z") for number in range(450)]

    def page(request: httpx.Request) -> httpx.Response:
        asked = json.loads(request.content)
        start = max(asked["offset"] - 1, 0)  # every later page begins with the row that ended the one before
        return ok(rows[start : start + asked["limit"]])

    prefect = a_job()
    prefect.answers |= {
        LEFT: [page_of(*rows[:200], count=len(rows))],
        "flow_runs/filter": [page],
        "flow_runs/count": [ok(449)],
    }

    runs = prefect.client().runs_since("sync/shop", datetime(2025, 12, 31, tzinfo=UTC))

    assert len({run.id for run in runs}) == len(runs) >= 449
    assert [run.started_at for run in runs] == sorted(run.started_at for run in runs if run.started_at)
    assert prefect.calls.count("POST flow_runs/filter") == 4  # only a page without anything new is the last


def test_a_job_without_runs_is_looked_up_because_one_that_is_gone_has_none_either() -> None:
    prefect = Prefect({LEFT: [page_of()], "deployments/filter": [ok([])]})

    for ask in (
        lambda client: client.run_by_key("sync/shop", "JF-000001:1"),
        lambda client: client.runs_since("sync/shop", datetime(2026, 1, 1, tzinfo=UTC)),
    ):
        with pytest.raises(UnknownJob):
            ask(prefect.client())


def test_a_run_key_of_another_job_is_not_ours() -> None:
    prefect = a_job()

    assert prefect.client().run_by_key("sync/shop", "JF-000001:1") is None

    asked = prefect.bodies[0]
    assert (asked["flows"], asked["deployments"]) == ({"name": {"any_": ["sync"]}}, {"name": {"any_": ["shop"]}})
    assert asked["flow_runs"]["idempotency_key"] == {"any_": ["JF-000001:1@shop"]}


def test_an_unknown_state_is_unknown_and_not_a_failure() -> None:
    prefect = a_job()
    prefect.answers["deployments/d1/create_flow_run"] = [ok(flow_run(state_type="NEW_ONE", state_name="New"))]

    run = prefect.client().start_run("sync/shop", "JF-000001:1")

    assert (run.state, run.said) == (RunState.UNKNOWN, "New")


def test_the_password_goes_to_prefect_and_nowhere_else() -> None:
    seen: list[str] = []

    def remember(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["Authorization"])
        return ok(deployment())

    with a_job(remember).client() as client:
        client.job("sync/shop")

    assert seen == ["Basic YWRtaW46aHVudGVyMg=="]
