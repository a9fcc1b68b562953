"""What every test may use. A fixture starts its server when the first test asks for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.processes import PrefectServer, start_prefect_server


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    """A real Prefect server of this test session's own, without a password and without a worker."""
    server = start_prefect_server(tmp_path_factory.mktemp("prefect-server"))
    yield server
    server.stop()
