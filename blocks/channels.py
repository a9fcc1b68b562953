"""What reaches people besides mail, as Prefect blocks: Teams and the telephone. The policy names them."""

from __future__ import annotations

from prefect.blocks.core import Block
from pydantic import ConfigDict, Field, SecretStr

from blocks.base import Address, docs, logo
from caseproof.channels.teams.webhook import TeamsHook
from caseproof.channels.teams.webhook import TeamsWebhook as TeamsWebhookClient
from caseproof.channels.voice.goto import API as GOTO
from caseproof.channels.voice.goto import LOGIN as GOTO_LOGIN
from caseproof.channels.voice.goto import GoToAccount, GoToVoice
from caseproof.channels.voice.twilio import API as TWILIO
from caseproof.channels.voice.twilio import TwilioAccount
from caseproof.channels.voice.twilio import TwilioVoice as TwilioClient
from caseproof.config.clock import Clock


class TwilioVoice(Block):
    """An account at Twilio that calls people. A second one under another name calls where this one fails.

    The voice says the problem and hears a key; what a key means is on the page about channels.

    Example:
        Load a saved account:
        ```python
        from blocks.channels import TwilioVoice

        voice = TwilioVoice.load("BLOCK_NAME")
        ```
    """

    model_config = ConfigDict(hide_input_in_errors=True)  # what is refused may hold the token

    _block_type_name = "Caseproof Twilio Voice"
    _block_type_slug = "caseproof-twilio-voice"
    _documentation_url = docs("channels")
    _logo_url = logo("voice")

    account_sid: str = Field(
        min_length=1, title="Account SID", description="From Twilio's console: `AC` and 32 digits and letters."
    )
    auth_token: SecretStr = Field(
        min_length=1,
        title="Auth token",
        description="From Twilio's console. It lets us call, and proves that a call-back is Twilio's.",
    )
    number: str = Field(
        min_length=1,
        title="Number",
        description="The caller's number, with its country; it belongs to the account, or is verified there.",
        examples=["+442079460000"],
    )
    api_url: Address = Field(
        default=TWILIO,
        title="API address",
        description="Where Twilio takes calls; another one for a region, or a trial.",
    )

    def account(self, name: str) -> TwilioAccount:
        """Who calls; ``name`` is the block's. Raises BadInput for what cannot call."""
        return TwilioAccount(
            name, self.account_sid.strip(), self.auth_token.get_secret_value().strip(), self.number, self.api_url
        )

    def client(self, name: str) -> TwilioClient:
        """A client of this account; ``name`` is the block's. Raises BadInput for what cannot call."""
        return TwilioClient(self.account(name))


class TeamsWebhook(Block):
    """A Teams channel or chat that alerts are posted to, by a web hook of Workflows.

    Teams answers before it posts, so what it took never counts as seen.

    Example:
        Load a saved web hook:
        ```python
        from blocks.channels import TeamsWebhook

        teams = TeamsWebhook.load("BLOCK_NAME")
        ```
    """

    model_config = ConfigDict(hide_input_in_errors=True)  # what is refused may be the address, which is the secret

    _block_type_name = "Caseproof Teams Webhook"
    _block_type_slug = "caseproof-teams-webhook"
    _documentation_url = docs("channels")
    _logo_url = logo("teams")

    url: SecretStr = Field(
        min_length=1,
        title="Address",
        description="The whole address that the workflow's first step shows. Whoever has it can post: it is a secret.",
    )
    bare: bool = Field(
        default=False,
        title="The card alone",
        description="Whether the workflow wants the card without a message around it, as one of Microsoft's templates "
        "does.",
    )

    def hook(self, name: str) -> TeamsHook:
        """The web hook; ``name`` is the block's. Raises BadInput for an address that is none."""
        return TeamsHook(name, self.url.get_secret_value().strip(), self.bare)

    def client(self, name: str) -> TeamsWebhookClient:
        """A client of this web hook; ``name`` is the block's. Raises BadInput for an address that is none."""
        return TeamsWebhookClient(self.hook(name))


class GoToCall(Block):
    """GoTo Connect as "ring me and connect": it rings an operator's own line, and then dials whom they want to reach.

    It says nothing and hears no key, so nobody is paged by it.

    Example:
        Load a saved account:
        ```python
        from blocks.channels import GoToCall

        goto = GoToCall.load("BLOCK_NAME")
        ```
    """

    model_config = ConfigDict(hide_input_in_errors=True)  # what is refused may hold a secret

    _block_type_name = "Caseproof GoTo Call"
    _block_type_slug = "caseproof-goto-call"
    _documentation_url = docs("channels")
    _logo_url = logo("connect")

    client_id: str = Field(
        min_length=1, title="Client ID", description="Of an OAuth client at GoTo with the scope `calls.v2.initiate`."
    )
    client_secret: SecretStr = Field(
        min_length=1, title="Client secret", description="Of the same client; GoTo shows it once."
    )
    refresh_token: SecretStr = Field(
        min_length=1, title="Refresh token", description="What the client was given when somebody let it in."
    )
    api_url: Address = Field(default=GOTO, title="API address", description="Where GoTo takes calls.")
    login_url: Address = Field(default=GOTO_LOGIN, title="Login address", description="Where GoTo gives tokens.")

    def account(self, name: str) -> GoToAccount:
        """The account; ``name`` is the block's. Raises BadInput for what lacks something."""
        return GoToAccount(
            name,
            self.client_id.strip(),
            self.client_secret.get_secret_value().strip(),
            self.refresh_token.get_secret_value().strip(),
            self.api_url,
            self.login_url,
        )

    def client(self, name: str, clock: Clock) -> GoToVoice:
        """A client of this account; ``name`` is the block's. Raises BadInput for what lacks something."""
        return GoToVoice(self.account(name), clock)


VOICES: tuple[type[TwilioVoice], ...] = (TwilioVoice,)
TEAMS: tuple[type[TeamsWebhook], ...] = (TeamsWebhook,)
CONNECTS: tuple[type[GoToCall], ...] = (GoToCall,)
"""Every kind of each channel, for ``load_block``."""
