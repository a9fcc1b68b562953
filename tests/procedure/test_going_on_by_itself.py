"""J6, J8, J11: a clear word leads to the re-run without an operator, and never to a closing without one."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from caseproof.channels.outbound.languages import LANGUAGES
from caseproof.channels.outbound.languages import words as words_of
from caseproof.domain.case import Case
from caseproof.domain.errors import NotAllowed
from caseproof.domain.job_failure.conditions import AT_THE_REVIEW
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.job_failure.lifecycle import State
from caseproof.domain.vocabulary import Choice, Decision, Disposition
from caseproof.evidence.proof import verify_proof
from caseproof.procedure.answers import manual_confirmation
from caseproof.procedure.closing import deciding, ticket
from caseproof.procedure.core.retailer_answer import came_by
from tests.support.histories import digest
from tests.support.retailer_mail import AUTHSERV
from tests.support.world import CONTACT, DECIDER, REVIEWER, World

CHECKED = "The new token stands in the account's settings; a test call answers 200."
MakeWorld = Callable[..., World]


def told(world: World) -> str:
    """A case whose retailer was told, and waits."""
    ref = world.open()
    world.walk(ref, until="tell")
    return ref


def says(world: World, ref: str, choice: str = "changed", *, way: str = "page", words: str = "Done.") -> Case:
    """The retailer's word as the page or the mailbox records it."""
    kept = world.services.files.keep(ref, f"{choice}{world.clock.now}{words}".encode(), "word.json", "application/json")
    said = {"sender": CONTACT, "words": words, "evidence": kept, "by_way_of": way, "choice": choice}
    return world.services.ledger.record(ref, Kind.CONFIRMATION_RECEIVED, **said)


def replies(world: World, ref: str, words: str = "Which token do you mean?", why: str = "asks for help") -> Case:
    """What a contact wrote that confirms nothing."""
    kept = world.services.files.keep(ref, f"{words}{world.clock.now}".encode(), "reply.eml", "message/rfc822")
    said = {"sender": CONTACT, "words": words, "evidence": kept, "by_way_of": "mail", "why": why}
    return world.services.ledger.record(ref, Kind.REPLY_RECEIVED, **said)


def goes_on(world: World, ref: str) -> bool:
    return deciding.goes_on_by_itself(world.services.ledger, world.services.policy, ref)


def goes_on_and_fails(world: World, ref: str) -> None:
    """The page's choice leads to a re-run, and that run fails."""
    says(world, ref)
    assert goes_on(world, ref)
    world.platform.outcome = "failed"
    world.walk(ref, until="verify", people=False)


# -- the way to the end ---------------------------------------------------------------------------------------------


def test_a_clear_choice_on_the_page_leads_to_the_re_run_and_says_where_the_decision_comes_from(world: World) -> None:
    ref = told(world)
    says(world, ref)
    assert goes_on(world, ref)
    case = world.case(ref)
    assert (case.state, case.decided) == (State.DECIDED, Decision.AFTER_CHANGE)
    assert case.decision is not None
    assert case.decision.actor == "caseproof"
    assert f"{CONTACT} said on the confirmation page that the change is made" in case.decision["reason"]
    assert (case.decision["review"], case.decision["validation"]) == ("another person", AT_THE_REVIEW)


@pytest.mark.parametrize(("paused_by", "goes"), [("caseproof", True), (DECIDER, False)])
def test_a_word_after_a_pause_for_want_of_an_answer_goes_on_and_after_a_persons_pause_it_does_not(
    world: World, paused_by: str, goes: bool
) -> None:
    ref = told(world)
    world.services.ledger.record(
        ref, Kind.KEPT_PAUSED, paused_by, until="2030-01-31", reason="No answer since the notice."
    )
    says(world, ref)
    assert goes_on(world, ref) is goes
    assert world.case(ref).state is (State.DECIDED if goes else State.PAUSED)


