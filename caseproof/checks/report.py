"""How long cases take, and how many there are: frames in, frames out.

Times are ``datetime64`` in UTC without a zone; durations are ``timedelta64``. What ended is measured; what has not
ended yet is counted beside it with its age, and never averaged in. A time belongs to the week in which it ended.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import pandas as pd

from caseproof.checks.turns import TURNED, turns
from caseproof.domain.durations import MEASURES, in_two_units
from caseproof.domain.errors import BadInput
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.job_failure.turn import Whose
from caseproof.domain.worklist import Age

GROUPS = ("cause", "marketplace", "retailer")
KINDS = tuple(kind for kind in Kind if kind.spec.measured)
"""The events that a report needs; all others only make reading slower."""

AGES = {age.words: age.days for age in Age}
"""How open cases are grouped by age: up to so many days."""

MOST_WEEKS = 104
_WEEK = pd.Timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Period:
    """From ``since``, a Monday's midnight, up to ``until``: aware, in UTC."""

    since: datetime
    until: datetime

    @property
    def last_day(self) -> date:
        """The day of its last moment: a period up to midnight ends with the day before."""
        return (self.until.astimezone(UTC) - timedelta(microseconds=1)).date()


@dataclass(frozen=True, slots=True)
class Figures:
    """What a report says of its period; cases are seen as they were at its end.

    ``times``: a row a measure (``MEASURES``): cases, median, p90, waiting, longest (the age of the oldest waiting).
    ``weeks``: a row a week, by its Monday: opened, reopened, closed, open (at its end), and for each measure its
    median and, as ``<measure>_cases``, how many are behind it.
    ``by``: for each of ``GROUPS`` a row a name, the most opened first: opened, still_open (of these), reopened, closed,
    open (of all), median, cases (the time to close).
    ``open``: a row an open case, oldest first: retailer, marketplace, cause, opened, age, openings, stands, turn.
    ``turns``: a row a side, as ``checks.turns`` says.
    """

    period: Period
    times: pd.DataFrame
    weeks: pd.DataFrame
    by: dict[str, pd.DataFrame]
    open: pd.DataFrame
    cannot_stop: int
    turns: pd.DataFrame

    @property
    def under_way(self) -> bool:
        """Whether the last week is not over at the end of the period."""
        return bool(self.weeks.index[-1] + _WEEK > _naive(self.period.until))

    @property
    def ages(self) -> pd.Series[int]:
        """How many open cases there are of each of ``AGES``."""
        days = self.open["age"] / pd.Timedelta(days=1)
        groups = pd.cut(days, [-1, *AGES.values()], labels=list(AGES), right=False)
        return groups.value_counts().reindex(list(AGES), fill_value=0)


# -- the period -----------------------------------------------------------------------------------------------------


def period(now: datetime, weeks: int = 8, since: date | None = None, until: date | None = None) -> Period:
    """The whole weeks before ``now`` and the one under way; or from the week of ``since``, to the end of ``until``.

    ``now`` is aware. Raises BadInput for a period without a day, in the future, or of more than ``MOST_WEEKS`` weeks.
    """
    if not 1 <= weeks <= MOST_WEEKS:
        raise BadInput(f"A report of {weeks} weeks cannot be made.", f"Ask for 1 to {MOST_WEEKS} weeks.")
    end = now.astimezone(UTC)
    if until is not None and until < end.date():
        end = _midnight(until + timedelta(days=1))
    try:
        begin = _monday(since) if since else _monday(end.date()) - timedelta(weeks=weeks)
    except OverflowError as error:
        raise BadInput(f"The report would begin before the year 1, to end on {until}.", "Give a later day.") from error
    if since and _midnight(since) >= end:
        raise BadInput(f"The report would begin on {since}, after it ends.", "Give a day before its end and now.")
    if end - begin > timedelta(weeks=MOST_WEEKS + 1):
        raise BadInput(f"The report would cover more than {MOST_WEEKS} weeks.", "Ask for a shorter time.")
    return Period(begin, end)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _monday(day: date) -> datetime:
    return _midnight(day - timedelta(days=day.weekday()))


def _naive(moment: datetime) -> pd.Timestamp:
    return pd.Timestamp(moment.astimezone(UTC).replace(tzinfo=None))


# -- the figures ----------------------------------------------------------------------------------------------------


