"""A terminal, a ticket and a log are places where text acts: nothing from outside does."""

from __future__ import annotations

import ast
import io
import json
import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from rich.progress import Progress

from caseproof.cli import common
from caseproof.cli.common import print_json, safe, table_of
from caseproof.cli.terminal import GuardedStream, HouseConsole, json_text, safe_in_lines
from caseproof.domain.visible import one_line, visible
from caseproof.procedure.core.texts import in_ticket, plain, quoted_in_ticket, short
from tasks.display.logs import InWords

ROOT = Path(__file__).parents[2]
ATTACKS = {
    "colours": "a\x1b[31mb",
    "hidden letters": "a\x1b[8mb",
    "the cursor": "a\x1b[2K\x1b[1Ab",
    "a link": "a\x1b]8;;https://evil.example.com\x07b\x1b]8;;\x07",
    "a link, ended otherwise": "a\x1b]8;;https://evil.example.com\x1b\\b",
    "the title": "a\x1b]0;mine\x07b",
    "a sequence in a sequence": "a\x1b\x1b[31m[31mb",
    "one that never ends": "a\x1b]8;;b",
    "eight bits": "a\x9b31mb\x9d0;x\x9c",
    "reset": "a\x1bcb",
    "a new line": "a\nb",
    "a carriage return": "a\rb",
    "other line ends": "a\x0bb\x0cc\x85d\u2028e\u2029f",
    "backspaces": "a\x08\x08b",
    "NUL": "a\0b",
    "a tab": "a\tb",
    "direction": "a\u202eb\u2066c\u200fd\u061ce\u202d",
    "zero width": "a\u200bb\u2060c\ufeffd\u00ade",
    "tags": "a\U000e0041b",
    "half a pair": "a\ud800b\udcff",
    "bell": "a\x07b",
}
HARMFUL = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff\U000e0000-\U000e0fff]"
)


class Terminal(io.StringIO):
    """A terminal that keeps what it gets."""

    def isatty(self) -> bool:
        return True


LONG = (
    "a-platform-with-a-long-name",
    "orders-feed-of-the-garden-shop/nightly-import",
    "retailer_offboarded",
    "JF-000012",
)


