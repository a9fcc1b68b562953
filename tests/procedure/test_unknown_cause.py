"""Unknown means ask, not guess: an operator says the cause before the retailer is told, once a message."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from caseproof.domain.codes import Rest
from caseproof.domain.errors import BadInput, NotAllowed
from caseproof.domain.forms import Apart, CauseChoice
from caseproof.domain.job_failure.cause import choice_of, owes_cause
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.job_failure.lifecycle import State
from caseproof.procedure.containment.checking import carry_out, plan_check
from caseproof.procedure.core import causes
from caseproof.procedure.views.board import board
from caseproof.procedure.views.case_page import case_page, cause_in_words, next_action, sentence
from caseproof.procedure.views.questions import what_to_record
from tests.support.fakes import Killed
from tests.support.keeper import Keeper, mails, row, waits
from tests.support.unknown_cause import FEED, MESSAGE, NEUTRAL, asks, corrected, fails, storm, unknown
from tests.support.world import DECIDER, JOB, REVIEWER, World

MakeWorld = Callable[..., World]


# -- asked before anybody is told -----------------------------------------------------------------------------------


def test_with_the_cause_unknown_no_notice_leaves_before_a_person_says_it(world: World) -> None:
    ref = unknown(world)
    assert asks(world, ref) == "cause"
    assert not world.platform.is_active(JOB), "stopped all the same (J2)"
    assert (world.case(ref).state, world.mail.taken) == (State.CONTAINED, [])
    world.step("tell", ref)
    assert world.mail.taken == [], "nor by the step alone"
    case = world.walk(ref, forms=FEED, until="tell")
    assert (case.state, case.facts["cause"]) == (State.WAITING, "feed")
    assert len(mails(world)) == 1
    assert "feed" in str(mails(world)[0].get_body(("plain",)).get_content()).lower()


def test_what_was_chosen_says_by_whom_and_when_wherever_the_case_is_shown(world: World) -> None:
    ref = unknown(world)
    case = world.walk(ref, forms=FEED, until="tell")
    page = case_page(case, case_url="https://x.example.com", evidence_url="https://e.example.com")
    assert "chosen by operator on 2026-11-20" in page
    [chosen] = case.every(Kind.CAUSE_CHOSEN)
    assert sentence(chosen.event) == "The cause is feed, chosen by operator on 2026-11-20 (asked)"
    assert chosen.actor == DECIDER


def test_the_question_shows_the_message_what_it_is_like_and_what_the_retailer_would_read(world: World) -> None:
    first = unknown(world)
    world.walk(first, forms=FEED, until="tell")
    ref = unknown(world, 2, message="The basket {} on {} could not be counted")
    with world._at_work(world.walker, world.services):
        from tasks.people import _what_is_the_cause

        text = _what_is_the_cause(ref)
        long = _what_is_the_cause(unknown(world, 3, message="The basket {} on {} could not be counted " + "x " * 300))
    assert "> The basket 4714 on 3 could not be counted x x" in long, "what fails stands above it, but shortened"
    assert "chosen by operator on 2026-11-20" in text, "the nearest likeness is the message that was chosen for"
    for choice in CauseChoice:
        name = "none of these" if choice is CauseChoice.NONE else str(choice).replace("_", " ")
        assert f"- **{name}**: " in text
    assert text.count("*Asked of them:* nothing") == 3


@pytest.mark.parametrize("who", ["a stranger", ""])
def test_a_choice_of_somebody_who_is_not_on_the_team_is_asked_for_again(world: World, who: str) -> None:
    ref = unknown(world)
    asks(world, ref)
    with pytest.raises((NotAllowed, BadInput)):
        causes.choose_cause(world.services.ledger, world.services.policy.team, ref, CauseChoice.FEED, by=who)
    assert owes_cause(world.case(ref))


def test_the_policy_may_switch_it_off_then_the_retailer_is_told_at_once_and_asked(make_world: MakeWorld) -> None:
    world = make_world(keeper={"ask_cause": False})
    ref = unknown(world)
    case = world.walk(ref, until="tell")
    assert (case.state, case.notice["asks"]) == (State.WAITING, True)
    assert world.count(ref, Kind.CAUSE_AWAITED) == 0


def test_a_case_that_was_opened_by_hand_without_a_message_asks_for_itself_alone(world: World) -> None:
    one, other = world.open(cause="unknown"), unknown(world, 1, message="")
    assert [asks(world, ref) for ref in (one, other)] == ["cause", "cause"]
    world.walk(one, forms=FEED, until="tell")
    assert owes_cause(world.case(other))
    assert causes.remembered_causes(world.services.ledger) == {}


def test_where_the_policy_switches_it_off_while_cases_wait_they_are_told_at_once(make_world: MakeWorld) -> None:
    world = make_world()
    keeper = Keeper(world)
    refs = storm(world, 2)
    keeper()
    off = world.policy.keeper.model_copy(update={"ask_cause": False})
    world.services = replace(world.services, policy=world.policy.model_copy(update={"keeper": off}))
    keeper(minutes=3)  # plans all cases anew ...
    keeper(minutes=3)  # ... and finds these due
    assert sorted(keeper.woken) == refs
    for ref in refs:
        assert world.walk(ref, people=False).notice["asks"]


def test_a_case_that_waits_says_so_where_it_is_read(world: World) -> None:
    first, second = storm(world, 2)
    assert next_action(world.case(first)).startswith("Say the cause, in the case's form")
    assert next_action(world.case(second)).startswith("The cause is asked with another case")
    assert cause_in_words(world.case(first)) == "unknown: a person is asked for it"


# -- once a message -------------------------------------------------------------------------------------------------


def test_a_storm_of_one_message_asks_once_and_the_answer_wakes_all_that_wait(world: World) -> None:
    keeper = Keeper(world)
    refs = storm(world, 12)
    assert [row(world, ref).asked_form for ref in refs] == ["cause", *["shared-cause"] * 11]
    keeper()
    assert keeper.woken == []
    world.walk(refs[0], forms=FEED, until="tell")
    assert {world.case(ref).facts["cause"] for ref in refs} == {"feed"}
    assert {choice_of(world.case(ref))["by"] for ref in refs} == {DECIDER}
    keeper(minutes=3)
    assert sorted(keeper.woken) == refs[1:]
    for ref in refs[1:]:
        world.walk(ref, until="tell")
    assert len(world.mail.taken) == 12
    [known] = causes.remembered_causes(world.services.ledger).values()
    assert (known.used, known.ref, known.cause) == (12, refs[0], "feed")


def test_other_words_ask_by_themselves(world: World) -> None:
    refs = [unknown(world, 1), unknown(world, 2, message="Quota {} of {} is gone")]
    assert [asks(world, ref) for ref in refs] == ["cause", "cause"]


def test_while_many_wait_the_team_hears_of_one(make_world: MakeWorld) -> None:
    world = make_world(mail={"team": "team@example.com"})
    keeper = Keeper(world)
    refs = storm(world, 5)
    assert keeper(hours=9).team_told == 1
    entries = board(world.services.ledger, world.services.policy.keeper).lines
    assert [entry.ref for entry in entries if entry.who == "the team"] == refs[:1]


def test_a_case_whose_failure_only_looks_like_it_asks_by_itself(world: World) -> None:
    first, second = storm(world, 2)
    apart = {"shared-cause": {"answered_by": DECIDER, "apart": Apart.BY_ITSELF}}
    world.walk(second, forms=apart | {"cause": {"answered_by": DECIDER, "cause": CauseChoice.SYNC}}, until="tell")
    assert world.case(second).facts["cause"] == "sync"
    assert owes_cause(world.case(first))
    assert causes.remembered_causes(world.services.ledger) == {}, "it says nothing of the message"


def test_where_the_case_that_asked_is_gone_another_of_its_message_asks(world: World) -> None:
    keeper = Keeper(world)
    first, second, third = storm(world, 3)
    corrected(world, third, "sync")  # by hand, and so is the memory
    assert {world.case(ref).facts["cause"] for ref in (first, second)} == {"sync"}
    world.clock.move(days=1)
    refs = [unknown(world, number, message="Pallet {} of {} is lost") for number in (7, 8, 9)]
    for ref in refs:
        asks(world, ref)
    with world.services.store.uow() as uow:
        asker = uow.cases.get(refs[0])
        uow.cases.append(asker, world.services.ledger.event(Kind.CAUSE_AWAITED, DECIDER, shape="", words=""))
        uow.commit()
    keeper()
    assert refs[1] in keeper.woken
    assert asks(world, refs[1]) == "cause"
    keeper.woken.clear()
    keeper(minutes=5)
    assert refs[2] not in keeper.woken


def test_where_the_run_of_the_case_that_asked_was_cancelled_another_asks(world: World) -> None:
    keeper = Keeper(world)
    first, second, third = storm(world, 3)
    with world.services.store.uow() as uow:
        uow.cases.set_rest(first, 0, world.clock() + timedelta(days=1), "parked: its run was cancelled", Rest.PARKED)
        uow.commit()
    keeper(minutes=5)
    assert [ref for ref in keeper.woken if ref in (first, second, third)] == [second]
    assert asks(world, second) == "cause"
    keeper.woken.clear()
    keeper(minutes=5)
    assert third not in keeper.woken
    world.walk(second, forms=FEED, until="tell")
    assert {world.case(ref).facts["cause"] for ref in (first, second, third)} == {"feed"}


def test_a_case_that_needs_help_is_not_woken_again_and_again_for_the_question(world: World) -> None:
    keeper = Keeper(world)
    first, second = storm(world, 2)
    waits(world, first, "try-again")
    keeper(minutes=5)
    assert second in keeper.woken
    assert asks(world, second) == "cause", "and does not wait for the one that cannot ask"
    for _ in range(3):
        keeper.woken.clear()
        keeper(minutes=5)
        assert not {first, second} & set(keeper.woken)


def test_the_form_says_what_the_choice_is_remembered_for(world: World) -> None:
    asks(world, unknown(world, 1))
    with world._at_work(world.walker, world.services):
        from tasks.people import _what_is_the_cause

        known = _what_is_the_cause(unknown(world, 3))
        alone = _what_is_the_cause(unknown(world, 2, message="Error 4711"))
    assert "remembered for: the basket … of … could not be booked" in known
    assert "holds for this case alone: nothing is remembered" in alone
    assert "remembered for" not in alone


def test_two_who_choose_at_once_settle_it_once_and_the_second_is_told(world: World) -> None:
    ref = unknown(world)
    asks(world, ref)
    services = world.services

    def choose(choice: CauseChoice) -> str:
        try:
            causes.choose_cause(services.ledger, services.policy.team, ref, choice, by=DECIDER)
        except causes.CauseKnown as known:
            return known.next_action
        return "taken"

    with ThreadPoolExecutor() as pool:
        said = sorted(pool.map(choose, [CauseChoice.FEED, CauseChoice.SYNC]))
    assert said == [f"If it is another: `caseproof case correct {ref} --cause CAUSE --by NAME`.", "taken"]
    assert world.count(ref, Kind.CAUSE_CHOSEN) == 1
    [known] = causes.remembered_causes(services.ledger).values()
    assert known.cause == world.case(ref).facts["cause"]


def test_an_answer_that_is_read_twice_counts_once(world: World) -> None:
    ref = unknown(world)
    asks(world, ref)
    team = world.services.policy.team
    for _ in range(2):
        causes.choose_cause(world.services.ledger, team, ref, CauseChoice.FEED, by=DECIDER, question=1)
    assert world.count(ref, Kind.CAUSE_CHOSEN) == 1


def test_a_late_answer_to_what_was_settled_meanwhile_is_refused_with_what_to_do(world: World) -> None:
    ref = unknown(world)
    asks(world, ref)
    corrected(world, ref, "sync")
    with pytest.raises(causes.CauseKnown, match="is sync already, chosen by team lead on 2026-11-20"):
        causes.choose_cause(world.services.ledger, world.services.policy.team, ref, CauseChoice.FEED, by=DECIDER)


def test_a_process_that_dies_between_the_mail_and_its_record_tells_nobody_twice(world: World) -> None:
    ref = unknown(world)
    world.mail.faulty.fails("send", after=Killed())
    with pytest.raises(Killed):
        world.walk(ref, forms=FEED, until="tell")
    assert world.case(ref).facts["cause"] == "feed", "the choice is there, and nobody is asked again"
    world.restart(minutes=30)
    world.walk(ref, until="tell")
    assert len({str(mail["Message-ID"]) for mail in mails(world)}) == 1
    assert world.count(ref, Kind.NOTICE_SENT) == world.count(ref, Kind.CAUSE_CHOSEN) == 1


# -- nobody answers -------------------------------------------------------------------------------------------------


def test_unanswered_for_a_day_a_neutral_notice_leaves_once_and_asks_nothing(world: World) -> None:
    keeper = Keeper(world)
    ref = unknown(world)
    asks(world, ref)
    assert keeper(hours=23).woken == []
    assert keeper(hours=2).woken == [ref]
    for _ in range(3):
        world.walk(ref, people=False)
    case = world.case(ref)
    assert (case.state, case.notice["asks"], case.facts["cause"]) == (State.WAITING, False, "unknown")
    [mail] = mails(world)
    text = str(mail.get_body(("plain",)).get_content())
    assert "we do not know the reason yet" in " ".join(text.split())
    assert "Please answer by" not in text
    assert "/answer/" not in text
    waits(world, ref)
    keeper.woken.clear()
    for _ in range(20):
        keeper(days=1)
    assert len(mails(world)) == 1, "nobody is reminded of what they were not asked"
    assert world.case(ref).state is State.WAITING


def test_after_a_neutral_notice_the_operator_reads_how_the_cause_is_told_once_it_is_known(world: World) -> None:
    ref = unknown(world)
    world.walk(ref, forms=NEUTRAL, until="tell")
    command = f"`caseproof case correct {ref} --cause CAUSE --by NAME`"
    assert command in next_action(world.case(ref))
    assert command in what_to_record(world.case(ref))
    corrected(world, ref)
    assert command not in what_to_record(world.case(ref))


def test_a_question_that_is_asked_anew_does_not_begin_its_day_anew(world: World) -> None:
    keeper = Keeper(world)
    ref = unknown(world)
    asks(world, ref)
    keeper(hours=20)
    asks(world, ref)
    assert keeper(hours=5).woken[-1:] == [ref]
    assert world.walk(ref, people=False).state is State.WAITING


def test_a_storm_that_nobody_answers_is_told_neutrally_and_one_shop_gets_one_mail(world: World) -> None:
    keeper = Keeper(world)
    refs = storm(world, 3)
    keeper(hours=25)
    assert sorted(keeper.woken) == refs
    world.walk(refs[1], people=False)
    assert [world.count(ref, Kind.CAUSE_LEFT_OPEN) for ref in refs] == [1, 1, 1]
    assert len(world.mail.taken) == 1


def test_an_operator_may_say_that_none_fits_and_the_next_of_its_kind_is_asked_about_again(world: World) -> None:
    first, second = storm(world, 2)
    case = world.walk(first, forms=NEUTRAL, until="tell")
    assert (case.notice["asks"], world.case(second).cause_settled.event.kind) == (False, Kind.CAUSE_LEFT_OPEN)
    assert asks(world, unknown(world, 3)) == "cause"


# -- remembered -----------------------------------------------------------------------------------------------------


def test_the_next_case_of_the_message_takes_what_was_chosen_and_nobody_is_asked(world: World) -> None:
    first = unknown(world)
    world.walk(first, forms=FEED, until="tell")
    world.clock.move(days=3)
    second = unknown(world, 1)
    case = world.walk(second, until="tell", people=False)
    assert (case.state, case.facts["cause"]) == (State.WAITING, "feed")
    choice = choice_of(case)
    assert (choice["by"], choice["on"][:10]) == (DECIDER, "2026-11-20")
    assert not case.asked


def checked(world: World) -> str:
    """The case that the daily check opens for the job that fails."""
    planned = plan_check(world.services.ledger, world.services.policy, "jobs", world.platform)
    [result] = carry_out(world.services.stopping, planned).results
    return result.ref


def test_the_next_days_check_opens_the_case_with_what_was_chosen(world: World) -> None:
    world.walk(unknown(world), forms=FEED, until="tell")
    world.platform.add("offers/next", retailer="Shop A")
    fails(world, "offers/next", "Flow run encountered an exception: " + MESSAGE.format(99, 98))
    ref = checked(world)
    assert (world.case(ref).facts["cause"], choice_of(world.case(ref))["by"]) == ("feed", DECIDER)
    [known] = causes.remembered_causes(world.services.ledger).values()
    assert known.used == 2
    case = world.walk(ref, until="tell", people=False)
    assert (case.state, case.asked) == (State.WAITING, {})


def test_a_signature_counts_more_than_what_was_chosen_and_a_correction_more_than_a_signature(world: World) -> None:
    said = "401 Unauthorized: the token of shop {} expired"
    ref = unknown(world, message=said)
    world.walk(ref, forms=FEED, until="tell")
    world.platform.add("offers/next", retailer="Shop A")
    fails(world, "offers/next", said.format(12))
    one = checked(world)
    assert (world.case(one).facts["cause"], choice_of(world.case(one))) == ("expired_token", None)
    corrected(world, one, "our_platform")
    world.platform.add("offers/third", retailer="Shop A")
    fails(world, "offers/third", said.format(13))
    other = checked(world)
    assert (world.case(other).facts["cause"], choice_of(world.case(other))["by"]) == ("our_platform", REVIEWER)


def test_a_job_that_was_not_started_has_no_message_that_could_be_remembered(make_world: MakeWorld) -> None:
    world = make_world(check={"missed": {"starts": 1, "stop": True}})
    world.platform.add("offers/late", retailer="Shop A")
    said = "It missed its planned start, that of 2026-11-20 06:00 UTC; it last started at 2026-11-19 06:00 UTC."
    event = world.services.ledger.event(
        Kind.OPENED, platform="jobs", job="offers/late", job_name="late", retailer="Shop A", cause="unknown",
        summary=said, how="daily check", scope="job", check="c1", failed_run=None,
    )  # fmt: skip
    with world.services.store.uow() as uow:
        ref = uow.cases.create(event).ref
        uow.commit()
    assert causes.shape_of_case(world.case(ref)) == ("", "")


def test_a_choice_that_was_undone_is_asked_for_again(world: World) -> None:
    world.walk(unknown(world), forms=FEED, until="tell")
    [known] = causes.remembered_causes(world.services.ledger).values()
    team = world.services.policy.team
    assert causes.undo_choice(world.services.ledger, team, known.id, by=REVIEWER).undone_by == REVIEWER
    with pytest.raises(BadInput, match="was undone by team lead on 2026-11-20 already"):
        causes.undo_choice(world.services.ledger, team, known.id, by=DECIDER)
    assert asks(world, unknown(world, 1)) == "cause"
