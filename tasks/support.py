"""The steps of a support case: those in which somebody of a tier acts, and what Caseproof does by itself.

The first are plain functions and not tasks, because asking suspends the run, which Prefect does not allow inside a
task. What a tier answers is taken or refused by the gates of the ladder, whichever state the case is in by then.
"""

from __future__ import annotations

from caseproof.desks.base import DeskDown
from caseproof.domain.case import Case
from caseproof.domain.closure import closure_blockers
from caseproof.domain.codes import Code, StepName
from caseproof.domain.emergency.closing import EMERGENCY_OVER
from caseproof.domain.errors import CaseproofError
from caseproof.domain.support.conditions import linked_jobs, proof_of
from caseproof.domain.support.forms import (
    About,
    Development,
    Finish,
    FrontLine,
    Implementation,
    ProductTeam,
    PtAnswer,
    SecondLine,
    SupportForm,
    form_for,
)
from caseproof.domain.support.owing import lacks_ticket, without_ticket
from caseproof.procedure.closing import ticket
from caseproof.procedure.closing.development import ensure_development_tickets
from caseproof.procedure.core.asked import answer_to
from caseproof.procedure.core.support import people_of
from caseproof.procedure.escalation import closing, telling
from caseproof.procedure.views.support_parts import what_to_do
from tasks.common import desk_of, load_case, load_desk, load_platform, load_sender, services
from tasks.display.logs import log
from tasks.display.showing import show_the_proof
from tasks.forms.asking import ask
from tasks.forms.cases import CaseAsker, act_on
from tasks.steps import step
from tasks.trouble import carry

# -- what people do -------------------------------------------------------------------------------------------------


def learn_what_it_is_about(ref: str) -> None:
    """E1, E2: which client and which product, where what came did not say it."""
    _let(ref, About)


def let_the_front_line_work(ref: str) -> None:
    """E1: L1 records what it tried, solves it, hands it over, or reaches somebody by an exception (E6)."""
    _let(ref, FrontLine)


def let_the_second_line_work(ref: str) -> None:
    """E2, E3: L2 works with the documents, asks PT, and says what came of each of its lines."""
    _let(ref, SecondLine)


def let_pt_answer(ref: str) -> None:
    """E3, E4: PT answers while L2 owns the case; or takes it, when L2's efforts are exhausted."""
    _let(ref, PtAnswer)


def let_the_product_team_work(ref: str) -> None:
    """E4, E5: PT owns the case; a change in code goes to development."""
    _let(ref, ProductTeam)


def let_development_work(ref: str) -> None:
    """E5: development says what it did."""
    _let(ref, Development)


def let_the_implementation_team_work(ref: str) -> None:
    """E6: new work."""
    _let(ref, Implementation)


def finish_by_hand(ref: str) -> None:
    """J5, J10: a person tells the client, or names the case that proves a job, where Caseproof cannot."""
    _let(ref, Finish)


def _let(ref: str, form: type[SupportForm]) -> None:
    """Act on what was answered with this form; ask with it, where the case stands so that its tier has to act."""
    case = load_case(ref)
    if (answer := answer_to(case, form.slug)) is not None:
        act_on(ref, answer, form)
        return
    if form_for(case) is form:
        carry(tell_the_ticket, ref)  # E12: whoever reads there sees what happened before anybody is asked
        ask(CaseAsker(ref, what_to_do(case, form), lambda now: form_for(now) is form), form)


# -- what Caseproof does --------------------------------------------------------------------------------------------


def _has_to_be_told(case: Case) -> bool:
    closed = case.is_closed and case.ticket_closed is None
    return bool(closed or lacks_ticket(case) or without_ticket(case) or ticket.words_to_note(services().store, case))


