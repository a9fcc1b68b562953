"""The routes of the web app. All of them read but one: a retailer's answer on the confirmation page."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.responses import FileResponse, JSONResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles

from caseproof.config.shipped import this_version
from caseproof.evidence.vault import Vault
from caseproof.procedure.core.services import Services
from caseproof.store import Store, StoreError
from caseproof.web.answer import answer_routes
from caseproof.web.answer_guard import AnswerHost
from caseproof.web.answer_pages import AnswerPages
from caseproof.web.errors import add_errors, own_hosts_only
from caseproof.web.files import evidence_response
from caseproof.web.handbook import DOCS, Handbook
from caseproof.web.pages import HERE, Pages
from caseproof.web.reports import report_response
from caseproof.web.views import case_list, case_page, inbox_page, ticket_page

_READ = ["GET", "HEAD"]


def create_app(services: Services, *, docs: Path = DOCS) -> FastAPI:
    """The app over these services. Links to flow runs need the environment variable PREFECT_UI_URL.

    ``docs`` is the folder of markdown pages that stand under /docs.
    """
    base = urlsplit(services.settings.public).path.rstrip("/")
    pages, answers, host = (
        Pages(base),
        AnswerPages(services.replies, services.settings.public),
        AnswerHost(services.settings),
    )
    app = FastAPI(
        title="Caseproof",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        dependencies=[Depends(own_hosts_only(services.settings, host))],
    )
    add_errors(app, pages, answers, host)
    app.mount("/static", _Static(directory=HERE / "static"), name="static")
    app.include_router(_case_routes(services.store, services.vault, pages, base))
    app.include_router(
        _file_routes(services.store, services.vault, services.settings.home_folder, pages, base, Handbook(docs), host)
    )
    app.include_router(answer_routes(services.ledger, services.vault, services.replies, answers))
    return app


def _case_routes(store: Store, vault: Vault, pages: Pages, base: str) -> APIRouter:
    router = APIRouter()
    prefect_ui = os.environ.get("PREFECT_UI_URL", "").strip().rstrip("/")

    @router.api_route("/", methods=_READ)
    def start() -> Response:
        return RedirectResponse(f"{base}/cases")

    @router.api_route("/cases", methods=_READ)
    def cases() -> Response:
        return pages.show("cases.html", listed=case_list(store))

    @router.api_route("/inbox", methods=_READ)
    def inbox() -> Response:
        return pages.show("inbox.html", page=inbox_page(store, vault))

    @router.api_route("/cases/{ref}", methods=_READ)
    def case(ref: str) -> Response:
        page = case_page(store, vault, ref, prefect_ui)
        if page.case.ref != ref:
            return RedirectResponse(f"{base}/cases/{page.case.ref}")
        return pages.show("case.html", page=page, case=page.case)

    @router.api_route("/tickets/{ticket_id}", methods=_READ)
    def ticket(ticket_id: str) -> Response:
        page = ticket_page(store, vault, ticket_id)
        if page.id != ticket_id:
            return RedirectResponse(f"{base}/tickets/{page.id}")
        return pages.show("ticket.html", page=page, ticket=page.ticket)

    return router


def _file_routes(
    store: Store, vault: Vault, home: Path, pages: Pages, base: str, handbook: Handbook, host: AnswerHost
) -> APIRouter:
    router = APIRouter()

    @router.api_route("/evidence/{digest}", methods=_READ)
    def evidence(digest: str, request: Request) -> Response:
        return evidence_response(store, vault, digest, request.headers.get("If-None-Match", ""))

    @router.api_route("/reports/{name}", methods=_READ)
    def report(name: str) -> Response:
        return report_response(home, name)

    @router.api_route("/docs/pictures/{name}", methods=_READ)
    def picture(name: str) -> Response:
        return FileResponse(handbook.picture(name), headers={"X-Content-Type-Options": "nosniff"})

    @router.api_route("/docs", methods=_READ)
    @router.api_route("/docs/", methods=_READ)
    def docs() -> Response:
        return RedirectResponse(f"{base}/docs/index")

    @router.api_route("/docs/{page:path}", methods=_READ)
    def doc(page: str) -> Response:
        name = page.removesuffix(".md")
        found = handbook.page(name)
        if name != page:  # how the pages link to each other
            return RedirectResponse(f"{base}/docs/{name}")
        return pages.show("doc.html", page=found)

    @router.api_route("/health", methods=_READ)
    def health(request: Request) -> Response:
        return _health(store, in_short=host.is_asked(request))

    return router


def _health(store: Store, *, in_short: bool) -> Response:
    """Whether the store can be read; 503 with the reason when it cannot. In short it says no more than that."""
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    try:
        with store.reading() as uow:
            count = len(uow.cases.rows(open_only=True))
    except StoreError as error:
        why = {"store": error.problem, "next_action": error.next_action, "version": this_version()}
        return JSONResponse({"status": "down", **({} if in_short else why)}, 503, headers)
    told = {"store": "ok", "cases_open": count, "version": this_version()}
    return JSONResponse({"status": "ok", **({} if in_short else told)}, headers=headers)


class _Static(StaticFiles):
    """Our own files; a browser asks again each time, so that an update shows at once."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers.update(
            {
                "X-Content-Type-Options": "nosniff",
                "Cache-Control": "no-cache",
                # A block's picture is shown by the Prefect UI, which is another origin.
                "Cross-Origin-Resource-Policy": "cross-origin",
            }
        )
        return response
