"""`caseproof contact import`: a file goes in whole, or every wrong line is named and nothing is written."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from caseproof.config.settings import Settings
from caseproof.procedure.core.services import bootstrap
from caseproof.store import Contact
from tests.support.command import Ended, for_home, runner

GOOD = "retailer,address,name\ngarden-shop,owner@garden-shop.example.com,Owner\nbook-corner,desk@books.example.com,\n"


Import = Callable[..., Ended]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return for_home(tmp_path / "home", monkeypatch)


@pytest.fixture
def take(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Import:
    """Writes a file and imports it."""
    run = runner(monkeypatch, capsys)

    def take(content: str | bytes, *options: str) -> Ended:
        file = home.parent / "contacts.csv"
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return run("contact", "import", file, *options)

    return take


def registered(home: Path) -> list[tuple[str, str, str]]:
    with bootstrap(Settings(home=home)).store.reading() as uow:
        found = [contact for retailer in uow.people.retailers() for contact in uow.people.contacts(retailer)]
    return [(contact.retailer, contact.address, contact.name) for contact in found]


BOTH = [
    ("book-corner", "desk@books.example.com", ""),
    ("garden-shop", "owner@garden-shop.example.com", "Owner"),
]


@pytest.mark.parametrize(
    "content",
    [
        GOOD,
        GOOD.replace(",", ";"),
        GOOD.replace("\n", "\r\n"),
        b"\xef\xbb\xbf" + GOOD.encode(),
        "Name, Address ,RETAILER\n"
        " Owner ,owner@garden-shop.example.com, garden-shop\n\n"
        ",desk@books.example.com,book-corner",
        'retailer,address,name\n"garden-shop","owner@garden-shop.example.com","Owner"\n'
        "book-corner,desk@books.example.com,\n,,\n",
    ],
    ids=["commas", "semicolons", "of Windows", "with a BOM", "in another order", "quoted, with an empty line"],
)
def test_a_file_is_registered_whole_however_a_spreadsheet_writes_it(take: Import, home: Path, content: str) -> None:
    ended = take(content)
    assert (ended.code, ended.err) == (0, "")
    assert "2 new." in ended.out
    assert registered(home) == BOTH


def test_a_file_that_is_given_again_changes_nothing_but_a_new_name(take: Import, home: Path) -> None:
    take(GOOD)
    assert take(GOOD).out == "2 as it is.\n"
    again = take(GOOD.replace("Owner", "New owner").replace("owner@", "OWNER@"))
    assert "1 as it is, 1 changed: name." in again.out
    assert registered(home)[1] == ("garden-shop", "owner@garden-shop.example.com", "New owner")


WITH_MORE = (
    "retailer,address,name,language,role\n"
    'garden-shop,owner@garden-shop.example.com,Owner,DE,"buys, sells"\n'
    "book-corner,desk@books.example.com,,,\n"
)


def of_garden_shop(home: Path) -> Contact:
    with bootstrap(Settings(home=home)).store.reading() as uow:
        return uow.people.contacts("garden-shop")[0]


def test_a_file_may_give_languages_and_roles_and_says_which_of_them_change(take: Import, home: Path) -> None:
    take(GOOD)
    ended = take(WITH_MORE)
    assert "1 as it is, 1 changed: language, role." in ended.out
    assert of_garden_shop(home) == Contact("garden-shop", "owner@garden-shop.example.com", "Owner", "de", "buys, sells")
    assert take(WITH_MORE).out == take(GOOD).out == "2 as it is.\n"
    assert "changed: role" in take(WITH_MORE.replace("buys, sells", "buys").replace("Owner", "")).out
    assert of_garden_shop(home).language == "de"


def test_a_file_with_a_language_that_is_none_changes_nothing(take: Import, home: Path) -> None:
    ended = take(WITH_MORE.replace("DE", "German"))
    assert ended.code == 1
    assert "line 2: 'German' is not a language" in ended.err
    assert registered(home) == []


def test_mail_that_came_back_is_remembered_until_a_line_changes(take: Import, home: Path) -> None:
    take(GOOD)
    services = bootstrap(Settings(home=home))
    with services.store.uow() as uow:
        uow.people.mark_bounced("garden-shop", "owner@garden-shop.example.com", "no such user", services.clock())
        uow.commit()
    assert take(GOOD).out == "2 as it is.\n"
    assert of_garden_shop(home).bounce == "no such user"
    take(GOOD.replace("Owner", "New owner"))
    assert (of_garden_shop(home).bounce, of_garden_shop(home).bounced_at) == ("", None)


def test_the_list_shows_the_language_the_role_and_to_whom_mail_came_back(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = runner(monkeypatch, capsys)
    who = ("contact", "add", "--retailer", "Shop A", "--address", "a@example.com")
    assert run(*who, "--language", "de-AT", "--role", "buyer").code == 0
    with bootstrap(Settings(home=home)).store.uow() as uow:
        uow.people.mark_bounced("Shop A", "a@example.com", "[b] no such user", datetime(2026, 11, 22, 6, tzinfo=UTC))
        uow.commit()
    assert run("contact", "list", "--json").json == [
        {
            "retailer": "Shop A", "address": "a@example.com", "name": "", "language": "de-at", "role": "buyer",
            "bounced_at": "2026-11-22T06:00:00+00:00", "bounce": "[b] no such user",
        }
    ]  # fmt: skip
    shown = " ".join(run("contact", "list").out.split())
    assert all(part in shown for part in ("de-at", "buyer", "2026-11-22", "[b]"))
    refused = run(*who, "--language", "German")
    assert (refused.code, "like de or de-at" in refused.err) == (1, True)
    assert run(*who).code == 0
    (again,) = run("contact", "list", "--json").json
    assert (again["language"], again["bounced_at"], again["bounce"]) == ("de-at", None, "")


def test_a_name_that_is_left_out_does_not_take_the_saved_one_away(take: Import, home: Path) -> None:
    take(GOOD)
    assert "2 as it is." in take(GOOD.replace("Owner", "")).out
    assert registered(home) == BOTH


def test_a_dry_run_says_what_would_happen_and_writes_nothing(take: Import, home: Path) -> None:
    ended = take(GOOD, "--dry-run")
    assert ended.code == 0
    assert "owner@garden-shop.example.com" in ended.out
    assert "2 new; nothing was changed." in ended.out
    assert registered(home) == []


def test_every_wrong_line_is_named_and_nothing_is_written(take: Import, home: Path) -> None:
    ended = take(
        "retailer,address,name\n"  # line 1
        "garden-shop,owner@garden-shop.example.com,Owner\n"
        "garden-shop,not an address,\n"
        "garden-shop,Owner <owner@garden-shop.example.com>,\n"
        ",desk@books.example.com,\n"  # line 5
        "book-corner,,\n"
        "book-corner,a@example.com,A,B\n"
        '"book-corner",b@example.com,"two\nlines"\n'
        "garden-shop,OWNER@garden-shop.example.com,again\n"  # line 10
        f"garden-shop,{'x' * 70}@example.com,\n"
    )
    assert ended.code == 1
    lines = [line.strip() for line in ended.err.splitlines() if line.startswith("  ")]
    assert [line.partition(":")[0] for line in lines] == [f"line {number}" for number in (3, 4, 5, 6, 7, 10, 11)]
    said = [
        "'not an address'",
        "stands in line 2 already",
        "retailer is missing",
        "address is missing",
        "4 values, and the header 3",
        "line 2",
        "more than 64 characters",
    ]
    assert [part for part, line in zip(said, lines, strict=False) if part not in line] == []
    assert "nothing was changed" in ended.err
    assert "Next: " in ended.err
    assert registered(home) == []


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "is empty"),
        ("garden-shop,owner@garden-shop.example.com,Owner\n", "line 1: the header is missing"),
        ("retailer,name\ngarden-shop,Owner\n", "line 1: the header has no column address"),
        ("retailer,address,name,phone\n", "line 1: there is no column 'phone'"),
        ("retailer,address,name,role,role\n", "line 1: a column stands there twice"),
        ("retailer,address,name,name\n", "line 1: a column stands there twice"),
        (GOOD + 'garden-shop,"open@example.com\n', "line 4: this is not CSV"),
    ],
)
def test_what_is_no_list_of_contacts_is_refused_by_its_line(
    take: Import, home: Path, content: str | bytes, says: str
) -> None:
    ended = take(content)
    assert ended.code == 1
    assert says in ended.err
    assert "Next: " in ended.err
    assert registered(home) == []


def test_a_header_alone_is_no_mistake(take: Import, home: Path) -> None:
    assert take("retailer,address,name\n").out == "no contacts.\n"
    assert registered(home) == []
