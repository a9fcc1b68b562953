"""`caseproof causes ...`: the causes that operators chose, by the shape of the message: listed, undone, and offered to
the policy."""

from __future__ import annotations

from typing import Annotated, Any

import typer
import yaml

from caseproof.checks.offering import fits, signature_for
from caseproof.cli.common import AsJson, Member, out, print_json, safe, table_of
from caseproof.domain.errors import BadInput
from caseproof.procedure.core.causes import undo_choice
from caseproof.procedure.core.services import bootstrap
from caseproof.procedure.core.texts import in_words, short
from caseproof.store import ChosenCause

causes_app = typer.Typer(help="The causes that operators chose for messages nobody knew.")

Number = Annotated[int, typer.Argument(help="The choice, by its number in `caseproof causes`.", show_default=False)]


@causes_app.callback(invoke_without_command=True)
def causes(
    context: typer.Context,
    everything: Annotated[bool, typer.Option("--all", help="Those that were undone, too.")] = False,
    as_json: AsJson = False,
) -> None:
    """What was chosen for which messages, by whom and when, and how many cases had it from there."""
    if context.invoked_subcommand is not None:
        return
    with bootstrap().store.reading() as uow:
        found = uow.causes.rows(in_force=not everything)
    if as_json:
        print_json([_as_json(one) for one in found])
        return
    table = table_of("Chosen causes", "Number", "Cause", "Chosen", "Cases", "The message, without what differs")
    for one in found:
        table.add_row(str(one.id), in_words(one.cause), safe(_chosen(one)), str(one.used), safe(short(one.words)))
    out.print(table)


@causes_app.command("undo")
def causes_undo(number: Number, by: Member, as_json: AsJson = False) -> None:
    """Remember a choice no more: the next message of its kind is asked about again. Cases keep what they have."""
    services = bootstrap()
    undone = undo_choice(services.ledger, services.policy.team, number, by=by)
    if as_json:
        print_json(_as_json(undone))
        return
    out.print(
        f"The choice {undone.id} ({in_words(undone.cause)}) holds no more: the next message of its kind is asked "
        "about. Cases keep what they have from it; `caseproof case correct REF --cause CAUSE --by NAME` corrects one.",
        soft_wrap=True,
    )


@causes_app.command("signature")
def causes_signature(
    number: Number,
    name: Annotated[str, typer.Option(help="What the signature is called; default: the message's beginning.")] = "",
) -> None:
    """A choice as a signature, to be put into check.signatures of policy.yaml: then nobody need remember it."""
    with bootstrap().store.reading() as uow:
        one = uow.causes.get(number)
    try:
        signature = signature_for(one.words, one.cause, name or short(f"chosen: {one.words}", 60))
    except ValueError as wrong:
        raise BadInput(
            f"No signature can be made of '{short(one.words, 80)}'.",
            f"Write one by hand for this message: {short(one.example, 200)}",
        ) from wrong
    told = signature.model_dump(mode="json", exclude_defaults=True)
    out.print(f"# {safe(_chosen(one))}, for: {safe(short(one.example, 120))}", highlight=False, soft_wrap=True)
    if not fits(signature, one.example):
        out.print("# It does not fit that message: look at `says` before you use it.", markup=False, soft_wrap=True)
    out.print(yaml.safe_dump([told], sort_keys=False, allow_unicode=True, width=1000), markup=False, highlight=False,
              soft_wrap=True, end="")  # fmt: skip


def _chosen(one: ChosenCause) -> str:
    undone = f"; undone by {one.undone_by} on {one.undone_at:%Y-%m-%d}" if one.undone_at else ""
    return f"chosen by {one.chosen_by} on {one.chosen_at:%Y-%m-%d} ({one.ref}){undone}"


def _as_json(one: ChosenCause) -> dict[str, Any]:
    names = ("id", "shape", "words", "example", "cause", "corrects", "chosen_by", "ref", "used", "undone_by")
    told = {name: getattr(one, name) for name in names}
    times = {name: at.isoformat() if (at := getattr(one, name)) else None for name in ("chosen_at", "undone_at")}
    return told | times
