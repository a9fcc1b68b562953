"""How mail programs and automatic replies speak in many languages: `mail_habits.yaml`, a section a language."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import yaml

_FILE = Path(__file__).with_name("mail_habits.yaml")


@cache
def _sections() -> dict[str, dict[str, list[str]]]:
    text = re.sub(r"\|\n\s+", "|", _FILE.read_text("utf-8"))
    sections: dict[str, dict[str, list[str]]] = yaml.load(text, yaml.CSafeLoader)
    return sections


def habits(kind: str) -> tuple[str, ...]:
    """What all languages have of a kind (``automatic``, ``wrote``, ...), the longest first."""
    found = {text for section in _sections().values() for text in section.get(kind, ())}
    return tuple(sorted(found, key=lambda text: (-len(text), text)))


def any_of(kind: str, *, verbatim: bool = True) -> str:
    """The same as alternatives of a regular expression; ``verbatim``: they are words, else expressions."""
    return "|".join(re.escape(text) if verbatim else text for text in habits(kind))