def test_j8_j11_it_closes_only_after_a_reviewer_said_what_was_checked_in_the_system(world: World) -> None:
    ref = told(world)
    says(world, ref)
    goes_on(world, ref)
    world.walk(ref, until="attach", people=False)
    approve: dict[str, Any] = {"approved": True, "by": REVIEWER, "remark": ""}
    with pytest.raises(NotAllowed, match=r"nobody has looked at it yet.*Look at the change in the system"):
        deciding.review(world.services.ledger, world.services.policy.team, ref, **approve, checked=" ")
    assert world.case(ref).state is State.VERIFIED

    deciding.review(world.services.ledger, world.services.policy.team, ref, **approve, checked=CHECKED)
    case = world.walk(ref)
    assert case.is_closed
    assert case.validated is not None
    assert (case.validated.actor, case.validated["how"]) == (REVIEWER, CHECKED)
    assert [check for check in verify_proof(world.proof(ref)) if not check.ok] == []
    proof = json.loads(world.proof(ref).read_text(encoding="utf-8"))
    assert (proof["rule"], [one["by"] for one in proof["approvals"]]) == ("J8", ["caseproof", REVIEWER])


def test_what_a_reviewer_checked_of_their_own_accord_is_written_down_too(world: World) -> None:
    ref = told(world)
    world.decide(ref, Decision.AFTER_FIX)
    world.walk(ref, until="attach", people=False)
    case = deciding.review(
        world.services.ledger, world.services.policy.team, ref, approved=True, by=REVIEWER, remark="", checked=CHECKED
    )
    assert case.validated is not None
    assert case.state is State.REVIEWED


def test_sent_back_it_is_told_anew_and_the_old_word_decides_nothing(world: World) -> None:
    ref = told(world)
    says(world, ref)
    goes_on(world, ref)
    world.walk(ref, until="attach", people=False)
    world.send_back(ref, "The old token is still there.")
    world.walk(ref, until="tell")
    assert not goes_on(world, ref)
    says(world, ref)
    assert goes_on(world, ref)


# -- where a person decides -----------------------------------------------------------------------------------------


def test_by_mail_it_goes_on_only_where_the_policy_says_so(make_world: MakeWorld) -> None:
    careful, trusting = make_world(), make_world(answers={"by_itself": ["mail"]})
    for world in (careful, trusting):
        ref = told(world)
        says(world, ref, way="mail")
        assert goes_on(world, ref) is (world is trusting)
    ref = trusting.open("offers/feed-a")
    decision = trusting.case(ref).decision
    assert decision is not None
    assert "said by mail" in decision["reason"]


@pytest.mark.parametrize("policy", [{"answers": {"by_itself": []}}, {"review": {"required": False}}])
def test_where_the_policy_does_not_want_it_a_person_decides(make_world: MakeWorld, policy: dict[str, Any]) -> None:
    world = make_world(**policy)
    ref = told(world)
    says(world, ref)
    assert not goes_on(world, ref)
    assert world.case(ref).state is State.WAITING


def test_j9_a_removal_never_goes_on_by_itself(make_world: MakeWorld) -> None:
    world = make_world(answers={"by_itself": ["page", "mail"]})
    for way in ("page", "mail"):
        ref = told(world)
        says(world, ref, "remove", way=way)
        assert not goes_on(world, ref)


def taken_off(world: World, ref: str) -> None:
    with world.services.store.uow() as uow:
        uow.people.remove_contact(str(world.case(ref).facts["retailer"]), CONTACT)
        uow.commit()


SPOILS: dict[str, Callable[[World, str], object]] = {
    "a question": replies,
    "the wish to be removed": lambda world, ref: says(world, ref, "remove"),
    "a clear choice with other words": lambda world, ref: says(world, ref, words="Not yet, we do it tomorrow."),
    "a clear choice with a question": lambda world, ref: says(world, ref, words="Done. Why did it stop at all?"),
    "a word that an operator typed in": lambda world, ref: world.confirm(ref),
    "that its writer does not speak for the retailer": taken_off,
}


