"""The live table of an incident in the Prefect UI: its cases, whose they are, where each stands, and its link."""

from __future__ import annotations

import json
from typing import Any

from prefect.artifacts import create_table_artifact

from caseproof.domain.job_failure.lifecycle import State
from caseproof.domain.procedure import called
from caseproof.procedure.core.services import Services
from caseproof.procedure.core.texts import plain
from caseproof.store import CaseRow
from tasks.prefect_run import UNREACHABLE, find_shown, show_instead

LONGEST_TABLE = 300
"""How many cases the table shows, the open ones first."""


def show_table(services: Services, ref: str, flow_run: str, description: str) -> None:
    """Show the table on this flow run: one table a run, kept current. Raises what Prefect's client raises."""
    rows = _table(services, ref)
    shown = find_shown(_key(ref))
    if shown is None or str(shown.flow_run_id) != flow_run:
        create_table_artifact(rows, key=_key(ref), description=description)
    else:
        show_instead(shown, json.dumps(rows))


def refresh_table(services: Services, ref: str) -> None:
    """Keep the table current while the incident's run is suspended; one that is not there yet stays away."""
    try:
        shown = find_shown(_key(ref))
        if shown is not None:
            show_instead(shown, json.dumps(_table(services, ref)))
    except UNREACHABLE:
        return  # the next pass of the keeper does it


def _key(ref: str) -> str:
    return f"{ref.lower()}-cases"


def _table(services: Services, ref: str) -> list[dict[str, Any]]:
    with services.store.reading() as uow:
        rows = uow.cases.of_incident(ref)
    rows.sort(key=lambda row: row.closed_at is not None)
    return [
        {
            "Case": f"[{row.ref}]({services.links.case_url(row.ref)})",
            "Retailer": plain(row.retailer),
            "Job": plain(row.job_name),
            "State": _state(row),
        }
        for row in rows[:LONGEST_TABLE]
    ]


def _state(row: CaseRow) -> str:
    return f"kept paused until {row.paused_until}" if row.state is State.PAUSED else called(row.state)
