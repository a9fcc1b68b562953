"""What every mail of ours is made with: clean words, safe addresses, two renderers of the templates, one envelope."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email import quoprimime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from functools import cache, lru_cache
from pathlib import Path
from traceback import walk_tb
from typing import Any

import jinja2

from caseproof.channels.outbound.languages import BrokenWords, Phrases
from caseproof.channels.outbound.mail import named_address
from caseproof.config.mail_address import ascii_address
from caseproof.domain.errors import BadInput

_MESSAGE_ID = re.compile(r"<[!-;=?A-~]+@[!-;=?A-~]+>")
_BIDI = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F], None)


def one_line(text: str, longest: int) -> str:
    """Text from outside on one line: no control characters, no direction tricks, and not too long."""
    whole = text[: longest * 20].encode("utf-8", "replace").decode("utf-8").translate(_BIDI)
    clean = "".join(" " if unicodedata.category(c) == "Cc" else c for c in whole)
    tidy = " ".join(clean.split())
    return tidy if len(tidy) <= longest else f"{tidy[: longest - 1].rstrip()}\u2026"


def greeting(say: Phrases, name: str) -> str:
    """How a mail begins, with the name of who gets it, if it is known."""
    known = one_line(name, 60)
    return say("hello_name", name=known) if known else say("hello")


def web_link(url: str) -> str:
    """A link as it may stand in a mail, or "". Raises BadInput for one that is no web address."""
    if url and not re.fullmatch(r"https?://[^\s\"'<>\x00-\x1f]+", url):
        raise BadInput(
            "The link in the mail is not a web address.", "Check CASEPROOF_ANSWER_URL and CASEPROOF_PUBLIC_URL."
        )
    return url


def header_address(text: str) -> Address:
    """An address as it may stand in a header. Raises BadInput for one that many mail servers cannot carry."""
    name, given = named_address(text)
    address = ascii_address(given)
    if not address.isascii():
        raise BadInput(
            f"Many mail servers cannot carry the address {one_line(given, 100)}: its name is not ASCII.",
            "Ask for another address of plain letters, and put that one in its place.",
        )
    return Address(display_name=one_line(name, 80), addr_spec=address)


@dataclass(frozen=True, slots=True)
class Body:
    """Both parts of a mail."""

    text: str
    html: str


def rendered(folder: Path, name: str, words: Mapping[str, Any]) -> Body:
    """Both parts of a mail from its two templates and the same words; the second escapes them. Raises BrokenWords."""
    text, html = (render(folder, f"{name}.{kind}.j2", words, html=kind == "html") for kind in ("txt", "html"))
    return Body(tidy_text(text), html)


def render(folder: Path, name: str, words: Mapping[str, Any], *, html: bool) -> str:
    """One template with its words filled in. Raises BrokenWords."""
    with naming_the_line(folder):
        return environment(folder, html=html).get_template(name).render(words)


@cache
def environment(folder: Path, *, html: bool) -> jinja2.Environment:
    """What renders the templates of a folder: as they are, or escaping for HTML."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=html,  # noqa: S701 - the plain text of a mail is not HTML
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


@contextmanager
def naming_the_line(folder: Path) -> Iterator[None]:
    """Turns what is wrong with a template into BrokenWords, which names the file and the line."""
    try:
        yield
    except jinja2.TemplateNotFound as error:
        raise BrokenWords(f"The template {error.name} is missing.", "Write or restore that file.") from error
    except jinja2.TemplateSyntaxError as error:
        where = f"{error.name}, line {error.lineno}"
        raise BrokenWords(f"The template {where} is broken: {error.message}.", "Correct that line.") from error
    except (jinja2.TemplateError, TypeError, AttributeError) as error:
        where = _where(error, folder)
        if not where:
            raise
        raise BrokenWords(f"The template {where} is broken: {error}.", "Correct that line.") from error


def _where(error: Exception, folder: Path) -> str:
    """The template, and its line, in which an error arose; "" for one that arose in none."""
    found = []
    for frame, line in walk_tb(error.__traceback__):
        file, template = Path(frame.f_code.co_filename), frame.f_globals.get("__jinja_template__")
        if file.suffix == ".j2" and file.is_relative_to(folder):
            # Where Jinja has not put the template's own line into the traceback, the template knows it.
            at = template.get_corresponding_lineno(line) if template else line
            found.append(f"{file.relative_to(folder).as_posix()}, line {at}")
    # The base has shapes only: what went wrong in one was put in elsewhere.
    return next((one for one in reversed(found) if not one.startswith("base.")), found[-1] if found else "")


