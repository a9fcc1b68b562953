"""What a test does over a real Prefect server's API, as people and workers do it."""

from __future__ import annotations

from typing import Any

import httpx

from sandbox.processes import answered


def ask_prefect(api: httpx.Client, method: str, path: str, body: Any = None) -> Any:
    """What Prefect tells once it has done this; None where it tells nothing."""
    answer = answered(api, method, path, 30, json=body)
    assert answer.is_success, answer.text
    return answer.json() if answer.content else None
