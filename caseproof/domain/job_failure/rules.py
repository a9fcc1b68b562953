"""The rules of the procedure by their numbers, a short sentence each: what J8 means, wherever people read it."""

from __future__ import annotations

from collections.abc import Mapping

RULES: Mapping[str, str] = {
    "J1": "A case starts from the daily check, or from a ticket that a person raised.",
    "J2": "Stop first: before anything else the job is kept from failing again.",
    "J3": "What cannot be stopped from our side says so, and why, and who can.",
    "J4": "What is stopped is no new failure: tomorrow's check does not report it again.",
    "J5": "Then the retailer is told: what is wrong, what they must do, and what comes next.",
    "J6": "Then the account is settled: live again after corrective action, or paused until the matter is resolved.",
    "J7": "A case closes when we verified technically that it is solved, with a picture of the successful run.",
    "J8": "Or it closes when the retailer confirmed in writing and the change was looked at in the system, with the "
    "same picture.",
    "J9": "Typical for J8: the retailer wants the integration out, or says that they made the change we asked for.",
    "J10": "A successful run is confirmed before the case closes.",
    "J11": "Expecting it to work verifies nothing, nor does the retailer saying so: an assumption closes no case.",
}
"""What must hold, by the number that forms, pages and proofs name."""