def tidy_text(text: str) -> str:
    """Rendered plain text without the gaps that left-out parts leave."""
    return re.sub(r"\n{4,}", "\n\n\n", text)


def is_message_id(text: str) -> bool:
    """Whether it can stand in the headers of a mail as another one's Message-ID."""
    return len(text) <= 500 and _MESSAGE_ID.fullmatch(text) is not None


def message_of(
    *,
    sender: str,
    recipients: Sequence[str],
    subject: str,
    text: str,
    date: datetime,
    html: str = "",
    message_id: str = "",
    reply_to: str = "",
    follows: str = "",
    thread: Sequence[str] = (),
    by_a_person: bool = False,
) -> EmailMessage:
    """The message; the same arguments give the same bytes (CRLF lines).

    ``html`` is the same once more; ``follows`` is the Message-ID of the mail that it answers, and ``thread`` those of
    the mails that it stands below, the oldest first, where they are others. ``by_a_person``: no program wrote it.
    Raises BadInput for an address, a Message-ID or a time that cannot be used.
    """
    _refuse(date, (message_id, follows, *thread))
    # Seven bits and CRLF lines survive every mail server.
    message = EmailMessage(policy=SMTP.clone(cte_type="7bit"))
    headers: dict[str, object] = {
        "Message-ID": message_id,
        "In-Reply-To": follows,
        "References": " ".join(thread) or follows,
        "Date": date.astimezone(UTC),
        "From": header_address(sender),
        "To": [header_address(one) for one in recipients],
        "Reply-To": header_address(reply_to) if reply_to else "",
        "Subject": subject,
        "Auto-Submitted": "" if by_a_person else "auto-generated",
    }
    for name, value in headers.items():
        if value:
            message[name] = value
    message.set_content(text, cte="quoted-printable")
    if html:
        message.add_alternative(html, subtype="html", cte="quoted-printable")
        # A boundary made by chance would make two messages out of one; "=_" never stands in quoted-printable.
        message.set_boundary(f"=_{hashlib.sha256(message_id.encode()).hexdigest()[:32]}")
    if subject.isascii():
        # Python folds a plain subject right after "Subject:", which some programs show as a blank in front.
        message.policy = message.policy.clone(max_line_length=_LONGEST_LINE)
    return message


def plain_bytes(
    *, sender: str, recipient: str, subject: str, text: str, date: datetime, message_id: str, thread: Sequence[str]
) -> bytes:
    """The bytes of ``message_of`` with these arguments, in a tenth of its time: for hundreds of mails at once.

    What many mails have in common (who sends, who gets one, the subject) the library puts into words once. Raises
    BadInput as ``message_of`` does.
    """
    _refuse(date, (message_id, *thread))
    longest = _LONGEST_LINE if subject.isascii() else _LINE
    headers = {
        "Message-ID": message_id,
        "References": " ".join(thread),
        "Date": date.astimezone(UTC).replace(microsecond=0),
        "From": sender,
        "To": recipient,
        "Subject": subject,
        "Auto-Submitted": "auto-generated",
    }
    told = b"".join(_folded(name, value, longest) for name, value in headers.items() if value)
    lines = b"\n".join([*text.encode().splitlines(), b""]) or b"\n"
    return told + _PLAIN + quoprimime.body_encode(lines.decode("latin-1"), _LINE, "\r\n").encode("ascii")


_LINE, _LONGEST_LINE = 78, 900
_PLAIN = (
    b'Content-Type: text/plain; charset="utf-8"\r\nContent-Transfer-Encoding: quoted-printable\r\n'
    b"MIME-Version: 1.0\r\n\r\n"
)


@lru_cache(maxsize=2000)
def _folded(name: str, value: str | datetime, longest: int) -> bytes:
    """One header, as it stands in a mail."""
    if name == "Message-ID":  # it was looked at letter by letter
        return f"{name}: {value}\r\n".encode("ascii")
    policy = SMTP.clone(cte_type="7bit", max_line_length=longest)
    given = [header_address(str(value))] if name in ("From", "To") else value
    return policy.fold_binary(name, policy.header_factory(name, given))


def _refuse(date: datetime, ids: Sequence[str]) -> None:
    """Raise BadInput for a time, or a Message-ID, that cannot be used."""
    if date.tzinfo is None:
        raise BadInput("The date of the mail has no time zone.", "Pass an aware datetime.")
    for one in ids:
        if one and not is_message_id(one):
            raise BadInput(f"{one_line(one, 80)!r} is not a Message-ID.", "Make it with message_id().")
