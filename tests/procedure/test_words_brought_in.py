"""One rule for words, whichever way they come (J8): what a person brings in is looked at like what came by itself."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from caseproof.config.policy import Policy
from caseproof.domain.case import Case
from caseproof.domain.closure import closure_blockers
from caseproof.domain.errors import NotAllowed, NotOnTheTeam
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.job_failure.lifecycle import State
from caseproof.domain.vocabulary import Decision, Disposition
from caseproof.evidence.proof import read_proof, verify_proof
from caseproof.procedure.answers import manual_confirmation
from caseproof.procedure.answers.agreement import settle_doubts
from caseproof.procedure.answers.receiving import Received, receive
from caseproof.procedure.closing import deciding
from caseproof.procedure.closing.ticket import note_words, words_to_note
from caseproof.procedure.core.retailer_answer import doubts
from caseproof.procedure.views.case_page import case_page, next_action
from caseproof.procedure.views.questions import case_question, what_to_agree
from caseproof.web import views
from tests.support.retailer_mail import AUTHSERV, DONE, answer, returned
from tests.support.world import CONTACT, DECIDER, REVIEWER, World

LONG_AGO = datetime.fromisoformat("2001-09-09T01:46:40+00:00")
SECOND = "second@shop-a.example.com"


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    """A world whose policy names a mailbox."""
    return make_world(answers={"mailbox": "retailers"})


@pytest.fixture
def told(world: World) -> tuple[str, bytes]:
    """A case whose retailer got the notice; the case, and the letter."""
    ref = world.open()
    world.walk(ref, until="tell")
    return ref, world.mail.taken[-1][0]


def dated(world: World, letter: bytes, words: str = DONE, *, at: datetime | None = None, **more: object) -> bytes:
    """An answer as the contact's own mail program would date it."""
    return answer(letter, words, **{"Date": format_datetime(at or world.clock()), **more})  # type: ignore[arg-type]


def brings(
    world: World, ref: str, raw: bytes, *, by: str = DECIDER, sender: str = CONTACT, arrived: bool = True
) -> Case:
    """Somebody brings in a file; ``arrived``: the inbox saw it, and made no word of it."""
    services = world.services
    if arrived:
        saw_arrive(world, raw)
    return manual_confirmation.confirm_by_message(
        services.ledger, services.files, services.replies, ref, sender=sender, raw=raw, recorded_by=by,
        authserv=AUTHSERV,
    )  # fmt: skip


def saw_arrive(world: World, raw: bytes) -> None:
    with world.services.store.uow() as uow:
        if uow.messages.came(digest := hashlib.sha256(raw).hexdigest()) is None:
            uow.messages.add(
                "0" * 24 + digest[24:], original=digest, message_id="", sender="", subject="", size=len(raw),
                way="mail", place=Disposition.UNMATCHED, why="it answers no mail of ours", at=world.clock(),
            )  # fmt: skip
            uow.commit()


def arrives(world: World, raw: bytes) -> Received:
    services = world.services
    return receive(services.ledger, services.vault, services.replies, raw, authserv=AUTHSERV)


def asks(world: World, ref: str, form: str = "agreement") -> int:
    number = world.case(ref).question_number + 1
    world.services.ledger.record(ref, Kind.QUESTION_ASKED, number=number, form=form, flow_run="a flow run")
    return number


def says(world: World, ref: str, by: str = REVIEWER, *, counts: bool = True, remark: str = "") -> Case:
    """Somebody answers the form that asks whether the word counts."""
    services, number = world.services, asks(world, ref)
    return settle_doubts(
        services.ledger, services.policy.team, ref, counts=counts, by=by, remark=remark, question=number
    )


def codes(case: Case) -> list[str]:
    return [doubt["code"] for word in case.confirmations for doubt in word.get("doubts") or ()]


# -- the same checks as for a mail that came by itself ----------------------------------------------------------------


def test_a_mail_that_the_inbox_would_have_counted_counts_at_once_when_a_person_brings_it_in(
    world: World, told: tuple[str, bytes]
) -> None:
    ref, letter = told
    case = brings(world, ref, dated(world, letter))
    assert (codes(case), case.doubted) == ([], ())
    assert len(case.words) == 1
    assert world.decide(ref, Decision.AFTER_CHANGE).state is State.DECIDED


def other_letter(world: World) -> bytes:
    world.platform.add("offers/feed-b")
    other = world.open(job="offers/feed-b")
    world.walk(other, until="tell")
    return world.mail.taken[-1][0]


