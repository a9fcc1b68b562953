"""What the store refuses or cannot do.

CaseproofError
└── StoreError            the store cannot be used as it is, or refused what was asked
    ├── StoreDown         locked, full, not reachable: worth trying again
    ├── ConcurrentChange  somebody else was faster: read again, then decide again
    ├── AlreadyOpen       this job has an open case; ``ref`` names it
    └── UnknownCase       there is no such case (BadInput too)
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import exc

from caseproof.domain.errors import BadInput, CaseproofError


class StoreError(CaseproofError):
    """The store cannot be used as it is, or refused what was asked."""


class StoreDown(StoreError):
    """Locked, full or not reachable: worth trying again."""


class ConcurrentChange(StoreError):
    """Somebody else was faster: read again, then decide again."""


class AlreadyOpen(StoreError):
    """There is an open case for this job; ``ref`` is its reference."""

    def __init__(self, ref: str) -> None:
        super().__init__(f"There is an open case for this job: {ref}.", f"`caseproof case show {ref}`")
        self.ref = ref


class UnknownCase(StoreError, BadInput):
    """There is no case with this reference."""

    def __init__(self, ref: str) -> None:
        super().__init__(f"There is no case {ref.strip()!r}.", "`caseproof case list` shows every reference.")


_DOWN = (
    ("SQLITE_BUSY", "another process has been writing for too long", "Try again in a minute."),
    ("SQLITE_LOCKED", "another process has been writing for too long", "Try again in a minute."),
    ("SQLITE_FULL", "the disk is full", "Free some space on the store's disk, then try again."),
    (
        "SQLITE_CANTOPEN",
        "its file cannot be opened",
        "Check that the folder of CASEPROOF_HOME (or CASEPROOF_DATABASE_URL) exists and may be written.",
    ),
    ("SQLITE_READONLY", "its file may not be written", "Check who owns the store's file and its folder."),
    ("SQLITE_PERM", "its file may not be written", "Check who owns the store's file and its folder."),
    ("SQLITE_IOERR", "its disk fails", "Check the disk and its free space, then try again."),
)


def _explain(error: exc.SQLAlchemyError) -> CaseproofError:
    cause = getattr(error, "orig", None)
    if isinstance(cause, CaseproofError):  # raised by a column type of ours
        return cause
    name = getattr(cause, "sqlite_errorname", "") or ""
    for prefix, problem, next_action in _DOWN:
        if name.startswith(prefix):
            return StoreDown(f"The store cannot be used: {problem} ({cause}).", next_action)
    if name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
        return StoreError(
            f"The store's file is damaged or not a database ({cause}).",
            "Point CASEPROOF_DATABASE_URL at the right file, or restore it from a backup.",
        )
    if isinstance(error, exc.IntegrityError):
        return StoreError(f"The store refused this: {cause}", "Nothing was written; `caseproof doctor` looks closer.")
    if isinstance(error, exc.TimeoutError) or (
        isinstance(error, exc.OperationalError | exc.InterfaceError) and not name
    ):
        return StoreDown(f"The store cannot be reached: {cause or error}.", "Start the database, then try again.")
    return StoreError(f"The store failed: {cause or error}.", "`caseproof doctor` looks closer.")


@contextmanager
def explained() -> Iterator[None]:
    """Turn what the database raises into errors for people."""
    try:
        yield
    except exc.SQLAlchemyError as error:
        raise _explain(error) from error
