"""One healthy installation for the doctor: all of it is real, with front doors before it that can go wrong."""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest
import uvicorn
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings
from prefect_email import EmailServerCredentials
from pydantic import SecretStr

from blocks.channels import TeamsWebhook, TwilioVoice
from blocks.desks import EmbeddedDesk
from blocks.inbox import RetailerMailbox
from blocks.paging import refresh_channels
from blocks.platforms import PLATFORMS, PrefectJobs
from caseproof.cli.doctor import installation
from caseproof.config.clock import Clock, utc_now
from caseproof.config.policy import load_policy
from caseproof.config.private_files import close_home
from caseproof.config.settings import Settings
from caseproof.config.shipped import shipped
from caseproof.doctor import Installation
from caseproof.evidence.page_check import Shot
from caseproof.platforms.base import RunPage
from caseproof.procedure.core.services import Services, bootstrap
from caseproof.procedure.keeper.problems import note_problems
from caseproof.procedure.paging.tested import Came, Try, Way, answer, begin
from caseproof.store import Store
from caseproof.up.processes import wait_until
from caseproof.web import create_app
from sandbox.imap import ImapServer
from sandbox.mailbox import Mailbox
from sandbox.processes import PrefectServer
from sandbox.provider import running
from sandbox.receiving import AUTHSERV
from sandbox.teams import PATH, QUERY, Teams
from sandbox.telephones import CALLER, TOKEN, Telephones
from sandbox.world import World
from tests.doctor.front import Front
from tests.support.histories import Plan, Teller, tell
from tests.support.patient_doctor import be_patient

POOL, EMERGENCY_POOL = "caseproof", "caseproof-emergency"
LEAD, VOICES, TEAMS = "+442079460123", ("doctor-voice", "doctor-second-voice"), "doctor-teams"
JOBS, DESK, MAIL, INBOX = "doctor-jobs", "doctor-desk", "doctor-mail", "doctor-inbox"
GUARD = "caseproof:hunter1-not-for-people"
"""What the Prefect server of the installation asks for."""
MAIL_USER, MAIL_PASSWORD = "cases", "hunter2-not-for-people"
POLICY = f"""\
team: [operator, team lead]
desk: {DESK}
mail:
  account: {MAIL}
  timeout_seconds: 30
answers:
  mailbox: {INBOX}
on_call:
  people:
    - {{name: Product Lead, mobile: "{LEAD}", mail: lead@example.com, teams: lead@example.com, days: []}}
  calendars:
    - {{name: nights, file: CALENDAR, timezone: Europe/Berlin}}
paging: {{voice: {VOICES[0]}, second_voice: {VOICES[1]}, teams: {TEAMS}}}
"""
CALENDAR = """BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//tests//EN\r\nBEGIN:VEVENT\r\nUID:1\r\nSUMMARY:Product Lead\r
DTSTART;VALUE=DATE:20260101\r\nRRULE:FREQ=DAILY\r\nEND:VEVENT\r\nEND:VCALENDAR\r
"""
"""Somebody is on call each day."""


