"""Autodiff through sampled outcomes, without sampling: every branch written out.

A program that draws the outcomes of measurements and is then differentiated returns, on average,

    sum_b p_b dv_b/dw     in place of     d/dw sum_b p_b v_b,

p_b(w) the probability of a list of outcomes b, v_b(w) the expectation value after it: the score
term sum_b v_b dp_b/dw is missing. Here both are computed, with p_b held fixed or not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from jax import Array

import qrnn_jax as qj

Branches = Callable[[Array], tuple[Array, Array]]  # weights -> p_b (B,), v_b (B,)


def true_and_pathwise(branches: Branches, weights: Array) -> tuple[Array, Array]:
    """The gradient, and what is left of it when probabilities are not differentiated; each (P,).

    Example:
        >>> import jax.numpy as jnp
        >>> from qrnn_jax.validation.pathwise import true_and_pathwise
        >>> def branches(w):  # a fair coin's probability, bent by w; the values know nothing of w
        ...     return jnp.stack([0.5 + w[0], 0.5 - w[0]]), jnp.array([1.0, -1.0])
        >>> [gradient.tolist() for gradient in true_and_pathwise(branches, jnp.zeros(1))]
        [[2.0], [0.0]]
    """

    def mean(weights: Array, held: bool) -> Array:
        chances, values = branches(weights)
        return jnp.sum((jax.lax.stop_gradient(chances) if held else chances) * values)

    return jax.grad(mean)(weights, False), jax.grad(mean)(weights, True)


def two_qubit_branches(weights: Array) -> tuple[Array, Array]:
    """RX(a) on one qubit, CNOT, measure it, RY(b) on the other one; Z of that: cos a cos b.

    Given the outcome, the second qubit no longer depends on a: all of df/da is in p_b.

    Example:
        >>> import jax.numpy as jnp
        >>> from qrnn_jax.validation.pathwise import two_qubit_branches
        >>> from qrnn_jax.validation.quick_jit import quick_jit
        >>> chances, values = quick_jit(two_qubit_branches)(jnp.array([jnp.pi / 2, 0.0]))
        >>> chances.round(3).tolist(), values.round(3).tolist()
        ([0.5, 0.5], [1.0, -1.0])
    """
    gates = (qj.RX(0, qj.Weight(0)), qj.CNOT(0, 1))
    state = _apply(_zero(2), gates, 2, weights, jnp.zeros(0))
    ends = jnp.concatenate([_keep(state, outcome) for outcome in (0, 1)])
    ends = _apply(ends, (qj.RY(1, qj.Weight(1)),), 2, weights, jnp.zeros(0))
    return _moments(ends, wire=1)


def recurrent_branches(cell: qj.CircuitCell, xs: Array) -> Branches:
    """All branches of a cell of rotations whose wire 0 is measured and reset after every step.

    The last output is Z on wire 0, just before it would be measured: 2^(T-1) branches.

    Arguments:
        cell: gates, then `Reset(0)`.
        xs: (T, Kd), radians.
    """
    gates = [op for op in cell.circuit.operations if isinstance(op, qj.AbstractGate)]
    wires = cell.circuit.wires

    def branches(weights: Array) -> tuple[Array, Array]:
        state = _zero(wires)
        for time, x in enumerate(xs):
            if time:
                state = jnp.concatenate([_reset(state, outcome) for outcome in (0, 1)])
            state = _apply(state, gates, wires, weights, x)
        return _moments(state, wire=0)

    return branches


def _zero(wires: int) -> Array:
    """One branch with all wires in |0>: (1, 2, ..., 2)."""
    return jnp.zeros((1,) + (2,) * wires, complex).at[(0,) * (wires + 1)].set(1)


def _apply(
    state: Array, gates: Sequence[qj.AbstractGate], wires: int, weights: Array, data: Array
) -> Array:
    for gate in gates:
        angles = [_value(slot, weights, data) for slot in gate.parameters]
        count = len(gate.wires)
        matrix = jnp.reshape(gate.matrix(*angles), (2,) * (2 * count))
        axes = [1 + wire for wire in gate.wires]
        state = jnp.tensordot(matrix, state, (list(range(count, 2 * count)), axes))
        state = jnp.moveaxis(state, list(range(count)), axes)
    return state


def _value(slot: qj.Slot, weights: Array, data: Array) -> Array:
    value = jnp.asarray(slot.constant, weights.dtype)
    for coefficient, weight, datum in slot.terms:
        factor = 1.0 if weight is None else weights[weight]
        value = value + coefficient * factor * (1.0 if datum is None else data[datum])
    return value


def _keep(state: Array, outcome: int) -> Array:
    """The branch of an outcome of wire 0."""
    return jnp.zeros_like(state).at[:, outcome].set(state[:, outcome])


def _reset(state: Array, outcome: int) -> Array:
    """The branch of an outcome of wire 0, which is then |0>."""
    return jnp.zeros_like(state).at[:, 0].set(state[:, outcome])


def _moments(state: Array, wire: int) -> tuple[Array, Array]:
    """The probability of each branch, and <Z> given the branch."""
    chances = jnp.abs(jnp.moveaxis(state, 1 + wire, 1)) ** 2
    ups, downs = jnp.sum(chances.reshape(len(state), 2, -1), axis=-1).T
    return ups + downs, (ups - downs) / (ups + downs)
