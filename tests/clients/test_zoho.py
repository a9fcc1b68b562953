"""Zoho Desk's client against a made-up Zoho Desk: made once, found again, read back, and refused in words."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from caseproof.desks.abilities import DeskAbility
from caseproof.desks.base import DeskCannot, DeskDown, DeskError, TicketStatus, UnknownTicket
from caseproof.desks.html_text import as_html
from caseproof.desks.marks import mark_of
from caseproof.desks.zoho import ZohoDesk
from caseproof.desks.zoho_wire import DATA_CENTRES, ZohoAccount
from caseproof.domain.errors import BadInput
from sandbox.farm_http import Asked
from sandbox.provider import Bad, Kind, running
from sandbox.zoho import CLIENT, CONTACT, DEPARTMENT, EMAIL, ORGANISATION, REFRESH, SECRET, ZohoSimulator
from tests.support.described import not_as_described
from tests.support.loopback import Loopback
from tests.support.lost_answers import LOST
from tests.support.specs import spec

KEY = "JF-000001"
NOT_DESCRIBED = ("/tickets/search",)
"""What the excerpt of the vendor's description leaves out, and would take for a ticket's number."""
OPEN, CLOSED = TicketStatus.OPEN, TicketStatus.CLOSED


def now() -> datetime:
    return datetime.now(UTC)


class Here:
    """A made-up Zoho Desk, and an installation that uses it. ``slept`` are the seconds that were waited."""

    def __init__(self, zoho: ZohoSimulator, url: str, home: Path) -> None:
        self.zoho, self.home = zoho, home
        self.account = ZohoAccount(
            "zoho", ORGANISATION, DEPARTMENT, CONTACT, CLIENT, SECRET, REFRESH,
            api_url=f"{url}/api/v1", login_url=url,
        )  # fmt: skip
        self.slept: list[float] = []
        self._open: list[ZohoDesk] = []
        self.desk = self.another()

    def another(self, clock: Callable[[], datetime] = now, read_seconds: float = 30, **other: Any) -> ZohoDesk:
        """A client as another process has it."""
        account = replace(self.account, **other)
        self._open.append(ZohoDesk(account, self.home, clock, sleep=self.slept.append, read_seconds=read_seconds))
        return self._open[-1]

    def close(self) -> None:
        for one in self._open:
            one.close()

    def made(self, key: str = KEY) -> str:
        return self.desk.create(key, f"[{key}] a job fails", "What fails: <all>\nand more").id


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Here]:
    with running(ZohoSimulator()) as (zoho, url), closing(Here(zoho, url, tmp_path)) as found:
        yield found
        try:
            described = spec("zoho-desk-tickets.json")
        except pytest.skip.Exception:
            return
        assert not_as_described(described, zoho.asked, NOT_DESCRIBED)[1] == []


def test_a_ticket_is_made_once_with_the_reference_the_department_and_the_contact(here: Here) -> None:
    first = here.desk.create(KEY, "[JF-000001] a job fails", "What fails: <b>all</b>\nand more")
    assert here.desk.create(KEY, "another subject", "") == first
    assert here.another().create(KEY, "another subject", "") == first, "in another process, too"
    (ticket,) = here.zoho.of(KEY)
    assert (ticket.department, ticket.contact) == (DEPARTMENT, CONTACT)
    said = f"What fails: &lt;b&gt;all&lt;/b&gt;<br/>and more<br/><br/>{mark_of(KEY)}"
    assert ticket.description == said, "nothing in it is markup"
    assert first.status is OPEN
    assert first.url.endswith(ticket.id)


def test_the_requests_are_what_the_vendor_describes(here: Here) -> None:
    described = spec("zoho-desk-tickets.json")
    number = here.made()
    here.desk.attach(number, "proof.json", b"{}", "application/json")
    here.desk.set_status(number, CLOSED)
    here.desk.set_status(number, OPEN)
    known, wrong = not_as_described(described, here.zoho.asked, NOT_DESCRIBED)
    assert (known >= 8, wrong) == (True, [])
    bad = Asked("POST", "/api/v1/tickets", {}, {"subject": 1, "colour": "red"}, {"content-type": "application/json"})
    assert len(not_as_described(described, [bad])[1]) >= 4, "this check can fail"


def test_a_ticket_that_the_search_does_not_know_yet_is_found_among_the_newest(here: Here) -> None:
    here.zoho.lag = 600
    number = here.made()
    others = [here.made(f"JF-{n:06d}") for n in range(2, 130)]  # more than a page of newer ones
    found = here.another().find(KEY)
    assert found is not None
    assert found.id == number
    assert here.another().find("JF-00000") is None, "what only begins so is another one"
    assert len(set(others)) == 128


@pytest.mark.parametrize("kind", ["drop", "hang after"])
def test_a_creation_whose_answer_is_lost_is_found_and_not_repeated(here: Here, kind: Kind) -> None:
    here.zoho.lag = 600
    here.zoho.bad = [Bad(kind, "POST /api/v1/tickets", 1, value=30)]
    ticket = here.another(read_seconds=LOST[kind]).create(KEY, "subject", "body")
    assert [one.id for one in here.zoho.of(KEY)] == [ticket.id]
    assert here.another().create(KEY, "subject", "body").id == ticket.id


def test_a_creation_that_failed_is_told_as_a_desk_that_is_down_and_made_later(here: Here) -> None:
    here.zoho.bad = [Bad("broken", "POST /api/v1/tickets", 1)]
    with pytest.raises(DeskDown, match="did not say whether it made the ticket of JF-000001"):
        here.made()
    assert here.made() == here.zoho.of(KEY)[0].id


def test_what_is_answered_as_done_and_is_not_is_an_error(here: Here) -> None:
    here.zoho.bad = [Bad("nothing", "POST /api/v1/tickets", 1)]
    with pytest.raises(DeskError, match="does not show it"):
        here.made()
    number = here.made()
    here.zoho.bad = [Bad("nothing", "POST")]
    with pytest.raises(DeskError, match="does not show it"):
        here.desk.comment(number, "a", "words")
    with pytest.raises(DeskError, match="does not list it with its 2 bytes"):
        here.desk.attach(number, "a.json", b"{}", "application/json")
    here.desk.set_status(number, CLOSED)
    assert here.desk.ticket(number).status is OPEN, "whoever asked for it reads it back"


def test_a_comment_is_made_once_a_key_for_the_team_alone_or_for_the_contact(here: Here) -> None:
    number = here.made()
    for _ in range(2):
        here.desk.comment(number, "one", "What <happened>")
        here.another().comment(number, "two", "Also", public=True)
    said = here.zoho.tickets[number].comments
    assert [(one["content"], one["isPublic"], one["contentType"]) for one in said] == [
        (f"What <happened>\n\n{mark_of('one')}", False, "plainText"),
        (f"Also\n\n{mark_of('two')}", True, "plainText"),
    ]
    here.another(public_comments=True).comment(number, "three", "For all")
    assert here.zoho.tickets[number].comments[-1]["isPublic"], "as the block says"


def test_a_comment_is_known_again_among_hundreds_and_after_a_lost_answer(here: Here) -> None:
    number = here.made()
    here.zoho.bad = [Bad("drop", "GET /api/v1/tickets", 3)]
    with pytest.raises(DeskDown):  # it was read thrice, and the connection broke each time
        here.desk.comment(number, "one", "words")
    here.zoho.bad = [Bad("drop", "POST /api/v1/tickets", 1)]
    here.desk.comment(number, "one", "words")
    for n in range(250):
        here.zoho.say(number, f"chatter {n}")
    here.another().comment(number, "one", "words")
    assert sum("words" in one["content"] for one in here.zoho.tickets[number].comments) == 1


def test_a_very_long_comment_keeps_the_mark_that_it_is_known_by(here: Here) -> None:
    number = here.made()
    for _ in range(2):
        here.desk.comment(number, "one", "x" * 90_000)
    (said,) = here.zoho.tickets[number].comments
    assert said["content"].endswith(mark_of("one"))
    assert len(said["content"]) <= 32_000


def test_a_file_is_attached_once_and_read_back_by_name_and_size(here: Here) -> None:
    number = here.made()
    content = bytes(range(256)) * 40 + b"\r\n--boundary"
    there = here.desk.attach(number, "JF-000001-successful-run-1.png", content, "image/png")
    assert here.another().attach(number, there.name, content, "image/png") == there
    assert here.desk.attachments(number) == [there]
    assert (there.size, here.zoho.tickets[number].contents[there.id]) == (len(content), content)
    here.zoho.bad = [Bad("drop", "POST", 1)]
    here.desk.attach(number, "proof.json", b"{}", "application/json")
    assert [one.name for one in here.desk.attachments(number)] == [there.name, "proof.json"]
    for n in range(120):
        here.desk.attach(number, f"{n}.txt", b"x", "text/plain") if n > 117 else here.zoho.tickets[number].files.append(
            {"id": str(n), "name": f"{n}.txt", "size": "1"}
        )
    assert len(here.desk.attachments(number)) == 122, "however many pages"
    with pytest.raises(DeskError, match="larger than the 20 MB"):
        here.desk.attach(number, "large", b"x" * 20_000_001, "video/mp4")


def test_a_ticket_is_closed_and_opened_by_the_type_of_its_status_whatever_that_is_called(here: Here) -> None:
    number = here.made()
    here.zoho.rename("Closed", "Erledigt")
    here.zoho.rename("Open", "Offen")
    here.desk.set_status(number, CLOSED)
    assert (here.zoho.tickets[number].status, here.desk.ticket(number).status) == ("Erledigt", CLOSED)
    here.desk.set_status(number, OPEN)
    assert (here.zoho.tickets[number].status, here.desk.ticket(number).status) == ("Offen", OPEN)
    here.zoho.set(number, "On Hold")
    assert here.desk.ticket(number).status is OPEN, "on hold is not closed"
    named = here.another(closed_status="Closed", open_status="Escalated")  # the block has the name of before
    named.set_status(number, CLOSED)
    assert named.ticket(number).status is CLOSED
    named.set_status(number, OPEN)
    assert here.zoho.tickets[number].status == "Escalated"


def test_closing_what_is_closed_asks_for_nothing(here: Here) -> None:
    number = here.made()
    for _ in range(3):
        here.desk.set_status(number, CLOSED)
    assert here.zoho.tickets[number].closed_times == 1


def test_a_deleted_ticket_is_an_unknown_one_and_nothing_is_written_to_it(here: Here) -> None:
    number = here.made()
    here.zoho.delete(number)
    for attempt in (
        lambda: here.desk.ticket(number), lambda: here.desk.comment(number, "a", "b"),
        lambda: here.desk.attachments(number), lambda: here.desk.set_status(number, CLOSED),
        lambda: here.desk.attach(number, "a", b"b", "text/plain"), lambda: here.desk.ticket("T-000001"),
        lambda: here.desk.ticket("../departments"),
    ):  # fmt: skip
        with pytest.raises(UnknownTicket):
            attempt()
    assert here.desk.find(KEY) is None


def test_a_merged_ticket_is_followed_and_the_other_one_says_so_once(here: Here) -> None:
    number, other = here.made(), here.made("JF-000002")
    here.zoho.merge(number, other)
    here.desk.comment(number, "one", "words")
    here.another().attach(number, "a.txt", b"a", "text/plain")
    here.desk.set_status(number, CLOSED)
    alive = here.zoho.tickets[other]
    assert here.desk.ticket(number) == here.desk.ticket(other)
    assert (here.desk.ticket(number).id, here.desk.ticket(number).status) == (other, CLOSED)
    assert [one["content"].partition("\n")[0] for one in alive.comments] == [
        f"The ticket {number} was merged into this one. Caseproof goes on here.", "words",
    ]  # fmt: skip
    assert not here.zoho.tickets[number].comments
    assert here.zoho.tickets[number].status == "Open"
    assert [one["name"] for one in alive.files] == ["a.txt"]


# -- what people do at the desk ------------------------------------------------------------------------------------


def test_what_people_write_on_a_ticket_is_told_apart_from_our_own_comments(here: Here) -> None:
    number = here.made()
    here.desk.comment(number, "one", "Ours")
    here.zoho.say(number, "<p>We renewed the token.<br>Token: <b>sk_live_abcdefghijklmnop1234</b></p>", who="An agent")
    ours, theirs = here.desk.comments(number)
    here.zoho.say(number, f"<blockquote>{ours.text}</blockquote>", who="Another agent")
    assert (ours.ours, theirs.ours, here.desk.comments(number)[2].ours) == (True, False, False), "a quotation is theirs"
    assert (theirs.by, theirs.public) == ("An agent", False)
    assert theirs.text.startswith("We renewed the token.\nToken")
    assert "sk_live" not in theirs.text, "what comes in is without secrets"
    assert [one.id for one in here.desk.comments(number)] == sorted(one.id for one in here.desk.comments(number))


def test_tickets_that_people_raised_in_the_queue_are_told_and_none_of_our_own(here: Here) -> None:
    start = now() - timedelta(seconds=1)
    desk = here.another(queue="Front line", queue_filter="cf_kind = Job Failure", department="Front line")
    here.zoho.fields.add("cf_kind")
    first = here.zoho.raise_ticket("Feed is down", "<div>since <b>9</b></div>", email="shop@example.com",
                                   cf_kind="job failure")  # fmt: skip
    here.zoho.raise_ticket("My printer", "It jams", cf_kind="other")
    closed = here.zoho.raise_ticket("Done already", "", cf_kind="job failure")
    here.zoho.set(closed, "Closed")
    here.zoho.raise_ticket("Elsewhere", "", department=DEPARTMENT, cf_kind="job failure")
    desk.create(KEY, "ours", "")
    last = here.zoho.raise_ticket("Sync is down", "", cf_kind="job failure")
    told = desk.raised(start)
    assert [one.ticket.id for one in told] == [first, last]
    assert (told[0].by, told[0].body, told[0].ticket.subject) == ("shop@example.com", "since 9", "Feed is down")
    assert [one.ticket.id for one in desk.raised(told[0].at)] == [last]
    with pytest.raises(DeskCannot, match="names no queue"):
        here.desk.raised(start)
    assert DeskAbility.RAISED in desk.abilities
    assert DeskAbility.RAISED not in here.desk.abilities


def test_a_probe_reads_and_says_what_is_missing(here: Here) -> None:
    probed = here.another(queue="Front line", contact=EMAIL, department="Integrations").probe()
    assert (probed.found, probed.lacks) == (
        "its tickets can be read, and found by their reference; so is the queue",
        (),
    )
    assert probed.clock is not None
    assert abs(probed.clock - now()) < timedelta(seconds=5)
    assert all(one.method == "GET" or one.path == "/oauth/v2/token" for one in here.zoho.asked), "nothing is written"
    with pytest.raises(DeskError, match="has no field cf_other that tickets are found by"):
        here.another(reference_field="cf_other").probe()


# -- tokens and turns ---------------------------------------------------------------------------------------------


def test_one_token_serves_all_processes_and_only_its_owner_reads_it(here: Here) -> None:
    desks = [here.another() for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda desk: desk.find("x"), desks))
    assert len(here.zoho.refreshes) == 1
    (file,) = (here.home / "desks").glob("*.json")
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert SECRET not in file.read_text()
    assert REFRESH not in file.read_text()


def test_a_token_that_was_taken_back_is_renewed_once_by_whoever_is_first(here: Here) -> None:
    moment = now()
    desks = [here.another(lambda: moment) for _ in range(8)]
    desks[0].find("x")
    here.zoho.revoke()
    moment += timedelta(minutes=3)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda desk: desk.find("x"), desks)) == [None] * 8
    assert len(here.zoho.refreshes) == 2, "one refresh, not a storm"


def test_a_token_is_renewed_before_it_ends(here: Here) -> None:
    moment = now()
    desk = here.another(lambda: moment)
    desk.find("x")
    moment += timedelta(minutes=58)
    desk.find("x")
    assert len(here.zoho.refreshes) == 1
    moment += timedelta(minutes=1, seconds=1)
    desk.find("x")
    assert len(here.zoho.refreshes) == 2


def test_a_refresh_token_that_was_taken_back_is_refused_in_words_and_not_asked_again_at_once(here: Here) -> None:
    moment = now()
    here.zoho.revoke(refresh=True)
    for _ in range(5):
        with pytest.raises(DeskError, match="refuses the refresh token: it was taken back") as refused:
            here.another(lambda: moment).find("x")
        assert REFRESH not in str(refused.value)
        assert not isinstance(refused.value, DeskDown)
    assert len(here.zoho.refreshes) == 1
    here.zoho.refresh_token, moment = REFRESH, moment + timedelta(minutes=3)
    assert here.another(lambda: moment).find("x") is None


def test_a_token_that_is_refused_right_after_it_was_given_is_refused_in_words(here: Here) -> None:
    here.zoho.lives = -1
    for _ in range(4):
        with pytest.raises(DeskError, match="refuses a token that it gave a moment ago"):
            here.another().find("x")
    assert len(here.zoho.refreshes) <= 8


def test_no_more_tokens_are_asked_for_than_are_given(here: Here) -> None:
    start, seconds = now(), [0.0]
    here.zoho.now, here.zoho.lives = lambda: seconds[0], 70.0
    desk = here.another(lambda: start + timedelta(seconds=seconds[0]))
    for _ in range(8):
        desk.find("x")
        seconds[0] += 15.0
    for _ in range(3):
        with pytest.raises(DeskDown, match="asked for 8 tokens within ten minutes"):
            here.another(lambda: start + timedelta(seconds=seconds[0])).find("x")
    assert len(here.zoho.refreshes) == 8
    seconds[0] = 610.0
    assert desk.find("x") is None


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"client_id": "1000.OTHER"}, "refuses the client id"),
        ({"client_secret": "another"}, "refuses the client secret"),
        ({"organisation": "70009999"}, "FORBIDDEN.*do not belong to this organisation"),
        ({"reference_field": "cf_other"}, "INVALID_DATA"),
        ({"department": "Nowhere"}, "no department 'Nowhere'"),
        ({"contact": "nobody@example.com"}, "no contact with the address nobody@example.com"),
    ],
)
def test_what_is_wrong_in_the_block_is_said(here: Here, other: dict[str, Any], said: str) -> None:
    with pytest.raises(DeskError, match=said) as refused:
        here.another(**other).create(KEY, "subject", "body")
    assert refused.value.next_action
    assert not isinstance(refused.value, DeskDown)
    assert not here.zoho.tickets


def test_the_department_and_the_contact_are_looked_up_once(here: Here) -> None:
    desk = here.another(department="integrations", contact=EMAIL.upper().replace("EXAMPLE.COM", "example.com"))
    desk.find("x")
    assert here.another(department="integrations", contact=EMAIL).create(KEY, "s", "b").id
    asked = [one.path for one in here.zoho.asked]
    assert (asked.count("/api/v1/departments"), asked.count("/api/v1/contacts/search")) == (2, 1)


def test_too_many_requests_are_waited_for_as_long_as_it_asks(here: Here) -> None:
    here.zoho.bad = [Bad("too many", "", 2, value=7)]
    here.desk.find("x")
    assert [one for one in here.slept if one == 7] == [7, 7]
    here.zoho.bad = [Bad("too many", "", value=90)]
    with pytest.raises(DeskDown, match="Try again in 90 seconds"):
        raise_down(here)


def raise_down(here: Here) -> None:
    try:
        here.another().find("x")
    except DeskDown as down:
        raise DeskDown(down.next_action) from down


def test_no_more_calls_are_under_way_than_the_edition_takes_over_all_clients(here: Here) -> None:
    def takes_long_until_three_were_there(_: Asked) -> None:
        here.zoho.takes = 0.5 if here.zoho.most_at_once < 3 else 0.01

    here.zoho.at_once, here.zoho.dice = 3, takes_long_until_three_were_there
    desks = [here.another(concurrency=3) for _ in range(6)]
    with ThreadPoolExecutor(12) as pool:
        made = list(pool.map(lambda n: desks[n % 6].create(f"JF-{n:06d}", "s", "b").id, range(18)))
    assert (len(set(made)), here.zoho.too_many, here.zoho.most_at_once) == (18, 0, 3)


def test_a_process_that_dies_gives_its_turn_back(here: Here) -> None:
    import multiprocessing

    context = multiprocessing.get_context("fork")
    desk = here.another(concurrency=1)
    desk.find("x")
    hold = context.Process(target=_take_and_die, args=(here.home,))
    hold.start()
    hold.join(60)
    assert desk.find("x") is None


def _take_and_die(home: Path) -> None:
    import os
    import signal

    from caseproof.http.slots import Slots

    (folder,) = (one for one in (home / "desks").iterdir() if one.is_dir())
    with Slots(folder, 1, "it", down=DeskDown).taken():
        os.kill(os.getpid(), signal.SIGKILL)


# -- what is not Zoho Desk -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["nonsense"])
def test_a_page_instead_of_an_answer_is_said(here: Here, kind: Kind) -> None:
    here.desk.find("x")
    here.zoho.bad = [Bad(kind, "/api/v1")]
    with pytest.raises(DeskError, match=r"a web page: something that is not .*Zoho Desk"):
        here.desk.ticket("123")
    here.zoho.bad = [Bad(kind, "/oauth")]
    with pytest.raises(DeskError, match=r"a web page: something that is not .*Zoho Desk"):
        here.another(client_id="1000.OTHER").ticket("123")


def test_a_wrong_base_address_is_said_as_such(here: Here) -> None:
    with pytest.raises(DeskError, match="is not Zoho Desk"):
        here.another(api_url=here.account.api_url.removesuffix("/api/v1")).ticket("123")
    with Loopback({"/api/v1/tickets/123": (502, {"Content-Type": "text/html"}, b"<h1>Bad gateway</h1>")}) as proxy:
        with pytest.raises(DeskDown, match="it answered 502"):
            here.another(api_url=f"{proxy.url}/api/v1").ticket("123")
        proxy.answers["/api/v1/tickets/123"] = (403, {"Content-Type": "text/html"}, b"<h1>Denied by the proxy</h1>")
        with pytest.raises(DeskError, match="is not Zoho Desk"):
            here.another(api_url=f"{proxy.url}/api/v1").ticket("123")
    with pytest.raises(DeskDown, match="cannot be reached"):
        here.another(api_url=f"{proxy.url}/api/v1").ticket("123")


def test_no_error_holds_a_secret(here: Here) -> None:
    for kind in ("broken", "nonsense", "drop"):
        here.zoho.bad = [Bad(kind)]
        with pytest.raises(DeskError) as error:
            here.another().find("x")
        said = f"{error.value} {error.value.__cause__} {here.desk!r} {here.account!r}"
        assert not any(secret in said for secret in (SECRET, REFRESH, "made-up-access"))


@pytest.mark.parametrize(
    "other",
    [
        {"organisation": "our shop"}, {"data_centre": "moon"}, {"reference_field": "Caseproof"}, {"concurrency": 0},
        {"concurrency": 26}, {"api_url": "ftp://desk.example.com"}, {"refresh_token": " "}, {"department": ""},
    ],
)  # fmt: skip
def test_an_account_that_lacks_something_is_refused_before_anything_is_asked(here: Here, other: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        replace(here.account, **other)


def test_every_data_centre_has_its_addresses() -> None:
    account = ZohoAccount("zoho", ORGANISATION, DEPARTMENT, CONTACT, CLIENT, SECRET, REFRESH, data_centre="eu")
    assert (account.desk, account.login) == ("https://desk.zoho.eu/api/v1", "https://accounts.zoho.eu")
    assert {"com", "eu", "in", "com.au", "jp", "ca", "sa", "uk"} <= DATA_CENTRES.keys()
    assert as_html("a & b\n\n<c>") == "a &amp; b<br/><br/>&lt;c&gt;"


def test_the_lock_of_threads_is_no_matter_of_one_process(here: Here) -> None:
    """Two threads of one process that both find the token over: one asks, the other waits for it."""
    desk, both = here.another(), threading.Barrier(4)

    def look(_: int) -> object:
        both.wait()
        return desk.find("x")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(look, range(4)))
    assert len(here.zoho.refreshes) == 1


# -- what a made-up desk does not do by itself -----------------------------------------------------------------------


def test_a_list_that_does_not_show_the_reference_hides_no_ticket_of_ours(here: Here) -> None:
    """Which fields a list shows is the vendor's business: what it leaves out is read of the ticket itself."""
    here.zoho.lag = 600
    here.zoho.lists_fields = False
    number = here.made()
    found = here.another().find(KEY)
    assert found is not None
    assert found.id == number
    assert here.another().create(KEY, "again", "").id == number


