"""The rules of all procedures by their numbers, and where a text names one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache

from caseproof.domain.emergency.rules import RULES as OF_EMERGENCIES
from caseproof.domain.procedure import procedures

NUMBER = re.compile(r"(?<![\w-])(?:J(?:1[01]|[1-9])|E(?:1[0-2]|[1-9]))(?!\w)", re.ASCII)
"""A rule's number in a text."""


@cache
def every_rule() -> Mapping[str, str]:
    """What each rule says, by its number; those of emergencies, which any procedure's case may have, stand last."""
    return {number: says for one in procedures() for number, says in one.rules.items()} | dict(OF_EMERGENCIES)


def rules_by_letter() -> Mapping[str, Mapping[str, str]]:
    """The same by the letter that their numbers begin with: J for job failures, E for escalation and emergencies."""
    found: dict[str, dict[str, str]] = {}
    for number, says in every_rule().items():
        found.setdefault(number[0], {})[number] = says
    return found


def in_pieces(text: str) -> Iterator[tuple[str, str]]:
    """The text in pieces, each with what it means: a rule's sentence, or "" for the text between."""
    begin, known = 0, every_rule()
    for found in NUMBER.finditer(text):
        if found[0] in known:
            yield from ((text[begin : found.start()], ""), (found[0], known[found[0]]))
            begin = found.end()
    yield text[begin:], ""
