"""Takes secrets out of text that comes from outside: a job's error message, a page, an answer of another system.

It is called where such text enters (``platforms.base``, ``evidence.masking``, ``HttpApi``), so that nothing behind has
to think of it.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from caseproof.domain.errors import CaseproofError
from caseproof.http.secret_names import any_of
from caseproof.http.secret_shapes import HIDDEN, IN_ADDRESS, RULES

__all__ = ["HIDDEN", "WordsOfOthers", "redact", "redact_address", "secrets_in", "without_secrets"]

LONGEST = 200_000
"""So many characters of a text are kept when it enters: its beginning and its end."""

_UNSEEN = re.compile("[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
_WIDE = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {
    0x3000: 0x20,
    0xFE55: 0x3A,
    0xFE66: 0x3D,
    0x02D0: 0x3A,
}
_IS_WIDE = re.compile("[\uff01-\uff5e\u3000\ufe55\ufe66\u02d0]")
_PLAIN = re.compile(r"(?:[A-Za-z]{1,16}-){0,2}[A-Za-z]{1,16}|[\w.-]{0,11}")
"""What holds no secret, for sure: a word or three, as runs are called, of which a check reads many."""
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_RUN = re.compile(r"(?<![\w+/=.-])[A-Za-z0-9/+]{40}(?![\w/+=.-])|[\w+-]{12,}={0,2}")
_PIECE = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|\d+")
_LEAST = 24
_SHORT_PIECES = 2.6
_PAIR = re.compile(r"[\x21-\x39\x3b-\x7e]{1,100}:[\x20-\x7e]{1,200}")


def redact(text: str) -> str:
    """``text`` with tokens, passwords, keys and signatures replaced by "[hidden]".

    It would rather hide too much than too little; ids of runs (UUIDs) and plain addresses stay readable. What nobody
    sees (zero width) and letters of another width hide nothing.
    """
    if _PLAIN.fullmatch(text):
        return text
    if text.isascii() or not (_UNSEEN.search(text) or _IS_WIDE.search(text)):
        return _hide(text)
    seen = _UNSEEN.sub("", text).translate(_WIDE)
    hidden = _hide(seen)
    return _hide(text) if hidden == seen else hidden


def without_secrets(text: str) -> str:
    """A text as it enters: redacted, without NUL (no store takes it), and of one that is very long both ends.

    It is cut at lines, and redacted before: a cut must not make half a secret of one.
    """
    if len(text) > 2 * LONGEST:  # so much is never looked at whole
        text = f"{text[:LONGEST]}\n{text[-LONGEST:].partition(chr(10))[2]}"
    hidden = _cached(text) if len(text) <= _WORTH_KEEPING else redact(text)
    hidden = hidden.replace("\0", "\ufffd")
    if len(hidden) <= LONGEST:
        return hidden
    return f"{hidden[: LONGEST // 2]}\n\u2026\n{hidden[-LONGEST // 2 :]}"


_WORTH_KEEPING = 2_000
_cached = lru_cache(maxsize=2_000)(redact)
"""A check reads the same message from hundreds of runs."""


def redact_address(url: str) -> str:
    """An address that people open, without its user, password and secret values of its query; its path stays."""
    if "@" not in url and "=" not in url:
        return url
    for rule in IN_ADDRESS:
        url = rule.pattern.sub(rule.instead, url)
    return url


def secrets_in(text: str, stays: Sequence[str] = ()) -> tuple[str, list[tuple[str, str]]]:
    """A text as it enters, and what was taken out of it, each with up to 20 characters in front of it.

    The names in ``stays`` are no secrets where they stand alone: an id of a run may look like a key, and it is what the
    page of the run is known by.
    """
    names = sorted({name for name in stays if name}, key=len, reverse=True)
    marks = {name: f"\ue000{number}\ue001" for number, name in enumerate(names)}
    text = _UNSEEN.sub("", text)
    if _IS_WIDE.search(text) and HIDDEN in redact(text):
        text = text.translate(_WIDE)
    marked = text
    for name, mark in marks.items():
        marked = re.sub(rf"(?<![\w-]){re.escape(name)}(?![\w-])", mark, marked)
    told = without_secrets(marked)

    def shown(said: str) -> str:
        for name, mark in marks.items():
            said = said.replace(mark, name)
        return said

    taken = [
        (shown(marked[max(0, start - 20) : start]), shown(marked[start:end])) for start, end in _gaps(marked, told)
    ]
    return shown(told), [pair for pair in taken if pair[1].strip()]


def _gaps(text: str, redacted: str) -> Iterator[tuple[int, int]]:
    """Where in a text stands what was taken out of it."""
    first, *parts = redacted.split(HIDDEN)
    at = len(first)
    for left, part in enumerate(parts, 1 - len(parts)):
        found = (
            (text.rfind(part, at) if left == 0 else text.find(part, at)) if part else (len(text) if left == 0 else at)
        )
        if found < 0:  # the end of a text that was cut
            found = len(text)
        yield at, found
        at = found + len(part)


class WordsOfOthers(CaseproofError):
    """An error that may repeat what another system said: its words are without secrets from the start."""

    def __init__(self, problem: str, next_action: str = "") -> None:
        super().__init__(redact(problem), redact(next_action))


_WORDS = tuple(sorted({word for rule in RULES for word in rule.needs}))
_NEEDED = re.compile(any_of(_WORDS))


@lru_cache(maxsize=2_000)
def _rules_for(words: tuple[str, ...]) -> tuple[tuple[re.Pattern[str], str], ...]:
    """What is looked for, and put in its place, in a text which has these of the words that rules need."""
    return tuple(
        (rule.pattern, rule.instead) for rule in RULES if not rule.needs or not set(words).isdisjoint(rule.needs)
    )


def _hide(text: str) -> str:
    small = text.lower()
    # Most texts have none of the words that rules need; a name of each run is looked at, and a check reads very many.
    words = tuple(word for word in _WORDS if word in small) if _NEEDED.search(small) else ()
    for pattern, instead in _rules_for(words):
        text = pattern.sub(instead, text)
    return _RUN.sub(_hide_random, text)


def _hide_random(match: re.Match[str]) -> str:
    """Long runs that mix capitals, small letters and digits as no words do, and base64 of ``user:password``."""
    run = match.group()
    if run.islower() or run.isupper() or run.isdigit():
        return run
    if _is_a_pair(run):
        return HIDDEN
    rest = _UUID.sub("", run)
    mixed = any(c.isupper() for c in rest) and any(c.islower() for c in rest) and any(c.isdigit() for c in rest)
    if not mixed or len(rest) < _LEAST:
        return run
    pieces = _PIECE.findall(rest)
    return HIDDEN if sum(map(len, pieces)) / len(pieces) <= _SHORT_PIECES else run


def _is_a_pair(run: str) -> bool:
    body = run.rstrip("=")
    if not body.isascii() or "_" in body or "-" in body or len(body) % 4 == 1:
        return False
    try:
        said = base64.b64decode(f"{body}{'=' * (-len(body) % 4)}", validate=True).decode("ascii")
    except (binascii.Error, UnicodeDecodeError):
        return False
    return _PAIR.fullmatch(said) is not None
