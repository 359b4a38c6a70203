"""The parameter-shift rule, per gate occurrence.

Let a[t, k] be the angle of the k-th parameter of step t: one entry per gate occurrence. Each gate
obeys, as a linear map on states, d/da = sum_j c_j (shift by s_j), with (c_j, s_j) from the spectrum
of its generator. Outputs are linear in each occurrence's map, whatever stands in between, hence

    J[t, k, s, m] = d y[s, m] / d a[t, k] = sum_j c_j y[s, m](a + s_j e_tk)

    dy[s, m] = sum_{t, k} J[t, k, s, m] da[t, k],      da = the JAX tangent of `spread`

`spread` maps shared weights and data to occurrences, so its transpose sums over them: the product
rule is not written anywhere, it is the shape of the program. By causality J = 0 for s < t.
"""

from dataclasses import dataclass
from typing import Any, final

import jax
import jax.numpy as jnp
from jax import Array

from qrnn_jax.circuit import AngleNoise, Circuit
from qrnn_jax.circuit.spread import spread
from qrnn_jax.devices import check_devices
from qrnn_jax.gradients.base import AbstractExpectations, Function, Start
from qrnn_jax.gradients.estimator import AbstractEstimator
from qrnn_jax.gradients.runs import RULE, Point, Problem, kept_reads
from qrnn_jax.gradients.settings import check_choice, check_count
from qrnn_jax.gradients.shift_table import Table, shift_table
from qrnn_jax.gradients.sweep import swept

ROUTES = ("replay", "shared")
ALLOCATIONS = ("uniform", "weighted")


