"""The telephone as the engine needs it: a call is placed, followed to its end, found again, ended.

What people press comes by the call's own addresses (``calls``), not by this: whoever presses a digit is heard also when
the process that called them is gone.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

from caseproof.channels.provider import ChannelError
from caseproof.channels.voice.accounts import VoiceAccounts
from caseproof.channels.voice.dialling import Line
from caseproof.channels.voice.pages import asking
from caseproof.channels.voice.progress import CallState
from caseproof.channels.voice.twilio import Call, Placed
from caseproof.config.clock import Clock
from caseproof.domain.emergency.vocabulary import Outcome
from caseproof.domain.errors import BadInput
from caseproof.procedure.paging.calls import OUTCOMES
from caseproof.procedure.paging.lines import Ring, Rung

LOOKS = 5
"""How often the provider is asked how far a call is while it may ring. Its call-backs tell sooner, where they reach us;
and hundreds of calls at once are not to be asked after all the time."""
STUCK_SECONDS = 8.0
"""A call that is taken and dialled by nobody for so long is placed by the other account."""


class Telephone:
    """A ``lines.Voice``. ``accounts`` gives what calls now, and raises BadInput where there is none.

    ``address`` is what the addresses of a call begin with; ``wait`` waits for an event, so many seconds at most.
    ``says`` makes the page that goes with a call, of what it is about and where a pressed key is told.
    ``under_way`` are the calls that this process has placed, by their keys: one for all of its telephones, so that none
    takes the call of another emergency to the same number for its own.
    """

    def __init__(
        self,
        accounts: Callable[[], VoiceAccounts],
        address: Callable[[Ring], str],
        clock: Clock,
        wait: Callable[[threading.Event, float], bool] = threading.Event.wait,
        says: Callable[[Ring, str], str] = lambda call, action: asking(call.alert, action),
        under_way: dict[str, Placed] | None = None,
    ) -> None:
        self._says = says
        self._accounts, self._address, self._clock, self._wait = accounts, address, clock, wait
        self._placed = {} if under_way is None else under_way
        self._given_up: set[str] = set()

    def ring(self, call: Ring) -> Rung:
        """Call, and wait until it is over, or its time is up. Raises BadInput, ChannelError."""
        accounts, wanted = self._accounts(), self._call(call)
        self._placed[call.key] = placed = accounts.place(wanted, self._clock(), self._known(call))
        try:
            return self._followed(accounts, call, placed, wanted)
        finally:
            self._placed.pop(call.key, None)

    def look_up(self, call: Ring) -> Rung | None:
        """Follow a call whose answer was lost, or whose caller died; None for one that is not there."""
        accounts = self._accounts()
        found = self._find(accounts, call)
        return self._followed(accounts, call, found, None) if found is not None else None

    def hang_up(self, call: Ring) -> None:
        """End it; one whose placing is not answered yet ends as soon as it is. One that another process placed is ended
        where no other call to that number can be meant: who placed it ends it, too, or it rings out."""
        self._given_up.add(call.key)
        accounts = self._accounts()
        if (placed := self._placed.get(call.key) or self._only(accounts, call)) is not None:
            self._end(accounts, call, placed)

    def _call(self, call: Ring) -> Call:
        line = call.person.line(call.round)
        if line is None:
            raise BadInput(f"{call.person.name} has no number.", "Give them one in on_call.people of the policy.")
        address = self._address(call)
        return Call(
            Line(line.number, line.extension, line.pause_seconds),
            self._says(call, f"{address}/answer?turn=2"),
            f"{address}/status",
            f"{address}/machine",
            round(call.ring_seconds),
        )

    def _find(self, accounts: VoiceAccounts, call: Ring) -> Placed | None:
        if (placed := self._placed.get(call.key)) is not None:
            return placed
        line = call.person.line(call.round)
        return accounts.find(Line(line.number), call.begun, self._known(call)) if line is not None else None

    def _only(self, accounts: VoiceAccounts, call: Ring) -> Placed | None:
        line = call.person.line(call.round)
        return accounts.only(Line(line.number), call.begun, self._known(call)) if line is not None else None

    def _known(self, call: Ring) -> list[str]:
        """The calls that are not this one: earlier ones of its emergency, and others that this process placed."""
        return [*call.known, *(one.call for key, one in self._placed.copy().items() if key != call.key)]

    def _end(self, accounts: VoiceAccounts, call: Ring, placed: Placed) -> None:
        """End it, unless it may be the call of another emergency. Raises ChannelError."""
        if not placed.found or self._only(accounts, call) == placed:
            accounts.hang_up(placed)

    def _followed(self, accounts: VoiceAccounts, call: Ring, placed: Placed, again: Call | None) -> Rung:
        """See it to its end; ``again`` is placed by another account where the first took it and does not dial."""
        nobody = threading.Event()
        stuck_at = self._clock() + timedelta(seconds=min(STUCK_SECONDS, call.ring_seconds / 2))
        while True:
            if call.key in self._given_up:
                with suppress(ChannelError):
                    self._end(accounts, call, placed)
                return Rung(Outcome.HUNG_UP, "nobody need be called any more", placed.call)
            self._wait(nobody, call.ring_seconds / LOOKS)
            state = _state(accounts, placed)
            if state is not None and state.is_over:
                return Rung(OUTCOMES.get(state, Outcome.NO_ANSWER), f"the provider says {state}", placed.call)
            if self._clock() >= _ends(call):
                break
            if again is not None and state is CallState.QUEUED and self._clock() >= stuck_at:
                placed, again = self._by_another(accounts, call, placed, again), None
        if state is CallState.ANSWERED:
            return Rung(Outcome.ANSWERED, "somebody is on the line, and has pressed nothing yet", placed.call)
        with suppress(ChannelError):  # it rings out by itself
            self._end(accounts, call, placed)
        return Rung(Outcome.NO_ANSWER, f"its time is up: {state or 'nobody knows how far it is'}", placed.call)

    def _by_another(self, accounts: VoiceAccounts, call: Ring, stuck: Placed, again: Call) -> Placed:
        """The call that rings: by the other account, or the one that is stuck where no other takes it."""
        try:
            placed = accounts.place(again, self._clock(), [*self._known(call), stuck.call], not_by=[stuck.account])
        except ChannelError:
            return stuck
        with suppress(ChannelError):
            accounts.hang_up(stuck)
        self._placed[call.key] = placed
        return placed


def _ends(call: Ring) -> datetime:
    return call.begun + timedelta(seconds=call.whole_seconds)


def _state(accounts: VoiceAccounts, placed: Placed) -> CallState | None:
    """How far it is; None where nobody can say now."""
    try:
        return accounts.state(placed)
    except ChannelError:
        return None
