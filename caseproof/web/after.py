"""What follows an emergency, on a page of its case: the timeline for the review, and the recordings. And the index of
all recordings, for training.

A recording's address is shown to whom it names as a listener, and to nobody else; the index lists what somebody may
hear, and nothing besides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from caseproof.config.policy import Policy, PolicyNow
from caseproof.domain.case import Case
from caseproof.domain.emergency.paging import emergencies
from caseproof.domain.emergency.payloads import ReviewKept
from caseproof.domain.emergency.review import review_of
from caseproof.domain.emergency.vocabulary import CRITERIA
from caseproof.domain.errors import BadInput, CaseproofError, NotAllowed
from caseproof.domain.recordings.linking import Link
from caseproof.domain.recordings.listing import EVERYBODY, TIERS, Recording, is_asked_for, may_hear, recordings
from caseproof.procedure.answers.answering import as_typed
from caseproof.procedure.core.logins import Person
from caseproof.procedure.core.parts import Ledger
from caseproof.procedure.core.recordings import (
    Entry,
    Wanted,
    heard_by,
    link_recording,
    names_known,
    products_in,
    say_there_is_none,
    tiers_of,
    training_index,
    unlink_recording,
)
from caseproof.procedure.core.sentences import whole_sentence
from caseproof.procedure.paging.review import length, outcome_of, steps_of
from caseproof.store import UnknownCase
from caseproof.web.answer_guard import SentForm, as_number, one_of
from caseproof.web.answer_pages import PAGE_HEADERS
from caseproof.web.cases import status_of
from caseproof.web.doors import READ
from caseproof.web.login import LoginPages
from caseproof.web.pages import Pages
from caseproof.web.who import ActingPerson

PURPOSE = "after"
_TYPED = ("topic", "made_by", "consent", "kept_until", "address", "file", "others", "because", "why", "number")
_FORMS = ("link", "none", "unlink")


@dataclass(frozen=True, slots=True)
class ShownRecording:
    """A recording on a case's page; ``entry`` has its address for who may hear it, else it is None."""

    recording: Recording
    may_hear: bool
    entry: Entry | None


@dataclass(frozen=True)
class AfterPages:
    """Shows the pages, and does what their forms say."""

    ledger: Ledger
    policy: PolicyNow
    pages: Pages
    forms: LoginPages

    def show(
        self, ref: str, request: Request, person: Person, status: int = 200, *, typed: Mapping[str, str] | None = None,
        chosen: Sequence[str] = (), do: str = "", error: CaseproofError | None = None,
    ) -> Response:  # fmt: skip
        """What follows an emergency of this case; ``do`` is the form that was sent, ``typed`` what stood in it."""
        case, policy = self.ledger.case(ref), self.policy()
        if case.ref != ref and error is None:
            return RedirectResponse(f"{self.forms.base}/cases/{case.ref}/after")
        reviews = [review for number in range(emergencies(case), 0, -1) if (review := review_of(case, number))]
        what = {
            "case": case, "reviews": reviews, "steps_of": steps_of, "length": length, "said": whole_sentence,
            "outcome_of": outcome_of, "recordings": self._recordings(case, policy, person), "asked": is_asked_for(case),
            "tiers": (EVERYBODY, *TIERS), "people": names_known(policy), "chosen": chosen, "do": do,
            "kept": _kept(case), "typed": {**dict.fromkeys(_TYPED, ""), **(typed or {})},
        }  # fmt: skip
        return self.forms.show("case_after.html", request, status, error, **what)

    def _recordings(self, case: Case, policy: Policy, person: Person) -> list[ShownRecording]:
        entries = {entry.number: entry for entry in training_index(self.ledger.store) if entry.ref == case.ref}
        tiers = tiers_of(policy, person.name)
        found = []
        for one in recordings(case):
            heard = one.is_linked and may_hear(one.said["listeners"], person.name, tiers)
            found.append(ShownRecording(one, heard, entries.get(one.number) if heard else None))
        return found

    def do(self, ref: str, typed: Mapping[str, str], chosen: Sequence[str], do: str, by: str) -> None:
        """Do what this form says. Raises BadInput, NotAllowed, UnknownCase."""
        match do:
            case "link":
                names = [*chosen, *typed["others"].replace(",", "\n").splitlines()]
                said = {name: typed[name] for name in ("topic", "made_by", "consent", "kept_until", "address", "file")}
                link_recording(self.ledger, self.policy(), ref, Link(**said, listeners=names), by=by)
            case "none":
                say_there_is_none(self.ledger, ref, typed["because"], by=by)
            case "unlink":
                unlink_recording(self.ledger, ref, as_number(typed["number"]), typed["why"], by=by)
            case _:
                raise BadInput("It is not clear what is to be done.", "Use one of the buttons.")

    def training(self, request: Request, person: Person) -> Response:
        """The index, of what this person may hear; searched by the address's own ``q``, ``product``, ``criterion``."""
        given = {name: request.query_params.get(name, "")[:200] for name in ("q", "product", "criterion")}
        policy = self.policy()
        mine = heard_by(training_index(self.ledger.store), policy, person.name)
        wanted = Wanted(given["q"], given["product"], given["criterion"])
        found = heard_by(training_index(self.ledger.store, wanted), policy, person.name)
        what = {
            "rows": found, "count": len(mine), "given": given, "products": products_in(mine),
            "criteria": [one for one in CRITERIA.values() if any(one in entry.criteria for entry in mine)],
        }  # fmt: skip
        return self.pages.show("training.html", who=person, **what)


def _kept(case: Case) -> dict[int, str]:
    """The digest of the timeline that was kept, by the number of the emergency."""
    return {fact.data["emergency"]: fact.data["evidence"] for fact in case.all_of(ReviewKept)}


def after_routes(after: AfterPages) -> APIRouter:
    """The pages, and where the forms are sent."""
    router = APIRouter()

    @router.api_route("/training", methods=list(READ))
    def training(request: Request, person: ActingPerson) -> Response:
        return after.training(request, person)

    @router.api_route("/cases/{ref}/after", methods=list(READ))
    def look(ref: str, request: Request, person: ActingPerson) -> Response:
        return after.show(ref, request, person)

    @router.post("/cases/{ref}/after")
    def send(
        ref: str,
        request: Request,
        fields: SentForm,
        person: ActingPerson,
    ) -> Response:
        do = one_of(fields, "do")
        do = do if do in _FORMS else ""
        typed = {name: as_typed(fields[name][0]) for name in _TYPED if name in fields}
        chosen = fields.get("listener", [])
        try:
            after.forms.check(request, fields, PURPOSE)
            after.do(ref, {**dict.fromkeys(_TYPED, ""), **typed}, chosen, do, person.name)
        except (BadInput, NotAllowed) as error:
            if isinstance(error, UnknownCase):
                raise
            return after.show(ref, request, person, status_of(error), typed=typed, chosen=chosen, do=do, error=error)
        # Loading it again sends nothing again.
        place = f"{after.forms.base}/cases/{after.ledger.case(ref).ref}/after#recordings"
        return RedirectResponse(place, 303, PAGE_HEADERS)

    return router
