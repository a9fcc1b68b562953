# ruff: noqa: E501 - mails read best in their own lines
"""What programs write: automatic replies in twelve languages, returned and late mail, lists, newsletters, receipts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from caseproof.domain.vocabulary import Disposition
from tests.corpus.parts import Sample, Thread, answer, data, found, received

_BY_HEADERS = (
    {"Auto_Submitted": "auto-replied"},
    {"X_Autoreply": "yes", "Precedence": "auto_reply"},
    {"Auto_Submitted": "auto-generated (vacation)", "X_Auto_Response_Suppress": "All"},
)
_LISTS = (
    {"List_Id": "Traders <traders.example.net>", "Precedence": "list"},
    {"List_Unsubscribe": "<mailto:leave@example.net>"},
    {"Precedence": "bulk"},
    {"Precedence": "junk"},
    {"List_Post": "<mailto:traders@example.net>", "Subject": "[traders] Done"},
    {"Auto_Submitted": "auto-generated", "Subject": "Ticket #12 solved"},
    {"X_Autorespond": "1", "Subject": "We received your message"},
    {"Return_Path": "<>", "Subject": "Done"},
)
_LIST_WORDS = ("Done.", "We have renewed the token.", "Erledigt. Wir haben den Token erneuert.")


def samples(threads: Sequence[Thread]) -> Iterator[Sample]:
    yield from _away(threads)
    yield from _lists(threads)
    yield from _returned(threads)
    yield from _receipts(threads)


def _away(threads: Sequence[Thread]) -> Iterator[Sample]:
    automatic, either = (Disposition.AUTOMATIC,), (Disposition.AUTOMATIC, Disposition.REPLY)
    for number, (language, mail) in enumerate(data("automatic").items()):
        thread = threads[number % len(threads)]
        subject, text, mark = mail["subject"].format(subject=thread.subject), mail["text"], f"away-{language}"
        for at, more in enumerate(_BY_HEADERS):
            raw = answer(thread, f"{mark}-{at}", text, shape="no quote", **more)
            yield Sample("out of office, by its headers", raw, "", automatic, text)
        for at, shape in enumerate(("no quote", "Outlook")):
            raw = answer(thread, f"{mark}-subject-{at}", text, shape=shape, way="UTF-8, base64", Subject=subject)
            yield Sample("out of office, by its subject alone", raw, "", automatic, text)
        raw = answer(thread, f"{mark}-bare", text, shape="no quote")
        yield Sample("out of office, without a sign but its words", raw, "", either, text)


def _lists(threads: Sequence[Thread]) -> Iterator[Sample]:
    for number, more in enumerate(_LISTS):
        for at, words in enumerate(_LIST_WORDS):
            raw = answer(threads[at], f"list-{number}-{at}", words, **more)
            yield Sample("list, newsletter, another program", raw, "", (Disposition.AUTOMATIC,), words)


def _returned(threads: Sequence[Thread]) -> Iterator[Sample]:
    for number, (server, report, late) in enumerate(_REPORTS):
        for way in ("signed address", "plain address"):
            thread = threads[number % len(threads)]
            to = thread.reply_to if way == "signed address" else "cases@example.com"
            text = report.format(
                to=to,
                id=thread.message_id,
                failed="gone@elsewhere.example",
                mark=f"{number}-{way[:3]}",
                subject=thread.subject,
            )
            kind = f"{'late' if late else 'returned'} mail ({server})"
            places = (
                (Disposition.AUTOMATIC, Disposition.BOUNCE) if late else (Disposition.BOUNCE, Disposition.AUTOMATIC)
            )
            yield Sample(kind, (received() + text).encode(), "", places, "")


def _receipts(threads: Sequence[Thread]) -> Iterator[Sample]:
    thread = threads[0]
    domain = thread.contact.rpartition("@")[2]
    head = (
        f"From: Jo Gardener <{thread.contact}>\nTo: {thread.reply_to}\nIn-Reply-To: {thread.message_id}\n"
        f"References: {thread.message_id}\nMIME-Version: 1.0\n"
    )
    read = (
        f"{head}Subject: Read: {thread.subject}\nMessage-ID: <read@{domain}>\nContent-Type: multipart/report; "
        'report-type=disposition-notification; boundary="r"\n\n--r\nContent-Type: text/plain\n\nDone. Your message was '
        f"read.\n\n--r\nContent-Type: message/disposition-notification\n\nFinal-Recipient: rfc822;{thread.contact}\n"
        "Disposition: manual-action/MDN-sent-manually; displayed\n\n--r--\n"
    )
    calendar = (
        f"{head}Subject: Accepted: {thread.subject}\nMessage-ID: <meet@{domain}>\nContent-Type: text/calendar; "
        "method=REPLY; charset=utf-8\n\nBEGIN:VCALENDAR\nMETHOD:REPLY\nSUMMARY:Done\nEND:VCALENDAR\n"
    )
    for text in (read, calendar):
        places = (Disposition.AUTOMATIC, Disposition.REPLY, Disposition.REFUSED)
        yield Sample("receipt, calendar", (found(domain) + text).encode(), "", places, "")


def _dsn(action: str, status: str, words: str) -> str:
    return (
        "Return-Path: <>\nFrom: Mail Delivery System <MAILER-DAEMON@mail.example.net>\nTo: {to}\nSubject: Undelivered Mail\n"
        "Message-ID: <dsn-{mark}@mail.example.net>\nAuto-Submitted: auto-replied\nMIME-Version: 1.0\nContent-Type: "
        'multipart/report; report-type=delivery-status; boundary="b"\n\n--b\nContent-Type: text/plain\n\n'
        f"{words}\n\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mail.example.net\n\n"
        f"Final-Recipient: rfc822; {{failed}}\nAction: {action}\nStatus: {status}\nDiagnostic-Code: smtp; 550 {status} no\n\n"
        "--b\nContent-Type: text/rfc822-headers\n\nMessage-ID: {id}\nSubject: {subject}\n\n--b--\n"
    )


_REPORTS = (
    ("Postfix", _dsn("failed", "5.1.1", "This is the mail system. Done. It could not be delivered."), False),
    ("Exchange", _dsn("failed", "5.1.10", "Your message couldn't be delivered."), False),
    ("over quota", _dsn("failed", "5.2.2", "The mailbox is full."), False),
    ("Postfix", _dsn("delayed", "4.4.1", "Your message could not be delivered for 4 hours. No need to resend it."), True),
    (
        "Exim",
        "Return-Path: <>\nFrom: Mail Delivery System <Mailer-Daemon@mail.example.net>\nTo: {to}\nX-Failed-Recipients: {failed}\n"
        "Auto-Submitted: auto-replied\nSubject: Mail delivery failed: returning message to sender\n"
        "Message-ID: <exim-{mark}@mail.example.net>\n\nThis message was created automatically by mail delivery software.\n\n"
        "A message that you sent could not be delivered to one or more of its\nrecipients. This is a permanent error. The "
        "following address(es) failed:\n\n  {failed}\n    No such person\n\n------ This is a copy of the message, including all "
        "the headers. ------\n\nMessage-ID: {id}\nSubject: {subject}\n",
        False,
    ),
    (
        "qmail",
        "Return-Path: <>\nFrom: MAILER-DAEMON@mail.example.net\nTo: {to}\nSubject: failure notice\n"
        "Message-ID: <qmail-{mark}@mail.example.net>\n\nHi. This is the qmail-send program at mail.example.net.\nI'm afraid I "
        "wasn't able to deliver your message to the following addresses.\nThis is a permanent error; I've given up.\n\n"
        "<{failed}>:\nSorry, no mailbox here by that name. (#5.1.1)\n\n--- Below this line is a copy of the message.\n\n"
        "Message-ID: {id}\nSubject: {subject}\n",
        False,
    ),
    (
        "Exim",
        "Return-Path: <>\nFrom: Mail Delivery System <Mailer-Daemon@mail.example.net>\nTo: {to}\nAuto-Submitted: auto-replied\n"
        "Subject: Warning: message delayed 24 hours\nMessage-ID: <late-{mark}@mail.example.net>\n\nThis message was created "
        "automatically by mail delivery software.\nA message that you sent has not yet been delivered to one or more of "
        "its\nrecipients after more than 24 hours on the queue.\n\n  {failed}\n    Delay reason: timeout\n\nNo action is required "
        "on your part.\n\nMessage-ID: {id}\n",
        True,
    ),
)  # fmt: skip
