"""Contacts as Excel, LibreOffice, Numbers, Google Sheets and CRMs export them: read, or refused by their line."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from caseproof.config.contacts_file import ContactLine, read_contacts
from caseproof.config.mail_address import comparable
from caseproof.config.settings import Settings
from caseproof.config.spreadsheet import SpreadsheetError
from caseproof.procedure.core.contact_list import put_contacts
from caseproof.procedure.core.services import bootstrap
from caseproof.store import Contact
from tests.support.command import for_home, runner
from tests.support.examples import examples

ANNA = Contact("B\u00e4ckerei", "anna@example.com", "J\u00f6rg")
BEN = Contact("shop", "ben@example.com", "")
PLAIN = f"retailer;address;name\n{ANNA.retailer};{ANNA.address};{ANNA.name}\n{BEN.retailer};{BEN.address};\n"
COMMAS = PLAIN.replace(";", ",")


def read(folder: Path, content: str | bytes) -> list[ContactLine]:
    file = folder / "contacts.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_contacts(file)


def taken(lines: list[ContactLine]) -> list[Contact]:
    assert [line.wrong for line in lines if line.wrong] == []
    return [Contact(one.retailer, one.address, one.name, one.language, one.role) for one in lines]


SHAPES = {
    "sep=; above": "sep=;\r\n" + PLAIN,
    "sep=; above, after a byte order mark": b"\xef\xbb\xbfSEP=;\r\n" + PLAIN.encode(),
    "sep=; above, saved again with commas": "sep=;,,\n" + COMMAS,
    "sep=; above, saved again in quotes": '"sep=;"\n' + COMMAS,
    "a delimiter that only the sep line knows": "sep=^\n" + PLAIN.replace(";", "^"),
    "tabs": PLAIN.replace(";", "\t"),
    "bars": PLAIN.replace(";", "|"),
    "UTF-16 with tabs, Excel's Unicode text": PLAIN.replace(";", "\t").encode("utf-16"),
    "UTF-16, big end first": b"\xfe\xff" + PLAIN.encode("utf-16-be"),
    "UTF-16 without a mark": PLAIN.encode("utf-16-le"),
    "UTF-16, big end first, without a mark": PLAIN.encode("utf-16-be"),
    "UTF-8 with two byte order marks": b"\xef\xbb\xbf" * 2 + PLAIN.encode(),
    "Windows-1252": PLAIN.encode("cp1252"),
    "line ends of an old Mac": PLAIN.replace("\n", "\r"),
    "trailing delimiters in all rows": PLAIN.replace("\n", ";;;\n"),
    "trailing delimiters in the rows alone": PLAIN.replace("\n", ";;\n").replace("name;;", "name", 1),
    "trailing delimiters that are left out": PLAIN.replace("ben@example.com;", "ben@example.com"),
    "empty rows above, between and below": ";;\n\n" + PLAIN.replace("\n", "\n;;\n \t\n"),
    "an empty column": PLAIN.replace(";", ";;", 1).replace(";anna", ";;anna").replace(";ben", ";;ben"),
    "quotes everywhere": "\n".join(";".join(f'"{cell}"' for cell in line.split(";")) for line in PLAIN.splitlines()),
    "spaces before quotes": COMMAS.replace("anna@example.com", ' "anna@example.com"'),
    "formulas that keep a text": PLAIN.replace("shop;", '="shop";').replace("J\u00f6rg", '"=""J\u00f6rg"""'),
    "a line break in a name": PLAIN.replace("J\u00f6rg", '"J\u00f6rg\n"'),
    "a line break in the header": PLAIN.replace("address", '"E-Mail\nAddress"'),
    "invisible characters in the header": PLAIN.replace("retailer", "\u200bRetailer\u00a0").replace(
        "name", "na\u00adme"
    ),
    "invisible characters in cells": PLAIN.replace("shop", "\u2060sh\u00adop\u00a0").replace(
        "anna", "\u200ean\ufeffna"
    ),
    "letters in two characters": PLAIN.replace("\u00f6", "o\u0308").replace("\u00e4", "a\u0308"),
    "other names in the header": PLAIN.replace("retailer;address;name", "Company Name;E-Mail;Contact_Person"),
    "more names in the header": PLAIN.replace("retailer;address;name", "RETAILER ;email address:;Full name"),
    "German names in the header": PLAIN.replace("retailer;address;name", "H\u00e4ndler;E-Mail-Adresse;Ansprechpartner"),
    "German names in Windows-1252": PLAIN.replace("retailer", "H\u00e4ndler").encode("cp1252"),
    "a name before the address": PLAIN.replace("anna@example.com;J\u00f6rg", "J\u00f6rg <anna@example.com>;"),
    "a link for an address": PLAIN.replace("anna@", "mailto:anna@"),
}


