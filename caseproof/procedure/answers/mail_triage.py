"""Where a retailer's mail ends, and why: the rules of docs/inbox.md, in their order (J5, J8, J11).

Nothing is written here. In doubt a mail does not count: then a person looks at it, and the case stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import parseaddr
from functools import cached_property

from caseproof.channels.inbound.days import days_named
from caseproof.channels.inbound.meaning import Meaning, answers_something_else, telling_sentences
from caseproof.channels.inbound.reading import Mail
from caseproof.config.mail_address import comparable
from caseproof.domain.case import Case
from caseproof.domain.codes import MessageCode
from caseproof.domain.events import Event
from caseproof.domain.job_failure.cause import asks_for_answer, told_cause
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.vocabulary import BY_MAIL, Choice, Disposition
from caseproof.evidence.signing import case_of_address
from caseproof.procedure.core.message_words import Why, together, why
from caseproof.procedure.core.parts import US, Ledger, ReplyAddresses
from caseproof.procedure.core.retailer_answer import cases_named
from caseproof.procedure.notify.threads import Thread, find_thread, which_correction
from caseproof.store import CaseRow
from caseproof.store.errors import Unreadable
from caseproof.store.uow import UnitOfWork

FLOOD, FLOOD_HOURS = 20, 24.0
"""How many mails of one kind a case takes down in so many hours; what comes beyond that is kept beside the case."""

_CHOICES = {Meaning.CHANGED: Choice.CHANGED, Meaning.REMOVE: Choice.REMOVE}
_WORDS = (Disposition.COUNTED, Disposition.REPLY)


@dataclass(frozen=True, slots=True)
class TriageResult:
    """Where a mail ends, and what it changes.

    ``ref`` is the case that the mail's row names, "" for none; ``events`` are what happens to which case; ``bounced``
    are contacts that mail does not reach, as retailer and address, with the reason in ``why``.
    """

    place: Disposition
    why: Why
    ref: str = ""
    events: Sequence[tuple[str, Event]] = ()
    bounced: Sequence[tuple[str, str]] = ()


def triage(
    ledger: Ledger, replies: ReplyAddresses, uow: UnitOfWork, mail: Mail, meaning: Meaning, digest: str
) -> TriageResult:
    """Where this mail ends. ``meaning`` is what its own words mean, ``digest`` names its bytes in the vault.

    Raises StoreDown.
    """
    return _Judge(ledger, replies, uow, mail, meaning, digest).verdict()


@dataclass(frozen=True)
class _Judge:
    ledger: Ledger
    replies: ReplyAddresses
    uow: UnitOfWork
    mail: Mail
    meaning: Meaning
    digest: str
    _unreadable: list[str] = field(default_factory=list)

    def verdict(self) -> TriageResult:
        """The rules, in their order: the first that applies decides."""
        return (
            self._our_own()
            or self._came_back()
            or self._automatic()
            or self._sent_before()
            or self._no_answer_of_ours()
            or self._not_trusted()
            or self._word()
        )

    # -- what is no person's mail --------------------------------------------------------------------------------------

    def _our_own(self) -> TriageResult | None:
        policy = self.replies.mail
        ours = {_bare(parseaddr(text)[1]) for text in (policy.sender, policy.reply_to, policy.team) if text}
        if _bare(self.mail.sender_address) in ours or self._letter(self.mail.message_id):
            return TriageResult(Disposition.AUTOMATIC, why(MessageCode.OUR_OWN), self._noted)
        return None

    def _came_back(self) -> TriageResult | None:
        bounce = self.mail.bounce
        if bounce is None:
            return None
        letters = [letter for one in bounce.about if (letter := self._letter(one))]
        if not self._signed and not letters:
            return TriageResult(Disposition.UNMATCHED, why(MessageCode.BOUNCE_OF_ANOTHER))
        if bounce.delayed and not bounce.failed:
            return TriageResult(Disposition.AUTOMATIC, why(MessageCode.DELAYED), self._noted)
        # A report that names nobody is about whoever the letter was for that it returns.
        failed = bounce.failed or tuple(letter.to for letter in letters)
        facts = {"at": _at(failed), "reason": bounce.why or "no reason is given"}
        if not self._signed:
            # Whoever knows how we name our mails can write such a report, and would keep our mail from a contact.
            return TriageResult(Disposition.BOUNCE, why(MessageCode.BOUNCE_UNSIGNED, **facts))
        return self._bounced(failed, bounce.why, facts, letters)

    def _bounced(
        self, at: Sequence[str], reason: str, facts: Mapping[str, str], letters: Sequence[Thread]
    ) -> TriageResult:
        ref = self._signed[0]
        told = next((letter.cases for letter in letters if ref in (letter.lead, *letter.cases)), (ref,))
        rows = self.uow.cases.of_refs([*told])
        theirs = {
            retailer: [address for address in at if self._is_contact(retailer, address)]
            for retailer in {row.retailer for row in rows}
        }
        failed = [(row, address) for row in rows for address in theirs[row.retailer]]
        if failed and self._too_many(ref, (Disposition.BOUNCE,)):
            return TriageResult(Disposition.BOUNCE, why(MessageCode.BOUNCED, **facts).also(_MANY), ref)
        events = [
            (row.ref, self._event(Kind.ADDRESS_BOUNCED, address=address, why=reason, evidence=self.digest))
            for row, address in failed
        ]
        bounced = list(dict.fromkeys((row.retailer, address) for row, address in failed))
        code = MessageCode.BOUNCED if failed else MessageCode.BOUNCE_OF_NO_CONTACT
        return TriageResult(Disposition.BOUNCE, why(code, **facts), ref, events, bounced)

    def _automatic(self) -> TriageResult | None:
        if self.mail.automatic:
            return TriageResult(
                Disposition.AUTOMATIC, why(MessageCode.A_PROGRAMS, program=self.mail.automatic), self._noted
            )
        return None

    def _sent_before(self) -> TriageResult | None:
        if self.uow.messages.seen(self.mail.message_id, self.mail.sender_address):
            return TriageResult(Disposition.DUPLICATE, why(MessageCode.SENT_BEFORE), self._noted)
        return None

    # -- whether it counts ---------------------------------------------------------------------------------------------

    def _no_answer_of_ours(self) -> TriageResult | None:
        if self._answered:
            return None
        if self._void:
            return TriageResult(Disposition.UNMATCHED, why(MessageCode.VOID_ADDRESS, refs=", ".join(self._void[:5])))
        if self._signed:
            ref = self._signed[0]
            return self._refused(ref, why(MessageCode.NOT_IN_THE_THREAD, ref=ref))
        if self._letters:
            about = ", ".join(self._letters[0].cases)
            return TriageResult(Disposition.UNMATCHED, why(MessageCode.OTHER_ADDRESS, refs=about))
        if named := cases_named(self.mail.subject):
            return TriageResult(Disposition.UNMATCHED, why(MessageCode.ONLY_A_SUBJECT, ref=named[0]))
        return TriageResult(Disposition.UNMATCHED, why(MessageCode.NO_ANSWER_OF_OURS))

    def _not_trusted(self) -> TriageResult | None:
        ref, _ = self._match
        sender = self.mail.sender_address
        if not sender:
            return self._refused(ref, why(MessageCode.NO_SENDER))
        if not self._theirs:
            owners = sorted({row.retailer for row in self._told_of if row.retailer})
            retailer = ", ".join(owners) or "anybody"
            return self._refused(ref, why(MessageCode.STRANGER, sender=sender, retailer=retailer))
        if not self.mail.genuine.ok:
            return self._refused(ref, why(MessageCode.NOT_GENUINE, sender=sender, reason=self.mail.genuine.why))
        if not self.mail.own_words.strip():
            return self._refused(ref, why(MessageCode.NO_OWN_WORDS))
        return None

    def _refused(self, ref: str, no: Why) -> TriageResult:
        if self._too_many(ref, (Disposition.REFUSED,)):
            return TriageResult(Disposition.REFUSED, no.also(_MANY), ref)
        refused = self._event(
            Kind.CONFIRMATION_REFUSED, sender=self.mail.sender_address, code=str(no.code), why=no.words,
            evidence=self.digest, by_way_of=BY_MAIL,
        )  # fmt: skip
        return TriageResult(Disposition.REFUSED, no, ref, [(ref, refused)])

    # -- the retailer's word -------------------------------------------------------------------------------------------

    def _word(self) -> TriageResult:
        ref, letter = self._match
        if self._too_many(ref, _WORDS):
            return TriageResult(Disposition.REPLY, self._meant.also(_MANY), ref)
        cases = [case for row in self._theirs if (case := self._readable(row.ref))]
        named = cases_named(self.mail.own_words)
        doubt = None
        if named and not (meant := [case for case in cases if case.ref in named]):
            doubt = why(MessageCode.NAMES_OTHER_CASES, refs=", ".join(named[:5]))
        elif named:
            cases = meant
        whys = {case.ref: doubt or self._doubt(case, letter) for case in cases}
        events = [(case.ref, self._words_of(whys[case.ref])) for case in cases]
        counted = [event for _, event in events if event.kind is Kind.CONFIRMATION_RECEIVED]
        place = Disposition.COUNTED if counted else Disposition.REPLY
        return TriageResult(place, self._why(place, whys), ref if ref in whys or not cases else cases[0].ref, events)

    def _doubt(self, case: Case, letter: Thread) -> Why | None:
        """Why a clear word is none for this case; None where nothing speaks against it."""
        if case.is_closed:
            return why(MessageCode.CASE_CLOSED)
        if self._is_earlier(case, letter):
            return why(MessageCode.EARLIER_NOTICE)
        if self.meaning is Meaning.CHANGED and case.notice is not None and not asks_for_answer(case):
            return why(MessageCode.NOTHING_ASKED)
        if self.meaning is Meaning.CHANGED and (sentence := self._done_before(case)):
            return why(MessageCode.BEFORE_THE_NOTICE, reason=sentence)
        if self.meaning is Meaning.CHANGED and (
            sentence := answers_something_else(self.mail.own_words, told_cause(case) or "")
        ):
            return why(MessageCode.OTHER_THAN_ASKED, reason=_marked(sentence))
        return None if self.meaning in _CHOICES else self._meant

    def _done_before(self, case: Case) -> str:
        """The sentence that tells of a day before our notice, marked; "" where none does."""
        now = self.ledger.clock()
        if case.notice is None:
            return ""
        written = self.mail.date if self.mail.date and case.notice.at <= self.mail.date <= now else now
        for sentence in telling_sentences(self.mail.own_words):
            days = days_named(sentence, written.date())
            if days and max(days) < case.notice.at.date():
                return _marked(sentence)
        return ""

    @property
    def _meant(self) -> Why:
        """What its words mean; a sentence that only sounds like an answer is marked for whoever looks at it."""
        meant = why(MessageCode(self.meaning))
        sounding = telling_sentences(self.mail.own_words) if self.meaning is Meaning.UNCLEAR else ()
        return meant.also(f"look at {_marked(sounding[0])}") if sounding else meant

    def _is_earlier(self, case: Case, letter: Thread) -> bool:
        """Whether the letter is of another round than the case is in; one not recorded yet went out a moment ago.

        That a change is made answers what was told last: the mail that corrected the notice, where one did.
        """
        if case.notice is not None:
            earlier = not letter.is_of(case.notice.data["message_id"])
            return earlier or (self.meaning is Meaning.CHANGED and not self._answers_the_correction(case))
        notices = [event for event in case.events if event.kind is Kind.NOTICE_SENT]
        return any(letter.is_of(event.data["message_id"]) for event in notices)

    def _answers_the_correction(self, case: Case) -> bool:
        """Whether its nearest mail of ours is the correction that holds, or a later one about it; so, too, where there
        is none."""
        if case.correction is None:
            return True
        nearest = next(one for one in self.mail.references if self._letter(one))
        return which_correction(nearest) == which_correction(case.correction.data["message_id"])

    def _words_of(self, doubt: Why | None) -> Event:
        said = {
            "sender": self.mail.sender_address, "words": self.mail.own_words, "evidence": self.digest,
            "by_way_of": BY_MAIL, "message_id": self.mail.message_id,
        }  # fmt: skip
        if doubt:
            return self._event(Kind.REPLY_RECEIVED, code=str(doubt.code), why=doubt.words, **said)
        return self._event(Kind.CONFIRMATION_RECEIVED, choice=_CHOICES[self.meaning], **said)

    def _why(self, place: Disposition, whys: Mapping[str, Why | None]) -> Why:
        if place is Disposition.COUNTED:
            return self._meant
        if self._unreadable and not whys:
            return why(MessageCode.CASE_UNREADABLE, refs=", ".join(self._unreadable))
        return together(one for one in whys.values() if one)

    # -- what is known -------------------------------------------------------------------------------------------------

    @cached_property
    def _signed(self) -> list[str]:
        """The cases that its recipients' addresses name under our signature, and that are there."""
        return self._named([self.replies.secret()])

    @cached_property
    def _void(self) -> list[str]:
        """The same under a key of before."""
        return self._named(self.replies.void())

    def _named(self, secrets: Sequence[bytes]) -> list[str]:
        found = (case_of_address(secret, one) for one in self.mail.recipients for secret in secrets)
        named = list(dict.fromkeys(ref for ref in found if ref))
        there = {row.ref for row in self.uow.cases.of_refs(named)} if named else set()
        return [ref for ref in named if ref in there]

    @cached_property
    def _letters(self) -> list[Thread]:
        """The letters of ours that it says it answers, the nearest first."""
        return [letter for one in self.mail.references if (letter := self._letter(one))]

    @cached_property
    def _answered(self) -> tuple[str, Thread] | None:
        """The case and the letter that both its address and its thread name."""
        pairs = ((ref, letter) for letter in self._letters for ref in self._signed)
        return next(((ref, letter) for ref, letter in pairs if ref in (letter.lead, *letter.cases)), None)

    @property
    def _match(self) -> tuple[str, Thread]:
        if self._answered is None:
            raise AssertionError("asked only once a letter was found")
        return self._answered

    @cached_property
    def _told_of(self) -> list[CaseRow]:
        """The cases that the letter told of."""
        return self.uow.cases.of_refs([*self._match[1].cases])

    @cached_property
    def _theirs(self) -> list[CaseRow]:
        """Those of them for whose retailer the sender may speak."""
        retailers = {row.retailer for row in self._told_of}
        theirs = {retailer for retailer in retailers if self._is_contact(retailer, self.mail.sender_address)}
        return [row for row in self._told_of if row.retailer in theirs]

    @property
    def _noted(self) -> str:
        return self._signed[0] if self._signed else ""

    def _is_contact(self, retailer: str, address: str) -> bool:
        return bool(retailer and address) and self.uow.people.is_contact(retailer, address)

    def _letter(self, message_id: str) -> Thread | None:
        return find_thread(self.uow, message_id) if message_id else None

    def _readable(self, ref: str) -> Case | None:
        try:
            return self.uow.cases.get(ref)
        except Unreadable:
            self._unreadable.append(ref)  # it holds up no other
            return None

    def _too_many(self, ref: str, places: Sequence[Disposition]) -> bool:
        since = self.ledger.clock() - timedelta(hours=FLOOD_HOURS)
        return self.uow.messages.count_for(ref, since, places) >= FLOOD

    def _event(self, kind: Kind, /, **data: object) -> Event:
        return self.ledger.event(kind, US, **data)


_MANY = f"nothing is written into the case: it took down {FLOOD} such mails in {FLOOD_HOURS:g} hours"


def _marked(sentence: str) -> str:
    return f"\u00bb{sentence[:200]}\u00ab"


def _at(addresses: Sequence[str]) -> str:
    more = f" and {len(addresses) - 3} more" if len(addresses) > 3 else ""
    return f" at {', '.join(addresses[:3])}{more}" if addresses else ""


def _bare(address: str) -> str:
    """An address without what stands behind a plus, as it compares."""
    local, _, domain = comparable(address).rpartition("@")
    return f"{local.partition('+')[0]}@{domain}" if local else ""
