"""Hands one finished message to a mail server by SMTP: exactly these bytes, and always back by a deadline.

MailError            the message did not leave
├── MailDown         not reachable, hanging, busy (4xx), or lost after handing it over: try again
└── MailRefused      the server said no (login, sender, recipients, message): somebody must change it

``MailDown.maybe_sent`` is true where the connection was lost after the message was handed over and before the
server's answer: nobody can know whether it was sent. Send the same bytes again, with the same Message-ID, so
that the recipient's mail program sees one message.
"""

from __future__ import annotations

import re
import smtplib
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

from caseproof.channels.outbound.smtp_connection import Smtp, SmtpConnection
from caseproof.channels.servers import MailServer, tidy, timed_out
from caseproof.config.mail_address import ascii_address
from caseproof.domain.codes import Code, MailAnswer
from caseproof.domain.errors import BadInput, CaseproofError

DEADLINE_FACTOR = 3
"""A whole sending may take this many time-outs: a server that drips byte by byte never runs into one."""

GOODBYE_SECONDS = 2.0
"""How long we wait for a server to answer QUIT; by then the message is accepted or lost already."""

T = TypeVar("T")

_ADDRESS = r'[^\s<>@",;:()\[\]\\\x00-\x1f\x7f]+@[^\s<>@",;:()\[\]\\\x00-\x1f\x7f]+'
_NAMED = re.compile(rf'(?:"((?:[^"\\\r\n]|\\[^\r\n])*)"\s*|([^<>@"\x00-\x1f\x7f]*))<({_ADDRESS})>|({_ADDRESS})')
_BARE_NEWLINE = re.compile(rb"(?<!\r)\n|\r(?!\n)")


class MailError(CaseproofError):
    """The message did not leave.

    ``answer``: how the server said no, where it said so to this message or its recipients, so that it may well take
    another; else None. ``reason``: its own words then, for people.
    """

    def __init__(
        self, problem: str, next_action: str = "", *, answer: MailAnswer | None = None, reason: str = ""
    ) -> None:
        super().__init__(problem, next_action)
        self.answer, self.reason = answer, reason


class MailDown(MailError):
    """Worth trying again with the same bytes; ``maybe_sent``: whether the message was sent is unknown."""

    code = Code.MAIL_DOWN

    def __init__(
        self, problem: str, next_action: str = "", *, maybe_sent: bool = False, answer: MailAnswer | None = None,
        reason: str = "",
    ) -> None:  # fmt: skip
        super().__init__(problem, next_action, answer=answer, reason=reason)
        self.maybe_sent = maybe_sent


class MailRefused(MailError):
    """The mail server answered and refused; trying again without a change is of no use."""

    code = Code.MAIL_REFUSED


@dataclass(frozen=True, slots=True)
class MailAccount(MailServer):
    """The server that mail leaves by, and who sends there. ``username`` None: no login.

    The whole sending may take DEADLINE_FACTOR times its ``timeout_seconds``.
    """

    called = "mail account"
    ports = (465, 587)

    username: str | None
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Delivery:
    """What the server took: the addresses it accepted, and those it refused with its reason ("550 ...").

    Addresses stand as they were given. ``answers``: how it refused each; what it refused for now may be gone later
    (say, a full mailbox).
    """

    accepted: tuple[str, ...]
    refused: dict[str, str]
    answers: Mapping[str, MailAnswer] = field(default_factory=dict)


Send = Callable[[bytes, str, Sequence[str]], Delivery]
"""Sends a message as it is: content, envelope sender, recipients."""


def named_address(text: str) -> tuple[str, str]:
    """Name and address in "Name <address>" or "address". Raises BadInput when there is not exactly one."""
    match = _NAMED.fullmatch(text.strip())
    if match is None:
        shown = " ".join(text.split()) or "nothing"
        raise BadInput(f"{shown[:100]!r} is not a mail address.", "Give one address like name@example.com.")
    quoted, plain, address, bare = match.groups()
    return re.sub(r"\\(.)", r"\1", quoted) if quoted else (plain or "").strip(), address or bare


