"""JSON that is to be believed: one meaning only, and nothing that another program would read otherwise.

A name stands once in an object, numbers are numbers that every program has, texts are whole, and nothing lies deeper
than we write it.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

_DEEPEST = 60
_LONGEST_NUMBER = 40  # characters
_HALF = re.compile("[\ud800-\udfff]")


def strict_json(content: bytes | str) -> Any:
    """What a text says. Raises ValueError for whatever is not plain JSON in UTF-8."""
    text = content.decode("utf-8") if isinstance(content, bytes) else content
    try:
        read = json.loads(
            text, object_pairs_hook=once_each, parse_constant=_refuse, parse_int=_whole, parse_float=_fraction
        )
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    _refuse_odd(read)
    return read


def once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose every name stands there once: people read the first of two, programs the last."""
    read = dict(pairs)
    if len(read) < len(pairs):
        raise ValueError("a name stands there twice")
    return read


def _refuse(text: str) -> Any:
    raise ValueError(f"{text} is no number")


def _whole(text: str) -> int:
    if len(text) > _LONGEST_NUMBER:
        raise ValueError(f"a number has {len(text)} digits")
    return int(text)


def _fraction(text: str) -> float:
    number = float(text)
    if len(text) > _LONGEST_NUMBER or not math.isfinite(number):
        raise ValueError("a number is longer or larger than is read")
    return number


def _refuse_odd(read: Any) -> None:
    """Level by level, not one inside the other: so it needs no stack, however deep it goes."""
    level = [read]
    for _ in range(_DEEPEST):
        texts = [one for one in level if isinstance(one, str)]
        inner: list[Any] = []
        for one in level:
            if isinstance(one, dict):
                texts += one
                inner += one.values()
            elif isinstance(one, list):
                inner += one
        if any(map(_HALF.search, texts)):
            raise ValueError("a text holds half a pair of letters")
        if not inner:
            return
        level = inner
    raise ValueError("it is nested too deeply")
