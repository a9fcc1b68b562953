"""A key of ours is found in whatever way a mail carries it, and overwritten in its place; nothing else is touched."""

from __future__ import annotations

import base64
import gzip
import html
import io
import quopri
import random
import re
import time
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from email.message import EmailMessage
from urllib.parse import quote

import pytest

from caseproof.evidence.key_hiding import hide_keys, hide_keys_in_text
from caseproof.evidence.signing import answer_token, case_of_address, read_answer_token, reply_address
from caseproof.evidence.unpacking import Bounds, NotLookedInto, unpacked

SECRET = b"k" * 32
UNTIL = datetime(2027, 1, 1, tzinfo=UTC)
TOKEN = answer_token(SECRET, "jf-000001.1.notice", UNTIL)
LONG = answer_token(SECRET, f"jf-000001.check-{'ab' * 40}.notice", UNTIL)
ADDRESS = reply_address(SECRET, "cases@example.com", "JF-000001")
MAC = ADDRESS.partition("@")[0].rpartition("-")[2]
LINK = f"https://answers.example.com/answer/{TOKEN}"
TEXT = f"Hello,\nopen {LINK}\nor write to {ADDRESS}, or to {ADDRESS.upper()}.\nDone on Thursday."


def percent(text: str) -> str:
    return quote(text, safe="").replace(".", "%2E").replace("-", "%2D").replace("_", "%5F")


def wrapped(text: str, at: int, between: str) -> str:
    return between.join(text[start : start + at] for start in range(0, len(text), at))


