"""Matching and classifying mail, beside parsing the same mail with the standard library alone.

`python -m benchmarks.inbox` prints the ratio. The messages are the corpus of our tests (tests/corpus), and some of them
once more with a file of 1 MB attached.
"""

from __future__ import annotations

import base64
import gc
import time
from collections.abc import Callable, Sequence
from email import message_from_bytes

from caseproof.channels.inbound.meaning import Meaning
from caseproof.channels.inbound.reading import UnreadableMail, read_mail
from caseproof.evidence.signing import case_of_address, reply_address
from tests.corpus import machines, people, strangers
from tests.corpus.parts import AUTHSERV, Sample, Thread
from tests.corpus.reading import threads

ROUNDS = 7
MOST = 6.5
LARGE = 12
"""How many messages carry a file of 1 MB."""
COMMAND = "python -m benchmarks.inbox"
_SECRET = b"a secret of the benchmark, 32 bytes"


def messages() -> list[bytes]:
    """The corpus, addressed as we sign it, and the large ones."""
    signed = [_signed(thread, number) for number, thread in enumerate(threads())]
    made: list[Sample] = [*people.samples(signed), *machines.samples(signed), *strangers.samples(signed)]
    file = base64.encodebytes(bytes(range(256)) * 4096).decode()
    return [sample.raw for sample in made] + [_with_file(signed[0], file, number) for number in range(LARGE)]


def _signed(thread: Thread, number: int) -> Thread:
    to = reply_address(_SECRET, "cases@example.com", f"JF-00000{number}")
    return Thread(to, thread.message_id, thread.subject, thread.text, thread.contact, thread.raw)


def _with_file(thread: Thread, file: str, number: int) -> bytes:
    return (
        f"Authentication-Results: {AUTHSERV}; dmarc=pass header.from=shop-a.example.com\nFrom: {thread.contact}\n"
        f"To: {thread.reply_to}\nSubject: Re: {thread.subject}\nMessage-ID: <large-{number}@shop-a.example.com>\n"
        f"In-Reply-To: {thread.message_id}\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n"
        "--b\nContent-Type: text/plain; charset=utf-8\n\nDone. We have renewed the token.\n\n"
        '--b\nContent-Type: application/pdf; name="picture.pdf"\n'
        'Content-Disposition: attachment; filename="picture.pdf"\n'
        f"Content-Transfer-Encoding: base64\n\n{file}\n--b--\n"
    ).encode()


def plainly(raw: bytes) -> str:
    """The plainest reading: parse, and decode the first text."""
    for part in message_from_bytes(raw).walk():
        if part.get_content_maintype() == "text":
            content = part.get_payload(decode=True)
            if isinstance(content, bytes):
                try:
                    return content.decode(part.get_content_charset() or "utf-8", "replace")
                except LookupError:
                    return content.decode("utf-8", "replace")
    return ""


def classified(raw: bytes) -> tuple[str | None, bool, Meaning]:
    """All that taking a mail in does but for the store: which case it names, whether it is genuine, what it means."""
    try:
        mail = read_mail(raw, authserv=AUTHSERV)
    except UnreadableMail:
        return None, False, Meaning.UNCLEAR
    cases = [ref for one in mail.recipients if (ref := case_of_address(_SECRET, one))]
    return (cases[0] if cases else None), mail.genuine.ok, mail.meaning


def figures() -> list[dict[str, object]]:
    """The one row of the table."""
    mails = messages()
    # The two are about the same messages, and both see them right.
    assert sum(plainly(raw) != "" for raw in mails) > len(mails) * 0.9  # noqa: S101
    assert {classified(raw)[2] for raw in mails[-LARGE:]} == {Meaning.CHANGED}  # noqa: S101
    plain, ours = [], []
    for _ in range(ROUNDS):  # by turns, so that a busy moment of the machine hits both
        plain.append(_seconds(plainly, mails))
        ours.append(_seconds(classified, mails))
    ratio = min(ours) / min(plain)
    rate = f"{len(mails) / min(ours):,.0f} messages a second"
    against = f"email.message_from_bytes and its text alone: {len(mails) / min(plain):,.0f} messages a second"
    return [
        {
            "figure": f"matching and classifying {len(mails):,} mails: {rate}",
            "baseline": against,
            "ratio": round(ratio, 3),
            "target": MOST,
            "ok": ratio <= MOST,
            "command": COMMAND,
        }
    ]


def _seconds(work: Callable[[bytes], object], mails: Sequence[bytes]) -> float:
    gc.collect()
    begin = time.process_time()
    for raw in mails:
        work(raw)
    return time.process_time() - begin


if __name__ == "__main__":
    for row in figures():
        print(f"{row['figure']}: {row['ratio']} (at most {row['target']}; against {row['baseline']})")  # noqa: T201
