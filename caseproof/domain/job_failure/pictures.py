"""The picture of the run that succeeded (J7, J8): its kind, and when one that a person uploads may take its place.

Where no page of the run can be photographed, a person uploads a picture and says which run it shows; it counts once
somebody else, who is logged in as they are, has confirmed it. The run itself is read back from the platform all the
same (J11): no picture is in the place of that.
"""

from __future__ import annotations

from caseproof.domain import payloads as says
from caseproof.domain.case import Case, Fact, FactOf
from caseproof.domain.codes import Code, StepName, trouble_code
from caseproof.domain.errors import NotAllowed
from caseproof.domain.events import Event
from caseproof.domain.people import same_person
from caseproof.domain.vocabulary import BY_LOGIN, Picture

FOR_GOOD = frozenset({Code.PLATFORM_CANNOT, Code.RENDERED_PAGE})
"""Why no page of a run can be photographed, where trying again is no use: the platform has none, as its client
declares. Whatever else goes wrong passes: a browser is installed, a log-in renewed, a server comes back (J7)."""


def kind_of_picture(case: Case) -> Picture:
    """What the picture in force is of; a case without one has its own page before it."""
    if case.photo is not None and case.photo.says(says.PictureConfirmed) is not None:
        return Picture.UPLOADED
    if case.photo is not None and case.photo.get("of") == Picture.RENDERED:
        return Picture.RENDERED
    return Picture.OWN_PAGE


def why_no_page(case: Case, before: int | None = None) -> str:
    """Why no page of the verified run can be photographed; "" where that is not known (J11).

    ``before`` is the number of an event: what is known only after it does not count.
    """
    if case.verified is None:
        return ""
    events = list(enumerate(case.events, 1))[case.verified.seq : before]
    if any(e.data.get("code") == Code.SHOWS_ANOTHER_STATE for _, e in events if e.says(says.PhotoRefused) is not None):
        return ""
    troubles = [told for _, e in events if (told := e.says(says.Trouble)) is not None]
    photos = [told for told in troubles if told["step"] == StepName.PHOTOGRAPH_THE_RUN]
    return next((str(told["problem"]) for told in reversed(photos) if trouble_code(told) in FOR_GOOD), "")


def may_be_uploaded(case: Case) -> bool:
    """Whether a picture of the verified run may be uploaded now."""
    return case.photo is None and not case.is_closed and why_no_page(case) != ""


def waiting_picture(case: Case) -> FactOf[says.PictureUploaded] | None:
    """The uploaded picture that waits for somebody else's eyes."""
    return case.uploaded if case.photo is None and case.verified is not None else None


def shows(case: Case, evidence: str) -> bool:
    """Whether somebody uploaded this very picture to the case, and nobody refused it or took it back since."""
    said: list[Fact] = [
        fact
        for payload in (says.PictureUploaded, says.PictureConfirmed, says.PictureRefused, says.PictureTakenBack)
        for fact in case.all_of(payload)
        if fact["evidence"] == evidence
    ]
    last = max(said, key=lambda fact: fact.seq, default=None)
    return last is not None and last.says(says.PictureRefused) is None and last.says(says.PictureTakenBack) is None


def is_of_two(case: Case, confirmed: FactOf[says.Photographed | says.PictureConfirmed]) -> bool:
    """Whether one person uploaded this very picture, where no page could be photographed, and another confirmed it."""
    uploaded = case.uploaded
    if uploaded is None or uploaded.seq > confirmed.seq or not why_no_page(case, uploaded.seq):
        return False
    same = all(uploaded[name] == confirmed[name] for name in ("run", "evidence"))
    logged_in = uploaded.get("known_by") == confirmed.get("known_by") == BY_LOGIN
    return same and logged_in and not same_person(uploaded.actor, confirmed.actor)


def refuse_picture(case: Case, event: Event) -> None:
    """Raise NotAllowed for an upload where a page can be photographed, or a word on it that is not somebody else's."""
    if (uploaded := event.says(says.PictureUploaded)) is not None:
        _refuse_upload(case, event, uploaded)
    for payload in (says.PictureConfirmed, says.PictureRefused):
        if event.says(payload) is not None:
            _refuse_word(case, event, confirms=payload is says.PictureConfirmed)
    if event.says(says.PictureTakenBack) is not None:
        _refuse_taking_back(case, event)


