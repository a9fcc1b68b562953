"""E1: somebody raises a support case: by itself, for a job-failure case that needs it, or from a message that came."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from caseproof.config.policy import Policy
from caseproof.domain.case import Case
from caseproof.domain.errors import BadInput, CaseproofError, NotAllowed
from caseproof.domain.support.vocabulary import Failing, Urgency
from caseproof.procedure.answers.answering import as_typed
from caseproof.procedure.core.parts import EvidenceFiles, Ledger
from caseproof.procedure.core.support import LONGEST_NAME, LONGEST_SUMMARY, LONGEST_WORDS, SupportWanted
from caseproof.procedure.escalation.opening import open_from_message, open_support_case, support_for_job
from caseproof.store import UnknownCase
from caseproof.web.answer_guard import SentForm, as_number, one_of
from caseproof.web.answer_pages import PAGE_HEADERS
from caseproof.web.cases import status_of
from caseproof.web.doors import READ
from caseproof.web.login import LoginPages
from caseproof.web.views import words_of
from caseproof.web.who import ActingPerson

PURPOSE = "raise"
_FIELDS = (
    "client", "product", "summary", "said", "urgency", "failing", "site", "contract", "continues", "for", "message",
)  # fmt: skip


@dataclass(frozen=True)
class SupportPages:
    """Shows the form, and opens the case; ``policy`` gives what is in force."""

    ledger: Ledger
    files: EvidenceFiles
    policy: Callable[[], Policy]
    forms: LoginPages

    def show(
        self, request: Request, typed: Mapping[str, str], status: int = 200, *, error: CaseproofError | None = None
    ) -> Response:
        """The form, as it is filled in; from a job's case or from a message with what these say."""
        policy, known = self.policy(), dict(typed)
        with self.ledger.store.reading() as uow:
            retailers = uow.people.retailers()
        if error is None:
            known |= {name: value for name, value in self._proposed(known).items() if not known[name]}
        what: dict[str, Any] = {
            "typed": known, "clients": sorted({*policy.clients, *retailers}), "products": list(policy.ladder.documents),
            "urgencies": [str(one) for one in Urgency], "failings": [str(one) for one in Failing],
            "contracts": list(policy.contracts), "longest": LONGEST_NAME, "longest_summary": LONGEST_SUMMARY,
            "longest_words": LONGEST_WORDS,
        }  # fmt: skip
        return self.forms.show("raise_support.html", request, status, error, **what)

    def _proposed(self, typed: Mapping[str, str]) -> dict[str, str]:
        """What is known from where somebody comes."""
        if typed["for"]:
            try:
                job = self.ledger.case(typed["for"])
            except UnknownCase:
                return {}
            said = f"{job.name} fails: {job.facts.get('summary') or ''}".strip()
            return {"client": str(job.facts.get("retailer") or ""), "summary": f"{job.name} fails", "said": said}
        number = as_number(typed["message"])
        with self.ledger.store.reading() as uow:
            row = uow.messages.get(number) if number >= 0 else None
            clients = uow.people.retailers_of(row.sender) if row else []
        if row is None:
            return {}
        own, whole = words_of(self.files.vault, row)
        client = clients[0] if len(clients) == 1 else ""
        return {"client": client, "summary": row.subject, "said": own or whole[:LONGEST_WORDS]}

    def do(self, typed: Mapping[str, str], by: str) -> Case:
        """Open the case. Raises BadInput, NotAllowed, UnknownCase."""
        wanted = SupportWanted(
            **{name: typed[name] for name in _FIELDS if name not in ("for", "message")}, how="the web app"
        )
        policy = self.policy()
        if typed["for"]:
            return support_for_job(self.ledger, self.files, policy, typed["for"], wanted, by)[0]
        if typed["message"]:
            number = as_number(typed["message"])
            return open_from_message(self.ledger, self.files, policy, number, wanted, by)[0]
        return open_support_case(self.ledger, self.files, policy, wanted, by)[0]


def support_routes(pages: SupportPages) -> APIRouter:
    """The form, and where it is sent."""
    router = APIRouter()

    @router.api_route("/raise/support", methods=list(READ))
    def look(request: Request) -> Response:
        asked = request.query_params
        return pages.show(request, {name: as_typed(asked.get(name, ""))[:LONGEST_WORDS] for name in _FIELDS})

    @router.post("/raise/support")
    def send(
        request: Request,
        fields: SentForm,
        person: ActingPerson,
    ) -> Response:
        typed = {name: as_typed(one_of(fields, name)).strip() for name in _FIELDS}
        try:
            pages.forms.check(request, fields, PURPOSE)
            case = pages.do(typed, person.name)
        except (BadInput, NotAllowed) as error:
            return pages.show(request, typed, status_of(error), error=error)
        return RedirectResponse(f"{pages.forms.base}/cases/{case.ref}", 303, PAGE_HEADERS)

    return router
