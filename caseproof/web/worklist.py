"""The worklist: what waits for whom, and what people do with it there, under their own name.

Reading it changes nothing. What is done is sent by a form that was made here for this browser, and answered by leading
back to the list, so that a page that is loaded again does nothing twice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from http import HTTPStatus
from urllib.parse import parse_qs

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from caseproof.config.policy import Policy
from caseproof.domain.errors import BadInput, CaseproofError
from caseproof.domain.procedure import procedures
from caseproof.domain.support.vocabulary import TIER_NAMES
from caseproof.domain.vocabulary import CAUSES
from caseproof.domain.worklist import NOBODY, REOPENED, Age, Group, Order, WorkQuery
from caseproof.procedure.core.handling import LONGEST_SNOOZE, Handle, Outcome, Wish, day_ahead, handle
from caseproof.procedure.core.logins import TeamLogins
from caseproof.procedure.core.parts import Ledger
from caseproof.procedure.core.texts import in_words
from caseproof.procedure.escalation.mine import tiers_of
from caseproof.procedure.views.board import board_url
from caseproof.procedure.views.emergency import going_on
from caseproof.procedure.views.worklist import worklist
from caseproof.web.answer_guard import Fields, SentForm, one_of
from caseproof.web.answer_pages import PAGE_HEADERS
from caseproof.web.cases import status_of
from caseproof.web.doors import READ
from caseproof.web.login import LoginPages
from caseproof.web.pages import Pages, prefect_ui
from caseproof.web.who import ActingPerson, person_of

GROUPS: dict[Group, tuple[str, str, str]] = {
    Group.MINE: ("For me", "What waits for me", "Nothing that you have waits for you."),
    Group.TEAM: ("For the team", "What waits for the team", "Nothing waits for the team."),
    Group.RETAILER: ("For the retailer", "What waits for the retailer", "No retailer owes an answer."),
    Group.TIME: ("For a time", "What waits for a time", "Nothing is put off or paused."),
    Group.CASEPROOF: ("At work", "What Caseproof is at work on", "No case is at work."),
    Group.ALL: ("All open", "Cases that are open", "No case is open."),
    Group.OWED: ("Owed", "Cases that owe something", "Nothing is owed: all that was to be done is done."),
    Group.CLOSED: ("Closed", "Cases that are closed", "No case was closed yet."),
}
"""What a group is called, its heading, and what stands there where it is empty."""

ORDERS = {
    Order.OLDEST: "the oldest first",
    Order.NEWEST: "the newest first",
    Order.RETAILER: "by retailer",
    Order.MARKETPLACE: "by marketplace",
}
_DONE = {
    Handle.CLAIM: "You have {} now.",
    Handle.RELEASE: "{} let go.",
    Handle.HAND_OVER: "{} handed over.",
    Handle.SNOOZE: "{} put off.",
    Handle.WAKE: "{} back in the list.",
}
_STATES = tuple(dict.fromkeys(str(state) for one in procedures() for state in one.states if state != "closed"))
_PURPOSE = "worklist"


@dataclass(frozen=True, slots=True)
class Sent:
    """What came from the form: the cases that were ticked, and what stands in its fields."""

    cases: tuple[str, ...] = ()
    whom: str = ""
    until: str = ""


@dataclass(frozen=True)
class WorkPages:
    """Shows the worklist; ``policy`` gives what is in force."""

    ledger: Ledger
    policy: Callable[[], Policy]
    logins: TeamLogins
    pages: Pages
    forms: LoginPages

    def show(
        self, request: Request, query: WorkQuery, status: int = 200, *, sent: Sent | None = None,
        error: CaseproofError | None = None, outcome: Outcome | None = None,
    ) -> Response:  # fmt: skip
        """The page; ``error`` and ``outcome`` are what came of the form that was sent."""
        person = person_of(request)
        policy, name = self.policy(), person.name if person else ""
        tiers = tiers_of(policy, name) if name else ()
        shown = worklist(self.ledger, policy.keeper, self.logins.team, query, name, tiers)
        now = self.ledger.clock()
        what = {
            "shown": shown, "query": shown.query, "groups": GROUPS, "orders": ORDERS, "causes": CAUSES,
            "in_words": in_words, "states": _STATES, "team": self.logins.team(), "nobody": NOBODY,
            "ages": tuple(Age), "tiers": tuple(TIER_NAMES.items()), "reopened": REOPENED,
            "sent": sent or Sent(), "outcome": outcome, "done": "", "board": board_url(prefect_ui()), "now": now,
            "first_day": f"{(now + timedelta(days=1)).date()}", "last_day": f"{(now + LONGEST_SNOOZE).date()}",
            "here": query.address, "going_on": going_on(self.ledger.store, now),
        }  # fmt: skip
        if person is None:
            return self.pages.show("worklist.html", status, PAGE_HEADERS, who=None, wrong=None, worklist_key="", **what)
        what["done"] = "" if error or outcome else self._told(request)
        return self.forms.said(request, _PURPOSE, self.forms.show("worklist.html", request, status, error, **what))

    def lead_back(self, query: WorkQuery, what: Handle, count: int) -> Response:
        """Back to the list, which says once what was done."""
        after = f"/?{query.address}" if query.address else "/"
        return self.forms.lead_back(after, _PURPOSE, what.name.lower(), count)

    def _told(self, request: Request) -> str:
        """What the form did that led here."""
        name, count = self.forms.told(request, _PURPOSE)
        what = next((one for one in Handle if one.name.lower() == name), None)
        return _DONE[what].format("1 case" if count == 1 else f"{count} cases") if what else ""


def work_routes(work: WorkPages) -> APIRouter:
    """The list, and the one way to do something with it."""
    router = APIRouter()

    @router.api_route("/", methods=list(READ))
    def look(request: Request) -> Response:
        return work.show(request, _of(request.url.query))

    @router.api_route("/cases", methods=list(READ))
    def every_case(request: Request) -> Response:
        query = _of(request.url.query)
        return work.show(request, query if query.group else replace(query, group=Group.ALL))

    @router.get("/worklist")
    def once_more() -> Response:
        """Whoever opens the address of a form that was refused anew."""
        return RedirectResponse(f"{work.forms.base}/", 303, PAGE_HEADERS)

    @router.post("/worklist")
    def send(
        request: Request,
        fields: SentForm,
        person: ActingPerson,
    ) -> Response:
        query = _of(one_of(fields, "back"))
        sent = Sent(tuple(fields.get("case", ())), one_of(fields, "whom")[:200], one_of(fields, "until")[:40])
        try:
            work.forms.check(request, fields, _PURPOSE)
            wish = _wish(fields, sent, work.logins, work.ledger)
            outcome = handle(work.ledger.store, work.ledger.clock, wish, person.name)
        except BadInput as error:
            return work.show(request, query, status_of(error), sent=sent, error=error)
        if outcome.refused:
            return work.show(request, query, HTTPStatus.CONFLICT, sent=sent, outcome=outcome)
        return work.lead_back(query, wish.what, len(outcome.done))

    return router


def _of(address: str) -> WorkQuery:
    """What an address asks for; the plain list where it says more than an address of ours can."""
    try:
        return WorkQuery.of(parse_qs(address[:4000], max_num_fields=50))
    except ValueError:
        return WorkQuery()


def _wish(fields: Fields, sent: Sent, logins: TeamLogins, ledger: Ledger) -> Wish:
    """What the form wants: of one case by the button in its row, or of all that are ticked. Raises BadInput."""
    said, of_one, ref = one_of(fields, "one").partition("/")
    said = said if of_one else one_of(fields, "do")
    if said not in set(Handle):
        raise BadInput("It is not clear what is to be done.", "Use one of the buttons.")
    what, refs = Handle(said), (ref,) if of_one else sent.cases
    if what is Handle.HAND_OVER:
        if not sent.whom:
            raise BadInput("To whom?", "Choose a colleague beside 'Hand over'.")
        return Wish(what, refs, whom=logins.member(sent.whom))
    return Wish(what, refs, until=day_ahead(sent.until, ledger.clock()) if what is Handle.SNOOZE else None)
