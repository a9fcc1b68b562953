"""A signature for the policy, made of the shape of a message for which a person chose a cause."""

from __future__ import annotations

import re

from caseproof.checks.causes import classify
from caseproof.checks.shapes import CUT, TAKEN
from caseproof.config.expressions import LONGEST_EXPRESSION
from caseproof.config.policy_check import Signature

_ANSWERED = re.compile(r"http (\d{3}) (?=.)")
_LETTERS = re.compile(r"\w")
_LONGEST_PIECE = 450
"""So many characters of a piece are looked for: even where each is escaped, it is no longer than it may be."""
_BETWEEN, _FAR = "[\\s\\S]{0,300}?", "[\\s\\S]{0,4000}?"
"""What stood for what was taken out, and where a long message was cut."""


def signature_for(words: str, cause: str, name: str) -> Signature:
    """The signature that fits messages of this shape. Raises ValueError for a shape of which none can be made.

    Each piece is looked for behind the one before it and never again (an atomic group): a message that nearly fits
    costs no more than its length, however often it repeats a piece.
    """
    answered = _ANSWERED.match(words)
    said = words[answered.end() :] if answered else words
    expression = ""
    for number, part in enumerate(said.split(CUT)):
        gap = _FAR if number else _BETWEEN
        for piece in (piece.strip()[:_LONGEST_PIECE].strip() for piece in part.split(TAKEN)):
            if not _LETTERS.search(piece):
                continue
            more = re.sub(r"(?:\\ )+", r"\\s+", re.escape(piece))
            if piece[-1].isdigit():
                more += r"(?!\d)"  # a code, which is not another's beginning
            more = f"(?>{gap}{more})" if expression else more
            if len(expression) + len(more) > LONGEST_EXPRESSION:
                break
            expression, gap = expression + more, _BETWEEN
    return Signature.model_validate(
        {"name": name, "cause": cause, "http": [int(answered[1])] if answered else [], "says": [expression]}
    )


def fits(signature: Signature, message: str) -> bool:
    """Whether the signature says what this message means."""
    return classify([message], [signature]) == [signature.name]
