"""A support case lives in the store beside job failures: listed by its client and product, refused in its own words."""

from __future__ import annotations

import pytest

from caseproof.domain.errors import NotAllowed
from caseproof.domain.support.kinds import Kind
from caseproof.domain.support.lifecycle import State
from caseproof.domain.support.steps import Request
from caseproof.store import AlreadyOpen
from tests.support.support_cases import OPENED, PAGE, SupportCase


def test_it_is_opened_listed_and_refused_in_the_store_and_a_matter_has_one_open_case(store) -> None:
    told = SupportCase().opened()
    opened, linked = told.case.events
    with store.uow() as uow:
        case = uow.cases.create(opened)
        uow.commit()
    assert case.ref == "SC-000001"
    with store.reading() as uow:
        (row,) = uow.cases.rows()
        assert uow.cases.damaged() == []
    assert (row.platform, row.job, row.job_name) == (OPENED["product"], OPENED["key"], OPENED["summary"])
    assert (row.retailer, row.marketplace, row.cause, row.state) == (
        OPENED["client"],
        OPENED["site"],
        "",
        State.WITH_L1,
    )
    with pytest.raises(AlreadyOpen, match="SC-000001"), store.uow() as uow:
        uow.cases.create(opened)
    store.change(case.ref, lambda _: [linked])
    with pytest.raises(NotAllowed, match="E1: What L1 tried"):
        store.change(case.ref, lambda _: [told.event(Request.HAND_TO_L2)])
    with pytest.raises(NotAllowed, match=r"with L1.*E1: L1 hands over to L2\..*E4: That L2's best efforts") as error:
        store.change(case.ref, lambda _: [told.event(Request.TAKE)])
    assert error.value.next_action == "Let L1 hand the case over to L2, with what it tried."
    tried = told.event(Request.TRY, document=PAGE)
    after = store.change(case.ref, lambda _: [tried, told.event(Request.HAND_TO_L2)])
    assert (after.state, after.events[-1].kind) == (State.WITH_L2, Kind.HANDED_TO_L2)
    with store.reading() as uow:
        assert uow.cases.rows()[0].state is State.WITH_L2
