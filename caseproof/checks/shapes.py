"""The shape of a message: what stays of it when everything that differs from run to run is taken out.

Two messages of one shape say the same; an operator's choice of a cause for one of them holds for the other. What is
taken out: what only carries a message (``facts.CARRIERS``), ids and times, addresses of the web and of mail, hosts,
paths, numbers, and quoted values that hold one of these. An HTTP code is no such number: ``401`` and ``503`` are two
messages.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from caseproof.checks.facts import answer_in, said_in, told_in

LONGEST = 400
"""How many characters a shape has at most: what is wrong stands at the beginning of a message."""

_TAKEN = "\u2026"
"""What stands for all that was taken out."""

_PARTS: Sequence[re.Pattern[str]] = tuple(
    re.compile(pattern)
    for pattern in (
        r"\b[a-z][a-z0-9+.-]{1,20}://[^\s\"'<>)\]}]+",  # addresses of the web, with all that is behind the host
        r"[\w.+%-]+@[\w-]+(?:\.[\w-]+)+",  # addresses of mail
        r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b|\[[0-9a-f:]*:[0-9a-f:]+\](?::\d+)?",  # hosts by their numbers
        r"\b(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?\.)+(?:com|net|org|io|de|eu|local|internal|example|test|invalid|localhost)(?::\d+)?\b",
        r"\blocalhost(?::\d+)?\b",
        r"(?<![\w.])(?:/[\w.@%+~-]+){2,}/?",  # paths
        r"\b(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*,? (?=\d|\u2026)|(?<=\d )(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*(?= \d)",
        r"\b[\w-]*\d[\w-]{7,}\b|\b[\w-]{7,}\d[\w-]*\b",  # long tokens with a digit
        r"[-+]?\d+(?:[.,:/]\d+)*(?:e[-+]?\d+)?(?:ms|s|kb|mb|gb|%)?\b|\d+",
    )
)
_QUOTED = re.compile(r"'[^'\n]{0,80}'|\"[^\"\n]{0,80}\"|`[^`\n]{0,80}`")
_MANY = re.compile(rf"{_TAKEN}(?:[\s,;:._/#-]*{_TAKEN})+")
_LETTER = re.compile(r"[^\W\d_]{2}")


@dataclass(frozen=True, slots=True)
class Likeness:
    """Something that a message is like: what it is called, the cause that it stands for, and how like (0 to 1)."""

    name: str
    cause: str
    ratio: float


def shape_of(message: str) -> str:
    """The shape of a message; "" of one that says nothing but what is taken out. Always the same for the same."""
    text = said_in(told_in(message)).lower()
    answered = answer_in(text)
    kept = f"http {answered} " if answered else ""
    for part in _PARTS:
        text = part.sub(_TAKEN, text)
    text = text.replace("...", _TAKEN)
    text = _QUOTED.sub(lambda quoted: _TAKEN if _TAKEN in quoted[0] else quoted[0], text)
    text = " ".join(_MANY.sub(_TAKEN, " ".join(text.split())).split())
    if not _LETTER.search(text):
        return ""
    return f"{kept}{text}"[:LONGEST].rstrip()


def key_of(shape: str) -> str:
    """The key of a shape (hex SHA-256); "" of none."""
    return hashlib.sha256(shape.encode()).hexdigest() if shape else ""


def nearest(shape: str, known: Iterable[tuple[str, str, Iterable[str]]], most: int = 3) -> list[Likeness]:
    """What a shape is most like, the nearest first: of ``known``, each a name, a cause and examples of its words.

    Only what shares a good part of its words is named: a likeness that is none leads a person astray.
    """
    wanted = _words(shape)
    found = []
    for name, cause, examples in known:
        ratio = max((_ratio(wanted, _words(one)) for one in examples), default=0.0)
        if ratio >= LEAST:
            found.append(Likeness(name, cause, round(ratio, 2)))
    return sorted(found, key=lambda one: (-one.ratio, one.name))[:most]


LEAST = 0.2
"""How like something must be to be named."""
MOST_WORDS = 80
"""So many words of each are compared: the comparison takes their square."""


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W\d_]{3,}", text[: 4 * LONGEST].lower())[:MOST_WORDS]


def _ratio(wanted: Sequence[str], here: Sequence[str]) -> float:
    if not wanted or not here:
        return 0.0
    alike = SequenceMatcher(None, wanted, here, autojunk=False).ratio()
    held = len(set(wanted) & set(here)) / len(set(here)) * 0.6  # few words of a signature, all of them in the message
    return max(alike, held)
