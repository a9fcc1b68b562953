"""A made-up marketplace that really checks tokens: what the sandbox's jobs call, and what answers 401.

Run it with ``python -m sandbox.marketplace --port 8401``; SIGTERM or Ctrl-C ends it. It listens on
the loopback interface only and forgets everything when it ends. A refusal is JSON,
``{"error": CODE, "message": SENTENCE}``.

POST   /sellers/{seller}/token       {"password"} -> 201 {"token", "valid_until"}; the token before it is void
DELETE /sellers/{seller}             the marketplace drops the seller -> 204; from then on 403
POST   /admin/expire/{seller}        the seller's token ends now -> 204
GET    /orders                       Bearer token -> 200, a list of orders; 401 token_expired, token_unknown,
                                     token_missing; 403 seller_dropped
POST   /stock                        Bearer token, {"items": [{"sku", "quantity"}]} -> 200 {"accepted": n}
GET    /feeds/{seller}/catalog.csv   the seller's own catalogue feed, beside the marketplace: no token
GET    /health                       200 as soon as it listens
"""

from __future__ import annotations

import argparse
import hmac
import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import httpx
import uvicorn
from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse
from pydantic import BaseModel, Field

#: The made-up sellers and their made-up passwords.
SELLERS: Mapping[str, str] = {"garden-shop": "spade-and-rake", "toy-store": "bricks-and-bears"}
#: What a stock feed sends here.
STOCK = [{"sku": f"A-{number}", "quantity": number % 7} for number in range(100, 120)]
CATALOG = "sku,name,price\nA-100,Watering can,12.90\nA-101,Hand trowel,7.50\nA-102,Plant pot,4.20\n"


class Refusal(Exception):
    """The marketplace says no: an HTTP status, a code for programs, a sentence for people."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


@dataclass
class Seller:
    """One seller's account. ``token`` is None until the first one is issued; ``valid_until`` is aware."""

    name: str
    password: str
    token: str | None = None
    valid_until: datetime | None = None
    dropped: bool = False


class Marketplace:
    """The accounts and their tokens. Threads may share it: each method holds the lock while it works."""

    def __init__(
        self,
        sellers: Mapping[str, str] = SELLERS,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        token_life: timedelta = timedelta(hours=12),
    ) -> None:
        self._now = now
        self._token_life = token_life
        self._lock = threading.Lock()
        self._sellers = {name: Seller(name, password) for name, password in sellers.items()}

    def issue_token(self, name: str, password: str) -> tuple[str, datetime]:
        """A new token and the time it ends; the one before is void."""
        with self._lock:
            seller = self._seller(name)
            if not _same(seller.password, password):
                raise Refusal(401, "wrong_password", f"That is not the password of {name}.")
            _refuse_dropped(seller)
            seller.token = secrets.token_urlsafe(24)
            seller.valid_until = self._now() + self._token_life
            return seller.token, seller.valid_until

    def expire(self, name: str) -> None:
        """The seller's token ends now. Refuses when there is none."""
        with self._lock:
            seller = self._seller(name)
            if seller.token is None:
                raise Refusal(409, "no_token", f"{name} has no token that could expire.")
            seller.valid_until = self._now()

    def drop(self, name: str) -> None:
        """The marketplace no longer works with the seller. Repeating it is harmless."""
        with self._lock:
            self._seller(name).dropped = True

    def seller_of(self, token: str) -> str:
        """Whose token it is; refuses one that is unknown or has expired, and a seller that was dropped."""
        with self._lock:
            # All are compared, whatever matched before, so that the time taken tells nothing about a token.
            matching = [s for s in self._sellers.values() if _same(s.token or "", token) and s.token]
            if not matching:
                raise Refusal(401, "token_unknown", "This token is not known; it may have been replaced.")
            seller = matching[0]
            _refuse_dropped(seller)
            if seller.valid_until is None or self._now() >= seller.valid_until:
                raise Refusal(
                    401, "token_expired", f"The token of {seller.name} has expired; the seller must renew it."
                )
            return seller.name

    def check_seller(self, name: str) -> None:
        """Refuses a name that no seller has."""
        with self._lock:
            self._seller(name)

    def _seller(self, name: str) -> Seller:
        if name not in self._sellers:
            raise Refusal(404, "seller_unknown", f"There is no seller called {name!r}.")
        return self._sellers[name]


