"""The pages of docs/ as the web app shows them: markdown, with raw HTML shown as text."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

from caseproof.config.shipped import shipped
from caseproof.web.files import NotHere
from caseproof.web.pages import explaining

DOCS = shipped("docs")

# A page, or a page in one folder (adr/0001-..., adr/README). Neither a dot nor a second slash gets through.
_NAME = re.compile(r"(?:[a-z0-9][a-z0-9_-]{0,63}/)?(?:README|[a-z0-9][a-z0-9_-]{0,127})", re.ASCII)

_PICTURE = re.compile(r"[a-z0-9][a-z0-9_-]{0,127}\.(?:png|svg)", re.ASCII)


@dataclass(frozen=True, slots=True)
class DocPage:
    """A page: its first heading, and its HTML."""

    title: str
    html: Markup


class Handbook:
    """A folder of markdown pages."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._markdown = explaining(MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"]))

    def picture(self, name: str) -> Path:
        """The file of a picture that pages show. Raises NotHere."""
        path = self._folder / "pictures" / name
        if not _PICTURE.fullmatch(name) or not self._is_inside(path) or not path.is_file():
            raise NotHere(f"There is no picture {name[:80]!r} in the docs.", "Look at the page that names it.")
        return path

    def _is_inside(self, path: Path) -> bool:
        return path.resolve().is_relative_to(self._folder.resolve())

    def page(self, name: str) -> DocPage:
        """The page of this name, without ``.md``. Raises NotHere."""
        path = self._folder / f"{name}.md"
        if not _NAME.fullmatch(name) or not self._is_inside(path):
            raise _no_page(name)
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise _no_page(name) from error
        tokens = self._markdown.parse(text)
        title = _name_headings(tokens) or name
        html = self._markdown.renderer.render(tokens, self._markdown.options, {})
        # Safe as it is: raw HTML in the page was escaped above, and javascript: links are refused.
        return DocPage(title, Markup(html))  # noqa: S704


def _no_page(name: str) -> NotHere:
    return NotHere(
        f"There is no page {name[:80]!r} in the docs.",
        "The pages are in the folder `docs` of the checkout; a package without it has none.",
    )


def _name_headings(tokens: list[Token]) -> str:
    """Give each heading the id that links between pages use; returns the first heading's text."""
    titles = [(token, after.content) for token, after in pairwise(tokens) if token.type == "heading_open"]
    seen: Counter[str] = Counter()
    for token, text in titles:
        slug = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
        token.attrSet("id", f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return titles[0][1] if titles else ""
