"""X, Y, Z: gates in a circuit, Pauli factors among observables."""

import abc
from dataclasses import dataclass
from typing import final

import jax.numpy as jnp
import numpy as np
from jax import Array

from qrnn_jax.circuit.observables import AbstractPauli, PauliSum
from qrnn_jax.circuit.operation import AbstractGate, check_wires, pauli_word_matrix
from qrnn_jax.circuit.slots import Slot


class AbstractPauliOperator(AbstractGate, AbstractPauli):
    """One Pauli matrix on one wire, in both of its roles."""

    wire: int

    @property
    @abc.abstractmethod
    def label(self) -> str:
        """The letter."""

    @property
    def wires(self) -> tuple[int, ...]:
        return (self.wire,)

    @property
    def parameters(self) -> tuple[Slot, ...]:
        return ()

    @property
    def is_diagonal(self) -> bool:
        return self.label == "Z"

    def matrix(self, *angles: Array) -> Array:
        del angles
        return jnp.asarray(pauli_word_matrix(self.label))

    def generators(self) -> tuple[np.ndarray, ...]:
        return ()

    def as_sum(self) -> PauliSum:
        return PauliSum(((1.0, ((self.wire, self.label),)),))

    def __post_init__(self) -> None:
        check_wires(self.wires)


_DOC = """The Pauli operator {letter}: a gate in a circuit, a factor among observables.

    Equation: {letter} = {matrix}.

    Arguments:
        wire: the wire acted on.

    Raises:
        ValueError: the wire is no non-negative integer.

    Example:
        >>> import qrnn_jax as qj
        >>> qj.{letter}(0) @ qj.Z(2)
        1*{letter}0@Z2

    Source: Nielsen and Chuang, section 2.1.3.
    """


@final
@dataclass(frozen=True)
class X(AbstractPauliOperator):
    __doc__ = _DOC.format(letter="X", matrix="[[0, 1], [1, 0]]")
    wire: int

    @property
    def label(self) -> str:
        return "X"


@final
@dataclass(frozen=True)
class Y(AbstractPauliOperator):
    __doc__ = _DOC.format(letter="Y", matrix="[[0, -i], [i, 0]]")
    wire: int

    @property
    def label(self) -> str:
        return "Y"


@final
@dataclass(frozen=True)
class Z(AbstractPauliOperator):
    __doc__ = _DOC.format(letter="Z", matrix="[[1, 0], [0, -1]]")
    wire: int

    @property
    def label(self) -> str:
        return "Z"
