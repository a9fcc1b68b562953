"""Takes the keys out of what is kept: the signature in a link to the confirmation page, and the one in a reply address.

A key is found by its shape, whoever made it and however a mail carries it: in quoted-printable, base64, HTML or a
percent-encoded address, wrapped in a quote, in an attached mail, in a text of any encoding. It is overwritten in its
place, byte for byte, so that all else stays as it came and a mail stays a mail. An archive or a PDF that holds one is
overwritten as a whole, and so is one that holds more than is looked into. Not looked into: pictures, what is
encrypted, and archives of other kinds.

Strangers write what is looked through here. Its time grows with the size alone, its memory not at all: it is looked
through a window at a time, and what is packed in it within bounds (``unpacking``).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace

from caseproof.evidence.text_layers import Layer
from caseproof.evidence.unpacking import DEEPEST, Bounds, NotLookedInto, is_packed, unpacked

_DEEPEST = 6
_SHORTEST = 24  # in base64, what holds a key has more
_WINDOW = 256 * 1024
_OVERLAP = 16 * 1024
"""How many bytes are looked through at a time, and how many of the next ones besides: no key takes more of them."""

# What we sign: `["jf-000001.1.notice",1790000000]` as base64, a dot, and 43 letters; or a case and 16 letters.
_START = rb"(?:WyJ|\.eJ)[A-Za-z0-9_-]{8,400}+\."
_TOKEN = re.compile(rb"(?<![A-Za-z0-9_])" + _START + rb"[A-Za-z0-9_-]{1,200}|" + _START + rb"[A-Za-z0-9_-]{20,200}")
_ADDRESS = re.compile(rb"-(?<=[A-Za-z]{2}-)[0-9]{6,18} ?-([A-Za-z2-7]{16})(?![A-Za-z2-7])")
# The same across line ends, where nobody can see from the letters around it that it ends.
_TOKEN_ON = re.compile(_START + rb"[A-Za-z0-9_-]{43}")
_ADDRESS_ON = re.compile(rb"-(?<=[A-Za-z]{2}-)[0-9]{6,18} ?-([A-Za-z2-7]{16})(?=[@=])")
_MAY_GO_ON = re.compile(rb"(?:WyJ|\.eJ)[A-Za-z0-9_-]{1,400}+[.<?]|-[0-9<]{6}")
_BETWEEN = b" \t\r\n>|"
# With blanks in it, as a program that copies text puts them there: only what surely names a case, and no address.
_OURS = rb"WyJ[A-Za-z0-9]{2}[CSiy]0[w-z0-5]"  # `["jf-0` and the like
_MAY_BE_SPACED = re.compile(_OURS)
_TOKEN_SPACED = re.compile(_OURS + rb"[A-Za-z0-9_-]{4,400}+\.[A-Za-z0-9_-]{43}")
_NO_ADDRESS = re.compile(rb"(?!)()")
_BLANKS = re.compile(rb"[ \t]{1,9}")

_SOFT_BREAK = rb"=[ \t]*\r?\n"
_HEX = re.compile(_SOFT_BREAK + rb"|=([0-9A-Fa-f]{2})")
_ENTITY = re.compile(rb"&(?:#x0*([0-9a-f]{2})|#0*([0-9]{2,3})|(period|hyphen|lowbar|plus|commat|gt));?", re.IGNORECASE)
_NAMED = {b"period": b".", b"hyphen": b"-", b"lowbar": b"_", b"plus": b"+", b"commat": b"@", b"gt": b">"}
_PERCENT = re.compile(rb"%(?:25)*([2-7][0-9A-Fa-f])")
# What a mail program writes for a hyphen: U+2010 to U+2015.
_DASH = re.compile(rb"\xe2\x80[\x90-\x95]|&(?:#x201[0-5]|#820[89]|#821[0-3]|dash|ndash|mdash);", re.IGNORECASE)
_UNSEEN = rb"<wbr\s{0,3}/?>|&shy;|&#8203;|&ZeroWidthSpace;|\xc2\xad|\xe2\x80\x8b"
_INVISIBLE = re.compile(_UNSEEN, re.IGNORECASE)
_TAG = rb"</?(?:a|b|br|em|font|i|span|strong|u|wbr)(?:\s[^<>]{0,400})?/?>"
_QUOTE = rb"(?:[ \t|]*(?:[a-z]{1,3})?>){0,20}[ \t|]*"
_LINE_END = rb"(?:(?<![ \t])[ \t]++)?\r?\n"  # blanks are passed over once, not again from each of them
_GAP = re.compile(
    rb"\?=\s{1,9}=\?[^?\s]{1,60}\?q\?|(?:" + _LINE_END + _QUOTE + rb")+|(?:" + _TAG + rb"\s{0,9}>?[ \t]?)+",
    re.IGNORECASE,
)
# Texts are many, and hardly one holds a key: this is all that most of them cost.
_WORTH_A_LOOK = re.compile("WyJ|\\.eJ|[-\u2010-\u2015][0-9]{6}|[=%&\0\n\u00ad\u200b]|<[a-zA-Z]")
_NUL = re.compile(rb"\0+")
# What stays within a key that is overwritten: it holds the mail together.
_STRUCTURE = re.compile(_SOFT_BREAK + rb"|" + _GAP.pattern + rb"|" + _UNSEEN + rb"|&gt;[> \t|]*|=20|\0", re.IGNORECASE)
_BASE64 = re.compile(rb"(?:[A-Za-z0-9+/]{24,}|[A-Za-z0-9+/]{4,}(?=[ \t]*\r?\n))(?:[ \t]*\r?\n[> \t]*[A-Za-z0-9+/]+)*+")
_NO_BASE64 = b" \t\r\n>"
_BASE64_LINE = re.compile(rb"[A-Za-z0-9+/]+")


@dataclass(frozen=True, slots=True)
class _Depth:
    """How deep in a message something lies, in how many archives, and what may still be unpacked of the message."""

    depth: int = 0
    archives: int = 0
    bounds: Bounds = field(default_factory=Bounds)


def hide_keys(content: bytes) -> bytes:
    """The same bytes, as many of them, with every key overwritten; what holds none is given back as it is."""
    return _hidden(content, _Depth())


def hide_keys_in_text(text: str) -> str:
    """The same text with every key overwritten."""
    if not _WORTH_A_LOOK.search(text):
        return text
    raw = text.encode("utf-8", "surrogatepass")
    hidden = _hidden(raw, _Depth(_DEEPEST))
    return text if hidden == raw else hidden.decode("utf-8", "surrogatepass")


def _hidden(content: bytes, lies: _Depth) -> bytes:
    if lies.depth < _DEEPEST and is_packed(content) and _is_to_be_withheld(content, lies):
        return withheld(content)
    if spans := sorted(_found(content)):
        content = _overwritten(content, spans)
    return _hidden_in_base64(content, lies) if lies.depth < _DEEPEST else content


def _is_to_be_withheld(content: bytes, lies: _Depth) -> bool:
    """Whether what is packed in it holds a key, or nobody knows."""
    if lies.archives >= DEEPEST:
        return True
    inside = replace(lies, depth=lies.depth + 1, archives=lies.archives + 1)
    try:
        return any(_hidden(part, inside) != part for part in unpacked(content, lies.bounds))
    except NotLookedInto:
        return True


def _found(content: bytes) -> set[tuple[int, int]]:
    """Where keys stand in the content; seen through windows, so that what is noted of each byte is soon forgotten."""
    found = set()
    for begin in range(0, len(content), _WINDOW):
        window = content[begin : begin + _WINDOW + _OVERLAP]
        is_last = begin + len(window) == len(content)
        for view in _views(window):
            # What touches the window's end may go on behind it: the next window sees it whole.
            found |= {(begin + one, begin + end) for one, end in view if is_last or end < len(window)}
        if is_last:
            break
    return found


# -- what is written plainly, in one of the ways that a mail has for it ---------------------------------------------


def _views(content: bytes) -> Iterator[list[tuple[int, int]]]:
    """Where keys stand in the content, once as it is and once in each way in which it may be meant to be read."""
    yield _spans(content, _TOKEN, _ADDRESS, [])
    layers: list[Layer] = []
    seen = content
    for needles, pattern, meant in _READ_AS:
        layer = Layer(seen, pattern, meant) if any(needle in seen for needle in needles) else None
        if layer is not None and layer.changes:
            layers.append(layer)
            seen = layer.text
    if layers:
        yield _spans(seen, _TOKEN, _ADDRESS, layers)
    close = seen.translate(None, _BETWEEN)
    if _MAY_BE_SPACED.search(close) and (spaced := Layer(seen, _BLANKS, _nothing)).changes:
        yield _spans(spaced.text, _TOKEN_SPACED, _NO_ADDRESS, [*layers, spaced])
    if _MAY_GO_ON.search(close) and (joined := Layer(seen, _GAP, _nothing)).changes:
        yield _spans(joined.text, _TOKEN_ON, _ADDRESS_ON, [*layers, joined])


def _spans(
    text: bytes, token: re.Pattern[bytes], address: re.Pattern[bytes], layers: list[Layer]
) -> list[tuple[int, int]]:
    found = [match.span(1) for match in address.finditer(text)]
    if b"WyJ" in text or b".eJ" in text:
        found += [match.span() for match in token.finditer(text)]
    for layer in reversed(layers):
        found = [(layer.start(begin), layer.end(end)) for begin, end in found]
    return found


def _nothing(_: re.Match[bytes]) -> bytes:
    return b""


def _hex(match: re.Match[bytes]) -> bytes:
    return bytes.fromhex(match[1].decode()) if match[1] else b""


def _entity(match: re.Match[bytes]) -> bytes | None:
    if match[3]:
        return _NAMED[match[3].lower()]
    code = int(match[1], 16) if match[1] else int(match[2])
    return bytes([code]) if 32 < code < 127 else None


def _hyphen(_: re.Match[bytes]) -> bytes:
    return b"-"


def _percent(match: re.Match[bytes]) -> bytes:
    return bytes.fromhex(match[1].decode())


_READ_AS: tuple[tuple[tuple[bytes, ...], re.Pattern[bytes], Callable[[re.Match[bytes]], bytes | None]], ...] = (
    ((b"\0",), _NUL, _nothing),  # UTF-16 and UTF-32
    ((b"=",), _HEX, _hex),
    ((b"\xe2\x80", b"&"), _DASH, _hyphen),
    ((b"&",), _ENTITY, _entity),
    ((b"<w", b"<W", b"&", b"\xc2\xad", b"\xe2\x80\x8b"), _INVISIBLE, _nothing),
    ((b"%",), _PERCENT, _percent),
)


def _overwritten(content: bytes, spans: list[tuple[int, int]]) -> bytes:
    done, last = [], 0
    for begin, end in _apart(spans):
        done += [content[last:begin], _filled(content[begin:end])]
        last = end
    return b"".join([*done, content[last:]])


def _apart(spans: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The sorted spans, those that meet as one: the same key may be seen in two ways, in one of them whole."""
    begin, end = spans[0]
    for one, other in spans[1:]:
        if one > end:
            yield begin, end
            begin, end = one, other
        end = max(end, other)
    yield begin, end


