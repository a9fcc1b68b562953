"""The worklist in the web app: what waits for whom, and what people do there, each under their own name."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.owing import Debt
from caseproof.domain.worklist import SIZE
from caseproof.procedure.keeper.problems import note_problems
from tests.support.letters import hidden_fields

OPERATOR, LEAD = "operator", "team lead"


@pytest.fixture
def operator(world: Any, client: TestClient, logged_in: Callable[..., TestClient]) -> TestClient:
    """A client of the operator, who is logged in on this machine."""
    return logged_in(world, client, OPERATOR)


@pytest.fixture
def lead(world: Any, make_client: Callable[..., TestClient], logged_in: Callable[..., TestClient]) -> TestClient:
    """A client of the team lead."""
    return logged_in(world, make_client(world), LEAD)


def asked(world: Any, job: str, form: str = "decision", **facts: Any) -> str:
    """A case that waits with this form."""
    ref = world.waiting(job, **facts)
    world.record(ref, Kind.QUESTION_ASKED, number=1, form=form, flow_run="f")
    return str(ref)


def send(client: TestClient, page: str = "/?waits=team", **fields: Any) -> Any:
    """Open a page, and send its form with these fields."""
    headers = fields.pop("headers", {})
    return client.post("/worklist", data=of_page(client, page) | fields, headers=headers)


def of_page(client: TestClient, page: str) -> dict[str, str]:
    """The hidden fields of the page's form, with the cookie of it kept as a browser keeps it."""
    answer = client.get(page)
    mine, kept = client.headers.get("Cookie", "").split("; ")[0], dict(answer.cookies)
    client.headers["Cookie"] = "; ".join([mine, *(f"{name}={value}" for name, value in kept.items())])
    client.cookies.clear()
    form = answer.text.partition('<form class="work"')[2]
    return {name: html.unescape(value) for name, value in hidden_fields(form).items()}


def holders(world: Any) -> dict[str, str]:
    """Who has which case."""
    with world.services.store.reading() as uow:
        return {row.ref: uow.worklist.standing([row.ref])[row.ref][1] for row in uow.cases.rows()}


def trace(world: Any, ref: str) -> list[tuple[str, str, str]]:
    with world.services.store.reading() as uow:
        return [(one.actor, str(one.what), one.whom) for one in uow.worklist.handling(ref)]


