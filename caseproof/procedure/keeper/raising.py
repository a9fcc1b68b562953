"""J1: a person wants a case for a job, where no platform is at hand. It is written down; the next pass opens the case,
and the stop comes first (J2).

What is wanted is owed: it is tried again until it is done, or somebody takes it back.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Collection, Sequence
from contextvars import copy_context
from dataclasses import asdict, dataclass, replace

from caseproof.config.mail_address import unkeepable
from caseproof.desks.base import Desk
from caseproof.domain.case import Case
from caseproof.domain.codes import Code
from caseproof.domain.decisions import require_member
from caseproof.domain.errors import BadInput
from caseproof.domain.owing import PASSES, Debt
from caseproof.domain.spelling import no_such
from caseproof.domain.vocabulary import CAUSES, Scope
from caseproof.http.redaction import redact
from caseproof.platforms.base import JobPlatform
from caseproof.procedure.containment.containment import contain
from caseproof.procedure.containment.opening import Request, open_case
from caseproof.procedure.core.parts import Ledger, Stopping
from caseproof.procedure.keeper.owing import what_is_wrong
from caseproof.procedure.keeper.ways import thing_of
from caseproof.store import OwedRow, UnitOfWork, locks

AT_ONCE = 50
"""How many cases a pass opens that were wanted by hand; the others are next."""
LONGEST = 500
"""How many characters a platform's, a job's or a ticket's name may have."""
MOST_BYTES = 1200
"""How many bytes it may have: two of them are a key of the store, and PostgreSQL's indexes take no more than 2,700."""
LONGEST_SUMMARY = 2000
_MARK = "raise/"


@dataclass(frozen=True, slots=True)
class WantedCase:
    """A case that somebody wants; ``row`` says since when, how often it was tried, and what is wrong."""

    request: Request
    row: OwedRow


def want_case(ledger: Ledger, team: Collection[str], request: Request) -> Case | None:
    """``want``, for somebody on the team. Raises NotOnTheTeam, and what ``want`` raises."""
    return want(ledger, replace(request, by=require_member(request.by, team)))


def want(ledger: Ledger, request: Request) -> Case | None:
    """Write down that a case is wanted for this job; or give the case that is open for it. Wanted again, it is tried
    at once, as it is wanted now.

    Raises BadInput for what no case can be opened with.
    """
    if request.cause not in CAUSES:
        raise no_such("cause", request.cause, CAUSES)
    request = replace(
        request, platform=_name(request.platform, "platform"),
        job=_name(request.job, "job"), ticket=_name(request.ticket, "ticket", needed=False),
        summary=redact(request.summary.strip()[:LONGEST_SUMMARY]),
    )  # fmt: skip
    key, now = key_of(request.platform, request.job), ledger.clock()
    with ledger.store.uow() as uow:
        standing = uow.cases.open_for(request.platform, request.job)
        if standing is not None:
            return standing
        uow.cursors.set(f"{_MARK}{key}", json.dumps(asdict(request)), now)
        uow.owed.begin("", Debt.RAISE, key, now)
        uow.commit()
    return None


def key_of(platform: str, job: str) -> str:
    """By what a wanted case is known, to people too."""
    return f"{platform}: {job}"


def wanted_cases(uow: UnitOfWork) -> list[WantedCase]:
    """All that are wanted and not open yet, the oldest first."""
    rows = [row for row in uow.owed.of("") if row.what is Debt.RAISE]
    return [WantedCase(request, row) for row in rows if (request := _request(uow, row.key)) is not None]


def take_back(ledger: Ledger, key: str) -> None:
    """It is wanted no more. Raises BadInput where it is not, or the case is open by now."""
    with ledger.store.uow() as uow:
        if _request(uow, key) is None:
            raise BadInput(f"No case is wanted for {key[:200]!r} any more.", "Look whether it is open by now.")
        _forget(uow, key)
        uow.commit()


