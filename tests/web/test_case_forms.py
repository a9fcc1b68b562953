"""The form on a case's page: the case asks here, too, who is logged in answers once, and nothing typed is lost."""

from __future__ import annotations

import html
import re
import threading
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from fastapi.testclient import TestClient

from caseproof.config.policy import BUILT_IN
from caseproof.domain.case import Case
from caseproof.domain.events import Event
from caseproof.domain.forms import FORMS, Apart, CauseChoice, Counts, Verdict, Word, fields_of
from caseproof.domain.job_failure.claims import claims
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.vocabulary import BY_FORM, BY_LOGIN, Decision
from caseproof.procedure.core.answer_ledger import AnswerLedger, Overtaken
from caseproof.procedure.core.causes import choose_cause
from caseproof.procedure.views.questions import in_parts

CONTACT = "shop@example.com"
HOSTILE = "<script>alert(1)</script> [x](javascript:alert(2)) ![p](https://evil.example.com/p.png) *b*"
DECIDE = {"choice": str(Decision.AFTER_FIX), "reason": "We renewed our side."}


def text_of(page: str) -> str:
    """What a reader reads: tags away, entities resolved, white space as one space."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", re.sub(r"</?abbr[^>]*>", "", page))).split())


def ask(world: Any, ref: str, slug: str) -> None:
    """The case's run asks, and is suspended."""
    number = world.services.ledger.case(ref).question_number + 1
    world.record(ref, Kind.QUESTION_ASKED, number=number, form=slug, flow_run="a-run")


def answer_in_prefect(world: Any, ref: str, **answer: str) -> None:
    """What the resumed run writes down of an answer."""
    case = world.services.ledger.case(ref)
    told = {"number": case.question_number, "form": case.asked[case.question_number]["form"], "known_by": BY_FORM}
    given = {"answered_by": "team lead", **answer}
    event = world.services.ledger.event(Kind.QUESTION_ANSWERED, "team lead", answer=given, **told)
    world.services.store.change(ref, lambda now: [] if told["number"] in now.answered else [event])


def job(world: Any) -> str:
    """One that has no case yet."""
    with world.services.store.reading() as uow:
        return f"offers/feed-{len(uow.cases.rows())}"


def decision(world: Any) -> str:
    ref: str = world.waiting(job(world))
    ask(world, ref, "decision")
    return ref


def word(world: Any) -> str:
    with world.services.store.uow() as uow:
        uow.people.add_contact("Shop A", CONTACT)
        uow.people.add_contact("Shop A", "owner@example.com")
        uow.commit()
    ref: str = world.waiting(job(world))
    ask(world, ref, "retailers-word")
    return ref


def replied(world: Any) -> str:
    ref = word(world)
    kept = world.services.files.keep(ref, b"Which?", "reply.eml", "message/rfc822")
    world.record(
        ref, Kind.REPLY_RECEIVED, sender=CONTACT, words="I think so.", why="x", evidence=kept, by_way_of="mail"
    )
    ask(world, ref, "retailers-word")
    return ref


def doubted(world: Any, by: str = "team lead") -> str:
    ref: str = world.waiting(job(world))
    kept = world.services.files.keep(ref, b"Done.", "word.txt", "text/plain")
    doubts = [{"code": "typed_in", "why": "typed in"}]
    world.record(
        ref, Kind.CONFIRMATION_RECEIVED, by, sender=CONTACT, words="Done.", evidence=kept, by_way_of="form",
        doubts=doubts,
    )  # fmt: skip
    ask(world, ref, "agreement")
    return ref


def review(world: Any) -> str:
    """Decided by the operator, so that the team lead reviews."""
    ref: str = world.verified(job(world))
    ask(world, ref, "review")
    return ref


def unknown(world: Any, *, shared: bool = False) -> str:
    ref: str = world.opened(cause="unknown", summary="E4711 somewhere")
    stop = world.services.files.keep_json(ref, "stop-1.json", {})
    world.record(ref, Kind.STOPPED, scope="job", jobs=[{"job": "offers/feed-a", "active": False}], evidence=stop)
    world.record(ref, Kind.CAUSE_AWAITED, shape="a shape", words="e4711")
    ask(world, ref, "shared-cause" if shared else "cause")
    return ref


def shared(world: Any) -> str:
    return unknown(world, shared=True)


