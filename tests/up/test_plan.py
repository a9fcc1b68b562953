"""What the supervisor of an installation consists of, and how the other commands find it."""

from __future__ import annotations

import io
import json
import os
import sys
import time
from pathlib import Path

import pytest
from prefect.settings import Settings as PrefectSettings
from rich.console import Console

from caseproof.config.settings import Settings
from caseproof.domain.errors import BadInput
from caseproof.procedure.core.services import bootstrap, refuse_stopped
from caseproof.store import Store, StoreDown, StoreError, locks
from caseproof.up.addresses import adopt_addresses, adopt_password, write_addresses
from caseproof.up.plan import (
    LONGEST_PASS_SECONDS,
    DeployFailed,
    StartPlan,
    claim,
    inbox_lock,
    keeper_lock,
    pager_lock,
    plan,
)
from caseproof.up.postgres import EmbeddedPostgres
from caseproof.up.prefect_services import OLDER_PAGES, V2
from caseproof.up.processes import free_port
from caseproof.up.screen import Screen
from tests.support.command import for_home, runner
from tests.support.loopback import Loopback

OURS = "http://127.0.0.1:4200"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name in ("CASEPROOF_DATABASE_URL", "CASEPROOF_PREFECT_URL", "CASEPROOF_WEB_URL", "CASEPROOF_PUBLIC_URL"):
        monkeypatch.delenv(name, raising=False)
    return Settings(home=tmp_path / "home")


def names(laid_out: StartPlan) -> list[list[str]]:
    return [[service.name for service in group] for group in laid_out.groups]


def service_of(laid_out: StartPlan, name: str):
    return next(service for group in laid_out.groups for service in group if service.name == name)


def test_without_settings_everything_is_ours_on_loopback(settings: Settings) -> None:
    laid_out = plan(settings, {}, postgres=False)
    assert names(laid_out) == [["server", "pager"], ["worker", "emergency-worker", "web", "inbox", "keeper"]]
    assert laid_out.environment["PREFECT_API_URL"] == f"{OURS}/api"
    assert service_of(laid_out, "server").listens == ("127.0.0.1", 4200)
    assert service_of(laid_out, "web").listens == ("127.0.0.1", 8321)
    assert laid_out.database == f"sqlite:{settings.home_folder}/caseproof.sqlite"


def test_the_reader_of_the_mailbox_is_there_once_a_process_holds_its_lock(settings: Settings) -> None:
    service = service_of(plan(settings, {}, postgres=False), "inbox")
    assert [*service.command()][1:] == ["-m", "caseproof.cli", "inbox", "--watch"]
    assert service.listens is None
    assert not service.is_ready()
    locks.hold(inbox_lock(settings))
    assert service.is_ready()
    locks.let_go(inbox_lock(settings))
    assert not service.is_ready()


def test_the_pager_is_there_once_a_process_holds_its_lock_and_waits_for_no_prefect(settings: Settings) -> None:
    laid_out = plan(settings, {}, postgres=True)
    service = service_of(laid_out, "pager")
    assert [*service.command()][1:] == ["-m", "caseproof.cli", "emergency", "watch"]
    assert not service.is_ready()
    assert locks.hold(pager_lock(settings))
    assert service.is_ready()
    locks.let_go(pager_lock(settings))


def test_an_emergency_has_a_place_of_its_own_that_no_case_can_take(settings: Settings) -> None:
    laid_out = plan(settings, {}, postgres=False)
    cases, emergencies = service_of(laid_out, "worker").command(), service_of(laid_out, "emergency-worker").command()
    assert [*cases][-6:-4] == ["--pool", "caseproof"]
    assert [*emergencies][-6:-4] == ["--pool", "caseproof-emergency"]


