"""Unknown means ask, not guess: an operator says the cause before the retailer is told, once a message."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from caseproof.channels.outbound.mail import MailDown
from caseproof.domain.codes import Rest
from caseproof.domain.errors import BadInput, NotAllowed
from caseproof.domain.forms import Apart, CauseChoice, Word
from caseproof.domain.job_failure.cause import choice_of, owes_cause, told_cause
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.job_failure.lifecycle import State
from caseproof.evidence.proof import verify_proof
from caseproof.platforms.base import RunState
from caseproof.procedure.closing.deciding import goes_on_by_itself
from caseproof.procedure.containment.checking import carry_out, plan_check
from caseproof.procedure.core import causes
from caseproof.procedure.keeper.incidents import gather
from caseproof.procedure.notify.threads import find_thread
from caseproof.procedure.views.board import board
from caseproof.procedure.views.case_page import case_page, cause_in_words, next_action, sentence
from caseproof.procedure.views.questions import what_to_record
from tests.support.fakes import Killed
from tests.support.keeper import Keeper, mails, row, waits
from tests.support.world import CONTACT, DECIDER, JOB, REVIEWER, World

MakeWorld = Callable[..., World]

MESSAGE = "The basket {} of db-{}.shops.example.com could not be booked"
FEED = {"cause": {"answered_by": DECIDER, "cause": CauseChoice.FEED}}
NEUTRAL = {"cause": {"answered_by": DECIDER, "cause": CauseChoice.NONE}}


def unknown(world: World, number: int = 0, *, message: str = MESSAGE, retailer: str = "Shop A", **more: Any) -> str:
    """A case of its own job whose message nobody knows; each says it with other numbers."""
    job = JOB if number == 0 else f"offers/feed-{number}"
    if number:
        world.platform.add(job, retailer=retailer)
    return world.open(job, cause="unknown", summary=message.format(4711 + number, number), **more)


def asks(world: World, ref: str) -> str:
    """Walk the case to its question, and let it wait there; the question's form."""
    world.walk(ref, people=False)
    question = world.case(ref).question
    assert question is not None, world.kinds(ref)
    return str(waits(world, ref, question["form"]) and question["form"])


def storm(world: World, count: int) -> list[str]:
    """So many cases of one message, each of another shop, that were all walked to their questions."""
    refs = []
    for number in range(1, count + 1):
        world.register(f"Shop {number}", f"owner@shop-{number}.example.com")
        refs.append(unknown(world, number, retailer=f"Shop {number}"))
    for ref in refs:
        asks(world, ref)
    return refs


def subjects(world: World, to: str = CONTACT) -> list[str]:
    return [str(mail["Subject"]) for mail in mails(world, to)]


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


def fails(world: World, job: str, message: str) -> None:
    """The job fails so often that its patience is over."""
    for hours in (30, 20, 10, 1):
        at = world.clock.now + world.platform.skew - timedelta(hours=hours)
        world.platform.add_run(job, RunState.FAILED, at=at, message=message, lasted=timedelta(seconds=30))


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


# -- corrected ------------------------------------------------------------------------------------------------------


def corrected(world: World, ref: str, cause: str = "our_platform") -> causes.Corrected:
    return causes.correct_cause(world.services.ledger, world.services.policy.team, ref, cause, by=REVIEWER)


def test_a_cause_that_is_corrected_tells_the_retailer_once_that_the_other_was_wrong(world: World) -> None:
    ref = unknown(world)
    world.walk(ref, forms=FEED, until="tell")
    corrected(world, ref)
    for _ in range(3):
        world.walk(ref, people=False)
    first, second = mails(world)
    assert str(second["In-Reply-To"]) == str(first["Message-ID"])
    assert "Correction: A problem on our side" in str(second["Subject"])
    text = " ".join(str(second.get_body(("plain",)).get_content()).split())
    assert "what we said then about the reason was wrong" in text
    assert "Nothing is asked of you for it." in text
    case = world.case(ref)
    assert (case.facts["cause"], world.count(ref, Kind.NOTICE_CORRECTED)) == ("our_platform", 1)
    [known] = causes.remembered_causes(world.services.ledger).values()
    assert (known.cause, known.corrects, known.chosen_by) == ("our_platform", True, REVIEWER)


