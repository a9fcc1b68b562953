"""A store with very many cases in a few seconds: one case that the procedure itself opened, copied by SQL.

The copies have rows of the same sizes, in the order in which checks and runs write them, with names of their own and
digests as random as real ones are: both decide how full a database's pages get. Their events are not chained to these
digests, so such a store is good for measuring and for looking at query plans, never for an audit.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Table, case, cast, func, insert, literal, select, true
from sqlalchemy import String as Text

from caseproof.store.guards import guards_off, guards_on
from caseproof.store.tables import case_runs, cases, events, evidence, intents, tickets

PASS, BATCH = 1000, 20
"""So many cases one check opens, and so many of them together; what comes after the stop is written case by case."""


def multiply(connection: Connection, copies: int) -> None:
    """Copy case 1 with its events, intents, evidence, flow run and ticket so often, in the open transaction.

    The store holds no other case. Only the owner of the tables may: the guards are off meanwhile.
    """
    guards_off(connection)
    numbered = select(literal(1).label("i")).cte("numbered", recursive=True)
    numbered = numbered.union_all(select(numbered.c.i + 1).where(numbered.c.i < copies))
    i, sqlite = numbered.c.i, connection.dialect.name == "sqlite"
    ref = literal("JF-").concat(
        func.printf("%06d", i + 1, type_=Text) if sqlite else func.lpad(cast(i + 1, Text), 6, "0", type_=Text)
    )
    tail = literal("-").concat(cast(i, Text))
    of_case = {"case_id": i + 1}

    def digest(column: Column[Any]) -> ColumnElement[Any]:
        """A random digest; ``column`` makes it another one each row."""
        if sqlite:
            return func.randomblob(32)
        return func.md5(column.concat(tail)).concat(func.md5(tail.concat(column)))

    def run(column: Column[Any]) -> ColumnElement[Any]:
        """The same on both tables, as long as a flow run's id, and no more sorted than those are."""
        mixed = func.printf("%016d", (i * 7_368_787) % 999_999_937, type_=Text) if sqlite else func.md5(tail)
        return func.substr(mixed, 1, 16, type_=Text).concat(func.substr(column, 17, 20, type_=Text))

    def written(by_the_check: ColumnElement[bool], *columns: Column[Any]) -> tuple[Any, ...]:
        """The order in which a pass's rows are written: the check's own a batch at a time, then a case at a time."""
        each = case((by_the_check, i // BATCH), else_=i)
        return i // PASS, case((by_the_check, 0), else_=1), each, *columns, i

    copied: list[tuple[Table, dict[str, ColumnElement[Any]], tuple[Any, ...]]] = [
        (cases, {"id": i + 1, "ref": ref, "job": cases.c.job.concat(tail), "head": digest(cases.c.head),
                 "flow_run": run(cases.c.flow_run)}, (i,)),
        (events, of_case | {"digest": digest(events.c.digest)},
         written(events.c.seq <= 2, events.c.seq)),
        (evidence, of_case | {"digest": digest(evidence.c.digest)},
         written(evidence.c.name.startswith("stop"), evidence.c.at)),
        (intents, of_case | {"key": func.replace(intents.c.key, "JF-000001", ref)},
         written(intents.c.step == "stop", intents.c.claimed_at)),
        (case_runs, of_case | {"flow_run": run(case_runs.c.flow_run)}, (i,)),
        (tickets, {"id": i + 1, "key": func.replace(tickets.c.key, "JF-000001", ref)}, (i,)),
    ]  # fmt: skip
    for table, changed, order in copied:
        taken = [changed.get(column.name, column) for column in table.columns]
        query = select(*taken).select_from(table.join(numbered, true())).order_by(*order)
        connection.execute(insert(table).from_select([column.name for column in table.columns], query))
    guards_on(connection)
