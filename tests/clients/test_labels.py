"""What an operator scans: names and tags of runs, and the lines on their Logs tab, on a real Prefect server."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect import flow, tags, task
from prefect.settings import PREFECT_API_URL, temporary_settings

from caseproof.domain.case import Case
from caseproof.domain.forms import FORMS
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.specs import Logged
from caseproof.domain.vocabulary import Decision
from caseproof.platforms.base import PlatformDown
from caseproof.procedure.views.titles import about, stands
from sandbox.processes import PrefectServer, free_port
from sandbox.world import World
from tasks import common
from tasks.display.labels import label, label_removal
from tasks.display.logs import InWords, hide, line, speak_in_words, tell_how_far
from tasks.display.showing import announce
from tests.support.histories import REF, Plan, Teller, tell

WAITS = {
    "cause": "waits for the cause", "shared-cause": "waits for the cause, asked with another case",
    "retailers-word": "waits for the retailer's word",
    "agreement": "waits for somebody else to agree to the retailer's word", "decision": "waits for the decision",
    "review": "waits for the review", "try-again": "needs help: tell the retailer",
}  # fmt: skip


def asked(form: str) -> Teller:
    """A case that waits with this form."""
    teller = Teller()
    teller.open()
    if form == "try-again":
        teller.stop()
        teller.add(Kind.TROUBLE, step="tell the retailer", problem="Nobody to tell.", next_action="Register one.")
    else:
        teller.until_waiting(first=True)
    teller.add(Kind.QUESTION_ASKED, number=1, form=form, flow_run="a flow run")
    return teller


# -- names ----------------------------------------------------------------------------------------------------------


def test_a_run_is_named_by_its_case_whose_it_is_where_and_which_job() -> None:
    assert about(asked("decision").case) == f"{REF} · Shop A · North · Offers of shop A"


@pytest.mark.parametrize(
    ("job", "retailer", "marketplace", "name"),
    [
        ("marketplace-orders/garden-shop", "garden-shop", "bazaar", "garden-shop · bazaar · marketplace-orders"),
        ("catalog-sync/garden-shop", "garden-shop", None, "garden-shop · catalog-sync"),
        ("night/run", None, None, "no retailer · night/run"),
        ("garden-shop/bazaar", "garden-shop", "bazaar", "garden-shop · bazaar · garden-shop/bazaar"),
    ],
)
def test_what_stands_there_already_is_not_said_twice(
    job: str, retailer: str | None, marketplace: str | None, name: str
) -> None:
    teller = Teller()
    facts = {"platform": "p", "job": job, "cause": "feed", "summary": "It fails.", "how": "a test", "scope": "job"}
    teller.add(Kind.OPENED, job_name=job, retailer=retailer, marketplace=marketplace, **facts)
    assert about(teller.case) == f"{REF} · {name}"


@pytest.mark.parametrize("form", FORMS)
def test_a_run_that_waits_says_for_whom_until_it_is_answered(form: str) -> None:
    teller = asked(form)
    assert stands(teller.case) == WAITS[form]
    teller.add(Kind.QUESTION_ANSWERED, "operator", number=1, form=form, answer={"answered_by": "operator"})
    assert stands(teller.case) == "at work"


def test_a_case_that_is_kept_paused_says_until_when_and_a_closed_one_that_it_is_closed() -> None:
    teller = asked("retailers-word")
    teller.keep_paused()
    assert stands(teller.case) == f"kept paused until {teller.case.paused_until}"
    closed = Teller()
    for event in tell(Plan(decision=Decision.AFTER_FIX)):
        closed.add(event.kind, event.actor, **event.data)
    assert stands(closed.case) == "closed"


# -- what Prefect shows ---------------------------------------------------------------------------------------------


def labelled(server: PrefectServer, *cases: Case, by: Any = label) -> list[dict[str, Any]]:
    """The flow run as Prefect's API tells it after each label."""
    seen: list[dict[str, Any]] = []

    @flow(name="labelled")
    def carries() -> None:
        from prefect.runtime import flow_run

        for case in cases:
            by(case)
            seen.append(World.call(server, "GET", f"flow_runs/{flow_run.id}").json())

    with temporary_settings({PREFECT_API_URL: server.api_url}), tags("caseproof", "by-hand", "status:of yesterday"):
        carries()
    return seen


def test_the_tags_find_a_case_by_retailer_marketplace_cause_and_status_and_leave_others_alone(
    prefect_server: PrefectServer,
) -> None:
    waiting, same = asked("decision"), asked("decision")
    paused = asked("decision")
    paused.keep_paused()
    first, again, later = labelled(prefect_server, waiting.case, same.case, paused.case)
    about_it = {"caseproof", "by-hand", "retailer:Shop A", "marketplace:North", "cause:expired_token"}
    assert set(first["tags"]) == about_it | {"status:waiting"}
    assert first["name"] == f"{REF} · Shop A · North · Offers of shop A · waits for the decision"
    assert again["updated"] == first["updated"], "what has not changed costs no call"
    assert set(later["tags"]) == about_it | {"status:paused"}
    assert "kept paused until" in later["name"]


