"""Codes decide, sentences explain: what has none gets its code when it is read, and no decision reads prose."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from caseproof.channels.inbound.meaning import Meaning
from caseproof.channels.servers import timed_out
from caseproof.domain import old_words
from caseproof.domain.codes import Code, MessageCode, StepName, message_code, trouble_code
from caseproof.procedure.core.message_words import ON_THE_PAGE, Why, together, why

HOUSE = Path(__file__).parents[2]


def test_the_old_words_never_change() -> None:
    """Stores and backups of versions without codes are read by them, for good."""
    assert old_words.TROUBLES == (("verify the run", "The run ", " is still going.", "still_running"),)
    assert old_words.MESSAGES == (("asks for help", "help"), ("asks something or needs help", "question"))
    assert old_words.RESTS == (("parked", "parked"), ("", "runs_died"))
    assert old_words.MAIL_ANSWERS == (("4", "for_now"), ("", "for_good"))


def test_the_stored_names_of_the_steps_never_change() -> None:
    assert [*map(str, StepName)] == [
        "stop the job", "open the ticket", "tell the retailer", "correct what the retailer was told",
        "note on the ticket", "tell the ticket", "run it again, or remove it",
        "verify the run", "set the schedule live", "photograph the run", "attach the picture", "look again",
        "make the proof", "close the case", "close the ticket", "tell the client", "read the proof of each job",
        "wait until it may close", "tell the retailer that it works again",
        "the procedure",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ({"step": "verify the run", "problem": "The run otter is still going."}, Code.STILL_RUNNING),
        ({"step": "verify the run", "problem": f"The run {'o' * 250} is still going."}, Code.STILL_RUNNING),
        ({"step": "look again", "problem": "The run otter is still going."}, Code.OTHER),
        ({"step": "verify the run", "problem": "The platform is down."}, Code.OTHER),
        ({"step": "verify the run", "problem": "In other words.", "code": "still_running"}, Code.STILL_RUNNING),
        ({"step": "verify the run", "problem": "The run x is still going.", "code": "mail_down"}, Code.MAIL_DOWN),
        ({"step": "x", "problem": "x", "code": "of a newer version"}, Code.OTHER),
        ({"step": "x", "problem": "x", "code": 7}, Code.OTHER),
    ],
)
def test_a_trouble_has_its_code_or_that_of_its_old_words(data: dict[str, object], code: Code) -> None:
    assert trouble_code(data) is code


@pytest.mark.parametrize(
    ("data", "asks"),
    [
        ({"why": "asks for help; the case was closed already"}, True),
        ({"why": "the retailer asks something or needs help; nothing is written into the case"}, True),
        ({"why": "the retailer says that the change is made"}, False),
        ({"why": "In other words.", "code": "help"}, True),
        ({"why": "asks for help", "code": "stranger"}, False),
    ],
)
def test_a_message_has_its_code_or_that_of_its_old_words(data: dict[str, object], asks: bool) -> None:
    assert message_code(data).asks_for_help is asks


def test_every_code_of_a_message_has_a_sentence_and_every_meaning_a_code() -> None:
    names = ("refs", "ref", "by", "sender", "retailer", "reason", "program", "at", "date", "what", "to")
    facts: dict[str, object] = {**dict.fromkeys(names, "x"), "size": 1.0, "number": 20}
    for code in set(MessageCode) - {MessageCode.OTHER}:
        assert why(code, **facts).words
    assert {MessageCode(meaning) for meaning in Meaning} < set(MessageCode)
    assert set(ON_THE_PAGE) < set(MessageCode)


def test_of_several_reasons_a_call_for_help_counts_and_each_is_said_once() -> None:
    closed, asks = why(MessageCode.CASE_CLOSED), why(MessageCode.QUESTION)
    assert together([closed, asks, closed]) == Why(MessageCode.QUESTION, f"{closed.words}; {asks.words}")
    assert together([closed]) == closed


def test_a_time_out_is_told_by_what_was_raised_and_not_by_a_text() -> None:
    def wrapped(inside: Exception) -> Exception:
        try:
            try:
                raise inside
            except OSError as error:
                raise ValueError(f"Connection unexpectedly closed: {error}")  # noqa: B904 - as smtplib does it
        except ValueError as error:
            return error

    assert timed_out(wrapped(TimeoutError("in another language")))
    assert not timed_out(wrapped(ConnectionResetError("timed out")))


# -- no decision reads prose ------------------------------------------------------------------------------------------

PROSE = frozenset(
    {"problem", "next_action", "why", "about", "reason", "sentence", "summary", "rest_why", "trouble", "remark"}
)
"""Names of what is made for people, as attributes, keys of an event's data, and keys of ``get``."""

