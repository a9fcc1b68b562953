"""What a team decides about support cases: who is in which tier, how long a tier may have a case, and the documents.

Whoever has a telephone stands on the call list (``on_call.people``) and is of the tier named there; ``ladder.people``
adds the others.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from caseproof.config.mail_address import usable_address
from caseproof.config.on_call import Name, OnCallPolicy, refuse_twice
from caseproof.config.policy_check import Strict
from caseproof.domain.errors import BadInput
from caseproof.domain.people import folded, same_person
from caseproof.domain.substance import is_address, stands_in

TierName = Literal["L1", "L2", "PT", "DEV", "IMPLEMENTATION"]


def _address(given: object) -> object:
    try:
        return usable_address(given) if isinstance(given, str) and given.strip() else given
    except BadInput as error:
        raise ValueError(error.problem) from None


Mail = Annotated[str, BeforeValidator(_address)]


class LadderPerson(Strict):
    """Somebody of one tier or several; who is called in an emergency stands on the call list."""

    name: Name
    tiers: tuple[TierName, ...] = Field(min_length=1)
    mail: Mail = Field("", description="Where they are reminded; empty: where the call list says, else mail.team.")


class DocumentEntry(Strict):
    """A page of documentation that L2 works with."""

    name: Name
    address: str

    @field_validator("address")
    @classmethod
    def _can_be_opened(cls, address: str) -> str:
        if not is_address(address):
            raise ValueError("is no address of a page; it begins with https://")
        return address


class TierLimit(Strict):
    """How long a tier may have a case before it is reminded, and before the case goes on or the lead is told."""

    nudge_hours: float = Field(gt=0, le=10_000)
    hand_on_hours: float | None = Field(None, gt=0, le=10_000)

    @model_validator(mode="after")
    def _reminds_first(self) -> TierLimit:
        if self.hand_on_hours is not None and self.hand_on_hours <= self.nudge_hours:
            raise ValueError(
                f"the case would go on ({self.hand_on_hours:g} hours) before anybody is reminded "
                f"({self.nudge_hours:g} hours)"
            )
        return self


_LIMITS: dict[TierName, TierLimit] = {
    "L1": TierLimit(nudge_hours=1, hand_on_hours=4),
    "L2": TierLimit(nudge_hours=4, hand_on_hours=16),
    "PT": TierLimit(nudge_hours=8, hand_on_hours=24),
    "DEV": TierLimit(nudge_hours=72),
    "IMPLEMENTATION": TierLimit(nudge_hours=24, hand_on_hours=72),
}
_WOOCOMMERCE = {
    "Self-service guide": "https://woocommerce.com/document/woocommerce-self-service-guide/",
    "System status report": "https://woocommerce.com/document/understanding-the-woocommerce-system-status-report/",
    "Webhooks": "https://woocommerce.com/document/webhooks/",
    "REST API": "https://woocommerce.github.io/woocommerce-rest-api-docs/",
}
_DOCUMENTS = {"WooCommerce": tuple(DocumentEntry(name=name, address=page) for name, page in _WOOCOMMERCE.items())}
"""As in policy-default.yaml, for a policy that says nothing of it."""


class LadderPolicy(Strict):
    """Support cases: the address that opens them, the tiers' people and limits, and the documents of the products."""

    address: Mail = Field("", description="The support address: mail to it opens a support case; empty: none does.")
    people: tuple[LadderPerson, ...] = Field(
        (), description="Who is in a tier without a telephone; who has one stands in on_call.people."
    )
    leads: dict[TierName, str] = Field(
        default_factory=dict, description="Who leads a tier, and is told where a case stands still; else mail.team is."
    )
    limits: dict[TierName, TierLimit] = Field(
        default_factory=lambda: dict(_LIMITS),
        description="By tier: nudge_hours, then hand_on_hours: the case goes on where no gate is closed, else its "
        "lead is told.",
    )
    documents: dict[Name, tuple[DocumentEntry, ...]] = Field(
        default_factory=lambda: dict(_DOCUMENTS),
        description="By product: the name and the address of each document that L2 works with.",
    )

    @model_validator(mode="after")
    def _fit_together(self) -> LadderPolicy:
        refuse_twice("people", [one.name for one in self.people])
        refuse_twice("documents", list(self.documents))
        for product, pages in self.documents.items():
            refuse_twice(f"documents.{product}", [page.address for page in pages])
        return self

    def documents_of(self, product: str) -> tuple[DocumentEntry, ...]:
        """Those of the product: by its name, whatever its capitals; else of the one whose name stands in it."""
        for name, pages in self.documents.items():
            if same_person(name, product):
                return pages
        held = sorted((name for name in self.documents if stands_in(name, product)), key=len)
        return self.documents[held[-1]] if held else ()

    def refuse_strangers(self, on_call: OnCallPolicy) -> None:
        """Raise ValueError for a lead who is in no list, or for whom no list has a mail address."""
        for tier, name in self.leads.items():
            names = [*(one.name for one in self.people), *(one.name for one in on_call.people)]
            if not any(same_person(name, one) for one in names):
                raise ValueError(f"ladder.leads.{tier}: {name} is neither in ladder.people nor in on_call.people")
            if not self.mail_of(name, on_call):
                raise ValueError(f"ladder.leads.{tier}: {name} has no mail address; give it in their entry")

    def mail_of(self, name: str, on_call: OnCallPolicy) -> str:
        """Where somebody is written to, as either list says; "" where none does."""
        known = [*((one.name, one.mail) for one in self.people), *((one.name, one.mail) for one in on_call.people)]
        return next((mail for one, mail in known if mail and same_person(name, one)), "")

    def lead_mail(self, tier: str, on_call: OnCallPolicy) -> str:
        """Where the lead of a tier (as the policy writes it) is written to; "" where it has none."""
        lead = next((name for one, name in self.leads.items() if one == tier), "")
        return self.mail_of(lead, on_call) if lead else ""

    def in_tier(self, tier: str, on_call: OnCallPolicy) -> tuple[str, ...]:
        """The names of the tier (as the policy writes it): those of the call list, then the others."""
        names = [one.name for one in on_call.people if one.tier == tier]
        names += [
            one.name
            for one in self.people
            if tier in one.tiers and folded(one.name) not in {folded(name) for name in names}
        ]
        return tuple(names)
