"""What Caseproof knows about a case, with the standard library alone. No clock: time is passed in.

The procedures that it carries are registered here.
"""

from caseproof.domain.job_failure.procedure import JOB_FAILURE
from caseproof.domain.procedure import register
from caseproof.domain.support.procedure import SUPPORT

register(JOB_FAILURE)
register(SUPPORT)
