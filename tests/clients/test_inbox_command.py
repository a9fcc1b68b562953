"""`caseproof inbox` as a person runs it, and as `caseproof up` keeps it running."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.settings import PREFECT_API_URL, temporary_settings

from blocks.inbox import RetailerMailbox
from caseproof.config.policy import BUILT_IN
from caseproof.config.settings import Settings
from caseproof.domain.vocabulary import Disposition
from caseproof.procedure.core.services import Services, bootstrap
from caseproof.store import locks
from caseproof.up.plan import inbox_lock
from caseproof.up.processes import wait_until
from sandbox.imap import ImapServer
from sandbox.processes import PrefectServer, clean_env
from tests.support.command import Run
from tests.support.retailer_mail import AUTHSERV

ROOT = Path(__file__).parents[2]


@pytest.fixture
def services(home: Path) -> Iterator[Services]:
    services = bootstrap(Settings(home=home))
    yield services
    services.store.close()


def came(services: Services, place: Disposition, why: str) -> int:
    """A message in the store; its number."""
    kept = services.vault.put(why.encode(), "mail.eml", "message/rfc822")
    with services.store.uow() as uow:
        number = uow.messages.add(
            kept.digest, message_id="", sender="who@example.org", subject="[b]Subject[/b]", size=7, way="mail",
            place=place, why=why, ref="", at=services.clock(),
        )  # fmt: skip
        uow.commit()
    return number


def test_without_a_mailbox_it_says_so_and_does_nothing(run: Run) -> None:
    ended = run("inbox")
    assert (ended.code, ended.err) == (0, "")
    assert "names no mailbox (answers.mailbox)" in ended.out


def test_the_list_shows_what_needs_an_eye_and_done_takes_it_off(run: Run, services: Services) -> None:
    number = came(services, Disposition.UNMATCHED, "it answers no mail of ours")
    came(services, Disposition.AUTOMATIC, "a program wrote it")
    listed = run("inbox", "list")
    assert "it answers no mail of ours" in listed.out
    assert "[b]Subject[/b]" in listed.out
    assert "a program wrote it" not in listed.out
    [row] = run("inbox", "list", "--json").json
    assert (row["id"], row["place"], row["sender"], row["done_at"]) == (number, "unmatched", "who@example.org", None)
    assert run("inbox", "done", number, "--by", "operator").out.strip() == "1 taken off the list."
    assert run("inbox", "list", "--json").json == []
    again = run("inbox", "done", number, "--by", " Team LEAD").out.strip()
    assert again == "0 taken off the list. 1 stood on it no more."
    settled = run("inbox", "list", "--settled", "--json").json
    assert [(row["place"], row["done_by"]) for row in settled] == [("automatic", ""), ("unmatched", "operator")]
    assert "a program wrote it" in run("inbox", "list", "--settled").out


def test_a_longer_list_says_how_many_more_there_are(run: Run, services: Services) -> None:
    for number in range(3):
        came(services, Disposition.UNMATCHED, f"reason {number}")
    assert "2 more are not shown" in run("inbox", "list", "--limit", "1").out


def test_done_refuses_an_unknown_number_and_a_nobody_and_then_takes_nothing_off(run: Run, services: Services) -> None:
    number = came(services, Disposition.REPLY, "why")
    refused = run("inbox", "done", number, 99, "--by", "operator")
    assert refused.code == 1
    assert "no message 99" in refused.err
    stranger = run("inbox", "done", number, "--by", "somebody else")
    assert (stranger.code, "somebody else is not on the team list" in stranger.err) == (1, True)
    assert "operator, team lead" in stranger.err
    assert run("inbox", "done", number, "--by", " ").code == 1
    assert run("inbox", "done", number).code == 2
    assert len(run("inbox", "list", "--json").json) == 1


# -- staying ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def mailbox(prefect_server: PrefectServer) -> Iterator[ImapServer]:
    """A mailbox whose block is saved."""
    with ImapServer() as server:
        saving: Any = RetailerMailbox(
            host=server.host, port=server.port, security="plain", username=server.user, password=server.password,
            authserv=AUTHSERV,
        )  # fmt: skip
        with temporary_settings({PREFECT_API_URL: prefect_server.api_url}):
            saving.save("watched", overwrite=True, _sync=True)
        yield server


def watched(home: Path, prefect_server: PrefectServer, log: Path) -> subprocess.Popen[bytes]:
    """`caseproof inbox --watch` as a process of its own."""
    env = {**clean_env(home), "CASEPROOF_HOME": str(home), "PREFECT_API_URL": prefect_server.api_url}
    env["PYTHONUNBUFFERED"] = "1"
    with log.open("ab") as out:
        return subprocess.Popen(
            [sys.executable, "-m", "caseproof.cli", "inbox", "--watch"], env=env, cwd=ROOT, stdout=out, stderr=out
        )


def test_the_watch_takes_mail_as_it_comes_and_ends_at_sigterm_while_it_waits(
    home: Path, services: Services, mailbox: ImapServer, prefect_server: PrefectServer, tmp_path: Path
) -> None:
    policy = yaml.safe_load(BUILT_IN.read_text()) | {"answers": {"mailbox": "watched"}}
    (home / "policy.yaml").write_text(yaml.safe_dump(policy))
    log = tmp_path / "log"
    process = watched(home, prefect_server, log)
    try:
        wait_until("it to hold its lock", lambda: locks.is_held(inbox_lock(services.settings)), 60)
        mailbox.deliver(b"From: a@example.org\r\nSubject: one\r\n\r\nHello.\r\n")
        wait_until("the first mail to be put away", lambda: len(mailbox.folder("Caseproof")) == 1, 60)
        mailbox.deliver(b"From: a@example.org\r\nSubject: two\r\n\r\nHello again.\r\n")  # now it is in IDLE
        wait_until("the second mail to be put away", lambda: len(mailbox.folder("Caseproof")) == 2, 60)
        process.send_signal(signal.SIGTERM)
        process.wait(60)  # an IDLE lasts for minutes
    finally:
        process.kill()
        process.wait(60)
    with services.store.reading() as uow:
        assert [row.place for row in uow.messages.to_look_at(9)] == [Disposition.UNMATCHED] * 2
    assert mailbox.password not in log.read_text()
    assert "Hello" not in log.read_text()
    assert not locks.is_held(inbox_lock(services.settings))
