"""What a text must hold for a regular expression to be found in it: plain letters, which are looked for first.

Most expressions of the policy's list fit hardly any message. To look for a few letters is many times as quick as to
try the expression at every place of a long message. Where it is not clear what must stand there, nothing is asked.
"""

from __future__ import annotations

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
        inner, at = _either(pattern, at + (3 if pattern.startswith("(?:", at) else 1))
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