def _refuse_upload(case: Case, event: Event, uploaded: says.PictureUploaded) -> None:
    if not may_be_uploaded(case):
        raise NotAllowed(
            f"J7: the picture of {case.ref} is one of the run's own page, as long as that can be photographed.",
            "Let the case's run take the picture; one is uploaded where the platform has no such page.",
        )
    if case.verified is None or uploaded["run"] != case.verified["run"]:
        raise NotAllowed(
            f"J10: the run that was read back for {case.ref} is another than this picture is said to show.",
            "Upload a picture of the run that the case names.",
        )
    if any(fact["evidence"] == uploaded["evidence"] for fact in _of_other_runs(case, uploaded["run"])):
        raise NotAllowed(
            f"J7: {case.ref} has this very picture already, of another run.",
            "Upload a picture of the run that the case names now.",
        )
    _refuse_unknown(event)


def _of_other_runs(case: Case, run: str) -> list[Fact]:
    before: list[Fact] = [*case.all_of(says.PictureUploaded), *case.all_of(says.Photographed)]
    return [fact for fact in before if fact["run"] != run]


def _refuse_word(case: Case, event: Event, *, confirms: bool) -> None:
    waiting = waiting_picture(case)
    if waiting is None or any(waiting[name] != event.data[name] for name in ("run", "evidence")):
        raise NotAllowed(
            f"J7: no such picture waits in {case.ref} for somebody else's eyes.",
            "Load the page again: it shows the one that does.",
        )
    _refuse_unknown(event)
    if confirms and same_person(waiting.actor, event.actor):
        raise NotAllowed(
            f"J7: {event.actor} uploaded this picture, so somebody else has to confirm it.",
            "Let another member of the team look at it; you can only take it back.",
        )


def may_be_taken_back(case: Case) -> bool:
    """Whether the picture in force is one that people may take back: not that of the run's own page."""
    return case.photo is not None and not case.is_closed and kind_of_picture(case) is not Picture.OWN_PAGE


def _refuse_taking_back(case: Case, event: Event) -> None:
    photo = case.photo
    if photo is None or any(photo[name] != event.data[name] for name in ("run", "evidence")):
        raise NotAllowed(
            f"J7: the picture that you saw counts in {case.ref} no more.",
            "Load the page again: it shows the one that does.",
        )
    if not may_be_taken_back(case):
        raise NotAllowed(
            f"J7: the picture of {case.ref} is one of the run's own page, which Caseproof took.",
            "If it does not show what it should, send the case back in the review.",
        )
    _refuse_unknown(event)


def _refuse_unknown(event: Event) -> None:
    if event.data.get("known_by") != BY_LOGIN:
        raise NotAllowed(
            "J7: pictures are uploaded, confirmed and taken back by people who are logged in.",
            "Do it on the case's page in the web app.",
        )


# -- what the conditions of closing and the proof say ------------------------------------------------------------


def of_another_kind(case: Case) -> str:
    """What holds of a picture in the place of what holds of one of the run's own page; "" of such a one."""
    photo = case.photo
    if photo is not None and kind_of_picture(case) is Picture.RENDERED:
        return (
            "The platform has no page of that run. One that Caseproof rendered from what the platform told was "
            "photographed after it ended and shows its success, and the policy takes such a picture."
        )
    if photo is None or kind_of_picture(case) is not Picture.UPLOADED or case.uploaded is None:
        return ""
    return (
        f"A picture that {case.uploaded.actor} uploaded, because no page of that run can be photographed, was "
        f"confirmed by {photo.actor} to show that run and its success."
    )


def what_waits(case: Case) -> tuple[str, str] | None:
    """What is missing and the next action, where no page of the run can be photographed."""
    waiting = waiting_picture(case)
    if waiting is not None:
        return (
            f"A picture of that run waits for somebody else's eyes: {waiting.actor} uploaded it.",
            f"Somebody else than {waiting.actor} looks at it on the case's page, and confirms or refuses it.",
        )
    if may_be_uploaded(case):
        return (
            "There is no picture of that run: no page of it can be photographed.",
            "Upload one on the case's page, for somebody else to confirm, if the policy allows that "
            "(closing.uploaded_pictures); or put right why the page cannot be photographed.",
        )
    return None


def claims_of(case: Case) -> dict[str, object]:
    """What the proof says of a picture that is not of the run's own page; nothing of one that is."""
    photo, uploaded = case.photo, case.uploaded
    if photo is not None and kind_of_picture(case) is Picture.RENDERED:
        return {"picture": {"kind": str(Picture.RENDERED), "run": photo["run"], "sha256": photo["evidence"]}}
    if photo is None or uploaded is None or kind_of_picture(case) is not Picture.UPLOADED:
        return {}
    by = {
        what: {"by": fact.actor, "at": fact.at.isoformat(), "known_by": fact.get("known_by")}
        for what, fact in (("uploaded", uploaded), ("confirmed", photo))
    }
    said = {"run": uploaded["run"], "sha256": uploaded["evidence"], "says": uploaded["says"], "why": uploaded["why"]}
    return {"picture": {"kind": str(Picture.UPLOADED), **said, **by}}
