"""The Riesz rule: the derivative of a band-limited function from its values, far and near.

Let f be bounded with frequencies up to Omega, whatever they are. M. Riesz' interpolation formula is

    f'(w) = Omega sum_{n odd} p_n s_n f(w + n pi / (2 Omega)),    p_n = 4 / (pi n)^2,
    s_n = (-1)^((n-1)/2): +1 for n = 1, -1 for -1, -1 for 3, +1 for -3, ...

The p_n add up to 1: as an average over random n the formula is exact, run by run. As a sum it
converges like 1/n. So the sum is taken of another function with the same derivative at 0,

    h(s) = f(w + s) phi(s),   phi(s) = (beta / sinh beta) sinh(q) / q,   q^2 = beta^2 - (eps s)^2,

where phi is even, phi(0) = 1, its frequencies end at eps (Kaiser and Bessel's window, seen from the
other side), and |phi| <= beta / sinh beta from eps |s| = beta on. h has frequencies up to
Omega' = Omega + eps, and its formula is cut after N points, with beta = eps times the first
node left out. What is left out is at most

    Omega' (4 / (pi^2 N)) (beta / sinh beta) max |f|.

With theta = eps / Omega' this gives beta = theta (N + 1) pi / 2 and Omega' = Omega / (1 - theta).
theta is chosen so that beta = 26, which makes the bound 2.3e-12 Omega at N = 64 (found: 8e-14),
but never above 1/2.
"""

from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from qrnn_jax.circuit import Circuit
from qrnn_jax.circuit.spread import spread
from qrnn_jax.devices import check_devices
from qrnn_jax.gradients.runs import Point, Problem
from qrnn_jax.gradients.settings import check_count
from qrnn_jax.gradients.whole import AbstractWhole, spectrum_refusal, weight_occurrences

_TERMS = 64
_BETA = 26.0
_SMALL_BIAS = 1e-10  # below this a cut series counts as exact
_HEAD = 64  # random nodes up to this order come from a table, the rest from an expansion


@final
@dataclass(frozen=True, kw_only=True)
class Riesz(AbstractWhole):
    """The shift rule for a weight as a whole with any frequencies: also one scaled by data.

    Equation: df/dw = Omega sum_{n odd} p_n s_n f(w + n pi / (2 Omega)), p_n = 4 / (pi n)^2,
    s_n = (-1)^((n-1)/2), Omega = sum over occurrences of |da/dw| x the largest gap of the gate. For
    a_t = w x_t under `RX`: Omega = sum_t |x_t|.

    Two forms. `terms`: a fixed number of points with a window that makes the series converge at
    once; the bias is at most `truncation` x Omega. `samples`: points drawn with probability p_n,
    each counting s_n Omega: unbiased, with second moment Omega^2 per draw for outcomes +-1; with
    `shots=1` that is one fresh angle per shot.

    Cost: `terms` or `samples` runs per weight, whatever T. Variance with N shots on one weight:
    sigma^2 M^2 / N for `terms`, shots split by |coefficient|, M the sum of the |coefficients| (1.29
    Omega for 64 terms, 1.12 Omega for 128, 1.85 Omega for 32); at most Omega^2 / N for `samples`
    with one shot each. No unbiased linear rule has less than sigma^2 Omega^2 / N in the worst case.

    Use it for shared weights that are multiplied by data, or whose frequencies have no common
    spacing, where single occurrences cannot be shifted. Where they can, use `ParameterShift`: its
    shifts are small and fixed, and it knows which outputs a shift can reach. Without data scaling
    `SharedShift` has the smaller variance. Large shifts ask a device for angles far from those it
    was calibrated at, and in float32 they are rounded.

    Arguments:
        terms: points per weight, an even number; None for 64.
        samples: draw this many points per weight at random instead.
        chunk: runs simulated at a time, which bounds the memory; None chooses.
        devices: over how many devices the runs are divided, see `docs/devices.md`.

    Raises:
        ValueError: a setting out of range; a weight in a noise strength or in `AngleNoise`; data
            that are differentiated; second derivatives.

    Example:
        >>> import jax, jax.numpy as jnp, qrnn_jax as qj
        >>> circuit = qj.Circuit(1, (qj.RX(0, qj.Weight(0) * qj.Data(0)),))
        >>> cell, xs = qj.CircuitCell(circuit, (qj.Z(0),)), jnp.array([[0.37], [-1.13], [0.71]])
        >>> last = lambda w: qj.run(cell, w, xs, gradient=qj.Riesz())[-1, 0]
        >>> a = xs.sum()
        >>> bool(abs(jax.grad(last)(jnp.array([0.9]))[0] + a * jnp.sin(0.9 * a)) < 1e-5)
        True

    Source: Theis, arXiv 2207.01587 ("proper" shift rules); M. Riesz, Jahresber. DMV 23 (1914). The
    window is our own choice.
    """

    terms: int | None = None
    samples: int | None = None
    chunk: int | None = None
    devices: int = 1

    draws_setting = "samples"

    def __post_init__(self) -> None:
        for name in ("terms", "samples", "chunk"):
            check_count(name, getattr(self, name))
        check_devices(self.devices)
        if self.terms is not None and self.terms % 2:
            raise ValueError(
                f"Argument `terms` must be even, but is {self.terms}; try {self.terms + 1}."
            )
        if self.terms is not None and self.samples is not None:
            raise ValueError(
                "Arguments `terms` and `samples` must not both be given, but are "
                f"{self.terms} and {self.samples}; try leaving one of them out."
            )

    @property
    def truncation(self) -> float:
        """A bound of the bias, in units of Omega x max |f|; 0 for `samples`."""
        return 0.0 if self.samples else _series(self.terms or _TERMS).bound

    @property
    def is_unbiased(self) -> bool:
        return self.truncation < _SMALL_BIAS

    def refusal(self, circuit: Circuit) -> str | None:
        return spectrum_refusal("Riesz", circuit, weights=True, data=False)

    def problem_refusal(self, problem: Problem) -> str | None:
        return spectrum_refusal("Riesz", problem.circuit, problem.weights, problem.data)

    def count(self, problem: Problem) -> int:
        return len(_live(problem)) * (self.samples or self.terms or _TERMS)

    def displacement(self, problem: Problem, point: Point, index: Array, key: Any) -> Array:
        runs = self._runs(problem, point, key)
        bound = runs.bounds[index]
        shift = jnp.where(bound > 0, runs.nodes[index] / jnp.where(bound > 0, bound, 1), 0)
        return jnp.zeros_like(point.weights).at[runs.weights[index]].set(shift)

    def coefficients(self, problem: Problem, point: Point, tangent: Point, key: Any) -> Array:
        runs = self._runs(problem, point, key)
        return runs.bounds * runs.factors * tangent.weights[runs.weights]

    def shares(self, problem: Problem, point: Point, key: Any) -> Array | None:
        if self.samples:
            return None
        runs = self._runs(problem, point, key)
        return runs.bounds * jnp.abs(runs.factors)

    def _runs(self, problem: Problem, point: Point, key: Any) -> "_Runs":
        """All runs; those of one draw stand together."""
        live = jnp.asarray(_live(problem))
        dtype, each = point.tape.dtype, self.samples or self.terms or _TERMS
        if self.samples:
            numbers, signs = _draw(key, self.samples * len(live), dtype)
            nodes, factors = numbers * (jnp.pi / 2), signs / self.samples
        else:
            series = _series(each)
            nodes = jnp.repeat(jnp.asarray(series.nodes, dtype), len(live))
            factors = jnp.repeat(jnp.asarray(series.factors, dtype), len(live))
        weights = jnp.tile(live, each)
        return _Runs(weights, nodes, factors, _bounds(problem, point)[weights])