def test_after_a_neutral_notice_the_retailer_hears_the_cause_once_it_is_known_and_what_to_do(world: World) -> None:
    keeper = Keeper(world)
    ref = unknown(world)
    world.walk(ref, forms=NEUTRAL, until="tell")
    world.clock.move(days=5)
    corrected(world, ref, "expired_token")
    world.walk(ref, people=False)
    text = " ".join(str(mails(world)[1].get_body(("plain",)).get_content()).split())
    assert "could not tell the reason. Now we know it" in text
    assert "Please answer by" in text
    waits(world, ref)
    assert keeper(days=1).reminded == []
    assert keeper(days=1).reminded == [ref], "reminded two days after what asks, not after what asked nothing"
    reminder = " ".join(str(mails(world)[2].get_body(("plain",)).get_content()).split())
    assert "no longer accepts that key" in reminder, "and shown the mail that asks"


def test_a_correction_reaches_every_open_case_that_has_the_cause_from_the_same_choice(world: World) -> None:
    refs = storm(world, 3)
    other = unknown(world, 9, message="Pallet {} of {} is lost")
    world.walk(other, forms=FEED, until="tell")
    world.walk(refs[0], forms=FEED, until="tell")
    for ref in refs[1:]:
        world.walk(ref, until="tell")
    assert corrected(world, refs[1]).refs == (refs[1], refs[0], refs[2])
    assert {world.case(ref).facts["cause"] for ref in refs} == {"our_platform"}
    assert world.case(other).facts["cause"] == "feed"


def test_a_correction_that_comes_before_the_notice_needs_no_second_mail(world: World) -> None:
    ref = unknown(world)
    asks(world, ref)
    corrected(world, ref)
    world.walk(ref, people=False)
    assert len(mails(world)) == 1


def test_a_process_that_dies_right_after_the_correction_left_sends_the_same_mail_at_the_most(world: World) -> None:
    ref = world.open(summary="401 Unauthorized")
    world.walk(ref, until="tell")
    corrected(world, ref)
    world.mail.faulty.fails("send", after=Killed())
    with pytest.raises(Killed):
        world.walk(ref, people=False)
    world.restart(minutes=30)
    world.walk(ref, people=False)
    assert len({str(mail["Message-ID"]) for mail in mails(world)}) == 2
    assert world.count(ref, Kind.NOTICE_CORRECTED) == 1


def taken_back_while_it_leaves(world: World, ref: str, *causes_after: str) -> None:
    """The cause is corrected; the process dies as the mail that says so has left; then it is corrected again."""
    corrected(world, ref)
    world.mail.faulty.fails("send", after=Killed())
    with pytest.raises(Killed):
        world.walk(ref, people=False)
    for cause in causes_after:
        corrected(world, ref, cause)
    world.restart(minutes=30)
    world.walk(ref, people=False)


def test_a_correction_that_is_taken_back_while_its_mail_leaves_is_put_right_by_another(world: World) -> None:
    ref = unknown(world)
    world.walk(ref, forms=FEED, until="tell")
    taken_back_while_it_leaves(world, ref, "feed")
    world.walk(ref, people=False)
    case = world.case(ref)
    assert [fact["cause"] for fact in case.every(Kind.NOTICE_CORRECTED)] == ["our_platform", "feed"]
    assert (told_cause(case), case.facts["cause"], case.correction["asks"]) == ("feed", "feed", True)
    assert len(mails(world)) == 3
    assert "Correction: A product feed cannot be read" in subjects(world)[-1]
    assert "it may have left" in sentence(case.every(Kind.NOTICE_CORRECTED)[0].event)


def test_of_corrections_that_follow_each_other_every_one_that_left_is_on_record(world: World) -> None:
    ref = unknown(world)
    world.walk(ref, forms=FEED, until="tell")
    taken_back_while_it_leaves(world, ref, "sync", "website_changed")
    told = [fact["cause"] for fact in world.case(ref).every(Kind.NOTICE_CORRECTED)]
    assert told == ["our_platform", "website_changed"], "what was corrected before any mail left is told to nobody"
    assert len(mails(world)) == 3


