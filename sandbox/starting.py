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
from sandbox.world import CONTACTS, CUSTOMER_POOL, INBOX, OUR_ADDRESS, OUR_POOL, ROOT, SCHEDULED, CommandFailed, World

Say = Callable[[str], None]


@contextmanager
def small_world(
    home: Path,
    say: Say,
    *,
    jobs_elsewhere: bool = False,
    by_itself: bool = True,
    env: Mapping[str, str] | None = None,
) -> Iterator[World]:
    """Start a world below ``home`` and stop it at the end, whatever happens.

    ``jobs_elsewhere`` puts the customers' jobs on a Prefect server of their own; without ``by_itself`` the check, the
    keeper and the report run only when they are asked to; ``env`` adds to the environment of everything that is
    Caseproof's.
    """
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
        say("a mail server, the marketplace, the web app, and two workers: one for cases, one for customers' jobs")
        inbox = stack.enter_context(ImapServer(user=OUR_ADDRESS))
        receiver = Receiver(OUR_ADDRESS, inbox)
        senders = dict.fromkeys(CONTACTS.values(), "the-owners-own")
        mailbox = stack.enter_context(Mailbox(folder=home / "mailbox", senders=senders, receiver=receiver))
        _write_policy(home)
        web_url, market_url = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
        world = World(home, server, jobs_server, mailbox, web_url, market_url, env or {}, inbox)
        with ThreadPoolExecutor() as at_once:  # each needs seconds of imports, and none waits for another
            starting = [
                at_once.submit(start, stack, world) for start in (_web, _marketplace, _our_worker, _their_worker)
            ]
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


def _serve(stack: ExitStack, world: World, name: str, command: list[str], url: str) -> None:
    log = world.home / "logs" / f"{name}.log"
    process = Process.start(name, [sys.executable, *command], cwd=ROOT, env=world.env(), log=log)
    stack.callback(process.stop)
    process.wait_until_ready(f"the {name} to answer", lambda: _healthy(f"{url}/health"))


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
    if world.inbox is not None:
        account = world.inbox.account(authserv=AUTHSERV)
        facts["inbox"] = {
            "host": account.host, "port": account.port, "security": account.security, "username": account.username,
            "password": account.password, "authserv": account.authserv,
        }  # fmt: skip
    wait_until("the work pool of emergencies", lambda: world.server.api.ensure_pool(EMERGENCY_POOL), 30)
    command, log = deploy_command(str(ROOT / "prefect.yaml")), world.home / "logs" / "deploy.log"
    deploy = Process.start("deploy", command, cwd=ROOT, env=world.env(), log=log)
    world.hand_over(facts)
    if deploy.wait(120) != 0:
        raise CommandFailed(f"`prefect deploy` failed:\n{deploy.last_lines()}")
