"""A made-up Jira Cloud: one site with projects, issues, their workflow, comments and attachments.

Run it with ``python -m sandbox.jira --port 8405``. Like the real one it takes no idempotency key, finds a new issue by
its search only after a while (``lag``) though it shows it by its key at once, pages a search by tokens, hides what an
account may not see as what is not there (404), wants documents and not texts (ADF), refuses an attachment without its
header, and leads an issue from status to status only where the workflow does. ``GET /simulator`` tells what is there;
people on the site are its methods, and ``POST /simulator/people`` for those outside.
"""

from __future__ import annotations

import argparse
import base64
import json
import re
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sandbox.farm_http import Asked, Part, Reply
from sandbox.provider import Bad, PeoplesSimulator, main

EMAIL, TOKEN, ME = "caseproof@example.com", "a-made-up-api-token", "712020:caseproof"
PROJECT, ELSEWHERE = "DEV", "OPS"
API = "/rest/api/3/"
RIGHTS = {
    "BROWSE_PROJECTS", "CREATE_ISSUES", "EDIT_ISSUES", "ADD_COMMENTS", "CREATE_ATTACHMENTS", "TRANSITION_ISSUES",
}  # fmt: skip
_JQL = re.compile(
    r'(?:project = "(?P<project>[A-Z0-9_]+)"|labels = "(?P<label>[^"\\]+)")'
    r"(?: ORDER BY created (?P<way>ASC|DESC))?"
)
LONGEST = 32_767
_TOO_LONG = "The entered text is too long. It exceeds the allowed limit of 32,767 characters."
_GONE = "Issue does not exist or you do not have permission to see it."


@dataclass
class Issue:
    """An issue; ``keys`` are all that it ever had, the newest last."""

    id: str
    keys: list[str]
    summary: str
    description: Any
    labels: list[str]
    creator: str
    properties: dict[str, Any]
    status: str
    made: datetime
    made_at: float
    comments: list[dict[str, Any]] = field(default_factory=list)
    files: list[dict[str, Any]] = field(default_factory=list)
    contents: dict[str, bytes] = field(default_factory=dict)
    deleted: bool = False


@dataclass
class Way:
    """A transition; ``asks`` are the names of the fields that it requires."""

    id: str
    name: str
    to: str
    asks: tuple[str, ...] = ()


