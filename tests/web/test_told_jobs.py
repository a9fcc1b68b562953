"""How a retailer's jobs stand, by the link of a letter: what was told to that very address, and nothing more."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from fastapi.testclient import TestClient
from limits import parse

from caseproof.channels.outbound.languages import LANGUAGES, moment, words
from caseproof.domain.job_failure.kinds import Kind
from caseproof.evidence.signing import answer_token
from caseproof.web import answer_guard
from tests.support.answer_page import full, send, tell
from tests.support.letters import SHOP, link_of, register, send_notice, stopped, write_letters

COLLEAGUE = "second@example.com"


@pytest.fixture
def shop(world: Any, make_client: Callable[..., TestClient]) -> Any:
    """A retailer with a contact, who was told of one job."""
    register(world.services)
    world.client = make_client(world)
    world.ref, world.url = told_of(world, "offers/own", "Own job")
    return world


def told_of(world: Any, job: str, name: str, to: tuple[str, ...] = (SHOP,), **facts: Any) -> tuple[str, str]:
    """A case of which these addresses were told in letters, and the address of the first letter's page."""
    ref = stopped(world.services, world.opened(job, job_name=name, **facts))
    link = link_of(world.services, send_notice(world.services, ref, to=to))
    ask(world, ref)
    return ref, f"/answer/{link}"


def ask(world: Any, ref: str) -> None:
    """The case waits for the retailer's word."""
    world.record(ref, Kind.QUESTION_ASKED, number=1, form="retailers-word", flow_run="f")


def jobs(world: Any, url: str = "") -> dict[str, str]:
    """What the page says of each job, by its name."""
    answer = world.client.get(f"{url or world.url}/jobs")
    assert answer.status_code == 200, answer.text
    return said_of(answer.text)


def said_of(page: str) -> dict[str, str]:
    found = re.findall(r"<li><strong><bdi>(.*?)</bdi></strong>.*?<p>(.*?)</p></li>", page, re.DOTALL)
    return {unescape(name): unescape(said) for name, said in found}


# -- what it says ---------------------------------------------------------------------------------------------------


def test_each_job_says_how_it_stands_and_since_when_and_what_is_settled_for_a_month(shop: Any) -> None:
    stop, _ = told_of(shop, "offers/stop", "Their word is there")
    shop.confirm(stop)
    done = shop.closed("offers/done", job_name="Runs again")  # its notice went to the address of the shop
    live = shop.services.ledger.case(done).live.at
    found = jobs(shop)
    assert list(found) == ["Own job", "Their word is there", "Runs again"], "what waits for them first"
    told, halted = (shop.services.ledger.case(ref) for ref in (shop.ref, stop))
    assert found["Own job"] == (
        f"Waits for your answer, since {moment(told.notice.at, 'en')}. Use the link in our mail about it, or answer "
        "that mail."
    )
    assert found["Their word is there"] == f"Stopped since {moment(halted.contained.at, 'en')}. We look into it."
    assert found["Runs again"] == f"Running again since {moment(live, 'en')}."
    shop.now += timedelta(days=31)
    assert list(jobs(shop)) == ["Own job", "Their word is there"]
    shop.record(done, Kind.REOPENED, why="It failed again.")
    assert jobs(shop)["Runs again"].startswith("We look into it, since"), "it does not run again, and is not stopped"
    stopped(shop.services, done)
    assert jobs(shop)["Runs again"].startswith("Stopped since")


def test_a_job_that_we_cannot_stop_is_not_called_stopped(shop: Any) -> None:
    ref = shop.opened("offers/wild", job_name="Wild", cause="our_platform")
    shop.record(ref, Kind.CANNOT_STOP, why="No right.", who_can="The owner of the platform")
    send_notice(shop.services, ref)
    page = shop.client.get(f"{shop.url}/jobs").text
    assert said_of(page)["Wild"].startswith("We look into it, since")
    assert "owner of the platform" not in page


def test_a_call_for_help_makes_it_ours(shop: Any) -> None:
    assert jobs(shop)["Own job"].startswith("Waits for your answer")
    assert send(shop, **full(choice="help")).status_code == 303
    assert jobs(shop)["Own job"].startswith("Stopped since")


def test_nothing_internal_stands_on_the_page(shop: Any) -> None:
    shop.record(
        shop.ref, Kind.CAUSE_CHOSEN, cause="feed", by="team lead", on="2026-11-20", how="asked", was="x", shape=""
    )
    with shop.services.store.uow() as uow:
        uow.worklist.give([shop.ref], "operator", did=_claimed(), actor="operator", whom="operator", at=shop.now)
        uow.commit()
    page = shop.client.get(f"{shop.url}/jobs").text
    for inner in (shop.ref, "operator", "team lead", "feed", "expired", "401", "jobs.example.com", "offers/own",
                  "/cases", "(J", "waiting", "contained", COLLEAGUE, "prefect"):  # fmt: skip
        assert inner not in page.replace("/static/", ""), inner
    assert SHOP in page