def trouble(world: Any) -> str:
    ref: str = world.waiting(job(world))
    world.record(ref, Kind.TROUBLE, step="open the ticket", problem="The desk is down.", next_action="Look at it.")
    ask(world, ref, "try-again")
    return ref


@pytest.fixture
def team(world: Any, make_client: Callable[..., TestClient], logged_in: Any) -> Callable[[str], TestClient]:
    """Clients of the app, each logged in as one of the team."""
    return lambda name: logged_in(world, make_client(world), name)


@pytest.fixture
def operator(team: Callable[[str], TestClient]) -> TestClient:
    return team("operator")


@pytest.fixture
def lead(team: Callable[[str], TestClient]) -> TestClient:
    return team("team lead")


def form_of(client: TestClient, ref: str) -> dict[str, str]:
    """The hidden fields of the form that stands on the page."""
    return hidden(client.get(f"/cases/{ref}").text)


def hidden(page: str) -> dict[str, str]:
    found = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page)
    return {name: html.unescape(value) for name, value in found}


def send(client: TestClient, ref: str, fields: Mapping[str, str], **more: Any) -> Any:
    """Open the page, fill the form in, and send it."""
    return client.post(f"/cases/{ref}/question", data={**form_of(client, ref), **fields}, **more)


def since(world: Any, ref: str, before: Case) -> list[Event]:
    return list(world.services.ledger.case(ref).events[before.version :])


# -- every form is asked here ----------------------------------------------------------------------------------------

KINDS: dict[str, tuple[Callable[..., str], dict[str, str], Kind | None]] = {
    "decision": (decision, DECIDE, Kind.DECIDED),
    "keep paused": (
        decision, {"choice": str(Decision.KEEP_PAUSED), "reason": "Holidays.", "paused_until": "2027-01-31"},
        Kind.KEPT_PAUSED,
    ),
    "word": (
        word, {"choice": str(Word.WROTE), "sender": CONTACT, "message": "We renewed it."}, Kind.CONFIRMATION_RECEIVED
    ),
    "reply counts": (replied, {"choice": str(Word.COUNTS)}, Kind.CONFIRMATION_RECEIVED),
    "reply answered": (replied, {"choice": str(Word.ANSWERED)}, Kind.CONFIRMATION_REFUSED),
    "without": (word, {"choice": str(Word.WITHOUT)}, None),
    "agreement": (doubted, {"choice": str(Counts.AGREE), "remark": "I called them."}, Kind.WORD_AGREED),
    "cause": (unknown, {"choice": str(CauseChoice.FEED)}, Kind.CAUSE_CHOSEN),
    "shared cause": (shared, {"choice": str(Apart.BY_ITSELF)}, Kind.CAUSE_AWAITED),
    "try again": (trouble, {"remark": "Restarted it."}, Kind.TROUBLE_OVER),
}  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
def test_each_question_is_answered_on_the_cases_page_in_the_name_of_who_is_logged_in(
    name: str, world: Any, operator: TestClient
) -> None:
    make, fields, kind = KINDS[name]
    ref = make(world)
    before = world.services.ledger.case(ref)
    page = operator.get(f"/cases/{ref}").text
    asked = [one.name for one in fields_of(FORMS[before.question["form"]]) if one.choices is None]
    shown = re.findall(r'<(?:input type="(?:text|date)"|select|textarea)[^>]* name="(\w+)"', page)
    assert shown == [one for one in asked if one != "answered_by"], "the fields of the form, but for who answers"
    done = operator.post(f"/cases/{ref}/question", data={**hidden(page), **fields})
    assert (done.status_code, done.headers["Location"]) == (303, f"/cases/{ref}#question")

    answered, *acted = since(world, ref, before)
    assert (answered.kind, answered.actor, answered.data["known_by"]) == (Kind.QUESTION_ANSWERED, "operator", BY_LOGIN)
    assert [(event.kind, event.actor, event.data["known_by"]) for event in acted] == (
        [] if kind is None else [(kind, "operator", BY_LOGIN)]
    )
    now = world.services.ledger.case(ref)
    assert now.question is None
    assert now.has_news, "its run is woken"
    shown = operator.get(f"/cases/{ref}")
    assert "operator answered at" in text_of(shown.text)
    assert "script-src 'self'; connect-src 'self'" in shown.headers["Content-Security-Policy"], "it looks for the next"


