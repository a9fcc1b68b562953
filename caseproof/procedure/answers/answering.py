"""J8, J9: the retailer answers on the confirmation page, and their words reach the cases: whole or not at all, once."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from caseproof.channels.inbound.mail_headers import clean
from caseproof.config.clock import Clock
from caseproof.domain.codes import MessageCode
from caseproof.domain.errors import BadInput, NotAllowed
from caseproof.domain.events import Event
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.payloads import Doubt
from caseproof.domain.vocabulary import BY_PAGE, Choice, Disposition
from caseproof.evidence.key_hiding import hide_keys_in_text
from caseproof.evidence.vault import Vault
from caseproof.procedure.answers.answer_link import Asked, JobAsked, LinkState, asked, asked_with_cases
from caseproof.procedure.answers.entry import notes_of
from caseproof.procedure.core.message_words import ON_THE_PAGE, Why
from caseproof.procedure.core.parts import Ledger, ReplyAddresses
from caseproof.procedure.notify.threads import Thread

MOST_WORDS, MOST_NAME = 5000, 200
"""How many characters the words and the name may have."""

CONFIRMS = frozenset({Choice.CHANGED, Choice.REMOVE})
"""The choices that are a confirmation; the others are words for a person to read."""

_CODES = {
    Choice.CHANGED: MessageCode.CHANGED,
    Choice.REMOVE: MessageCode.REMOVE,
    Choice.HELP: MessageCode.HELP,
    Choice.NOT_MINE: MessageCode.NOT_THEIRS,
}


class LinkSpent(NotAllowed):
    """The link no longer takes this answer; opening it again says why."""


class NotFilledIn(BadInput):
    """The form lacks something. ``wrong`` gives a word a field: "missing", "long" or "odd"."""

    def __init__(self, wrong: Mapping[str, str]) -> None:
        super().__init__(f"The answer cannot be taken: {', '.join(wrong)}.", "Fill it in and send it again.")
        self.wrong = wrong


@dataclass(frozen=True, slots=True)
class Given:
    """What was sent from the page, as it was typed. ``refs`` are the cases that were ticked.

    ``seen`` is ``Asked.seen`` of the page that was filled in. ``shown`` is what that page said: kept as evidence.
    """

    choice: str
    name: str
    words: str
    refs: tuple[str, ...]
    seen: int
    shown: Mapping[str, Any]


def answer(ledger: Ledger, vault: Vault, replies: ReplyAddresses, token: str, given: Given) -> None:
    """Record an answer, whole or not at all.

    Raises BadLink, LinkSpent where the link does not take it any more, NotFilledIn, StoreError.
    """
    before = asked(ledger.store, replies, token)
    content = _document(ledger.clock, before, given, _refuse(before, given))
    kept = vault.put(content, "answer.json", "application/json")
    with ledger.store.uow() as uow:
        # Once more, now that nobody else can write: of two who send the same page at once, the second finds it used.
        now, cases = asked_with_cases(replies, uow, token)
        chosen = _refuse(now, given)
        at = ledger.clock()
        events = [
            (
                ref,
                _event(ledger, now.job(ref), now.letter, given, kept.digest, notes_of(uow, cases[ref], now.letter.to)),
            )
            for ref in chosen
        ]
        counted = [event for _, event in events if event.kind is Kind.CONFIRMATION_RECEIVED]
        because = _why(given, now.job(chosen[0]))
        uow.messages.add(
            kept.digest, message_id="", sender=now.letter.to, subject=f"Confirmation page: {', '.join(chosen)}",
            size=kept.size, way=BY_PAGE, place=Disposition.COUNTED if counted else Disposition.REPLY,
            code=because.code, why=because.words, ref=chosen[0], at=at,
        )  # fmt: skip
        for ref, event in events:
            uow.evidence.add(ref, kept.digest, "answer.json", "application/json", kept.size, at)
            uow.cases.append(cases[ref], event)
        uow.commit()


def _refuse(now: Asked, given: Given) -> tuple[str, ...]:
    """The cases that the answer is about. Raises LinkSpent, NotFilledIn.

    What was offered when the page was opened is taken, though the case was closed or failed again meanwhile: nobody's
    words are lost, and it is said what they were about.
    """
    taking = [] if now.expired else now.standing(LinkState.OPEN, LinkState.CLOSED, LinkState.SUPERSEDED)
    chosen = tuple(job.ref for job in taking if job.ref in given.refs)
    if given.seen != now.seen or not taking or (given.refs and not chosen):
        raise LinkSpent("This link does not take the answer any more.", "Open it again: it says why.")
    wrong = {
        "jobs": "" if chosen else "missing",
        "choice": "" if given.choice in list(Choice) else "missing",
        "name": _wrong_text(given.name, MOST_NAME, needed=True),
        "words": _wrong_text(given.words, MOST_WORDS, needed=given.choice == Choice.HELP),
    }
    if any(wrong.values()):
        raise NotFilledIn({field: why for field, why in wrong.items() if why})
    return chosen


def _wrong_text(text: str, longest: int, *, needed: bool) -> str:
    if needed and not text.strip():
        return "missing"
    if "\0" in text:
        return "odd"
    return "long" if len(as_typed(text)) > longest else ""


def as_typed(text: str) -> str:
    """Text without what a form puts into it (it sends every end of a line as two characters) and what none types; a
    link of ours that somebody pastes has its key hidden."""
    return hide_keys_in_text(clean(text.replace("\r\n", "\n")))


def _words(given: Given) -> str:
    """The written word: what was typed; else the sentence that was chosen, as the page showed it."""
    return as_typed(given.words) if given.words.strip() else str(given.shown["choices"][given.choice])


def _event(ledger: Ledger, job: JobAsked, letter: Thread, given: Given, digest: str, notes: Sequence[Doubt]) -> Event:
    told: dict[str, Any] = {
        "sender": letter.to, "name": as_typed(given.name).strip(), "words": _words(given), "choice": given.choice,
        "by_way_of": BY_PAGE, "link": letter.id, "evidence": digest,
    }  # fmt: skip
    if notes:
        told["notes"] = [*notes]
    if given.choice in CONFIRMS and job.standing is LinkState.OPEN:
        return ledger.event(Kind.CONFIRMATION_RECEIVED, **told)
    because = _why(given, job)
    return ledger.event(Kind.REPLY_RECEIVED, **told, code=str(because.code), why=because.words)


def _why(given: Given, job: JobAsked) -> Why:
    chosen = _CODES[Choice(given.choice)]
    said = Why(chosen, ON_THE_PAGE[chosen])
    if job.standing not in _LATE:
        return said
    code, words = _LATE[job.standing]
    return replace(said.also(words), code=chosen if chosen.asks_for_help else code)


_LATE = {
    LinkState.CLOSED: (MessageCode.CASE_CLOSED, "the case was closed already"),
    LinkState.SUPERSEDED: (
        MessageCode.EARLIER_NOTICE, "it answers an earlier mail: the job was stopped anew since"
    ),
}  # fmt: skip


def _document(clock: Clock, now: Asked, given: Given, chosen: Sequence[str]) -> bytes:
    """The written confirmation as a file: who was asked what by which link, and what was chosen and typed when."""
    letter = now.letter
    told = {
        "what": "An answer on the confirmation page",
        "at": clock().isoformat(),
        "link": {
            "letter": letter.id,
            "sent_to": letter.to,
            "holds_until": now.expires.isoformat(),
            "use": now.seen + 1,
        },
        "retailer": now.retailer,
        "cases": {job.ref: job.job_name for job in now.jobs if job.ref in chosen},
        "shown": given.shown,
        "chosen": given.choice,
        "typed": {"name": hide_keys_in_text(given.name), "words": hide_keys_in_text(given.words)},
    }
    return json.dumps(told, indent=2, ensure_ascii=False).encode()
