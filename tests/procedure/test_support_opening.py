"""E1, E2: a support case is opened once a matter, with the client's words, the contract and the product's documents."""

from __future__ import annotations

from dataclasses import replace

import pytest

from caseproof.domain.case import Case
from caseproof.domain.emergency.raising import ShortCase
from caseproof.domain.errors import BadInput
from caseproof.domain.job_failure.kinds import Kind as JobKind
from caseproof.domain.support.conditions import linked_jobs
from caseproof.domain.support.efforts import documents
from caseproof.domain.support.kinds import Kind
from caseproof.domain.support.lifecycle import State
from caseproof.domain.support.vocabulary import Failing, Urgency
from caseproof.procedure.escalation.opening import (
    SupportWanted,
    link_job,
    open_support_case,
    short_case_opener,
    support_cases_of,
    support_for_job,
)
from caseproof.store import UnknownCase
from tests.support.world import World

WANTED = SupportWanted(
    client="Example Foods", site="shop.example.com", product="WooCommerce", summary="The cart is empty",
    said="Customers see an empty cart since this morning.", how="telephone", urgency=str(Urgency.STOPS),
)  # fmt: skip


def opened(world: World, wanted: SupportWanted = WANTED) -> tuple[Case, bool]:
    services = world.services
    return open_support_case(services.ledger, services.files, services.policy, wanted, "operator")


def test_it_begins_with_l1_with_its_documents_and_its_contract(make_world) -> None:
    contracts = {"gold": {"kind": "24x7"}}
    world = make_world(contracts=contracts, clients={"example foods": "gold"})
    case, new = opened(world)
    assert (new, case.ref[:3], case.state) == (True, "SC-", State.WITH_L1)
    assert case.facts["contract"] == "gold"
    assert [page["address"] for page in documents(case)] == [
        page.address for page in world.services.policy.ladder.documents["WooCommerce"]
    ]


def test_one_matter_has_one_open_case_and_nothing_that_the_client_said_is_lost(world: World) -> None:
    first, _ = opened(world)
    same, new = opened(world, replace(WANTED, client="example  foods"))
    assert (same.ref, new, same.version) == (first.ref, False, first.version)
    again, new = opened(world, replace(WANTED, said="Now the checkout fails, too: nobody can pay."))
    assert (again.ref, new) == (first.ref, False)
    wrote = again.events[-1]
    assert (wrote.kind, wrote.data["words"]) == (Kind.CLIENT_WROTE, "Now the checkout fails, too: nobody can pay.")
    assert b"nobody can pay" in world.services.vault.read(wrote.data["evidence"])
    other, new = opened(world, replace(WANTED, client="Other Foods"))
    assert (new, other.ref == first.ref) == (True, False)


def test_what_comes_twice_by_one_request_opens_one_case_for_good(world: World) -> None:
    first, _ = opened(world, replace(WANTED, request="run 7"))
    assert opened(world, replace(WANTED, request="run 7"))[0].ref == first.ref
    assert opened(world, replace(WANTED, request="run 8"))[1]


def test_what_is_missing_is_named_all_at_once_and_nothing_is_written(world: World) -> None:
    empty = SupportWanted(client=" ", summary="", said="down", how="telephone", urgency="very")
    with pytest.raises(BadInput, match=r"lacks the client, the client's words, the urgency"):
        opened(world, empty)
    with pytest.raises(BadInput, match=r"client .* cannot be kept"):
        opened(world, replace(WANTED, client="a" * 201))
    with pytest.raises(UnknownCase):
        opened(world, replace(WANTED, continues="SC-000999"))
    with world.services.store.reading() as uow:
        assert uow.cases.rows() == []


def test_a_secret_in_what_the_client_said_is_hidden(world: World) -> None:
    case, _ = opened(world, replace(WANTED, said="We log in with password=Sesam-open-77 and it fails.\0"))
    assert "Sesam" not in str(case.events)
    assert "it fails" in case.facts["said"]


def test_the_thirty_second_case_of_an_emergency_is_written_whatever_little_is_said(world: World) -> None:
    services = world.services
    write = short_case_opener(services.ledger, services.files, services.policy, site="shop.example.com")
    case = world.case(write(ShortCase(client="Example Foods", said="Down!"), "operator"))
    assert (case.facts["urgency"], case.facts["said"][:5]) == (str(Urgency.STOPS), "Down!")
    assert write(ShortCase(client="X" * 900, said="The shop is down. " * 5000), "operator") != case.ref


def test_a_job_failure_case_opens_its_support_case_and_goes_on_waiting(world: World) -> None:
    services, job = world.services, world.open()
    before = world.case(job)
    wanted = replace(WANTED, client="", summary="")
    case, new = support_for_job(services.ledger, services.files, services.policy, job, wanted, "operator")
    after = world.case(job)
    assert (new, linked_jobs(case), support_cases_of(after)) == (True, [job], [case.ref])
    assert (case.facts["client"], case.facts["failing"]) == (before.facts["retailer"], Failing.YES)
    assert (after.state, after.events[-1].kind) == (before.state, JobKind.SUPPORT_OPENED)
    again, new = support_for_job(services.ledger, services.files, services.policy, job, wanted, "operator")
    assert (again.ref, new) == (case.ref, False)
    assert link_job(services.ledger, case.ref, job, "operator").version == again.version
    with pytest.raises(BadInput, match="is no job-failure case"):
        support_for_job(services.ledger, services.files, services.policy, case.ref, wanted, "operator")
    with pytest.raises(BadInput, match="is no support case"):
        link_job(services.ledger, job, job, "operator")
