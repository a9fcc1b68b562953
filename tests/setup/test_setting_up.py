"""`caseproof setup`: a whole plan first, secrets from the environment alone, and what is saved is as the file says."""

from __future__ import annotations

import json
import os
import re
import sys
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect_email import EmailServerCredentials

from blocks.base import NoSuchBlock, load_block
from blocks.channels import CONNECTS, TEAMS, VOICES
from blocks.desks import DESKS
from blocks.inbox import MAILBOXES
from blocks.mail import account_of
from blocks.platforms import PLATFORMS
from caseproof.config.settings import Settings
from caseproof.domain.codes import Code
from caseproof.domain.owing import Debt
from caseproof.procedure.core.services import bootstrap
from caseproof.store import UnitOfWork
from caseproof.up.processes import free_port
from sandbox.processes import PrefectServer
from sandbox.provider import running
from sandbox.teams import PATH, QUERY, Teams
from sandbox.telephones import ACCOUNT, CALLER, TOKEN, Telephones
from tests.support.command import Ended, for_home, runner
from tests.support.loopback import Loopback

DOCS = Path(__file__).parents[2] / "docs" / "setup.md"
SECRETS = {
    "SHOP_JOBS_AUTH": "admin:hunter2-of-the-jobs",
    "SMTP_PASSWORD": "hunter2-of-the-mail",
    "IMAP_PASSWORD": "hunter2-of-the-mailbox",
    "TWILIO_AUTH_TOKEN": TOKEN,
    "GOTO_CLIENT_SECRET": "hunter2-of-goto",
    "GOTO_REFRESH_TOKEN": "hunter3-of-goto",
}


