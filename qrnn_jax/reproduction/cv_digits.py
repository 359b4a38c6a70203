"""Handwritten 3 against 6, grey by grey, with a loss that treats all models alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from numpy.typing import NDArray

import qrnn_jax as qj
from qrnn_jax import baselines
from qrnn_jax.validation.experiment import Check, Experiment, Findings, Progress, Settings, Table
from qrnn_jax.validation.quick_jit import quick_jit

from .cv_picture import band, draw_learning
from .cv_training import Course, mean_outputs, play_windows, train_epochs
from .logistic import logistic_regression, logits

CELL = qj.cells.CVQRNN(io=1, hidden=2, readout="hidden")
RATES = (0.001, 0.005, 0.01, 0.03)  # 0.005 is the published one
PENALTIES = (1e-6, 1e-4, 1e-3, 1e-2, 1e-1)  # without any, these digits have no best weights
LSTM = baselines.Network("lstm", features=1, hidden=4, outputs=1)
QUANTUM, NETWORK, LINE = "CV-QRNN", "LSTM", "logistic regression"
PARAMETERS = {QUANTUM: 26, NETWORK: 101, LINE: 65}
BATCH, PIXELS = 10, 8
Splits = qj.tasks.Splits[qj.tasks.Windows]


class Size(NamedTuple):
    """Seeds, epochs, and learning rates to choose from."""

    seeds: int
    epochs: int
    rates: tuple[float, ...]


FULL, QUICK = Size(3, 30, RATES), Size(2, 2, (0.01,))


class Model(NamedTuple):
    """A trained classifier: logits by split, (seeds, N), and how it was chosen."""

    logits: dict[str, NDArray[np.float64]]
    chosen: str


def measure(size: Size, first: int, progress: Progress) -> Findings:
    """Train all three on the same pictures, each tuned on the same validation pictures.

    Example:
        >>> from qrnn_jax.reproduction.cv_digits import FULL, PARAMETERS
        >>> FULL.epochs, PARAMETERS["CV-QRNN"]
        (30, 26)
    """
    splits = qj.tasks.eight_by_eight(seed=0)
    line = regression(splits)
    quantum, curve = _quantum(splits, size, first, lambda p, text: progress(0.8 * p, text))
    progress(0.8, NETWORK)
    network, other = _network(splits, size)
    models = {QUANTUM: quantum, NETWORK: network, LINE: line}
    scores = {name: _scores(model, splits) for name, model in models.items()}
    series = {
        "curves": {QUANTUM: band(curve), NETWORK: band(other)},
        "pictures": splits.test.inputs[:8, :, 0].tolist(),
        "labels": splits.test.targets[:8, -1, 0].astype(int).tolist(),
        "probabilities": (1 / (1 + np.exp(-quantum.logits["test"][:, :8]))).mean(axis=0).tolist(),
    }
    tables = (_table(models, scores, size, splits),)
    return Findings(_conclusion(scores), tuple(_checks(scores)), tables, series)


def _logistic(cell: qj.cells.CVQRNN) -> Callable[..., tuple[Array, Array]]:
    """The mean negative log-probability of the right digit, outcomes sampled."""
    sampled = replace(cell, homodyne="sampled")

    def loss(params: Any, inputs: Array, targets: Array, key: Array) -> tuple[Array, Array]:
        logits, _ = play_windows(sampled, params, inputs, key)
        value = jnp.mean(optax.sigmoid_binary_cross_entropy(logits, targets))
        return value, value

    return loss


def _quantum(
    splits: Splits, size: Size, first: int, told: Progress
) -> tuple[Model, NDArray[np.float64]]:
    """Every learning rate from every seed at once; the best rate's model and curves."""
    runs = len(size.rates) * size.seeds
    order = qj.tasks.fixed_batches(len(splits.train), size=BATCH)
    parts = splits.train.inputs[order], splits.train.targets[order, -1, 0]
    inputs, targets = (jnp.broadcast_to(part, (runs, *part.shape)) for part in parts)
    keys = jnp.stack([jax.random.key(first + seed) for seed in range(size.seeds)])
    starts = jnp.tile(jax.vmap(CELL.init)(keys), (len(size.rates), 1))
    course: Course = train_epochs(
        _logistic(CELL), starts, (inputs, targets), epochs=size.epochs,
        key=jax.random.key(first), progress=told, rate=np.repeat(size.rates, size.seeds),
        compiler=jax.jit if size == FULL else quick_jit,
    )  # fmt: skip
    logits = {name: _logits(course.params[-1], getattr(splits, name)) for name in NAMES}
    held_out = [
        np.median([_errors(row, splits.validation)[1] for row in part])
        for part in np.split(logits["validation"], len(size.rates))
    ]
    best = int(np.argmin(held_out))
    part = slice(best * size.seeds, (best + 1) * size.seeds)
    chosen = f"learning rate {size.rates[best]:g} of {len(size.rates)}"
    return Model({name: rows[part] for name, rows in logits.items()}, chosen), course.losses[
        :, part
    ]


NAMES = ("train", "validation", "test")


def _logits(params: Any, windows: qj.tasks.Windows) -> NDArray[np.float64]:
    """Averaged over outcomes, (L, N)."""
    inputs = jnp.broadcast_to(jnp.asarray(windows.inputs), (len(params), *windows.inputs.shape))
    return np.asarray(mean_outputs(CELL, params, inputs))


