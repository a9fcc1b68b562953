"""YAML files that people write: read strictly, with errors that name file, line and entry, and never a value."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from caseproof.domain.errors import BadInput

_DEEPEST = 50


def read_yaml(path: Path, what: str, refused: type[BadInput], *, unreadable: str, empty: str) -> dict[Any, Any]:
    """The entries of a file; ``what`` names it ("policy"). Raises ``refused``.

    ``unreadable`` and ``empty`` are the next actions where the file cannot be read, or holds no entries.
    """
    return entries_of(read_text(path, what, refused, unreadable=unreadable), path, what, refused, empty=empty)


def read_text(path: Path, what: str, refused: type[BadInput], *, unreadable: str) -> str:
    """The text of a file. Raises ``refused``."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise refused(f"The {what} {path} cannot be read: {error.strerror}.", unreadable) from error
    except UnicodeDecodeError:
        raise refused(f"The {what} {path} is not YAML.", "Save it as UTF-8.") from None


def entries_of(text: str, path: Path, what: str, refused: type[BadInput], *, empty: str) -> dict[Any, Any]:
    """The entries of a file's text. Raises ``refused``."""
    try:
        if _is_too_deep(text):
            raise refused(f"The {what} {path} is nested too deeply.", "Write its entries plainly.")
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


def _is_too_deep(text: str) -> bool:
    """Whether entries lie deeper in each other than anybody writes them: libyaml crashes of that (PyYAML 6.0)."""
    depth = 0
    for event in yaml.parse(text, yaml.CSafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            return True
    return False


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
    """YAML in which an entry stands once, and none stands in itself: the plain loader takes both without a word."""

    def construct_document(self, node: yaml.Node) -> Any:
        self.deep_construct = True  # each entry with all that is in it, so that one inside itself is met half-made
        return super().construct_document(node)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        if node in self.recursive_objects:
            raise yaml.constructor.ConstructorError(None, None, "it refers to itself", node.start_mark)
        return super().construct_object(node, deep)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{key.value} stands there twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)
