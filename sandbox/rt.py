"""A made-up Request Tracker 5: queues, tickets with their history and files, a lifecycle, rights, its query language.

Run it with ``python -m sandbox.rt --port 8407``. It answers as a real one was seen to (Debian's 5.0.3, which
``make test-rt`` asks the same): no idempotency key; a status that is none is answered with 200 and a text; a custom
field that may not be set is left empty without a word; a search does not tell capitals from small letters, reads times
in the account's zone, and leaves out what was merged unless it is asked about ``EffectiveId``; a list counts what it
does not show; a file that is a text is written anew in UTF-8; what is said in public opens a ticket again; and a ticket
that was changed has another ETag (412). ``GET /simulator`` tells what is there; people are its methods, and ``POST
/simulator/people`` for those outside.
"""

from __future__ import annotations

import argparse
import base64
import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.header import decode_header, make_header
from typing import Any

from sandbox.farm_http import Asked, Reply
from sandbox.provider import Bad, PeoplesSimulator, main
from sandbox.rt_tickets import Part, Ticket, Transaction, as_utf8, term, terms_of, time_of, user_of

USER, TOKEN, PASSWORD, NUMBER = "caseproof", "1-27-0123456789abcdef0123456789abcdef", "a-made-up-password", "27"
QUEUE, RAISED, ELSEWHERE, FIELD = "Integrations", "Front line", "Elsewhere", "Caseproof"
API = "/REST/2.0/"
RIGHTS = {
    "SeeQueue", "CreateTicket", "ShowTicket", "ShowTicketComments", "CommentOnTicket", "ReplyToTicket", "ModifyTicket",
    "SeeCustomField", "ModifyCustomField",
}  # fmt: skip
ZONE = timedelta(hours=5, minutes=45)
"""The account's zone, in which a search reads times."""
_NO_LOGIN = "Unauthorized"


