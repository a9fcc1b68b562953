"""The address of somebody's calendar program for who is on call: signed, because such a program cannot log in.

Each names one person of the team. It holds as long as they are on the team and the key that it was signed with is in
force, and shows names and times alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from itsdangerous import BadData, URLSafeSerializer

from caseproof.evidence.signing import BadLink

_WHAT = "on-call"


class CalendarLinkVoid(BadLink):
    """The address was made here, and holds no more."""

    def __init__(self) -> None:
        super().__init__(
            "This calendar address holds no more.", "Log in, and copy the new one from the page of who is on call."
        )


def calendar_token(secret: bytes, person: str) -> str:
    """The part of the address that is secret; the same arguments give the same one."""
    return str(_links(secret).dumps([_WHAT, person]))


def read_calendar_token(secret: bytes, token: str, void: Sequence[bytes] = ()) -> str:
    """Whose address it is. Raises BadLink; CalendarLinkVoid for one that was signed with a key in ``void``."""
    if (person := _read(secret, token)) is not None:
        return person
    if any(_read(old, token) is not None for old in void):
        raise CalendarLinkVoid
    raise BadLink(
        "This calendar address is not complete, or it was changed.",
        "Log in, and copy it once more from the page of who is on call.",
    )


def _read(secret: bytes, token: str) -> str | None:
    try:
        what, person = _links(secret).loads(token)
    except (BadData, ValueError, TypeError):
        return None
    return str(person) if what == _WHAT else None


def _links(secret: bytes) -> URLSafeSerializer:
    # Another salt than the other links': none of the one kind opens the other.
    return URLSafeSerializer(
        secret, salt="on-call calendar", signer_kwargs={"digest_method": hashlib.sha256, "key_derivation": "hmac"}
    )
