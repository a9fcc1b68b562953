"""The keeper of a world, and what its cases look like from outside."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage

from caseproof.domain.codes import MessageCode, message_code
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.vocabulary import Disposition
from caseproof.procedure.keeper.keeper import keep
from caseproof.procedure.keeper.passes import KeeperPass, KeeperPorts, Ran
from caseproof.store import CaseRow
from tests.support.world import CONTACT, World


@dataclass
class Keeper:
    """The keeper of a world: Prefect is a list of what it was asked for."""

    world: World
    woken: list[str] = field(default_factory=list)
    looked_after: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def __call__(self, **days: float) -> KeeperPass:
        """Let time pass, then one pass."""
        self.world.clock.move(**days)
        done = keep(self.world.services, self.ports(), patience=0)
        assert done is not None
        return done

    def ports(self) -> KeeperPorts:
        def runs(also: Sequence[CaseRow], wake: Mapping[str, str]) -> Ran:
            self.looked_after += [row.ref for row in also]
            self.woken += wake
            return Ran(woken=list(wake))

        here = self.world
        return KeeperPorts(
            lambda _: here.platform,
            lambda case: here.runner(case.ref),
            lambda: here.desk,
            lambda: here.send,
            runs,
            list,
            self.said.append,
            lambda run: f"https://prefect.example.com/runs/{run}",
            lambda name: here.desks.get(name, here.desk),
        )


def waits(world: World, ref: str, form: str = "retailers-word") -> str:
    """The case's run asks, and suspends."""
    world.services.ledger.record(
        ref, Kind.QUESTION_ASKED, number=world.case(ref).question_number + 1, form=form, flow_run=f"run-of-{ref}"
    )
    with world.services.store.uow() as uow:
        if uow.cases.run_of(ref) is None:
            uow.cases.attach_run(ref, f"run-of-{ref}", 1)
        uow.commit()
    return ref


def mails(world: World, to: str = CONTACT) -> list[EmailMessage]:
    return [message_from_bytes(raw, policy=policy.default) for raw, _, there in world.mail.taken if to in there]  # type: ignore[misc]


def row(world: World, ref: str) -> CaseRow:
    with world.services.store.reading() as uow:
        return uow.cases.of_refs([ref])[0]


def writes(world: World, ref: str, words: str, *, choice: str = "", why: str = "asks for help") -> str:
    """What a retailer writes that confirms nothing, as it is taken in; gives its digest."""
    digest = world.vault.put(words.encode(), "answer.json", "application/json").digest
    world.services.ledger.record(
        ref, Kind.REPLY_RECEIVED, sender=CONTACT, words=words, why=why, evidence=digest, by_way_of="page", choice=choice
    )
    came(world, Disposition.REPLY, why, ref=ref, digest=digest, sender=CONTACT, code=message_code({"why": why}))
    return digest


def came(
    world: World, place: Disposition, why: str, *, ref: str = "", digest: str = "",
    sender: str = "stranger@example.com",
    code: MessageCode = MessageCode.OTHER,
    message_id: str = "",
) -> int:  # fmt: skip
    """A message among those that came from retailers."""
    with world.services.store.uow() as uow:
        number = uow.messages.add(
            digest or hashlib.sha256(why.encode()).hexdigest(), message_id=message_id, sender=sender, subject="Hello",
            size=9, way="mail", place=place, why=why, code=code, ref=ref, at=world.clock(),
        )  # fmt: skip
        uow.commit()
    return number


def untold(world: World) -> list[int]:
    """The messages of which the team was not told."""
    with world.services.store.reading() as uow:
        return [row.id for row in uow.messages.untold()]
