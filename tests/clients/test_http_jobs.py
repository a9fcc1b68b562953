"""An HTTP job service by its declaration: stopped, run again, read to the end, and not believed where it lies."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
import yaml

from caseproof.checks.schedules import due_start
from caseproof.domain.errors import BadInput
from caseproof.domain.vocabulary import Scope
from caseproof.platforms.abilities import Ability
from caseproof.platforms.base import PlatformCannot, PlatformDown, PlatformRefused, RunState, UnknownJob, UnknownRun
from caseproof.platforms.http_jobs_lists import AHEAD
from sandbox.job_service import SimulatedJob, over
from sandbox.provider import Bad
from tests.support.job_service import BASE, Service, replaced

JOB = "orders/garden"
KEY = "JF-000001:rerun:1"


@pytest.fixture
def there() -> Service:
    service = Service()
    service.add()
    return service


# -- stopping (J2) ------------------------------------------------------------------------------------------------


def test_a_stopped_job_does_not_run_on_schedule_and_what_was_queued_is_called_off(there: Service) -> None:
    job, client = there.service.jobs[JOB], there.client()
    job.held = True
    there.move(3 * 3600 + 1)
    assert client.standing(JOB).waiting == 3
    client.stop(JOB)
    client.stop(JOB)
    there.move(24 * 3600)
    assert client.standing(JOB).is_stopped
    assert [run.state for run in there.service.runs.values()] == ["called off"] * 3
    job.held = False
    client.go_live(JOB)
    client.go_live(JOB)
    there.move(3600)
    assert client.standing(JOB).active
    assert [run.state for run in client.runs_since(JOB, there.now - timedelta(hours=1))] == [RunState.SUCCEEDED]


@pytest.mark.parametrize(
    ("kind", "stop", "resume"),
    [
        ("feed", "/api/jobs/orders/garden", "/api/jobs/orders/garden"),
        (
            "marketplace",
            "/api/shops/garden/marketplaces/bazaar/pause",
            "/api/shops/garden/marketplaces/bazaar/resume",
        ),
        ("connection", "/api/shops/garden/connections/sftp/suspend", "/api/shops/garden/connections/sftp/restore"),
    ],
)
def test_what_is_stopped_is_what_the_jobs_record_says_it_is(there: Service, kind: str, stop: str, resume: str) -> None:
    there.service.jobs[JOB].kind = kind
    client = there.client()
    client.stop(JOB)
    assert client.standing(JOB).is_stopped
    client.go_live(JOB)
    assert client.standing(JOB).active
    assert there.asked("PUT") + there.asked("POST") == [stop, resume]


def test_a_job_of_a_kind_that_the_declaration_does_not_know_is_not_stopped_by_guess(there: Service) -> None:
    there.service.jobs[JOB].kind = "webhook"
    client = there.client(replaced('  any: {call: "PUT jobs/{job}", body: {enabled: false}}\n', ""))
    with pytest.raises(PlatformRefused, match="does not say how to stop one") as refused:
        client.stop(JOB)
    assert "stop.webhook" in refused.value.next_action
    assert not there.asked("PUT")


def test_a_service_that_says_ok_and_does_nothing_is_seen_by_reading_back(there: Service) -> None:
    there.service.bad = [Bad("nothing", "PUT")]
    client = there.client()
    client.stop(JOB)
    assert not client.standing(JOB).is_stopped


def test_the_jobs_of_one_retailer_on_a_marketplace_are_its_own_alone(there: Service) -> None:
    there.add("prices/garden")
    there.add("prices/toys", shop="toys")
    there.add("stock/garden", marketplace="agora")
    there.add("nobody's", shop=None)
    client = there.client()
    assert [job.id for job in client.jobs_in(Scope.MARKETPLACE, client.job(JOB))] == [JOB, "prices/garden"]
    assert [job.id for job in client.jobs_in(Scope.CONNECTION, client.job("stock/garden"))] == [
        "stock/garden",
        JOB,
        "prices/garden",
    ]
    assert [job.id for job in client.jobs_in(Scope.JOB, client.job(JOB))] == [JOB]
    with pytest.raises(BadInput, match="does not say its retailer"):
        client.jobs_in(Scope.MARKETPLACE, client.job("nobody's"))


@pytest.mark.parametrize("status", [404, 409])
def test_a_queued_run_that_is_gone_before_it_is_called_off_stops_no_stop(there: Service, status: int) -> None:
    there.service.jobs[JOB].held = True
    there.move(3601)
    inner = over(there.service)

    def gone(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/cancel"):
            there.service.runs.clear()
            there.service.order.clear()
            return httpx.Response(status)
        return inner.handle_request(request)

    client = there.client(transport=httpx.MockTransport(gone))
    client.stop(JOB)
    assert client.standing(JOB).is_stopped


@pytest.mark.parametrize("name", ["größe/1 a", "a/../b", "..", "a?x=1#y", 'a"b', "{key}"])
def test_an_odd_name_of_a_job_is_that_job_alone_or_none(there: Service, name: str) -> None:
    there.add(name)
    client = there.client()
    told = next(one.job for one in client.survey(there.now).jobs if one.job.id == name)
    assert httpx.URL(told.url).host == "jobs.example.com"
    assert not httpx.URL(told.url).query
    if ".." in name:
        with pytest.raises(PlatformRefused, match=r"called `\.` or `\.\.`"):
            client.stop(name)
        assert not there.asked("PUT")
    else:
        client.stop(name)
        assert client.standing(name).is_stopped
        assert client.start_run(name, KEY).job == name
    assert client.standing(JOB).active


def test_what_no_store_takes_in_what_a_run_says_keeps_no_other_run_from_being_read(there: Service) -> None:
    row = {"id": "r\ud83d", "name": "r\0", "job": JOB, "state": "broken", "text": "lost \udc00", "ended": None}
    told = {"runs": [row | {"started": "2026-11-30T07:00:00Z"}], "next": None}
    client = there.client(transport=answered(httpx.Response(200, content=json.dumps(told).encode())))
    (run,) = client.runs_since(JOB, there.now - timedelta(days=1))
    assert (run.id, run.name, run.message) == ("r\ufffd", "r\ufffd", "lost \ufffd")
    assert run.url.encode()


@pytest.mark.parametrize("every", [1e300, "soon", True])
def test_an_interval_that_is_none_keeps_no_job_from_being_checked(there: Service, every: object) -> None:
    schedule = {"every_seconds": every, "anchor": "2026-11-30T00:00:00Z"}
    rows = [{"id": "a", "active": True, "schedule": schedule}, {"id": "b", "active": True}]
    client = there.client(transport=answered(httpx.Response(200, json={"jobs": rows, "next": None, "total": 2})))
    assert {one.job.id: due_start(one.schedules, there.now, 1) for one in client.survey(there.now).jobs} == {
        "a": None, "b": None,
    }  # fmt: skip


def test_a_removed_job_is_gone_and_removing_it_again_is_harmless(there: Service) -> None:
    client = there.client()
    client.remove(JOB)
    client.remove(JOB)
    with pytest.raises(UnknownJob):
        client.standing(JOB)
    assert there.asked("DELETE") == ["/api/jobs/orders/garden"]


# -- running it again ---------------------------------------------------------------------------------------------


def test_a_key_starts_one_run_while_the_job_is_stopped_and_finds_it_again(there: Service) -> None:
    client = there.client()
    client.stop(JOB)
    first = client.start_run(JOB, KEY, {"case": "JF-000001"})
    assert client.start_run(JOB, KEY).id == first.id
    assert client.run_by_key(JOB, KEY) == client.run(first.id)
    assert client.run_by_key(JOB, "JF-000002:rerun:1") is None
    assert len(there.service.runs) == 1
    assert there.service.runs[first.id].values == {"case": "JF-000001"}


@pytest.mark.parametrize("bad", [Bad("drop", "POST /api/runs", 1), Bad("hang after", "POST /api/runs", 1, 60)])
def test_a_start_whose_answer_was_lost_is_found_and_not_made_twice(there: Service, bad: Bad) -> None:
    there.service.bad = [bad]
    client = there.client()
    if bad.kind == "drop":
        with pytest.raises(PlatformDown, match="broke off"):
            client.start_run(JOB, KEY)
    else:
        client.start_run(JOB, KEY)
    assert client.start_run(JOB, KEY).job == JOB
    assert len(there.service.runs) == 1


def test_a_start_that_is_only_said_is_no_start(there: Service) -> None:
    there.service.bad = [Bad("nothing", "POST /api/runs")]
    with pytest.raises(PlatformDown, match="says that it started orders/garden, and there is no such run"):
        there.client().start_run(JOB, KEY)
    assert there.waits == [1.0] * 4


def test_a_run_that_shows_late_is_waited_for(there: Service) -> None:
    there.service.bad = [Bad("lag", value=2.5)]
    assert there.client().start_run(JOB, KEY).job == JOB
    assert there.waits == [1.0, 1.0, 1.0]


def test_only_an_executed_run_succeeded_and_an_unknown_word_is_neither_good_nor_bad(there: Service) -> None:
    client = there.client()
    run = there.service.runs[client.start_run(JOB, KEY).id]
    assert client.run(run.id).state is RunState.SUCCEEDED
    run.executed = False
    assert client.run(run.id).state is RunState.UNKNOWN
    run.executed, run.state = True, "half done"
    assert (client.run(run.id).state, client.run(run.id).said) == (RunState.UNKNOWN, "half done")
    assert "half done" in client.probe().lacks[0]
    run.state, run.started, run.ended = "done", None, None
    assert client.run(run.id).state is RunState.UNKNOWN
    del there.service.runs[run.id]
    with pytest.raises(UnknownRun):
        client.run(run.id)


def test_a_state_that_was_renamed_is_told_by_the_doctor_behind_pages_of_older_runs(there: Service) -> None:
    there.service.fill(250)
    there.move(2 * 86_400)
    client = there.client()
    assert client.probe().lacks == ()
    there.service.runs[client.start_run(JOB, KEY).id].state = "finished"
    assert "finished" in client.probe().lacks[0]


def test_a_page_is_known_by_the_runs_and_the_jobs_names_and_the_word_for_success(
    there: Service, certificate: Path
) -> None:
    own = certificate.read_text().partition("-----BEGIN PRIVATE KEY")[0]
    client = there.client(page_headers={"Cookie": "session=hunter2"}, ca=own)
    run = client.start_run(JOB, KEY)
    page = client.page(run)
    assert (page.url, list(page.names), page.success) == (
        f"https://jobs.example.com/ui/runs/{run.id}",
        [run.id, JOB],
        "Done",
    )
    assert (page.own, page.ca) == (("https://jobs.example.com/ui", BASE), own)
    assert "hunter2" not in repr(page)


# -- lists --------------------------------------------------------------------------------------------------------


def many(there: Service, runs: int) -> None:
    for _ in range(runs):
        there.service.queue(JOB)
        there.service.advance()
        there.move(1)


def test_a_survey_gives_all_jobs_and_each_run_once_through_all_pages(there: Service) -> None:
    for number in range(450):
        there.add(f"feed/{number:03}", shop=None)
    since = there.now - timedelta(seconds=1)
    many(there, 470)
    client = there.client()
    survey = client.survey(since)
    runs = [run.id for page in survey.pages for run in page]
    assert (len(survey.jobs), len(runs), len(set(runs))) == (451, 470, 470)
    assert survey.clock == there.now.replace(microsecond=0)
    assert [len(page) for page in client.survey(since).pages] == [200, 200, 70]
    few = client.survey(since, [JOB, "no such job"])
    assert ([one.job.id for one in few.jobs], sum(map(len, few.pages))) == ([JOB], 470)
    assert len(client.runs_since(JOB, there.now - timedelta(seconds=10))) == 9


@pytest.mark.parametrize(("kind", "why"), [("endless", "the same rows again and again"), ("circle", "there before")])
def test_a_list_that_never_ends_is_down_and_never_cut_short(there: Service, kind: str, why: str) -> None:
    many(there, 3)
    there.service.bad = [Bad(kind)]  # type: ignore[arg-type]
    with pytest.raises(PlatformDown, match=f"could not be read to the end.*{why}"):
        there.client().survey(there.now)


def test_more_pages_than_a_list_may_have_is_down(there: Service) -> None:
    many(there, 30)
    client = there.client(lambda text: text.replace("size: 200}\n  of_job", "size: 10}\n    most_pages: 2\n  of_job"))
    with pytest.raises(PlatformDown, match="has more than 2 pages"):
        list(client.survey(there.now - timedelta(days=1)).pages)


def test_fewer_rows_than_the_service_counts_is_half_a_list(there: Service) -> None:
    short = answered(httpx.Response(200, json={"jobs": [], "next": None, "total": 3}))
    with pytest.raises(PlatformDown, match="gave 0 of 3 rows and no more"):
        there.client(transport=short).survey(there.now)


CURSOR = "paging: {type: cursor, next: next, size_param: size, size: 200, total: total}"


@pytest.mark.parametrize(
    ("paging", "last_asked"),
    [
        ("{type: page, size_param: size, size: 2}", "page=4&size=2"),
        ("{type: page, first: 0, size_param: size, size: 2, total: total}", "page=2&size=2"),
        ("{type: page, size_param: size, size: 2, more: more}", "page=3&size=2"),
        ("{type: offset, size_param: size, size: 2}", "offset=5&size=2"),
        ("{type: offset, size_param: size, size: 2, total: total}", "offset=4&size=2"),
        ("{type: link, size_param: size, size: 2}", "page=3&size=2"),
        ("{type: link, next: next_page, size_param: size, size: 2}", "page=3&size=2"),
    ],
)
def test_every_way_of_paging_comes_to_the_end(there: Service, paging: str, last_asked: str) -> None:
    rows = [{"id": f"j{n}", "active": True} for n in range(5)]
    asked = []

    def listed(request: httpx.Request) -> httpx.Response:
        query = dict(request.url.params)
        asked.append(str(httpx.QueryParams(sorted(query.items()))))
        size, first = int(query["size"]), 0 if "first: 0" in paging else 1
        page = int(query["page"]) - first if "page" in query else 0
        start = int(query.get("offset", page * size))
        following = start + size < len(rows)
        there_is = f"https://jobs.example.com/api/jobs?page={page + 2}" if following else None
        headers = {"Link": f'<x>; rel="first", <{there_is}>; rel="next"'} if following else {}
        body = {"jobs": rows[start : start + size], "total": 5, "more": following, "next_page": there_is}
        return httpx.Response(200, json=body, headers=headers)

    client = there.client(replaced(CURSOR, f"paging: {paging}"), httpx.MockTransport(listed))
    assert [one.job.id for one in client.survey(there.now).jobs] == ["j0", "j1", "j2", "j3", "j4"]
    assert asked[-1] == last_asked


def test_a_next_page_on_another_server_is_not_followed_with_our_credentials(there: Service) -> None:
    def elsewhere(request: httpx.Request) -> httpx.Response:
        assert request.url.host == "jobs.example.com"
        link = {"Link": '<https://evil.example.net/api/jobs?page=2>; rel="next"'}
        return httpx.Response(200, json={"jobs": [{"id": "a", "active": True}]}, headers=link)

    client = there.client(replaced(CURSOR, "paging: {type: link}"), httpx.MockTransport(elsewhere))
    with pytest.raises(PlatformRefused, match=r"another server \(evil.example.net\)"):
        client.survey(there.now)


def test_a_next_page_keeps_all_that_it_is_asked_with(there: Service) -> None:
    asked = []

    def listed(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.params.multi_items())
        link = {"Link": '</api/jobs?tag=a&tag=b&page=2>; rel="next"'} if len(asked) == 1 else {}
        return httpx.Response(200, json={"jobs": [{"id": f"j{len(asked)}", "active": True}]}, headers=link)

    client = there.client(replaced(CURSOR, "paging: {type: link}"), httpx.MockTransport(listed))
    assert len(client.survey(there.now).jobs) == 2
    assert asked[1] == [("tag", "a"), ("tag", "b"), ("page", "2")]


def test_a_next_page_that_is_no_address_is_told_as_such(there: Service) -> None:
    page = httpx.Response(200, json={"jobs": [{"id": "a", "active": True}]}, headers={"Link": "<http://[x>; rel=next"})
    client = there.client(replaced(CURSOR, "paging: {type: link}"), answered(page))
    with pytest.raises(PlatformRefused, match="the address of a next page is none"):
        client.survey(there.now)


def test_moments_without_a_zone_are_of_the_declared_one_and_the_doctor_asks_for_it(there: Service) -> None:
    row = {"id": "r", "job": JOB, "state": "done", "started": "2026-11-30T07:00:00", "ended": "2026-11-30T07:00:09"}
    asked: list[str] = []

    def listed(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.params.get("since", ""))
        told = {"runs": [row | {"executed": True}], "jobs": [], "next": None, "total": 0}
        return httpx.Response(200, json=told)

    carried = httpx.MockTransport(listed)
    assert "do not say in which time zone" in there.client(transport=carried).probe().lacks[0]
    berlin = there.client(lambda text: f"timezone: Europe/Berlin\n{text}", carried)
    assert berlin.probe().lacks == ()
    six = datetime(2026, 11, 30, 6, tzinfo=UTC)
    assert [run.started_at for run in berlin.runs_since(JOB, six - timedelta(minutes=1))] == [six]
    assert asked[-1] == "2026-11-30T06:59:00.000+01:00"


def test_a_list_is_read_a_few_pages_ahead_and_no_further_than_it_is_taken(there: Service) -> None:
    """Whoever takes one page of a list without an end leaves neither a thread nor a list in memory behind."""
    asked: list[str] = []

    def listed(request: httpx.Request) -> httpx.Response:
        if "runs" not in request.url.path:
            return httpx.Response(200, json={"jobs": [], "next": None, "total": 0})
        asked.append(request.url.params.get("cursor", ""))
        row = {"id": str(len(asked)), "job": JOB, "state": "broken", "started": "2026-11-30T07:00:00Z", "ended": None}
        return httpx.Response(200, json={"runs": [row], "next": str(len(asked))})

    pages = iter(there.client(transport=httpx.MockTransport(listed)).survey(there.now - timedelta(days=1)).pages)
    for number in range(1, 6):
        assert [run.id for run in next(pages)] == [str(number)]
        assert len(asked) <= number + AHEAD
    cast(Generator[Any, None, None], pages).close()
    assert len(asked) <= 5 + AHEAD
    assert not [one for one in threading.enumerate() if one.name.startswith("next page")]


@pytest.mark.full
def test_fifty_thousand_jobs_are_listed(there: Service) -> None:
    for number in range(50_000):
        there.service.add(SimulatedJob(f"feed/{number}"))
    assert len(there.client().survey(there.now).jobs) == 50_001


# -- bad input ----------------------------------------------------------------------------------------------------


def answered(*answers: httpx.Response) -> httpx.MockTransport:
    given = list(answers)
    return httpx.MockTransport(lambda _: given.pop(0) if len(given) > 1 else given[0])


LOGIN = httpx.Response(
    200, html="<html><title>Sign in</title><form></form></html>", headers={"Content-Type": "text/html"}
)
PROXY = httpx.Response(502, html="<html><title>ERROR: gateway</title></html>")


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        (LOGIN, PlatformRefused, "a web page titled 'Sign in'"),
        (PROXY, PlatformDown, "502 with a web page titled 'ERROR: gateway'"),
        (httpx.Response(404), PlatformRefused, f"There is nothing at {BASE}/jobs"),
        (httpx.Response(200, json={"items": []}), PlatformRefused, "jobs.list.items finds no list"),
        (httpx.Response(200, json={"jobs": [{"active": True}]}), PlatformRefused, "jobs.fields.id finds nothing"),
        (httpx.Response(200, json={"jobs": [{"id": "a"}]}), PlatformRefused, "neither true nor false"),
        (httpx.Response(200, json={"jobs": 7}), PlatformRefused, "finds no list"),
        (httpx.Response(200, content=b'{"jobs": [{"id"'), PlatformRefused, "is not the job service"),
    ],
)
@pytest.mark.parametrize("call", ["probe", "survey"])
def test_an_answer_that_is_none_says_what_it_is_and_where(
    there: Service, answer: httpx.Response, error: type[Exception], said: str, call: str
) -> None:
    client = there.client(transport=answered(answer))
    with pytest.raises(error, match=said.replace("(", r"\(")) as told:
        client.probe() if call == "probe" else client.survey(there.now)
    assert BASE in str(told.value)


def test_a_wrong_base_address_is_said_as_such_and_not_taken_for_a_job_that_vanished(there: Service) -> None:
    with pytest.raises(PlatformRefused, match="There is nothing at") as told:
        there.client(transport=answered(httpx.Response(404))).job(JOB)
    assert "base address" in told.value.next_action


@pytest.mark.parametrize(
    ("right", "wrong", "where", "act"),
    [
        ("GET jobs/{job}", "GET job/{job}", "jobs.one", lambda client: client.standing(JOB)),
        ('"PUT jobs/{job}", body: {enabled: false}', '"PUT job/{job}"', "stop.any", lambda client: client.stop(JOB)),
        ("DELETE jobs/{job}", "DELETE job/{job}", "remove.any", lambda client: client.remove(JOB)),
        ("POST runs\n", "POST run\n", "start", lambda client: client.start_run(JOB, KEY)),
    ],
)
def test_a_job_that_is_listed_did_not_vanish_though_a_call_for_it_finds_nothing(
    there: Service, right: str, wrong: str, where: str, act: Callable[..., object]
) -> None:
    """A case whose job is taken for vanished may close as removed (J9), and the job would run on."""
    with pytest.raises(PlatformRefused, match=rf"lists the job 'orders/garden'.*`{where}`") as told:
        act(there.client(replaced(right, wrong)))
    assert "a right" not in told.value.problem
    assert "or give our account the right to it" in told.value.next_action


def test_a_job_that_vanishes_while_the_runs_are_read_keeps_no_other_from_being_checked(there: Service) -> None:
    there.add("gone")
    many(there, 1)
    inner = over(there.service)

    def of_one_job(request: httpx.Request) -> httpx.Response:
        is_gone = request.url.params.get("job", JOB) not in there.service.jobs
        return httpx.Response(404) if is_gone else inner.handle_request(request)

    def of_jobs_alone(text: str) -> str:
        declared = yaml.safe_load(text)
        del declared["runs"]["list"]
        return yaml.safe_dump(declared)

    client = there.client(of_jobs_alone, httpx.MockTransport(of_one_job))
    survey = client.survey(there.now - timedelta(hours=1))
    del there.service.jobs["gone"]
    assert [run.job for page in survey.pages for run in page] == [JOB]


def test_a_job_that_vanished_is_named_with_what_is_alike(there: Service) -> None:
    there.add("orders/gardens")
    client = there.client()
    client.remove(JOB)
    for call in (client.job, client.standing, client.stop, client.go_live):
        with pytest.raises(UnknownJob, match=r"no job 'orders/garden'.*Alike are: orders/gardens"):
            call(JOB)
    with pytest.raises(UnknownJob):
        client.runs_since(JOB, there.now)
    with pytest.raises(UnknownJob):
        client.start_run(JOB, KEY)


def test_a_service_that_throttles_is_waited_for(there: Service) -> None:
    there.service.bad = [Bad("too many", "/api/", 2, 7)]
    assert there.client().job(JOB).id == JOB
    assert there.waits == [7.0, 7.0]


def test_an_expired_token_is_renewed_once_for_all_that_ask_at_once(there: Service) -> None:
    auth = "auth: {type: client credentials, token_url: https://jobs.example.com/oauth/token, sends: form}"
    client = there.client(replaced("auth: {type: bearer}", auth), user="us", secret="hunter2")
    assert client.job(JOB).id == JOB
    assert there.service.tokens_given == 1
    there.service.token = "another one"
    with ThreadPoolExecutor(8) as pool:
        assert len(list(pool.map(client.job, [JOB] * 16))) == 16
    assert there.service.tokens_given == 2


@pytest.mark.parametrize(
    ("auth", "access", "header"),
    [
        ("{type: none}", {}, None),
        ("{type: basic}", {"user": "us", "secret": "pw"}, ("authorization", "Basic dXM6cHc=")),
        ("{type: bearer}", {"secret": "pw"}, ("authorization", "Bearer pw")),
        ("{type: header, header: X-Auth-Token}", {"secret": "pw"}, ("x-auth-token", "pw")),
    ],
)
def test_we_get_in_as_the_declaration_says(
    there: Service, auth: str, access: dict[str, str], header: tuple[str, str] | None
) -> None:
    asked: list[httpx.Request] = []

    def listed(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, json={"jobs": [], "runs": [], "total": 0})

    there.client(replaced("{type: bearer}", auth), httpx.MockTransport(listed), **access).probe()
    assert {"authorization": None, "x-auth-token": None} | ({header[0]: header[1]} if header else {}) == {
        name: asked[0].headers.get(name) for name in ("authorization", "x-auth-token")
    }


def test_a_wrong_key_is_refused_without_telling_it(there: Service) -> None:
    with pytest.raises(PlatformRefused, match="does not accept our credentials") as told:
        there.client(secret="hunter2").probe()
    assert "hunter2" not in f"{told.value}{told.value.__cause__!r}"


# -- what it cannot do --------------------------------------------------------------------------------------------

WITHOUT: list[tuple[str, Ability, Callable[..., object]]] = [
    ("stop", Ability.STOP, lambda client: client.stop(JOB)),
    ("stop", Ability.RESUME, lambda client: client.go_live(JOB)),
    ("remove", Ability.REMOVE, lambda client: client.remove(JOB)),
    ("start", Ability.RUN, lambda client: client.start_run(JOB, KEY)),
    ("start", Ability.KEYED_RUN, lambda client: client.run_by_key(JOB, KEY)),
    ("page", Ability.PAGE, lambda client: client.probe_pages()),
]


def without(text: str, part: str) -> str:
    kept, inside = [], False
    for line in text.splitlines():
        name = line.strip().partition(":")[0]
        if line and not line.startswith("    " if part == "page" else (" ", "#")):
            inside = line == "  page:" if part == "page" else name in {"stop": ("stop", "resume")}.get(part, (part,))
        if not inside:
            kept.append(line)
    return "\n".join(kept)


@pytest.mark.parametrize(("part", "ability", "call"), WITHOUT)
def test_what_the_declaration_does_not_say_is_declared_and_refused(
    there: Service, part: str, ability: Ability, call: Callable[..., object]
) -> None:
    client = there.client(lambda text: without(text, part))
    assert ability not in client.abilities
    assert ability in there.client().abilities
    with pytest.raises(PlatformCannot, match="Its declaration does not say how") as told:
        call(client)
    assert "declaration" in told.value.next_action


def test_pages_that_do_not_let_us_in_are_told_by_the_probe(there: Service) -> None:
    assert "answers (200)" in there.client().probe_pages()
    with pytest.raises(PlatformRefused, match="do not let us in"):
        there.client(transport=answered(httpx.Response(403))).probe_pages()