@pytest.mark.parametrize("verdict", [Verdict.APPROVE, Verdict.SEND_BACK])
def test_the_review_is_given_below_the_picture_of_the_run(world: Any, lead: TestClient, verdict: Verdict) -> None:
    ref = review(world)
    page = lead.get(f"/cases/{ref}").text
    picture = world.services.ledger.case(ref).photo["evidence"]
    assert page.index(f'<img src="/evidence/{in_parts(picture)}"') < page.index("<form")
    assert send(lead, ref, {"choice": str(verdict), "remark": "Seen."}).status_code == 303
    kind = Kind.REVIEW_APPROVED if verdict is Verdict.APPROVE else Kind.REVIEW_REJECTED
    last = world.services.ledger.case(ref).events[-1]
    assert (last.kind, last.actor, last.data["known_by"]) == (kind, "team lead", BY_LOGIN)


def test_only_the_fields_that_the_chosen_one_needs_are_asked_for(world: Any, operator: TestClient) -> None:
    """By style alone: each field says with which choices it stands there."""
    page = operator.get(f"/cases/{decision(world)}").text
    choices = [str(one) for one in Decision]
    of = {name: classes for classes, name in re.findall(r'<div class="field ([^"]*)">\s*<label for="(\w+)"', page)}
    assert "only" not in of["reason"]
    assert of["checked"].split() == [f"for-{choices.index(Decision.AFTER_CHANGE)}", "only"]
    assert of["paused_until"].split() == [f"for-{choices.index(Decision.KEEP_PAUSED)}", "only"]


def test_the_form_explains_the_rules_that_it_names(world: Any, operator: TestClient) -> None:
    page = operator.get(f"/cases/{decision(world)}").text
    form = page[page.index('class="asked"') : page.index("</form>")]
    assert form.count('<abbr class="j" title="Then the account is settled') >= 1
    assert re.search(
        r'<label for="checked">What you checked in the system \(<abbr class="j" title="[^"]+">J8</abbr>', form
    )
    assert "J6" not in re.sub(r"<abbr.*?</abbr>", "", form)


def test_no_script_runs_where_something_can_be_typed(world: Any, operator: TestClient) -> None:
    ref = decision(world)
    fields = form_of(operator, ref) | DECIDE
    answer_in_prefect(world, ref, decision=str(Decision.AFTER_FIX), reason="x")
    for page in (operator.get(f"/cases/{decision(world)}"), operator.post(f"/cases/{ref}/question", data=fields)):
        assert "<script" not in page.text
        assert "script-src" not in page.headers["Content-Security-Policy"]


def test_what_was_typed_into_a_field_that_the_choice_does_not_ask_for_is_passed_over(
    world: Any, operator: TestClient
) -> None:
    """The date of 'keep paused', typed before somebody thought better of it, refuses no other decision."""
    ref = decision(world)
    assert send(operator, ref, DECIDE | {"paused_until": "2027-01-31", "checked": "x"}).status_code == 303
    assert world.services.ledger.case(ref).decided is Decision.AFTER_FIX


def test_the_registered_contacts_are_a_choice(world: Any, operator: TestClient) -> None:
    ref = word(world)
    page = operator.get(f"/cases/{ref}").text
    select = re.search(r'<select id="sender".*?</select>', page, re.DOTALL)
    assert select
    assert re.findall(r'<option value="([^"]+)"', select[0]) == [CONTACT, "owner@example.com"]
    no = send(operator, ref, {"choice": str(Word.WROTE), "sender": "stranger@example.com", "message": "Done."})
    assert no.status_code == 422
    assert "Choose one of the registered contacts." in no.text
    assert world.services.ledger.case(ref).confirmations == ()


def test_a_reply_is_offered_to_count_only_where_one_stands_above(world: Any, operator: TestClient) -> None:
    assert str(Word.COUNTS) not in html.unescape(operator.get(f"/cases/{word(world)}").text)
    page = html.unescape(operator.get(f"/cases/{replied(world)}").text)
    assert page.index("I think so.") < page.index(f'value="{Word.COUNTS}"')


