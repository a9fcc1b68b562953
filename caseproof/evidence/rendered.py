"""A page of a run that Caseproof renders from what a platform told, where the platform has none that people look at.

It says on it that it is none of the platform's own, and who read what, where and when. What a picture of it is worth,
the policy says (``closing.rendered_pages``, J7).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from html import escape
from importlib.metadata import version

from caseproof.domain.visible import visible
from caseproof.evidence.page_check import RENDERED_MARK
from caseproof.platforms.base import RunPage

_LONGEST = 2_000
"""How many characters of what was told a cell shows."""
_STYLE = (
    "body{font:16px/1.5 sans-serif;color:#111;background:#fff;margin:32px;max-width:1100px}"
    "p.mark{border:3px solid #8a4b00;background:#fff4e0;padding:12px 16px;font-weight:bold}"
    "table{border-collapse:collapse;width:100%}th,td{border:1px solid #999;padding:8px 12px;text-align:left;"
    "vertical-align:top;overflow-wrap:anywhere}th{width:200px;background:#f4f4f4;font-weight:normal}"
)


def rendered(page: RunPage, *, case: str, platform: str, read_at: datetime) -> RunPage:
    """The page with its HTML, where it is one that is rendered; else as it is.

    ``read_at`` is when the platform told it, by our clock. Nothing on the page is loaded or runs.
    """
    if not page.told:
        return page
    about = (*page.told, ("Platform", platform), ("Read", f"{read_at:%Y-%m-%d %H:%M:%S} UTC by Caseproof "
             f"{version('caseproof')}, for the case {case}"))  # fmt: skip
    # What turns the direction or takes no room would have the picture read otherwise than its text.
    shown = [(label, visible(words)) for label, words in about if words]
    cells = [(label, words if len(words) <= _LONGEST else f"{words[:_LONGEST]} …") for label, words in shown]
    rows = "".join(f"<tr><th>{escape(label)}</th><td>{escape(words)}</td></tr>" for label, words in cells)
    html = (
        "<!doctype html><html lang=en><head><meta charset=utf-8>"
        "<meta http-equiv=Content-Security-Policy content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>Rendered by Caseproof</title><style>{_STYLE}</style></head>"
        f"<body><p class=mark>{RENDERED_MARK}</p><table>{rows}</table></body></html>"
    )
    return replace(page, html=html)
