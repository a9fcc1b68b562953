"""What the database itself refuses since revision 0002: a proof and a closed case without the events that say so.

Each holds only where the guards of 0001 let the statement through, so that exactly one of them speaks.
"""

from __future__ import annotations

from caseproof.store.migrations.guards import Guard

GUARDS: tuple[Guard, ...] = (
    Guard(
        "proofs_of_an_event",
        "INSERT ON proofs",
        "NOT EXISTS (SELECT 1 FROM proofs WHERE digest = NEW.digest)"
        " AND EXISTS (SELECT 1 FROM cases WHERE id = NEW.case_id AND opening = NEW.opening)"
        # The newest event of all, so it is of this opening.
        " AND NOT EXISTS (SELECT 1 FROM events WHERE case_id = NEW.case_id AND kind = 'proof_made'"
        " AND seq = (SELECT MAX(seq) FROM events WHERE case_id = NEW.case_id)"
        " AND {its_evidence} = {NEW_digest} AND {its_rule} = {NEW_rule})",
        "A proof is taken only with the event that made it, the newest of its case.",
    ),
    Guard(
        "cases_closed_by_event",
        "UPDATE ON cases",
        "NEW.closed {differs} {false}"
        " AND EXISTS (SELECT 1 FROM proofs WHERE digest = NEW.proof AND case_id = NEW.id AND opening = NEW.opening)"
        # Later words may follow the closing event, but no new opening.
        " AND NOT EXISTS (SELECT 1 FROM events WHERE case_id = NEW.id AND kind = 'closed' AND {its_proof} = {NEW_proof}"
        " AND seq > (SELECT MAX(seq) FROM events WHERE case_id = NEW.id AND kind IN ('opened', 'reopened')))",
        "A case is closed only after the event that closes it with this proof.",
    ),
)
