"""What secrets look like in text: the rules that ``redaction`` applies, in their order.

Each rule has the small-letter words of which one must stand in a text for it to be tried at all, a pattern, and what is
put in the place of what it finds. Every repetition is bounded, or begins at a fixed word and never gives back, so that
a text of any length takes linear time. docs/security.md says what is covered, and tests/support/secrets.py has an
example of each.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

HIDDEN = "[hidden]"


@dataclass(frozen=True, slots=True)
class Rule:
    """``needs``: one of these must stand in the text (small letters), else nothing is looked for; empty: always look."""

    needs: tuple[str, ...]
    pattern: re.Pattern[str]
    instead: str = HIDDEN


def _rule(needs: str, pattern: str, instead: str = HIDDEN, flags: re.RegexFlag = re.IGNORECASE) -> Rule:
    return Rule(tuple(needs.split()), re.compile(pattern, flags), instead)


def _any(*words: str) -> str:
    return "|".join(words)


# -- values ----------------------------------------------------------------------------------------------------------

_QUOTES = "\u201e\u201c\u201d\u00ab\u00bb\u201a\u2018\u2019\u2039\u203a`"
_MORE = r"(?:\\?\r?\n[ \t]{0,40}(?=[\w+/=.~-]{0,200}?\d)[\w+/=.~-]{8,200}(?=[ \t]{0,20}(?:[\"'\r\n]|\Z))){0,20}"
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
)
VALUE = rf"(?:{_IN_QUOTES}|{_UNQUOTED}{_MORE})"
_ENDS = r"(?![^\s\"'<>&;,)\]}])"

# -- names -----------------------------------------------------------------------------------------------------------

_KEY_OF = (
    r"(?:api|app|application|access|private|secret|consumer|client|account|subscription|shared|master|signing|encryption"
    r"|licen[cs]e|deploy|service|auth|session|storage|webhook|integration|functions|ssh|security|decryption|hmac|instrumentation)"
)
_SCHLUESSEL = r"schl(?:\u00fc|u\u0308|ue|u)ssel"
CHOSEN = _any(
    r"(?:(?<![a-z])|(?:db|ssh|my|user|admin|root|ftp|mail|smtp|sql|pg))pass", r"pass(?:words?|wd|phrase|code|wort|w(?:\u00f6|o\u0308|oe)rter)", r"(?<![a-z])p(?:wd?|ass_?wd?)", r"pwd", r"secret", r"credentials?",
    r"kennwort", r"losungswort", r"geheimnis", r"geheimwort", r"codewort", r"zugangsdaten", r"zugangscode",
    r"anmeldedaten", r"(?<![^\W_])(?:otp|pin|puk|tan)(?:[-_ ]?(?:code|nummer|number))?", r"mnemonic",
)  # fmt: skip
"""Names of what a person chooses, so that any word may be the secret."""
MADE = _any(
    r"token", rf"{_KEY_OF}[-_ ]?(?:access[-_ ]?)?key", r"auth(?:orization)?", r"signature", r"(?<![^\W_])sig",
    r"sess(?:ion)?[-_]?id", r"wordpress_(?:sec|logged_in)\w{0,80}", r"session", r"(?<![^\W_])sid", r"cookies?", r"bearer", r"dsn",
    rf"(?:api|zugriffs|zugangs|geheim|privat\w{{0,3}}|lizenz|sicherheits|verschl\w{{1,3}}sselungs|sitzungs|client"
    rf"|consumer|konto|dienst)[-_ ]{{0,2}}{_SCHLUESSEL}",
)  # fmt: skip
"""Names of what a machine makes: no short small word is one."""
_CHOSEN_NEEDS = "pass pwd pw secret credential kennwort losungswort geheim codewort zugang anmeldedaten otp pin puk tan mnemonic"
_MADE_NEEDS = "token key auth sig sess sid cookie bearer dsn ssel wordpress_"

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
_NO_VALUE = (
    r"null|none|nil|nan|failed|failure|denied|refused|ok|error|enabled|disabled|invalid_\w{1,20}|expired_\w{1,20}|unauthori[sz]ed\w{0,20}|undefined|true|false|yes|no|ja|nein|n/a|missing|required|invalid|expired|empty|incorrect|wrong"
    r"|rejected|revoked|unknown|not|is|are|must|has|have|cannot|could|the|your|this|fehlt|falsch|ung\u00fcltig"
    r"|abgelaufen|erforderlich|leer|\*{3,}|x{6,}|redacted"
)
_SUFFIX = (
    r"(?:[-_](?!problem|err|stat|type|expir|ur[il]|endpoint|method|mode|name|provider|count|enabled|required|at\b|ttl|age\b"
    r"|length|policy|field|file|path|level|version|scope|domain|is_|has_|fail|reject|revok|invalid|missing|not_)"
    r"[a-z][\w-]{0,40}|(?-i:Value|Hash|Key|String|Text|Id|Token|Secret|Header|Code|Data|Info)|\d{1,2})?"
)
"""What a name may go on with; not with what is told of a secret: ``oauth_problem``, ``token_expired``."""
_CLOSES = rf"(?:\\{{0,3}}[\"'])?[{_QUOTES}]?"
_ASSIGNS = (
    rf"{_CLOSES}(?:\s{{0,3}}(?:=>|:=|==?|:|(?:-{{1,2}}>|\u2192|\u21d2)(?=\s{{0,3}}[^\s]{{0,80}}\d)|%3[ad]|\u2236)\s{{0,6}}+(?:[>|][+-]?[ \t]{{0,4}}\n[ \t]{{1,40}})?"
    rf"(?:\((?=[\"']))?|\s?\(\s?(?=[\"'])|>(?:<!\[CDATA\[)?(?=[^<\s])"
    r"|[\"']\s{1,4}value\s?=\s?)"
)


def _named(needs: str, names: str, plain: str, stays: str, digits: int) -> list[Rule]:
    """``password: x``, ``"api_key": "x"``, ``token=x``, ``password is x``, ``password 'x'``, ``password hunter2``.

    ``plain``: words that stay after "is"; ``stays``: what stays after a colon; ``digits``: how long a bare word with a
    digit must be to be taken for the secret.
    """
    whole = rf"(?:{names}){_SUFFIX}"
    is_none = rf"(?!\\?\[hidden\])(?!(?:{_NO_VALUE})[.!?,)\]}}]{{0,2}}{_ENDS})"
    bare = r"[^\s\"'<>;,:()\[\]]"
    after = (
        rf"{_ASSIGNS}{is_none}{stays}"
        rf"|(?:\s(?:for|of|f\u00fcr|von|to|zu|des|der)(?:\s[\w@.-]{{1,40}}){{1,3}}?)?\s{{1,3}}{_SAYS}:?\s{{1,3}}+(?!(?-i:{plain})[.:!?]{{0,3}}{_ENDS}){is_none}"
        rf"|\s{{1,3}}(?=[\"'{_QUOTES}])(?!.\[hidden\])"
        rf"|\s{{1,3}}(?:(?:[a-z\u00e4]{{1,10}}\s)?(?:to|auf)\s)?(?={bare}{{0,80}}\d)(?={bare}{{0,80}}[a-z])(?={bare}{{{digits}}})"
    )
    return [
        _rule(needs, rf"({whole}(?:{after})){VALUE}", rf"\1{HIDDEN}"),
        # ('password', 'x')
        _rule(
            needs,
            rf"([(\[][bu]?[\"'][\w-]{{0,40}}?{whole}[\"']\s?,\s{{0,3}})(?=[bu]?[\"'])(?!.\[hidden\]){VALUE}",
            rf"\1{HIDDEN}",
        ),
    ]


_SAYS = r"(?:is|was|equals|lautet|lautete|ist|war|hei(?:\u00df|ss)t)"
_SENTENCE = r"(?!(?<=\s)(?-i:[A-Z]?[a-z]{0,14})[,:.]?\s(?-i:[a-z]))"
"""After a colon and a blank, a word that a sentence goes on with: ``Invalid token: Signature has expired``."""

# -- addresses -------------------------------------------------------------------------------------------------------

_SCHEME = r":\\?/\\?/"
_IN_QUERY = rf"{CHOSEN}|{MADE}|key|code|hash|jwt|hmac|nonce|ticket|saml\w{{0,12}}|credential|{_SCHLUESSEL}"
_LONG = r"(?:(?=[\w.~%:-]{0,80}\d)[\w.~%:-]{8,}|[\w.~%:-]{20,})"
_NO_MAIL = (
    r"(?!(?:mailto|from|to|cc|bcc|sender|reply-to|e-?mail|address|user|von|an|mail|sips?|xmpp|acct|contact|recipient|rcpt"
    r"|id|at|file|git|ssh):)"
)

ADDRESSES = [
    # user:password@ and token@; a password may hold an @, and even a / where the address has a user
    _rule("://  :\\/", rf"({_SCHEME})[^\s/\"'<>\\]{{1,400}}@(?!\Z)", rf"\1{HIDDEN}@"),
    _rule("://", rf"({_SCHEME})(?!\[hidden\])[^\s/@:\"'<>]{{1,200}}:(?!\d{{1,5}}[/?#\s])[^\s\"'<>]{{1,300}}@(?=[\w\[])",
          rf"\1{HIDDEN}@"),
    _rule("://", rf"({_SCHEME})[^\s/@:\"'<>]{{1,100}}:[^\s/\"'<>@]{{0,100}}\\?\r?\n[ \t]{{0,20}}[^\s/\"'<>@]{{1,100}}@(?=[\w\[])",
          rf"\1{HIDDEN}@"),
    _rule("//", r"((?<![\w:\\/])//)[^\s/@:\"'<>]{1,100}:[^\s/\"'<>]{1,200}@(?=[\w\[])", rf"\1{HIDDEN}@"),
    _rule("%2f", r"(%(?:25){0,3}3a%(?:25){0,3}2f%(?:25){0,3}2f)(?:(?!%(?:25){0,3}2f)[^\s\"'<>&]){1,400}?(%(?:25){0,3}40)",
          rf"\1{HIDDEN}\2"),
    _rule("@", rf"(?<![\w@.:/%+-]){_NO_MAIL}([\w.+-]{{1,64}}:)(?=[^\s@]{{0,64}}[\d!$%#*+])[^\s@\"'<>/]{{3,64}}"
          r"(@[\w-]{1,63}(?:\.[\w-]{1,63}){0,5})", rf"\1{HIDDEN}\2"),
    # web-hooks: who has the address may write
    _rule("hook", r"(hooks\.slack(?:-gov)?\.com/)[^\s\"'<>]{4,}", rf"\1{HIDDEN}"),
    _rule("discord", r"(discord(?:app)?\.com/api/(?:v\d+/)?webhooks/)[^\s\"'<>]{4,}", rf"\1{HIDDEN}"),
    _rule("office", r"(office(?:365)?\.com/webhook\w{0,4}/)[^\s\"'<>]{4,}", rf"\1{HIDDEN}"),
    _rule("logic.azure.com powerplatform.com", r"((?:logic\.azure|powerplatform)\.com(?::\d+)?/)[^\s\"'<>]{4,}",
          rf"\1{HIDDEN}"),
    _rule("hook", r"(//hooks?\.[\w.-]{1,80}(?::\d+)?/)(?!\[hidden\])[^\s\"'<>]{8,}", rf"\1{HIDDEN}"),
    _rule("ifttt.com", r"(maker\.ifttt\.com/trigger/)[^\s\"'<>]{4,}", rf"\1{HIDDEN}"),
    _rule("/bot", r"(/bot)\d{5,12}:[\w-]{20,}", rf"\1{HIDDEN}"),
    _rule("hook", rf"(/(?:[\w-]{{0,20}}[-_])?(?:web-?)?hooks?(?:-test|b2)?/(?:[a-z]{{1,19}}/){{0,3}}){_LONG}(?:/[\w.~%:-]{{1,200}}){{0,6}}",
          rf"\1{HIDDEN}"),
    _rule("/token/ /key/ /secret/ key/", rf"(/(?:token|key|secret|(?:api|access)[-_]?(?:key|token)|integration)/)(?=[\w.~%-]{{0,80}}\d)[\w.~%-]{{8,}}",
          rf"\1{HIDDEN}"),
    # ?key=, &code=, ;sig= ... in the query of an address, plain and percent-encoded
    _rule("=", rf"([?&;#](?:amp;)?[\w.\[\]-]{{0,40}}?(?:{_IN_QUERY})[\w.\[\]-]{{0,40}}=)(?!\[hidden\])[^&\s\"'<>#;]+",
          rf"\1{HIDDEN}"),
    _rule("%3d", rf"(%(?:25){{0,3}}(?:3f|26)[\w.-]{{0,40}}?(?:{_IN_QUERY})[\w.-]{{0,40}}%(?:25){{0,3}}3d)(?!\[hidden\])"
          r"(?:(?!%(?:25){0,3}(?:26|23))[^&\s\"'<>#;]){1,4000}", rf"\1{HIDDEN}"),
]  # fmt: skip

# -- headers ---------------------------------------------------------------------------------------------------------

_NOT_A_WORD = (
    r"(?!(?:token|tokens|auth\w{0,12}|scheme|realm|error|challenge|access|credentials?|information|security|headers?"
    r"|method|login|required|invalid|missing|failed|support|plan|version|configuration|details|example|settings"
    r"|or|and|is|was|not|has|were)(?![\w~+/=-]))"
)
HEADERS = [
    # These have several values, with commas and quotes in between.
    _rule("authorization", r"((?<![\w-])(?:proxy-)?authorization[\"']?\s{0,3}(?:=>|[:=,])\s{0,6}[\"']?)"
          r"(?:digest|oauth|hawk|signature|aws4-hmac-sha\d+|mac|sharedkey\w{0,4}|negotiate|ntlm)\b[^\r\n]+",
          rf"\1{HIDDEN}"),
    # Authorization: Scheme value; the whole rest of the header is secret.
    _rule("authorization", r"((?<![\w-])(?:proxy-)?authorization[\"']?\s{0,3}(?:=>|[:=,])\s{0,6}+)(?!\[hidden\])"
          rf"(?!(?-i:[a-z]{{1,14}})\s(?-i:[a-z]{{2,}})\s)[\"']?[^\"'\n,;}}]+(?:\n[ \t]+[^\"'\n,;}} ]{{8,}})?[\"']?",
          rf"\1{HIDDEN}"),
    _rule("cookie", r"((?<![\w-])(?:set-)?cookie2?[\"']?\s{0,3}:\s{0,3}+)(?!\[hidden\])[^\n]+", rf"\1{HIDDEN}"),
    _rule("cookie", r"(cookie(?:s|jar)?[\"']?\s{0,3}[=:]\s{0,3})(?:\{[^}\n]{0,2000}\}?|\[[^\]\n]{0,2000}\]?|<[^>\n]{0,2000}>?)",
          rf"\1{HIDDEN}"),
    _rule("bearer zoho sso-key",
          rf"((?<![\w-])(?:bearer|zoho-oauthtoken|zoho-authtoken|sso-key))[:=]?\s{{1,6}}[\"']?{_NOT_A_WORD}"
          r"(?:[\w.~+/=:-]{8,}|(?=[\w.~+/=-]{0,8}\d)[\w.~+/=-]{5,})" + _MORE, rf"\1 {HIDDEN}"),
    _rule("basic oauth apikey digest negotiate token ntlm",
          rf"((?<![\w-])(?:basic|oauth|apikey|digest|negotiate|token|ntlm))[:=]?\s{{1,6}}[\"']?{_NOT_A_WORD}"
          r"(?=[\w.~+/=-]{0,80}(?:\d|==?(?![\w=])|(?-i:[a-z][A-Z])))[\w.~+/=-]{8,}" + _MORE, rf"\1 {HIDDEN}"),
]  # fmt: skip

# -- commands of databases and other tools -----------------------------------------------------------------------------

_ARGUMENT = r"(?:[\"'][^\"'\n]{1,200}[\"']|[^\s\"'<>|,;\])]{1,200})"
_BEFORE = r"(?:[^\n]{0,200}?[\s\"'])"


def _option(tools: str, option: str, needs: str, value: str = _ARGUMENT) -> Rule:
    """The value of an option of these programs, in a line or in a list of arguments."""
    return _rule(
        needs,
        rf"((?<![\w.-])(?:{tools})(?:\.exe)?(?=[\s\"']){_BEFORE}(?:{option})(?:[\"'],\s{{0,3}}+|\s{{0,3}}+))(?!\[hidden\]){value}",
        rf"\1{HIDDEN}",
    )  # fmt: skip


_PAIR = r"[\"']?[^\s\"':,%]{1,80}[:,%][^\s\"'<>|]{1,200}[\"']?"
COMMANDS = [
    _option(r"(?:mysql|maria(?:db)?|mongo|percona|xtrabackup|mydumper|sshpass|cqlsh|ncftp|rabbitmqadmin|influx|arango|7z|clickhouse"
            r"|docker login|podman login|helm registry login|az login)[\w-]{0,20}", r"(?-i:-p)(?!ort\b|rotocol\b)", "-p"),
    _option(r"sqlcmd|bcp|osql|isql|tsql|fisql|zip|unzip|mosquitto_\w{3}", r"(?-i:-P)", "-p"),
    _option(r"ldap\w{3,10}|pg_basebackup", r"(?-i:-w)", "ldap"),
    _option(r"redis-cli|valkey-cli", r"(?-i:-a)|--pass", "redis-cli valkey-cli"),
    _option(r"curl|https?|wget|smbclient|rpcclient|lftp|smbget|aria2c|svn", r"(?:-u|-a|--(?:proxy-)?user[= ]?|--auth[= ]?)",
            "curl http wget smb lftp", _PAIR),
    _option(r"curl", r"(?-i:-[a-zA-Z]{0,4}u)", "curl", _PAIR),
    _rule("thin: sqlplus expdp impdp sqlldr sqlcl rman",
          r"((?<![\w.-])(?:sqlplus|expdp|impdp|exp|imp|sqlldr|sqlcl|rman|thin:(?=\w))\s?(?:[^\n]{0,80}?\s)?[\w$#]{1,40}/)[^\s@\"'/]{1,100}",
          rf"\1{HIDDEN}"),
    _rule("login", r"(\blogin\s+\S{1,100}\s++password\s++)(?!\[hidden\])\S{1,200}", rf"\1{HIDDEN}"),
    _rule("identified", r"((?:(?-i:\bIDENTIFIED)|\b(?:user|role|grant)\b[^\n]{0,80}?\bidentified)\s(?:with\s\S{1,60}\s)?(?:by|as)\s{1,3}(?:password\s)?)[\"']?(?!\[hidden\])[^\s\"';]{1,200}[\"']?", rf"\1{HIDDEN}"),
    _rule("pass:", r"(\bpass:)[^\s\"']{3,200}", rf"\1{HIDDEN}"),
    _rule("/user: /p: /pw:", r"((?:^|\s)/(?:p|pw|pass(?:word)?):)(?!\[hidden\])[^\s\"']{1,200}", rf"\1{HIDDEN}"),
    _rule("/user:", r"(\bnet use [^\n]{0,120}?\s)(?=[^\n]{0,200}/user:)(?!/|\S:|\\\\|\[hidden\])[^\s\"']{3,200}", rf"\1{HIDDEN}"),
    # --password x, --api-key x, -Password x
    _rule("-", rf"((?<![\w-])--?[\w-]{{0,30}}?(?:{CHOSEN}|{MADE}){_SUFFIX}(?:[\"']\s?,)?\s{{1,3}}+)(?!\[hidden\])"
          rf"(?!-|(?:{_NO_VALUE})\b){VALUE}", rf"\1{HIDDEN}"),
]  # fmt: skip

# -- words -----------------------------------------------------------------------------------------------------------

_CODE_OF = (
    r"(?:verification|security|one[- ]?time|confirmation|auth(?:entication|enticator|orization)?|log-?in|sign-?in|access"
    r"|2fa|mfa|otp|sms|totp|two-factor|best\u00e4tigungs|sicherheits|anmelde|einmal|pr\u00fcf|zugangs|freischalt"
    r"|aktivierungs|activation|recovery|backup|reset)"
)
_DIGITS = r"(?:[a-z]-)?(?:\d{3}[ -]?\d{3,5}|\d{4,10}|(?=[a-z0-9]{0,8}\d)(?=\d{0,8}[a-z])[a-z0-9]{6,10})(?![\w-])"
WORDS = [
    _rule("code", rf"((?:{_CODE_OF})[-_ ]?(?:pass)?codes?[\"']?(?:\s{{0,3}}[:=]\s{{0,3}}|\s(?:is|was|ist|war|lautet):?\s|\s){{0,2}}[\"'(]?)"
          rf"(?!\[hidden\]){_DIGITS}", rf"\1{HIDDEN}"),
    _rule("code", rf"(?<![\w.-]){_DIGITS}(\s(?:is|ist|as|als)\s(?:\w{{1,12}}\s){{0,3}}(?:{_CODE_OF})[-_ ]?(?:pass)?code)",
          rf"{HIDDEN}\1"),
    _rule("pin puk tan otp", r"((?<![^\W_])(?:pin|puk|tan|otp)\s)\d{4,8}(?![\w-])", rf"\1{HIDDEN}"),
    _rule("code", r"(\b(?:your|the|ihr|dein|der) code(?:\s(?:is|ist|lautet):?\s|:\s))\d{4,8}(?![\w-])", rf"\1{HIDDEN}"),
    # shop / hunter2, shop:hunter2
    _rule("credential daten login", r"((?:credentials?|zugangsdaten|anmeldedaten|logins?)(?:\s{0,3}[:=(]\s{0,3}+|\s))(?!\[hidden\]|https?:)[^\s/:,|]{1,64}"
          r"\s?[/:,|]\s?(?=\S{0,60}[\d!$%#*+])[^\s)]{1,100}", rf"\1{HIDDEN}"),
    _rule("phrase mnemonic", r"((?:passphrase|(?:seed|recovery|mnemonic) phrase|mnemonic)(?:\s{0,3}[:=]\s{0,3}|\sis\s))(?!\[hidden\]|[\"'])[^\n.;]{3,400}",
          rf"\1{HIDDEN}"),
    _rule("ssel", rf"((?<![a-z\u00e4\u00f6\u00fc]){_SCHLUESSEL}\s{{0,3}}[:=]\s{{0,3}})(?=[^\s]{{0,60}}\d)[^\s\"',;]{{8,}}", rf"\1{HIDDEN}"),
    *_named(_CHOSEN_NEEDS, CHOSEN, _GOES_ON, "", 6),
    *_named(_MADE_NEEDS, MADE, _WORD, _SENTENCE, 8),
]  # fmt: skip

# -- private keys ------------------------------------------------------------------------------------------------------

_KIND = r"[A-Z0-9 ]{0,40}(?:KEY|KEY BLOCK|PRIVATE[A-Z ]{0,20})"
KEYS = [
    _rule("begin", rf"-{{3,5}} ?BEGIN {_KIND} ?-{{3,5}}.*?(?:-{{3,5}} ?END {_KIND} ?-{{3,5}}|\Z)", HIDDEN, re.DOTALL),
    _rule("-end", r"(?<![A-Za-z0-9+/=])(?:[A-Za-z0-9+/=]{16,200}(?:\s|\\r|\\n){1,6}+){1,400}+"
          rf"(?:[A-Za-z0-9+/=]{{1,200}}(?:\s|\\r|\\n){{1,6}}+)?-{{3,5}} ?END {_KIND} ?-{{3,5}}", HIDDEN, re.NOFLAG),
    _rule("private-lines private-mac", r"(?<=private-lines: )\d+(?:\r?\n[A-Za-z0-9+/=]{20,}){1,100}", HIDDEN),
]  # fmt: skip

# -- tokens that say themselves what they are ----------------------------------------------------------------------------

_SHAPES: Iterable[str] = (
    r"(?:A3T[A-Z0-9]|AKIA|ASIA|AROA|AIDA|AGPA|AIPA|ANPA|ANVA|ABIA|ACCA)[A-Z0-9]{12,}",
    r"gh[pousr]_[A-Za-z0-9]{16,}", r"github_pat_\w{16,}", r"gl(?:pat|ptt|dt|rt|cbt|soat|oas|sa|agent|imt|ffct|ft)[-_][\w.-]{16,}",
    r"xox[a-z](?:\.xox[a-z])?-[\w-]{8,}", r"xapp-[\w-]{8,}", r"xwfp-[\w-]{8,}",
    r"(?:sk|pk|rk)_(?:live|test)_[A-Za-z0-9]{8,}", r"whsec_[A-Za-z0-9+/]{8,}", r"sk-(?=[\w-]{0,80}\d)[\w-]{16,}",
    r"c[ks]_[0-9A-Za-z]{20,}", r"AIza[\w-]{20,}", r"ya29\.[\w.-]{10,}", r"GOCSPX-[\w-]{16,}", r"1//0[\w-]{20,}",
    r"(?:SK|AC)[0-9a-f]{32}", r"SG\.[\w-]{10,}\.[\w-]{10,}", r"key-[0-9a-f]{24,}", r"[0-9a-f]{32}-us\d{1,2}",
    r"npm_[A-Za-z0-9]{20,}", r"pypi-[\w-]{16,}", r"shp(?:at|ca|pa|ss|ua|tka|ck)_[0-9A-Za-z]{16,}",
    r"\d{8,10}:AA[\w-]{30,}", r"sq0[a-z]{3}-[\w-]{20,}", r"do[opr]_v1_[0-9a-f]{20,}", r"hf_[A-Za-z0-9]{20,}",
    r"ATATT3[\w=-]{20,}", r"hv[sbr]\.[\w-]{20,}", r"AGE-SECRET-KEY-1[A-Z0-9]{20,}", r"lin_api_\w{20,}",
    r"(?:secret|ntn)_[A-Za-z0-9]{30,}", r"dp\.[a-z]{2,5}\.[\w.]{20,}", r"dapi[0-9a-f]{20,}(?:-\d)?", r"NRAK-[A-Z0-9]{20,}",
    r"sntry[su]_[\w=+/-]{20,}", r"[\w.~-]{3}8Q~[\w.~-]{30,}", r"1000\.[0-9a-f]{24,}\.[0-9a-f]{24,}", r"Atz[ar]\|[\w+/=-]{16,}",
    r"amzn1\.oa2-cs\.v1\.[0-9a-f]{20,}", r"EAA[A-Za-z0-9]{24,}", r"v\^1\.1#i\^[^\s\"']{10,}", r"pn[ub]_[A-Za-z0-9]{16,}",
    r"access_token\$[\w$.-]{16,}", r"rubygems_[0-9a-f]{20,}", r"dckr_(?:pat|oat)_[\w-]{16,}", r"[\w]{14}\.atlasv1\.[\w-]{20,}",
    r"eyJ[\w-]{10,}(?:\.[\w-]{0,4000}){0,4}",
)  # fmt: skip
_SAY = (
    "a3t akia asia aroa aida agpa aipa anpa anva abia acca gh gl xox xapp- xwfp- _live_ _test_ whsec_ sk- ck_ cs_ aiza ya29. "
    "gocspx- 1//0 sk ac sg. key- -us npm_ pypi- shp :aa sq0 _v1_ hf_ atatt3 hvs. hvb. hvr. age-secret lin_api_ secret_ ntn_ dp. "
    "dapi nrak- sntry 8q~ 1000. atz amzn1. eaa v^1.1 pnu_ pnb_ access_token$ rubygems_ dckr_ atlasv1. eyj"
)
TOKENS = [
    _rule(_SAY, rf"(?<![A-Za-z0-9_-])(?:{'|'.join(_SHAPES)}){_MORE}", HIDDEN, re.NOFLAG),
    # A list that was cut: [0-9a-f] alone is a digest or a key
    _rule("", r"(?<![0-9A-Za-z])[0-9a-f]{24,}(?![0-9A-Za-z])"),
]

IN_ADDRESS = tuple(
    _rule("", pattern, rf"\1{HIDDEN}{behind}")
    for pattern, behind in (
        (rf"({_SCHEME})[^\s/\"'<>?#]{{1,400}}@", "@"),
        (rf"([?&;#][\w.\[\]-]{{0,40}}?(?:{CHOSEN}|{MADE}|jwt)[\w.\[\]-]{{0,40}}=)[^&\s\"'<>#;]+", ""),
    )
)
"""What may stand in an address that people open, or that is called for by us."""

RULES: tuple[Rule, ...] = (*KEYS, *HEADERS, *ADDRESSES, *COMMANDS, *TOKENS, *WORDS)