def test_a_correction_that_is_taken_back_while_the_mail_server_is_slow_is_put_right_at_once(world: World) -> None:
    ref = unknown(world)
    world.walk(ref, forms=FEED, until="tell")
    corrected(world, ref)

    def slow(*letter: Any) -> Any:
        if world.case(ref).facts["cause"] == "our_platform":
            corrected(world, ref, "feed")
        return world.mail.send(*letter)

    world.send = slow
    world.walk(ref, people=False)
    case = world.case(ref)
    assert [fact["cause"] for fact in case.every(Kind.NOTICE_CORRECTED)] == ["our_platform", "feed"]
    assert case.correction["accepted"] == [CONTACT]
    assert len(mails(world)) == 3


def test_of_a_correction_that_is_taken_back_the_letters_that_have_not_left_never_do(world: World) -> None:
    world.register("Shop A", "second@shop-a.example.com")
    ref = unknown(world)
    world.walk(ref, forms=FEED, until="tell")
    taken_back_while_it_leaves(world, ref, "feed")
    assert [subject for subject in subjects(world, "second@shop-a.example.com") if "our side" in subject] == []
    assert len(subjects(world)) == 3
    assert len(subjects(world, "second@shop-a.example.com")) == 2
    corrected(world, ref)  # and where the first contact's letter is known to have left
    world.mail.faulty.fails("send", after=Killed(), skip=1)
    with pytest.raises(Killed):
        world.walk(ref, people=False)
    corrected(world, ref, "feed")
    world.restart(minutes=30)
    case = world.walk(ref, people=False)
    told = [(fact["cause"], fact["accepted"]) for fact in case.every(Kind.NOTICE_CORRECTED)]
    assert told[2:] == [("our_platform", [CONTACT]), ("feed", [CONTACT, "second@shop-a.example.com"])]


def test_of_a_closed_case_too_a_correction_that_is_taken_back_is_put_right(world: World) -> None:
    ref = unknown(world)
    assert world.walk(ref, forms=FEED, until="the end").is_closed
    corrected(world, ref)
    world.mail.faulty.fails("send", after=Killed())
    with pytest.raises(Killed):
        Keeper(world)(minutes=3)
    corrected(world, ref, "feed")
    world.restart(minutes=30)
    keeper = Keeper(world)
    for _ in range(3):
        keeper(minutes=3)
    assert [fact["cause"] for fact in world.case(ref).every(Kind.NOTICE_CORRECTED)] == ["our_platform", "feed"]
    assert len(mails(world)) == 4, "the notice, that it works again, and two that correct"


def test_a_closed_case_whose_correction_cannot_be_sent_is_told_to_the_team_and_tried_daily(
    make_world: MakeWorld,
) -> None:
    world = make_world(mail={"team": "team@example.com"})
    ref = unknown(world)
    assert world.walk(ref, forms=FEED, until="the end").is_closed
    with world.services.store.uow() as uow:
        uow.people.remove_contact("Shop A", CONTACT)
        uow.commit()
    corrected(world, ref)
    keeper = Keeper(world)
    tried = [ref in keeper(minutes=5).problems.said for _ in range(20)]
    assert 1 <= tried.count(True) <= 2, tried
    assert world.count(ref, Kind.TEAM_TOLD) == 1
    assert "Shop A has no registered contact" in world.case(ref).every(Kind.TEAM_TOLD)[0]["about"]
    assert ref in keeper(days=1).problems.said
    keeper(minutes=5)
    assert world.count(ref, Kind.TEAM_TOLD) == 3, "and again as of a question that waits: after 8 and after 24 hours"
    world.register("Shop A", CONTACT)
    keeper(days=1)
    assert world.count(ref, Kind.NOTICE_CORRECTED) == 1
    keeper(minutes=5)
    assert keeper(days=9).looked_at == 0


