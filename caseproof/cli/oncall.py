"""`caseproof oncall`: who is on call now and next, why, and when nobody is."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from caseproof.cli.common import AsJson, out, print_json, safe, table_of
from caseproof.config.clock import utc_now
from caseproof.config.policy import policy_in_force
from caseproof.config.settings import read_settings
from caseproof.domain.errors import BadInput

if TYPE_CHECKING:
    from caseproof.domain.on_call.calling import WhoToCall
    from caseproof.domain.on_call.turns import Turn

_MINUTES = "%Y-%m-%d %H:%M"


def oncall(
    at: Annotated[
        datetime | None, typer.Option(formats=[_MINUTES, "%Y-%m-%dT%H:%M"], help="At this time (UTC); default: now.")
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=60, help="How far to look ahead.")] = 14,
    client: Annotated[str, typer.Option(help="Say what this client's contract says, too.")] = "",
    calendar: Annotated[Path | None, typer.Option(help="Write who is on call to this file, as a calendar.")] = None,
    as_json: AsJson = False,
) -> None:
    """Who would be called now, in order and why; who is on call next, and when nobody is."""
    from caseproof.channels.calendars.feed import feed  # they take a tenth of a second, which others do not need
    from caseproof.domain.on_call.calling import CaseToCall, who_to_call
    from caseproof.domain.on_call.turns import turns
    from caseproof.procedure.core.on_call import Window, call_plan, coming_gaps

    settings = read_settings()
    policy = policy_in_force(settings).policy  # no services: that would make a store, before `up` chose one
    now = at.replace(tzinfo=UTC) if at is not None else utc_now()
    looked = max(days, policy.on_call.tell_gaps_days)
    plan = call_plan(policy, settings.home_folder, Window.around(now, looked), fetch=True)
    if not plan.people:
        raise BadInput("Nobody is on the call list.", "Fill on_call.people in the policy; docs/on-call.md tells how.")
    answer = who_to_call(now, CaseToCall(client=client), plan)
    coming = turns(now, now + timedelta(days=days), plan)
    gaps = coming_gaps(policy, plan, now)
    if calendar is not None:
        calendar.write_bytes(feed(coming, now))
    if as_json:
        print_json(_as_json(answer, coming, gaps))
        return
    _print(answer, coming, gaps, says_contract=bool(client))


def _print(answer: WhoToCall, coming: list[Turn], gaps: list[Turn], *, says_contract: bool) -> None:
    for _, told in answer.alarms:
        out.print(f"[bold red]Alarm:[/] {safe(told)}", highlight=False, soft_wrap=True)
    table = table_of(f"Whom to call at {answer.at:{_MINUTES}} UTC", "", "Who", "Tier", "Number", "Why")
    for place, one in enumerate(answer.calls, 1):
        numbers = ", ".join(line.told() for line in one.person.lines)
        table.add_row(str(place), safe(one.person.name), safe(one.person.tier), safe(numbers), safe(one.because))
    out.print(table)
    for passed in answer.passed_over:
        out.print(f"Not {safe(passed.person.name)}: {safe(passed.because)}", highlight=False)
    if says_contract:
        out.print(safe(answer.advice), highlight=False, soft_wrap=True)
    table = table_of("Now and next (UTC)", "From", "Until", "On call", "At work")
    for turn in coming[:20]:
        who = safe(", ".join(turn.on_call)) or ("[bold red]NOBODY[/]" if turn.is_gap else "")
        table.add_row(f"{turn.begins:{_MINUTES}}", f"{turn.ends:{_MINUTES}}", who, safe(", ".join(turn.at_work)))
    out.print(table)
    for gap in gaps:
        out.print(
            f"[bold red]Nobody[/] is on duty from {gap.begins:{_MINUTES}} to {gap.ends:{_MINUTES}} UTC.",
            highlight=False,
        )


def _as_json(answer: WhoToCall, coming: list[Turn], gaps: list[Turn]) -> dict[str, Any]:
    def turn(one: Turn) -> dict[str, Any]:
        return {
            "begins": one.begins.isoformat(), "ends": one.ends.isoformat(),
            "on_call": list(one.on_call), "at_work": list(one.at_work),
        }  # fmt: skip

    return {
        "at": answer.at.isoformat(),
        "calls": [
            {
                "name": one.person.name, "tier": one.person.tier, "why": one.why, "because": one.because,
                "numbers": [asdict(line) for line in one.person.lines],
                "mail": one.person.mail, "teams": one.person.teams,
            }
            for one in answer.calls
        ],
        "passed_over": [{"name": one.person.name, "because": one.because} for one in answer.passed_over],
        "coverage": answer.coverage,
        "advice": answer.advice,
        "alarms": [{"alarm": alarm, "told": told} for alarm, told in answer.alarms],
        "turns": [turn(one) for one in coming],
        "gaps": [turn(one) for one in gaps],
    }  # fmt: skip