def zipped(content: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("our mail.eml", content)
    return packed.getvalue()


def letter() -> EmailMessage:
    mail = EmailMessage()
    mail["Reply-To"] = ADDRESS
    mail.set_content(TEXT)
    mail.add_alternative(f'<a href="{html.escape(LINK)}">Answer</a>', subtype="html", cte="base64")
    return mail


def with_letter_attached() -> bytes:
    mail = EmailMessage()
    mail["To"] = f"Cases <{ADDRESS}>"
    mail.set_content("See what I got.")
    mail.add_attachment(letter())
    mail.add_attachment(letter().as_bytes(), maintype="application", subtype="octet-stream", filename="mail.eml")
    return mail.as_bytes()


WAYS: dict[str, Callable[[], bytes]] = {
    "plain": lambda: TEXT.encode(),
    "a long token": lambda: f"https://answers.example.com/answer/{LONG}".encode(),
    "quoted-printable with soft line breaks": lambda: quopri.encodestring(TEXT.replace("\n", " ").encode()),
    "every character as hex": lambda: "".join(f"={code:02X}" for code in TEXT.encode()).encode(),
    "base64": lambda: base64.encodebytes(TEXT.encode()),
    "base64 in base64": lambda: base64.encodebytes(b"X: y\n\n" + base64.encodebytes(TEXT.encode())),
    "base64 in a quote": lambda: b"> " + base64.encodebytes(TEXT.encode()).replace(b"\n", b"\r\n> "),
    "UTF-16 in base64": lambda: base64.encodebytes(TEXT.encode("utf-16")),
    "quoted-printable in base64": lambda: base64.encodebytes(quopri.encodestring(TEXT.encode())),
    "an HTML link": lambda: f'<a href="{html.escape(LINK).replace("/", "&#x2F;").replace(".", "&period;")}">'.encode(),
    "all characters as entities": lambda: "".join(f"&#{code};" for code in TEXT.encode()).encode(),
    "percent-encoded": lambda: f"https://safe.example.net/?url={percent(LINK)}&x=1".encode(),
    "percent-encoded twice": lambda: percent(percent(LINK)).encode(),
    "a mailto link": lambda: f"mailto:{quote(ADDRESS, safe='')}?subject=x".encode(),
    "the address of a list": lambda: f"bounces+{ADDRESS.replace('@', '=')}@lists.example.net".encode(),
    "a link wrapped in a quote": lambda: (wrapped(LINK, 60, "\r\n> ") + "\r\n> Best regards").encode(),
    "a link wrapped in a quote of a quote": lambda: (wrapped(LINK, 37, " \r\n> > ") + "\r\nRegards").encode(),
    "a link wrapped under somebody's initials": lambda: wrapped(LINK, 60, "\r\nJD> ").encode(),
    "a link with tags in it": lambda: wrapped(LINK, 50, '</span><span style="color:red">').encode(),
    "base64 in short lines": lambda: wrapped(base64.b64encode(TEXT.encode()).decode(), 12, "\r\n").encode(),
    "an address wrapped in a quote": lambda: ("> <" + wrapped(ADDRESS, 20, "\r\n> ") + ">").encode(),
    "a quote in HTML": lambda: wrapped(LINK, 70, "<br>\n&gt; ").encode(),
    "soft hyphens of a browser": lambda: wrapped(LINK, 70, "<wbr>").encode(),
    "a zero-width space": lambda: wrapped(LINK, 70, "\u200b").encode(),
    "two encoded words": lambda: wrapped(ADDRESS, 20, "?= =?utf-8?q?").encode(),
    "blanks around the dot": lambda: LINK.replace(".", " . ").replace("answers . example . com", "here").encode(),
    "a blank in the first half": lambda: LINK.replace(TOKEN, TOKEN[:12] + " " + TOKEN[12:]).encode(),
    "blanks in both halves": lambda: LINK.replace(TOKEN, " ".join(wrapped(TOKEN, 9, " ").split())).encode(),
    "hyphens that do not break": lambda: ADDRESS.replace("-", "\u2011").encode(),
    "hyphens that do not break, in HTML": lambda: ADDRESS.replace("-", "&#8209;").encode(),
    "a blank before a hyphen": lambda: f"cases+jf-000001 -{MAC}@example.com".encode(),
    "a mail with the letter attached": with_letter_attached,
    "an archive": lambda: base64.encodebytes(zipped(TEXT.encode())),
    "an archive of a mail": lambda: base64.encodebytes(zipped(letter().as_bytes())),
    "gzip": lambda: base64.encodebytes(gzip.compress(TEXT.encode())),
    "a PDF": lambda: b"%PDF-1.7\n1 0 obj\nstream\n" + zlib.compress(f"/URI ({LINK})".encode()) + b"\nendstream\n",
}


def seen(content: bytes) -> str:
    """All that a reader could make of it with the usual tools."""
    texts = [content, content.translate(None, b" "), quopri.decodestring(content), content.replace(b"\0", b"")]
    joined = content.translate(None, b"\r\n> ")
    texts += [re.sub(rb"<[^<>]*>|\r\nJD> ", b"", content)]
    texts += [joined, joined.replace(b"<br>&gt;", b"").replace(b"<wbr>", b"").replace("\u200b".encode(), b"")]
    for text in list(texts):
        texts.append(html.unescape(text.decode("latin-1")).encode("latin-1", "replace"))
    return "\n".join(text.decode("latin-1") for text in texts).lower()


@pytest.mark.parametrize("way", WAYS)
def test_a_key_is_hidden_in_every_way_that_a_mail_has_for_it(way: str) -> None:
    came = WAYS[way]()
    kept = hide_keys(came)
    assert kept != came, "it was found"
    assert len(kept) == len(came)
    assert hide_keys(kept) == kept, "nothing is left, and what is hidden is no key"
    for secret in (TOKEN, TOKEN.rpartition(".")[2], LONG.rpartition(".")[2], MAC):
        assert secret.lower() not in seen(kept)


def test_only_the_keys_are_overwritten() -> None:
    hidden = hide_keys(TEXT.encode()).decode()
    assert hidden.startswith("Hello,\nopen https://answers.example.com/answer/hiddenXX")
    assert hidden.endswith("X@EXAMPLE.COM.\nDone on Thursday.")
    assert "or write to cases+jf-000001-hiddenXXXXXXXXXX@example.com, or to CASES+JF-000001-hiddenXX" in hidden
    address = hidden.split()[hidden.split().index("to") + 1].strip(",")
    assert case_of_address(SECRET, address) is None


@pytest.mark.parametrize(
    "text",
    [
        "See JF-000001-feeds and JF-000001-internationalisation, or JF-000001.",
        "https://shop.example.com/answer/42 and /answer/hidden, eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.x",
        "WyJ is how a list begins in base64; WyJhbmQi is one.",
        "50% of 100 &amp; more = all\n> quoted\n> too",
    ],
)
def test_what_is_no_key_of_ours_stays(text: str) -> None:
    assert hide_keys(text.encode()) == text.encode()
    assert hide_keys_in_text(text) == text


def test_a_text_keeps_its_half_characters_and_loses_its_keys() -> None:
    assert hide_keys_in_text(f"\ud800 {ADDRESS} ü") == "\ud800 cases+jf-000001-hiddenXXXXXXXXXX@example.com ü"


def test_a_link_signed_with_a_key_of_before_is_told_from_a_made_up_one() -> None:
    with pytest.raises(Exception, match="replaced") as replaced:
        read_answer_token(b"n" * 32, TOKEN, [b"o" * 32, SECRET])
    assert replaced.value.letter == "jf-000001.1.notice"  # type: ignore[attr-defined]
    with pytest.raises(Exception, match="not complete"):
        read_answer_token(b"n" * 32, TOKEN, [b"o" * 32])


@pytest.mark.parametrize("piece", [b"WyJa", b"\n> ", b"=\r\n", b"&#57;", b"a" * 70 + b"\n", b"-000001-a", b"%25"])
def test_a_mail_made_to_take_long_does_not(piece: bytes) -> None:
    content = piece * (400_000 // len(piece))
    begun = time.process_time()
    hide_keys(content)
    assert time.process_time() - begun < 3


def many_in_one(*files: bytes, way: int = zipfile.ZIP_DEFLATED) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", way) as archive:
        for number, content in enumerate(files):
            archive.writestr(str(number), content)
    return packed.getvalue()


DOTS = b"." * (5 * 1024 * 1024)
MADE_TO_FILL: dict[str, Callable[[], bytes]] = {
    "NULs in base64": lambda: base64.encodebytes(b"a\0" * 40_000),
    "every character as hex": lambda: b"=41" * 30_000,
    "hex between letters": lambda: b"a=41" * 25_000,
    "every character percent-encoded": lambda: b"%41" * 30_000,
    "blanks behind half a key": lambda: b"WyJabcdefgh.\n<b>" + b" " * 100_000 + b"x",
    "many beginnings of a PDF's stream": lambda: b"%PDF" + b"stream\n" * 50_000,
    "an archive of too many files": lambda: many_in_one(*[b""] * 501),
    "an archive that unpacks all at once": lambda: many_in_one(DOTS, way=zipfile.ZIP_BZIP2),
    "gzip, a thousand times": lambda: gzip.compress(b"") * 1000,
}


@pytest.mark.parametrize("what", MADE_TO_FILL)
def test_a_mail_made_to_fill_the_memory_or_to_take_for_ever_does_neither(what: str) -> None:
    content = MADE_TO_FILL[what]()
    most = 8 * 1024 * 1024 + 4 * len(DOTS) * (b"PK" in content[:2])
    # The memory of the whole process is seen, so a thread that an earlier test left may add to it: what is ours is
    # the same each time.
    tries = (cost_of_hiding(content) for _ in range(3))
    assert any(memory < most and seconds < 8 for memory, seconds in tries)


def cost_of_hiding(content: bytes) -> tuple[int, float]:
    """The most memory that was held (bytes), and the seconds of processor time."""
    tracemalloc.start()
    begun = time.process_time()
    try:
        hide_keys(content)
        return tracemalloc.get_traced_memory()[1], time.process_time() - begun
    finally:
        tracemalloc.stop()


def test_the_text_of_a_page_that_is_made_to_take_long_does_not() -> None:
    begun = time.process_time()
    hide_keys_in_text("WyJabcdefgh.\n<b>" + " " * 100_000 + "x")
    assert time.process_time() - begun < 1


@pytest.mark.parametrize(
    "content",
    [
        many_in_one(many_in_one(many_in_one(b"deep"))),
        many_in_one(*[b""] * 501),
        many_in_one(b"words", way=zipfile.ZIP_LZMA),
        gzip.compress(b"." * (33 * 1024 * 1024)),
    ],
    ids=["three deep", "too many files", "packed in another way", "too large"],
)
def test_an_archive_that_holds_more_than_is_looked_into_is_not_kept(content: bytes) -> None:
    kept = hide_keys(b"Hello.\n" + base64.encodebytes(content))
    assert kept.startswith(b"Hello.\n")
    assert base64.b64decode(kept.partition(b"\n")[2]).startswith(b"This file is not kept")


def test_what_one_message_unpacks_is_counted_over_all_its_archives() -> None:
    one, bounds = many_in_one(b"." * 40_000), Bounds(size=50_000)
    assert list(unpacked(one, bounds)) == [b"." * 40_000]
    with pytest.raises(NotLookedInto):
        list(unpacked(one, bounds))


@pytest.mark.parametrize("size", [0, -1, -1025])
def test_once_the_bounds_are_reached_nothing_more_is_unpacked_at_all(size: int) -> None:
    """To the libraries "no more than none" is "all"."""
    pdf = b"%PDF stream\n" + zlib.compress(DOTS) + b"\nendstream\n"
    for bomb in (many_in_one(DOTS), gzip.compress(DOTS), pdf):
        tracemalloc.start()
        try:
            with pytest.raises(NotLookedInto):
                list(unpacked(bomb, Bounds(size=size)))
            assert tracemalloc.get_traced_memory()[1] < 1024 * 1024
        finally:
            tracemalloc.stop()


def test_a_key_is_found_at_any_place_of_a_long_mail() -> None:
    for gap in (256 * 1024 - 120, 256 * 1024 - 1, 256 * 1024 + 16 * 1024 - 60, 700_000):
        kept = hide_keys(b"a " * (gap // 2) + TEXT.encode() + b" b" * 300_000)
        assert TOKEN.encode() not in kept
        assert MAC.encode() not in kept.lower()
        assert kept == hide_keys(TEXT.encode()).join([b"a " * (gap // 2), b" b" * 300_000])


def test_a_broken_archive_is_no_reason_to_fail() -> None:
    chosen = random.Random(1)
    for way in (zipfile.ZIP_LZMA, zipfile.ZIP_DEFLATED):
        good = many_in_one(b"hello" * 50, way=way)
        for _ in range(150):
            bad = bytearray(good)
            bad[chosen.randrange(4, len(bad))] = chosen.randrange(256)
            hide_keys(bytes(bad))
