"""The pages of cases: what stands on them, and that nothing from outside can do more than be read."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

from caseproof.domain.closure import closure_blockers
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.job_failure.lifecycle import SENTENCES, State
from caseproof.domain.job_failure.rules import RULES
from caseproof.domain.rules import NUMBER
from caseproof.procedure.core.texts import in_ticket
from caseproof.web.pages import HERE

HOSTILE = "<script>alert(1)</script> [x](javascript:alert(2)) <img src=x onerror=alert(3)> | \"'`*_"


def text_of(page: str) -> str:
    """What a reader reads: tags away, entities resolved, white space as one space."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", re.sub(r"</?abbr[^>]*>", "", page))).split())


def links(page: str) -> list[str]:
    return [html.unescape(link) for link in re.findall(r'(?:href|src)="([^"]*)"', page)]


def test_an_office_without_cases_says_how_one_is_opened(client: TestClient) -> None:
    page = text_of(client.get("/cases").text)
    assert "No case is open." in page
    assert "caseproof case open" in page


def test_an_open_case_shows_each_blocker_with_its_rule_and_next_action(town: Any, visitor: TestClient) -> None:
    ref = town.waiting
    read = text_of(visitor.get(f"/cases/{ref}").text)
    blockers = closure_blockers(town.world.services.ledger.case(ref))
    assert len(blockers) >= 6
    for blocker in blockers:
        assert f"{blocker.rule} {blocker.missing} {blocker.next_action}".replace("`", "") in read.replace("`", "")
    assert f"What blocks closure {len(blockers)}" in read
    assert SENTENCES[State.WAITING] in read


def test_the_facts_link_to_the_job_the_ticket_and_the_run(town: Any, visitor: TestClient) -> None:
    ref = town.verified
    found = links(visitor.get(f"/cases/{ref}").text)
    assert "https://jobs.example.com/offers/feed-a" in found
    assert "https://jobs.example.com/runs/r-1" in found
    assert "http://127.0.0.1:8321/tickets/T-000002" in found


