"""What every ticket desk keeps, each sentence over each line (``lines.py``)."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from blocks.desks import DESKS
from caseproof.desks.abilities import DeskAbility
from caseproof.desks.base import Desk, DeskCannot, DeskDown, DeskError, TicketStatus, UnknownTicket
from caseproof.domain.codes import Code
from caseproof.domain.errors import CaseproofError
from tests.conformance.desks.lines import CALLS, LINES, DeskLine
from tests.conformance.lines import needs

KEY, SUBJECT, BODY = "JF-000001", "Feed fails: Größe <b>&amp;</b>", "Grüße\n\n✓ <script>alert(1)</script>"
BYTES = bytes(range(256)) * 5


def opened(line: DeskLine) -> str:
    return line.desk.create(KEY, SUBJECT, BODY).id


# -- what it is able to do -------------------------------------------------------------------------------------------


def test_every_kind_of_desk_is_a_line_of_this_suite() -> None:
    assert {*DESKS} - {line.BLOCK for line in LINES} == set()


@pytest.mark.parametrize("kind", LINES, ids=[kind.NAME for kind in LINES])
def test_what_cannot_happen_to_a_line_is_a_sentence_that_there_is(kind: type[DeskLine]) -> None:
    assert {f"test_{sentence}" for sentence in kind.NEVER} - globals().keys() == set()
    assert all(kind.NEVER.values())


def test_what_it_cannot_do_it_declares_and_raises(line: DeskLine) -> None:
    assert line.desk.abilities == line.ABILITIES
    assert dict(line.desk.abilities.depends) == {}
    ticket = opened(line)
    for ability, lack in line.desk.abilities.lacks.items():
        if ability in CALLS:
            with pytest.raises(DeskCannot) as raised:
                CALLS[ability](line.desk, ticket)
            assert lack.why in raised.value.problem
            assert (raised.value.next_action, raised.value.code) == (lack.instead, Code.DESK_CANNOT)


def test_what_its_block_says_of_its_kind_is_true_of_it(line: DeskLine) -> None:
    if line.BLOCK is not None:
        kind = line.BLOCK.ABILITIES
        assert kind.can <= line.desk.abilities.can <= kind.can | kind.depends.keys()


def test_it_answers_when_it_is_only_asked_whether_it_is_there(line: DeskLine) -> None:
    before = datetime.now(UTC)
    probed = line.desk.probe()
    assert probed.found
    assert (probed.clock is not None) is (DeskAbility.CLOCK in line.desk.abilities)
    if probed.clock is not None:
        assert abs(probed.clock - before) < timedelta(minutes=2)


# -- tickets ----------------------------------------------------------------------------------------------------------


@needs(DeskAbility.CREATE, DeskAbility.FIND)
def test_creating_twice_with_one_key_is_one_ticket(line: DeskLine) -> None:
    assert line.desk.find(KEY) is None
    first = line.desk.create(KEY, SUBJECT, BODY)
    assert line.desk.create(KEY, "Other words", "") == first
    assert line.desk.find(KEY) == first == line.desk.ticket(first.id)
    assert (first.subject, first.status) == (SUBJECT, TicketStatus.OPEN)
    other = line.desk.create("JF-000002", SUBJECT, BODY)
    assert other.id != first.id
    assert line.desk.find("JF-00000") is None


@needs(DeskAbility.CREATE, DeskAbility.FIND)
def test_a_ticket_whose_answer_was_lost_is_found_by_another_process_and_not_made_again(line: DeskLine) -> None:
    line.loses_the_answer()
    with suppress(DeskDown):
        line.desk.create(KEY, SUBJECT, BODY)
    other = line.anew()
    found = other.find(KEY)
    assert found is not None
    assert other.create(KEY, SUBJECT, BODY).id == found.id


@needs(DeskAbility.COMMENT, DeskAbility.SAID)
def test_a_comment_is_added_once_a_key(line: DeskLine) -> None:
    ticket, words = opened(line), "Stopped. Größe <i>1</i>"
    for key in ("JF-000001/1", "JF-000001/1", "JF-000001/2"):
        line.desk.comment(ticket, key, words)
    said = [one for one in line.desk.comments(ticket) if words in one.text]
    assert len(said) == 2
    assert all(one.ours and not one.public for one in said)


@needs(DeskAbility.COMMENT, DeskAbility.SAID)
def test_a_comment_longer_than_any_desk_takes_is_there_once_with_its_beginning(line: DeskLine) -> None:
    ticket, words = opened(line), "Begins ✓ " + "😀ä <i>&amp;</i>\n" * 15_000
    for _ in range(2):
        line.desk.comment(ticket, "JF-000001/1", words)
    [said] = [one for one in line.desk.comments(ticket) if one.text.startswith("Begins ✓ 😀ä <i>&amp;</i>\n😀ä")]
    assert said.ours
    assert len(said.text) > 5_000


@needs(DeskAbility.COMMENT_PUBLIC, DeskAbility.SAID)
def test_a_comment_for_the_customer_is_told_as_public(line: DeskLine) -> None:
    ticket = opened(line)
    line.desk.comment(ticket, "JF-000001/1", "For the team.")
    line.desk.comment(ticket, "JF-000001/2", "For the customer.", public=True)
    public = {one.text: one.public for one in line.desk.comments(ticket)}
    assert [mine for mine in public.items() if "For the" in mine[0]] == [
        ("For the team.", False),
        ("For the customer.", True),
    ]


@needs(DeskAbility.SAID)
def test_what_a_person_writes_there_is_told(line: DeskLine) -> None:
    ticket = opened(line)
    line.somebody_says(ticket, "The retailer called.")
    [said] = [one for one in line.desk.comments(ticket) if "The retailer called." in one.text]
    assert said.at.utcoffset() == timedelta()
    assert said.id


@needs(DeskAbility.RAISED)
def test_a_ticket_that_a_person_raised_there_is_told_once_and_none_of_ours(line: DeskLine) -> None:
    opened(line)
    line.somebody_raises("Our feed is empty", "Since this morning.")
    [raised] = line.desk.raised(datetime.now(UTC) - timedelta(hours=1))
    assert (raised.ticket.subject, raised.ticket.status) == ("Our feed is empty", TicketStatus.OPEN)
    assert "Since this morning." in raised.body
    assert raised.at.utcoffset() == timedelta()
    assert list(line.desk.raised(datetime.now(UTC) + timedelta(hours=1))) == []


# -- files ------------------------------------------------------------------------------------------------------------


@needs(DeskAbility.ATTACH)
def test_an_attachment_reads_back_byte_for_byte(line: DeskLine) -> None:
    ticket = opened(line)
    made = line.desk.attach(ticket, "run-page 1.png", BYTES, "image/png")
    assert list(line.desk.attachments(ticket)) == [made]
    assert (made.name, made.size) == ("run-page 1.png", len(BYTES))
    assert (made.sha256 is not None) is (DeskAbility.DIGEST in line.desk.abilities)
    assert made.sha256 in (None, hashlib.sha256(BYTES).hexdigest())


@needs(DeskAbility.ATTACH)
def test_the_same_file_is_attached_once_and_another_of_its_name_beside_it(line: DeskLine) -> None:
    ticket = opened(line)
    for content in (b"one", b"one", b"other"):
        line.desk.attach(ticket, "proof.json", content, "application/json")
    assert sorted((one.name, one.size) for one in line.desk.attachments(ticket)) == [
        ("proof.json", 3),
        ("proof.json", 5),
    ]


# -- open and closed --------------------------------------------------------------------------------------------------


@needs(DeskAbility.CLOSE, DeskAbility.REOPEN)
def test_a_reopened_ticket_is_open(line: DeskLine) -> None:
    ticket = opened(line)
    for status in (TicketStatus.CLOSED, TicketStatus.CLOSED, TicketStatus.OPEN, TicketStatus.OPEN):
        line.desk.set_status(ticket, status)
        assert line.desk.ticket(ticket).status is status
    assert line.anew().find(KEY) == line.desk.ticket(ticket)


@needs(DeskAbility.CLOSE)
def test_a_refused_close_is_an_error_or_is_seen_by_reading_back_and_never_a_success(line: DeskLine) -> None:
    ticket = opened(line)
    line.refuses_to_close()
    with suppress(DeskError):
        line.desk.set_status(ticket, TicketStatus.CLOSED)
    assert line.desk.ticket(ticket).status is TicketStatus.OPEN


@needs(DeskAbility.CLOSE)
def test_a_closed_ticket_is_still_found_by_its_key(line: DeskLine) -> None:
    ticket = opened(line)
    line.desk.set_status(ticket, TicketStatus.CLOSED)
    assert line.desk.create(KEY, SUBJECT, BODY).id == ticket


# -- when it goes wrong -----------------------------------------------------------------------------------------------

ON_A_TICKET = (DeskAbility.READ, DeskAbility.COMMENT, DeskAbility.ATTACH, DeskAbility.CLOSE, DeskAbility.SAID)


def refuses_each(line: DeskLine, ticket: str) -> None:
    for ability in (one for one in ON_A_TICKET if one in line.desk.abilities):
        with pytest.raises(UnknownTicket) as unknown:
            CALLS[ability](line.desk, ticket)
        assert unknown.value.next_action


def test_a_ticket_that_never_was_is_an_unknown_ticket(line: DeskLine) -> None:
    refuses_each(line, line.MISSING)


def test_a_deleted_ticket_is_an_unknown_ticket(line: DeskLine) -> None:
    refuses_each(line, line.deleted())


def wrong(line: DeskLine, desk: Desk) -> list[CaseproofError]:
    """What each call raises; and the probe."""
    raised = []
    calls = [call for ability, call in CALLS.items() if ability in line.desk.abilities]
    for call in (lambda desk, _: desk.probe(), *calls):
        with pytest.raises(CaseproofError) as error:
            call(desk, "1")
        raised.append(error.value)
    return raised


def test_html_instead_of_json_is_refused_in_words_that_name_the_base_url(line: DeskLine) -> None:
    for error in wrong(line, line.html()):
        assert isinstance(error, DeskError)
        assert not isinstance(error, DeskDown)
        assert line.ADDRESS.removeprefix("https://").partition("/")[0] in error.problem
        assert "address" in error.next_action.lower()


def test_one_that_cannot_be_reached_is_down_and_not_refused(line: DeskLine) -> None:
    for error in wrong(line, line.dead()):
        assert isinstance(error, DeskDown)
        assert error.next_action


def test_expired_credentials_are_refused_saying_so(line: DeskLine) -> None:
    for error in wrong(line, line.expired()):
        assert isinstance(error, DeskError)
        assert not isinstance(error, DeskDown)
        assert "credentials" in error.problem
        assert error.next_action
        assert "hunter2" not in f"{error} {error!r} {error.__cause__!r}"
