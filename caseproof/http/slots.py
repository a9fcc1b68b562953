"""How many questions to one system are under way at once, over all processes of an installation.

A slot is a file that whoever has it locks: the operating system gives it back when a process ends, however it ends.
"""

from __future__ import annotations

import fcntl
import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from caseproof.domain.errors import CaseproofError

PATIENCE_SECONDS = 120.0
_SHORTEST, _LONGEST = 0.005, 0.1


class Slots:
    """``count`` slots in a folder, which all that ask the same system share.

    ``down`` is the error where none becomes free within ``patience`` seconds; ``name`` is what people call the system.
    """

    def __init__(
        self,
        folder: Path,
        count: int,
        name: str,
        *,
        down: type[CaseproofError],
        patience: float = PATIENCE_SECONDS,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._files = [folder / f"slot-{number}" for number in range(1, count + 1)]
        self._name, self._down, self._patience, self._sleep = name, down, patience, sleep

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Have a slot while the block runs. Raises ``down`` where all are taken for long."""
        handle = self._wait()
        try:
            yield
        finally:
            os.close(handle)

    def _wait(self) -> int:
        until, pause = time.monotonic() + self._patience, _SHORTEST
        while (handle := self._free_or_down()) is None:
            if time.monotonic() > until:
                raise self._down(
                    f"All {len(self._files)} questions that {self._name} takes at once are under way, for long.",
                    "Try again later; see whether one of our processes hangs.",
                )
            self._sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - only spreads the looks
            pause = min(pause * 2, _LONGEST)
        return handle

    def _free_or_down(self) -> int | None:
        try:
            return self._free()
        except OSError as error:
            raise self._down(
                f"The turns at {self._name} cannot be kept in {self._files[0].parent}: {error.strerror}.",
                "Make it a folder that Caseproof may write to; then it is tried again.",
            ) from error

    def _free(self) -> int | None:
        self._files[0].parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for file in random.sample(self._files, len(self._files)):
            # Opened for each holder: so threads of one process keep each other out, too.
            handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(handle)
                continue
            except OSError:
                os.close(handle)
                raise
            return handle
        return None