@dataclass
class House:
    """The installation, its ways, and ``undo``: what ends with the test."""

    home: Path
    prefect: Front
    jobs: Front
    web: Front
    server: PrefectServer
    mailbox: Mailbox
    inbox: ImapServer
    telephones: Telephones
    channels: Mapping[str, str]
    """Where the telephones and Teams are."""
    undo: ExitStack = field(default_factory=ExitStack)
    composes: bool = False
    """Whether each examination composes all mails, as only the thorough one does in the short run."""
    asked: dict[str, Any] = field(default_factory=dict)
    parts: dict[str, Any] = field(default_factory=dict)
    """What a test has changed so far of the settings, and of what is examined: several faults come together."""

    def settings(self, **other: Any) -> Settings:
        """This installation's settings, with some of them changed."""
        asked: dict[str, Any] = {"home": self.home, "public_url": self.web.url, "web_url": self.web.url}
        asked |= {"database_url": None, "policy": None}
        return Settings(**(asked | {"browser": None} | other))

    def installation(self, *, thorough: bool = False, **settings: Any) -> Installation:
        """What the doctor examines, with these settings from here on.

        Less than ``thorough``: without a browser and all mails, and with a short lock.
        """
        self.asked |= settings
        here = installation(self.settings(**self.asked))
        lock = self.home.parent / "requirements.lock"
        if thorough:
            return here
        words = here.words if self.composes else lambda: "not looked at"
        return replace(replace(here, camera=picture, words=words, lock=lock), **self.parts)

    def put(self, **parts: Any) -> Installation:
        """What the doctor examines, with these fields of it in the place of the healthy ones from here on."""
        self.parts |= parts
        return self.installation()

    def copy(self, folder: Path) -> Path:
        """The home folder once more, for a test that spoils it: one copy, however many faults are planted there."""
        if folder.exists():
            return folder
        shutil.copytree(self.home, folder, ignore=shutil.ignore_patterns("caseproof.sqlite*"))
        with closing(self.raw(self.home)) as here, closing(self.raw(folder)) as there:
            here.backup(there)
        return folder

    def raw(self, home: Path) -> sqlite3.Connection:
        """The store's file past Caseproof; the caller closes it."""
        return sqlite3.connect(home / "caseproof.sqlite", isolation_level=None)

    def call(self, method: str, path: str, **options: Any) -> Any:
        """Prefect's API, past the front doors."""
        answer = World.call(self.server, method, path, **options)
        return answer.json() if answer.content else None

    def deployment(self, name: str = "job-failure-case") -> dict[str, Any]:
        found: dict[str, Any] = self.call("GET", f"deployments/name/{name}/{name}")
        return found

    def open_case(self, settings: Settings) -> None:
        """One more case in the store of these settings."""
        services = bootstrap(settings)
        _open_case(services, "offers/feed-c")
        services.store.close()

    def beat(self) -> None:
        """What the workers tell Prefect every 30 seconds."""
        for pool, name in ((POOL, "cases"), (EMERGENCY_POOL, "emergencies")):
            self.call("POST", f"work_pools/{pool}/workers/heartbeat", json={"name": name})

    def env(self) -> dict[str, str]:
        """The whole environment of a person who types a command here."""
        theirs = {name: value for name, value in self.server.env().items() if not name.startswith("CASEPROOF_")}
        ours = {
            "CASEPROOF_HOME": str(self.home),
            "CASEPROOF_PUBLIC_URL": self.web.url,
            "CASEPROOF_WEB_URL": self.web.url,
            "PREFECT_API_URL": f"{self.prefect.url}/api",
            "PREFECT_API_AUTH_STRING": GUARD,
        }
        return theirs | ours


def picture(page: RunPage, *, clock: Clock, **_: Any) -> Shot:
    """A camera without a browser: the page is asked for, and its text told."""
    answer = httpx.get(page.url, timeout=60, trust_env=False, verify=False)  # noqa: S501 - a page of this machine over HTTP
    text = answer.text.replace("<", "\n<").replace(">", ">\n")
    return Shot(b"a picture", text, page.url, answer.status_code, clock())


@pytest.fixture(scope="session")
def standing_house(
    tmp_path_factory: pytest.TempPathFactory, prefect_server: PrefectServer, full_run: bool
) -> Iterator[House]:
    """The healthy installation, made once: deployed, blocks saved, a closed case and an open one, the web app up."""
    home = tmp_path_factory.mktemp("doctor") / "home"
    home.mkdir()
    (home / "nights.ics").write_bytes(CALENDAR.encode())
    (home / "policy.yaml").write_text(POLICY.replace("CALENDAR", str(home / "nights.ics")))
    (home.parent / "requirements.lock").write_text(f"pyyaml=={version('pyyaml')} \\\n    --hash=sha256:00\n")
    with ExitStack() as stack:
        prefect = stack.enter_context(Front(prefect_server.ui_url, GUARD))
        jobs = stack.enter_context(Front(prefect_server.ui_url))
        mailbox = stack.enter_context(Mailbox(login=(MAIL_USER, MAIL_PASSWORD)))
        inbox = stack.enter_context(ImapServer(password=MAIL_PASSWORD))
        telephones, url = stack.enter_context(running(Telephones()))
        _, second_url = stack.enter_context(running(Telephones(account=f"AC{'2' * 32}")))
        _, teams_url = stack.enter_context(running(Teams()))
        channels = {VOICES[0]: url, VOICES[1]: second_url, TEAMS: f"{teams_url}{PATH}?{QUERY}"}
        web = stack.enter_context(_web(home))
        house = House(home, prefect, jobs, web, prefect_server, mailbox, inbox, telephones, channels, composes=full_run)
        _deploy(house)
        with temporary_settings({PREFECT_API_URL: prefect_server.api_url}):
            _save_blocks(house)
            assert refresh_channels(home, load_policy(home / "policy.yaml")) == []
        close_home(home)
        yield house
        with temporary_settings({PREFECT_API_URL: prefect_server.api_url}):
            _forget_platforms()


