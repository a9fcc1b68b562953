"""A support case closes with its solution, the client told once, and the proof of each job that failed (J5 to J11)."""

from __future__ import annotations

import json
from collections.abc import Callable
from email import message_from_bytes, policy

import pytest

from caseproof.channels.outbound.mail import MailDown
from caseproof.domain.closure import closure_blockers
from caseproof.domain.errors import BadInput, NotAllowed, NotOnTheTeam
from caseproof.domain.job_failure.kinds import Kind as JobKind
from caseproof.domain.support.choices import Beside, Finishes
from caseproof.domain.support.conditions import linked_jobs
from caseproof.domain.support.forms import Finish, form_for
from caseproof.domain.support.kinds import Kind
from caseproof.domain.support.lifecycle import State
from caseproof.domain.support.steps import Request
from caseproof.domain.support.vocabulary import Failing, Told
from caseproof.evidence.proof import verify_proof
from caseproof.platforms.base import RunState
from caseproof.procedure.closing.proving import ProofNotMade, proof_path
from caseproof.procedure.core.parts import event_of
from caseproof.procedure.escalation.closing import prove_the_jobs
from caseproof.procedure.escalation.opening import link_job, support_cases_of
from caseproof.procedure.escalation.requesting import answer_form, say_beside
from caseproof.procedure.views.case_page import sentence
from caseproof.procedure.views.support import facts
from tests.support.fakes import Killed
from tests.support.support_cases import PEOPLE
from tests.support.support_desk import LADDER, Desk
from tests.support.world import World

CLIENT = "owner@shop-a.example.com"


@pytest.fixture
def desk(make_world: Callable[..., World]) -> Desk:
    return Desk(make_world(ladder=LADDER))


def codes(desk: Desk, ref: str) -> set[str]:
    return {blocker.code for blocker in closure_blockers(desk.world.case(ref))}


def finish(desk: Desk, ref: str, what: Finishes, **said: str) -> None:
    services = desk.services
    form = Finish(answered_by="front line", what=what, **said)
    answer_form(services.ledger, services.files, services.policy, ref, form)


def solved(desk: Desk, **other: str) -> str:
    ref = desk.open(**other)
    desk.ask(ref, Request.STATE_SOLUTION)
    return ref


def test_the_client_gets_the_solution_by_mail_once_and_the_case_closes_with_a_proof_that_holds(desk: Desk) -> None:
    ref = solved(desk, sender=CLIENT, message_id="<q1@shop-a.example.com>")
    desk.tell(ref)
    desk.tell(ref)
    (content, _, to), *more = desk.world.mail.taken
    mail = message_from_bytes(content, policy=policy.default)
    assert (to, more, mail["In-Reply-To"]) == ((CLIENT,), [], "<q1@shop-a.example.com>")
    assert mail["Reply-To"] == "support@example.com"
    assert "the cache plugin is off" in mail.get_content()
    told = desk.world.case(ref).own["told"]
    assert (told["how"], told["to"]) == (Told.MAIL, CLIENT)
    assert desk.services.vault.read(told["evidence"])[:5] == content[:5], "the mail is evidence"
    case = desk.finish(ref)
    assert case.state is State.CLOSED
    path = proof_path(desk.services.proofs, case)
    assert [one for one in verify_proof(path) if not one.ok] == []
    proof = json.loads(path.read_text())
    assert (proof["kind"], proof["rule"], proof["client_told"]["to"]) == ("support", "J11", CLIENT)


def test_a_mail_that_was_not_taken_is_sent_later_and_not_twice(desk: Desk) -> None:
    ref = solved(desk, sender=CLIENT)
    desk.world.mail.faulty.fails("send", before=MailDown("The server is down.", "Wait."))
    with pytest.raises(MailDown):
        desk.tell(ref)
    assert "told" in codes(desk, ref)
    desk.world.restart(minutes=30)
    Desk(desk.world).tell(ref)
    assert len(desk.world.mail.taken) == 1


