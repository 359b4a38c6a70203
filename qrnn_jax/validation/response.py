"""Outputs of a small circuit at shifted angles: what the exact error of every rule is made of.

A rule's estimate is a weighted sum of outputs at shifted angles. For a read-out of +-1 the variance
of one shot is 1 - y^2, so the outputs alone give mean and variance of any rule, for any number of
shots. They are computed once per circuit and place; all outputs of a run serve, as targets of
shorter series. `qj.gradient_moments` says the same rule by rule, compiled anew for each.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property, lru_cache, partial
from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

import qrnn_jax as qj

_CHUNK = 256  # runs side by side: one shape, one compilation


class Moments(NamedTuple):
    """What a rule's estimate of the derivatives of one output is worth.

    Arguments:
        bias: (K,), its expectation minus the derivative.
        variance: (K,).
    """

    bias: np.ndarray
    variance: np.ndarray

    @property
    def mean_square(self) -> float:
        """The mean squared error over the weights."""
        return float(np.mean(self.bias**2 + self.variance))


@final
@dataclass(frozen=True, eq=False)
class Response:
    """A circuit at one place: its outputs where angles are shifted, in float64.

    For cells whose weights are the params and whose data are the inputs, each weight once per step
    in a gate of unit gap, and one read-out of +-1.

    Arguments:
        cell: the model, with K weights.
        weights: (K,), radians.
        xs: (T, features).

    Example:
        >>> import jax.numpy as jnp, numpy as np, qrnn_jax as qj
        >>> from qrnn_jax.validation.response import Response
        >>> cell = qj.CircuitCell(qj.Circuit(1, (qj.RX(0, qj.Weight(0)),)), qj.Z(0))
        >>> response = Response(cell, np.array([0.3]), np.zeros((4, 0)))
        >>> [float(value.round(6)) for value in (response.derivatives(1)[0, -1], -4 * np.sin(1.2))]
        [-3.728156, -3.728156]
    """

    cell: qj.AbstractCell
    weights: np.ndarray
    xs: np.ndarray

    @property
    def steps(self) -> int:
        """T."""
        return len(self.xs)

    def shifted(self, offsets: np.ndarray) -> np.ndarray:
        """Outputs (B, T) where occurrence k of step t is moved by offsets[b, t, k]."""
        found = []
        with jax.enable_x64(True):
            for start in range(0, len(offsets), _CHUNK):
                part = offsets[start : start + _CHUNK]
                padded = np.zeros((_CHUNK, *offsets.shape[1:]))
                padded[: len(part)] = part
                outputs = _play(_tapped(self.cell), self.weights, self.xs, padded)
                found.append(np.asarray(outputs)[: len(part)])
        return np.concatenate(found)

    def moved(self, moves: np.ndarray) -> np.ndarray:
        """Outputs (B, T) at weights + moves[b], moves (B, K)."""
        return self.shifted(np.repeat(moves[:, None], self.steps, axis=1))

    @cached_property
    def occurrences(self) -> np.ndarray:
        """Outputs (2, T, K, T) with one occurrence shifted by +pi/2 and by -pi/2."""
        size = self.steps * len(self.weights)
        unit = np.eye(size).reshape(size, self.steps, -1) * np.pi / 2
        both = self.shifted(np.concatenate([unit, -unit]))
        return both.reshape(2, self.steps, -1, self.steps)

    @cached_property
    def lines(self) -> np.ndarray:
        """Fourier coefficients (K, T, 2T + 1), of exp(i n w), n = -T..T, along each weight."""
        count = 2 * self.steps + 1
        angles = 2 * np.pi * np.arange(count) / count
        moves = angles[:, None, None] * np.eye(len(self.weights))  # (points, K, K)
        values = self.moved(moves.reshape(-1, len(self.weights))).reshape(count, -1, self.steps)
        return np.moveaxis(np.fft.fftshift(np.fft.fft(values, axis=0), axes=0) / count, 0, -1)

    def along(self, moves: np.ndarray) -> np.ndarray:
        """Outputs (K, T, B) where each weight alone is moved by moves (B,)."""
        order = np.arange(-self.steps, self.steps + 1)
        return (self.lines @ np.exp(1j * np.outer(order, moves))).real

    def derivatives(self, order: int) -> np.ndarray:
        """The derivatives (K, T) of every output, of that order, in each weight alone."""
        factors = (1j * np.arange(-self.steps, self.steps + 1)) ** order
        return (self.lines @ factors).real

    def shift(self, step: int, shots: float, horizon: int | None = None) -> Moments:
        """`ParameterShift`, `shots` split evenly over all circuits of all weights.

        Arguments:
            step: which output.
            shots: N, for the whole gradient.
            horizon: as in the rule; only circuits that count for this output are played.
        """
        first = 0 if horizon is None else max(0, step + 1 - horizon)
        plus, minus = self.occurrences[:, first : step + 1, :, step]
        circuits = 2 * plus.size
        mean = np.sum(plus - minus, axis=0) / 2
        variance = np.sum(2 - plus**2 - minus**2, axis=0) / 4 * circuits / shots
        return Moments(mean - self.derivatives(1)[:, step], variance)

    def random_occurrence(self, step: int, shots: float, each: int = 1) -> Moments:
        """`ParameterShift(samples=N / each)`: random ones of all weights' runs, `each` shots."""
        both = self.occurrences[:, : step + 1, :, step] ** 2
        second = both.size / 4 * np.sum(both + (1 - both) / each, axis=(0, 1))
        gradient = self.derivatives(1)[:, step]
        return Moments(np.zeros(len(gradient)), (second - gradient**2) * each / shots)

    def shared_shift(self, step: int, shots: float, allocation: str = "weighted") -> Moments:
        """`SharedShift` for a series that ends with this output."""
        order = np.arange(1, step + 2)
        moves = (2 * order - 1) * np.pi / (2 * len(order))
        weights = (-1.0) ** (order - 1) / (4 * len(order) * np.sin(moves / 2) ** 2)
        weights = np.concatenate([weights, -weights])
        values = self.along(np.concatenate([moves, -moves]))[:, step]
        share = np.abs(weights) if allocation == "weighted" else np.ones(len(weights))
        each = shots / len(self.weights) * share / np.sum(share)
        bias = values @ weights - self.derivatives(1)[:, step]
        return Moments(bias, (1 - values**2) @ (weights**2 / each))

    def riesz(self, step: int, shots: float) -> Moments:
        """`Riesz(samples=...)` with one shot each, the same number for every weight."""
        gradient = self.derivatives(1)[:, step]
        each = shots / len(gradient)
        return Moments(np.zeros(len(gradient)), ((step + 1) ** 2 - gradient**2) / each)

    def difference(self, step: int, shots: float, size: float, scheme: str = "central") -> Moments:
        """`FiniteDifference` with step `size`; five-point shots split 8 : 1 as in the rule."""
        points = _POINTS[scheme]
        weights = np.array([weight for _, weight in points]) / size
        values = self.along(size * np.array([multiple for multiple, _ in points]))[:, step]
        mean = values @ weights - self.derivatives(1)[:, step]
        share = np.abs(weights) / np.sum(np.abs(weights))
        each = shots / len(self.weights) * share
        return Moments(mean, (1 - values**2) @ (weights**2 / each))

    def spsa(self, step: int, shots: float, size: float, directions: int | None = None) -> Moments:
        """`SPSA`, averaged over all sign vectors exactly.

        Arguments:
            step: which output.
            shots: N, for the whole gradient.
            size: c.
            directions: m, with N / (2 m) shots for each run; None for a fresh one every two shots.
        """
        signs, plus, minus = self._both_ways(size)
        plus, minus = plus[:, step], minus[:, step]
        slopes = (plus - minus) / (2 * size)
        mean = signs.T @ slopes / len(signs)
        draws = shots / 2 if directions is None else directions
        noise = np.mean(2 - plus**2 - minus**2) / (4 * size**2) * draws * 2 / shots
        variance = (np.mean(slopes**2) - mean**2 + noise) / draws
        return Moments(mean - self.derivatives(1)[:, step], variance)

    @cached_property
    def _kept(self) -> dict[float, tuple[np.ndarray, np.ndarray, np.ndarray]]:
        return {}

    def _both_ways(self, size: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """All sign vectors with a positive last entry, and the outputs on both sides, (D, T)."""
        if size not in self._kept:
            count = len(self.weights) - 1
            signs = np.ones((2**count, count + 1))
            signs[:, :count] = 1 - 2 * (np.arange(2**count)[:, None] >> np.arange(count) & 1)
            plus, minus = np.split(self.moved(size * np.concatenate([signs, -signs])), 2)
            self._kept[size] = signs, plus, minus
        return self._kept[size]


# multiples of the step and weights of the points, times the step
_POINTS = {
    "forward": ((1, 1.0), (0, -1.0)),
    "central": ((1, 0.5), (-1, -0.5)),
    "five-point": ((1, 2 / 3), (-1, -2 / 3), (2, -1 / 12), (-2, 1 / 12)),
}


@lru_cache(maxsize=32)
def _tapped(cell: qj.AbstractCell) -> qj.AbstractCell:
    """The same circuit where every occurrence of a weight has a data value of its own on top."""
    count = cell.circuit.data_count
    operations: list[Any] = []
    operation: Any
    for operation in cell.circuit.operations:
        for field in fields(operation):
            slot = getattr(operation, field.name)
            if isinstance(slot, qj.Slot) and slot.weights:
                (weight,) = slot.weights
                operation = replace(operation, **{field.name: slot + qj.Data(count + weight)})
        operations.append(operation)
    return qj.CircuitCell(qj.Circuit(cell.circuit.wires, operations), cell.observables)


@partial(jax.jit, static_argnums=0)
def _play(cell: qj.AbstractCell, weights: Array, xs: Array, offsets: Array) -> Array:
    """The outputs (B, T)."""

    def one(offset: Array) -> Array:
        return qj.run(cell, weights, jnp.concatenate([xs, offset], axis=1))[:, 0]

    return jax.vmap(one)(offsets)