@pytest.mark.parametrize("content", SHAPES.values(), ids=SHAPES)
def test_every_shape_that_programs_export_gives_the_same_contacts(tmp_path: Path, content: str | bytes) -> None:
    assert taken(read(tmp_path, content)) == [ANNA, BEN]


def test_no_column_but_retailer_and_address_is_needed(tmp_path: Path) -> None:
    lines = read(tmp_path, "E-Mail,Shop\nAnna <anna@example.com>,one\nben@example.com,two\n")
    assert taken(lines) == [Contact("one", "anna@example.com", "Anna"), Contact("two", "ben@example.com", "")]


def test_two_addresses_in_a_cell_are_two_contacts_of_one_line(tmp_path: Path) -> None:
    lines = read(
        tmp_path,
        "retailer,address,name,language\n"
        'shop,"anna@example.com; ben@example.com",Office,de\n'
        'shop,"Meyer, Cy <cy@example.com>\nDee <dee@example.com>",,\n',
    )
    assert [line.where for line in lines] == ["line 2", "line 2", "line 3", "line 3"]
    assert taken(lines) == [
        Contact("shop", "anna@example.com", "Office", "de"),
        Contact("shop", "ben@example.com", "Office", "de"),
        Contact("shop", "cy@example.com", "Meyer, Cy"),
        Contact("shop", "dee@example.com", "Dee"),
    ]


MAC, DOS = PLAIN.encode("mac_roman"), PLAIN.encode("cp850")
TURKISH = PLAIN.replace("J\u00f6rg", "\u00c7a\u011fr\u0131").encode("cp1254")
CYRILLIC = PLAIN.replace("J\u00f6rg", "\u0418\u0432\u0430\u043d").replace("\u00e4", "a").encode("cp1251")
REFUSED = {
    "an old Mac's letters": (MAC, "line 2: this is not UTF-8", "CSV UTF-8"),
    "letters of DOS": (DOS, "line 2: this is not UTF-8", "CSV UTF-8"),
    "Cyrillic letters of Windows": (CYRILLIC, "line 2: this is not UTF-8", "CSV UTF-8"),
    "Turkish letters of Windows": (TURKISH, "line 2: this is not UTF-8", "CSV UTF-8"),
    "half a UTF-16": (PLAIN.encode("utf-16")[:-1], "this is not UTF-16", "CSV UTF-8"),
    "UTF-32": (PLAIN.encode("utf-32"), "line 1: this is not text", "CSV UTF-8"),
    "a NUL": (PLAIN.replace("J\u00f6rg", "\0"), "line 2: this is not text", "CSV UTF-8"),
    "a workbook": (b"PK\x03\x04more", "is a workbook", "Save the sheet as 'CSV UTF-8'"),
    "an old workbook": (b"\xd0\xcf\x11\xe0more", "is a workbook", "Save the sheet as 'CSV UTF-8'"),
    "a sep line alone": ("sep=;\n", "is empty", "a header"),
    "delimiters alone": (";;;\n\n;;;\n", "is empty", "a header"),
    "the same header twice": (
        "sep=;\nRetailer;E-Mail;email address;name\n",
        "line 2: a column stands there twice: 'E-Mail' (column 2) and 'email address' (column 3) both hold the address",
        "Keep one of them",
    ),
    "a header that nobody knows": (PLAIN.replace("name", "nmae"), "line 1: there is no column 'nmae'", "rename it"),
    "columns that nobody knows": (
        "Record ID,Company,Email,Owner\n1,shop,a@example.com,x\n",
        "line 1: there is no column 'Record ID', 'Owner'",
        "Delete or rename",
    ),
    "a title above the header": ("Contacts of 2026\n" + PLAIN, "line 1: the header is missing", "The first row is"),
    "no header": ("shop;anna@example.com;Anna\n", "line 1: the header is missing", "retailer,address,name"),
    "a value in a column without a name": (
        "retailer,,address\nshop,,anna@example.com\nshop,x,ben@example.com\n",
        "line 3: 'x' stands in column 2, which has no name",
        "Name that column, or delete it",
    ),
    "a quote that is not closed": (PLAIN.replace("shop", '"shop'), "line 3: this is not CSV", "quotation marks"),
}


