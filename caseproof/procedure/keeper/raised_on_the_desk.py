"""J1: a ticket that a person raised on the desk becomes a case, where it says which job it is about.

A ticket says so in a line of its own: ``Job: NAME``, and ``Platform: NAME`` where several platforms have such a job.
A job that is only mentioned is not stopped for it: the ticket is asked, with the jobs that may be meant, and an answer
there counts as if it had stood in the ticket.

What is known of each such ticket is written down before anything is said on the desk, so that a crash or a desk that is
down loses no ticket and says nothing twice.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from caseproof.desks.abilities import DeskAbility
from caseproof.desks.base import Desk, DeskDown, Raised, TicketStatus, UnknownTicket
from caseproof.domain.case import Case
from caseproof.domain.errors import BadInput
from caseproof.domain.owing import HARMLESS, PASSES
from caseproof.domain.visible import visible
from caseproof.procedure.containment.known_jobs import KnownJob, jobs_called, jobs_named_in, known_platforms
from caseproof.procedure.containment.opening import Request, carries, open_case_with
from caseproof.procedure.core.texts import in_ticket, short
from caseproof.procedure.keeper.problems import Problems
from caseproof.procedure.keeper.raising import LONGEST_SUMMARY, WantedCase, key_of, take_back, want, wanted_cases
from caseproof.procedure.keeper.ways import Hands
from caseproof.store.errors import StoreError

AT_ONCE = 20
"""How many such tickets a pass looks at again, those first that were not looked at for longest; the others are next."""
OVERLAP = timedelta(minutes=15)
"""So much of what was listed is listed again: a desk may show a ticket late, and its clock may be another."""
KEPT = timedelta(days=14)
"""How long a ticket is asked for its job, and how long it is known that one was dealt with."""
MOST_ASKED = 10
"""How often a ticket is asked: whoever answers more often than that, and never with a job, is a program."""
LIKE_IT = 5
_SAID = re.compile(r"^[^\w\n>]*(job|platform)[^\w\n]*[:\uff1a][^\S\n]*(\S.*)$", re.IGNORECASE | re.MULTILINE)
"""A line in a quotation is somebody else's, and is none. It is matched in one go, however long a line is."""
_QUOTES = " `'\"*\u00a0\u2003\u201c\u201d\u201e"


class Stage(StrEnum):
    """How far a ticket came. The values are stored."""

    ASKED = "asked"
    """It does not say which job, or of one that there is not: an answer on the ticket is waited for."""
    WANTED = "wanted"
    """Its case is written down as wanted, and not open yet."""
    DONE = "done"
    """It has its case, or needs none."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a ticket. ``say`` is yet to be said on it, as the comment ``number``; ``platform`` and ``job``
    are the wanted case's; ``heard`` are the comments that were read; ``since`` is when it was first seen (ISO)."""

    stage: Stage
    by: str
    subject: str
    since: str
    say: str = ""
    number: int = 0
    platform: str = ""
    job: str = ""
    heard: tuple[str, ...] = ()


def hear_raised(hands: Hands, problems: Problems, hung: float) -> list[str]:
    """Take in what people raised on the desk of job failures since the last pass, and what became of it; gives the
    tickets whose cases are wanted now. No ticket is begun after ``hung`` seconds. Raises DeskError, StoreError."""
    deadline = time.monotonic() + hung
    name = hands.policy.desk
    try:
        desk = hands.desk_named(name)
    except BadInput:  # it is not set up yet, as the doctor says: so nobody raised anything there
        return []
    if DeskAbility.RAISED in desk.abilities.lacks:
        return []
    work = _Hearing(hands, desk, name)
    wanted = work.take_in(problems, deadline)
    return wanted + work.go_on(problems, deadline)


def _job_said(text: str) -> tuple[str, str]:
    """The platform and the job that a text names in lines of their own, "" for none. Raises BadInput for several."""
    said: dict[str, dict[str, str]] = {"platform": {}, "job": {}}
    for what, name in _SAID.findall(visible(text)):  # as people read it: what they do not see is no part of a name
        if bare := name.strip().strip(_QUOTES).strip():
            said[what.casefold()].setdefault(bare.casefold(), bare)
    for what, names in said.items():
        if len(names) > 1:
            raise BadInput(
                f"It names several {what}s: {', '.join(map(_name, list(names.values())[:LIKE_IT]))}.",
                "One ticket is one case: name one here, and raise a ticket for each of the others.",
            )
    platforms, jobs = ("".join(names.values()) for names in said.values())
    return platforms, jobs


