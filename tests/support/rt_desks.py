"""Request Tracker for a test: one that is made up, and the real one besides where `make test-rt` runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sandbox.provider import running
from sandbox.rt import RtSimulator
from tests.support.request_tracker import RT, People

RTS = ["made up", *(["real"] if RT else [])]


@contextmanager
def request_tracker_of(which: str) -> Iterator[tuple[RtSimulator | People, str]]:
    """Its people, who have the same words in both, and its address."""
    if which == "made up":
        with running(RtSimulator()) as (rt, url):
            yield rt, url
        return
    people = People(RT)
    try:
        yield people, RT
    finally:
        people.delete_all()