# -- refused, and what was typed stays -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "fields", "field", "says"),
    [
        (decision, {"reason": "Mended."}, "choice", "Choose one of these."),
        (decision, {"choice": str(Decision.AFTER_FIX), "reason": " "}, "reason", "Why: this is needed here."),
        (decision, {"choice": str(Decision.KEEP_PAUSED), "reason": "Mended."}, "paused_until", "needed here"),
        (
            decision, {"choice": str(Decision.KEEP_PAUSED), "reason": "Mended.", "paused_until": "2020-01-31"},
            "paused_until", "2020-01-31 is not after today",
        ),
        (
            decision, {"choice": str(Decision.KEEP_PAUSED), "reason": "Mended.", "paused_until": "soon"},
            "paused_until", "'soon' is not a date.",
        ),
        (decision, {"choice": str(Decision.REMOVE), "reason": "Mended."}, "choice", "there is none that counts yet"),
        (word, {"choice": str(Word.WROTE), "message": "Mended."}, "sender", "Who wrote it: this is needed here."),
        (word, {"choice": str(Word.WROTE), "sender": CONTACT}, "message", "What they wrote: this is needed here."),
        (review, {"choice": str(Verdict.SEND_BACK)}, "remark", "Remark: this is needed here."),
    ],
)  # fmt: skip
def test_a_refused_answer_stays_as_typed_with_what_is_wrong_next_to_its_field(
    make: Callable[..., str], fields: dict[str, str], field: str, says: str, world: Any, lead: TestClient
) -> None:
    ref = make(world)
    before = world.services.ledger.case(ref)
    no = send(lead, ref, fields)
    assert no.status_code == 422
    assert since(world, ref, before) == [], "nothing of it is written down"
    wrong = re.search(rf'<p class="wrong" id="{field}-wrong">(.*?)</p>', no.text)
    assert wrong
    assert says in html.unescape(wrong[1])
    page = html.unescape(no.text)
    for name, value in fields.items():
        if name == "choice" and field != "choice":
            assert re.search(rf'value="{re.escape(value)}"[^>]* checked', page)
        elif name != "choice":
            assert value in page
    assert send(lead, ref, {**hidden(no.text), **fields}).status_code == 422, "it can be sent again as it stands"


def test_what_the_procedure_refuses_is_said_on_the_page_and_can_be_mended_there(
    world: Any, operator: TestClient
) -> None:
    """J8: after the retailer's change, with nothing that was checked."""
    ref = world.waiting()
    world.confirm(ref)
    ask(world, ref, "decision")
    typed = {"choice": str(Decision.AFTER_CHANGE), "reason": "Their token is new."}
    no = send(operator, ref, typed)
    assert (no.status_code, "Their token is new." in no.text) == (422, True)
    mended = operator.post(
        f"/cases/{ref}/question", data={**hidden(no.text), **typed, "checked": "A call answers 200."}
    )
    assert mended.status_code == 303
    assert world.services.ledger.case(ref).validated["how"] == "A call answers 200."


def test_who_decided_cannot_approve_and_who_brought_a_word_in_cannot_agree(world: Any, operator: TestClient) -> None:
    for ref, choice, why in (
        (review(world), Verdict.APPROVE, "You took the decision"),
        (doubted(world, "operator"), Counts.AGREE, "You brought this word in"),
    ):
        page = html.unescape(operator.get(f"/cases/{ref}").text)
        assert why in page
        assert re.search(rf'value="{re.escape(choice)}"[^>]* disabled', page)
        before = world.services.ledger.case(ref)
        assert send(operator, ref, {"choice": str(choice)}).status_code == 422
        assert since(world, ref, before) == []


def test_what_an_answer_in_prefect_was_refused_with_stands_in_the_form_but_decides_nothing(
    world: Any, operator: TestClient
) -> None:
    ref = decision(world)
    answer_in_prefect(world, ref, decision=str(Decision.REMOVE), reason="They left.")
    world.record(ref, Kind.ANSWER_REFUSED, number=1, question=1, code="not_allowed", why="J8: no word.")
    ask(world, ref, "decision")
    page = operator.get(f"/cases/{ref}").text
    assert "They left.</textarea>" in page
    assert "J8: no word." in text_of(page)
    assert " checked>" not in page


# -- who may, and from where -----------------------------------------------------------------------------------------


def test_who_is_not_logged_in_is_led_to_the_login_and_back(world: Any, client: TestClient) -> None:
    ref, stranger = decision(world), client
    page = stranger.get(f"/cases/{ref}").text
    assert "<form" not in page
    assert f'href="/login?next=/cases/{ref}"' in page
    no = stranger.post(f"/cases/{ref}/question", data=DECIDE)
    assert (no.status_code, f'href="/login?next=/cases/{ref}"' in no.text) == (401, True)
    assert f'value="/cases/{ref}"' in stranger.get(f"/login?next=/cases/{ref}").text, "it leads back"
    assert world.services.ledger.case(ref).question is not None


