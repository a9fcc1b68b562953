"""Calls to Request Tracker 5 (REST2): who we are, its lists page by page, and errors for people."""

from __future__ import annotations

import json as js
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar
from urllib.parse import quote

from pydantic import TypeAdapter

from caseproof.desks.base import DeskDown, DeskError
from caseproof.desks.desk_api import DeskApi, refusal_in
from caseproof.desks.rt_wire import QUEUE, REFUSAL, ROWS, VERSION, Page, Queue, Row, RtAccount, Thing
from caseproof.desks.wire import Numbered
from caseproof.http.api import READ_SECONDS, HttpApi
from caseproof.http.client import Answer, Transport, credentials

N = TypeVar("N", bound=Numbered)

PAGE, MOST_PAGES = 100, 50
_LEFT = (400, 401, 403, 409, 412, 413, 422)
_FIELDS = "Subject,Status,Created,Creator,Requestor,CustomFields,EffectiveId"


class RtApi(DeskApi):
    """Safe to use from several threads. Paths are those after ``/REST/2.0/``."""

    def __init__(
        self,
        account: RtAccount,
        *,
        transport: Transport | None = None,
        sleep: Callable[[float], None] = time.sleep,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        self.account = account
        login = {"Authorization": f"token {account.token}"}
        if account.password:
            login = credentials(f"{account.user}:{account.password}", None)
        super().__init__(HttpApi(
            f"{account.base}/REST/2.0", f"Request Tracker (the desk '{account.name}')", down=DeskDown,
            refused=DeskError, headers={**login, "Accept": "application/json"}, transport=transport, sleep=sleep,
            read_seconds=read_seconds, left=_LEFT, ca=account.ca, proxy=account.proxy,
        ))  # fmt: skip

    def call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """The answer: a success, or a 403, a 404 or a 412 that RT gives. Raises DeskDown, DeskError."""
        answer = self._api.call(method, path, params=params, json=json, headers=headers)
        if answer.status == 401:
            what = "this token" if self.account.token else "the account with this password"
            raise DeskError(
                f"{self.name} does not accept our credentials, {what} (401).",
                "Make a new token for the account (Settings, Auth tokens), and save it in the block; is the account "
                "enabled there?",
            )
        if answer.is_success:
            return answer
        said = _message(answer)
        if said is None:  # RT says why; a proxy answers with a page
            raise self.not_the_api(answer)
        if answer.status in (403, 404, 412):
            return answer
        raise self.refused(answer)

    def refused(self, answer: Answer, action: str = "") -> DeskError:
        """The error for what RT refuses: why, as it says."""
        said = (_message(answer) or "").strip()[:300].rstrip(".")
        return DeskError(
            f"{self.name} refused ({answer.status}: {said}).",
            action or "Look at what it says, and at the rights of our account (docs/desk-rt.md lists them).",
        )

    def is_us(self, who: Thing | None) -> bool:
        """Whether this is our account."""
        return who is not None and who.id.casefold() == self.account.user.casefold()

    def version(self) -> Answer:
        """What RT says of itself. Raises DeskError where this is no REST2 API."""
        answer = self.call("GET", "rt")
        if not answer.is_success:
            raise self.not_the_api(answer)
        self.one(answer, VERSION)
        return answer

    def queue(self, named: str) -> Queue:
        """A queue by its name. Raises DeskError where there is none that we can see."""
        answer = self.call("GET", f"queue/{quote(named, safe='')}")
        if not answer.is_success:
            if answer.is_missing:
                self.version()
            raise DeskError(
                f"{self.name} shows our account no queue '{named}'.",
                "Correct its name in the block, or give the account the right SeeQueue in it.",
            )
        return self.one(answer, QUEUE)

    def search(self, query: str, *, newest_first: bool = False) -> Iterator[Row]:
        """The tickets that a query finds, the oldest first, page by page; of what is merged those that were, too, where
        the query speaks of EffectiveId."""
        people = "EmailAddress,RealName"
        asked = {
            "query": query, "orderby": "id", "order": "DESC" if newest_first else "ASC", "fields": _FIELDS,
            "fields[Requestor]": people, "fields[Creator]": people,
        }  # fmt: skip
        return self.pages("tickets", ROWS, asked)

    def pages(self, path: str, shape: TypeAdapter[Page[N]], asked: Mapping[str, str]) -> Iterator[N]:
        """What a list has of what we may see, page by page. Raises DeskError for one that comes to no end.

        It is not for lists in which RT counts what it does not show: where it says no number of pages, one that is not
        full is taken for the last.
        """
        seen = set[str]()
        for page in range(1, MOST_PAGES + 1):
            answer = self.call("GET", path, params={**asked, "per_page": str(PAGE), "page": str(page)})
            if not answer.is_success:
                raise self.not_the_api() if answer.is_missing else self.refused(answer)
            found = self.one(answer, shape)
            new = [one for one in found.items if one.id not in seen]
            yield from new
            seen.update(one.id for one in new)
            is_last = len(found.items) < PAGE if found.pages is None else page >= found.pages
            if is_last or not new:
                return
        raise DeskError(
            f"{self.name} has more of what it was asked for ({path}) than can be read.",
            "Look at the ticket or the queue there; should there be so many?",
        )

    def limits(self, **fields: Iterable[str]) -> dict[str, str]:
        """What asks a list for those with one of these values in each of these fields."""
        asked = [{"field": name, "operator": "=", "value": one} for name, values in fields.items() for one in values]
        return {"query": js.dumps(asked)}


def _message(answer: Answer) -> str | None:
    refusal = refusal_in(answer, REFUSAL)
    return None if refusal is None else refusal.message
