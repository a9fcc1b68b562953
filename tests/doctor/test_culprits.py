"""The doctor names the right culprits, and nothing else, in an installation that is healthy but for what is planted.

One fault at a time in the full run; in the short one those together that have nothing to do with each other
(``ROUNDS``).
"""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings
from prefect_email import EmailServerCredentials
from pydantic import SecretStr

from blocks.mail import account_of
from blocks.platforms import PrefectJobs
from caseproof import cli
from caseproof.channels.kept_channels import keep_channels, kept_channels
from caseproof.channels.teams.webhook import TeamsHook, TeamsWebhook
from caseproof.cli import doctor as command
from caseproof.cli.doctor import LOCK, installation, wanted_deployments
from caseproof.config.clock import utc_now
from caseproof.config.settings import Settings
from caseproof.config.shipped import shipped
from caseproof.doctor import Failed, Finding, Installation, Outcome, examine
from caseproof.doctor.clocks import Clocks
from caseproof.doctor.machine import right_packages, room_left
from caseproof.doctor.outside import saved_platforms
from caseproof.doctor.store import StoreChecks
from caseproof.domain.codes import Code
from caseproof.domain.owing import Debt
from caseproof.evidence.answer_keys import AnswerKeys
from caseproof.procedure.containment.known_jobs import note_jobs
from caseproof.procedure.core.services import bootstrap
from caseproof.store import Store
from caseproof.up.processes import free_port
from sandbox.receiving import AUTHSERV
from tests.doctor.conftest import CALENDAR, JOBS, LEAD, MAIL_PASSWORD, TEAMS, VOICES
from tests.doctor.test_healthy import CHECKS

SECRET = "hunter3-not-for-people"
Plant = Callable[[Any, Path], Installation]


@dataclass(frozen=True)
class Fault:
    """A way to spoil the installation; ``check`` is who must be blamed, alone, in words that hold each of ``names``.

    ``plant`` leaves the faults that were planted before it where they are: what it changes, it changes in the folder's
    copy of the home and of the policy, or with ``house.put`` and ``house.installation``.

    ``too``: what is not well by itself then, for it is looked at without Prefect.
    """

    plant: Plant
    check: str
    names: tuple[str, ...]
    action: str
    too: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.plant.__name__.replace("_", " ")


FAULTS: list[Fault] = []


def fault(check: str, *names: str, action: str, too: tuple[str, ...] = ()) -> Callable[[Plant], Plant]:
    def planted(plant: Plant) -> Plant:
        FAULTS.append(Fault(plant, check, names, action, too))
        return plant

    return planted


def decides(house: Any, folder: Path, *changes: tuple[str, str]) -> Installation:
    """The installation with another policy."""
    there = folder / "policy.yaml"
    text = (there if there.exists() else house.home / "policy.yaml").read_text()
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    there.write_text(text)
    return house.installation(policy=there)


# -- this machine ---------------------------------------------------------------------------------------------------


@fault("Python", "3.10.9", ">=3.11", action="virtual environment")
def a_python_of_the_wrong_version(house: Any, _: Path) -> Installation:
    return house.put(python="3.10.9")


def locked(house: Any, folder: Path, change: Callable[[str], str]) -> Installation:
    lock = folder / "requirements.lock"
    lock.write_text(change(LOCK.read_text()))
    return house.put(lock=lock)


@fault("Packages", "pyyaml is ", "not ==1.2.3", action="requirements.lock")
def a_package_of_another_version_than_the_lock_pins(house: Any, folder: Path) -> Installation:
    return locked(house, folder, lambda text: text.replace("\npyyaml==", "\npyyaml==1.2.3 \\\n    #", 1))


@fault("Packages", "no-such-package is missing", action="requirements.lock")
def a_package_of_the_lock_that_is_not_installed(house: Any, folder: Path) -> Installation:
    return locked(house, folder, lambda text: text + "no-such-package==1.0 \\\n    --hash=sha256:00\n")


@fault("Home folder", "CASEPROOF_HOME", "a-file/home", action="Name a folder")
def a_home_that_cannot_be_written(house: Any, folder: Path) -> Installation:
    (folder / "a-file").touch()
    return house.installation(home=folder / "a-file" / "home")


@fault("Private files", "caseproof.sqlite is open to others (0644)", action="chmod -R go=")
def a_store_that_everybody_may_read(house: Any, folder: Path) -> Installation:
    home = house.copy(folder / "home")
    (home / "caseproof.sqlite").chmod(0o644)
    return house.installation(home=home)


@fault("Private files", "home is open to others (0755)", action="chmod -R go=")
def a_home_that_everybody_may_enter(house: Any, folder: Path) -> Installation:
    home = house.copy(folder / "home")
    home.chmod(0o755)
    return house.installation(home=home)


