"""Covers secrets on a page before it is pictured: black, letter by letter, with nothing else moved or changed.

The page's own text says where they are (``http.redaction``). They are covered as a browser marks found words
(``CSS.highlights``), so that the page keeps its elements and a page that draws itself anew does not notice.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from playwright.sync_api import Page

_FOLD = """
const blank = /[\\s\\u00ad\\u034f\\u061c\\u180e\\u200b-\\u200f\\u202a-\\u202e\\u2060-\\u2069\\ufeff]/;
const fold = c => { const one = c.normalize("NFKC").toLowerCase(); return one.length === 1 ? one : c; };
const folded = text => [...text].filter(c => !blank.test(c)).map(fold).join("");
"""
_COVER = (
    "secrets => {"
    + _FOLD
    + """
    if (!window.CSS || !CSS.highlights) return null;
    const places = [];
    let text = "";
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        const said = node.data;
        for (let at = 0; at < said.length; at += said.codePointAt(at) > 0xffff ? 2 : 1) {
            const c = String.fromCodePoint(said.codePointAt(at));
            if (blank.test(c)) continue;
            const one = fold(c);
            text += one;
            for (let part = 0; part < one.length; part++) places.push([node, at, c.length]);
        }
    }
    const marks = new Highlight();
    let missed = 0;
    for (const [front, hidden, common] of secrets) {
        const before = folded(front), secret = folded(hidden);
        // A short one stands in many other words, so it is looked for behind what stands in front of it.
        const wanted = common || secret.length < 6 ? before + secret : secret;
        let found = 0;
        for (let at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, at + 1), found++) {
            const [first, start] = places[at + wanted.length - secret.length];
            const [last, end, width] = places[at + wanted.length - 1];
            const range = document.createRange();
            range.setStart(first, start);
            range.setEnd(last, end + width);
            marks.add(range);
        }
        if (!found) missed++;
    }
    marks.priority = 2147483647;
    CSS.highlights.set("caseproof-covered", marks);
    const sheet = new CSSStyleSheet();
    sheet.replaceSync("::highlight(caseproof-covered) { color: #000 !important; background: #000 !important;"
        + " -webkit-text-fill-color: #000 !important; text-shadow: none !important; }");
    document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
    return missed;
}"""
)
_IS_COVERED = (
    "secrets => {"
    + _FOLD
    + """
    const known = new Set(secrets.map(folded));
    const marks = window.CSS && CSS.highlights && CSS.highlights.get("caseproof-covered");
    return !!marks && [...marks].every(range => known.has(folded(range.toString())));
}"""
)


def cover(tab: Page, secrets: Sequence[tuple[str, str]], words: Sequence[str]) -> bool:
    """Cover these wherever the page has them; each with what stands in front of it. Whether all of them were found.

    ``words`` are those that the picture has to show: one that somebody took for a secret ("password=Completed") is
    covered there alone.
    Only the page's own text can be covered: not what stands in pictures, in fields of forms or in frames, of which
    nothing is read, either.
    """
    shown = [_compared(word) for word in words]
    wanted = [[before, secret, any(_compared(secret) in word for word in shown)] for before, secret in secrets]
    return not secrets or tab.evaluate(_COVER, wanted) == 0


def _compared(text: str) -> str:
    return "".join(unicodedata.normalize("NFKC", text).split()).casefold()


def is_covered(tab: Page, secrets: Sequence[tuple[str, str]]) -> bool:
    """Whether what was covered still is: a page may have drawn itself anew."""
    return not secrets or bool(tab.evaluate(_IS_COVERED, [secret for _, secret in secrets]))
