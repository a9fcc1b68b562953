"""What the mail, the card and the voice say of an emergency: short, and the same on every channel."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from caseproof.channels.voice.pages import VoiceAlert
from caseproof.domain.emergency.paging import Paging
from caseproof.domain.emergency.payloads import Seen
from caseproof.domain.emergency.vocabulary import CRITERIA, Channel, NewsKind

_SILENT = {
    Channel.CALL: "nobody is telephoned",
    Channel.MAIL: "nobody gets a mail",
    Channel.TEAMS: "nobody gets a card in Teams",
}


def problem(paging: Paging) -> str:
    """The problem in one sentence."""
    return f"{paging.raised.data['site']}: {what_is_down(paging)}."


def what_is_down(paging: Paging) -> str:
    """The criteria that hold (E7), without the site and without a full stop."""
    return "; ".join(criterion_in_words(one["criterion"]) for one in paging.raised.data["criteria"])


def criterion_in_words(value: str) -> str:
    """What a criterion of E7 says, by its stored value; the value itself for one that is not known."""
    return next((sentence for criterion, sentence in CRITERIA.items() if criterion == value), value)


def alert_of(paging: Paging) -> VoiceAlert:
    """What the voice says, and repeats until a digit is pressed."""
    return VoiceAlert(paging.ref, str(paging.raised.data["site"]), what_is_down(paging))


def subject(paging: Paging, news: NewsKind) -> str:
    """The mail's subject and the card's title. It begins with the reference, so that a thread stays together."""
    words = {
        NewsKind.RAISED: "EMERGENCY",
        NewsKind.STILL_CALLING: "EMERGENCY, nobody has it yet",
        NewsKind.CALLING_AGAIN: "EMERGENCY, calling again",
        NewsKind.TAKEN: f"{paging.taken.by if paging.taken else 'somebody'} has it",
        NewsKind.UPDATE: "how it stands",
        NewsKind.STILL_HELD: f"{paging.taken.by if paging.taken else 'somebody'} has it yet",
        NewsKind.OVER: "the emergency is over",
    }
    return f"[{paging.ref}] {words[news]}: {paging.raised.data['site']}"


def text(paging: Paging, news: NewsKind, now: datetime, url: str) -> str:
    """What the mail and the card say; ``url`` is the case's page."""
    return "\n".join([*_first(paging, news), "", problem(paging), *_said(paging, now), "", f"The case: {url}"])


def tries(paging: Paging) -> list[dict[str, str]]:
    """A row a try, oldest first: when, by what, whom or what about, and what came of it."""
    return [
        {
            "at": one.begun.isoformat(timespec="seconds"),
            "channel": str(one.channel),
            "who": one.person or str(one.news),
            "outcome": str(one.outcome or "under way"),
            "detail": one.detail,
        }
        for one in paging.attempts
    ]


def unreached(paging: Paging) -> str:
    """Who is reached by nothing, and why; "" where whatever was tried by now is set up."""
    if paging.no_one:
        return "Nobody is telephoned: the call list is empty, or nobody on it has a number."
    if len(paging.not_set_up) == len(Channel):
        return "NOBODY IS REACHED: neither mail nor Teams nor telephone is set up."
    silent = " and ".join(says for channel, says in _SILENT.items() if channel in paging.not_set_up)
    return f"{silent[0].upper()}{silent[1:]}: that is not set up." if silent else ""


def _first(paging: Paging, news: NewsKind) -> Sequence[str]:
    """What is new."""
    if news is NewsKind.TAKEN and paging.taken is not None:
        taken = paging.taken
        return [f"{taken.by} has it since {_time(taken.at)}. Nobody is called until {_time(taken.until)}."]
    if news is NewsKind.OVER:
        return [f"It is over: {paging.over_why}"]
    if news is NewsKind.UPDATE and paging.update is not None:
        update = paging.update
        return [f"{update.by} writes ({_time(update.at)}):", *(f"> {line}" for line in update.words.splitlines())]
    if news is NewsKind.STILL_HELD and paging.taken is not None:
        taken, last = paging.taken, paging.update
        said = f"The last word is of {_time(last.at)}." if last is not None else "Nothing was said of it yet."
        ask = f"{taken.by}: please tell those who wait how it stands, on the case's page."
        return [f"{taken.by} has it since {_time(taken.at)}. {said}", ask]
    called = list(dict.fromkeys(one.person for one in paging.this_period))
    begins = {NewsKind.RAISED: "An emergency was raised", NewsKind.CALLING_AGAIN: "Calling begins again"}
    line = (
        f"{begins.get(news, 'Nobody has it yet, and calling goes on')}. Calls go down the list until somebody has it."
    )
    return [line, *([f"Called so far: {', '.join(called)}."] if called else [])]


def _said(paging: Paging, now: datetime) -> Sequence[str]:
    """What was said when it was raised."""
    said = paging.raised.data
    lines = _seen(said["criteria"])
    if said["since"]:
        since = datetime.fromisoformat(said["since"])
        lines.append(f"Since {_time(since)} ({int((now - since).total_seconds() // 60)} minutes).")
    lines.append(f"Tried: {said['tried'] or 'nothing is said of it'}")
    lines.append(f"Raised by {paging.raised.actor}.")
    return lines


def _seen(criteria: Sequence[Seen]) -> list[str]:
    """What was seen: of each criterion by itself, where not one text is of all."""
    texts = {one["seen"] for one in criteria}
    if len(texts) == 1:
        return [f"Seen: {text}" for text in texts]
    return [f"Seen ({criterion_in_words(one['criterion'])}): {one['seen']}" for one in criteria]


def _time(at: datetime) -> str:
    return f"{at:%d %b %H:%M} {at.tzname()}"