MAY = {
    (
        "caseproof/channels/inbound/authenticity.py",
        "about",
    ),  # what another server's finding is about: a header's fields
    ("caseproof/store/errors.py", "str(cause)"),  # SQLite's driver tells a text that is none by nothing else
}
SEARCHES = frozenset({"startswith", "endswith", "find", "index", "count"})


def decisions(path: Path) -> Iterator[tuple[int, str, str]]:
    """Where the source compares prose, or searches in it: the line, what is read, the code."""
    for node in ast.walk(ast.parse(path.read_text())):
        read: list[ast.expr] = []
        if isinstance(node, ast.Compare):
            pairs = zip(node.ops, [node.left, *node.comparators], node.comparators, strict=False)
            for op, left, right in pairs:
                if isinstance(op, ast.In | ast.NotIn):
                    read.append(right)
                if isinstance(op, ast.Eq | ast.NotEq) and not (is_empty(left) or is_empty(right)):
                    read += [left, right]  # whether there is any is no reading of it
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in SEARCHES:
            read.append(node.func.value)
        elif isinstance(node, ast.Match):
            read.append(node.subject)
        for one in read:
            if name := prose(one):
                yield one.lineno, name, ast.unparse(node).partition("\n")[0]


def is_empty(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value == ""


def prose(node: ast.expr) -> str:
    """What for people is read here, in short; "" for anything else."""
    if isinstance(node, ast.Attribute) and node.attr in PROSE:
        return node.attr
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and node.slice.value in PROSE:
        return str(node.slice.value)
    if isinstance(node, ast.Call):
        if isinstance(node.func, ast.Name) and node.func.id == "str" and node.args:
            return prose(node.args[0]) or _an_error(node.args[0])
        if isinstance(node.func, ast.Attribute):
            key = node.args[0] if node.func.attr == "get" and node.args else None
            if isinstance(key, ast.Constant) and key.value in PROSE:
                return str(key.value)
            return prose(node.func.value)  # error.problem.lower(), say
    return ""


def _an_error(node: ast.expr) -> str:
    name = node.id if isinstance(node, ast.Name) else ""
    return f"str({name})" if name in ("error", "cause", "exc", "e", "no", "down", "wrong") else ""


def test_no_decision_of_the_product_reads_what_is_made_for_people() -> None:
    found, used = [], set()
    for room in ("caseproof", "tasks", "flows", "blocks"):
        for path in sorted((HOUSE / room).rglob("*.py")):
            for line, name, code in decisions(path):
                here = (str(path.relative_to(HOUSE)), name)
                used.add(here)
                found += [] if here in MAY else [f"{here[0]}:{line}: {code}"]
    assert used >= MAY, "an exception that nothing needs any more goes"
    assert found == [], "Give the error, event or row a code (caseproof/domain/codes.py), and decide by that."


@pytest.mark.parametrize(
    "source",
    [
        "if row.trouble.endswith('is still going.'): pass",
        "x = row.rest_why.startswith('parked')",
        "if 'down' in error.problem: pass",
        "if 'timed out' in str(error): pass",
        "if error.problem.lower() == 'down': pass",
        "if case.trouble['problem'] == 'x': pass",
        "if any(call in row.why for call in CALLS): pass",
        "y = fact.get('why') != 'gone'",
        "match event.data['why']:\n    case 'gone': pass",
    ],
)
def test_such_a_decision_is_found(source: str, tmp_path: Path) -> None:
    path = tmp_path / "x.py"
    path.write_text(source)
    assert [*decisions(path)]
