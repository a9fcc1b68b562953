"""One try each: a mail, a card, a call, its read-back, its end. Each is a job for a thread of its own.

A try was written down before its job is started, and whatever becomes of it is written down by the job. A job ends by
itself, or hangs and is given up by the engine once the try's time is up; what it brings later is still heard.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from caseproof.channels.kept_channels import NotSetUp
from caseproof.config.clock import Clock
from caseproof.domain.case import Case
from caseproof.domain.emergency import payloads as says
from caseproof.domain.emergency.due import PagingRules
from caseproof.domain.emergency.kinds import kind_with
from caseproof.domain.emergency.paging import paging_of
from caseproof.domain.emergency.vocabulary import Outcome
from caseproof.domain.errors import CaseproofError, NotAllowed
from caseproof.domain.events import Event
from caseproof.procedure.core.parts import US, event_of
from caseproof.procedure.paging.answering import Digit, press
from caseproof.procedure.paging.lines import Message, Ring, Rung, Send, Voice
from caseproof.store import CaseStore, StoreError

_log = logging.getLogger(__name__)

Decide = Callable[[Case], Sequence[Event]]

PERSISTENCE = 60
"""How often it is tried to write down what came of a try, a second apart, while the store does not answer."""


@dataclass(frozen=True, slots=True)
class Try:
    """Which try of which emergency."""

    ref: str
    emergency: int
    attempt: int


@dataclass(frozen=True)
class Tries:
    """What the jobs need. ``heard`` is called after each thing that was written down; ``wait`` as the engine's.

    ``write`` takes what came of a try, where somebody else writes it down soon, with what came of others.
    """

    store: CaseStore
    clock: Clock
    rules: PagingRules
    wait: Callable[[threading.Event, float], bool]
    heard: Callable[[], object]
    write: Callable[[Decide], bool] = lambda _: False

    def send(self, one: Try, send: Send, message: Message) -> None:
        """Send a mail or a card."""
        try:
            detail = send(message)
        except Exception as error:
            self._ended(one, _failed(error))
        else:
            self._ended(one, Rung(Outcome.DELIVERED, detail))

    def call(self, one: Try, voice: Voice, ring: Ring) -> None:
        """Call somebody. Where the answer was lost, it is read back whether the call was made."""
        try:
            rung = voice.ring(ring)
        except Exception as error:
            nothing_was_done = isinstance(error, NotSetUp)
            self._ended(one, (None if nothing_was_done else self._read_back(voice, ring)) or _failed(error))
        else:
            self._called(one, ring, rung)

    def look_up(self, one: Try, voice: Voice, ring: Ring) -> None:
        """Read back what came of a call of which nobody knows."""
        if (rung := self._read_back(voice, ring)) is not None:
            self._called(one, ring, rung)

    def hang_up(self, one: Try, voice: Voice, ring: Ring) -> None:
        """End a call, because nobody need be called any more."""
        try:
            voice.hang_up(ring)
        except Exception as error:  # it rings out by itself
            _log.warning("%s: the call to %s cannot be ended: %s", ring.ref, ring.person.name, _why(error))
        else:
            self._ended(one, Rung(Outcome.HUNG_UP, "nobody need be called any more"))

    def _called(self, one: Try, ring: Ring, rung: Rung) -> None:
        if rung.digit:
            self._persist(lambda: self._press(one, ring, rung.digit))
        self._ended(one, rung)

    def _press(self, one: Try, ring: Ring, pressed: str) -> None:
        digit = Digit(one.emergency, one.attempt, pressed, ring.person.shift_ends)
        try:
            press(self.store, self.clock, self.rules, one.ref, digit)
        except NotAllowed as refused:  # it is over, or another emergency goes on
            _log.warning("%s: %s", one.ref, refused)

    def _read_back(self, voice: Voice, ring: Ring) -> Rung | None:
        try:
            return voice.look_up(ring)
        except Exception as error:
            _log.warning("%s: the call to %s cannot be read back: %s", ring.ref, ring.person.name, _why(error))
            return None

    def _ended(self, one: Try, rung: Rung) -> None:
        def decide(case: Case) -> Sequence[Event]:
            paging = paging_of(case)
            known = paging.attempt(one.attempt) if paging and paging.number == one.emergency else None
            if known is None or known.outcome not in (None, Outcome.UNKNOWN):
                return []
            said = says.PageEnded(
                emergency=one.emergency, attempt=one.attempt, outcome=str(rung.outcome), detail=rung.detail[:500]
            )
            if rung.provider:
                said["provider"] = rung.provider
            return [event_of(kind_with(case.procedure, says.PageEnded), self.clock(), US, said)]

        if not self.write(decide):
            self.keep(one.ref, decide)

    def keep(self, ref: str, came: Decide) -> None:
        """Write down what came of a try."""
        self._persist(lambda: self.store.change(ref, came))

    def _persist(self, write: Callable[[], object]) -> None:
        """Write it down, as long as it takes: a digit that somebody pressed is not lost to a store that is away."""
        for _ in range(PERSISTENCE):
            try:
                write()
            except StoreError as error:
                _log.warning("What came of a try is not written down yet: %s", error)
                self.wait(threading.Event(), 1.0)
            else:
                break
        self.heard()


def _failed(error: Exception) -> Rung:
    return Rung(Outcome.NOT_SET_UP if isinstance(error, NotSetUp) else Outcome.FAILED, _why(error))


def _why(error: Exception) -> str:
    """What an error says to people; of others than ours only what it is, for they may hold a secret."""
    return str(error) if isinstance(error, CaseproofError) else type(error).__name__
