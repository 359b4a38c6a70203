"""An experiment: what a configuration describes, built and checked before any file is touched."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp
import optax
from jax import Array

import qrnn_jax as qj

from .complaints import ConfigError
from .config import Config
from .device_checks import device_conflicts, shots_per_step
from .loss import check_windows
from .step import TrainState, init_state


class Best(NamedTuple):
    """The parameters with the least validation loss so far: (params, loss (), step ()).

    Example:
        >>> from qrnn_jax.training.experiment import Best
        >>> Best._fields
        ('params', 'loss', 'step')
    """

    params: Any
    loss: Array
    step: Array


class Snapshot(NamedTuple):
    """Everything that changes while an experiment runs: what a checkpoint holds.

    Example:
        >>> from qrnn_jax.training.experiment import Snapshot
        >>> Snapshot._fields
        ('state', 'best')
    """

    state: TrainState
    best: Best


@final
@dataclass(frozen=True, eq=False)
class Experiment:
    """What a configuration describes.

    Arguments:
        config: the settings.
        task, cell, engine, optimizer: made from them; an automatic engine is resolved.
        gradient: None for the library's own choice.

    Example:
        >>> from qrnn_jax.training.config import make_config
        >>> from qrnn_jax.training.experiment import prepare
        >>> from qrnn_jax.training.presets import preset
        >>> prepare(make_config(preset("sunspots"))).task.name
        'sunspots'
    """

    config: Config
    task: qj.tasks.Task
    cell: qj.AbstractCell
    engine: qj.AbstractExactEngine
    gradient: qj.AbstractGradient | None
    optimizer: optax.GradientTransformationExtraArgs

    @cached_property
    def device(self) -> qj.hardware.AbstractDevice | None:
        """Where training plays its circuits, made on first use; None for the engine itself.

        Raises:
            DeviceError: its package is missing.
            ConfigError: there is no such noise.
        """
        return None if self.config.device is None else self.config.device.build()

    @cached_property
    def shots_per_step(self) -> int:
        """What a training step costs on the device; 0 without one."""
        settings, batch = self.config.device, self.config.training.batch or len(self.task.train)
        if settings is None or not isinstance(self.gradient, qj.AbstractEstimator):
            return 0
        steps = self.task.train.inputs.shape[1]
        return shots_per_step(self.cell, self.gradient, steps, settings.shots * batch)

    @cached_property
    def keys(self) -> tuple[Array, Array]:
        """The keys of the initial parameters and of the order of batches."""
        first, second = jax.random.split(jax.random.key(self.config.training.seed))
        return first, second

    @property
    def splits(self) -> dict[str, qj.tasks.Windows]:
        """The windows of the task by name; no validation where there is none."""
        named = {"train": self.task.train, "validation": self.task.validation}
        named["test"] = self.task.test
        return {name: windows for name, windows in named.items() if windows is not None}

    @property
    def selects_best(self) -> bool:
        """Whether the parameters with the least validation loss are kept, not the last."""
        return self.config.training.select == "validation"

    def start(self) -> Snapshot:
        """Before the first step."""
        params = self.cell.init(self.keys[0])
        best = Best(params, jnp.asarray(jnp.inf), jnp.zeros((), jnp.int32))
        return Snapshot(init_state(params, self.optimizer), best)


def prepare(config: Config) -> Experiment:
    """Build what a configuration describes, and refuse what cannot work; touches no file.

    The device is made on first use: what was trained there can be read without its package.

    Raises:
        ConfigError: settings that do not fit each other.
        ValueError: the engine or the rule refuses the circuit, the state exceeds the memory, or the
            task's windows do not suit the cell.

    Example:
        >>> from qrnn_jax.training.config import make_config
        >>> from qrnn_jax.training.experiment import prepare
        >>> from qrnn_jax.training.presets import preset
        >>> prepare(make_config(preset("cosine"), ["cell.inputs=40"]))  # doctest: +ELLIPSIS
        Traceback (most recent call last):
            ...
        ValueError: The state must fit into memory, but a density matrix of 43 qubits needs ...
    """
    cell = config.cell.build()
    circuit = cell.circuit
    engine = config.engine.build()
    if engine is None:
        qubits = qj.StateVector() if circuit.is_unitary else qj.DensityMatrix()
        engine = qj.Gaussian() if circuit.is_modes else qubits
    gradient = config.gradient.build()
    if config.device is not None and gradient is None:
        gradient = qj.ParameterShift()
    task, optimizer = config.task.build(), config.optimizer.build()
    experiment = Experiment(config, task, cell, engine, gradient, optimizer)
    conflicts = _conflicts(experiment)
    if conflicts:
        raise ConfigError(*conflicts)
    engine.plan(circuit, cell.observables)
    refusal = experiment.gradient and experiment.gradient.refusal(circuit)
    if refusal:
        raise ConfigError(f"Setting `gradient.name` must suit the circuit, but: {refusal}")
    for windows in experiment.splits.values():
        check_windows(cell, windows)
    found = device_conflicts(config, experiment.gradient, experiment.shots_per_step)
    if found:
        raise ConfigError(*found)
    return experiment


def _conflicts(experiment: Experiment) -> list[str]:
    """Settings that are fine one by one but not together."""
    config, task = experiment.config, experiment.task
    training = config.training
    found = []
    if training.batch > len(task.train):
        found.append(
            f"Setting `training.batch` must be at most the {len(task.train)} training windows, but "
            f"is {training.batch}; try 0 for all of them."
        )
    if experiment.selects_best and task.validation is None:
        found.append(
            "Setting `training.select` must be 'last' for a task without validation windows, but "
            "is 'validation'; try another task."
        )
    if experiment.selects_best and training.validate_every > training.steps:
        found.append(
            "Setting `training.validate_every` must be at most `training.steps`, "
            f"{training.steps}, to select by validation, but is {training.validate_every}; "
            f"try {training.steps}."
        )
    if _wants_double(config) and training.precision == "float32":
        found.append(
            "Setting `engine.dtype` must be 'complex64' in float32, but is 'complex128'; try "
            'training.precision="float64".'
        )
    return found


def _wants_double(config: Config) -> bool:
    return getattr(config.engine, "dtype", None) == "complex128"