def test_the_keeper_is_there_while_a_process_holds_its_lock_and_does_not_hang_in_a_pass(settings: Settings) -> None:
    service = service_of(plan(settings, {}, postgres=False), "keeper")
    assert [*service.command()][1:] == ["-m", "caseproof.cli", "keeper", "--watch"]
    assert not service.is_ready()
    lock = keeper_lock(settings)
    locks.hold(lock)
    assert service.is_ready()
    long_ago = time.time() - LONGEST_PASS_SECONDS - 1
    os.utime(lock, (long_ago, long_ago))
    assert not service.is_ready(), "the supervisor ends it then, and starts it again"
    os.utime(lock)
    assert service.is_ready()
    locks.let_go(lock)
    assert not service.is_ready()


def test_the_server_that_is_named_is_used_and_none_is_started(settings: Settings) -> None:
    given = {"PREFECT_API_URL": "https://prefect.example.com/api", "PREFECT_API_AUTH_STRING": "us:them"}
    laid_out = plan(settings, given, postgres=False)
    assert names(laid_out) == [["worker", "emergency-worker", "web", "inbox", "keeper", "pager"]]
    assert laid_out.environment["PREFECT_API_URL"] == given["PREFECT_API_URL"]
    assert laid_out.api.auth == "us:them"
    assert laid_out.ui_url == "https://prefect.example.com"


def test_ones_own_server_may_be_named_while_it_runs_but_not_before(settings: Settings) -> None:
    given = {"PREFECT_API_URL": f"{OURS}/api"}
    assert not plan(settings, given, postgres=False).own_server
    (settings.home_folder / "up").mkdir()
    (settings.home_folder / "up" / "server.json").write_text("{}")
    assert plan(settings, given, postgres=False).own_server
    assert not plan(settings, {"PREFECT_API_URL": "https://prefect.example.com/api"}, postgres=False).own_server


def test_the_servers_password_is_given_to_all_that_talk_to_it(settings: Settings) -> None:
    laid_out = plan(settings, {"PREFECT_SERVER_API_AUTH_STRING": "us:secret"}, postgres=False)
    assert service_of(laid_out, "server").env["PREFECT_SERVER_API_AUTH_STRING"] == "us:secret"
    for name in ("worker", "emergency-worker", "web", "inbox", "keeper", "pager"):
        assert service_of(laid_out, name).env["PREFECT_API_AUTH_STRING"] == "us:secret"
    assert laid_out.api.auth == "us:secret"


def test_what_a_person_set_for_prefect_goes_before_what_we_would_choose(settings: Settings) -> None:
    given = {"PREFECT_WORKER_QUERY_SECONDS": "9", "PREFECT_HOME": "elsewhere", "PREFECT_LOGGING_COLORS": "true"}
    environment = plan(settings, given, postgres=False).environment
    assert {name: environment[name] for name in given} == given


def test_another_address_is_listened_on_where_it_is_told(settings: Settings) -> None:
    told = settings.model_copy(update={"prefect_url": Settings(prefect_url="http://192.0.2.7:4321").prefect_url})
    assert service_of(plan(told, {}, postgres=False), "server").listens == ("192.0.2.7", 4321)
    secure = settings.model_copy(update={"prefect_url": Settings(prefect_url="https://192.0.2.7:4321").prefect_url})
    with pytest.raises(BadInput, match="plain HTTP"):
        plan(secure, {}, postgres=False)


def test_with_postgres_it_comes_first_and_prefects_database_is_there(settings: Settings) -> None:
    laid_out = plan(settings, {}, postgres=True)
    assert names(laid_out)[:2] == [["database"], ["server", "pager"]]
    EmbeddedPostgres(settings.postgres.folder).make()
    server = service_of(laid_out, "server")
    server.command()
    assert server.env["PREFECT_SERVER_DATABASE_CONNECTION_URL"].startswith("postgresql+asyncpg://caseproof:")
    later = plan(settings, {}, postgres=False)
    assert names(later)[0] == ["database"], "a home that has begun with PostgreSQL keeps it"
    password = (settings.home_folder / "postgres" / "password").read_text()
    assert password not in later.database


