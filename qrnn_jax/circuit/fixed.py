"""Gates without parameters: H, S, T, CNOT, CZ, SWAP."""

import abc
from dataclasses import dataclass
from typing import final

import jax.numpy as jnp
import numpy as np
from jax import Array

from qrnn_jax.circuit.operation import AbstractGate, check_wires, is_diagonal_matrix
from qrnn_jax.circuit.slots import Slot


class AbstractFixedGate(AbstractGate):
    """A gate with one constant matrix."""

    @property
    @abc.abstractmethod
    def array(self) -> np.ndarray:
        """The constant matrix."""

    @property
    def parameters(self) -> tuple[Slot, ...]:
        return ()

    @property
    def label(self) -> str:
        return type(self).__name__

    @property
    def is_diagonal(self) -> bool:
        return is_diagonal_matrix(self.array)

    @property
    def is_real(self) -> bool:
        return not np.any(np.imag(self.array))

    def matrix(self, *angles: Array) -> Array:
        del angles
        return jnp.asarray(self.array.astype(complex))

    def generators(self) -> tuple[np.ndarray, ...]:
        return ()

    def __post_init__(self) -> None:
        check_wires(self.wires)


@final
@dataclass(frozen=True)
class H(AbstractFixedGate):
    """The Hadamard gate.

    Equation: H = [[1, 1], [1, -1]] / sqrt(2).

    Arguments:
        wire: the wire acted on.

    Raises:
        ValueError: the wire is no non-negative integer.

    Example:
        >>> import qrnn_jax as qj
        >>> qj.Circuit(1, (qj.H(0), qj.H(0))).matrix().round(6).real.tolist()
        [[1.0, 0.0], [0.0, 1.0]]

    Source: Nielsen and Chuang, section 4.2.
    """

    wire: int

    @property
    def wires(self) -> tuple[int, ...]:
        return (self.wire,)

    @property
    def array(self) -> np.ndarray:
        return np.array([[1, 1], [1, -1]]) / np.sqrt(2)


@final
@dataclass(frozen=True)
class S(AbstractFixedGate):
    """The phase gate.

    Equation: S = diag(1, i).

    Arguments:
        wire: the wire acted on.

    Raises:
        ValueError: the wire is no non-negative integer.

    Example:
        >>> import qrnn_jax as qj
        >>> qj.Circuit(1, (qj.S(0),)).matrix().tolist()
        [[(1+0j), 0j], [0j, 1j]]

    Source: Nielsen and Chuang, section 4.2.
    """

    wire: int

    @property
    def wires(self) -> tuple[int, ...]:
        return (self.wire,)

    @property
    def array(self) -> np.ndarray:
        return np.diag([1, 1j])


@final
@dataclass(frozen=True)
class T(AbstractFixedGate):
    """The T gate.

    Equation: T = diag(1, exp(i pi / 4)).

    Arguments:
        wire: the wire acted on.

    Raises:
        ValueError: the wire is no non-negative integer.

    Example:
        >>> import qrnn_jax as qj
        >>> qj.Circuit(1, (qj.T(0), qj.T(0))).matrix().round(6)[1, 1]
        np.complex128(1j)

    Source: Nielsen and Chuang, section 4.2.
    """

    wire: int

    @property
    def wires(self) -> tuple[int, ...]:
        return (self.wire,)

    @property
    def array(self) -> np.ndarray:
        return np.diag([1, np.exp(1j * np.pi / 4)])


@final
@dataclass(frozen=True)
class CNOT(AbstractFixedGate):
    """X on `target` where `control` is 1.

    Equation: |0><0| (x) 1 + |1><1| (x) X.

    Arguments:
        control: the controlling wire.
        target: the flipped wire.

    Raises:
        ValueError: the wires are equal or no non-negative integers.

    Example:
        >>> import qrnn_jax as qj
        >>> qj.Circuit(2, (qj.CNOT(0, 1),)).matrix().real.argmax(axis=0).tolist()
        [0, 1, 3, 2]

    Source: Nielsen and Chuang, section 4.3.
    """

    control: int
    target: int

    @property
    def wires(self) -> tuple[int, ...]:
        return (self.control, self.target)

    @property
    def controls(self) -> tuple[int, ...]:
        return (self.control,)

    @property
    def label(self) -> str:
        return "⊕"

    @property
    def array(self) -> np.ndarray:
        return np.eye(4)[[0, 1, 3, 2]]


@final
@dataclass(frozen=True)
class CZ(AbstractFixedGate):
    """A sign where both wires are 1.

    Equation: diag(1, 1, 1, -1).

    Arguments:
        wire0: one wire.
        wire1: the other wire; the order does not matter.

    Raises:
        ValueError: the wires are equal or no non-negative integers.

    Example:
        >>> import qrnn_jax as qj
        >>> qj.Circuit(2, (qj.CZ(0, 1),)).matrix().real.diagonal().tolist()
        [1.0, 1.0, 1.0, -1.0]

    Source: Nielsen and Chuang, section 4.3.
    """

    wire0: int
    wire1: int

    @property
    def wires(self) -> tuple[int, ...]:
        return (self.wire0, self.wire1)

    @property
    def controls(self) -> tuple[int, ...]:
        return self.wires

    @property
    def array(self) -> np.ndarray:
        return np.diag([1, 1, 1, -1])


@final
@dataclass(frozen=True)
class SWAP(AbstractFixedGate):
    """Exchange two wires.

    Equation: |a b> -> |b a>.

    Arguments:
        wire0: one wire.
        wire1: the other wire; the order does not matter.

    Raises:
        ValueError: the wires are equal or no non-negative integers.

    Example:
        >>> import qrnn_jax as qj
        >>> qj.Circuit(2, (qj.SWAP(0, 1),)).matrix().real.argmax(axis=0).tolist()
        [0, 2, 1, 3]

    Source: Nielsen and Chuang, section 1.3.4.
    """

    wire0: int
    wire1: int

    @property
    def wires(self) -> tuple[int, ...]:
        return (self.wire0, self.wire1)

    @property
    def label(self) -> str:
        return "×"

    @property
    def array(self) -> np.ndarray:
        return np.eye(4)[[0, 2, 1, 3]]
