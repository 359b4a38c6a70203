"""E10: end-to-end training at equal shot budgets; which gradient rule leads, and when."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

import qrnn_jax as qj

from .experiment import Experiment, Findings, Progress, Settings
from .gaussian_agreement import gaussian_agreement
from .gaussian_outputs import OutcomeModel
from .quick_jit import quick_jit
from .scipy_training import SETTINGS, Setting, bfgs, has_scipy, window_loss
from .shot_training import Course, Data, Rule, lanes_of, rules, shot_schedule, train
from .training_page import checks_of, conclusion_of, draw, tables_of
from .training_windows import TASKS, training_windows

FIRST = 300.0  # shots of the first update
EVERY = 20  # updates between two looks at the loss
TUNING_SEED = 1000  # of the separate runs that choose learning rates


class Size(NamedTuple):
    """How much is run.

    Arguments:
        cases: (T, noisy).
        seeds: training runs per rule, task and case.
        rates: learning rates to choose from.
        total: shots per run.
        looks: how often the loss is taken; between two looks there are `EVERY` updates.
        uploads: of the cell.
        repeats: sampled gradients that validate the Gaussian.
        bfgs: T, seeds and iterations.
        compile: `jax.jit`, or `quick_jit` where compiling takes longer than running.
    """

    cases: tuple[tuple[int, bool], ...]
    seeds: int
    rates: tuple[float, ...]
    total: float
    looks: int
    uploads: int
    repeats: int
    bfgs: tuple[int, int, int]
    compile: Callable[[Any], Any] = jax.jit

    @property
    def budgets(self) -> tuple[float, ...]:
        """Powers of ten up to the total."""
        return tuple(b for b in (1e4, 1e5, 1e6, 1e7) if b <= self.total)


QUICK = Size(((4, False),), 2, (0.03, 0.1), 1e5, 6, 0, 60, (4, 1, 5), quick_jit)
FULL = Size(
    ((4, False), (8, False), (16, False), (8, True), (16, True)),
    10, (0.03, 0.1), 1e7, 24, 1, 400, (16, 5, 40),
)  # fmt: skip


def training_cell(uploads: int, noisy: bool) -> qj.AbstractCell:
    """The smallest cell of Viqueira et al. with a memory: one exchange and one memory qubit.

    Example:
        >>> from qrnn_jax.validation.training_budget import training_cell
        >>> training_cell(1, True).circuit.weight_count
        7
    """
    cell = qj.cells.Viqueira(exchange=1, memory=1, layers=1, uploads=uploads)
    return qj.cells.Noisy(cell, qj.NoiseProfile.preset("laboratory")) if noisy else cell


def scored_steps(steps: int) -> int:
    """The last quarter of a window counts, as in Viqueira et al.: 5 steps of 20.

    Example:
        >>> from qrnn_jax.validation.training_budget import scored_steps
        >>> scored_steps(16)
        4
    """
    return max(1, steps // 4)


def run(settings: Settings, progress: Progress) -> Findings:
    """Train with every rule, let SciPy do its own, and ask a sampler whether the Gaussian holds."""
    size = FULL if settings.full else QUICK
    progress(0.0, "sampled gradients beside the Gaussian")
    agreement = gaussian_agreement(training_cell(size.uploads, True), size.repeats, settings.seed)
    cases: list[dict[str, Any]] = []
    for place, (steps, noisy) in enumerate(size.cases):
        words = f"T = {steps}, {'noisy' if noisy else 'ideal'}"
        rates = next((case["rates"] for case in cases if case["steps"] == steps), None)
        report = partial(_within, progress, 0.05 + 0.75 * place / len(size.cases), words)
        cases.append(_case(size, steps, noisy, rates, settings.seed, report))
    progress(0.8, "SciPy's BFGS")
    found = {
        "agreement": agreement,
        "budgets": list(size.budgets),
        "cases": cases,
        "bfgs": _bfgs_rows(size, settings.seed),
        "seeds": size.seeds,
    }
    return Findings(conclusion_of(found), checks_of(found), tables_of(found), found)


def _within(progress: Progress, fraction: float, words: str, text: str) -> None:
    progress(fraction, f"{words}: {text}")


def _windows(steps: int, seed: int) -> Data:
    found = [training_windows(task, steps, scored_steps(steps), seed) for task in TASKS]
    inputs = np.stack([split.inputs for split in found])
    targets = np.stack([split.targets for split in found])
    return Data(jnp.asarray(inputs, jnp.float32), jnp.asarray(targets, jnp.float32))


def _case(
    size: Size, steps: int, noisy: bool, rates: Any, seed: int, report: Any
) -> dict[str, Any]:
    """All rules and tasks at one T: medians and quartiles over seeds, at every budget."""
    model = OutcomeModel(training_cell(size.uploads, noisy), scored_steps(steps))
    data = _windows(steps, seed)
    shots = shot_schedule(FIRST, size.total, EVERY * size.looks).reshape(size.looks, EVERY)
    schedule = jnp.asarray(shots, jnp.float32)
    chosen, rows = dict(rates or {}), []
    for family in ("occurrence", "whole"):
        own = [rule for rule in rules(steps) if rule.family == family]
        program = size.compile(partial(train, model, family))
        play = partial(_course, program, model, data, schedule)
        if rates is None:
            report(f"learning rates, {family}")
            chosen |= _tuned(size, play, own, seed)
        report(f"training, {family}")
        lanes = [
            (rule, task, seed + number, chosen[rule.name])
            for rule in own
            for task in range(len(TASKS))
            for number in range(size.seeds)
        ]
        course = play(lanes)
        rows += _rows(size, course, own, chosen)
    return {"steps": steps, "noisy": noisy, "rates": chosen, "rows": rows}


def _course(program: Any, model: OutcomeModel, data: Data, schedule: Array, lanes: list) -> Course:
    found = program(data, schedule, lanes_of(lanes, model.size))
    return Course(*map(np.asarray, found))


def _tuned(
    size: Size, play: Callable[[list], Course], own: list[Rule], seed: int
) -> dict[str, float]:
    """The rate of least mean log loss over tasks, separate seeds and all looks at it."""
    each = size.seeds // len(size.rates)
    lanes = [
        (rule, task, seed + TUNING_SEED + number, rate)
        for rule in own
        for task in range(len(TASKS))
        for rate in size.rates
        for number in range(each)
    ]
    course = play(lanes)
    scores = np.log(course.loss).reshape(-1, len(own), len(TASKS), len(size.rates), each)
    best = np.argmin(scores.mean(axis=(0, 2, 4)), axis=-1)
    return {rule.name: size.rates[place] for rule, place in zip(own, best)}


def _rows(
    size: Size, course: Course, own: list[Rule], rates: dict[str, float]
) -> list[dict[str, Any]]:
    rows = []
    shape = (len(course.loss), len(own), len(TASKS), size.seeds)
    losses, shots, circuits = (part.reshape(shape) for part in course)
    for place, rule in enumerate(own):
        for number, task in enumerate(TASKS):
            loss, used = losses[:, place, number], shots[:, place, number, 0]
            # a course that has not begun by then still has its first loss
            last = [max(0, int(np.sum(used <= 1.001 * budget)) - 1) for budget in size.budgets]
            low, middle, high = np.quantile(loss, [0.25, 0.5, 0.75], axis=1)
            rows.append({
                "rule": rule.name,
                "task": task,
                "unbiased": rule.unbiased,
                "rate": rates[rule.name],
                "shots": used.tolist(),
                "circuits": circuits[:, place, number].mean(axis=1).tolist(),
                "median": middle.tolist(),
                "low": low.tolist(),
                "high": high.tolist(),
                "at": middle[last].tolist(),
                "seeds": loss[last].tolist(),
            })  # fmt: skip
    return rows


def _bfgs_rows(size: Size, seed: int) -> list[dict[str, Any]] | None:
    """SciPy's BFGS from the same starts, ideal circuit; None without SciPy."""
    if not has_scipy():
        return None
    steps, seeds, iterations = size.bfgs
    data = _windows(steps, seed)
    rows = []
    for number, task in enumerate(TASKS):
        train_part, test_part = (
            (np.asarray(data.inputs[number, half]), np.asarray(data.targets[number, half]))
            for half in (0, 1)
        )
        for setting in SETTINGS:
            model = OutcomeModel(
                training_cell(size.uploads, False), scored_steps(steps), setting.dtype
            )
            ends, first, last = [], [], []
            for own in range(seeds):
                lane = lanes_of([(rules(steps)[0], number, seed + own, 0.1)], model.size)
                start = np.asarray(lane.params[0], np.float64)  # SciPy computes in its type
                ends.append(bfgs(model, setting, train_part, start, seed + own, iterations))
                first.append(_test(model, setting, start, test_part))
                last.append(_test(model, setting, ends[-1].params, test_part))
            rows.append({
                "task": task,
                "setting": setting.name,
                "first": float(np.median(first)),
                "last": float(np.median(last)),
                "iterations": float(np.median([end.iterations for end in ends])),
                "evaluations": float(np.median([end.evaluations for end in ends])),
                "shots": float(np.median([end.shots for end in ends])),
                "steps": steps,
            })  # fmt: skip
    return rows


def _test(model: OutcomeModel, setting: Setting, params: np.ndarray, part: Any) -> float:
    """The exact loss on test windows over the variance of their targets."""
    arrays = (jnp.asarray(array, setting.real) for array in (params, *part))
    exact = window_loss(model, *arrays, float(np.inf), jax.random.key(0))
    return float(exact) / float(np.var(part[1]))


EXPERIMENT = Experiment(
    name="E10",
    title="training at equal shot budgets",
    question="Which gradient rule trains best when all may spend the same number of shots?",
    run=run,
    draw=draw,
)
