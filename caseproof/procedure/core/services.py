"""What every step needs at hand, put together once a process."""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from caseproof.config.clock import Clock, utc_now
from caseproof.config.policy import Policy, PolicyError, policy_in_force
from caseproof.config.settings import Settings, read_settings
from caseproof.domain.case import Case
from caseproof.domain.events import Event
from caseproof.domain.job_failure.kinds import Kind
from caseproof.evidence.vault import Vault
from caseproof.store import Store

US = "caseproof"
"""The actor of what no person did."""

_SECRET = "secret"  # noqa: S105 - the name of a mark


@dataclass(frozen=True)
class Services:
    """The store, the vault, the policy, the clock; ``owner`` names this process as the writer of its intents."""

    settings: Settings
    policy: Policy
    store: Store
    vault: Vault
    clock: Clock = utc_now
    sleep: Callable[[float], None] = time.sleep
    wait: Callable[[threading.Event, float], bool] = threading.Event.wait
    """Waits for an event, so many seconds at most; whether it came."""
    owner: str = field(default_factory=lambda: secrets.token_hex(8))
    policy_wrong: PolicyError | None = None
    """What is wrong with the policy file, while the one from before stays in force."""

    @property
    def proofs(self) -> Path:
        """The folder that proof files are written to."""
        return self.settings.home_folder / "proofs"

    @property
    def writer(self) -> str:
        """Who writes an intent here: two threads of one process are two writers, too."""
        return f"{self.owner}-{threading.get_ident()}"

    @cached_property
    def secret(self) -> bytes:
        """What links and reply addresses are signed with: made once, at random, and kept in the store."""
        with self.store.reading() as uow:
            known = uow.cursors.get(_SECRET)
        if known is None:
            with self.store.uow() as uow:
                known = uow.cursors.get(_SECRET)  # another process may have been quicker
                if known is None:
                    known = (secrets.token_hex(32), self.clock())
                    uow.cursors.set(_SECRET, *known)
                    uow.commit()
        return bytes.fromhex(known[0])

    def at_work(self, flow_run: str) -> Path:
        """The lock that a flow run holds while its process is at work; all processes share the home folder."""
        return self.settings.home_folder / "at-work" / flow_run

    def case(self, ref: str) -> Case:
        """The case as the store has it now. Raises UnknownCase."""
        return self.store.case(ref)

    def event(self, kind: Kind, actor: str = US, /, **data: Any) -> Event:
        """An event that happens now."""
        return Event(kind, self.clock(), actor, data)

    def record(self, ref: str, kind: Kind, actor: str = US, /, **data: Any) -> Case:
        """Append one event. Raises NotAllowed where the procedure does not allow it."""
        return self.store.change(ref, lambda _: [self.event(kind, actor, **data)])

    def keep(self, ref: str, content: bytes, name: str, media_type: str) -> str:
        """Keep a file as evidence of the case; returns its digest (hex SHA-256)."""
        kept = self.vault.put(content, name, media_type)
        with self.store.uow() as uow:
            uow.evidence.add(ref, kept.digest, name, media_type, kept.size, self.clock())
            uow.commit()
        return kept.digest

    def keep_json(self, ref: str, name: str, what: Mapping[str, Any]) -> str:
        """Keep what was read back from another system, as readable JSON; returns its digest."""
        text = json.dumps(what, indent=2, sort_keys=True, ensure_ascii=False, default=str)
        return self.keep(ref, text.encode(), name, "application/json")

    def case_url(self, ref: str) -> str:
        """Where people read the case."""
        return f"{self.settings.public}/cases/{ref}"

    @property
    def inbox_url(self) -> str:
        """Where people see what came from retailers."""
        return f"{self.settings.public}/inbox"

    def evidence_url(self, digest: str) -> str:
        """Where people see an evidence file."""
        return f"{self.settings.public}/evidence/{digest}"


def bootstrap(settings: Settings | None = None) -> Services:
    """The services of this installation, its store migrated.

    Raises StoreError for people, and PolicyError where there never was a usable policy.
    """
    settings = settings or read_settings()
    in_force = policy_in_force(settings)
    store = Store(settings.database)
    store.migrate()
    vault = Vault(settings.home_folder / "evidence")
    return Services(settings, in_force.policy, store, vault, policy_wrong=in_force.wrong)
