"""The worklist: what waits for whom, oldest first, with since when, until when, who has it, and what comes next."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from caseproof.config.policy_check import KeeperPolicy
from caseproof.domain.codes import Code
from caseproof.domain.forms import (
    AccountDecision,
    CauseElsewhere,
    CauseOfFailure,
    RetailersWord,
    Review,
    TryAgain,
    WordAgreement,
)
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.job_failure.lifecycle import State
from caseproof.domain.owing import Debt
from caseproof.domain.people import same_person
from caseproof.domain.vocabulary import CAUSE, SHARED_CAUSE, Decision
from caseproof.domain.worklist import MOST_COUNTED, SIZE, Group, WorkQuery
from caseproof.procedure.core.causes import over_at
from caseproof.procedure.core.parts import Ledger
from caseproof.procedure.core.texts import in_words
from caseproof.procedure.keeper.cover import standing_cover
from caseproof.procedure.keeper.problems import PROBLEMS
from caseproof.procedure.keeper.schedule import US, waits_for_retailer
from caseproof.procedure.keeper.ways import thing_of
from caseproof.procedure.views.board import Returned, line, what_returned
from caseproof.procedure.views.owed import OwedLine, owed_lines
from caseproof.store import CaseRow, OwedRow
from caseproof.store.logins import folded_name
from caseproof.store.uow import UnitOfWork
from caseproof.store.worklist import WorkRow
from caseproof.store.worklist_statements import Moment

ACTIONS = {
    CauseOfFailure.slug: "Say the cause",
    RetailersWord.slug: "Record their word",
    WordAgreement.slug: "Agree, or not",
    AccountDecision.slug: "Decide",
    Review.slug: "Review",
    TryAgain.slug: "Put it right",
    CauseElsewhere.slug: "Look at it",
}
"""The one next action of a case, by the form that it waits with."""


@dataclass(frozen=True, slots=True)
class WorkLine:
    """A case in the list: who must act, what for and since when; until when, and what comes then ("" for neither);
    ``holder`` is who has it, as the team list spells the name ("" for nobody), ``is_mine`` whether that is who looks;
    ``action`` names the next action, "" where nobody has to act now, or it is not for who looks: ``not_yours`` says
    why. ``owed`` is what the case owes and could not be done in time, but for the step that ``what`` tells of."""

    row: CaseRow
    who: str
    what: str
    since: datetime
    until: datetime | None
    then: str
    holder: str
    is_mine: bool
    held_since: datetime | None
    snoozed_by: str
    action: str
    not_yours: str = ""
    owed: tuple[OwedLine, ...] = ()

    @property
    def needs_us(self) -> bool:
        return self.who == US

    @property
    def about(self) -> str:
        """Why the job fails; of a support case its product."""
        return in_words(self.row.cause) or self.row.platform


@dataclass(frozen=True, slots=True)
class OpenForAll:
    """An incident that waits for a decision for all its cases: that is made once, on its own page."""

    ref: str
    about: str
    cases: int


@dataclass(frozen=True, slots=True)
class Worklist:
    """A page of the worklist. ``query`` is what was asked for, with the group that is shown; ``counts`` are of all
    cases that fit its filters; ``problems`` are what the keeper could not do that is about no single case; ``messages``
    of retailers wait to be read; ``owed`` is what is owed, late, and of no single case; ``cover`` what is wrong with
    who is on call."""

    query: WorkQuery
    group: Group
    lines: tuple[WorkLine, ...]
    counts: dict[Group, int]
    incidents: tuple[OpenForAll, ...]
    problems: dict[str, str]
    messages: int
    platforms: tuple[str, ...]
    owed: tuple[OwedLine, ...] = ()
    cover: tuple[str, ...] = ()

    @property
    def begin(self) -> int:
        """The number of the page's first case, from 1."""
        return (self.query.page - 1) * SIZE + 1

    @property
    def total(self) -> int | None:
        """How many cases the group has; None for those that nobody counts."""
        count = self.counts.get(self.group)
        return None if count is None or count > MOST_COUNTED else count

    def counted(self, group: Group) -> str:
        """How many cases a group has, as people read it; "" for those that nobody counts."""
        count = self.counts.get(group)
        return "" if count is None else f"{count:,}" if count <= MOST_COUNTED else f"{MOST_COUNTED:,}+"

    @property
    def has_more(self) -> bool:
        """Whether a page comes after this one."""
        end = self.begin - 1 + len(self.lines)
        return len(self.lines) == SIZE if self.total is None else end < self.total


