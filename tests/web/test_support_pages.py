"""A support case beside job failures: each page, command and pass that goes through cases takes it as what it is."""

from __future__ import annotations

import html
import re
import shutil
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

from caseproof.config.policy import BUILT_IN
from caseproof.domain.errors import NotAllowed
from caseproof.domain.forms import fields_of
from caseproof.domain.procedure import every_form
from caseproof.domain.support.choices import L1Does, PtAnswers
from caseproof.domain.support.forms import form_for
from caseproof.domain.support.kinds import Kind
from caseproof.domain.support.lifecycle import State
from caseproof.domain.support.steps import Request
from caseproof.procedure.core.by_hand import ask_to_look, write_note
from caseproof.procedure.core.causes import correct_cause
from caseproof.web.pages import HERE
from caseproof.web.question import OWN, TITLES
from tests.support.command import for_home, runner
from tests.support.support_cases import MAIL, OPENED, PAGE, SupportCase, in_state, written

STATES = (State.WITH_L1, State.PT_ANSWERED, State.CLOSED)


def text_of(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", re.sub(r"</?abbr[^>]*>", "", page))).split())


@pytest.fixture(scope="module")
def mixed(make_world_at: Callable[..., Any], fresh_home: Any, tmp_path_factory: Any) -> Any:
    """A job failure that waits, and a support case in each of these states."""
    world = make_world_at(shutil.copytree(fresh_home, tmp_path_factory.mktemp("mixed") / "home"))
    world.job = world.waiting("offers/a")
    world.refs = {state: written(world.services.store, in_state(state), key=f"matter-{state}") for state in STATES}
    wrote = {
        "sender": "mail@example.com",
        "words": "I am somebody else.",
        "evidence": "cd" * 32,
        "unproven": "stranger",
    }
    world.services.ledger.record(world.refs[State.WITH_L1], Kind.CLIENT_WROTE, **wrote)
    asks = {"number": 1, "form": "l1", "flow_run": "a run"}
    world.services.ledger.record(world.refs[State.WITH_L1], Kind.QUESTION_ASKED, **asks)
    yield world
    world.services.store.close()


@pytest.fixture
def there(mixed: Any, make_client: Callable[..., TestClient], logged_in: Callable[..., TestClient]) -> TestClient:
    return logged_in(mixed, make_client(mixed))


def test_its_page_says_who_has_it_what_was_tried_and_what_the_next_tier_lacks(mixed: Any, there: TestClient) -> None:
    page = text_of(there.get(f"/cases/{mixed.refs[State.WITH_L1]}").text)
    for said in (OPENED["summary"], OPENED["client"], OPENED["site"], "WooCommerce", "L1, the front line", PAGE):
        assert said in page, said
    assert "cleared the session table" in page
    assert "mail@example.com (it may be of another: it names nobody, E6)" in page
    suggested = re.findall(r'<option value="([0-9a-f]{64})">', there.get(f"/cases/{mixed.refs[State.WITH_L1]}").text)
    assert suggested == [MAIL], "the mails that may name a technician, that which opened the case among them"
    assert "Before L2 may have it" in page
    page = text_of(there.get(f"/cases/{mixed.refs[State.PT_ANSWERED]}").text)
    assert "Suggestion of PT: switch the cache plugin off" in page
    assert "PT, the product team may have it" in page or "Before PT, the product team may have it" in page
    page = text_of(there.get(f"/cases/{mixed.refs[State.CLOSED]}").text)
    assert "Nothing: the case is closed, with its proof." in page


@pytest.mark.parametrize(
    "address", ["/", "/cases", "/?waits=team", "/?waits=closed", "/overview", "/report", "/inbox", "/platforms"]
)
def test_pages_that_go_through_cases_take_it(mixed: Any, there: TestClient, address: str) -> None:
    page = there.get(address, follow_redirects=True)
    assert page.status_code == 200, text_of(page.text)
    if address in ("/", "/cases"):
        assert mixed.refs[State.WITH_L1] in page.text
        assert "L1, the front line: say what was tried, or hand it over" in text_of(page.text)


def test_it_is_no_figure_of_job_failures_and_still_counted_as_open(mixed: Any, there: TestClient) -> None:
    page = text_of(there.get("/overview").text)
    assert "with L1" in page
    assert re.search(r"\b3 open\b|open[^0-9]{0,20}3\b", page, re.IGNORECASE), page[:600]
    with mixed.services.store.reading() as uow:
        assert [one.cases for one in uow.overview.by("cause", mixed.services.clock())] == [1]
        assert uow.cases.open_by_platform().keys() == {"marketplace"} or len(uow.cases.open_by_platform()) == 1
        assert [facts[0] for facts in uow.history.cases(mixed.now.replace(year=2020))] == [mixed.job]
        assert uow.cases.watched(mixed.now.replace(year=2020)) == []
        assert uow.cases.damaged() == []


def test_by_hand_it_takes_a_note_and_a_look_and_no_cause(mixed: Any, there: TestClient) -> None:
    ref, ledger, team = mixed.refs[State.WITH_L1], mixed.services.ledger, ["operator"]
    assert there.get(f"/cases/{ref}/hand").status_code == 200
    assert write_note(ledger, team, ref, "they call at noon", by="operator").events[-1].data["note"]
    ask_to_look(ledger, team, ref, by="operator")
    with pytest.raises(NotAllowed, match="is a support case, and this is done with a job failure alone"):
        correct_cause(ledger, team, ref, "feed", by="operator")
    assert "The cause is another" not in there.get(f"/cases/{ref}/hand").text


def test_commands_tell_of_it(mixed: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for_home(mixed.home, monkeypatch)
    run = runner(monkeypatch, capsys)
    ref = mixed.refs[State.PT_ANSWERED]
    listed = run("case", "list", "--all", "--json").json
    assert {one["ref"]: one["state"] for one in listed}[ref] == "pt_answered"
    assert ref in run("case", "list", "--state", "with L2, PT answered").out
    shown = run("case", "show", ref).out
    assert "PT, the product team acts" in shown
    assert "cleared the session table" in shown
    assert run("case", "show", ref, "--json").json["facts"]["client"] == OPENED["client"]
    why = run("case", "why", ref, "--json").json
    assert why["to_climb"] == {"PT": []}
    assert [one["rule"] for one in why["missing"]]
    assert run("case", "why", mixed.refs[State.CLOSED]).code == 0
    refused = run("case", "confirm", ref, "--from", "a@example.com", "--message", "none.eml", "--by", "operator")
    assert refused.code != 0


def test_no_field_of_a_form_is_called_like_what_the_page_sends_besides() -> None:
    assert {*TITLES} & {*OWN} == set()


def test_the_page_shows_the_fields_of_each_choice_of_the_longest_form() -> None:
    """What a choice asks for is shown by a rule of the style sheet, one a choice."""
    css = (HERE / "static" / "style.css").read_text()
    most = max(len(one.choices) for form in every_form() for one in fields_of(form) if one.choices)
    assert [n for n in range(most) if f"#choice-{n}:checked) .for-{n}" not in css] == []


# -- answering on the page --------------------------------------------------------------------------------------------


def asks(world: Any, ref: str) -> None:
    """The case's run asks with the form of who has to act."""
    case = world.services.ledger.case(ref)
    form = form_for(case)
    assert form is not None
    world.services.ledger.record(
        ref, Kind.QUESTION_ASKED, number=case.question_number + 1, form=form.slug, flow_run="a run"
    )


def sends(client: TestClient, ref: str, choice: str, **texts: str) -> tuple[int, str]:
    """What the form on the page sends: the answer's status, and what its page says."""
    page = client.get(f"/cases/{ref}").text
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page))
    sent = client.post(f"/cases/{ref}/question", data={**hidden, "choice": choice, **texts})
    return sent.status_code, text_of(sent.text)


