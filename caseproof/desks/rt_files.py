"""Files on tickets of Request Tracker: how one is sent so that it stays as it is, and what is there."""

from __future__ import annotations

import base64
import binascii
import hashlib
from email.header import Header

from caseproof.desks.base import Attachment
from caseproof.desks.rt_api import RtApi
from caseproof.desks.rt_finding import Finder
from caseproof.desks.rt_wire import LARGEST_FILE, PART, Part

_BYTES = "application/octet-stream"
_REWRITTEN = ("text", "message", "multipart")
"""RT writes texts anew in another character set: a file of these kinds goes there as bytes."""
_LONGEST_LINE = 10_000


def part_of(name: str, content: bytes, media_type: str) -> dict[str, str]:
    """A file as a comment takes it along."""
    return {
        "FileName": name if name.isascii() else Header(name, "utf-8", maxlinelen=_LONGEST_LINE).encode(),
        "FileType": _BYTES if media_type.partition("/")[0].lower() in _REWRITTEN else media_type,
        "FileContent": base64.b64encode(content).decode(),
    }


class Files:
    """Safe to use from several threads."""

    def __init__(self, api: RtApi, finder: Finder) -> None:
        self._api, self._finder = api, finder

    def listed(self, number: str) -> list[Attachment]:
        """The files on a ticket, with what is in those that our account attached."""
        return [self._attachment(one, read=self._api.is_us(one.creator)) for one in self._finder.files(number)]

    def names(self, number: str) -> list[str]:
        """The names of the files on a ticket."""
        return [one.name or "" for one in self._finder.files(number)]

    def find(self, number: str, name: str, content: bytes) -> Attachment | None:
        """Our file with this name and exactly this in it; None where there is none."""
        digest = hashlib.sha256(content).hexdigest()
        ours = self._finder.files(number, by_us=True)
        same = [one for one in ours if (one.name, one.size) == (name, str(len(content)))]
        read = (self._attachment(one, read=True) for one in same)
        return next((one for one in read if one.sha256 == digest), None)

    def _attachment(self, file: Part, *, read: bool) -> Attachment:
        """With ``read`` what is in it; a file that is listed and cannot be read has no digest."""
        size, digest = int(file.size) if file.size.isdecimal() else -1, None
        if read and size <= LARGEST_FILE:
            answer = self._api.call("GET", f"attachment/{file.id}")
            if answer.is_success:
                try:
                    content = base64.b64decode(self._api.one(answer, PART).content or "")
                except binascii.Error:
                    raise self._api.not_the_api() from None
                size, digest = len(content), hashlib.sha256(content).hexdigest()
        return Attachment(file.id, file.name or "", size, digest)
