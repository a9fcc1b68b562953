"""What a retailer's own words say, in English or German. A wrong "it is done" is worse than a hundred "unclear".

Words say that the change is made only if a clause states it (somebody of theirs has done something to what they can
change, or "done" stands alone) and nothing anywhere speaks against it: no negation, future, condition, doubt,
contrast, question, failure, partial or handed-on work. Which words those are stands in `meaning_words.yaml`. All else
goes to a person, who reads the words themselves.
"""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from caseproof.channels.inbound.own_words import CUT

_FILE = Path(__file__).with_name("meaning_words.yaml")
_PLAIN = {**dict.fromkeys(map(ord, "\u2018\u2019\u00b4\u02bc"), "'"), **dict.fromkeys(map(ord, "\u2013\u2014"), "-")}
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


def _says_changed(text: str) -> bool:
    """A clause states it, and nothing anywhere speaks against it."""
    text = _rule("aside").sub("", text)
    if _rule("past").search(text):
        text = _rule("background").sub(" . ", text)
    if not _states(text, alone=True):
        return False  # most mails end here; what follows takes longer
    flat = text.replace("\n", " ")
    if not _speaks_against(flat) and not _rule("outcome").search(flat):
        return True
    told, careful = _weighed(text)
    if _rule("against").search(_rule("past_reason").sub(" ", careful)):
        return False
    if _speaks_against(careful):
        text = _without_the_past(text)
        told, careful = _weighed(text)
        if _speaks_against(careful):
            return False
    return _states(text, alone=careful == told)


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


def _states(text: str, *, alone: bool) -> bool:
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
            if stated and not _rule("asking").match(clause):
                return True
            if alone and first and _rule("alone").fullmatch(clause):
                return True
            first = False
    return False


def _asks_to_remove(flat: str) -> bool:
    """The integration is to be removed, and nothing anywhere speaks against it."""
    if not _rule("remove_hint").search(flat):
        return False
    told = _rule("harmless").sub(" ", flat)
    reason = bool(_rule("no_longer").search(told))
    told = _rule("no_longer").sub(" ", told)
    if _speaks_against(_rule("remove_words").sub(" ", told)) or _rule("remove_else").search(told):
        return False
    return bool(_rule("remove").search(told)) or (reason and bool(_rule("remove_bare").search(told)))


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
        text = "".join(letter for letter in text if unicodedata.category(letter) != "Cf").translate(_PLAIN)
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
    return text.isascii() or all(
        letter.isascii() or not letter.isalpha() or "LATIN" in unicodedata.name(letter, "") for letter in text
    )


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
