"""How a forger, a bug or a crash could spoil a history: alterations of an event, and changes of the list.

An alteration names the one closure condition that is missing when it spoils the last event of its kind.
``which`` is the place among the events of that kind, counted from the end: 0 the last, 1 the one before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from caseproof.domain.events import GENESIS, Event
from caseproof.domain.job_failure.conditions import AT_THE_REVIEW
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.vocabulary import Decision
from tests.support.emergencies import emergency_data
from tests.support.histories import DECIDER, DOUBTS, JOB, START, Plan, digest

History = list[Event]
Change = Callable[[History, int], History]
CLOSING = (Decision.AFTER_FIX, Decision.AFTER_CHANGE, Decision.REMOVE)
LIVE = (Decision.AFTER_FIX, Decision.AFTER_CHANGE)
REMOVAL = (Decision.REMOVE,)
ON_A_WORD = (Decision.AFTER_CHANGE, Decision.REMOVE)
REVIEWS = ("", "anybody", "another person")
REVIEWED = ("anybody", "another person")


@dataclass(frozen=True)
class Alteration:
    """One way to spoil an event; ``lacks`` is the blocker's code; the rest, in which plans it is had."""

    name: str
    lacks: str
    change: Change
    decisions: tuple[Decision, ...] = CLOSING
    reviews: tuple[str, ...] = REVIEWS
    cannot_stop: bool | None = None
    by_itself: bool | None = None
    doubted: bool | None = None
    uploaded: bool | None = None

    def fits(self, plan: Plan) -> bool:
        """Whether the plan has the event, and nothing else hangs on it."""
        stop_fits = self.cannot_stop in (None, plan.cannot_stop)
        goes_on = plan.by_itself and plan.decision is Decision.AFTER_CHANGE
        decided_so = self.by_itself in (None, goes_on)
        said_so = self.doubted in (None, plan.doubted)
        shown_so = self.uploaded in (None, plan.uploaded)
        fits = stop_fits and decided_so and said_so and shown_so
        return plan.decision in self.decisions and plan.review in self.reviews and fits


def place(events: History, kind: Kind, which: int = 0) -> int | None:
    """The index of an event of this kind, counted from the end; None where there are fewer."""
    found = [i for i, event in enumerate(events) if event.kind is kind]
    return found[-1 - which] if which < len(found) else None


def drop(kind: Kind) -> Change:
    def change(events: History, which: int) -> History:
        at = place(events, kind, which)
        return events if at is None else events[:at] + events[at + 1 :]

    return change


def drop_all(kind: Kind) -> Change:
    return lambda events, _: [event for event in events if event.kind is not kind]


def data(kind: Kind, **new: Any) -> Change:
    """Other data: a value, or a function from the event's data and the history to the value."""

    def change(events: History, which: int) -> History:
        at = place(events, kind, which)
        return events if at is None else [*events[:at], _with(events[at], new, events), *events[at + 1 :]]

    return change


def data_of_all(kind: Kind, **new: Any) -> Change:
    return lambda events, _: [_with(e, new, events) if e.kind is kind else e for e in events]


def _with(event: Event, new: Mapping[str, Any], events: History) -> Event:
    values = {key: value(event.data, events) if callable(value) else value for key, value in new.items()}
    return replace(event, data={**event.data, **values})


def actor(kind: Kind, name: str) -> Change:
    def change(events: History, which: int) -> History:
        at = place(events, kind, which)
        return events if at is None else [*events[:at], replace(events[at], actor=name), *events[at + 1 :]]

    return change


def before(kind: Kind, other: Kind) -> Change:
    """The last event of ``kind``, moved to right before the last of ``other``."""

    def change(events: History, which: int) -> History:
        at, to = place(events, kind, which), place(events, other)
        if at is None or to is None or to >= at:
            return events
        return [*events[:to], events[at], *events[to:at], *events[at + 1 :]]

    return change


