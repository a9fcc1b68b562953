"""What the pages show of cases and tickets, read from the store and the vault."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from urllib.parse import quote

from caseproof.channels.inbound.reading import read_mail
from caseproof.desks.base import UnknownTicket
from caseproof.domain.case import Case, Fact
from caseproof.domain.closure import Blocker, closure_blockers
from caseproof.domain.errors import CaseproofError
from caseproof.domain.events import Event
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.job_failure.lifecycle import State
from caseproof.domain.job_failure.pictures import kind_of_picture, may_be_taken_back, may_be_uploaded, waiting_picture
from caseproof.domain.payloads import Noted
from caseproof.domain.support.conditions import linked_jobs
from caseproof.domain.support.procedure import SUPPORT
from caseproof.domain.vocabulary import BY_PAGE, Disposition, Picture
from caseproof.evidence.vault import Vault, VaultError
from caseproof.procedure.closing.running import what_a_removal_left
from caseproof.procedure.core.retailer_answer import came_by, doubts
from caseproof.procedure.core.texts import short
from caseproof.procedure.escalation.opening import support_cases_of
from caseproof.procedure.views.case_page import cause_in_words, next_action, sentence
from caseproof.procedure.views.owed import OwedLine, owed_lines
from caseproof.procedure.views.support import SupportView, facts, on_the_way, support_view
from caseproof.store import EvidenceRow, MessageRow, Store, UnknownCase
from caseproof.store.tickets import AttachmentRow, CommentRow, TicketRow
from caseproof.store.worklist import Handled

_READ_AT_MOST = 200_000
"""Larger messages, in bytes, are not read for a list."""

INBOX_SHOWN = 200
"""How many messages that wait to be read are shown, the oldest first."""

SETTLED_SHOWN = 20
"""How many messages that wait for nobody are shown, the latest first."""

_TICKET = re.compile(r"T-([0-9]{6,18})", re.ASCII)


# -- what came from retailers ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Heap:
    """The messages of one kind that wait to be read: how many there are, and what to do about each."""

    name: str
    count: int
    what_to_do: str


@dataclass(frozen=True, slots=True)
class InboxPage:
    """Messages that wait to be read, oldest first, each with what it is called and its first words; how many are not
    shown; and the latest that wait for nobody, with what they are called."""

    heaps: list[Heap]
    rows: list[tuple[MessageRow, str, str]]
    left_out: int
    settled: list[tuple[MessageRow, str]]


HEAPS: Mapping[Disposition, tuple[str, str]] = {
    Disposition.REPLY: (
        "Reply",
        "Read it, and say in the case's form what it means; where the case is closed, answer by mail.",
    ),
    Disposition.REFUSED: (
        "Does not count",
        "See who wrote it. If it is the retailer's word all the same, record it; register a new contact first.",
    ),
    Disposition.UNMATCHED: (
        "No case",
        "Find the case that it is about. Put the message there, and record it if it is the retailer's word.",
    ),
    Disposition.BOUNCE: ("Came back", "Ask the retailer for an address that works, and register it."),
    Disposition.UNREADABLE: (
        "Unreadable",
        "Look at the message itself, and ask the sender to write again in plain text.",
    ),
}
"""What the places are called in front of people, and what to do about what lies there."""

NAMES: Mapping[Disposition, str] = {place: name for place, (name, _) in HEAPS.items()} | {
    Disposition.COUNTED: "Counted",
    Disposition.SUPPORT: "Support",
    Disposition.AUTOMATIC: "Automatic",
    Disposition.DUPLICATE: "Came twice",
}


def inbox_page(store: Store, vault: Vault) -> InboxPage:
    """What came from retailers: what a person has to read, and the latest that does not. Raises StoreError."""
    with store.reading() as uow:
        rows = uow.messages.to_look_at(INBOX_SHOWN)
        counts = uow.messages.counts()
        settled = uow.messages.settled(SETTLED_SHOWN)
    heaps = [Heap(name, counts[place], what) for place, (name, what) in HEAPS.items() if counts.get(place)]
    named = [(row, NAMES[row.place], _first_words(vault, row)) for row in rows]
    return InboxPage(heaps, named, sum(counts.values()) - len(rows), [(row, NAMES[row.place]) for row in settled])


def _first_words(vault: Vault, row: MessageRow) -> str:
    """How a message begins; "" where that cannot be read: its file is linked beside it."""
    own, whole = words_of(vault, row) if row.size <= _READ_AT_MOST else ("", "")
    return short(own or whole)


def words_of(vault: Vault, row: MessageRow) -> tuple[str, str]:
    """Its own words, and all of them with what it quotes; "" where they cannot be read."""
    with suppress(CaseproofError, ValueError, KeyError, TypeError):  # strangers write these, and people damage files
        content = vault.read(row.digest)
        if row.way == BY_PAGE:
            return (words := str(json.loads(content)["typed"]["words"])), words
        mail = read_mail(content)
        return mail.own_words, mail.words
    return "", ""


# -- one case -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ShownStep:
    """A state on the way to the closing: behind, now or ahead."""

    state: StrEnum
    place: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Entry:
    """An event on the timeline; ``quiet`` for those that carry no news."""

    number: int
    event: Event
    text: str
    quiet: bool


@dataclass(frozen=True, slots=True)
class ShownAnswer:
    """What the retailer said: which way it came, what speaks against counting it, and whether it is of an earlier
    opening of the case."""

    fact: Fact
    came_by: str
    doubts: list[str]
    past: bool


@dataclass(frozen=True, slots=True)
class PictureView:
    """Beside the picture of the run's own page: one that ``waits`` for somebody else's eyes, whether one ``may`` be
    uploaded, and the upload of the picture in force, if it is one ``by_hand``; of what ``page`` it is otherwise, and
    whether people ``may_back`` out of it."""

    waits: Fact | None
    may: bool
    by_hand: Fact | None
    page: str
    may_back: bool


def picture_of(case: Case) -> PictureView:
    """What the page shows of pictures that people upload."""
    by_hand = case.uploaded if kind_of_picture(case) is Picture.UPLOADED else None
    page = kind_of_picture(case).page
    return PictureView(waiting_picture(case), may_be_uploaded(case), by_hand, page, may_be_taken_back(case))


@dataclass(frozen=True, slots=True)
class ProofView:
    """The proof in force: what its file says, or the problem with reading it."""

    digest: str
    rule: str
    name: str
    says: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""
    next_action: str = ""


@dataclass(frozen=True, slots=True)
class CasePage:
    """Everything that the page of a case shows; ``beside`` stands beside its question, names and values; ``support`` is
    what a support case shows, None for others; ``left`` is what a removal left, "" where none was carried out;
    ``together`` are the support cases of a job's case, and the jobs' cases of a support case."""

    case: Case
    state_says: str
    cause: str
    beside: tuple[tuple[str, str], ...]
    support: SupportView | None
    next_action: str
    strip: list[ShownStep]
    blockers: list[Blocker]
    owed: list[OwedLine]
    decisions: tuple[Fact, ...]
    said: list[ShownAnswer]
    refused_words: tuple[Fact, ...]
    bounced: tuple[Fact, ...]
    notes: tuple[Fact, ...]
    proof: ProofView | None
    evidence: list[EvidenceRow]
    timeline: list[Entry]
    handled: list[Handled]
    flow_run: str
    flow_run_url: str
    left: str
    together: tuple[str, ...]


def case_page(store: Store, vault: Vault, ref: str, prefect_ui: str) -> CasePage:
    """The page of a case. Raises UnknownCase, StoreError."""
    with store.reading() as uow:
        case = uow.cases.get(ref)
        evidence = uow.evidence.of(case.ref)
        run = uow.cases.run_of(case.ref)
        handled = uow.worklist.handling(case.ref)
        owed = owed_lines(uow.owed.of(case.ref))
    flow_run = run.flow_run if run else ""
    return CasePage(
        case=case,
        cause=cause_in_words(case),
        beside=tuple(_beside(case)),
        support=support_view(case) if case.procedure is SUPPORT else None,
        state_says=case.procedure.sentences[case.state],
        next_action=next_action(case),
        strip=_strip(case),
        blockers=[] if case.is_closed else closure_blockers(case),
        owed=owed,
        decisions=case.every(Kind.DECIDED, Kind.KEPT_PAUSED),
        said=_said(case),
        refused_words=case.every(Kind.CONFIRMATION_REFUSED),
        bounced=case.every(Kind.ADDRESS_BOUNCED),
        notes=case.all_of(Noted),
        proof=_proof(vault, case),
        evidence=evidence,
        timeline=_timeline(case.events),
        handled=handled,
        flow_run=flow_run,
        flow_run_url=f"{prefect_ui}/runs/flow-run/{quote(flow_run, safe='')}" if prefect_ui and flow_run else "",
        left=_left(case),
        together=tuple(linked_jobs(case) if case.procedure is SUPPORT else support_cases_of(case)),
    )


def _beside(case: Case) -> list[tuple[str, str]]:
    """What whoever answers has to see beside the question."""
    if case.procedure is SUPPORT:
        return [("In a line", str(case.facts["summary"])), *facts(case)]
    return [
        ("What fails", str(case.facts["summary"])),
        ("Cause", cause_in_words(case)),
        ("Retailer", case.facts.get("retailer") or "not known"),
        ("Marketplace", case.facts.get("marketplace") or "none"),
    ]


def _left(case: Case) -> str:
    if case.verified is None or case.verified["purpose"] != "removal":
        return ""
    return what_a_removal_left(case, f"the job's own page, {case.facts.get('job_url') or case.facts['job']}")


def _said(case: Case) -> list[ShownAnswer]:
    """Every word and reply, oldest first; a reply that was recorded as a confirmation stands there as that alone."""
    words = case.every(Kind.CONFIRMATION_RECEIVED, Kind.REPLY_RECEIVED)
    recorded = {fact["evidence"]: fact.seq for fact in words if fact.event.kind is Kind.CONFIRMATION_RECEIVED}
    begun = case.last_opened.seq if case.last_opened else 0
    return [
        ShownAnswer(fact, came_by(fact), doubts(case, fact), past=fact.seq < begun)
        for fact in words
        if recorded.get(fact["evidence"], 0) <= fact.seq
    ]


def _strip(case: Case) -> list[ShownStep]:
    """The states on the way, without those that this case does not pass."""
    if case.procedure is SUPPORT:
        order: list[StrEnum] = [*on_the_way(case)]
    else:
        order = [state for state in case.procedure.states if _is_on_the_way(case, state)]
    now = order.index(case.state)
    places = ["behind" if n < now else "now" if n == now else "ahead" for n in range(len(order))]
    return [
        ShownStep(state, place, case.procedure.sentences[state]) for state, place in zip(order, places, strict=True)
    ]


def _is_on_the_way(case: Case, state: StrEnum) -> bool:
    if state is State.PAUSED:
        return case.state is State.PAUSED
    if state is State.REVIEWED and case.review is None:
        return case.decision is None or bool(case.decision.get("review", "anybody"))
    return True


def _timeline(events: Sequence[Event]) -> list[Entry]:
    return [Entry(number, event, sentence(event), not event.kind.spec.news) for number, event in enumerate(events, 1)]


def _proof(vault: Vault, case: Case) -> ProofView | None:
    if case.proof is None:
        return None
    digest, rule, name = case.proof.data["evidence"], case.proof.data["rule"], case.proof.data.get("file", "")
    try:
        return ProofView(digest, rule, name, says=json.loads(vault.read(digest)))
    except (VaultError, ValueError) as error:
        # The case stays closed, for its events say so; but whoever reads this must know.
        problem = "The proof's file is damaged or gone, so what it says cannot be shown here."
        wrong = error.next_action if isinstance(error, CaseproofError) else ""
        return ProofView(digest, rule, name, problem=problem, next_action=wrong)


# -- a ticket of the embedded desk ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TicketPage:
    """A ticket: its attachments come with whether the vault has them, unchanged."""

    id: str
    ticket: TicketRow
    case: Case | None
    comments: list[CommentRow]
    attachments: list[tuple[AttachmentRow, bool]]


def ticket_number(ticket_id: str) -> int | None:
    """The number of a ticket of the embedded desk, by what it is called; None where that is none of its names."""
    match = _TICKET.fullmatch(ticket_id.upper())
    return int(match[1]) if match else None


def ticket_page(store: Store, vault: Vault, ticket_id: str) -> TicketPage:
    """The page of a ticket. Raises UnknownTicket, StoreError, VaultError."""
    number = ticket_number(ticket_id)
    with store.reading() as uow:
        row = uow.tickets.get(number) if number is not None else None
        if row is None:
            raise UnknownTicket(
                f"There is no ticket {ticket_id[:80]!r} on Caseproof's own desk.",
                "Open the ticket from its case; the tickets of another desk are shown by that desk.",
            )
        comments, files = uow.tickets.comments(row.id), uow.tickets.attachments(row.id)
        try:
            case = uow.cases.get(row.key)
        except UnknownCase:
            case = None  # raised by a person, or by another program
    kept = [(file, vault.has(file.digest)) for file in files]
    return TicketPage(f"T-{row.id:06d}", row, case, comments, kept)
