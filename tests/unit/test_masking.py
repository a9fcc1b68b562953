"""What is covered before a picture is taken, and where; that a browser covers it is shown with a real one elsewhere."""

from __future__ import annotations

from typing import cast

from playwright.sync_api import Page

from caseproof.evidence.masking import cover


class Tab:
    """A page that finds all that it is to cover."""

    def __init__(self) -> None:
        self.asked: list[list[object]] = []

    def evaluate(self, _script: str, wanted: list[list[object]]) -> int:
        self.asked = wanted
        return 0


def test_a_word_that_the_picture_has_to_show_is_covered_only_where_it_stands_as_a_secret() -> None:
    """Else a job that prints "password=Completed" blacks out the state of its own run."""
    tab = Tab()
    secrets = [("password=", "completed"), ("token=", "feed-a"), ("token=", "hunter2hunter2")]
    assert cover(cast(Page, tab), secrets, ("offers/feed-a", "Completed"))
    assert [common for _, _, common in tab.asked] == [True, True, False]
