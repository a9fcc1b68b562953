"""Which lines of a mail its writer wrote: without quotes, headers of quotes, forwards and signatures.

A line is kept or left out as a whole and never changed. Our own reading goes first, because it knows what must stay
(answers between quoted lines); two libraries then look for what it left, and the shorter text counts. In doubt a
quote is left out: a mail without words of its own is no answer.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection

from email_reply_parser import EmailReplyParser
from mailparser_reply import EmailReplyParser as MailParserReply

from caseproof.channels.inbound.mail_habits import any_of

CUT = "[the rest of this message was not read]"
"""Stands behind words that were too many to read."""

_HEADER_FROM = re.compile(rf"^[\s*_]{{0,10}}(?:{any_of('from')})[*\s]{{0,5}}[:\uff1a]", re.IGNORECASE)
_HEADER_OTHER = re.compile(rf"^[\s*_]{{0,10}}(?:{any_of('headers')})[*\s]{{0,5}}[:\uff1a]", re.IGNORECASE)
_RULE = re.compile(r"^\s{0,10}[_\-=]{5,}\s*+$")
_DIVIDER = re.compile(
    rf"^[\s*]{{0,10}}[-_=*]{{2,40}}\s{{0,5}}(?:{any_of('divider', verbatim=False)})\s{{0,5}}[-_=*]{{2,40}}\s*+$",
    re.IGNORECASE,
)
_FORWARD = re.compile(rf"^\s{{0,10}}(?:{any_of('forward')})\s{{0,3}}:\s*+$", re.IGNORECASE)
_ONLY_WHO_WROTE = re.compile(rf"\S+(?: \S+)? (?:{any_of('wrote')})\s*.", re.IGNORECASE)
_WROTE = re.compile(rf"(?<!\w)(?:{any_of('wrote')})(?![a-z])", re.IGNORECASE)
_BEGINS = re.compile(rf"^\s{{0,10}}(?:(?:{any_of('begins')})\b|\d{{1,4}}[./\u5e74-])", re.IGNORECASE)
_MAY_START = re.compile(r"[:\uff1a]|[-_=*]{2}")
_MAILBOX = re.compile(r"<[^<>\s@]{1,100}@[^<>\s@]{1,200}>")
_SIGNATURE = re.compile(r"^--[ \t\u00a0]?$")
_PHONE = re.compile(
    rf"^\s{{0,10}}(?:{any_of('phone', verbatim=False)})(?:\s[^\s,;.!?]{{1,80}}){{0,7}}[\s.]{{0,3}}$", re.IGNORECASE
)
_COLON = (":", "\uff1a")
_QUOTE = (">", "\uff1e")
_MOST_FOR_LIBRARIES = 8_000
_LONGEST_LINE = 500
_MOST_ON = 20  # one of them looks from each "On" to each other for a "wrote:"
_LANGUAGES = ["de", "en"]
_CUT_BY_LIBRARIES = re.compile(r"[:>]|[_-]{2}")  # nothing that they leave out is without one of these

for _name in ("mailparser_reply", "email_reply_parser"):
    logging.getLogger(_name).setLevel(logging.WARNING)  # they log whole patterns


def own_words(text: str) -> str:
    """The lines that the writer of a mail's text wrote, verbatim; empty where there are none."""
    lines = _without_quotes(text.split("\n"))
    lines = _shorter(lines)
    while lines and not lines[0].strip():
        lines.pop(0)
    while lines and not lines[-1].strip():
        lines.pop()
    return "\n".join(lines)


def _without_quotes(lines: list[str]) -> list[str]:
    """Our own reading: one way through the lines."""
    own: list[str] = []
    colons = [line.rstrip().endswith(_COLON) for line in lines]
    at, in_signature = 0, False
    while at < len(lines):
        line = lines[at]
        if line.lstrip().startswith(_QUOTE):
            in_signature = False  # an answer may stand below the quote
        elif _starts_a_quoted_mail(lines, at):
            return _with_cut(own, lines)
        elif True in colons[at : at + 4] and (behind := _behind_attribution(lines, at)) is not None:
            in_signature = False
            if not _quoted(_next_line(lines, behind)):
                return _with_cut(own, lines)  # a quote without marks: nobody can tell where it ends
            at = behind
            continue
        elif _SIGNATURE.match(line.rstrip("\r")):
            in_signature = True
        elif not in_signature and not _PHONE.match(line[:_LONGEST_LINE]):
            own.append(line)
        at += 1
    return own


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
    """Whether the next words are headers of a quoted mail: who it is from, and at least two others (when, to, what)."""
    near = [line[:_LONGEST_LINE] for line in lines[at : at + 14] if line.strip()][:7]
    if not near or not _HEADER_FROM.match(near[0]):
        return False
    return sum(bool(_HEADER_OTHER.match(line)) for line in near[1:]) >= 2


def _behind_attribution(lines: list[str], at: int) -> int | None:
    """Where the text goes on behind "On ... somebody wrote:", which may be wrapped; None if that is not here."""
    joined = ""
    for count, line in enumerate(lines[at : at + 4], start=1):
        if not line.strip() or len(line) > _LONGEST_LINE or line.lstrip().startswith(">"):
            return None
        joined = f"{joined} {line.strip()}".strip()
        if joined.endswith(_COLON):
            alone = count == 1 and _ONLY_WHO_WROTE.fullmatch(joined) is not None
            return at + count if alone or _attributes(joined) else None
    return None


def _attributes(text: str) -> bool:
    digits = sum(letter.isdigit() for letter in text)
    if _MAILBOX.search(text) and (digits >= 4 or _WROTE.search(text)):
        return True
    return bool(_BEGINS.match(text) and _WROTE.search(text) and len(text) <= _LONGEST_LINE)


def _next_line(lines: list[str], at: int) -> str:
    return next((line for line in lines[at : at + 5] if line.strip()), "")


def _quoted(line: str) -> bool:
    return line.lstrip().startswith(_QUOTE)


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
