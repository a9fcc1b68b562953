"""Pages: templates that escape everything, under headers that let nothing run."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup, escape

from caseproof.domain.people import same_person
from caseproof.domain.procedure import called
from caseproof.domain.rules import in_pieces, rules_by_letter

HERE = Path(__file__).parent
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src 'self'; style-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, no-cache",
}


class Pages:
    """The templates. ``base`` is the path that the app's own links start with, mostly empty."""

    def __init__(self, base: str) -> None:
        self._templates = _templates(base)

    def show(
        self, template: str, status: int = 200, headers: Mapping[str, str] = HEADERS, /, **what: object
    ) -> HTMLResponse:
        """The page that the template makes of ``what``."""
        html = self._templates.get_template(template).render(**what)
        return HTMLResponse(html, status, headers)


@cache
def _templates(base: str) -> Environment:
    """What renders the pages of every app of this process whose links start so: each template is compiled once."""
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {"base": base, "all_rules": rules_by_letter()}
    made.filters |= {"when": when, "ticks": ticks, "size": size, "rules": rules, "called": called}
    made.filters |= {"exactly": exactly, "on_clocks": on_clocks, "same": same_person}
    made.tests["link"] = is_link
    return made


def prefect_ui() -> str:
    """Where people see flow runs, by the environment variable PREFECT_UI_URL; "" where that is not known."""
    return os.environ.get("PREFECT_UI_URL", "").strip().rstrip("/")


def when(at: datetime | str) -> Markup:
    """A moment, to the minute and in UTC; ISO text is read first."""
    moment = datetime.fromisoformat(at) if isinstance(at, str) else at
    # Nothing of it is anybody's text, and a list has hundreds: escaping them takes longer than all else of a page.
    return Markup(f'<time datetime="{moment.isoformat()}">{moment:%Y-%m-%d %H:%M} UTC</time>')  # noqa: S704


def exactly(at: datetime) -> Markup:
    """A moment, to the second and in UTC."""
    return Markup(f'<time datetime="{at.isoformat()}">{at:%Y-%m-%d %H:%M:%S} UTC</time>')  # noqa: S704


def on_clocks(at: datetime, zone: ZoneInfo | None) -> Markup:
    """The same moment on other clocks, to stand behind it; nothing for no zone."""
    told = f"({at.astimezone(zone):%a %H:%M} {zone.key})" if zone is not None else ""
    return Markup(' <span class="quiet">{}</span>').format(told) if told else Markup()


def ticks(text: object) -> Markup:
    """Text with `commands` between back-ticks, which are shown as code, and the rules that it names explained."""
    parts = str(text).split("`")
    if len(parts) == 1 or len(parts) % 2 == 0:
        return rules(text)
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if number % 2 else rules(part) for number, part in enumerate(parts)
    )


def rules(text: object) -> Markup:
    """Text in which each rule's number, like J8, says what the rule is; the page's foot says it to keyboards, too."""
    return Markup("").join(
        Markup('<abbr class="{}" title="{}">{}</abbr>').format(piece[0].lower(), means, piece)
        if means
        else escape(piece)
        for piece, means in in_pieces(str(text))
    )


def explaining(markdown: MarkdownIt) -> MarkdownIt:
    """The renderer of markdown, which explains the rules that its text names, too."""
    markdown.add_render_rule("text", _explained)
    return markdown


def _explained(_: object, tokens: Sequence[Token], at: int, _options: object, _env: object) -> str:
    return str(rules(tokens[at].content))


def size(count: int) -> str:
    """A number of bytes for people: 512 B, 34 kB, 1.2 MB."""
    if count < 1000:
        return f"{count} B"
    return f"{count / 1000:.0f} kB" if count < 1_000_000 else f"{count / 1_000_000:.1f} MB"


def is_link(url: object) -> bool:
    """Whether text from outside is an address that may become a link: http or https, to some host."""
    if not isinstance(url, str):
        return False
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc)
