"""What `caseproof up` starts for an installation: which services, with which environment, in which order."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from caseproof.config.paging import watch_lock
from caseproof.config.policy import policy_in_force
from caseproof.config.settings import Settings
from caseproof.domain.errors import BadInput, CaseproofError
from caseproof.http.client import CallFailed, HttpClient
from caseproof.store import Store, locks
from caseproof.store.copying import rows_in
from caseproof.store.database_urls import database_of
from caseproof.up.addresses import FOLDER
from caseproof.up.deployments import write_prefect_file
from caseproof.up.postgres import STOP, EmbeddedPostgres
from caseproof.up.prefect_services import (
    ASKED_OFTEN_SECONDS,
    CASES_WORKER,
    OLDER_PAGES,
    QUIET,
    STOCK,
    V2,
    PrefectApi,
    deploy_command,
    pages_let_in,
    server_command,
    trusted,
    worker_command,
    worker_type,
)
from caseproof.up.processes import wait_until
from caseproof.up.service import Service, was_started

POOL = "caseproof"
EMERGENCY_POOL = "caseproof-emergency"
"""An emergency has a place of its own: however many cases wait for a worker, or for a limit, it waits behind none."""
STORE, PREFECT = "caseproof", "prefect"
"""The databases in the embedded PostgreSQL."""
LONGEST_PASS_SECONDS = 1800.0
"""How long after the keeper was to begin a pass it is taken to hang: longer than any pass takes, however much it does.
A pass that hangs holds up the hourly ones, too."""
_QUERY_SECONDS = "3"  # for a worker that no event tells of runs; the person's own setting goes before


@dataclass(frozen=True)
class StartPlan:
    """What `caseproof up` starts, and what it finds elsewhere."""

    groups: Sequence[Sequence[Service]]
    environment: Mapping[str, str]
    """The environment of everything that talks to Prefect or to the store."""
    api: PrefectApi
    ui_url: str
    own_server: bool
    database: str
    """The store's database, for people: no password."""
    logs: Path
    opens_newer_pages: bool = False
    """Whether the bare address of a server of ours opens Prefect's newer interface: somebody asked for it."""


def plan(
    settings: Settings,
    given: Mapping[str, str],
    *,
    postgres: bool,
    stock_worker: bool = False,
    password: str | None = None,
    settle: Callable[[PrefectApi], None] = lambda _: None,
) -> StartPlan:
    """Lay out the services; with ``stock_worker`` runs are started by Prefect's own worker.

    ``password``: what a Prefect server of ours asks for, where ``given`` names none. ``settle`` is called once a server
    of ours answers, before anything else of ours that needs it is started; it may raise CaseproofError.
    Raises BadInput where the home keeps its cases in SQLite and PostgreSQL is asked for.
    """
    home = settings.home_folder
    cluster = _cluster(settings, asked=postgres)
    web_url, ui_url = str(settings.web_url).rstrip("/"), str(settings.prefect_url).rstrip("/")
    named = given.get("PREFECT_API_URL", "").rstrip("/")
    # One's own server may be named, too, by somebody who exported its address for the other commands.
    own_server = not named or (was_started(home / FOLDER, "server") and named == f"{ui_url}/api")
    asks_for = given.get("PREFECT_SERVER_API_AUTH_STRING") or password
    ours = (
        {}
        if not own_server
        else {
            "PREFECT_API_URL": f"{ui_url}/api",
            "PREFECT_UI_URL": given.get("PREFECT_UI_URL") or ui_url,
            "PREFECT_HOME": given.get("PREFECT_HOME", str(home / "prefect")),
            **({"PREFECT_API_AUTH_STRING": asks_for} if asks_for else {}),
        }
    )
    environment = _environment({**QUIET, **given, **settings.absolute, "PREFECT_API_URL": named, **ours}, stock_worker)
    api = PrefectApi(
        environment["PREFECT_API_URL"], environment.get("PREFECT_API_AUTH_STRING"), environment.get("PREFECT_API_KEY")
    )
    workers = _workers(home, environment, api, stock=stock_worker)
    beside = (_web(settings, environment, web_url), _inbox(settings, environment), _keeper(settings, environment))
    groups, pager = [[*workers, *beside]], _pager(settings, environment)
    if own_server:
        server = _server(settings, environment, api, cluster, asks_for)
        groups.insert(0, [replace(server, after=lambda: settle(api)), pager])  # it waits for no Prefect
    else:
        groups[0].append(pager)
    if cluster is not None:
        groups.insert(0, [_database(cluster, settings)])
    return StartPlan(
        groups,
        environment,
        api,
        environment["PREFECT_UI_URL"],
        own_server,
        store_name(settings, embedded=cluster is not None),
        home / "logs",
        opens_newer_pages=given.get(V2, "").lower() in ("1", "on", "t", "true", "y", "yes"),
    )