def _claimed() -> Any:
    from caseproof.store.worklist import Did

    return Did.CLAIMED


def test_the_page_speaks_the_language_of_the_contact(world: Any, make_client: Callable[..., TestClient]) -> None:
    told = tell(world, make_client, language="de-AT")
    ask(told, told.ref)
    page = told.client.get(f"{told.url}/jobs").text
    assert '<html lang="de">' in page
    assert "Wartet auf Ihre Antwort, seit 20. November" in page
    assert "Sehen Sie, wie die Aufgaben stehen" in told.client.get(told.url).text
    assert all(words(one, "jobs").keys() == words("en", "jobs").keys() for one in LANGUAGES)


def test_names_from_outside_are_only_text(shop: Any) -> None:
    told_of(shop, "offers/x", "<b>bold</b>\u202egnp <script>", marketplace="<i>North</i>")
    page = shop.client.get(f"{shop.url}/jobs").text
    assert "<bdi>&lt;b&gt;bold&lt;/b&gt;gnp &lt;script&gt;</bdi>" in page
    assert "&lt;i&gt;North&lt;/i&gt;" in page
    assert "\u202e" not in page


def test_the_confirmation_page_leads_to_it_and_back_as_long_as_the_link_holds(shop: Any) -> None:
    link = f'<a href="{shop.url}/jobs">See how the jobs stand'
    assert link in shop.client.get(shop.url).text
    assert send(shop, **full()).status_code == 303
    assert link in shop.client.get(shop.url).text, "once it is answered, too"
    assert f'<a href="{shop.url}">Back' in shop.client.get(f"{shop.url}/jobs").text
    shop.now += timedelta(days=61)
    assert "/jobs" not in shop.client.get(shop.url).text


# -- what it does not say -------------------------------------------------------------------------------------------


def test_another_retailers_jobs_are_not_shown(shop: Any) -> None:
    register(shop.services, "other@example.com", "Shop B")
    told_of(shop, "offers/b", "Theirs", ("other@example.com",), retailer="Shop B")
    assert list(jobs(shop)) == ["Own job"]


def test_a_job_that_a_colleague_was_told_of_is_not_shown_and_theirs_shows_it(shop: Any) -> None:
    register(shop.services, COLLEAGUE)
    _, theirs = told_of(shop, "offers/c", "The colleague's", (COLLEAGUE,))
    ref, shared = told_of(shop, "offers/d", "Of both", (SHOP, COLLEAGUE))
    assert set(jobs(shop)) == {"Own job", "Of both"}
    assert set(jobs(shop, theirs)) == {"The colleague's", "Of both"}
    second = link_of(shop.services, f"{ref.lower()}.1.notice-2")
    assert set(jobs(shop, f"/answer/{second}")) == {"The colleague's", "Of both"}
    assert set(jobs(shop, shared)) == {"Of both"}, "a mail of before there were letters: both hold its link"


def test_a_job_of_another_retailer_with_the_same_address_is_on_that_retailers_page_alone(shop: Any) -> None:
    register(shop.services, SHOP, "Shop B")
    _, theirs = told_of(shop, "offers/b", "Of shop B", retailer="Shop B")
    assert list(jobs(shop)) == ["Own job"]
    assert list(jobs(shop, theirs)) == ["Of shop B"]


def test_a_job_that_turned_out_to_be_another_retailers_is_shown_to_neither_before_a_letter_says_so(shop: Any) -> None:
    register(shop.services, SHOP, "Shop B")
    _, of_b = told_of(shop, "offers/b", "Of shop B", retailer="Shop B")
    for name, before, after in (("From A to B", "Shop A", "Shop B"), ("From B to A", "Shop B", "Shop A")):
        ref, _ = told_of(shop, name, name, retailer=before)
        shop.record(ref, Kind.FACTS_CORRECTED, retailer=after, marketplace="North", connection=None)
    ref, moved = told_of(shop, "offers/m", "Moved", retailer="Shop A")
    shop.record(ref, Kind.FACTS_CORRECTED, retailer="Shop B", marketplace="South", connection=None)
    assert list(jobs(shop)) == ["Own job"]
    assert list(jobs(shop, of_b)) == ["Of shop B"]
    assert jobs(shop, moved) == {}, "whose page this letter's is now, nobody knows"
    reminded = {"message_id": "<x.reminder@example.com>", "accepted": [SHOP], "evidence": "0" * 64}
    shop.record(ref, Kind.REMINDER_SENT, number=1, **reminded)
    assert set(jobs(shop, of_b)) == {"Of shop B", "Moved"}, "a letter since has told it as Shop B's"
    assert "South" in shop.client.get(f"{of_b}/jobs").text