def bare_address(text: str) -> str:
    """The address alone. Raises BadInput when there is not exactly one."""
    return named_address(text)[1]


def send(account: MailAccount, message: bytes, *, sender: str, recipients: Sequence[str]) -> Delivery:
    """Send exactly these bytes (lines end in CRLF); sender and recipients may carry display names.

    Returns once the server took the message for at least one recipient, at the latest after DEADLINE_FACTOR
    times the account's time-out (and GOODBYE_SECONDS). Raises MailDown, MailRefused, and BadInput for what
    can never be sent.
    """
    envelope = Envelope.of(message, sender, recipients)
    return _through(account, lambda smtp, line: hand_over(smtp, account, envelope, line))


def probe(account: MailAccount) -> None:
    """Go as far as the login and a NOOP, and hang up: no message is sent. Back by the same deadline as ``send``.

    Raises MailDown, MailRefused.
    """
    _through(account, _nothing)


def _through(account: MailAccount, work: Callable[[Smtp, SmtpConnection], T]) -> T:
    """What ``work`` returns once the account's server has greeted us; always back by the deadline."""
    line = SmtpConnection()
    answer: Future[T] = Future()
    worker = threading.Thread(target=_work, args=(account, work, line, answer), name="mail", daemon=True)
    worker.start()
    deadline = account.timeout_seconds * DEADLINE_FACTOR
    try:
        return answer.result(timeout=deadline)
    except TimeoutError:
        line.cut()
        raise too_late(account, line) from None
    finally:
        worker.join(GOODBYE_SECONDS)
        line.cut()


@dataclass(frozen=True, slots=True)
class Envelope:
    """A message that can be sent; ``recipients``: each as given, and as it goes over the wire."""

    message: bytes
    sender: str
    recipients: dict[str, str]

    @classmethod
    def of(cls, message: bytes, sender: str, recipients: Sequence[str]) -> Envelope:
        """Raises BadInput for what can never be sent."""
        if not message.strip():
            raise BadInput("The message is empty.", "Compose it first.")
        if _BARE_NEWLINE.search(message):
            # Servers refuse these, and mending them here would send other bytes than the evidence holds.
            raise BadInput("The message has lines that do not end in CRLF.", "Use the SMTP policy.")
        if not recipients:
            raise BadInput("The message has no recipient.", "Add a contact for this retailer.")
        return cls(
            message,
            ascii_address(bare_address(sender)),
            {given: ascii_address(bare_address(given)) for given in recipients},
        )

    @property
    def needs_utf8(self) -> bool:
        headers = self.message.partition(b"\r\n\r\n")[0]
        return not (self.sender.isascii() and headers.isascii())


def _work(
    account: MailAccount, work: Callable[[Smtp, SmtpConnection], T], line: SmtpConnection, answer: Future[T]
) -> None:
    smtp: Smtp | None = None
    try:
        smtp = greeted(account, line)
        answer.set_result(work(smtp, line))
    except MailError as error:
        answer.set_exception(error)
    except Exception as error:  # whatever a broken server made of the library must reach the one who waits
        answer.set_exception(explained(error, account, line))
    finally:
        if smtp is not None:
            say_goodbye(smtp)


def greeted(account: MailAccount, line: SmtpConnection) -> Smtp:
    """A connection that is ready for mail. Raises what the libraries raise, and MailRefused."""
    at_once = account.context() if account.security == "ssl" else None
    smtp = Smtp(account.host, account.port, account.timeout_seconds, line, at_once)
    try:
        _greet(smtp, account, line)
    except Exception as error:
        hang_up(smtp, error)
        raise
    return smtp


def _greet(smtp: Smtp, account: MailAccount, line: SmtpConnection) -> None:
    line.step = "greeting"
    smtp.ehlo_or_helo_if_needed()
    if account.security == "starttls":
        line.step = "STARTTLS"
        if not smtp.has_extn("starttls"):
            raise MailRefused(
                f"The mail server {account.where} offers no STARTTLS, so nothing was sent.",
                "Choose 'ssl' with port 465 in the mail account, or ask the provider for the port.",
            )
        smtp.starttls(context=account.context())
        smtp.ehlo_or_helo_if_needed()
    if account.username is not None:
        _log_in(smtp, account, account.username, line)


