"""A made-up Zoho Desk: one organisation with tickets, comments, attachments and contacts, and where it gives tokens.

Run it with ``python -m sandbox.zoho --port 8404``. Like the real one it takes a token for an hour at most and gives few
of them, takes so many calls at once and no more (429), finds a new ticket by its search only after a while, answers 204
to a list of nothing, 422 to what is wrong in a request, and calls a status whatever it was renamed to. ``GET
/simulator`` tells what is there; people at the desk are its methods, and ``POST /simulator/people`` for those outside;
they read their tickets at ``/agent/made-up/tickets``.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sandbox.farm_http import Asked, Part, Reply
from sandbox.provider import Bad, Kind, PeoplesSimulator, main
from sandbox.zoho_pages import PAGES, address_of, ticket_page

ORGANISATION, CLIENT, SECRET, REFRESH = "60001234", "1000.MADEUP", "a-made-up-secret", "1000.a-made-up-refresh-token"
DEPARTMENT, QUEUE, CONTACT, EMAIL = "4000000000101", "4000000000102", "4000000000201", "caseproof@example.com"
FIELD = "cf_caseproof"
API = "/api/v1/"
WANTED = {
    "subject", "departmentId", "contactId", "description", "cf", "status", "priority", "channel", "email", "phone",
    "category", "subCategory", "classification", "language", "productId", "dueDate", "assigneeId", "teamId", "uploads",
    "resolution",
}  # fmt: skip
"""What the body of a ticket may hold."""
PAGE, MOST_TOKENS = 100, 10


@dataclass
class Ticket:
    """A ticket on the desk."""

    id: str
    number: str
    subject: str
    department: str
    contact: str
    description: str
    fields: dict[str, Any]
    made: datetime
    made_at: float
    status: str = "Open"
    by_person: bool = False
    email: str = ""
    comments: list[dict[str, Any]] = field(default_factory=list)
    files: list[dict[str, Any]] = field(default_factory=list)
    contents: dict[str, bytes] = field(default_factory=dict)
    merged_into: str = ""
    deleted: bool = False
    closed_times: int = 0


class ZohoSimulator(PeoplesSimulator):
    """``at_once`` is the edition's limit, ``takes`` the seconds that an answer takes, ``lag`` those of the search,
    ``site`` what the addresses of its pages begin with.

    ``dice`` may say of each call of the API how it goes wrong; ``too_many`` counts what came too thick.
    """

    def __init__(
        self,
        *,
        at_once: int = 5,
        takes: float = 0.0,
        lag: float = 0.0,
        fields: Sequence[str] = (FIELD,),
        site: str = "https://desk.example.com",
    ) -> None:
        super().__init__()
        self.site = site
        self.at_once, self.takes, self.lag = at_once, takes, lag
        self.fields = set(fields)
        self.statuses = {"Open": "Open", "On Hold": "On Hold", "Escalated": "Open", "Closed": "Closed"}
        self.tickets: dict[str, Ticket] = {}
        self.tokens: dict[str, float] = {}
        self.refreshes: list[float] = []
        self.refresh_token, self.lives = REFRESH, 3600.0
        self.lists_fields = True
        self.drops: set[str] = set()
        """The custom fields that are on no layout: what is written into them is taken, and not kept."""
        self.now: Callable[[], float] = time.monotonic
        self.too_many = 0
        self.most_at_once = 0
        self.dice: Callable[[Asked], Kind | None] = lambda _: None
        self._under_way: list[float] = []
        self._next = 4_000_000_001_000

    # -- people at the desk ----------------------------------------------------------------------------------------

    def raise_ticket(
        self, subject: str, description: str, *, email: str = "", department: str = QUEUE, **cf: Any
    ) -> str:
        """Somebody raises a ticket."""
        with self._lock:
            ticket = self._made(subject, department, CONTACT, description, dict(cf))
            ticket.by_person, ticket.email = True, email
            return ticket.id

    def say(self, ticket: str, words: str, *, public: bool = False, who: str = "An agent") -> str:
        """Somebody comments."""
        with self._lock:
            return str(self._comment(self.tickets[ticket], words, public, "html", who)["id"])

    def set(self, ticket: str, status: str) -> None:
        """Somebody sets a status by hand."""
        with self._lock:
            self.tickets[ticket].status = status

    def rename(self, was: str, now: str) -> None:
        """The administrator renames a status; tickets that have it keep it."""
        with self._lock:
            self.statuses = {now if name == was else name: kind for name, kind in self.statuses.items()}
            for ticket in self.tickets.values():
                ticket.status = now if ticket.status == was else ticket.status

    def merge(self, dead: str, alive: str, *, gone: bool = False, fields: bool = False) -> None:
        """Somebody merges a ticket into another, which gets its comments and files, and its ``fields`` if they choose
        so. ``gone``: its number leads nowhere then, and not to the other one."""
        with self._lock:
            dying, stays = self.tickets[dead], self.tickets[alive]
            dying.merged_into, dying.deleted = alive, gone
            stays.fields |= dying.fields if fields else {}
            stays.comments += dying.comments
            stays.files += dying.files

    def delete(self, ticket: str) -> None:
        """Somebody deletes a ticket."""
        with self._lock:
            self.tickets[ticket].deleted = True

    def revoke(self, *, refresh: bool = False) -> None:
        """Access is taken back: of all tokens, and maybe of the refresh token."""
        with self._lock:
            self.tokens.clear()
            if refresh:
                self.refresh_token = ""

    def of(self, reference: str) -> list[Ticket]:
        """The tickets with this reference."""
        with self._lock:
            return [one for one in self.tickets.values() if one.fields.get(FIELD) == reference and not one.deleted]

    def told(self) -> Any:
        with self._lock:
            return {
                "tickets": [self._shown(one) | {"comments": one.comments} for one in self.tickets.values()],
                "refreshes": len(self.refreshes), "requests": len(self.asked), "too many": self.too_many,
                "most at once": self.most_at_once,
            }  # fmt: skip

    # -- answers ---------------------------------------------------------------------------------------------------

    def answered(self, asked: Asked) -> Reply:
        reply = self._throttled(asked) or super().answered(asked)
        if asked.path.startswith(API):
            self._under_way.append(time.monotonic() + self.takes + reply.after)
            reply.after += self.takes
        return reply

    def goes_wrong(self, asked: Asked, not_by: Sequence[str]) -> Bad | None:
        if asked.path.startswith(API) and (kind := self.dice(asked)) is not None:
            return Bad(kind, value=1)
        return super().goes_wrong(asked, not_by)

    def _throttled(self, asked: Asked) -> Reply | None:
        if not asked.path.startswith(API):
            return None
        now = time.monotonic()
        self._under_way = [ends for ends in self._under_way if ends > now]
        self.most_at_once = max(self.most_at_once, len(self._under_way) + 1)
        if len(self._under_way) < self.at_once:
            return None
        self.too_many += 1
        return _refused(429, "TOO_MANY_REQUESTS", "You have made too many requests at once.", {"Retry-After": "1"})

    def _badly(self, bad: Bad, asked: Asked) -> Reply:
        if bad.kind == "too many":
            self.too_many += 1
            after = {"Retry-After": f"{bad.value:g}"}
            return _refused(429, "THRESHOLD_EXCEEDED", "You have used up your calls.", after)
        if bad.kind == "gone":
            return _refused(404, "RESOURCE_NOT_FOUND", "The resource does not exist.")
        if bad.kind == "broken":
            return _refused(500, "INTERNAL_SERVER_ERROR", "An internal error occurred.")
        return super()._badly(bad, asked)

    def served(self, asked: Asked) -> Reply:
        if asked.path == "/oauth/v2/token":
            return self._give_token(asked)
        if asked.path.startswith(PAGES) and asked.method == "GET":
            return ticket_page(self, asked)
        if not asked.path.startswith(API):
            return _refused(404, "URL_NOT_FOUND", "The URL given is wrong.")
        token = asked.headers.get("authorization", "").removeprefix("Zoho-oauthtoken ")
        if self.tokens.get(token, 0.0) < self.now():
            return _refused(401, "INVALID_OAUTH", "The OAuth Token you provided is invalid.")
        if asked.headers.get("orgid") != ORGANISATION:
            return _refused(403, "FORBIDDEN", "You do not belong to this organisation.")
        return self._routed(asked, asked.path.removeprefix(API).split("/"))

    def pretended(self, asked: Asked) -> Reply:
        """As if it were done."""
        if asked.path == "/oauth/v2/token":
            return self.served(asked)
        if asked.path.endswith("/tickets"):
            made = Ticket("4999999999999", "999", str(asked.body.get("subject")), DEPARTMENT, CONTACT, "",
                          dict(asked.body.get("cf") or {}), datetime.now(UTC), 0.0)  # fmt: skip
            return Reply(self._shown(made))
        return Reply({"id": "4999999999999"})

    def _give_token(self, asked: Asked) -> Reply:
        if asked.method != "POST" or not isinstance(asked.body, list):
            return Reply({"error": "general_error"}, 400)
        form, now = dict(asked.body), self.now()
        self.refreshes.append(now)
        if len([at for at in self.refreshes if now - at < 600]) > MOST_TOKENS:
            said = "You have made too many requests continuously. Please try again after some time."
            return Reply({"error": "Access Denied", "error_description": said, "status": "failure"}, 400)
        if form.get("client_id") != CLIENT:
            return Reply({"error": "invalid_client"})
        if form.get("client_secret") != SECRET:
            return Reply({"error": "invalid_client_secret"})
        if form.get("grant_type") != "refresh_token" or form.get("refresh_token") != self.refresh_token:
            return Reply({"error": "invalid_code"})
        token = f"1000.made-up-access-{len(self.refreshes)}"
        self.tokens[token] = now + self.lives
        return Reply({"access_token": token, "expires_in": int(self.lives), "token_type": "Bearer",
                      "api_domain": "https://desk.example.com"})  # fmt: skip

    def _routed(self, asked: Asked, parts: list[str]) -> Reply:
        match (asked.method, *parts):
            case ("POST", "tickets"):
                return self._create(asked)
            case ("GET", "tickets"):
                return self._list(asked)
            case ("GET", "tickets", "search"):
                return self._search(asked)
            case ("POST", "closeTickets"):
                return self._close(asked)
            case ("GET", "departments"):
                rows = [{"id": DEPARTMENT, "name": "Integrations"}, {"id": QUEUE, "name": "Front line"}]
                return _page(rows, asked)
            case ("GET", "contacts", "search"):
                rows = [{"id": CONTACT, "email": EMAIL, "lastName": "Caseproof"}]
                return _page([one for one in rows if one["email"] == asked.query.get("email")], asked)
            case ("GET", "organizationFields"):
                values = [{"value": name, "statusType": kind} for name, kind in self.statuses.items()]
                return Reply({"data": [{"apiName": "status", "type": "Picklist", "allowedValues": values}]})
            case (_, "tickets", number, *rest):
                return self._of_ticket(asked, number, rest)
        return _refused(404, "URL_NOT_FOUND", "The URL given is wrong.")

    def _of_ticket(self, asked: Asked, number: str, rest: list[str]) -> Reply:
        ticket = self.tickets.get(number)
        if ticket is None or ticket.deleted:
            return _refused(404, "RESOURCE_NOT_FOUND", "The resource does not exist.")
        if ticket.merged_into:
            if (asked.method, rest) != ("GET", []):
                return _refused(422, "UNPROCESSABLE_ENTITY", "The ticket was merged.")
            return self._of_ticket(asked, ticket.merged_into, [])
        match (asked.method, *rest):
            case ("GET",):
                return Reply(self._shown(ticket))
            case ("PATCH",):
                return self._patch(ticket, asked.body)
            case ("GET", "comments"):
                newest = asked.query.get("sortBy") == "-commentedTime"
                return _page(ticket.comments[:: -1 if newest else 1], asked)
            case ("POST", "comments"):
                return self._commented(ticket, asked.body)
            case ("GET", "attachments"):
                return _page(ticket.files, asked)
            case ("POST", "attachments"):
                return self._attach(ticket, asked.body)
        return _refused(404, "URL_NOT_FOUND", "The URL given is wrong.")

    def _commented(self, ticket: Ticket, wanted: Mapping[str, Any]) -> Reply:
        unknown = wanted.keys() - {"content", "isPublic", "contentType", "attachmentIds"}
        if unknown or not wanted.get("content"):
            return _invalid(*sorted(unknown or {"content"}))
        kind = str(wanted.get("contentType", "plainText"))
        return Reply(self._comment(ticket, wanted["content"], bool(wanted.get("isPublic", False)), kind, "Caseproof"))

    def _create(self, asked: Asked) -> Reply:
        wanted: Mapping[str, Any] = asked.body if isinstance(asked.body, dict) else {}
        wrong = sorted(wanted.keys() - WANTED)
        wrong += [f"cf/{name}" for name in wanted.get("cf") or {} if name not in self.fields]
        wrong += [name for name in ("subject", "departmentId", "contactId") if not wanted.get(name)]
        if wanted.get("departmentId") not in (DEPARTMENT, QUEUE):
            wrong.append("departmentId")
        if wanted.get("contactId") != CONTACT:
            wrong.append("contactId")
        if wrong:
            return _invalid(*wrong)
        made = self._made(
            wanted["subject"], wanted["departmentId"], wanted["contactId"], wanted.get("description") or "",
            self._kept(wanted.get("cf")),
        )  # fmt: skip
        return Reply(self._shown(made))

    def _kept(self, fields: Mapping[str, Any] | None) -> dict[str, Any]:
        return {name: value for name, value in (fields or {}).items() if name not in self.drops}

    def _made(self, subject: str, department: str, contact: str, description: str, fields: dict[str, Any]) -> Ticket:
        number = self._number()
        made = Ticket(number, str(100 + len(self.tickets)), subject, department, contact, description, fields,
                      datetime.now(UTC), time.monotonic())  # fmt: skip
        made.status = next(name for name, kind in self.statuses.items() if kind == "Open")
        self.tickets[number] = made
        return made

    def _list(self, asked: Asked) -> Reply:
        rows = [one for one in self._seen() if one.department == asked.query.get("departmentId", one.department)]
        rows.sort(key=lambda one: (one.made, int(one.id)), reverse=asked.query.get("sortBy") == "-createdTime")
        wanted = set(asked.query.get("fields", "").split(","))
        shown = [self._shown(one) | {"cf": {k: v for k, v in self._cf(one).items() if k in wanted}} for one in rows]
        return _page(shown if self.lists_fields else [{**one, "cf": None} for one in shown], asked)

    def _search(self, asked: Asked) -> Reply:
        if words := asked.query.get("subject"):
            known = [one for one in self._seen() if time.monotonic() - one.made_at >= self.lag]
            return _page([self._shown(one) for one in known if words.lower() in one.subject.lower()], asked)
        name, _, value = asked.query.get("customField1", "").partition(":")
        if name not in self.fields or not value:
            return _invalid("customField1")
        known = [one for one in self._seen() if time.monotonic() - one.made_at >= self.lag]
        # It finds what begins so, too.
        return _page([self._shown(one) for one in known if str(one.fields.get(name, "")).startswith(value)], asked)

    def _close(self, asked: Asked) -> Reply:
        for number in asked.body.get("ids") or []:
            if str(number) not in self.tickets:
                return _invalid("ids")
            self.tickets[str(number)].status = next(name for name, kind in self.statuses.items() if kind == "Closed")
            self.tickets[str(number)].closed_times += 1
        return Reply(None, 204)

    def _patch(self, ticket: Ticket, wanted: Mapping[str, Any]) -> Reply:
        wrong = sorted(wanted.keys() - (WANTED - {"uploads"}))
        if "status" in wanted and wanted["status"] not in self.statuses:
            wrong.append("status")
        if wrong:
            return _invalid(*wrong)
        if self.statuses.get(wanted.get("status", "")) == "Closed":
            ticket.closed_times += 1
        ticket.status = wanted.get("status", ticket.status)
        ticket.fields |= self._kept(wanted.get("cf"))
        return Reply(self._shown(ticket))

    def _comment(self, ticket: Ticket, words: str, public: bool, kind: str, who: str) -> dict[str, Any]:
        made = {
            "id": self._number(), "content": words, "isPublic": public, "contentType": kind,
            "commentedTime": _time(datetime.now(UTC)), "commenter": {"name": who, "type": "AGENT"},
        }  # fmt: skip
        ticket.comments.append(made)
        return made

    def _attach(self, ticket: Ticket, parts: Any) -> Reply:
        if not (isinstance(parts, list) and len(parts) == 1 and isinstance(parts[0], Part) and parts[0].name == "file"):
            return _invalid("file")
        made = {"id": self._number(), "name": parts[0].file, "size": str(len(parts[0].content)), "isPublic": False,
                "createdTime": _time(datetime.now(UTC))}  # fmt: skip
        ticket.files.append(made)
        ticket.contents[str(made["id"])] = parts[0].content
        return Reply(made)

    def _seen(self) -> list[Ticket]:
        return [one for one in self.tickets.values() if not one.deleted and not one.merged_into]

    def _cf(self, ticket: Ticket) -> dict[str, Any]:
        return {name: ticket.fields.get(name) for name in sorted(self.fields)}

    def _shown(self, one: Ticket) -> dict[str, Any]:
        return {
            "id": one.id, "ticketNumber": one.number, "subject": one.subject, "status": one.status,
            "statusType": self.statuses.get(one.status, "Open"), "departmentId": one.department,
            "contactId": one.contact, "createdTime": _time(one.made), "cf": self._cf(one), "email": one.email or None,
            "description": one.description, "channel": "Web", "isTrashed": False,
            "webUrl": f"{self.site}{address_of(one)}",
        }  # fmt: skip

    def _number(self) -> str:
        self._next += 1
        return str(self._next)


def _time(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"


def _page(rows: list[dict[str, Any]], asked: Asked) -> Reply:
    """So many rows from there on; 204 where there are none."""
    limit, start = int(asked.query.get("limit", "10")), int(asked.query.get("from", "0"))
    if not 1 <= limit <= 2 * PAGE:
        return _invalid("limit")
    some = rows[start : start + min(limit, PAGE)]
    return Reply({"data": some}) if some else Reply(None, 204)


def _invalid(*fields: str) -> Reply:
    wrong = [{"fieldName": f"/{name}", "errorType": "invalid", "errorMessage": ""} for name in fields]
    body = {
        "errorCode": "INVALID_DATA",
        "message": "The data is invalid due to validation restrictions",
        "errors": wrong,
    }
    return Reply(body, 422)


def _refused(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> Reply:
    return Reply({"errorCode": code, "message": message}, status, dict(headers or {}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m sandbox.zoho", description=__doc__)
    sys.exit(main(lambda told: ZohoSimulator(site=f"http://127.0.0.1:{told.port}"), parser))
