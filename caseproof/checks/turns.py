"""Whose turn the waiting of cases was: frames in, frames out. Times as in ``report``."""

from __future__ import annotations

from collections.abc import Set

import pandas as pd

from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.job_failure.turn import WHOSE_AFTER, Whose

TURNED = ("case", "kind", "at", "until")
"""The columns of what changes the turn beyond what is measured; ``until`` is a pause's last moment, else NaT."""


def turns(
    events: pd.DataFrame, turned: pd.DataFrame, asked_nothing: Set[str], since: pd.Timestamp, until: pd.Timestamp
) -> tuple[pd.DataFrame, pd.Series[str]]:
    """How long it was whose turn between two moments, and whose it is at the second, by case.

    A row each of ``Whose``: total (all cases together), cases, median (of what a case waited), longest (at once), now
    (how many cases wait so). ``events``: case, kind, at, and ``turned``: ``TURNED``, both before ``until``.
    """
    spans = _spans(events, turned, asked_nothing, until)
    now = spans[spans["ended"] == until].drop_duplicates("case", keep="last").set_index("case")["whose"]
    spans = spans.assign(began=spans["began"].clip(lower=since))
    spans = spans[spans["ended"] > spans["began"]]
    took = spans.assign(took=spans["ended"] - spans["began"])
    of_case = took.groupby(["whose", "case"])["took"].sum().groupby("whose")
    found = pd.DataFrame(
        {
            "total": of_case.sum(),
            "cases": of_case.size(),
            "median": of_case.median(),
            "longest": took.groupby("whose")["took"].max(),
            "now": now.value_counts(),
        }
    ).reindex([str(whose) for whose in Whose])
    counts = {name: found[name].fillna(0).astype(int) for name in ("cases", "now")}
    times = {name: found[name].astype("timedelta64[us]") for name in ("total", "median", "longest")}
    return found.assign(**counts, **times).rename_axis("whose"), now


def _spans(events: pd.DataFrame, turned: pd.DataFrame, asked_nothing: Set[str], until: pd.Timestamp) -> pd.DataFrame:
    """A row a turn: case, whose, began, ended; turns of one side that follow each other are one."""
    told = pd.concat([events[["case", "kind", "at"]].assign(until=pd.NaT), turned[list(TURNED)]])
    told = told[told["kind"].isin([*map(str, WHOSE_AFTER), str(Kind.CLOSED)])]
    told = told.astype({"case": object, "kind": object, "at": "datetime64[us]", "until": "datetime64[us]"})
    told = told.sort_values(["case", "at"], kind="stable", ignore_index=True)
    told = told[_is_open_or_closes(told)].reset_index(drop=True)
    whose = told["kind"].map({str(kind): str(turn) for kind, turn in WHOSE_AFTER.items()})
    whose[(whose == Whose.RETAILERS) & told["case"].isin(asked_nothing)] = str(Whose.OURS)
    ended = told.groupby("case", sort=False)["at"].shift(-1).fillna(until)
    paused = (whose == Whose.A_DATES) & told["until"].notna()
    over = told["until"].where(paused).clip(lower=told["at"]).fillna(ended).clip(upper=ended)
    parts = pd.concat(
        [
            pd.DataFrame({"case": told["case"], "whose": whose, "began": told["at"], "ended": over}),
            pd.DataFrame({"case": told["case"], "whose": str(Whose.OURS), "began": over, "ended": ended})[paused],
        ]
    )
    parts = parts[parts["whose"].notna() & (parts["ended"] > parts["began"])].sort_values(["case", "began"])
    return _joined(parts)


def _is_open_or_closes(told: pd.DataFrame) -> pd.Series[bool]:
    """What comes after a closing changes no turn, until the case is opened again."""
    opening = told["kind"].isin([str(Kind.OPENED), str(Kind.REOPENED)]).groupby(told["case"]).cumsum()
    closes = told["kind"] == str(Kind.CLOSED)
    over = closes.groupby([told["case"], opening]).cumsum()
    return (opening > 0) & ((over == 0) | (closes & (over == 1)))


def _joined(parts: pd.DataFrame) -> pd.DataFrame:
    same = (
        (parts["case"] == parts["case"].shift())
        & (parts["whose"] == parts["whose"].shift())
        & (parts["began"] == parts["ended"].shift())
    )
    blocks = parts.groupby((~same).cumsum().to_numpy())
    return blocks.agg(
        case=("case", "first"), whose=("whose", "first"), began=("began", "first"), ended=("ended", "last")
    )
