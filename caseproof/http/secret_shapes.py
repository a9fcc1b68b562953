"""What secrets look like in text: the rules that ``redaction`` applies, in their order.

Each rule has the small-letter words of which one must stand in a text for it to be tried at all, a pattern, and what is
put in the place of what it finds. Every repetition is bounded, or begins at a fixed word and never gives back, so that
a text of any length takes linear time. docs/daily-check.md says what is covered, and tests/support/secrets.py has an
example of each.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from caseproof.http.secret_names import (
    CHOSEN,
    HIDDEN,
    MADE,
    MORE,
    NAMED,
    NO_VALUE,
    SCHLUESSEL,
    SUFFIX,
    VALUE,
    Rule,
    rule,
)

__all__ = ["HIDDEN", "IN_ADDRESS", "RULES"]

# -- addresses -------------------------------------------------------------------------------------------------------

_SCHEME = r":\\?/\\?/"
_IN_QUERY = rf"{CHOSEN}|{MADE}|key|code|hash|jwt|hmac|nonce|ticket|saml\w{{0,12}}|credential|{SCHLUESSEL}"
_LONG = r"(?:(?=[\w.~%:-]{0,80}\d)[\w.~%:-]{8,}|[\w.~%:-]{20,})"
_NO_RUN_KEY = r"(?!(?:rerun|removal):\d{1,6}(?::[0-9a-f]{4,64})?@)"
"""What our own key of a run says after its case (JF-000001:rerun:1@job): it stands on the page that is pictured."""
_NO_MAIL = (
    r"(?!(?:mailto|from|to|cc|bcc|sender|reply-to|e-?mail|address|user|von|an|mail|sips?|xmpp|acct|contact"
    r"|recipient|rcpt"
    r"|id|at|file|git|ssh):)"
)

ADDRESSES = [
    # user:password@ and token@; a password may hold an @, and even a / where the address has a user
    rule("://  :\\/", rf"({_SCHEME})[^\s/\"'<>\\]{{1,400}}@(?!\Z)", rf"\1{HIDDEN}@"),
    rule("://", rf"({_SCHEME})(?!\[hidden\])[^\s/@:\"'<>]{{1,200}}:(?!\d{{1,5}}[/?#\s])[^\s\"'<>]{{1,300}}@(?=[\w\[])",
          rf"\1{HIDDEN}@"),
    rule("://", rf"({_SCHEME})[^\s/@:\"'<>]{{1,100}}:[^\s/\"'<>@]{{0,100}}\\?\r?\n[ \t]{{0,20}}"
                 rf"[^\s/\"'<>@]{{1,100}}@(?=[\w\[])",
          rf"\1{HIDDEN}@"),
    rule("//", r"((?<![\w:\\/])//)[^\s/@:\"'<>]{1,100}:[^\s/\"'<>]{1,200}@(?=[\w\[])", rf"\1{HIDDEN}@"),
    rule("%2f", r"(%(?:25){0,3}3a%(?:25){0,3}2f%(?:25){0,3}2f)(?:(?!%(?:25){0,3}2f)[^\s\"'<>&]){1,400}?(%"
                r"(?:25){0,3}40)",
          rf"\1{HIDDEN}\2"),
    rule("@", rf"(?<![\w@.:/%+-]){_NO_MAIL}([\w.+-]{{1,64}}:){_NO_RUN_KEY}(?=[^\s@]{{0,64}}[\d!$%#*+])"
          r"[^\s@\"'<>/]{3,64}(@[\w-]{1,63}(?:\.[\w-]{1,63}){0,5})", rf"\1{HIDDEN}\2"),
    # web-hooks: who has the address may write
    rule("hook", r"(hooks\.slack(?:-gov)?\.com/)[^\s\"'<>]{4,}", rf"\1{HIDDEN}"),
    rule("discord", r"(discord(?:app)?\.com/api/(?:v\d+/)?webhooks/)[^\s\"'<>]{4,}", rf"\1{HIDDEN}"),
    rule("office", r"(office(?:365)?\.com/webhook\w{0,4}/)[^\s\"'<>]{4,}", rf"\1{HIDDEN}"),
    rule("logic.azure.com powerplatform.com", r"((?:logic\.azure|powerplatform)\.com(?::\d+)?/)[^\s\"'<>]{4,}",
          rf"\1{HIDDEN}"),
    rule("hook", r"(//hooks?\.[\w.-]{1,80}(?::\d+)?/)(?!\[hidden\])[^\s\"'<>]{8,}", rf"\1{HIDDEN}"),
    rule("ifttt.com", r"(maker\.ifttt\.com/trigger/)[^\s\"'<>]{4,}", rf"\1{HIDDEN}"),
    rule("/bot", r"(/bot)\d{5,12}:[\w-]{20,}", rf"\1{HIDDEN}"),
    rule("hook", rf"(/(?:[\w-]{{0,20}}[-_])?(?:web-?)?hooks?(?:-test|b2)?/(?:[a-z]{{1,19}}/){{0,3}}){_LONG}"
                 rf"(?:/[\w.~%:-]{{1,200}}){{0,6}}",
          rf"\1{HIDDEN}"),
    rule("/token/ /key/ /secret/ key/", r"(/(?:token|key|secret|(?:api|access)[-_]?(?:key|token)|integration)/)"
          r"(?=[\w.~%-]{0,80}\d)[\w.~%-]{8,}",
          rf"\1{HIDDEN}"),
    # ?key=, &code=, ;sig= ... in the query of an address, plain and percent-encoded
    rule("=", rf"([?&;#](?:amp;)?[\w.\[\]-]{{0,40}}?(?:{_IN_QUERY})[\w.\[\]-]{{0,40}}=)(?!\[hidden\])"
          r"(?:\{[^}\n\"'&]{1,200}\}|[^&\s\"'<>#;]+)",
          rf"\1{HIDDEN}"),
    rule("%3d", rf"(%(?:25){{0,3}}(?:3f|26)[\w.-]{{0,40}}?(?:{_IN_QUERY})[\w.-]{{0,40}}%(?:25){{0,3}}3d)(?!\[hidden\])"
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
    rule("authorization", r"((?<![\w-])(?:proxy-)?authorization[\"']?\s{0,3}(?:=>|[:=,])\s{0,6}[\"']?)"
          r"(?:digest|oauth|hawk|signature|aws4-hmac-sha\d+|mac|sharedkey\w{0,4}|negotiate|ntlm)\b[^\r\n]+",
          rf"\1{HIDDEN}"),
    # Authorization: Scheme value; the whole rest of the header is secret.
    rule("authorization", r"((?<![\w-])(?:proxy-)?authorization[\"']?\s{0,3}(?:=>|[:=,])\s{0,6}+)(?!\[hidden\])"
          r"(?!(?-i:[a-z]{1,14})\s(?-i:[a-z]{2,})\s)[\"']?[^\"'\n,;}]+(?:\n[ \t]+[^\"'\n,;} ]{8,})?[\"']?",
          rf"\1{HIDDEN}"),
    rule("cookie", r"((?<![\w-])(?:set-)?cookie2?[\"']?\s{0,3}:\s{0,3}+)(?!\[hidden\])[^\n]+", rf"\1{HIDDEN}"),
    rule("cookie", r"(cookie(?:s|jar)?[\"']?\s{0,3}[=:]\s{0,3})(?:\{[^}\n]{0,2000}\}?|\[[^\]\n]{0,2000}\]?"
                   r"|<[^>\n]{0,2000}>?)",
          rf"\1{HIDDEN}"),
    rule("bearer zoho sso-key",
          rf"((?<![\w-])(?:bearer|zoho-oauthtoken|zoho-authtoken|sso-key))[:=]?\s{{1,6}}[\"']?{_NOT_A_WORD}"
          r"(?:[\w.~+/=:-]{8,}|(?=[\w.~+/=-]{0,8}\d)[\w.~+/=-]{5,})" + MORE, rf"\1 {HIDDEN}"),
    rule("basic oauth apikey digest negotiate token ntlm",
          rf"((?<![\w-])(?:basic|oauth|apikey|digest|negotiate|token|ntlm))[:=]?\s{{1,6}}[\"']?{_NOT_A_WORD}"
          r"(?=[\w.~+/=-]{0,80}(?:\d|==?(?![\w=])|(?-i:[a-z][A-Z])))[\w.~+/=-]{8,}" + MORE, rf"\1 {HIDDEN}"),
]  # fmt: skip

# -- commands of databases and other tools -----------------------------------------------------------------------------

_ARGUMENT = r"(?:[\"'][^\"'\n]{1,200}[\"']|[^\s\"'<>|,;\])]{1,200})"
_BEFORE = r"(?:[^\n]{0,200}?[\s\"'])"


def _option(tools: str, option: str, needs: str, value: str = _ARGUMENT) -> Rule:
    """The value of an option of these programs, in a line or in a list of arguments."""
    return rule(
        needs,
        rf"((?<![\w.-])(?:{tools})(?:\.exe)?(?=[\s\"']){_BEFORE}(?:{option})(?:[\"'],\s{{0,3}}+|\s{{0,3}}+))"
        rf"(?!\[hidden\]){value}",
        rf"\1{HIDDEN}",
    )  # fmt: skip


_PAIR = r"[\"']?[^\s\"':,%]{1,80}[:,%][^\s\"'<>|]{1,200}[\"']?"
COMMANDS = [
    _option(r"(?:mysql|maria(?:db)?|mongo|percona|xtrabackup|mydumper|sshpass|cqlsh|ncftp|rabbitmqadmin|influx"
            r"|arango|7z|clickhouse"
            r"|docker login|podman login|helm registry login|az login)[\w-]{0,20}", r"(?-i:-p)(?!ort\b|rotocol\b)",
            "-p"),
    _option(r"sqlcmd|bcp|osql|isql|tsql|fisql|zip|unzip|mosquitto_\w{3}", r"(?-i:-P)", "-p"),
    _option(r"ldap\w{3,10}|pg_basebackup", r"(?-i:-w)", "ldap"),
    _option(r"redis-cli|valkey-cli", r"(?-i:-a)|--pass", "redis-cli valkey-cli"),
    _option(r"curl|https?|wget|smbclient|rpcclient|lftp|smbget|aria2c|svn", r"(?:-u|-a|--(?:proxy-)?user[= ]?"
          r"|--auth[= ]?)",
            "curl http wget smb lftp", _PAIR),
    _option(r"curl", r"(?-i:-[a-zA-Z]{0,4}u)", "curl", _PAIR),
    rule("thin: sqlplus expdp impdp sqlldr sqlcl rman",
          r"((?<![\w.-])(?:sqlplus|expdp|impdp|exp|imp|sqlldr|sqlcl|rman|thin:(?=\w))\s?"
          r"(?:[^\n]{0,80}?\s)?[\w$#]{1,40}/)[^\s@\"'/]{1,100}",
          rf"\1{HIDDEN}"),
    rule("login", r"(\blogin\s+\S{1,100}\s++password\s++)(?!\[hidden\])\S{1,200}", rf"\1{HIDDEN}"),
    rule("identified", r"((?:(?-i:\bIDENTIFIED)|\b(?:user|role|grant)\b[^\n]{0,80}?\bidentified)\s(?:with\s\S{1,60}"
                       r"\s)?(?:by|as)\s{1,3}(?:password\s)?)[\"']?(?!\[hidden\])[^\s\"';]{1,200}[\"']?",
                       rf"\1{HIDDEN}"),
    rule("pass:", r"(\bpass:)[^\s\"']{3,200}", rf"\1{HIDDEN}"),
    rule("/user: /p: /pw:", r"((?:^|\s)/(?:p|pw|pass(?:word)?):)(?!\[hidden\])[^\s\"']{1,200}", rf"\1{HIDDEN}"),
    rule("/user:", r"(\bnet use [^\n]{0,120}?\s)(?=[^\n]{0,200}/user:)(?!/|\S:|\\\\|\[hidden\])[^\s\"']{3,200}",
    rf"\1{HIDDEN}"),
    # --password x, --api-key x, -Password x
    rule("-", rf"((?<![\w-])--?[\w-]{{0,30}}?(?:{CHOSEN}|{MADE}){SUFFIX}(?:[\"']\s?,)?\s{{1,3}}+)(?!\[hidden\])"
          rf"(?!-|(?:{NO_VALUE})\b){VALUE}", rf"\1{HIDDEN}"),
]  # fmt: skip

# -- words -----------------------------------------------------------------------------------------------------------

_CODE_OF = (
    r"(?:verification|security|one[- ]?time|confirmation|auth(?:entication|enticator|orization)?|log-?in|sign-?in"
    r"|access"
    r"|2fa|mfa|otp|sms|totp|two-factor|best\u00e4tigungs|sicherheits|anmelde|einmal|pr\u00fcf|zugangs|freischalt"
    r"|aktivierungs|activation|recovery|backup|reset)"
)
_DIGITS = r"(?:[a-z]-)?(?:\d{3}[ -]?\d{3,5}|\d{4,10}|(?=[a-z0-9]{0,8}\d)(?=\d{0,8}[a-z])[a-z0-9]{6,10})(?![\w-])"
WORDS = [
    rule("code", rf"((?:{_CODE_OF})[-_ ]?(?:pass)?codes?[\"']?(?:\s{{0,3}}[:=]\s{{0,3}}|\s(?:is|was|ist|war"
                 rf"|lautet):?\s|\s){{0,2}}[\"'(]?)"
          rf"(?!\[hidden\]){_DIGITS}", rf"\1{HIDDEN}"),
    rule("code", rf"(?<![\w.-]){_DIGITS}(\s(?:is|ist|as|als)\s(?:\w{{1,12}}\s){{0,3}}(?:{_CODE_OF})[-_ ]?"
                 rf"(?:pass)?code)",
          rf"{HIDDEN}\1"),
    rule("pin puk tan otp", r"((?<![^\W_])(?:pin|puk|tan|otp)\s)\d{4,8}(?![\w-])", rf"\1{HIDDEN}"),
    rule("code", r"(\b(?:your|the|ihr|dein|der) code(?:\s(?:is|ist|lautet):?\s|:\s))\d{4,8}(?![\w-])", rf"\1{HIDDEN}"),
    # shop / hunter2, shop:hunter2
    rule("credential daten login", r"((?:credentials?|zugangsdaten|anmeldedaten|logins?)(?:\s{0,3}[:=(]\s{0,3}+|\s"
                                   r"(?=[^\s/:,|]{1,64}[/:|][^\s/])))(?!\[hidden\]|https?:)[^\s/:,|]{1,64}"
          r"\s?[/:,|]\s?(?=\S{0,60}[\d!$%#*+])[^\s)]{1,100}", rf"\1{HIDDEN}"),
    rule("phrase mnemonic", r"((?:passphrase|(?:seed|recovery|mnemonic) phrase|mnemonic)(?:\s{0,3}[:=]\s{0,3}"
                            r"|\sis\s))(?!\[hidden\]|[\"'])[^\n.;]{3,400}",
          rf"\1{HIDDEN}"),
    rule("ssel", rf"((?<![a-z\u00e4\u00f6\u00fc]){SCHLUESSEL}\s{{0,3}}[:=]\s{{0,3}})(?=[^\s]{{0,60}}"
                 rf"\d)[^\s\"',;]{{8,}}", rf"\1{HIDDEN}"),
    # auth=('shop', 'hunter2'), connect('host', 'shop', 'hunter2'), passwords: ['a', 'b'], user shop password hunter2
    rule("auth", r"(auth[\"']?\s?[=:]\s?\(|auth\()\s?[\"'][^\"'\n]{0,100}[\"'],\s{0,3}[\"'][^\"'\n]{1,200}[\"']?",
          rf"\1{HIDDEN}"),
    rule("connect(", r"(connect\((?:[\"'][^\"'\n]{1,100}[\"'],\s?){2})[\"'][^\"'\n]{1,200}[\"']?", rf"\1{HIDDEN}"),
    rule("pass token secret", r"((?:password|passphrase|token|secret)s[\"']?\s?[:=]\s?)\["
                              r"(?!hidden\])[^\]\n]{1,2000}\]?",
          rf"\1{HIDDEN}"),
    rule("user", r"(\b(?:user(?:name)?|benutzer(?:name)?)\s\S{1,80}\s(?:password|passwort|pass)\s++)"
                 r"(?!\[hidden\])[^\s]{3,200}",
          rf"\1{HIDDEN}"),
    rule("signature", r"([\w-]{1,40}-signature(?:-\d{1,3})?[\"']?\s?:\s?)(?!\[hidden\])[^\s\"']{6,}", rf"\1{HIDDEN}"),
    rule("auth ", r"(\bauth (?:plain|login|xoauth2|cram-md5)\s)[\w+/=]{6,}", rf"\1{HIDDEN}"),
    *NAMED,
]  # fmt: skip

# -- private keys ------------------------------------------------------------------------------------------------------

_KIND = r"[A-Z0-9 ]{0,40}(?:KEY|KEY BLOCK|PRIVATE[A-Z ]{0,20})"
KEYS = [
    rule("begin", rf"-{{3,5}} ?BEGIN {_KIND} ?-{{3,5}}.*?(?:-{{3,5}} ?END {_KIND} ?-{{3,5}}|\Z)", HIDDEN, re.DOTALL),
    rule("-end", r"(?<![A-Za-z0-9+/=])(?:[A-Za-z0-9+/=]{16,200}(?:\s|\\r|\\n){1,6}+){1,400}+"
          rf"(?:[A-Za-z0-9+/=]{{1,200}}(?:\s|\\r|\\n){{1,6}}+)?-{{3,5}} ?END {_KIND} ?-{{3,5}}", HIDDEN, re.NOFLAG),
    rule("private-lines private-mac", r"(?<=private-lines: )\d+(?:\r?\n[A-Za-z0-9+/=]{20,}){1,100}", HIDDEN),
]  # fmt: skip

# -- tokens that say themselves what they are --------------------------------------------------------------------------

_SHAPES: Iterable[str] = (
    r"(?:A3T[A-Z0-9]|AKIA|ASIA|AROA|AIDA|AGPA|AIPA|ANPA|ANVA|ABIA|ACCA)[A-Z0-9]{12,}",
    r"gh[pousr]_[A-Za-z0-9]{16,}", r"github_pat_\w{16,}", r"gl(?:pat|ptt|dt|rt|cbt|soat|oas|sa|agent|imt|ffct"
          r"|ft)[-_][\w.-]{16,}",
    r"xox[a-z](?:\.xox[a-z])?-[\w-]{8,}", r"xapp-[\w-]{8,}", r"xwfp-[\w-]{8,}",
    r"(?:sk|pk|rk)_(?:live|test)_[A-Za-z0-9]{8,}", r"whsec_[A-Za-z0-9+/]{8,}", r"sk-(?=[\w-]{0,80}\d)[\w-]{16,}",
    r"c[ks]_[0-9A-Za-z]{20,}", r"AIza[\w-]{20,}", r"ya29\.[\w.-]{10,}", r"GOCSPX-[\w-]{16,}", r"1//0[\w-]{20,}",
    r"(?:SK|AC)[0-9a-f]{32}", r"SG\.[\w-]{10,}\.[\w-]{10,}", r"key-[0-9a-f]{24,}", r"[0-9a-f]{32}-us\d{1,2}",
    r"npm_[A-Za-z0-9]{20,}", r"pypi-[\w-]{16,}", r"shp(?:at|ca|pa|ss|ua|tka|ck)_[0-9A-Za-z]{16,}",
    r"\d{8,10}:AA[\w-]{30,}", r"sq0[a-z]{3}-[\w-]{20,}", r"do[opr]_v1_[0-9a-f]{20,}", r"hf_[A-Za-z0-9]{20,}",
    r"ATATT3[\w=-]{20,}", r"hv[sbr]\.[\w-]{20,}", r"AGE-SECRET-KEY-1[A-Z0-9]{20,}", r"lin_api_\w{20,}",
    r"(?:secret|ntn)_[A-Za-z0-9]{30,}", r"dp\.[a-z]{2,5}\.[\w.]{20,}", r"dapi[0-9a-f]{20,}(?:-\d)?",
    r"NRAK-[A-Z0-9]{20,}",
    r"sntry[su]_[\w=+/-]{20,}", r"[\w.~-]{3}8Q~[\w.~-]{30,}", r"1000\.[0-9a-f]{24,}\.[0-9a-f]{24,}",
    r"Atz[ar]\|[\w+/=-]{16,}",
    r"amzn1\.oa2-cs\.v1\.[0-9a-f]{20,}", r"EAA[A-Za-z0-9]{24,}", r"v\^1\.1#i\^[^\s\"']{10,}",
    r"pn[ub]_[A-Za-z0-9]{16,}",
    r"access_token\$[\w$.-]{16,}", r"rubygems_[0-9a-f]{20,}", r"dckr_(?:pat|oat)_[\w-]{16,}",
    r"[\w]{14}\.atlasv1\.[\w-]{20,}",
    r"eyJ[\w-]{10,}(?:\.[\w-]{0,4000}){0,4}",
)  # fmt: skip
_SAY = (
    "a3t akia asia aroa aida agpa aipa anpa anva abia acca gh gl xox xapp- xwfp- _live_ _test_ whsec_ sk- ck_ cs_ "
    "aiza ya29. "
    "gocspx- 1//0 sk ac sg. key- -us npm_ pypi- shp :aa sq0 _v1_ hf_ atatt3 hvs. hvb. hvr. age-secret lin_api_ "
    "secret_ ntn_ dp. "
    "dapi nrak- sntry 8q~ 1000. atz amzn1. eaa v^1.1 pnu_ pnb_ access_token$ rubygems_ dckr_ atlasv1. eyj"
)
TOKENS = [
    rule(_SAY, rf"(?<![A-Za-z0-9_-])(?:{'|'.join(_SHAPES)}){MORE}", HIDDEN, re.NOFLAG),
    # A list that was cut: [0-9a-f] alone is a digest or a key
    rule("", r"(?<![0-9A-Za-z])[0-9a-f]{24,}(?![0-9A-Za-z])"),
]

IN_ADDRESS = tuple(
    rule("", pattern, rf"\1{HIDDEN}{behind}")
    for pattern, behind in (
        (rf"({_SCHEME})[^\s/\"'<>?#]{{1,400}}@", "@"),
        (rf"([?&;#][\w.\[\]-]{{0,40}}?(?:{CHOSEN}|{MADE}|jwt)[\w.\[\]-]{{0,40}}=)[^&\s\"'<>#;]+", ""),
    )
)
"""What may stand in an address that people open, or that is called for by us."""

RULES: tuple[Rule, ...] = (*KEYS, *HEADERS, *ADDRESSES, *COMMANDS, *TOKENS, *WORDS)
