"""Intents: who is about to do what, written down before the effect, so that it is done once.

An intent is its writer's for the time of a lease, which a writer that lives renews. One whose writer died expires;
whoever takes it over reads back first: the effect may have happened.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, Row, delete, insert, select, update

from caseproof.domain.errors import BadInput
from caseproof.domain.events import json_copy
from caseproof.store.databases import compact_json
from caseproof.store.errors import ConcurrentChange
from caseproof.store.owed import OwedList
from caseproof.store.refs import case_id
from caseproof.store.rows import insert_once
from caseproof.store.tables import intents

ClaimStanding = Literal["new", "mine", "taken_over", "done", "busy"]


@dataclass(frozen=True, slots=True)
class Claim:
    """How an intent stands for the one who claims it.

    ``new``: this call wrote it; perform the effect. ``mine``: the same owner claims again; read back first.
    ``taken_over``: its writer's time was up and it is ours now; read back first. ``done``: ``result`` is
    what was recorded. ``busy``: another owner has it until ``expires_at``. ``plan`` is the one first written; of one
    that is done it is the result, where that tells all that was planned.
    """

    key: str
    standing: ClaimStanding
    plan: Mapping[str, Any]
    result: Mapping[str, Any] | None
    expires_at: datetime

    @property
    def ours(self) -> bool:
        """Whether the claimer owns the intent now."""
        return self.standing in ("new", "mine", "taken_over")


class Intents:
    """Every query about intents. Nothing here commits."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def claim(
        self,
        key: str,
        ref: str,
        step: str,
        *,
        owner: str,
        now: datetime,
        seconds: float,
        plan: Mapping[str, Any],
    ) -> Claim:
        """Claim the intent ``key`` for ``owner`` until ``seconds`` after ``now``.

        Commit before the effect; of two who claim at once exactly one gets it. Raises UnknownCase, BadInput.
        """
        until = now + timedelta(seconds=seconds)
        number = case_id(self._connection, ref)
        values = {"key": key, "case_id": number, "step": step, "owner": owner, "claimed_at": now}
        written = json_copy(plan, f"The plan of {key}")
        row = self._locked(key)
        if row is None:
            new = insert(intents).values(**values, expires_at=until, plan=written)
            if insert_once(self._connection, new) is not None:
                return Claim(key, "new", written, None, until)
            row = self._locked(key)
        if row is None:
            raise ConcurrentChange(f"The intent {key} was withdrawn a moment ago.", "Claim it again.")
        if (row.case_id, row.step) != (number, step):
            raise BadInput(f"The intent {key} belongs to another case or step.", "Give each step its own key.")
        return self._claim_again(row, owner, now, until)

    def _claim_again(self, row: Row[Any], owner: str, now: datetime, until: datetime) -> Claim:
        claim = claim_again(row, owner, now, until)
        if values := written_of(claim, row, owner, now):
            self._connection.execute(update(intents).where(intents.c.key == row.key).values(**values))
        return claim

    def result(self, key: str) -> Mapping[str, Any] | None:
        """What was recorded of the effect; None where it is not done, or nobody is about to do it."""
        found: Mapping[str, Any] | None = self._connection.scalar(select(intents.c.result).where(intents.c.key == key))
        return found

    def known(self, key: str) -> Mapping[str, Any] | None:
        """What was recorded of the effect, or else what is planned; None where nobody ever claimed it."""
        row = self._connection.execute(select(intents.c.plan, intents.c.result).where(intents.c.key == key)).first()
        if row is None:
            return None
        found: Mapping[str, Any] = row.plan if row.result is None else row.result
        return found

    def finish(self, key: str, *, owner: str, result: Mapping[str, Any], now: datetime) -> None:
        """Record the effect's result; what is owed under this key is settled. Finished again, the first result stays.

        Raises ConcurrentChange if the intent is another's by now, or withdrawn.
        """
        written = json_copy(result, f"The result of {key}")
        row = self._owned(key, owner)
        if row.done_at is None:
            # What the result repeats is not kept twice.
            plan = {} if _tells_all(written, row.plan) else row.plan
            done = update(intents).where(intents.c.key == key).values(plan=plan, result=written, done_at=now)
            self._connection.execute(done)
            OwedList(self._connection).settled_with(key)

    def release(self, key: str, *, owner: str) -> None:
        """Withdraw an intent whose effect certainly did not happen; the key can be claimed anew.

        Raises ConcurrentChange if it is another's by now, withdrawn already, or done.
        """
        if self._owned(key, owner).done_at is not None:
            raise ConcurrentChange(f"The intent {key} is done.", "Claim it to read its result.")
        self._connection.execute(delete(intents).where(intents.c.key == key))

    def _locked(self, key: str) -> Row[Any] | None:
        query = select(intents).where(intents.c.key == key).with_for_update()
        return self._connection.execute(query).one_or_none()

    def _owned(self, key: str, owner: str) -> Row[Any]:
        row = self._locked(key)
        if row is None or row.owner != owner:
            raise ConcurrentChange(
                f"The intent {key} is not {owner}'s any more.", "Claim it again to see its standing."
            )
        return row


def claim_again(row: Row[Any], owner: str, now: datetime, until: datetime, dead: str = "") -> Claim:
    """How an intent that is written down stands for ``owner``, who would have it until ``until``.

    ``dead`` is how the owners begin of whom it is known that none lives: what is theirs need not expire.
    """
    if row.done_at is not None:
        return Claim(row.key, "done", row.plan or row.result or {}, row.result, row.expires_at)
    if row.owner == owner:
        return Claim(row.key, "mine", row.plan, None, until)
    if row.expires_at <= now or (dead and row.owner.startswith(dead)):
        return Claim(row.key, "taken_over", row.plan, None, until)
    # Claimed later than now: the clock was set back. Its time counts from now, or nobody had it for as long as that.
    expires = min(row.expires_at, until) if row.claimed_at > now else row.expires_at
    return Claim(row.key, "busy", row.plan, None, expires)


def written_of(claim: Claim, row: Row[Any], owner: str, now: datetime) -> dict[str, Any]:
    """What a claim changes in the intent's row: nothing of one that is done, and of another's only its end."""
    if claim.ours:
        return {"owner": owner, "claimed_at": now, "expires_at": claim.expires_at}
    return {"expires_at": claim.expires_at} if claim.expires_at != row.expires_at else {}


def _tells_all(result: Mapping[str, Any], plan: Mapping[str, Any]) -> bool:
    """Whether all of the plan stands in the result, too; as JSON, where true is not 1."""
    there = {name: result[name] for name in plan if name in result}
    return compact_json(there) == compact_json(plan)
