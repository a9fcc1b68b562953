"""What people do on the desk reaches the case: what they write there stands in its history (J1, E12), and a ticket that
somebody closed while its case is open is opened again, with a comment that names what is missing (J7, J8).

No desk tells of it by itself, so the tickets of open cases are read one after the other, a few a pass: the desk's
limits are kept however many cases are open, and each has its turn.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from caseproof.desks.abilities import DeskAbility
from caseproof.desks.base import Comment, Desk, DeskDown, DeskError, TicketStatus, UnknownTicket
from caseproof.domain import payloads as says
from caseproof.domain.case import Case
from caseproof.domain.closure import closure_blockers
from caseproof.domain.codes import Code
from caseproof.domain.errors import CaseproofError
from caseproof.domain.events import Event
from caseproof.domain.owing import has_open_ticket
from caseproof.procedure.closing.ticket import TicketNotOpen, desk_of, offer_another
from caseproof.procedure.core.parts import Ledger, Links
from caseproof.procedure.core.texts import in_ticket
from caseproof.procedure.keeper.ways import Hands

AT_ONCE = 10
"""How many cases a pass looks after; the others are next."""
MOST_REOPENINGS = 5
"""How often a ticket is opened again while its case is open: after that, people and a desk's own rule are at odds."""
MOST_COMMENTS = 200
"""How many comments a case has: what writes more than people do is read where it stands."""
LONGEST = 4000
"""How many characters of a comment the case has; the ticket has all of them."""
_MARK = "desk/looked-at"
_NO_MORE = (
    f"[The last of {MOST_COMMENTS} comments that the case takes in; what follows stands on the ticket: read it there.]"
)
BY_HAND = "somebody closed it on the desk while the case is open"


class ClosedAgainAndAgain(CaseproofError):
    """Whoever closes the ticket does so each time that it is opened again."""

    code = Code.TICKET_NOT_OPEN


@dataclass
class Found:
    """The cases in which somebody wrote on the ticket, and those whose ticket was opened again."""

    said: list[str] = field(default_factory=list)
    opened_again: list[str] = field(default_factory=list)


def look_at_tickets(hands: Hands, wrong: Callable[[str, Exception], None], hung: float) -> Found:
    """Look at the tickets of the next few open cases. ``wrong`` is told what cannot be done, by case.

    A case of a desk that is down has its turn in the next round. No new one is begun after ``hung`` seconds. Raises
    StoreError.
    """
    found, down, deadline = Found(), set[str](), time.monotonic() + hung
    with hands.ledger.store.reading() as uow:
        noted = uow.cursors.get(_MARK)
        rows = uow.cases.slice(begin := int(noted[0]) if noted else 0, AT_ONCE)
    after = begin
    for row in rows:
        if time.monotonic() > deadline:
            break
        after = row.id
        name = ""
        try:
            case = hands.ledger.case(row.ref)
            name = desk_of(hands.policy, case)
            if name not in down and has_open_ticket(case):
                _look(hands.ledger, hands.links, hands.desk_named(name), case, found)
        except Exception as error:
            if isinstance(error, DeskDown):
                down.add(name)  # its time-out once a pass, not once a case
            offer_another(error, hands.links, row.ref)
            wrong(row.ref, error)
    else:
        after = after if len(rows) == AT_ONCE else 0
    if after != begin:
        with hands.ledger.store.uow() as uow:
            uow.cursors.set(_MARK, str(after), hands.ledger.clock())
            uow.commit()
    return found


def _look(ledger: Ledger, links: Links, desk: Desk, case: Case, found: Found) -> None:
    number = _ticket_of(case)
    if DeskAbility.SAID not in desk.abilities.lacks and _hear(ledger, desk, case, number):
        found.said.append(case.ref)
    if desk.ticket(number).status is TicketStatus.OPEN:
        return
    # Only now: where the case closed meanwhile, it was Caseproof that closed the ticket.
    case = ledger.case(case.ref)
    if not case.is_closed and has_open_ticket(case):
        _open_again(ledger, links, desk, case, number)
        found.opened_again.append(case.ref)


