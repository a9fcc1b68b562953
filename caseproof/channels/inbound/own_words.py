"""Which lines of a mail its writer wrote: without quotes, headers of quotes, forwards and signatures.

A line is kept or left out as a whole and never changed. Our own reading goes first, because it knows what must stay
(answers between quoted lines); two libraries then look for what it left, and the shorter text counts. In doubt a
line is not the writer's own: a mail without words of its own is no answer. But what is left out in doubt may be a "but
it still fails", so it is told apart: beside such lines nothing is clear.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection
from dataclasses import dataclass
from itertools import takewhile

from email_reply_parser import EmailReplyParser
from mailparser_reply import EmailReplyParser as MailParserReply

from caseproof.channels.inbound.mail_habits import any_of

CUT = "[the rest of this message was not read]"
"""Stands behind words that were too many to read."""

_NAME = r"^[\s*_>|]{0,10}"
_HEADER_FROM = re.compile(rf"{_NAME}(?:{any_of('from')})[*\s]{{0,5}}[:\uff1a]", re.IGNORECASE)
_HEADER_OTHER = re.compile(rf"{_NAME}(?:{any_of('headers')})[*\s]{{0,5}}[:\uff1a]", re.IGNORECASE)
_HEADER_ANY = re.compile(r"^[\s*_]{0,10}[^\W\d_][^:\uff1a\n]{0,24}[:\uff1a]\s{0,5}\S")
_RULE = re.compile(r"^\s{0,10}[_\-=]{5,}\s*+$")
_DIVIDER = re.compile(
    rf"^[\s*]{{0,10}}[-_=*]{{2,40}}\s{{0,5}}(?:{any_of('divider', verbatim=False)})\s{{0,5}}[-_=*]{{2,40}}\s*+$",
    re.IGNORECASE,
)
# Whatever stands between two lines of dashes: it heads something, and what, in which language, nobody can tell.
_DASHES = r"(?:[-_=~*#+] ?){3,60}"
_HEADING = re.compile(rf"^\s{{0,10}}{_DASHES}[^\w\n]{{0,5}}\w[^\n]{{0,200}}?{_DASHES}\s*+$")
_FORWARD = re.compile(rf"^\s{{0,10}}(?:{any_of('forward')})\s{{0,3}}:\s*+$", re.IGNORECASE)
_ONLY_WHO_WROTE = re.compile(rf"\S+(?: \S+)? (?:{any_of('wrote')})\s*.", re.IGNORECASE)
_WROTE = re.compile(rf"(?<![^\W\d_\u3000-\uffff])(?:{any_of('wrote')})(?![a-z])", re.IGNORECASE)
_WROTE_LAST = re.compile(rf"(?:^|[\s>\])\"'])(?:{any_of('wrote')})[\s:\uff1a*_-]*$", re.IGNORECASE)
_BEGINS = re.compile(rf"^[\s*_-]{{0,10}}(?:(?:{any_of('begins')})\b|\d{{1,4}}[./\u5e74\ub144-])", re.IGNORECASE)
_MAY_START = re.compile(r"[:\uff1a]|[-_=*]{2}")
_MAILBOX = re.compile(r"<[^<>\s@]{1,100}@[^<>\s@]{1,200}>|\[mailto:[^\]\s]{3,300}\]")
_ADDRESS = re.compile(r"(?<![^\s<(\[\"':])[^\s<>@()\[\]\"':,;]{1,100}@[^\s<>@()\[\]\"',;]{1,200}")
_TIME = re.compile(r"(?<![\d.:])\d{1,2}[:.h]\d{2}(?![\d.]?\d)")
_MONTHS = any_of("months")
_DAY = re.compile(
    r"(?<!\d)(?:\d{1,4}([./-]) ?\d{1,2}\1 ?\d{2,4}(?!:)|\d{1,2}[./]\d{1,2})(?!\d)|\d{4}[\u5e74\ub144]|"
    rf"(?<!\w)(?:\d{{1,2}}(?:st|nd|rd|th|\.)? (?:de |of )?(?:{_MONTHS})|(?:{_MONTHS})\w* \d{{1,2}})(?!\d)",
    re.IGNORECASE,
)
# A line that only says when and who, `2026-11-21 17:21 GMT+01:00 Some One`, begins with the day.
_WEEKDAY = re.compile(r"\W{0,3}(?:[^\W\d]{2,12}\.?,? ){0,2}")
_MOST_WHEN_AND_WHO = 12
_WORD = re.compile(r"[^\W\d_]+")
_BETWEEN_NAMES = frozenset(
    ("on", "at", "from", "by", "via", "of", "um", "am", "von", "uhr", "le", "kl", "om", "pm", "h")
)
_CLOCK = r"\d{1,2}[:.]\d{2}(?:[:.]\d{2})?(?: ?[AaPp]\.?[Mm]\.?)?"
# What chats show beside a line that is copied out of them: `[02/11 10:31] Some One`, `21.11.26, 10:31 - Some One: ...`
_CHAT = re.compile(
    r"^\s{0,5}(?:<[^<>@\s]{1,30}>\s|\[[^\]\n]{0,30}\d{1,2}[:.]\d{2}[^\]\n]{0,10}\]\s{0,3}\S|"
    rf"\[?\d{{1,4}}[./-]\d{{1,2}}(?:[./-]\d{{2,4}})?,? {_CLOCK}\]?"
    r"(?: - |: | \u2013 |\s{0,3}<)[^\n]{1,40}|"
    r"(?:\(?[^\W\d_a-z][\w.'-]{0,30}\)?,?\s{1,3}){2,5}"
    rf"\[?(?:\d{{1,4}}[./-]\d{{1,2}}[./-]\d{{2,4}},? )?{_CLOCK}\]?:?\s*+$|"
    rf"{_CLOCK}\s{{1,3}}(?:[^\W\d_a-z][\w.'-]{{0,30}}\s?){{1,4}}(?::\s|:?$))"
)
_SIGNATURE = re.compile(r"^--[ \t\u00a0]?$")
_LINK = r"(?:[<\[(]\s?(?:https?:|www\.)[^\s<>]{1,400}[>\])]?)"
_PHONE = re.compile(
    rf"^[\s*_]{{0,10}}(?:-- )?(?:{any_of('phone', verbatim=False)})(?:\s[^\s,;.!?<\[(]{{1,80}}){{0,7}}"
    rf"[\s.*_]{{0,3}}{_LINK}?[\s.]{{0,3}}$",
    re.IGNORECASE,
)
# Whatever the language: it names the program, and where to get it.
_PROGRAM = re.compile(
    rf"^[^\n.!?;:<]{{0,80}}\b(?:Outlook|Android|iOS|iPhone|iPad|Galaxy|Samsung|Mail)\b[^\n.!?;:<\[(]{{0,60}}{_LINK}\s*$"
)
_COLON = (":", "\uff1a")
_MARKS = frozenset(">\uff1e|\u2502\u2503\u00bb")
_DASH = frozenset("-_=~*#+")
_INITIALS = re.compile(r"[A-Z]{1,3}>")
_NUMBER = re.compile(r"\d")
_MOST_FOR_LIBRARIES = 8_000
_MOST_WRAPPED = 5
_LONGEST_LINE = 500
_MOST_ON = 20  # one of them looks from each "On" to each other for a "wrote:"
_LANGUAGES = ["de", "en"]
_CUT_BY_LIBRARIES = re.compile(r"[:>]|[_-]{2}")  # nothing that they leave out is without one of these

for _name in ("mailparser_reply", "email_reply_parser"):
    logging.getLogger(_name).setLevel(logging.WARNING)  # they log whole patterns


def own_words(text: str) -> str:
    """The lines that the writer of a mail's text wrote, verbatim; empty where there are none."""
    return told_apart(text).own


