"""What is wrong is refused with the next action, nothing is lost, and the case goes on once it is put right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from caseproof.channels.outbound.mail import Delivery, MailAccount, MailDown, MailRefused, send
from caseproof.desks.base import DeskDown, UnknownTicket
from caseproof.domain.codes import Code
from caseproof.domain.errors import BadInput, CaseproofError, NotAllowed, NotOnTheTeam
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.job_failure.lifecycle import State
from caseproof.domain.owing import Debt
from caseproof.domain.vocabulary import Decision
from caseproof.evidence.screenshot import NotTheRun
from caseproof.evidence.vault import VaultFull
from caseproof.platforms.base import PlatformDown, Run, RunState, UnknownJob
from caseproof.procedure.answers import manual_confirmation
from caseproof.procedure.answers.manual_confirmation import WordRefused
from caseproof.procedure.closing import deciding
from caseproof.procedure.closing.proving import ProofNotMade
from caseproof.procedure.closing.running import await_run, verify
from caseproof.procedure.notify.telling import NobodyToTell
from sandbox.mailbox import Mailbox
from tests.support.retailer_mail import AUTHSERV
from tests.support.world import CONTACT, DECIDER, JOB, WORDS, World


def refused(error: type[CaseproofError], match: str, act: Callable[[], Any]) -> CaseproofError:
    """The refusal, which says what to do next."""
    with pytest.raises(error, match=match) as caught:
        act()
    assert caught.value.next_action, "a refusal names the next action"
    return caught.value


def cases(world: World) -> int:
    with world.services.store.reading() as uow:
        return len(uow.cases.rows())


# -- opening (J1) --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "error", "match"),
    [
        ({"job": "offers/none"}, UnknownJob, "no job"),
        ({"cause": "bad weather"}, BadInput, "no cause 'bad weather'"),
        ({"ticket": "T-000099"}, UnknownTicket, "no ticket"),
        ({"by": " "}, BadInput, "nobody who did it"),
        ({"summary": "\ud800"}, BadInput, "JSON cannot"),
    ],
)
def test_a_case_that_cannot_be_opened_leaves_nothing_behind(
    world: World, asked: dict[str, str], error: type[CaseproofError], match: str
) -> None:
    refused(error, match, lambda: world.open(**asked))
    assert cases(world) == 0
    assert world.platform.faulty.did("stop") == 0


def test_a_platform_that_is_down_opens_no_case_and_then_does(world: World) -> None:
    world.platform.faulty.fails("runs_since", before=PlatformDown("It hangs.", "Wait."))
    refused(PlatformDown, "hangs", world.open)
    assert cases(world) == 0
    assert world.open() == "JF-000001"


def test_a_job_s_error_text_is_kept_without_its_secrets(world: World) -> None:
    world.platform.add_run(JOB, RunState.FAILED, message="401 for https://u:hunter2@shop.example.com?api_key=hunter2")
    case = world.case(world.open())
    assert "401" in case.facts["summary"]
    assert "hunter2" not in str(case.events)


def test_a_case_from_a_ticket_adopts_it_and_opens_no_other(world: World) -> None:
    ticket = world.desk.create("by hand", "The feed fails", "Please look.")
    ref = world.open(ticket=ticket.id, how="a ticket")
    assert world.walk(ref).is_closed
    assert world.case(ref).ticket["adopted"] is True
    assert len(world.tickets()) == 1


# -- telling (J5) --------------------------------------------------------------------------------------------------


def test_a_retailer_without_a_contact_is_told_once_there_is_one(world: World) -> None:
    world.platform.add(JOB, retailer="Shop B")
    ref = world.open()
    error = refused(NobodyToTell, "Shop B has no registered contact", lambda: world.walk(ref))
    assert "caseproof contact add" in error.next_action
    assert not world.platform.is_active(JOB)
    world.register("Shop B", "b@shop-b.example.com")
    world.walk(ref, until="tell")
    assert world.mail.taken[0][2] == ("b@shop-b.example.com",)


def test_a_job_that_does_not_say_its_retailer_is_stopped_and_says_so(world: World) -> None:
    world.platform.add(JOB, retailer=None)
    ref = world.open()
    refused(NobodyToTell, "does not say whose it is", lambda: world.walk(ref))
    assert not world.platform.is_active(JOB)


def test_a_mail_server_that_is_down_is_asked_again(world: World) -> None:
    ref = world.open()
    world.mail.faulty.fails("send", before=MailDown("Nobody answers.", "Start it."))
    refused(MailDown, "Nobody answers", lambda: world.walk(ref))
    assert world.walk(ref).is_closed
    assert len(world.mail.taken) == 1


def test_whoever_corrects_an_address_while_the_mail_is_not_taken_reaches_the_new_one(world: World) -> None:
    ref = world.open()
    world.mail.faulty.fails("send", before=MailDown("451 mailbox full.", "Check the contacts' addresses."))
    refused(MailDown, "mailbox full", lambda: world.walk(ref))
    with world.services.store.uow() as uow:
        uow.people.remove_contact("Shop A", CONTACT)
        uow.people.add_contact("Shop A", "new@shop-a.example.com")
        uow.commit()
    world.walk(ref, until="tell")
    assert [to for *_, to in world.mail.taken] == [("new@shop-a.example.com",)]


def test_a_mail_that_was_maybe_sent_is_repeated_as_it_was(world: World) -> None:
    ref = world.open()
    world.mail.faulty.fails("send", after=MailDown("Lost.", "Again.", maybe_sent=True))
    refused(MailDown, "Lost", lambda: world.walk(ref))
    world.register("Shop A", "second@shop-a.example.com")
    world.walk(ref, until="tell")
    assert world.mail.taken[0] == world.mail.taken[1]


def test_a_server_that_refuses_every_recipient_is_asked_again_with_new_ones(world: World) -> None:
    ref = world.open()
    world.mail.refuses = {CONTACT}
    refused(MailRefused, "none of the recipients", lambda: world.walk(ref))
    assert Kind.NOTICE_SENT not in world.kinds(ref)
    world.register("Shop A", "second@shop-a.example.com")
    world.walk(ref, until="tell")
    fact = world.case(ref).notice
    assert fact["accepted"] == ["second@shop-a.example.com"]
    assert fact["refused"] == {CONTACT: "550 No such mailbox"}


def real_sender(port: int) -> Callable[[bytes, str, Sequence[str]], Delivery]:
    account = MailAccount("127.0.0.1", port, "plain", None, "", timeout_seconds=30)
    return lambda content, sender, to: send(account, content, sender=sender, recipients=to)


def test_with_a_real_mail_server_the_kept_notice_is_the_one_that_arrived(world: World) -> None:
    ref = world.open()
    with Mailbox(refuse=["second@shop-a.example.com"]) as mailbox:
        world.register("Shop A", "second@shop-a.example.com")
        world.send = real_sender(mailbox.port)
        world.walk(ref, until="tell")
        [message] = mailbox.wait_for(1, seconds=60)
    fact = world.case(ref).notice
    assert message.raw.rstrip(b"\r\n") == world.vault.read(fact["evidence"]).rstrip(b"\r\n")
    assert message.rcpt_tos == (CONTACT,)
    assert list(fact["refused"]) == ["second@shop-a.example.com"]


def test_with_a_real_mail_server_that_says_later_the_notice_goes_out_later(world: World) -> None:
    ref = world.open()
    answers = iter(["451 4.3.0 try later", None])
    with Mailbox(on_message=lambda _: next(answers)) as mailbox:
        world.send = real_sender(mailbox.port)
        refused(MailDown, "451", lambda: world.walk(ref))
        world.walk(ref, until="tell")
        assert len(mailbox.messages) == 1
    world.send = real_sender(mailbox.port)
    assert world.walk(ref).is_closed, "told once: a server that is gone now does no harm"


# -- the retailer's word (J8) ----------------------------------------------------------------------------------------


@pytest.fixture
def told(world: World) -> str:
    ref = world.open()
    world.walk(ref, until="tell")
    return ref


def mail(words: str = WORDS, sender: str = CONTACT, **headers: str) -> bytes:
    message = EmailMessage()
    message["From"], message["Subject"] = sender, "Re: the token"
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    message.set_content(words)
    return message.as_bytes()


def by_message(world: World, ref: str, raw: bytes, sender: str = CONTACT) -> Any:
    return manual_confirmation.confirm_by_message(
        world.services.ledger, world.services.files, world.services.replies, ref, sender=sender, raw=raw,
        recorded_by=DECIDER, authserv=AUTHSERV,
    )  # fmt: skip


def test_a_contact_s_message_is_kept_verbatim_and_twice_counts_once(world: World, told: str) -> None:
    raw = mail("Yes, we renewed it … twice: ✓.\n> the old notice\n")
    for _ in range(2):
        by_message(world, told, raw, sender=f"Owner <{CONTACT.upper()}>")
    [fact] = world.case(told).confirmations
    assert world.vault.read(fact["evidence"]) == raw
    assert fact["words"] == "Yes, we renewed it … twice: ✓.\n> the old notice"


@pytest.mark.parametrize("way", ["form", "message"])
def test_a_stranger_s_word_is_kept_and_does_not_count(world: World, told: str, way: str) -> None:
    who = "stranger@elsewhere.example.com"
    error = refused(
        WordRefused,
        "not a registered contact",
        lambda: world.confirm(told, sender=who) if way == "form" else by_message(world, told, mail(sender=who), who),
    )
    assert CONTACT in error.next_action
    case = world.case(told)
    assert case.confirmations == ()
    fact = case.events[-1]
    assert fact.kind is Kind.CONFIRMATION_REFUSED
    assert WORDS.encode() in world.vault.read(fact.data["evidence"])
    refused(NotAllowed, "J8", lambda: world.decide(told, Decision.AFTER_CHANGE))


@pytest.mark.parametrize("typed", ["The owner <{}>", "mailto:{}", "\u200b{}\u00a0", "<{}>;"])
def test_a_contact_s_address_counts_as_an_operator_types_it(world: World, told: str, typed: str) -> None:
    case = world.confirm(told, sender=typed.format(CONTACT))
    assert case.confirmations[-1]["sender"] == CONTACT


@pytest.mark.parametrize("header", [{"Auto_Submitted": "auto-replied"}, {"Precedence": "auto_reply"}])
def test_an_automatic_answer_of_a_contact_does_not_count(world: World, told: str, header: dict[str, str]) -> None:
    refused(WordRefused, "automatic message", lambda: by_message(world, told, mail(**header)))
    assert world.kinds(told)[-1] is Kind.CONFIRMATION_REFUSED


def test_a_contact_of_another_retailer_is_a_stranger_here(world: World, told: str) -> None:
    world.register("Shop B", "b@shop-b.example.com")
    refused(
        WordRefused, "not a registered contact of Shop A", lambda: world.confirm(told, sender="b@shop-b.example.com")
    )


@pytest.mark.parametrize(
    ("raw", "match"),
    [(mail(sender="other@example.com"), "is from other@example.com"), (b"", "empty"), (b"hello", "not a mail")],
)
def test_a_message_that_is_not_what_was_said_is_not_recorded(world: World, told: str, raw: bytes, match: str) -> None:
    version = world.case(told).version
    refused(BadInput, match, lambda: by_message(world, told, raw))
    assert world.case(told).version == version


@pytest.mark.parametrize(
    ("words", "sender", "match"),
    [
        ("", CONTACT, "words are empty"),
        (" \n\t", CONTACT, "words are empty"),
        (WORDS, " ", "who wrote"),
        ("\ud800 half", CONTACT, "half a character"),
    ],
)
def test_words_that_are_none_are_refused(world: World, told: str, words: str, sender: str, match: str) -> None:
    version = world.case(told).version
    refused(BadInput, match, lambda: world.confirm(told, words, sender=sender))
    assert world.case(told).version == version


def test_the_word_for_a_case_that_does_not_exist_is_refused_before_it_is_kept(world: World) -> None:
    refused(BadInput, "no case", lambda: world.confirm("JF-000099"))
    assert not (world.home / "evidence").exists() or not any((world.home / "evidence").iterdir())


# -- the decision (J6, J8) -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("decision", [Decision.AFTER_CHANGE, Decision.REMOVE])
def test_a_decision_that_rests_on_the_retailer_s_word_needs_it(world: World, told: str, decision: Decision) -> None:
    error = refused(NotAllowed, "J8", lambda: world.decide(told, decision))
    assert "case confirm" in error.next_action
    assert world.case(told).state is State.WAITING
    world.confirm(told)
    assert world.decide(told, decision).state is State.DECIDED


@pytest.mark.parametrize(
    ("more", "error", "match"),
    [
        ({"by": "a visitor"}, NotOnTheTeam, "not on the team list"),
        ({"by": ""}, NotOnTheTeam, "Nobody"),
        ({"reason": " \n"}, BadInput, "no reason"),
        ({"decision": Decision.AFTER_CHANGE, "checked": " "}, NotAllowed, "validated in the system"),
        ({"decision": Decision.AFTER_CHANGE, "checked": "It should work now."}, NotAllowed, "leave out what should be"),
        ({"decision": Decision.AFTER_CHANGE, "checked": "müsste behoben sein"}, NotAllowed, "J8, J11"),
        ({"decision": Decision.KEEP_PAUSED}, BadInput, "needs the date"),
        ({"until": date(2030, 1, 1)}, BadInput, "takes none"),
        ({"decision": Decision.KEEP_PAUSED, "until": date(2020, 1, 1)}, BadInput, "not after today"),
    ],
)
def test_a_decision_that_is_not_complete_is_not_recorded(
    world: World, told: str, more: dict[str, Any], error: type[CaseproofError], match: str
) -> None:
    world.confirm(told)
    version = world.case(told).version
    refused(error, match, lambda: world.decide(told, **more))
    assert world.case(told).version == version


@pytest.mark.parametrize("text", ["31.1.2027", "2027-02-30", "tomorrow", "2027-13-01", "9" * 400])
def test_a_date_that_is_none_is_refused_with_an_example(text: str) -> None:
    error = refused(BadInput, "not a date", lambda: deciding.read_date(text))
    assert "YYYY-MM-DD" in error.next_action
    assert deciding.read_date(" 2027-01-31 ") == date(2027, 1, 31)
    assert deciding.read_date(" ") is None


@pytest.mark.parametrize("before", ["ticket", "start", "live"])
def test_a_decision_at_another_time_is_not_allowed(world: World, before: str) -> None:
    ref = world.open()
    world.walk(ref, before=before)
    refused(NotAllowed, "cannot happen now", lambda: world.decide(ref))


def test_a_review_before_there_is_anything_to_review_is_not_allowed(world: World, told: str) -> None:
    for approved in (True, False):
        refused(
            NotAllowed,
            "cannot happen now",
            lambda approved=approved: deciding.review(
                world.services.ledger,
                world.services.policy.team,
                told,
                approved=approved,
                by="team lead",
                remark="Why?",
            ),
        )


# -- the run (J10, J11) ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "why"),
    [("failed", "ended as Failed: 401"), ("forced", "set that state by hand")],
)
def test_a_run_that_did_not_succeed_verifies_nothing(world: World, told: str, outcome: str, why: str) -> None:
    world.platform.outcome = outcome
    world.walk(told, until="verify")
    assert why in world.case(told).last_failure["why"]
    assert world.case(told).verified is None


def test_a_run_that_started_before_the_decision_by_the_platform_s_clock_verifies_nothing(
    world: World, told: str
) -> None:
    world.platform.skew = -timedelta(minutes=10)
    world.walk(told, until="verify")
    assert "clocks of both systems" in world.case(told).last_failure["why"]


def test_a_run_without_times_verifies_nothing(world: World, told: str) -> None:
    world.walk(told, until="start")
    run = replace(world.platform.runs[world.case(told).run["run"]], started_at=None)
    verify(world.services.ledger, world.services.files, world.platform, told, run)
    assert "neither when it started" in world.case(told).last_failure["why"]


def test_a_run_that_was_deleted_verifies_nothing(world: World, told: str) -> None:
    world.walk(told, until="start")
    world.platform.runs.clear()
    world.step("verify", told)
    assert "no run run-1" in world.case(told).last_failure["why"]


def test_a_run_that_never_ends_is_polled_for_as_long_as_the_policy_says_and_no_longer(world: World, told: str) -> None:
    world.platform.outcome = "never"
    world.walk(told, until="start")
    before = world.clock.now
    assert (
        await_run(
            world.platform,
            world.case(told).run["run"],
            patience=world.policy.run_patience_seconds,
            clock=world.clock,
            sleep=world.sleep,
        )
        is None
    )
    assert 120 <= (world.clock.now - before).total_seconds() < 140
    assert world.case(told).state is State.RUNNING


def test_another_run_s_success_verifies_nothing(world: World, told: str) -> None:
    world.walk(told, until="start")
    other = world.platform.add_run(JOB, RunState.SUCCEEDED)
    assert isinstance(other, Run)
    verify(world.services.ledger, world.services.files, world.platform, told, other)
    assert world.case(told).state is State.RUNNING


def test_a_page_that_does_not_show_the_success_is_kept_with_the_reason_and_counts_for_nothing(
    world: World, told: str
) -> None:
    world.walk(told, until="live")
    world.camera.says = ("Please log in",)
    refused(NotTheRun, "login page", lambda: world.step("photo", told))
    event = world.case(told).events[-1]
    assert event.kind is Kind.PHOTO_REFUSED
    assert world.vault.has(event.data["evidence"])
    world.camera.says = None
    assert world.walk(told).is_closed


# -- systems that are down, and a full disk --------------------------------------------------------------------------

DESK_DOWN = DeskDown("The desk does not answer.", "Wait.")
FULL = VaultFull("There is no room.", "Free some.")


@pytest.mark.parametrize("call", ["create", "attach"])
def test_a_desk_that_is_down_keeps_the_case_waiting_and_loses_nothing(world: World, call: str) -> None:
    ref = world.open()
    world.desk.faulty.fails(call, before=DESK_DOWN)
    refused(DeskDown, "does not answer", lambda: world.walk(ref))
    assert world.walk(ref).is_closed
    assert world.kinds(ref)[-1] is Kind.TICKET_CLOSED


def ticket_is_owed(world: World, ref: str, code: Code) -> None:
    """The case is closed and asks nobody; its ticket's closing is owed, and done with the next try."""
    assert world.walk(ref).is_closed
    assert Kind.TICKET_CLOSED not in world.kinds(ref)
    with world.services.store.reading() as uow:
        [row] = [one for one in uow.owed.of(ref) if one.what is Debt.TICKET]
    assert (row.code, row.tries) == (code, 1)
    world.walk(ref)
    assert world.kinds(ref)[-1] is Kind.TICKET_CLOSED


