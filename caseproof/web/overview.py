"""The overview for leads: a page of tables whose numbers lead to the worklist, and each table as CSV. It only reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException

from caseproof.config.policy import Policy
from caseproof.config.spreadsheet import written_table
from caseproof.procedure.core.parts import Ledger
from caseproof.procedure.views.overview import DAYS, OverviewPage, OverviewTable, overview
from caseproof.web.doors import READ
from caseproof.web.pages import HEADERS, Pages
from caseproof.web.who import person_of

_DEFAULT = 30


@dataclass(frozen=True)
class OverviewPages:
    """Shows the overview of this ledger; ``policy`` and ``team`` give what is in force."""

    ledger: Ledger
    policy: Callable[[], Policy]
    team: Callable[[], Sequence[str]]
    pages: Pages

    def read(self, request: Request) -> OverviewPage:
        """What the address asks for; another number of days than we offer is ours."""
        said = request.query_params.get("days", "")
        days = next((one for one in DAYS if str(one) == said), _DEFAULT)
        return overview(self.ledger, self.policy(), self.team, days)


def overview_routes(shown: OverviewPages) -> APIRouter:
    """The page, and its tables."""
    router = APIRouter()

    @router.api_route("/overview", methods=list(READ))
    def look(request: Request) -> Response:
        page = shown.read(request)
        return shown.pages.show("overview.html", who=person_of(request), page=page, choices=DAYS)

    @router.api_route("/overview/{name}.csv", methods=list(READ))
    def table(name: str, request: Request) -> Response:
        found = shown.read(request).table(name)
        if found is None:
            raise HTTPException(404)
        return _as_file(found)

    return router


def _as_file(table: OverviewTable) -> Response:
    content = written_table(table.heads, ([cell.value for cell in row] for row in table.rows))
    kept = {"Content-Disposition": f'attachment; filename="caseproof-{table.name}.csv"'}
    return Response(content, media_type="text/csv; charset=utf-8", headers={**HEADERS, **kept})
