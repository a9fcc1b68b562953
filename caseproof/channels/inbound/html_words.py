"""HTML as text, the way a mail program shows it, with a mark before what it shows as a quote."""

from __future__ import annotations

import re
from html.parser import HTMLParser

LARGEST = 2_000_000
"""How many characters of HTML are read."""

_DEEPEST = 20
# What mail programs call what they quote, or the line above it. Behind the first, all is another's: Outlook and its kin
# set their mark before the quote, and a quote whose mark is on another element than a div may be closed anywhere.
_QUOTED_TO_THE_END = (
    "divrplyfwdmsg", "mail-editor-reference-message-container", "ms-outlook-mobile-reference-message", "appendonsend",
    "olk_src_body_section", "stopspelling", "outlookmessageheader", "reply-intro", "zmail_extra", "replysplit",
)  # fmt: skip
_QUOTED_INSIDE = (
    "moz-forward-container", "yahoo_quoted", "protonmail_quote", "tutanota_quote", "gmail_attr", "moz-cite-prefix",
    "quoted-content", "quotedtext", "quoted_text", "quotedmessage", "mailquote", "reply_quote",
    "replied-message", "original-message", "originalmessage", "forwarded-message", "aolmail_quote", "mailru-blockquote",
    "android_quote", "uol_quote", "previousmessage", "x_gmail_attr", "history_container", "mcntreplyforward",
)  # fmt: skip
_QUOTE = frozenset({"quote", "quoted", "quotation"})
_SIGNATURE = ("gmail_signature", "signature")
_SPACE = re.compile(r"\s+")
# What a program shows nobody: the summary that newsletters hide, and whatever somebody wants only us to read.
_HIDDEN = re.compile(
    r"(?:display|mso-hide|visibility|font-size|opacity|max-height):(?:none|all|hidden|0(?:px|pt|em|%)?)(?:;|!|$)"
)
_LOOKED_AT = 500
# Outlook and Windows draw a line above what they quote, all others one on its left (in Hebrew on its right).
_LINE_ABOVE = re.compile(r"border-top(?:-style)?:\s{0,3}(?:[\w.#(), ]{1,40}\s)?solid", re.IGNORECASE)
_LINE_BESIDE = re.compile(
    r"border-(?:left|right|inline-start)(?:-style)?:\s{0,3}(?:[\w.#(), ]{1,40}\s)?(?:solid|dashed|dotted|double)",
    re.IGNORECASE,
)


# The parser takes time that grows with the square of what is never closed: so it sees whole, short tags only.
_UNSEEN = re.compile(
    r"<!--.*?(?:-->|\Z)|<[!?][^>]*+(?:>|\Z)|<(script|style)\b.*?(?:</\1\s{0,9}>|\Z)", re.DOTALL | re.IGNORECASE
)
_NO_TAG = re.compile(r"<(?!/?[A-Za-z][^<>]*+>)")
_LONG_TAG = re.compile(r"<[^<>]{4000,}>")


def html_as_text(html: str) -> str:
    """The words of a page: a line a block, list items with a dash, quoted blocks with ``> ``."""
    reader = _Reader(has_blockquotes="<blockquote" in html[:LARGEST].lower())
    reader.feed(_LONG_TAG.sub(" ", _NO_TAG.sub("&lt;", _UNSEEN.sub(" ", html[:LARGEST]))))
    reader.close()
    return reader.text()


def _hides(style: str) -> bool:
    return _HIDDEN.search("".join(style[:_LOOKED_AT].lower().split())) is not None


def _named(attrs: dict[str, str | None]) -> str:
    """What an element is called, by whichever attribute."""
    return " ".join(attrs.get(name) or "" for name in ("id", "class", "name")).lower()[:_LOOKED_AT]


def _has_line_beside(style: str) -> bool:
    return _LINE_BESIDE.search(style) is not None


