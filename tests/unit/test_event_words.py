"""What an event says to people: no moment as a machine writes it."""

from __future__ import annotations

import pytest

from caseproof.procedure.core.sentences import moment


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
