"""`caseproof inbox`: read the retailers' mailbox, and look through what came."""

from __future__ import annotations

import threading
from dataclasses import asdict
from typing import Annotated

import typer

from caseproof.cli.common import AsJson, Member, no_traceback, on_the_team, out, print_json, safe, say_now, table_of
from caseproof.domain.errors import CaseproofError
from caseproof.procedure.answers.inbox import IS_BEING_READ
from caseproof.procedure.answers.inbox_watch import read_once, watch
from caseproof.procedure.answers.looking_through import take_off
from caseproof.procedure.core.services import Services, bell_of, bootstrap, today
from caseproof.store import locks
from caseproof.up.plan import inbox_lock

inbox_app = typer.Typer(help="Read the retailers' mailbox, and look through what came.")


@inbox_app.callback(invoke_without_command=True)
def inbox(
    context: typer.Context,
    stay: Annotated[bool, typer.Option("--watch", help="Stay, read mail as it comes, and wake cases at once.")] = False,
) -> None:
    """Read the retailers' mailbox once: each mail ends in one place, and cases with news are woken."""
    if context.invoked_subcommand is not None:
        return
    services = bootstrap()
    if stay:
        _watch(services)
    else:
        _once(today(services))


def _once(services: Services) -> None:
    from tasks.inbox import inbox_ports

    if not services.policy.answers.mailbox:
        out.print("The policy names no mailbox (answers.mailbox), so no mail is read. docs/inbox.md tells how.")
        return
    done = read_once(services, inbox_ports(lambda said: out.print(safe(said), soft_wrap=True, highlight=False)))
    if done is None:
        out.print(IS_BEING_READ)
        return
    if done.problems:
        raise CaseproofError(done.in_words, "The next pass tries these again; the others are taken in.")
    out.print(safe(done.in_words))


def _watch(services: Services) -> None:
    with no_traceback():
        from tasks.inbox import inbox_ports

    lock = inbox_lock(services.settings)
    if (other := locks.holder(lock)) is not None:
        say_now(f"Process {other} reads the mailbox already; this one waits until that ends.")
    locks.hold(lock)
    say_now("The mailbox is watched, and cases with news are woken.")
    over = threading.Event()  # never set: a signal ends the process
    watch(services, inbox_ports(say_now), bell_of(services.settings), over)


@inbox_app.command("list")
def inbox_list(
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 100,
    settled: Annotated[
        bool, typer.Option("--settled", help="Those that wait for nobody, the latest first: counted, automatic, done.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """The messages that a person has to look at, the oldest first."""
    services = bootstrap()
    with services.store.reading() as uow:
        rows = uow.messages.settled(limit) if settled else uow.messages.to_look_at(limit)
        waiting = sum(uow.messages.counts().values())
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    what = "that wait for nobody" if settled else "to look at"
    table = table_of(f"From retailers, {what}", "ID", "Since (UTC)", "Case", "From", "Subject", "Place", "Why")
    for row in rows:
        cells = (str(row.id), f"{row.at:%Y-%m-%d %H:%M}", row.about, row.sender, row.subject, row.place, row.why)
        table.add_row(*map(safe, cells))
    out.print(table)
    if settled:
        return
    if waiting > len(rows):
        out.print(f"{waiting - len(rows)} more are not shown; --limit shows them.")
    out.print(f"To read one: {safe(services.links.inbox_url)}. To take it off: `caseproof inbox done ID --by NAME`.")


@inbox_app.command("done")
def inbox_done(
    numbers: Annotated[list[int], typer.Argument(metavar="ID...", help="The messages' numbers.")],
    by: Member,
    remark: Annotated[str, typer.Option(help="What there is to say of it.")] = "",
) -> None:
    """Take messages off the list: somebody looked at them. They stay in the store."""
    services = bootstrap()
    member = on_the_team(services, by)
    waited = take_off(services.ledger, numbers, by=member, remark=remark)
    others = len(dict.fromkeys(numbers)) - waited
    out.print(f"{waited} taken off the list." + (f" {others} stood on it no more." if others else ""))
