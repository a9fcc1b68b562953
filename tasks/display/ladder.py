"""The ladder in the Prefect UI: one table of all open support cases, with who acts, what for, and who has it."""

from __future__ import annotations

from typing import Any

from caseproof.procedure.core.texts import plain
from caseproof.procedure.views.ladder_table import LADDER_TABLE, LadderLine, ladder_lines
from tasks.common import services
from tasks.display.board import as_label, run_url
from tasks.display.tables import keep_table


def show_the_ladder() -> None:
    """Draw the table, from the first support case on. Where Prefect does not take it, a warning says so.

    Raises StoreError.
    """
    here = services()
    lines = ladder_lines(here.ledger, here.policy.keeper)
    with here.store.reading() as uow:
        before = uow.cursors.get(LADDER_TABLE)
    if not lines and before is None:
        return
    count = "1 open support case" if len(lines) == 1 else f"{len(lines)} open support cases"
    above = f"**{count}**, the longest waiting first. As of {here.clock():%Y-%m-%d %H:%M} UTC."
    rules = f"[What E1 to E12 mean]({here.links.rules_url})"
    drawn = keep_table(LADDER_TABLE, [_row(line) for line in lines], f"{above}\n\n{rules}")
    if drawn and before is None:
        with here.store.uow() as uow:
            uow.cursors.set(LADDER_TABLE, "drawn", here.clock())
            uow.commit()


def _row(line: LadderLine) -> dict[str, Any]:
    run = run_url(line.run)
    return {
        "Case": f"[{line.ref}]({services().links.case_url(line.ref)})",
        "Who must act": plain(line.who),
        "What for": f"[{as_label(line.what)}]({run})" if run else plain(line.what),
        "Since (UTC)": f"{line.since:%Y-%m-%d %H:%M}",
        "Who has it": plain(line.holder or "nobody"),
        "Client": plain(line.client),
        "Site": plain(line.site or "none"),
        "Product": plain(line.product),
        "In a line": plain(line.summary),
    }
