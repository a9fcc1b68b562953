"""The small languages of a declaration of an HTTP job service: expressions, placeholders, calls and moments.

Expressions are JMESPath. One that only names fields, as nearly all do, is read without that library: a check reads
hundreds of thousands of runs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Annotated, Any, Literal
from urllib.parse import quote

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.functions import Functions
from pydantic import AfterValidator, PlainValidator

from caseproof.domain.spelling import alike

_FIELDS = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")
_PLACE = re.compile(r"\{([^{}]*)\}")
_CALL = re.compile(r"(GET|POST|PUT|PATCH|DELETE) +/?(\S*)")
_UNRESERVED = re.compile(r"[A-Za-z0-9_.~-]*")
ALL_OF_IT = "*"
"""In a body or a form: the values of this run (``{parameters}``) stand beside the other entries."""


class NotAsDeclared(Exception):
    """What was answered is not what the declaration says; the text says where, without the value."""


@dataclass(frozen=True)
class Expression:
    """A JMESPath expression. ``find`` gives what it finds in an answer, None for nothing; raises NotAsDeclared.

    ``name`` is the field that it names, where it names just one.
    """

    text: str
    find: Callable[[Any], Any] = field(repr=False, compare=False)
    name: str | None = None

    def column(self, rows: Sequence[Any]) -> list[Any]:
        """What it finds in each of these, as ``find`` does."""
        if self.name is not None:
            try:
                return [row.get(self.name) for row in rows]
            except AttributeError:  # a row that is no object
                pass
        return list(map(self.find, rows))


def expression(text: str) -> Expression:
    """Raises ValueError for what is no expression."""
    if _FIELDS.fullmatch(text):
        steps = text.split(".")
        return Expression(text, _field(text), text) if len(steps) == 1 else Expression(text, _fields(steps))
    try:
        compiled = jmespath.compile(text)
    except JMESPathError as wrong:
        place = getattr(wrong, "lex_position", None)
        where = f" (at character {place + 1})" if isinstance(place, int) else ""
        raise ValueError(f"is no JMESPath expression{where}") from None
    except RecursionError:
        raise ValueError("is no JMESPath expression (it nests too deeply)") from None
    _refuse_unknown_functions(compiled.parsed)

    def find(answer: Any) -> Any:
        try:
            return compiled.search(answer)
        except (JMESPathError, TypeError, ValueError, RecursionError) as wrong:
            raise NotAsDeclared(f"the expression `{text}` cannot be applied ({type(wrong).__name__})") from None

    return Expression(text, find)


def _refuse_unknown_functions(node: Mapping[str, Any]) -> None:
    """Raises ValueError for a function that JMESPath does not have: it would show at the first answer only."""
    if node["type"] == "function_expression" and node["value"] not in Functions.FUNCTION_TABLE:
        nearest = alike(node["value"], Functions.FUNCTION_TABLE)
        raise ValueError(f"calls a function that there is not{f' (do you mean {nearest[0]}?)' if nearest else ''}")
    for child in node["children"]:
        if isinstance(child, Mapping):
            _refuse_unknown_functions(child)


def _field(name: str) -> Callable[[Any], Any]:
    def find(answer: Any) -> Any:
        return answer.get(name) if isinstance(answer, dict) else None

    return find


def _fields(steps: list[str]) -> Callable[[Any], Any]:
    def find(answer: Any) -> Any:
        for step in steps:
            if not isinstance(answer, dict):
                return None
            answer = answer.get(step)
        return answer

    return find


def _as_expression(value: object) -> Expression:
    if isinstance(value, Expression):
        return value
    if not isinstance(value, str) or not value:
        raise ValueError("takes a JMESPath expression, like `name` or `labels.shop`")
    return expression(value)


Found = Annotated[Expression, PlainValidator(_as_expression)]
"""An entry that is an expression."""


def places(text: str) -> set[str]:
    """The placeholders of a text: ``{job}`` is "job"."""
    return set(_PLACE.findall(text))


def places_in(value: Any) -> set[str]:
    """The placeholders of all texts in this value."""
    if isinstance(value, str):
        return places(value)
    if isinstance(value, Mapping):
        return {place for pair in value.items() for one in pair for place in places_in(one)}
    if isinstance(value, list | tuple):
        return {place for one in value for place in places_in(one)}
    return set()


def filled(text: str, values: Mapping[str, str], *, quoted: bool = False) -> str:
    """The text with each placeholder replaced; ``quoted`` for a path, where a name may hold a slash."""

    def value(match: re.Match[str]) -> str:
        found = values.get(match[1])
        if found is None:
            raise NotAsDeclared(f"there is no {match[1]} to put into `{text}`")
        return quote(found, safe="") if quoted else found

    return _PLACE.sub(value, text)


def filled_in(value: Any, values: Mapping[str, str], parameters: Mapping[str, str]) -> Any:
    """A body with its placeholders replaced. A text that is ``{parameters}`` alone becomes the run's own values."""
    if isinstance(value, str):
        return dict(parameters) if value == "{parameters}" else filled(value, values)
    if isinstance(value, Mapping):
        made = {k: filled_in(v, values, parameters) for k, v in value.items() if k != ALL_OF_IT}
        return {**made, **parameters} if ALL_OF_IT in value else made
    if isinstance(value, list | tuple):
        return [filled_in(one, values, parameters) for one in value]
    return value