@pytest.fixture
def house(standing_house: House, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """The healthy installation, as the one that this process belongs to; what a test spoils is mended after it."""
    for name in [name for name in os.environ if name.startswith("CASEPROOF_")]:
        monkeypatch.delenv(name)
    be_patient(monkeypatch.setattr)
    standing_house.beat()
    _register_everybody(standing_house)
    ours = {PREFECT_API_URL: f"{standing_house.prefect.url}/api", PREFECT_API_AUTH_STRING: GUARD}
    with temporary_settings(ours), standing_house.undo as undo:
        for mended in (
            standing_house.prefect.well, standing_house.jobs.well, standing_house.web.well,
            standing_house.asked.clear, standing_house.parts.clear,
        ):  # fmt: skip
            undo.callback(mended)
        yield standing_house


@contextmanager
def _web(home: Path) -> Iterator[Front]:
    """The real web app in a thread, behind its front door, over an installation with a closed case and an open one."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        front = stack.enter_context(Front(f"http://127.0.0.1:{listener.getsockname()[1]}"))
        services = bootstrap(Settings(home=home, public_url=front.url, database_url=None, policy=None))
        stack.callback(services.store.close)
        _write_cases(services)
        server = uvicorn.Server(uvicorn.Config(create_app(services), log_level="warning", access_log=False))
        thread = Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        wait_until("the web app", lambda: server.started, 60, every=0.05)
        yield front
        server.should_exit = True
        thread.join(60)


def _write_cases(services: Services) -> None:
    case = None
    for event in tell(Plan()):
        with services.store.uow() as uow:
            case = uow.cases.create(event) if case is None else uow.cases.append(case, event)
            uow.commit()
    assert case is not None
    services.files.keep(case.ref, b"the page of the run", "run-page-1.png", "image/png")
    _open_case(services, "offers/feed-b")
    services.logins.invite("operator")
    _was_reached(services)
    note_problems(services.ledger, {})  # as the keeper does at the end of each pass


def _was_reached(services: Services) -> None:
    """By last month's test page."""
    at = services.clock()
    one = Try("2026-10", "Product Lead", Way.CALL, LEAD, at, at, Came.SENT)
    with services.store.uow() as uow:
        begin(uow, one)
        answer(uow, one.month, one.key, at)
        uow.commit()


def _open_case(services: Services, job: str) -> None:
    teller = Teller()
    teller.open()
    (opened,) = teller.events
    with services.store.uow() as uow:
        uow.cases.create(replace(opened, data={**opened.data, "job": job}))
        uow.commit()


def _register_everybody(house: House) -> None:
    """Each retailer of the server's jobs has a contact: other tests leave some there, too."""
    tags = [tag for one in house.call("POST", "deployments/filter", json={}) for tag in one["tags"]]
    with closing(Store(house.settings().database)) as store, store.uow() as uow:
        for name in {tag.partition(":")[2] for tag in tags if tag.startswith("retailer:")}:
            uow.people.add_contact(name, "owner@shop.example.com", at=utc_now())
        uow.commit()


def _deploy(house: House) -> None:
    """As an operator does it once."""
    there = {pool["name"] for pool in house.call("POST", "work_pools/filter", json={})}
    for pool in {POOL, EMERGENCY_POOL} - there:
        house.call("POST", "work_pools/", json={"name": pool, "type": "process"})
    command = ["-m", "prefect", "--no-prompt", "deploy", "--all", "--prefect-file", str(shipped("prefect.yaml"))]
    subprocess.run(
        [sys.executable, *command], cwd=house.home, env=house.server.env(), check=True, capture_output=True,
        timeout=240, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def _save_blocks(house: House) -> None:
    _forget_platforms()  # of other tests, which saved some that lead nowhere
    PrefectJobs(api_url=f"{house.jobs.url}/api", ui_url=house.jobs.url).save(JOBS, overwrite=True, _sync=True)
    EmbeddedDesk().save(DESK, overwrite=True, _sync=True)
    account = EmailServerCredentials(
        username=MAIL_USER, password=SecretStr(MAIL_PASSWORD), smtp_server=house.mailbox.host,
        smtp_port=house.mailbox.port, smtp_type="INSECURE",
    )  # fmt: skip
    account.save(MAIL, overwrite=True, _sync=True)
    mailbox = RetailerMailbox(
        host=house.inbox.host, port=house.inbox.port, security="plain", username=house.inbox.user,
        password=SecretStr(MAIL_PASSWORD), authserv=AUTHSERV,
    )  # fmt: skip
    mailbox.save(INBOX, overwrite=True, _sync=True)
    for number, name in enumerate(VOICES, 1):
        voice = TwilioVoice(
            account_sid=f"AC{str(number) * 32}",
            auth_token=SecretStr(TOKEN),
            number=CALLER,
            api_url=house.channels[name],
        )
        voice.save(name, overwrite=True, _sync=True)
    TeamsWebhook(url=SecretStr(house.channels[TEAMS])).save(TEAMS, overwrite=True, _sync=True)


def _forget_platforms() -> None:
    with get_client(sync_client=True) as client:
        for saved in client.read_block_documents():
            if saved.block_type and saved.block_type.slug in {kind.get_block_type_slug() for kind in PLATFORMS}:
                client.delete_block_document(saved.id)
