"""Whole cases through a real Prefect, real mail and a real browser, on jobs of the sandbox and on others.

They close by J7, J8 and J9, fail again and are reopened (J11), rest (J6). And the case's process is killed at the worst
moment, or the mail server is down: nothing is lost, the next run goes on.
"""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect, text

from caseproof.domain.case import Case
from caseproof.domain.forms import AccountDecision, Counts, Review, Verdict, WordAgreement
from caseproof.domain.job_failure.conditions import AT_THE_REVIEW
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.job_failure.lifecycle import State
from caseproof.domain.vocabulary import Decision, Disposition
from caseproof.evidence.proof import read_proof, verify_proof
from caseproof.http.redaction import HIDDEN
from caseproof.procedure.closing.proving import proof_path
from caseproof.up.postgres import EmbeddedPostgres
from caseproof.up.processes import wait_until
from sandbox.retailer import Retailer
from sandbox.world import CONTACTS, OUR_POOL, PLATFORM, World
from tests.support.at_the_screen import at_the_web_app, browser_here, people_with_passwords
from tests.support.killer import proxy_before
from tests.support.own_job import OwnJob, deploy
from tests.support.planted import PLANTED

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]


@pytest.fixture(scope="module", autouse=True)
def _passwords(world: World) -> None:
    people_with_passwords(world)


SECRETS = [one for one in PLANTED if "\n" not in one.text][::6]
"""What the job that is closed after our fix fails with."""
WITHOUT = {"answered_by": "operator", "what": "decide without the retailer's word"}
APPROVE = {"answered_by": "team lead", "verdict": "approve"}


def decided(decision: Decision, by: str = "operator", **more: str) -> dict[str, str]:
    """The decision form, filled in."""
    return {"answered_by": by, "decision": decision, "reason": "Seen and settled.", **more}


