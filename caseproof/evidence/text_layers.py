"""A text as it is meant to be read, and where each of its bytes stands in the text as it was written."""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from collections.abc import Callable


class Layer:
    """A text with some pieces replaced by a byte, or left out; knows where each byte came from."""

    def __init__(self, text: bytes, pattern: re.Pattern[bytes], meant: Callable[[re.Match[bytes]], bytes | None]):
        kept: list[bytes] = []
        self._here, self._there, self._until = array("Q", [0]), array("Q", [0]), array("Q", [0])
        length = last = 0
        for match in pattern.finditer(text):
            new = meant(match)
            if new is None:
                continue
            if match.start() > last:  # else nothing stands between two that are replaced
                self._note(length, last, 0)
                kept.append(text[last : match.start()])
                length += match.start() - last
            if new:
                self._note(length, match.start(), match.end())
                kept.append(new)
                length += 1
            last = match.end()
        self._note(length, last, 0)
        self.changes = last > 0
        self.text = b"".join([*kept, text[last:]]) if self.changes else text

    def _note(self, here: int, there: int, until: int) -> None:
        self._here.append(here)
        self._there.append(there)
        self._until.append(until)

    def start(self, at: int) -> int:
        """Where the byte at this place began."""
        piece = bisect_right(self._here, at) - 1
        return self._there[piece] + at - self._here[piece]

    def end(self, at: int) -> int:
        """Where the byte before this place ended."""
        piece = bisect_right(self._here, at - 1) - 1
        return self._until[piece] or self._there[piece] + at - self._here[piece]