def test_the_ladder_can_be_climbed_from_the_page_alone(world: Any, client: TestClient, logged_in: Any) -> None:
    """Each answer and what it becomes are written together; a closed gate says its rule and the next action."""
    logged_in(world, client)
    ref = written(world.services.store, SupportCase().opened())
    asks(world, ref)
    page = text_of(client.get(f"/cases/{ref}").text)
    assert "L1, the front line: what is next?" in page
    assert "E1: What L1 tried" in page, "the choice that is closed says why"
    why = {"why": "the cart stays empty"}
    status, page = sends(client, ref, str(L1Does.HAND_OVER), **why)
    assert (status, world.services.ledger.case(ref).answered) == (422, {})
    step = {"step": "cleared the session table", "seen": "the cart is still empty"}
    assert f'<option value="{PAGE}">Cart</option>' in client.get(f"/cases/{ref}").text
    assert sends(client, ref, str(L1Does.TRIED_NOTHING), **step)[0] == 303
    case = world.services.ledger.case(ref)
    assert [str(event.kind) for event in case.events[-2:]] == ["question_answered", "tried"]
    assert (case.unhandled, case.events[-1].actor, case.answered_here is None) == ((), "operator", False)
    asks(world, ref)
    assert sends(client, ref, str(L1Does.HAND_OVER), **why)[0] == 303
    assert world.services.ledger.case(ref).state is State.WITH_L2


