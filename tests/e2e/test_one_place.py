"""A case that waits is closed in one place: by the web app alone, or by either of Prefect's interfaces alone.

Each click is counted. Closing after the retailer's change and a removal in the web app: test_closing_a_case.py.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from caseproof.domain.forms import AccountDecision, RetailersWord, Review, Verdict, Word
from caseproof.domain.job_failure.lifecycle import State
from caseproof.domain.vocabulary import BY_LOGIN, Decision
from sandbox.world import World
from tests.support.at_the_screen import (
    NewerPrefect,
    OlderPrefect,
    at_prefect,
    at_the_web_app,
    browser_here,
    people_with_passwords,
)
from tests.support.own_job import OwnJob, deploy

pytestmark = [pytest.mark.e2e, pytest.mark.full, pytest.mark.timeout(900)]


def waiting(world: World, name: str) -> tuple[OwnJob, str]:
    """A job whose fault is ours and mended, and its case, which waits."""
    job = deploy(world, name)
    ref = job.open_case("--cause", "sync")
    world.await_question(ref, "retailers-word")
    job.mend()
    return job, ref


def test_a_case_closes_after_our_fix_in_the_web_app_alone_with_few_clicks(world: World) -> None:
    people_with_passwords(world)
    _, ref = waiting(world, "by-the-web-app")
    with world.listening(), browser_here() as browser:
        operator, lead = (at_the_web_app(world, browser, name) for name in ("operator", "team lead"))
        operator.take(ref)
        operator.answer(RetailersWord, Word.WITHOUT)
        operator.await_form(AccountDecision)
        operator.answer(AccountDecision, Decision.AFTER_FIX, reason="The fault was ours.")
        operator.await_form(Review)
        lead.take(ref)
        lead.answer(Review, Verdict.APPROVE)
        lead.await_end()
        took = operator.done + lead.done
    assert (took.clicks, took.texts) == (10, 1), "at most 12 and 3"
    case = world.services.ledger.case(ref)
    assert case.is_closed
    assert case.decision.data["known_by"] == case.review.data["known_by"] == BY_LOGIN


def test_a_case_is_kept_paused_in_the_web_app_alone_and_stays_open_with_its_date(world: World) -> None:
    people_with_passwords(world)
    _, ref = waiting(world, "resting")
    until = (datetime.now(UTC) + timedelta(days=14)).date().isoformat()
    with world.listening(), browser_here() as browser:
        operator = at_the_web_app(world, browser, "operator")
        operator.take(ref)
        operator.answer(RetailersWord, Word.WITHOUT)
        operator.await_form(AccountDecision)
        operator.answer(AccountDecision, Decision.KEEP_PAUSED, reason="Holidays.", paused_until=until)
        world.await_question(ref, "decision", after=2)
        assert (operator.done.clicks, operator.done.texts) == (8, 2)
        operator.page.goto(f"{world.web_url}/?waits=time")
        assert until in operator.page.locator(".worklist tbody tr").filter(has_text=ref).inner_text()
    case = world.services.ledger.case(ref)
    assert (case.state, case.is_closed) == (State.PAUSED, False)
    assert str(case.paused_until) == until


@pytest.mark.parametrize(
    ("kind", "clicks"), [(OlderPrefect, 22), (NewerPrefect, 25)], ids=["the older one", "the newer one"]
)
def test_a_case_closes_in_one_of_prefects_interfaces_alone(world: World, kind: type[OlderPrefect], clicks: int) -> None:
    _, ref = waiting(world, kind.__name__.lower())
    with browser_here() as browser:
        operator, lead = (at_prefect(kind, world, browser, name) for name in ("operator", "team lead"))
        operator.take(ref)
        operator.answer(RetailersWord, Word.WITHOUT)
        world.await_question(ref, "decision")
        operator.take(ref)
        operator.answer(AccountDecision, Decision.AFTER_FIX, reason="The fault was ours.")
        world.await_question(ref, "review")
        lead.take(ref)
        lead.answer(Review, Verdict.APPROVE)
        case = world.await_case(ref, "closed", lambda case: case.is_closed)
        took = operator.done + lead.done
    assert (took.clicks, took.texts) == (clicks, 1)
    assert (case.decision.actor, case.review.actor) == ("operator", "team lead")
