"""What a retailer's own words say, in English or German. A wrong "it is done" is worse than a hundred "unclear".

Words say that the change is made only if a clause states it (somebody of theirs has done something to what they can
change, or "done" stands alone) and nothing anywhere speaks against it: no negation, future, condition, doubt,
contrast, question, failure, partial or handed-on work. Which words those are stands in `meaning_words.yaml`. All else
goes to a person, who reads the words themselves.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from caseproof.channels.inbound.own_words import CUT

_FILE = Path(__file__).with_name("meaning_words.yaml")
_PLAIN = {**dict.fromkeys(map(ord, "\u2018\u2019\u00b4\u02bc"), "'"), **dict.fromkeys(map(ord, "\u2013\u2014"), "-")}
_INVISIBLE = re.compile(  # letters that are not shown (Unicode's category Cf)
    r"[\u00ad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064"
    r"\u2066-\u206f\ufeff\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001345f\U0001bca0-\U0001bca3"
    r"\U0001d173-\U0001d17a\U000e0001\U000e0020-\U000e007f]"
)
_OTHER_LETTER = re.compile(r"[^\W\d_a-z\u00aa\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u1e00-\u1eff]")
_QUOTE_MARKS = "\"'\u201c\u201d\u201e\u201f\u00ab\u00bb\u2039\u203a "
_QUOTATION = re.compile(
    r"[\"\u201c\u201e\u00ab\u00bb\u201d][^\"\u201c\u201d\u201e\u00ab\u00bb\n]{3,400}[\"\u201c\u201d\u00ab\u00bb]|(?:^|(?<=\n))\s*'[^\n]{3,400}'\s*(?=\n|$)"
)
_SUBJECTS = ("access", "data", "network")
"""What it can be that was changed, by the names of its rules."""
_LONGEST = 4_000
"""Longer words are for a person to read, in characters."""


class Meaning(StrEnum):
    """What somebody's words say, as far as it is certain. ``sentence`` is for operators."""

    CHANGED = "changed"
    REMOVE = "remove"
    NOT_YET = "not_yet"
    QUESTION = "question"
    NOT_THEIRS = "not_theirs"
    UNCLEAR = "unclear"

    @property
    def sentence(self) -> str:
        return _SENTENCES[self]


_SENTENCES = {
    Meaning.CHANGED: "says that the change is made",
    Meaning.REMOVE: "asks to remove the integration",
    Meaning.NOT_YET: "says that it is not done yet, or that it did not work",
    Meaning.QUESTION: "asks something or needs help",
    Meaning.NOT_THEIRS: "says that it is not theirs",
    Meaning.UNCLEAR: "does not say clearly that the change is made",
}


def meaning_of(own_words: str) -> Meaning:
    """What words say that are the writer's own (as `own_words` gives them)."""
    if not own_words.strip() or len(own_words) > _LONGEST or CUT in own_words or "\ufffd" in own_words:
        return Meaning.UNCLEAR  # what a broken letter stood for may have been a "not"
    text = _readable(own_words)
    flat = text.replace("\n", " ")
    asks = bool(_rule("question").search(flat))
    if not asks and _only_latin(text):
        removes = _asks_to_remove(flat)
        changed = _says_changed(text)
        if changed and not removes:
            return Meaning.CHANGED
        if removes and not _states(text, alone=True):
            return Meaning.REMOVE
    if _rule("not_theirs").search(flat):
        return Meaning.NOT_THEIRS
    if asks:
        return Meaning.QUESTION
    return Meaning.NOT_YET if _rule("not_yet").search(flat) else Meaning.UNCLEAR


def telling_sentences(own_words: str) -> tuple[str, ...]:
    """The sentences, as they were written, that sound as if the change were made, whether or not that is clear."""
    if len(own_words) > _LONGEST:
        return ()
    pieces = re.split(r"(?<=[.!?;])\s+|\n", own_words)
    return tuple(piece.strip() for piece in pieces if piece.strip() and _states(_readable(piece), alone=True))


