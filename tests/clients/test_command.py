"""The command: what it prints, where, and how it ends: 0 done, 1 refused with reason and next action, 2 wrong usage."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from prefect.events.clients import AssertingEventsClient
from prefect.events.worker import EventsWorker
from prefect.settings import PREFECT_API_URL, temporary_settings

from blocks.base import load_block
from blocks.platforms import PLATFORMS, PrefectJobs
from caseproof.config.settings import Settings
from caseproof.domain.case import Case
from caseproof.domain.closure import closure_blockers
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.vocabulary import Decision
from caseproof.procedure.closing.proving import make_proof, proof_path
from caseproof.procedure.core.services import Services, bootstrap
from caseproof.up.processes import free_port
from sandbox.processes import PrefectServer
from tests.support.command import Ended, Run
from tests.support.histories import JOB, Plan, Teller, teller_of

ROOT = Path(__file__).parents[2]


@pytest.fixture
def services(home: Path) -> Services:
    return bootstrap(Settings(home=home))


def written(services: Services, teller: Teller, **opening: str) -> Case:
    """The teller's events in the store of services, with real files as their evidence."""
    case: Case | None = None
    files: dict[str, str] = {}
    for event in teller.events:
        data: dict[str, Any] = dict(event.data)
        if event.kind is Kind.OPENED:
            data |= opening
        elif case is not None and "evidence" in data:
            told = str(data["evidence"])
            files[told] = files.get(told) or services.files.keep(
                case.ref, told.encode(), f"{told[:8]}.txt", "text/plain"
            )
            data["evidence"] = files[told]
        if event.kind is Kind.RUN_VERIFIED:
            data |= {"name": "tidy-otter", "said": "Completed", "url": "https://jobs.example.com/runs/1"}
        now = type(event)(event.kind, event.at, event.actor, data)
        with services.store.uow() as uow:
            case = uow.cases.create(now) if case is None else uow.cases.append(case, now)
            uow.commit()
    assert case is not None
    return case


def opened(services: Services, **opening: str) -> Case:
    teller = Teller()
    teller.open()
    return written(services, teller, **opening)


def waiting(services: Services, **opening: str) -> Case:
    teller = Teller()
    teller.open()
    teller.until_waiting(first=True)
    return written(services, teller, **opening)


def closed(services: Services) -> Case:
    """A case that is closed with the product's own proof."""
    teller = Teller(Plan(Decision.AFTER_FIX))
    teller.open()
    teller.until_waiting(first=True)
    teller.decide()
    teller.run_successfully()
    teller.approve()
    teller.look()
    services = replace(services, clock=lambda: teller.now + timedelta(minutes=1))
    case = make_proof(services.ledger, services.files, services.proofs, written(services, teller).ref)
    assert case.proof is not None
    return services.ledger.record(case.ref, Kind.CLOSED, proof=case.proof["evidence"])


def refused(ended: Ended, problem: str, next_action: str) -> None:
    """It ended with 1, said what is wrong and what to do on stderr, and nothing on stdout."""
    assert ended.code == 1
    assert ended.out == ""
    first, second = ended.err.splitlines()
    assert first.startswith("caseproof: ")
    assert problem in first
    assert second.startswith("Next: ")
    assert next_action in second


# -- usage ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "typed",
    [
        ["case", "reopen"],
        ["case", "show"],
        ["case", "list", "--everything"],
        ["case", "open", "--platform", "x"],
        ["case", "open", "--platform", "x", "--job", "a/b", "--scope", "everything"],
        ["contact", "add", "--retailer", "Shop A"],
    ],
    ids=" ".join,
)
def test_wrong_usage_ends_with_2_and_a_hint_on_stderr(run: Run, typed: list[str]) -> None:
    ended = run(*typed)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("Usage: ")
    assert f"caseproof {typed[0]}" in ended.err


def test_the_version_is_printed_alone(run: Run, home: Path) -> None:
    assert run("--version") == (0, f"caseproof {version('caseproof')}\n", "")
    assert not home.exists()


def test_help_is_no_error(run: Run) -> None:
    ended = run("case", "--help")
    assert (ended.code, ended.err) == (0, "")
    assert "confirm" in ended.out


