"""The personal link of an emergency: signed, one person's, of one emergency, and nothing happens by reading it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from caseproof.evidence.key_hiding import hide_keys_in_text
from caseproof.evidence.page_links import LinkExpired, PageLink, page_token, read_page_token
from caseproof.evidence.signing import BadLink, answer_token, read_answer_token
from tests.support.paged import FIRST, SECOND, START

KEY, OLD = b"k" * 32, b"o" * 32
LINK = PageLink("SC-000001", 1, FIRST, START + timedelta(hours=12))
TOKEN = page_token(KEY, LINK)


def test_a_link_says_whose_it_is_and_of_which_emergency() -> None:
    assert read_page_token(KEY, TOKEN, START) == LINK
    assert page_token(KEY, LINK) == TOKEN
    assert page_token(KEY, PageLink("SC-000001", 1, SECOND, LINK.expires)) != TOKEN


@pytest.mark.parametrize("token", ["", ".", TOKEN[:-1], TOKEN + "x", TOKEN[::-1], "x" * 10_000, TOKEN.split(".")[0]])
def test_a_link_that_was_changed_or_made_elsewhere_is_none(token: str) -> None:
    with pytest.raises(BadLink, match="nobody was told anything yet"):
        read_page_token(KEY, token, START)


def test_a_link_whose_time_is_up_or_whose_key_is_void_says_so() -> None:
    with pytest.raises(LinkExpired):
        read_page_token(KEY, TOKEN, LINK.expires)
    with pytest.raises(LinkExpired):
        read_page_token(KEY, page_token(OLD, LINK), START, void=[OLD])
    with pytest.raises(BadLink) as forged:
        read_page_token(KEY, page_token(OLD, LINK), START)
    assert not isinstance(forged.value, LinkExpired)


def test_no_link_of_the_confirmation_page_opens_an_emergency_and_none_of_these_opens_that() -> None:
    with pytest.raises(BadLink):
        read_page_token(KEY, answer_token(KEY, "jf-000001.1.notice", LINK.expires), START)
    with pytest.raises(BadLink):
        read_answer_token(KEY, TOKEN)


@pytest.mark.parametrize("ref", ["SC-000001", "JF-000123", "SC-123456789"])
def test_a_link_is_hidden_in_whatever_text_is_kept(ref: str) -> None:
    token = page_token(KEY, PageLink(ref, 3, "J\u00f6rg (second on call)", LINK.expires))
    assert token.partition(".")[2] not in hide_keys_in_text(f"I have it: https://cases.example.com/page/{token}")
