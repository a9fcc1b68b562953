"""How long a client waits in a test where an answer is lost: where it never comes, no longer than a test likes."""

from __future__ import annotations

from collections.abc import Mapping

from sandbox.provider import Kind

LOST: Mapping[Kind, float] = {"drop": 30.0, "hang": 1.0, "hang after": 1.0}
"""The read time-out in seconds, by how a provider loses its answer. A second is enough for what it does answer."""
