"""What the Prefect programs that we start never ask their server for."""

from __future__ import annotations

import pytest
from prefect.settings import Settings as PrefectSettings

from caseproof.config.settings import Settings
from caseproof.up.plan import plan
from caseproof.up.prefect_services import QUIET
from sandbox.processes import clean_env

NOT_ASKED = ("PREFECT_CLIENT_CSRF_SUPPORT_ENABLED", "PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED")


@pytest.mark.parametrize("name", NOT_ASKED)
def test_nothing_that_we_start_asks_for_a_token_or_a_version(
    name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.mktemp("home")
    services = [one for group in plan(Settings(home=home), {}, postgres=False).groups for one in group]
    assert len(services) == 4
    assert {one.env[name] for one in services} == {"false"}
    assert clean_env(home)[name] == "false"


def test_who_needs_one_of_them_sets_it(tmp_path_factory: pytest.TempPathFactory) -> None:
    given = dict.fromkeys(NOT_ASKED, "true")
    assert (
        plan(Settings(home=tmp_path_factory.mktemp("home")), given, postgres=False).environment.items() >= given.items()
    )


def test_prefect_knows_these_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that Prefect renames would be passed over without a word."""
    for name in NOT_ASKED:
        monkeypatch.setenv(name, QUIET[name])
    client = PrefectSettings().client
    assert (client.csrf_support_enabled, client.server_version_check_enabled) == (False, False)
