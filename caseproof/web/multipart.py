"""A form with a file: its fields as any other form's, and the bytes of the file, bounded before they are read."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request
from starlette.requests import ClientDisconnect

from caseproof.web.answer_guard import Fields, TooMuch

MOST_OF_A_FILE = 10_000_000
"""How many bytes a file may have."""
_MOST = MOST_OF_A_FILE + 100_000
_MOST_PARTS = 30
_BOUNDARY = re.compile(r'multipart/form-data;.*?\bboundary="?([!-~]{1,70}?)"?\s*(?:;.*)?', re.IGNORECASE)
_NAME = re.compile(rb'(?:^|[;\s])name="([^"\r\n]{1,100})"')
_IS_A_FILE = re.compile(rb"(?:^|[;\s])filename\*?=")


@dataclass(frozen=True)
class SentFile:
    """What came: the fields, and the file's bytes; b"" where none was chosen. What it was called is nobody's matter."""

    fields: Fields
    content: bytes = field(default=b"", repr=False)


async def read_file(request: Request) -> SentFile:
    """The fields and the one file of a form; nothing where something else was sent. Raises TooMuch.

    A body is read by the event loop, so this alone is no plain ``def``; what says that it is too long is not read.
    """
    said = request.headers.get("Content-Length", "")
    if said.isascii() and said.isdecimal() and (len(said) > 12 or int(said) > _MOST):
        raise _too_much()
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > _MOST:
                raise _too_much()
    except ClientDisconnect:  # nobody waits for the page, and half a form is none
        return SentFile({})
    found = _BOUNDARY.fullmatch(request.headers.get("Content-Type", "").strip())
    return _parsed(bytes(body), found[1].encode()) if found else SentFile({})


ASentFile = Annotated[SentFile, Depends(read_file)]
"""The form with its file, as a route takes it."""


def _too_much() -> TooMuch:
    return TooMuch("The file is larger than 10 MB.", "Go back in your browser, and choose a smaller one.")


def _parsed(body: bytes, boundary: bytes) -> SentFile:
    """The parts between the boundaries (RFC 7578); a body that does not end as it should is none."""
    parts = (b"\r\n" + body).split(b"\r\n--" + boundary, _MOST_PARTS)
    if len(parts) < 3 or not parts[-1].startswith(b"--"):
        return SentFile({})
    fields: dict[str, list[str]] = {}
    content = b""
    for part in parts[1:-1]:
        head, ends, value = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        about = next((line for line in head.split(b"\r\n") if line.lower().startswith(b"content-disposition:")), b"")
        name = _NAME.search(about)
        if not ends or name is None:
            return SentFile({})
        if _IS_A_FILE.search(about):
            content = content or value
        else:
            fields.setdefault(name[1].decode(errors="replace"), []).append(value.decode(errors="replace"))
    return SentFile(fields, content)
