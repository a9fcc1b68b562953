"""The last good copy of the channels: it is whole, for its owner alone, and tells no secret."""

from __future__ import annotations

import logging
import stat
from pathlib import Path

import pytest

from caseproof.channels.kept_channels import KeptChannels, keep_channels, kept_channels, path_of
from caseproof.channels.outbound.mail import MailAccount
from caseproof.channels.teams.webhook import TeamsHook
from caseproof.channels.voice.goto import GoToAccount
from caseproof.channels.voice.twilio import TwilioAccount
from caseproof.domain.errors import BadInput

SECRETS = ("mail-pass", "sig=hidden", "a-token", "client-hidden", "refresh-hidden")
CHANNELS = KeptChannels(
    MailAccount("smtp.example.com", 587, "starttls", username="cases", password=SECRETS[0], timeout_seconds=7),
    TeamsHook("alarm", f"https://teams.example.com/hook?{SECRETS[1]}"),
    (
        TwilioAccount("first", "AC" + "1" * 32, SECRETS[2], "+442079460009"),
        TwilioAccount("second", "AC" + "2" * 32, SECRETS[2], "+442079460008"),
    ),
    GoToAccount("desk", "client", SECRETS[3], SECRETS[4]),
)


def test_what_was_kept_is_read_as_it_was_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    assert kept_channels(tmp_path) == KeptChannels()
    assert keep_channels(tmp_path, CHANNELS)
    assert kept_channels(tmp_path) == CHANNELS
    file = path_of(tmp_path)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert [one.name for one in file.parent.iterdir()] == [file.name], "no half of it is left"


def test_the_same_is_not_written_again_and_another_takes_its_place(tmp_path: Path) -> None:
    keep_channels(tmp_path, CHANNELS)
    before = path_of(tmp_path).stat()
    assert not keep_channels(tmp_path, CHANNELS)
    assert path_of(tmp_path).stat().st_ino == before.st_ino
    assert keep_channels(tmp_path, KeptChannels(mail=CHANNELS.mail))
    assert kept_channels(tmp_path) == KeptChannels(mail=CHANNELS.mail), "what the policy names no more is gone"


def test_an_entry_that_cannot_be_used_keeps_no_other_from_it_and_nothing_tells_a_secret(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keep_channels(tmp_path, CHANNELS)
    text = path_of(tmp_path).read_text().replace('"AC' + "1" * 32, '"AC')
    path_of(tmp_path).write_text(text.replace('"port": 587', '"porch": 587'))
    with caplog.at_level(logging.DEBUG):
        kept = kept_channels(tmp_path)
    assert (kept.mail, kept.teams, kept.voices) == (None, CHANNELS.teams, CHANNELS.voices[1:])
    assert "voice account" in caplog.text
    assert "mail account" in caplog.text
    assert not [one for one in SECRETS if one in caplog.text + repr(CHANNELS)]


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"version": 2}', '{"version": 1, "voices": 3}'])
def test_a_file_that_is_no_copy_is_refused_with_what_to_do(tmp_path: Path, content: str) -> None:
    keep_channels(tmp_path, CHANNELS)
    path_of(tmp_path).write_text(content)
    with pytest.raises(BadInput, match="is no copy of the channels") as refused:
        kept_channels(tmp_path)
    assert "Delete it" in refused.value.next_action