class _Hearing:
    """One pass over the tickets of a desk."""

    def __init__(self, hands: Hands, desk: Desk, name: str) -> None:
        self._hands, self._ledger, self._desk, self._name = hands, hands.ledger, desk, name
        self._mark = f"desk/raised/{name}/"
        self._since = f"desk/raised-since/{name}"

    def take_in(self, problems: Problems, deadline: float) -> list[str]:
        """Write down the tickets that are new. What is listed again is known; what is left is listed again."""
        now = self._ledger.clock()
        with self._ledger.store.reading() as uow:
            noted = uow.cursors.get(self._since)
            known = set(uow.cursors.below(self._mark))
        since = datetime.fromisoformat(noted[0]) if noted else now - OVERLAP
        wanted, is_left = list[str](), False
        for one in self._desk.raised(since):
            if one.ticket.id in known:
                continue
            if time.monotonic() > deadline:
                is_left = True
                break
            try:
                if self._begin(one):
                    wanted.append(one.ticket.id)
            except StoreError:
                raise
            except Exception as error:  # it holds up no other
                problems(f"the ticket {one.ticket.id}", error)
                is_left = True
        begin = max(since, now - KEPT) if is_left else now - OVERLAP
        with self._ledger.store.uow() as uow:
            uow.cursors.set(self._since, begin.isoformat(), now)
            uow.commit()
        return wanted

    def _begin(self, one: Raised) -> bool:
        """Write it down; whether its case is wanted now."""
        known = Known(Stage.ASKED, one.by, one.ticket.subject, self._ledger.clock().isoformat())
        if open_case_with(self._ledger, one.ticket.id, self._name) is not None:
            self._note(one.ticket.id, replace(known, stage=Stage.DONE))
            return False
        return self._want(one.ticket.id, known, f"{one.ticket.subject}\n{one.body}")

    def _want(self, ticket: str, known: Known, text: str) -> bool:
        """Want the case of the job that the text names, or ask on the ticket which it is."""
        try:
            platform, job = self._job(text)
            here = replace(known, stage=Stage.WANTED, platform=platform, job=job)
            if (there := self._wish(here)) is not None and there.request.ticket != ticket:
                self._note(ticket, here)  # as somebody else wants it
                return False
            summary = f"{known.subject}\n{text}" if known.subject not in text else text
            wish = Request(
                platform, job, known.by, f"a ticket on {self._name}", summary=summary[:LONGEST_SUMMARY], ticket=ticket
            )
            standing = want(self._ledger, wish)
        except BadInput as error:
            self._ask(ticket, known, f"{error.problem} {error.next_action}")
            return False
        if standing is None:
            self._note(ticket, here)
            return True
        self._note(ticket, self._done(ticket, known, standing))
        return False

    def _done(self, ticket: str, known: Known, standing: Case | None) -> Known:
        """As it is known where this is the open case of its job; the ticket is told of it, unless it is the case's."""
        if standing is None or carries(standing, ticket, self._name):
            return replace(known, stage=Stage.DONE)
        where = self._hands.links.case_url(standing.ref)
        return self._saying(known, Stage.DONE, f"{standing.ref} is open for this job already: {where}")

    def _job(self, text: str) -> tuple[str, str]:
        """The platform and the job as the platform knows it. Raises BadInput: what is missing, and what to write."""
        platform, job = _job_said(text)
        with self._ledger.store.reading() as uow:
            platforms = known_platforms(uow)
            platform = next((one for one in platforms if one.casefold() == platform.casefold()), platform)
            if not job:
                raise _which_job(jobs_named_in(uow, text, LIKE_IT))
            same = jobs_called(uow, platform, job)
        if len(same) == 1:
            return same[0].platform, same[0].job
        if same:
            names = ", ".join(in_ticket(one.platform) for one in same)
            raise BadInput(
                f"There is a job {_name(job)} on {names}.",
                "Write both lines in a comment: Job: … and Platform: …",
            )
        if platform and platform not in platforms:
            raise BadInput(
                f"No platform is called {_name(platform)}.",
                f"These are known: {', '.join(map(in_ticket, platforms)) or 'none yet'}. Write both lines.",
            )
        if platform or len(platforms) == 1:
            return platform or platforms[0], job  # newer than the last check, perhaps: the platform itself says it
        raise BadInput(
            f"No job {_name(job)} is known.",
            "Write a comment with a line for the job as the platform writes it, and one for the platform.",
        )

    def go_on(self, problems: Problems, deadline: float) -> list[str]:
        """What is to be said, answers to what was asked, and what became of the wanted; gives what is wanted by now."""
        wanted = []
        for ticket, known in self._to_look_at():
            if time.monotonic() > deadline:
                break
            try:
                if self._look(ticket, known):
                    wanted.append(ticket)
            except Exception as error:
                self._note(ticket, known)  # it had its turn: however often it fails, the others have theirs
                if isinstance(error, DeskDown):
                    raise
                problems(f"the ticket {ticket}", error)
        return wanted

    def _to_look_at(self) -> list[tuple[str, Known]]:
        now, found = self._ledger.clock(), list[tuple[datetime, str, Known]]()
        with self._ledger.store.uow() as uow:
            for ticket, (value, at) in uow.cursors.below(self._mark).items():
                known = _read(value)
                if known is None or now - datetime.fromisoformat(known.since) > KEPT:
                    uow.cursors.forget(f"{self._mark}{ticket}")
                elif known.stage is not Stage.DONE or known.say:
                    found.append((at, ticket, known))
            uow.commit()
        return [(ticket, known) for _, ticket, known in sorted(found, key=lambda one: one[:2])[:AT_ONCE]]

    def _look(self, ticket: str, known: Known) -> bool:
        """Whether its case is wanted by now, and was not before."""
        try:
            if known.say:
                self._desk.comment(ticket, f"{ticket}/raised/{known.number}", known.say)
                known = replace(known, say="")
            if known.stage is Stage.WANTED:
                self._became_of(ticket, known)
                return False
            if known.stage is Stage.DONE:
                self._note(ticket, known)
                return False
            if self._desk.ticket(ticket).status is TicketStatus.CLOSED:
                self._note(ticket, replace(known, stage=Stage.DONE))
                return False
            return self._answered(ticket, known)
        except UnknownTicket:
            self._note(ticket, replace(known, stage=Stage.DONE, say=""))  # somebody deleted it
            return False

    def _answered(self, ticket: str, known: Known) -> bool:
        news = [one for one in self._desk.comments(ticket) if not one.ours and one.id not in known.heard]
        known = replace(known, heard=(*known.heard, *(one.id for one in news)))
        telling = [one for one in news if _SAID.search(visible(one.text))]
        if not telling:
            self._note(ticket, known)
            return False
        text = "\n".join(one.text for one in telling)
        return self._want(ticket, replace(known, by=telling[-1].by or known.by), text)

    def _became_of(self, ticket: str, known: Known) -> None:
        """Where no case can be opened as the ticket says, the ticket is asked; else the list of what is owed tries."""
        wanted = self._wish(known)
        if wanted is None:
            with self._ledger.store.reading() as uow:
                standing = uow.cases.open_for(known.platform, known.job)
            self._note(ticket, self._done(ticket, known, standing))
        elif wanted.request.ticket != ticket or not wanted.row.code or wanted.row.code in PASSES | HARMLESS:
            self._note(ticket, known)  # where it is wanted for another ticket, too, that one is asked first
        else:
            self._hand_on(ticket, known, wanted)
            self._ask(ticket, replace(known, platform="", job=""), wanted.row.trouble)

    def _wish(self, known: Known) -> WantedCase | None:
        key = key_of(known.platform, known.job)
        with self._ledger.store.reading() as uow:
            return next((one for one in wanted_cases(uow) if one.row.key == key), None)

    def _hand_on(self, ticket: str, known: Known, wanted: WantedCase) -> None:
        """No case can be opened as this ticket has it (somebody deleted it, perhaps); another that wants a case of the
        same job is tried in its place."""
        with self._ledger.store.reading() as uow:
            others = {
                other: its
                for other, (value, _) in uow.cursors.below(self._mark).items()
                if other != ticket and (its := _read(value)) is not None and its.stage is Stage.WANTED
            }
        for other, its in others.items():
            if (its.platform, its.job) == (known.platform, known.job):
                want(self._ledger, replace(wanted.request, by=its.by, summary=its.subject, ticket=other))
                return
        take_back(self._ledger, wanted.row.key)

    def _ask(self, ticket: str, known: Known, why: str) -> None:
        if known.number >= MOST_ASKED:
            self._note(ticket, replace(known, stage=Stage.DONE))
            return
        page = f"{self._hands.links.raise_url}?ticket={ticket}"
        lines = [
            "A ticket that names its job in a line of its own becomes a case, and the job is stopped at once (J1, J2).",
            f"This one does not yet: {why}",
            f"Answer in a comment here, or choose the job on {page}",
        ]
        self._note(ticket, self._saying(known, Stage.ASKED, "\n".join(lines)))

    def _saying(self, known: Known, stage: Stage, words: str) -> Known:
        return replace(known, stage=stage, say=words, number=known.number + 1)

    def _note(self, ticket: str, known: Known) -> None:
        with self._ledger.store.uow() as uow:
            uow.cursors.set(f"{self._mark}{ticket}", json.dumps(asdict(known)), self._ledger.clock())
            uow.commit()


def _name(text: str) -> str:
    """A name that somebody wrote, for a ticket; it may be anything."""
    return in_ticket(short(text))


def _which_job(alike: Iterable[KnownJob]) -> BadInput:
    names = "; ".join(f"Job: {in_ticket(one.job)} ({in_ticket(short(one.name))})" for one in alike)
    may_be = f" It may be one of these: {names}." if names else ""
    return BadInput(
        "it does not say which job it is about.", f"Write a line like this: Job: the job's name there.{may_be}"
    )


def _read(value: str) -> Known | None:
    """None where another version wrote it."""
    try:
        said = json.loads(value)
        return Known(**{**said, "stage": Stage(said["stage"]), "heard": tuple(said["heard"])})
    except (ValueError, TypeError, KeyError):
        return None
