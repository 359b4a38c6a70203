"""Exact automatic differentiation that stores every step."""

from dataclasses import dataclass
from functools import partial
from typing import final

from jax import lax

from qrnn_jax.circuit import Circuit
from qrnn_jax.gradients.base import AbstractExpectations, AbstractSimulatorGradient, Function


@final
@dataclass(frozen=True)
class Backprop(AbstractSimulatorGradient):
    """Exact automatic differentiation through the time loop; stores every step.

    Equation: the chain rule. Forward and reverse mode, any order. Memory grows with T; for long
    sequences use `Checkpointed`, for a gradient that a device can measure `ParameterShift`.

    Example:
        >>> import jax, jax.numpy as jnp, qrnn_jax as qj
        >>> cell = qj.CircuitCell(qj.Circuit(1, (qj.RX(0, qj.Weight(0)),)), (qj.Z(0),))
        >>> f = lambda w: qj.run(cell, w, jnp.zeros((2, 0)), gradient=qj.Backprop()).sum()
        >>> jax.grad(f)(jnp.zeros(1)).shape
        (1,)

    Source: Griewank and Walther, Evaluating Derivatives (2008).
    """

    def refusal(self, circuit: Circuit) -> str | None:
        del circuit
        return None

    def differentiate(self, expectations: AbstractExpectations) -> Function:
        return partial(expectations, loop=lax.scan)
