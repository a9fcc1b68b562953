"""What an event says to people: no moment as a machine writes it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from caseproof.domain.events import Event
from caseproof.domain.support.kinds import Kind
from caseproof.procedure.core.sentences import moment, whole_sentence


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2026-11-30T00:23:50.476250+00:00", "2026-11-30 00:23 UTC"),
        ("2026-11-30T01:23:50+01:00", "2026-11-30 00:23 UTC"),
        ("2026-11-30T00:23:50Z", "2026-11-30 00:23 UTC"),
        ("2026-11-30", "2026-11-30"),
        ("2026-13-30T00:23:50Z", "2026-13-30T00:23:50Z"),
        ("2026-11-30T00:23", "2026-11-30T00:23"),
        ("It said 2026-11-30T00:23:50Z and went on", "It said 2026-11-30T00:23:50Z and went on"),
    ],
)
def test_amoment_reads_as_people_write_it_and_what_people_wrote_stays(written: str, read: str) -> None:
    assert moment(written) == read


@pytest.mark.parametrize(
    ("kind", "data", "read"),
    [
        (Kind.PAGE_ENDED, {"attempt": 3, "outcome": "no_answer"}, "Try 3: no answer"),
        (
            Kind.EMERGENCY_TAKEN, {"until": "2026-11-30T00:23:50.476250+00:00", "via": "link"},
            "Somebody has it, until 2026-11-30 00:23 UTC (link)",
        ),
        (
            Kind.PT_ANSWERED, {"suggestions": ["Read the log", "Restart it"], "questions": ["Which version?"]},
            "PT answered L2. To try: Read the log; Restart it. To answer: Which version?",
        ),
        (
            Kind.PT_ANSWERED, {"suggestions": [], "questions": ["Which version?"]},
            "PT answered L2. To answer: Which version?",
        ),
        (
            Kind.TRIED, {"tier": "L1", "step": "Emptied the cache", "outcome": "nothing changed", "seen": "error 109"},
            "L1 tried: Emptied the cache; nothing changed: error 109",
        ),
    ],
)  # fmt: skip
def test_what_happened_reads_as_a_person_would_say_it(kind: Kind, data: dict[str, Any], read: str) -> None:
    said = dict.fromkeys(kind.spec.required, "") | data
    assert whole_sentence(Event(kind, datetime(2026, 11, 30, tzinfo=UTC), "caseproof", said)).strip() == read