def read(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", re.sub(r"</?abbr[^>]*>", "", page))).split())


def rows(page: str) -> list[str]:
    """The references of the list's rows, in their order."""
    return re.findall(r'class="ref" href="[^"]*/cases/(JF-\d+)"', page)


# -- seen -----------------------------------------------------------------------------------------------------------


def test_a_person_sees_first_what_waits_for_them_and_else_what_waits_for_the_team(
    world: Any, operator: TestClient
) -> None:
    older, newer = asked(world, "offers/a"), asked(world, "offers/b", "review")
    told = asked(world, "offers/c", "retailers-word")
    page = operator.get("/").text
    assert rows(page) == [older, newer], "the oldest first; who waits for the retailer is not among them"
    said = read(page)
    assert "What waits for the team 2" in said
    assert "For the retailer 1" in said
    assert "decide about the account (J6)" in said
    assert f'href="/cases/{older}#question">Decide<' in page
    assert f'href="/cases/{newer}#question">Review<' in page
    assert send(operator, one=f"claim/{newer}").status_code == 303
    page = operator.get("/").text
    assert rows(page) == [newer]
    assert "What waits for me 1" in read(page)
    late = operator.get("/?waits=retailer").text
    assert rows(late) == [told]
    assert re.search(r"until 20\d\d-\d\d-\d\d \d\d:\d\d UTC , then the team's turn", read(late))


def test_a_retailer_who_does_not_answer_in_time_makes_the_case_the_teams(world: Any, operator: TestClient) -> None:
    ref = asked(world, "offers/a", "retailers-word")
    world.now += timedelta(days=8)
    world.logins.log_out("")  # nothing but time has passed; the log-in of this test is older than a week
    operator.headers["Cookie"] = re.sub(r"=[^;]*", f"={enter(world)}", operator.headers["Cookie"], count=1)
    page = operator.get("/").text
    assert rows(page) == [ref]
    assert "has not answered" in read(page)


def enter(world: Any) -> str:
    _, link = world.logins.invite(OPERATOR)
    return str(world.logins.use_link(link, "nine tall chimneys"))


def test_what_the_keeper_could_not_do_stands_in_the_list(world: Any, operator: TestClient) -> None:
    ref = asked(world, "offers/a", "retailers-word")
    note_problems(world.services.ledger, {ref: "It cannot be read.", "the platform jobs": "It is down."})
    page = operator.get("/").text
    assert rows(page) == [ref]
    assert "error to put right: It cannot be read." in read(page)
    assert "Caseproof could not: the platform jobs : It is down." in read(page)


def test_what_is_owed_stands_in_the_list_of_closed_cases_too_until_it_is_done(world: Any, operator: TestClient) -> None:
    closed, other = world.closed("offers/a"), world.closed("offers/b")
    waits = asked(world, "offers/c")
    assert rows(operator.get("/?waits=owed").text) == []
    with world.services.store.uow() as uow:
        for ref in (closed, waits):
            uow.owed.failed(ref, Debt.NOTE, "1", "mail_down", "The desk <is> down.", world.now)
        uow.owed.failed("", Debt.TEAM_MAIL, "1", "mail_down", "The mail server is down.", world.now)
        uow.commit()
    page = operator.get("/").text
    assert 'href="/?waits=owed">2 cases owe something</a>' in page
    assert "Owed, and of no single case: " in read(page)
    assert "The desk <is> down." in read(page), "also beside the question of an open case"
    owed = operator.get("/?waits=owed").text
    assert sorted(rows(owed)) == [closed, waits]
    assert other not in owed
    assert f'href="/cases/{closed}#owed">Open<' in owed
    assert "closed with its proof Owed:" in read(owed)
    with world.services.store.uow() as uow:
        uow.owed.settle(closed, Debt.NOTE)
        uow.owed.settle(waits, Debt.NOTE)
        uow.commit()
    assert "owe something" not in read(operator.get("/").text)
    assert "Nothing is owed" in read(operator.get("/?waits=owed").text)


def test_whoever_decided_is_not_offered_the_review_and_a_colleague_is(
    world: Any, operator: TestClient, lead: TestClient
) -> None:
    ref = world.verified("offers/a")
    world.record(ref, Kind.QUESTION_ASKED, number=1, form="review", flow_run="f")
    page = operator.get("/").text
    assert f'href="/cases/{ref}#question"' not in page
    assert "You decided: somebody else reviews." in read(page)
    assert f'href="/cases/{ref}#question">Review<' in lead.get("/").text


def test_whoever_brought_a_word_in_is_not_offered_to_agree_to_it(
    world: Any, operator: TestClient, lead: TestClient
) -> None:
    ref = world.waiting("offers/a")
    world.confirm(ref)
    world.record(ref, Kind.QUESTION_ASKED, number=1, form="agreement", flow_run="f")
    assert "You brought it in: somebody else agrees." in read(operator.get("/").text)
    assert f'href="/cases/{ref}#question">Agree, or not<' in lead.get("/").text


def test_every_case_is_in_the_list_of_all_and_a_closed_one_in_its_own(world: Any, client: TestClient) -> None:
    closed, opened, waits = world.closed("offers/a"), world.opened("offers/b"), asked(world, "offers/c")
    assert sorted(rows(client.get("/cases").text)) == [opened, waits]
    assert rows(client.get("/cases").text) == rows(client.get("/?waits=all").text)
    assert rows(client.get("/?waits=closed").text) == [closed]
    assert rows(client.get("/cases?waits=closed").text) == [closed]
    assert "Nothing here fits" in read(client.get("/cases?words=nowhere").text)


def test_filters_search_and_order_stand_in_the_address(world: Any, client: TestClient) -> None:
    first = asked(world, "offers/a", retailer="Shop B", marketplace="South & East", job_name="Stock feed")
    second = asked(world, "offers/b", "review", retailer="Shop A", cause="feed")
    world.closed("offers/c", retailer="Shop B")
    for query, found in (
        ("retailer=Shop+B", [first]), ("marketplace=South+%26+East", [first]), ("cause=feed", [second]),
        ("platform=jobs", [first, second]), ("platform=other", []), ("state=waiting", [first, second]),
        ("words=stock", [first]), ("words=JF-00000", [first, second]), ("words=shop+b", [first]),
        ("person=nobody", [first, second]), ("person=operator", []), ("order=newest", [second, first]),
        ("order=retailer", [second, first]), ("retailer=Shop+B&cause=feed", []),
    ):  # fmt: skip
        page = client.get(f"/?waits=all&{query}")
        assert rows(page.text) == found, query
    page = client.get("/?waits=team&retailer=Shop+B").text
    assert 'value="Shop B"' in page
    assert 'href="/?waits=team&amp;retailer=Shop+B&amp;marketplace=' in page, "kept by each link"
    assert "For the team 1" in read(page), "the counts are of what fits"


@pytest.mark.parametrize(
    "query",
    ["waits=x", "page=0", "page=99999", "page=-1", "order=x", "words=%00", "words=%ff%fe", "words='%3B--", "state=x",
     "waits=team&waits=all", "=", "&&&", "words=" + "x" * 3000, "&".join(f"a{n}=1" for n in range(200)), "person=%00",
     "words=%ED%A0%80", "retailer=%F0%9F%98%80", "page=%D9%A1"],
)  # fmt: skip
def test_whatever_an_address_asks_for_there_is_a_page(town: Any, visitor: TestClient, query: str) -> None:
    assert town.world.services.store
    assert visitor.get(f"/?{query}").status_code == 200


def test_a_list_of_many_has_pages(world: Any, client: TestClient) -> None:
    event = world.services.ledger.event
    with world.services.store.uow() as uow:
        facts = {"platform": "jobs", "retailer": "Shop", "marketplace": "", "cause": "feed", "summary": "x", "how": "x"}
        uow.bulk.open([
            event(Kind.OPENED, job=f"j/{n}", job_name=f"j/{n}", scope="job", **facts) for n in range(SIZE + 2)
        ])  # fmt: skip
        uow.commit()
    first = client.get("/cases").text
    assert (len(rows(first)), f"{SIZE} of {SIZE + 2}" in read(first)) == (SIZE, True)
    (following,) = re.findall(r'rel="next" href="([^"]*)"', first)
    second = client.get(html.unescape(following)).text
    assert len(rows(second)) == 2
    assert not set(rows(first)) & set(rows(second))
    assert 'rel="next"' not in second
    assert 'rel="prev"' in second


def test_who_is_not_logged_in_on_this_machine_may_look_and_has_nothing_to_press(world: Any, client: TestClient) -> None:
    ref = asked(world, "offers/a")
    page = client.get("/").text
    assert rows(page) == [ref]
    assert "Log in to act" in page
    for part in ('method="post"', 'type="checkbox"', 'class="button"', "For me", 'name="key"'):
        assert part not in page
    assert client.post("/worklist", data={"one": f"claim/{ref}"}).status_code == 401
    assert holders(world) == {ref: ""}


def test_a_saved_filter_outlives_the_log_in(
    make_world: Callable[..., Any], make_client: Callable[..., TestClient]
) -> None:
    client = make_client(make_world(public="https://ops.example.com"))
    client.headers["Host"] = "ops.example.com"
    answer = client.get("/?waits=team&retailer=Shop+A%26B", headers={"Accept": "text/html"})
    assert answer.status_code == 303
    login = client.get(answer.headers["Location"]).text
    assert hidden_fields(login)["next"] == "/?waits=team&retailer=Shop+A%26B"


def test_names_from_outside_are_only_text_in_the_list(world: Any, operator: TestClient) -> None:
    bad = "<script>alert(1)</script> \"'`*_ javascript:alert(2) {{ 7 * 7 }}"
    asked(world, "offers/<i>", **dict.fromkeys(("job_name", "retailer", "marketplace", "summary", "how", "cause"), bad))
    page = operator.get("/?waits=all&words=javascript&retailer=").text
    assert bad in html.unescape(page)
    assert "<script" not in page
    assert "49" not in read(page)
    (link,) = {html.unescape(one) for one in re.findall(r'href="([^"]*retailer=[^"]*)"', page)} - {""} or {""}
    assert rows(operator.get(link).text) != []


# -- done -----------------------------------------------------------------------------------------------------------


def test_a_case_is_claimed_handed_over_and_let_go_by_who_is_logged_in(
    world: Any, operator: TestClient, lead: TestClient
) -> None:
    ref = asked(world, "offers/a")
    answer = send(operator, one=f"claim/{ref}", actor=LEAD, name=LEAD, answered_by=LEAD)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/?waits=team")
    assert holders(world) == {ref: OPERATOR}
    assert f"{OPERATOR} since" in read(lead.get("/?waits=team").text)
    assert send(operator, "/?waits=mine", do="hand over", case=[ref], whom=LEAD).status_code == 303
    assert holders(world) == {ref: LEAD}
    assert send(lead, "/?waits=mine", one=f"release/{ref}").status_code == 303
    assert holders(world) == {ref: ""}
    assert trace(world, ref) == [
        (OPERATOR, "claimed", OPERATOR), (OPERATOR, "handed over", LEAD), (LEAD, "released", ""),
    ]  # fmt: skip
    assert f"{OPERATOR} handed it over to {LEAD}" in read(operator.get(f"/cases/{ref}").text)
    assert world.services.ledger.case(ref).version == 5, "no event: a proof does not tell of it"


def test_of_two_who_claim_a_case_the_second_is_told_who_has_it(
    world: Any, operator: TestClient, lead: TestClient
) -> None:
    mine, free = asked(world, "offers/a"), asked(world, "offers/b")
    both = [of_page(client, "/?waits=team") for client in (operator, lead)]
    assert operator.post("/worklist", data=both[0] | {"do": "claim", "case": [mine]}).status_code == 303
    answer = lead.post("/worklist", data=both[1] | {"do": "claim", "case": [mine, free]})
    assert answer.status_code == 409
    assert f"{mine} : operator has it; hand it over instead." in read(answer.text)
    assert f"Done with {free}." in read(answer.text)
    assert holders(world) == {mine: OPERATOR, free: LEAD}
    assert send(lead, one=f"release/{mine}").status_code == 409
    assert holders(world)[mine] == OPERATOR


def test_several_are_put_off_until_a_day_and_come_back_then(world: Any, operator: TestClient) -> None:
    refs = [asked(world, f"offers/{n}") for n in "abc"]
    day = f"{(world.now + timedelta(days=2)).date()}"
    assert send(operator, do="snooze", case=refs[:2], until=day).status_code == 303
    assert rows(operator.get("/?waits=team").text) == refs[2:]
    page = operator.get("/?waits=time").text
    assert rows(page) == refs[:2]
    assert f"until {day} 00:00 UTC , then back in the list put off by {OPERATOR}" in read(page)
    assert send(operator, "/?waits=time", one=f"wake/{refs[0]}").status_code == 303
    assert rows(operator.get("/?waits=team").text) == [refs[0], refs[2]]
    world.now += timedelta(days=2)
    operator.headers["Cookie"] = re.sub(r"=[^;]*", f"={enter(world)}", operator.headers["Cookie"], count=1)
    assert rows(operator.get("/?waits=team").text) == refs, "and by itself"


def test_what_cannot_be_done_is_said_and_what_was_typed_stays(world: Any, operator: TestClient) -> None:
    ref = asked(world, "offers/a")
    tries: tuple[tuple[dict[str, Any], str], ...] = (
        ({"do": "hand over"}, "To whom?"), ({"do": "hand over", "whom": "somebody"}, "is not on the team"),
        ({"do": "snooze"}, "Until which day?"), ({"do": "snooze", "until": "2020-01-01"}, "is not between tomorrow"),
        ({"do": "snooze", "until": "\0"}, "is no day"), ({"do": "close"}, "not clear"), ({}, "not clear"),
        ({"one": "closed/JF-000001"}, "not clear"),
    )  # fmt: skip
    for fields, said in tries:
        answer = send(operator, case=[ref], **fields)
        assert (answer.status_code, said in read(answer.text)) == (422, True), (said, fields)
        assert f'value="{ref}" aria-label="Tick {ref}" checked' in answer.text
    answer = send(operator, do="claim")
    assert (answer.status_code, "No case was ticked" in answer.text) == (422, True)
    assert holders(world) == {ref: ""}


def test_a_case_that_is_none_or_is_closed_is_not_claimed(world: Any, operator: TestClient) -> None:
    closed, waits = world.closed("offers/a"), asked(world, "offers/b")
    for named in (closed, "JF-999999", "x", "JF-000001'--", "\0", "../../x", "<b>", ""):
        answer = send(operator, do="claim", case=[named])
        assert answer.status_code == 409, named
        assert "<b>" not in answer.text
    assert holders(world) == {closed: "", waits: ""}


def test_too_many_at_once_are_refused(world: Any, operator: TestClient) -> None:
    asked(world, "offers/a")
    answer = send(operator, do="claim", case=[f"JF-{n:06d}" for n in range(101)])
    assert answer.status_code == 422
    assert "101 cases are too many at once" in read(answer.text)


# -- attacked -------------------------------------------------------------------------------------------------------


def test_another_sites_form_claims_nothing(world: Any, operator: TestClient, lead: TestClient) -> None:
    ref = asked(world, "offers/a")
    foreign = of_page(lead, "/?waits=team")  # the attacker's own page gave them a key
    mine = of_page(operator, "/?waits=team")
    wanted = {"one": f"claim/{ref}"}
    for fields in (wanted, wanted | {"key": ""}, wanted | {"key": foreign["key"]}, wanted | {"key": "x" * 64}):
        assert operator.post("/worklist", data=fields).status_code == 403
    logout = re.findall(r'name="key" value="(\w+)"', operator.get("/account").text)
    for key in logout:  # each key for its own purpose
        assert operator.post("/worklist", data=wanted | {"key": key}).status_code == 403
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://example.net"},
                    {"Origin": "null"}):  # fmt: skip
        assert operator.post("/worklist", data=mine | wanted, headers=headers).status_code == 403, headers
    for query in (f"one=claim/{ref}", f"do=claim&case={ref}"):
        answer = operator.get(f"/worklist?{query}")
        assert (answer.status_code, answer.headers["Location"]) == (303, "/")
        assert operator.get(f"/?{query}&key={mine['key']}").status_code == 200
    assert operator.post("/worklist", json=mine | wanted).status_code == 403
    assert holders(world) == {ref: ""}
    assert operator.post("/worklist", data=mine | wanted).status_code == 303


