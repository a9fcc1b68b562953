"""What Request Tracker 5 is asked with and answers (REST2): what an account needs, and shapes of answers."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

from pydantic import Field, TypeAdapter, field_validator

from caseproof.desks.wire import Account, Numbered, Shape

N = TypeVar("N", bound="Numbered")

LARGEST_FILE = 10 * 1024 * 1024
"""The largest attachment in bytes that RT takes as it comes; its administrator may allow more, or less."""
LONGEST_SUBJECT, LONGEST_TEXT, LONGEST_REFERENCE = 200, 60_000, 255
DELETED = "deleted"
"""The status of a ticket that was deleted, which RT goes on showing."""
COMMENT, CORRESPOND, CREATE = "Comment", "Correspond", "Create"
"""Kinds of transactions that have a text: for the team alone, for the requestor too, and the ticket's own."""

_NUMBER = re.compile(r"[0-9]{1,10}")
_LARGEST_NUMBER = 2**31 - 1
_PLAIN = re.compile(r"[^{}'\\\x00-\x1f]{1,200}")
_TOKEN = re.compile(r"[0-9]+-([0-9]+)-[0-9a-f]+")


@dataclass(frozen=True, slots=True)
class RtAccount(Account):
    """A Request Tracker, whom we are there, and where our tickets go. Raises BadInput for what lacks something.

    ``address`` is where people open it. ``user`` is our account's name, let in by its ``token``, or else by its
    ``password``. ``reference_field`` is the custom field that holds what a ticket is found again by. ``requestor`` is
    the address that public comments go to; "" for nobody. Tickets of the queue ``raised`` become cases, those that
    ``raised_filter`` (RT's own query language) asks for; "" for none and for all. ``ca`` (PEM) is trusted besides the
    system's authorities, ``proxy`` is what calls go through.
    """

    name: str
    address: str
    user: str
    queue: str
    token: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    reference_field: str = "Caseproof"
    open_status: str = "open"
    closed_status: str = "resolved"
    requestor: str = ""
    raised: str = ""
    raised_filter: str = ""
    ca: str = ""
    proxy: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        needed = ("address", "user", "queue", "reference_field", "open_status", "closed_status")
        self.require(*needed, page="docs/desk-rt.md")
        self.require_address(self.address, "Give the one at which people open RT, as in https://rt.example.com.")
        if bool(self.token) is bool(self.password):
            raise self.wrong(
                "has both a token and a password" if self.token else "has neither a token nor a password",
                "Give one of them: a token, where RT lets accounts make some.",
            )
        for one in (self.reference_field, self.queue, *([self.raised] if self.raised else [])):
            if not _PLAIN.fullmatch(one):
                raise self.wrong(f"names a queue or a field that is none ({one[:60]})", "Give its name in RT.")
        if self.closed_status.strip().casefold() == DELETED:
            raise self.wrong("closes tickets by deleting them", "Name a status that keeps them, as resolved.")

    @property
    def base(self) -> str:
        """The address, without a stroke at its end and without what the API's has besides."""
        return re.sub(r"(?i)/REST/2\.0$", "", self.address.rstrip("/")).rstrip("/")

    @property
    def number(self) -> str:
        """The number of the account that the token is of; "" where that cannot be told."""
        match = _TOKEN.fullmatch(self.token)
        return match[1] if match else ""

    def page_of(self, number: str) -> str:
        """Where people read a ticket."""
        return f"{self.base}/Ticket/Display.html?id={number}"

    def id_in(self, told: str) -> str:
        """The number of a ticket, also out of its page's address; "" where there is none."""
        said = told.strip().removeprefix(f"{self.base}/Ticket/Display.html?id=").removeprefix("#")
        return str(int(said)) if _NUMBER.fullmatch(said) and 0 < int(said) <= _LARGEST_NUMBER else ""


def quoted(text: str) -> str:
    """A text as it stands in RT's query language, between quotation marks."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


class Page(Shape, Generic[N]):
    """A page of a list; ``pages`` is how many there are, where RT says it."""

    items: list[N]
    pages: float | None = None


class Thing(Numbered):
    """What another thing refers to; of a user ``id`` is the name."""

    id: str = ""
    real_name: str | None = Field(None, alias="RealName")
    email: str | None = Field(None, alias="EmailAddress")

    @property
    def who(self) -> str:
        """A person's name, as far as it is told."""
        return self.real_name or self.email or self.id or "somebody at the desk"


