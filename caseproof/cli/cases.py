"""`caseproof case ...`: open, confirm and read cases."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from caseproof.channels.inbound.reading import LARGEST
from caseproof.cli.case_list import case_list
from caseproof.cli.common import AsJson, Member, err, on_the_team, out, print_json, safe, table_of
from caseproof.cli.support import HowUrgent, Said, open_support
from caseproof.config.given_files import read_plain
from caseproof.domain.case import Case
from caseproof.domain.closure import closure_blockers
from caseproof.domain.codes import message_code, trouble_code
from caseproof.domain.decisions import require_member
from caseproof.domain.errors import BadInput, CaseproofError
from caseproof.domain.events import Event
from caseproof.domain.job_failure.cause import choice_of, owes_correction
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.payloads import AnswerRefused, Doubt, Trouble
from caseproof.domain.support.procedure import SUPPORT
from caseproof.domain.vocabulary import CAUSES, Scope
from caseproof.procedure.answers.manual_confirmation import confirm_by_message, word_brought
from caseproof.procedure.closing.proving import proof_path
from caseproof.procedure.containment.opening import Request
from caseproof.procedure.core.causes import correct_cause
from caseproof.procedure.core.services import Services, bootstrap
from caseproof.procedure.core.texts import in_words
from caseproof.procedure.escalation.requesting import everybody
from caseproof.procedure.keeper.giving_up import give_up
from caseproof.procedure.views.case_page import cause_in_words, next_action, sentence
from caseproof.procedure.views.owed import as_json as owed_as_json
from caseproof.procedure.views.owed import owed_lines
from caseproof.procedure.views.questions import what_rules_mean
from caseproof.procedure.views.support import next_tiers, support_view
from caseproof.store import OwedRow

case_app = typer.Typer(no_args_is_help=True, help="Open, confirm and read cases.")
case_app.command("list")(case_list)

Ref = Annotated[str, typer.Argument(help="The case, like JF-000001.")]


@case_app.command("open")
def case_open(
    platform: Annotated[str, typer.Option(help="The name of the saved platform block.", show_default=False)] = "",
    job: Annotated[str, typer.Option(help="The job; on Prefect flow/deployment.", show_default=False)] = "",
    cause: Annotated[str, typer.Option(help=f"One of {', '.join(CAUSES)}.")] = "unknown",
    summary: Annotated[str, typer.Option(help="What fails; default: the last failed run's message.")] = "",
    ticket: Annotated[str, typer.Option(help="Adopt this ticket instead of opening one (J1).")] = "",
    scope: Annotated[Scope | None, typer.Option(help="How far the stop reaches; default: the policy's.")] = None,
    support: Annotated[bool, typer.Option("--support", help="A support case instead: no job has to fail.")] = False,
    client: Annotated[str, typer.Option(help="Support: whose matter it is.")] = "",
    product: Annotated[str, typer.Option(help="Support: which product; it says what L2 consults (E2).")] = "",
    said: Annotated[str, typer.Option(help="Support: what the client said, word for word.")] = "",
    site: Annotated[str, typer.Option(help="Support: the site.")] = "",
    contract: Annotated[str, typer.Option(help="Support: the contract; default: the policy's of this client.")] = "",
    urgency: Annotated[HowUrgent, typer.Option(help="Support: how much their work suffers.")] = HowUrgent.HINDERS,
    job_fails: Annotated[
        bool, typer.Option("--job-fails", help="Support: a job, a feed or a sync fails (J10).")
    ] = False,
    continues: Annotated[str, typer.Option(help="Support: an earlier case of the same issue.")] = "",
    job_case: Annotated[str, typer.Option("--for", help="Support: the job-failure case that needs it.")] = "",
    message: Annotated[int, typer.Option(help="Support: the message of the inbox that it comes from.")] = 0,
    by: Member = "",
    as_json: AsJson = False,
) -> None:
    """Open a case for a failing job: stop it first (J2), then give the case a flow run. Or, with --support, one of a
    client's matter (E1)."""
    if support:
        services = bootstrap()
        typed = Said(client, product, summary, said, site, contract, urgency, job_fails, continues, job_case, message)
        opener = require_member(by, everybody(services.policy)) if by else "an operator"
        open_support(services, typed, opener, as_json)
        return
    if not (platform and job):
        raise typer.BadParameter("give --platform and --job; or --support for a client's matter")
    from tasks.runs.carrying import ensure_run
    from tasks.runs.case_runs import CaseOwner, open_and_stop

    services = bootstrap()
    opener = on_the_team(services, by) if by else "an operator"  # the stop waits for nobody's name (J2)
    request = Request(platform, job, opener, "the command line", cause, summary, ticket, scope)
    ref, new, wrong = open_and_stop(services, request)
    containment = _containment(services.ledger.case(ref), wrong)
    if not as_json:
        out.print(f"{ref} {'opened' if new else 'is open for this job already'}; {safe(containment)}.")
    flow_run = ensure_run(CaseOwner(services, ref))
    if as_json:
        print_json({"case": ref, "new": new, "containment": containment, "flow_run": flow_run})
    else:
        out.print(f"Its flow run is {safe(flow_run)}. `caseproof case show {ref}` tells what happens next.")


