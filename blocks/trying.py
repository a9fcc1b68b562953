"""What was set up is tried as a case would use it: the doctor's own checks, of what the file names alone.

Nothing is sent, read or moved.
"""

from __future__ import annotations

from functools import partial

from prefect_email import EmailServerCredentials

from blocks.desks import DESKS
from blocks.inbox import RetailerMailbox
from blocks.mail import account_of
from blocks.platforms import PLATFORMS
from blocks.setting_up import Change, SetupPlan
from caseproof.doctor import Finding, outside
from caseproof.doctor.clocks import Clocks
from caseproof.doctor.examination import Examination
from caseproof.procedure.core.services import Services

_SECONDS = 20.0


def try_out(services: Services, plan: SetupPlan) -> list[Finding]:
    """Try each platform, desk, mail account and mailbox of the plan, beside each other; in the plan's order."""
    with Examination() as look:
        for change in plan.changes:
            _start(look, services, change)
        return look.findings()


def _start(look: Examination, services: Services, change: Change) -> None:
    block, name, seconds = change.block, change.name, services.policy.mail.timeout_seconds
    what = f"{change.what} {name}"
    match block:
        case _ if isinstance(block, PLATFORMS):
            answers = look.start(what, partial(outside.platform, name, block.client, Clocks()), seconds=_SECONDS)
            look.start(
                f"pages of {name}", partial(outside.pages, name, block.client), after=[answers], seconds=_SECONDS
            )
        case EmailServerCredentials():
            look.start(what, partial(outside.mail_server, name, partial(account_of, block, seconds)), seconds=_SECONDS)
        case RetailerMailbox():
            look.start(what, partial(outside.mailbox, name, partial(block.account, seconds)), seconds=_SECONDS)
        case _ if isinstance(block, DESKS):
            look.start(what, partial(outside.desk, name, partial(block.client, services)), seconds=_SECONDS)
