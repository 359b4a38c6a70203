"""What a trained model is worth: its test error beside the predictors it has to beat."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

import qrnn_jax as qj

from .experiment import Experiment
from .loss import predict

FloatArray = NDArray[np.float64]
ORDER = 16  # of the linear model beside a single long series
LEVEL = 0.05  # two errors that differ by less are level, on the 50 to 200 test steps of our tasks
TITLES = {
    "model": "the model",
    "linear_ar": "the linear autoregression",
    "persistence": "persistence",
}


class Evaluation(NamedTuple):
    """Test errors by predictor.

    Arguments:
        scores: "model", "persistence", "linear_ar", "variance" -> `tasks.Score`.
        order: past values that the linear autoregression sees.
        steps: scored test steps.

    Example:
        >>> from qrnn_jax.training.evaluate import Evaluation
        >>> Evaluation._fields
        ('scores', 'order', 'steps')
    """

    scores: dict[str, qj.tasks.Score]
    order: int
    steps: int


Predictor = Callable[[Any], dict[str, FloatArray]]


def make_predictor(experiment: Experiment) -> Predictor:
    """One compiled function that predicts the windows of all splits, teacher-forced.

    Shorter windows get zeros at their ends, which a causal model sees too late to matter.

    Returns:
        params -> {split: (N, T, O)}, in the units of the model.

    Example:
        >>> import jax
        >>> from qrnn_jax.training.config import make_config
        >>> from qrnn_jax.training.evaluate import make_predictor
        >>> from qrnn_jax.training.experiment import prepare
        >>> from qrnn_jax.training.presets import preset
        >>> experiment = prepare(make_config(preset("cosine"), ["task.steps=9"]))
        >>> predictions = make_predictor(experiment)(experiment.start().state.params)
        >>> predictions["train"].shape, predictions["test"].shape
        ((1, 9, 1), (1, 18, 1))
    """
    splits = experiment.splits
    longest = max(windows.inputs.shape[1] for windows in splits.values())
    padded = [_padded(windows.inputs, longest) for windows in splits.values()]
    inputs = jnp.asarray(np.concatenate(padded), jnp.result_type(float))

    def predictor(params: Any) -> dict[str, FloatArray]:
        outputs = _predict(experiment.cell, experiment.engine, params, inputs)
        ends = np.cumsum([len(windows) for windows in splits.values()])
        parts = np.split(np.asarray(outputs, np.float64), ends[:-1])
        return {
            name: part[:, : windows.inputs.shape[1]]
            for (name, windows), part in zip(splits.items(), parts, strict=True)
        }

    return predictor


@partial(jax.jit, static_argnums=(0, 1))
def _predict(cell: qj.AbstractCell, engine: qj.AbstractEngine, params: Any, inputs: Array) -> Array:
    return predict(cell, params, inputs, engine=engine)


def masked_loss(windows: qj.tasks.Windows, predictions: FloatArray) -> float:
    """The mean squared error over the steps that count, as in `mean_squared_error`.

    Example:
        >>> from qrnn_jax import tasks
        >>> from qrnn_jax.training.evaluate import masked_loss
        >>> windows = tasks.cosine().train
        >>> round(masked_loss(windows, windows.targets + 0.5), 12)
        0.25
    """
    return float(np.mean((predictions - windows.targets)[windows.mask] ** 2))


def evaluate(task: qj.tasks.Task, predictions: FloatArray) -> Evaluation:
    """The test error of a model beside persistence, a linear model and the variance.

    Arguments:
        task: whose test windows were predicted.
        predictions: (N, T, O), in the units of the model.

    Example:
        >>> from qrnn_jax import tasks
        >>> from qrnn_jax.training.evaluate import evaluate
        >>> task = tasks.sunspots()
        >>> found = evaluate(task, task.test.targets)
        >>> found.order, found.steps, round(found.scores["linear_ar"].original)
        (16, 53, 415)
    """
    order = equal_order(task)
    scores = {
        "model": qj.tasks.score(task, predictions),
        "persistence": qj.tasks.persistence(task),
        "linear_ar": qj.tasks.linear_autoregression(task, order=order),
        "variance": qj.tasks.variance(task),
    }
    return Evaluation(scores, order, task.test.scored)


def equal_order(task: qj.tasks.Task) -> int:
    """How many past values a linear model may use: as many as the model sees in its windows.

    In one long series the model's past has no end; there it is 16, or what the series allows.

    Example:
        >>> from qrnn_jax import tasks
        >>> from qrnn_jax.training.evaluate import equal_order
        >>> equal_order(tasks.sunspots(length=9)), equal_order(tasks.cosine())
        (9, 16)
    """
    seen = int(np.flatnonzero(task.test.mask.any(axis=0))[0]) + 1
    trained = int(np.flatnonzero(task.train.mask.any(axis=0))[-1]) + 1
    available = min(seen, trained)
    return available if len(task.test) > 1 else min(ORDER, available)


def verdict(scores: dict[str, qj.tasks.Score]) -> list[str]:
    """Who wins, in words: the model against the linear model, and against persistence.

    Example:
        >>> from qrnn_jax.tasks import Score
        >>> from qrnn_jax.training.evaluate import verdict
        >>> errors = {"model": 3.0, "linear_ar": 2.0, "persistence": 9.0}
        >>> verdict({name: Score(error, error) for name, error in errors.items()})[0]
        'The linear autoregression beats the model (2 against 3).'
    """
    return [_duel(scores, rival) for rival in ("linear_ar", "persistence")]


def _duel(scores: dict[str, qj.tasks.Score], rival: str) -> str:
    errors = {name: scores[name].original for name in ("model", rival)}
    winner, loser = sorted(errors, key=errors.__getitem__)
    name = TITLES[winner]
    numbers = f"{errors[winner]:.4g} against {errors[loser]:.4g}"
    level = errors[winner] > (1 - LEVEL) * errors[loser]
    doubt = ", by too little to tell them apart" if level else ""
    return f"{name[0].upper()}{name[1:]} beats {TITLES[loser]} ({numbers}){doubt}."


def _padded(inputs: FloatArray, length: int) -> FloatArray:
    return np.pad(inputs, ((0, 0), (0, length - inputs.shape[1]), (0, 0)))
