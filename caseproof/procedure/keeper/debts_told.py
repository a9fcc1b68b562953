"""What is owed and could not be done is told to the team, as often as a question that waits."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from caseproof.config.policy_check import KeeperPolicy
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.owing import PASSES, Debt
from caseproof.domain.payloads import TeamTold
from caseproof.domain.specs import EventKind
from caseproof.procedure.core.parts import Ledger, Links
from caseproof.procedure.keeper.owing import AT_MOST, rows_of
from caseproof.procedure.keeper.schedule import nudge_at
from caseproof.procedure.keeper.team_alerts import TeamAlert
from caseproof.procedure.keeper.ways import thing_of
from caseproof.store import OwedRow
from caseproof.store.errors import Unreadable

_ALARMS: Mapping[EventKind, str] = {
    Kind.STOP_DID_NOT_HOLD: "the stop did not hold, and was made again (J2)",
    Kind.REOPENED: "the job failed again after the case was closed, so the case is open again (J10)",
}


def alarms(ledger: Ledger) -> list[TeamAlert]:
    """What the team has to hear at once, and has not: each as long as no mail told it."""
    with ledger.store.reading() as uow:
        rows = uow.owed.rows(AT_MOST, Debt.ALERT)
    found = []
    for row in rows:
        try:
            case = ledger.case(row.ref)
        except Unreadable:
            continue  # `caseproof case list` names it
        number = int(row.key)
        about = _ALARMS[case.events[number - 1].kind]
        times = len(case.since_question(case.procedure.kind(TeamTold))) + 1
        found.append(TeamAlert(row.ref, case.name, about, times, aside=True, of=number))
    return found


def reminders_of_debts(ledger: Ledger, keeper: KeeperPolicy) -> list[TeamAlert]:
    """What is owed and could not be done for long, as often as a question that waits; of closed cases, too."""
    now = ledger.clock()
    with ledger.store.reading() as uow:
        rows = [row for row in uow.owed.rows(AT_MOST) if row.ref and row.code and row.what is not Debt.ALERT]
        due = [row for row in rows if _tell_at(keeper, row) <= now]
        jobs = {ref: row.job_name for ref, row in rows_of(uow, [one.ref for one in due]).items()}
    return [
        TeamAlert(row.ref, jobs[row.ref], _about(row), row.told + 1, aside=True, row=row)
        for row in due
        if row.ref in jobs
    ]


def wanted_in_vain(ledger: Ledger, links: Links, keeper: KeeperPolicy) -> list[TeamAlert]:
    """The cases that somebody wants and that cannot be opened: their jobs are not stopped (J2), and they have no page
    that would say so."""
    now = ledger.clock()
    with ledger.store.reading() as uow:
        rows = [row for row in uow.owed.rows(AT_MOST, Debt.RAISE) if row.code]
    return [
        TeamAlert("A case that is not open yet", row.key, _about(row), row.told + 1, url=links.raise_url, row=row)
        for row in rows
        if _tell_at(keeper, row) <= now
    ]


def note_wanted(ledger: Ledger, row: OwedRow) -> bool:
    """Note that the team was told of a case that is wanted; whether it was news."""
    with ledger.store.uow() as uow:
        news = uow.owed.note_told(row)
        uow.commit()
    return news


def _tell_at(keeper: KeeperPolicy, row: OwedRow) -> datetime:
    """At once where a person has to put it right and no form asks for it; else as of a question."""
    if row.what is Debt.STEP or row.code in PASSES:
        return nudge_at(keeper, row.since, row.told)
    return row.since if row.told == 0 else nudge_at(keeper, row.since, row.told - 1)


def _about(row: OwedRow) -> str:
    if row.what is Debt.STEP:
        return f"a step needs help: {row.trouble} Asked {row.since:%Y-%m-%d %H:%M} UTC"
    if row.what is Debt.RECORDING:
        return f"{thing_of(row)}, since {row.since:%Y-%m-%d %H:%M} UTC: {row.trouble}"
    return f"{thing_of(row)} is owed since {row.since:%Y-%m-%d %H:%M} UTC, tried {row.tries} times: {row.trouble}"
