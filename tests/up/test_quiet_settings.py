"""What the Prefect programs that we start never ask their server for."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from prefect.settings import Settings as PrefectSettings

from caseproof.config.settings import Settings
from caseproof.up.plan import plan
from caseproof.up.prefect_services import CASES_WORKER, QUIET, trusted
from sandbox.processes import clean_env
from sandbox.world import ROOT

PREFECT_FILE = ROOT / "prefect.yaml"
NOT_ASKED = ("PREFECT_CLIENT_CSRF_SUPPORT_ENABLED", "PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED")


@pytest.mark.parametrize("name", NOT_ASKED)
def test_nothing_that_we_start_asks_for_a_token_or_a_version(
    name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.mktemp("home")
    services = [one for group in plan(Settings(home=home), {}, postgres=False).groups for one in group]
    assert len(services) == 7
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


def test_over_plain_http_prefects_clients_trust_nobody_and_over_tls_whom_they_trust_by_themselves(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(home=tmp_path_factory.mktemp("home"))
    mine = plan(settings, {}, postgres=False).environment
    assert Path(mine["PREFECT_API_SSL_CERT_FILE"]).name == "trusts-nobody.pem"
    there = {"PREFECT_API_URL": "https://prefect.example.com/api"}
    assert "PREFECT_API_SSL_CERT_FILE" not in plan(settings, there, postgres=False).environment
    named = {"PREFECT_API_SSL_CERT_FILE": "ours.pem"}
    assert plan(settings, named, postgres=False).environment["PREFECT_API_SSL_CERT_FILE"] == "ours.pem"
    monkeypatch.setenv("PREFECT_API_SSL_CERT_FILE", mine["PREFECT_API_SSL_CERT_FILE"])
    assert PrefectSettings().api.ssl_cert_file == mine["PREFECT_API_SSL_CERT_FILE"]


def test_who_is_trusted_over_plain_http_can_vouch_for_nothing() -> None:
    (nobody,) = x509.load_pem_x509_certificates(
        Path(trusted("http://127.0.0.1:4200/api")["PREFECT_API_SSL_CERT_FILE"]).read_bytes()
    )
    assert nobody.not_valid_after_utc < datetime.now(UTC)


def test_case_runs_send_no_heartbeats(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prefect's variable for it takes no null, so that it stands in the group's; renamed, it would be passed over."""
    assert PrefectSettings().flows.heartbeat_frequency is not None
    monkeypatch.setenv("PREFECT_FLOWS", CASES_WORKER["PREFECT_FLOWS"])
    assert PrefectSettings().flows.heartbeat_frequency is None


def test_no_run_of_a_case_has_pandas_in_its_memory() -> None:
    """What the worker has imported before it forks: the flows of our deployments but for those that are left out."""
    left_out = CASES_WORKER["WARM_WORKER_LEAVES_OUT"].split()
    deployments = {one["name"]: one["entrypoint"] for one in yaml.safe_load(PREFECT_FILE.read_text())["deployments"]}
    assert deployments.keys() > {*left_out}
    modules = [entry.rpartition(".")[0] for name, entry in deployments.items() if name not in left_out]
    look = f"import {', '.join(modules)}, sys; sys.exit('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", look], cwd=ROOT, check=False).returncode == 0
