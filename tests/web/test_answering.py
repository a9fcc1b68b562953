"""An answer on the confirmation page, as it reaches the cases (J8, J9): whole or not at all, once, never lost."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from caseproof.channels.inbound.mail_headers import clean
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.job_failure.lifecycle import State
from caseproof.domain.vocabulary import Choice, Disposition
from caseproof.evidence.signing import BadLink
from caseproof.procedure.answers import answer_link, answering
from caseproof.procedure.answers.answer_link import LinkState
from caseproof.procedure.answers.answering import (
    MOST_NAME,
    MOST_WORDS,
    Given,
    LinkSpent,
    NotFilledIn,
)
from caseproof.procedure.core.services import Services
from tests.support.examples import examples
from tests.support.letters import SHOP, WORDS, answers, link_of, name_of, register, send_notice, stopped, write_letters

SHOWN = {"choices": {str(choice): f"The sentence of {choice}" for choice in Choice}}


def say(choice: str, *refs: str, words: str = WORDS, name: str = "Role Name", seen: int = 0) -> Given:
    return Given(choice, name, words, refs, seen, SHOWN)


def answer(services: Services, token: str, given: Given) -> None:
    answering.answer(services.ledger, services.vault, services.replies, token, given)


def asked(services: Services, token: str) -> answer_link.Asked:
    return answer_link.asked(services.store, services.replies, token)


@pytest.fixture
def told(world: Any) -> Any:
    """A world with one case whose retailer got a letter; ``world.ref`` and ``world.link`` name them."""
    register(world.services)
    world.ref = stopped(world.services, world.opened())
    world.link = link_of(world.services, send_notice(world.services, world.ref))
    return world


# -- what it becomes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("choice", ["changed", "remove"])
def test_a_choice_that_confirms_is_the_written_confirmation_with_time_and_link(told: Any, choice: str) -> None:
    answer(told.services, told.link, say(choice, told.ref))
    case = told.services.ledger.case(told.ref)
    [word] = case.words
    assert {name: word[name] for name in ("sender", "name", "words", "choice", "by_way_of", "link")} == {
        "sender": SHOP, "name": "Role Name", "words": WORDS, "choice": choice, "by_way_of": "page",
        "link": f"{told.ref.lower()}.1.notice",
    }  # fmt: skip
    assert case.state is State.WAITING
    with told.services.store.reading() as uow:
        [row] = uow.messages.of_case(told.ref)
        assert word["evidence"] in {one.digest for one in uow.evidence.of(told.ref)}
    assert (row.place, row.way, row.sender, row.digest) == (Disposition.COUNTED, "page", SHOP, word["evidence"])
    assert not row.needs_eye


@pytest.mark.parametrize(("choice", "why"), [("help", "asks for help"), ("not_mine", "says that it is not theirs")])
def test_other_choices_confirm_nothing_and_wait_for_an_eye(told: Any, choice: str, why: str) -> None:
    answer(told.services, told.link, say(choice, told.ref, words="Which page do you mean?"))
    case = told.services.ledger.case(told.ref)
    assert case.confirmations == ()
    [reply] = case.replies
    assert (reply["why"], reply["words"], reply["choice"]) == (why, "Which page do you mean?", choice)
    with told.services.store.reading() as uow:
        [row] = uow.messages.untold()
    assert (row.ref, row.place, row.why) == (told.ref, Disposition.REPLY, why)


def test_the_evidence_tells_what_was_shown_chosen_typed_and_when(told: Any) -> None:
    answer(told.services, told.link, say("changed", told.ref, words="Line one.\r\nLine two.\u202e", name=" Role "))
    [word] = told.services.ledger.case(told.ref).words
    kept = json.loads(told.services.vault.read(word["evidence"]))
    assert kept["typed"] == {"name": " Role ", "words": "Line one.\r\nLine two.\u202e"}
    assert (kept["chosen"], kept["shown"]) == ("changed", SHOWN)
    assert kept["link"]["letter"] == word["link"]
    assert kept["link"]["sent_to"] == SHOP
    assert kept["at"].startswith("2026-11-20T08:")
    assert (word["words"], word["name"]) == ("Line one.\nLine two.\u202e", "Role")


def test_without_words_the_sentence_that_was_chosen_is_the_word(told: Any) -> None:
    answer(told.services, told.link, say("changed", told.ref, words=" \r\n "))
    assert told.services.ledger.case(told.ref).words[0]["words"] == "The sentence of changed"


def test_asking_what_a_link_asks_changes_nothing(told: Any) -> None:
    before = told.services.ledger.case(told.ref)
    state = asked(told.services, told.link)
    assert (state.retailer, state.cause, state.language, state.seen) == ("Shop A", "expired_token", "en", 0)
    assert state.choices == tuple(Choice)
    assert told.services.ledger.case(told.ref) == before


# -- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer_given", "wrong"),
    [
        ({"choice": ""}, {"choice": "missing"}),
        ({"choice": "yes"}, {"choice": "missing"}),
        ({"name": " "}, {"name": "missing"}),
        ({"name": "n" * (MOST_NAME + 1)}, {"name": "long"}),
        ({"name": "a\0b"}, {"name": "odd"}),
        ({"choice": "help", "words": "\r\n"}, {"words": "missing"}),
        ({"words": "w" * (MOST_WORDS + 1)}, {"words": "long"}),
        ({"words": "\0"}, {"words": "odd"}),
        ({"choice": "", "name": "", "words": "\0"}, {"choice": "missing", "name": "missing", "words": "odd"}),
    ],
)
def test_what_is_not_filled_in_records_nothing(told: Any, answer_given: dict[str, str], wrong: dict[str, str]) -> None:
    full = {"choice": "changed", "name": "Role Name", "words": WORDS} | answer_given
    with pytest.raises(NotFilledIn) as refused:
        answer(told.services, told.link, say(full["choice"], told.ref, words=full["words"], name=full["name"]))
    assert refused.value.wrong == wrong
    assert answers(told.services.ledger.case(told.ref)) == []


def test_the_longest_words_fit_however_their_lines_end(told: Any) -> None:
    answer(told.services, told.link, say("changed", told.ref, words="ab\r\n" * (MOST_WORDS // 3)))
    assert len(told.services.ledger.case(told.ref).words[0]["words"]) == MOST_WORDS - MOST_WORDS % 3


def test_a_link_that_was_not_made_here_asks_nothing(told: Any) -> None:
    for token in ("", "x", told.link + "x", told.link[:-1], link_of(told.services, "jf-000099.1.notice")):
        with pytest.raises(BadLink):
            asked(told.services, token)


def test_an_expired_link_takes_no_answer_also_from_a_page_that_was_open(told: Any) -> None:
    seen = asked(told.services, told.link).seen
    told.now += timedelta(days=61)
    assert asked(told.services, told.link).choices == ()
    with pytest.raises(LinkSpent):
        answer(told.services, told.link, say("changed", told.ref, seen=seen))
    assert answers(told.services.ledger.case(told.ref)) == []


def test_who_is_no_contact_any_more_confirms_nothing(told: Any) -> None:
    with told.services.store.uow() as uow:
        uow.people.remove_contact("Shop A", SHOP)
        uow.commit()
    assert asked(told.services, told.link).jobs[0].standing is LinkState.NO_CONTACT
    with pytest.raises(LinkSpent):
        answer(told.services, told.link, say("changed", told.ref))
    assert answers(told.services.ledger.case(told.ref)) == []


def test_a_case_that_became_another_retailers_is_not_theirs_to_answer(told: Any) -> None:
    facts = {"retailer": "Shop B", "marketplace": "North", "connection": ""}
    told.record(told.ref, Kind.FACTS_CORRECTED, **facts)
    assert asked(told.services, told.link).choices == ()


# -- once, and again ------------------------------------------------------------------------------------------------


def test_a_link_is_used_once(told: Any) -> None:
    answer(told.services, told.link, say("changed", told.ref))
    state = asked(told.services, told.link)
    assert state.choices == ()
    assert state.jobs[0].own is not None
    assert (state.jobs[0].standing, state.jobs[0].own.words) == (LinkState.ANSWERED, WORDS)
    for seen in (0, 1):
        with pytest.raises(LinkSpent):
            answer(told.services, told.link, say("remove", told.ref, seen=seen))
    assert len(answers(told.services.ledger.case(told.ref))) == 1


def test_a_call_for_help_leaves_the_link_open_for_the_answer(told: Any) -> None:
    answer(told.services, told.link, say("help", told.ref, words="How?"))
    with pytest.raises(LinkSpent):
        answer(told.services, told.link, say("help", told.ref, words="How?"))  # the same page, sent twice
    answer(told.services, told.link, say("changed", told.ref, seen=1))
    assert [event.data["choice"] for event in answers(told.services.ledger.case(told.ref))] == ["help", "changed"]


def test_after_a_run_that_failed_the_same_link_asks_once_more(told: Any) -> None:
    """J11: the word before the failure founds nothing any more, and no new notice goes out."""
    answer(told.services, told.link, say("changed", told.ref))
    told.record(told.ref, Kind.CHANGE_VALIDATED, "operator", how="The new token is set.")
    decision = "reactivate after the retailer's change"
    told.record(told.ref, Kind.DECIDED, "operator", decision=decision, reason="r", review="anybody")
    assert asked(told.services, told.link).choices == ()
    told.record(told.ref, Kind.RUN_FAILED, run="r-1", why="401 again")
    state = asked(told.services, told.link)
    assert state.jobs[0].failed_since
    answer(told.services, told.link, say("changed", told.ref, seen=state.seen))
    assert len(told.services.ledger.case(told.ref).words) == 2


@pytest.mark.parametrize("choices", [("changed", "changed"), ("changed", "remove"), ("help", "help")])
def test_of_two_who_send_one_link_at_once_one_is_taken(told: Any, choices: tuple[str, str]) -> None:
    ready, outcome = threading.Barrier(2), []

    def send(choice: str) -> None:
        ready.wait(60)
        try:
            answer(told.services, told.link, say(choice, told.ref, words=f"{choice} it is"))
            outcome.append("taken")
        except LinkSpent:
            outcome.append("spent")

    threads = [threading.Thread(target=send, args=(choice,)) for choice in choices]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(outcome) == ["spent", "taken"]
    assert len(answers(told.services.ledger.case(told.ref))) == 1
    with told.services.store.reading() as uow:
        assert len(uow.messages.of_case(told.ref)) == 1


def test_two_contacts_who_answer_differently_are_both_on_record(world: Any) -> None:
    register(world.services)
    register(world.services, "second@example.com", language="de")
    ref = stopped(world.services, world.opened())
    name = send_notice(world.services, ref, to=(SHOP, "second@example.com"))
    first, second = link_of(world.services, name), link_of(world.services, f"{name}-2")
    answer(world.services, first, say("changed", ref))
    state = asked(world.services, second)
    assert (state.language, state.letter.to, state.jobs[0].standing) == ("de", "second@example.com", LinkState.OPEN)
    assert state.jobs[0].colleague is not None
    assert state.jobs[0].colleague.choice == "changed"
    answer(world.services, second, say("remove", ref))
    said = [(event.data["sender"], event.data["choice"]) for event in answers(world.services.ledger.case(ref))]
    assert said == [(SHOP, "changed"), ("second@example.com", "remove")]
    assert asked(world.services, first).jobs[0].standing is LinkState.ANSWERED


# -- while the case moves on ----------------------------------------------------------------------------------------


def test_a_late_word_on_a_closed_case_is_kept_and_confirms_nothing(world: Any) -> None:
    register(world.services)
    ref = world.closed()
    link = link_of(world.services, name_of(write_letters(world.services, ref)))
    before = world.services.ledger.case(ref)
    state = asked(world.services, link)
    assert (state.choices, state.jobs[0].settled_at) == ((Choice.HELP,), before.closed.at)
    answer(world.services, link, say("changed", ref))  # from a page that was opened before the case closed
    after = world.services.ledger.case(ref)
    assert after.is_closed
    assert after.confirmations == before.confirmations
    assert after.replies[-1]["why"] == "says that the change is made; the case was closed already"
    with world.services.store.reading() as uow:
        assert uow.messages.of_case(ref)[-1].place is Disposition.REPLY


def test_an_answer_to_a_page_from_before_a_new_round_is_kept_and_confirms_nothing(told: Any) -> None:
    told.record(told.ref, Kind.CHANGE_VALIDATED, "operator", how="The new token is set.")
    decision = "reactivate after our fix"
    told.record(told.ref, Kind.DECIDED, "operator", decision=decision, reason="r", review="anybody")
    verified(told)
    told.record(told.ref, Kind.FAILED_AGAIN, run="r-2", why="It failed again.")
    assert asked(told.services, told.link).jobs[0].standing is LinkState.SUPERSEDED
    answer(told.services, told.link, say("changed", told.ref))
    case = told.services.ledger.case(told.ref)
    assert (case.state, case.confirmations) == (State.OPENED, ())
    assert case.replies[0]["why"].endswith("it answers an earlier mail: the job was stopped anew since")
    second = link_of(told.services, send_notice(told.services, stopped(told.services, told.ref), which="2"))
    assert asked(told.services, second).jobs[0].standing is LinkState.OPEN
    assert asked(told.services, told.link).jobs[0].standing is LinkState.SUPERSEDED


def verified(world: Any) -> None:
    world.record(world.ref, Kind.RUN_STARTED, run="r-1", purpose="rerun", url="https://jobs.example.com/r-1")
    read = {"run": "r-1", "purpose": "rerun", "started_at": world.tick().isoformat()}
    kept = world.services.files.keep_json(world.ref, "run.json", read)
    world.record(world.ref, Kind.RUN_VERIFIED, **read, ended_at=world.tick().isoformat(), evidence=kept)


# -- several jobs in one letter -------------------------------------------------------------------------------------


@pytest.fixture
def three(world: Any) -> tuple[Any, list[str], str]:
    """Three cases that one letter told of, and its link."""
    register(world.services)
    refs = [stopped(world.services, world.opened(f"offers/{n}", job_name=f"Job {n}")) for n in "abc"]
    return world, refs, link_of(world.services, send_notice(world.services, *refs, which="check-7"))


def test_one_answer_for_several_jobs_is_one_message_in_every_case(three: tuple[Any, list[str], str]) -> None:
    world, refs, link = three
    answer(world.services, link, say("changed", *refs[:2]))
    events = [answers(world.services.ledger.case(ref)) for ref in refs]
    assert [len(found) for found in events] == [1, 1, 0]
    assert events[0][0].data["evidence"] == events[1][0].data["evidence"]
    with world.services.store.reading() as uow:
        assert [len(uow.messages.of_case(ref)) for ref in refs] == [1, 0, 0]
        assert {row.name for row in uow.evidence.of(refs[1])} >= {"answer.json"}


def test_what_was_not_answered_yet_is_asked_by_the_same_link(three: tuple[Any, list[str], str]) -> None:
    world, refs, link = three
    answer(world.services, link, say("changed", *refs[:2]))
    state = asked(world.services, link)
    assert [job.ref for job in state.offered] == refs[2:]
    with pytest.raises(LinkSpent):
        answer(world.services, link, say("remove", *refs[:2], seen=state.seen))
    answer(world.services, link, say("remove", *refs, seen=state.seen))
    said = [[event.data["choice"] for event in answers(world.services.ledger.case(ref))] for ref in refs]
    assert said == [["changed"], ["changed"], ["remove"]]


def test_an_answer_about_no_job_is_asked_again(three: tuple[Any, list[str], str]) -> None:
    world, refs, link = three
    with pytest.raises(NotFilledIn) as refused:
        answer(world.services, link, say("changed"))
    assert refused.value.wrong == {"jobs": "missing"}
    with pytest.raises(LinkSpent):
        answer(world.services, link, say("changed", "JF-000999"))
    assert not any(answers(world.services.ledger.case(ref)) for ref in refs)


def test_an_answer_that_one_case_cannot_take_is_taken_by_none(
    three: tuple[Any, list[str], str], damage: Callable[[Any, str], None]
) -> None:
    """Every case or no case: one that was edited past us stops the whole answer."""
    world, refs, link = three
    damage(world, refs[1])
    with pytest.raises(Exception, match="edited past"):
        answer(world.services, link, say("changed", *refs))
    assert answers(world.services.ledger.case(refs[0])) == []
    with world.services.store.reading() as uow:
        assert uow.messages.of_case(refs[0]) == []


@pytest.fixture
def damage() -> Callable[[Any, str], None]:
    """Edit a case's row past us, as its owner can."""

    def edit(world: Any, ref: str) -> None:
        with sqlite3.connect(world.home / "caseproof.sqlite") as connection:
            connection.execute("UPDATE cases SET head = ? WHERE ref = ?", ("0" * 64, ref))

    return edit


# -- anything at all ------------------------------------------------------------------------------------------------


@settings(max_examples=examples(40), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    choice=st.sampled_from(["", "yes", "help"]),  # what uses the link up would leave the next example nothing to do
    name=st.text(max_size=220),
    words=st.text(max_size=300),
    named=st.sampled_from([True, True, True, False]),
    stale=st.sampled_from([0, 0, 0, -1, 1]),
)
def test_whatever_is_sent_becomes_one_answer_or_none_and_its_words_stay_as_they_were(
    told: Any, choice: str, name: str, words: str, named: bool, stale: int
) -> None:
    before = answers(told.services.ledger.case(told.ref))
    refs = [told.ref] if named else []
    try:
        answer(told.services, told.link, say(choice, *refs, words=words, name=name, seen=len(before) + stale))
    except (LinkSpent, NotFilledIn):
        assert answers(told.services.ledger.case(told.ref)) == before
        return
    after = answers(told.services.ledger.case(told.ref))
    assert (len(after), named, stale, choice) == (len(before) + 1, True, 0, "help")
    assert 0 < len(name.strip()) <= MOST_NAME
    assert after[-1].data["words"] == clean(words.replace("\r\n", "\n")), "but for what a terminal would obey"