def _time(kind: Kind, hours: float, name: str = "") -> Callable[[Any, History], str]:
    """The time of the last event of ``kind`` (or one of the times in its data), some hours off."""

    def value(_: Any, events: History) -> str:
        at = place(events, kind)
        if at is None:
            return "2026-11-01T00:00:00+00:00"
        time = datetime.fromisoformat(events[at].data[name]) if name else events[at].at
        return (time + timedelta(hours=hours)).isoformat()

    return value


def _jobs(**new: Any) -> Callable[[Any, History], list[dict[str, Any]]]:
    return lambda old, _: [{**job, **new} if job["job"] == JOB else job for job in old["jobs"]]


def _decide_late(events: History, which: int) -> History:
    """The decision is dated after the start of the run (the list's order is kept)."""
    at = place(events, Kind.DECIDED, which)
    if at is None:
        return events
    return [*events[:at], replace(events[at], at=events[at].at + timedelta(days=2)), *events[at + 1 :]]


K = Kind
OTHER = digest("something else")


def _people_are_called(events: History, which: int) -> History:
    """An emergency that is not over, raised before the last look."""
    at = place(events, K.LOOKED_AGAIN, which)
    if at is None:
        return events
    said = emergency_data(K, events[at].at, OTHER)[K.EMERGENCY_RAISED]
    return [*events[:at], Event(K.EMERGENCY_RAISED, events[at].at, DECIDER, said), *events[at:]]


