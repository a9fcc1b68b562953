"""The long-lived reader: trouble is told once and tried again, and whatever changes meanwhile counts at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import pytest
import yaml

from caseproof.channels.inbound.imap_account import ImapAccount, InboxDown, InboxError, InboxRefused
from caseproof.config.policy import BUILT_IN, Policy
from caseproof.domain.codes import Code
from caseproof.domain.errors import BadInput, CaseproofError
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.vocabulary import Disposition
from caseproof.platforms.base import PlatformDown
from caseproof.procedure.answers import inbox_watch
from caseproof.procedure.answers.inbox_watch import (
    LOOK_AGAIN_SECONDS,
    LOOK_SECONDS,
    RUNS_SECONDS,
    WAKE_SECONDS,
    InboxPorts,
    JobRunWatch,
    MailboxWatch,
    Waker,
    watch,
)
from caseproof.procedure.core.services import Services
from caseproof.procedure.core.told_once import FIRST_PAUSE, LONGEST_PAUSE
from caseproof.store import Store
from caseproof.store.bell import Bell
from caseproof.up.processes import wait_until
from tests.support.retailer_mail import AUTHSERV, FakeInbox, answer
from tests.support.world import World

ACCOUNT = ImapAccount("imap.example.com", 993, "ssl", "cases", "a-password", authserv=AUTHSERV)
OTHER = ImapAccount("imap.example.com", 993, "ssl", "cases", "another-password", authserv=AUTHSERV)
DOWN = InboxDown("The mail server is away.", "It is tried again.")


@dataclass
class House:
    """A world, its mailbox, and the ports of a watch; ``account`` is what the block says now."""

    world: World
    inbox: FakeInbox = field(default_factory=FakeInbox)
    account: ImapAccount | CaseproofError = ACCOUNT
    said: list[str] = field(default_factory=list)
    connected: list[ImapAccount] = field(default_factory=list)
    woken: list[dict[str, str]] = field(default_factory=list)
    later: list[str] = field(default_factory=list)
    prefect: CaseproofError | None = None
    over: bool | CaseproofError = False

    @property
    def ports(self) -> InboxPorts:
        return InboxPorts(self._account, self._connect, self._wake, self._is_over, self.said.append)

    def names_a_mailbox(self, name: str) -> None:
        """Write the policy file anew."""
        policy = yaml.safe_load(BUILT_IN.read_text()) | {"answers": {"mailbox": name}}
        (self.world.home / "policy.yaml").write_text(yaml.safe_dump(policy))

    def _account(self, policy: Policy) -> ImapAccount | None:
        if isinstance(self.account, CaseproofError):
            raise self.account
        return self.account if policy.answers.mailbox else None

    def _connect(self, account: ImapAccount) -> FakeInbox:
        self.connected.append(account)
        return self.inbox

    def _wake(self, _services: Services, runs: Mapping[str, str]) -> list[str]:
        if self.prefect is not None:
            raise self.prefect
        self.woken.append(dict(runs))
        return [ref for ref in runs if ref in self.later]

    def _is_over(self, _services: Services, _ref: str) -> bool:
        if isinstance(self.over, CaseproofError):
            raise self.over
        return self.over


@pytest.fixture
def house(world: World) -> House:
    house = House(world)
    house.names_a_mailbox("retailers")
    return house


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    return make_world(answers={"mailbox": "retailers"})


# -- the mailbox ------------------------------------------------------------------------------------------------------


def test_a_round_takes_in_what_lies_there_then_waits_on_the_same_connection(house: House) -> None:
    ref = house.world.open()
    house.world.walk(ref, until="tell")
    watch = MailboxWatch(house.world.services, house.ports)
    house.inbox.comes(answer(house.world.mail.taken[0][0]))
    assert watch.round() == 0
    house.inbox.comes(answer(house.world.mail.taken[0][0], "And one more thing?"))
    assert watch.round() == 0
    assert len(house.inbox.away) == 2
    assert house.inbox.waited == [house.world.policy.times.inbox_minutes * 60] * 2
    assert house.connected == [ACCOUNT]
    with house.world.services.store.reading() as uow:
        assert [row.place for row in uow.messages.of_case(ref)] == [Disposition.COUNTED, Disposition.REPLY]


def test_a_mailbox_that_is_down_is_told_once_and_tried_again_ever_later_and_its_return_is_told(house: House) -> None:
    watch = MailboxWatch(house.world.services, house.ports)
    house.inbox.faulty.fails("open", before=DOWN, times=9)
    pauses = [watch.round() for _ in range(9)]
    assert pauses[:3] == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE]
    assert pauses[-1] == LONGEST_PAUSE == max(pauses)
    assert house.said == ["The mail server is away. It is tried again."]
    assert watch.round() == 0
    assert house.said[1:] == ["The mailbox is read again."]


def test_a_connection_that_is_lost_while_it_waits_is_made_anew(house: House) -> None:
    watch = MailboxWatch(house.world.services, house.ports)
    house.inbox.faulty.fails("wait", before=DOWN)
    assert watch.round() == FIRST_PAUSE
    assert house.inbox.closed == 1
    assert watch.round() == 0
    assert len(house.connected) == 2


def test_a_mail_that_cannot_be_put_away_is_told_once_and_the_mailbox_goes_on_being_read(house: House) -> None:
    house.inbox.comes(b"From: a@example.org\n\nx")
    watch = MailboxWatch(house.world.services, house.ports)
    for _ in range(3):
        house.inbox.faulty.fails("put_away", before=InboxError("It is locked.", "Look at it."))
        assert watch.round() == 0
    assert sum("It is locked. Look at it." in one for one in house.said) == 1
    watch.round()
    assert house.inbox.lying == {}


def test_a_wrong_password_is_not_tried_again_for_five_minutes_but_a_corrected_one_at_once(house: House) -> None:
    watch = MailboxWatch(house.world.services, house.ports)
    house.inbox.faulty.fails("open", before=InboxRefused("The password is wrong.", "Correct it."), times=2)
    assert watch.round() == LOOK_SECONDS
    for _ in range(5):
        house.world.clock.move(seconds=LOOK_SECONDS)
        assert watch.round() == LOOK_SECONDS
    assert house.connected == [ACCOUNT]
    house.world.clock.move(seconds=LONGEST_PAUSE)
    watch.round()
    assert house.connected == [ACCOUNT] * 2
    house.account = OTHER
    assert watch.round() == 0
    assert house.connected == [ACCOUNT, ACCOUNT, OTHER]
    assert house.said == ["The password is wrong. Correct it.", "The mailbox is read again."]
    assert not any("password" in line and "a-password" in line for line in house.said)


def test_a_policy_that_names_no_mailbox_is_looked_at_again_and_what_it_names_later_is_read(house: House) -> None:
    house.names_a_mailbox("")
    watch = MailboxWatch(house.world.services, house.ports)
    assert watch.round() == LOOK_SECONDS
    assert (house.connected, house.said) == ([], [])
    house.names_a_mailbox("retailers")
    assert watch.round() == 0
    house.names_a_mailbox("")
    assert watch.round() == LOOK_SECONDS
    assert house.inbox.closed == 1, "nothing is kept open that nobody wants read"


def test_a_block_that_is_changed_meanwhile_is_read_with_its_new_account(house: House) -> None:
    watch = MailboxWatch(house.world.services, house.ports)
    watch.round()
    house.account = OTHER
    watch.round()
    assert house.connected == [ACCOUNT, OTHER]
    assert house.inbox.closed == 1


def test_a_block_that_is_gone_is_told_once(house: House) -> None:
    watch = MailboxWatch(house.world.services, house.ports)
    house.account = BadInput("There is no mailbox called 'retailers'.", "Save one.")
    assert (watch.round(), watch.round()) == (FIRST_PAUSE, 2 * FIRST_PAUSE)
    assert house.said == ["There is no mailbox called 'retailers'. Save one."]


def test_a_policy_with_an_error_leaves_the_one_from_before_in_force(house: House) -> None:
    watch = MailboxWatch(house.world.services, house.ports)
    watch.round()
    (house.world.home / "policy.yaml").write_text("team: 7")
    assert watch.round() == 0
    assert house.said == []


def test_an_error_of_ours_does_not_end_the_watch(house: House) -> None:
    watch = MailboxWatch(house.world.services, house.ports)
    house.inbox.faulty.fails("messages", before=ZeroDivisionError())
    assert watch.round() == FIRST_PAUSE
    assert watch.round() == 0


# -- waking -----------------------------------------------------------------------------------------------------------


def waiting(house: House, form: str = "retailers-word") -> str:
    """A case that waits for somebody, asleep."""
    ref = house.world.open()
    with house.world.services.store.uow() as uow:
        uow.cases.attach_run(ref, "run-1", 1)
        uow.commit()
    house.world.walk(ref, until="tell")
    house.world.services.ledger.record(ref, Kind.QUESTION_ASKED, number=1, form=form, flow_run="run-1")
    return ref


def test_a_case_is_woken_once_when_words_come_and_not_for_what_does_not_count(house: House) -> None:
    ref = waiting(house)
    waker = Waker(house.world.services, house.ports)
    refused = {"sender": "x@example.org", "why": "a stranger", "evidence": "e"}
    house.world.services.ledger.record(ref, Kind.CONFIRMATION_REFUSED, **refused)
    assert waker.round() == WAKE_SECONDS
    assert house.woken == []
    house.world.confirm(ref)
    for _ in range(3):
        waker.round()
    assert house.woken == [{ref: "run-1"}]
    house.world.confirm(ref, "One more word: we also renewed the key.")
    waker.round()
    assert house.woken == [{ref: "run-1"}] * 2, "who wrote again is heard again"


def test_a_case_whose_run_is_about_to_ask_is_woken_in_a_later_round(house: House) -> None:
    ref = waiting(house)
    house.world.confirm(ref)
    house.later = [ref]
    waker = Waker(house.world.services, house.ports)
    assert waker.round() == LOOK_AGAIN_SECONDS < WAKE_SECONDS
    house.later = []
    waker.round()
    waker.round()
    assert house.woken == [{ref: "run-1"}] * 2


def test_while_prefect_is_down_words_are_recorded_that_is_told_once_and_the_case_is_woken_after(house: House) -> None:
    ref = waiting(house)
    letter = house.world.mail.taken[0][0]
    house.prefect = BadInput("Our Prefect server does not answer.", "Check it.")
    waker, watch = Waker(house.world.services, house.ports), MailboxWatch(house.world.services, house.ports)
    house.inbox.comes(answer(letter))
    watch.round()
    assert [waker.round(), waker.round()] == [FIRST_PAUSE, 2 * FIRST_PAUSE]
    assert len(house.world.case(ref).words) == 1
    assert house.said.count("Our Prefect server does not answer. Check it.") == 1
    house.prefect = None
    assert waker.round() == WAKE_SECONDS
    assert house.woken == [{ref: "run-1"}]
    assert house.said[-1] == "Cases can be woken again."


def test_a_closed_case_and_one_without_a_run_are_left_alone(house: House) -> None:
    ref = house.world.open()
    for without_a_run in ("contain", "ticket", "tell"):
        house.world.step(without_a_run, ref)
    house.world.services.ledger.record(ref, Kind.QUESTION_ASKED, number=1, form="decision", flow_run="r")
    house.world.confirm(ref)
    Waker(house.world.services, house.ports).round()
    assert house.woken == []


def test_what_is_written_down_rings_and_its_case_is_woken_long_before_the_next_look(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = waiting(house)
    bell, over = Bell(house.world.home / "bell"), threading.Event()
    writer = Store(house.world.services.settings.database, on_news=bell.ring)
    named = threading.Thread(target=watch, args=(house.world.services, house.ports, bell, over), daemon=True)
    named.start()
    monkeypatch.setattr(inbox_watch, "WAKE_SECONDS", 600)
    wait_until("the watch to listen", lambda: (house.world.home / "bell").exists(), 60)
    house.world.services = replace(house.world.services, store=writer)
    house.world.confirm(ref, agreed=False)
    wait_until("the case to be woken", lambda: house.woken, 60)
    assert house.woken == [{ref: "run-1"}]
    over.set()
    bell.ring()
    named.join(60)
    assert not named.is_alive()


def waits_for_a_long_run(house: House) -> str:
    ref = waiting(house, "try-again")
    trouble = {
        "step": "verify the run",
        "code": str(Code.STILL_RUNNING),
        "problem": "It goes on.",
        "next_action": "Wait.",
    }
    house.world.services.ledger.record(ref, Kind.TROUBLE, **trouble)
    return ref


def test_a_case_that_waits_for_a_long_run_is_woken_soon_after_that_is_over(house: House) -> None:
    ref = waits_for_a_long_run(house)
    runs = JobRunWatch(house.world.services, house.ports)
    assert runs.round() == RUNS_SECONDS
    assert house.woken == []
    house.over = True
    runs.round()
    assert house.woken == [{ref: "run-1"}]


def test_a_platform_that_is_down_is_told_once_and_the_run_is_read_when_it_is_back(house: House) -> None:
    ref = waits_for_a_long_run(house)
    runs = JobRunWatch(house.world.services, house.ports)
    house.over = PlatformDown("The platform does not answer.", "Check it.")
    assert [runs.round(), runs.round()] == [FIRST_PAUSE, 2 * FIRST_PAUSE]
    house.over = True
    assert runs.round() == RUNS_SECONDS
    assert house.woken == [{ref: "run-1"}]
    assert house.said == ["The platform does not answer. Check it.", "The runs that cases wait for are read again."]