def test_a_removal_is_named_after_its_case_too(prefect_server: PrefectServer) -> None:
    (run,) = labelled(prefect_server, asked("decision").case, by=label_removal)
    assert run["name"] == f"{REF} · Shop A · North · Offers of shop A · removal"
    assert set(run["tags"]) == {"caseproof", "by-hand", "retailer:Shop A", "marketplace:North", "cause:expired_token"}


def test_not_even_a_label_comes_before_the_stop(
    prefect_server: PrefectServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """J2. What waits for it is one call to Prefect, which may be slow."""
    monkeypatch.setenv("CASEPROOF_HOME", str(tmp_path / "home"))
    common.installed_services.cache_clear()
    teller = Teller()
    teller.open()
    teller.stop()
    opened, stopped = teller.events
    with common.services().store.uow() as uow:
        case = uow.cases.create(opened)
        uow.commit()
    (before,) = labelled(prefect_server, case, by=lambda now: announce(now.ref))
    common.services().ledger.record(case.ref, stopped.kind, **stopped.data)
    (after,) = labelled(prefect_server, case, by=lambda now: announce(now.ref))
    common.services().store.close()
    common.installed_services.cache_clear()
    assert case.ref not in before["name"]
    assert after["name"].startswith(case.ref)


def test_a_prefect_that_is_down_costs_a_case_its_label_and_nothing_else(
    prefect_server: PrefectServer, said: list[logging.LogRecord]
) -> None:
    def without_prefect(case: Case) -> None:
        with temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{free_port()}/api"}):
            label(case)

    (run,) = labelled(prefect_server, asked("decision").case, by=without_prefect)
    assert REF not in run["name"]
    assert "The run keeps its old name and tags" in " ".join(messages(said, logging.WARNING))


# -- the Logs tab ---------------------------------------------------------------------------------------------------


class _Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        if getattr(record, "send_to_api", True):
            self.records.append(record)


@pytest.fixture
def said() -> Iterator[list[logging.LogRecord]]:
    """What Prefect's loggers of runs hand on, as its own handler that sends it to the server gets it."""
    speak_in_words()  # as our flows do when they are imported
    kept = _Kept()
    loggers = [logging.getLogger(name) for name in ("prefect.flow_runs", "prefect.task_runs")]
    for logger in loggers:
        logger.addHandler(kept)
    yield kept.records
    for logger in loggers:
        logger.removeHandler(kept)


def messages(records: list[logging.LogRecord], level: int) -> list[str]:
    return [record.getMessage() for record in records if record.levelno == level]


def runs(server: PrefectServer, body: Any) -> None:
    with temporary_settings({PREFECT_API_URL: server.api_url}):
        flow(body, name="logs")(return_state=True)


def test_a_run_says_what_the_case_did_and_nothing_of_prefects_routine(
    prefect_server: PrefectServer, said: list[logging.LogRecord]
) -> None:
    case = asked("decision").case

    @task
    def works() -> None:
        """A task with nothing to say."""

    def body() -> None:
        tell_how_far(case)
        works()

    runs(prefect_server, body)
    assert messages(said, logging.INFO) == [
        f"{REF}: {len(case.events) - 1} steps are done already. The latest: {hide(line(case.events[-2]))}"
    ]


def test_another_try_is_a_warning_with_what_and_when_and_hides_what_is_secret(
    prefect_server: PrefectServer, said: list[logging.LogRecord]
) -> None:
    tries: list[int] = []

    @task(task_run_name="tell the retailer (J5)", retries=2, retry_delay_seconds=[0.1, 0.1])
    def fails_once() -> None:
        tries.append(1)
        if len(tries) == 1:
            raise PlatformDown("owner@shop.example.com: api_key=9f8e7d6c5b4a39281706 was refused.", "Wait.")

    runs(prefect_server, lambda: fails_once())
    assert messages(said, logging.WARNING) == [
        "tell the retailer (J5): again in 0 s (try 1 of 2). "
        "…@shop.example.com: api_key=[hidden] was refused. Next: Wait."
    ]
    assert messages(said, logging.ERROR) == []


def test_an_error_that_is_no_refusal_keeps_its_traceback(
    prefect_server: PrefectServer, said: list[logging.LogRecord]
) -> None:
    @task
    def breaks() -> None:
        raise ZeroDivisionError("a fault of ours")

    runs(prefect_server, lambda: breaks())
    errors = [record for record in said if record.levelno == logging.ERROR]
    assert any(record.exc_info and record.exc_info[0] is ZeroDivisionError for record in errors)
    assert any("Finished in state Failed" in record.getMessage() for record in said)


@pytest.mark.parametrize(
    "kind", [kind for kind in Kind if kind.spec.logged is Logged.AS_A_WARNING and kind is not Kind.ANSWER_REFUSED]
)
def test_every_warning_names_its_rule(kind: Kind) -> None:
    assert kind.spec.rule.startswith(("J", "E"))


def test_a_worker_that_is_set_to_warnings_does_not_silence_the_case() -> None:
    logger = logging.getLogger("prefect.flow_runs")
    before = logger.level
    try:
        logger.setLevel(logging.WARNING)
        speak_in_words()
        assert logger.level == logging.INFO
        assert sum(isinstance(one, InWords) for one in logger.filters) == 1
    finally:
        logger.setLevel(before)


def test_addresses_are_cut_to_their_domain() -> None:
    assert hide("told a.b@x.example.com, 'c@y.example.com'") == "told …@x.example.com, '…@y.example.com'"
