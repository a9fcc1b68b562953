"""Who has a case: claimed, let go or handed to a colleague, in Prefect's own form."""

from __future__ import annotations

from typing import Any, Literal

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from caseproof.domain.errors import BadInput, NotAllowed
from tasks.common import KEEP_NOTHING
from tasks.display.logs import hide
from tasks.holding import say_who_has_it


@flow(name="who-has-it", flow_run_name="{who}: {what} {case}", **KEEP_NOTHING)
def who_has_it(
    case: str, who: str, what: Literal["claim", "release", "hand over"] = "claim", colleague: str = ""
) -> State[Any]:
    """Claim a case, let it go, or hand it to a colleague. It decides nothing, and wakes no run.

    Args:
        case: The case (SC-000001).
        who: Who you are, as the policy names you.
        what: What is to be done.
        colleague: Who gets it, for "hand over".
    """
    try:
        return Completed(message=hide(say_who_has_it(case, who, what, colleague)))
    except (BadInput, NotAllowed) as wrong:  # of the form: people read what is missing, and no traceback
        return Failed(message=hide(str(wrong)))
