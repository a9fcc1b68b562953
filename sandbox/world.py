"""The small world, put together: a marketplace, retailers' jobs, a mail server, and Caseproof beside them.

Customers' jobs and Caseproof's own flows never share a work pool. Everything runs on free loopback ports, writes below
one folder, and is stopped again in the opposite order.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from caseproof.domain.case import Case
from caseproof.policy import BUILT_IN
from caseproof.procedure.office import Office, open_office
from caseproof.settings import Settings
from caseproof.up.prefect_parts import CASES_WORKER, deploy_command
from caseproof.up.processes import Process, free_port, wait_until
from sandbox.imap import ImapServer
from sandbox.mailbox import Mailbox
from sandbox.marketplace import renew_token
from sandbox.processes import PrefectServer, answered, start_prefect_server, start_worker
from sandbox.receiving import AUTHSERV, Receiver

ROOT = Path(__file__).resolve().parent.parent
OUR_POOL, CUSTOMER_POOL = "caseproof", "customer-jobs"
RETAILER, CONTACT = "garden-shop", "owner@garden-shop.example.com"
CONTACTS = {RETAILER: CONTACT, "toy-store": "owner@toy-store.example.com"}
"""The retailers of a world, each with the one person who gets its mail."""
INBOX, OUR_ADDRESS = "inbox", "cases@example.com"
PLATFORM = "sandbox"
SCHEDULED = ("daily-job-check", "case-keeper", "case-report", "retailer-inbox")
"""What runs by itself: each the only deployment of the flow with its name."""

Say = Callable[[str], None]


class CommandFailed(RuntimeError):
    """A command of the world ended with an error; the text is what it said."""


@dataclass
class World:
    """A running world. ``server`` carries Caseproof's flows, ``jobs_server`` the customers' jobs (often the same).

    ``mailbox`` keeps what leaves; what retailers write to OUR_ADDRESS goes on into ``inbox``, which Caseproof reads.
    """

    home: Path
    server: PrefectServer
    jobs_server: PrefectServer
    mailbox: Mailbox
    web_url: str
    marketplace_url: str = ""
    extra_env: Mapping[str, str] = field(default_factory=dict)
    inbox: ImapServer | None = None

    def env(self) -> dict[str, str]:
        """The whole environment of a person who works with this world."""
        # A person's own store and policy stay out of a world; which browser there is holds for it, too.
        theirs = self.server.env().items()
        ours = {key: value for key, value in theirs if not key.startswith("CASEPROOF_") or key == "CASEPROOF_BROWSER"}
        return ours | {
            "CASEPROOF_HOME": str(self.home),
            "CASEPROOF_WEB_URL": self.web_url,
            "CASEPROOF_ANSWER_URL": self.web_url,
            **self.extra_env,
        }

    @property
    def office(self) -> Office:
        """The office of this world, for looking at its cases."""
        # Given, so that nothing of the person's own installation slips in from the environment.
        urls = {"web_url": self.web_url, "answer_url": self.web_url, "public_url": None}
        settings = Settings(home=self.home, database_url=None, policy=None, **urls)
        return open_office(settings)

    # -- commands, as a person types them --------------------------------------------------------------------------

    def python(self, *arguments: str, ok: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a module of the project with this world's environment. Raises CommandFailed unless ``ok`` is False."""
        done = subprocess.run(
            [sys.executable, *arguments], env=self.env(), cwd=ROOT, capture_output=True, text=True, timeout=180,
            check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        if ok and done.returncode != 0:
            raise CommandFailed(f"{' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done

    def caseproof(self, *arguments: str) -> Any:
        """Run ``caseproof ... --json`` and return what it printed."""
        return json.loads(self.python("-m", "caseproof.cli", *arguments, "--json").stdout)

    # -- the Prefect API, as the UI calls it -----------------------------------------------------------------------

    def flow_run(self, flow_run: str) -> dict[str, Any]:
        """A flow run of Caseproof's own server, as its API tells it."""
        found: dict[str, Any] = self.call(self.server, "GET", f"flow_runs/{flow_run}").json()
        return found

    def flow_run_of(self, ref: str) -> str:
        """The id of the flow run that carries the case."""
        with self.office.store.reading() as unit:
            known = unit.cases.run_of(ref)
        if known is None:
            raise LookupError(f"{ref} has no flow run yet.")
        return known.flow_run

    def await_question(self, ref: str, form: str, seconds: float = 90, after: int = 0) -> int:
        """Wait until the case's run is suspended at this form; returns the question's number."""

        def asked() -> int | None:
            case = self.office.case(ref)
            number = case.question_number
            question = case.asked.get(number)
            if question is None or number <= after or number in case.answered or question["form"] != form:
                return None
            state = self.flow_run(question["flow_run"])["state"]
            waits_here = state["type"] == "PAUSED" and state["state_details"]["pause_key"] == f"question-{number}"
            return number if waits_here and self._has_form(question["flow_run"], number) else None

        return wait_until(f"{ref} to ask for '{form}'", asked, seconds)

    def _has_form(self, flow_run: str, number: int) -> bool:
        schema = f"flow_runs/{flow_run}/input/suspended-question-{number}-schema"
        return self.call(self.server, "GET", schema, missing_is_fine=True).is_success

    def resume(self, ref: str, **answer: Any) -> dict[str, Any]:
        """Fill in the form that the case's run waits with, through the call that Prefect's UI makes."""
        case = self.office.case(ref)
        flow_run = case.asked[case.question_number]["flow_run"]
        path = f"flow_runs/{flow_run}/resume"
        reply: dict[str, Any] = self.call(self.server, "POST", path, json={"run_input": answer}).json()
        return reply

    @staticmethod
    def call(
        server: PrefectServer, method: str, path: str, *, missing_is_fine: bool = False, **request: Any
    ) -> httpx.Response:
        """Call Prefect's API, again where it is too busy to answer."""
        with server.client() as client:
            answer = answered(client, method, path, **request)
        return answer if missing_is_fine and answer.status_code == httpx.codes.NOT_FOUND else answer.raise_for_status()

    def answer(self, ref: str, form: str, *, after: int = 0, seconds: float = 90, **answer: Any) -> int:
        """Wait for a form and fill it in; returns the question's number."""
        number = self.await_question(ref, form, seconds, after)
        reply = self.resume(ref, **answer)
        if reply.get("status") != "ACCEPT":
            raise CommandFailed(f"Prefect did not take the answer to question {number}: {reply}")
        return number

    def await_case(self, ref: str, what: str, holds: Callable[[Case], bool], seconds: float = 90) -> Case:
        """Wait until something holds of the case."""

        def check() -> Case | None:
            case = self.office.case(ref)
            return case if holds(case) else None

        return wait_until(f"{ref}: {what}", check, seconds)

    def renew_access(self, retailer: str = RETAILER) -> None:
        """The retailer renews its access in the marketplace's seller portal; the jobs get the new token."""
        _pipe(self, {"api_url": self.jobs_server.api_url, "tokens": self.new_tokens(retailer)})

    def new_tokens(self, *retailers: str) -> dict[str, str]:
        """New tokens of the marketplace, by retailer; those before are void."""
        return {retailer: renew_token(self.marketplace_url, retailer) for retailer in retailers}

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Mail is read as it comes, and cases with news are woken within seconds, as beside `caseproof up`."""
        command, log = [sys.executable, "-m", "caseproof.cli", "inbox", "--watch"], self.home / "logs" / "inbox.log"
        process = Process.start("inbox", command, cwd=ROOT, env=self.env(), log=log)
        try:
            process.wait_until_ready("the mailbox to be watched", lambda: "is watched" in log.read_text())
            yield
        finally:
            process.stop()

    def pause(self, deployment: str) -> None:
        """Have one of Caseproof's own deployments start no runs by itself."""
        path = f"deployments/{self._deployment(self.server, f'{deployment}/{deployment}')}/pause_deployment"
        self.call(self.server, "POST", path)

    def run_ours(self, deployment: str, seconds: float = 90, **parameters: Any) -> dict[str, Any]:
        """Have one of Caseproof's own deployments run now, as its schedule would, and wait for its end."""
        return self._run(self.server, f"{deployment}/{deployment}", parameters, seconds)

    # -- customers' jobs -------------------------------------------------------------------------------------------

    def run_job(self, job: str, seconds: float = 60) -> dict[str, Any]:
        """Have a customer's job run now, as its schedule would, and wait for its end."""
        return self._run(self.jobs_server, job, {}, seconds)

    def _deployment(self, server: PrefectServer, name: str) -> str:
        return str(self.call(server, "GET", f"deployments/name/{name}").json()["id"])

    def _run(
        self, server: PrefectServer, deployment: str, parameters: Mapping[str, Any], seconds: float
    ) -> dict[str, Any]:
        path = f"deployments/{self._deployment(server, deployment)}/create_flow_run"
        run = self.call(server, "POST", path, json={"parameters": parameters}).json()

        def over() -> dict[str, Any] | None:
            now: dict[str, Any] = self.call(server, "GET", f"flow_runs/{run['id']}").json()
            return now if now["state"]["type"] in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED") else None

        return wait_until(f"a run of {deployment} to end", over, seconds)


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
    with ExitStack() as stack:
        say("Prefect's server (10 to 15 seconds)")
        server = start_prefect_server(home / "server")
        stack.callback(server.stop)
        jobs_server = server
        if jobs_elsewhere:
            say("a second Prefect server, for the customers' jobs")
            jobs_server = start_prefect_server(home / "jobs-server")
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
    worker = start_worker(world.server, OUR_POOL, home, name="cases", cwd=home, env=env, query_seconds=1)
    stack.callback(worker.stop)


def _their_worker(stack: ExitStack, world: World) -> None:
    home = world.home
    worker = start_worker(world.jobs_server, CUSTOMER_POOL, home, name="customers", cwd=home, query_seconds=1)
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
    command, log = deploy_command(str(ROOT / "prefect.yaml")), world.home / "logs" / "deploy.log"
    deploy = Process.start("deploy", command, cwd=ROOT, env=world.env(), log=log)
    _pipe(world, facts)
    if deploy.wait(120) != 0:
        raise CommandFailed(f"`prefect deploy` failed:\n{deploy.last_lines()}")


def _pipe(world: World, facts: Mapping[str, Any]) -> None:
    """Hand facts to ``sandbox.set_up``. They hold a token: never on a command line, never in a log."""
    done = subprocess.run(
        [sys.executable, "-m", "sandbox.set_up"], input=json.dumps(facts), env=world.env(), cwd=ROOT,
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise CommandFailed(f"Setting the world up failed:\n{done.stdout}{done.stderr}")
