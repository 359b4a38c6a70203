"""How far a gradient from shots will be off: exact variances, or bounds without parameters.

Both are of the derivatives of the reads of the last step in every weight, of one sequence, and the
root of the mean square over them.
"""

import math
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from qrnn_jax.cell import AbstractCell, CircuitCell
from qrnn_jax.circuit.spread import spread
from qrnn_jax.gradients import AbstractEstimator, AbstractPerturbation, ParameterShift
from qrnn_jax.gradients.estimator import Point, Problem, coefficient_table
from qrnn_jax.moments import gradient_moments
from qrnn_jax.run import run
from qrnn_jax.setup import measurement_settings

_DRAWS = 64  # of a random rule, averaged
_WORK = 2**34  # numbers that exact variances may touch unasked: about a minute


class Error(NamedTuple):
    """The error of one gradient entry, r.m.s. over all.

    Arguments:
        stderr: its standard error: shot noise, and what random draws of the rule add.
        bias: what no number of shots removes; None where it is not known. Of random rules at least
            what the average over their draws can tell.
    """

    stderr: float
    bias: float | None

    def after(self, factor: float) -> float | None:
        """The error with so many times the executions; None where it is not known."""
        if self.bias is None:
            return None
        return math.sqrt(self.bias**2 + self.stderr**2 / factor)

    def factor_for(self, error: float) -> float | None:
        """How many times the executions give this error; None where none do, or nobody knows."""
        if self.bias is None or self.bias >= error:
            return None
        return self.stderr**2 / (error**2 - self.bias**2)


def work_of(cell: AbstractCell, rule: AbstractEstimator, steps: int) -> float:
    """Numbers that the exact variances of a rule touch."""
    circuit = cell.circuit
    runs = rule.count(Problem(circuit, steps, True, False))
    draws = _DRAWS if rule.is_random else 1
    return float(draws * runs * steps * len(circuit.operations)) * 4.0**circuit.wires


def is_affordable(cell: AbstractCell, rules: list[AbstractEstimator], steps: int) -> bool:
    """Whether exact variances of all rules together take about a minute at most."""
    return sum(work_of(cell, rule, steps) for rule in rules) <= _WORK


def exact_error(
    cell: AbstractCell, rule: AbstractEstimator, shots: int, params: Any, xs: Array
) -> Error:
    """From the exact means and variances of all outcomes, for one sequence xs (T, features)."""
    if isinstance(rule, AbstractPerturbation) and rule.on == "loss":
        rule = replace(rule, on="outputs")  # type: ignore[type-var]
    found = [_moments(cell, rule, shots, params, xs, key) for key in _keys(rule)]
    means, variances = (np.array(part) for part in zip(*found))  # (draws, M, Kw)
    variance, noise = variances.mean(axis=0), np.zeros(means.shape[1:])
    if rule.is_random:
        noise = means.var(axis=0, ddof=1)
        variance = variance + noise
    if rule.is_unbiased:
        return Error(_root_mean(variance), 0.0)
    squares = (means.mean(axis=0) - _derivative(cell, shots, params, xs)) ** 2
    # the mean of few draws is off by itself: a bias below that is not seen, and taken as that
    own = noise / len(means)
    return Error(_root_mean(variance), _root_mean(np.maximum(squares - own, own)))


def _moments(
    cell: AbstractCell, rule: AbstractEstimator, shots: int, params: Any, xs: Array, key: Any
) -> tuple[np.ndarray, np.ndarray]:
    """Exact means and variances of the derivatives of the last reads, (M, Kw) each."""
    options: dict[str, Any] = {"gradient": rule, "shots": shots, "key": key}
    reads = range(sum(observable.outputs for observable in cell.observables))
    found = [gradient_moments(cell, params, xs, read=m, **options) for m in reads]
    means, variances = ([np.asarray(f[part], float) for f in found] for part in (0, 1))
    return np.array(means), np.array(variances)


def bound_of_error(
    cell: AbstractCell, rule: AbstractEstimator, shots: int, params: Any, xs: Array
) -> Error:
    """The largest error of any circuit of this form; the bias only of rules that have none.

    Equation: sigma sqrt(sum_r b_r^2 / shots_r), sigma the largest spread of one outcome. Random
    draws of runs r, |y_r| <= c: c sqrt(sum over draws of (sum_r |b_r|)^2).
    """
    data = jax.vmap(partial(cell.data, params))(xs)
    sigma, most = _outcomes(cell)
    bias = 0.0 if rule.is_unbiased else None
    if not rule.is_random:
        found = rule.predicted_stderr(cell.circuit, data, shots)
        return Error(sigma * _root_mean(found**2), bias)
    return Error(most * _root_mean(_drawn(cell, rule, params, data)), bias)


def _drawn(cell: AbstractCell, rule: AbstractEstimator, params: Any, data: Array) -> np.ndarray:
    """sum over draws of (sum_r |b_r|)^2 for every weight, averaged over some keys, (Kw,)."""
    weights, problem = cell.weights(params), Problem(cell.circuit, len(data), True, False)
    point = Point(weights, data, spread(cell.circuit, weights, data))
    index = jnp.arange(rule.count(problem))

    def one(key: Array) -> Array:
        kept = jax.lax.map(lambda r: rule.play(problem, point, r, key)[1][-1], index)
        table = jnp.where(kept, jnp.abs(coefficient_table(rule, problem, point, key)), 0)
        return jnp.sum(table.reshape(len(table), rule.draws, -1).sum(axis=2) ** 2, axis=1)

    return np.asarray(jax.jit(jax.vmap(one))(jnp.stack(_keys(rule))).mean(axis=0))


def _outcomes(cell: AbstractCell) -> tuple[float, float]:
    """The largest spread and the largest size of one outcome, r.m.s. over the reads."""
    groups = [np.real(group.values) for group in measurement_settings(cell)[1]]  # (2**k, M)
    spreads = sum((values.max(axis=0) - values.min(axis=0)) ** 2 / 4 for values in groups)
    sizes = sum(np.abs(values).max(axis=0) for values in groups)
    return _root_mean(spreads), _root_mean(sizes**2)


def _derivative(cell: AbstractCell, shots: int, params: Any, xs: Array) -> np.ndarray:
    """The exact derivatives of the last reads in the weights, (M, Kw)."""
    rule = ParameterShift()
    if rule.problem_refusal(Problem(cell.circuit, len(xs), True, False)) is None:
        return _moments(cell, rule, shots, params, xs, None)[0]
    reads = CircuitCell(cell.circuit, cell.observables)
    data = jax.vmap(partial(cell.data, params))(xs)
    slope = jax.jacrev(lambda weights: run(reads, weights, data)[-1])
    return np.asarray(slope(cell.weights(params)), float)


def _keys(rule: AbstractEstimator) -> list[Any]:
    return list(jax.random.split(jax.random.key(0), _DRAWS)) if rule.is_random else [None]


def _root_mean(squares: Any) -> float:
    return float(np.sqrt(np.maximum(np.mean(squares), 0)))
