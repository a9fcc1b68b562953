"""The token and the turns that all processes share: one refresh and no storm, and words where their files fail."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from caseproof.domain.errors import CaseproofError
from caseproof.http.shared_token import Given, SharedToken
from caseproof.http.slots import Slots

START = datetime(2026, 11, 30, 8, 0, tzinfo=UTC)


class Down(CaseproofError):
    """As a desk's."""


class Refused(CaseproofError):
    """As a desk's."""


class Server:
    """Gives tokens, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.seconds = 3600
        self.now = START
        self.fails: list[CaseproofError] = []

    def give(self, refresh: str) -> Given:
        self.asked.append(refresh)
        if self.fails:
            raise self.fails.pop()
        return Given(f"token-{len(self.asked)}", self.seconds)

    def token(self, folder: Path, give: Callable[[str], Given] | None = None) -> SharedToken:
        return SharedToken(
            folder, "an account", "The desk", give or self.give, lambda: self.now, down=Down, refused=Refused
        )


@pytest.fixture
def server() -> Server:
    return Server()


def file_of(folder: Path) -> Path:
    (found,) = folder.glob("*.json")
    return found


def spoilt(kept: dict[str, Any], **other: Any) -> str:
    return json.dumps(kept | other)


KEPT = {
    "token": "old", "given": START.isoformat(), "ends": (START + timedelta(hours=1)).isoformat(), "refresh": "",
    "refused": "", "action": "", "refused_at": "", "asked": [START.isoformat()],
}  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "null", "[]", '"x"', "{}", spoilt(KEPT, ends="tomorrow"), spoilt(KEPT, ends="2026-11-30T09:00:00"),
        spoilt(KEPT, ends=5), spoilt(KEPT, token=None), spoilt(KEPT, asked=["noon"]), spoilt(KEPT, asked=[1]),
        spoilt(KEPT, asked="noon"), spoilt(KEPT, refused="no", refused_at="noon"), spoilt(KEPT, given=["a"]),
        spoilt(KEPT, asked=["2026-11-30T08:00:00"]), spoilt(KEPT, colour="red"), spoilt(KEPT, refresh=7),
        "\x00" * 40, "[" * 100_000,
    ],
    ids=str,
)  # fmt: skip
def test_a_file_that_says_something_odd_is_none(server: Server, tmp_path: Path, text: str) -> None:
    """A disk that was full, an older version, a hand: the next token is got, and nobody has to clean up."""
    assert server.token(tmp_path).get() == "token-1"
    file_of(tmp_path).write_text(text, encoding="utf-8")
    assert server.token(tmp_path).get() == "token-2"
    assert server.token(tmp_path).get() == "token-2"


@pytest.mark.parametrize("seconds", [10**30, 86_400 * 365, 3_600_000])
def test_a_token_that_is_to_live_for_years_is_asked_for_again_all_the_same(
    server: Server, tmp_path: Path, seconds: int
) -> None:
    server.seconds = seconds
    assert server.token(tmp_path).get() == "token-1"
    server.now += timedelta(days=1)
    assert server.token(tmp_path).get() == "token-2"


def test_its_files_are_for_their_owner_alone_also_where_one_was_there_before(server: Server, tmp_path: Path) -> None:
    folder = tmp_path / "desks"
    server.token(folder).get()
    file = file_of(folder)
    file.chmod(0o644)
    half = file.with_suffix(".part")
    half.write_text("of a process that died over it")
    half.chmod(0o666)
    server.now += timedelta(hours=2)
    server.token(folder).get()
    assert {one.name: oct(one.stat().st_mode & 0o777) for one in folder.iterdir()} == {
        one.name: "0o600" for one in folder.iterdir()
    }
    assert folder.stat().st_mode & 0o077 == 0


def test_a_process_that_dies_over_the_asking_leaves_a_lock_to_nobody(server: Server, tmp_path: Path) -> None:
    """The file says that one was asked for, and has no token: the next process asks, and at once."""

    def die(_: str) -> Given:
        os._exit(9)

    child = os.fork()
    if child == 0:
        server.token(tmp_path, die).get()
    os.waitpid(child, 0)
    assert len(json.loads(file_of(tmp_path).read_text())["asked"]) == 1
    assert server.token(tmp_path).get() == "token-1"


def test_many_threads_that_are_told_at_once_that_it_holds_no_more_ask_once(server: Server, tmp_path: Path) -> None:
    first = server.token(tmp_path).get()
    server.now += timedelta(minutes=5)
    ready = threading.Barrier(8)

    def again(_: int) -> str:
        ready.wait(60)
        return server.token(tmp_path).get(instead_of=first)

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(again, range(8))) == {"token-2"}
    assert len(server.asked) == 2


def test_a_server_that_is_down_takes_away_no_token_that_others_may_have(server: Server, tmp_path: Path) -> None:
    server.token(tmp_path).get()
    server.now += timedelta(minutes=59, seconds=30)
    server.fails = [Down("It hangs.", "Try again.")]
    with pytest.raises(Down):
        server.token(tmp_path).get()
    assert server.token(tmp_path).get() == "token-3"


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_folder_that_cannot_be_written_is_said_with_its_name(server: Server, tmp_path: Path) -> None:
    folder = tmp_path / "desks"
    folder.mkdir(mode=0o500)
    with pytest.raises(Down, match=f"cannot be kept in {folder}") as said:
        server.token(folder).get()
    assert said.value.next_action


def test_a_place_that_is_no_folder_is_said_with_its_name(server: Server, tmp_path: Path) -> None:
    place = tmp_path / "desks"
    place.write_text("a file")
    with pytest.raises(Down, match=f"cannot be kept in {place}") as said:
        server.token(place).get()
    assert "Make it a folder" in said.value.next_action
    assert server.asked == [], "nothing is used up by it"
    with pytest.raises(Down, match=f"cannot be kept in {place}"), Slots(place, 2, "the desk", down=Down).taken():
        raise AssertionError("nobody has a turn")
