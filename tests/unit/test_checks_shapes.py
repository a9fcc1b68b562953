"""The shape of a message: the same for what differs in ids, numbers, hosts and times; another for other words."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caseproof.checks.shapes import LONGEST, key_of, nearest, shape_of

MESSAGE = (
    "Flow run encountered an exception: BasketError: order {id} of {mail} at {url} was not booked on {host} "
    "after {number} tries ({time}), reference '{token}'"
)
IDS = st.uuids().map(str)
HOSTS = st.builds("{}-{}.shops.example.com".format, st.sampled_from(["db", "api", "www"]), st.integers(0, 99))
TOKENS = st.text("abcdef0123456789", min_size=20, max_size=40).filter(lambda one: any(c.isdigit() for c in one))
PARTS = st.fixed_dictionaries(
    {
        "id": IDS,
        "mail": st.builds("{}@{}".format, st.sampled_from(["owner", "shop.a", "info"]), HOSTS),
        "url": st.builds("https://{}/orders/{}?page={}".format, HOSTS, IDS, st.integers(0, 9)),
        "host": HOSTS | st.ip_addresses(v=4).map(str),
        "number": st.integers(0, 10**9).map(str),
        "time": st.datetimes().map(lambda at: at.isoformat(sep=" ", timespec="seconds")),
        "token": TOKENS,
    }
)
WORDS = st.lists(st.text("abcdefghijklmnopqrstuvwxyz", min_size=3, max_size=9), min_size=3, max_size=8)


@given(PARTS, PARTS)
def test_messages_that_differ_in_ids_numbers_hosts_and_times_have_one_shape(one: dict, other: dict) -> None:
    shapes = {shape_of(MESSAGE.format(**parts)) for parts in (one, other)}
    assert len(shapes) == 1
    assert shapes.pop().startswith("basketerror: order")


@given(WORDS, WORDS)
def test_other_words_are_another_shape(one: list[str], other: list[str]) -> None:
    same = shape_of(" ".join(one)) == shape_of(" ".join(other))
    assert same == (one == other)


@given(st.text(max_size=600))
def test_whatever_a_message_holds_its_shape_is_bounded_and_stable(message: str) -> None:
    shape = shape_of(message)
    assert shape == shape_of(message)
    assert len(shape) <= LONGEST + len("http 000 ")
    assert bool(shape) == bool(key_of(shape))


@pytest.mark.parametrize(
    ("message", "shape"),
    [
        ("", ""),
        ("12345 2026-11-20 08:00:00", ""),
        ("something broke", "something broke"),
        ("Something   BROKE\n", "something broke"),
        ("Task run encountered an exception: KeyError: 'sku-4711'", "keyerror: …"),
        ("KeyError: 'price'", "keyerror: 'price'"),
        ("Connection to db-7.shops.example.com:5432 lost after 30s", "connection to … lost after …"),
        ("GET https://api.example.com/v2/orders/77 said no", "get … said no"),
        ("file /data/shops/17/feed.csv is odd", "file … is odd"),
        ("no route to api.market.fr or www.shop.co.uk", "no route to … or …"),
        (
            "in client.orders.fetch of sync.py: requests.exceptions.Odd",
            "in client.orders.fetch of sync.py: requests.exceptions.odd",
        ),
        ("refused on Fri, 20 Nov 2026 08:00:01 GMT", "refused on … gmt"),
        ("HTTP 401: go away", "http 401 http …: go away"),
    ],
)
def test_what_a_shape_looks_like(message: str, shape: str) -> None:
    assert shape_of(message) == shape


def test_a_message_has_the_shape_of_what_a_case_keeps_of_it() -> None:
    message = "It is odd. " + "order 4711 is lost, " * 200
    assert shape_of(message) == shape_of(f"{message[:1000]} ...")


def test_another_answer_is_another_shape_for_it_means_something_else() -> None:
    assert shape_of("HTTP 401: see below") != shape_of("HTTP 503: see below")


def test_the_nearest_likenesses_are_named_with_their_cause_and_nothing_that_is_not_like_it() -> None:
    known: list[tuple[str, str, list[str]]] = [
        ("the token is refused", "expired_token", ["token (is )?(refused|expired)"]),
        ("a basket is odd", "sync", ["the basket of … could not be booked"]),
        ("the disk is full", "our_platform", ["no space left on device"]),
    ]
    found = nearest(shape_of("The basket 77 could not be counted"), known)
    assert [(one.name, one.cause) for one in found] == [("a basket is odd", "sync")]
    assert nearest("", known) == []


@pytest.mark.parametrize("ready", [shape_of, lambda text: nearest(text, [("x", "y", [text])])])
def test_a_message_that_wants_to_take_forever_does_not(ready: Callable[[str], object]) -> None:
    for piece in ("a.", "a-", "a.b-", "1-", "/a", "'", "[:", "x@", "http://", "ab1-"):
        ready(piece * 50_000)
