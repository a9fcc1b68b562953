"""Keeps the last good copy of the channels that people are reached by in an emergency, from the saved blocks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from prefect_email import EmailServerCredentials

from blocks.base import NoSuchBlock, load_block
from blocks.channels import CONNECTS, TEAMS, VOICES
from blocks.mail import account_of
from caseproof.channels.kept_channels import KeptChannels, keep_channels, kept_channels
from caseproof.channels.voice.twilio import TwilioAccount
from caseproof.config.policy import Policy
from caseproof.domain.errors import BadInput

T = TypeVar("T")


def refresh_channels(home: Path, policy: Policy) -> list[str]:
    """Read the blocks that the policy names, and keep what they say; gives what is wrong with them, for people.

    A block that is not there any more is forgotten, one that cannot be used counts as it was. Raises PrefectDown, and
    nothing is changed then; BadInput where the copy cannot be written.
    """
    wrong: list[str] = []
    before = _before(home, wrong)
    names, seconds = policy.paging, policy.mail.timeout_seconds
    voices = {one.name: one for one in before.voices}

    def read(name: str, kinds: Sequence[type[Any]], what: str, make: Callable[[Any], T], kept: T | None) -> T | None:
        if not name:
            return None
        try:
            return make(load_block(name, kinds, what))
        except NoSuchBlock as missing:
            wrong.append(str(missing))
            return None
        except BadInput as stale:
            wrong.append(str(stale))
            return kept

    def voice(name: str) -> TwilioAccount | None:
        return read(name, VOICES, "voice account", lambda block: block.account(name), voices.get(name))

    teams = before.teams if before.teams is not None and before.teams.name == names.teams else None
    connect = before.connect if before.connect is not None and before.connect.name == names.connect else None
    after = KeptChannels(
        read(
            policy.mail.account, (EmailServerCredentials,), "mail account", lambda one: account_of(one, seconds),
            before.mail,
        ),
        read(names.teams, TEAMS, "Teams web hook", lambda block: block.hook(names.teams), teams),
        tuple(one for name in names.voices if (one := voice(name)) is not None),
        read(names.connect, CONNECTS, "account that connects", lambda one: one.account(names.connect), connect),
    )  # fmt: skip
    keep_channels(home, after)
    return wrong


def _before(home: Path, wrong: list[str]) -> KeptChannels:
    try:
        return kept_channels(home)
    except BadInput as unreadable:  # it is written anew
        wrong.append(str(unreadable))
        return KeptChannels()