def test_a_mail_server_that_is_down_holds_a_pass_up_once_and_is_tried_ever_more_seldom(world: World) -> None:
    refs = [unknown(world), unknown(world, 1)]
    for ref in refs:
        assert world.walk(ref, forms=FEED, until="the end").is_closed
    corrected(world, refs[0])
    corrected(world, refs[1])
    world.mail.faulty.fails("send", before=MailDown("It hangs.", "Wait."), times=1000)
    keeper = Keeper(world)
    assert len([one for one in keeper(minutes=1).problems.said if one in refs]) == 1
    tried = [ref for _ in range(200) for ref in keeper(minutes=5).problems.said if ref in refs]
    assert all(5 < tried.count(ref) < 45 for ref in refs), "each has its turn, in every sixth pass at last"


# -- what the retailer wrote before the correction ------------------------------------------------------------------


def by_the_page(world: World, ref: str, words: str = "Done.", choice: str = "changed") -> None:
    """The retailer's word, as the confirmation page records it."""
    kept = world.services.files.keep(ref, f"{words}{world.clock.now}".encode(), "word.json", "application/json")
    world.services.ledger.record(
        ref, Kind.CONFIRMATION_RECEIVED, sender=CONTACT, words=words, evidence=kept, by_way_of="page", choice=choice
    )


def form_of(world: World, ref: str) -> str:
    """The form that the case asks with now."""
    world.walk(ref, people=False)
    question = world.case(ref).question
    return str(question["form"]) if question else ""


def test_a_word_from_before_the_correction_answers_what_was_told_before_and_the_next_one_counts(world: World) -> None:
    ref = world.open()
    world.walk(ref, until="tell")
    corrected(world, ref, "feed")
    by_the_page(world, ref, "We have renewed the token.")
    assert form_of(world, ref) == "retailers-word"
    case = world.case(ref)
    assert (case.state, case.decision, case.correction["asks"]) == (State.WAITING, None, True)
    assert "before we corrected the cause" in what_to_record(case)
    assert next_action(case).startswith("Wait for the retailer's word")
    by_the_page(world, ref, "The feed is readable again.")
    world.walk(ref, until="start", people=False)
    assert world.case(ref).decision.actor == "caseproof"
    assert f"({world.case(ref).words[1].at:%Y-%m-%d %H:%M} UTC)" in world.case(ref).decision["reason"]


def test_after_a_failed_re_run_the_corrected_cause_asks_for_a_new_word_and_reminds_of_it(world: World) -> None:
    keeper = Keeper(world)
    ref = world.open()
    world.walk(ref, until="tell")
    by_the_page(world, ref, "We have renewed the token.")
    world.platform.outcome = "failed"
    world.walk(ref, until="verify", people=False)
    assert form_of(world, ref) == "decision"
    corrected(world, ref, "feed")
    assert form_of(world, ref) == "retailers-word"
    waits(world, ref)
    assert keeper(days=2, minutes=5).reminded == [ref]
    keeper(days=6)
    keeper(days=7)
    assert world.case(ref).state is State.PAUSED, "and where no answer comes, the account stays paused (J6)"


def test_that_no_word_is_needed_was_said_of_the_cause_of_before_the_correction(world: World) -> None:
    ref = world.open()
    world.walk(ref, until="tell")
    assert form_of(world, ref) == "retailers-word"
    number = world.case(ref).question_number
    form = {"answered_by": DECIDER, "what": str(Word.WITHOUT), "sender": "", "message": ""}
    world.services.ledger.record(
        ref, Kind.QUESTION_ANSWERED, DECIDER, number=number, form="retailers-word", answer=form
    )
    assert form_of(world, ref) == "decision"
    corrected(world, ref, "feed")
    assert form_of(world, ref) == "retailers-word"


def test_a_cause_that_asks_after_a_neutral_notice_lets_a_clear_word_go_on_by_itself(world: World) -> None:
    ref = unknown(world)
    world.walk(ref, forms=NEUTRAL, until="tell")
    corrected(world, ref, "expired_token")
    world.walk(ref, people=False)
    by_the_page(world, ref, "We have renewed the token.")
    assert goes_on_by_itself(world.services.ledger, world.services.policy, ref)


@pytest.mark.parametrize("when", ["before", "after"])
def test_where_the_correction_asks_nothing_no_word_goes_on_by_itself(world: World, when: str) -> None:
    ref = world.open()
    world.walk(ref, until="tell")
    if when == "before":
        by_the_page(world, ref, "We have renewed the token.")
    corrected(world, ref, "our_platform")
    world.step("correct", ref)
    if when == "after":
        by_the_page(world, ref, "We have renewed the token.")
    assert not goes_on_by_itself(world.services.ledger, world.services.policy, ref)
    assert form_of(world, ref) == "decision"


