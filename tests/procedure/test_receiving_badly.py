"""Taking in mail while everything goes wrong: nothing is lost, nothing is doubled, and one mail stops no other."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caseproof.channels.inbound.imap_account import InboxDown, InboxError, InboxRefused
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.job_failure.lifecycle import State
from caseproof.domain.vocabulary import Disposition
from caseproof.evidence.signing import answer_token
from caseproof.evidence.vault import VaultFull
from caseproof.procedure.answers import answering
from caseproof.procedure.answers import inbox as inbox_pass
from caseproof.procedure.answers.answering import Given
from caseproof.procedure.answers.inbox import InboxPass, MailIntake, read_inbox
from caseproof.procedure.answers.kept_mail import without_keys
from caseproof.procedure.answers.mail_triage import FLOOD
from caseproof.procedure.answers.receiving import Received, receive
from caseproof.procedure.core.services import Services
from caseproof.store import MessageRow, StoreDown, locks
from tests.support.dying import dying
from tests.support.examples import examples
from tests.support.fakes import Killed
from tests.support.retailer_mail import AUTHSERV, FakeInbox, answer, letter_of, returned
from tests.support.world import CONTACT, World

STRANGER = "stranger@elsewhere.example.org"
DOWN = InboxDown("The mail server is away.", "It is tried again.")


@pytest.fixture
def make(make_world: Callable[..., World]) -> Callable[[], tuple[World, str, bytes]]:
    """Makes a world with a case whose retailer got the notice; world, case and letter."""

    def make() -> tuple[World, str, bytes]:
        world = make_world(answers={"mailbox": "retailers"})
        ref = world.open()
        world.walk(ref, until="tell")
        return world, ref, world.mail.taken[0][0]

    return make


def take_in(world: World, raw: bytes, services: Services | None = None) -> Received:
    here = services or world.services
    return receive(here.ledger, here.vault, here.replies, raw, authserv=AUTHSERV)


def answer_page(services: Services, token: str, given: Given) -> None:
    answering.answer(services.ledger, services.vault, services.replies, token, given)


def a_pass(
    world: World, inbox: FakeInbox, said: list[str] | None = None, broke: set[str] | None = None
) -> InboxPass | None:
    services = world.services
    lock = services.settings.home_folder / "inbox" / "pass"
    intake = MailIntake(
        services.ledger, services.vault, services.replies, lock, AUTHSERV, broke if broke is not None else set()
    )
    return read_inbox(intake, inbox, (said if said is not None else []).append)


def rows(world: World) -> list[MessageRow]:
    with world.services.store.reading() as uow:
        found = [uow.messages.get(number) for number in range(1, 100)]
    return [row for row in found if row is not None]


def places(world: World) -> Counter[Disposition]:
    return Counter(row.place for row in rows(world))


# -- dying ------------------------------------------------------------------------------------------------------------


def post(letter: bytes) -> list[bytes]:
    """One mail for each kind of thing that is written down."""
    return [answer(letter), returned(letter, CONTACT), answer(letter, sender=STRANGER), b"junk", answer(letter, "Why?")]


def each_mail_is_in_one_place(world: World, ref: str, inbox: FakeInbox, mails: list[bytes]) -> None:
    assert inbox.lying == {}
    assert Counter(inbox.away) == Counter(mails), "each was put away once"
    assert places(world) == {
        Disposition.COUNTED: 1, Disposition.BOUNCE: 1, Disposition.REFUSED: 1, Disposition.UNREADABLE: 1,
        Disposition.REPLY: 1
    }  # fmt: skip
    kinds = Counter(world.kinds(ref))
    told = (Kind.CONFIRMATION_RECEIVED, Kind.ADDRESS_BOUNCED, Kind.CONFIRMATION_REFUSED, Kind.REPLY_RECEIVED)
    assert [kinds[kind] for kind in told] == [1, 1, 1, 1]
    assert {world.vault.read(row.digest) for row in rows(world)} == {without_keys(mail).content for mail in mails}


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize(("where", "call"), [("vault", "put"), ("inbox", "fetch"), ("inbox", "put_away")])
def test_a_pass_that_dies_at_any_mail_is_finished_by_the_next_one(
    make: Callable[[], tuple[World, str, bytes]], where: str, call: str, moment: str
) -> None:
    world, ref, letter = make()
    mails = post(letter)
    inbox = FakeInbox(*mails)
    for skip in range(len(mails)):
        faulty = inbox.faulty if where == "inbox" else world.vault.faulty
        faulty.fails(call, skip=min(skip, 1), **{moment: Killed()})
        if inbox.lying:
            died(world, inbox)
        faulty.faults.clear()
    a_pass(world, inbox)
    each_mail_is_in_one_place(world, ref, inbox, mails)


def died(world: World, inbox: FakeInbox) -> None:
    """A pass that may end in the middle; the next one is another process's."""
    try:
        a_pass(world, inbox)
    except Killed:
        locks.let_go(world.services.settings.home_folder / "inbox" / "pass")
        world.restart()


