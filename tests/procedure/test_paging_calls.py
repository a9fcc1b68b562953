"""What a telephone provider tells under a call's own address: written once, and by nobody else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caseproof.channels.voice.progress import CallBack, CallState
from caseproof.domain.emergency.vocabulary import Outcome, Press
from caseproof.evidence.signing import BadLink
from caseproof.procedure.paging.by_link import Keys
from caseproof.procedure.paging.calls import KEY, CallKey, call_key, call_of, note, read_call_key
from tests.support.paged import FIRST, SECOND, Emergency, pressed

SECRET, OLD = b"s" * 32, b"o" * 32
KEYS = Keys(SECRET, [OLD])
SID = "CA" + "1" * 32


@pytest.fixture
def it(tmp_path: Path) -> Iterator[Emergency]:
    emergency = Emergency(tmp_path)
    yield emergency
    emergency.store.close()


def told(state: CallState | None = None, answered_by: str = "", sid: str = SID) -> CallBack:
    return CallBack(sid, "AC" + "1" * 32, state, answered_by=answered_by)


def calling(it: Emergency) -> tuple[str, CallKey]:
    """An emergency whose first person is called, and nothing is known of it yet."""
    ref = it.raised()
    it.pager(start=lambda _: None).step(ref)
    (call,) = it.paging(ref).calls
    return ref, CallKey(ref, 1, call.number)


@given(st.sampled_from(["SC-000001", "JF-1234567"]), st.integers(1, 99), st.integers(1, 99_999))
def test_a_key_says_which_call_it_is_of_and_looks_like_one(ref: str, emergency: int, attempt: int) -> None:
    call = CallKey(ref, emergency, attempt)
    key = call_key(SECRET, call)
    assert KEY.fullmatch(key)
    assert read_call_key(KEYS, key) == call
    assert read_call_key(KEYS, call_key(OLD, call)) == call, "a call under way is heard while the key is changed"


@given(st.text(max_size=80) | st.from_regex(KEY, fullmatch=True))
def test_a_key_that_was_not_made_here_is_no_call(text: str) -> None:
    with pytest.raises(BadLink):
        read_call_key(KEYS, text)


def test_no_letter_of_a_key_can_be_another() -> None:
    key = call_key(SECRET, CallKey("SC-000001", 1, 3))
    for place, letter in enumerate(key[:-1]):
        with pytest.raises(BadLink):
            read_call_key(KEYS, key[:place] + ("A" if letter != "A" else "B") + key[place + 1 :])
    with pytest.raises(BadLink):
        read_call_key(KEYS, call_key(b"n" * 32, CallKey("SC-000001", 1, 3)))


@pytest.mark.parametrize(
    ("state", "outcome"),
    [
        (CallState.COMPLETED, Outcome.ANSWERED), (CallState.BUSY, Outcome.BUSY), (CallState.FAILED, Outcome.FAILED),
        (CallState.NO_ANSWER, Outcome.NO_ANSWER),
    ],
)  # fmt: skip
def test_the_end_of_a_call_is_written_once_however_often_it_is_told(
    it: Emergency, state: CallState, outcome: Outcome
) -> None:
    ref, key = calling(it)
    for one in (CallState.RINGING, state, state, CallState.ANSWERED, CallState.BUSY):
        known = note(it.store, it.clock, key, told(one))
    (call,) = it.paging(ref).calls
    assert (call.outcome, call.provider) == (outcome, SID)
    assert known is not None
    assert known.has_ended
    assert sum(event.kind == "page_ended" for event in it.case(ref).events) == 1


def test_a_machine_ends_the_waiting_and_no_call_that_is_cancelled_says_anything(it: Emergency) -> None:
    ref, key = calling(it)
    note(it.store, it.clock, key, told(CallState.CANCELED))
    assert it.paging(ref).ringing, "whoever ended it says why"
    known = note(it.store, it.clock, key, told(answered_by="machine_start"))
    assert it.paging(ref).calls[0].outcome is Outcome.MACHINE
    assert known is not None
    assert not known.has_ended, "it speaks yet, and a digit in it counts"
    it.pager(start=lambda _: None).step(ref)
    assert [one.person for one in it.paging(ref).ringing] == [SECOND]


def test_what_is_told_of_a_call_that_never_was_or_of_an_earlier_emergency_changes_nothing(it: Emergency) -> None:
    ref, key = calling(it)
    before = it.case(ref).version
    others = (CallKey("EP-000099", 1, 3), CallKey(ref, 2, key.attempt), CallKey(ref, 1, 99), CallKey(ref, 1, 1))
    for other in (one for one in others if one != key):
        assert note(it.store, it.clock, other, told(CallState.COMPLETED)) is None
        assert call_of(it.store, it.clock, other) is None
    assert it.case(ref).version == before


def test_a_call_is_known_with_whom_it_is_to_what_was_pressed_and_who_has_it(it: Emergency) -> None:
    ref, key = calling(it)
    known = call_of(it.store, it.clock, key)
    assert known is not None
    assert (known.person, known.chosen, known.holder, known.over) == (FIRST, None, "", False)
    assert (known.alert.ref, known.alert.problem) == (ref, "online ordering is down")
    pressed(it, ref, key.attempt, "7")
    pressed(it, ref, key.attempt, "1")
    known = call_of(it.store, it.clock, key)
    assert known is not None
    assert (known.chosen, known.holder) == (Press.HAVE_IT, FIRST)