def written_by(job: OwnJob, world: World, words: str) -> str:
    """A mail from the job's contact, saved as a file; returns its path."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = job.contact, "cases@example.com", "Re: your notice"
    mail["Message-ID"] = f"<reply@{job.name}.example.com>"
    mail.set_content(words)
    path = world.home / f"{job.name}.eml"
    path.write_bytes(mail.as_bytes())
    return str(path)


def test_j7_a_case_on_a_scheduled_job_elsewhere_closes_after_our_fix_and_the_job_runs_by_itself_again(
    world: World, full_run: bool
) -> None:
    """Also sees a schedule start runs by itself: with the wrong library versions Prefect makes none.

    That it fails again after its closing (J11) is part of the full run; the short one sees it in
    tests/procedure/test_keeper_and_stops.py.
    """
    job = deploy(world, "night", every=8, says="".join(f"\n{one.text}" for one in SECRETS))
    wait_until("a scheduled run to fail by itself", lambda: _ended(job, "FAILED"), 180, every=2)
    ref = job.open_case("--by", "operator")
    assert job.deployment()["paused"], "J2: opening the case stopped the job, before any flow run"
    assert job.open_case() == ref, "a second case for the same job is the open one"
    world.await_question(ref, "cause")
    assert _letters(world, job) == [], "with the cause unknown nobody is told a guess"
    world.answer(ref, "cause", answered_by="operator", cause="our_platform")
    notice = next(m for m in world.mailbox.wait_for(1, 180) if job.contact in m.rcpt_tos).parsed
    assert notice.get_content_type() == "multipart/alternative"
    assert ref in str(notice["Subject"])

    world.answer(ref, "retailers-word", **WITHOUT)
    if full_run:
        a_rerun_fails_and_tells_its_message(world, ref)
    our_prefect_and_our_home_hold_no_secret(world, job)
    job.mend()
    world.answer(ref, "decision", **decided(Decision.AFTER_FIX))
    if full_run:
        who_decided_cannot_review(world, ref)
    world.answer(ref, "review", **APPROVE)
    case = world.await_case(ref, "closed, with its ticket", lambda case: case.ticket_closed is not None)

    proof = proof_path(world.services.proofs, case)
    assert proof is not None
    assert all(check.ok for check in verify_proof(proof)), verify_proof(proof)
    assert read_proof(proof)["rule"] == "J7"
    assert case.photo["url"].startswith(world.jobs_server.ui_url), "the picture is the customers' own page"
    wait_until("the case's run to end", lambda: _state(world, ref) == "COMPLETED", 180, every=1)
    since = case.closed.at.isoformat()
    wait_until("the schedule to run the job by itself", lambda: _ended(job, "COMPLETED", since=since), 180, every=2)
    if full_run:
        it_fails_again_and_the_keeper_reopens_the_case(world, job, case)
    else:
        job.pause()  # its runs would go on beside the other tests


def who_decided_cannot_review(world: World, ref: str) -> None:
    own = world.answer(ref, "review", answered_by="operator", verdict="approve")
    world.await_question(ref, "review", after=own)
    assert "another person" in world.services.ledger.case(ref).refused["why"]


def a_rerun_fails_and_tells_its_message(world: World, ref: str) -> None:
    too_early = world.answer(ref, "decision", **decided(Decision.AFTER_FIX))
    world.await_question(ref, "decision", after=too_early)  # what was decided without is decided without again
    why = str(world.services.ledger.case(ref).last_failure["why"])
    assert "401 token_expired" in why, "the re-run failed, and with it came its message"
    assert HIDDEN in why


def our_prefect_and_our_home_hold_no_secret(world: World, job: OwnJob) -> None:
    """Every row of our Prefect's database but those of the customer's own runs, which say what they say, and our files.

    Where the customers' server is ours, too, their runs are in the same database, and nothing of it is ours to change.
    """
    theirs = [run["id"] for run in job.runs()]
    # Markdown escapes what is between letters with backslashes.
    rows = [(name, row.replace("\\", "")) for name, row in _rows(world)]
    said = [(name, row) for name, row in rows if not any(run in row for run in theirs)]
    assert [name for name, row in said if HIDDEN in row], "what we show of the message, and where"
    files = [file for file in world.home.rglob("*") if file.is_file() and _is_ours(file, job)]
    said += [(str(file), file.read_bytes().decode("utf-8", "replace")) for file in files]
    found = {(where, one.kind) for where, told in said for one in SECRETS if any(part in told for part in one.parts)}
    assert not found


def _rows(world: World) -> list[tuple[str, str]]:
    """All rows of our Prefect's database, each with the name of its table."""
    file = world.server.home / "prefect" / "prefect.db"
    cluster = EmbeddedPostgres(world.server.home / "postgres")
    engine = create_engine(f"sqlite:///{file}" if file.exists() else cluster.url("prefect", "postgresql+psycopg"))
    with closing(engine.connect()) as connection:
        tables = inspect(connection).get_table_names()
        asked = {name: text(f'select * from "{name}"') for name in tables}  # noqa: S608
        rows = [(name, str(tuple(row))) for name, every in asked.items() for row in connection.execute(every)]
    engine.dispose()
    return rows


def _is_ours(file: Path, job: OwnJob) -> bool:
    """Not what the customer's worker logs and the job reads, nor the database, whose rows were looked at."""
    theirs = file.name.startswith(job.switch.name) or "customer" in file.name
    theirs = theirs or "ui" in file.parts  # Prefect's pages
    return not theirs and "postgres" not in file.parts and not file.name.startswith("prefect.db")


def it_fails_again_and_the_keeper_reopens_the_case(world: World, job: OwnJob, closed: Case) -> None:
    """J11: the same case goes back to the stop, also where its flow run was deleted."""
    told = len(_letters(world, job))
    world.call(world.server, "DELETE", f"flow_runs/{world.flow_run_of(closed.ref)}")
    job.spoil()
    wait_until(
        "a scheduled run to fail again", lambda: _ended(job, "FAILED", closed.closed.at.isoformat()), 180, every=2
    )
    # Runs overlap on a busy machine: one that began before may end well after the failed one; then nothing is to do.
    wait_until("the keeper to reopen the case", lambda: _reopened_by_a_pass(world, closed), 240, every=1)
    with world.services.store.reading() as uow:
        assert [row.ref for row in uow.cases.rows() if row.job == job.id] == [closed.ref], "the same case"
    again = [event.kind for event in world.services.ledger.case(closed.ref).events][len(closed.events) :]
    again = [kind for kind in again if kind is not Kind.RECOVERY_TOLD]
    assert again[:2] == [Kind.REOPENED, Kind.STOPPED], "J2: nothing comes before the stop"
    assert job.deployment()["paused"]
    assert closed.ref in artifact(world, "caseproof-board")
    world.await_question(closed.ref, "retailers-word")
    assert world.flow_run(world.flow_run_of(closed.ref))["state"]["name"] == "Suspended", "a new run carries it"
    with world.services.store.reading() as uow:
        (ticket,) = [ticket for ticket in uow.tickets.rows() if ticket.key == closed.ref]
    assert ticket.status == "open"
    letters = _letters(world, job)
    assert len(letters) == told + 1, "what was done is not done again"
    assert "again" in letters[-1]["Subject"].lower()


