"""A made-up WooCommerce site with webhooks, and who receives what they deliver.

Run it with ``python -m sandbox.woocommerce --port 8404``. ``/wp-json/wc/v3/webhooks`` answers as WooCommerce 10 does:
by Basic with a key, pages with ``X-WP-Total`` and ``X-WP-TotalPages``, ``rest_invalid_param`` for what the vendor's
description does not take. ``/receiver/api`` is the receiver's record, ``/receiver/deliveries/ID`` its page.

``POST /simulator/order`` is an order in the shop: each active webhook delivers it, and the receiver takes it or does
not. After more than five failed deliveries a webhook is disabled, by nobody's hand. ``POST /simulator/receiver`` with
``{"takes": false}`` lets the receiver fail. ``POST /simulator/behaviour`` makes the site lie, lag, throttle and die.
"""

from __future__ import annotations

import argparse
import base64
import itertools
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from caseproof.config.clock import utc_now
from sandbox.farm_http import Asked, Reply
from sandbox.provider import Simulator, main

KEY, SECRET, TOKEN = "ck_" + "1" * 40, "cs_" + "2" * 40, "a-made-up-receivers-token"
HOOKS, RECEIVER, PAGES = "/wp-json/wc/v3/webhooks", "/receiver/api", "/receiver/deliveries"
MOST_FAILURES = 5
PAGE_SIZE = 50
WORDS = ("queued", "working", "ok", "error", "cancelled")
"""The receiver's words for what a delivery is doing."""

Schema = Mapping[str, Any]
STATUSES = ("active", "paused", "disabled")
OWN_SCHEMA: Schema = {
    "per_page": {"type": "integer", "minimum": 1, "maximum": 100}, "page": {"type": "integer", "minimum": 1},
    "orderby": {"enum": ["date", "id", "title"]}, "order": {"enum": ["asc", "desc"]},
}  # fmt: skip
"""What is known of the query where the vendor's description is not at hand."""


@dataclass
class Hook:
    """A webhook, and how many deliveries in a row failed."""

    id: int
    name: str
    topic: str
    delivery_url: str
    modified: datetime
    status: str = "active"
    failures: int = 0

    def resource(self, site: str) -> dict[str, Any]:
        """As the API shows it."""
        at = self.modified.strftime("%Y-%m-%dT%H:%M:%S")
        resource, _, event = self.topic.partition(".")
        return {
            "id": self.id, "name": self.name, "status": self.status, "topic": self.topic, "resource": resource,
            "event": event, "hooks": [f"woocommerce_{event}_{resource}"], "delivery_url": self.delivery_url,
            "date_created": at, "date_created_gmt": at, "date_modified": at, "date_modified_gmt": at,
            "_links": {"self": [{"href": f"{site}{HOOKS}/{self.id}"}]},
        }  # fmt: skip


@dataclass
class Delivery:
    """What the receiver wrote down of a delivery, or of a re-run."""

    id: str
    webhook_id: str
    status: str
    started_at: str
    ended_at: str | None
    error: str = ""
    key: str = ""


