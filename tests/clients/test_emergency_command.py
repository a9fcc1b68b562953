"""`caseproof emergency`: it refuses with all that is missing, calls at once, and says who has it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from caseproof.cli.emergency import ShownTries
from caseproof.config.clock import utc_now
from caseproof.config.paging import watch_lock
from caseproof.domain.emergency.paging import paging_of
from caseproof.domain.emergency.payloads import ProbeLooked
from caseproof.domain.emergency.raising import Raising, ShortCase, Sighting
from caseproof.domain.emergency.vocabulary import Criterion, OwnLadder, Via
from caseproof.procedure.core.services import bootstrap
from caseproof.procedure.escalation.opening import short_case_opener
from caseproof.procedure.paging.answering import Answer, acknowledge
from caseproof.procedure.paging.installed import look_beside, parts_of, watch_of
from caseproof.procedure.paging.ports import raise_by
from caseproof.procedure.paging.raising import standing
from caseproof.procedure.paging.watch import going_on
from caseproof.store import locks
from tests.support.command import Run

PERSON = "first on call"
RAISED = (
    "emergency", "--site", "shop.example.com", "--down", "store_down", "--down", "payments_down",
    "--seen", "The page says 500.", "--client", "Shop A", "--said", "Nobody can order.",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _listed(home: Path) -> None:
    """A home whose policy has somebody to call."""
    home.mkdir(parents=True, exist_ok=True)
    people = [{"name": PERSON, "mobile": "+442079460001"}]
    policy = {"team": ["operator", "team lead"], "on_call": {"people": people}}
    (home / "policy.yaml").write_text(yaml.safe_dump(policy))


def somebody_takes_it(ref: str, until: Callable[[], bool] = lambda: True) -> threading.Thread:
    """By their link, once they are called."""

    def take() -> None:
        services, ends = bootstrap(), time.monotonic() + 60
        while time.monotonic() < ends:
            if ref in going_on(services.store) and until():
                paging = paging_of(services.ledger.case(ref))
                if paging is not None and paging.calls:
                    answer = Answer(paging.number, PERSON, Via.LINK)
                    acknowledge(services.store, utc_now, services.policy.paging.rules, ref, answer)
                    return
            time.sleep(0.05)

    thread = threading.Thread(target=take, daemon=True)
    thread.start()
    return thread


def test_without_what_is_needed_it_says_all_that_is_missing_and_calls_nobody(run: Run) -> None:
    ended = run("emergency", "--down", "terminals_fail")
    assert ended.code == 1
    for rule in ("E9: there is no case", "E7: the site is not named", "E7: it is not said how many"):
        assert rule in ended.err
    assert going_on(bootstrap().store) == []


def test_it_calls_at_once_without_prefect_and_says_who_has_it(run: Run) -> None:
    somebody_takes_it("SC-000001")
    ended = run(*RAISED)
    assert ended.code == 0, ended.err
    assert f"call {PERSON}: not set up (There is no voice account." in ended.out, "each try tells what came of it"
    assert "SC-000001: NOBODY IS REACHED: neither mail nor Teams nor telephone is set up." in ended.out
    assert f"Next: Call people yourself, now: {PERSON} +442079460001. `caseproof oncall` says" in ended.out
    assert "people are called" not in ended.out, "for nobody is"
    assert f"{PERSON} has SC-000001 until" in ended.out
    assert "E9: Nobody said whether your own ladder" in ended.out, "advised, and never blocking"


def test_each_try_is_shown_with_the_time_at_which_it_was_and_the_key_that_was_pressed(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    somebody_takes_it("SC-000001")
    run(*RAISED)
    paging = standing(bootstrap().ledger.case("SC-000001"))
    long_ago = [
        replace(one, begun=one.begun - timedelta(hours=3), ended=one.ended and one.ended - timedelta(hours=3))
        for one in paging.attempts
    ]
    called = next(one for one in long_ago if one.person)
    ShownTries().show(replace(paging, attempts=long_ago, pressed={called.number: ("7", "1")}))
    shown = capsys.readouterr().out
    assert [line.split()[0] for line in shown.splitlines()] == [
        f"{(one.ended or one.begun).astimezone():%H:%M:%S}" for one in long_ago
    ]
    assert ", pressed 7, pressed 1 (" in shown


def test_for_a_program_it_prints_each_try(run: Run) -> None:
    somebody_takes_it("SC-000001")
    told = run(*RAISED, "--json").json
    assert (told["case"], told["holder"], told["over"]) == ("SC-000001", PERSON, False)
    assert {one["channel"] for one in told["tries"]} == {"mail", "teams", "call"}


def test_somebody_takes_it_gives_it_back_and_ends_it_by_the_command(run: Run) -> None:
    somebody_takes_it("SC-000001")
    run(*RAISED)
    second = run("emergency", "take", "SC-000001", "--by", "operator")
    assert second.code == 1
    assert f"{PERSON} has it already" in second.err
    assert run("emergency", "back", "SC-000001", "--by", PERSON).code == 0
    assert run("emergency", "take", "sc-000001", "--by", "operator", "--json").json["holder"] == "operator"
    assert run("emergency", "team", "SC-000001", "--by", "operator", "--json").json["whole_team"] is True
    told = ("emergency", "update", "SC-000001", "--by", "operator", "--words")
    assert run(*told, "...").code == 1, "it says nothing"
    assert run(*told, "The database is being restored.", "--json").json["holder"] == "operator"
    assert "Told those who wait: The database is being restored." in run("case", "show", "SC-000001").out
    assert run("emergency", "end", "SC-000001", "--by", "operator").code == 2, "it is said why"
    ended = run("emergency", "end", "SC-000001", "--by", "operator", "--why", "The server was restarted.")
    assert "it is over. The server was restarted." in ended.out
    assert run("emergency", "show", "SC-000001", "--json").json["over"] is True
    stranger = run("emergency", "take", "SC-000001", "--by", "somebody")
    assert stranger.code == 1
    assert "not on the team list" in stranger.err


def test_where_a_pager_runs_nobody_else_looks_at_the_site_who_may_end_before_it_was_seen(home: Path) -> None:
    def looking() -> int:
        return sum(one.name == "looks at sites" for one in threading.enumerate())

    services, before = bootstrap(), looking()
    locks.hold(watch_lock(home))
    look_beside(services, "SC-000001")
    assert looking() == before
    locks.let_go(watch_lock(home))
    look_beside(services, "SC-000001")
    assert looking() == before + 1


def test_the_pager_has_the_site_and_the_web_ecm_of_the_policy_looked_at_without_prefect(home: Path) -> None:
    said = yaml.safe_load((home / "policy.yaml").read_text()) | {"paging": {"web_ecm": ["http://127.0.0.1:9/ecm"]}}
    (home / "policy.yaml").write_text(yaml.safe_dump(said))
    services = bootstrap()
    raising = Raising(
        site="http://10.0.0.1", sightings=(Sighting(Criterion.ECM_DOWN, "503"),), since=None, tried="",
        own_ladder=OwnLadder.USED, new_case=ShortCase("Shop A", "Nobody gets in."),
    )  # fmt: skip
    opener = short_case_opener(services.ledger, services.files, services.policy)
    ref = raise_by(parts_of(services), raising, "operator", opener).ref
    watch_of(services, print).look()
    ends = time.monotonic() + 60
    while not (looked := services.ledger.case(ref).all_of(ProbeLooked)):
        assert time.monotonic() < ends, "nobody looked"
        time.sleep(0.1)
    assert "home page: not looked at" in looked[0].data["found"], "an inner address that the team did not name"
    assert "web ECM 1: cannot be reached" in looked[0].data["found"]
