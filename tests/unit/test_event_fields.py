"""What an event may say, all the way down: a proof with a word more in it is none of ours."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast, get_args, get_type_hints, is_typeddict

import pytest

from caseproof.domain.events import Event
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.job_failure.procedure import JOB_FAILURE
from caseproof.domain.support.procedure import SUPPORT
from caseproof.evidence.event_fields import FREE, unknown_names
from caseproof.procedure.core.parts import event_of

AT = datetime(2026, 11, 20, tzinfo=UTC)
DOUBT = {"code": "typed_in", "why": "x"}


@pytest.mark.parametrize(
    ("kind", "data", "found"),
    [
        (Kind.CONFIRMATION_RECEIVED, {"doubts": [DOUBT], "notes": [], "words": "x"}, []),
        (Kind.CONFIRMATION_RECEIVED, {"doubts": [{**DOUBT, "settled": "x"}]},
         ["confirmation_received.doubts.settled"]),
        (Kind.CONFIRMATION_RECEIVED, {"words": {"said": "x"}}, ["confirmation_received.words"]),
        (Kind.NOTICE_SENT, {"links": {"page": "x", "until": "y", "letters": ["z"]}, "refused": {"a@b": "no"}}, []),
        (Kind.NOTICE_SENT, {"links": {"colour": "x"}, "refused": {"a@b": ["no"]}},
         ["notice_sent.links.colour", "notice_sent.refused"]),
        (Kind.OPENED, {"remembered": {"shape": "x", "by": "y", "on": "z"}, "retailer": None}, []),
        (Kind.OPENED, {"remembered": {"shape": "x", "why": "y"}}, ["opened.remembered.why"]),
        (Kind.OPENED, {"colour": "x"}, ["opened.colour"]),
    ],
)  # fmt: skip
def test_a_name_too_many_is_found_however_deep_it_stands(kind: Kind, data: dict[str, Any], found: list[str]) -> None:
    event = cast(Event, SimpleNamespace(kind=kind, data=data))  # with the fields alone that matter here
    assert unknown_names([event]) == found


def free_in(hint: Any, name: str) -> Iterator[str]:
    if hint is Any:
        yield name
    inner = get_type_hints(hint).items() if is_typeddict(hint) else ((name, one) for one in get_args(hint))
    for field, one in inner:
        yield from free_in(one, field)


def test_the_fields_of_which_only_the_name_is_known_are_these() -> None:
    assert {name for kind in Kind for name in free_in(kind.spec.says, "")} == FREE


def test_what_something_is_known_by_stays_as_it_is_though_it_looks_like_a_key_of_ours() -> None:
    odd = "cases+jf-000001-abcdefghijklmnop@example.com"
    assert event_of(Kind.TICKET_REOPENED, AT, "x", {"ticket": odd}).data["ticket"] == odd
    assert "hidden" in event_of(Kind.CHANGE_VALIDATED, AT, "x", {"how": odd}).data["how"]


NAMING = {
    "job", "platform", "connection", "run", "failed_run", "flow_run", "ticket", "message_id", "evidence", "original",
    "sent", "key", "shape", "follows", "ref", "continues", "there_client", "there_product", "provider", "probe",
}  # fmt: skip


def test_whichever_procedure_it_is_of_a_name_like_these_names_something_elsewhere() -> None:
    """A kind that is added says so of its own fields: nothing else knows of them."""
    found = {
        f"{one.prefix}: {kind}.{name}"
        for one in (JOB_FAILURE, SUPPORT)
        for kind in one.kinds
        for name in set(get_type_hints(kind.spec.says)) & NAMING - kind.spec.names
    }
    assert found == set()
