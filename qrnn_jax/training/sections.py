"""Strict configuration sections, derived from signatures: one choice by name, then its arguments.

A section such as

    [cell]
    name = "Takaki"
    memory = 4

names an entry of a registry; the remaining keys are that function's own arguments, with its own
types and defaults. A new task, cell, engine or rule is configurable as soon as it is public.
"""

from __future__ import annotations

import dataclasses
import inspect
import types
import typing
from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model, model_validator

import qrnn_jax as qj

SIMPLE = (int, float, bool, str, type(None))
SPECIAL = {"dtype": Literal["complex64", "complex128"] | None}  # arguments that JSON cannot hold


class Section(BaseModel):
    """A strict, frozen part of a configuration: no unknown keys, no coercion, finite numbers.

    Example:
        >>> from qrnn_jax.training.sections import Section
        >>> Section.model_config["extra"]
        'forbid'
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Choice(Section):
    """A section that names an entry of a registry and gives its arguments.

    Example:
        >>> from qrnn_jax.training.sections import Choice
        >>> issubclass(Choice, Section)
        True
    """

    maker: ClassVar[Callable[..., Any]]
    name: str

    def build(self) -> Any:
        """The thing itself: `maker(**arguments)`."""
        arguments = {key: getattr(self, key) for key in type(self).model_fields if key != "name"}
        return type(self).maker(**arguments)

    @model_validator(mode="after")
    def _check(self) -> Choice:
        try:
            self.build()
        except TypeError as error:
            raise ValueError(str(error)) from error
        return self


def one_of(registry: Mapping[str, Callable[..., Any]]) -> Any:
    """The type of a section that chooses from a registry, for use as a pydantic annotation.

    Example:
        >>> from pydantic import TypeAdapter
        >>> from qrnn_jax import tasks
        >>> from qrnn_jax.training.sections import one_of
        >>> section = TypeAdapter(one_of(tasks.TASKS)).validate_python({"name": "cosine"})
        >>> section.steps, section.build().name
        (200, 'cosine')
    """
    models = tuple(_choice(name, maker) for name, maker in registry.items())
    return Annotated[typing.Union[models], Field(discriminator="name")]  # noqa: UP007


def cells() -> dict[str, Callable[..., Any]]:
    """The public cells that numbers and strings describe."""
    return _public(vars(qj.cells), qj.AbstractCell)


def engines() -> dict[str, Callable[..., Any]]:
    """The public exact engines, and `auto`: training draws no shots."""
    return {"auto": automatic, **_public(vars(qj), qj.AbstractExactEngine)}


def gradients() -> dict[str, Callable[..., Any]]:
    """The public gradient rules, and `auto`."""
    return {"auto": automatic, **_public(vars(qj), qj.AbstractGradient)}


def automatic() -> None:
    """The library's own choice."""


def _public(names: Mapping[str, Any], kind: type) -> dict[str, Callable[..., Any]]:
    return {
        name: value
        for name, value in sorted(names.items())
        if isinstance(value, type)
        and issubclass(value, kind)
        and dataclasses.is_dataclass(value)
        and all(_is_simple(annotation) for annotation in _arguments(value).values())
    }


def _choice(name: str, maker: Callable[..., Any]) -> type[Choice]:
    fields: dict[str, Any] = {"name": (Literal[name], ...)}
    signature = inspect.signature(maker).parameters
    for argument, annotation in _arguments(maker).items():
        default = signature[argument].default
        fields[argument] = (annotation, ... if default is inspect.Parameter.empty else default)
    model = create_model(name, __base__=Choice, **fields)
    model.maker = staticmethod(maker)
    return model


def _arguments(maker: Callable[..., Any]) -> dict[str, Any]:
    """Name -> type of each argument."""
    parameters = inspect.signature(maker, eval_str=True).parameters
    return {name: SPECIAL.get(name, parameters[name].annotation) for name in parameters}


def _is_simple(annotation: Any) -> bool:
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union:
        return all(_is_simple(part) for part in typing.get_args(annotation))
    return annotation in SIMPLE or typing.get_origin(annotation) is Literal
