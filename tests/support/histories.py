"""Legal histories of cases, as lists of events: what the rules ask, with the loops that real cases take.

``tell(Plan(...))`` gives the events of a whole case, from opening to closing; ``Teller`` the single steps.
Time moves forward by a parameter: each event comes ``pace`` minutes after the one before.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from caseproof.domain.case import Case
from caseproof.domain.closure import refuse_event
from caseproof.domain.codes import Code, StepName
from caseproof.domain.events import Event
from caseproof.domain.fold import apply, blank
from caseproof.domain.job_failure.conditions import AT_THE_REVIEW, owes_validation
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.vocabulary import BY_LOGIN, Decision
from tests.support.emergencies import emergency_data

REF = "JF-000123"
JOB = "offers/feed-a"
START = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
DECIDER, REVIEWER = "operator", "team lead"
DOUBTS = [{"code": "typed_in", "why": "an operator typed it in"}]

# The loops a case may take before it closes.
FAILED_RUN, REJECTED, FAILED_AGAIN = "failed run", "review rejected", "failed again"
KEPT_PAUSED, REOPENED = "kept paused", "reopened"
LOOPS = (FAILED_RUN, REJECTED, FAILED_AGAIN, KEPT_PAUSED, REOPENED)


def digest(text: str) -> str:
    """The name that an evidence file with this content would have."""
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Plan:
    """What happens to a case. ``review`` is what the policy says: "", "anybody" or "another person".

    ``by_itself``: the case goes on after each clear word of the retailer, and the reviewer validates the change.
    ``doubted``: an operator brings in each word, something speaks against it, and another one agrees to it.
    ``uploaded``: no page of a run can be photographed; an operator uploads a picture, and another one confirms it.
    """

    decision: Decision = Decision.AFTER_FIX
    review: str = "another person"
    reviewer: str = REVIEWER
    loops: tuple[tuple[str, Decision], ...] = ()
    cannot_stop: bool = False
    neighbours: int = 0
    pace: int = 3
    chatter: bool = False
    by_itself: bool = False
    doubted: bool = False
    uploaded: bool = False


@dataclass
class Teller:
    """Tells a history event by event, with data that hangs together (run ids, digests, times).

    ``cases`` holds the case before each event and, last, as it is now. A refused event raises NotAllowed.
    """

    plan: Plan = field(default_factory=Plan)
    cases: list[Case] = field(default_factory=lambda: [blank(REF)])
    now: datetime = START
    count: int = 0
    photo: str = ""
    confirmed: bool = False
    decision: Decision = Decision.AFTER_FIX
    ticket: str = "T-17"

    def add(self, kind: Kind, actor: str = "caseproof", **data: Any) -> Event:
        # The last look counts at closing time only: what follows it does not take its time.
        at_closing = kind in (Kind.PROOF_MADE, Kind.CLOSED)
        self.now += timedelta(minutes=1 if at_closing else self.plan.pace)
        event = Event(kind, self.now, actor, data)
        refuse_event(self.case, event)
        self.cases.append(apply(self.case, event))
        return event

    @property
    def case(self) -> Case:
        return self.cases[-1]

    @property
    def events(self) -> list[Event]:
        return list(self.case.events)

    def next(self, what: str) -> str:
        self.count += 1
        return f"{what}-{self.count}"

    # -- the steps --------------------------------------------------------------------------------

    def open(self) -> None:
        self.add(
            Kind.OPENED,
            platform="jobs",
            job=JOB,
            job_name="Offers of shop A",
            retailer="Shop A",
            marketplace="North",
            cause="expired_token",
            summary="401 from the marketplace",
            how="daily check",
            scope="job",
        )

    def stop(self) -> None:
        if self.plan.cannot_stop:
            self.add(Kind.CANNOT_STOP, why="the marketplace runs it", who_can="the marketplace's support")
            return
        names = [JOB, *(f"offers/neighbour-{n}" for n in range(self.plan.neighbours))]
        jobs = [{"job": n, "name": n, "was_active": True, "active": False, "waiting": 0} for n in names]
        self.add(Kind.STOPPED, scope="job", jobs=jobs, evidence=digest(self.next("stop")))

    def tell_retailer(self) -> None:
        if self.plan.chatter:
            self.add(Kind.TROUBLE, step="notice", problem="The mail server hung.", next_action="Wait.")
            self.add(Kind.TROUBLE_OVER, step="notice")
        self.add(
            Kind.NOTICE_SENT,
            message_id=f"<{self.next('notice')}@example.com>",
            accepted=["shop@example.com"],
            evidence=digest(self.next("mail")),
        )
        if self.plan.chatter:
            self.happen_beside()
            self.go_through_an_emergency()
            self.add(Kind.TICKET_REOPENED, ticket=self.ticket)

    def happen_beside(self) -> None:
        """All that the keeper does beside the procedure while a retailer is waited for."""
        self.add(Kind.STOP_DID_NOT_HOLD, jobs=[JOB], why="It ran again.", evidence=digest(self.next("stop")))
        self.add(Kind.INCIDENT_JOINED, incident="IN-000001")
        self.remind()
        self.add(Kind.TEAM_TOLD, about="the question", number=1)
        self.add(Kind.CONFIRMATION_REFUSED, sender="x@example.com", why="a stranger", evidence=digest("stranger"))
        self.add(Kind.ADDRESS_BOUNCED, address="old@example.com", why="no such user", evidence=digest("bounce"))
        self.add(
            Kind.MESSAGE_FILED, message=1, sender="x@example.com", subject="s", evidence=digest("filed"), remark="r"
        )
        mail = {"to": "x@example.com", "words": "w", "message": 1, "subject": "s", "follows": ""}
        self.add(Kind.MAIL_WRITTEN, "operator", **mail)
        sent = {"message_id": "<mail@example.com>", "accepted": ["x@example.com"], "evidence": digest("mail")}
        self.add(Kind.MAIL_SENT, **sent, by="operator", of=len(self.case.events))
        self.add(Kind.GIVEN_UP, what="note", key="k", thing="what the retailer wrote, on the ticket", reason="r")
        self.add(Kind.NOTED, note="They moved their shop.")
        said = {"comment": "c", "by": "a colleague", "words": "w", "written_at": self.now.isoformat()}
        self.add(Kind.SAID_ON_TICKET, ticket="T-000001", **said, public=False)
        self.add(Kind.SUPPORT_OPENED, ref="SC-000002")
        self.add(Kind.SUPPORT_UNLINKED, ref="SC-000002", why="another client's feed")
        self.add(Kind.RUN_FORCED, flow_run="flow-run-1")
        self.add(Kind.PARKED, until=(self.now + timedelta(days=1)).isoformat(), flow_run="flow-run-1")
        self.hear_of_an_emergency()

    def hear_of_an_emergency(self) -> None:
        """What comes late of an emergency that is over: a try's end, a digit, a picture of the site."""
        for kind, said in emergency_data(Kind, self.now, digest("probe")).items():
            if not kind.spec.wakes:
                self.add(kind, **said)

    def go_through_an_emergency(self) -> None:
        """One of each event, from the raising to the end of it."""
        for kind, said in emergency_data(Kind, self.now, digest("probe")).items():
            self.add(kind, **said)

    def remind(self) -> None:
        number = len(self.case.since_notice(Kind.REMINDER_SENT)) + 1
        self.add(
            Kind.REMINDER_SENT,
            number=number,
            message_id=f"<{self.next('reminder')}@example.com>",
            accepted=["shop@example.com"],
            evidence=digest(self.next("mail")),
        )

    def open_ticket(self) -> None:
        self.add(Kind.TICKET_OPENED, desk="desk", ticket=self.ticket, adopted=False)

    def confirm(self) -> None:
        if self.plan.chatter:
            self.add(
                Kind.CONFIRMATION_REFUSED,
                sender="shop@example.com",
                why="an automatic answer",
                evidence=digest("ooo"),
            )
            self.reply()
        words = f"We made the change you asked for ({self.next('word')})."
        self.add(
            Kind.CONFIRMATION_RECEIVED,
            actor=DECIDER,
            sender="shop@example.com",
            words=words,
            evidence=digest(words),
            by_way_of="mail",
            **({"doubts": DOUBTS} if self.plan.doubted else {}),
        )
        if self.plan.doubted:
            self.add(Kind.WORD_AGREED, REVIEWER, sender="shop@example.com", evidence=digest(words))
        self.confirmed = True

    def reply(self) -> None:
        words = f"Which token do you mean? ({self.next('word')})"
        self.add(
            Kind.REPLY_RECEIVED,
            sender="shop@example.com",
            words=words,
            why="asks, or needs help",
            evidence=digest(words),
            by_way_of="mail",
        )

    def decide(self, decision: Decision | None = None) -> None:
        self.decision = decision or self.plan.decision
        number = self.next("q")
        if self.plan.chatter:
            self.add(Kind.QUESTION_ASKED, number=int(number[2:]), form="decision", flow_run="flow-run-1")
            self.add(
                Kind.QUESTION_ANSWERED,
                DECIDER,
                number=int(number[2:]),
                form="decision",
                answer={"who": DECIDER},
            )
        if self.decision is Decision.AFTER_CHANGE and self.plan.by_itself:
            self.go_on_by_itself()
            return
        if self.decision is not Decision.AFTER_FIX and not self.confirmed:
            self.confirm()
        if self.decision is Decision.AFTER_CHANGE:
            self.add(Kind.CHANGE_VALIDATED, DECIDER, how="The new token is in the account's settings; 200 from it.")
        self.add(
            Kind.DECIDED,
            DECIDER,
            decision=str(self.decision),
            reason="The cause is gone.",
            review=self.plan.review,
        )

    def go_on_by_itself(self) -> None:
        """Nobody is asked: a new word leads to the re-run, and the change is looked at in the review."""
        self.confirm()
        self.add(
            Kind.DECIDED,
            decision=str(self.decision),
            reason="They said that the change is made.",
            review=self.plan.review,
            validation=AT_THE_REVIEW,
        )

    def keep_paused(self) -> None:
        until = (self.now + timedelta(days=7)).date().isoformat()
        self.add(Kind.KEPT_PAUSED, DECIDER, until=until, reason="The retailer is on holiday.")

    def start_run(self) -> str:
        run = self.next("run")
        purpose = "removal" if self.decision is Decision.REMOVE else "rerun"
        self.add(Kind.RUN_STARTED, run=run, purpose=purpose, url=f"https://jobs.example.com/runs/{run}")
        return run

    def run_successfully(self) -> None:
        run, started = self.start_run(), self.now
        purpose = "removal" if self.decision is Decision.REMOVE else "rerun"
        read = {"active": False, "waiting": 0} if self.decision is Decision.REMOVE else {}
        ended = started + timedelta(minutes=self.plan.pace) / 2
        self.add(
            Kind.RUN_VERIFIED,
            run=run,
            purpose=purpose,
            started_at=started.isoformat(),
            ended_at=ended.isoformat(),
            evidence=digest(self.next("read-back")),
            **read,
        )
        if self.decision is not Decision.REMOVE:
            self.add(Kind.SCHEDULE_LIVE, jobs=[{"job": JOB, "name": JOB, "active": True}])
        self.take_picture(run)
        self.attach()

    def run_badly(self) -> None:
        self.add(Kind.RUN_FAILED, run=self.start_run(), why="401 again")

    def take_picture(self, run: str) -> None:
        if self.plan.chatter:
            self.add(Kind.PHOTO_REFUSED, run=run, why="The page showed a login form.")
        self.photo = digest(self.next("photo"))
        if self.plan.uploaded:
            self.bring_picture(run)
            return
        self.add(
            Kind.PHOTOGRAPHED,
            run=run,
            taken_at=(self.now + timedelta(minutes=1)).isoformat(),
            evidence=self.photo,
            names_run=True,
            names_success=True,
            url=f"https://jobs.example.com/runs/{run}",
        )

    def bring_picture(self, run: str) -> None:
        """One person uploads a picture, because the platform declares that it has no page, and another confirms it."""
        self.add(
            Kind.TROUBLE,
            step=str(StepName.PHOTOGRAPH_THE_RUN),
            code=str(Code.PLATFORM_CANNOT),
            problem="It has no pages.",
            next_action="Upload a picture.",
        )
        about = {"run": run, "evidence": self.photo}
        said = {"why": "It has no pages.", "known_by": BY_LOGIN}
        small = digest(f"{self.photo} small")
        brought = {"thumbnail": small, "says": "The list of deliveries", **said}
        if self.plan.chatter:
            other = {"run": run, "evidence": digest(f"another than {self.photo}")}
            self.add(Kind.PICTURE_UPLOADED, DECIDER, **other, **brought)
            self.add(Kind.PICTURE_REFUSED, REVIEWER, **other, why="Another run.", known_by=BY_LOGIN)
        for again in (True, False) if self.plan.chatter else (False,):
            self.add(Kind.PICTURE_UPLOADED, DECIDER, **about, **brought)
            self.add(
                Kind.PICTURE_CONFIRMED,
                REVIEWER,
                **about,
                **said,
                taken_at=self.now.isoformat(),
                names_run=True,
                names_success=True,
                url="",
                uploaded_by=DECIDER,
                thumbnail=small,
            )
            if again:
                self.add(Kind.PICTURE_TAKEN_BACK, REVIEWER, **about, why="The wrong one.", known_by=BY_LOGIN)
        self.add(Kind.TROUBLE_OVER, step=str(StepName.PHOTOGRAPH_THE_RUN))

    def attach(self) -> None:
        self.add(Kind.ATTACHED, ticket=self.ticket, evidence=self.photo, name="success.png")

    def approve(self, who: str | None = None) -> None:
        if owes_validation(self.case):
            self.add(Kind.CHANGE_VALIDATED, who or self.plan.reviewer, how="The token is new; 200 from a test call.")
        self.add(Kind.REVIEW_APPROVED, who or self.plan.reviewer)

    def look(self, *failed: str) -> None:
        self.add(Kind.LOOKED_AGAIN, failed=list(failed), evidence=digest(self.next("look")))

    def prove(self) -> str:
        rule = "J7" if self.decision is Decision.AFTER_FIX else "J8"
        proof = digest(self.next("proof") + self.case.head)
        self.add(Kind.PROOF_MADE, evidence=proof, rule=rule, head=self.case.head)
        return proof

    def close(self) -> None:
        """The last steps: the review where the policy asks for it, the look, the proof, the closing."""
        if self.plan.review:
            self.approve()
        self.look()
        self.add(Kind.CLOSED, proof=self.prove())

    def reopen(self) -> None:
        self.add(Kind.TICKET_CLOSED, ticket=self.ticket)
        if self.plan.chatter:
            mail = digest(self.next("mail"))
            self.add(Kind.RECOVERY_TOLD, message_id="<r@example.com>", accepted=["shop@example.com"], evidence=mail)
            self.reply()
        self.add(Kind.REOPENED, DECIDER, why="It fails again.")
        self.confirmed = False

    # -- whole stretches --------------------------------------------------------------------------

    def until_waiting(self, *, first: bool = False) -> None:
        self.stop()
        if first:
            self.open_ticket()
        self.tell_retailer()

    def loop(self, name: str, decision: Decision) -> None:
        if name == KEPT_PAUSED:
            self.keep_paused()
            return
        self.decide(decision)
        if name == FAILED_RUN:
            self.run_badly()
            return
        self.run_successfully()
        if name == REJECTED:
            self.add(Kind.REVIEW_REJECTED, REVIEWER, why="The picture shows another account.")
        elif name == FAILED_AGAIN:
            if self.plan.review:
                self.approve()
            self.look("run-x")
            self.add(Kind.FAILED_AGAIN, run="run-x", why="A later run failed.")
        else:
            self.close()
            self.reopen()
        self.until_waiting()


def tell(plan: Plan) -> list[Event]:
    """The events of a whole case that goes as ``plan`` says and closes."""
    return teller_of(plan).events


def teller_of(plan: Plan) -> Teller:
    """A whole case that goes as ``plan`` says and closes."""
    teller = Teller(plan)
    teller.open()
    teller.until_waiting(first=True)
    for name, decision in plan.loops:
        teller.loop(name, decision)
    teller.decide()
    teller.run_successfully()
    teller.close()
    return teller