@pytest.mark.parametrize("what", SPOILS)
def test_nothing_goes_on_after_something_else_was_said(world: World, what: str) -> None:
    ref = told(world)
    says(world, ref)
    SPOILS[what](world, ref)
    assert not goes_on(world, ref)
    assert world.count(ref, Kind.DECIDED) == 0


@pytest.mark.parametrize("what", SPOILS)
def test_what_was_said_before_the_clear_word_leaves_it_to_a_person_too(world: World, what: str) -> None:
    ref = told(world)
    SPOILS[what](world, ref)
    says(world, ref)
    assert not goes_on(world, ref)


@pytest.mark.parametrize("ways", [("page", "mail"), ("mail", "page")])
def test_a_button_and_a_mail_that_say_the_same_go_on_in_whichever_order_they_came(
    world: World, ways: tuple[str, str]
) -> None:
    ref = told(world)
    for way in ways:
        says(world, ref, way=way)
    assert goes_on(world, ref)
    decision = world.case(ref).decision
    assert decision is not None
    assert "on the confirmation page" in decision["reason"]


def test_j11_a_mail_after_a_failed_run_does_not_bring_back_the_button_from_before_it(world: World) -> None:
    ref = told(world)
    goes_on_and_fails(world, ref)
    says(world, ref, way="mail")
    assert not goes_on(world, ref)


def test_a_retailer_who_was_asked_nothing_decides_nothing(world: World) -> None:
    ref = world.open(cause="our_platform")
    world.walk(ref, until="tell")
    notice = world.case(ref).notice
    assert notice is not None
    assert notice["asks"] is False
    says(world, ref)
    assert not goes_on(world, ref)


def test_j6_an_account_that_the_team_keeps_paused_stays_so(world: World) -> None:
    ref = told(world)
    until = (world.clock.now + timedelta(days=30)).date()
    world.decide(ref, Decision.KEEP_PAUSED, until=until)
    says(world, ref)
    assert not goes_on(world, ref)
    assert world.case(ref).state is State.PAUSED


# -- once a word ----------------------------------------------------------------------------------------------------


def test_j11_a_run_that_failed_takes_a_new_word(world: World) -> None:
    ref = told(world)
    goes_on_and_fails(world, ref)
    assert world.case(ref).state is State.WAITING
    assert not goes_on(world, ref)
    assert world.count(ref, Kind.DECIDED) == 1
    says(world, ref, words="Now it is really done.")
    assert goes_on(world, ref)
    assert world.count(ref, Kind.DECIDED) == 2


def test_two_live_runs_of_one_case_decide_once(world: World) -> None:
    ref = told(world)
    says(world, ref)
    offices = [world.process() for _ in range(4)]
    start = threading.Barrier(len(offices), timeout=60)

    def run(number: int) -> bool:
        start.wait()
        return deciding.goes_on_by_itself(offices[number].ledger, offices[number].policy, ref)

    with ThreadPoolExecutor(len(offices)) as pool:
        assert list(pool.map(run, range(len(offices)))) == [True] * len(offices)
    assert world.count(ref, Kind.DECIDED) == 1


# -- a reply that a person counts -----------------------------------------------------------------------------------


def asked(world: World, ref: str, form: str = "retailers-word") -> int:
    number = world.case(ref).question_number + 1
    world.services.ledger.record(ref, Kind.QUESTION_ASKED, number=number, form=form, flow_run="a flow run")
    return number


def test_the_newest_reply_that_stood_above_the_form_becomes_the_retailers_word_as_it_came(world: World) -> None:
    ref = told(world)
    replies(world, ref, "What for?")
    reply = replies(world, ref, "I think I did it.").replies[-1]
    number = asked(world, ref)
    case = manual_confirmation.confirm_by_reply(world.services.ledger, ref, recorded_by=DECIDER, question=number)
    [recorded] = case.confirmations
    assert {name: recorded[name] for name in ("sender", "words", "evidence", "by_way_of")} == {
        name: reply[name] for name in ("sender", "words", "evidence", "by_way_of")
    }
    assert recorded.actor == DECIDER
    assert [one["words"] for one in case.open_replies] == ["What for?"]
    assert not goes_on(world, ref), "a person said what it means, and a person decides"
    again = manual_confirmation.confirm_by_reply(world.services.ledger, ref, recorded_by=DECIDER, question=number)
    assert again.confirmations == case.confirmations, "two live runs of one case read the same answer"


