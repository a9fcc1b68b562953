"""The store: the one place where cases, intents, people, their messages and the embedded desk's tickets are kept."""

from caseproof.domain.vocabulary import Disposition
from caseproof.store.case_rows import CaseRow
from caseproof.store.cases import CaseRun
from caseproof.store.causes import ChosenCause
from caseproof.store.errors import (
    AlreadyOpen,
    ConcurrentChange,
    StoreDown,
    StoreError,
    UnknownCase,
    UnknownChoice,
    UnknownIncident,
)
from caseproof.store.evidence import EvidenceRow
from caseproof.store.incidents import IncidentRow, QuestionRow
from caseproof.store.intents import Claim
from caseproof.store.messages import MessageRow
from caseproof.store.owed import OwedRow
from caseproof.store.people import Contact
from caseproof.store.store import Store
from caseproof.store.together import CaseStore, Together, change_each
from caseproof.store.uow import UnitOfWork

__all__ = [
    "AlreadyOpen",
    "CaseRow",
    "CaseRun",
    "CaseStore",
    "ChosenCause",
    "Claim",
    "ConcurrentChange",
    "Contact",
    "Disposition",
    "EvidenceRow",
    "IncidentRow",
    "MessageRow",
    "OwedRow",
    "QuestionRow",
    "Store",
    "StoreDown",
    "StoreError",
    "Together",
    "UnitOfWork",
    "UnknownCase",
    "UnknownChoice",
    "UnknownIncident",
    "change_each",
]
