"""Support cases, told step by step: each step is asked of the rules, as the store asks them, and then folded."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from caseproof.domain.case import Case
from caseproof.domain.closure import refuse_event
from caseproof.domain.events import Event
from caseproof.domain.fold import apply, blank
from caseproof.domain.support.efforts import items
from caseproof.domain.support.kinds import Kind
from caseproof.domain.support.ladder import owner_of
from caseproof.domain.support.lifecycle import State
from caseproof.domain.support.steps import Request
from caseproof.domain.support.vocabulary import Failing, Naming, NewWork, Outcome, SameIssue, Told, Urgency, Wanted, Way
from caseproof.store import Store

REF = "SC-000123"
START = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
PAGE = "https://woocommerce.com/document/checkout/"
SAID = (
    "Customers see an empty cart. Please let the second-line technician or the product technician call us. "
    "We also need a new site for Lyon."
)
PEOPLE = {"L1": "front line", "L2": "second-line technician", "PT": "product technician", "DEV": "developer"}
OPENED = {
    "key": "ticket-77", "client": "Example Foods", "product": "WooCommerce", "site": "shop.example.com",
    "summary": "The cart is empty", "said": SAID, "urgency": str(Urgency.STOPS), "failing": str(Failing.NO),
    "how": "telephone",
}  # fmt: skip
STEP = {"step": "cleared the session table", "outcome": str(Outcome.NO_CHANGE), "seen": "the cart is still empty"}
GIVEN = {"reply": "it happens in every browser", "steps": "called the client and tried two browsers"}


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


MAIL = digest("mail")
NAMED = {
    "way": str(Way.NAMED), "naming": str(Naming.MAIL), "evidence": MAIL, "same_issue": str(SameIssue.SAME),
}  # fmt: skip
BY_CASE = {
    "naming": str(Naming.CASE), "ref": "SC-000007", "evidence": "", "there_client": "Example Foods",
    "there_product": "WooCommerce", "there_names": ["Product  Technician", "product technician"],
}  # fmt: skip
"""What names the product technician in another case."""
ASKED_AGAIN = {"way": str(Way.ASKED), **GIVEN}
"""What an answer brings to the technician who asked."""
BRINGS: dict[Request, dict[str, Any]] = {
    Request.TRY: {"document": PAGE, **STEP},
    Request.HAND_TO_L2: {"why": "the cart stays empty after all of it"},
    Request.RETURN_TO_L1: {"why": "please ask which browser they use"},
    Request.ASK_PT: {"wanted": "which plugin empties the session?"},
    Request.ANSWER_L2: {"suggestions": ["switch the cache plugin off"], "questions": ["since when does it happen?"]},
    Request.EXHAUST: {"why": "every document and suggestion is tried"},
    Request.TAKE: {},
    Request.RETURN_TO_L2: {"suggestions": ["try the older theme"], "questions": []},
    Request.RAISE_DEVELOPMENT: {
        "where": "cart service, session store", "change": "keep the session when the currency changes",
        "accepted_when": "a cart survives a change of currency",
    },
    Request.RETURN_TO_PT: {"result": "released in version 2.4"},
    Request.REACH_L2: {**NAMED, "technician": PEOPLE["L2"]},
    Request.REACH_PT: {**NAMED, "technician": PEOPLE["PT"]},
    Request.SEND_TO_IMPLEMENTATION: {"request": str(NewWork.NEW_SITE), "words": "we also need a new site"},
    Request.WANT_DETAILS: {"wants": str(Wanted.DETAILS), "wanted": "which browsers are concerned?"},
    Request.GIVE_DETAILS: {"technician": PEOPLE["L2"], **GIVEN},
    Request.STATE_SOLUTION: {"solution": "the cache plugin is off", "checked": "ordered a meal on the site"},
    Request.TAKE_SOLUTION_BACK: {"why": "the cart is empty again"},
    Request.REOPEN: {"why": "the client called again"},
}  # fmt: skip
"""What each request brings where it is let through."""
DOERS = {
    Request.ANSWER_L2: "PT", Request.TAKE: "PT", Request.RETURN_TO_L2: "PT", Request.RAISE_DEVELOPMENT: "PT",
    Request.RETURN_TO_PT: "DEV", Request.WANT_DETAILS: "L2",
    Request.GIVE_DETAILS: "L1",
}  # fmt: skip
"""As which tier a request is made, where that is not the owner."""


@dataclass
class SupportCase:
    """A support case that is told: ``do`` makes a request, ``note`` another event."""

    case: Case = field(default_factory=lambda: blank(REF))

    def note(self, kind: Kind, /, actor: str = "caseproof", **data: Any) -> SupportCase:
        self._happens(Event(kind, self._next(), actor, data))
        return self

    def opened(self, **other: Any) -> SupportCase:
        self.note(Kind.OPENED, "front line", **(OPENED | {"evidence": MAIL} | other))
        return self.note(Kind.DOCUMENTS_LINKED, product="WooCommerce", documents=[{"title": "Cart", "address": PAGE}])

    def event(self, request: Request, /, tier: str = "", actor: str = "", **other: Any) -> Event:
        """The request as an event, made in the right way but for what is given."""
        owner = owner_of(self.case)
        tier = tier or DOERS.get(request) or str(owner or "L1")
        data = {"tier": tier, **self._brings(request), **other}
        return Event(Kind(str(request)), self._next(), actor or PEOPLE.get(str(tier), str(tier)), data)

    def do(self, request: Request, /, **other: Any) -> SupportCase:
        self._happens(self.event(request, **other))
        return self

    def told_all(self, outcome: Outcome = Outcome.NO_CHANGE) -> SupportCase:
        """What came of each of PT's lines."""
        for item in items(self.case):
            said = Outcome.ANSWERED if item.is_question else outcome
            self.do(Request.TELL_OUTCOME, of=item.key, outcome=str(said))
        return self

    def closed(self) -> SupportCase:
        """From a state in which its owner may solve it, to the end."""
        self.do(Request.STATE_SOLUTION)
        self.note(Kind.CLIENT_TOLD, "front line", how=str(Told.TELEPHONE), to="the shop", words="it works again")
        self.note(Kind.LOOKED_AGAIN, failed=[], evidence=digest(f"look {self.case.version}"))
        proof = digest(f"proof {self.case.version}")
        self.note(Kind.PROOF_MADE, evidence=proof, rule="J11", head=self.case.head)
        return self.note(Kind.CLOSED, proof=proof)

    def _brings(self, request: Request) -> dict[str, Any]:
        if request is Request.TELL_OUTCOME:
            known = items(self.case)
            outcome = Outcome.ANSWERED if known and known[0].is_question else Outcome.NO_CHANGE
            return {"of": known[0].key if known else "1.1", **STEP, "outcome": str(outcome)}
        return BRINGS[request]

    def _happens(self, event: Event) -> None:
        refuse_event(self.case, event)
        self.case = apply(self.case, event)

    def _next(self) -> datetime:
        return START + timedelta(minutes=self.case.version)


