"""The password of the Prefect server of `caseproof up`: whose it is, where it goes, and whom it would lock out."""

from __future__ import annotations

import io
import json
import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, PREFECT_UI_URL, temporary_settings
from prefect.settings import Settings as PrefectSettings

from blocks.base import password_of_our_server
from blocks.platforms import PrefectJobs
from caseproof.cli.up import _may_lock_out, _offer_first_login
from caseproof.config.private_files import looseness
from caseproof.config.settings import Settings
from caseproof.domain.errors import BadInput, CaseproofError
from caseproof.http.client import credentials
from caseproof.procedure.core.services import bootstrap
from caseproof.up.addresses import adopt_addresses, adopt_password, password_file, write_addresses
from caseproof.up.password import LocksOut, ServerPassword, choose, how_to_log_in, refuse_no_password, settle
from caseproof.up.plan import StartPlan, plan, worker_name
from caseproof.up.prefect_services import NOBODY, PrefectApi
from tests.support.command import for_home, runner
from tests.support.loopback import Answer, Loopback

OURS = "http://127.0.0.1:4200"
NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name in ("CASEPROOF_DATABASE_URL", "CASEPROOF_PREFECT_URL", "CASEPROOF_WEB_URL", "CASEPROOF_PUBLIC_URL"):
        monkeypatch.delenv(name, raising=False)
    return Settings(home=tmp_path / "home")


def nobody_asked(_: Sequence[str]) -> bool:
    raise AssertionError("nobody is to be asked")


def laid_out(settings: Settings, password: ServerPassword, **given: str) -> StartPlan:
    return plan(settings, given, postgres=False, password=password.auth)


def kept(settings: Settings) -> ServerPassword:
    """After a first start in which nobody else was there."""
    made = choose(settings, {}, none=False)
    with prefect() as server:
        settle(made, PrefectApi(f"{server.url}/api"), settings, NOW, nobody_asked)
    return choose(settings, {}, none=False)


def rows(*found: dict[str, Any]) -> Answer:
    return 200, {"Content-Type": "application/json"}, json.dumps(found).encode()


def prefect(*deployments: dict[str, Any], **workers: Sequence[dict[str, Any]]) -> Loopback:
    """A Prefect server with these deployments, and the workers of these work pools."""
    pools = {name.replace("_", "-"): some for name, some in workers.items()}
    return Loopback(
        {
            "/api/work_pools/filter": rows(*({"name": name} for name in pools)),
            "/api/deployments/filter": rows({"name": "case-keeper", "work_pool_name": "caseproof"}, *deployments),
            **{f"/api/work_pools/{name}/workers/filter": rows(*some) for name, some in pools.items()},
        }
    )


def worker(name: str, *, seen: datetime = NOW) -> dict[str, Any]:
    return {"name": name, "last_heartbeat_time": seen.isoformat()}


# -- made and kept ----------------------------------------------------------------------------------------------------


def test_the_first_start_makes_one_at_random_and_the_later_ones_keep_it(settings: Settings) -> None:
    made = [choose(settings, {}, none=False) for _ in range(2)]
    assert made[0].auth != made[1].auth, "nothing is kept before the server answers"
    assert not password_file(settings.home_folder).exists()
    first = kept(settings)
    assert first.auth
    assert not first.is_new
    assert len(first.auth.partition(":")[2]) >= 32
    assert kept(settings).auth == first.auth
    assert first.auth not in repr(first)


def test_the_server_asks_for_it_and_everything_that_talks_to_the_server_gives_it(settings: Settings) -> None:
    password = kept(settings)
    environments = {one.name: one.env for group in laid_out(settings, password).groups for one in group}
    assert environments["server"]["PREFECT_SERVER_API_AUTH_STRING"] == password.auth
    assert {env["PREFECT_API_AUTH_STRING"] for env in environments.values()} == {password.auth}


def test_one_that_a_person_set_goes_before_it_and_nothing_is_kept(settings: Settings) -> None:
    kept(settings)
    given = choose(settings, {"PREFECT_SERVER_API_AUTH_STRING": "us:them"}, none=False)
    assert given.auth == "us:them"
    settle(given, PrefectApi(OURS), settings, NOW, nobody_asked)
    assert not password_file(settings.home_folder).exists(), "what is not in force is not given to anybody"


def test_a_new_one_is_shown_once_on_a_terminal_and_nowhere_else(settings: Settings) -> None:
    made = choose(settings, {}, none=False)
    assert made.auth
    here = laid_out(settings, made)
    assert made.auth in how_to_log_in(here, made, shown=True)
    assert "caseproof keys prefect" in how_to_log_in(here, made, shown=False)
    again = kept(settings)
    for told in (how_to_log_in(here, made, shown=False), how_to_log_in(here, again, shown=True)):
        assert "caseproof keys prefect" in told
        assert made.auth not in told
        assert str(again.auth) not in told


