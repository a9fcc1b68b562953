"""What the store refuses or cannot do.

CaseproofError
└── StoreError            the store cannot be used as it is, or refused what was asked
    ├── StoreDown         locked, full, not reachable: worth trying again
    ├── ConcurrentChange  somebody else was faster: read again, then decide again
    ├── AlreadyOpen       this job has an open case; ``ref`` names it
    ├── Unreadable        what stands in the store is no event or no row of ours
    ├── UnknownCase       there is no such case (BadInput too)
    └── UnknownIncident   there is no such incident (BadInput too)
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import exc

from caseproof.domain.codes import Code
from caseproof.domain.errors import BadInput, CaseproofError
from caseproof.domain.events import UnknownKind


class StoreError(CaseproofError):
    """The store cannot be used as it is, or refused what was asked."""

    code = Code.STORE_FAILED


class StoreDown(StoreError):
    """Locked, full or not reachable: worth trying again."""

    code = Code.STORE_DOWN


class ConcurrentChange(StoreError):
    """Somebody else was faster: read again, then decide again."""


class AlreadyOpen(StoreError):
    """There is an open case for this job; ``ref`` is its reference."""

    def __init__(self, ref: str) -> None:
        super().__init__(f"There is an open case for this job: {ref}.", f"`caseproof case show {ref}`")
        self.ref = ref


class Unreadable(StoreError):
    """What stands in the store is none of ours: edited past Caseproof, damaged, or ``unknown`` to this version."""

    def __init__(self, what: str, unknown: UnknownKind | None = None) -> None:
        why = unknown.problem if unknown else "the store was edited past Caseproof, or its file is damaged."
        compare = "`caseproof case list` names every such case; compare with a backup."
        super().__init__(f"{what} cannot be read: {why}", unknown.next_action if unknown else compare)


class UnknownCase(StoreError, BadInput):
    """There is no case with this reference."""

    def __init__(self, ref: str) -> None:
        super().__init__(f"There is no case {ref.strip()!r}.", "`caseproof case list` shows every reference.")


class UnknownIncident(StoreError, BadInput):
    """There is no incident with this reference."""

    def __init__(self, ref: str) -> None:
        super().__init__(f"There is no incident {ref.strip()!r}.", "The page of a case names the incident it is in.")


class UnknownChoice(StoreError, BadInput):
    """There is no remembered choice of a cause with this number."""

    def __init__(self, number: int) -> None:
        super().__init__(f"There is no chosen cause {number}.", "`caseproof causes` shows them with their numbers.")


# Each by the beginning of SQLite's error name or PostgreSQL's SQLSTATE.
_OWNER = "Check who owns the store's file and its folder."
_DOWN = (
    (
        ("SQLITE_BUSY", "SQLITE_LOCKED", "55P03"),
        "another process has been writing for too long",
        "Try again in a minute.",
    ),
    (("SQLITE_FULL", "53100"), "the disk is full", "Free some space on the store's disk, then try again."),
    (
        ("SQLITE_CANTOPEN",),
        "its file cannot be opened",
        "Check that the folder of CASEPROOF_HOME (or CASEPROOF_DATABASE_URL) exists and may be written.",
    ),
    (("SQLITE_READONLY", "SQLITE_PERM"), "its file may not be written", _OWNER),
    (("SQLITE_IOERR", "58030"), "its disk fails", "Check the disk and its free space, then try again."),
    (("53300",), "the database has no connection left", "Raise the server's max_connections, or try again later."),
    (("53",), "the database server is short of memory or space", "Give the server more, then try again."),
    (
        ("25006",),
        "this transaction may only read",
        "If the server is a standby, name its primary in CASEPROOF_DATABASE_URL.",
    ),
    (("25P03", "57014"), "the database ended a transaction that took too long", "Try again in a minute."),
    (("57P", "08"), "the database went away", "Start the database, then try again."),
)
_WRONG = (
    (
        ("SQLITE_NOTADB", "SQLITE_CORRUPT"),
        "The store's file is damaged or not a database",
        "Point CASEPROOF_DATABASE_URL at the right file, or restore it from a backup.",
    ),
    (
        ("42501",),
        "The database role may not do this",
        "Migrate as the owner of the tables, and let the role of CASEPROOF_DATABASE_URL select, insert and update.",
    ),
    (
        ("42P07", "42710", "42723"),
        "Another program's tables are in the way",
        "Give Caseproof a database of its own, or a schema (?options=-csearch_path%3Dcaseproof).",
    ),
    (("3F000",), "The schema is not there", "Make the schema of CASEPROOF_DATABASE_URL, then try again."),
)


def _explain(error: exc.SQLAlchemyError) -> CaseproofError:
    cause = getattr(error, "orig", None)
    if isinstance(cause, CaseproofError):  # raised by a column type of ours
        return cause
    code = getattr(cause, "sqlite_errorname", None) or getattr(cause, "sqlstate", None) or ""
    said = _without_values(cause) or error
    if not code and str(cause).startswith("Could not decode to UTF-8"):  # SQLite's driver: a text that is none
        return Unreadable("A row of the store")
    if known := _by_code(code, said):
        return known
    if code.startswith("40"):  # a deadlock, or a transaction that another one overtook: it was rolled back
        return ConcurrentChange(f"Somebody else was faster ({said}).", "Read it again, then decide again.")
    if isinstance(error, exc.DataError):
        return BadInput(
            "The database cannot keep a value of this: a NUL character, or one that is too long or out of range.",
            "Leave it out, then try again.",
        )
    if isinstance(error, exc.IntegrityError):
        return StoreError(f"The store refused this: {said}", "Nothing was written; `caseproof doctor` looks closer.")
    if isinstance(error, exc.TimeoutError) or (
        isinstance(error, exc.OperationalError | exc.InterfaceError) and not code
    ):
        return StoreDown(f"The store cannot be reached: {said}.", "Start the database, then try again.")
    return StoreError(f"The store failed: {said}.", "`caseproof doctor` looks closer.")


def _by_code(code: str, said: object) -> StoreError | None:
    for codes, problem, next_action in _DOWN:
        if code.startswith(codes):
            return StoreDown(f"The store cannot be used: {problem} ({said}).", next_action)
    for codes, problem, next_action in _WRONG:
        if code.startswith(codes):
            return StoreError(f"{problem} ({said}).", next_action)
    return None


def _without_values(cause: BaseException | None) -> BaseException | None:
    """PostgreSQL's details quote whole rows, and its driver's errors know the password: only the sentence stays."""
    if cause is None or not hasattr(cause, "diag"):
        return cause
    return type(cause)((cause.diag.message_primary or str(cause)).strip())


@contextmanager
def explained() -> Iterator[None]:
    """Turn what the database raises into errors for people."""
    try:
        yield
    except exc.SQLAlchemyError as error:
        cause = getattr(error, "orig", None)
        raise _explain(error) from (_without_values(cause) if hasattr(cause, "diag") else error)


@contextmanager
def readable(what: str) -> Iterator[None]:
    """Turn what reading rows raises into an error for people. Raises Unreadable; ``what`` begins its sentence."""
    try:
        with explained():
            yield
    except UnknownKind as unknown:
        raise Unreadable(what, unknown) from unknown
    except (BadInput, ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise Unreadable(what) from error
