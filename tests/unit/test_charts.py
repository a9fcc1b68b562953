"""The charts: pictures that people can read, whatever there is to show."""

from __future__ import annotations

import io
import sys
import threading
import warnings
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from PIL import Image

from caseproof.checks.report import Figures, Period, figures
from caseproof.domain.job_failure.kinds import Kind
from caseproof.procedure.views.charts import ACTS, Picture, failing_jobs, opened_by, report_pictures, trend

MONDAY = datetime(2026, 11, 2, tzinfo=UTC)
NOW = MONDAY + timedelta(weeks=3)


def made_up(cases: int, weeks: int = 3, retailers: int = 3, name: str = "Shop {}") -> Figures:
    begin = pd.Timestamp(MONDAY.replace(tzinfo=None))
    facts = [(f"JF-{n}", name.format(n % retailers), "North", "expired_token") for n in range(cases)]
    rows = []
    for n in range(cases):
        at = begin + pd.Timedelta(days=7 * weeks * n / max(1, cases))
        kinds = (Kind.OPENED, Kind.STOPPED, Kind.NOTICE_SENT, Kind.CONFIRMATION_RECEIVED, Kind.CLOSED)
        rows += [(f"JF-{n}", str(kind), at + pd.Timedelta(hours=h)) for h, kind in enumerate(kinds[: 3 + n % 3])]
    frame = pd.DataFrame(facts, columns=["case", "retailer", "marketplace", "cause"]).set_index("case")
    events = pd.DataFrame(rows, columns=["case", "kind", "at"]).astype({"at": "datetime64[us]"})
    return figures(frame, events, Period(MONDAY, MONDAY + timedelta(weeks=weeks)))


def size(picture: Picture) -> tuple[int, int]:
    with Image.open(io.BytesIO(picture.png)) as image:
        assert image.format == "PNG"
        return image.size


def ink(picture: Picture) -> Counter[tuple[int, int, int]]:
    with Image.open(io.BytesIO(picture.png)) as image:
        return Counter(image.convert("RGB").get_flattened_data())


@pytest.fixture(scope="module")
def of_nothing() -> list[Picture]:
    return report_pictures(made_up(0))


@pytest.mark.parametrize("cases", [0, 5])
def test_every_chart_is_a_wide_png_that_an_artifact_can_carry(cases: int, of_nothing: list[Picture]) -> None:
    pictures = report_pictures(made_up(cases, weeks=1)) if cases else of_nothing
    assert len({one.name for one in pictures}) == len(pictures) == 9
    for one in pictures:
        assert size(one)[0] == 1600, one.name
        assert len(one.png) < 350_000, one.name
        assert one.says.endswith("."), one.name


def test_a_chart_of_nothing_says_so(of_nothing: list[Picture]) -> None:
    says = [one.says for one in of_nothing]
    assert "No case is open." in says
    assert any(text.startswith("Time to close the case: no case got that far") for text in says)
    assert failing_jobs([], NOW).says == "No job fails."


def test_a_week_without_a_case_is_a_gap_and_not_a_zero() -> None:
    """The line is broken where the week is empty, so there is less of it than where the week's value is there."""
    found = made_up(9)
    gap = found.weeks.copy()
    gap.loc[gap.index[1], "contain"] = pd.NaT
    broken = replace(found, weeks=gap)
    line = (11, 79, 138)

    def near(picture: Picture) -> int:
        return sum(
            n for colour, n in ink(picture).items() if sum(abs(a - b) for a, b in zip(colour, line, strict=True)) < 40
        )

    assert near(trend(broken, "contain")) < near(trend(found, "contain")) / 2


def test_of_a_thousand_retailers_ten_are_drawn_and_the_others_named_together() -> None:
    few, many = opened_by(made_up(30, retailers=11), "retailer"), opened_by(made_up(2000, retailers=1000), "retailer")
    assert size(many)[1] <= size(few)[1]


@pytest.mark.parametrize("name", ["$x^2$ {}", "a | <b>{}</b>\n", "\u5546\u5e97 {}", "{}" + "x" * 300, "\x00\u202e{}"])
def test_a_name_from_outside_is_drawn_as_text_without_a_warning(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        picture = opened_by(made_up(3, name=name), "retailer")
    assert size(picture)[0] == 1600
    assert len(picture.says) < 120


def test_the_picture_of_a_check_counts_jobs_by_what_was_done_about_them() -> None:
    acts = ["stop", "reopen", "resume", "cannot stop", "report", "leave", "leave"]
    lines = [(f"j{n}", "feed", act, NOW - timedelta(hours=n) if n else None) for n, act in enumerate(acts)]
    picture = failing_jobs(lines, NOW)
    assert picture.says == "7 jobs in trouble: 3 stopped, 1 could not be stopped, 1 only reported, 2 left alone."
    assert size(picture)[0] == 1600
    assert set(acts) <= set(ACTS)
    planned = failing_jobs(lines[:1] + lines[4:], dry_run=True)
    assert planned.says == "4 jobs in trouble: 1 to be stopped, 1 only reported, 2 left alone."


@pytest.mark.parametrize("since", [None, pd.NaT, datetime(2026, 11, 1), NOW, NOW + timedelta(days=1)])  # noqa: DTZ001
def test_the_picture_of_a_check_takes_any_beginning_of_a_failure(since: datetime | None) -> None:
    assert failing_jobs([("j", "", "stop", since)], NOW).says == "1 job in trouble: 1 stopped."


def test_drawing_leaves_matplotlibs_own_state_alone_and_may_be_done_by_two_threads() -> None:
    found, drawn = made_up(6), dict[str, bytes]()
    threads = [
        threading.Thread(target=lambda n=n: drawn.update({n: trend(found, n).png})) for n in ("contain", "close")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert drawn == {name: trend(found, name).png for name in ("contain", "close")}
    assert "matplotlib.pyplot" not in sys.modules
