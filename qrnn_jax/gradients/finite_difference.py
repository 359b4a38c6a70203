"""Finite differences: one parameter at a time, a small or a well chosen step.

A scheme is f' = sum_j d_j f(w + m_j h) / h + bias with bias = b h^p f^(q) to leading order. With N
shots split by |d_j| the variance is v sigma^2 / (N h^2), v = (sum_j |d_j|)^2, hence

    MSE(h) = (b h^p f^(q))^2 + v sigma^2 / (N h^2),

least at h^(2p+2) = v sigma^2 / (p (b f^(q))^2 N), where it is (1 + p) times the squared bias: the
error falls as N^(-p/(2p+2)), slower than N^(-1/2).
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple, final

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import DTypeLike

from qrnn_jax.devices import check_devices
from qrnn_jax.gradients.perturbation import TARGETS, AbstractPerturbation
from qrnn_jax.gradients.runs import Point, Problem
from qrnn_jax.gradients.settings import check_choice, check_count, check_positive
from qrnn_jax.gradients.whole import parameter_count


class _Scheme(NamedTuple):
    """Multiples m_j and weights d_j of the points, and the bias: b h^p f^(q), with q = p + 1."""

    multiples: tuple[int, ...]
    weights: tuple[float, ...]
    bias: float
    order: int

    @property
    def spread(self) -> float:
        """v."""
        return sum(map(abs, self.weights)) ** 2


SCHEMES = {
    "forward": _Scheme((1, 0), (1.0, -1.0), 1 / 2, 1),
    "central": _Scheme((1, -1), (1 / 2, -1 / 2), 1 / 6, 2),
    "five-point": _Scheme((1, -1, 2, -2), (2 / 3, -2 / 3, -1 / 12, 1 / 12), -1 / 30, 4),
}


@final
@dataclass(frozen=True, kw_only=True)
class FiniteDifference(AbstractPerturbation):
    """Differences of runs at neighbouring weights: any circuit, two runs per weight, biased.

    Equation: forward [f(w + h) - f(w)] / h; central [f(w + h) - f(w - h)] / (2h); five-point
    [8 f(w + h) - 8 f(w - h) - f(w + 2h) + f(w - 2h)] / (12h).

    Cost: P + 1, 2P, 4P runs for P weights, whatever T. Bias: h f''/2, h^2 f'''/6, -h^4 f^(5)/30.
    Variance with N shots on one derivative: 4, 1, 2.25 times sigma^2 / (N h^2), five-point shots
    split 8 : 1. At `optimal_step` the error falls as N^(-1/4), N^(-1/3), N^(-2/5) only.

    A tiny step under shots is hopeless: h = 1e-7 at 1000 shots gives a standard error near 4e5, so
    there the step must be given. A well chosen large one can beat `ParameterShift` where memory
    fades and shots are few; with coherent memory (f''' near T^3) it loses from a handful of shots
    on. A bias does not average out over a training run. In exact runs `Backprop` is exact and far
    faster; a step across 0 or 1 of a noise strength gives NaN.

    Arguments:
        step: h; None takes eps^(1/2), eps^(1/3), eps^(1/5) of the number type, in exact runs only.
        scheme: "forward", "central" or "five-point".
        on: "outputs" (then the chain rule), or "loss" for `estimate_gradient`. Outputs are
            differenced in the weights, and in data entries where these are differentiated.
        chunk: runs simulated at a time, which bounds the memory; None chooses.
        devices: over how many devices the runs are divided, see `docs/devices.md`.

    Raises:
        ValueError: a setting out of range; shots without a step; `on="loss"` outside of
            `estimate_gradient`; second derivatives.

    Example:
        >>> import jax, jax.numpy as jnp, qrnn_jax as qj
        >>> cell = qj.CircuitCell(qj.Circuit(1, (qj.RX(0, qj.Weight(0)),)), (qj.Z(0),))
        >>> rule = qj.FiniteDifference(scheme="five-point")
        >>> f = lambda w: qj.run(cell, w, jnp.zeros((1, 0)), gradient=rule)[0, 0]
        >>> bool(abs(jax.grad(f)(jnp.array([0.8]))[0] + jnp.sin(0.8)) < 1e-4)
        True

    Source: Mari, Bromley, Killoran, Phys. Rev. A 103, 012405 (2021).
    """

    step: float | None = None
    scheme: str = "central"
    on: str = "outputs"
    chunk: int | None = None
    devices: int = 1

    def __post_init__(self) -> None:
        check_positive("step", self.step)
        check_choice("scheme", self.scheme, tuple(SCHEMES))
        check_choice("on", self.on, TARGETS)
        check_count("chunk", self.chunk)
        check_devices(self.devices)

    @staticmethod
    def optimal_step(scheme: str, shots: int, derivative: float, sigma: float = 1.0) -> float:
        """The step of least mean squared error under shots, to leading order.

        Equation: h^(2p+2) = v sigma^2 / (p (b f^(q))^2 N): forward 2 (sigma / |f''|)^(1/2)
        N^(-1/4); central (18 sigma^2 / (N f'''^2))^(1/6); five-point (506.25 sigma^2 / (N
        f^(5)^2))^(1/10).

        Arguments:
            scheme: as above.
            shots: N, the total on one partial derivative, all its runs together: 2 S for forward
                and central with S shots a circuit, 4 S for five-point. Forward runs of P weights
                share their base run; N = 2 S all the same.
            derivative: f'', f''' or f^(5) at the point, or a bound: T^q at worst for a weight that
                occurs T times with unit gap.
            sigma: standard deviation of one outcome.

        Returns:
            h, in radians.

        Raises:
            ValueError: an unknown scheme, or numbers that are not positive.

        Example:
            >>> import qrnn_jax as qj
            >>> round(qj.FiniteDifference.optimal_step("central", 10_000, derivative=1.0), 3)
            0.349

        Source: Mari, Bromley, Killoran, Phys. Rev. A 103, 012405 (2021).
        """
        found = _checked(scheme, shots, derivative, sigma)
        curve = (found.bias * derivative) ** 2
        square = found.spread * sigma**2 / (found.order * curve * shots)
        return float(square ** (1 / (2 * found.order + 2)))

    @staticmethod
    def predicted_rmse(
        scheme: str,
        shots: int,
        derivative: float,
        sigma: float = 1.0,
        *,
        step: float | None = None,
    ) -> float:
        """The root mean squared error, bias and shot noise together, to leading order.

        Equation: RMSE^2 = (b h^p f^(q))^2 + v sigma^2 / (N h^2). At the optimal step: forward (2
        sigma |f''|)^(1/2) N^(-1/4); central 0.757 (sigma^2 |f'''| / N)^(1/3).

        Arguments:
            scheme: as in `optimal_step`.
            shots: N, as in `optimal_step`.
            derivative: as in `optimal_step`.
            sigma: standard deviation of one outcome.
            step: h; None for the optimal one.

        Returns:
            The error of one partial derivative.

        Raises:
            ValueError: as `optimal_step`.

        Example:
            >>> import qrnn_jax as qj
            >>> round(qj.FiniteDifference.predicted_rmse("central", 10_000, derivative=1.0), 4)
            0.0351

        Source: Mari, Bromley, Killoran, Phys. Rev. A 103, 012405 (2021).
        """
        found = _checked(scheme, shots, derivative, sigma)
        check_positive("step", step)
        h = step or FiniteDifference.optimal_step(scheme, shots, derivative, sigma)
        bias = found.bias * h**found.order * derivative
        return math.sqrt(bias**2 + found.spread * sigma**2 / (shots * h**2))

    def sampled_refusal(self) -> str | None:
        if self.step is not None:
            return None
        return (
            "Argument `step` of `FiniteDifference` must be given under shots, but is None: the "
            "tiny step of exact runs would divide the shot noise by it; try `step=0.3`, or "
            f'`FiniteDifference.optimal_step("{self.scheme}", shots, derivative)`.'
        )

    def step_for(self, dtype: DTypeLike) -> float:
        order = SCHEMES[self.scheme].order
        return self.step or float(jnp.finfo(dtype).eps) ** (1 / (order + 1))

    def runs(self, size: int) -> int:
        return size + 1 if self.scheme == "forward" else size * len(self._points)

    def offsets(self, size: int, dtype: DTypeLike, key: Any) -> tuple[Array, Array]:
        del key
        h, points = self.step_for(dtype), self._points
        unit = np.eye(size)
        moves = np.concatenate([multiple * unit for multiple, _ in points])
        table = np.concatenate([weight * unit for _, weight in points], axis=1)
        if self.scheme == "forward":  # one base run for all
            moves = np.concatenate([moves, np.zeros((1, size))])
            table = np.concatenate([table, -np.ones((size, 1))], axis=1)
        return h * jnp.asarray(moves, dtype), jnp.asarray(table, dtype) / h

    def play(self, problem: Problem, point: Point, index: Array, key: Any) -> tuple[Array, Array]:
        tape, keep = super().play(problem, point, index, key)
        if self.scheme == "forward" or not problem.data:  # the base run serves all entries
            return tape, keep
        place = index % parameter_count(problem) - problem.weights * point.weights.size
        time = jnp.maximum(place, 0) // point.data.shape[1]
        return tape, jnp.arange(problem.steps) >= time  # causality: earlier outputs stay

    def split(self, size: int, dtype: DTypeLike) -> Array | None:
        if self.scheme != "five-point":
            return None
        return jnp.asarray(np.repeat([abs(weight) for _, weight in self._points], size), dtype)

    @property
    def _points(self) -> list[tuple[int, float]]:
        """(multiple, weight) of the points off the centre."""
        scheme = SCHEMES[self.scheme]
        return [point for point in zip(scheme.multiples, scheme.weights) if point[0]]


def _checked(scheme: str, shots: int, derivative: float, sigma: float) -> _Scheme:
    check_choice("scheme", scheme, tuple(SCHEMES))
    check_count("shots", shots)
    check_positive("sigma", sigma)
    check_positive("derivative", abs(derivative))
    return SCHEMES[scheme]