@pytest.mark.parametrize(("content", "says", "what_to_do"), REFUSED.values(), ids=REFUSED)
def test_a_file_that_cannot_be_read_is_refused_by_its_line_with_what_to_do(
    tmp_path: Path, content: str | bytes, says: str, what_to_do: str
) -> None:
    with pytest.raises(SpreadsheetError) as refused:
        read(tmp_path, content)
    assert says in refused.value.problem
    assert what_to_do in refused.value.next_action


WRONG_LINES = {
    "two addresses with a space": ("a@example.com b@example.com", "it has a space in it. Write one address without"),
    "a dot at the end": ("a@example.com.", "it ends with a dot. Take the dot away"),
    "no sign": ("a.example.com", "it has no @. Write it like name@example.com"),
    "a quote too many": ('"a@example.com""x"', "a quotation mark is not closed"),
    "half a domain": ("a@example", "has no dot"),
    "an umlaut before the sign": ("b\u00fcro@example.com", "Ask for another address of plain letters"),
    "a lost letter": ("a\ufffd@example.com", "where a letter was lost. Write it anew"),
    "nothing": ("", "the address is missing. Fill it in, or delete the line"),
}


@pytest.mark.parametrize(("cell", "says"), WRONG_LINES.values(), ids=WRONG_LINES)
def test_a_line_whose_address_no_sender_could_match_is_named_and_nothing_is_stored(
    tmp_path: Path, cell: str, says: str
) -> None:
    services = bootstrap(Settings(home=tmp_path / "home"))
    lines = read(tmp_path, f"retailer;address\nshop;ok@example.com\n\nshop;{cell}\n")
    with services.store.uow() as uow, pytest.raises(SpreadsheetError) as refused:
        put_contacts(uow.people, lines, "contacts.csv", services.clock())
    assert "  line 4: " in refused.value.problem
    assert says in refused.value.problem
    assert "line 2" not in refused.value.problem
    with services.store.reading() as uow:
        assert uow.people.retailers() == []


def test_a_second_address_that_slipped_into_the_name_is_no_name(tmp_path: Path) -> None:
    same, slipped = read(
        tmp_path, "retailer,address,name\nshop,a@example.com,a@example.com\nshop,a@example.com,b@example.com\n"
    )
    assert (same.wrong, same.name) == ("", "")
    assert "the name 'b@example.com' is an address. Put several addresses into one cell" in slipped.wrong


def test_a_letter_that_windows_may_mean_otherwise_is_no_letter_of_an_address(tmp_path: Path) -> None:
    text = "retailer;address\nshop;a@m\u00fcller.example\nshop;b@caf\u00e8.example\n"
    sure, doubted = read(tmp_path, text.encode("cp1252"))
    assert (sure.address, sure.wrong) == ("a@m\u00fcller.example", "")
    assert "the '\u00e8' in 'b@caf\u00e8.example' may be another letter. Save the file as 'CSV UTF-8'" in doubted.wrong
    assert [line.wrong for line in read(tmp_path, text)] == ["", ""]


