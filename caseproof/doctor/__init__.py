"""Looks an installation over and says what is wrong, and what to do about it. Knows nothing of the Prefect library."""

from caseproof.doctor.examination import Failed, Finding, Outcome, Skipped
from caseproof.doctor.examine import Installation, examine
from caseproof.doctor.prefect import PrefectAccess, WantedDeployment

__all__ = ["Failed", "Finding", "Installation", "Outcome", "PrefectAccess", "Skipped", "WantedDeployment", "examine"]
