"""The forms (``caseproof.domain.forms``) as Prefect shows them when a suspended run is resumed in its UI.

What is asked stands in the description of the first field: Prefect's UI squeezes a description of the whole form to
nothing on a screen that the form fills (docs/adr/0005). Prefect checks an answer against the schema that it stored when
the run was suspended, so what a form becomes here never changes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from enum import StrEnum
from functools import cache
from types import MappingProxyType
from typing import Any, ClassVar, TypeVar, cast

from prefect.input import RunInput
from pydantic import ConfigDict, Field, ValidationError, create_model

from caseproof.domain.codes import Code
from caseproof.domain.errors import BadInput
from caseproof.domain.forms import Form, FormField, fields_of

AForm = TypeVar("AForm", bound=Form)


class RunForm(RunInput):
    """What Prefect shows and checks of a form."""

    form: ClassVar[type[Form]]


class NotFilledIn(BadInput):
    """An answer that does not fit its form."""

    code = Code.FORM_NOT_FILLED_IN


def filled_in(form: type[AForm], answer: Mapping[str, Any]) -> AForm:
    """The answer as its form. Raises NotFilledIn with each field that is wrong."""
    try:
        given = _model_of(form).model_validate(dict(answer))
    except ValidationError as wrong:
        found = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in wrong.errors())
        raise NotFilledIn(f"The form is not filled in right: {found}.") from wrong
    return form(**{one.name: getattr(given, one.name) for one in fields_of(form)})


def for_team(
    form: type[Form],
    team: tuple[str, ...],
    question: str,
    choices: Mapping[str, Collection[str]] = MappingProxyType({}),
    typed: Mapping[str, str] = MappingProxyType({}),
) -> type[RunForm]:
    """The form with the team list as the choices of who answers, and the question (markdown) on top.

    ``choices`` are those that a field has now, by its name; ``typed`` are texts that stand in fields already.
    """
    first = fields_of(form)[0].name

    def show(schema: dict[str, Any]) -> None:
        schema["properties"]["answered_by"]["enum"] = list(team)
        # The UI takes the last of each run of line breaks for a space.
        schema["properties"][first]["description"] = re.sub(r"(\n+)", r"\1\n", question)
        for name, text in typed.items():
            schema["properties"][name]["default"] = text

    made: Any = type(RunForm)
    config = ConfigDict(extra="forbid", json_schema_extra=show)
    fewer = _with_choices(form, choices)
    model = made(form.__name__, (_model_of(form),), {"model_config": config, "__module__": __name__, **fewer})
    return cast(type[RunForm], model)


def _with_choices(form: type[Form], choices: Mapping[str, Collection[str]]) -> dict[str, Any]:
    """The fields of which only some choices may be answered now, as they stand in the body of a class."""
    body: dict[str, Any] = {"__annotations__": {}}
    for one in fields_of(form):
        offered = choices.get(one.name)
        if one.choices is None or offered is None or len(offered) == len(one.choices):
            continue
        kept = {choice.name: choice.value for choice in one.choices if choice in offered}
        body["__annotations__"][one.name] = StrEnum(one.choices.__name__, kept)
        body[one.name] = _field(one)
    return body


def _make_model(form: type[Form]) -> type[RunForm]:
    own: dict[str, Any] = {one.name: (one.choices or str, _field(one)) for one in fields_of(form)}
    who = {"answered_by": own.pop("answered_by")}  # it stands first in what Prefect stores, and last in its UI
    model = create_model(form.__name__, __base__=RunForm, __module__=__name__, **(who | own))
    model.form = form
    return model


# mypy takes the hash of a form's instances for that of the class.
_model_of = cast(Callable[[type[Form]], type[RunForm]], cache(_make_model))


def _field(one: FormField) -> Any:
    def show(schema: dict[str, Any]) -> None:
        if one.position:
            schema["position"] = one.position
        if one.is_date:  # a date picker; it cannot show the empty default
            schema["format"] = "date"
            schema.pop("default", None)

    return Field(
        ... if one.is_needed else "",
        title=one.title,
        description=one.description,
        min_length=one.shortest or None,
        json_schema_extra=show,
    )
