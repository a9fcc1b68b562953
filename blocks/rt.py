"""Request Tracker as a desk, as a Prefect block."""

from __future__ import annotations

from typing import ClassVar

from pydantic import ConfigDict, Field, SecretStr

from blocks.base import Address, Authority, DeskBlock, Proxy, docs, logo
from caseproof.desks.abilities import DeskAbilities
from caseproof.desks.rt import ABILITIES
from caseproof.desks.rt import RequestTracker as RequestTrackerClient
from caseproof.desks.rt_wire import RtAccount
from caseproof.procedure.core.services import Services


class RequestTracker(DeskBlock):
    """A queue of Request Tracker 5. The block's name stands in the policy (`desk`, `desks.support`).

    The page about Request Tracker says what has to be made there first: a custom field, and an account with its rights.

    Example:
        Load a saved desk:
        ```python
        from blocks.rt import RequestTracker

        desk = RequestTracker.load("BLOCK_NAME")
        ```
    """

    model_config = ConfigDict(hide_input_in_errors=True)  # what is refused may hold a secret

    _block_type_name = "Caseproof Request Tracker"
    _block_type_slug = "caseproof-request-tracker"
    _documentation_url = docs("desk-rt")
    _logo_url = logo("desk")

    SYSTEM: ClassVar[str] = "Request Tracker"
    ABILITIES: ClassVar[DeskAbilities] = ABILITIES

    address: Address = Field(
        title="Address",
        description="The address at which people open RT, with its path if it has one.",
        examples=["https://rt.example.com"],
    )
    user: str = Field(
        min_length=1,
        title="Account",
        description="The name of the account that the token or the password is of; one of Caseproof's own.",
        examples=["caseproof"],
    )
    token: SecretStr = Field(
        default=SecretStr(""),
        title="Token",
        description="Made by that account: Logged in as, Settings, Auth tokens. Empty where a password is given.",
    )
    password: SecretStr = Field(
        default=SecretStr(""), title="Password", description="Of that account, where it has no token."
    )
    queue: str = Field(
        min_length=1,
        title="Queue",
        description="In which Caseproof's tickets are made, by its name.",
        examples=["Integrations"],
    )
    reference_field: str = Field(
        default="Caseproof",
        min_length=1,
        title="Field of the reference",
        description="Name of the custom field (one value, free text) with a case's reference, by which tickets are "
        "found.",
    )
    open_status: str = Field(
        default="open",
        min_length=1,
        title="Status of an open ticket",
        description="What a ticket gets that is opened again.",
    )
    closed_status: str = Field(
        default="resolved",
        min_length=1,
        title="Status of a closed ticket",
        description="What a ticket gets that is closed: an inactive one of the queue's lifecycle.",
    )
    requestor: str = Field(
        default="",
        title="Requestor",
        description="The e-mail address whose owner gets comments for the customer. Empty for nobody.",
        examples=["shop@example.com"],
    )
    raised: str = Field(
        default="",
        title="Queue of raised tickets",
        description="The queue in which people raise tickets for Caseproof, by its name. Empty for none.",
        examples=["Front line"],
    )
    raised_filter: str = Field(
        default="",
        title="Filter of raised tickets",
        description="Which of them, in RT's query language, as its query builder shows it. Empty for all.",
        examples=["'CF.{Kind}' = 'Job failure'"],
    )
    ca: Authority = ""
    proxy: Proxy = SecretStr("")

    def account(self, name: str) -> RtAccount:
        """The account; ``name`` is what people call the desk. Raises BadInput for what lacks something."""
        return RtAccount(
            name, self.address.strip(), self.user.strip(), self.queue.strip(),
            token=self.token.get_secret_value().strip(), password=self.password.get_secret_value(),
            reference_field=self.reference_field.strip(), open_status=self.open_status.strip(),
            closed_status=self.closed_status.strip(), requestor=self.requestor.strip(), raised=self.raised.strip(),
            raised_filter=self.raised_filter.strip(), ca=self.ca, proxy=self.proxy.get_secret_value().strip(),
        )  # fmt: skip

    def client(self, services: Services) -> RequestTrackerClient:
        """A client of this desk. Raises BadInput for what lacks something; calls nobody."""
        return RequestTrackerClient(self.account(self._block_document_name or "rt"), sleep=services.sleep)
