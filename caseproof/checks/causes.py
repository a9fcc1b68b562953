"""What the messages of failed runs mean: the first signature of the policy's list that fits.

``facts`` tells what is certain about a message; here the signatures are held against it, in their order. The list
itself stands in policy-default.yaml; docs/daily-check.md shows it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache

import regex

from caseproof.checks.facts import Facts, answer_in, code_of, is_a_word, told_in
from caseproof.checks.literals import Index, Needed, may_hold, needed
from caseproof.config.expressions import MATCH_SECONDS
from caseproof.config.policy_check import Signature

__all__ = ["answer_in", "classify", "told_in"]

_MOST_SLOW = 3  # times that an expression may run out of its time; then it is tried no more
_MOST_WASTED = 25  # times that all of them together may


def classify(
    messages: Iterable[str], signatures: Sequence[Signature], too_slow: dict[str, str] | None = None
) -> list[str]:
    """The name of each message's signature ("" where none fits), in their order; like messages are looked at once.

    An expression has ``MATCH_SECONDS`` for a message, and few such messages. Where it runs out of them nobody can say
    what the message means: no signature behind it is taken in its place, so the name is "". ``too_slow`` is told of
    these expressions, by the name of the signature.
    """
    ready, index = _all_ready(tuple(signatures))
    patience = _Patience()
    known: dict[str, str] = {}
    found = []
    for message in messages:
        text = told_in(message)
        if text not in known:
            known[text] = _name_of(Facts(text), ready, index, patience, too_slow)
        found.append(known[text])
    return found


def _name_of(
    facts: Facts, ready: Sequence[_Ready], index: Index, patience: _Patience, too_slow: dict[str, str] | None
) -> str:
    met = index.may_be_in(facts.small)
    for one in ready:
        try:
            if one.fits(facts, met, patience):
                return one.name
        except _TooSlow as slow:
            if too_slow is not None:
                too_slow[one.name] = slow.expression
            return ""
    return ""


class _TooSlow(Exception):
    """An expression ran out of its time."""

    def __init__(self, expression: str) -> None:
        super().__init__(expression)
        self.expression = expression


@dataclass
class _Patience:
    """How often expressions ran out of time, over all messages of one pass: else a thousand messages take hours."""

    ran_out: dict[str, int] = field(default_factory=dict)

    def find(self, expression: str, text: str, *, at_the_start: bool = False) -> bool:
        """Whether it is found in the text, or at its start. Raises _TooSlow."""
        if self.ran_out.get(expression, 0) >= _MOST_SLOW or sum(self.ran_out.values()) >= _MOST_WASTED:
            raise _TooSlow(expression)
        pattern = _compiled(expression)
        try:
            found = (pattern.match if at_the_start else pattern.search)(text, timeout=MATCH_SECONDS)
        except (TimeoutError, MemoryError):
            self.ran_out[expression] = self.ran_out.get(expression, 0) + 1
            raise _TooSlow(expression) from None
        return found is not None


@dataclass(frozen=True)
class _Ready:
    """A signature, made ready for many messages."""

    name: str
    http: frozenset[int]
    frames: str
    codes: frozenset[str]
    words: frozenset[str]  # codes that count in a code's place alone
    says: dict[str, Needed]
    anywhere: bool

    def fits(self, facts: Facts, met: frozenset[str], patience: _Patience) -> bool:
        """Whether the facts fit it; ``met`` are the expressions that may be found in their text. Raises _TooSlow."""
        if self.http and facts.answer not in self.http:
            return False
        if not (self.frames or self.codes or self.words or self.says):
            return True
        told = facts if self.anywhere else facts.ours
        if self.frames and any(patience.find(self.frames, one, at_the_start=True) for one in facts.beginnings):
            return True
        if self.codes or self.words:
            names, placed = told.codes
            if not (self.codes.isdisjoint(names) and (self.codes | self.words).isdisjoint(placed)):
                return True
        if self.says.keys().isdisjoint(met):
            return False
        hopeful = (one for one, wanted in self.says.items() if one in met and may_hold(told.small, wanted))
        return any(patience.find(one, told.small) for one in hopeful)


@lru_cache(maxsize=16)
def _all_ready(signatures: tuple[Signature, ...]) -> tuple[list[_Ready], Index]:
    ready = [_ready(signature) for signature in signatures]
    return ready, Index({expression for one in ready for expression in one.says})


@lru_cache(maxsize=1024)
def _ready(signature: Signature) -> _Ready:
    frames = "|".join(re.escape(frame.lower()).replace(r"\*", r"[^\n]{0,300}?") for frame in signature.frames)
    return _Ready(
        name=signature.name,
        http=frozenset(signature.http),
        frames=frames,
        codes=frozenset(code_of(code) for code in signature.codes if not is_a_word(code)),
        words=frozenset(code_of(code) for code in signature.codes if is_a_word(code)),
        says={small: needed(small.lower()) for small in map(_small, signature.says)},
        anywhere=signature.in_answers,
    )


def _small(pattern: str) -> str:
    """The expression in small letters, as the text is: several times as quick as one that minds neither."""
    small = re.sub(
        r"\\.|[^\\]+", lambda part: part[0] if part[0][0] == "\\" else part[0].lower(), pattern, flags=re.DOTALL
    )
    with suppress(re.error, regex.error):
        re.compile(small)
        regex.compile(small)
        return small
    return f"(?i){pattern}"


@lru_cache(maxsize=2048)
def _compiled(expression: str) -> regex.Pattern[str]:
    """Not of the standard library: there a match cannot be stopped, and takes years where an expression is unlucky."""
    return regex.compile(expression)