class JiraSimulator(PeoplesSimulator):
    """``lag`` is that of the search in seconds, ``page`` how many issues it gives at most; ``endless``: its pages come
    to no end. ``rights`` are what our account may do. ``anonymous``: a wrong token is answered as to nobody."""

    def __init__(self, *, lag: float = 0.0, page: int = 50) -> None:
        super().__init__()
        self.lag, self.page, self.endless, self.anonymous = lag, page, False, False
        self.statuses = {"To Do": "new", "In Progress": "indeterminate", "Done": "done", "Rejected": "done"}
        self.ways = [Way("11", "Back", "To Do"), Way("21", "Start", "In Progress"), Way("41", "Reject", "Rejected"),
                     Way("31", "Finish", "Done")]  # fmt: skip
        self.me = {"accountId": ME, "displayName": "Caseproof", "accountType": "atlassian"}
        self.rewrites: Callable[[bytes], bytes] = lambda content: content
        self.rights, self.token, self.labels_on_screen = set(RIGHTS), TOKEN, True
        self.issues: dict[str, Issue] = {}
        self.numbers = {PROJECT: 0, ELSEWHERE: 0}
        self._next = 10_000

    # -- people on the site ----------------------------------------------------------------------------------------

    def raise_issue(self, summary: str, *, labels: list[str] | None = None, project: str = PROJECT) -> str:
        """Somebody makes an issue: its id."""
        with self._lock:
            return self._made(project, summary, None, labels or [], "712020:somebody", {}).id

    def say(self, issue: str, words: str, *, who: str = "712020:somebody") -> str:
        """Somebody comments."""
        node = {"type": "paragraph", "content": [{"type": "text", "text": words}]}
        with self._lock:
            return str(self._comment(self.issues[issue], {"type": "doc", "version": 1, "content": [node]}, who)["id"])

    def set(self, issue: str, status: str) -> None:
        """Somebody leads an issue to this status."""
        with self._lock:
            self.issues[issue].status = status

    def rename(self, was: str, now: str) -> None:
        """The administrator renames a status; its category stays."""
        with self._lock:
            self.statuses = {now if name == was else name: kind for name, kind in self.statuses.items()}
            for one in (*self.issues.values(),):
                one.status = now if one.status == was else one.status
            for way in self.ways:
                way.to = now if way.to == was else way.to

    def clone(self, issue: str) -> str:
        """Somebody clones an issue: the labels come along, properties do not."""
        with self._lock:
            of = self.issues[issue]
            return self._made(PROJECT, f"CLONE - {of.summary}", of.description, [*of.labels], "712020:somebody", {}).id

    def move(self, issue: str, project: str = ELSEWHERE) -> str:
        """Somebody moves an issue to another project, where it gets another key; its id and its old key lead to it."""
        with self._lock:
            self.issues[issue].keys.append(self._key(project))
            return self.issues[issue].keys[-1]

    def delete(self, issue: str) -> None:
        """Somebody deletes an issue, for good."""
        with self._lock:
            self.issues[issue].deleted = True

    def skip(self, numbers: int) -> None:
        """So many numbers are used up by issues that were never made."""
        with self._lock:
            self.numbers[PROJECT] += numbers

    def of(self, label: str) -> list[Issue]:
        """The issues with this label."""
        with self._lock:
            return [one for one in self.issues.values() if label in one.labels and not one.deleted]

    def told(self) -> Any:
        with self._lock:
            return {"issues": [self._shown(one) | {"comments": one.comments} for one in self.issues.values()],
                    "requests": len(self.asked)}  # fmt: skip

    # -- answers ---------------------------------------------------------------------------------------------------

    def _badly(self, bad: Bad, asked: Asked) -> Reply:
        if bad.kind == "too many":
            return _refused(429, "Rate limit exceeded.", {"Retry-After": f"{bad.value:g}"})
        if bad.kind == "broken":
            return _refused(500, "Internal server error")
        return super()._badly(bad, asked)

    def served(self, asked: Asked) -> Reply:
        if not asked.path.startswith(API):
            return Reply("<html><title>Your Atlassian Cloud site is currently unavailable</title></html>", 404,
                         {"Content-Type": "text/html"})  # fmt: skip
        wanted = base64.b64encode(f"{EMAIL}:{self.token}".encode()).decode()
        if asked.headers.get("authorization") != f"Basic {wanted}":
            if self.anonymous and asked.method == "POST" and asked.path.endswith("/search/jql"):
                return Reply({"issues": [], "isLast": True}, 200, {"X-Seraph-LoginReason": "AUTHENTICATED_FAILED"})
            failed = {"X-Seraph-LoginReason": "AUTHENTICATED_FAILED"}
            return _refused(401, "Client must be authenticated to access this resource.", failed)
        return self._routed(asked, asked.path.removeprefix(API).split("/"))

    def pretended(self, asked: Asked) -> Reply:
        """As if it were done."""
        if asked.path.endswith("/issue"):
            return Reply({"id": "99999", "key": f"{PROJECT}-999", "self": "https://example.com/99999"}, 201)
        return Reply(None, 204) if asked.path.endswith("/transitions") else Reply({"id": "99999"}, 201)

    def _routed(self, asked: Asked, parts: list[str]) -> Reply:
        match (asked.method, *parts):
            case ("GET", "myself"):
                return Reply(self.me)
            case ("GET", "project", key):
                if key not in self.numbers or "BROWSE_PROJECTS" not in self.rights:
                    return _refused(404, f"No project could be found with key '{key}'.")
                return Reply({"id": "10000", "key": key, "issueTypes": [{"name": "Task"}, {"name": "Bug"}]})
            case ("GET", "mypermissions"):
                wanted = asked.query["permissions"].split(",")
                return Reply({"permissions": {one: {"key": one, "name": one, "havePermission": one in self.rights}
                                              for one in wanted}})  # fmt: skip
            case ("POST", "search", "jql"):
                return self._search(asked.body)
            case ("POST", "issue"):
                return self._create(asked.body)
            case ("GET", "attachment", "content", number):
                return self._content(asked, number)
            case (_, "issue", named, *rest):
                return self._of_issue(asked, named, rest)
        return _refused(404, "null for uri: no such resource")

    def _of_issue(self, asked: Asked, named: str, rest: list[str]) -> Reply:
        issue = self._named(named)
        if issue is None or "BROWSE_PROJECTS" not in self.rights:
            return _refused(404, _GONE)
        match (asked.method, *rest):
            case ("GET",):
                return Reply(self._shown(issue))
            case ("GET", "comment"):
                start, most = int(asked.query.get("startAt", "0")), int(asked.query.get("maxResults", "100"))
                some = issue.comments[start : start + min(most, 100)]
                return Reply({"comments": some, "startAt": start, "maxResults": most, "total": len(issue.comments)})
            case ("POST", "comment"):
                return self._commented(issue, asked.body)
            case ("GET", "transitions"):
                return Reply({"transitions": [self._way(one) for one in self.ways]})
            case ("POST", "transitions"):
                return self._lead(issue, asked.body)
            case ("POST", "attachments"):
                return self._attach(issue, asked)
        return _refused(404, "null for uri: no such resource")

    def _commented(self, issue: Issue, body: Mapping[str, Any]) -> Reply:
        if "ADD_COMMENTS" not in self.rights:
            return _refused(403, "You do not have permission to comment on this issue.")
        if _is_too_long(body.get("body")):
            return _invalid(comment=_TOO_LONG)
        if not _is_document(body.get("body")):
            return _invalid(comment="Comment body is not valid!")
        return Reply(self._comment(issue, body["body"], ME), 201)

    def _named(self, named: str) -> Issue | None:
        """By its id, or by any key that it ever had."""
        found = self.issues.get(named) or next((o for o in self.issues.values() if named.upper() in o.keys), None)
        return None if found is None or found.deleted else found

    def _search(self, body: Mapping[str, Any]) -> Reply:
        asked = _JQL.fullmatch(str(body.get("jql", "")))
        if asked is None:
            return _refused(400, "Error in the JQL Query.")
        hidden = "BROWSE_PROJECTS" not in self.rights
        if asked["project"] and (asked["project"] not in self.numbers or hidden):
            return _refused(400, f"The value '{asked['project']}' does not exist for the field 'project'.")
        known = [
            one
            for one in self.issues.values()
            if not (one.deleted or hidden)
            and one.keys[-1].startswith(f"{asked['project']}-" if asked["project"] else "")
            and time.monotonic() - one.made_at >= self.lag
        ]
        if asked["label"]:  # a search does not tell capitals apart
            known = [one for one in known if asked["label"].lower() in (label.lower() for label in one.labels)]
        known.sort(key=lambda one: (one.made, int(one.id)), reverse=asked["way"] == "DESC")
        if self.endless:
            return Reply({"issues": [self._found(one) for one in known], "nextPageToken": str(time.monotonic_ns())})
        start = int(str(body.get("nextPageToken") or "page0").removeprefix("page"))
        end = start + min(int(body.get("maxResults", 50)), self.page)
        more = {"nextPageToken": f"page{end}", "isLast": False} if end < len(known) else {"isLast": True}
        return Reply({"issues": [self._found(one) for one in known[start:end]], **more})

    def _create(self, body: Mapping[str, Any]) -> Reply:
        fields = body.get("fields") or {}
        if "CREATE_ISSUES" not in self.rights:
            return _refused(403, "You do not have permission to create issues in this project.")
        wrong = {}
        if (fields.get("project") or {}).get("key") not in self.numbers:
            wrong["project"] = "valid project is required"
        if (fields.get("issuetype") or {}).get("name") not in ("Task", "Bug"):
            wrong["issuetype"] = "Specify a valid issue type"
        summary = fields.get("summary") or ""
        if not 0 < len(summary.encode("utf-16-le")) // 2 <= 255 or "\n" in summary:
            wrong["summary"] = "The summary is invalid because it is empty, too long or contains newline characters."
        if _is_too_long(fields.get("description")):
            wrong["description"] = _TOO_LONG
        elif not _is_document(fields.get("description")):
            wrong["description"] = "Operation value must be an Atlassian Document (see the Atlassian Document Format)"
        if any(" " in one or len(one) > 255 for one in fields.get("labels", [])):
            wrong["labels"] = "The label contains spaces which is invalid."
        if "labels" in fields and not self.labels_on_screen:
            wrong["labels"] = "Field 'labels' cannot be set. It is not on the appropriate screen, or unknown."
        wrong |= {name: "unknown" for name in fields.keys() - {"project", "issuetype", "summary", "description",
                                                               "labels"}}  # fmt: skip
        if wrong:
            return _invalid(**wrong)
        held = {one["key"]: one["value"] for one in body.get("properties") or []}
        made = self._made(fields["project"]["key"], summary, fields["description"], list(fields.get("labels") or []),
                          ME, held)  # fmt: skip
        return Reply({"id": made.id, "key": made.keys[-1], "self": f"https://example.com/{made.id}"}, 201)

    def _lead(self, issue: Issue, body: Mapping[str, Any]) -> Reply:
        way = next((one for one in self.ways if one.id == str((body.get("transition") or {}).get("id"))), None)
        if way is None or "TRANSITION_ISSUES" not in self.rights:
            return _refused(400, "It seems that you have tried to perform an illegal workflow operation.")
        missing = [name for name in way.asks if name not in (body.get("fields") or {})]
        if missing:
            return _invalid(**{name: f"{name} is required." for name in missing})
        issue.status = way.to
        return Reply(None, 204)

    def _attach(self, issue: Issue, asked: Asked) -> Reply:
        if asked.headers.get("x-atlassian-token") != "no-check":
            return Reply("XSRF check failed", 403, {"Content-Type": "text/html"})
        if "CREATE_ATTACHMENTS" not in self.rights:
            return _refused(403, "You do not have permission to create attachments for this issue.")
        parts = asked.body
        if not (isinstance(parts, list) and all(isinstance(one, Part) and one.name == "file" for one in parts)):
            return _refused(400, "The parts of the form are to be called file.")
        made = []
        for part in parts:
            file = {"id": self._number(), "filename": part.file, "size": len(part.content), "mimeType": part.media_type,
                    "author": _user(ME), "created": _time(datetime.now(UTC))}  # fmt: skip
            issue.files.append(file)
            issue.contents[str(file["id"])] = self.rewrites(part.content)
            file["size"] = len(issue.contents[str(file["id"])])
            made.append(file)
        return Reply(made)

    def _content(self, asked: Asked, number: str) -> Reply:
        content = next((o.contents[number] for o in self.issues.values() if number in o.contents), None)
        if content is None:
            return _refused(404, "The attachment with id does not exist")
        if asked.query.get("redirect") != "false":
            return Reply(None, 303, {"Location": "https://media.example.com/made-up"})
        return Reply(content, headers={"Content-Type": "application/octet-stream"})

    def _made(
        self, project: str, summary: str, description: Any, labels: list[str], creator: str, held: dict[str, Any]
    ) -> Issue:
        first = next(name for name, kind in self.statuses.items() if kind == "new")
        made = Issue(self._number(), [self._key(project)], summary, description, labels, creator, held, first,
                     datetime.now(UTC), time.monotonic())  # fmt: skip
        self.issues[made.id] = made
        return made

    def _comment(self, issue: Issue, body: Any, who: str) -> dict[str, Any]:
        made = {"id": self._number(), "author": _user(who), "body": body, "created": _time(datetime.now(UTC))}
        issue.comments.append(made)
        return made

    def _way(self, way: Way) -> dict[str, Any]:
        asks = {name: {"name": name, "required": True, "hasDefaultValue": False} for name in way.asks}
        return {"id": way.id, "name": way.name, "to": self._status(way.to), "isAvailable": True, "fields": asks}

    def _status(self, name: str) -> dict[str, Any]:
        return {"name": name, "statusCategory": {"key": self.statuses[name]}}

    def _found(self, one: Issue) -> dict[str, Any]:
        fields = {"labels": one.labels, "creator": _user(one.creator)}
        return {"id": one.id, "key": one.keys[-1], "fields": fields, "properties": one.properties}

    def _shown(self, one: Issue) -> dict[str, Any]:
        fields = {
            "summary": one.summary, "status": self._status(one.status), "labels": one.labels,
            "creator": _user(one.creator), "attachment": one.files, "description": one.description,
        }  # fmt: skip
        return {"id": one.id, "key": one.keys[-1], "fields": fields, "properties": one.properties}

    def _key(self, project: str) -> str:
        self.numbers[project] += 1
        return f"{project}-{self.numbers[project]}"

    def _number(self) -> str:
        self._next += 1
        return str(self._next)


