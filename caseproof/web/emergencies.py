"""An emergency in the web app: the form that raises it, and the page on which it is followed and answered.

Raising writes into the store and waits for nobody: neither Prefect nor a channel is asked here, and whoever calls
people reads the store. Each thing that keeps it from being raised is said at once, and what was typed stays there.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from caseproof.config.policy import BUILT_IN, Policy, PolicyError, load_policy
from caseproof.domain.case import Case
from caseproof.domain.emergency.form import Ladder, Whom, since_of, terminals_of
from caseproof.domain.emergency.raising import (
    EmergencyRefused,
    Missing,
    Raising,
    ShortCase,
    Sighting,
    missing_in,
)
from caseproof.domain.emergency.vocabulary import CRITERIA, Criterion, OwnLadder, Via
from caseproof.domain.errors import BadInput, CaseproofError, NotAllowed
from caseproof.domain.on_call.calling import Call, who_to_call
from caseproof.procedure.answers.answering import as_typed
from caseproof.procedure.core.logins import Person
from caseproof.procedure.core.on_call import Window, call_plan
from caseproof.procedure.core.parts import EvidenceFiles
from caseproof.procedure.escalation.opening import short_case_opener
from caseproof.procedure.paging.answering import Answer, acknowledge, call_whole_team, give_back
from caseproof.procedure.paging.ports import PagingParts, case_to_call, raise_by
from caseproof.procedure.paging.raising import end_emergency
from caseproof.procedure.paging.updating import give_update
from caseproof.procedure.views.emergency import emergency_shown, going_on
from caseproof.store import UnknownCase
from caseproof.web.answer_guard import SentForm, as_number, one_of
from caseproof.web.answer_pages import PAGE_HEADERS
from caseproof.web.cases import status_of
from caseproof.web.connecting import Connecting
from caseproof.web.doors import READ
from caseproof.web.login import LoginPages
from caseproof.web.on_call import PURPOSE as CONNECT
from caseproof.web.pages import Pages
from caseproof.web.who import ActingPerson, person_of

_log = logging.getLogger(__name__)

PURPOSE = "emergency"
LONGEST, LONGEST_WORDS = 300, 5_000
"""So many characters of a name and of a text are taken; a form that is longer is no emergency's."""
_SEEN = {one: f"seen_{one}" for one in Criterion}
"""What was seen of each criterion, where not one text is of all."""
_TEXTS = ("was_seen", "tried", "said", *_SEEN.values())
_NAMES = ("site", "since", "terminals", "case", "client", "product", "own_ladder", "whom")
_FIELD = {
    "no_case": "case", "unknown_case": "case", "closed_case": "case", "no_site": "site", "no_criterion": "down",
    "nothing_seen": "was_seen", "no_figures": "terminals", "not_half": "terminals", "since": "since", "case": "case",
}  # fmt: skip
"""Next to which field stands what is missing, by its code."""
_DONE = {
    "take": "You have it. Nobody else is called.",
    "back": "You gave it back. Calling begins again.",
    "everybody": "Everybody on the list is called now.",
    "update": "Those who wait are told by mail and card.",
    "over": "It is over. Nobody is called any more.",
}
_LIVE_HEADERS = PAGE_HEADERS | {
    "Content-Security-Policy": f"{PAGE_HEADERS['Content-Security-Policy']}; script-src 'self'; connect-src 'self'"
}


@dataclass(frozen=True, slots=True)
class Typed:
    """What stands in the form: the criteria that were ticked, and each field as it was typed."""

    down: tuple[str, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, fields: Mapping[str, Sequence[str]]) -> Typed:
        """Of a form that was sent, or of an address that fills one in."""
        texts = {name: as_typed(one_of(fields, name))[:LONGEST] for name in _NAMES}
        texts |= {name: as_typed(one_of(fields, name))[:LONGEST_WORDS] for name in _TEXTS}
        return cls(tuple(one for one in Criterion if one in fields.get("down", ())), texts)

    def __getitem__(self, name: str) -> str:
        return self.texts.get(name, "").strip()


