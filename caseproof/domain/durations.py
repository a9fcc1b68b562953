"""How long things take: what is measured of a case, and how people read it."""

from __future__ import annotations

from datetime import timedelta

MEASURES = {
    "contain": "from the opening (or reopening) to the stop",
    "notify": "from the opening (or reopening) to the notice",
    "confirm": "from the notice to the retailer's first word",
    "close": "from the first opening to the closing that held",
}
"""What is measured. A reopened case is stopped, told and answered anew; its time to close runs on."""

TIMES = {
    "contain": "to stop the job",
    "notify": "to tell the retailer",
    "confirm": "to the retailer's word",
    "close": "to close the case",
}
"""What people read for each of ``MEASURES``."""


def in_two_units(span: timedelta) -> str:
    """A duration for people, in its two largest units: 40 s, 9 min 41 s, 5 h 10 min, 3 d 4 h."""
    seconds = round(span.total_seconds())
    for large, small, size, step in (("d", "h", 86_400, 3600), ("h", "min", 3600, 60), ("min", "s", 60, 1)):
        if seconds >= size:
            rest = seconds % size // step
            return f"{seconds // size} {large} {rest} {small}" if rest else f"{seconds // size} {large}"
    return f"{seconds} s"