ATTACKS: dict[str, tuple[str, Callable[[World, bytes], bytes]]] = {
    "a forged sender": ("not_genuine", lambda world, letter: dated(world, letter, genuine=False)),
    "nobody vouches for the sender": (
        "not_genuine", lambda world, letter: dated(world, letter).partition(b"\r\n")[2],
    ),
    "a server that is not ours vouches": (
        "not_genuine", lambda world, letter: dated(world, letter).replace(AUTHSERV.encode(), b"mx.elsewhere.example"),
    ),
    "an answer to another case": (
        "answers_another", lambda world, _: dated(world, other_letter(world), subject="Re: your mail"),
    ),
    "an answer to no mail of ours": ("no_answer_of_ours", lambda world, letter: dated(world, letter, threaded=False)),
    "an answer past the signed address": (
        "other_address", lambda world, letter: dated(world, letter, to="cases@example.com"),
    ),
    "a mail from 2001": ("dated_before", lambda world, letter: dated(world, letter, at=LONG_AGO)),
    "a mail from an hour before our notice": (
        "dated_before", lambda world, letter: dated(world, letter, at=world.clock() - timedelta(hours=1)),
    ),
    "a mail from tomorrow": (
        "dated_ahead", lambda world, letter: dated(world, letter, at=world.clock() + timedelta(days=1)),
    ),
    "a mail without a date": ("no_date", lambda _, letter: answer(letter)),
    "a mail with a broken date": ("no_date", lambda _, letter: answer(letter, Date="on a Friday")),
    "words of another case": (
        "names_other_cases", lambda world, letter: dated(world, letter, f"{DONE} That was JF-000077."),
    ),
    "words that say something else": (
        "not_yet", lambda world, letter: dated(world, letter, "Not yet, we will do it on Monday."),
    ),
    "what was done before we wrote": (
        "before_the_notice", lambda world, letter: dated(world, letter, "We renewed the token on 18 November."),
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def one_case(
    tmp_path_factory: pytest.TempPathFactory, migrated: Path, built_in: Policy
) -> Iterator[tuple[World, str, bytes]]:
    """A case that each attack leaves as it found it."""
    home = Path(shutil.copytree(migrated, tmp_path_factory.mktemp("one") / "home"))
    world = World(home, policy=Policy.model_validate(built_in.model_dump() | {"answers": {"mailbox": "retailers"}}))
    ref = world.open()
    world.walk(ref, until="tell")
    yield world, ref, world.mail.taken[-1][0]
    world.services.store.close()


@pytest.mark.parametrize(("code", "made"), ATTACKS.values(), ids=ATTACKS)
def test_what_the_inbox_would_refuse_founds_no_decision_when_one_person_brings_it_in(
    one_case: tuple[World, str, bytes], code: str, made: Callable[[World, bytes], bytes]
) -> None:
    world, ref, letter = one_case
    case = brings(world, ref, made(world, letter))
    assert [doubt["code"] for doubt in case.confirmations[-1]["doubts"]] == [code]
    assert (case.words, len(case.doubted)) == ((), 1)
    assert f"Somebody else than {DECIDER}" in next_action(case)
    for decision in (Decision.AFTER_CHANGE, Decision.REMOVE):
        with pytest.raises(NotAllowed, match=r"J8: .*something speaks against the one that operator brought in"):
            world.decide(ref, decision)
    says(world, ref, counts=False)


def test_a_mail_that_came_and_was_edited_before_it_is_brought_in_founds_no_decision_by_one_person(
    world: World, told: tuple[str, bytes]
) -> None:
    """The file says what our own server found of the mail before the edit."""
    ref, letter = told
    raw = dated(world, letter, "Not yet, we will do it on Monday.")
    assert arrives(world, raw).place is Disposition.REPLY
    case = brings(world, ref, raw.replace(b"Not yet, we will do it on Monday.", DONE.encode()), arrived=False)
    assert (codes(case), case.words) == (["not_seen_arriving"], ())
    with pytest.raises(NotAllowed, match="J8"):
        world.decide(ref, Decision.AFTER_CHANGE)
    assert len(says(world, ref).words) == 1


def test_where_no_mailbox_is_named_nobody_saw_anything_arrive_and_that_is_no_doubt_of_its_own(
    make_world: Callable[..., World],
) -> None:
    world = make_world()
    ref = world.open()
    world.walk(ref, until="tell")
    raw = dated(world, world.mail.taken[-1][0], genuine=False)
    assert "not_seen_arriving" not in codes(brings(world, ref, raw, arrived=False))


def test_a_mail_that_was_kept_with_its_keys_is_known_again(world: World, told: tuple[str, bytes]) -> None:
    """As the versions before kept it: the case's evidence and the inbox's row name the digest of what came."""
    ref, letter = told
    raw = dated(world, letter)
    services = world.services
    digest = services.files.keep(ref, raw, "x.eml", "message/rfc822")
    known = {"sender": CONTACT, "words": DONE, "evidence": digest, "by_way_of": "message"}
    services.ledger.record(ref, Kind.CONFIRMATION_RECEIVED, DECIDER, **known)
    with services.store.uow() as uow:
        uow.messages.add(
            digest, message_id="", sender=CONTACT, subject="", size=len(raw), way="mail", place=Disposition.REPLY,
            why="", at=world.clock(),
        )  # fmt: skip
        uow.commit()
    assert not arrives(world, raw).new
    case = brings(world, ref, raw)
    assert len(case.confirmations) == 1
    with services.store.reading() as uow:
        assert uow.messages.to_look_at(9) == [], "who hands it in has looked at it"


def test_once_somebody_else_agrees_a_decision_may_rest_on_a_doubted_word(world: World, told: tuple[str, bytes]) -> None:
    ref, letter = told
    brings(world, ref, dated(world, letter, genuine=False, at=LONG_AGO))
    assert len(says(world, ref).words) == 1
    assert world.decide(ref, Decision.AFTER_CHANGE).state is State.DECIDED


def test_all_that_speaks_against_a_word_is_written_down_with_it_and_not_only_the_first(
    world: World, told: tuple[str, bytes]
) -> None:
    ref, letter = told
    raw = dated(world, letter, genuine=False, threaded=False, at=LONG_AGO)
    assert codes(brings(world, ref, raw)) == ["not_genuine", "no_answer_of_ours", "dated_before"]


def test_an_answer_to_the_notice_of_an_earlier_round_founds_nothing_by_one_person(world: World) -> None:
    ref = world.open()
    world.walk(ref, until="attach")
    letter = world.mail.taken[0][0]
    world.send_back(ref, "It still fails for one offer.")
    world.walk(ref, until="tell")
    assert codes(brings(world, ref, dated(world, letter))) == ["earlier_notice"]


def test_a_mail_that_the_inbox_refused_is_no_better_when_a_person_hands_in_the_same_file(
    world: World, told: tuple[str, bytes]
) -> None:
    ref, letter = told
    raw = dated(world, letter, genuine=False)
    services = world.services
    got = receive(services.ledger, services.vault, services.replies, raw, authserv=AUTHSERV)
    assert got.place is Disposition.REFUSED
    assert codes(brings(world, ref, raw)) == ["not_genuine"]


def test_the_ticket_hears_that_a_word_does_not_count_though_the_inbox_refused_the_same_file_before(
    world: World, told: tuple[str, bytes]
) -> None:
    ref, letter = told
    raw = dated(world, letter, genuine=False)
    arrives(world, raw)
    services, desk = world.services, world.desk
    note_words(services.ledger, services.effects, services.links, desk, ref)
    brings(world, ref, raw)
    says(world, ref, counts=False)
    note_words(services.ledger, services.effects, services.links, desk, ref)
    [row] = world.tickets()
    with services.store.reading() as uow:
        comments = [comment.text for comment in uow.tickets.comments(row.id)]
    assert [text for text in comments if f"{REVIEWER} says that it is not the retailer's word" in text]
    assert words_to_note(services.store, world.case(ref)) == []


@pytest.mark.parametrize(
    "made",
    [
        lambda letter: answer(letter, Auto_Submitted="auto-replied"),
        lambda letter: returned(letter, CONTACT).replace(b"mailer-daemon@mail.example.net", CONTACT.encode()),
        lambda letter: answer(letter, "> We made the change."),
        lambda letter: answer(letter, sender="stranger@elsewhere.example.com"),
        lambda letter: answer(letter, subject="Re: [JF-000077] your mail"),
    ],
    ids=["a program's", "a report", "only quoted", "a stranger's", "another case's by its subject"],
)
def test_what_nobody_can_make_the_retailers_word_is_refused_and_kept(
    world: World, told: tuple[str, bytes], made: Callable[[bytes], bytes]
) -> None:
    ref, letter = told
    raw = made(letter)
    sender = "stranger@elsewhere.example.com" if b"stranger@" in raw else CONTACT
    with pytest.raises(manual_confirmation.WordRefused):
        brings(world, ref, raw, sender=sender)
    case = world.case(ref)
    assert (case.confirmations, case.events[-1].kind) == ((), Kind.CONFIRMATION_REFUSED)


def test_what_is_typed_in_has_no_mail_to_look_at_so_somebody_else_has_to_agree(
    world: World, told: tuple[str, bytes]
) -> None:
    """Else whoever is refused with a file types its words in."""
    ref, _ = told
    case = world.confirm(ref, agreed=False)
    assert (codes(case), case.words) == (["typed_in"], ())
    with pytest.raises(NotAllowed, match="J8"):
        world.decide(ref, Decision.REMOVE)
    says(world, ref)
    assert world.decide(ref, Decision.REMOVE).state is State.DECIDED


@pytest.mark.parametrize(
    ("words", "found"),
    [("I think I did it.", []), ("Not yet, on Monday.", ["not_yet"]), ("How do we renew it?", ["question"])],
)
def test_a_reply_that_a_person_counts_keeps_what_speaks_against_it_but_for_being_unclear(
    world: World, told: tuple[str, bytes], words: str, found: list[str]
) -> None:
    ref, letter = told
    services = world.services
    receive(services.ledger, services.vault, services.replies, dated(world, letter, words), authserv=AUTHSERV)
    number = asks(world, ref, "retailers-word")
    case = manual_confirmation.confirm_by_reply(services.ledger, ref, recorded_by=DECIDER, question=number)
    assert codes(case) == found
    assert bool(case.words) is not bool(found)
    assert case.confirmations[-1]["original"] == case.replies[-1]["original"], "the digest of what came goes with it"


def test_an_answer_that_came_by_itself_but_is_dated_before_our_notice_is_read_by_a_person(
    world: World, told: tuple[str, bytes]
) -> None:
    """One rule: also whoever counts it then needs somebody else."""
    ref, letter = told
    services = world.services
    raw = dated(world, letter, at=LONG_AGO)
    got = receive(services.ledger, services.vault, services.replies, raw, authserv=AUTHSERV)
    assert (got.place, world.case(ref).confirmations) == (Disposition.REPLY, ())
    number = asks(world, ref, "retailers-word")
    case = manual_confirmation.confirm_by_reply(services.ledger, ref, recorded_by=DECIDER, question=number)
    assert codes(case) == ["dated_before"]


# -- who agrees -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spelt", [DECIDER, " OPERATOR ", "Operator"])
def test_who_brought_it_in_cannot_agree_however_the_name_is_spelt(
    world: World, told: tuple[str, bytes], spelt: str
) -> None:
    ref, letter = told
    word = brings(world, ref, dated(world, letter, genuine=False)).doubted[0]
    with pytest.raises(NotAllowed, match="operator brought in this word"):
        says(world, ref, spelt)
    with pytest.raises(NotAllowed, match="brought in this word"):  # whatever way the event comes
        world.services.ledger.record(ref, Kind.WORD_AGREED, spelt, sender=CONTACT, evidence=word["evidence"])
    assert world.case(ref).words == ()


def test_nobody_off_the_team_agrees_and_nobody_agrees_to_what_is_not_there(
    world: World, told: tuple[str, bytes]
) -> None:
    ref, letter = told
    with pytest.raises(NotAllowed, match="No word above"):
        says(world, ref)
    brings(world, ref, dated(world, letter, genuine=False))
    with pytest.raises(NotOnTheTeam, match="a visitor is not on the team list"):
        says(world, ref, "a visitor")
    with pytest.raises(NotAllowed, match=r"no such word of x@example\.com waits"):
        world.services.ledger.record(ref, Kind.WORD_AGREED, REVIEWER, sender="x@example.com", evidence="ab")


def test_a_word_that_came_while_somebody_agreed_to_another_is_not_meant(world: World, told: tuple[str, bytes]) -> None:
    ref, letter = told
    services = world.services
    brings(world, ref, dated(world, letter, genuine=False))
    number = asks(world, ref)
    brings(world, ref, dated(world, letter, "Please remove the integration.", genuine=False))
    case = settle_doubts(services.ledger, services.policy.team, ref, counts=True, by=REVIEWER, question=number)
    assert [word["words"].splitlines()[0] for word in case.words] == [DONE]
    assert len(case.doubted) == 1


def test_a_word_that_does_not_count_waits_no_more_and_can_be_brought_in_again(
    world: World, told: tuple[str, bytes]
) -> None:
    ref, letter = told
    raw = dated(world, letter, genuine=False)
    brings(world, ref, raw)
    case = says(world, ref, DECIDER, counts=False, remark="They say they never wrote it")
    assert (case.words, case.doubted) == ((), ())
    assert "does not count" in doubts(case, case.confirmations[0])[1]
    again = brings(world, ref, raw, by=REVIEWER)
    assert [word.actor for word in again.doubted] == [REVIEWER], "another one brings it in, and is asked for anew"
    assert says(world, ref, DECIDER).words[0].actor == REVIEWER


def test_an_agreement_after_the_decision_founds_nothing(world: World, told: tuple[str, bytes]) -> None:
    """The closing lists it; the store refuses such a decision before."""
    ref, letter = told
    brings(world, ref, dated(world, letter))
    case = brings(world, ref, dated(world, letter, genuine=False))
    assert len(case.words) == 1
    world.decide(ref, Decision.REMOVE)
    world.agree(ref)
    assert {"confirmed", "agreed"}.isdisjoint(blocker.code for blocker in closure_blockers(world.case(ref)))


def test_nothing_goes_on_by_itself_beside_a_word_that_something_speaks_against(
    make_world: Callable[..., World],
) -> None:
    world = make_world(answers={"mailbox": "retailers", "by_itself": ["mail"]})
    ref = world.open()
    world.walk(ref, until="tell")
    letter, services = world.mail.taken[-1][0], world.services
    world.confirm(ref, "Please remove it.", agreed=False)
    receive(services.ledger, services.vault, services.replies, dated(world, letter), authserv=AUTHSERV)
    assert world.case(ref).words[0]["by_way_of"] == "mail"
    assert not deciding.goes_on_by_itself(services.ledger, services.policy, ref)


# -- where it stands --------------------------------------------------------------------------------------------------


def test_the_case_asks_the_second_person_and_what_speaks_against_it_stands_in_the_form_on_the_pages_and_in_the_proof(
    world: World, told: tuple[str, bytes]
) -> None:
    ref, letter = told
    brings(world, ref, dated(world, letter, genuine=False))
    world.walk(ref, people=False)
    case = world.case(ref)
    assert case.question is not None
    assert case.question["form"] == "agreement"
    form = case_question(case, "https://cases.example.com/1", what_to_agree(case))
    assert "it may not be from" in form
    assert f"somebody else than {DECIDER}" in form
    for page in (
        case_page(case, case_url="https://c.example.com", evidence_url="https://e.example.com"),
        str(views.case_page(world.services.store, world.vault, ref, "").said),
    ):
        assert "Something speaks against it: it may not be from" in page

    says(world, ref, remark="I called the owner")
    world.decision = Decision.REMOVE
    closed = world.walk(ref)
    assert closed.is_closed
    with world.services.store.reading() as uow:
        notes = [comment.text for comment in uow.tickets.comments(world.tickets()[0].id)]
    assert any("Something speaks against it: it may not be from" in note for note in notes)
    assert any(f"{REVIEWER} agreed" in note for note in notes)
    proof = read_proof(world.proof(ref))
    [word] = proof["confirmations"]
    assert [doubt["code"] for doubt in word["doubts"]] == ["not_genuine"]
    assert (word["brought_by"], word["agreed"]["by"]) == (DECIDER, REVIEWER)
    assert "agreed" in [condition["code"] for condition in proof["conditions"]]
    assert all(check.ok for check in verify_proof(world.proof(ref)))


@pytest.mark.parametrize("way", ["by mail", "typed in", "brought in"])
def test_a_contact_that_was_registered_after_the_failure_is_marked_so_whichever_way_they_write(
    world: World, told: tuple[str, bytes], way: str
) -> None:
    ref, letter = told
    services = world.services
    with services.store.uow() as uow:
        uow.people.add_contact("Shop A", SECOND, at=world.clock())
        uow.commit()
    raw = dated(world, letter, sender=SECOND)
    if way == "by mail":
        receive(services.ledger, services.vault, services.replies, raw, authserv=AUTHSERV)
    elif way == "typed in":
        world.confirm(ref, sender=SECOND)
    else:
        brings(world, ref, raw, sender=SECOND)
    case = world.case(ref)
    [word] = case.words
    assert [note["code"] for note in word["notes"]] == ["contact_since"]
    assert "was registered as a contact on 2026-11-20" in case_question(case, "https://c.example.com", "")
    assert "after the job had failed" in case_page(case, case_url="https://c.example.com", evidence_url="https://e.x")


def test_a_contact_that_was_known_before_the_failure_is_marked_by_nothing(
    world: World, told: tuple[str, bytes]
) -> None:
    ref, letter = told
    with world.services.store.uow() as uow:
        uow.people.add_contact("Shop A", SECOND, at=world.clock() - timedelta(days=30))
        uow.commit()
    case = brings(world, ref, dated(world, letter, sender=SECOND), sender=SECOND)
    assert case.words[0].get("notes") is None
