"""The deployment `retailer-inbox` on a real Prefect server and a real IMAP server: what it does, wakes and shows."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.client.schemas.objects import Artifact
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from blocks.base import PrefectDown
from blocks.inbox import RetailerMailbox
from caseproof.domain.job_failure.kinds import Kind
from caseproof.procedure.core.services import Services, today
from caseproof.procedure.notify import telling
from flows.retailer_inbox import retailer_inbox
from sandbox.imap import ImapServer
from tasks.inbox import KEY, mailboxes
from tasks.runs.our_prefect import read_run
from tests.support.case_runs import suspended
from tests.support.fakes import FakeMail
from tests.support.retailer_mail import AUTHSERV, DONE, answer
from tests.support.world import CONTACT

STRANGER = "stranger@elsewhere.example.org"


@pytest.fixture
def mailbox() -> Iterator[ImapServer]:
    with ImapServer() as server:
        yield server


@pytest.fixture
def named(services: Services, mailbox: ImapServer, tmp_path: Path) -> Services:
    """The installation once its policy names the mailbox, and the block is saved."""
    save(mailbox)
    file = tmp_path / "policy.yaml"
    file.write_text(yaml.safe_dump(yaml.safe_load(file.read_text()) | {"answers": {"mailbox": "retailers"}}))
    return services


def save(server: ImapServer, **other: Any) -> None:
    """Save the block that describes the server's mailbox."""
    given = {"host": server.host, "port": server.port, "security": "plain", "username": server.user}
    given |= {"password": server.password, "authserv": AUTHSERV} | other
    saving: Any = RetailerMailbox(**given)  # its types do not know `_sync`
    saving.save("retailers", overwrite=True, _sync=True)


@pytest.fixture
def letter(named: Services, carried: Callable[..., tuple[str, str]]) -> tuple[str, str, bytes]:
    """A case asleep whose retailer got a letter: the case, its run, the letter."""
    ref, run = carried(suspended())
    with named.store.uow() as uow:
        uow.people.add_contact("Shop A", CONTACT)
        uow.commit()
    named.ledger.record(ref, Kind.STOPPED, scope="job", jobs=[], evidence="e")
    named.ledger.record(ref, Kind.FACTS_CORRECTED, retailer="Shop A", marketplace="North", connection="")
    mail = FakeMail()
    here = today(named)
    telling.tell_retailer(here.ledger, here.dispatch(mail.send), here.policy, ref)
    named.ledger.record(ref, Kind.QUESTION_ASKED, number=1, form="retailers-word", flow_run=run)
    return ref, run, mail.taken[0][0]


def newest(key: str) -> Artifact:
    with get_client(sync_client=True) as client:
        found = client.read_artifacts(artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=[key])))
    return max(found, key=lambda artifact: str(artifact.created))


def state_of(run: str) -> str:
    found = read_run(run)
    return str(found.state_name) if found else "deleted"


def test_a_pass_takes_mail_in_wakes_the_case_and_lists_what_a_person_has_to_see(
    named: Services, mailbox: ImapServer, letter: tuple[str, str, bytes]
) -> None:
    ref, run, sent = letter
    mailbox.deliver(answer(sent, sender=STRANGER))
    mailbox.deliver(answer(sent, DONE))
    ended = retailer_inbox(return_state=True)
    assert ended.is_completed(), ended.message
    assert ended.message == "2 new mails: 1 counted, 1 refused."
    assert [word["sender"] for word in named.ledger.case(ref).words] == [CONTACT]
    assert state_of(run) == "Resuming"
    assert (len(mailbox.folder()), len(mailbox.folder("Caseproof"))) == (0, 2)
    shown = newest(KEY)
    [line] = json.loads(str(shown.data))
    assert line["Case"] == f"[{ref}]({named.links.case_url(ref)})"
    assert (line["Place"], line["Look"]) == ("refused", f"[message 1]({named.settings.public}/inbox)")
    assert "not a registered contact of Shop A" in line["Why"]
    assert "**To look at:** 1 refused." in str(shown.description)
    assert DONE not in f"{shown.data} {shown.description}"
    assert retailer_inbox(return_state=True).message == "No new mail."


def test_without_a_mailbox_the_run_says_so_and_is_no_failure(services: Services) -> None:
    assert services.policy.answers.mailbox == ""
    ended = retailer_inbox(return_state=True)
    assert ended.is_completed()
    assert "names no mailbox" in str(ended.message)


def test_a_mailbox_that_is_down_or_refuses_fails_the_run_with_what_to_do_and_without_the_password(
    named: Services, mailbox: ImapServer
) -> None:
    assert named.store
    save(mailbox, password="not-the-password")
    refused = retailer_inbox(return_state=True)
    assert refused.is_failed()
    assert "Check the user name" in str(refused.message)
    assert "not-the-password" not in str(refused.message)
    save(mailbox, port=1)
    down = retailer_inbox(return_state=True)
    assert down.is_failed()
    assert "is not reachable" in str(down.message)


def test_a_mailbox_that_was_read_once_is_known_while_prefect_is_down(named: Services) -> None:
    policy = today(named).policy
    known, new = mailboxes(), mailboxes()
    account = known(policy)
    assert account is not None
    assert account.authserv == AUTHSERV
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:1/api", PREFECT_CLIENT_MAX_RETRIES: 0}):
        assert known(policy) == account
        with pytest.raises(PrefectDown):
            new(policy)
