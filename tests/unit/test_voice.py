"""The voice without a telephone: what is dialled, what is said, whose call-back it is, and how a call goes on."""

from __future__ import annotations

import itertools
import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caseproof.channels.voice.dialling import Line
from caseproof.channels.voice.pages import (
    KEYS,
    Choice,
    VoiceAlert,
    asking,
    choice_of,
    hang_up,
    not_written,
    nothing_heard,
    said_back,
    taken_by,
)  # fmt: skip
from caseproof.channels.voice.progress import CallState, Outcome, Progress, follow, read_call_back
from caseproof.channels.voice.signature import Form, form_of, signature, signed_by
from caseproof.domain.errors import BadInput

NOW = datetime(2026, 11, 29, 3, tzinfo=UTC)
CALL, ACCOUNT, SECOND = f"CA{'a' * 32}", f"AC{'1' * 32}", f"AC{'2' * 32}"
ALERT = VoiceAlert("SC-000123", "Pizza & Söhne <Nord>", 'The "store" is down & no food can be ordered')
PAGE = "https://pages.example.com/voice/turn?key=a%2Bb&turn=2"

# -- dialling -------------------------------------------------------------------------------------------------------


def test_an_extension_is_pressed_after_its_pauses() -> None:
    assert Line("+442079460000").keys == ""
    assert Line("+442079460000", "415").keys == "WW415"
    assert Line("+442079460000", "1,415#", pause_seconds=1.5).keys == "Ww1WW415#"
    assert Line("+442079460000", "ww 415", pause_seconds=0).keys == "ww415"


@pytest.mark.parametrize(
    "number", ["", "020 7946 0000", "+44 20 7946 0000", "+0123456789", "+1", "+44207946000\n0", "sip:a"]
)
def test_what_is_no_number_of_the_world_is_refused(number: str) -> None:
    with pytest.raises(BadInput, match="cannot be dialled"):
        Line(number)


@pytest.mark.parametrize("extension", ["four", "#", "415;x", "415&To=+1", "4" * 31, ",,,,,,,,,,,,,,,1"])
def test_an_extension_that_cannot_be_pressed_is_refused(extension: str) -> None:
    with pytest.raises(BadInput, match="extension"):
        Line("+442079460000", extension)


# -- pages ----------------------------------------------------------------------------------------------------------


def parsed(page: str) -> ET.Element:
    return ET.fromstring(page)  # noqa: S314 - a page of our own


def said(page: str) -> str:
    return " ".join(one.text or "" for one in parsed(page).iter("Say"))


def test_the_page_says_the_problem_twice_and_asks_for_one_key() -> None:
    page = parsed(asking(ALERT, PAGE))
    (gather,) = page
    words = said(asking(ALERT, PAGE))
    assert gather.attrib == {
        "input": "dtmf", "numDigits": "1", "timeout": "6", "method": "POST", "action": PAGE,
        "actionOnEmptyResult": "true",
    }  # fmt: skip
    assert words.count('Pizza & Söhne <Nord>. The "store" is down & no food can be ordered.') == 2
    assert "Case S C 1 2 3." in words
    assert all(f"press {key}" in words for key in KEYS)


@given(st.text(), st.text())
def test_nothing_that_is_said_becomes_markup(site: str, problem: str) -> None:
    alert = VoiceAlert("SC-000001", site, problem)
    for page in (asking(alert, PAGE, pressed=problem), taken_by(alert, site), said_back(alert, Choice.MINE)):
        tags = {one.tag for one in parsed(page).iter()}
        assert tags <= {"Response", "Gather", "Say", "Pause", "Hangup"}


@pytest.mark.parametrize("letter", ["x", '"', "&", "<", "\U0001f355", "\x00"])
def test_the_first_page_goes_with_the_call_so_it_is_never_too_large_for_twilio(letter: str) -> None:
    page = asking(VoiceAlert("SC-000001", letter * 5000, letter * 5000), f"{PAGE}&{'k' * 200}", pressed=letter * 9)
    assert len(page) <= 4_000
    assert "press 1" in said(page)


def test_a_long_problem_is_cut_before_nobody_listens_any_more() -> None:
    assert len(said(asking(VoiceAlert("SC-000001", "x" * 5000, "y" * 5000), PAGE))) < 2000


@pytest.mark.parametrize(
    ("choice", "words"),
    [(Choice.MINE, "I have it"), (Choice.NEXT, "next person is called"), (Choice.ESCALATE, "Everybody on the list")],
)
def test_what_was_chosen_is_said_back_and_the_call_ends(choice: Choice, words: str) -> None:
    page = said_back(ALERT, choice)
    assert words in said(page)
    assert parsed(page)[-1].tag == "Hangup"


def test_every_other_end_of_a_call_says_what_happens_now() -> None:
    assert "The second responder has case S C 1 2 3 already" in said(taken_by(ALERT, "The second responder"))
    assert "The next person is called now" in said(nothing_heard(ALERT))
    assert "could not be written down" in said(not_written(ALERT))
    assert [one.tag for one in parsed(hang_up())] == ["Hangup"]


