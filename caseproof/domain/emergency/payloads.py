"""What the events of an emergency say. ``emergency`` counts those of a case from 1, ``attempt`` the tries of it."""

# No "from __future__ import annotations": see caseproof/domain/payloads.py.
from typing import NotRequired, TypedDict

from caseproof.domain.payloads import Named


class Seen(TypedDict):
    """A criterion of E7 (its value), and what was seen of it."""

    criterion: str
    seen: str


class Advised(TypedDict):
    """What the caller was advised: the code, the rule, and the sentence. It blocks nothing."""

    code: str
    rule: str
    why: str


class EmergencyRaised(TypedDict):
    """Who raised it is the event's actor. ``since`` is aware, in ISO format, "" where nobody knows.

    ``own_ladder`` is an ``OwnLadder`` (E9), ``within_contract`` what the contract says of this hour (E11), None where
    nobody knows; ``terminals`` are how many fail and how many there are; ``probe`` is the digest of the file that the
    site's probe left: evidence, and nothing decides by it.
    """

    emergency: int
    site: str
    criteria: list[Seen]
    since: str
    tried: str
    own_ladder: str
    within_contract: bool | None
    advice: list[Advised]
    all_team: bool
    terminals: NotRequired[list[int]]
    probe: NotRequired[Named]


class ProbeLooked(TypedDict):
    """What a probe of the site saw: the digest of its file, and what it found wrong, for people."""

    emergency: int
    evidence: Named
    found: str


class PageBegun(TypedDict):
    """A try is about to be made: the intent, written before it.

    ``until`` (aware, ISO) is when nobody waits for its outcome any more. A call has ``person`` and ``round``; a mail or
    card has ``news``, a ``NewsKind``, and ``about``, which one of its kind.
    """

    emergency: int
    attempt: int
    channel: str
    until: str
    worker: Named
    person: NotRequired[str]
    round: NotRequired[int]
    news: NotRequired[str]
    about: NotRequired[int]


class PageEnded(TypedDict):
    """What came of a try: an ``Outcome``, and a word more, for people; ``provider`` is its number over there."""

    emergency: int
    attempt: int
    outcome: str
    detail: str
    provider: NotRequired[Named]


class PagePressed(TypedDict):
    """Somebody pressed a digit in a call; ``means`` is a ``Press``, or "" for a digit that is none."""

    emergency: int
    attempt: int
    digit: str
    means: str


class EmergencyTaken(TypedDict):
    """A human being has it: the event's actor. ``until`` (aware, ISO) is when calling begins again.

    ``answer`` is the key of the answer to a form that says so, here and below: one that is heard twice is done once.
    """

    emergency: int
    via: str
    until: str
    attempt: NotRequired[int]
    answer: NotRequired[str]


class TakenByAnother(TypedDict):
    """Somebody said that they have it when somebody else had it already; they were told whom."""

    emergency: int
    via: str
    holder: str
    attempt: NotRequired[int]
    answer: NotRequired[str]


class CallingAgain(TypedDict):
    """The silence of an acknowledgement is over, and so is what its holder said; or the holder gave it back."""

    emergency: int
    why: str


class WholeTeamCalled(TypedDict):
    """From here on everybody on the list is called at once."""

    emergency: int
    why: str


class NobodyToCall(TypedDict):
    """The list of whom to call is empty, or nobody on it has a number: an alarm of its own."""

    emergency: int
    why: str


class UpdateGiven(TypedDict):
    """What somebody wrote for those who wait, word for word; who wrote it is the event's actor."""

    emergency: int
    words: str
    answer: NotRequired[str]


class ReviewKept(TypedDict):
    """The timeline for the review of an emergency that is over: the digest of its file, and its name."""

    emergency: int
    evidence: Named
    name: str


class EmergencyOver(TypedDict):
    """Nobody need be called any more; the case goes on."""

    emergency: int
    why: str
