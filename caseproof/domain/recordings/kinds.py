"""The kinds of events about recordings, as a procedure takes them into its own.

A procedure writes in its class of kinds, for each function here: ``RECORDING_LINKED = recording_linked(STATES)``. All
are facts: a recording changes no state of its case, and may come when the case is closed.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from caseproof.domain.recordings import payloads as says
from caseproof.domain.specs import Spec

States = Iterable[StrEnum]
Entry = tuple[str, Spec]


def recording_linked(states: States) -> Entry:
    """A recording exists."""
    return "recording_linked", Spec(
        says=says.RecordingLinked,
        noted_in=frozenset(states),
        wakes=False,
        sentence="Recording {recording} linked: {topic}. Kept until {kept_until}",
        rule="E12",
    )


def recording_unlinked(states: States) -> Entry:
    """Its time is over, or somebody takes their consent back."""
    return "recording_unlinked", Spec(
        says=says.RecordingUnlinked,
        noted_in=frozenset(states),
        wakes=False,
        sentence="Recording {recording} is not linked any more: {why}",
        rule="E12",
    )


def no_recording(states: States) -> Entry:
    """None was made."""
    return "no_recording", Spec(
        says=says.NoRecording,
        noted_in=frozenset(states),
        wakes=False,
        sentence="No recording was made, because {because}",
        rule="E12",
    )