def test_a_reply_that_came_after_the_question_is_not_what_was_meant(world: World) -> None:
    ref = told(world)
    replies(world, ref, "I think I did it.")
    number = asked(world, ref)
    replies(world, ref, "No, wait: not yet!")
    with pytest.raises(NotAllowed, match=r"Another reply came.*Read it above"):
        manual_confirmation.confirm_by_reply(world.services.ledger, ref, recorded_by=DECIDER, question=number)
    assert world.case(ref).confirmations == ()


def test_where_no_reply_of_a_contact_is_left_the_refusal_says_what_to_do(world: World) -> None:
    ref = told(world)
    kept = {"evidence": digest("x"), "by_way_of": "mail", "why": "asks"}
    world.services.ledger.record(ref, Kind.REPLY_RECEIVED, sender="left@shop-a.example.com", words="Done.", **kept)
    world.services.ledger.record(
        ref, Kind.REPLY_RECEIVED, sender=CONTACT, words=" ", **kept | {"evidence": digest("y")}
    )
    with pytest.raises(NotAllowed, match=r"no reply in words of a registered contact.*Record what the retailer wrote"):
        manual_confirmation.confirm_by_reply(
            world.services.ledger, ref, recorded_by=DECIDER, question=asked(world, ref)
        )


def test_who_answers_has_looked_at_what_stood_above_the_form_and_at_nothing_later(world: World) -> None:
    ref = told(world)

    def came(name: str, place: Disposition) -> None:
        told_of = {"message_id": f"<{name}@example.com>", "sender": CONTACT, "subject": "Re:", "size": 9, "why": "asks"}
        with world.services.store.uow() as uow:
            uow.messages.add(digest(name), **told_of, way="mail", place=place, ref=ref, at=world.clock.now)
            uow.commit()
        world.clock.move(minutes=1)

    came("shown", Disposition.REPLY)
    came("counted", Disposition.COUNTED)
    number = asked(world, ref)
    world.clock.move(minutes=1)
    came("later", Disposition.REPLY)
    deciding.looked_at(world.services.ledger, ref, by=DECIDER, question=number)
    with world.services.store.reading() as uow:
        rows = {row.message_id: row.done_by for row in uow.messages.of_case(ref)}
    assert rows == {"<shown@example.com>": DECIDER, "<counted@example.com>": "", "<later@example.com>": ""}


def test_a_message_that_an_operator_records_leaves_the_list_of_what_waits_for_an_eye(world: World) -> None:
    ref = told(world)
    raw = f"From: {CONTACT}\r\nSubject: the token\r\n\r\nWe renewed it.\r\n".encode()
    kept = world.services.vault.put(raw, "message.eml", "message/rfc822")
    about = {"message_id": "", "sender": CONTACT, "subject": "the token", "size": len(raw), "why": "no case"}
    with world.services.store.uow() as uow:
        uow.messages.add(kept.digest, **about, way="mail", place=Disposition.UNMATCHED, at=world.clock.now)
        uow.commit()
    manual_confirmation.confirm_by_message(
        world.services.ledger, world.services.files, world.services.replies, ref, sender=CONTACT, raw=raw,
        recorded_by=DECIDER, authserv=AUTHSERV,
    )  # fmt: skip
    with world.services.store.reading() as uow:
        row = uow.messages.known(kept.digest)
        assert uow.messages.to_look_at(10) == []
    assert row is not None
    assert row.done_by == DECIDER


