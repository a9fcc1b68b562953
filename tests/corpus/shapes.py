"""How mail programs write an answer: where the quote stands, what stands above it, and what they add of their own.

A shape takes the writer's words, and gives the plain text and, where the program writes it, the HTML.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from html import escape


@dataclass(frozen=True, slots=True)
class Quoted:
    """The mail that is answered, as the program that answers it shows it."""

    text: str
    address: str
    subject: str
    owner: str


Written = tuple[str, str]
Shape = Callable[[str, Quoted, bool], Written]
"""Words, the answered mail, whether the program speaks German; gives plain text and HTML ("" for none)."""


def _marked(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.splitlines())


def _paragraphs(text: str) -> str:
    return "".join(f"<div>{escape(line) or '<br>'}</div>" for line in text.splitlines())


def _gmail_line(quoted: Quoted, german: bool) -> str:
    if german:
        return f"Am Fr., 20. Nov. 2026 um 09:00 Uhr schrieb Caseproof <{quoted.address}>:"
    return f"On Fri, Nov 20, 2026 at 9:00 AM Caseproof <{quoted.address}> wrote:"


def _block(quoted: Quoted, german: bool) -> list[str]:
    names = ("Von", "Gesendet", "An", "Betreff") if german else ("From", "Sent", "To", "Subject")
    sent = "Freitag, 20. November 2026 09:00" if german else "Friday, 20 November 2026 09:00"
    values = (f"Caseproof <{quoted.address}>", sent, quoted.owner, quoted.subject)
    return [f"{name}: {value}" for name, value in zip(names, values, strict=True)]


def bare(words: str, quoted: Quoted, german: bool) -> Written:  # noqa: ARG001 - every shape takes the same
    return f"{words}\n", ""


def gmail(words: str, quoted: Quoted, german: bool) -> Written:
    line = _gmail_line(quoted, german)
    html = (
        f'<div dir="ltr">{_paragraphs(words)}</div><br><div class="gmail_quote"><div dir="ltr" class="gmail_attr">'
        f'{escape(line)}<br></div><blockquote class="gmail_quote" style="margin:0 0 0 .8ex">'
        f"{_paragraphs(quoted.text)}</blockquote></div>"
    )
    return f"{words}\n\n{line}\n\n{_marked(quoted.text)}\n", html


def gmail_wrapped(words: str, quoted: Quoted, german: bool) -> Written:
    line = _gmail_line(quoted, german).replace(" <", "\n<", 1)
    return f"{words}\n\n{line}\n\n{_marked(quoted.text)}\n", ""


def outlook(words: str, quoted: Quoted, german: bool) -> Written:
    block = _block(quoted, german)
    lines = "<br>".join(f"<b>{escape(one.partition(':')[0])}:</b>{escape(one.partition(':')[2])}" for one in block)
    html = (
        '<html><head><style>p.MsoNormal{margin:0}</style></head><body><div class="WordSection1">'
        + "".join(f'<p class="MsoNormal">{escape(line) or "&nbsp;"}</p>' for line in words.splitlines())
        + '<div style="border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0cm 0cm 0cm">'
        f'<p class="MsoNormal">{lines}</p></div>{_paragraphs(quoted.text)}</div></body></html>'
    )
    return "{}\n\n{}\n\n{}\n".format(words, "\n".join(block), quoted.text), html


def outlook_web(words: str, quoted: Quoted, german: bool) -> Written:
    block = _block(quoted, german)
    html = (
        f'<div class="elementToProof">{_paragraphs(words)}</div><div id="appendonsend"></div><hr style="width:98%">'
        f'<div id="divRplyFwdMsg" dir="ltr">{"<br>".join(escape(one) for one in block)}</div>{_paragraphs(quoted.text)}'
    )
    return "{}\n\n{}\n{}\n\n{}\n".format(words, "_" * 32, "\n".join(block), quoted.text), html


def outlook_phone(words: str, quoted: Quoted, german: bool) -> Written:
    added = "Outlook für iOS beziehen" if german else "Get Outlook for iOS"
    plain, html = outlook_web(f"{words}\n\n{added}", quoted, german)
    return plain, html


def old_outlook(words: str, quoted: Quoted, german: bool) -> Written:
    line = "-----Ursprüngliche Nachricht-----" if german else "-----Original Message-----"
    return "{}\n\n{}\n{}\n\n{}\n".format(words, line, "\n".join(_block(quoted, german)), quoted.text), ""


def apple(words: str, quoted: Quoted, german: bool) -> Written:
    line = (
        f"Am 20.11.2026 um 09:00 schrieb Caseproof <{quoted.address}>:"
        if german
        else f"On 20 Nov 2026, at 09:00, Caseproof <{quoted.address}> wrote:"
    )
    html = (
        f'<html><body style="line-break: after-white-space;">{_paragraphs(words)}<br><div><br><blockquote type="cite">'
        f"<div>{escape(line)}</div><br>{_paragraphs(quoted.text)}</blockquote></div></body></html>"
    )
    return f"{words}\n\n> {line}\n> \n{_marked(quoted.text)}\n", html


def iphone(words: str, quoted: Quoted, german: bool) -> Written:
    added = "Von meinem iPhone gesendet" if german else "Sent from my iPhone"
    return apple(f"{words}\n\n{added}", quoted, german)


def android(words: str, quoted: Quoted, german: bool) -> Written:
    added = "Von meinem Galaxy gesendet" if german else "Sent from my Galaxy"
    line = "-------- Ursprüngliche Nachricht --------" if german else "-------- Original message --------"
    block = _block(quoted, german)
    names = ("Von", "Datum", "An", "Betreff") if german else ("From", "Date", "To", "Subject")
    lines = [f"{name}:{one.partition(':')[2]}" for name, one in zip(names, block, strict=True)]
    return "{}\n\n\n{}\n\n{}\n{}\n{}\n".format(words, added, line, "\n".join(lines), quoted.text), ""


def thunderbird(words: str, quoted: Quoted, german: bool) -> Written:
    line = "Am 20.11.26 um 09:00 schrieb Caseproof:" if german else "On 20/11/2026 09:00, Caseproof wrote:"
    html = (
        f'<html><body><p>{escape(words)}</p><div class="moz-cite-prefix">{line}<br></div>'
        f'<blockquote type="cite" cite="mid:x">{_paragraphs(quoted.text)}</blockquote></body></html>'
    )
    return f"{words}\n\n{line}\n{_marked(quoted.text)}\n", html if "\n" not in words else ""


def below(words: str, quoted: Quoted, german: bool) -> Written:
    line = "Am 20.11.26 um 09:00 schrieb Caseproof:" if german else "On 20/11/2026 09:00, Caseproof wrote:"
    return f"{line}\n{_marked(quoted.text)}\n\n{words}\n", ""


def between(words: str, quoted: Quoted, german: bool) -> Written:
    line = "Am 20.11.26 um 09:00 schrieb Caseproof:" if german else "On 20/11/2026 09:00, Caseproof wrote:"
    lines = quoted.text.splitlines()
    half = len(lines) // 2
    first, rest = "\n".join(lines[:half]), "\n".join(lines[half:])
    return f"{line}\n{_marked(first)}\n\n{words}\n\n{_marked(rest)}\n", ""


def roundcube(words: str, quoted: Quoted, german: bool) -> Written:
    line = "Am 2026-11-20 09:00, schrieb Caseproof:" if german else "On 2026-11-20 09:00, Caseproof wrote:"
    return f"{words}\n\n{line}\n{_marked(quoted.text)}\n", ""


def web_mailer(words: str, quoted: Quoted, german: bool) -> Written:
    names = ("Gesendet", "Von", "An", "Betreff") if german else ("Sent", "From", "To", "Subject")
    day = "Freitag, 20. November 2026 um 09:00 Uhr" if german else "Friday, November 20, 2026 at 9:00 AM"
    values = (day, f'"Caseproof" <{quoted.address}>', quoted.owner, quoted.subject)
    html = (
        f'<html><body><div style="font-family: Verdana;">{_paragraphs(words)}<div>&nbsp;</div>'
        '<div name="quote" style="margin:10px 5px 5px 10px; border-left:2px solid #C3D9E5;"><div>'
        + "<br>".join(f"<b>{name}:</b> {escape(value)}" for name, value in zip(names, values, strict=True))
        + f'</div><div name="quoted-content">{_paragraphs(quoted.text)}</div></div></div></body></html>'
    )
    lines = [f"{name}: {value}" for name, value in zip(names, values, strict=True)]
    return "{}\n\n{}\n\n{}\n".format(words, "\n".join(lines), quoted.text), html


def proton(words: str, quoted: Quoted, german: bool) -> Written:
    line = (
        f"Caseproof <{quoted.address}> schrieb am Freitag, 20. November 2026 um 09:00:"
        if german
        else f"On Friday, November 20th, 2026 at 9:00 AM, Caseproof <{quoted.address}> wrote:"
    )
    return f"{words}\n\n{line}\n\n{_marked(quoted.text)}\n", ""


SHAPES: dict[str, Shape] = {
    "no quote": bare,
    "Gmail": gmail,
    "Gmail, wrapped": gmail_wrapped,
    "Outlook": outlook,
    "Outlook on the web": outlook_web,
    "Outlook on a phone": outlook_phone,
    "old Outlook": old_outlook,
    "Apple Mail": apple,
    "iPhone": iphone,
    "Android": android,
    "Thunderbird": thunderbird,
    "below the quote": below,
    "between quotes": between,
    "Roundcube": roundcube,
    "a web mailer": web_mailer,
    "Proton": proton,
}
