"""What the database itself refuses since revision 0005: the guards of 0001 that knew of job failures alone.

A case has a procedure. Its reference begins with the procedure's prefix, and a job has one open case *of a procedure*.
"""

from __future__ import annotations

from caseproof.store.migrations.guards import Guard

GUARDS: tuple[Guard, ...] = (
    Guard(
        "cases_not_replaced",
        "INSERT ON cases",
        "EXISTS (SELECT 1 FROM cases WHERE id = NEW.id OR (NEW.closed = {false} AND closed = {false}"
        " AND platform = NEW.platform AND job = NEW.job AND procedure = NEW.procedure))",
        "A case is never replaced, and a job has one open case at a time.",
    ),
    Guard(
        "cases_same_job",
        "UPDATE ON cases",
        "NEW.id {differs} OLD.id OR NEW.platform {differs} OLD.platform OR NEW.job {differs} OLD.job"
        " OR NEW.ref {differs} {prefixed_ref}",
        "A case keeps its reference, its platform and its job.",
    ),
    Guard(
        "cases_same_procedure",
        "UPDATE ON cases",
        "NEW.procedure {differs} OLD.procedure",
        "A case keeps its procedure.",
    ),
    Guard(
        "cases_reopened_alone",
        "UPDATE ON cases",
        "OLD.closed {differs} {false} AND NEW.closed = {false} AND EXISTS (SELECT 1 FROM cases WHERE closed = {false}"
        " AND platform = NEW.platform AND job = NEW.job AND procedure = NEW.procedure AND id <> OLD.id)",
        "A job has one open case at a time.",
    ),
)
NAMES = frozenset(guard.name for guard in GUARDS)
"""Those of them that 0001 has, too, take the places of the older ones."""
