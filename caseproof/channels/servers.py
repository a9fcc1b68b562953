"""What the servers of mail that comes and of mail that goes have in common: how to reach one, and what goes wrong then.

What went wrong is told by what was raised, never by its text.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar, Literal, TypeVar

from caseproof.domain.errors import BadInput, CaseproofError
from caseproof.domain.visible import one_line
from caseproof.http.redaction import redact

Security = Literal["ssl", "starttls", "plain"]
E = TypeVar("E", bound=CaseproofError)


@dataclass(frozen=True, slots=True)
class MailServer:
    """How to reach a mail server.

    ``security``: "ssl" (TLS from the start), "starttls" (never falls back) or "plain". ``verify``: whether the
    certificate is checked. ``timeout_seconds``: how long the server may be silent. Raises BadInput.
    """

    called: ClassVar[str]
    """What people call the account, as in "Check the host name in the mailbox"."""
    ports: ClassVar[tuple[int, int]]
    """The usual ones, with "ssl" and with "starttls"."""

    host: str
    port: int
    security: Security
    verify: bool = field(default=True, kw_only=True)
    timeout_seconds: float = field(default=20.0, kw_only=True)

    def __post_init__(self) -> None:
        at_once, later = self.ports
        if not self.host.strip():
            raise BadInput(f"The {self.called} names no server.", "Fill in the host name of its server.")
        if not 0 < self.port < 65536:
            raise BadInput(f"{self.port} is not a port.", f"Use {at_once} (ssl) or {later} (starttls).")
        if self.timeout_seconds <= 0:
            raise BadInput(f"The {self.called}'s time-out is not above zero.", "Set mail.timeout_seconds, say 20.")

    @property
    def where(self) -> str:
        """The server as error texts name it."""
        return f"{self.host}:{self.port}"

    def context(self) -> ssl.SSLContext:
        """Whom we trust when we speak TLS."""
        context = ssl.create_default_context()
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def unreached(self, error: Exception, *, connecting: bool, down: type[E], refused: type[E]) -> E | None:
        """What an error of the connection means for a person; None for an error of another kind."""
        if isinstance(error, ssl.SSLCertVerificationError):
            return refused(
                f"The certificate of the mail server {self.where} is not valid: {error.verify_message}.",
                f"Check the host name in the {self.called}; switch off the check only for a server of your own.",
            )
        if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
            at_once, later = self.ports
            return refused(
                f"The mail server {self.where} does not speak TLS for '{self.security}' ({error.reason}).",
                f"Check port and security together: {at_once} goes with 'ssl', {later} with 'starttls'.",
            )
        if isinstance(error, socket.gaierror):
            return down(
                f"The mail server's name {self.host} is not found.", f"Check the {self.called}'s host, and the DNS."
            )
        if isinstance(error, UnicodeError) and connecting:
            return refused(f"{self.host!r} is not a host name.", f"Correct the host in the {self.called}.")
        return None


def tidy(words: str) -> str:
    """A server's words on one line, without what acts on a terminal and without secrets, and not too long."""
    return one_line(redact(words[:2000]))[:200]


def timed_out(error: BaseException) -> bool:
    """Whether the error is a time-out, or was raised because of one: smtplib and imaplib wrap them in their own."""
    return any(isinstance(one, TimeoutError) for one in _behind(error))


def _behind(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
