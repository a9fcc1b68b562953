"""Contacts from a table that a spreadsheet or a CRM wrote: every wrong line named, and into the store all or none.

Columns ``retailer``, ``address`` and perhaps ``name``, ``language`` and ``role`` under a header, in any order and by
any of the names in ``NAMES``. ``spreadsheet`` reads the file, ``mail_address`` the addresses.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from caseproof.config.mail_address import addresses_in, tidied, unkeepable
from caseproof.config.spreadsheet import AS_UTF_8, Row, SpreadsheetError, doubtful, read_table
from caseproof.domain.errors import BadInput

NEEDED, MORE = ("retailer", "address"), ("name", "language", "role")

# How spreadsheets and CRMs call these columns: without spaces, hyphens and the like, in small letters.
NAMES = {
    "retailer": "retailer retailername shop shopname store storename customer customername client clientname merchant "
    "merchantname account accountname company companyname händler haendler händlername haendlername kunde kundenname "
    "firma firmenname unternehmen organization organizationname organisation",
    "address": "address email emailaddress emailaddresses emails mail mailaddress adresse emailadresse emailadressen "
    "mailadresse",
    "name": "name contact contactname contactperson fullname person ansprechpartner ansprechpartnerin kontakt "
    "kontaktname kontaktperson vollständigername",
    "language": "language lang languagecode locale sprache sprachcode",
    "role": "role position jobtitle title function rolle funktion stelle",
}
_COLUMNS = {written: column for column, names in NAMES.items() for written in names.split()}

_HEADER = (
    f"The first row is the header: {','.join((*NEEDED, *MORE))}, in any order; the last {len(MORE)} may be left out."
)

_QUOTE = "Delete what is too much, or put the cell that holds the delimiter between quotation marks"
_SEVERAL = "Put several addresses into one cell, divided by semicolons, between quotation marks"

NOT_UTF_8 = f"is not UTF-8 and was read as Windows-1252. Is a letter above wrong? {AS_UTF_8}"


class ContactsError(SpreadsheetError):
    """A list of contacts cannot be used; the text names every wrong line."""


@dataclass(frozen=True, slots=True)
class ContactLine:
    """A contact as a file gives it, tidied, not yet checked.

    ``where`` names its place there ("line 3"); ``wrong`` says why a line is no contact at all. ``guessed``: it comes
    from a file whose encoding was not certain.
    """

    where: str
    retailer: str
    address: str
    name: str
    language: str = ""
    role: str = ""
    wrong: str = ""
    guessed: bool = False


def read_contacts(path: Path) -> list[ContactLine]:
    """The contacts of a file, one for each address; ``put_contacts`` checks them.

    Raises SpreadsheetError and ContactsError for what is no such file.
    """
    table = read_table(path, lambda cell: _column(cell) is not None)
    wrong, what_to_do = _wrong_in(table.header, table.rows)
    if wrong:
        raise ContactsError(f"{path}, {wrong}.", what_to_do)
    columns = [_column(cell) for cell in table.header.cells]
    lines: list[ContactLine] = []
    for row in table.rows:
        cells = {column: cell for column, cell in zip(columns, row.cells, strict=False) if column}
        too_many = f"it has {len(row.cells)} values, and the header {len(columns)}. {_QUOTE}"
        lines += contact_lines(
            f"line {row.line}", **cells, wrong=too_many * (len(row.cells) > len(columns)), guessed=table.guessed
        )
    return lines


def contact_lines(
    where: str, retailer: str, address: str, name: str = "", language: str = "", role: str = "", wrong: str = "",
    *, guessed: bool = False,
) -> list[ContactLine]:  # fmt: skip
    """One contact for each address that a person wrote at this place; a name before an address counts as its own."""
    said = [tidied(text) for text in (retailer, name, language, role)]
    wrong = wrong or _wrong_among([*said, tidied(address)], address if guessed else "")
    found: list[tuple[str, str]] = []
    if not wrong:
        try:
            found = addresses_in(address)
        except BadInput as error:
            wrong = f"{error.problem.rstrip('.')}. {error.next_action}"
    if "@" in said[1] and not wrong:
        if [said[1]] != [one for _, one in found]:
            wrong = f"the name {said[1][:100]!r} is an address. {_SEVERAL}"
        said[1] = ""
    if len(found) == 1 and said[1]:
        found = [(said[1], found[0][1])]
    return [
        ContactLine(where, said[0], one, own or said[1], said[2], said[3], wrong, guessed)
        for own, one in found or [("", tidied(address))]
    ]


def _wrong_among(texts: Sequence[str], guessed_address: str) -> str:
    """What in the cells of a line shows that they are broken; "" for nothing."""
    for text in texts:
        if broken := unkeepable(text):
            return f"{text[:100]!r} holds {broken!r}, where a letter was lost. Write it anew"
    if letter := doubtful(guessed_address):
        address = tidied(guessed_address)[:100]
        return f"the file is not UTF-8, so the {letter!r} in {address!r} may be another letter. {AS_UTF_8}"
    return ""


def _column(cell: str) -> str | None:
    """Which of our columns a cell of a header names; None for none."""
    return _COLUMNS.get(re.sub(r"[\W_]", "", unicodedata.normalize("NFKC", tidied(cell)).casefold()))


def _wrong_in(header: Row, rows: Sequence[Row]) -> tuple[str, str]:
    """What is wrong with a header, and what to do about it; two empty texts for nothing."""
    named = {number: tidied(cell) for number, cell in enumerate(header.cells, start=1)}
    here = {number: column for number, cell in named.items() if (column := _column(cell))}
    missing = [column for column in NEEDED if column not in here.values()]
    unknown = [cell for number, cell in named.items() if cell and number not in here]
    if not here or any("@" in cell for cell in named.values()):
        return f"line {header.line}: the header is missing", _HEADER
    if missing:
        return f"line {header.line}: the header has no column {' and no '.join(missing)}", _HEADER
    if unknown:
        return (
            f"line {header.line}: there is no column {', '.join(map(repr, unknown[:10]))}",
            f"Delete or rename it. {_HEADER}",
        )
    for number, column in here.items():
        if twin := next((other for other in here if other < number and here[other] == column), None):
            both = f"{named[twin]!r} (column {twin}) and {named[number]!r} (column {number}) both hold the {column}"
            return f"line {header.line}: a column stands there twice: {both}", "Keep one of them."
    for row in rows:
        for number, cell in enumerate(row.cells[: len(named)], start=1):
            if not named[number] and tidied(cell):
                value = f"{tidied(cell)[:100]!r} stands in column {number}, which has no name"
                return f"line {row.line}: {value}", f"Name that column, or delete it. {_HEADER}"
    return "", ""
