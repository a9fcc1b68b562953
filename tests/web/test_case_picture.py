"""A picture of the run by hand: one person uploads it on the case's page, and somebody else confirms it there (J7)."""

from __future__ import annotations

import asyncio
import html
import io
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from fastapi.testclient import TestClient
from PIL import Image, ImageDraw

from caseproof.domain.job_failure.kinds import Kind
from tests.support.letters import hidden_fields

FILE = ("run.png", "image/png")


def picture(text: str = "tidy-otter Succeeded") -> bytes:
    image = Image.new("RGB", (640, 480), "white")
    ImageDraw.Draw(image).text((30, 30), text, fill="black", font_size=24)
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def ref(world: Any) -> str:
    """A case whose run was read back, of which the platform shows no page."""
    return stuck(world)


def stuck(world: Any) -> str:
    made: str = world.waiting()
    world.record(made, Kind.DECIDED, "operator", decision="reactivate after our fix", reason="Fixed.", review="anybody")
    world.record(made, Kind.RUN_STARTED, run="r-1", purpose="rerun", url="", name="tidy-otter")
    read = {"run": "r-1", "purpose": "rerun", "name": "tidy-otter", "said": "Completed", "url": ""}
    read |= {"started_at": world.tick().isoformat(), "ended_at": world.tick().isoformat()}
    kept = world.services.files.keep_json(made, "run-1.json", read)
    world.record(made, Kind.RUN_VERIFIED, **read, evidence=kept)
    world.record(
        made, Kind.TROUBLE, step="photograph the run", code="platform_cannot", problem="It has no <b>pages</b>.",
        next_action="Upload a picture.",
    )  # fmt: skip
    return made


@pytest.fixture
def people(world: Any, client: TestClient, logged_in: Callable[..., TestClient]) -> Callable[[str], TestClient]:
    return lambda name: logged_in(world, client, name)


def keyed(client: TestClient, page: str) -> str:
    answer = client.get(page)
    assert answer.status_code == 200, answer.text
    mine = client.headers.get("Cookie", "").split("; ")[0]
    client.headers["Cookie"] = "; ".join([mine, *(f"{name}={value}" for name, value in answer.cookies.items())])
    client.cookies.clear()
    return html.unescape(hidden_fields(answer.text)["key"])


def send(client: TestClient, ref: str, do: str, content: bytes | None = None, **fields: str) -> Any:
    page = f"/cases/{ref}/picture"
    data = {"key": keyed(client, page), "do": do} | fields
    # httpx sends a form as multipart only with a file in it, as the page's forms do always.
    files = {"picture": (FILE[0], content or b"", FILE[1])}
    return client.post(page, data=data, files=files)


def upload(client: TestClient, ref: str, content: bytes | None = None, **fields: str) -> Any:
    said = {"run": "tidy-otter", "says": "Their list of deliveries."} | fields
    return send(client, ref, "upload", picture() if content is None else content, **said)


