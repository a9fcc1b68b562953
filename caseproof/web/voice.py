"""The doors of the telephone: what the voice says after each key, and what the provider tells of a call.

Only what the provider signed gets in, over the exact public address and every field: all else is 403, changes nothing,
and is counted. What is signed is never turned away for being much: in an emergency of a whole region it is.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from caseproof.channels.voice.pages import (
    KEYS,
    MOST_TURNS,
    Choice,
    VoiceAlert,
    asking,
    is_over,
    not_written,
    nothing_heard,
    said_back,
    taken_by,
    trial_over,
)
from caseproof.channels.voice.progress import CallBack, read_call_back
from caseproof.channels.voice.signature import HEADER, LARGEST, Form, form_of, signed_by
from caseproof.domain.emergency.vocabulary import Press
from caseproof.domain.errors import BadInput, CaseproofError, NotAllowed
from caseproof.domain.people import same_person
from caseproof.procedure.paging.answering import Digit, press
from caseproof.procedure.paging.calls import CallKey, KnownCall, call_of, note, read_call_key
from caseproof.procedure.paging.ports import Channels, PagingParts
from caseproof.procedure.paging.trial_answers import hear_test, is_test
from caseproof.web.answer_guard import RateLimit, TooMuch, TooOften, as_number

_log = logging.getLogger(__name__)

_PAGE = "text/xml; charset=utf-8"
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


async def read_body(request: Request) -> bytes:
    """What was sent, no more than a call-back can hold. Raises TooMuch.

    A body is read by the event loop, so this alone is no plain ``def``.
    """
    body = b""
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > LARGEST:
                raise TooMuch("More was sent than a call-back can hold.", "Nothing was done with it.")
    except ClientDisconnect:  # half a call-back is none
        return b""
    return body


@dataclass(frozen=True)
class VoiceDoors:
    """What a call-back does, and what is said then. ``channels`` has the tokens of the voice accounts."""

    parts: PagingParts
    channels: Channels

    def read(self, request: Request, body: bytes) -> Form | None:
        """The fields of a call-back that a provider of ours signed; None for any other. Raises BadInput."""
        try:
            form = form_of(body)
        except BadInput:
            return None
        query = request.url.query
        address = f"{self.parts.links.public}{request.scope['path']}{f'?{query}' if query else ''}"
        return form if signed_by(address, form, request.headers.get(HEADER, ""), self.channels.tokens()) else None

    def heard(self, key: CallKey, told: CallBack, address: str, turn: int) -> str:
        """What the voice says now. What was pressed is written down before it is said back."""
        if is_test(key.ref):
            return self._tested(key, told, address, turn)
        try:
            return self._says(self._pressed(key, told), told, address, turn, key)
        except NotAllowed:  # the emergency that this call was about is over, and perhaps another one goes on
            return is_over(_of(key))
        except CaseproofError:
            _log.exception("What was pressed in a call of %s could not be written down.", key.ref)
            return not_written(_of(key))

    def tell(self, key: CallKey, told: CallBack) -> None:
        """Write down how far a call is. Raises StoreError."""
        if is_test(key.ref):
            return  # whoever made a test call follows it
        note(self.parts.ledger.store, self.parts.ledger.clock, key, told)

    def _tested(self, key: CallKey, told: CallBack, address: str, turn: int) -> str:
        """The same in a call of the test page, which is about no case."""
        store, now = self.parts.ledger.store, self.parts.ledger.clock()
        try:
            return hear_test(store, key, told.digits or "", turn, f"{address}?turn={turn + 1}", now)
        except CaseproofError:
            _log.exception("What was pressed in a test call could not be written down.")
            return trial_over(reached=False)

    def _pressed(self, key: CallKey, told: CallBack) -> KnownCall | None:
        """The call, after what was pressed in it was written down; of the keys that mean something the first counts."""
        store, clock = self.parts.ledger.store, self.parts.ledger.clock
        call = call_of(store, clock, key)
        if call is None or call.chosen is not None or not told.digits:
            return call
        ends = self.parts.shift_ends(call.person) if told.digits == Press.HAVE_IT else None
        digit = Digit(key.emergency, key.attempt, told.digits, ends)
        press(store, clock, self.parts.paging.rules, key.ref, digit)
        return call_of(store, clock, key)

    @staticmethod
    def _says(call: KnownCall | None, told: CallBack, address: str, turn: int, key: CallKey) -> str:
        if call is None or call.over:
            return is_over(call.alert if call else _of(key))
        theirs = same_person(call.holder, call.person)
        if call.holder and not theirs:  # whatever is pressed now
            return taken_by(call.alert, call.holder)
        if theirs:
            return said_back(call.alert, Choice.MINE)
        if call.chosen is Press.HAVE_IT:
            return not_written(call.alert)  # it was theirs, and calling has begun again since
        if call.chosen is not None:
            return said_back(call.alert, KEYS[call.chosen])
        if turn > MOST_TURNS:
            return nothing_heard(call.alert)
        return asking(call.alert, f"{address}?turn={turn + 1}", pressed=told.digits or "")


def _of(key: CallKey) -> VoiceAlert:
    """As much as is known of a call without the store."""
    return VoiceAlert(key.ref, "", "")


def voice_routes(doors: VoiceDoors) -> APIRouter:
    """The one route: a call's key in its address, and what is told."""
    router, pace = APIRouter(), RateLimit()

    @router.post("/voice/{key}/{what}")
    def told(key: str, what: str, request: Request, body: Annotated[bytes, Depends(read_body)]) -> Response:
        try:
            form = doors.read(request, body)
        except BadInput as error:
            _log.error("No call-back can be believed: %s", error)
            return Response(None, 503, _HEADERS)
        if form is None:
            return _forged(request, pace)
        try:
            call, said = read_call_key(doors.parts.keys(), key), read_call_back(form)
        except BadInput:  # a key that was not made here, or no call is named
            raise HTTPException(404) from None
        except CaseproofError:
            _log.exception("A call-back cannot be told whose it is.")
            return Response(not_written(VoiceAlert("", "", "")), 200, _HEADERS, _PAGE)
        match what:
            case "answer":
                turn = max(as_number(request.query_params.get("turn", "1")), 1)
                address = f"{doors.parts.links.public}/voice/{key}/answer"
                return Response(doors.heard(call, said, address, turn), 200, _HEADERS, _PAGE)
            case "status" | "machine":
                doors.tell(call, said)
                return Response(None, 204, _HEADERS)
        raise HTTPException(404)

    return router


def _forged(request: Request, pace: RateLimit) -> Response:
    """Whoever sent this is told nothing, and soon not even that."""
    _log.warning("A call-back was not signed by a voice account of ours: %s", request.scope["path"][:80])
    try:
        pace.look(request)
    except TooOften as error:
        return Response(None, 429, _HEADERS | {"Retry-After": str(error.seconds)})
    return Response(None, 403, _HEADERS)
