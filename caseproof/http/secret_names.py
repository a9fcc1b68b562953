"""Secrets that stand behind their names: ``password: x``, ``API-Schlüssel = x``, ``the token is x``.

What a rule is, stands here too; ``secret_shapes`` has those for secrets that are known by their place or their look.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

HIDDEN = "[hidden]"


@dataclass(frozen=True, slots=True)
class Rule:
    """What to look for, and what to put in its place.

    ``needs``: one of these must stand in the text, in small letters, or nothing is looked for; empty: always.
    """

    needs: tuple[str, ...]
    expression: str
    instead: str
    flags: re.RegexFlag

    @property
    def pattern(self) -> re.Pattern[str]:
        """Compiled when it is needed first: most commands read no text from outside."""
        return _compiled(self.expression, self.flags)


@cache
def _compiled(expression: str, flags: re.RegexFlag) -> re.Pattern[str]:
    return re.compile(expression, flags)


def rule(needs: str, expression: str, instead: str = HIDDEN, flags: re.RegexFlag = re.IGNORECASE) -> Rule:
    return Rule(tuple(needs.split()), expression, instead, flags)


def _any(*words: str) -> str:
    return "|".join(words)


def any_of(words: Iterable[str]) -> str:
    """An expression for texts that hold one of these words. What begins alike is looked at once: several times faster
    than one word after the other."""
    grouped: dict[str, list[str]] = {}
    for word in words:
        if not word:  # what came before it is enough
            return ""
        grouped.setdefault(word[0], []).append(word[1:])
    found = [f"{re.escape(first)}{any_of(rest)}" for first, rest in sorted(grouped.items())]
    return found[0] if len(found) == 1 else f"(?:{'|'.join(found)})"


# -- values ----------------------------------------------------------------------------------------------------------

_QUOTES = "\u201e\u201c\u201d\u00ab\u00bb\u201a\u2018\u2019\u2039\u203a`"
MORE = r"(?:\\?\r?\n[ \t]{0,40}(?=[\w+/=.~-]{0,200}?\d)[\w+/=.~-]{8,200}(?=[ \t]{0,20}(?:[\"'\r\n]|\Z))){0,20}"
"""Lines that a long value goes on with: nothing but the characters of a token, and a digit."""
_UNQUOTED = (
    r"(?![{(<\[])(?:[^\s\"'<>;&,)\]}\[]|\[(?!hidden\])"
    r"|&(?!(?:amp;)?[\w.\[\]%-]{1,60}=)"
    r"|,(?=[^\s\"'=:]{1,60}(?:[\s\"';<>]|\Z))(?![\w-]{1,40}[=:])"
    r"|[)\]}](?=[\w!#$%*+~^@-])|[\"'](?=[\w!#$%*+~^@-])){1,4000}"
)
_IN_QUOTES = (
    r"\\{1,3}\"[^\"\n]{0,4000}\"?"
    r"|[bfru]{0,2}\"(?:\\.|[^\"\\\n]){0,4000}(?:\"|(?:\n[^\"\n:=]{1,200}){1,5}\"|(?=\n)|\Z)"
    r"|[bfru]{0,2}'(?:\\.|[^'\\\n]){0,4000}(?:'|(?:\n[^'\n:=]{1,200}){1,5}'|(?=\n)|\Z)"
    rf"|[{_QUOTES}][^{_QUOTES}\n]{{1,400}}[{_QUOTES}]?"
    r"|\{[^{}\"'\n:]{1,200}\}"
    r"|&(?:quot|#3[49]);(?:(?!&(?:quot|#3[49]);)[^\n]){1,400}(?:&(?:quot|#3[49]);)?"
)
VALUE = rf"(?:{_IN_QUOTES}|{_UNQUOTED}{MORE})"
_ENDS = r"(?![^\s\"'<>&;,)\]}])"

# -- names -----------------------------------------------------------------------------------------------------------

_KEY_OF = (
    r"(?:api|app|application|access|private|secret|consumer|client|account|subscription|shared|master|signing"
    r"|encryption"
    r"|licen[cs]e|deploy|service|auth|session|storage|webhook|integration|functions|ssh|security|decryption|hmac"
    r"|instrumentation)"
)
SCHLUESSEL = r"schl(?:\u00fc|u\u0308|ue|u)ssel"
_CHOSEN = {
    "pass": _any(
        r"(?:(?<![a-z])|(?:db|ssh|my|user|admin|root|ftp|mail|smtp|sql|pg))pass",
        r"pass(?:words?|wd|phrase|code|wort|w(?:\u00f6|o\u0308|oe)rter)",
    ),
    "secret": r"secret",
    "pw credential": _any(r"(?<![a-z])pwd?", r"pwd", r"credentials?"),
    "kennwort losungswort geheim codewort zugang anmeldedaten": _any(
        r"kennwort", r"losungswort", r"geheimnis", r"geheimwort", r"codewort", r"zugangsdaten", r"zugangscode",
        r"anmeldedaten",
    ),
    "passe contrase wachtwoord has\u0142o haslo parola senha adgangskode l\u00f6senord heslo salasana "
    "\u043f\u0430\u0440\u043e\u043b \u5bc6\u7801 \u5bc6\u78bc \u30d1\u30b9\u30ef\u30fc\u30c9": _any(
        r"mot de passe", r"contrase(?:\u00f1|n\u0303|n)a", r"wachtwoord", r"has(?:\u0142|l)o", r"parola", r"senha",
        r"adgangskode", r"l\u00f6senord", r"heslo", r"salasana", r"\u043f\u0430\u0440\u043e\u043b\u044c",
        r"\u5bc6[\u7801\u78bc]", r"\u30d1\u30b9\u30ef\u30fc\u30c9",
    ),
    "otp pin puk tan mnemonic": _any(
        r"(?<![^\W_])(?:otp|pin|puk|tan)(?:[-_ ]?(?:code|nummer|number))?", r"mnemonic"
    ),
}  # fmt: skip
"""Names of what a person chooses, so that any word may be the secret; by what must stand in a text that has one."""
_MADE = {
    "token": r"token",
    "key": rf"{_KEY_OF}[-_ ]?(?:access[-_ ]?)?key",
    "auth": r"auth(?:orization)?",
    "sig": _any(r"signature", r"(?<![^\W_])sig"),
    "sess sid cookie": _any(r"sess(?:ion)?[-_]?id", r"session", r"(?<![^\W_])sid", r"cookies?"),
    "bearer dsn wordpress_": _any(r"bearer", r"dsn", r"wordpress_(?:sec|logged_in)\w{0,80}"),
    "ssel": (
        r"(?:api|zugriffs|zugangs|geheim|privat\w{0,3}|lizenz|sicherheits|verschl\w{1,3}sselungs|sitzungs|client"
        rf"|consumer|konto|dienst)[-_ ]{{0,2}}{SCHLUESSEL}"
    ),
}
"""Names of what a machine makes: no short small word is one."""
CHOSEN, MADE = _any(*_CHOSEN.values()), _any(*_MADE.values())

# What may follow "is" in a sentence about a secret, and is none. A person may choose any word as a password, so there
# only words stay that go on with a sentence.
_WORD = r"[a-z\u00e4\u00f6\u00fc\u00df]{1,12}"
_GOES_ON = (
    r"an?|the|in|on|at|of|for|from|with|by|to|as|not|no|now|still|only|already|too|also|wrong|invalid|incorrect|valid"
    r"|correct|right|expired|missing|required|empty|unknown|old|new|different|set|kept|stored|saved|sent|used|given"
    r"|needed|changed|renewed|reset|revoked|rejected|refused|accepted|here|there|gone|being|about"
    r"|falsch|ung\u00fcltig|g\u00fcltig|abgelaufen|nicht|kein|leer|unbekannt|richtig|korrekt|im|auf|bei|zu|zum|vom|von"
    r"|f\u00fcr|noch|jetzt|nur|schon|bereits|auch|alt|neu|anders|gesetzt|hinterlegt|gespeichert|gesendet"
    r"|ge\u00e4ndert|erneuert|zur\u00fcckgesetzt|widerrufen|abgelehnt|erforderlich|n\u00f6tig|da|weg|der|die|das"
    r"|ein|eine|vorhanden|verfallen|gesperrt|zu"
)
NO_VALUE = (
    r"null|none|nil|nan|failed|failure|denied|refused|ok|error|enabled|disabled|invalid_\w{1,20}|expired_\w{1,20}"
    r"|unauthori[sz]ed\w{0,20}|undefined|true|false|yes|no|ja|nein|n/a|missing|required|invalid|expired|empty"
    r"|incorrect|wrong"
    r"|rejected|revoked|unknown|not|is|are|must|has|have|cannot|could|the|your|this|fehlt|falsch|ung\u00fcltig"
    r"|abgelaufen|erforderlich|leer|\*{3,}|x{6,}|redacted"
)
SUFFIX = (
    r"(?:[-_](?!problem|err|stat|type|expir|ur[il]|endpoint|method|mode|name|provider|count|enabled|required|at\b"
    r"|ttl|age\b"
    r"|length|policy|field|file|path|level|version|scope|domain|is_|has_|fail|reject|revok|invalid|missing|not_)"
    r"[a-z][\w-]{0,40}|(?-i:Value|Hash|Key|String|Text|Id|Token|Secret|Header|Code|Data|Info)|\d{1,2})?"
)
"""What a name may go on with; not with what is told of a secret: ``oauth_problem``, ``token_expired``."""
_CLOSES = rf"(?:\\{{0,3}}[\"']|&(?:quot|#3[49]);)?[{_QUOTES}]?"
_ASSIGNS = (
    rf"{_CLOSES}(?:\s{{0,3}}(?:=>|:=|==?|:|(?:-{{1,2}}>|\u2192|\u21d2)(?=\s{{0,3}}[^\s]{{0,80}}\d)|%3[ad]"
    rf"|\u2236)\s{{0,6}}+(?:[>|][+-]?[ \t]{{0,4}}\n[ \t]{{1,40}})?"
    rf"(?:\((?=[\"']))?|\s?\(\s?(?=[\"'])|>(?:<!\[CDATA\[)?(?=[^<\s])"
    r"|[\"']\s{1,4}value\s?=\s?)"
)


def _named(needs: str, names: str, plain: str, stays: str, digits: int) -> list[Rule]:
    """``password: x``, ``"api_key": "x"``, ``token=x``, ``password is x``, ``password 'x'``, ``password hunter2``.

    ``plain``: words that stay after "is"; ``stays``: what stays after a colon; ``digits``: how long a bare word with a
    digit must be to be taken for the secret.
    """
    whole = rf"(?:{names}){SUFFIX}"
    is_none = rf"(?!\\?\[hidden\])(?!(?:{NO_VALUE})[.!?,)\]}}]{{0,2}}{_ENDS})"
    bare = r"[^\s\"'<>;,:()\[\]]"
    after = (
        rf"{_ASSIGNS}(?!\\?\[hidden\])(?:[(\[<](?=[^\s\"'<>()\[\]{{}}]{{1,200}}[)\]>]))?+{is_none}{stays}"
        rf"|(?:\s(?:for|of|f\u00fcr|von|to|zu|des|der)(?:\s[\w@.-]{{1,40}}){{1,3}}?)?\s{{1,3}}{_SAYS}:?\s{{1,3}}+"
        rf"(?!(?-i:{plain})[.:!?]{{0,3}}{_ENDS}){is_none}"
        rf"|\s{{1,3}}(?=[\"'{_QUOTES}])(?!.\[hidden\])"
        rf"|\s{{1,3}}(?:(?:[a-z\u00e4]{{1,10}}\s)?(?:to|auf)\s)?(?={bare}{{0,80}}\d)(?={bare}{{0,80}}[a-z])"
        rf"(?={bare}{{{digits}}})"
    )
    return [
        rule(needs, rf"({whole}(?:{after})){VALUE}", rf"\1{HIDDEN}"),
        # ('password', 'x')
        rule(
            needs,
            rf"([(\[][bu]?[\"'][\w-]{{0,40}}?{whole}[\"']\s?,\s{{0,3}})(?=[bu]?[\"'])(?!.\[hidden\]){VALUE}",
            rf"\1{HIDDEN}",
        ),
    ]


_SAYS = r"(?:is|was|equals|lautet|lautete|ist|war|hei(?:\u00df|ss)t)"
_SENTENCE = r"(?!(?<=\s)(?-i:[A-Z]?[a-z]{0,14})[,:.]?\s(?-i:[a-z]))"
"""After a colon and a blank, a word that a sentence goes on with: ``Invalid token: Signature has expired``."""

NAMED = [
    one
    for family, plain, stays, digits in ((_CHOSEN, _GOES_ON, "", 6), (_MADE, _WORD, _SENTENCE, 8))
    for needs, names in family.items()
    for one in _named(needs, names, plain, stays, digits)
]