def test_a_process_that_dies_after_the_mail_left_sends_no_other_mail(desk: Desk) -> None:
    ref = solved(desk, sender=CLIENT)
    desk.world.mail.faulty.fails("send", after=Killed())
    with pytest.raises(Killed):
        desk.tell(ref)
    desk.world.restart(minutes=30)
    Desk(desk.world).tell(ref)
    sent = {bytes(content) for content, _, _ in desk.world.mail.taken}
    assert len(sent) == 1, "if it comes twice, it is the same, under the same Message-ID"
    assert len(desk.world.case(ref).every(Kind.CLIENT_TOLD)) == 1


def test_where_no_address_is_known_a_person_tells_the_client_and_says_how(desk: Desk) -> None:
    ref = solved(desk)
    assert (desk.finish(ref).state, desk.world.mail.taken) == (State.WITH_L1, [])
    assert form_for(desk.world.case(ref)) is Finish
    with pytest.raises(BadInput, match="who was told"):
        finish(desk, ref, Finishes.TELEPHONE, words="it works again now")
    with pytest.raises(BadInput, match="in which words"):
        finish(desk, ref, Finishes.TELEPHONE, to="the manager", words="ok")
    finish(desk, ref, Finishes.TELEPHONE, to="the manager", words="it works again now")
    assert desk.finish(ref).is_closed


def test_a_person_writes_to_who_wrote_or_to_a_contact_and_to_nobody_else(desk: Desk) -> None:
    ref = solved(desk, client="Shop A", sender=CLIENT, unproven="not_authentic")
    with pytest.raises(NotAllowed, match="no registered contact"):
        finish(desk, ref, Finishes.MAIL, to="other@example.com", words="it works again now")
    finish(desk, ref, Finishes.MAIL, to=CLIENT.upper(), words="it works again now")
    assert desk.finish(ref).is_closed
    assert b"it works again now" in desk.world.mail.taken[0][0]
    other = solved(desk, summary="Unproven", sender="forged@example.com", unproven="not_authentic")
    desk.tell(other)
    assert len(desk.world.mail.taken) == 1, "nothing goes by itself to whom the mail may not be of"


def test_what_the_client_wrote_before_the_mail_left_is_read_by_a_person_first(desk: Desk) -> None:
    ref = solved(desk, sender=CLIENT)
    wrote = {"sender": CLIENT, "words": "It still does not work.", "evidence": "ab" * 32}
    desk.services.store.change(ref, lambda _: [event_of(Kind.CLIENT_WROTE, desk.world.clock(), "caseproof", wrote)])
    desk.tell(ref)
    assert (desk.world.mail.taken, form_for(desk.world.case(ref))) == ([], Finish)


def test_what_the_client_writes_after_it_was_told_keeps_the_case_open_until_a_person_looked(desk: Desk) -> None:
    ref = solved(desk, sender=CLIENT)
    desk.tell(ref)
    wrote = {"sender": CLIENT, "words": "It still does not work.", "evidence": "ab" * 32}
    desk.services.store.change(ref, lambda _: [event_of(Kind.CLIENT_WROTE, desk.world.clock(), "caseproof", wrote)])
    assert not desk.finish(ref).is_closed
    assert (len(desk.world.mail.taken), form_for(desk.world.case(ref))) == (1, Finish)
    finish(desk, ref, Finishes.NO_SOLUTION, why="the client says that it still fails")
    assert desk.world.case(ref).own.get("solution") is None


# -- a job fails -------------------------------------------------------------------------------------------------------


def test_j10_a_failing_job_is_proven_by_its_own_case_closed_after_this_one_was_opened(desk: Desk) -> None:
    world, services = desk.world, desk.services
    other = solved(desk, client="Shop A", summary="Another", failing=str(Failing.YES))
    world.platform.add("offers/feed-b")
    job = world.open("offers/feed-b")
    finish(desk, other, Finishes.LINK, job=job.lower())
    assert linked_jobs(world.case(other)) == [job]
    with pytest.raises(NotAllowed, match="J10"):
        finish(desk, other, Finishes.NO_JOB)
    assert not desk.finish(other).is_closed
    assert world.walk(job).is_closed
    case = desk.finish(other)
    assert case.is_closed
    proof = json.loads(proof_path(services.proofs, case).read_text())
    assert proof["jobs"] == [{"case": job, "rule": "J7", "sha256": world.case(job).closed.data["proof"]}]
    assert [one for one in verify_proof(proof_path(services.proofs, case)) if not one.ok] == []


