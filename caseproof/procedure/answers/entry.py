"""The entry check of a retailer's words: what speaks against them, in codes, whichever way they come (J5, J8, J11).

The inbox asks it of a mail that came by itself, and whoever brings one in is asked the same. Nothing is written here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property

from caseproof.channels.inbound.days import days_named
from caseproof.channels.inbound.meaning import Meaning, answers_something_else, telling_sentences
from caseproof.channels.inbound.reading import Mail
from caseproof.domain.case import Case
from caseproof.domain.codes import MessageCode
from caseproof.domain.job_failure.cause import asks_for_answer, told_cause
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.payloads import Doubt
from caseproof.evidence.signing import case_of_address
from caseproof.procedure.core.message_words import Why, why
from caseproof.procedure.core.parts import ReplyAddresses
from caseproof.procedure.core.retailer_answer import cases_named
from caseproof.procedure.notify.threads import Thread, find_thread, which_correction
from caseproof.store.uow import UnitOfWork

CLEAR = (Meaning.CHANGED, Meaning.REMOVE)
"""What is a confirmation by itself."""

NEVER = frozenset(
    {MessageCode.AUTOMATIC, MessageCode.NO_SENDER, MessageCode.STRANGER, MessageCode.NO_OWN_WORDS}
    | {MessageCode.ABOUT_OTHER_CASES}
)
"""With one of these no two people make it the retailer's word."""

TO_BE_AGREED = frozenset(
    {
        MessageCode.NOT_YET, MessageCode.QUESTION, MessageCode.NOT_THEIRS, MessageCode.HELP, MessageCode.EARLIER_NOTICE,
        MessageCode.BEFORE_THE_NOTICE, MessageCode.OTHER_THAN_ASKED, MessageCode.NOTHING_ASKED,
        MessageCode.NAMES_OTHER_CASES, MessageCode.ABOUT_OTHER_CASES, MessageCode.ANSWERS_ANOTHER,
        MessageCode.OTHER_ADDRESS, MessageCode.NO_ANSWER_OF_OURS, MessageCode.DATED_BEFORE, MessageCode.DATED_AHEAD,
    }
)  # fmt: skip
"""What speaks against a reply also where a person has read it. What is only not clear, a person reads alone."""

_SKEW = timedelta(minutes=15)
"""How far clocks of mail servers may be apart."""
_ZONES = timedelta(hours=14)
"""How far a clock is ahead at most that is right and says no time zone."""


@dataclass(frozen=True)
class MailEntry:
    """A mail and what it says it answers: our letters, and the cases whose signed address it is sent to."""

    replies: ReplyAddresses
    uow: UnitOfWork
    mail: Mail
    meaning: Meaning
    now: datetime
    _known: dict[str, Thread | None] = field(default_factory=dict)

    @cached_property
    def signed(self) -> list[str]:
        """The cases that its recipients' addresses name under our signature, and that are there."""
        return self._named([self.replies.secret()])

    @cached_property
    def void(self) -> list[str]:
        """The same under a key of before: whoever has an old letter could have written there."""
        return self._named(self.replies.void())

    def _named(self, secrets: Sequence[bytes]) -> list[str]:
        found = (case_of_address(secret, one) for one in self.mail.recipients for secret in secrets)
        named = list(dict.fromkeys(ref for ref in found if ref))
        there = {row.ref for row in self.uow.cases.of_refs(named)} if named else set()
        return [ref for ref in named if ref in there]

    @cached_property
    def letters(self) -> list[Thread]:
        """The letters of ours that it says it answers, the nearest first."""
        return [letter for one in self.mail.references if (letter := self.letter(one))]

    def letter(self, message_id: str) -> Thread | None:
        """The letter of ours with this Message-ID, or None."""
        if message_id not in self._known:
            self._known[message_id] = find_thread(self.uow, message_id) if message_id else None
        return self._known[message_id]

    def is_contact(self, retailer: str, address: str) -> bool:
        """Whether this address may speak for this retailer."""
        return bool(retailer and address) and self.uow.people.is_contact(retailer, address)

    def is_sent_to(self, letter: Thread) -> bool:
        """Whether it is sent to the signed address that this letter asks to answer to."""
        return any(ref in (letter.lead, *letter.cases) for ref in self.signed)

    def letter_about(self, case: Case) -> Thread | None:
        """The letter about this case that it answers: the nearest that it is sent to the address of, or the nearest."""
        about = [letter for letter in self.letters if case.ref in (letter.lead, *letter.cases)]
        return next((letter for letter in about if self.is_sent_to(letter)), about[0] if about else None)


