"""What is certain about a message, before any word of it is weighed: who says it, which HTTP code was answered, and
which error codes and exceptions it names.

A message is read in layers, from outside in:

1. the frame: what Prefect or the infrastructure put around it. ``CARRIERS`` only carry what a job said; what speaks for
   itself ("Failed to submit flow run ...") is a signature's ``frames``.
2. our own words: what stands in front of the other side's answer. A database that is locked there is ours; inside an
   answer it is theirs.
3. the answer: its HTTP code, in every shape that programs write (``SHAPES``).
4. the codes: ``invalid_grant``, ``QuotaExceeded``, ``ReadTimeout``. Names, not words: they mean one thing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice

SEARCHED = 2000
"""So many characters at the beginning and at the end of a message are searched: what is wrong stands there."""

_NOISE = re.compile(
    r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b(?=[a-f]*\d)(?=\d*[a-f])[0-9a-f]{16,}\b"
    r"|\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?",
    re.IGNORECASE,
)
"""Ids and times say nothing of the cause. Without them, messages that differ in nothing else are looked at once."""


def told_in(message: str) -> str:
    """What is searched of a message: its beginning and its end, without ids and times."""
    text = message if len(message) <= 2 * SEARCHED else f"{message[:SEARCHED]}\n{message[-SEARCHED:]}"
    return _NOISE.sub("...", text)


# -- the frame ------------------------------------------------------------------------------------------------------

CARRIERS = (
    "Flow run encountered an exception:",
    "Task run encountered an exception:",
    "Task run encountered an exception",
    "Task run encountered unexpected exception:",
    "Finished in state Failed(",
    "Given states:",
    "Crash detected!",
)
"""Frames of Prefect that only carry what the job itself said: they are taken off, and say nothing of the cause."""

_CARRIER = re.compile("|".join(rf"{re.escape(one)}\s*" for one in CARRIERS), re.IGNORECASE)
_RAISED = re.compile(r"(?:[A-Za-z_][\w.]{0,100}\.)?[A-Z]\w{0,60}(?:Error|Exception|Run):\s+")
"""``module.SomeError: `` in front of what it says. A parent's run quotes its child's this way."""
_CARRIED = re.compile(rf"(?:(?:(?-i:{_RAISED.pattern}))?(?:{_CARRIER.pattern}))+", re.IGNORECASE)
"""All that only carries, and the names of exceptions in between; one in front of the job's own words is theirs."""


def _beginnings(text: str) -> tuple[str, ...]:
    """Where a frame may begin, in small letters: as it stands, and without what only carries it."""
    found, at = [text], 0
    for pattern in (_CARRIER, _RAISED, _CARRIER, _RAISED):
        if carried := pattern.match(text, at):
            at = carried.end()
            found.append(text[at:])
    return tuple(one.lower() for one in found)


def said_in(text: str) -> str:
    """What the job itself said: the text without the frames that only carry it."""
    found = _CARRIED.match(text)
    return text[found.end() :] if found else text


# -- the answer -----------------------------------------------------------------------------------------------------

_CODE = re.compile(r"(?<!\d)[45]\d\d(?![\w%]|[.,/-]\d)")
_PHRASES = (
    "Bad Request|Unauthori[sz]ed|Payment Required|Forbidden|(?:Page )?Not Found|Page not found|Method Not Allowed"
    "|Not Acceptable|Proxy Authentication Required|Request Time-?out|Conflict|Gone|Payload Too Large"
    "|Unsupported Media Type|Unprocessable|Locked|Too Early|Upgrade Required|Too Many Requests|Slow Down"
    "|Internal Server Error|Not Implemented|Bad Gateway|Service (?:Temporarily )?Unavailable|Gateway Time-?out"
    "|Insufficient Storage|Client Error|Server Error"
)
_OPENS = r"[\"'(\[`]{0,2}"
_IS = rf"[\"'\])>]{{0,2}}(?: (?:is|was|of))?\s?(?:=>|[:=])?\s?{_OPENS}"
# The end of a clause, or of what an answer is made of; never a thing that is counted.
_ENDS = (
    r"(?:$|\s?[\"'<>)\]};`]|[.,:](?:\s|$)|\s*[-\u2013(<\[{:\r\n]"
    r"|\s(?:from|for|on|at|by|when|while|after|and|response|error)\b)"
)
_VERBS = (
    "answered|answers|responded|replied|returned|returns|returning|gives|gave|got|gets|receives|received|throws|threw"
    "|resulted in"
)

