"""What the database itself refuses since revision 0011: a trace of who had a case that is deleted or rewritten."""

from __future__ import annotations

from caseproof.store.migrations.guards import Guard

GUARDS: tuple[Guard, ...] = (
    Guard("case_handling_kept", "DELETE ON case_handling", "", "What was done with a case stays."),
    Guard(
        "case_handling_not_truncated", "TRUNCATE ON case_handling", "", "What was done with a case stays.",
        only="postgresql",
    ),
    Guard("case_handling_as_done", "UPDATE ON case_handling", "", "What was done with a case stays as it was."),
    Guard(
        "case_handling_not_replaced",
        "INSERT ON case_handling",
        "EXISTS (SELECT 1 FROM case_handling WHERE id = NEW.id)",
        "What was done with a case is never replaced.",
    ),
)  # fmt: skip