def _same(expected: str, given: str) -> bool:
    return hmac.compare_digest(expected.encode(), given.encode())


def _refuse_dropped(seller: Seller) -> None:
    if seller.dropped:
        raise Refusal(403, "seller_dropped", f"{seller.name} no longer sells on this marketplace.")


class Login(BaseModel):
    """What asks for a token."""

    password: str


class StockLine(BaseModel):
    """How many pieces of an article there are."""

    sku: str = Field(min_length=1)
    quantity: int = Field(ge=0)


class Stock(BaseModel):
    """A stock feed."""

    items: list[StockLine]


def create_app(marketplace: Marketplace | None = None) -> FastAPI:
    """The web application around ``marketplace`` (a new one with the made-up sellers when none is given)."""
    market = marketplace or Marketplace()
    app = FastAPI(title="Bazaar (made up)", docs_url=None, redoc_url=None, openapi_url=None)

    @app.exception_handler(Refusal)
    def refuse(_request: Request, refusal: Refusal) -> JSONResponse:
        headers = {"WWW-Authenticate": "Bearer"} if refusal.status == 401 else None
        body = {"error": refusal.code, "message": refusal.message}
        return JSONResponse(body, status_code=refusal.status, headers=headers)

    @app.get("/health")
    def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/feeds/{seller}/catalog.csv")
    def catalog(seller: str) -> PlainTextResponse:
        market.check_seller(seller)
        return PlainTextResponse(CATALOG, media_type="text/csv")

    _add_account_routes(app, market)
    _add_trade_routes(app, market)
    return app


def _add_account_routes(app: FastAPI, market: Marketplace) -> None:
    @app.post("/sellers/{seller}/token", status_code=201)
    def issue_token(seller: str, login: Login) -> dict[str, str]:
        token, valid_until = market.issue_token(seller, login.password)
        return {"token": token, "valid_until": valid_until.isoformat()}

    @app.delete("/sellers/{seller}", status_code=204)
    def drop(seller: str) -> None:
        market.drop(seller)

    @app.post("/admin/expire/{seller}", status_code=204)
    def expire(seller: str) -> None:
        market.expire(seller)


def _add_trade_routes(app: FastAPI, market: Marketplace) -> None:
    def caller(request: Request) -> str:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Refusal(401, "token_missing", "Send the token as 'Authorization: Bearer TOKEN'.")
        return market.seller_of(token.strip())

    # As defaults, not in Annotated: postponed annotations cannot see a function's local names.
    @app.get("/orders")
    def orders(seller: str = Depends(caller)) -> list[dict[str, str | int]]:
        return [{"order": f"{seller}-{number}", "articles": number % 3 + 1} for number in range(1001, 1006)]

    @app.post("/stock", dependencies=[Depends(caller)])
    def stock(stock: Stock) -> dict[str, int]:
        return {"accepted": len(stock.items)}


def renew_token(url: str, seller: str) -> str:
    """Log in at the marketplace at ``url`` as ``seller`` (with its made-up password) and return a new token.

    Raises httpx.HTTPStatusError when the marketplace refuses, as it does once it dropped the seller.
    """
    answer = httpx.post(f"{url}/sellers/{seller}/token", json={"password": SELLERS[seller]}, timeout=60)
    return str(answer.raise_for_status().json()["token"])


def expire_token(url: str, seller: str) -> None:
    """Let the seller's token end now, at the marketplace at ``url``."""
    httpx.post(f"{url}/admin/expire/{seller}", timeout=60).raise_for_status()


def drop_seller(url: str, seller: str) -> None:
    """Let the marketplace at ``url`` drop the seller: nobody can renew that token any more."""
    httpx.delete(f"{url}/sellers/{seller}", timeout=60).raise_for_status()


def main() -> None:
    """Serve the marketplace on the loopback interface until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.marketplace", description=main.__doc__)
    parser.add_argument("--port", type=int, required=True, help="the port to listen on")
    uvicorn.run(create_app(), host="127.0.0.1", port=parser.parse_args().port, log_level="warning")


if __name__ == "__main__":
    main()