def test_what_was_corrected_since_the_letter_stands_as_the_letter_said_it(shop: Any) -> None:
    shop.record(shop.ref, Kind.FACTS_CORRECTED, retailer="Shop A", marketplace="Nowhere they know", connection=None)
    page = shop.client.get(f"{shop.url}/jobs").text
    assert "North" in page
    assert "Nowhere they know" not in page


def test_a_job_of_which_nobody_was_told_is_not_shown_nor_one_whose_letter_was_refused(shop: Any) -> None:
    shop.opened("offers/new", job_name="New")
    stopped(shop.services, shop.opened("offers/halt", job_name="Halt"))
    ref = stopped(shop.services, shop.opened("offers/refused", job_name="Refused"))
    told = write_letters(shop.services, ref, to=(SHOP, COLLEAGUE))
    shop.record(ref, Kind.NOTICE_SENT, **told | {"accepted": [COLLEAGUE], "refused": {SHOP: "no such user"}})
    assert list(jobs(shop)) == ["Own job"]


def test_an_address_that_is_taken_off_sees_nothing_any_more(shop: Any) -> None:
    with shop.services.store.uow() as uow:
        uow.people.remove_contact("Shop A", SHOP)
        uow.commit()
    answer = shop.client.get(f"{shop.url}/jobs")
    assert answer.status_code == 403
    assert "no longer a contact" in answer.text
    assert_nothing(answer)
    register(shop.services, SHOP, "Shop B")
    assert_nothing(shop.client.get(f"{shop.url}/jobs"))


def test_an_expired_a_void_a_changed_and_a_strange_link_show_nothing(shop: Any) -> None:
    token = shop.url.rpartition("/")[2]
    void = answer_token(b"another key", "jf-000001.1.notice", shop.now + timedelta(days=9))
    strange = answer_token(shop.services.secret, "jf-000009.1.notice", shop.now + timedelta(days=9))
    for one in (void, strange, token + "x", token[:-1], "x", token.swapcase()):
        answer = shop.client.get(f"/answer/{one}/jobs")
        assert answer.status_code == 404, one
        assert_nothing(answer)
    shop.now += timedelta(days=61)
    answer = shop.client.get(f"{shop.url}/jobs")
    assert answer.status_code == 410
    assert_nothing(answer)


def test_a_link_of_before_the_key_was_replaced_shows_nothing(shop: Any) -> None:
    shop.services.keys.renew()
    answer = shop.client.get(f"{shop.url}/jobs")
    assert answer.status_code == 410
    assert_nothing(answer)


def assert_nothing(answer: Any) -> None:
    """Of no job and no retailer a word."""
    for private in ("Own job", "Shop A", "North", SHOP, "Waits for", "Stopped"):
        assert private not in answer.text
    assert "See how the jobs stand" not in answer.text


def test_looking_counts_with_the_other_looks_and_changes_nothing(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    before = shop.services.ledger.case(shop.ref)
    answer = shop.client.get(f"{shop.url}/jobs")
    assert answer.headers["Cache-Control"] == "no-store"
    assert "noindex" in answer.headers["X-Robots-Tag"]
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert shop.client.head(f"{shop.url}/jobs").status_code == 200
    for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        assert shop.client.request(method, f"{shop.url}/jobs").status_code == 405
    head = answer.text[: answer.text.index("<body>")]
    assert not any(private in head for private in ("Own job", "Shop A", "North", SHOP))
    monkeypatch.setattr(answer_guard, "_LOOKS", parse("5 per minute"))
    codes = [shop.client.get("/answer/x/jobs").status_code for _ in range(6)]
    assert (codes[0], codes[-1]) == (404, 429)
    assert shop.client.get(f"{shop.url}/jobs").status_code == 429
    assert shop.client.get(shop.url).status_code == 429, "one limit for both pages"
    assert shop.services.ledger.case(shop.ref) == before


def test_under_the_retailers_own_host_it_is_there_and_paths_below_it_are_not(
    make_world: Callable[..., Any], make_client: Callable[..., TestClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CASEPROOF_ANSWER_URL", "https://answers.example.com")
    told = tell(make_world(public="https://ops.example.com"), make_client)
    host = {"Host": "answers.example.com"}
    assert told.client.get(f"{told.url}/jobs", headers=host).status_code == 200
    for path in (f"{told.url}/jobs/", f"{told.url}/jobs/x", f"{told.url}/", f"{told.url}/job", "/overview",
                 "/overview/open.csv", "/answer//jobs", "/answer/jobs"):  # fmt: skip
        assert told.client.get(path, headers=host).status_code == 404, path


def test_times_are_told_by_the_retailers_own_clocks(shop: Any, make_client: Callable[..., TestClient]) -> None:
    policy = shop.services.policy
    mail = policy.mail.model_copy(update={"timezone": "Europe/Berlin"})
    shop.services = replace(shop.services, policy=policy.model_copy(update={"mail": mail}))
    shop.client = make_client(shop)
    assert "(Berlin time)" in jobs(shop)["Own job"]
