"""The monthly test page: each way once a month a person, within their hours, never an emergency, whoever dies when."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from email import message_from_bytes
from email import policy as mail_policy
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from caseproof.channels.provider import ChannelDown
from caseproof.channels.teams.card import Card
from caseproof.channels.voice.dialling import Line as Dialled
from caseproof.channels.voice.progress import CallState
from caseproof.channels.voice.twilio import Call, Placed
from caseproof.config.policy import Policy
from caseproof.config.private_files import be_private
from caseproof.domain.on_call.duty import OnCall
from caseproof.domain.on_call.roster import Hours, Leave, Line, Person
from caseproof.procedure.core.parts import Ledger, Links
from caseproof.procedure.paging.by_link import Keys
from caseproof.procedure.paging.engine import in_a_thread
from caseproof.procedure.paging.ports import Channels, PagingParts
from caseproof.procedure.paging.raising import GOING_ON
from caseproof.procedure.paging.tested import Came, Way
from caseproof.procedure.paging.testing import TestPages, due
from caseproof.procedure.paging.trial_answers import answer_test, see_test, standing
from caseproof.procedure.paging.trial_words import letter
from caseproof.procedure.views.kept_reports import kept_page, kept_test_pages
from caseproof.procedure.views.test_page import keep_test_page, report_of
from caseproof.store import Store, locks
from sandbox.telephones import Person as AtTheTelephone
from tests.support.fakes import Clock
from tests.support.keeper import Keeper
from tests.support.paging_world import PEOPLE, PagingWorld

START = datetime(2026, 11, 3, 9, 30, tzinfo=UTC)  # a Tuesday, half past ten in Berlin
KEYS = Keys(b"k" * 32)
LEAD = {
    "name": "Product Lead", "timezone": "Europe/Berlin", "mobile": "+442079460123", "extension": "101",
    "mail": "lead@example.com", "teams": "lead@teams.example.com",
}  # fmt: skip
OWL = {"name": "Night Owl", "mobile": "+442079460124", "begins": "20:00", "ends": "23:00"}
LINES = ("+442079460123", "+442079460100 ext. 101")


@dataclass
class Reaches:
    """Channels with a memory. ``lost``: the calls that the telephone company knows though nobody heard of it."""

    letters: list[bytes] = field(default_factory=list)
    cards: list[Card] = field(default_factory=list)
    called: list[Call] = field(default_factory=list)
    ends: CallState = CallState.COMPLETED
    down: Exception | None = None
    lost: list[str] = field(default_factory=list)
    away: Exception | None = None
    """What is answered to whoever asks for a call."""

    def mail(self, _seconds: float) -> Callable[..., object]:
        def send(content: bytes, _sender: str, _recipients: Sequence[str]) -> None:
            if self.down:
                raise self.down
            self.letters.append(content)

        return send

    def teams(self) -> Any:
        return self

    def post(self, card: Card) -> None:
        self.cards.append(card)

    def voices(self) -> Any:
        return self

    def place(self, call: Call, _at: datetime, _known: Collection[str] = ()) -> Placed:
        self.called.append(call)
        return Placed("AC", f"CA{len(self.called)}")

    def find(self, line: Dialled, _since: datetime, _known: Collection[str] = ()) -> Placed | None:
        if self.away:
            raise self.away
        return Placed("AC", "CA-lost", found=True) if line.number in self.lost else None

    def state(self, _placed: Placed) -> CallState:
        return self.ends

    def hang_up(self, _placed: Placed) -> None: ...


@dataclass
class House:
    """A home with a store and a policy, and its channels."""

    home: Path
    clock: Clock
    reaches: Reaches = field(default_factory=Reaches)
    people: Sequence[dict[str, Any]] = (LEAD, OWL)
    more: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        be_private()
        self.store = Store(f"sqlite:///{self.home / 'store.sqlite'}")
        self.store.migrate()
        on_call = {"people": self.people, "main_number": "+442079460100", "test_day": 3, "test_time": "10:00"}
        self.policy = Policy.model_validate(
            {
                "team": ["a", "b"], "on_call": on_call | self.more, "mail": {"account": "mail"},
                "paging": {"voice": "voice", "teams": "teams"},
            }
        )  # fmt: skip
        links = Links("https://cases.example.com")
        self.parts = PagingParts(Ledger(self.store, self.clock), lambda: self.policy, lambda: KEYS, self.home, links)

    def pages(self, start: Callable[[Callable[[], None]], None] = lambda job: job()) -> TestPages:
        def wait(event: threading.Event, seconds: float) -> bool:
            if not event.is_set():
                self.clock.move(seconds=seconds)
            return event.is_set()

        return TestPages(self.parts, self.reaches, start, wait)  # type: ignore[arg-type]

    def send(self, **options: bool) -> list[str]:
        return [f"{one.person} {one.way} {one.address}" for one in self.pages().send(**options)]


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path, Clock(START))


# -- when -----------------------------------------------------------------------------------------------------------


def test_a_test_page_leaves_from_that_day_and_time_on_within_everybody_s_own_hours() -> None:
    berlin = Hours(ZoneInfo("Europe/Berlin"), frozenset(range(5)), 540, 1020, {date(2026, 12, 3): "A holiday"})
    early = Hours(ZoneInfo("Europe/Berlin"), frozenset(range(5)), 360, 540)
    plan = OnCall(
        tuple(
            Person(name, "PT", hours, (Line("+442079460100"),)) for name, hours in (("Lead", berlin), ("Early", early))
        ),
        ("PT",),
        leave=(Leave("Lead", date(2027, 1, 3), date(2027, 1, 5)),),
    )

    def whose(*at: int) -> list[str]:
        return [one.person.name for one in due(plan, 3, 600, datetime(*at, tzinfo=UTC))]  # type: ignore[misc]

    assert whose(2026, 11, 2, 12) == [], "the day before"
    assert whose(2026, 11, 3, 8, 59) == [], "9:59 there"
    assert whose(2026, 11, 3, 9) == ["Lead"]
    assert whose(2026, 11, 3, 17) == [], "in the evening"
    assert whose(2026, 11, 4, 6) == ["Early"], "whose hours had ended before that time"
    assert whose(2026, 11, 7, 12) == [], "a Saturday"
    assert whose(2026, 12, 3, 12) == [], "a public holiday"
    assert whose(2026, 12, 4, 12) == ["Lead"]
    assert whose(2027, 1, 4, 12) == [], "on leave"
    assert [one.person.name for one in due(plan, 0, 600, START)] == [], "switched off"
    assert [one.person.name for one in due(plan, 0, 600, START, at_once=True)] == ["Lead"]


def test_the_month_is_that_of_their_own_clock() -> None:
    far = Hours(ZoneInfo("Pacific/Auckland"), frozenset(range(7)), 0, 1440)
    plan = OnCall((Person("Far", "PT", far, (Line("+442079460100"),)),), ("PT",))
    assert [one.month for one in due(plan, 1, 0, datetime(2026, 10, 31, 12, tzinfo=UTC))] == ["2026-11"]


# -- what -----------------------------------------------------------------------------------------------------------


def test_each_way_is_tried_once_a_month_and_says_that_it_is_a_test(house: House) -> None:
    sent = [house.send() for _ in range(4)]
    assert sent[0] == [
        "Product Lead mail lead@example.com", "Product Lead teams lead@teams.example.com",
        f"Product Lead call {LINES[0]}",
    ]  # fmt: skip
    assert sent[1:] == [[f"Product Lead call {LINES[1]}"], [], []], "two telephones of one person never ring at once"
    (letter,) = (message_from_bytes(one, policy=mail_policy.default) for one in house.reaches.letters)
    assert letter["Subject"] == "TEST of the call list, November 2026: please press the button"
    assert "not an emergency" in letter.get_content()
    (card,) = house.reaches.cards
    assert "TEST" in card.title
    assert "not an emergency" in card.text
    assert [one.teams_id for one in card.mentions] == ["lead@teams.example.com"]
    assert [str(one.line) for one in house.reaches.called] == ["+442079460123", "+442079460100 extension 101"]
    assert all("It is not an emergency" in one.page and "press 1" in one.page for one in house.reaches.called)
    house.clock.now = datetime(2026, 12, 3, 10, tzinfo=UTC)
    assert house.send() == sent[0], "and again the next month"


def test_two_who_share_a_number_are_called_one_after_the_other(tmp_path: Path) -> None:
    both = [{"name": name, "extension": number, "timezone": "Europe/Berlin"}
            for name, number in (("Lead", "101"), ("Engineer", "102"))]  # fmt: skip
    house = House(tmp_path, Clock(START), people=both)
    assert [house.send() for _ in range(3)] == [
        ["Lead call +442079460100 ext. 101"], ["Engineer call +442079460100 ext. 102"], [],
    ]  # fmt: skip


def test_while_an_emergency_goes_on_no_test_keeps_a_telephone_busy(house: House) -> None:
    with house.store.uow() as uow:
        uow.cursors.set(f"{GOING_ON}SC-000001", "", house.clock())
        uow.commit()
    assert house.send() == []
    with house.store.uow() as uow:
        uow.cursors.forget(f"{GOING_ON}SC-000001")
        uow.commit()
    assert len(house.send()) == 3


def test_it_is_never_an_emergency(house: House) -> None:
    house.send()
    with house.store.reading() as uow:
        assert uow.cases.rows() == []


def test_what_the_policy_does_not_name_is_not_tried_and_a_team_that_wants_none_gets_none(tmp_path: Path) -> None:
    house = House(tmp_path, Clock(START))
    without = house.policy.paging.model_copy(update={"voice": "", "teams": ""})
    house.policy = house.policy.model_copy(update={"paging": without})
    assert house.send() == ["Product Lead mail lead@example.com"]
    off = House(tmp_path, Clock(START), more={"test_day": 0})
    assert off.send() == []


def test_what_fails_is_written_down_and_keeps_no_other_way_from_being_tried(house: House) -> None:
    house.reaches.down = ValueError("password=hunter2")
    house.reaches.ends = CallState.NO_ANSWER
    house.send()
    came = {one.way: (one.came, one.detail) for one in standing(house.store)}
    assert came[Way.MAIL] == (Came.FAILED, "ValueError")
    assert came[Way.TEAMS][0] is Came.SENT
    assert came[Way.CALL][0] is Came.NOT_ANSWERED
    house.reaches.down = None
    assert house.send() == [f"Product Lead call {LINES[1]}"], "once a month, also of what failed"


# -- whoever dies when ----------------------------------------------------------------------------------------------


def test_what_a_killed_process_had_begun_is_read_back_and_never_made_again(house: House) -> None:
    house.pages(start=lambda _: None).send()  # written down; then it dies
    house.reaches.lost = ["+442079460123"]
    assert house.send() == [f"Product Lead call {LINES[1]}"], "after a minute nobody waits for the first call any more"
    assert (house.reaches.letters, house.reaches.cards, len(house.reaches.called)) == ([], [], 1)
    came = {one.address: (one.came, one.call) for one in standing(house.store)}
    assert came["lead@example.com"] == (Came.UNKNOWN, "")
    assert came[LINES[0]] == (Came.SENT, "CA-lost")


@pytest.mark.parametrize(
    ("away", "said"),
    [
        (None, "no such call was made"),
        (ChannelDown("The provider is away.", "Try again."), "The provider is away. Next: Try again."),
    ],
    ids=["never made", "cannot be read back"],
)
def test_a_call_of_which_nobody_can_say_anything_stays_unknown(house: House, away: Exception | None, said: str) -> None:
    house.pages(start=lambda _: None).send()
    house.clock.move(minutes=5)
    house.reaches.away = away
    house.send()
    (call,) = (one for one in standing(house.store) if one.address == LINES[0])
    assert (call.came, call.detail) == (Came.UNKNOWN, said)


def test_of_two_processes_one_sends(house: House) -> None:
    lock = house.home / "keeper" / "test-page"
    lock.parent.mkdir(parents=True)
    took, done = threading.Event(), threading.Event()

    def other() -> None:
        locks.hold(lock)
        took.set()
        done.wait(60)
        locks.let_go(lock)

    thread = threading.Thread(target=other)
    thread.start()
    assert took.wait(60)
    assert house.send() == []
    done.set()
    thread.join(60)
    assert len(house.send()) == 3


# -- who was reached ------------------------------------------------------------------------------------------------


def link_in(letter: bytes) -> str:
    text = message_from_bytes(letter, policy=mail_policy.default).get_content()
    return str(next(line for line in text.splitlines() if line.startswith("https://"))).rpartition("/")[2]


def test_only_who_says_so_was_reached_and_opening_the_link_says_nothing(house: House) -> None:
    house.send()
    token = link_in(house.reaches.letters[0])
    for _ in range(3):
        shown = see_test(house.store, KEYS, token, house.clock())
        assert shown is not None
        assert (shown.person, shown.month, shown.by_mail, shown.answered) == (
            "Product Lead",
            "November 2026",
            True,
            None,
        )
    said = house.clock()
    answer_test(house.store, KEYS, token, said)
    house.clock.move(hours=1)
    answer_test(house.store, KEYS, token, house.clock())
    reached = {one.way: one.answered for one in standing(house.store)}
    assert reached == {Way.MAIL: said, Way.TEAMS: None, Way.CALL: None}


def test_an_answer_that_comes_while_the_try_is_written_down_is_not_lost(house: House) -> None:
    """The mail is answered before its sender could write down that it left."""
    jobs: list[Callable[[], None]] = []
    pages = house.pages(start=jobs.append)
    pages.send()
    (mail,) = (one for one in standing(house.store) if one.way is Way.MAIL)
    answer_test(house.store, KEYS, link_in(letter(mail, "cases@example.com", pages.link(mail))), house.clock())
    for job in jobs:
        job()
    (mail,) = (one for one in standing(house.store) if one.way is Way.MAIL)
    assert (mail.came, mail.answered is not None) == (Came.SENT, True)


def test_the_report_says_who_was_reached_by_what_and_who_was_not(house: House) -> None:
    house.reaches.ends = CallState.NO_ANSWER
    house.send()
    answer_test(house.store, KEYS, link_in(house.reaches.letters[0]), house.clock())
    report = report_of(house.policy, standing(house.store), "2026-11")
    assert [(one.person, one.way, one.found.partition(",")[0].partition(" (")[0]) for one in report.rows] == [
        ("Product Lead", "mail", "reached"),
        ("Product Lead", "teams", "NOT REACHED: it left"),
        ("Product Lead", "call", "NOT REACHED: nobody answered"),
        ("Product Lead", "call", "not tried yet: it leaves within their hours"),
        ("Night Owl", "call", "not tried yet: it leaves within their hours"),
    ]
    assert report.says == "1 of 5 ways reach whom they are for. By nothing: Night Owl."
    assert (
        keep_test_page(house.home, house.parts.links, report)
        == "https://cases.example.com/reports/test-page-2026-11.html"
    )
    assert kept_test_pages(house.home) == ["test-page-2026-11.html"]
    path = kept_page(house.home, "test-page-2026-11.html")
    assert path is not None
    assert "By nothing: Night Owl." in path.read_text()
    before = path.stat().st_mtime_ns
    keep_test_page(house.home, house.parts.links, report)
    assert path.stat().st_mtime_ns == before, "nothing changed, so nothing is written"


# -- with the real channels -----------------------------------------------------------------------------------------


def test_against_telephones_teams_and_a_mail_server_who_presses_1_was_reached(tmp_path: Path) -> None:
    always = {"days": ("mon", "tue", "wed", "thu", "fri", "sat", "sun"), "begins": "00:00", "ends": "24:00"}
    at_work = [one.model_copy(update=always) for one in PEOPLE]
    calls = {
        PEOPLE[0].name: [AtTheTelephone(presses=["7", "1"])],
        PEOPLE[1].name: [AtTheTelephone("machine")],
        PEOPLE[2].name: [AtTheTelephone("no answer")],
    }
    with PagingWorld(tmp_path, calls, roster=at_work) as world:
        world.policy = world.policy.model_copy(
            update={
                "mail": world.policy.mail.model_copy(update={"account": "mail"}),
                "paging": world.policy.paging.model_copy(update={"teams": "alarm"}),
            }
        )
        begun = TestPages(world.parts, Channels(world.folder, world.clock), in_a_thread).send(at_once=True)
        assert len(begun) == 9
        world.wait_until(lambda: all(one.came is not Came.UNDER_WAY for one in standing(world.store)))
        found = {(one.person, one.way): (one.came, one.answered is not None) for one in standing(world.store)}
        assert [found[one.name, Way.CALL] for one in PEOPLE] == [
            (Came.SENT, True), (Came.SENT, False), (Came.NOT_ANSWERED, False),
        ]  # fmt: skip
        assert {found[one.name, way] for one in PEOPLE for way in (Way.MAIL, Way.TEAMS)} == {(Came.SENT, False)}
        said = " ".join(world.phones.calls[0].said)
        assert "7 is not the key" in " ".join(" ".join(one.said) for one in world.phones.calls)
        assert "We reach you at this number" in " ".join(" ".join(one.said) for one in world.phones.calls)
        assert "emergency at" not in said
        assert len(world.teams.cards) == 3
        assert len(world.mailbox.messages) == 3


# -- in the keeper's pass ---------------------------------------------------------------------------------------------


def test_the_keeper_sends_it_and_says_so(make_world: Any) -> None:
    always = {"days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "begins": "00:00", "ends": "24:00"}
    person = {"name": "Product Lead", "mobile": "+442079460123", "mail": "lead@example.com"} | always
    world = make_world(
        on_call={"people": [person], "test_day": 1, "test_time": "00:00"},
        paging={"voice": "voice"},
    )
    done = Keeper(world)()
    assert done.tested == ["Product Lead by mail", "Product Lead by call"]
    assert done.in_words()["test pages sent to"] == "2: Product Lead by mail, Product Lead by call"
    came = {one.way: (one.came, one.detail) for one in standing(world.services.store)}
    assert came[Way.CALL][0] is Came.FAILED
    assert "There is no voice account." in came[Way.CALL][1]
    assert Keeper(world)().tested == []
