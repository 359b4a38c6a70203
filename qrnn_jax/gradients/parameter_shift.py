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
from functools import partial
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from qrnn_jax.circuit import AbstractChannel, AbstractGate, Circuit
from qrnn_jax.circuit.spread import spread
from qrnn_jax.gradients.base import AbstractExpectations, AbstractGradient, Function


@final
@dataclass(frozen=True)
class ParameterShift(AbstractGradient):
    """The exact shift rule per gate occurrence: the gradient that a device can measure.

    Equation: dy_s/dw = sum_{t <= s} sum_k (da_tk/dw) sum_j c_j y_s(a + s_j e_tk); two terms per
    distinct frequency of the gate's generator (2 for RX, 4 for CRX).

    Every shifted circuit really runs (`replay`): 2 x frequencies x occurrences runs of T steps, all
    later outputs from each. What is not differentiated is not shifted. Forward and reverse mode,
    weights and data, any order. On a simulator `Backprop` gives the same numbers far faster; use
    this rule to check what hardware would return. The carried state returned by `simulate` is
    detached (its tangent is zero), and differentiating with respect to `carry` is refused.

    Arguments:
        chunk: shifted runs simulated at a time, which bounds the memory; None means 128.

    Raises:
        ValueError: `chunk` is no positive integer; a channel's strength depends on what is
            differentiated (noise is not trainable by shifts: use `Backprop`).

    Example:
        >>> import jax, jax.numpy as jnp, qrnn_jax as qj
        >>> cell = qj.CircuitCell(qj.Circuit(1, (qj.RX(0, qj.Weight(0)),)), (qj.Z(0),))
        >>> f = lambda w: qj.run(cell, w, jnp.zeros((1, 0)), gradient=qj.ParameterShift()).sum()
        >>> float(jax.grad(f)(jnp.array([jnp.pi / 2]))[0].round(5))
        -1.0

    Source: Mitarai et al., Phys. Rev. A 98, 032309 (2018); Schuld et al., Phys. Rev. A 99, 032331
    (2019); per occurrence in a recurrent circuit: Viqueira et al., arXiv 2310.20671.
    """

    chunk: int | None = None

    def __post_init__(self) -> None:
        if self.chunk is not None and (isinstance(self.chunk, bool) or self.chunk < 1):
            raise ValueError(
                f"Argument `chunk` must be an integer of 1 or more, but is {self.chunk}."
            )

    def refusal(self, circuit: Circuit) -> str | None:
        return _refuse_trainable_noise(circuit, weights=True, data=False)

    def differentiate(self, expectations: AbstractExpectations) -> Function:
        return partial(_shifted_function, expectations, self.chunk or 128)

    def evaluations(self, circuit: Circuit, steps: int, *, data: bool = False) -> int:
        """How many shifted circuits one gradient needs.

        Arguments:
            circuit: the step.
            steps: T.
            data: whether the gradient in the data is asked for, too.

        Returns:
            2 x frequencies x occurrences, without the unshifted run.

        Example:
            >>> import qrnn_jax as qj
            >>> circuit = qj.Circuit(2, (qj.RX(0, qj.Weight(0)), qj.CRX(0, 1, qj.Weight(1))))
            >>> qj.ParameterShift().evaluations(circuit, steps=20)
            120
        """
        columns, _, _ = _shift_table(circuit, weights=True, data=data)
        return steps * len(columns)


def _shifted_function(
    expectations: AbstractExpectations, chunk: int, weights: Array, data: Array, state: Array
) -> tuple[Array, Array]:
    """f with the shift rule attached; the new state is detached."""
    reads = _reads(expectations, chunk, weights, data, state)
    _, new = expectations(*lax.stop_gradient((weights, data, state)), loop=lax.scan)
    return reads, lax.stop_gradient(new)


@partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def _reads(
    expectations: AbstractExpectations, chunk: int, weights: Array, data: Array, state: Array
) -> Array:
    """y(weights, data), prepared once."""
    del chunk
    return expectations(weights, data, state, loop=lax.scan)[0]


