"""Which words of a page can really be seen in its picture: a text that nobody sees proves nothing.

A page has a hundred ways to hold a text that is not seen: off the edge, transparent, in the colour of what is behind
it, cut off, shrunk, covered by a notice. So the ways are not looked for. The words that count are made
invisible, one more picture is taken, and where they stood it must differ from the one that is evidence: then, and only
then, that one shows them. What moves by itself there does not count; that is what a third picture is for, with the
words shown again.
"""

from __future__ import annotations

import io
import json
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from PIL import Image, ImageChops
from playwright.sync_api import JSHandle, Page

_CONTRAST = 48  # of 255, in one of the three colours: less is not read by everybody
_STILL = 8  # of 255: what changed by more than this between two pictures of the same moves
_LOWEST = 5  # rows of pixels that a word is high at least
_MOST = 1000  # places where the words stand; what is behind them counts as not seen
_ROUNDS = 6  # words that lie over each other are made invisible one after the other
_SLICES = 8

Box = tuple[float, float, float, float]
"""Left, top, width and height in pixels of the picture."""


@dataclass(frozen=True)
class _Place:
    """Where a word, or a piece of one, stands: a box for each line that it goes over; ``letters`` counts all of it."""

    boxes: tuple[Box, ...]
    letters: int
    altered: bool  # struck through, or beside words that are no text of the page


# Pieces count too, for a page may set a word letter by letter. A place behind the last that is looked at has no boxes.
_FIND = r"""([words, most]) => {
    const flat = text => text.replace(/\s+/g, " ").trim().toLowerCase();
    const escaped = text => text.replace(/[.*+?^${}()|[\]\\\/]/g, "\\$&");
    const wanted = words.map(flat).filter(word => word);
    const sought = wanted.map(word => new RegExp(word.split(" ").map(escaped).join("\\s+"), "giu"));
    const adds = (element, side) => {
        const content = getComputedStyle(element, side).content;
        return /attr\(|counter|[\p{L}\p{N}]/u.test(content) && !["none", "normal"].includes(content);
    };
    const altered = node => {
        let near = true;
        for (let one = node.parentElement; one; one = one.parentElement) {
            const style = getComputedStyle(one);
            if (style.textDecorationLine.includes("line-through")) return true;
            if (near && (adds(one, "::before") || adds(one, "::after"))) return true;
            near = near && style.display.startsWith("inline");
        }
        return false;
    };
    const found = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        const all = flat(node.data);
        if (!all) continue;
        const start = node.data.length - node.data.trimStart().length;
        if (wanted.some(word => word.includes(all))) found.push([node, start, start + node.data.trim().length]);
        else for (const one of sought)
            for (const match of node.data.matchAll(one))
                found.push([node, match.index, match.index + match[0].length]);
    }
    return found.map(([node, from, to], number) => {
        const range = new Range();
        range.setStart(node, from);
        range.setEnd(node, to);
        return {node, from, to, range, altered: number < most && altered(node), looked: number < most};
    });
}"""
_PLACES = r"""found => found.map(one => ({
    boxes: one.looked ? [...one.range.getClientRects()].map(box => [box.x, box.y, box.width, box.height]) : [],
    letters: one.range.toString().replace(/\s/g, "").length,
    altered: one.altered,
}))"""
# A highlight of our own colours the letters and nothing else, whatever styles the page has, and changes nothing in it.
_HIDE = r"""(found, [name, some]) => {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(`::highlight(${name}) {color: transparent; -webkit-text-fill-color: transparent;
        -webkit-text-stroke-color: transparent; fill: transparent; stroke: transparent; text-shadow: none}`);
    document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
    const highlight = new Highlight(...some.map(number => found[number].range));
    highlight.priority = 1000000;
    CSS.highlights.set(name, highlight);
}"""
_SHOW = r"""(found, name) => {
    CSS.highlights.delete(name);
    document.adoptedStyleSheets = document.adoptedStyleSheets.slice(0, -1);
}"""
_WITHOUT = r"""(found, [unseen, limit]) => {
    const before = new Map();
    for (const number of [...unseen].reverse()) {
        const {node, from, to} = found[number];
        if (!before.has(node)) before.set(node, node.data);
        const gone = node.data.slice(from, to).replace(/\S/g, "\ufffd");
        node.data = node.data.slice(0, from) + gone + node.data.slice(to);
    }
    const text = document.body.innerText.slice(0, limit);
    for (const [node, data] of before) node.data = data;
    return text;
}"""