def test_what_was_typed_while_the_log_in_ended_is_kept_until_it_is_sent(
    world: Any, operator: TestClient, make_client: Any, logged_in: Any
) -> None:
    ref = decision(world)
    form = form_of(operator, ref) | DECIDE | {"reason": 'They said "it <works>".\nTwice.'}
    world.logins.log_out(operator.headers["Cookie"].partition("=")[2].partition(";")[0])
    no = operator.post(f"/cases/{ref}/question", data=form)
    assert no.status_code == 401
    assert f'href="/login?next=/cases/{ref}" target="_blank"' in no.text
    assert 'They said "it <works>". Twice.' in text_of(no.text)
    kept = hidden(no.text.partition('class="typed"')[2])
    assert (kept["choice"], "key" in kept) == (DECIDE["choice"], False)
    assert world.services.ledger.case(ref).question is not None
    again = logged_in(world, make_client(world))
    asked = again.post(f"/cases/{ref}/question", data=kept)
    assert asked.status_code == 403, "it is shown once more, as it was filled in"
    assert "They said &#34;it &lt;works&gt;&#34;.\nTwice.</textarea>" in asked.text
    assert f'value="{html.escape(DECIDE["choice"])}"' in asked.text.replace("&#39;", "&#x27;")
    assert again.post(f"/cases/{ref}/question", data=form | hidden(asked.text)).status_code == 303


FORMS_OF_THE_TEAM = {
    "/contacts/one": {"do": "add", "retailer": "Shop<A>", "address": "ann@example.com"},
    "/cases/JF-000001/hand": {"do": "note", "note": "Shop<A>"},
    "/raise": {"platform": "jobs", "job": "Shop<A>"},
    "/inbox/1/case": {"ref": "JF-000001", "remark": "Shop<A>"},
    "/incidents/IN-000001/question": {"choice": "remove", "reason": "Shop<A>"},
}


def test_what_was_typed_is_kept_of_each_form_where_nobody_is_logged_in_or_the_store_is_down(
    world: Any, client: TestClient, operator: TestClient
) -> None:
    sent = [(client, 401, path, typed) for path, typed in FORMS_OF_THE_TEAM.items()]
    sent += [(operator, 503, path, typed) for path, typed in FORMS_OF_THE_TEAM.items()]
    for browser, status, path, typed in sent:
        if status == 503 and (store := world.home / "caseproof.sqlite").is_file():
            world.services.store.close()
            store.rename(world.home / "away").with_name(store.name).mkdir()
        no = browser.post(path, data=typed | {"key": "a-key"})
        assert (no.status_code, hidden(no.text)) == (status, typed), path
        assert "Shop&lt;A&gt;</dd>" in no.text
        assert ("Log in</a> in a new tab" in no.text) == (status == 401)
    secret = operator.post("/account/password", data={"old": "nine tall chimneys", "new": "x"})
    assert (secret.status_code, "chimneys" in secret.text) == (503, False)


@pytest.mark.parametrize("path", ["/account/password", "/logout", "another site"])
def test_neither_a_password_nor_another_sites_words_are_shown_to_who_is_not_logged_in(
    path: str, world: Any, client: TestClient
) -> None:
    headers = {"Sec-Fetch-Site": "cross-site"} if path == "another site" else {}
    to = f"/cases/{decision(world)}/question" if path == "another site" else path
    no = client.post(to, data={"old": "nine tall chimneys", "reason": "nine tall chimneys"}, headers=headers)
    assert no.status_code == 401
    assert "chimneys" not in no.text


def test_who_was_taken_off_the_team_answers_nothing_from_that_moment(world: Any, operator: TestClient) -> None:
    ref = decision(world)
    form = form_of(operator, ref)
    text = BUILT_IN.read_text().replace("- operator\n", "- another\n", 1)
    assert "another" in text
    (world.home / "policy.yaml").write_text(text)
    assert operator.post(f"/cases/{ref}/question", data=form | DECIDE).status_code == 401
    assert world.services.ledger.case(ref).question is not None


