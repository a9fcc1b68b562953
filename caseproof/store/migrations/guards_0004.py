"""What the database itself refuses since revision 0004: a message of a retailer that is deleted or becomes another."""

from __future__ import annotations

from caseproof.store.migrations.guards import Guard

_AS_IT_CAME = ("id", "digest", "message_id", "sender", "subject", "size", "way", "place", "why", "case_id", "at")

GUARDS: tuple[Guard, ...] = (
    Guard("messages_kept", "DELETE ON messages", "", "A message is never deleted."),
    Guard("messages_not_truncated", "TRUNCATE ON messages", "", "A message is never deleted.", only="postgresql"),
    Guard(
        "messages_not_replaced",
        "INSERT ON messages",
        "EXISTS (SELECT 1 FROM messages WHERE id = NEW.id OR digest = NEW.digest)",
        "A message is never replaced, and the same bytes are one message.",
    ),
    Guard(
        "messages_as_they_came",
        "UPDATE ON messages",
        " OR ".join(f"NEW.{name} {{differs}} OLD.{name}" for name in _AS_IT_CAME),
        "A message stays as it came, in the place that it was given.",
    ),
)