def _environment(known: Mapping[str, str], stock_worker: bool) -> dict[str, str]:
    """The environment of everything that talks to Prefect: what is known, and what follows from it."""
    api_url = known["PREFECT_API_URL"]
    environment = {**trusted(api_url), **known}
    environment["PREFECT_UI_URL"] = known.get("PREFECT_UI_URL") or api_url.removesuffix("/api")
    if worker_type(stock=stock_worker) == STOCK:
        environment.setdefault("PREFECT_WORKER_QUERY_SECONDS", _QUERY_SECONDS)
    return environment


def _cluster(settings: Settings, *, asked: bool) -> EmbeddedPostgres | None:
    """The embedded PostgreSQL, if it is asked for now or holds this home's data since earlier."""
    cluster = EmbeddedPostgres(settings.postgres.folder)
    if asked and not cluster.exists and settings.database_url is None:
        refuse_other_store(settings)
    return cluster if cluster.exists or asked else None


def refuse_other_store(settings: Settings) -> None:
    """Raise BadInput where an embedded PostgreSQL would not be the only store of this home."""
    if settings.database_url is not None:
        raise BadInput(
            "CASEPROOF_DATABASE_URL names the store, so it cannot be the embedded PostgreSQL, too.",
            "Unset it, or leave --postgres out.",
        )
    if not settings.postgres.exists and _holds_rows(settings.database):
        raise BadInput(
            f"{settings.home_folder} keeps its cases in SQLite already; with --postgres they would be left behind.",
            "Take them along: docs/backup.md, 'From SQLite to PostgreSQL'.",
        )


def _holds_rows(sqlite: str) -> bool:
    store = Store(sqlite)
    try:
        return rows_in(store) > 0
    finally:
        store.close()


def store_name(settings: Settings, *, embedded: bool) -> str:
    """What to call the store in front of people: no password. ``embedded``: whether the home has a PostgreSQL."""
    if settings.database_url is None and embedded:
        return f"PostgreSQL of its own, in {settings.home_folder / 'postgres'}"
    return database_of(settings.database, patience=0).name


def _database(cluster: EmbeddedPostgres, settings: Settings) -> Service:
    def ready() -> None:
        cluster.ensure_database(PREFECT)
        if settings.database_url is None:
            cluster.ensure_database(STORE)

    return Service(
        name="database",
        title="Database",
        address="PostgreSQL, for this machine alone",
        before=cluster.make,
        command=cluster.command,
        env=cluster.environment(),
        is_ready=cluster.answers,
        after=ready,
        orphan=cluster.orphan,
        stop_with=STOP,
        cwd=cluster.data,
        account=cluster.account,
    )


def _server(
    settings: Settings,
    environment: Mapping[str, str],
    api: PrefectApi,
    cluster: EmbeddedPostgres | None,
    password: str | None,
) -> Service:
    host, port = settings.prefect_listens
    env = {
        **pages_let_in(port, environment),
        # What the pages in the browser call; behind a proxy the person says otherwise.
        "PREFECT_SERVER_UI_API_URL": f"{environment['PREFECT_UI_URL']}/api",
        # Which of its two interfaces the bare address opens, in a browser in which nobody chose one.
        **OLDER_PAGES,
        # The pages are built at the first start, by default inside the installed package.
        "PREFECT_SERVER_UI_STATIC_DIRECTORY": str(settings.home_folder / "prefect" / "ui"),
        **environment,
        **({"PREFECT_SERVER_API_AUTH_STRING": password} if password else {}),
    }

    def command() -> list[str]:
        if cluster is not None and "PREFECT_SERVER_DATABASE_CONNECTION_URL" not in env:
            # Only now: before its first start the cluster has no port.
            env["PREFECT_SERVER_DATABASE_CONNECTION_URL"] = cluster.url(PREFECT, "postgresql+asyncpg")
        return server_command(host, port)

    return Service(
        name="server",
        title="Prefect's server",
        address=environment["PREFECT_UI_URL"],
        command=command,
        env=env,
        is_ready=api.is_healthy,
        listens=(host, port),
        listens_by="CASEPROOF_PREFECT_URL",
    )


def _workers(home: Path, environment: Mapping[str, str], api: PrefectApi, *, stock: bool) -> list[Service]:
    """The worker that runs cases, and the one that emergencies have for themselves."""
    name = worker_name(home)

    def worker(service: str, title: str, pool: str) -> Service:
        return Service(
            name=service,
            title=title,
            address=f"work pool {pool}",
            command=lambda: worker_command(pool, name, stock=stock),
            env={**CASES_WORKER, **environment},
            is_ready=lambda: api.is_online(pool, name),
        )

    return [worker("worker", "Worker", POOL), worker("emergency-worker", "Worker for emergencies", EMERGENCY_POOL)]


