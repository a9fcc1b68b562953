"""A world for the end-to-end tests of a file: Caseproof on one Prefect server, the customers' jobs on another.

It ends with its file: Prefect's servers are busy also when nobody asks them anything.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.world import World, small_world


def _quietly(_: str) -> None:
    """pytest shows what it needs; the world's progress is for people."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    home = tmp_path_factory.mktemp("world")
    # Short waits between tries: what is tested is that a case says so and goes on, not how patient it is.
    patience = {"CASEPROOF_RETRY_DELAYS": "[1, 2]"}
    # Nothing runs by itself: a keeper would give another run to a case whose run a test has just killed.
    with small_world(home, _quietly, jobs_elsewhere=True, by_itself=False, env=patience) as running:
        yield running
