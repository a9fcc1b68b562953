"""What the policy says of an emergency: how long things take, who hears of it, and what is refused at once."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from caseproof.config.paging import PagingPolicy, What
from caseproof.config.policy import BUILT_IN, Policy, PolicyError, load_policy
from caseproof.domain.emergency.due import PagingRules
from caseproof.domain.emergency.raising import YOUNG
from caseproof.domain.emergency.vocabulary import Criterion


def policy(folder: Path, **paging: Any) -> Policy:
    file = folder / "policy.yaml"
    file.write_text(yaml.safe_dump({"team": ["operator", "team lead"], "paging": paging}), encoding="utf-8")
    return load_policy(file)


def test_without_a_word_the_times_are_those_of_the_engine() -> None:
    own = load_policy(BUILT_IN).paging
    assert own == PagingPolicy()
    assert own.rules == PagingRules()
    assert own.young == YOUNG
    assert own.voices == ()


def test_each_time_of_the_policy_is_the_engine_s(tmp_path: Path) -> None:
    own = policy(
        tmp_path, ring_seconds=10, talk_seconds=11, pause_seconds=12, message_seconds=13, retry_seconds=14,
        update_minutes=15, silence_minutes=16, young_minutes=17, voice="a", second_voice="b",
    ).paging  # fmt: skip
    seconds, minutes = [timedelta(seconds=n) for n in range(10, 15)], [timedelta(minutes=n) for n in (15, 16)]
    assert own.rules == PagingRules(*seconds, *minutes)
    assert own.young == timedelta(minutes=17)
    assert own.voices == ("a", "b")


def test_the_whole_team_may_be_asked_for_by_each_criterion_of_e7() -> None:
    assert set(get_args(What)) == set(Criterion)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"product_team": ["nobody"]}, "paging.product_team"),
        ({"updates_to": ["a b@example.com"]}, "paging.updates_to"),
        ({"second_voice": "b"}, "second_voice is named, and voice is not"),
        ({"voice": "a", "second_voice": "a"}, "the second is for when the first fails"),
        ({"ring_seconds": 0}, "paging.ring_seconds"),
        ({"silence_minutes": 0}, "paging.silence_minutes"),
        ({"everybody_at_once": ["printer_down"]}, "paging.everybody_at_once"),
        ({"silence": 60}, "paging.silence"),
        ({"web_ecm": ["ecm.example.com"]}, "paging.web_ecm"),
        ({"web_ecm": ["https://user:secret@ecm.example.com"]}, "paging.web_ecm"),
    ],
)
def test_what_could_only_fail_in_an_emergency_is_refused_when_the_policy_is_loaded(
    tmp_path: Path, given: dict[str, Any], told: str
) -> None:
    with pytest.raises(PolicyError, match=told):
        policy(tmp_path, **given)
