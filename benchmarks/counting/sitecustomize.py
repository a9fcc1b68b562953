"""Counts what a process asks of its store: Python runs this file at its start where the folder is on its path.

Only ``benchmarks/calls.py`` puts it there; the product knows nothing of it. A line a statement, for a process may be
killed or forked before it could add anything up.
"""

from __future__ import annotations

import os

NAME = "CASEPROOF_BENCH_STATEMENTS"
"""The file that the lines are written to."""


def _note(statement: str) -> None:
    line = f"{statement.split(maxsplit=1)[0].upper()}\n"
    to = os.open(os.environ[NAME], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(to, line.encode())
    os.close(to)


def _count() -> None:
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    event.listen(Engine, "before_cursor_execute", lambda _c, _cursor, statement, *_: _note(statement))
    event.listen(Engine, "commit", lambda _: _note("COMMIT"))


if NAME in os.environ:
    _count()
