"""A world a test: an installation with a migrated store of its own, and fakes with state around it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from caseproof.config.policy import BUILT_IN, Policy, load_policy
from caseproof.config.policy_check import Pace
from caseproof.config.settings import Settings
from caseproof.store import Store
from tests.support.keeper import Keeper, waits
from tests.support.world import World


@pytest.fixture(scope="session")
def built_in() -> Policy:
    """The built-in policy, read once: no test changes it, each makes one of its own from it.

    But for its pace: no platform here has to be spared, and each stop would wait for its turns in real time.
    """
    policy = load_policy(BUILT_IN)
    fast = policy.check.model_copy(update={"pace": Pace(at_once=policy.check.pace.at_once, per_second=10_000)})
    return policy.model_copy(update={"check": fast})


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose store was migrated: copying it is faster than migrating again."""
    home = tmp_path_factory.mktemp("migrated") / "home"
    store = Store(Settings(home=home).database)
    store.migrate()
    store.close()
    return home


@pytest.fixture
def make_world(tmp_path: Path, migrated: Path, built_in: Policy) -> Iterator[Callable[..., World]]:
    """Makes worlds; arguments change entries of the policy."""
    made: list[World] = []

    def make(**policy: Any) -> World:
        home = Path(shutil.copytree(migrated, tmp_path / f"home-{len(made)}"))
        own = Policy.model_validate(built_in.model_dump() | policy) if policy else built_in.model_copy(deep=True)
        made.append(World(home, policy=own))
        return made[-1]

    yield make
    for world in made:
        world.services.store.close()


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    """A world with the built-in policy."""
    return make_world()


@pytest.fixture
def keeper(world: World) -> Keeper:
    return Keeper(world)


@pytest.fixture
def waiting(world: World) -> str:
    """A case that waits for the retailer's word."""
    ref = world.open()
    world.walk(ref, until="tell")
    return waits(world, ref)
