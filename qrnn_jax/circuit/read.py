"""The read-out marker."""

from dataclasses import dataclass
from typing import final

from qrnn_jax.circuit.operation import AbstractOperation
from qrnn_jax.circuit.slots import Slot


@final
@dataclass(frozen=True)
class Read(AbstractOperation):
    """Where the observables are read: without back-action, on exact engines.

    Equation: y_t = Tr(O rho) with rho the state at this place of step t.

    A circuit has exactly one `Read`. Where none is written it stands just before the step's
    trailing resets, else at the end of the step.

    Example:
        >>> import qrnn_jax as qj
        >>> qj.Circuit(1, (qj.H(0), qj.Read(), qj.X(0))).read_index
        1
    """

    is_unitary = True

    @property
    def wires(self) -> tuple[int, ...]:
        return ()

    @property
    def parameters(self) -> tuple[Slot, ...]:
        return ()

    @property
    def label(self) -> str:
        return "Read"
