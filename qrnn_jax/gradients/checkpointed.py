"""Exact automatic differentiation that stores a few states and recomputes the rest."""

import math
from dataclasses import dataclass
from functools import partial
from typing import Any, final

import jax
import jax.numpy as jnp
from jax import Array, lax

from qrnn_jax.circuit import Circuit
from qrnn_jax.gradients.base import AbstractExpectations, AbstractSimulatorGradient, Function, Step


@final
@dataclass(frozen=True)
class Checkpointed(AbstractSimulatorGradient):
    """Exact automatic differentiation with memory of order sqrt(T), or with T small states.

    Equation: the chain rule. The loop is cut into chunks of `every` steps; reverse mode keeps the
    state at the start of each chunk and, while it works on one chunk, at the start of each step.
    Costs about two more forward runs than `Backprop`; with `every=1`, which keeps the state before
    each step and nothing inside, one more. Still often the faster of them, as less is written to
    memory; for small states and short sequences use `Backprop`.

    Arguments:
        every: steps per chunk, 1 or more; None means about sqrt(T).

    Raises:
        ValueError: `every` is no positive integer.

    Example:
        >>> import jax, jax.numpy as jnp, qrnn_jax as qj
        >>> cell = qj.CircuitCell(qj.Circuit(1, (qj.RX(0, qj.Weight(0)),)), (qj.Z(0),))
        >>> f = lambda w: qj.run(cell, w, jnp.zeros((9, 0)), gradient=qj.Checkpointed()).sum()
        >>> jax.grad(f)(jnp.zeros(1)).shape
        (1,)

    Source: Griewank and Walther, ACM Trans. Math. Softw. 26, 19 (2000).
    """

    every: int | None = None

    def __post_init__(self) -> None:
        if self.every is not None and (isinstance(self.every, bool) or self.every < 1):
            raise ValueError(
                f"Argument `every` must be an integer of 1 or more, but is {self.every}."
            )

    def refusal(self, circuit: Circuit) -> str | None:
        del circuit
        return None

    def differentiate(self, expectations: AbstractExpectations) -> Function:
        loop = _plain_scan if self.every == 1 else partial(_nested_scan, every=self.every)
        return partial(expectations, loop=loop)


def _plain_scan(step: Step, carry: Array, xs: Any) -> tuple[Array, Array]:
    """`lax.scan` over checkpointed steps."""
    return lax.scan(jax.checkpoint(step), carry, xs)


def _nested_scan(step: Step, carry: Array, xs: Any, *, every: int | None) -> tuple[Array, Array]:
    """`lax.scan` over chunks of checkpointed steps; a shorter last chunk if T is not divisible."""
    length = jax.tree.leaves(xs)[0].shape[0]
    size = min(length, every or max(1, math.isqrt(length)))
    chunks, rest = divmod(length, size)

    @jax.checkpoint
    def chunk(carry: Array, inputs: Any) -> tuple[Array, Array]:
        return lax.scan(jax.checkpoint(step), carry, inputs)

    head = jax.tree.map(lambda x: x[: chunks * size].reshape(chunks, size, *x.shape[1:]), xs)
    carry, reads = lax.scan(chunk, carry, head)
    reads = reads.reshape(chunks * size, *reads.shape[2:])
    if rest:
        carry, last = chunk(carry, jax.tree.map(lambda x: x[chunks * size :], xs))
        reads = jnp.concatenate([reads, last])
    return carry, reads
