"""Who is called and by what, as the doctor sees it: what it says besides the faults of a whole house."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from caseproof.channels.kept_channels import KeptChannels, keep_channels
from caseproof.channels.voice.twilio import TwilioAccount, TwilioVoice
from caseproof.config.paging import watch_lock
from caseproof.config.policy import Policy
from caseproof.config.settings import Settings
from caseproof.doctor import Failed, reaching
from caseproof.procedure.core.on_call import Window, call_plan
from caseproof.procedure.paging.tested import Came, EverReached, Try, Way
from caseproof.store import locks
from sandbox.provider import running
from sandbox.telephones import ACCOUNT, CALLER, TOKEN, VERIFIED, Telephones
from tests.doctor.conftest import CALENDAR

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
FAR = "https://api.twilio.com"


def policy(paging: dict[str, str] | None = None, **on_call: Any) -> Policy:
    people = [
        {"name": "Product Lead", "mobile": "+442079460123", "extension": "101", "mail": "lead@example.com", "days": []},
        {"name": "Operator", "tier": "L1", "mobile": "+442079460199"},
    ]
    given = {"people": people, "main_number": "+442079460100"} | on_call
    return Policy.model_validate({"team": ["a", "b"], "on_call": given, "paging": paging or {"voice": "main"}})


def test_who_has_no_mail_or_no_teams_is_named_and_who_is_not_called_is_not() -> None:
    assert reaching.call_list(policy()) == (
        "1 of 2 people are called, each by a number; no teams is given for Product Lead"
    )
    assert "no emergency calls anybody" in reaching.call_list(policy(people=[]))


def test_a_calendar_on_its_last_good_copy_is_named_with_its_date(tmp_path: Path) -> None:
    served = {"content": CALENDAR.encode()}
    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=served["content"]))
    source = {"name": "nights", "address": "https://calendars.example.com/secret-8f2c.ics", "timezone": "Europe/Berlin"}
    own = policy(calendars=[source])
    call_plan(own, tmp_path, Window.around(NOW - timedelta(days=2), 7), fetch=True, transport=transport)
    assert reaching.calendars(own, tmp_path, NOW, transport) == "each can be read: nights"
    served["content"] = b"<html>"
    with pytest.raises(Failed) as failed:
        reaching.calendars(own, tmp_path, NOW, transport)
    assert "Its last good copy counts, of 2026-11-27 12:00 UTC." in failed.value.problem
    assert "8f2c" not in str(failed.value)
    assert reaching.cover(own, tmp_path, NOW) == "somebody is on duty all the next 7 days", "the copy counts"


def test_where_the_pager_ended_it_is_said_that_nobody_is_called(tmp_path: Path) -> None:
    keep_channels(tmp_path, KeptChannels(voices=(TwilioAccount("main", ACCOUNT, TOKEN, CALLER),)))
    own = policy()
    own = own.model_copy(update={"mail": own.mail.model_copy(update={"account": ""})})
    assert "no pager ever ran in this home" in reaching.kept(own, tmp_path)
    locks.hold(watch_lock(tmp_path))
    assert reaching.kept(own, tmp_path).endswith("a pager works with it")
    locks.let_go(watch_lock(tmp_path))
    with pytest.raises(Failed, match="No pager runs") as failed:
        reaching.kept(own, tmp_path)
    assert "caseproof up" in failed.value.next_action


def test_each_line_has_to_be_reached_and_an_emergency_reaches_the_first() -> None:
    tested = Try("2026-11", "Product Lead", Way.CALL, "+442079460100 ext. 101", NOW, NOW, Came.SENT, answered=NOW)
    ever = EverReached([tested], {"product  lead": NOW - timedelta(days=3)})
    ways = [("+442079460123", True), ("+442079460100 ext. 101", False), ("+442079460100 ext. 102", False)]
    found = [ever.by("Product Lead", Way.CALL, number, is_first_line=first) for number, first in ways]
    assert [one.how if one else "" for one in found] == ["an emergency", "test page of 2026-11", ""]
    assert EverReached([], {}).by("Product Lead", Way.CALL, "+442079460123", is_first_line=True) is None


def test_a_voice_account_is_looked_at_and_nobody_is_called(tmp_path: Path) -> None:
    here = Settings(home=tmp_path, public_url=None, web_url="http://127.0.0.1:4210")
    with running(Telephones()) as (telephones, url):

        def load(name: str, number: str = CALLER, token: str = TOKEN) -> TwilioVoice:
            return TwilioVoice(TwilioAccount(name, ACCOUNT, token, number, url))

        assert reaching.voice(policy(), here, load) == (
            "'main' may call; nobody was called; no second account calls where this one fails (paging.second_voice)"
        )
        assert "may call" in reaching.account_may_call("main", lambda: load("main", VERIFIED))
        with pytest.raises(Failed, match=r"\+442079460077 is neither its own number"):
            reaching.account_may_call("main", lambda: load("main", "+442079460077"))
        with pytest.raises(Failed, match=r"Voice account 'main': Twilio .* does not accept our credentials") as failed:
            reaching.account_may_call("main", lambda: load("main", token="another"))
        assert telephones.calls == []
    assert TOKEN not in str(failed.value)


def test_keys_that_cannot_get_here_from_twilio_are_told_before_they_are_pressed(tmp_path: Path) -> None:
    answers = {"status": "active", "type": "Trial", "incoming_phone_numbers": [{}]}
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=answers))

    def load(name: str) -> TwilioVoice:
        return TwilioVoice(TwilioAccount(name, ACCOUNT, TOKEN, CALLER, FAR), transport=transport)

    inside, outside = (Settings(home=tmp_path, public_url=url) for url in (None, "https://cases.example.com"))
    found = reaching.voice(policy(), inside, load)
    assert "a trial: numbers that were verified there alone" in found
    assert "no pressed key gets here: set CASEPROOF_PUBLIC_URL" in found
    assert "pressed key" not in reaching.voice(policy(), outside, load)
