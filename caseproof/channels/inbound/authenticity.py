"""Whether a mail is from whom it says it is: what our own mail server found out, and nobody else's word.

Our server writes its findings into an Authentication-Results header (RFC 8601) under its own name, at the top, and
removes every such header that carries its name already. That is the trust this rests on. So one under another name,
or below a Received header that another server wrote, or below the Received that stands under our server's findings,
says nothing here: the sender may have written it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from caseproof.config.mail_address import domain_of

_FROM = re.compile(r"\s*from\b", re.IGNORECASE)
_BY = re.compile(r"\bby\s+([^\s;()]{1,253})", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z0-9_.-]+")
# Where the second last label belongs to the registry, the domain of three labels is the smallest that has an owner.
_REGISTRIES = frozenset(
    {"ac", "co", "com", "edu", "go", "gob", "gouv", "gov", "gv", "ltd", "me", "ne", "net", "or", "org"}
)
_MOST = 20


@dataclass(frozen=True, slots=True)
class Genuine:
    """``ok``: our own mail server vouches for the sender's domain; ``why``: how, or what is missing."""

    ok: bool
    why: str


@dataclass(slots=True)
class _Finding:
    """One finding: ``dkim`` ``pass`` ``{"header.d": "shop.example"}``."""

    method: str
    result: str
    about: dict[str, str] = field(default_factory=dict)


def genuine_of(headers: Sequence[tuple[str, str]], domain: str, authserv: str) -> Genuine:
    """Whether the server named ``authserv`` vouches for ``domain``, the domain of From.

    ``headers``: lower-case names and texts, top first. ``domain``: as ``domain_of`` writes it.
    """
    if not authserv:
        return Genuine(False, "no mail server of ours is named that could vouch for the sender")
    if not domain:
        return Genuine(False, "the message does not name exactly one sender")
    found = [finding for value in _ours(headers, authserv.lower()) for finding in _findings(value)]
    if not found:
        return Genuine(False, f"{authserv} says nothing about who sent it")
    results = {finding.result for finding in found if finding.method == "dmarc"}
    if results - {"pass", "none"}:
        return Genuine(False, f"{authserv} says that it is not from {domain} (DMARC: {', '.join(sorted(results))})")
    if _contradictory(found, domain):
        return Genuine(False, f"{authserv} says one thing about who sent it, and then another")
    for finding in found:
        if finding.result != "pass":
            continue
        if finding.method == "dmarc" and domain_of(finding.about.get("header.from", "")) == domain:
            return Genuine(True, f"DMARC passed for {domain}")
        signed = domain_of(finding.about.get("header.d") or finding.about.get("header.i", ""))
        if finding.method == "dkim" and _aligned(signed, domain):
            return Genuine(True, f"signed by {signed} (DKIM)")
    return Genuine(False, f"{authserv} does not say that it is from {domain} (no DMARC, no DKIM of that domain)")


def _contradictory(found: Sequence[_Finding], domain: str) -> bool:
    """Whether a server said two things: its own, and what a sender's address or name made it repeat."""
    said = {(one.method, one.result) for one in found}
    if any({(method, "pass"), (method, "none")} <= said for method in ("dmarc", "dkim")):
        return True
    froms = {one.about["header.from"] for one in found if one.method == "dmarc" and "header.from" in one.about}
    return not all(_aligned(domain_of(one), domain) for one in froms)


def _ours(headers: Iterable[tuple[str, str]], authserv: str) -> list[str]:
    """Our server's own findings: the topmost that carry its name, with no other server's Received above them."""
    ours: list[str] = []
    for name, value in headers:
        if name == "authentication-results":
            first, _, findings = _without_comments(value).partition(";")
            if first.split(" ")[0].strip('"').lower() == authserv:
                ours.append(findings)
        elif name == "received":
            hop = _without_comments(value)  # in a comment stands what the other side calls itself
            if not ours and not _FROM.match(hop):
                continue  # handed on within one house, which some write with numbers for names
            by = _BY.search(hop)
            if ours or by is None or not _same_house(by[1].lower().rstrip("."), authserv):
                break
    return ours[:_MOST]


def _same_house(host: str, authserv: str) -> bool:
    """Whether a host is of our server's domain: that very name, one below it, or its sister."""
    _, _, parent = authserv.partition(".")
    return host == authserv or host.endswith("." + authserv) or (_owned(parent) and host.endswith("." + parent))


def _aligned(signed: str, domain: str) -> bool:
    return bool(signed) and (signed == domain or (_owned(signed) and domain.endswith("." + signed)))


def _owned(domain: str) -> bool:
    """Whether a domain can have an owner: at least two labels, and not a registry's own (co.uk)."""
    labels = domain.split(".")
    if len(labels) < 2 or not all(labels):
        return False
    return not (len(labels) == 2 and len(labels[1]) == 2 and labels[0] in _REGISTRIES)


def _without_comments(value: str) -> str:
    """A header without its comments (they may nest), quoted strings left as they are.

    Nothing of one whose comment ends within a quote: some servers repeat a sender's address there, and an address may
    be `"a); dmarc=pass (b"@thief.example`.
    """
    if "(" not in value:
        return value
    kept: list[str] = []
    depth = 0
    for letter, plain, quoted in _letters(value):
        if plain and letter == "(" and (depth or not quoted):
            depth += 1
        elif plain and letter == ")" and depth:
            if quoted:
                return ""
            depth -= 1
            kept.append(" ")
        elif not depth:
            kept.append(letter)
    return " ".join("".join(kept).split())


def _findings(value: str) -> list[_Finding]:
    """``dkim=pass header.d=shop.example; dmarc=...`` as findings; what cannot be read is left out."""
    found: list[_Finding] = []
    for piece in _split(value, ";"):
        words = [word for word in _split(re.sub(r"\s*=\s*", "=", piece), " ") if word]
        pairs = [
            (name.lower(), text.strip('"').lower()) for name, sign, text in (w.partition("=") for w in words) if sign
        ]
        if not pairs or not _NAME.fullmatch(pairs[0][1]):
            continue
        method, result = pairs[0]
        found.append(_Finding(method.partition("/")[0].strip(), result, dict(reversed(pairs[1:]))))
    return found


def _split(value: str, at: str) -> list[str]:
    """Split outside quoted strings."""
    if '"' not in value:
        return value.split(at)
    parts: list[list[str]] = [[]]
    for letter, plain, quoted in _letters(value):
        if plain and letter == at and not quoted:
            parts.append([])
        else:
            parts[-1].append(letter)
    return ["".join(part) for part in parts]


def _letters(value: str) -> Iterator[tuple[str, bool, bool]]:
    """Each letter, whether it means what it is (no backslash before it), and whether it stands within quotes."""
    quoted = escaped = False
    for letter in value:
        if letter == '"' and not escaped:
            quoted = not quoted
        yield letter, not escaped, quoted
        escaped = letter == "\\" and not escaped
