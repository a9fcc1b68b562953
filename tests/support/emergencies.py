"""What the events of an emergency say, by kind: for whatever procedure takes them in."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from caseproof.domain.specs import EventKind


def emergency_data(kinds: type[EventKind], at: datetime, evidence: str) -> dict[EventKind, dict[str, Any]]:
    """A payload that fits each; ``evidence`` is the digest of a file."""
    until = (at + timedelta(hours=1)).isoformat()
    raised = {
        "site": "shop.example.com", "criteria": [{"criterion": "store_down", "seen": "The page says 500."}],
        "since": at.isoformat(), "tried": "restarted it", "own_ladder": "used", "within_contract": True, "advice": [],
        "all_team": False,
    }  # fmt: skip
    said: dict[str, dict[str, Any]] = {
        "emergency_raised": raised,
        "probe_looked": {"evidence": evidence, "found": "home page: 500"},
        "page_begun": {"attempt": 1, "channel": "call", "until": until, "worker": "w", "person": "first", "round": 1},
        "page_ended": {"attempt": 1, "outcome": "no_answer", "detail": "rang out", "provider": "CA1"},
        "page_pressed": {"attempt": 1, "digit": "1", "means": "1"},
        "emergency_taken": {"via": "digit", "until": until, "attempt": 1},
        "taken_by_another": {"via": "link", "holder": "first"},
        "calling_again": {"why": "silence is over"},
        "whole_team_called": {"why": "pressed 3"},
        "nobody_to_call": {"why": "the list is empty"},
        "update_given": {"words": "The database is being restored."},
        "emergency_over": {"why": "the server was restarted"},
        "review_kept": {"evidence": evidence, "name": "review.md"},
        "recording_linked": {
            "recording": 1,
            "topic": "a full disk",
            "made_by": "meeting",
            "link": "ab" * 32,
            "is_file": False,
            "consent": [{"who": "first", "how": "said so"}],
            "listeners": ["PT"],
            "kept_until": "2027-11-27",
        },
        "recording_unlinked": {"recording": 1, "because": "time_is_over", "why": "its time is over"},
        "no_recording": {"because": "nobody pressed record"},
    }
    return {kinds(value): {"emergency": 1, **data} for value, data in said.items()}
