"""What can happen to modes of light: the bases of Gaussian and other operations.

hbar = 2: x = a + a^dagger, p = -i (a - a^dagger), vacuum variance 1, a coherent state alpha has
<x> = 2 Re alpha. A circuit acts on qubits or on modes, never on both.
"""

import abc
from collections.abc import Sequence
from typing import ClassVar

from jax import Array

from qrnn_jax.circuit.affine import Affine
from qrnn_jax.circuit.mode_shifts import Entries, mode_shift_terms
from qrnn_jax.circuit.operation import AbstractOperation
from qrnn_jax.circuit.read import Read
from qrnn_jax.circuit.spectrum import ShiftTerm


class AbstractModeOperation(AbstractOperation):
    """An operation on modes; where it is Gaussian it maps means and covariances affinely."""

    is_gaussian: ClassVar[bool] = True
    symbol: ClassVar[str]  # drawn

    @property
    def is_conditional(self) -> bool:
        """Whether the state is conditioned on a drawn outcome, so that it is no linear map."""
        return False

    @property
    def label(self) -> str:
        return self.symbol

    @abc.abstractmethod
    def affine(self, *parameters: Array) -> Affine:
        """The map on (x_1 .. x_k, p_1 .. p_k) of its modes.

        Raises:
            ValueError: the operation is not Gaussian, or no map at all (a drawn outcome).
        """


class AbstractModeGate(AbstractModeOperation):
    """A unitary on modes.

    Equation: r -> S r + d, V -> S V S^T if Gaussian, S symplectic.

    Example:
        >>> import qrnn_jax as qj
        >>> isinstance(qj.Squeezing(0, qj.Weight(0)), qj.AbstractModeGate)
        True
    """

    is_unitary = True
    entries: ClassVar[tuple[Entries, ...]]  # one per parameter

    @abc.abstractmethod
    def fock_matrix(self, cutoff: int, *parameters: Array) -> Array:
        """The matrix in the photon-number basis, exact entries, (cutoff**k, cutoff**k)."""

    def shift_terms(self, parameter: int, observable_degree: int = 1) -> tuple[ShiftTerm, ...]:
        """From the gate's affine action: see `mode_shifts.py`."""
        return mode_shift_terms(self.entries[parameter], observable_degree)


class AbstractModeChannel(AbstractModeOperation):
    """A map on modes that is not unitary.

    Equation: r -> S r + d, V -> S V S^T + Y.

    Example:
        >>> import qrnn_jax as qj
        >>> isinstance(qj.Loss(0, 0.9), qj.AbstractModeChannel)
        True
    """

    is_unitary = False

    @property
    def has_shift_rule(self) -> bool:
        return not self.parameters

    @abc.abstractmethod
    def fock_superoperator(self, cutoff: int, *parameters: Array) -> Array:
        """The map on row-major density matrices of the mode, (cutoff**2, cutoff**2)."""

    def shift_terms(self, parameter: int, observable_degree: int = 1) -> tuple[ShiftTerm, ...]:
        """None: the strength of a channel is no angle."""
        del parameter, observable_degree
        raise ValueError(
            f"A channel's strength must not be shifted, but {self} is asked for a shift rule; "
            "try `Backprop()`."
        )


def acts_on_modes(operations: Sequence[AbstractOperation]) -> bool:
    """Whether the wires of a step are modes; checked so that they are never both.

    Raises:
        ValueError: operations on qubits next to operations on modes; a measuring `Read` on modes.
    """
    modes = [isinstance(operation, AbstractModeOperation) for operation in operations]
    if not any(modes):
        return False
    for index, (operation, on_modes) in enumerate(zip(operations, modes)):
        if on_modes:
            continue
        if not isinstance(operation, Read):
            raise ValueError(
                "A circuit must act on qubits or on modes, but operation "
                f"{modes.index(True)}, {operations[modes.index(True)]}, acts on modes, and "
                f"operation {index}, {operation}, does not; try two circuits."
            )
        if operation.measure:
            raise ValueError(
                "A read-out of modes must be without back-action, but operation "
                f"{index} is {operation}; try `Read()`, and `Homodyne` behind it."
            )
    return True