ALTERATIONS: tuple[Alteration, ...] = (
    Alteration("an emergency goes on", "emergency_over", _people_are_called),
    Alteration("the stop is missing", "stopped", drop(K.STOPPED), cannot_stop=False),
    Alteration(
        "the job was read back as active",
        "stopped",
        data(K.STOPPED, jobs=_jobs(active=True)),
        cannot_stop=False,
    ),
    Alteration("two runs were still queued", "stopped", data(K.STOPPED, jobs=_jobs(waiting=2)), cannot_stop=False),
    Alteration("another job was stopped", "stopped", data(K.STOPPED, jobs=_jobs(job="x")), cannot_stop=False),
    Alteration("no job was stopped", "stopped", data(K.STOPPED, jobs=[]), cannot_stop=False),
    Alteration("nobody says who can stop it", "stopped", data(K.CANNOT_STOP, who_can=""), cannot_stop=True),
    Alteration("nobody says why not", "stopped", data(K.CANNOT_STOP, why=" \n"), cannot_stop=True),
    Alteration("the notice is missing", "told", drop(K.NOTICE_SENT)),
    Alteration("nobody accepted the notice", "told", data(K.NOTICE_SENT, accepted=[])),
    Alteration("the ticket is missing", "ticket", drop(K.TICKET_OPENED)),
    Alteration("keeping paused was decided", "decided", data(K.DECIDED, decision=str(Decision.KEEP_PAUSED)), LIVE),
    Alteration("the decision is missing", "decided", drop(K.DECIDED), LIVE, REVIEWED),
    Alteration("no word of the retailer", "confirmed", drop_all(K.CONFIRMATION_RECEIVED), REMOVAL),
    Alteration("an empty word", "confirmed", data_of_all(K.CONFIRMATION_RECEIVED, words=" \n "), REMOVAL),
    Alteration("a word that is null", "confirmed", data_of_all(K.CONFIRMATION_RECEIVED, words=None), REMOVAL),
    Alteration("nobody agreed to a doubted word", "agreed", drop(K.WORD_AGREED), ON_A_WORD, doubted=True),
    Alteration("who brought it in agreed", "agreed", actor(K.WORD_AGREED, " OPERATOR"), ON_A_WORD, doubted=True),
    Alteration("agreed to another", "agreed", data(K.WORD_AGREED, sender="x@example.com"), ON_A_WORD, doubted=True),
    Alteration("agreed to another file", "agreed", data(K.WORD_AGREED, evidence=OTHER), ON_A_WORD, doubted=True),
    Alteration(
        "a doubt that was left out",
        "agreed",
        data_of_all(K.CONFIRMATION_RECEIVED, doubts=DOUBTS),
        REMOVAL,
        doubted=False,
    ),
    Alteration("nothing validated", "validated", drop_all(K.CHANGE_VALIDATED), (Decision.AFTER_CHANGE,)),
    Alteration("validated, nobody says how", "validated", data(K.CHANGE_VALIDATED, how=" "), (Decision.AFTER_CHANGE,)),
    Alteration("validated by null", "validated", data(K.CHANGE_VALIDATED, how=None), (Decision.AFTER_CHANGE,)),
    Alteration(
        "validated before the word", "validated", before(K.CHANGE_VALIDATED, K.TICKET_OPENED), (Decision.AFTER_CHANGE,)
    ),
    Alteration("no run was started", "succeeded", drop(K.RUN_STARTED)),
    Alteration("no run was verified", "succeeded", drop(K.RUN_VERIFIED), LIVE, uploaded=False),
    Alteration("another run was verified", "succeeded", data(K.RUN_VERIFIED, run="run-0")),
    Alteration("a run for another purpose", "succeeded", data(K.RUN_VERIFIED, purpose="trial")),
    Alteration("it ran before the decision", "succeeded", data(K.RUN_VERIFIED, started_at=_time(K.DECIDED, -1))),
    Alteration("decided after it ran", "succeeded", _decide_late),
    Alteration("it ended before it began", "succeeded", data(K.RUN_VERIFIED, ended_at=_time(K.RUN_STARTED, -1))),
    Alteration("a time without a zone", "succeeded", data(K.RUN_VERIFIED, started_at="2026-11-21T10:00:00")),
    Alteration("the schedule is still active", "gone", data(K.RUN_VERIFIED, active=True), REMOVAL),
    Alteration("something is still queued", "gone", data(K.RUN_VERIFIED, waiting=2), REMOVAL),
    Alteration("nothing was read back", "gone", data(K.RUN_VERIFIED, active=None, waiting=None), REMOVAL),
    Alteration("not live", "live", drop(K.SCHEDULE_LIVE), LIVE),
    Alteration("read back as not live", "live", data(K.SCHEDULE_LIVE, jobs=_jobs(active=False)), LIVE),
    Alteration("no job went live", "live", data(K.SCHEDULE_LIVE, jobs=[]), LIVE),
    Alteration("another job went live", "live", data(K.SCHEDULE_LIVE, jobs=_jobs(job="x")), LIVE),
    Alteration("live before the verification", "live", before(K.SCHEDULE_LIVE, K.RUN_VERIFIED), LIVE),
    Alteration("the page does not name the run", "pictured", data(K.PHOTOGRAPHED, names_run=False), uploaded=False),
    Alteration("the page shows no success", "pictured", data(K.PHOTOGRAPHED, names_success=False), uploaded=False),
    Alteration("a picture of another run", "pictured", data(K.PHOTOGRAPHED, run="run-0"), uploaded=False),
    Alteration(
        "taken too early",
        "pictured",
        data(K.PHOTOGRAPHED, taken_at=_time(K.RUN_VERIFIED, -0.001, "ended_at")),
        uploaded=False,
    ),
    Alteration(
        "a picture time without a zone",
        "pictured",
        data(K.PHOTOGRAPHED, taken_at="2026-11-29T10:00:00"),
        uploaded=False,
    ),
    Alteration("who uploaded it confirmed it", "pictured", actor(K.PICTURE_CONFIRMED, " Operator"), uploaded=True),
    Alteration("another upload is confirmed", "pictured", data(K.PICTURE_UPLOADED, evidence=OTHER), uploaded=True),
    Alteration("an upload of another run", "pictured", data(K.PICTURE_UPLOADED, run="run-0"), uploaded=True),
    Alteration("nobody uploaded it", "pictured", drop_all(K.PICTURE_UPLOADED), uploaded=True),
    Alteration("who uploads says only a name", "pictured", data(K.PICTURE_UPLOADED, known_by="x"), uploaded=True),
    Alteration("who confirms says only a name", "pictured", data(K.PICTURE_CONFIRMED, known_by="x"), uploaded=True),
    Alteration("its page could be photographed", "pictured", data_of_all(K.TROUBLE, code="no_browser"), uploaded=True),
    Alteration("confirmed for another run", "pictured", data(K.PICTURE_CONFIRMED, run="run-0"), uploaded=True),
    Alteration("confirmed without success", "pictured", data(K.PICTURE_CONFIRMED, names_success=None), uploaded=True),
    Alteration("not attached", "attached", drop(K.ATTACHED)),
    Alteration("another file is attached", "attached", data(K.ATTACHED, evidence=OTHER)),
    Alteration("attached to another ticket", "attached", data(K.ATTACHED, ticket="T-1")),
    Alteration("another picture", "attached", data(K.PHOTOGRAPHED, evidence=OTHER), uploaded=False),
    Alteration("no review", "reviewed", drop(K.REVIEW_APPROVED), reviews=REVIEWED),
    Alteration(
        "the decider reviewed",
        "reviewed",
        actor(K.REVIEW_APPROVED, f" {DECIDER.upper()} "),
        reviews=("another person",),
        by_itself=False,
    ),
    Alteration(
        "reviewed before the picture",
        "reviewed",
        before(K.REVIEW_APPROVED, K.PHOTOGRAPHED),
        reviews=REVIEWED,
        uploaded=False,
    ),
    Alteration(
        "reviewed before the confirmation",
        "reviewed",
        before(K.REVIEW_APPROVED, K.PICTURE_CONFIRMED),
        reviews=REVIEWED,
        uploaded=True,
    ),
    Alteration("nobody looked again", "looked", drop(K.LOOKED_AGAIN)),
    Alteration("a later run failed", "looked", data(K.LOOKED_AGAIN, failed=["run-99"])),
    Alteration("nobody could say what failed", "looked", data(K.LOOKED_AGAIN, failed=None)),
    Alteration("looked before the picture", "looked", before(K.LOOKED_AGAIN, K.PHOTOGRAPHED), uploaded=False),
    Alteration("looked before the confirmation", "looked", before(K.LOOKED_AGAIN, K.PICTURE_CONFIRMED), uploaded=True),
    Alteration("looked before the attachment", "looked", before(K.LOOKED_AGAIN, K.ATTACHED), reviews=("",)),
    Alteration("looked before the schedule was live", "looked", before(K.LOOKED_AGAIN, K.SCHEDULE_LIVE), LIVE),
)