@pytest.mark.parametrize("columns", [None, "40"], ids=["nobody said how wide", "narrow"])
def test_a_table_that_goes_to_no_terminal_breaks_no_word(columns: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns:
        monkeypatch.setenv("COLUMNS", columns)
    pipe = io.StringIO()
    table = table_of("/a/long/title/of/a/file/that/has/no/blank/in/it", *("Word" for _ in range(3 * len(LONG))))
    table.add_row(*LONG * 3)
    HouseConsole(file=pipe).print(table)
    assert {*LONG, "/a/long/title/of/a/file/that/has/no/blank/in/it"} <= set(pipe.getvalue().replace("│", " ").split())


@pytest.mark.parametrize("name", ATTACKS.values(), ids=ATTACKS)
def test_nothing_in_a_name_acts_and_it_stays_one_line(name: str) -> None:
    for shown in (one_line(name), safe(name), plain(name), short(name), in_ticket(name)):
        assert HARMFUL.search(shown) is None
        assert shown.startswith("a")
        shown.encode()
    assert HARMFUL.search(visible(name).replace("\n", "")) is None


def test_what_people_write_stays() -> None:
    for text in ("Händler Müller & Söhne", "日本の店", "متجر", "shop [sale] 50% :smile:", "a  b\nc", "naïve ✓ …"):
        assert visible(text) == text


@pytest.mark.parametrize("name", ATTACKS.values(), ids=ATTACKS)
def test_a_table_has_one_row_a_name_and_no_codes_but_our_own(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    lines = []
    for shown in ("an honest name", name):
        terminal = Terminal()
        table = table_of("Jobs", "Job", "State")
        table.add_row(safe(shown), "[green]ok[/]")
        HouseConsole(file=terminal).print(table)
        assert "\x1b[32mok\x1b[0m" in terminal.getvalue(), "ours are there"
        lines.append(terminal.getvalue().split("\n"))
        assert HARMFUL.search(re.sub(r"\x1b\[[0-9;]*m", "", terminal.getvalue()).replace("\n", "")) is None
    assert len(lines[0]) == len(lines[1])


@pytest.mark.parametrize(
    "name", ["[red]x", "[link=https://evil.example.com]x[/link]", "x[/]", "x\\", ":warning: x", "[@click=y]x"]
)
def test_marks_of_our_own_printing_are_letters_in_a_name(name: str) -> None:
    terminal = Terminal()
    console = HouseConsole(file=terminal)
    console.print(f"[bold]{safe(name)}[/] is stopped.", highlight=False)
    table = table_of(name, "Job")
    table.add_row(safe(name))
    console.print(table)
    assert re.sub(r"\x1b\[[0-9;]*m", "", terminal.getvalue()).count(name) == 3
    assert "evil" not in "".join(re.findall(r"\x1b\][^\x07\x1b]*", terminal.getvalue()))


def test_an_error_of_several_lines_makes_no_line_that_looks_like_ours() -> None:
    assert safe_in_lines("There is no job x\nNext: run this\n") == "There is no job x\n  Next: run this"


@pytest.mark.parametrize("name", ATTACKS.values(), ids=ATTACKS)
def test_json_says_exactly_what_it_is_given_and_nothing_in_it_acts(name: str) -> None:
    text = json_text({"name": name, name: ["ü", 1]})
    assert json.loads(text) == {"name": name, name: ["ü", 1]}
    assert HARMFUL.search(text.replace("\n", "")) is None
    text.encode()
    assert json.loads(json_text([name, "ü"], "ascii").encode("ascii")) == [name, "ü"]


def test_json_is_printed_where_the_terminal_has_few_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    print_json({"name": "Müller\ud800"})
    stream.flush()
    assert json.loads(stream.buffer.getvalue()) == {"name": "Müller\ud800"}  # type: ignore[attr-defined]


def test_what_goes_past_our_consoles_is_guarded_and_our_colours_pass() -> None:
    terminal = Terminal()
    guarded = GuardedStream(terminal)
    guarded.writelines(f"{name}\n" for name in ATTACKS.values())
    assert HARMFUL.search(terminal.getvalue().replace("\n", "")) is None
    console = HouseConsole(file=guarded)  # type: ignore[arg-type]
    console.print("[green]ok[/]")
    with Progress(console=console, transient=True) as bar:
        bar.add_task("working")
    assert "\x1b[32mok" in terminal.getvalue()
    assert "\x1b[2K" in terminal.getvalue(), "what moves the cursor for a bar"


def test_a_hostile_proof_and_a_crash_print_nothing_that_acts_in_whatever_language(tmp_path: Path) -> None:
    """The command itself, where the terminal knows ASCII alone: no code, no crash over a letter."""
    name = "".join(ATTACKS[one] for one in ("colours", "a link", "direction", "zero width", "eight bits"))
    proof = tmp_path / "x\x1b[31my.json"
    told = {"case": name, "rule": name, "events": [{name: name}], "statement": name, name: "ü"}
    proof.write_text(json.dumps(told))
    crash = f"import caseproof.cli as c; c.app = lambda: (_ for _ in ()).throw(ValueError({name!r})); c.main()"
    env = {"PYTHONIOENCODING": "ascii", "LC_ALL": "C", "CASEPROOF_HOME": str(tmp_path / "home"), "COLUMNS": "80"}
    for arguments in (["-m", "caseproof.cli", "verify", str(proof)], ["-c", crash]):
        done = subprocess.run(
            [sys.executable, *arguments], cwd=ROOT, env={**os.environ, **env}, capture_output=True, check=False
        )
        said = (done.stdout + done.stderr).decode("ascii")
        assert done.returncode == 1
        assert HARMFUL.search(said.replace("\n", "")) is None
        assert "UnicodeEncodeError" not in said
        assert "ValueError: a" in said or "caseproof: " in said


PRINTING = {"print", "pprint"}
PAST = {"echo", "secho", "style", "Console", "get_console", "input"}


def test_no_command_prints_past_the_filter() -> None:
    """By the source: consoles are made in one place, and nothing else prints."""
    files = [*(ROOT / "caseproof").rglob("*.py"), ROOT / "sandbox" / "demo.py"]
    past = []
    for file in files:
        if (
            file.parent.name == "cli"
            and file.name != "terminal.py"
            and "markup import escape" in file.read_text(encoding="utf-8")
        ):
            past.append(f"{file.relative_to(ROOT)}: escape, which leaves what acts on a terminal; safe does not")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                last = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                if last and last not in PRINTING | PAST and not last.startswith("write"):
                    continue  # most calls: their names need not be put together
                called = ast.unparse(node.func)
                name = called.rpartition(".")[2]
                bare = name in PRINTING and (called in PRINTING or called.startswith(("rich.", "typer.", "pprint.")))
                if bare or name in PAST or called.startswith(("sys.stdout.write", "sys.stderr.write")):
                    past.append(f"{file.relative_to(ROOT)}: {called}")
    assert sorted(past) == [
        "caseproof/cli/common.py: sys.stdout.write",  # JSON, which is escaped
        "caseproof/evidence/browser.py: sys.stderr.write",  # `python -m caseproof.evidence.browser`, through `visible`
        "caseproof/evidence/browser.py: sys.stdout.write",
    ]
    assert isinstance(common.out, HouseConsole)
    assert isinstance(common.err, HouseConsole)


# -- tickets -----------------------------------------------------------------------------------------------------------

IN_TICKETS = {
    "heading": "# Closed",
    "heading on a new line": "x\n# Closed",
    "underlined": "x\n===",
    "link": "[open](https://evil.example.com)",
    "picture": "![x](https://evil.example.com/x.png)",
    "bare link": "see https://evil.example.com now",
    "www": "see www.evil.example.com now",
    "reference": "x\n\n[x]: https://evil.example.com\n\n[x]",
    "between angles": "<https://evil.example.com>",
    "HTML": "<img src=x onerror=alert(1)>",
    "wiki link": "[open|https://evil.example.com]",
    "wiki picture": "see !https://evil.example.com/x.png! now",
    "list": "x\n- y\n1. z",
    "fence": "x\n```\ny",
    "table": "x\n| a |\n|---|\n| b |",
    "quote": "x\n> y",
}
ACTIVE = {"heading_open", "link_open", "image", "html_inline", "html_block", "bullet_list_open", "ordered_list_open",
          "fence", "table_open", "hr", "code_block"}  # fmt: skip


def acts(text: str) -> set[str]:
    """What markdown makes of it, besides paragraphs and quotations."""
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(text)
    return {one.type for token in tokens for one in (token, *(token.children or ()))} & ACTIVE


@pytest.mark.parametrize("name", IN_TICKETS.values(), ids=IN_TICKETS)
def test_a_name_makes_no_line_heading_link_or_picture_in_a_ticket(name: str) -> None:
    body = f"Job: {in_ticket(name)}\nRetailer: x"
    assert body.count("\n") == 1
    assert acts(body) == set()
    assert re.search(r"\w://|www\.|!\S+!|\[[^\]]*\|\w+://", body) is None, "nor where a desk has rules of its own"


def test_an_address_of_the_policy_can_be_clicked_in_a_ticket_and_no_other() -> None:
    ours = {"https://docs.example.com/cart", "https://www.example.com/a.html"}
    for text in (
        "read https://docs.example.com/cart", "tried (out of https://docs.example.com/cart): no change",
        "https://www.example.com/a.html, then the cart.", "see https://docs.example.com/cart.",
    ):  # fmt: skip
        assert in_ticket(text, ours) == text
    for text in (
        "https://docs.example.com/cart.evil.example", "https://docs.example.com/cart/../x", "![x](https://docs.example.com/cart)",
        "https://evil.example/?https://docs.example.com/cart", "<https://docs.example.com/cart>", "!https://www.example.com/a.html!",
        "[click|https://docs.example.com/cart]", "https://docs.example.com/cart?token=1", "https://docs.example.com",
    ):  # fmt: skip
        said = in_ticket(text, ours)
        assert acts(said) == set(), said
        assert re.search(r"!\S+!|\[[^\]]*\|\w+://|evil\.example/\?https?://|cart[./?][^\s]*://", said) is None, said
    assert ": //" in in_ticket("https://docs.example.com/cart.evil.example", ours)
    for name in IN_TICKETS.values():
        assert in_ticket(name, ours) == in_ticket(name), "what is not ours stays harmless"


@pytest.mark.parametrize("words", IN_TICKETS.values(), ids=IN_TICKETS)
def test_a_retailer_s_words_are_a_quotation_of_plain_lines_in_a_ticket(words: str) -> None:
    quoted = quoted_in_ticket(words)
    assert all(line.startswith(">") for line in quoted.split("\n"))
    assert acts(f"The retailer replied.\n\n{quoted}\n\nAs it arrived.") == set()


def test_a_line_of_our_log_stays_one_line_without_codes_and_a_traceback_tells_no_secret() -> None:
    error = ValueError("password: hunter22\x1b[31m")
    said = "a\n12:00 | INFO | b\x1b[2J"
    record = logging.LogRecord("x", logging.ERROR, __file__, 1, "%s", (said,), (ValueError, error, None))
    assert InWords().filter(record)
    assert record.getMessage() == "a 12:00 | INFO | b [2J"
    whole = logging.Formatter().format(record)
    assert "hunter22" not in whole
    assert "\x1b" not in whole
    assert "ValueError: password: [hidden]" in whole
