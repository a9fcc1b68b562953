# ruff: noqa: E501 - mails read best in their own lines
"""What the messages of the corpus are made of: the thread they answer, their headers, and what is around their words."""

from __future__ import annotations

from dataclasses import dataclass
from email import message_from_bytes, policy
from email.header import Header
from pathlib import Path
from typing import Any

import yaml

from caseproof.domain.vocabulary import Disposition
from tests.corpus.shapes import SHAPES, Quoted
from tests.corpus.writing import written

HERE = Path(__file__).parent
AUTHSERV = "mx.example.com"
DATE = "Fri, 20 Nov 2026 12:00:00 +0100"


@dataclass(frozen=True, slots=True)
class Sample:
    """A message, and where it must end. ``wanted``: "changed", "remove", or "" where it must confirm nothing.

    ``places``: where it may end. ``words``: the writer's own, for reports.
    """

    kind: str
    raw: bytes
    wanted: str
    places: tuple[Disposition, ...]
    words: str


@dataclass(frozen=True, slots=True)
class Thread:
    """A letter of ours that was sent to ``contact``: what an answer needs to know of it."""

    reply_to: str
    message_id: str
    subject: str
    text: str
    contact: str
    raw: bytes

    @classmethod
    def of(cls, letter: bytes, contact: str) -> Thread:
        told = message_from_bytes(letter, policy=policy.default)
        body = told.get_body(("plain",))
        assert body is not None
        return cls(
            told["Reply-To"].addresses[0].addr_spec, str(told["Message-ID"]), str(told["Subject"]), body.get_content(),
            contact, letter,
        )  # fmt: skip

    def quoted(self, text: str = "") -> Quoted:
        return Quoted(text or self.text, self.reply_to, self.subject, self.contact)


def data(name: str) -> Any:
    """One of the YAML files beside this one."""
    return yaml.load((HERE / f"{name}.yaml").read_text("utf-8"), yaml.CSafeLoader)


def found(domain: str, result: str = "pass") -> str:
    """What our own mail server writes above a mail: its findings, then its Received."""
    return f"Authentication-Results: {AUTHSERV}; dmarc={result} header.from={domain}\n{received()}"


def received(by: str = AUTHSERV) -> str:
    return f"Received: from mail.shop.example by {by} with ESMTPS; Fri, 20 Nov 2026 11:00:02 +0000\n"


def headers(thread: Thread, mark: str, german: bool = False, **other: str) -> dict[str, str]:
    """An answer's headers in their order; ``other`` replaces or adds (with _ for -), and "" takes one away."""
    made = {
        "From": f"Jo Gardener <{thread.contact}>",
        "To": thread.reply_to,
        "Subject": _encoded(f"{'AW' if german else 'Re'}: {thread.subject}"),
        "Date": DATE,
        "Message-ID": f"<{mark}@{thread.contact.rpartition('@')[2]}>",
        "In-Reply-To": thread.message_id,
        "References": thread.message_id,
    }
    made |= {name.replace("_", "-"): _encoded(value) for name, value in other.items()}
    return {name: value for name, value in made.items() if value}


def _encoded(text: str) -> str:
    return text if text.isascii() else Header(text, "utf-8", maxlinelen=900).encode()


def answer(
    thread: Thread,
    mark: str,
    words: str,
    *,
    shape: str = "Gmail",
    way: str = "UTF-8, quoted-printable",
    german: bool = False,
    above: str | None = None,
    quote: str = "",
    **other: str,
) -> bytes:
    """An answer of the contact's as it lies in our mailbox. ``above``: what mail servers wrote over it."""
    plain, html = SHAPES[shape](words, thread.quoted(quote), german)
    html = html or f"<html><body>{_as_html(plain)}</body></html>"
    over = found(thread.contact.rpartition("@")[2]) if above is None else above
    return over.encode() + written(way, headers(thread, mark, german, **other), plain, html)


def _as_html(plain: str) -> str:
    own, quoted = [], []
    for line in plain.replace("&", "&amp;").replace("<", "&lt;").splitlines():
        (quoted if line.startswith(">") else own).append(line.removeprefix("> ").removeprefix(">"))
    return f'{"<br>".join(own)}<blockquote type="cite">{"<br>".join(quoted)}</blockquote>'


_DRESS = {
    False: (
        "{words}",
        "Hi,\n\n{words}\n\nKind regards,\nJo Gardener",
        "{words}\n\n-- \nJo Gardener\nGarden Shop Ltd\nTel. 555 0100",
        "Hello,\n\n{words}\n\nBest regards\nJo Gardener\n\nGarden Shop Ltd | 1 Garden Lane | www.shop.example.com\n\n"
        "This e-mail and its attachments are confidential. If you are not the intended recipient, please tell the sender "
        "and delete it. You must not copy or use it.",
        "{words}\n\nThanks\nJo",
        "{words}\n\nCheers, Jo\n\n--\nVirus-free. www.scanner.example.com",
        "Dear team,\n\n{words}\n\nYours sincerely\n\nJo Gardener\nManaging Director\n\nGarden Shop Ltd, registered in "
        "Newtown, No. 1234\nPlease consider the environment before printing this e-mail.",
        "Good morning\n\n{words}\n\nBR\nJo",
    ),
    True: (
        "{words}",
        "Hallo,\n\n{words}\n\nMit freundlichen Grüßen\nJo Gärtner",
        "{words}\n\n-- \nJo Gärtner\nGartenladen GmbH\nTel. 555 0100",
        "Guten Tag,\n\n{words}\n\nViele Grüße\nJo Gärtner\n\nGartenladen GmbH | Gartenweg 1 | www.shop.example.com\n"
        "Geschäftsführerin: Jo Gärtner, Amtsgericht Neustadt HRB 1234\n\nDiese E-Mail enthält vertrauliche "
        "Informationen. Wenn Sie nicht der richtige Adressat sind, informieren Sie bitte den Absender und löschen Sie "
        "diese Mail. Das unerlaubte Kopieren ist nicht gestattet.",
        "{words}\n\nDanke\nJo",
        "{words}\n\nLG Jo\n\n--\nVirenfrei. www.scanner.example.com",
        "Sehr geehrte Damen und Herren,\n\n{words}\n\nFreundliche Grüße\n\ni. A. Jo Gärtner\nBuchhaltung\n\n"
        "Gartenladen GmbH, Sitz Neustadt\nBitte denken Sie an die Umwelt, bevor Sie diese E-Mail ausdrucken.",
        "Moin,\n\n{words}\n\nGruß\nJo",
    ),
}  # fmt: skip
MANY_DRESSES = len(_DRESS[False])


def dressed(words: str, number: int, german: bool) -> str:
    """Words with a greeting and a signature around them, of several kinds by turns."""
    return _DRESS[german][number % MANY_DRESSES].format(words=words)
