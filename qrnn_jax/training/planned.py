"""What `qrnn-jax plan` plans: a configuration's cell on its series."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import jax
from jax import Array

import qrnn_jax as qj

from .complaints import ConfigError
from .config import make_config
from .loss import check_windows
from .presets import DEFAULT, preset_or_file


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
