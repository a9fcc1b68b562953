"""Incidents: many cases with one cause on one marketplace, decided about together."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, insert, or_, select, update

from caseproof.domain.errors import NotAllowed
from caseproof.store.case_rows import refuse_nul
from caseproof.store.errors import ConcurrentChange, UnknownIncident, readable
from caseproof.store.rows import insert_once, next_number
from caseproof.store.tables import incident_questions, incidents

_REF = re.compile(r"IN-[0-9]{6,18}")


@dataclass(frozen=True, slots=True)
class IncidentRow:
    """An incident; times are aware, in UTC.

    ``decision`` is "" before anybody decided; ``until`` is the date of a pause. ``asked`` is the number of the latest
    question about it, 0 before the first; ``generation`` is 0 before its first flow run.
    """

    ref: str
    platform: str
    marketplace: str
    cause: str
    opened_at: datetime
    closed_at: datetime | None
    decision: str
    until: date | None
    reason: str
    decided_by: str
    decided_at: datetime | None
    asked: int
    flow_run: str | None
    generation: int
    due_at: datetime | None

    @property
    def is_closed(self) -> bool:
        return self.closed_at is not None


@dataclass(frozen=True, slots=True)
class QuestionRow:
    """A question about an incident: the flow run that asked it, when, and how often the team was told of it since."""

    number: int
    flow_run: str
    asked_at: datetime
    nudges: int


_ALL = select(*(incidents.c[name] for name in IncidentRow.__dataclass_fields__)).order_by(incidents.c.id)
_OPEN = _ALL.where(incidents.c.closed_at.is_(None))


class Incidents:
    """Every query about incidents. Nothing here commits."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    # -- reading -------------------------------------------------------------------------------------------

    def get(self, ref: str) -> IncidentRow:
        """The incident with this reference, in capitals or not. Raises UnknownIncident."""
        for found in self._rows(incidents.c.ref == _normal(ref)):
            return found
        raise UnknownIncident(ref)

    def open_for(self, platform: str, marketplace: str, cause: str) -> IncidentRow | None:
        """The open incident of this cause on this marketplace; there is never a second."""
        here = (incidents.c.platform == platform, incidents.c.marketplace == marketplace, incidents.c.cause == cause)
        return next(iter(self._rows(*here, incidents.c.closed_at.is_(None))), None)

    def rows(self, open_only: bool = False) -> list[IncidentRow]:
        """Every incident, or every open one, oldest first."""
        return self._read(_OPEN if open_only else _ALL)

    def question(self, ref: str) -> QuestionRow | None:
        """The question that waits for an answer; None where none does. Raises UnknownIncident."""
        latest = (incident_questions.c.incident_id == self._id(ref), incident_questions.c.number == self.get(ref).asked)
        query = select(*(incident_questions.c[name] for name in QuestionRow.__dataclass_fields__)).where(*latest)
        with readable("A row of the incidents' questions"):
            row = self._connection.execute(query).one_or_none()
        return QuestionRow(*row) if row else None

    def refused(self, ref: str) -> str:
        """Why the latest answer was not taken; "" where it was. Raises UnknownIncident."""
        here = (incident_questions.c.incident_id == self._id(ref), incident_questions.c.refused != "")
        query = select(incident_questions.c.refused).where(*here).order_by(incident_questions.c.number.desc()).limit(1)
        return self._connection.scalar(query) or ""

    def _rows(self, *where: ColumnElement[bool]) -> list[IncidentRow]:
        return self._read(_ALL.where(*where))

    def _read(self, query: Select[Any]) -> list[IncidentRow]:
        with readable("A row of the incidents"):
            return [IncidentRow(*row) for row in self._connection.execute(query)]

    # -- writing -------------------------------------------------------------------------------------------

    def create(self, platform: str, marketplace: str, cause: str, at: datetime) -> IncidentRow:
        """Open an incident; it is due at once. Raises ConcurrentChange if this cause has an open one there."""
        number = next_number(self._connection, incidents)
        place = {"platform": platform, "marketplace": marketplace, "cause": cause}
        rest = {"decision": "", "reason": "", "decided_by": "", "asked": 0, "generation": 0}
        row = {"id": number, "ref": f"IN-{number:06d}", **place, "opened_at": at, "due_at": at, **rest}
        for name, value in place.items():
            refuse_nul(name, value)
        if self.open_for(**place) or insert_once(self._connection, insert(incidents).values(**row)) is None:
            raise ConcurrentChange(
                f"The cause {cause} has an open incident on {marketplace or platform} already.",
                "Let the cases join it.",
            )
        return self.get(str(row["ref"]))

    def ask(self, ref: str, flow_run: str, at: datetime) -> int:
        """Number the next question about it, which this flow run asks: 1 for the first.

        Raises UnknownIncident, NotAllowed once it is over.
        """
        refuse_nul("flow run", flow_run)
        number = self.pass_on(ref)
        row = {"incident_id": self._id(ref), "number": number, "flow_run": flow_run, "asked_at": at}
        self._connection.execute(insert(incident_questions).values(**row))
        return number

    def pass_on(self, ref: str) -> int:
        """Take the number of the next question without asking it: nobody reads an answer to the one before any more.

        Raises UnknownIncident, NotAllowed once it is over.
        """
        asked = self._open(ref).asked + 1
        self._change(ref, asked=asked)
        return asked

    def refuse(self, ref: str, number: int, why: str) -> None:
        """Note why the answer to this question is not taken. Raises UnknownIncident, NotAllowed once it is over."""
        refuse_nul("reason", why)
        self._open(ref)
        self._note(ref, number, refused=why)

    def note_nudge(self, ref: str, number: int, times: int) -> bool:
        """Note how often the team was told of this question; whether that is news. Raises UnknownIncident."""
        return self._note(ref, number, nudges=times)

    def _note(self, ref: str, number: int, **noted: Any) -> bool:
        here = (incident_questions.c.incident_id == self._id(ref), incident_questions.c.number == number)
        other = or_(*(incident_questions.c[name] != value for name, value in noted.items()))
        return self._connection.execute(update(incident_questions).where(*here, other).values(**noted)).rowcount > 0

    def decide(self, ref: str, decision: str, *, by: str, reason: str, until: date | None, at: datetime) -> None:
        """Write down what was decided for all of it; a later decision takes the place of an earlier one.

        Raises UnknownIncident, NotAllowed once it is over.
        """
        self._open(ref)
        for name, value in (("decider", by), ("reason", reason)):
            refuse_nul(name, value)
        said: dict[str, Any] = {"decision": decision, "decided_by": by, "reason": reason, "until": until}
        self._change(ref, **said, decided_at=at, due_at=at)
        mine = incident_questions.c.incident_id == self._id(ref)
        self._connection.execute(update(incident_questions).where(mine).values(refused=""))  # nobody needs that now

    def close(self, ref: str, at: datetime) -> None:
        """It is over; once more is harmless. Raises UnknownIncident."""
        if not self._locked(ref).is_closed:
            self._change(ref, closed_at=at, due_at=None)

    def set_due(self, ref: str, at: datetime | None) -> None:
        """When somebody has to look at it next; None for never. Raises UnknownIncident."""
        self._locked(ref)
        self._change(ref, due_at=at)

    def attach_run(self, ref: str, flow_run: str, generation: int) -> None:
        """Remember the flow run that carries it; the same values twice are harmless.

        Raises UnknownIncident, and ConcurrentChange if it has another run of this generation or a later one.
        """
        row = self._locked(ref)
        if (row.flow_run, row.generation) == (flow_run, generation):
            return
        if generation <= row.generation:
            raise ConcurrentChange(
                f"{row.ref} has a run of generation {row.generation} already: {row.flow_run or 'none'}.",
                "Leave it to that run.",
            )
        self._change(ref, flow_run=flow_run, generation=generation)

    def _open(self, ref: str) -> IncidentRow:
        row = self._locked(ref)
        if row.is_closed:
            raise NotAllowed(f"{row.ref} is over.", "Decide about each of its cases by itself.")
        return row

    def _locked(self, ref: str) -> IncidentRow:
        """The row, locked until the unit ends (SQLite locks the whole file)."""
        mine = select(incidents.c.id).where(incidents.c.ref == _normal(ref)).with_for_update()
        if self._connection.scalar(mine) is None:
            raise UnknownIncident(ref)
        return self.get(ref)

    def _id(self, ref: str) -> int:
        found: int | None = self._connection.scalar(select(incidents.c.id).where(incidents.c.ref == _normal(ref)))
        if found is None:
            raise UnknownIncident(ref)
        return found

    def _change(self, ref: str, **values: Any) -> None:
        self._connection.execute(update(incidents).where(incidents.c.ref == _normal(ref)).values(**values))


def _normal(ref: str) -> str:
    """The reference as the store spells it. Raises UnknownIncident for what can be none."""
    spelled = ref.strip().upper()
    if not _REF.fullmatch(spelled):
        raise UnknownIncident(ref)
    return spelled
