"""Who has a case: claimed, let go or handed to a colleague, in Prefect's own form."""

from __future__ import annotations

from typing import Literal

from prefect import flow

from tasks.common import KEEP_NOTHING
from tasks.holding import say_who_has_it


@flow(name="who-has-it", **KEEP_NOTHING)
def who_has_it(
    case: str, who: str, what: Literal["claim", "release", "hand over"] = "claim", colleague: str = ""
) -> str:
    """Claim a case, let it go, or hand it to a colleague. It decides nothing, and wakes no run.

    Args:
        case: The case (SC-000001).
        who: Who you are, as the policy names you.
        what: What is to be done.
        colleague: Who gets it, for "hand over".
    """
    return say_who_has_it(case, who, what, colleague)