def test_the_installed_program_ends_as_the_function_does_and_imports_no_other_command(home: Path) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "caseproof.cli", "case", "show", "JF-000099"]
    env = os.environ | {"CASEPROOF_HOME": str(home)}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=240, check=False)
    imports = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    told = "".join(f"{line}\n" for line in done.stderr.splitlines() if line not in imports)
    refused(Ended(done.returncode, done.stdout, told), "JF-000099", "caseproof case list")
    imported = {line.rpartition("|")[2].strip() for line in imports}
    assert "caseproof.cli.case_list" in imported
    assert not imported & {
        "caseproof.backup",
        "caseproof.doctor",
        "caseproof.procedure.paging.installed",
        "caseproof.web",
        "prefect",
    }


# -- reading cases --------------------------------------------------------------------------------------------------


def test_open_cases_are_listed_and_closed_ones_only_where_asked(run: Run, services: Services) -> None:
    done = closed(services)
    case = waiting(services)
    assert [row["ref"] for row in run("case", "list", "--json").json] == [case.ref]
    rows = run("case", "list", "--all", "--json").json
    assert [(row["ref"], row["state"]) for row in rows] == [(done.ref, "closed"), (case.ref, "waiting")]
    assert rows[1]["job"] == JOB
    table = run("case", "list")
    assert (table.code, table.err) == (0, "")
    assert case.ref in table.out
    assert done.ref not in table.out
    assert "retailer told" in table.out, "a name that people understand, and the value for programs"
    for state in ("waiting", "retailer told"):
        assert [row["ref"] for row in run("case", "list", "--state", state, "--json").json] == [case.ref]


def test_the_list_names_a_case_whose_events_cannot_be_read_and_showing_it_is_refused(
    run: Run, services: Services
) -> None:
    whole, broken = waiting(services), opened(services, job="offers/other")
    with closing(sqlite3.connect(services.settings.home_folder / "caseproof.sqlite", isolation_level=None)) as raw:
        raw.execute("DROP TRIGGER events_unchanged")
        raw.execute("UPDATE events SET data = 'no json' WHERE case_id = 2")
        listed = run("case", "list", "--json")
        assert (listed.code, [row["ref"] for row in listed.json]) == (0, [whole.ref, broken.ref])
        assert f"caseproof: {broken.ref}: the store was edited by hand" in listed.err
        assert run("case", "show", whole.ref).code == 0
        refused(run("case", "show", broken.ref), f"An event of {broken.ref} cannot be read", "compare with a backup")
        raw.execute("UPDATE cases SET state = 'unheard of' WHERE id = 1")
    listed = run("case", "list")
    assert (listed.code, listed.out) == (1, "")
    assert f"caseproof: {whole.ref}, {broken.ref}: the store was edited by hand" in listed.err
    assert "A row of the cases cannot be read" in listed.err


def test_the_list_is_searched_and_filtered_and_all_that_is_wanted_must_fit(run: Run, services: Services) -> None:
    done = closed(services)
    first = waiting(services, job="orders/a", job_name="Orders of A", retailer="garden-shop", platform="shop-jobs")
    second = opened(services, job="feeds/b", job_name="Feed of B", retailer="book-corner", marketplace="bazaar")

    def found(*typed: str) -> list[str]:
        return [row["ref"] for row in run("case", "list", *typed, "--json").json]

    assert found("--retailer", "Garden_Shop") == [first.ref]
    assert found("--marketplace", "bazaar", "--state", "opened") == [second.ref]
    assert found("--platform", "shop-jobs") == [first.ref]
    assert found("--cause", "expired token") == [first.ref, second.ref]
    assert found("--state", "closed") == [done.ref], "who asks for closed ones wants them"
    assert found("ORDERS of") == [first.ref]
    assert found("garden", "orders") == found("garden orders") == [first.ref], "words of several places"
    assert found(second.ref) == [second.ref]
    assert found("--retailer", "garden-shop", "--state", "opened") == []
    table = run("case", "list", "orders")
    assert "1 of 2 open cases" in table.out
    assert second.ref not in table.out
    assert run("case", "list", "nothing of the kind").out == "None of 2 open cases fits.\n"