@pytest.mark.parametrize("after", [False, True])
def test_a_pass_that_dies_at_any_write_to_the_store_is_finished_by_the_next_one(
    make: Callable[[], tuple[World, str, bytes]], after: bool
) -> None:
    world, ref, letter = make()
    mails = post(letter)
    inbox = FakeInbox(*mails)
    assert world.services.secret, "made with the letter"
    for _ in range(len(mails)):
        store = dying(world, 1 if after else 2, after=after)  # each process gets one mail further, at most
        died(world, inbox)
        world.services = replace(world.services, store=store.real)
    a_pass(world, inbox)
    each_mail_is_in_one_place(world, ref, inbox, mails)


# -- at once ----------------------------------------------------------------------------------------------------------


def both(*acts: Callable[[], Any]) -> list[Any]:
    start = Barrier(len(acts), timeout=60)

    def run(act: Callable[[], Any]) -> Any:
        start.wait()
        return act()

    with ThreadPoolExecutor(len(acts)) as pool:
        return [future.result(timeout=60) for future in [pool.submit(run, act) for act in acts]]


def test_two_who_take_in_one_mail_at_once_write_it_down_once(make: Callable[[], tuple[World, str, bytes]]) -> None:
    world, ref, letter = make()
    raw = answer(letter)
    one, two = both(*[lambda: take_in(world, raw, world.process())] * 2)
    assert {one.new, two.new} == {True, False}
    assert one.row_id == two.row_id
    assert len(world.case(ref).words) == 1


def test_a_second_pass_beside_one_at_work_does_nothing(make: Callable[[], tuple[World, str, bytes]]) -> None:
    world, _, letter = make()
    inbox, beside = FakeInbox(answer(letter)), []

    def meanwhile(call: str) -> None:
        if call == "fetch":
            beside.append(a_pass(world, inbox))

    inbox.faulty.during = meanwhile
    first = a_pass(world, inbox)
    assert beside == [None]
    assert first is not None
    assert first.counts == {Disposition.COUNTED: 1}


def test_a_mail_that_somebody_else_took_away_meanwhile_is_no_trouble(
    make: Callable[[], tuple[World, str, bytes]],
) -> None:
    world, _, letter = make()
    inbox = FakeInbox(answer(letter), answer(letter, "Why?"))
    inbox.faulty.during = lambda call: inbox.lying.pop("1", None) if call == "fetch" else None
    done = a_pass(world, inbox)
    assert done is not None
    assert (done.problems, done.counts) == ([], {Disposition.REPLY: 1})


def test_an_answer_by_mail_and_one_on_the_page_at_the_same_moment_are_both_in_the_case(
    make: Callable[[], tuple[World, str, bytes]],
) -> None:
    world, ref, letter = make()
    raw = answer(letter)
    name = str(letter_of(letter)["Message-ID"]).strip("<>").partition("@")[0]
    token = answer_token(world.services.secret, name, world.clock.now + timedelta(days=60))
    shown = {"choices": {"changed": "I made the change"}}
    given = Given(choice="changed", name="The owner", words="", refs=(ref,), seen=0, shown=shown)
    both(lambda: take_in(world, raw), lambda: answer_page(world.process(), token, given))
    assert sorted(word["by_way_of"] for word in world.case(ref).words) == ["mail", "page"]
    assert places(world) == {Disposition.COUNTED: 2}
    assert world.case(ref).state is State.WAITING


# -- twice ------------------------------------------------------------------------------------------------------------


def test_the_same_bytes_once_more_change_nothing_and_say_where_they_ended(
    make: Callable[[], tuple[World, str, bytes]],
) -> None:
    world, ref, letter = make()
    raw = answer(letter)
    first, second = take_in(world, raw), take_in(world, raw)
    assert (first.place, first.new, second.new) == (second.place, True, False)
    assert second.row_id == first.row_id
    assert len(world.case(ref).words) == 1


