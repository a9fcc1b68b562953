"""The board in the Prefect UI: one table artifact, drawn anew in each pass of the keeper, and the pass itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prefect import get_run_logger
from prefect.artifacts import create_table_artifact
from prefect.settings import get_current_settings

from caseproof.procedure.board import Board, Line, board
from caseproof.procedure.card import plain
from tasks.common import office
from tasks.labels import UNREACHABLE

BOARD, PASS = "caseproof-board", "caseproof-keeper"


def show_the_board() -> Board:
    """Draw the board. Where Prefect does not take it, a warning says so. Raises StoreError."""
    now = board(office())
    _show(BOARD, [_row(line) for line in now.lines], _above(now))
    return now


def show_the_pass(what: Mapping[str, object]) -> None:
    """What a pass of the keeper did, as a small table."""
    rows = [{"What": name, "How much": str(value)} for name, value in what.items()]
    _show(PASS, rows, "**The keeper's latest pass.**")


def _show(key: str, rows: list[dict[str, Any]], above: str) -> None:
    try:
        create_table_artifact(rows, key=key, description=above)
    except UNREACHABLE as problem:
        get_run_logger().warning("The table %s is not shown in Prefect: %s", key, type(problem).__name__)


def _row(line: Line) -> dict[str, Any]:
    ui = get_current_settings().ui_url
    return {
        "Case": line.ref,
        "Who must act": line.who.upper() if line.needs_us else line.who,
        "What for": line.what,
        "Since (UTC)": f"{line.since:%Y-%m-%d %H:%M}",
        "State": str(line.state),
        "Retailer": line.retailer or "not known",
        "Marketplace": line.marketplace or "none",
        "Job": line.job,
        "Case page": office().case_url(line.ref),
        "Its run": f"{ui}/runs/flow-run/{line.run}" if ui and line.run else "",
    }


def _above(now: Board) -> str:
    """What stands above the table, as markdown: the counts, and what went wrong."""
    needs = sum(line.needs_us for line in now.lines)
    more = f" The table shows {len(now.lines)} of them." if len(now.lines) < now.open else ""
    parts = [
        f"**{now.open} open cases.** {needs} need us.{more}",
        f"By state: {_counts(now.by_state)}.",
        f"By marketplace: {_counts(now.by_marketplace)}.",
    ]
    if office().policy_wrong:
        parts.append(f"**The policy file has an error.** {plain(office().policy_wrong)}")
    parts += [f"**{plain(about)}**: {plain(said)}" for about, said in sorted(now.problems.items())[:20]]
    return "\n\n".join(parts)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{plain(name)} {count}" for name, count in sorted(counts.items())) or "none"