@dataclass(frozen=True)
class EmergencyPages:
    """Shows both pages, and does what their forms say."""

    parts: PagingParts
    connecting: Connecting
    pages: Pages
    forms: LoginPages
    files: EvidenceFiles

    # -- the form -----------------------------------------------------------------------------------------------------

    def form(self, request: Request, typed: Typed, status: int = 200, error: CaseproofError | None = None) -> Response:
        """The form, with what is wrong of what was sent."""
        ledger, missing = self.parts.ledger, error.missing if isinstance(error, EmergencyRefused) else ()
        wrong: dict[str, list[Missing]] = {}
        for one in missing:
            wrong.setdefault(_FIELD.get(one.code, "form"), []).append(one)
        what = {
            "typed": typed, "criteria": CRITERIA, "ladder": [(one.name, str(one)) for one in Ladder],
            "whom": [(one.name, str(one)) for one in Whom], "missing": missing, "wrong_with": wrong,
            "field_of": _FIELD, "zone": self.parts.zone(), "longest": LONGEST, "longest_words": LONGEST_WORDS,
            "going_on": going_on(ledger.store, ledger.clock()),
            "clients": sorted(self._policy().clients, key=str.casefold),
        }  # fmt: skip
        return self.forms.show("emergency_form.html", request, status, None if missing else error, **what)

    def send(self, typed: Typed, by: str) -> str:
        """Raise it; the case's reference. Raises EmergencyRefused with all that is missing, BadInput, StoreError."""
        raising, wrong = self._read(typed)
        if wrong:
            raise EmergencyRefused(wrong)
        written = short_case_opener(self.parts.ledger, self.files, self._policy(), typed["site"])
        return raise_by(self.parts, raising, by, written).ref

    def _policy(self) -> Policy:
        """The policy; what is built in where nobody can read it: that keeps nobody from being called."""
        try:
            return self.parts.policy()
        except PolicyError:
            return load_policy(BUILT_IN)

    def _read(self, typed: Typed) -> tuple[Raising, list[Missing]]:
        """What the form says, and everything that keeps it from being raised."""
        now, since = self.parts.ledger.clock(), None
        wrong: list[Missing] = []
        try:
            since = since_of(typed["since"], now, self.parts.zone())
        except EmergencyRefused as refused:
            wrong += refused.missing
        case = self._case(typed["case"], wrong)
        criteria = [Criterion(one) for one in typed.down]
        seen = typed["was_seen"] or next((typed[_SEEN[one]] for one in criteria if typed[_SEEN[one]]), "")
        raising = Raising(
            site=typed["site"],
            sightings=tuple(Sighting(one, typed[_SEEN[one]] or typed["was_seen"]) for one in criteria),
            since=since,
            tried=typed["tried"],
            # E9: it is asked, and an answer that is missing keeps nobody from being called.
            own_ladder=OwnLadder.__members__.get(typed["own_ladder"], OwnLadder.NOT_SAID),
            case=case,
            new_case=None if case else ShortCase(typed["client"], typed["said"] or seen, typed["product"]),
            terminals=terminals_of(typed["terminals"]) if Criterion.TERMINALS_FAIL in criteria else None,
            all_team=typed["whom"] == Whom.EVERYBODY.name,
        )
        missing = {one.code: one for one in missing_in(raising, now)}  # one text for all that was seen: said once
        return raising, [*missing.values(), *wrong]

    def _case(self, named: str, wrong: list[Missing]) -> str:
        """The case that is named, which is open and there; what is wrong with it is added."""
        if not named:
            return ""
        try:
            case = self.parts.ledger.case(named.upper())
        except UnknownCase:
            how = "Look at the number, or leave it empty and fill in the client and what they say."
            wrong.append(Missing("unknown_case", "E9", f"there is no case {named[:40]}", how))
            return named
        if case.is_closed:
            how = "Leave it empty and fill in the client and what they say: thirty seconds are enough."
            wrong.append(Missing("closed_case", "E9", f"{case.ref} is closed", how))
        return case.ref

    # -- the live page ------------------------------------------------------------------------------------------------

    def live(
        self, ref: str, request: Request, status: int = 200, *, why: str = "", do: str = "",
        error: CaseproofError | None = None,
    ) -> Response:  # fmt: skip
        """The page; ``do`` and ``why`` are what was sent and not taken. Raises UnknownCase, StoreError."""
        ledger = self.parts.ledger
        case, person = ledger.case(ref), person_of(request)
        if case.ref != ref and error is None:
            return RedirectResponse(f"{self.forms.base}/emergency/{case.ref}")
        try:
            shown = emergency_shown(case, ledger.clock())
        except NotAllowed:  # it has none: here one is raised
            return RedirectResponse(f"{self.forms.base}/emergency?case={case.ref}", 303, PAGE_HEADERS)
        told, _ = self.forms.told(request, PURPOSE) if error is None else ("", 0)
        rings = error is None and self.forms.told(request, CONNECT)[0] == "rings"
        what = {
            "shown": shown, "case": case, "done": _DONE.get(told, ""), "why": why, "do": do, "rings": rings,
            "zone": self._zone(person),
            "offers": () if shown.is_over else self.connecting.offers(person, lambda: self._calls(case)),
        }  # fmt: skip
        if person is None:
            what |= {"who": None, "wrong": None, "emergency_key": "", "connect_key": ""}
            return self.pages.show("emergency.html", status, _LIVE_HEADERS, **what)
        response = self.forms.show("emergency.html", request, status, error, **what)
        response.headers.update(_LIVE_HEADERS)
        return self.forms.said(request, CONNECT, self.forms.said(request, PURPOSE, response))

    def _zone(self, person: Person | None) -> ZoneInfo | None:
        """On whose clocks times are told besides: the reader's, if they are on the list; else those of the letters.

        None where that is UTC, or nobody can say it now.
        """
        try:
            zone = self.parts.zone(person.name if person else "")
        except CaseproofError:
            return None
        return None if zone.key in ("UTC", "Etc/UTC") else zone

    def _calls(self, case: Case) -> Sequence[Call]:
        """Whom to call about the case; nobody where that cannot be said now: the page is shown all the same."""
        try:
            now = self.parts.ledger.clock()
            plan = call_plan(self.parts.policy(), self.parts.home, Window.around(now, 1), fetch=False)
            return who_to_call(now, case_to_call(case), plan).calls
        except Exception:
            _log.exception("Whom to call cannot be told.")
            return ()

    def do(self, ref: str, number: int, do: str, why: str, by: str) -> None:
        """Do what a button says of the emergency that the page showed, ``number``.

        Raises NotAllowed where it is another one by now, or who asks may not; BadInput, UnknownCase, StoreError.
        """
        store, clock = self.parts.ledger.store, self.parts.ledger.clock
        match do:
            case "take":
                answer = Answer(number, by, Via.FORM, shift_ends=self.parts.shift_ends(by))
                got = acknowledge(store, clock, self.parts.paging.rules, ref, answer)
                if not got.yours:
                    raise NotAllowed(f"{got.by} has it already.", "You need do nothing.")
            case "back":
                give_back(store, clock, ref, by, why, emergency=number)
            case "everybody":
                call_whole_team(store, clock, ref, by, why or f"{by} asked for it", emergency=number)
            case "update":
                give_update(store, clock, ref, by, why, emergency=number)
            case "over":
                end_emergency(store, clock, ref, by, why, emergency=number)
            case _:
                raise BadInput("It is not clear what is to be done.", "Use one of the buttons.")


