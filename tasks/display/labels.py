"""Names and tags of our runs in the Prefect UI: what an operator scans, searches and filters by.

They are a convenience and no truth: one PATCH when something changed, a warning where Prefect does not take it, and
never a reason for a case to wait.
"""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from prefect import get_run_logger
from prefect.client.orchestration import get_client
from prefect.exceptions import PrefectException
from prefect.runtime import flow_run as this_run
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from caseproof.domain.case import Case
from caseproof.domain.lifecycle import State
from caseproof.http.client import LibraryError
from caseproof.procedure.core.texts import in_words
from caseproof.store import IncidentRow
from tasks.forms import FORMS, RetailersWord, TryAgain

OURS = ("retailer:", "marketplace:", "cause:", "status:", "incident:")
"""What the tags start with that we set; every other tag of a run is left alone."""
SECONDS = 5.0
"""How long Prefect may take for a label; one more try, then the run keeps the one it has."""
UNREACHABLE = (LibraryError, PrefectException, OSError, RuntimeError)
"""What Prefect's client raises while its server is down, slow or refuses."""

_shown: dict[str, tuple[str, list[str]]] = {}
"""What this process has set, by flow run: a label that has not changed costs no call."""


def label(case: Case) -> None:
    """Name and tag this flow run, which carries the case, by what the case is about and what it waits for."""
    _set(f"{about(case)} · {stands(case)}", _tags(case))


def label_removal(case: Case) -> None:
    """Name and tag this flow run, which removes the integration of the case (J9)."""
    _set(f"{about(case)} · removal", [tag for tag in _tags(case) if not tag.startswith("status:")])


def label_incident(row: IncidentRow, cases: int, stands: str) -> None:
    """Name and tag this flow run, carrying an incident: ``IN-000001 · bazaar · expired token · 30 cases · ...``."""
    values = ("", row.marketplace, row.cause, "closed" if row.is_closed else "waiting", row.ref)
    _set(
        f"{about_incident(row)} · {cases} cases · {stands}",
        [f"{name}{value}" for name, value in zip(OURS, values, strict=True) if value],
    )


def about_incident(row: IncidentRow) -> str:
    """Which incident, where, and why: ``IN-000001 · bazaar · expired token``."""
    return f"{row.ref} · {row.marketplace or row.platform} · {in_words(row.cause)}"


def about(case: Case) -> str:
    """Which case, whose, where, which job: ``JF-000001 · garden-shop · bazaar · marketplace-orders``."""
    facts = case.facts
    retailer, marketplace = facts.get("retailer"), facts.get("marketplace")
    # On Prefect a job is flow/deployment, and one of the two is often the retailer, who stands there already.
    parts = [part for part in str(facts["job_name"]).split("/") if part not in (retailer, marketplace)]
    job = "/".join(parts) or facts["job_name"]
    return " · ".join(part for part in (case.ref, retailer or "no retailer", marketplace, job) if part)


def stands(case: Case) -> str:
    """Where the case stands, in the words of who has to act: ``waits for the retailer's word``."""
    if case.is_closed:
        return "closed"
    number = case.question_number
    asked = case.asked.get(number)
    if asked is None or number in case.answered:
        return "at work"
    if asked["form"] == TryAgain.slug and case.trouble is not None:
        return f"needs help: {case.trouble['step']}"
    if asked["form"] == RetailersWord.slug and case.open_replies:
        return "has a reply to read"
    if case.state is State.PAUSED:
        return f"kept paused until {case.paused_until}"
    form = FORMS.get(asked["form"])
    waits = form.waits_for if form else "waits for an answer"
    refused = case.refused is not None and case.refused["number"] == number - 1
    return f"answer refused, {waits}" if refused else waits


def _tags(case: Case) -> list[str]:
    facts = case.facts
    incident = case.incident["incident"] if case.incident else None
    values = (facts.get("retailer"), facts.get("marketplace"), facts["cause"], case.state, incident)
    return [f"{name}{value}" for name, value in zip(OURS, values, strict=True) if value]


def _set(name: str, ours: Iterable[str]) -> None:
    me = str(this_run.id)
    had_name, had = _shown.get(me) or (this_run.name, list(this_run.tags))
    tags = sorted({*(tag for tag in had if not tag.startswith(OURS)), *ours})
    if (name, tags) == (had_name, sorted(had)):
        return
    try:
        with (
            temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 1}),
            get_client(httpx_settings={"timeout": SECONDS}, sync_client=True) as client,
        ):
            client.update_flow_run(UUID(me), name=name, tags=tags)
    except UNREACHABLE as down:
        get_run_logger().warning("The run keeps its old name and tags: Prefect says %s.", type(down).__name__)
        return
    _shown[me] = (name, tags)
