"""Pictures of figures: frames or plain rows in, PNG bytes out.

Made to be read at 800 pixels' width (they hold twice as many, for sharp print). The colours are told apart by
colour-blind eyes and, by their lightness, in grey. matplotlib takes half a second to import, so it is imported where a
picture is drawn; its global state is never touched, so that threads may draw at once.
"""

from __future__ import annotations

import io
import textwrap
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pandas as pd
from PIL import Image

from caseproof.checks.report import Figures, how_long, top
from caseproof.domain.durations import MEASURES, TIMES
from caseproof.domain.visible import one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 8.0  # inches, at 100 pixels each
DARK, LIGHT, WARN = "#0b4f8a", "#e8a33d", "#b3261e"
PALE, INK, QUIET, RULE = "#c9ced6", "#1d2430", "#5a6372", "#e3e0da"
_HATCHED: dict[str, Any] = {"facecolor": "white", "edgecolor": DARK, "hatch": "//////", "linewidth": 0.8}
NAMED_WEEKS = 14
"""Up to so many weeks each is named under a chart."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A chart: its name (for keys and files), what is seen on it in a sentence, and the PNG."""

    name: str
    says: str
    png: bytes


# -- the report -----------------------------------------------------------------------------------------------------


def report_pictures(figures: Figures) -> list[Picture]:
    """Every chart of a report, in the order in which they are read."""
    trends = [trend(figures, measure) for measure in MEASURES]
    return [came_and_went(figures), open_ages(figures), *trends, *(opened_by(figures, name) for name in figures.by)]


def came_and_went(figures: Figures) -> Picture:
    """What came in and what was closed, week by week, and how many were open at each week's end."""
    weeks = figures.weeks
    came, closed = int((weeks["opened"] + weeks["reopened"]).sum()), int(weeks["closed"].sum())
    still = int(weeks["open"].iloc[-1])
    says = f"{_count(came, 'case')} came in, {closed} closed; {still or 'none'} open at the end"
    figure, (upper, lower) = _sheet(says, 4.2, rows=(3, 1.3))
    at = range(len(weeks))
    left, right = [x - 0.2 for x in at], [x + 0.2 for x in at]
    upper.bar(left, weeks["opened"], 0.38, color=DARK, label="opened")
    upper.bar(left, weeks["reopened"], 0.38, bottom=weeks["opened"], label="reopened", **_HATCHED)
    upper.bar(right, weeks["closed"], 0.38, color=LIGHT, label="closed")
    upper.legend(loc="lower right", bbox_to_anchor=(1.01, 0.98), ncols=3, fontsize=9, frameon=False, handlelength=1)
    lower.fill_between(at, weeks["open"], color=PALE, alpha=0.5, linewidth=0)
    lower.plot(at, weeks["open"], color=INK, linewidth=1.8, marker="o", markersize=3.5)
    for axes, name in ((upper, "cases a week"), (lower, "open at the\nweek's end")):
        _counts_from_zero(axes)
        axes.set_ylabel(name, fontsize=9, color=QUIET)
    _name_weeks(lower, figures)
    upper.set_xticks([])
    upper.set_xlim(lower.get_xlim())
    return Picture("came-and-went", f"{says}.", _png(figure))


def trend(figures: Figures, measure: str) -> Picture:
    """The median of a measure, week by week; a week without a case is a gap."""
    weeks, whole = figures.weeks, figures.times.loc[measure]
    says = f"Time {TIMES[measure]}: {_says_median(int(whole['cases']), whole['median'])}"
    if not whole["cases"]:
        return _empty(f"time-to-{measure}", says)
    figure, (axes,) = _sheet(says, 2.9)
    unit, size = _unit(weeks[measure].max())
    took = weeks[measure] / size
    at = list(range(len(weeks)))
    size_of_dots = 5 if len(weeks) <= NAMED_WEEKS else 3
    line: dict[str, Any] = {"color": DARK, "linewidth": 2, "marker": "o", "markersize": size_of_dots}
    axes.plot(at, took, **line)
    if figures.under_way:
        axes.plot(at[-1:], took[-1:], **line, markerfacecolor="white")
    axes.set_ylim(0, None if took.max() > 0 else 1)
    axes.set_ylabel(f"median, {unit}", fontsize=9, color=QUIET)
    axes.locator_params(axis="y", nbins=5)
    _name_weeks(axes, figures, weeks[f"{measure}_cases"])
    return Picture(f"time-to-{measure}", f"{says} (measured {MEASURES[measure]}).", _png(figure))


def _says_median(cases: int, median: timedelta) -> str:
    if cases < 2:
        return f"the one case took {how_long(median)}" if cases else "no case got that far in this period"
    return f"half of {cases} cases took {how_long(median)} or less"


def open_ages(figures: Figures) -> Picture:
    """How old the open cases are: they are not in any median."""
    ages = figures.ages
    total = int(ages.sum())
    if not total:
        return _empty("open-ages", "No case is open")
    says = f"{_count(total, 'case')} open at the end, the oldest for {how_long(figures.open['age'].max())}"
    figure, (axes,) = _sheet(says, 1.9)
    _bars(axes, [str(age) for age in ages.index], [("", DARK, list(ages))], [str(n) for n in ages])
    axes.set_xlabel("open cases, by the time since they were first opened", fontsize=9, color=QUIET)
    return Picture("open-ages", f"{says}.", _png(figure))


