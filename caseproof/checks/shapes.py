"""The shape of a message: what stays of it when everything that differs from run to run is taken out.

Two messages of one shape say the same; an operator's choice of a cause for one of them holds for the other. What is
taken out: what only carries a message (``facts.CARRIERS``), ids and times, addresses of the web and of mail, hosts,
paths, and numbers, also within quotes and names. Codes are no such numbers: ``code 17``, ``errno 13``, and ``401`` and
``503`` where they were answered. In doubt a part stays: of a shape that is too fine somebody is asked once more, one
that is too coarse blames without asking.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from caseproof.checks.facts import SEARCHED, answer_in, said_in, told_in

READ = 1000
"""So many characters of a message are read, and kept by a case that the daily check opens."""

LONGEST = READ
"""How many characters a shape has at most, beside the code that was answered."""

TAKEN = "\u2026"
"""What stands for all that was taken out."""

CUT = f"[{TAKEN}]"
"""What stands where a long message was cut."""

_TAIL = 480
"""So many characters of a long message are kept of its end: the last line of a traceback says what is wrong."""
_HEAD = READ - _TAIL - len(f" {CUT} ")
_SHAPE_HEAD, _SHAPE_TAIL = 220, 180
"""So many characters are kept in the shape of a message that was cut: less than the message's own, so that where it was
cut does not depend on how long the addresses and ids in it are."""
_LONG_URL = 48

_URL = re.compile(r"\b[a-z][a-z0-9+.-]{1,20}://[^\s\"'<>)\]}]+", re.IGNORECASE)
_MAIL = re.compile(r"(?<![\w.+%-])[\w.+%-]+@[\w-]+(?:\.[\w-]+)+")
_ADDRESS = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b|\[[0-9a-f:]{0,40}:[0-9a-f:]{1,40}\](?::\d+)?")
_PATH = re.compile(r"(?<![\w.])(?:/[\w.@%+~-]+){2,}/?")
_POINTER = re.compile(
    r"(?!/(?:app|data|etc|home|media|mnt|opt|proc|root|run|srv|tmp|users|usr|var|volumes)/)(?:/[a-z_]+){2,4}/?"
)
"""A place in a document: ``/article/title``. No path of a file, and so it stays."""
_DOTTED = re.compile(r"(?<![\w.-])[\w-]+(?:\.[\w-]+)+(:\d+)?|\blocalhost(?::\d+)?\b")
_TOKEN = re.compile(r"(?<![\w-])-?\b[\w-]+")

_DAY = r"(?:mon|tue|wed|thu|fri|sat|sun|tues|thurs|(?:mon|tues|wednes|thurs|fri|satur|sun)day)"
_MONTH = (
    r"(?:jan|feb|mar|apr|may|jun|jul|aug|sept?|oct|nov|dec|january|february|march|april|june|july|august|september"
    r"|october|november|december)"
)
_DATE = re.compile(
    rf"\b{_DAY}\b\.?,? (?=\d{{1,2}}[ .-]|{_MONTH}\b)"  # days in front of a date
    rf"|(?<=\d[ /-]){_MONTH}(?=[.,]?[ /-]\d)|\b{_MONTH}\.? (?=\d{{1,2}}(?:,? \d{{4}}\b| \d\d:\d\d))"  # months in one
)


def _path(found: re.Match[str]) -> str:
    return found[0] if _POINTER.fullmatch(found[0]) else TAKEN


# -- hosts: a dotted name of a program ("article.title.invalid") is none ----------------------------------------------

_HOSTS = frozenset({"com", "net", "org", "biz", "local", "lan", "localdomain", "localhost"})
"""What no dotted code ends with."""
_MAYBE = frozenset({"internal", "example", "cloud", "app", "shop", "store", "dev", "io", "ai", "co"})
"""What names of hosts and of programs end with, as two letters do: another sign must tell."""
_HARDLY = frozenset({"invalid", "test", "info"})
"""What hosts hardly ever end with, and codes often."""
_FILES = frozenset({"py", "js", "ts", "sh", "rb", "go", "db", "gz", "md", "so", "pl", "cc"})
"""What names of files end with."""
_OF_HOSTS = frozenset({"www", "api", "ftp", "sftp", "smtp", "imap", "mail", "cdn"})
_IN_FRONT = re.compile(r"(?<![a-z])(?:host|hostname|domain|server|to|at|from)[\"'`]?\s?[:=]?\s?[\"'`(]?\Z")


def _host(found: re.Match[str]) -> str:
    name = found[0].removesuffix(found[1] or "")
    labels = name.split(".")
    if len(labels) == 1 or labels[-1] in _HOSTS or (found[1] and not labels[-1].isdigit() and labels[-1] not in _FILES):
        return TAKEN
    of_a_country = len(labels[-1]) == 2 and labels[-1].isalpha() and labels[-1] not in _FILES
    if not (of_a_country or labels[-1] in _MAYBE | _HARDLY):
        return found[0]
    told = _IN_FRONT.search(found.string[max(0, found.start() - 14) : found.start()])
    if told or labels[0] in _OF_HOSTS or found.string.startswith("/", found.end()):
        return TAKEN
    seems = len(labels) > 2 and any(letter.isdigit() or letter == "-" for letter in name)
    return TAKEN if seems and labels[-1] not in _HARDLY else found[0]


# -- ids and numbers: what has a digit, but no codes ------------------------------------------------------------------

_CODED = re.compile(
    r"(?:(?:(?<!zip)(?<!post)(?<!bar)(?<!qr)code|errno|sqlstate|status|exit(?:ed)?(?: with)?|signal|hresult|returncode"
    r"|(?<![a-z])(?:rc|err(?:or|eur|ore)?(?:[ _-]?(?:number|num|no\.?|nr\.?|id))?|fout|msg|smtp)"
    r"|b\u0142[\u0105\u0119]du?|fehler(?:[ _-]?(?:nummer|nr\.?))?|sqlstate\[\w{5}\])"
    r"[\"'`\])>]{0,2}\s?(?:=>|[:=])?[ _]?[\"'`(\[]{0,2}[#-]?"
    r"|(?<!key)(?<!value)(?<!index)(?:error|exception):? ?[\[(]?[#-]?(?<!: )(?<!:)"
    r"|(?<![a-z0-9])(?:ora|tns|pls|sql|aadsts|wsrep|e)[-_]?|\(#|curl: ?\()\Z"
)
"""What stands in front of a code."""
_NO_CODE = re.compile(
    r"(?<![a-z])(?:postal|zip|country|area|coupon|discount|voucher|promo|product|article|item|sku|order|tracking|customer"
    r"|bar|post|qr)[ _-]?code[\"']?\s?[:=]?\s?[\"'#]?\Z"
)
_COUNT = re.compile(r"(?:error|fehler|erreur|fout)[\"']?\s?[:=]\s?\Z")
_COUNTED = re.compile(r"\s(?!(?:in|im|bei|beim|am|an|at|on|while|when|from|for|during|by|see|siehe)\b)[^\W\d_]")
_ARGUMENT = re.compile(r"(?:\A|: )\(\Z"), re.compile(r", ?[\"']")
"""What stands around the code in ``(1045, 'Access denied')``, as databases' exceptions show themselves."""
_CODE = re.compile(r"\d{1,6}|0x[0-9a-f]{1,8}")
_EXIT = re.compile(r"(?:exit|return|rc)[^\d]{0,16}\Z")
_UNIT = re.compile(r"\d+(?:[a-z]|ms|us|ns|kb|mb|gb|tb|kib|mib|gib|min|sec|hrs?|st|nd|rd|th|px|am|pm|eur|usd|gbp|pln|x)")
_HEX = re.compile(r"0x[0-9a-f]+|(?=.{8})(?:[0-9a-f]*-)*(?=[a-f]*\d+[a-f])[0-9a-f]+(?:-[0-9a-f]*)*")
_HEX_PIECE = re.compile(r"[0-9a-f]{6,}")
_PIECE = re.compile(r"[^_-]+")
_DIGITS = re.compile(r"\d+")


