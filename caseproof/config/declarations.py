"""Declarations: YAML texts in which people describe a system, so that it needs no code of ours.

A declaration is checked as a whole when it is saved, and every mistake is told at once: with its line, the entry as it
is written, what is wrong, and the nearest entry that there is. No message repeats a value. Its shape is a pydantic
model that takes no entry but its own (``Declared``); checks of single values are validators that raise ValueError with
the words for people.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo

from caseproof.config.yaml_file import LARGEST, entries_of, plain, told
from caseproof.domain.errors import BadInput
from caseproof.domain.spelling import alike

M = TypeVar("M", bound=BaseModel)

_FEW = 12
"""So many entries are all named where none is alike."""


class DeclarationError(BadInput):
    """A declaration cannot be used; the text names each line and entry, and what may stand there."""


class Mistakes(ValueError):
    """What a check of several entries found: each with the entry (``runs.list``; below where it is raised), and words.

    A validator of a whole part raises it, so that each is told with its own line.
    """

    def __init__(self, wrong: Iterable[tuple[str, str]]) -> None:
        self.wrong = tuple(wrong)
        super().__init__("; ".join(f"{entry}: {words}" for entry, words in self.wrong))


class Declared(BaseModel):
    """What every part of a declaration is: only known entries, and none of them changes."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, allow_inf_nan=False)


def _is_a_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("is no time zone; write it like Europe/Berlin") from None
    return name


ZoneName = Annotated[str, AfterValidator(_is_a_zone)]
"""An entry that names a time zone."""


def read_declaration(text: str, shape: type[M], of: str) -> M:
    """The declaration that a text holds. ``of`` is what it describes, as in "of the HTTP job service".

    Raises DeclarationError, which names each mistake by its line.
    """
    empty = "docs/platforms.md leads to examples."
    if len(text) > LARGEST:
        raise DeclarationError(f"The declaration {of} is longer than {LARGEST // 1_000_000} MB.", empty)
    values = entries_of(text, of, "declaration", DeclarationError, empty=empty)
    try:
        return shape.model_validate(values)
    except ValidationError as error:
        root = yaml.compose(text, yaml.CSafeLoader)
        found = [each for one in error.errors() for each in _mistakes(dict(one), shape, root)]
        wrong = sorted(found, key=lambda one: one[0])
        lines = [f"line {line}: {words}" for line, words in dict.fromkeys(wrong)]
        # Not chained: its text repeats what was written.
        raise DeclarationError(
            f"The declaration {of} is not valid: {told(lines)}.", "Correct these lines, and save it again."
        ) from None


def _mistakes(error: Mapping[str, Any], shape: type[BaseModel], root: yaml.Node | None) -> Iterable[tuple[int, str]]:
    several = (error.get("ctx") or {}).get("error")
    if not isinstance(several, Mistakes):
        yield _mistake(error, shape, root)
        return
    for entry, words in several.wrong:
        walk = _Walk(shape, root)
        for step in (*error["loc"], *entry.split(".")):
            walk.into(step)
        yield walk.line, f"{walk.entry()}{words}"


def _mistake(error: Mapping[str, Any], shape: type[BaseModel], root: yaml.Node | None) -> tuple[int, str]:
    """The line, and the entry with what is wrong with it."""
    walk = _Walk(shape, root)
    unknown = error["type"] == "extra_forbidden"
    for step in error["loc"][:-1] if unknown else error["loc"]:
        walk.into(step)
    if unknown:
        name = str(error["loc"][-1])
        return walk.line_of(name), f"{walk.entry(name)}there is no such entry{_nearest(name, walk.entries())}"
    return walk.line, f"{walk.entry()}{_said(error)}"


