"""Support cases in a world: opened, carried and answered by the people of its policy, each through the entry."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from caseproof.domain.case import Case
from caseproof.domain.support.efforts import items
from caseproof.domain.support.steps import Request
from caseproof.domain.support.vocabulary import Naming, Outcome, SameIssue, Urgency, Way
from caseproof.procedure.core.support import SupportWanted
from caseproof.procedure.escalation.closing import close_support, look_again, prove_the_jobs
from caseproof.procedure.escalation.opening import open_support_case
from caseproof.procedure.escalation.requesting import make_request
from caseproof.procedure.escalation.telling import tell_the_client
from tests.support.support_cases import BRINGS, DOERS, PEOPLE, SAID
from tests.support.world import World

PAGE = "https://docs.example.com/cart"
LADDER: dict[str, Any] = {
    "people": [
        {"name": PEOPLE["L1"], "tiers": ["L1"]},
        {"name": "front line two", "tiers": ["L1"]},
        {"name": PEOPLE["L2"], "tiers": ["L2"], "mail": "l2@example.com"},
        {"name": PEOPLE["PT"], "tiers": ["PT"], "mail": "pt@example.com"},
        {"name": PEOPLE["DEV"], "tiers": ["DEV"]},
        {"name": "implementer", "tiers": ["IMPLEMENTATION"]},
    ],
    "leads": {"PT": PEOPLE["PT"]},
    "documents": {"WooCommerce": [{"name": "Cart", "address": PAGE}]},
    "address": "support@example.com",
}
WANTED = SupportWanted(
    client="Example Foods", site="shop.example.com", product="WooCommerce", summary="The cart is empty", said=SAID,
    how="telephone", urgency=str(Urgency.STOPS),
)  # fmt: skip
NO_EVIDENCE: dict[str, Any] = {"way": str(Way.NAMED), "same_issue": str(SameIssue.SAME)}


class Desk:
    """The support desk of a world."""

    def __init__(self, world: World) -> None:
        self.world, self.services = world, world.services

    def open(self, by: str = PEOPLE["L1"], **other: Any) -> str:
        services = self.services
        wanted = replace(WANTED, **other)
        return open_support_case(services.ledger, services.files, services.policy, wanted, by)[0].ref

    def ask(self, ref: str, request: Request, tier: str = "", by: str = "", /, **other: Any) -> Case:
        """Make the request as it is made rightly, but for what is given."""
        tier = tier or DOERS.get(request) or "L1"
        said = {"tier": tier, **BRINGS.get(request, {}), **other}
        if request is Request.TRY:
            said["document"] = other.get("document", PAGE if tier == "L2" else "")
        by = by or PEOPLE.get(tier, "implementer")
        services = self.services
        return make_request(services.ledger, services.files, services.policy, ref, request, said, by)

    def with_l2(self, **other: Any) -> str:
        ref = self.open(**other)
        self.ask(ref, Request.TRY)
        self.ask(ref, Request.HAND_TO_L2)
        return ref

    def answered_by_pt(self, **other: Any) -> str:
        ref = self.with_l2(**other)
        self.ask(ref, Request.TRY, "L2")
        self.ask(ref, Request.ASK_PT, "L2")
        self.ask(ref, Request.ANSWER_L2, "PT")
        return ref

    def tell_outcomes(self, ref: str) -> None:
        for item in items(self.world.case(ref)):
            outcome = Outcome.ANSWERED if item.is_question else Outcome.NO_CHANGE
            self.ask(ref, Request.TELL_OUTCOME, "L2", of=item.key, step="switched the cache plugin off",
                     seen="the cart is still empty", outcome=str(outcome))  # fmt: skip

    def with_pt(self, **other: Any) -> str:
        ref = self.answered_by_pt(**other)
        self.tell_outcomes(ref)
        self.ask(ref, Request.EXHAUST, "L2")
        self.ask(ref, Request.TAKE, "PT")
        return ref

    # -- the end ----------------------------------------------------------------------------------------------------

    def tell(self, ref: str) -> Case:
        services = self.services
        return tell_the_client(services.ledger, services.dispatch(self.world.send), ref)

    def finish(self, ref: str, platform: bool = True) -> Case:
        """What a case's run does once a solution is stated, one step after the other."""
        services, world = self.services, self.world
        self.tell(ref)
        prove_the_jobs(services.ledger, services.files, services.proofs, ref)
        look_again(services.ledger, services.files, ref, (lambda _: world.platform) if platform else None)
        return close_support(services.ledger, services.files, services.proofs, ref)


def by_case(ref: str, **other: Any) -> dict[str, Any]:
    """What a form says of another case that names a technician."""
    return NO_EVIDENCE | {"naming": str(Naming.CASE), "ref": ref, **other}
