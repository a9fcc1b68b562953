"""Mail addresses: as people write them, as mail carries them, and when two of them are the same.

What a person writes (a cell, a form, an option) is tidied and read by ``addresses_in``; what is kept has passed
``usable_address``; two spellings are the same where ``comparable`` says so, and nowhere else.
"""

from __future__ import annotations

import re
import unicodedata
from contextlib import suppress
from urllib.parse import unquote

import idna

from caseproof.domain.errors import BadInput

PLAIN = "Write it like name@example.com."

_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}

# What shows nothing: soft hyphens, zero widths, marks of direction, byte order marks, fillers, selectors. The two
# joiners shape letters of some scripts, and stay between those.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff]"
    "|(?<![^\x00-\x7f])[\u200c\u200d]|[\u200c\u200d](?![^\x00-\x7f])"
)
_LOST = "\ufffd"

_BREAKS = re.compile("[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]+")
_DIVIDES = re.compile(r'"(?:[^"\\]|\\.)*+"|<[^<>]*+>|([;,\n])')
_NAMED = re.compile(r"([^<>]*)<([^<>]*)>")
_MAILTO = re.compile(r"\s*mailto:([^?]*+)(?:\?.*)?", re.IGNORECASE | re.DOTALL)
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_MOST_BEFORE, _MOST, _LONGEST = 64, 254, 10_000


def tidied(text: str) -> str:
    """A text as a person means it: nothing invisible, one space between words, each letter in its usual form."""
    return " ".join(unicodedata.normalize("NFC", _INVISIBLE.sub("", text)).split())


def unkeepable(text: str) -> str:
    """What in a tidied text shows that it is broken: a control character, half a letter, a lost one; "" for none."""
    return next((c for c in text if c == _LOST or unicodedata.category(c) in ("Cc", "Cs")), "")


def addresses_in(text: str) -> list[tuple[str, str]]:
    """Name and address of everybody in a text that a person wrote, none twice; the name may be "".

    Takes ``name@example.com``, ``Name <name@example.com>``, ``mailto:`` links, and several of them, divided by
    semicolons, commas or line breaks. Raises BadInput for a part that is no address; an empty text holds none.
    """
    if len(text) > _LONGEST:
        raise BadInput(f"{tidied(text[:60])!r} goes on for {len(text)} characters.", "Give the addresses alone.")
    found: dict[str, tuple[str, str]] = {}
    for part in _parts(text):
        name, address = _name_and_address(part)
        found.setdefault(comparable(address), (name, address))
    return list(found.values())


def one_address(text: str) -> tuple[str, str]:
    """Name and address of the one who is named. Raises BadInput where nobody is, or more than one."""
    found = addresses_in(text)
    if len(found) != 1:
        shown = tidied(text)[:100]
        why = "holds more than one address" if found else "is not a mail address: it is empty"
        raise BadInput(f"{shown!r} {why}.", "Give them one at a time." if found else PLAIN)
    return found[0]


def usable_address(text: str) -> str:
    """The bare address, tidied. Raises BadInput, which says why, for one that no mail can come from or go to."""
    address = tidied(text)
    before, _, domain = address.rpartition("@")
    for wrong in (_wrong_as_text(address), _wrong_before(before), _wrong_domain(domain)):
        if wrong:
            why, what_to_do = wrong
            raise BadInput(f"{address[:100]!r} is not a mail address: {why}.", what_to_do or PLAIN)
    return address


def comparable(address: str) -> str:
    """An address as two spellings of it are equal: A-Z does not matter, letters outside ASCII do.

    A domain with such letters is the one that DNS knows, however it is spelt.
    """
    local, _, domain = address.translate(_LOWER).rpartition("@")
    return f"{local}@{domain_of(domain)}"


def domain_of(address: str) -> str:
    """The domain of an address (or a bare domain), in lower case and as ASCII where it can be."""
    domain = address.translate(_LOWER).rpartition("@")[2]
    with suppress(UnicodeError):  # no domain can be so; it equals only itself
        return _as_dns_knows_it(domain)
    return domain


def ascii_address(address: str) -> str:
    """The address with its domain in the ASCII form that DNS knows; the local part stays as it is."""
    local, _, domain = address.rpartition("@")
    try:
        return f"{local}@{_as_dns_knows_it(domain)}"
    except UnicodeError as error:
        raise BadInput(f"{domain[:100]!r} is not a domain name.", "Correct the mail address.") from error


