"""Files and texts that nobody would write by accident: each ends in words, at once, and in little memory."""

from __future__ import annotations

import os
import socket
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from caseproof.checks.causes import classify
from caseproof.checks.schedules import fits
from caseproof.config.contacts_file import read_contacts
from caseproof.config.expressions import MATCH_SECONDS, refuse_endless, refuse_expression
from caseproof.config.given_files import NoPlainFile, open_plain, read_plain
from caseproof.config.policy import load_policy
from caseproof.config.policy_check import Maintenance, Signature, built_in_signatures
from caseproof.config.setup_file import read_setup
from caseproof.config.spreadsheet import SpreadsheetError
from caseproof.config.strict_json import strict_json
from caseproof.domain.errors import BadInput
from caseproof.evidence.proof import verify_proof

HUGE = 300 * 1024**3
QUICK = 10.0  # seconds of work: a third of one on a usual machine, and what is held off takes for ever


@contextmanager
def soon() -> Iterator[None]:
    began = time.process_time()
    yield
    assert time.process_time() - began < QUICK


def setup_of(path: Path) -> None:
    read_setup(path, {})


READERS: dict[str, Callable[[Path], object]] = {
    "set-up": setup_of,
    "policy": load_policy,
    "contacts": read_contacts,
    "proof": verify_proof,
}


# -- files ----------------------------------------------------------------------------------------------------------


def odd_files(folder: Path) -> dict[str, Path]:
    """A path for each thing that may stand in a file's place."""
    found = {"folder": folder, "device": Path("/dev/zero"), "terminal": Path("/dev/tty")}
    found["pipe"] = folder / "pipe"
    os.mkfifo(found["pipe"])
    found["socket"] = folder / "socket"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(found["socket"]))
    found["sparse"] = folder / "sparse"
    with found["sparse"].open("wb") as file:
        file.truncate(HUGE)
    found["link to a device"] = folder / "link"
    found["link to a device"].symlink_to("/dev/zero")
    found["endless file of the system"] = Path("/proc/self/pagemap")
    found["name with a NUL"] = Path("a\0b")
    found["name with half a letter"] = Path("a\ud800b")
    found["name that is too long"] = Path("x" * 5000)
    return found


@pytest.mark.parametrize("reader", READERS)
def test_what_is_no_plain_file_of_a_sensible_size_is_refused_by_each_reader(reader: str, short: Path) -> None:
    for what, path in odd_files(short).items():
        with soon(), pytest.raises(BadInput) as refusal:
            READERS[reader](path)
        assert refusal.value.next_action, what


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder with a short path: a socket's may have 107 letters."""
    folder = Path(f"/tmp/odd-{os.getpid()}-{time.monotonic_ns()}")
    folder.mkdir(mode=0o700)
    yield folder
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