def test_cases_in_sqlite_are_not_left_behind(settings: Settings) -> None:
    services = bootstrap(settings)
    assert services.secret  # a mark, which is no case
    assert names(plan(settings, {}, postgres=True))[0] == ["database"], "a store that holds nothing is nothing to leave"
    with services.store.uow() as uow:
        uow.people.add_contact("garden-shop", "owner@garden-shop.example.com")
        uow.commit()
    services.store.close()
    with pytest.raises(BadInput, match="keeps its cases in SQLite") as refusal:
        plan(settings, {}, postgres=True)
    assert "docs/backup.md" in refusal.value.next_action


def test_a_database_of_ones_own_is_named_without_its_password(settings: Settings, monkeypatch) -> None:
    monkeypatch.setenv("CASEPROOF_DATABASE_URL", "postgresql://us:secret@db.example.com/cases")
    laid_out = plan(Settings(home=settings.home), {}, postgres=False)
    assert laid_out.database == "postgresql:cases"


def test_a_url_that_cannot_be_read_is_refused_without_its_password(settings: Settings, monkeypatch) -> None:
    monkeypatch.setenv("CASEPROOF_DATABASE_URL", "postgresql://us:p@ss:wo/rd#x@db.example.com/cases")
    with pytest.raises(StoreError) as refusal:
        plan(Settings(home=settings.home), {}, postgres=False)
    assert "ss:wo" not in str(refusal.value)


def test_what_is_named_without_its_folder_lies_where_the_person_is(
    settings: Settings, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CASEPROOF_DATABASE_URL", "sqlite:///cases.sqlite?timeout=5")
    monkeypatch.setenv("CASEPROOF_POLICY", "policy.yaml")
    environment = plan(Settings(home=settings.home), {}, postgres=False).environment
    assert environment["CASEPROOF_DATABASE_URL"] == f"sqlite:///{tmp_path}/cases.sqlite?timeout=5"
    assert environment["CASEPROOF_POLICY"] == str(tmp_path / "policy.yaml")
    assert environment["CASEPROOF_HOME"] == str(settings.home_folder)


@pytest.mark.parametrize("url", ["sqlite:////srv/cases.sqlite", "sqlite:///:memory:", "postgresql://db.example.com/x"])
def test_what_is_named_with_its_folder_stays(settings: Settings, monkeypatch, url: str) -> None:
    monkeypatch.setenv("CASEPROOF_DATABASE_URL", url)
    assert Settings(home=settings.home).database == url


def test_a_slash_at_the_end_of_an_address_and_an_empty_one_do_no_harm(settings: Settings) -> None:
    laid_out = plan(settings, {"PREFECT_API_URL": "https://prefect.example.com/api/"}, postgres=False)
    assert laid_out.api.url == "https://prefect.example.com/api"
    empty = plan(settings, {"PREFECT_API_URL": "", "PREFECT_UI_URL": ""}, postgres=False)
    assert empty.own_server
    assert empty.ui_url == OURS


def test_a_key_is_given_where_the_server_asks_for_one(settings: Settings) -> None:
    with Loopback({"/api/work_pools/pool/workers/filter": (200, {}, b"[]")}) as server:
        given = {"PREFECT_API_URL": f"{server.url}/api", "PREFECT_API_KEY": "key-1"}
        assert not plan(settings, given, postgres=False).api.is_online("pool", "worker")
    assert [headers["authorization"] for _, _, headers in server.asked] == ["Bearer key-1"]


def test_a_server_that_does_not_let_us_in_is_said_with_what_to_check(settings: Settings) -> None:
    with Loopback({"/api/variables/name/caseproof_home": (401, {}, b"")}) as server:
        laid_out = plan(settings, {"PREFECT_API_URL": f"{server.url}/api"}, postgres=False)
        with pytest.raises(DeployFailed, match=r"does not let us in: refused \(HTTP 401\)") as refused:
            claim(laid_out, settings)
    assert "PREFECT_API_AUTH_STRING" in refused.value.next_action
    with pytest.raises(DeployFailed, match="not reached"):
        claim(laid_out, settings)


# -- how other commands find it ---------------------------------------------------------------------------------------


def test_other_commands_of_the_home_find_the_server_and_no_password_is_written_down(tmp_path: Path) -> None:
    environment = {"PREFECT_API_URL": f"{OURS}/api", "PREFECT_UI_URL": OURS, "PREFECT_API_AUTH_STRING": "us:secret"}
    write_addresses(tmp_path, environment, "sqlite:cases", own_server=True)
    assert "secret" not in (tmp_path / "up" / "addresses.json").read_text()
    found: dict[str, str] = {}
    assert adopt_addresses(tmp_path, found) == "sqlite:cases"
    assert found == {"PREFECT_API_URL": f"{OURS}/api", "PREFECT_UI_URL": OURS}


def test_a_server_that_is_named_goes_before_the_one_of_the_home(tmp_path: Path) -> None:
    own = {"PREFECT_API_URL": f"{OURS}/api", "PREFECT_UI_URL": OURS}
    write_addresses(tmp_path, own, "sqlite:cases", own_server=True)
    named = {"PREFECT_API_URL": "https://prefect.example.com/api"}
    adopt_addresses(tmp_path, named)
    assert named == {"PREFECT_API_URL": "https://prefect.example.com/api"}


def test_the_servers_password_serves_its_clients_too(tmp_path: Path) -> None:
    found = {"PREFECT_SERVER_API_AUTH_STRING": "us:secret"}
    adopt_password(tmp_path, found)
    assert found["PREFECT_API_AUTH_STRING"] == "us:secret"


@pytest.mark.parametrize("text", ["", "{", "[]", json.dumps({"OTHER": "x"})])
def test_a_home_without_usable_addresses_changes_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "up").mkdir()
    (tmp_path / "up" / "addresses.json").write_text(text)
    found: dict[str, str] = {}
    adopt_addresses(tmp_path, found)
    assert found == {}


