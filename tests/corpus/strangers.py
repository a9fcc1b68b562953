# ruff: noqa: E501 - mails read best in their own lines
"""Clear words that must not count: of strangers, of people who pretend, to wrong addresses, twice, or too late."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from caseproof.domain.vocabulary import Disposition
from tests.corpus.parts import AUTHSERV, Sample, Thread, answer, found, received

DONE = ("Done. We have renewed the token.", "Erledigt. Wir haben den Token erneuert.")
_REFUSED, _UNMATCHED = (Disposition.REFUSED,), (Disposition.UNMATCHED,)
_OTHER = "attacker.example"


def samples(
    threads: Sequence[Thread], closed: Sequence[Thread] = (), earlier: Sequence[Thread] = ()
) -> Iterator[Sample]:
    """``closed``: letters of closed cases; ``earlier``: letters of rounds that are over."""
    for number, words in enumerate(DONE):
        thread, other, mark = threads[number], threads[-1 - number], f"stranger-{number}"
        yield from _strangers(thread, words, mark)
        yield from _pretenders(thread, words, mark)
        yield from _misled(thread, other, words, mark)
        yield from _again(threads[number + 1], words, mark)
    for kind, late in (("to a closed case", closed), ("to an earlier round", earlier)):
        for number, thread in enumerate(late):
            for at, words in enumerate(DONE):
                raw = answer(thread, f"late-{kind[-5:]}-{number}-{at}", words)
                yield Sample(f"too late: {kind}", raw, "", (Disposition.REPLY,), words)


def _strangers(thread: Thread, words: str, mark: str) -> Iterator[Sample]:
    """Genuine mail, but of somebody who is no contact."""
    domain = thread.contact.rpartition("@")[2]
    people = {
        "of the same shop": f"Intern <intern@{domain}>",
        "of elsewhere": f"Somebody <somebody@{_OTHER}>",
        "with the contact's name": f"Jo Gardener <jo@{_OTHER}>",
        "with the contact's address as a name": f'"{thread.contact}" <jo@{_OTHER}>',
        "with the contact's address in a name": f'"Jo <{thread.contact}>" <jo@{_OTHER}>',
        "with the contact's address in a comment": f"jo@{_OTHER} ({thread.contact})",
        "below the contact's domain": f"Jo <{thread.contact.partition('@')[0]}@mail.{domain}>",
        "at a look-alike domain": f"Jo <{thread.contact.replace('shop', 'sh0p')}>",
        "at a look-alike domain, longer": f"Jo <{thread.contact}.{_OTHER}>",
        "with a plus in the address": f"Jo <{thread.contact.replace('@', '+x@')}>",
    }
    for number, (who, sender) in enumerate(people.items()):
        own = sender.rpartition("@")[2].strip("<>) ") if "(" not in sender else _OTHER
        raw = answer(thread, f"{mark}-{number}", words, above=found(own), From=sender)
        yield Sample(f"a stranger {who}", raw, "", _REFUSED, words)
    ref = thread.subject
    for number, to in enumerate(("cases@example.com", thread.reply_to)):
        raw = answer(
            thread, f"{mark}-number-{number}", words, above=found(_OTHER), From=f"x@{_OTHER}", To=to, In_Reply_To="",
            References="", Subject=f"Re: {ref}",
        )  # fmt: skip
        kind = ("a stranger with the case number", "a stranger with the right address")[number]
        yield Sample(kind, raw, "", (_UNMATCHED, _REFUSED)[number], words)
    senders = {
        "two senders": f"Jo <{thread.contact}>, x@{_OTHER}", "no sender": "", "a group as sender": "Shop: ;",
        "an empty sender": "<>", "a name alone": "Jo Gardener", "two senders, the other first": f"x@{_OTHER}, {thread.contact}",
    }  # fmt: skip
    for number, (who, sender) in enumerate(senders.items()):
        raw = answer(thread, f"{mark}-from-{number}", words, From=sender)
        yield Sample(f"sent with {who}", raw, "", _REFUSED, words)
    twice = answer(thread, f"{mark}-twice", words).replace(b"\nFrom: ", b"\nFrom: x@attacker.example\nFrom: ", 1)
    yield Sample("sent with two From headers", twice, "", _REFUSED, words)
    sender = answer(thread, f"{mark}-sender", words, From=f"x@{_OTHER}", Sender=thread.contact, Reply_To=thread.contact)
    yield Sample("the contact only as Sender and Reply-To", sender, "", _REFUSED, words)


def _pretenders(thread: Thread, words: str, mark: str) -> Iterator[Sample]:
    """The contact's address, but our own server does not vouch for it."""
    domain = thread.contact.rpartition("@")[2]
    forged, findings = found(domain), "Authentication-Results:"
    aboves = {
        "DMARC failed": found(domain, "fail"),
        "DMARC failed, DKIM of another domain passed": f"{findings} {AUTHSERV}; dmarc=fail header.from={domain}; dkim=pass "
        f"header.d={_OTHER}\n{received()}",
        "nothing found out": received(),
        "nothing above at all": "",
        "findings of another server": forged.replace(AUTHSERV, "mx.attacker.example"),
        "findings of a server named alike": forged.replace(
            f"{findings} {AUTHSERV}", f"{findings} {AUTHSERV}.attacker.example"
        ),
        "our name forged below another server's Received": received("mail.attacker.example") + forged,
        "our name forged below our own findings": found(domain, "fail") + forged,
        "our name forged below our Received and another's": received() + received("relay.attacker.example") + forged,
        "DMARC of another domain": found(_OTHER),
        "DMARC of a look-alike": found(f"x{domain}"),
        "DKIM of another domain": f"{findings} {AUTHSERV}; dkim=pass header.d={_OTHER}\n{received()}",
        "DKIM of the registry's domain": f"{findings} {AUTHSERV}; dkim=pass header.d=com\n{received()}",
        "SPF alone": f"{findings} {AUTHSERV}; spf=pass smtp.mailfrom={domain}\n{received()}",
        "ARC alone": f"{findings} {AUTHSERV}; arc=pass header.from={domain}\n{received()}",
        "a pass in a comment": f"{findings} {AUTHSERV}; dmarc=fail (dmarc=pass header.from={domain})\n{received()}",
        "a pass in a quoted text": f'{findings} {AUTHSERV}; dmarc=none reason="; dmarc=pass header.from={domain};"\n{received()}',
        "no result": f"{findings} {AUTHSERV}; none\n{received()}",
        "a temporary error": found(domain, "temperror"),
        "DKIM failed": f"{findings} {AUTHSERV}; dkim=fail header.d={domain}\n{received()}",
        "a header of another name": forged.replace("Authentication-Results", "X-Authentication-Results"),
    }
    for number, (how, above) in enumerate(aboves.items()):
        raw = answer(thread, f"{mark}-auth-{number}", words, above=above)
        yield Sample(f"a forged sender: {how}", raw, "", _REFUSED, words)


