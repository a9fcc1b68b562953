"""A personal link: opening it changes nothing, its button does, and it is nobody else's."""

from __future__ import annotations

from typing import Any

import pytest

from caseproof.domain.errors import NotAllowed
from caseproof.evidence.page_links import LinkExpired
from caseproof.evidence.signing import BadLink
from caseproof.procedure.paging.by_link import Keys, link_for, see, take
from caseproof.procedure.paging.raising import end_emergency
from tests.support.paged import FIRST, REF, SECOND, Emergency, OneCase

KEYS = Keys(b"k" * 32)


@pytest.fixture
def it(tmp_path: Any) -> Emergency:
    found = Emergency(tmp_path)
    found.store = OneCase()  # type: ignore[assignment]
    found.raised(case=REF, new_case=None)
    return found


def token(it: Emergency, person: str = FIRST, number: int = 1) -> str:
    link = link_for(KEYS, "https://cases.example.com", REF, number, person, it.clock())
    assert link.startswith("https://cases.example.com/page/")
    return link.rpartition("/")[2]


def took(it: Emergency, person: str = FIRST) -> Any:
    return take(it.store, it.clock, KEYS, token(it, person), it.rules, None)


def test_a_scanner_that_opens_every_link_acknowledges_nothing(it: Emergency) -> None:
    before = it.case(REF).version
    for person in (FIRST, SECOND, FIRST):
        shown = see(it.store, it.clock, KEYS, token(it, person))
        assert (shown.person, shown.holder, shown.button) == (person, "", True)
    assert it.case(REF).version == before
    assert "online ordering is down" in shown.problem


def test_the_button_takes_it_for_whose_link_it_is_and_the_second_is_told_who(it: Emergency) -> None:
    assert took(it).yours
    assert took(it).yours, "pressed twice"
    second = took(it, SECOND)
    assert (second.by, second.yours) == (FIRST, False)
    assert not see(it.store, it.clock, KEYS, token(it)).button
    assert see(it.store, it.clock, KEYS, token(it, SECOND)).holder == FIRST
    assert (it.kinds(REF)["emergency_taken"], it.kinds(REF)["taken_by_another"]) == (1, 1)


def test_a_link_that_is_old_forged_or_of_an_earlier_emergency_takes_nothing(it: Emergency) -> None:
    old, forged = token(it), token(it)[:-2] + "xx"
    with pytest.raises(BadLink):
        take(it.store, it.clock, KEYS, forged, it.rules, None)
    it.clock.move(hours=25)
    with pytest.raises(LinkExpired):
        take(it.store, it.clock, KEYS, old, it.rules, None)
    earlier = token(it)
    end_emergency(it.store, it.clock, REF, FIRST, "It works.")
    with pytest.raises(NotAllowed, match="is over"):
        take(it.store, it.clock, KEYS, earlier, it.rules, None)
    assert see(it.store, it.clock, KEYS, earlier).over == "It works."
    it.raised(case=REF, new_case=None)
    for act in (see, lambda *given: take(*given, it.rules, None)):
        with pytest.raises(NotAllowed, match="an earlier emergency"):
            act(it.store, it.clock, KEYS, earlier)
    assert it.kinds(REF)["emergency_taken"] == 0
