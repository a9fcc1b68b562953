"""A cause that was told and is another: who was told hears it, once, and an answer from before does not count."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from caseproof.channels.outbound.mail import MailDown
from caseproof.domain.errors import BadInput, NotAllowed
from caseproof.domain.forms import CauseChoice, Word
from caseproof.domain.job_failure.cause import choice_of, told_cause
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.job_failure.lifecycle import State
from caseproof.evidence.proof import verify_proof
from caseproof.platforms.base import RunState
from caseproof.procedure.closing.deciding import goes_on_by_itself
from caseproof.procedure.containment.checking import carry_out, plan_check
from caseproof.procedure.core import causes
from caseproof.procedure.keeper.incidents import gather
from caseproof.procedure.notify.threads import find_thread
from caseproof.procedure.views.case_page import next_action, sentence
from caseproof.procedure.views.questions import what_to_record
from tests.support.fakes import Killed
from tests.support.keeper import Keeper, mails, row, waits
from tests.support.unknown_cause import FEED, NEUTRAL, asks, corrected, fails, storm, subjects, unknown
from tests.support.world import CONTACT, DECIDER, JOB, REVIEWER, World

MakeWorld = Callable[..., World]


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
    tried = [ref for _ in range(36) for ref in keeper(minutes=5).problems.said if ref in refs]
    assert all(3 < tried.count(ref) < 14 for ref in refs), "each has its turn, in every sixth pass at last"


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