def test_j10_a_jobs_case_that_was_closed_before_or_is_another_clients_is_not_linked(desk: Desk) -> None:
    world, services = desk.world, desk.services
    before = world.closed()
    ref = solved(desk, client="Shop A", failing=str(Failing.YES))
    with pytest.raises(NotAllowed, match=f"J10: {before} was closed before {ref} was opened"):
        finish(desk, ref, Finishes.LINK, job=before)
    world.platform.add("offers/feed-b")
    job = world.open("offers/feed-b")
    foreign = solved(desk, summary="Another", failing=str(Failing.YES))
    with pytest.raises(NotAllowed, match=rf"J10: the job of {job} is one of Shop A, and {foreign} is"):
        finish(desk, foreign, Finishes.LINK, job=job)
    assert [linked_jobs(world.case(one)) for one in (ref, foreign)] == [[], []]
    assert form_for(world.case(ref)) is Finish, "it goes on asking"
    link_job(services.ledger, desk.open(client="shop  a", summary="A third"), job, "operator")


def test_j10_a_run_of_before_the_support_case_proves_nothing_though_its_case_closed_after(desk: Desk) -> None:
    world, services = desk.world, desk.services
    job = world.walk(world.open(), until="verify").ref
    assert world.case(job).verified is not None
    world.clock.move(minutes=1)
    ref = solved(desk, client="Shop A", failing=str(Failing.YES), sender=CLIENT)
    finish(desk, ref, Finishes.LINK, job=job)
    assert (world.walk(job).is_closed, desk.finish(ref).is_closed) == (True, False)
    assert (codes(desk, ref), form_for(world.case(ref))) == ({"proven", "looked"}, Finish)
    assert "closed with a run of before this case was opened" in dict(facts(world.case(ref)))["Cases of failing jobs"]
    again = {"why": "it failed again", "check": "c", "cause": "feed", "summary": "late", "failed_run": None}
    services.ledger.record(job, JobKind.REOPENED, **again, failed_run_url=None, failed_at=None)
    assert world.walk(job).is_closed
    assert desk.finish(ref).is_closed
    later = solved(desk, client="Shop A", failing=str(Failing.YES), summary="Another")
    with pytest.raises(NotAllowed, match=f"J10: {job} was closed before"):
        finish(desk, later, Finishes.LINK, job=job)


def test_a_job_that_was_linked_by_mistake_is_unlinked_in_both_histories(desk: Desk) -> None:
    world, services = desk.world, desk.services
    ref = solved(desk, client="Shop A", sender=CLIENT)
    job = world.open()
    link_job(services.ledger, ref, job, "front line")
    with pytest.raises(NotAllowed, match="J10"):
        finish(desk, ref, Finishes.NO_JOB)
    with pytest.raises(NotOnTheTeam):
        unlink(desk, ref, job, by="product technician")
    for _ in range(2):
        unlink(desk, ref, job)
    here, there = world.case(ref), world.case(job)
    assert (linked_jobs(here), support_cases_of(there)) == ([], [])
    assert sentence(here.events[-1]) == f"{job} was linked by mistake; its job was never part of this matter: {WHY}"
    assert sentence(there.events[-1]) == f"Support case {ref} is not about it: {WHY}"
    assert desk.finish(ref).is_closed
    assert [one for one in verify_proof(proof_path(services.proofs, world.case(ref))) if not one.ok] == []