def raise_wanted(
    stopping: Stopping,
    platform: Callable[[str], JobPlatform],
    desk: Callable[[], Desk],
    wrong: Callable[[str, Exception], None],
    hung: float,
) -> list[str]:
    """Open the cases that are wanted and due, each stopped at once; gives them. ``wrong`` is told what cannot be done.

    Each platform has a thread of its own, so that one that hangs holds up no other; after ``hung`` seconds nobody waits
    for it any more. One process at a time does it. Raises StoreError.
    """
    with stopping.ledger.store.reading() as uow:
        rows = uow.owed.due(stopping.ledger.clock(), AT_ONCE, Debt.RAISE)
        wanted = [(request, row) for row in rows if (request := _request(uow, row.key)) is not None]
    _note_unreadable(stopping.ledger, [row for row in rows if all(row is not known for _, known in wanted)])
    raised: list[str] = []
    work = _Raising(stopping, platform, desk, wrong, raised)
    threads = [
        # A daemon: the end of the process does not wait for what hangs. Like a crash, that loses nothing.
        threading.Thread(target=copy_context().run, args=(work.on, name, wanted), name=f"raise {name}", daemon=True)
        for name in sorted({request.platform for request, _ in wanted})
    ]
    deadline = time.monotonic() + hung
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return list(raised)


@dataclass(frozen=True)
class _Raising:
    """Opens cases that are wanted; ``raised`` are those that are open."""

    stopping: Stopping
    platform: Callable[[str], JobPlatform]
    desk: Callable[[], Desk]
    wrong: Callable[[str, Exception], None]
    raised: list[str]

    def on(self, platform: str, wanted: Sequence[tuple[Request, OwedRow]]) -> None:
        """Those of this platform; the rest of them waits where it is down."""
        name = hashlib.sha256(platform.encode()).hexdigest()[:16]  # a platform may be called anything
        lock = self.stopping.settings.home_folder / "keeper" / f"raising-{name}"
        if locks.is_held(lock) or not locks.hold(lock, wait=False):
            return
        try:
            for request, row in wanted:
                if request.platform == platform and not self._open(request, row):
                    return
        except Exception as error:  # the store's own trouble
            self.wrong("cases that are wanted", error)
        finally:
            locks.let_go(lock)

    def _open(self, request: Request, row: OwedRow) -> bool:
        """Open it, or note why not; False where asking for the next one makes no sense."""
        ledger = self.stopping.ledger
        try:
            platform = self.platform(request.platform)
            case, _ = open_case(ledger, self.stopping.policy, platform, self.desk, request)
        except Exception as error:
            code, said = what_is_wrong(error)
            self.wrong(thing_of(row), error)
            with ledger.store.uow() as uow:
                uow.owed.tried(row, code, said, ledger.clock())
                uow.commit()
            return code not in PASSES
        self.raised.append(case.ref)
        try:
            contain(self.stopping, platform, case.ref)
        except Exception as error:  # the case is there, and its own run goes on trying
            self.wrong(case.ref, error)
        with ledger.store.uow() as uow:
            _forget(uow, row.key)
            uow.commit()
        return True


def _request(uow: UnitOfWork, key: str) -> Request | None:
    """What was wanted; None where that is not known any more, or was written by another version."""
    noted = uow.cursors.get(f"{_MARK}{key}")
    if noted is None:
        return None
    try:
        said = json.loads(noted[0])
        return Request(**{**said, "scope": Scope(said["scope"]) if said["scope"] else None})
    except (ValueError, TypeError, KeyError):
        return None


def _note_unreadable(ledger: Ledger, rows: Sequence[OwedRow]) -> None:
    """What cannot be read holds up no other, and is not forgotten: the team is told of it."""
    if not rows:
        return
    with ledger.store.uow() as uow:
        for row in rows:
            said = "What was wanted cannot be read any more. Raise the case for this job anew, on the page `/raise`."
            uow.owed.tried(row, Code.OTHER, said, ledger.clock())
        uow.commit()


def _forget(uow: UnitOfWork, key: str) -> None:
    uow.owed.settle("", Debt.RAISE, key)
    uow.cursors.forget(f"{_MARK}{key}")


def _name(text: str, what: str, *, needed: bool = True) -> str:
    name = text.strip()  # and no more: the platform may call it anything
    if needed and not name:
        raise BadInput(f"The {what} is missing.", "Search for the job and choose it, or type both.")
    if len(name) > LONGEST or unkeepable(name) or len(name.encode()) > MOST_BYTES:
        raise BadInput(f"There is no {what} {name[:60]!r}.", "Write it as the platform does.")
    return name
