"""Pages of the simulators for people: plain HTML with one style, and nothing on them that is not escaped."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping

from sandbox.farm_http import Reply

_STYLE = (
    "body{font:16px/1.5 sans-serif;max-width:56rem;margin:2rem auto;padding:0 1rem;color:#1b2733}"
    "table{border-collapse:collapse}th,td{text-align:left;vertical-align:top;padding:.3rem 1.2rem .3rem 0;"
    "border-bottom:1px solid #d5dde5}.said{white-space:pre-wrap;overflow-wrap:anywhere;border-left:4px solid #d5dde5;"
    "margin:.3rem 0 1.2rem;padding-left:.8rem}img{max-width:100%;border:1px solid #d5dde5}button{font:inherit}"
)


def page(title: str, *parts: str, status: int = 200) -> Reply:
    """A page; each part is HTML. A browser is to run nothing on it, whatever somebody wrote there."""
    text = html.escape(title)
    body = f"<!doctype html><title>{text}</title><style>{_STYLE}</style><h1>{text}</h1>{''.join(parts)}"
    rule = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; form-action 'self'"
    return Reply(body.encode(), status, {"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": rule})


def missing() -> Reply:
    """The page where there is none."""
    return page("Not found", "<p>There is no such page.</p>", status=404)


def link(address: str, text: str) -> str:
    """A link, as HTML."""
    return f'<a href="{html.escape(address)}">{html.escape(text)}</a>'


def said(text: str) -> str:
    """What somebody wrote, its lines kept, as HTML."""
    return f'<div class="said">{html.escape(text)}</div>'


def facts(rows: Mapping[str, str | None]) -> str:
    """A table of names and values; what is not there is left out."""
    cells = (
        f"<tr><th>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>" for name, value in rows.items() if value
    )
    return f"<table>{''.join(cells)}</table>"


def table(names: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table with a heading; its cells are HTML."""
    head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
    lines = ("".join(f"<td>{cell}</td>" for cell in row) for row in rows)
    return f"<table><tr>{head}</tr>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"