def text_that_is_seen(tab: Page, png: bytes, words: Iterable[str], limit: int) -> str:
    """The page's text, ``limit`` characters at most, in which each of these words that the picture ``png`` does not
    show has other letters. The picture was just taken, of what stands in the window. Raises playwright's Error.
    """
    found = tab.evaluate_handle(_FIND, [list(words), _MOST])
    places = _places(found)
    unseen = _unseen(tab, found, places, Image.open(io.BytesIO(png)).convert("RGB"))
    if json.dumps(found.evaluate(_PLACES)) != json.dumps(_plain(places)):
        unseen = list(range(len(places)))  # it moved meanwhile, so nothing is known
    return str(found.evaluate(_WITHOUT, [unseen, limit]))


def _places(found: JSHandle) -> list[_Place]:
    return [
        _Place(tuple((x, y, wide, high) for x, y, wide, high in one["boxes"]), one["letters"], one["altered"])
        for one in found.evaluate(_PLACES)
    ]


def _plain(places: Sequence[_Place]) -> list[dict[str, Any]]:
    return [
        {"boxes": [list(box) for box in one.boxes], "letters": one.letters, "altered": one.altered} for one in places
    ]


def _unseen(tab: Page, found: JSHandle, places: Sequence[_Place], picture: Image.Image) -> list[int]:
    """The numbers of the places that the picture does not show."""
    hopeful = [
        number
        for number, place in enumerate(places)
        if not place.altered and place.boxes and all(_within(box, picture) for box in place.boxes)
    ]
    rounds = _apart(places, hopeful)
    name = f"words-{secrets.token_hex(8)}"
    hidden = []
    for some in rounds:
        found.evaluate(_HIDE, [name, some])
        try:
            hidden.append(_picture(tab))
        finally:
            found.evaluate(_SHOW, name)
    seen: set[int] = set()
    if rounds:
        moved = _differs(picture, _picture(tab), _STILL)
        for some, without in zip(rounds, hidden, strict=True):
            changed = ImageChops.subtract(_differs(picture, without, _CONTRAST), moved)
            seen.update(number for number in some if _shows(changed, places[number]))
    return [number for number in range(len(places)) if number not in seen]


def _picture(tab: Page) -> Image.Image:
    return Image.open(io.BytesIO(tab.screenshot(animations="disabled"))).convert("RGB")


def _within(box: Box, picture: Image.Image) -> bool:
    x, y, wide, high = box
    return x >= -1 and y >= -1 and x + wide <= picture.width + 1 and y + high <= picture.height + 1


def _apart(places: Sequence[_Place], numbers: Sequence[int]) -> list[list[int]]:
    """The places in groups of which none lies over another of the same group; what fits into none is left out."""
    rounds: list[list[int]] = []
    for number in numbers:
        for some in rounds:
            if not any(_overlap(places[number], places[other]) for other in some):
                some.append(number)
                break
        else:
            if len(rounds) < _ROUNDS:
                rounds.append([number])
    return rounds


def _overlap(one: _Place, other: _Place) -> bool:
    return any(
        x < u + wider and u < x + wide and y < v + higher and v < y + high
        for x, y, wide, high in one.boxes
        for u, v, wider, higher in other.boxes
    )


def _differs(one: Image.Image, other: Image.Image, by: int) -> Image.Image:
    """White where two pictures differ by so much in one of the three colours; all of it where their sizes do."""
    if one.size != other.size:
        return Image.new("L", one.size, 255 if by == _STILL else 0)
    red, green, blue = ImageChops.difference(one, other).split()
    most = ImageChops.lighter(ImageChops.lighter(red, green), blue)
    return most.point([0] * by + [255] * (256 - by))


def _shows(changed: Image.Image, place: _Place) -> bool:
    """Whether letters stand all along the place: not half of them only, nor a line as thin as a hair."""
    total = sum(wide for _, _, wide, _ in place.boxes)
    for x, y, wide, high in place.boxes:
        letters = place.letters * wide / total if total else 0
        part = changed.crop((round(x), round(y), round(x + wide), round(y + high)))
        if part.width < 2 or part.height < _LOWEST:
            return False
        columns, rows = part.getprojection()
        slices = max(1, min(_SLICES, round(letters)))
        edges = [part.width * number // slices for number in range(slices + 1)]
        along = all(any(columns[begin:end]) for begin, end in pairwise(edges))
        if not along or sum(rows) < max(_LOWEST, part.height // 4) or part.histogram()[255] < 3 * letters:
            return False
    return True
