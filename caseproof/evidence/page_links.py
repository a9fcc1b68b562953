"""The personal link with which somebody who is called says that they have it: signed as the confirmation page's are.

Each names one person and one emergency of one case, and holds until its time is up. Opening it changes nothing: link
scanners and previews open every link. Its page shows the emergency and a button, and the button posts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from itsdangerous import BadData, URLSafeSerializer

from caseproof.evidence.signing import BadLink


@dataclass(frozen=True, slots=True)
class PageLink:
    """What a link says: the case, which of its emergencies, whose link it is, and until when it holds (aware, UTC)."""

    ref: str
    emergency: int
    person: str
    expires: datetime


class LinkExpired(BadLink):
    """The link was made here, and its time is up."""


def page_token(secret: bytes, link: PageLink) -> str:
    """The last part of a personal link; the same arguments give the same token."""
    said = [link.ref.lower(), link.emergency, link.person, int(link.expires.timestamp())]
    return str(_links(secret).dumps(said))


def read_page_token(secret: bytes, token: str, now: datetime, void: Sequence[bytes] = ()) -> PageLink:
    """What a token says. Raises BadLink for one that was not made here; LinkExpired for one whose time is up, or that
    was signed with a key in ``void``."""
    try:
        link = _read(secret, token)
    except BadLink:
        if not any(_is_signed_with(old, token) for old in void):
            raise
        raise _expired() from None
    if link.expires <= now:
        raise _expired()
    return link


def _read(secret: bytes, token: str) -> PageLink:
    try:
        ref, emergency, person, expires = _links(secret).loads(token)
        return PageLink(str(ref).upper(), int(emergency), str(person), datetime.fromtimestamp(int(expires), UTC))
    except (BadData, ValueError, TypeError, OverflowError, OSError) as error:
        raise BadLink(
            "This link is not complete, or it was changed.",
            "Open it from our mail once more, or press 1 when we call; nobody was told anything yet.",
        ) from error


def _is_signed_with(secret: bytes, token: str) -> bool:
    try:
        _read(secret, token)
    except BadLink:
        return False
    return True


def _expired() -> LinkExpired:
    return LinkExpired(
        "This link is of an earlier emergency, and holds no more.",
        "Open the link in our newest mail, or look at the case's page.",
    )


def _links(secret: bytes) -> URLSafeSerializer:
    # Another salt than the confirmation page's: no link of the one opens the other.
    return URLSafeSerializer(
        secret, salt="page", signer_kwargs={"digest_method": hashlib.sha256, "key_derivation": "hmac"}
    )
