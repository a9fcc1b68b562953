"""What the APIs of desks have in common: their connections, and answers that are none of theirs."""

from __future__ import annotations

from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from caseproof.domain.errors import CaseproofError
from caseproof.http.api import HttpApi
from caseproof.http.client import Answer

T = TypeVar("T")


class DeskApi:
    """A desk over ``api``; each kind says how it is called. Safe to use from several threads."""

    def __init__(self, api: HttpApi) -> None:
        self._api = api
        self.name = api.name

    def close(self) -> None:
        """Close the connections."""
        self._api.close()

    def one(self, answer: Answer, shape: TypeAdapter[T]) -> T:
        """What was answered, in this shape. Raises DeskError for a login page, half a JSON, ..."""
        return self._api.decoded(answer, shape)

    def not_the_api(self, answer: Answer | None = None) -> CaseproofError:
        """The error for an answer that this desk would not give."""
        return self._api.not_the_api(answer)


def refusal_in(answer: Answer, shape: TypeAdapter[T]) -> T | None:
    """Why a desk refuses, in its own shape; None where it is no desk that answers, but a proxy with a page, say."""
    try:
        return shape.validate_json(answer.content)
    except ValidationError:
        return None