def _token(found: re.Match[str]) -> str:
    """A word, or words bound by ``-`` and ``_``, without its ids and numbers; words and codes in it stay."""
    token = found[0]
    if not any(letter.isdigit() for letter in token):
        return token
    if _is_code(found.string, found.start(), found.end()):
        return token
    if _HEX.fullmatch(token):
        return TAKEN
    return _PIECE.sub(lambda piece: _piece(found, piece), token)


def _piece(token: re.Match[str], piece: re.Match[str]) -> str:
    told = piece[0]
    runs = _DIGITS.findall(told)
    if not runs:
        return told
    at = token.start() + piece.start()
    if piece.start() and _is_code(token.string, at, at + len(told)):
        return told
    if told.isdigit() or len(runs) > 1 or _UNIT.fullmatch(told):
        return TAKEN
    front, behind = told.split(runs[0])
    if behind and _HEX_PIECE.fullmatch(told):
        return TAKEN
    if not behind and _is_code(token.string, at + len(front), at + len(told)):
        return told
    return f"{front}{TAKEN}{behind}"


def _is_code(text: str, start: int, end: int) -> bool:
    """Whether what stands there is an error's code, so that another number means another thing."""
    if text[end : end + 1] in ("-", "_", "%", "+") or re.match(r"[.,:/]\d", text[end : end + 2]):
        return False
    front = text[max(0, start - 40) : start]
    said = text[start:end].lstrip("-")
    if _ARGUMENT[0].search(text[max(0, start - 3) : start]) and _ARGUMENT[1].match(text, end):
        return bool(_CODE.fullmatch(said))
    if not _CODED.search(front) or _NO_CODE.search(front):
        return False
    if _COUNT.search(front) and _COUNTED.match(text, end):
        return False  # "errors: 17 articles ..."
    if "sqlstate" in front[-12:]:
        return len(said) == 5 or said.isdigit()
    return bool(_CODE.fullmatch(said)) or (said.isdigit() and len(said) <= 10 and bool(_EXIT.search(front)))


