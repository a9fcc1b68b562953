"""J1: somebody raises a case for a job, by themselves or from a ticket.

No platform is at hand here: what is wanted is written down, and within seconds, or with the keeper's next pass, the job
is stopped (J2) and its case open.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from caseproof.domain.errors import BadInput, CaseproofError, NotAllowed
from caseproof.domain.vocabulary import CAUSES, UNKNOWN, Scope
from caseproof.procedure.answers.answering import as_typed
from caseproof.procedure.containment import opening
from caseproof.procedure.containment.known_jobs import KnownJob, find_jobs, jobs_named_in, known_platforms
from caseproof.procedure.core.logins import TeamLogins
from caseproof.procedure.core.parts import Ledger
from caseproof.procedure.core.texts import in_words, short
from caseproof.procedure.keeper.raising import LONGEST, LONGEST_SUMMARY, key_of, take_back, want_case, wanted_cases
from caseproof.store import UnitOfWork
from caseproof.store.tickets import TicketRow
from caseproof.web.answer_guard import SentForm, one_of
from caseproof.web.answer_pages import PAGE_HEADERS
from caseproof.web.cases import status_of
from caseproof.web.doors import READ
from caseproof.web.login import LoginPages
from caseproof.web.views import ticket_number
from caseproof.web.who import ActingPerson

PURPOSE = "raise"
SHOWN = 50
"""So many jobs that are found stand on the page."""
_FIELDS = ("platform", "job", "cause", "summary", "ticket", "scope")
_CAUSES = [(one, in_words(one)) for one in CAUSES]
_SCOPES = [("", "as the policy says for the cause"), *((str(one), str(one)) for one in Scope)]


@dataclass(frozen=True, slots=True)
class Choice:
    """A job that may be meant, and its open case, "" where it has none."""

    known: KnownJob
    ref: str


@dataclass(frozen=True)
class RaisePages:
    """Shows the page, and writes down what is wanted."""

    ledger: Ledger
    logins: TeamLogins
    forms: LoginPages

    def show(
        self, request: Request, typed: Mapping[str, str], words: str = "", status: int = 200, *,
        error: CaseproofError | None = None,
    ) -> Response:  # fmt: skip
        """The page, with what is found by these words, and the form as it is filled in."""
        with self.ledger.store.reading() as uow:
            ticket = _ticket(uow, typed["ticket"])
            found = find_jobs(uow, words, SHOWN + 1)
            if not (words or typed["job"]) and ticket is not None:
                found = jobs_named_in(uow, f"{ticket.subject}\n{ticket.body}", SHOWN + 1)
            standing = uow.cases.open_for(typed["platform"], typed["job"]) if typed["job"] else None
            wanted = wanted_cases(uow)
            what = {"platforms": known_platforms(uow), "choices": _choices(uow, found[:SHOWN])}
        summary = typed["summary"] or (short(f"{ticket.subject}: {ticket.body}") if ticket and not error else "")
        chosen = key_of(typed["platform"], typed["job"])
        what |= {
            "words": words, "has_more": len(found) > SHOWN, "typed": {**typed, "summary": summary},
            "standing": standing, "wanted": wanted, "ticket": ticket,
            "chosen": next((one for one in wanted if one.row.key == chosen), None),
            "causes": _CAUSES, "scopes": _SCOPES, "longest": LONGEST, "longest_summary": LONGEST_SUMMARY,
        }  # fmt: skip
        return self.forms.show("raise.html", request, status, error, **what)

    def do(self, typed: Mapping[str, str], back: str, by: str) -> str:
        """Want the case, or take one back; the address of where that is seen. Raises BadInput, NotAllowed."""
        if back:
            take_back(self.ledger, back)
            return "/raise"
        if typed["scope"] not in {value for value, _ in _SCOPES}:
            raise BadInput("There is no such reach of a stop.", "Choose one.")
        wish = opening.Request(
            typed["platform"], typed["job"], by, "the web app", typed["cause"] or UNKNOWN, typed["summary"],
            typed["ticket"], Scope(typed["scope"]) if typed["scope"] else None,
        )  # fmt: skip
        standing = want_case(self.ledger, self.logins.team(), wish)
        if standing is not None:
            return f"/cases/{standing.ref}"
        return f"/raise?{urlencode({name: typed[name] for name in ('platform', 'job')})}"


def raise_routes(pages: RaisePages) -> APIRouter:
    """The page, and where its forms are sent."""
    router = APIRouter()

    @router.api_route("/raise", methods=list(READ))
    def look(request: Request) -> Response:
        asked = request.query_params
        typed = {name: as_typed(asked.get(name, ""))[:LONGEST] for name in _FIELDS}
        return pages.show(request, typed, asked.get("words", "")[:200].strip())

    @router.post("/raise")
    def send(
        request: Request,
        fields: SentForm,
        person: ActingPerson,
    ) -> Response:
        typed = {name: as_typed(one_of(fields, name)).strip() for name in _FIELDS}
        try:
            pages.forms.check(request, fields, PURPOSE)
            after = pages.do(typed, as_typed(one_of(fields, "back")), person.name)
        except (BadInput, NotAllowed) as error:
            status = status_of(error)
            return pages.show(request, typed, status=status, error=error)
        return RedirectResponse(f"{pages.forms.base}{after}", 303, PAGE_HEADERS)

    return router


def _ticket(uow: UnitOfWork, named: str) -> TicketRow | None:
    """The ticket of Caseproof's own desk that is named so; another desk's is not known here."""
    number = ticket_number(named)
    return uow.tickets.get(number) if number is not None else None


def _choices(uow: UnitOfWork, found: list[KnownJob]) -> list[Choice]:
    rows = [
        row
        for platform in {one.platform for one in found}
        for row in uow.bulk.open_rows(platform, [one.job for one in found if one.platform == platform])
    ]
    refs = {(row.platform, row.job): row.ref for row in rows}
    return [Choice(one, refs.get((one.platform, one.job), "")) for one in found]
