"""One pass of the keeper: every open case is alive, on time and told about; what was fixed stays fixed.

Plain code: what needs Prefect is handed in. An error in one step, of one platform or of one case, is written down for
the board, and the pass goes on. Each platform is looked at in a thread of its own, so that one that hangs holds up no
other, and the rest of the pass for a minute at most (house rule 4).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import replace
from datetime import datetime

from caseproof.channels.outbound.mail import MailDown
from caseproof.domain.errors import CaseproofError
from caseproof.domain.owing import Debt
from caseproof.domain.procedure import procedure_of
from caseproof.evidence.answer_keys import LINKS_VOID
from caseproof.platforms.base import JobPlatform, PlatformDown
from caseproof.procedure.core.services import Services
from caseproof.procedure.keeper import rechecking
from caseproof.procedure.keeper.afterwards import ask_development, end_recordings
from caseproof.procedure.keeper.by_time import BY_TIME
from caseproof.procedure.keeper.cover import Cover, look_at_cover, note_cover, note_standing
from caseproof.procedure.keeper.debts_told import alarms, note_wanted, reminders_of_debts, wanted_in_vain
from caseproof.procedure.keeper.looking_at_tickets import look_at_tickets
from caseproof.procedure.keeper.no_answer import has_to_be_told, keep_paused
from caseproof.procedure.keeper.open_incidents import note_nudge, nudges
from caseproof.procedure.keeper.owing import AT_MOST, note_failed, note_tried, steps_to_try, work_off
from caseproof.procedure.keeper.passes import KeeperPass, KeeperPorts, Ran
from caseproof.procedure.keeper.pending_team_alerts import to_tell
from caseproof.procedure.keeper.problems import about_platform, note_problems
from caseproof.procedure.keeper.raised_on_the_desk import hear_raised
from caseproof.procedure.keeper.raising import raise_wanted
from caseproof.procedure.keeper.schedule import (
    AT_WORK,
    DueCases,
    due_cases,
    has_to_look_at_all,
    is_over,
    look_at_all_again,
    may_answer,
    note_next,
    remember_the_policy,
    waits_for_retailer,
)
from caseproof.procedure.keeper.team_alerts import TeamAlert, tell_team
from caseproof.procedure.keeper.ways import Hands
from caseproof.procedure.notify.mail_pace import NotYourTurn
from caseproof.procedure.notify.reminding import remind
from caseproof.procedure.notify.renewing import owes_new_link, renew_link
from caseproof.procedure.notify.telling import Send
from caseproof.procedure.paging.by_link import Keys
from caseproof.procedure.paging.engine import in_a_thread
from caseproof.procedure.paging.ports import Channels, PagingParts
from caseproof.procedure.paging.testing import TestPages
from caseproof.store import CaseRow, locks
from caseproof.store.messages import MessageRow

PATIENCE_SECONDS = 60.0
"""How long a pass goes on giving runs while workers take them; the others get theirs in the next pass."""
PAUSE_SECONDS = 5.0
HUNG_SECONDS = 60.0
"""How long the platforms are waited for before the rest of the pass goes on, and once more at its end; also how long a
pass reads runs that cases wait for, and how long it sends reminders."""


def keep(
    services: Services, ports: KeeperPorts, *, patience: float = PATIENCE_SECONDS, hung: float = HUNG_SECONDS
) -> KeeperPass | None:
    """One pass; None where another is at work. Raises StoreDown and the like, where nothing can be done at all."""
    lock = services.settings.home_folder / "keeper" / "pass"
    if locks.is_held(lock) or not locks.hold(lock, wait=False):
        return None
    try:
        services.store.read_anew()
        return _Keeper(services, ports, hung).keep(patience)
    finally:
        locks.let_go(lock)


class Hanging(CaseproofError):
    """A platform has not answered yet, and the pass ends."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"The platform {name} has not answered yet, and the pass went on without it.",
            "Nothing is lost: the next pass reads it again. If it stays so, look at the platform's own log.",
        )


