"""What reading the retailers' mailbox needs of Prefect: where the mailbox is, whose runs to wake, and what people see.

A pass (``caseproof.procedure.answers.inbox``) is plain code and no tasks: it comes every few minutes, and a mail would
be several task runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from blocks.base import PrefectDown
from caseproof.channels.inbound.imap import ImapInbox
from caseproof.channels.inbound.imap_account import ImapAccount, InboxError
from caseproof.config.policy import Policy
from caseproof.procedure.answers.inbox import IS_BEING_READ, InboxPass
from caseproof.procedure.answers.inbox_watch import InboxPorts, read_once
from caseproof.procedure.core.services import Services, today
from caseproof.procedure.core.texts import plain, short
from caseproof.procedure.keeper.schedule import is_over
from caseproof.store.messages import MessageRow
from tasks.common import load_mailbox, runner_of
from tasks.display.logs import hide, log, speak_in_words
from tasks.display.tables import keep_table
from tasks.runs.case_runs import wake_runs
from tasks.runs.our_prefect import one_client
from tasks.runs.passes import nothing_to_do

speak_in_words()

KEY = "retailer-inbox"
LONGEST_TABLE = 200


def mailboxes() -> Callable[[Policy], ImapAccount | None]:
    """What finds the mailbox that a policy names; while Prefect is down, as it was found last."""
    known: dict[str, ImapAccount] = {}

    def find(policy: Policy) -> ImapAccount | None:
        name = policy.answers.mailbox
        try:
            account = load_mailbox(policy)
        except PrefectDown:
            if name not in known:
                raise
            return known[name]
        if account is not None:
            known[name] = account
        return account

    return find


def wake(services: Services, runs: Mapping[str, str]) -> list[str]:
    """Wake these runs (by case); gives the cases whose runs can only be woken later. Raises PrefectDown."""
    with one_client():
        return wake_runs(services, runs).later


def inbox_ports(say: Callable[[str], None]) -> InboxPorts:
    """The ports of this process."""
    return InboxPorts(
        mailboxes(), ImapInbox, wake, lambda here, ref: is_over(here.ledger, runner_of, ref), say, show_the_pass
    )


def read_the_mailbox(given: Services) -> State[Any]:
    """One pass as a flow run shows it: a line a mail, the table, and how it ended."""
    services = today(given)
    if not services.policy.answers.mailbox:
        return nothing_to_do("The policy names no mailbox (answers.mailbox): no mail was read.")
    try:
        done = read_once(services, inbox_ports(lambda said: log().info("%s", hide(said))))
    except InboxError as error:
        return Failed(message=hide(f"{error.problem} {error.next_action}"))
    if done is None:
        return nothing_to_do(IS_BEING_READ)
    said = hide(done.in_words)
    if done.is_empty:
        return nothing_to_do(said)
    return Failed(message=said) if done.problems else Completed(message=said)


def show_the_pass(services: Services, done: InboxPass) -> None:
    """The table of the messages that a person has to look at, with what the pass did above it."""
    with services.store.reading() as uow:
        rows, counts = uow.messages.to_look_at(LONGEST_TABLE), uow.messages.counts()
    waiting = ", ".join(f"{number} {place}" for place, number in sorted(counts.items())) or "none"
    to_look_at = f"**To look at:** {waiting}. [All of them]({services.links.inbox_url})"
    above = f"**This pass.** {plain(hide(done.in_words))}\n\n{to_look_at}"
    keep_table(KEY, [_row(services, row) for row in rows], above)


def _row(services: Services, row: MessageRow) -> dict[str, str]:
    return {
        "Case": f"[{row.ref}]({services.links.case_url(row.ref)})" if row.ref else "none",
        "From": plain(row.sender or "not known"),
        "Place": str(row.place),
        "Why": plain(short(row.why)),
        "Since (UTC)": f"{row.at:%Y-%m-%d %H:%M}",
        "Look": f"[message {row.id}]({services.links.inbox_url})",
    }