def _said(error: Mapping[str, Any]) -> str:
    kind, given = error["type"], error.get("input")
    context = error.get("ctx") or {}
    if kind in ("literal_error", "enum"):
        choices = re.findall(r"'([^']*)'", str(context.get("expected", "")))
        return f"is one of {', '.join(choices)}{_nearest(str(given), choices, all_named=True)}"
    if kind == "union_tag_invalid":
        choices = re.findall(r"'([^']*)'", str(context.get("expected_tags", "")))
        what = str(context.get("discriminator", "")).strip("'")
        return f"{what} is one of {', '.join(choices)}{_nearest(str(context.get('tag')), choices, all_named=True)}"
    if kind == "union_tag_not_found":
        what = str(context.get("discriminator", "")).strip("'")
        near = alike(what, [str(name) for name in given]) if isinstance(given, Mapping) else []
        return f"{what} is missing{f' (is it what {near[0]} stands for?)' if near else ''}"
    if kind == "model_type":
        return "takes entries of its own, below it and indented"
    return plain(kind, error["msg"]).rstrip(".")


def _nearest(name: str, known: Iterable[str], *, all_named: bool = False) -> str:
    names = sorted(set(known))
    if found := alike(name, names):
        return f" (do you mean {found[0]}?)"
    if all_named or not names:
        return ""
    return f" (there are: {', '.join(names)})" if len(names) <= _FEW else " (misspelt?)"


class _Walk:
    """Goes down a declaration to the place of a mistake: by pydantic's steps, in the types and in the YAML at once.

    Where one of several models may stand, pydantic's steps name which: such a step is none in the YAML.
    """

    def __init__(self, shape: Any, node: yaml.Node | None) -> None:
        self._kinds: list[Any] = _kinds(shape)
        self._node = node
        self._names: list[str] = []
        self.line = node.start_mark.line + 1 if node is not None else 1

    def into(self, step: int | str) -> None:
        """One step further down."""
        chosen = [kind for kind in self._kinds if _is_model(kind) and step in _tags(kind)]
        if chosen and (len(self._kinds) > 1 or step not in _keys(self._node)):
            self._kinds = chosen
            return
        below = [each for kind in self._kinds for each in _below(kind, step)]
        if isinstance(step, str) and not below and step not in _keys(self._node):
            return  # a name of pydantic's own for one of several types
        self._kinds = below
        self._names.append(str(step))
        self._go(step)

    def entry(self, name: str = "") -> str:
        """The entry as people write it, before what is wrong with it."""
        path = ".".join([*self._names, *([name] if name else [])])
        return f"{path}: " if path else ""

    def entries(self) -> list[str]:
        """The entries that may stand here."""
        return [name for kind in self._kinds if _is_model(kind) for name in _fields(kind)]

    def line_of(self, name: str) -> int:
        """The line of an entry here."""
        key = _keys(self._node).get(name)
        return key.start_mark.line + 1 if key is not None else self.line

    def _go(self, step: int | str) -> None:
        node, below = self._node, None
        if isinstance(node, yaml.MappingNode):
            if (key := _keys(node).get(str(step))) is not None:
                self.line = key.start_mark.line + 1
                below = next(value for one, value in node.value if one is key)
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            below = node.value[step]
            self.line = below.start_mark.line + 1
        self._node = below


def _keys(node: yaml.Node | None) -> dict[str, yaml.ScalarNode]:
    if not isinstance(node, yaml.MappingNode):
        return {}
    return {key.value: key for key, _ in node.value if isinstance(key, yaml.ScalarNode)}


def _kinds(shape: Any) -> list[Any]:
    """The types that may stand there: each one of a union, without what is written around them."""
    origin = get_origin(shape)
    if origin is Annotated:
        return _kinds(get_args(shape)[0])
    if origin in (Union, UnionType):
        return [kind for one in get_args(shape) for kind in _kinds(one)]
    return [shape]


def _below(kind: Any, step: int | str) -> list[Any]:
    """The types of an entry or element of this type."""
    if _is_model(kind):
        field = _fields(kind).get(str(step))
        return [] if field is None else _kinds(field.annotation)
    origin, inside = get_origin(kind), [one for one in get_args(kind) if one is not Ellipsis]
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _kinds(inside[1])
    if isinstance(origin, type) and issubclass(origin, Sequence):
        return [each for one in inside for each in _kinds(one)]
    return []


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _tags(model: type[BaseModel]) -> set[str]:
    """What pydantic calls this model among several: its name, or the values of a field that says which it is."""
    tags = {model.__name__}
    for field in model.model_fields.values():
        if get_origin(field.annotation) is Literal:
            tags |= {str(one.value if isinstance(one, Enum) else one) for one in get_args(field.annotation)}
    return tags