# Spoiled proofs and closings: nothing is missing but a proof made of what is known now.
PROOFS: Mapping[str, Change] = {
    "the proof is missing": drop(K.PROOF_MADE),
    "the proof is older than the look": before(K.PROOF_MADE, K.LOOKED_AGAIN),
    "the proof is older than the attachment": before(K.PROOF_MADE, K.ATTACHED),
    "the proof says another rule": data(K.PROOF_MADE, rule=lambda old, _: "J8" if old["rule"] == "J7" else "J7"),
    "the proof is made of another history": data(K.PROOF_MADE, head=OTHER),
    "the closing names another proof": data(K.CLOSED, proof=OTHER),
}

# What may be slipped in anywhere.
_RUN = {"run": "run-0", "why": "it failed"}
INSERTS: Mapping[str, tuple[Kind, Mapping[str, Any]]] = {
    "opened": (
        K.OPENED,
        {
            "platform": "p",
            "job": JOB,
            "job_name": "n",
            "cause": "c",
            "summary": "s",
            "how": "h",
            "scope": "job",
        },
    ),
    "reopened": (K.REOPENED, {"why": "it fails again"}),
    "run failed": (K.RUN_FAILED, _RUN),
    "failed again": (K.FAILED_AGAIN, _RUN),
    "sent back": (K.REVIEW_REJECTED, {"why": "not enough"}),
    "kept paused": (K.KEPT_PAUSED, {"until": "2026-12-24", "reason": "holidays"}),
    "removal decided": (K.DECIDED, {"decision": str(Decision.REMOVE), "reason": "r", "review": ""}),
    "fix decided": (K.DECIDED, {"decision": str(Decision.AFTER_FIX), "reason": "r", "review": "anybody"}),
    "a change by itself": (
        K.DECIDED,
        {
            "decision": str(Decision.AFTER_CHANGE),
            "reason": "r",
            "review": "anybody",
            "validation": AT_THE_REVIEW,
        },
    ),
    "a removal by itself": (
        K.DECIDED,
        {"decision": str(Decision.REMOVE), "reason": "r", "review": "", "validation": AT_THE_REVIEW},
    ),
    "a validation": (K.CHANGE_VALIDATED, {"how": "seen"}),
    "a word": (
        K.CONFIRMATION_RECEIVED,
        {"sender": "shop@example.com", "words": "Done.", "evidence": OTHER, "by_way_of": "page", "choice": "changed"},
    ),
    "a doubted word": (
        K.CONFIRMATION_RECEIVED,
        {"sender": "shop@example.com", "words": "Done.", "evidence": OTHER, "by_way_of": "form", "doubts": DOUBTS},
    ),
    "an agreement": (K.WORD_AGREED, {"sender": "shop@example.com", "evidence": OTHER}),
    "a reply": (
        K.REPLY_RECEIVED,
        {"sender": "shop@example.com", "words": "Done?", "why": "asks", "evidence": OTHER, "by_way_of": "mail"},
    ),
    "stopped": (
        K.STOPPED,
        {"scope": "job", "jobs": [{"job": JOB, "active": False, "waiting": 0}], "evidence": OTHER},
    ),
    "live": (K.SCHEDULE_LIVE, {"jobs": [{"job": JOB, "active": True}]}),
    "not live": (K.SCHEDULE_LIVE, {"jobs": [{"job": JOB, "active": False}]}),
    "another run": (
        K.RUN_STARTED,
        {"run": "run-0", "purpose": "rerun", "url": "https://jobs.example.com/runs/run-0"},
    ),
    "a failed look": (K.LOOKED_AGAIN, {"failed": ["run-99"], "evidence": OTHER}),
    "a look": (K.LOOKED_AGAIN, {"failed": [], "evidence": OTHER}),
    "an empty word": (
        K.CONFIRMATION_RECEIVED,
        {"sender": "shop@example.com", "words": " ", "evidence": OTHER, "by_way_of": "mail"},
    ),
    "another ticket": (K.TICKET_OPENED, {"desk": "desk", "ticket": "T-2", "adopted": True}),
    "a ticket named": (K.TICKET_NAMED, {"ticket": "T-2", "why": "merged"}),
    "an approval": (K.REVIEW_APPROVED, {}),
    "an upload": (
        K.PICTURE_UPLOADED,
        {"run": "run-1", "evidence": OTHER, "thumbnail": OTHER, "says": "s", "why": "w", "known_by": "login"},
    ),
    "an upload refused": (K.PICTURE_REFUSED, {"run": "run-1", "evidence": OTHER, "why": "w", "known_by": "login"}),
    "a picture taken back": (
        K.PICTURE_TAKEN_BACK,
        {"run": "run-1", "evidence": OTHER, "why": "w", "known_by": "login"},
    ),
    "an upload confirmed": (
        K.PICTURE_CONFIRMED,
        {
            "run": "run-1",
            "evidence": OTHER,
            "taken_at": "2026-12-29T10:00:00+00:00",
            "names_run": True,
            "names_success": True,
            "url": "",
            "uploaded_by": "operator",
            "why": "w",
            "known_by": "login",
        },
    ),
    "an emergency": (K.EMERGENCY_RAISED, emergency_data(K, START, OTHER)[K.EMERGENCY_RAISED]),
    "an emergency's end": (K.EMERGENCY_OVER, {"emergency": 1, "why": "it works again"}),
    "the end of another": (K.EMERGENCY_OVER, {"emergency": 7, "why": "it works again"}),
    "a proof": (K.PROOF_MADE, {"evidence": OTHER, "rule": "J7", "head": GENESIS}),
    "closed": (K.CLOSED, {"proof": OTHER}),
}
