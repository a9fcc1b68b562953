"""What was tried on the ladder, recomputed from the events: L1's steps, L2's documents, PT's suggestions.

What counts is of the present opening; L1's steps count since the case came to L1 last.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from caseproof.domain.case import Case, FactOf
from caseproof.domain.people import folded
from caseproof.domain.substance import is_address, is_one_of, same_text, says_something, texts_of
from caseproof.domain.support import payloads as says
from caseproof.domain.support.vocabulary import Outcome, Tier


@dataclass(frozen=True, slots=True)
class Item:
    """One suggestion or question of PT; ``key`` is the number of the event that has it, and its place there."""

    key: str
    words: str
    is_question: bool


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail of the case; ``unproven``: why it may be of another than it says, "" where it is not."""

    file: str
    sender: str
    words: str
    at: datetime
    unproven: str


def mails_of(case: Case) -> list[Mail]:
    """The mails of this case, oldest first, whoever sent them; what somebody typed of the client's words is none."""
    opened = [(case.opened.event, "said")] if case.opened else []
    told = [*opened, *((fact.event, "words") for fact in case.all_of(says.ClientWrote) if not fact.get("typed"))]
    return [
        Mail(str(event.data["evidence"]), str(event.data.get("sender") or ""), str(event.data[words]), event.at,
             str(event.data.get("unproven") or ""))
        for event, words in told
        if event.data.get("evidence")
    ]  # fmt: skip


def since(case: Case) -> int:
    """The number of the event since which things count: the latest opening."""
    return case.last_opened.seq if case.last_opened else 0


def items(case: Case) -> list[Item]:
    """PT's suggestions and questions in this opening, oldest first."""
    told: list[tuple[int, says.PtAnswered | says.ReturnedToL2]] = [
        *((fact.seq, fact.data) for fact in case.all_of(says.PtAnswered)),
        *((fact.seq, fact.data) for fact in case.all_of(says.ReturnedToL2)),
    ]
    return [item for seq, data in sorted(told, key=lambda one: one[0]) if seq > since(case) for item in _of(seq, data)]


def _of(seq: int, data: says.PtAnswered | says.ReturnedToL2) -> Iterator[Item]:
    suggestions, questions = texts_of(data["suggestions"]), texts_of(data["questions"])
    both = [*((words, False) for words in suggestions), *((words, True) for words in questions)]
    for place, (words, is_question) in enumerate(both, 1):
        yield Item(f"{seq}.{place}", words, is_question)


def outcomes(case: Case) -> dict[str, FactOf[says.OutcomeTold]]:
    """What came of each item, by its key: what was said last."""
    return {str(fact.data["of"]): fact for fact in case.all_of(says.OutcomeTold) if fact.seq > since(case)}


def without_outcome(case: Case) -> list[Item]:
    """The items of which nobody has said yet what came of them."""
    told = outcomes(case)
    return [item for item in items(case) if item.key not in told]


def tried_suggestions(case: Case) -> list[FactOf[says.OutcomeTold]]:
    """The suggestions that were really tried."""
    suggested = {item.key for item in items(case) if not item.is_question}
    told = outcomes(case)
    return [told[key] for key in told if key in suggested and told[key].data["outcome"] != Outcome.COULD_NOT]


def steps_of(case: Case, tier: Tier) -> list[FactOf[says.Tried]]:
    """The steps that this tier tried, in checkable form, each counted once."""
    begun = max([since(case), *(f.seq for f in case.all_of(says.ReturnedToL1))]) if tier is Tier.L1 else since(case)
    found: list[FactOf[says.Tried]] = []
    for fact in case.all_of(says.Tried):
        if fact.seq > begun and fact.data["tier"] == tier and is_checkable(fact.data["step"], fact.data["seen"]):
            found = [one for one in found if not _same_step(one, fact)] + [fact]
    return found


def _same_step(one: FactOf[says.Tried], other: FactOf[says.Tried]) -> bool:
    return all(same_text(one[name], other[name]) for name in ("document", "step"))


def is_checkable(step: object, seen: object) -> bool:
    """Whether a colleague can do the step again and compare: what was done, and what was seen, are two things said."""
    return says_something(step) and says_something(seen) and not same_text(step, seen)


def documents(case: Case) -> list[says.Document]:
    """The documents that were linked to this case in this opening, by what was linked last."""
    linked = [fact for fact in case.all_of(says.DocumentsLinked) if fact.seq > since(case)]
    return [one for one in linked[-1].data["documents"] if is_address(one["address"])] if linked else []


def linked_addresses(case: Case) -> frozenset[str]:
    """The addresses of all documents that the policy ever named for this case."""
    linked = case.all_of(says.DocumentsLinked)
    return frozenset(one["address"] for fact in linked for one in fact.data["documents"] if is_address(one["address"]))


def is_documented(case: Case, address: object) -> bool:
    """Whether a step out of this document counts for L2: one of those linked; any page, where none was."""
    linked = [one["address"] for one in documents(case)]
    return address in linked if linked else is_address(address)


def documented_steps(case: Case) -> list[FactOf[says.Tried]]:
    """L2's steps out of the product's documentation (E2)."""
    steps = steps_of(case, Tier.L2)
    return [fact for fact in steps if is_documented(case, fact["document"]) and fact["outcome"] != Outcome.COULD_NOT]


def solved_by(case: Case, tier: Tier | None = None) -> list[int]:
    """The numbers of the events that say that something solved it, and that nothing has taken back since."""
    refuted = max((fact.seq for fact in case.all_of(says.SolutionFailed)), default=0)
    owners = [tier] if tier else list(Tier)
    found = [fact for owner in owners for fact in steps_of(case, owner) if fact["outcome"] == Outcome.SOLVED]
    told = [fact for fact in outcomes(case).values() if fact["outcome"] == Outcome.SOLVED]
    stated = case.own.get("solution")
    numbers = {*(f.seq for f in found), *(f.seq for f in told), *([stated.seq] if stated else [])}
    return sorted(number for number in numbers if number > refuted)


def wanted_by(case: Case) -> dict[str, tuple[Tier, int]]:
    """Which technicians wait for details that they asked for in this opening: their tier, and the event's number."""
    open_for: dict[str, tuple[Tier, int]] = {}
    for number, event in enumerate(case.events, 1):
        if number <= since(case):
            continue
        if (asks := event.says(says.DetailsWanted)) is not None and is_one_of(asks["tier"], Tier):
            open_for[folded(event.actor)] = (Tier(asks["tier"]), number)
        for kind in (says.DetailsGiven, says.ReachedL2, says.ReachedPt):
            if (given := event.says(kind)) is not None:
                open_for.pop(folded(str(given.get("technician", ""))), None)
    return open_for


def waits_for(case: Case, technician: object) -> Tier | None:
    """The tier of a technician who waits for details in this case; None where they asked for none."""
    found = wanted_by(case).get(folded(str(technician)))
    return found[0] if found else None
