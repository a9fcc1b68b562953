"""services with everything around it, and a case's way through the procedure as the flow walks it.

The store, the vault and the desk are real; the platforms, the mail server and the camera are fakes with state.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from prefect.logging import disable_run_logger

from caseproof.config.policy import BUILT_IN, Policy, load_policy
from caseproof.config.settings import Settings
from caseproof.desks.base import Desk
from caseproof.domain.case import Case
from caseproof.domain.errors import CaseproofError
from caseproof.domain.events import Event
from caseproof.domain.forms import Review, TryAgain
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.vocabulary import Decision
from caseproof.platforms.base import JobPlatform
from caseproof.procedure.answers import manual_confirmation
from caseproof.procedure.closing import deciding, proving, removing
from caseproof.procedure.closing.running import REMOVAL_JOB
from caseproof.procedure.containment import opening
from caseproof.procedure.core.services import Services
from caseproof.procedure.notify import telling
from caseproof.store import Store, locks
from flows.job_failure_case import job_failure_case
from tasks import steps
from tasks.people import NothingMoved
from tasks.ports import Ports, bound
from tests.support.fakes import Clock, FakeCamera, FakeMail, FakePlatform, FaultyDesk, FaultyVault
from tests.support.walker import Stopped, Suspended, Walker

JOB = "offers/feed-a"
CONTACT = "owner@shop-a.example.com"
DECIDER, REVIEWER = "operator", "team lead"
WORDS = "We renewed the token this morning; it is set in our account."

STEPS = {
    "contain": steps.stop_the_job,
    "ticket": steps.open_the_ticket,
    "tell": steps.tell_the_retailer,
    "correct": steps.correct_the_notice,
    "note": steps.note_on_the_ticket,
    "start": steps.run_it_again,
    "verify": steps.verify_the_run,
    "live": steps.set_the_schedule_live,
    "photo": steps.photograph_the_run,
    "attach": steps.attach_the_picture,
    "look": steps.recheck_job,
    "proof": steps.make_the_proof,
    "close": steps.close_the_case,
    "close ticket": steps.close_the_ticket,
    "recover": steps.tell_it_works_again,
}
"""What the tests call the steps. Which comes after which is the flow's business alone."""
NO_FORMS: Mapping[str, Mapping[str, str]] = MappingProxyType({})
THE_END = "the end"
MOST_QUESTIONS = 8
"""How often a walk may ask people before it counts as walking in circles."""


