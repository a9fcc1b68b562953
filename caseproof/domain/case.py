"""What a case is at a moment: the facts that still count, and all that ever happened. ``fold`` makes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from caseproof.domain.decisions import Decision
from caseproof.domain.errors import BadInput
from caseproof.domain.events import ASIDE, GENESIS, Event, Kind, head
from caseproof.domain.lifecycle import State


@dataclass(frozen=True, slots=True)
class Fact:
    """An event that still counts, with its place in the list."""

    seq: int
    event: Event

    @property
    def at(self) -> datetime:
        return self.event.at

    @property
    def actor(self) -> str:
        return self.event.actor

    def __getitem__(self, name: str) -> Any:
        return self.event.data[name]

    def get(self, name: str, default: Any = None) -> Any:
        return self.event.data.get(name, default)


@dataclass(frozen=True, slots=True)
class Case:
    """One failing job, from the stop to the proof.

    ``opening`` counts how often the case was opened (1 at first, +1 a reopening): a proof belongs to one opening.
    ``round`` counts how often it had to be stopped anew: each round has its own stop and notice.
    ``attempt`` counts the runs that were started, over the whole life of the case.
    """

    ref: str
    state: State = State.OPENED
    opening: int = 0
    round: int = 0
    attempt: int = 0
    version: int = 0
    head: str = GENESIS
    opened: Fact | None = None
    corrected: Mapping[str, Any] = field(default_factory=dict)
    last_opened: Fact | None = None
    contained: Fact | None = None
    ticket: Fact | None = None
    notice: Fact | None = None
    confirmations: tuple[Fact, ...] = ()
    replies: tuple[Fact, ...] = ()
    decision: Fact | None = None
    validated: Fact | None = None
    run: Fact | None = None
    verified: Fact | None = None
    live: Fact | None = None
    neighbours_live: Fact | None = None
    photo: Fact | None = None
    attached: tuple[Fact, ...] = ()
    review: Fact | None = None
    look: Fact | None = None
    proof: Fact | None = None
    head_before_proof: str = GENESIS
    closed: Fact | None = None
    ticket_closed: Fact | None = None
    ticket_reopened: Fact | None = None
    recovery: Fact | None = None
    incident: Fact | None = None
    trouble: Fact | None = None
    last_failure: Fact | None = None
    asked: Mapping[int, Fact] = field(default_factory=dict)
    answered: Mapping[int, Fact] = field(default_factory=dict)
    refused: Fact | None = None
    handled: frozenset[int] = frozenset()
    events: tuple[Event, ...] = ()

    @property
    def is_closed(self) -> bool:
        return self.state is State.CLOSED

    @property
    def mark(self) -> str:
        """What tells this case from one of the same reference in another store: part of every key given to others."""
        return head(self.events[:1])[:8]

    @property
    def facts(self) -> Mapping[str, Any]:
        """What the case is about: platform, job, job_name, retailer, marketplace, cause, ... (as corrected since)."""
        if self.opened is None:
            raise BadInput(f"{self.ref} has no events.", "Check the reference with `caseproof case list`.")
        return {**self.opened.event.data, **self.corrected}

    @property
    def decided(self) -> Decision | None:
        """The decision in force. Keeping paused is one too; it never closes a case."""
        if self.decision is None:
            return None
        if self.decision.event.kind is Kind.KEPT_PAUSED:
            return Decision.KEEP_PAUSED
        word = self.decision["decision"]
        return next((decision for decision in Decision if decision == word), None)

    @property
    def paused_until(self) -> date | None:
        """The date until which the team keeps the account paused, if it does."""
        if self.decision is None or self.decision.event.kind is not Kind.KEPT_PAUSED:
            return None
        return date.fromisoformat(self.decision["until"])

    @property
    def stopped_jobs(self) -> tuple[Mapping[str, Any], ...]:
        """The jobs this case stopped: mappings with ``job``, ``name`` and ``was_active``."""
        if self.contained is None or self.contained.event.kind is not Kind.STOPPED:
            return ()
        return tuple(self.contained["jobs"])

    @property
    def unhandled(self) -> tuple[Fact, ...]:
        """Answers that were read but not acted on yet, oldest first (a crash may lie in between)."""
        return tuple(fact for number, fact in sorted(self.answered.items()) if number not in self.handled)

    @property
    def words(self) -> tuple[Fact, ...]:
        """The confirmations that say something: an empty one confirms nothing (J8)."""
        return tuple(f for f in self.confirmations if isinstance(f["words"], str) and f["words"].strip())

    @property
    def open_replies(self) -> tuple[Fact, ...]:
        """The replies that no confirmation was made of and nobody has answered, oldest first: a person says what they
        mean."""
        settled = {fact["evidence"] for fact in (*self.confirmations, *self.answered_replies)}
        return tuple(fact for fact in self.replies if fact["evidence"] not in settled)

    @property
    def answered_replies(self) -> tuple[Fact, ...]:
        """Replies that a member of the team has answered, so that the case waits on."""
        return tuple(fact for fact in self.every(Kind.CONFIRMATION_REFUSED) if fact.get("question") is not None)

    @property
    def question(self) -> Fact | None:
        """The question that waits for an answer now."""
        number = self.question_number
        return None if number in self.answered else self.asked.get(number)

    @property
    def has_news(self) -> bool:
        """Whether something happened since the question was asked, so that its run should look at the case again."""
        question = self.question
        return question is not None and any(e.kind not in ASIDE for e in self.events[question.seq :])

    def every(self, *kinds: Kind) -> tuple[Fact, ...]:
        """The events of these kinds over the whole life of the case, whether they still count or not; oldest first."""
        return tuple(Fact(number, event) for number, event in enumerate(self.events, 1) if event.kind in kinds)

    def since_notice(self, kind: Kind) -> tuple[Event, ...]:
        """The events of this kind since the retailer was told in this round."""
        return tuple(e for e in self.events[self.notice.seq :] if e.kind is kind) if self.notice else ()

    def since_question(self, kind: Kind) -> tuple[Event, ...]:
        """The events of this kind since the question that waits now was asked."""
        return tuple(e for e in self.events[self.question.seq :] if e.kind is kind) if self.question else ()

    @property
    def nudges(self) -> tuple[Event, ...]:
        """The times that the team was told of the question that waits; not what it was told aside of that."""
        return tuple(event for event in self.since_question(Kind.TEAM_TOLD) if not event.data.get("aside"))

    @property
    def unanswered_since(self) -> datetime | None:
        """When the retailer was told in this round, or answered last by the team; None where the case waits and a reply
        of theirs came since: then it is the team's turn.

        Keeping the account paused settles what they had written until then; after that a confirmation is news, too
        (before, the question that waits says so: it is another one).
        """
        if self.notice is None:
            return None
        paused = self.decision.seq if self.decision and self.decision.event.kind is Kind.KEPT_PAUSED else 0
        settled = max(self.notice.seq, paused)
        news = (*self.open_replies, *(self.confirmations if paused else ()))
        waits = self.state in (State.WAITING, State.PAUSED)
        if waits and any(fact.seq > settled for fact in news):
            return None
        return max([self.notice.at, *(fact.at for fact in self.answered_replies if fact.seq > self.notice.seq)])

    @property
    def question_number(self) -> int:
        """The number of the latest question; 0 before the first."""
        return max(self.asked, default=0)
