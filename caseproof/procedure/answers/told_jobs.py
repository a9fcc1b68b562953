"""How the jobs stand that a contact was told of: what a retailer sees by the link of any letter to them.

A case is shown to an address where a letter about it left to that very address, and only as long as the case is that
retailer's of whom the letter spoke. What is not known (whether a letter left, whose it was) is not shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from caseproof.config.mail_address import comparable
from caseproof.domain.case import Case
from caseproof.domain.events import Event
from caseproof.domain.job_failure.cause import asks_for_answer
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.specs import Role
from caseproof.domain.vocabulary import Decision
from caseproof.procedure.answers.answer_link import Asked, LinkState, asked_with_cases
from caseproof.procedure.core.parts import ReplyAddresses
from caseproof.procedure.notify.reminding import may_answer
from caseproof.procedure.notify.threads import Thread
from caseproof.store import Store, UnknownCase
from caseproof.store.errors import Unreadable
from caseproof.store.uow import UnitOfWork

MOST = 200
"""How many cases are looked through, the newest first."""
SETTLED_DAYS = 30
"""How long what is settled is shown."""
TOLD_BY = (Kind.NOTICE_SENT, Kind.NOTICE_CORRECTED, Kind.REMINDER_SENT, Kind.LINK_RENEWED)
"""The letters that tell a contact of a case."""


class JobState(StrEnum):
    """How a job stands, for its retailer."""

    ASKED = "asked"
    """It waits for the retailer's answer."""
    STOPPED = "stopped"
    """It is stopped, and we look into it."""
    LOOKED_INTO = "looked_into"
    """We look into it; that it is stopped is not known."""
    RUNNING = "running"
    GONE = "gone"
    """It is out of service for good."""


@dataclass(frozen=True, slots=True)
class ToldJob:
    """A job as the latest letter to this contact named it, how it stands, and since when."""

    job_name: str
    marketplace: str
    state: JobState
    since: datetime


@dataclass(frozen=True, slots=True)
class ToldJobs:
    """What the link asked, and the jobs that its contact was told of; what waits for them first, then the latest.

    ``may_look``: the link holds, and its address is a contact of the retailer; else there are no jobs. ``more``: there
    are older cases that were not looked through.
    """

    asked: Asked
    may_look: bool
    jobs: tuple[ToldJob, ...] = ()
    more: bool = False


def told_jobs(store: Store, replies: ReplyAddresses, token: str) -> ToldJobs:
    """The jobs of whom a link is. Changes nothing. Raises BadLink, KeyLost, StoreError."""
    replies.secret()  # looked up first: it may need a transaction of its own
    with store.reading() as uow:
        asked, of_the_letter = asked_with_cases(replies, uow, token)
        letter = asked.letter
        if asked.expired or len(asked.standing(LinkState.NO_CONTACT)) == len(asked.jobs):
            return ToldJobs(asked, may_look=False)
        retailers = {_retailer_told_by(letter, case) for case in of_the_letter.values()} - {""}
        retailers = {one for one in retailers if uow.people.is_contact(one, letter.to)}
        if letter.also:  # one mail to several contacts: nobody knows which of them this is
            return ToldJobs(asked, True, _told(letter, retailers, of_the_letter.values()))
        refs = _looked_through(uow, retailers, replies)
        return ToldJobs(asked, True, _told(letter, retailers, _cases(uow, refs[:MOST])), len(refs) > MOST)


def _looked_through(uow: UnitOfWork, retailers: set[str], replies: ReplyAddresses) -> list[str]:
    since = replies.clock() - timedelta(days=SETTLED_DAYS)
    found = [row for one in sorted(retailers) for row in uow.people.told_of(one, TOLD_BY, since, MOST + 1)]
    return [ref for ref, _ in sorted(found, key=lambda row: row[1], reverse=True)]


def _cases(uow: UnitOfWork, refs: list[str]) -> Iterator[Case]:
    for ref in refs:
        try:
            yield uow.cases.get(ref)
        except (UnknownCase, Unreadable):  # the others are shown all the same
            continue


def _told(letter: Thread, retailers: set[str], cases: Iterable[Case]) -> tuple[ToldJob, ...]:
    found = []
    for case in cases:
        facts = _as_told(letter, case)
        if facts is not None and facts.get("retailer") in retailers:
            state, since = _standing(case)
            found.append(ToldJob(str(facts["job_name"]), str(facts.get("marketplace") or ""), state, since))
    found.sort(key=lambda job: job.since, reverse=True)
    return tuple(sorted(found, key=lambda job: (job.state is not JobState.ASKED, job.state in _SETTLED)))


_SETTLED = (JobState.RUNNING, JobState.GONE)


def _standing(case: Case) -> tuple[JobState, datetime]:
    if case.closed is not None and case.decided is Decision.REMOVE:
        return JobState.GONE, case.closed.at
    if case.live is not None:
        return JobState.RUNNING, case.live.at
    if case.closed is not None:
        return JobState.RUNNING, case.closed.at
    if may_answer(case) and asks_for_answer(case) and not case.open_replies and case.last_told is not None:
        return JobState.ASKED, case.last_told.at
    if case.contained is not None and case.contained.event.kind is Kind.STOPPED:
        return JobState.STOPPED, case.contained.at
    return JobState.LOOKED_INTO, case.events[-1].at if case.last_opened is None else case.last_opened.at


# -- who was told of it ---------------------------------------------------------------------------------------------


def _with_facts(case: Case) -> Iterator[tuple[Event, Mapping[str, Any]]]:
    """Each event, and what the case was about once it had happened."""
    facts: dict[str, Any] = {}
    for event in case.events:
        spec = event.kind.spec
        says = event.data if spec.role is Role.OPENS else {name: event.data.get(name) for name in spec.corrects}
        facts = {**facts, **{name: said for name, said in says.items() if name in event.data}}
        yield event, facts


def _retailer_told_by(letter: Thread, case: Case) -> str:
    """The retailer to whom the letter's notice told this case; "" where it is not known, or another's by now."""
    for event, facts in _with_facts(case):
        if event.kind is Kind.NOTICE_SENT and letter.is_of(str(event.data["message_id"])):
            told = str(facts.get("retailer") or "")
            return told if told == (case.facts.get("retailer") or "") else ""
    return ""


def _as_told(letter: Thread, case: Case) -> Mapping[str, Any] | None:
    """What the case was about as the latest letter to this contact left; None where none did for its retailer."""
    told: Mapping[str, Any] | None = None
    for event, facts in _with_facts(case):
        if told is not None and facts.get("retailer") != told.get("retailer"):
            told = None  # they were told it as another one's
        if event.kind in TOLD_BY and _went_to(letter, event):
            told = facts
    return told


def _went_to(letter: Thread, event: Event) -> bool:
    """Whether a letter left to the contact who holds this one: the mail server took it."""
    return comparable(letter.to) in {comparable(str(address)) for address in event.data.get("accepted") or ()}
