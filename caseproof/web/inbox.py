"""What came from retailers: the list, one message, and what people do with it under their own name.

Looking changes nothing. A form is taken from a page that was made here for this browser, and leads back to the message,
so that a page that is loaded again does nothing twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from caseproof.domain.errors import BadInput, CaseproofError, NotAllowed
from caseproof.procedure.answers.answering import as_typed
from caseproof.procedure.answers.looking_through import put_to_case, say_it_is_the_word, take_off
from caseproof.procedure.answers.writing_back import mails_written, write_mail
from caseproof.procedure.core.logins import Person
from caseproof.procedure.core.parts import EvidenceFiles, Ledger, ReplyAddresses
from caseproof.store import ConcurrentChange
from caseproof.store.messages import MOST_REMARK
from caseproof.web.answer_guard import Fields, SentForm, as_number, one_of
from caseproof.web.answer_pages import PAGE_HEADERS
from caseproof.web.cases import status_of
from caseproof.web.doors import READ
from caseproof.web.files import NotHere
from caseproof.web.login import LoginPages
from caseproof.web.message import message_page
from caseproof.web.pages import Pages
from caseproof.web.views import inbox_page
from caseproof.web.who import ActingPerson, person_of

_PURPOSE = "inbox"
_FIELDS = ("ref", "remark", "to", "words")
Do = Callable[[int, Mapping[str, str], Person], object]


@dataclass(frozen=True)
class InboxPages:
    """Shows the inbox and its messages, and does what their forms say."""

    ledger: Ledger
    files: EvidenceFiles
    replies: ReplyAddresses
    pages: Pages
    forms: LoginPages

    def list(self, request: Request) -> Response:
        """What waits to be read."""
        page = inbox_page(self.ledger.store, self.files.vault)
        return self.pages.show("inbox.html", who=person_of(request), page=page)

    def show(
        self, request: Request, number: int, status: int = 200, *, typed: Mapping[str, str] | None = None,
        error: CaseproofError | None = None,
    ) -> Response:  # fmt: skip
        """One message, with its forms for who is logged in; ``typed`` is what was sent and refused."""
        page = message_page(self.ledger.store, self.files.vault, number)
        what = {
            "page": page, "row": page.row, "case": page.case, "typed": typed or dict.fromkeys(_FIELDS, ""),
            "seen": mails_written(page.case) if page.case else 0, "most_remark": MOST_REMARK,
        }  # fmt: skip
        if person_of(request) is None:
            return self.pages.show("message.html", status, PAGE_HEADERS, who=None, wrong=None, inbox_key="", **what)
        return self.forms.show("message.html", request, status, error, **what)

    def take(self, request: Request, number: int, fields: Fields, person: Person, do: Do) -> Response:
        """Do what a form says, and lead back to the message; or show it with what was wrong."""
        given = {name: as_typed(one_of(fields, name)) for name in (*_FIELDS, "events")}
        try:
            self.forms.check(request, fields, _PURPOSE)
            do(number, given, person)
        except (BadInput, NotAllowed, ConcurrentChange) as error:
            return self.show(request, number, status_of(error), typed=given, error=error)
        return RedirectResponse(f"{self.forms.base}/inbox/{number}", 303, PAGE_HEADERS)

    # -- what the forms say ---------------------------------------------------------------------------------------

    def put(self, number: int, given: Mapping[str, str], person: Person) -> None:
        """Put the message to a case."""
        if not given["ref"].strip():
            raise BadInput("To which case?", "Give its reference, like JF-000012.")
        put_to_case(self.ledger, number, given["ref"], by=person.name, remark=given["remark"], vault=self.files.vault)

    def word(self, number: int, given: Mapping[str, str], person: Person) -> None:
        """Record it as the retailer's word."""
        del given
        say_it_is_the_word(self.ledger, self.files, self.replies, number, by=person.name)

    def answer(self, number: int, given: Mapping[str, str], person: Person) -> None:
        """Write to the retailer."""
        seen = as_number(given["events"])
        write_mail(self.ledger, number, to=given["to"], words=given["words"], by=person.name, seen=seen)

    def done(self, number: int, given: Mapping[str, str], person: Person) -> None:
        """Take it off the list."""
        take_off(self.ledger, [number], by=person.name, remark=given["remark"])


def inbox_routes(inbox: InboxPages) -> APIRouter:
    """The list, a message, and the ways to do something with it."""
    router = APIRouter()

    @router.api_route("/inbox", methods=list(READ))
    def look(request: Request) -> Response:
        return inbox.list(request)

    @router.api_route("/inbox/{number}", methods=list(READ))
    def message(number: str, request: Request) -> Response:
        return inbox.show(request, _number(number))

    def form(name: str, do: Do) -> None:
        @router.post(f"/inbox/{{number}}/{name}")
        def send(
            number: str,
            request: Request,
            fields: SentForm,
            person: ActingPerson,
        ) -> Response:
            return inbox.take(request, _number(number), fields, person, do)

    form("case", inbox.put)
    form("word", inbox.word)
    form("answer", inbox.answer)
    form("done", inbox.done)
    return router


def _number(text: str) -> int:
    if (number := as_number(text)) >= 0:
        return number
    raise NotHere(f"There is no message {text[:20]!r}.", "Open it from the inbox.")
