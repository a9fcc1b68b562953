"""The mark at the end of a comment by which its desk, which takes no idempotency key, is asked for it again, and texts
that are cut to what a desk takes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable

_MARK = re.compile(r"\[Caseproof [0-9a-f]{12}\]\Z")


def mark_of(key: str) -> str:
    """How a comment ends that was made under this key."""
    return f"[Caseproof {hashlib.sha256(key.encode()).hexdigest()[:12]}]"


def units(text: str) -> int:
    """How long a text is to a vendor who counts as JavaScript and Java do: an emoji is two."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def cut(text: str, longest: int, size: Callable[[str], int] = units, end: str = "") -> str:
    """The text with this end, or as much of its beginning as fits, with "…" behind it: between two characters.

    ``size`` says how much it is to the desk, as it is sent.
    """
    if size(text + end) <= longest:
        return text + end
    fits, too_long = 0, len(text)
    while too_long - fits > 1:
        middle = (fits + too_long) // 2
        if size(f"{text[:middle]}…{end}") <= longest:
            fits = middle
        else:
            too_long = middle
    return f"{text[:fits]}…{end}"


def marked(text: str, key: str, longest: int, size: Callable[[str], int] = units) -> str:
    """A comment with its mark, cut to so much in all, as ``size`` counts."""
    return cut(text, longest, size, f"\n\n{mark_of(key)}")


def unmarked(text: str) -> str:
    """A comment without its mark."""
    return _MARK.sub("", text.rstrip()).rstrip()


def is_marked(text: str) -> bool:
    """Whether a comment ends as ours do."""
    return _MARK.search(text.rstrip()) is not None
