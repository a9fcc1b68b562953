"""What the database itself refuses since revision 0007: a choice of a cause that is deleted or becomes another."""

from __future__ import annotations

from caseproof.store.migrations.guards import Guard

_AS_CHOSEN = ("id", "shape", "words", "example", "cause", "corrects", "chosen_by", "chosen_at", "ref")

GUARDS: tuple[Guard, ...] = (
    Guard("chosen_causes_kept", "DELETE ON chosen_causes", "", "A choice is undone, never deleted."),
    Guard(
        "chosen_causes_not_truncated", "TRUNCATE ON chosen_causes", "", "A choice is undone, never deleted.",
        only="postgresql",
    ),
    Guard(
        "chosen_causes_not_replaced",
        "INSERT ON chosen_causes",
        "EXISTS (SELECT 1 FROM chosen_causes WHERE id = NEW.id OR (NEW.undone_at IS NULL AND undone_at IS NULL"
        " AND shape = NEW.shape))",
        "A choice is never replaced, and a message has one in force at a time.",
    ),
    Guard(
        "chosen_causes_as_chosen",
        "UPDATE ON chosen_causes",
        " OR ".join(f"NEW.{name} {{differs}} OLD.{name}" for name in _AS_CHOSEN),
        "A choice stays as it was made; another is made in its place.",
    ),
    Guard(
        "chosen_causes_undone_for_good",
        "UPDATE ON chosen_causes",
        "OLD.undone_at IS NOT NULL AND (NEW.undone_at IS NULL OR NEW.undone_by {differs} OLD.undone_by)",
        "A choice that was undone stays undone; another is made in its place.",
    ),
)  # fmt: skip