class FieldValues(Shape):
    """What a custom field of a ticket holds."""

    name: str = ""
    values: list[Any] = Field([])


class Link(Shape):
    """What may be done with a ticket or a queue, by us."""

    ref: str = ""
    to: str = ""


class Row(Numbered):
    """A ticket, read by itself or found. One that was merged into another is read as that other one."""

    id: str = Field(pattern=r"^[0-9]{1,10}$")
    status: str = Field("", alias="Status")
    subject: str | None = Field(None, alias="Subject")
    creator: Thing | None = Field(None, alias="Creator")
    requestors: list[Thing] = Field([], alias="Requestor")
    created: datetime | None = Field(None, alias="Created")
    fields: list[FieldValues] = Field([], alias="CustomFields")
    effective: str = Field("", alias="EffectiveId")
    links: list[Link] = Field([], alias="_hyperlinks")

    @field_validator("effective", mode="before")
    @classmethod
    def _number(cls, told: Any) -> Any:
        return told.get("id", "") if isinstance(told, dict) else told

    @field_validator("requestors", "fields", mode="before")
    @classmethod
    def _none(cls, told: Any) -> Any:
        return told or []

    @property
    def is_deleted(self) -> bool:
        """Whether somebody deleted it."""
        return self.status.casefold() == DELETED

    def has(self, name: str, value: str) -> bool:
        """Whether a custom field holds exactly this; RT's search does not tell capitals from small letters."""
        return any(one.name.casefold() == name.casefold() and value in one.values for one in self.fields)

    def shows(self, name: str) -> bool:
        """Whether it has this custom field at all, as far as we can see."""
        return any(one.name.casefold() == name.casefold() for one in self.fields)

    @property
    def next_statuses(self) -> list[str]:
        """The statuses that RT offers us as its next; a lifecycle may allow others."""
        return [one.to for one in self.links if one.ref == "lifecycle" and one.to]

    def allows(self, what: str) -> bool:
        """Whether we may do this with it: comment, correspond, or lead it to a status (lifecycle)."""
        return any(one.ref == what for one in self.links)


class Made(Shape):
    """What the creation of a ticket answers."""

    id: str = Field(pattern=r"^[0-9]{1,10}$")


class Transaction(Numbered):
    """Something that happened to a ticket."""

    kind: str = Field("", alias="Type")
    creator: Thing | None = Field(None, alias="Creator")
    at: datetime | None = Field(None, alias="Created")


class Part(Numbered):
    """A text or a file of a transaction; ``size`` in bytes."""

    of: str = Field("", alias="TransactionId")
    name: str | None = Field(None, alias="Filename")
    kind: str = Field("", alias="ContentType")
    content: str | None = Field(None, alias="Content")
    size: str = Field("", alias="ContentLength")
    creator: Thing | None = Field(None, alias="Creator")

    @field_validator("of", mode="before")
    @classmethod
    def _number(cls, told: Any) -> Any:
        return told.get("id", "") if isinstance(told, dict) else told


class Queue(Shape):
    """A queue, with the custom fields of its tickets."""

    id: str
    fields: list[FieldValues] = Field([], alias="TicketCustomFields")
    links: list[Link] = Field([], alias="_hyperlinks")
    lifecycle: str = Field("", alias="Lifecycle")

    def has_field(self, name: str) -> bool:
        """Whether its tickets have a custom field of this name that we can see."""
        return any(one.name.casefold() == name.casefold() for one in self.fields)

    @property
    def takes_tickets(self) -> bool:
        """Whether we may create tickets in it."""
        return any(one.ref == "create" for one in self.links)


class User(Shape):
    """An account."""

    id: str
    name: str = Field("", alias="Name")


class Version(Shape):
    """What RT says of itself."""

    version: str = Field(alias="Version")


class Refusal(Shape):
    """Why RT refuses."""

    message: str


ROW, ROWS, MADE, QUEUE = TypeAdapter(Row), TypeAdapter(Page[Row]), TypeAdapter(Made), TypeAdapter(Queue)
TRANSACTIONS, PARTS, PART = TypeAdapter(Page[Transaction]), TypeAdapter(Page[Part]), TypeAdapter(Part)
USER, VERSION, REFUSAL = TypeAdapter(User), TypeAdapter(Version), TypeAdapter(Refusal)
RESULTS = TypeAdapter(list[str | None])
