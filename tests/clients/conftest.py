"""services beside a real Prefect server, whose cases have flow runs that no worker takes; a certificate for TLS."""

from __future__ import annotations

import dataclasses
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from prefect.logging import disable_run_logger
from prefect.settings import PREFECT_API_URL, temporary_settings

from caseproof.config.policy import BUILT_IN
from caseproof.config.settings import Settings
from caseproof.procedure.core.services import Services
from sandbox.processes import PrefectServer
from tasks import common
from tests.support.case_runs import carried_by_a_run, deploy_stand_in
from tests.support.command import Run, for_home, runner
from tests.support.fakes import Clock


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home that the command works for."""
    return for_home(tmp_path / "home", monkeypatch)


@pytest.fixture
def run(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command, as a person runs it in that home."""
    assert Settings().home == home
    return runner(monkeypatch, capsys)


@pytest.fixture
def clock() -> Clock:
    return Clock(datetime.now(UTC))


@pytest.fixture
def services(tmp_path: Path, clock: Clock, monkeypatch, prefect_server: PrefectServer) -> Iterator[Services]:
    # Other tests of this server leave runs that wait for a worker.
    policy = tmp_path / "policy.yaml"
    policy.write_text(BUILT_IN.read_text().replace("runs_at_once: 8", "runs_at_once: 1000"))
    monkeypatch.setenv("CASEPROOF_POLICY", str(policy))
    monkeypatch.setenv("CASEPROOF_HOME", str(tmp_path / "home"))
    common.installed_services.cache_clear()
    with disable_run_logger(), temporary_settings({PREFECT_API_URL: prefect_server.api_url}):
        deploy_stand_in(prefect_server.api_url)
        assert common.services().policy.check.runs_at_once == 1000
        yield dataclasses.replace(common.services(), clock=clock)
    common.services().store.close()
    common.installed_services.cache_clear()


@pytest.fixture
def carried(services: Services) -> Callable[..., tuple[str, str]]:
    """Makes a case whose run is in a state; the case and the run."""
    return partial(carried_by_a_run, services)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1 with its key, as one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mailbox.example.com")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "server.pem"
    file.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return file


@pytest.fixture
def tls(certificate: Path) -> ssl.SSLContext:
    """A server's context with that certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context
