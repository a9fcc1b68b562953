"""`caseproof report`: how long cases take, how many there are, and whose."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from caseproof.cli.common import AsJson, out, print_json, safe, table_of
from caseproof.procedure.core.services import bootstrap

if TYPE_CHECKING:
    from caseproof.procedure.views.reporting import Table


def report(
    since: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="The first day, moved back to its Monday; default: eight weeks ago."),
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The last day (in UTC); default: now.")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write it with its charts to this file, as one page.")] = None,
    as_json: AsJson = False,
) -> None:
    """Report how long cases take to be stopped, told, answered and closed, whose turn that was, and whose they are."""
    from caseproof.checks.report import period  # pandas takes a second, which the other commands do not need
    from caseproof.procedure.views.kept_reports import write_page
    from caseproof.procedure.views.reporting import as_json as plain
    from caseproof.procedure.views.reporting import make_report, page, read_figures, tables

    services = bootstrap()
    over = period(services.clock(), since=since.date() if since else None, until=until.date() if until else None)
    if html is not None:
        made = make_report(services.ledger, over)
        write_page(html, page(made, f"{services.settings.public}/cases"))
    found = made.figures if html is not None else read_figures(services.store, over)
    if as_json:
        print_json(plain(found))
        return
    out.print(f"From {over.since:%Y-%m-%d} to {over.last_day} (days in UTC)")
    for table in tables(found):
        _print(table)
    if html is not None:
        out.print(f"With its charts: {safe(html)}", soft_wrap=True, highlight=False)


def _print(table: Table) -> None:
    # What is measured stands in the docs; a terminal is too narrow for it.
    kept = [n for n, column in enumerate(table.columns) if column != "Measured"]
    printed = table_of(table.title, *(table.columns[n] for n in kept))
    for row in table.rows:
        printed.add_row(*(safe(row[n]) for n in kept))
    if table.rows:
        out.print(printed)
    if table.note:
        out.print(safe(table.note), style="dim")
