"""What Zoho Desk is asked with and answers: where its data centres are, what an account needs, shapes of answers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from pydantic import AliasChoices, Field, TypeAdapter

from caseproof.desks.wire import Account, Numbered, Shape

T = TypeVar("T")

DATA_CENTRES: Mapping[str, str] = MappingProxyType(
    {
        "com": "zoho.com", "eu": "zoho.eu", "in": "zoho.in", "com.au": "zoho.com.au", "jp": "zoho.jp",
        "ca": "zohocloud.ca", "sa": "zoho.sa", "uk": "zoho.uk", "com.cn": "zoho.com.cn", "ae": "zoho.ae",
    }
)  # fmt: skip
"""Where an organisation's data lie, as the end of its address says it, and what the addresses there end in."""

LARGEST_FILE = 20_000_000
"""The largest attachment that Zoho Desk takes, in bytes."""
LONGEST_SUBJECT, LONGEST_TEXT, LONGEST_COMMENT, LONGEST_REFERENCE = 250, 65_000, 32_000, 255
MOST_AT_ONCE = 25
"""No edition takes more calls at once."""

_ID = re.compile(r"[0-9]{1,30}")
_FILTER = re.compile(r"(cf_[a-z0-9_]{1,100}|category|classification|priority|channel|status)\s*=\s*\S.{0,200}")
_FIELD = re.compile(r"cf_[a-z0-9_]{1,100}")


@dataclass(frozen=True, slots=True)
class ZohoAccount(Account):
    """An organisation in Zoho Desk, and an OAuth client that is let in. Raises BadInput for what lacks something.

    ``department`` and ``contact`` are ids, or a name and an e-mail address that are looked up. ``reference_field`` is
    the API name of the custom field that holds what a ticket is found again by. ``open_status`` and ``closed_status``
    are names of statuses; "" takes one by its type. Tickets of the department ``queue`` become cases, those that
    ``queue_filter`` (``FIELD=VALUE``) asks for; "" for none and for all. ``concurrency`` is how many calls are under
    way at once. ``ca`` (PEM) is trusted besides the system's authorities, ``proxy`` is what calls go through.
    """

    name: str
    organisation: str
    department: str
    contact: str
    client_id: str
    client_secret: str = field(repr=False)
    refresh_token: str = field(repr=False)
    data_centre: str = "com"
    reference_field: str = "cf_caseproof"
    open_status: str = ""
    closed_status: str = ""
    public_comments: bool = False
    queue: str = ""
    queue_filter: str = ""
    concurrency: int = 5
    api_url: str = ""
    login_url: str = ""
    ca: str = ""
    proxy: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        needed = ("organisation", "department", "contact", "client_id", "client_secret", "refresh_token")
        self.require(*needed, page="docs/desk-zoho.md")
        if not is_id(self.organisation):
            raise self.wrong(
                "has an organisation that is no number", "Zoho Desk, Setup, Developer Space, API shows it."
            )
        if self.data_centre not in DATA_CENTRES:
            raise self.wrong(f"names no data centre ({self.data_centre})", f"Use one of {', '.join(DATA_CENTRES)}.")
        if not _FIELD.fullmatch(self.reference_field):
            raise self.wrong(
                f"has a field for the reference that is none ({self.reference_field})",
                "Give the custom field's API name: `cf_` and small letters, digits and underscores.",
            )
        if not 1 <= self.concurrency <= MOST_AT_ONCE:
            raise self.wrong(f"makes {self.concurrency} calls at once", f"Choose 1 to {MOST_AT_ONCE}, by the edition.")
        if self.queue_filter.strip() and not _FILTER.fullmatch(self.queue_filter.strip()):
            raise self.wrong(
                f"has a filter of the queue that is none ({self.queue_filter[:60]})",
                "Write FIELD=VALUE; FIELD is `cf_...`, category, classification, priority, channel or status.",
            )
        for address in (self.desk, self.login):
            self.require_address(address, "Leave it empty, or correct it.")

    @property
    def desk(self) -> str:
        """Where the API is, up to ``/api/v1``."""
        return (self.api_url or f"https://desk.{DATA_CENTRES[self.data_centre]}/api/v1").rstrip("/")

    @property
    def login(self) -> str:
        """Where tokens are given."""
        return (self.login_url or f"https://accounts.{DATA_CENTRES[self.data_centre]}").rstrip("/")


