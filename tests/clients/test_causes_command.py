"""`caseproof causes` and `caseproof case correct`: what operators chose is listed, undone, corrected and offered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from caseproof.checks.causes import classify
from caseproof.config.policy_check import Signature
from caseproof.config.settings import Settings
from caseproof.domain.forms import CauseChoice
from caseproof.domain.job_failure.cause import owes_correction
from caseproof.domain.job_failure.kinds import Kind
from caseproof.procedure.core.causes import await_cause, choose_cause
from caseproof.procedure.core.services import Services, bootstrap
from tests.support.command import Run

MESSAGE = "HTTP 422: the basket 4711 of db-1.shops.example.com could not be booked (see /var/log/shop/1.log)"


@pytest.fixture
def services(home: Path) -> Services:
    return bootstrap(Settings(home=home))


def opened(services: Services, job: str = "offers/a", **more: Any) -> str:
    """A case that was stopped, whose cause nobody knows."""
    told = {"job_name": job, "retailer": "Shop A", "summary": MESSAGE, "how": "a test", "scope": "job"} | more
    event = services.ledger.event(Kind.OPENED, platform="jobs", job=job, cause="unknown", **told)
    with services.store.uow() as uow:
        ref = uow.cases.create(event).ref
        uow.commit()
    services.ledger.record(ref, Kind.CANNOT_STOP, why="It runs elsewhere.", who_can="their host")
    await_cause(services.ledger, services.policy.keeper, ref)
    return ref


def chosen(services: Services, **more: Any) -> str:
    ref = opened(services, **more)
    choose_cause(services.ledger, services.policy.team, ref, CauseChoice.SYNC, by="operator")
    return ref


def test_what_was_chosen_is_listed_with_by_whom_and_when_and_how_many_cases_had_it(services, run: Run) -> None:
    assert "Chosen causes" in run("causes").out
    ref = chosen(services)
    listed = run("causes").out
    assert "sync" in listed
    assert f"chosen by operator on {services.clock():%Y-%m-%d} ({ref})" in listed
    [one] = run("causes", "--json").json
    assert (one["cause"], one["chosen_by"], one["used"], one["ref"]) == ("sync", "operator", 1, ref)
    assert one["words"].startswith("http 422 http …: the basket … of … could not be booked")


def test_a_choice_is_undone_once_and_cases_keep_what_they_have(services, run: Run) -> None:
    ref = chosen(services)
    told = run("causes", "undo", 1, "--by", "team lead")
    assert (told.code, "holds no more" in told.out) == (0, True)
    assert run("causes", "--json").json == []
    assert run("causes", "--all", "--json").json[0]["undone_by"] == "team lead"
    assert services.ledger.case(ref).facts["cause"] == "sync"
    again = run("causes", "undo", 1, "--by", "operator")
    assert (again.code, "undone by team lead" in again.err, "caseproof causes" in again.err) == (1, True, True)
    unknown = run("causes", "undo", 9, "--by", "operator")
    assert (unknown.code, "There is no chosen cause 9" in unknown.err) == (1, True)


def test_a_choice_is_offered_as_a_signature_that_fits_its_message_and_others_like_it(services, run: Run) -> None:
    chosen(services)
    told = run("causes", "signature", 1, "--name", "a basket is not booked")
    [raw] = yaml.safe_load(told.out)
    signature = Signature.model_validate(raw)
    other = MESSAGE.replace("4711", "12").replace("db-1", "db-77")
    assert classify([MESSAGE, other, "HTTP 503: something else"], [signature]) == [signature.name] * 2 + [""]
    assert (signature.cause, signature.http) == ("sync", (422,))
    assert "does not fit" not in told.out


@pytest.mark.parametrize(
    "message",
    [
        "something broke", "KeyError: 'sku-4711' (in row 17) [a+b]*", "a\n\nbasket  of 12 and\tmore",
        "50% of 'x' is gone for good",
        "Flow run encountered an exception: Oops: the thing 17 is (not) there?", "x" * 900 + " 12 " + "y" * 900,
    ],
)  # fmt: skip
def test_the_signature_of_whatever_message_fits_it(services, run: Run, message: str) -> None:
    chosen(services, summary=message)
    told = run("causes", "signature", 1)
    assert told.code == 0
    assert "does not fit" not in told.out
    assert classify([message], [Signature.model_validate(yaml.safe_load(told.out)[0])]) != [""]


def test_a_cause_is_corrected_in_its_case_in_those_with_the_same_choice_and_in_what_is_remembered(
    services, run: Run
) -> None:
    ref, other = opened(services), opened(services, "offers/b")
    choose_cause(services.ledger, services.policy.team, ref, CauseChoice.SYNC, by="operator")
    services.ledger.record(
        ref, Kind.NOTICE_SENT, message_id="<n@example.com>", accepted=["a@example.com"], evidence="ab" * 32,
        cause="sync", asks=True,
    )  # fmt: skip
    told = run("case", "correct", ref, "--cause", "our_platform", "--by", "team lead")
    assert told.code == 0, told.err
    assert f"The cause of {ref} and 1 more with the same choice is our platform" in told.out
    assert "1 of them told their retailer another cause: it is corrected by mail once" in told.out
    assert [services.ledger.case(one).facts["cause"] for one in (ref, other)] == ["our_platform"] * 2
    assert [owes_correction(services.ledger.case(one)) for one in (ref, other)] == [True, False]
    assert [one["cause"] for one in run("causes", "--json").json] == ["our_platform"]
    shown = run("case", "show", ref)
    assert "Cause: our platform, chosen by team lead on" in shown.out
    assert run("case", "show", ref, "--json").json["cause_chosen"]["by"] == "team lead"


def test_a_correction_that_cannot_be_is_refused_with_what_may_be_said(services, run: Run) -> None:
    ref = chosen(services)
    same = run("case", "correct", ref, "--cause", "sync", "--by", "operator")
    assert (same.code, f"The cause of {ref} is sync already" in same.err) == (1, True)
    nonsense = run("case", "correct", ref, "--cause", "weather", "--by", "operator")
    assert (nonsense.code, "Choose one of expired_token" in nonsense.err) == (1, True)


@pytest.mark.parametrize("what", [("case", "correct", "JF-000001", "--cause", "feed"), ("causes", "undo", 1)])
def test_only_a_member_of_the_team_corrects_or_undoes_and_says_who_it_is(services, run: Run, what: Any) -> None:
    ref = chosen(services)
    nobody = run(*what)
    assert (nobody.code, "--by" in nobody.err) == (2, True)
    stranger = run(*what, "--by", "a stranger")
    assert (stranger.code, "a stranger is not on the team list" in stranger.err) == (1, True)
    assert "operator, team lead" in stranger.err
    assert services.ledger.case(ref).facts["cause"] == "sync"
    assert run(*what, "--by", "Team Lead").code == 0
