"""What may be a secret is hidden, what is none stays readable, and a message of any length is read in good time."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import yaml

from caseproof.checks.causes import classify
from caseproof.config.policy_check import built_in_signatures
from caseproof.http.redaction import HIDDEN, redact, redact_address, secrets_in, without_secrets
from caseproof.platforms.base import Job, PlatformRefused, Run, RunState
from tests.support.planted import PLANTED, READABLE, VARIANTS, Planted

CORPUS = Path(__file__).parents[1] / "corpus"
TOLD = "Flow run encountered an exception: JobFailed: {}\nTraceback (most recent call last): line 7"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("Authorization: Bearer abcdefgh12345678", "abcdefgh"),
        ("authorization: Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
        ("{'Authorization': 'Zoho-oauthtoken 1000.abc.def'}", "1000.abc"),
        ("sent bearer abcdefgh12345678 to it", "abcdefgh"),
        ("login failed: password=hunter2", "hunter2"),
        ('{"password": "correct horse", "user": "shop"}', "horse"),
        ("DB_PASSWORD='a b c'", "a b c"),
        ("the password is hunter2", "hunter2"),
        ("the password is swordfish", "swordfish"),
        ("the password was Swordfish", "Swordfish"),
        ("the new token is aBcDeF", "aBcDeF"),
        ("the token is abcdefghijklm", "abcdefghijklm"),
        ("the token is in.abc", "in.abc"),
        ("the token is secret: abc", "abc"),
        ("the token is 'rejected'", "rejected"),
        ("client_secret: xyz-1", "xyz-1"),
        ("refresh_token=abc", "=abc"),
        ("X-API-Key: 12ab", "12ab"),
        ("https://user:pa55@db.example.com/x", "pa55"),
        ("postgresql+psycopg://caseproof:pa55@db.example.com/x", "pa55"),
        ("https://example.com/x?key=AbC&page=2", "AbC"),
        ("https://example.com/hook?sp=1&sv=2&sig=AbC%2F", "AbC"),
        ("https://example.com/cb?code=4%2F0AX", "0AX"),
        ("https://example.com/x?oauth_consumer_key=AbC", "AbC"),
        ("Cookie: sid=1; other=zzz", "zzz"),
        ("jwt eyJhbGciOiJI.eyJzdWIiOiIx.abc-def", "eyJzdWI"),
        ("key ck_0123456789abcdef0123456789abcdef01234567 refused", "0123456789abcdef"),
        ("digest 0123456789abcdef0123456789abcdef", "0123456789abcdef"),
        ("value aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1 refused", "aB3dE5"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabc\n-----END RSA PRIVATE KEY----- end", "MIIE"),
    ],
)
def test_a_secret_is_hidden(text: str, secret: str) -> None:
    assert secret in text
    assert secret not in redact(text)
    assert "[hidden]" in redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "401 Unauthorized: the token has expired",
        "The new token is in the retailer's settings",
        "the token is rejected. The API key was exchanged, so the session is over",
        "the password is in the retailer's settings; their secret was renewed",
        "the password is wrong.",
        "run 0b9f7c1e-2a34-4c56-8d78-9e0f1a2b3c4d of feeds/products failed at 2026-11-21T20:51:00Z",
        "GET https://api.example.com/v1/products?page=2&per_page=100 gave 503",
        "cannot reach shop@example.com",
        "ModuleNotFoundError: no module named example_marketplace_connector",
        "",
        "Idempotency Key\nJF-000001:rerun:1:0abeab9d@garden-shop",
        "JF-000012:removal:2@leaving",
        *READABLE,
    ],
)
def test_what_is_no_secret_stays_readable(text: str) -> None:
    assert redact(text) == text


def test_what_was_hidden_stays_as_it_is_when_it_is_read_again() -> None:
    once = redact("token=abc Authorization: Bearer abcdefgh1234 https://u:p@example.com/?key=1")
    assert redact(once) == once


@pytest.mark.parametrize("planted", PLANTED, ids=lambda one: one.kind)
def test_each_kind_of_secret_is_hidden_alone_and_in_a_message_and_once_is_enough(planted: Planted) -> None:
    for text in (planted.text, TOLD.format(planted.text)):
        hidden = redact(text)
        assert [part for part in planted.parts if part in hidden] == []
        assert HIDDEN in hidden
        assert redact(hidden) == hidden


@pytest.mark.parametrize(("text", "secret"), VARIANTS)
def test_a_secret_is_hidden_in_whatever_dress(text: str, secret: str) -> None:
    assert secret in text
    assert secret not in redact(text)


def test_what_failed_runs_really_say_stays_and_means_what_it_meant() -> None:
    files = ("causes.yaml", "causes_given.yaml", "held_out_causes.yaml")
    texts = ((CORPUS / file).read_text(encoding="utf-8") for file in files)
    said = [entry["says"] for text in texts for entry in yaml.load(text, yaml.CSafeLoader)]
    hidden = [redact(text) for text in said]
    changed = [text for text, after in zip(said, hidden, strict=True) if after != text]
    assert [text for text in changed if "refresh_token=xxx" not in text] == []
    signatures = built_in_signatures()
    assert classify(hidden, signatures) == classify(said, signatures)


def test_an_id_of_a_run_that_looks_like_a_key_stays_where_the_page_of_the_run_is_known_by_it() -> None:
    run = "0123456789abcdef" * 2
    told, taken = secrets_in(f"run {run}\nCompleted\npassword: {run} token=a{run}", (run, "Completed"))
    assert told == f"run {run}\nCompleted\npassword: {HIDDEN} token={HIDDEN}"
    assert [secret for _, secret in taken] == [run, f"a{run}"]


def test_a_message_of_a_platform_has_no_secret_as_soon_as_it_is_there() -> None:
    secret = "https://shop:hunter22@api.example.com"
    run = Run("1", f"of {secret}", "j", RunState.FAILED, f"Failed {secret}", f"{secret}\0", f"{secret}/r", None, None)
    job = Job(
        "feed/a", f"of {secret}", f"{secret}/j?token=hunter22", "Shop", None, None, stopped_by=f"who reads {secret}"
    )
    error = PlatformRefused(f"It said: {secret}", f"Look at {secret}")
    for told in (repr(run), repr(job), repr(error), str(error), error.problem, error.next_action):
        assert "hunter22" not in told
    assert run.message == "https://[hidden]@api.example.com\ufffd"


def test_an_address_that_people_open_keeps_its_path() -> None:
    told = "https://shop:hunter22@jobs.example.com/runs/0123456789abcdef01234567?tab=Details&token=abc"
    shown = f"https://{HIDDEN}@jobs.example.com/runs/0123456789abcdef01234567?tab=Details&token={HIDDEN}"
    assert redact_address(told) == shown


def test_a_message_of_any_length_is_kept_at_both_ends_and_a_secret_at_the_cut_is_none_of_them() -> None:
    kept = without_secrets("begins " + "a b " * 60_000 + "password: hunter22" + "\nline" * 60_000 + " ends")
    assert len(kept) < 200_010
    assert kept.startswith("begins ")
    assert kept.endswith(" ends")
    assert "hunter22" not in kept


SLOW = (
    "a", "password", "a_1B", "Bearer ", "?", "A" * 40 + " ", "-----BEGIN KEY-----", "-----END ", "&token=", "curl -u ",
    "--token ", "secret_", "password=&", "password for a a ", "key ", "://u:p@", "%2f", "password='a\n",
    "eyJaaaaaaaaaa.",
)  # fmt: skip


def test_a_very_long_message_is_read_in_good_time() -> None:
    for piece in SLOW:
        began = time.process_time()
        redact(piece * (100_000 // len(piece)))
        assert time.process_time() - began < 5, piece
