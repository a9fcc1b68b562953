"""What Prefect stores of a form never changes: it checks the answer of a run that waits against what it stored."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from caseproof.domain.support.forms import EVERY_FORM
from sandbox.processes import PrefectServer
from sandbox.world import World
from tests.clients.test_forms import ALL_FORMS, suspended_with

EVERY = {**ALL_FORMS, **EVERY_FORM}
BEFORE = json.loads(Path(__file__).with_name("form_schemas.json").read_text(encoding="utf-8"))
"""The schema of each form as the version before stored it, in its order, for a team of two."""


def test_each_form_is_one_that_was_stored_before() -> None:
    assert set(BEFORE) == set(EVERY)


@pytest.mark.parametrize("slug", BEFORE)
def test_the_schema_that_prefect_stores_is_byte_for_byte_the_one_of_before(
    slug: str, prefect_server: PrefectServer
) -> None:
    with temporary_settings({PREFECT_API_URL: prefect_server.api_url}):
        flow_run = suspended_with(EVERY[slug])
    stored = World.call(prefect_server, "GET", f"flow_runs/{flow_run}/input/suspended-question-1-schema").text
    assert json.dumps(json.loads(stored)) == json.dumps(BEFORE[slug])  # dumps keeps the order
