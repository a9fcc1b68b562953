"""The timeline of an emergency as people read it, kept as evidence and attached to the ticket when it is over (E12)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from caseproof.desks.base import Desk
from caseproof.domain.aftermath import without_review
from caseproof.domain.case import Case
from caseproof.domain.emergency import payloads as says
from caseproof.domain.emergency.paging import Attempt
from caseproof.domain.emergency.review import Review, review_of
from caseproof.domain.emergency.vocabulary import CRITERIA, Channel
from caseproof.procedure.closing.ticket import send_file
from caseproof.procedure.core.parts import Effects, EvidenceFiles, Ledger
from caseproof.procedure.core.sentences import whole_sentence
from caseproof.procedure.core.texts import plain

_CHANNELS = {Channel.MAIL: "mail", Channel.TEAMS: "Teams", Channel.CALL: "telephone"}
_REACHED = {Channel.MAIL: "taken", Channel.TEAMS: "taken", Channel.CALL: "a key was pressed in"}


def keep_reviews(ledger: Ledger, effects: Effects, files: EvidenceFiles, desk: Desk | None, ref: str) -> Case:
    """Ensure that the timeline of each emergency that is over is kept as evidence, and stands on the case's ticket.

    ``desk`` is None where the case has no ticket. Raises DeskError.
    """
    case = ledger.case(ref)
    for number in without_review(case):
        review = review_of(case, number)
        if review is None:
            continue
        name = f"{case.ref}-emergency-{number}.md"
        digest = files.keep(case.ref, in_markdown(review).encode(), name, "text/markdown")
        if desk is not None and case.ticket is not None:
            ticket = str(case.ticket.data["ticket"])
            send_file(effects, files.vault, desk, case.ref, ticket, digest, name, "text/markdown")
        event = ledger.event(case.procedure.kind(says.ReviewKept), emergency=number, evidence=digest, name=name)
        case = ledger.change(ref, lambda now, it=event, n=number: [it] if n in without_review(now) else [])  # type: ignore[misc]
    return case


def in_markdown(review: Review) -> str:
    """The timeline as markdown: how it went in a table, who did what, every try, and how long each person had it."""
    raised, paging = review.paging.raised, review.paging
    parts = [
        f"# Emergency {paging.number} of {paging.ref}: {plain(raised.data['site'])}",
        _table(("", ""), [(plain(name), plain(said)) for name, said in steps_of(review)]),
        "## Who did what",
        _table(
            ("At (UTC)", "After", "Who", "What"),
            [(_at(one.at), length(one.after), plain(one.who), plain(whole_sentence(one.fact.event)))
             for one in review.moments],
        ),
        "## Every try",
        _table(("#", "At (UTC)", "After", "By", "Whom, or what about", "Took", "What came of it"),
               [_try(review, one) for one in paging.attempts]),
    ]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def steps_of(review: Review) -> list[tuple[str, str]]:
    """How it went, a line each: what it is, and when it was and how long after the raising; in plain text."""
    said, paging = review.paging.raised.data, review.paging
    what = "; ".join(CRITERIA[one] for one in CRITERIA if any(seen["criterion"] == one for seen in said["criteria"]))
    rows = [
        ("What", what),
        ("Seen", "; ".join(seen["seen"] for seen in said["criteria"])),
        ("Began", f"{_at(datetime.fromisoformat(said['since']))} UTC" if said["since"] else "nobody knows"),
        ("Raised", f"{_at(review.raised)} UTC by {paging.raised.actor}"),
        ("First message", _since(review, review.first_send)),
        ("First ring", _since(review, review.first_ring)),
        ("Acknowledged", _since(review, review.acknowledged, review.by)),
        ("Over", _since(review, review.over, paging.over_why)),
        ("Tried before", said["tried"] or "nothing is said of it"),
        ("Advised", "; ".join(f"{one['rule']}: {one['why']}" for one in said["advice"]) or "nothing"),
        ("People called", ", ".join(review.people_called) or "nobody"),
        ("Tries", "; ".join(f"{_CHANNELS[one]}: {_REACHED[one]} {reached} of {count}"
                            for one, (count, reached) in review.reached_by.items() if count) or "none"),
    ]  # fmt: skip
    return rows + [(f"{name} had it for", length(time)) for name, time in review.held.items()]


def length(time: timedelta) -> str:
    """A span of time for people: 0.4 s, 40 s, 2 min 5 s, 1 h 20 min."""
    seconds = time.total_seconds()
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if minutes else f"{rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def _since(review: Review, at: datetime | None, more: str = "") -> str:
    after = review.after(at)
    if at is None or after is None:
        return "not yet" if review.over is None else "never"
    return f"{_at(at)} UTC, after {length(after)}{f': {more}' if more else ''}"


def _try(review: Review, one: Attempt) -> tuple[str, ...]:
    took = length(one.ended - one.begun) if one.ended else ""
    whom = one.person or str(one.news or "").replace("_", " ")
    return (
        str(one.number), _at(one.begun), length(one.begun - review.raised), _CHANNELS[one.channel], plain(whom), took,
        plain(outcome_of(one)),
    )  # fmt: skip


def outcome_of(one: Attempt) -> str:
    """What came of a try, in plain text."""
    return f"{str(one.outcome or 'under way').replace('_', ' ')}{f': {one.detail}' if one.detail else ''}"


def _at(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *(f"| {' | '.join(row)} |" for row in rows)]
    return "\n".join(lines)
