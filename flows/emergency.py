"""An emergency: people are called by mail, Teams and telephone until one of them has it (E7 to E12)."""

from __future__ import annotations

from typing import Any, Literal

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from caseproof.domain.errors import BadInput, NotAllowed
from tasks.common import KEEP_NOTHING
from tasks.display.logs import hide
from tasks.emergencies import call_people, follow, how_it_stands, look_at_the_site, raise_it, take_up


@flow(name="emergency", **KEEP_NOTHING)
def emergency(
    what_is_down: Literal[
        "choose what is down",
        "the store is down: no food can be ordered",
        "online ordering is down",
        "payments are down",
        "more than half of the payment terminals fail",
        "staff cannot use the site for any of these: server or network down, no log-in",
        "the web ECM servers are down, failing or not responding, or customers cannot reach them",
    ] = "choose what is down",
    what_was_seen: str = "",
    site: str = "",
    since: str = "",
    what_was_tried: str = "",
    own_ladder: Literal[
        "not said", "yes, and they could not solve it", "not yet", "we have none, or nobody answers there"
    ] = "not said",
    who_is_called: Literal["one after the other, until somebody has it", "everybody at once"] = (
        "one after the other, until somebody has it"
    ),
    terminals: str = "",
    case: str = "",
    client: str = "",
    what_they_say: str = "",
    raised_by: str = "an operator",
) -> State[Any]:
    """Raise an emergency, and call people until somebody has it.

    Args:
        what_is_down: The one that hurts most (E7).
        what_was_seen: Who saw what: a message, a page, a number.
        site: Its address, as in a browser.
        since: As in 19:50, or 2026-11-27 19:50; empty if nobody knows.
        what_was_tried: By support, in a few words.
        own_ladder: Whether you called your own L1, L2, L3 first (E9). Whatever you say here, people are called.
        who_is_called: Everybody at once only if it must be.
        terminals: Only for payment terminals: how many fail, of how many, as in 3 of 5.
        case: The case, if there is one (E9), as in SC-000123.
        client: No case yet: the client. A case is written of it.
        what_they_say: No case yet: what the client says. One sentence is enough.
        raised_by: Who raises it.
    """
    said = {
        "down": what_is_down, "seen": what_was_seen, "site": site, "since": since, "tried": what_was_tried,
        "own_ladder": own_ladder, "whom": who_is_called, "terminals": terminals, "case": case, "client": client,
        "said": what_they_say, "answered_by": raised_by,
    }  # fmt: skip
    try:
        ref = raise_it(said)  # E7, E9, E11: refused with all that is missing, or raised
    except (BadInput, NotAllowed) as wrong:  # of the form: people read what is missing, and no traceback
        return Failed(message=hide(str(wrong)))
    calling = call_people(ref)  # E8: mail, Teams and telephone at once, beside all that follows
    if not take_up(ref):
        calling.join()
        return Completed(message=how_it_stands(ref))
    look_at_the_site(ref)  # evidence, which decides nothing
    follow(ref, calling)  # each try is a row of the table; Prefect's form is one of the ways to say "I have it"
    return Completed(message=how_it_stands(ref))
