"""How this installation stands, to be read: the policy in force, and the platforms. Nothing here is changed."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from caseproof.config.settings import Settings
from caseproof.config.shipped import this_version
from caseproof.http.redaction import redact
from caseproof.procedure.core.parts import Ledger
from caseproof.procedure.views.platforms import platforms_shown
from caseproof.procedure.views.policy import policy_shown
from caseproof.web.doors import READ
from caseproof.web.pages import Pages
from caseproof.web.who import person_of


def installation_routes(ledger: Ledger, settings: Settings, pages: Pages) -> APIRouter:
    """The pages of the policy and of the platforms."""
    router = APIRouter()

    @router.api_route("/policy", methods=list(READ))
    def policy(request: Request) -> Response:
        shown = policy_shown(settings)
        what = {"shown": shown, "entries": shown.entries, "redact": redact, "version": this_version()}
        return pages.show("policy.html", who=person_of(request), **what)

    @router.api_route("/platforms", methods=list(READ))
    def platforms(request: Request) -> Response:
        return pages.show("platforms.html", who=person_of(request), platforms=platforms_shown(ledger))

    return router
