"""Declarations: what people write in YAML about a system is checked as a whole, and each mistake named by its line."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Literal

import pytest
from pydantic import AfterValidator, Field

from caseproof.config.declarations import DeclarationError, Declared, read_declaration


class Colour(StrEnum):
    RED = "red"
    GREEN = "green"


def _even(value: int) -> int:
    if value % 2:
        raise ValueError("takes an even number")
    return value


class ByPage(Declared):
    type: Literal["page"]
    size: Annotated[int, AfterValidator(_even)] = 100


class ByCursor(Declared):
    type: Literal["cursor"]
    next: str


class Call(Declared):
    call: str
    headers: Mapping[str, str] = {}


class Garden(Declared):
    """A declaration of nothing real."""

    paging: Annotated[ByPage | ByCursor, Field(discriminator="type")] | None = None
    colours: Mapping[str, Colour] = {}
    calls: tuple[Call, ...] = ()
    name: str


GOOD = """\
name: shop
paging:
  type: cursor
  next: page.next
colours: {ok: green}
calls:
  - call: GET jobs
  - call: GET runs
    headers: {Accept: text}
"""


def read(text: str) -> Garden:
    return read_declaration(text, Garden, "of the garden")


def mistakes(text: str) -> str:
    with pytest.raises(DeclarationError) as refused:
        read(text)
    return refused.value.problem


def test_a_right_declaration_is_read() -> None:
    assert read(GOOD).calls[1].headers == {"Accept": "text"}


@pytest.mark.parametrize(
    ("wrong", "right", "said"),
    [
        ("  nxet: page.next", "  next: page.next", "line 4: paging.nxet: there is no such entry (do you mean next?)"),
        ("  typ: cursor", "  type: cursor", "line 2: paging: type is missing (is it what typ stands for?)"),
        ("  type: curser", "  type: cursor", "paging: type is one of page, cursor (do you mean cursor?)"),
        (
            "colours: {ok: gren}",
            "colours: {ok: green}",
            "line 5: colours.ok: is one of red, green (do you mean",
        ),
        ("  - cal: GET runs", "  - call: GET runs", "line 8: calls.1.cal: there is no such entry (do you mean call?)"),
        ("  - cal: GET runs", "  - call: GET runs", "line 8: calls.1.call: is missing"),
        ("nam: shop", "name: shop", "line 1: nam: there is no such entry (do you mean name?)"),
        ("paging: yes", "paging:\n  type: cursor\n  next: page.next", "line 2: paging: "),
    ],
)
def test_a_mistake_is_named_by_its_line_with_the_nearest_entry(wrong: str, right: str, said: str) -> None:
    assert right in GOOD
    assert said in mistakes(GOOD.replace(right, wrong))


def test_a_value_is_checked_where_it_stands_and_not_repeated() -> None:
    said = mistakes("name: shop\npaging:\n  type: page\n\n  size: 31\n")
    assert "line 5: paging.size: takes an even number" in said
    assert "31" not in said


def test_all_mistakes_are_told_at_once_in_the_order_of_their_lines() -> None:
    said = mistakes("nam: shop\ncolour: {}\npaging: {type: page, siz: 3}\n")
    assert [said.index(part) for part in ("line 1", "line 2", "line 3")] == sorted(
        said.index(part) for part in ("line 1", "line 2", "line 3")
    )


@pytest.mark.parametrize("text", ["", "- a\n", "just words\n", "a: [\n", "name: shop\nname: shop\n", "a: !x 1\n"])
def test_what_is_no_declaration_at_all_is_refused_by_name(text: str) -> None:
    assert mistakes(text).startswith("The declaration of the garden")


def test_an_entry_that_an_alias_stands_for_is_named_where_it_was_written() -> None:
    text = "name: shop\npaging: &one\n  type: page\n  size: 3\ncalls: []\ncolours: {}\n"
    assert "line 4: paging.size" in mistakes(text)