def _reopened_by_a_pass(world: World, closed: Case) -> bool:
    assert world.run_ours("case-keeper")["state"]["type"] == "COMPLETED"
    return not world.services.ledger.case(closed.ref).is_closed


def _letters(world: World, job: OwnJob) -> list[EmailMessage]:
    return [mail.parsed for mail in world.mailbox.messages if job.contact in mail.rcpt_tos]


def artifact(world: World, key: str) -> str:
    """The newest artifact of this key, as people see it."""
    found = world.call(world.server, "GET", f"artifacts/{key}/latest").json()
    return f"{found['description']}\n{found['data']}"


def _state(world: World, ref: str) -> str:
    return str(world.flow_run(world.flow_run_of(ref))["state"]["type"])


def _ended(job: OwnJob, state: str, since: str = "") -> bool:
    """Whether a run that the scheduler made ended like this (after ``since``)."""
    floor = datetime.fromisoformat(since) if since else datetime(2000, 1, 1, tzinfo=UTC)
    return any(run["auto_scheduled"] and datetime.fromisoformat(run["start_time"]) > floor for run in job.runs(state))


# -- the retailer's own word, by mail and on the page ------------------------------------------------------------------

BY_MAIL, ON_THE_PAGE = CONTACTS
STRANGER = "reseller@elsewhere.example.net"


def test_j8_the_contacts_own_word_by_mail_or_on_the_page_closes_a_case_and_nobody_elses_does(
    world: World, full_run: bool
) -> None:
    """The short run has the one by mail alone; the page itself is opened in a browser in tests/web/ as well."""
    by_mail = _opened(world, BY_MAIL)
    on_the_page = _opened(world, ON_THE_PAGE) if full_run else None
    people = {by_mail: (gardener := _told(world, by_mail, BY_MAIL))}
    if on_the_page:
        people[on_the_page] = toy_seller = _told(world, on_the_page, ON_THE_PAGE)
        toy_seller.press(toy_seller.letters[0], "I made the change", "The permission is there again.")
    nothing_counts_but_the_contacts_own_word(world, by_mail, gardener)

    gardener.answer(gardener.letters[0], "Hello,\nwe have renewed the access.\n\nThe owner")
    read_the_mailbox(world)
    (word,) = world.services.ledger.case(by_mail).words
    assert (word["sender"], word["by_way_of"]) == (gardener.address, "mail")
    assert word["words"].startswith("Hello,\nwe have renewed the access."), "verbatim, without what it quotes"
    if on_the_page:
        both_are_answered_in_the_web_app(world, by_mail, on_the_page)
    else:
        world.answer(by_mail, "decision", **decided(Decision.AFTER_CHANGE, checked="The new token is set."))
        world.answer(by_mail, "review", **APPROVE)
    for ref, person in people.items():
        case = world.await_case(ref, "closed, and the retailer told", lambda case: case.recovery is not None)
        proof = proof_path(world.services.proofs, case)
        assert proof is not None
        assert [check for check in verify_proof(proof) if not check.ok] == []
        assert read_proof(proof)["rule"] == "J8"
        assert "running again" in person.letters[-1].get_body(("plain",)).get_content().lower()
        assert len(person.letters) == 2, "a notice and its good end"
    if on_the_page:
        the_page_led_to_the_rerun(world.services.ledger.case(on_the_page))


def both_are_answered_in_the_web_app(world: World, by_mail: str, on_the_page: str) -> None:
    """By two people who are logged in, and nowhere else."""
    world.await_question(by_mail, "decision")
    with world.listening(), browser_here() as browser:
        operator, lead = (at_the_web_app(world, browser, name) for name in ("operator", "team lead"))
        operator.take(by_mail)
        saw = "The new token is set."
        operator.answer(AccountDecision, Decision.AFTER_CHANGE, reason="They renewed it.", checked=saw)
        operator.await_form(Review)
        lead.take(by_mail)
        lead.answer(Review, Verdict.APPROVE)
        lead.await_end()
        took = operator.done + lead.done
        assert (took.clicks, took.texts) == (8, 2)
        world.await_question(on_the_page, "review")
        lead.take(on_the_page)
        lead.answer(Review, Verdict.APPROVE, checked=saw)
        lead.await_end()
        took = operator.done + lead.done
        assert (took.clicks, took.texts) == (8 + 4, 2 + 1)
    assert world.services.ledger.case(by_mail).decision.actor == "operator"


