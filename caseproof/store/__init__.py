"""The store: the one place where cases, intents, people and the embedded desk's tickets are kept."""

from caseproof.store.cases import CaseRow, CaseRun
from caseproof.store.errors import AlreadyOpen, ConcurrentChange, StoreDown, StoreError, UnknownCase
from caseproof.store.evidence import EvidenceRow
from caseproof.store.intents import Claim
from caseproof.store.people import Contact
from caseproof.store.store import Store
from caseproof.store.unit import UnitOfWork

__all__ = [
    "AlreadyOpen",
    "CaseRow",
    "CaseRun",
    "Claim",
    "ConcurrentChange",
    "Contact",
    "EvidenceRow",
    "Store",
    "StoreDown",
    "StoreError",
    "UnitOfWork",
    "UnknownCase",
]
