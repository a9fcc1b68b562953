"""Job platforms as Prefect blocks: Prefect's own, and the list of all kinds. Its block's name is a platform's NAME.

Each other kind has a file of its own beside this one.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import ConfigDict, Field, SecretStr

from blocks.airflow import AirflowJobs
from blocks.base import Address, PlatformBlock, docs, logo, password_of_our_server
from blocks.http_jobs import HttpJobs
from blocks.sql_jobs import SqlJobTable
from blocks.woocommerce import WooCommerceSite
from caseproof.platforms.abilities import PlatformAbilities
from caseproof.platforms.prefect import ABILITIES, PrefectJobsClient
from caseproof.platforms.tags import TagConvention

__all__ = ["PLATFORMS", "PlatformBlock", "PrefectJobs"]


class PrefectJobs(PlatformBlock):
    """Prefect deployments as jobs. The block's name is the platform's name.

    Caseproof stops a deployment, runs it again and reads its runs, on any Prefect server or Prefect Cloud.

    Tags on a deployment say whose job it is; how they begin is configurable.

    Example:
        Load a saved platform and read a job:
        ```python
        from blocks.platforms import PrefectJobs

        platform = PrefectJobs.load("BLOCK_NAME")
        print(platform.client().job("orders-feed/garden-shop"))
        ```
    """

    model_config = ConfigDict(hide_input_in_errors=True)  # what is refused may hold a secret

    _block_type_name = "Caseproof Prefect Jobs"
    _block_type_slug = "caseproof-prefect-jobs"
    _documentation_url = docs("platforms")
    _logo_url = logo("platform")

    SYSTEM: ClassVar[str] = "Prefect"
    ABILITIES: ClassVar[PlatformAbilities] = ABILITIES

    api_url: Address = Field(
        title="API address",
        description="Where the Prefect server that runs the jobs takes calls. It ends in `/api`.",
        examples=["http://127.0.0.1:4200/api"],
    )
    ui_url: Address = Field(
        title="UI address",
        description="Where people open that Prefect's pages; the screenshot of a successful run is taken there.",
        examples=["http://127.0.0.1:4200"],
    )
    # Empty and not None: Prefect's UI shows a field that may be None as a choice of types.
    auth: SecretStr = Field(
        default=SecretStr(""),
        title="Password",
        description="The server's `user:password` (its `PREFECT_SERVER_API_AUTH_STRING`); empty if it asks for none, "
        "and for the Prefect server that carries the cases: its password is known.",
    )
    api_key: SecretStr = Field(
        default=SecretStr(""), title="API key", description="For Prefect Cloud only; empty elsewhere."
    )
    retailer_tag: str = Field(
        default="retailer:",
        title="Retailer tag",
        description="How the tag begins that names a deployment's retailer, like `retailer:garden-shop`.",
    )
    marketplace_tag: str = Field(
        default="marketplace:",
        title="Marketplace tag",
        description="How the tag begins that names its marketplace, like `marketplace:bazaar`.",
    )
    connection_tag: str = Field(
        default="connection:",
        title="Connection tag",
        description="How the tag begins that names its connection, like `connection:bazaar-api`.",
    )
    stopped_by_tag: str = Field(
        default="stopped-by:",
        title="Stopped-by tag",
        description="How the tag begins that says who can stop a deployment which is not ours to stop (rule J3).",
    )

    def client(self) -> PrefectJobsClient:
        """A client of this platform."""
        auth, api_key = self.auth.get_secret_value(), self.api_key.get_secret_value()
        return PrefectJobsClient(
            self.api_url,
            self.ui_url,
            auth=auth or (None if api_key else password_of_our_server(self.api_url, self.ui_url)),
            api_key=api_key or None,
            tags=TagConvention(
                retailer=self.retailer_tag,
                marketplace=self.marketplace_tag,
                connection=self.connection_tag,
                stopped_by=self.stopped_by_tag,
            ),
        )


PLATFORMS: tuple[type[PlatformBlock], ...] = (PrefectJobs, SqlJobTable, HttpJobs, AirflowJobs, WooCommerceSite)
"""Every kind of platform; a new one is added here."""