def _orders(retailer: str) -> str:
    return f"marketplace-orders/{retailer}"


def _opened(world: World, retailer: str) -> str:
    """A case about the retailer's orders; the neighbour of that job goes on."""
    job, neighbour = _orders(retailer), f"stock-feed/{retailer}"
    opened = world.caseproof("case", "open", "--platform", PLATFORM, "--job", job, "--cause", "expired_token")
    calls = [world.call(world.jobs_server, "GET", f"deployments/name/{name}") for name in (job, neighbour)]
    assert [answer.json()["paused"] for answer in calls] == [True, False]
    return str(opened["case"])


def _told(world: World, ref: str, retailer: str) -> Retailer:
    """The retailer's person, who has got the notice by now."""
    world.await_question(ref, "retailers-word")
    return Retailer(world.mailbox, CONTACTS[retailer], f"The owner of {retailer}")


def read_the_mailbox(world: World) -> None:
    """As its schedule would, in a flow run; it wakes the cases that have news, also from the page."""
    assert world.run_ours("retailer-inbox")["state"]["type"] == "COMPLETED"
    assert world.inbox is not None
    assert world.inbox.folder("INBOX") == [], "what was read is put away"


def nothing_counts_but_the_contacts_own_word(world: World, ref: str, owner: Retailer) -> None:
    """A vacation reply and a stranger's, in the very thread of the notice: the case waits on as before."""
    letter = owner.letters[-1]
    before, run = world.services.ledger.case(ref), world.flow_run_of(ref)
    owner.is_away(letter)
    world.mailbox.senders[STRANGER] = "genuine, and a stranger all the same"
    owner.passed_on(letter, STRANGER, "We renewed the access, you can use it again.")
    read_the_mailbox(world)
    with world.services.store.reading() as uow:
        assert [row.place for row in uow.messages.of_case(ref)] == [Disposition.AUTOMATIC, Disposition.REFUSED]
    case = world.services.ledger.case(ref)
    (event,) = case.events[len(before.events) :]
    assert event.kind is Kind.CONFIRMATION_REFUSED
    assert STRANGER in event.data["why"], "an operator reads why"
    assert (case.words, case.state, case.question) == ((), before.state, before.question)
    assert world.flow_run_of(ref) == run
    assert world.flow_run(run)["state"]["name"] == "Suspended", "nobody woke it"


def the_page_led_to_the_rerun(case: Case) -> None:
    """The button in a real browser, and then nobody of the team until the review (J10)."""
    (word,) = case.words
    assert (word["by_way_of"], word["choice"]) == ("page", "changed")
    assert case.decision is not None
    assert (case.decision.actor, case.decision["validation"]) == ("caseproof", AT_THE_REVIEW)
    assert case.validated is not None
    assert case.review is not None
    assert case.validated.actor == case.review.actor == "team lead", "a person looked at the change before it closed"


# -- a removal ---------------------------------------------------------------------------------------------------------


def test_j9_a_removal_closes_with_a_proof_of_its_own_and_never_says_that_the_job_succeeded(world: World) -> None:
    job = deploy(world, "leaving", every=3600)
    run = _start_from_the_ui(world, job, cause="retailer_offboarded")
    ref = str(wait_until("the run to open its case", lambda: _case_of(world, run), 180))
    world.await_question(ref, "retailers-word")
    confirmed = world.caseproof(
        "case", "confirm", ref, "--from", job.contact, "--message", written_by(job, world, "We stopped selling there."),
        "--by", "operator",
    )  # fmt: skip
    assert confirmed["recorded"]
    assert confirmed["needs_agreement"], "it is dated nowhere, answers no mail of ours, and nobody vouches for it"
    it_is_answered_in_the_web_app_with_few_clicks(world, ref)
    case = world.await_case(ref, "closed, with its ticket", lambda case: case.ticket_closed is not None)

    proof = read_proof(proof_path(world.services.proofs, case))
    assert (proof["rule"], proof["kind"], proof["run"]["purpose"]) == ("J8", "removal", "removal")
    assert "succeed" not in proof["statement"]
    assert "ran successfully" not in proof["statement"]
    assert all(check.ok for check in verify_proof(proof_path(world.services.proofs, case)))
    assert case.photo["url"].startswith(world.server.ui_url), "the picture is of our own removal run"
    assert world.flow_run(case.run["run"])["deployment_id"] is not None
    assert job.deployment()["paused"], "stopped for good"
    assert case.confirmations[0]["words"].strip() == "We stopped selling there."
    assert proof["confirmations"][0]["agreed"]["by"] == "team lead"


