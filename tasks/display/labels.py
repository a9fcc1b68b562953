"""Names and tags of our runs in the Prefect UI: what an operator scans, searches and filters by.

They are a convenience and no truth: one PATCH when something changed, a warning where Prefect does not take it, and
never a reason for a case to wait.
"""

from __future__ import annotations

from collections.abc import Sequence

from caseproof.domain.case import Case
from caseproof.domain.support.ladder import owner_of
from caseproof.domain.support.procedure import SUPPORT
from caseproof.procedure.views.titles import about, about_incident, stands
from caseproof.store import IncidentRow
from tasks.common import ports, services

_OF_JOBS = ("retailer:", "marketplace:", "cause:", "status:", "incident:")
_OF_SUPPORT = ("client:", "product:", "status:", "tier:")
OURS = tuple(dict.fromkeys((*_OF_JOBS, *_OF_SUPPORT)))
"""What the tags start with that we set; every other tag of a run is left alone."""


def label(case: Case) -> None:
    """Name and tag this flow run, which carries the case, by what the case is about and what it waits for.

    A run that another one replaced, and whose process goes on for a moment, is left as it was set aside.
    """
    with services().store.reading() as uow:
        is_replaced = any(row.flow_run not in (None, ports().carrier.id) for row in uow.cases.of_refs([case.ref]))
    if not is_replaced:
        _set(*label_of(case))


def label_of(case: Case) -> tuple[str, list[str]]:
    """What a run that carries the case is called, and its tags."""
    return f"{about(case)} · {stands(case)}", _tags(case)


def label_removal(case: Case) -> None:
    """Name and tag this flow run, which removes the integration of the case (J9)."""
    _set(f"{about(case)} · removal", [tag for tag in _tags(case) if not tag.startswith("status:")])


def label_incident(row: IncidentRow, cases: int, where: str) -> None:
    """Name and tag this flow run, carrying an incident: ``IN-000001 · bazaar · expired token · 30 cases · ...``."""
    values = ("", row.marketplace, row.cause, "closed" if row.is_closed else "waiting", row.ref)
    _set(
        f"{about_incident(row)} · {cases} cases · {where}",
        [f"{name}{value}" for name, value in zip(_OF_JOBS, values, strict=True) if value],
    )


def _tags(case: Case) -> list[str]:
    facts = case.facts
    if case.procedure is SUPPORT:
        owner = owner_of(case)
        of_support = (facts["client"], facts["product"], case.state, owner)
        return [f"{name}{value}" for name, value in zip(_OF_SUPPORT, of_support, strict=True) if value]
    incident = case.incident.data["incident"] if case.incident else None
    values = (facts.get("retailer"), facts.get("marketplace"), facts["cause"], case.state, incident)
    return [f"{name}{value}" for name, value in zip(_OF_JOBS, values, strict=True) if value]


def _set(name: str, ours: Sequence[str]) -> None:
    ports().carrier.label(name, ours, instead_of=OURS)
