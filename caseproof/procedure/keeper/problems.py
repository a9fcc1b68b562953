"""What a pass of the keeper could not do: taken down, and noted for whoever shows the board."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from caseproof.domain.errors import CaseproofError
from caseproof.http.redaction import redact
from caseproof.procedure.core.parts import Ledger

PROBLEMS = "keeper-problems"
"""The mark under which the latest pass of the keeper notes what it could not do."""


def about_platform(name: str) -> str:
    """Under which name a problem with a platform is noted."""
    return f"the platform {name}"


@dataclass
class Problems:
    """What could not be done in a pass, by case or by what it was; the rest of the pass goes on."""

    said: dict[str, str] = field(default_factory=dict)

    def __call__(self, about: str, error: Exception) -> None:
        """Take down an error."""
        known = isinstance(error, CaseproofError)
        self.said[about] = str(error) if known else redact(f"{type(error).__name__}: {error}")


def note_problems(ledger: Ledger, problems: Mapping[str, str]) -> None:
    """Note what the keeper's pass could not do, for whoever shows the board."""
    with ledger.store.uow() as uow:
        uow.cursors.set(PROBLEMS, json.dumps(dict(problems)), ledger.clock())
        uow.commit()
