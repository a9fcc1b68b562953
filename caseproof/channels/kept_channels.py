"""The last good copy of what people are reached by in an emergency, so that reaching them needs no Prefect.

The blocks in Prefect say which mail account, web hook and voice accounts there are; Prefect may be down when they are
needed. The copy holds their secrets, so it is a file for its owner alone, beside the keys of the home; no backup has
it, for it is written anew from the blocks.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from caseproof.channels.outbound.mail import MailAccount
from caseproof.channels.teams.webhook import TeamsHook
from caseproof.channels.voice.goto import GoToAccount
from caseproof.channels.voice.twilio import TwilioAccount
from caseproof.config import kept_key
from caseproof.domain.errors import BadInput

NAME = "channels.json"
_VERSION = 1

_log = logging.getLogger(__name__)

T = TypeVar("T")


class NotSetUp(BadInput):
    """There is no such channel here: trying again is of no use before somebody sets it up."""


@dataclass(frozen=True, slots=True)
class KeptChannels:
    """What people are reached by; None or nothing where the policy names none, or none was ever read."""

    mail: MailAccount | None = None
    teams: TeamsHook | None = None
    voices: tuple[TwilioAccount, ...] = ()
    connect: GoToAccount | None = None


def path_of(home: Path) -> Path:
    """Where the copy lies."""
    return home / kept_key.FOLDER / NAME


def keep_channels(home: Path, channels: KeptChannels) -> bool:
    """Keep this from now on; whether it is another than before. Raises BadInput where it cannot be kept."""
    text = json.dumps({"version": _VERSION, **asdict(channels)}, sort_keys=True)
    if kept_key.read(path_of(home)) == text:
        return False
    kept_key.replace(path_of(home), text)
    return True


def kept_channels(home: Path) -> KeptChannels:
    """What is kept; nothing where nothing was kept yet. What cannot be used is left out, and the log names it.

    Raises BadInput where the file cannot be read.
    """
    text = kept_key.read(path_of(home))
    if text is None:
        return KeptChannels()
    try:
        kept = json.loads(text)
        if kept.pop("version") != _VERSION:
            raise ValueError  # noqa: TRY301 - told below, as all that is no copy of ours
        voices = [_made("voice account", TwilioAccount, one) for one in kept.get("voices", ())]
    except (ValueError, KeyError, AttributeError, TypeError):
        raise BadInput(
            f"{path_of(home)} is no copy of the channels that this version reads.",
            "Delete it; `caseproof up`, or `caseproof setup FILE.yaml`, writes it anew from the blocks.",
        ) from None
    return KeptChannels(
        _made("mail account", MailAccount, kept.get("mail")),
        _made("Teams web hook", TeamsHook, kept.get("teams")),
        tuple(one for one in voices if one is not None),
        _made("account that connects", GoToAccount, kept.get("connect")),
    )


def _made(what: str, kind: Callable[..., T], fields: Mapping[str, Any] | None) -> T | None:
    if fields is None:
        return None
    try:
        return kind(**fields)
    except (BadInput, TypeError):  # neither text is told: one may repeat a secret
        _log.warning("The copy of the %s cannot be used: save its block anew.", what)
        return None
