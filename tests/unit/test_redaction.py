"""What may be a secret is hidden, what is none stays readable, and a message of any length is read in good time."""

from __future__ import annotations

import time

import pytest

from caseproof.http.redaction import redact


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
    ],
)
def test_what_is_no_secret_stays_readable(text: str) -> None:
    assert redact(text) == text


def test_what_was_hidden_stays_as_it_is_when_it_is_read_again() -> None:
    once = redact("token=abc Authorization: Bearer abcdefgh1234 https://u:p@example.com/?key=1")
    assert redact(once) == once


@pytest.mark.parametrize("piece", ["a", "a-", "password", "a_1B", "Bearer ", "?", "://a", "A" * 40 + " ", "eyJ"])
def test_a_very_long_message_is_read_in_good_time(piece: str) -> None:
    began = time.process_time()
    redact(piece * (200_000 // len(piece)))
    assert time.process_time() - began < 10
