"""The tables. The migrations make and guard them; the repositories query them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    Date,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    literal_column,
)

from caseproof.store.column_types import Digest, UtcTime

REVISION = "0014"
"""The newest revision, so that opening a store need not load Alembic; a test holds it to the scripts."""

VERSION_TABLE = "caseproof_version"
"""A name of our own: another Alembic program's file must not look like a store of a newer version."""


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _case_id(**more: Any) -> Column[int]:
    return Column("case_id", ForeignKey("cases.id"), nullable=False, **more)


cases = Table(
    "cases",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("ref", String, unique=True),  # made from the id, so it is empty for one statement
    Column("platform", String, nullable=False),
    Column("job", String, nullable=False),
    Column("job_name", String, nullable=False),
    Column("retailer", String, nullable=False),
    Column("marketplace", String, nullable=False),
    Column("cause", String, nullable=False),
    Column("state", String, nullable=False),
    Column("opening", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("head", Digest, nullable=False),
    Column("closed", Boolean, nullable=False),
    # No foreign key: proofs point here already. The trigger asks for the proof, its case and its opening.
    Column("proof", String(64)),
    Column("opened_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
    Column("closed_at", UtcTime),
    Column("paused_until", Date),
    Column("flow_run", String),
    Column("generation", Integer, nullable=False),
    # Since 0003. These follow from the events, so that whoever goes through many cases need not fold them ...
    Column("last_opened_at", UtcTime),
    Column("asked_form", String, nullable=False, server_default=""),
    Column("asked_at", UtcTime),
    Column("has_news", Boolean, nullable=False, server_default=false()),
    Column("notice_at", UtcTime),
    Column("reminders", Integer, nullable=False, server_default="0"),
    Column("nudges", Integer, nullable=False, server_default="0"),
    Column("trouble", String, nullable=False, server_default=""),
    Column("incident", String, nullable=False, server_default=""),
    Column("ticket_closed", Boolean, nullable=False, server_default=false()),
    # ... and these are the keeper's own: no events tell them.
    Column("due_at", UtcTime),
    Column("crashes", Integer, nullable=False, server_default="0"),
    Column("rest_until", UtcTime),
    Column("rest_why", String, nullable=False, server_default=""),
    # Since 0006: by what programs decide, beside the sentences for people. The first follows from the events.
    Column("trouble_code", String, nullable=False, server_default=""),
    Column("rest_code", String, nullable=False, server_default=""),
    # Since 0005: the prefix of the case's procedure, with which its reference begins.
    Column("procedure", String, nullable=False, server_default="JF"),
    # Since 0007, and following from the events: which message's cause it waits for, since when, and whether its
    # retailer was told without a cause.
    Column("cause_shape", String, nullable=False, server_default=""),
    Column("cause_since", UtcTime),
    Column("told_neutrally", Boolean, nullable=False, server_default=false()),
    # Since 0011: whose turn it is and since when, which follows from all of the above ...
    Column("turn", String, nullable=False, server_default=""),
    Column("turn_since", UtcTime),
    # ... and what people note for each other: who has it (by the name as names are compared), and until when it may
    # wait. ``case_handling`` tells how that came about.
    Column("holder", String, nullable=False, server_default=""),
    Column("held_since", UtcTime),
    Column("snoozed_at", UtcTime),
    Column("snoozed_until", UtcTime),
    Column("snoozed_by", String, nullable=False, server_default=""),
    CheckConstraint("(state = 'closed') = closed", name="state_says_closed"),
    CheckConstraint("(proof IS NOT NULL) = closed", name="closed_with_proof"),
    sqlite_autoincrement=True,  # a reference is never given twice; PostgreSQL leaves a gap for one rolled back
)
_is_open = cases.c.closed.is_(False)

in_need = _is_open & (cases.c.rest_until.is_not(None) | (cases.c.asked_form == literal_column("'try-again'")))
"""Open cases that rest, or in which a step needs help."""


def _index_where(name: str, where: ColumnElement[bool], *columns: Column[Any], unique: bool = False) -> None:
    """An index of few rows of a table, so that the many others cost it nothing."""
    Index(name, *columns, unique=unique, sqlite_where=where, postgresql_where=where)


_index_where("uq_cases_open_job", _is_open, cases.c.platform, cases.c.job, cases.c.procedure, unique=True)
_index_where("ix_cases_closed_job", cases.c.closed.is_(True), cases.c.platform, cases.c.job)
_index_where("ix_cases_due_at", cases.c.due_at.is_not(None), cases.c.due_at)
_index_where("ix_cases_incident", cases.c.incident != "", cases.c.incident)
_index_where("ix_cases_without_run", cases.c.flow_run.is_(None) & _is_open, cases.c.flow_run, cases.c.id)
_index_where("ix_cases_cause", _is_open, cases.c.platform, cases.c.marketplace, cases.c.cause)
_index_where("ix_cases_cause_shape", cases.c.cause_shape != literal_column("''"), cases.c.cause_shape)
_index_where("ix_cases_last_opened_at", _is_open, cases.c.last_opened_at)
_index_where("ix_cases_in_need", in_need, cases.c.id)
_index_where(
    "ix_cases_turn", _is_open, cases.c.turn, cases.c.turn_since, cases.c.snoozed_until, cases.c.snoozed_at,
    cases.c.holder, cases.c.paused_until,
)  # fmt: skip
# Since 0014: support cases are few among many, and are looked for by whose turn it is.
_index_where(
    "ix_cases_support", _is_open & (cases.c.procedure == literal_column("'SC'")), cases.c.state, cases.c.asked_form,
    cases.c.holder,
)  # fmt: skip
_index_where("ix_cases_holder", _is_open & (cases.c.holder != literal_column("''")), cases.c.holder, cases.c.turn_since)
_index_where("ix_cases_snoozed", _is_open & cases.c.snoozed_until.is_not(None), cases.c.snoozed_until)
Index("ix_cases_closed_at", cases.c.closed_at, cases.c.id)  # those that are open have no such time

# Since 0011. Each thing that somebody did with a case in the worklist, in the order in which it was done.
case_handling = Table(
    "case_handling",
    metadata,
    Column("id", Integer, primary_key=True),
    _case_id(index=True),
    Column("at", UtcTime, nullable=False),
    Column("actor", String, nullable=False),
    Column("what", String, nullable=False),
    Column("whom", String, nullable=False, server_default=""),  # to whom it was handed
    Column("until", UtcTime),
    sqlite_autoincrement=True,
)

incidents = Table(
    "incidents",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("ref", String, nullable=False, unique=True),
    Column("platform", String, nullable=False),
    Column("marketplace", String, nullable=False),
    Column("cause", String, nullable=False),
    Column("opened_at", UtcTime, nullable=False),
    Column("closed_at", UtcTime),
    Column("decision", String, nullable=False),
    Column("until", Date),
    Column("reason", String, nullable=False),
    Column("decided_by", String, nullable=False),
    Column("decided_at", UtcTime),
    Column("asked", Integer, nullable=False),
    Column("flow_run", String),
    Column("generation", Integer, nullable=False),
    Column("due_at", UtcTime),
    sqlite_autoincrement=True,
)
_index_where(
    "uq_incidents_open", incidents.c.closed_at.is_(None),
    incidents.c.platform, incidents.c.marketplace, incidents.c.cause, unique=True,
)  # fmt: skip

incident_questions = Table(
    "incident_questions",
    metadata,
    Column("incident_id", ForeignKey("incidents.id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("flow_run", String, nullable=False),
    Column("asked_at", UtcTime, nullable=False),
    Column("refused", String, nullable=False, server_default=""),  # why its answer was not taken
    Column("nudges", Integer, nullable=False, server_default="0"),  # how often the team was told of it
)

marks = Table(
    "marks",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", Text, nullable=False),
    Column("at", UtcTime, nullable=False),
)

# Without SQLite's hidden rowid: INSERT OR REPLACE naming a rowid would replace a row past every trigger.
events = Table(
    "events",
    metadata,
    _case_id(primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("kind", String, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("actor", String, nullable=False),
    Column("data", JSON, nullable=False),
    Column("digest", Digest, nullable=False),
    sqlite_with_rowid=False,
)

proofs = Table(
    "proofs",
    metadata,
    Column("digest", String(64), primary_key=True),
    _case_id(index=True),
    Column("opening", Integer, nullable=False),
    Column("rule", String, nullable=False),
    Column("made_at", UtcTime, nullable=False),
    sqlite_with_rowid=False,
)

case_runs = Table(
    "case_runs",
    metadata,
    Column("flow_run", String, primary_key=True),
    _case_id(),
    Column("generation", Integer, nullable=False),
    UniqueConstraint("case_id", "generation"),
)

intents = Table(
    "intents",
    metadata,
    Column("key", String, primary_key=True),
    _case_id(),
    Column("step", String, nullable=False),
    Column("owner", String, nullable=False),
    Column("claimed_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
    Column("plan", JSON, nullable=False),
    Column("done_at", UtcTime),
    Column("result", JSON(none_as_null=True)),
    sqlite_with_rowid=False,
)

# Since 0012: what is owed yet, of a case, or of no single one ("" then). It follows from the events, or from the time;
# how often it was tried and what was wrong is the keeper's own.
owed = Table(
    "owed",
    metadata,
    Column("ref", String, primary_key=True),
    Column("what", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("since", UtcTime, nullable=False),
    Column("next_at", UtcTime),  # none: it is looked at by itself
    Column("tries", Integer, nullable=False),
    Column("code", String, nullable=False),
    Column("trouble", Text, nullable=False),
    Column("told", Integer, nullable=False),  # how often the team was told of it
    sqlite_with_rowid=False,
)
Index("ix_owed_next_at", owed.c.next_at)
Index("ix_owed_key", owed.c.key)

chosen_causes = Table(
    "chosen_causes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("shape", String(64), nullable=False),
    Column("words", Text, nullable=False),
    Column("example", Text, nullable=False),
    Column("cause", String, nullable=False),
    Column("corrects", Boolean, nullable=False),
    Column("chosen_by", String, nullable=False),
    Column("chosen_at", UtcTime, nullable=False),
    Column("ref", String, nullable=False),
    Column("used", Integer, nullable=False),
    Column("undone_at", UtcTime),
    Column("undone_by", String, nullable=False, server_default=""),
    sqlite_autoincrement=True,
)
_index_where("uq_chosen_causes_in_force", chosen_causes.c.undone_at.is_(None), chosen_causes.c.shape, unique=True)

retailers = Table(
    "retailers",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String, nullable=False, unique=True),
)

contacts = Table(
    "contacts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("retailer_id", ForeignKey("retailers.id"), nullable=False),
    Column("address", String, nullable=False),
    Column("folded", String, nullable=False),  # the address as it is compared: case does not matter
    Column("name", String, nullable=False),
    # Since 0004.
    Column("language", String, nullable=False, server_default=""),  # empty: the policy's
    Column("role", String, nullable=False, server_default=""),
    Column("bounced_at", UtcTime),
    Column("bounce", String, nullable=False, server_default=""),  # why the last mail came back
    Column("created_at", UtcTime),  # since 0010; none for those of before
    UniqueConstraint("retailer_id", "folded"),
)

messages = Table(
    "messages",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("digest", Digest, nullable=False, unique=True),
    Column("message_id", String, nullable=False),
    Column("sender", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("size", Integer, nullable=False),
    Column("way", String, nullable=False),
    Column("place", String, nullable=False),
    Column("why", String, nullable=False),
    Column("case_id", ForeignKey("cases.id"), index=True),
    Column("at", UtcTime, nullable=False),
    # Above, what came, which stays as it is; below, what we did about it.
    Column("told_at", UtcTime),
    Column("done_at", UtcTime),
    Column("done_by", String, nullable=False, server_default=""),
    # Since 0006: why it ended there, for programs. It stays as it is, too.
    Column("code", String, nullable=False, server_default=""),
    # Since 0009: the digest of what came, where what is kept lacks a key of ours that stood in it.
    Column("original", String(64), nullable=False, server_default=""),
    # Since 0013: what whoever looked at it remarks, and the reference of the case that a person put it to.
    Column("remark", String, nullable=False, server_default=""),
    Column("filed", String, nullable=False, server_default=""),
    sqlite_autoincrement=True,
)

has_message_id = messages.c.message_id != literal_column("''")
to_look_at = messages.c.done_at.is_(None) & messages.c.place.in_(
    [literal_column(f"'{place}'") for place in ("bounce", "refused", "reply", "unmatched", "unreadable")]
)
"""Messages to be read that nobody has read yet. In literals, so that both databases see that their index fits."""

_index_where("ix_messages_message_id", has_message_id, messages.c.message_id)
_index_where("ix_messages_to_look_at", to_look_at, messages.c.id)

evidence = Table(
    "evidence",
    metadata,
    _case_id(primary_key=True),
    Column("digest", Digest, primary_key=True),
    Column("name", String, nullable=False),
    Column("media_type", String, nullable=False),
    Column("size", Integer, nullable=False),
    Column("at", UtcTime, nullable=False),
    Index("ix_evidence_digest", "digest"),
    sqlite_with_rowid=False,
)

tickets = Table(
    "tickets",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", String, nullable=False, unique=True),
    Column("subject", String, nullable=False),
    Column("body", Text, nullable=False),
    Column("status", String, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
    sqlite_autoincrement=True,
)

ticket_comments = Table(
    "ticket_comments",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("ticket", ForeignKey("tickets.id"), nullable=False),
    Column("key", String, nullable=False),
    Column("text", Text, nullable=False),
    Column("at", UtcTime, nullable=False),
    UniqueConstraint("ticket", "key"),
)

ticket_attachments = Table(
    "ticket_attachments",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("ticket", ForeignKey("tickets.id"), nullable=False),
    Column("name", String, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("size", Integer, nullable=False),
    Column("media_type", String, nullable=False),
    Column("at", UtcTime, nullable=False),
    UniqueConstraint("ticket", "name", "digest"),
)

# Since 0008. Of a link and of a log-in only the digest is kept: who reads the store can use neither.
logins = Table(
    "logins",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String, nullable=False),
    Column("folded", String, nullable=False, unique=True),  # the name as it is compared: case does not matter
    Column("email", String, nullable=False, server_default=""),
    Column("password", String, nullable=False, server_default=""),  # as Argon2 hashed it; empty: none was chosen
    Column("made_at", UtcTime, nullable=False),
    sqlite_autoincrement=True,
)

login_links = Table(
    "login_links",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("login_id", ForeignKey("logins.id"), nullable=False),
    Column("until", UtcTime, nullable=False),
)

login_sessions = Table(
    "login_sessions",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("login_id", ForeignKey("logins.id"), nullable=False),
    Column("way", String, nullable=False),
    Column("made_at", UtcTime, nullable=False),
    Column("seen_at", UtcTime, nullable=False),
)