def _log_in(smtp: Smtp, account: MailAccount, username: str, line: SmtpConnection) -> None:
    line.step = "login"
    if not (username.isascii() and account.password.isascii()):
        raise MailRefused(
            "The mail account's user name or password has characters that SMTP logins do not carry.",
            "Make an app password of plain letters and digits, and put it into the mail account.",
        )
    if not smtp.has_extn("auth"):
        raise MailRefused(
            f"The mail server {account.where} offers no login over '{account.security}'.",
            "Choose 'starttls' or 'ssl' in the mail account, or leave the user name empty.",
        )
    try:
        smtp.login(username, account.password)
    except smtplib.SMTPAuthenticationError as error:
        if error.smtp_code < 500:
            raise
        raise MailRefused(
            f"The mail server {account.where} refused the login of {username}: "
            f"{_said(error.smtp_code, error.smtp_error)}.",
            "Check the user name and password of the mail account; many providers want an app password.",
        ) from None


def _nothing(smtp: Smtp, line: SmtpConnection) -> None:
    line.step = "NOOP"
    code, text = smtp.noop()
    if not _is_yes(code):
        raise smtplib.SMTPResponseException(code, text)


def hand_over(smtp: Smtp, account: MailAccount, envelope: Envelope, line: SmtpConnection) -> Delivery:
    """Send it by this connection. Raises what the libraries raise, MailDown and MailRefused."""
    utf8 = smtp.has_extn("smtputf8")
    if envelope.needs_utf8 and not utf8:
        raise MailRefused(
            f"The mail server {account.where} cannot carry addresses outside ASCII (no SMTPUTF8).",
            "Use an address of plain letters for the sender and the contact, or another mail server.",
        )
    line.step = "MAIL FROM"
    code, text = smtp.mail(envelope.sender, _options(smtp, envelope, utf8))
    if not _is_yes(code):
        raise smtplib.SMTPSenderRefused(code, text, envelope.sender)
    line.step = "RCPT TO"
    accepted, refused, answers = [], {}, {}
    for given, address in envelope.recipients.items():
        if not address.isascii() and not utf8:
            refused[given] = "553 this mail server cannot carry an address outside ASCII (no SMTPUTF8)"
            answers[given] = MailAnswer.FOR_GOOD
            continue
        code, text = smtp.rcpt(address)
        if code == 421:
            raise smtplib.SMTPResponseException(code, text)
        if _is_yes(code):
            accepted.append(given)
        else:
            refused[given], answers[given] = _said(code, text), _answer(code)
    if not accepted:
        raise _all_refused(account, refused, answers)
    line.step = "DATA"
    line.handed_over = True
    code, text = smtp.data(envelope.message)
    # The server has answered: a refusal is a refusal, and what follows cannot unsend the message.
    if not _is_yes(code):
        raise smtplib.SMTPDataError(code, text)
    return Delivery(tuple(accepted), refused, answers)


def _options(smtp: Smtp, envelope: Envelope, utf8: bool) -> list[str]:
    options = [f"SIZE={len(envelope.message)}"] if smtp.has_extn("size") else []
    if utf8 and (envelope.needs_utf8 or not all(a.isascii() for a in envelope.recipients.values())):
        options.append("SMTPUTF8")
    if not envelope.message.isascii() and smtp.has_extn("8bitmime"):
        options.append("BODY=8BITMIME")
    return options


def say_goodbye(smtp: Smtp) -> None:
    """Hang up; nobody waits long for it."""
    with suppress(Exception):
        if smtp.sock is not None:
            smtp.sock.settimeout(GOODBYE_SECONDS)
            smtp.quit()
    with suppress(Exception):
        smtp.close()


def hang_up(smtp: Smtp, error: Exception) -> None:
    """Hang up after this error: with a good-bye where the server answered, for one that hangs would let us wait."""
    if isinstance(error, MailError | smtplib.SMTPResponseException):
        say_goodbye(smtp)
    else:
        with suppress(Exception):
            smtp.close()