@pytest.mark.parametrize(
    ("subject", "text", "why"),
    [
        ("Automatische Antwort: der Token", "Ich bin ab Montag wieder da.", "automatic message"),
        ("Re: the token", "> Please renew the token.\n", "only quoted text"),
        ("Re: [JF-999999] the token", "We renewed it.", "it is about JF-999999"),
    ],
)
def test_a_mail_that_is_no_confirmation_stays_none_when_an_operator_hands_it_in(
    world: World, subject: str, text: str, why: str
) -> None:
    ref = told(world)
    raw = f"From: {CONTACT}\r\nSubject: {subject}\r\n\r\n{text}\r\n".encode()
    with pytest.raises(manual_confirmation.WordRefused, match=why):
        manual_confirmation.confirm_by_message(
            world.services.ledger, world.services.files, world.services.replies, ref, sender=CONTACT, raw=raw,
            recorded_by=DECIDER, authserv=AUTHSERV,
        )  # fmt: skip
    assert world.kinds(ref)[-1] is Kind.CONFIRMATION_REFUSED


# -- what the front line reads --------------------------------------------------------------------------------------


def comments(world: World) -> list[str]:
    [row] = world.tickets()
    with world.services.store.reading() as uow:
        return [comment.text for comment in uow.tickets.comments(row.id)]


def test_the_ticket_says_once_what_the_retailer_wrote_and_what_does_not_count_and_why(world: World) -> None:
    ref = told(world)
    replies(world, ref, "Which token?\n- the old one?")
    kept = world.services.files.keep(ref, b"ooo", "ooo.eml", "message/rfc822")
    refused = {"sender": "x@example.com", "why": "x@example.com is not a registered contact", "evidence": kept}
    world.services.ledger.record(ref, Kind.CONFIRMATION_REFUSED, **refused)
    says(world, ref, words="We renewed it.")
    before = len(comments(world))
    for _ in range(2):
        ticket.note_words(world.services.ledger, world.services.effects, world.services.links, world.desk, ref)
    asks, stranger, changed = comments(world)[before:]
    assert "> Which token?\n> \u00a0- the old one?" in asks  # words, and no list of a ticket's own
    assert "It confirms nothing by itself: asks for help." in asks
    assert "does not count: x@example.com is not a registered contact." in stranger
    assert "The retailer's written word (J8): " in changed
    assert f'{CONTACT}, on the confirmation page: "the change is made"' in changed
    assert world.services.links.evidence_url(world.case(ref).confirmations[0]["evidence"]) in changed


def test_the_desk_is_not_called_where_nothing_is_new(world: World) -> None:
    ref = told(world)
    assert ticket.words_to_note(world.services.store, world.case(ref)) == []
    says(world, ref)
    assert len(ticket.words_to_note(world.services.store, world.case(ref))) == 1
    ticket.note_words(world.services.ledger, world.services.effects, world.services.links, world.desk, ref)
    assert ticket.words_to_note(world.services.store, world.case(ref)) == []
    calls = world.desk.faulty.did("comment")
    ticket.note_words(world.services.ledger, world.services.effects, world.services.links, world.desk, ref)
    assert world.desk.faulty.did("comment") == calls


def test_a_word_on_a_closed_case_waits_for_the_ticket_to_be_opened_again(world: World) -> None:
    """No run looks after a closed case; whoever opens it again finds the late word on the ticket."""
    ref = world.closed()
    replies(world, ref, "It fails again!")
    world.services.ledger.record(ref, Kind.REOPENED, DECIDER, why="It fails again.")
    world.walk(ref, until="ticket")
    ticket.note_words(world.services.ledger, world.services.effects, world.services.links, world.desk, ref)
    assert "> It fails again!" in comments(world)[-1]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_choice_without_typed_words_is_clear_in_every_language(world: World, language: str) -> None:
    ref = told(world)
    says(world, ref, words=words_of(language, "page")["choice_changed"])
    assert goes_on(world, ref)


@pytest.mark.parametrize("choice", Choice)
def test_every_choice_of_the_page_has_words_for_people(world: World, choice: Choice) -> None:
    ref = told(world)
    [said] = says(world, ref, str(choice)).confirmations
    assert came_by(said) not in ("", f'on the confirmation page: "{choice}"')
