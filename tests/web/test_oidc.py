"""Logging in with an OpenID Connect provider: a small real one on loopback, which signs what it says."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from caseproof.config.settings import Settings
from caseproof.web import create_app
from caseproof.web.oidc import Provider
from tests.support.letters import hidden_fields
from tests.support.oidc_provider import CLIENT, SECRET, OidcProvider, shared_key, stranger_key

PUBLIC = "https://ops.example.com"


@pytest.fixture(scope="module")
def running() -> Iterator[OidcProvider]:
    with OidcProvider() as provider:
        yield provider


@pytest.fixture
def provider(running: OidcProvider) -> OidcProvider:
    running.well()
    return running


@pytest.fixture
def office(make_world: Callable[..., Any], provider: OidcProvider) -> Any:
    """An installation whose team logs in with the provider; the operator was invited."""
    made = make_world(public=PUBLIC)
    made.logins.invite("operator", "Operator@example.com")
    made.settings = Settings(
        home=made.home, public_url=PUBLIC, oidc_issuer=provider.issuer, oidc_client_id=CLIENT,
        oidc_client_secret=SecretStr(SECRET),
    )  # type: ignore[arg-type]  # fmt: skip
    made.app = create_app(replace(made.services, settings=made.settings), logins=made.logins)
    return made


def browse(office: Any) -> TestClient:
    return TestClient(office.app, PUBLIC, raise_server_exceptions=False, follow_redirects=False)


def at_the_provider(browser: TestClient, after: str = "/cases") -> str:
    """Go to the provider and log in there: where it leads back to."""
    there = browser.get("/login/provider", params={"next": after})
    assert there.status_code == 303
    return str(httpx.get(there.headers["Location"], timeout=60, trust_env=False).headers["Location"])


def log_in(browser: TestClient, after: str = "/cases") -> Any:
    return browser.get(at_the_provider(browser, after))


def is_in(browser: TestClient) -> bool:
    return browser.get("/cases").status_code == 200


def test_who_was_invited_logs_in_by_the_address_that_the_provider_vouches_for(office: Any) -> None:
    browser = browse(office)
    assert 'href="/login/provider?next=/inbox"' in browser.get("/login?next=/inbox").text
    answer = log_in(browser, "/inbox")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/inbox")
    assert "<bdi>operator</bdi>" in browser.get("/inbox").text
    assert [one.partition("=")[0] for one in answer.headers.get_list("Set-Cookie") if "Max-Age=0" in one] == [
        "__Host-caseproof-form", "__Host-caseproof-flow",
    ]  # fmt: skip


def test_an_address_that_only_the_userinfo_holds_counts_too_where_it_is_the_same_person(
    office: Any, provider: OidcProvider
) -> None:
    provider.in_userinfo = True
    assert log_in(browse(office)).status_code == 303
    provider.claims = {"sub": "another"}
    assert log_in(browse(office)).status_code == 403


def test_with_a_provider_no_password_lets_in(office: Any) -> None:
    office.logins.use_link(office.logins.invite("operator")[1], "nine tall chimneys")
    browser = browse(office)
    assert 'type="password"' not in browser.get("/login").text
    fields = hidden_fields(browse(office).get("/login").text) | {"name": "operator", "password": "nine tall chimneys"}
    assert browser.post("/login", data=fields).status_code == 403
    assert not is_in(browser)


def test_who_tries_passwords_at_the_same_address_keeps_nobody_from_the_provider(office: Any) -> None:
    browser = browse(office)
    for number in range(21):
        told = browser.post("/login", data={"name": f"name {number}", "password": "x"})
    assert told.status_code == 429
    assert log_in(browser).status_code == 303
    codes = [browser.get("/login/provider").status_code for _ in range(60)]
    assert codes[-1] == 429
    assert browser.get("/login/provider/back").status_code == 403, "each step is counted by itself"


def signed_by_a_stranger(provider: OidcProvider) -> None:
    provider.sign_with = stranger_key()


def signed_by_nobody(provider: OidcProvider) -> None:
    provider.header = {"alg": "none"}


def signed_with_the_clients_secret(provider: OidcProvider) -> None:
    provider.header, provider.sign_with = {"alg": "HS256"}, shared_key(SECRET * 3)


def signed_with_the_public_key_as_a_secret(provider: OidcProvider) -> None:
    provider.header, provider.sign_with = (
        {"alg": "HS256", "kid": "one"},
        shared_key(json.dumps(provider.key.as_dict(private=False))),
    )


def with_a_key_in_its_own_header(provider: OidcProvider) -> None:
    provider.sign_with = stranger_key()
    provider.header = {"alg": "ES256", "jwk": provider.sign_with.as_dict(private=False)}


def not_signed_at_all(provider: OidcProvider) -> None:
    provider.id_token = "x.y.z"


BAD_CLAIMS: dict[str, dict[str, Any]] = {
    "another nonce": {"nonce": "another"}, "no nonce": {"nonce": None}, "another issuer": {"iss": "https://example.net"},
    "for another client": {"aud": "another"}, "for no client": {"aud": None}, "expired": {"exp": 1_000_000},
    "no end": {"exp": None}, "not valid yet": {"nbf": 4_000_000_000}, "made for a third one": {"azp": "another"},
    "for many, by nobody": {"aud": [CLIENT, "another"]}, "no issuer": {"iss": None},
}  # fmt: skip
BAD_PEOPLE: dict[str, dict[str, Any]] = {
    "an address nobody verified": {"email_verified": False}, "verified in words": {"email_verified": "true"},
    "verified as a number": {"email_verified": 1}, "nothing said of it": {"email_verified": None},
    "no address": {"email": None}, "a list of addresses": {"email": ["operator@example.com"]},
    "an address nobody has here": {"email": "x@example.com"},
    "a name that is no address": {"email": "operator"}, "an empty address": {"email": ""},
}  # fmt: skip


def let_in(office: Any) -> bool:
    """Whether somebody gets in, at a web app that has just started: its limits count the tries."""
    office.app = create_app(replace(office.services, settings=office.settings), logins=office.logins)
    browser = browse(office)
    answer = log_in(browser)
    assert is_in(browser) == (answer.status_code == 303)
    assert answer.status_code in (303, 401, 403)
    return is_in(browser)


def test_what_the_provider_did_not_sign_lets_nobody_in(office: Any, provider: OidcProvider) -> None:
    spoilt = (
        signed_by_a_stranger, signed_by_nobody, signed_with_the_clients_secret, signed_with_the_public_key_as_a_secret,
        with_a_key_in_its_own_header, not_signed_at_all,
    )  # fmt: skip
    for spoil in spoilt:
        provider.well()
        spoil(provider)
        assert not let_in(office), spoil.__name__
    provider.well()
    assert let_in(office)


def test_what_was_signed_for_another_log_in_lets_nobody_in(office: Any, provider: OidcProvider) -> None:
    for what, claims in BAD_CLAIMS.items():
        provider.claims = claims
        assert not let_in(office), what


def test_an_address_that_nobody_vouches_for_or_nobody_has_lets_nobody_in(office: Any, provider: OidcProvider) -> None:
    for what, person in BAD_PEOPLE.items():
        provider.well()
        provider.person |= person
        assert not let_in(office), what


def test_what_one_browser_began_ends_in_no_other_one(office: Any) -> None:
    """Else a stranger's link would log a person in as the stranger, or the stranger as the person."""
    mine, other = browse(office), browse(office)
    back = at_the_provider(mine)
    at_the_provider(other)
    for browser in (browse(office), other):
        assert browser.get(back).status_code == 403
        assert not is_in(browser)
    assert mine.get(back).status_code == 303
    assert mine.get(back).status_code == 403, "once"


