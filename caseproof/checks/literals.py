"""What a text must hold for a regular expression to be found in it: plain letters, which are looked for first.

Most expressions of the policy's list fit hardly any message. To look once for the letters of all of them is many times
as quick as to try each at every place of a message. Where it is not clear what must stand there, nothing is asked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

Needed = tuple[frozenset[str], ...]
"""Of each set, one at least must be in the text."""

SHORTEST = 3
"""Fewer letters than this stand in nearly every text."""

_OPTIONAL = ("?", "*", "{0", "{,")


def needed(pattern: str) -> Needed:
    """What must stand in a text in small letters, if this expression (in small letters) is to be found in it."""
    found, at = _either(pattern, 0)
    return tuple(found) if at >= len(pattern) else ()


def may_hold(text: str, wanted: Needed) -> bool:
    """Whether a text holds what is needed."""
    return all(any(letters in text for letters in some) for some in wanted)


class Index:
    """Of many expressions, which may be found in a text."""

    def __init__(self, expressions: Iterable[str]) -> None:
        best = {one: max(needed(one.lower()), key=_worth, default=frozenset()) for one in expressions}
        rare = Counter(piece for some in best.values() for letters in some for piece in _pieces(letters))
        self._always = frozenset(one for one, some in best.items() if not some)
        self._by_piece: dict[str, set[str]] = {}
        for one, some in best.items():
            for letters in some:
                self._by_piece.setdefault(min(_pieces(letters), key=rare.__getitem__), set()).add(one)

    def may_be_in(self, text: str) -> frozenset[str]:
        """The expressions that a text in small letters has some letters of, and those that need none."""
        return self._always.union(*(self._by_piece[piece] for piece in self._by_piece.keys() & set(_pieces(text))))


def _pieces(letters: str) -> list[str]:
    """Every three letters that stand beside each other: all letters that are looked for are so long at least."""
    return [letters[at : at + SHORTEST] for at in range(len(letters) - SHORTEST + 1)]


def _either(pattern: str, at: int) -> tuple[list[frozenset[str]], int]:
    """Of the branches between bars, up to a closing bracket or the end: what is needed, and where they end."""
    branches = []
    while True:
        sets, at = _branch(pattern, at)
        branches.append(sets)
        if not pattern.startswith("|", at):
            break
        at += 1
    if len(branches) == 1:
        return branches[0], at
    if not all(branches):
        return [], at
    return [frozenset().union(*(max(sets, key=_worth) for sets in branches))], at


def _worth(letters: frozenset[str]) -> tuple[int, int]:
    """Long letters are rare, and few of them quickly looked for."""
    return min(map(len, letters)), -len(letters)


def _branch(pattern: str, at: int) -> tuple[list[frozenset[str]], int]:
    sets: list[frozenset[str]] = []
    run = ""

    def ends() -> None:
        nonlocal run
        if len(run) >= SHORTEST:
            sets.append(frozenset({run}))
        run = ""

    while at < len(pattern) and pattern[at] not in "|)":
        letter, inner, at = _atom(pattern, at)
        optional = pattern.startswith(_OPTIONAL, at)
        if letter and not optional:
            run += letter
        if not letter or optional or pattern[at : at + 1] in ("+", "{"):
            ends()
        sets.extend([] if optional else inner)
        at = _after_quantifier(pattern, at)
    ends()
    return sets, at


def _atom(pattern: str, at: int) -> tuple[str, list[frozenset[str]], int]:
    """The next piece: a plain letter, or what is needed by anything else; and where it ends."""
    letter = pattern[at]
    if letter == "(":
        looks = pattern.startswith(("(?=", "(?!", "(?<", "(?-", "(?i"), at)
        inner, at = _either(pattern, at + (3 if pattern.startswith(("(?:", "(?>"), at) else 1))
        return "", [] if looks else inner, at + 1
    if letter == "[":
        return "", [], _after_class(pattern, at)
    if letter == "\\":
        escaped = pattern[at + 1 : at + 2]
        return "" if escaped.isalnum() else escaped, [], at + 2
    return "" if letter in ".^$" else letter, [], at + 1


def _after_class(pattern: str, at: int) -> int:
    """Where a class like [^\\]x] ends."""
    at += 2 if pattern.startswith("[^", at) else 1
    at += pattern.startswith("]", at)
    while at < len(pattern) and pattern[at] != "]":
        at += 2 if pattern[at] == "\\" else 1
    return at + 1


def _after_quantifier(pattern: str, at: int) -> int:
    if pattern[at : at + 1] in ("?", "*", "+"):
        at += 1
    elif pattern.startswith("{", at) and "}" in pattern[at:]:
        at = pattern.index("}", at) + 1
    else:
        return at
    return at + (pattern[at : at + 1] in ("?", "+"))
