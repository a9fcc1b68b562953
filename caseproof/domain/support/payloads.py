"""What the events of a support case say, by their kinds; those that every procedure has stand in ``domain.payloads``.

``tier`` is the tier as which whoever acts does so; that they belong to it is checked at the entry (``require_tier``).
"""

# No "from __future__ import annotations": see caseproof/domain/payloads.py.
from typing import Annotated, NotRequired, TypedDict

from caseproof.domain.payloads import Answering, Named
from caseproof.domain.specs import NAMES_IT


class Document(TypedDict):
    """A page of documentation: its title, and its address."""

    title: str
    address: str


class Acting(Answering):
    """As which tier somebody acts."""

    tier: str


class SupportOpened(TypedDict):
    """Who wants what. ``key`` tells this matter from others: a ticket's or a mail's own identity, a form's number.

    ``said`` are the client's words; ``evidence`` is the mail's file where it came by mail; ``failing`` is a Failing.
    ``continues`` is the reference of an earlier case of the same issue. ``unproven``: why its mail may be of another
    than it says (a ``MessageCode``); it names nobody then (E6).
    """

    key: Named
    client: str
    product: str
    summary: str
    said: str
    urgency: str
    failing: str
    how: str
    site: NotRequired[str]
    contract: NotRequired[str]
    sender: NotRequired[str]
    evidence: NotRequired[Named]
    continues: NotRequired[Named]
    message_id: NotRequired[Named]
    original: NotRequired[Named]
    unproven: NotRequired[str]


class SupportReopened(TypedDict):
    """Why it was opened again."""

    why: str


class SupportCorrected(Answering):
    """Which client, product and site it is about, under which contract, and whether a job fails (a ``Failing``)."""

    client: str
    product: str
    site: str
    contract: str
    failing: str


class DocumentsLinked(TypedDict):
    """What L2 is shown to consult: the policy's documents of the product, as they were then (E2)."""

    product: str
    documents: Annotated[list[Document], NAMES_IT]


class Tried(Acting):
    """One step: out of which document (its address; L1 needs none), what was done, and what came of it."""

    document: Named
    step: str
    outcome: str
    seen: str


class HandedToL2(Acting):
    """Why L1 cannot solve it."""

    why: str


class ReturnedToL1(Acting):
    """What L1 is to do, or why the implementation team is not whom it needs."""

    why: str


class PtAsked(Acting):
    """What L2 wants to know of PT."""

    wanted: str


class PtAnswered(Acting):
    """What L2 is to try, and what PT wants to know: at least one of either."""

    suggestions: list[str]
    questions: list[str]


class OutcomeTold(Acting):
    """What came of one of PT's suggestions or questions; ``of`` is its key (``consultation.Item``)."""

    of: str
    step: str
    outcome: str
    seen: str


class EffortsExhausted(Acting):
    """Why nothing is left that L2 could try; what it tried, the events before say."""

    why: str


class TakenByPt(Acting):
    """PT owns it from here."""


class ReturnedToL2(Acting):
    """What L2 is to try yet, and what PT wants to know: at least one of either (E3)."""

    suggestions: list[str]
    questions: list[str]


class DevelopmentRaised(Acting):
    """The change in code that is needed: where, what, and how one sees that it is done.

    ``ticket`` names one that PT raised itself, on the desk for development; without, Caseproof raises it
    (``DevelopmentTicket``).
    """

    where: str
    change: str
    accepted_when: str
    ticket: NotRequired[Named]


class DevelopmentTicket(TypedDict):
    """The ticket of the development team: ``raised`` is the number of the event that asks for it, ``desk`` what the
    policy calls the desk; ``evidence`` is the digest of the bundle that is attached to it."""

    raised: int
    desk: str
    ticket: Named
    adopted: bool
    evidence: Named
    url: NotRequired[str]


class DevelopmentAnswered(TypedDict):
    """The ticket, and the number of the event that asked for it."""

    raised: int
    ticket: Named


class ReturnedToPt(Acting):
    """What the development team did, or why it did nothing."""

    result: str


class Reached(Acting):
    """Which exception (``Way``) leads to which technician, with what it needs for evidence.

    A technician who is named: ``naming`` (a ``Naming``), the ``ref`` of the case or the mail's file as ``evidence``,
    and whether that is ``same_issue``; of a case also what was read there: its client, its product, whom it names.
    A technician who asked: ``reply`` and the ``steps`` that were taken. New work: ``request`` (a ``NewWork``) and the
    client's ``words``.
    """

    way: str
    technician: NotRequired[str]
    naming: NotRequired[str]
    ref: NotRequired[Named]
    evidence: NotRequired[Named]
    same_issue: NotRequired[str]
    there_client: NotRequired[Named]
    there_product: NotRequired[Named]
    there_names: NotRequired[list[Named]]
    reply: NotRequired[str]
    steps: NotRequired[str]
    request: NotRequired[str]
    words: NotRequired[str]


class ReachedL2(Reached):
    """L2 directly."""


class ReachedPt(Reached):
    """PT directly."""


class SentToImplementation(Acting):
    """What is asked for (a ``NewWork``), in the client's own words as the case has them."""

    request: str
    words: str


class DetailsWanted(Acting):
    """What a technician asks for (a ``Wanted``), and what they want to know; who asks is who says it."""

    wants: str
    wanted: str


class DetailsGiven(Acting):
    """The answer to that same technician, with the steps that were taken."""

    technician: str
    reply: str
    steps: str


class SolutionStated(Acting):
    """What solved it, and what was checked and seen (J11)."""

    solution: str
    checked: str


class SolutionFailed(Acting):
    """Why it is no solution after all."""

    why: str


class ClientMailWritten(Answering):
    """A mail to the client that somebody wrote, to be sent: to whom, and its words."""

    to: str
    words: str


class ClientTold(Answering):
    """How the client was told, whom, and in which words."""

    how: str
    to: str
    words: str
    evidence: NotRequired[Named]


class ClientWrote(TypedDict):
    """What the client wrote since, word for word, and its file; ``unproven`` as of what opened the case.

    ``typed``: somebody wrote down what they said; it is no mail, and names nobody (E6).
    """

    sender: str
    words: str
    evidence: Named
    subject: NotRequired[str]
    message_id: NotRequired[Named]
    original: NotRequired[Named]
    unproven: NotRequired[str]
    typed: NotRequired[bool]


class JobLinked(Answering):
    """The job-failure case of a job that fails in this matter, too; ``opened_for``: this case was opened for it."""

    ref: Named
    opened_for: NotRequired[bool]


class JobUnlinked(Answering):
    """A job-failure case that was linked by mistake, for its job was never part of this matter; why that is so."""

    ref: Named
    why: str


class JobProven(TypedDict):
    """The closing of that case as it was read: by which rule, with which proof and when, and when its run started.

    Those of the first days do not say when the run started, and count without it.
    """

    ref: Named
    rule: str
    evidence: Named
    closed_at: str
    run_started_at: NotRequired[str]


class SupportLookedAgain(TypedDict):
    """The last look before closing: the failed runs of linked jobs since."""

    failed: list[str]
    evidence: Named
