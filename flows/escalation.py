"""One support case, up the ladder and down to its solution (E1 to E6)."""

from __future__ import annotations

from typing import Any, Literal

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from caseproof.domain.errors import BadInput, NotAllowed
from caseproof.domain.support.vocabulary import Urgency
from caseproof.procedure.core.support import SupportWanted
from tasks.common import KEEP_NOTHING, load_case, services
from tasks.display.ladder import show_the_ladder
from tasks.display.logs import hide
from tasks.display.showing import announce, show_the_case
from tasks.people import help_if_stuck
from tasks.runs.case_runs import take_up_support
from tasks.support import (
    close_the_support_case,
    finish_by_hand,
    learn_what_it_is_about,
    let_development_work,
    let_pt_answer,
    let_the_front_line_work,
    let_the_implementation_team_work,
    let_the_product_team_work,
    let_the_second_line_work,
    look_again,
    prove_the_jobs,
    tell_the_client,
    tell_the_ticket,
    wait_to_close,
)
from tasks.trouble import carry, how_it_ended, read_answers


@flow(name="escalation", **KEEP_NOTHING)
def escalation(
    client: str = "",
    product: str = "",
    summary: str = "",
    said: str = "",
    urgency: Literal["can wait", "hinders their work", "stops part of their work"] = "hinders their work",
    failing: Literal["not said yet", "no", "yes: a job, a feed or a sync fails"] = "not said yet",
    site: str = "",
    contract: str = "",
    continues: str = "",
    opened_by: str = "an operator",
    case: str = "",
) -> State[Any]:
    """Carry a support case: L1, L2, the product team, development, and down again; tell the client, prove, close.

    Args:
        client: Who asks for help, as the policy or the desk names them.
        product: What it is about; it says which documents L2 is shown (E2).
        summary: What it is about, in a line; empty takes the beginning of what the client said.
        said: What the client said, word for word.
        urgency: How much their work suffers. An emergency has a flow of its own (E7).
        failing: Choose whether a job, a feed or a sync fails: then its own case proves that it runs again (J10).
        site: The address of the site, where there is one.
        contract: What the client has; empty takes what the policy says.
        continues: An earlier case of the same issue (SC-000001).
        opened_by: Who raises it.
        case: An existing case (SC-000001) to carry on; everything else stays empty then.
    """
    wanted = SupportWanted(
        client=client, product=product, summary=summary, said=said, urgency=Urgency(urgency), failing=failing,
        site=site, contract=contract, continues=continues, how="the Prefect UI's form",
    )  # fmt: skip
    try:
        ref = take_up_support(services(), wanted, opened_by, case)
    except (BadInput, NotAllowed) as wrong:  # of the form: people read what is missing, and no traceback
        return Failed(message=hide(str(wrong)))
    if ref is None:
        return Completed(message="Another live run carries this case already; nothing was done twice.")
    read_answers(ref)
    announce(ref)
    while not load_case(ref).is_closed:
        before = load_case(ref).version
        learn_what_it_is_about(ref)  # E1, E2: suspends until somebody says it, where what came did not
        let_the_front_line_work(ref)  # E1: suspends until L1 solves it, or hands it over
        let_the_second_line_work(ref)  # E2, E3: suspends until L2 solves it, asks PT, or is exhausted
        let_pt_answer(ref)  # E3, E4: suspends until PT answers L2, or takes the case
        let_the_product_team_work(ref)  # E4, E5: suspends until PT solves it, or development is needed
        let_development_work(ref)  # E5: suspends until development says what it did
        let_the_implementation_team_work(ref)  # E6: new work
        carry(tell_the_client, ref)  # J5
        carry(prove_the_jobs, ref)  # J7, J8: each job by its own case
        finish_by_hand(ref)  # J5, J10: suspends until a person does what Caseproof cannot
        carry(wait_to_close, ref)  # E8, J10: an emergency is over, each job's own case closed
        carry(look_again, ref)  # J10, J11
        carry(close_the_support_case, ref)  # J11: the store refuses it without the proof
        help_if_stuck(ref, before)
    carry(tell_the_ticket, ref)  # E12: as before each question, what happened and who has it; it closes after the case
    show_the_ladder()
    show_the_case(ref)
    return Completed(message=how_it_ended(ref))
