"""Runs checks beside each other: each after those it needs, none longer than its time, so that the culprit stands out.

A check that needs another one which failed is not made: it would only blame something that is well.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Self

from caseproof.domain.errors import CaseproofError

Work = Callable[[], str]
"""Makes a check: returns what was found, or raises an error for people (or ``Skipped``)."""

SECONDS = 10.0
AT_ONCE = 8


class Failed(CaseproofError):
    """What a check found wrong: the culprit, and what to do."""


class Skipped(Exception):
    """There is nothing to check here; the text says why, as the end of "not checked, because ..."."""


@contextmanager
def blaming(what: str) -> Iterator[None]:
    """What goes wrong in here is told as the fault of ``what``, in the error's own words. Raises Failed."""
    try:
        yield
    except CaseproofError as error:
        raise Failed(f"{what}: {error.problem}", error.next_action) from error


class Outcome(StrEnum):
    """How a check ended. Only a failed one is to blame for anything."""

    OK = "ok"
    FAILED = "failed"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found. ``culprit`` is the check to put right first (itself where it failed), "" for none."""

    check: str
    outcome: Outcome
    found: str
    next_action: str = ""
    culprit: str = ""

    @property
    def ok(self) -> bool:
        """Whether there is nothing wrong."""
        return self.outcome is Outcome.OK


@dataclass(frozen=True)
class Row:
    """A check that was started; ``finding`` waits for its end."""

    check: str
    future: Future[Finding]

    @property
    def finding(self) -> Finding:
        """What was found; waits for it."""
        return self.future.result()


class Examination:
    """The checks of one look, in the order in which they were started."""

    def __init__(self) -> None:
        self._rows: list[Row] = []
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="doctor")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown()

    def start(self, check: str, work: Work, *, after: Sequence[Row] = (), seconds: float = SECONDS) -> Row:
        """Start a check that needs ``after`` to be well; it may take so many seconds, counted from when it begins."""
        # Taken up in this order, so one that waits for others never keeps them from a thread.
        row = Row(check, self._pool.submit(copy_context().run, _made, check, work, tuple(after), seconds))
        self._rows.append(row)
        return row

    def findings(self) -> list[Finding]:
        """What all of them found; waits for the last."""
        return [row.finding for row in self._rows]


def _made(check: str, work: Work, after: tuple[Row, ...], seconds: float) -> Finding:
    for needed in after:
        before = needed.finding
        if not before.ok:
            culprit = before.culprit or before.check
            return _not_checked(check, f"'{culprit}' is not well", culprit)
    try:
        return Finding(check, Outcome.OK, _within(seconds, work))
    except Skipped as skipped:
        return _not_checked(check, str(skipped), "")
    except TimeoutError:
        found, action = f"It gave no answer within {seconds:g} s.", "See whether it hangs, and try again."
    except CaseproofError as error:
        found, action = error.problem, error.next_action
    except ImportError as error:
        found = f"A part of the installation cannot be loaded ({error})."
        action = "Install exactly what requirements.lock pins, and Caseproof itself."
    except Exception as error:  # a check must never take the others down; its text may hold a secret, so it stays here
        found = f"The check itself broke ({type(error).__name__})."
        action = "Look at the checks above first; if they are well, report this."
    return Finding(check, Outcome.FAILED, found, action, check)


def _not_checked(check: str, why: str, culprit: str) -> Finding:
    return Finding(check, Outcome.NOT_CHECKED, f"not checked, because {why}", "", culprit)


def _within(seconds: float, work: Work) -> str:
    """What ``work`` returns or raises, or TimeoutError; then its thread is left behind, and keeps nobody."""
    result: Future[str] = Future()

    def run() -> None:
        try:
            result.set_result(work())
        except BaseException as error:
            result.set_exception(error)

    # The context too: Prefect keeps the settings that are in force there.
    threading.Thread(target=copy_context().run, args=(run,), name="doctor-check", daemon=True).start()
    return result.result(timeout=seconds)