def it_is_answered_in_the_web_app_with_few_clicks(world: World, ref: str) -> None:
    """Three forms by two people, from "a case waits" to its end: one place, few clicks and texts."""
    world.await_question(ref, "agreement")
    with world.listening(), browser_here() as browser:
        lead, operator = (at_the_web_app(world, browser, name) for name in ("team lead", "operator"))
        lead.take(ref)
        lead.answer(WordAgreement, Counts.AGREE, remark="I called them.")
        lead.await_form(AccountDecision)
        operator.take(ref)
        operator.answer(AccountDecision, Decision.REMOVE, reason="Seen and settled.")
        operator.await_form(Review)
        lead.take(ref)
        lead.answer(Review, Verdict.APPROVE)
        lead.await_end()
    took = lead.done + operator.done
    assert (took.clicks, took.texts) == (11, 2)
    assert (lead.let_in.clicks, lead.let_in.texts) == (2, 2), "once in eight hours"


def _start_from_the_ui(world: World, job: OwnJob, **fields: str) -> str:
    """Start a case from the run form of the deployment, through the call that the form makes; the flow run's id."""
    deployment = world.call(world.server, "GET", "deployments/name/job-failure-case/job-failure-case").json()
    assert deployment["work_pool_name"] == OUR_POOL
    asked = {"parameters": {"platform": PLATFORM, "job": job.id, "opened_by": "operator", **fields}}
    return str(
        world.call(world.server, "POST", f"deployments/{deployment['id']}/create_flow_run", json=asked).json()["id"]
    )


def _case_of(world: World, flow_run: str) -> str | None:
    with world.services.store.reading() as uow:
        return uow.cases.by_flow_run(flow_run)


@pytest.mark.full
def test_j6_keeping_paused_leaves_the_case_open_with_its_date_and_forcing_its_run_changes_nothing(
    world: World,
) -> None:
    job = deploy(world, "resting")
    ref = job.open_case("--cause", "sync")
    world.answer(ref, "retailers-word", **WITHOUT)
    refused = world.answer(ref, "decision", **decided(Decision.AFTER_CHANGE, checked="I saw it."))
    world.await_question(ref, "decision", after=refused)
    assert "J8" in world.services.ledger.case(ref).refused["why"], "no word of the retailer, no such decision"
    until = (datetime.now(UTC) + timedelta(days=14)).date().isoformat()
    asked = world.answer(ref, "decision", **decided(Decision.KEEP_PAUSED, paused_until=until))
    world.await_question(ref, "decision", after=asked)
    case = world.services.ledger.case(ref)
    assert case.state is State.PAUSED
    assert case.paused_until is not None
    assert case.paused_until.isoformat() == until
    assert [row["paused_until"] for row in world.caseproof("case", "list") if row["ref"] == ref] == [until]

    first = world.flow_run_of(ref)
    forced = {"state": {"type": "COMPLETED", "name": "Completed"}, "force": True}
    assert world.call(world.server, "POST", f"flow_runs/{first}/set_state", json=forced).json()["status"] == "ACCEPT"
    why = world.caseproof("case", "why", ref)
    assert why["status"] == "paused", "whoever has the UI can force a run; a case they cannot"
    assert {"decided", "succeeded", "pictured", "attached"} <= {missing["code"] for missing in why["missing"]}
    assert all(missing["rule"] and missing["next_action"] for missing in why["missing"])

    before = world.services.ledger.case(ref).question_number
    world.caseproof("case", "wake", ref)
    number = world.await_question(ref, "decision", after=before)
    second = world.services.ledger.case(ref).asked[number]["flow_run"]
    assert second != first, "a run of the next generation carries it on"
    told = [e for e in world.services.ledger.case(ref).events if e.kind is Kind.NOTICE_SENT]
    assert len(told) == 1, "what was done is not done again"


