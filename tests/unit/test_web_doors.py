"""What the doctor says of the web app's doors: each planted weakness by its name, and nothing of a sound set-up."""

from __future__ import annotations

import socket
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher

from caseproof.config.settings import Settings
from caseproof.doctor.clocks import Clocks
from caseproof.doctor.examination import Failed, Skipped
from caseproof.doctor.outside import WebChecks
from caseproof.doctor.web_doors import addresses, host_names, logins, whose_word
from caseproof.procedure.core.logins import LINK_HOLDS, TeamLogins
from caseproof.store import Store
from tests.support.loopback import Loopback

TEAM, ANSWERS = "https://ops.example.com", "https://answers.example.com"
NOW = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WEB_URL", "PUBLIC_URL", "ANSWER_URL", "OIDC_ISSUER", "PROXY_LOGIN_HEADER", "PROXY_ADDRESSES"):
        monkeypatch.delenv(f"CASEPROOF_{name}", raising=False)


def settings(tmp_path: Path, **given: Any) -> Settings:
    return Settings(home=tmp_path, **given)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"public_url": TEAM}, "Retailers open the address of the team"),
        ({"public_url": TEAM, "answer_url": f"{TEAM}/shops"}, "Retailers open the address of the team"),
        ({"public_url": "http://ops.example.com", "answer_url": ANSWERS}, "is plain HTTP"),
        ({"public_url": TEAM, "answer_url": "http://answers.example.com"}, "is plain HTTP"),
        ({"web_url": "http://192.0.2.7:8321"}, "is plain HTTP"),
        ({"web_url": "http://0.0.0.0:8321"}, "by no address that is set up"),
        ({"web_url": "http://[::]:8321"}, "by no address that is set up"),
    ],
)
def test_an_open_address_is_named(tmp_path: Path, given: dict[str, Any], named: str) -> None:
    with pytest.raises(Failed, match=named) as failed:
        addresses(settings(tmp_path, **given))
    assert "CASEPROOF_" in failed.value.next_action


def test_sound_addresses_are_told(tmp_path: Path) -> None:
    assert "without a login" in addresses(settings(tmp_path))
    assert "with a login" in addresses(settings(tmp_path, public_url=TEAM, answer_url=ANSWERS))


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"proxy_login_header": "X-User"}, "HEADER is set without CASEPROOF_PROXY_ADDRESSES"),
        ({"proxy_addresses": "192.0.2.1"}, "ADDRESSES is set without CASEPROOF_PROXY_LOGIN_HEADER"),
        ({"proxy_login_header": "X-User", "proxy_addresses": "192.0.2.1,0.0.0.0/0"}, "0.0.0.0/0: anybody"),
        ({"proxy_login_header": "X-User", "proxy_addresses": "::/0"}, "::/0: anybody"),
        ({"oidc_issuer": "https://id.example.com"}, "without CASEPROOF_OIDC_CLIENT_ID"),
        ({"oidc_issuer": "http://id.example.com", "oidc_client_id": "x"}, "plain HTTP"),
    ],
)
def test_a_word_that_anybody_could_give_is_named(tmp_path: Path, given: dict[str, Any], named: str) -> None:
    with pytest.raises(Failed, match=named):
        whose_word(settings(tmp_path, **given))


def test_whose_word_counts_is_told(tmp_path: Path) -> None:
    assert whose_word(settings(tmp_path)) == "people are known by passwords"
    told = whose_word(settings(tmp_path, proxy_login_header="X-User", proxy_addresses="192.0.2.0/24"))
    assert told == "people are known by passwords and X-User of the proxy"


def test_nobody_who_can_log_in_and_somebody_who_left_are_named(tmp_path: Path) -> None:
    here, public = settings(tmp_path), settings(tmp_path, public_url=TEAM)
    store, team = Store(here.database), ["operator", "team lead"]
    store.migrate()
    known = TeamLogins(store, lambda: NOW, lambda: team)
    assert logins(here, known) == "0 of 2 on the team can log in"
    with pytest.raises(Failed, match="Nobody can log in") as failed:
        logins(public, known)
    assert "caseproof people link 'operator'" in failed.value.next_action
    known.invite("operator")
    assert logins(public, known) == "1 of 2 on the team can log in"
    later = replace(known, clock=lambda: NOW + LINK_HOLDS)
    with pytest.raises(Failed, match="Nobody can log in"):
        logins(public, later)
    team.remove("operator")
    with pytest.raises(Failed, match="operator: not on the policy's team"):
        logins(here, known)
    store.close()


def test_who_can_log_in_has_a_link_that_holds_or_what_the_way_in_asks_for(tmp_path: Path) -> None:
    store, now = Store(settings(tmp_path).database), [NOW]
    store.migrate()
    cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    by_password = TeamLogins(store, lambda: now[0], lambda: ["operator", "team lead"], cheap)
    by_provider, by_proxy = replace(by_password, by_address=True), replace(by_password, by_name=True)

    def counted() -> list[int]:
        return [len(each.who_get_in()) for each in (by_password, by_provider, by_proxy)]

    first = by_password.first_link()
    assert first is not None
    assert by_password.first_link() is None, "while the link holds"
    assert counted() == [1, 1, 1]
    now[0] += LINK_HOLDS
    assert counted() == [0, 0, 1]
    first = by_password.first_link()
    assert first is not None, "and once more when it does not"
    by_password.use_link(first[1], "nine tall chimneys")
    assert counted() == [1, 0, 1], "with a provider, the page takes no password"
    by_password.invite("team lead", "lead@example.com")
    now[0] += LINK_HOLDS
    assert counted() == [1, 1, 2]
    by_password.remove("team lead")
    with pytest.raises(Failed, match="Nobody can log in") as failed:
        logins(settings(tmp_path, public_url=TEAM), by_provider)
    assert "invite 'operator' ADDRESS" in failed.value.next_action
    store.close()


def test_a_web_app_that_does_not_know_our_key_is_named_as_one_of_another_home(tmp_path: Path) -> None:
    answer = (200, {"Content-Type": "application/json"}, b'{"status": "ok"}')
    with Loopback({"/health": answer}) as there:
        # Reached from elsewhere, by what is set; and asked where the test can.
        here = settings(tmp_path, web_url="http://192.0.2.7:8321", public_url=there.url)
        checks = WebChecks(here, Clocks())
        with pytest.raises(Failed, match="of another home, or has another key") as failed:
            checks.same_store(Store(here.database), lambda: b"k" * 32)
        checks.close()
    assert "CASEPROOF_HOME" in failed.value.next_action
    assert there.asked[0][2]["x-caseproof-health"]


def test_where_nothing_answers_no_host_name_is_asked_for(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(Skipped):
        host_names(settings(tmp_path, web_url=f"http://127.0.0.1:{port}"))
