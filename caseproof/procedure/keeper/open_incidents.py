"""The open incidents as people have to know of them: who must act, since when, and when the team is told of it (J6)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from caseproof.config.policy_check import KeeperPolicy
from caseproof.domain.vocabulary import Decision
from caseproof.procedure.core.parts import Ledger
from caseproof.procedure.core.texts import in_words
from caseproof.procedure.keeper.schedule import CASEPROOF, NOBODY, TEAM, nudge_at
from caseproof.procedure.keeper.team_alerts import TeamAlert
from caseproof.store import IncidentRow, QuestionRow, Store


@dataclass(frozen=True, slots=True)
class OpenIncident:
    """An open incident: ``cases`` are its open cases; ``run`` is its flow run ("" before the first).

    ``asked`` is when its form was asked that nobody answered yet, ``told`` how often the team was told of that;
    ``paused_until`` is the date to which it waits.
    """

    ref: str
    about: str
    cases: int
    asked: datetime | None
    paused_until: date | None
    since: datetime
    run: str
    question: int
    told: int

    def waits_for(self, now: datetime) -> str:
        """What it waits for, in words."""
        if self.paused_until is not None and now.date() < self.paused_until:
            return f"kept paused until {self.paused_until} (J6)"
        return "decide for all its cases (J6)" if self.asked else "the decision reaches its cases"

    def who(self, now: datetime) -> str:
        """Who must act."""
        if self.is_the_team_s(now):
            return TEAM
        return NOBODY if self.asked else CASEPROOF

    def is_the_team_s(self, now: datetime) -> bool:
        """Whether the team must act now."""
        return self.asked is not None and (self.paused_until is None or self.paused_until <= now.date())


def open_incidents(store: Store) -> list[OpenIncident]:
    """All of them, oldest first."""
    with store.reading() as uow:
        rows = uow.incidents.rows(open_only=True)
        left = [sum(case.closed_at is None for case in uow.cases.of_incident(row.ref)) for row in rows]
        questions = [uow.incidents.question(row.ref) for row in rows]
    return [_seen(row, count, question) for row, count, question in zip(rows, left, questions, strict=True)]


def _seen(row: IncidentRow, count: int, question: QuestionRow | None) -> OpenIncident:
    asked = question.asked_at if question else None
    about = f"{in_words(row.cause)} on {row.marketplace or row.platform}"
    until = row.until if row.decision == Decision.KEEP_PAUSED else None
    since = asked or row.decided_at or row.opened_at
    told = question.nudges if question else 0
    return OpenIncident(row.ref, about, count, asked, until, since, row.flow_run or "", row.asked, told)


def nudges(ledger: Ledger, keeper: KeeperPolicy) -> list[TeamAlert]:
    """What the team is to be told now: of each question about an incident as often as of a case's."""
    now = ledger.clock()
    due = [(one, one.told + 1) for one in open_incidents(ledger.store) if one.is_the_team_s(now)]
    return [
        TeamAlert(one.ref, f"{one.cases} open cases: {one.about}", _about(one), number, one.run)
        for one, number in due
        if nudge_at(keeper, _from(one), number - 1) <= now
    ]


def _about(one: OpenIncident) -> str:
    if one.paused_until is not None:
        return f"its cases were to stay paused until {one.paused_until}: decide again for all of them (J6)"
    return f"the decision for all its cases is waited for (J6), asked {_from(one):%Y-%m-%d %H:%M} UTC"


def _from(one: OpenIncident) -> datetime:
    """From when on the team is waited for."""
    paused = datetime.combine(one.paused_until, time(), UTC) if one.paused_until else one.since
    return max(one.since, paused)


def note_nudge(store: Store, ref: str, number: int) -> bool:
    """Note that the team was told of the question that waits: so many times now; whether it was news."""
    with store.uow() as uow:
        news = uow.incidents.note_nudge(ref, uow.incidents.get(ref).asked, number)
        uow.commit()
    return news