def answers_something_else(own_words: str, cause: str) -> str:
    """The sentence that tells of a change which has nothing to do with what our mail about this cause asked for, as it
    was written; "" where some sentence may answer it. "Done" and the like answer whatever was asked.
    """
    asked = _words()["asked"].get(cause)
    if asked is None:
        return ""
    text = _readable(own_words)
    stated = [sentence for sentence, _ in _stated(text, alone=True)]
    ours = [sentence for sentence in _sentences(text) if _rule("we").match(sentence.strip())]
    subjects = [{name for name in _SUBJECTS if _rule(name).search(sentence)} for sentence in (*stated, *ours)]
    if not stated or any(not some or some & {*asked} for some in subjects):
        return ""
    return next(iter(telling_sentences(own_words)), stated[0])


def _says_changed(text: str) -> bool:
    """A clause states it as an answer to our mail, and nothing anywhere speaks against it."""
    text = _rule("aside").sub("", text)
    if _rule("past").search(text):
        text = _rule("background").sub(" . ", text)
    stated = list(_stated(text, alone=True))
    if not stated:
        return False
    if _rule("told_by_another").search(text) or _quotes_a_statement(text):
        return False  # most mails end before this; what follows takes longer
    flat = text.replace("\n", " ")
    if not _is_against(flat) and not _rule("outcome").search(flat):
        return _answers(text, stated)
    told, careful = _weighed(text)
    if _rule("against").search(_rule("past_reason").sub(" ", careful)):
        return False
    if _is_against(careful):
        text = _without_the_past(text)
        told, careful = _weighed(text)
        if _is_against(careful):
            return False
    return _answers(text, _stated(text, alone=careful == told))


def _answers(text: str, stated: Iterable[tuple[str, bool]]) -> bool:
    """Whether what is stated answers a mail about a failure, and does not tell what was changed before it.

    "We changed the password" may be either. So it says that it was done about it ("again", "now", "the new one is
    entered", "the change is made"), or somewhere that the job may run.
    """
    anywhere = _rule("answer_anywhere").search(text.replace("\n", " ")) is not None
    return any(whole or anywhere or _is_an_answer(sentence) for sentence, whole in stated)


def _is_an_answer(sentence: str) -> bool:
    if _rule("answer").search(sentence):
        return True
    return _rule("answer_now").search(sentence) is not None and not _rule("mere_change").search(sentence)


def _quotes_a_statement(text: str) -> bool:
    """Whether what is stated stands between quotation marks, or behind the name of who says it."""
    quoted = (found[0].strip(_QUOTE_MARKS) for found in _QUOTATION.finditer(text))
    spoken = (text[found.end() :].partition("\n\n")[0] for found in _rule("spoken").finditer(text))
    return any(_states(words, alone=True) for words in (*quoted, *spoken))


def _weighed(text: str) -> tuple[str, str]:
    """What is left without politeness, and without hopes too: "it should work now" needs more than a bare "done"."""
    told = _rule("harmless").sub(" ", text).replace("\n", " ")
    return told, _rule("outcome").sub(" ", told)


def _without_the_past(text: str) -> str:
    """Without the clauses that tell how it was, where a later one says what was done about it."""
    clauses = _clauses(text)
    last = max((at for at, clause in enumerate(clauses) if _states(clause, alone=False)), default=0)
    past = {at for at, clause in enumerate(clauses[:last]) if _tells_the_past(clause)}
    kept = [clause for at, clause in enumerate(clauses) if at not in past]
    return ".\n".join(kept) if past and any(_states(clause, alone=False) for clause in kept) else text


def _clauses(text: str) -> list[str]:
    return [part for sentence in _sentences(text) for part in _rule("joint").split(sentence) if part.strip()]


def _tells_the_past(clause: str) -> bool:
    told = _rule("harmless").sub(" ", clause)
    reason = _rule("past_reason").sub(" ", told)
    return (
        (reason != told or _rule("past").search(reason) is not None)
        and _rule("present").search(reason) is None
        and _rule("against").search(reason) is None
    )


def _speaks_against(text: str) -> bool:
    return any(_rule(name).search(text) for name in ("against", "against_unless_past"))


def _is_against(text: str) -> bool:
    return _speaks_against(text) or _rule("long_ago").search(text) is not None


def _states(text: str, *, alone: bool) -> bool:
    return any(True for _ in _stated(text, alone=alone))


