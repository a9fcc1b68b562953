"""What is asked where nobody knows the cause (markdown): the message, what it is like, what the retailer would read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from caseproof.channels.outbound.notice import cause_words
from caseproof.checks.shapes import abridged, nearest, shape_of
from caseproof.config.policy_check import Signature
from caseproof.domain.case import Case
from caseproof.domain.forms import CauseChoice
from caseproof.domain.vocabulary import NOT_THEIRS, UNKNOWN
from caseproof.procedure.core.causes import shape_of_case
from caseproof.procedure.core.texts import in_words, plain, short
from caseproof.store import ChosenCause

LONGEST_SHOWN = 600
"""So many characters of a shape are shown."""
_OF_EXPRESSIONS = re.compile(r"\\[a-zA-Z]|\[[^\]]*\]|\{[\d,]*\}|[\\^$.*+?()]")


def what_to_say_of_the_cause(
    case: Case, message: str, signatures: Iterable[Signature], remembered: Sequence[ChosenCause], hours: float,
    *, with_choices: bool = True,
) -> str:  # fmt: skip
    """What is asked with the form for the cause.

    ``remembered`` are the choices that hold; ``hours``: how long the question waits; ``with_choices``: whether it says
    what the retailer would read with each choice, where the form cannot say it beside them (``would_read``).
    """
    parts = [
        "**Nobody knows the cause: no signature of the policy fits the message (J5).** The job is stopped, and the "
        "retailer is not told before you say it.",
        _quoted(message),
        _likenesses(message, signatures, remembered),
        "What the retailer would then be told:" if with_choices else "",
        "Where its incident reaches several shops at once, they are told that instead, and asked nothing; but 'website "
        "changed' and 'our platform' are told as they are."
        if case.incident
        else "",
        _would_read(case.facts.get("marketplace")) if with_choices else "",
        _remembered_for(case),
        f"Without an answer within {hours:g} hours they are told the last of these.",
    ]
    return "\n\n".join(part for part in parts if part)


def what_another_asks(asks: str, page: str) -> str:
    """What is asked with the form of a case whose message another case, ``asks``, is asked about."""
    return (
        f"**The cause is asked with [{asks}]({page}), whose message says the same (J5).** Answer there: it holds for "
        "this case, too. Nothing is to be done here, unless this failure is another one."
    )


def _quoted(message: str) -> str:
    if not message:
        return "The case has no message of a run, so what you say holds for this case alone."
    if short(message) == message:
        return ""  # it stands above, as what fails
    lines = "\n".join(f"> {plain(line)}" for line in abridged(message).splitlines() if line.strip())
    return f"The message:\n\n{lines}"


def _remembered_for(case: Case) -> str:
    words = shape_of_case(case)[1]
    if not words:
        return "Your choice holds for this case alone: nothing is remembered."
    return (
        "Your choice is remembered, and holds for all cases that wait for it. \u2026 stands for what may differ; "
        f"remembered for: {plain(short(words, LONGEST_SHOWN))}"
    )


def _likenesses(message: str, signatures: Iterable[Signature], remembered: Sequence[ChosenCause]) -> str:
    known = [*_signatures(signatures), *((_named(one), one.cause, [one.words]) for one in remembered)]
    lines = [f"- {plain(like.name)}: **{plain(in_words(like.cause))}**" for like in nearest(shape_of(message), known)]
    if not lines:
        return "Nothing that is known is like it."
    return "What it is most like, though none of it fits:\n\n" + "\n".join(lines)


def _named(one: ChosenCause) -> str:
    return f"{short(one.words, 80)} (chosen by {one.chosen_by} on {one.chosen_at:%Y-%m-%d})"


def _signatures(signatures: Iterable[Signature]) -> Iterator[tuple[str, str, list[str]]]:
    for one in signatures:
        said = [part for pattern in one.says for part in _OF_EXPRESSIONS.sub(" ", pattern).split("|")]
        yield one.name, str(one.cause), [one.name, *one.frames, *said]


def _would_read(marketplace: str | None) -> str:
    lines = []  # no table: Prefect's form cuts one at its right edge
    for choice in CauseChoice:
        title, asked = would_read(choice, marketplace)
        name = "none of these" if choice is CauseChoice.NONE else in_words(choice)
        lines.append(f"- **{plain(name)}**: \u201c{plain(title)}\u201d *Asked of them:* {plain(asked)}")
    return "\n".join(lines)


def would_read(choice: CauseChoice, marketplace: str | None) -> tuple[str, str]:
    """What the retailer would be told first where this was chosen, and what they would be asked to do."""
    neutral = choice is CauseChoice.NONE
    cause = UNKNOWN if neutral else str(choice)
    words = cause_words(cause, "en", marketplace, neutral=neutral)
    asked = "nothing" if neutral or cause in NOT_THEIRS else short(words["steps"][0], 110)
    return words["title"], asked