SHAPES: dict[str, tuple[str, str]] = {
    "HTTP 404": (rf"(?<![^\W_])HTTPS?(?:/\d(?:\.\d)?)?(?:[ _-]?(?:status|error|response|code)){{0,2}}_?{_IS}", ""),
    "status code: 404": (rf"(?<![^\W_])status(?:[ _-]?code)?{_IS}", ""),
    "response code: 404": (rf"\b(?:response|reply)[ _-]?code{_IS}", ""),
    "client error 404": (rf"\b(?:client|server|api|auth\w{{0,12}}|request) error(?: code)?{_IS}", _ENDS),
    "returned an error: (404)": (rf"\breturned (?:an )?error:? {_OPENS}", _ENDS),
    "answered 404": (rf"\b(?:{_VERBS})(?: (?:with|a|an|the|code|status|http|error)){{0,3}}:? {_OPENS}", _ENDS),
    "success: 404 (Not Found)": (r"indicate success: ", ""),
    "ApiException: (404)\nReason: Not Found": (r"(?:Exception|Error):? \(?", r"\)?(?:\s{0,3}Reason|,? message=)"),
    "ApiError 404: ": (r"(?:Error|Exception|Fehler|Błąd|Erreur|Errore|Fout) \(?", r"\)?:\s"),
    "Error: 404 - ": (r"(?:Error|Exception): ", r"\s[-\u2013]\s"),
    "404 Not Found": (r"(?<![#\w.,/-])", rf"[\"')\]]?[:,]? [-(]?\s?(?-i:{_PHRASES})"),
    "404 not found": (r"(?:\A|[:>\]]\s)", rf":? (?:{_PHRASES})"),
    '"code":404': (
        r"(?:[\"']|[{,(]\s?|(?:error|err|failed|with|fail)[ _-]?)code[\"']?\s?(?:=>|[:=])?\s?[\"']?",
        r"(?![\d])",
    ),
    "[404] {": (r"(?<!\w)\[", r"\](?:$|\s*[{<\"'\[]|[: ] ?(?:with|error|client|server|api|http|request)\b)"),
    "404 {": (r"(?:\A|[:>\]]\s)", r"\s{0,3}(?:[{<]|\[\s*[\"{])"),
    "404 error:": (r"(?:\A|[:>\]]\s)", r"\s(?:http )?error\b"),
    "a 404 error": (r"\b(?:an?|the|with|http) ", r" error\b"),
    "', 404)": (r"[\"'], ?", r"\)(?:$|[\"'\s])"),
    "POST /orders (404)": (
        r"\b(?:GET|POST|PUT|PATCH|DELETE|HEAD) \S{1,150}(?: HTTP/\d(?:\.\d)?[\"']?)?"
        r"[^\w\n]{1,6}(?:failed|returned)?[^\w\n]{0,3}",
        r"(?:$|[\"')\],:;]|\s?[-(\n])",
    ),
    "<404 https://...>": (r"<", r" https?://"),
    "Crawled (404)": (r"\bCrawled \(", r"\)"),
    "(404) when calling": (r"\(", r"\) when calling"),
}
"""How programs write that an answer had a code, each by an example (here with 404): what must stand in front of the
code, and what behind it. A number in none of these shapes is a number."""

_SHAPES = [
    (re.compile(rf"(?:{before})\Z", re.IGNORECASE), re.compile(after, re.IGNORECASE))
    for before, after in SHAPES.values()
]
_COUNTED = re.compile(
    r"(?<![\w/])(?:orders?|payments?|stock|articles?|products?|delivery|deliveries|items?|sku|lines?|rows?|no\.|number|invoices?"
    r"|postal|zip|coupon|category)[ _-]?(?:status|state|code|id|is|was)?[\"']?\s?[:=#]?\s?[\"'(\[]?\Z",
    re.IGNORECASE,
)
"""What has numbers, states and codes of its own, so that one behind it is no answer's."""
_QUOTED = re.compile(
    r"\b(?:earlier|previous(?:ly)?|formerly|yesterday|ago|last time|last (?:known|good|week|run)|before (?:that|this)"
    r"|first (?:try|attempt)|attempt \d+|try \d+)\b[^\n.;]{0,80}\Z",
    re.IGNORECASE,
)
"""What tells, in front of an answer, that it is not what went wrong now."""

