"""Exact reverse mode that keeps no states: unitary steps are undone on the way back."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, final

import jax
import jax.numpy as jnp
from jax import Array, lax

from qrnn_jax.circuit import Circuit
from qrnn_jax.circuit.spread import spread, weight_row
from qrnn_jax.engines.base import AbstractPlan, scaled_step
from qrnn_jax.engines.layered import LayeredLoop, layered_refusal
from qrnn_jax.engines.native import NativeLoop
from qrnn_jax.engines.native_choice import loop_refusal, native_loop
from qrnn_jax.engines.native_real import RealLoop
from qrnn_jax.gradients.base import (
    AbstractExpectations,
    AbstractSimulatorGradient,
    Function,
    Start,
)

# (why not, in a sentence; the loop)
_LOOPS: dict[str, tuple[Callable, Callable]] = {
    "native": (loop_refusal, native_loop),
    "layers": (layered_refusal, LayeredLoop),
}
KERNELS = (*_LOOPS, "reference")


@final
@dataclass(frozen=True)
class Adjoint(AbstractSimulatorGradient):
    """Exact reverse mode with memory that does not grow with T (unitary steps).

    Equation: psi_{t-1} = U_t^dagger psi_t on the way back; where a step resets it cannot be undone,
    and the memory's state before each step is kept instead, never what happens inside the step.

    Reverse mode only: `jax.jvp`, `jax.jacfwd` and `jax.hessian` raise; use `Backprop` there. For
    steps that reset, `Checkpointed` needs less memory still on long sequences. The loops of
    `kernel` have no second derivatives. Undoing many steps
    adds up rounding: about 1e-15 per step in float64, 1e-6 in float32, for gates that are unitary
    to rounding (native code sets the norm back, and hides the rest). The returned carry is
    differentiable.

    Arguments:
        kernel: "native" runs the whole loop in compiled code: pure states, C++ on the CPU and CUDA
            on an NVIDIA GPU, with gates on one or two wires, Pauli sums and probabilities; real
            vectors on the CPU, with turns by weights, known bits and post-selections, up to 6 read
            wires (the vector before each step is kept there). "layers" runs pure states in JAX as
            real matrices, phases and reorderings of the amplitudes, a whole batch at once.
            "reference" undoes any plan step by step. None takes the first of these that is
            possible, but CUDA code, which has not been measured yet, only when asked for, and no
            tables of a real vector beyond the cache; it warns once where native code cannot be
            built.

    Raises:
        ValueError: an unknown kernel, or one asked for where it is not possible.

    Example:
        >>> import jax, jax.numpy as jnp, qrnn_jax as qj
        >>> cell = qj.CircuitCell(qj.Circuit(1, (qj.RX(0, qj.Weight(0)),)), (qj.Z(0),))
        >>> f = lambda w: qj.run(cell, w, jnp.zeros((9, 0)), gradient=qj.Adjoint()).sum()
        >>> jax.grad(f)(jnp.zeros(1)).shape
        (1,)

    Source: Jones and Gacon, arXiv 2009.02823.
    """

    kernel: str | None = None

    def __post_init__(self) -> None:
        if self.kernel not in (None, *KERNELS):
            raise ValueError(
                f"Argument `kernel` must be None or one of {list(KERNELS)}, but is {self.kernel!r}."
            )

    def refusal(self, circuit: Circuit) -> str | None:
        del circuit
        return None

    def native_refusal(self, plan: AbstractPlan) -> str | None:
        """Why no native code runs for a plan, in a sentence; None if it does."""
        if self.kernel in ("layers", "reference"):
            return loop_refusal(plan) or f'`Adjoint(kernel="{self.kernel}")` does not use it'
        return loop_refusal(plan, unasked=self.kernel is None)

    def differentiate(self, expectations: AbstractExpectations) -> Function:
        plan = expectations.plan
        if self.kernel is None:
            unasked = partial(loop_refusal, unasked=True), native_loop
            for refusal, loop in (unasked, _LOOPS["layers"]):
                if refusal(plan) is None:
                    return partial(_by_loop, loop, expectations)
        if self.kernel in (None, "reference"):
            return partial(_adjoint, expectations)
        refusal, loop = _LOOPS[self.kernel]
        reason = refusal(plan)
        if reason:
            raise ValueError(
                f"Argument `kernel` must be possible here, but is {self.kernel!r}: {reason}; try "
                '`kernel="reference"`.'
            )
        return partial(_by_loop, loop, expectations)


def _by_loop(
    loop: Callable[[Any], NativeLoop | RealLoop | LayeredLoop],
    expectations: AbstractExpectations,
    weights: Array,
    data: Array,
    start: Start,
) -> tuple[Array, Any]:
    """Numbers are made in plain JAX, once for all steps; the loop has its own reverse mode."""
    assert start.scales is None  # of another run: only replays have them
    assert start.state is not None
    found = loop(expectations.plan)
    moving = spread(found.circuit, weights, data, found.columns)
    return found(weight_row(found.circuit, weights), moving, start.state)


def _adjoint(
    expectations: AbstractExpectations, weights: Array, data: Array, start: Start
) -> tuple[Array, Any]:
    """The weight-only work stays in plain JAX: a batch sums its cotangents before it is undone."""
    circuit, plan = expectations.circuit, expectations.plan
    prepared = plan.prepare(weight_row(circuit, weights))
    return _loop(plan, prepared, spread(circuit, weights, data), start)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _loop(plan: AbstractPlan, prepared: Any, tape: Array, start: Start) -> tuple[Array, Array]:
    """All steps: (reads, state)."""
    return _forward(plan, prepared, tape, start)[0]


def _forward(
    plan: AbstractPlan, prepared: Any, tape: Array, start: Start
) -> tuple[tuple[Array, Array], Any]:
    """Keep the last state; where steps cannot be undone, the carry before each of them."""

    def step(carry: Any, inputs: Any) -> tuple[Any, tuple[Any, Array]]:
        new, reads = _step(plan, prepared, carry, *inputs)
        return new, (None if plan.is_reversible else carry, reads)

    assert start.state is not None
    last, (before, reads) = lax.scan(step, plan.open(start.state), (tape, start.scales))
    return (reads, plan.close(last)), (prepared, tape, start, last, before)


def _step(
    plan: AbstractPlan, prepared: Any, carry: Any, row: Array, scale: Array | None
) -> tuple[Any, Array]:
    """One step from its tape row: nothing is encoded ahead of time, so nothing is kept for it."""
    return scaled_step(plan, prepared, carry, (plan.encode(prepared, row), scale))


def _backward(
    plan: AbstractPlan, kept: Any, cotangents: tuple[Array, Any]
) -> tuple[Any, Array, Start]:
    """The chain rule from the last step to the first."""
    prepared, tape, start, last, before = kept

    def back(carry: Any, step: Any) -> tuple[Any, Array]:
        after, later, total = carry
        row, scale, ct, earlier = step
        if earlier is None:
            earlier = plan.undo(prepared, after, plan.encode(prepared, row))
        _, pull = jax.vjp(lambda p, c, r: _step(plan, p, c, r, scale), prepared, earlier, row)
        here, later, in_row = pull((later, ct))
        return (earlier, later, jax.tree.map(jnp.add, total, here)), in_row

    first = (last, jax.vjp(plan.close, last)[1](cotangents[1])[0])
    steps = (tape, start.scales, cotangents[0], before)
    nothing = jax.tree.map(jnp.zeros_like, prepared)
    (_, later, total), tape_ct = lax.scan(back, (*first, nothing), steps, reverse=True)
    return total, tape_ct, Start(state=jax.vjp(plan.open, start.state)[1](later)[0])


_loop.defvjp(_forward, _backward)
