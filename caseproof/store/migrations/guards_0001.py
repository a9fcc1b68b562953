"""What the database itself refuses since revision 0001; ``guards`` says how it is written down."""

from __future__ import annotations

from caseproof.store.migrations.guards import Guard

# A proof of this case, made since it was last opened.
_PROVEN = "EXISTS (SELECT 1 FROM proofs WHERE digest = NEW.proof AND case_id = NEW.id AND opening = NEW.opening)"

GUARDS: tuple[Guard, ...] = (
    Guard("events_unchanged", "UPDATE ON events", "", "An event is never changed."),
    Guard("events_kept", "DELETE ON events", "", "An event is never deleted."),
    Guard(
        "events_of_a_case",
        "INSERT ON events",
        "NOT EXISTS (SELECT 1 FROM cases WHERE id = NEW.case_id)",
        "An event belongs to a case that exists.",
    ),
    Guard(
        "events_in_order",
        "INSERT ON events",
        "NEW.seq {differs} (SELECT COALESCE(MAX(seq), 0) + 1 FROM events WHERE case_id = NEW.case_id)",
        "An event takes the next number of its case, and none is replaced.",
    ),
    Guard(
        "events_closed_with_proof",
        "INSERT ON events",
        "NEW.kind = 'closed' AND NOT EXISTS (SELECT 1 FROM proofs JOIN cases ON cases.id = proofs.case_id"
        " WHERE cases.id = NEW.case_id AND proofs.opening = cases.opening"
        " AND {digest} = {new_proof})",
        "A case is closed only with a proof of its own, made since it was last opened.",
    ),
    Guard(
        "events_proof_used_once",
        "INSERT ON events",
        "NEW.kind = 'closed' AND EXISTS (SELECT 1 FROM events WHERE case_id = NEW.case_id AND kind = 'closed'"
        " AND {its_proof} = {new_proof})",
        "A proof closes a case once.",
    ),
    Guard("events_not_truncated", "TRUNCATE ON events", "", "An event is never deleted.", only="postgresql"),
    Guard("proofs_unchanged", "UPDATE ON proofs", "", "A proof is never changed."),
    Guard("proofs_kept", "DELETE ON proofs", "", "A proof is never deleted."),
    Guard("proofs_not_truncated", "TRUNCATE ON proofs", "", "A proof is never deleted.", only="postgresql"),
    Guard(
        "proofs_not_replaced",
        "INSERT ON proofs",
        "EXISTS (SELECT 1 FROM proofs WHERE digest = NEW.digest)",
        "A proof is taken once and never replaced.",
    ),
    Guard(
        "proofs_of_this_opening",
        "INSERT ON proofs",
        "NOT EXISTS (SELECT 1 FROM cases WHERE id = NEW.case_id AND opening = NEW.opening)",
        "A proof belongs to a case, as it was last opened.",
    ),
    Guard("cases_kept", "DELETE ON cases", "", "A case is never deleted."),
    Guard("cases_not_truncated", "TRUNCATE ON cases", "", "A case is never deleted.", only="postgresql"),
    Guard(
        "cases_not_replaced",
        "INSERT ON cases",
        "EXISTS (SELECT 1 FROM cases WHERE id = NEW.id OR (NEW.closed = {false} AND closed = {false}"
        " AND platform = NEW.platform AND job = NEW.job))",
        "A case is never replaced, and a job has one open case at a time.",
    ),
    Guard(
        "cases_numbered",
        "INSERT ON cases",
        "NEW.ref IS NOT NULL",
        "A case gets its reference from its number.",
    ),
    Guard(
        "cases_inserted_closed",
        "INSERT ON cases",
        f"NEW.closed {{differs}} {{false}} AND NOT {_PROVEN}",
        "A case is closed only with a proof of its own, made since it was last opened.",
    ),
    Guard(
        "cases_closed_with_proof",
        "UPDATE ON cases",
        f"NEW.closed {{differs}} {{false}} AND NOT {_PROVEN}",
        "A case is closed only with a proof of its own, made since it was last opened.",
    ),
    Guard(
        "cases_same_job",
        "UPDATE ON cases",
        "NEW.id {differs} OLD.id OR NEW.platform {differs} OLD.platform OR NEW.job {differs} OLD.job"
        " OR NEW.ref {differs} {own_ref}",
        "A case keeps its reference, its platform and its job.",
    ),
    Guard(
        "cases_opening_grows",
        "UPDATE ON cases",
        "NEW.opening < OLD.opening",
        "The count of openings never goes back.",
    ),
    Guard(
        "cases_reopened_anew",
        "UPDATE ON cases",
        "OLD.closed {differs} {false} AND NEW.closed = {false} AND NEW.opening <= OLD.opening",
        "A case that is opened again counts one opening more, so that it needs a new proof.",
    ),
    Guard(
        "cases_reopened_alone",
        "UPDATE ON cases",
        "OLD.closed {differs} {false} AND NEW.closed = {false} AND EXISTS (SELECT 1 FROM cases WHERE closed = {false}"
        " AND platform = NEW.platform AND job = NEW.job AND id <> OLD.id)",
        "A job has one open case at a time.",
    ),
)