def _filled(key: bytes) -> bytes:
    """The word "hidden" and as many letters more, with line ends and the like left where they are."""
    pieces, last, written = [], 0, 0
    for match in [*_STRUCTURE.finditer(key), None]:
        until = match.start() if match else len(key)
        size = until - last
        pieces += [(b"hidden"[written : written + size]).ljust(size, b"X"), match[0] if match else b""]
        written, last = written + size, match.end() if match else until
    return b"".join(pieces)


# -- base64: of a mail's parts, of mails within mails, of pages' own files ------------------------------------------


def _hidden_in_base64(content: bytes, lies: _Depth) -> bytes:
    done, last = [], 0
    for match in _BASE64.finditer(content):
        if (block := _block(match[0], lies)) != match[0]:
            done += [content[last : match.start()], block]
            last = match.end()
    return b"".join([*done, content[last:]]) if done else content


def _block(block: bytes, lies: _Depth) -> bytes:
    letters = block.translate(None, _NO_BASE64)
    if len(letters) < _SHORTEST:
        return block
    whole = letters[: len(letters) - 1] if len(letters) % 4 == 1 else letters
    with suppress(binascii.Error):
        plain = base64.b64decode(whole + b"=" * (-len(whole) % 4))
        hidden = _hidden(plain, replace(lies, depth=lies.depth + 1))
        if hidden != plain:
            return _scattered(block, base64.b64encode(hidden)[: len(whole)] + letters[len(whole) :])
    return block


def _scattered(block: bytes, letters: bytes) -> bytes:
    """The block with other letters, each line as long as it was."""
    done, last, used = [], 0, 0
    for line in _BASE64_LINE.finditer(block):
        size = line.end() - line.start()
        done += [block[last : line.start()], letters[used : used + size]]
        last, used = line.end(), used + size
    return b"".join([*done, block[last:]])


def withheld(content: bytes) -> bytes:
    """As many bytes, which say what stood there: what is compressed cannot be mended in its place."""
    digest = hashlib.sha256(content).hexdigest()
    said = f"This file is not kept: it held a key of ours, or more than is looked into. Its SHA-256 was {digest}.\n"
    return said.encode()[: len(content)].ljust(len(content), b"\n")
