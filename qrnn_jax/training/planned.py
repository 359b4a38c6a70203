"""What `qrnn-jax plan` plans: a configuration's cell on its series, and rules by name."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from typing import Any, NamedTuple

import jax
from jax import Array
from pydantic import TypeAdapter, ValidationError

import qrnn_jax as qj

from .complaints import ConfigError, near
from .config import GradientChoice, make_config
from .loss import check_windows
from .presets import DEFAULT, preset_or_file
from .sections import gradients

_RULE = re.compile(r"([\w-]+)(?:\((.*)\))?", re.DOTALL)


class Subject(NamedTuple):
    """A cell and the sequences that it is planned for.

    Arguments:
        name: cell and series, in words.
        settings: the whole configuration.
        cell: built.
        params: its first parameters.
        steps: T.
        xs: (batch, T, features); None where the series is shorter than T.

    Example:
        >>> from qrnn_jax.training.planned import Subject
        >>> Subject._fields[-1]
        'xs'
    """

    name: str
    settings: dict[str, Any]
    cell: qj.AbstractCell
    params: Any
    steps: int
    xs: Array | None


def subject_of(
    source: str | None, overrides: Iterable[str], steps: int | None, batch: int
) -> Subject:
    """The cell and the first training windows of a configuration.

    Arguments:
        source: a preset or a file; None for the default.
        overrides: as in `make_config`.
        steps: T; None takes whole windows. Longer ones have no sequences.
        batch: how many sequences; where there are fewer they are taken again.

    Raises:
        ConfigError: as `make_config`; steps or batch below 1.

    Example:
        >>> from qrnn_jax.training.planned import subject_of
        >>> subject_of("cosine", ["cell.depth=1"], steps=7, batch=2).xs.shape
        (2, 7, 1)
    """
    for name, value in (("steps", steps), ("batch", batch)):
        if value is not None and value < 1:
            raise ConfigError(f"Option `--{name}` must be 1 or more, but is {value}.")
    config = make_config(preset_or_file(source or DEFAULT), overrides)
    cell, task = config.cell.build(), config.task.build()
    check_windows(cell, task.train)
    inputs = task.train.inputs
    wanted = steps or inputs.shape[1]
    xs = None
    if wanted <= inputs.shape[1]:
        xs = inputs[[index % len(inputs) for index in range(batch)], :wanted]
    first, _ = jax.random.split(jax.random.key(config.training.seed))  # as a training run starts
    name = f"{config.cell.name} on {config.task.name}"
    return Subject(name, config.to_dict(), cell, cell.init(first), wanted, xs)


def rule_of(text: str) -> qj.AbstractGradient:
    """A gradient rule as it is written in tables: `SPSA(step=0.2, directions=8)`, `SharedShift`.

    Raises:
        ConfigError: an unknown rule, or settings that it does not take.

    Example:
        >>> from qrnn_jax.training.planned import rule_of
        >>> rule_of("parameter-shift(samples=40)").samples
        40
    """
    found = _RULE.fullmatch(text.strip())
    names = {name.lower(): name for name in gradients() if name != "auto"}
    name = found and names.get(found[1].replace("-", "").lower())
    if not found or not name:
        known = tuple(names.values())
        raise ConfigError(
            f"Option `--rule` must name a rule, but is {text!r}; try {near(text, known)}."
        )
    try:
        arguments = re.sub(r"\b(True|False)\b", lambda word: word[0].lower(), found[2] or "")
        settings = tomllib.loads(f"rule = {{{arguments}}}")["rule"]
        choice = TypeAdapter(GradientChoice).validate_python({"name": name, **settings})
    except ValidationError as error:
        reasons = [
            f"{'.'.join(map(str, item['loc'][1:]))}: {item['msg']}" for item in error.errors()
        ]
        raise ConfigError(*(f"Option `--rule` {text!r}: {reason}" for reason in reasons)) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"Option `--rule` {text!r}: {error}") from None
    return choice.build()
