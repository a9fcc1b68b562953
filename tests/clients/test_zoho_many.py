"""Many cases mirrored to Zoho Desk while it breaks, loses answers and lags: none twice, none missing, and never more
calls at once than it takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.zoho import FIELD
from sandbox.zoho_many import AT_ONCE, MOST_TRIES, mirrored


@pytest.mark.parametrize("cases", [40, pytest.param(1000, marks=pytest.mark.full)])
def test_cases_are_mirrored_once_each_though_answers_break_and_get_lost(tmp_path: Path, cases: int) -> None:
    with mirrored(tmp_path, cases) as done:
        zoho = done.zoho
        assert max(done.tries) < MOST_TRIES, "each of them came to its end"
        assert sorted(str(one.fields[FIELD]) for one in zoho.tickets.values()) == done.refs, "none twice, none missing"
        assert {len(one.comments) for one in zoho.tickets.values()} == {1}
        assert {one.status for one in zoho.tickets.values()} == {"Closed"}
        assert (zoho.too_many, len(zoho.refreshes)) == (0, 1)
        assert zoho.most_at_once <= AT_ONCE
