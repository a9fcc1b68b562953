"""A home with every kind of case in it, a backup of it, and empty homes to restore into."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from caseproof.backup import make_backup
from caseproof.up.postgres import EmbeddedPostgres
from tests.backup.places import NOW, Place, fill, store_at


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("CASEPROOF_")]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, Path]:
    """A full home and a backup of it; nobody changes either."""
    folder = tmp_path_factory.mktemp("saved")
    place = store_at(folder / "home")
    fill(place)
    made = make_backup(place.parts, folder / "backup", now=NOW)
    assert made[0].problems == {}
    return place, folder / "backup"


@pytest.fixture
def full(saved: tuple[Place, Path], tmp_path: Path) -> Place:
    """A copy of the full home, to be spoilt."""
    return store_at(Path(shutil.copytree(saved[0].home, tmp_path / "full")))


@pytest.fixture
def copy(saved: tuple[Place, Path], tmp_path: Path) -> Path:
    """A copy of the backup, to be spoilt."""
    return Path(shutil.copytree(saved[1], tmp_path / "copy"))


@pytest.fixture
def empty(tmp_path: Path) -> Place:
    """A home with nothing in it, not even a store."""
    return store_at(tmp_path / "empty")


@pytest.fixture(scope="session")
def new_postgres(postgres: EmbeddedPostgres) -> Callable[[], str]:
    """Makes empty databases on a real PostgreSQL."""
    numbers = count()

    def make() -> str:
        name = f"backup_{next(numbers)}"
        postgres.ensure_database(name)
        return postgres.url(name)

    return make
