"""What the link to the confirmation page asks: the letter that it stood in, and how that letter's cases stand now.

The link says which letter it stood in; the letter says who got it and which cases it tells of. A link is not used up as
a whole but case by case: a letter that told of three jobs can be answered for one of them today and for two tomorrow,
and a case that failed again after the answer (J11) waits for a new one. A call for help uses nothing up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from caseproof.channels.outbound.languages import language_of
from caseproof.channels.outbound.notice import raw_message
from caseproof.config.mail_address import comparable
from caseproof.config.policy import MailPolicy
from caseproof.domain.case import Case, Fact
from caseproof.domain.job_failure.cause import asks_anew_since
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.vocabulary import Choice, Decision
from caseproof.evidence.signing import AnswerLink, BadLink, LinkReplaced, read_answer_token
from caseproof.procedure.core.parts import ReplyAddresses
from caseproof.procedure.notify.renewing import has_new_link, owes_new_link
from caseproof.procedure.notify.threads import Thread, find_thread
from caseproof.store import Store, UnknownCase
from caseproof.store.uow import UnitOfWork


class LinkState(StrEnum):
    """How a case stands to the link that a contact holds."""

    OPEN = "open"
    """It waits for an answer."""
    ANSWERED = "answered"
    """This contact answered by this link."""
    CLOSED = "closed"
    """The matter is settled; a call for help is still read."""
    SUPERSEDED = "superseded"
    """The job failed once more since: a newer letter tells of it."""
    NO_CONTACT = "no_contact"
    """The address is no longer registered for the retailer."""


@dataclass(frozen=True, slots=True)
class GivenAnswer:
    """What somebody of the retailer said; ``choice`` is empty where they wrote a mail."""

    at: datetime
    choice: str
    name: str
    words: str


@dataclass(frozen=True, slots=True)
class JobAsked:
    """A job that the letter told of, and its case.

    ``own`` is this contact's latest answer by this link; ``colleague`` the latest of anybody else since what
    was told last.
    ``failed_since``: the job failed again after ``own``. ``settled_at`` and ``removed`` are a closed case's.
    ``message``: what a system said.
    """

    ref: str
    job_name: str
    standing: LinkState
    stopped: bool
    own: GivenAnswer | None = None
    colleague: GivenAnswer | None = None
    failed_since: bool = False
    settled_at: datetime | None = None
    removed: bool = False
    message: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a link asks: the state of its letter now. ``seen`` counts the answers that were given by this link."""

    letter: Thread
    expires: datetime
    expired: bool
    language: str
    retailer: str
    marketplace: str
    cause: str
    failed_at: datetime | None
    jobs: tuple[JobAsked, ...]
    seen: int

    def job(self, ref: str) -> JobAsked:
        """The job of this case."""
        return next(job for job in self.jobs if job.ref == ref)

    def standing(self, *which: LinkState) -> tuple[JobAsked, ...]:
        """The jobs that stand so."""
        return tuple(job for job in self.jobs if job.standing in which)

    @property
    def choices(self) -> tuple[Choice, ...]:
        """What the page offers now: nothing where the link has expired, was used, or a newer one took its place."""
        if self.expired:
            return ()
        if self.standing(LinkState.OPEN):
            return tuple(Choice)
        return (Choice.HELP,) if self.standing(LinkState.CLOSED) else ()

    @property
    def offered(self) -> tuple[JobAsked, ...]:
        """The jobs that the page offers an answer about now."""
        return (self.standing(LinkState.OPEN) or self.standing(LinkState.CLOSED)) if self.choices else ()

    @property
    def said(self) -> GivenAnswer | None:
        """This contact's latest answer by this link."""
        return max((job.own for job in self.jobs if job.own), key=lambda said: said.at, default=None)


def asked(store: Store, replies: ReplyAddresses, token: str) -> Asked:
    """What the link asks now. Changes nothing. Raises BadLink, KeyLost, StoreError."""
    replies.secret()  # looked up first: it may need a transaction of its own
    with store.reading() as uow:
        return asked_with_cases(replies, uow, token)[0]