def test_a_filter_that_names_what_there_is_not_is_answered_with_names_alike(run: Run, services: Services) -> None:
    opened(services, retailer="garden-shop")
    misspelt = run("case", "list", "--retailer", "gardenshop", "--json")
    assert (misspelt.code, misspelt.json) == (0, [])
    assert "No case has the retailer 'gardenshop'. Alike are: garden-shop." in misspelt.err
    refused(run("case", "list", "--cause", "expired"), "There is no cause 'expired'", "expired_token")
    refused(run("case", "list", "--state", "retailer tld"), "Alike are: retailer told", "kept paused")


def test_an_empty_list_is_an_answer_too(run: Run) -> None:
    assert run("case", "list", "--json").json == []
    assert run("case", "list").out == "There are no open cases.\n"


def test_a_case_is_shown_with_what_comes_next_and_its_timeline(run: Run, services: Services) -> None:
    case = waiting(services)
    shown = run("case", "show", case.ref.lower())
    assert (shown.code, shown.err) == (0, "")
    assert shown.out.splitlines()[0].startswith(f"{case.ref} Offers of shop A")
    told = run("case", "show", case.ref, "--json").json
    assert (told["case"], told["status"], told["ticket"]) == (case.ref, "waiting", "T-17")
    assert [event["type"] for event in told["timeline"]] == [event.kind for event in case.events]
    assert told["next_action"] in " ".join(shown.out.split())
    assert (told["proof"], told["trouble"]) == (None, None)


def test_what_a_case_needs_help_with_is_told_with_a_code_for_programs(run: Run, services: Services) -> None:
    case = waiting(services)
    needs = {"step": "note on the ticket", "problem": "The desk is down.", "next_action": "Look at the desk."}
    services.ledger.record(case.ref, Kind.TROUBLE, **needs, code="desk_down")
    told = run("case", "show", case.ref, "--json").json
    assert told["trouble"] == {**needs, "code": "desk_down"}
    assert [event["code"] for event in told["timeline"]][-1] == "desk_down"
    services.ledger.record(case.ref, Kind.TROUBLE, **needs)
    assert run("case", "show", case.ref, "--json").json["trouble"]["code"] == "other", "of a version without codes"


def test_a_closed_case_is_shown_with_the_path_of_its_proof(run: Run, services: Services) -> None:
    case = closed(services)
    told = run("case", "show", case.ref, "--json").json
    assert (told["status"], told["missing"]) == ("closed", [])
    assert Path(told["proof"]).is_file()
    assert told["proof"] in run("case", "why", case.ref).out


def test_why_names_each_missing_item_with_its_rule_and_the_next_action(run: Run, services: Services) -> None:
    case = waiting(services)
    told = run("case", "why", case.ref, "--json").json
    assert told["missing"] == [
        {"rule": one.rule, "code": one.code, "missing": one.missing, "next_action": one.next_action}
        for one in closure_blockers(case)
    ]
    assert {"J6", "J10, J11"} <= {one["rule"] for one in told["missing"]}
    assert "J6" in run("case", "why", case.ref).out


@pytest.mark.parametrize("verb", ["show", "why", "wake"])
@pytest.mark.parametrize("ref", ["JF-000099", "JF-1", "nonsense", "../JF-000001"])
def test_a_case_that_is_not_there_is_refused(run: Run, verb: str, ref: str) -> None:
    refused(run("case", verb, ref), ref, "caseproof case list")


@pytest.mark.parametrize("verb", ["show", "why", "list"])
def test_names_that_look_like_markup_are_printed_as_they_are(run: Run, services: Services, verb: str) -> None:
    names = {"job_name": "[red]x[/]", "retailer": "[/bold]y", "summary": "[/z] fails"}
    case = opened(services, **names)
    shown = run("case", verb, *([] if verb == "list" else [case.ref]))
    assert (shown.code, shown.err) == (0, "")
    if verb != "why":
        assert "[red]x[/]" in shown.out
        assert "[/bold]y" in shown.out


def test_a_refusal_with_markup_in_it_is_printed_as_it_is(run: Run) -> None:
    refused(run("case", "show", "[/red]"), "[/red]", "caseproof case list")


def test_a_closed_case_is_not_woken(run: Run, services: Services) -> None:
    case = closed(services)
    refused(run("case", "wake", case.ref), f"{case.ref} is closed", f"caseproof case show {case.ref}")