def _stated(text: str, *, alone: bool) -> Iterator[tuple[str, bool]]:
    """The sentences that state it; and whether such a one is no more than "done"."""
    for sentence in _sentences(text):
        ours, first, before = False, True, ""
        for clause in (
            _rule("filler").sub("", part.strip(" -*\u2022")).strip() for part in _rule("joint").split(sentence)
        ):
            if not clause:
                continue
            if _rule("theirs").search(before):  # "our developer ... and he has"
                clause = _rule("they").sub(lambda found: "wir" if found[0] in ("er", "sie") else "we", clause)
            before = clause
            ours = bool(_rule("we").match(clause)) or (ours and not _rule("somebody").match(clause))
            stated = _rule("statement").match(clause) or ((ours or first) and _rule("bare_statement").match(clause))
            if alone and first and _rule("alone").fullmatch(clause):
                yield sentence, True
            elif stated and not _rule("asking").match(clause):
                yield sentence, False
            first = False


def _asks_to_remove(flat: str) -> bool:
    """The integration is to be removed, and nothing anywhere speaks against it."""
    if not _rule("remove_hint").search(flat):
        return False
    told = _rule("harmless").sub(" ", flat)
    reason = bool(_rule("no_longer").search(told))
    told = _rule("no_longer").sub(" ", told)
    if not (_rule("remove").search(told) or (reason and _rule("remove_bare").search(told))):
        return False
    return not _speaks_against(_rule("remove_words").sub(" ", told)) and not _rule("remove_else").search(told)


def _sentences(text: str) -> list[str]:
    """Sentences, with lines that a mail program wrapped joined again."""
    joined: list[str] = []
    for line in text.split("\n"):
        wrapped = (
            bool(joined)
            and len(joined[-1].rpartition("\n")[2]) >= 50
            and not joined[-1].rstrip().endswith((".", "!", ":"))
        )
        if wrapped and line.strip():
            joined[-1] = f"{joined[-1]}\n{line}"
        else:
            joined.append(line)
    return [
        part
        for line in joined
        for part in re.split(r"[.!;()]+(?:\s|$)|\u2026", line.replace("\n", " "))
        if part.strip()
    ]


def _readable(words: str) -> str:
    """Lower case, plain apostrophes and dashes, no invisible letters; without addresses, references and disclaimers."""
    text = unicodedata.normalize("NFKC", words).casefold()
    if not text.isascii():
        text = _INVISIBLE.sub("", text).translate(_PLAIN)
    text = re.sub(r"\bno\. ?(?=\d)", "number ", text)  # of a company or a street, and no refusal
    text = re.sub(r"\b(?:damen und herren|sirs? or madam)\b", "team", text)
    text = _without_disclaimers(text)
    text = re.sub(
        r"(?<=\d)\. (?=(?:jan|feb|mär|apr|mai|jun|jul|aug|sep|okt|nov|dez))", " ", text
    )  # one date, no two sentences
    text = re.sub(r"(?:https?://|www\.)[^\s<>]{1,2000}|<?[^\s<>@]{1,100}@[^\s<>@]{1,250}>?", " ", text)
    text = re.sub(r"\[?\b(?:jf|sc)-\d{6,18}\b\]?:?", " ", text)
    return "\n".join(" ".join(line.split()) for line in text.split("\n"))


def _without_disclaimers(text: str) -> str:
    """Without the sentences that a company hangs below its mails; the first paragraph is never such a thing."""
    first, *rest = re.split(r"(\n[^\S\n]*\n)", text, maxsplit=1)
    sentences = re.split(r"(?<=[.!?])\s+|\n\s*\n", rest[1]) if rest else []
    kept = [one for one in sentences if not _rule("disclaimer").search(one) or _rule("no_disclaimer").search(one)]
    return "\n\n".join([first, *kept])


def _only_latin(text: str) -> bool:
    """Whether every letter is one that English and German are written with: look-alikes are not read."""
    return text.isascii() or _OTHER_LETTER.search(text) is None


@cache
def _words() -> dict[str, Any]:
    words: dict[str, Any] = yaml.load(re.sub(r"\|\n\s+", "|", _FILE.read_text("utf-8")), yaml.CSafeLoader)
    return words


@cache
def _rule(name: str) -> re.Pattern[str]:
    """A rule of meaning_words.yaml as one expression; {names} in it stand for the lists under `lists`."""
    expression = "|".join(_words()["rules"][name])
    for key, entries in _words()["lists"].items():
        expression = expression.replace("{" + key + "}", f"(?:{'|'.join(entries)})")
    return re.compile(expression)
