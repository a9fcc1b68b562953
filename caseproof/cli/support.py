"""`caseproof case open --support`, and `caseproof mine`: support cases, and what waits for somebody."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import typer

from caseproof.cli.common import AsJson, err, out, print_json, safe, table_of
from caseproof.cli.session import acting
from caseproof.domain.case import Case
from caseproof.domain.decisions import require_member
from caseproof.domain.errors import BadInput
from caseproof.domain.procedure import called
from caseproof.domain.support.vocabulary import Failing, Urgency
from caseproof.procedure.core.handling import Handle, Wish, handle
from caseproof.procedure.core.services import Services, bootstrap
from caseproof.procedure.core.support import SupportWanted
from caseproof.procedure.escalation.mine import Mine, tiers_of, waits_for
from caseproof.procedure.escalation.opening import open_from_message, open_support_case, support_for_job
from caseproof.procedure.escalation.requesting import everybody


class HowUrgent(StrEnum):
    """How much the client's work suffers, as it is typed."""

    CAN_WAIT = "can-wait"
    HINDERS = "hinders"
    STOPS = "stops"


@dataclass(frozen=True)
class Said:
    """What was typed of a support case."""

    client: str
    product: str
    summary: str
    said: str
    site: str
    contract: str
    urgency: HowUrgent
    job_fails: bool
    continues: str
    job_case: str
    message: int


def open_support(services: Services, said: Said, by: str, as_json: bool) -> None:
    """Open a support case, or say which is open for this matter; give it a flow run where Prefect answers."""
    wanted = SupportWanted(
        client=said.client, product=said.product, summary=said.summary, said=said.said, site=said.site,
        contract=said.contract, urgency=str(Urgency[said.urgency.name]), continues=said.continues,
        failing=str(Failing.YES if said.job_fails else Failing.NO), how="the command line",
    )  # fmt: skip
    ledger, files, policy = services.ledger, services.files, services.policy
    if said.job_case and said.message:
        raise BadInput("A case comes from a job's case, or from a message.", "Leave out --for or --message.")
    if said.job_case:
        case, new = support_for_job(ledger, files, policy, said.job_case, wanted, by)
    elif said.message:
        case, new = open_from_message(ledger, files, policy, said.message, wanted, by)
    else:
        case, new = open_support_case(ledger, files, policy, wanted, by)
    run = _give_run(services, case)
    if as_json:
        print_json({"case": case.ref, "new": new, "state": case.state, "flow_run": run})
        return
    out.print(f"{case.ref} {'opened' if new else 'is there for this already'}: {safe(called(case.state))}.")
    told = f"Its flow run is {safe(run)}." if run else "It gets its flow run from the keeper, once Prefect answers."
    out.print(f"{told} `caseproof case show {case.ref}` tells what happens next.", soft_wrap=True)


def _give_run(services: Services, case: Case) -> str:
    """Its flow run; "" where it gets one later, which is no harm: the case is written down."""
    from blocks.base import PrefectDown
    from tasks.runs.carrying import ensure_run
    from tasks.runs.case_runs import CaseOwner

    if case.is_closed:
        return ""
    try:
        return ensure_run(CaseOwner(services, case.ref))
    except (PrefectDown, BadInput) as error:
        err.print(f"{safe(error.problem)} {safe(error.next_action)}", soft_wrap=True)
        return ""


def mine(
    name: Annotated[str, typer.Argument(help="Who, as the policy names them.")],
    claim: Annotated[list[str] | None, typer.Option(help="Have this case from now on.", show_default=False)] = None,
    release: Annotated[list[str] | None, typer.Option(help="Let go of this case.", show_default=False)] = None,
    hand: Annotated[
        list[str] | None, typer.Option(help="Hand this case to who --to names.", show_default=False)
    ] = None,
    to: Annotated[str, typer.Option(help="The colleague who gets what --hand names.")] = "",
    as_json: AsJson = False,
) -> None:
    """What waits for somebody: the cases they have, and the support cases that wait for their tier and nobody has."""
    services = bootstrap()
    person = require_member(name, everybody(services.policy))
    wishes = _wishes(services, person, claim or [], release or [], hand or [], to)
    if wishes:
        acting(person, lambda who: err.print(f"acting as {safe(who)}", highlight=False, soft_wrap=True))
    refused: dict[str, str] = {}
    for wish in wishes:
        refused |= handle(services.store, services.ledger.clock, wish, person).refused
    _, found = waits_for(services.ledger, services.policy, person)
    _print(services, person, found, as_json)
    if refused:
        told = "; ".join(f"{ref}: {why}" for ref, why in refused.items())
        raise BadInput(f"Not done with {told}.", "Look at the case, then choose again.")


def _wishes(
    services: Services, person: str, claim: list[str], release: list[str], hand: list[str], to: str
) -> list[Wish]:
    if bool(hand) is not bool(to.strip()):
        raise typer.BadParameter("--hand and --to go together")
    whom = require_member(to, everybody(services.policy)) if hand else ""
    found = [(Handle.CLAIM, claim, ""), (Handle.RELEASE, release, ""), (Handle.HAND_OVER, hand, whom)]
    del person
    return [Wish(what, tuple(ref.strip().upper() for ref in refs), whom=who) for what, refs, who in found if refs]


def _print(services: Services, person: str, found: list[Mine], as_json: bool) -> None:
    if as_json:
        tiers = [str(tier) for tier in tiers_of(services.policy, person)]
        print_json({"name": person, "tiers": tiers, "cases": [_as_json(services, one) for one in found]})
        return
    if not found:
        out.print(f"Nothing waits for {safe(person)}.")
        return
    table = table_of(f"What waits for {person}", "Case", "State", "What for", "Whose", "Who has it", "Since (UTC)")
    for one in found:
        row = one.row
        what = row.job_name or row.job
        holder = ("you" if one.holder else "nobody") + ("" if one.is_turn else ", and it waits for nobody of us")
        cells = (row.ref, called(row.state), what, row.retailer, holder, f"{one.since:%Y-%m-%d %H:%M}")
        table.add_row(*map(safe, cells))
    out.print(table)


def _as_json(services: Services, one: Mine) -> dict[str, object]:
    row = one.row
    return {
        "case": row.ref,
        "state": row.state,
        "summary": row.job_name or row.job,
        "whose": row.retailer,
        "held": bool(one.holder),
        "waits": one.is_turn,
        "since": one.since,
        "url": services.links.case_url(row.ref),
    }
