"""The pages of the made-up Zoho Desk for people: its tickets, and a ticket with its comments and its files."""

from __future__ import annotations

import html
from datetime import datetime
from typing import TYPE_CHECKING, Any

from caseproof.desks.html_text import as_text
from sandbox.farm_http import Asked, Reply
from sandbox.pages import facts, link, missing, page, said, table

if TYPE_CHECKING:
    from sandbox.zoho import Ticket, ZohoSimulator

PAGES = "/agent/made-up/tickets"
_PNG = b"\x89PNG\r\n\x1a\n"


def ticket_page(desk: ZohoSimulator, asked: Asked) -> Reply:
    """Whatever is asked for below ``PAGES``: the list, ``details/TICKET``, ``details/TICKET/files/FILE``."""
    match asked.path.removeprefix(PAGES).strip("/").split("/"):
        case [""]:
            return _list(desk)
        case ["details", number] if number in desk.tickets:
            return _ticket(desk, desk.tickets[number])
        case ["details", number, "files", file] if number in desk.tickets:
            return _file(desk.tickets[number], file)
    return missing()


def address_of(ticket: Ticket) -> str:
    """The path of the ticket's page."""
    return f"{PAGES}/details/{ticket.id}"


def _list(desk: ZohoSimulator) -> Reply:
    rows = [
        (link(address_of(one), f"#{one.number}"), html.escape(one.subject), html.escape(_standing(desk, one)))
        for one in reversed(desk.tickets.values())
    ]
    return page("Tickets", table(("Ticket", "Subject", "Status"), rows))


def _ticket(desk: ZohoSimulator, ticket: Ticket) -> Reply:
    rows = {
        "Status": _standing(desk, ticket), "Created": f"{ticket.made:%Y-%m-%d %H:%M:%S} UTC",
        **{name: str(value or "") for name, value in ticket.fields.items()},
    }  # fmt: skip
    return page(
        f"#{ticket.number} {ticket.subject}",
        facts(rows),
        f"<p>{link(PAGES, 'All tickets')}</p>",
        said(as_text(ticket.description)),
        f"<h2>Comments ({len(ticket.comments)})</h2>",
        *(_comment(one) for one in ticket.comments),
        f"<h2>Attachments ({len(ticket.files)})</h2>",
        *(_shown(ticket, one) for one in ticket.files),
    )


def _standing(desk: ZohoSimulator, ticket: Ticket) -> str:
    """The status; one that was renamed to something else says of which type it is, as the real one colours it."""
    kind = desk.statuses.get(ticket.status, "Open")
    standing = ticket.status if ticket.status == kind else f"{ticket.status} ({kind})"
    gone = "deleted" if ticket.deleted else f"merged into {ticket.merged_into}" if ticket.merged_into else ""
    return f"{standing}, {gone}" if gone else standing


def _comment(one: dict[str, Any]) -> str:
    at = datetime.fromisoformat(one["commentedTime"])
    seen = "the contact sees it" if one["isPublic"] else "agents alone see it"
    text = as_text(one["content"]) if one["contentType"] == "html" else one["content"]
    return f"<p>{html.escape(one['commenter']['name'])}, {at:%Y-%m-%d %H:%M:%S} UTC, {seen}</p>{said(text)}"


def _shown(ticket: Ticket, file: dict[str, Any]) -> str:
    address = f"{address_of(ticket)}/files/{file['id']}"
    line = f"<p>{link(address, file['name'])}, {int(file['size']):,} bytes</p>"
    is_picture = ticket.contents.get(file["id"], b"").startswith(_PNG)
    picture = f'<p><img src="{address}" alt="{html.escape(file["name"])}"></p>'
    return line + (picture if is_picture else "")


def _file(ticket: Ticket, number: str) -> Reply:
    """A picture is shown, all else is text: a browser runs nothing of it."""
    content = ticket.contents.get(number)
    if content is None:
        return missing()
    kind = "image/png" if content.startswith(_PNG) else "text/plain; charset=utf-8"
    return Reply(content, headers={"Content-Type": kind, "X-Content-Type-Options": "nosniff"})
