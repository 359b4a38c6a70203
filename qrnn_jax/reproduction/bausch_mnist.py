"""Bausch's fourth task: handwritten 0 against 1, a hundred pixels one after another."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import qrnn_jax as qj
from qrnn_jax.validation.experiment import (
    Check,
    Experiment,
    Findings,
    Progress,
    Settings,
    Table,
)

from .bausch_convergence import bands, parameters, told
from .bausch_models import Batch, Model, Quantum, alike
from .bausch_training import Course, Draw, Plan, train
from .logistic import logistic_regression, logits
from .pictures import learning_curves

CELL = qj.cells.Bausch(lanes=2, workspace=8, stages=2, degree=2)
RATE, FALL = 0.005, 300  # published: 0.005 throughout, with batches of 200
LSTM_RATES = (0.003, 0.01, 0.03)
RIDGE = 1.0  # of the logistic regression, the usual default
CORRECT, PUBLISHED = 0.95, 0.986
SECONDS, SECONDS_BATCH = 30.7, 200  # a step of the author's log: 1763 steps in 15 h
QUICK_EVERY = 8  # of the held-out pictures


class Size(NamedTuple):
    """Steps, and sequences of each."""

    steps: int
    batch: int


QUICK, FULL = Size(10, 4), Size(1500, 200)


def run(settings: Settings, progress: Progress) -> Findings:
    """One seed, 1500 steps of 200 pictures or 10 of 4.

    The full size takes about 40 minutes of a core, and goes on where it was interrupted.
    """
    size, full = FULL if settings.full else QUICK, settings.full
    splits = qj.tasks.mnist_pairs()
    train_set = splits.train
    tests = {"held-out": splits.test if full else splits.test[::QUICK_EVERY]}
    saved = _saved(size) if full else None
    circuit = Quantum(CELL, qj.RealVector(np.float32))  # half the time of float64
    course = _train(circuit, splits, size, (RATE,), told(progress, 0, 2, "circuit"), saved)
    lstm = alike(CELL, "lstm")
    courses = _train(lstm, splits, size, LSTM_RATES, told(progress, 1, 2, "LSTM"))
    control = min((courses.of_rate(rate) for rate in LSTM_RATES), key=_validated)
    test = tests["held-out"]
    fresh = np.flatnonzero(~qj.tasks.repeats(test, train_set))
    tests["held-out, not alike any for training"] = test[fresh]
    rows = [
        ("circuit", parameters(CELL), *_scores(circuit, course, tests)),
        ("LSTM", lstm.network.parameters, *_scores(lstm, control, tests)),
        ("logistic regression", 100, *_logistic(train_set, tests)),
    ]
    header = ("model", "parameters", *tests)
    note = (
        f"Mean probability of the right digit, in float64. {size.steps} steps of {size.batch} "
        f"pictures, Adam; circuit: trained in float32, learning rate {RATE}, one seed; LSTM: "
        f"best of {', '.join(map(str, LSTM_RATES))}; from step {FALL} on a fifth. Of each run the "
        f"step with the least validation loss counts. {len(train_set)} pictures to train on; "
        f"{len(splits.test)} held out, of which "
        f"{len(tests['held-out, not alike any for training'])} do not recur. A step took "
        f"{course.seconds:.2g} s of one core with a batch of {size.batch}; {SECONDS} s are "
        f"published for {SECONDS_BATCH}, on an unknown machine."
    )
    found = _checks(rows, course, size, courses) if full else _quick(course, control)
    tables = (Table("0 against 1", header, tuple(rows), note),)
    series = {"curves": {"circuit": bands(course), "LSTM": bands(control)}}
    if saved is not None:
        saved.unlink(missing_ok=True)
    return Findings(_conclusion(rows), tuple(found), tables, series)


def _saved(size: Size) -> Path:
    """Where an interrupted training goes on from: of this circuit and these settings alone."""
    settings = hashlib.sha256(repr((CELL, size, RATE, FALL)).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"qrnn_jax-bausch-mnist-{settings}.npz"


def _train(
    model: Model,
    splits: qj.tasks.Splits[qj.tasks.Symbols],
    size: Size,
    rates: tuple[float, ...],
    progress: Progress,
    saved: Path | None = None,
) -> Course:
    plan = Plan(1, *size, rates, looks=1, validation=len(splits.validation), fall=FALL)

    def all_of_it(count: int, seed: int) -> qj.tasks.Symbols:
        del seed
        return splits.validation[np.arange(count) % len(splits.validation)]

    return train(model, drawing(splits.train), plan, progress, held_out=all_of_it, saved=saved)


def drawing(symbols: qj.tasks.Symbols) -> Draw:
    """Sequences drawn from a set, with repetitions; the digits take turns, so batches are even.

    Example:
        >>> import qrnn_jax as qj
        >>> from qrnn_jax.reproduction.bausch_mnist import drawing
        >>> drawing(qj.tasks.xor(9, seed=0, length=3))(6, 1).words[:, -1].tolist()
        [0, 1, 0, 1, 0, 1]
    """
    labels = symbols.words[:, -1]
    kinds = [np.flatnonzero(labels == label) for label in (0, 1)]

    def draw(count: int, seed: int) -> qj.tasks.Symbols:
        generator = np.random.default_rng(seed)
        drawn = [generator.choice(kind, -(-count // 2)) for kind in kinds]
        return symbols[np.stack(drawn, axis=1).ravel()[:count]]

    return draw


def _validated(course: Course) -> float:
    """The least validation loss: it chooses, as in the published program."""
    return float(np.nanmin(course.validation))


def _scores(model: Model, course: Course, tests: dict[str, qj.tasks.Symbols]) -> list[float]:
    """The mean probability of the right digit at the last step, for each set."""
    params = jax.tree.map(lambda leaf: leaf[0], course.params)
    evaluate = jax.jit(model.evaluate)
    found = []
    for symbols in tests.values():
        batch, key = Batch.of(symbols), jax.random.key(0)
        chances = evaluate(params, jax.tree.map(jnp.asarray, batch), key)[0][:, -1]
        found.append(float(np.mean(np.take_along_axis(chances, batch.words[:, -1:], axis=1))))
    return found


def _logistic(train_set: qj.tasks.Symbols, tests: dict[str, qj.tasks.Symbols]) -> list[float]:
    """The same for a logistic regression on the 99 pixels that are shown."""
    weights = logistic_regression(_pixels(train_set), _labels(train_set), RIDGE)
    found = []
    for symbols in tests.values():
        chances = 1 / (1 + np.exp(-logits(weights, _pixels(symbols))))
        found.append(float(np.mean(np.where(_labels(symbols), chances, 1 - chances))))
    return found


def _pixels(symbols: qj.tasks.Symbols) -> np.ndarray:
    """In the order of rows, (N, 99)."""
    return symbols.inputs[:, :, 0].astype(np.float64)


def _labels(symbols: qj.tasks.Symbols) -> np.ndarray:
    """(N,), 0 or 1."""
    return symbols.words[:, -1]


def _checks(rows: list[tuple], course: Course, size: Size, control: Course) -> list[Check]:
    (_, _, ours, _), best = rows[0], max(rows[1:], key=lambda row: row[2])
    picture = course.seconds / size.batch
    return [
        Check("mean p(correct), held-out pictures", ours, CORRECT, None, "prediction",
              "the author's notebook, 98.6 +- 0.4 % with 19 times the pictures", PUBLISHED,
              best[2], best[0]),
        Check("seconds per step and picture", picture, None, SECONDS / SECONDS_BATCH, "prediction",
              "the author's log, 1763 steps of 200 in 15 h on an unknown machine; ours: one core",
              SECONDS / SECONDS_BATCH, control.seconds / size.batch / len(LSTM_RATES), "LSTM"),
    ]  # fmt: skip


def _quick(course: Course, control: Course) -> list[Check]:
    source = "quick size: it runs; learning needs hundreds of steps. A uniform guess has 0.643"
    return [Check(f"validation loss, {QUICK.steps} steps", float(course.validation[-1, 0]), None,
                  None, "prediction", source, None, float(control.validation[-1, 0]),
                  "LSTM")]  # fmt: skip


def _conclusion(rows: list[tuple]) -> str:
    values = {row[0]: row[2] for row in rows}
    return (
        f"Mean probability of the right digit on held-out pictures {values['circuit']:.3f}, where "
        f"a logistic regression on the same pixels has {values['logistic regression']:.3f} and an "
        f"LSTM of as many parameters {values['LSTM']:.3f}. Every unscored step is projected on its "
        "target, in the test as well."
    )


def draw(findings: Findings) -> Any:
    """Validation loss against steps.

    Example:
        >>> from qrnn_jax.reproduction.bausch_mnist import draw
        >>> callable(draw)
        True
    """
    title = "Handwritten 0 against 1, pixel by pixel: validation loss of one run"
    return learning_curves(findings.series["curves"], title, "validation loss", "step",
                           level=("uniform guess", 0.643))  # fmt: skip


EXPERIMENT = Experiment(
    name="bausch-mnist",
    title="handwritten 0 against 1, pixel by pixel",
    question="Does the network tell two digits apart from a hundred pixels in a row?",
    run=run,
    draw=draw,
)