@pytest.mark.parametrize(
    "forged", ["no key", "another's key", "another question's key", "another site", "another seen"]
)
def test_a_form_that_was_not_made_here_for_this_person_is_not_taken_and_what_it_says_can_be_sent_once_more(
    forged: str, world: Any, operator: TestClient, lead: TestClient
) -> None:
    ref = decision(world)
    form, headers = form_of(operator, ref), {}
    match forged:
        case "no key":
            form["key"] = ""
        case "another's key":
            form["key"] = form_of(lead, ref)["key"]
        case "another question's key":
            form["key"] = form_of(operator, decision(world))["key"]
        case "another site":
            headers = {"Sec-Fetch-Site": "cross-site"}
        case "another seen":
            form["events"] = str(int(form["events"]) + 1)
    before = world.services.ledger.case(ref)
    no = operator.post(f"/cases/{ref}/question", data=form | DECIDE, headers=headers)
    assert no.status_code == 403
    assert since(world, ref, before) == []
    assert "We renewed our side.</textarea>" in no.text
    assert operator.post(f"/cases/{ref}/question", data=hidden(no.text) | DECIDE).status_code == 303


def test_a_name_in_the_form_is_not_listened_to(world: Any, operator: TestClient) -> None:
    ref = decision(world)
    send(operator, ref, DECIDE | {"answered_by": "team lead"})
    case = world.services.ledger.case(ref)
    assert (case.decision.actor, case.answered[1]["answer"]["answered_by"]) == ("operator", "operator")


def test_words_from_outside_are_only_text_above_the_form(world: Any, operator: TestClient) -> None:
    ref = word(world)
    kept = world.services.files.keep(ref, b"x", "reply.eml", "message/rfc822")
    world.record(ref, Kind.REPLY_RECEIVED, sender=CONTACT, words=HOSTILE, why=HOSTILE, evidence=kept, by_way_of="mail")
    page = operator.get(f"/cases/{ref}")
    assert "<script>alert" not in page.text
    assert 'evil.example.com/p.png"' not in page.text
    assert 'href="javascript' not in page.text
    assert "form-action 'self'" in page.headers["Content-Security-Policy"]
    no = send(operator, ref, {"choice": str(Word.WROTE), "message": f"</textarea>{HOSTILE}"})
    assert "</textarea><script>" not in no.text


# -- once, whichever way ---------------------------------------------------------------------------------------------


def test_the_same_answer_sent_twice_counts_once(world: Any, operator: TestClient) -> None:
    ref = decision(world)
    fields = form_of(operator, ref) | DECIDE
    sent = [operator.post(f"/cases/{ref}/question", data=fields).status_code for _ in range(2)]
    assert sent == [303, 303]
    assert len(world.services.ledger.case(ref).every(Kind.QUESTION_ANSWERED, Kind.DECIDED)) == 2


def test_an_answer_after_somebody_elses_is_not_taken_and_says_whose_was(world: Any, operator: TestClient) -> None:
    """Given in Prefect meanwhile: what was typed here is shown, so that it can be copied."""
    ref = decision(world)
    fields = form_of(operator, ref) | DECIDE
    answer_in_prefect(world, ref, decision=str(Decision.KEEP_PAUSED), reason="Wait.", paused_until="2027-01-31")
    before = world.services.ledger.case(ref)
    no = operator.post(f"/cases/{ref}/question", data=fields)
    assert no.status_code == 409
    assert "team lead has answered this question already" in no.text
    assert "We renewed our side." in no.text
    small = operator.post(f"/cases/{ref.lower()}/question", data=fields)
    assert (small.status_code, "We renewed our side." in small.text) == (409, True)
    assert since(world, ref, before) == []


def test_of_two_who_say_the_cause_at_once_the_second_is_told(world: Any, operator: TestClient) -> None:
    ref = unknown(world)
    seen = world.services.ledger.case(ref).version
    assert send(operator, ref, {"choice": str(CauseChoice.FEED)}).status_code == 303
    given = world.services.ledger.event(
        Kind.QUESTION_ANSWERED, "team lead", number=1, form="cause", answer={}, known_by=BY_LOGIN
    )
    late = AnswerLedger(world.services.store, world.tick, BY_LOGIN, given, seen)
    with pytest.raises(Overtaken, match="operator has answered"):
        choose_cause(late, ["team lead"], ref, CauseChoice.SYNC, by="team lead", question=1)


