"""Tables as spreadsheets and CRMs export them: text with a delimiter, in whatever encoding, with a header.

Reads UTF-8, UTF-16 and, where it is clear, Windows-1252; comma, semicolon, tab or bar, a ``sep=;`` line above,
trailing delimiters, empty rows, line breaks in quotes. What it cannot read is refused by its line. What it writes, a
spreadsheet calculates nothing from.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from caseproof.config.given_files import read_plain
from caseproof.config.mail_address import tidied
from caseproof.domain.errors import BadInput
from caseproof.domain.visible import one_line

AS_UTF_8 = "Save the file as 'CSV UTF-8' and give it again."

LARGEST = 20_000_000
"""The largest file that is read, in bytes."""

_MOST_CELLS = 2_000_000  # rows times columns: a row of one letter is as wide as the header
_DELIMITERS = (",", ";", "\t", "|")
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|\Z)")
_SEP = re.compile(r'"?sep=([^"\r\n])"?[,;\t|]*', re.IGNORECASE)
_FORMULA = re.compile(r'="(.*)"', re.DOTALL)
# Where Windows has letters and no other wide-spread code page has its own: not 80 to 9F, where those of old Macs and
# of DOS stand, nor the six that are Turkish as often as Icelandic. Three in a row are Cyrillic or Greek.
_LETTER = rb"[\xc0-\xcf\xd1-\xd6\xd8-\xdc\xdf-\xef\xf1-\xf6\xf8-\xfc\xff]"
_WESTERN = re.compile(rb"(?:[\x00-\x7f\xa0\xad]|" + _LETTER + rb"{1,2}+(?!" + _LETTER + rb"))*+")
_reader = partial(csv.reader, strict=True, skipinitialspace=True)
_OTHER_FILES = {
    b"PK\x03\x04": "a workbook",
    b"\xd0\xcf\x11\xe0": "a workbook",
    b"%PDF": "a PDF",
    b"{\\rtf": "a text document",
}


class SpreadsheetError(BadInput):
    """A file is no table that can be read; the text names the line."""


@dataclass(frozen=True, slots=True)
class Row:
    """Where a row begins, and its cells as they stand there, as many as the header has at least."""

    line: int
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A header and the rows below it that are not empty.

    ``guessed`` says that the encoding was not certain, so that letters outside ASCII may be others.
    """

    header: Row
    rows: tuple[Row, ...]
    guessed: bool


def read_table(path: Path, known: Callable[[str], bool]) -> Table:
    """The table in a file. The delimiter is the one under which most cells of the header are ``known``.

    Raises SpreadsheetError.
    """
    text, guessed = _text(path)
    begin, line, said = _beginning(text)
    if not text[begin:].strip():
        raise SpreadsheetError(f"{path} is empty.", "Give a file with a header, and a row for each.")
    delimiter = _delimiter(text[begin:], said, known)
    header, *rows = _rows(path, text[begin:], line, delimiter)
    width = max((n for n, cell in enumerate(header.cells, 1) if tidied(cell)), default=0)
    if width * (len(rows) + 1) > _MOST_CELLS:
        raise SpreadsheetError(
            f"{path} has {len(rows)} rows and {width} columns, which is more than is read.",
            "Give the columns that are asked for, and divide the rows among several files.",
        )
    header = Row(header.line, header.cells[:width])
    return Table(header, tuple(_fitted(row, width) for row in rows), guessed)


def doubtful(text: str) -> str:
    """The first letter of a text from a guessed encoding that is another one on another Windows; "" for none."""
    return next((c for c in text if not c.isascii() and c.encode("cp1252").decode("cp1250", "replace") != c), "")


def _fitted(row: Row, width: int) -> Row:
    """As wide as the header; beyond it, only as far as something stands there."""
    cells = [*row.cells, *[""] * (width - len(row.cells))]
    while len(cells) > width and not tidied(cells[-1]):
        cells.pop()
    return Row(row.line, tuple(cells))


