"""Every kind of block that Caseproof uses, and how their forms get into the Prefect UI."""

from __future__ import annotations

from typing import Any

from prefect.blocks.core import Block
from prefect_email import EmailServerCredentials

from blocks.base import PrefectDown, require_prefect
from blocks.channels import CONNECTS, TEAMS, VOICES
from blocks.desks import DESKS
from blocks.inbox import MAILBOXES
from blocks.platforms import PLATFORMS

KINDS: tuple[type[Block], ...] = (
    *PLATFORMS,
    *DESKS,
    EmailServerCredentials,
    *MAILBOXES,
    *TEAMS,
    *VOICES,
    *CONNECTS,
)


def register_blocks() -> None:
    """Put the forms of all kinds into the Prefect UI's catalogue, as this version has them. Repeating is harmless.

    Raises PrefectDown.
    """
    require_prefect()
    for kind in KINDS:
        prefects: Any = kind  # its types do not know `_sync`
        try:
            prefects.register_type_and_schema(_sync=True)
        except Exception as error:  # Prefect's client raises what its HTTP library raises
            raise PrefectDown(
                f"The block {kind.get_block_type_name()} cannot be registered with Prefect: {type(error).__name__}.",
                "Check PREFECT_API_URL and that the Prefect server is running.",
            ) from error