def read(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def case_of(world: Any, ref: str) -> Any:
    return world.services.ledger.case(ref)


def test_one_uploads_and_another_confirms_on_the_page_and_the_case_says_whose_picture_it_is(
    world: Any, ref: str, people: Callable[[str], TestClient]
) -> None:
    operator = people("operator")
    assert "No page of this run can be photographed" in read(operator.get(f"/cases/{ref}").text)
    page = operator.get(f"/cases/{ref}/picture").text
    assert "<b>pages</b>" not in page
    assert 'enctype="multipart/form-data"' in page
    content = picture() + b"trailing <script>"
    done = upload(operator, ref, content)
    assert (done.status_code, done.headers["Location"]) == (303, f"/cases/{ref}#picture")
    uploaded = case_of(world, ref).uploaded
    assert (uploaded.actor, uploaded["known_by"], uploaded["run"]) == ("operator", "login", "r-1")
    served = operator.get(f"/evidence/{uploaded['evidence']}")
    assert (served.headers["Content-Type"], b"script" in served.content) == ("image/png", False)

    mine = operator.get(f"/cases/{ref}/picture").text
    assert "You uploaded it" in read(mine)
    assert "It shows this run, and that it succeeded" not in mine
    refused = send(operator, ref, "confirm", evidence=uploaded["evidence"])
    assert refused.status_code == 422
    assert "operator uploaded this picture, so somebody else has to confirm it" in read(refused.text)
    assert case_of(world, ref).photo is None

    lead = people("team lead")
    assert "A picture waits for somebody else's eyes" in read(lead.get(f"/cases/{ref}").text)
    assert send(lead, ref, "confirm", evidence=uploaded["evidence"]).status_code == 303
    case = case_of(world, ref)
    assert (case.photo.actor, case.photo["uploaded_by"], case.photo["evidence"]) == (
        "team lead", "operator", uploaded["evidence"],
    )  # fmt: skip
    shown = read(lead.get(f"/cases/{ref}").text)
    assert "Their list of deliveries" in shown
    assert "The platform's own page" not in shown


def test_what_is_no_picture_or_of_another_run_is_refused_in_words_with_what_was_typed(
    world: Any, ref: str, people: Callable[[str], TestClient]
) -> None:
    operator = people("operator")
    tries: list[tuple[bytes, dict[str, str], str]] = [
        (b"<html>Succeeded</html>", {}, "no PNG or JPEG"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', {}, "no PNG or JPEG"),
        (b"", {}, "No picture was chosen"),
        (picture(), {"run": "another-otter"}, "another-otter"),
        (picture(), {"says": ""}, "where the picture was taken"),
    ]
    for content, typed, said in tries:
        refused = upload(operator, ref, content, **typed)
        assert (refused.status_code, said in read(refused.text)) == (422, True), said
        assert typed.get("says", "Their list of deliveries.") in refused.text
    assert case_of(world, ref).uploaded is None


def test_a_file_that_is_too_large_is_not_even_read(world: Any, ref: str, people: Callable[[str], TestClient]) -> None:
    operator = people("operator")
    refused = upload(operator, ref, picture() + b"\0" * 50_000_000)
    assert (refused.status_code, "larger than 10 MB" in read(refused.text)) == (413, True)
    page = f"/cases/{ref}/picture"
    endless = (b"x" * 1_000_000 for _ in range(50))  # says no length
    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    assert operator.post(page, content=endless, headers=kind).status_code == 413
    assert case_of(world, ref).uploaded is None


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "multipart/form-data; boundary=b"),
        (b"--b\r\n\r\n--b--", "multipart/form-data; boundary=b"),
        (b'--b\r\nContent-Disposition: form-data; name="do"\r\n\r\nupload\r\n', "multipart/form-data; boundary=b"),
        (b"--b\r\nContent-Disposition: form-data\r\n\r\nupload\r\n--b--\r\n", "multipart/form-data; boundary=b"),
        (b"do=upload&key=x", "application/x-www-form-urlencoded"),
        (b"do=upload", "multipart/form-data"),
        (b"--" * 100_000, "multipart/form-data; boundary=-"),
        (b"{}", "application/json"),
    ],
)
def test_a_broken_form_changes_nothing(
    world: Any, ref: str, people: Callable[[str], TestClient], body: bytes, kind: str
) -> None:
    operator, version = people("operator"), case_of(world, ref).version
    answer = operator.post(f"/cases/{ref}/picture", content=body, headers={"Content-Type": kind})
    assert answer.status_code == 403, answer.text
    assert case_of(world, ref).version == version


def test_a_foreign_form_a_stranger_and_a_visitor_upload_nothing(
    world: Any, ref: str, client: TestClient, people: Callable[[str], TestClient]
) -> None:
    page, files = f"/cases/{ref}/picture", {"picture": (FILE[0], picture(), FILE[1])}
    data = {"do": "upload", "run": "tidy-otter", "says": "s", "key": "0" * 64}
    assert client.post(page, data=data, files=files).status_code == 401
    operator = people("operator")
    assert operator.post(page, data=data, files=files).status_code == 403
    right = data | {"key": keyed(operator, page)}
    foreign = {"Sec-Fetch-Site": "cross-site"}
    assert operator.post(page, data=right, files=files, headers=foreign).status_code == 403
    assert case_of(world, ref).uploaded is None


def test_of_what_a_stranger_sends_nothing_is_read(ref: str, client: TestClient) -> None:
    """Who may not upload is told so before their ten megabytes are taken."""
    read: list[bytes] = []
    said: list[Any] = []

    async def receive() -> Any:
        read.append(b"x" * 100_000)
        return {"type": "http.request", "body": read[-1], "more_body": True}

    async def send(message: Any) -> None:
        said.append(message)

    host = urlsplit(str(client.base_url))
    asked = [(b"host", host.netloc.encode()), (b"content-type", b"multipart/form-data; boundary=b")]
    scope = {
        "type": "http", "method": "POST", "path": f"/cases/{ref}/picture", "raw_path": b"", "query_string": b"",
        "headers": asked, "scheme": host.scheme, "http_version": "1.1", "client": ("127.0.0.1", 5), "root_path": "",
        "server": ("127.0.0.1", 80),
    }  # fmt: skip
    asyncio.run(client.app(scope, receive, send))  # type: ignore[arg-type]
    assert (said[0]["status"], read) == (401, [])