def opened_by(figures: Figures, name: str) -> Picture:
    """Whose or which cases were opened in the period, the most first, and how many of them are open yet."""
    table = figures.by[name]
    table = table[table["opened"] > 0]
    says = _says_by(name, table)
    if table.empty:
        return _empty(f"by-{name}", says)
    shown, others = top(table)
    labels = [_label(name, str(value)) for value in shown.index]
    rows = shown[["opened", "still_open"]].to_numpy().tolist()
    figure, (axes,) = _sheet(says, 1.3 + 0.27 * len(rows))
    done, still = [row[0] - row[1] for row in rows], [row[1] for row in rows]
    _bars(axes, labels, [("closed by now", LIGHT, done), ("still open", DARK, still)], [str(row[0]) for row in rows])
    # No bar of theirs: it would press all others together.
    rest = f"; {len(others)} others have {others['opened'].sum()} together" if len(others) else ""
    axes.set_xlabel(f"cases opened in the period{rest}", fontsize=9, color=QUIET)
    return Picture(f"by-{name}", f"{says}.", _png(figure))


def _says_by(name: str, table: pd.DataFrame) -> str:
    if table.empty:
        return f"By {name}: no case was opened in this period"
    most, total = table["opened"].iloc[0], table["opened"].sum()
    return f"By {name}: {_label(name, str(table.index[0]))} leads with {most} of {_count(total, 'case')} opened"


# -- the daily check ------------------------------------------------------------------------------------------------


STOPPED, NOT_STOPPED, REPORTED, LEFT = "stopped", "could not be stopped", "only reported", "left alone"
PLANNED = "to be stopped"
ACTS = {
    **dict.fromkeys(("stop", "reopen", "resume", "stopped"), STOPPED),
    **dict.fromkeys(("cannot stop", "not stopped yet"), NOT_STOPPED),
    "report": REPORTED,
    "leave": LEFT,
}
"""What a plan or a stop calls it, and what people read; anything else is only reported."""
_TONES = {STOPPED: DARK, PLANNED: DARK, NOT_STOPPED: WARN, REPORTED: LIGHT, LEFT: PALE}


def failing_jobs(
    lines: Iterable[tuple[str, str, str, datetime | None]], now: datetime | None = None, *, dry_run: bool = False
) -> Picture:
    """One check: how many jobs fail, by cause, and what was done about them (or, in a dry run, would be).

    ``lines``: the job, its cause, what was done about it (one of ``ACTS``), and since when it fails (UTC), if known.
    With ``now`` (aware) the picture says since when the oldest of each cause fails.
    """
    words = (
        {**ACTS, **dict.fromkeys((act for act, word in ACTS.items() if word == STOPPED), PLANNED)} if dry_run else ACTS
    )
    rows = [(cause or "unknown", words.get(act, REPORTED), since) for _, cause, act, since in lines]
    if not rows:
        return _empty("failing-jobs", "No job fails", "every job is fine")
    table = pd.DataFrame(rows, columns=["cause", "act", "since"])
    counts = table.groupby(["cause", "act"]).size().unstack("act", fill_value=0)
    counts = counts.reindex(columns=list(_TONES), fill_value=0).astype(int)
    counts = counts.loc[counts.sum(axis="columns").sort_index().sort_values(ascending=False, kind="stable").index]
    done = {str(act): int(number) for act, number in counts.sum().items() if number}
    says = f"{_count(len(table), 'job')} in trouble: " + ", ".join(f"{number} {act}" for act, number in done.items())
    figure, (axes,) = _sheet(says, 1.5 + 0.32 * len(counts))
    since = pd.to_datetime(table["since"].astype(object), utc=True).groupby(table["cause"]).min()
    ends = [_failing(int(row.sum()), since[cause], now) for cause, row in counts.iterrows()]
    parts = [(act, _TONES[act], list(counts[act])) for act in done]
    _bars(axes, [_label("cause", str(cause)) for cause in counts.index], parts, ends, margin=0.3 if now else 0.08)
    axes.set_xlabel("jobs", fontsize=9, color=QUIET)
    return Picture("failing-jobs", f"{says}.", _png(figure))


def _failing(count: int, since: pd.Timestamp, now: datetime | None) -> str:
    if now is None or pd.isna(since):
        return str(count)
    return f"{count}, the longest for {how_long(max(now - since, timedelta(0)))}"


# -- what the charts share ------------------------------------------------------------------------------------------


