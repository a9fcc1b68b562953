"""When a case is looked at next: a pure function of its row, the policy and the time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caseproof.config.policy_check import KeeperPolicy
from caseproof.domain.job_failure.lifecycle import State
from caseproof.procedure.keeper.schedule import IDLE, SOON, Due, due_actions, next_look
from caseproof.store import CaseRow

NOW = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
LAST = [(Due.TELL, 7 * DAY), (Due.KEEP_PAUSED, 14 * DAY)]
POLICY = KeeperPolicy()

ROW = CaseRow(
    id=1, ref="JF-000001", state=State.WAITING, version=9, opening=1, platform="jobs", job="offers/a",
    job_name="offers/a", retailer="Shop A", marketplace="North", cause="expired_token", opened_at=NOW, updated_at=NOW,
    closed_at=None, flow_run="run", generation=1, paused_until=None, last_opened_at=NOW, asked_form="retailers-word",
    asked_at=NOW, has_news=False, notice_at=NOW, reminders=0, nudges=0, trouble="", incident="", ticket_closed=False,
    due_at=NOW, crashes=0, rest_until=None, rest_why="",
)  # fmt: skip


def what_comes(row: CaseRow, policy: KeeperPolicy = POLICY) -> list[tuple[Due, timedelta]]:
    return [(one.what, one.at - NOW) for one in due_actions(row, policy)]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, [(Due.REMIND, 2 * DAY), *LAST]),
        ({"reminders": 1}, [(Due.REMIND, 5 * DAY), *LAST]),
        ({"reminders": 2}, LAST),
        ({"reminders": 2, "nudges": 1}, [(Due.TELL, 21 * DAY), (Due.KEEP_PAUSED, 14 * DAY)]),
        ({"reminders": 2, "asked_at": NOW + 6 * DAY}, LAST),
        ({"reminders": 2, "asked_at": NOW + 8 * DAY}, [(Due.TELL, 22 * DAY), (Due.KEEP_PAUSED, 14 * DAY)]),
        ({"notice_at": None}, [(Due.TELL, 8 * HOUR)]),
        ({"cause": "our_platform"}, [(Due.TELL, 8 * HOUR)]),
        ({"incident": "IN-000001"}, [(Due.TELL, 8 * HOUR)]),
        ({"asked_form": "decision"}, [(Due.TELL, 8 * HOUR)]),
        ({"asked_form": "review", "state": State.VERIFIED, "nudges": 1}, [(Due.TELL, 24 * HOUR)]),
        ({"asked_form": "decision", "nudges": 3}, [(Due.TELL, 17 * DAY)]),
        ({"asked_form": "decision", "has_news": True}, [(Due.WAKE, timedelta()), (Due.TELL, 8 * HOUR)]),
        ({"asked_form": "try-again"}, []),
        ({"asked_form": "try-again", "state": State.RUNNING}, [(Due.READ_THE_RUN, timedelta())]),
        ({"asked_form": "", "asked_at": None}, [(Due.GIVE_A_RUN, timedelta())]),
        (
            {"asked_form": "", "asked_at": None, "has_news": True},  # answered on its page
            [(Due.WAKE, timedelta()), (Due.GIVE_A_RUN, timedelta())],
        ),
        ({"rest_until": NOW + HOUR}, [(Due.GIVE_A_RUN, HOUR)]),
        (
            {"asked_form": "decision", "state": State.PAUSED, "paused_until": date(2026, 11, 22)},
            [(Due.WAKE, 40 * HOUR), (Due.TELL, 40 * HOUR)],
        ),
        (
            {"state": State.PAUSED, "paused_until": date(2026, 11, 22), "notice_at": None},
            [(Due.TELL, 8 * HOUR)],
        ),
        ({"closed_at": NOW}, []),
    ],
)  # fmt: skip
def test_what_time_asks_for(changes: dict[str, object], expected: list[tuple[Due, timedelta]]) -> None:
    assert what_comes(replace(ROW, **changes)) == expected  # type: ignore[arg-type]


def test_no_reminders_and_no_nudges_in_the_policy_leave_the_follow_ups() -> None:
    quiet = KeeperPolicy(remind_after_days=(), nudge_after_hours=(), follow_up_days=3)
    assert what_comes(ROW, quiet) == LAST
    assert what_comes(replace(ROW, asked_form="decision", nudges=1), quiet) == [(Due.TELL, 6 * DAY)]


def test_what_the_team_is_told_says_since_when_how_often_and_what_comes_then() -> None:
    about = {one.what: one.about for one in due_actions(replace(ROW, reminders=2), POLICY)}
    assert about[Due.TELL] == (
        "the retailer has not answered since 2026-11-20, reminded 2 times: call them, or decide without their word; "
        "else the account stays paused"
    )
    assert about[Due.KEEP_PAUSED] == about[Due.TELL]
    (wrote,) = due_actions(replace(ROW, notice_at=None), POLICY)
    assert "the retailer wrote: read it" in wrote.about


def test_a_pause_that_waits_for_something_is_tried_ever_more_seldom() -> None:
    told = replace(ROW, reminders=2, nudges=2)
    for late, pause in ((0, 10), (60, 10), (600, 60)):
        now = NOW + 14 * DAY + timedelta(minutes=late)
        assert next_look(told, POLICY, now) == now + timedelta(minutes=pause)


def test_a_closed_case_is_looked_at_no_more() -> None:
    assert next_look(replace(ROW, closed_at=NOW), POLICY, NOW) is None


def test_what_is_due_and_was_not_done_is_tried_again_soon() -> None:
    asked = replace(ROW, asked_form="decision", has_news=True)
    assert next_look(asked, POLICY, NOW) == NOW + SOON
    assert next_look(replace(asked, has_news=False), POLICY, NOW + 9 * HOUR) == NOW + 9 * HOUR + SOON


_NAIVE = NOW.replace(tzinfo=None)
times = st.datetimes(_NAIVE - 400 * DAY, _NAIVE + 800 * DAY, timezones=st.just(UTC))
rows = st.builds(
    replace,
    st.just(ROW),
    asked_form=st.sampled_from(["", "retailers-word", "decision", "review", "try-again"]),
    state=st.sampled_from([one for one in State if one is not State.CLOSED]),
    has_news=st.booleans(),
    reminders=st.integers(0, 5),
    nudges=st.integers(0, 50),
    paused_until=st.none() | st.dates(date(2026, 1, 1), date(2027, 12, 31)),
    rest_until=st.none() | times,
)


def _policy(times: list[float], **more: Any) -> KeeperPolicy:
    """Each time is later than the ones before it, and the last two are the deadline and the pause."""
    *remind, answer, pause = sorted(times)
    return KeeperPolicy(
        remind_after_days=tuple(remind), answer_within_days=answer, keep_paused_after_days=pause, **more
    )


policies = st.builds(
    _policy,
    st.lists(st.floats(0.1, 365), min_size=2, max_size=6, unique=True),
    nudge_after_hours=st.sets(st.floats(0.1, 1000), max_size=4).map(sorted).map(tuple),
    follow_up_days=st.floats(0.1, 1000),
)


@given(row=rows, policy=policies, now=times)
def test_an_open_case_is_always_looked_at_again_later_than_now_and_within_a_day(
    row: CaseRow, policy: KeeperPolicy, now: datetime
) -> None:
    """Whatever the row, the policy and the clock say: no case is lost, and none is looked at without end."""
    at = next_look(row, policy, now)
    assert at is not None
    assert now < at <= now + IDLE
    due = [one for one in due_actions(row, policy) if one.at <= at]
    assert at == now + IDLE or due, "something is due then"


@given(row=rows, policy=policies)
def test_a_telling_more_comes_later_than_the_one_before_it(row: CaseRow, policy: KeeperPolicy) -> None:
    tells = [
        [c.at for c in due_actions(replace(row, nudges=row.nudges + n), policy) if c.what is Due.TELL] for n in (0, 1)
    ]
    assert [len(one) for one in tells] in ([0, 0], [1, 1])
    assert all(first < second for first, second in zip(*tells, strict=True))
