"""Files that people or others put somewhere: opened only if they are plain files, and read only up to a size.

A device or a pipe never ends, a sparse file of 300 GB takes no room on the disk and all of the memory. What is refused
is an OSError like any other, whose ``strerror`` is a text for people, so that it is told where reading fails anyway.
"""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path

_KINDS = {
    stat.S_IFDIR: "it is a folder",
    stat.S_IFCHR: "it is a device, not a file",
    stat.S_IFBLK: "it is a device, not a file",
    stat.S_IFIFO: "it is a pipe, not a file",
    stat.S_IFSOCK: "it is a socket, not a file",
    stat.S_IFLNK: "it is a link to another file",
}


class NoPlainFile(OSError):
    """There is something at this path, and it is no plain file, or a larger one than is read."""

    def __init__(self, why: str, path: Path) -> None:
        super().__init__(errno.EINVAL, why, str(path))


def open_plain(path: Path, most: int, *, links: bool = True) -> BufferedReader:
    """Open a plain file of at most ``most`` bytes for reading. Raises NoPlainFile, OSError.

    Nothing that never ends is waited for: whoever puts a pipe into a file's place holds nobody up. ``links``: whether
    the path may be a link to the file.
    """
    try:
        _refuse(path, path.stat() if links else path.lstat(), most)  # before: opening a device may already do something
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | (0 if links else os.O_NOFOLLOW))
    except ValueError:  # a NUL, or half a pair of letters
        raise NoPlainFile("its name is none that a file can have", path) from None
    try:
        _refuse(path, os.fstat(handle), most)  # after: it may be another one by now
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def read_plain(path: Path, most: int, *, links: bool = True) -> bytes:
    """The content of a plain file of at most ``most`` bytes. Raises NoPlainFile, OSError."""
    with open_plain(path, most, links=links) as file:
        content = file.read(most + 1) or b""  # some files of the system say that they are empty, and are not
    if len(content) > most:
        raise NoPlainFile(_too_large(most), path)
    return content


def _refuse(path: Path, found: os.stat_result, most: int) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise NoPlainFile(_KINDS.get(stat.S_IFMT(found.st_mode), "it is no file"), path)
    if found.st_size > most:
        raise NoPlainFile(_too_large(most), path)


def _too_large(most: int) -> str:
    size = f"{most / 1_000_000:g} MB" if most >= 1_000_000 else f"{most} bytes"
    return f"it is larger than {size}, which is more than is read"