def test_a_plain_file_is_read_to_its_last_byte_and_no_further(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    assert read_plain(path, 5) == b"12345"
    with pytest.raises(NoPlainFile, match="larger than 4 bytes"):
        read_plain(path, 4)
    (tmp_path / "link").symlink_to(path)
    assert read_plain(tmp_path / "link", 5) == b"12345"
    with pytest.raises(NoPlainFile, match="link"):
        read_plain(tmp_path / "link", 5, links=False)
    with pytest.raises(FileNotFoundError):
        read_plain(tmp_path / "none", 5)


def test_a_file_that_becomes_a_pipe_while_it_is_opened_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    plain = path.stat()
    path.unlink()
    os.mkfifo(path)
    assert stat.S_ISFIFO(path.stat().st_mode)
    monkeypatch.setattr(Path, "stat", lambda *_, **__: plain)
    with pytest.raises(NoPlainFile, match="pipe"):
        open_plain(path, 5)


# -- YAML -----------------------------------------------------------------------------------------------------------


def bomb(of: str, more: str) -> str:
    lines = [f"a0: &a0 {of}"]
    lines += [f"a{n}: &a{n} {more.format(', '.join([f'*a{n - 1}'] * 10))}" for n in range(1, 12)]
    return "\n".join(lines)


YAML = {
    "a billion laughs": (bomb("[ha, ha]", "[{}]"), "more than 200000 entries"),
    "a billion laughs in mappings": (bomb("{x: y}", "{{k: [{}]}}"), "more than 200000 entries"),
    "a billion laughs by merging": (bomb("{x: y}", "{{<<: [{}]}}"), "more than 200000 entries"),
    "aliases that go deeper and deeper": (
        "\n".join(["a0: &a0 [x]", *(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 100))]), "nested too deeply",
    ),
    "what refers to itself": ("team: &a [*a]", "refers to itself"),
    "too deep a list": (f"team: {'[' * 3000}", "nested too deeply"),
    "too many entries": ("team: [" + "a, " * 250_000 + "]", "more than 200000 entries"),
    "a whole number of a million digits": ("run_patience_seconds: " + "9" * 1_000_000, "too long"),
    "a number with a base": ("run_patience_seconds: 0x" + "f" * 1_000_000, "too long"),
    "a number of the base sixty": ("run_patience_seconds: 1" + ":59" * 300_000, "too long"),
    "a number with a point": ("run_patience_seconds: 1." + "9" * 1_000_000, "too long"),
    "infinity": ("run_patience_seconds: .inf", "no number"),
    "what is no number": ("run_patience_seconds: .nan", "no number"),
    "infinity by its exponent": ("run_patience_seconds: 1.0e+999", "no number"),
    "infinity as a text": ("run_patience_seconds: 'inf'", "finite"),
    "no number as a text": ("run_patience_seconds: 'nan'", "finite"),
    "a 31st of February": ("x: 2026-02-31", "no such number or date"),
    "a time of day that is none": ("x: 2026-02-01T25:61:61Z", "no such number or date"),
    "bytes": ("desk: !!binary aGFsbG8=", "this kind of value"),
    "a set": ("desk: !!set {a, b}", "this kind of value"),
    "a tag of one's own": ("desk: !mine a", "this kind of value"),
    "a NUL": ('desk: "a\\0b"', "NUL"),
    "a control character": ("desk: a\x01b", "is not YAML"),
    "half a letter": ('desk: "\\ud800"', "is not YAML"),
    "an entry twice": ("desk: a\ndesk: b", "stands there twice"),
    "a name without an end, twice": (f"{'x' * 900}: a\n{'x' * 900}: b", "stands there twice"),
    "two files in one": ("desk: a\n---\ndesk: b", "is not YAML"),
    "a list as a name": ("? [a]\n: b", "is not YAML"),
    "an address of a thousand brackets": (f"team: [a, b]\nmail: {{sender: '{'(' * 1000}'}}", "no mail address"),
    "an address without an end": (f"team: [a, b]\nmail: {{team: '{'a' * 100_000}@example.com'}}", "no mail address"),
    "a cron line without an end": (f"team: [a, b]\ntimes: {{check: '{'9' * 5000} * * * *'}}", "times.check"),
    "a zone without an end": (f"team: [a, b]\ntimes: {{timezone: '{'a/' * 5000}'}}", "no time zone"),
    "thousands of mistakes": ("\n".join(f"x{n}: y" for n in range(5000)), "and 49"),
}  # fmt: skip


@pytest.mark.parametrize("what", YAML)
def test_yaml_that_nobody_writes_is_refused_at_once_and_says_why(what: str, tmp_path: Path) -> None:
    text, why = YAML[what]
    path = tmp_path / "file.yaml"
    path.write_text(text, encoding="utf-8")
    for reader in ("policy", "set-up") if "laughs" in what or "million" in what else ("policy",):
        with soon(), pytest.raises(BadInput) as refusal:
            READERS[reader](path)
        assert why in refusal.value.problem
        assert len(refusal.value.problem) < 30_000
        assert refusal.value.next_action


def test_yaml_in_another_encoding_is_refused_and_with_a_byte_order_mark_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    for encoding in ("utf-16", "utf-32"):
        path.write_text("team: [a, b]", encoding=encoding)
        with pytest.raises(BadInput, match="UTF-8"):
            load_policy(path)
    path.write_text("team: [a, b]", encoding="utf-8-sig")
    assert load_policy(path).team == ("a", "b")


def test_aliases_as_people_use_them_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text("team: [a, b]\ncheck:\n  pace: &p {at_once: 3}\n  platforms: {one: *p, two: {<<: *p}}")
    assert {pace.at_once for pace in load_policy(path).check.platforms.values()} == {3}


# -- tables ---------------------------------------------------------------------------------------------------------


def test_a_table_that_grows_when_it_is_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "contacts.csv"
    path.write_text(",".join(["retailer", "address", *["name"] * 5000]) + "\n" + "x\n" * 1000)
    with soon(), pytest.raises(SpreadsheetError, match="more than is read"):
        read_contacts(path)


def test_a_packed_table_is_refused_unopened(tmp_path: Path) -> None:
    path = tmp_path / "contacts.xlsx"
    path.write_bytes(b"PK\x03\x04" + bytes(100))
    with pytest.raises(SpreadsheetError, match="a workbook"):
        read_contacts(path)