def test_the_command_prints_what_is_kept_and_says_where_there_is_none(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = runner(monkeypatch, capsys)
    for_home(settings.home_folder, monkeypatch)
    refused = run("keys", "prefect")
    assert (refused.code, refused.out) == (1, "")
    assert "keeps no password" in refused.err
    password = kept(settings).auth
    assert run("keys", "prefect") == (0, f"{password}\n", "")


# -- whose pages ------------------------------------------------------------------------------------------------------


def origins(settings: Settings, monkeypatch: pytest.MonkeyPatch, **given: str) -> list[str]:
    server = laid_out(settings, ServerPassword(None), **given).groups[0][0]
    with monkeypatch.context() as patched:
        for name in [name for name in server.env if "CORS" in name]:
            patched.setenv(name, server.env[name])
        return PrefectSettings().server.api.cors_allowed_origins.split(",")


def test_its_own_pages_are_let_in_under_each_of_their_addresses_and_no_others(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = ["http://localhost:4200", OURS]
    assert origins(settings, monkeypatch) == both
    assert origins(settings, monkeypatch, PREFECT_UI_URL="https://Prefect.example.com/") == [
        *both, "https://prefect.example.com",
    ]  # fmt: skip
    assert origins(settings, monkeypatch, PREFECT_SERVER_CORS_ALLOWED_ORIGINS="https://a.example.com") == [
        "https://a.example.com"
    ]


# -- where it goes ----------------------------------------------------------------------------------------------------


def found_by_a_command(settings: Settings, *, own_server: bool = True, **environment: str) -> str | None:
    """The password that a command in another terminal of the home gives to the server that it calls."""
    write_addresses(settings.home_folder, {"PREFECT_API_URL": f"{OURS}/api"}, "sqlite:cases", own_server=own_server)
    adopt_addresses(settings.home_folder, environment)
    adopt_password(settings.home_folder, environment)
    return environment.get("PREFECT_API_AUTH_STRING")


def test_a_first_start_at_a_terminal_lets_the_first_person_in_and_a_service_tells_how(settings: Settings) -> None:
    services = bootstrap(settings)
    first = services.policy.team[0]
    said = _offer_first_login(services, shown=False)
    assert said == f"Nobody can log in yet: `caseproof people link {shlex.quote(first)}` prints a sign-in link."
    token = _offer_first_login(services, shown=True).rpartition("/login/link/")[2]
    assert services.logins.offered(token).name == first
    services.store.close()


def test_a_command_goes_on_where_the_kept_password_cannot_be_read_and_the_doctor_finds_its_loose_modes(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kept(settings)
    file = password_file(settings.home_folder)
    file.chmod(0o644)
    found_by_a_command(settings)
    assert [one.path for one in looseness(settings.home_folder) if one.path == file] == [file]
    file.unlink()
    file.mkdir()
    run = runner(monkeypatch, capsys)
    for_home(settings.home_folder, monkeypatch)
    told = run("policy")
    assert told.code == 0
    assert "prefect-password cannot be kept for its owner alone: it is a folder" in told.err


def test_what_was_given_for_this_homes_server_does_not_go_to_one_that_the_last_up_used_elsewhere(
    settings: Settings,
) -> None:
    there = {"PREFECT_API_URL": "https://prefect.example.com/api"}
    write_addresses(settings.home_folder, there, "sqlite:cases", own_server=False)
    environment = {"PREFECT_SERVER_API_AUTH_STRING": "us:secret"}
    adopt_addresses(settings.home_folder, environment)
    adopt_password(settings.home_folder, environment)
    assert environment["PREFECT_API_URL"] == there["PREFECT_API_URL"]
    assert "PREFECT_API_AUTH_STRING" not in environment


def test_a_command_in_another_terminal_finds_it(settings: Settings) -> None:
    password = kept(settings).auth
    assert found_by_a_command(settings) == password
    assert found_by_a_command(settings, PREFECT_API_URL=f"{OURS}/api/") == password
    assert found_by_a_command(settings, PREFECT_API_AUTH_STRING="") == password
    assert found_by_a_command(settings, PREFECT_API_AUTH_STRING="mine:own") == "mine:own"


ELSEWHERE = [
    "https://prefect.example.com/api",
    "https://127.0.0.1:4200/api",  # another scheme
    "http://127.0.0.1:4201/api",  # another port
    "http://127.0.0.1/api",
    "http://127.0.0.2:4200/api",
    "http://localhost:4200/api",  # another name: it may lead elsewhere
    "http://127.0.0.1:4200@prefect.example.com/api",
    "http://127.0.0.1:4200.example.com/api",
    "http://prefect.example.com/127.0.0.1:4200/api",
    "http://127.0.0.1.example.com:4200/api",
    "http://[::1]:4200/api",
    "127.0.0.1:4200/api",
]


@pytest.mark.parametrize("address", ELSEWHERE)
def test_it_is_never_given_to_another_address(settings: Settings, address: str) -> None:
    password = kept(settings)
    assert password.auth
    assert found_by_a_command(settings, PREFECT_API_URL=address) is None
    assert found_by_a_command(settings, PREFECT_API_URL=address, PREFECT_SERVER_API_AUTH_STRING="us:them") is None
    there = laid_out(settings, password, PREFECT_API_URL=address, PREFECT_SERVER_API_AUTH_STRING="us:them")
    assert there.api.auth is None
    told = json.dumps([dict(one.env) for group in there.groups for one in group])
    assert password.auth not in told


def test_it_is_not_given_to_a_server_of_somebody_else_at_the_address_that_was_ours(settings: Settings) -> None:
    kept(settings)
    assert found_by_a_command(settings, own_server=False) is None
    assert found_by_a_command(settings, own_server=False, PREFECT_API_URL=f"{OURS}/api") is None


def given_by_a_block(api_url: str, ui_url: str, **own: str) -> tuple[str | None, str | None]:
    """What a saved platform gives to its API, and what the browser that pictures its pages."""
    with PrefectJobs(api_url=api_url, ui_url=ui_url, **own).client() as client:
        return client._api._client._client.headers.get("Authorization"), client._password


@pytest.fixture
def at_our_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process talks to our own server, with the password that is kept."""
    monkeypatch.setenv("SSL_CERT_FILE", str(NOBODY))
    ours = {PREFECT_API_URL: f"{OURS}/api", PREFECT_UI_URL: OURS, PREFECT_API_AUTH_STRING: "caseproof:kept"}
    with temporary_settings(ours):
        yield


@pytest.mark.usefixtures("at_our_server")
def test_a_platform_at_our_own_address_gives_it_by_itself_and_one_with_its_own_gives_that() -> None:
    header = credentials("caseproof:kept", None)["Authorization"]
    assert given_by_a_block(f"{OURS}/api", OURS) == (header, header.removeprefix("Basic "))
    assert given_by_a_block(f"{OURS}/api/", f"{OURS}/") == (header, header.removeprefix("Basic "))
    theirs = credentials("their:own", None)["Authorization"]
    assert given_by_a_block(f"{OURS}/api", OURS, auth="their:own") == (theirs, theirs.removeprefix("Basic "))
    assert given_by_a_block(f"{OURS}/api", OURS, api_key="key-1") == ("Bearer key-1", None)


@pytest.mark.usefixtures("at_our_server")
def test_a_platform_elsewhere_is_not_given_it_nor_is_the_browser_that_pictures_it() -> None:
    for address in ELSEWHERE:
        ui_url = address.removesuffix("/api")
        for one in ((address, ui_url), (address, OURS), (f"{OURS}/api", ui_url)):
            assert password_of_our_server(*one) is None, one
    assert given_by_a_block("https://prefect.example.com/api", OURS) == (None, None)
    assert given_by_a_block(f"{OURS}/api", "https://prefect.example.com") == (None, None)


def test_it_does_not_follow_where_a_server_points_to() -> None:
    with Loopback({"/api/health": (200, {}, b"true")}) as elsewhere:
        moved: Answer = (307, {"Location": f"{elsewhere.url}/api/health"}, b"")
        with Loopback({"/api/health": moved}) as ours:
            assert PrefectApi(f"{ours.url}/api", "caseproof:kept").is_healthy()
    assert "authorization" in ours.asked[0][2]
    assert "authorization" not in elsewhere.asked[0][2]


# -- none -------------------------------------------------------------------------------------------------------------


def test_without_a_password_what_was_kept_is_forgotten_and_the_next_start_makes_another(settings: Settings) -> None:
    before = kept(settings)
    none = choose(settings, {}, none=True)
    assert none.auth is None
    settle(none, PrefectApi(OURS), settings, NOW, nobody_asked)
    after = choose(settings, {}, none=False)
    assert after.is_new
    assert after.auth != before.auth


@pytest.mark.parametrize(
    ("listens", "given", "named"),
    [
        ("http://192.0.2.7:4200", {}, "192.0.2.7"),
        ("http://0.0.0.0:4200", {}, "0.0.0.0"),  # noqa: S104 - it is refused
        ("http://[::]:4200", {}, "::"),
        (OURS, {"PREFECT_UI_URL": "https://prefect.example.com"}, "prefect.example.com"),
        (OURS, {"PREFECT_UI_URL": "https://127.0.0.1.example.com"}, "127.0.0.1.example.com"),
        (OURS, {"PREFECT_API_URL": "https://prefect.example.com/api"}, "PREFECT_API_URL"),
    ],
)
def test_no_password_is_refused_where_others_reach_the_server(
    settings: Settings, listens: str, given: dict[str, str], named: str
) -> None:
    there = settings.model_copy(update={"prefect_url": Settings(prefect_url=listens).prefect_url})
    with pytest.raises(BadInput) as refused:
        refuse_no_password(laid_out(there, ServerPassword(None), **given), there)
    assert named in refused.value.problem
    assert "Leave" in refused.value.next_action


@pytest.mark.parametrize("listens", [OURS, "http://localhost:4200", "http://[::1]:4200", "http://127.1.2.3:4200"])
def test_no_password_is_taken_on_loopback(settings: Settings, listens: str) -> None:
    here = settings.model_copy(update={"prefect_url": Settings(prefect_url=listens).prefect_url})
    refuse_no_password(laid_out(here, ServerPassword(None)), here)


def test_a_password_and_none_at_once_are_refused(settings: Settings) -> None:
    with pytest.raises(BadInput, match="--no-password"):
        choose(settings, {"PREFECT_SERVER_API_AUTH_STRING": "us:them"}, none=True)


# -- others on the same server ----------------------------------------------------------------------------------------


def settled(settings: Settings, server: Loopback, *, may: bool) -> list[str]:
    """Whom a new password would lock out, as they are named to whoever is asked."""
    asked: list[str] = []

    def may_lock_out(others: Sequence[str]) -> bool:
        asked.extend(others)
        return may

    with server:
        made = choose(settings, {}, none=False)
        settle(made, PrefectApi(f"{server.url}/api", made.auth), settings, NOW, may_lock_out)
    return asked


def test_each_other_client_is_named_and_without_a_yes_nobody_is_locked_out(settings: Settings) -> None:
    server = prefect(
        {"name": "garden-shop", "work_pool_name": "customer-jobs"},
        {"name": "nightly", "work_pool_name": None},
        caseproof=[worker(worker_name(settings.home_folder)), worker("on-another-machine")],
        customer_jobs=[worker("customers"), worker("long-gone", seen=NOW - timedelta(days=90))],
    )
    with pytest.raises(LocksOut) as refused:
        settled(settings, server, may=False)
    for name in ("on-another-machine", "the worker customers of the work pool customer-jobs", "garden-shop", "nightly"):
        assert name in refused.value.problem
    for name in ("long-gone", worker_name(settings.home_folder), "case-keeper"):
        assert name not in refused.value.problem
    assert "`caseproof up --lock-out`" in refused.value.next_action
    assert "`caseproof up --no-password`" in refused.value.next_action
    assert not password_file(settings.home_folder).exists(), "the next start asks again"
    assert len(settled(settings, server, may=True)) == 4
    assert password_file(settings.home_folder).exists()
    assert settled(settings, server, may=False) == [], "once it is in force nobody is asked"


@pytest.mark.parametrize(("typed", "may"), [("y", True), ("n", False), ("", False)])
def test_a_person_at_a_terminal_is_shown_them_all_and_asked(
    monkeypatch: pytest.MonkeyPatch, typed: str, may: bool
) -> None:
    ours, terminal = os.openpty()
    with open(terminal, "r+b", buffering=0) as raw:  # noqa: PTH123 - it has no path of its own
        screen = io.TextIOWrapper(raw, write_through=True)
        monkeypatch.setattr(sys, "stdin", screen)
        monkeypatch.setattr(sys, "stdout", screen)
        os.write(ours, f"{typed}\n".encode())
        assert _may_lock_out(["the worker customers", "what serves nightly"]) is may
    shown = "".join(iter(lambda: _read(ours), ""))
    os.close(ours)
    assert "the worker customers" in shown
    assert "what serves nightly" in shown


def _read(terminal: int) -> str:
    try:
        return os.read(terminal, 9999).decode()
    except OSError:  # its other side is closed, and everything was read
        return ""


def test_where_there_is_no_terminal_nobody_says_yes() -> None:
    assert not _may_lock_out(["the worker customers"])


def test_a_home_that_nobody_else_uses_gets_it_without_a_question(settings: Settings) -> None:
    server = prefect(caseproof=[worker(worker_name(settings.home_folder))])
    assert settled(settings, server, may=False) == []
    assert password_file(settings.home_folder).exists()


def test_where_prefect_does_not_say_who_uses_it_nobody_is_locked_out(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("caseproof.up.other_clients.PATIENCE_SECONDS", 0)
    with pytest.raises(CaseproofError, match="does not say who else uses it") as refused:
        settled(settings, Loopback({"/api/work_pools/filter": (503, {}, b"")}), may=True)
    assert "--lock-out" in refused.value.next_action
    assert not password_file(settings.home_folder).exists()
