"""Closing is a theorem: a procedure's conditions say what a closure needs, and the refusal and the proof read them.

A condition names its rule, says in a sentence what must hold, finds what meets it in the case, and says what to do when
nothing does. ``closure_blockers`` lists the conditions that are not met; ``conditions_met`` lists the evidence for
those that are. Nothing else in the product decides whether a case may close.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NoReturn

from caseproof.domain import payloads as says
from caseproof.domain.case import Case, Fact
from caseproof.domain.errors import ClosureRefused, NotAllowed
from caseproof.domain.events import Event
from caseproof.domain.specs import Role


@dataclass(frozen=True, slots=True)
class Met:
    """What meets a condition: evidence files by digest (hex SHA-256), and events by their number."""

    evidence: tuple[str, ...] = ()
    events: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing a closure needs. ``met_by`` returns None where nothing in the case meets it."""

    code: str
    rule: str
    sentence: str
    next_action: str
    applies: Callable[[Case], bool]
    met_by: Callable[[Case], Met | None]
    otherwise: Callable[[Case], str] | None = None
    """What holds instead of ``sentence`` where it is met in another way, as the proof says it; "" where it is not."""
    waits: Callable[[Case], tuple[str, str] | None] | None = None
    """What is missing and the next action, where the case knows more of that than the two sentences here."""

    def holds(self, case: Case) -> str:
        """What holds where it is met, in a sentence."""
        return (self.otherwise(case) if self.otherwise else "") or self.sentence

    def blocker(self, case: Case) -> Blocker:
        """What is missing where it is not met."""
        known = self.waits(case) if self.waits else None
        missing, next_action = known or (self.sentence, self.next_action.format(ref=case.ref))
        return Blocker(self.code, self.rule, missing, next_action)


@dataclass(frozen=True, slots=True)
class Blocker:
    """A condition that nothing meets yet."""

    code: str
    rule: str
    missing: str
    next_action: str


def met_of(*facts: Fact | None) -> Met:
    """What these facts meet it by; what is not there is left out."""
    present = [fact for fact in facts if fact is not None]
    evidence = [fact["evidence"] for fact in present if fact.get("evidence")]
    return Met(tuple(evidence), tuple(fact.seq for fact in present))


def aware_time(text: Any) -> datetime | None:
    """The time, or None where it is none or says no zone: what cannot be compared meets nothing."""
    try:
        time = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return time if time.tzinfo else None


def follows(later: Fact, earlier: Fact | None) -> bool:
    """Whether the one was written down after the other, if there is another."""
    return earlier is None or earlier.seq < later.seq


def closure_blockers(case: Case) -> list[Blocker]:
    """What blocks the closure of ``case``, each with its rule and the next action; empty when nothing does."""
    return [c.blocker(case) for c in case.procedure.conditions if c.applies(case) and c.met_by(case) is None]


def conditions_met(case: Case) -> list[tuple[Condition, Met]]:
    """The conditions that apply and are met, each with what meets it."""
    found = [(c, c.met_by(case)) for c in case.procedure.conditions if c.applies(case)]
    return [(condition, met) for condition, met in found if met is not None]


def closure_rule(case: Case) -> str | None:
    """The rule under which the case may close as it stands; None where nothing leads to a closure yet."""
    return case.procedure.rule(case)


LOOK_HOLDS = timedelta(minutes=15)
"""How long the last look counts as "at closing time"."""


def may_close(case: Case, closing: Event) -> bool:
    """Whether nothing blocks, and ``closing`` names a proof of exactly what is known, made after a fresh look."""
    if case.opened is None or closure_blockers(case) or not proof_holds(case):
        return False
    return (
        is_fresh(case, closing.at) and case.proof is not None and closing.data["proof"] == case.proof.data["evidence"]
    )


def is_fresh(case: Case, now: datetime) -> bool:
    """Whether the last look at the job is recent enough to close on."""
    return case.look is not None and now - case.look.at <= LOOK_HOLDS


def proof_holds(case: Case) -> bool:
    """Whether the proof is new, follows all that it rests on, and says the rule and the head of its moment."""
    proof, opened = case.proof, case.last_opened
    if proof is None or opened is None or case.look is None or not follows(proof, case.look):
        return False
    if proof.data["rule"] != closure_rule(case) or proof.data["head"] != case.head_before_proof:
        return False
    if any(number > proof.seq for _, met in conditions_met(case) for number in met.events):
        return False
    used = [of["evidence"] for e in case.events[: opened.seq] if (of := e.says(says.ProofMade)) is not None]
    return proof.data["evidence"] not in used


def refuse_closure(case: Case, closing: Event | None = None) -> None:
    """Raise ClosureRefused with every missing item, unless the case may close (by ``closing``)."""
    blockers = closure_blockers(case)
    if blockers:
        lines = "; ".join(f"{b.rule}: {b.missing} ({b.next_action})" for b in blockers)
        raise ClosureRefused(f"{case.ref} may not close. Missing: {lines}", f"`caseproof case why {case.ref}`")
    if closing is None or not may_close(case, closing):
        raise ClosureRefused(
            f"{case.ref} has no proof made of what is known now, after a look at the job in the last "
            f"{LOOK_HOLDS.seconds // 60} minutes.",
            "Let the case's run look again and make the proof.",
        )


def _refuse_early(case: Case, event: Event, problem: str) -> NoReturn:
    """Raise NotAllowed for an event that the state does not allow, with what has to happen before it may."""
    missing = case.procedure.missing(case, event.kind) if case.version else ()
    if not missing:
        raise NotAllowed(problem, f"See what comes next with `caseproof case why {case.ref}`.")
    lines = " ".join(f"{one.rule}: {one.missing}" for one in missing)
    raise NotAllowed(f"{problem} Missing: {lines}", missing[0].next_action)


def refuse_event(case: Case, event: Event) -> None:
    """Raise NotAllowed if the procedure does not allow ``event`` on ``case`` now (asked before every append)."""
    before = case.state if case.version else None
    if not isinstance(event.kind, case.procedure.kinds) or not event.kind.spec.allowed(before):
        at = "does not exist yet"
        if case.version:
            at = f"is '{case.procedure.called(case.state)}': {case.procedure.sentences[case.state]}"
        _refuse_early(case, event, f"'{case.procedure.named(event.kind)}' cannot happen now: {case.ref} {at}")
    case.procedure.refuse(case, event)
    if event.kind.spec.role is Role.CLOSES:
        refuse_closure(case, event)
