"""A signature for the policy, made of the shape of a message for which a person chose a cause."""

from __future__ import annotations

import re

from caseproof.checks.causes import classify
from caseproof.checks.shapes import TAKEN
from caseproof.config.policy_check import LONGEST_EXPRESSION, Signature

_ANSWERED = re.compile(r"http (\d{3}) (?=.)")
_BETWEEN = r"[^\n]{0,200}?"


def signature_for(words: str, cause: str, name: str) -> Signature:
    """The signature that fits messages of this shape. Raises ValueError for a shape of which none can be made."""
    answered = _ANSWERED.match(words)
    said = words[answered.end() :] if answered else words
    pieces = [piece.strip() for piece in said.split(TAKEN)]
    expression = _BETWEEN.join(re.sub(r"(?:\\ )+", r"\\s+", re.escape(piece)) for piece in pieces if piece)
    return Signature.model_validate(
        {
            "name": name,
            "cause": cause,
            "http": [int(answered[1])] if answered else [],
            "says": [expression[:LONGEST_EXPRESSION]],
        }
    )


def fits(signature: Signature, message: str) -> bool:
    """Whether the signature says what this message means."""
    return classify([message], [signature]) == [signature.name]