def test_a_refused_picture_says_why_and_a_stale_page_confirms_nothing(
    world: Any, ref: str, people: Callable[[str], TestClient]
) -> None:
    upload(people("operator"), ref)
    first = case_of(world, ref).uploaded["evidence"]
    upload(people("operator"), ref, picture("tidy-otter Succeeded, clearer"))
    lead = people("team lead")
    stale = send(lead, ref, "confirm", evidence=first)
    assert (stale.status_code, "no more" in read(stale.text)) == (422, True)
    second = case_of(world, ref).uploaded["evidence"]
    assert send(lead, ref, "refuse", evidence=second, why=" ").status_code == 422
    assert send(lead, ref, "refuse", evidence=second, why="It shows a test shop.").status_code == 303
    assert case_of(world, ref).uploaded is None
    assert "It shows a test shop." in read(lead.get(f"/cases/{ref}").text)
    gone = send(lead, ref, "confirm", evidence=second)
    assert (gone.status_code, "no more" in read(gone.text)) == (422, True), "said also where its form is there no more"


def test_whoever_confirmed_a_picture_takes_it_back_on_the_page(
    world: Any, ref: str, people: Callable[[str], TestClient]
) -> None:
    operator = people("operator")
    assert 'id="back"' not in operator.get(f"/cases/{ref}/picture").text
    upload(operator, ref)
    evidence = case_of(world, ref).uploaded["evidence"]
    lead = people("team lead")
    assert send(lead, ref, "confirm", evidence=evidence).status_code == 303
    assert f"/cases/{ref}/picture#back" in lead.get(f"/cases/{ref}").text
    refused = send(lead, ref, "back", evidence=evidence, why="")
    assert (refused.status_code, "needs a reason" in read(refused.text)) == (422, True)
    assert send(lead, ref, "back", evidence=evidence, why="It is <b>another</b> shop.").status_code == 303
    assert (case_of(world, ref).photo, case_of(world, ref).uploaded) == (None, None)
    page = lead.get(f"/cases/{ref}").text
    assert "Picture of the run taken back: It is &lt;b&gt;another&lt;/b&gt; shop." in page
    stale = send(lead, ref, "back", evidence=evidence, why="Twice.")
    assert (stale.status_code, "no more" in read(stale.text)) == (422, True)


def test_a_picture_of_a_rendered_page_is_not_called_the_platform_s_own(
    world: Any, ref: str, people: Callable[[str], TestClient]
) -> None:
    photo = {"run": "r-1", "taken_at": world.tick().isoformat(), "evidence": "c" * 64, "names_run": True}
    world.record(ref, Kind.PHOTOGRAPHED, **photo, names_success=True, url="", of="rendered")
    page = people("operator").get(f"/cases/{ref}").text
    assert "A page that Caseproof rendered from what the platform told" in read(page)
    assert "platform's own page" not in html.unescape(page)


def test_where_the_policy_says_so_or_a_page_can_be_photographed_there_is_no_form(
    world: Any, ref: str, people: Callable[[str], TestClient]
) -> None:
    operator = people("operator")
    done = world.verified("offers/feed-b")
    assert '<input type="file"' not in operator.get(f"/cases/{done}/picture").text
    form = {"key": keyed(operator, f"/cases/{ref}/picture"), "do": "upload", "run": "tidy-otter", "says": "s"}
    (world.home / "policy.yaml").write_text("team: [operator, team lead]\nclosing:\n  uploaded_pictures: false\n")
    assert "closing.uploaded_pictures" in operator.get(f"/cases/{ref}/picture").text
    refused = operator.post(f"/cases/{ref}/picture", data=form, files={"picture": (FILE[0], picture(), FILE[1])})
    assert (refused.status_code, "lets no uploaded picture count" in read(refused.text)) == (422, True)


def test_the_worklist_says_that_a_picture_waits_and_for_whom(
    world: Any, ref: str, people: Callable[[str], TestClient]
) -> None:
    upload(people("operator"), ref)
    words = "A picture of the run waits for somebody else's eyes: operator uploaded it."
    world.record(
        ref, Kind.TROUBLE, step="photograph the run", code="picture_waits", problem=words, next_action="Look at it."
    )
    world.record(ref, Kind.QUESTION_ASKED, number=1, form="try-again", flow_run="f")
    lead = read(people("team lead").get("/?waits=all").text)
    assert words in lead
    assert "Look at the picture" in lead
    operator = read(people("operator").get("/?waits=all").text)
    assert "You uploaded the picture: somebody else confirms it." in operator
    assert "Look at the picture" not in operator
