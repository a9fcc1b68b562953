"""What every test may use. A fixture starts its server when the first test asks for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.processes import PrefectServer, start_prefect_server


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where tests run side by side, those that share a server stay together; the longest begin first."""
    for item in items:
        if item.get_closest_marker("e2e"):
            item.add_marker(pytest.mark.xdist_group("world"))
        elif "prefect_server" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("prefect server"))
    items.sort(key=lambda item: item.get_closest_marker("e2e") is None)


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    """A real Prefect server of this test session's own, without a password and without a worker."""
    server = start_prefect_server(tmp_path_factory.mktemp("prefect-server"))
    yield server
    server.stop()
