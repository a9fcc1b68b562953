"""A removal (J9): stop the integration for good and read back that nothing is left, or fail."""

from __future__ import annotations

from prefect import flow

from tasks.common import KEEP_NOTHING
from tasks.removal import delete_where_wanted, read_back_that_nothing_is_left, stop_for_good


@flow(name="remove-integration", **KEEP_NOTHING)
def remove_integration(case: str) -> str:
    """Stop the integration of a case for good; its job is deleted only where the policy says so. Fails unless the
    read-back holds.

    Args:
        case: The case (JF-000001) whose team decided the removal.
    """
    stop_for_good(case)
    delete_where_wanted(case)
    return read_back_that_nothing_is_left(case)
