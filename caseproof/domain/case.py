"""What a case is at a moment: the facts that still count, and all that ever happened. ``fold`` makes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar, cast

from caseproof.domain import payloads as says
from caseproof.domain.codes import MessageCode
from caseproof.domain.errors import BadInput
from caseproof.domain.events import GENESIS, Event, head
from caseproof.domain.people import same_person
from caseproof.domain.vocabulary import BY_LOGIN, Decision

if TYPE_CHECKING:
    from caseproof.domain.procedure import Procedure
    from caseproof.domain.specs import EventKind

P_co = TypeVar("P_co", bound=Mapping[str, Any], covariant=True)
Q = TypeVar("Q", bound=Mapping[str, Any])


@dataclass(frozen=True, slots=True)
class FactOf(Generic[P_co]):
    """An event that still counts, with its place in the list; of a kind with this payload."""

    seq: int
    event: Event

    @property
    def at(self) -> datetime:
        return self.event.at

    @property
    def actor(self) -> str:
        return self.event.actor

    @property
    def data(self) -> P_co:
        """What it says, by names that a type checker knows."""
        return cast("P_co", self.event.data)

    def says(self, payload: type[Q]) -> Q | None:
        """What it says, if it is of the kind that has this payload; else None."""
        return self.event.says(payload)

    def __getitem__(self, name: str) -> Any:
        return self.event.data[name]

    def get(self, name: str, default: Any = None) -> Any:
        return self.event.data.get(name, default)


Fact: TypeAlias = FactOf[Any]
"""An event of whatever kind that still counts."""


@dataclass(frozen=True, slots=True)
class Case:
    """One matter, from its opening to the proof: a failing job, say. Its procedure says which events make it.

    ``opening`` counts how often the case was opened (1 at first, +1 a reopening): a proof belongs to one opening.
    ``round`` counts how often it had to be stopped anew: each round has its own stop and notice.
    ``attempt`` counts the runs that were started, over the whole life of the case.
    ``own`` are the facts that count under names of which only the case's procedure knows.
    """

    ref: str
    procedure: Procedure
    state: StrEnum
    opening: int = 0
    round: int = 0
    attempt: int = 0
    version: int = 0
    head: str = GENESIS
    opened: FactOf[says.Opened] | None = None
    corrected: Mapping[str, Any] = field(default_factory=dict)
    last_opened: FactOf[says.Opened | says.Reopened] | None = None
    contained: FactOf[says.Stopped | says.CannotStop] | None = None
    ticket: FactOf[says.TicketOpened] | None = None
    notice: FactOf[says.NoticeSent] | None = None
    confirmations: tuple[FactOf[says.ConfirmationReceived], ...] = ()
    replies: tuple[FactOf[says.ReplyReceived], ...] = ()
    agreements: tuple[FactOf[says.WordAgreed], ...] = ()
    decision: FactOf[says.Decided | says.KeptPaused] | None = None
    validated: FactOf[says.ChangeValidated] | None = None
    run: FactOf[says.RunStarted] | None = None
    verified: FactOf[says.RunVerified] | None = None
    live: FactOf[says.ScheduleLive] | None = None
    neighbours_live: FactOf[says.NeighboursLive] | None = None
    photo: FactOf[says.Photographed | says.PictureConfirmed] | None = None
    uploaded: FactOf[says.PictureUploaded] | None = None
    attached: tuple[FactOf[says.Attached], ...] = ()
    review: FactOf[says.ReviewApproved] | None = None
    look: FactOf[says.LookedAgain] | None = None
    proof: FactOf[says.ProofMade] | None = None
    head_before_proof: str = GENESIS
    closed: FactOf[says.Closed] | None = None
    ticket_closed: FactOf[says.TicketClosed] | None = None
    ticket_reopened: FactOf[says.TicketReopened] | None = None
    recovery: FactOf[says.RecoveryTold] | None = None
    incident: FactOf[says.IncidentJoined] | None = None
    cause_awaited: FactOf[says.CauseAwaited] | None = None
    cause_settled: FactOf[says.CauseChosen | says.CauseLeftOpen] | None = None
    correction: FactOf[says.NoticeCorrected] | None = None
    trouble: FactOf[says.Trouble] | None = None
    last_failure: FactOf[says.RunFailed | says.FailedAgain | says.ReviewRejected] | None = None
    asked: Mapping[int, FactOf[says.QuestionAsked]] = field(default_factory=dict)
    answered: Mapping[int, FactOf[says.QuestionAnswered]] = field(default_factory=dict)
    refused: FactOf[says.AnswerRefused] | None = None
    handled: frozenset[int] = frozenset()
    own: Mapping[str, Fact] = field(default_factory=dict)
    events: tuple[Event, ...] = ()

    @property
    def is_closed(self) -> bool:
        return self.closed is not None

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
    def name(self) -> str:
        """What it is about, in a line: the job's name, or what a client wants."""
        return str(self.procedure.listed_as(self.facts).get("job_name") or self.ref)

    @property
    def decided(self) -> Decision | None:
        """The decision in force. Keeping paused is one too; it never closes a case."""
        if self.decision is None:
            return None
        taken = self.decision.says(says.Decided)
        if taken is None:
            return Decision.KEEP_PAUSED
        return next((decision for decision in Decision if decision == taken["decision"]), None)

    @property
    def kept_paused(self) -> says.KeptPaused | None:
        """Until when the team keeps the account paused, and why, if it does."""
        return self.decision.says(says.KeptPaused) if self.decision else None

    @property
    def paused_until(self) -> date | None:
        """The date until which the team keeps the account paused, if it does."""
        return date.fromisoformat(self.kept_paused["until"]) if self.kept_paused else None

    @property
    def stopped_jobs(self) -> tuple[says.JobAtStop, ...]:
        """The jobs this case stopped: mappings with ``job``, ``name`` and ``was_active``."""
        stopped = self.contained.says(says.Stopped) if self.contained else None
        return tuple(stopped["jobs"]) if stopped else ()

    @property
    def unhandled(self) -> tuple[FactOf[says.QuestionAnswered], ...]:
        """Answers that were read but not acted on yet, oldest first (a crash may lie in between)."""
        return tuple(fact for number, fact in sorted(self.answered.items()) if number not in self.handled)

    @property
    def words(self) -> tuple[FactOf[says.ConfirmationReceived], ...]:
        """The confirmations that a decision may rest on (J8): they say something, and nothing speaks against them, or
        somebody else than who brought them in agreed."""
        return tuple(f for f in self._said if not f.data.get("doubts") or self.agreement_to(f) is not None)

    @property
    def doubted(self) -> tuple[FactOf[says.ConfirmationReceived], ...]:
        """The confirmations that something speaks against, and of which nobody else has said whether they count."""
        counted = {fact.seq for fact in self.words}
        return tuple(fact for fact in self._said if fact.seq not in counted and self.refusal_of(fact) is None)

    @property
    def _said(self) -> tuple[FactOf[says.ConfirmationReceived], ...]:
        """The confirmations that say something: an empty one confirms nothing (J8)."""
        return tuple(f for f in self.confirmations if isinstance(f.data["words"], str) and f.data["words"].strip())

    def agreement_to(self, word: Fact) -> FactOf[says.WordAgreed] | None:
        """By what somebody else than who brought in this word said that it counts in spite of its doubts, or None."""
        of_it = (fact for fact in self.agreements if _is_about(fact, word))
        return next((fact for fact in of_it if not same_person(fact.actor, word.actor)), None)

    def refusal_of(self, word: Fact) -> FactOf[says.ConfirmationRefused] | None:
        """By what somebody said that this word does not count, or None."""
        refused = self.all_of(says.ConfirmationRefused)
        said = (fact for fact in refused if fact.data.get("code") == MessageCode.NOT_AGREED)
        return next((fact for fact in said if _is_about(fact, word)), None)

    def counts_since(self, word: FactOf[says.ConfirmationReceived]) -> int:
        """The number of the event since which a word counts: its own, or that of the agreement to it."""
        agreed = self.agreement_to(word) if word.data.get("doubts") else None
        return agreed.seq if agreed is not None else word.seq

    @property
    def open_replies(self) -> tuple[FactOf[says.ReplyReceived], ...]:
        """The replies that no confirmation was made of and nobody has answered, oldest first: a person says what they
        mean."""
        settled = {fact.data["evidence"] for fact in self.confirmations}
        settled |= {fact.data["evidence"] for fact in self.answered_replies}
        return tuple(fact for fact in self.replies if fact.data["evidence"] not in settled)

    @property
    def answered_replies(self) -> tuple[FactOf[says.ConfirmationRefused], ...]:
        """Replies that a member of the team has answered, so that the case waits on."""
        return tuple(fact for fact in self.all_of(says.ConfirmationRefused) if fact.data.get("question") is not None)

    @property
    def question(self) -> FactOf[says.QuestionAsked] | None:
        """The question that waits for an answer now."""
        number = self.question_number
        return None if number in self.answered else self.asked.get(number)

    @property
    def has_news(self) -> bool:
        """Whether something happened since the question was asked, so that its run should look at the case again.

        An answer that was given in Prefect resumed the run by itself; one of our page did not.
        """
        asked = self.asked.get(self.question_number)
        if asked is None or (self.question is None and self.answered_here is None):
            return False
        return any(e.kind.spec.wakes for e in self.events[asked.seq :])

    @property
    def answered_here(self) -> FactOf[says.QuestionAnswered] | None:
        """The answer to the latest question, where somebody who is logged in gave it on our page."""
        answer = self.answered.get(self.question_number)
        return answer if answer is not None and answer.data.get("known_by") == BY_LOGIN else None

    def every(self, *kinds: EventKind) -> tuple[Fact, ...]:
        """The events of these kinds over the whole life of the case, whether they still count or not; oldest first."""
        return tuple(FactOf(number, event) for number, event in enumerate(self.events, 1) if event.kind in kinds)

    def all_of(self, payload: type[Q]) -> tuple[FactOf[Q], ...]:
        """The same of the kind with this payload, with the types of what they say."""
        told = enumerate(self.events, 1)
        return tuple(FactOf(number, event) for number, event in told if event.kind.spec.says is payload)

    @property
    def last_told(self) -> FactOf[says.NoticeSent | says.NoticeCorrected] | None:
        """The mail that says what holds for the retailer in this round: the notice, or what corrected it since."""
        return self.correction or self.notice

    def since_notice(self, kind: EventKind) -> tuple[Event, ...]:
        """The events of this kind since the retailer was told in this round."""
        return tuple(e for e in self.events[self.notice.seq :] if e.kind is kind) if self.notice else ()

    def since_told(self, kind: EventKind) -> tuple[Event, ...]:
        """The events of this kind since the retailer was told last: a correction begins anew."""
        return tuple(e for e in self.events[self.last_told.seq :] if e.kind is kind) if self.last_told else ()

    def since_question(self, kind: EventKind) -> tuple[Event, ...]:
        """The events of this kind since the question that waits now was asked."""
        return tuple(e for e in self.events[self.question.seq :] if e.kind is kind) if self.question else ()

    @property
    def reminders(self) -> int:
        """How often the retailer was reminded of what they were told last in this round."""
        begun = self.last_told.seq if self.last_told else len(self.events)
        return sum(event.kind.spec.says is says.ReminderSent for event in self.events[begun:])

    @property
    def nudges(self) -> tuple[Event, ...]:
        """The times that the team was told of the question that waits; not what it was told aside of that."""
        begun = self.question.seq if self.question else len(self.events)
        told = ((event, event.says(says.TeamTold)) for event in self.events[begun:])
        return tuple(event for event, of in told if of is not None and not of.get("aside"))

    @property
    def unanswered_since(self) -> datetime | None:
        """When the retailer was told in this round, or answered last by the team; None where the case waits and a reply
        of theirs came since: then it is the team's turn.

        Keeping the account paused settles what they had written until then; after that a confirmation is news, too
        (before, the question that waits says so: it is another one).
        """
        if self.notice is None:
            return None
        paused = self.decision.seq if self.decision and self.kept_paused else 0
        settled = max(self.notice.seq, paused)
        news: tuple[Fact, ...] = (*self.open_replies, *(self.confirmations if paused else ()))
        waits = self.state in self.procedure.waits_in
        if waits and any(fact.seq > settled for fact in news):
            return None
        told = [self.notice.at, *([self.correction.at] if self.correction else [])]
        return max([*told, *(fact.at for fact in self.answered_replies if fact.seq > self.notice.seq)])

    @property
    def question_number(self) -> int:
        """The number of the latest question; 0 before the first."""
        return max(self.asked, default=0)


def _is_about(said: Fact, word: Fact) -> bool:
    """Whether this was said of that word, after it."""
    return said.seq > word.seq and all(said[name] == word[name] for name in ("sender", "evidence"))
