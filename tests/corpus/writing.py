"""How a mail is put into bytes: charsets, transfer encodings, and what a body is wrapped in."""

from __future__ import annotations

import base64
import quopri
from collections.abc import Callable, Mapping

Body = Callable[[str, str], str | None]
"""Plain text and HTML (may be "") to headers and body, with LF; None where this way cannot write these words."""


def _part(kind: str, text: str, charset: str, way: str, more: str = "", codec: str = "") -> str | None:
    try:
        content = text.encode(codec or charset)
    except UnicodeEncodeError:
        return None
    if way == "base64":
        body = base64.encodebytes(content).decode("ascii")
    elif way == "quoted-printable":
        body = quopri.encodestring(content).decode("ascii")
    else:
        body = content.decode("latin-1")
    charset = f'; charset="{charset}"' if charset else ""
    return f"Content-Type: text/{kind}{charset}{more}\nContent-Transfer-Encoding: {way}\n\n{body}"


def _plain(charset: str, way: str, codec: str = "") -> Body:
    return lambda text, _: _part("plain", text, charset, way, codec=codec)


def _undeclared(text: str, _: str) -> str | None:
    return text.encode("utf-8").decode("latin-1").join(("\n", ""))


def _flowed(text: str, _: str) -> str | None:
    lines = []
    for line in text.splitlines():
        while len(line) > 72 and not line.startswith(">"):
            head = line[:72].rpartition(" ")[0]
            if not head:
                break
            lines.append(f"{head} ")
            line = line[len(head) + 1 :]
        lines.append(line)
    return _part("plain", "\n".join(lines) + "\n", "utf-8", "8bit", "; format=flowed; delsp=no")


def _html_only(_: str, html: str) -> str | None:
    return _part("html", html, "utf-8", "quoted-printable") if html else None


def _html_old(_: str, html: str) -> str | None:
    return _part("html", html, "windows-1252", "base64") if html else None


def _both(text: str, html: str) -> str | None:
    if not html:
        return None
    plain, rich = _part("plain", text, "utf-8", "quoted-printable"), _part("html", html, "utf-8", "base64")
    return _multi("alternative", plain, rich)


def _with_picture(text: str, html: str) -> str | None:
    both = _both(text, html)
    picture = (
        'Content-Type: image/png; name="logo.png"\nContent-ID: <logo>\n'
        'Content-Disposition: inline; filename="logo.png"\n'
        "Content-Transfer-Encoding: base64\n\niVBORw0KGgo=\n"
    )
    return _multi("related", both, picture, mark="related") if both else None


def _with_file(text: str, _: str) -> str | None:
    file = (
        'Content-Type: text/plain; name="log.txt"\nContent-Disposition: attachment; filename="log.txt"\n\n'
        "It is not done. Done. Erledigt.\n"
    )
    return _multi("mixed", _part("plain", text, "iso-8859-1", "quoted-printable"), file)


def _signed(text: str, _: str) -> str | None:
    seal = (
        'Content-Type: application/pkcs7-signature; name="smime.p7s"\nContent-Transfer-Encoding: base64\n'
        'Content-Disposition: attachment; filename="smime.p7s"\n\nMIIB\n'
    )
    return _multi("signed", _part("plain", text, "utf-8", "base64"), seal)


def _multi(kind: str, *parts: str | None, mark: str = "") -> str | None:
    if None in parts:
        return None
    line = f"=_{mark or kind}_1"
    body = "".join(f"--{line}\n{part}\n" for part in parts)
    return f'Content-Type: multipart/{kind}; boundary="{line}"\n\n{body}--{line}--\n'


WAYS: Mapping[str, Body] = {
    "UTF-8, quoted-printable": _plain("utf-8", "quoted-printable"),
    "UTF-8, base64": _plain("UTF-8", "base64"),
    "UTF-8, 8bit": _plain("utf-8", "8bit"),
    "plain and HTML": _both,
    "ISO-8859-1, quoted-printable": _plain("iso-8859-1", "quoted-printable"),
    "HTML only": _html_only,
    "ISO-8859-15, 8bit": _plain("ISO-8859-15", "8bit"),
    "Windows-1252, base64": _plain("windows-1252", "base64"),
    "format=flowed": _flowed,
    "UTF-16, base64": _plain("utf-16", "base64"),
    "KOI8-R": _plain("koi8-r", "8bit"),
    "HTML only, Windows-1252": _html_old,
    "an unknown charset": _plain("x-my-own", "8bit", codec="utf-8"),
    "no charset said": _undeclared,
    "ASCII said, UTF-8 written": _plain("us-ascii", "8bit", codec="utf-8"),
    "with a picture": _with_picture,
    "with a file": _with_file,
    "signed (S/MIME)": _signed,
}


def written(way: str, headers: Mapping[str, str], text: str, html: str) -> bytes:
    """A whole mail; where ``way`` cannot write these words, in UTF-8."""
    body = WAYS[way](text, html) or WAYS["UTF-8, quoted-printable"](text, html) or ""
    above = "".join(f"{name}: {value}\n" for name, value in headers.items())
    mime = "" if way == "no charset said" else "MIME-Version: 1.0\n"
    return f"{above}{mime}".encode() + body.encode("latin-1").replace(b"\r\n", b"\n")
