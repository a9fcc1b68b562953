"""A WooCommerce site's REST API (v3) on the wire: its webhooks, read whole, and what its refusals mean.

Three things are not what they seem there. Keys are taken by Basic over HTTPS alone, and over plain HTTP the answer is
that of a wrong key. A key with the permission "Read" is refused in a write with the status of a wrong key, too. And a
site without permalinks, or a wrong address, answers 404 as an unknown webhook does, but with a web page.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, TypeAdapter

from caseproof.config.settings import is_loopback
from caseproof.domain.errors import CaseproofError
from caseproof.http.api import HttpApi
from caseproof.http.client import Answer, Transport, credentials, is_usable, shown
from caseproof.platforms.base import PlatformDown, PlatformRefused

API = "wp-json/wc/v3"
ACTIVE, DISABLED = "active", "disabled"
"""Two of the statuses that a webhook can have; the third is paused."""

PAGE = 100
"""Webhooks on a page: the most that WooCommerce gives."""
MOST_PAGES = 500
NOBODY = 0
"""The id that no webhook ever has."""
_TRIES = 3  # a list that moved while it was read is read again

_NO_ROUTE = "rest_no_route"
_SETTINGS = "WooCommerce > Settings > Advanced > REST API"


def _in_utc(value: datetime) -> datetime:
    """WooCommerce's times in GMT have no zone written beside them."""
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Webhook(BaseModel):
    """A webhook as the API shows it; its secret is not among it."""

    id: int
    name: str = ""
    status: str
    topic: str = ""
    delivery_url: str = ""
    date_modified_gmt: Annotated[datetime, AfterValidator(_in_utc)] | None = None


WEBHOOK, WEBHOOKS = TypeAdapter(Webhook), TypeAdapter(list[Webhook])


