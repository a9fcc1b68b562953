"""The rules of an emergency by their numbers, a short sentence each: what E8 means, wherever people read it."""

from __future__ import annotations

from collections.abc import Mapping

RULES: Mapping[str, str] = {
    "E7": "An emergency: no food can be ordered or paid, most terminals fail, staff cannot use the site, or the web "
    "ECM is down; and support could not solve it within a few minutes.",
    "E8": "In an emergency mail, a Teams message and telephone calls go out at once, all three.",
    "E9": "The caller's own ladder comes first: it is asked, advised and recorded, and never blocks; a case comes "
    "before any call.",
    "E10": "The list of whom to call knows time zones, extensions, mobiles and Teams; after hours a calendar says "
    "whom.",
    "E11": "Calls are made within the client's contract; outside of it the caller decides, and is advised.",
    "E12": "Afterwards the ticket is on the desk, support and PT work on it together, and the session is kept for "
    "training.",
}
"""What must hold in an emergency of any procedure's case."""
