"""A mailing: the letters that are sent together, one a contact, each kept before it is sent, and each sent once.

A mailing is written down as one intent: its result tells of all letters, and of each one up to the first that the mail
server took. Each later one has an intent of its own under the same key and its number. So a crash between two letters
loses none and repeats none that was recorded, and what goes to one contact takes one intent.

What is kept of a letter holds no key: its link and its signed address are put in at the moment of sending, the same
again where it is repeated, and the digest of what was sent is written beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from email.message import EmailMessage
from functools import partial

from caseproof.channels.outbound.mail import Delivery, MailDown, MailError, MailRefused
from caseproof.domain.codes import MailAnswer, mail_answers
from caseproof.domain.errors import BadInput
from caseproof.evidence.key_hiding import hide_keys_in_text
from caseproof.procedure.core.idempotent_effect import Json, idempotent_effect
from caseproof.procedure.core.parts import Dispatch, EvidenceFiles
from caseproof.procedure.notify.letter_keys import RFC822, LetterKeys, digest_of, hide_keys_in, letters_of, more_of
from caseproof.procedure.notify.mail_pace import NotYourTurn
from caseproof.procedure.notify.threads import envelope_sender

TURNS, LONGEST_SLEEP = 20, 60.0
"""How often a letter waits until the mail's pace allows it, and how many seconds at a time, before it needs help."""


class _NotSent(MailDown):
    """The letter certainly did not leave."""


class _NeverBegun(Exception):
    """Nobody ever wrote down that the mailing was about to leave."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What a mailing says: a message a contact, and what its intent tells besides.

    ``threads`` are the names of the letters whose links stand in the messages; none where they have no link.
    """

    to: Sequence[str]
    messages: Sequence[EmailMessage]
    threads: Sequence[str] = ()
    facts: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """Letters that are sent together: their intents are ``lead``'s, under ``key`` and ``key-2``, ``key-3``, ...

    ``name`` is what their files are called in the evidence. ``turns``: how often a letter waits for the mail's pace.
    """

    lead: str
    step: str
    key: str
    name: str
    turns: int = 0

    def file(self, number: int) -> str:
        """The name of the n-th letter's file."""
        return _file(self.name, number)


def _file(name: str, number: int) -> str:
    return f"{name}-{number}.eml" if number > 1 else f"{name}.eml"


def send_letters(
    dispatch: Dispatch, mailing: OutboxEntry, draft: Callable[[], Draft], kept_with: Callable[[Json], str]
) -> Json:
    """Send each letter once, and say what became of all of them.

    Every letter is kept as evidence before it is sent, with the case that ``kept_with`` names; whoever repeats it sends
    the same bytes. What the server does not take for one contact holds up no other; the reason is in ``refused``.
    Nothing is drafted for a mailing that is out. Raises MailDown, MailRefused (no contact's was taken), BadInput.
    """
    sender = _Sender(dispatch, mailing, kept_with)
    told = sender.in_turn(lambda: sender.first(draft))
    letters = letters_of(told)
    if len(letters) == 1:
        return told
    accepted, refused, answers = list(told["accepted"]), dict(told["refused"]), mail_answers(told)
    sent = list(told.get("sent", ()))
    for number, ([address], _) in letters.items():
        if address in accepted or address in refused:
            continue
        got = sender.in_turn(partial(sender.further, told, number, address))
        if "refused" in got:
            refused[address] = got["refused"]
            answers |= mail_answers({"refused": {address: got["refused"]}, "refused_codes": got.get("refused_codes")})
        else:
            accepted.append(address)
            if "sent" in got:  # the key was another by then
                sent[number - 1] = got["sent"]
    told = {**told, **({"sent": sent} if sent else {})}
    return {**told, "accepted": [to for to in told["to"] if to in accepted], **_no(refused, answers)}


def withdraw_letters(dispatch: Dispatch, mailing: OutboxEntry, why: str) -> Json | None:
    """See that no more letters of a mailing leave, and say what became of it; None where it was never begun.

    Waits for a letter that leaves just now. Where the writer of the first died, nobody can say whether that one left:
    it is not sent again, and the mailing is ``unsure``. ``why`` stands with those who were sent nothing.
    """
    sender = _Sender(dispatch, mailing, lambda _: mailing.lead)
    try:
        told = sender.withdrawn()
    except _NeverBegun:
        return None
    accepted, refused = list(told["accepted"]), dict(told["refused"])
    for number, ([address, *_], _) in letters_of(told).items():
        if number > 1 and address not in accepted and address not in refused:
            got = sender.withheld(number, address, why)
            if "refused" in got:
                refused[address] = got["refused"]
            else:
                accepted.append(address)
    return {**told, "accepted": [to for to in told["to"] if to in accepted], "refused": refused}


def keep_letters(files: EvidenceFiles, ref: str, told: Json, name: str) -> None:
    """List every letter of a mailing with the evidence of this case, too."""
    for number, (_, digest) in letters_of(told).items():
        files.keep(ref, files.vault.read(digest), _file(name, number), RFC822)


