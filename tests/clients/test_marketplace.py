"""The sandbox's marketplace checks tokens for real, and the retailers' jobs fail with its own words."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient
from prefect.logging import disable_run_logger

from caseproof.up.processes import Process, free_port
from sandbox.jobs import JobFailed, call_marketplace, catalog_sync
from sandbox.marketplace import (
    Marketplace,
    create_app,
    drop_seller,
    expire_token,
    renew_token,
)

ROOT = Path(__file__).parents[2]
PASSWORDS = {"garden-shop": "spade-and-rake", "toy-store": "bricks-and-bears"}


class MovedClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()


@pytest.fixture
def bazaar(clock: MovedClock) -> TestClient:
    market = Marketplace(PASSWORDS, now=clock, token_life=timedelta(hours=12))
    return TestClient(create_app(market))


@pytest.fixture
def token(bazaar: TestClient) -> Callable[[str], str]:
    """Issues a new token to a seller."""

    def issue(seller: str = "garden-shop") -> str:
        answer = bazaar.post(f"/sellers/{seller}/token", json={"password": PASSWORDS[seller]})
        assert answer.status_code == 201
        return str(answer.json()["token"])

    return issue


def orders(bazaar: TestClient, token: str) -> httpx.Response:
    return bazaar.get("/orders", headers={"Authorization": f"Bearer {token}"})


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]


def test_a_token_opens_the_orders_of_its_seller_and_of_no_other(bazaar, token) -> None:
    for seller in PASSWORDS:
        answer = orders(bazaar, token(seller))
        assert answer.status_code == 200
        assert answer.json()
        assert all(order["order"].startswith(seller) for order in answer.json())


def test_no_token_is_given_for_a_wrong_password_or_an_unknown_name(bazaar) -> None:
    assert refusal(bazaar.post("/sellers/garden-shop/token", json={"password": "bricks-and-bears"})) == (
        401,
        "wrong_password",
    )
    assert refusal(bazaar.post("/sellers/nobody/token", json={"password": ""})) == (404, "seller_unknown")


def test_a_token_ends_when_its_time_is_over_and_not_a_second_before(bazaar, token, clock) -> None:
    mine = token()
    clock.now += timedelta(hours=12) - timedelta(seconds=1)
    assert orders(bazaar, mine).status_code == 200
    clock.now += timedelta(seconds=1)
    assert refusal(orders(bazaar, mine)) == (401, "token_expired")


def test_an_expired_token_is_refused_until_the_seller_renews_it(bazaar, token) -> None:
    mine, other = token(), token("toy-store")
    assert bazaar.post("/admin/expire/garden-shop").status_code == 204

    refused = orders(bazaar, mine)
    assert refusal(refused) == (401, "token_expired")
    assert "garden-shop" in refused.json()["message"]
    assert refused.headers["WWW-Authenticate"] == "Bearer"
    assert orders(bazaar, other).status_code == 200, "another seller's token must not end with it"
    assert orders(bazaar, token()).status_code == 200


def test_renewing_voids_the_token_before_it(bazaar, token) -> None:
    old = token()
    new = token()
    assert refusal(orders(bazaar, old)) == (401, "token_unknown")
    assert orders(bazaar, new).status_code == 200


@pytest.mark.parametrize("header", [None, "Bearer", "Bearer  ", "Basic Z2FyZGVu"])
def test_without_a_bearer_token_the_answer_is_401(bazaar, token, header) -> None:
    token()
    answer = bazaar.get("/orders", headers={"Authorization": header} if header else {})
    assert refusal(answer) == (401, "token_missing")


@pytest.mark.parametrize("made_up", ["x", "None", "né"])
def test_a_made_up_token_is_unknown_also_while_a_seller_has_none(bazaar, made_up) -> None:
    answer = bazaar.get("/orders", headers={"Authorization": f"Bearer {made_up}".encode()})
    assert refusal(answer) == (401, "token_unknown")


def test_a_dropped_seller_gets_403_and_no_new_token(bazaar, token) -> None:
    mine = token()
    for _ in range(2):
        assert bazaar.delete("/sellers/garden-shop").status_code == 204
    assert refusal(orders(bazaar, mine)) == (403, "seller_dropped")
    answer = bazaar.post("/sellers/garden-shop/token", json={"password": PASSWORDS["garden-shop"]})
    assert refusal(answer) == (403, "seller_dropped")


def test_a_token_that_was_never_issued_cannot_expire(bazaar) -> None:
    assert refusal(bazaar.post("/admin/expire/garden-shop")) == (409, "no_token")


def test_stock_is_taken_with_a_token_only_and_must_make_sense(bazaar, token) -> None:
    line = {"sku": "A-100", "quantity": 3}
    mine = {"Authorization": f"Bearer {token()}"}
    assert bazaar.post("/stock", json={"items": [line, line]}, headers=mine).json() == {"accepted": 2}
    assert bazaar.post("/stock", json={"items": [line | {"quantity": -1}]}, headers=mine).status_code == 422
    assert bazaar.post("/stock", json={"items": [line]}).status_code == 401


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The marketplace as a process of its own, as the demo starts it."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"

    def healthy() -> bool | None:
        try:
            return httpx.get(f"{address}/health", timeout=2, trust_env=False).is_success
        except httpx.TransportError:
            return None

    process = Process.start(
        "marketplace",
        [sys.executable, "-m", "sandbox.marketplace", "--port", str(port)],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin"},
        log=tmp_path_factory.mktemp("marketplace") / "log",
    )
    try:
        process.wait_until_ready("the marketplace", healthy, seconds=60)
        yield address
        os.kill(process.pid, signal.SIGTERM)
        process.wait(60)
    finally:
        process.stop()


def test_a_job_fails_with_the_marketplaces_words_and_without_the_token(url) -> None:
    token = renew_token(url, "garden-shop")
    assert len(call_marketplace(token, "GET", f"{url}/orders")) == 5
    expire_token(url, "garden-shop")
    with pytest.raises(JobFailed) as failed:
        call_marketplace(token, "GET", f"{url}/orders")
    assert "answered 401" in str(failed.value)
    assert "token_expired" in str(failed.value)
    assert token not in str(failed.value)

    assert call_marketplace(renew_token(url, "garden-shop"), "GET", f"{url}/orders")


def test_a_dropped_sellers_token_cannot_be_renewed(url) -> None:
    token = renew_token(url, "toy-store")
    drop_seller(url, "toy-store")
    with pytest.raises(JobFailed, match=r"answered 403: .*seller_dropped"):
        call_marketplace(token, "GET", f"{url}/orders")
    with pytest.raises(httpx.HTTPStatusError, match="403"):
        renew_token(url, "toy-store")


def test_the_catalogue_job_reads_a_real_feed_and_refuses_what_is_none(url) -> None:
    with disable_run_logger():
        assert catalog_sync.fn("garden-shop", f"{url}/feeds/garden-shop/catalog.csv") == 3
        with pytest.raises(JobFailed, match="answered 404"):
            catalog_sync.fn("garden-shop", f"{url}/feeds/nobody/catalog.csv")
        with pytest.raises(JobFailed, match="holds no article"):
            catalog_sync.fn("garden-shop", f"{url}/health")
