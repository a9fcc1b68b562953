"""A name that is not known is answered with those that may be meant."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches

import pytest

from caseproof.domain.errors import BadInput
from caseproof.domain.spelling import MOST, alike, no_such, same, what_is_alike
from caseproof.domain.vocabulary import CAUSES

NAMES = ("shop-jobs", "shop-feeds", "warehouse", "Bazaar")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("shop-job", "shop-jobs"), ("SHOP_JOBS", "shop-jobs"), ("shopjobs", "shop-jobs"), ("wharehouse", "warehouse"),
        ("bazar", "Bazaar"), ("jobs", "shop-jobs"), ("the warehouse", "warehouse"),
    ],
)  # fmt: skip
def test_the_name_that_is_meant_comes_first(typed: str, meant: str) -> None:
    assert alike(typed, NAMES)[0] == meant


@pytest.mark.parametrize("typed", ["", "  ", "xyz", "q"])
def test_what_is_like_nothing_is_given_nothing(typed: str) -> None:
    assert alike(typed, NAMES) == []


def test_few_names_are_all_told_many_are_counted_and_of_those_alike_only_some() -> None:
    assert what_is_alike("xyz", []) == "There is none yet."
    assert what_is_alike("xyz", NAMES) == "There are: Bazaar, shop-feeds, shop-jobs, warehouse."
    many = [f"job-{number:03}" for number in range(500)]
    assert what_is_alike("xyz", many) == "There are 500, none alike."
    assert len(alike("job-1", many)) == MOST


def test_of_fifty_thousand_names_the_likeliest_alone_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[int] = []

    def close(name: str, names: Collection[str], n: int, cutoff: float) -> list[str]:
        compared.append(len(names))
        return get_close_matches(name, names, n=n, cutoff=cutoff)

    monkeypatch.setattr("caseproof.domain.spelling.get_close_matches", close)
    many = [f"feed/{number}-garden-shop" for number in range(50_000)]
    assert alike("fead/77-gardn-shop", many)[0] == "feed/77-garden-shop"
    assert max(compared) <= 500


def test_a_cause_that_there_is_not_is_refused_with_those_that_are_alike_and_all_there_are() -> None:
    refused = no_such("cause", "expired-tokens", CAUSES)
    assert isinstance(refused, BadInput)
    assert refused.problem == "There is no cause 'expired-tokens'. Alike are: expired_token."
    assert all(cause in refused.next_action for cause in CAUSES)


def test_dashes_underscores_and_capitals_make_no_other_name() -> None:
    assert same("Expired Token", "expired_token")
    assert not same("expired", "expired_token")
