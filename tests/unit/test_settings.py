"""The settings: every one from an environment variable, local by default, and no secret where people look."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from caseproof.config.settings import Settings, is_loopback, is_loopback_host

SECRET = "postgresql+psycopg://caseproof:hunter2@db.example.com/caseproof"


@pytest.fixture(autouse=True)
def _nothing_is_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("CASEPROOF_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "somebody"))


def test_everything_has_a_default_and_stays_on_this_machine(tmp_path: Path) -> None:
    settings = Settings()
    assert settings.home_folder == (tmp_path / "somebody" / ".caseproof").resolve()
    assert settings.home_folder.is_dir()
    assert settings.database == f"sqlite:///{settings.home_folder / 'caseproof.sqlite'}"
    assert settings.web_url.host == "127.0.0.1"
    assert settings.public == "http://127.0.0.1:8321"
    assert settings.policy is None
    assert settings.browser is None


def test_every_setting_comes_from_its_environment_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    values = {
        "CASEPROOF_HOME": str(tmp_path / "home"),
        "CASEPROOF_DATABASE_URL": SECRET,
        "CASEPROOF_POLICY": str(tmp_path / "policy.yaml"),
        "CASEPROOF_WEB_URL": "http://127.0.0.1:9000",
        "CASEPROOF_PUBLIC_URL": "https://cases.example.com/caseproof/",
        "CASEPROOF_BROWSER": "/opt/chromium",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert settings.home_folder == (tmp_path / "home").resolve()
    assert settings.database == SECRET
    assert settings.policy == tmp_path / "policy.yaml"
    assert settings.web_url.port == 9000
    assert settings.public == "https://cases.example.com/caseproof"
    assert settings.browser == Path("/opt/chromium")


def test_links_start_with_the_web_address_where_no_public_one_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CASEPROOF_WEB_URL", "http://127.0.0.1:9000/")
    assert Settings().public == "http://127.0.0.1:9000"


@pytest.mark.parametrize(
    ("host", "is_here"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("[::1]", True), ("LocalHost", True), ("localhost.", True),
     ("cases.localhost", True), ("192.168.0.1", False), ("[::]", False), ("localhost.example.com", False),
     ("notlocalhost", False), ("127.0.0.1.example.com", False), ("192.0.2.1", False)],
)  # fmt: skip
def test_a_host_and_an_address_with_it_are_of_this_machine_by_one_rule(host: str, is_here: bool) -> None:
    assert is_loopback_host(host) is is_here
    assert is_loopback(f"http://{host}:8321/x") is is_here
    assert not is_loopback_host("")


def test_no_secret_shows_where_settings_are_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CASEPROOF_DATABASE_URL", SECRET)
    settings = Settings()
    for shown in (repr(settings), str(settings), settings.model_dump_json(), repr(settings.model_dump())):
        assert "hunter2" not in shown


def test_an_address_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CASEPROOF_WEB_URL", "not an address")
    with pytest.raises(ValidationError, match="web_url"):
        Settings()


def test_a_variable_of_somebody_else_is_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEB_URL", "http://example.com")
    monkeypatch.setenv("CASEPROOF_UNKNOWN", "x")
    assert Settings().public == "http://127.0.0.1:8321"


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_has_a_description(name: str) -> None:
    assert (Settings.model_fields[name].description or "").endswith(".")
