"""What the ``case-report`` deployment does: read the figures, keep the page, show tables and charts."""

from __future__ import annotations

from datetime import date

from prefect import get_run_logger, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact

from caseproof.checks.report import Period, period
from caseproof.procedure.core.texts import plain
from caseproof.procedure.views.reporting import Report, Table, inline, keep_page, make_report, table_rows
from tasks.common import patient, services
from tasks.display.logs import speak_in_words

speak_in_words()


def the_period(weeks: int, since: date | None, until: date | None) -> Period:
    """The period that is asked for, as seen now. Raises BadInput."""
    return period(services().clock(), weeks, since, until)


@task(name="read the cases", **patient())
def read_the_cases(over: Period) -> Report:
    """Reading changes nothing, so it needs no key."""
    report = make_report(services().ledger, over)
    get_run_logger().info("%s: %s", report.title, report.pictures[0].says)
    return report


@task(name="keep the page", **patient())
def keep_the_page(report: Report) -> str:
    """Write the report as one HTML page; once more puts the same page in its place. Returns its address."""
    address = keep_page(services().settings.home_folder, services().links, report)
    get_run_logger().info("The report as one page, to read and to print: %s", address)
    return address


@task(name="show the report", **patient())
def show_the_report(report: Report, address: str) -> None:
    """The page's address, then the charts and the tables that stand on it; the next report is a new version of each."""
    says = "\n".join(f"- {plain(one.says)}" for one in report.pictures)  # names come from outside
    create_markdown_artifact(
        f"# {report.title}\n\n[The whole report, to read and to print]({address})\n\n{says}",
        key="case-report",
        description=f"**The report.** {report.title}",
    )
    for picture in report.pictures:
        create_markdown_artifact(
            f"![{_as_alt(picture.says)}]({inline(picture)})",
            key=f"case-report-chart-{picture.name}",
            description=f"**Chart.** {plain(picture.says)}",
        )
    for table in report.tables:
        _show(table)


def _show(table: Table) -> None:
    rows = [{column: plain(cell) for column, cell in row.items()} for row in table_rows(table)]
    create_table_artifact(rows, key=f"case-report-{table.name}", description=f"**{table.title}.** {table.note}".strip())


def _as_alt(text: str) -> str:
    return " ".join(text.split()).translate(str.maketrans("[]<>\\", "()()/"))
