"""Gradients that a device can measure: weighted sums of the outputs of perturbed circuits.

Every such rule is a table. Run r plays the tape a_r (T, K); of its outputs some are kept; then

    dy[s, m] = sum_r b_r(d weights, d data) keep_r[s] y[s, m](a_r),      b_r linear

A rule says how many runs there are, what each one plays and what it counts for. The derivative
itself, its keys, its shots and its standard errors are written once: here, in `runs.py` and in
`estimate.py`.
"""

import abc
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, Self

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

from qrnn_jax.circuit import Circuit
from qrnn_jax.circuit.spread import spread
from qrnn_jax.gradients.base import AbstractExpectations, AbstractGradient, Function, Start
from qrnn_jax.gradients.runs import (
    PRIMAL,
    RULE,
    AbstractRuns,
    Point,
    Problem,
    joined_reads,
    kept_reads,
    split_shots,
)


class AbstractEstimator(AbstractGradient, AbstractRuns):
    """A gradient made of runs of perturbed circuits: what hardware can do.

    Example:
        >>> import qrnn_jax as qj
        >>> isinstance(qj.ParameterShift(), qj.AbstractEstimator)
        True
    """

    needs_exact = False
    draws_setting: ClassVar[str | None] = None
    """The setting that says how many random draws there are; None for rules that never draw."""

    @property
    def draws(self) -> int | None:
        """Into how many independent, equally distributed groups the runs fall; None if fixed.

        The runs of one group stand together."""
        return None if self.draws_setting is None else getattr(self, self.draws_setting)

    def with_draws(self, number: int) -> Self:
        """The same rule with another number of random draws.

        Arguments:
            number: 1 or more.

        Raises:
            ValueError: the rule never draws.

        Example:
            >>> import qrnn_jax as qj
            >>> qj.ParameterShift(samples=7).with_draws(9).samples
            9
        """
        if self.draws_setting is None:
            raise ValueError(f"The rule must draw at random, but {self} does not; try more shots.")
        return replace(self, **{self.draws_setting: number})  # type: ignore[type-var]

    @property
    @abc.abstractmethod
    def is_unbiased(self) -> bool:
        """Whether the expectation of the estimate is the derivative."""

    @abc.abstractmethod
    def problem_refusal(self, problem: Problem) -> str | None:
        """Why the rule cannot take this derivative, in a sentence; None if it can."""

    @abc.abstractmethod
    def coefficients(self, problem: Problem, point: Point, tangent: Point, key: Any) -> Array:
        """b_r, (R,): what each run counts for; linear in the tangent."""

    @property
    def is_random(self) -> bool:
        return self.draws is not None

    def sampled_refusal(self) -> str | None:
        """Why the rule, set as it is, cannot serve runs under shots; None if it can."""
        return None

    def differentiate(self, expectations: AbstractExpectations) -> Function:
        return partial(_estimated, self, expectations)

    def evaluations(self, circuit: Circuit, steps: int, *, data: bool = False) -> int:
        """How many circuits one gradient needs, for all outputs together.

        Arguments:
            circuit: the step.
            steps: T.
            data: whether the gradient in the data is asked for, too.

        Returns:
            The number of perturbed circuits, without the unperturbed run. Each is one circuit per
            measurement setting; with `prefixes=True` each output has circuits of its own.

        Example:
            >>> import qrnn_jax as qj
            >>> circuit = qj.Circuit(2, (qj.RX(0, qj.Weight(0)), qj.CRX(0, 1, qj.Weight(1))))
            >>> qj.ParameterShift().evaluations(circuit, steps=20)
            120
        """
        return self.count(Problem(circuit, steps, True, data))

    def predicted_stderr(
        self, circuit: Circuit, data: ArrayLike, shots: int, *, sigma: float = 1.0
    ) -> np.ndarray:
        """The standard error of dy/dw that shot noise will cause, before anything is run.

        Equation: stderr_i = sigma sqrt(sum_r b_r(e_i)^2 / shots_r), e_i the i-th unit vector.

        Arguments:
            circuit: the step.
            data: (T, Kd), radians.
            shots: repetitions per circuit; rules that split unequally keep the total.
            sigma: standard deviation of one outcome; at most 1 for a Pauli word.

        Returns:
            (Kw,), for one output after the last step. The spread that random directions or random
            occurrences add is not in it.

        Example:
            >>> import numpy as np, qrnn_jax as qj
            >>> circuit = qj.Circuit(1, (qj.RX(0, qj.Weight(0)),))
            >>> data = np.zeros((8, 0))  # sigma T / sqrt(N), N = 2 T shots: 8 / sqrt(1600)
            >>> qj.ParameterShift().predicted_stderr(circuit, data, shots=100).round(6).tolist()
            [0.2]
        """
        values = jnp.asarray(np.asarray(data), jnp.result_type(float))
        problem = Problem(circuit, len(values), True, False)
        refusal = self.problem_refusal(problem) or self.sampled_refusal()
        if refusal:
            raise ValueError(refusal)
        key = jax.random.key(0) if self.is_random else None
        weights = jnp.zeros(circuit.weight_count, values.dtype)
        point = Point(weights, values, spread(circuit, weights, values))
        table = coefficient_table(self, problem, point, key)
        # only what counts for the last output
        last = lax.map(
            lambda index: self.play(problem, point, index, key)[1][-1],
            jnp.arange(self.count(problem)),
        )
        table = jnp.where(last, table, 0)
        split = self.shares(problem, point, key)
        each = shots if split is None else split_shots(split, shots)
        return np.asarray(sigma * jnp.sqrt(jnp.sum(table**2 / each, axis=1)), float)


