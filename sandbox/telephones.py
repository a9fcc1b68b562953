"""A made-up Twilio with people, machines and nobody at its telephones.

Run it with ``python -m sandbox.telephones --port 8403 --people FILE.json``. It keeps calls as Twilio does: it answers
201 with a call that is queued, lets the telephone ring, tells the call-backs, signed with the account's token, says
what the call's page says once somebody answers, presses keys, and fetches the page where that sends it. What cannot be
a page ends the call as failed. ``GET /simulator`` tells of each call what was said and pressed.

Who answers at a number is a list, one for each call (the last one stays): ``{"does": "answers", "presses": ["1"]}``;
``does`` is answers, machine, no answer, busy or failed; an empty key is silence; ``rings`` are seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import sys
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlencode, urljoin

import httpx

from caseproof.channels.voice.signature import HEADER, signature
from sandbox.farm_http import Asked, Reply
from sandbox.provider import Simulator, main

ACCOUNT, TOKEN = "AC" + "1" * 32, "a-made-up-token"
CALLER, VERIFIED = "+442079460000", "+442079460001"
"""The account's own number, and one that was verified there."""
VERBS = {"Say", "Pause", "Gather", "Hangup", "Redirect"}
OVER = {"completed", "busy", "failed", "no-answer", "canceled"}
EVENT_OF = {"initiated": "initiated", "ringing": "ringing", "in-progress": "answered"}
MOST_PAGES, MOST_TWIML = 20, 4_000


@dataclass
class Person:
    """Who is at a telephone, for one call."""

    does: Literal["answers", "machine", "no answer", "busy", "failed"] = "answers"
    presses: Sequence[str] = ()
    rings: float = 0.02


@dataclass
class SimulatedCall:
    """A call, and what happened in it."""

    sid: str
    form: dict[str, list[str]]
    made: datetime
    status: str = "queued"
    said: list[str] = field(default_factory=list)
    pressed: list[str] = field(default_factory=list)
    trouble: str = ""
    late: list[tuple[str, list[tuple[str, str]]]] = field(default_factory=list)

    def one(self, name: str) -> str:
        return self.form.get(name, [""])[0]

    def resource(self, account: str) -> dict[str, Any]:
        """As Twilio shows a call."""
        made = format_datetime(self.made)
        return {
            "sid": self.sid, "account_sid": account, "to": self.one("To"), "from": self.one("From"),
            "status": "queued" if self.status == "initiated" else self.status, "direction": "outbound-api",
            "date_created": made, "date_updated": made, "api_version": "2010-04-01",
            "start_time": None if self.status in ("queued", "initiated") else made,
            "end_time": made if self.status in OVER else None, "parent_call_sid": None, "answered_by": None,
            "duration": "1" if self.status == "completed" else None, "price": None, "price_unit": "USD",
            "uri": f"/2010-04-01/Accounts/{account}/Calls/{self.sid}.json",
        }  # fmt: skip


