"""The shape of a message: what stays of it when everything that differs from run to run is taken out.

Two messages of one shape say the same; an operator's choice of a cause for one of them holds for the other. What is
taken out: what only carries a message (``facts.CARRIERS``), ids and times, addresses of the web and of mail, hosts,
paths, numbers, and quoted values that hold one of these. An HTTP code is no such number: ``401`` and ``503`` are two
messages.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from caseproof.checks.facts import answer_in, said_in, told_in

LONGEST = 400
"""How many characters a shape has at most: what is wrong stands at the beginning of a message."""

READ = 1000
"""So many characters of a message are read: what a case keeps of one that the daily check found."""

TAKEN = "\u2026"
"""What stands for all that was taken out."""

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_ENDINGS = (
    "com|net|org|info|biz|shop|store|cloud|app|dev|local|lan|internal|example|test|invalid|localhost"
    "|de|fr|uk|nl|ch|es|pl|se|dk|cz|pt|ca|au|jp|eu|io|ai|co"
)
_FILES = r"(?:py|js|ts|sh|rb|go|db|gz|md|so)\b"
"""What names of files end with, which are no hosts; a dotted name of a program has a longer end."""

_PARTS: Sequence[re.Pattern[str]] = tuple(
    re.compile(pattern)
    for pattern in (
        r"\b[a-z][a-z0-9+.-]{1,20}://[^\s\"'<>)\]}]+",  # addresses of the web, with all that is behind the host
        r"[\w.+%-]+@[\w-]+(?:\.[\w-]+)+",  # addresses of mail
        r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b|\[[0-9a-f:]*:[0-9a-f:]+\](?::\d+)?",  # hosts by their numbers
        rf"\b(?:{_LABEL}\.)+(?:{_ENDINGS})(?::\d+)?\b",  # hosts by their names
        rf"\b(?:{_LABEL}\.){{2,}}(?!{_FILES})[a-z]{{2}}(?::\d+)?\b",  # and those of any country
        r"\blocalhost(?::\d+)?\b",
        r"(?<![\w.])(?:/[\w.@%+~-]+){2,}/?",  # paths
        r"\b(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*,? (?=\d)",  # days in front of a date, and months in one
        r"(?<=\d )(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*(?= \d)",
        r"\b[\w-]*\d[\w-]{7,}\b|\b[\w-]{7,}\d[\w-]*\b",  # long tokens with a digit
        r"[-+]?\d+(?:[.,:/]\d+)*(?:e[-+]?\d+)?(?:ms|s|kb|mb|gb|%)?\b|\d+",
    )
)
_QUOTED = re.compile(r"'[^'\n]{0,80}'|\"[^\"\n]{0,80}\"|`[^`\n]{0,80}`")
_MANY = re.compile(rf"{TAKEN}(?:[\s,;:._/#-]*{TAKEN})+")
_LETTER = re.compile(r"[^\W\d_]{2}")


@dataclass(frozen=True, slots=True)
class Likeness:
    """Something that a message is like: what it is called, the cause that it stands for, and how like (0 to 1)."""

    name: str
    cause: str
    ratio: float


def shape_of(message: str) -> str:
    """The shape of a message; "" of one that says nothing but what is taken out. Always the same for the same."""
    text = said_in(told_in(message.strip()[:READ])).lower()
    answered = answer_in(text)
    kept = f"http {answered} " if answered else ""
    for part in _PARTS:
        text = part.sub(TAKEN, text)
    text = text.replace("...", TAKEN)
    text = _QUOTED.sub(lambda quoted: TAKEN if TAKEN in quoted[0] else quoted[0], text)
    text = " ".join(_MANY.sub(TAKEN, " ".join(text.split())).split())
    if not _LETTER.search(text):
        return ""
    return f"{kept}{text}"[:LONGEST].rstrip()


def key_of(shape: str) -> str:
    """The key of a shape (hex SHA-256); "" of none."""
    return hashlib.sha256(shape.encode()).hexdigest() if shape else ""


def nearest(shape: str, known: Iterable[tuple[str, str, Iterable[str]]], most: int = 3) -> list[Likeness]:
    """What a shape is most like, the nearest first: of ``known``, each a name, a cause and texts that hold its words.

    A word that few of them have tells much, one that many have tells little. Only what shares a good part of what the
    shape says is named: a likeness that is none leads a person astray.
    """
    here = [(name, cause, _words(" ".join(texts))) for name, cause, texts in known]
    had = Counter(word for _, _, words in here for word in words)
    wanted = _words(shape)
    found = []
    for name, cause, words in here:
        ratio = sum(1 / had[word] for word in wanted & words) / len(wanted) if wanted else 0.0
        if ratio >= LEAST:
            found.append(Likeness(name, cause, round(ratio, 2)))
    return sorted(found, key=lambda one: (-one.ratio, one.name))[:most]


LEAST = 0.05
"""How like something must be to be named."""
_SAY_NOTHING = frozenset(
    {
        *("and", "are", "been", "but", "can", "cannot", "could", "did", "does", "for", "from", "had", "has", "have"),
        *("into", "its", "not", "our", "that", "the", "their", "then", "there", "this", "was", "were", "when", "which"),
        *("while", "will", "with", "would", "you", "your", "http", "https", "error", "failed", "fails", "exception"),
    }
)


def _words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text.lower())) - _SAY_NOTHING


_WORD = re.compile(r"[^\W\d_]{3,30}")