def _beginning(text: str) -> tuple[int, int, str]:
    """Where the header begins, in which line, and the delimiter that a line above it names, or ""."""
    begin, line, said = 0, 1, ""
    for match in _LINE.finditer(text):
        if sep := _SEP.fullmatch(match[0].strip("\r\n\ufeff ")):
            said = sep[1]
        elif tidied(match[0]).strip(' ,;|"'):
            break
        begin, line = match.end(), line + 1
        if begin >= len(text):
            break
    return begin, line, said


def _delimiter(text: str, said: str, known: Callable[[str], bool]) -> str:
    best, most = ",", (-1, -1)
    for delimiter in (said, *_DELIMITERS) if said else _DELIMITERS:
        try:
            header = next(_reader(io.StringIO(text, newline=""), delimiter=delimiter))
        except (csv.Error, StopIteration, ValueError, TypeError):
            continue
        fits = (sum(known(cell) for cell in header), len(header))
        if fits > most:
            best, most = delimiter, fits
    return best


def _rows(path: Path, text: str, line: int, delimiter: str) -> list[Row]:
    """The rows that are not empty, each with the number of the line that it begins in."""
    reader = _reader(io.StringIO(text, newline=""), delimiter=delimiter)
    rows: list[Row] = []
    begins = line
    try:
        for cells in reader:
            if any(map(tidied, cells)):
                rows.append(Row(begins, tuple(map(_cell, cells))))
            begins = line + reader.line_num
    except csv.Error as error:
        raise SpreadsheetError(
            f"{path}, line {begins}: this is not CSV: {error}.", "Correct that line; its quotation marks first."
        ) from error
    return rows


def _cell(text: str) -> str:
    """A cell without the formula that keeps a spreadsheet from reading a number into it."""
    formula = _FORMULA.fullmatch(text.strip())
    return formula[1].replace('""', '"') if formula else text


def _text(path: Path) -> tuple[str, bool]:
    """The text of a file, and whether its encoding is a guess."""
    try:
        content = read_plain(path, LARGEST)
    except OSError as error:
        raise SpreadsheetError(f"{path} cannot be read: {error.strerror}.", "Check the path.") from error
    for magic, what in _OTHER_FILES.items():
        if content.startswith(magic):
            raise SpreadsheetError(f"{path} is {what}, and no CSV.", AS_UTF_8.replace("the file", "the sheet"))
    guessed = False
    encoding = _encoding(content)
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        guessed = encoding == "utf-8-sig" and _WESTERN.fullmatch(content) is not None
        if not guessed:
            line = content.count(b"\n", 0, error.start) + 1
            name = "UTF-8" if encoding == "utf-8-sig" else "UTF-16"
            raise SpreadsheetError(f"{path}, line {line}: this is not {name}.", AS_UTF_8) from error
        text = content.decode("cp1252")
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise SpreadsheetError(f"{path}, line {line}: this is not text.", AS_UTF_8)
    return text.lstrip("\ufeff"), guessed


def _encoding(content: bytes) -> str:
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if len(content) % 2 == 0 and content[1:2] == b"\0" != content[:1]:  # no mark, but an ASCII letter begins it
        return "utf-16-le"
    if len(content) % 2 == 0 and content[:1] == b"\0" != content[1:2]:
        return "utf-16-be"
    return "utf-8-sig"


# -- written ----------------------------------------------------------------------------------------------------------

# Where a spreadsheet may see a cell begin, whichever delimiter it takes, before what it would calculate:
# full-width signs count in some.
_CALCULATES = re.compile(r"(?:^|(?<=[,;|\"']))(\s*)(?=[=+\-@\uff1d\uff0b\uff0d\uff20])")


def written_table(header: Sequence[str], rows: Iterable[Sequence[str | int]]) -> bytes:
    """A table as CSV in UTF-8 with its mark, so that spreadsheets read it. No text in it is a formula to any of them.

    A number stays a number. In a text that could begin a formula, an apostrophe stands before it.
    """
    file = io.StringIO(newline="")
    writer = csv.writer(file, quoting=csv.QUOTE_NONNUMERIC)
    writer.writerow(map(_written, header))
    writer.writerows([cell if isinstance(cell, int) else _written(cell) for cell in row] for row in rows)
    return codecs.BOM_UTF8 + file.getvalue().encode()


def _written(text: str) -> str:
    return _CALCULATES.sub(r"\1'", one_line(text))
