"""Jira Cloud as a desk, as a Prefect block."""

from __future__ import annotations

from typing import ClassVar

from pydantic import ConfigDict, Field, SecretStr

from blocks.base import Address, Authority, DeskBlock, Proxy, docs, logo
from caseproof.desks.abilities import DeskAbilities
from caseproof.desks.jira import ABILITIES
from caseproof.desks.jira import JiraCloud as JiraCloudClient
from caseproof.desks.jira_wire import JiraAccount
from caseproof.procedure.core.services import Services


class JiraCloud(DeskBlock):
    """A project in Jira Cloud. The block's name stands in the policy (`desks.development`, or `desk`).

    The page about Jira Cloud says what has to be made there first: an account with an API token, and its permissions.

    Example:
        Load a saved desk:
        ```python
        from blocks.jira import JiraCloud

        desk = JiraCloud.load("BLOCK_NAME")
        ```
    """

    model_config = ConfigDict(hide_input_in_errors=True)  # what is refused may hold a secret

    _block_type_name = "Caseproof Jira Cloud"
    _block_type_slug = "caseproof-jira-cloud"
    _documentation_url = docs("desk-jira")
    _logo_url = logo("desk")

    SYSTEM: ClassVar[str] = "Jira Cloud"
    ABILITIES: ClassVar[DeskAbilities] = ABILITIES

    site: Address = Field(
        title="Site",
        description="The address at which people open Jira, up to the first stroke.",
        examples=["https://example.atlassian.net"],
    )
    email: str = Field(
        min_length=1,
        title="Account",
        description="The e-mail address of the account that the API token is of; one of Caseproof's own.",
        examples=["caseproof@example.com"],
    )
    api_token: SecretStr = Field(
        min_length=1, title="API token", description="Made by that account: Account settings, Security, API tokens."
    )
    project: str = Field(
        min_length=1,
        title="Project key",
        description="What stands before the number of the project's issues.",
        examples=["DEV"],
    )
    issue_type: str = Field(
        default="Task", min_length=1, title="Type of issue", description="Of which type the tickets are, by its name."
    )
    label: str = Field(
        default="caseproof",
        min_length=1,
        title="Label prefix",
        description="What a ticket's label starts with, by which it is found again: `caseproof-SC-000001/...`.",
    )
    done_status: str = Field(
        default="",
        title="Status of a closed ticket",
        description="Which one, where several are of the category Done. Leave it empty for the first one.",
    )
    ca: Authority = ""
    proxy: Proxy = SecretStr("")

    def account(self, name: str) -> JiraAccount:
        """The account; ``name`` is what people call the desk. Raises BadInput for what lacks something."""
        return JiraAccount(
            name, self.site.strip(), self.email.strip(), self.api_token.get_secret_value().strip(),
            self.project.strip().upper(), issue_type=self.issue_type.strip(), label=self.label.strip(),
            done_status=self.done_status.strip(), ca=self.ca, proxy=self.proxy.get_secret_value().strip(),
        )  # fmt: skip

    def client(self, services: Services) -> JiraCloudClient:
        """A client of this desk. Raises BadInput for what lacks something; calls nobody."""
        return JiraCloudClient(self.account(self._block_document_name or "jira"), sleep=services.sleep)
