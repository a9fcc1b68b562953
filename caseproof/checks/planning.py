"""What a pass is going to do about each job, and why: the same input gives the same plan. Nothing is done here.

J4: a job that we stopped, or that has an open case, is no new failure. J2: everything else that fails is stopped first,
also a job that does not say whose it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import pandas as pd

from caseproof.checks.detection import window_for
from caseproof.checks.frames import Runs
from caseproof.checks.shapes import READ, abridged, key_of, shape_of
from caseproof.config.policy_check import CheckPolicy
from caseproof.domain.vocabulary import UNKNOWN, Scope

Act = Literal["stop", "reopen", "resume", "report", "leave"]
WIDER = frozenset({Scope.MARKETPLACE, Scope.CONNECTION})
LONGEST_SUMMARY = READ


@dataclass(frozen=True, slots=True)
class Choice:
    """The cause that a person chose for a message; ``corrects``: against what a signature says."""

    cause: str
    corrects: bool = False


NOTHING_CHOSEN: Mapping[str, Choice] = {}


@dataclass(frozen=True, slots=True)
class Known:
    """What the store knows of a platform's jobs.

    open         the open cases: job to ref
    uncontained  the refs of those whose stop is not written down yet
    held         jobs that an open case of another job stopped along: job to that case's ref
    closed       cases that closed lately enough to be watched: job to (ref, when it closed by the platform's clock)
    """

    open: Mapping[str, str] = field(default_factory=dict)
    uncontained: Set[str] = frozenset()
    held: Mapping[str, str] = field(default_factory=dict)
    closed: Mapping[str, tuple[str, datetime]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PlanEntry:
    """What is done about one job: ``stop`` it and open a case; ``reopen`` its closed case ``ref`` and stop it;
    ``resume`` the open case ``ref``, whose stop is not written down; ``report`` it only; ``leave`` it alone.

    ``why`` is a sentence; ``verdict`` is detection's word. ``summary``, ``run``, ``run_url`` and
    ``failed_at`` (aware: its end, or its start) are of the failed run that it is about; empty where there is none.
    ``shape``: the key of the message's shape, where a person chose the cause of such messages; "" elsewhere.
    ``alone``: a wider stop would hit a job that worked meanwhile, so only this one is to be stopped.
    """

    job: str
    act: Act
    verdict: str
    why: str
    cause: str = ""
    shape: str = ""
    summary: str = ""
    run: str = ""
    run_url: str = ""
    failed_at: datetime | None = None
    ref: str = ""
    retailer: str | None = None
    marketplace: str | None = None
    failures: int = 0
    failing_since: datetime | None = None
    last_success: datetime | None = None
    alone: bool = False


def plan(
    detected: pd.DataFrame, jobs: pd.DataFrame, runs: Runs, known: Known, policy: CheckPolicy, now: datetime,
    platform: str = "", scopes: Mapping[str, Scope] | None = None, chosen: Mapping[str, Choice] = NOTHING_CHOSEN,
) -> tuple[PlanEntry, ...]:  # fmt: skip
    """A line for each job that ``detect`` saw, by the job's id. ``now`` is the platform's own time.

    ``scopes``: how far a stop reaches, by cause (``Policy.stop_scope``); only ``PlanEntry.alone`` depends on it.
    ``chosen``: the causes that people chose, by the keys of the shapes of messages (``checks.shapes``).
    """
    whose = jobs.to_dict("index")
    told = detected.to_dict("index")
    worked = _worked(whose, told)
    failures = _failures(runs, [label for label in detected["last_failure"] if label >= 0])
    lines = []
    for job in sorted(told):
        one, facts = told[job], whose[job]
        act, why, ref = _act(job, one, facts, known, policy, now, platform)
        if act in ("stop", "reopen") and not facts["retailer"]:
            why += " It names no retailer; its case will ask for one."
        failure = failures.get(one["last_failure"], {})
        cause, shape = _cause(one, act, failure.get("summary", ""), chosen)
        # A case that is reopened keeps the scope that it was opened with, whatever the cause is now.
        reach = WIDER if act == "reopen" else {(scopes or {}).get(cause, Scope.JOB)} & WIDER
        lines.append(
            PlanEntry(
                job, act, one["verdict"], why, cause, **failure, shape=shape, ref=ref,
                retailer=facts["retailer"], marketplace=facts["marketplace"], failures=one["failures"],
                failing_since=_aware(one["failing_since"]), last_success=_aware(one["last_success"]),
                alone=any(_neighbour_worked(job, one, facts, scope, worked) for scope in reach),
            )
        )  # fmt: skip
    return tuple(lines)


def _act(
    job: str,
    one: dict[str, Any],
    facts: dict[str, Any],
    known: Known,
    policy: CheckPolicy,
    now: datetime,
    platform: str,
) -> tuple[Act, str, str]:
    """What is done, why, and the ref of the case that there is."""
    verdict, why = one["verdict"], one["why"]
    if ref := known.open.get(job):
        if ref in known.uncontained:
            return "resume", f"{ref} is open for it, and its stop is not written down yet.", ref
        return "leave", f"{ref} is open for it.", ref
    if ref := known.held.get(job):
        return "leave", f"It was stopped along with another job, by {ref}.", ref
    if verdict in ("fine", "watched", "maintenance"):
        return "leave", why, ""
    if not facts["active"]:
        return "leave", f"Somebody stopped it already: it does not run by itself. {why}", ""
    if window := window_for(policy, platform, job, facts, now, now):
        return "leave", f"Maintenance ({window.why}). {why}", ""
    ref, closed_at = known.closed.get(job, ("", None))
    if verdict == "missed" and closed_at is not None and _aware(facts["due"]) < closed_at:
        return "leave", f"It stood still until {ref} closed. {why}", ref
    if verdict == "silent" or (verdict == "missed" and not policy.missed.stop):
        return "report", why, ""
    # Where the last run was a success, there is nothing to stop, whatever was before.
    if verdict == "flapping" and not (policy.flapping.stop and one["failures"]):
        return "report", why, ""
    return ("reopen", f"It fails again though {ref} closed. {why}", ref) if ref else ("stop", why, "")


def _cause(one: dict[str, Any], act: Act, message: str, chosen: Mapping[str, Choice]) -> tuple[str, str]:
    """The cause, and the key of the shape that a person chose it for ("" where nobody did).

    What a person chose for this very message counts where no signature says a cause, and over one that was wrong.
    """
    cause = str(one["cause"] or (UNKNOWN if act in ("stop", "reopen") else ""))
    shape = key_of(shape_of(message)) if chosen and cause and message else ""
    choice = chosen.get(shape)
    if choice is None or not (choice.corrects or cause == UNKNOWN):
        return cause, ""
    return choice.cause, shape


def _failures(runs: Runs, labels: Sequence[int]) -> dict[int, dict[str, Any]]:
    """The facts of the failed runs that lines are about, by their labels: read at once, for a frame is slow by rows."""
    told = runs.failures.loc[labels, ["run", "message", "url"]].to_dict("index")
    times = runs.frame.loc[labels, ["end", "start"]].to_dict("index")
    return {
        label: {
            "summary": _summary(one["message"]),
            "run": one["run"],
            "run_url": one["url"],
            "failed_at": _aware(times[label]["end"]) or _aware(times[label]["start"]),
        }
        for label, one in told.items()
    }


def _summary(message: str) -> str:
    """What a case keeps of a message: its beginning and its end, where a traceback says what is wrong."""
    return abridged(message.strip())


def _aware(time: Any) -> Any:
    return None if pd.isna(time) else time.to_pydatetime().replace(tzinfo=UTC)


# -- a wider stop must not hit what works ----------------------------------------------------------------------------


def _group(facts: dict[str, Any], scope: Scope) -> tuple[Scope, str, str] | None:
    other = facts["marketplace"] if scope is Scope.MARKETPLACE else facts["connection"]
    return (scope, facts["retailer"], other) if facts["retailer"] and other else None


def _worked(whose: dict[Any, Any], told: dict[Any, Any]) -> dict[tuple[Scope, str, str], list[tuple[Any, str]]]:
    """The last successes of the jobs that a stop reaches together: for each such group the latest two jobs."""
    found: dict[tuple[Scope, str, str], list[tuple[Any, str]]] = {}
    for job, one in told.items():
        if pd.isna(one["last_success"]):
            continue
        for scope in WIDER:
            if group := _group(whose[job], scope):
                found[group] = sorted([*found.get(group, ()), (one["last_success"], job)])[-2:]
    return found


def _neighbour_worked(job: str, one: dict[str, Any], facts: dict[str, Any], scope: Scope, worked: Any) -> bool:
    """Whether another job that the stop would reach succeeded since this one began to fail."""
    others = worked.get(_group(facts, scope), ())
    return any(other != job and success >= one["failing_since"] for success, other in others)
