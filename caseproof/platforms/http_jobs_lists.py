"""Reading a service's lists to their end, or not at all: a list that is cut short looks like jobs that do not run.

The next pages are asked for while the one before is worked on. Nothing is believed of a list but what it gives: rows
that come twice are given once, a cursor that was there before, pages that bring nothing new, and more pages than a list
may have, are PlatformDown; so are fewer rows than the service itself counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from queue import SimpleQueue
from threading import Lock
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

from caseproof.domain.errors import CaseproofError
from caseproof.http.api import HttpApi
from caseproof.http.client import Answer
from caseproof.platforms.base import PlatformDown, PlatformRefused
from caseproof.platforms.http_jobs_declared import ByCursor, ByLink, ByOffset, ByPage, ListCall, WholeList
from caseproof.platforms.http_jobs_words import NotAsDeclared

AHEAD = 2
"""So many pages are read ahead."""
STALE_PAGES = 3
"""So many pages in a row may bring nothing new."""
_NEXT = re.compile(r'<([^<>]*)>\s*;[^,]*?\brel\s*=\s*"?[^",]*\bnext\b', re.IGNORECASE)

Query = Mapping[str, str | Sequence[str]]
Keys = Callable[[Sequence[Any]], Sequence[str]]
"""What rows are told apart by."""
Ask = Callable[[Query], Answer]


class Lists:
    """Lists over one API client. ``base`` is its whole address."""

    def __init__(self, api: HttpApi, base: str) -> None:
        self._api, self._base = api, base

    def pages(
        self, where: str, listed: ListCall, ask: Ask, query: Query, key: Keys
    ) -> Generator[list[Any], None, None]:
        """The rows, each once, in pages. ``where`` names the list, as in "runs.list"; ``key`` tells rows apart.

        ``ask`` makes the call with a query. Raises PlatformDown, PlatformRefused, NotAsDeclared.
        """
        reading = _Reading(self, where, listed, query, key)
        with closing(_read_ahead(lambda: reading.take(ask(reading.query)), lambda: reading.goes_on)) as pages:
            yield from filter(None, pages)
        reading.must_be_whole()

    def endless(self, where: str, why: str) -> PlatformDown:
        return PlatformDown(
            f"{self._api.name[:1].upper()}{self._api.name[1:]} at {self._api.address} could not be read to the end: "
            f"its list `{where}` {why}.",
            "Nothing is judged by such a list. Look at what stands in front of it (a proxy, a cache), and at `paging` "
            "in its declaration.",
        )

    def not_json(self, answer: Answer) -> CaseproofError:
        return self._api.not_the_api(answer)

    def way_to(self, link: str) -> Query:
        """The query of the next page's address. Raises PlatformRefused for one on another server."""
        try:
            to, here = urlsplit(urljoin(f"{self._base.rstrip('/')}/", link)), urlsplit(self._base)
        except ValueError:
            raise NotAsDeclared("the address of a next page is none") from None
        if to.hostname != here.hostname:
            raise PlatformRefused(
                f"{self._api.address} gives a next page that lies on another server ({to.hostname}).",
                "Our credentials are not sent there. Correct what the service takes for its own address.",
            )
        return parse_qs(to.query, keep_blank_values=True)


def _read_ahead(read: Callable[[], list[Any]], goes_on: Callable[[], bool]) -> Generator[list[Any], None, None]:
    """What ``read`` gives, again and again while ``goes_on``; up to ``AHEAD`` are read by another thread meanwhile.

    That thread goes on by itself: were it told each time, it would be heard only when the page before is worked off.
    It never waits for who takes the pages, so that it ends where nobody does any more.
    """
    done: SimpleQueue[list[Any] | Exception | None] = SimpleQueue()  # None: that was the last
    lock, unread, is_reading, is_left = Lock(), 0, True, False

    def read_on() -> None:
        nonlocal unread, is_reading
        more = True
        while more:
            with lock:
                is_reading = unread < AHEAD and not is_left
                if not is_reading:
                    return
                unread += 1
            try:
                rows, more = read(), goes_on()
            except Exception as error:
                done.put(error)
                return
            done.put(rows)
        done.put(None)

    with ThreadPoolExecutor(1, thread_name_prefix="next page") as other:
        other.submit(read_on)
        try:
            while (rows := done.get()) is not None:
                if isinstance(rows, Exception):
                    raise rows
                with lock:
                    unread -= 1
                    was_reading, is_reading = is_reading, True
                if not was_reading:
                    other.submit(read_on)
                yield rows
        finally:
            is_left = True


