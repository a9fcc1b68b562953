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

from caseproof.channels.mail import bare_address
from caseproof.domain.errors import BadInput
from caseproof.store.people import Contact, People, kept_of

COLUMNS, MORE = ("retailer", "address", "name"), ("language", "role")
NEW, AS_IT_IS = "new", "as it is"

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


def put_contacts(people: People, lines: Sequence[ContactLine], source: str) -> list[str]:
    """Add the contacts in this unit of work; for each NEW, AS_IT_IS, or "changed: " and what.

    One that is as it is stays so: mail that came back is not forgotten because a list is read again. Whether it all
    lasts, the caller decides. Raises ContactsError, which names every line that cannot be used; then nothing may be
    committed.
    """
    states, wrong = [], []
    first: dict[tuple[str, str], str] = {}
    saved: dict[str, dict[str, Contact]] = {}
    for line in lines:
        key = (line.retailer, line.address.casefold())
        try:
            _refuse_unusable(line, first.get(key))
            first[key] = line.where
            if line.retailer not in saved:
                saved[line.retailer] = {one.address.casefold(): one for one in people.contacts(line.retailer)}
            state = _compared(saved[line.retailer].get(key[1]), line)
            if state != AS_IT_IS:
                people.add_contact(line.retailer, line.address, line.name, line.language, line.role)
        except BadInput as error:
            wrong.append(f"{line.where}: {error.problem.rstrip('.')}")
            continue
        states.append(state)
    if wrong:
        raise ContactsError(
            f"{source} cannot be used, and nothing was changed:\n" + "\n".join(f"  {line}" for line in wrong),
            "Correct this and give the file again.",
        )
    return states


def _compared(before: Contact | None, line: ContactLine) -> str:
    """What the line does to the contact as it is. Raises BadInput for what cannot be kept."""
    said = kept_of(line.name, line.language, line.role)
    if before is None:
        return NEW
    changed = [name for name, value in said.items() if value and value != getattr(before, name)]
    return f"changed: {', '.join(changed)}" if changed else AS_IT_IS


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
