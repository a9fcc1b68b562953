"""`caseproof recording`: link one, say that there is none, take one out; and list what somebody may hear (E12)."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from caseproof.cli.common import AsJson, Member, out, print_json, safe, table_of
from caseproof.domain.decisions import require_member
from caseproof.domain.recordings.linking import Link
from caseproof.procedure.core.recordings import (
    Wanted,
    heard_by,
    link_recording,
    names_known,
    say_there_is_none,
    training_index,
    unlink_recording,
)
from caseproof.procedure.core.services import Services, bootstrap

recording_app = typer.Typer(no_args_is_help=True, help="Recordings of sessions: link them, and list them for training.")

Ref = Annotated[str, typer.Argument(help="The case, like SC-000001.")]


def _who(services: Services, by: str) -> str:
    return require_member(by, names_known(services.policy))


@recording_app.command("link")
def link(
    ref: Ref,
    by: Member,
    topic: Annotated[str, typer.Option(help="What one learns from it.")] = "",
    address: Annotated[str, typer.Option(help="Where the meeting or telephone system has it.")] = "",
    file: Annotated[str, typer.Option(help="Or the digest of an evidence file of the case.")] = "",
    agreed: Annotated[
        list[str] | None, typer.Option(help="'NAME: how they agreed'; once for each who is heard.")
    ] = None,
    listener: Annotated[list[str] | None, typer.Option(help="A tier, a name, or team; may be repeated.")] = None,
    until: Annotated[str, typer.Option(help="The last day on which it is kept, as YYYY-MM-DD.")] = "",
    made_by: Annotated[str, typer.Option(help="Which meeting, which call.")] = "",
) -> None:
    """Link a recording. Without topic, consent, listeners and an end it is refused, with all that is missing."""
    services = bootstrap()
    said = Link(topic, made_by, "\n".join(agreed or ()), listener or (), until, address, file)
    case = link_recording(services.ledger, services.policy, ref, said, by=_who(services, by))
    out.print(f"{case.ref}: the recording is linked until {safe(until)}.")


@recording_app.command("none")
def none(ref: Ref, by: Member, because: Annotated[str, typer.Option(help="Why none was made.")]) -> None:
    """Say that no recording of the emergency was made, and why."""
    services = bootstrap()
    case = say_there_is_none(services.ledger, ref, because, by=_who(services, by))
    out.print(f"{case.ref}: no recording is asked for any more.")


@recording_app.command("unlink")
def unlink(
    ref: Ref,
    number: Annotated[int, typer.Argument(help="Its number in the case.")],
    by: Member,
    why: Annotated[str, typer.Option(help="Why it is not to be heard any more.")],
) -> None:
    """Take a recording out of the index: somebody takes their consent back, or it was a mistake."""
    services = bootstrap()
    case = unlink_recording(services.ledger, ref, number, why, by=_who(services, by))
    out.print(f"{case.ref}: recording {number} is linked no more. Delete it where it was made.")


@recording_app.command("list")
def list_them(
    by: Member,
    words: Annotated[str, typer.Argument(help="Words, each of which stands in what is known of it.")] = "",
    product: Annotated[str, typer.Option(help="Of this product alone.")] = "",
    as_json: AsJson = False,
) -> None:
    """What --by may hear, the latest first."""
    services = bootstrap()
    found = heard_by(training_index(services.store, Wanted(words, product)), services.policy, _who(services, by))
    if as_json:
        print_json([asdict(one) for one in found])
        return
    table = table_of("Recordings", "Case", "Topic", "Product", "Kept until", "Where")
    for one in found:
        told = (one.ref, one.topic, one.product, one.kept_until.isoformat(), one.address or one.file)
        table.add_row(*map(safe, told))
    out.print(table if found else "There is none.")