@dataclass(frozen=True, slots=True)
class _Sender:
    """Sends the letters of one mailing, each under its intent."""

    dispatch: Dispatch
    mailing: OutboxEntry
    kept_with: Callable[[Json], str]

    @property
    def keys(self) -> LetterKeys:
        return LetterKeys(self.dispatch.files.vault, self.dispatch.replies, self.mailing.lead)

    def in_turn(self, tell: Callable[[], Json]) -> Json:
        """Wait where much mail waits already; the intent is withdrawn meanwhile. Raises NotYourTurn in the end."""
        for _ in range(self.mailing.turns):
            try:
                return tell()
            except NotYourTurn as later:
                self.dispatch.effects.sleep(min(later.seconds, LONGEST_SLEEP))
        return tell()

    def first(self, draft: Callable[[], Draft]) -> Json:
        """The intent of the whole: one letter after the other, until the server takes one."""
        with self.dispatch.effects.store.reading() as uow:
            known = uow.intents.result(self.mailing.key)
        return self._idempotent(self.mailing.key, self._plan(draft()), self._until_taken) if known is None else known

    def _plan(self, draft: Draft) -> Json:
        digests = [
            self.dispatch.files.vault.put(message.as_bytes(), self.mailing.file(number), RFC822).digest
            for number, message in enumerate(draft.messages, start=1)
        ]
        first = {"evidence": digests[0], "message_id": str(draft.messages[0]["Message-ID"]), "to": list(draft.to)}
        return {**first, **draft.facts, **more_of(digests), "links": self.keys.links(draft.threads)}

    def _until_taken(self, plan: Json) -> Json:
        plan = plan if "links" in plan else self.keys.taken_out(plan, self.mailing.file)
        refused: dict[str, str] = {}
        answers: dict[str, MailAnswer] = {}
        letters = letters_of(plan)
        for number, (addresses, _) in letters.items():
            try:
                secret = self.keys.secret(plan)
                delivery = self._deliver(plan, number, secret)
            except MailError as error:
                if error.answer is None or len(letters) == 1:
                    raise
                refused[addresses[0]], answers[addresses[0]] = error.reason, error.answer
                continue
            no = _no(refused | dict(delivery.refused), answers | dict(delivery.answers))
            return {**plan, **self.keys.signed_by(plan, secret), "accepted": list(delivery.accepted), **no}
        raise _nobody(refused, answers)

    def further(self, told: Json, number: int, address: str) -> Json:
        """The intent of a later letter; what the server said no to is not tried again."""

        def effect(plan: Json) -> Json:
            whole = told if "links" in told else self.keys.taken_out(told, self.mailing.file)
            secret = self.keys.secret(whole)
            try:
                self._deliver(whole, number, secret)
            except MailError as error:
                if error.answer is None:
                    raise
                return {**plan, "refused": error.reason, "refused_codes": {address: str(error.answer)}}
            sent = digest_of(self.keys.signed(whole, number, secret))
            same = "sent" not in told or sent == told["sent"][number - 1]
            return plan if same else {**plan, "sent": sent}

        return self._idempotent(f"{self.mailing.key}-{number}", {"to": address}, effect)

    def withdrawn(self) -> Json:
        """What is known of the whole without sending anything. Raises _NeverBegun."""

        def unsure(plan: Json) -> Json:
            if not plan:
                raise _NeverBegun
            return {**plan, "accepted": [], "refused": {}, "unsure": True}

        return self._idempotent(self.mailing.key, {}, unsure)

    def withheld(self, number: int, address: str, why: str) -> Json:
        """What became of a later letter; one that has not left never will."""
        key = f"{self.mailing.key}-{number}"
        return self._idempotent(key, {"to": address}, lambda plan: {**plan, "refused": why})

    def _deliver(self, told: Json, number: int, secret: bytes | None) -> Delivery:
        """Keep a letter with its case, then hand it over, signed with ``secret``.

        Raises MailError; _NotSent: it certainly did not leave.
        """
        addresses, digest = letters_of(told)[number]
        kept = self.dispatch.files.vault.read(digest)
        self.dispatch.files.keep(self.kept_with(told), kept, self.mailing.file(number), RFC822)  # before it is sent
        content = self.keys.signed(told, number, secret)
        try:
            sender = envelope_sender(self.dispatch.replies, self.mailing.lead, secret)
            delivery = self.dispatch.send(content, sender, addresses)
        except MailError as error:
            hide_keys_in(error)
            if not isinstance(error, MailDown) or error.maybe_sent or isinstance(error, NotYourTurn):
                raise
            raise _NotSent(error.problem, error.next_action, answer=error.answer, reason=error.reason) from error
        return replace(delivery, refused={to: hide_keys_in_text(why) for to, why in delivery.refused.items()})

    def _idempotent(self, key: str, plan: Json, effect: Callable[[Json], Json]) -> Json:
        return idempotent_effect(
            self.dispatch.effects,
            self.mailing.lead,
            self.mailing.step,
            key,
            plan=plan,
            effect=effect,
            read_back=None,  # nobody can read a retailer's mailbox: the same Message-ID is sent again instead
            harmless=(MailRefused, _NotSent, BadInput, _NeverBegun),
            later=(NotYourTurn,),
        )


def _no(refused: Mapping[str, str], answers: Mapping[str, MailAnswer]) -> Json:
    """What is written down of those whose letter was not taken: the server's words, and a code for each."""
    codes = {address: str(answer) for address, answer in answers.items()}
    return {"refused": dict(refused), **({"refused_codes": codes} if codes else {})}


def _nobody(refused: Mapping[str, str], answers: Mapping[str, MailAnswer]) -> MailError:
    """What is raised where no contact's letter was taken: worth another try, if one may be taken later."""
    reasons = "; ".join(f"{address}: {reason}" for address, reason in refused.items())
    problem = f"The mail server took none of the letters ({reasons})."
    if MailAnswer.FOR_NOW in answers.values():
        return _NotSent(problem, "It is tried again; if this goes on, check the contacts' addresses.")
    return MailRefused(problem, "Check the addresses of the retailer's contacts.")
