"""The copy of the channels follows the blocks that are saved in Prefect, and stays as it is while Prefect is away."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings
from prefect_email import EmailServerCredentials

from blocks.base import PrefectDown
from blocks.channels import TeamsWebhook, TwilioVoice
from blocks.paging import refresh_channels
from caseproof.channels.kept_channels import KeptChannels, kept_channels
from caseproof.config.policy import Policy, load_policy
from sandbox.processes import PrefectServer

TOKEN = "a-made-up-token"
NAMED = {"voice": "paging-first", "second_voice": "paging-second", "teams": "paging-alarm"}


@pytest.fixture(autouse=True)
def _server(prefect_server: PrefectServer) -> Iterator[None]:
    with temporary_settings({PREFECT_API_URL: prefect_server.api_url}):
        yield


def policy(folder: Path, **paging: str) -> Policy:
    file = folder / "policy.yaml"
    said = {"team": ["operator", "team lead"], "mail": {"account": "paging-mail"}, "paging": paging}
    file.write_text(yaml.safe_dump(said))
    return load_policy(file)


def save(name: str, block: Any) -> None:
    block.save(name, overwrite=True, _sync=True)


def forget(slug: str, name: str) -> None:
    with get_client(sync_client=True) as client:
        client.delete_block_document(client.read_block_document_by_name(name, slug).id)


def test_the_copy_follows_the_blocks_and_survives_prefect(tmp_path: Path) -> None:
    named = policy(tmp_path, **NAMED)
    save("paging-first", TwilioVoice(account_sid="AC" + "1" * 32, auth_token=TOKEN, number="+442079460009"))
    save("paging-second", TwilioVoice(account_sid="AC" + "2" * 32, auth_token=TOKEN, number="+442079460009"))
    save("paging-alarm", TeamsWebhook(url="https://teams.example.com/hook?sig=1"))
    mail: Any = EmailServerCredentials(username="cases", password="p", smtp_server="smtp.example.com")
    save("paging-mail", mail)
    assert refresh_channels(tmp_path, named) == []
    kept = kept_channels(tmp_path)
    assert [one.name for one in kept.voices] == ["paging-first", "paging-second"], "in the order of the policy"
    assert kept.teams is not None
    assert kept.mail is not None
    assert (kept.teams.name, kept.mail.host, kept.mail.username) == ("paging-alarm", "smtp.example.com", "cases")

    save("paging-alarm", TeamsWebhook(url="not an address"))  # a person's slip, seen as soon as it is read
    forget("caseproof-twilio-voice", "paging-first")
    stale, missing = refresh_channels(tmp_path, named)
    assert "paging-first" in missing
    assert "paging-alarm" in stale
    after = kept_channels(tmp_path)
    assert [one.name for one in after.voices] == ["paging-second"], "a block that was deleted is forgotten"
    assert after.teams == kept.teams, "one that cannot be used counts as it was"
    assert TOKEN not in stale + missing

    with (
        temporary_settings({PREFECT_API_URL: "http://127.0.0.1:1/api", PREFECT_CLIENT_MAX_RETRIES: 0}),
        pytest.raises(PrefectDown),
    ):
        refresh_channels(tmp_path, named)
    assert kept_channels(tmp_path) == after, "the last good copy"
    assert refresh_channels(tmp_path, policy(tmp_path)) == []
    assert kept_channels(tmp_path) == KeptChannels(mail=after.mail), "what the policy names no more is kept no more"
