"""The kinds of an emergency's events, as a procedure takes them into its own.

A procedure writes in its class of kinds, for each function here: ``EMERGENCY_RAISED = emergency_raised(OPEN)``, with
the states in which its cases may have an emergency. All are facts: an emergency changes no state of its case.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

from caseproof.domain.emergency import payloads as says
from caseproof.domain.errors import NotAllowed
from caseproof.domain.procedure import Procedure
from caseproof.domain.specs import EventKind, Logged, Spec

States = Iterable[StrEnum]
Entry = tuple[str, Spec]


def emergency_raised(states: States) -> Entry:
    """An emergency was raised (E7)."""
    return _fact(
        *("emergency_raised", says.EmergencyRaised, states),
        sentence="Emergency at {site}",
        rule="E7",
        logged=Logged.AS_A_WARNING,
        measured=True,
    )


def probe_looked(states: States) -> Entry:
    """A probe looked at the site: evidence, which decides nothing."""
    return _fact("probe_looked", says.ProbeLooked, states, sentence="The site was looked at: {found}", wakes=False)


def page_begun(states: States) -> Entry:
    """A mail, a card or a call is about to go out (E8)."""
    sentence = "About to reach somebody by {channel} (try {attempt})"
    return _fact("page_begun", says.PageBegun, states, sentence=sentence, rule="E8", wakes=False, news=False)


def page_ended(states: States) -> Entry:
    """What came of it."""
    sentence = "Try {attempt}: {_outcome}"
    return _fact("page_ended", says.PageEnded, states, sentence=sentence, rule="E8", wakes=False)


def page_pressed(states: States) -> Entry:
    """A digit was pressed in a call."""
    sentence = "Try {attempt}: pressed {digit}"
    return _fact("page_pressed", says.PagePressed, states, sentence=sentence, rule="E8", wakes=False)


def emergency_taken(states: States) -> Entry:
    """A human being has it."""
    sentence = "Somebody has it, until {until} ({via})"
    return _fact("emergency_taken", says.EmergencyTaken, states, sentence=sentence, rule="E8", measured=True)


def taken_by_another(states: States) -> Entry:
    """The second of two who say that they have it."""
    sentence = "Somebody else has it already: {holder}"
    return _fact("taken_by_another", says.TakenByAnother, states, sentence=sentence, rule="E8", wakes=False)


def calling_again(states: States) -> Entry:
    """Calling begins again."""
    return _fact(
        *("calling_again", says.CallingAgain, states),
        sentence="Calling begins again: {why}",
        rule="E8",
        logged=Logged.AS_A_WARNING,
    )


def whole_team_called(states: States) -> Entry:
    """Everybody is called at once from here on."""
    sentence = "The whole team is called: {why}"
    return _fact("whole_team_called", says.WholeTeamCalled, states, sentence=sentence, rule="E8")


def nobody_to_call(states: States) -> Entry:
    """There is nobody to call: an alarm of its own (E10)."""
    return _fact(
        *("nobody_to_call", says.NobodyToCall, states),
        sentence="There is nobody to call: {why}",
        rule="E10",
        logged=Logged.AS_A_WARNING,
        wakes=False,
    )


def update_given(states: States) -> Entry:
    """Somebody tells those who wait how it stands."""
    sentence = "Told those who wait: {words}"
    return _fact("update_given", says.UpdateGiven, states, sentence=sentence, rule="E12", wakes=False)


def review_kept(states: States) -> Entry:
    """Its timeline is kept, for the review."""
    sentence = "The timeline of the emergency is kept for the review"
    return _fact("review_kept", says.ReviewKept, states, sentence=sentence, rule="E12", wakes=False)


def emergency_over(states: States) -> Entry:
    """Nobody need be called any more."""
    sentence = "The emergency is over: {why}"
    return _fact("emergency_over", says.EmergencyOver, states, sentence=sentence, rule="E12", measured=True)


def _fact(value: str, payload: type[Any], states: States, **more: Any) -> Entry:
    return value, Spec(says=payload, noted_in=frozenset(states), **more)


def kind_with(procedure: Procedure, payload: type[Any]) -> EventKind:
    """The procedure's kind with this payload. Raises NotAllowed where its cases have no emergencies."""
    for kind in procedure.kinds:
        if kind.spec.says is payload:
            return kind
    raise NotAllowed(
        f"A {procedure.name} has no emergencies.",
        "Raise the emergency on a support case; thirty seconds are enough to write one.",
    )