# -- the retailer's word --------------------------------------------------------------------------------------------

MAIL = (
    b"From: owner@example.com\r\nTo: cases@example.com\r\nMessage-ID: <1@example.com>\r\n\r\nWe renewed the token.\r\n"
)


def confirm(run: Run, ref: str, file: Path, sender: str = "owner@example.com") -> Ended:
    return run("case", "confirm", ref, "--from", sender, "--message", str(file), "--by", "operator", "--json")


def test_a_mail_that_cannot_be_read_is_refused_with_its_path(run: Run, services: Services, tmp_path: Path) -> None:
    missing = tmp_path / "no-such.eml"
    refused(confirm(run, waiting(services).ref, missing), f"{missing} cannot be read", "path of the saved mail")


@pytest.mark.parametrize("what", ["a device", "a pipe", "a folder", "300 GB"])
def test_a_mail_that_never_ends_is_refused_and_not_waited_for(
    run: Run, services: Services, tmp_path: Path, what: str
) -> None:
    path = Path("/dev/zero") if what == "a device" else tmp_path / "mail.eml"
    if what == "a pipe":
        os.mkfifo(path)
    elif what == "a folder":
        path.mkdir()
    elif what == "300 GB":
        with path.open("wb") as file:
            file.truncate(300 * 1024**3)
    refused(confirm(run, waiting(services).ref, path), f"{path} cannot be read", "path of the saved mail")


def test_a_strangers_mail_is_refused_and_told_who_may_confirm(run: Run, services: Services, tmp_path: Path) -> None:
    case, file = waiting(services), tmp_path / "mail.eml"
    file.write_bytes(MAIL)
    refused(confirm(run, case.ref, file), "not a registered contact", "caseproof contact add")
    assert services.ledger.case(case.ref).events[-1].kind is Kind.CONFIRMATION_REFUSED


def test_a_word_for_a_case_that_is_not_there_is_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mail.eml").write_bytes(MAIL)
    refused(confirm(run, "JF-000099", tmp_path / "mail.eml"), "JF-000099", "caseproof case list")


