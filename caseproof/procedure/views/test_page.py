"""The report of a month's test page: who was reached by what, and who was not; as rows, and as a page that is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import jinja2

from caseproof.config.on_call import RosterPerson
from caseproof.config.policy import Policy
from caseproof.procedure.core.parts import Links
from caseproof.procedure.paging.tested import Came, Try, Way, key_of
from caseproof.procedure.paging.trial_words import month_in_words
from caseproof.procedure.views.kept_reports import reports_folder, write_page

_HERE = Path(__file__).with_name("templates")
_MINUTES = "%Y-%m-%d %H:%M UTC"
_SAID = {
    Came.UNDER_WAY: "under way",
    Came.SENT: "NOT REACHED: it left, and nobody answered it",
    Came.NOT_ANSWERED: "NOT REACHED: nobody answered",
    Came.FAILED: "NOT REACHED: it could not be made",
    Came.UNKNOWN: "NOT REACHED: nobody knows what came of it",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One way to reach one person, and what came of it."""

    person: str
    way: str
    address: str
    found: str
    detail: str
    reached: bool


@dataclass(frozen=True, slots=True)
class TestReport:
    """A month's report; ``month`` like 2026-11."""

    __test__ = False

    month: str
    rows: tuple[Row, ...]

    @property
    def title(self) -> str:
        """What it is about."""
        return f"Test page of {month_in_words(self.month)}"

    @property
    def says(self) -> str:
        """What came of it, in a sentence."""
        reached = sum(one.reached for one in self.rows)
        nobody = sorted({one.person for one in self.rows} - {one.person for one in self.rows if one.reached})
        by_nothing = f" By nothing: {', '.join(nobody)}." if nobody else ""
        return f"{reached} of {len(self.rows)} ways reach whom they are for.{by_nothing}"

    @property
    def name(self) -> str:
        """The name of its page."""
        return f"test-page-{self.month}.html"


def report_of(policy: Policy, tried: Sequence[Try], month: str) -> TestReport:
    """The report of this month's tries: everybody on the list by every way there is, and whoever was tried besides."""
    rows, known = list[Row](), {one.key: one for one in tried}
    for person in policy.on_call.people:
        for way, address in _ways(policy, person):
            one = known.pop(key_of(person.name, way, address), None)
            rows.append(_of(one) if one else Row(person.name, way, address, _not_yet(person), "", reached=False))
    return TestReport(month, (*rows, *map(_of, known.values())))


def _ways(policy: Policy, person: RosterPerson) -> list[tuple[Way, str]]:
    ways = [(Way.MAIL, person.mail)] if person.mail and policy.mail.account else []
    ways += [(Way.TEAMS, person.teams)] if person.teams and policy.paging.teams else []
    lines = policy.on_call.lines_of(person) if policy.paging.voice else ()
    return ways + [(Way.CALL, line.told()) for line in lines]


def _not_yet(person: RosterPerson) -> str:
    return "not tried yet: it leaves within their hours" if person.days else "not tried: they have no working hours"


def _of(one: Try) -> Row:
    if one.answered is not None:
        return Row(one.person, one.way, one.address, f"reached, {one.answered:{_MINUTES}}", "", reached=True)
    found = f"{_SAID[one.came]} ({one.begun:{_MINUTES}})"
    return Row(one.person, one.way, one.address, found, one.detail, reached=False)


def keep_test_page(home: Path, links: Links, report: TestReport) -> str:
    """Keep the page in this home where it is another than before; returns its address. Raises ReportNotKept."""
    path, text = reports_folder(home) / report.name, _template().render(report=report)
    try:
        same = path.read_text(encoding="utf-8") == text
    except OSError:
        same = False
    if not same:
        write_page(path, text)
    return links.report_url(report.name)


@cache
def _template() -> jinja2.Template:
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    return made.get_template("test_page.html")
