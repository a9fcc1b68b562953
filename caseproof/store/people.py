"""Retailers and the addresses that may speak for them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NoReturn

from sqlalchemy import Connection, Select, delete, insert, select, update

from caseproof.config.mail_address import comparable, tidied, unkeepable, usable_address
from caseproof.domain.errors import BadInput
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.job_failure.procedure import JOB_FAILURE
from caseproof.domain.spelling import what_is_alike
from caseproof.store.errors import readable
from caseproof.store.owed import OwedList
from caseproof.store.rows import insert_once, readable_text
from caseproof.store.tables import cases, contacts, events, retailers

_LANGUAGE = re.compile(r"[a-z]{2,3}(-[a-z0-9]{2,8}){0,3}", re.ASCII)  # as BCP 47 writes it, but in small letters
_ROLE = 100
_WHY = 1000


@dataclass(frozen=True, slots=True)
class Contact:
    """A mail address of a retailer, and whose it is (may be empty).

    ``language`` is like "de" or "de-at", empty for the policy's; ``role`` says what they do there. ``bounced_at`` is
    when mail last came back, ``bounce`` why. ``created_at`` is when they were registered, None where nobody wrote it
    down then.
    """

    retailer: str
    address: str
    name: str
    language: str = ""
    role: str = ""
    bounced_at: datetime | None = None
    bounce: str = ""
    created_at: datetime | None = field(default=None, compare=False)


_CONTACTS = (
    select(
        retailers.c.name.label("retailer"),
        *(contacts.c[name] for name in Contact.__dataclass_fields__ if name != "retailer"),
    )
    .join_from(contacts, retailers)
    .order_by(contacts.c.retailer_id, contacts.c.id)
)
_BOUNCED = _CONTACTS.where(contacts.c.bounced_at.is_not(None))


class People:
    """Every query about retailers and their contacts. Nothing here commits."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add_retailer(self, name: str) -> None:
        """Add a retailer; one that is there already stays as it is. Raises BadInput for an empty name."""
        tidy = _printable(name, "retailer")
        if not tidy:
            raise BadInput("The retailer has no name.", "Give the retailer's name.")
        if self._retailer(name) is None:
            insert_once(self._connection, insert(retailers).values(name=tidy))

    def retailers(self) -> list[str]:
        """The names of all retailers, sorted."""
        return sorted(self._connection.scalars(select(retailers.c.name)))  # by us: databases sort by their own rules

    def add_contact(
        self,
        retailer: str,
        address: str,
        name: str = "",
        language: str = "",
        role: str = "",
        *,
        at: datetime | None = None,
    ) -> None:
        """Add an address that may speak for a retailer, and the retailer. Once more changes what is not empty.

        Then it gets mail again, too, if mail to it came back before, and what waited for a contact of this retailer is
        tried at once. ``at``: when it is registered; the first time stays. Raises BadInput for what cannot be a mail
        address or a language.
        """
        address = usable_address(address)
        said = kept_of(name, language, role)
        self.add_retailer(retailer)
        OwedList(self._connection).contact_came(retailer)
        if self._known(retailer, address) is None:
            row = {"retailer_id": self._retailer(retailer), "address": address, "folded": comparable(address)}
            if insert_once(self._connection, insert(contacts).values(**row, **said, created_at=at)) is not None:
                return
        if not self._change(retailer, address, {name: value for name, value in said.items() if value}):
            raise BadInput(
                f"An older version took a contact of {retailer.strip()!r} that looks like {address!r}.",
                "See `caseproof contact list`, and remove that one first.",
            )
        self.clear_bounce(retailer, address)

    def correct_contact(self, retailer: str, address: str, name: str, language: str, role: str) -> None:
        """What is kept of a contact is this from now on, also where it is empty. Raises BadInput for none, too."""
        if not self._change(retailer, address, kept_of(name, language, role)):
            self.refuse_unknown(retailer, address)

    def mark_bounced(self, retailer: str, address: str, why: str, at: datetime) -> bool:
        """Note that mail to this contact came back; False if it is no contact of the retailer."""
        return self._change(retailer, address, {"bounced_at": at, "bounce": readable_text(why, _WHY)})

    def clear_bounce(self, retailer: str, address: str) -> None:
        """Forget that mail to this contact came back; harmless if it is none, or none did."""
        self._change(retailer, address, {"bounced_at": None, "bounce": ""})

    def contacts(self, retailer: str) -> list[Contact]:
        """The contacts of a retailer, in the order in which they were added; none for an unknown retailer."""
        return self._contacts(_CONTACTS.where(contacts.c.retailer_id == self._retailer(retailer)))

    def every_contact(self) -> list[Contact]:
        """The contacts of all retailers, by the retailer's name; those of one in the order in which they were added."""
        return sorted(self._contacts(_CONTACTS), key=lambda one: one.retailer)  # by us, as the retailers' names

    def contact(self, retailer: str, address: str) -> Contact | None:
        """The contact with this address, however it is spelt; None where it is none."""
        known = self._known(retailer, address)
        return next(iter(self._contacts(_CONTACTS.where(contacts.c.id == known))), None) if known is not None else None

    def with_contacts(self) -> set[str]:
        """The names, tidied, of the retailers who have a contact."""
        query = select(retailers.c.name).where(retailers.c.id.in_(select(contacts.c.retailer_id)))
        return {tidied(name) for name in self._connection.scalars(query)}

    def bounced(self) -> list[Contact]:
        """Every contact to whom mail came back, by retailer, in the order in which they were added."""
        return self._contacts(_BOUNCED)

    def is_contact(self, retailer: str, address: str) -> bool:
        """Whether this address may speak for this retailer: ``comparable`` says which spellings are the same."""
        return self._known(retailer, address) is not None

    def retailers_of(self, address: str) -> list[str]:
        """The retailers of whom this address is a contact, sorted."""
        key = comparable(address.strip())
        query = select(retailers.c.name, contacts.c.address).join_from(contacts, retailers)
        if key.isascii() and "xn--" not in key:  # as in ``_known``
            query = query.where(contacts.c.folded == key)
        return sorted({name for name, known in self._connection.execute(query) if comparable(known) == key})

    def known_since(self, retailer: str, address: str) -> datetime | None:
        """When this contact was registered; None if that is not known, or it is none."""
        known = self._known(retailer, address)
        since: datetime | None = self._connection.scalar(select(contacts.c.created_at).where(contacts.c.id == known))
        return since

    def told_of(self, retailer: str, letters: Iterable[Kind], since: datetime, most: int) -> list[tuple[str, datetime]]:
        """The retailer's cases about which a letter of these kinds left, with when each was opened last, newest first.

        Those that are open, or were closed at ``since`` or later; at most so many.
        """
        kinds = [str(kind) for kind in letters]
        told = select(events.c.seq).where(events.c.case_id == cases.c.id, events.c.kind.in_(kinds)).exists()
        theirs = (cases.c.retailer == retailer, cases.c.procedure == JOB_FAILURE.prefix)
        lives = cases.c.closed.is_(False) | (cases.c.closed_at >= since)
        query = select(cases.c.ref, cases.c.last_opened_at).where(*theirs, lives, told)
        query = query.order_by(cases.c.last_opened_at.desc(), cases.c.id.desc()).limit(most)
        with readable("A row of the cases"):
            return [(ref, at) for ref, at in self._connection.execute(query)]

    def remove_contact(self, retailer: str, address: str) -> None:
        """Take an address off a retailer. Raises BadInput if it is not there."""
        known = self._known(retailer, address)
        if not self._connection.execute(delete(contacts).where(contacts.c.id == known)).rowcount:
            self.refuse_unknown(retailer, address)

    def refuse_unknown(self, retailer: str, address: str) -> NoReturn:
        """Raise BadInput for what is no contact of the retailer: with what is spelt alike."""
        raise BadInput(
            f"{address.strip()!r} is no contact of {retailer.strip()!r}. {self._alike(retailer, address)}",
            "See the retailer's contacts; check both spellings.",
        )

    def _alike(self, retailer: str, address: str) -> str:
        """Which retailers are called alike, where there is no such one; else which of its contacts are."""
        if self._retailer(retailer) is None:
            return f"No retailer is called so. {what_is_alike(retailer, self.retailers())}"
        return f"Its contacts: {what_is_alike(address, (one.address for one in self.contacts(retailer)))}"

    def _contacts(self, query: Select[Any]) -> list[Contact]:
        return [Contact(**row._mapping) for row in self._connection.execute(query)]

    def _change(self, retailer: str, address: str, values: Mapping[str, Any]) -> bool:
        if not values:
            return self.is_contact(retailer, address)
        known = self._known(retailer, address)
        changed = self._connection.execute(update(contacts).where(contacts.c.id == known).values(**values))
        return changed.rowcount > 0

    def _retailer(self, name: str) -> int | None:
        """The retailer of this name, as it stands there or else tidied: a job's tag may hold what nobody sees."""
        for one in dict.fromkeys((name.strip(), tidied(name))):
            found: int | None = self._connection.scalar(select(retailers.c.id).where(retailers.c.name == one))
            if found is not None:
                return found
        return None

    def _known(self, retailer: str, address: str) -> int | None:
        """The number of the contact with this address, however it is spelt."""
        key = comparable(address.strip())
        its = select(contacts.c.id, contacts.c.address).where(contacts.c.retailer_id == self._retailer(retailer))
        if key.isascii() and "xn--" not in key:  # older versions folded the rest in another way
            its = its.where(contacts.c.folded == key)
        return next((one for one, known in self._connection.execute(its) if comparable(known) == key), None)


def kept_of(name: str, language: str, role: str) -> dict[str, str]:
    """What is kept of these, by the names of a contact's fields. Raises BadInput for what cannot be."""
    return {"name": _printable(name, "name"), "language": _language(language), "role": _role(role)}


def _language(language: str) -> str:
    code = tidied(language).lower()
    if code and not _LANGUAGE.fullmatch(code):
        raise BadInput(f"{language!r} is not a language.", "Give its code, like de or de-at.")
    return code


def _role(role: str) -> str:
    tidy = _printable(role, "role")
    if len(tidy) > _ROLE:
        raise BadInput(f"The role {tidy[:_ROLE]!r} cannot be kept.", f"Give a few words, up to {_ROLE} characters.")
    return tidy


def _printable(text: str, what: str) -> str:
    tidy = tidied(text)
    if broken := unkeepable(tidy):
        raise BadInput(f"The {what} {tidy[:_ROLE]!r} cannot be kept: it holds {broken!r}.", "Write it anew.")
    return tidy
