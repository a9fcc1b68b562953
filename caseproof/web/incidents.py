"""The page of an incident: its cases, and the one decision for all of them, made here under the name of the log-in."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import date

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from caseproof.config.policy import Policy
from caseproof.domain.errors import BadInput, CaseproofError, NotAllowed
from caseproof.domain.forms import IncidentDecision
from caseproof.domain.people import same_person
from caseproof.domain.vocabulary import BY_LOGIN, Decision
from caseproof.procedure.closing.deciding import read_date
from caseproof.procedure.core.answer_ledger import Overtaken
from caseproof.procedure.core.logins import Person
from caseproof.procedure.core.parts import Ledger
from caseproof.procedure.keeper import incidents
from caseproof.procedure.views.asking import AskedNow, asked_for_all
from caseproof.procedure.views.titles import about_incident, incident_stands
from caseproof.store import IncidentRow
from caseproof.web.answer_guard import SentForm, form_key, is_our_form
from caseproof.web.answer_pages import PAGE_HEADERS
from caseproof.web.cases import status_of
from caseproof.web.doors import READ
from caseproof.web.pages import Pages, prefect_ui
from caseproof.web.question import NOTHING, NotOurForm, ShownQuestion, Typed, WrongFields, as_html, wrong_fields
from caseproof.web.who import ActingPerson, Who, person_of


@dataclass(frozen=True)
class IncidentPages:
    """Shows an incident, and takes the answers of people who are logged in.

    ``policy`` gives the policy as it is now; ``secret`` what forms are signed with; ``base`` is what links start with.
    """

    ledger: Ledger
    policy: Callable[[], Policy]
    secret: Callable[[], bytes]
    who: Who
    pages: Pages
    base: str

    def show(
        self, ref: str, request: Request, status: int = 200, typed: Typed = NOTHING, error: CaseproofError | None = None
    ) -> Response:
        """The page. Raises UnknownIncident."""
        person = person_of(request)
        with self.ledger.store.reading() as uow:
            row = uow.incidents.get(ref)
            cases, refused = uow.cases.of_incident(row.ref), uow.incidents.refused(row.ref)
            waits = uow.incidents.question(row.ref) is not None and not row.is_closed
        if row.ref != ref and error is None:
            return RedirectResponse(f"{self.base}/incidents/{row.ref}")
        asked = asked_for_all(row, cases, refused) if waits and person else None
        what = {
            "incident": row, "cases": cases, "about": about_incident(row), "waits": waits, "prefect_ui": prefect_ui(),
            "stands": incident_stands(row, bool(refused)),
            "question": self._question(row, asked, request, person, typed, error),
        }  # fmt: skip
        return self.pages.show("incident.html", status, PAGE_HEADERS, who=person, **what)

    def _question(
        self, row: IncidentRow, asked: AskedNow | None, request: Request, person: Person | None, typed: Typed,
        error: CaseproofError | None,
    ) -> ShownQuestion:  # fmt: skip
        if asked is None or person is None:
            return ShownQuestion(error=error, left=typed.left(IncidentDecision))
        return ShownQuestion(
            asked=asked,
            says=as_html(asked.says),
            key=form_key(self.secret(), self.who.form_token(request, person, row.ref, asked.number), asked.seen),
            typed=typed,
            wrong=error.wrong if isinstance(error, WrongFields) else None,
            error=error,
        )

    def take(self, ref: str, request: Request, person: Person, typed: Typed) -> None:
        """Decide for all. Raises NotOurForm, WrongFields, Overtaken, and what the procedure refuses it with."""
        if not is_our_form(
            request, self.secret(), self.who.form_token(request, person, ref, typed.number), typed.seen, typed.key
        ):
            raise NotOurForm
        with self.ledger.store.reading() as uow:
            row, waits = uow.incidents.get(ref), uow.incidents.question(ref)
            asked = asked_for_all(row, uow.cases.of_incident(ref), "")
        if row.is_closed or waits is None or waits.number != typed.number:
            return self._refuse_another(row, person, typed)
        if wrong := wrong_fields(None, asked, typed, self.ledger.clock().date()):
            raise WrongFields(wrong)
        incidents.decide_all(
            self.ledger, self.policy(), ref, Decision(typed.choice), person.name, typed.text("reason"), _until(typed),
            question=typed.number, known_by=BY_LOGIN,
        )  # fmt: skip
        with self.ledger.store.reading() as uow:
            self._refuse_another(uow.incidents.get(ref), person, typed)

    def _refuse_another(self, row: IncidentRow, person: Person, typed: Typed) -> None:
        """Raise Overtaken unless what was decided is this: the same button pressed twice counts once."""
        mine = (typed.choice, typed.text("reason"), _until(typed))
        if (row.decision, row.reason, row.until) != mine or not same_person(row.decided_by, person.name):
            raise Overtaken("This question waits no more.", "Look at what was decided; what you typed was not taken.")


def _until(typed: Typed) -> date | None:
    """Until when is to be paused; None where that is not chosen, or was typed as no date."""
    with suppress(BadInput):
        return read_date(typed.text("paused_until")) if typed.choice == Decision.KEEP_PAUSED else None
    return None


def incident_routes(shown: IncidentPages) -> APIRouter:
    """An incident's page, and where its form is sent."""
    router = APIRouter()

    @router.api_route("/incidents/{ref}", methods=list(READ))
    def look(ref: str, request: Request) -> Response:
        return shown.show(ref, request)

    @router.post("/incidents/{ref}/question")
    def decide(
        ref: str,
        request: Request,
        fields: SentForm,
        person: ActingPerson,
    ) -> Response:
        typed = Typed.of(fields)
        try:
            shown.take(ref, request, person, typed)
        except (BadInput, NotAllowed) as error:
            return shown.show(ref, request, status_of(error), typed, error)
        return RedirectResponse(f"{shown.base}/incidents/{ref}#question", 303, PAGE_HEADERS)

    return router