@pytest.mark.parametrize("call", ["comment", "set_status"])
def test_a_desk_that_is_down_when_the_case_has_closed_leaves_its_ticket_owed(world: World, call: str) -> None:
    ref = world.open()
    world.desk.faulty.fails(call, before=DESK_DOWN)
    ticket_is_owed(world, ref, Code.DESK_DOWN)


def test_a_desk_that_keeps_the_ticket_open_is_found_out(world: World) -> None:
    ref = world.open()
    world.desk.faulty.fails("set_status", lie=True)
    ticket_is_owed(world, ref, Code.TICKET_NOT_CLOSED)


@pytest.mark.parametrize(
    "name", ["stop-1.json", "notice-1.eml", "run-1.json", "run-page-1.png", "last-look", "history", "JF-000001-1-"]
)
def test_a_full_disk_loses_nothing_and_the_case_goes_on_when_there_is_room(world: World, name: str) -> None:
    ref = world.open()
    world.vault.faulty.fails("put", what=name, before=FULL)
    refused(VaultFull, "no room", lambda: world.walk(ref))
    assert world.walk(ref).is_closed
    assert world.platform.faulty.done["stop", JOB] == len(world.mail.taken) == len(world.platform.runs) == 1


def test_a_proof_that_cannot_be_written_says_where_and_leaves_no_half_of_it(world: World) -> None:
    ref = world.open()
    world.services.proofs.write_text("in the way")
    refused(ProofNotMade, "cannot be written", lambda: world.walk(ref))
    assert not world.case(ref).is_closed
    world.services.proofs.unlink()
    assert world.walk(ref).is_closed
    assert [file.name for file in world.services.proofs.iterdir()] == [world.proof(ref).name]


@pytest.mark.parametrize("how", ["missing", "changed"])
def test_a_case_whose_evidence_was_spoilt_does_not_close(world: World, how: str) -> None:
    ref = world.open()
    world.walk(ref, until="look")
    path = world.vault.path(world.case(ref).notice["evidence"])
    content = path.read_bytes()
    path.unlink() if how == "missing" else path.write_bytes(b"x" + content)
    error = refused(ProofNotMade, "would not hold", lambda: world.walk(ref))
    assert "notice-1.eml" in error.problem
    assert not list(Path(world.services.proofs).iterdir())
    path.write_bytes(content)
    assert world.walk(ref).is_closed
