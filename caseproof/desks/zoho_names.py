"""What a block calls by its name and Zoho Desk by an id: departments, the contact, and statuses by their type."""

from __future__ import annotations

from caseproof.desks.base import DeskError
from caseproof.desks.zoho_api import ZohoApi
from caseproof.desks.zoho_wire import FIELDS, NAMED, ZohoAccount, is_id


class Names:
    """Looks each up once."""

    def __init__(self, api: ZohoApi, account: ZohoAccount) -> None:
        self._api, self._account = api, account
        self._departments: dict[str, str] = {}
        self._contact = account.contact if is_id(account.contact) else ""

    def department(self) -> str:
        """The id of the department that our tickets are in. Raises DeskError where there is not exactly one."""
        return self._department_called(self._account.department)

    def queue(self) -> str:
        """The id of the department whose tickets become cases. Raises DeskError where there is not exactly one."""
        return self._department_called(self._account.queue)

    def _department_called(self, name: str) -> str:
        if is_id(name):
            return name
        if name not in self._departments:
            rows, _ = self._api.page("departments", NAMED, {"limit": "200", "isEnabled": "true"})
            same = [one for one in rows if (one.name or "").strip().casefold() == name.strip().casefold()]
            if len(same) != 1:
                names = ", ".join(sorted(one.name or "" for one in rows)[:20])
                raise DeskError(
                    f"{self._api.name} has {'more than one' if same else 'no'} department '{name}'.",
                    f"Name another one in the block, or its id; there are: {names}.",
                )
            self._departments[name] = same[0].id
        return self._departments[name]

    def contact(self) -> str:
        """The id of the contact that our tickets are for. Raises DeskError where nobody has this address."""
        if not self._contact:
            wanted = self._account.contact.strip()
            rows, _ = self._api.page("contacts/search", NAMED, {"email": wanted, "limit": "10"})
            same = [one for one in rows if (one.email or "").strip().casefold() == wanted.casefold()]
            if not same:
                raise DeskError(
                    f"{self._api.name} has no contact with the address {wanted}.",
                    "Make one there for Caseproof's tickets, or name another one in the block.",
                )
            self._contact = min(same, key=lambda one: int(one.id)).id
        return self._contact

    def statuses(self, *, closed: bool) -> list[str]:
        """The names of the statuses of this type, in their order. Raises DeskError."""
        fields, _ = self._api.page("organizationFields", FIELDS, {"module": "tickets"})
        kind = "closed" if closed else "open"
        names: list[str] = []
        for field in fields:
            if field.api_name != "status":
                continue
            for value in field.values or ():
                if isinstance(value, dict) and str(value.get("statusType", "")).lower() == kind:
                    names.append(str(value.get("value", "")))
            for type_, listed in (field.mapping or {}).items():
                if type_.lower() == kind and isinstance(listed, list):
                    names += [str(one) for one in listed]
        return [name for name in dict.fromkeys(names) if name]
