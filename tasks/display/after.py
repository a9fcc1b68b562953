"""What follows emergencies, in the Prefect UI (E12): the timeline of each for its review, and which recordings exist.

Who reads here is known to nobody, so no recording's address stands here: the web app shows it to who may hear it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from caseproof.domain.emergency.paging import emergencies
from caseproof.domain.emergency.review import review_of
from caseproof.procedure.core.recordings import Entry, training_index
from caseproof.procedure.core.texts import plain
from caseproof.procedure.paging.review import in_markdown
from tasks.common import load_case, services
from tasks.display.tables import keep_table, keep_text

TRAINING = "caseproof-training"
_SHOWN = "training-shown"
"""Under which name the store notes what was shown last: a pass that brings nothing new asks Prefect nothing."""


def show_what_follows(reviews: Sequence[str]) -> None:
    """Show the timelines of these cases' emergencies, and the index. Raises StoreError."""
    for ref in dict.fromkeys(reviews):
        show_the_review(ref)
    show_the_training_index()


def show_the_review(ref: str) -> None:
    """The timeline of each emergency of a case that is over, as a page of its own."""
    case = load_case(ref)
    for number in range(1, emergencies(case) + 1):
        review = review_of(case, number)
        if review is not None and review.over is not None:
            above = f"The emergency of {ref}, for its review (E12). Everything about {ref}: {_case(ref)}"
            keep_text(f"{ref.lower()}-emergency-{number}", in_markdown(review), above)


def show_the_training_index() -> None:
    """Which recordings there are, of what, and who may hear them."""
    here = services()
    entries = training_index(here.store)
    rows = [_row(entry) for entry in entries]
    drawn = hashlib.sha256(json.dumps(rows).encode()).hexdigest()
    with here.store.reading() as uow:
        before = uow.cursors.get(_SHOWN)
    if (before is None and not rows) or (before is not None and before[0] == drawn):
        return
    page = f"{here.links.public}/training"
    above = (
        f"**{len(entries)} recordings for training** (E12). Where you may hear one, [the page]({page}) has its link."
    )
    if not keep_table(TRAINING, rows, above):
        return  # the next pass tries again
    with here.store.uow() as uow:
        uow.cursors.set(_SHOWN, drawn, here.clock())
        uow.commit()


def _row(entry: Entry) -> dict[str, Any]:
    return {
        "Topic": plain(entry.topic),
        "Product": plain(entry.product),
        "What was down": plain("; ".join(entry.criteria) or "no emergency"),
        "Who may hear it": plain(", ".join(entry.listeners)),
        "Kept until": entry.kept_until.isoformat(),
        "Case": f"[{entry.ref}]({_case(entry.ref)})",
    }


def _case(ref: str) -> str:
    return f"{services().links.case_url(ref)}/after"
