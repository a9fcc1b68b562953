"""Raising an emergency (E7, E9, E11): what is refused, with the next action, and what is advised and never blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from caseproof.domain.emergency.payloads import Advised, EmergencyRaised
from caseproof.domain.emergency.vocabulary import CRITERIA, Criterion, OwnLadder
from caseproof.domain.errors import BadInput

YOUNG = timedelta(minutes=5)
"""What began less than this long ago, support may still solve (E7): a policy may say another time."""


@dataclass(frozen=True, slots=True)
class Terminals:
    """How many payment terminals fail, of how many."""

    failing: int
    of: int

    @property
    def is_possible(self) -> bool:
        return 0 <= self.failing <= self.of and self.of > 0

    @property
    def more_than_half(self) -> bool:
        return self.is_possible and 2 * self.failing > self.of


@dataclass(frozen=True, slots=True)
class Sighting:
    """A criterion that holds, as the caller says, and what was seen: who saw what, which message, which number."""

    criterion: Criterion
    seen: str


@dataclass(frozen=True, slots=True)
class ShortCase:
    """The thirty-second case (E9), written in the same form: who the client is, and what they say."""

    client: str
    said: str
    product: str = ""

    @property
    def is_enough(self) -> bool:
        return bool(self.client.strip() and self.said.strip())


@dataclass(frozen=True, slots=True, kw_only=True)
class Raising:
    """What the form says. ``case`` is the reference of a case there is, or ``new_case`` is written.

    ``since`` is when it began, aware, None where nobody knows; ``tried`` what support did about it;
    ``within_contract`` whether the client's contract covers this hour, None where nobody knows.
    """

    site: str
    sightings: Sequence[Sighting]
    since: datetime | None
    tried: str
    own_ladder: OwnLadder
    case: str = ""
    new_case: ShortCase | None = None
    terminals: Terminals | None = None
    within_contract: bool | None = None
    all_team: bool = False


@dataclass(frozen=True, slots=True)
class Missing:
    """What keeps an emergency from being raised: the rule, what is missing, and the next action."""

    code: str
    rule: str
    missing: str
    next_action: str


class EmergencyRefused(BadInput):
    """The form cannot be taken. ``missing`` says each thing and its next action."""

    def __init__(self, missing: Sequence[Missing]) -> None:
        self.missing = tuple(missing)
        told = "; ".join(f"{one.rule}: {one.missing}" for one in missing)
        super().__init__(f"Nobody was called yet: {told}.", " ".join(one.next_action for one in missing))


_NO_CASE = Missing(
    "no_case", "E9", "there is no case",
    "Name the case, or fill in the client and what they say: thirty seconds are enough.",
)  # fmt: skip
_NO_SITE = Missing("no_site", "E7", "the site is not named", "Write the site's address, or what the client calls it.")
_NO_CRITERION = Missing(
    "no_criterion", "E7", "none of the six criteria was chosen, with what was seen of it",
    "Choose what is down, and write who saw what. If none fits, it is no emergency: hand the case up the ladder.",
)  # fmt: skip
_NO_FIGURES = Missing(
    "no_figures", "E7", "it is not said how many of the payment terminals fail",
    "Write how many fail and how many there are; an estimate is enough.",
)  # fmt: skip
_NOT_HALF = Missing(
    "not_half", "E7", "half of the payment terminals or fewer fail",
    "Hand the case up the ladder, or choose another criterion if no payment at all goes through.",
)  # fmt: skip


def missing_in(raising: Raising, now: datetime) -> list[Missing]:
    """What keeps it from being raised; empty when nothing does. Each thing is asked for once, all at the same time."""
    found = []
    if not raising.case.strip() and not (raising.new_case and raising.new_case.is_enough):
        found.append(_NO_CASE)
    if not raising.site.strip():
        found.append(_NO_SITE)
    if not raising.sightings:
        found.append(_NO_CRITERION)
    for one in raising.sightings:
        if not one.seen.strip():
            what = f"nothing is said of what was seen: {CRITERIA[one.criterion]}"
            found.append(Missing("nothing_seen", "E7", what, "Write who saw what: a message, a page, a number."))
        if one.criterion is Criterion.TERMINALS_FAIL:
            found += _of_terminals(raising.terminals)
    if raising.since is not None and (raising.since.tzinfo is None or raising.since > now):
        later = "when it began is in the future, or without a time zone"
        found.append(Missing("since", "E7", later, "Write when it began, or leave it empty."))
    return found


def _of_terminals(terminals: Terminals | None) -> list[Missing]:
    if terminals is None or not terminals.is_possible:
        return [_NO_FIGURES]
    return [] if terminals.more_than_half else [_NOT_HALF]


def refuse_raising(raising: Raising, now: datetime) -> None:
    """Raise EmergencyRefused with every missing item, if there is one."""
    if found := missing_in(raising, now):
        raise EmergencyRefused(found)


def advice_on(raising: Raising, now: datetime, young: timedelta = YOUNG) -> list[Advised]:
    """What the caller is advised, and what is written down with the emergency. None of it blocks anything."""
    found = []
    if raising.since is not None and now - raising.since < young:
        minutes = round(young.total_seconds() / 60)
        why = f"It began less than {minutes} minutes ago: what can support solve within a few minutes?"
        found.append(Advised(code="young", rule="E7", why=why))
    if not raising.tried.strip():
        why = "Nothing is said of what support tried: whoever answers will ask for it."
        found.append(Advised(code="nothing_tried", rule="E7", why=why))
    if raising.own_ladder is OwnLadder.NOT_USED:
        why = "Your own ladder (L1, L2, L3 of your team) comes first: call it now, beside this."
        found.append(Advised(code="own_ladder", rule="E9", why=why))
    if raising.own_ladder is OwnLadder.NOT_SAID:
        why = "Nobody said whether your own ladder (L1, L2, L3 of your team) was used: it comes first, beside this."
        found.append(Advised(code="own_ladder_not_said", rule="E9", why=why))
    if raising.within_contract is not True:
        unknown = raising.within_contract is None
        why = "Nobody knows whether the contract covers this hour" if unknown else "The contract does not cover it now"
        why += ": you decide. A real emergency never counts as a disturbance."
        found.append(Advised(code="contract_unknown" if unknown else "outside_contract", rule="E11", why=why))
    return found


def raised_by(raising: Raising, number: int, now: datetime, young: timedelta = YOUNG) -> EmergencyRaised:
    """What the event says that raises it. Raises EmergencyRefused."""
    refuse_raising(raising, now)
    said = EmergencyRaised(
        emergency=number,
        site=raising.site.strip(),
        criteria=[{"criterion": str(one.criterion), "seen": one.seen.strip()} for one in raising.sightings],
        since=raising.since.isoformat() if raising.since else "",
        tried=raising.tried.strip(),
        own_ladder=str(raising.own_ladder),
        within_contract=raising.within_contract,
        advice=advice_on(raising, now, young),
        all_team=raising.all_team,
    )
    if raising.terminals is not None:
        said["terminals"] = [raising.terminals.failing, raising.terminals.of]
    return said
