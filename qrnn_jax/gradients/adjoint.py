"""Exact reverse mode that keeps no states: unitary steps are undone on the way back."""

from dataclasses import dataclass
from functools import partial
from typing import Any, final

import jax
import jax.numpy as jnp
from jax import Array, lax

from qrnn_jax.circuit import Circuit
from qrnn_jax.circuit.spread import spread
from qrnn_jax.engines.base import scaled_step
from qrnn_jax.gradients.base import (
    AbstractExpectations,
    AbstractSimulatorGradient,
    Function,
    Start,
)
from qrnn_jax.gradients.sweep import record


@final
@dataclass(frozen=True)
class Adjoint(AbstractSimulatorGradient):
    """Exact reverse mode with memory that does not grow with T (unitary steps).

    Equation: psi_{t-1} = U_t^dagger psi_t on the way back; where a step resets it cannot be undone,
    and the memory's state before each step is kept instead, never what happens inside the step.

    Reverse mode only: `jax.jvp`, `jax.jacfwd` and `jax.hessian` raise; use `Backprop` there. For
    steps that reset, `Checkpointed` needs less memory still on long sequences. Undoing many steps
    adds up rounding: about 1e-15 per step in float64, 1e-6 in float32. The returned carry is
    differentiable.

    Example:
        >>> import jax, jax.numpy as jnp, qrnn_jax as qj
        >>> cell = qj.CircuitCell(qj.Circuit(1, (qj.RX(0, qj.Weight(0)),)), (qj.Z(0),))
        >>> f = lambda w: qj.run(cell, w, jnp.zeros((9, 0)), gradient=qj.Adjoint()).sum()
        >>> jax.grad(f)(jnp.zeros(1)).shape
        (1,)

    Source: Jones and Gacon, arXiv 2009.02823.
    """

    def refusal(self, circuit: Circuit) -> str | None:
        del circuit
        return None

    def differentiate(self, expectations: AbstractExpectations) -> Function:
        return partial(_adjoint, expectations)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _adjoint(
    expectations: AbstractExpectations, weights: Array, data: Array, start: Start
) -> tuple[Array, Any]:
    return expectations(weights, data, start, loop=lax.scan)


def _forward(
    expectations: AbstractExpectations, weights: Array, data: Array, start: Start
) -> tuple[Any, Any]:
    if expectations.plan.is_reversible:
        reads, state = expectations(weights, data, start, loop=lax.scan)
        return (reads, state), (weights, data, start, state, None)
    (before, reads), state = expectations(weights, data, start, loop=record)
    return (reads, state), (weights, data, start, state, before)


def _backward(
    expectations: AbstractExpectations, kept: Any, cotangents: tuple[Array, Any]
) -> tuple[Array, Array, Start]:
    """The chain rule from the last step to the first."""
    weights, data, start, state, before = kept
    plan = expectations.plan
    tape, pull_tape = jax.vjp(partial(spread, expectations.circuit), weights, data)
    prepared, pull_prepared = jax.vjp(plan.prepare, tape[0])
    encoded, pull_encoded = jax.vjp(lambda t: jax.vmap(partial(plan.encode, prepared))(t), tape)

    def back(carry: Any, step: Any) -> tuple[Any, Any]:
        after, later, total = carry
        encoded_t, scale, ct, earlier = step
        if earlier is None:
            earlier = plan.undo(prepared, after, encoded_t)
        _, pull = jax.vjp(
            lambda p, c, e: scaled_step(plan, p, c, (e, scale)), prepared, earlier, encoded_t
        )
        here, later, in_encoded = pull((later, ct))
        return (earlier, later, jax.tree.map(jnp.add, total, here)), in_encoded

    _, open_vjp = jax.vjp(plan.open, start.state)
    last = plan.open(state)
    _, close_vjp = jax.vjp(plan.close, last)
    first = (last, close_vjp(cotangents[1])[0], jax.tree.map(jnp.zeros_like, prepared))
    steps = (encoded, start.scales, cotangents[0], before)
    (_, later, total), in_encoded = lax.scan(back, first, steps, reverse=True)
    tape_ct = pull_encoded(in_encoded)[0].at[0].add(pull_prepared(total)[0])
    return (*pull_tape(tape_ct), Start(state=open_vjp(later)[0]))


_adjoint.defvjp(_forward, _backward)