def _network(splits: Splits, size: Size) -> tuple[Model, NDArray[np.float64]]:
    """The published LSTM, with the logistic loss on logits rather than on their own values."""
    tuned = baselines.tune(
        [LSTM], baselines.examples(splits.train), baselines.examples(splits.validation),
        learning_rates=size.rates, epochs=size.epochs, key=jax.random.key(0), seeds=size.seeds,
        batch=BATCH, loss="logistic",
    )  # fmt: skip
    logits = {}
    for name in NAMES:
        inputs = jnp.asarray(getattr(splits, name).inputs)
        play = jax.jit(jax.vmap(jax.vmap(partial(LSTM), (None, 0)), (0, None)))
        logits[name] = np.asarray(play(tuned.result.params, inputs))[:, :, -1, 0]
    chosen = f"learning rate {tuned.best.learning_rate:g} of {len(size.rates)}"
    return Model(logits, chosen), np.asarray(tuned.result.epoch_losses.T, np.float64)


def regression(splits: Splits) -> Model:
    """sigmoid(w . pixels + b), the penalty on |w|^2 beside the mean loss chosen on validation.

    The quantum network without outcomes is of this form, with 26 parameters for its 65.

    Example:
        >>> from qrnn_jax.reproduction.cv_digits import PENALTIES, regression
        >>> callable(regression), min(PENALTIES)  # needs scikit-learn's digits
        (True, 1e-06)
    """
    pixels = {name: getattr(splits, name).inputs[..., 0] for name in NAMES}
    labels = splits.train.targets[:, -1, 0]
    fits = [
        logistic_regression(pixels["train"], labels, 2 * len(labels) * penalty)
        for penalty in PENALTIES
    ]
    found = [{name: logits(w, part)[None] for name, part in pixels.items()} for w in fits]
    held_out = [_errors(part["validation"][0], splits.validation)[1] for part in found]
    best = int(np.argmin(held_out))
    return Model(found[best], f"penalty {PENALTIES[best]:g} of {len(PENALTIES)}")


def _errors(logits: NDArray, windows: qj.tasks.Windows) -> tuple[float, float]:
    """Accuracy, and the mean negative log-probability of the right digit."""
    labels = windows.targets[:, -1, 0]
    signs = np.where(labels == 1, logits, -logits)
    return float(np.mean(signs > 0)), float(np.mean(np.logaddexp(0, -signs)))


def _scores(model: Model, splits: Splits) -> dict[str, NDArray[np.float64]]:
    """split -> (accuracy, loss), each (seeds,)."""
    return {
        name: np.array([_errors(row, getattr(splits, name)) for row in logits]).T
        for name, logits in model.logits.items()
    }


def _checks(scores: dict[str, dict[str, NDArray]]) -> list[Check]:
    """Numbers without bounds: the paper's accuracies were not readable, and of other pictures."""
    control = scores[LINE]["test"].mean(axis=1)
    return [
        Check(f"{name}: mean test {what}", float(scores[name]["test"][k].mean()), None, None,
              "prediction", "", None, float(control[k]), f"{LINE}, 65 parameters")
        for name in (QUANTUM, NETWORK)
        for k, what in enumerate(("accuracy", "negative log-likelihood"))
    ]  # fmt: skip


def _table(
    models: dict[str, Model], scores: dict[str, dict[str, NDArray]], size: Size, splits: Splits
) -> Table:
    rows = [
        (name, PARAMETERS[name], models[name].chosen,
         *(float(score[split][k].mean()) for k in (0, 1) for split in ("train", "test")),
         float(score["test"][0].min()))
        for name, score in scores.items()
    ]  # fmt: skip
    header = ("model", "parameters", "chosen on validation", "train accuracy", "test accuracy",
              "train loss", "test loss", "worst test accuracy")  # fmt: skip
    note = (
        f"{splits.description} {len(splits.train)} pictures to train on, "
        f"{len(splits.validation)} to choose by, {len(splits.test)} to test. Adam, batches of "
        f"{BATCH}, {size.epochs} epochs, {size.seeds} seeds, means; no run is left out. The "
        "quantum network is trained on sampled outcomes and tested on their average."
    )
    return Table("3 against 6", header, tuple(rows), note)


def _conclusion(scores: dict[str, dict[str, NDArray]]) -> str:
    texts = [
        f"{name} ({PARAMETERS[name]} parameters) {score['test'][0].mean():.3f}"
        for name, score in scores.items()
    ]
    return (
        f"Mean test accuracy: {'; '.join(texts)}. The quantum network's logit is affine in the "
        "pixels, so logistic regression is its limit, not its rival."
    )


def run(settings: Settings, progress: Progress) -> Findings:
    """Four rates from three seeds for 30 epochs, or one from two for 2."""
    return measure(FULL if settings.full else QUICK, settings.seed, progress)


def _draw(findings: Findings) -> Any:
    from qrnn_jax.plots.picture import new_figure, set_title

    series = findings.series
    figure = new_figure(11, 4.4)
    places = figure.add_gridspec(2, 6, width_ratios=(1.2, 1.2, 1, 1, 1, 1))
    axes = figure.add_subplot(places[:, :2])
    draw_learning(axes, series["curves"], {})
    axes.set_ylabel("train loss")
    axes.legend(fontsize=8, frameon=False)
    shown = zip(series["pictures"], series["labels"], series["probabilities"])
    for place, (picture, label, chance) in enumerate(shown):
        panel = figure.add_subplot(places[place // 4, 2 + place % 4])
        panel.imshow(np.reshape(picture, (PIXELS, PIXELS)), cmap="gray_r")
        panel.set_title(f"{3 if label else 6}: p(3) = {chance:.2f}", fontsize=9)
        panel.axis("off")
    set_title(figure, "3 against 6, mean and range over seeds; test pictures with the network's "
                      "probability of a 3")  # fmt: skip
    return figure


EXPERIMENT = Experiment(
    name="cv-digits",
    title="3 against 6, a stand-in for MNIST",
    question="Does the network tell two handwritten digits apart?",
    run=run,
    draw=_draw,
)
