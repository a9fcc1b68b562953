"""Whether the requests that a simulator got are what the vendor's own description of its interface allows."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from jsonschema import Draft202012Validator

from sandbox.farm_http import Asked, Part


def not_as_described(
    described: Mapping[str, Any], asked: Iterable[Asked], aside: Collection[str] = ()
) -> tuple[int, list[str]]:
    """How many of these requests are described at all, and what is wrong with any of those.

    What the description (an excerpt) does not know is left out, and so is what ends as one of ``aside``, which it would
    take for something else; headers, the query and the body are looked at.
    """
    known, wrong = 0, list[str]()
    for one in asked:
        operation, template = _operation(described, one)
        if one.path.endswith(tuple(aside)):
            continue
        if operation is None:
            continue
        known += 1
        values = {**re.fullmatch(_pattern(template), one.path).groupdict()}  # type: ignore[union-attr]
        for parameter in operation.get("parameters", []):
            place, name = parameter["in"], parameter["name"]
            told = {"path": values, "query": one.query, "header": one.headers}[place]
            said = told.get(name.lower() if place == "header" else name)
            wrong += [f"{one.method} {template}: {name} {why}" for why in _parameter(parameter, said)]
        named = {p["name"] for p in operation.get("parameters", []) if p["in"] == "query"}
        wrong += [f"{one.method} {template}: ?{name} is not known" for name in one.query.keys() - named
                  if one.method != "GET"]  # fmt: skip
        wrong += [f"{one.method} {template}: {why}" for why in _body(described, operation, one)]
    return known, wrong


def _operation(described: Mapping[str, Any], one: Asked) -> tuple[Mapping[str, Any] | None, str]:
    for template, operations in described["paths"].items():
        if one.method.lower() in operations and re.fullmatch(_pattern(template), one.path):
            return operations[one.method.lower()], template
    return None, ""


def _pattern(template: str) -> str:
    return re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(template))


def _parameter(parameter: Mapping[str, Any], said: str | None) -> list[str]:
    if said is None:
        return ["is missing"] if parameter.get("required") else []
    schema = parameter.get("schema", {})
    kind, value = schema.get("type"), said  # type: str | None, Any
    if kind == "boolean":
        value = {"true": True, "false": False}.get(said, said)
    elif kind == "integer" and said.isdigit():
        value = int(said)
    elif kind == "array":
        value = said.split(",")
    return [error.message for error in Draft202012Validator(schema).iter_errors(value)]


def _body(described: Mapping[str, Any], operation: Mapping[str, Any], one: Asked) -> list[str]:
    if "requestBody" not in operation:
        return ["has a body"] if one.body else []
    (kind, content), *_ = operation["requestBody"]["content"].items()
    if not one.headers.get("content-type", "").startswith(kind):
        return [f"is no {kind}"]
    body = one.body
    if isinstance(body, list) and all(isinstance(part, Part) for part in body):
        body = {part.name: "" for part in body}
    # What a schema refers to stands in the description's own components.
    schema = {**content["schema"], "components": described.get("components", {})}
    return [error.message for error in Draft202012Validator(schema).iter_errors(body)]