class RtSimulator(PeoplesSimulator):
    """``rights`` are what our account may do; ``fields`` the custom fields of each queue. It may not see what is in
    ``hidden``."""

    def __init__(self) -> None:
        super().__init__()
        self.lifecycle = {"new": True, "open": True, "stalled": True, "resolved": False, "rejected": False}
        self.rights = set(RIGHTS)
        self.hidden: set[int] = set()
        self.fields = {QUEUE: {FIELD}, RAISED: {FIELD}, ELSEWHERE: {FIELD}}
        self.token, self.password = TOKEN, PASSWORD
        self.tickets: dict[int, Ticket] = {}
        self._next = 0

    # -- people ----------------------------------------------------------------------------------------------------

    def raise_ticket(self, subject: str, body: str, *, queue: str = RAISED, requestor: str = "shop@example.com") -> str:
        """Somebody raises a ticket."""
        with self._lock:
            return str(self._made(queue, subject, body, "agent", [requestor] if requestor else [], {}).id)

    def say(self, ticket: str, words: str, *, public: bool = False, kind: str = "text/plain") -> None:
        """Somebody comments."""
        with self._lock:
            self._say(self.tickets[int(ticket)], "Correspond" if public else "Comment", "agent", words, kind)

    def set(self, ticket: str, status: str) -> None:
        """Somebody gives a ticket this status."""
        with self._lock:
            self._set(self.tickets[int(ticket)], status, "agent")

    def status_of(self, ticket: str) -> str:
        """What somebody sees as its status."""
        with self._lock:
            return self.tickets[int(ticket)].status

    def rename(self, was: str, now: str) -> None:
        """The administrator renames a status; tickets that have it get the new name."""
        with self._lock:
            self.lifecycle = {now if name == was else name: kind for name, kind in self.lifecycle.items()}
            for one in self.tickets.values():
                one.status = now if one.status == was else one.status

    def block(self, ticket: str) -> str:
        """Somebody makes it depend on another one, which is open: its number."""
        with self._lock:
            other = self._made(RAISED, "Before it", "", "agent", [], {}).id
            self.tickets[int(ticket)].depends_on = other
            return str(other)

    def move(self, ticket: str, queue: str) -> None:
        """Somebody moves a ticket to another queue; it keeps its fields, and shows those that the queue has."""
        with self._lock:
            self.tickets[int(ticket)].queue = queue
            self._add(self.tickets[int(ticket)], "Set", "agent")

    def merge(self, dead: str, alive: str) -> None:
        """Somebody merges a ticket into another, which gets its history."""
        with self._lock:
            gone, stays = self.tickets[int(dead)], self.tickets[int(alive)]
            gone.merged_into = stays.id
            stays.history += gone.history
            self._add(stays, "AddLink", "agent")

    def delete(self, ticket: str) -> None:
        """Somebody deletes a ticket."""
        self.set(ticket, "deleted")

    def mails(self, ticket: str, times: int) -> None:
        """RT mails so often what was said, and keeps what it mailed, which we may not see."""
        with self._lock:
            for _ in range(times):
                self._add(self.tickets[int(ticket)], "EmailRecord", "RT_System")
                self.tickets[int(ticket)].history[-1].parts = [Part(self._number(), "image/png", b"x", "x.png", True)]

    def of(self, reference: str) -> list[Ticket]:
        """The tickets with this reference that were not deleted."""
        with self._lock:
            return [t for t in self.tickets.values() if t.fields.get(FIELD) == reference and t.status != "deleted"]

    def told(self) -> Any:
        with self._lock:
            return {"tickets": [self._shown(one) for one in self.tickets.values()], "requests": len(self.asked)}

    # -- answers ---------------------------------------------------------------------------------------------------

    def _badly(self, bad: Bad, asked: Asked) -> Reply:
        if bad.kind == "broken":
            return _refused(500, "Internal Server Error")
        return super()._badly(bad, asked)

    def served(self, asked: Asked) -> Reply:
        if not asked.path.startswith(API):  # whoever is not let in is led to a page
            return Reply(b"<html>", 302, {"Location": "/NoAuth/Login.html", "Content-Type": "text/html"})
        if not self._lets_in(asked.headers.get("authorization", "")):
            return _refused(401, _NO_LOGIN)
        return self._routed(asked, asked.path.removeprefix(API).split("/"))

    def _lets_in(self, login: str) -> bool:
        basic = base64.b64encode(f"{USER}:{self.password}".encode()).decode()
        return login in (f"token {self.token}", f"Basic {basic}")

    def pretended(self, asked: Asked) -> Reply:
        """As if it were done."""
        if asked.method == "GET" or not self._lets_in(asked.headers.get("authorization", "")):
            return self.served(asked)
        if asked.method == "PUT":
            return Reply([f"Ticket 1: Status changed from 'new' to '{asked.body.get('Status')}'"])
        made = {"id": "2000000", "type": "ticket", "_url": "https://rt.example.com/REST/2.0/ticket/2000000"}
        return Reply(made if asked.path.endswith("/ticket") else ["Comments added"], 201)

    def _routed(self, asked: Asked, parts: list[str]) -> Reply:
        match (asked.method, *parts):
            case ("GET", "rt"):
                return Reply({"Version": "5.0.3"})
            case ("GET", "user", name):
                known = name.casefold() == USER
                return (
                    Reply({"id": int(NUMBER), "Name": USER, "Privileged": 1}) if known else _refused(403, "Forbidden")
                )
            case ("GET", "queue", name):
                return self._queue(name)
            case ("GET", "tickets"):
                return self._search(asked)
            case ("POST", "ticket"):
                return self._create(asked.body)
            case ("GET", "attachment", number):
                return self._content(int(number))
            case (_, "ticket", number, *rest) if number.isdecimal():
                return self._of_ticket(asked, int(number), rest)
        return _refused(404, "Not Found")

    def _queue(self, name: str) -> Reply:
        if name not in self.fields or "SeeQueue" not in self.rights:
            return _refused(403, "Forbidden")
        seen = sorted(self.fields[name]) if "SeeCustomField" in self.rights else []
        links = [{"ref": "self"}, *([{"ref": "create", "type": "ticket"}] if "CreateTicket" in self.rights else [])]
        shown = [{"id": "2", "type": "customfield", "name": one} for one in seen]
        return Reply({"id": [*self.fields].index(name) + 3, "Name": name, "Lifecycle": "default", "Disabled": "0",
                      "TicketCustomFields": shown, "_hyperlinks": links})  # fmt: skip

    def _of_ticket(self, asked: Asked, number: int, rest: list[str]) -> Reply:
        ticket = self.tickets.get(number)
        while ticket is not None and ticket.merged_into:
            ticket = self.tickets[ticket.merged_into]
        writes = rest in (["comment"], ["correspond"])
        if ticket is None or "ShowTicket" not in self.rights or ticket.id in self.hidden:
            if writes:
                return _refused(400, "Permission Denied")
            if rest:
                return self._page([], asked, total=False)
            return _refused(404, "Not Found") if ticket is None else _refused(403, "Forbidden")
        match (asked.method, *rest):
            case ("GET",):
                return Reply(self._shown(ticket), headers={"ETag": f'"{ticket.history[-1].id}"'})
            case ("PUT",):
                return self._change(ticket, asked)
            case ("POST", "comment" | "correspond" as how):
                return self._write(ticket, how, asked.body)
            case ("GET", "history"):
                return self._page(self._history(ticket, asked), asked, total=False)
            case ("GET", "attachments"):
                return self._page(self._parts(ticket, asked), asked, total=False)
        return _refused(404, "Not Found")

    def _create(self, body: Mapping[str, Any]) -> Reply:
        queue = body.get("Queue", "")
        if queue not in self.fields or "CreateTicket" not in self.rights:
            return _refused(403, f"No permission to create tickets in the queue '{queue}'")
        may = self.fields[queue] if "ModifyCustomField" in self.rights else set()
        kept = {name: value for name, value in (body.get("CustomFields") or {}).items() if name in may}
        made = self._made(
            queue, body.get("Subject", ""), body.get("Content", ""), USER, body.get("Requestor", []), kept
        )
        return Reply({"id": str(made.id), "type": "ticket"}, 201)

    def _change(self, ticket: Ticket, asked: Asked) -> Reply:
        if asked.headers.get("if-match") not in (None, f'"{ticket.history[-1].id}"'):
            return _refused(412, "Precondition Failed")
        said = []
        status = asked.body.get("Status")
        if status == ticket.status:
            status = None
        if status is not None:
            if "ModifyTicket" not in self.rights:
                said.append(f"Ticket {ticket.id}: Permission Denied")
            elif status not in self.lifecycle:
                said.append(f"Ticket {ticket.id}: Status '{status}' isn't a valid status for this ticket.")
            elif self._waits(ticket) and not self.lifecycle[status]:
                said.append(f"Ticket {ticket.id}: That ticket has unresolved dependencies")
            else:
                said.append(f"Ticket {ticket.id}: Status changed from '{ticket.status}' to '{status}'")
                self._set(ticket, status, USER)
        for name, value in (asked.body.get("CustomFields") or {}).items():
            if name in self.fields[ticket.queue] and "ModifyCustomField" in self.rights:
                ticket.fields[name] = value
                self._add(ticket, "CustomField", USER)
                said.append(f"{name} {value} added")
            else:
                said.append("Permission Denied")
        return Reply(said)

    def _waits(self, ticket: Ticket) -> bool:
        other = self.tickets.get(ticket.depends_on)
        return other is not None and self.lifecycle.get(other.status, False)

    def _write(self, ticket: Ticket, how: str, body: Mapping[str, Any]) -> Reply:
        if ("CommentOnTicket" if how == "comment" else "ReplyToTicket") not in self.rights:
            return _refused(400, "Permission Denied")
        if body.get("Content") and not body.get("ContentType"):
            return _refused(400, "ContentType is a required field for application/json")
        for one in body.get("Attachments", []):
            for name in ("FileName", "FileType", "FileContent"):
                if not one.get(name):
                    return _refused(400, f"{name} is a required field for each attachment in Attachments")
        done = self._say(ticket, "Comment" if how == "comment" else "Correspond", USER, body.get("Content", ""))
        for one in body.get("Attachments", []):
            content, name = base64.b64decode(one["FileContent"]), one["FileName"]
            if one["FileType"].split("/")[0] in ("text", "message"):
                content = as_utf8(content)
            name = str(make_header(decode_header(name))) if name.isascii() else name.encode().decode("ascii", "replace")
            done.parts.append(Part(self._number(), one["FileType"], content, name))
        said = ["Comments added" if how == "comment" else "Correspondence added"]
        if (status := body.get("Status")) in self.lifecycle and status != ticket.status:
            said.append(f"Status changed from '{ticket.status}' to '{status}'")
            self._set(ticket, status, USER)
        return Reply(said, 201)

    # -- lists -----------------------------------------------------------------------------------------------------

    def _search(self, asked: Asked) -> Reply:
        query = asked.query.get("query", "")
        try:
            terms = [term(one, USER, self.lifecycle, ZONE) for one in terms_of(query)]
        except ValueError as error:
            return _refused(400, f"{error} at Tickets.pm line 3208.\n")
        merged = "EffectiveId" in query
        seen = [one for one in self.tickets.values() if "ShowTicket" in self.rights and one.id not in self.hidden]
        found = [
            self._found(one) for one in seen
            if one.status != "deleted" and (merged or not one.merged_into)
            and all(fits(one) for fits in terms)
        ]  # fmt: skip
        found.sort(key=lambda one: int(one["id"]), reverse=asked.query.get("order") == "DESC")
        return self._page(found, asked, total=True)

    def _history(self, ticket: Ticket, asked: Asked) -> list[Any]:
        kinds = [one["value"] for one in json.loads(asked.query.get("query", "[]"))]
        shown = [one for one in ticket.history if not kinds or one.kind in kinds]
        comments = "ShowTicketComments" in self.rights
        return [
            {"id": str(one.id), "type": "transaction", "Type": one.kind, "Creator": user_of(one.creator),
             "Created": time_of(one.at)} if comments or one.kind != "Comment" else None
            for one in sorted(shown, key=lambda one: one.id)
        ]  # fmt: skip

    def _parts(self, ticket: Ticket, asked: Asked) -> list[Any]:
        limits = json.loads(asked.query.get("query", "[]"))
        of = {one["value"] for one in limits if one["field"] == "TransactionId"}
        kinds = {one["value"] for one in limits if one["field"] == "ContentType"}
        found = []
        for done in sorted(ticket.history, key=lambda one: one.id):
            seen = done.kind != "Comment" or "ShowTicketComments" in self.rights
            for part in done.parts:
                if (not of or str(done.id) in of) and (not kinds or part.kind in kinds):
                    found.append(self._part(done, part) if seen and not part.hidden else None)
        return found

    def _part(self, done: Transaction, part: Part) -> dict[str, Any]:
        return {"id": str(part.id), "type": "attachment", "TransactionId": str(done.id), "Filename": part.name,
                "ContentType": part.kind, "ContentLength": str(len(part.content)), "Creator": user_of(done.creator),
                "Content": part.content.decode(errors="replace")}  # fmt: skip

    def _content(self, number: int) -> Reply:
        for ticket in self.tickets.values():
            for done in ticket.history:
                for part in done.parts:
                    if part.id == number and not part.hidden:
                        shown = self._part(done, part) | {"id": number, "TransactionId": {"id": str(done.id)}}
                        return Reply(shown | {"Content": base64.encodebytes(part.content).decode()})
        return _refused(404, "Not Found")

    @staticmethod
    def _page(rows: list[Any], asked: Asked, *, total: bool) -> Reply:
        """What is None is counted, and not shown."""
        size, page = min(int(asked.query.get("per_page", "20")), 100), int(asked.query.get("page", "1"))
        shown = [one for one in rows[(page - 1) * size : page * size] if one is not None]
        pages = -(-len(rows) // size) if total else None
        return Reply({"count": len(shown), "page": page, "per_page": size, "pages": pages, "items": shown,
                      "total": len(rows) if total else None})  # fmt: skip

    # -- what there is ---------------------------------------------------------------------------------------------

    def _made(
        self, queue: str, subject: str, body: str, creator: str, requestor: list[str], fields: dict[str, str]
    ) -> Ticket:
        first = next(name for name, active in self.lifecycle.items() if active)
        number = len(self.tickets) + 1
        made = Ticket(number, queue, " ".join(subject.split()), first, creator, requestor, fields, datetime.now(UTC))
        self.tickets[number] = made
        self._add(made, "Create", creator, body)
        return made

    def _say(self, ticket: Ticket, kind: str, who: str, words: str, media: str = "text/plain") -> Transaction:
        """What is said in public opens it again."""
        done = self._add(ticket, kind, who, words, media)
        if kind == "Correspond" and not self.lifecycle.get(ticket.status, True):
            self._set(ticket, next(name for name in ("open", *self.lifecycle) if self.lifecycle.get(name)), "RT_System")
        return done

    def _add(self, ticket: Ticket, kind: str, who: str, words: str = "", media: str = "text/plain") -> Transaction:
        parts = [Part(self._number(), media, words.encode())] if words else []
        ticket.history.append(Transaction(self._number(), kind, who, datetime.now(UTC), parts))
        return ticket.history[-1]

    def _set(self, ticket: Ticket, status: str, who: str) -> None:
        ticket.status = status
        self._add(ticket, "Status", who)

    def _shown(self, one: Ticket) -> dict[str, Any]:
        links: list[dict[str, str]] = [{"ref": "self"}]
        links += [{"ref": "correspond"}] if "ReplyToTicket" in self.rights else []
        links += [{"ref": "comment"}] if "CommentOnTicket" in self.rights else []
        if "ModifyTicket" in self.rights:
            links += [{"ref": "lifecycle", "from": one.status, "to": to} for to in self.lifecycle if to != one.status]
        queue = {"id": str([*self.fields].index(one.queue) + 3), "type": "queue"}
        return self._found(one) | {"id": one.id, "_hyperlinks": links, "Queue": queue,
                                   "EffectiveId": {"id": str(one.merged_into or one.id), "type": "ticket"}}  # fmt: skip

    def _found(self, one: Ticket) -> dict[str, Any]:
        values = [{"id": "2", "name": name, "values": [one.fields[name]] if one.fields.get(name) else []}
                  for name in sorted(self.fields[one.queue])] if "SeeCustomField" in self.rights else []  # fmt: skip
        return {"id": str(one.id), "type": "ticket", "Subject": one.subject, "Status": one.status,
                "Created": time_of(one.at), "Creator": user_of(one.creator), "CustomFields": values,
                "Requestor": [{"id": who, "type": "user", "EmailAddress": who} for who in one.requestor],
                "EffectiveId": str(one.merged_into or one.id)}  # fmt: skip

    def _number(self) -> int:
        self._next += 1
        return self._next


def _refused(status: int, message: str) -> Reply:
    return Reply({"message": message}, status)


if __name__ == "__main__":
    sys.exit(main(lambda _: RtSimulator(), argparse.ArgumentParser(prog="python -m sandbox.rt", description=__doc__)))
