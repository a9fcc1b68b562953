"""The confirmation page: a retailer opens the link in our mail, and what they send from there is taken.

Opening it changes nothing, however often and by whom: mail scanners follow links. An answer is taken from a form that
was made here for this link, with a choice and a name in it. Whatever goes wrong, what was typed is shown again.
"""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from caseproof.domain.errors import CaseproofError
from caseproof.evidence.vault import Vault
from caseproof.procedure.answers.answer_link import asked
from caseproof.procedure.answers.answering import LinkSpent, NotFilledIn, answer
from caseproof.procedure.answers.told_jobs import told_jobs
from caseproof.procedure.core.parts import Ledger, ReplyAddresses
from caseproof.web.answer_guard import RateLimit, SentForm, is_our_form
from caseproof.web.answer_pages import PAGE_HEADERS, AnswerPages, Typed


def answer_routes(ledger: Ledger, vault: Vault, replies: ReplyAddresses, pages: AnswerPages) -> APIRouter:
    """The page's routes."""
    router, pace = APIRouter(), RateLimit()

    @router.api_route("/answer/{token}", methods=["GET", "HEAD"])
    def look(token: str, request: Request) -> Response:
        try:
            pace.look(request)
            return pages.state(token, asked(ledger.store, replies, token))
        except CaseproofError as error:
            return pages.trouble(request, error)

    @router.api_route("/answer/{token}/jobs", methods=["GET", "HEAD"])
    def jobs(token: str, request: Request) -> Response:
        try:
            pace.look(request)
            return pages.jobs(token, told_jobs(ledger.store, replies, token))
        except CaseproofError as error:
            return pages.trouble(request, error)

    @router.post("/answer/{token}")
    def send(token: str, request: Request, fields: SentForm) -> Response:
        typed = Typed.of(fields)
        try:
            pace.send(request)
            return _take(ledger, vault, replies, pages, pace, request, token, typed)
        except CaseproofError as error:
            return pages.trouble(request, error, token, typed)

    return router


def _take(
    ledger: Ledger,
    vault: Vault,
    replies: ReplyAddresses,
    pages: AnswerPages,
    pace: RateLimit,
    request: Request,
    token: str,
    typed: Typed,
) -> Response:
    """Take an answer, or show the page again. Raises BadLink, TooOften, StoreError, VaultError."""
    state = asked(ledger.store, replies, token)
    if not is_our_form(request, replies.secret(), token, typed.seen, typed.key):
        return pages.state(token, state, typed, {"form": "form"}, 403)
    pace.answer(state.letter.id)
    try:
        answer(ledger, vault, replies, token, pages.given(state, typed))
    except NotFilledIn as error:
        return pages.state(token, state, typed, error.wrong, 422)
    except LinkSpent:
        now = asked(ledger.store, replies, token)
        if not typed.is_said(now.said):
            return pages.state(token, now, typed, status=409)
    return RedirectResponse(pages.action(token), 303, PAGE_HEADERS)  # loading it again sends nothing again
