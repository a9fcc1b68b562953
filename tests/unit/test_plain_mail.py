"""The quick way to the bytes of a plain mail makes the very bytes of the slow one."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from caseproof.channels.outbound.composing import message_of, plain_bytes
from caseproof.domain.errors import BadInput

AT = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=timezone(timedelta(hours=2)))
TEXTS = {
    "lines": "one\ntwo\n",
    "nothing": "",
    "no end": "no newline at the end",
    "long": f"{'x' * 2000}\nhttp://example.com/?{'a=b&' * 60}\n",
    "dots and blanks": "ümlaut = 3 \t\n\n.\n. \nFrom me\n",
    "other line ends": "a\r\nb\rc\x0bd\x85e\u2028f\n",
}


@pytest.mark.parametrize("text", sorted(TEXTS))
@pytest.mark.parametrize("subject", ["short", f"[SC-000001] EMERGENCY: {'x' * 150}", f"Störung: {'ä' * 80}"])
def test_a_plain_mail_has_the_bytes_that_the_library_makes(subject: str, text: str) -> None:
    for sender, recipient, message_id, thread in (
        ("cases@example.com", "first@example.com", "<x@example.com>", ["<t@example.com>"]),
        ('"Ünï Cases" <cases@exämple.com>', "Ärztin X <a@example.com>", f"<{'a' * 100}@example.com>", []),
        ("Cases & Co <cases@example.com>", "a@example.com", "<x@example.com>", [f"<{'t' * 70}@example.com>"] * 2),
    ):
        quick = plain_bytes(
            sender=sender, recipient=recipient, subject=subject, text=TEXTS[text], date=AT, message_id=message_id,
            thread=thread,
        )  # fmt: skip
        slow = message_of(
            sender=sender, recipients=[recipient], subject=subject, text=TEXTS[text], date=AT, message_id=message_id,
            thread=thread,
        )  # fmt: skip
        assert quick == slow.as_bytes()


@pytest.mark.parametrize(
    "wrong", [{"message_id": "<x@example.com>\r\nBcc: <a@example.com>"}, {"date": AT.replace(tzinfo=None)},
    {"recipient": "nobody"}, {"thread": ["<x y@z>"]}], ids=str,
)  # fmt: skip
def test_what_no_mail_can_hold_is_refused(wrong: dict[str, object]) -> None:
    given: dict[str, object] = {
        "sender": "cases@example.com", "recipient": "a@example.com", "subject": "", "text": "", "date": AT,
        "message_id": "<x@example.com>", "thread": [],
    }  # fmt: skip
    with pytest.raises(BadInput):
        plain_bytes(**(given | wrong))  # type: ignore[arg-type]