def doubts_of(entry: MailEntry, case: Case, *, claimed: bool = False, arrived: bool = True) -> tuple[Why, ...]:
    """All that speaks against a mail's words being the retailer's word for this case; the weightiest first.

    ``claimed``: a person who read the words says that they are a confirmation. ``arrived``: we saw it arrive; else
    somebody brings it in, and it came whenever it says.
    """
    return (
        *_of_its_kind(entry),
        *of_its_sender(entry, [case.facts.get("retailer") or ""]),
        *_of_its_thread(entry, case, claimed=claimed),
        *_of_its_words(entry, case, claimed=claimed),
        *([] if entry.meaning in CLEAR else [meant(entry)]),
        *_of_its_date(entry, case, arrived=arrived),
    )


def as_data(found: Iterable[Why]) -> list[Doubt]:
    """Doubts as an event holds them: each code with its sentence."""
    return [Doubt(code=str(one.code), why=one.words) for one in found]


def for_two(found: Iterable[Why]) -> list[Why]:
    """Those for which a second person is needed: all but that the words are not clear, which a person reads alone."""
    return [one for one in found if one.code is not MessageCode.UNCLEAR]


def meant(entry: MailEntry) -> Why:
    """What its words mean; a sentence that only sounds like an answer is marked for whoever looks at it."""
    said = why(MessageCode(entry.meaning))
    sounding = telling_sentences(entry.mail.own_words) if entry.meaning is Meaning.UNCLEAR else ()
    return said.also(f"look at {marked(sounding[0])}") if sounding else said


def marked(sentence: str) -> str:
    """A sentence of theirs, shortened, between marks."""
    return f"\u00bb{sentence[:200]}\u00ab"


def notes_of(uow: UnitOfWork, case: Case, sender: str) -> list[Doubt]:
    """What is only to be known of a sender: that they were registered after the job had failed."""
    since = uow.people.known_since(case.facts.get("retailer") or "", sender)
    if since is None or since <= _failed_at(case):
        return []
    return as_data([why(MessageCode.CONTACT_SINCE, sender=sender, date=_day(since))])


def _failed_at(case: Case) -> datetime:
    """When the job had failed, as far as it is known: the run that failed, or else the case's opening."""
    opened = case.last_opened.at if case.last_opened else case.events[0].at
    try:
        failed = datetime.fromisoformat(str(case.facts.get("failed_at") or ""))
    except ValueError:
        return opened
    return min(failed, opened) if failed.tzinfo else opened


# -- each thing that may speak against it -----------------------------------------------------------------------------


def _of_its_kind(entry: MailEntry) -> Iterator[Why]:
    if entry.mail.automatic or entry.mail.bounce is not None:
        yield why(MessageCode.AUTOMATIC, program=entry.mail.automatic or "a mail server returned a mail")


def of_its_sender(entry: MailEntry, retailers: Sequence[str]) -> Iterator[Why]:
    """Why it may be anybody's, whichever case it is about: for one of these the inbox refuses a mail."""
    mail = entry.mail
    if not mail.sender_address:
        yield why(MessageCode.NO_SENDER)
    elif not any(entry.is_contact(retailer, mail.sender_address) for retailer in retailers):
        owners = ", ".join(sorted(filter(None, retailers))) or "a known retailer"
        yield why(MessageCode.STRANGER, sender=mail.sender_address, retailer=owners)
    if mail.sender_address and not mail.genuine.ok:
        yield why(MessageCode.NOT_GENUINE, sender=mail.sender_address, reason=mail.genuine.why)
    if not mail.own_words.strip():
        yield why(MessageCode.NO_OWN_WORDS)


