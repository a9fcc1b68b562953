"""A WooCommerce site under the suite, with a receiver's record and without."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import httpx
import pytest

from blocks.woocommerce import WooCommerceSite
from caseproof.platforms.base import JobPlatform, Run, RunState
from caseproof.platforms.woocommerce import SiteSetUp, WooCommerceClient
from caseproof.platforms.woocommerce_abilities import ABILITIES as WOO_ABILITIES
from caseproof.platforms.woocommerce_abilities import RECORD_HAS_PAGE, WITHOUT_RECORD
from caseproof.platforms.woocommerce_declared import read_record
from caseproof.platforms.woocommerce_record import ReceiversRecord
from caseproof.platforms.woocommerce_site import WooSite
from sandbox.provider import Bad as Wrong
from sandbox.provider import running
from sandbox.woocommerce import KEY, SECRET, TOKEN, WooCommerce, record_at
from tests.conformance.platforms.line import HttpLine


class WooLine(HttpLine):
    """WooCommerce: the simulator of a site, and the record of who receives what it delivers."""

    NAME = "WooCommerce"
    BLOCK = WooCommerceSite
    ABILITIES = WOO_ABILITIES.lacking(RECORD_HAS_PAGE)
    NEVER: ClassVar[Mapping[str, str]] = {
        "a_wide_stop_reaches_the_same_retailer_s_jobs_and_nobody_else_s": "A site is one retailer's (its own tests).",
    }
    WORDS: ClassVar[Mapping[RunState, str]] = {
        RunState.WAITING: "queued",
        RunState.RUNNING: "working",
        RunState.SUCCEEDED: "ok",
        RunState.FAILED: "error",
        RunState.CANCELLED: "cancelled",
    }

    def start(self, request: pytest.FixtureRequest) -> None:
        self.shop, self.address = self.enter(running(WooCommerce()), request)
        self.platform = self.made(self.address, SECRET)

    def made(self, address: str, secret: str, transport: httpx.BaseTransport | None = None) -> JobPlatform:
        """A client of this site and its receiver."""
        site = WooSite(address, KEY, secret, transport=transport, sleep=lambda _: None)
        token = TOKEN if transport is None else secret
        record = ReceiversRecord(read_record(record_at(address)), token, transport=transport, sleep=lambda _: None)
        return WooCommerceClient(site, SiteSetUp("garden", "bazaar", "sftp"), record)

    def end(self) -> None:
        self.platform.close()

    def add(self, name: str, *, shop: str = "garden", marketplace: str = "bazaar", connection: str = "sftp") -> str:
        assert (shop, marketplace, connection) == ("garden", "bazaar", "sftp")
        return f"webhook/{self.shop.add(name)}"

    def due(self, job_id: str) -> None:  # noqa: ARG002 - an order is every webhook's
        self.shop.order()

    def ran(self, job_id: str, state: RunState) -> str:
        delivered: str = self.shop.delivered(job_id.removeprefix("webhook/"), self.WORDS[state])
        return delivered

    def ends(self, run: Run, state: RunState) -> None:
        self.shop.ends(run.id, self.WORDS[state])

    def vanishes(self, job_id: str) -> None:
        del self.shop.hooks[int(job_id.removeprefix("webhook/"))]

    def lies(self, about: str) -> None:  # noqa: ARG002 - both are the same call
        self.shop.bad = [Wrong("nothing", "PUT /wp-json")]

    def over(self, transport: httpx.BaseTransport) -> JobPlatform:
        return self.made(self.ADDRESS, "hunter2", transport)

    def endless(self) -> JobPlatform:
        def answer(request: httpx.Request) -> httpx.Response:
            if "wp-json" in request.url.path:
                return httpx.Response(200, json=[{"id": 1, "status": "active"}], headers={"X-WP-TotalPages": "1"})
            page = int(request.url.params.get("from", 0)) + 1
            return httpx.Response(200, json={"items": [], "next": f"deliveries?from={page}"})

        return self.over(httpx.MockTransport(answer))


class WooAloneLine(WooLine):
    """WooCommerce where the block names no receiver's record: it tells what it disabled itself, and nothing more."""

    NAME = "WooCommerce without a record"
    ABILITIES = WOO_ABILITIES.lacking(WITHOUT_RECORD)
    NEVER: ClassVar[Mapping[str, str]] = dict(WooLine.NEVER) | dict.fromkeys(
        (
            "a_survey_tells_each_run_of_these_jobs_once",
            "the_runs_of_a_job_are_told_oldest_first",
            "a_survey_comes_to_its_end_or_says_that_it_did_not",
        ),
        "Without a record only what WooCommerce disabled itself is told (its own tests).",
    )

    def made(self, address: str, secret: str, transport: httpx.BaseTransport | None = None) -> JobPlatform:
        site = WooSite(address, KEY, secret, transport=transport, sleep=lambda _: None)
        return WooCommerceClient(site, SiteSetUp("garden", "bazaar", "sftp"))