def test_a_reference_is_found_behind_a_page_of_others_that_the_search_takes_for_it(here: Here) -> None:
    here.zoho.lag = -1
    for n in range(120):
        here.zoho.raise_ticket("another", "", **{"cf_caseproof": f"{KEY}-{n}"})
    number = here.made()
    found = here.another().find(KEY)
    assert found is not None
    assert found.id == number
    assert any("/tickets/search" in one.path and one.query["from"] == "100" for one in here.zoho.asked)


def test_a_ticket_that_is_deleted_while_the_queue_is_read_keeps_no_other_from_being_told(here: Here) -> None:
    desk = here.another(queue="Front line")
    start = now() - timedelta(seconds=1)
    here.zoho.raise_ticket("Feed is down", "")
    gone = here.zoho.raise_ticket("Spam", "")
    last = here.zoho.raise_ticket("Sync is down", "")
    here.zoho.bad = [Bad("gone", f"GET /api/v1/tickets/{gone}")]
    assert [one.ticket.subject for one in desk.raised(start)] == ["Feed is down", "Sync is down"]
    assert desk.raised(start)[-1].ticket.id == last


@pytest.mark.parametrize("letter", ["&", "<", "\n", "😀", "x"], ids=["and", "less", "line", "emoji", "x"])
def test_a_description_that_is_too_long_is_cut_between_two_characters(here: Here, letter: str) -> None:
    here.desk.create(KEY, "subject", f"Beginning\n{letter * 70_000}x\nEnd")
    (ticket,) = here.zoho.of(KEY)
    assert len(ticket.description.encode("utf-16-le")) // 2 <= 65_000
    whole, end = as_html(letter) or "<br/>", f"<br/><br/>{mark_of(KEY)}"
    assert ticket.description.endswith(f"…{end}")
    rest = ticket.description.removeprefix("Beginning<br/>").removesuffix(f"…{end}")
    assert rest.replace(whole, "") == "", "no half of a mark or an entity"


