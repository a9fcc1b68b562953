"""The report over HTTP: its tables for a period that is asked for, each as CSV, and the pages that were kept.

A kept page is a whole one of our own, with its charts inside, under headers that let nothing run.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse

from caseproof.domain.errors import BadInput
from caseproof.procedure.core.parts import Ledger
from caseproof.procedure.views.kept_reports import kept_page, kept_pages, kept_test_pages
from caseproof.web.answer_pages import PAGE_HEADERS
from caseproof.web.doors import READ
from caseproof.web.files import NotHere
from caseproof.web.pages import HEADERS, Pages
from caseproof.web.who import person_of

if TYPE_CHECKING:
    from caseproof.checks.report import Figures, Period

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, no-cache",
}


def report_routes(ledger: Ledger, home: Path, pages: Pages) -> APIRouter:
    """The report, its tables as CSV, and the kept ones."""
    router = APIRouter()

    @router.api_route("/report", methods=list(READ))
    def look(request: Request) -> Response:
        asked = {name: request.query_params.get(name, "")[:20] for name in ("since", "until")}
        try:
            over, wrong = _period(ledger, asked["since"], asked["until"]), None
        except BadInput as error:
            over, wrong = _period(ledger, "", ""), error
        return _page(request, over, asked, wrong)

    def _page(request: Request, over: Period, asked: dict[str, str], wrong: BadInput | None) -> Response:
        from caseproof.procedure.views.reporting import tables

        found = _figures(ledger, over)
        return pages.show(
            "report.html", 422 if wrong else 200, PAGE_HEADERS, who=person_of(request), wrong=wrong,
            tables=list(tables(found)), since=asked["since"] or f"{over.since:%Y-%m-%d}",
            until=asked["until"] or f"{over.last_day}", over=over, kept=kept_pages(home),
            tested=kept_test_pages(home),
        )  # fmt: skip

    @router.api_route("/report/{name}.csv", methods=list(READ))
    def table(name: str, request: Request) -> Response:
        from caseproof.procedure.views.reporting import spreadsheet

        try:
            over = _period(ledger, request.query_params.get("since", ""), request.query_params.get("until", ""))
        except BadInput as error:
            raise NotHere(error.problem, error.next_action) from error
        content = spreadsheet(_figures(ledger, over), name)
        if content is None:
            raise NotHere(f"The report has no table {name[:40]!r}.", "Follow the links below its tables.")
        file = f"caseproof-{name}-{over.since:%Y-%m-%d}-to-{over.last_day}.csv"
        kept = {"Content-Disposition": f'attachment; filename="{file}"'}
        return Response(content, media_type="text/csv; charset=utf-8", headers={**HEADERS, **kept})

    @router.api_route("/reports/{name}", methods=list(READ))
    def kept(name: str) -> Response:
        return report_response(home, name)

    return router


def _period(ledger: Ledger, since: str, until: str) -> Period:
    """The period that is asked for; the report's own where nothing is. Raises BadInput."""
    from caseproof.checks.report import period  # pandas takes a second, which no other page needs

    return period(ledger.clock(), since=_day(since), until=_day(until))


def _figures(ledger: Ledger, over: Period) -> Figures:
    from caseproof.procedure.views.reporting import read_figures

    return read_figures(ledger.store, over)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text.strip()) if text.strip() else None
    except ValueError:
        raise BadInput(f"{text.strip()[:20]!r} is no day.", "Write it like 2026-11-30.") from None


def report_response(home: Path, name: str) -> Response:
    """The page of a kept report. Raises NotHere."""
    path = kept_page(home, name)
    if path is None:
        raise NotHere(
            f"There is no report {name[:80]!r}.", "`caseproof report` makes one; so does the deployment case-report."
        )
    return FileResponse(path, media_type="text/html; charset=utf-8", headers=_HEADERS)
