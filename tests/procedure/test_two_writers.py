"""Two live runs of one case are harmless: each effect takes place once, each event stands there once, both go on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from prefect.logging import disable_run_logger

from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.vocabulary import Decision
from caseproof.evidence.proof import verify_proof
from caseproof.procedure.closing import deciding
from caseproof.procedure.containment import opening
from caseproof.procedure.core.causes import correct_cause
from caseproof.procedure.core.services import Services
from tests.support.world import CONTACT, DECIDER, JOB, STEPS, WORDS, World

WITH_INTENT = ("contain", "ticket", "tell", "start", "live", "attach", "close", "recover")
SECONDS = 60


def both(*acts: Callable[[], Any]) -> list[Any]:
    """What each returned; they start at once."""
    start = threading.Barrier(len(acts), timeout=SECONDS)

    def run(act: Callable[[], Any]) -> Any:
        start.wait()
        return act()

    with disable_run_logger(), ThreadPoolExecutor(len(acts)) as pool:
        return [future.result(timeout=3 * SECONDS) for future in [pool.submit(run, act) for act in acts]]


class Overlap:
    """Makes the first effect last until the other writer waits for it (or had time enough to come)."""

    effects = frozenset({"stop", "start_run", "go_live", "send", "create", "attach", "comment", "set_status"})

    def __init__(self, world: World) -> None:
        self.world = world
        self.other_waits, self.over = threading.Event(), threading.Event()
        for where in (world.platform, world.mail, world.desk):
            where.faulty.during = self.during

    def during(self, call: str) -> None:
        if call in self.effects and not self.over.is_set():
            self.other_waits.wait(0.4)
            self.over.set()

    def sleep(self, seconds: float) -> None:
        self.other_waits.set()
        self.over.wait(SECONDS)
        threading.Event().wait(0.005)
        self.world.clock.move(seconds=seconds / 100)  # or the one who waits would take over from the living

    def offices(self, same: bool) -> tuple[Services, Services]:
        one = self.world.process(sleep=self.sleep)
        return one, one if same else self.world.process(sleep=self.sleep)


@pytest.mark.parametrize(
    ("name", "same"),
    [
        *((name, False) for name in STEPS if name != "note"),
        *((name, True) for name in WITH_INTENT[:3]),
        *(pytest.param(name, True, marks=pytest.mark.full) for name in WITH_INTENT[3:]),
    ],
)
def test_a_step_taken_by_two_at_once_is_done_once(world: World, name: str, same: bool) -> None:
    ref = world.open()
    world.platform.lasts = timedelta()
    world.walk(ref, before=name)
    if name == "correct":
        correct_cause(world.services.ledger, world.services.policy.team, ref, "feed", by="operator")
    before = world.case(ref).version
    overlap = Overlap(world)
    one, two = overlap.offices(same)
    both(lambda: world.step(name, ref, one), lambda: world.step(name, ref, two))
    overlap.over.set()
    kinds = [event.kind for event in world.case(ref).events[before:]]
    assert len(kinds) == len(set(kinds)) == (2 if name == "close" else 1)
    assert world.platform.faulty.done["stop", JOB] == 1
    assert len(world.mail.taken) == len(set(world.mail.taken)) <= 2  # the notice, and that it works again
    effects = (
        len(world.tickets()), len(world.platform.runs), world.platform.faulty.did("go_live"),
        world.desk.faulty.did("attach"),
    )  # fmt: skip
    assert max(effects[:-1]) <= 1
    assert effects[-1] <= 2
    if name in ("proof", "close"):
        assert all(check.ok for check in verify_proof(world.proof(ref)))
        assert world.proof(ref).read_bytes() == world.vault.read(world.case(ref).proof["evidence"])
        assert [file.name for file in world.services.proofs.iterdir()] == [world.proof(ref).name]
    world.walk(ref)
    assert world.case(ref).is_closed


def test_two_who_open_a_case_for_one_job_get_the_same_case(world: World) -> None:
    request = opening.Request(platform="jobs", job=JOB, by=DECIDER, how="daily check")

    def opens() -> tuple[str, bool]:
        here = world.process()
        case, new = opening.open_case(here.ledger, here.policy, world.platform, lambda: world.desk, request)
        return case.ref, new

    found = both(*[opens] * 4)
    assert {ref for ref, _ in found} == {"JF-000001"}
    assert sorted(new for _, new in found) == [False, False, False, True]


def test_an_answer_that_two_runs_read_is_taken_once(world: World) -> None:
    ref = world.open()
    world.walk(ref, until="tell")
    until = world.clock.now.date().replace(year=2030)
    acts: list[Callable[[], Any]] = [
        lambda: world.confirm(ref, question=1),
        lambda: world.decide(ref, Decision.KEEP_PAUSED, until=until, question=2),
        lambda: world.decide(ref, Decision.AFTER_CHANGE, question=3),
    ]
    for act in acts:
        both(act, act)
    wanted = (Kind.CONFIRMATION_RECEIVED, Kind.KEPT_PAUSED, Kind.CHANGE_VALIDATED, Kind.DECIDED)
    assert [world.count(ref, kind) for kind in wanted] == [1, 1, 1, 1]
    world.walk(ref, until="attach")
    seen = [
        lambda: deciding.review(
            world.services.ledger, world.services.policy.team, ref, approved=True, by="team lead", remark="", question=4
        )
    ] * 2
    both(*seen)
    assert world.count(ref, Kind.REVIEW_APPROVED) == 1


def test_the_same_words_given_twice_by_hand_are_one_word_and_other_words_are_another(world: World) -> None:
    ref = world.open()
    world.walk(ref, until="tell")
    for words in (WORDS, WORDS, "And the shop is open again."):
        world.confirm(ref, words, sender=CONTACT)
    assert len(world.case(ref).confirmations) == 2


def test_whole_walks_side_by_side_end_in_one_closed_case(world: World) -> None:
    ref = world.open()
    world.platform.lasts = timedelta()
    world.walk(ref, before="start")
    overlap = Overlap(world)

    both(
        *[
            lambda services=services: world.walk(ref, people=False, services=services)
            for services in overlap.offices(same=False)
        ]
    )
    world.walk(ref)
    assert len(world.happened(ref)) == len(set(world.happened(ref))) + 1