@pytest.mark.parametrize("digits", ["", "0", "4", "9", "*", "#", "11", "12", " 1", "\uff11", "one"])
def test_a_key_that_means_nothing_chooses_nothing_and_is_asked_again(digits: str) -> None:
    assert choice_of(digits) is None
    assert "none of the keys" in said(asking(ALERT, PAGE, pressed=digits or "5"))


# -- whose call-back it is ------------------------------------------------------------------------------------------

# By Twilio's own library (twilio.request_validator of twilio 9.13.0), the first from its documentation.
REFERENCE: list[tuple[str, Form, str]] = [
    (
        "https://mycompany.com/myapp.php?foo=1&bar=2",
        [("CallSid", "CA1234567890ABCDE"), ("Caller", "+14158675309"), ("Digits", "1234"), ("From", "+14158675309"),
         ("To", "+18005551212")],
        "RSOYDt4T1cUTdK1PDd93/VVr8B8=",
    ),
    (
        PAGE,
        [("To", "+442079460000"), ("Name", "Zoë & Söhne"), ("Digits", ""), ("AccountSid", ACCOUNT)],
        "4IfxMZe7H9yfdt9hTI9/oiBte6A=",
    ),
    (
        "https://pages.example.com:8443/voice",
        [("Media", "b"), ("AccountSid", ACCOUNT), ("Media", "a"), ("Media", "b")],
        "AquWkVen6Kvb9XZAhMzr09p9m44=",
    ),
    ("https://pages.example.com/voice", [], "hI74TcvZkdKGwOCLsYOjzK+1XP0="),
]  # fmt: skip
FORM: Form = [("CallSid", CALL), ("AccountSid", ACCOUNT), ("CallStatus", "in-progress"), ("Digits", "1")]
TOKENS = {ACCOUNT: "12345", SECOND: "another"}


@pytest.mark.parametrize(("url", "form", "theirs"), REFERENCE)
def test_the_signature_is_the_one_that_twilios_own_library_makes(url: str, form: Form, theirs: str) -> None:
    assert signature(url, form, "12345") == theirs


def test_a_call_back_is_known_by_its_signature_whichever_account_it_comes_from() -> None:
    assert signed_by(PAGE, FORM, signature(PAGE, FORM, "12345"), TOKENS) == ACCOUNT
    second = [("AccountSid", SECOND), *FORM[2:]]
    assert signed_by(PAGE, second, signature(PAGE, second, "another"), TOKENS) == SECOND


def test_the_port_that_a_scheme_has_by_itself_may_be_signed_or_not() -> None:
    here, with_port = "https://pages.example.com/a", "https://pages.example.com:443/a"
    for given_url, signed_url in itertools.product((here, with_port), repeat=2):
        assert signed_by(given_url, FORM, signature(signed_url, FORM, "12345"), TOKENS) == ACCOUNT
    assert signed_by(here, FORM, signature("https://pages.example.com:8443/a", FORM, "12345"), TOKENS) is None