def figures(
    cases: pd.DataFrame,
    events: pd.DataFrame,
    over: Period,
    *,
    turned: pd.DataFrame | None = None,
    asked_nothing: Set[str] = frozenset(),
) -> Figures:
    """The figures of a period.

    ``cases``: index the reference; retailer, marketplace, cause. ``events``: case (the reference), kind, at; those of a
    case in their order. It needs every case that was open at some time of the period, with its events from the
    first; what happened after the period is left out here. ``turned``: what changes the turn besides (``TURNED``);
    ``asked_nothing``: the cases whose retailers owe no answer.
    """
    since, until = _naive(over.since), _naive(over.until)
    openings = _openings(events[events["at"] < until]).join(cases, on="case")
    spans = _spans(openings)
    ended = spans[(spans["ended"] >= since) & (spans["ended"] < until)]
    turned = pd.DataFrame(columns=list(TURNED)) if turned is None else turned
    waited, now = turns(events[events["at"] < until], turned[turned["at"] < until], asked_nothing, since, until)
    return Figures(
        period=over,
        times=_times(ended, spans[spans["waits"]], until),
        weeks=_weeks(openings, ended, since, until),
        by={name: _by(name, openings, ended, since) for name in GROUPS},
        open=_still_open(openings, until, now),
        turns=waited,
        cannot_stop=int(openings[Kind.CANNOT_STOP].ge(since).sum()),
    )


def _openings(events: pd.DataFrame) -> pd.DataFrame:
    """A row an opening of a case: when it began, when each kind of event first came in it, whether it is the last."""
    kinds = pd.CategoricalDtype([str(kind) for kind in KINDS])
    told = events[["case", "kind", "at"]].astype({"case": "category", "kind": kinds})
    told = told[told["kind"].notna()]
    told["opening"] = told["kind"].isin([Kind.OPENED, Kind.REOPENED]).groupby(told["case"], observed=True).cumsum()
    opening = [told["case"], told["opening"]]
    # A word that comes after the closing, or before the retailer was asked, answers nothing.
    over = (told["kind"] == Kind.CLOSED).groupby(opening, observed=True).cumsum()
    asked = (told["kind"] == Kind.NOTICE_SENT).groupby(opening, observed=True).cumsum()
    is_word = told["kind"] == Kind.CONFIRMATION_RECEIVED
    told = told[(told["opening"] > 0) & ~(is_word & ((over > 0) | (asked == 0)))]
    first = told.drop_duplicates(["case", "opening", "kind"]).set_index(["case", "opening", "kind"])["at"]
    wide = first.unstack("kind").reindex(columns=list(kinds.categories)).astype("datetime64[us]").reset_index()
    wide["case"] = wide["case"].astype(object)
    wide["began"] = wide[Kind.OPENED].fillna(wide[Kind.REOPENED])
    wide["first_began"] = wide.groupby("case", sort=False)["began"].transform("first")
    wide["last"] = ~wide["case"].duplicated(keep="last")
    wide["open"] = wide["last"] & wide[Kind.CLOSED].isna()
    return wide


def _spans(openings: pd.DataFrame) -> pd.DataFrame:
    """A row a time: its opening's place, measure, began, ended, took; or ``waits``: it began and has no end yet."""
    here, still = openings, openings["open"]
    bounds = {
        "contain": (here["began"], here[Kind.STOPPED], still & here[Kind.CANNOT_STOP].isna()),
        "notify": (here["began"], here[Kind.NOTICE_SENT], still),
        "confirm": (here[Kind.NOTICE_SENT], here[Kind.CONFIRMATION_RECEIVED], still),
        "close": (here["first_began"], here[Kind.CLOSED].where(here["last"]), still),
    }
    parts = [
        pd.DataFrame({"measure": name, "began": began, "ended": ended, "waits": waits & ended.isna() & began.notna()})
        for name, (began, ended, waits) in bounds.items()
    ]
    spans = pd.concat(parts)
    # Two machines' clocks may differ by a little; nothing takes less than no time.
    spans["took"] = (spans["ended"] - spans["began"]).clip(lower=pd.Timedelta(0))
    return spans