def test_reminders_and_what_the_team_is_told_count_from_the_correction(world: World) -> None:
    keeper = Keeper(world)
    ref = world.open()
    world.walk(ref, until="tell")
    waits(world, ref)
    assert [keeper(days=days, minutes=5).reminded for days in (2, 3)] == [[ref], [ref]]
    keeper(days=4)
    corrected(world, ref, "feed")
    world.walk(ref, people=False)
    assert (row(world, ref).reminders, world.case(ref).reminders) == (0, 0)
    waits(world, ref)
    begun = world.clock.now
    assert [keeper(days=days, minutes=5).reminded for days in (2, 3)] == [[ref], [ref]]
    ids = [str(mail["Message-ID"]) for mail in mails(world)]
    assert len(ids) == len(set(ids)) == 6
    assert all(".correction-" in one and ".reminder-" in one for one in ids[4:])
    assert {"reminder-1.eml", "reminder-2.eml", "reminder-3.eml", "reminder-4.eml"} <= files(world, ref)
    while world.case(ref).state is State.WAITING:
        keeper(days=1)
    reason = world.case(ref).decision["reason"]
    [told] = {f"{at:%Y-%m-%d}" for at in told_of_no_answer(world, ref) if at > begun}
    assert f"reminded 2 times ({begun + timedelta(days=2):%Y-%m-%d}, {begun + timedelta(days=5):%Y-%m-%d})" in reason
    assert f"the team told on {told}." in reason


def files(world: World, ref: str) -> set[str]:
    with world.services.store.reading() as uow:
        return {file.name for file in uow.evidence.of(ref)}


def told_of_no_answer(world: World, ref: str) -> list[datetime]:
    return [fact.at for fact in world.case(ref).every(Kind.TEAM_TOLD) if fact.get("no_answer")]


def test_who_heard_only_the_correction_hears_that_it_works_again(world: World) -> None:
    ref = unknown(world)
    world.walk(ref, forms=FEED, until="tell")
    world.register("Shop A", "new@shop-a.example.com")
    corrected(world, ref)
    assert world.walk(ref, until="the end").is_closed
    assert len(mails(world, "new@shop-a.example.com")) == 2


def test_what_the_cause_was_is_each_cases_own(world: World) -> None:
    first, second = storm(world, 2)
    corrected(world, first, "sync")
    [known] = causes.remembered_causes(world.services.ledger).values()
    causes.undo_choice(world.services.ledger, world.services.policy.team, known.id, by=REVIEWER)
    waiting = unknown(world, 4)
    assert asks(world, waiting) == "cause"
    assert set(corrected(world, first, "our_platform").refs) == {first, second, waiting}
    was = {ref: world.case(ref).every(Kind.CAUSE_CHOSEN)[-1]["was"] for ref in (first, second, waiting)}
    assert was == {first: "sync", second: "sync", waiting: "unknown"}


@pytest.mark.parametrize("who", ["a stranger", ""])
def test_nobody_who_is_not_on_the_team_corrects_a_cause_or_undoes_a_choice(world: World, who: str) -> None:
    ref = unknown(world)
    world.walk(ref, forms=FEED, until="tell")
    ledger, team = world.services.ledger, world.services.policy.team
    with pytest.raises(NotAllowed, match="not on the team list"):
        causes.correct_cause(ledger, team, ref, "sync", by=who)
    [known] = causes.remembered_causes(ledger).values()
    with pytest.raises(NotAllowed, match="not on the team list"):
        causes.undo_choice(ledger, team, known.id, by=who)
    assert world.case(ref).facts["cause"] == "feed"
    causes.correct_cause(ledger, team, ref, "sync", by=f" {REVIEWER.upper()} ")
    assert choice_of(world.case(ref))["by"] == REVIEWER, "as the team list spells it"


