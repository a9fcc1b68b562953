"""How long cases take, how many there are, and whose: the weekly report."""

from __future__ import annotations

from datetime import date
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from tasks.common import KEEP_NOTHING
from tasks.reporting import keep_the_page, read_the_cases, show_the_report, the_period


@flow(name="case-report", flow_run_name="case report", **KEEP_NOTHING)
def case_report(weeks: int = 8, since: date | None = None, until: date | None = None) -> State[Any]:
    """Report on the cases: times to contain, notify, confirm and close; what came and went; by cause and by whom.

    Args:
        weeks: How many whole weeks before the one under way.
        since: The first day, moved back to its Monday; takes the place of weeks.
        until: The last day; empty for now.
    """
    report = read_the_cases(the_period(weeks, since, until))
    address = keep_the_page(report)
    show_the_report(report, address)
    return Completed(message=f"{report.pictures[0].says} {address}")
