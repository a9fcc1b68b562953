"""A desk on which people work: they raise tickets, write on them and close them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from caseproof.desks.abilities import DeskAbility, all_but
from caseproof.desks.base import Comment, DeskDown, Raised, Ticket, UnknownTicket
from caseproof.procedure.containment.known_jobs import note_jobs
from tests.support.fakes import FaultyDesk
from tests.support.world import JOB, World

WHO = "operator@example.com"


class PeoplesDesk(FaultyDesk):
    """The embedded desk, where people work, too: they raise tickets, write on them and close them."""

    abilities = all_but(DeskAbility, {})

    def __init__(self, *given) -> None:
        super().__init__(*given)
        self.by_people: list[Raised] = []
        self.written: dict[str, list[Comment]] = {}
        self.asked = 0
        self.down = False
        self.deleted: set[str] = set()

    def _ask(self) -> None:
        self.asked += 1
        if self.down:
            raise DeskDown("The desk does not answer.", "Wait.")

    def raised(self, since: datetime) -> Sequence[Raised]:
        self._ask()
        return [one for one in self.by_people if one.at > since]

    def comments(self, ticket_id: str) -> Sequence[Comment]:
        self._ask()
        return sorted([*super().comments(ticket_id), *self.written.get(ticket_id, [])], key=lambda one: one.at)

    def ticket(self, ticket_id: str) -> Ticket:
        self._ask()
        if ticket_id in self.deleted:
            raise UnknownTicket(f"There is no ticket {ticket_id}.", "Name another.")
        return super().ticket(ticket_id)

    # -- what people do --

    def raise_one(self, subject: str, body: str = "") -> str:
        ticket = super().create(f"by a person {len(self.by_people)}", subject, body)
        self.by_people.append(Raised(ticket, WHO, body, self._clock()))
        return ticket.id

    def write(self, ticket_id: str, text: str, by: str = "colleague") -> None:
        there = self.written.setdefault(ticket_id, [])
        there.append(Comment(f"c{len(there)}", by, text, self._clock(), ours=False))

    def delete(self, ticket_id: str) -> None:
        self.deleted.add(ticket_id)

    def texts(self, ticket_id: str) -> list[str]:
        return [one.text for one in super().comments(ticket_id)]


def with_people(world: World) -> World:
    """This world, whose desk is one on which people work, and whose job is known to the check."""
    world.desk = PeoplesDesk(world.services.store, world.vault, world.clock, world.services.settings.public)
    note_jobs(world.services.store, world.clock, "jobs", [world.platform.job(JOB)])
    return world
