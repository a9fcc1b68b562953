"""What the database itself refuses since revision 0003: an incident that is deleted, replaced or becomes another."""

from __future__ import annotations

from caseproof.store.migrations.guards import Guard

GUARDS: tuple[Guard, ...] = (
    Guard("incidents_kept", "DELETE ON incidents", "", "An incident is never deleted."),
    Guard("incidents_not_truncated", "TRUNCATE ON incidents", "", "An incident is never deleted.", only="postgresql"),
    Guard(
        "incidents_not_replaced",
        "INSERT ON incidents",
        "EXISTS (SELECT 1 FROM incidents WHERE id = NEW.id OR ref = NEW.ref OR (NEW.closed_at IS NULL"
        " AND closed_at IS NULL AND platform = NEW.platform AND marketplace = NEW.marketplace AND cause = NEW.cause))",
        "An incident is never replaced, and a cause has one open incident on a marketplace at a time.",
    ),
    Guard(
        "incidents_same",
        "UPDATE ON incidents",
        "NEW.id {differs} OLD.id OR NEW.ref {differs} OLD.ref OR NEW.platform {differs} OLD.platform"
        " OR NEW.marketplace {differs} OLD.marketplace OR NEW.cause {differs} OLD.cause"
        " OR NEW.opened_at {differs} OLD.opened_at",
        "An incident keeps its reference, its cause and its place.",
    ),
    Guard(
        "incidents_closed_for_good",
        "UPDATE ON incidents",
        "OLD.closed_at IS NOT NULL AND NEW.closed_at IS NULL",
        "An incident that is over stays over; new cases make another.",
    ),
)
