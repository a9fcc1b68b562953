"""The small world as it runs: Caseproof, a marketplace, retailers' jobs and a mail server, and what people do there.

Customers' jobs and Caseproof's own flows never share a work pool. Everything runs on free loopback ports, writes below
one folder, and is stopped again in the opposite order.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx

from caseproof.config.settings import Settings
from caseproof.domain.case import Case
from caseproof.procedure.core.services import Services, bootstrap
from caseproof.up.processes import Process, wait_until
from sandbox.imap import ImapServer
from sandbox.mailbox import Mailbox
from sandbox.marketplace import renew_token
from sandbox.processes import PrefectServer, answered
from sandbox.systems import SimulatedDesk, SimulatedJobs

ROOT = Path(__file__).resolve().parent.parent
OUR_POOL, CUSTOMER_POOL = "caseproof", "customer-jobs"
CONTACTS = {"garden-shop": "owner@garden-shop.example.com", "toy-store": "owner@toy-store.example.com"}
"""The retailers of a world, each with the one person who gets its mail."""
INBOX, OUR_ADDRESS = "inbox", "cases@example.com"
PLATFORM = "sandbox"
SCHEDULED = ("daily-job-check", "case-keeper", "case-report", "retailer-inbox")
"""What runs by itself: each the only deployment of the flow with its name."""
_EVERY = 0.7
"""How many seconds a look at Prefect waits for the next one: its server has enough to do."""


class CommandFailed(RuntimeError):
    """A command of the world ended with an error; the text is what it said."""


@dataclass
class World:
    """A running world. ``server`` carries Caseproof's flows, ``jobs_server`` the customers' jobs (often the same).

    ``mailbox`` keeps what leaves; what retailers write to OUR_ADDRESS goes on into ``inbox``, which Caseproof reads.
    ``job_service`` carries the customers' jobs where Prefect does not; ``desk`` has the tickets where Caseproof's own
    has not.
    """

    home: Path
    server: PrefectServer
    jobs_server: PrefectServer
    mailbox: Mailbox
    web_url: str
    marketplace_url: str = ""
    extra_env: Mapping[str, str] = field(default_factory=dict)
    inbox: ImapServer | None = None
    job_service: SimulatedJobs | None = None
    desk: SimulatedDesk | None = None

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

    @cached_property
    def services(self) -> Services:
        """The services of this world, for looking at its cases."""
        # Given, so that nothing of the person's own installation slips in from the environment.
        urls = {"web_url": self.web_url, "answer_url": self.web_url, "public_url": None}
        settings = Settings(home=self.home, database_url=None, policy=None, **urls)
        return bootstrap(settings)

    # -- commands, as a person types them --------------------------------------------------------------------------

    def python(self, *arguments: str, ok: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a module of the project with this world's environment. Raises CommandFailed unless ``ok`` is False."""
        done = subprocess.run(
            [sys.executable, *arguments], env=self.env(), cwd=ROOT, capture_output=True, text=True, timeout=300,
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
        with self.services.store.reading() as uow:
            known = uow.cases.run_of(ref)
        if known is None:
            raise LookupError(f"{ref} has no flow run yet.")
        return known.flow_run

    def await_question(self, ref: str, form: str, seconds: float = 360, after: int = 0) -> int:
        """Wait until the case's run is suspended at this form; returns the question's number."""

        def asked() -> int | None:
            case = self.services.ledger.case(ref)
            number = case.question_number
            question = case.asked.get(number)
            if question is None or number <= after or number in case.answered or question["form"] != form:
                return None
            state = self.flow_run(question["flow_run"])["state"]
            waits_here = state["type"] == "PAUSED" and state["state_details"]["pause_key"] == f"question-{number}"
            return number if waits_here and self._has_form(question["flow_run"], number) else None

        return wait_until(f"{ref} to ask for '{form}'", asked, seconds, _EVERY)

    def _has_form(self, flow_run: str, number: int) -> bool:
        schema = f"flow_runs/{flow_run}/input/suspended-question-{number}-schema"
        return self.call(self.server, "GET", schema, missing_is_fine=True).is_success

    def resume(self, ref: str, **answer: Any) -> dict[str, Any]:
        """Fill in the form that the case's run waits with, through the call that Prefect's UI makes."""
        case = self.services.ledger.case(ref)
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

    def answer(self, ref: str, form: str, *, after: int = 0, seconds: float = 360, **answer: Any) -> int:
        """Wait for a form and fill it in; returns the question's number."""
        number = self.await_question(ref, form, seconds, after)
        reply = self.resume(ref, **answer)
        if reply.get("status") != "ACCEPT":
            raise CommandFailed(f"Prefect did not take the answer to question {number}: {reply}")
        return number

    def await_case(self, ref: str, what: str, holds: Callable[[Case], bool], seconds: float = 360) -> Case:
        """Wait until something holds of the case."""

        def check() -> Case | None:
            case = self.services.ledger.case(ref)
            return case if holds(case) else None

        return wait_until(f"{ref}: {what}", check, seconds, _EVERY)

    def renew_access(self, *retailers: str) -> None:
        """Retailers renew their access in the marketplace's seller portal; the jobs get the new tokens."""
        jobs, tokens = self.jobs_server, self.new_tokens(*retailers)
        if self.job_service is not None:
            self.job_service.use_tokens(tokens)
        else:
            self.hand_over({"api_url": jobs.api_url, "auth": jobs.auth, "tokens": tokens})

    def new_tokens(self, *retailers: str) -> dict[str, str]:
        """New tokens of the marketplace, by retailer; those before are void."""
        return {retailer: renew_token(self.marketplace_url, retailer) for retailer in retailers}

    def hand_over(self, facts: Mapping[str, Any]) -> None:
        """Give facts to ``sandbox.set_up``. They hold secrets: never on a command line, never in a log."""
        done = subprocess.run(
            [sys.executable, "-m", "sandbox.set_up"], input=json.dumps(facts), env=self.env(), cwd=ROOT,
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise CommandFailed(f"Setting the world up failed:\n{done.stdout}{done.stderr}")

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Mail is read as it comes, and cases with news are woken within seconds, as beside `caseproof up`."""
        with self._beside("inbox", "is watched"):
            yield

    @contextmanager
    def keeping(self) -> Iterator[None]:
        """The keeper makes its passes in place, and draws the board, as beside `caseproof up`."""
        with self._beside("keeper", "are looked after"):
            yield

    @contextmanager
    def _beside(self, name: str, says: str) -> Iterator[None]:
        """A command of ours that stays, once it says so."""
        command, log = [sys.executable, "-m", "caseproof.cli", name, "--watch"], self.home / "logs" / f"{name}.log"
        process = Process.start(name, command, cwd=ROOT, env=self.env(), log=log)
        try:
            process.wait_until_ready(f"the {name} to be there", lambda: says in log.read_text())
            yield
        finally:
            process.stop()

    def pause(self, deployment: str) -> None:
        """Have one of Caseproof's own deployments start no runs by itself."""
        path = f"deployments/{self._deployment(self.server, f'{deployment}/{deployment}')}/pause_deployment"
        self.call(self.server, "POST", path)

    def run_ours(self, deployment: str, seconds: float = 360, **parameters: Any) -> dict[str, Any]:
        """Have one of Caseproof's own deployments run now, as its schedule would, and wait for its end."""
        return self._run(self.server, f"{deployment}/{deployment}", parameters, seconds)

    # -- customers' jobs -------------------------------------------------------------------------------------------

    def run_job(self, job: str, seconds: float = 360) -> dict[str, Any]:
        """Have a customer's job run now, as its schedule would, and wait for its end."""
        if self.job_service is not None:
            return self.job_service.run(job, seconds)
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

        return wait_until(f"a run of {deployment} to end", over, seconds, _EVERY)