def _all_refused(account: MailAccount, refused: dict[str, str], answers: Mapping[str, MailAnswer]) -> MailError:
    reasons = "; ".join(f"{address}: {reason}" for address, reason in refused.items())
    problem = f"The mail server {account.where} took none of the recipients ({reasons})."
    said = "; ".join(refused.values())
    if MailAnswer.FOR_NOW in answers.values():
        action = "It is tried again; if this goes on, check the contacts' addresses."
        return MailDown(problem, action, answer=MailAnswer.FOR_NOW, reason=said)
    action = "Check the addresses of the retailer's contacts."
    return MailRefused(problem, action, answer=MailAnswer.FOR_GOOD, reason=said)


def explained(error: Exception, account: MailAccount, line: SmtpConnection) -> MailError:
    """What an error of the libraries means for a person."""
    if isinstance(error, smtplib.SMTPResponseException):
        return _answered(error, account, line)
    connecting = line.step == "connecting"
    if known := account.unreached(error, connecting=connecting, down=MailDown, refused=MailRefused):
        return known
    if isinstance(error, smtplib.SMTPException) and not isinstance(error, smtplib.SMTPServerDisconnected):
        return MailRefused(
            f"The mail server {account.where} cannot do what is asked at {line.step}: {error}.",
            "Check the security and the login of the mail account.",
        )
    if timed_out(error):
        return _lost(account, line, f"did not answer within {account.timeout_seconds:g} s")
    if isinstance(error, smtplib.SMTPServerDisconnected | ssl.SSLError | EOFError):
        return _lost(account, line, "closed the connection")
    if isinstance(error, OSError):
        return _lost(account, line, f"is not reachable ({error.strerror or error})")
    return _lost(account, line, f"gave an answer that is not SMTP ({type(error).__name__})")


def _answered(error: smtplib.SMTPResponseException, account: MailAccount, line: SmtpConnection) -> MailError:
    code = error.smtp_code
    if not 200 <= code < 600:
        return _lost(account, line, "gave an answer that is not SMTP")
    problem = f"The mail server {account.where} refused at {line.step}: {_said(code, error.smtp_error)}."
    if _answer(code) is MailAnswer.FOR_NOW:
        return MailDown(problem, "It is tried again; if this goes on, ask whoever runs the mail server.")
    actions = {
        "MAIL FROM": "Check mail.sender in policy.yaml, and that the mail account may send as it.",
        "DATA": "Read the server's reason: it is the message, its size, or the right to send it.",
    }
    action = actions.get(line.step, "Check host, port and security of the mail account.")
    if line.step == "DATA":  # it is this message: it may take another
        said = _said(code, error.smtp_error)
        return MailRefused(problem, action, answer=MailAnswer.FOR_GOOD, reason=said)
    return MailRefused(problem, action)


def too_late(account: MailAccount, line: SmtpConnection) -> MailDown:
    """The error for a sending that was cut at its deadline."""
    deadline = account.timeout_seconds * DEADLINE_FACTOR
    return _lost(account, line, f"was not through after {deadline:g} s")


def _lost(account: MailAccount, line: SmtpConnection, what: str) -> MailDown:
    problem = f"The mail server {account.where} {what} (at {line.step})"
    if line.handed_over:
        return MailDown(
            f"{problem}; whether the message was sent is unknown.",
            "The same message is sent again under the same Message-ID, so that it counts once.",
            maybe_sent=True,
        )
    return MailDown(
        f"{problem}; nothing was sent.",
        "Check that it runs, and host, port and security of the mail account.",
    )


def _is_yes(code: int) -> bool:
    return 200 <= code < 300


def _answer(code: int) -> MailAnswer:
    """How a server said no, by its reply code (RFC 5321, 4.2.1): 4xx may pass by itself."""
    return MailAnswer.FOR_NOW if code < 500 else MailAnswer.FOR_GOOD


def _said(code: int, text: bytes | str) -> str:
    words = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return f"{code} {tidy(words)}".strip().rstrip(".")