# -- the shape --------------------------------------------------------------------------------------------------------

_NOTHING = rf"[^\w\n\"'`]{{0,80}}{TAKEN}[^\w\n\"'`]{{0,80}}"
_QUOTED = re.compile(rf"'{_NOTHING}'|\"{_NOTHING}\"|`{_NOTHING}`")
"""A quotation of which nothing is left but what was taken out."""
_SIGN = re.compile(rf"(?<![\w)\]{TAKEN}])[-+](?={TAKEN})")
_MANY = re.compile(rf"{TAKEN}(?:[\s,;:._/#+-]*{TAKEN})+")
_LEAST = 2
"""So many words that tell something a shape has at least: of fewer it is not known what they mean elsewhere."""


@dataclass(frozen=True, slots=True)
class Likeness:
    """Something that a message is like: what it is called, the cause that it stands for, and how like (0 to 1)."""

    name: str
    cause: str
    ratio: float


def abridged(message: str) -> str:
    """A message as a case keeps it: its beginning and its end, cut at blanks, with ``CUT`` between; whole, if short."""
    if len(message) <= READ:
        return message
    if len(message) > 2 * SEARCHED:
        message = f"{message[:SEARCHED]} {CUT} {_end(message, SEARCHED)}"
    message = _URL.sub(lambda url: url[0] if len(url[0]) <= _LONG_URL else f"{url[0][:_LONG_URL]}{TAKEN}", message)
    if len(message) <= READ:
        return message
    return f"{_beginning(message, _HEAD)} {CUT} {_end(message, _TAIL)}"