def _containment(case: Case, wrong: str) -> str:
    if case.contained is None:
        return f"the job is NOT stopped yet, and the case's run goes on trying: {wrong}"
    if case.contained.event.kind is Kind.CANNOT_STOP:
        return f"the job cannot be stopped by us: {case.contained['why']} Who can: {case.contained['who_can']}"
    return "the job is stopped"


@case_app.command("confirm")
def case_confirm(
    ref: Ref,
    sender: Annotated[str, typer.Option("--from", help="The address that the retailer wrote from.")],
    message: Annotated[Path, typer.Option(help="The mail as a file (.eml), as it was received.")],
    by: Member,
    as_json: AsJson = False,
) -> None:
    """Record the retailer's written word (J8), verbatim, and have the case look at it.

    It is looked at like a mail that came by itself. What speaks against it is written down, and then somebody else on
    the team has to agree.
    """
    services = bootstrap()
    member = on_the_team(services, by)
    try:
        raw = read_plain(message, LARGEST)
    except OSError as error:
        raise BadInput(f"{message} cannot be read: {error.strerror}.", "Give the path of the saved mail.") from error
    case = confirm_by_message(
        services.ledger, services.files, services.replies, ref, sender=sender, raw=raw, recorded_by=member,
        authserv=_authserv(services),
    )  # fmt: skip
    woken = _wake(services, case)
    word = word_brought(case, raw)
    against = [Doubt(code=one["code"], why=one["why"]) for one in (word.get("doubts") if word else None) or ()]
    if as_json:
        waits = word is not None and word in case.doubted
        print_json({"case": case.ref, "recorded": True, "doubts": against, "needs_agreement": waits, "run": woken})
        return
    out.print(f"Recorded with {case.ref}, word for word; {safe(woken)}.")
    if against:
        out.print("Something speaks against it:")
        for doubt in against:
            out.print(f"  - {safe(doubt['why'])}", soft_wrap=True)
        out.print(f"Nothing is decided on it before somebody else than {safe(member)} agrees, in the case's form.")


def _authserv(services: Services) -> str:
    """The name under which our own mail server vouches for senders, "" where none is named or Prefect is down."""
    from blocks.base import PrefectDown
    from tasks.common import load_mailbox

    try:
        account = load_mailbox(services.policy)
    except (PrefectDown, CaseproofError) as error:
        err.print(f"Nobody vouches for the sender: {safe(error.problem)}", soft_wrap=True)
        return ""
    return account.authserv if account else ""


def _wake(services: Services, case: Case) -> str:
    """Wake the case's run; the word is recorded whether or not Prefect answers."""
    from blocks.base import PrefectDown
    from tasks.runs.case_runs import wake

    if case.is_closed:
        return "the case is closed, so it is kept beside it"
    try:
        return wake(services, case.ref)
    except (PrefectDown, BadInput) as error:
        return f"its run could not be woken ({error.problem} `caseproof case wake {case.ref}` does it later)"


