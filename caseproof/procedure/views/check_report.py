"""What a check found and did, as people read it: one page a platform, the gravest first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from caseproof.checks.planning import PlanEntry
from caseproof.domain.errors import CaseproofError
from caseproof.procedure.containment.checking import CheckPlan
from caseproof.procedure.containment.stop_targets import StopResult
from caseproof.procedure.core.texts import data_uri, in_words, plain, short

LONGEST_TABLE = 300
"""How many rows a table shows; a page that nobody can read to its end helps nobody."""


@dataclass(frozen=True)
class Checked:
    """What a pass over one platform found and did. ``error`` is why it could not be done, or not to its end."""

    platform: str
    looked: CheckPlan | None = None
    results: Sequence[StopResult] = ()
    incidents: Sequence[str] = ()
    error: CaseproofError | None = None
    notes: Sequence[str] = ()

    @property
    def wrong(self) -> str:
        """The error in words; "" where there is none."""
        return str(self.error) if self.error else ""

    @property
    def lines(self) -> Sequence[PlanEntry]:
        """The plan, a line a job."""
        return self.looked.plan if self.looked else ()

    @property
    def done(self) -> dict[str, StopResult]:
        """What became of the jobs that something was done about, by job."""
        return {one.job: one for one in self.results}

    @property
    def counts(self) -> Counter[str]:
        """How many jobs were what: the outcome where something was done, else what the plan says of them."""
        done = self.done
        return Counter(done[line.job].outcome if line.job in done else _planned(line) for line in self.lines)


def _planned(line: PlanEntry) -> str:
    if line.verdict == "fine":
        return "fine"
    words = {"leave": "left alone", "report": "only reported", "stop": "to be stopped", "reopen": "to be reopened"}
    return words.get(line.act, "to be stopped")


def page(checked: Checked, case_url: Callable[[str], str], picture: bytes | None, *, dry_run: bool) -> str:
    """The page of one platform, in markdown."""
    done = checked.done
    acted = {
        outcome: [line for line in checked.lines if line.job in done and done[line.job].outcome == outcome]
        for outcome in ("stopped", "cannot stop", "not stopped yet", "left alone")
    }
    planned = [line for line in checked.lines if line.act not in ("leave", "report") and line.job not in done]
    parts = [
        f"# {plain(checked.platform)}: {'what a check would do' if dry_run else 'the job check'}",
        _summary(checked),
        f"**It could not be done to its end.** {plain(checked.wrong)}" if checked.wrong else "",
        *(plain(note) for note in checked.notes),
        f"Incidents that cases of it belong to: {', '.join(checked.incidents)}." if checked.incidents else "",
        f"![failing jobs by cause]({data_uri(picture)})" if picture else "",
        _acted(
            "Not stopped yet; the case's run and the next check go on trying", acted["not stopped yet"], done, case_url
        ),
        _acted("Cannot be stopped from our side", acted["cannot stop"], done, case_url),
        _acted("Stopped, a case each", acted["stopped"], done, case_url),
        _acted("Stopped by somebody else meanwhile", acted["left alone"], done, case_url),
        _told("To be stopped", planned),
        _told("Reported, not stopped", [x for x in checked.lines if x.act == "report"]),
        _told("Left alone, and why", [x for x in checked.lines if x.act == "leave" and x.verdict != "fine"]),
    ]
    return "\n\n".join(part for part in parts if part)


def _summary(checked: Checked) -> str:
    if checked.looked is None:
        return "Nothing was read."
    told = ", ".join(f"{count} {what}" for what, count in checked.counts.most_common())
    return f"{checked.looked.jobs} jobs, {checked.looked.runs} runs read. {told or 'No jobs'}."


def _acted(title: str, lines: Iterable[PlanEntry], done: dict[str, StopResult], case_url: Callable[[str], str]) -> str:
    rows = []
    for line in lines:
        one = done[line.job]
        case = f"[{one.ref}]({case_url(one.ref)})" if one.ref else ""
        rows.append((case, *_facts(line), plain(short(one.why or line.why))))
    return _table(title, ("Case", "Job", "Whose", "Cause", "Why"), rows)


def _told(title: str, lines: Iterable[PlanEntry]) -> str:
    rows = [(*_facts(line)[:2], plain(line.verdict), plain(short(line.why))) for line in lines]
    return _table(title, ("Job", "Whose", "Found", "Why"), rows)


def _facts(line: PlanEntry) -> tuple[str, str, str]:
    """The job, whose it is, and the cause: few columns, since Prefect cuts a table at its right edge."""
    whose = " on ".join(part for part in (line.retailer or "not known", line.marketplace) if part)
    return plain(line.job), plain(whose), plain(in_words(line.cause) if line.cause else "")


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    shown = [f"| {' | '.join(row)} |" for row in rows[:LONGEST_TABLE]]
    more = [f"\n\n... and {len(rows) - LONGEST_TABLE} more."] if len(rows) > LONGEST_TABLE else []
    head = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    return f"## {title}: {len(rows)}\n\n" + "\n".join([*head, *shown, *more])
