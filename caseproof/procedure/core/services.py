"""What every step needs at hand, put together once a process."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from caseproof.channels.outbound.mail import Send
from caseproof.config import kept_key
from caseproof.config.clock import Clock, utc_now
from caseproof.config.policy import Policy, PolicyError, TeamInForce, policy_in_force
from caseproof.config.private_files import be_private
from caseproof.config.settings import Settings, read_settings
from caseproof.evidence.answer_keys import AnswerKeys
from caseproof.evidence.vault import Vault
from caseproof.procedure.core.logins import TeamLogins
from caseproof.procedure.core.parts import (
    Dispatch,
    Effects,
    EvidenceFiles,
    Ledger,
    Links,
    ReplyAddresses,
    Stopping,
)
from caseproof.store import Store, StoreDown, locks
from caseproof.store.bell import Bell


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

    @cached_property
    def keys(self) -> AnswerKeys:
        """What links and reply addresses are signed with."""
        return AnswerKeys(self.settings.home_folder / kept_key.FOLDER, self.store, self.clock)

    @property
    def secret(self) -> bytes:
        """The key in force. Raises KeyLost, BadInput, StoreError."""
        return self.keys.in_force()

    def at_work(self, flow_run: str) -> Path:
        """The lock that a flow run holds while its process is at work; all processes share the home folder."""
        return self.settings.home_folder / "at-work" / flow_run

    @property
    def ledger(self) -> Ledger:
        """The cases as they are written down."""
        return Ledger(self.store, self.clock)

    @property
    def files(self) -> EvidenceFiles:
        """The files that are kept as evidence."""
        return EvidenceFiles(self.vault, self.store, self.clock)

    @property
    def links(self) -> Links:
        """Where people read things."""
        return Links(self.settings.public)

    @property
    def effects(self) -> Effects:
        """What a step touches other systems with, as the writer that this process is."""
        return Effects(self.store, self.clock, self.sleep, self.wait, self.owner)

    @property
    def replies(self) -> ReplyAddresses:
        """What an answer to a letter reaches us by."""
        return ReplyAddresses(
            self.keys.in_force,
            self.keys.void,
            self.policy.mail,
            self.policy.answers,
            self.settings.answers,
            self.clock,
            self.policy.letters_zone,
            self.policy.ladder,
        )

    @property
    def logins(self) -> TeamLogins:
        """Who of the team may log in; the team is the policy's as it is at each look."""
        by_address, by_name = self.settings.oidc_issuer is not None, self.settings.proxy_names_people
        return TeamLogins(self.store, self.clock, TeamInForce(self.settings), by_address=by_address, by_name=by_name)

    @property
    def stopping(self) -> Stopping:
        """What jobs are stopped with."""
        return Stopping(self.ledger, self.vault, self.effects, self.policy, self.settings)

    def dispatch(self, send: Send) -> Dispatch:
        """What letters go out by, through this account."""
        return Dispatch(send, self.files, self.effects, self.replies)


def bell_of(settings: Settings) -> Bell:
    """What rings when a case of this home has news; ``caseproof inbox --watch`` waits for it."""
    return Bell(settings.home_folder / "inbox" / "bell")


def refuse_stopped(settings: Settings) -> None:
    """Raise StoreDown where the store is a PostgreSQL of this home that is known to be stopped: nobody waits for it.

    Where `caseproof up` runs, it is about to come up again, so that waiting helps.
    """
    if settings.database_url is not None or not settings.postgres.exists or locks.is_held(settings.up_lock):
        return
    if settings.postgres.is_stopped:
        raise StoreDown(
            f"The database of {settings.home_folder} is stopped.",
            "Run `caseproof up`, which starts it, and leave it running.",
        )


def today(services: Services) -> Services:
    """The services with the policy as it is now: it may change while a process lives."""
    in_force = policy_in_force(services.settings)
    return replace(services, policy=in_force.policy, policy_wrong=in_force.wrong)


def bootstrap(settings: Settings | None = None) -> Services:
    """The services of this installation, its store migrated.

    Raises StoreError for people, and PolicyError where there never was a usable policy.
    """
    be_private()  # here, for every process of ours comes by, whoever started it
    settings = settings or read_settings()
    in_force = policy_in_force(settings)
    refuse_stopped(settings)
    store = Store(settings.database, on_news=bell_of(settings).ring)
    store.migrate()
    vault = Vault(settings.home_folder / "evidence")
    services = Services(settings, in_force.policy, store, vault, policy_wrong=in_force.wrong)
    services.keys.take_out_of_the_store()
    return services