def _hear(ledger: Ledger, desk: Desk, case: Case, number: str) -> bool:
    """Whether somebody wrote there since; each comment is taken in once, by its id on the desk."""
    others = [one for one in desk.comments(number) if not one.ours]

    def news(now: Case) -> list[Event]:
        # Not by the ticket: of one that was merged into another, they stand on that one with the ids that they had.
        known = {(fact.data["comment"], fact.data["written_at"]) for fact in now.all_of(says.SaidOnTicket)}
        new = [one for one in others if (one.id, one.at.isoformat()) not in known][: max(0, MOST_COMMENTS - len(known))]
        said = [_said(ledger, now, number, one) for one in new]
        if said and len(known) + len(said) == MOST_COMMENTS:
            said[-1] = _said(ledger, now, number, replace(new[-1], text=f"{_NO_MORE}\n{new[-1].text}"))
        return said

    return bool(news(case)) and ledger.change(case.ref, news).version > case.version


def _said(ledger: Ledger, case: Case, number: str, one: Comment) -> Event:
    words = one.text if len(one.text) <= LONGEST else f"{one.text[: LONGEST - 2]} …"
    kind = case.procedure.kind(says.SaidOnTicket)
    told = {"words": words, "written_at": one.at.isoformat(), "public": one.public}
    return ledger.event(kind, ticket=number, comment=one.id, by=one.by, **told)


def _open_again(ledger: Ledger, links: Links, desk: Desk, case: Case, number: str) -> None:
    """Say what is missing, open it, and read it back. A crash at any point has the next look do what is left."""
    times = _times(case)
    if times >= MOST_REOPENINGS:
        raise ClosedAgainAndAgain(
            f"The ticket {number} was opened again {times} times and is closed on the desk once more.",
            "See who or which rule of the desk closes it: the case is open, whatever its ticket says.",
        )
    key = f"{case.ref}/closed-by-hand/{case.opening}/{times + 1}"
    text = words_of_reopening(links, case)
    try:
        desk.comment(number, key, text)
    except (DeskDown, UnknownTicket):
        raise
    except DeskError:  # some take no comment on a closed ticket
        desk.set_status(number, TicketStatus.OPEN)
        desk.comment(number, key, text)
    desk.set_status(number, TicketStatus.OPEN)
    if desk.ticket(number).status is not TicketStatus.OPEN:
        raise TicketNotOpen(
            f"Somebody closed {number} on the desk while {case.ref} is open, and the desk does not let it be opened.",
            "Open it there, or see why the desk keeps it closed. The case goes on.",
        )
    event = ledger.event(case.procedure.kind(says.TicketReopened), ticket=number, why=BY_HAND)
    after = ledger.change(
        case.ref, lambda now: [event] if has_open_ticket(now) and not now.is_closed and _times(now) == times else []
    )
    if after.is_closed:  # in between: then it was to be closed
        desk.set_status(number, TicketStatus.CLOSED)


def words_of_reopening(links: Links, case: Case) -> str:
    """What the ticket says to whoever closed it: that the case is open, and what is missing until it may be closed."""
    missing = [f"- {b.rule}: {in_ticket(b.missing)} {in_ticket(b.next_action)}" for b in closure_blockers(case)]
    lines = [
        f"{case.ref} is open, so its ticket is open again. Caseproof closes both when nothing is missing:",
        *(missing or ["- nothing; the case's run is about to make the proof and to close both."]),
        f"The case: {links.case_url(case.ref)}",
    ]
    return "\n".join(lines)


def _times(case: Case) -> int:
    """How often the ticket was opened again in this opening, because somebody had closed it."""
    opened = case.last_opened.seq if case.last_opened else 0
    return sum(1 for fact in case.all_of(says.TicketReopened) if fact.seq > opened and fact.data.get("why"))


def _ticket_of(case: Case) -> str:
    return str(case.ticket.data["ticket"]) if case.ticket else ""
