"""Rules that perturb a weight as a whole, in all its occurrences at once.

They need no access to single occurrences: the runs are ordinary ones at other weights. The price is
that the output is no sinusoid in a shared weight. An occurrence o with da_o/dw = c_o of a gate
whose generator has gaps g contributes the frequencies 0 and +-|c_o| g, and occurrences add up:

    f(w) = sum_omega f_omega exp(i omega w),    |omega| <= sum_o |c_o| max g

whatever linear maps stand in between.
"""

import abc
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

from qrnn_jax.circuit import AbstractGate, AngleNoise, Circuit
from qrnn_jax.circuit.operation import AbstractOperation
from qrnn_jax.circuit.spectrum import frequencies
from qrnn_jax.circuit.spread import spread
from qrnn_jax.gradients.base import AbstractExpectations, Start
from qrnn_jax.gradients.estimator import AbstractEstimator
from qrnn_jax.gradients.runs import Point, Problem


class AbstractWhole(AbstractEstimator):
    """A rule whose run r plays spread(circuit, weights + delta_r, data + data_delta_r)."""

    @abc.abstractmethod
    def displacement(self, problem: Problem, point: Point, index: Array, key: Any) -> Array:
        """How run `index` moves all that is differentiated, flat, (n,)."""

    def play(self, problem: Problem, point: Point, index: Array, key: Any) -> tuple[Array, Array]:
        delta = self.displacement(problem, point, index, key)
        weights, data = point.weights, point.data
        if problem.weights:
            delta, weights = delta[weights.size :], weights + delta[: weights.size]
        if problem.data:
            data = data + delta.reshape(data.shape)
        return spread(problem.circuit, weights, data), jnp.ones(problem.steps, bool)

    def again(
        self, expectations: AbstractExpectations, tape: Array, tape_dot: Array, start: Start
    ) -> Array:
        raise ValueError(
            f"`{type(self).__name__}` must not be differentiated twice, but is; "
            "try `ParameterShift()`, or `Backprop()` on a simulator."
        )


def parameter_count(problem: Problem) -> int:
    """n: weights and data entries that are differentiated."""
    circuit = problem.circuit
    data = problem.steps * circuit.data_count
    return circuit.weight_count * problem.weights + data * problem.data


def flat(problem: Problem, tangent: Point) -> Array:
    """The tangents of all that is differentiated, (n,)."""
    parts = [tangent.weights] * problem.weights + [tangent.data.reshape(-1)] * problem.data
    return jnp.concatenate(parts)


class Occurrence(NamedTuple):
    """One parameter of one operation of the step.

    Arguments:
        operation: whose parameter it is.
        column: its place in the occurrence tape.
        gaps: the distinct frequencies of the gate's generator, ascending; empty if none.
    """

    operation: AbstractOperation
    column: int
    gaps: np.ndarray


def weight_occurrences(circuit: Circuit) -> Iterator[Occurrence]:
    """The gate parameters that depend on weights and have frequencies."""
    for operation, offset in zip(circuit.operations, circuit.offsets):
        if not isinstance(operation, AbstractGate):
            continue
        for position, slot in enumerate(operation.parameters):
            if slot.weights:
                gaps = frequencies(operation.generators()[position])
                if gaps.size:
                    yield Occurrence(operation, offset + position, gaps)


def spectrum_refusal(name: str, circuit: Circuit, weights: bool, data: bool) -> str | None:
    """Why outputs have no bounded frequencies in what is differentiated; None if they have."""
    if data and circuit.data_count:
        return (
            f"`{name}` must not differentiate data, but the data depend on what is differentiated; "
            "try `ParameterShift()`."
        )
    if weights and circuit.weight_count and circuit.is_modes:
        return (
            f"`{name}` must have gates with finitely many frequencies, but the circuit acts on "
            "modes, whose gates have none; try `ParameterShift()`."
        )
    for operation in circuit.operations if weights else ():
        if isinstance(operation, AbstractGate) and operation.has_shift_rule:
            continue
        if not any(slot.weights for slot in operation.parameters):
            continue
        if operation.is_unitary or operation.is_selective:
            return (
                f"`{name}` must have gates whose frequencies it knows, but {operation} depends on "
                "a weight; try `Backprop()`."
            )
        if isinstance(operation, AngleNoise):
            return (
                f"`{name}` must not meet noise that depends on a weight, but {operation} does; "
                "try `Backprop()`, or `FiniteDifference()` for the noisy function as it is."
            )
        return (
            f"`{name}` must not differentiate a noise strength, but {operation} "
            "depends on a weight; try a constant strength, or `Backprop()`."
        )
    return None
