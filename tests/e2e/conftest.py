"""The world of the end-to-end tests of a file. It ends with its file: Prefect's servers are busy also when nobody asks
them anything.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.starting import small_world
from sandbox.world import World


def _quietly(_: str) -> None:
    """pytest shows what it needs; the world's progress is for people."""


# Short waits between tries: what is tested is that a case says so and goes on, not how patient it is.
PATIENCE = {"CASEPROOF_RETRY_DELAYS": "[1, 2]"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, full_run: bool) -> Iterator[World]:
    """Caseproof on one Prefect server; the customers' jobs on the same, in the full run on another.

    (In the short run it is test_up.py that has them elsewhere.)
    Nothing runs by itself: a keeper would give another run to a case whose run a test has just killed.
    """
    home = tmp_path_factory.mktemp("world")
    with small_world(home, _quietly, jobs_elsewhere=full_run, by_itself=False, env=PATIENCE) as running:
        yield running