class Telephones(Simulator):
    """An account of Twilio's, and the telephones of the world. ``people``: who is at each number, call by call."""

    def __init__(
        self, people: Mapping[str, Sequence[Person]] | None = None, *, account: str = ACCOUNT, token: str = TOKEN
    ) -> None:
        super().__init__()
        self.status, self.numbers = "active", {"IncomingPhoneNumbers": [CALLER], "OutgoingCallerIds": [VERIFIED]}
        self.people = {number: list(persons) for number, persons in (people or {}).items()}
        self.account, self.token = account, token
        self.calls: list[SimulatedCall] = []
        self._playing: dict[str, asyncio.Task[None]] = {}
        self._sends: httpx.AsyncClient | None = None

    def told(self) -> Any:
        return [
            {"sid": one.sid, "to": one.one("To"), "status": one.status, "said": one.said, "pressed": one.pressed}
            | ({"trouble": one.trouble} if one.trouble else {})
            for one in self.calls
        ]

    async def end(self) -> None:
        if self._sends is not None:
            await self._sends.aclose()

    # -- the API ------------------------------------------------------------------------------------------------------

    def served(self, asked: Asked) -> Reply:
        secret = base64.b64encode(f"{self.account}:{self.token}".encode()).decode()
        if asked.headers.get("authorization") != f"Basic {secret}":
            return _refused(401, 20003, "Authenticate")
        of_account = self._of_account(asked)
        if of_account is not None:
            return of_account
        base = f"/2010-04-01/Accounts/{self.account}/Calls"
        if asked.path == f"{base}.json":
            return self._place(asked) if asked.method == "POST" else self._list(asked)
        call = next((one for one in self.calls if asked.path == f"{base}/{one.sid}.json"), None)
        if call is None:
            return _refused(404, 20404, f"The requested resource {asked.path} was not found")
        if asked.method == "POST" and dict(asked.body).get("Status") in ("completed", "canceled"):
            self._hang_up(call)
        return Reply(call.resource(self.account))

    def _of_account(self, asked: Asked) -> Reply | None:
        """The account, or its numbers; None for anything else."""
        here = f"/2010-04-01/Accounts/{self.account}"
        if asked.path == f"{here}.json":
            return Reply({"sid": self.account, "status": self.status, "type": "Full", "friendly_name": "Cases"})
        what = asked.path.removeprefix(f"{here}/").removesuffix(".json")
        if what not in self.numbers:
            return None
        found = [one for one in self.numbers[what] if one == asked.query.get("PhoneNumber", one)]
        name = "incoming_phone_numbers" if what == "IncomingPhoneNumbers" else "outgoing_caller_ids"
        return Reply({name: [{"phone_number": one} for one in found], "page": 0})

    def pretended(self, asked: Asked) -> Reply:
        """A call that stays queued."""
        call = self._new(_grouped(asked.body))
        return Reply(call.resource(self.account), 201)

    def _place(self, asked: Asked) -> Reply:
        form = _grouped(asked.body)
        missing = [name for name in ("To", "From") if not form.get(name, [""])[0]]
        if missing or not ({"Url", "Twiml"} & set(form)):
            return _refused(400, 21201 if missing else 21205, f"{missing or 'Url'} is not specified")
        if len(form.get("Twiml", [""])[0]) > MOST_TWIML:
            return _refused(400, 21218, "Twiml is too long")
        if not form["To"][0].startswith("+"):
            return _refused(400, 21211, f"Invalid 'To' Phone Number: {form['To'][0]}")
        call = self._new(form)
        task = asyncio.get_running_loop().create_task(self._play(call, self._whoever(call.one("To"))))
        self._playing[call.sid] = task
        task.add_done_callback(lambda _: self._playing.pop(call.sid, None))
        return Reply(call.resource(self.account), 201)

    def _new(self, form: dict[str, list[str]]) -> SimulatedCall:
        self.calls.append(SimulatedCall(f"CA{len(self.calls) + 1:032x}", form, datetime.now(UTC)))
        return self.calls[-1]

    def _list(self, asked: Asked) -> Reply:
        wanted = [("To", asked.query.get("To")), ("From", asked.query.get("From"))]
        found = [one for one in reversed(self.calls) if all(value in (None, one.one(name)) for name, value in wanted)]
        page = found[: int(asked.query.get("PageSize", "50"))]
        return Reply({"calls": [one.resource(self.account) for one in page], "page": 0, "page_size": 50})

    def _hang_up(self, call: SimulatedCall) -> None:
        if call.status in OVER:
            return
        before = call.status
        task = self._playing.get(call.sid)
        if task is not None:
            task.cancel()
        ended = asyncio.get_running_loop().create_task(
            self._end(call, "completed" if before == "in-progress" else "canceled")
        )
        self._playing[f"{call.sid} ends"] = ended  # a task that nobody holds may be collected before it is done
        call.status = "completed" if before == "in-progress" else "canceled"

    def _whoever(self, number: str) -> Person:
        persons = self.people.get(number) or [Person("no answer")]
        return persons.pop(0) if len(persons) > 1 else persons[0]

    # -- a call -------------------------------------------------------------------------------------------------------

    async def _play(self, call: SimulatedCall, person: Person) -> None:
        try:
            await self._tell(call, "initiated")
            await self._tell(call, "ringing")
            await asyncio.sleep(person.rings)
            if person.does not in ("answers", "machine"):
                await self._end(call, person.does.replace(" ", "-"))
                return
            await self._tell(call, "in-progress")
            if call.one("AsyncAmdStatusCallback") and not call.one("SendDigits"):
                by = "machine_start" if person.does == "machine" else "human"
                await self._notify(call, call.one("AsyncAmdStatusCallback"), [("AnsweredBy", by)])
            await self._speak(call, person)
            await self._end(call, "completed")
        except (httpx.HTTPError, httpx.InvalidURL, ET.ParseError, ValueError) as error:
            call.trouble = f"{type(error).__name__}: {error}"
            await self._end(call, "failed")

    async def _speak(self, call: SimulatedCall, person: Person) -> None:
        """Go from page to page as Twilio does, until one ends."""
        keys = list(person.presses) if person.does == "answers" else []
        url, told, page_text = call.one("Url"), list[tuple[str, str]](), call.one("Twiml").encode()
        for _ in range(MOST_PAGES):
            if url:
                answer = await self._post(call, url, told)
                page_text = answer.raise_for_status().content
            page = ET.fromstring(page_text)  # noqa: S314 - a page of our own
            if page.tag != "Response":
                raise ValueError(f"{page.tag} is no page")
            leads = self._perform(call, page, keys)
            if leads is None:
                return
            url, told = urljoin(url, leads[0]), leads[1]
        raise ValueError("the pages have no end")

    def _perform(
        self, call: SimulatedCall, page: ET.Element, keys: list[str]
    ) -> tuple[str, list[tuple[str, str]]] | None:
        """Say and gather what a page asks for: where it leads then, and with which fields."""
        for verb in page:
            if verb.tag not in VERBS:
                raise ValueError(f"{verb.tag} is no verb")
            call.said += [(one.text or "") for one in verb.iter("Say")]
            if verb.tag == "Hangup":
                return None
            if verb.tag == "Redirect":
                return verb.text or "", []
            if verb.tag == "Gather":
                key = keys.pop(0) if keys else ""
                if key:
                    call.pressed.append(key)
                if key or verb.get("actionOnEmptyResult") == "true":
                    return verb.get("action", ""), [("Digits", key), ("FinishedOnKey", "")]
        return None

    # -- call-backs ---------------------------------------------------------------------------------------------------

    async def _tell(self, call: SimulatedCall, status: str) -> None:
        call.status = status
        if EVENT_OF[status] not in call.form.get("StatusCallbackEvent", []) or not call.one("StatusCallback"):
            return
        if status == "ringing" and self.behaves("out of order"):
            call.late.append((call.one("StatusCallback"), [("CallStatus", status)]))
            return
        await self._notify(call, call.one("StatusCallback"), [])

    async def _end(self, call: SimulatedCall, status: str) -> None:
        call.status = status
        if call.one("StatusCallback"):
            await self._notify(call, call.one("StatusCallback"), [])
        for url, fields in call.late:
            await self._notify(call, url, fields)

    async def _notify(self, call: SimulatedCall, url: str, told: list[tuple[str, str]]) -> None:
        """Tell it, once; who does not listen misses it, and the call goes on."""
        if not self.behaves("deaf"):
            with suppress(httpx.HTTPError):
                await self._post(call, url, told)

    async def _post(self, call: SimulatedCall, url: str, told: list[tuple[str, str]]) -> httpx.Response:
        fields = {
            "CallSid": call.sid, "AccountSid": self.account, "To": call.one("To"), "From": call.one("From"),
            "CallStatus": call.status, "Direction": "outbound-api", "ApiVersion": "2010-04-01", **dict(told),
        }  # fmt: skip
        if "AnsweredBy" in fields:  # this one tells nothing else
            fields = {name: fields[name] for name in ("CallSid", "AccountSid", "AnsweredBy")}
        if self._sends is None:
            self._sends = httpx.AsyncClient(timeout=60, trust_env=False)
        headers = {
            HEADER: signature(url, list(fields.items()), self.token),
            "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
        }
        for _ in range(2 if self.behaves("twice") else 1):
            answer = await self._sends.post(url, content=urlencode(fields).encode(), headers=headers)
        return answer


def _grouped(body: Any) -> dict[str, list[str]]:
    form: dict[str, list[str]] = {}
    for name, value in body:
        form.setdefault(name, []).append(value)
    return form


def _refused(status: int, code: int, message: str) -> Reply:
    more = f"https://www.twilio.com/docs/errors/{code}"
    return Reply({"code": code, "message": message, "more_info": more, "status": status}, status)


def people_of(file: Path) -> dict[str, list[Person]]:
    """Who is at which number, from a JSON file."""
    return {number: [Person(**one) for one in persons] for number, persons in json.loads(file.read_text()).items()}


def _made(told: argparse.Namespace) -> Telephones:
    return Telephones(people_of(told.people) if told.people else {})


if __name__ == "__main__":
    by_hand = argparse.ArgumentParser(prog="python -m sandbox.telephones", description="Telephones, and who is there.")
    by_hand.add_argument("--people", type=Path, help="a JSON file: {number: [{does, presses, rings}, ...]}")
    sys.exit(main(_made, by_hand))