@pytest.mark.parametrize(
    ("url", "form", "given_signature"),
    [
        (PAGE, FORM, ""),
        (PAGE, FORM, "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        (PAGE, FORM, "\ud800é"),
        (PAGE.replace("turn=2", "turn=3"), FORM, signature(PAGE, FORM, "12345")),
        (PAGE.replace("https", "http"), FORM, signature(PAGE, FORM, "12345")),
        (PAGE, [*FORM, ("Digits", "2")], signature(PAGE, FORM, "12345")),
        (PAGE, [*FORM[:3], ("Digits", "2")], signature(PAGE, FORM, "12345")),
        (PAGE, [one for one in FORM if one[0] != "AccountSid"], signature(PAGE, FORM, "12345")),
        # Signed by one of the two accounts, and naming the other, or both:
        (PAGE, FORM, signature(PAGE, FORM, "another")),
        (PAGE, [*FORM, ("AccountSid", SECOND)], signature(PAGE, [*FORM, ("AccountSid", SECOND)], "another")),
    ],
)  # fmt: skip
def test_a_forged_call_back_is_nobodys(url: str, form: Form, given_signature: str) -> None:
    assert signed_by(url, form, given_signature, TOKENS) is None


def test_an_account_without_a_token_signs_nothing() -> None:
    assert signed_by(PAGE, FORM, signature(PAGE, FORM, ""), {ACCOUNT: ""}) is None


def test_empty_and_repeated_fields_are_kept_and_what_is_no_form_is_refused() -> None:
    assert form_of(b"Digits=&Media=a&Media=b&Name=Zo%C3%AB") == [
        ("Digits", ""), ("Media", "a"), ("Media", "b"), ("Name", "Zoë"),
    ]  # fmt: skip
    for body in (b"\xff=1", b"a=%ff", b"a=1&" * 300, b"a" * 40_000):
        with pytest.raises(BadInput, match="call-back"):
            form_of(body)


# -- how a call goes on ---------------------------------------------------------------------------------------------


def told(progress: Progress, at: datetime = NOW, **fields: str) -> Progress:
    form = [("CallSid", CALL), ("AccountSid", ACCOUNT), *((name, value) for name, value in fields.items())]
    return follow(progress, read_call_back(form_of(urlencode(form).encode())), at)


STARTED = Progress(CALL, ACCOUNT)


def test_whatever_order_call_backs_come_in_and_however_often_the_end_is_the_same() -> None:
    states = ["initiated", "ringing", "in-progress", "completed"]
    for order in itertools.permutations(states):
        progress = STARTED
        for state in [*order, *order]:
            progress = told(progress, CallStatus=state)
        assert (progress.state, progress.outcome) == (CallState.COMPLETED, Outcome.SILENT)


@pytest.mark.parametrize(
    ("state", "outcome"),
    [
        ("completed", Outcome.SILENT), ("no-answer", Outcome.NO_ANSWER), ("busy", Outcome.BUSY),
        ("failed", Outcome.FAILED), ("canceled", Outcome.CANCELED), ("ringing", Outcome.UNDER_WAY),
        ("in-progress", Outcome.UNDER_WAY), ("a-state-of-tomorrow", Outcome.UNDER_WAY),
    ],
)  # fmt: skip
def test_a_call_that_was_answered_or_is_completed_is_no_acknowledgement(state: str, outcome: Outcome) -> None:
    assert told(STARTED, CallStatus=state).outcome is outcome


def test_an_end_is_an_end() -> None:
    busy = told(STARTED, CallStatus="busy")
    for state in ("completed", "no-answer", "in-progress"):
        assert told(busy, NOW + timedelta(seconds=1), CallStatus=state) is busy


@pytest.mark.parametrize("by", ["machine_start", "machine_end_beep", "machine_end_silence", "fax"])
def test_an_answering_machine_is_no_acknowledgement_and_needs_no_waiting_for(by: str) -> None:
    progress = told(STARTED, CallStatus="in-progress", AnsweredBy=by)
    assert (progress.outcome, progress.state.is_over) == (Outcome.MACHINE, False)
    assert told(progress, CallStatus="completed").outcome is Outcome.MACHINE


@pytest.mark.parametrize("by", ["human", "unknown", ""])
def test_that_a_human_answered_is_no_acknowledgement_either(by: str) -> None:
    assert told(STARTED, CallStatus="in-progress", AnsweredBy=by).outcome is Outcome.UNDER_WAY


def test_a_key_is_what_counts_and_the_first_one_alone() -> None:
    once = told(STARTED, CallStatus="in-progress", Digits="2")
    assert (once.choice, once.outcome) == (Choice.NEXT, Outcome.CHOSEN)
    assert told(once, CallStatus="in-progress", Digits="2") is once
    assert told(once, CallStatus="in-progress", Digits="1").choice is Choice.NEXT


def test_who_presses_a_key_and_hangs_up_counts_and_a_key_that_comes_much_later_does_not() -> None:
    ended = told(STARTED, CallStatus="completed")
    assert told(ended, NOW + timedelta(seconds=20), CallStatus="in-progress", Digits="1").choice is Choice.MINE
    late = told(ended, NOW + timedelta(minutes=10), CallStatus="in-progress", Digits="1")
    assert late is ended


def test_a_replayed_call_back_does_nothing_new() -> None:
    progress = STARTED
    fields = [{"CallStatus": "ringing"}, {"CallStatus": "in-progress", "Digits": "1"}, {"CallStatus": "completed"}]
    for one in fields:
        progress = told(progress, **one)
    for one in fields:
        assert told(progress, NOW + timedelta(days=300), **one) is progress


@pytest.mark.parametrize("other", [{"CallSid": f"CA{'b' * 32}"}, {"AccountSid": SECOND}])
def test_what_is_told_of_another_call_does_nothing(other: dict[str, str]) -> None:
    form = {"CallSid": CALL, "AccountSid": ACCOUNT, "CallStatus": "in-progress", "Digits": "1"} | other
    assert follow(STARTED, read_call_back(list(form.items())), NOW) is STARTED


def test_the_first_call_back_under_an_attempts_own_address_says_which_call_it_is() -> None:
    """Twilio tells it before its answer, and also where that answer is lost."""
    known = told(Progress(), CallStatus="ringing")
    assert (known.call, known.account, known.state) == (CALL, ACCOUNT, CallState.RINGING)
    other = read_call_back([("CallSid", f"CA{'b' * 32}"), ("AccountSid", ACCOUNT), ("Digits", "1")])
    assert follow(known, other, NOW) is known


@pytest.mark.parametrize("call", ["", "CA1", "SM" + "a" * 32, CALL + "\n"])
def test_a_call_back_that_names_no_call_is_refused(call: str) -> None:
    with pytest.raises(BadInput, match="names no call"):
        read_call_back([("CallSid", call), ("AccountSid", ACCOUNT)])