def _sheet(title: str, height: float, rows: Sequence[float] = (1,)) -> tuple[Figure, list[Axes]]:
    """A figure with its title, and one frame above another; ``height`` in inches, ``rows`` their shares of it."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    figure = Figure((WIDTH, height), dpi=100, facecolor="white", layout=ConstrainedLayoutEngine(h_pad=0.08, w_pad=0.08))
    FigureCanvasAgg(figure)
    lines = textwrap.fill(_plain(title), 76)
    figure.suptitle(lines, x=0.012, ha="left", fontsize=12, fontweight="bold", color=INK, parse_math=False)
    frames = figure.subplots(len(rows), 1, squeeze=False, height_ratios=list(rows))[:, 0]
    for axes in frames:
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.spines["bottom"].set_color(QUIET)
        axes.grid(axis="y", color=RULE, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.tick_params(colors=QUIET, labelsize=9, length=0)
    return figure, list(frames)


def _bars(
    axes: Axes, labels: list[str], parts: list[tuple[str, str, list[int]]], ends: list[str], margin: float = 0.08
) -> None:
    """Horizontal bars from the top down, each of parts (name, colour, lengths), with a text at its end."""
    places = list(range(len(labels)))
    reached = [0] * len(labels)
    for name, colour, lengths in parts:
        # Red and blue are alike in grey.
        hatch: dict[str, Any] = {"hatch": "////", "edgecolor": "white"} if colour == WARN else {}
        axes.barh(places, lengths, 0.66, left=reached, label=name, facecolor=colour, linewidth=0, **hatch)
        reached = [before + length for before, length in zip(reached, lengths, strict=True)]
    most = max(reached, default=0) or 1
    for place, length, text in zip(places, reached, ends, strict=True):
        axes.text(length + most * 0.01, place, text, va="center", fontsize=9, color=INK)
    axes.set_yticks(places, [_plain(label) for label in labels])
    for label in axes.get_yticklabels():
        label.set(parse_math=False, color=INK)
    axes.set_xlim(0, most * (1 + margin))
    axes.invert_yaxis()
    axes.grid(visible=False)
    _whole_numbers(axes.xaxis)
    if len(parts) > 1:
        axes.legend(
            loc="lower right", bbox_to_anchor=(1.0, 0.99), ncols=4, fontsize=9, frameon=False, handlelength=1,
            borderaxespad=0.1,
        )  # fmt: skip


def _empty(name: str, says: str, text: str = "nothing to show") -> Picture:
    """A picture of nothing, which says so."""
    figure, (axes,) = _sheet(says, 1.2)
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=QUIET, fontsize=11)
    axes.set_axis_off()
    return Picture(name, f"{says}.", _png(figure))


def _counts_from_zero(axes: Axes) -> None:
    axes.set_ylim(0, max(1.0, axes.get_ylim()[1]))
    _whole_numbers(axes.yaxis)


def _whole_numbers(axis: Any) -> None:
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(nbins=6, integer=True, min_n_ticks=1))


def _name_weeks(axes: Axes, figures: Figures, cases: pd.Series[int] | None = None) -> None:
    """The weeks under a chart, by their Mondays; with ``cases``, how many are behind each."""
    weeks = figures.weeks.index
    step = -(-len(weeks) // NAMED_WEEKS)
    behind = [""] * len(weeks) if cases is None or step > 1 else [f"\n{n}" for n in cases]
    names = [f"{week.day} {week:%b}" + (f"\n{week.year}" if step > 1 else "") for week in weeks]
    if figures.under_way:
        names[-1] += " …"
    at = list(range(0, len(weeks), step))
    axes.set_xticks(at, [names[n] + behind[n] for n in at])
    room = max(0.0, (5 - len(weeks)) / 2)  # a single week is no wall
    axes.set_xlim(-0.6 - room, len(weeks) - 0.4 + room)
    under_way = "; … under way" if figures.under_way else ""
    below = "; below: cases behind the median" if any(behind) else ""
    axes.set_xlabel(f"week that began on this Monday (UTC){under_way}{below}", fontsize=9, color=QUIET)


def _unit(longest: pd.Timedelta) -> tuple[str, pd.Timedelta]:
    """The unit in which this can be read without large numbers."""
    for name, size, up_to in (("seconds", "1s", "2min"), ("minutes", "1min", "2h"), ("hours", "1h", "2D")):
        if pd.isna(longest) or longest < pd.Timedelta(up_to):
            return name, pd.Timedelta(size)
    return "days", pd.Timedelta("1D")


def _label(name: str, value: str) -> str:
    """What the bar of a cause, marketplace or retailer is called."""
    if name == "cause":
        return value.replace("_", " ") or "no cause"
    return (f"{value[:33]}…" if len(value) > 34 else value) or f"no {name}"


def _plain(text: str) -> str:
    """One line of what can be seen: names come from outside."""
    return one_line(text)


def _count(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _png(figure: Figure) -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings():
        # A retailer's name may be in letters that the font lacks: a box there is no reason for a warning.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(file, format="rgba", dpi=200)  # as it is drawn: it is packed once, below
    drawn, width = file.getvalue(), int(WIDTH * 200)
    picture = Image.frombytes("RGBA", (width, len(drawn) // (4 * width)), drawn)
    small = io.BytesIO()
    # A chart has few colours, and a page or an artifact carries it in its text.
    picture.convert("RGB").quantize(96, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
    return small.getvalue()
