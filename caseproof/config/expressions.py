"""The policy's regular expressions: which are taken, and how long each may look at a message.

Python's own ``re`` takes as long as it takes, which may be years; a match of ``regex`` can be given a time.
"""

from __future__ import annotations

import re
from functools import lru_cache

import regex

LONGEST_EXPRESSION = 1000
"""Characters."""

MATCH_SECONDS = 0.2
"""How long an expression may look at one message, in seconds of the processor; most take some millionths."""

_TRIED_ON = 500  # characters: what takes the square of the length is quick enough there, and is let pass


@lru_cache(maxsize=2000)  # a policy holds five hundred, and is read again and again
def refuse_expression(pattern: str) -> None:
    """Raise ValueError for what is no regular expression, or one that would fit everything, nothing, or never end."""
    shown = _shown(pattern)
    if any(ord(letter) < 32 for letter in pattern):
        raise ValueError("an expression holds a control character; in YAML, write expressions in 'single quotes'")
    if len(pattern) > LONGEST_EXPRESSION:
        raise ValueError(f"'{shown}' is longer than {LONGEST_EXPRESSION} characters; write several expressions")
    try:
        compiled = re.compile(pattern, re.IGNORECASE)
        regex.compile(pattern, regex.IGNORECASE)
    except (re.error, regex.error, OverflowError, RecursionError, MemoryError) as error:
        raise ValueError(f"'{shown}' is no regular expression ({error})") from error
    if re.search(r"(?<!\\)\{(?![\d,])", re.sub(r"\\\\", "", pattern)):
        raise ValueError(f"'{shown}' holds a {{ that repeats nothing; write \\{{ for the letter")
    if compiled.search(""):
        raise ValueError(f"'{shown}' fits an empty message, so it would fit every message; say more")
    if _repeats_a_repetition(pattern):
        raise ValueError(f"'{shown}' repeats a repetition, which can take forever on a long message; write it flat")


def refuse_endless(pattern: str) -> None:
    """Raise ValueError for an expression that runs out of its time on a message that is made for it.

    The messages repeat what the expression speaks of, and then do not end as it wants. Not every bad one is found so;
    the others are stopped when they meet their message.
    """
    plain = re.sub(r"\\[wWsSdDbBAZ]|\(\?[:>=!<a-zA-Z]*|[()\[\]{}|?*+^$\\]", "", pattern).lower()
    letters = dict.fromkeys([*"a1 .-_/\n", *plain])
    begin = re.split(r"[()\[\]{}|?*+^$\\.]", pattern.lower(), maxsplit=1)[0]
    repeated = [(one * _TRIED_ON)[:_TRIED_ON] for one in [*letters, plain] if one]
    messages = [f"{begin}{one}\x01{plain}" for one in repeated]
    compiled = regex.compile(pattern, regex.IGNORECASE)
    try:
        for message in messages:
            compiled.search(message, timeout=MATCH_SECONDS)
    except (TimeoutError, MemoryError):
        raise ValueError(
            f"'{_shown(pattern)}' takes longer than {MATCH_SECONDS:g} seconds on a message that is made for it; write "
            "it flat, without repetitions that can share their letters"
        ) from None


def _shown(pattern: str) -> str:
    return pattern if len(pattern) <= 80 else f"{pattern[:77]}..."


def _repeats_a_repetition(pattern: str) -> bool:
    """Whether a group that repeats something is repeated itself, like (a+)+: the classic that never ends."""
    flat = re.sub(r"\\.|\[\^?\]?[^\]]*\]", "x", pattern)
    while group := re.search(r"\(([^()]*)\)([*+]|\{\d*,)?", flat):
        repeats = bool(re.search(r"[*+]|\{\d*,", group[1]))
        if repeats and group[2]:
            return True
        flat = flat[: group.start()] + ("x+" if repeats else "x") + flat[group.end(1) + 1 :]
    return False