def _times(ended: pd.DataFrame, waiting: pd.DataFrame, until: pd.Timestamp) -> pd.DataFrame:
    took, waits = ended.groupby("measure")["took"], waiting.groupby("measure")["began"]
    table = pd.DataFrame(
        {
            "cases": took.size(),
            "median": took.median(),
            "p90": took.quantile(0.9, interpolation="higher"),  # a time that some case really took
            "waiting": waits.size(),
            "longest": until - waits.min(),
        }
    ).reindex(list(MEASURES))
    counts = {name: table[name].fillna(0).astype(int) for name in ("cases", "waiting")}
    spans = {name: table[name].astype("timedelta64[us]") for name in ("median", "p90", "longest")}
    return table.assign(**counts, **spans)


def _weeks(openings: pd.DataFrame, ended: pd.DataFrame, since: pd.Timestamp, until: pd.Timestamp) -> pd.DataFrame:
    weeks = pd.date_range(since, until, freq="7D", inclusive="left", unit="us", name="week")
    moments = {
        "opened": openings[Kind.OPENED].dropna().sort_values(),
        "reopened": openings[Kind.REOPENED].dropna().sort_values(),
        "closed": openings[Kind.CLOSED].dropna().sort_values(),
    }
    ends = weeks + _WEEK
    before = {name: pd.Series(at.searchsorted(weeks), weeks) for name, at in moments.items()}
    after = {name: pd.Series(at.searchsorted(ends), weeks) for name, at in moments.items()}
    table = pd.DataFrame({name: after[name] - before[name] for name in moments})
    table["open"] = after["opened"] + after["reopened"] - after["closed"]
    took = ended.groupby([since + (ended["ended"] - since) // _WEEK * _WEEK, "measure"])["took"]
    for name, found in (("", took.median()), ("_cases", took.size())):
        columns = found.unstack("measure").reindex(index=weeks, columns=list(MEASURES))
        filled = columns.fillna(0).astype(int) if name else columns.astype("timedelta64[us]")
        table = table.join(filled.add_suffix(name))
    return table


def _by(name: str, openings: pd.DataFrame, ended: pd.DataFrame, since: pd.Timestamp) -> pd.DataFrame:
    group = openings[name]
    is_new = openings[Kind.OPENED] >= since
    still = openings.groupby("case", sort=False)["open"].transform("any")
    counts = pd.DataFrame(
        {
            "opened": is_new,
            "still_open": is_new & still,
            "reopened": openings[Kind.REOPENED] >= since,
            "closed": openings[Kind.CLOSED] >= since,
            "open": openings["open"],
        }
    ).groupby(group)  # fmt: skip
    closings = ended[ended["measure"] == "close"]
    took = closings.groupby(group.reindex(closings.index))["took"]
    table = counts.sum().astype(int).join(pd.DataFrame({"median": took.median(), "cases": took.size()}))
    table = table.assign(cases=table["cases"].fillna(0).astype(int), median=table["median"].astype("timedelta64[us]"))
    table = table[table[["opened", "reopened", "closed", "open"]].any(axis="columns")]
    return table.sort_index().sort_values(["opened", "open"], ascending=False, kind="stable").rename_axis(name)


def _still_open(openings: pd.DataFrame, until: pd.Timestamp, now: pd.Series[str]) -> pd.DataFrame:
    here = openings[openings["open"]].set_index("case")
    stands = pd.Series("not stopped yet", here.index, dtype=object)
    # The latest one that holds.
    stands[here[Kind.STOPPED].notna() | here[Kind.CANNOT_STOP].notna()] = "the retailer is not told yet"
    stands[here[Kind.NOTICE_SENT].notna()] = "no word from the retailer yet"
    stands[here[Kind.CONFIRMATION_RECEIVED].notna()] = "the retailer wrote"
    table = here[[*GROUPS[::-1], "first_began", "opening"]].rename(
        columns={"first_began": "opened", "opening": "openings"}
    )
    table = table.assign(age=(until - here["first_began"]).clip(lower=pd.Timedelta(0)), stands=stands)
    table["turn"] = now.reindex(table.index).fillna(str(Whose.OURS))
    return table.sort_values("opened", kind="stable")


# -- for people -----------------------------------------------------------------------------------------------------


def top(table: pd.DataFrame, count: int = 10) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The first rows of a table of ``Figures.by``, and those that are left out (none where there is but one)."""
    return (table, table.iloc[:0]) if len(table) <= count + 1 else (table.iloc[:count], table.iloc[count:])


def how_long(span: timedelta | None) -> str:
    """A duration for people, in its two largest units: 40 s, 9 min 41 s, 5 h 10 min, 3 d 4 h; "none" for none."""
    return "none" if span is None or pd.isna(span) else in_two_units(span)
