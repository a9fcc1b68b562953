"""The declaration of an HTTP job service: each recipe is one, and what is wrong with one is named by its line."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from caseproof.config.declarations import DeclarationError
from caseproof.platforms.http_jobs_declared import read_service
from caseproof.platforms.http_jobs_words import NotAsDeclared, expression, filled_in, moment, written
from tests.support.job_service import DECLARATION, RECIPES, replaced

FOUND = sorted(RECIPES.glob("*.yaml"))


@pytest.mark.parametrize("recipe", FOUND, ids=[one.stem for one in FOUND])
def test_each_recipe_is_a_declaration_and_says_what_it_needs(recipe: object) -> None:
    text = (RECIPES / str(recipe)).read_text(encoding="utf-8")
    assert read_service(text).runs.states
    assert text.startswith("# ")


def test_there_are_recipes() -> None:
    assert len(FOUND) >= 3


WRONG = [
    (replaced("  list:\n    call: GET jobs", "  lsit:\n    call: GET jobs"), "jobs.lsit: there is no such entry (do"),
    (replaced("name: title", "nam: title"), "jobs.fields.nam: there is no such entry (do you mean name?)"),
    (replaced("type: bearer", "type: barer"), "auth: type is one of none, basic, bearer"),
    (replaced("call: GET jobs\n", "call: GTE jobs\n"), "jobs.list.call: is a method and a path"),
    (replaced("call: GET jobs\n", "call: GET jobs?all=1\n"), "jobs.list.call: holds no `?`"),
    (replaced("name: title", "name: title["), "jobs.fields.name: is no JMESPath expression (at character"),
    (replaced("name: title", "name: join_(title)"), "jobs.fields.name: calls a function that there is not (do"),
    (replaced("done: succeeded", "done: succeded"), "runs.states.done: is one of waiting"),
    (replaced('"{since}"}\n', '"{sinse}"}\n'), "runs.list: there is no {sinse} here (do you mean {since}?)"),
    (replaced('"PUT jobs/{job}", body: {enabled: false}', '"PUT jobs/{jbo}"'), "stop.any: there is no {jbo} here"),
    (replaced('note: "{key}", values', "values"), "start: {key} stands nowhere"),
    (replaced("    key: note\n", ""), "start: a run cannot be told by its key; give runs.fields.key"),
    (replaced("    kind: kind\n", ""), "stop.marketplace: no job is of this kind"),
    (replaced('address: "{site}/runs', 'address: "https://x.example.com/runs'), "runs.page.address: begins with {"),
    (replaced("  open:\n    call: GET runs", "  opne:\n    call: GET runs"), "runs.opne: there is no such entry"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "said"), WRONG)
def test_a_mistake_is_named_by_its_line_and_with_what_may_be_meant(change: Callable[[str], str], said: str) -> None:
    text = change(DECLARATION)
    with pytest.raises(DeclarationError) as refused:
        read_service(text)
    assert said in refused.value.problem
    line = int(refused.value.problem.partition("line ")[2].partition(":")[0])
    before = DECLARATION.splitlines()
    changed = [number for number, one in enumerate(text.splitlines(), 1) if one not in before]
    # Some are about a part as a whole: that is named by the line where it begins.
    assert not changed or line <= changed[0]
    assert line > 1


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a", {"b": [1]}),
        ("a.b", [1]),
        ("a.b.c", None),
        ("x.y", None),
        ("a.b[0]", 1),
        ("length(a.b)", 1),
        ("a.b[0] == `1`", True),
    ],
)
def test_an_expression_finds_what_jmespath_finds(text: str, found: object) -> None:
    assert expression(text).find({"a": {"b": [1]}}) == found


def test_an_expression_that_cannot_be_applied_says_so_without_the_value() -> None:
    with pytest.raises(NotAsDeclared, match="length") as told:
        expression("length(a)").find({"a": None, "secret": "hunter2"})
    assert "hunter2" not in str(told.value)
    assert expression("a.b").find(["no mapping"]) is None


@pytest.mark.parametrize(
    ("value", "how", "right"),
    [
        ("2026-11-30T08:00:00Z", "iso", True),
        ("2026-11-30T10:00:00+02:00", "iso", True),
        ("2026-11-30 08:00:00", "iso", True),
        (1796025600, "seconds", True),
        (1796025600000, "milliseconds", True),
        ("1796025600", "seconds", True),
        (None, "iso", None),
        ("", "iso", None),
        ("yesterday", "iso", False),
        (1796025600, "iso", False),
        (True, "seconds", False),
        (1e300, "seconds", False),
    ],
)
def test_moments_are_read_as_the_service_writes_them(value: object, how: str, right: bool | None) -> None:
    when = datetime(2026, 11, 30, 8, tzinfo=UTC)
    if right is False:
        with pytest.raises(NotAsDeclared, match=how):
            moment(value, how)  # type: ignore[arg-type]
        return
    assert moment(value, how) == (when if right else None)  # type: ignore[arg-type]
    if right:
        assert moment(written(when, how), how) == when  # type: ignore[arg-type]


def test_a_bodys_placeholders_are_replaced_and_a_runs_values_stand_where_they_are_asked_for() -> None:
    body = {
        "job": "{job}",
        "options": {"key": "{key}", "*": "{parameters}"},
        "list": ["{job}", 1],
        "all": "{parameters}",
    }
    made = filled_in(body, {"job": "a b", "key": "K"}, {"case": "JF-1"})
    assert made == {
        "job": "a b",
        "options": {"key": "K", "case": "JF-1"},
        "list": ["a b", 1],
        "all": {"case": "JF-1"},
    }
