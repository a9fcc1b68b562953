"""Certificates that a browser does not know, of a platform that we trust: an authority of one's own signed them.

Chromium brings its list of authorities along, and looks neither at this machine's nor at what a platform's block names.
So each of the platform's own addresses is asked for its certificate before, and where that is valid by the same lists
by which its API is called, the browser takes this very key, and no other.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from contextlib import suppress
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from caseproof.evidence.gate import Gate, place_of
from caseproof.http.client import certificates

_SECONDS = 5.0  # for the handshake; a server that is slower than this is waited for by the browser, and not twice


def keys_of(gate: Gate, own: Iterable[str], ca: str) -> list[str]:
    """The keys of these addresses' certificates that are valid, as Chromium is told of them (SHA-256, base64).

    ``ca`` (PEM) is what the platform's block names besides. A certificate that is not valid has no key here, and one
    that cannot be asked for has none either: the browser says then what is wrong.
    """
    found: list[str] = []
    for host, port in sorted({place_of(url) for url in own if urlsplit(url).scheme.lower() == "https"}):
        with suppress(OSError, ValueError), gate.connect(host, port) as plain:
            plain.settimeout(_SECONDS)
            with certificates(trust_env=True, ca=ca).wrap_socket(plain, server_hostname=host) as line:
                shown = line.getpeercert(binary_form=True)
            if shown:
                key = x509.load_der_x509_certificate(shown).public_key()
                told = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
                found.append(base64.b64encode(hashlib.sha256(told).digest()).decode())
    return found
