"""What the messages of failed runs mean: the first signature of the policy's list that fits.

The list itself stands in policy-default.yaml; docs/daily-check.md shows it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache

from caseproof.config.policy_check import Signature

SEARCHED = 2000
"""So many characters at the beginning and at the end of a message are searched: what is wrong stands there."""

_NOISE = re.compile(
    r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b(?=[a-f]*\d)(?=\d*[a-f])[0-9a-f]{16,}\b"
    r"|\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?",
    re.IGNORECASE,
)
"""Ids and times say nothing of the cause. Without them, messages that differ in nothing else are looked at once."""

_PHRASES = (
    "Bad Request|Unauthori[sz]ed|Payment Required|Forbidden|Not Found|Method Not Allowed|Not Acceptable"
    "|Proxy Authentication Required|Request Time-?out|Conflict|Gone|Payload Too Large|Unsupported Media Type"
    "|Unprocessable|Too Early|Upgrade Required|Too Many Requests|Internal Server Error|Not Implemented|Bad Gateway"
    "|Service Unavailable|Gateway Time-?out|Insufficient Storage|Client Error|Server Error"
)
# What may stand after a bare code: the end of a clause, or of what an answer is made of; never a thing that is counted.
_ENDS = (
    r"(?=$|[\"'<>)\]};]|[.,:](?:\s|$)|\s*[-\u2013(<\[{:\r\n]"
    r"|\s(?:from|for|on|at|by|when|while|after|and|response|error)\b)"
)
_ANY_CODE = re.compile(r"[45]\d\d(?![\w%])")
_CODE = r"([45]\d\d)(?![\w%]|[.,/-]\d)"
# Words such as "status" mark a code well, but orders and articles have numbers and states, too.
_THINGS = r"(?<!order )(?<!orders )(?<!order_)(?<!payment )(?<!stock )(?<!article )(?<!product )(?<!delivery )"
_ANSWER = re.compile(
    rf"\bHTTP(?:S|/\d(?:\.\d)?)?(?:[ _-]?(?:status|error|response|code)){{0,2}}[\"']?\s?[:=]?\s?[\"'(\[]?{_CODE}"
    rf"|{_THINGS}\bstatus(?:[ _-]?code)?[\"']?(?:\s(?:is|was|of))?\s?[:=]?\s?[\"'(\[]?{_CODE}"
    rf"|\b(?:response|reply)(?:[ _-]?code)[\"']?\s?[:=]?\s?[\"'(\[]?{_CODE}"
    rf"|\b(?:client|server|api|auth\w{{0,12}}|request) error(?: code)?[\"']?\s?[:=]?\s?[\"'(\[]?{_CODE}{_ENDS}"
    r"|\b(?:answered|answers|responded|replied|returned|returns)(?: (?:with|a|an|the|code|status|http)){0,3}"
    rf" {_CODE}{_ENDS}"
    rf"|(?:Exception|Error):? \(?{_CODE}\)?\s{{0,3}}(?:Reason|, message=)"
    rf"|(?:Exception|Error): {_CODE}, message="
    rf"|(?<![#\w.,/-]){_THINGS}(?<!item )(?<!sku )(?<!line )(?<!row )(?<!no\. )(?<!number )"
    rf"{_CODE}:? (?-i:{_PHRASES})",
    re.IGNORECASE,
)
_QUOTED = re.compile(
    r"\b(?:earlier|previous(?:ly)?|formerly|yesterday|ago|last time|last (?:known|good|week|run)|before (?:that|this)"
    r"|first (?:try|attempt)|attempt \d+|try \d+)\b[^\n.;]{0,80}\Z",
    re.IGNORECASE,
)
"""What tells, in front of an answer, that it is not what went wrong now."""


def answer_in(message: str) -> int | None:
    """The HTTP code (400 to 599) that the message says was answered; the first, for later ones are quoted."""
    if not _ANY_CODE.search(message):
        return None
    for found in _ANSWER.finditer(message):
        if not _QUOTED.search(message, max(0, found.start() - 120), found.start()):
            return int(next(group for group in found.groups() if group))
    return None


def signature_of(message: str, signatures: Sequence[Signature]) -> str:
    """The name of the first signature that fits; "" where none does."""
    return _signature_of(told_in(message), signatures)


def told_in(message: str) -> str:
    """What is searched of a message: its beginning and its end, without ids and times."""
    text = message if len(message) <= 2 * SEARCHED else f"{message[:SEARCHED]}\n{message[-SEARCHED:]}"
    return _NOISE.sub("...", text)


def _signature_of(text: str, signatures: Sequence[Signature]) -> str:
    answer, small = answer_in(text), text.lower()
    for signature in signatures:
        if signature.http and answer not in signature.http:
            continue
        if not signature.says or any(pattern.search(small) for pattern in _compiled(signature.says)):
            return signature.name
    return ""


def classify(messages: Iterable[str], signatures: Sequence[Signature]) -> list[str]:
    """The name of each message's signature ("" where none fits), in their order; like messages are looked at once."""
    known: dict[str, str] = {}
    found = []
    for message in messages:
        text = told_in(message)
        if text not in known:
            known[text] = _signature_of(text, signatures)
        found.append(known[text])
    return found


@cache
def _compiled(says: tuple[str, ...]) -> tuple[re.Pattern[str], ...]:
    return tuple(_compile(pattern) for pattern in says)


def _compile(pattern: str) -> re.Pattern[str]:
    """The expression in small letters, as the text is: several times as quick as one that minds neither."""
    small = re.sub(
        r"\\.|[^\\]+", lambda part: part[0] if part[0][0] == "\\" else part[0].lower(), pattern, flags=re.DOTALL
    )
    try:
        return re.compile(small)
    except re.error:
        return re.compile(pattern, re.IGNORECASE)
