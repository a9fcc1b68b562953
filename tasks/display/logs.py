"""What stands on the Logs tab of our runs: one line a step, in the words of the procedure.

Prefect's own lines about starting, ending and suspending are left out, its line about another try becomes a warning
that people can read, and mail addresses and whatever looks like a secret are hidden. Errors stay: a step that needs
help is told by ``tasks.trouble``, and any other error ends the flow run, which tells it with its traceback.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

from prefect import get_run_logger
from prefect.exceptions import MissingContextError

from caseproof.domain.case import Case
from caseproof.domain.errors import CaseproofError
from caseproof.domain.events import Event
from caseproof.domain.specs import Logged
from caseproof.domain.visible import one_line, visible
from caseproof.http.redaction import redact
from caseproof.procedure.views.case_page import sentence
from tasks.common import load_case, ports

ROUTINE = (
    "Beginning ",
    "Downloading flow code",
    "Finished in state Completed()",
    "Finished in state Suspended(",
    "Resuming flow run execution",
    "Suspending flow run",
)
"""How Prefect's own lines begin that say nothing about the case."""

_TRACEBACK = logging.Formatter()
_ADDRESS = re.compile(r"[^\s@<>(),;:'\"]+(?=@[\w-])")


def line(event: Event) -> str:
    """What happened, with its rule: ``J2: Stopped and read back twice: marketplace-orders/garden-shop``."""
    rule, said = event.kind.spec.rule, sentence(event)
    return f"{rule}: {said}" if rule else said


def _is_grave(event: Event) -> bool:
    return event.kind.spec.logged is Logged.AS_A_WARNING


def tell_how_far(case: Case) -> None:
    """One line at the start of a run: what is done already is not told again."""
    done = [event for event in case.events if event.kind.spec.rule and not _is_grave(event)]
    steps = "1 step is" if len(done) == 1 else f"{len(done)} steps are"
    if any(question["flow_run"] == ports().carrier.id for question in case.asked.values()):
        get_run_logger().info("Resumed; %s done already.", steps)
    else:
        get_run_logger().info("%s: %s done already. The latest: %s", case.ref, steps, line(done[-1]))


@contextmanager
def told(ref: str) -> Iterator[None]:
    """Log what the block adds to the case, a line an event."""
    case = load_case(ref)
    try:
        yield
    finally:
        tell_news(case)


def tell_news(before: Case) -> Case:
    """Log what was added to the case since, a line an event; gives the case as it is now."""
    now = load_case(before.ref)
    for event in now.events[len(before.events) :]:
        if event.kind.spec.logged is not Logged.ELSEWHERE:
            level = logging.WARNING if _is_grave(event) else logging.INFO
            get_run_logger().log(level, "%s", line(event))
    return now


def log() -> logging.Logger | logging.LoggerAdapter[logging.Logger]:
    """The log of this flow run; of this process, where a pass is made in place."""
    try:
        return get_run_logger()
    except MissingContextError:
        return logging.getLogger("caseproof")


def hide(text: str) -> str:
    """The text without secrets, and with mail addresses cut to their domain."""
    return redact(_ADDRESS.sub("…", text))


class InWords(logging.Filter):
    """Leaves the routine out and puts the rest in words, before Prefect sends it to its server."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is logged."""
        said = str(record.msg)
        if record.levelno == logging.INFO and said.startswith(ROUTINE):
            return False
        if record.name == "prefect.task_runs" and self._is_told_by_the_flow(record, said):
            return False
        if said.startswith("Task run failed with %s: %r - Retry"):
            _put_in_words(record)
        # One line each: what looks like another line of the log would be taken for one.
        record.msg, record.args = hide(one_line(record.getMessage())), ()
        if record.exc_info:  # an error that nobody foresaw may repeat whatever it was given
            record.exc_text = hide(visible(_TRACEBACK.formatException(record.exc_info)))
        return True

    @staticmethod
    def _is_told_by_the_flow(record: logging.LogRecord, said: str) -> bool:
        if said.startswith("Finished in state Failed("):
            return True
        error = record.exc_info[1] if record.exc_info else None
        return isinstance(error, CaseproofError) and said.endswith("Retries are exhausted")


def _put_in_words(record: logging.LogRecord) -> None:
    """Prefect tells another try as information, with the error as Python writes it."""
    match record.args:
        case (_, error, number, of, when):
            record.levelno, record.levelname = logging.WARNING, "WARNING"
            step = getattr(record, "task_run_name", "the step")
            # "2.3456 second(s) from now"
            soon = re.sub(r"^([\d.]+) second\(s\) from now$", lambda m: f"in {float(m[1]):.0f} s", str(when))
            record.msg, record.args = "%s: again %s (try %s of %s). %s", (step, soon, number, of, error)


def speak_in_words() -> None:
    """Set Prefect's loggers of runs up like this, once a process: where the tasks of a flow are imported."""
    for name in ("prefect.flow_runs", "prefect.task_runs"):
        logger = logging.getLogger(name)
        if not any(isinstance(one, InWords) for one in logger.filters):
            logger.addFilter(InWords())
        if logger.level == logging.WARNING:
            # A worker set to warnings keeps its own routine out of the runs' logs; what we say is wanted all the same.
            logger.setLevel(logging.INFO)
