"""The mailbox that retailers' mail arrives in, as a Prefect block. The policy names it under `answers.mailbox`."""

from __future__ import annotations

from typing import Literal

from prefect.blocks.core import Block
from pydantic import ConfigDict, Field, SecretStr

from blocks.base import docs, logo
from caseproof.channels.inbound.imap_account import ImapAccount


class RetailerMailbox(Block):
    """The mailbox that retailers answer to. The block's name stands in the policy (`answers.mailbox`).

    Caseproof reads it over IMAP and moves each message to a folder of its own once the message is taken in.

    Example:
        Load a saved mailbox:
        ```python
        from blocks.inbox import RetailerMailbox

        mailbox = RetailerMailbox.load("BLOCK_NAME")
        ```
    """

    model_config = ConfigDict(hide_input_in_errors=True)  # what is refused may hold the password

    _block_type_name = "Caseproof Retailer Mailbox"
    _block_type_slug = "caseproof-retailer-mailbox"
    _documentation_url = docs("setup")
    _logo_url = logo("mailbox")

    host: str = Field(
        min_length=1, title="Server", description="The IMAP server's host name.", examples=["imap.example.com"]
    )
    port: int = Field(
        default=993, gt=0, lt=65536, title="Port", description="Usually 993 with `ssl`, 143 with `starttls` or `plain`."
    )
    security: Literal["ssl", "starttls", "plain"] = Field(
        default="ssl",
        title="Security",
        description="How the connection is protected; `plain` is for a server on this machine only.",
    )
    username: str = Field(
        min_length=1, title="User name", description="Who logs in; for most providers the mailbox's address."
    )
    password: SecretStr = Field(
        min_length=1, title="Password", description="The user's password; many providers want an app password."
    )
    folder: str = Field(
        default="INBOX",
        min_length=1,
        title="Folder",
        description="Where retailers' mail arrives. What lies here is read and moved away: let nothing else arrive in "
        "it.",
    )
    done_folder: str = Field(
        default="Caseproof",
        min_length=1,
        title="Folder of what is taken in",
        description="Where a message goes once it is taken in. It is made if it is missing.",
    )
    authserv: str = Field(
        default="",
        title="Name in Authentication-Results",
        description="The name under which your own mail server writes `Authentication-Results` into what it receives: "
        "the first word after the colon. Left empty, no mail counts as genuine, and every answer by mail waits for a "
        "person.",
        examples=["mx.example.com"],
    )
    verify: bool = Field(
        default=True,
        title="Check the certificate",
        description="Whether the server's certificate is checked; switch it off only for a server of your own.",
    )

    def account(self, timeout_seconds: float) -> ImapAccount:
        """How this mailbox is read. Raises BadInput for what no mailbox can be read with."""
        return ImapAccount(
            host=self.host,
            port=self.port,
            security=self.security,
            username=self.username,
            password=self.password.get_secret_value(),
            folder=self.folder,
            done_folder=self.done_folder,
            authserv=self.authserv.strip(),
            verify=self.verify,
            timeout_seconds=timeout_seconds,
        )


MAILBOXES: tuple[type[RetailerMailbox], ...] = (RetailerMailbox,)
"""Every kind of mailbox, for ``load_block``."""