@dataclass
class World:
    """One installation. ``services`` is the process at work; ``restart`` is the next one after it died."""

    home: Path
    clock: Clock = field(default_factory=Clock)
    policy: Policy = field(default_factory=lambda: load_policy(BUILT_IN))
    services: Services = field(init=False)
    camera: FakeCamera = field(init=False)
    mail: FakeMail = field(default_factory=FakeMail)
    decision: Decision = Decision.AFTER_FIX
    walker: Walker = field(init=False)
    """Who carried the last walk."""
    desks: dict[str, Desk] = field(default_factory=dict)
    """The desks by what the policy calls them, where there is more than ``desk``."""
    flow: Callable[..., object] = job_failure_case.fn
    """What ``walk`` walks: the real flow, except where a test changes it."""

    def __post_init__(self) -> None:
        self.camera = FakeCamera(self.clock)
        self.platform = FakePlatform(self.clock)
        self.platform.add(JOB)
        self.prefect = FakePlatform(self.clock, "https://prefect.example.com")
        self.prefect.add(REMOVAL_JOB, retailer=None, marketplace=None, connection=None)
        self.prefect.carries_out = self._remove
        self.send: telling.Send = self.mail.send
        settings = Settings(home=self.home, web_url="http://127.0.0.1:8321")
        self.vault = FaultyVault(settings.home_folder / "evidence")
        self.services = Services(settings, self.policy, Store(settings.database), self.vault, self.clock, self.sleep)
        self.desk = FaultyDesk(self.services.store, self.vault, self.clock, settings.public)
        self.register("Shop A", CONTACT)

    def register(self, retailer: str, *addresses: str) -> None:
        with self.services.store.uow() as uow:
            for address in addresses:
                uow.people.add_contact(retailer, address)
            uow.commit()

    def sleep(self, seconds: float) -> None:
        """Nobody waits: the clock moves, and the world with it."""
        time.sleep(0)
        self.clock.move(seconds=seconds)
        self.platform.pass_time()

    def restart(self, *, minutes: float = 0) -> Services:
        """The next process after the one at work died: it owns none of its intents."""
        self.clock.move(minutes=minutes)
        self.services = self.process()
        return self.services

    def process(self, **other: Any) -> Services:
        """One more process at the same store."""
        return replace(self.services, owner=uuid.uuid4().hex, **other)

    def _remove(self, parameters: Mapping[str, str]) -> bool:
        """What our ``remove-integration`` deployment does."""
        case = self.case(parameters["case"])
        try:
            removing.stop_for_good(self.platform, case)
            if self.services.policy.closing.delete_removed_jobs:
                removing.delete(self.platform, case)
            removing.nothing_is_left(self.platform, case)
        except removing.NotRemoved:
            return False
        return True

    # -- looking -----------------------------------------------------------------------------------------------------

    def case(self, ref: str) -> Case:
        return self.services.ledger.case(ref)

    def kinds(self, ref: str) -> list[Kind]:
        return [event.kind for event in self.case(ref).events]

    def happened(self, ref: str) -> list[Kind]:
        """What was done for the case, without the flow's own questions and calls for help."""
        return [kind for kind in self.kinds(ref) if kind not in (Kind.QUESTION_ASKED, Kind.TROUBLE, Kind.TROUBLE_OVER)]

    def count(self, ref: str, kind: Kind) -> int:
        return self.kinds(ref).count(kind)

    def proof(self, ref: str) -> Path:
        path = proving.proof_path(self.services.proofs, self.case(ref))
        assert path is not None
        return path

    def tickets(self) -> list[Any]:
        with self.services.store.reading() as uow:
            return uow.tickets.rows()

    def attachments(self, ref: str) -> list[str]:
        fact = self.case(ref).ticket
        assert fact is not None
        return [file.name for file in self.desk.attachments(fact["ticket"])]

    # -- the procedure -----------------------------------------------------------------------------------------------

    def open(self, job: str = JOB, **more: Any) -> str:
        asked = {"platform": "jobs", "job": job, "by": DECIDER, "how": "daily check", "cause": "expired_token"} | more
        return opening.open_case(
            self.services.ledger, self.services.policy, self.platform, lambda: self.desk, opening.Request(**asked)
        )[0].ref

    def confirm(self, ref: str, words: str = WORDS, *, agreed: bool = True, **more: Any) -> Case:
        """An operator types the retailer's word in, and another one agrees that it is."""
        asked = {"sender": CONTACT, "recorded_by": DECIDER} | more
        case = manual_confirmation.confirm_by_form(self.services.ledger, self.services.files, ref, words=words, **asked)
        return self.agree(ref) if agreed else case

    def agree(self, ref: str, by: str = REVIEWER) -> Case:
        """Somebody agrees to the words that something speaks against."""
        ledger = self.services.ledger

        def all_of_them(case: Case) -> list[Event]:
            return [
                ledger.event(Kind.WORD_AGREED, by, sender=word["sender"], evidence=word["evidence"])
                for word in case.doubted
            ]

        return ledger.change(ref, all_of_them)

    def decide(self, ref: str, decision: Decision = Decision.AFTER_FIX, **more: Any) -> Case:
        checked = "The new token is set; a test call answers 200." if decision is Decision.AFTER_CHANGE else ""
        asked = {"by": DECIDER, "reason": "The cause is gone.", "checked": checked} | more
        return deciding.decide(self.services.ledger, self.services.policy, ref, decision=decision, **asked)

    def send_back(self, ref: str, remark: str) -> Case:
        """The reviewer sends the case back to the stop (J2)."""
        services = self.services
        return deciding.review(services.ledger, services.policy.team, ref, approved=False, by=REVIEWER, remark=remark)

    def runner(self, ref: str) -> JobPlatform:
        return self.prefect if self.case(ref).decided is Decision.REMOVE else self.platform

    def walk(
        self,
        ref: str,
        *,
        until: str = "close ticket",
        before: str = "",
        people: bool = True,
        services: Services | None = None,
        after: Callable[[str], None] = lambda _: None,
        forms: Mapping[str, Mapping[str, str]] = NO_FORMS,
    ) -> Case:
        """Run the flow for the case, up to and with the step ``until`` or up to the one ``before``; done ones change
        nothing.

        Where it asks a person, they submit the form (``forms``, by slug) or do by hand what the case waits for, and it
        starts again from the top; without ``people`` it ends there. What a step cannot do is raised, once the flow has
        asked for help. ``after`` hears of each step.
        """
        names = {step.name: name for name, step in STEPS.items()}
        self.walker = walker = Walker(
            self.run_of(ref),
            until=None if before or until == THE_END else STEPS[until],
            before=STEPS[before] if before else None,
            after=lambda step: after(names[step.name]),
        )
        for _ in range(MOST_QUESTIONS):
            try:
                with self._at_work(walker, services or self.services):
                    self.flow(case=ref)
            except Stopped:
                return self.case(ref)
            except Suspended as asked:
                if asked.form.slug == TryAgain.slug:
                    raise self._help(ref, walker) from None
                if not people:
                    return self.case(ref)
                if asked.form.slug in forms:
                    walker.given[asked.number] = dict(forms[asked.form.slug])
                else:
                    self._people_answer(ref, asked)
            else:
                return self.case(ref)
        raise AssertionError(f"The flow walks in circles: {self.kinds(ref)}")

    def step(self, name: str, ref: str, services: Services | None = None) -> None:
        """One step alone, whether it is due or not: what two writers do, or what a test does out of its turn."""
        with self._at_work(Walker(self.run_of(ref)), services or self.services):
            STEPS[name].task.fn(ref)

    def run_of(self, ref: str) -> str:
        """The flow run that carries the case."""
        with self.services.store.reading() as uow:
            known = uow.cases.run_of(ref)
        return known.flow_run if known else f"run-of-{ref}"

    @contextmanager
    def _at_work(self, walker: Walker, services: Services) -> Iterator[None]:
        """A process that executes the case's flow run, against this world."""
        ports = Ports(
            services=lambda: services,
            platform=lambda _: self.platform,
            our_prefect=lambda: self.prefect,
            desk=lambda: self.desk,
            sender=lambda: self.send,
            camera=self.camera,
            carrier=walker,
            desk_called=lambda name: self.desks.get(name, self.desk),
        )
        walker.processes.append([])
        try:
            with bound(ports), disable_run_logger():
                yield
        finally:
            locks.let_go(services.at_work(walker.id))

    def _help(self, ref: str, walker: Walker) -> CaseproofError:
        """What the flow needs help with."""
        if walker.problem is not None:
            return walker.problem
        trouble = self.case(ref).trouble
        assert trouble is not None
        return NothingMoved(trouble["problem"], trouble["next_action"])

    def _people_answer(self, ref: str, asked: Suspended) -> None:
        version = self.case(ref).version
        if asked.form.slug == Review.slug:
            deciding.review(
                self.services.ledger, self.services.policy.team, ref, approved=True, by=REVIEWER, remark="Seen."
            )
        else:
            self._people_decide(ref)
        assert self.case(ref).version > version, f"nobody answers {asked}"

    def _people_decide(self, ref: str) -> None:
        if self.decision is not Decision.AFTER_FIX and not self.case(ref).confirmations:
            self.confirm(ref)
        self.decide(ref, self.decision)

    def closed(self, decision: Decision = Decision.AFTER_FIX) -> str:
        """A case that was carried to its end."""
        self.decision = decision
        ref = self.open()
        assert self.walk(ref).is_closed
        return ref
