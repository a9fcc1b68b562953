"""E1 to E6 at the entry, with a store: each gate refuses with what is missing, and lets through what brings it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from caseproof.domain.errors import BadInput, NotAllowed, NotOnTheTeam
from caseproof.domain.support.choices import L1Does
from caseproof.domain.support.efforts import documents, waits_for
from caseproof.domain.support.forms import About, Development, DevelopmentDoes, FrontLine, form_for
from caseproof.domain.support.kinds import Kind
from caseproof.domain.support.lifecycle import State
from caseproof.domain.support.steps import Request
from caseproof.domain.support.vocabulary import Failing, NewWork, Tier, Wanted, Way
from caseproof.evidence.event_fields import unknown_names
from caseproof.procedure.core.parts import event_of
from caseproof.procedure.escalation.opening import link_job
from caseproof.procedure.escalation.requesting import answer_form, want_details
from caseproof.procedure.views.support_parts import above_form_on_page
from tests.support.support_cases import ASKED_AGAIN, BRINGS, NAMED, PEOPLE
from tests.support.support_desk import LADDER, PAGE, Desk, by_case
from tests.support.world import World


@pytest.fixture
def desk(make_world: Callable[..., World]) -> Desk:
    return Desk(make_world(ladder=LADDER))


def test_e1_l1_hands_over_with_what_it_tried_and_not_before(desk: Desk) -> None:
    ref = desk.open()
    with pytest.raises(NotAllowed, match="E1: What L1 tried") as error:
        desk.ask(ref, Request.HAND_TO_L2)
    assert error.value.next_action == "Record the step that you took and what you saw."
    desk.ask(ref, Request.TRY)
    assert desk.ask(ref, Request.HAND_TO_L2).state is State.WITH_L2


def test_e2_a_step_of_l2_comes_from_a_document_of_the_policy(desk: Desk) -> None:
    ref = desk.with_l2()
    with pytest.raises(NotAllowed, match="E2: Which document"):
        desk.ask(ref, Request.TRY, "L2", document="https://elsewhere.example.com/")
    with pytest.raises(NotAllowed, match="E2: What L2 tried out of the product's documentation"):
        desk.ask(ref, Request.ASK_PT, "L2")
    desk.ask(ref, Request.TRY, "L2", document=PAGE)
    case = desk.ask(ref, Request.ASK_PT, "L2")
    assert (case.state, form_for(case)) == (State.PT_ASKED, form_for(case))


def test_e3_l2_says_what_came_of_each_line_before_it_asks_again(desk: Desk) -> None:
    ref = desk.answered_by_pt()
    with pytest.raises(NotAllowed, match="E3: What came of each"):
        desk.ask(ref, Request.ASK_PT, "L2", wanted="is there anything else to try?")
    desk.tell_outcomes(ref)
    again = desk.ask(ref, Request.ASK_PT, "L2", wanted="is there anything else to try?")
    assert again.state is State.PT_ASKED


def test_e4_pt_takes_a_case_only_when_l2_is_exhausted(desk: Desk) -> None:
    ref = desk.answered_by_pt()
    with pytest.raises(NotAllowed, match="E4: That L2's best efforts are exhausted"):
        desk.ask(ref, Request.TAKE, "PT")
    desk.tell_outcomes(ref)
    desk.ask(ref, Request.EXHAUST, "L2")
    assert desk.ask(ref, Request.TAKE, "PT").state is State.WITH_PT


def test_e5_pt_alone_goes_to_development_with_the_change_stated(desk: Desk) -> None:
    with pytest.raises(NotAllowed, match=r"E2|E4"):
        desk.ask(desk.with_l2(summary="Another"), Request.RAISE_DEVELOPMENT, "PT")
    ref = desk.with_pt()
    with pytest.raises(NotAllowed, match="E5: Which change in code is needed"):
        desk.ask(ref, Request.RAISE_DEVELOPMENT, "PT", change="fix it")
    assert desk.ask(ref, Request.RAISE_DEVELOPMENT, "PT").state is State.WITH_DEVELOPMENT


def test_e5_what_development_did_is_said_by_it_or_by_pt_and_by_nobody_else(desk: Desk) -> None:
    for who, tier in (("L2", ""), ("PT", "PT"), ("DEV", "DEV")):
        ref = desk.with_pt(summary=f"The cart is empty ({who})")
        desk.ask(ref, Request.RAISE_DEVELOPMENT, "PT")
        services, said = (
            desk.services,
            Development(PEOPLE[who], DevelopmentDoes.RETURN, "Released 10.5.3, in the shop."),
        )
        if not tier:
            with pytest.raises(NotOnTheTeam, match="is not in the development team"):
                answer_form(services.ledger, services.files, services.policy, ref, said)
            continue
        case = answer_form(services.ledger, services.files, services.policy, ref, said)
        assert (case.state, case.events[-1].data["tier"]) == (State.WITH_PT, tier)


@pytest.mark.parametrize("tier", ["L2", "PT", "DEV"])
def test_nobody_acts_for_a_tier_that_they_are_not_in(desk: Desk, tier: str) -> None:
    ref = desk.open()
    for stranger in (PEOPLE["L1"], "operator", "somebody", ""):
        with pytest.raises(NotOnTheTeam):
            desk.ask(ref, Request.TRY, tier, stranger or " ")
    with pytest.raises(NotAllowed, match="It is for L1"):
        desk.ask(ref, Request.TRY, tier)
    assert desk.ask(ref, Request.TRY, "L1", "Front  LINE").events[-1].actor == PEOPLE["L1"]


# -- E6, the first exception: a case or a mail names the technician ------------------------------------------------


def test_e6_a_case_that_names_the_technician_is_read_from_the_store(desk: Desk) -> None:
    earlier = desk.with_l2(summary="The cart was empty last week", said="Please look at our cart.")
    desk.ask(earlier, Request.TRY, "L2")
    ref = desk.open()
    case = desk.ask(ref, Request.REACH_L2, **by_case(earlier.lower()), technician=PEOPLE["L2"])
    said = case.events[-1].data
    assert (case.state, said["there_names"], said["ref"]) == (State.WITH_L2, [PEOPLE["L2"], PEOPLE["PT"]][:1], earlier)
    assert earlier.encode() in desk.services.vault.read(said["evidence"]), "what was read is evidence"


@pytest.mark.parametrize(
    ("other", "missing"),
    [
        ({"said": "Please look at our cart again."}, "names this technician"),
        ({"client": "Another Client"}, "same issue of the same client"),
        ({"product": "a till"}, "same issue of the same client"),
    ],
)
def test_e6_what_a_form_says_of_the_other_case_is_not_believed(desk: Desk, other: dict, missing: str) -> None:
    earlier = desk.open(**{"summary": "an earlier matter"} | other)
    ref = desk.open()
    forged = {
        "there_client": "Example Foods", "there_product": "WooCommerce", "there_names": [PEOPLE["L2"]], "evidence": "",
    }  # fmt: skip
    with pytest.raises(NotAllowed, match=missing):
        desk.ask(ref, Request.REACH_L2, **by_case(earlier, **forged), technician=PEOPLE["L2"])


def test_e6_no_case_its_own_case_and_a_stranger_name_nobody(desk: Desk) -> None:
    ref = desk.open()
    for named in ("SC-000999", "nonsense"):
        with pytest.raises(NotAllowed, match="E6: "):
            desk.ask(ref, Request.REACH_L2, **by_case(named), technician=PEOPLE["L2"])
    for named in ("", ref):
        with pytest.raises(NotAllowed, match="names this technician"):
            desk.ask(ref, Request.REACH_L2, **by_case(named), technician=PEOPLE["L2"])
    with pytest.raises(NotOnTheTeam, match="is not in L2"):
        desk.ask(ref, Request.REACH_L2, **by_case("SC-000999"), technician=PEOPLE["PT"])


def test_e6_a_jobs_case_names_a_technician_only_where_it_is_about_this_matter(desk: Desk) -> None:
    job = desk.world.open()
    ref = desk.open(client=str(desk.world.case(job).facts["retailer"]))
    desk.services.store.change(
        job, lambda case: [event_of(case.procedure.kinds("noted"), desk.world.clock(), PEOPLE["L2"], {"note": "seen"})]
    )
    with pytest.raises(NotAllowed, match="same issue"):
        desk.ask(ref, Request.REACH_L2, **by_case(job), technician=PEOPLE["L2"])
    link_job(desk.services.ledger, ref, job, "operator")
    assert desk.ask(ref, Request.REACH_L2, **by_case(job), technician=PEOPLE["L2"]).state is State.WITH_L2


def test_e6_a_mail_in_the_case_names_the_technician_unless_anybody_may_have_sent_it(desk: Desk) -> None:
    ref = desk.open(evidence="ab" * 32)
    named = NAMED | {"technician": PEOPLE["L2"]}
    with pytest.raises(NotAllowed, match="names this technician"):
        desk.ask(ref, Request.REACH_L2, **named | {"evidence": "cd" * 32})
    assert desk.ask(ref, Request.REACH_L2, **named | {"evidence": "abababab"}).state is State.WITH_L2
    by_words = desk.open(evidence="ab" * 32, summary="By its words")
    assert desk.ask(by_words, Request.REACH_L2, **named | {"evidence": "their mail"}).state is State.WITH_L2
    forged = desk.open(evidence="ab" * 32, summary="Another", unproven="not_authentic")
    with pytest.raises(NotAllowed, match="names this technician"):
        desk.ask(forged, Request.REACH_L2, **named | {"evidence": "abababab"})


def test_e6_what_somebody_types_of_the_client_is_no_mail_that_names_anybody(desk: Desk) -> None:
    ref = desk.open(said="The cart is empty since this morning.")
    assert desk.open(said=f"They want {PEOPLE['PT']} to call them.") == ref, "one matter has one open case"
    typed = desk.world.case(ref).events[-1]
    assert (typed.kind, typed.data["typed"]) == (Kind.CLIENT_WROTE, True)
    for meant in (typed.data["evidence"], "their mail"):
        with pytest.raises(NotAllowed, match="names this technician"):
            desk.ask(ref, Request.REACH_PT, **NAMED | {"evidence": meant}, technician=PEOPLE["PT"])


def test_e6_two_cases_of_a_product_that_nobody_knows_are_not_of_one_issue(desk: Desk) -> None:
    earlier, ref = desk.open(product="", summary="an earlier matter"), desk.open(product="")
    with pytest.raises(NotAllowed, match="same issue of the same client"):
        desk.ask(ref, Request.REACH_L2, **by_case(earlier), technician=PEOPLE["L2"])


# -- E6, the second and the third -----------------------------------------------------------------------------------


def test_e6_the_answer_goes_to_the_technician_who_asked_and_to_nobody_else(desk: Desk) -> None:
    ref = desk.open()
    with pytest.raises(NotAllowed, match=r"E6: .*own request"):
        desk.ask(ref, Request.REACH_L2, **ASKED_AGAIN, technician=PEOPLE["L2"])
    case = desk.ask(ref, Request.WANT_DETAILS, "L2")
    assert waits_for(case, PEOPLE["L2"]) is Tier.L2
    with pytest.raises(NotAllowed, match=r"E6: .*steps that were taken"):
        desk.ask(ref, Request.REACH_L2, **ASKED_AGAIN | {"steps": ""}, technician=PEOPLE["L2"])
    assert desk.ask(ref, Request.REACH_L2, **ASKED_AGAIN, technician=PEOPLE["L2"]).state is State.WITH_L2
    other = desk.with_l2(summary="Another")
    desk.ask(other, Request.WANT_DETAILS, "PT")
    with pytest.raises(NotAllowed, match="answer goes back to that same one"):
        desk.ask(other, Request.GIVE_DETAILS, technician=PEOPLE["L2"])
    assert desk.ask(other, Request.GIVE_DETAILS, technician=PEOPLE["PT"]).state is State.WITH_L2


def test_e6_a_technician_asks_whoever_has_the_case_and_nobody_else_does(desk: Desk) -> None:
    ref, services = desk.open(), desk.services
    parts = services.ledger, services.files, services.policy, ref
    with pytest.raises(NotOnTheTeam, match="E6: front line is in neither L2 nor PT"):
        want_details(*parts, str(Wanted.CALL), "which browsers are concerned?", PEOPLE["L1"])
    with pytest.raises(NotAllowed, match="E6: Details, or a call to the client"):
        want_details(*parts, "", "which browsers are concerned?", PEOPLE["PT"])
    case = want_details(*parts, str(Wanted.CALL), "which browsers are concerned?", "PRODUCT technician")
    assert (case.state, waits_for(case, PEOPLE["PT"])) == (State.WITH_L1, Tier.PT)
    asked = "* product technician (PT), that the client is called: which browsers are concerned?"
    assert asked in "\n".join(above_form_on_page(case)), "whoever has the case sees who waits, and for what"
    assert desk.ask(ref, Request.REACH_PT, **ASKED_AGAIN, technician=PEOPLE["PT"]).state is State.WITH_PT


def test_e6_nobody_reaches_a_tier_by_an_answer_to_themselves(make_world: Callable[..., World]) -> None:
    both = [one | {"tiers": ["L1", "PT"]} if one["name"] == PEOPLE["PT"] else one for one in LADDER["people"]]
    desk = Desk(make_world(ladder=LADDER | {"people": both}))
    ref = desk.open()
    desk.ask(ref, Request.WANT_DETAILS, "PT")
    answer = ASKED_AGAIN | {"technician": "  Product   TECHNICIAN"}
    with pytest.raises(NotAllowed, match="answered by another"):
        desk.ask(ref, Request.REACH_PT, "L1", PEOPLE["PT"], **answer)
    assert desk.ask(ref, Request.REACH_PT, "L1", PEOPLE["L1"], **answer).state is State.WITH_PT


def test_e6_new_work_goes_to_the_implementation_team_and_a_fault_does_not(desk: Desk) -> None:
    fault = desk.open(summary="Fails", failing=str(Failing.YES))
    with pytest.raises(NotAllowed, match="a fault is no implementation request"):
        desk.ask(fault, Request.SEND_TO_IMPLEMENTATION)
    ref = desk.open()
    with pytest.raises(NotAllowed, match="The client's own words"):
        desk.ask(ref, Request.SEND_TO_IMPLEMENTATION, words="please build us a castle")
    assert desk.ask(ref, Request.SEND_TO_IMPLEMENTATION).state is State.WITH_IMPLEMENTATION
    to_pt = {"way": str(Way.IMPLEMENTATION), "request": str(NewWork.NEW_SITE), "words": "we also need a new site"}
    assert desk.ask(desk.open(summary="New"), Request.REACH_PT, **to_pt).state is State.WITH_PT


def test_a_case_goes_to_no_tier_in_which_nobody_is(make_world: Callable[..., World]) -> None:
    people = [one for one in LADDER["people"] if one["tiers"][0] in ("L1", "L2")]
    desk = Desk(make_world(ladder=LADDER | {"people": people, "leads": {}}))
    ref = desk.with_l2()
    desk.ask(ref, Request.TRY, "L2")
    for request, nobody in (
        (Request.ASK_PT, "E2, E3: nobody is in PT"), (Request.SEND_TO_IMPLEMENTATION, "E6: nobody is in the impl"),
    ):  # fmt: skip
        with pytest.raises(NotOnTheTeam, match=nobody) as error:
            desk.ask(ref, request, "L2")
        assert "under `ladder` in policy.yaml" in error.value.next_action
    assert desk.world.case(ref).state is State.WITH_L2


# -- the entry itself -------------------------------------------------------------------------------------------------


def test_a_refusal_by_the_state_names_what_was_asked_in_words_and_what_comes_first(desk: Desk) -> None:
    ref = desk.open()
    with pytest.raises(
        NotAllowed, match=r"'PT takes the case' cannot happen now: .* Missing: E1: L1 hands over"
    ) as error:
        desk.ask(ref, Request.TAKE, "PT")
    assert error.value.next_action == "Let L1 hand the case over to L2, with what it tried."


def test_a_request_that_is_sent_twice_is_made_once(desk: Desk) -> None:
    ref = desk.open()
    once = desk.ask(ref, Request.TRY)
    assert desk.ask(ref, Request.TRY).version == once.version
    handed = desk.ask(ref, Request.HAND_TO_L2)
    assert desk.ask(ref, Request.HAND_TO_L2).version == handed.version


def test_a_proof_may_say_whatever_the_entry_writes(desk: Desk) -> None:
    ref = desk.with_pt()
    desk.ask(ref, Request.RAISE_DEVELOPMENT)
    desk.ask(ref, Request.RETURN_TO_PT)
    desk.ask(ref, Request.WANT_DETAILS, "PT")
    desk.ask(ref, Request.GIVE_DETAILS, technician=PEOPLE["PT"])
    desk.ask(ref, Request.RETURN_TO_L2)
    desk.ask(ref, Request.RETURN_TO_L1, "L2")
    desk.ask(ref, Request.STATE_SOLUTION)
    desk.ask(ref, Request.TAKE_SOLUTION_BACK, "", PEOPLE["DEV"])
    desk.open(said="It still does not work at all.")
    desk.ask(ref, Request.REACH_L2, **by_case(desk.with_l2(summary="Another")), technician=PEOPLE["L2"])
    desk.ask(ref, Request.SEND_TO_IMPLEMENTATION, "L2")
    told = {str(event.kind) for event in desk.world.case(ref).events}
    assert set(Request) - told == {Request.REACH_PT, Request.REOPEN}, "the first is as the other, the last closes anew"
    assert unknown_names(desk.world.case(ref).events) == []


def test_a_secret_that_is_pasted_is_hidden_and_a_documents_address_stays(desk: Desk) -> None:
    ref = desk.with_l2()
    case = desk.ask(ref, Request.TRY, "L2", step="logged in with password=Sesam-open-77 on the site")
    assert "Sesam" not in str(case.events)
    assert case.events[-1].data["document"] == PAGE


def test_a_closed_opening_begins_anew_with_its_documents(desk: Desk) -> None:
    ref = desk.open()
    with pytest.raises(NotAllowed):
        desk.ask(ref, Request.REOPEN)
    with pytest.raises(BadInput, match="no support case"):
        desk.ask(desk.world.open(), Request.REOPEN)


def test_what_it_is_about_is_asked_first_where_nobody_said_it_and_links_the_documents(desk: Desk) -> None:
    ref, services = desk.open(product=""), desk.services
    assert form_for(desk.world.case(ref)) is About
    form = About(answered_by=PEOPLE["L1"], failing=Failing.NO, client="Example Foods", product="WooCommerce")
    with pytest.raises(NotOnTheTeam):
        answer_form(services.ledger, services.files, services.policy, ref, About(**vars(form) | {"answered_by": "x"}))
    case = answer_form(services.ledger, services.files, services.policy, ref, form)
    assert (case.facts["product"], case.facts["site"]) == ("WooCommerce", "shop.example.com")
    assert (form_for(case), [one["address"] for one in documents(case)]) == (FrontLine, [PAGE])
    again = answer_form(services.ledger, services.files, services.policy, ref, form)
    assert again.version == case.version
    with services.store.reading() as uow:
        assert uow.cases.damaged() == []


def test_an_answered_form_makes_its_request(desk: Desk) -> None:
    ref, services = desk.open(), desk.services
    step = {"step": BRINGS[Request.TRY]["step"], "seen": BRINGS[Request.TRY]["seen"]}
    form = FrontLine(answered_by=PEOPLE["L1"], what=L1Does.TRIED_NOTHING, **step)
    case = answer_form(services.ledger, services.files, services.policy, ref, form, 1)
    assert (case.events[-1].kind, case.events[-1].actor, case.handled) == (Kind.TRIED, PEOPLE["L1"], {1})
    assert answer_form(services.ledger, services.files, services.policy, ref, form, 1).version == case.version
