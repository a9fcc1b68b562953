"""Text as Jira Cloud has it: a document (Atlassian Document Format, ADF), and back.

Only what is built here is markup: paragraphs, line breaks, quotations, and links of addresses that stand whole, whose
text is the address itself. All else is text nodes, in which Jira reads no marks. Texts for tickets part what comes from
outside before (``texts.in_ticket``), so that an address in it makes no link here either.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from typing import Any

from caseproof.desks.marks import units

Node = dict[str, Any]

_ADDRESS = re.compile(r"(?<![^\s(])(https?://[^\s<>()\[\]\"'|\\`]+?)(?=[.,;:!?)]{0,3}(?:\s|$))")
_UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_DEEPEST = 40


def as_adf(text: str) -> Node:
    """Plain text as a document: a paragraph for lines that stand together, a quotation for those that begin with >."""
    lines = _UNSEEN.sub(" ", text.replace("\r\n", "\n")).split("\n")
    blocks: list[Node] = []
    for kind, some in itertools.groupby(lines, _kind):
        if kind == "quotation":
            quoted = [line.removeprefix(">").removeprefix(" ") for line in some]
            parts = [list(part) for full, part in itertools.groupby(quoted, lambda one: bool(one.strip())) if full]
            blocks += [{"type": "blockquote", "content": [_paragraph(part) for part in parts]}] if parts else []
        elif kind == "text":
            blocks.append(_paragraph(list(some)))
    return {"type": "doc", "version": 1, "content": blocks or [_paragraph([])]}


def size_of(text: str) -> int:
    """How long the document of a text is as it is sent."""
    return units(json.dumps(as_adf(text), ensure_ascii=False, separators=(",", ":")))


def _kind(line: str) -> str:
    if not line.strip():
        return "nothing"
    return "quotation" if line.startswith(">") else "text"


def _paragraph(lines: list[str]) -> Node:
    content: list[Node] = []
    for place, line in enumerate(lines):
        content += [{"type": "hardBreak"}] if place else []
        content += _inline(line)
    return {"type": "paragraph", "content": content}


def _inline(line: str) -> list[Node]:
    """A line's texts; every second part is an address. Jira refuses a text node that is empty."""
    parts = enumerate(_ADDRESS.split(line))
    return [{"type": "text", "text": part, **_mark(part, place)} for place, part in parts if part]


def _mark(part: str, place: int) -> Node:
    return {"marks": [{"type": "link", "attrs": {"href": part}}]} if place % 2 else {}


def as_text(document: object) -> str:
    """The words of a document, whoever wrote it; what is no text in it is told by its name or its address."""
    return re.sub(r"\n{3,}", "\n\n", "".join(_words(document, 0))).strip()


_ENDS = {
    "paragraph": "\n\n", "heading": "\n\n", "codeBlock": "\n\n", "hardBreak": "\n", "tableRow": "\n", "rule": "\n",
    "listItem": "\n", "taskItem": "\n",
}  # fmt: skip


def _words(node: object, depth: int) -> Iterator[str]:
    if not isinstance(node, dict) or depth > _DEEPEST:
        return
    kind, attrs = node.get("type"), node.get("attrs")
    if isinstance(node.get("text"), str):
        yield node["text"]
    elif isinstance(attrs, dict):
        told = next((attrs[name] for name in ("text", "url", "shortName") if isinstance(attrs.get(name), str)), "")
        yield told
    content = node.get("content")
    for child in content if isinstance(content, list) else ():
        yield from _words(child, depth + 1)
    yield _ENDS.get(str(kind), "")