@dataclass(frozen=True, slots=True)
class ToldApart:
    """A mail's text: the lines that are its writer's ``own``, verbatim, and those left out in ``doubt``."""

    own: str
    doubt: str


def told_apart(text: str) -> ToldApart:
    """Tell the writer's own lines from those of others."""
    own, doubt = _without_quotes(text.split("\n"))
    return ToldApart(_joined(_shorter(own)), _joined(doubt))


def _joined(lines: list[str]) -> str:
    first = next((at for at, line in enumerate(lines) if line.strip()), len(lines))
    last = next((at for at in range(len(lines), first, -1) if lines[at - 1].strip()), first)
    return "\n".join(lines[first:last])


def _without_quotes(lines: list[str]) -> tuple[list[str], list[str]]:
    """Our own reading: one way through the lines."""
    own: list[str] = []
    doubt: list[str] = []
    at, into = 0, own
    signature: list[str] = []
    # Most lines have nothing of what heads a quote, and are not looked at for long.
    numbers = [_NUMBER.search(line) is not None for line in lines]
    colons = [line.rstrip().endswith(_COLON) for line in lines]
    while at < len(lines):
        line = lines[at]
        if _quoted(line):
            into = own  # an answer may stand below the quote
        elif _starts_a_quoted_mail(lines, at):
            return _with_cut(own, lines), doubt
        elif (numbers[at] or True in colons[at : at + _MOST_WRAPPED]) and (found := _behind_attribution(lines, at)):
            behind, sure = found
            if not _quoted(_next_line(lines, behind)):  # without marks nobody can tell where a quote ends
                return _with_cut(own, lines), doubt if sure else doubt + lines[behind:]
            at, into = behind, own
            continue
        elif _heads_anothers(line[:_LONGEST_LINE], has_number=numbers[at]):
            return _with_cut(own, lines), doubt + lines[at:]
        elif _SIGNATURE.match(line.rstrip("\r")):
            into = signature
        elif _is_a_programs(line[:_LONGEST_LINE]):
            into = doubt if into is own else into  # programs add it last, above what they quote
        else:
            into.append(line)
        at += 1
    return own, doubt