_BODY = re.compile(
    r"[\[{]\s?[\"'][\w@$.-]+[\"']\s?:|\[\s?\{|<(?:\?xml|!doctype|html|title|error|soap)\b"
    r"|\b(?:answered|responded|replied|said|says|response|answer|body|faultstring|message from \w+)\b[\w ]{0,20}:\s"
    r"|\bfailure origin: (?:source|destination)",
    re.IGNORECASE,
)
"""Where the other side's own words begin, if no code tells."""


MOST_NUMBERS = 100
"""So many numbers of a message are looked at: what has more of them is a table, and tells of no answer."""


def answer_in(message: str) -> int | None:
    """The HTTP code (400 to 599) that the message says was answered; the first, for later ones are quoted."""
    found = _answer(message)
    return found[0] if found else None


def _answer(text: str) -> tuple[int, int] | None:
    """The code that was answered, and where it stands."""
    for found in islice(_CODE.finditer(text), MOST_NUMBERS):
        at, end = found.span()
        front = text[max(0, at - 200) : at]
        if _COUNTED.search(front[-40:]) or _QUOTED.search(front[-120:]):
            continue
        if any(after.match(text, end) and before.search(front) for before, after in _SHAPES):
            return int(found[0]), at
    return None


# -- the codes ------------------------------------------------------------------------------------------------------

_WORD = re.compile(r"[A-Za-z]\w{2,80}")
_PLACED = re.compile(
    r"(?:code|error|errors|type|reason|status|errorid|cause|title)[\"']?\s{0,2}(?:=>|[:=])\s{0,2}[\"']?"
    r"([A-Za-z][\w.-]{1,60}|\d{2,9})(?=[\"',})\]]|$)"
    r"|(?:error|code|errorid|errorcode)[\"']?\s?(?:=>|[:=#>(])?\s?[\"'(]?#?(\d{2,9})\b",
    re.IGNORECASE,
)
"""Where programs put a code: ``"code": "Unauthorized"``, ``error=denied``, ``Error (932)``."""


def code_of(name: str) -> str:
    """A code without its spelling: InvalidToken, INVALID_TOKEN and invalid-token are one."""
    return name.replace("_", "").replace("-", "").replace(".", "").lower()


def is_a_word(code: str) -> bool:
    """Whether a code looks like a word or a number of a sentence, so that it counts only where programs put codes."""
    return code.isdigit() or (code.isalpha() and (code.islower() or code.istitle()))


def _codes(text: str) -> tuple[frozenset[str], frozenset[str]]:
    """The names in a text that are codes by their look; and those that stand in a code's place."""
    names = {word for word in _WORD.findall(text) if "_" in word or not is_a_word(word)}
    placed = {code for pair in _PLACED.findall(text) for code in pair if code}
    return frozenset(map(code_of, names)), frozenset(map(code_of, placed))


# -- all of it ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Facts:
    """What is certain about one message. Each fact is found when it is first asked for."""

    text: str
    _found: tuple[int, int] | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_found", _answer(self.text))

    @property
    def answer(self) -> int | None:
        """The HTTP code that was answered."""
        return self._found[0] if self._found else None

    @cached_property
    def beginnings(self) -> tuple[str, ...]:
        """Where a frame may begin, in small letters."""
        return _beginnings(self.text)

    @cached_property
    def small(self) -> str:
        """All of it in small letters, for the words."""
        return self.text.lower()

    @cached_property
    def codes(self) -> tuple[frozenset[str], frozenset[str]]:
        """The codes by their look, and those in a code's place."""
        return _codes(self.text)

    @cached_property
    def ours(self) -> Facts:
        """What our own side says: all that stands in front of the other side's answer."""
        body = _BODY.search(self.text)
        ends = [*([self._found[1]] if self._found else []), *([body.start()] if body else [])]
        return Facts(self.text[: min(ends)]) if ends else self