def test_one_mail_that_was_delivered_twice_is_taken_once(make: Callable[[], tuple[World, str, bytes]]) -> None:
    world, ref, letter = make()
    raw = answer(letter, message_id="<one@shop-a.example.com>")
    first, second = take_in(world, raw), take_in(world, b"Delivered-To: another@example.com\r\n" + raw)
    assert (first.place, second.place) == (Disposition.COUNTED, Disposition.DUPLICATE)
    assert len(world.case(ref).words) == 1


def test_a_spoofed_mail_does_not_keep_the_true_one_of_its_message_id_from_counting(
    make: Callable[[], tuple[World, str, bytes]],
) -> None:
    world, ref, letter = make()
    same = "<one@shop-a.example.com>"
    assert take_in(world, answer(letter, message_id=same, genuine=False)).place is Disposition.REFUSED
    assert take_in(world, answer(letter, message_id=same)).place is Disposition.COUNTED
    assert len(world.case(ref).words) == 1


# -- too much ---------------------------------------------------------------------------------------------------------


def test_a_flood_of_refused_mail_stops_writing_into_the_case_and_keeps_no_contact_from_confirming(
    make: Callable[[], tuple[World, str, bytes]],
) -> None:
    world, ref, letter = make()
    for number in range(FLOOD + 5):
        last = take_in(world, answer(letter, f"Buy {number}", sender=STRANGER))
    assert world.count(ref, Kind.CONFIRMATION_REFUSED) == FLOOD
    assert "nothing is written into the case" in last.why
    assert len(rows(world)) == FLOOD + 5, "each is kept all the same"
    assert take_in(world, answer(letter)).place is Disposition.COUNTED
    world.clock.move(hours=25)
    take_in(world, answer(letter, "Buy more", sender=STRANGER))
    assert world.count(ref, Kind.CONFIRMATION_REFUSED) == FLOOD + 1


def test_a_contacts_machine_that_writes_all_day_does_not_fill_the_case(
    make: Callable[[], tuple[World, str, bytes]],
) -> None:
    world, ref, letter = make()
    for number in range(FLOOD + 3):
        last = take_in(world, answer(letter, f"What about offer {number}?"))
    assert world.count(ref, Kind.REPLY_RECEIVED) == FLOOD
    assert last.place is Disposition.REPLY, "and a person sees it"


# -- going wrong ------------------------------------------------------------------------------------------------------


def test_a_mail_that_goes_wrong_stays_in_the_mailbox_and_holds_up_no_other(
    make: Callable[[], tuple[World, str, bytes]],
) -> None:
    world, _, letter = make()
    inbox = FakeInbox(answer(letter), answer(letter, "Why?"))
    inbox.faulty.fails("fetch", what="1", before=RuntimeError("boom"))
    said: list[str] = []
    done = a_pass(world, inbox, said)
    assert done is not None
    assert list(inbox.lying) == ["1"]
    assert done.counts == {Disposition.REPLY: 1}
    assert "RuntimeError" in done.in_words
    assert "1 stayed in the mailbox" in done.in_words
    assert "boom" not in " ".join(said + done.problems)
    again = a_pass(world, inbox)
    assert again is not None
    assert again.counts == {Disposition.COUNTED: 1}


def test_of_three_mails_the_one_that_cannot_be_put_away_holds_up_no_other(
    make: Callable[[], tuple[World, str, bytes]],
) -> None:
    world, ref, letter = make()
    inbox = FakeInbox(answer(letter, "Why?"), answer(letter), answer(letter, "Who?"))
    for _ in range(2):
        inbox.faulty.fails("put_away", what="1", before=InboxError("It is locked.", "Look at it in a mail program."))
        done = a_pass(world, inbox)
        assert done is not None
        assert list(inbox.lying) == ["1"]
        assert "mail 1 of" in done.problems[0]
        assert "It is locked. Look at it in a mail program." in done.problems[0]
    assert places(world) == {Disposition.COUNTED: 1, Disposition.REPLY: 2}
    assert len(world.case(ref).replies) == 2, "it was taken in once"