@pytest.mark.parametrize("letter", ["😀", "x", "<"], ids=["emoji", "x", "less"])
def test_a_comment_that_is_too_long_is_cut_and_is_there_once(here: Here, letter: str) -> None:
    number = here.made()
    for _ in range(2):
        here.desk.comment(number, "one", letter * 40_000)
    (comment,) = here.zoho.tickets[number].comments
    assert len(comment["content"].encode("utf-16-le")) // 2 <= 32_000
    assert comment["content"].endswith(mark_of("one"))
    assert here.desk.comments(number)[0].text.endswith("…")


def test_a_subject_of_several_lines_is_one_line(here: Here) -> None:
    here.desk.create(KEY, "a job\r\nfails\x00\tbadly", "")
    assert here.zoho.of(KEY)[0].subject == "a job fails badly"


@pytest.mark.parametrize("lag", [0, 600])
def test_a_desk_that_keeps_no_reference_gets_one_ticket_and_not_one_with_each_try(here: Here, lag: float) -> None:
    """The custom field is on no layout, say: what is made is not found by it, and the keeper tries again for days."""
    here.zoho.drops, here.zoho.lag = {"cf_caseproof"}, lag
    for _ in range(4):
        with pytest.raises(DeskError, match=r"without its reference.*Put the field cf_caseproof into the department"):
            here.another().create(KEY, "[JF-000001] a job fails", "")
    assert len(here.zoho.tickets) == 1
    ours = here.another(queue=DEPARTMENT).raised(now() - timedelta(minutes=1))
    assert ours == [], "and it is none that a person raised"
    here.zoho.drops = set()
    ticket = here.another().create(KEY, "[JF-000001] a job fails", "")
    assert [one.id for one in here.zoho.of(KEY)] == [ticket.id]
    assert len(here.zoho.tickets) == 1


def test_a_ticket_of_others_with_the_same_subject_is_not_taken_for_ours(here: Here) -> None:
    theirs = here.zoho.raise_ticket("[JF-000001] a job fails", "", department=DEPARTMENT)
    here.zoho.raise_ticket("[JF-000001] a job fails", "", department=DEPARTMENT, cf_caseproof="JF-000077")
    assert here.made() != theirs
    assert here.zoho.tickets[theirs].fields == {}


def test_none_of_our_own_tickets_is_taken_for_a_persons_where_the_list_shows_no_reference(here: Here) -> None:
    desk = here.another(queue=DEPARTMENT)
    here.zoho.tickets[made := here.made()].description = "As an older version wrote it, without a mark."
    here.zoho.lists_fields = False
    theirs = here.zoho.raise_ticket("Late", "<p>Job: x</p>", department=DEPARTMENT)
    assert made != theirs
    assert [one.ticket.id for one in desk.raised(now() - timedelta(minutes=5))] == [theirs]