def test_a_command_that_would_look_into_another_store_than_up_is_refused_and_one_without_a_store_is_not(
    tmp_path: Path, monkeypatch, capsys
) -> None:
    run = runner(monkeypatch, capsys)
    home = for_home(tmp_path / "home", monkeypatch)
    write_addresses(home, {}, "postgresql:cases", own_server=True)
    refused = run("case", "list")
    assert refused.code == 1
    assert "keeps this home's cases in postgresql:cases" in refused.err
    assert "CASEPROOF_DATABASE_URL" in refused.err
    assert run("policy").code == 0
    assert not (home / "caseproof.sqlite").exists()


def a_home_whose_postgres(home: Path, *, left_a_note: bool, port: int) -> Path:
    """A home that has begun with PostgreSQL, as it lies there while nothing of it runs."""
    data = home / "postgres" / "data"
    data.mkdir(parents=True)
    (home / "postgres" / "password").write_text("secret")
    (home / "postgres" / "port").write_text(str(port))
    if left_a_note:  # of a server that was killed
        (data / "postmaster.pid").write_text("999999\n")
    return home


@pytest.mark.parametrize("left_a_note", [False, True], ids=["stopped", "killed"])
@pytest.mark.parametrize("typed", [["case", "list"], ["contact", "list"], ["inbox", "list"], ["web"]], ids=" ".join)
def test_a_stopped_database_is_told_at_once_with_what_starts_it(
    typed: list[str], left_a_note: bool, tmp_path: Path, monkeypatch, capsys
) -> None:
    run = runner(monkeypatch, capsys)
    home = for_home(tmp_path / "home", monkeypatch)
    a_home_whose_postgres(home, left_a_note=left_a_note, port=free_port())
    monkeypatch.setitem(Store.__init__.__kwdefaults__, "patience", 600.0)
    began = time.monotonic()
    refused = run(*typed)
    assert time.monotonic() - began < 120, "nobody waits for it, as for a database that is only busy"
    assert (refused.code, refused.out) == (1, "")
    assert refused.err.splitlines() == [
        f"caseproof: The database of {home} is stopped.",
        "Next: Run `caseproof up`, which starts it, and leave it running.",
    ]
    assert run("policy").code == 0, "it needs no store"