def asked_with_cases(replies: ReplyAddresses, uow: UnitOfWork, token: str) -> tuple[Asked, dict[str, Case]]:
    """The same in a unit of work, with the cases by their references. Raises BadLink, StoreError."""
    link = _read(replies, uow, token)
    letter = find_thread(uow, link.letter)
    cases = _cases(uow, letter.cases) if letter is not None else []
    if letter is None or not cases:
        raise BadLink("We do not know the mail that this link stood in.", "Answer that mail instead.")
    jobs = tuple(_job(uow, letter, case) for case in cases)
    theirs = [case for case, job in zip(cases, jobs, strict=True) if job.standing is not LinkState.NO_CONTACT]
    facts = (theirs or cases)[0].facts
    failed_at = facts.get("failed_at")
    state = Asked(
        letter=letter,
        expires=link.expires,
        expired=link.expires <= replies.clock(),
        language=_language(replies.mail, uow, letter, facts.get("retailer") or ""),
        retailer=facts.get("retailer") or "",
        marketplace=facts.get("marketplace") or "",
        cause=facts["cause"],
        failed_at=datetime.fromisoformat(failed_at) if failed_at else None,
        jobs=jobs,
        seen=sum(len(_by_link(case, letter)) for case in cases),
    )
    return state, {case.ref: case for case in cases}


def _read(replies: ReplyAddresses, uow: UnitOfWork, token: str) -> AnswerLink:
    try:
        return read_answer_token(replies.secret(), token, replies.void())
    except LinkReplaced as replaced:
        letter = find_thread(uow, replaced.letter)
        cases = _cases(uow, letter.cases) if letter else []
        if letter is None or not cases:
            raise
        language = _language(replies.mail, uow, letter, cases[0].facts.get("retailer") or "")
        newer = any(owes_new_link(replies, case) or has_new_link(replies, case) for case in cases)
        raise LinkReplaced(replaced.letter, language, newer=newer) from None


def _cases(uow: UnitOfWork, refs: Sequence[str]) -> list[Case]:
    found = []
    for ref in refs:
        try:
            found.append(uow.cases.get(ref))
        except UnknownCase:  # a store from a backup may know fewer
            continue
    return found


def _language(mail: MailPolicy, uow: UnitOfWork, letter: Thread, retailer: str) -> str:
    here = (one for one in uow.people.contacts(retailer) if comparable(one.address) == comparable(letter.to))
    return language_of(next((one.language for one in here), ""), mail.language)


def _job(uow: UnitOfWork, letter: Thread, case: Case) -> JobAsked:
    mine = _by_link(case, letter)
    own = mine[-1] if mine else None
    failed_since = own is not None and case.last_failure is not None and case.last_failure.seq > own.seq
    return JobAsked(
        ref=case.ref,
        job_name=case.facts["job_name"],
        standing=_standing(uow, letter, case, mine),
        stopped=case.contained is not None and case.contained.event.kind is Kind.STOPPED,
        own=_said(own) if own else None,
        colleague=_colleague(letter, case),
        failed_since=failed_since,
        settled_at=case.closed.at if case.closed else None,
        removed=case.is_closed and case.decided is Decision.REMOVE,
        message=raw_message(str(case.facts["summary"])),
    )


def _standing(uow: UnitOfWork, letter: Thread, case: Case, mine: Sequence[Fact]) -> LinkState:
    if not uow.people.is_contact(case.facts.get("retailer") or "", letter.to):
        return LinkState.NO_CONTACT
    if case.is_closed:
        return LinkState.CLOSED
    if case.notice is None or not letter.is_of(case.notice.data["message_id"]):  # between two notices there is none
        return LinkState.SUPERSEDED
    failed = case.last_failure.seq if case.last_failure else 0
    since = max(failed, asks_anew_since(case))  # what was said before a correction answers another question
    used = any(word.seq > since and word["choice"] != Choice.HELP for word in mine)
    return LinkState.ANSWERED if used else LinkState.OPEN


def _by_link(case: Case, letter: Thread) -> list[Fact]:
    """What was said about the case by the link of this letter, oldest first."""
    words = case.every(Kind.CONFIRMATION_RECEIVED, Kind.REPLY_RECEIVED)
    return [word for word in words if word.get("link") == letter.id]


def _said(word: Fact) -> GivenAnswer:
    return GivenAnswer(word.at, str(word.get("choice") or ""), str(word.get("name") or ""), str(word["words"]))


def _colleague(letter: Thread, case: Case) -> GivenAnswer | None:
    since = case.last_told.seq if case.last_told else 0
    others = [
        fact
        for fact in (*case.words, *case.replies)
        if fact.seq > since and comparable(str(fact["sender"])) != comparable(letter.to)
    ]
    return _said(max(others, key=lambda fact: fact.seq)) if others else None