@pytest.mark.full
def test_a_run_from_the_form_for_a_job_that_does_not_exist_fails_with_a_sentence_and_opens_nothing(
    world: World,
) -> None:
    deployment = world.call(world.server, "GET", "deployments/name/job-failure-case/job-failure-case").json()
    asked = {"parameters": {"platform": PLATFORM, "job": "nightly-export/nobody"}}
    run = world.call(world.server, "POST", f"deployments/{deployment['id']}/create_flow_run", json=asked).json()["id"]

    def failed() -> str | None:
        state = world.flow_run(run)["state"]
        return state["message"] if state["type"] == "FAILED" else None

    message = wait_until("the run to fail", failed, 180)
    assert "nightly-export/nobody" in message
    assert "Next:" in message
    assert _case_of(world, run) is None


# -- a process that is killed, and a mail server that is down ----------------------------------------------------------

SAVE_PLATFORM = (
    "from blocks.platforms import PrefectJobs as P; P(api_url={api!r}, ui_url={ui!r}, auth={auth!r}).save({name!r})"
)


def crashed(world: World, flow_run: str) -> bool:
    return str(world.flow_run(flow_run)["state"]["type"]) == "CRASHED"


@pytest.mark.full
def test_j2_killed_between_the_stop_and_its_record_the_next_run_finds_the_job_stopped_and_stops_it_no_second_time(
    world: World,
) -> None:
    job = deploy(world, "killed-at-the-stop", every=3600)
    with proxy_before(world.jobs_server.api_url) as proxy:
        jobs = world.jobs_server
        facts = {"api": proxy.url, "ui": jobs.ui_url, "auth": jobs.auth or "", "name": "behind-a-proxy"}
        world.python("-c", SAVE_PLATFORM.format(**facts))
        proxy.kill_after = "/pause_deployment"
        run = _start_from_the_ui(world, job, platform="behind-a-proxy", cause="feed")
        proxy.victim.set_result(world.services.at_work(run))
        assert proxy.killed.wait(180)
        wait_until("Prefect to see the crash", lambda: crashed(world, run), 180)
        ref = str(_case_of(world, run))
        assert job.deployment()["paused"], "the stop took place"
        assert world.services.ledger.case(ref).state is State.OPENED, "and nobody wrote it down"

        world.caseproof("case", "wake", ref)
        world.await_question(ref, "retailers-word")
        assert proxy.count("/pause_deployment") == 1, "read back, not repeated"
    case = world.services.ledger.case(ref)
    assert case.contained is not None
    assert case.contained["jobs"][0]["was_active"] is True, "what stood before the stop is not forgotten"
    assert [e.kind for e in case.events][:2] == [Kind.OPENED, Kind.STOPPED]


@pytest.mark.full
def test_a_mail_server_that_is_down_makes_the_case_say_so_and_wait_until_somebody_says_try_again(world: World) -> None:
    job = deploy(world, "no-mail")
    world.mailbox.on_message = lambda _: "451 4.3.0 try later"
    try:
        world.run_job(job.id)
        assert world.run_ours("daily-job-check", platform=PLATFORM)["state"]["type"] == "COMPLETED"
        with world.services.store.reading() as uow:
            (ref,) = [row.ref for row in uow.cases.rows() if row.job == job.id]
        assert ref in artifact(world, "check-sandbox")
        assert ref in artifact(world, "failing-sandbox")
        number = world.await_question(ref, "try-again")
    finally:
        world.mailbox.on_message = None
    case = world.services.ledger.case(ref)
    assert case.trouble is not None
    assert case.trouble["step"] == "tell the retailer"
    assert case.trouble["next_action"]
    assert case.notice is None
    assert "tell the retailer" in world.python("-m", "caseproof.cli", "case", "show", ref).stdout

    empty = world.resume(ref)
    assert empty["status"] == "REJECT", "Prefect itself refuses an empty form: who answers has no default"
    world.answer(ref, "try-again", answered_by="operator", remark="the mail server is up again")
    world.await_question(ref, "retailers-word", after=number)
    case = world.services.ledger.case(ref)
    assert case.trouble is None
    assert case.notice is not None
    assert len(_letters(world, job)) == 1
    assert world.run_ours("retailer-inbox")["state"]["type"] == "COMPLETED", "with nothing to read"
