"""The routes of the web app. All of them read but the forms: a retailer's, a case's, the worklist's, and those of
logging in and out.

What guards each of them stands in ``doors.DOORS``; one that is not there is not reached.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.responses import FileResponse, JSONResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles

from caseproof.config.policy import PolicyNow
from caseproof.config.settings import Settings
from caseproof.config.shipped import this_version
from caseproof.evidence.answer_keys import AnswerKeys
from caseproof.evidence.vault import Vault
from caseproof.procedure.core.health_key import HEALTH_KEY, is_health_key
from caseproof.procedure.core.logins import TeamLogins
from caseproof.procedure.core.parts import Links
from caseproof.procedure.core.recordings import may_have_file
from caseproof.procedure.core.services import Services
from caseproof.procedure.paging.by_link import Keys
from caseproof.procedure.paging.ports import Channels, PagingParts
from caseproof.store import Store, StoreError
from caseproof.web.after import AfterPages, after_routes
from caseproof.web.answer import answer_routes
from caseproof.web.answer_guard import AnswerHost
from caseproof.web.answer_pages import AnswerPages
from caseproof.web.by_hand import HandPages, hand_routes
from caseproof.web.cases import case_routes
from caseproof.web.connecting import Connecting
from caseproof.web.contacts import ContactPages, contact_routes
from caseproof.web.doors import READ, Watch, same_door
from caseproof.web.emergencies import EmergencyPages, emergency_routes
from caseproof.web.errors import ErrorPages, add_errors
from caseproof.web.files import NotForYou, evidence_response
from caseproof.web.handbook import DOCS, Handbook
from caseproof.web.hosts import OwnHosts
from caseproof.web.inbox import InboxPages, inbox_routes
from caseproof.web.incidents import IncidentPages, incident_routes
from caseproof.web.installation import installation_routes
from caseproof.web.login import LoginPages, account_routes, login_routes
from caseproof.web.on_call import OnCallPages, on_call_routes
from caseproof.web.overview import OverviewPages, overview_routes
from caseproof.web.pages import HERE, Pages
from caseproof.web.personal import PersonalPages, personal_routes
from caseproof.web.pictures import PicturePages, picture_routes
from caseproof.web.provider import LoginProvider
from caseproof.web.question import Questions
from caseproof.web.raising import RaisePages, raise_routes
from caseproof.web.raising_support import SupportPages, support_routes
from caseproof.web.reports import report_routes
from caseproof.web.views import ticket_page
from caseproof.web.voice import VoiceDoors, voice_routes
from caseproof.web.who import Who, person_of
from caseproof.web.worklist import WorkPages, work_routes

_READ = list(READ)


def create_app(
    services: Services, *, docs: Path = DOCS, logins: TeamLogins | None = None, provider: LoginProvider | None = None
) -> FastAPI:
    """The app over these services. Links to flow runs need the environment variable PREFECT_UI_URL.

    ``docs`` is the folder of markdown pages that stand under /docs; ``logins`` and ``provider`` are those of the
    services and their settings unless they are given.
    """
    settings, logins = services.settings, logins or services.logins
    base = urlsplit(settings.public).path.rstrip("/")
    pages, answers, host = Pages(base), AnswerPages(services.replies, settings.public), AnswerHost(settings)
    errors, who = ErrorPages(pages, answers, host, base), Who(settings, logins)
    provider = provider or _provider(settings)
    app = FastAPI(
        title="Caseproof",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        dependencies=[Depends(same_door)],
    )
    add_errors(app, errors)
    app.add_middleware(Watch, hosts=OwnHosts(settings), answers=host, who=who, errors=errors)
    app.mount("/static", _Static(directory=HERE / "static"), name="static")
    by_form = LoginPages(pages, who, settings, provider)
    policy = PolicyNow(settings)
    work = WorkPages(services.ledger, policy, logins, pages, by_form)
    app.include_router(work_routes(work))
    app.include_router(overview_routes(OverviewPages(services.ledger, policy, logins.team, pages)))
    questions = Questions(services.ledger, services.files, Links(base), policy, services.replies.secret, who)
    inbox = InboxPages(services.ledger, services.files, services.replies, pages, by_form)
    app.include_router(inbox_routes(inbox))
    app.include_router(_list_routes(services.store, services.vault, pages, base))
    app.include_router(case_routes(services.store, services.vault, questions, pages, base))
    app.include_router(hand_routes(HandPages(services.ledger, services.files, policy, logins, by_form)))
    app.include_router(after_routes(AfterPages(services.ledger, policy, pages, by_form)))
    app.include_router(picture_routes(PicturePages(services.ledger, services.files, policy, logins, by_form)))
    app.include_router(raise_routes(RaisePages(services.ledger, logins, by_form)))
    app.include_router(support_routes(SupportPages(services.ledger, services.files, policy, by_form)))
    app.include_router(contact_routes(ContactPages(services.ledger, by_form)))
    shown = IncidentPages(services.ledger, policy, services.replies.secret, who, pages, base)
    app.include_router(incident_routes(shown))
    app.include_router(_file_routes(services.store, services.vault, policy, pages, base, Handbook(docs)))
    app.include_router(report_routes(services.ledger, settings.home_folder, pages))
    app.include_router(installation_routes(services.ledger, settings, pages))
    app.include_router(_health_routes(services.store, services.keys, who, host))
    app.include_router(answer_routes(services.ledger, services.vault, services.replies, answers))
    urgent = PagingParts(services.ledger, policy, _page_keys(services), settings.home_folder, services.links)
    channels = Channels(settings.home_folder, services.clock)
    connecting = Connecting(urgent, channels)
    app.include_router(emergency_routes(EmergencyPages(urgent, connecting, pages, by_form, services.files)))
    app.include_router(voice_routes(VoiceDoors(urgent, channels)))
    keys = services.keys
    app.include_router(
        on_call_routes(OnCallPages(services.ledger, policy, settings, keys, logins, connecting, pages, by_form))
    )
    app.include_router(personal_routes(PersonalPages(urgent, pages, base)))
    app.include_router(login_routes(logins, by_form))
    app.include_router(account_routes(logins, by_form))
    return app


def _page_keys(services: Services) -> Callable[[], Keys]:
    """What personal links are signed with, read anew each time: another process may have made another key."""
    return lambda: Keys(services.keys.in_force(), services.keys.void())


def _provider(settings: Settings) -> LoginProvider | None:
    """The provider of the settings; what speaks with it takes a quarter of a second to load."""
    if settings.oidc_issuer is None:
        return None
    from caseproof.web.oidc import Provider

    return Provider(settings)


def _list_routes(store: Store, vault: Vault, pages: Pages, base: str) -> APIRouter:
    router = APIRouter()

    @router.api_route("/tickets/{ticket_id}", methods=_READ)
    def ticket(ticket_id: str, request: Request) -> Response:
        page = ticket_page(store, vault, ticket_id)
        if page.id != ticket_id:
            return RedirectResponse(f"{base}/tickets/{page.id}")
        return pages.show("ticket.html", who=person_of(request), page=page, ticket=page.ticket)

    return router


def _file_routes(
    store: Store, vault: Vault, policy: PolicyNow, pages: Pages, base: str, handbook: Handbook
) -> APIRouter:
    router = APIRouter()

    @router.api_route("/evidence/{digest}", methods=_READ)
    def evidence(digest: str, request: Request) -> Response:
        person = person_of(request)
        if not may_have_file(store, policy, digest.replace("-", ""), person.name if person else ""):
            raise NotForYou
        return evidence_response(store, vault, digest, request.headers.get("If-None-Match", ""))

    @router.api_route("/docs/pictures/{name}", methods=_READ)
    def picture(name: str) -> Response:
        return FileResponse(handbook.picture(name), headers={"X-Content-Type-Options": "nosniff"})

    @router.api_route("/docs", methods=_READ)
    @router.api_route("/docs/", methods=_READ)
    def docs() -> Response:
        return RedirectResponse(f"{base}/docs/index")

    @router.api_route("/docs/{page:path}", methods=_READ)
    def doc(page: str, request: Request) -> Response:
        name = page.removesuffix(".md")
        found = handbook.page(name)
        if name != page:  # how the pages link to each other
            return RedirectResponse(f"{base}/docs/{name}")
        return pages.show("doc.html", who=person_of(request), page=found)

    return router


def _health_routes(store: Store, keys: AnswerKeys, who: Who, host: AnswerHost) -> APIRouter:
    router = APIRouter()

    @router.api_route("/health", methods=_READ)
    def health(request: Request) -> Response:
        """In short for a stranger; in full for the team, and for the doctor, who has our key (`keys/answers`)."""
        if is_health_key(keys.known, request.headers.get(HEALTH_KEY, "")):
            return _health(store, in_short=False, newest=True)
        team = who.everybody_reads(request) or person_of(request) is not None
        return _health(store, in_short=host.is_asked(request) or not team)

    return router


def _health(store: Store, *, in_short: bool, newest: bool = False) -> Response:
    """Whether the store can be read; 503 with the reason when it cannot. In short it says no more than that."""
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    try:
        with store.reading() as uow:
            rows = uow.cases.rows(open_only=not newest)
    except StoreError as error:
        why = {"store": error.problem, "next_action": error.next_action, "version": this_version()}
        return JSONResponse({"status": "down", **({} if in_short else why)}, 503, headers)
    is_open = sum(row.closed_at is None for row in rows)
    told = {"store": "ok", "cases_open": is_open, "version": this_version()}
    told |= {"newest": rows[-1].ref if rows else ""} if newest else {}
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