def test_a_database_that_is_about_to_come_up_or_is_up_is_waited_for(tmp_path: Path) -> None:
    home = a_home_whose_postgres(tmp_path / "home", left_a_note=False, port=free_port())
    settings = Settings(home=home)
    with pytest.raises(StoreDown, match="is stopped"):
        refuse_stopped(settings)
    locks.hold(settings.up_lock)  # by `caseproof up`, which starts it
    refuse_stopped(settings)
    locks.let_go(settings.up_lock)
    with Loopback() as listening:
        there = a_home_whose_postgres(tmp_path / "other", left_a_note=True, port=int(listening.url.rpartition(":")[2]))
        refuse_stopped(Settings(home=there))
    refuse_stopped(Settings(home=home, database_url="postgresql://us:them@db.example.com/cases"))


@pytest.mark.parametrize(
    ("given", "set_to", "opens"), [({}, "false", "older"), ({V2: "true"}, "true", "newer"), ({V2: "0"}, "0", "older")]
)
def test_the_bare_address_opens_the_interface_in_which_forms_read_best_and_the_screen_names_both(
    given: dict[str, str], set_to: str, opens: str, settings: Settings
) -> None:
    laid_out = plan(settings, given, postgres=False)
    assert service_of(laid_out, "server").env[V2] == set_to
    said = shown_by(settings, laid_out)
    assert f"{OURS} opens Prefect's {opens} interface." in said
    assert f"Forms read best in the older one, {OURS}/dashboard; the newer one is {OURS}/v2." in said
    assert f"the board is {OURS}/artifacts/key/caseproof-board; the runs of cases alone, {OURS}/runs?tag=case&" in said
    assert f"{OURS}/v2/runs?tags=case" in said


def test_of_a_server_elsewhere_nothing_is_said_that_we_do_not_set(settings: Settings) -> None:
    assert "interface" not in shown_by(settings, plan(settings, {"PREFECT_API_URL": f"{OURS}/api"}, postgres=False))


def test_on_a_low_terminal_how_to_log_in_is_not_cut_off_and_the_latest_news_stand_first(settings: Settings) -> None:
    written = io.StringIO()
    console = Console(file=written, width=80)
    screen = Screen(Console(file=io.StringIO()), settings.home_folder, plan(settings, {}, postgres=False))
    for number in range(12):
        screen.say(f"news {number}")
    screen.log_in = "Here is the link: http://127.0.0.1/login/link/x"
    console.print(screen.now([]))
    shown = written.getvalue()
    assert "login/link/x" in "\n".join(shown.splitlines()[:10]), "below the table of parts, before all else"
    assert shown.index("news 11") < shown.index("news 0")


def shown_by(settings: Settings, laid_out: StartPlan) -> str:
    """What `caseproof up` shows where there is no terminal."""
    written = io.StringIO()
    Screen(Console(file=written, width=400), settings.home_folder, laid_out).show([])
    return written.getvalue()


def test_prefect_knows_the_setting_that_chooses_an_interface(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(V2, OLDER_PAGES[V2])
    assert PrefectSettings().server.ui.v2_enabled is False


def kind_of_worker(laid_out: StartPlan) -> str:
    command = service_of(laid_out, "worker").command()
    return command[command.index("--type") + 1]


def test_runs_are_forked_on_linux_and_started_the_stock_way_where_that_is_asked_for_or_elsewhere(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    forking, stock = plan(settings, {}, postgres=False), plan(settings, {}, postgres=False, stock_worker=True)
    assert [kind_of_worker(one) for one in (forking, stock)] == ["warm-process", "process"]
    monkeypatch.setattr(sys, "platform", "darwin")
    elsewhere = plan(settings, {}, postgres=False)
    assert kind_of_worker(elsewhere) == "process"
    seconds = [one.environment.get("PREFECT_WORKER_QUERY_SECONDS") for one in (forking, stock, elsewhere)]
    assert seconds == [None, "3", "3"], "a worker that no event tells of runs looks for them more often"