def worklist(
    ledger: Ledger,
    keeper: KeeperPolicy,
    team: Callable[[], Sequence[str]],
    query: WorkQuery,
    viewer: str,
    tiers: Collection[str] = (),
) -> Worklist:
    """The page that is asked for, as ``viewer`` sees it ("" for somebody who is nobody), who is in these ``tiers`` of
    the ladder. Raises StoreError."""
    now = ledger.clock()
    with ledger.store.reading() as uow:
        mark, returned, cover = uow.cursors.get(PROBLEMS), what_returned(uow), standing_cover(uow)
        problems: dict[str, str] = json.loads(mark[0]) if mark else {}
        about = [name for name in problems if name[2:3] == "-"]
        cut_off = [retailer for retailer, one in returned.items() if one.all]
        late = now - timedelta(days=keeper.answer_within_days)
        theirs = uow.worklist.of_tiers(tiers) if viewer else []
        at = Moment(now, folded_name(viewer), late, about, cut_off, theirs)
        counts, owes = uow.worklist.counts(query, at)
        group = query.group or (Group.MINE if counts[Group.MINE] else Group.TEAM)
        found = uow.worklist.page(query, group, at)
        incidents = tuple(_for_all(uow, now)) if group in (Group.MINE, Group.TEAM) else ()
        messages, platforms = sum(uow.messages.counts().values()), tuple(uow.cases.platforms())
        of_others = _of_others(uow, found, viewer)
        owed = _owed(uow, found) if owes else {}
    spelt = {folded_name(name): name for name in team()}
    lines = tuple(
        _line(
            row, keeper, now, problems.get(row.case.ref, ""), returned.get(row.case.retailer), spelt, at.viewer,
            of_others.get(row.case.ref, ""), owed.get(row.case.ref, []),
        )
        for row in found
    )  # fmt: skip
    others = {name: why for name, why in problems.items() if name not in about}
    of_none = owed.get("", [])
    # A case that somebody wants is tried outside the keeper's pass, too.
    others |= {thing_of(row): row.trouble for row in of_none if row.what is Debt.RAISE}
    rest = tuple(owed_lines(row for row in of_none if row.what is not Debt.RAISE))
    return Worklist(query, group, lines, counts, incidents, others, messages, platforms, rest, cover)


def _of_others(uow: UnitOfWork, found: Sequence[WorkRow], viewer: str) -> dict[str, str]:
    """The cases whose question somebody else than the viewer has to answer, and why that is."""
    said = {}
    for form, kind, why in _SOMEBODY_ELSE:
        refs = [row.case.ref for row in found if row.case.asked_form == form]
        for ref, (actor, data) in uow.worklist.latest_actors(refs, kind).items() if refs and viewer else ():
            asks = form is WordAgreement.slug or data.get("review") == "another person"
            if asks and same_person(actor, viewer):
                said[ref] = why
    waiting = [row.case.ref for row in found if _waits_for_eyes(row.case)]
    latest = uow.worklist.latest_actors(waiting, Kind.PICTURE_UPLOADED) if waiting and viewer else {}
    theirs = [ref for ref, (actor, _) in latest.items() if same_person(actor, viewer)]
    return said | dict.fromkeys(theirs, "You uploaded the picture: somebody else confirms it.")


def _waits_for_eyes(case: CaseRow) -> bool:
    """Whether an uploaded picture waits for somebody else than who uploaded it."""
    return case.asked_form == TryAgain.slug and case.trouble_code == Code.PICTURE_WAITS


_SOMEBODY_ELSE = (
    (Review.slug, Kind.DECIDED, "You decided: somebody else reviews."),
    (WordAgreement.slug, Kind.CONFIRMATION_RECEIVED, "You brought it in: somebody else agrees."),
)


def _owed(uow: UnitOfWork, found: Sequence[WorkRow]) -> dict[str, list[OwedRow]]:
    """What is owed and late, by case; "" for what is of no single one."""
    rows: dict[str, list[OwedRow]] = {}
    for row in uow.owed.late_of(["", *(row.case.ref for row in found)]):
        rows.setdefault(row.ref, []).append(row)
    return rows


def _line(
    row: WorkRow, keeper: KeeperPolicy, now: datetime, problem: str, returned: Returned | None,
    spelt: dict[str, str], viewer: str, not_yours: str, owed: Sequence[OwedRow],
) -> WorkLine:  # fmt: skip
    case = row.case
    step = next((one for one in owed if one.what is Debt.STEP), None)
    said = line(case, keeper, now, problem, returned, step)
    until, then = (row.snoozed_until, "back in the list") if row.snoozed_until else _until(case, keeper, now)
    action = "" if case.closed_at else ACTIONS.get(case.asked_form, "Answer" if case.asked_form else "")
    action = "Look at the picture" if action and _waits_for_eyes(case) else action
    return WorkLine(
        case, "" if case.closed_at else said.who, "" if case.closed_at else said.what, said.since, until, then,
        spelt.get(row.holder, row.holder), viewer != "" and row.holder == viewer, row.held_since, row.snoozed_by,
        "" if not_yours else action, not_yours, tuple(owed_lines(one for one in owed if one is not step)),
    )  # fmt: skip


def _until(row: CaseRow, keeper: KeeperPolicy, now: datetime) -> tuple[datetime | None, str]:
    """Until when a case waits as it does, and what comes then by itself."""
    if row.closed_at is not None:
        return None, ""
    if row.rest_until is not None:
        return row.rest_until, "the next run"
    if row.state is State.PAUSED and row.paused_until is not None:
        return datetime.combine(row.paused_until, time(), UTC), "decided again"
    if row.asked_form in (CAUSE, SHARED_CAUSE) and row.cause_since is not None and keeper.ask_cause:
        return over_at(keeper, row.cause_since), "told neutrally"
    if row.notice_at is not None and waits_for_retailer(row):
        late = row.notice_at + timedelta(days=keeper.answer_within_days)
        if now < late:
            return late, "the team's turn"
        return row.notice_at + timedelta(days=keeper.keep_paused_after_days), "kept paused"
    return None, ""


def _for_all(uow: UnitOfWork, now: datetime) -> list[OpenForAll]:
    """The incidents whose decision waits for the team now."""
    found = []
    for row in uow.incidents.rows(open_only=True):
        is_asked = uow.incidents.question(row.ref) is not None
        is_paused = row.decision == Decision.KEEP_PAUSED and row.until is not None and row.until > now.date()
        if is_asked and not is_paused:
            about = f"{in_words(row.cause)} on {row.marketplace or row.platform}"
            found.append(OpenForAll(row.ref, about, uow.worklist.open_of_incident(row.ref)))
    return found
