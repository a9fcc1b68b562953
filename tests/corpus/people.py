# ruff: noqa: E501 - mails read best in their own lines
"""What people write: confirmations, wishes to remove, near-misses, and words that are not the writer's own."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from html import escape

from caseproof.channels.outbound.languages import LANGUAGES
from caseproof.channels.outbound.samples import every_mail
from caseproof.domain.vocabulary import Disposition
from tests.corpus.parts import Sample, Thread, answer, data, dressed, found, headers
from tests.corpus.shapes import SHAPES
from tests.corpus.writing import WAYS, written

COUNTED, ASIDE = (Disposition.COUNTED,), (Disposition.REPLY, Disposition.REFUSED, Disposition.AUTOMATIC)
_SHAPES, _WAYS = tuple(SHAPES), tuple(WAYS)
_PLAIN = {
    "en": ("Done.", "We have renewed the token.", "The change has been made."),
    "de": ("Erledigt.", "Wir haben den Token erneuert.", "Die Änderung wurde heute durchgeführt."),
}
_NOT_OWN = {
    "en": ("Thank you for your mail.", "Done. We have renewed the token."),
    "de": ("Vielen Dank für Ihre Nachricht.", "Erledigt. Wir haben den Token erneuert."),
}


def samples(threads: Sequence[Thread]) -> Iterator[Sample]:
    """All of them, each an answer to one of the letters by turns."""
    made = (
        *_each("confirmation", "confirmations", "changed"),
        *_each("removal", "removals", "remove"),
        *_each("held-out confirmation", "held_out_confirmations", "changed"),
        *_each("held-out removal", "held_out_removals", "remove"),
        *_crossed(),
        *_near_misses("near_misses", ""),
        *_near_misses("held_out_near_misses", "held-out "),
    )
    for number, (kind, words, shape, way, german, wanted) in enumerate(made):
        thread = threads[number % len(threads)]
        raw = answer(thread, f"person-{number}", words, shape=shape, way=way, german=german)
        yield Sample(kind, raw, wanted, COUNTED if wanted else ASIDE, words)
    yield from _not_their_own(threads)
    yield from _hidden(threads)
    yield from _our_own_words(threads)


_Made = tuple[str, str, str, str, bool, str]


def _turns(number: int, words: str, german: bool) -> tuple[str, str, str]:
    """Its dress, program and charset: three lengths without a common divisor, so that they mix."""
    return dressed(words, number, german), _SHAPES[number * 3 % len(_SHAPES)], _WAYS[number * 5 % len(_WAYS)]


def _each(kind: str, name: str, wanted: str) -> Iterator[_Made]:
    for language, all_words in data(name).items():
        for number, words in enumerate(all_words):
            yield f"{kind} ({language})", *_turns(number, words, language == "de"), language == "de", wanted


def _crossed() -> Iterator[_Made]:
    for language, all_words in _PLAIN.items():
        german = language == "de"
        for number, shape in enumerate(_SHAPES):
            words = dressed(all_words[number % len(all_words)], number, german)
            yield "confirmation in every mail program", words, shape, "UTF-8, base64", german, "changed"
        for number, way in enumerate(_WAYS):
            words = dressed(all_words[number % len(all_words)], number, german)
            yield "confirmation in every charset and form", words, "Gmail", way, german, "changed"


def _near_misses(name: str, before: str) -> Iterator[_Made]:
    for kind, by_language in data(name).items():
        for language, all_words in by_language.items():
            for number, words in enumerate(all_words):
                yield f"{before}near-miss: {kind}", *_turns(number, words, language == "de"), language == "de", ""


def _not_their_own(threads: Sequence[Thread]) -> Iterator[Sample]:
    """ "Done" stands in the quote, the signature, the subject, a forwarded or an attached mail: it is not said here."""
    for language, (polite, done) in _NOT_OWN.items():
        german = language == "de"
        for number, shape in enumerate(_SHAPES):
            thread = threads[number % len(threads)]
            if shape != "no quote":
                for kind, words in (("only in the quote", polite), ("nothing but a quote", "")):
                    raw = answer(
                        thread, f"{kind[:4]}-{language}-{number}", words, shape=shape, german=german, quote=done
                    )
                    yield Sample(f"done {kind}", raw, "", ASIDE, words)
            signed = f"{polite}\n-- \n{done}\nJo"
            raw = answer(thread, f"signed-{language}-{number}", signed, shape=shape, german=german)
            yield Sample("done only in the signature", raw, "", ASIDE, signed)
        for number, text in enumerate(_forwards(polite, done)):
            raw = answer(threads[0], f"forward-{language}-{number}", text, shape="no quote", german=german)
            yield Sample("done only in a forwarded mail", raw, "", ASIDE, text)
        for number, body in enumerate(("", ".", polite, "s. Betreff" if german else "see subject")):
            raw = answer(threads[0], f"subject-{language}-{number}", body, shape="no quote", Subject=f"Re: {done}")
            yield Sample("done only in the subject", raw, "", ASIDE, body)
        yield Sample("done only in an attachment", _attached(threads[0], polite, done, language), "", ASIDE, polite)


def _forwards(polite: str, done: str) -> Iterator[str]:
    who = "Agency <agency@example.net>"
    for own in ("", f"{polite}\n\n"):
        yield f"{own}---------- Forwarded message ---------\nFrom: {who}\nDate: Fri\nSubject: x\nTo: Jo\n\n{done}\n"
        yield f"{own}Begin forwarded message:\n\nFrom: {who}\nSubject: x\nDate: 20 November 2026\nTo: Jo\n\n{done}\n"
        yield f"{own}-------- Weitergeleitete Nachricht --------\nBetreff: x\nDatum: Fr\nVon: {who}\nAn: Jo\n\n{done}\n"
        yield f"{own}Anfang der weitergeleiteten Nachricht:\n\nVon: {who}\nBetreff: x\nDatum: 20. November\nAn: Jo\n\n{done}\n"
        yield f"{own}Von: {who}\nGesendet: Freitag, 20. November 2026 10:00\nAn: Jo\nBetreff: x\n\n{done}\n"
        yield f"{own}From: {who}\nSent: Friday, 20 November 2026 10:00\nTo: Jo\nSubject: x\n\n{done}\n"


def _attached(thread: Thread, polite: str, done: str, language: str) -> bytes:
    """A mail with another mail attached."""
    over = found(thread.contact.rpartition("@")[2]).encode()
    named = "".join(f"{name}: {value}\n" for name, value in headers(thread, f"attached-{language}").items())
    body = (
        'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="m"\n\n'
        f"--m\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n{polite}\n\n"
        f"--m\nContent-Type: message/rfc822\n\nFrom: agency@example.net\nSubject: x\n\n{done}\n\n"
        '--m\nContent-Type: text/plain; charset=utf-8; name="note.txt"\nContent-Transfer-Encoding: base64\n\n'
        f"{base64.b64encode(done.encode()).decode()}\n--m--\n"
    )
    return over + f"{named}{body}".encode()


_HIDDEN = (
    '<div style="display:none">{done}</div><p>{polite}</p>',
    '<p>{polite}</p><span style="display: none; font-size:0">{done}</span>',
    "<p>{polite}</p><p><s>{done}</s></p>",
    "<p>{polite}</p><p><del>{done}</del></p>",
    "<html><head><title>{done}</title></head><body><p>{polite}</p></body></html>",
    "<p>{polite}</p><!-- {done} -->",
    "<p>{polite}</p><script>{done}</script><style>{done}</style>",
    '<p>{polite}</p><img alt="{done}" src="x">',
    "<blockquote>{done}</blockquote><p>{polite}</p>",
    '<p>{polite}</p><div class="gmail_signature">{done}</div>',
    "<p>{polite}</p><template>{done}</template>",
    '<p>{polite}</p><textarea>{done}</textarea><input value="{done}">',
)
_DISGUISED = (
    "It is n\u00adot done.", "N\u043et done.", "It is n\u200bot d\u200bone.", "\u202etey enoD\u202c", "D\u043ene.", "Not\u00a0done.",
    "i s n o t d o n e", "NOT DONE", "Done?", "Done\uff1f", "Done\u061f", "Done\u2753", "done ... not", "Done (not)", "Done :-(",
    "\u274c Done", "[ ] Done", "Done: no", "Done = false", "0 of 3 done", "Done \U0001f644", "un done", "un-done", "undone",
    "d\u00f6ne", "[x] not done", "Status: open, not done", "Done\n\n\nNot.", "Done\n...\njust kidding", "Erledigt ist nichts.",
    "Nicht\nerledigt.", "Er\u00adledigt ist das nicht.", "erledigt: nein", "Ich bin erledigt.", "I am done.", "We are done with you.",
    "I'm done with this marketplace.", "Erledigt das bitte.", "Bitte erledigt das.",
)  # fmt: skip


def _hidden(threads: Sequence[Thread]) -> Iterator[Sample]:
    """ "Done" that a reader does not see, and a "not" that a program might not see."""
    for language, (polite, done) in _NOT_OWN.items():
        for number, form in enumerate(_HIDDEN):
            thread = threads[number % len(threads)]
            html = form.format(polite=escape(polite), done=escape(done))
            named = headers(thread, f"hidden-{language}-{number}")
            raw = found(thread.contact.rpartition("@")[2]).encode() + written("HTML only", named, "", html)
            yield Sample("done where nobody reads it", raw, "", ASIDE, html)
    for number, words in enumerate(_DISGUISED):
        raw = answer(threads[number % len(threads)], f"disguised-{number}", words, shape=_SHAPES[number % 3])
        yield Sample("disguised", raw, "", ASIDE, words)


def _our_own_words(threads: Sequence[Thread]) -> Iterator[Sample]:
    """Every mail of ours, sent back by the contact as if its words were theirs, without a sign of a quote."""
    for language in LANGUAGES:
        for number, (_, mail) in enumerate(every_mail(language)):
            body = mail.get_body(("plain",))
            assert body is not None
            thread = threads[number % len(threads)]
            raw = answer(thread, f"ours-{language}-{number}", body.get_content(), shape="no quote")
            yield Sample("our own mail as if it were theirs", raw, "", ASIDE, "")
