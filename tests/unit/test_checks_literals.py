"""What must stand in a text for an expression: never too much, or a message would be told wrong."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caseproof.checks.literals import Index, may_hold, needed
from caseproof.config.policy_check import built_in_signatures


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("broken", [{"broken"}]),
        (r"\bfeed\b[^\n]{0,60}\b(empty|gone)\b", [{"feed"}, {"empty", "gone"}]),
        ("colou?r", [{"colo"}]),
        ("(very )?broken", [{"broken"}]),
        ("(very )*broken", [{"broken"}]),
        ("(very ){0,2}broken", [{"broken"}]),
        ("token|session key", [{"token", "session key"}]),
        ("token|x", []),
        ("(?<!csrf )token(?! ring)", [{"token"}]),
        (r"cannot (be )?(parse|decode)d?", [{"cannot "}, {"parse", "decode"}]),
        (r"api\.shop\.example", [{"api.shop.example"}]),
        (r"\d{3} lines", [{" lines"}]),
        ("a+b+c+", []),
        ("[abc]x]y", [{"x]y"}]),
        (r"[^\]]ending", [{"ending"}]),
        ("unclosed)", []),
    ],
)
def test_what_is_needed(pattern: str, expected: list[set[str]]) -> None:
    assert [set(one) for one in needed(pattern)] == expected


WORDS = st.sampled_from(
    ["feed", "empty", "the", "token", "is", "gone", "shop", "expired", ":", "\n", "404", "not found"]
)


INDEX = Index(pattern for signature in built_in_signatures() for pattern in signature.says)


@given(st.lists(WORDS, max_size=12).map(" ".join))
def test_a_text_in_which_an_expression_is_found_holds_what_it_needs(text: str) -> None:
    for signature in built_in_signatures():
        for pattern in signature.says:
            small = pattern.lower() if pattern == pattern.lower() else None
            if small and re.search(small, text):
                assert may_hold(text, needed(small)), pattern
                assert pattern in INDEX.may_be_in(text)


def test_an_index_knows_which_expressions_may_be_found() -> None:
    index = Index(["tokens? gone", "FEED|file", r"\d+", "[abc]"])
    assert index.may_be_in("the token is gone") == {"tokens? gone", r"\d+", "[abc]"}
    assert index.may_be_in("a feed") == {"FEED|file", r"\d+", "[abc]"}
    assert index.may_be_in("") == {r"\d+", "[abc]"}
