"""What somebody says in a support case whichever tier has to act, in Prefect's own form (E1, E3, E6, J11)."""

from __future__ import annotations

from typing import Any, Literal

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from caseproof.domain.errors import BadInput, NotAllowed
from tasks.beside import say_in_the_case
from tasks.common import KEEP_NOTHING
from tasks.display.logs import hide


@flow(name="say-in-a-case", flow_run_name="{who} in {case}: {what}", **KEEP_NOTHING)
def say_in_a_case(
    case: str,
    who: str,
    what: Literal[
        "a technician of L2 or PT asks for more details (E6)",
        "a technician of L2 or PT asks that the client is called (E6)",
        "PT has a suggestion more for L2 (E3)",
        "PT has a question more for L2 (E3)",
        "it is no solution after all (J11)",
        "open the closed case again (E1)",
        "a linked case's job was never part of this matter (J10)",
    ],
    words: str,
) -> State[Any]:
    """Say something in a support case whichever tier has to act: ask for details, add a line of PT, open it again.

    Args:
        case: The case (SC-000001).
        who: Who you are, as the policy names you.
        what: What you say.
        words: What you want to know; PT's lines for L2, one a line; or why. Of a linked case, its reference, too.
    """
    try:
        return Completed(message=hide(say_in_the_case(case, who, what, words)))
    except (BadInput, NotAllowed) as wrong:  # of the form: people read what is missing, and no traceback
        return Failed(message=hide(str(wrong)))