@step(StepName.TELL_THE_TICKET, "E12", due=_has_to_be_told)
def tell_the_ticket(ref: str) -> None:
    """E12, E5: the ticket is there, says what happened, and is closed after the case; development has its own.

    Keys: REF/ticket, REF/note/event, REF/development/event. What a desk does not take holds up nobody: it is owed, and
    the keeper makes up for it.
    """
    here, people = services(), people_of(services().policy)
    theirs = here.policy.development_desk
    given = (here.ledger, here.effects, here.links)

    def develop() -> None:
        if without_ticket(load_case(ref)):
            ensure_development_tickets(
                here.ledger, here.effects, here.files, here.links, load_desk(theirs), ref, desk_name=theirs
            )

    def ensure() -> None:
        name = ticket.desk_to_open_on(here.policy, load_case(ref))
        ticket.ensure_ticket(*given, load_desk(name), ref, desk_name=name, people=people)

    in_order = (
        ensure,
        lambda: ticket.note_words(*given, desk_of(ref), ref, people=people),
        lambda: ticket.close_ticket(here.ledger, here.links, desk_of(ref), ref),
    )
    for tells in (in_order, (develop,)):
        for tell in tells:
            try:
                tell()
            except CaseproofError as error:
                log().warning("%s: the ticket is told later: %s", ref, error)
                if isinstance(error, DeskDown):
                    break  # what comes after it waits for its turn


def _is_solved(case: Case) -> bool:
    return case.own.get("solution") is not None and not case.is_closed


@step(StepName.TELL_THE_CLIENT, "J5", due=lambda case: telling.is_to_be_mailed(services().ledger, case))
def tell_the_client(ref: str) -> None:
    """J5. Key: REF/told/event; where nobody's address is known, a person tells them."""
    telling.tell_the_client(services().ledger, services().dispatch(load_sender()), ref)


def _has_unproven_jobs(case: Case) -> bool:
    return _is_solved(case) and any(proof_of(case, job) is None for job in linked_jobs(case))


@step(StepName.PROVE_THE_JOBS, "J7, J8, J10", due=_has_unproven_jobs)
def prove_the_jobs(ref: str) -> None:
    """J7, J8, J10: the closing of each linked job's case, with its proof. Reads only."""
    closing.prove_the_jobs(services().ledger, services().files, services().proofs, ref)


class WaitsToClose(CaseproofError):
    """Something else has to be over first, and nobody has to do anything here."""

    code = Code.WAITS_FOR_CASE


def _waits_to_close(case: Case) -> bool:
    return _is_solved(case) and form_for(case) is None and bool(_hangs_on(case))


def _hangs_on(case: Case) -> list[str]:
    """What has to be over before the case can close: the case of each job that is not proven yet, and an emergency."""
    jobs = [f"{job} has to close with its proof first." for job in linked_jobs(case) if proof_of(case, job) is None]
    over = [one.missing for one in closure_blockers(case) if one.code == EMERGENCY_OVER.code]
    return [*jobs, *over]


@step(StepName.WAIT_TO_CLOSE, "E8, J10", due=_waits_to_close)
def wait_to_close(ref: str) -> None:
    """E8, J10: a job is proven by its own case, and an emergency is over first. Reads only."""
    raise WaitsToClose(" ".join(_hangs_on(load_case(ref))), "The case goes on by itself when that is so.")


def _lacks_only_the_look(case: Case) -> bool:
    return not case.is_closed and all(blocker.code == "looked" for blocker in closure_blockers(case))


@step(StepName.LOOK_AGAIN, "J10, J11", due=_lacks_only_the_look)
def look_again(ref: str) -> None:
    """J10, J11: whether a job of this matter failed since. Reads only."""
    closing.look_again(services().ledger, services().files, ref, load_platform)


@step(StepName.CLOSE_THE_CASE, "J11", due=lambda case: not case.is_closed and not closure_blockers(case))
def close_the_support_case(ref: str) -> None:
    """J11: make the proof and close; the store refuses it without a proof of this opening."""
    closing.close_support(services().ledger, services().files, services().proofs, ref)
    show_the_proof(load_case(ref))
