"""What Jira Cloud is asked with and answers: what an account needs, and shapes of answers."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import Field, TypeAdapter

from caseproof.desks.wire import Account, Shape

LARGEST_FILE = 10_000_000
"""The largest attachment in bytes that every site takes; an administrator may allow more."""
LONGEST_SUMMARY, LONGEST_DOCUMENT, LONGEST_LABEL = 255, 32_000, 255
"""In units of UTF-16. Jira takes 32,767 "characters", and does not say whether of a text or of the document that it is
sent as: what the document has is never less."""
PROPERTY = "caseproof"
"""The issue's property that holds the key, and the project that it was made in. People do not see it, a clone does not
get it, as it does the label, and it stays when the issue is moved."""
DONE = "done"
"""The category of a status that closes, whatever the status is called; the others are "new" and "indeterminate"."""

_PROJECT = re.compile(r"[A-Z][A-Z0-9_]{1,99}")
_LABEL = re.compile(r"[A-Za-z0-9._/-]{1,255}")
_NUMBER = re.compile(r"[0-9]{1,18}")
_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_]{1,99}-[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class JiraAccount(Account):
    """A site of Jira Cloud, whom we are there, and where our issues go. Raises BadInput for what lacks something.

    ``label`` is what an issue's label starts with. ``done_status`` names the status that a closed issue gets where
    the workflow leads to several of that category; "" takes the first. ``ca`` (PEM) is trusted besides the system's
    authorities, ``proxy`` is what calls go through.
    """

    name: str
    site: str
    email: str
    api_token: str = field(repr=False)
    project: str
    issue_type: str = "Task"
    label: str = "caseproof"
    done_status: str = ""
    ca: str = ""
    proxy: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        self.require("site", "email", "api_token", "project", "issue_type", "label", page="docs/desk-jira.md")
        self.require_address(self.site, "Give the site's, as in https://YOUR-SITE.atlassian.net.")
        if not _PROJECT.fullmatch(self.project):
            raise self.wrong(
                f"has a project key that is none ({self.project[:60]})",
                "Give what stands before the number of an issue: DEV, where issues are called DEV-12.",
            )
        if not _LABEL.fullmatch(self.label) or len(self.label) > 100:
            raise self.wrong(
                f"has a label that is none ({self.label[:60]})", "Use letters, digits, and . _ - / without blanks."
            )

    def label_of(self, key: str) -> str:
        """The label of the issue that is made under this key; Jira allows no blank in it."""
        whole = f"{self.label}-{key}"
        if _LABEL.fullmatch(whole):
            return whole
        return f"{self.label}-{hashlib.sha256(key.encode()).hexdigest()[:32]}"

    def page_of(self, key: str) -> str:
        """Where people read an issue."""
        return f"{self.site.rstrip('/')}/browse/{key}"

    def id_in(self, told: str) -> str:
        """The id or the key of an issue, also out of its page's address; "" where there is none."""
        said = told.strip()
        page = f"{self.site.rstrip('/')}/browse/"
        if said.lower().startswith(page.lower()):
            said = re.split(r"[?#/]", said[len(page) :], maxsplit=1)[0]
        return said.upper() if _NUMBER.fullmatch(said) or _KEY.fullmatch(said) else ""


class Category(Shape):
    """A status's category: "new", "indeterminate" or "done"."""

    key: str


class Status(Shape):
    """A status; its name is whatever the site calls it."""

    name: str = ""
    category: Category = Field(alias="statusCategory")

    @property
    def closes(self) -> bool:
        """Whether an issue that has it is closed."""
        return self.category.key == DONE


class User(Shape):
    """A person, or an app."""

    id: str = Field("", alias="accountId")
    name: str | None = Field(None, alias="displayName")


class File(Shape):
    """An attachment; ``size`` in bytes."""

    id: str
    name: str = Field("", alias="filename")
    size: int = -1
    author: User | None = None


class Fields(Shape):
    """The fields of an issue that were asked for."""

    summary: str | None = None
    status: Status | None = None
    labels: list[str] = Field([])
    creator: User | None = None
    attachment: list[File] | None = None


class Issue(Shape):
    """An issue. ``id`` stays when it is moved to another project, ``key`` does not."""

    id: str = Field(pattern=r"^[0-9]{1,18}$")
    key: str
    fields: Fields = Fields()
    properties: dict[str, Any] | None = None

    @property
    def made_as(self) -> dict[str, Any] | None:
        """What its property holds; None without."""
        held = (self.properties or {}).get(PROPERTY)
        return held if isinstance(held, dict) else None

    def number_in(self, project: str) -> int:
        """Its number in this project; 0 where it is in another one."""
        name, _, number = self.key.rpartition("-")
        return int(number) if name == project and _NUMBER.fullmatch(number) else 0


class Made(Shape):
    """What the creation of an issue answers."""

    id: str = Field(pattern=r"^[0-9]{1,18}$")
    key: str


class Found(Shape):
    """A page of a search."""

    issues: list[Issue]
    next: str | None = Field(None, alias="nextPageToken")


class CommentRow(Shape):
    """A comment; its body is a document (ADF)."""

    id: str
    author: User | None = None
    body: Any = None
    at: datetime | None = Field(None, alias="created")


class CommentPage(Shape):
    """A page of comments."""

    comments: list[CommentRow]
    total: int | None = None


class AskedField(Shape):
    """A field on a transition's screen."""

    name: str = ""
    required: bool = False
    has_default: bool = Field(False, alias="hasDefaultValue")


class Transition(Shape):
    """A way from an issue's status to another."""

    id: str
    name: str = ""
    to: Status
    available: bool = Field(True, alias="isAvailable")
    fields: dict[str, AskedField] | None = None

    @property
    def asks_for(self) -> list[str]:
        """The fields that have to be filled in by whoever takes it."""
        return [one.name or name for name, one in (self.fields or {}).items() if one.required and not one.has_default]


class Transitions(Shape):
    """The transitions that are to be had."""

    transitions: list[Transition]


class Project(Shape):
    """A project, with the types of its issues."""

    key: str
    types: list[dict[str, Any]] = Field([], alias="issueTypes")


class Permission(Shape):
    """Whether our account may do something."""

    name: str = ""
    have: bool = Field(False, alias="havePermission")


class Permissions(Shape):
    """What our account may do in a project."""

    permissions: dict[str, Permission]


class Refusal(Shape):
    """Why Jira refuses: in general, and of single fields."""

    messages: list[str] | None = Field(None, alias="errorMessages")
    errors: dict[str, Any] | None = None

    @property
    def words(self) -> str:
        """All of it in a line."""
        return "; ".join([*(self.messages or ()), *(f"{name}: {said}" for name, said in (self.errors or {}).items())])


ISSUE, MADE, FOUND = TypeAdapter(Issue), TypeAdapter(Made), TypeAdapter(Found)
COMMENT_PAGE, TRANSITIONS, USER = TypeAdapter(CommentPage), TypeAdapter(Transitions), TypeAdapter(User)
PROJECT, PERMISSIONS, REFUSAL = TypeAdapter(Project), TypeAdapter(Permissions), TypeAdapter(Refusal)
