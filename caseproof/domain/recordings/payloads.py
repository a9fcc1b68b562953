"""What the events of recordings say. ``recording`` counts those of a case from 1."""

# No "from __future__ import annotations": see caseproof/domain/payloads.py.
from typing import TypedDict

from caseproof.domain.payloads import Named


class Consent(TypedDict):
    """Who agreed to being recorded, and how they said so."""

    who: str
    how: str


class RecordingLinked(TypedDict):
    """A recording exists. ``link`` is the digest (hex SHA-256) of its address, or of the evidence file that it is.

    ``emergency`` is the number of the emergency in which it was made, 0 for none; ``listeners`` are tiers (as the
    policy writes them), names, or ``team`` for everybody; ``kept_until`` is the last day on which it is kept,
    YYYY-MM-DD.
    """

    recording: int
    emergency: int
    topic: str
    made_by: str
    link: Named
    is_file: bool
    consent: list[Consent]
    listeners: list[str]
    kept_until: str


class RecordingUnlinked(TypedDict):
    """It is in the index no more, and its address is gone: an ``Ends``, and why, for people."""

    recording: int
    because: str
    why: str


class NoRecording(TypedDict):
    """No recording was made, and why; ``emergency`` as above."""

    emergency: int
    because: str
