"""What axe finds wrong with a page in a browser, on screens of people by day and by night."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from axe_playwright_python.sync_playwright import Axe, AxeResults
from playwright.sync_api import Page, ViewportSize

PHONE, DESK = ViewportSize(width=390, height=844), ViewportSize(width=1440, height=900)
Look = tuple[ViewportSize, Any]
"""A screen, and "light" or "dark"."""
EACH: tuple[Look, ...] = ((PHONE, "dark"), (DESK, "light"))
ALL: tuple[Look, ...] = (*EACH, (PHONE, "light"), (DESK, "dark"))

# What is well would be told too, node by node: longer in the telling than in the finding.
_RUN = "axe.run({resultTypes: ['violations']}).then(told => ({violations: told.violations}))"


def violations(page: Page) -> AxeResults:
    """What axe says of the page as it stands; the page's own rules must let scripts in (``bypass_csp``)."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(Axe().axe_script)
    return AxeResults(page.evaluate(_RUN))


def look_closely(page: Page, looks: Iterable[Look] = EACH) -> list[str]:
    """What is wrong with a page, a line for each rule of axe; and where it is wider than the screen."""
    found = []
    for size, scheme in looks:
        page.set_viewport_size(size)
        page.emulate_media(color_scheme=scheme)
        found += [f"{scheme} {size['width']}: {line}" for line in violations(page).generate_snapshot().splitlines()]
        if page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
            found.append(f"{size['width']}: it is wider than the screen")
    return found