@pytest.mark.parametrize("query", ["", "?code=x", "?state=x", "?code=x&state=x", "?error=access_denied&state=x"])
def test_half_an_answer_lets_nobody_in(office: Any, query: str) -> None:
    browser = browse(office)
    at_the_provider(browser)
    assert browser.get(f"/login/provider/back{query}").status_code == 403
    assert not is_in(browser)


def test_an_answer_of_another_provider_lets_nobody_in(office: Any) -> None:
    browser = browse(office)
    back = httpx.URL(at_the_provider(browser))
    assert browser.get(str(back.copy_set_param("iss", "https://example.net"))).status_code == 403


def test_who_is_not_on_the_team_any_more_is_not_let_in(office: Any) -> None:
    (office.home / "policy.yaml").write_text("team: [team lead, deputy]\n")
    assert log_in(browse(office)).status_code == 401


@pytest.mark.parametrize(("seconds", "status", "reads"), [(30.0, 403, 1), (-1.0, 303, 2)])
def test_new_keys_of_the_provider_are_read_but_not_at_every_try(
    office: Any, provider: OidcProvider, seconds: float, status: int, reads: int
) -> None:
    patient = Provider(office.settings, new_keys_seconds=seconds)
    office.app = create_app(replace(office.services, settings=office.settings), logins=office.logins, provider=patient)
    assert log_in(browse(office)).status_code == 303
    before, provider.key = provider.key, stranger_key()
    provider.sign_with = provider.key
    try:
        assert log_in(browse(office)).status_code == status
        assert provider.asked.count("/keys") == reads
    finally:
        provider.key = before


@pytest.mark.parametrize(
    "metadata",
    [{"issuer": "https://example.net"}, {"token_endpoint": "http://example.net/token"}, {"jwks_uri": None},
     {"authorization_endpoint": "javascript:alert(1)"}],
)  # fmt: skip
def test_a_provider_that_is_another_or_not_https_is_not_spoken_to(
    office: Any, provider: OidcProvider, metadata: dict[str, Any]
) -> None:
    provider.metadata = metadata
    answer = browse(office).get("/login/provider")
    assert answer.status_code == 502
    assert "caseproof people link NAME" in answer.text
    assert provider.asked == ["/.well-known/openid-configuration"]
