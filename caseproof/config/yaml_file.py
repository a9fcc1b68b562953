"""YAML files that people write: read strictly, with errors that name file, line and entry, and never a value.

Few lines can stand for a billion entries (aliases of aliases), a number can be so long that it takes minutes to read:
so a file has a size, its entries are counted with what their aliases stand for, and numbers are as people write them.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from caseproof.config.given_files import read_plain
from caseproof.domain.errors import BadInput

LARGEST = 4_000_000
"""The largest file that is read, in bytes."""

_DEEPEST = 50
_MOST_ENTRIES = 200_000
_LONGEST_NUMBER = 30  # characters
_MOST_TOLD = 20  # mistakes
_TAGS = frozenset(
    f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "str", "timestamp", "seq", "map", "merge")
)


def read_yaml(path: Path, what: str, refused: type[BadInput], *, unreadable: str, empty: str) -> dict[Any, Any]:
    """The entries of a file; ``what`` names it ("policy"). Raises ``refused``.

    ``unreadable`` and ``empty`` are the next actions where the file cannot be read, or holds no entries.
    """
    return entries_of(read_text(path, what, refused, unreadable=unreadable), path, what, refused, empty=empty)


def read_text(path: Path, what: str, refused: type[BadInput], *, unreadable: str) -> str:
    """The text of a file. Raises ``refused``."""
    try:
        return read_plain(path, LARGEST).decode("utf-8")
    except OSError as error:
        raise refused(f"The {what} {path} cannot be read: {error.strerror}.", unreadable) from error
    except UnicodeDecodeError:
        raise refused(f"The {what} {path} is not YAML.", "Save it as UTF-8.") from None


def entries_of(text: str, path: Path | str, what: str, refused: type[BadInput], *, empty: str) -> dict[Any, Any]:
    """The entries of a file's text; ``path`` may say in words where it is from. Raises ``refused``."""
    try:
        if wrong := _too_much(text):
            raise refused(f"The {what} {path} {wrong}.", "Write its entries plainly.")
        raw = yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f" at line {where.line + 1}, column {where.column + 1}" if where else ""
        why = getattr(error, "problem", None)
        told = f": {why}" if isinstance(error, yaml.constructor.ConstructorError) and why else ""
        # Not chained: its text shows the line, and somebody may have written a password there.
        raise refused(f"The {what} {path} is not YAML{line}{told}.", "Correct that line.") from None
    if not isinstance(raw, dict):
        raise refused(f"The {what} {path} holds no entries.", empty)
    return raw


def _too_much(text: str) -> str:
    """What is wrong with a text that holds more than anybody writes: too deep, or too many entries; else "".

    An alias counts as what it stands for: built, it takes no room, but whatever walks over it meets it all. It is asked
    before anything is built, for libyaml crashes of what is too deep (PyYAML 6.0).
    """
    sizes: dict[str, tuple[int, int]] = {}  # of each anchor: how many entries it holds, and how deep they go
    open_ones: list[tuple[str | None, int, int]] = []  # of each collection: its anchor, entries before it, depth in it
    count = 0
    for event in yaml.parse(text, yaml.CSafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            open_ones.append((event.anchor, count, len(open_ones) + 1))
            count += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before, deepest = open_ones.pop()
            if anchor is not None:
                sizes[anchor] = (count - before, deepest - len(open_ones))
            _deepen(open_ones, deepest)
        elif isinstance(event, yaml.AliasEvent):
            entries, depth = sizes.get(str(event.anchor), (1, 0))
            count += entries
            _deepen(open_ones, len(open_ones) + depth)
        elif isinstance(event, yaml.ScalarEvent):
            count += 1
        if len(open_ones) > _DEEPEST or (open_ones and open_ones[-1][2] > _DEEPEST):
            return "is nested too deeply"
        if count > _MOST_ENTRIES:
            return f"holds more than {_MOST_ENTRIES} entries, counted with what its aliases stand for"
    return ""


def _deepen(open_ones: list[tuple[str | None, int, int]], depth: int) -> None:
    if open_ones and open_ones[-1][2] < depth:
        anchor, before, _ = open_ones[-1]
        open_ones[-1] = (anchor, before, depth)


def told(wrong: list[str]) -> str:
    """The mistakes of a file in one text; of very many the first."""
    more = f"; and {len(wrong) - _MOST_TOLD} more" if len(wrong) > _MOST_TOLD else ""
    return "; ".join(one if len(one) <= 1000 else f"{one[:1000]}..." for one in wrong[:_MOST_TOLD]) + more


def plain(kind: str, message: str) -> str:
    """What pydantic says about an entry, for people; neither it nor this repeats the value."""
    known = {
        "extra_forbidden": "there is no such entry (misspelt?)",
        "missing": "is missing",
        "tuple_type": "takes a list, like [one, two]",
        "string_pattern_mismatch": "takes lower-case letters, digits and dashes only",
    }
    return known.get(kind) or message.removeprefix("Value error, ")


def entry(where: tuple[int | str, ...], values: Any) -> str:
    """The entry as people write it, before what is wrong with it; empty for what is wrong between entries.

    An element of a list goes by its name, where it has one.
    """
    parts = []
    for step in where:
        try:
            values = values[step]
        except (KeyError, IndexError, TypeError):
            values = None
        named = isinstance(step, int) and isinstance(values, dict) and isinstance(values.get("name"), str)
        parts.append(f"{values['name']}" if named else str(step))
    return ".".join(parts) + ": " if parts else ""


class _Loader(yaml.CSafeLoader):
    """YAML in which an entry stands once, and none stands in itself: the plain loader takes both without a word.

    Nor does it take a number or a date that is none, with its own exceptions, nor a kind of value that no entry has.
    """

    def construct_document(self, node: yaml.Node) -> Any:
        self.deep_construct = True  # each entry with all that is in it, so that one inside itself is met half-made
        return super().construct_document(node)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        if node in self.recursive_objects:
            raise _wrong(node, "it refers to itself")
        if node.tag not in _TAGS:
            raise _wrong(node, "no entry takes this kind of value; write it as a plain text, without '!'")
        try:
            made = super().construct_object(node, deep)
        except (ValueError, OverflowError):  # a number of thousands of digits, a 31st of February
            raise _wrong(node, "there is no such number or date") from None
        if isinstance(made, float) and not math.isfinite(made):
            raise _wrong(node, "this is no number")
        if isinstance(made, str) and "\0" in made:
            raise _wrong(node, "a text holds a NUL")
        return made

    def construct_scalar(self, node: yaml.ScalarNode | yaml.MappingNode) -> Any:
        number = node.tag.endswith((":int", ":float", ":timestamp"))
        if number and isinstance(node, yaml.ScalarNode) and len(node.value) > _LONGEST_NUMBER:
            raise _wrong(node, "a number is too long; write it between quotation marks if it is a text")
        return super().construct_scalar(node)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                raise _wrong(key, f"{key.value[:200]} stands there twice")
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _wrong(node: yaml.Node, why: str) -> yaml.constructor.ConstructorError:
    return yaml.constructor.ConstructorError(None, None, why, node.start_mark)
