"""A process of its own: `child.py make|restore HOME URL DIR [AT TIMES]`.

`make` can write small files only, as on a full disk; `restore` kills itself when it tells AT for the so-manieth time.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

from caseproof.backup import Home, make_backup, restore_backup
from caseproof.evidence.vault import Vault
from caseproof.store import Store

LARGEST = 200_000


def make(home: Home, folder: Path) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST, LARGEST))
    make_backup(home, folder, now=datetime(2026, 11, 22, 3, 0, tzinfo=UTC))


def restore(home: Home, folder: Path, at: str, times: str) -> None:
    left = int(times)

    def progress(what: str, done: int, total: int) -> None:
        del done, total
        nonlocal left
        left -= what == at
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    restore_backup(home, folder, progress=progress)


if __name__ == "__main__":
    what, place, url, backup, *more = sys.argv[1:]
    mine = Path(place)
    parts = Home(Store(url), Vault(mine / "evidence"), mine / "proofs", mine / "policy.yaml")
    make(parts, Path(backup)) if what == "make" else restore(parts, Path(backup), *more)