def test_it_is_unlinked_in_prefects_form_as_well_where_the_words_say_which(desk: Desk) -> None:
    world, services = desk.world, desk.services
    parts = services.ledger, services.files, services.policy
    ref, first = solved(desk, client="Shop A"), world.open()
    world.platform.add("offers/feed-b")
    second = world.open("offers/feed-b")
    with pytest.raises(BadInput, match="No job's case is linked"):
        say_beside(*parts, ref, Beside.UNLINK, WHY, "front line")
    for job in (first, second):
        link_job(services.ledger, ref, job, "front line")
    with pytest.raises(BadInput, match=f"Name one of {first}, {second}"):
        say_beside(*parts, ref, Beside.UNLINK, WHY, "front line")
    with pytest.raises(BadInput, match="It is not said which"):
        say_beside(*parts, ref, Beside.UNLINK, f"JF-000999: {WHY}", "front line")
    say_beside(*parts, ref, Beside.UNLINK, f"{second}: {WHY}", "front line")
    assert linked_jobs(world.case(ref)) == [first]
    say_beside(*parts, ref, Beside.UNLINK, WHY, "front line")
    assert linked_jobs(world.case(ref)) == []


WHY = "it is the feed of their other shop"


def unlink(desk: Desk, ref: str, job: str, by: str = "front line") -> None:
    services = desk.services
    form = Finish(answered_by=by, what=Finishes.UNLINK, job=job, why=WHY)
    answer_form(services.ledger, services.files, services.policy, ref, form)


def test_a_case_that_is_opened_again_closes_without_a_job_once_somebody_says_that_none_fails_now(desk: Desk) -> None:
    world = desk.world
    ref = solved(desk, client="Shop A", sender=CLIENT)
    job = world.open()
    link_job(desk.services.ledger, ref, job, "operator")
    world.walk(job)
    assert desk.finish(ref).is_closed
    desk.ask(ref, Request.REOPEN, "", PEOPLE["L1"])
    desk.ask(ref, Request.STATE_SOLUTION)
    desk.ask(ref, Request.TAKE_SOLUTION_BACK, "", PEOPLE["L2"])
    desk.ask(ref, Request.STATE_SOLUTION, solution="the banner is back again")
    assert not desk.finish(ref).is_closed
    assert "proven" in codes(desk, ref), "a job failed before, and nobody said that none does now"
    finish(desk, ref, Finishes.NO_JOB)
    assert desk.finish(ref).is_closed


def test_a_proof_that_was_edited_or_is_gone_proves_no_job(desk: Desk) -> None:
    world, services = desk.world, desk.services
    ref = desk.open(client="Shop A", failing=str(Failing.YES))
    job = world.closed()
    link_job(services.ledger, ref, job, "operator")
    path = proof_path(services.proofs, world.case(job))
    sound = path.read_bytes()
    world.platform.add("offers/feed-b")
    other = world.open("offers/feed-b")
    assert world.walk(other).is_closed
    anothers = proof_path(services.proofs, world.case(other)).read_bytes()
    for wrong in (sound.replace(b"J7", b"J8"), sound + b" ", anothers, None):
        path.write_bytes(wrong) if wrong is not None else path.unlink()
        with pytest.raises((ProofNotMade, BadInput)):
            prove_the_jobs(services.ledger, services.files, services.proofs, ref)
    assert world.case(ref).events[-1].kind is Kind.JOB_LINKED
    path.write_bytes(sound)
    assert prove_the_jobs(services.ledger, services.files, services.proofs, ref).events[-1].kind is Kind.JOB_PROVEN


def test_a_later_failed_run_of_the_job_is_seen_at_the_last_look(desk: Desk) -> None:
    world, services = desk.world, desk.services
    ref = desk.open(client="Shop A", failing=str(Failing.YES), sender=CLIENT)
    job = world.closed()
    link_job(services.ledger, ref, job, "operator")
    desk.ask(ref, Request.STATE_SOLUTION)
    world.clock.move(minutes=1)
    world.platform.add_run(world.case(job).facts["job"], RunState.FAILED)
    case = desk.finish(ref)
    assert (case.is_closed, case.look["failed"][0]) == (False, job)
    assert desk.finish(ref).version == case.version, "it is said once"
    assert "proven" in codes(desk, ref), "the job's case has to close anew"
    again = {"why": "it failed again", "check": "c", "cause": "feed", "summary": "late", "failed_run": None}
    world.services.ledger.record(job, JobKind.REOPENED, **again, failed_run_url=None, failed_at=None)
    assert world.walk(job).is_closed
    assert desk.finish(ref).is_closed