class _Runs(NamedTuple):
    """One row per run: shift = node / bound, coefficient = factor x bound."""

    weights: Array
    nodes: Array
    factors: Array
    bounds: Array


class _Series(NamedTuple):
    """The cut series for Omega = 1, and a bound of what was cut."""

    nodes: np.ndarray
    factors: np.ndarray
    bound: float


@lru_cache(maxsize=64)
def _series(terms: int) -> _Series:
    theta = min(0.5, 2 * _BETA / (np.pi * (terms + 1)))
    beta = theta * (terms + 1) * np.pi / 2
    wider = 1 / (1 - theta)  # Omega'
    numbers = np.arange(1, terms, 2)
    nodes = numbers * np.pi / (2 * wider)
    root = np.sqrt(beta**2 - (theta * wider * nodes) ** 2)
    window = beta / np.sinh(beta) * np.sinh(root) / root
    factors = wider * 4 / (np.pi * numbers) ** 2 * (-1.0) ** (numbers // 2) * window
    pair = np.array([1.0, -1.0])
    bound = wider * 4 / (np.pi**2 * terms) * beta / np.sinh(beta)
    return _Series(np.outer(nodes, pair).ravel(), np.outer(factors, pair).ravel(), float(bound))


def _draw(key: Array, count: int, dtype: Any) -> tuple[Array, Array]:
    """Odd numbers n with probability 4 / (pi n)^2, and their signs s_n, (count,) each.

    By inversion of P(|n| > 2j - 1) = (2 / pi^2) psi_1(j + 1/2): from a table for the first 64 j;
    behind it, with a uniform number of its own, from psi_1's expansion in 1/j, inverted:
    j = v - 1 / (12 v) + 11 / (720 v^3) with error below 1 / v^5. So the drawn law is off by less
    than 1e-12, and by the rounding of the uniform numbers.
    """
    first, second, third = jax.random.split(key, 3)
    odd = 2 * np.arange(1, _HEAD + 1) - 1
    below = np.cumsum(8 / (np.pi * odd) ** 2)  # P(|n| <= 2j - 1)
    u = jax.random.uniform(first, (count,), dtype)
    head = 1 + jnp.searchsorted(jnp.asarray(below, dtype), u, side="right")
    above = (1 - below[-1]) * (1 - jax.random.uniform(second, (count,), dtype))
    v = 2 / (np.pi**2 * above)
    tail = 1 + jnp.floor(v - 1 / (12 * v) + 11 / (720 * v**3))
    order = jnp.where(head <= _HEAD, head.astype(dtype), tail)
    side = jax.random.rademacher(third, (count,), dtype)
    return side * (2 * order - 1), side * (1 - 2 * jnp.mod(order - 1, 2))


def _live(problem: Problem) -> np.ndarray:
    """The weights that some angle depends on."""
    circuit = problem.circuit
    columns = [occurrence.column for occurrence in weight_occurrences(circuit)]
    found = {index for column in columns for index in circuit.parameters[column].weights}
    return np.array(sorted(found) if problem.weights else [], int)


def _bounds(problem: Problem, point: Point) -> Array:
    """Omega of every weight, (Kw,): sum over occurrences of |da/dw| x largest gap."""
    gaps = np.zeros(len(problem.circuit.parameters))
    for occurrence in weight_occurrences(problem.circuit):
        gaps[occurrence.column] = occurrence.gaps[-1]
    slopes = jax.vmap(jax.jacfwd(partial(spread, problem.circuit)), (None, 0))
    each = jnp.abs(slopes(point.weights, point.data))  # (T, K, Kw)
    return jnp.einsum("tkw,k->w", each, jnp.asarray(gaps, each.dtype))