def test_an_answer_in_prefect_after_the_one_here_is_not_taken(world: Any, operator: TestClient) -> None:
    """A name is never taken from what a run was resumed with, where a login answered."""
    ref = decision(world)
    assert send(operator, ref, DECIDE).status_code == 303
    before = world.services.ledger.case(ref)
    answer_in_prefect(world, ref, decision=str(Decision.KEEP_PAUSED), reason="Wait.", paused_until="2027-01-31")
    assert since(world, ref, before) == []


def test_of_answers_given_here_and_in_prefect_at_once_one_counts(
    world: Any, operator: TestClient, lead: TestClient
) -> None:
    refs = [decision(world) for _ in range(4)]
    forms = {ref: (form_of(operator, ref), form_of(lead, ref)) for ref in refs}
    found: list[int] = []
    for ref in refs:
        together = threading.Barrier(3)

        def here(client: TestClient, form: dict[str, str], ref: str = ref, gate: threading.Barrier = together) -> None:
            gate.wait()
            found.append(client.post(f"/cases/{ref}/question", data=form | DECIDE).status_code)

        def there(ref: str = ref, gate: threading.Barrier = together) -> None:
            gate.wait()
            answer_in_prefect(world, ref, decision=str(Decision.AFTER_FIX), reason="x")

        both = zip((operator, lead), forms[ref], strict=True)
        threads = [threading.Thread(target=here, args=one) for one in both] + [threading.Thread(target=there)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        case = world.services.ledger.case(ref)
        assert len(case.every(Kind.QUESTION_ANSWERED)) == 1
        decided = case.every(Kind.DECIDED)
        assert [fact.actor for fact in decided] == ([case.answered[1].actor] if case.answered_here else [])
    assert set(found) <= {303, 409}


def test_a_question_that_was_asked_anew_keeps_what_was_typed_for_the_one_before(
    world: Any, operator: TestClient
) -> None:
    ref = decision(world)
    stale = form_of(operator, ref) | DECIDE
    ask(world, ref, "decision")
    no = operator.post(f"/cases/{ref}/question", data=stale)
    assert (no.status_code, "We renewed our side.</textarea>" in no.text) == (409, True)
    assert hidden(no.text)["number"] == "2"
    assert operator.post(f"/cases/{ref}/question", data=hidden(no.text) | DECIDE).status_code == 303


def test_what_came_while_somebody_typed_is_seen_before_the_answer_counts(world: Any, operator: TestClient) -> None:
    ref = decision(world)
    stale = form_of(operator, ref) | DECIDE
    world.confirm(ref, "Please remove our shop.")
    no = operator.post(f"/cases/{ref}/question", data=stale)
    assert (no.status_code, "Something came while you answered" in no.text) == (409, True)
    assert "Please remove our shop." in no.text
    assert operator.post(f"/cases/{ref}/question", data=hidden(no.text) | DECIDE).status_code == 303


def test_a_reminder_that_left_meanwhile_refuses_no_answer(world: Any, operator: TestClient) -> None:
    ref = decision(world)
    fields = form_of(operator, ref) | DECIDE
    kept = world.services.files.keep(ref, b"x", "reminder.eml", "message/rfc822")
    world.record(ref, Kind.REMINDER_SENT, number=1, message_id="<r@example.com>", accepted=[CONTACT], evidence=kept)
    assert operator.post(f"/cases/{ref}/question", data=fields).status_code == 303


# -- how the reviewer is known ---------------------------------------------------------------------------------------


def test_the_proof_says_how_whoever_decided_and_reviewed_was_known(
    world: Any, operator: TestClient, lead: TestClient
) -> None:
    ref = world.verified()
    ask(world, ref, "review")
    send(lead, ref, {"choice": str(Verdict.APPROVE), "remark": "Seen."})
    case = world.services.ledger.case(ref)
    said = {one["what"]: one.get("known_by") for one in claims(case)["approvals"]}
    assert said == {f"decision: {Decision.AFTER_CHANGE}": None, "review": BY_LOGIN}
    other = decision(world)
    send(operator, other, DECIDE)
    assert world.services.ledger.case(other).decision["known_by"] == BY_LOGIN


def test_a_decision_writes_down_that_the_review_needs_a_login_where_the_policy_says_so(
    world: Any, operator: TestClient
) -> None:
    text = BUILT_IN.read_text().replace("  identity: said\n", "  identity: login\n")
    (world.home / "policy.yaml").write_text(text)
    ref = decision(world)
    assert send(operator, ref, DECIDE).status_code == 303
    assert world.services.ledger.case(ref).decision["review_identity"] == BY_LOGIN