# -- JSON -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1, "a": 1}', '[{"x": {"a": 1, "a": 2}}]', "NaN", "[Infinity]", "-Infinity", "1e999", "[-1e999]",
        "9" * 5000, "[1." + "0" * 5000 + "]", "[" * 100_000, '{"a":' * 100 + "1" + "}" * 100, '"\\ud800"',
        '{"\\udfff": 1}', "\ufeff{}", '{"a": "\x01"}', "{} {}", "",
    ],
)  # fmt: skip
def test_json_with_two_meanings_is_none(text: str) -> None:
    for content in (text, text.encode()):
        with soon(), pytest.raises(ValueError):  # noqa: PT011 - in whatever words
            strict_json(content)


def test_plain_json_is_read_as_it_stands() -> None:
    assert strict_json(b'{"a": [1, -2.5, true, null, "\\ud83e\\udda6", {"b": {}}]}') == {
        "a": [1, -2.5, True, None, "\U0001f9a6", {"b": {}}]
    }
    with pytest.raises(ValueError, match="utf-8"):
        strict_json(b"\xff\xfe{}")


# -- expressions ----------------------------------------------------------------------------------------------------

SLOW = {
    "one after another": r"x*x*x*x*x*x*x*x*y", "one or the other": r"(x|xx)+y", "the same twice": r"(?:x|x)*y",
    "behind a beginning": r"error: (a|aa)+$", "a word and a gap": r"(\w+\s?){3,}$",
}  # fmt: skip


@pytest.mark.parametrize("how", SLOW)
def test_an_expression_that_can_take_for_ever_is_refused_with_the_policy(how: str, tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(f"team: [a, b]\ncheck: {{signatures: [{{name: slow, cause: feed, says: ['{SLOW[how]}']}}]}}")
    with soon(), pytest.raises(BadInput, match=r"slow\.says: .*(longer than 0.2 seconds|repeats a repetition)"):
        load_policy(path)


@pytest.mark.parametrize("expression", [r"foo{e}", r"x{a}", r"\\{x"])
def test_an_expression_with_a_brace_that_repeats_nothing_is_refused(expression: str) -> None:
    """What runs the expressions with a time limit would take it for "nearly like this"."""
    with pytest.raises(ValueError, match="repeats nothing"):
        Signature.model_validate({"name": "n", "cause": "feed", "says": [expression]})
    Signature.model_validate({"name": "n", "cause": "feed", "says": [r"x{2}y{1,3}z{,2}\{e[{]x"[:18]]})


def test_an_expression_that_runs_out_of_its_time_tells_nothing_and_is_named() -> None:
    """Nobody is blamed on what stands behind it in the list, either: whether it would have fitted is not known."""
    bad = Signature.model_validate({"name": "slow", "cause": "feed", "says": [r"(x|xx)+$"]})
    behind = Signature.model_validate({"name": "behind", "cause": "sync", "says": ["xxx"]})
    told: dict[str, str] = {}
    began = time.process_time()
    messages = [f"{'x' * 1000} {'no' * number}!" for number in range(50)]
    assert classify([*messages, "plain xxx"], [bad, behind], told) == [""] * 51
    assert time.process_time() - began < 25 * MATCH_SECONDS, "it has its time for a few messages, and not for each"
    assert told == {"slow": "(x|xx)+$"}
    assert classify(["plain xxx"], [bad, behind]) == ["slow"]  # the next pass begins anew


def test_a_frame_with_many_stars_has_its_time_too() -> None:
    bad = Signature.model_validate({"name": "slow", "cause": "feed", "frames": ["a*b*" * 6 + "x"]})
    told: dict[str, str] = {}
    with soon():
        assert classify(["ab" * 2000], [bad], told) == [""]
    assert list(told) == ["slow"]


def test_a_job_s_pattern_with_many_stars_is_looked_for_in_no_time() -> None:
    def window(job: str) -> Maintenance:
        return Maintenance.model_validate({"why": "w", "cron": "0 2 * * *", "minutes": 5, "job": job})

    with soon():
        assert not fits(window("a*" * 30 + "b"), "p", "a" * 5000, None, None)
    assert fits(window("nightly/*-[1]?"), "p", "nightly/feed-[1]?", None, None)
    assert not fits(window("nightly/*-[1]?"), "p", "nightly/feed-1x", None, None)


def test_the_built_in_expressions_pass_the_test_that_others_must_pass() -> None:
    """Reading a policy asks only of the others, so that a command starts quickly."""
    built_in = [expression for signature in built_in_signatures() for expression in signature.says]
    assert len(built_in) > 400
    for expression in built_in:
        refuse_expression(expression)
        refuse_endless(expression)
