"""The weekly report: the store read, the tables as people read them, and one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from caseproof.checks.report import GROUPS, KINDS, Figures, Period, figures, how_long, top
from caseproof.checks.turns import TURNED
from caseproof.config.spreadsheet import written_table
from caseproof.domain.durations import MEASURES, TIMES
from caseproof.procedure.core.parts import Ledger, Links
from caseproof.procedure.core.texts import data_uri
from caseproof.procedure.views.charts import Picture, report_pictures
from caseproof.procedure.views.kept_reports import reports_folder, write_page
from caseproof.store import Store

TABLES = ("times", "turns", "weeks", *(f"by-{name}" for name in GROUPS), "open")
"""The names of a report's tables."""

OPEN_SHOWN = 50
"""How many open cases the tables show, the oldest first."""

_HERE = Path(__file__).with_name("templates")


@dataclass(frozen=True, slots=True)
class Table:
    """A table for people: its name (for keys), what it shows, and rows of texts; ``note`` says what is left out."""

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """The figures of a period as tables and charts, made at a time."""

    figures: Figures
    made_at: datetime
    tables: tuple[Table, ...]
    pictures: tuple[Picture, ...]

    @property
    def title(self) -> str:
        """What it is about, with its first and last moment."""
        over = self.figures.period
        now = f", {over.until:%H:%M} UTC" if over.until.date() == over.last_day else ""
        return f"Cases, {over.since.day} {over.since:%B %Y} to {over.last_day.day} {over.last_day:%B %Y}{now}"

    @property
    def name(self) -> str:
        """The file's name; one day's reports of one period take each other's place."""
        period = self.figures.period
        return f"case-report-{period.since:%Y-%m-%d}-to-{period.last_day:%Y-%m-%d}.html"


def make_report(ledger: Ledger, over: Period) -> Report:
    """Read the store and make the report of a period. Raises StoreError."""
    found = read_figures(ledger.store, over)
    return Report(found, ledger.clock(), tuple(tables(found)), tuple(report_pictures(found)))


def read_figures(store: Store, over: Period) -> Figures:
    """The figures of a period, from one look at the store. Raises StoreError."""
    with store.reading() as uow:
        facts, happened = uow.history.cases(over.since), uow.history.events(over.since, KINDS)
        turned, asked_nothing = uow.history.turned(over.since), uow.history.asked_nothing(over.since)
    cases = pd.DataFrame(facts, columns=["case", "retailer", "marketplace", "cause"], dtype=object).set_index("case")
    events = pd.DataFrame(happened, columns=["case", "kind", "at"], dtype=object)
    besides = pd.DataFrame(turned, columns=list(TURNED), dtype=object)
    besides = besides.assign(at=_naive(besides["at"]), until=_naive(besides["until"].replace("", None)))
    dated = events.assign(at=_naive(events["at"]))
    return figures(cases, dated, over, turned=besides, asked_nothing=asked_nothing)


def _naive(times: pd.Series[Any]) -> pd.Series[Any]:
    """Times or days as the figures have them: in UTC, without a zone."""
    return pd.to_datetime(times, utc=True).dt.tz_localize(None).astype("datetime64[us]")


# -- tables ---------------------------------------------------------------------------------------------------------


def tables(found: Figures) -> Iterator[Table]:
    """Every table of a report, in the order in which they are read."""
    yield Table(
        "times",
        "How long it took, and what still waits",
        ("Time", "Measured", "Median", "90th percentile", "Cases", "Not yet", "The longest waits for"),
        tuple(
            (TIMES[str(name)], MEASURES[str(name)], how_long(row["median"]), how_long(row["p90"]), str(row["cases"]),
             str(row["waiting"]), how_long(row["longest"]))
            for name, row in found.times.iterrows()
        ),
        _says_of_times(found),
    )  # fmt: skip
    yield _turns(found)
    yield _weeks(found)
    for name in found.by:
        yield _by(found, name)
    yield _open(found)


def _says_of_times(found: Figures) -> str:
    cannot = found.cannot_stop
    could_not = f" {cannot} of the jobs could not be stopped by us." if cannot else ""
    return (
        "What ended within the period. What has not ended stands under “not yet” and is in no median; a reopened case "
        f"is stopped, told and answered anew, and its time to close runs on.{could_not}"
    )


def _turns(found: Figures) -> Table:
    whole = found.turns["total"].sum()
    rows = [
        (str(whose), f"{row['total'] / whole:.0%}" if whole and pd.notna(row["total"]) else "none",
         how_long(row["total"]), how_long(row["median"]), how_long(row["longest"]), str(row["cases"]), str(row["now"]))
        for whose, row in found.turns.iterrows()
    ]  # fmt: skip
    columns = ("Turn", "Share", "All cases together", "Median of a case", "Longest at once", "Cases", "At the end")
    note = (
        "The time in which cases were open within the period. Ours is the team's turn and Caseproof's own; the "
        "retailer's, from our mail until they write; a date's, while the account is kept paused."
    )
    return Table("turns", "Whose turn it was", columns, tuple(rows), note)


