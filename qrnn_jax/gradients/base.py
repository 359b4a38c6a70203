"""The protocol of gradient rules: how f(weights, data) -> expectations is differentiated.

`run.py` hands a rule an `AbstractExpectations`: the quantum part as ONE function of weights, data
and the carried state. A rule returns a function with the same values and its own derivative.
"""

import abc
from collections.abc import Callable
from typing import Any

from jax import Array

from qrnn_jax.circuit import Circuit

Step = Callable[[Array, Any], tuple[Array, Array]]
Loop = Callable[[Step, Array, Any], tuple[Array, Array]]


class AbstractExpectations(abc.ABC):
    """f(weights, data, state) -> (reads (T, M), state): frozen and hashable."""

    @property
    @abc.abstractmethod
    def circuit(self) -> Circuit:
        """The step."""

    @abc.abstractmethod
    def __call__(
        self, weights: Array, data: Array, state: Array, loop: Loop
    ) -> tuple[Array, Array]:
        """Run all steps with shared weights, prepared once.

        Arguments:
            weights: (Kw,).
            data: (T, Kd).
            state: the carried state, in public form.
            loop: `lax.scan` or a function like it.
        """

    @abc.abstractmethod
    def replay(self, tape: Array, state: Array) -> tuple[Array, Array]:
        """Run all steps with one angle per gate occurrence: tape (T, K)."""


Function = Callable[[Array, Array, Array], tuple[Array, Array]]


class AbstractGradient(abc.ABC):
    """A way to differentiate; a frozen, hashable setting.

    Example:
        >>> import qrnn_jax as qj
        >>> noisy = qj.Circuit(1, (qj.BitFlip(0, qj.Weight(0)),))
        >>> qj.Backprop().refusal(noisy) is None, qj.ParameterShift().refusal(noisy) is None
        (True, False)
    """

    @abc.abstractmethod
    def refusal(self, circuit: Circuit) -> str | None:
        """Why this rule can never differentiate the circuit, in a sentence; None if it can."""

    @abc.abstractmethod
    def differentiate(self, expectations: AbstractExpectations) -> Function:
        """A function (weights, data, state) -> (reads, state) with this rule's derivative."""
