"""Those who wait for an emergency's end hear how it stands: what a person writes, and by itself that it goes on."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from caseproof.domain.errors import BadInput, NotAllowed
from caseproof.procedure.paging.raising import end_emergency
from caseproof.procedure.paging.updating import LONGEST, give_update
from tests.support.paged import FIRST, REF, Emergency, OneCase, takes

WORDS = "The database is being restored; the next word is at half past."


@pytest.fixture
def it(tmp_path: Path) -> Emergency:
    made = Emergency(tmp_path)
    made.store.close()
    made.store = OneCase()  # type: ignore[assignment]
    return made


def taken(it: Emergency) -> str:
    ref = it.raised(case=REF, new_case=None)
    takes(it, ref, FIRST)
    it.pager().run(ref)
    it.mail.sent.clear()
    it.teams.sent.clear()
    return ref


def test_what_a_person_writes_goes_out_by_mail_and_card_once(it: Emergency) -> None:
    ref = taken(it)
    for _ in range(2):  # the button pressed twice
        give_update(it.store, it.clock, ref, FIRST, f"  {WORDS} ")
    it.pager("one").run(ref)
    it.pager("two").run(ref)
    assert it.mail.news == it.teams.news == ["update"]
    assert f"{FIRST} writes" in it.mail.sent[0].text
    assert f"> {WORDS}" in it.mail.sent[0].text
    assert it.mail.sent[0].links == {}, "it asks nobody whether they have it"


def test_by_the_policy_s_interval_it_says_by_itself_who_has_it_and_asks_them_for_a_word(it: Emergency) -> None:
    ref = taken(it)
    due = it.pager().run(ref)
    assert due == it.paging(ref).taken.at + it.rules.update
    it.clock.now = due
    it.pager().run(ref)
    assert it.mail.news == it.teams.news == ["still_held"]
    assert f"{FIRST} has it since" in it.mail.sent[0].text
    assert f"{FIRST}: please tell" in it.mail.sent[0].text
    it.clock.move(minutes=3)
    give_update(it.store, it.clock, ref, FIRST, WORDS)
    again = it.pager().run(ref)
    assert again == it.paging(ref).update.at + it.rules.update, "the interval begins anew with what a person says"
    it.clock.now = again
    it.pager().run(ref)
    assert it.mail.news == ["still_held", "update", "still_held"]
    assert "The last word is of" in it.mail.sent[-1].text


def test_while_nobody_has_it_an_update_goes_out_and_calling_goes_on(it: Emergency) -> None:
    ref = it.raised(case=REF, new_case=None)
    pager = it.pager(start=lambda _: None)
    pager.step(ref)
    give_update(it.store, it.clock, ref, "front line", WORDS)
    it.rules = it.rules.__class__(message=timedelta(seconds=1))
    it.clock.move(minutes=2)
    it.phones.script = {name: ["1"] for name in (FIRST,)}
    it.pager().step(ref)
    assert "update" in it.mail.news
    assert it.phones.called, "people are called all the same"


@pytest.mark.parametrize("words", ["", "  ", "...", "ok", "x" * 20, "word " * LONGEST])
def test_an_update_that_says_nothing_or_too_much_is_refused_with_the_next_action(it: Emergency, words: str) -> None:
    ref = taken(it)
    with pytest.raises(BadInput) as refused:
        give_update(it.store, it.clock, ref, FIRST, words)
    assert refused.value.next_action
    assert it.paging(ref).update is None


def test_of_what_is_over_nobody_gives_an_update(it: Emergency) -> None:
    ref = taken(it)
    end_emergency(it.store, it.clock, ref, FIRST, "the server was restarted")
    with pytest.raises(NotAllowed, match="is over: the server was restarted"):
        give_update(it.store, it.clock, ref, FIRST, WORDS)