def test_a_form_of_another_tier_is_not_shown_it_is_said_who_may_answer(
    world: Any, client: TestClient, logged_in: Any
) -> None:
    """Who is logged in is known: nobody fills in what is refused after it is sent."""
    logged_in(world, client)
    ref = written(world.services.store, SupportCase().opened())
    asks(world, ref)
    page = client.get(f"/cases/{ref}").text
    sent = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page))
    nobody, own = (
        "  people: []\n  leads",
        "  people: [{name: operator, tiers: [L2]}, {name: front line, tiers: [L1]}]\n  leads",
    )
    assert BUILT_IN.read_text().count(nobody) == 1
    (world.home / "policy.yaml").write_text(BUILT_IN.read_text().replace(nobody, own))
    page = client.get(f"/cases/{ref}").text
    assert "This form is for L1, the front line : front line. You are logged in as operator" in text_of(page)
    assert ('name="choice"' in page, f'/cases/{ref}/hand"' in page) == (False, True)
    assert "Before L2 may have it" in text_of(page), "the case can be read all the same"
    step = {"choice": str(L1Does.TRIED_NOTHING), "step": "cleared the session table", "seen": "it is empty yet"}
    refused = client.post(f"/cases/{ref}/question", data={**sent, **step})
    assert (refused.status_code, world.services.ledger.case(ref).answered) == (422, {})
    assert "operator is not in L1" in text_of(refused.text)
    assert "cleared the session table" in text_of(refused.text), "nothing that was typed is lost"


def test_a_choice_of_a_form_for_two_tiers_says_for_whom_it_is(world: Any, client: TestClient, logged_in: Any) -> None:
    """While PT owes an answer L2 goes on in the same form; nobody chooses what is refused after it is sent."""
    logged_in(world, client)
    nobody, own = (
        "  people: []\n  leads",
        "  people: [{name: operator, tiers: [TIER]}, {name: x, tiers: [ELSE]}]\n  leads",
    )
    ref = written(world.services.store, in_state(State.PT_ASKED))
    asks(world, ref)
    for tier, other, mine, theirs in (
        ("PT", "L2", PtAnswers.ADVISE, PtAnswers.TRIED_NOTHING),
        ("L2", "PT", PtAnswers.TRIED_NOTHING, PtAnswers.ADVISE),
    ):
        people = own.replace("TIER", tier).replace("ELSE", other)
        (world.home / "policy.yaml").write_text(BUILT_IN.read_text().replace(nobody, people))
        page = client.get(f"/cases/{ref}").text
        shut = {value: "disabled" in rest for value, rest in re.findall(r'name="choice" value="([^"]+)"([^>]*)>', page)}
        shut = {html.unescape(value): is_shut for value, is_shut in shut.items()}
        assert (shut[mine], shut[theirs], shut[PtAnswers.WANT_DETAILS]) == (False, True, False)
        assert f"This is for {'L2' if tier == 'PT' else 'PT, the product team'} alone." in text_of(page)


def test_who_asked_pt_reads_beside_the_choice_that_somebody_else_answers(
    world: Any, client: TestClient, logged_in: Any
) -> None:
    logged_in(world, client)
    for who, is_own in (("operator", True), ("second-line technician", False)):
        told = in_state(State.WITH_L2).do(Request.ASK_PT, actor=who)
        ref = written(world.services.store, told, key=who, summary=who)
        asks(world, ref)
        assert ("You asked PT this yourself" in client.get(f"/cases/{ref}").text) is is_own
        status, page = sends(client, ref, str(PtAnswers.ADVISE), suggestions="switch the cache plugin off")
        assert (status, "You asked PT this yourself" in page) == ((422, True) if is_own else (303, False))