def _of_its_thread(entry: MailEntry, case: Case, *, claimed: bool) -> Iterator[Why]:
    """It answers a letter of ours about this case, in this round, and is sent where that letter asks."""
    letter = entry.letter_about(case)
    shared = {case.ref, *(case.notice.data.get("cases") or () if case.notice else ())}
    shared |= {letter.lead, *letter.cases} if letter else set()
    if (named := cases_named(entry.mail.subject)) and shared.isdisjoint(named):
        yield why(MessageCode.ABOUT_OTHER_CASES, refs=", ".join(named[:5]))
    if (named := cases_named(entry.mail.own_words)) and case.ref not in named:
        yield why(MessageCode.NAMES_OTHER_CASES, refs=", ".join(named[:5]))
    if letter is None and entry.letters:
        yield why(MessageCode.ANSWERS_ANOTHER, refs=", ".join(entry.letters[0].cases[:5]))
    elif letter is None:
        yield why(MessageCode.NO_ANSWER_OF_OURS)
    else:
        if entry.replies.answers.mailbox and not entry.is_sent_to(letter):
            yield why(MessageCode.OTHER_ADDRESS, refs=", ".join(letter.cases[:5]))
        if _is_earlier(entry, case, letter, changed=_says_changed(entry, claimed=claimed)):
            yield why(MessageCode.EARLIER_NOTICE)


def _says_changed(entry: MailEntry, *, claimed: bool) -> bool:
    return entry.meaning is Meaning.CHANGED or (claimed and entry.meaning is Meaning.UNCLEAR)


def _of_its_words(entry: MailEntry, case: Case, *, claimed: bool) -> Iterator[Why]:
    """That a change was made answers what we asked for, and tells of what was done since."""
    if case.notice is None or not _says_changed(entry, claimed=claimed):
        return
    if not asks_for_answer(case):
        yield why(MessageCode.NOTHING_ASKED)
    if sentence := _done_before(entry, case.notice.at):
        yield why(MessageCode.BEFORE_THE_NOTICE, reason=sentence)
    if sentence := answers_something_else(entry.mail.own_words, told_cause(case) or ""):
        yield why(MessageCode.OTHER_THAN_ASKED, reason=marked(sentence))


def _of_its_date(entry: MailEntry, case: Case, *, arrived: bool) -> Iterator[Why]:
    """It was written after what it answers. One that came by itself without a date came now."""
    date = entry.mail.date
    if date is None:
        if not arrived:
            yield why(MessageCode.NO_DATE)
        return
    asked, what = (case.notice.at, "our mail") if case.notice else (_opened(case), "the case was opened")
    if date < asked - _SKEW:
        yield why(MessageCode.DATED_BEFORE, date=_day(date), what=what)
    if date > entry.now + _ZONES:
        yield why(MessageCode.DATED_AHEAD, date=_day(date))


def _opened(case: Case) -> datetime:
    return case.last_opened.at if case.last_opened else case.events[0].at


def _done_before(entry: MailEntry, notice: datetime) -> str:
    """The sentence that tells of a day before our notice, marked; "" where none does."""
    date = entry.mail.date
    written = date if date and notice <= date <= entry.now else entry.now
    for sentence in telling_sentences(entry.mail.own_words):
        days = days_named(sentence, written.date())
        if days and max(days) < notice.date():
            return marked(sentence)
    return ""


def _is_earlier(entry: MailEntry, case: Case, letter: Thread, *, changed: bool) -> bool:
    """Whether the letter is of another round than the case is in; one not recorded yet went out a moment ago.

    That a change is made answers what was told last: the mail that corrected the notice, where one did.
    """
    if case.notice is not None:
        if not letter.is_of(case.notice.data["message_id"]):
            return True
        return changed and not _answers_the_correction(entry, case)
    notices = [event for event in case.events if event.kind is Kind.NOTICE_SENT]
    return any(letter.is_of(event.data["message_id"]) for event in notices)


def _answers_the_correction(entry: MailEntry, case: Case) -> bool:
    """Whether its nearest mail of ours is the correction that holds, or a later one about it; so, too, where there
    is none."""
    if case.correction is None:
        return True
    nearest = next(one for one in entry.mail.references if entry.letter(one))
    return which_correction(nearest) == which_correction(case.correction.data["message_id"])


def _day(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
