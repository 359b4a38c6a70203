"""What `qrnn-jax export` exports: a cell with numbers, from a preset, a file or a trained run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

import qrnn_jax as qj
from qrnn_jax.training import load_checkpoint
from qrnn_jax.training.complaints import ConfigError
from qrnn_jax.training.config import make_config, read_settings
from qrnn_jax.training.experiment import Experiment, prepare
from qrnn_jax.training.presets import preset_or_file

DEFAULT = "decreasing_triangle"  # made of plain gates


class Model(NamedTuple):
    """A cell with numbers.

    Arguments:
        name: of the cell.
        cell: the model.
        params: its parameters.
        origin: where they come from, in words.
        xs: (T, features), what it is fed.

    Example:
        >>> from qrnn_jax.cli.export_model import Model
        >>> Model._fields
        ('name', 'cell', 'params', 'origin', 'xs')
    """

    name: str
    cell: qj.AbstractCell
    params: Any
    origin: str
    xs: np.ndarray


def model_from(source: str | None, overrides: Sequence[str], steps: int) -> Model:
    """The cell and parameters that a preset, a file or a run folder describes.

    Arguments:
        source: as on the command line; None for the default preset.
        overrides: texts `section.key=value`.
        steps: T; the first inputs of the task's test are taken.

    Raises:
        ConfigError: an unknown preset, wrong settings, a run without a checkpoint, more steps than
            the task has.

    Example:
        >>> from qrnn_jax.cli.export_model import model_from
        >>> model = model_from("cosine", ["cell.inputs=1", "cell.memory=1"], 3)
        >>> model.xs.shape, model.origin
        ((3, 1), 'initial parameters of seed 0')
    """
    run = Path(source) if source is not None and (Path(source) / "config.json").exists() else None
    settings = (
        preset_or_file(source or DEFAULT) if run is None else read_settings(run / "config.json")
    )
    config = make_config(settings, overrides)
    with jax.enable_x64(config.training.precision == "float64"):
        experiment = prepare(config)
        params, origin = _parameters(experiment, run)
    xs = np.asarray(experiment.task.test.inputs[0], np.float64)
    if steps > len(xs):
        raise ConfigError(
            f"Option `--steps` must be at most {len(xs)}, the length of the task's test, but is "
            f"{steps}."
        )
    return Model(config.cell.name, experiment.cell, params, origin, xs[:steps])


def _parameters(experiment: Experiment, run: Path | None) -> tuple[Any, str]:
    """Initial parameters, or trained ones; and what they are."""
    start = experiment.start()
    if run is None:
        return start.state.params, f"initial parameters of seed {experiment.config.training.seed}"
    found = load_checkpoint(run / "checkpoints", start)
    if found is None:
        raise ConfigError(f"Run folder {run} must hold a checkpoint, but has none; try a preset.")
    best = experiment.selects_best
    params = found.tree.best.params if best else found.tree.state.params
    step = int(found.tree.best.step if best else found.tree.state.step)
    return params, f"parameters of step {step} of {run}"
