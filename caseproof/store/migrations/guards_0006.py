"""What the database itself refuses since revision 0006: another reason for a message that came."""

from __future__ import annotations

from caseproof.store.migrations.guards import Guard

GUARDS: tuple[Guard, ...] = (
    Guard(
        "messages_code_as_it_came",
        "UPDATE ON messages",
        "NEW.code {differs} OLD.code",
        "A message stays as it came, in the place that it was given.",
    ),
)
