"""What the database itself refuses since revision 0009: another digest of what came."""

from __future__ import annotations

from caseproof.store.migrations.guards import Guard

GUARDS: tuple[Guard, ...] = (
    Guard(
        "messages_original_as_it_came",
        "UPDATE ON messages",
        "NEW.original {differs} OLD.original",
        "A message stays as it came, in the place that it was given.",
    ),
)
