"""An emergency on a case of an installation of the web app, and the tries that an engine would write down."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from caseproof.domain.emergency import payloads as says
from caseproof.domain.emergency.kinds import kind_with
from caseproof.domain.emergency.raising import Raising, Sighting
from caseproof.domain.emergency.vocabulary import Criterion, OwnLadder
from caseproof.procedure.core.parts import event_of
from caseproof.procedure.paging.by_link import Keys, link_for
from caseproof.procedure.paging.raising import raise_emergency, standing

LEAD, OWL = "Product Lead", "Night Owl"
SITE = "shop.example.com"


def raised(world: Any, ref: str = "", **more: Any) -> str:
    """The reference of a case with an emergency that was raised ten minutes ago."""
    ref = ref or world.waiting()
    now = world.services.clock()
    said: dict[str, Any] = {
        "site": SITE, "sightings": (Sighting(Criterion.ORDERING_DOWN, "The checkout <b>says</b> 500."),),
        "since": now - timedelta(minutes=10), "tried": "restarted it", "own_ladder": OwnLadder.USED, "case": ref,
        "within_contract": True,
    }  # fmt: skip
    raise_emergency(world.services.store, world.services.clock, Raising(**(said | more)), "operator", open_case=_none)
    return ref


def _none(*_: object) -> str:
    raise AssertionError("it has a case")


def calling(world: Any, ref: str, person: str, attempt: int = 1) -> None:
    """A call to somebody that rings."""
    now = world.services.clock()
    said = says.PageBegun(
        emergency=1, attempt=attempt, channel="call", until=(now + timedelta(minutes=1)).isoformat(), worker="w",
        person=person, round=1,
    )  # fmt: skip
    world.services.store.change(
        ref, lambda case: [event_of(kind_with(case.procedure, says.PageBegun), now, "caseproof", said)]
    )


def telling(world: Any, ref: str, news: str, *attempts: int) -> None:
    """Mails with this news are on their way."""
    now = world.services.clock()
    until = (now + timedelta(minutes=1)).isoformat()

    def begun(attempt: int) -> says.PageBegun:
        return says.PageBegun(
            emergency=1, attempt=attempt, channel="mail", until=until, worker="w", news=news, about=1
        )  # fmt: skip

    world.services.store.change(
        ref,
        lambda case: [
            event_of(kind_with(case.procedure, says.PageBegun), now, "caseproof", begun(one)) for one in attempts
        ],
    )


def ended(world: Any, ref: str, attempt: int, outcome: str, detail: str = "") -> None:
    """What came of a call."""
    said = says.PageEnded(emergency=1, attempt=attempt, outcome=outcome, detail=detail)
    now = world.services.clock()
    world.services.store.change(
        ref, lambda case: [event_of(kind_with(case.procedure, says.PageEnded), now, "caseproof", said)]
    )


def link(world: Any, ref: str, person: str, emergency: int = 1, secret: bytes = b"") -> str:
    """The path of somebody's own link."""
    keys = Keys(secret or world.services.secret)
    return link_for(keys, "", ref, emergency, person, world.now)


def paging(world: Any, ref: str) -> Any:
    """How the emergency stands."""
    return standing(world.services.ledger.case(ref))


def holder(world: Any, ref: str) -> str:
    """Who has it; "" for nobody."""
    found = paging(world, ref).holder(world.now)
    return found.by if found else ""