def _beginning(text: str, most: int) -> str:
    """The text's first words."""
    if len(text) <= most:
        return text
    words = re.match(r"(?s)(.*)\s", text[: most + 1])
    return words[1].rstrip() if words and len(words[1]) > most // 2 else text[:most]


def _end(text: str, most: int) -> str:
    """The text's last words; of a long last line the first, behind a new line: they say what kind of thing is wrong."""
    if len(text) <= most:
        return text
    before, _, last = text.rpartition("\n")
    if before.strip() and len(last) > most * 3 // 4:
        return f"\n{_beginning(last, most - 1)}"
    words = re.match(r"(?s)\S*\s+(.*)", text[-most - 1 :])
    return words[1] if words and len(words[1]) > most // 2 else text[-most:]


def shape_of(message: str) -> str:
    """The shape of a message; "" of one that says hardly anything beside what is taken out.

    Always the same for the same, also for what ``abridged`` keeps of it.
    """
    text = said_in(told_in(abridged(message.strip()))).lower()
    answered = answer_in(text)
    kept = f"http {answered} " if answered else ""
    beginning, cut, end = text.partition(CUT)
    shape = _without(beginning)
    if cut:
        tail = _beginning if end.lstrip(" ").startswith("\n") else _end
        shape = f"{_beginning(_one_line(shape), _SHAPE_HEAD)} {CUT} {tail(_without(end), _SHAPE_TAIL)}"
    shape = _one_line(shape)
    telling = [word for word in _WORD.findall(shape) if word not in _SAY_NOTHING]
    return f"{kept}{shape}"[: LONGEST + len(kept)].rstrip() if len(telling) + bool(kept) >= _LEAST else ""


def _without(text: str) -> str:
    """The text without what differs from run to run; its lines stay."""
    for part in (_URL, _MAIL, _ADDRESS):
        text = part.sub(TAKEN, text)
    text = _DOTTED.sub(_host, text)
    text = _DATE.sub(TAKEN, _PATH.sub(_path, text)).replace("...", TAKEN)
    text = _SIGN.sub("", _TOKEN.sub(_token, text))
    lines = (_QUOTED.sub(TAKEN, _MANY.sub(TAKEN, " ".join(line.split()))) for line in text.splitlines())
    return "\n".join(_MANY.sub(TAKEN, line) for line in lines if line).strip()


def _one_line(text: str) -> str:
    return _MANY.sub(TAKEN, " ".join(text.split()))


def key_of(shape: str) -> str:
    """The key of a shape (hex SHA-256); "" of none."""
    return hashlib.sha256(shape.encode()).hexdigest() if shape else ""


def nearest(shape: str, known: Iterable[tuple[str, str, Iterable[str]]], most: int = 3) -> list[Likeness]:
    """What a shape is most like, the nearest first: of ``known``, each a name, a cause and texts that hold its words.

    A word that few of them have tells much, one that many have tells little. Only what shares a good part of what the
    shape says is named: a likeness that is none leads a person astray.
    """
    here = [(name, cause, _words(" ".join(texts))) for name, cause, texts in known]
    had = Counter(word for _, _, words in here for word in words)
    wanted = _words(shape)
    found = []
    for name, cause, words in here:
        ratio = sum(1 / had[word] for word in wanted & words) / len(wanted) if wanted else 0.0
        if ratio >= LEAST:
            found.append(Likeness(name, cause, round(ratio, 2)))
    return sorted(found, key=lambda one: (-one.ratio, one.name))[:most]


LEAST = 0.05
"""How like something must be to be named."""
_SAY_NOTHING = frozenset(
    {
        *("and", "are", "been", "but", "can", "cannot", "could", "did", "does", "for", "from", "had", "has", "have"),
        *("into", "its", "not", "our", "that", "the", "their", "then", "there", "this", "was", "were", "when", "which"),
        *("while", "will", "with", "would", "you", "your", "http", "https", "error", "failed", "fails", "exception"),
    }
)


def _words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text.lower())) - _SAY_NOTHING


_WORD = re.compile(r"[^\W\d_]{3,30}")
