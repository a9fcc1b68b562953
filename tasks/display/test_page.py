"""The report of the newest test page: a page that is kept, and a table in the Prefect UI, each where it changed."""

from __future__ import annotations

import hashlib
import json

from caseproof.procedure.core.texts import plain
from caseproof.procedure.paging.trial_answers import standing
from caseproof.procedure.views.test_page import keep_test_page, report_of
from tasks.common import services
from tasks.display.tables import keep_table

TEST_PAGE = "caseproof-test-page"
"""The key of the table in Prefect."""
_SHOWN = "test-page-shown"


def show_the_test_page() -> bool:
    """Show what came of the newest test page; gives whether anything changed. Raises StoreError, ReportNotKept."""
    here = services()
    tried = standing(here.store)
    if not tried:
        return False
    report = report_of(here.policy, tried, tried[0].month)
    address = keep_test_page(here.settings.home_folder, here.links, report)
    # Numbers and addresses stand on the page alone.
    rows = [{"Person": plain(one.person), "By": one.way, "What came of it": plain(one.found)} for one in report.rows]
    above = f"**{report.title}.** {plain(report.says)} [All of it]({address})"
    drawn = hashlib.sha256(json.dumps([rows, above]).encode()).hexdigest()
    with here.store.reading() as uow:
        before = uow.cursors.get(_SHOWN)
    if (before is not None and before[0] == drawn) or not keep_table(TEST_PAGE, rows, above):
        return False
    with here.store.uow() as uow:
        uow.cursors.set(_SHOWN, drawn, here.clock())
        uow.commit()
    return True
