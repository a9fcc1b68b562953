"""The contacts of retailers: who may confirm for one, and gets its notices. Found, added, corrected and taken off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse

from caseproof.channels.outbound.languages import LANGUAGES
from caseproof.config.mail_address import one_address, tidied
from caseproof.domain.errors import BadInput, CaseproofError
from caseproof.procedure.answers.answering import as_typed
from caseproof.procedure.core.contact_list import correct_contact, forget_bounce, nearly_the_same, put_contact
from caseproof.procedure.core.parts import Ledger
from caseproof.store import Contact
from caseproof.web.answer_guard import SentForm, one_of
from caseproof.web.answer_pages import PAGE_HEADERS
from caseproof.web.cases import status_of
from caseproof.web.doors import READ
from caseproof.web.login import LoginPages
from caseproof.web.who import acting_person

PURPOSE = "contacts"
SHOWN = 200
"""So many contacts stand on the page; a search finds the others."""
_FIELDS = ("retailer", "address", "name", "language", "role")
_DONE = {
    "added": "Registered.",
    "new": "Registered, as the first contact of a new retailer.",
    "corrected": "Corrected.",
    "forgotten": "That mail came back is forgotten: the address counts as one that works.",
    "removed": "Taken off the list. What it confirmed before stays.",
}
"""What was done, as the page says once."""


@dataclass(frozen=True)
class ContactPages:
    """Shows the contacts, and changes them."""

    ledger: Ledger
    forms: LoginPages

    def show(self, request: Request) -> Response:
        """The list, or those in which the words are found."""
        words = tidied(request.query_params.get("words", "")[:200])
        with self.ledger.store.reading() as uow:
            known = uow.people.every_contact()
            retailers = uow.people.retailers()
        found = [one for one in known if _fits(one, words.casefold())]
        done, count = self.forms.told(request, PURPOSE)
        what: dict[str, Any] = {
            "words": words, "found": found[:SHOWN], "left_out": max(len(found) - SHOWN, 0),
            "retailer": _the_retailer(words, found), "done": _DONE.get(done, ""), "go_on": count,
            "alike": nearly_the_same(words, retailers) if done == "new" else [],
        }  # fmt: skip
        return self.forms.said(request, PURPOSE, self.forms.show("contacts.html", request, **what))

    def one(
        self, request: Request, typed: Mapping[str, str], status: int = 200, *, new: bool,
        error: CaseproofError | None = None,
    ) -> Response:  # fmt: skip
        """The form of a contact that is there; or of a new one. ``error`` is why what was typed is refused."""
        with self.ledger.store.reading() as uow:
            known = None if new else uow.people.contact(typed["retailer"], typed["address"])
            retailers = uow.people.retailers()
        if known is None and not new and error is None:  # somebody took it off meanwhile
            return RedirectResponse(f"{self.forms.base}{_list_of(typed['retailer'])}", 303, PAGE_HEADERS)
        kept = {name: getattr(known, name) for name in _FIELDS} if known and error is None else {}
        what = {"known": known, "typed": {**typed, **kept}, "retailers": retailers, "languages": LANGUAGES}
        return self.forms.show("contact.html", request, status, error, **what)

    def do(self, what: str, typed: Mapping[str, str]) -> tuple[str, int]:
        """Do it: what was done, and how many cases waited for it and go on. Raises BadInput."""
        retailer, address, now = typed["retailer"], typed["address"], self.ledger.clock()
        with self.ledger.store.uow() as uow:
            waited = len(uow.owed.waits_for_contact(retailer)) if what in ("add", "forget") else 0
            match what:
                case "add":
                    own, address = one_address(address)
                    said = (typed["name"].strip() or own, typed["language"], typed["role"])
                    done = "new" if put_contact(uow.people, retailer, address, *said, at=now) else "added"
                case "correct":
                    correct_contact(uow.people, retailer, address, typed["name"], typed["language"], typed["role"])
                    done = "corrected"
                case "forget":
                    forget_bounce(uow, retailer, address)
                    done = "forgotten"
                case "remove":
                    uow.people.remove_contact(retailer, address)
                    done = "removed"
                case _:
                    raise BadInput("It is not clear what is to be done.", "Use one of the buttons.")
            uow.commit()
        return done, waited


def contact_routes(contacts: ContactPages) -> APIRouter:
    """The list; and one contact, with where its forms are sent."""
    router = APIRouter()

    @router.api_route("/contacts", methods=list(READ))
    def look(request: Request) -> Response:
        return contacts.show(request)

    @router.api_route("/contacts/one", methods=list(READ))
    def one(request: Request) -> Response:
        typed = {name: as_typed(request.query_params.get(name, ""))[:300] for name in _FIELDS}
        return contacts.one(request, typed, new=not typed["address"])

    @router.post("/contacts/one", dependencies=[Depends(acting_person)])
    def send(request: Request, fields: SentForm) -> Response:
        typed = {name: as_typed(one_of(fields, name))[:1000] for name in _FIELDS}
        do = one_of(fields, "do")
        try:
            contacts.forms.check(request, fields, PURPOSE)
            done, count = contacts.do(do, typed)
        except BadInput as error:
            status = status_of(error)
            return contacts.one(request, typed, status, new=do == "add", error=error)
        return contacts.forms.lead_back(_list_of(typed["retailer"]), PURPOSE, done, count)

    return router


def _list_of(retailer: str) -> str:
    return f"/contacts?{urlencode({'words': tidied(retailer)})}"


def _fits(one: Contact, words: str) -> bool:
    """Whether these words, in small letters, stand in what people know of a contact."""
    return any(words in text.casefold() for text in (one.retailer, one.address, one.name, one.role))


def _the_retailer(words: str, found: Sequence[Contact]) -> str:
    """The retailer whom a new contact is probably of: all that was found are theirs, or nobody is found."""
    names = {one.retailer for one in found}
    return names.pop() if len(names) == 1 else words if not found else ""