def quoted(values: Sequence[str], safe: str = "") -> Sequence[str]:
    """Each of these as a part of an address."""
    if _UNRESERVED.fullmatch("".join(values)):
        return values
    known = {value: quote(value, safe=safe) for value in set(values)}
    return [known[value] for value in values]


def _checked_call(value: str) -> str:
    if not _CALL.fullmatch(value):
        raise ValueError("is a method and a path below the base address, like `GET api/jobs/{job}`")
    if "?" in value or "#" in value:
        raise ValueError("holds no `?`: what follows it goes under `query`")
    return value


CallText = Annotated[str, AfterValidator(_checked_call)]
"""A method and a path, as in ``PUT api/jobs/{job}``."""


def method_and_path(call: str) -> tuple[str, str]:
    """The two parts of a ``CallText``."""
    found = _CALL.fullmatch(call)
    assert found is not None  # noqa: S101 - it was checked when it was read
    return found[1], found[2]


Times = Literal["iso", "seconds", "milliseconds"]
"""How a service writes moments: as text (ISO 8601), or as a number since 1970."""


def moment(value: Any, how: Times, zone: tzinfo = UTC) -> datetime | None:
    """The moment in UTC; None where there is none. A text without a zone is of this one. Raises NotAsDeclared."""
    if value is None or value == "":
        return None
    try:
        if how == "iso":
            said = datetime.fromisoformat(value)
            return (said.replace(tzinfo=zone) if said.tzinfo is None else said).astimezone(UTC)
        number = "no number" if isinstance(value, bool) else value
        return datetime.fromtimestamp(float(number) / (1000 if how == "milliseconds" else 1), UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        raise NotAsDeclared(f"a moment is not written as `times: {how}` says") from None


def moments(values: Sequence[Any], how: Times, zone: tzinfo = UTC) -> list[datetime | None]:
    """Each of these as ``moment`` reads it."""
    if how == "iso":
        try:
            found = list(map(datetime.fromisoformat, values))
        except (TypeError, ValueError):
            pass
        else:
            if all(one.tzinfo is UTC for one in found):
                return list(found)
    return [moment(value, how, zone) for value in values]


def names_no_zone(value: Any) -> bool:
    """Whether this is a moment as text that does not say which zone it is of."""
    try:
        return isinstance(value, str) and datetime.fromisoformat(value).tzinfo is None
    except ValueError:
        return False


def written(when: datetime, how: Times, zone: tzinfo = UTC) -> str:
    """A moment as the service writes it: in its zone, for one that does not look at what is said of that."""
    if how == "iso":
        return when.astimezone(zone).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    # Rounded down: what is asked from a moment on may hold a little more, never less.
    return str(int(when.timestamp() * (1000 if how == "milliseconds" else 1)))
