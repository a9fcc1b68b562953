"""Calls by Twilio against telephones with people at them: placed once, followed to the end, found again, forged."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from caseproof.channels.provider import ChannelDown, ChannelError, ChannelRefused
from caseproof.channels.voice.accounts import VoiceAccounts
from caseproof.channels.voice.dialling import Line
from caseproof.channels.voice.pages import MOST_TURNS, Choice, VoiceAlert, asking
from caseproof.channels.voice.progress import CallState, Outcome
from caseproof.channels.voice.twilio import TwilioAccount, TwilioVoice
from caseproof.domain.errors import BadInput
from caseproof.up.processes import free_port, wait_until
from sandbox.provider import Bad, Kind, running
from sandbox.telephones import ACCOUNT, TOKEN, Person, Telephones
from tests.support.answering import Answering
from tests.support.lost_answers import LOST
from tests.support.specs import spec

FIRST, SECOND, THIRD, OURS = "+442079460001", "+442079460002", "+442079460003", "+442079460009"
ALERT = VoiceAlert("SC-000123", "Pizza & Söhne <Nord>", "The store is down & no food can be ordered")
OTHER = f"AC{'2' * 32}"


def now() -> datetime:
    return datetime.now(UTC)


class World:
    """Telephones, an app that answers them, and accounts that call: the first one's telephones are ``telephones``.

    ``seconds`` is how long the first account waits for an answer.
    """

    def __init__(self, stack: ExitStack, people: dict[str, Sequence[Person]], seconds: float) -> None:
        self.telephones, url = stack.enter_context(running(Telephones(people)))
        self.others, other_url = stack.enter_context(running(Telephones(people, account=OTHER)))
        made = [
            TwilioAccount("main", ACCOUNT, TOKEN, OURS, url, seconds),
            TwilioAccount("second", OTHER, TOKEN, OURS, other_url, 30),
        ]
        self.first, self.second = (TwilioVoice(one) for one in made)
        self.accounts = VoiceAccounts([self.first, self.second])
        stack.callback(self.accounts.close)
        self.app = stack.enter_context(Answering(ALERT, self.accounts.tokens))

    def again(self) -> TwilioVoice:
        """The first account once more, as a second block that was saved with the same SID and a mistyped token."""
        return TwilioVoice(replace(self.first.account, name="second", auth_token="mistyped"))

    def outcome(self, number: str, extension: str = "") -> Outcome:
        """Call this number, and see what comes of it."""
        placed = self.first.place(self.app.call(number, extension), now())
        self.app.follow(placed)
        return self.app.outcome(placed)


@contextmanager
def world(seconds: float = 30, **people: Sequence[Person]) -> Iterator[World]:
    numbers = {"first": FIRST, "second": SECOND, "third": THIRD}
    with ExitStack() as stack:
        yield World(stack, {numbers[who]: calls for who, calls in people.items()}, seconds)


# -- who answers ----------------------------------------------------------------------------------------------------


def test_two_do_not_answer_a_machine_does_and_the_third_presses_a_key() -> None:
    with world(first=[Person("no answer")], second=[Person("machine")], third=[Person(presses=["1"])]) as here:
        assert here.outcome(FIRST) is Outcome.NO_ANSWER
        assert here.outcome(SECOND) is Outcome.MACHINE
        assert here.outcome(THIRD) is Outcome.CHOSEN
        chosen = [one.choice for one in here.app.calls.values()]
        told = here.telephones.told()
    assert chosen == [None, None, Choice.MINE]
    assert [one["pressed"] for one in told] == [[], [], ["1"]]
    assert "Pizza & Söhne <Nord>" in told[2]["said"][0]
    assert "You said: I have it." in told[2]["said"][-1]
    assert here.app.forged == 0


@pytest.mark.parametrize(
    ("presses", "outcome", "last"),
    [
        (["2"], Outcome.CHOSEN, "The next person is called"),
        (["3"], Outcome.CHOSEN, "Everybody on the list"),
        (["7", "", "1"], Outcome.CHOSEN, "I have it"),
        ([], Outcome.SILENT, "No key was pressed"),
        (["9"] * 9, Outcome.SILENT, "No key was pressed"),
    ],
)
def test_a_wrong_key_and_silence_are_asked_again_until_it_is_enough(
    presses: list[str], outcome: Outcome, last: str
) -> None:
    with world(first=[Person(presses=presses)]) as here:
        assert here.outcome(FIRST) is outcome
        (call,) = here.telephones.calls
    assert last in call.said[-1]
    assert len(call.pressed) <= MOST_TURNS
    assert not call.trouble


@pytest.mark.parametrize(("does", "outcome"), [("busy", Outcome.BUSY), ("failed", Outcome.FAILED)])
def test_a_busy_telephone_and_a_call_that_fails_are_no_answer(does: Any, outcome: Outcome) -> None:
    with world(first=[Person(does)]) as here:
        assert here.outcome(FIRST) is outcome


def test_an_extension_goes_through_the_main_number_and_no_machine_is_looked_for_there() -> None:
    with world(first=[Person("answers", ["", "1"])]) as here:
        assert here.outcome(FIRST, "1,415#") is Outcome.CHOSEN
        (call,) = here.telephones.calls
    assert call.form["SendDigits"] == ["WW1WW415#"]
    assert {"MachineDetection", "AsyncAmd"} & set(call.form) == set()


def test_once_somebody_has_it_a_call_that_still_rings_ends() -> None:
    with world(first=[Person(presses=["1"], rings=30)]) as here:
        placed = here.first.place(here.app.call(FIRST), now())
        here.app.follow(placed)
        assert here.accounts.state(placed) in (CallState.QUEUED, CallState.RINGING)
        here.accounts.hang_up(placed)
        assert here.app.outcome(placed) is Outcome.CANCELED
        here.accounts.hang_up(placed)  # repeating is harmless
        assert here.accounts.state(placed) is CallState.CANCELED


def test_who_answers_hears_the_problem_also_while_our_own_pages_cannot_be_reached() -> None:
    with world(first=[Person(presses=["1"])]) as here:
        call = here.app.call(FIRST)
        dead = f"http://127.0.0.1:{free_port()}"
        placed = here.first.place(replace(call, page=asking(ALERT, f"{dead}/page"), status_url=f"{dead}/s"), now())
        wait_until("the call to fail", lambda: here.accounts.state(placed) is CallState.FAILED, 60, every=0.01)
        (made,) = here.telephones.calls
    assert "no food can be ordered" in made.said[0]
    assert (made.pressed, made.status) == (["1"], "failed")


# -- call-backs -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["twice", "out of order"])
def test_call_backs_that_come_twice_or_out_of_order_change_nothing(kind: Kind) -> None:
    with world(first=[Person(presses=["1"])]) as here:
        here.telephones.bad = [Bad(kind)]
        assert here.outcome(FIRST) is Outcome.CHOSEN


def test_a_forged_call_back_is_refused_and_a_replayed_one_does_nothing_new() -> None:
    with world(first=[Person("no answer")], second=[Person(presses=["1"])]) as here:
        assert here.outcome(SECOND) is Outcome.CHOSEN
        placed = here.first.place(here.app.call(FIRST), now())
        here.app.follow(placed)
        assert here.app.outcome(placed) is Outcome.NO_ANSWER
        before = dict(here.app.calls)
        path, body, given = next(one for one in here.app.told if b"Digits=1" in one[1])
        first_sid = placed.call.encode()
        assert here.app.heard(path, body, given)[0] == 200
        assert here.app.heard(path, body.replace(b"Digits=1", b"Digits=2"), given)[0] == 403
        assert here.app.heard(path, body.replace(next(iter(before)).encode(), first_sid), given)[0] == 403
        assert here.app.heard(path, body, "")[0] == 403
        assert here.app.calls == before
        assert here.app.forged == 3


# -- a provider that fails ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["drop", "hang after", "nonsense"])
def test_a_call_whose_answer_was_lost_is_found_and_nobody_is_called_twice(kind: Kind) -> None:
    with world(LOST.get(kind, 30), first=[Person(presses=["1"])]) as here:
        lost = here.first.place(here.app.call(FIRST), now())  # an earlier call to the same telephone
        here.app.follow(lost)
        here.app.outcome(lost)
        effect: Kind = "drop" if kind == "nonsense" else kind
        here.telephones.bad = [Bad(effect, "POST", times=1, value=600)]
        placed = here.accounts.place(here.app.call(FIRST), now(), known=[lost.call])
        assert (placed.account, placed.found) == (ACCOUNT, True)
        assert placed.call != lost.call
        assert (len(here.telephones.calls), len(here.others.calls)) == (2, 0)


def test_where_it_stays_unknown_whether_the_first_account_calls_the_second_does() -> None:
    with world(0.2, first=[Person(presses=["1"])]) as here:
        here.telephones.bad = [Bad("hang", value=600)]
        with pytest.raises(ChannelDown) as down:
            here.first.place(here.app.call(FIRST), now())
        assert down.value.maybe_done
        placed = here.accounts.place(here.app.call(FIRST), now())
        here.app.follow(placed)
        assert placed.account == OTHER
        assert here.app.outcome(placed) is Outcome.CHOSEN


def test_a_list_that_is_refused_says_nothing_about_whether_somebody_is_called() -> None:
    with world(first=[Person("no answer")]) as here:
        here.telephones.bad = [Bad("drop", "POST"), Bad("too many", "GET")]
        with pytest.raises(ChannelDown, match="broke off") as down:
            here.first.place(here.app.call(FIRST), now())
        assert down.value.maybe_done
        assert len(here.telephones.calls) == 1


@pytest.mark.parametrize(("kind", "maybe"), [("too many", False), ("broken", True), ("nonsense", True)])
def test_a_second_account_calls_where_the_first_fails(kind: Kind, maybe: bool) -> None:
    with world(first=[Person(presses=["1"])]) as here:
        here.telephones.bad = [Bad(kind, value=600)]
        started = time.monotonic()
        with pytest.raises(ChannelDown) as down:
            here.first.place(here.app.call(FIRST), now())
        assert down.value.maybe_done is maybe
        assert here.accounts.place(here.app.call(FIRST), now()).account == OTHER
        assert time.monotonic() - started < 30  # nobody waits for ten minutes because a provider wants to


def test_a_call_that_was_taken_and_never_rings_is_seen_and_the_other_account_is_named() -> None:
    with world(first=[Person(presses=["1"])]) as here:
        here.telephones.bad = [Bad("nothing", "POST")]
        placed = here.accounts.place(here.app.call(FIRST), now())
        assert here.accounts.state(placed) is CallState.QUEUED
        assert here.accounts.place(here.app.call(FIRST), now(), not_by=[placed.account]).account == OTHER


def test_a_provider_without_call_backs_is_read_back() -> None:
    with world(first=[Person("no answer")]) as here:
        here.telephones.bad = [Bad("deaf")]
        placed = here.accounts.place(here.app.call(FIRST), now())
        wait_until("it to ring out", lambda: here.accounts.state(placed) is CallState.NO_ANSWER, 60, every=0.01)


def test_both_accounts_down_say_what_each_answered_and_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    dead = f"http://127.0.0.1:{free_port()}"
    accounts = VoiceAccounts(
        [TwilioVoice(TwilioAccount(name, sid, TOKEN, OURS, dead)) for name, sid in (("a", ACCOUNT), ("b", OTHER))]
    )
    with world() as here, pytest.raises(ChannelDown) as down:
        accounts.place(here.app.call(FIRST), now())
    assert down.value.problem.count("cannot be reached") == 2
    assert not down.value.maybe_done
    assert TOKEN not in f"{down.value}{caplog.text}{accounts.__dict__}{[one.account for one in (here.first,)]}"


def test_wrong_credentials_and_a_number_that_twilio_refuses_are_said_with_its_number() -> None:
    with world() as here:
        wrong = TwilioVoice(TwilioAccount("main", ACCOUNT, "wrong-token", OURS, here.first.account.api_url))
        with pytest.raises(ChannelRefused, match="does not accept our credentials") as refused:
            wrong.place(here.app.call(FIRST), now())
        assert refused.value.answered == 20003
        assert "wrong-token" not in str(refused.value)


def test_a_worker_that_died_between_intent_and_answer_is_followed_by_looking_first() -> None:
    with world(first=[Person("no answer")]) as here:
        since = now()
        assert here.accounts.find(Line(FIRST), since) is None
        placed = here.second.place(here.app.call(FIRST), since)
        found = here.accounts.find(Line(FIRST), since)
        assert found is not None
        assert (found.account, found.call) == (OTHER, placed.call)
        assert here.accounts.find(Line(FIRST), since, known=[placed.call]) is None
        assert here.accounts.find(Line(FIRST), since + timedelta(minutes=5)) is None
        here.telephones.bad = [Bad("broken")]
        with pytest.raises(ChannelError):  # not known, so nobody may believe that there is none
            here.accounts.find(Line(FIRST), since, known=[placed.call])


@pytest.mark.parametrize(
    "wrong",
    [{"sid": "AC1"}, {"sid": ACCOUNT + "/Calls"}, {"auth_token": " "}, {"number": "020"}, {"api_url": "ftp://x"}],
)
def test_an_account_that_cannot_call_is_refused_before_it_has_to(wrong: dict[str, str]) -> None:
    well = {"name": "main", "sid": ACCOUNT, "auth_token": TOKEN, "number": OURS}
    with pytest.raises(BadInput):
        TwilioAccount(**(well | wrong))  # type: ignore[arg-type]


def test_the_same_account_twice_calls_once_and_keeps_nobody_from_being_called() -> None:
    with world(first=[Person("no answer")]) as here, closing(VoiceAccounts([here.first, here.again()])) as accounts:
        assert accounts.tokens == {ACCOUNT: TOKEN}
        assert accounts.place(here.app.call(FIRST), now()).account == ACCOUNT
        assert len(here.telephones.calls) == 1
    with pytest.raises(BadInput, match="no voice account"):
        VoiceAccounts([])


# -- Twilio's own description ---------------------------------------------------------------------------------------


def test_what_we_ask_and_what_the_simulator_answers_is_as_twilio_describes_it() -> None:
    described = spec("twilio-calls.json")
    path = described["paths"]["/2010-04-01/Accounts/{AccountSid}/Calls.json"]
    asked = path["post"]["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"]
    call = described["components"]["schemas"]["api.v2010.account.call"]["properties"]
    states = set(described["components"]["schemas"]["call_enum_status"]["enum"])
    with world(first=[Person(presses=["1"])], second=[Person("no answer")]) as here:
        here.outcome(FIRST)
        here.outcome(SECOND, "415")
        here.first.find(Line(FIRST), now())
        forms = [one.form for one in here.telephones.calls]
        answers = [one.resource(ACCOUNT) for one in here.telephones.calls]
        listed = [one.query for one in here.telephones.asked if one.method == "GET"]
    for form in forms:
        assert set(form) <= set(asked["properties"])
        assert set(asked["required"]) <= set(form)
        assert [name for name, values in form.items() if len(values) > 1] == ["StatusCallbackEvent"]
        assert form["StatusCallbackMethod"][0] in asked["properties"]["StatusCallbackMethod"]["enum"]
    for answer in answers:
        assert set(answer) <= set(call)
        assert answer["status"] in states
    assert {name for query in listed for name in query} <= {one["name"] for one in path["get"]["parameters"]}
    assert states <= set(CallState)