def _weeks(found: Figures) -> Table:
    def row(week: pd.Timestamp, one: pd.Series[Any]) -> tuple[str, ...]:
        counts = [str(one[name]) for name in ("opened", "reopened", "closed", "open")]
        behind = {name: one[f"{name}_cases"] for name in MEASURES}
        medians = [f"{how_long(one[name])} ({count})" if count else "none" for name, count in behind.items()]
        return (f"{week:%Y-%m-%d}", *counts, *medians)

    rows = [row(pd.Timestamp(str(week)), one) for week, one in found.weeks.iterrows()]
    if found.under_way:
        rows[-1] = (f"{rows[-1][0]} (under way)", *rows[-1][1:])
    columns = (
        "Week of",
        "Opened",
        "Reopened",
        "Closed",
        "Open at its end",
        *(f"{name[:1].upper()}{name[1:]}" for name in TIMES.values()),
    )
    note = "Medians of what ended in the week, with the number of cases behind each. Weeks begin on Monday, in UTC."
    return Table("weeks", "Week by week", columns, tuple(rows), note)


def _by(found: Figures, name: str) -> Table:
    shown, others = top(found.by[name])
    rows = [
        (_called(name, str(value)), *(str(row[n]) for n in _COUNTS), how_long(row["median"]), str(row["cases"]))
        for value, row in shown.iterrows()
    ]
    if len(others):
        together = [str(others[n].sum()) for n in (*_COUNTS, "cases")]
        rows.append((f"{len(others)} others", *together[:-1], "not counted", together[-1]))
    columns = (name.capitalize(), "Opened", "Reopened", "Closed", "Open at the end", "Median time to close", "Cases")
    return Table(f"by-{name}", f"By {name}", columns, tuple(rows), "" if rows else "No case.")


_COUNTS = ("opened", "reopened", "closed", "open")


def _open(found: Figures) -> Table:
    rows = [
        (str(ref), how_long(row["age"]), row["stands"], row["turn"], _called("retailer", row["retailer"]),
         _called("marketplace", row["marketplace"]), _called("cause", row["cause"]),
         f"{row['openings'] - 1} times" if row["openings"] > 1 else "")
        for ref, row in found.open.head(OPEN_SHOWN).iterrows()
    ]  # fmt: skip
    left = len(found.open) - len(rows)
    note = f"{left} younger ones are not shown." if left else "" if rows else "No case is open."
    columns = ("Case", "Open for", "Stands", "Whose turn", "Retailer", "Marketplace", "Cause", "Reopened")
    return Table("open", "Open at the end, the oldest first", columns, tuple(rows), note)


def _called(name: str, value: str) -> str:
    return (value.replace("_", " ") if name == "cause" else value) or f"no {name}"


# -- the file -------------------------------------------------------------------------------------------------------


def page(report: Report, cases_url: str) -> str:
    """The report as one HTML page: charts inline, no script, fit to print. ``cases_url``: where cases are read."""
    pictures = {one.name: (one.says, inline(one)) for one in report.pictures}
    tables = {one.name: one for one in report.tables}
    weeks, found = report.figures.weeks, report.figures
    tiles = [(str(int(weeks[name].sum())), name) for name in ("opened", "reopened", "closed")]
    tiles += [(str(len(found.open)), "open at the end"), (how_long(found.open["age"].max()), "age of the oldest")]
    return _template().render(report=report, pictures=pictures, tables=tables, tiles=tiles, cases_url=cases_url)


def inline(picture: Picture) -> str:
    """The picture as the address of an image (``data:``)."""
    return data_uri(picture.png)


@cache
def _template() -> jinja2.Template:
    loader = jinja2.FileSystemLoader(_HERE)
    made = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return made.get_template("report.html")


def keep_page(home: Path, links: Links, report: Report) -> str:
    """Keep the page in this home folder; returns the address where people read it. Raises ReportNotKept."""
    write_page(reports_folder(home) / report.name, page(report, links.cases_url))
    return links.report_url(report.name)


# -- for programs ---------------------------------------------------------------------------------------------------


def as_json(found: Figures) -> dict[str, Any]:
    """The figures as plain values: durations in seconds, None where there is nothing to measure."""

    def plain(value: Any) -> Any:
        if isinstance(value, str):
            return value
        if pd.isna(value):
            return None
        if isinstance(value, pd.Timedelta):
            return round(value.total_seconds(), 3)
        return f"{value.isoformat()}+00:00" if isinstance(value, pd.Timestamp) else int(value)

    def records(table: pd.DataFrame, key: str) -> list[dict[str, Any]]:
        named = table.rename_axis(key).reset_index().to_dict("records")
        return [{str(name): plain(value) for name, value in row.items()} for row in named]

    period = found.period
    return {
        "since": period.since.astimezone(UTC).isoformat(),
        "until": period.until.astimezone(UTC).isoformat(),
        "times": records(found.times, "measure"),
        "turns": records(found.turns, "whose"),
        "weeks": records(found.weeks, "week"),
        **{f"by_{name}": records(table, name) for name, table in found.by.items()},
        "open": records(found.open, "case"),
        "cannot_stop": found.cannot_stop,
    }


def spreadsheet(found: Figures, name: str) -> bytes | None:
    """The figures behind the table of this name as CSV: durations in whole seconds, a cell empty where there is nothing
    to measure, and every row. None where there is no such table."""
    rows = as_json(found).get(name.replace("-", "_")) if name in TABLES else None
    if rows is None:
        return None
    header = list(rows[0]) if rows else []
    return written_table(header, ([_cell(row[one]) for one in header] for row in rows))


def _cell(value: Any) -> str | int:
    return round(value) if isinstance(value, int | float) else "" if value is None else str(value)


def table_rows(table: Table) -> Sequence[dict[str, str]]:
    """The rows as mappings, as Prefect's table artifacts want them."""
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]
