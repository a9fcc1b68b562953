"""A check that is killed again and again while it stops jobs, on a platform that counts what was done to it."""

from __future__ import annotations

import os
import random
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from caseproof.config.policy import BUILT_IN
from caseproof.config.settings import Settings
from caseproof.domain.job_failure.kinds import Kind
from caseproof.store import Store
from sandbox.farm import farm_of, start_farm

ROOT = Path(__file__).parents[2]
LONGEST = 1.0
"""Seconds after its plan that a check lives at most: some die before the first stop, some while they write it down."""


CHECK = """
check:
  pace: {at_once: 12, per_second: 10000}
  signatures: [{name: it failed, cause: unknown, says: [.], failures: 1}]
"""


class Checks:
    """Starts checks of one farm, one after another."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._said = b""

    def start(self) -> int:
        """Start a check and wait until it is about to stop jobs: its process."""
        self._process.stdin.write(b"go\n")
        self._process.stdin.flush()
        child = int(self.hears("started").split()[1])
        assert self.hears("begins", "failed").startswith("begins")
        return child

    def hears(self, *beginnings: str, seconds: float = 120) -> str:
        """The next line, which begins with one of these."""
        line = self.heard(seconds)
        assert line is not None, "nothing was said"
        assert line.startswith(beginnings), line
        return line

    def heard(self, seconds: float) -> str | None:
        """The next line; None where none comes in time."""
        until = time.monotonic() + seconds
        while b"\n" not in self._said:
            left = until - time.monotonic()
            if left <= 0 or not select.select([self._process.stdout], [], [], left)[0]:
                return None
            piece = os.read(self._process.stdout.fileno(), 4096)
            assert piece, "the process that starts checks is gone"
            self._said += piece
        line, _, self._said = self._said.partition(b"\n")
        return line.decode()


@contextmanager
def checks_of(home: Path, url: str) -> Iterator[Checks]:
    command = [sys.executable, str(ROOT / "tests" / "support" / "check_child.py"), str(home), url]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CASEPROOF_")}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment | {"PYTHONPATH": str(ROOT)}, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        try:
            yield Checks(process)
        finally:
            process.stdin.close()
            process.wait(60)


@pytest.mark.full
@pytest.mark.timeout(1200)
def test_a_check_killed_again_and_again_stops_every_job_once_and_loses_no_case(tmp_path: Path) -> None:
    jobs, kills = 500, 20
    home = tmp_path / "home"
    home.mkdir()
    (home / "policy.yaml").write_text(BUILT_IN.read_text().split("\ncheck:")[0] + CHECK)
    seed = random.SystemRandom().randrange(10**6)
    sys.stdout.write(f"the moments come from the seed {seed}\n")
    moments = random.Random(seed)
    with start_farm(tmp_path / "farm", farm_of(jobs, failing=jobs, runs=1, planned=1), latency_ms=20) as farm:
        with checks_of(home, farm.api_url) as checks:
            for _ in range(kills):
                child = checks.start()
                assert checks.heard(moments.uniform(0, LONGEST)) is None, "it was to be killed while it works"
                os.kill(child, signal.SIGKILL)
                checks.hears(f"ended {-signal.SIGKILL}")
            checks.start()
            assert checks.hears("done", "failed") == "done"
            checks.hears("ended 0")
        counted = farm.jobs()
    store = Store(Settings(home=home).database)
    with store.reading() as uow:
        rows = uow.cases.rows()
        cases = uow.bulk.cases(row.ref for row in rows)
        assert uow.cases.damaged() == []
    store.close()
    assert {(job["stops"], job["resumes"], job["paused"]) for job in counted.values()} == {(1, 0, True)}
    assert {job["unfinished"] for job in counted.values()} == {0}
    assert sorted(row.job for row in rows) == sorted(counted)
    assert {tuple(event.kind for event in case.events) for case in cases.values()} == {(Kind.OPENED, Kind.STOPPED)}
    assert all(case.stopped_jobs[0]["was_active"] for case in cases.values())
