"""A picture that a person uploads where no page of the run can be photographed, and another person confirms (J7)."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from PIL import Image, ImageDraw

from caseproof.config.policy import ClosingPolicy
from caseproof.domain.closure import closure_blockers
from caseproof.domain.codes import Code
from caseproof.domain.errors import BadInput, CaseproofError, NotAllowed
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.job_failure.lifecycle import State
from caseproof.domain.vocabulary import BY_FORM, BY_LOGIN
from caseproof.evidence.proof import verify_proof
from caseproof.evidence.screenshot import NotTheRun, ScreenshotFailed
from caseproof.evidence.uploaded_picture import as_kept
from caseproof.platforms.abilities import Ability, Lack, all_but
from caseproof.platforms.base import PlatformCannot, PlatformRefused
from caseproof.procedure.closing.deciding import review
from caseproof.procedure.closing.pictures import (
    PictureUnwanted,
    PictureWaits,
    confirm_picture,
    refuse_uploaded,
    take_back,
    upload_picture,
)
from tests.support.fakes import FAKE_ABILITIES
from tests.support.world import DECIDER, REVIEWER, World

NO_PAGE = Lack("It shows its deliveries to nobody.", "A person shows a picture of the receiver's record.")
SHOP = all_but(Ability, {Ability.PAGE: NO_PAGE, Ability.RENDERED: NO_PAGE})


def picture(text: str = "otter-run-1 Succeeded", kind: str = "PNG", size: tuple[int, int] = (640, 480)) -> bytes:
    image = Image.new("RGB", size, "white")
    ImageDraw.Draw(image).text((30, 30), text, fill="black", font_size=24)
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


@pytest.fixture
def ref(world: World) -> str:
    """A case whose run was read back, on a platform that declares that it shows no page of it."""
    return stuck(world)


def stuck(world: World) -> str:
    world.platform.abilities = SHOP
    made = world.open()
    with pytest.raises(PlatformCannot, match="shows its deliveries to nobody"):
        world.walk(made)
    return made


def upload(world: World, ref: str, content: bytes | None = None, *, by: str = DECIDER, **more: Any) -> str:
    here = world.services
    asked = {"run": "otter-run-1", "says": "The receiver's list of deliveries.", "known_by": BY_LOGIN} | more
    case = upload_picture(
        here.ledger, here.files, here.policy.closing, here.policy.team, ref, picture() if content is None else content,
        by=by, **asked,
    )  # fmt: skip
    assert case.uploaded is not None
    return str(case.uploaded["evidence"])


def confirm(world: World, ref: str, evidence: str, by: str = REVIEWER, known_by: str = BY_LOGIN) -> None:
    here = world.services
    closing, team = here.policy.closing, here.policy.team
    confirm_picture(here.ledger, closing, team, ref, evidence=evidence, by=by, known_by=known_by)


def refuse(world: World, ref: str, evidence: str, by: str = REVIEWER) -> None:
    here = world.services
    refuse_uploaded(
        here.ledger, here.policy.team, ref, evidence=evidence, why="It shows a test shop.", by=by, known_by=BY_LOGIN
    )


def no(call: Callable[[], object], *said: str, kind: type[CaseproofError] = NotAllowed) -> None:
    with pytest.raises(kind) as caught:
        call()
    for words in said:
        assert words in str(caught.value)


def blocker(world: World, ref: str) -> str:
    return next(f"{b.missing} {b.next_action}" for b in closure_blockers(world.case(ref)) if b.code == "pictured")


def test_where_no_page_can_be_photographed_a_confirmed_upload_closes_the_case_and_the_proof_and_ticket_say_so(
    world: World, ref: str
) -> None:
    trouble = world.case(ref).trouble
    assert trouble is not None
    assert (trouble["code"], f"/cases/{ref}/picture" in trouble["next_action"]) == (Code.PLATFORM_CANNOT, True)
    assert "no page of it can be photographed" in blocker(world, ref)

    evidence = upload(world, ref)
    assert f"{DECIDER} uploaded it" in blocker(world, ref)
    with pytest.raises(PictureWaits, match="somebody else's eyes"):
        world.walk(ref)
    assert world.case(ref).state is State.VERIFIED, "nothing goes on before somebody else looked"

    confirm(world, ref, evidence)
    case = world.walk(ref)
    assert case.is_closed
    assert world.count(ref, Kind.PHOTOGRAPHED) == 0
    assert f"{ref}-successful-run-1-uploaded.png" in world.attachments(ref)
    assert case.ticket is not None
    comments = " ".join(one.text for one in world.desk.comments(case.ticket["ticket"]))
    assert f"uploaded by {DECIDER} and confirmed by {REVIEWER}" in comments

    proof = json.loads(world.proof(ref).read_bytes())
    assert f"Its picture was uploaded by {DECIDER} and confirmed by {REVIEWER}." in proof["statement"]
    kind = proof["picture"]
    assert (kind["kind"], kind["uploaded"]["by"], kind["confirmed"]["by"]) == ("uploaded", DECIDER, REVIEWER)
    assert kind["sha256"] == evidence in {file["sha256"] for file in proof["files"]}
    [pictured] = [one["holds"] for one in proof["conditions"] if one["code"] == "pictured"]
    assert "own page" not in pictured
    assert f"{DECIDER} uploaded" in pictured
    assert [check for check in verify_proof(world.proof(ref)) if not check.ok] == []


def test_a_proof_that_calls_an_upload_another_kind_of_picture_does_not_hold(world: World, ref: str) -> None:
    confirm(world, ref, upload(world, ref))
    world.walk(ref)
    path = world.proof(ref)
    proof = json.loads(path.read_bytes())
    del proof["picture"]
    forged = path.with_name("forged.json")
    forged.write_bytes((json.dumps(proof, indent=2, ensure_ascii=False) + "\n").encode())
    assert any(not check.ok for check in verify_proof(forged))


def test_a_proof_of_a_run_s_own_page_says_nothing_of_kinds_as_those_of_before(world: World) -> None:
    proof = json.loads(world.proof(world.closed()).read_bytes())
    assert "picture" not in proof
    assert "Its picture" not in proof["statement"]


def test_nobody_confirms_what_they_uploaded_however_they_write_their_name(world: World, ref: str) -> None:
    evidence = upload(world, ref)
    no(lambda: confirm(world, ref, evidence, by=DECIDER), "uploaded this picture", "somebody else")
    no(lambda: confirm(world, ref, evidence, by=" OPERATOR "), "uploaded this picture")
    no(lambda: confirm(world, ref, evidence, known_by=BY_FORM), "logged in")
    no(lambda: confirm(world, ref, evidence, by="a stranger"), "a stranger", kind=CaseproofError)
    no(lambda: confirm(world, ref, "0" * 64), "waits in", "no more")
    assert world.case(ref).photo is None


def test_a_refused_picture_counts_no_more_and_another_one_may_come(world: World, ref: str) -> None:
    first = upload(world, ref)
    refuse(world, ref, first)
    no(lambda: confirm(world, ref, first), "no more")
    second = upload(world, ref, picture("otter-run-1 Succeeded, the right shop"), by=REVIEWER)
    no(lambda: confirm(world, ref, second, by=REVIEWER), "somebody else")
    refuse(world, ref, second, by=REVIEWER)  # whoever uploaded it may take it back
    third = upload(world, ref)
    confirm(world, ref, third, by=REVIEWER)
    no(lambda: upload(world, ref), "own page")
    assert world.walk(ref).is_closed


def test_a_newer_upload_takes_the_place_of_the_one_that_waits(world: World, ref: str) -> None:
    first = upload(world, ref)
    second = upload(world, ref, picture("otter-run-1 Succeeded, clearer"))
    no(lambda: confirm(world, ref, first), "no more")
    confirm(world, ref, second)


def test_a_picture_says_which_run_it_shows_and_is_void_once_another_run_is_made(world: World, ref: str) -> None:
    for run in ("", "otter-run-2", "otter"):
        no(lambda run=run: upload(world, ref, run=run), "otter-run-1", kind=BadInput)  # type: ignore[misc]
    no(lambda: upload(world, ref, says=" "), "where the picture was taken", kind=BadInput)
    evidence = upload(world, ref, run="run-1")
    world.services.ledger.record(ref, Kind.FAILED_AGAIN, run="run-7", why="It failed again.")
    assert world.case(ref).uploaded is None
    no(lambda: confirm(world, ref, evidence), "no more")
    no(lambda: upload(world, ref), "own page")
    with pytest.raises(PlatformCannot):
        world.walk(ref)
    verified = world.case(ref).verified
    assert verified is not None
    again: dict[str, Any] = {"run": str(verified["run"])}
    no(lambda: upload(world, ref, **again), "this very picture", "another run")
    confirm(world, ref, upload(world, ref, picture("the new run Succeeded"), **again))
    assert world.walk(ref).is_closed


def test_no_picture_is_uploaded_while_the_page_may_be_photographed(world: World) -> None:
    ref = world.open()
    no(lambda: upload(world, ref), "own page")
    world.walk(ref, until="live")
    no(lambda: upload(world, ref), "own page")
    world.walk(ref, until="photo")
    no(lambda: upload(world, ref), "own page")
    assert world.walk(ref).is_closed


def test_a_page_that_shows_another_state_is_outweighed_by_no_upload(world: World) -> None:
    ref = world.open()
    world.walk(ref, until="live")
    world.camera.says = ("otter-run-1", "run-1", "Failed")
    with pytest.raises(NotTheRun, match="not as"):
        world.walk(ref)
    assert "upload" not in (world.case(ref).trouble or {"next_action": ""})["next_action"]
    no(lambda: upload(world, ref), "own page")
    world.camera.says = ("Please log in",)
    with pytest.raises(NotTheRun):
        world.walk(ref)
    no(lambda: upload(world, ref), "own page")


@pytest.mark.parametrize("error", [ScreenshotFailed, PlatformRefused])
def test_what_passes_offers_no_upload_and_the_page_comes_after_all(world: World, error: type[CaseproofError]) -> None:
    ref, camera = world.open(), world.camera
    world.walk(ref, until="live")
    camera.says = ("Please log in",)
    with pytest.raises(NotTheRun):
        world.walk(ref)

    def broken(_: Any) -> Any:
        raise error("The page never loads.", "Look at it.")

    world.camera = broken  # type: ignore[assignment]
    with pytest.raises(error) as raised:
        world.walk(ref)
    assert "upload" not in raised.value.next_action
    no(lambda: upload(world, ref), "own page")
    camera.says, world.camera = None, camera
    assert world.walk(ref).is_closed


def test_the_policy_may_switch_it_off_also_between_the_upload_and_the_confirmation(
    make_world: Callable[..., World],
) -> None:
    off = make_world(closing={"uploaded_pictures": False})
    ref = stuck(off)
    assert "upload" not in (off.case(ref).trouble or {"next_action": ""})["next_action"]
    no(lambda: upload(off, ref), "closing.uploaded_pictures")

    on = make_world()
    ref = stuck(on)
    evidence = upload(on, ref)
    here = on.services
    no(
        lambda: confirm_picture(
            here.ledger, off.policy.closing, here.policy.team, ref, evidence=evidence, by=REVIEWER, known_by=BY_LOGIN
        ),
        "closing.uploaded_pictures",
    )
    assert on.case(ref).photo is None


def take_it_back(world: World, ref: str, *, by: str = REVIEWER, leads: tuple[str, ...] = (), **more: Any) -> None:
    here, photo = world.services, world.case(ref).photo
    assert photo is not None
    asked = {"evidence": photo["evidence"], "why": "It is of the test shop.", "known_by": BY_LOGIN} | more
    take_back(here.ledger, here.policy.team, leads, ref, by=by, **asked)


def comments(world: World, ref: str) -> list[str]:
    fact = world.case(ref).ticket
    assert fact is not None
    return [one.text for one in world.desk.comments(fact["ticket"])]


def switched_off(world: World) -> None:
    """From now on the policy takes no uploaded picture."""
    off = world.policy.model_copy(update={"closing": ClosingPolicy(uploaded_pictures=False)})
    world.services = replace(world.services, policy=off)


@pytest.mark.parametrize("until", ["attach", "proof"])
def test_a_confirmed_picture_closes_nothing_once_the_policy_takes_none(world: World, ref: str, until: str) -> None:
    confirm(world, ref, upload(world, ref))
    world.walk(ref, until=until)
    switched_off(world)
    with pytest.raises(PictureUnwanted, match=r"takes none any more \(closing\.uploaded_pictures\)") as refused:
        world.walk(ref)
    assert f"/cases/{ref}/picture" in refused.value.next_action
    case = world.case(ref)
    assert (case.is_closed, case.trouble and case.trouble["code"]) == (False, Code.PICTURE_UNWANTED)
    take_it_back(world, ref)
    world.platform.abilities = FAKE_ABILITIES  # the page can be photographed by now
    assert world.walk(ref).is_closed
    assert world.count(ref, Kind.PHOTOGRAPHED) == 1


def test_a_confirmed_picture_is_taken_back_with_its_review_and_the_next_one_is_reviewed_again(
    world: World, ref: str
) -> None:
    first = upload(world, ref)
    confirm(world, ref, first)
    world.walk(ref, until="look")
    assert world.case(ref).state is State.REVIEWED
    take_it_back(world, ref)
    case = world.case(ref)
    assert (case.state, case.photo, case.uploaded, case.review, case.proof) == (State.VERIFIED, None, None, None, None)
    assert {"pictured", "reviewed"} <= {b.code for b in closure_blockers(case)}
    confirm(world, ref, upload(world, ref))  # the very same one: it was right after all
    assert world.walk(ref).is_closed
    assert len([one for one in world.attachments(ref) if one.endswith(".png")]) == 1
    assert world.count(ref, Kind.REVIEW_APPROVED) == 2
    told = " ".join(comments(world, ref))
    assert f"taken back by {REVIEWER}" in told
    assert "It is of the test shop." in told
    assert told.count("confirmed by") == 2, "both confirmations are told"
    proof = json.loads(world.proof(ref).read_bytes())
    assert [check for check in verify_proof(world.proof(ref)) if not check.ok] == []
    assert proof["picture"]["sha256"] == first


def test_of_two_pictures_of_one_run_on_the_ticket_each_has_a_name_of_its_own(world: World, ref: str) -> None:
    confirm(world, ref, upload(world, ref))
    world.walk(ref, until="attach")
    take_it_back(world, ref)
    confirm(world, ref, upload(world, ref, picture("otter-run-1 Succeeded, the right shop")))
    assert world.walk(ref).is_closed
    pictures = [one for one in world.attachments(ref) if one.endswith(".png")]
    assert pictures == [f"{ref}-successful-run-1-uploaded.png", f"{ref}-successful-run-1-uploaded-2.png"]


def test_who_may_take_a_confirmed_picture_back_and_what_is_none(make_world: Callable[..., World]) -> None:
    world = make_world(team=[DECIDER, REVIEWER, "another one", "a lead"])
    ref = stuck(world)
    confirm(world, ref, upload(world, ref))
    no(lambda: take_it_back(world, ref, by="another one", leads=("a lead",)), DECIDER, REVIEWER, "a lead")
    no(lambda: take_it_back(world, ref, by="a stranger"), "a stranger", kind=CaseproofError)
    no(lambda: take_it_back(world, ref, known_by=BY_FORM), "logged in")
    no(lambda: take_it_back(world, ref, why=" "), "needs a reason", kind=BadInput)
    no(lambda: take_it_back(world, ref, evidence="0" * 64), "counts in", "no more")
    for by in (DECIDER, " TEAM LEAD ", "a lead"):
        take_it_back(world, ref, by=by, leads=("a lead",))
        confirm(world, ref, upload(world, ref))
    take_it_back(world, ref, by="another one")  # no lead is named, so that nobody has to be waited for
    confirm(world, ref, upload(world, ref))
    assert world.walk(ref).is_closed
    no(lambda: take_it_back(world, ref), ref)


def test_the_picture_of_the_run_s_own_page_is_not_taken_back(world: World) -> None:
    ref = world.open()
    world.walk(ref, until="photo")
    no(lambda: take_it_back(world, ref), "own page", "send the case back")


def test_a_review_of_a_picture_that_was_taken_back_meanwhile_approves_nothing(world: World, ref: str) -> None:
    confirm(world, ref, upload(world, ref))
    world.walk(ref, until="attach")
    take_it_back(world, ref)
    here = world.services
    no(
        lambda: review(here.ledger, here.policy.team, ref, approved=True, by=REVIEWER, remark="", question=None),
        "taken back",
    )
    confirm(world, ref, upload(world, ref))
    assert world.walk(ref).is_closed


def test_one_picture_is_not_that_of_two_cases(world: World, ref: str) -> None:
    """Whoever uploads it a second time chose the wrong file, or makes do with what is at hand."""
    other_job = world.platform.add("offers/feed-b").id
    other = world.open(other_job)
    with pytest.raises(PlatformCannot):
        world.walk(other)
    verified = world.case(other).verified
    assert verified is not None
    there = {"run": verified["run"]}
    evidence = upload(world, ref)
    no(lambda: upload(world, other, **there), f"is the one of {ref}", "one picture shows one run")
    assert world.case(other).uploaded is None
    refuse(world, ref, evidence)
    upload(world, other, **there)  # it was this case's all the time
    no(lambda: upload(world, ref), f"is the one of {other}")
    upload(world, ref, picture("otter-run-1 Succeeded, of this shop"))
    confirm(world, other, evidence)
    assert world.walk(other).is_closed
    no(lambda: upload(world, ref), f"is the one of {other}")


def test_of_two_cases_that_got_one_picture_in_the_same_moment_neither_s_is_confirmed(world: World, ref: str) -> None:
    other = world.open(world.platform.add("offers/feed-b").id)
    with pytest.raises(PlatformCannot):
        world.walk(other)
    verified = world.case(other).verified
    assert verified is not None
    evidence = upload(world, ref)
    world.services.ledger.record(
        other, Kind.PICTURE_UPLOADED, DECIDER, run=verified["run"], evidence=evidence, thumbnail=evidence, says="s",
        why="w", known_by=BY_LOGIN,
    )  # fmt: skip
    world.services.files.keep(other, as_kept(picture()), "uploaded-1.png", "image/png")
    for one, another in ((ref, other), (other, ref)):
        no(lambda one=one: confirm(world, one, evidence), f"is the one of {another}")  # type: ignore[misc]
    refuse(world, other, evidence)
    confirm(world, ref, evidence)


def test_an_upload_is_in_no_place_of_reading_the_run_back(world: World) -> None:
    """J11: a run that failed, or that nobody read back, is not helped by a picture."""
    world.platform.abilities = SHOP
    ref = world.open()
    world.walk(ref, until="start")
    no(lambda: upload(world, ref), "own page")
    assert {"succeeded", "pictured"} <= {b.code for b in closure_blockers(world.case(ref))}


# -- what is a picture -----------------------------------------------------------------------------------------------

SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="640" height="480"><script>alert(1)</script></svg>'


def bomb() -> bytes:
    """A small file of very many pixels."""
    file = io.BytesIO()
    Image.new("1", (9_000, 9_000)).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "No picture was chosen"),
        (b"<html><body>otter-run-1 Succeeded</body></html>", "no PNG or JPEG"),
        (SVG, "no PNG or JPEG"),
        (picture(kind="GIF"), "no PNG or JPEG"),
        (picture(kind="BMP"), "no PNG or JPEG"),
        (picture()[:600], "no PNG or JPEG"),
        (b"\x89PNG\r\n\x1a\n" + b"x" * 500, "no PNG or JPEG"),
        (picture(size=(100, 100)), "nothing can be read"),
        (picture(text=""), "one colour"),
        (bomb(), "more than anybody can look at"),
        (picture() + b"\0" * 10_000_000, "larger than 10 MB"),
    ],
    ids=["none", "html", "svg", "gif", "bmp", "cut off", "garbage", "tiny", "blank", "bomb", "too large"],
)
def test_what_is_no_picture_is_refused_in_words(content: bytes, said: str) -> None:
    no(lambda: as_kept(content), said, kind=BadInput)


def test_only_the_pixels_of_a_picture_are_kept() -> None:
    image = Image.open(io.BytesIO(picture()))
    exif = Image.Exif()
    exif[0x010E] = "taken at the shop <script>"
    exif[0x0112] = 6  # it lies on its side
    file = io.BytesIO()
    image.save(file, "JPEG", exif=exif)
    kept = as_kept(file.getvalue() + b"<script>alert(1)</script>")
    assert b"script" not in kept
    again = Image.open(io.BytesIO(kept))
    assert (again.format, again.size, again.getexif() or again.info) == ("PNG", (480, 640), {})
    assert as_kept(kept) == kept


def oddly_said(entries: bytes) -> bytes:
    """A picture whose EXIF has these bytes behind its header."""
    file = io.BytesIO()
    Image.open(io.BytesIO(picture())).save(file, "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0" + entries)
    return file.getvalue()


def entry(tag: int, kind: int, count: int, value: bytes) -> bytes:
    return struct.pack("<HHI", tag, kind, count) + value


TEXT, SHORT, REAL = 2, 3, 12
ON_ITS_SIDE = entry(0x0112, SHORT, 1, b"\x06\0\0\0")


@pytest.mark.parametrize(
    "entries",
    [
        b"\xff\xff" + b"\xff" * 40,
        b"\x01\0" + entry(0x0112, SHORT, 0xFFFFFFFF, b"\x06\0\0\0"),
        b"\x02\0" + ON_ITS_SIDE + entry(0x011A, TEXT, 4, b"abc\0"),
        b"\x01\0" + entry(0x0112, TEXT, 4, b"abc\0"),
        b"\x01\0" + entry(0x0112, REAL, 1, b"\x40\0\0\0" + b"\0" * 4),
        b"\x02\0" + ON_ITS_SIDE + entry(0x0100, TEXT, 2, b"a\0\0\0"),
    ],
    ids=["garbage", "too many", "wrong kinds", "a word", "a real number", "a width in words"],
)
def test_what_a_file_says_oddly_of_itself_is_no_matter(entries: bytes) -> None:
    """Cameras and editors write all sorts of things beside the pixels; none of it is a server's error."""
    kept = Image.open(io.BytesIO(as_kept(oddly_said(entries))))
    assert sorted(kept.size) == [480, 640]


