"""Apache Airflow 3 as a Prefect block."""

from __future__ import annotations

from typing import ClassVar

from pydantic import ConfigDict, Field, SecretStr

from blocks.base import Address, AddressOrNone, PlatformBlock, docs, logo
from caseproof.platforms.abilities import PlatformAbilities
from caseproof.platforms.airflow import ABILITIES, AirflowClient, AirflowTags


class AirflowJobs(PlatformBlock):
    """Airflow 3's DAGs as jobs. The block's name is the platform's name.

    Caseproof pauses a DAG, gives up what is queued, runs it again by its twin and photographs that run's page.

    Tags on a DAG say whose job it is; how they begin is configurable.

    Example:
        Load a saved platform and read a job:
        ```python
        from blocks.airflow import AirflowJobs

        platform = AirflowJobs.load("BLOCK_NAME")
        print(platform.client().job("orders_feed"))
        ```
    """

    model_config = ConfigDict(hide_input_in_errors=True)  # what is refused may hold a secret

    _block_type_name = "Caseproof Airflow Jobs"
    _block_type_slug = "caseproof-airflow-jobs"
    _documentation_url = docs("platform-airflow")
    _logo_url = logo("platform")

    SYSTEM: ClassVar[str] = "Airflow 3"
    ABILITIES: ClassVar[PlatformAbilities] = ABILITIES

    url: Address = Field(
        title="Address",
        description="Where people open Airflow; its API and the pages that are photographed are there. The same as"
        " Airflow's own `AIRFLOW__API__BASE_URL`.",
        examples=["https://airflow.example.com"],
    )
    user: str = Field(default="", title="User", description="Who Caseproof is on Airflow: a user with the role Op.")
    password: SecretStr = Field(
        default=SecretStr(""), title="Password", description="The user's password; a token is got with it."
    )
    token: SecretStr = Field(
        default=SecretStr(""),
        title="Token",
        description="Instead of user and password, where Airflow does not take them: a token that somebody got there."
        " It is not renewed.",
    )
    retailer_tag: str = Field(
        default="retailer:",
        title="Retailer tag",
        description="How the tag begins that names a DAG's retailer, like `retailer:garden-shop`.",
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
        description="How the tag begins that says who can stop a DAG which is not ours to stop (rule J3).",
    )
    rerun_tag: str = Field(
        default="rerun-of:",
        title="Twin tag",
        description="How the tag begins that makes a DAG the twin of another: same tasks, no schedule, for runs while"
        " the other is paused. Like `rerun-of:orders_feed`.",
    )
    timezone: str = Field(
        default="UTC",
        title="Time zone",
        description="The one that the DAGs' cron lines are meant in, like `Europe/Berlin`: Airflow's list does not"
        " tell it.",
    )
    ca: str = Field(
        default="",
        title="Certificate authority",
        description="Its certificate (PEM), where Airflow's own is of an authority that this machine does not know.",
    )
    proxy: AddressOrNone = Field(
        default="", title="Proxy", description="The proxy through which Airflow is reached; empty for the machine's."
    )

    def client(self) -> AirflowClient:
        """A client of this platform."""
        return AirflowClient(
            self.url,
            user=self.user,
            password=self.password.get_secret_value(),
            token=self.token.get_secret_value(),
            tags=AirflowTags(
                retailer=self.retailer_tag,
                marketplace=self.marketplace_tag,
                connection=self.connection_tag,
                stopped_by=self.stopped_by_tag,
                rerun_of=self.rerun_tag,
            ),
            timezone=self.timezone,
            ca=self.ca,
            proxy=self.proxy,
        )
