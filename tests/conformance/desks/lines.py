"""The ticket desks under the suite: one line each, in ``LINES``. A new one is a harness and its line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest

from blocks.base import DeskBlock
from blocks.desks import EmbeddedDesk
from blocks.jira import JiraCloud
from blocks.rt import RequestTracker
from blocks.zoho import ZohoDesk
from caseproof.desks.abilities import DeskAbility
from caseproof.desks.base import Desk, DeskDown, TicketStatus
from caseproof.desks.embedded import EmbeddedDesk as EmbeddedClient
from caseproof.desks.jira import JiraCloud as JiraClient
from caseproof.desks.jira_wire import JiraAccount
from caseproof.desks.rt import RequestTracker as RtClient
from caseproof.desks.rt_wire import RtAccount
from caseproof.desks.zoho import ZohoDesk as ZohoClient
from caseproof.desks.zoho_wire import ZohoAccount
from caseproof.evidence.vault import Vault
from caseproof.store import Store
from sandbox import rt, zoho
from sandbox.jira import EMAIL, PROJECT, TOKEN, JiraSimulator
from sandbox.provider import Bad as Wrong
from sandbox.provider import running
from sandbox.rt import RtSimulator
from sandbox.zoho import ZohoSimulator
from tests.conformance.lines import NO_HTTP, Bad, Line, Losing
from tests.support.fakes import Clock, FaultyDesk
from tests.support.request_tracker import RT, People


class DeskLine(Line):
    """A ticket desk: ``desk`` is its client, ``ADDRESS`` the base URL that its errors name."""

    BLOCK: ClassVar[type[DeskBlock] | None]
    ADDRESS: ClassVar[str] = "https://desk.example.com/api"
    MISSING: ClassVar[str] = "99999999"
    """The id of a ticket that never was."""
    desk: Desk

    def anew(self) -> Desk:
        """Another client of the same desk, as another process makes one: it remembers nothing."""
        raise NotImplementedError

    def deleted(self) -> str:
        """The id of a ticket that was there, and that somebody deleted."""
        raise NotImplementedError

    def somebody_says(self, ticket_id: str, text: str) -> None:
        """A person comments on the ticket, on the desk itself."""
        raise NotImplementedError

    def somebody_raises(self, subject: str, body: str) -> None:
        """A person raises a ticket that is for us (in the queue of the block, say)."""
        raise NotImplementedError

    def refuses_to_close(self) -> None:
        """From now on the desk answers well to a closing and leaves the ticket open, or refuses it."""
        raise NotImplementedError

    def loses_the_answer(self) -> None:
        """The next change takes effect, and its answer is lost on the way."""
        raise NotImplementedError

    def html(self) -> Desk:
        """A client whose base URL leads to a login page."""
        raise NotImplementedError

    def dead(self) -> Desk:
        """A client of one that cannot be reached."""
        raise NotImplementedError

    def expired(self) -> Desk:
        """A client whose credentials ("hunter2" among them) are not valid any more."""
        raise NotImplementedError


class HttpDeskLine(DeskLine):
    """A desk that is asked over HTTP: its client over any transport is all that the bad servers need."""

    def over(self, transport: httpx.BaseTransport) -> Desk:
        """A client at ``ADDRESS``, with "hunter2" as its secret, that waits for nothing."""
        raise NotImplementedError

    def html(self) -> Desk:
        return self.over(httpx.MockTransport(Bad.html))

    def dead(self) -> Desk:
        return self.over(httpx.MockTransport(Bad.dead))

    def expired(self) -> Desk:
        return self.over(httpx.MockTransport(Bad.expired))


class EmbeddedLine(DeskLine):
    """The desk that comes with Caseproof, on a store and a vault of its own."""

    NAME = "the embedded desk"
    BLOCK = EmbeddedDesk
    ABILITIES = EmbeddedDesk.ABILITIES
    MISSING = "T-99999999"
    NEVER: ClassVar[Mapping[str, str]] = {
        "html_instead_of_json_is_refused_in_words_that_name_the_base_url": NO_HTTP,
        "one_that_cannot_be_reached_is_down_and_not_refused": "It is in the store, whose errors are its own.",
        "expired_credentials_are_refused_saying_so": "It asks for none.",
        "a_deleted_ticket_is_an_unknown_ticket": "Its tickets are never deleted.",
    }

    URL = "https://desk.example.com"

    def start(self, request: pytest.FixtureRequest) -> None:
        folder: Path = request.getfixturevalue("tmp_path")
        self.store = Store(f"sqlite:///{folder / 'desk.sqlite'}")
        self.store.migrate()
        self.vault = Vault(folder / "evidence")
        self.desk = self.faulty = FaultyDesk(self.store, self.vault, Clock(datetime.now(UTC)), self.URL)

    def end(self) -> None:
        self.store.close()

    def anew(self) -> Desk:
        return EmbeddedClient(self.store, self.vault, Clock(datetime.now(UTC)), self.URL)

    def somebody_says(self, ticket_id: str, text: str) -> None:
        self.desk.comment(ticket_id, f"by hand {text}", text)

    def refuses_to_close(self) -> None:
        self.faulty.faulty.fails("set_status", lie=True, times=99)

    def loses_the_answer(self) -> None:
        for call in ("create", "comment", "attach", "set_status"):
            self.faulty.faulty.fails(call, after=DeskDown("It broke off.", "Read back."))


class JiraLine(HttpDeskLine):
    """Jira Cloud, on a made-up site."""

    NAME = "Jira Cloud"
    BLOCK = JiraCloud
    ABILITIES = JiraCloud.ABILITIES

    def start(self, request: pytest.FixtureRequest) -> None:
        self.jira, self.url = self.enter(running(JiraSimulator()), request)
        self.jira.lag = 600  # nothing that a test makes is known to the search
        self.desk = self.anew()

    def end(self) -> None:
        self.desk.close()

    def anew(self) -> Desk:
        return JiraClient(JiraAccount("jira", self.url, EMAIL, TOKEN, PROJECT), sleep=lambda _: None)

    def over(self, transport: httpx.BaseTransport) -> Desk:
        account = JiraAccount("jira", self.ADDRESS, EMAIL, "hunter2", PROJECT)
        return JiraClient(account, transport=transport, sleep=lambda _: None)

    def deleted(self) -> str:
        made = self.desk.create("JF-000009", "Gone", "").id
        self.jira.delete(made)
        return made

    def somebody_says(self, ticket_id: str, text: str) -> None:
        self.jira.say(ticket_id, text)

    def refuses_to_close(self) -> None:
        self.jira.bad = [Wrong("nothing", "POST", None)]

    def loses_the_answer(self) -> None:
        self.jira.bad = [Wrong("drop", "POST /rest/api/3/issue", 1)]


class ZohoLine(HttpDeskLine):
    """Zoho Desk, on a made-up organisation with a queue."""

    NAME = "Zoho Desk"
    BLOCK = ZohoDesk
    ABILITIES = ZohoDesk.ABILITIES.lacking({})  # it has a queue

    def start(self, request: pytest.FixtureRequest) -> None:
        self.home: Path = request.getfixturevalue("tmp_path")
        self.zoho, self.url = self.enter(running(ZohoSimulator(lag=600)), request)  # its search knows nothing new
        self.desk = self.anew()

    def end(self) -> None:
        self.desk.close()

    def anew(self) -> Desk:
        return self._client(self.url, zoho.SECRET)

    def _client(self, url: str, secret: str, transport: httpx.BaseTransport | None = None) -> ZohoClient:
        account = ZohoAccount(
            "zoho", zoho.ORGANISATION, zoho.DEPARTMENT, zoho.CONTACT, zoho.CLIENT, secret, zoho.REFRESH,
            queue=zoho.QUEUE, api_url=f"{url}/api/v1" if transport is None else url, login_url=url,
        )  # fmt: skip
        clock = lambda: datetime.now(UTC)  # noqa: E731 - as a clock is handed in
        return ZohoClient(account, self.home, clock, transport=transport, sleep=lambda _: None)

    def over(self, transport: httpx.BaseTransport) -> Desk:
        return self._client(self.ADDRESS, "hunter2", transport)

    def deleted(self) -> str:
        made = self.desk.create("JF-000009", "Gone", "").id
        self.zoho.delete(made)
        return made

    def somebody_says(self, ticket_id: str, text: str) -> None:
        self.zoho.say(ticket_id, text)

    def somebody_raises(self, subject: str, body: str) -> None:
        self.zoho.raise_ticket(subject, body)

    def refuses_to_close(self) -> None:
        self.zoho.bad = [Wrong("nothing", "POST /api/v1/closeTickets", None)]

    def loses_the_answer(self) -> None:
        self.zoho.bad = [Wrong("drop", "POST /api/v1/tickets", 1)]


class RtLine(HttpDeskLine):
    """Request Tracker, made up."""

    NAME = "Request Tracker"
    BLOCK = RequestTracker
    ABILITIES = RequestTracker.ABILITIES.lacking({})  # it has a queue of raised tickets

    def start(self, request: pytest.FixtureRequest) -> None:
        self.rt, self.url = self.enter(running(RtSimulator()), request)
        self.desk = self.anew()

    def end(self) -> None:
        self.desk.close()

    def anew(self) -> Desk:
        return self.client(self.url, rt.PASSWORD)

    def over(self, transport: httpx.BaseTransport) -> Desk:
        return self.client(self.ADDRESS, "hunter2", transport)

    @staticmethod
    def client(url: str, secret: str, transport: httpx.BaseTransport | None = None, closed: str = "resolved") -> Desk:
        """A client of one, made up or real: both have the same account and queues."""
        account = RtAccount(
            "rt", url, rt.USER, rt.QUEUE, password=secret, closed_status=closed, raised=rt.RAISED
        )  # fmt: skip
        return RtClient(account, transport=transport, sleep=lambda _: None)

    def deleted(self) -> str:
        made = self.desk.create("JF-000009", "Gone", "").id
        self.rt.delete(made)
        return made

    def somebody_says(self, ticket_id: str, text: str) -> None:
        self.rt.say(ticket_id, text)

    def somebody_raises(self, subject: str, body: str) -> None:
        self.rt.raise_ticket(subject, body)

    def refuses_to_close(self) -> None:
        self.rt.lifecycle["resolved"] = True  # it answers well, and the status closes nothing

    def loses_the_answer(self) -> None:
        self.rt.bad = [Wrong("drop", "POST /REST/2.0/ticket", 1)]


class RealRtLine(RtLine):
    """A real Request Tracker 5, with its administrator as the people there: `make test-rt` starts one."""

    NAME = "real Request Tracker"

    def start(self, request: pytest.FixtureRequest) -> None:  # noqa: ARG002
        self.people, self.url, self.loses = People(RT), RT, Losing()
        self.desk = self.client(RT, rt.PASSWORD, self.loses)

    def end(self) -> None:
        super().end()
        self.people.delete_all()

    def deleted(self) -> str:
        made = self.desk.create("JF-000009", "Gone", "").id
        self.people.delete(made)
        return made

    def somebody_says(self, ticket_id: str, text: str) -> None:
        self.people.say(ticket_id, text)

    def somebody_raises(self, subject: str, body: str) -> None:
        self.people.raise_ticket(subject, body)

    def refuses_to_close(self) -> None:
        self.desk.close()
        self.desk = self.client(RT, rt.PASSWORD, closed="a status that no lifecycle has")  # answered with 200

    def loses_the_answer(self) -> None:
        self.loses.next = True


LINES: tuple[type[DeskLine], ...] = (EmbeddedLine, JiraLine, ZohoLine, RtLine, *((RealRtLine,) if RT else ()))

CALLS: Mapping[DeskAbility, Callable[[Desk, str], Any]] = {
    DeskAbility.CREATE: lambda desk, _: desk.create("JF-000001", "Feed fails", "It fails."),
    DeskAbility.FIND: lambda desk, _: desk.find("JF-000001"),
    DeskAbility.READ: lambda desk, ticket: desk.ticket(ticket),
    DeskAbility.COMMENT: lambda desk, ticket: desk.comment(ticket, "JF-000001/1", "Stopped."),
    DeskAbility.COMMENT_PUBLIC: lambda desk, ticket: desk.comment(ticket, "JF-000001/2", "Stopped.", public=True),
    DeskAbility.ATTACH: lambda desk, ticket: desk.attach(ticket, "run.txt", b"ran", "text/plain"),
    DeskAbility.CLOSE: lambda desk, ticket: desk.set_status(ticket, TicketStatus.CLOSED),
    DeskAbility.REOPEN: lambda desk, ticket: desk.set_status(ticket, TicketStatus.OPEN),
    DeskAbility.RAISED: lambda desk, _: desk.raised(datetime.now(UTC)),
    DeskAbility.SAID: lambda desk, ticket: desk.comments(ticket),
}
"""What is called of a desk that has an ability, with a ticket of it, where it is a call of its own."""
