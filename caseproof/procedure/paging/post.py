"""Mail and Teams as the engine needs them: a mail a person with their own link, a card that leads to the emergency."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from caseproof.channels.kept_channels import NotSetUp
from caseproof.channels.outbound.composing import one_line, plain_bytes, web_link
from caseproof.channels.outbound.mail import MailDown, bare_address
from caseproof.channels.outbound.mail import Send as SendMail
from caseproof.channels.teams.card import Card, Mention, Tone
from caseproof.config.clock import Clock
from caseproof.domain.emergency.vocabulary import CALLING, NewsKind
from caseproof.domain.errors import CaseproofError
from caseproof.procedure.core.parts import Links
from caseproof.procedure.paging.lanes import Lane
from caseproof.procedure.paging.lines import Message

AT_ONCE = 8
"""So many mails leave beside each other: a server that takes seconds for one keeps nobody else waiting."""

AGAIN_SECONDS = 5.0
"""So soon those that failed are tried once more, one after the other: some servers take three connections at a time."""

_TONES: Mapping[NewsKind, Tone] = {NewsKind.TAKEN: "good", NewsKind.OVER: "good", NewsKind.UPDATE: "default"}


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail of an emergency to one address; ``link`` is the person's own, "" for who only hears of it."""

    address: str
    name: str = ""
    link: str = ""


@dataclass(frozen=True)
class Letters:
    """Sends the mails of a message, a ``lines.Send``.

    ``sender`` is the From, ``others`` who hears of it besides those on the list; ``send`` gives what sends now, and
    raises NotSetUp where there is no mail account. ``lane`` is where they leave beside each other.
    """

    send: Callable[[], SendMail]
    sender: str
    others: Sequence[str]
    clock: Clock
    lane: Lane = field(default_factory=lambda: Lane("paging-mail"))

    def __call__(self, message: Message) -> str:
        """Send them beside each other. Raises what the first that failed says where none was taken, and NotSetUp."""
        letters = letters_of(message, self.others)
        if not letters:
            raise NotSetUp(
                "Nobody of those to be told has a mail address.",
                "Give addresses in on_call.people and paging.product_team of the policy.",
            )
        send, again_until = self.send(), time.monotonic() + AGAIN_SECONDS
        tried = self.lane.beside(lambda one: (one, self._sent(send, message, one)), letters, AT_ONCE)
        failed = [error for _, error in tried if error is not None]
        if len(failed) == len(letters):
            raise failed[0]
        if failed:  # the server is there, so nobody waits for another try of all of them
            failed = self._again(send, message, tried, again_until)
        told = f"{len(letters) - len(failed)} of {len(letters)} mails were taken"
        return f"{told}: {failed[0]}" if failed else told

    def _again(
        self, send: SendMail, message: Message, tried: Sequence[tuple[Letter, CaseproofError | None]], until: float
    ) -> list[CaseproofError]:  # fmt: skip
        """What fails of these after another try of those that the server may take yet."""
        still = [
            self._sent(send, message, one) if isinstance(before, MailDown) and time.monotonic() < until else before
            for one, before in tried
        ]
        return [error for error in still if error is not None]

    def _sent(self, send: SendMail, message: Message, letter: Letter) -> CaseproofError | None:
        try:
            content = mail_of(message, letter, self.sender, self.clock)
            send(content, self.sender, [letter.address])
        except CaseproofError as error:
            return error
        return None


def letters_of(message: Message, others: Sequence[str]) -> list[Letter]:
    """Who gets a mail: those on the list, each with their own link, then who only hears of it; no address twice."""
    letters = [Letter(one.mail, one.name, message.links.get(one.name, "")) for one in message.people if one.mail]
    letters += [Letter(address) for address in others]
    first: dict[str, Letter] = {}
    for one in letters:
        first.setdefault(one.address.strip().casefold(), one)
    return list(first.values())


def mail_of(message: Message, letter: Letter, sender: str, clock: Clock) -> bytes:
    """The mail, in one thread with all others of the case. The same try to the same person is the same Message-ID."""
    domain = bare_address(sender).rpartition("@")[2]
    digest = hashlib.sha256(letter.address.casefold().encode()).hexdigest()[:12]
    link = web_link(letter.link)
    to_press = f"I have it (the page has a button):\n{link}\n\n" if link else ""
    return plain_bytes(
        sender=sender,
        recipient=letter.address,
        subject=one_line(message.subject, 200),
        text=f"{to_press}{message.text}\n",
        date=clock(),
        message_id=f"<{message.key}.{digest}@{domain}>",
        thread=[f"<{message.ref.lower()}.emergency@{domain}>"],
    )


def card_of(message: Message, links: Links) -> Card:
    """The card: its buttons open pages. Whoever is on the list is named on it while somebody has to take it."""
    calling = message.news in CALLING
    where = [("I have it", links.emergency_url(message.ref))] if calling else []
    return Card(
        title=message.subject,
        text=message.text,
        links=[*where, ("The case", links.case_url(message.ref))],
        mentions=[Mention(one.name, one.teams) for one in message.people if one.teams] if calling else [],
        tone=_TONES.get(message.news, "attention"),
    )
