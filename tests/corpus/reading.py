"""What reading alone makes of the corpus: whether words count if they came in the right thread from a contact."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from caseproof.channels.inbound.meaning import Meaning
from caseproof.channels.inbound.reading import read_mail
from caseproof.channels.outbound.samples import notice, notice_facts
from tests.corpus.parts import AUTHSERV, Sample, Thread

CONTACT = "owner@shop-a.example.com"
LEAST_SHARE = 0.98
WRITTEN = ("confirmation (", "removal (", "held-out confirmation (", "held-out removal (")
"""The kinds in which each message has other words, rather than known words in another form."""
_CHOICES = {Meaning.CHANGED: "changed", Meaning.REMOVE: "remove"}

Judged = list[tuple[Sample, str]]
"""Each message, and the choice that was taken from it, or ""."""


def threads() -> list[Thread]:
    """Letters in both languages, with addresses as we sign them."""
    made = []
    for number, language in enumerate(("en", "de", "en", "de")):
        letter = notice(notice_facts(language, "expired_token")).as_bytes()
        signed = f"cases+jf-00000{number}-abcdefghijklmnop@".encode()
        made.append(Thread.of(letter.replace(b"Reply-To: cases@", b"Reply-To: " + signed), CONTACT))
    return made


def read(raw: bytes) -> str:
    """The choice that a message's words make, or "" where they make none: what `receive` does without the store."""
    mail = read_mail(raw, authserv=AUTHSERV)
    trusted = mail.sender_address.casefold() == CONTACT and mail.genuine.ok
    if mail.bounce or mail.automatic or not trusted or not mail.own_words.strip():
        return ""
    return _CHOICES.get(mail.meaning, "")


def false_of(judged: Judged) -> list[str]:
    """What was taken for a word that it is not, a line each."""
    return [f"{sample.kind}: {sample.words!r} -> {said}" for sample, said in judged if said not in ("", sample.wanted)]


def missed_of(judged: Judged) -> list[str]:
    """What is a clear word and was not recognised."""
    return [f"{sample.kind}: {sample.words!r}" for sample, said in judged if sample.wanted and said != sample.wanted]


def share_of(judged: Judged) -> float:
    """The part of the true words that was recognised."""
    true = sum(1 for sample, _ in judged if sample.wanted)
    return 1 - len(missed_of(judged)) / true


def table(judged: Judged) -> str:
    """Counts by kind: messages, those that should confirm, those that did."""
    messages = Counter(sample.kind for sample, _ in judged)
    wanted = Counter(sample.kind for sample, _ in judged if sample.wanted)
    counted = Counter(sample.kind for sample, said in judged if said)
    rows = [(kind, messages[kind], wanted[kind], counted[kind]) for kind in messages]
    rows.append(("all", messages.total(), wanted.total(), counted.total()))
    lines = [f"{'kind':68}{'messages':>10}{'to count':>10}{'counted':>10}"]
    lines += [f"{kind:68}{many:10}{true:10}{got:10}" for kind, many, true, got in rows]
    return "\n".join(lines)


def written(judged: Judged) -> Judged:
    """Those of the true words that are written differently each."""
    return [(sample, said) for sample, said in judged if sample.kind.startswith(WRITTEN)]


def shown(judged: Judged) -> str:
    """The table with the two figures below it."""
    return f"\n{table(judged)}\nfalse: {len(false_of(judged))}; recognised: {share_of(judged):.1%}"


def few(samples: Sequence[Sample], every: int) -> list[Sample]:
    """Every so many of them."""
    return [sample for number, sample in enumerate(samples) if number % every == 0]
