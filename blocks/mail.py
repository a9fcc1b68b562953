"""The mail account: prefect-email's block as it is; the message and its time-outs are ours."""

from __future__ import annotations

from prefect_email import EmailServerCredentials
from prefect_email.credentials import SMTPServer, SMTPType

from caseproof.channels.outbound.mail import MailAccount
from caseproof.channels.servers import Security

_SECURITY: dict[SMTPType, Security] = {
    SMTPType.SSL: "ssl",
    SMTPType.STARTTLS: "starttls",
    SMTPType.INSECURE: "plain",
}


def account_of(block: EmailServerCredentials, timeout_seconds: float) -> MailAccount:
    """The account that a saved 'Email Server Credentials' block describes."""
    server, kind = block.smtp_server, SMTPType(block.smtp_type)
    return MailAccount(
        host=server.value if isinstance(server, SMTPServer) else server,
        port=block.smtp_port or kind.value,
        security=_SECURITY[kind],
        username=block.username,
        password=block.password.get_secret_value(),
        verify=block.verify is not False,
        timeout_seconds=timeout_seconds,
    )


def smtp_type_of(security: Security) -> SMTPType:
    """prefect-email's word for a way to speak to the server."""
    return next(kind for kind, ours in _SECURITY.items() if ours == security)
