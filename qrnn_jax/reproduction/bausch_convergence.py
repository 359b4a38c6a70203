"""How many seeds learn a task of Bausch's, in how many steps, and what an LSTM needs."""

from __future__ import annotations

from functools import partial
from math import inf
from typing import Any, NamedTuple

import numpy as np

import qrnn_jax as qj
from qrnn_jax.validation.experiment import Check, Progress

from .bausch_models import Model, Quantum, alike
from .bausch_training import Course, Draw, Plan, train

RATES = (0.003, 0.01, 0.03, 0.1)  # of the control, the best one counts
WHOLE = "the author's log, as counted in our notes"
NEVER = "a median needs more than half of the runs to learn, else it is no number"


class Count(NamedTuple):
    """How many runs learnt, and how soon.

    Arguments:
        learnt: runs whose validation loss was below the threshold once.
        runs: all of them.
        median, mean: steps until then; the cap for runs that never were.
        loss: median of the last validation loss.
        rate: learning rate.
    """

    learnt: int
    runs: int
    median: float
    mean: float
    loss: float
    rate: float

    @property
    def reached(self) -> float:
        """The median to be judged: a run that never learnt takes for ever, so it may be infinite.

        Example:
            >>> from qrnn_jax.reproduction.bausch_convergence import Count
            >>> Count(2, 3, 90.0, 95.0, 1e-3, 0.01).reached
            90.0
            >>> Count(1, 3, 250.0, 200.0, 0.1, 0.01).reached
            inf
        """
        return self.median if 2 * self.learnt > self.runs else inf

    def row(self, name: str, parameters: int) -> tuple[Any, ...]:
        """As a row below `HEADER`."""
        share = f"{self.learnt} of {self.runs}"
        return name, parameters, self.rate, share, self.median, self.mean, self.loss


HEADER = ("model", "parameters", "learning rate", "learnt", "median steps", "mean steps",
          "last loss, median")  # fmt: skip


def count(course: Course, threshold: float, cap: int) -> Count:
    """The runs of a single learning rate, counted.

    Example:
        >>> import numpy as np
        >>> from qrnn_jax.reproduction.bausch_convergence import count
        >>> from qrnn_jax.reproduction.bausch_training import Course
        >>> losses = np.array([[0.5, 0.5, 0.5], [0.01, 0.5, 0.4], [0.2, 0.02, 0.3]])
        >>> course = Course(None, losses, losses, losses, np.full(3, 0.1), 0.0)
        >>> found = count(course, 0.05, 100)
        >>> found.learnt, found.median
        (2, 30.0)
    """
    steps = course.steps_to(threshold, cap)
    learnt = int((course.validation < threshold).any(axis=0).sum())
    last = float(np.median(course.validation[-1]))
    rate = float(course.rates[0])
    return Count(learnt, len(steps), float(np.median(steps)), float(steps.mean()), last, rate)


def best_rate(course: Course, threshold: float, cap: int) -> Course:
    """The runs of the learning rate that learnt in the fewest steps, or has the least last loss.

    Example:
        >>> import numpy as np
        >>> from qrnn_jax.reproduction.bausch_convergence import best_rate
        >>> from qrnn_jax.reproduction.bausch_training import Course
        >>> losses = np.array([[0.5, 0.5], [0.01, 0.5]])  # two rates, one seed
        >>> course = Course(None, losses, losses, losses, np.array([0.03, 0.1]), 0.0)
        >>> best_rate(course, 0.05, 100).rates.tolist()
        [0.03]
    """

    def cost(part: Course) -> tuple[float, float]:
        found = count(part, threshold, cap)
        return found.median, found.loss if found.loss == found.loss else np.inf

    return min((course.of_rate(rate) for rate in np.unique(course.rates)), key=cost)


def bands(course: Course) -> dict[str, Any]:
    """Quartiles of the validation loss over seeds, with the steps they belong to."""
    quartiles = np.quantile(course.validation, [0.25, 0.5, 0.75], axis=1)
    return {"places": course.places.tolist(), "values": np.round(quartiles, 7).tolist()}


class Contest(NamedTuple):
    """A task, and what the author's runs had for training it.

    Arguments:
        draw: (count, seed) -> sequences.
        batch: sequences of a step.
        rate: Adam's, for the circuit.
        threshold: of the validation loss.
    """

    draw: Draw
    batch: int
    rate: float
    threshold: float

    def compete(self, cell: qj.cells.Bausch, seeds: int, cap: int, progress: Progress) -> Course:
        """The circuit."""
        plan = Plan(seeds, cap, self.batch, (self.rate,), self.threshold)
        return train(Quantum(cell), self.draw, plan, progress)

    def control(self, model: Model, seeds: int, cap: int, progress: Progress) -> Course:
        """A classical network with the best of four learning rates."""
        plan = Plan(seeds, cap, self.batch, RATES, self.threshold)
        return best_rate(train(model, self.draw, plan, progress), self.threshold, cap)

    def lstm(self, cell: qj.cells.Bausch, seeds: int, cap: int, progress: Progress) -> Course:
        """An LSTM with as many parameters as the circuit."""
        return self.control(alike(cell, "lstm"), seeds, cap, progress)


def parameters(cell: qj.cells.Bausch) -> int:
    """Angles of the circuit."""
    return cell.circuit.weight_count


def lstm_parameters(cell: qj.cells.Bausch) -> int:
    """Of the LSTM that is nearest in size."""
    return alike(cell, "lstm").network.parameters


def budget(seeds: int, cap: int) -> str:
    """What was spent on tuning the control."""
    rates = ", ".join(f"{rate:g}" for rate in RATES)
    return (
        f"The control: best of the learning rates {rates}, {seeds} seeds each, at most {cap} "
        "steps, batches, clipping and stopping as for the circuit, which has the published rate."
    )


def told(progress: Progress, part: int, parts: int, name: str) -> Progress:
    """The progress of one of several equal parts.

    Example:
        >>> from qrnn_jax.reproduction.bausch_convergence import told
        >>> told(lambda fraction, text: print(fraction, text), 1, 4, "LSTM")(0.5, "step 3")
        0.375 LSTM, step 3
    """
    return partial(_told, progress, part, parts, name)


def _told(progress: Progress, part: int, parts: int, name: str, fraction: float, text: str) -> None:
    progress((part + fraction) / parts, f"{name}, {text}")


def checks(
    ours: Count,
    control: Count,
    name: str,
    cap: int,
    *,
    share: float,
    median: tuple[float | None, float],
    published: tuple[float, float],
) -> list[Check]:
    """How many runs learn, and how soon: beside the author's runs and the control.

    Arguments:
        ours, control: see `Count`.
        name: of the control.
        cap: the most steps.
        share: of runs that must learn.
        median: bounds of the median number of steps.
        published: share of runs that learnt, median steps.

    Example:
        >>> from qrnn_jax.reproduction.bausch_convergence import Count, checks
        >>> ours = Count(10, 10, 200.0, 210.0, 1e-3, 0.01)
        >>> [check.passed for check in checks(ours, ours, "LSTM", 1000, share=0.9,
        ...                                   median=(120, 450), published=(1.0, 230))]
        [True, True]
    """
    learnt, runs = published[0] * ours.runs, ours.runs
    source = f"{WHOLE}; controls are ours; {NEVER}"
    return [
        Check(f"runs of {runs} that learn within {cap} steps", ours.learnt, share * runs, None,
              "prediction", source, learnt, control.learnt, name),
        Check("median steps", ours.reached, *median, "prediction", source, published[1],
              control.median, name),
    ]  # fmt: skip
