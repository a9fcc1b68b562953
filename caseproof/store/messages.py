"""What came from retailers, by mail or on the page: a row a message, each in one place.

The message itself lies in the vault under its digest. What came stays as it came; only who was told and who looked
at it is written later.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, bindparam, func, insert, or_, select, update

from caseproof.domain.codes import MessageCode, message_code
from caseproof.domain.vocabulary import Disposition
from caseproof.store.refs import case_id, normal
from caseproof.store.rows import insert_once, readable_text, row_number
from caseproof.store.tables import cases, has_message_id, messages, to_look_at

_AUTHENTIC = (Disposition.COUNTED, Disposition.REPLY)
"""Where only those mails end for whose sender our own server vouches; but for one that could not be written down."""

# Strangers write these. An index of PostgreSQL takes no more than 2,700 bytes.
_MOST = {"message_id": 500, "sender": 320, "subject": 300, "why": 1000}

MOST_REMARK = 500
"""How many characters whoever looked at a message may remark."""


@dataclass(frozen=True, slots=True)
class MessageRow:
    """A message: ``digest`` is its hex SHA-256, ``size`` counts bytes, ``way`` is "mail" or "page".

    ``ref`` is its case's, ``message_id`` its own, each empty if it has none; ``why`` says to people why it ended in its
    place, and ``code`` to programs. ``told_at`` is when the team was told, ``done_at`` when ``done_by`` had looked at
    it, and what they remark (``remark``). ``original`` is the digest of what came, where a key of ours was taken out of
    what is kept; else "". ``filed`` is the case that a person put it to, "" where nobody did.
    """

    id: int
    digest: str
    message_id: str
    sender: str
    subject: str
    size: int
    way: str
    place: Disposition
    why: str
    ref: str
    at: datetime
    told_at: datetime | None = None
    done_at: datetime | None = None
    done_by: str = ""
    code: MessageCode = MessageCode.OTHER
    original: str = ""
    remark: str = ""
    filed: str = ""

    @property
    def about(self) -> str:
        """The case that it is about, as far as that is known: what a person said goes first. "" for none."""
        return self.filed or self.ref

    @property
    def needs_eye(self) -> bool:
        """Whether a person has to look at it, and nobody has."""
        return self.place.needs_eye and self.done_at is None

    @property
    def file_name(self) -> str:
        """What its file in the vault is called for people."""
        return f"message-{self.id}.json" if self.way == "page" else f"message-{self.id}.eml"

    @property
    def media_type(self) -> str:
        """The type of its file in the vault."""
        return "application/json" if self.way == "page" else "message/rfc822"


class Messages:
    """Every query about messages. Nothing here commits."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def known(self, digest: str) -> MessageRow | None:
        """The message with these bytes, if it came before."""
        return next(iter(self._rows(_query().where(messages.c.digest == digest))), None)

    def came(self, digest: str) -> MessageRow | None:
        """The message that came with these bytes, whether they are kept as they came or without a key of ours."""
        here = or_(messages.c.digest == digest, messages.c.original == digest)
        return next(iter(self._rows(_query().where(here).order_by(messages.c.id).limit(1))), None)

    def get(self, number: int) -> MessageRow | None:
        """The message with this number."""
        return next(iter(self._rows(_query().where(messages.c.id == row_number(number)))), None)

    def seen(self, message_id: str, sender: str) -> bool:
        """Whether this sender sent a mail of this Message-ID before, and it was authentic: it was taken for their word.

        Nothing else counts: a stranger's report, automatic reply or mail may carry any Message-ID and any sender.
        """
        sent = readable_text(message_id, _MOST["message_id"])
        if not sent:
            return False
        query = (
            select(messages.c.sender, messages.c.code, messages.c.why)
            .where(has_message_id, messages.c.message_id == sent, messages.c.place.in_(_AUTHENTIC))
            .distinct()
        )
        who = readable_text(sender, _MOST["sender"]).casefold()
        found = self._connection.execute(query).mappings()
        return any(row["sender"].casefold() == who and _code(row) is not MessageCode.NOT_WRITTEN for row in found)

    def add(
        self,
        digest: str,
        *,
        message_id: str,
        sender: str,
        subject: str,
        size: int,
        way: str,
        place: Disposition,
        why: str,
        code: MessageCode = MessageCode.OTHER,
        original: str = "",
        ref: str = "",
        at: datetime,
    ) -> int:
        """Write down a message and give its number; of bytes that are there already, theirs, and nothing changes.

        ``ref`` may be empty. Texts are cut to what the store keeps. Raises UnknownCase.
        """
        texts = {"message_id": message_id, "sender": sender, "subject": subject, "why": why}
        kept = {name: readable_text(text, _MOST[name]) for name, text in texts.items()}
        row = {"digest": digest, "original": original, "size": size, "way": way, "place": str(place), "code": str(code)}
        if self.known(digest) is None:
            its_case = case_id(self._connection, ref) if ref else None
            insert_once(self._connection, insert(messages).values(**row, **kept, at=at, case_id=its_case))
        found: int = self._connection.execute(select(messages.c.id).where(messages.c.digest == digest)).scalar_one()
        return found

    def of_case(self, ref: str) -> list[MessageRow]:
        """The messages that came to a case, oldest first. Raises UnknownCase for what can be no reference."""
        return self._rows(_query().where(cases.c.ref == normal(ref)).order_by(messages.c.id))

    def count_for(self, ref: str, since: datetime, places: Collection[str]) -> int:
        """How many messages of a case came at this time or later and ended in these places."""
        query = (
            select(func.count())
            .select_from(messages.join(cases))
            .where(cases.c.ref == normal(ref), messages.c.at >= since, messages.c.place.in_(sorted(map(str, places))))
        )
        return self._connection.scalar(query) or 0

    def count_with(self, codes: Collection[str], since: datetime, *, sender: str = "") -> int:
        """How many messages came at this time or later with one of these codes; of one sender, if it is named."""
        where = [messages.c.at >= since, messages.c.code.in_(sorted(map(str, codes)))]
        if sender:
            where.append(func.lower(messages.c.sender) == readable_text(sender, _MOST["sender"]).lower())
        return self._connection.scalar(select(func.count()).select_from(messages).where(*where)) or 0

    def to_look_at(self, limit: int) -> list[MessageRow]:
        """Messages to be read that nobody has read yet, oldest first, no more than ``limit``."""
        return self._rows(_query().where(to_look_at).order_by(messages.c.id).limit(limit))

    def settled(self, limit: int) -> list[MessageRow]:
        """Messages that nobody has to look at (any more), the latest first, no more than ``limit``."""
        return self._rows(_query().where(~to_look_at).order_by(messages.c.id.desc()).limit(limit))

    def counts(self) -> Mapping[str, int]:
        """How many messages nobody has read yet who has to, by place; a place without one is left out."""
        return {Disposition(place): count for place, count in self._connection.execute(_COUNTS).tuples()}

    def untold(self, limit: int = 200) -> list[MessageRow]:
        """Messages to be read of which the team was not told yet, oldest first, no more than ``limit``."""
        return self._rows(_UNTOLD, limit=limit)

    def set_told(self, ids: Iterable[int], at: datetime) -> None:
        """Note that the team was told of these; the first time stays."""
        self._write(ids, messages.c.told_at.is_(None), told_at=at)

    def done(self, ids: Iterable[int], by: str, at: datetime, remark: str = "") -> None:
        """Note who looked at these, and what they remark; who did so first stays."""
        said = readable_text(remark, MOST_REMARK)
        self._write(ids, messages.c.done_at.is_(None), done_at=at, done_by=by, remark=said)

    def file(self, number: int, ref: str) -> None:
        """Note to which case a person put this message; the one to which it came stays as it is."""
        self._connection.execute(update(messages).where(messages.c.id == number).values(filed=ref))

    def _write(self, ids: Iterable[int], where: ColumnElement[bool], **values: Any) -> None:
        rows = [{"row": number} for number in ids]
        if rows:  # one statement a row: a list of any length fits
            here = messages.c.id == bindparam("row")
            self._connection.execute(update(messages).where(here, where).values(**values), rows)

    def _rows(self, query: Select[Any], **values: Any) -> list[MessageRow]:
        return [
            MessageRow(
                **{**row, "place": Disposition(row["place"]), "code": _code(row), "ref": row["ref"] or ""},
            )
            for row in self._connection.execute(query, values).mappings()
        ]


def _code(row: RowMapping) -> MessageCode:
    return message_code({"code": row["code"], "why": row["why"]})


def _query() -> Select[Any]:
    names = MessageRow.__dataclass_fields__.keys() - {"ref"}
    joined = messages.outerjoin(cases)
    return select(cases.c.ref, *(messages.c[name] for name in sorted(names))).select_from(joined)


# What the keeper asks in each pass, put together once: that takes longer than the answer.
_COUNTS = select(messages.c.place, func.count()).where(to_look_at).group_by(messages.c.place)
_UNTOLD = _query().where(to_look_at, messages.c.told_at.is_(None)).order_by(messages.c.id).limit(bindparam("limit"))
