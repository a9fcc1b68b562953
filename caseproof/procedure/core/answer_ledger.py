"""The cases as a person's answer changes them: the answer and what becomes of it are written together, once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from caseproof.domain.case import Case
from caseproof.domain.codes import Code
from caseproof.domain.errors import NotAllowed
from caseproof.domain.events import Event
from caseproof.procedure.core.parts import Ledger


class Overtaken(NotAllowed):
    """The question waits no more as it was shown: somebody answered it, it was asked anew, or something came since."""

    code = Code.OVERTAKEN


def overtaken(case: Case, number: int, seen: int) -> Overtaken | None:
    """Why an answer to this question comes too late, from somebody who saw so many events of the case; or None."""
    if (before := case.answered.get(number)) is not None:
        return Overtaken(
            f"{before.actor} has answered this question already, at {before.at:%Y-%m-%d %H:%M} UTC.",
            "What you typed was not taken; look at what became of the case.",
        )
    if case.question is None or case.question["number"] != number:
        return Overtaken(
            "This question waits no more: the case has gone on.",
            "Look at what it asks now; what you typed was not taken.",
        )
    if news := [event for event in case.events[max(seen, 0) :] if event.kind.spec.wakes]:
        return Overtaken(
            f"Something came while you answered, at {news[-1].at:%Y-%m-%d %H:%M} UTC.",
            "Look at it on this page; if your answer is the same, send it once more.",
        )
    return None


@dataclass(frozen=True)
class AnswerLedger(Ledger):
    """What handles the answer says how whoever gave it is known.

    ``given`` is the answer where it is not written down yet: it is, along with the first change, or neither is. So the
    first answer to a question wins, whichever way it came. ``seen``: how many events the case had when it was shown to
    whoever answers.
    """

    known_by: str
    given: Event | None = None
    seen: int = 0

    def change(self, ref: str, decide: Callable[[Case], Sequence[Event]]) -> Case:
        """Append the answer, and what ``decide`` makes of it. Raises Overtaken, too."""

        def answered(now: Case) -> Sequence[Event]:
            self.refuse_overtaken(now)
            return self.along(now, decide(now))

        return self.store.change(ref, answered)

    def along(self, case: Case, events: Sequence[Event]) -> Sequence[Event]:
        """The answer, if it is not written down yet, and these events."""
        self.refuse_overtaken(case)
        marked = [self._marked(event) for event in events]
        return marked if self.given is None else [self.given, *marked]

    def refuse_overtaken(self, case: Case) -> None:
        """Raise Overtaken where the answer that is to be written does not fit what is asked now."""
        if self.given is not None and (no := overtaken(case, self.given.data["number"], self.seen)) is not None:
            raise no

    def _marked(self, event: Event) -> Event:
        if "question" not in event.data:
            return event
        return Event(event.kind, event.at, event.actor, {**event.data, "known_by": self.known_by})
