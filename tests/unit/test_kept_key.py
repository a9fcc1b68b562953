"""A secret that the home makes for itself: one, for its owner alone, whoever is first."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from threading import Barrier

import pytest

from caseproof.config.kept_key import forget, read, read_or_make
from caseproof.domain.errors import BadInput


def modes(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.fixture(params=[0o022, 0o000, 0o077], ids=oct)
def umask(request: pytest.FixtureRequest):
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.mark.usefixtures("umask")
def test_it_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    key = tmp_path / "home" / "keys" / "a-key"
    assert read(key) is None
    assert read_or_make(key, lambda: "first") == "first"
    assert read_or_make(key, lambda: "second") == read(key) == "first"
    assert (modes(key), modes(key.parent)) == (0o600, 0o700)
    assert [path.name for path in key.parent.iterdir()] == ["a-key"]
    forget(key)
    forget(key)
    assert read_or_make(key, lambda: "third") == "third"


def test_of_many_who_make_it_at_once_all_get_the_same_and_none_gets_half_of_it(tmp_path: Path) -> None:
    number, together = count(), Barrier(8)

    def first_start(path: Path) -> str:
        together.wait()
        return read_or_make(path, lambda: f"{next(number)}-{'x' * 9000}")

    with ThreadPoolExecutor(8) as pool:
        for turn in range(20):
            key = tmp_path / str(turn) / "a-key"
            got = set(pool.map(first_start, [key] * 8))
            assert got == {read(key)}
            assert [path.name for path in key.parent.iterdir()] == ["a-key"]


def test_modes_that_were_loosened_are_left_for_the_doctor_to_find(tmp_path: Path) -> None:
    key = tmp_path / "keys" / "a-key"
    read_or_make(key, lambda: "secret")
    key.chmod(0o644)
    assert read(key) == "secret"
    assert modes(key) == 0o644


def test_what_cannot_be_a_key_of_ours_is_refused_without_its_text(tmp_path: Path) -> None:
    (tmp_path / "somebody-elses").write_text("theirs")
    (tmp_path / "a-link").symlink_to(tmp_path / "somebody-elses")
    (tmp_path / "nothing").touch()
    (tmp_path / "a-file").write_bytes(b"\xff\xfe secret")
    for name in ("a-link", "nothing", "a-file", "somebody-elses/key"):
        with pytest.raises(BadInput) as refused:
            read_or_make(tmp_path / name, lambda: "mine")
        assert name in refused.value.problem
        assert "secret" not in str(refused.value)
