"""`caseproof contact ...`: who may confirm for a retailer, and gets its notices."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from caseproof.cli.common import AsJson, err, out, print_json, safe, table_of
from caseproof.config.contacts_file import NOT_UTF_8, ContactLine, read_contacts
from caseproof.config.mail_address import one_address
from caseproof.domain.errors import BadInput
from caseproof.procedure.core.contact_list import AS_IT_IS, put_contact, put_contacts
from caseproof.procedure.core.services import bootstrap
from caseproof.store import Contact

contact_app = typer.Typer(no_args_is_help=True, help="Who may confirm for a retailer, and gets its notices.")


@contact_app.command("add")
def contact_add(
    retailer: Annotated[str, typer.Option(help="The retailer, as the job's tag names it.")],
    address: Annotated[str, typer.Option(help="The mail address.")],
    name: Annotated[str, typer.Option(help="Whom to greet.")] = "",
    language: Annotated[str, typer.Option(help="The language of their mail, like de; without it, the policy's.")] = "",
    role: Annotated[str, typer.Option(help="What they do there, for your team.")] = "",
) -> None:
    """Register a contact: it gets the retailer's notices, and its written word counts. Again, it forgets a bounce."""
    own, address = one_address(address)
    services = bootstrap()
    with services.store.uow() as uow:
        waited = uow.owed.waits_for_contact(retailer)
        nearly = put_contact(uow.people, retailer, address, name or own, language, role, at=services.clock())
        uow.commit()
    out.print(f"{safe(address)} is a contact of {safe(retailer)}.")
    if nearly:
        err.print(
            f"{safe(retailer)} is a retailer of its own now. Did you mean {safe(' or '.join(nearly))}? Then add it "
            "there, and take it off here with `caseproof contact remove`.",
            soft_wrap=True,
        )
    _go_on(waited)


def _go_on(waited: list[str]) -> None:
    if waited:
        named = f"{', '.join(waited[:10])}{f' and {len(waited) - 10} more' if len(waited) > 10 else ''}"
        out.print(f"Waited for a contact, and go on with the keeper's next pass: {named}.", soft_wrap=True)


@contact_app.command("remove")
def contact_remove(
    retailer: Annotated[str, typer.Option(help="The retailer.")],
    address: Annotated[str, typer.Option(help="The mail address.")],
) -> None:
    """Take a contact off the list; what it confirmed before stays."""
    with suppress(BadInput):  # one that an older version took can still be taken off
        _, address = one_address(address)
    services = bootstrap()
    with services.store.uow() as uow:
        uow.people.remove_contact(retailer, address)
        uow.commit()
    out.print(f"{safe(address)} is no contact of {safe(retailer)} any more.")


@contact_app.command("list")
def contact_list(as_json: AsJson = False) -> None:
    """All registered contacts."""
    services = bootstrap()
    with services.store.reading() as uow:
        contacts = uow.people.every_contact()
    if as_json:
        print_json([_as_json(contact) for contact in contacts])
        return
    table = table_of("Contacts", "Retailer", "Address", "Name", "Language", "Role", "Mail came back")
    for contact in contacts:
        table.add_row(*(safe(text) for text in (*_said(contact), _bounced(contact))))
    out.print(table)


def _said(one: Contact | ContactLine) -> tuple[str, ...]:
    return one.retailer, one.address, one.name, one.language, one.role


def _bounced(contact: Contact) -> str:
    at = contact.bounced_at
    return f"{at:%Y-%m-%d %H:%M} UTC: {contact.bounce}" if at else ""


def _as_json(contact: Contact) -> dict[str, str | None]:
    at = contact.bounced_at
    told = {name: value for name, value in asdict(contact).items() if name != "created_at"}
    return told | {"bounced_at": at.isoformat() if at else None}


@contact_app.command("import")
def contact_import(
    file: Annotated[Path, typer.Argument(help="A CSV file: retailer, address; and name, language, role, if you like.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check and compare, and change nothing.")] = False,
) -> None:
    """Register the contacts of a file: all of them, or none where a line is wrong. Nobody is taken off."""
    lines = read_contacts(file)
    services = bootstrap()
    with services.store.uow() as uow:
        waited = sorted({ref for line in lines for ref in uow.owed.waits_for_contact(line.retailer)})
        states = put_contacts(uow.people, lines, str(file), services.clock())
        if not dry_run:
            uow.commit()
    table = table_of(f"Contacts from {file.name}", "Retailer", "Address", "Name", "Language", "Role", "")
    for line, state in zip(lines, states, strict=True):
        if state != AS_IT_IS:
            table.add_row(*(safe(text) for text in _said(line)), state)
    if table.row_count:
        out.print(table)
    counted = ", ".join(f"{count} {state}" for state, count in sorted(Counter(states).items())) or "no contacts"
    out.print(f"{counted}{'; nothing was changed' if dry_run else ''}.")
    if not dry_run:
        _go_on(waited)
    if any(line.guessed for line in lines):
        out.print(f"{safe(file.name)} {NOT_UTF_8}")
