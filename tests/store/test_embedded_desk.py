"""The desk that comes with Caseproof keeps the promises of ``desks.base.Desk``."""

from datetime import timedelta

import pytest

from caseproof.desks.base import Desk, Ticket, TicketStatus, UnknownTicket
from caseproof.desks.embedded import EmbeddedDesk
from caseproof.evidence.vault import Vault


@pytest.fixture
def vault(tmp_path):
    return Vault(tmp_path / "vault")


@pytest.fixture
def clock(make):
    """A clock that moves a minute each time it is asked."""
    moments = (make.start + timedelta(minutes=n) for n in range(1000))
    return lambda: next(moments)


@pytest.fixture
def desk(store, vault, clock) -> Desk:
    return EmbeddedDesk(store, vault, clock, "https://desk.example.com/")


def test_a_ticket_is_created_once_a_key(desk):
    first = desk.create("JF-000001", "Stock feed fails", "Grüße\n✓")
    assert first == Ticket(
        "T-000001", "Stock feed fails", TicketStatus.OPEN, "https://desk.example.com/tickets/T-000001"
    )
    assert desk.create("JF-000001", "Other words", "") == first
    assert desk.create("JF-000002", "x", "").id == "T-000002"
    assert (desk.find("JF-000001"), desk.find("JF-000009")) == (first, None)
    assert desk.ticket("t-000001") == first


def test_a_desk_without_an_address_gives_none(store, vault, clock):
    assert EmbeddedDesk(store, vault, clock).create("k", "s", "b").url == ""


@pytest.mark.parametrize("ticket_id", ["T-000009", "T-999999999999999999", "T-1", "", "1", "JF-000001", "T-000001; x"])
def test_an_unknown_ticket_is_refused_everywhere(desk, vault, ticket_id):
    desk.create("k", "s", "b")
    for use in (
        lambda: desk.ticket(ticket_id),
        lambda: desk.comment(ticket_id, "k", "t"),
        lambda: desk.attach(ticket_id, "n", b"x", "text/plain"),
        lambda: desk.attachments(ticket_id),
        lambda: desk.set_status(ticket_id, TicketStatus.CLOSED),
    ):
        with pytest.raises(UnknownTicket):
            use()
    assert not vault.folder.exists()


def test_a_status_is_read_back(desk):
    desk.create("k", "s", "b")
    for status in (TicketStatus.CLOSED, TicketStatus.OPEN):
        desk.set_status("T-000001", status)
        assert desk.ticket("T-000001").status is status


def test_a_comment_is_written_once_a_key(desk, store):
    desk.create("k", "s", "b")
    desk.create("other", "s", "b")
    for ticket, text in (("T-000001", "one ✓"), ("T-000001", "again"), ("T-000002", "two")):
        desk.comment(ticket, "key", text)
    with store.reading() as uow:
        assert [comment.text for comment in uow.tickets.comments(1)] == ["one ✓"]
        assert [comment.text for comment in uow.tickets.comments(2)] == ["two"]
        made, other = uow.tickets.rows()
        assert made.updated_at > other.created_at > made.created_at


def test_a_file_is_attached_once_a_name_and_content(desk, vault):
    desk.create("k", "s", "b")
    first = desk.attach("T-000001", "run.png", b"\x89PNG", "image/png")
    assert desk.attach("T-000001", "run.png", b"\x89PNG", "image/png") == first
    second = desk.attach("T-000001", "run.png", b"\x89PNG2", "image/png")
    assert (first.name, first.size, second.size) == ("run.png", 4, 5)
    assert desk.attachments("T-000001") == [first, second]
    assert vault.read(first.sha256) == b"\x89PNG"


@pytest.mark.parametrize("harm", ["damaged", "missing"])
def test_j7_an_attachment_whose_bytes_are_gone_is_not_listed(desk, vault, harm):
    desk.create("k", "s", "b")
    first = desk.attach("T-000001", "run.png", b"one", "image/png")
    second = desk.attach("T-000001", "more.png", b"two", "image/png")
    path = vault.path(first.sha256)
    if harm == "missing":
        path.unlink()
    else:
        path.chmod(0o600)
        path.write_bytes(b"One")
    assert desk.attachments("T-000001") == [second]
    assert desk.attach("T-000001", "run.png", b"one", "image/png") == first  # and attaching it again heals it
    assert desk.attachments("T-000001") == [first, second]
