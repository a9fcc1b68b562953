"""Job platforms as Prefect blocks. A platform's NAME is the name of its saved block."""

from __future__ import annotations

from prefect.blocks.core import Block
from pydantic import ConfigDict, Field, SecretStr

from blocks.base import docs, logo
from caseproof.platforms.prefect import PrefectJobsClient, TagConvention


class PrefectJobs(Block):
    """Prefect deployments as jobs, on any Prefect server or Prefect Cloud.

    Caseproof stops a deployment, runs it again and reads its runs over the server's REST API. Tags on a deployment say
    whose job it is; their prefixes are configurable.

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

    api_url: str = Field(
        title="API address",
        description="The address of the Prefect API that runs the jobs, like http://127.0.0.1:4200/api.",
        examples=["http://127.0.0.1:4200/api"],
    )
    ui_url: str = Field(
        title="UI address",
        description="The address where people open that Prefect's UI, like http://127.0.0.1:4200.",
        examples=["http://127.0.0.1:4200"],
    )
    # Empty and not None: Prefect's UI shows a field that may be None as a choice of types.
    auth: SecretStr = Field(
        default=SecretStr(""),
        title="Password",
        description="The server's user:password (PREFECT_SERVER_API_AUTH_STRING), if it has one.",
    )
    api_key: SecretStr = Field(
        default=SecretStr(""), title="API key", description="An API key, for Prefect Cloud; empty elsewhere."
    )
    retailer_tag: str = Field(
        default="retailer:", description="What the tag that names a deployment's retailer starts with."
    )
    marketplace_tag: str = Field(
        default="marketplace:", description="What the tag that names a deployment's marketplace starts with."
    )
    connection_tag: str = Field(
        default="connection:", description="What the tag that names a deployment's connection starts with."
    )
    stopped_by_tag: str = Field(
        default="stopped-by:",
        description="What the tag starts with that names who can stop a deployment which is not ours to stop (J3).",
    )

    def client(self) -> PrefectJobsClient:
        """A client of this platform."""
        return PrefectJobsClient(
            self.api_url,
            self.ui_url,
            auth=self.auth.get_secret_value() or None,
            api_key=self.api_key.get_secret_value() or None,
            tags=TagConvention(
                retailer=self.retailer_tag,
                marketplace=self.marketplace_tag,
                connection=self.connection_tag,
                stopped_by=self.stopped_by_tag,
            ),
        )


PLATFORMS: tuple[type[PrefectJobs], ...] = (PrefectJobs,)
"""Every kind of platform; a new one is added here."""
