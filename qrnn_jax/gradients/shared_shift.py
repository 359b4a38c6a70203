"""The equidistant shift rule on a shared weight: all its occurrences move together.

Let every frequency of f(w) be a multiple of D, at most W = R D (`whole.py` says which there are).
Then f(w) = g(D w), g a trigonometric polynomial of degree R, and interpolation in 2R points gives

    f'(w) = sum_m y_m [f(w + x_m) - f(w - x_m)],    m = 1..R

    x_m = (2m-1) pi / (2 R D),    y_m = D (-1)^(m-1) / (4 R sin^2(D x_m / 2))

exactly. Over all 2R points sum |y| = W, sum y^2 = D^2 (2 R^2 + 1) / 6: with shots in proportion to
|y| the variance is sigma^2 W^2 / N, that of the rule per occurrence; with equal shots it is
(2 R^2 + 1) / (3 R) times that.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple, final

import jax.numpy as jnp
import numpy as np
from jax import Array

from qrnn_jax.circuit import Circuit
from qrnn_jax.devices import check_devices
from qrnn_jax.gradients.parameter_shift import ALLOCATIONS
from qrnn_jax.gradients.runs import Point, Problem
from qrnn_jax.gradients.settings import check_choice, check_count
from qrnn_jax.gradients.whole import AbstractWhole, spectrum_refusal, weight_occurrences

_PARTS = 512  # the largest frequency of one occurrence, in units of the spacing


@final
@dataclass(frozen=True, kw_only=True)
class SharedShift(AbstractWhole):
    """The exact shift rule for a weight as a whole, where all frequencies share one spacing.

    Equation: df/dw = sum_{m=1..R} y_m [f(w + x_m) - f(w - x_m)], x_m = (2m-1) pi / (2 R D),
    y_m = D (-1)^(m-1) / (4 R sin^2(D x_m / 2)). D is the spacing of the frequencies
    |coefficient| x gap of all occurrences, R D = W their largest sum: R = T for one `RX` a step,
    2T for one `CRX` a step.

    Cost: 2R runs per weight, for all outputs together. Unbiased. With N shots on one weight the
    variance is sigma^2 W^2 / N if they are split by |y_m|, like `ParameterShift`'s; split evenly,
    it is (2 R^2 + 1) / (3 R) times that. Early outputs pay for the length of the whole run.

    Use it where only the shared weight can be set: a compiled program, a cloud template. Where
    single occurrences can be shifted, use `ParameterShift`, which has the same cost and variance
    and knows which outputs a shift can reach. For weights multiplied by data use `Riesz`: their
    frequencies have no common spacing, and this rule would be silently wrong. On a simulator
    `Backprop` gives the exact numbers far faster.

    Arguments:
        allocation: how shots are split: "weighted" by |y_m|, the total kept, or "uniform".
        chunk: runs simulated at a time, which bounds the memory; None chooses.
        devices: over how many devices the runs are divided, see `docs/devices.md`.

    Raises:
        ValueError: a setting out of range; a weight multiplied by data; frequencies without a
            common spacing; a weight in a noise strength or in `AngleNoise`; data that are
            differentiated; second derivatives.

    Example:
        >>> import jax, jax.numpy as jnp, qrnn_jax as qj
        >>> cell = qj.CircuitCell(qj.Circuit(1, (qj.RX(0, qj.Weight(0)),)), (qj.Z(0),))
        >>> last = lambda w: qj.run(cell, w, jnp.zeros((5, 0)), gradient=qj.SharedShift())[-1, 0]
        >>> print(f"{jax.grad(last)(jnp.array([0.3]))[0]:.3f}")  # d/dw cos 5w = -5 sin 1.5
        -4.987

    Source: Wierichs et al., Quantum 6, 677 (2022); Vidal and Theis, arXiv 1812.06323.
    """

    allocation: str = "weighted"
    chunk: int | None = None
    devices: int = 1

    is_unbiased = True

    def __post_init__(self) -> None:
        check_choice("allocation", self.allocation, ALLOCATIONS)
        check_count("chunk", self.chunk)
        check_devices(self.devices)

    def refusal(self, circuit: Circuit) -> str | None:
        return _refusal(circuit)

    def problem_refusal(self, problem: Problem) -> str | None:
        name = type(self).__name__
        general = spectrum_refusal(name, problem.circuit, problem.weights, problem.data)
        return general or (_refusal(problem.circuit) if problem.weights else None)

    def count(self, problem: Problem) -> int:
        return len(_nodes(problem).weights)

    def displacement(self, problem: Problem, point: Point, index: Array, key: Any) -> Array:
        nodes = _nodes(problem)
        shift = jnp.asarray(nodes.shifts, point.tape.dtype)[index]
        return jnp.zeros_like(point.weights).at[jnp.asarray(nodes.weights)[index]].set(shift)

    def coefficients(self, problem: Problem, point: Point, tangent: Point, key: Any) -> Array:
        nodes = _nodes(problem)
        factors = jnp.asarray(nodes.coefficients, point.tape.dtype)
        return factors * tangent.weights[jnp.asarray(nodes.weights)]

    def shares(self, problem: Problem, point: Point, key: Any) -> Array | None:
        if self.allocation == "uniform":
            return None
        return jnp.abs(jnp.asarray(_nodes(problem).coefficients, point.tape.dtype))


class _Nodes(NamedTuple):
    """One row per run."""

    weights: np.ndarray
    shifts: np.ndarray
    coefficients: np.ndarray


@lru_cache(maxsize=64)
def _nodes(problem: Problem) -> _Nodes:
    """The runs of all weights."""
    parts = [_Nodes(np.zeros(0, int), np.zeros(0), np.zeros(0))]
    for weight in range(problem.circuit.weight_count if problem.weights else 0):
        found, bound = _frequencies(problem.circuit, weight)
        if not found.size:
            continue
        spacing = _spacing(found)
        assert spacing is not None, "refused before"
        shifts, coefficients = _rule(round(problem.steps * bound / spacing), spacing)
        parts.append(_Nodes(np.full(len(shifts), weight), shifts, coefficients))
    return _Nodes(*map(np.concatenate, zip(*parts)))


def _rule(count: int, spacing: float) -> tuple[np.ndarray, np.ndarray]:
    """The 2R points and their coefficients, in pairs."""
    order = np.arange(1, count + 1)
    shifts = (2 * order - 1) * np.pi / (2 * count * spacing)
    signs = (-1.0) ** (order - 1)
    coefficients = spacing * signs / (4 * count * np.sin(spacing * shifts / 2) ** 2)
    pair = np.array([1.0, -1.0])
    return np.outer(shifts, pair).ravel(), np.outer(coefficients, pair).ravel()


def _frequencies(circuit: Circuit, weight: int) -> tuple[np.ndarray, float]:
    """|coefficient| x gap of every occurrence in one step, and the sum of the largest ones."""
    values, bound = [np.zeros(0)], 0.0
    for occurrence in weight_occurrences(circuit):
        slot = circuit.parameters[occurrence.column]
        slope = abs(sum(term.coefficient for term in slot.terms if term.weight == weight))
        if slope:
            values.append(slope * occurrence.gaps)
            bound += float(slope * occurrence.gaps[-1])
    return np.concatenate(values), bound


def _spacing(values: np.ndarray) -> float | None:
    """The largest number of which all values are multiples; None if there is none to speak of."""
    smallest, largest = float(values.min()), float(values.max())
    for parts in range(1, int(_PARTS * smallest / largest) + 1):
        multiples = values * (parts / smallest)
        if np.abs(multiples - np.round(multiples)).max() < 1e-9:
            return smallest / parts
    return None


@lru_cache(maxsize=64)
def _refusal(circuit: Circuit) -> str | None:
    """Why the outputs are no polynomials in the weights with one spacing each."""
    general = spectrum_refusal("SharedShift", circuit, weights=True, data=False)
    if general:
        return general
    for operation in circuit.operations:
        for slot in operation.parameters:
            if any(term.weight is not None and term.data is not None for term in slot.terms):
                return (
                    "`SharedShift` must not meet a weight multiplied by data, but "
                    f"{operation} holds {slot}: its frequencies have no common spacing; "
                    "try `Riesz()`, or `ParameterShift()`."
                )
    for weight in range(circuit.weight_count):
        values, _ = _frequencies(circuit, weight)
        if values.size and _spacing(values) is None:
            shown = ", ".join(f"{value:.6g}" for value in np.unique(values)[:4])
            return (
                "`SharedShift` must have frequencies that are multiples of one spacing, but those "
                f"of Weight({weight}), {shown}, are not (up to {_PARTS} times); "
                "try `Riesz()`, or `ParameterShift()`."
            )
    return None