class _Reader(HTMLParser):
    # fmt: off
    _BLOCKS = frozenset({
        "address", "article", "blockquote", "div", "dl", "dd", "dt", "h1", "h2",
        "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "table", "tr", "ul",
    })
    # fmt: on
    _SILENT = frozenset({"head", "script", "style", "title", "template", "textarea", "select", "s", "strike", "del"})
    _VOID = frozenset({"br", "hr", "img", "input", "link", "meta", "wbr", "area", "base", "col", "embed", "source"})

    def __init__(self, *, has_blockquotes: bool) -> None:
        super().__init__(convert_charrefs=True)
        # Gmail's mark is around quotes and the answers between them, which only the blockquotes tell apart.
        self._quoted_inside = _QUOTED_INSIDE if has_blockquotes else (*_QUOTED_INSIDE, "gmail_quote")
        self._lines: list[tuple[int, str]] = []
        self._now: list[str] = []
        self._silent = 0
        self._depth = 0
        self._to_the_end = 0
        self._divs: list[int] = []  # 1 for each open div that holds a quote
        self._hidden = ("", 0)  # the outermost element that is not shown, and how many of its kind are open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self._VOID:
            self._hide(tag, attrs)
        if tag in self._SILENT:
            self._silent += 1
        elif tag == "body":
            self._silent = 0  # a head that was never closed hides nothing
        elif tag == "br" or tag in self._BLOCKS:
            self._end_line(keep_empty=tag == "br")
        if tag == "blockquote":
            self._depth += 1
        elif tag == "div":
            self._open_div(dict(attrs) if attrs else {})
        elif tag == "li":
            self._now = ["- "]
        elif tag == "td" and self._now:
            self._now.append(" ")
        if attrs and tag not in ("div", "blockquote") and not self._to_the_end and self._is_a_quote(dict(attrs)):
            self._end_line()
            self._to_the_end = 1

    def _hide(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        hidden, depth = self._hidden
        if depth:
            self._hidden = (hidden, depth + (tag == hidden))
        elif any(name == "hidden" or (name == "style" and _hides(value or "")) for name, value in attrs):
            self._hidden = (tag, 1)

    def _open_div(self, attrs: dict[str, str | None]) -> None:
        if not attrs:
            self._divs.append(0)
            return
        names, style = _named(attrs), (attrs.get("style") or "")[:_LOOKED_AT]
        quoted = int(self._is_called_a_quote(names) or _has_line_beside(style))
        self._divs.append(quoted)
        self._depth += quoted
        if any(name in names.split() for name in _SIGNATURE):
            self._lines.append((min(self._depth + self._to_the_end, _DEEPEST), "-- "))
        if any(name in names for name in _QUOTED_TO_THE_END) or _LINE_ABOVE.search(style):
            self._to_the_end = 1

    def _is_called_a_quote(self, names: str) -> bool:
        return any(name in names for name in self._quoted_inside) or not _QUOTE.isdisjoint(names.split())

    def _is_a_quote(self, attrs: dict[str, str | None]) -> bool:
        """Whether an element that is no div begins a quote; where it ends, nobody can tell."""
        names, style = _named(attrs), (attrs.get("style") or "")[:_LOOKED_AT]
        to_the_end = any(name in names for name in _QUOTED_TO_THE_END)
        return to_the_end or self._is_called_a_quote(names) or _has_line_beside(style)

    def handle_endtag(self, tag: str) -> None:
        if tag == self._hidden[0]:
            self._hidden = (tag, max(0, self._hidden[1] - 1))
        if tag in self._SILENT:
            self._silent = max(0, self._silent - 1)
        elif tag in self._BLOCKS:
            self._end_line()
        if tag == "blockquote":
            self._depth = max(0, self._depth - 1)
        elif tag == "div" and self._divs:
            self._depth = max(0, self._depth - self._divs.pop())

    def handle_data(self, data: str) -> None:
        if not self._silent and not self._hidden[1]:
            self._now.append(_SPACE.sub(" ", data))

    def _end_line(self, *, keep_empty: bool = False) -> None:
        line = " ".join("".join(self._now).split())
        if line or keep_empty:
            self._lines.append((min(self._depth + self._to_the_end, _DEEPEST), line))
            if line.startswith("-----") and self._divs and self._divs[-1]:
                self._to_the_end = 1  # Gmail's line above a forward: what follows is another's
        self._now = []

    def text(self) -> str:
        self._end_line()
        return "\n".join(f"{'> ' * depth}{line}" for depth, line in self._lines)
