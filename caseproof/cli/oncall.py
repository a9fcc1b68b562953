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

_NOBODY = "Nobody is on the call list.", "Fill on_call.people in the policy; docs/on-call.md tells how."
_MINUTES = "%Y-%m-%d %H:%M"


def oncall(
    at: Annotated[
        datetime | None, typer.Option(formats=[_MINUTES, "%Y-%m-%dT%H:%M"], help="At this time (UTC); default: now.")
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=60, help="How far to look ahead.")] = 14,
    client: Annotated[str, typer.Option(help="Say what this client's contract says, too.")] = "",
    test: Annotated[
        bool, typer.Option("--test", help="Send this month's test page now to those who are within their hours.")
    ] = False,
    calendar: Annotated[Path | None, typer.Option(help="Write who is on call to this file, as a calendar.")] = None,
    as_json: AsJson = False,
) -> None:
    """Who would be called now, in order and why; who is on call next, and when nobody is. Or a test page for all."""
    if test:
        _test(as_json=as_json)
        return
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
        raise BadInput(*_NOBODY)
    answer = who_to_call(now, CaseToCall(client=client), plan)
    coming = turns(now, now + timedelta(days=days), plan)
    gaps = coming_gaps(policy, plan, now)
    if calendar is not None:
        calendar.write_bytes(feed(coming, now))
    if as_json:
        print_json(_as_json(answer, coming, gaps))
        return
    _print(answer, coming, gaps, says_contract=bool(client))


def _test(*, as_json: bool) -> None:
    """Send the test page now, and show what came of this month's."""
    from caseproof.procedure.core.services import bootstrap
    from caseproof.procedure.paging.engine import in_a_thread
    from caseproof.procedure.paging.installed import parts_of
    from caseproof.procedure.paging.ports import Channels
    from caseproof.procedure.paging.testing import TestPages
    from caseproof.procedure.paging.trial_answers import standing
    from caseproof.procedure.paging.watch import going_on
    from caseproof.procedure.views.test_page import keep_test_page, report_of

    services = bootstrap()
    if not services.policy.on_call.people:
        raise BadInput(*_NOBODY)
    if going_on(services.store):
        raise BadInput("An emergency goes on, and a test would keep telephones busy.", "Send it when that is over.")
    parts, sent = parts_of(services), 0
    pages = TestPages(parts, Channels(parts.home, services.clock), in_a_thread)
    while begun := pages.send(at_once=True):  # who has two numbers is called on the second after the first
        sent += len(begun)
        if not as_json:
            out.print(safe(f"Sent: {', '.join(f'{one.person} by {one.way}' for one in begun)}"), soft_wrap=True)
    tried = standing(services.store)
    month = tried[0].month if tried else f"{services.clock():%Y-%m}"
    report = report_of(services.policy, tried, month)
    address = keep_test_page(parts.home, parts.links, report)
    if as_json:
        print_json({"month": month, "report": address, "rows": [asdict(one) for one in report.rows]})
        return
    table = table_of(report.title, "Who", "By", "Address", "What came of it", "More")
    for row in report.rows:
        table.add_row(*(safe(text) for text in (row.person, row.way, row.address, row.found, row.detail)))
    out.print(table)
    if not sent:
        out.print("Nothing was left to send this month to those who are within their hours now.", soft_wrap=True)
    out.print(safe(f"{report.says} {address}"), soft_wrap=True)


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