def _heads_anothers(line: str, *, has_number: bool) -> bool:
    """Whether it heads something, and nobody can tell what: a line of a chat, or one between dashes."""
    if has_number and _CHAT.match(line):
        return True
    return line.lstrip()[:1] in _DASH and _HEADING.match(line) is not None


def _is_a_programs(line: str) -> bool:
    """Whether a mail program added it."""
    return _PHONE.match(line) is not None or (("http" in line or "www." in line) and _PROGRAM.match(line) is not None)


def _with_cut(own: list[str], lines: list[str]) -> list[str]:
    return [*own, CUT] if lines[-1] == CUT else own


def _starts_a_quoted_mail(lines: list[str], at: int) -> bool:
    line = lines[at][:_LONGEST_LINE]
    if not _MAY_START.search(line):
        return False
    if _DIVIDER.match(line) or _FORWARD.match(line):
        return True
    if _RULE.match(line):
        return _header_block(lines, at + 1)
    return _header_block(lines, at)


def _header_block(lines: list[str], at: int) -> bool:
    """Whether the next words are headers of a quoted mail: who it is from, and at least two others (when, to, what).

    Where their language is unknown, an address in one and a day or a time in another tell as much.
    """
    near = [line[:_LONGEST_LINE] for line in lines[at : at + 14] if line.strip()][:7]
    if not near or not _HEADER_ANY.match(near[0]):
        return False
    named = sum(bool(_HEADER_OTHER.match(line)) for line in near)
    whose = [bool(_HEADER_FROM.match(line)) for line in near]
    if whose[0] and named and len(near) > 1 and _dated(near[1]):
        return True
    if named >= 2 and (whose[0] or (_HEADER_OTHER.match(near[0]) and any(whose[:4]))):
        return True
    block = list(takewhile(_HEADER_ANY.match, near))
    dated = any(_dated(line) for line in block)
    return len(block) >= 3 and dated and any(_ADDRESS.search(line) for line in block)


def _behind_attribution(lines: list[str], at: int) -> tuple[int, bool] | None:
    """Where the text goes on behind "On ... somebody wrote:", which may be wrapped, and whether it surely is one."""
    joined, perhaps = "", None
    for count, line in enumerate(lines[at : at + _MOST_WRAPPED], start=1):
        if not line.strip() or len(line) > _LONGEST_LINE or (_quoted(line) and not _within_an_address(joined)):
            break
        joined = f"{joined} {line.strip()}".strip()
        sure = _attributes(_mended(joined), alone=count == 1)
        if sure:
            return at + count, True
        # In doubt a line of its own, or below a name: else it is part of what somebody writes.
        if sure is False and perhaps is None and (at == 0 or not lines[at - 1].strip() or _only_names(joined)):
            perhaps = at + count, False
    return perhaps


def _mended(joined: str) -> str:
    """The line as it was before it was wrapped within an address."""
    return re.sub(r"\s+(?=[>@])|(?<=[<@])\s+", "", joined)


