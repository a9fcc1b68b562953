"""What is shown in Prefect is a convenience: where Prefect does not take it, a warning says so and the work goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prefect import get_run_logger

from caseproof.evidence.vault import VaultError
from tasks.prefect_run import UNREACHABLE


@contextmanager
def as_far_as_prefect_takes_it(what: str) -> Iterator[None]:
    """Show something in here; ``what`` it is, for the warning."""
    try:
        yield
    except VaultError as damaged:
        get_run_logger().warning("The %s is not shown in Prefect: %s", what, damaged)
    except UNREACHABLE as problem:
        get_run_logger().warning("The %s is not shown in Prefect: %s", what, type(problem).__name__)
