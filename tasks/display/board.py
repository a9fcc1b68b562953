"""The board in the Prefect UI: one table artifact, drawn anew in each pass of the keeper, and the pass itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prefect.settings import get_current_settings

from caseproof.domain.procedure import called
from caseproof.procedure.core.texts import plain
from caseproof.procedure.keeper.open_incidents import OpenIncident
from caseproof.procedure.views.board import BOARD, Board, BoardEntry, board
from caseproof.procedure.views.owed import OwedLine
from tasks.common import services
from tasks.display.tables import keep_table

LATEST = "caseproof-keeper"
LISTED = 20
"""How much of what is owed stands above the board."""


def show_the_board() -> Board:
    """Draw the board. Where Prefect does not take it, a warning says so. Raises StoreError."""
    now = board(services().ledger, services().policy.keeper)
    keep_table(BOARD, [_row(line) for line in now.lines], _above(now))
    return now


def show_the_pass(what: Mapping[str, object]) -> None:
    """What a pass of the keeper did, as a small table."""
    rows = [{"What": name, "How much": str(value)} for name, value in what.items()]
    keep_table(LATEST, rows, f"**The keeper's latest pass**, {_now()}.")


def _now() -> str:
    return f"{services().clock():%Y-%m-%d %H:%M} UTC"


def run_url(flow_run: str) -> str:
    """Where people see a flow run of ours; "" where that is not known."""
    ui = get_current_settings().ui_url
    return f"{ui}/runs/flow-run/{flow_run}" if ui and flow_run else ""


def as_label(text: str) -> str:
    """Text as the label of a link that is a whole cell: Prefect's page shows such a label letter by letter."""
    return "".join(" " if char in "\\`[]<>|" else char for char in " ".join(text.split()))


def _row(line: BoardEntry) -> dict[str, Any]:
    run = run_url(line.run)
    return {
        "Case": f"[{line.ref}]({services().links.case_url(line.ref)})",
        "Who must act": line.who.upper() if line.needs_us else line.who,
        "What for": f"[{as_label(line.what)}]({run})" if run else plain(line.what),
        "Since (UTC)": f"{line.since:%Y-%m-%d %H:%M}",
        "State": called(line.state),
        "Retailer": plain(line.retailer or "not known"),
        "Marketplace": plain(line.marketplace or "none"),
        "Job": plain(line.job),
    }


def _above(now: Board) -> str:
    """What stands above the table, as markdown: the counts, and what went wrong."""
    needs = sum(line.needs_us for line in now.lines)
    more = f" The table shows {len(now.lines)} of them." if len(now.lines) < now.open else ""
    parts = [
        f"**{now.open} open cases.** {needs} with an error to put right.{more} As of {_now()}.",
        f"By state: {_counts({called(state): count for state, count in now.by_state.items()})}.",
        f"By marketplace: {_counts(now.by_marketplace)}.",
    ]
    if now.from_retailers:
        count, url = sum(now.from_retailers.values()), services().links.inbox_url
        parts.append(f"**From retailers: [{count} to look at]({url}).** {_counts(now.from_retailers)}.")
    if now.incidents:
        parts.append("\n".join(["**Open incidents:**", "", *map(_incident, now.incidents)]))
    if now.owed:
        more = f" ({now.owed_in_all - len(now.owed)} more)" if now.owed_in_all > len(now.owed) else ""
        head = f"**Owed, and not done yet: {now.owed_in_all}**{more}. It is tried again by itself."
        parts.append("\n".join([head, "", *map(_owed, now.owed[:LISTED])]))
    if now.cover:
        parts.append("\n".join(["**Who is on call:**", "", *(f"* {plain(said)}" for said in now.cover)]))
    if services().policy_wrong:
        parts.append(f"**The policy file has an error.** {plain(services().policy_wrong)}")
    parts += [f"**{plain(about)}**: {plain(said)}" for about, said in sorted(now.problems.items())[:20]]
    parts.append(f"[What J1 to J11 mean]({services().links.rules_url})")
    return "\n\n".join(parts)


def _owed(one: OwedLine) -> str:
    ref = one.row.ref
    whose = f"[{ref}]({services().links.case_url(ref)}): " if ref else ""
    return f"* {whose}{plain(one.sentence)}"


def _incident(one: OpenIncident) -> str:
    url, at = run_url(one.run), services().clock()
    what = f"[{one.waits_for(at)}]({url})" if url else one.waits_for(at)
    since = f"{one.since:%Y-%m-%d %H:%M}"
    return f"* {one.ref}, {plain(one.about)}, {one.cases} open cases. {one.who(at)}: {what}, since {since} UTC"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{plain(name)} {count}" for name, count in sorted(counts.items())) or "none"
