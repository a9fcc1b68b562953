"""The rules of escalation by their numbers, a short sentence each: what E4 means, wherever people read it."""

from __future__ import annotations

from collections.abc import Mapping

RULES: Mapping[str, str] = {
    "E1": "L1 takes the first call or ticket, and hands over to L2 when it cannot solve it.",
    "E2": "L2 works with the documentation of the product, and may ask PT for help while L2 still owns the case.",
    "E3": "PT answers with suggestions or questions; L2 tries them, says what happened, and asks PT for further steps.",
    "E4": "PT takes a case only when L2's best efforts are exhausted and every earlier point of escalation is met.",
    "E5": "If a code change is needed, PT, and only PT, raises a ticket for the development team.",
    "E6": "Three exceptions reach a higher tier directly: a technician who is named for the same issue, a technician "
    "who asked, and an implementation or new-site request.",
}
"""What must hold on the ladder. E7 to E12 are about emergencies."""
