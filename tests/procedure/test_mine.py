"""What waits for somebody: what they have, and what nobody has where it is their tier's turn; on the list as well."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from caseproof.domain.errors import NotOnTheTeam
from caseproof.domain.support.steps import Request
from caseproof.domain.support.vocabulary import Tier
from caseproof.domain.worklist import Filters, Group, WorkQuery
from caseproof.procedure.core.handling import Handle, Wish, handle
from caseproof.procedure.escalation.mine import tiers_of, waits_for
from caseproof.procedure.views.worklist import worklist
from tests.support.support_cases import NAMED, PEOPLE
from tests.support.support_desk import LADDER, Desk
from tests.support.world import World


@pytest.fixture
def desk(make_world: Callable[..., World]) -> Desk:
    return Desk(make_world(ladder=LADDER))


def mine(desk: Desk, name: str) -> list[str]:
    return [one.row.ref for one in waits_for(desk.services.ledger, desk.services.policy, name)[1]]


def do(desk: Desk, what: Handle, ref: str, actor: str, whom: str = "") -> None:
    assert not handle(desk.services.store, desk.world.clock, Wish(what, (ref,), whom), actor).refused


def test_a_support_case_waits_for_the_tier_that_has_to_act_until_somebody_has_it(desk: Desk) -> None:
    ref = desk.answered_by_pt()
    other = desk.open(summary="Another")
    assert (mine(desk, PEOPLE["L1"]), mine(desk, PEOPLE["L2"]), mine(desk, PEOPLE["PT"])) == ([other], [ref], [])
    desk.tell_outcomes(ref)
    desk.ask(ref, Request.ASK_PT, "L2", wanted="is there anything else to try?")
    assert (mine(desk, PEOPLE["L2"]), mine(desk, "Product  Technician")) == ([], [ref])
    do(desk, Handle.CLAIM, other, PEOPLE["L1"])
    assert (mine(desk, PEOPLE["L1"]), mine(desk, "front line two")) == ([other], [])
    do(desk, Handle.HAND_OVER, other, PEOPLE["L1"], "front line two")
    assert (mine(desk, PEOPLE["L1"]), mine(desk, "front line two")) == ([], [other])
    do(desk, Handle.RELEASE, other, "front line two")
    assert mine(desk, PEOPLE["L1"]) == [other]
    with pytest.raises(NotOnTheTeam):
        mine(desk, "somebody")


def test_who_has_a_case_changes_with_the_tier_that_has_to_act(desk: Desk) -> None:
    ref = desk.open()
    do(desk, Handle.CLAIM, ref, PEOPLE["L1"])
    desk.ask(ref, Request.TRY)
    assert mine(desk, PEOPLE["L1"]) == [ref]
    desk.ask(ref, Request.HAND_TO_L2)
    assert (mine(desk, PEOPLE["L1"]), mine(desk, PEOPLE["L2"])) == ([], [ref])
    desk.ask(ref, Request.TRY, "L2")
    do(desk, Handle.CLAIM, ref, PEOPLE["L2"])
    desk.ask(ref, Request.ASK_PT, "L2")
    assert (mine(desk, PEOPLE["L2"]), mine(desk, PEOPLE["PT"])) == ([], [ref]), "PT owes an answer"
    desk.ask(ref, Request.ANSWER_L2, "PT")
    [back] = waits_for(desk.services.ledger, desk.services.policy, PEOPLE["L2"])[1]
    assert (back.row.ref, back.holder) == (ref, PEOPLE["L2"]), "it comes back to who asked"
    other = desk.open(summary="Another", evidence="ab" * 32)
    desk.ask(other, Request.WANT_DETAILS, "L2")
    assert other in mine(desk, PEOPLE["L1"]), "who only asks does not have it"
    desk.ask(other, Request.REACH_PT, **NAMED | {"technician": PEOPLE["PT"], "evidence": "ab" * 32})
    [reached] = waits_for(desk.services.ledger, desk.services.policy, PEOPLE["PT"])[1]
    assert (reached.row.ref, reached.holder) == (other, PEOPLE["PT"]), "E6: it reaches that same technician"


def test_a_job_failure_case_waits_for_who_has_it(desk: Desk) -> None:
    ref = desk.world.open()
    assert mine(desk, "operator") == []
    do(desk, Handle.CLAIM, ref, "operator")
    assert mine(desk, "operator") == [ref]


def test_the_worklist_finds_what_waits_for_a_tier(desk: Desk) -> None:
    ref, other = desk.with_l2(), desk.open(summary="Another")
    services = desk.services
    tiers = tiers_of(services.policy, PEOPLE["L2"])
    assert tiers == (Tier.L2,)

    def shown(**how: str) -> list[str]:
        query = WorkQuery(Group.ALL, filters=Filters(**how))
        page = worklist(services.ledger, services.policy.keeper, lambda: [], query, PEOPLE["L2"], tiers)
        return sorted(line.row.ref for line in page.lines)

    assert (shown(tier="L2"), shown(tier="L1"), shown(tier="PT"), shown(tier="nonsense")) == ([ref], [other], [], [])
