"""What a statement about one job must leave alone: all that the two queries tell of the others.

How many rows a statement touched does not say whose they are, and nothing at all of what it does within (a WITH that
writes, a function). So where a job's own row does not prove that it was the one, the others are compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, bindparam, func, literal, select
from sqlalchemy.types import NullType

from caseproof.platforms.base import PlatformRefused
from caseproof.platforms.sql_jobs_declaration import word_of
from caseproof.platforms.sql_jobs_tables import Table

_NAMED = 3
_PLAIN = ("UPDATE", "INSERT", "DELETE")


def counts_its_rows(statement: str) -> bool:
    """Whether the number of rows that the database tells is that of all that the statement writes."""
    return statement.lstrip().upper().startswith(_PLAIN)


def other_jobs(connection: Connection, jobs: Table, job_id: str) -> Mapping[str, Any]:
    """What is told of each job but this one."""
    rows = connection.execute(jobs.rows())
    return {word_of(row.our_id): tuple(row) for row in rows if word_of(row.our_id) != job_id}


def other_runs(connection: Connection, runs: Table, job_id: str) -> Mapping[str, Any]:
    """How many runs of other jobs are in each state."""
    others = runs["job"] != bindparam(None, job_id, type_=NullType())
    counted = select(runs["state"], func.count(literal(1))).where(others).group_by(runs["state"])
    return {f"runs that are {word_of(state)!r}": count for state, count in connection.execute(counted)}


def refuse_changes(before: Mapping[str, Any], after: Mapping[str, Any], name: str, job_id: str) -> None:
    """Raises PlatformRefused where these are not the same; whoever began the transaction leaves it rolled back."""
    changed = sorted(one for one in before.keys() | after.keys() if before.get(one) != after.get(one))
    if changed:
        more = f" and {len(changed) - _NAMED} more" if len(changed) > _NAMED else ""
        raise PlatformRefused(
            f"The declaration's `{name}` for {job_id} changed something else, too: {', '.join(changed[:_NAMED])}{more}."
            " It was rolled back, and nothing changed.",
            "Correct its WHERE, so that it is about the one job that it is given.",
        )