def is_id(text: str) -> bool:
    """Whether this can be an id of Zoho's."""
    return _ID.fullmatch(text) is not None


class Row(Numbered):
    """A ticket. ``status_type`` is "Open", "On Hold" or "Closed", whatever its status is called."""

    number: str = Field("", alias="ticketNumber")
    subject: str | None = None
    status: str = ""
    status_type: str = Field("", alias="statusType")
    url: str | None = Field(None, alias="webUrl")
    created: datetime | None = Field(None, alias="createdTime")
    fields: dict[str, Any] | None = Field(None, alias="cf")
    trashed: bool | None = Field(None, validation_alias=AliasChoices("isTrashed", "isDeleted"))
    description: str | None = None
    email: str | None = None
    channel: str | None = None
    category: str | None = None
    classification: str | None = None
    priority: str | None = None

    def fits(self, wanted: str) -> bool:
        """Whether it is what a filter (``FIELD=VALUE``) asks for; "" asks for nothing."""
        name, _, value = (part.strip() for part in wanted.partition("="))
        if not name:
            return True
        said = (self.fields or {}).get(name) if name.startswith("cf_") else getattr(self, name, None)
        return str(said or "").strip().casefold() == value.casefold()

    def reference(self, name: str) -> str | None:
        """What the custom field holds; None where the answer does not show it."""
        return None if self.fields is None or name not in self.fields else str(self.fields[name] or "")


class CommentRow(Numbered):
    """A comment; ``is_public``: the ticket's contact sees it."""

    content: str | None = None
    is_public: bool = Field(False, alias="isPublic")
    at: datetime | None = Field(None, alias="commentedTime")
    kind: str | None = Field(None, alias="contentType")
    commenter: dict[str, Any] | None = None

    @property
    def who(self) -> str:
        """Whoever wrote it, by name."""
        told = self.commenter or {}
        return str(told.get("name") or told.get("email") or "somebody at the desk")


class File(Numbered):
    """An attachment; ``size`` in bytes, which Zoho Desk writes as a text."""

    name: str = ""
    size: int = -1


class Named(Numbered):
    """A department or a contact."""

    name: str | None = None
    email: str | None = None


class TicketField(Shape):
    """A field of tickets, with the values of a pick list: plain names, or objects that also say the type."""

    api_name: str = Field("", alias="apiName")
    values: list[Any] | None = Field(None, alias="allowedValues")
    mapping: dict[str, Any] | None = Field(None, alias="statusMapping")


class Page(Shape, Generic[T]):
    """A page of a list."""

    data: list[T]


class Token(Shape):
    """What the token endpoint answers: a token, or with 200 as well an ``error``."""

    access_token: str = ""
    expires_in: int = 3600
    error: str = ""
    description: str = Field("", alias="error_description")


class Refusal(Shape):
    """Why Zoho Desk refuses."""

    code: str = Field("", alias="errorCode")
    message: str = ""
    errors: list[dict[str, Any]] | None = None

    @property
    def fields(self) -> frozenset[str]:
        """The fields that are wrong, as ``/status`` names them, without the stroke."""
        return frozenset(str(one.get("fieldName", "")).strip("/").replace("/", ".") for one in self.errors or ())


ROW, ROWS = TypeAdapter(Row), TypeAdapter(Page[Row])
COMMENTS, FILES, NAMED = TypeAdapter(Page[CommentRow]), TypeAdapter(Page[File]), TypeAdapter(Page[Named])
FIELDS, TOKEN, REFUSAL = TypeAdapter(Page[TicketField]), TypeAdapter(Token), TypeAdapter(Refusal)
