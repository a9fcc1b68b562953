"""The mark at the end of a comment by which its desk, which takes no idempotency key, is asked for it again."""

from __future__ import annotations

import hashlib
import re

_MARK = re.compile(r"\[Caseproof [0-9a-f]{12}\]\Z")


def mark_of(key: str) -> str:
    """How a comment ends that was made under this key."""
    return f"[Caseproof {hashlib.sha256(key.encode()).hexdigest()[:12]}]"


def marked(text: str, key: str, longest: int) -> str:
    """A comment with its mark, cut to so many characters in all."""
    mark = mark_of(key)
    room = longest - len(mark) - 2
    return f"{text if len(text) <= room else f'{text[: room - 1]}…'}\n\n{mark}"


def is_marked(text: str) -> bool:
    """Whether a comment ends as ours do."""
    return _MARK.search(text.rstrip()) is not None
