"""Every sentence of a suite is a test, and every system that it speaks of is a line: the tests run over all lines.

A sentence that needs an ability (``needs``) is not run for a line whose client declares that it lacks it: there, the
sentence "what it cannot do it declares and raises" is. What cannot happen to a line at all, it says in ``NEVER``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "line" in metafunc.fixturenames:
        needed = getattr(metafunc.function, "needed", frozenset())
        sentence = metafunc.function.__name__.removeprefix("test_")
        lines = [kind for kind in metafunc.module.LINES if needed <= kind.ABILITIES.can and sentence not in kind.NEVER]
        metafunc.parametrize("line", lines, indirect=True, ids=[kind.NAME for kind in lines])


@pytest.fixture
def line(request: pytest.FixtureRequest) -> Iterator[Any]:
    """The line of this test, its world started."""
    with request.param.started(request) as one:
        yield one
