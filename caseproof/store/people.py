"""Retailers and the addresses that may speak for them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, delete, insert, select, update

from caseproof.domain.errors import BadInput
from caseproof.store.rows import insert_once
from caseproof.store.tables import contacts, retailers

# Enough to catch a slip and to keep a header clean; whether it can be reached, only a mail tells.
_ADDRESS = re.compile(r'[^\s@<>(),;:"\\\x00-\x1f\x7f]{1,64}@[^\s@<>(),;:"\\\x00-\x1f\x7f]{1,189}')


@dataclass(frozen=True, slots=True)
class Contact:
    """A mail address of a retailer, and whose it is (may be empty)."""

    retailer: str
    address: str
    name: str


class People:
    """Every query about retailers and their contacts. Nothing here commits."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add_retailer(self, name: str) -> None:
        """Add a retailer; one that is there already stays as it is. Raises BadInput for an empty name."""
        if not name.strip():
            raise BadInput("The retailer has no name.", "Give the retailer's name.")
        if self._retailer(name) is None:
            insert_once(self._connection, insert(retailers).values(name=name.strip()))

    def retailers(self) -> list[str]:
        """The names of all retailers, sorted."""
        return sorted(self._connection.scalars(select(retailers.c.name)))  # by us: databases sort by their own rules

    def add_contact(self, retailer: str, address: str, name: str = "") -> None:
        """Add an address that may speak for a retailer, and the retailer. Once more only changes its name.

        Raises BadInput for what cannot be a mail address.
        """
        address = address.strip()
        if not _ADDRESS.fullmatch(address):
            raise BadInput(f"{address!r} is not a mail address.", "Give it as name@example.com, nothing around it.")
        self.add_retailer(retailer)
        row = {"retailer_id": self._retailer(retailer), "address": address, "folded": address.casefold()}
        if insert_once(self._connection, insert(contacts).values(**row, name=name.strip())) is None and name.strip():
            here = self._here(retailer, address)
            self._connection.execute(update(contacts).where(here).values(name=name.strip()))

    def contacts(self, retailer: str) -> list[Contact]:
        """The contacts of a retailer, in the order in which they were added; none for an unknown retailer."""
        query = (
            select(retailers.c.name.label("retailer"), contacts.c.address, contacts.c.name)
            .join_from(contacts, retailers)
            .where(retailers.c.name == retailer.strip())
            .order_by(contacts.c.id)
        )
        return [Contact(row.retailer, row.address, row.name) for row in self._connection.execute(query)]

    def is_contact(self, retailer: str, address: str) -> bool:
        """Whether this address may speak for this retailer; capitals do not matter."""
        query = select(contacts.c.id).where(self._here(retailer, address))
        return self._connection.scalar(query) is not None

    def remove_contact(self, retailer: str, address: str) -> None:
        """Take an address off a retailer. Raises BadInput if it is not there."""
        if not self._connection.execute(delete(contacts).where(self._here(retailer, address))).rowcount:
            raise BadInput(
                f"{address.strip()!r} is no contact of {retailer.strip()!r}.",
                "See the retailer's contacts; check both spellings.",
            )

    def _retailer(self, name: str) -> int | None:
        return self._connection.scalar(select(retailers.c.id).where(retailers.c.name == name.strip()))

    def _here(self, retailer: str, address: str) -> ColumnElement[bool]:
        its = select(retailers.c.id).where(retailers.c.name == retailer.strip()).scalar_subquery()
        return (contacts.c.retailer_id == its) & (contacts.c.folded == address.strip().casefold())
