"""Contacts from a CSV file: read whole, every wrong line named, and put into the store all or none.

Columns ``retailer``, ``address`` and ``name`` under a header, in any order; comma or semicolon; UTF-8.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from caseproof.channels.mail import bare_address
from caseproof.domain.errors import BadInput
from caseproof.store.people import People

COLUMNS = ("retailer", "address", "name")
NEW, AS_IT_IS, CHANGED = "new", "as it is", "changed: name"


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
    wrong: str = ""


def read_contacts(path: Path) -> list[ContactLine]:
    """The lines of a CSV file; ``put_contacts`` checks them. Raises ContactsError for what is no such file."""
    rows = list(_rows(path))
    if not rows:
        raise ContactsError(f"{path} is empty.", f"Its first line says {','.join(COLUMNS)}.")
    first, header = rows[0][0], [cell.casefold() for cell in rows[0][1]]
    wrong = _wrong_in(header)
    if wrong:
        raise ContactsError(f"{path}, line {first}: {wrong}.", f"The header says {','.join(COLUMNS)}, in any order.")
    lines = []
    for number, row in rows[1:]:
        cells = dict(zip(header, row, strict=False)) if len(row) == len(header) else dict.fromkeys(COLUMNS, "")
        uneven = "" if len(row) == len(header) else f"it has {len(row)} values, and the header {len(header)}"
        lines.append(ContactLine(f"line {number}", cells["retailer"], cells["address"], cells["name"], uneven))
    return lines


def put_contacts(people: People, lines: Sequence[ContactLine], source: str) -> list[str]:
    """Add the contacts in this unit of work; for each NEW, CHANGED or AS_IT_IS. Whether it lasts, the caller decides.

    Raises ContactsError, which names every line that cannot be used; then nothing may be committed.
    """
    states, wrong = [], []
    first: dict[tuple[str, str], str] = {}
    saved: dict[str, dict[str, str]] = {}
    for line in lines:
        key = (line.retailer, line.address.casefold())
        try:
            _refuse_unusable(line, first.get(key))
            first[key] = line.where
            if line.retailer not in saved:
                saved[line.retailer] = {one.address.casefold(): one.name for one in people.contacts(line.retailer)}
            people.add_contact(line.retailer, line.address, line.name)
        except BadInput as error:
            wrong.append(f"{line.where}: {error.problem.rstrip('.')}")
            continue
        before = saved[line.retailer].get(key[1])
        states.append(NEW if before is None else CHANGED if line.name and line.name != before else AS_IT_IS)
    if wrong:
        raise ContactsError(
            f"{source} cannot be used, and nothing was changed:\n" + "\n".join(f"  {line}" for line in wrong),
            "Correct this and give the file again.",
        )
    return states


def _refuse_unusable(line: ContactLine, first: str | None) -> None:
    """Raises BadInput for a line that is wrong in itself, or stands at ``first`` already."""
    if line.wrong:
        raise BadInput(line.wrong)
    if not line.retailer or not line.address:
        raise BadInput(f"the {'address' if line.retailer else 'retailer'} is missing")
    if bare_address(line.address) != line.address:
        raise BadInput(f"{line.address!r} is more than an address; the name has a column of its own")
    if first:
        raise BadInput(f"{line.address} of {line.retailer} stands in {first} already")


def _wrong_in(header: Sequence[str]) -> str:
    missing = [name for name in COLUMNS if name not in header]
    unknown = [name for name in header if name not in COLUMNS]
    if len(missing) == len(COLUMNS):
        return "the header is missing"
    if missing:
        return f"the header has no column {' and no '.join(missing)}"
    if unknown:
        return f"there is no column {unknown[0]!r}"
    return "a column stands there twice" if len(header) > len(COLUMNS) else ""


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
