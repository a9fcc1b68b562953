"""The store and the vault: reachable, of this version, writable, and nothing in them edited by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice

from sqlalchemy import text
from sqlalchemy.engine import URL, make_url

from caseproof.config.clock import utc_now
from caseproof.doctor.clocks import Clocks
from caseproof.doctor.examination import Failed, blaming
from caseproof.domain.job_failure.procedure import JOB_FAILURE
from caseproof.evidence.vault import Vault
from caseproof.procedure.containment import known_jobs
from caseproof.procedure.keeper.problems import PROBLEMS
from caseproof.procedure.views.owed import owed_lines
from caseproof.store import Store
from caseproof.store.database_urls import database_of
from caseproof.store.errors import explained
from caseproof.store.migrate import SchemaState, refuse_unusable, standing

WAIT_SECONDS = 3
SAMPLE_CASES, SAMPLE_FILES = 5, 60
_WAIVING = " What nobody wants any more: `caseproof case why REF`, then `caseproof case waive REF WHAT`."
_SHOWN = 10
MISSED_PASSES, LEAST_PATIENCE = 4, timedelta(minutes=15)
"""So many passes of the keeper may be missed, and so long in any case: a worker may have been busy."""


class StoreChecks:
    """The checks on the store at ``url``. ``store`` is the store as they use it: it waits for nothing long."""

    def __init__(self, url: str, clocks: Clocks) -> None:
        self._clocks = clocks
        database_of(url, WAIT_SECONDS)  # refuses one that is none, without showing it
        impatient = make_url(url).update_query_dict({"timeout": str(WAIT_SECONDS)})
        self._is_sqlite = impatient.get_backend_name() == "sqlite"
        if not self._is_sqlite:
            impatient = impatient.update_query_dict({"connect_timeout": str(WAIT_SECONDS)})
        # The database in front of people: no user, no password, no options.
        self._name = str(
            URL.create(impatient.drivername, host=impatient.host, port=impatient.port, database=impatient.database)
        )
        self._database = database_of(impatient.render_as_string(hide_password=False), WAIT_SECONDS)
        self.store = Store(impatient.render_as_string(hide_password=False), patience=WAIT_SECONDS)

    def revision(self) -> str:
        """Whether it can be reached and is of this version; it is never migrated here."""
        with blaming(self._name), explained():
            found = self._look()
        refuse_unusable(found, self._name)
        if found is SchemaState.EMPTY:
            raise Failed(f"There is no store at {self._name} yet.", "`caseproof up` (or any command) makes it.")
        if found is SchemaState.OLDER:
            raise Failed(
                f"The store {self._name} is of an older version.",
                "`caseproof up` (or any command) brings it up to date.",
            )
        with self.store.reading() as uow:
            count = len(uow.cases.rows())
        return f"{self._name} holds {count} cases"

    def writes(self) -> str:
        """Whether it takes a write; what is written is rolled back."""
        with blaming(f"{self._name} takes no writes"), self.store.uow() as uow:
            uow.people.add_retailer("caseproof doctor (rolled back)")
        return "A write went through and was rolled back"

    def unedited(self) -> str:
        """Whether each case is what its events say, and the guards that refuse such edits are all there."""
        with self.store.reading() as uow:
            edited, gone, changed = uow.cases.damaged(), uow.guards_missing(), uow.guards_changed()
        found, action = [], ["Find out who can write to the database; compare with a backup"]
        if edited:
            found.append(
                f"Edited past Caseproof: {_some(edited)}: the store says something else than their events, or they "
                "cannot be read."
            )
            action.append("restore these cases from it")
        if gone:
            found.append(f"Guards of the store were dropped or switched off: {_some(gone)}.")
        if changed:
            found.append(f"Triggers of the store that are not Caseproof's, or not as it made them: {_some(changed)}.")
        if gone or changed:
            action.append("`caseproof backup`, and `caseproof restore` into an empty home, makes the guards anew")
        if found:
            raise Failed(" ".join(found), "; ".join(action) + ".")
        return "Every case is what its events say"

    def kept(self, every_minutes: float) -> str:
        """Whether the keeper looks after the open cases."""
        with self.store.reading() as uow:
            count, latest = sum(number for *_, number in uow.cases.counts()), uow.cursors.get(PROBLEMS)
            owed = uow.owed.count(late=False)
        if not count and not owed:
            return "No case is open, and nothing is owed, so there is nothing to keep"
        allowed = max(timedelta(minutes=every_minutes) * MISSED_PASSES, LEAST_PATIENCE)
        if latest is None or utc_now() - latest[1] > allowed:
            since = f"since {latest[1]:%Y-%m-%d %H:%M} UTC" if latest else "yet"
            cases = "1 case is" if count == 1 else f"{count} cases are"
            left = f" and {owed} things are owed" if owed else ""
            raise Failed(
                f"{cases} open{left}, and the keeper made no pass {since}.",
                "Start `caseproof up`, or `caseproof keeper --watch`, and look at its logs/keeper.log. The deployment "
                "`case-keeper` makes a pass each hour besides: how do its latest runs end?",
            )
        return f"The keeper looked after {count} open cases at {latest[1]:%H:%M} UTC"

    def knows_jobs(self) -> bool:
        """Whether a check ever listed a platform's jobs, or a job's failure has a case."""
        with self.store.reading() as uow:
            return known_jobs.were_listed(uow) or any(
                row.ref.startswith(f"{JOB_FAILURE.prefix}-") for row in uow.cases.rows()
            )

    def nothing_owed(self) -> str:
        """Whether all was done that had to be: mail, tickets, steps; of closed cases, too."""
        with self.store.reading() as uow:
            late, count = [row for row in uow.owed.rows(_SHOWN) if row.is_late], uow.owed.count(late=True)
            soon = uow.owed.count(late=False) - count
        if not count:
            return f"Nothing is late{f'; {soon} things are under way' if soon else ''}"
        told = [f"{one.row.ref}: {one.sentence}" if one.row.ref else one.sentence for one in owed_lines(late)]
        raise Failed(
            f"{count} owed, and not done yet. {' '.join(told[:3])}{f' And {count - 3} more.' if count > 3 else ''}",
            "Put right what is named; the keeper does the rest by itself."
            + (_WAIVING if any(row.ref for row in late) else ""),
        )

    def evidence(self, vault: Vault) -> str:
        """Whether the vault can be read, and the files of the newest closed cases are still what they were."""
        with self.store.reading() as uow:
            closed = sorted(
                (row for row in uow.cases.rows() if row.closed_at), key=lambda row: (row.closed_at, row.ref)
            )
            refs = [row.ref for row in reversed(closed[-SAMPLE_CASES:])]
            files = list(islice((file for ref in refs for file in uow.evidence.of(ref)), SAMPLE_FILES))
        try:
            if vault.folder.exists():
                next(vault.folder.iterdir(), None)
        except OSError as error:
            raise Failed(
                f"The evidence folder {vault.folder} cannot be read: {error.strerror}.",
                "Make it readable for the user that Caseproof runs as.",
            ) from error
        for file in files:
            with blaming(f"{file.ref}, {file.name}"):
                vault.read(file.digest)
        if not files:
            return f"{vault.folder}: no closed case yet"
        return f"{len(files)} files of {', '.join(refs)} match their digests"

    def _look(self) -> SchemaState:
        if not self._database.is_there():
            return SchemaState.EMPTY
        engine = self._database.engine()
        try:
            with engine.connect().execution_options(**self._database.options(writes=False)) as connection:
                if not self._is_sqlite:
                    before = utc_now()
                    said = connection.scalar(text("select clock_timestamp()"))
                    self._clocks.note("the database", before, _aware(said), utc_now())
                return standing(connection)
        finally:
            engine.dispose()


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _aware(said: datetime | None) -> datetime | None:
    return said.replace(tzinfo=UTC) if said is not None and said.tzinfo is None else said
