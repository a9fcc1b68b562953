"""An emergency with the real channels and simulated providers: telephones, Teams, a mail server, and our own doors."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs

from caseproof.channels.kept_channels import KeptChannels, keep_channels
from caseproof.channels.outbound.mail import MailAccount
from caseproof.channels.teams.webhook import TeamsHook
from caseproof.channels.voice.pages import asking, hang_up, said_back
from caseproof.channels.voice.progress import Choice, read_call_back
from caseproof.channels.voice.signature import form_of
from caseproof.channels.voice.twilio import TwilioAccount
from caseproof.config.clock import utc_now
from caseproof.config.on_call import OnCallPolicy, RosterPerson
from caseproof.config.paging import PagingPolicy
from caseproof.config.policy import Policy
from caseproof.domain.case import Case
from caseproof.domain.emergency.due import PagingRules
from caseproof.domain.emergency.paging import Paging
from caseproof.domain.emergency.vocabulary import Channel, Press
from caseproof.procedure.core.parts import Ledger, Links
from caseproof.procedure.paging.answering import Digit, press
from caseproof.procedure.paging.by_link import Keys
from caseproof.procedure.paging.calls import CallKey, note, read_call_key
from caseproof.procedure.paging.engine import Pager
from caseproof.procedure.paging.ports import Channels, PagingParts, lines_of, pager_of
from caseproof.procedure.paging.raising import raise_emergency, standing
from caseproof.procedure.paging.trial_answers import hear_test, is_test
from caseproof.store import Store
from sandbox.mailbox import Mailbox
from sandbox.provider import Bad, running
from sandbox.teams import PATH, QUERY, Teams
from sandbox.telephones import ACCOUNT, TOKEN, Person, Telephones
from tests.support.paged import FIRST, SECOND, THIRD, Emergency, raising
from tests.support.voice_door import VoiceDoor

OTHER = f"AC{'2' * 32}"
NUMBERS = {FIRST: "+442079460001", SECOND: "+442079460002", THIRD: "+442079460003"}
MAIN = "+442079460000"
CHOICES = {Press.HAVE_IT: Choice.MINE, Press.CANNOT: Choice.NEXT, Press.ESCALATE: Choice.ESCALATE}
KEYS = Keys(b"k" * 32)
PEOPLE = tuple(
    RosterPerson(name=name, mobile=number, mail=f"{place}@example.com", teams=f"{place}@teams.example.com")
    for place, (name, number) in enumerate(NUMBERS.items())
)
QUICK = PagingRules(
    ring=timedelta(seconds=30), talk=timedelta(seconds=60), between_rounds=timedelta(seconds=0.2),
    message=timedelta(seconds=60), retry=timedelta(seconds=0.3), silence=timedelta(hours=1),
)  # fmt: skip
"""What fails is tried again soon; what comes to its end in a moment may take its time on a slow machine."""
_LOOK_SECONDS = 0.2
"""How often a provider is asked how far a call is, however long it may ring."""


@dataclass
class PagingWorld:
    """``people`` is who is at whose telephone, call by call; ``silent_seconds`` how long the first account may hang."""

    folder: Path
    people: Mapping[str, Sequence[Person]] = field(default_factory=dict)
    silent_seconds: float = 30.0
    roster: Sequence[RosterPerson] = PEOPLE
    rules: PagingRules = QUICK

    def __enter__(self) -> Self:
        self._stack = ExitStack()
        scripts = {NUMBERS.get(who, who): list(calls) for who, calls in self.people.items()}
        self.store = Store(f"sqlite:///{self.folder / 'store.sqlite'}")
        self._stack.callback(self.store.close)
        self.store.migrate()
        self.phones, first = self._stack.enter_context(running(Telephones(scripts)))
        self.others, second = self._stack.enter_context(running(Telephones(scripts, account=OTHER)))
        self.teams, teams = self._stack.enter_context(running(Teams()))
        self.mailbox = self._stack.enter_context(Mailbox())
        self.doors = self._stack.enter_context(_Doors(self))
        self.policy = Policy(
            team=("operator", "team lead"),
            on_call=OnCallPolicy(people=tuple(self.roster), main_number=MAIN),
            paging=PagingPolicy(voice="first", second_voice="second", product_team=("pt@example.com",)),
        )
        self.parts = PagingParts(
            Ledger(self.store, utc_now), lambda: self.policy, lambda: KEYS, self.folder, Links(self.doors.url)
        )
        self.keep(
            MailAccount(
                self.mailbox.host, self.mailbox.port, "plain", username=None, password="", timeout_seconds=30
            ),
            TeamsHook("alarm", f"{teams}{PATH}?{QUERY}", read_seconds=30),
            (
                TwilioAccount("first", ACCOUNT, TOKEN, MAIN, first, self.silent_seconds),
                TwilioAccount("second", OTHER, TOKEN, MAIN, second, 30),
            ),
        )  # fmt: skip
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def keep(self, *channels: Any) -> None:
        keep_channels(self.folder, KeptChannels(*channels))

    def pager(self, **other: Any) -> Pager:
        channels = Channels(self.folder, utc_now)
        waits = channels.lanes[Channel.CALL].wait
        lines = lines_of(self.parts, channels, lambda event, seconds: waits(event, min(seconds, _LOOK_SECONDS)))
        made = replace(pager_of(self.parts, channels, "a test"), lines=lines)
        lanes = {"lanes": {}} if "start" in other else {}
        return replace(made, rules=self.rules, **lanes, **other)

    def raised(self, **more: Any) -> str:
        said = raising(since=None, **more)
        return raise_emergency(self.store, utc_now, said, "operator", open_case=self._open_case).ref

    def _open_case(self, *given: Any) -> str:
        return Emergency.open_case(self, *given)  # type: ignore[arg-type]

    @property
    def clock(self) -> Callable[[], Any]:
        return utc_now

    def case(self, ref: str) -> Case:
        return self.store.case(ref)

    def paging(self, ref: str) -> Paging:
        return standing(self.case(ref))

    def called(self) -> list[str]:
        """Whom the telephones rang, by whichever account, in order."""
        who = {number: name for name, number in NUMBERS.items()}
        calls = sorted([*self.phones.calls, *self.others.calls], key=lambda one: one.made)
        return [who.get(one.one("To"), one.one("To")) for one in calls]

    def wait_until(self, what: Callable[[], object], seconds: float = 60.0) -> None:
        """Raises AssertionError where it does not come true in time."""
        ends = time.monotonic() + seconds
        while not what():
            assert time.monotonic() < ends, "it did not come true"
            threading.Event().wait(0.02)

    def goes_wrong(self, *bad: Bad) -> None:
        """How the first voice account goes wrong."""
        self.phones.bad = list(bad)


class _Doors(VoiceDoor):
    """Our doors for call-backs, as far as an emergency needs them: what they refuse is tested with the web app."""

    def __init__(self, world: PagingWorld) -> None:
        self.world = world

    def heard(self, path: str, body: bytes, given: str) -> tuple[int, bytes]:
        del given  # whose it is, only the doors of the product ask
        return 200, self._page(path, body)

    def _page(self, path: str, body: bytes) -> bytes:
        _, _, text, door = path.split("/", 3)
        key, told = read_call_key(KEYS, text), read_call_back(form_of(body))
        if is_test(key.ref):
            return self._tested(key, told.digits or "", door, f"{self.url}/voice/{text}/answer")
        call = note(self.world.store, utc_now, key, told)
        if call is None or not door.startswith("answer"):
            return b""
        means = None
        if told.digits:
            digit = Digit(key.emergency, key.attempt, told.digits)
            means = press(self.world.store, utc_now, self.world.rules, key.ref, digit)
        if means is not None:
            return said_back(call.alert, CHOICES[means]).encode()
        turn = int(parse_qs(door.partition("?")[2])["turn"][0])
        if turn > 2:
            return hang_up().encode()
        return asking(call.alert, f"{self.url}/voice/{text}/answer?turn={turn + 1}", pressed=told.digits or "").encode()

    def _tested(self, key: CallKey, digits: str, door: str, address: str) -> bytes:
        if not door.startswith("answer"):
            return b""
        turn = int(parse_qs(door.partition("?")[2])["turn"][0])
        return hear_test(self.world.store, key, digits, turn, f"{address}?turn={turn + 1}", utc_now()).encode()
