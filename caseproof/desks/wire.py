"""What the accounts on desks, and what desks answer, have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from caseproof.domain.errors import BadInput
from caseproof.http.client import is_usable, shown


class Account:
    """Who we are on a desk; a dataclass is made of it, whose ``name`` is what people call the desk."""

    __slots__ = ()
    name: str

    def require(self, *fields: str, page: str) -> None:
        """Raises BadInput for the first of these fields that is empty; ``page`` says what it is."""
        for one in fields:
            if not str(getattr(self, one)).strip():
                raise self.wrong(f"has no {one.replace('_', ' ')}", f"Fill it in ({page} says what it is).")

    def require_address(self, address: str, action: str) -> None:
        """Raises BadInput with this next action for an address that is none."""
        if not is_usable(address):
            raise self.wrong(f"has an address that is none ({shown(address)})", action)

    def wrong(self, what: str, action: str) -> BadInput:
        """The error for what is wrong with it."""
        return BadInput(f"The desk '{self.name}' {what}.", action)


class Shape(BaseModel):
    """What a desk answers, as far as it is read: an id may come as a number or as a text, and more may come with it."""

    model_config = ConfigDict(coerce_numbers_to_str=True, extra="ignore")


class Numbered(Shape):
    """What has an id of its own in a list."""

    id: str
