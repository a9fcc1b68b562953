"""Zoho Desk as a desk, as a Prefect block."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import ConfigDict, Field, SecretStr

from blocks.base import AddressOrNone, Authority, DeskBlock, Proxy, docs, logo
from caseproof.desks.abilities import DeskAbilities
from caseproof.desks.zoho import ABILITIES
from caseproof.desks.zoho import ZohoDesk as ZohoDeskClient
from caseproof.desks.zoho_wire import MOST_AT_ONCE, ZohoAccount
from caseproof.procedure.core.services import Services


class ZohoDesk(DeskBlock):
    """An organisation in Zoho Desk. The block's name stands in the policy (`desk`, `desks.support`).

    The page about Zoho Desk says what has to be made there first: a custom field, a contact and an OAuth client.

    Example:
        Load a saved desk:
        ```python
        from blocks.zoho import ZohoDesk

        desk = ZohoDesk.load("BLOCK_NAME")
        ```
    """

    model_config = ConfigDict(hide_input_in_errors=True)  # what is refused may hold a secret

    _block_type_name = "Caseproof Zoho Desk"
    _block_type_slug = "caseproof-zoho-desk"
    _documentation_url = docs("desk-zoho")
    _logo_url = logo("desk")

    SYSTEM: ClassVar[str] = "Zoho Desk"
    ABILITIES: ClassVar[DeskAbilities] = ABILITIES

    organisation: str = Field(
        min_length=1,
        title="Organisation",
        description="The organisation's id (`orgId`), a number: Setup, Developer Space, API.",
        examples=["60001234"],
    )
    data_centre: Literal["com", "eu", "in", "com.au", "jp", "ca", "sa", "uk", "ae", "com.cn"] = Field(
        default="com",
        title="Data centre",
        description="How the address ends at which people open Zoho Desk; a token of one is no good in another.",
    )
    department: str = Field(
        min_length=1,
        title="Department",
        description="In which Caseproof's tickets are made: its name, or its id, which saves a call.",
        examples=["Integrations"],
    )
    contact: str = Field(
        min_length=1,
        title="Contact",
        description="Whom the tickets are for, as Zoho Desk wants it: the e-mail address of a contact, or its id.",
        examples=["caseproof@example.com"],
    )
    client_id: str = Field(
        min_length=1, title="Client ID", description="Of the OAuth client (self client) in Zoho's API console."
    )
    client_secret: SecretStr = Field(min_length=1, title="Client secret", description="Of the same client.")
    refresh_token: SecretStr = Field(
        min_length=1,
        title="Refresh token",
        description="What the client was given, with the scopes that the page about Zoho Desk lists.",
    )
    reference_field: str = Field(
        default="cf_caseproof",
        title="Field of the reference",
        description="API name of the custom field (single line) with a case's reference, by which tickets are found.",
    )
    open_status: str = Field(
        default="",
        title="Status of an open ticket",
        description="What a ticket gets that is opened again. Leave it empty for the first one of the type Open.",
    )
    closed_status: str = Field(
        default="",
        title="Status of a closed ticket",
        description="What a ticket gets that is closed. Leave it empty to let Zoho Desk choose one of the type Closed.",
    )
    public_comments: bool = Field(
        default=False,
        title="Comments are public",
        description="Whether the ticket's contact sees all comments of Caseproof; else only agents do.",
    )
    queue: str = Field(
        default="",
        title="Queue",
        description="The department (name or id) in which people raise tickets for Caseproof. Empty for none.",
        examples=["Front line"],
    )
    queue_filter: str = Field(
        default="",
        title="Filter of the queue",
        description="Which of them: FIELD=VALUE, FIELD being `cf_...`, category, classification, priority, channel or "
        "status. Empty for all.",
        examples=["category=Job failure"],
    )
    concurrency: int = Field(
        default=5,
        ge=1,
        le=MOST_AT_ONCE,
        title="Calls at once",
        description="How many calls are under way at once, over all processes: what the edition allows (5 to 25), less "
        "what other programs need.",
    )
    api_url: AddressOrNone = Field(
        default="",
        title="API address",
        description="Leave it empty for the data centre's; another one for a trial. It ends in `/api/v1`.",
    )
    login_url: AddressOrNone = Field(
        default="", title="Address of tokens", description="Leave it empty for the data centre's."
    )
    ca: Authority = ""
    proxy: Proxy = SecretStr("")

    def account(self, name: str) -> ZohoAccount:
        """The account; ``name`` is what people call the desk. Raises BadInput for what lacks something."""
        return ZohoAccount(
            name, self.organisation.strip(), self.department.strip(), self.contact.strip(), self.client_id.strip(),
            self.client_secret.get_secret_value().strip(), self.refresh_token.get_secret_value().strip(),
            data_centre=self.data_centre, reference_field=self.reference_field.strip(),
            open_status=self.open_status.strip(), closed_status=self.closed_status.strip(),
            public_comments=self.public_comments, queue=self.queue.strip(), queue_filter=self.queue_filter.strip(),
            concurrency=self.concurrency, api_url=self.api_url, login_url=self.login_url,
            ca=self.ca, proxy=self.proxy.get_secret_value().strip(),
        )  # fmt: skip

    def client(self, services: Services) -> ZohoDeskClient:
        """A client of this desk. Raises BadInput for what lacks something; calls nobody."""
        name = self._block_document_name or "zoho"
        return ZohoDeskClient(self.account(name), services.settings.home_folder, services.clock, sleep=services.sleep)