def test_the_flow_run_is_linked_only_where_the_prefect_ui_is_known(
    world: Any, make_client: Callable[..., TestClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = world.opened()
    with world.services.store.uow() as uow:
        uow.cases.attach_run(ref, "0d7f-41", 1)
        uow.commit()
    monkeypatch.delenv("PREFECT_UI_URL", raising=False)
    without = make_client(world)
    assert "/runs/flow-run/" not in without.get(f"/cases/{ref}").text
    assert "0d7f-41" in without.get(f"/cases/{ref}").text
    assert "the board" not in without.get("/").text

    monkeypatch.setenv("PREFECT_UI_URL", "http://127.0.0.1:4200/")
    known = make_client(world)
    assert "http://127.0.0.1:4200/runs/flow-run/0d7f-41" in links(known.get(f"/cases/{ref}").text)
    assert "http://127.0.0.1:4200/artifacts/key/caseproof-board" in links(known.get("/").text)


def test_the_strip_shows_what_is_behind_and_where_the_case_is_now(town: Any, visitor: TestClient) -> None:
    steps = re.findall(
        r'<li class="(behind|now|ahead)".*?<span>([\w ]+)</span>', visitor.get(f"/cases/{town.waiting}").text
    )
    assert steps == [
        ("behind", "being stopped"), ("behind", "retailer to be told"), ("now", "retailer told"), ("ahead", "decided"),
        ("ahead", "being carried out"), ("ahead", "read back"), ("ahead", "approved"), ("ahead", "closed"),
    ]  # fmt: skip


def test_each_rules_number_says_what_it_means_where_it_stands_and_in_a_legend_for_the_keyboard(
    town: Any, visitor: TestClient
) -> None:
    for address in (f"/cases/{town.waiting}", f"/cases/{town.closed}", "/docs/closing"):
        page = visitor.get(address).text
        body, _, foot = page.partition('<footer class="rules">')
        explained = re.findall(r'<abbr class="j" title="([^"]*)">(J\d+)</abbr>', body)
        assert explained, address
        assert {html.unescape(title) for title, number in explained} == {RULES[number] for _, number in explained}
        bare = re.sub(r"<abbr.*?</abbr>|<code>.*?</code>|<[^>]*>", "", body[body.index("<main") :], flags=re.DOTALL)
        assert NUMBER.findall(bare) == [], address
        assert "<summary>What J1 to J11 mean</summary>" in foot
        legend = foot.partition("</footer>")[0]
        assert [html.unescape(said) for said in re.findall(r"<dd>(.*?)</dd>", legend)] == list(RULES.values())
    assert '<footer class="rules">' not in visitor.get("/login").text


NOT_SAID = re.compile(r"\bcontained\b|\ban eye\b|needs? us\b", re.IGNORECASE)


def test_no_page_says_contained_or_waits_for_an_eye(town: Any, visitor: TestClient) -> None:
    """Words that a new colleague does not understand; as values they stay in addresses and classes."""
    for address in (f"/cases/{town.waiting}", f"/cases/{town.opened}", "/?waits=all", "/?waits=team", "/inbox"):
        assert not NOT_SAID.search(text_of(visitor.get(address).text)), address
    for template in (HERE / "templates").glob("*.html"):
        assert not NOT_SAID.search(re.sub(r"{[{%].*?[}%]}|<[^>]*>", " ", template.read_text())), template.name


def test_the_strip_names_the_pause_only_while_the_case_is_paused(world: Any, client: TestClient) -> None:
    ref = world.waiting()
    assert "<span>kept paused</span>" not in client.get(f"/cases/{ref}").text
    world.record(ref, Kind.KEPT_PAUSED, "operator", until="2026-12-01", reason="On holiday.")
    page = client.get(f"/cases/{ref}").text
    assert re.search(r'class="now"[^>]*><span>kept paused</span>', page)
    assert "keep paused until 2026-12-01" in text_of(page)


def test_the_strip_leaves_the_review_out_where_the_policy_asks_for_none(world: Any, client: TestClient) -> None:
    ref = world.waiting()
    assert "<span>approved</span>" in client.get(f"/cases/{ref}").text
    world.record(ref, Kind.DECIDED, "operator", decision="reactivate after our fix", reason="Fixed.", review="")
    assert "<span>approved</span>" not in client.get(f"/cases/{ref}").text


def test_the_retailers_words_stand_verbatim(world: Any, client: TestClient) -> None:
    ref = world.waiting()
    words = "Hello,\n\n  two spaces & a <b>tag</b>\n> quoted"
    world.confirm(ref, words)
    page = client.get(f"/cases/{ref}").text
    shown = re.search(r'<blockquote dir="auto">(.*?)</blockquote>', page, re.DOTALL)
    assert shown is not None
    assert html.unescape(shown[1]) == words
    assert "<b>tag" not in page


def test_a_message_that_does_not_count_is_shown_with_the_reason(world: Any, client: TestClient) -> None:
    ref = world.waiting()
    kept = world.services.files.keep(ref, b"ooo", "confirmation.eml", "message/rfc822")
    world.record(
        ref, Kind.CONFIRMATION_REFUSED, "operator", sender="x@example.com", why="it is automatic", evidence=kept
    )
    page = client.get(f"/cases/{ref}").text
    assert "Does not count: a message from x@example.com" in text_of(page)
    assert f"/evidence/{kept}" in links(page)


def reply(world: Any, ref: str, words: str, **more: Any) -> str:
    """A contact's words that are no clear confirmation; their digest."""
    kept: str = world.services.files.keep(ref, f"{words}{more}".encode(), "reply.eml", "message/rfc822")
    said = {"sender": "shop@example.com", "words": words, "why": "asks for help", "by_way_of": "mail"} | more
    world.record(ref, Kind.REPLY_RECEIVED, **said, evidence=kept)
    return kept


def test_a_reply_stands_verbatim_with_why_a_person_has_to_read_it(world: Any, client: TestClient) -> None:
    ref = world.waiting()
    kept = reply(world, ref, "Which token? <b>", by_way_of="page", choice="help", name="Jane <i>")
    page = client.get(f"/cases/{ref}").text
    read = text_of(page)
    assert "Which token? &lt;b&gt;" in page
    assert 'shop@example.com , on the confirmation page, as Jane <i>: "needs help"' in read
    assert "It confirms nothing by itself: asks for help ." in read
    assert f"/evidence/{kept}" in links(page)
    assert "Read what the retailer wrote" in read


def test_a_reply_that_was_recorded_stands_there_once_as_the_retailers_word(world: Any, client: TestClient) -> None:
    ref = world.waiting()
    reply(world, ref, "I think so.")
    said = world.services.ledger.case(ref).replies[0]
    taken = {name: said[name] for name in ("sender", "words", "evidence", "by_way_of")}
    world.record(ref, Kind.CONFIRMATION_RECEIVED, "operator", **taken)
    page = client.get(f"/cases/{ref}").text
    assert page.count("I think so.</blockquote>") == 1
    assert "It confirms nothing by itself" not in text_of(page)


def test_a_late_word_on_a_closed_case_is_marked_as_late(world: Any, client: TestClient) -> None:
    ref = world.closed()
    assert "Late:" not in client.get(f"/cases/{ref}").text
    reply(world, ref, "It stands still again.", why="the case was closed already")
    page = client.get(f"/cases/{ref}").text
    assert "It stands still again.</blockquote>" in page
    assert "Late: the case was closed already ." in text_of(page)
    world.record(ref, Kind.REOPENED, "operator", why="It fails again.")
    again = text_of(client.get(f"/cases/{ref}").text)
    assert "It stands still again." in again
    assert again.count("From before the case was opened again: it does not count any more.") == 2
    assert "Late:" not in again


def test_an_address_that_comes_back_is_shown_with_the_reason(world: Any, client: TestClient) -> None:
    ref = world.waiting()
    kept = world.services.files.keep(ref, b"bounce", "bounce.eml", "message/rfc822")
    world.record(ref, Kind.ADDRESS_BOUNCED, address="old@example.com", why="no such user <b>", evidence=kept)
    page = client.get(f"/cases/{ref}").text
    assert "Comes back: our mail to old@example.com" in text_of(page)
    assert "no such user &lt;b&gt;" in page
    assert f"/evidence/{kept}" in links(page)


def test_a_closed_case_shows_the_picture_the_proof_and_its_evidence(town: Any, visitor: TestClient) -> None:
    ref = town.closed
    case = town.world.services.ledger.case(ref)
    page = visitor.get(f"/cases/{ref}").text
    read = text_of(page)
    assert f'<img src="/evidence/{case.photo["evidence"]}"' in page
    assert "Offers of shop A ran successfully as tidy-otter after the decision, and is live again." in read
    assert "Made under J8" in read
    assert "J8 The retailer confirmed in writing. #5 evidence" in read
    assert "What blocks closure" not in read
    with town.world.services.store.reading() as uow:
        files = uow.evidence.of(ref)
    assert len(files) == 8
    for file in files:
        assert f"/evidence/{file.digest}" in links(page)
        assert file.name in read


def test_the_timeline_has_every_event_in_order_with_an_anchor(town: Any, visitor: TestClient) -> None:
    ref = town.closed
    page = visitor.get(f"/cases/{ref}").text
    anchors = [int(number) for number in re.findall(r'<li id="e(\d+)"', page)]
    assert anchors == list(range(1, town.world.services.ledger.case(ref).version + 1))
    assert "Case closed" in text_of(page)
    assert {f"#e{n}" for n in (5, 9)} <= set(links(page))


def test_a_damaged_proof_is_said_on_the_page_of_its_case(world: Any, client: TestClient) -> None:
    ref = world.closed()
    world.services.vault.path(world.services.ledger.case(ref).proof["evidence"]).write_bytes(b"{}")
    answer = client.get(f"/cases/{ref}")
    assert answer.status_code == 200
    read = text_of(answer.text)
    assert "The proof's file is damaged or gone" in read
    assert "Restore it from a backup" in read


def test_trouble_is_shown_as_what_comes_next(world: Any, client: TestClient) -> None:
    ref = world.opened()
    world.record(ref, Kind.TROUBLE, step="stop", problem="The platform is down.", next_action="Run `up`.")
    page = client.get(f"/cases/{ref}").text
    assert "Next: The platform is down. Run up ." in text_of(page)
    assert "<code>up</code>" in page


def test_hostile_names_and_words_are_only_text(world: Any, client: TestClient) -> None:
    bad = dict.fromkeys(("job_name", "retailer", "marketplace", "summary", "how", "cause"), HOSTILE)
    ref = world.waiting(
        "offers/<i>", job_url="javascript://x.example.com/%0aalert(4)", failed_run_url="data:text/html,x", **bad
    )
    world.confirm(ref, HOSTILE)
    ticket = f"/tickets/{world.services.ledger.case(ref).ticket['ticket']}"
    for path in ("/cases", f"/cases/{ref}", ticket):
        page = client.get(path).text
        assert (in_ticket(HOSTILE) if path == ticket else HOSTILE) in html.unescape(page)
        assert not re.search(r"<(script|img src=x|i>|b>)", page), path
        assert not [link for link in links(page) if link.startswith(("javascript:", "data:"))], path


def test_a_reference_in_small_letters_leads_to_the_case(town: Any, visitor: TestClient) -> None:
    ref = town.opened
    answer = visitor.get(f"/cases/{ref.lower()}")
    assert (answer.status_code, answer.headers["Location"]) == (307, f"/cases/{ref}")


@pytest.mark.parametrize("ref", ["JF-999999", "JF-1", "x", "JF-000001%20x", "%00", "' OR 1=1"])
def test_an_unknown_case_is_a_page_that_says_what_to_do(visitor: TestClient, ref: str) -> None:
    answer = visitor.get(f"/cases/{ref}")
    assert answer.status_code == 404
    read = text_of(answer.text)
    assert "There is no case" in read
    assert "caseproof case list shows every reference." in read


def test_a_ticket_shows_its_text_its_comments_and_its_files(town: Any, visitor: TestClient) -> None:
    ref = town.closed
    case = town.world.services.ledger.case(ref)
    page = visitor.get("/tickets/T-000001").text
    read = text_of(page)
    assert f"[{ref}] Offers of shop A fails" in read
    assert "closed Ticket T-000001" in read
    assert "What fails: 401 from the marketplace" in read
    assert f"{ref} is closed. Proof:" in read
    assert "Attachments 2" in read
    assert {f"/evidence/{case.photo['evidence']}", f"/evidence/{case.proof['evidence']}", f"/cases/{ref}"} <= set(
        links(page)
    )


def test_a_ticket_says_which_of_its_files_is_damaged(world: Any, client: TestClient) -> None:
    ref = world.verified()
    assert "damaged or gone" not in client.get("/tickets/T-000001").text
    world.services.vault.path(world.services.ledger.case(ref).photo["evidence"]).unlink()
    assert "damaged or gone" in client.get("/tickets/T-000001").text


def test_a_ticket_that_no_case_made_is_shown_alone(world: Any, client: TestClient) -> None:
    ticket = world.desk.create("raised-by-hand", "The feed is empty", "Since this morning.")
    page = client.get(f"/tickets/{ticket.id.lower()}", follow_redirects=True).text
    assert "Since this morning." in text_of(page)
    assert "No file yet." in text_of(page)


@pytest.mark.parametrize("ticket", ["T-000009", "T-1", "17", "T-000001x"])
def test_an_unknown_ticket_is_a_page_that_says_what_to_do(visitor: TestClient, ticket: str) -> None:
    answer = visitor.get(f"/tickets/{ticket}")
    assert answer.status_code == 404
    assert "Open the ticket from its case" in text_of(answer.text)


def test_links_carry_the_path_of_the_public_address(
    make_world: Callable[..., Any], make_client: Callable[..., TestClient], logged_in: Callable[..., TestClient]
) -> None:
    world = make_world(public="https://ops.example.com/caseproof/")
    ref = world.opened()
    client = logged_in(world, make_client(world))
    assert {"/caseproof/", "/caseproof/?waits=team"} <= set(links(client.get("/").text))
    page = client.get("/cases").text
    assert f"/caseproof/cases/{ref}" in links(page)
    assert "/caseproof/static/style.css" in links(page)
