"""What was set up is tried as a case would use it: the doctor's own checks, of what the file names alone.

Nothing is read or moved, nobody is called, and no mail is sent. A Teams web hook that is new or changed gets a card
that says that it is a test: nothing else shows whether its address is right.
"""

from __future__ import annotations

from contextlib import closing
from functools import partial

from prefect_email import EmailServerCredentials

from blocks.base import DeskBlock, PlatformBlock
from blocks.channels import GoToCall, TeamsWebhook, TwilioVoice
from blocks.inbox import RetailerMailbox
from blocks.mail import account_of
from blocks.setting_up import Change, SetupPlan
from caseproof.channels.teams.card import Card
from caseproof.doctor import Finding, outside, reaching
from caseproof.doctor.clocks import Clocks
from caseproof.doctor.examination import Examination, blaming
from caseproof.procedure.core.services import Services

_SECONDS = 20.0
TEST_CARD = Card(
    "TEST: Caseproof is set up to post here",
    "This is no emergency, and nobody need do anything. In an emergency a card here says what is wrong and who has it.",
    tone="default",
)


def try_out(services: Services, plan: SetupPlan) -> list[Finding]:
    """Try each platform, desk, mail account and mailbox of the plan, beside each other; in the plan's order."""
    with Examination() as look:
        for change in plan.changes:
            _start(look, services, change)
        return look.findings()


def _card(name: str, block: TeamsWebhook, *, posts: bool) -> str:
    with blaming(f"Teams web hook '{name}'"), closing(block.client(name)) as hook:
        if not posts:
            hook.reach()
            return f"'{name}': its server answers; no card was posted, for nothing was changed"
        hook.post(TEST_CARD)
    return f"'{name}': Teams took a test card. Look whether it stands in the channel: Teams says so before it posts"


def _connects(name: str, block: GoToCall) -> str:
    block.account(name)
    return f"'{name}' is saved whole; it is tried when somebody connects, for GoTo may then give it another token"


def _start(look: Examination, services: Services, change: Change) -> None:
    block, name, seconds = change.block, change.name, services.policy.mail.timeout_seconds
    what = f"{change.what} {name}"
    match block:
        case PlatformBlock():
            answers = look.start(what, partial(outside.platform, name, block.client, Clocks()), seconds=_SECONDS)
            look.start(
                f"pages of {name}", partial(outside.pages, name, block.client), after=[answers], seconds=_SECONDS
            )
        case EmailServerCredentials():
            look.start(what, partial(outside.mail_server, name, partial(account_of, block, seconds)), seconds=_SECONDS)
        case RetailerMailbox():
            look.start(what, partial(outside.mailbox, name, partial(block.account, seconds)), seconds=_SECONDS)
        case TwilioVoice():
            look.start(what, partial(reaching.account_may_call, name, partial(block.client, name)), seconds=_SECONDS)
        case TeamsWebhook():
            look.start(what, partial(_card, name, block, posts=change.is_one), seconds=_SECONDS)
        case GoToCall():
            look.start(what, partial(_connects, name, block))
        case DeskBlock():
            look.start(what, partial(outside.desk, name, partial(block.client, services), Clocks()), seconds=_SECONDS)