def _is_too_long(document: Any) -> bool:
    """By the document as it is sent, in units of UTF-16: the strictest that can be meant by "characters"."""
    return len(json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-16-le")) // 2 > LONGEST


def _is_document(node: Any, parent: str = "") -> bool:
    """Whether this is a document as far as ours go: known nodes, in each other as they may be, no empty text."""
    allowed = {"": ("doc",), "doc": ("paragraph", "blockquote", "codeBlock"), "blockquote": ("paragraph",),
               "paragraph": ("text", "hardBreak"), "codeBlock": ("text",)}  # fmt: skip
    if not isinstance(node, dict) or node.get("type") not in allowed.get(parent, ()):
        return False
    if node["type"] == "doc" and node.get("version") != 1:
        return False
    if node["type"] == "text":
        marks = node.get("marks", [])
        return bool(node.get("text")) and all(m["type"] == "link" and m["attrs"]["href"] for m in marks)
    return all(_is_document(child, node["type"]) for child in node.get("content", []))


def _user(who: str) -> dict[str, Any]:
    return {"accountId": who, "displayName": "Caseproof" if who == ME else "A developer"}


def _time(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}+0000"


def _refused(status: int, message: str, headers: dict[str, str] | None = None) -> Reply:
    return Reply({"errorMessages": [message], "errors": {}}, status, dict(headers or {}))


def _invalid(**fields: str) -> Reply:
    return Reply({"errorMessages": [], "errors": fields}, 400)


if __name__ == "__main__":
    sys.exit(
        main(lambda _: JiraSimulator(), argparse.ArgumentParser(prog="python -m sandbox.jira", description=__doc__))
    )
