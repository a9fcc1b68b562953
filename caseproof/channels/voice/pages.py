"""What the voice says and asks, as TwiML: Twilio fetches a page when somebody answers, and after each pressed key.

A page is built as a tree, so that what it says cannot become markup; what XML cannot hold is taken out.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from caseproof.domain.visible import one_line

MOST_TURNS = 4
"""So often the question is asked in one call: silence and wrong keys are asked again."""

WAIT_SECONDS = 6
"""How long a key is waited for after the question. An extension may still ring then, so it is asked again."""

_LONGEST = 400
"""So many letters of a problem are said; nobody listens to more before a key is asked for."""

LARGEST = 4_000
"""A page that goes with a call may have so many letters; so has each of ours."""

_OUTSIDE_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Choice(StrEnum):
    """What a person chose by a key. The values are stored: they never change."""

    MINE = "mine"
    """"I have it": an acknowledgement."""
    NEXT = "next"
    """"I can't, next one."""
    ESCALATE = "escalate"


KEYS = MappingProxyType({"1": Choice.MINE, "2": Choice.NEXT, "3": Choice.ESCALATE})

_SAID = MappingProxyType(
    {
        Choice.MINE: "You said: I have it. Nobody else is called now.",
        Choice.NEXT: "You said: I can't. The next person is called now.",
        Choice.ESCALATE: "You said: escalate. Everybody on the list is called now.",
    }
)


@dataclass(frozen=True, slots=True)
class VoiceAlert:
    """What a call is about. ``language`` is Twilio's code for the voice; the texts of the voice itself are English."""

    ref: str
    site: str
    problem: str
    language: str = "en-GB"


def choice_of(digits: str) -> Choice | None:
    """What this key means; None for a key that means nothing, for several, and for none."""
    return KEYS.get(digits)


def asking(alert: VoiceAlert, action: str, *, pressed: str = "") -> str:
    """The problem, said twice, and the question. ``action``: where Twilio sends the key, and that there was none.

    ``pressed``: a key that means nothing, which is said first. Of a problem that makes the page too large for Twilio,
    as one full of ampersands does, less is said.
    """
    problem = one_line(alert.problem)[:_LONGEST]
    while True:
        page = _question(alert, one_line(alert.site)[:100], problem, action, pressed)
        if len(page) <= LARGEST or not problem:
            return page
        problem = problem[: len(problem) // 2]


def _question(alert: VoiceAlert, site: str, problem: str, action: str, pressed: str) -> str:
    page = ET.Element("Response")
    gather = _gather(page, action)
    if pressed:
        _say(gather, alert, f"{_spelled(pressed[:3])} is none of the keys.")
    for _ in range(2):
        _say(gather, alert, f"This is an emergency at {site}. {problem}.")
        _say(gather, alert, f"Case {_spelled(alert.ref)}.")
        _say(gather, alert, "To say that you have it, press 1. If you can't, press 2. To escalate, press 3.")
        ET.SubElement(gather, "Pause", {"length": "1"})
    return _written(page)


def _gather(page: ET.Element, action: str) -> ET.Element:
    """The part of a page that waits for one key, and tells ``action`` also that none was pressed."""
    wanted = {"input": "dtmf", "numDigits": "1", "timeout": str(WAIT_SECONDS), "method": "POST", "action": action}
    return ET.SubElement(page, "Gather", wanted | {"actionOnEmptyResult": "true"})


def trial(action: str, *, pressed: str = "", language: str = "en-GB") -> str:
    """The page of a test call, which is about no emergency: it asks for the key 1. ``action`` and ``pressed`` as in
    ``asking``."""
    page, alert = ET.Element("Response"), VoiceAlert("", "", "", language)
    gather = _gather(page, action)
    if pressed:
        _say(gather, alert, f"{_spelled(pressed[:3])} is not the key.")
    for _ in range(2):
        _say(gather, alert, "This is a test of the call list. It is not an emergency, and nothing is wrong.")
        _say(gather, alert, "Please press 1, so that we know that we reach you.")
        ET.SubElement(gather, "Pause", {"length": "1"})
    return _written(page)


def trial_over(*, reached: bool, language: str = "en-GB") -> str:
    """The end of a test call: the key was written down, or none was pressed."""
    words = "Thank you. We reach you at this number." if reached else "No key was pressed. This was a test."
    return _last(VoiceAlert("", "", "", language), f"{words} Goodbye.")


def said_back(alert: VoiceAlert, choice: Choice) -> str:
    """Says what was chosen, once it is written down, and hangs up."""
    return _last(alert, f"{_SAID[choice]} Case {_spelled(alert.ref)}. Thank you.")


def taken_by(alert: VoiceAlert, name: str) -> str:
    """Says that somebody else was faster, and hangs up."""
    return _last(alert, f"{name[:100]} has case {_spelled(alert.ref)} already. You need to do nothing. Thank you.")


def nothing_heard(alert: VoiceAlert) -> str:
    """The end of a call in which nobody pressed a key that means something."""
    return _last(alert, f"No key was pressed for case {_spelled(alert.ref)}. The next person is called now.")


def not_written(alert: VoiceAlert) -> str:
    """Says that what was chosen could not be written down: nobody may believe that the calling stops."""
    return _last(
        alert, "Your choice could not be written down, and others are still called. Please use the link in the mail."
    )


def is_over(alert: VoiceAlert) -> str:
    """Says that nobody need be called any more, and hangs up."""
    return _last(alert, f"The emergency of case {_spelled(alert.ref)} is over. You need to do nothing. Thank you.")


def hang_up() -> str:
    """The page of a call that is about nothing any more."""
    page = ET.Element("Response")
    ET.SubElement(page, "Hangup")
    return _written(page)


def _last(alert: VoiceAlert, words: str) -> str:
    page = ET.Element("Response")
    _say(page, alert, words)
    ET.SubElement(page, "Hangup")
    return _written(page)


def _say(into: ET.Element, alert: VoiceAlert, words: str) -> None:
    said = ET.SubElement(into, "Say", {"language": alert.language})
    said.text = _OUTSIDE_XML.sub("", one_line(words))


def _spelled(ref: str) -> str:
    """A reference as people say one: letters alone, digits without the zeros in front ("S C 1 2 3")."""
    letters, _, number = one_line(ref)[:40].rpartition("-")
    return " ".join(f"{letters}{number.lstrip('0') or number}".replace("-", " "))


def _written(page: ET.Element) -> str:
    return f'<?xml version="1.0" encoding="UTF-8"?>{ET.tostring(page, encoding="unicode")}'
