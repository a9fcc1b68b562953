"""A case of a webhook on a WooCommerce site, over real HTTP to the simulator: found, stopped, re-run, live, closed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pytest

from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.vocabulary import Decision
from caseproof.evidence.proof import verify_proof
from caseproof.platforms.base import RunState
from caseproof.platforms.woocommerce import SiteSetUp, WooCommerceClient
from caseproof.platforms.woocommerce_declared import read_record
from caseproof.platforms.woocommerce_record import ReceiversRecord
from caseproof.platforms.woocommerce_site import WooSite
from caseproof.procedure.containment.stop import StopNotSeen
from sandbox.provider import Bad, running
from sandbox.woocommerce import KEY, MOST_FAILURES, SECRET, TOKEN, WooCommerce, record_at
from tests.support.world import World

SHOP = SiteSetUp("Shop A", "bazaar", "shop-api", api_keys=("Bazaar connector",))


class Site(WooCommerceClient):
    """The client, in a world where time is moved: what the receiver works on is done meanwhile."""

    shop: WooCommerce
    ends = "ok"

    def pass_time(self) -> None:
        for run in [one for one in self.shop.deliveries.values() if one.status == "working"]:
            self.shop.ends(run.id, self.ends)


@pytest.fixture
def site(make_world: Callable[..., World]) -> Iterator[tuple[World, Site]]:
    world = make_world()
    world.clock.move(seconds=(datetime.now(UTC) - world.clock()).total_seconds())
    with running(WooCommerce(clock=world.clock)) as (shop, address):
        record = ReceiversRecord(read_record(record_at(address)), TOKEN)
        with closing(Site(WooSite(address, KEY, SECRET), SHOP, record)) as client:
            client.shop = shop
            world.platform = client  # type: ignore[assignment]  # the procedure knows JobPlatform alone
            yield world, client


def opened(world: World, client: Site, failures: int) -> tuple[str, str]:
    """A webhook whose receiver failed so often, and its case. WooCommerce disables one after more than five."""
    job = f"webhook/{client.shop.add('orders')}"
    client.shop.takes = False
    for _ in range(failures):
        client.shop.order()
    runs = client.runs_since(job, datetime.min.replace(tzinfo=UTC))
    assert {run.state for run in runs} == {RunState.FAILED}
    assert len(runs) == failures + (failures > MOST_FAILURES)
    client.shop.takes = True
    return job, world.open(job, cause="our_platform")


def proven(world: World, ref: str) -> Any:
    assert [check for check in verify_proof(world.proof(ref)) if not check.ok] == []
    return json.loads(world.proof(ref).read_text(encoding="utf-8"))


@pytest.mark.parametrize(("failures", "stopped"), [(3, "paused"), (6, "disabled")])
def test_a_failing_webhook_is_stopped_run_again_set_live_and_its_case_closed(
    site: tuple[World, Site], failures: int, stopped: str
) -> None:
    world, client = site
    _, ref = opened(world, client, failures)
    world.walk(ref, until="contain")
    hook = client.shop.hooks[1]
    assert hook.status == stopped  # what disabled itself stands still already
    assert world.walk(ref).is_closed
    assert hook.status == "active"
    proof = proven(world, ref)
    assert (proof["rule"], client.shop.deliveries[proof["run"]["run"]].webhook_id) == ("J7", "1")
    assert len([one for one in client.shop.deliveries.values() if one.key]) == 1
    page = client.page(client.run(proof["run"]["run"]))
    assert (page.names, page.success) == ((proof["run"]["run"],), "ok")


def test_a_site_that_says_paused_and_goes_on_is_no_stop(site: tuple[World, Site]) -> None:
    world, client = site
    _, ref = opened(world, client, 3)
    client.shop.bad = [Bad("nothing", "PUT /wp-json")]
    with pytest.raises(StopNotSeen):
        world.walk(ref, until="contain")
    assert (world.count(ref, Kind.STOPPED), client.shop.hooks[1].status) == (0, "active")
    client.shop.bad = []
    world.walk(ref, until="contain")
    assert (world.count(ref, Kind.STOPPED), client.shop.hooks[1].status) == (1, "paused")


def test_a_re_run_that_the_receiver_does_not_take_closes_nothing_and_leaves_it_paused(
    site: tuple[World, Site],
) -> None:
    world, client = site
    _, ref = opened(world, client, 3)
    client.ends = "error"
    world.walk(ref, until="verify")
    assert Kind.RUN_FAILED in world.kinds(ref)
    assert not world.case(ref).is_closed
    assert client.shop.hooks[1].status == "paused"


def test_an_api_key_is_not_stopped_and_the_case_says_who_can(site: tuple[World, Site]) -> None:
    world, _ = site
    ref = world.open("key/Bazaar connector", cause="connection")
    case = world.walk(ref, until="contain")
    [fact] = [one for one in case.events if one.kind is Kind.CANNOT_STOP]
    assert "the shop's administrator, who revokes the key" in str(fact.data["who_can"])


def test_a_webhook_that_somebody_deleted_closes_as_a_removal(site: tuple[World, Site]) -> None:
    world, client = site
    job, ref = opened(world, client, 3)
    world.decision = Decision.REMOVE

    def carried_out(_: Mapping[str, str]) -> bool:
        client.remove(job)  # our deployment, where it is gone already
        return True

    world.prefect.carries_out = carried_out
    client.shop.hooks.clear()
    assert world.walk(ref).is_closed
    assert proven(world, ref)["kind"] == "removal"
