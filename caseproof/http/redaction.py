"""Takes secrets out of text that a job's error message may carry, before a person outside sees it."""

from __future__ import annotations

import re

HIDDEN = "[hidden]"

_CHOSEN = r"pass(?:word|wd|phrase)?|pwd|secret|credentials?|otp"
_MADE = (
    r"token|api[-_ ]?key|access[-_ ]?key|private[-_ ]?key"
    r"|consumer[-_ ]?key|auth(?:orization)?|signature|sig|session(?:[-_ ]?id)?|cookie"
)
_NAMES = rf"{_CHOSEN}|{_MADE}"
_VALUE = r"(?:\"[^\"\n]*\"|'[^'\n]*'|[^\s\"'<>&;,)\]}]+)"

# What may follow "is" in a sentence about a secret, and is none. A machine makes no token that is a short small word; a
# person may choose any word as a password, so there only words stay that go on with a sentence.
_WORD = r"[a-z]{1,12}"
_GOES_ON = (
    r"an?|the|in|on|at|of|for|from|with|by|to|as|not|no|now|still|only|already|too|also|wrong|invalid|incorrect|valid"
    r"|correct|right|expired|missing|required|empty|unknown|old|new|different|set|kept|stored|saved|sent|used|given"
    r"|needed|changed|renewed|reset|revoked|rejected|refused|accepted|here|there|gone|being|about"
)


def _named(names: str, plain: str) -> tuple[re.Pattern[str], str]:
    """password: x, "api_key": "x", token=x, password is x; what is ``plain`` after "is" stays."""
    ends = r"(?![^\s\"'<>&;,)\]}])"
    return (
        re.compile(
            rf"(?i)(?<![\w-])([\w-]{{0,40}}?(?:{names})(?:[-_][\w-]{{0,40}})?[\"']?"
            rf"(?:\s{{0,3}}(?:=>|:=|[:=])\s{{0,3}}|\s{{1,3}}(?:is|was)\s{{1,3}}(?!(?-i:{plain})[.:!?]{{0,3}}{ends})"
            rf"|\s{{1,3}}(?=[\"'])))"
            rf"(?!\[hidden\]){_VALUE}"
        ),
        rf"\1{HIDDEN}",
    )


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
    _named(_CHOSEN, _GOES_ON),
    _named(_MADE, _WORD),
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
