"""LSTM and GRU of equal parameter count, trained on the same data as fairly as the circuit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.flatten_util import ravel_pytree

import qrnn_jax as qj
from qrnn_jax import baselines
from qrnn_jax.validation.experiment import Table

from .linear import Forecast, free_errors
from .takaki_model import bfgs

KINDS = ("lstm", "gru")
MISSING = "LSTM and GRU are left out: they need the extra `baselines`"


def has_networks() -> bool:
    """Whether the library of the classical networks is installed.

    Example:
        >>> from qrnn_jax.reproduction.recurrent import has_networks
        >>> has_networks() in (True, False)
        True
    """
    return find_spec("equinox") is not None


def network_forecasts(
    task: qj.tasks.Task,
    parameters: int,
    iterations: int,
    seeds: int,
    spans: tuple[int, ...],
    told: Callable[[str], None],
) -> list[Forecast]:
    """Both kinds by the circuit's optimiser and budget: BFGS with exact gradients, best of seeds.

    Arguments:
        task: one series, the next value as target.
        parameters: to come near to.
        iterations: of BFGS, per seed.
        seeds: the one with the least training error is returned.
        spans: see `Forecast`.
        told: is told what is being trained, and may raise to stop.

    Example:
        >>> from qrnn_jax.reproduction.recurrent import KINDS, network_forecasts
        >>> callable(network_forecasts), KINDS  # takes seconds
        (True, ('lstm', 'gru'))
    """
    found = []
    for kind in KINDS if has_networks() else ():
        network = baselines.size_for(parameters, kind)
        begins = [network.init(jax.random.key(seed)) for seed in range(seeds)]
        _, restore = ravel_pytree(begins[0])
        loss = jax.jit(partial(_loss, network, restore, task))
        fits = []
        for seed, begin in enumerate(begins):
            told(f"{kind}, seed {seed}")
            flat = np.asarray(ravel_pytree(begin)[0], np.float64)
            fits.append(bfgs(loss, flat, iterations))
        best = min(fits, key=lambda fit: fit.loss)
        found.append(_forecast(network, restore(jnp.asarray(best.params)), task, best.loss, spans))
    return found


def _loss(network: Any, restore: Any, task: qj.tasks.Task, flat: Array) -> Array:
    outputs = network(restore(flat), jnp.asarray(task.train.inputs[0]))
    return jnp.mean((outputs - task.train.targets[0]) ** 2)


def _forecast(
    network: Any, params: Any, task: qj.tasks.Task, loss: float, spans: tuple[int, ...]
) -> Forecast:
    outputs = network(params, jnp.asarray(task.test.inputs[0]))
    one_step = qj.tasks.score(task, np.asarray(outputs)[None]).scaled
    values = left_to_itself(partial(network, params), task)
    name = f"{network.kind.upper()}, {network.parameters} parameters"
    return Forecast(name, loss, one_step, values, free_errors(task, values, spans))


def left_to_itself(model: Callable[[Array], Array], task: qj.tasks.Task) -> np.ndarray:
    """The test span (N,) as a causal model (T, 1) -> (T, 1) predicts it from its own predictions.

    Example:
        >>> import qrnn_jax as qj
        >>> from qrnn_jax.reproduction.recurrent import left_to_itself
        >>> left_to_itself(lambda xs: 2 * xs, qj.tasks.cosine(steps=2)).shape
        (2,)
    """
    first = len(task.series) - task.test.scored

    def predict(place: Array, series: Array) -> Array:
        return series.at[place].set(model(series)[place - 1])

    filled = lax.fori_loop(first, len(task.series), predict, jnp.asarray(task.series))
    return np.asarray(filled)[first:, 0]


def window_networks(
    splits: dict[str, qj.tasks.Windows],
    parameters: int,
    rates: tuple[float, ...],
    epochs: int,
    seeds: int,
    told: Callable[[str], None],
    *,
    closed: Sequence[tuple[Any, ...]] = (),
) -> Table:
    """Both kinds on windows: Adam, one window per update, learning rate chosen on validation.

    Arguments:
        splits: "train" and "validation", and whatever is to be scored besides.
        parameters: to come near to.
        rates: learning rates to try.
        epochs, seeds: of every trial.
        told: is told what is being trained, and may raise to stop.
        closed: rows of controls in closed form, to stand above: name, parameters, then errors.

    Returns:
        Root mean square errors, median over seeds, and the tuning budget.

    Example:
        >>> from qrnn_jax.reproduction.recurrent import window_networks
        >>> callable(window_networks)  # takes seconds
        True
    """
    rows = [(name, size, None, *errors) for name, size, *errors in closed]
    budget = MISSING
    data = {name: baselines.examples(windows) for name, windows in splits.items()}
    for kind in KINDS if has_networks() else ():
        told(kind)
        network = baselines.size_for(parameters, kind)
        tuned = baselines.tune(
            [network],
            data["train"],
            data["validation"],
            learning_rates=rates,
            epochs=epochs,
            key=jax.random.key(0),
            seeds=seeds,
            batch=1,
        )
        errors = [_window_error(network, tuned.result.params, part) for part in data.values()]
        budget = f"Tuned on validation, per network: {tuned.budget}"
        rows.append((kind.upper(), network.parameters, tuned.best.learning_rate, *errors))
    header = ("control", "parameters", "learning rate", *(f"{name} RMSE" for name in splits))
    note = f"{budget}. Networks: median over seeds at the end of training."
    return Table("Controls", header, tuple(rows), note)


def _window_error(network: Any, params: Any, data: Any) -> float:
    """The median over seeds of the root mean square error on steps that count."""
    inputs, targets = jnp.asarray(data.inputs), jnp.asarray(data.targets)
    weights = jnp.asarray(data.weights)[..., None]

    def error(one: Any) -> Array:
        outputs = jax.vmap(partial(network, one))(inputs)
        return jnp.sqrt(jnp.sum(weights * (outputs - targets) ** 2) / jnp.sum(weights))

    return float(jnp.median(jax.vmap(error)(params)))
