"""What the messages of failed runs mean: the first signature of the policy's list that fits.

``facts`` tells what is certain about a message; here the signatures are held against it, in their order. The list
itself stands in policy-default.yaml; docs/daily-check.md shows it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache

from caseproof.checks.facts import Facts, answer_in, code_of, is_a_word, told_in
from caseproof.checks.literals import Index, Needed, may_hold, needed
from caseproof.config.policy_check import Signature

__all__ = ["answer_in", "classify", "told_in"]


def classify(messages: Iterable[str], signatures: Sequence[Signature]) -> list[str]:
    """The name of each message's signature ("" where none fits), in their order; like messages are looked at once."""
    ready, index = _all_ready(tuple(signatures))
    known: dict[str, str] = {}
    found = []
    for message in messages:
        text = told_in(message)
        if text not in known:
            facts = Facts(text)
            met = index.may_be_in(facts.small)
            known[text] = next((one.name for one in ready if one.fits(facts, met)), "")
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
    says: dict[str, tuple[Needed, re.Pattern[str]]]
    anywhere: bool

    def fits(self, facts: Facts, met: frozenset[str]) -> bool:
        """Whether the facts fit it; ``met`` are the expressions that may be found in their text."""
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
        if self.says.keys().isdisjoint(met):
            return False
        hopeful = (says for one, says in self.says.items() if one in met)
        return any(may_hold(told.small, wanted) and pattern.search(told.small) for wanted, pattern in hopeful)


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
        frames=re.compile(frames) if frames else None,
        codes=frozenset(code_of(code) for code in signature.codes if not is_a_word(code)),
        words=frozenset(code_of(code) for code in signature.codes if is_a_word(code)),
        says=dict(map(_compile, signature.says)),
        anywhere=signature.in_answers,
    )


def _compile(pattern: str) -> tuple[str, tuple[Needed, re.Pattern[str]]]:
    """The expression in small letters, as the text is: several times as quick as one that minds neither; and what must
    stand in a text for it."""
    small = re.sub(
        r"\\.|[^\\]+", lambda part: part[0] if part[0][0] == "\\" else part[0].lower(), pattern, flags=re.DOTALL
    )
    with suppress(re.error):
        return small, (needed(small), re.compile(small))
    return pattern, (needed(pattern.lower()), re.compile(pattern, re.IGNORECASE))
