"""Names that are spelt like one that is not known: what a refusal says of them, so that nobody has to look them up."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from difflib import get_close_matches
from heapq import nlargest

from caseproof.domain.errors import BadInput

MOST = 5
"""How many alike names a sentence holds."""
_FEW = 8
_CUTOFF = 0.55
_LIKELY = 500
"""So many names are compared letter by letter: of fifty thousand that would take a quarter of a minute."""

_LONG = 100


def alike(name: str, known: Iterable[str], cutoff: float = _CUTOFF) -> list[str]:
    """The known names that may be meant, the likest first, at most ``MOST``: no upper and lower case counts."""
    folded: dict[str, list[str]] = {}
    for one in known:
        folded.setdefault(_folded(one), []).append(one)
    wanted = _folded(name)
    if not wanted:
        return []
    close = get_close_matches(wanted, _likely(wanted, folded), n=MOST, cutoff=cutoff)
    parts = [one for one in sorted(folded) if len(wanted) > 2 and (wanted in one or (len(one) > 2 and one in wanted))]
    return [one for key in dict.fromkeys((*close, *parts)) for one in folded[key]][:MOST]


def _likely(wanted: str, names: Collection[str]) -> Collection[str]:
    """Of very many names those that share most of their pairs of letters with this one."""
    if len(names) <= _LIKELY:
        return names
    pairs = sorted({wanted[at : at + 2] for at in range(min(len(wanted), _LONG) - 1)})
    return nlargest(_LIKELY, names, key=lambda one: (sum(map(one.__contains__, pairs)), -len(one)))


def what_is_alike(name: str, known: Iterable[str]) -> str:
    """A sentence about the names that are known, for the end of a refusal; few are all named."""
    names = sorted(set(known))
    if not names:
        return "There is none yet."
    if found := alike(name, names):
        return f"Alike are: {', '.join(found)}."
    if len(names) <= _FEW:
        return f"There {'is' if len(names) == 1 else 'are'}: {', '.join(names)}."
    return f"There are {len(names)}, none alike."


def no_such(what: str, name: str, known: Iterable[str]) -> BadInput:
    """The refusal of a name that is none of a few: which may be meant, and all there are, as they are given."""
    names = list(known)
    found = f" Alike are: {', '.join(those)}." if (those := alike(name, names)) else ""
    return BadInput(f"There is no {what} {name!r}.{found}", f"Choose one of {', '.join(names)}.")


def same(one: str, other: str) -> bool:
    """Whether a person means the same name: upper and lower case, dashes and underscores do not count."""
    return _folded(one) == _folded(other)


def _folded(name: str) -> str:
    return " ".join(name.replace("_", " ").replace("-", " ").casefold().split())
