"""What the tasks share: this installation's services, the clients that blocks describe, and when trying again helps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, wraps
from typing import Any, TypeVar, cast

from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.runtime import flow_run as this_run
from prefect.settings import get_current_settings
from prefect.tasks import Task
from prefect_email import EmailServerCredentials

from blocks.base import PrefectDown, load_block
from blocks.desks import DESKS
from blocks.inbox import MAILBOXES
from blocks.mail import account_of
from blocks.platforms import PLATFORMS
from caseproof.channels.inbound.imap_account import ImapAccount
from caseproof.channels.outbound.mail import Delivery, MailDown, send
from caseproof.config.policy import Policy
from caseproof.config.settings import Settings
from caseproof.desks.base import Desk, DeskDown
from caseproof.domain.case import Case
from caseproof.domain.errors import BadInput
from caseproof.domain.vocabulary import Decision
from caseproof.evidence.screenshot import NotTheRun, ScreenshotFailed, Shot
from caseproof.platforms.base import JobPlatform, PlatformDown, RunPage
from caseproof.platforms.prefect import PrefectJobsClient
from caseproof.procedure.closing import ticket
from caseproof.procedure.closing.proving import with_browser
from caseproof.procedure.core.services import Services, bootstrap
from caseproof.procedure.notify.mail_pace import paced
from caseproof.procedure.notify.telling import Send
from caseproof.store import StoreDown
from tasks.ports import Ports, bound_here
from tasks.prefect_run import PrefectRun

T = TypeVar("T")

KEEP_NOTHING: dict[str, Any] = {
    "persist_result": False,
    "result_storage": get_current_settings().results.local_storage_path,
}
"""Options of every flow. Nothing relies on kept results (house rule 3), and a flow that says so asks the server neither
whether nor where to keep them."""

PASSING = (PlatformDown, DeskDown, MailDown, PrefectDown, StoreDown, ScreenshotFailed, NotTheRun)
"""Errors that may pass by themselves. A refusal does not, so it is not tried again."""


def _may_pass(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    _found.clear()  # it failed: the next try looks at the blocks again, which somebody may have put right
    return isinstance(state.result(raise_on_failure=False), PASSING)


def patient() -> dict[str, Any]:
    """Options of a task that touches another system: back-off with jitter, only for what may pass.

    Repeating is safe because every step claims its intent and reads back before it does anything a second time. Results
    are never taken from a cache: a resumed run looks at the case instead (house rule 3).
    """
    delays = list(Settings().retry_delays)
    return {
        "retries": len(delays),
        "retry_delay_seconds": delays,
        "retry_jitter_factor": 0.3,
        "retry_condition_fn": _may_pass,
        "cache_policy": NO_CACHE,
    }


@cache
def installed_services() -> Services:
    """This process's services, opened once."""
    return bootstrap()


_found: dict[tuple[str, ...], Any] = {}


def _once_a_run(look_up: Callable[..., T]) -> Callable[..., T]:
    """Look up once in a flow run, until a step fails; a run that is resumed is a process with a look of its own."""

    @wraps(look_up)
    def found(*which: str) -> T:
        if this_run.id is None:
            return look_up(*which)
        key = (str(this_run.id), look_up.__name__, *which)
        if key not in _found:
            _found[key] = look_up(*which)
        return cast(T, _found[key])

    return found


@_once_a_run
def _platform(name: str) -> JobPlatform:
    return load_block(name, PLATFORMS, "platform").client()


@_once_a_run
def _desk_called(name: str) -> Desk:
    return load_block(name, DESKS, "desk").client(services())


def _desk() -> Desk:
    return _desk_called(services().policy.desk)


def _sender() -> Send:
    policy = services().policy.mail
    account = account_of(load_block(policy.account, (EmailServerCredentials,), "mail account"), policy.timeout_seconds)

    def send_it(content: bytes, sender: str, recipients: Sequence[str]) -> Delivery:
        return send(account, content, sender=sender, recipients=recipients)

    here = services()
    return paced(
        send_it,
        per_minute=here.policy.mail.per_minute,
        home=here.settings.home_folder,
        clock=here.clock,
        sleep=here.sleep,
    )


def _our_prefect() -> JobPlatform:
    settings = get_current_settings()
    if not settings.api.url:
        raise BadInput("PREFECT_API_URL is not set.", "Point it at the Prefect server that runs the cases.")
    return PrefectJobsClient(
        settings.api.url,
        settings.ui_url or settings.api.url.removesuffix("/api"),
        auth=settings.api.auth_string.get_secret_value() if settings.api.auth_string else None,
        api_key=settings.api.key.get_secret_value() if settings.api.key else None,
    )


def _camera(page: RunPage) -> Shot:
    return with_browser(services().settings, services().clock, page)


INSTALLED = Ports(installed_services, _platform, _our_prefect, _desk, _sender, _camera, PrefectRun(), _desk_called)
"""The ports of this installation: its settings, its blocks, and the flow run that this process executes."""


def ports() -> Ports:
    """The ports in force: those bound here, else this installation's."""
    return bound_here() or INSTALLED


def services() -> Services:
    """This process's services."""
    return ports().services()


def load_case(ref: str) -> Case:
    """The case as the store has it now."""
    return services().ledger.case(ref)


def load_platform(name: str) -> JobPlatform:
    """The client of the platform with this name."""
    return ports().platform(name)


def load_desk(name: str = "") -> Desk:
    """The client of the desk with this name, of the policy's for ""."""
    here = ports()
    return here.desk_called(name) if name and here.desk_called is not None else here.desk()


def desk_of(ref: str) -> Desk:
    """The client of the desk that the case's ticket is on."""
    return load_desk(ticket.desk_of(services().policy, load_case(ref)))


def load_sender() -> Send:
    """What sends mail through the policy's account, with the policy's time-out and at its pace."""
    return ports().sender()


def load_mailbox(policy: Policy) -> ImapAccount | None:
    """The mailbox that the policy names, with its mail's time-out; None where it names none."""
    name = policy.answers.mailbox
    return load_block(name, MAILBOXES, "mailbox").account(policy.mail.timeout_seconds) if name else None


def our_prefect() -> JobPlatform:
    """Our own Prefect server as a platform: it runs the removals, and its pages are their pictures."""
    return ports().our_prefect()


def runner_of(case: Case) -> JobPlatform:
    """The platform that the case's run is on: the job's own, or ours for a removal (J9)."""
    return our_prefect() if case.decided is Decision.REMOVE else load_platform(case.facts["platform"])