def ready_for(request: Request, state: State) -> SupportCase:
    """A case in that state, to which everything happened that this request needs there."""
    if request is Request.TELL_OUTCOME and state is State.WITH_L2:
        told = in_state(State.PT_ANSWERED).do(Request.RETURN_TO_L1).do(Request.TRY)
        return told.do(Request.HAND_TO_L2, why="they use every browser there is")
    if request is Request.TELL_OUTCOME and state is State.PT_ASKED:
        return in_state(State.PT_ANSWERED).do(Request.ASK_PT)
    told = in_state(state)
    return told.do(Request.WANT_DETAILS) if request is Request.GIVE_DETAILS and not told.case.is_closed else told


def in_state(state: State) -> SupportCase:
    """A case that stands there, and has come there by the ladder."""
    told = SupportCase().opened()
    if state is State.CLOSED:
        return told.closed()
    if state is State.WITH_IMPLEMENTATION:
        return told.do(Request.SEND_TO_IMPLEMENTATION)
    steps = {
        State.WITH_L1: lambda: told.do(Request.TRY),
        State.WITH_L2: lambda: told.do(Request.HAND_TO_L2).do(Request.TRY),
        State.PT_ASKED: lambda: told.do(Request.ASK_PT),
        State.PT_ANSWERED: lambda: told.do(Request.ANSWER_L2).told_all().do(Request.EXHAUST),
        State.WITH_PT: lambda: told.do(Request.TAKE),
        State.WITH_DEVELOPMENT: lambda: told.do(Request.RAISE_DEVELOPMENT),
    }
    for here, step in steps.items():
        step()
        if here is state:
            break
    return told


def written(store: Store, told: SupportCase, **other: Any) -> str:
    """Write the told case into a store, event by event; its reference there. ``other``: what it is about, instead."""
    first, *rest = told.case.events
    with store.uow() as uow:
        case = uow.cases.create(replace(first, data={**first.data, **other}))
        for event in rest:
            proves = {"head": case.head, "file": f"{case.ref}.json"} if event.kind is Kind.PROOF_MADE else {}
            case = uow.cases.append(case, replace(event, data={**event.data, **proves}))
        uow.commit()
    return case.ref