def test_every_kind_of_pixels_and_the_first_of_several_pictures_is_kept_as_it_is_seen() -> None:
    for kind, mode in (("JPEG", "CMYK"), ("JPEG", "L"), ("PNG", "1"), ("PNG", "P"), ("PNG", "LA")):
        file = io.BytesIO()
        Image.open(io.BytesIO(picture())).convert(mode).save(file, kind)
        kept = Image.open(io.BytesIO(as_kept(file.getvalue())))
        assert (kept.mode, kept.getpixel((600, 400))) == ("RGB", (255, 255, 255)), mode
    finest = io.BytesIO()  # grey of 16 bits: a dark half and a light one
    shades = Image.frombytes("I;16", (640, 480), (b"\x00\x40" * 320 + b"\x00\xc0" * 320) * 480)
    shades.save(finest, "PNG")
    kept = Image.open(io.BytesIO(as_kept(finest.getvalue())))
    assert (kept.getpixel((9, 9)), kept.getpixel((600, 9))) == ((64,) * 3, (192,) * 3)
    moving = io.BytesIO()
    frames = [Image.new("RGB", (640, 480), colour) for colour in ("red", "blue")]
    Image.open(io.BytesIO(picture())).save(moving, "PNG", save_all=True, append_images=frames)
    assert as_kept(moving.getvalue()) == as_kept(picture())


def test_what_is_not_shown_is_not_kept_and_what_is_shown_stays_readable() -> None:
    """A window's picture is often without a background; and words may stand where nothing is shown."""
    words = Image.new("RGBA", (640, 480), (0, 0, 0, 0))
    ImageDraw.Draw(words).text((30, 30), "otter-run-1 Succeeded", fill="black", font_size=24)
    ImageDraw.Draw(words).rectangle((300, 300, 400, 400), fill=(255, 0, 0, 0))
    file = io.BytesIO()
    words.save(file, "PNG")
    kept = Image.open(io.BytesIO(as_kept(file.getvalue())))
    assert kept.getpixel((600, 400)) == kept.getpixel((350, 350)) == (255, 255, 255)
    assert kept.convert("L").getextrema()[0] == 0, "black on white, and not black on black"
