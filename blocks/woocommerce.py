"""A WooCommerce site as a Prefect block."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import ConfigDict, Field, SecretStr, field_validator

from blocks.base import Address, AddressOrNone, PlatformBlock, docs, logo
from caseproof.config.declarations import DeclarationError
from caseproof.platforms.abilities import PlatformAbilities
from caseproof.platforms.woocommerce import SiteSetUp, WooCommerceClient
from caseproof.platforms.woocommerce_abilities import ABILITIES
from caseproof.platforms.woocommerce_declared import read_record
from caseproof.platforms.woocommerce_record import ReceiversRecord
from caseproof.platforms.woocommerce_site import WooSite


class WooCommerceSite(PlatformBlock):
    """The webhooks and API keys that connect one WooCommerce site, as jobs. The block's name is the platform's name.

    WooCommerce does not tell what it delivered: name the record of who receives it, or no delivery can be verified.

    Example:
        Load a saved platform and read a job:
        ```python
        from blocks.woocommerce import WooCommerceSite

        platform = WooCommerceSite.load("BLOCK_NAME")
        print(platform.client().job("webhook/12"))
        ```
    """

    model_config = ConfigDict(hide_input_in_errors=True)  # what is refused may hold a secret

    _block_type_name = "Caseproof WooCommerce Site"
    _block_type_slug = "caseproof-woocommerce-site"
    _documentation_url = docs("platform-woocommerce")
    _logo_url = logo("platform")

    SYSTEM: ClassVar[str] = "WooCommerce"
    ABILITIES: ClassVar[PlatformAbilities] = ABILITIES

    site_url: Address = Field(
        title="Site address",
        description="The shop's address, without `/wp-json`. With https://: WooCommerce takes keys over nothing else.",
        examples=["https://shop.example.com"],
    )
    consumer_key: SecretStr = Field(
        min_length=1,
        title="Consumer key",
        description="Of an API key with the permission Read/Write (WooCommerce > Settings > Advanced > REST API).",
    )
    consumer_secret: SecretStr = Field(min_length=1, title="Consumer secret", description="Of the same API key.")
    retailer: str = Field(
        min_length=1, title="Retailer", description="Whose site it is, by the name that the contacts have."
    )
    marketplace: str = Field(
        default="",
        title="Marketplace",
        description="Which marketplace the site counts as; a stop with that scope stops all webhooks of the site.",
    )
    connection: str = Field(
        default="",
        title="Connection",
        description="Which connection the site is; a stop with that scope stops all webhooks of the site.",
    )
    stop_by: Literal["paused", "disabled"] = Field(
        default="paused",
        title="A stop sets",
        description="The status of a stopped webhook. With `disabled`, nobody can tell whether WooCommerce disabled "
        "one itself, so that is no failure then.",
    )
    delivers_to: AddressOrNone = Field(
        default="",
        title="Delivers to",
        description="Only webhooks that deliver to this address, or below it, are jobs; empty: every webhook is.",
        examples=["https://receiver.example.com/woocommerce"],
    )
    api_keys: str = Field(
        default="",
        title="API keys",
        description="The descriptions of the API keys that others connect with, a line each. WooCommerce has no route "
        "that lists or revokes them, so a case of one says who can (rule J3).",
        examples=["Bazaar connector"],
    )
    record: str = Field(
        default="",
        title="Receiver's record",
        description="Where the receiver keeps what was delivered, declared as YAML; the page about it shows a whole "
        "one. Empty: no delivery can be read back.",
    )
    record_secret: SecretStr = Field(
        default=SecretStr(""),
        title="Record's secret",
        description="What the record asks for, sent as its `login` says; empty if it asks for nothing.",
    )
    ca: str = Field(
        default="",
        title="Certificate",
        description="PEM of the authority that signed the site's and the record's certificates, where this machine "
        "does not trust it; else empty.",
    )
    proxy: AddressOrNone = Field(
        default="", title="Proxy", description="The proxy that calls go through; empty for this machine's own set-up."
    )

    @field_validator("record")
    @classmethod
    def _can_be_read(cls, written: str) -> str:
        if not written.strip():
            return ""
        try:
            read_record(written)
        except DeclarationError as wrong:
            raise ValueError(f"{wrong.problem} {wrong.next_action}") from None
        return written

    @field_validator("api_keys")
    @classmethod
    def _are_names(cls, written: str) -> str:
        if any(line.strip().isdecimal() for line in written.splitlines()):
            raise ValueError("an API key's name is not a number alone: a webhook's id is")
        return written

    def client(self) -> WooCommerceClient:
        """A client of this site. Raises BadInput for a record, PlatformRefused for an address that cannot be used."""
        names = dict.fromkeys(line.strip() for line in self.api_keys.splitlines() if line.strip())
        set_up = SiteSetUp(
            self.retailer, self.marketplace, self.connection, self.stop_by, self.delivers_to, tuple(names)
        )
        site = WooSite(
            self.site_url,
            self.consumer_key.get_secret_value().strip(),
            self.consumer_secret.get_secret_value().strip(),
            ca=self.ca,
            proxy=self.proxy,
        )
        if not self.record:
            return WooCommerceClient(site, set_up)
        secret = self.record_secret.get_secret_value().strip()
        record = ReceiversRecord(read_record(self.record), secret, ca=self.ca, proxy=self.proxy)
        return WooCommerceClient(site, set_up, record)
