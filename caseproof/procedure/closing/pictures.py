"""J7, J8: a picture that a person uploads where no page of the run can be photographed, and somebody else confirms."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence

from caseproof.config.policy import ClosingPolicy
from caseproof.domain.case import Case, FactOf
from caseproof.domain.codes import Code
from caseproof.domain.decisions import require_member
from caseproof.domain.errors import BadInput, CaseproofError, NotAllowed
from caseproof.domain.events import Event
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.job_failure.pictures import (
    FOR_GOOD,
    kind_of_picture,
    may_be_uploaded,
    shows,
    waiting_picture,
    why_no_page,
)
from caseproof.domain.job_failure.procedure import require_job_failure
from caseproof.domain.payloads import PictureUploaded
from caseproof.domain.people import same_person
from caseproof.domain.vocabulary import Picture
from caseproof.evidence.screenshot import thumbnail
from caseproof.evidence.uploaded_picture import as_kept
from caseproof.http.redaction import redact
from caseproof.procedure.core.parts import US, EvidenceFiles, Ledger, Links

LONGEST_SAYS = 1000
"""How many characters may be said of a picture."""


class PictureUnwanted(CaseproofError):
    """The policy takes no picture of the kind that the case has, any more."""

    code = Code.PICTURE_UNWANTED

    def __init__(self, case: Case, links: Links, what: str, entry: str) -> None:
        super().__init__(
            f"J7: the picture of {case.ref} is {what}, and the policy takes none any more (closing.{entry}).",
            f"Take it back ({picture_url(links, case)}) and have the run's own page photographed; or who answers for "
            "the policy allows it again.",
        )


class PictureWaits(CaseproofError):
    """A picture that a person uploaded waits for somebody else's eyes."""

    code = Code.PICTURE_WAITS


def refuse_while_waiting(case: Case, links: Links) -> None:
    """Raise PictureWaits while an uploaded picture of the run waits for somebody else's eyes."""
    waiting = waiting_picture(case)
    if waiting is not None:
        raise PictureWaits(
            f"A picture of the run waits for somebody else's eyes: {waiting.actor} uploaded it.",
            f"Somebody else than {waiting.actor} looks at it, and confirms or refuses it: {picture_url(links, case)}",
        )


def picture_url(links: Links, case: Case) -> str:
    """Where a picture is uploaded, and looked at."""
    return f"{links.case_url(case.ref)}/picture"


def refuse_unwanted(case: Case, policy: ClosingPolicy, links: Links) -> None:
    """Raise PictureUnwanted where the policy, as it is now, takes no picture of this kind (J7)."""
    kind = kind_of_picture(case)
    if case.photo is None or case.is_closed:
        return
    if kind is Picture.UPLOADED and not policy.uploaded_pictures:
        raise PictureUnwanted(case, links, "uploaded by a person", "uploaded_pictures")
    if kind is Picture.RENDERED and not policy.rendered_pages:
        raise PictureUnwanted(case, links, f"of {kind.page}", "rendered_pages")


def offer_upload(problem: CaseproofError, policy: ClosingPolicy, links: Links, case: Case) -> None:
    """Add to why a run's page could not be photographed that a picture may be uploaded, where that is so."""
    if policy.uploaded_pictures and problem.code in FOR_GOOD:
        problem.offer(f"Or upload a picture of it, for somebody else to confirm: {picture_url(links, case)}")


def upload_picture(
    ledger: Ledger, files: EvidenceFiles, policy: ClosingPolicy, team: Collection[str], ref: str, content: bytes, *,
    run: str, says: str, by: str, known_by: str,
) -> Case:  # fmt: skip
    """Keep a picture of the case's verified run, for somebody else to confirm; a later one takes its place.

    ``run`` is the run's id or name as whoever uploads it reads it in the picture, ``says`` where it was seen. Raises
    NotOnTheTeam, NotAllowed where the policy or the case allows none, and BadInput for what is no picture.
    """
    member = require_member(by, team)
    case = ledger.case(ref)
    require_job_failure(case)
    _refuse_by_policy(policy)
    if not may_be_uploaded(case):
        raise NotAllowed(
            f"J7: the picture of {case.ref} is one of the run's own page, as long as that can be photographed.",
            "Let the case's run take the picture; one is uploaded where the platform has no such page.",
        )
    _refuse_other_run(case, run)
    if not says.strip() or len(says) > LONGEST_SAYS:
        raise BadInput(
            f"It is not said where the picture was taken, or in more than {LONGEST_SAYS} characters.",
            "Say which page or window it shows, in a sentence.",
        )
    png = as_kept(content)
    _refuse_of_another_case(ledger, case.ref, hashlib.sha256(png).hexdigest())
    digest = files.keep(case.ref, png, f"uploaded-{case.attempt}.png", "image/png")
    small = files.keep(case.ref, thumbnail(png), f"uploaded-{case.attempt}-small.png", "image/png")

    def events(now: Case) -> Sequence[Event]:
        shown = now.verified["run"] if now.verified is not None else ""
        if case.verified is None or shown != case.verified["run"]:  # another run was made meanwhile
            shown = ""
        return [
            ledger.event(
                Kind.PICTURE_UPLOADED, member, run=shown, evidence=digest, thumbnail=small, says=redact(says.strip()),
                why=why_no_page(now), known_by=known_by,
            )
        ]  # fmt: skip

    return ledger.change(case.ref, events)


