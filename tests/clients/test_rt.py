"""Request Tracker's client against a made-up one, and where that can be asked a real one too (`make test-rt`).

Made once, found again though merged, read back, closed by its lifecycle, refused in words.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from caseproof.desks import rt_api
from caseproof.desks.base import DeskDown, DeskError, TicketStatus, UnknownTicket
from caseproof.desks.marks import mark_of
from caseproof.desks.rt import RequestTracker
from caseproof.desks.rt_wire import LARGEST_FILE, RtAccount
from caseproof.domain.errors import BadInput
from sandbox.provider import Bad, Kind, running
from sandbox.rt import ELSEWHERE, FIELD, NUMBER, PASSWORD, QUEUE, RAISED, TOKEN, USER, RtSimulator
from tests.support.lost_answers import LOST
from tests.support.request_tracker import BARE, NARROW, RIGHTS
from tests.support.rt_desks import RTS, request_tracker_of

KEY, OTHER = "JF-000001", "JF-000002"
OPEN, CLOSED = TicketStatus.OPEN, TicketStatus.CLOSED
LATIN = "Größe\r\n".encode("latin-1")


class Here:
    """A Request Tracker, its people, and a client of it. ``slept`` are the seconds that were waited."""

    def __init__(self, people: Any, url: str) -> None:
        self.people = people
        self.account = RtAccount("rt", url, USER, QUEUE, password=PASSWORD, raised=RAISED)
        self.slept: list[float] = []
        self._open: list[RequestTracker] = []
        self.desk = self.another()

    def another(
        self, read_seconds: float = 30, transport: httpx.BaseTransport | None = None, **other: Any
    ) -> RequestTracker:
        """A client as another process has it."""
        account = replace(self.account, **other)
        desk = RequestTracker(account, transport=transport, sleep=self.slept.append, read_seconds=read_seconds)
        self._open.append(desk)
        return desk

    def close(self) -> None:
        for one in self._open:
            one.close()

    def made(self, key: str = KEY) -> str:
        return self.desk.create(key, "Feed fails", "It fails.").id


class MadeUp(Here):
    """One that is made up: ``rt`` is it."""

    def __init__(self, rt: RtSimulator, url: str) -> None:
        super().__init__(rt, url)
        self.rt = rt

    def calls(self, what: str) -> int:
        return sum(what in f"{one.method} {one.path}" for one in self.rt.asked)


class Before(httpx.BaseTransport):
    """Has something done before each change of a ticket, and may change the answers."""

    def __init__(self, does: Callable[[], object], answers: Callable[[httpx.Response], None] = lambda _: None) -> None:
        self._inner, self._does, self._answers = httpx.HTTPTransport(), does, answers

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "PUT":
            self._does()
        answer = self._inner.handle_request(request)
        self._answers(answer)
        return answer

    def close(self) -> None:
        self._inner.close()


@pytest.fixture
def here() -> Iterator[MadeUp]:
    with running(RtSimulator()) as (rt, url), closing(MadeUp(rt, url)) as found:
        yield found


@pytest.fixture(params=RTS)
def both(request: pytest.FixtureRequest) -> Iterator[Here]:
    """Each of them: what is asked of it is true of the real one."""
    with request_tracker_of(request.param) as (people, url):
        found = MadeUp(people, url) if isinstance(people, RtSimulator) else Here(people, url)
        with closing(found):
            yield found


# -- made once, and found again -------------------------------------------------------------------------------------


def test_a_ticket_is_found_by_its_key_alone_whatever_signs_are_in_it(both: Here) -> None:
    keys = ["JF-000001", "it's \\ a key", "jf-000001", "SC-000001/support/1", "Größe'"]
    made = {key: both.made(key) for key in keys}
    assert len(set(made.values())) == len(keys)
    assert {key: both.another().create(key, "another subject", "").id for key in keys} == made
    assert both.desk.find("JF-00000") is None
    assert both.desk.find("x' OR id > 0 OR Subject = 'x") is None


def test_a_merged_ticket_is_followed_and_the_other_one_is_told_so_once(both: Here) -> None:
    dead, alive = both.made(KEY), both.made(OTHER)
    both.people.merge(dead, alive)
    found = both.another().find(KEY)
    assert found is not None
    assert found.id == both.desk.ticket(dead).id == both.another().create(KEY, "Feed fails", "").id == alive
    for desk in (both.desk, both.another()):
        desk.comment(dead, f"{KEY}/1", "Stopped.")
    both.desk.set_status(dead, CLOSED)
    texts = [one.text for one in both.desk.comments(alive)]
    assert texts == [f"The ticket #{dead} was merged into this one. Caseproof goes on here.", "Stopped."]
    assert both.desk.ticket(alive).status is CLOSED


def test_a_ticket_that_was_moved_to_a_queue_without_the_field_is_found_and_not_made_again(both: Here) -> None:
    if isinstance(both, MadeUp):
        both.rt.fields[BARE] = set()
    number = both.made()
    both.people.move(number, BARE)
    found = both.another().find(KEY)
    assert found is not None
    assert found.id == number == both.another().create(KEY, "Feed fails", "").id
    assert both.another().find(KEY.lower()) is None
    both.desk.comment(number, "a", "words")
    both.desk.set_status(number, CLOSED)
    assert both.desk.ticket(number).status is CLOSED


def test_a_ticket_that_was_merged_where_we_may_not_look_is_not_made_again(here: MadeUp) -> None:
    dead, alive = here.made(), here.rt.raise_ticket("Theirs", "", queue=RAISED)
    here.rt.merge(dead, alive)
    here.rt.hidden.add(int(alive))
    with pytest.raises(DeskError, match="403") as told:
        here.made()
    assert "ShowTicket" in told.value.next_action
    assert len(here.rt.tickets) == 2


def test_a_field_that_may_not_be_set_leaves_one_ticket_and_not_one_a_try(here: MadeUp) -> None:
    here.rt.rights.discard("ModifyCustomField")
    for _ in range(2):
        with pytest.raises(DeskError, match=r"made the ticket #1 of JF-000001 and does not keep its reference") as told:
            here.made()
    assert "ModifyCustomField" in told.value.next_action
    assert len(here.rt.tickets) == 1
    with pytest.raises(DeskError, match="the ticket #2 of JF-000002"):  # with the same subject, and it is another one
        here.made(OTHER)
    here.rt.rights.add("ModifyCustomField")
    assert (here.made(OTHER), here.made()) == ("2", "1")


def test_without_the_field_in_the_queue_nothing_is_made(here: MadeUp) -> None:
    for rights, fields in (({"SeeCustomField"}, set()), (set(), {"Caseproof"})):
        here.rt.rights -= rights
        here.rt.fields[QUEUE] -= fields
        with pytest.raises(DeskError, match="has no custom field 'Caseproof'") as told:
            here.made()
        assert "SeeCustomField" in told.value.next_action
        here.rt.rights |= rights
    assert here.rt.tickets == {}


@pytest.mark.parametrize("kind", ["drop", "hang after"])
def test_a_creation_whose_answer_is_lost_is_found_and_not_repeated(here: MadeUp, kind: Kind) -> None:
    here.rt.bad = [Bad(kind, "POST /REST/2.0/ticket", 1, value=30)]
    ticket = here.another(read_seconds=LOST[kind]).create(KEY, "subject", "body")
    assert [str(one.id) for one in here.rt.of(KEY)] == [ticket.id]
    assert here.another().create(KEY, "subject", "body").id == ticket.id
    assert here.slept == [0.5], "it looks a moment later"


def test_a_creation_that_failed_is_told_as_a_desk_that_is_down_and_made_later(here: MadeUp) -> None:
    here.rt.bad = [Bad("broken", "POST /REST/2.0/ticket", 1)]
    with pytest.raises(DeskDown, match="did not say whether it made the ticket of JF-000001"):
        here.made()
    assert here.made() == "1"


def test_a_deleted_ticket_is_not_found_and_another_one_is_made(both: Here) -> None:
    gone = both.made()
    both.people.delete(gone)
    assert both.desk.find(KEY) is None
    assert both.made() != gone


# -- what is answered as done, and is not --------------------------------------------------------------------------


def test_what_is_answered_as_done_and_is_not_is_an_error(here: MadeUp) -> None:
    here.rt.bad = [Bad("nothing", "POST /REST/2.0/ticket", 1)]
    with pytest.raises(DeskError, match="no ticket '2000000'"):
        here.made()
    number = here.made()
    here.rt.bad = [Bad("nothing", f" /REST/2.0/ticket/{number}")]
    with pytest.raises(DeskError, match=r"took what was written on #1 \(comment\), and does not show it"):
        here.desk.comment(number, "a", "words")
    with pytest.raises(DeskError, match="does not show it"):
        here.desk.attach(number, "a.json", b"{}", "application/json")
    with pytest.raises(DeskError, match=r"leaves #1 'new', and not closed \(Ticket 1: Status changed from"):
        here.desk.set_status(number, CLOSED)


@pytest.mark.parametrize("kind", ["drop", "hang after"])
def test_a_change_whose_answer_is_lost_counts_once_where_it_took_effect(here: MadeUp, kind: Kind) -> None:
    number = here.made()
    desk = here.another(read_seconds=LOST[kind])
    here.rt.bad = [Bad(kind, f"{how} /REST/2.0/ticket/{number}", 1, value=30) for how in ("POST", "PUT")]
    desk.comment(number, "a", "words")
    desk.set_status(number, CLOSED)
    here.rt.bad = [Bad(kind, f"POST /REST/2.0/ticket/{number}", 1, value=30)]
    desk.attach(number, "a.json", b"{}", "application/json")
    assert [one.text for one in desk.comments(number)] == ["words", "a.json"]
    assert (desk.ticket(number).status, here.calls(" /REST/2.0/ticket/1/comment"), here.calls("PUT")) == (CLOSED, 2, 1)


def test_a_status_that_is_refused_with_200_is_an_error_that_says_what_there_is(both: Here) -> None:
    number = both.made()
    desk = both.another(closed_status="done")
    with pytest.raises(
        DeskError, match=r"leaves #[0-9]+ 'new', and not closed \(.*'done' isn't a valid status"
    ) as told:
        desk.set_status(number, CLOSED)
    assert not isinstance(told.value, DeskDown)
    assert "resolved" in told.value.next_action
    assert desk.ticket(number).status is OPEN


def test_a_ticket_that_waits_for_another_is_not_closed_and_says_why(both: Here) -> None:
    number = both.made()
    other = both.people.block(number)
    with pytest.raises(DeskError, match="unresolved dependencies"):
        both.desk.set_status(number, CLOSED)
    both.people.set(other, "resolved")
    both.desk.set_status(number, CLOSED)
    assert both.desk.ticket(number).status is CLOSED


def test_what_we_may_not_do_is_refused_or_told_and_makes_nothing_twice(both: Here) -> None:
    """Of a real one it shows that the made-up one is right about what RT does without a right."""
    if isinstance(both, MadeUp):
        both.rt.fields[NARROW] = {FIELD}
        both.rt.rights = set(RIGHTS.split())
    desk = both.another(queue=NARROW)
    for _ in range(2):
        with pytest.raises(DeskError, match="does not keep its reference in Caseproof") as told:
            desk.create(KEY, "Feed fails", "It fails.")
    number = told.value.problem.partition("#")[2].partition(" ")[0]
    assert str(int(number)) == number
    for call in (
        lambda: desk.comment(number, "a", "words"),
        lambda: desk.comment(number, "a", "words", public=True),
        lambda: desk.attach(number, "a.json", b"{}", "application/json"),
        lambda: desk.set_status(number, CLOSED),
    ):
        with pytest.raises(DeskError, match=r"Permission Denied|Forbidden"):
            call()
    with pytest.raises(DeskError, match=f"the ticket #{int(number) + 1} of {OTHER}"):
        desk.create(OTHER, "Feed fails", "It fails.")
    lacks = " ".join(both.another(queue=NARROW, raised="").probe().lacks)
    assert [right for right in ("CommentOnTicket", "ReplyToTicket", "ModifyTicket") if right not in lacks] == []
    assert f"seen by #{int(number) + 1}" in lacks, "the newest one shows it"
    with pytest.raises(DeskError, match="does not keep its reference"):
        both.another(queue=NARROW).create(KEY, "Feed fails", "It fails.")
    assert desk.find(KEY) is None


# -- open and closed ------------------------------------------------------------------------------------------------


def test_a_ticket_that_others_change_meanwhile_is_read_again_and_tried_anew_and_not_for_ever(both: Here) -> None:
    number = both.made()
    left = [2]

    def meddle() -> None:
        if left[0]:
            left[0] -= 1
            both.people.say(number, "A word.")

    both.another(transport=Before(meddle)).set_status(number, CLOSED)
    assert (left, both.desk.ticket(number).status) == ([0], CLOSED)
    left[0] = 99
    with pytest.raises(DeskDown, match="was changed by somebody each time"):
        both.another(transport=Before(meddle)).set_status(number, OPEN)
    assert left == [95]
    assert both.desk.ticket(number).status is CLOSED


def test_what_somebody_else_closed_meanwhile_is_not_closed_again(both: Here) -> None:
    number = both.made()
    both.another(transport=Before(lambda: both.people.set(number, "rejected"))).set_status(number, CLOSED)
    assert both.people.status_of(number) == "rejected"


def test_an_etag_that_a_web_server_in_front_added_to_is_sent_as_it_was(both: Here) -> None:
    def pack(answer: httpx.Response) -> None:
        if "etag" in answer.headers:
            answer.headers["etag"] = f'W/{answer.headers["etag"].removesuffix(chr(34))}-gzip"'

    number = both.made()
    both.another(transport=Before(lambda: None, pack)).set_status(number, CLOSED)
    assert both.desk.ticket(number).status is CLOSED


def test_a_ticket_is_closed_by_its_lifecycle_whatever_the_statuses_are_called(both: Here) -> None:
    named = {"queue": ELSEWHERE, "closed_status": "finished", "open_status": "working"}
    if isinstance(both, MadeUp):
        for was, now in (("resolved", "finished"), ("new", "fresh"), ("open", "working")):
            both.rt.rename(was, now)
    desk = both.another(**named)
    number = desk.create(KEY, "Feed fails", "").id
    for status in (CLOSED, OPEN, CLOSED):
        desk.set_status(number, status)
        assert desk.ticket(number).status is status
    assert both.another(**named).find(KEY) == desk.ticket(number)
    both.people.set(number, "working")
    with pytest.raises(DeskError, match="'resolved' isn't a valid status") as told:
        both.desk.set_status(number, CLOSED)
    assert "Name another status in the block, now 'resolved'" in told.value.next_action


def test_a_comment_for_the_customer_leaves_a_closed_ticket_closed(both: Here) -> None:
    number = both.made()
    both.desk.set_status(number, CLOSED)
    both.desk.comment(number, "a", "It runs again.", public=True)
    assert both.desk.ticket(number).status is CLOSED
    [said] = both.desk.comments(number)
    assert (said.text, said.public, said.ours) == ("It runs again.", True, True)
    both.people.say(number, "And now?", public=True)
    assert both.desk.ticket(number).status is OPEN, "what a person says opens it"


# -- comments and files ---------------------------------------------------------------------------------------------


def test_ours_is_told_from_what_people_write_also_where_they_end_as_we_do(both: Here) -> None:
    number = both.made()
    both.people.say(number, f"They say.\n\n{mark_of('a')}")
    both.desk.comment(number, "a", "We say: Größe ✓\n\n> a\n<b>")
    both.people.say(number, "<p>In <b>HTML</b>,<br>two lines &amp; more</p>", kind="text/html")
    said = [(one.text, one.ours) for one in both.desk.comments(number)]
    assert said == [
        (f"They say.\n\n{mark_of('a')}", False),
        ("We say: Größe ✓\n\n> a\n<b>", True),
        ("In HTML,\ntwo lines & more", False),
    ]
    assert all(abs(one.at - datetime.now(UTC)) < timedelta(minutes=2) for one in both.desk.comments(number))


ODD = "a\x00b \ud800 c\x0bd \U0001f389 \r\nend\x7f"


def test_words_with_signs_that_are_none_are_said_once_all_the_same(both: Here) -> None:
    number = both.desk.create(KEY, f"Feed {ODD}", ODD).id
    assert both.another().create(KEY, f"Feed {ODD}", ODD).id == number
    for desk in (both.desk, both.another()):
        desk.comment(number, "a", ODD)
    [said] = both.desk.comments(number)
    assert (said.ours, said.text.startswith("a"), said.text.endswith("end")) == (True, True, True)
    assert "\U0001f389" in said.text


def test_many_comments_are_read_to_the_end(here: MadeUp) -> None:
    number = here.made()
    for n in range(130):
        here.rt.say(number, f"words {n}")
    here.desk.comment(number, "a", "ours")
    assert [one.text for one in here.desk.comments(number)] == [*(f"words {n}" for n in range(130)), "ours"]
    before = len(here.rt.asked)
    here.another().comment(number, "a", "ours")
    assert len(here.rt.asked) - before <= 4, "what others said is not read for it"


FILES = (
    ("run-page 1.png", "image/png", bytes(range(256)) * 5),
    ("latin.txt", "text/plain", LATIN),
    ("page.html", "text/html", b"<meta charset='iso-8859-1'>\xe4\n"),
    ("Prüfung ✓ 1.json", "application/json", '{"a": "Größe"}'.encode()),
    ('a "b";c\\d.bin', "application/octet-stream", b"0"),
    ("mail.eml", "message/rfc822", b"Subject: x\r\n\r\nbody\xff\r\n"),
)


def test_files_of_any_kind_and_name_stay_as_they_are(both: Here) -> None:
    number = both.made()
    made = [both.desk.attach(number, name, content, kind) for name, kind, content in FILES]
    wanted = [(name, len(content), hashlib.sha256(content).hexdigest()) for name, _, content in FILES]
    assert [(one.name, one.size, one.sha256) for one in made] == wanted
    assert list(both.another().attachments(number)) == made
    name, kind, content = FILES[3]
    assert both.another().attach(number, name, content, kind) == made[3], "and none twice"


def test_a_comment_is_looked_for_without_the_files_of_the_ticket_which_may_be_large(both: Here) -> None:
    number, read = both.made(), list[int]()
    both.desk.attach(number, "run-page.png", bytes(range(256)) * 200, "image/png")
    desk = both.another(transport=Before(lambda: None, lambda one: read.append(int(one.headers["content-length"]))))
    desk.comment(number, "a", "words")
    assert [one.text for one in desk.comments(number)] == ["run-page.png", "words"]
    assert sum(read) < 40_000


def test_a_file_is_found_behind_many_that_are_counted_and_not_shown(here: MadeUp) -> None:
    number = here.made()
    here.rt.mails(number, 120)
    made = here.desk.attach(number, "a.json", b"{}", "application/json")
    assert list(here.desk.attachments(number)) == [made]
    assert here.desk.attach(number, "a.json", b"{}", "application/json") == made


@pytest.mark.parametrize("size", [0, LARGEST_FILE + 1])
def test_a_file_that_rt_does_not_take_as_it_is_is_refused_before(here: MadeUp, size: int) -> None:
    number = here.made()
    with pytest.raises(DeskError, match=f"a.bin has {size} bytes: .* takes files of 1 byte to 10 MB"):
        here.desk.attach(number, "a.bin", bytes(size), "application/octet-stream")
    assert here.calls("/comment") == 0


# -- tickets of people ----------------------------------------------------------------------------------------------


def test_tickets_of_people_are_told_by_when_and_by_whom_whatever_zone_rt_reads_in(both: Here) -> None:
    first = both.people.raise_ticket("Our feed is empty", "Since this morning.")
    closed = both.people.raise_ticket("Never mind", "It was us.")
    both.people.set(closed, "resolved")
    [raised] = both.desk.raised(datetime.now(UTC) - timedelta(minutes=2))
    assert (raised.ticket.id, raised.ticket.subject, raised.body) == (first, "Our feed is empty", "Since this morning.")
    assert raised.by == "shop@example.com"
    assert abs(raised.at - datetime.now(UTC)) < timedelta(minutes=2)
    assert list(both.desk.raised(raised.at)) == []
    both.another(queue=RAISED).create(KEY, "Feed fails", "Where people raise theirs.")
    [again] = both.desk.raised(datetime.now(UTC) - timedelta(days=400))
    assert again == raised, "none of our own"


def test_a_filter_chooses_among_them_and_one_with_a_mistake_is_refused_in_words(both: Here) -> None:
    both.people.raise_ticket("Our feed is empty", "")
    both.people.raise_ticket("Invoice", "")
    since = datetime.now(UTC) - timedelta(hours=1)
    filtered = both.another(raised_filter="Subject LIKE 'feed'")
    assert [one.ticket.subject for one in filtered.raised(since)] == ["Our feed is empty"]
    with pytest.raises(DeskError, match=r"refused \(400: .*(Unknown|Wrong)"):
        both.another(raised_filter="Colour = 'red'").raised(since)
    with pytest.raises(DeskError, match="no queue 'Nowhere'"):
        both.another(raised="Nowhere").raised(since)


# -- whom it lets in, and what we may not do ------------------------------------------------------------------------


def test_the_doctor_is_told_what_is_there_and_what_we_may_not_do(here: MadeUp, monkeypatch: pytest.MonkeyPatch) -> None:
    probed = here.desk.probe()
    assert (probed.found, probed.lacks) == ("the queue Integrations can be read and searched; so can Front line", ())
    here.made()
    here.rt.rights -= {"CreateTicket", "ReplyToTicket", "ModifyTicket"}
    assert [lack.partition(" Give")[0].rpartition(" right ")[2] for lack in here.desk.probe().lacks] == [
        "Our account may not create tickets in Integrations.",
        "ReplyToTicket in the queue Integrations (seen by #1).",
        "ModifyTicket in the queue Integrations (seen by #1).",
    ]
    monkeypatch.setattr(rt_api, "MOST_PAGES", 1)
    here.rt.tickets |= {n: replace(here.rt.tickets[1], id=n) for n in range(2, 112)}
    assert "(seen by #111)" in here.desk.probe().lacks[1], "however many there are, the newest is looked at"
    for other, said in (
        ({"queue": "Nowhere"}, "shows our account no queue 'Nowhere'"),
        ({"raised": "Nowhere"}, "shows our account no queue 'Nowhere'"),
        ({"raised_filter": "Colour = 'red'"}, "Unknown field: Colour"),
        ({"reference_field": "Other"}, "has no custom field 'Other'"),
        ({"password": "", "token": TOKEN.replace(NUMBER, "28")}, "does not accept our credentials, this token"),
        ({"password": "wrong"}, "does not accept our credentials, the account with this password"),
    ):
        with pytest.raises(DeskError, match=said):
            here.another(**other).probe()


def test_a_token_lets_in_and_one_of_another_account_is_seen(here: MadeUp) -> None:
    assert here.another(password="", token=TOKEN).create(KEY, "Feed fails", "").id == "1"
    here.rt.token = TOKEN.replace(f"-{NUMBER}-", "-28-")
    with pytest.raises(DeskError, match="does not know us as 'caseproof': the token is another account's"):
        here.another(password="", token=here.rt.token).probe()
    with pytest.raises(DeskError, match="does not know us as 'somebody'"):
        here.another(password="", token=here.rt.token, user="somebody").probe()


def test_a_real_one_has_all_that_the_doctor_asks_for(both: Here) -> None:
    both.made()
    probed = both.another().probe()
    assert probed.lacks == ()
    assert probed.clock is not None
    assert abs(probed.clock - datetime.now(UTC)) < timedelta(minutes=2)


def test_a_ticket_that_we_may_not_see_says_which_right_it_takes(here: MadeUp) -> None:
    number = here.made()
    here.rt.rights.discard("ShowTicket")
    with pytest.raises(DeskError, match=r"refused \(403: Forbidden\)") as told:
        here.desk.ticket(number)
    assert not isinstance(told.value, UnknownTicket)
    assert "ShowTicket" in told.value.next_action


def test_comments_that_we_may_not_see_are_an_error_and_none_is_written_twice(here: MadeUp) -> None:
    number = here.made()
    here.rt.rights.discard("ShowTicketComments")
    with pytest.raises(DeskError, match="does not show it") as told:
        here.desk.comment(number, "a", "words")
    assert "ShowTicketComments" in told.value.next_action


@pytest.mark.parametrize("path", ["/wrong", "/REST", "/Ticket/Display.html"])
def test_a_wrong_base_url_is_said_as_such(here: MadeUp, path: str) -> None:
    desk = here.another(address=f"{here.account.base}{path}")
    for call in (lambda: desk.ticket("1"), lambda: desk.find(KEY), desk.probe):
        with pytest.raises(DeskError, match="something that is not Request Tracker") as told:
            call()
        assert "address" in told.value.next_action


def test_another_api_behind_the_address_is_told_from_a_ticket_that_there_is_not(here: MadeUp) -> None:
    other = httpx.MockTransport(lambda _: httpx.Response(404, json={"message": "Not Found"}))
    desk = here.another(transport=other)
    for call in (lambda: desk.ticket("1"), lambda: desk.find(KEY), desk.probe):
        with pytest.raises(DeskError) as told:
            call()
        assert not isinstance(told.value, UnknownTicket)
        assert "address" in told.value.next_action


def test_the_address_of_the_api_is_taken_as_that_of_rt(both: Here) -> None:
    number = both.made()
    desk = both.another(address=f"{both.account.base}/REST/2.0/")
    assert desk.ticket(number).url == f"{both.account.base}/Ticket/Display.html?id={number}"
    for named in (f"#{number}", f" {number} ", f"{both.account.base}/Ticket/Display.html?id={number}"):
        assert desk.ticket(named).id == number


@pytest.mark.parametrize("named", ["424242", "99999999999", "0", "", "no ticket", "../user/1", "1?x=y", "-1"])
def test_what_is_no_ticket_is_an_unknown_ticket(here: MadeUp, named: str) -> None:
    for call in (here.desk.ticket, here.desk.comments, here.desk.attachments):
        with pytest.raises(UnknownTicket, match="or it was deleted"):
            call(named)


def test_too_many_calls_are_waited_for_as_long_as_it_says(here: MadeUp) -> None:
    here.rt.bad = [Bad("too many", "GET", 1, value=7), Bad("broken", "GET", 1)]
    assert here.made() == "1"
    assert here.slept[0] == 7


def test_a_list_without_an_end_is_an_error(here: MadeUp) -> None:
    other = [{"name": FIELD, "values": ["JF-000009"]}]
    page = [{"id": str(n), "Status": "open", "CustomFields": other} for n in range(100)]
    given = iter(range(10**6))

    def endless(_: httpx.Request) -> httpx.Response:
        n = next(given)
        return httpx.Response(200, json={"items": [one | {"id": str(n * 100 + int(one["id"]))} for one in page]})

    with pytest.raises(DeskError, match="more of what it was asked for"):
        here.another(transport=httpx.MockTransport(endless)).find(KEY)


def test_a_desk_that_is_set_up_wrong_says_what_is_wrong_with_it() -> None:
    well = {"name": "rt", "address": "https://rt.example.com", "user": "caseproof", "queue": "Q", "token": "1-2-ab"}
    assert RtAccount(**well).number == "2"
    for other, said in (
        ({"queue": " "}, "has no queue"),
        ({"address": "rt.example.com"}, "has an address that is none"),
        ({"password": "x"}, "has both a token and a password"),
        ({"token": ""}, "has neither a token nor a password"),
        ({"reference_field": "a}b"}, "names a queue or a field that is none"),
        ({"raised": "it's"}, "names a queue or a field that is none"),
        ({"closed_status": "Deleted"}, "closes tickets by deleting them"),
    ):
        with pytest.raises(BadInput, match=said):
            RtAccount(**(well | other))