def test_a_mail_at_which_the_server_dies_is_read_after_the_others(make: Callable[[], tuple[World, str, bytes]]) -> None:
    world, _, letter = make()
    inbox, broke = FakeInbox(answer(letter, "Why?"), answer(letter), answer(letter, "Who?")), set[str]()
    for lying in (["1", "2", "3"], ["1"]):
        inbox.faulty.fails("fetch", what="1", before=DOWN)
        with pytest.raises(InboxDown):
            a_pass(world, inbox, broke=broke)
        assert list(inbox.lying) == lying


def test_a_mail_that_is_larger_than_its_server_says_is_taken_down_as_too_large(
    make: Callable[[], tuple[World, str, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox_pass, "LARGEST", 2000)
    world, _, letter = make()
    inbox = FakeInbox()
    inbox.comes(answer(letter, "x" * 2000), size=1)
    a_pass(world, inbox)
    assert places(world) == {Disposition.UNREADABLE: 1}
    assert inbox.lying == {}


@pytest.mark.parametrize(
    ("where", "call", "error"),
    [
        ("inbox", "messages", DOWN),
        ("inbox", "put_away", InboxRefused("It may not be moved.", "Give the right.")),
        ("vault", "put", VaultFull("The disk is full.", "Free space.")),
    ],
)
def test_what_stops_every_mail_stops_the_pass_and_the_next_one_goes_on(
    make: Callable[[], tuple[World, str, bytes]], where: str, call: str, error: Exception
) -> None:
    world, ref, letter = make()
    mails = post(letter)
    inbox = FakeInbox(*mails)
    (inbox.faulty if where == "inbox" else world.vault.faulty).fails(call, before=error)
    with pytest.raises(type(error)):
        a_pass(world, inbox)
    assert len(inbox.lying) == len(mails)
    a_pass(world, inbox)
    each_mail_is_in_one_place(world, ref, inbox, mails)


def test_a_store_that_is_down_leaves_the_mail_where_it_is(make: Callable[[], tuple[World, str, bytes]]) -> None:
    world, ref, letter = make()
    inbox = FakeInbox(answer(letter))

    class Down:
        def __getattr__(self, name: str) -> Any:
            raise StoreDown("The database went away.", "Try again.")

    up = world.services.store
    world.services = replace(world.services, store=Down())
    with pytest.raises(StoreDown):
        a_pass(world, inbox)
    world.services = replace(world.services, store=up)
    assert len(inbox.lying) == 1
    a_pass(world, inbox)
    assert len(world.case(ref).words) == 1


def test_an_answer_to_a_case_that_somebody_edited_is_kept_and_shown(
    make: Callable[[], tuple[World, str, bytes]],
) -> None:
    world, ref, letter = make()
    with closing(sqlite3.connect(world.home / "caseproof.sqlite", isolation_level=None)) as raw:
        raw.execute("DROP TRIGGER events_unchanged")
        raw.execute("UPDATE events SET actor = 'somebody else'")
    before = world.case(ref).version
    got = take_in(world, answer(letter))
    assert got.place is Disposition.REPLY
    assert "edited past Caseproof" in got.why
    assert world.case(ref).version == before
    assert rows(world)[0].needs_eye


def test_an_answer_about_a_case_of_another_store_is_matched_to_none(
    make: Callable[[], tuple[World, str, bytes]], make_world: Callable[..., World]
) -> None:
    _, _, letter = make()
    elsewhere = make_world(answers={"mailbox": "retailers"})
    assert take_in(elsewhere, answer(letter)).place is Disposition.UNMATCHED


def test_whatever_comes_ends_in_one_place_and_never_as_a_strangers_word(
    make: Callable[[], tuple[World, str, bytes]],
) -> None:
    world, ref, letter = make()
    good = answer(letter)
    came: dict[bytes, Disposition] = {}

    @settings(max_examples=examples(40))
    @given(at=st.integers(0, len(good)), out=st.integers(0, 200), into=st.binary(max_size=60))
    def each(at: int, out: int, into: bytes) -> None:
        raw = good[:at] + into + good[at + out :]
        got, again = take_in(world, raw), take_in(world, raw)
        assert (again.place, again.row_id, again.new) == (got.place, got.row_id, False)
        came[raw] = got.place

    each()
    assert len(came) > 30
    assert {row.sender for row in rows(world) if row.place is Disposition.COUNTED} <= {CONTACT}
    assert len(world.case(ref).words) == sum(place is Disposition.COUNTED for place in came.values())
