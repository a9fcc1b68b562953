"""`caseproof mail preview`: what a retailer gets, as files; it fits a phone, and every word on it can be read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from caseproof.channels.outbound.languages import LANGUAGES
from caseproof.channels.outbound.samples import every_mail, notice, notice_facts
from caseproof.cli.mail import WIDTHS
from caseproof.config.settings import Settings
from caseproof.evidence.browser import ARGUMENTS, require_browser
from caseproof.procedure.core.services import bootstrap
from tests.support.command import Run
from tests.support.histories import Teller

LOOK = """() => {
    const light = ([r, g, b]) => { const f = c => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
        return 0.2126 * f(r) + 0.7152 * f(g) + 0.0722 * f(b); };
    const rgb = colour => colour.match(/[\\d.]+/g).map(Number);
    const behind = element => { for (let e = element; e; e = e.parentElement) {
        const found = rgb(getComputedStyle(e).backgroundColor); if (found.length < 4 || found[3] > 0) return found; }
        return [255, 255, 255]; };
    let least = 99, texts = 0;
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walk.nextNode()) { if (!walk.currentNode.textContent.trim()) continue;
        texts += 1; const e = walk.currentNode.parentElement;
        const pair = [light(rgb(getComputedStyle(e).color)), light(behind(e))].sort((a, b) => b - a);
        least = Math.min(least, (pair[0] + 0.05) / (pair[1] + 0.05)); }
    const button = document.querySelector("a");
    return { contrast: least, texts, wide: document.documentElement.scrollWidth - window.innerWidth,
        button: button ? button.getBoundingClientRect().height : 99 };
}"""


def test_it_writes_text_html_and_pictures_of_a_phone_and_a_desktop_and_prints_where(run: Run, tmp_path: Path) -> None:
    ended = run("mail", "preview", "--language", "de", "--cause", "feed", "--folder", tmp_path)
    assert ended.code == 0, ended.err
    subject, *names = ended.out.splitlines()
    assert subject == "Subject: [JF-000001] Eine Produktliste kann nicht gelesen werden (Example Market)"
    text, html, phone, desktop = map(Path, names)
    assert text.name == "notice-feed-de.txt"
    assert "Warenwirtschaft" in text.read_text(encoding="utf-8")
    assert '<html lang="de">' in html.read_text(encoding="utf-8")
    for picture, width in ((phone, WIDTHS["phone"]), (desktop, WIDTHS["desktop"])):
        with Image.open(picture) as image:
            assert image.width == width
            assert image.height > 800


def test_it_shows_what_a_case_sends_in_its_contacts_language_and_changes_nothing(
    run: Run, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CASEPROOF_BROWSER", str(tmp_path / "none"))
    services = bootstrap(Settings(home=home))
    teller = Teller()
    teller.open()
    (opened,) = teller.events
    facts = {**opened.data, "job_name": "prices/garden", "marketplace": "Bazaar", "retailer": "Garden", "cause": "sync"}
    with services.store.uow() as uow:
        ref = uow.cases.create(replace(opened, data=facts)).ref
        uow.people.add_contact("Garden", "jo@example.com", "Jo", language="de-at")
        uow.commit()
    for kind, said in (
        ("notice", "Eine automatische Aufgabe, die für Ihren Shop auf Bazaar läuft, ist fehlgeschlagen."),
        ("reminder", f"- {ref}: prices/garden"),
        ("recovery", "läuft wieder"),
    ):
        ended = run("mail", "preview", "--case", ref.lower(), "--kind", kind, "--folder", tmp_path)
        assert ended.code == 0, ended.err
        assert "No pictures: there is no browser." in ended.out
        text = (tmp_path / f"{ref.lower()}-{kind}.txt").read_text(encoding="utf-8")
        assert said in text
        assert "Guten Tag Jo!" in text
    assert len(services.ledger.case(ref).events) == 1


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        (("--cause", "weather"), "There is no cause 'weather'"),
        (("--language", "xx"), "No mail is written in 'xx'"),
        (("--case", "JF-000009"), "JF-000009"),
    ],
)
def test_what_cannot_be_shown_is_refused_with_what_can(
    run: Run, tmp_path: Path, typed: tuple[str, ...], told: str
) -> None:
    ended = run("mail", "preview", "--folder", tmp_path / "none", *typed)
    assert ended.code == 1
    assert told in ended.err
    assert not (tmp_path / "none").exists()


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=require_browser(), args=ARGUMENTS)
        yield chromium.new_page(viewport={"width": WIDTHS["phone"], "height": 800})
        chromium.close()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_mail_fits_a_phone_and_has_the_contrast_that_people_need(page: Page, language: str) -> None:
    """WCAG AA: 4.5 to 1; and a button as high as a finger."""
    for name, message in every_mail(language):
        html = message.get_body(("html",))
        assert html is not None
        page.set_content(html.get_content())
        seen = page.evaluate(LOOK)
        assert seen["texts"] > 5, name
        assert seen["wide"] <= 0, f"{name} is too wide for a phone"
        assert seen["contrast"] >= 4.5, f"{name} has words that are hard to read"
        assert seen["button"] >= 44, f"{name} has a button that is hard to meet"


def test_a_word_as_long_as_a_line_does_not_make_the_mail_wider(page: Page) -> None:
    endless = "feeds/" + "x" * 70
    message = notice(replace(notice_facts("de", "sync"), job_name=endless, retailer="y" * 80, summary="z" * 300))
    html = message.get_body(("html",))
    assert html is not None
    page.set_content(html.get_content())
    assert page.evaluate(LOOK)["wide"] <= 0