def _within_an_address(joined: str) -> bool:
    """Whether a line broke within an address, so that the next one may begin with its end."""
    _, opened, rest = joined.rpartition("<")
    return bool(opened) and rest.count("@") == 1 and ">" not in rest


def _attributes(text: str, *, alone: bool) -> bool | None:
    """Whether this surely says who wrote what follows; None where it does not say so at all."""
    if len(text) > _LONGEST_LINE:
        return None
    if text.endswith(_COLON):
        return _attributes_with_colon(text, alone=alone)
    if not _NUMBER.search(text) or not (_TIME.search(text) or "@" in text):
        return None
    wrote, dated = _WROTE.search(text), _dated(text)
    if _WROTE_LAST.search(text) and (dated or _ADDRESS.search(text)):
        return _BEGINS.match(text) is not None
    if len(text.split()) > _MOST_WHEN_AND_WHO or not (wrote or alone):
        return None
    if not dated:
        return False if _MAILBOX.search(text) and _DAY.search(text) else None
    if alone and _only_names(text):
        return False
    begins = _WEEKDAY.match(text)
    if (begins and _DAY.match(text, begins.end())) or (wrote and _BEGINS.match(text)):
        return False
    return None


def _attributes_with_colon(text: str, *, alone: bool) -> bool | None:
    if alone and _ONLY_WHO_WROTE.fullmatch(text):
        return True
    wrote, begins = _WROTE.search(text), _BEGINS.match(text)
    if wrote and begins:
        return True
    if _MAILBOX.search(text) and (wrote or begins or sum(letter.isdigit() for letter in text) >= 4):
        return True
    dated = _NUMBER.search(text) is not None and _dated(text)
    return True if wrote and dated else (False if dated else None)


def _only_names(text: str) -> bool:
    """Whether all words beside a day and a time are names, or what stands between such: it is no sentence."""
    day, clock = _DAY.search(text), _TIME.search(text)
    if day is None or clock is None:
        return False
    rest = _ADDRESS.sub(" ", text.replace(day[0], " ", 1).replace(clock[0], " ", 1))
    words = _WORD.findall(rest)
    return bool(words) and all(word[0].isupper() or word.lower() in _BETWEEN_NAMES for word in words)


def _dated(text: str) -> bool:
    """Whether it names a day and, elsewhere, a time of day."""
    day = _DAY.search(text)
    return day is not None and _TIME.search(f"{text[: day.start()]} {text[day.end() :]}") is not None


def _next_line(lines: list[str], at: int) -> str:
    return next((line for line in lines[at : at + 5] if line.strip()), "")


def _quoted(line: str) -> bool:
    start = line[:30].lstrip()
    return start[:1] in _MARKS or (">" in start and _INITIALS.match(start) is not None)


def _shorter(lines: list[str]) -> list[str]:
    """What both libraries agree to be the writer's own of these lines; they see a bounded piece of the text."""
    text, size = [], 0
    for line in lines:
        if line.strip():
            text.append(line.strip()[:_LONGEST_LINE])
        elif text and text[-1]:
            text.append("")
        size += len(line[:_LONGEST_LINE]) + 1
        if size > _MOST_FOR_LIBRARIES:
            return lines  # they are slow on long texts, and a long text is for a person to read
    given = "\n".join(text)
    if not given.strip():
        return []
    if not _CUT_BY_LIBRARIES.search(given) or given.count("On") > _MOST_ON:
        return lines
    kept = [_kept(lines, first) for first in (_by_mail_parser_reply(given), _by_email_reply_parser(given))]
    return min(kept, key=len)


def _kept(lines: list[str], kept: Collection[str]) -> list[str]:
    return [line for line in lines if not line.strip() or _comparable(line[:_LONGEST_LINE]) in kept]


def _comparable(line: str) -> str:
    return "".join(line.split())


def _by_mail_parser_reply(text: str) -> set[str]:
    reply = MailParserReply(languages=_LANGUAGES).parse_reply(text) or ""
    return {_comparable(line) for line in reply.split("\n")}


def _by_email_reply_parser(text: str) -> set[str]:
    # A signature stays here: what looks like one to the library may be a list of what was not done.
    kept: set[str] = set()
    for fragment in EmailReplyParser.read(text).fragments:
        if fragment.headers:
            break
        if not fragment.quoted:
            kept |= {_comparable(line) for line in fragment.content.split("\n")}
    return kept
