"""Starts a small world, and sets it up as an operator does once; stops all of it in the opposite order."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx

from caseproof.config import kept_key
from caseproof.config.policy import BUILT_IN
from caseproof.config.private_files import close_home
from caseproof.up.addresses import password_file
from caseproof.up.password import new_password
from caseproof.up.plan import EMERGENCY_POOL
from caseproof.up.prefect_services import CASES_WORKER, deploy_command
from caseproof.up.processes import Process, free_port, wait_until
from sandbox.imap import ImapServer
from sandbox.mailbox import Mailbox
from sandbox.processes import start_prefect_server, start_worker
from sandbox.receiving import AUTHSERV, Receiver
from sandbox.systems import DESKS, PLATFORMS, SimulatedDesk, SimulatedJobs, write_jobs
from sandbox.world import CONTACTS, CUSTOMER_POOL, INBOX, OUR_ADDRESS, OUR_POOL, ROOT, SCHEDULED, CommandFailed, World

Say = Callable[[str], None]
Part = Callable[[ExitStack, World], None]
"""Starts a part of a world, which the stack ends."""


@contextmanager
def small_world(
    home: Path,
    say: Say,
    *,
    platform: str = "prefect",
    desk: str = "embedded",
    jobs_elsewhere: bool = False,
    by_itself: bool = True,
    env: Mapping[str, str] | None = None,
) -> Iterator[World]:
    """Start a world below ``home`` and stop it at the end, whatever happens.

    ``platform`` (of PLATFORMS) has the customers' jobs, ``desk`` (of DESKS) the tickets. ``jobs_elsewhere`` puts the
    jobs on a Prefect server of their own; without ``by_itself`` the check, the keeper and the report run only when they
    are asked to; ``env`` adds to the environment of everything that is Caseproof's.
    """
    if platform not in PLATFORMS or desk not in DESKS:
        raise ValueError(f"A world's platform is one of {PLATFORMS}, its desk one of {DESKS}.")
    home.mkdir(parents=True, exist_ok=True)
    close_home(home)
    with ExitStack() as stack:
        say("Prefect's server (10 to 15 seconds)")
        # As `caseproof up` keeps it, so that `caseproof keys prefect` prints it for this home, too.
        password = kept_key.read_or_make(password_file(home), new_password)
        server = start_prefect_server(home / "server", auth=password, say=say)
        stack.callback(server.stop)
        jobs_server = server
        if jobs_elsewhere:
            say("a second Prefect server, for the customers' jobs")
            jobs_server = start_prefect_server(home / "jobs-server", say=say)
            stack.callback(jobs_server.stop)
        workers = "a worker for cases" if platform == "http" else "two workers: one for cases, one for customers' jobs"
        say(f"a mail server, the marketplace, the web app, and {workers}")
        inbox = stack.enter_context(ImapServer(user=OUR_ADDRESS))
        receiver = Receiver(OUR_ADDRESS, inbox)
        senders = dict.fromkeys(CONTACTS.values(), "the-owners-own")
        mailbox = stack.enter_context(Mailbox(folder=home / "mailbox", senders=senders, receiver=receiver))
        _write_policy(home)
        web_url, market_url, service_url, desk_url = (f"http://127.0.0.1:{free_port()}" for _ in range(4))
        world = World(
            home, server, jobs_server, mailbox, web_url, market_url, env or {}, inbox,
            SimulatedJobs(service_url) if platform == "http" else None,
            SimulatedDesk(desk_url) if desk == "zoho" else None,
        )  # fmt: skip
        parts: list[Part] = [_web, _marketplace, _our_worker]
        parts.append(_job_service(world.job_service) if world.job_service else _their_worker)
        parts += [_simulator("desk", "sandbox.zoho", world.desk.url)] if world.desk else []
        with ThreadPoolExecutor() as at_once:  # each needs seconds of imports, and none waits for another
            starting = [at_once.submit(start, stack, world) for start in parts]
        for started in starting:
            started.result()
        say("Caseproof's blocks and deployments, and the retailer's jobs")
        set_up(world)
        if not by_itself:
            for deployment in SCHEDULED:
                world.pause(deployment)
        yield world


def _write_policy(home: Path) -> None:
    """The built-in policy, with a mailbox that is read."""
    policy = home / "policy.yaml"
    if not policy.exists():
        text = BUILT_IN.read_text(encoding="utf-8")
        policy.write_text(text.replace('  mailbox: ""', f"  mailbox: {INBOX}", 1), encoding="utf-8")


def _web(stack: ExitStack, world: World) -> None:
    _serve(stack, world, "web", ["-m", "caseproof.cli", "web"], world.web_url)


def _marketplace(stack: ExitStack, world: World) -> None:
    port = world.marketplace_url.rpartition(":")[2]
    _serve(stack, world, "marketplace", ["-m", "sandbox.marketplace", "--port", port], world.marketplace_url)


def _job_service(service: SimulatedJobs) -> Part:
    def start(stack: ExitStack, world: World) -> None:
        jobs = world.home / "job-service.json"
        write_jobs(jobs, CONTACTS, world.marketplace_url)
        _simulator("job-service", "sandbox.job_service", service.url, "--jobs", str(jobs))(stack, world)

    return start


def _simulator(name: str, module: str, url: str, *more: str) -> Part:
    """What starts a simulator, which answers at /simulator as soon as it is there."""

    def start(stack: ExitStack, world: World) -> None:
        _serve(stack, world, name, ["-m", module, "--port", url.rpartition(":")[2], *more], url, "simulator")

    return start


def _serve(stack: ExitStack, world: World, name: str, command: list[str], url: str, asked: str = "health") -> None:
    """Start what serves at ``url``, and wait until it answers there what it is ``asked``."""
    log = world.home / "logs" / f"{name}.log"
    process = Process.start(name, [sys.executable, *command], cwd=ROOT, env=world.env(), log=log)
    stack.callback(process.stop)
    process.wait_until_ready(f"the {name} to answer", lambda: _healthy(f"{url}/{asked}"))


def _our_worker(stack: ExitStack, world: World) -> None:
    home, env = world.home, {**CASES_WORKER, **world.env()}
    worker = start_worker(world.server, OUR_POOL, home, name="cases", cwd=home, env=env, query_seconds=1, stock=False)
    stack.callback(worker.stop)


def _their_worker(stack: ExitStack, world: World) -> None:
    home = world.home
    # Elsewhere it is Prefect's own; beside ours the one that costs least, so that the machine is there for the cases.
    stock = world.jobs_server is not world.server
    worker = start_worker(
        world.jobs_server, CUSTOMER_POOL, home, name="customers", cwd=home, query_seconds=1, stock=stock
    )
    stack.callback(worker.stop)


def _healthy(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2, trust_env=False).is_success
    except httpx.TransportError:
        return False


def set_up(world: World) -> None:
    """Save the blocks, deploy, register the contacts and give the retailers tokens, as an operator would once."""
    facts: dict[str, Any] = {
        "api_url": world.jobs_server.api_url,
        "ui_url": world.jobs_server.ui_url,
        "auth": world.jobs_server.auth,
        "smtp_host": world.mailbox.host,
        "smtp_port": world.mailbox.port,
        "marketplace_url": world.marketplace_url,
        "tokens": world.new_tokens(*CONTACTS),
    }
    if world.job_service is not None:
        world.job_service.use_tokens(facts["tokens"])
        facts["job_service"] = world.job_service.block()
    if world.desk is not None:
        facts["desk"] = world.desk.block()
    if world.inbox is not None:
        account = world.inbox.account(authserv=AUTHSERV)
        facts["inbox"] = {
            "host": account.host, "port": account.port, "security": account.security, "username": account.username,
            "password": account.password, "authserv": account.authserv,
        }  # fmt: skip
    wait_until("the work pool of emergencies", lambda: world.server.api.ensure_pool(EMERGENCY_POOL), 60)
    command, log = deploy_command(str(ROOT / "prefect.yaml")), world.home / "logs" / "deploy.log"
    deploy = Process.start("deploy", command, cwd=ROOT, env=world.env(), log=log)
    world.hand_over(facts)
    if deploy.wait(240) != 0:
        raise CommandFailed(f"`prefect deploy` failed:\n{deploy.last_lines()}")
