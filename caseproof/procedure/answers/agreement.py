"""J8: a word that something speaks against counts once somebody else than who brought it in says so; or it does not."""

from __future__ import annotations

from collections.abc import Sequence

from caseproof.domain.case import Case
from caseproof.domain.codes import MessageCode
from caseproof.domain.decisions import require_member
from caseproof.domain.errors import NotAllowed
from caseproof.domain.events import Event
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.people import same_person
from caseproof.procedure.core.message_words import why
from caseproof.procedure.core.parts import Ledger


def settle_doubts(
    ledger: Ledger, team: Sequence[str], ref: str, *, counts: bool, by: str, remark: str = "", question: int
) -> Case:
    """Take down whether the words above the question count in spite of what speaks against them.

    Who brought a word in can only take it back. Raises NotOnTheTeam, and NotAllowed where no such word stood there.
    """
    member = require_member(by, team)

    def events(now: Case) -> Sequence[Event]:
        if question in now.handled:  # two live runs of one case read the same answer
            return []
        shown = [word for word in now.doubted if word.seq < now.asked[question].seq]
        if not shown:
            raise NotAllowed("No word above waits for somebody to agree.", "Say what else becomes of the case.")
        if not counts:
            no = why(MessageCode.NOT_AGREED, by=member)
            return [
                ledger.event(
                    Kind.CONFIRMATION_REFUSED, member, sender=word["sender"], code=str(no.code),
                    why=f"{no.words}. {remark}".strip(" ."), evidence=word["evidence"], by_way_of=word["by_way_of"],
                    question=question,
                )
                for word in shown
            ]  # fmt: skip
        others = [word for word in shown if not same_person(word.actor, member)]
        if not others:
            raise NotAllowed(
                f"{member} brought in this word, and something speaks against it (J8).",
                "Let another member of the team say whether it counts; you can only take it back.",
            )
        more = {"remark": remark} if remark.strip() else {}
        return [
            ledger.event(
                Kind.WORD_AGREED, member, sender=word["sender"], evidence=word["evidence"], question=question, **more
            )
            for word in others
        ]

    return ledger.change(ref, events)