def test_a_word_is_recorded_also_while_prefect_is_down(
    run: Run, services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """J8: what the retailer wrote must not depend on whether the case's run can be woken."""
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    case, file = waiting(services), tmp_path / "mail.eml"
    file.write_bytes(MAIL)
    assert run("contact", "add", "--retailer", "Shop A", "--address", "owner@example.com").code == 0
    ended = confirm(run, case.ref, file)
    assert ended.code == 0
    assert ended.json["recorded"] is True
    assert f"caseproof case wake {case.ref}" in ended.json["run"]
    (word,) = services.ledger.case(case.ref).confirmations
    assert "We renewed the token." in word["words"]


def test_what_speaks_against_a_mail_to_a_signed_address_is_said_though_another_file_is_kept_of_it(
    run: Run, services: Services, tmp_path: Path
) -> None:
    case, file = waiting(services), tmp_path / "mail.eml"
    file.write_bytes(MAIL.replace(b"cases@", f"cases+{case.ref.lower()}-{'a' * 16}@".encode()))
    assert run("contact", "add", "--retailer", "Shop A", "--address", "owner@example.com").code == 0
    told = confirm(run, case.ref, file).json
    assert "not_genuine" in [doubt["code"] for doubt in told["doubts"]]
    assert told["needs_agreement"] is True


def test_what_speaks_against_a_mail_is_said_and_printed_as_codes(run: Run, services: Services, tmp_path: Path) -> None:
    """No mail server of ours is named, it answers nothing, and it has no date."""
    case, file = waiting(services), tmp_path / "mail.eml"
    file.write_bytes(MAIL)
    assert run("contact", "add", "--retailer", "Shop A", "--address", "owner@example.com").code == 0
    told = confirm(run, case.ref, file).json
    assert [doubt["code"] for doubt in told["doubts"]] == ["not_genuine", "no_answer_of_ours", "no_date"]
    assert told["needs_agreement"] is True
    assert services.ledger.case(case.ref).words == ()
    named = ("--from", "owner@example.com", "--message", str(file), "--by", "operator")
    again = run("case", "confirm", case.ref, *named)
    assert "Something speaks against it:" in again.out
    assert "before somebody else than operator agrees" in " ".join(again.out.split())


@pytest.mark.parametrize("verb", ["confirm", "open"])
def test_whoever_acts_is_somebody_on_the_team_list_and_the_refusal_names_it(
    run: Run, services: Services, tmp_path: Path, verb: str
) -> None:
    case, file = waiting(services), tmp_path / "mail.eml"
    file.write_bytes(MAIL)
    what = {
        "confirm": ("case", "confirm", case.ref, "--from", "owner@example.com", "--message", str(file)),
        "open": ("case", "open", "--platform", "jobs", "--job", "offers/feed-b"),
    }[verb]
    for by in ("a stranger", "caseproof", "operator; team lead"):
        refused(run(*what, "--by", by), f"{by} is not on the team list", "operator, team lead")
    assert services.ledger.case(case.ref).version == case.version


def test_a_word_is_recorded_under_the_name_as_the_team_list_spells_it_and_under_no_other(
    run: Run, services: Services, tmp_path: Path
) -> None:
    case, file = waiting(services), tmp_path / "mail.eml"
    file.write_bytes(MAIL)
    assert run("contact", "add", "--retailer", "Shop A", "--address", "owner@example.com").code == 0
    what = ("case", "confirm", case.ref, "--from", "owner@example.com", "--message", str(file))
    nobody = run(*what)
    assert (nobody.code, "--by" in nobody.err) == (2, True)
    assert run(*what, "--by", " TEAM  lead ").code == 0
    assert services.ledger.case(case.ref).confirmations[0].actor == "team lead"


# -- proofs ---------------------------------------------------------------------------------------------------------


def proof_of(services: Services, case: Case) -> Path:
    path = proof_path(services.proofs, case)
    assert path is not None
    return path


def test_a_good_proof_holds(run: Run, services: Services) -> None:
    proof = proof_of(services, closed(services))
    told = run("verify", str(proof), "--json")
    assert told.code == 0
    assert told.json["holds"] is True
    assert [check for check in told.json["checks"] if not check["ok"]] == []
    assert "the proof holds" in run("verify", str(proof)).out


def test_a_proof_that_was_changed_does_not_hold(run: Run, services: Services) -> None:
    proof = proof_of(services, closed(services))
    claims = json.loads(proof.read_text())
    proof.write_text(json.dumps(claims | {"rule": "J8"}))
    told = run("verify", str(proof), "--json")
    assert told.code == 1
    assert told.json["holds"] is False
    assert [check["what"] for check in told.json["checks"] if not check["ok"]] == [
        "what the proof says", "the proof as we write it",
    ]  # fmt: skip
    assert "does not hold" in told.err
    assert "does NOT hold" in run("verify", str(proof)).out


def test_a_proof_whose_evidence_was_changed_does_not_hold(run: Run, services: Services) -> None:
    proof = proof_of(services, closed(services))
    (name, path), *_ = [(file["name"], file["path"]) for file in json.loads(proof.read_text())["files"]]
    evidence = proof.parent / path
    evidence.chmod(0o600)
    evidence.write_bytes(b"another picture")
    told = run("verify", str(proof), "--json")
    assert told.code == 1
    assert f"file {name}" in [check["what"] for check in told.json["checks"] if not check["ok"]]


@pytest.mark.parametrize("content", [None, b"", b"{}", b"\xff\xfe", b'{"caseproof_proof": 99}'])
def test_what_is_no_proof_is_refused(run: Run, tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "file.json"
    if content is not None:
        file.write_bytes(content)
    ended = run("verify", str(file))
    assert ended.code == 1
    assert ended.out == ""
    assert str(file) in ended.err
    assert "Next: " in ended.err


# -- policy and contacts --------------------------------------------------------------------------------------------


def test_the_policy_in_force_is_shown(run: Run) -> None:
    assert run("policy", "--json").json["team"] == ["operator", "team lead"]
    shown = run("policy")
    assert shown.code == 0
    assert "policy-default.yaml" in shown.out
    assert "Nothing is set" in shown.out


def test_the_policy_shows_what_is_set_and_the_rest_where_it_is_asked_for(run: Run, home: Path) -> None:
    home.mkdir()
    mine: dict[str, Any] = {"team": ["anna", "boris"], "mail": {"account": "mail", "reply_to": "us@example.com"}}
    signatures = [{"name": f"ours {n}", "cause": "sync", "says": ["x"], "failures": 2} for n in range(9)]
    mine["check"] = {"signatures": signatures, "look_back_hours": 72}
    (home / "policy.yaml").write_text(json.dumps(mine))
    shown = run("policy").out
    assert "us@example.com" in shown
    assert "cases@example.com" in shown, "as it is built in"
    assert "9 entries" in shown
    assert "look_back_hours" not in shown
    assert "mail.account" not in shown, "as it is built in, whether it is written down or not"
    whole = run("policy", "--all").out
    assert all(name in whole for name in ("check.look_back_hours", "mail.account", "team", "keeper.follow_up_days"))
    assert run("policy", "--json").json["check"]["look_back_hours"] == 72


@pytest.mark.parametrize("typed", [["policy"], ["case", "list"], ["contact", "list"]], ids=" ".join)
def test_a_broken_policy_is_refused_with_the_entry_that_is_wrong(run: Run, home: Path, typed: list[str]) -> None:
    home.mkdir()
    (home / "policy.yaml").write_text("team: [operator]\nreviews: {}\n")
    refused(run(*typed), "reviews: there is no such entry", "Correct these entries")


def contacts(run: Run) -> list[tuple[str, str, str]]:
    return [(one["retailer"], one["address"], one["name"]) for one in run("contact", "list", "--json").json]


def test_a_contact_is_added_listed_and_removed(run: Run) -> None:
    who = ["--retailer", "Shop [A]", "--address", "owner@example.com"]
    added = run("contact", "add", *who, "--name", "[/b] the owner")
    assert (added.code, added.err) == (0, "")
    assert contacts(run) == [("Shop [A]", "owner@example.com", "[/b] the owner")]
    assert "Shop [A]" in run("contact", "list").out
    assert run("contact", "remove", *who).code == 0
    assert contacts(run) == []
    refused(run("contact", "remove", *who), "is no contact of", "check both spellings")


def test_a_misspelt_retailer_or_address_is_answered_with_those_alike(run: Run) -> None:
    assert run("contact", "add", "--retailer", "garden-shop", "--address", "owner@example.com").err == ""
    missed = run("contact", "remove", "--retailer", "gardenshop", "--address", "owner@example.com")
    refused(missed, "No retailer is called so. Alike are: garden-shop.", "check both spellings")
    missed = run("contact", "remove", "--retailer", "garden-shop", "--address", "ower@example.com")
    refused(missed, "Alike are: owner@example.com.", "check both spellings")
    another = run("contact", "add", "--retailer", "garden shop", "--address", "owner@example.com")
    assert another.code == 0
    assert "Did you mean garden-shop?" in another.err
    assert run("contact", "add", "--retailer", "garden shop", "--address", "more@example.com").err == "", "said once"


def test_a_language_in_which_no_mail_is_written_is_refused(run: Run) -> None:
    who = ("contact", "add", "--retailer", "Shop A", "--address", "owner@example.com")
    refused(run(*who, "--language", "fr"), "No mail is written in 'fr'", "Use one of en, de")
    assert contacts(run) == []
    assert run(*who, "--language", "de-AT").code == 0


@pytest.mark.parametrize("address", ["", "owner", "a@b\nBcc: c@d", "Owner <owner@example.com", "[/red]@"])
def test_what_is_no_address_is_refused_and_not_registered(run: Run, address: str) -> None:
    refused(run("contact", "add", "--retailer", "Shop A", "--address", address), "is not a mail address", "name@")
    assert contacts(run) == []


# -- with Prefect ---------------------------------------------------------------------------------------------------


OPEN = ("case", "open", "--platform", "no-such", "--job", "a/b")


def test_a_case_is_not_opened_while_prefect_does_not_answer_and_that_is_said_soon(run: Run) -> None:
    started = time.monotonic()
    with temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{free_port()}/api"}):
        ended = run(*OPEN)
    assert time.monotonic() - started < 60
    refused(ended, "cannot be read from Prefect", "PREFECT_API_URL")


def test_a_case_is_not_opened_on_a_prefect_that_nobody_named(run: Run) -> None:
    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        refused(run(*OPEN), "PREFECT_API_URL is not set", "Point it at")


def test_a_platform_that_is_not_saved_is_refused_and_no_case_is_opened(
    run: Run, home: Path, prefect_server: PrefectServer
) -> None:
    with temporary_settings({PREFECT_API_URL: prefect_server.api_url}):
        ended = run(*OPEN, "--json")
    refused(ended, "no platform called 'no-such'", "caseproof-prefect-jobs")
    with bootstrap(Settings(home=home)).store.reading() as uow:
        assert uow.cases.rows() == []


def test_a_misspelt_platform_is_answered_with_those_alike_and_no_event_is_sent_for_a_look(
    run: Run, prefect_server: PrefectServer
) -> None:
    """Prefect tells its events of each block that is loaded, over a connection which outlasts a command: seconds at its
    end, and "failed with 1 pending items" on stderr where it cannot be had."""
    name = f"shop-jobs-{uuid4().hex[:6]}"
    nowhere = f"http://127.0.0.1:{free_port()}"
    EventsWorker.set_client_override(AssertingEventsClient)
    try:
        with temporary_settings({PREFECT_API_URL: prefect_server.api_url}):
            PrefectJobs(api_url=f"{nowhere}/api", ui_url=nowhere).save(name, _sync=True)
            AssertingEventsClient.reset()
            misspelt = run("case", "open", "--platform", name.replace("jobs", "jbos"), "--job", "a/b")
            assert load_block(name, PLATFORMS, "platform").ui_url == nowhere
            EventsWorker.instance().drain()
        assert [one.event for client in AssertingEventsClient.all for one in client.events] == []
    finally:
        EventsWorker.set_client_override(None)
    refused(misspelt, f"Alike are: {name}", "caseproof setup")


def test_the_histories_that_these_tests_are_made_of_close() -> None:
    assert teller_of(Plan(Decision.AFTER_FIX)).case.is_closed


@pytest.mark.parametrize("library", ["aiosmtpd", pytest.param("pymap", marks=pytest.mark.full)])
def test_the_demo_without_its_own_servers_says_what_to_install(home: Path, library: str) -> None:
    without = f"""
import sys
class Without:
    def find_spec(name, *_):
        if name == {library!r}:
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, Without)
from caseproof.cli import main
main()
"""
    ended = subprocess.run(
        [sys.executable, "-c", without, "demo"],
        env={**os.environ, "CASEPROOF_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert ended.returncode == 1
    assert f"{library} for them is not installed" in ended.stderr
    assert "pip install 'caseproof[demo]'" in ended.stderr
    assert ended.stdout == ""


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--platform", "sql"), ("'--platform'", "'sql'", "'prefect', 'http'")),
        (("--desk", "rt"), ("'--desk'", "'rt'", "'embedded', 'zoho'")),
        (("--emergency", "--desk", "zoho"), ("An emergency is played without jobs and tickets",)),
        (("--emergency", "--platform", "http"), ("Leave --platform and --desk away.",)),
    ],
)
def test_a_demo_of_what_there_is_not_starts_nothing_and_names_what_there_is(
    run: Run, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], said: tuple[str, ...]
) -> None:
    def started(*_: object, **__: object) -> None:
        raise AssertionError("It was to refuse first.")

    monkeypatch.setattr("sandbox.demo.play", started)
    monkeypatch.setattr("sandbox.demo.play_emergency", started)
    ended = run("demo", *options)
    assert ended.code == 2
    told = " ".join(ended.err.replace("\u2502", " ").split())
    assert all(words in told for words in said), told


@pytest.mark.usefixtures("home")
def test_a_demo_is_played_with_the_systems_that_were_asked_for(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    played: list[tuple[str, str]] = []
    monkeypatch.setattr("sandbox.demo.play", lambda _, platform, desk, **__: played.append((platform, desk)))
    for options in ((), ("--desk", "zoho"), ("--platform", "http"), ("--platform", "http", "--desk", "zoho")):
        assert run("demo", *options).code == 0
    assert played == [("prefect", "embedded"), ("prefect", "zoho"), ("http", "embedded"), ("http", "zoho")]
