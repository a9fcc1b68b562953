"""The one filter between what we say and a terminal: nothing from outside acts there (``domain.visible``).

Everything printed by a command goes through ``HouseConsole``, which filters what it is given before it measures it and
adds colours of its own. What does not (tracebacks, the words of libraries, usage errors) goes through the streams that
``guard_streams`` puts in place, and has no colours.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable
from typing import IO, Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.markup import escape
from rich.measure import Measurement
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from caseproof.domain.visible import UNSEEN, one_line, visible, without_sequences

_WITHOUT_A_TERMINAL = 160
"""How many letters a line may have where nobody said how wide it is: a pipe, a file, a log of CI."""
_ENDLESS = 1_000_000
_HARMFUL_IN_JSON = re.compile(f"[\x7f-\x9f\u2028\u2029\ud800-\udfff{UNSEEN}]")


class HouseConsole(Console):
    """A console that shows names as they are: no escape codes, no markup of theirs beyond ``safe``, no emoji codes."""

    def __init__(self, *, stderr: bool = False, file: IO[str] | None = None) -> None:
        super().__init__(stderr=stderr, file=file, emoji=False)

    def print(self, *objects: Any, **how: Any) -> None:
        """Print; a table that goes to no terminal is as wide as it has to be so that no word of it is broken."""
        if self.is_terminal or not any(isinstance(one, Table) for one in objects):
            super().print(*objects, **how)
            return
        told = self._width
        try:
            wide = self.width if told or "COLUMNS" in os.environ else _WITHOUT_A_TERMINAL
            endless = self.options.update(max_width=_ENDLESS)
            least = [Measurement.get(self, endless, one).minimum for one in objects if isinstance(one, Table)]
            self.width = max(wide, *least)
            super().print(*objects, **how)
        finally:
            self._width = told

    @property
    def file(self) -> IO[str]:
        """Where it writes: past the guard of the streams, for what it writes is filtered and has colours."""
        stream: IO[str] = Console.file.fget(self)  # type: ignore[attr-defined]
        return getattr(stream, "unguarded", stream)

    @file.setter
    def file(self, new: IO[str]) -> None:
        Console.file.fset(self, new)  # type: ignore[attr-defined]

    def render_str(self, text: str, **how: Any) -> Text:
        """Filtered before it is measured, so that tables stay straight."""
        return super().render_str(visible(text), **how)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Filtered whatever it was made of; what moves the cursor for rich itself passes."""
        for segment in super().render(renderable, options):
            text = segment.text
            yield segment if segment.control or text == (seen := visible(text)) else segment._replace(text=seen)


class HouseTable(Table):
    """A table in which a cell from outside stays one line of its own."""

    def add_row(self, *cells: RenderableType | None, **how: Any) -> None:
        """Text cells on one line each; they may hold markup."""
        super().add_row(*(one_line(cell) if isinstance(cell, str) else cell for cell in cells), **how)


def safe(text: object) -> str:
    """Text from outside, on one line and without markup, for a sentence or a cell."""
    return escape(one_line(text))


def safe_in_lines(text: str) -> str:
    """Text of several lines, without markup; no line but the first begins where a line of ours would."""
    return escape("\n  ".join(visible(text).rstrip().split("\n")))


def json_text(what: Any, encoding: str | None = None) -> str:
    """JSON that says exactly this, in letters that the encoding has; what would act on a terminal is escaped in it."""
    text = json.dumps(what, indent=2, ensure_ascii=False, default=str)
    text = _HARMFUL_IN_JSON.sub(lambda found: json.dumps(found[0])[1:-1], text)
    try:
        text.encode(encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return json.dumps(what, indent=2, default=str)
    return text


class GuardedStream:
    """A stream of text on which nothing acts; everything else is the stream's own."""

    def __init__(self, stream: IO[str]) -> None:
        self.unguarded = stream

    def write(self, text: str) -> int:
        """Write what can be seen of it; says that all was written."""
        self.unguarded.write(visible(without_sequences(text)))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write each."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.unguarded, name)


def guard_streams() -> None:
    """Guard this process's output and errors, whoever writes there; a letter that the terminal has not is escaped."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None or isinstance(stream, GuardedStream):
            continue
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
        setattr(sys, name, GuardedStream(stream))
