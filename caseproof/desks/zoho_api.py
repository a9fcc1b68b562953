"""Calls to Zoho Desk: let in by a token that all processes share, no more at once than the edition takes, and errors
for people. The header ``orgId`` says whose tickets they are."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter

from caseproof.config.clock import Clock
from caseproof.desks.base import DeskDown, DeskError
from caseproof.desks.desk_api import DeskApi, refusal_in
from caseproof.desks.zoho_wire import REFUSAL, TOKEN, Page, Refusal, ZohoAccount
from caseproof.http.api import READ_SECONDS, HttpApi
from caseproof.http.client import Answer, Transport, Upload
from caseproof.http.shared_token import Given, SharedToken
from caseproof.http.slots import Slots

T = TypeVar("T")

FOLDER = "desks"
"""The folder of the home in which tokens and slots are."""
PAGE = 100
"""No list gives more at a time."""
MOST_ROWS = 5_000
"""How far Zoho Desk lets a list be paged."""

_LEFT = (400, 401, 403, 413, 422)
_SCOPES = "Desk.tickets.ALL, Desk.search.READ, Desk.contacts.READ, Desk.basic.READ and Desk.settings.READ"

_ANEW = f"Make a new refresh token with the scopes {_SCOPES} (docs/desk-zoho.md), and save it in the block."


class ZohoRefused(DeskError):
    """Zoho Desk refused; ``fields`` are those of the request that it finds wrong."""

    def __init__(self, problem: str, next_action: str = "", refusal: Refusal | None = None) -> None:
        super().__init__(problem, next_action)
        self.fields = refusal.fields if refusal else frozenset[str]()


class ZohoApi(DeskApi):
    """``home`` is the installation's folder. Safe to use from several threads; all processes share token and slots."""

    def __init__(
        self,
        account: ZohoAccount,
        home: Path,
        clock: Clock,
        *,
        transport: Transport | None = None,
        sleep: Callable[[float], None] = time.sleep,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        self._account = account
        name = f"Zoho Desk (the desk '{account.name}')"
        whole = "\n".join((account.login, account.client_id, account.refresh_token, account.client_secret))
        known = hashlib.sha256(f"{account.desk} {account.organisation}".encode()).hexdigest()[:16]
        slots = Slots(home / FOLDER / f"zoho-{known}", account.concurrency, name, down=DeskDown)
        super().__init__(HttpApi(
            account.desk, name, down=DeskDown, refused=ZohoRefused, headers={"orgId": account.organisation},
            transport=transport, sleep=sleep, read_seconds=read_seconds, left=_LEFT, around=slots.taken,
            ca=account.ca, proxy=account.proxy,
        ))  # fmt: skip
        self._login = HttpApi(
            account.login, f"the token server of {self.name}", down=DeskDown, refused=ZohoRefused,
            transport=transport, sleep=sleep, read_seconds=read_seconds, left=(400, 401),
            ca=account.ca, proxy=account.proxy,
        )  # fmt: skip
        self._token = SharedToken(
            home / FOLDER, whole, self.name, self._refresh, clock, down=DeskDown, refused=ZohoRefused
        )

    def close(self) -> None:
        """Close the connections."""
        super().close()
        self._login.close()

    def call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        json: Any = None,
        files: Mapping[str, Upload] | None = None,
    ) -> Answer:
        """The answer: a success, or a 404 that Zoho Desk gives. Raises DeskDown, and ZohoRefused for the rest."""
        token = self._token.get()
        answer = self._once(token, method, path, params, json, files)
        if answer.status == 401 and _refusal(answer).code in ("INVALID_OAUTH", "UNAUTHORIZED", ""):
            # Nothing was done. It may have been taken back; one more is got, for all that ask.
            answer = self._once(self._token.get(token), method, path, params, json, files)
        if answer.is_success:
            return answer
        refusal = _refusal(answer)
        if answer.is_missing:
            if (
                not refusal.code or refusal.code == "URL_NOT_FOUND"
            ):  # a path that Zoho Desk has, and this server has not
                raise self.not_the_api(answer)
            return answer
        raise self._refused(answer, refusal)

    def page(self, path: str, shape: TypeAdapter[Page[T]], params: Mapping[str, str]) -> tuple[list[T], Answer]:
        """A page of a list, of which there may be none (204), and the answer. A 404 is the caller's: None rows."""
        answer = self.call("GET", path, params=params)
        if answer.status == 204 or answer.is_missing:
            return [], answer
        return self.one(answer, shape).data, answer

    def _once(
        self, token: str, method: str, path: str, params: Mapping[str, str] | None, json: Any,
        files: Mapping[str, Upload] | None,
    ) -> Answer:  # fmt: skip
        headers = {"Authorization": f"Zoho-oauthtoken {token}"}
        return self._api.call(method, path, params=params, json=json, files=files, headers=headers)

    def _refresh(self, newer: str) -> Given:
        """A token for the refresh token. Zoho answers 200 to what it refuses, too."""
        form = {
            "grant_type": "refresh_token",
            "client_id": self._account.client_id,
            "client_secret": self._account.client_secret,
            "refresh_token": newer or self._account.refresh_token,
        }
        answer = self._login.call("POST", "oauth/v2/token", form=form)
        if answer.is_missing:
            raise self._login.not_the_api(answer)
        if answer.status == 401:
            raise ZohoRefused(f"{self.name} gives us no token: it does not accept our credentials.", _ANEW)
        told = self._login.decoded(answer, TOKEN)
        if told.access_token and answer.is_success:
            return Given(told.access_token, told.expires_in)
        if "too many requests" in told.description.lower() or told.error.lower() == "access denied":
            raise DeskDown(
                f"{self.name} gave too many tokens lately, and gives no more for now.",
                "Try again in ten minutes. Does another program use the same refresh token?",
            )
        if not told.error:
            raise self._login.not_the_api(answer)
        what = {
            "invalid_code": "the refresh token: it was taken back, or is of another data centre",
            "invalid_client": "the client id: it is of another data centre, or there is none",
            "invalid_client_secret": "the client secret",
        }.get(told.error, f"what it is asked with ({told.error[:60]})")
        raise ZohoRefused(
            f"{self.name} gives us no token for our credentials: it refuses {what}.",
            _ANEW,
        )

    def _refused(self, answer: Answer, refusal: Refusal) -> ZohoRefused:
        if not refusal.code and not refusal.message:
            error = self.not_the_api(answer)
            return ZohoRefused(error.problem, error.next_action)
        said = f"{refusal.code or answer.status}: {refusal.message[:300]}".rstrip(": ")
        wrong = f" ({', '.join(sorted(refusal.fields))})" if refusal.fields else ""
        if answer.is_unauthorized:
            action = f"Check the organisation, what the user may do, and the scopes: {_SCOPES}."
        elif answer.status == 413:
            action = "Attach a smaller file."
        else:
            action = "Look at the fields that it names, and at the layout of the department."
        return ZohoRefused(f"{self.name} refused ({said}{wrong}).", action, refusal)


def _refusal(answer: Answer) -> Refusal:
    return refusal_in(answer, REFUSAL) or Refusal.model_validate({})