def test_a_form_leads_to_no_other_site(world: Any, operator: TestClient) -> None:
    ref = asked(world, "offers/a")
    for back in ("https://example.net", "//example.net", "\r\nX: y", "waits=team#@example.net", "/x?y", "waits=\0"):
        answer = send(operator, "/?waits=all", one=f"claim/{ref}", back=back)
        assert answer.status_code == 303
        assert re.fullmatch(r"/(\?waits=team)?", answer.headers["Location"]), back
        assert "X" not in answer.headers


def test_a_link_cannot_say_that_something_was_done(world: Any, operator: TestClient) -> None:
    asked(world, "offers/a")
    for query in ("done=claim.3", "told=claim.3", "caseproof-8321-worklist=claim.3"):
        assert "You have" not in operator.get(f"/?{query}").text
    cookie = operator.headers["Cookie"]
    for told in ("claim.<b>", "x.3", "claim.9999999", "claim", "close.1"):
        operator.headers["Cookie"] = f"{cookie}; caseproof-8321-worklist={told}"
        assert 'role="status"' not in operator.get("/").text, told
    operator.headers["Cookie"] = f"{cookie}; caseproof-8321-worklist=claim.3"
    answer = operator.get("/")
    assert "You have 3 cases now." in answer.text
    assert 'caseproof-8321-worklist=""' in " ".join(answer.headers.get_list("set-cookie")), "said once"


def test_who_is_taken_off_the_team_handles_nothing_more(world: Any, operator: TestClient) -> None:
    ref = asked(world, "offers/a")
    fields = of_page(operator, "/?waits=team") | {"one": f"claim/{ref}"}
    world.logins.remove(OPERATOR)
    assert operator.post("/worklist", data=fields).status_code == 401
    assert holders(world) == {ref: ""}
