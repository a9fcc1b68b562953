"""Which URLs name a store, and that none of their secrets is shown."""

import pytest

from caseproof.store import Store, StoreError


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("sqlite://", "in memory"),
        ("sqlite:///:memory:", "in memory"),
        ("sqlite:////x.sqlite?timeout=soon", "no number"),
        ("postgresql://host.example.com/x?timeout=inf", "no number"),
        ("no url", "cannot be read"),
        ("postgresql://host.example.com", "names no database"),
        ("postgresql+psycopg2://host.example.com/x", "own driver for postgresql"),
        ("postgresql+asyncpg://host.example.com/x", "own driver for postgresql"),
        ("sqlite+aiosqlite:////x.sqlite", "own driver for sqlite"),
        ("mysql://host.example.com/x", "not on mysql"),
    ],
)
def test_a_url_that_names_no_lasting_store_is_refused(url, problem):
    with pytest.raises(StoreError, match=problem) as refusal:
        Store(url)
    assert refusal.value.next_action


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_no_secret_of_the_url_is_shown(scheme):
    store = Store(f"{scheme}://someone:pa55@db.example.com/cases?sslpassword=s3cret")
    assert repr(store) == "Store(postgresql:cases)"


@pytest.mark.parametrize("url", ["postgresql//someone:pa55@db.example.com", "postgresql://someone:pa55@db:port/cases"])
def test_no_secret_of_a_url_that_cannot_be_read_is_shown(url):
    with pytest.raises(StoreError) as refusal:
        Store(url)
    assert "pa55" not in f"{refusal.value!r} {refusal.value.__cause__!r}"
    assert refusal.value.__suppress_context__
