"""Text for people: shortened, made harmless in markdown, and a small picture as an address."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable

from caseproof.domain.visible import one_line, visible

_ADDRESS = re.compile(r"https?://[^\s<>()\[\]\"'|\\`]+")

LONGEST = 300
"""How many characters of an event people see in a list; the evidence and the events hold all of it."""


def in_words(cause: object) -> str:
    """A cause as people say it: ``expired token``."""
    return str(cause).replace("_", " ")


def short(text: object, longest: int = LONGEST) -> str:
    """The text as one line of at most ``longest`` characters, cut between words where there are any."""
    flat = one_line(text)
    if len(flat) <= longest:
        return flat
    cut = flat[: longest - 2]
    # A word may be as long as a token or an address: then it is cut itself.
    head = cut.rpartition(" ")[0] if " " in cut[longest // 2 :] else cut
    return f"{head} …"


def plain(text: object) -> str:
    """Text from outside, made harmless in markdown: no cell breaks, no raw HTML, no pictures or links."""
    flat = one_line(text)
    # Backslashes and not entities: Prefect's page shows an entity in a table as it is written.
    safe = "".join(f"\\{char}" if char in "\\`*_[]<>|!#&~@" else char for char in flat)
    # Many renderers make links of bare addresses.
    return re.sub(r"(?i)\b(www)\.", r"\1\\.", safe).replace("://", "\\://")


def own_line(text: str) -> str:
    """A line of its own from outside: it begins no list, rule or heading either."""
    return re.sub(r"^(\d{1,9})?([-+=.)])", r"\1\\\2", plain(text))


_IN_TICKET = re.compile(
    r"(?<=!)(?=\[)|(?<=\])(?=[(\[:])|(?<=<)(?=[\w/!?])|(?<=[a-zA-Z]:)(?=//)|(?<=(?<!\S)!)(?=\w[^\s!]{0,200}!)"
)
_WWW = re.compile(r"(?i)\b(www)\.(?=\w)")
_BEGINS = re.compile(r"[#>=*+|`~\t -]|\d{1,9}[.)]|h[1-6]\.|bq\.|\{|\[|!")


def in_ticket(text: object, ours: Iterable[str] = ()) -> str:
    """Text from outside for a line of a ticket: it stays one line, and makes no link and no picture.

    ``ours`` are addresses that the policy names: where one stands whole and alone, it stays as it is, to be clicked.

    Desks show a ticket's text as it is, as markdown, as HTML or in a wiki's own marks, so nothing can be escaped: a
    blank parts what only acts together, and people read on.
    """
    known = "|".join(re.escape(one) for one in sorted(ours, key=len, reverse=True) if _ADDRESS.fullmatch(one))
    if not known:
        return _apart(one_line(text))
    # Every second part is one of ours: it begins a word, and nothing but the stop of a sentence follows it.
    parts = re.split(rf"((?:(?<!\S)|(?<=\())(?:{known})(?=[.,;:)]{{0,3}}(?:\s|$)))", one_line(text))
    return "".join(part if place % 2 else _apart(part) for place, part in enumerate(parts))


def _apart(line: str) -> str:
    return _WWW.sub(r"\1 .", _IN_TICKET.sub(" ", line))


def quoted_in_ticket(words: object) -> str:
    """Somebody's words for a ticket, each line marked as theirs; none of them makes a heading or a list."""
    lines = [in_ticket(line) for line in visible(str(words)).split("\n")]
    # A blank that is no blank to markdown: a line that begins with it begins nothing else.
    return "\n".join(f"> \u00a0{line}" if _BEGINS.match(line) else f"> {line}".rstrip() for line in lines)


def link(text: object, url: object) -> str:
    """A link, where the address is one of the web; else the text alone."""
    return f"[{plain(text)}]({url})" if _ADDRESS.fullmatch(str(url or "")) else plain(text)


def data_uri(png: bytes) -> str:
    """A small picture as an inline address."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
