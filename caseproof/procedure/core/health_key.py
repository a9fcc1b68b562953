"""How the doctor shows the web app that it is of the same home: signed with the key in `keys/answers`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from itsdangerous import BadData, TimestampSigner

from caseproof.domain.errors import CaseproofError

HEALTH_KEY = "X-Caseproof-Health"
"""The header that it stands in."""
_SECONDS = 60
_WHAT = "health"


def health_key(secret: bytes) -> str:
    """What opens the whole of /health for a minute."""
    return _signer(secret).sign(_WHAT).decode()


def is_health_key(secret: Callable[[], bytes | None], key: str) -> bool:
    """Whether this was made just now with our key. ``secret`` makes none where there is none: strangers ask this."""
    if not key:
        return False
    try:
        known = secret()
        return known is not None and _signer(known).unsign(key, max_age=_SECONDS) == _WHAT.encode()
    except (BadData, CaseproofError, UnicodeError):
        return False


def _signer(secret: bytes) -> TimestampSigner:
    return TimestampSigner(secret, salt=_WHAT, digest_method=hashlib.sha256, key_derivation="hmac")