@case_app.command("correct")
def case_correct(
    ref: Ref,
    cause: Annotated[str, typer.Option(help=f"What it really is: one of {', '.join(CAUSES[:-1])}.")],
    by: Member,
    as_json: AsJson = False,
) -> None:
    """The cause is another: correct it here, where the same choice said it, and in what is remembered.

    Whoever was told otherwise is written to by the case's run, once.
    """
    services = bootstrap()
    done = correct_cause(services.ledger, services.policy.team, ref, cause, by=by)
    owe = [one for one in done.refs if owes_correction(services.ledger.case(one))]
    runs = {one: _wake(services, services.ledger.case(one)) for one in done.refs[:1]}  # the keeper wakes the others
    if as_json:
        remembered = done.remembered.id if done.remembered else None
        print_json({"cases": list(done.refs), "remembered": remembered, "to_be_told": owe, "runs": runs})
        return
    more = f" and {len(done.refs) - 1} more with the same choice" if len(done.refs) > 1 else ""
    out.print(f"The cause of {done.refs[0]}{more} is {in_words(cause)}; {safe(runs[done.refs[0]])}.", soft_wrap=True)
    if done.remembered:
        out.print(f"Remembered for messages like this one as choice {done.remembered.id} (`caseproof causes`).")
    told = (
        f"{len(owe)} of them told their retailer another cause: it"
        if owe
        else "No retailer was told otherwise: nothing"
    )
    out.print(f"{told} is corrected by mail{' once' if owe else ''}.", soft_wrap=True)


@case_app.command("wake")
def case_wake(ref: Ref, as_json: AsJson = False) -> None:
    """Have an open case looked at again: wake its run, or give it a new one."""
    from tasks.runs.case_runs import wake

    services = bootstrap()
    case = services.ledger.case(ref)
    if case.is_closed:
        raise BadInput(f"{case.ref} is closed.", f"`caseproof case show {case.ref}` shows its proof.")
    done = wake(services, case.ref)
    print_json({"case": case.ref, "run": done}) if as_json else out.print(f"{case.ref}: {safe(done)}.")


@case_app.command("show")
def case_show(ref: Ref, as_json: AsJson = False) -> None:
    """One case: what it is about, what comes next, and everything that happened."""
    services = bootstrap()
    case = services.ledger.case(ref)
    if as_json:
        print_json(_as_json(services, case))
        return
    whose = str(case.procedure.listed_as(case.facts).get("retailer") or "no retailer")
    out.print(f"[bold]{case.ref}[/] {safe(case.name)} · {safe(whose)}")
    out.print(f"[bold]{case.procedure.called(case.state)}[/] · Next: {safe(next_action(case))}")
    if cause := cause_in_words(case):
        out.print(f"Cause: {safe(cause)}")
    if case.procedure is SUPPORT:
        _print_support(case)
    out.print(safe(services.links.case_url(case.ref)), highlight=False)
    table = table_of("Timeline", "At (UTC)", "What", "Who")
    for event in case.events:
        if event.kind.spec.news:
            table.add_row(f"{event.at:%Y-%m-%d %H:%M:%S}", safe(sentence(event)), safe(event.actor))
    out.print(table)


def _print_support(case: Case) -> None:
    """What a support case says beside what every case does: who has it, what it is about, and what was tried."""
    view = support_view(case)
    out.print(f"{safe(view.owner)} has it; {safe(view.acts)} acts.")
    for name, value in view.facts:
        out.print(f"{name}: {safe(value)}", soft_wrap=True)
    out.print(f"The client said: {safe(view.said)}", soft_wrap=True)
    for wrote in view.wrote:
        out.print(f"{safe(str(wrote['sender']))} wrote since: {safe(str(wrote['words']))}", soft_wrap=True)
    for page in view.documents:
        out.print(f"To consult (E2): {safe(page['title'])}, {safe(page['address'])}", soft_wrap=True, highlight=False)
    table = table_of("What was tried", "Tier", "Who", "What", "Outcome", "What came of it")
    for one in (*view.efforts, *view.open_items):
        what = f"{one.key} {one.what}".strip()
        table.add_row(one.tier, safe(one.by), safe(what), safe(one.outcome or "not said yet"), safe(one.seen))
    if table.row_count:
        out.print(table)


def _print_next_tier(case: Case) -> None:
    for one in next_tiers(case):
        table = table_of(f"Before {one.name} may have it", "Rule", "Missing", "Next action")
        for blocker in one.blockers:
            table.add_row(blocker.rule, safe(blocker.missing), safe(blocker.next_action))
        out.print(
            table if one.blockers else f"{safe(one.name[:1].upper() + one.name[1:])} may have it: nothing is missing."
        )