@fault("Policy", "policy.yaml", "patience: there is no such entry", action="Correct these entries")
def a_policy_with_a_misspelt_entry(house: Any, folder: Path) -> Installation:
    home = house.copy(folder / "home")
    (home / "policy.yaml").write_text((home / "policy.yaml").read_text() + "patience: 3\n")
    return house.installation(home=home)


@fault("Browser", "no-such-browser", action="CASEPROOF_BROWSER")
def a_browser_that_is_missing(house: Any, folder: Path) -> Installation:
    return house.installation(browser=folder / "no-such-browser")


@fault("Browser", "could not picture", action="--version")
def a_browser_that_is_there_and_takes_no_picture(house: Any, folder: Path) -> Installation:
    program = folder / "chromium"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    return house.installation(browser=program, thorough=True)


# -- Prefect --------------------------------------------------------------------------------------------------------


@fault("Prefect address", "PREFECT_API_URL is not set", action="Prefect server that runs the cases")
def a_prefect_address_that_is_not_set(house: Any, _: Path) -> Installation:
    house.undo.enter_context(temporary_settings(restore_defaults={PREFECT_API_URL}))
    return house.installation()


@fault("Prefect server", "cannot be reached", action="PREFECT_API_URL")
def a_prefect_server_that_is_down(house: Any, _: Path) -> Installation:
    house.undo.enter_context(temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{free_port()}/api"}))
    return house.installation()


@fault("Prefect server", "no Prefect API", action="PREFECT_API_URL")
def another_program_at_the_prefect_servers_address(house: Any, _: Path) -> Installation:
    house.undo.enter_context(temporary_settings({PREFECT_API_URL: f"{house.web.url}/api"}))
    return house.installation()


@fault("Prefect server", "PREFECT_API_AUTH_STRING is wrong", "401", action="PREFECT_API_AUTH_STRING")
def a_wrong_password_of_the_prefect_server(house: Any, _: Path) -> Installation:
    house.prefect.password = "admin:the-right-one"
    house.undo.enter_context(temporary_settings({PREFECT_API_AUTH_STRING: f"admin:{SECRET}"}))
    return house.installation()


@fault("Prefect server", "PREFECT_API_AUTH_STRING is not set", "401", action="PREFECT_API_AUTH_STRING")
def a_password_of_the_prefect_server_that_is_not_set(house: Any, _: Path) -> Installation:
    house.undo.enter_context(temporary_settings(restore_defaults={PREFECT_API_AUTH_STRING}))
    return house.installation()


@fault("Prefect password", "gives its flow runs to whoever asks", action="PREFECT_SERVER_API_AUTH_STRING")
def a_prefect_server_that_asks_for_no_password(house: Any, _: Path) -> Installation:
    house.prefect.password = ""
    return house.installation()


@fault("Prefect origins", "allows every web page", action="PREFECT_SERVER_CORS_ALLOWED_ORIGINS")
def a_prefect_server_that_lets_every_web_page_in(house: Any, _: Path) -> Installation:
    house.prefect.lets_in = "*"
    return house.installation()


@fault("Prefect pages", "call http://127.0.0.1:4200/api", action="PREFECT_SERVER_UI_API_URL=http")
def a_prefect_server_whose_pages_call_another_port(house: Any, _: Path) -> Installation:
    house.prefect.instead["/ui-settings"] = (200, {"api_url": "http://127.0.0.1:4200/api", "default_ui": "v1"})
    return house.installation()


@fault(f"Pages of {JOBS}", "call http://127.0.0.1:4200/api", action="PREFECT_SERVER_UI_API_URL=http")
def a_platform_whose_pages_call_another_port(house: Any, _: Path) -> Installation:
    house.jobs.instead["/ui-settings"] = (200, {"api_url": "http://127.0.0.1:4200/api", "default_ui": "v1"})
    return house.installation()


@fault(f"Contacts of {JOBS}", "No contact is registered for Corner Shop (1 job)", action="caseproof contact add")
def a_retailer_of_a_job_whom_nobody_could_tell(house: Any, _: Path) -> Installation:
    theirs = {"name": "corner", "flow_id": house.deployment()["flow_id"], "tags": ["retailer:Corner Shop"]}
    made = house.call("POST", "deployments/", json=theirs)
    house.undo.callback(house.call, "DELETE", f"deployments/{made['id']}")
    return house.installation()


@fault("Prefect version", "Prefect 3.8.7", action="there too")
def a_prefect_server_of_another_version(house: Any, _: Path) -> Installation:
    house.prefect.instead["/api/admin/version"] = (200, "3.8.7")
    return house.installation()


@fault("Work pool", "no work pool 'nowhere'", action="prefect work-pool create nowhere")
def a_work_pool_that_is_missing(house: Any, _: Path) -> Installation:
    return house.put(pool="nowhere")


@fault("Work pool", "'caseproof' is paused", action="prefect work-pool resume caseproof")
def a_work_pool_that_is_paused(house: Any, _: Path) -> Installation:
    house.call("PATCH", "work_pools/caseproof", json={"is_paused": True})
    house.undo.callback(house.call, "PATCH", "work_pools/caseproof", json={"is_paused": False})
    return house.installation()


@fault("Emergency pool", "'caseproof-emergency' is paused", "raised by", action="resume caseproof-emergency")
def an_emergency_pool_that_is_paused(house: Any, _: Path) -> Installation:
    house.call("PATCH", "work_pools/caseproof-emergency", json={"is_paused": True})
    house.undo.callback(house.call, "PATCH", "work_pools/caseproof-emergency", json={"is_paused": False})
    return house.installation()


@fault("Deployments", "job-failure-case/not-deployed is missing", action="prefect deploy --all")
def a_deployment_that_is_missing(house: Any, folder: Path) -> Installation:
    wanted = folder / "prefect.yaml"
    wanted.write_text(shipped(wanted.name).read_text().replace("name: job-failure-case", "name: not-deployed", 1))
    return house.put(deployments=lambda: wanted_deployments(wanted))


@fault("Deployments", "prefect.yaml cannot be read", action="install Caseproof again")
def an_installation_without_its_prefect_yaml(house: Any, folder: Path) -> Installation:
    return house.put(deployments=lambda: wanted_deployments(folder / "prefect.yaml"))


def changed(house: Any, **other: Any) -> Installation:
    """The deployment as an older version of this code would have left it on the server."""
    before = house.deployment()
    path = f"deployments/{before['id']}"
    house.call("PATCH", path, json=other)
    house.undo.callback(house.call, "PATCH", path, json={name: before[name] for name in other})
    return house.installation()


@fault("Deployments", "job-failure-case/job-failure-case is of another version (entrypoint)", action="deploy --all")
def a_deployment_whose_entrypoint_is_of_an_older_version(house: Any, _: Path) -> Installation:
    return changed(house, entrypoint="flows/job_failure_case.py:job_failure_case")


@fault("Deployments", "job-failure-case/job-failure-case is of another version (parameters)", action="deploy --all")
def a_deployment_whose_form_is_of_an_older_version(house: Any, _: Path) -> Installation:
    schema = house.deployment()["parameter_openapi_schema"]
    properties = {name: one for name, one in schema["properties"].items() if name != "ticket"}
    return changed(house, parameter_openapi_schema=schema | {"properties": properties})


@fault("Deployments", "remove-integration/remove-integration is paused", action="Resume it")
def a_deployment_that_is_paused(house: Any, _: Path) -> Installation:
    path = f"deployments/{house.deployment('remove-integration')['id']}"
    house.call("POST", f"{path}/pause_deployment")
    house.undo.callback(house.call, "POST", f"{path}/resume_deployment")
    return house.installation()


@fault("Worker", "No worker polls", "'caseproof'", action="prefect worker start --pool caseproof")
def no_worker_that_polls(house: Any, _: Path) -> Installation:
    for worker in house.call("POST", "work_pools/caseproof/workers/filter", json={}):
        house.call("DELETE", f"work_pools/caseproof/workers/{worker['name']}")
    return house.installation()


@fault("Emergency worker", "No worker polls", "raised by", action="prefect worker start --pool caseproof-emergency")
def no_worker_for_emergencies(house: Any, _: Path) -> Installation:
    for worker in house.call("POST", "work_pools/caseproof-emergency/workers/filter", json={}):
        house.call("DELETE", f"work_pools/caseproof-emergency/workers/{worker['name']}")
    return house.installation()


@fault("Worker", "No worker polls", "cases", action="prefect worker start --pool caseproof")
def a_worker_that_died_two_minutes_ago_and_is_still_called_online(house: Any, _: Path) -> Installation:
    path = "work_pools/caseproof/workers/filter"
    (worker,) = house.call("POST", path, json={})
    older = datetime.fromisoformat(worker["last_heartbeat_time"]) - timedelta(minutes=2)
    house.prefect.instead[f"/api/{path}"] = (200, [worker | {"last_heartbeat_time": older.isoformat()}])
    return house.installation()


# -- the store and the evidence -------------------------------------------------------------------------------------


def spoilt(house: Any, folder: Path, *statements: str) -> Installation:
    """A copy of the installation whose database somebody wrote to past Caseproof."""
    home = house.copy(folder / "home")
    with closing(house.raw(home)) as raw:
        for (trigger,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            raw.execute(f'DROP TRIGGER "{trigger}"')
        for statement in statements:
            raw.execute(statement)
    return house.installation(home=home)


@fault("Store", "postgresql://127.0.0.1", "reach", action="database")
def a_database_server_that_is_down(house: Any, _: Path) -> Installation:
    return house.installation(database_url=f"postgresql://cases:{SECRET}@127.0.0.1:{free_port()}/caseproof")


@fault("Store", "no store at", "nothing.sqlite", action="`caseproof up`")
def a_store_that_is_not_there_yet(house: Any, folder: Path) -> Installation:
    return house.installation(database_url=f"sqlite:///{folder / 'nothing.sqlite'}")


@fault("Store", "older version", action="`caseproof up`")
def a_store_of_an_older_version(house: Any, folder: Path) -> Installation:
    return spoilt(house, folder, "UPDATE caseproof_version SET version_num = '0001'")


@fault("Store", "newer version", action="Install that version")
def a_store_of_a_newer_version(house: Any, folder: Path) -> Installation:
    return spoilt(house, folder, "UPDATE caseproof_version SET version_num = '9999'")


@fault("Store takes writes", "caseproof.sqlite takes no writes", "another process", action="Try again")
def a_store_that_is_locked_for_writing(house: Any, folder: Path) -> Installation:
    home = house.copy(folder / "home")
    raw = house.undo.enter_context(closing(house.raw(home)))
    raw.execute("BEGIN IMMEDIATE")
    return house.installation(home=home)


@fault("Cases unedited", "JF-000001", action="compare with a backup")
def a_case_that_was_edited_by_hand(house: Any, folder: Path) -> Installation:
    return spoilt(house, folder, "UPDATE cases SET opening = opening + 1 WHERE ref = 'JF-000001'")


@fault("Cases unedited", "JF-000002", "cannot be read", action="compare with a backup")
def an_event_that_is_no_json(house: Any, folder: Path) -> Installation:
    return spoilt(house, folder, "UPDATE events SET data = 'no json' WHERE case_id = 2")


@fault("Cases unedited", "Guards", "cases_closed_with_proof", action="makes the guards anew")
def a_guard_that_was_dropped(house: Any, folder: Path) -> Installation:
    home = house.copy(folder / "home")
    with closing(house.raw(home)) as raw:
        raw.execute("DROP TRIGGER cases_closed_with_proof")
    return house.installation(home=home)


@fault("Cases unedited", "not Caseproof's", "cases_closed_with_proof", action="makes the guards anew")
def a_guard_that_an_empty_one_of_its_name_replaced(house: Any, folder: Path) -> Installation:
    home = house.copy(folder / "home")
    with closing(house.raw(home)) as raw:
        raw.execute("DROP TRIGGER cases_closed_with_proof")
        raw.execute("CREATE TRIGGER cases_closed_with_proof BEFORE UPDATE ON cases BEGIN SELECT 1; END")
    return house.installation(home=home)


@fault("Nothing owed", "JF-000001", "The desk does not answer", action="the keeper does the rest")
def a_ticket_that_could_not_be_closed(house: Any, folder: Path) -> Installation:
    home = house.copy(folder / "home")
    with closing(Store(house.settings(home=home).database)) as store, store.uow() as uow:
        uow.owed.failed("JF-000001", Debt.TICKET, "1", Code.DESK_DOWN, "The desk does not answer.", utc_now())
        uow.commit()
    return house.installation(home=home)


def without_a_pass(house: Any, folder: Path, statement: str) -> Installation:
    home = house.copy(folder / "home")
    with closing(house.raw(home)) as raw:
        raw.execute(statement)
    return house.installation(home=home)


@fault("Keeper", "1 case is open", "no pass since", action="case-keeper")
def a_keeper_that_does_not_run_any_more(house: Any, folder: Path) -> Installation:
    return without_a_pass(house, folder, "UPDATE marks SET at = at - 3600000000")


@fault("Keeper", "no pass yet", action="case-keeper")
def a_keeper_that_never_ran(house: Any, folder: Path) -> Installation:
    return without_a_pass(house, folder, "DELETE FROM marks WHERE name = 'keeper-problems'")


def evidence_of(home: Path) -> Path:
    (file,) = [path for path in (home / "evidence").rglob("*") if path.is_file() and "page" in path.read_text()]
    return file


@fault("Key of links", "is not there", "keys/answers", action="caseproof keys new")
def a_home_that_lost_the_key_of_its_links(house: Any, folder: Path) -> Installation:
    home = house.copy(folder / "home")
    with closing(Store(Settings(home=home).database)) as store:
        keys = AnswerKeys(home / "keys", store, utc_now)
        keys.in_force()
    keys.path.unlink()
    return house.installation(home=home)


@fault("Evidence", "JF-000001, run-page-1.png", "was changed", action="backup")
def an_evidence_file_that_was_changed(house: Any, folder: Path) -> Installation:
    home = house.copy(folder / "home")
    evidence_of(home).write_text("another page")
    return house.installation(home=home)


@fault("Evidence", "JF-000001, run-page-1.png", "is not in the vault", action="backup")
def an_evidence_file_that_was_deleted(house: Any, folder: Path) -> Installation:
    home = house.copy(folder / "home")
    evidence_of(home).unlink()
    return house.installation(home=home)


# -- the mail server and the desk -----------------------------------------------------------------------------------


def posting(house: Any, port: int, password: str) -> Installation:
    """With another mail account than the healthy one; the policy names its block all the same."""
    block = EmailServerCredentials(
        username="cases", password=SecretStr(password), smtp_server="127.0.0.1", smtp_port=port, smtp_type="INSECURE"
    )
    return house.put(account=lambda policy: account_of(block, policy.mail.timeout_seconds))


@fault("Mail server", "Mail account 'doctor-mail'", "not reachable", action="Check that it runs")
def a_mail_server_that_is_down(house: Any, _: Path) -> Installation:
    return posting(house, free_port(), SECRET)


@fault("Mail server", "Mail account 'doctor-mail'", "refused the login of cases", action="user name and password")
def a_mail_server_that_refuses_the_login(house: Any, _: Path) -> Installation:
    return posting(house, house.mailbox.port, SECRET)


def answering(house: Any, **other: Any) -> Installation:
    """With the healthy mailbox, read otherwise."""
    account = house.inbox.account(password=MAIL_PASSWORD, timeout_seconds=8.0, authserv=AUTHSERV)
    return house.put(mailbox=lambda _policy: replace(account, **other))


@fault("Mailbox", "Mailbox 'doctor-inbox'", "not reachable", action="Check that it runs")
def a_mailbox_server_that_is_down(house: Any, _: Path) -> Installation:
    return answering(house, port=free_port())


@fault("Mailbox", "Mailbox 'doctor-inbox'", "refused at login", action="many providers want an app password")
def a_mailbox_that_refuses_the_login(house: Any, _: Path) -> Installation:
    return answering(house, password=SECRET)


@fault("Mailbox", "refused at opening the folder", action="Nowhere")
def a_mailbox_whose_folder_is_not_there(house: Any, _: Path) -> Installation:
    return answering(house, folder="Nowhere")


@fault("Mailbox", "authserv", "no mail counts as genuine", action="Authentication-Results")
def a_mailbox_whose_own_mail_server_has_no_name(house: Any, _: Path) -> Installation:
    return answering(house, authserv="")


@fault("Mailbox", "There is no mailbox called 'nowhere'", action="caseproof setup")
def a_policy_that_names_a_mailbox_that_is_not_saved(house: Any, folder: Path) -> Installation:
    return decides(house, folder, ("doctor-inbox", "nowhere"))


@fault("Mail server", "Mail account 'doctor-mail'", "did not answer within", action="host, port and security")
def a_mail_server_that_says_nothing(house: Any, _: Path) -> Installation:
    silent = house.undo.enter_context(closing(socket.create_server(("127.0.0.1", 0))))
    return posting(house, silent.getsockname()[1], SECRET)


@fault("Mail server", "no mail account called 'no-such-account'", action="Blocks")
def a_policy_that_names_a_mail_account_which_nobody_saved(house: Any, folder: Path) -> Installation:
    return decides(house, folder, ("doctor-mail", "no-such-account"))


@fault("Desk", "no desk called 'no-such-desk'", action="Blocks")
def a_policy_that_names_a_desk_which_nobody_saved(house: Any, folder: Path) -> Installation:
    return decides(house, folder, ("doctor-desk", "no-such-desk"))


# -- platforms ------------------------------------------------------------------------------------------------------


@fault("Platform doctor-jobs", "Platform 'doctor-jobs'", "cannot be reached", action="Check that it runs")
def a_platform_that_is_down(house: Any, _: Path) -> Installation:
    address = f"http://127.0.0.1:{free_port()}"
    block = PrefectJobs(api_url=f"{address}/api", ui_url=address)
    return house.put(platforms=lambda: {"doctor-jobs": block.client})


@fault("Platform doctor-jobs", "Platform 'doctor-jobs'", "does not accept our credentials", action="password or key")
def a_platform_that_does_not_let_us_in(house: Any, _: Path) -> Installation:
    house.jobs.password = "admin:the-right-one"
    return house.installation()


@fault("Platforms", "no platform yet", action="caseproof setup FILE.yaml")
def no_platform_that_was_saved(house: Any, _: Path) -> Installation:
    documents = house.call("POST", "block_documents/filter", json={"include_secrets": True})
    (ours,) = [one for one in documents if one["name"] == "doctor-jobs"]
    house.call("DELETE", f"block_documents/{ours['id']}")
    names = ("name", "data", "block_schema_id", "block_type_id")
    house.undo.callback(house.call, "POST", "block_documents/", json={name: ours[name] for name in names})
    return house.installation()


def test_a_team_with_support_cases_alone_needs_no_platform(house: Any, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", policy=house.home / "policy.yaml", database_url=None)
    with closing(bootstrap(settings).store) as store:
        checks = StoreChecks(settings.database, Clocks())
        with closing(checks.store):
            assert not checks.knows_jobs()
            note_jobs(store, utc_now, "jobs", [])
            assert checks.knows_jobs(), "a check listed its jobs, though it had none"
    assert "no job is looked after" in saved_platforms({}, needed=False)
    with pytest.raises(Failed, match="no platform yet"):
        saved_platforms({}, needed=True)


# -- the web app and the clocks -------------------------------------------------------------------------------------


@fault("Web app", "cannot be reached", action="caseproof web")
def a_web_app_that_is_down(house: Any, _: Path) -> Installation:
    return house.installation(public_url=f"http://127.0.0.1:{free_port()}")


@fault("Web app", "is not Caseproof's web app", action="CASEPROOF_PUBLIC_URL")
def another_program_at_the_web_apps_address(house: Any, _: Path) -> Installation:
    return house.installation(public_url=house.server.ui_url)


@fault("Web app", "Caseproof 0.0.1", action="Restart the web app")
def a_web_app_of_another_version(house: Any, _: Path) -> Installation:
    house.web.instead["/health"] = (200, {"status": "ok", "version": "0.0.1", "cases_open": 1})
    return house.installation()


@fault("Web app's store", "reads another store", "does not know JF-000003", action="CASEPROOF_DATABASE_URL")
def a_web_app_that_reads_another_store(house: Any, folder: Path) -> Installation:
    home = house.copy(folder / "home")
    here = house.installation(home=home)
    house.open_case(here.settings)
    return here


@fault("Confirmation page", "is not the confirmation page", action="CASEPROOF_ANSWER_URL")
def another_program_where_retailers_are_to_answer(house: Any, _: Path) -> Installation:
    return house.installation(answer_url=house.server.ui_url)


@fault("Web addresses", "http://answers.example.com", "plain HTTP", action="CASEPROOF_ANSWER_URL")
def an_address_for_retailers_without_tls(house: Any, _: Path) -> Installation:
    return house.installation(answer_url="http://answers.example.com")


@fault("Web host names", "takes rebound.example.net for its own name", action="of this version")
def a_web_app_that_takes_any_host_for_its_own(house: Any, _: Path) -> Installation:
    return house.installation(web_url=house.server.ui_url)


@fault("Whose word on a login", "CASEPROOF_PROXY_LOGIN_HEADER is set without", action="Set both")
def a_header_that_logs_in_from_nowhere(house: Any, _: Path) -> Installation:
    return house.installation(proxy_login_header="X-Forwarded-User")


@fault("Logins", "operator: not on the policy's team", action="caseproof people remove 'operator'")
def a_login_of_somebody_who_left_the_team(house: Any, folder: Path) -> Installation:
    return decides(house, folder, ("[operator,", "[deputy,"))


@fault("Clocks", "Prefect's server is ", "ahead of this machine's clock", action="time synchronisation")
def a_prefect_server_whose_clock_is_ahead(house: Any, _: Path) -> Installation:
    # Less than what makes a worker stale: the heartbeats behind this door are not shifted with its clock.
    house.prefect.shift = timedelta(minutes=1)
    return house.installation()


@fault("Clocks", "platform 'doctor-jobs' is ", "behind this machine's clock", action="time synchronisation")
def a_platform_whose_clock_is_behind(house: Any, _: Path) -> Installation:
    house.jobs.shift = -timedelta(minutes=3)
    return house.installation()


@fault("Clocks", "The web app is ", "ahead of this machine's clock", action="time synchronisation")
def a_web_app_whose_clock_is_ahead(house: Any, _: Path) -> Installation:
    house.web.shift = timedelta(minutes=3)
    return house.installation()


# -- who is called --------------------------------------------------------------------------------------------------


@fault("Call list", "Nobody on the call list", "(Product Lead)", "paging.voice", action="Caseproof Twilio Voice")
def a_call_list_that_nothing_dials(house: Any, folder: Path) -> Installation:
    return decides(house, folder, (f"voice: {VOICES[0]}, second_voice: {VOICES[1]}, ", ""))


@fault("On-call calendars", "'nights' is no iCalendar", "no copy of it", action="said of each")
def a_calendar_that_is_a_page(house: Any, folder: Path) -> Installation:
    (folder / "nights.ics").write_text("<html>")
    return decides(house, folder, (str(house.home / "nights.ics"), str(folder / "nights.ics")))


@fault("Cover", "Nobody is on call and nobody is at work from", action="into the calendar")
def a_calendar_that_ended(house: Any, folder: Path) -> Installation:
    (folder / "nights.ics").write_bytes(CALENDAR.replace("DAILY", "DAILY;COUNT=3").encode())
    return decides(house, folder, (str(house.home / "nights.ics"), str(folder / "nights.ics")))


@fault("Numbers reached", "This number was never reached: +442079460199 (Product Lead)", action="oncall --test")
def a_new_number(house: Any, folder: Path) -> Installation:
    return decides(house, folder, (LEAD, "+442079460199"))


@fault("Voice", f"Voice account '{VOICES[0]}'", "it is suspended", action="Twilio's console")
def a_voice_account_that_was_suspended(house: Any, _: Path) -> Installation:
    house.telephones.status = "suspended"
    house.undo.callback(setattr, house.telephones, "status", "active")
    return house.installation()


@fault("Voice", "no voice account called 'nowhere'", action="caseproof setup", too=("Kept channels",))
def a_voice_account_that_nobody_saved(house: Any, folder: Path) -> Installation:
    return decides(house, folder, (f"second_voice: {VOICES[1]}", "second_voice: nowhere"))


@fault("Voice", f"same account as '{VOICES[0]}'", "nothing else calls", action="another account")
def a_second_voice_account_that_is_the_first_once_more(house: Any, _: Path) -> Installation:
    well = house.installation()
    return house.put(voice=lambda _name: well.voice(VOICES[0]))


@fault("Teams", f"Teams web hook '{TEAMS}'", "cannot be reached", action="address")
def a_web_hook_that_leads_nowhere(house: Any, _: Path) -> Installation:
    away = TeamsHook(TEAMS, f"http://127.0.0.1:{free_port()}/workflows?sig={SECRET}")
    return house.put(teams=lambda _name: TeamsWebhook(away))


@fault("Kept channels", "the voice account 'doctor-second-voice'", "channels.json", action="caseproof up")
def a_copy_of_the_channels_without_the_second_account(house: Any, folder: Path) -> Installation:
    home = house.copy(folder / "home")
    kept = kept_channels(home)
    keep_channels(home, replace(kept, voices=kept.voices[:1]))
    return house.installation(home=home)


# -- the tests ------------------------------------------------------------------------------------------------------


ROUNDS: tuple[tuple[Plant, ...], ...] = (
    (
        a_python_of_the_wrong_version, a_package_of_another_version_than_the_lock_pins, a_store_that_everybody_may_read,
        a_browser_that_is_missing, a_prefect_server_that_asks_for_no_password,
        a_prefect_server_whose_pages_call_another_port, a_prefect_server_of_another_version,
        a_deployment_that_is_missing, no_worker_that_polls, no_worker_for_emergencies,
        a_platform_whose_pages_call_another_port,
        a_retailer_of_a_job_whom_nobody_could_tell, a_copy_of_the_channels_without_the_second_account,
        an_address_for_retailers_without_tls,
        a_web_app_that_takes_any_host_for_its_own, a_header_that_logs_in_from_nowhere,
        a_login_of_somebody_who_left_the_team,
    ),
    (
        a_case_that_was_edited_by_hand, a_keeper_that_does_not_run_any_more, a_home_that_lost_the_key_of_its_links,
        an_evidence_file_that_was_changed, a_mail_server_that_is_down, a_mailbox_server_that_is_down,
        a_policy_that_names_a_desk_which_nobody_saved, a_ticket_that_could_not_be_closed, a_calendar_that_ended,
        a_new_number, a_voice_account_that_was_suspended, a_web_hook_that_leads_nowhere,
        another_program_where_retailers_are_to_answer, a_prefect_server_whose_clock_is_ahead,
    ),
    (
        a_home_that_everybody_may_enter, a_prefect_server_that_lets_every_web_page_in, a_work_pool_that_is_missing,
        an_emergency_pool_that_is_paused, an_event_that_is_no_json, a_store_that_is_locked_for_writing,
        a_platform_that_is_down, a_call_list_that_nothing_dials, a_calendar_that_is_a_page, a_web_app_that_is_down,
    ),
    (a_home_that_cannot_be_written, a_prefect_address_that_is_not_set),
    (a_prefect_server_that_is_down, a_database_server_that_is_down),
    (a_policy_with_a_misspelt_entry, a_guard_that_was_dropped),
    (
        no_platform_that_was_saved, a_web_app_that_reads_another_store,
        a_guard_that_an_empty_one_of_its_name_replaced,  # last: who opens the store makes the guards anew
    ),
)  # fmt: skip
"""What the short run plants at once: of each check the first fault, and all those of a door.

None of a round keeps a check of another one's back. Where one round names somebody too many, the full run tells whose
fault it is: it plants each alone.
"""


def shown() -> list[Any]:
    """The rounds, and each fault alone: in the short run where its check is in no round."""
    by_plant = {one.plant: one for one in FAULTS}
    rounds = [tuple(by_plant[plant] for plant in together) for together in ROUNDS]
    checks = {one.check for together in rounds for one in together}
    told = [pytest.param(together, id=f"{together[0]} and {len(together) - 1} more") for together in rounds]
    for one in FAULTS:
        told.append(pytest.param((one,), marks=[pytest.mark.full] if one.check in checks else [], id=str(one)))
    return told


@pytest.mark.parametrize("planted", shown())
def test_the_culprit_is_named_and_nothing_else_is_blamed(
    house: Any, tmp_path: Path, planted: tuple[Fault, ...]
) -> None:
    for one in planted:
        here = one.plant(house, tmp_path)
    findings = examine(here)
    to_blame = [check for one in planted for check in (one.check, *one.too)]
    failed = {one.check: one for one in findings if one.outcome is Outcome.FAILED}
    assert list(failed) == sorted(to_blame, key=CHECKS.index), failed
    for one in planted:
        culprit = failed[one.check]
        for name in one.names:
            assert name in culprit.found, one
        assert one.action in culprit.next_action, one
    kept_back = [one for one in findings if one.outcome is Outcome.NOT_CHECKED]
    assert {one.culprit for one in kept_back} <= {*to_blame, ""}
    assert all(one.found.startswith("not checked, because ") for one in kept_back)
    assert SECRET not in str(findings)
    assert "the-right-one" not in str(findings)


def test_every_check_is_blamed_for_a_planted_fault() -> None:
    """But for a full disk and a broken template, which are planted in tests of their own (test_languages.py)."""
    assert len(FAULTS) >= 15
    assert set(CHECKS) - {one.check for one in FAULTS} == {"Disk space", "Words of mail"}


def test_the_command_ends_with_1_and_names_the_first_culprit(
    house: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    named = {"HOME": house.home, "PUBLIC_URL": f"http://127.0.0.1:{free_port()}", "WEB_URL": house.web.url}
    for name, value in {**named, "BROWSER": "none"}.items():
        monkeypatch.setenv(f"CASEPROOF_{name}", str(value))

    def typed(*arguments: str) -> tuple[str, str]:
        monkeypatch.setattr(sys, "argv", ["caseproof", "doctor", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert ended.value.code == 1
        told = capsys.readouterr()
        return told.out, told.err

    looked: list[list[Finding]] = []

    def once(here: Installation) -> list[Finding]:
        looked[:] = looked or [examine(here)]
        return looked[0]

    monkeypatch.setattr(command, "examine", once)
    out, err = typed("--json")
    told = json.loads(out)
    assert [one["check"] for one in told if not one["ok"]] == [
        "Browser", "Web app", "Web app's store", "Confirmation page",
    ]  # fmt: skip
    assert "Browser: The configured browser none is not a program" in err
    assert "(2 checks failed)" in err
    assert "Next: Set CASEPROOF_BROWSER" in err
    out, _ = typed()
    assert out.count("FAILED") == 2
    assert "Next action" in out


def test_a_disk_without_room_is_named_with_what_is_left(house: Any) -> None:
    with pytest.raises(Failed, match="GB left") as refused:
        room_left(house.settings(), wanted=10**18)
    assert "1e+09 GB at least" in refused.value.next_action


def test_a_wheel_without_a_lock_is_held_to_its_own_bounds(house: Any, tmp_path: Path) -> None:
    here = installation(house.settings(), lock=tmp_path / "requirements.lock")
    assert here.lock is None
    assert "as Caseproof asks for them" in right_packages(here.lock)
