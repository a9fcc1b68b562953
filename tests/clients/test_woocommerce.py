"""A WooCommerce site as a platform, against a simulator with state: what the suite of all platforms does not ask."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr, ValidationError

from blocks.woocommerce import WooCommerceSite
from caseproof.checks.causes import classify
from caseproof.config.declarations import DeclarationError
from caseproof.config.policy_check import built_in_signatures
from caseproof.domain.vocabulary import Scope
from caseproof.platforms.abilities import Ability
from caseproof.platforms.base import (
    PlatformCannot,
    PlatformDown,
    PlatformRefused,
    Run,
    RunState,
    UnknownJob,
    UnknownRun,
)
from caseproof.platforms.woocommerce import DISABLED_ITSELF, SiteSetUp, WooCommerceClient
from caseproof.platforms.woocommerce_declared import read_record
from caseproof.platforms.woocommerce_record import ReceiversRecord
from caseproof.platforms.woocommerce_site import WooSite
from sandbox.provider import Bad, running
from sandbox.woocommerce import HOOKS, KEY, MOST_FAILURES, SECRET, TOKEN, WooCommerce, record_at
from tests.support.specs import spec

HOUR = timedelta(hours=1)
SHOP = SiteSetUp("garden", "bazaar", "shop-api", api_keys=("Bazaar connector",))
RECORD = record_at("https://receiver.example.com")


class World:
    """A shop with two webhooks, and clients of it."""

    def __init__(self, stack: ExitStack) -> None:
        self.stack = stack
        self.shop, self.address = stack.enter_context(running(WooCommerce()))
        self.orders, self.stock = (f"webhook/{self.shop.add(name)}" for name in ("orders", "stock"))

    def client(self, set_up: SiteSetUp = SHOP, *, record: str | None = "", secret: str = SECRET) -> WooCommerceClient:
        """``record``: the text of its declaration; "" is the shop's receiver's, None is none."""
        site = WooSite(self.address, KEY, secret, sleep=lambda _: None)
        kept = None
        if record is not None:
            declared = read_record(record or record_at(self.address))
            kept = ReceiversRecord(declared, TOKEN, sleep=lambda _: None)
        made = WooCommerceClient(site, set_up, kept)
        self.stack.callback(made.close)
        return made

    def fail(self, times: int = MOST_FAILURES + 1) -> None:
        """The receiver fails, and so many orders come in."""
        self.shop.takes = False
        for _ in range(times):
            self.shop.order()


@pytest.fixture
def world() -> Iterator[World]:
    with ExitStack() as stack:
        yield World(stack)


def ago() -> datetime:
    return datetime.now(UTC) - HOUR


def surveyed(client: WooCommerceClient) -> list[Run]:
    return [run for page in client.survey(ago()).pages for run in page]


def over(answer: Callable[[httpx.Request], httpx.Response], address: str = "https://shop.example.com") -> WooSite:
    return WooSite(address, "ck_1", "hunter2", transport=httpx.MockTransport(answer), sleep=lambda _: None)


# -- a webhook that WooCommerce disabled itself -----------------------------------------------------------------------


@pytest.mark.parametrize("record", ["", None], ids=["with a record", "without one"])
def test_a_webhook_that_disabled_itself_is_a_failed_run_until_somebody_deals_with_it(
    world: World, record: str | None
) -> None:
    client = world.client(record=record)
    world.fail(MOST_FAILURES)
    assert [run for run in surveyed(client) if run.said == "disabled"] == []
    world.fail(1)
    told = [run for run in surveyed(client) if run.said == "disabled"]
    assert {(run.job, run.state, run.message) for run in told} == {
        (job, RunState.FAILED, DISABLED_ITSELF) for job in (world.orders, world.stock)
    }
    assert {one.job.id: one.active for one in client.survey(ago()).jobs}[world.orders] is False
    assert client.run(told[0].id) == told[0]
    assert [run.id for run in client.runs_since(world.orders, ago()) if run.said == "disabled"] == [told[0].id]
    client.stop(world.orders)  # J4: what we stopped is no failure any more
    assert world.shop.hooks[1].status == "paused"
    assert [run.job for run in surveyed(client) if run.said == "disabled"] == [world.stock]
    with pytest.raises(UnknownRun):
        client.run(told[0].id)


def test_the_built_in_policy_takes_one_self_disabling_for_more_than_five_failures() -> None:
    signatures = built_in_signatures()
    (name,) = classify([DISABLED_ITSELF], signatures)
    assert (name, next(one.failures for one in signatures if one.name == name)) == (
        "WooCommerce disabled a webhook",
        1,
    )


def test_where_a_stop_disables_nobody_is_blamed_for_what_looks_alike(world: World) -> None:
    client = world.client(SiteSetUp("garden", stop_by="disabled"), record=None)
    client.stop(world.orders)
    assert world.shop.hooks[1].status == "disabled"
    changed = world.shop.hooks[1].modified
    client.stop(world.orders)
    assert world.shop.hooks[1].modified == changed, "the second stop wrote"
    assert surveyed(client) == []
    assert any("Let a stop pause" in lack for lack in client.probe().lacks)
    client.go_live(world.orders)
    assert client.standing(world.orders).active


# -- what of the site is ours, and whose it is ------------------------------------------------------------------------


def test_each_job_of_a_site_is_its_retailers_and_a_wide_stop_reaches_all_of_them(world: World) -> None:
    client = world.client()
    job = client.job(world.stock)
    assert (job.name, job.retailer, job.marketplace, job.connection) == ("stock", "garden", "bazaar", "shop-api")
    assert "section=webhooks&edit-webhook=2" in job.url
    for scope in (Scope.MARKETPLACE, Scope.CONNECTION):
        reached = [one.id for one in client.jobs_in(scope, job)]
        assert reached == [world.stock, world.orders, "key/Bazaar connector"]
    assert [one.id for one in client.jobs_in(Scope.JOB, job)] == [world.stock]


def test_webhooks_that_deliver_elsewhere_are_no_jobs_and_are_left_alone(world: World) -> None:
    ours = "https://receiver.example.com/woocommerce"
    other = f"webhook/{world.shop.add('books', to=f'{ours}-books/in')}"
    inner = f"webhook/{world.shop.add('returns', to=f'{ours}/returns')}"
    client = world.client(SiteSetUp("garden", delivers_to=f"{ours}/"))
    assert [one.job.id for one in client.survey(ago()).jobs] == [world.orders, world.stock, inner]
    for act in (client.stop, client.remove, client.standing, client.job):
        with pytest.raises(UnknownJob):
            act(other)
    assert world.shop.hooks[3].status == "active"


def test_an_api_key_says_who_can_revoke_it_and_nothing_pretends_to(world: World) -> None:
    client = world.client()
    key = client.job("key/Bazaar connector")
    assert "administrator" in (key.stopped_by or "")
    assert "Advanced > REST API" in (key.stopped_by or "")
    for act in (client.stop, client.remove):
        with pytest.raises(PlatformCannot) as cannot:
            act(key.id)
        assert "revokes it at WooCommerce > Settings" in cannot.value.next_action
    assert client.standing(key.id).active  # nobody can read that it was revoked
    run = client.start_run(key.id, "JF-000001:rerun:1")
    assert (run.job, client.run(run.id).job) == (key.id, key.id)


def test_a_webhook_that_vanished_is_unknown_and_one_that_is_alike_is_named(world: World) -> None:
    client = world.client()
    for wrong in ("webhook/77", "webhook/1x", "webhook/0", "orders"):
        with pytest.raises(UnknownJob, match=r"webhook/"):
            client.standing(wrong)
    client.remove(world.orders)
    with pytest.raises(UnknownJob):
        client.standing(world.orders)
    client.remove(world.orders)


# -- reading back -----------------------------------------------------------------------------------------------------


def test_a_site_whose_cache_lags_is_told_as_it_says_and_later_as_it_is(world: World) -> None:
    client = world.client()
    world.shop.lags = 2
    client.stop(world.orders)
    assert [client.standing(world.orders).active for _ in range(3)] == [True, True, False]


def test_a_site_that_says_deleted_and_keeps_the_webhook_is_seen(world: World) -> None:
    client = world.client()
    world.shop.bad = [Bad("nothing", "DELETE")]
    client.remove(world.orders)
    assert client.standing(world.orders).active


def test_a_write_whose_answer_was_lost_is_not_sent_twice(world: World) -> None:
    client = world.client()
    world.shop.bad = [Bad("drop", "PUT", times=1)]
    with pytest.raises(PlatformDown):
        client.stop(world.orders)
    assert [one.method for one in world.shop.asked].count("PUT") == 1
    assert not client.standing(world.orders).active


# -- pages ------------------------------------------------------------------------------------------------------------


def test_many_webhooks_and_deliveries_are_read_to_the_end(world: World) -> None:
    for number in range(248):
        world.shop.add(f"hook {number}")
    ran = [world.shop.delivered("1", "ok") for _ in range(120)]
    survey = world.client().survey(ago())
    assert len(survey.jobs) == 251
    assert [run.id for page in survey.pages for run in page] == ran
    assert {one.query["per_page"] for one in world.shop.asked if one.path == HOOKS} == {"100"}


def rows(*numbers: int) -> list[dict[str, Any]]:
    return [{"id": number, "status": "active"} for number in numbers]


def test_a_list_that_moves_while_it_is_read_is_read_again_and_one_that_never_rests_is_no_list() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request, rests: int) -> httpx.Response:
        page = request.url.params["page"]
        asked.append(page)
        total = 3 if page == "1" else 2 if len(asked) <= rests else 3
        found = rows(1, 2) if page == "1" else rows(3)
        return httpx.Response(200, json=found, headers={"X-WP-Total": str(total), "X-WP-TotalPages": "2"})

    found, _ = over(lambda request: answer(request, 2)).webhooks()
    assert ([one.id for one in found], asked) == ([1, 2, 3], ["1", "2", "1", "2"])
    with pytest.raises(PlatformDown, match="does not hold together"):
        over(lambda request: answer(request, 99)).webhooks()


def test_a_list_without_an_end_and_one_without_its_headers() -> None:
    with pytest.raises(PlatformDown, match="without an end"):
        over(lambda _: httpx.Response(200, json=rows(1, 2))).webhooks()
    found, _ = over(
        lambda request: httpx.Response(200, json=rows(1, 2) if request.url.params["page"] == "1" else [])
    ).webhooks()
    assert [one.id for one in found] == [1, 2]


# -- when it goes wrong -----------------------------------------------------------------------------------------------

MAINTENANCE = "<!doctype html><title>Maintenance</title><p>Briefly unavailable for scheduled maintenance.</p>"
WRONG: dict[str, tuple[httpx.Response, type[Exception], str]] = {
    "maintenance": (
        httpx.Response(503, text=MAINTENANCE, headers={"Content-Type": "text/html", "Retry-After": "600"}),
        PlatformDown,
        "Try again in 10 minutes",
    ),
    "a page with 200": (httpx.Response(200, text=MAINTENANCE), PlatformRefused, "'Maintenance'"),
    "no /wp-json": (
        httpx.Response(404, text="<html><title>Page not found</title></html>"),
        PlatformRefused,
        "permalinks are not 'Plain'",
    ),
    "no WooCommerce": (
        httpx.Response(404, json={"code": "rest_no_route", "message": "No route was found"}),
        PlatformRefused,
        "plugin WooCommerce is active",
    ),
    "a revoked key": (
        httpx.Response(401, json={"code": "woocommerce_rest_cannot_view"}),
        PlatformRefused,
        "Was the key revoked",
    ),
    "elsewhere": (httpx.Response(301, headers={"Location": "https://www.example.com"}), PlatformRefused, "address"),
    "too many": (httpx.Response(429, headers={"Retry-After": "300"}), PlatformDown, "Try again in 5 minutes"),
    "half a JSON": (httpx.Response(200, text='[{"id": 1, "sta'), PlatformRefused, "address"),
}


@pytest.mark.parametrize("what", sorted(WRONG))
def test_bad_answers_are_told_as_what_they_are(what: str) -> None:
    answer, kind, said = WRONG[what]
    site = over(lambda _: answer)
    for ask in (lambda: site.webhook(1), site.webhooks):
        with pytest.raises(kind) as raised:
            ask()
        assert said in str(raised.value)
        assert "hunter2" not in f"{raised.value} {raised.value.__cause__!r}"


def test_plain_http_is_refused_before_the_key_is_sent_and_explained_on_this_machine(world: World) -> None:
    with pytest.raises(PlatformRefused, match="plain HTTP") as refused:
        WooSite("http://shop.example.com", KEY, SECRET)
    assert "https://" in refused.value.next_action
    with pytest.raises(PlatformRefused, match="Over plain HTTP it answers so to every key"):
        world.client(secret="cs_wrong").job(world.orders)


def test_a_key_that_may_only_read_is_told_by_the_doctor_and_in_a_write(world: World) -> None:
    client = world.client()
    assert client.probe().lacks == ()
    assert {hook.status for hook in world.shop.hooks.values()} == {"active"}
    world.shop.writes = False
    [lack] = client.probe().lacks
    assert "Read/Write" in lack
    with pytest.raises(PlatformRefused, match="Read/Write"):
        client.stop(world.orders)


def test_throttling_is_waited_for(world: World) -> None:
    world.shop.bad = [Bad("too many", HOOKS, times=2)]
    assert world.client().standing(world.orders).active


# -- the receiver's record --------------------------------------------------------------------------------------------


def test_without_a_record_nothing_can_be_verified_and_it_says_what_a_person_shows(world: World) -> None:
    client = world.client(record=None)
    assert {Ability.VERIFY, Ability.PAGE, Ability.RUN} <= client.abilities.lacks.keys()
    with pytest.raises(PlatformCannot) as cannot:
        client.run("d-1")
    assert "A person shows the delivery" in cannot.value.next_action
    assert any("No delivery can be read back" in lack for lack in client.probe().lacks)


def test_a_record_without_a_page_leaves_the_picture_to_what_caseproof_renders(world: World) -> None:
    lines = [line for line in record_at(world.address).splitlines() if not line.startswith("page:")]
    client = world.client(record="\n".join(lines))
    assert Ability.PAGE in client.abilities.lacks
    assert Ability.RENDERED in client.abilities


def test_a_receiver_that_takes_a_re_run_and_writes_nothing_down_is_asked_again_later(world: World) -> None:
    client = world.client()
    world.shop.bad = [Bad("nothing", "POST /receiver/api/reruns")]
    with pytest.raises(PlatformDown, match="its record does not have it"):
        client.start_run(world.orders, "JF-000001:rerun:1")
    world.shop.bad = []
    run = client.start_run(world.orders, "JF-000001:rerun:1")
    assert run.state is RunState.RUNNING


@pytest.mark.parametrize(
    ("changed", "to", "said"),
    [
        ("one: deliveries/{run}", "one: deliveries", "`one` names no {run}"),
        ("list: deliveries", "lst: deliveries", "line 2: lst: there is no such entry (do you mean list?)"),
        ("ok: succeeded", "ok: failed", "means succeeded"),
        ("since={since}", "since={moment}", "`list` has no {moment}; it takes {since}"),
        ("items: items", "items: 'items['", "is no JMESPath expression"),
        ("items: items", "items: sortt(items)", "do you mean sort?"),
        (', key: "{key}"', "", "holds {job} and {key}"),
        ("by_key: deliveries?webhook={job}&key={key}", "login: bearer", "needs `by_key`"),
    ],
)
def test_a_declaration_with_a_mistake_is_told_by_its_entry(changed: str, to: str, said: str) -> None:
    assert changed in RECORD
    with pytest.raises(DeclarationError) as wrong:
        read_record(RECORD.replace(changed, to))
    assert said in str(wrong.value)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"items": [{"id": "d-1", "status": "ok"}]}, "`fields.job` finds nothing"),
        ({"items": {"d-1": {}}}, "`items` finds no list"),
        (
            {"items": [{"id": "d", "webhook_id": 1, "status": "ok", "started_at": "2026-11-30T04:00:00"}]},
            "`fields.started` finds no time with a zone",
        ),
        ({"items": [], "next": "https://elsewhere.example.com/deliveries"}, "leads elsewhere"),
        ({"items": [], "next": "https://[elsewhere"}, "leads elsewhere"),
    ],
)
def test_a_record_that_does_not_answer_as_it_is_declared_is_refused(answer: Any, said: str) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=answer))
    record = ReceiversRecord(read_record(RECORD), "hunter2", transport=transport)
    with pytest.raises(PlatformRefused) as refused:
        list(record.since(ago()))
    assert said in str(refused.value)


def test_what_a_record_calls_a_run_cannot_lead_to_another_address() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.raw_path.decode())
        return httpx.Response(404, json={})

    record = ReceiversRecord(read_record(RECORD), "hunter2", transport=httpx.MockTransport(answer))
    assert record.run("users/1?x=1") is None
    with pytest.raises(PlatformRefused, match="would go elsewhere"):
        record.run("../users?x=1")
    assert asked == ["/receiver/api/deliveries/users%2F1%3Fx%3D1"]


def test_an_expression_that_does_not_fit_an_answer_is_told_as_one() -> None:
    declared = read_record(RECORD.replace("id: id", "id: \"join('-', id)\""))
    told = {"items": [{"id": 1, "webhook_id": 1, "status": "ok", "started_at": "2026-11-30T04:00:00Z"}]}
    record = ReceiversRecord(declared, transport=httpx.MockTransport(lambda _: httpx.Response(200, json=told)))
    with pytest.raises(PlatformRefused, match=r"the expression `join\('-', id\)` cannot be applied"):
        list(record.since(datetime(2026, 11, 30, tzinfo=UTC)))


# -- the block, and the vendor's description --------------------------------------------------------------------------


def test_the_block_makes_the_client_that_its_fields_say(world: World, certificate: Path) -> None:
    own = certificate.read_text().partition("-----BEGIN PRIVATE KEY")[0]
    block = WooCommerceSite(
        site_url=world.address,
        consumer_key=SecretStr(KEY),
        consumer_secret=SecretStr(f" {SECRET}\n"),
        retailer="garden",
        api_keys="Bazaar connector\n\nERP\n",
        record=record_at(world.address),
        record_secret=SecretStr(TOKEN),
        ca=own,
    )
    client = block.client()
    world.stack.callback(client.close)
    jobs = [one.job.id for one in client.survey(ago()).jobs]
    assert jobs == [world.orders, world.stock, "key/Bazaar connector", "key/ERP"]
    assert client.probe().lacks == ()
    assert client.page(client.run(world.shop.delivered("1", "ok"))).ca == own


def test_the_block_refuses_a_record_that_is_none_when_it_is_saved() -> None:
    given = {"site_url": "https://shop.example.com", "consumer_key": "ck", "consumer_secret": "cs", "retailer": "g"}
    for more in ({"record": "list: deliveries"}, {"api_keys": "12"}, {"site_url": "shop.example.com"}):
        with pytest.raises(ValidationError):
            WooCommerceSite.model_validate(given | more)


def test_every_call_fits_the_vendors_description() -> None:
    with ExitStack() as stack:
        world = World(stack)
        described = WooCommerce(schema=spec("woocommerce-webhooks-schema.json"))
        described.hooks, world.shop = world.shop.hooks, described
        described, world.address = stack.enter_context(running(described))
        client = world.client()
        client.probe()
        client.stop(world.orders)
        client.go_live(world.orders)
        client.remove(world.stock)
        assert not client.abilities.depends
        with pytest.raises(PlatformRefused, match="400"):
            WooSite(world.address, KEY, SECRET).set_status(1, "off")
        assert described.hooks[1].status == "active"
