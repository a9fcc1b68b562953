"""The parts of this installation that a function takes: each one thing, so that a signature shows what is needed.

``core.services`` puts them together, once a process.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Any

from caseproof.channels.outbound.mail import Send
from caseproof.config.clock import Clock
from caseproof.config.ladder import LadderPolicy
from caseproof.config.policy import AnswersPolicy, MailPolicy, Policy
from caseproof.config.settings import Settings
from caseproof.domain.case import Case
from caseproof.domain.events import Event
from caseproof.domain.specs import EventKind
from caseproof.evidence.key_hiding import hide_keys, hide_keys_in_text, withheld
from caseproof.evidence.vault import Vault
from caseproof.store import Store

US = "caseproof"
"""The actor of what no person did."""


@dataclass(frozen=True)
class Ledger:
    """The cases as they are written down, and the clock that dates what happens to them."""

    store: Store
    clock: Clock

    def case(self, ref: str) -> Case:
        """The case as the store has it now. Raises UnknownCase."""
        return self.store.case(ref)

    def event(self, kind: EventKind, actor: str = US, /, **data: Any) -> Event:
        """An event that happens now."""
        return event_of(kind, self.clock(), actor, data)

    def record(self, ref: str, kind: EventKind, actor: str = US, /, **data: Any) -> Case:
        """Append one event. Raises NotAllowed where the procedure does not allow it."""
        return self.store.change(ref, lambda _: [self.event(kind, actor, **data)])

    def change(self, ref: str, decide: Callable[[Case], Sequence[Event]]) -> Case:
        """Append what ``decide`` says of the case as it is then. Raises NotAllowed, StoreError."""
        return self.store.change(ref, decide)

    def along(self, case: Case, events: Sequence[Event]) -> Sequence[Event]:
        """What is to be written of the case where these events are: here, nothing more."""
        del case
        return events


def event_of(kind: EventKind, at: datetime, actor: str, data: Mapping[str, Any]) -> Event:
    """An event, whose texts hold no key of ours, whoever wrote them.

    What something is known by elsewhere stays as it is: a name that only looks like a key of ours must go on naming it.
    """
    told = {name: value if name in kind.spec.names else _without_keys(value) for name, value in data.items()}
    return Event(kind, at, actor, told)


def _without_keys(value: Any) -> Any:
    match value:
        case str():
            return hide_keys_in_text(value)
        case dict():
            return {name: _without_keys(one) for name, one in value.items()}
        case list() | tuple():
            return [_without_keys(one) for one in value]
    return value


def _text_without_keys(content: bytes) -> bytes:
    """The text, or where it cannot be looked through, what says so: what a stranger wrote stops no case."""
    try:
        return hide_keys(content)
    except Exception:
        return withheld(content)


@dataclass(frozen=True)
class EvidenceFiles:
    """The files that are kept as evidence, each named by its digest (hex SHA-256)."""

    vault: Vault
    store: Store
    clock: Clock

    def keep(self, ref: str, content: bytes, name: str, media_type: str) -> str:
        """Keep a file as evidence of the case; returns its digest (hex SHA-256). A text holds no key of ours."""
        content = _text_without_keys(content) if media_type.startswith("text/") else content
        kept = self.vault.put(content, name, media_type)
        with self.store.uow() as uow:
            uow.evidence.add(ref, kept.digest, name, media_type, kept.size, self.clock())
            uow.commit()
        return kept.digest

    def keep_json(self, ref: str, name: str, what: Mapping[str, Any]) -> str:
        """Keep what was read back from another system, as readable JSON; returns its digest."""
        text = json.dumps(what, indent=2, sort_keys=True, ensure_ascii=False, default=str)
        return self.keep(ref, text.encode(), name, "application/json")


@dataclass(frozen=True)
class Links:
    """Where people read things; ``public`` is what every address starts with."""

    public: str

    @property
    def cases_url(self) -> str:
        """Where people read the cases."""
        return f"{self.public}/cases"

    def case_url(self, ref: str) -> str:
        """Where people read the case."""
        return f"{self.cases_url}/{ref}"

    def emergency_url(self, ref: str) -> str:
        """Where people follow the emergency of a case, and say that they have it."""
        return f"{self.public}/emergency/{ref}"

    @property
    def raise_url(self) -> str:
        """Where people say that they want a case, and see what became of it."""
        return f"{self.public}/raise"

    @property
    def inbox_url(self) -> str:
        """Where people see what came from retailers."""
        return f"{self.public}/inbox"

    @property
    def rules_url(self) -> str:
        """Where people read what J1 to J11 mean."""
        return f"{self.public}/docs/rules"

    def evidence_url(self, digest: str) -> str:
        """Where people see an evidence file."""
        return f"{self.public}/evidence/{digest}"

    def sign_in_url(self, token: str) -> str:
        """Where somebody of the team chooses a password, once."""
        return f"{self.public}/login/link/{token}"

    def report_url(self, name: str) -> str:
        """Where people read a report that is kept as a file of this name."""
        return f"{self.public}/reports/{name}"


@dataclass(frozen=True)
class Effects:
    """What a step touches another system with: the intents in the store, and ``owner``, this process, who writes them.

    ``wait`` waits for an event, so many seconds at most, and says whether it came.
    """

    store: Store
    clock: Clock
    sleep: Callable[[float], None]
    wait: Callable[[threading.Event, float], bool]
    owner: str

    @property
    def writer(self) -> str:
        """Who writes an intent here: two threads of one process are two writers, too."""
        return f"{self.owner}-{threading.get_ident()}"


@dataclass(frozen=True)
class ReplyAddresses:
    """What an answer to a letter reaches us by: its signed address, and the link to its page.

    ``secret`` gives what both are signed with, ``void`` what they were signed with before; ``page`` is what the links
    start with, None where there is no page; ``zone`` is whose time retailers read; ``ladder`` has the support address.
    """

    secret: Callable[[], bytes]
    void: Callable[[], Sequence[bytes]]
    mail: MailPolicy
    answers: AnswersPolicy
    page: str | None
    clock: Clock
    zone: tzinfo = UTC
    ladder: LadderPolicy = field(default_factory=LadderPolicy)


@dataclass(frozen=True)
class Dispatch:
    """What letters go out by: each is kept before it is sent, sent once, and says where its answer goes."""

    send: Send
    files: EvidenceFiles
    effects: Effects
    replies: ReplyAddresses


@dataclass(frozen=True)
class Stopping:
    """What jobs are stopped with: the cases, the evidence, the intents, and the policy of how far and how fast.

    ``settings`` name the home, in which one check of a platform works at a time.
    """

    ledger: Ledger
    vault: Vault
    effects: Effects
    policy: Policy
    settings: Settings
