"""`caseproof people` and `caseproof login`: who gets a login, by mail or by a link, and who acts at a terminal."""

from __future__ import annotations

import os
import pwd
import re
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

import tasks.common
from caseproof.config.settings import Settings
from caseproof.procedure.core.services import Services, bootstrap
from tests.support.command import Run

PASSWORD = "nine tall chimneys"


@pytest.fixture
def services(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Services:
    """With a terminal whose session the tests lead."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setattr(os, "getsid", lambda _: os.getpid())
    return bootstrap(Settings(home=home))


def token_in(text: str) -> str:
    [token] = re.findall(r"^http://127\.0\.0\.1:8321/login/link/(\S{43})$", text, re.MULTILINE)
    return str(token)


def test_a_link_is_printed_for_somebody_of_the_team_and_holds_once(services: Services, run: Run) -> None:
    told = run("people", "link", "Team  Lead")
    assert "It opens on this machine alone" in told.out
    services.logins.use_link(token_in(told.out), PASSWORD)
    assert services.logins.by_password("team lead", PASSWORD)
    stranger = run("people", "link", "a stranger")
    assert (stranger.code, "not on the team" in stranger.err, "operator, team lead" in stranger.err) == (1, True, True)
    assert [(row["name"], row["state"]) for row in run("people", "list", "--json").json] == [
        ("operator", "none yet"), ("team lead", "with a password"),
    ]  # fmt: skip
    run("people", "link", "operator")
    assert run("people", "list", "--json").json[0]["state"] == "invited"
    with services.store.uow() as uow:  # as after three days
        uow.logins.withdraw(services.logins.everybody()[1])
        uow.commit()
    assert run("people", "list", "--json").json[0]["state"] == "invited, and has no way in now"
    assert run("people", "remove", "team lead").code == 0
    assert run("people", "remove", "team lead").code == 1


def test_an_invitation_leaves_by_mail_with_a_link_that_opens_nothing_by_being_looked_at(
    services: Services, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[bytes, list[str]]] = []
    monkeypatch.setattr(tasks.common, "load_sender", lambda: lambda mail, _sender, to: sent.append((mail, list(to))))
    told = run("people", "invite", "operator", "Operator@example.com")
    assert told.code == 0
    assert "/login/link/" not in told.out, "the link is for the mail's eyes alone"
    [(mail, to)] = sent
    assert to == ["Operator@example.com"]
    assert b"\n" not in mail.replace(b"\r\n", b"")
    token = token_in(mail.decode().replace("\r\n", "\n"))
    assert services.logins.offered(token).email == "Operator@example.com"
    assert services.logins.offered(token).name == "operator"
    other = run("people", "invite", "team lead", "operator@example.com")
    assert (other.code, "is the address of operator already" in other.err) == (1, True)
    assert run("people", "invite", "team lead", "no address").code == 1
    assert len(sent) == 1


def test_the_first_start_gives_the_first_of_the_team_a_link_and_no_later_one_does(services: Services) -> None:
    first = services.logins.first_link()
    assert first is not None
    assert (first[0].name, services.logins.offered(first[1]).name) == ("operator", "operator")
    assert services.logins.first_link() is None


def log_in(services: Services, run: Run, monkeypatch: pytest.MonkeyPatch, name: str) -> Any:
    services.logins.use_link(services.logins.invite(name)[1], PASSWORD)
    monkeypatch.setattr("sys.stdin", StringIO(f"{PASSWORD}\n"))
    return run("login", name)


def test_who_is_logged_in_at_the_terminal_acts_and_nobody_else_is_named(
    services: Services, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    what = ("causes", "undo", 9)
    assert run(*what).code == 2, "nobody is logged in, and nobody is named"
    assert log_in(services, run, monkeypatch, "operator").code == 0
    file = tmp_path / "config" / "caseproof" / "logins.json"
    assert (stat.S_IMODE(file.stat().st_mode), stat.S_IMODE(file.parent.stat().st_mode)) == (0o600, 0o700)
    told = run(*what).err
    assert ("There is no chosen cause 9" in told, "acting as operator\n" in told) == (True, True)
    assert "There is no chosen cause 9" in run(*what, "--by", "Operator").err
    other = run(*what, "--by", "team lead")
    assert (other.code, "operator is logged in at this terminal" in other.err) == (1, True)
    services.logins.remove("operator")
    assert run(*what).code == 2, "a log-in that is over names nobody"
    log_in(services, run, monkeypatch, "team lead")
    assert run("logout").out.strip() == "Logged out."
    assert run(*what).code == 2
    monkeypatch.setattr("sys.stdin", StringIO("wrong\n"))
    assert run("login", "team lead").code == 1


@pytest.fixture
def another_terminal() -> Iterator[int]:
    """The number of a session that somebody else leads, as the same user of the operating system."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True) as leader:
        yield leader.pid
        leader.communicate(b"\n")


def test_who_types_at_another_terminal_of_the_same_user_is_nobody_there(
    services: Services, run: Run, monkeypatch: pytest.MonkeyPatch, another_terminal: int
) -> None:
    """As where a whole team types `sudo -u caseproof -H bash`."""
    what = ("causes", "undo", 9)
    assert log_in(services, run, monkeypatch, "operator").code == 0

    def at(terminal: int) -> None:
        monkeypatch.setattr(os, "getsid", lambda _: terminal)

    at(another_terminal)
    assert run(*what).code == 2, "nobody is logged in here, and nobody is named"
    assert "acting as" not in run(*what, "--by", "team lead").err
    assert run("logout").out.strip() == "Nobody was logged in here."
    assert log_in(services, run, monkeypatch, "team lead").code == 0
    assert "acting as team lead" in run(*what).err
    at(os.getpid())
    assert "acting as operator" in run(*what).err, "each in their own"
    assert run("logout").out.strip() == "Logged out."
    at(another_terminal)
    assert "acting as team lead" in run(*what).err


def test_a_later_session_with_the_same_number_is_another_terminal(
    services: Services, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert log_in(services, run, monkeypatch, "operator").code == 0
    file = tmp_path / "config" / "caseproof" / "logins.json"
    kept = file.read_text()
    later = re.sub(r'"born": [\d.]+', lambda found: f'"born": {float(found[0][8:]) - 60}', kept)
    for other in (later, kept.replace('"boot": "', '"boot": "x'), '{"x": "y"}', "[1]", '[{"terminal": {}}]', "x"):
        file.write_text(other)
        assert run("causes", "undo", 9).code == 2, other
    file.write_text(later)
    assert log_in(services, run, monkeypatch, "team lead").code == 0
    assert len(re.findall('"token"', file.read_text())) == 1, "what nobody can use any more is not kept"


def no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(_: int) -> Any:
        raise KeyError

    for name in ("HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", nobody)


def no_leader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getsid", lambda _: 0)


@pytest.mark.parametrize(("there_is", "why"), [(no_home, "no home"), (no_leader, "session cannot be seen")])
def test_where_a_log_in_cannot_be_kept_nobody_is_logged_in_and_by_works(
    services: Services,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    there_is: Callable[[pytest.MonkeyPatch], None],
    why: str,
) -> None:
    there_is(monkeypatch)
    assert "There is no chosen cause 9" in run("causes", "undo", 9, "--by", "operator").err
    told = log_in(services, run, monkeypatch, "operator")
    assert (told.code, why in told.err, "--by" in told.err) == (1, True, True)
    assert run("logout").out.strip() == "Nobody was logged in here."
