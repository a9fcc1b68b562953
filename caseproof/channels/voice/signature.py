"""Whether a call-back is Twilio's: the signature over the exact address and every field, compared in constant time.

The address is the one that we gave Twilio (``CASEPROOF_PUBLIC_URL`` and what follows), never one made from the
request's ``Host``. A signature has no time in it: what is repeated does nothing new by ``progress.follow``.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl, urlsplit

from caseproof.domain.errors import BadInput

HEADER = "X-Twilio-Signature"
LARGEST = 32_768
"""The largest call-back that is read, in bytes; a real one has about 1,000."""
_MOST_FIELDS = 200

Form = Sequence[tuple[str, str]]
"""The fields of a call-back as they were sent, empty ones and repeated ones too."""


def form_of(body: bytes) -> Form:
    """The fields of a call-back's body. Raises BadInput for what is no form."""
    if len(body) > LARGEST:
        raise BadInput("A call-back is too large.", "Nothing was done with it.")
    try:
        text = body.decode("utf-8")
        return parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict")
    except ValueError:
        raise BadInput("A call-back is no form.", "Nothing was done with it.") from None


def signature(url: str, form: Form, auth_token: str) -> str:
    """What Twilio writes into ``X-Twilio-Signature`` for a POST of this form to this address."""
    fields = "".join(f"{name}{value}" for name, value in sorted(set(form)))
    digest = hmac.new(auth_token.encode(), f"{url}{fields}".encode(), hashlib.sha1)  # Twilio's choice, as a MAC
    return base64.b64encode(digest.digest()).decode()


def signed_by(url: str, form: Form, given: str, accounts: Mapping[str, str]) -> str | None:
    """Which account's call-back this is; None for a forged one. ``accounts``: auth token by account SID.

    The account that the form names must be the one that signed it. Each is compared, whatever matched before, and with
    the address's port and without: Twilio signs either.
    """
    names = [value for name, value in form if name == "AccountSid"]
    found = None
    for sid, token in accounts.items():
        matches = [
            hmac.compare_digest(signature(one, form, token).encode(), given.encode("utf-8", "replace"))
            for one in _spellings(url)
        ]
        if token and any(matches) and names == [sid]:
            found = sid
    return found


def _spellings(url: str) -> list[str]:
    """The address as it is, with the port that its scheme has by itself, and without one."""
    parts = urlsplit(url)
    default = "443" if parts.scheme == "https" else "80"
    host = parts.netloc.rpartition(":")[0] if parts.port is not None else parts.netloc
    with_port = f"{host}:{parts.port or default}"
    return list(dict.fromkeys((url, *(url.replace(f"//{parts.netloc}", f"//{one}", 1) for one in (host, with_port)))))
