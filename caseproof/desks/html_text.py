"""Plain text as HTML, in which nothing of it is markup, and the words of what people wrote in HTML."""

from __future__ import annotations

import html
import re


def as_html(text: str) -> str:
    """Plain text as a ticket's description has it, which is HTML: nothing in it is markup."""
    return "<br/>".join(html.escape(line, quote=False) for line in text.splitlines())


def as_text(content: str) -> str:
    """A comment's or a description's words without the markup."""
    lines = re.sub(r"(?i)<br\s*/?>|</(?:p|div|li|tr|h[1-6])>", "\n", content)
    return html.unescape(re.sub(r"<[^>]*>", "", lines)).strip()
