"""What is shown in Prefect is a convenience: where Prefect does not take it, a warning says so and the work goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from blocks.base import PrefectDown
from caseproof.evidence.vault import VaultError
from tasks.display.logs import log
from tasks.prefect_run import UNREACHABLE


@contextmanager
def as_far_as_prefect_takes_it(what: str) -> Iterator[None]:
    """Show something in here; ``what`` it is, for the warning."""
    try:
        yield
    except VaultError as damaged:
        log().warning("The %s is not shown in Prefect: %s", what, damaged)
    except (*UNREACHABLE, PrefectDown) as problem:
        log().warning("The %s is not shown in Prefect: %s", what, type(problem).__name__)
