"""A change whose answer was lost: whether it took effect is read back, before it is called undone or done again."""

from __future__ import annotations

from collections.abc import Callable

from caseproof.desks.base import DeskDown, Ticket

LOOKS_AFTER = (0.5, 2.0)
"""The ticket of a lost creation is looked for so many seconds later, and later again."""


def attempt(change: Callable[[], object]) -> DeskDown | None:
    """Make the change; where its answer was lost, that loss: to be raised if nothing of the change is to be seen."""
    try:
        change()
    except DeskDown as lost:
        return lost
    return None


def found_after_all(
    find: Callable[[str], Ticket | None], key: str, desk: str, sleep: Callable[[float], None]
) -> Ticket:
    """The ticket of a creation whose answer was lost. ``desk`` is what people call the desk.

    Raises DeskDown where it shows none: it was not made, or it shows later, and whoever asks again looks first.
    """
    for pause in LOOKS_AFTER:
        sleep(pause)
        found = find(key)
        if found is not None:
            return found
    raise DeskDown(
        f"{desk} did not say whether it made the ticket of {key}, and shows none.",
        "It is tried again later; it is looked for first.",
    )
