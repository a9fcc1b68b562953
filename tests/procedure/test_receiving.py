"""Each mail from a retailer ends in one place, and only a registered contact's own clear words count (J5, J8, J11)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta
from email.utils import parseaddr

import pytest

from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.job_failure.lifecycle import State
from caseproof.domain.vocabulary import Decision, Disposition
from caseproof.evidence.signing import answer_token, case_of_address, reply_address
from caseproof.procedure.answers import kept_mail
from caseproof.procedure.answers.answer_link import Asked, LinkState, asked
from caseproof.procedure.answers.inbox import InboxPass, MailIntake, read_inbox
from caseproof.procedure.answers.kept_mail import without_keys
from caseproof.procedure.answers.receiving import Received, receive
from caseproof.procedure.core.causes import correct_cause
from caseproof.store import MessageRow
from tests.support.fakes import Killed
from tests.support.keeper import Keeper, waits
from tests.support.retailer_mail import AUTHSERV, DONE, FakeInbox, answer, letter_of, returned
from tests.support.world import CONTACT, World

SECOND = "second@shop-a.example.com"


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    """A world whose policy names a mailbox."""
    return make_world(answers={"mailbox": "retailers"})


def told(world: World, **job: str) -> tuple[str, bytes]:
    """A case whose retailer got the notice; the case, and the letter."""
    ref = world.open(**job)
    world.walk(ref, until="tell")
    return ref, world.mail.taken[-1][0]


def take_in(world: World, raw: bytes) -> Received:
    return receive(world.services.ledger, world.services.vault, world.services.replies, raw, authserv=AUTHSERV)


def rows(world: World) -> list[MessageRow]:
    """All messages in the store."""
    with world.services.store.reading() as uow:
        found = [uow.messages.get(number) for number in range(1, 100)]
    return [row for row in found if row is not None]


def unchanged(world: World, ref: str, raw: bytes) -> Received:
    """Take it in and see that the case took nothing down."""
    before = world.case(ref).version
    got = take_in(world, raw)
    assert world.case(ref).version == before
    return got


# -- what counts ------------------------------------------------------------------------------------------------------


def test_a_contacts_clear_answer_to_our_letter_is_recorded_word_for_word_with_the_mail_as_evidence(
    world: World,
) -> None:
    ref, letter = told(world)
    raw = answer(letter, DONE)
    got = take_in(world, raw)
    assert (got.place, got.cases, got.new) == (Disposition.COUNTED, (ref,), True)
    [word] = world.case(ref).words
    assert word["words"].strip() == DONE
    assert (word["sender"], word["by_way_of"], word["choice"]) == (CONTACT, "mail", "changed")
    assert world.vault.read(word["evidence"]) == without_keys(raw).content, "its address is signed by us"
    assert word["original"] == hashlib.sha256(raw).hexdigest()
    with world.services.store.reading() as uow:
        assert word["evidence"] in {file.digest for file in uow.evidence.of(ref)}
    assert world.case(ref).state is State.WAITING, "the word is no decision"


@pytest.mark.parametrize("registered", ["owner@m\u00fcller.example", "owner@xn--mller-kva.example"])
@pytest.mark.parametrize("written", [b"m\xc3\xbcller", b"xn--mller-kva"])
def test_a_contact_s_umlaut_domain_counts_however_the_list_and_the_mail_spell_it(
    world: World, registered: str, written: bytes
) -> None:
    with world.services.store.uow() as uow:
        uow.people.add_contact("Shop A", registered)
        uow.commit()
    ref = world.open()
    world.walk(ref, until="tell")
    letter = next(raw for raw, *_ in world.mail.taken if b"To: owner@xn--mller-kva.example" in raw)
    raw = answer(letter, DONE, sender="owner@xn--mller-kva.example").replace(b"xn--mller-kva", written)
    got = take_in(world, raw)
    assert (got.place, got.cases) == (Disposition.COUNTED, (ref,))


def test_an_answer_that_asks_to_remove_the_integration_says_so(world: World) -> None:
    ref, letter = told(world)
    take_in(world, answer(letter, "We no longer sell there. Please remove the integration."))
    assert world.case(ref).words[0]["choice"] == "remove"


@pytest.mark.parametrize(
    "words", ["Not yet, we will do it on Monday.", "How do we renew the token?", "Thank you for your mail."]
)
def test_words_that_are_no_clear_confirmation_are_shown_to_a_person_and_confirm_nothing(
    world: World, words: str
) -> None:
    ref, letter = told(world)
    got = take_in(world, answer(letter, words))
    assert got.place is Disposition.REPLY
    assert world.case(ref).confirmations == ()
    [reply] = world.case(ref).replies
    assert reply["words"].strip() == words
    assert reply["why"].startswith("the retailer ")
    assert rows(world)[0].needs_eye


@pytest.mark.parametrize("day", ["on Monday", "yesterday", "on 18 November", "am 18.11."])
def test_what_was_done_before_our_mail_is_no_answer_to_it_and_the_sentence_is_marked(world: World, day: str) -> None:
    ref, letter = told(world)
    got = take_in(world, answer(letter, f"Hello.\nWe renewed the token {day}.\nBye"))
    assert got.place is Disposition.REPLY
    assert got.why == f"it tells what was done before our mail: \u00bbWe renewed the token {day}.\u00ab"
    assert world.case(ref).confirmations == ()
    assert rows(world)[0].needs_eye


def test_what_was_done_to_something_else_than_we_asked_for_is_shown_to_a_person_and_the_sentence_is_marked(
    world: World,
) -> None:
    ref, letter = told(world)
    got = take_in(world, answer(letter, "Hello.\nThe missing prices have been added.\nBye"))
    assert got.place is Disposition.REPLY
    asked = "it tells of something else than our mail asked for: \u00bbThe missing prices have been added.\u00ab"
    assert got.why == asked
    assert world.case(ref).confirmations == ()
    assert rows(world)[0].needs_eye


def test_what_was_done_since_our_mail_is_an_answer_whichever_day_it_names(world: World) -> None:
    ref, letter = told(world)
    world.clock.move(hours=75)
    for number, day in enumerate(("yesterday", "on 20 November", "on Sunday", "am 21.11.")):
        assert take_in(world, answer(letter, f"We renewed the token {day}.")).place is Disposition.COUNTED
        assert len(world.case(ref).words) == number + 1


def test_a_sentence_that_only_sounds_like_an_answer_is_marked_for_whoever_looks(world: World) -> None:
    ref, letter = told(world)
    got = take_in(world, answer(letter, "Hello.\nI changed the password a few days back.\nBye"))
    assert got.place is Disposition.REPLY
    assert got.why.endswith("look at \u00bbI changed the password a few days back.\u00ab")
    assert world.case(ref).confirmations == ()


def test_one_answer_to_a_shared_letter_is_each_cases_word(world: World) -> None:
    refs, letter = shared(world)
    got = take_in(world, answer(letter))
    assert got.cases == tuple(refs)
    words = [world.case(ref).words for ref in refs]
    assert [len(of_case) for of_case in words] == [1, 1, 1]
    assert len({of_case[0]["evidence"] for of_case in words}) == 1
    assert len(rows(world)) == 1


def test_an_answer_to_a_shared_letter_that_names_cases_is_about_those_alone(world: World) -> None:
    refs, letter = shared(world)
    take_in(world, answer(letter, f"{refs[1].lower()}: we have made the change."))
    assert [len(world.case(ref).words) for ref in refs] == [0, 1, 0]


def test_an_answer_that_names_a_case_which_the_letter_was_not_about_counts_for_none(world: World) -> None:
    ref, letter = told(world)
    got = take_in(world, answer(letter, "JF-000099: we have made the change."))
    assert got.place is Disposition.REPLY
    assert "JF-000099" in got.why
    assert world.case(ref).confirmations == ()


def shared(world: World) -> tuple[list[str], bytes]:
    """Three cases of one letter, as a check opens them."""
    refs: list[str] = []
    for job in ("offers/a", "offers/b", "offers/c"):
        world.platform.add(job)
        opened = {
            "platform": "jobs", "job": job, "job_name": job, "job_url": f"https://jobs.example.com/jobs/{job}",
            "retailer": "Shop A", "marketplace": "North", "cause": "expired_token", "summary": "401", "how": "a check",
            "scope": "job", "check": "pass-1",
        } | ({"shares_notice_with": refs[0]} if refs else {})  # fmt: skip
        with world.services.store.uow() as uow:
            refs.append(uow.cases.create(world.services.ledger.event(Kind.OPENED, **opened)).ref)
            uow.commit()
        world.walk(refs[-1], until="ticket")
    for ref in refs:
        world.step("tell", ref)
    assert len(world.mail.taken) == 1
    return refs, world.mail.taken[0][0]


def test_every_contact_of_the_retailer_may_answer_also_the_letter_of_another(world: World) -> None:
    world.register("Shop A", SECOND)
    ref, _ = told(world)
    first, second = (content for content, _, _ in world.mail.taken)
    assert take_in(world, answer(first, sender=SECOND)).place is Disposition.COUNTED
    assert take_in(world, answer(second, "We have made the change in the shop.")).place is Disposition.COUNTED
    assert [word["sender"] for word in world.case(ref).words] == [SECOND, CONTACT]


# -- what does not count, with its reason -----------------------------------------------------------------------------


def test_a_strangers_answer_is_refused_with_the_reason_and_wakes_nobody(world: World) -> None:
    ref, letter = told(world)
    world.services.ledger.record(ref, Kind.QUESTION_ASKED, number=1, form="retailers-word", flow_run="r")
    got = take_in(world, answer(letter, sender="stranger@elsewhere.example.org"))
    assert got.place is Disposition.REFUSED
    assert "stranger@elsewhere.example.org is not a registered contact of Shop A" in got.why
    assert world.count(ref, Kind.CONFIRMATION_REFUSED) == 1
    assert not world.case(ref).has_news


def test_a_contact_whom_our_server_does_not_vouch_for_is_refused(world: World) -> None:
    ref, letter = told(world)
    got = take_in(world, answer(letter, genuine=False))
    assert got.place is Disposition.REFUSED
    assert f"it may not be from {CONTACT}" in got.why
    assert world.case(ref).confirmations == ()


def test_without_the_name_of_our_own_server_no_mail_counts(world: World) -> None:
    ref, letter = told(world)
    here = world.services
    assert receive(here.ledger, here.vault, here.replies, answer(letter), authserv="").place is Disposition.REFUSED
    assert world.case(ref).confirmations == ()


def test_a_new_mail_to_the_signed_address_that_answers_no_letter_is_refused(world: World) -> None:
    ref, letter = told(world)
    got = take_in(world, answer(letter, threaded=False))
    assert got.place is Disposition.REFUSED
    assert got.why == f"it is sent to the address of {ref}, but answers no mail of ours about it"
    assert world.kinds(ref)[-1] is Kind.CONFIRMATION_REFUSED


@pytest.mark.parametrize("to", ["cases@example.com", "cases+jf-000001-aaaaaaaaaaaaaaaa@example.com"])
def test_an_answer_past_the_signed_address_is_matched_to_no_case(world: World, to: str) -> None:
    ref, letter = told(world)
    got = unchanged(world, ref, answer(letter, to=to))
    assert got.place is Disposition.UNMATCHED
    assert ref in got.why


def test_the_signed_address_of_one_case_and_the_thread_of_another_are_no_match(world: World) -> None:
    ref, letter = told(world)
    world.platform.add("offers/other", retailer="Shop B")
    world.register("Shop B", "owner@shop-b.example.com")
    other, _ = told(world, job="offers/other")
    theirs = reply_address(world.services.secret, "cases@example.com", other)
    got = unchanged(world, ref, answer(letter, to=theirs))
    assert (got.place, got.cases) == (Disposition.REFUSED, (other,))
    assert world.case(other).confirmations == ()


def test_a_case_number_in_the_subject_alone_matches_nothing(world: World) -> None:
    ref, letter = told(world)
    raw = answer(letter, to="cases@example.com", threaded=False, subject=f"[{ref}] done")
    got = unchanged(world, ref, raw)
    assert got.place is Disposition.UNMATCHED
    assert f"only its subject names {ref}" in got.why


def test_a_mail_that_has_nothing_to_do_with_us_is_matched_to_no_case(world: World) -> None:
    ref, letter = told(world)
    raw = answer(letter, to="cases@example.com", threaded=False, subject="An offer")
    assert unchanged(world, ref, raw).place is Disposition.UNMATCHED


def test_words_that_stand_in_the_quote_alone_are_none(world: World) -> None:
    ref, letter = told(world)
    got = take_in(world, answer(letter, "> We have made the change."))
    assert got.place is Disposition.REFUSED
    assert "no words of its own" in got.why
    assert world.case(ref).confirmations == ()


@pytest.mark.parametrize("header", [{"Auto_Submitted": "auto-replied"}, {"List_Id": "<l.example.org>"}])
def test_what_a_program_wrote_changes_nothing_and_needs_nobody(world: World, header: dict[str, str]) -> None:
    ref, letter = told(world)
    got = unchanged(world, ref, answer(letter, **header))
    assert (got.place, got.cases) == (Disposition.AUTOMATIC, (ref,))
    assert not rows(world)[0].needs_eye


@pytest.mark.parametrize("sender", ["cases@example.com", "Cases+jf-000001-x@example.com", "team@example.com"])
def test_our_own_mail_is_nobodys_word(make_world: Callable[..., World], sender: str) -> None:
    world = make_world(answers={"mailbox": "retailers"}, mail={"team": "Team <team@example.com>"})
    ref, letter = told(world)
    assert unchanged(world, ref, answer(letter, sender=sender)).place is Disposition.AUTOMATIC


def test_our_own_letter_that_comes_back_to_us_is_our_own(world: World) -> None:
    ref, letter = told(world)
    message_id = str(letter_of(letter)["Message-ID"])
    assert unchanged(world, ref, answer(letter, message_id=message_id)).why == "it is our own mail"


def test_of_a_mail_that_would_take_long_to_read_only_the_headers_are_kept_and_shown(world: World) -> None:
    ref, letter = told(world)
    raw = answer(letter).replace(b"\n\n", b"\n\n" + b"Content-Type: multipart/mixed\n" * 3000, 1)
    got = unchanged(world, ref, raw)
    assert (got.place, got.new) == (Disposition.UNREADABLE, True)
    row = rows(world)[0]
    assert (row.sender, row.size, row.original) == (CONTACT, len(raw), hashlib.sha256(raw).hexdigest())
    assert len(world.vault.read(row.digest)) < 2000
    assert not take_in(world, raw).new


def test_a_mail_that_cannot_be_looked_through_for_keys_is_taken_in_all_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(content: bytes) -> bytes:
        if len(content) > 1000:
            raise MemoryError
        return content

    monkeypatch.setattr(kept_mail, "hide_keys", fails)
    ref, letter = told(world)
    raw = answer(letter, "x" * 2000)
    got = unchanged(world, ref, raw)
    assert (got.place, rows(world)[0].sender) == (Disposition.UNREADABLE, CONTACT)
    assert hashlib.sha256(raw).hexdigest() in world.vault.read(rows(world)[0].digest).decode()


def test_a_mail_that_cannot_be_read_is_kept_and_shown(world: World) -> None:
    ref, _ = told(world)
    raw = b"\x00\x01 not a mail"
    got = unchanged(world, ref, raw)
    assert got.place is Disposition.UNREADABLE
    row = rows(world)[0]
    assert row.needs_eye
    assert world.vault.read(row.digest) == raw


# -- what came back ---------------------------------------------------------------------------------------------------


def test_a_bounce_marks_the_contact_and_is_in_the_case(world: World) -> None:
    ref, letter = told(world)
    got = take_in(world, returned(letter, CONTACT))
    assert (got.place, got.cases) == (Disposition.BOUNCE, (ref,))
    with world.services.store.reading() as uow:
        [contact] = uow.people.contacts("Shop A")
    assert contact.bounced_at is not None
    assert CONTACT in contact.bounce
    event = world.case(ref).events[-1]
    assert (event.kind, event.data["address"]) == (Kind.ADDRESS_BOUNCED, CONTACT)
    assert rows(world)[0].needs_eye


def test_a_bounce_of_an_address_that_is_no_contact_marks_nobody_and_is_shown(world: World) -> None:
    ref, letter = told(world)
    got = unchanged(world, ref, returned(letter, "forwarded@elsewhere.example.org"))
    assert got.place is Disposition.BOUNCE
    assert "no registered contact" in got.why


def test_a_bounce_that_names_nobody_is_about_whom_the_letter_was_for(world: World) -> None:
    ref, letter = told(world)
    got = take_in(world, returned(letter, "@mail.example.net"))
    assert got.place is Disposition.BOUNCE
    with world.services.store.reading() as uow:
        assert uow.people.contacts("Shop A")[0].bounced_at is not None
    assert world.case(ref).events[-1].data["address"] == CONTACT


def test_a_report_past_the_signed_address_marks_nobody_for_anybody_can_write_one(world: World) -> None:
    ref, letter = told(world)
    got = unchanged(world, ref, returned(letter, CONTACT, to="cases@example.com"))
    assert got.place is Disposition.BOUNCE
    with world.services.store.reading() as uow:
        assert uow.people.contacts("Shop A")[0].bounced_at is None


def test_mail_that_is_only_late_marks_nobody(world: World) -> None:
    ref, letter = told(world)
    assert unchanged(world, ref, returned(letter, CONTACT, action="delayed")).place is Disposition.AUTOMATIC


def test_a_bounce_of_somebody_elses_mail_is_none_of_our_cases(world: World) -> None:
    ref, letter = told(world)
    foreign = letter.replace(b"jf-000001.1.notice", b"newsletter.1")
    assert unchanged(world, ref, returned(foreign, CONTACT, to="cases@example.com")).place is Disposition.UNMATCHED


# -- at its time ------------------------------------------------------------------------------------------------------


def test_a_word_after_the_closing_is_kept_with_the_case_and_leaves_it_closed(world: World) -> None:
    ref, letter = told(world)
    assert world.walk(ref).is_closed
    got = take_in(world, answer(letter))
    assert got.place is Disposition.REPLY
    assert world.case(ref).is_closed
    assert world.case(ref).replies[-1]["why"] == "the case was closed already"


def test_a_clear_word_to_the_letter_of_an_earlier_round_confirms_nothing(world: World) -> None:
    ref, letter = told(world)
    world.walk(ref, until="attach")
    world.send_back(ref, "It still fails for one offer.")
    assert world.case(ref).notice is None, "it is stopped and told anew"
    first = take_in(world, answer(letter))
    world.walk(ref, until="tell")
    second = take_in(world, answer(letter, "We have made the change. It is done."))
    assert {first.place, second.place} == {Disposition.REPLY}
    assert {first.why, second.why} == {"it answers an earlier notice, and the case has moved on since"}
    assert world.case(ref).confirmations == ()
    newest = world.mail.taken[-1][0]
    assert newest != letter
    assert take_in(world, answer(newest, "We have made the change you asked for.")).place is Disposition.COUNTED


def test_an_answer_that_comes_before_the_sending_was_recorded_counts(world: World) -> None:
    ref = world.open()
    world.walk(ref, until="ticket")
    world.mail.faulty.fails("send", after=Killed())
    with pytest.raises(Killed):
        world.step("tell", ref)
    letter = world.mail.taken[0][0]
    assert world.case(ref).notice is None
    assert take_in(world, answer(letter)).place is Disposition.COUNTED
    world.restart()
    world.step("tell", ref)
    assert len(world.case(ref).words) == 1


def test_a_decision_can_stand_on_a_word_by_mail_to_the_closing(world: World) -> None:
    world.decision = Decision.AFTER_CHANGE
    ref, letter = told(world)
    take_in(world, answer(letter))
    assert world.walk(ref).is_closed


# -- a pass over the mailbox ------------------------------------------------------------------------------------------


def a_pass(world: World, inbox: FakeInbox, said: list[str] | None = None) -> InboxPass | None:
    services = world.services
    lock = services.settings.home_folder / "inbox" / "pass"
    intake = MailIntake(services.ledger, services.vault, services.replies, lock, AUTHSERV)
    return read_inbox(intake, inbox, (said if said is not None else []).append)


def test_a_pass_takes_in_every_mail_puts_it_away_and_tells_a_line_without_the_words(world: World) -> None:
    ref, letter = told(world)
    inbox = FakeInbox(answer(letter, Auto_Submitted="auto-replied"), answer(letter), b"junk")
    said: list[str] = []
    done = a_pass(world, inbox, said)
    assert done is not None
    assert done.counts == {Disposition.AUTOMATIC: 1, Disposition.COUNTED: 1, Disposition.UNREADABLE: 1}
    assert (inbox.lying, len(inbox.away)) == ({}, 3)
    assert len(said) == 3
    assert not any("token" in line for line in said)
    assert said[1].startswith(f"{ref}: ")
    assert done.in_words == "3 new mails: 1 automatic, 1 counted, 1 unreadable."


def test_a_mail_that_is_too_large_is_not_fetched_and_stands_there_with_its_size(world: World) -> None:
    ref, letter = told(world)
    inbox = FakeInbox()
    inbox.comes(answer(letter), size=100 * 1024 * 1024)
    a_pass(world, inbox)
    assert inbox.faulty.did("fetch") == 0
    [row] = rows(world)
    assert (row.place, row.size) == (Disposition.UNREADABLE, 100 * 1024 * 1024)
    assert "100 MB" in row.why
    assert row.sender == CONTACT, "so that somebody can be asked"
    assert world.case(ref).confirmations == ()
    assert len(inbox.away) == 1


def test_the_signed_address_in_a_letter_names_its_case(world: World) -> None:
    ref, letter = told(world)
    address = parseaddr(str(letter_of(letter)["Reply-To"]))[1]
    assert case_of_address(world.services.secret, address) == ref


# -- of a notice that was corrected, or asked nothing ------------------------------------------------------------------


def corrected(world: World, ref: str, cause: str) -> bytes:
    """The cause is another, and the retailer is told so; the letter."""
    correct_cause(world.services.ledger, world.services.policy.team, ref, cause, by="team lead")
    world.step("correct", ref)
    return world.mail.taken[-1][0]


def test_an_answer_to_what_was_corrected_since_is_none_to_the_correction_and_a_person_reads_it(world: World) -> None:
    ref, notice = told(world)
    correction = corrected(world, ref, "feed")
    got = take_in(world, answer(notice, DONE))
    assert (got.place, got.why) == (
        Disposition.REPLY, "it answers an earlier notice, and the case has moved on since"
    )  # fmt: skip
    again = corrected(world, ref, "sync")
    assert take_in(world, answer(correction, "The feed is readable again, we have fixed it.")).place is (
        Disposition.REPLY
    )
    thread = " ".join(str(letter_of(letter)["Message-ID"]) for letter in (notice, correction, again))
    late = answer(again, "We have made the change.", References=thread, threaded=False, In_Reply_To=thread.split()[-1])
    assert take_in(world, late).place is Disposition.COUNTED


def test_an_answer_to_a_reminder_of_the_correction_counts(world: World) -> None:
    ref, _ = told(world)
    corrected(world, ref, "feed")
    waits(world, ref)
    assert Keeper(world)(days=2, minutes=5).reminded == [ref]
    assert take_in(world, answer(world.mail.taken[-1][0], "We have made the change.")).place is Disposition.COUNTED


def test_that_the_integration_goes_is_the_retailer_s_word_whichever_mail_it_answers(world: World) -> None:
    ref, notice = told(world)
    corrected(world, ref, "feed")
    take_in(world, answer(notice, "We no longer sell there. Please remove the integration."))
    assert world.case(ref).words[0]["choice"] == "remove"


@pytest.mark.parametrize("cause", ["our_platform", "website_changed"])
@pytest.mark.parametrize("how", ["told at once", "corrected"])
def test_that_something_was_changed_where_nothing_was_asked_is_read_by_a_person(
    world: World, cause: str, how: str
) -> None:
    ref, letter = told(world) if how == "corrected" else told(world, cause=cause)
    letter = corrected(world, ref, cause) if how == "corrected" else letter
    got = take_in(world, answer(letter, "We have renewed the token."))
    assert (got.place, got.why) == (Disposition.REPLY, "our mail asked for nothing")
    assert world.case(ref).confirmations == ()
    take_in(world, answer(letter, "We no longer sell there. Please remove the integration."))
    assert world.case(ref).words[0]["choice"] == "remove"


def test_the_link_in_a_correction_takes_an_answer_though_one_was_given_before(world: World) -> None:
    ref, _ = told(world)
    state = link_of(world, ref)
    assert state.jobs[0].standing is LinkState.OPEN
    link = f"{ref.lower()}.1.notice"
    kept = world.services.files.keep(ref, b"{}", "answer.json", "application/json")
    world.services.ledger.record(
        ref, Kind.CONFIRMATION_RECEIVED, sender=CONTACT, words="Done.", evidence=kept, by_way_of="page",
        choice="changed", link=link,
    )  # fmt: skip
    assert link_of(world, ref).jobs[0].standing is LinkState.ANSWERED
    corrected(world, ref, "feed")
    assert link_of(world, ref).jobs[0].standing is LinkState.OPEN
    assert link_of(world, ref).jobs[0].colleague is None


def link_of(world: World, ref: str) -> Asked:
    """What the link of the first letter asks now."""
    expires = world.clock() + timedelta(days=1)
    token = answer_token(world.services.replies.secret(), f"{ref.lower()}.1.notice", expires)
    return asked(world.services.store, world.services.replies, token)
