"""Whether two names mean one person. Who is on the team, the policy says (``decisions.require_member``)."""

from __future__ import annotations


def same_person(one: str, other: str) -> bool:
    """Whether two names from forms mean the same member: case and spacing do not matter."""
    return " ".join(one.split()).casefold() == " ".join(other.split()).casefold()
