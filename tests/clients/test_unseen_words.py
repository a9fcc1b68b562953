"""Words that a page holds and its picture does not show, in a real Chromium: whatever hides them, they do not count."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, sync_playwright

from caseproof.evidence.browser import ARGUMENTS, require_browser
from caseproof.evidence.seen_words import text_that_is_seen

NAME, SUCCESS = "calm-otter", "Completed"
OVER = "position:absolute;left:0;top:0;width:400px;height:300px;background:white"
HIDDEN = {
    "it stands left of the visible area": "<p style='position:absolute;left:-9999px'>Completed</p>",
    "it stands above the visible area": "<p style='position:fixed;top:-60px'>Completed</p>",
    "it stands below the picture": "<p style='position:absolute;top:5000px'>Completed</p>",
    "it stands right of the visible area": "<p style='position:absolute;left:380px'>Completed</p>",
    "it is indented away": "<p style='text-indent:-9999px'>Completed</p>",
    "it is scrolled away in a box": "<div style='height:20px;overflow:hidden'><br><br><br><p>Completed</p></div>",
    "its box has no height": "<p style='height:0;overflow:hidden'>Completed</p>",
    "its box is cut to its half": "<p style='width:40px;overflow:hidden'>Completed</p>",
    "it is cut to a line as thin as a hair": "<p style='clip-path:inset(48% 0 48% 0)'>Completed</p>",
    "it is clipped": "<p style='position:absolute;clip:rect(0 0 0 0)'>Completed</p>",
    "it is transparent": "<p style='color:transparent'>Completed</p>",
    "it is nearly transparent": "<p style='opacity:0.1'>Completed</p>",
    "something around it is transparent": "<div style='opacity:0'><div><p>Completed</p></div></div>",
    "a filter makes it transparent": "<div style='filter:opacity(0)'><p>Completed</p></div>",
    "its fill is transparent": "<p style='-webkit-text-fill-color:transparent !important'>Completed</p>",
    "it has the colour of what is behind it": "<p style='background:#246;color:#246'>Completed</p>",
    "it has nearly the colour of what is behind it": "<p style='color:#eee'>Completed</p>",
    "it is blended into what is behind it": "<p style='color:white;mix-blend-mode:multiply'>Completed</p>",
    "a mask leaves nothing of it": "<p style='mask:linear-gradient(transparent,transparent)'>Completed</p>",
    "it is as small as a dot": "<p style='font-size:1px'>Completed</p>",
    "it is shrunk": "<p style='transform:scale(0.05)'>Completed</p>",
    "it is turned on its edge": "<p style='transform:rotateY(90deg)'>Completed</p>",
    "it is blurred": "<p style='filter:blur(20px)'>Completed</p>",
    "it is struck through": "<p style='text-decoration:line-through'>Completed</p>",
    "something around it is struck through": "<del><p><b>Completed</b></p></del>",
    "a word that is no text stands before it": "<style>p::before{content:'Not '}</style><p>Completed</p>",
    "another element covers it": f"<p>Completed</p><div style='{OVER}'></div>",
    "what covers it lets clicks through": f"<p>Completed</p><div style='{OVER};pointer-events:none'></div>",
    "a notice with text covers it": f"<p>Completed</p><div style='{OVER};line-height:8px'>{'Failed: cookies ' * 200}",
    "what covers it is a part of it": f"<p style='position:relative'>Completed<b style='{OVER}'>Failed</b></p>",
    "what covers it says Completed, too": f"<p>Completed</p><div style='{OVER}'><br>Completed 0 of 3</div>",
    "a pseudo-element covers it": f"<style>body::after{{content:'';{OVER}}}</style><p>Completed</p>",
    "a dialog covers it": "<style>dialog{width:380px;height:280px}</style><p>Completed</p><dialog></dialog>"
    "<script>document.querySelector('dialog').showModal()</script>",
    "a frame covers it": f"<p>Completed</p><iframe style='{OVER};border:0' srcdoc='<body bgcolor=white>No'></iframe>",
    "a drawing covers it": f"<p>Completed</p><canvas width=400 height=300 style='{OVER}'></canvas>",
    "it is an option in a closed list": "<select><option>Failed</option><option>Completed</option></select>",
    "it is set letter by letter, and hidden": "<p style='opacity:0'>"
    + "".join(f"<i>{x}</i>" for x in SUCCESS)
    + "</p>",
}
SHOWN = {
    "plainly": "<p>Completed</p>",
    "as a badge": "<span style='background:#2a6;color:white;border-radius:9px;padding:2px 8px'>Completed</span>",
    "light on dark, in small letters": "<p style='background:#123;color:#9ab;font-size:11px'>Completed</p>",
    "letter by letter": "<p>" + "".join(f"<b>{x}</b>" for x in SUCCESS) + "</p>",
    "in capitals by its style": "<p style='text-transform:uppercase'>Completed</p>",
    "within a component": "<x-state>Completed</x-state><script>customElements.define('x-state', class extends "
    "HTMLElement {constructor() {super(); this.attachShadow({mode: 'open'}).innerHTML = '<slot></slot>'}})</script>",
    "beside what moves": "<style>@keyframes a{to{left:90px}}i{position:relative;animation:a 1s infinite}</style>"
    "<p>Completed</p><i>...</i>",
    "by an icon": "<style>p::before{content:'\\e001'}</style><p>Completed</p>",
    "under a thin veil": f"<p>Completed</p><div style='{OVER};background:#ffffff20'></div>",
    "beside a hidden twin": "<p>Completed</p><p style='opacity:0'>Completed</p>",
}


@pytest.fixture(scope="module")
def tab() -> Iterator[Page]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=require_browser(), args=list(ARGUMENTS))
        yield chromium.new_page(viewport={"width": 400, "height": 300})
        chromium.close()


def told(tab: Page, body: str) -> list[str]:
    """The lines of the text that counts of a page."""
    tab.set_content(f"<!doctype html><meta charset=utf-8><body><h1>{NAME}</h1>{body}")
    before = tab.content()
    text = text_that_is_seen(tab, tab.screenshot(animations="disabled"), [NAME, SUCCESS], 10_000)
    assert tab.content() == before, "the page is left as it was"
    return [line.strip() for line in text.splitlines()]


@pytest.mark.parametrize("how", HIDDEN)
def test_success_does_not_count_where(how: str, tab: Page) -> None:
    lines = told(tab, HIDDEN[how])
    assert SUCCESS not in lines
    assert NAME in lines or "cover" in how


@pytest.mark.parametrize("how", SHOWN)
def test_success_counts_where_it_is_shown(how: str, tab: Page) -> None:
    assert {SUCCESS, SUCCESS.upper()} & set(told(tab, SHOWN[how]))
