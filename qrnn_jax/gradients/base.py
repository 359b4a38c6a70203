"""The protocol of gradient rules: how f(weights, data) -> expectations is differentiated.

`run.py` hands a rule an `AbstractExpectations`: the quantum part as ONE function of weights, data
and the start of the run. A rule returns a function with the same values and its own derivative.
"""

import abc
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
from jax import Array

from qrnn_jax.circuit import Circuit
from qrnn_jax.engines.base import AbstractPlan

Step = Callable[[Any, Any], tuple[Any, Array]]
Loop = Callable[[Step, Any, Any], tuple[Any, Array]]


class Start(NamedTuple):
    """What a run starts from, besides its angles. Rules pass it on and never look inside.

    Arguments:
        state: the carried state in public form, an array or a tuple of arrays; None for sampled
            runs, which start in |0..0>.
        scales: (T,), the success probabilities of an exact post-selected run, frozen, for rules
            that replay it with other angles; None lets a run find its own, and a replay have none.
        key: a JAX key; None where nothing is random.
        shots: repetitions of this run, where they differ from run to run; else None.
        keep: (T,) booleans, which outputs of this run count, None for all: a device need not play
            what serves no other.
    """

    state: Any = None
    scales: Array | None = None
    key: Array | None = None
    shots: Array | None = None
    keep: Array | None = None

    def stream(self, index: int | Array) -> "Start":
        """The same start with a key of its own: no two runs share one."""
        key = None if self.key is None else jax.random.fold_in(self.key, index)
        return self._replace(key=key)


class AbstractExpectations(abc.ABC):
    """f(weights, data, start) -> (reads (T, M), rest): frozen and hashable.

    `rest` is not differentiated by device rules: the carried state of an exact run, the covariance
    (T, M, M) of the reads of a sampled one.
    """

    @property
    @abc.abstractmethod
    def circuit(self) -> Circuit:
        """The step."""

    @property
    @abc.abstractmethod
    def plan(self) -> AbstractPlan:
        """The exact plan; what sampled runs have not got is refused."""

    @property
    @abc.abstractmethod
    def shots(self) -> int | None:
        """Repetitions per run; None if exact."""

    @property
    def degree(self) -> int:
        """Degree of the observables in the mode operators; 1 for qubits, which ignore it."""
        return 1

    @property
    def joins(self) -> bool:
        """Whether all runs of a derivative, the unperturbed one too, are asked for at once."""
        return False

    @abc.abstractmethod
    def batch(self, steps: int) -> int:
        """How many replays of T steps to run side by side."""

    @abc.abstractmethod
    def __call__(self, weights: Array, data: Array, start: Start, loop: Loop) -> tuple[Array, Any]:
        """Run all steps with shared weights, prepared once.

        Arguments:
            weights: (Kw,).
            data: (T, Kd).
            start: what the run starts from.
            loop: `lax.scan` or a function like it.
        """

    @abc.abstractmethod
    def replay(self, tape: Array, start: Start) -> tuple[Array, Any]:
        """Run all steps with one angle per gate occurrence: tape (T, K)."""


Function = Callable[[Array, Array, Start], tuple[Array, Any]]


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

    @property
    @abc.abstractmethod
    def needs_exact(self) -> bool:
        """Whether the rule follows the simulation itself, so that it needs an exact one."""

    @property
    @abc.abstractmethod
    def is_random(self) -> bool:
        """Whether the rule draws random numbers of its own, even in exact runs."""

    @abc.abstractmethod
    def differentiate(self, expectations: AbstractExpectations) -> Function:
        """A function (weights, data, start) -> (reads, rest) with this rule's derivative."""


class AbstractSimulatorGradient(AbstractGradient):
    """A rule that only a simulator can follow: exact, and in need of exact runs.

    Example:
        >>> import qrnn_jax as qj
        >>> isinstance(qj.Backprop(), qj.AbstractSimulatorGradient)
        True
    """

    needs_exact = True
    is_random = False
