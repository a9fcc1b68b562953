"""A file that is written in one piece or not at all, whoever else writes or reads it at the same time."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def put_whole(path: Path, content: bytes) -> None:
    """Have this content in the file, for its owner alone: whoever reads meanwhile gets what was there before.

    Also when the power goes, and where threads and processes write it at once: one of them is last. Raises OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    half = path.with_name(f"{path.name}.{secrets.token_hex(8)}")  # a process has more than one thread that writes
    try:
        with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        half.replace(path)
    except OSError:
        half.unlink(missing_ok=True)
        raise