def _misled(thread: Thread, other: Thread, words: str, mark: str) -> Iterator[Sample]:
    """The contact's genuine mail to a wrong address or in a wrong thread."""
    local, _, domain = thread.reply_to.rpartition("@")
    cut = f"{local[:-1]}{'a' if local[-1] != 'a' else 'b'}@{domain}"
    alien = "<jf-999999.1.notice@example.com>"
    misled: dict[str, tuple[dict[str, str], tuple[Disposition, ...]]] = {
        "another case's thread": ({"In_Reply_To": other.message_id, "References": other.message_id}, _REFUSED),
        "another case's address": ({"To": other.reply_to}, _REFUSED),
        "no thread": ({"In_Reply_To": "", "References": ""}, _REFUSED),
        "a thread that we never began": ({"In_Reply_To": alien, "References": alien}, _REFUSED),
        "a thread with our name at another domain": (
            {"In_Reply_To": thread.message_id.partition("@")[0] + f"@{_OTHER}>", "References": ""}, _REFUSED,
        ),
        "a signed address that was changed": ({"To": cut}, _UNMATCHED),
        "the signature of another case": ({"To": f"{local[:-16]}{other.reply_to.partition('@')[0][-16:]}@{domain}"}, _UNMATCHED),
        "an address without a signature": ({"To": "cases@example.com"}, _UNMATCHED),
        "the signed address only in the subject": ({"To": "cases@example.com", "Subject": thread.reply_to}, _UNMATCHED),
        "nothing of ours": ({"To": "x@example.com", "In_Reply_To": "", "References": "", "Subject": "Done"}, _UNMATCHED),
    }  # fmt: skip
    for number, (how, (more, places)) in enumerate(misled.items()):
        raw = answer(thread, f"{mark}-misled-{number}", words, **more)
        yield Sample(f"the contact's mail with {how}", raw, "", places, words)


def _again(thread: Thread, words: str, mark: str) -> Iterator[Sample]:
    """The same mail twice, mail without a Message-ID, and our own mail coming back."""
    first = answer(thread, f"{mark}-again", words)
    yield Sample("the first of two", first, "changed", (Disposition.COUNTED,), words)
    yield Sample("the same Message-ID again", first + b"\n", "", (Disposition.DUPLICATE,), words)
    moved = b"X-Moved: by a rule\n" + first
    yield Sample("the same Message-ID again", moved, "", (Disposition.DUPLICATE,), words)
    yield Sample(
        "without a Message-ID", answer(thread, mark, words, Message_ID=""), "changed", (Disposition.COUNTED,), words
    )
    loud = answer(thread, f"{mark}-loud", words, To=thread.reply_to.upper())
    yield Sample("to the signed address in capitals", loud, "changed", (Disposition.COUNTED,), words)
    copied = answer(thread, f"{mark}-copied", words, To="boss@example.com", Cc=thread.reply_to)
    yield Sample("to the signed address in Cc", copied, "changed", (Disposition.COUNTED,), words)
    back = f"Delivered-To: {thread.reply_to}\n{received()}X-Mark: {mark}\n".encode() + thread.raw.replace(
        b"\r\n", b"\n"
    )
    yield Sample("our own mail coming back", back, "", (Disposition.AUTOMATIC,), words)
    ours = answer(thread, f"{mark}-ours", words, From="Caseproof <cases@example.com>", above=found("example.com"))
    yield Sample("a loop of our own addresses", ours, "", (Disposition.AUTOMATIC, Disposition.REFUSED), words)