class _Reading:
    """How far one list was read."""

    def __init__(self, lists: Lists, where: str, listed: ListCall, query: Query, key: Keys) -> None:
        self._lists, self._where, self._listed, self._key = lists, where, listed, key
        self._paging = listed.paging
        self._ids: set[int] = set()  # their hashes: of very many runs the ids themselves would fill the memory
        self._cursors: set[str] = set()
        self._pages = self._stale = self._rows = 0
        self._total: int | None = None
        self.goes_on = False
        self.query: Query = {**query, **self._first()}

    def take(self, answer: Answer) -> list[Any]:
        """The rows of a page that are new; afterwards ``goes_on`` and ``query`` are of the page after it."""
        body = answer.json()
        if body is None and answer.content.strip() != b"null":
            raise self._lists.not_json(answer)
        found = self._listed.items.find(body)
        if not isinstance(found, list):
            raise NotAsDeclared(f"{self._where}.items finds no list")
        known = len(self._ids)
        new = self._new(found)
        self._pages += 1
        self._rows += len(found)
        self._stale = 0 if len(self._ids) > known else self._stale + 1
        if self._paging.total is not None:
            self._total = self._number(self._paging.total.find(body))
        self.goes_on = self._go_on(answer, body, len(found))
        if self.goes_on:
            self._must_end()
        return new

    def _new(self, rows: list[Any]) -> list[Any]:
        marks = list(map(hash, self._key(rows)))
        fresh = set(marks)
        if len(fresh) == len(marks) and self._ids.isdisjoint(fresh):
            self._ids |= fresh
            return rows
        new = []
        for mark, row in zip(marks, rows, strict=True):
            if mark not in self._ids:
                self._ids.add(mark)
                new.append(row)
        return new

    def must_be_whole(self) -> None:
        """Raises PlatformDown where fewer rows came than the service counts itself."""
        if self._total is not None and len(self._ids) < self._total and self._rows < self._total:
            raise self._lists.endless(self._where, f"gave {len(self._ids)} of {self._total} rows and no more")

    def _first(self) -> Query:
        paging = self._paging
        if isinstance(paging, WholeList):
            return {}
        sized = {paging.size_param: str(paging.size)} if paging.size_param else {}
        match paging:
            case ByPage():
                return {**sized, paging.param: str(paging.first)}
            case ByOffset():
                return {**sized, paging.param: "0"}
        return sized

    def _go_on(self, answer: Answer, body: Any, rows: int) -> bool:
        paging = self._paging
        if paging.more is not None and not paging.more.find(body):
            return False
        match paging:
            case ByPage():
                self.query = {**self.query, paging.param: str(paging.first + self._pages)}
                return rows > 0 and not self._has_all()
            case ByOffset():
                self.query = {**self.query, paging.param: str(self._rows)}
                return rows > 0 and not self._has_all()
            case ByCursor():
                cursor = paging.next.find(body)
                return cursor not in (None, "", False) and self._at(str(cursor), {paging.param: str(cursor)})
            case ByLink():
                link = paging.next.find(body) if paging.next else _linked(answer)
                if not link:
                    return False
                return self._at(str(link), self._lists.way_to(str(link)))
        return False

    def _at(self, cursor: str, more: Query) -> bool:
        if cursor in self._cursors:
            raise self._lists.endless(self._where, "gives a page again that was there before")
        self._cursors.add(cursor)
        self.query = {**self.query, **more}
        return True

    def _has_all(self) -> bool:
        """Whether as many rows came as the service counts: it need not be asked for an empty page."""
        return self._total is not None and len(self._ids) >= self._total

    def _must_end(self) -> None:
        if self._stale >= STALE_PAGES:
            raise self._lists.endless(self._where, "gives the same rows again and again")
        if self._pages >= self._listed.most_pages:
            raise self._lists.endless(self._where, f"has more than {self._listed.most_pages} pages (`most_pages`)")

    def _number(self, value: Any) -> int | None:
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | str) or not str(value).isdecimal():
            raise NotAsDeclared(f"{self._where}.paging.total finds no number")
        return int(value)


def _linked(answer: Answer) -> str | None:
    found = _NEXT.search(answer.headers.get("link", ""))
    return found[1] if found else None
