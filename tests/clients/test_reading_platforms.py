"""House rule 4: the platforms are read once at the start of a pass; the environment serves while Prefect is down."""

from __future__ import annotations

import json

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import BlockDocumentCreate
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from blocks.base import NoSuchBlock, PrefectDown
from blocks.platforms import PrefectJobs
from blocks.reading import read_platforms, variable
from caseproof.domain.errors import BadInput, CaseproofError
from caseproof.up.processes import free_port
from sandbox.processes import PrefectServer

FIELDS = {"api_url": "http://jobs.example.com/api", "ui_url": "http://jobs.example.com", "auth": "us:made-up"}


def down():
    gone = f"http://127.0.0.1:{free_port()}/api"
    return temporary_settings({PREFECT_API_URL: gone, PREFECT_CLIENT_MAX_RETRIES: 0})


def test_all_saved_platforms_are_read_and_one_by_its_name(prefect_server: PrefectServer) -> None:
    with temporary_settings({PREFECT_API_URL: prefect_server.api_url}):
        for name in ("reading-two", "reading-one"):
            PrefectJobs(**FIELDS).save(name, overwrite=True)
        found = read_platforms("", {variable("not-asked"): "{}"})
        assert [name for name in found if name.startswith("reading")] == ["reading-one", "reading-two"]
        assert list(read_platforms("reading-two", {})) == ["reading-two"]
        with pytest.raises(NoSuchBlock):
            read_platforms("reading-three", {})


def test_a_platform_of_another_version_leaves_the_others_readable(prefect_server: PrefectServer) -> None:
    with temporary_settings({PREFECT_API_URL: prefect_server.api_url}):
        PrefectJobs(**FIELDS).save("reading-well", overwrite=True)
        with get_client(sync_client=True) as client:
            saved = client.read_block_document_by_name("reading-well", PrefectJobs.get_block_type_slug())
            stale = BlockDocumentCreate(
                name="reading-stale", data={"ui_url": "http://jobs.example.com"},
                block_schema_id=saved.block_schema_id, block_type_id=saved.block_type_id,
            )  # fmt: skip
            made = client.create_block_document(stale)
        found = read_platforms("", {})
        with get_client(sync_client=True) as client:
            client.delete_block_document(made.id)
    assert isinstance(found["reading-well"], PrefectJobs)
    assert "api_url" in str(found["reading-stale"])


def test_while_prefect_is_down_the_environment_describes_them() -> None:
    environment = {
        variable("shop-jobs"): json.dumps(FIELDS),
        variable("b"): json.dumps({"type": "prefect-jobs", **FIELDS}),
    }
    with down():
        found = read_platforms("", environment)
        assert list(found) == ["b", "shop-jobs"]
        assert found["shop-jobs"].auth.get_secret_value() == FIELDS["auth"]
        assert list(read_platforms("shop-jobs", environment)) == ["shop-jobs"]


def test_without_both_it_says_what_would_serve() -> None:
    with down(), pytest.raises(PrefectDown, match="CASEPROOF_PLATFORM_SHOP_JOBS"):
        read_platforms("shop-jobs", {variable("other"): json.dumps(FIELDS)})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "not JSON"),
        ("[]", "no JSON object"),
        ('{"type": "cron-table"}', "no such type"),
        ('{"type": ["made-up"]}', "no such type"),
        ('{"api_url": "http://a", "ui_url": "http://a", "pasword": "made-up"}', "no field pasword"),
        ('{"api_url": "javascript:made-up", "ui_url": "http://a"}', "api_url"),
        ('{"ui_url": "http://a"}', "api_url"),
    ],
)
def test_a_description_that_cannot_be_used_is_refused_without_its_values(text: str, says: str) -> None:
    with down(), pytest.raises(BadInput) as refusal:
        read_platforms("", {variable("shop"): text})
    said: CaseproofError = refusal.value
    assert says in said.problem
    assert "CASEPROOF_PLATFORM_SHOP" in said.problem
    assert "made-up" not in str(said)