class WooSite:
    """The API of one site. ``address`` is the shop's own, as people open it. Safe to use from several threads.

    Raises PlatformRefused for an address that keys cannot be sent to; each call PlatformDown, PlatformRefused.
    """

    def __init__(
        self,
        address: str,
        key: str,
        secret: str,
        *,
        ca: str = "",
        proxy: str = "",
        transport: Transport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.site = address.rstrip("/")
        # A key that was sent openly is everybody's, so it is not even tried. On this machine nothing is sent.
        if is_usable(address) and not address.lower().startswith("https://") and not is_loopback(address):
            raise PlatformRefused(
                f"The address of the WooCommerce site ({shown(address)}) is plain HTTP: WooCommerce takes keys over "
                "HTTPS alone, and answers as if the key were wrong.",
                "Give the site's address with https://.",
            )
        self._api = HttpApi(
            f"{self.site}/{API}",
            "the WooCommerce API",
            down=PlatformDown,
            refused=PlatformRefused,
            headers=credentials(f"{key}:{secret}", None),
            ca=ca,
            proxy=proxy,
            transport=transport,
            sleep=sleep,
            left=(HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN),
        )
        self.address = self._api.address

    def close(self) -> None:
        """Close the connections."""
        self._api.close()

    def webhooks(self) -> tuple[list[Webhook], datetime | None]:
        """All webhooks by their ids, and the site's clock. Raises PlatformDown where they cannot be read whole."""
        for _ in range(_TRIES):
            found, clock = self._read_through()
            if found is not None:
                return [found[one] for one in sorted(found)], clock
        raise PlatformDown(
            f"The list of webhooks at {self.address} does not hold together: it gives fewer than it counts itself.",
            "Nothing is judged by half a list. Try again later; if it stays so, look for a cache in front of the API.",
        )

    def webhook(self, number: int) -> Webhook | None:
        """The webhook of this id; None where there is none."""
        answer = self._call("GET", f"webhooks/{number}")
        return None if answer.is_missing else self._api.decoded(answer, WEBHOOK)

    def set_status(self, number: int, status: str) -> bool:
        """Ask for this status: whether there is such a webhook. What came of it is to be read back."""
        return not self._call("PUT", f"webhooks/{number}", json={"status": status}).is_missing

    def delete(self, number: int) -> bool:
        """Ask to delete it for good (it knows no bin): whether there was such a webhook."""
        return not self._call("DELETE", f"webhooks/{number}", params={"force": "true"}).is_missing

    def may_write(self) -> bool:
        """Whether the key may change webhooks, asked about one that nobody has: nothing can come of it."""
        try:
            self._call("PUT", f"webhooks/{NOBODY}", json={})
        except _KeyRefused:
            return False
        return True

    def _read_through(self) -> tuple[dict[int, Webhook] | None, datetime | None]:
        """All webhooks by their ids, or None where the list moved under us."""
        found: dict[int, Webhook] = {}
        clock: datetime | None = None
        total: int | None = None
        for page in range(1, MOST_PAGES + 1):
            asked = {"per_page": str(PAGE), "page": str(page), "orderby": "id", "order": "asc"}
            answer = self._call("GET", "webhooks", params=asked)
            if answer.is_missing:
                raise self._api.not_the_api(answer)
            rows = self._api.decoded(answer, WEBHOOKS)
            counted, pages = _number(answer, "X-WP-Total"), _number(answer, "X-WP-TotalPages")
            if page > 1 and counted != total:
                return None, clock  # one came or went, and what was behind it moved to another page
            total, clock = counted, clock or answer.date
            known = len(found)
            found |= {one.id: one for one in rows}
            # Without the headers, which a proxy may drop, an empty page is the last one.
            if not rows or (pages is not None and page >= pages):
                return (found if total is None or len(found) >= total else None), clock
            if len(found) == known:
                break
        raise PlatformDown(
            f"The WooCommerce API at {self.address} lists webhooks without an end.",
            "Nothing is judged by such a list. Look for a cache or a proxy in front of the API, then try again.",
        )

    def _call(self, method: str, path: str, json: Any = None, params: dict[str, str] | None = None) -> Answer:
        """The answer, or a 404 that is about a webhook."""
        answer = self._api.call(method, path, json=json, params=params)
        if answer.is_unauthorized:
            raise self._not_let_in(answer, writes=method != "GET")
        if answer.is_missing:
            said = answer.json()
            code = said.get("code") if isinstance(said, dict) else None
            if not isinstance(code, str) or code == _NO_ROUTE:
                raise self._no_api(answer, wordpress=code == _NO_ROUTE)
        return answer

    def _not_let_in(self, answer: Answer, *, writes: bool) -> CaseproofError:
        plain = not self.site.lower().startswith("https://")
        told = f"The WooCommerce API at {self.address} does not accept our credentials (it answered {answer.status})."
        if plain:
            told += " Over plain HTTP it answers so to every key."
        if writes:
            action = f"The key needs the permission Read/Write: the shop's administrator gives it at {_SETTINGS}."
        else:
            action = (
                f"Was the key revoked? A new one is made at {_SETTINGS}, for a user who may manage WooCommerce. "
                "Does the server drop the Authorization header? Then its set-up has to pass it on."
            )
        return _KeyRefused(told, f"Give the site's address with https://. {action}" if plain else action)

    def _no_api(self, answer: Answer, *, wordpress: bool) -> CaseproofError:
        if wordpress:
            return PlatformRefused(
                f"{self.address} is a WordPress site, and has no WooCommerce API of version 3.",
                "Check the site's address, and that the plugin WooCommerce is active there.",
            )
        title = answer.page_title
        page = f"a web page{f' titled {title!r}' if title else ''}" if title is not None else "something else"
        return PlatformRefused(
            f"There is no REST API at {self.address}: it answered 404 with {page}.",
            "Check the site's address (what stands before /wp-json), and that its permalinks are not 'Plain' "
            "(Settings > Permalinks in WordPress).",
        )


class _KeyRefused(PlatformRefused):
    """The key is not accepted for this."""


def _number(answer: Answer, header: str) -> int | None:
    value = answer.headers.get(header, "")
    return int(value) if value.isdecimal() else None
