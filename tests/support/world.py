"""An office with everything around it, and a case's way through the procedure as the flow walks it.

The store, the vault and the desk are real; the platforms, the mail server and the camera are fakes with state.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from caseproof.config.policy import BUILT_IN, Policy, load_policy
from caseproof.config.settings import Settings
from caseproof.domain.case import Case
from caseproof.domain.decisions import Decision
from caseproof.domain.events import Kind
from caseproof.domain.lifecycle import State
from caseproof.platforms.base import JobPlatform
from caseproof.procedure.answers import word
from caseproof.procedure.closing import deciding, proving, running, ticket
from caseproof.procedure.closing.running import REMOVAL_JOB
from caseproof.procedure.containment import containment, opening
from caseproof.procedure.core.office import Office
from caseproof.procedure.notify import recovery, telling
from caseproof.store import Store
from tests.support.fakes import Clock, FakeCamera, FakeMail, FakePlatform, FaultyDesk, FaultyVault

JOB = "offers/feed-a"
CONTACT = "owner@shop-a.example.com"
DECIDER, REVIEWER = "operator", "team lead"
WORDS = "We renewed the token this morning; it is set in our account."

STEPS = (
    "contain", "ticket", "tell", "decide", "start", "verify", "live", "photo", "attach", "review", "look", "proof",
    "close", "close ticket", "recover",
)  # fmt: skip


@dataclass
class World:
    """One installation. ``office`` is the process at work; ``restart`` is the next one after it died."""

    home: Path
    clock: Clock = field(default_factory=Clock)
    policy: Policy = field(default_factory=lambda: load_policy(BUILT_IN))
    office: Office = field(init=False)
    camera: FakeCamera = field(default_factory=FakeCamera)
    mail: FakeMail = field(default_factory=FakeMail)
    decision: Decision = Decision.AFTER_FIX

    def __post_init__(self) -> None:
        self.platform = FakePlatform(self.clock)
        self.platform.add(JOB)
        self.prefect = FakePlatform(self.clock, "https://prefect.example.com")
        self.prefect.add(REMOVAL_JOB, retailer=None, marketplace=None, connection=None)
        self.prefect.carries_out = self._remove
        self.send: telling.Send = self.mail.send
        settings = Settings(home=self.home, web_url="http://127.0.0.1:8321")
        self.vault = FaultyVault(settings.home_folder / "evidence")
        self.office = Office(settings, self.policy, Store(settings.database), self.vault, self.clock, self.sleep)
        self.desk = FaultyDesk(self.office.store, self.vault, self.clock, settings.public)
        self.register("Shop A", CONTACT)

    def register(self, retailer: str, *addresses: str) -> None:
        with self.office.store.unit() as unit:
            for address in addresses:
                unit.people.add_contact(retailer, address)
            unit.commit()

    def sleep(self, seconds: float) -> None:
        """Nobody waits: the clock moves, and the world with it."""
        time.sleep(0)
        self.clock.move(seconds=seconds)
        self.platform.pass_time()

    def restart(self, *, minutes: float = 0) -> Office:
        """The next process after the one at work died: it owns none of its intents."""
        self.clock.move(minutes=minutes)
        self.office = self.process()
        return self.office

    def process(self, **other: Any) -> Office:
        """One more process at the same store."""
        return replace(self.office, owner=uuid.uuid4().hex, **other)

    def _remove(self, parameters: Mapping[str, str]) -> bool:
        """What our ``remove-integration`` deployment does."""
        job = self.case(parameters["case"]).facts["job"]
        if job not in self.platform.held:
            return True
        self.platform.stop(job)
        return self.platform.standing(job).is_stopped

    # -- looking -----------------------------------------------------------------------------------------------------

    def case(self, ref: str) -> Case:
        return self.office.case(ref)

    def kinds(self, ref: str) -> list[Kind]:
        return [event.kind for event in self.case(ref).events]

    def count(self, ref: str, kind: Kind) -> int:
        return self.kinds(ref).count(kind)

    def proof(self, ref: str) -> Path:
        path = proving.proof_path(self.office, self.case(ref))
        assert path is not None
        return path

    def tickets(self) -> list[Any]:
        with self.office.store.reading() as unit:
            return unit.tickets.rows()

    def attachments(self, ref: str) -> list[str]:
        fact = self.case(ref).ticket
        assert fact is not None
        return [file.name for file in self.desk.attachments(fact["ticket"])]

    # -- the procedure -----------------------------------------------------------------------------------------------

    def open(self, job: str = JOB, **more: Any) -> str:
        asked = {"platform": "jobs", "job": job, "by": DECIDER, "how": "daily check", "cause": "expired_token"} | more
        return opening.open_case(self.office, self.platform, self.desk, opening.Request(**asked))[0].ref

    def confirm(self, ref: str, words: str = WORDS, **more: Any) -> Case:
        asked = {"sender": CONTACT, "recorded_by": DECIDER} | more
        return word.confirm_by_form(self.office, ref, words=words, **asked)

    def decide(self, ref: str, decision: Decision = Decision.AFTER_FIX, **more: Any) -> Case:
        checked = "The new token is set; a test call answers 200." if decision is Decision.AFTER_CHANGE else ""
        asked = {"by": DECIDER, "reason": "The cause is gone.", "checked": checked} | more
        return deciding.decide(self.office, ref, decision=decision, **asked)

    def runner(self, ref: str) -> JobPlatform:
        return self.prefect if self.case(ref).decided is Decision.REMOVE else self.platform

    def step(self, name: str, ref: str, office: Office | None = None) -> None:
        """One step as the flow takes it; what a person does is done where the case waits for it."""
        office = office or self.office
        steps: dict[str, Callable[[], object]] = {
            "contain": lambda: containment.contain(office, self.platform, ref),
            "ticket": lambda: ticket.ensure_ticket(office, self.desk, ref),
            "tell": lambda: telling.tell_retailer(office, self.send, ref),
            "decide": lambda: self._people_decide(ref),
            "start": lambda: running.start_run(office, self.runner(ref), ref),
            "verify": lambda: self._verify(office, ref),
            "live": lambda: running.go_live(office, self.platform, ref),
            "photo": lambda: proving.take_photo(office, self.runner(ref), ref, self.camera),
            "attach": lambda: ticket.attach_photo(office, self.desk, ref),
            "review": lambda: self._people_review(ref),
            "look": lambda: running.look_again(office, self.platform, ref),
            "proof": lambda: proving.make_proof(office, ref),
            "close": lambda: proving.close(office, self.desk, ref),
            "close ticket": lambda: ticket.close_ticket(office, self.desk, ref),
            "recover": lambda: recovery.tell_recovery(office, self.send, ref),
        }
        steps[name]()

    def _people_decide(self, ref: str) -> None:
        case = self.case(ref)
        if case.state in (State.WAITING, State.PAUSED):
            if self.decision is not Decision.AFTER_FIX and not case.confirmations:
                self.confirm(ref)
            self.decide(ref, self.decision)

    def _people_review(self, ref: str) -> None:
        case = self.case(ref)
        if case.state is State.VERIFIED and case.decision and case.decision["review"]:
            deciding.review(self.office, ref, approved=True, by=REVIEWER, remark="Seen.")

    def _verify(self, office: Office, ref: str) -> None:
        case = self.case(ref)
        if case.state is State.RUNNING and case.run is not None:
            run = running.await_run(office, self.runner(ref), case.run["run"])
            assert run is not None, "it still runs"
            running.verify(office, self.platform, ref, run)

    def walk(self, ref: str, *, until: str = "close ticket") -> Case:
        """Every step in the flow's order, up to and with ``until``; done ones change nothing."""
        for name in STEPS[: STEPS.index(until) + 1]:
            self.step(name, ref)
        return self.case(ref)

    def closed(self, decision: Decision = Decision.AFTER_FIX) -> str:
        """A case that was carried to its end."""
        self.decision = decision
        ref = self.open()
        assert self.walk(ref).is_closed
        return ref
