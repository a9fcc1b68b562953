"""Jira Cloud as a ticket desk, above all as that of the development team (E5).

It takes no idempotency key, so the key stands in a label and is looked for before an issue is made (``jira_finding``).
A comment ends in a short mark by which it is known. Whatever is written is read back. Whether an issue is closed says
the category of its status: statuses and transitions are called whatever a site calls them. A ticket's id is the
issue's own, which stays when the issue is moved to another project.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

from caseproof.desks.abilities import DeskAbilities, DeskAbility, Lack, all_but
from caseproof.desks.base import (
    Attachment,
    Comment,
    DeskDown,
    DeskError,
    DeskProbe,
    Raised,
    Ticket,
    TicketStatus,
    UnknownTicket,
    refuse_to_pile_up,
    require,
)
from caseproof.desks.jira_api import JiraApi
from caseproof.desks.jira_finding import Finder, held
from caseproof.desks.jira_text import as_adf, as_text, size_of
from caseproof.desks.jira_wire import (
    COMMENT_PAGE,
    LARGEST_FILE,
    LONGEST_DOCUMENT,
    LONGEST_SUMMARY,
    MADE,
    PERMISSIONS,
    PROJECT,
    PROPERTY,
    TRANSITIONS,
    CommentRow,
    File,
    Issue,
    JiraAccount,
    Transition,
)
from caseproof.desks.lost_answers import attempt, found_after_all
from caseproof.desks.marks import cut, is_marked, mark_of, marked
from caseproof.domain.visible import one_line
from caseproof.http.api import READ_SECONDS
from caseproof.http.client import Answer, Transport

_COMMENTS, _MOST_COMMENTS = 100, 5_000
_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
_NEEDED = {
    "BROWSE_PROJECTS": "Browse Projects", "CREATE_ISSUES": "Create Issues", "EDIT_ISSUES": "Edit Issues",
    "ADD_COMMENTS": "Add Comments", "CREATE_ATTACHMENTS": "Create Attachments",
    "TRANSITION_ISSUES": "Transition Issues",
}  # fmt: skip

ABILITIES = all_but(
    DeskAbility,
    {
        DeskAbility.COMMENT_PUBLIC: Lack(
            "Whoever may see an issue reads all of its comments; there is no customer beside the team.",
            "The client is told by mail, on the case's page.",
        ),
        DeskAbility.RAISED: Lack(
            "It is development's desk: PT, and only PT, raises a ticket there (E5), and no issue becomes a case.",
            "Raise the case on the page Cases, or with `caseproof case open`.",
        ),
    },
)
"""What Jira Cloud as a desk is able to do."""


class JiraCloud:
    """A client of one project of a site. Safe to use from several threads."""

    def __init__(
        self,
        account: JiraAccount,
        *,
        transport: Transport | None = None,
        sleep: Callable[[float], None] = time.sleep,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        self._account, self._sleep = account, sleep
        self._api = JiraApi(account, transport=transport, sleep=sleep, read_seconds=read_seconds)
        self._finder = Finder(self._api)

    @property
    def abilities(self) -> DeskAbilities:
        """What this desk is able to do."""
        return ABILITIES

    def close(self) -> None:
        """Close the connections."""
        self._api.close()

    def probe(self) -> DeskProbe:
        """Whether it lets us in, has the project and the type of issue, finds by label, and what we may not do."""
        _ = self._api.me
        account = self._account
        answer = self._api.call("GET", f"project/{account.project}")
        if answer.is_missing:
            raise self._no_project()
        types = [str(one.get("name", "")) for one in self._api.one(answer, PROJECT).types]
        if types and account.issue_type.casefold() not in (one.casefold() for one in types):
            raise DeskError(
                f"The project {account.project} of {self._api.name} has no type of issue '{account.issue_type}'.",
                f"Name another one in the block; there are: {', '.join(types[:20])}.",
            )
        self.find("doctor")
        params = {"projectKey": account.project, "permissions": ",".join(_NEEDED)}
        may = self._api.one(self._api.call("GET", "mypermissions", params=params), PERMISSIONS).permissions
        lacks = [
            f"Our account may not do '{name}' in the project {account.project}. Give it that permission there."
            for code, name in _NEEDED.items()
            if code not in may or not may[code].have
        ]
        return DeskProbe(f"the project {account.project} can be read and searched", answer.date, tuple(lacks))

    # -- tickets ---------------------------------------------------------------------------------------------------

    def find(self, key: str) -> Ticket | None:
        """The ticket that was created with this key, if any. Raises DeskDown where that cannot be said for sure."""
        issue = self._finder.find(key)
        return None if issue is None else self._ticket(issue)

    def create(self, key: str, subject: str, body: str) -> Ticket:
        """Create a ticket, or return the one that this key created before; read back."""
        if not key.strip():
            raise DeskError("A ticket without a key would not be found again.", "")
        standing = self.find(key)
        if standing is not None:
            return standing
        account = self._account
        fields = {
            "project": {"key": account.project},
            "issuetype": {"name": account.issue_type},
            "summary": cut(one_line(subject), LONGEST_SUMMARY) or key,
            "description": as_adf(cut(body, LONGEST_DOCUMENT, size_of)),
            "labels": [account.label_of(key)],
        }
        wanted = {"fields": fields, "properties": [{"key": PROPERTY, "value": held(key, account.project)}]}
        try:
            answer = self._api.call("POST", "issue", json=wanted)
        except DeskDown:
            return found_after_all(self.find, key, self._api.name, self._sleep)
        if answer.is_missing:
            raise self._no_project()
        made = self._api.one(answer, MADE)
        issue = self._api.issue(made.id)
        if issue is None:
            raise DeskError(
                f"{self._api.name} took the ticket of {key}, and does not show it ({made.key}).",
                "Look there whether our account may see it; it is tried again.",
            )
        if account.label_of(key) not in issue.fields.labels or not self._finder.is_of(issue, key):
            raise DeskError(
                f"{self._api.name} made the ticket {made.key} without its label: it would not be found again.",
                "Put the field Labels on the screen that issues of this type are made with, and label it.",
            )
        self._finder.note(key, issue.id)
        return self._ticket(issue)

    def ticket(self, ticket_id: str) -> Ticket:
        """Read a ticket by its id, its key or its page's address, wherever it was moved to. Raises UnknownTicket."""
        return self._ticket(self._read(ticket_id))

    def set_status(self, ticket_id: str, status: TicketStatus) -> None:
        """Take a transition to a status of this category, and read back. Raises UnknownTicket, DeskError."""
        issue = self._read(ticket_id)
        if _status(issue) is status:
            return
        way = self._way(issue, status)
        wanted = {"transition": {"id": way.id}}
        lost = attempt(
            lambda: self._known(self._api.call("POST", f"issue/{issue.id}/transitions", json=wanted), ticket_id)
        )
        if _status(self._read(issue.id)) is not status:
            raise lost or DeskError(
                f"{self._api.name} took the transition '{way.name}' of {issue.key}, which is not {status} after it.",
                "Look at the issue and at what its workflow does after that transition; it is tried again.",
            )

    def _way(self, issue: Issue, status: TicketStatus) -> Transition:
        """The transition to take: to the status that the block names, where one leads there; else the first that asks
        for nothing."""
        answer = self._api.call("GET", f"issue/{issue.id}/transitions", params={"expand": "transitions.fields"})
        ways = self._api.one(self._known(answer, issue.id), TRANSITIONS).transitions
        closes = status is TicketStatus.CLOSED
        fit = [one for one in ways if one.available and one.to.closes is closes]
        named = self._account.done_status.strip().casefold() if closes else ""
        fit.sort(key=lambda one: (one.to.name.casefold() != named, bool(one.asks_for), one.to.category.key != "new"))
        if not fit:
            now = issue.fields.status.name if issue.fields.status else ""
            raise DeskError(
                f"{self._api.name} has no transition of {issue.key} from '{now}' to a status that is {status}.",
                "Take the steps between by hand, or have the workflow lead there; may our account transition issues?",
            )
        if fit[0].asks_for:
            raise DeskError(
                f"The transition '{fit[0].name}' of {issue.key} in {self._api.name} asks for "
                f"{', '.join(fit[0].asks_for)}.",
                "Take it by hand there, or give the workflow a transition that asks for nothing.",
            )
        return fit[0]

    # -- comments and files ----------------------------------------------------------------------------------------

    def comment(self, ticket_id: str, key: str, text: str, *, public: bool = False) -> None:
        """Add a comment once a key, and read it back. Raises UnknownTicket, DeskCannot."""
        if public:
            require(self, DeskAbility.COMMENT_PUBLIC, ticket_id)
        issue, mark = self._read(ticket_id), mark_of(key)
        if self._has(issue, mark):
            return
        wanted = {"body": as_adf(marked(text, key, LONGEST_DOCUMENT, size_of))}
        lost = attempt(lambda: self._known(self._api.call("POST", f"issue/{issue.id}/comment", json=wanted), ticket_id))
        if not self._has(issue, mark):
            raise lost or DeskError(
                f"{self._api.name} took a comment on {issue.key}, and does not show it.",
                "Look at the issue; it is tried again.",
            )

    def comments(self, ticket_id: str) -> Sequence[Comment]:
        """What stands on the ticket, oldest first. Raises UnknownTicket."""
        issue, me = self._read(ticket_id), self._api.me
        found = []
        for row in self._comments(issue):
            text, author = as_text(row.body), row.author
            ours = is_marked(text) and author is not None and author.id == me
            who = (author.name if author else None) or "somebody in Jira"
            found.append(Comment(row.id, who, text, row.at.astimezone(UTC) if row.at else _LONG_AGO, ours=ours))
        return found

    def raised(self, since: datetime) -> Sequence[Raised]:  # noqa: ARG002
        """Raises DeskCannot: what is raised there is development's own."""
        require(self, DeskAbility.RAISED)
        return []

    def _has(self, issue: Issue, mark: str) -> bool:
        """Whether our comment is there; what somebody else ends so is none."""
        me = self._api.me
        return any(
            row.author is not None and row.author.id == me and as_text(row.body).endswith(mark)
            for row in self._comments(issue)
        )

    def _comments(self, issue: Issue) -> Iterator[CommentRow]:
        seen = set[str]()
        while len(seen) < _MOST_COMMENTS:
            params = {"startAt": str(len(seen)), "maxResults": str(_COMMENTS), "orderBy": "created"}
            answer = self._known(self._api.call("GET", f"issue/{issue.id}/comment", params=params), issue.id)
            page = self._api.one(answer, COMMENT_PAGE)
            new = [one for one in page.comments if one.id not in seen]
            yield from new
            seen.update(one.id for one in new)
            if not new or (page.total is not None and len(seen) >= page.total):
                return
        raise DeskError(f"The issue {issue.key} has more comments than can be read.", "Use another ticket.")

    def attach(self, ticket_id: str, name: str, content: bytes, media_type: str) -> Attachment:
        """Attach a file, and read it back byte for byte; what is there already is not attached twice.

        Raises UnknownTicket.
        """
        if len(content) > LARGEST_FILE:
            raise DeskError(
                f"{name} is larger than the {LARGEST_FILE // 1_000_000} MB that {self._api.name} surely takes.",
                "Attach a link to it by hand.",
            )
        issue = self._read(ticket_id, "attachment")
        there = self._file(issue, name, content)
        if there is not None:
            return there
        refuse_to_pile_up(self._api.name, issue.key, name, [one.name for one in issue.fields.attachment or ()])
        path, part = f"issue/{issue.id}/attachments", {"file": (name, content, media_type)}
        lost = attempt(
            lambda: self._known(
                self._api.call("POST", path, headers={"X-Atlassian-Token": "no-check"}, files=part), issue.id
            )
        )
        there = self._file(self._read(issue.id, "attachment"), name, content)
        if there is not None:
            return there
        raise lost or DeskError(
            f"{self._api.name} took {name} for {issue.key}, and does not give it back with its {len(content)} bytes.",
            "Look at the issue's attachments; it is tried again.",
        )

    def attachments(self, ticket_id: str) -> Sequence[Attachment]:
        """The list of attachments, with what is in those that our account attached. Raises UnknownTicket."""
        issue, me = self._read(ticket_id, "attachment"), self._api.me
        files = issue.fields.attachment or []
        ours = {one.id for one in files if one.author and one.author.id == me and 0 <= one.size <= LARGEST_FILE}
        return [self._attachment(one, content=one.id in ours) for one in files]

    def _file(self, issue: Issue, name: str, content: bytes) -> Attachment | None:
        digest = hashlib.sha256(content).hexdigest()
        same = [one for one in issue.fields.attachment or () if (one.name, one.size) == (name, len(content))]
        read = (self._attachment(one, content=True) for one in same)
        return next((one for one in read if one.sha256 == digest), None)

    def _attachment(self, file: File, *, content: bool) -> Attachment:
        """With ``content`` it is read; a file that is listed and cannot be read has no digest."""
        digest = None
        if content:  # without a redirect: that would lead to another host, which our login is not for
            answer = self._api.call(
                "GET", f"attachment/content/{file.id}", params={"redirect": "false"}, headers={"Accept": "*/*"}
            )
            digest = None if answer.is_missing else hashlib.sha256(answer.content).hexdigest()
        return Attachment(file.id, file.name, file.size, digest)

    # -- an issue that is there ------------------------------------------------------------------------------------

    def _read(self, ticket_id: str, *more: str) -> Issue:
        named = self._account.id_in(ticket_id)
        issue = self._api.issue(named, *more) if named else None
        if issue is None:
            raise self._missing(ticket_id)
        return issue

    def _known(self, answer: Answer, ticket_id: str) -> Answer:
        if answer.is_missing:
            raise self._missing(ticket_id)
        return answer

    def _missing(self, ticket_id: str) -> DeskError:
        """What is wrong where an issue is not shown: Jira hides what an account may not see as what is not there."""
        if self._api.call("GET", f"project/{self._account.project}").is_missing:
            return self._no_project()
        return UnknownTicket(
            f"There is no ticket {ticket_id.strip()[:80]!r} in {self._api.name} that our account can see: it was "
            "deleted, or moved where the account may not look.",
            "Give the account Browse Projects there, or name the issue by its key (as DEV-12) or its page's address.",
        )

    def _no_project(self) -> DeskError:
        return DeskError(
            f"{self._api.name} shows our account no project {self._account.project}: there is none, or the account "
            "may not see it.",
            "Correct the project key in the block, or give the account Browse Projects in it.",
        )

    def _ticket(self, issue: Issue) -> Ticket:
        return Ticket(issue.id, issue.fields.summary or "", _status(issue), self._account.page_of(issue.key))


def _status(issue: Issue) -> TicketStatus:
    closes = issue.fields.status is not None and issue.fields.status.closes
    return TicketStatus.CLOSED if closes else TicketStatus.OPEN
