"""Calls to Jira Cloud: who we are, and errors for people where it refuses, hides, or answers what is none of its."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from caseproof.desks.base import DeskDown, DeskError
from caseproof.desks.desk_api import DeskApi, refusal_in
from caseproof.desks.jira_wire import ISSUE, PROPERTY, REFUSAL, USER, Issue, JiraAccount, Refusal
from caseproof.http.api import READ_SECONDS, HttpApi
from caseproof.http.client import Answer, Transport, Upload, credentials

_LEFT = (400, 401, 403, 409, 413, 422)
_FIELDS = "summary,status,labels,creator"


class JiraApi(DeskApi):
    """Safe to use from several threads. Paths are those after ``/rest/api/3/``."""

    def __init__(
        self,
        account: JiraAccount,
        *,
        transport: Transport | None = None,
        sleep: Callable[[float], None] = time.sleep,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        self.account = account
        super().__init__(HttpApi(
            f"{account.site.rstrip('/')}/rest/api/3", f"Jira Cloud (the desk '{account.name}')", down=DeskDown,
            refused=DeskError,
            headers={**credentials(f"{account.email}:{account.api_token}", None), "Accept": "application/json"},
            transport=transport, sleep=sleep, read_seconds=read_seconds, left=_LEFT, ca=account.ca, proxy=account.proxy,
        ))  # fmt: skip

    def call(
        self,
        method: str,
        path: str,
        *,
        reads: bool | None = None,
        params: Mapping[str, str] | None = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
        files: Mapping[str, Upload] | None = None,
    ) -> Answer:
        """The answer: a success, or a 404 that Jira gives. Raises DeskDown, and DeskError for the rest."""
        answer = self._api.call(method, path, reads=reads, params=params, json=json, headers=headers, files=files)
        # What may be seen by anybody is answered to a token that is not valid, too, as to nobody: with less in it.
        login = answer.headers.get("x-seraph-loginreason", "").upper()
        if answer.status == 401 or "AUTHENTICATED_FAILED" in login or "AUTHENTICATION_DENIED" in login:
            raise self._not_let_in(answer)
        if answer.is_success:
            return answer
        refusal = refusal_in(answer, REFUSAL) or Refusal.model_validate({})
        if not refusal.words:  # a site that there is not answers with a page, and so does a proxy
            raise self.not_the_api(answer)
        if answer.is_missing:
            return answer
        raise self._refused(answer, refusal)

    def issue(self, named: str, *more: str) -> Issue | None:
        """The issue with this id or key, out of Jira's database and not its search; None where it shows none.

        ``more`` are fields besides the usual ones.
        """
        params = {"fields": ",".join((_FIELDS, *more)), "properties": PROPERTY}
        answer = self.call("GET", f"issue/{named}", params=params)
        if answer.is_missing:
            return None
        issue = self.one(answer, ISSUE)
        if issue.fields.status is None:
            raise self.not_the_api()
        return issue

    @cached_property
    def me(self) -> str:
        """The id of our account. Raises DeskError where we are nobody."""
        found = self.one(self.call("GET", "myself"), USER).id
        if not found:
            raise self.not_the_api()
        return found

    def _not_let_in(self, answer: Answer) -> DeskError:
        why = f"{self.name} does not accept our credentials, the e-mail address with this API token"
        if "CAPTCHA" in answer.headers.get("x-authentication-denied-reason", "").upper():
            return DeskError(
                f"{why}: after too many wrong ones it wants a person to log in.",
                "Log in there with the account's address in a browser once, then correct the token in the block.",
            )
        return DeskError(
            f"{why} (401).",
            "API tokens expire after a year at most: make a new one for this account, and save it in the block.",
        )

    def _refused(self, answer: Answer, refusal: Refusal) -> DeskError:
        said = f"{self.name} refused ({answer.status}: {refusal.words[:300]})."
        if answer.status == 403:
            return DeskError(said, "Give the account the right to it in the project (docs/desk-jira.md lists them).")
        if answer.status == 413:
            return DeskError(said, "Attach a smaller file, or have an administrator allow larger ones.")
        if "labels" in (refusal.errors or {}):
            return DeskError(said, "Put the field Labels on the screen that issues of this type are made with.")
        return DeskError(
            said, "Look at what it names: the project, the type of issue, and fields that it requires (docs)."
        )
