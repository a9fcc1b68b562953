"""Whether a text says something, as far as a program can tell: a gate asks for what was done, no mere filled field."""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum
from urllib.parse import urlsplit

from caseproof.domain.visible import one_line

_BETWEEN = re.compile(r"[\s.,;:!?\-/()\"'…*_\u2013\u2014]+")
_FEWEST_LETTERS = 8
_FEWEST_DIFFERENT = 4
_FEWEST_WORDS = 2
_FILLERS = (
    "a above again all also an any applicable as asdf at be before below blah check checked dito ditto do does done "
    "dummy erledigt everything fine foo gemacht hier here ignore is it keine lorem n na nichts nil no none not nothing "
    "null of ok okay oben qwer qwertz qwerty same see siehe so some something stuff tba tbd test tested testing text "
    "that the there thing things this to todo tried try unknown used wie xxx xyz yes"
)
"""Words of which a text may have any number, and says nothing while it has no other."""
_FILLER_WORDS = frozenset(_FILLERS.split())
_NUMBER = re.compile(r"\d{3}")
_LETTERS = re.compile(r"[^\W\d_]+")
_ROWS = ("qwertyuiop", "qwertzuiop", "asdfghjkl", "zxcvbnm", "yxcvbnm", "abcdefghijklmnopqrstuvwxyz")
_SOUNDS = re.compile(r"(?=.*[aeiouy])(?=.*[b-df-hj-np-tv-xz]).{3,}")
_ONE_SOUND = re.compile(r"sch|ch|ck|ph|th|st|ng|sh")
_NO_WORD = re.compile(r"(.)\1\1|[b-df-hj-np-tv-xz]{5}")


def says_something(text: object) -> bool:
    """Whether it is at least two different words (in a script without blanks: eight letters), and no mere filler."""
    if not isinstance(text, str):
        return False
    plain = one_line(text).casefold()
    letters = [sign for sign in plain if sign.isalnum()]
    if len(letters) < _FEWEST_LETTERS or len(set(letters)) < _FEWEST_DIFFERENT:
        return False
    words = {word for word in _BETWEEN.split(plain) if word}
    if words <= _FILLER_WORDS:
        return False
    return (len(words) >= _FEWEST_WORDS or not plain.isascii()) and _has_a_word(plain)


def _has_a_word(plain: str) -> bool:
    """Whether there is a word among the letters, or a number of some length: what was typed is more than a row of keys.

    A word in Latin letters has a vowel and a consonant, no letter three times on end, and no five consonants but for
    those that are written for one sound. Any other script's letters are words.
    """
    if _NUMBER.search(plain):
        return True
    return any(_is_a_word(word) for word in _LETTERS.findall(plain) if word not in _FILLER_WORDS)


def _is_a_word(word: str) -> bool:
    if not word.isascii():
        return True
    by_keys = any(word in row or word in row[::-1] for row in _ROWS)
    return bool(_SOUNDS.fullmatch(word)) and not by_keys and not _NO_WORD.search(_ONE_SOUND.sub("s", word))


def is_one_of(value: object, known: type[StrEnum]) -> bool:
    """Whether it is the value of one of these."""
    return isinstance(value, str) and value in set(known)


def texts_of(value: object) -> list[str]:
    """The texts of a list; none of what is no list of texts."""
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _compared(text: object) -> str:
    """A text as texts are compared: blanks, capitals and how accents are written do not matter."""
    return unicodedata.normalize("NFC", one_line(text)).casefold()


def same_text(one: object, other: object) -> bool:
    """Whether two texts say the same, whatever their blanks and capitals."""
    return _compared(one) == _compared(other)


def is_address(text: object) -> bool:
    """Whether it is the address of a page that somebody can open again."""
    if not isinstance(text, str) or any(sign.isspace() for sign in text):
        return False
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False


def stands_in(piece: object, text: object) -> bool:
    """Whether the piece stands in the text as whole words, whatever the blanks and capitals."""
    if not isinstance(piece, str) or not isinstance(text, str):
        return False
    wanted, found = _compared(piece), _compared(text)
    start = found.find(wanted) if wanted else -1
    while start >= 0:
        end = start + len(wanted)
        if not (start and found[start - 1].isalnum()) and not (end < len(found) and found[end].isalnum()):
            return True
        start = found.find(wanted, start + 1)
    return False