def worker_name(home: Path) -> str:
    """One name a home: two homes may share a server, and each sees its own worker."""
    return f"caseproof-up-{hashlib.sha256(str(home).encode()).hexdigest()[:6]}"


def _web(settings: Settings, environment: Mapping[str, str], web_url: str) -> Service:
    return Service(
        name="web",
        title="Web app",
        address=settings.public,
        command=lambda: [sys.executable, "-m", "caseproof.cli", "web"],
        env=environment,
        is_ready=lambda: _answers(web_url),
        listens=settings.web_listens,
        listens_by="CASEPROOF_WEB_URL",
    )


def _inbox(settings: Settings, environment: Mapping[str, str]) -> Service:
    return Service(
        name="inbox",
        title="Inbox",
        address="reads the retailers' mailbox, wakes cases",
        command=lambda: [sys.executable, "-m", "caseproof.cli", "inbox", "--watch"],
        env=environment,
        is_ready=lambda: bool(locks.is_held(inbox_lock(settings))),
    )


def _keeper(settings: Settings, environment: Mapping[str, str]) -> Service:
    return Service(
        name="keeper",
        title="Keeper",
        address="looks after the cases, draws the board",
        command=lambda: [sys.executable, "-m", "caseproof.cli", "keeper", "--watch"],
        env=environment,
        is_ready=lambda: keeps(settings),
    )


def _pager(settings: Settings, environment: Mapping[str, str]) -> Service:
    return Service(
        name="pager",
        title="Pager",
        address="calls people in an emergency, also without Prefect",
        command=lambda: [sys.executable, "-m", "caseproof.cli", "emergency", "watch"],
        env=environment,
        is_ready=lambda: bool(locks.is_held(pager_lock(settings))),
    )


def pager_lock(settings: Settings) -> Path:
    """The lock that the process holds that calls people for each emergency of this home: one at a time."""
    return watch_lock(settings.home_folder)


def keeper_lock(settings: Settings) -> Path:
    """The lock that the process holds that makes the keeper's passes in place: one at a time. Its time is when
    the latest pass began, or the next is to begin."""
    return settings.home_folder / "keeper" / "watch"


def keeps(settings: Settings) -> bool:
    """Whether a process makes the keeper's passes in place, and does not hang in one of them."""
    lock = keeper_lock(settings)
    if not locks.is_held(lock):
        return False
    with suppress(OSError):
        return time.time() - lock.stat().st_mtime < LONGEST_PASS_SECONDS
    return False


def inbox_lock(settings: Settings) -> Path:
    """The lock that the process holds that watches this home's mailbox: one at a time."""
    return settings.home_folder / "inbox" / "watch"


def _answers(web_url: str) -> bool:
    seconds = ASKED_OFTEN_SECONDS
    with closing(HttpClient(web_url, connect_seconds=seconds, read_seconds=seconds, trust_env=False)) as client:
        return client.answers("health")


# -- once the server answers ------------------------------------------------------------------------------------------


class CarriesAnother(CaseproofError):
    """The Prefect server carries the cases of another home."""


def claim(laid_out: StartPlan, settings: Settings) -> None:
    """Have this server carry this home's cases and no other's: their runs would be taken for each other's.

    Raises CarriesAnother, DeployFailed.
    """
    try:
        carries = laid_out.api.claim(settings.installation)
    except CallFailed as error:
        raise DeployFailed(
            f"Prefect does not let us in: {error}", "Check PREFECT_API_AUTH_STRING or PREFECT_API_KEY."
        ) from error
    if carries != settings.installation:
        raise CarriesAnother(
            f"The Prefect server {laid_out.ui_url} carries the cases of another CASEPROOF_HOME already.",
            "Name that home, or another server. If that home is gone for good, delete the variable caseproof_home in "
            "the Prefect UI (Variables), then try again.",
        )


class DeployFailed(CaseproofError):
    """The work pool or the deployments cannot be made."""


def deploy(laid_out: StartPlan, settings: Settings) -> None:
    """Make the work pool, and make or update every deployment. Raises DeployFailed."""
    for pool in (POOL, EMERGENCY_POOL):
        try:
            wait_until(f"the work pool {pool}", partial(laid_out.api.ensure_pool, pool), 30)
        except TimeoutError as error:
            raise DeployFailed(
                f"Prefect does not take the work pool {pool}.", "Check PREFECT_API_AUTH_STRING, and the server's log."
            ) from error
    file = write_prefect_file(settings.home_folder / "prefect", policy_in_force(settings).policy)
    done = subprocess.run(  # noqa: S603 - the command is ours
        deploy_command(str(file)),
        env={**os.environ, **laid_out.environment},
        cwd=file.parent,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if done.returncode != 0:
        raise DeployFailed(
            f"`prefect deploy` failed: {(done.stdout + done.stderr).strip()[-1500:]}",
            "Look at what it says; then `caseproof up` again.",
        )
    laid_out.api.save_filter()
