"""Ring me and connect: one click rings the telephone of whoever is logged in, and dials a colleague once they pick up.

It is for an operator who sits at a telephone (GoTo Connect); it pages nobody and acknowledges nothing. Which line of
theirs is rung, the policy says.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from caseproof.channels.voice.dialling import Line
from caseproof.domain.errors import BadInput, CaseproofError
from caseproof.domain.on_call.calling import Call
from caseproof.domain.people import same_person
from caseproof.procedure.core.logins import Person
from caseproof.procedure.paging.ports import Channels, PagingParts

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Offer:
    """Whom one may be connected with: ``value`` is what the button sends."""

    value: str
    name: str
    line: str
    extension: str


@dataclass(frozen=True)
class Connecting:
    """Says whom somebody may be connected with, and does it. ``channels`` has the account that connects."""

    parts: PagingParts
    channels: Channels

    def offers(self, person: Person | None, calls: Callable[[], Iterable[Call]]) -> Sequence[Offer]:
        """A button a line of each person to call; none where nobody is logged in, or it is not set up for them.

        ``calls`` is asked only where it is set up: calendars are read for it.
        """
        if person is None or not self._line_of(person.name) or not self._is_set_up():
            return ()
        return [
            Offer(f"{one.person.name}/{number}", one.person.name, line.told(), line.extension)
            for one in calls()
            if not same_person(one.person.name, person.name)
            for number, line in enumerate(one.person.lines)
        ]

    def connect(self, person: Person, value: str, calls: Iterable[Call]) -> Offer:
        """Ring the line of ``person``, and dial whom ``value`` names. Raises BadInput, ChannelError."""
        calls = list(calls)
        wanted = next((one for one in self.offers(person, lambda: calls) if one.value == value), None)
        goto = self.channels.connect()
        if wanted is None or goto is None:
            raise BadInput(
                "This call cannot be made from here.",
                "Dial the number; for the next time see `paging.connect` and `goto_line` in the policy.",
            )
        name, _, number = value.rpartition("/")
        line = next(one.person.lines[int(number)] for one in calls if one.person.name == name)
        goto.connect(self._line_of(person.name), Line(line.number, line.extension, line.pause_seconds))
        return wanted

    def _line_of(self, name: str) -> str:
        """Which line rings for somebody, as GoTo knows it; "" for none."""
        try:
            people = self.parts.policy().on_call.people
        except CaseproofError:
            return ""
        return next((one.goto_line for one in people if same_person(one.name, name)), "")

    def _is_set_up(self) -> bool:
        try:
            return self.channels.kept().connect is not None
        except BadInput as error:
            _log.warning("%s", error)
            return False