@partial(_reads.defjvp, symbolic_zeros=True)
def _reads_jvp(
    expectations: AbstractExpectations, chunk: int, primals: Any, tangents: Any
) -> tuple[Array, Array]:
    weights, data, state = primals
    in_weights, in_data, in_state = (not _is_zero(tangent) for tangent in tangents)
    if in_state:
        raise ValueError(
            "Argument `carry` must not be differentiated under `ParameterShift`, but is; "
            "try `gradient=Backprop()`, or `jax.lax.stop_gradient(carry)`."
        )
    reads = _reads(expectations, chunk, weights, data, state)
    circuit = expectations.circuit
    refusal = _refuse_trainable_noise(circuit, in_weights, in_data)
    if refusal:
        raise ValueError(refusal)
    table = _shift_table(circuit, in_weights, in_data)
    if not table[0].size:  # nothing is differentiated, or no angle depends on it
        return reads, jnp.zeros_like(reads)
    weights_dot, data_dot = (
        jnp.zeros_like(primal) if _is_zero(tangent) else tangent
        for primal, tangent in zip((weights, data), tangents)
    )
    tape, tape_dot = jax.jvp(partial(spread, circuit), (weights, data), (weights_dot, data_dot))
    return reads, _tangent(expectations, chunk, table, tape, tape_dot, state)


@partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def _replayed(expectations: AbstractExpectations, chunk: int, tape: Array, state: Array) -> Array:
    """y(tape): every occurrence has its own angle. Differentiated (again) by shifts."""
    del chunk
    return expectations.replay(tape, state)[0]


@_replayed.defjvp
def _replayed_jvp(
    expectations: AbstractExpectations, chunk: int, primals: Any, tangents: Any
) -> tuple[Array, Array]:
    tape, state = primals
    table = _shift_table(expectations.circuit, weights=True, data=True)
    reads = _replayed(expectations, chunk, tape, state)
    return reads, _tangent(expectations, chunk, table, tape, tangents[0], state)


Table = tuple[np.ndarray, np.ndarray, np.ndarray]


def _tangent(
    expectations: AbstractExpectations,
    chunk: int,
    table: Table,
    tape: Array,
    tape_dot: Array,
    state: Array,
) -> Array:
    """sum_{t, k} J[t, k] tape_dot[t, k]; the runs are made `chunk` at a time."""
    columns, coefficients, shifts = table
    steps = tape.shape[0]

    def shifted(index: Array) -> Array:
        """coefficient * y(one shifted run), with the outputs before the shift masked: causality."""
        time, row = index // len(columns), index % len(columns)
        shift = jnp.asarray(shifts, tape.dtype)[row]
        moved = tape.at[time, jnp.asarray(columns)[row]].add(shift)
        reads = _replayed(expectations, chunk, moved, state)
        later = (jnp.arange(steps) >= time)[:, None]
        return jnp.where(later, jnp.asarray(coefficients, tape.dtype)[row] * reads, 0)

    runs = lax.map(shifted, jnp.arange(steps * len(columns)), batch_size=chunk)
    weights = tape_dot[:, columns].reshape(-1)  # (T * terms,)
    return jnp.einsum("r,rsm->sm", weights, runs)


def _shift_table(circuit: Circuit, weights: bool, data: bool) -> Table:
    """One row per shift term of each wanted parameter: (tape column, coefficient, shift)."""
    wanted = circuit.gradient_slots(weights, data)
    rows = [
        (offset + position, term.coefficient, term.shift)
        for operation, offset in zip(circuit.operations, circuit.offsets)
        if isinstance(operation, AbstractGate)
        for position in range(len(operation.parameters))
        if wanted[offset + position]
        for term in operation.shift_terms(position)
    ]
    columns, coefficients, shifts = zip(*rows) if rows else ((), (), ())
    return np.array(columns, int), np.array(coefficients), np.array(shifts)


def _refuse_trainable_noise(circuit: Circuit, weights: bool, data: bool) -> str | None:
    wanted = circuit.gradient_slots(weights, data)
    for operation, offset in zip(circuit.operations, circuit.offsets):
        count = len(operation.parameters)
        if isinstance(operation, AbstractChannel) and wanted[offset : offset + count].any():
            return (
                f"`ParameterShift` must not differentiate a noise strength, but {operation} "
                "depends on what is differentiated; try a constant strength, or `Backprop()`."
            )
    return None


def _is_zero(tangent: Any) -> bool:
    return isinstance(tangent, jax.custom_derivatives.SymbolicZero)
