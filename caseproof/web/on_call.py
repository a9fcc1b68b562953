"""Who is on call, now and next: a page, and a calendar that a program subscribes to by its owner's own address."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse

from caseproof.channels.provider import ChannelError
from caseproof.config.policy import Policy
from caseproof.config.settings import Settings
from caseproof.domain.errors import BadInput, CaseproofError
from caseproof.domain.people import same_person
from caseproof.evidence.answer_keys import AnswerKeys
from caseproof.evidence.calendar_links import CalendarLinkVoid, calendar_token, read_calendar_token
from caseproof.evidence.signing import BadLink
from caseproof.procedure.core.logins import Person, TeamLogins
from caseproof.procedure.core.parts import Ledger
from caseproof.procedure.views.on_call import DAYS, ShownOnCall, calendar_of, on_call_shown
from caseproof.web.answer_guard import RateLimit, SentForm, TooOften, one_of
from caseproof.web.connecting import Connecting
from caseproof.web.doors import READ, is_next
from caseproof.web.login import ForeignForm, LoginPages
from caseproof.web.pages import Pages
from caseproof.web.who import ActingPerson, person_of

_STATUS: tuple[tuple[type[CaseproofError], int], ...] = (
    (CalendarLinkVoid, 410), (BadLink, 404), (TooOften, 429),
)  # fmt: skip
_REFUSED: tuple[tuple[type[CaseproofError], int], ...] = ((ForeignForm, 403), (TooOften, 429), (ChannelError, 502))
PURPOSE = "connect"
_FEED_HEADERS = {
    # Asked again each time, and answered in no words where nothing changed: a void address ends at once.
    "Cache-Control": "private, no-cache",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow, noarchive, nosnippet",
}


@dataclass(frozen=True)
class OnCallPages:
    """Shows who is on call; ``policy`` gives what is in force."""

    ledger: Ledger
    policy: Callable[[], Policy]
    settings: Settings
    keys: AnswerKeys
    logins: TeamLogins
    connecting: Connecting
    pages: Pages
    forms: LoginPages

    def page(self, request: Request, status: int = 200, error: CaseproofError | None = None) -> Response:
        """The page; ``error`` is why nobody was connected."""
        person, shown = person_of(request), self.shown(request)
        name, _ = self.forms.told(request, PURPOSE) if error is None else ("", 0)
        what = {
            "shown": shown, "choices": DAYS, "address": self.address(person), "done": name == "rings",
            "offers": self.connecting.offers(person, lambda: shown.answer.calls),
        }  # fmt: skip
        if person is None:
            return self.pages.show("oncall.html", status, who=None, wrong=None, connect_key="", **what)
        return self.forms.said(request, PURPOSE, self.forms.show("oncall.html", request, status, error, **what))

    def connect(self, person: Person, value: str) -> None:
        """Ring somebody's own line, and dial whom ``value`` names. Raises BadInput, ChannelError."""
        shown = on_call_shown(self.policy(), self.settings.home_folder, self.ledger.clock(), DAYS[0])
        self.connecting.connect(person, value, shown.answer.calls)

    def shown(self, request: Request) -> ShownOnCall:
        """What the address asks for; another number of days than we offer is ours."""
        asked = request.query_params
        days = next((one for one in DAYS if str(one) == asked.get("days")), DAYS[0])
        policy = self.policy()
        client = next((one for one in policy.clients if one == asked.get("client")), "")
        return on_call_shown(policy, self.settings.home_folder, self.ledger.clock(), days, client)

    def address(self, person: Person | None) -> str:
        """The address of somebody's own calendar; "" where nobody is logged in, or no key is at hand to sign it."""
        if person is None:
            return ""
        try:
            token = calendar_token(self.keys.in_force(), person.name)
        except CaseproofError:  # the doctor says what is wrong with the key; who is on call is shown all the same
            return ""
        return f"{self.settings.public}/oncall/{token}.ics"

    def feed(self, token: str) -> bytes:
        """The calendar of whoever this address is of. Raises BadLink, CalendarLinkVoid, StoreError, KeyLost."""
        person = read_calendar_token(self.keys.in_force(), token, self.keys.void())
        if not any(same_person(person, one) for one in self.logins.team()):
            raise CalendarLinkVoid
        return calendar_of(self.policy(), self.settings.home_folder, self.ledger.clock())


def on_call_routes(shown: OnCallPages) -> APIRouter:
    """The page, and the calendar."""
    router, pace = APIRouter(), RateLimit()

    @router.api_route("/oncall", methods=list(READ))
    def look(request: Request) -> Response:
        return shown.page(request)

    @router.post("/oncall/connect")
    def connect(
        request: Request,
        fields: SentForm,
        person: ActingPerson,
    ) -> Response:
        back = one_of(fields, "back")
        try:
            shown.forms.check(request, fields, PURPOSE)
            pace.send(request)
            shown.connect(person, one_of(fields, "whom"))
        except (BadInput, ChannelError, TooOften) as error:
            status = next((code for kind, code in _REFUSED if isinstance(error, kind)), 422)
            return shown.page(request, status, error)
        return shown.forms.lead_back(back if is_next(back) else "/oncall", PURPOSE, "rings", 1)

    @router.api_route("/oncall/{token}.ics", methods=list(READ))
    def calendar(token: str, request: Request) -> Response:
        try:
            pace.look(request)
            content = shown.feed(token)
        except CaseproofError as error:  # in a few words: a program reads them, or nobody
            status = next((code for kind, code in _STATUS if isinstance(error, kind)), 503)
            told = f"{error.problem} {error.next_action}\n" if status != 503 else "The calendar cannot be read now.\n"
            again = {"Retry-After": str(error.seconds)} if isinstance(error, TooOften) else {}
            return PlainTextResponse(told, status, _FEED_HEADERS | again)
        tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
        headers = _FEED_HEADERS | {"ETag": tag}
        if tag in request.headers.get("If-None-Match", ""):
            return Response(None, 304, headers)
        named = {"Content-Disposition": 'inline; filename="on-call.ics"'}
        return Response(content, media_type="text/calendar; charset=utf-8", headers=headers | named)

    return router
