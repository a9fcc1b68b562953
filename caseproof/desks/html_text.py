"""Plain text as HTML, in which nothing of it is markup, and the words of what people wrote in HTML.

A quotation in it is marked as one in a mail is.
"""

from __future__ import annotations

import html
import re

_QUOTATION = re.compile(r"(?i)<(/?blockquote)\b[^<>]*>")
_DEEPEST = 5


def as_html(text: str) -> str:
    """Plain text as a ticket's description has it, which is HTML: nothing in it is markup."""
    return "<br/>".join(html.escape(line, quote=False) for line in text.splitlines())


def as_text(content: str) -> str:
    """A comment's or a description's words without the markup."""
    lines = re.sub(r"(?i)<br\s*/?>|</(?:p|div|li|tr|h[1-6])>", "\n", content)
    said, deep = [""], 0
    for place, part in enumerate(_QUOTATION.split(lines)):
        if place % 2:
            deep = max(0, deep - 1) if part.startswith("/") else deep + 1
            said += [""] if said[-1] else []
            continue
        # Nothing looks for an end that is not there, over and over: a text may be made of beginnings.
        first, *others = html.unescape(re.sub(r"<[^<>]*>", "", part)).split("\n")
        said[-1] += first if not deep or said[-1] else _quoted(first, deep)
        said += [_quoted(line, deep) for line in others]
    return "\n".join(said).strip()


def _quoted(line: str, deep: int) -> str:
    return "> " * min(deep, _DEEPEST) + line if line.strip() else line
