"""Evidence over HTTP: the bytes exactly as they were kept, checked when served, and never run as anything."""

from __future__ import annotations

from urllib.parse import quote

from fastapi import Response

from caseproof.domain.errors import BadInput, CaseproofError
from caseproof.evidence.vault import EvidenceDamaged, EvidenceMissing, Vault
from caseproof.store import MessageRow, Store

# What a browser may show by itself. Everything else, HTML above all, is a download.
INLINE = {
    "image/png": "image/png",
    "application/json": "application/json; charset=utf-8",
    "text/plain": "text/plain; charset=utf-8",
}
MAIL = "message/rfc822"
NEUTRAL = "application/octet-stream"


class NotHere(CaseproofError):
    """There is nothing at this address."""


class NotForYou(NotHere):
    """A recording that this person may not hear, or whose time is over."""

    def __init__(self) -> None:
        super().__init__(
            "This file is a recording that you may not hear, or may not be heard any more.",
            "Its case's page says whom it is for.",
        )


class Spoilt(CaseproofError):
    """The store knows this evidence file, and the vault no longer has it as it was."""


def evidence_response(store: Store, vault: Vault, digest: str, if_none_match: str = "") -> Response:
    """The file of this digest (hex SHA-256). Raises NotHere and Spoilt.

    A file that lies in the vault but is listed with no case or message (an attachment of a ticket) has no name and no
    type that we could vouch for, so it is a download.
    """
    digest = digest.replace("-", "")  # an address in which a line can end has dashes
    try:
        path = vault.path(digest)
    except BadInput as error:
        raise NotHere(error.problem, error.next_action) from error
    with store.reading() as uow:
        row = uow.evidence.find(digest) or uow.messages.known(digest)  # a message may be of no case
    if row is None and not path.exists():
        raise NotHere(f"No evidence file is named {digest}.", "Open it from its case; the link may have been cut off.")
    content = _read(vault, digest)
    kind = row.media_type.partition(";")[0].strip().lower() if row else NEUTRAL
    name = row.file_name if isinstance(row, MessageRow) else row.name if row else f"{digest[:12]}.bin"
    headers = _headers(digest, kind, name)
    if f'"{digest}"' in if_none_match:
        return Response(status_code=304, headers=headers)
    shown = INLINE.get(kind) or (MAIL if kind == MAIL else NEUTRAL)
    return Response(content, media_type=shown, headers=headers)


def _read(vault: Vault, digest: str) -> bytes:
    try:
        return vault.read(digest)
    except EvidenceDamaged as error:
        raise Spoilt(
            f"The evidence file {digest} is damaged: its content is not what its name says. It is not shown.",
            "Restore it from a backup of the evidence folder, and find out who can write there.",
        ) from error
    except EvidenceMissing as error:
        raise Spoilt(
            f"The evidence file {digest} is listed with a case or a message, but is gone from the vault.",
            "Restore it from a backup of the evidence folder; until then it proves nothing.",
        ) from error


def _headers(digest: str, kind: str, name: str) -> dict[str, str]:
    return {
        # The content of a digest never changes, so a browser may keep it for good.
        "ETag": f'"{digest}"',
        "Cache-Control": "private, max-age=31536000, immutable",
        "Content-Disposition": _disposition("inline" if kind in INLINE else "attachment", name),
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        # The Prefect UI, which is another origin, shows the pictures of runs.
        "Cross-Origin-Resource-Policy": "cross-origin" if kind == "image/png" else "same-origin",
    }


def _disposition(how: str, name: str) -> str:
    """The header's value: the name in plain ASCII for old programs, and in full (RFC 6266)."""
    tidy = "".join(c if c.isprintable() and c not in '/\\"' else "_" for c in name).strip(". ") or "evidence"
    plain = tidy.encode("ascii", "replace").decode().replace("?", "_")
    return f"{how}; filename=\"{plain}\"; filename*=UTF-8''{quote(tidy, safe='')}"