def test_the_command_says_where_it_took_windows_1252(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = for_home(tmp_path / "home", monkeypatch)
    run = runner(monkeypatch, capsys)
    (tmp_path / "c.csv").write_bytes(PLAIN.encode("cp1252"))
    ended = run("contact", "import", tmp_path / "c.csv")
    assert "2 new." in ended.out
    assert "c.csv is not UTF-8 and was read as Windows-1252" in " ".join(ended.out.split())
    with bootstrap(Settings(home=home)).store.reading() as uow:
        assert uow.people.contacts(ANNA.retailer) == [ANNA]


def test_the_command_reads_an_address_as_a_person_types_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = for_home(tmp_path / "home", monkeypatch)
    run = runner(monkeypatch, capsys)
    typed = "\u200bAnna <mailto:anna@m\u00fcller.example>"
    assert run("contact", "add", "--retailer", "shop\u00a0", "--address", typed).code == 0
    two = run("contact", "add", "--retailer", "shop", "--address", "a@example.com, b@example.com")
    assert (two.code, "Give them one at a time" in two.err) == (1, True)
    with bootstrap(Settings(home=home)).store.reading() as uow:
        assert uow.people.contacts("shop") == [Contact("shop", "anna@m\u00fcller.example", "Anna")]
        assert uow.people.is_contact("shop", "ANNA@xn--mller-kva.example")
    gone = run("contact", "remove", "--retailer", "shop", "--address", "<anna@xn--mller-kva.example>")
    assert gone.code == 0


NAMES = st.text(st.characters(codec="cp1252", categories=("Lu", "Ll", "Nd")), min_size=1, max_size=12)
SHORT = st.text("ab\u00fc\u00df", min_size=1, max_size=8)
PEOPLE = st.lists(
    st.builds(
        Contact,
        retailer=NAMES,
        address=st.builds("{}@{}.example".format, st.text("abcxyz", min_size=1, max_size=8), SHORT),
        name=NAMES | st.just(""),
        language=st.sampled_from(["", "de", "en-gb"]),
        role=NAMES | st.just(""),
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda one: comparable(one.address),
)  # fmt: skip
COLUMNS = {
    "retailer": ["retailer", "Retailer ", "H\u00e4ndler", "Company name"],
    "address": ["address", "E-Mail", "email address", "E-Mail-Adresse"],
    "name": ["name", "Ansprechpartner", "Contact"],
    "language": ["language", "Sprache"],
    "role": ["role", "Job title", "Funktion"],
}


@settings(max_examples=examples(30), suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(people=PEOPLE, data=st.data())
def test_what_any_of_these_programs_writes_comes_back_as_it_was(
    tmp_path: Path, people: list[Contact], data: st.DataObject
) -> None:
    draw = data.draw
    columns = draw(st.permutations(list(COLUMNS)))
    delimiter = draw(st.sampled_from(",;\t|"))
    ends = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    tail = [""] * draw(st.integers(0, 3))
    noise = draw(st.sampled_from(["", "\u200b", "\ufeff", " ", "\u00a0"]))
    to = io.StringIO(newline="")
    writer = csv.writer(
        to, delimiter=delimiter, lineterminator=ends, quoting=draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    )
    writer.writerow([draw(st.sampled_from(COLUMNS[column])) for column in columns] + tail)
    for one in people:
        writer.writerow([f"{noise}{getattr(one, column)}{noise}" for column in columns] + tail)
        if draw(st.booleans()):
            writer.writerow(["", *tail])
    above = f"sep={delimiter}{ends}" if draw(st.booleans()) else ""
    encoding = draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
    assert taken(read(tmp_path, (above + to.getvalue()).encode(encoding))) == people