class WooCommerce(Simulator):
    """A site and its receiver. ``schema``: the vendor's description of the webhooks, where it is at hand.

    ``writes``: whether the key may; ``lags``: so many reads of a webhook still tell what it was before a write.
    """

    def __init__(
        self, *, schema: Schema | None = None, token: str = TOKEN, clock: Callable[[], datetime] = utc_now
    ) -> None:
        super().__init__()
        self.key, self.secret, self.token, self.clock = KEY, SECRET, token, clock
        self.hooks: dict[int, Hook] = {}
        self.deliveries: dict[str, Delivery] = {}
        self.takes, self.writes, self.lags = True, True, 0
        self._before: dict[int, tuple[int, dict[str, Any]]] = {}
        self._ids, self._runs = itertools.count(1), itertools.count(1)
        described = (schema or {}).get("endpoints", [])
        self._query: Schema = next((one["args"] for one in described if "GET" in one["methods"]), OWN_SCHEMA)
        self._body: Schema = (schema or {}).get("schema", {}).get("properties", {"status": {"enum": list(STATUSES)}})

    # -- what happens in the world -----------------------------------------------------------------------------------

    def add(self, name: str, topic: str = "order.created", to: str = "https://receiver.example.com/woocommerce") -> int:
        """A webhook that somebody made in the shop; its id."""
        hook = Hook(next(self._ids), name, topic, to, self.clock())
        self.hooks[hook.id] = hook
        return hook.id

    def order(self, topic: str = "order.created") -> None:
        """Something happens in the shop: every active webhook of this topic delivers it."""
        for hook in self.hooks.values():
            if hook.status == "active" and hook.topic == topic:
                self._deliver(hook)

    def delivered(self, job: str, status: str, *, key: str = "", error: str = "") -> str:
        """An entry of the record; its id."""
        now = self.clock().isoformat()
        over = status in ("ok", "error", "cancelled")
        run = Delivery(f"d-{next(self._runs)}", job, status, now, now if over else None, error, key)
        self.deliveries[run.id] = run
        return run.id

    def ends(self, run_id: str, status: str, error: str = "") -> None:
        """What the receiver was working on comes to its end."""
        run = self.deliveries[run_id]
        run.status, run.error, run.ended_at = status, error, self.clock().isoformat()

    def _deliver(self, hook: Hook) -> None:
        if self.takes:
            hook.failures = 0
            self.delivered(str(hook.id), "ok")
            return
        self.delivered(str(hook.id), "error", error="HTTP 500: no space left on device")
        hook.failures += 1
        if hook.failures > MOST_FAILURES:
            hook.status, hook.modified = "disabled", self.clock()

    def told(self) -> Any:
        return {
            "webhooks": [asdict(hook) | {"modified": hook.modified.isoformat()} for hook in self.hooks.values()],
            "deliveries": [asdict(one) for one in self.deliveries.values()],
        }

    # -- the API ------------------------------------------------------------------------------------------------------

    def served(self, asked: Asked) -> Reply:
        if asked.path == "/simulator/order":
            self.order()
            return Reply(self.told())
        if asked.path == "/simulator/receiver":
            self.takes = bool(asked.body.get("takes", True))
            return Reply(self.told())
        if asked.path.startswith("/receiver/"):
            return self._receiver(asked)
        if not asked.path.startswith("/wp-json/"):
            return Reply("<html><title>Garden shop</title></html>", 404, {"Content-Type": "text/html"})
        if not asked.path.startswith(HOOKS):
            return _refused(404, "rest_no_route", "No route was found matching the URL and request method.")
        reply = self._site(asked)
        reply.headers["Date"] = format_datetime(self.clock(), usegmt=True)
        return reply

    def pretended(self, asked: Asked) -> Reply:
        """Says that it is done, as it would look then."""
        number = asked.path.removeprefix(f"{HOOKS}/")
        if asked.method in ("PUT", "DELETE") and number.isdecimal() and (hook := self.hooks.get(int(number))):
            return Reply(hook.resource("") | dict(asked.body or {}))
        return Reply({})

    def _site(self, asked: Asked) -> Reply:
        given = base64.b64encode(f"{self.key}:{self.secret}".encode()).decode()
        if asked.headers.get("authorization") != f"Basic {given}":
            return _refused(401, "woocommerce_rest_cannot_view", "Sorry, you cannot list resources.")
        if asked.method != "GET" and not self.writes:
            words = "The API key provided does not have write permissions."
            return _refused(401, "woocommerce_rest_authentication_error", words)
        number = asked.path.removeprefix(HOOKS).removeprefix("/")
        if not number:
            return self._list(asked)
        hook = self.hooks.get(int(number)) if number.isdecimal() else None
        if hook is None:
            return _refused(404, "woocommerce_rest_shop_webhook_invalid_id", "Invalid ID.")
        match asked.method:
            case "GET":
                return Reply(self._as_read(hook))
            case "PUT":
                return self._change(hook, asked.body)
            case "DELETE":
                if asked.query.get("force") != "true":
                    return _refused(501, "woocommerce_rest_trash_not_supported", "Webhooks do not support trashing.")
                del self.hooks[hook.id]
                return Reply(hook.resource(""))
        return _refused(404, "rest_no_route", "No route was found matching the URL and request method.")

    def _as_read(self, hook: Hook) -> dict[str, Any]:
        left, before = self._before.get(hook.id, (0, {}))
        if left:
            self._before[hook.id] = (left - 1, before)
            return before
        return hook.resource("")

    def _change(self, hook: Hook, body: Any) -> Reply:
        if wrong := _misfits(body, self._body):
            return wrong
        self._before[hook.id] = (self.lags, hook.resource(""))
        for name in ("status", "name", "topic"):
            setattr(hook, name, body.get(name, getattr(hook, name)))
        hook.modified = self.clock()
        return Reply(hook.resource(""))

    def _list(self, asked: Asked) -> Reply:
        numbers = {name: int(value) if value.isdecimal() else value for name, value in asked.query.items()}
        if wrong := _misfits(numbers, self._query):
            return wrong
        size, page = int(asked.query.get("per_page", 10)), int(asked.query.get("page", 1))
        found = sorted(self.hooks.values(), key=lambda hook: hook.id, reverse=asked.query.get("order") != "asc")
        total = str(len(found)), str(-(-len(found) // size))
        rows = [self._as_read(hook) for hook in found[(page - 1) * size : page * size]]
        return Reply(rows, headers={"X-WP-Total": total[0], "X-WP-TotalPages": total[1]})

    # -- the receiver ------------------------------------------------------------------------------------------------

    def _receiver(self, asked: Asked) -> Reply:
        run_id = asked.path.rpartition("/")[2]
        if asked.path.startswith(PAGES):
            return self._page(run_id)
        if asked.headers.get("authorization") != f"Bearer {self.token}":
            return Reply({"detail": "who are you?"}, 401)
        if asked.path == f"{RECEIVER}/reruns" and asked.method == "POST":
            return self._rerun(str(asked.body["webhook"]), str(asked.body["key"]))
        if asked.path == f"{RECEIVER}/deliveries":
            return self._deliveries(asked)
        found = self.deliveries.get(run_id)
        return Reply(asdict(found)) if found else Reply({"detail": "no such delivery"}, 404)

    def _rerun(self, job: str, key: str) -> Reply:
        """It knows its keys: a used one starts nothing."""
        same = [one for one in self.deliveries.values() if (one.webhook_id, one.key) == (job, key)]
        run_id = same[0].id if same else self.delivered(job, "working", key=key)
        return Reply(asdict(self.deliveries[run_id]), 201)

    def _deliveries(self, asked: Asked) -> Reply:
        wanted = {name: values[-1] for name, values in parse_qs(asked.raw_query).items()}
        since = datetime.fromisoformat(wanted["since"]) if "since" in wanted else datetime.min.replace(tzinfo=UTC)
        found = [
            one
            for one in self.deliveries.values()
            if datetime.fromisoformat(one.started_at) > since
            and wanted.get("webhook", one.webhook_id) == one.webhook_id
            and wanted.get("key", one.key) == one.key
        ]
        begin = int(wanted.get("from", 0))
        rows, more = found[begin : begin + PAGE_SIZE], len(found) > begin + PAGE_SIZE
        rest = "&".join(part for part in asked.raw_query.split("&") if part and not part.startswith("from="))
        return Reply(
            {
                "items": [asdict(one) for one in rows],
                "next": f"deliveries?{rest}&from={begin + PAGE_SIZE}" if more else None,
            }
        )

    def _page(self, run_id: str) -> Reply:
        run = self.deliveries.get(run_id)
        told = f"Delivery {run.id} of webhook {run.webhook_id}: {run.status}" if run else "There is no such delivery."
        page = f"<!doctype html><title>Deliveries</title><h1>{escape(told)}</h1>"
        return Page(page, 200 if run else 404, {"Content-Type": "text/html; charset=utf-8"})


class Page(Reply):
    """A web page."""

    def encoded(self) -> bytes:
        content = str(self.body).encode()
        headers = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
        return f"HTTP/1.1 {self.status} OK\r\nContent-Length: {len(content)}\r\n{headers}\r\n".encode() + content


def record_at(address: str) -> str:
    """The declaration of this receiver's record, as it stands in a block."""
    return f"""\
address: {address}{RECEIVER}
list: deliveries?since={{since}}
of_job: deliveries?webhook={{job}}&since={{since}}
one: deliveries/{{run}}
by_key: deliveries?webhook={{job}}&key={{key}}
items: items
next: next
fields: {{id: id, job: webhook_id, status: status, started: started_at, ended: ended_at, message: error, key: key}}
states: {{ok: succeeded, error: failed, working: running, queued: waiting, cancelled: cancelled}}
page: {{address: "{address}{PAGES}/{{run}}", success: ok}}
rerun: {{path: reruns, body: {{webhook: "{{job}}", key: "{{key}}"}}}}
"""


def _misfits(given: Any, described: Schema) -> Reply | None:
    """What the vendor's description does not take, refused as WordPress does; None where all is well."""
    for name, value in dict(given).items():
        if name not in described or not _fits(value, described[name]):
            return _refused(400, "rest_invalid_param", f"Invalid parameter(s): {name}")
    return None


def _fits(value: Any, told: Schema) -> bool:
    kinds: Mapping[str, type] = {"integer": int, "string": str, "array": list}
    if not isinstance(value, kinds.get(told.get("type", ""), object)) or value not in told.get("enum", [value]):
        return False
    return bool(told.get("minimum", value) <= value <= told.get("maximum", value))


def _refused(status: int, code: str, message: str) -> Reply:
    return Reply({"code": code, "message": message, "data": {"status": status}}, status)


def _made(told: argparse.Namespace) -> WooCommerce:
    shop = WooCommerce(schema=json.loads(told.schema.read_text()) if told.schema else None)
    for name in told.webhook:
        shop.add(name)
    return shop


if __name__ == "__main__":
    by_hand = argparse.ArgumentParser(prog="python -m sandbox.woocommerce", description="A shop, and its receiver.")
    by_hand.add_argument("--webhook", action="append", default=[], help="the name of a webhook that it has")
    by_hand.add_argument("--schema", type=Path, help="the vendor's description (OPTIONS of the webhooks' route)")
    sys.exit(main(_made, by_hand))
