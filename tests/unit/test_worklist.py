"""The address of a worklist is what was asked for, and whatever an address says, it leads to a page."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import parse_qs

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caseproof.domain.errors import BadInput
from caseproof.domain.worklist import Filters, Group, Order, WorkQuery
from caseproof.procedure.core.handling import day_ahead
from tests.support.examples import examples

NOW = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"]), max_size=30)


@settings(max_examples=examples(40))
@given(
    group=st.none() | st.sampled_from(Group), order=st.sampled_from(Order), page=st.integers(1, 99_999),
    filters=st.builds(Filters, WORDS, WORDS, WORDS, WORDS, WORDS, WORDS, WORDS),
)  # fmt: skip
def test_an_address_asks_for_what_it_was_made_of(
    group: Group | None, order: Order, page: int, filters: Filters
) -> None:
    query = WorkQuery(group, order, page, filters)
    assert WorkQuery.of(parse_qs(query.address)) == query


@settings(max_examples=examples(40))
@given(
    name=st.sampled_from(["retailer", "marketplace"]), value=WORDS.filter(bool), page=st.integers(1, 9),
    filters=st.builds(Filters, WORDS, WORDS, WORDS, WORDS),
)  # fmt: skip
def test_a_click_on_a_value_asks_for_it_beside_what_was_asked_for(
    name: str, value: str, page: int, filters: Filters
) -> None:
    query = WorkQuery(Group.TEAM, page=page, filters=filters)
    assert WorkQuery.of(parse_qs(query.narrowed(name)(value))) == query.but(**{name: value})


def test_the_plain_list_has_a_plain_address() -> None:
    assert WorkQuery().address == ""


@settings(max_examples=examples(40))
@given(st.dictionaries(st.sampled_from(["waits", "order", "page", "words", "state", "x"]), st.lists(st.text())))
def test_whatever_an_address_says_it_asks_for_some_page(said: dict[str, list[str]]) -> None:
    query = WorkQuery.of(said)
    assert query.page >= 1
    assert "\0" not in query.filters.words
    query.filters.words.encode()


@pytest.mark.parametrize("page", ["0", "-3", "99999999999", "²", "1e9", "x", ""])
def test_a_page_that_is_none_is_the_first(page: str) -> None:
    assert WorkQuery.of({"page": [page]}).page == 1


def test_another_filter_begins_at_the_first_page_and_keeps_the_others() -> None:
    query = WorkQuery(Group.TEAM, page=4, filters=Filters(cause="feed"))
    changed = query.but(retailer="Shop A")
    assert (changed.page, changed.group, changed.filters) == (1, Group.TEAM, Filters(cause="feed", retailer="Shop A"))
    assert query.but(page=5).filters == query.filters


# -- until when a case may wait ------------------------------------------------------------------------------------


def test_a_case_is_put_off_until_the_beginning_of_a_day() -> None:
    assert day_ahead(" 2026-11-21 ", NOW) == datetime(2026, 11, 21, tzinfo=UTC)


@pytest.mark.parametrize(
    "said",
    ["", "tomorrow", "2026-11-20", "2026-11-19", "2027-03-01", "2026-02-30", "2026-W47-6", "20261121",
     "\u0662\u0660\u0662\u0666-\u0661\u0661-\u0662\u0661",
     "9999-12-31", "0001-01-01", "2026-11-21T00:00"],
)  # fmt: skip
def test_what_is_no_day_ahead_is_refused_with_the_days_that_are(said: str) -> None:
    with pytest.raises(BadInput, match=r"is no day|is not between|Until which") as refused:
        day_ahead(said, NOW)
    assert "2027-02-18" in refused.value.next_action