def example(kind: str, holds: str = "") -> str:
    """The first example of this kind that docs/setup.md shows, and that ``holds`` stands in."""
    shown = re.findall(rf"^```{kind}\n(.*?)^```", DOCS.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return next(one for one in shown if holds in one)


def states(ended: Ended) -> dict[str, str]:
    """What the plan says of each thing."""
    return {f"{one['what']} {one['name']}": one["state"] for one in ended.json["changes"]}


class World:
    """A folder with the example's files, an environment with its secrets, and the command."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self._run = folder, runner(monkeypatch, capsys)
        self.file = folder / "setup.yaml"
        # Names of this test's own: the server is shared by the session.
        own = uuid.uuid4().hex[:8]
        self.platform, self.desk, self.mail = f"jobs-{own}", f"desk-{own}", f"mail-{own}"
        self.inbox = f"inbox-{own}"
        self.content: dict[str, Any] = yaml.safe_load(example("yaml"))
        self.content["platforms"][0]["name"] = self.platform
        self.content["desk"]["name"] = self.desk
        self.content["mail"]["name"] = self.mail
        self.content["inbox"]["name"] = self.inbox
        (folder / "contacts.csv").write_text(example("csv"), encoding="utf-8")

    def run(self, *options: str) -> Ended:
        """Without trying it: the example's hosts are nobody's."""
        return self.run_and_try(*options, "--no-try")

    def run_and_try(self, *options: str) -> Ended:
        self.file.write_text(yaml.safe_dump(self.content), encoding="utf-8")
        return self.run_as_it_is(*options)

    def run_as_it_is(self, *options: str) -> Ended:
        ended = self._run("setup", self.file, *options)
        shown = [secret for secret in SECRETS.values() if secret in ended.out + ended.err]
        assert shown == [], "a secret was printed"
        return ended

    def uow(self) -> AbstractContextManager[UnitOfWork]:
        return bootstrap(Settings()).store.uow()

    def contacts(self) -> int:
        with self.uow() as uow:
            return sum(len(uow.people.contacts(retailer)) for retailer in uow.people.retailers())

    def no_block_is_saved(self) -> bool:
        named: tuple[tuple[str, tuple[Any, ...]], ...] = (
            (self.platform, PLATFORMS), (self.desk, DESKS), (self.mail, (EmailServerCredentials,)),
            (self.inbox, MAILBOXES),
        )  # fmt: skip
        for name, kinds in named:
            try:
                load_block(name, kinds, "block")
            except NoSuchBlock:
                continue
            return False
        return True


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[World]:
    """A world whose Prefect is down: whoever asks it gets that said, so what is refused otherwise is refused before."""
    for_home(tmp_path / "home", monkeypatch)
    for name, value in {**SECRETS, "OPEN_HOOK": "http://hooks.example.com/x?sig=hunter2"}.items():
        monkeypatch.setenv(name, value)
    with temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{free_port()}/api"}):
        yield World(tmp_path, monkeypatch, capsys)


@pytest.fixture
def world(alone: World, prefect_server: PrefectServer) -> Iterator[World]:
    """A world with a real Prefect."""
    with temporary_settings({PREFECT_API_URL: prefect_server.api_url}):
        yield alone


EVERYTHING_NEW = ["platform", "desk", "mail account", "mailbox", "contact", "contact", "contact"]


def test_the_example_of_the_docs_is_set_up_whole_and_what_waited_for_it_is_tried_at_once(world: World) -> None:
    now = datetime.now(UTC)
    with world.uow() as uow:
        uow.owed.failed("", Debt.TEAM_MAIL, "waits", Code.OTHER, "No mail account is saved.", now)
        assert uow.owed.due(now, 9) == []
        uow.commit()
    ended = world.run("--yes")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.count(" new ") == len(EVERYTHING_NEW)
    platform = load_block(world.platform, PLATFORMS, "platform")
    assert (platform.api_url, platform.retailer_tag) == ("http://127.0.0.1:4200/api", "retailer:")
    assert platform.auth.get_secret_value() == SECRETS["SHOP_JOBS_AUTH"]
    assert load_block(world.desk, DESKS, "desk").ticket_url == ""
    account = account_of(load_block(world.mail, (EmailServerCredentials,), "mail account"), 5)
    assert (account.host, account.port, account.security, account.verify) == ("smtp.example.com", 587, "starttls", True)
    assert (account.username, account.password) == ("cases@example.com", SECRETS["SMTP_PASSWORD"])
    mailbox = load_block(world.inbox, MAILBOXES, "mailbox").account(5)
    assert (mailbox.host, mailbox.port, mailbox.security, mailbox.verify) == ("imap.example.com", 993, "ssl", True)
    assert (mailbox.username, mailbox.password) == ("cases@example.com", SECRETS["IMAP_PASSWORD"])
    assert (mailbox.folder, mailbox.done_folder, mailbox.authserv) == ("INBOX", "Caseproof", "mx.example.com")
    assert world.contacts() == 3
    with world.uow() as uow:
        assert [row.key for row in uow.owed.due(now, 9)] == ["waits"]


def test_a_plan_comes_first_and_setting_up_again_changes_nothing(world: World) -> None:
    plan = world.run("--dry-run", "--json")
    assert list(states(plan).values()) == ["new"] * len(EVERYTHING_NEW)
    assert world.no_block_is_saved()
    assert world.contacts() == 0
    assert states(world.run("--yes", "--json")) == states(plan)
    assert set(states(world.run("--yes", "--json")).values()) == {"as it is"}
    assert "Everything is saved as the file says." in world.run().out


def test_what_is_saved_is_tried_and_what_does_not_work_stays_saved_and_is_told(
    world: World, prefect_server: PrefectServer
) -> None:
    nobody = {"host": "127.0.0.1", "port": free_port(), "security": "plain"}
    world.content["platforms"][0] |= {"api_url": prefect_server.api_url, "ui_url": prefect_server.ui_url}
    world.content["mail"] |= nobody
    del world.content["inbox"]
    ended = world.run_and_try("--yes", "--json")
    assert ended.code == 1
    assert ended.json["done"] is True
    assert [(one["check"], one["ok"]) for one in ended.json["tried"]] == [
        (f"platform {world.platform}", True), (f"pages of {world.platform}", True), (f"desk {world.desk}", True),
        (f"mail account {world.mail}", False),
    ]  # fmt: skip
    assert f"caseproof: What was set up does not work yet: mail account {world.mail}" in ended.err
    assert "Next: " in ended.err
    assert load_block(world.mail, (EmailServerCredentials,), "mail account").smtp_port == nobody["port"]
    del world.content["mail"]
    again = world.run_and_try()
    assert (again.code, again.err) == (0, ""), "what is saved already is tried again"
    assert "Everything is saved as the file says." in again.out
    assert again.out.count(" ok ") == 3


def test_a_platform_whose_pages_call_another_port_is_told_before_a_case_needs_its_picture(
    world: World, prefect_server: PrefectServer
) -> None:
    told = {"api_url": "http://127.0.0.1:4200/api", "default_ui": "v2"}
    with Loopback({"/ui-settings": (200, {}, json.dumps(told).encode())}) as pages:
        world.content = {"platforms": world.content["platforms"]}
        world.content["platforms"][0] |= {"api_url": prefect_server.api_url, "ui_url": pages.url}
        ended = world.run_and_try("--yes")
    assert ended.code == 1
    assert "call http://127.0.0.1:4200/api" in ended.err
    assert "PREFECT_SERVER_UI_API_URL=" in ended.err


def test_what_people_are_reached_by_is_set_up_and_tried_without_calling_anybody(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.content = yaml.safe_load(example("yaml", "voices:"))
    names = {what: f"{what}-{world.desk}" for what in ("voice", "team", "goto")}
    with running(Telephones()) as (telephones, calls), running(Teams()) as (teams, posts):
        url = f"{posts}{PATH}?{QUERY}"
        for name, value in {"TWILIO_ACCOUNT_SID": ACCOUNT, "TEAMS_URL": url, "GOTO_CLIENT_ID": "client"}.items():
            monkeypatch.setenv(name, value)
        world.content["voices"][0] |= {"name": names["voice"], "api_url": calls}
        world.content["teams"]["name"], world.content["connect"]["name"] = names["team"], names["goto"]
        ended = world.run_and_try("--yes")
        assert (ended.code, ended.err) == (0, "")
        told = " ".join(ended.out.split())
        assert f"The policy uses no voice account: write '{names['voice']}' at paging.voice." in told
        assert load_block(names["voice"], VOICES, "voice account").number == CALLER
        assert load_block(names["team"], TEAMS, "web hook").url.get_secret_value() == url
        assert load_block(names["goto"], CONNECTS, "account").refresh_token.get_secret_value() == "hunter3-of-goto"
        assert "TEST: Caseproof is set up to post here" in teams.words()
        assert len(teams.cards) == 1
        again = world.run_and_try("--json")
        assert (again.code, len(teams.cards)) == (0, 1), "what is saved already is tried without a card"
        assert telephones.calls == []
        assert {one["state"] for one in again.json["changes"]} == {"as it is"}
        tried = {one["check"]: one["found"] for one in again.json["tried"]}
        assert "nobody was called" in tried[f"voice account {names['voice']}"]
        assert "sig=" not in ended.out + ended.err + again.out + again.err
        telephones.status = "closed"
        ended = world.run_and_try()
        assert (ended.code, "Twilio says that it is closed." in ended.err) == (1, True)


def test_without_a_terminal_and_without_yes_only_the_plan_is_shown(world: World) -> None:
    ended = world.run()
    assert ended.code == 0
    assert f"{world.platform}" in ended.out
    assert "Nothing was changed; --yes does it." in ended.out
    assert world.no_block_is_saved()


def test_in_a_terminal_it_asks_and_does_what_is_answered(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.content = {"desk": world.content["desk"]}
    ours, theirs = os.openpty()
    with (
        os.fdopen(theirs) as keyboard,
        os.fdopen(os.dup(theirs), "w") as screen,
        monkeypatch.context() as at_a_terminal,
    ):
        at_a_terminal.setattr(sys, "stdin", keyboard)
        at_a_terminal.setattr(sys, "stdout", screen)
        os.write(ours, b"n\n")
        world.run()
        refused_first = world.no_block_is_saved()
        os.write(ours, b"y\n")
        world.run()
    shown = everything_on(ours)
    assert refused_first
    assert shown.index("Do this?") < shown.index("Nothing was changed.") < shown.index("Saved.") < shown.index("Done.")
    assert load_block(world.desk, DESKS, "desk").ticket_url == ""


def everything_on(terminal: int) -> str:
    """What was written to the other side of a pseudo-terminal, which is closed; closes this side, too."""
    shown = b""
    with suppress(OSError):  # how Linux tells the end
        while part := os.read(terminal, 4096):
            shown += part
    os.close(terminal)
    return shown.decode()


def test_what_differs_is_named_by_its_fields_and_only_that_is_saved(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.run("--yes")
    world.content["mail"] |= {"port": 2525, "verify": False}
    world.content["inbox"] |= {"security": "starttls"}
    world.content["platforms"][0]["retailer_tag"] = "shop:"
    world.content["retailers"][0]["contacts"][0]["name"] = "The owner"
    monkeypatch.setenv("SMTP_PASSWORD", "another")
    told = states(world.run("--yes", "--json"))
    assert told == {
        f"platform {world.platform}": "changed: retailer_tag",
        f"desk {world.desk}": "as it is",
        f"mail account {world.mail}": "changed: password, smtp_port, verify",
        f"mailbox {world.inbox}": "changed: port, security",
        "contact garden-shop: owner@garden-shop.example.com": "changed: name",
        "contact garden-shop: office@garden-shop.example.com": "as it is",
        "contact book-corner: owner@book-corner.example.com": "as it is",
    }
    block = load_block(world.mail, (EmailServerCredentials,), "mail account")
    assert (block.smtp_port, block.password.get_secret_value()) == (2525, "another")
    assert load_block(world.platform, PLATFORMS, "platform").retailer_tag == "shop:"


def test_what_the_file_leaves_out_stays(world: World) -> None:
    world.run("--yes")
    desk = world.content["desk"]
    world.content.clear()
    world.content["desk"] = desk | {"ticket_url": "https://tickets.example.com"}
    assert states(world.run("--yes", "--json")) == {f"desk {world.desk}": "changed: ticket_url"}
    assert load_block(world.platform, PLATFORMS, "platform").ui_url == "http://127.0.0.1:4200"
    assert world.contacts() == 3


def test_a_desk_that_the_policy_does_not_name_is_pointed_out(world: World) -> None:
    out = " ".join(world.run("--dry-run").out.split())
    assert f"The policy uses the desk 'desk' (desk), not '{world.desk}'." in out
    assert f"The policy uses the mail account 'mail' (mail.account), not '{world.mail}'." in out
    assert f"The policy uses no mailbox: write '{world.inbox}' at answers.mailbox." in out


# -- refused before anything is written -----------------------------------------------------------------------------


def refused(world: World, ended: Ended, *says: str) -> None:
    assert ended.code == 1
    assert [part for part in says if part not in ended.err] == []
    assert "Next: " in ended.err
    assert ended.out == ""
    assert world.contacts() == 0


def test_all_variables_that_are_not_set_are_named(alone: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SHOP_JOBS_AUTH")
    monkeypatch.setenv("SMTP_PASSWORD", "")
    refused(alone, alone.run("--yes"), "not set, or empty", "SHOP_JOBS_AUTH", "SMTP_PASSWORD")


def platform(**fields: Any) -> dict[str, Any]:
    return {
        "platforms": [{"name": "p", "type": "prefect-jobs", "api_url": "http://a/api", "ui_url": "http://a"} | fields]
    }


WRITTEN = "hunter2-of-the-mail"


def voice(**other: Any) -> dict[str, Any]:
    whole = {"name": "v", "type": "twilio-voice", "account_sid": ACCOUNT, "number": CALLER}
    return whole | {"auth_token": {"from_env": "TWILIO_AUTH_TOKEN"}} | other


WRONG: dict[str, tuple[dict[str, Any], list[str]]] = {
    "a misspelt part": ({"platfroms": []}, ["platfroms: there is no such entry"]),
    "a misspelt field": (platform(api_ulr="x"), ["platforms.p.api_ulr: there is no such entry"]),
    "a missing field": ({"platforms": [{"name": "p", "type": "prefect-jobs"}]}, ["platforms.p.api_url: is missing"]),
    "an unknown type": (platform(type="cron"), ["platforms.p.type: is one of prefect-jobs"]),
    "another block's type": ({"desk": {"name": "d", "type": "prefect-jobs"}}, ["desk.type: is one of embedded-desk"]),
    "a name that Prefect refuses": (platform(name="My Shop"), ["platforms.My Shop.name: takes lower-case letters"]),
    "a platform twice": ({"platforms": platform()["platforms"] * 2}, ["a name stands there twice"]),
    "an address that is none": (platform(api_url="a/api"), ["platforms.p.api_url: an address begins with http://"]),
    "an address of nothing": (platform(api_url="http://a:b"), ["platforms.p: The address of the Prefect API"]),
    "an address that runs something": (
        platform(ui_url="javascript:alert(1)"), ["platforms.p.ui_url: an address begins with http:// or https://"],
    ),
    "an empty address": (platform(ui_url=""), ["platforms.p.ui_url: an address begins with http:// or https://"]),
    "a ticket address that runs something": (
        {"desk": {"name": "d", "type": "embedded-desk", "ticket_url": "data:text/html,x"}},
        ["desk.ticket_url: an address begins with http:// or https://"],
    ),
    "a voice account's token in the file": (
        {"voices": [voice(auth_token=WRITTEN)]}, ["voices.v.auth_token: a secret", "from_env"],
    ),
    "an account of Twilio that is none": (
        {"voices": [voice(account_sid="AC1")]}, ["voices.v: The account SID of the voice account 'v' is none"],
    ),
    "a caller's number that is none": ({"voices": [voice(number="0800")]}, ["voices.v: '0800' cannot be dialled"]),
    "a voice account twice": ({"voices": [voice(), voice()]}, ["voices: a name stands there twice"]),
    "one account as two": (
        {"voices": [voice(), voice(name="w")]}, ["voices: two blocks are one account"],
    ),
    "three voice accounts": ({"voices": [voice(name=one) for one in "abc"]}, ["voices: "]),
    "a web hook's address in the file": (
        {"teams": {"name": "t", "type": "teams-webhook", "url": f"https://h/x?sig={WRITTEN}"}}, ["teams.url: a secret"],
    ),
    "a web hook over an open connection": (
        {"teams": {"name": "t", "type": "teams-webhook", "url": {"from_env": "OPEN_HOOK"}}},
        ["teams: The address of the Teams web hook 't' does not start with https://"],
    ),
    "a refresh token in the file": (
        {"connect": {"name": "c", "type": "goto-call", "client_id": "i", "client_secret": {"from_env": "SMTP_PASSWORD"},
                     "refresh_token": WRITTEN}},
        ["connect.refresh_token: a secret"],
    ),
    "a password in the file": (platform(auth=f"a:{WRITTEN}"), ["platforms.p.auth: a secret", "from_env"]),
    "a password in an address": (platform(ui_url=f"http://a:{WRITTEN}@h"), ["platforms.p.ui_url: the address holds"]),
    "a mail password": ({"mail": {"host": "h", "username": "u", "password": WRITTEN}}, ["mail.password: a secret"]),
    "a mailbox's password": ({"inbox": {"host": "h", "username": "u", "password": WRITTEN}}, ["inbox.password: a sec"]),
    "a mailbox without a login": ({"inbox": {"host": "h"}}, ["inbox.username: is missing", "inbox.password: is miss"]),
    "a login by halves": ({"mail": {"host": "h", "username": "u"}}, ["mail: a username and a password go together"]),
    "another security": ({"mail": {"host": "h", "security": "tls"}}, ["mail.security: ", "'starttls'"]),
    "a port that is none": ({"mail": {"host": "h", "port": 99999}}, ["mail.port: ", "65536"]),
    "a retailer without contacts": ({"retailers": [{"name": "r", "contacts": []}]}, ["retailers.r.contacts: "]),
    "a contact that is none": (
        {"retailers": [{"name": "r", "contacts": [{"address": "nobody"}]}]}, ["retailers.r.contacts.0: 'nobody'"],
    ),
    "a contact that no sender could match": (
        {"retailers": [{"name": "r", "contacts": [{"address": "a@example.com."}]}]},
        ["retailers.r.contacts.0: 'a@example.com.'", "it ends with a dot. Take the dot away"],
    ),
    "a language that no mail is written in": (
        {"retailers": [{"name": "r", "contacts": [{"address": "a@example.com", "language": "fr-ch"}]}]},
        ["retailers.r.contacts.0: No mail is written in 'fr-ch'", "Use one of en, de"],
    ),
    "a contact twice": (
        {"retailers": [{"name": "book-corner", "contacts": [{"address": "OWNER@book-corner.example.com"}]}],
         "contacts": "contacts.csv"},
        ["line 3: owner@book-corner.example.com of book-corner stands in retailers.book-corner.contacts.0 already"],
    ),
    "no such list": ({"contacts": "nowhere.csv"}, ["nowhere.csv cannot be read"]),
    "all mistakes at once": (
        {"platforms": [*platform(auth="x:y", more=1)["platforms"], {"name": "q", "type": "cron"}]},
        ["platforms.p.auth", "platforms.p.more", "platforms.q.type"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_entry_is_named_and_nothing_is_written(name: str, alone: World) -> None:
    content, says = WRONG[name]
    alone.content = content
    refused(alone, alone.run("--yes"), *says)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "holds no entries"),
        ("- a\n", "holds no entries"),
        (f"mail:\n  password: '{WRITTEN}' x\n", "is not YAML at line 2"),
        (
            "desk: {name: a, type: b}\ndesk: {name: c, type: d}\n",
            "is not YAML at line 2, column 1: desk stands there twice",
        ),
        ("desk: !!python/object/apply:os.getcwd []\n", "is not YAML at line 1"),
        ("desk: {}\nretailers: &x [*x]\n", "is not YAML at line 2, column 12: it refers to itself"),
        ("desk: &x\n  name: d\n  type: {a: [*x]}\n", "is not YAML at line 1, column 7: it refers to itself"),
        (f"retailers: {'[' * 5000}", "nested too deeply"),
    ],
)
def test_a_file_that_is_no_set_up_is_refused_by_its_line(alone: World, text: str, says: str) -> None:
    alone.file.write_text(text, encoding="utf-8")
    refused(alone, alone.run_as_it_is("--yes"), says)


def test_a_prefect_that_is_down_is_said_before_anything_is_written(alone: World) -> None:
    refused(alone, alone.run("--yes"), "cannot be read from Prefect", "PREFECT_API_URL")
