"""What can happen in a time step: gates, channels, resets, and the one read-out."""

import abc
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
from jax import Array

from qrnn_jax.circuit.slots import Slot
from qrnn_jax.circuit.spectrum import ShiftTerm, shift_terms


class AbstractOperation(abc.ABC):
    """One element of a step: frozen, hashable, without numbers of its own."""

    is_unitary: ClassVar[bool]
    is_selective: ClassVar[bool] = False  # whether it keeps a part of the runs only

    @property
    @abc.abstractmethod
    def wires(self) -> tuple[int, ...]:
        """The wires acted on, in the order of the matrix's bits (first = most significant)."""

    @property
    @abc.abstractmethod
    def parameters(self) -> tuple[Slot, ...]:
        """The slots of the parameters, in the order in which the matrix takes them."""

    @property
    @abc.abstractmethod
    def label(self) -> str:
        """The short text drawn on the wires that are no controls; one symbol is drawn unboxed."""

    @property
    def named_wires(self) -> tuple[int, ...]:
        """The wires that the operation names: those it acts on, or the one that a marker is for."""
        return self.wires

    @property
    def controls(self) -> tuple[int, ...]:
        """The wires drawn as control dots: the operation is trivial where one of them is 0."""
        return ()

    @property
    def is_diagonal(self) -> bool:
        """Whether the matrix is diagonal whatever the parameters; lowering merges such gates."""
        return False

    @property
    def is_real(self) -> bool:
        """Whether the matrix is real whatever the parameters, and known to be; half the work."""
        return False

    @abc.abstractmethod
    def shift_terms(self, parameter: int, observable_degree: int = 1) -> tuple[ShiftTerm, ...]:
        """The exact shift rule for one parameter; see `has_shift_rule`.

        Arguments:
            parameter: position in `parameters`.
            observable_degree: degree of the observable in the mode operators; qubits ignore it.

        Returns:
            `ShiftTerm(coefficient, shift)` tuples; empty where the parameter changes nothing.

        Raises:
            ValueError: no finite rule exists.
        """

    @property
    def has_shift_rule(self) -> bool:
        """Whether a finite number of shifts gives the exact derivative in every parameter."""
        return True

    @property
    def shift_obstacle(self) -> str | None:
        """Why the shift rules of a circuit's other gates fail next to this operation, if so."""
        return None

    @property
    def static(self) -> object:
        """What else the matrix depends on: gates of one class and equal `static` share code."""
        return None


class AbstractGate(AbstractOperation):
    """A unitary operation. Final classes give `matrix` and, if parametrised, `generators`.

    Equation: psi -> U(a) psi, U(a) = ... exp(-i a G) ..., G a generator.

    Example:
        >>> import qrnn_jax as qj
        >>> isinstance(qj.RX(0, qj.Weight(0)), qj.AbstractGate)
        True
    """

    is_unitary = True

    @abc.abstractmethod
    def matrix(self, *angles: Array) -> Array:
        """The (2**k, 2**k) matrix at the given parameter values, indexed [out, in]."""

    @abc.abstractmethod
    def generators(self) -> tuple[np.ndarray, ...]:
        """One Hermitian G per parameter a: the gate contains exp(-i a G), with G's spectrum."""

    def shift_terms(self, parameter: int, observable_degree: int = 1) -> tuple[ShiftTerm, ...]:
        """Two terms per distinct frequency of the parameter's generator."""
        del observable_degree
        return shift_terms(self.generators()[parameter])


class AbstractMarker(AbstractOperation):
    """An operation that touches no state: it says how the step is read. Engines skip it."""

    is_unitary = True

    @property
    def wires(self) -> tuple[int, ...]:
        return ()

    @property
    def parameters(self) -> tuple[Slot, ...]:
        return ()

    def shift_terms(self, parameter: int, observable_degree: int = 1) -> tuple[ShiftTerm, ...]:
        del parameter, observable_degree
        return ()


class AbstractChannel(AbstractOperation):
    """A linear, not necessarily unitary operation, given by Kraus matrices.

    Equation: rho -> sum_m K_m rho K_m^dagger, sum_m K_m^dagger K_m = 1; selective ones, such
    as `Postselect`, give up the last: they keep a part of the runs.

    Example:
        >>> import qrnn_jax as qj
        >>> isinstance(qj.Reset(0), qj.AbstractChannel)
        True
    """

    is_unitary = False

    @property
    def has_shift_rule(self) -> bool:
        return not self.parameters

    def shift_terms(self, parameter: int, observable_degree: int = 1) -> tuple[ShiftTerm, ...]:
        """None: the strength of a channel is no angle."""
        del parameter, observable_degree
        raise ValueError(
            f"A channel's strength must not be shifted, but {self} is asked for a shift rule; "
            "try `Backprop()`."
        )

    @abc.abstractmethod
    def kraus(self, *strengths: Array) -> Array:
        """The (m, 2**k, 2**k) Kraus matrices at the given strengths."""

    @abc.abstractmethod
    def superoperator(self, *strengths: Array) -> Array:
        """The (4**k, 4**k) matrix sum_m K_m (x) conj(K_m), differentiable on all of [0, 1]."""


PAULI_MATRICES = {
    "I": np.eye(2, dtype=complex),
    "X": np.array([[0, 1], [1, 0]], dtype=complex),
    "Y": np.array([[0, -1j], [1j, 0]], dtype=complex),
    "Z": np.array([[1, 0], [0, -1]], dtype=complex),
}


def pauli_word_matrix(word: str) -> np.ndarray:
    """The Kronecker product of the Pauli matrices of `word`, first letter most significant."""
    matrix = np.eye(1, dtype=complex)
    for letter in word:
        matrix = np.kron(matrix, PAULI_MATRICES[letter])
    return matrix


def is_diagonal_matrix(matrix: np.ndarray) -> bool:
    """Whether every entry off the diagonal is exactly zero."""
    return bool(np.count_nonzero(matrix) == np.count_nonzero(np.diagonal(matrix)))


def complex_like(matrix: np.ndarray, angle: Array) -> Array:
    """A constant matrix in the complex type that belongs to the real type of `angle`."""
    # the type itself, not the array: a weakly typed float64 would count as float32 here
    return jnp.asarray(matrix, jnp.result_type(jnp.asarray(angle).dtype, jnp.complex64))


def check_wires(wires: tuple[int, ...]) -> None:
    """Refuse wires that are no distinct non-negative integers."""
    for wire in wires:
        if isinstance(wire, bool) or not isinstance(wire, (int, np.integer)) or wire < 0:
            raise ValueError(f"Argument `wire` must be an integer of 0 or more, but is {wire!r}.")
    if not wires:
        raise ValueError("Argument `wires` must name at least one wire, but is empty.")
    if len(set(wires)) != len(wires):
        raise ValueError(f"Argument `wires` must be distinct, but are {wires}.")
