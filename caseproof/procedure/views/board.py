"""The board: every open case, oldest first, with who must act next, since when and what for."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum

from caseproof.config.policy_check import KeeperPolicy
from caseproof.domain.codes import Code, Rest
from caseproof.domain.job_failure.lifecycle import State
from caseproof.domain.owing import Debt
from caseproof.domain.procedure import procedure_of
from caseproof.domain.support import vocabulary as ladder
from caseproof.domain.support.forms import SupportForm, TierForm
from caseproof.domain.support.lifecycle import OWNERS
from caseproof.domain.support.lifecycle import State as LadderState
from caseproof.domain.support.vocabulary import TIER_NAMES
from caseproof.domain.vocabulary import AGREEMENT, CAUSE, DECISION, REVIEW, SHARED_CAUSE, TRY_AGAIN, WORD, Disposition
from caseproof.procedure.core.parts import Ledger
from caseproof.procedure.core.texts import short
from caseproof.procedure.keeper.cover import standing_cover
from caseproof.procedure.keeper.open_incidents import OpenIncident, open_incidents
from caseproof.procedure.keeper.problems import PROBLEMS
from caseproof.procedure.keeper.schedule import CASEPROOF, NOBODY, RETAILER, TEAM, US, is_asked
from caseproof.procedure.views.owed import OwedLine, owed_lines
from caseproof.store import CaseRow, OwedRow
from caseproof.store.uow import UnitOfWork

BOARD = "caseproof-board"
"""The key of the board's table in Prefect."""
AT_MOST = 300
"""How many cases the board lists; the counts are of all."""


def board_url(ui: str) -> str:
    """Where people see the board in Prefect, whatever version of it: ``ui`` is the server's address; "" where that is
    not known."""
    return f"{ui.rstrip('/')}/artifacts/key/{BOARD}" if ui else ""


@dataclass(frozen=True, slots=True)
class BoardEntry:
    """A case on the board; ``run`` is its flow run ("" before the first), ``since`` is aware, in UTC."""

    ref: str
    job: str
    retailer: str
    marketplace: str
    state: StrEnum
    who: str
    what: str
    since: datetime
    run: str
    incident: str

    @property
    def needs_us(self) -> bool:
        return self.who == US


@dataclass(frozen=True, slots=True)
class Board:
    """The board as it is now: its lines, those with an error to put right first; how many cases are open, by state and
    marketplace; what the keeper could not do in its latest pass, by what it was about; the open incidents, oldest
    first; how many messages from retailers have to be read, by the place where they ended; what is owed and could
    not be done yet, of closed cases, too, the oldest first, and how much that is; and what is wrong with who is on
    call."""

    lines: tuple[BoardEntry, ...]
    open: int
    by_state: Mapping[str, int]
    by_marketplace: Mapping[str, int]
    problems: Mapping[str, str]
    incidents: tuple[OpenIncident, ...] = ()
    from_retailers: Mapping[str, int] = field(default_factory=dict)
    owed: tuple[OwedLine, ...] = ()
    owed_in_all: int = 0
    cover: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Returned:
    """The addresses of a retailer that mail came back from; ``all``: no other is registered."""

    addresses: tuple[str, ...]
    all: bool


def board(ledger: Ledger, keeper: KeeperPolicy, at_most: int = AT_MOST) -> Board:
    """The board. Reads rows only."""
    now = ledger.clock()
    with ledger.store.reading() as uow:
        mark, counts = uow.cursors.get(PROBLEMS), uow.cases.counts()
        problems: dict[str, str] = json.loads(mark[0]) if mark else {}
        from_retailers, returned = uow.messages.counts(), what_returned(uow)
        named = [*problems][:at_most] + [
            row.ref for row in uow.messages.to_look_at(at_most) if row.place is Disposition.BOUNCE and row.ref
        ]
        cover = standing_cover(uow)
        owed, owed_in_all = [row for row in uow.owed.rows(at_most) if row.is_late], uow.owed.count(late=True)
        rows = [*uow.cases.in_need(at_most), *_of_refs(uow, named), *uow.cases.slice(0, at_most)]
    steps = {row.ref: row for row in owed if row.what is Debt.STEP}
    lines = {
        row.ref: line(row, keeper, now, problems.get(row.ref, ""), returned.get(row.retailer), steps.get(row.ref))
        for row in rows
        if row.closed_at is None
    }
    ordered = sorted(lines.values(), key=lambda one: (not one.needs_us, one.ref))
    states, markets = Counter[str](), Counter[str]()
    for state, marketplace, count in counts:
        states[str(state)] += count
        markets[marketplace or "none"] += count
    shown, incidents = tuple(ordered[:at_most]), tuple(open_incidents(ledger.store))
    counts_of = {str(place): count for place, count in from_retailers.items()}
    lately = tuple(owed_lines(owed))
    return Board(
        shown, states.total(), dict(states), dict(markets), problems, incidents, counts_of, lately, owed_in_all,
        cover,
    )  # fmt: skip


def _of_refs(uow: UnitOfWork, refs: list[str]) -> list[CaseRow]:
    wanted = list(dict.fromkeys(refs))
    return [row for start in range(0, len(wanted), 200) for row in uow.cases.of_refs(wanted[start : start + 200])]


