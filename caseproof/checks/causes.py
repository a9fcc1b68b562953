"""What the messages of failed runs mean: the first signature of the policy's list that fits.

``facts`` tells what is certain about a message; here the signatures are held against it, in their order. The list
itself stands in policy-default.yaml; docs/daily-check.md shows it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from caseproof.checks.facts import Facts, answer_in, code_of, is_a_word, told_in
from caseproof.checks.literals import Needed, may_hold, needed
from caseproof.config.policy_check import Signature

__all__ = ["answer_in", "classify", "told_in"]


LONG = 400
"""From so many characters on it is worth to look for an expression's letters first."""


def classify(messages: Iterable[str], signatures: Sequence[Signature]) -> list[str]:
    """The name of each message's signature ("" where none fits), in their order; like messages are looked at once."""
    ready = [_ready(signature) for signature in signatures]
    known: dict[str, str] = {}
    found = []
    for message in messages:
        text = told_in(message)
        if text not in known:
            facts = Facts(text)
            known[text] = next((one.name for one in ready if one.fits(facts)), "")
        found.append(known[text])
    return found


@dataclass(frozen=True)
class _Ready:
    """A signature, made ready for many messages."""

    name: str
    http: frozenset[int]
    frames: re.Pattern[str] | None
    codes: frozenset[str]
    words: frozenset[str]  # codes that count in a code's place alone
    says: tuple[tuple[Needed, re.Pattern[str]], ...]
    anywhere: bool

    def fits(self, facts: Facts) -> bool:
        if self.http and facts.answer not in self.http:
            return False
        if not (self.frames or self.codes or self.words or self.says):
            return True
        told = facts if self.anywhere else facts.ours
        if self.frames and any(self.frames.match(one) for one in facts.beginnings):
            return True
        if self.codes or self.words:
            names, placed = told.codes
            if not (self.codes.isdisjoint(names) and (self.codes | self.words).isdisjoint(placed)):
                return True
        small = told.small
        if len(small) < LONG:
            return any(pattern.search(small) for _, pattern in self.says)
        return any(may_hold(small, wanted) and pattern.search(small) for wanted, pattern in self.says)


@lru_cache(maxsize=1024)
def _ready(signature: Signature) -> _Ready:
    frames = "|".join(re.escape(frame.lower()).replace(r"\*", r"[^\n]{0,300}?") for frame in signature.frames)
    return _Ready(
        name=signature.name,
        http=frozenset(signature.http),
        frames=re.compile(frames) if frames else None,
        codes=frozenset(code_of(code) for code in signature.codes if not is_a_word(code)),
        words=frozenset(code_of(code) for code in signature.codes if is_a_word(code)),
        says=tuple(map(_compile, signature.says)),
        anywhere=signature.in_answers,
    )


def _compile(pattern: str) -> tuple[Needed, re.Pattern[str]]:
    """The expression in small letters, as the text is: several times as quick as one that minds neither; and what must
    stand in a text for it."""
    small = re.sub(
        r"\\.|[^\\]+", lambda part: part[0] if part[0][0] == "\\" else part[0].lower(), pattern, flags=re.DOTALL
    )
    try:
        return needed(small), re.compile(small)
    except re.error:
        return (), re.compile(pattern, re.IGNORECASE)
