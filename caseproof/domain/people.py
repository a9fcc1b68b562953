"""Whether two names mean one person. Who is on the team, the policy says (``decisions.require_member``)."""

from __future__ import annotations

import unicodedata


def folded(name: str) -> str:
    """A name as names are compared: case, spacing and how its accents are written do not matter."""
    return " ".join(unicodedata.normalize("NFC", name).split()).casefold()


def same_person(one: str, other: str) -> bool:
    """Whether two names from forms mean the same member."""
    return folded(one) == folded(other)
