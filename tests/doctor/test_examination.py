"""How checks are run: each in its time, none that would blame something that is well, and no secret of a broken one."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import httpx
import pytest

from caseproof.desks.base import DeskProbe
from caseproof.doctor import outside
from caseproof.doctor.clocks import Clocks
from caseproof.doctor.examination import Examination, Failed, Outcome, Skipped
from caseproof.platforms.base import PlatformRefused, Probe
from caseproof.platforms.prefect import PrefectJobsClient

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
WAIT = timedelta(milliseconds=200)


def fails() -> str:
    raise Failed("It is broken.", "Mend it.")


def test_a_check_that_hangs_is_given_up_and_the_others_are_made() -> None:
    forever, started = threading.Event(), time.monotonic()
    with Examination() as examination:
        hanging = examination.start("hangs", lambda: str(forever.wait()), seconds=0.1)
        examination.start("needs it", lambda: "x", after=[hanging])
        examination.start("is well", lambda: "fine")
        findings = examination.findings()
    forever.set()
    assert time.monotonic() - started < 60
    assert [one.outcome for one in findings] == [Outcome.FAILED, Outcome.NOT_CHECKED, Outcome.OK]
    assert findings[0].found == "It gave no answer within 0.1 s."


def test_a_check_behind_a_failed_one_names_the_first_culprit_and_is_not_made() -> None:
    made: list[str] = []
    with Examination() as examination:
        first = examination.start("first", fails)
        second = examination.start("second", lambda: "x", after=[first])
        examination.start("third", lambda: made.append("third") or "x", after=[second])
        findings = examination.findings()
    assert [one.culprit for one in findings] == ["first", "first", "first"]
    assert findings[2].found == "not checked, because 'first' is not well"
    assert not any(one.ok for one in findings)
    assert made == []


def test_more_checks_that_wait_than_threads_do_not_wait_for_ever() -> None:
    with Examination() as examination:
        before = examination.start("0", lambda: "fine")
        for number in range(1, 40):
            before = examination.start(str(number), lambda: "fine", after=[before])
        assert all(one.ok for one in examination.findings())


def test_what_there_is_nothing_to_check_for_is_nobodys_fault() -> None:
    def nothing() -> str:
        raise Skipped("there is nothing")

    with Examination() as examination:
        examination.start("skipped", nothing)
        (finding,) = examination.findings()
    assert (finding.outcome, finding.culprit) == (Outcome.NOT_CHECKED, "")
    assert finding.found == "not checked, because there is nothing"


def test_a_check_that_breaks_is_a_finding_and_its_text_is_not_shown() -> None:
    def breaks() -> str:
        raise ValueError("postgresql://cases:hunter2@127.0.0.1")

    def cannot_load() -> str:
        raise ImportError("No module named 'prefect'")

    with Examination() as examination:
        examination.start("breaks", breaks)
        examination.start("cannot load", cannot_load)
        broken, missing = examination.findings()
    assert broken.found == "The check itself broke (ValueError)."
    assert "No module named 'prefect'" in missing.found
    assert "requirements.lock" in missing.next_action


# -- clocks ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [-5, -3, 0, 3, 5])
def test_a_clock_that_is_a_few_seconds_off_is_well(seconds: int) -> None:
    clocks = Clocks()
    clocks.note("the desk", NOON, NOON + timedelta(seconds=seconds), NOON + WAIT)
    assert "the desk" in clocks.compare()


@pytest.mark.parametrize(("seconds", "told"), [(-8, "7 s behind"), (7, "7 s ahead of")])
def test_a_clock_that_is_off_by_more_is_named(seconds: int, told: str) -> None:
    clocks = Clocks()
    clocks.note("the desk", NOON, NOON + timedelta(seconds=seconds), NOON + WAIT)
    clocks.note("the shop", NOON, NOON, NOON + WAIT)
    with pytest.raises(Failed, match=f"the desk is {told} this machine's clock") as off:
        clocks.compare()
    assert "the shop" not in off.value.problem


def test_a_slow_answer_is_no_wrong_clock() -> None:
    clocks = Clocks()
    clocks.note("the desk", NOON, NOON + timedelta(seconds=20), NOON + timedelta(seconds=30))
    assert "the desk" in clocks.compare()


def test_where_no_clock_tells_its_time_nothing_is_compared() -> None:
    clocks = Clocks()
    clocks.note("the desk", NOON, None, NOON)
    with pytest.raises(Skipped):
        clocks.compare()


# -- what a platform tells ------------------------------------------------------------------------------------------


def jobs(answer: httpx.Response) -> PrefectJobsClient:
    address = "http://jobs.example.com"
    return PrefectJobsClient(f"{address}/api", address, transport=httpx.MockTransport(lambda _: answer))


def test_a_platform_tells_how_many_jobs_it_has_and_what_time_it_is() -> None:
    answer = httpx.Response(200, json=12, headers={"Date": "Fri, 20 Nov 2026 12:00:00 GMT"})
    probed = jobs(answer).probe()
    assert (probed.found, probed.clock) == ("http://jobs.example.com/api has 12 deployments", NOON)


def test_a_platform_whose_address_leads_elsewhere_is_refused() -> None:
    with pytest.raises(PlatformRefused, match="something that is not the Prefect API"):
        jobs(httpx.Response(404)).probe()


# -- what our account may do there -----------------------------------------------------------------------------------


class Tells:
    """A platform or a desk, of which only the probe is asked."""

    def __init__(self, probed: Any) -> None:
        self.probed = probed

    def probe(self) -> Any:
        return self.probed


def test_a_platform_or_desk_that_answers_and_lets_us_do_too_little_is_not_well() -> None:
    """The sentence is the client's own, with what to do about it; what lacks nothing is well."""
    may_not = "The key may not pause jobs: give it the role Operator."
    for lacks in ((), (may_not,)):
        platform = Tells(Probe("it has 3 jobs", NOON, lacks))
        desk = Tells(DeskProbe("it has 2 queues", None, lacks))
        looks = (
            partial(outside.platform, "shops", partial(lambda one: one, platform), Clocks()),
            partial(outside.desk, "tickets", partial(lambda one: one, desk), Clocks()),
        )
        for look, found in zip(looks, ("'shops': it has 3 jobs", "'tickets': it has 2 queues"), strict=True):
            if not lacks:
                assert look() == found
                continue
            with pytest.raises(Failed) as failed:
                look()
            assert may_not in failed.value.problem
            assert found[1:6] in failed.value.problem
            assert "rights" in failed.value.next_action


def test_the_clock_of_a_desk_is_compared_as_a_platforms_is() -> None:
    clocks, desk = Clocks(), Tells(DeskProbe("it has 2 queues", datetime.now(UTC) - timedelta(hours=2)))
    outside.desk("tickets", lambda: desk, clocks)
    with pytest.raises(Failed, match="desk 'tickets'"):
        clocks.compare()