def _as_json(services: Services, case: Case) -> dict[str, Any]:
    proof = proof_path(services.proofs, case)
    return {
        "case": case.ref,
        "status": case.state,
        "opening": case.opening,
        "facts": dict(case.facts),
        "cause_chosen": choice_of(case),
        "decision": case.decided,
        "paused_until": case.paused_until,
        "ticket": case.ticket.data["ticket"] if case.ticket else None,
        "next_action": next_action(case),
        "trouble": _trouble(case),
        "to_climb": _to_climb(case),
        "missing": [vars_of(b) for b in closure_blockers(case)] if not case.is_closed else [],
        "proof": str(proof) if proof else None,
        "timeline": [
            {"at": e.at, "type": e.kind, "code": _code(e), "actor": e.actor, "what": sentence(e)} for e in case.events
        ],
    }


def _to_climb(case: Case) -> dict[str, list[dict[str, str]]]:
    """What a support case lacks before the next tier may have it, by the tier; empty for a job failure."""
    found = next_tiers(case) if case.procedure is SUPPORT else []
    return {str(one.tier): [vars_of(blocker) for blocker in one.blockers] for one in found}


def _trouble(case: Case) -> dict[str, Any] | None:
    """The step that needs help, and why: the code for programs, the rest for people."""
    if case.trouble is None:
        return None
    told = {name: case.trouble[name] for name in ("step", "problem", "next_action")}
    return {**told, "code": trouble_code(case.trouble.event.data)}


def _code(event: Event) -> str | None:
    """Why, for programs, also where the event is older than the codes; None where it has none."""
    if event.kind.spec.says in (Trouble, AnswerRefused):
        return trouble_code(event.data)
    if event.kind in (Kind.REPLY_RECEIVED, Kind.CONFIRMATION_REFUSED):
        return message_code(event.data)
    code: str | None = event.data.get("code")
    return code


def vars_of(blocker: Any) -> dict[str, str]:
    """A blocker as plain values."""
    return {name: getattr(blocker, name) for name in ("rule", "code", "missing", "next_action")}


@case_app.command("why")
def case_why(ref: Ref, as_json: AsJson = False) -> None:
    """Why a case is not closed: each missing item with its rule and the next action."""
    services = bootstrap()
    case = services.ledger.case(ref)
    blockers = [] if case.is_closed else closure_blockers(case)
    with services.store.reading() as uow:
        owed = uow.owed.of(case.ref)
    if as_json:
        missing = [vars_of(b) for b in blockers]
        owes = [owed_as_json(one) for one in owed]
        climb = {"to_climb": _to_climb(case)} if case.procedure is SUPPORT else {}
        print_json({"case": case.ref, "status": case.state, "missing": missing, **climb, "owed": owes})
        return
    if case.is_closed:
        out.print(f"{case.ref} is closed, with its proof: {safe(proof_path(services.proofs, case))}", soft_wrap=True)
        _print_owed(case.ref, owed)
        return
    out.print(f"{case.ref}: {case.procedure.called(case.state)}. Next: {safe(next_action(case))}")
    table = table_of(f"What blocks the closure of {case.ref}", "Rule", "Missing", "Next action")
    for blocker in blockers:
        table.add_row(blocker.rule, safe(blocker.missing), safe(blocker.next_action))
    out.print(table)
    if case.procedure is SUPPORT:
        _print_next_tier(case)
    mean = what_rules_mean(case.procedure)
    out.print(f"{mean}: {safe(services.links.rules_url)}", soft_wrap=True, highlight=False)
    _print_owed(case.ref, owed)


def _print_owed(ref: str, rows: Sequence[OwedRow]) -> None:
    if not rows:
        return
    out.print("Owed yet, and done by itself:")
    for one in owed_lines(rows):
        end = f" (`caseproof case waive {ref} {one.row.what}` ends it)" if one.can_be_given_up else ""
        out.print(f"  - {safe(one.sentence)}{end}", soft_wrap=True)


@case_app.command("waive")
def case_waive(
    ref: Ref,
    what: Annotated[str, typer.Argument(help="What, as `caseproof case why` names it: recovery, ticket, ...")],
    by: Member,
    reason: Annotated[str, typer.Option(help="Why it is owed no more; it stands in the case.")],
    as_json: AsJson = False,
) -> None:
    """Say that something a case owes is owed no more: it is not tried again, and the case tells who said so and why."""
    services = bootstrap()
    given_up = give_up(services.ledger, services.policy.team, ref, what, by=by, reason=reason)
    if as_json:
        print_json({"case": services.ledger.case(ref).ref, "given_up": given_up})
    else:
        out.print(f"Given up: {safe('; '.join(given_up))}.", soft_wrap=True)
