"""What a job platform may be able to do. Each client declares every one of these (docs/platforms.md, docs/systems.md).

What it lacks, it says why and what a person does instead; being asked for it all the same, it raises PlatformCannot
(``platforms/base.py``).
"""

from __future__ import annotations

from enum import StrEnum

from caseproof.domain.abilities import Abilities, Lack, all_but, none_but

__all__ = ["Abilities", "Ability", "Lack", "PlatformAbilities", "all_but", "none_but"]


class Ability(StrEnum):
    """One thing that Caseproof asks of a job platform, in the words of the table of systems."""

    LIST = "lists its jobs, and whose they are"
    """``job``, ``jobs_in``"""
    SURVEY = "tells all runs of all jobs (daily check)"
    """``survey``, ``runs_since``"""
    SCHEDULES = "tells when a job should run"
    """``Listed.schedules`` or ``late``: without them nobody can be told of a start that was missed."""
    STANDING = "tells whether a job stands still"
    """``standing``"""
    STOP = "stops a job"
    """``stop``"""
    CANCEL = "cancels what is queued"
    """``stop`` leaves nothing in the queue. A platform without a queue of its own can: nothing is left in it."""
    RESUME = "sets a job live again"
    """``go_live``"""
    RUN = "runs a job once more"
    """``start_run``, whether or not the job is stopped"""
    KEYED_RUN = "knows a run by a key, so that none is started twice"
    """``run_by_key``; what lacks it lacks RUN: a run that may be a second one is not started by us."""
    PARAMETERS = "gives one run values of its own"
    """``start_run(parameters=...)``"""
    REMOVE = "removes a job for good"
    """``remove``; where it is lacking, a removal switches the job off and leaves it there (J9)."""
    VERIFY = "reads a run back as what it was"
    """``run``"""
    PAGE = "shows a run on a page of its own"
    """``page``, ``probe_pages``: the picture that closes a case (J7)"""
    RENDERED = "has its runs shown on a page that Caseproof renders"
    """From data read back, marked as such; it closes a case only where the policy says so."""
    CLOCK = "tells its own time"
    """``Probe.clock``, ``Survey.clock``"""


PlatformAbilities = Abilities[Ability]