class _Keeper:
    """A pass at work."""

    def __init__(self, services: Services, ports: KeeperPorts, hung: float) -> None:
        self._services, self._ports, self._hung = services, ports, hung
        self._done = KeeperPass()
        self._watches: dict[str, threading.Thread] = {}
        self._down: set[str] = set()
        self._retried: list[str] = []
        self._hands = Hands(
            services.ledger, services.effects, services.links, services.policy, ports.desk,
            lambda: services.dispatch(ports.sender()), services.files, ports.desk_called,
        )  # fmt: skip

    def keep(self, patience: float) -> KeeperPass:
        self._watch_the_platforms()  # J2: what has to stop comes first, and what was wanted holds up no other stop
        self._raise_wanted()
        self._down.update(self._wait_for_the_platforms())
        with self._apart("incidents"):
            self._done.incidents += self._ports.incidents()
        self._plan_anew()
        found = due_cases(self._services.ledger, self._services.policy.keeper)
        self._done.looked_at = len(found.rows)
        self._read_the_runs(found)
        self._let_another_ask(found)
        self._let_try_again()
        wanted = self._ask_time(found)
        self._give_and_wake(found, patience)
        self._remind(found)
        again = self._renew(found)
        self._work_off()
        self._look_after_the_rest()
        self._hear_the_desk()
        for name in self._wait_for_the_platforms():  # the team is told of what they found
            self._done.problems(about_platform(name), Hanging(name))
        self._tell(found)
        self._keep_paused(found)
        self._send_test_pages()
        settled = [row for row in found.rows if row.ref not in again]
        note_next(self._services.ledger, self._services.policy.keeper, settled, wanted)
        self._try_again(found, again)
        note_problems(self._services.ledger, self._done.problems.said)
        with self._services.store.reading() as uow:
            self._done.owed = uow.owed.count(late=True)
        done, self._done = self._done, KeeperPass()  # what still hangs changes it no more
        return done

    @contextmanager
    def _apart(self, about: str) -> Iterator[None]:
        """Whatever goes wrong in here is written down and leaves the rest of the pass alone."""
        try:
            yield
        except Exception as error:
            self._done.problems(about, error)
            self._ports.say(f"{about}: {self._done.problems.said[about]}")

    def _raise_wanted(self) -> None:
        with self._apart("cases that are wanted"):
            here = self._services
            raised = raise_wanted(
                here.stopping,
                self._ports.platform,
                self._ports.desk,
                lambda about, error: self._done.problems(about, error),
                self._hung,
            )
            self._done.raised += raised
            for ref in raised:
                self._ports.say(f"{ref} is open: somebody wanted it (J1)")

    def _watch_the_platforms(self) -> None:
        names: list[str] = []
        with self._apart("platforms"):
            names = rechecking.platforms_with_cases(self._services.ledger, self._services.policy.keeper)
        for name in names:
            with self._apart(about_platform(name)):
                platform = self._ports.platform(name)
                # A daemon: the end of the process does not wait for what hangs. Like a crash, that loses nothing.
                context, watch = copy_context(), self._watch
                self._watches[name] = threading.Thread(
                    target=context.run, args=(watch, name, platform), name=f"watch {name}", daemon=True
                )
                self._watches[name].start()

    def _watch(self, name: str, platform: JobPlatform) -> None:
        with self._apart(about_platform(name)):
            try:
                self._look_after(name, platform)
            except PlatformDown:
                self._down.add(name)
                raise

    def _look_after(self, name: str, platform: JobPlatform) -> None:
        for ref in rechecking.hold_stops(self._services.ledger, self._services.files, name, platform, self._apart):
            self._done.stopped_again.append(ref)
            self._ports.say(f"{ref}: the stop did not hold, and was made again (J2)")
        for result in rechecking.reopen_what_fails_again(self._services.stopping, name, platform):
            if result.new:
                self._done.reopened.append(result.ref)
                self._ports.say(f"{result.ref}: the job failed again and is {result.outcome}; the case is reopened")

    def _wait_for_the_platforms(self) -> list[str]:
        """Not longer than a while; gives those that have not answered: they go on beside the rest of the pass."""
        deadline = time.monotonic() + self._hung
        for watch in self._watches.values():
            watch.join(max(0.0, deadline - time.monotonic()))
        return [name for name, watch in self._watches.items() if watch.is_alive()]

    def _plan_anew(self) -> None:
        with self._apart("policy"):
            if has_to_look_at_all(self._services.ledger, self._services.policy.keeper):
                count = look_at_all_again(self._services.ledger, self._services.policy.keeper)
                self._ports.say(f"The policy or the clock changed: {count} open cases were planned anew")
            remember_the_policy(self._services.ledger, self._services.policy.keeper)

    def _read_the_runs(self, found: DueCases) -> None:
        """A suspended case that waits for a long run is woken when that run is over."""
        deadline = time.monotonic() + self._hung
        for row in found.read:
            if row.platform in self._down or time.monotonic() > deadline:
                continue  # in the next pass
            with self._apart(row.ref):
                try:
                    if is_over(self._services.ledger, self._ports.runner, row.ref):
                        found.wake.append(row.ref)
                except PlatformDown:
                    self._down.add(row.platform)  # its time-out once a pass, not once a case
                    raise

    def _ask_time(self, found: DueCases) -> dict[str, datetime]:
        """What time asks of the cases of procedures that say so themselves; gives when each is to be looked at."""
        here, wanted = self._services, dict[str, datetime]()
        for row in found.timed:
            with self._apart(row.ref):
                wanted[row.ref] = here.clock() + AT_WORK  # where it cannot be done now
                ask = BY_TIME[procedure_of(row.ref).prefix]
                done = ask(here.ledger, here.links, here.policy, self._ports.sender, row.ref)
                if done.did:
                    self._done.by_time.append(row.ref)
                    self._ports.say(f"{row.ref}: {done.did}")
                    found.wake.append(row.ref)
                if done.again is None:
                    del wanted[row.ref]
                else:
                    wanted[row.ref] = done.again
        return wanted

    def _look_after_the_rest(self) -> None:
        """What nobody owes, and time or another desk brings (E12)."""
        here, say = self._services, self._ports.say
        with self._apart("recordings"):
            self._done.by_time += end_recordings(here.ledger, say)
        with self._apart("development's tickets"):
            heard = ask_development(here.ledger, self._hands.desk_named, say)
            self._done.by_time += heard
            # Its run is woken in the next pass: the event is news.

    def _hear_the_desk(self) -> None:
        """What people do there: raise a ticket (J1), write on one, or close one while its case is open (J7, J8)."""
        with self._apart("tickets that people raised"):
            if hear_raised(self._hands, self._done.problems, self._hung):
                self._raise_wanted()  # J2: not a pass later
        with self._apart("tickets of open cases"):
            found = look_at_tickets(self._hands, self._done.problems, self._hung)
            self._done.said_on_ticket, self._done.tickets_opened_again = found.said, found.opened_again
            for ref in found.opened_again:
                self._ports.say(f"{ref}: its ticket was closed on the desk, and is open again (J7, J8)")

    def _let_another_ask(self, found: DueCases) -> None:
        """Where the case that asked for a message's cause is gone, the oldest of those that waited for it asks."""
        with self._apart("causes"), self._services.store.reading() as uow:
            found.wake += uow.causes.orphans()

    def _give_and_wake(self, found: DueCases, patience: float) -> None:
        """Runs for the cases without a live one, and for those asleep with news; as fast as workers take them."""
        deadline = time.monotonic() + patience
        wake, also = self._runs_of(found.wake), found.runs
        wake |= {ref: run for ref, run in self._runs_of(self._retried).items() if ref not in wake}  # after all news
        while True:
            ran = Ran()
            with self._apart("flow runs"):
                ran = self._ports.runs(also, wake)
                # Only now: where Prefect is down, or this process dies, nothing was tried, and the next pass does it.
                self._retried = note_tried(self._services.ledger, self._retried, ran.later)
            self._done.given_runs += ran.given
            self._done.woken += ran.woken
            self._done.waiting_for_runs = ran.waiting
            for sentence in ran.said:
                self._ports.say(sentence)
            wake, also = {ref: wake[ref] for ref in ran.later}, []
            if not (ran.waiting or wake) or time.monotonic() + PAUSE_SECONDS > deadline:
                return
            self._services.sleep(PAUSE_SECONDS)

    def _runs_of(self, refs: Sequence[str]) -> dict[str, str]:
        wanted = sorted(set(refs))
        with self._services.store.reading() as uow:
            rows = [
                row for start in range(0, len(wanted), 200) for row in uow.cases.of_refs(wanted[start : start + 200])
            ]
        return {row.ref: row.flow_run for row in rows if row.flow_run}

    def _let_try_again(self) -> None:
        """The runs of cases in which a step could not be carried out are woken by time, too, not by a person alone."""
        with self._apart("steps that are tried again"):
            self._retried = steps_to_try(self._services.ledger)

    def _remind(self, found: DueCases) -> None:
        send: Send | None = None
        deadline = time.monotonic() + self._hung
        owed = self._refs_owing(Debt.REMINDER)
        for ref in found.remind:
            if time.monotonic() > deadline:
                return  # mail is paced: the next pass sends the others
            if ref in self._done.reminded or ref in owed:
                continue  # in the mail of another case of its notice, or tried again as of what is owed
            down = False
            with self._apart(ref):
                try:
                    send = send or self._ports.sender()
                    self._done.reminded += remind(
                        self._services.ledger, self._services.dispatch(send), self._services.policy, ref
                    )
                except Exception as error:
                    down = isinstance(error, MailDown)
                    self._is_owed(ref, Debt.REMINDER, error)
                    raise
            if down:
                return  # its time-out once a pass, not once a case

    def _refs_owing(self, what: Debt) -> set[str]:
        with self._services.store.reading() as uow:
            return {row.ref for row in uow.owed.rows(AT_MOST, what)}

    def _is_owed(self, ref: str, what: Debt, error: Exception) -> None:
        """What time made due could not be done: it is on the list from now on. Mail that waits for its turn is not."""
        if not isinstance(error, NotYourTurn):
            note_failed(self._services.ledger, ref, what, "", error)

    def _work_off(self) -> None:
        """What is owed, of closed cases, too; the runs of those that wait for a person yet may end."""
        with self._apart("what is owed"):
            worked = work_off(self._hands, self._done.problems, self._hung)
            self._done.reminded += worked.done.pop(Debt.REMINDER, [])
            self._done.renewed += worked.done.pop(Debt.LINK, [])
            self._done.reviews += worked.done.get(Debt.REVIEW, [])
            self._done.done_late += sorted({ref for refs in worked.done.values() for ref in refs})
            if worked.wake:
                self._done.woken += self._ports.runs([], self._runs_of(worked.wake)).woken

    def _renew(self, found: DueCases) -> dict[str, datetime]:
        """The retailers whose links were voided, and who owe an answer; gives when it is tried again for the others."""
        again: dict[str, datetime] = {}
        if not self._links_were_voided():
            return again
        deadline, down = time.monotonic() + self._hung, False
        owed = self._refs_owing(Debt.LINK)
        for row in found.rows:
            if not may_answer(row) or row.ref in self._done.renewed or row.ref in owed:
                continue
            with self._apart(row.ref):
                again[row.ref] = self._services.clock() + AT_WORK
                if down or time.monotonic() > deadline:
                    continue
                if owes_new_link(self._services.replies, self._services.ledger.case(row.ref)):
                    try:
                        dispatch = self._services.dispatch(self._ports.sender())
                        self._done.renewed += renew_link(
                            self._services.ledger, dispatch, self._services.policy, row.ref
                        )
                    except Exception as error:
                        down = isinstance(error, MailDown)  # its time-out once a pass, not once a case
                        self._is_owed(row.ref, Debt.LINK, error)
                        raise
                del again[row.ref]
        return again

    def _links_were_voided(self) -> bool:
        with self._services.store.reading() as uow:
            return uow.cursors.get(LINKS_VOID) is not None

    def _try_again(self, found: DueCases, again: Mapping[str, datetime]) -> None:
        """Note when a case is looked at again whose letter has yet to go; what happened to it meanwhile makes it due by
        itself."""
        with self._services.store.uow() as uow:
            for row in found.rows:
                if row.ref in again:
                    uow.cases.set_due(row.ref, row.version, again[row.ref])
            uow.commit()

    def _tell(self, found: DueCases) -> None:
        """One mail to the team about all that is due; without an address the board has it."""
        beside: list[TeamAlert] = []
        with self._apart("incidents"):
            beside = [
                replace(one, url=self._ports.run_url(one.url))
                for one in nudges(self._services.ledger, self._services.policy.keeper)
            ]
        with self._apart("cases that are wanted"):
            beside += wanted_in_vain(self._services.ledger, self._services.links, self._services.policy.keeper)
        cover = Cover()
        with self._apart("who is on call"):
            here = self._services
            cover = look_at_cover(here.ledger, here.links, here.policy, here.settings.home_folder)
            note_standing(here.ledger, cover)
        messages: list[MessageRow] = []
        with self._apart("messages from retailers"):
            messages = to_tell(self._services.ledger)
        told = [_nudge(row, about) for row, about in (*found.tell, *self._told_first(found))]
        with self._apart("telling the team"):
            ledger = self._services.ledger
            told += [*alarms(ledger), *reminders_of_debts(ledger, self._services.policy.keeper)]
            try:
                self._send_to_the_team(told, beside, messages, cover)
            except Exception as error:
                note_failed(self._services.ledger, "", Debt.TEAM_MAIL, "", error)
                raise

    def _send_to_the_team(
        self, told: Sequence[TeamAlert], beside: Sequence[TeamAlert], messages: Sequence[MessageRow], cover: Cover
    ) -> None:
        mail = self._services.policy.mail
        send = self._ports.sender() if (told or beside or messages or cover.alerts) and mail.team else None
        self._done.team_told = tell_team(
            self._services.ledger, self._services.links, mail, send, told, [*beside, *cover.alerts], messages
        )
        self._done.team_told += sum(self._note_beside(one) for one in beside)
        self._done.team_told += note_cover(self._services.ledger, cover)
        for one in cover.alerts:
            self._ports.say(f"{one.job}: {one.about}")
        with self._services.store.uow() as uow:
            uow.owed.settle("", Debt.TEAM_MAIL)
            uow.commit()

    def _note_beside(self, one: TeamAlert) -> bool:
        if one.row is not None:
            return note_wanted(self._services.ledger, one.row)
        return note_nudge(self._services.store, one.ref, one.number)

    def _told_first(self, found: DueCases) -> list[tuple[CaseRow, str]]:
        """The cases about to be kept paused of which the team was told nothing yet, whyever (J6)."""
        told, first = {row.ref for row, _ in found.tell}, []
        for row, about in found.pause:
            with self._apart(row.ref):
                if row.ref not in told and has_to_be_told(self._services.ledger.case(row.ref)):
                    first.append((row, about))
        return first

    def _send_test_pages(self) -> None:
        """Once a month everybody on the call list gets a page that says that it is a test."""
        here = self._services
        if not (here.policy.on_call.test_day and here.policy.on_call.people):
            return
        with self._apart("the test page"):
            keys = lambda: Keys(here.keys.in_force(), here.keys.void())  # noqa: E731 - asked for with each link
            parts = PagingParts(here.ledger, lambda: here.policy, keys, here.settings.home_folder, here.links)
            sent = TestPages(parts, Channels(parts.home, here.clock), in_a_thread, here.wait).send()
            self._done.tested = [f"{one.person} by {one.way}" for one in sent]

    def _keep_paused(self, found: DueCases) -> None:
        """Where no answer came, the account stays paused until a date (J6)."""
        for row, _ in found.pause:
            with self._apart(row.ref):
                if keep_paused(self._services.ledger, self._services.policy.keeper, row.ref):
                    self._done.paused.append(row.ref)


def _nudge(row: CaseRow, about: str) -> TeamAlert:
    return TeamAlert(row.ref, row.job_name, about, row.nudges + 1, no_answer=waits_for_retailer(row))