def what_returned(uow: UnitOfWork) -> dict[str, Returned]:
    """What came back from which retailer's contacts."""
    found: dict[str, list[str]] = {}
    for contact in uow.people.bounced():
        found.setdefault(contact.retailer, []).append(contact.address)
    return {
        retailer: Returned(tuple(addresses), len(addresses) == len(uow.people.contacts(retailer)))
        for retailer, addresses in found.items()
    }


def line(
    row: CaseRow,
    keeper: KeeperPolicy,
    now: datetime,
    problem: str = "",
    returned: Returned | None = None,
    step: OwedRow | None = None,
) -> BoardEntry:
    """A case's line: who must act, for what, since when. ``returned``: whose mail of its retailer came back; ``step``:
    the step that could not be carried out."""
    who, what, since = (US, problem, row.updated_at) if problem else _acts(row, keeper, now)
    if step is not None and step.next_at is not None and row.asked_form == TRY_AGAIN and not problem:
        what, since = f"{short(what)} (tried again at {step.next_at:%Y-%m-%d %H:%M} UTC)", step.since
    if returned is not None:
        came_back = f"the mail to {', '.join(returned.addresses)} came back"
        if returned.all and who == RETAILER:  # nobody there knows of it
            who, what = US, f"{came_back}: register an address that works"
        else:
            what = f"{what}; {came_back}"
    return BoardEntry(
        row.ref, row.job_name, row.retailer, row.marketplace, row.state, who, short(what), since, row.flow_run or "",
        row.incident,
    )  # fmt: skip


def _acts(row: CaseRow, keeper: KeeperPolicy, now: datetime) -> tuple[str, str, datetime]:
    since = row.asked_at or row.updated_at
    if row.rest_until is not None:
        return _rests(row, row.rest_until)
    if row.asked_form == TRY_AGAIN:
        waits = row.state is State.RUNNING and row.trouble_code == Code.STILL_RUNNING
        waits = waits or row.trouble_code == Code.WAITS_FOR_CASE
        return (NOBODY if waits else US), row.trouble, since
    if row.state is State.PAUSED and row.paused_until is not None and row.notice_at is not None:
        until = datetime.combine(row.paused_until, time(), UTC)
        late = until <= now
        return (TEAM if late else NOBODY), f"the account is kept paused until {row.paused_until} (J6)", since
    if row.asked_form == WORD:
        return _word(row, keeper, now, since)
    if row.asked_form:
        return (*_asked(row), since)
    return CASEPROOF, "it waits for its first run" if row.flow_run is None else "its run is at work", row.updated_at


def _asked(row: CaseRow) -> tuple[str, str]:
    """Who answers the question that waits, and what they do."""
    form = procedure_of(row.ref).forms.get(row.asked_form)
    if form is not None and issubclass(form, SupportForm):
        tier = form.tier if issubclass(form, TierForm) else OWNERS[LadderState(row.state)]
        return TIER_NAMES[tier], _ON_THE_LADDER[form.slug]
    return _ASKED.get(row.asked_form, (TEAM, f"answer: {row.asked_form}"))


_ASKED = {
    CAUSE: (TEAM, "say the cause: the retailer is not told before (J5)"),
    SHARED_CAUSE: (NOBODY, "the cause, which is asked with another case of this message"),
    AGREEMENT: (TEAM, "say whether the retailer's word counts: somebody else than who brought it in (J8)"),
    DECISION: (TEAM, "decide about the account (J6)"),
    REVIEW: (TEAM, "review the evidence (J7, J8)"),
}
_ON_THE_LADDER = {
    ladder.ONE: "say what was tried, or hand it over (E1)",
    ladder.TWO: "try the documents, ask PT, or say what came of its lines (E2, E3)",
    ladder.PT_ASKED: "answer L2, or take it (E3, E4)",
    ladder.PT_OWNS: "solve it, give it back, or have the code changed (E4, E5)",
    ladder.DEVELOPMENT: "change the code, and say what was done (E5)",
    ladder.NEW: "do the new work, or give it back (E6)",
    ladder.ABOUT: "say which client and product it is about (E1, E2)",
    ladder.FINISH: "tell the client, and link the case of a job that fails (J5, J10)",
}
"""What each tier is to do, by the form that it is asked with."""


def _rests(row: CaseRow, until: datetime) -> tuple[str, str, datetime]:
    when = f"{until:%Y-%m-%d %H:%M} UTC"
    if row.rest_code == Rest.PARKED:
        return TEAM, f"{row.rest_why}; it goes on at {when}, or with `caseproof case wake {row.ref}`", row.updated_at
    return US, f"{row.rest_why}. The next run comes at {when}, or with `caseproof case wake {row.ref}`", row.updated_at


def _word(row: CaseRow, keeper: KeeperPolicy, now: datetime, since: datetime) -> tuple[str, str, datetime]:
    if row.notice_at is None:
        return TEAM, "the retailer wrote: read it, and say whether it is their confirmation (J8)", since
    if not is_asked(row):
        return TEAM, "decide without the retailer's word: it is not theirs to act", since
    told = row.notice_at
    reminded = f", reminded {row.reminders} of {len(keeper.remind_after_days)} times" if row.reminders else ""
    if now >= told + timedelta(days=keeper.answer_within_days):
        return TEAM, f"the retailer has not answered{reminded}: call them (J8)", told
    return RETAILER, f"the retailer's written word{reminded} (J8)", told