def emergency_routes(pages: EmergencyPages) -> APIRouter:
    """The form, the live page, and where their buttons post."""
    router = APIRouter()

    @router.api_route("/emergency", methods=list(READ))
    def blank(request: Request) -> Response:
        params = request.query_params
        asked = {name: params.getlist(name) for name in ("case", "site", "client", "down") if name in params}
        return pages.form(request, Typed.of(asked))

    @router.post("/emergency")
    def send(
        request: Request,
        fields: SentForm,
        person: ActingPerson,
    ) -> Response:
        typed = Typed.of(fields)
        try:
            pages.forms.check(request, fields, PURPOSE)
            ref = pages.send(typed, person.name)
        except (BadInput, NotAllowed) as error:
            return pages.form(request, typed, status_of(error), error)
        return RedirectResponse(f"{pages.forms.base}/emergency/{ref}", 303, PAGE_HEADERS)

    @router.api_route("/emergency/{ref}", methods=list(READ))
    def look(ref: str, request: Request) -> Response:
        return pages.live(ref, request)

    @router.post("/emergency/{ref}/answer")
    def answer(
        ref: str,
        request: Request,
        fields: SentForm,
        person: ActingPerson,
    ) -> Response:
        do, why = one_of(fields, "do")[:20], as_typed(one_of(fields, "why"))[:LONGEST_WORDS]
        try:
            pages.forms.check(request, fields, PURPOSE)
            pages.do(ref, as_number(one_of(fields, "emergency")), do, why, person.name)
        except (BadInput, NotAllowed) as error:
            if isinstance(error, UnknownCase):
                raise
            status = HTTPStatus.CONFLICT if isinstance(error, NotAllowed) else status_of(error)
            return pages.live(ref, request, status, why=why, do=do, error=error)
        return pages.forms.lead_back(f"/emergency/{ref}", PURPOSE, do, 1)

    return router
