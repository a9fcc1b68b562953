"""Where a retailer's mail ends, and why: the rules of docs/inbox.md, in their order (J5, J8, J11).

Nothing is written here. In doubt a mail does not count: then a person looks at it, and the case stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import parseaddr
from functools import cached_property

from caseproof.channels.inbound.meaning import Meaning
from caseproof.channels.inbound.reading import Mail
from caseproof.config.mail_address import comparable
from caseproof.domain.case import Case
from caseproof.domain.codes import MessageCode
from caseproof.domain.events import Event
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.vocabulary import BY_MAIL, Choice, Disposition
from caseproof.procedure.answers.entry import MailEntry, as_data, doubts_of, for_two, meant, notes_of, of_its_sender
from caseproof.procedure.answers.support_mail import is_for_support, support_mail
from caseproof.procedure.core.message_words import Why, together, why
from caseproof.procedure.core.parts import US, Ledger, ReplyAddresses
from caseproof.procedure.core.retailer_answer import cases_named
from caseproof.procedure.notify.threads import Thread
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
    are contacts that mail does not reach, as retailer and address, with the reason in ``why``. ``opens`` begin a
    support case.
    """

    place: Disposition
    why: Why
    ref: str = ""
    events: Sequence[tuple[str, Event]] = ()
    bounced: Sequence[tuple[str, str]] = ()
    opens: Sequence[Event] = ()


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

    @cached_property
    def entry(self) -> MailEntry:
        """The mail as the entry check looks at it."""
        return MailEntry(self.replies, self.uow, self.mail, self.meaning, self.ledger.clock())

    def verdict(self) -> TriageResult:
        """The rules, in their order: the first that applies decides."""
        return (
            self._our_own()
            or self._came_back()
            or self._automatic()
            or self._for_support()
            or self._sent_before()
            or self._no_answer_of_ours()
            or self._not_trusted()
            or self._word()
        )

    # -- what is no person's mail --------------------------------------------------------------------------------------

    def _our_own(self) -> TriageResult | None:
        policy = self.replies.mail
        ours = {
            _bare(parseaddr(text)[1])
            for text in (policy.sender, policy.reply_to, policy.team, self.replies.ladder.address)
            if text
        }
        if _bare(self.mail.sender_address) in ours or self.entry.letter(self.mail.message_id):
            return TriageResult(Disposition.AUTOMATIC, why(MessageCode.OUR_OWN), self._noted)
        return None

    def _came_back(self) -> TriageResult | None:
        bounce = self.mail.bounce
        if bounce is None:
            return None
        letters = [letter for one in bounce.about if (letter := self.entry.letter(one))]
        if not self.entry.signed and not letters:
            return TriageResult(Disposition.UNMATCHED, why(MessageCode.BOUNCE_OF_ANOTHER))
        if bounce.delayed and not bounce.failed:
            return TriageResult(Disposition.AUTOMATIC, why(MessageCode.DELAYED), self._noted)
        # A report that names nobody is about whoever the letter was for that it returns.
        failed = bounce.failed or tuple(letter.to for letter in letters if not letter.also)
        facts = {"at": _at(failed), "reason": bounce.why or "no reason is given"}
        if not self.entry.signed:
            # Whoever knows how we name our mails can write such a report, and would keep our mail from a contact.
            return TriageResult(Disposition.BOUNCE, why(MessageCode.BOUNCE_UNSIGNED, **facts))
        sent = [letter for letter in letters if self.entry.is_sent_to(letter)]
        if not sent:
            refs = ", ".join(self.entry.signed[:5])
            return TriageResult(Disposition.BOUNCE, why(MessageCode.BOUNCE_WITHOUT_LETTER, ref=refs, **facts))
        return self._bounced(failed, bounce.why, facts, sent)

    def _bounced(
        self, at: Sequence[str], reason: str, facts: Mapping[str, str], letters: Sequence[Thread]
    ) -> TriageResult:
        """``letters``: those of ours that it names. Nobody is marked but whom one of them went to."""
        ref = next(ref for ref in self.entry.signed if ref in (letters[0].lead, *letters[0].cases))
        reached = {comparable(one): one for letter in letters for one in (letter.to, *letter.also)}
        rows = self.uow.cases.of_refs([*letters[0].cases])
        theirs = {
            retailer: [address for address in at if self.entry.is_contact(retailer, address)]
            for retailer in {row.retailer for row in rows}
        }
        contacts = [(row, address) for row in rows for address in theirs[row.retailer]]
        failed = [(row, address) for row, address in contacts if comparable(address) in reached]
        if contacts and not failed:
            to = ", ".join(reached.values())
            return TriageResult(Disposition.BOUNCE, why(MessageCode.BOUNCE_SENT_ELSEWHERE, to=to, **facts))
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
        """Only where both are authentic: a forged one must not make the true one seen, nor pass for it."""
        if self.mail.genuine.ok and self.uow.messages.seen(self.mail.message_id, self.mail.sender_address):
            return TriageResult(Disposition.DUPLICATE, why(MessageCode.SENT_BEFORE), self._noted)
        return None

    def _for_support(self) -> TriageResult | None:
        """Only what answers no letter of ours to a retailer; it tells by itself what came twice."""
        if self._answered or not is_for_support(self.entry):
            return None
        found = support_mail(self.entry, self.digest)
        events = [(found.ref, event) for event in found.events]
        return TriageResult(found.place, found.why, found.ref, events, opens=found.opens)

    # -- whether it counts ---------------------------------------------------------------------------------------------

    def _no_answer_of_ours(self) -> TriageResult | None:
        if self._answered:
            return None
        if void := self.entry.void:
            return TriageResult(Disposition.UNMATCHED, why(MessageCode.VOID_ADDRESS, refs=", ".join(void[:5])))
        if self.entry.signed:
            ref = self.entry.signed[0]
            return self._refused(ref, why(MessageCode.NOT_IN_THE_THREAD, ref=ref))
        if self.entry.letters:
            about = ", ".join(self.entry.letters[0].cases)
            return TriageResult(Disposition.UNMATCHED, why(MessageCode.OTHER_ADDRESS, refs=about))
        if named := cases_named(self.mail.subject):
            return TriageResult(Disposition.UNMATCHED, why(MessageCode.ONLY_A_SUBJECT, ref=named[0]))
        return TriageResult(Disposition.UNMATCHED, why(MessageCode.NO_ANSWER_OF_OURS))

    def _not_trusted(self) -> TriageResult | None:
        ref, _ = self._match
        retailers = {row.retailer for row in self._theirs or self._told_of}
        found = next(of_its_sender(self.entry, sorted(retailers)), None)
        return self._refused(ref, found) if found else None

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
        ref, _ = self._match
        if self._too_many(ref, _WORDS):
            return TriageResult(Disposition.REPLY, meant(self.entry).also(_MANY), ref)
        cases = [case for row in self._theirs if (case := self._readable(row.ref))]
        named = cases_named(self.mail.own_words)
        cases = [case for case in cases if case.ref in named] or cases  # where it names none of them, it is of none
        whys = {case.ref: self._doubt(case) for case in cases}
        events = [(case.ref, self._words_of(case, whys[case.ref])) for case in cases]
        counted = [event for _, event in events if event.kind is Kind.CONFIRMATION_RECEIVED]
        place = Disposition.COUNTED if counted else Disposition.REPLY
        return TriageResult(place, self._why(place, whys), ref if ref in whys or not cases else cases[0].ref, events)

    def _doubt(self, case: Case) -> Why | None:
        """Why a clear word is none for this case; None where nothing speaks against it."""
        if case.is_closed:
            return why(MessageCode.CASE_CLOSED)
        return next(iter(doubts_of(self.entry, case)), None)

    def _words_of(self, case: Case, doubt: Why | None) -> Event:
        said: dict[str, object] = {
            "sender": self.mail.sender_address, "words": self.mail.own_words, "evidence": self.digest,
            "by_way_of": BY_MAIL, "message_id": self.mail.message_id,
        }  # fmt: skip
        if notes := notes_of(self.uow, case, self.mail.sender_address):
            said["notes"] = notes
        if doubt is None:
            return self._event(Kind.CONFIRMATION_RECEIVED, choice=_CHOICES[self.meaning], **said)
        if found := as_data(for_two(doubts_of(self.entry, case, claimed=True))):
            said["doubts"] = found  # for whoever says that it counts all the same
        return self._event(Kind.REPLY_RECEIVED, code=str(doubt.code), why=doubt.words, **said)

    def _why(self, place: Disposition, whys: Mapping[str, Why | None]) -> Why:
        if place is Disposition.COUNTED:
            return meant(self.entry)
        if self._unreadable and not whys:
            return why(MessageCode.CASE_UNREADABLE, refs=", ".join(self._unreadable))
        return together(one for one in whys.values() if one)

    # -- what is known -------------------------------------------------------------------------------------------------

    @cached_property
    def _answered(self) -> tuple[str, Thread] | None:
        """The case and the letter that both its address and its thread name."""
        pairs = ((ref, letter) for letter in self.entry.letters for ref in self.entry.signed)
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
        theirs = {retailer for retailer in retailers if self.entry.is_contact(retailer, self.mail.sender_address)}
        return [row for row in self._told_of if row.retailer in theirs]

    @property
    def _noted(self) -> str:
        return self.entry.signed[0] if self.entry.signed else ""

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


def _at(addresses: Sequence[str]) -> str:
    more = f" and {len(addresses) - 3} more" if len(addresses) > 3 else ""
    return f" at {', '.join(addresses[:3])}{more}" if addresses else ""


def _bare(address: str) -> str:
    """An address without what stands behind a plus, as it compares."""
    local, _, domain = comparable(address).rpartition("@")
    return f"{local.partition('+')[0]}@{domain}" if local else ""