@final
@dataclass(frozen=True, kw_only=True)
class ParameterShift(AbstractEstimator):
    """The exact shift rule per gate occurrence: the gradient that a device can measure.

    Equation: dy_s/dw = sum_{t <= s} sum_k (da_tk/dw) sum_j c_j y_s(a + s_j e_tk); two terms per
    distinct frequency of the gate's generator (2 for RX, 4 for CRX).

    Under shots the estimate is unbiased: every run has its own key. With N shots in all for a
    weight that occurs T times its standard error is sigma T / sqrt(N), sigma the spread of one
    outcome. No unbiased linear rule does better in the worst case; where memory fades, a tuned
    `FiniteDifference` or `SPSA` can have the smaller error. On a simulator `Backprop` gives the
    exact numbers far faster. The carried state returned by `simulate` is detached, and
    differentiating with respect to `carry` is refused.

    Arguments:
        route: "replay": every shifted circuit really runs, 2 x frequencies x occurrences of them:
            what hardware does; forward and reverse mode, weights and data, any order. "shared": one
            adjoint sweep serves all shifts of a scalar loss: exact `DensityMatrix` runs only,
            reverse mode only, the same numbers, far cheaper.
        horizon: count only the last `horizon` occurrences before each output: less variance, a bias
            that fading memory keeps small; None for all of them. For all T outputs every circuit is
            still played; for one output only 2 x frequencies x `horizon` of a step's would count.
            `gradient_by_age` tells what a horizon drops.
        samples: play this many runs, drawn at random with replacement, instead of all: unbiased.
            A standard error then comes from the spread of the draws: with few draws per weight it
            is rough, and on average too small.
        allocation: how shots are split: "uniform", or "weighted" by |c_j| |da/dw|, the total kept.
        angle_noise: proceed where noise depends on the angle (`AngleNoise`): then the rule is
            biased, as it is on a device.
        chunk: shifted runs simulated at a time, which bounds the memory; None chooses.
        devices: over how many devices the shifted runs are divided, see `docs/devices.md`.

    Raises:
        ValueError: a setting out of range; a channel's strength depends on what is differentiated
            (noise is not trainable by shifts: use `Backprop`); angle-dependent noise; on modes,
            a gate that is not Gaussian, or a drawn `Homodyne` outcome.

    Example:
        >>> import jax, jax.numpy as jnp, qrnn_jax as qj
        >>> cell = qj.CircuitCell(qj.Circuit(1, (qj.RX(0, qj.Weight(0)),)), (qj.Z(0),))
        >>> f = lambda w: qj.run(cell, w, jnp.zeros((1, 0)), gradient=qj.ParameterShift()).sum()
        >>> float(jax.grad(f)(jnp.array([jnp.pi / 2]))[0].round(5))
        -1.0

    Source: Mitarai et al., Phys. Rev. A 98, 032309 (2018); Schuld et al., Phys. Rev. A 99, 032331
    (2019); per occurrence in a recurrent circuit: Viqueira et al., arXiv 2310.20671.
    """

    route: str = "replay"
    horizon: int | None = None
    samples: int | None = None
    allocation: str = "uniform"
    angle_noise: bool = False
    chunk: int | None = None
    devices: int = 1

    draws_setting = "samples"

    def __post_init__(self) -> None:
        check_choice("route", self.route, ROUTES)
        check_choice("allocation", self.allocation, ALLOCATIONS)
        for name in ("horizon", "samples", "chunk"):
            check_count(name, getattr(self, name))
        check_devices(self.devices)
        special = self.samples or self.horizon or self.allocation != "uniform"
        if self.route == "shared" and (special or self.devices > 1):
            raise ValueError(
                'Argument `route` must be "replay" with `horizon`, `samples`, `devices` or an '
                '`allocation`, but is "shared", which plays no shifted runs; try `route="replay"`.'
            )
        if self.samples and self.allocation != "uniform":
            raise ValueError(
                'Argument `allocation` must be "uniform" with `samples`, but is '
                f'"{self.allocation}"; try leaving one of them out.'
            )

    @property
    def needs_exact(self) -> bool:  # type: ignore[override]
        return self.route == "shared"

    @property
    def is_unbiased(self) -> bool:
        return self.horizon is None and not self.angle_noise

    def refusal(self, circuit: Circuit) -> str | None:
        return self._refuse(circuit, weights=True, data=False)

    def problem_refusal(self, problem: Problem) -> str | None:
        return self._refuse(problem.circuit, problem.weights, problem.data)

    def differentiate(self, expectations: AbstractExpectations) -> Function:
        if self.route == "shared":
            return swept(self, expectations)
        return super().differentiate(expectations)

    def count(self, problem: Problem) -> int:
        total = problem.steps * len(shift_table(problem).columns)
        return min(self.samples, total) if self.samples and not total else self.samples or total

    def play(self, problem: Problem, point: Point, index: Array, key: Any) -> tuple[Array, Array]:
        table = shift_table(problem)
        time, row = self._place(problem, table, key)
        time, row = time[index], row[index]
        shift = jnp.asarray(table.shifts, point.tape.dtype)[row]
        tape = point.tape.at[time, jnp.asarray(table.columns)[row]].add(shift)
        age = jnp.arange(problem.steps) - time  # causality: outputs before the shift do not change
        return tape, (age >= 0) & (age < (self.horizon or problem.steps))

    def coefficients(self, problem: Problem, point: Point, tangent: Point, key: Any) -> Array:
        table = shift_table(problem)
        time, row = self._place(problem, table, key)
        factors = jnp.asarray(table.coefficients, tangent.tape.dtype)[row]
        scale = problem.steps * len(table.columns) / self.count(problem)
        return scale * factors * tangent.tape[time, jnp.asarray(table.columns)[row]]

    def shares(self, problem: Problem, point: Point, key: Any) -> Array | None:
        if self.allocation == "uniform":
            return None
        table = shift_table(problem)
        time, row = self._place(problem, table, key)
        slopes = _slopes(problem, point)[time, jnp.asarray(table.columns)[row]]
        return jnp.abs(jnp.asarray(table.coefficients, slopes.dtype)[row]) * slopes

    def again(
        self, expectations: AbstractExpectations, tape: Array, tape_dot: Array, start: Start
    ) -> Array:
        if self.allocation != "uniform":
            raise ValueError(
                'Argument `allocation` must be "uniform" for second derivatives, but is '
                f'"{self.allocation}"; try leaving it out.'
            )
        problem = Problem(expectations.circuit, len(tape), True, True, expectations.degree)
        nothing = jnp.zeros(0, tape.dtype)
        point = Point(nothing, nothing, tape)
        runs = kept_reads(self, expectations, problem, point, start)
        tangent = Point(nothing, nothing, tape_dot)
        key = start.stream(RULE).key
        return jnp.einsum("r,rsm->sm", self.coefficients(problem, point, tangent, key), runs)

    def _place(self, problem: Problem, table: Table, key: Any) -> tuple[Array, Array]:
        """The step and the row of the table of every run."""
        rows = len(table.columns)
        index = jnp.arange(problem.steps * rows)
        if self.samples:
            index = jax.random.randint(key, (self.samples,), 0, len(index))
        return index // rows, index % rows

    def _refuse(self, circuit: Circuit, weights: bool, data: bool) -> str | None:
        wanted = circuit.gradient_slots(weights, data)
        for operation, offset in zip(circuit.operations, circuit.offsets):
            if operation.shift_obstacle and wanted.any():
                return (
                    f"`ParameterShift` must not meet {operation}: {operation.shift_obstacle}; "
                    "try `Backprop()`."
                )
            used = wanted[offset : offset + len(operation.parameters)].any()
            if operation.has_shift_rule or not used:
                continue
            if not isinstance(operation, AngleNoise):
                kind = "this gate" if operation.is_unitary else "a noise strength"
                return (
                    f"`ParameterShift` must not differentiate {kind}, but {operation} "
                    "depends on what is differentiated; try a constant there, or `Backprop()`."
                )
            if not self.angle_noise:
                return (
                    "`ParameterShift` must not meet noise that depends on the angle, but "
                    f"{operation} does; try `Backprop()`, or `ParameterShift(angle_noise=True)` "
                    "for the biased gradient that a device would return."
                )
        return None


def _slopes(problem: Problem, point: Point) -> Array:
    """|da_tk| for unit changes of what is differentiated, (T, K): root of the sum of squares."""

    def row(weights: Array, data_t: Array) -> Array:
        return spread(problem.circuit, weights, data_t)

    total = jnp.zeros(point.tape.shape, point.tape.dtype)
    for argument, wanted in enumerate((problem.weights, problem.data)):
        if wanted:
            jacobian = jax.vmap(jax.jacfwd(row, argnums=argument), (None, 0))
            total += jnp.sum(jacobian(point.weights, point.data) ** 2, axis=-1)
    return jnp.sqrt(total)
