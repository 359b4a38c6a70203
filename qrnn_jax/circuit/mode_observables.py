"""What is read on modes: quadratures, their products, photon numbers."""

import abc
from dataclasses import dataclass
from typing import final

import numpy as np
from jax import Array

from qrnn_jax.circuit.observables import AbstractObservable
from qrnn_jax.circuit.operation import check_wires
from qrnn_jax.ops import lowering


class AbstractModeObservable(AbstractObservable):
    """One number that is linear in the state of some modes.

    Example:
        >>> import qrnn_jax as qj
        >>> [observable.degree for observable in (qj.QuadX(0), qj.Number(0))]
        [1, 2]
    """

    @property
    def outputs(self) -> int:
        return 1

    @abc.abstractmethod
    def gaussian(self, mean: Array, covariance: Array) -> Array:
        """The value on a Gaussian state: mean (2N,), covariance (2N, 2N) -> a real number."""

    @abc.abstractmethod
    def factors(self, cutoff: int) -> tuple[tuple[int, np.ndarray], ...]:
        """(mode, (cutoff, cutoff) matrix) pairs whose product is the operator, exact entries."""

    def read(self, left: Array, right: Array, probabilities: Array, place: dict[int, int]) -> Array:
        raise ValueError(self._no_qubits())

    def matrices(self, place: dict[int, int], count: int) -> np.ndarray:
        raise ValueError(self._no_qubits())

    def _no_qubits(self) -> str:
        return (
            f"An observable on modes must be read from a circuit on modes, but {self} is read from "
            "qubits; try `qj.Z(0)`, or a circuit of gates such as `qj.Displacement`."
        )


class AbstractOneMode(AbstractModeObservable):
    """An observable of one mode."""

    mode: int

    @property
    def wires(self) -> tuple[int, ...]:
        return (self.mode,)

    def __post_init__(self) -> None:
        check_wires(self.wires)


@final
@dataclass(frozen=True)
class QuadX(AbstractOneMode):
    """The position quadrature.

    Equation: <x>, x = a + a^dagger; 2 Re alpha in a coherent state.

    Arguments:
        mode: the mode read.

    Raises:
        ValueError: the mode is no non-negative integer.

    Example:
        >>> import jax.numpy as jnp, qrnn_jax as qj
        >>> cell = qj.CircuitCell(qj.Circuit(1, (qj.Displacement(0, qj.Data(0)),)), qj.QuadX(0))
        >>> qj.run(cell, jnp.zeros(0), jnp.array([[0.25], [0.5]]))[:, 0].tolist()
        [0.5, 1.5]

    Source: Weedbrook et al., Rev. Mod. Phys. 84, 621 (2012), at hbar = 2.
    """

    mode: int

    def gaussian(self, mean: Array, covariance: Array) -> Array:
        del covariance
        return mean[self.mode]

    def factors(self, cutoff: int) -> tuple[tuple[int, np.ndarray], ...]:
        lower = lowering(cutoff)
        return ((self.mode, lower + lower.T),)


@final
@dataclass(frozen=True)
class QuadP(AbstractOneMode):
    """The momentum quadrature.

    Equation: <p>, p = -i (a - a^dagger); 2 Im alpha in a coherent state.

    Arguments:
        mode: the mode read.

    Raises:
        ValueError: the mode is no non-negative integer.

    Example:
        >>> import qrnn_jax as qj
        >>> qj.QuadP(1).wires
        (1,)

    Source: Weedbrook et al., Rev. Mod. Phys. 84, 621 (2012), at hbar = 2.
    """

    mode: int

    def gaussian(self, mean: Array, covariance: Array) -> Array:
        del covariance
        return mean[len(mean) // 2 + self.mode]

    def factors(self, cutoff: int) -> tuple[tuple[int, np.ndarray], ...]:
        lower = lowering(cutoff)
        return ((self.mode, -1j * (lower - lower.T)),)


@final
@dataclass(frozen=True)
class QuadXX(AbstractModeObservable):
    """The product of two position quadratures, or the square of one.

    Equation: <x_first x_second>, of degree 2: mean(first) mean(second) + covariance.

    Arguments:
        first: a mode.
        second: a mode; None for `first`, the square.

    Raises:
        ValueError: a mode is no non-negative integer.

    Example:
        >>> import jax.numpy as jnp, qrnn_jax as qj
        >>> cell = qj.CircuitCell(qj.Circuit(1, (qj.Displacement(0, 0.5),)), qj.QuadXX(0))
        >>> float(qj.run(cell, jnp.zeros(0), jnp.zeros((1, 0)))[0, 0])
        2.0

    Source: Weedbrook et al., Rev. Mod. Phys. 84, 621 (2012), at hbar = 2.
    """

    first: int
    second: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "second", self.first if self.second is None else self.second)
        check_wires(self.wires)

    @property
    def wires(self) -> tuple[int, ...]:
        assert self.second is not None
        return tuple(sorted({self.first, self.second}))

    @property
    def degree(self) -> int:
        return 2

    def gaussian(self, mean: Array, covariance: Array) -> Array:
        return covariance[self.first, self.second] + mean[self.first] * mean[self.second]

    def factors(self, cutoff: int) -> tuple[tuple[int, np.ndarray], ...]:
        lower = lowering(cutoff + 2)
        x = lower + lower.T
        if self.first == self.second:  # multiplied before it is cut off
            return ((self.first, (x @ x)[:cutoff, :cutoff]),)
        return tuple((mode, x[:cutoff, :cutoff]) for mode in self.wires)


@final
@dataclass(frozen=True)
class Number(AbstractOneMode):
    """The number of photons in a mode.

    Equation: <n> = (<x^2> + <p^2> - 2) / 4, of degree 2.

    Arguments:
        mode: the mode read.

    Raises:
        ValueError: the mode is no non-negative integer.

    Example:
        >>> import jax.numpy as jnp, qrnn_jax as qj
        >>> cell = qj.CircuitCell(qj.Circuit(1, (qj.Displacement(0, 1.5),)), qj.Number(0))
        >>> float(qj.run(cell, jnp.zeros(0), jnp.zeros((1, 0)))[0, 0])
        2.25

    Source: Weedbrook et al., Rev. Mod. Phys. 84, 621 (2012), at hbar = 2.
    """

    mode: int

    @property
    def degree(self) -> int:
        return 2

    def gaussian(self, mean: Array, covariance: Array) -> Array:
        x, p = self.mode, len(mean) // 2 + self.mode
        return (covariance[x, x] + covariance[p, p] + mean[x] ** 2 + mean[p] ** 2 - 2) / 4

    def factors(self, cutoff: int) -> tuple[tuple[int, np.ndarray], ...]:
        return ((self.mode, np.diag(np.arange(float(cutoff)))),)