def coefficient_table(rule: AbstractEstimator, problem: Problem, point: Point, key: Any) -> Array:
    """b_r for every weight: (Kw, R)."""

    def column(direction: Array) -> Array:
        zeros = jnp.zeros_like(point.data)
        return rule.coefficients(problem, point, tangent_at(problem, point, direction, zeros), key)

    return jax.vmap(column)(jnp.eye(len(point.weights), dtype=point.weights.dtype))


def tangent_at(problem: Problem, point: Point, weights_dot: Array, data_dot: Array) -> Point:
    """The tangent of a point, its tape included."""
    function = partial(spread, problem.circuit)
    primals, tangents = (point.weights, point.data), (weights_dot, data_dot)
    return Point(weights_dot, data_dot, jax.jvp(function, primals, tangents)[1])


def _estimated(
    rule: AbstractEstimator,
    expectations: AbstractExpectations,
    weights: Array,
    data: Array,
    start: Start,
) -> tuple[Array, Any]:
    """f with the rule attached; what else it returns is detached."""
    return _reads(rule, expectations, weights, data, start)


@partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def _reads(
    rule: AbstractEstimator,
    expectations: AbstractExpectations,
    weights: Array,
    data: Array,
    start: Start,
) -> tuple[Array, Any]:
    """f(weights, data), prepared once."""
    del rule
    return expectations(weights, data, start.stream(PRIMAL), loop=lax.scan)


@partial(_reads.defjvp, symbolic_zeros=True)
def _reads_jvp(
    rule: AbstractEstimator, expectations: AbstractExpectations, primals: Any, tangents: Any
) -> tuple[tuple[Array, Any], tuple[Array, Any]]:
    weights, data, start = primals
    in_weights, in_data = (not is_zero(tangent) for tangent in tangents[:2])
    if not all(map(is_zero, jax.tree.leaves(tangents[2], is_leaf=is_zero))):
        raise ValueError(
            f"Argument `carry` must not be differentiated under `{type(rule).__name__}`, but is; "
            "try `gradient=Backprop()`, or `jax.lax.stop_gradient(carry)`."
        )
    problem = Problem(expectations.circuit, len(data), in_weights, in_data, expectations.degree)
    refusal = rule.problem_refusal(problem)
    if refusal:
        raise ValueError(refusal)
    point = Point(weights, data, spread(problem.circuit, weights, data))
    runs = None
    if expectations.joins and rule.count(problem):
        (reads, rest), runs = joined_reads(rule, expectations, problem, point, start)
    else:
        reads, rest = _reads(rule, expectations, weights, data, start)
    still = jax.tree.map(jnp.zeros_like, rest)
    if not rule.count(problem):  # nothing is differentiated, or no angle depends on it
        return (reads, rest), (jnp.zeros_like(reads), still)
    if runs is None:
        runs = kept_reads(rule, expectations, problem, point, start)
    dots = [
        jnp.zeros_like(primal) if is_zero(tangent) else tangent
        for primal, tangent in zip((weights, data), tangents)
    ]
    tangent = tangent_at(problem, point, *dots)
    weighted = rule.coefficients(problem, point, tangent, start.stream(RULE).key)
    return (reads, rest), (jnp.einsum("r,rsm->sm", weighted, runs), still)


def is_zero(tangent: Any) -> bool:
    """Whether JAX knows that nothing is differentiated here."""
    return isinstance(tangent, jax.custom_derivatives.SymbolicZero)
