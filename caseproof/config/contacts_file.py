"""Contacts from a CSV file: read whole, every wrong line named, and put into the store all or none.

Columns ``retailer``, ``address`` and ``name`` under a header, and perhaps ``language`` and ``role``, in any order;
comma or semicolon; UTF-8.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from caseproof.domain.errors import BadInput

COLUMNS, MORE = ("retailer", "address", "name"), ("language", "role")

_HEADER = f"The header says {','.join(COLUMNS)}, in any order; {' and '.join(MORE)} may stand there, too."


class ContactsError(BadInput):
    """A list of contacts cannot be used; the text names every wrong line."""


@dataclass(frozen=True, slots=True)
class ContactLine:
    """A contact as a file gives it, not yet checked.

    ``where`` names its place there ("line 3"); ``wrong`` says why a line is no contact at all.
    """

    where: str
    retailer: str
    address: str
    name: str
    language: str = ""
    role: str = ""
    wrong: str = ""


def read_contacts(path: Path) -> list[ContactLine]:
    """The lines of a CSV file; ``put_contacts`` checks them. Raises ContactsError for what is no such file."""
    rows = list(_rows(path))
    if not rows:
        raise ContactsError(f"{path} is empty.", _HEADER)
    first, header = rows[0][0], [cell.casefold() for cell in rows[0][1]]
    wrong = _wrong_in(header)
    if wrong:
        raise ContactsError(f"{path}, line {first}: {wrong}.", _HEADER)
    lines = []
    for number, row in rows[1:]:
        even = len(row) == len(header)
        cells = dict(zip(header, row, strict=True)) if even else dict.fromkeys(COLUMNS, "")
        uneven = "" if even else f"it has {len(row)} values, and the header {len(header)}"
        lines.append(ContactLine(f"line {number}", **cells, wrong=uneven))
    return lines


def _wrong_in(header: Sequence[str]) -> str:
    missing = [name for name in COLUMNS if name not in header]
    unknown = [name for name in header if name not in COLUMNS + MORE]
    if len(missing) == len(COLUMNS):
        return "the header is missing"
    if missing:
        return f"the header has no column {' and no '.join(missing)}"
    if unknown:
        return f"there is no column {unknown[0]!r}"
    return "a column stands there twice" if len(set(header)) < len(header) else ""


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not empty, tidied, each with the number of the line that it begins in."""
    text = _text(path)
    top = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=";" if ";" in top else ",", strict=True)
    begins = 1
    try:
        for row in reader:
            tidy = [" ".join(cell.split()) for cell in row]
            if any(tidy):
                yield begins, tidy
            begins = reader.line_num + 1
    except csv.Error as error:
        raise ContactsError(f"{path}, line {begins}: this is not CSV: {error}.", "Correct that line.") from error


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ContactsError(f"{path} cannot be read: {error.strerror}.", "Check the path.") from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ContactsError(
            f"{path}, line {line}: this is not UTF-8.", "Save the file as 'CSV UTF-8' and give it again."
        ) from error
