"""What is packed in a file that a stranger sent: the files of an archive, the streams of a PDF, within bounds.

A few kilobytes can unpack to gigabytes, and an archive can lie in an archive: the bounds hold for all that is unpacked
of one message together. What goes beyond them is not looked into, and whoever asks is told so.
"""

from __future__ import annotations

import gzip
import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

_BROKEN = (
    OSError, EOFError, ValueError, RuntimeError, NotImplementedError, zlib.error, lzma.LZMAError, struct.error,
    zipfile.BadZipFile,
)  # fmt: skip
"""What the libraries raise over an archive that is broken or encrypted."""

_PLAIN_WAYS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Those of a ZIP archive that unpack as much as is asked for; the others unpack all at once."""
_LEAST = 1024  # what a stream counts at least: a PDF may have very many that are empty


class NotLookedInto(Exception):
    """More is packed in it than is unpacked here, or it is packed in a way that is not unpacked here."""


@dataclass(slots=True)
class Bounds:
    """What may still be unpacked of one message: so many bytes in all, and so many files."""

    size: int = 32 * 1024 * 1024
    members: int = 500

    def a_member(self, many: int = 1) -> None:
        """Count files before they are unpacked. Raises NotLookedInto."""
        if many > self.members or self.size <= 0:
            raise NotLookedInto
        self.members -= many

    @property
    def room(self) -> int:
        """How much is asked for at once: a byte more than may come, and never 0 or less, which would ask for all."""
        return max(self.size, 0) + 1

    def taken(self, part: bytes) -> bytes:
        """Count what was unpacked. Raises NotLookedInto."""
        self.size -= max(len(part), _LEAST)
        if self.size < 0:
            raise NotLookedInto
        return part


DEEPEST = 2
"""An archive in an archive is looked into, and no deeper."""


def is_packed(content: bytes) -> bool:
    """Whether something is packed in it that could be unpacked here."""
    return content.startswith((b"PK\x03\x04", b"\x1f\x8b", b"%PDF"))


def unpacked(content: bytes, bounds: Bounds) -> Iterator[bytes]:
    """The files of an archive (Office documents are archives), the streams of a PDF, one by one.

    What is broken or encrypted ends, or is left out. Raises NotLookedInto.
    """
    try:
        with suppress(*_BROKEN):
            if content.startswith(b"PK\x03\x04"):
                yield from _of_zip(content, bounds)
            elif content.startswith(b"\x1f\x8b"):
                yield _of_gzip(content, bounds)
            elif content.startswith(b"%PDF"):
                yield from _of_pdf(content, bounds)
    except MemoryError as error:
        raise NotLookedInto from error


def _of_zip(content: bytes, bounds: Bounds) -> Iterator[bytes]:
    if content.count(b"PK\x01\x02") > bounds.members:  # its list of files is read as a whole
        raise NotLookedInto
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for member in archive.infolist():
            bounds.a_member()
            if member.compress_type not in _PLAIN_WAYS:
                raise NotLookedInto
            with suppress(*_BROKEN), archive.open(member) as file:
                yield bounds.taken(file.read(bounds.room))


def _of_gzip(content: bytes, bounds: Bounds) -> bytes:
    bounds.a_member(max(content.count(b"\x1f\x8b\x08"), 1))  # it may be many, one behind the other
    with gzip.open(io.BytesIO(content)) as file:
        return bounds.taken(file.read(bounds.room))


def _of_pdf(content: bytes, bounds: Bounds) -> Iterator[bytes]:
    at = 0
    while (at := content.find(b"stream", at)) >= 0:
        at += len(b"stream")
        if not content.startswith((b"\n", b"\r\n"), at):
            continue  # the word stands in some text
        end = content.find(b"endstream", at)
        if end < 0:
            return
        with suppress(zlib.error):
            stream = content[at:end].lstrip(b"\r\n")
            yield bounds.taken(zlib.decompressobj().decompress(stream, bounds.room))
        at = end + len(b"endstream")