def _as_dns_knows_it(domain: str) -> str:
    """Raises UnicodeError. Not the standard library's idna: it makes of straße.example somebody else's domain."""
    if domain.isascii():
        return domain
    if len(domain) > _MOST:
        raise UnicodeError("too long")
    return idna.encode(domain, uts46=True).decode("ascii")


# -- what a person wrote --------------------------------------------------------------------------------------------


def _parts(text: str) -> list[str]:
    """The parts of a text, each about one address; "Meyer, Anna <...>" stays whole."""
    lines = _BREAKS.sub("\n", text)
    ends = [match.start() for match in _DIVIDES.finditer(lines) if match[1]]
    parts: list[str] = []
    waiting = ""  # a name that was cut before its address
    for begin, end in zip([0, *(end + 1 for end in ends)], [*ends, len(lines)], strict=True):
        part, sign = tidied(lines[begin:end]), lines[end : end + 1]
        if not part:
            continue
        if "<" in part:
            parts.append(waiting + part)
            waiting = ""
        elif "@" not in part and sign in {",", "\n"}:
            waiting += f"{part}, " if sign == "," else f"{part} "
        else:
            parts += [waiting.rstrip(", "), part] if waiting else [part]
            waiting = ""
    return [*parts, waiting.rstrip(", ")] if waiting else parts


def _name_and_address(part: str) -> tuple[str, str]:
    match = _NAMED.fullmatch(part)
    name, given = (match[1].strip(), match[2]) if match else ("", part)
    link = _MAILTO.fullmatch(given)
    address = usable_address(unquote(link[1]) if link else given)
    if len(name) > 1 and name[0] == name[-1] and name[0] in "\"'":
        name = re.sub(r"\\(.)", r"\1", name[1:-1]) if name[0] == '"' else name[1:-1]
    if comparable(name) == comparable(address):
        name = ""
    if "@" in name:
        raise BadInput(f"{part[:100]!r} holds more than one address.", "Divide them by a semicolon.")
    if name.count('"') % 2:
        raise BadInput(f"{part[:100]!r} has a quotation mark that is not closed.", PLAIN)
    return tidied(name), address


# -- what no mail address has ---------------------------------------------------------------------------------------

_Wrong = tuple[str, str] | None
"""Why it is none, and what to do about it (may be "")."""


def _wrong_as_text(address: str) -> _Wrong:
    stray = unkeepable(address) or next((c for c in address if c in "<>(),;:[]\\"), "")
    checks = (
        (not address, "it is empty", ""),
        (address.count('"') % 2 == 1, "a quotation mark is not closed", ""),
        ('"' in address, "it has quotation marks", ""),
        ("@" not in address, "it has no @", ""),
        (bool(stray), f"{stray!r} cannot stand in it", ""),
        (" " in address, "it has a space in it", "Write one address without spaces; divide several by a semicolon."),
        (address.count("@") > 1, "it has more than one @", "Divide several addresses by a semicolon."),
        (len(address) > _MOST, "it is too long", ""),
    )
    for applies, why, what_to_do in checks:
        if applies:
            return why, what_to_do
    return None


def _wrong_before(local: str) -> _Wrong:
    if not local:
        return "nothing stands before the @", ""
    if len(local) > _MOST_BEFORE:
        return f"more than {_MOST_BEFORE} characters stand before the @", ""
    if local.startswith(".") or local.endswith(".") or ".." in local:
        return "a dot stands where none can, before the @", ""
    if local.startswith("'"):
        return "it begins with an apostrophe", "Take it away."
    if not local.isascii():
        odd = next(c for c in local if not c.isascii())
        return (
            f"{odd!r} stands before the @, and many mail servers cannot carry that",
            "Ask for another address of plain letters, and put that one in its place.",
        )
    return None


def _wrong_domain(domain: str) -> _Wrong:
    if domain.endswith("."):
        return "it ends with a dot", "Take the dot away."
    try:
        labels = _as_dns_knows_it(domain).lower().split(".")
    except UnicodeError:
        labels = []
    if not all(map(_LABEL.fullmatch, labels)) or not labels or labels[-1].isdigit():
        return f"{domain[:100]!r} is no domain name" if domain else "nothing stands behind the @", ""
    return None if len(labels) > 1 else (f"its domain {domain!r} has no dot", "")
