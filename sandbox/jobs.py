"""The retailers' jobs: Prefect flows that really call the marketplace, so they really fail if it refuses.

A run is one try without retries: what fails stays failed until somebody acts. A retailer's token lives in the
Secret block ``RETAILER-token``; it is in no parameter, log line or error message.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, cast

import httpx
from prefect import flow, get_run_logger
from prefect.blocks.system import Secret
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.deployments.runner import RunnerDeployment
from prefect.exceptions import ObjectAlreadyExists
from prefect.flows import Flow
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings
from prefect.types.entrypoint import EntrypointType

from sandbox.marketplace import STOCK

TIMEOUT = 60  # seconds


class JobFailed(RuntimeError):
    """The other side did not do what the job asked; the text says what it answered."""


@flow(name="marketplace-orders", retries=0)
def marketplace_orders(retailer: str, marketplace_url: str) -> int:
    """Fetch the retailer's orders from the marketplace; returns how many there are."""
    orders = call_marketplace(_token(retailer), "GET", f"{marketplace_url}/orders")
    articles = sum(order["articles"] for order in orders)
    get_run_logger().info("%s: %d orders with %d articles fetched", retailer, len(orders), articles)
    return len(orders)


@flow(name="stock-feed", retries=0)
def stock_feed(retailer: str, marketplace_url: str) -> int:
    """Tell the marketplace how many pieces there are; returns how many lines it accepted."""
    url = f"{marketplace_url}/stock"
    accepted = int(call_marketplace(_token(retailer), "POST", url, {"items": STOCK})["accepted"])
    if accepted != len(STOCK):
        raise JobFailed(f"{accepted} of {len(STOCK)} stock lines were accepted.")
    get_run_logger().info("%s: %d stock lines accepted", retailer, accepted)
    return accepted


@flow(name="catalog-sync", retries=0)
def catalog_sync(retailer: str, feed_url: str) -> int:
    """Read the retailer's own catalogue feed (CSV: sku, name, price); returns how many articles are in it."""
    text = _sent("GET", feed_url).text
    try:
        prices = [Decimal(line["price"]) for line in csv.DictReader(text.splitlines())]
    except (KeyError, InvalidOperation, TypeError) as error:
        raise JobFailed(f"{feed_url} is not CSV with a price in each line: {error!r}") from error
    if not prices:
        raise JobFailed(f"{feed_url} holds no article.")
    get_run_logger().info("%s: %d articles read, together %s", retailer, len(prices), sum(prices))
    return len(prices)


def call_marketplace(token: str, method: str, url: str, body: Mapping[str, Any] | None = None) -> Any:
    """The JSON answer. A refusal raises JobFailed with the marketplace's own words, never with the token."""
    return _sent(method, url, json=body, headers={"Authorization": f"Bearer {token}"}).json()


def _token(retailer: str) -> str:
    return cast(Secret[str], Secret.load(f"{retailer}-token")).get()


def _sent(method: str, url: str, **request: Any) -> httpx.Response:
    answer = httpx.request(method, url, timeout=TIMEOUT, **request)
    if answer.is_error:
        raise JobFailed(f"{method} {url} answered {answer.status_code}: {answer.text}")
    return answer


def save_token(api_url: str, auth: str | None, retailer: str, token: str) -> None:
    """Keep the retailer's marketplace token in its Secret block, over the one before it."""
    with _prefect(api_url, auth):
        Secret(value=token).save(f"{retailer}-token", overwrite=True)


def deploy_jobs(
    api_url: str,
    auth: str | None,
    *,
    retailer: str,
    marketplace_url: str,
    source_dir: Path,
    pool: str = "customer-jobs",
    every: timedelta = timedelta(hours=1),
) -> list[str]:
    """Deploy the retailer's three jobs to the process work pool ``pool``, which is made if it is not there.

    ``auth`` is Prefect's basic-auth string ("user:password") or None; ``source_dir`` is the folder that holds
    the package ``sandbox``; ``every`` is the time between two scheduled runs.
    Returns the jobs' names as people type them, "flow/deployment". Repeating it is harmless.
    """
    on_marketplace = [f"retailer:{retailer}", "marketplace:bazaar", "connection:bazaar-api"]
    on_feed = [f"retailer:{retailer}", "connection:catalog-feed"]
    feed_url = f"{marketplace_url}/feeds/{retailer}/catalog.csv"
    jobs: list[tuple[Flow[..., int], list[str], dict[str, str]]] = [
        (marketplace_orders, on_marketplace, {"marketplace_url": marketplace_url}),
        (stock_feed, on_marketplace, {"marketplace_url": marketplace_url}),
        (catalog_sync, on_feed, {"feed_url": feed_url}),
    ]
    with _prefect(api_url, auth):
        _ensure_pool(pool)
        for job, tags, parameters in jobs:
            # By module and not by file: Prefect's file loader would leave sandbox/ first on the import path.
            RunnerDeployment.from_flow(
                job,
                name=retailer,
                tags=tags,
                parameters={"retailer": retailer, **parameters},
                interval=every,
                work_pool_name=pool,
                entrypoint_type=EntrypointType.MODULE_PATH,
                job_variables={"env": {"PYTHONPATH": str(source_dir)}},
            ).apply()
    return [f"{job.name}/{retailer}" for job, _tags, _parameters in jobs]


def _ensure_pool(name: str) -> None:
    with get_client(sync_client=True) as client:
        try:
            client.create_work_pool(WorkPoolCreate(name=name, type="process"))
        except ObjectAlreadyExists:
            return


def _prefect(api_url: str, auth: str | None) -> Any:
    return temporary_settings({PREFECT_API_URL: api_url, PREFECT_API_AUTH_STRING: auth})
