"""Ticket desks as Prefect blocks: the one that comes with Caseproof, and the list of all kinds.

A desk's NAME is the name of its saved block. Each other kind has a file of its own beside this one.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from blocks.base import AddressOrNone, DeskBlock, docs, logo
from blocks.jira import JiraCloud
from blocks.rt import RequestTracker
from blocks.zoho import ZohoDesk
from caseproof.desks.abilities import DeskAbilities
from caseproof.desks.embedded import ABILITIES
from caseproof.desks.embedded import EmbeddedDesk as EmbeddedDeskClient
from caseproof.procedure.core.services import Services

__all__ = ["DESKS", "DeskBlock", "EmbeddedDesk", "JiraCloud", "RequestTracker", "ZohoDesk"]


class EmbeddedDesk(DeskBlock):
    """The ticket desk that comes with Caseproof. The block's name stands in the policy (`desk`).

    Its tickets are in Caseproof's own store, and its web app shows them.

    Example:
        Load a saved desk:
        ```python
        from blocks.desks import EmbeddedDesk

        desk = EmbeddedDesk.load("BLOCK_NAME")
        ```
    """

    _block_type_name = "Caseproof Embedded Desk"
    _block_type_slug = "caseproof-embedded-desk"
    _documentation_url = docs("desks")
    _logo_url = logo("desk")

    SYSTEM: ClassVar[str] = "The embedded desk"
    ABILITIES: ClassVar[DeskAbilities] = ABILITIES

    ticket_url: AddressOrNone = Field(
        default="",
        title="Ticket address",
        description="What links to tickets start with. Leave it empty for the web app's own pages.",
    )

    def client(self, services: Services) -> EmbeddedDeskClient:
        """A client of this desk, on the store and the vault of this installation."""
        base = self.ticket_url.rstrip("/") or services.settings.public
        return EmbeddedDeskClient(services.store, services.vault, services.clock, url_base=base)


DESKS: tuple[type[DeskBlock], ...] = (EmbeddedDesk, JiraCloud, RequestTracker, ZohoDesk)
"""Every kind of desk; a new one is added here."""