def test_the_retailer_of_a_closed_case_hears_that_the_reason_was_another_once_and_its_proof_holds(world: World) -> None:
    ref = unknown(world)
    assert world.walk(ref, forms=FEED, until="the end").is_closed
    proof, keeper = world.proof(ref), Keeper(world)
    corrected(world, ref)
    world.mail.faulty.fails("send", before=MailDown("It hangs.", "Wait."))
    assert ref in keeper(minutes=3).problems.said
    for _ in range(3):
        keeper(minutes=3)
    text = " ".join(str(mails(world)[-1].get_body(("plain",)).get_content()).split())
    assert len(mails(world)) == 3, "the notice, that it works again, and this"
    assert "It was another: \u201cA problem on our side\u201d. The matter itself is settled by now" in text
    assert "We have stopped it" not in text
    case = world.case(ref)
    assert (case.is_closed, world.count(ref, Kind.NOTICE_CORRECTED), case.correction["asks"]) == (True, 1, False)
    assert all(check.ok for check in verify_proof(proof))
    with world.services.store.reading() as uow:
        assert uow.cases.damaged() == []


def test_cases_that_share_a_notice_are_corrected_and_reminded_one_by_one(world: World) -> None:
    keeper = Keeper(world)
    for job in ("offers/one", "offers/two"):
        world.platform.add(job, retailer="Shop A")
        fails(world, job, "401 Unauthorized: the token expired")
    planned = plan_check(world.services.ledger, world.services.policy, "jobs", world.platform)
    refs = [result.ref for result in carry_out(world.services.stopping, planned).results]
    for ref in refs:
        world.walk(ref, until="tell")
    assert len(mails(world)) == 1
    for ref in refs:
        corrected(world, ref, "feed")
        world.walk(ref, people=False)
        waits(world, ref)
    keeper(days=2, minutes=5)
    with world.services.store.reading() as uow:
        threads = [find_thread(uow, str(mail["Message-ID"])) for mail in mails(world)]
    assert len({str(mail["Message-ID"]) for mail in mails(world)}) == len(mails(world)) == 5
    assert {thread.id for thread in threads if thread} == {f"{refs[0].lower()}.{threads[0].round_or_check}.notice"}
    assert None not in threads, "an answer to any of them finds its cases"


def test_who_was_told_only_that_it_reaches_many_shops_was_told_nothing_wrong(world: World) -> None:
    refs = storm(world, 6)
    causes.choose_cause(world.services.ledger, world.services.policy.team, refs[0], CauseChoice.FEED, by=DECIDER)
    assert gather(world.services.ledger, world.services.policy.check.storm)
    for ref in refs:
        world.walk(ref, until="tell")
    assert {world.case(ref).notice["cause"] for ref in refs} == {""}
    corrected(world, refs[0], "sync")
    world.walk(refs[0], people=False)
    assert len(world.mail.taken) == 6


def test_a_round_that_begins_anew_tells_the_corrected_cause_and_corrects_nothing_once_more(world: World) -> None:
    ref = unknown(world)
    world.walk(ref, forms=FEED, until="tell")
    corrected(world, ref)
    world.walk(ref, before="look")
    assert world.count(ref, Kind.NOTICE_CORRECTED) == 1
    world.clock.move(minutes=5)
    world.platform.add_run(JOB, RunState.FAILED, message="failed again")
    assert world.walk(ref).is_closed
    assert world.count(ref, Kind.NOTICE_CORRECTED) == 1
    assert "A problem on our side" in subjects(world)[2]


def test_what_is_no_other_cause_is_refused_with_what_may_be_said(world: World) -> None:
    ref = unknown(world)
    with pytest.raises(BadInput, match="no cause that a person can say"):
        corrected(world, ref, "unknown")
    with pytest.raises(BadInput, match="no cause that a person can say"):
        corrected(world, ref, "weather")
    world.walk(ref, forms=FEED, until="tell")
    with pytest.raises(BadInput, match="is feed already"):
        corrected(world, ref, "feed")


def test_a_case_that_asks_is_closed_with_proof_like_any_other(world: World) -> None:
    ref = unknown(world)
    assert world.walk(ref, forms=FEED).is_closed
    assert world.clock() - world.case(ref).opened.at < timedelta(days=1)
    with world.services.store.reading() as uow:
        assert uow.cases.damaged() == []
