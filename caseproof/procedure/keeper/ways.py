"""Every kind of what can be owed has one entry here: what it is called in front of people, and how it is done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from caseproof.config.policy import Policy
from caseproof.desks.base import Desk, DeskDown, DeskError
from caseproof.domain.case import Case
from caseproof.domain.owing import Debt
from caseproof.procedure.answers.writing_back import send_written
from caseproof.procedure.closing.development import ensure_development_tickets, tell_development
from caseproof.procedure.closing.ticket import close_ticket, desk_of, desk_to_open_on, ensure_ticket, note_words
from caseproof.procedure.core.parts import Dispatch, Effects, EvidenceFiles, Ledger, Links
from caseproof.procedure.core.support import people_of
from caseproof.procedure.notify.correcting import tell_correction
from caseproof.procedure.notify.recovery import tell_recovery
from caseproof.procedure.notify.reminding import remind
from caseproof.procedure.notify.renewing import renew_link
from caseproof.procedure.paging.review import keep_reviews
from caseproof.store import OwedRow


@dataclass(frozen=True)
class Hands:
    """What it is done with; ``desk`` and ``dispatch`` (what mail goes out by) may raise when they are used.

    Each kind's function gives the cases of which it was done: mail may be about several.
    """

    ledger: Ledger
    effects: Effects
    links: Links
    policy: Policy
    desk: Callable[[], Desk]
    dispatch: Callable[[], Dispatch]
    files: EvidenceFiles
    desk_called: Callable[[str], Desk] | None = None
    """The desk of this name, where the policy names several; else there is one."""

    def desk_named(self, name: str) -> Desk:
        """The desk that the policy calls so."""
        return self.desk() if self.desk_called is None or name == self.policy.desk else self.desk_called(name)

    def desk_for(self, what: Debt, case: Case) -> str:
        """On which desk something that a case owes is done, as the policy calls it."""
        match what:
            case Debt.DEVELOPMENT:
                return self.policy.development_desk
            case Debt.TICKET_OPENING:
                return desk_to_open_on(self.policy, case)
            case _:
                return desk_of(self.policy, case)

    def through(self, what: Debt, case: Case) -> str:
        """Which system it takes: where that is down, nothing else that takes it is begun."""
        system = WAYS[what].through
        return f"desk {self.desk_for(what, case)}" if system == "desk" else system

    def _desk(self, ref: str) -> Desk:
        return self.desk_named(desk_of(self.policy, self.ledger.case(ref)))

    def recovery(self, ref: str) -> list[str]:
        """The mail that says how it ended."""
        tell_recovery(self.ledger, self.dispatch(), ref, turns=0)
        return [ref]

    def correction(self, ref: str) -> list[str]:
        """The mail that takes back a wrong cause."""
        tell_correction(self.ledger, self.dispatch(), self.policy, ref, turns=0)
        return [ref]

    def reminder(self, ref: str) -> list[str]:
        """The reminder."""
        return remind(self.ledger, self.dispatch(), self.policy, ref)

    def link(self, ref: str) -> list[str]:
        """The new link."""
        return renew_link(self.ledger, self.dispatch(), self.policy, ref)

    def mail(self, ref: str) -> list[str]:
        """All mail that people wrote in it."""
        send_written(self.ledger, self.dispatch(), ref)
        return [ref]

    def ticket(self, ref: str) -> list[str]:
        """The ticket's closing, after what happened: what is told on a closed ticket nobody reads.

        What the desk refuses to be told for good holds it up no more: that is owed by itself.
        """
        try:
            self.note(ref)
        except DeskDown:
            raise
        except DeskError:
            pass
        close_ticket(self.ledger, self.links, self._desk(ref), ref)
        return [ref]

    def ticket_opening(self, ref: str) -> list[str]:
        """The ticket of a support case."""
        people, name = people_of(self.policy), desk_to_open_on(self.policy, self.ledger.case(ref))
        ensure_ticket(self.ledger, self.effects, self.links, self.desk_named(name), ref, desk_name=name, people=people)
        return [ref]

    def development(self, ref: str) -> list[str]:
        """The tickets for the development team, and what is told on them."""
        name = self.policy.development_desk
        ensure_development_tickets(
            self.ledger, self.effects, self.files, self.links, self.desk_named(name), ref, desk_name=name
        )
        tell_development(self.effects, self.links, self.desk_named, self.ledger.case(ref))
        return [ref]

    def review(self, ref: str) -> list[str]:
        """The timelines of emergencies that are over."""
        desk = self._desk(ref) if self.ledger.case(ref).ticket is not None else None
        keep_reviews(self.ledger, self.effects, self.files, desk, ref)
        return [ref]

    def note(self, ref: str) -> list[str]:
        """All comments that the ticket lacks."""
        note_words(self.ledger, self.effects, self.links, self._desk(ref), ref, people=people_of(self.policy))
        return [ref]


@dataclass(frozen=True, slots=True)
class Way:
    """How a kind is called in front of people, and how it is done: ``do`` of ``Hands``, ``through`` another system.

    Without ``do`` it is not the list that has it done: the case's own run, or the team's mail of each pass.
    ``instead`` is what a person does who wants it no more; "" where it can be given up.
    """

    thing: str
    do: Callable[[Hands, str], list[str]] | None = None
    through: Literal["mail", "desk", ""] = ""
    instead: str = ""


_IN_THE_FORM = "Answer in the case's form: the case needs it."
WAYS: Mapping[Debt, Way] = MappingProxyType(
    {
        Debt.STEP: Way("a step of the case", instead=_IN_THE_FORM),
        Debt.TICKET: Way("the closing of its ticket", Hands.ticket, "desk"),
        Debt.RECOVERY: Way("the mail to the retailer that says how it ended", Hands.recovery, "mail"),
        Debt.CORRECTION: Way("the mail to the retailer that takes back a wrong cause", Hands.correction, "mail"),
        Debt.TICKET_OPENING: Way("its ticket", Hands.ticket_opening, "desk"),
        Debt.NOTE: Way("what happened, on the ticket", Hands.note, "desk"),
        Debt.DEVELOPMENT: Way("the ticket for the development team", Hands.development, "desk"),
        Debt.REVIEW: Way("the timeline of the emergency, kept and on the ticket", Hands.review, "desk"),
        Debt.RECORDING: Way(
            "the recording of the emergency's session, or why there is none",
            instead="Say on the case's page of recordings why there is none.",
        ),
        Debt.MAIL: Way("the mail to the retailer that somebody on the team wrote", Hands.mail, "mail"),
        Debt.ALERT: Way("what the team has to hear", instead="It is told with the next mail to the team."),
        Debt.REMINDER: Way("the mail that reminds the retailer", Hands.reminder, "mail", instead=_IN_THE_FORM),
        Debt.LINK: Way("the mail to the retailer with a new link", Hands.link, "mail", instead=_IN_THE_FORM),
        Debt.TEAM_MAIL: Way("the mail to the team", instead="Take `mail.team` out of the policy, or correct it."),
        Debt.RAISE: Way("a case that somebody wants", instead="Take it back where it was wanted, on `/raise`."),
    }
)


_NAMED = (Debt.STEP, Debt.RAISE)
"""Kinds whose key says more to people."""


def thing_of(row: OwedRow) -> str:
    """What is owed, in words."""
    return f"{WAYS[row.what].thing}: {row.key}" if row.what in _NAMED else WAYS[row.what].thing
