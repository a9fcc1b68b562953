"""`caseproof up`: everything that Caseproof needs, started, watched and stopped again."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from types import FrameType
from typing import Annotated

import typer

from caseproof.channels.outbound.samples import check_templates
from caseproof.cli.common import out, safe
from caseproof.config.clock import utc_now
from caseproof.config.policy import policy_in_force
from caseproof.config.private_files import close_home
from caseproof.config.settings import Settings, read_settings
from caseproof.config.signals import handled
from caseproof.domain.errors import CaseproofError
from caseproof.procedure.core.services import Services, bootstrap, today
from caseproof.procedure.keeper.problems import Problems
from caseproof.procedure.keeper.raising import raise_wanted
from caseproof.store import locks
from caseproof.up.addresses import FOLDER, write_addresses
from caseproof.up.password import MayLockOut, choose, how_to_log_in, refuse_no_password, settle
from caseproof.up.plan import StartPlan, claim, deploy, plan
from caseproof.up.screen import Screen
from caseproof.up.service import Health
from caseproof.up.supervisor import Say, Supervisor

_REVIVE_SECONDS = 15.0
_WANTED_SECONDS = 5.0  # a platform that takes longer is stopped on beside the rest
_CLAIM_SECONDS = 30.0  # what a worker took just before it died may still come up


def up(
    postgres: Annotated[
        bool, typer.Option("--postgres", help="Keep the store and Prefect's data in an embedded PostgreSQL.")
    ] = False,
    stock_worker: Annotated[
        bool, typer.Option("--stock-worker", help="Start each run the slow way, by Prefect's own process worker.")
    ] = False,
    no_password: Annotated[
        bool, typer.Option("--no-password", help="Leave Prefect's server open to whatever runs on this machine.")
    ] = False,
    lock_out: Annotated[
        bool, typer.Option("--lock-out", help="Ask for a password from now on, also where others used none.")
    ] = False,
) -> None:
    """Start Prefect's server, a worker and the web app, deploy, and look after them all until Ctrl-C.

    With PREFECT_API_URL set, that server is used and none is started.
    """
    settings = read_settings()
    close_home(settings.home_folder)
    policy = policy_in_force(settings)  # an error in it is told before anything is started, not by each service's log
    password = choose(settings, os.environ, none=no_password)
    may_lock_out: MayLockOut = (lambda _: True) if lock_out else _may_lock_out
    laid_out = plan(
        settings, os.environ, postgres=postgres, stock_worker=stock_worker, password=password.auth,
        settle=lambda api: settle(password, api, settings, utc_now(), may_lock_out),
    )  # fmt: skip
    if no_password:
        refuse_no_password(laid_out, settings)
    folder = settings.home_folder / FOLDER
    check_templates()  # a broken one is found now, not when a retailer is to be told
    screen = Screen(out, settings.home_folder, laid_out)
    supervisor = Supervisor(folder, laid_out.logs, laid_out.groups, screen.say)
    if not locks.hold(settings.up_lock, wait=False):
        _show_the_other(supervisor, screen, locks.holder(settings.up_lock))
        return
    if policy.wrong is not None:
        screen.say(f"{policy.wrong.problem} {policy.wrong.next_action}")
    screen.log_in = how_to_log_in(laid_out, password, shown=_is_terminal())
    with _stopping() as over:
        try:
            _start(settings, laid_out, supervisor, screen)
            with screen.living(supervisor.services), ThreadPoolExecutor(max_workers=1) as beside:
                supervisor.watch(over, _reviving(supervisor, settings, beside, screen.say))
        except _Stopped:
            screen.say("Stopped while it was starting.")
        finally:
            screen.say("Stopping.")
            supervisor.stop()
            locks.let_go(settings.up_lock)
            screen.say("Everything that was started here is stopped; the files stay.")


def _start(settings: Settings, laid_out: StartPlan, supervisor: Supervisor, screen: Screen) -> None:
    if not laid_out.own_server and not laid_out.api.is_healthy():
        raise CaseproofError(
            f"PREFECT_API_URL names {laid_out.api.url}, which does not answer.",
            "Start that server, or unset PREFECT_API_URL: `caseproof up` starts one of its own then.",
        )
    os.environ.update(laid_out.environment)  # before Prefect is imported: it reads its settings then
    write_addresses(settings.home_folder, laid_out.environment, laid_out.database, own_server=laid_out.own_server)
    if not laid_out.own_server:
        claim(laid_out, settings)  # before a worker of ours could take another home's runs
    supervisor.start()
    if laid_out.own_server:
        claim(laid_out, settings)
    screen.say("The deployments are being made.")
    deploy(laid_out, settings)
    from blocks.catalogue import register_blocks
    from blocks.paging import refresh_channels

    register_blocks()
    services = bootstrap(settings)
    refresh_channels(settings.home_folder, services.policy)  # what is wrong with one, the doctor tells
    services.keys.in_force()  # made now, in the home that sends the letters; or it is told that it is lost
    if offered := _offer_first_login(services, shown=_is_terminal()):
        screen.say(offered)
        screen.log_in = f"{offered}\n{screen.log_in}"
    screen.say("Caseproof is up.")


def _offer_first_login(services: Services, *, shown: bool) -> str:
    """How the first person logs in, where nobody can yet, else "": by a link; it is none where it would be kept (not
    ``shown``)."""
    if not shown:
        if services.logins.who_get_in():
            return ""
        return (
            f"Nobody can log in yet: `caseproof people link {shlex.quote(services.policy.team[0])}` prints a "
            "sign-in link."
        )
    if (offered := services.logins.first_link()) is None:
        return ""
    login, token = offered
    return f"Nobody can log in yet. {login.name} chooses a password here, once: {services.links.sign_in_url(token)}"


def _is_terminal() -> bool:
    """Whether a person reads what we print, and nobody keeps it."""
    return sys.stdout.isatty()


def _may_lock_out(others: Sequence[str]) -> bool:
    """Ask the person at the terminal; where there is none, nobody says yes."""
    if not (sys.stdin.isatty() and _is_terminal()):
        return False
    out.print("Prefect's server is to ask for a password from now on. Until now others use it without one:")
    for other in others:
        out.print(f"  {safe(other)}", soft_wrap=True, highlight=False)
    out.print("They are locked out until each is given the password (`caseproof keys prefect` prints it).")
    try:
        return typer.confirm("Ask for a password from now on?", default=False)
    except typer.Abort:
        return False


def _show_the_other(supervisor: Supervisor, screen: Screen, holder: int | None) -> None:
    """Another `caseproof up` has this home: show what runs, start nothing."""
    for watched in supervisor.services:
        if watched.find():
            watched.health = Health.UP if watched.service.is_ready() else Health.SILENT
    screen.show(supervisor.services)
    out.print(
        f"`caseproof up` runs already for this home (process {holder or 'not known'}): nothing was started twice."
    )


class _Stopped(BaseException):
    """Somebody wants it to stop while it is starting."""


@contextmanager
def _stopping() -> Iterator[threading.Event]:
    """Turns SIGINT, SIGTERM and SIGHUP (a closed terminal) into an event; while it is starting, into an exception."""
    over = _Over()

    def stop(_number: int, _frame: FrameType | None) -> None:
        # Only once: what stops everything must not be stopped itself.
        interrupt = not over.waited_for and not over.is_set()
        over.set()
        if interrupt:
            raise _Stopped

    with handled((signal.SIGINT, signal.SIGTERM, signal.SIGHUP), stop):
        yield over


class _Over(threading.Event):
    """An event that knows whether somebody waits for it by now."""

    waited_for = False

    def wait(self, timeout: float | None = None) -> bool:
        self.waited_for = True
        return super().wait(timeout)


def _reviving(supervisor: Supervisor, settings: Settings, beside: ThreadPoolExecutor, say: Say) -> Callable[[], None]:
    """What gives cases whose run died a new one, beside the watching: Prefect may be slow, the watch must not be."""
    services = bootstrap(settings)
    pending, trouble, next_time = None, "", 0.0

    def look() -> None:
        nonlocal pending, trouble, next_time
        if pending is not None and pending.done():
            before, trouble = trouble, _trouble(pending)
            for sentence in [] if trouble else pending.result():
                say(sentence)
            if trouble and trouble != before:  # said once, however long it lasts
                say(trouble)
            pending = None
        if pending is None and time.monotonic() >= next_time and supervisor.is_up:
            next_time = time.monotonic() + _REVIVE_SECONDS
            pending = beside.submit(_revive, services, supervisor.service("worker").since)

    return look


def _revive(services: Services, worker_since: float) -> list[str]:
    from tasks.common import load_desk, load_platform
    from tasks.runs.reviving import revive

    settled = time.time() - worker_since > _CLAIM_SECONDS
    now = today(services)
    raised = raise_wanted(now.stopping, load_platform, load_desk, Problems(), _WANTED_SECONDS)  # J2: first
    revived = revive(now, datetime.fromtimestamp(worker_since, UTC) if settled else None)
    return [*(f"{ref} is open: somebody wanted it (J1)." for ref in raised), *revived.said, *_for_emergencies(now)]


def _for_emergencies(now: Services) -> list[str]:
    """Give emergencies the runs that show them."""
    from tasks.runs.emergency_runs import give_emergency_runs

    said = "an emergency goes on (E8); who is reached, and who is not, stands on"
    return [f"{ref}: {said} {now.links.emergency_url(ref)}" for ref in give_emergency_runs(now)]


def _trouble(pending: Future[list[str]]) -> str:
    """Why it failed, for people; whatever it is, the supervisor goes on."""
    error = pending.exception()
    if error is None:
        return ""
    why = f"{error.problem} {error.next_action}" if isinstance(error, CaseproofError) else f"{type(error).__name__}."
    return f"Cases could not be looked after: {why}"