def confirm_picture(
    ledger: Ledger, policy: ClosingPolicy, team: Collection[str], ref: str, *, evidence: str, by: str, known_by: str
) -> Case:
    """Say that the uploaded picture of this digest shows the run and its success; the case goes on with it.

    Raises NotOnTheTeam, and NotAllowed where no such picture waits, or whoever uploaded it is asked.
    """
    member = require_member(by, team)
    _refuse_of_another_case(ledger, ref, evidence)

    def events(now: Case) -> Sequence[Event]:
        waiting = _shown(now, evidence)
        _refuse_by_policy(policy)
        return [
            ledger.event(
                Kind.PICTURE_CONFIRMED, member, run=waiting["run"], taken_at=waiting.at.isoformat(), evidence=evidence,
                thumbnail=waiting["thumbnail"], names_run=True, names_success=True,
                url=str(now.verified.get("url") or "") if now.verified is not None else "",
                uploaded_by=waiting.actor, why=waiting["why"], known_by=known_by,
            )
        ]  # fmt: skip

    return ledger.change(ref, events)


def refuse_uploaded(
    ledger: Ledger, team: Collection[str], ref: str, *, evidence: str, why: str, by: str, known_by: str
) -> Case:
    """Say that the uploaded picture of this digest does not count, and why; whoever uploaded it takes it back so.

    Raises NotOnTheTeam, BadInput, and NotAllowed where no such picture waits.
    """
    member = require_member(by, team)
    _refuse_without_reason(why, "Refusing a picture")

    def events(now: Case) -> Sequence[Event]:
        waiting = _shown(now, evidence)
        return [
            ledger.event(
                Kind.PICTURE_REFUSED, member, run=waiting["run"], evidence=evidence, why=redact(why.strip()),
                known_by=known_by,
            )
        ]  # fmt: skip

    return ledger.change(ref, events)


def take_back(
    ledger: Ledger, team: Collection[str], leads: Collection[str], ref: str, *, evidence: str, why: str, by: str,
    known_by: str,
) -> Case:  # fmt: skip
    """Say that the picture in force, of this digest, counts no more after all, and why; the case needs another one.

    Whoever uploaded or confirmed it may, and the ``leads``; where there are none, everybody on the team. Raises
    NotOnTheTeam, BadInput, and NotAllowed where there is no such picture, or somebody else is asked.
    """
    member = require_member(by, team)
    _refuse_without_reason(why, "Taking a picture back")

    def events(now: Case) -> Sequence[Event]:
        photo = now.photo
        run = photo["run"] if photo is not None else ""
        theirs = [fact.actor for fact in (photo, now.uploaded) if fact is not None]
        if leads and not any(same_person(member, one) for one in (*theirs, *leads)):
            raise NotAllowed(
                f"J7: whoever uploaded or confirmed the picture of {now.ref} takes it back, or a lead.",
                f"Ask one of {', '.join(sorted({*theirs, *leads} - {US}))}; or send the case back in the review.",
            )
        return [
            ledger.event(
                Kind.PICTURE_TAKEN_BACK, member, run=run, evidence=evidence, why=redact(why.strip()), known_by=known_by
            )
        ]

    return ledger.change(ref, events)


def _refuse_without_reason(why: str, what: str) -> None:
    if not why.strip() or len(why) > LONGEST_SAYS:
        raise BadInput(
            f"{what} needs a reason of at most {LONGEST_SAYS} characters.", "Say in a sentence what it does not show."
        )


def _refuse_of_another_case(ledger: Ledger, ref: str, evidence: str) -> None:
    """One picture shows one run: whoever has it for two cases at once chose the wrong file for one of them."""
    with ledger.store.reading() as uow:
        others = [one for one in uow.evidence.cases_with(evidence) if one != ref]
        other = next((one for one in others if shows(uow.cases.get(one), evidence)), None)
    if other is not None:
        raise NotAllowed(
            f"J7: this very picture is the one of {other}, and one picture shows one run.",
            f"Choose the picture of this case's run; where {other}'s is wrong, let it be refused or taken back there.",
        )


def _refuse_by_policy(policy: ClosingPolicy) -> None:
    if not policy.uploaded_pictures:
        raise NotAllowed(
            "The policy lets no uploaded picture count (closing.uploaded_pictures).",
            "Have the run's page photographed, or change the policy.",
        )


def _refuse_other_run(case: Case, run: str) -> None:
    verified = case.verified
    known = [] if verified is None else [str(verified["run"]), str(verified.get("name") or "")]
    if not run.strip() or run.strip() not in known:
        name = next((one for one in reversed(known) if one), "none")
        raise BadInput(
            f"The picture is said to show the run '{run.strip()[:100]}', and the run that was read back is '{name}'.",
            "Take a picture of that run, and type its name or id as the picture shows it.",
        )


def _shown(case: Case, evidence: str) -> FactOf[PictureUploaded]:
    waiting = waiting_picture(case)
    if waiting is None or waiting["evidence"] != evidence:
        raise NotAllowed(
            f"J7: the picture that you saw waits in {case.ref} no more.",
            "Load the page again: it shows the one that does, if any.",
        )
    return waiting
