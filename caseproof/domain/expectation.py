"""Whether somebody writes what they expect, where a gate asks what they saw: expecting it verifies nothing (J11)."""

from __future__ import annotations

import re
import unicodedata

from caseproof.domain.substance import says_something
from caseproof.domain.visible import one_line

_FINE = r"(?:works?|working|fixed|fine|ok|okay|solved|resolved|gone|done|good)"
_ALL = r"(?:it|this|that|so|for|to|we|you|they|the|everything|all|no|nobody)\b"
_EXPECTS = re.compile(
    rf"""
    (?<!as\ it\ )(?<!as\ they\ )(?<!which\ )(?<!what\ )\bshould(?:n't)?\b
    | \bought\ to\b | \bsupposed(?:ly\b|\ to\b) | \bpresumabl[ey]\b | \bwill\ (?:now\ )?work\b
    | \bhopefully\b | \bhoping\b | \bhope\ {_ALL} | \b(?:i|we|let's|let\ us)\ hope\b
    | ^expect\b | \bexpect\ {_ALL} | \b(?:i|we)\ (?:\w+\ )?expect\b | \bexpecting\b | \bexpected\ to\b
    | \bassum(?:e|ing|ption)\b | \bassumed\ {_ALL} | \b(?:i|we)\ (?:think|guess|suppose|believe)\b
    | \b(?:probably|likely|maybe|perhaps)\ (?:\w+\ ){{0,2}}{_FINE}\b
    | (?<!wie\ es\ )(?<!wie\ sie\ )(?<!es\ sein\ )(?<!sie\ sein\ )\bsollte(?:n|st|t)?\b
    | \bm(?:ü|ue)sste(?:n|st|t)?\b | \bd(?:ü|ue)rfte(?:n|st|t)?\b
    | \bhoffe(?:n|ntlich)?\b | \bvermute(?:n)?\b | \bvermutlich\b | \bwahrscheinlich\b | \bvoraussichtlich\b
    | \b(?:ich|wir)\ (?:erwarte|denke|glaube|sch(?:ä|ae)tze)n?\b | \b(?:nehme|nehmen)\ (?:ich\ |wir\ )?an\b
    | ^(?:erwarte|denke|glaube)\b
    """,
    re.VERBOSE,
)
_QUOTED = re.compile(r"\"[^\"]*\"|\u201c[^\u201d]*\u201d|\u201e[^\u201c\u201d]*[\u201c\u201d]|\u00ab[^\u00bb]*\u00bb")


def expects(text: object) -> bool:
    """Whether it says that something should be so, in English or German. What is quoted is what somebody read.

    What was seen beside it does not help: whoever saw it can leave out what they expect.
    """
    plain = unicodedata.normalize("NFC", one_line(text)).casefold().replace("\u2019", "'")
    own = " ".join(_QUOTED.sub(" ", plain).split())
    return bool(_EXPECTS.search(own)) or (bool(_EXPECTS.search(plain)) and not says_something(own))
