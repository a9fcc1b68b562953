"""Takes secrets out of text that a job's error message may carry, before a person outside sees it."""

from __future__ import annotations

import re

HIDDEN = "[hidden]"

_NAMES = (
    r"pass(?:word|wd|phrase)?|pwd|secret|token|api[-_ ]?key|access[-_ ]?key|private[-_ ]?key"
    r"|consumer[-_ ]?key|auth(?:orization)?|credentials?|signature|sig|session(?:[-_ ]?id)?|cookie|otp"
)
_VALUE = r"(?:\"[^\"\n]*\"|'[^'\n]*'|[^\s\"'<>&;,)\]}]+)"

# Every repetition in front of a fixed word is bounded and starts at a word's edge, so that a long
# message takes linear time.
_RULES: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(r"-----BEGIN [A-Z ]{0,40}KEY-----.*?(?:-----END [A-Z ]{0,40}KEY-----|\Z)", re.DOTALL),
        HIDDEN,
    ),
    # Authorization: Scheme value; the whole rest of the header is secret.
    (
        re.compile(r"(?i)(?<![\w-])((?:proxy-)?authorization[\"']?\s{0,3}[:=]\s{0,3})[\"']?[^\"'\n,;}]+[\"']?"),
        rf"\1{HIDDEN}",
    ),
    (re.compile(r"(?i)(?<![\w-])((?:set-)?cookie\s{0,3}:\s{0,3})[^\n]+"), rf"\1{HIDDEN}"),
    (
        re.compile(r"(?i)(?<![\w-])(bearer|basic|digest|zoho-oauthtoken|oauth|apikey)\s{1,3}[\w.~+/=-]{8,}"),
        rf"\1 {HIDDEN}",
    ),
    # user:password@ in addresses
    (re.compile(r"(?i)(://)[^\s/@\"'<>]{1,300}@"), rf"\1{HIDDEN}@"),
    # ?key=, ?code=, ?sig= ... in the query of an address
    (
        re.compile(rf"(?i)([?&;#][\w.\[\]-]{{0,40}}?(?:{_NAMES}|key|code|hash|jwt)[\w.\[\]-]{{0,40}}=)[^&\s\"'<>#;]+"),
        rf"\1{HIDDEN}",
    ),
    # password: x, "api_key": "x", token=x, password is x
    (
        re.compile(
            rf"(?i)(?<![\w-])([\w-]{{0,40}}?(?:{_NAMES})(?:[-_][\w-]{{0,40}})?[\"']?"
            rf"(?:\s{{0,3}}(?:=>|:=|[:=])\s{{0,3}}|\s{{1,3}}(?:is|was)\s{{1,3}}|\s{{1,3}}(?=[\"'])))"
            rf"(?!\[hidden\]){_VALUE}"
        ),
        rf"\1{HIDDEN}",
    ),
    (re.compile(r"(?<![\w-])eyJ[\w-]{6,}\.[\w-]+(?:\.[\w-]*)?"), HIDDEN),
    (
        re.compile(
            r"(?<![\w-])(?:sk|pk|rk|ck|cs|gh[pousr]|github_pat|glpat|xox[abprs]|shp(?:at|ca|pa|ss)|AKIA|ASIA"
            r"|AIza)"
            r"[_-]?(?=[\w-]*\d)[\w-]{12,}"
        ),
        HIDDEN,
    ),
    (re.compile(r"(?<![0-9A-Za-z])[0-9a-fA-F]{24,}(?![0-9A-Za-z])"), HIDDEN),
)
_RUN = re.compile(r"[\w+-]{28,}={0,2}")


def _hide_mixed(match: re.Match[str]) -> str:
    """Long runs that mix capitals, small letters and digits: no word and no run id looks like that."""
    run = match.group()
    mixed = any(c.isupper() for c in run) and any(c.islower() for c in run) and any(c.isdigit() for c in run)
    return HIDDEN if mixed else run


def redact(text: str) -> str:
    """``text`` with tokens, passwords, keys and signatures replaced by "[hidden]".

    It would rather hide too much than too little; ids of runs (UUIDs) and plain addresses stay readable.
    """
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return _RUN.sub(_hide_mixed, text)
