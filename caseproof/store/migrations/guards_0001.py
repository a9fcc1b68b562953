"""What the database itself refuses, whoever asks and by whatever program (revision 0001).

The triggers hold on a connection without any PRAGMA. There REPLACE deletes rows without asking a DELETE
trigger, so whatever could be replaced is guarded before the insert or update too.
"""

from __future__ import annotations

from caseproof.store.errors import StoreError


def guards(dialect: str) -> tuple[str, ...]:
    """The statements that make the triggers. Raises StoreError for a database that has none yet."""
    if dialect != "sqlite":
        raise StoreError(
            f"This version guards its store in SQLite only, not in {dialect}.",
            "Leave CASEPROOF_DATABASE_URL empty, or name an sqlite:/// file.",
        )
    return tuple(
        f"CREATE TRIGGER {name} BEFORE {moment}{f' WHEN {when}' if when else ''} "
        f"BEGIN SELECT RAISE(ABORT, '{text}'); END"
        for name, moment, when, text in _SQLITE
    )


# A proof of this case, made since it was last opened.
_PROVEN = "EXISTS (SELECT 1 FROM proofs WHERE digest = NEW.proof AND case_id = NEW.id AND opening = NEW.opening)"

_SQLITE: tuple[tuple[str, str, str, str], ...] = (
    ("events_unchanged", "UPDATE ON events", "", "An event is never changed."),
    ("events_kept", "DELETE ON events", "", "An event is never deleted."),
    (
        "events_of_a_case",
        "INSERT ON events",
        "NOT EXISTS (SELECT 1 FROM cases WHERE id = NEW.case_id)",
        "An event belongs to a case that exists.",
    ),
    (
        "events_in_order",
        "INSERT ON events",
        "NEW.seq IS NOT (SELECT COALESCE(MAX(seq), 0) + 1 FROM events WHERE case_id = NEW.case_id)",
        "An event takes the next number of its case, and none is replaced.",
    ),
    (
        "events_closed_with_proof",
        "INSERT ON events",
        "NEW.kind = 'closed' AND NOT EXISTS (SELECT 1 FROM proofs JOIN cases ON cases.id = proofs.case_id"
        " WHERE cases.id = NEW.case_id AND proofs.opening = cases.opening"
        " AND proofs.digest = json_extract(NEW.data, '$.proof'))",
        "A case is closed only with a proof of its own, made since it was last opened.",
    ),
    (
        "events_proof_used_once",
        "INSERT ON events",
        "NEW.kind = 'closed' AND EXISTS (SELECT 1 FROM events WHERE case_id = NEW.case_id AND kind = 'closed'"
        " AND json_extract(data, '$.proof') = json_extract(NEW.data, '$.proof'))",
        "A proof closes a case once.",
    ),
    ("proofs_unchanged", "UPDATE ON proofs", "", "A proof is never changed."),
    ("proofs_kept", "DELETE ON proofs", "", "A proof is never deleted."),
    (
        "proofs_not_replaced",
        "INSERT ON proofs",
        "EXISTS (SELECT 1 FROM proofs WHERE digest = NEW.digest)",
        "A proof is taken once and never replaced.",
    ),
    (
        "proofs_of_this_opening",
        "INSERT ON proofs",
        "NOT EXISTS (SELECT 1 FROM cases WHERE id = NEW.case_id AND opening = NEW.opening)",
        "A proof belongs to a case, as it was last opened.",
    ),
    ("cases_kept", "DELETE ON cases", "", "A case is never deleted."),
    (
        "cases_not_replaced",
        "INSERT ON cases",
        "EXISTS (SELECT 1 FROM cases WHERE id = NEW.id OR (NEW.closed = 0 AND closed = 0"
        " AND platform = NEW.platform AND job = NEW.job))",
        "A case is never replaced, and a job has one open case at a time.",
    ),
    (
        "cases_numbered",
        "INSERT ON cases",
        "NEW.ref IS NOT NULL",
        "A case gets its reference from its number.",
    ),
    (
        "cases_inserted_closed",
        "INSERT ON cases",
        f"NEW.closed IS NOT 0 AND NOT {_PROVEN}",
        "A case is closed only with a proof of its own, made since it was last opened.",
    ),
    (
        "cases_closed_with_proof",
        "UPDATE ON cases",
        f"NEW.closed IS NOT 0 AND NOT {_PROVEN}",
        "A case is closed only with a proof of its own, made since it was last opened.",
    ),
    (
        "cases_same_job",
        "UPDATE ON cases",
        "NEW.id IS NOT OLD.id OR NEW.platform IS NOT OLD.platform OR NEW.job IS NOT OLD.job"
        " OR NEW.ref IS NOT printf('JF-%06d', OLD.id)",
        "A case keeps its reference, its platform and its job.",
    ),
    (
        "cases_opening_grows",
        "UPDATE ON cases",
        "NEW.opening < OLD.opening",
        "The count of openings never goes back.",
    ),
    (
        "cases_reopened_anew",
        "UPDATE ON cases",
        "OLD.closed IS NOT 0 AND NEW.closed = 0 AND NEW.opening <= OLD.opening",
        "A case that is opened again counts one opening more, so that it needs a new proof.",
    ),
    (
        "cases_reopened_alone",
        "UPDATE ON cases",
        "OLD.closed IS NOT 0 AND NEW.closed = 0 AND EXISTS (SELECT 1 FROM cases WHERE closed = 0"
        " AND platform = NEW.platform AND job = NEW.job AND id <> OLD.id)",
        "A job has one open case at a time.",
    ),
)
