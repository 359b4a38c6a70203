"""The read-out marker."""

from dataclasses import dataclass
from typing import final

from qrnn_jax.circuit.operation import AbstractMarker


@final
@dataclass(frozen=True)
class Read(AbstractMarker):
    """Where the observables are read: by default without back-action, on exact engines.

    Equation: y_t = Tr(O rho) with rho the state at this place of step t; with `measure`, then
    rho -> sum_b P_b rho P_b, P_b the joint eigenprojectors of the Pauli letters that are read.

    A circuit has exactly one `Read`. Where none is written it stands just before the step's
    trailing resets, else at the end of the step.

    Arguments:
        measure: whether reading measures the wires. Then what a device does to a memory wire is
            part of the model, on every engine. Wires that are reset right after need no `measure`.

    Raises:
        ValueError: at run time, when `measure` is set and the observables ask for two Pauli letters
            on one wire; try `Read()` with `prefixes=True`.

    Example:
        >>> import qrnn_jax as qj
        >>> qj.Circuit(1, (qj.H(0), qj.Read(), qj.X(0))).read_index
        1
        >>> qj.Circuit(1, (qj.H(0), qj.Read(measure=True))).is_unitary
        False

    Source: Nielsen and Chuang, section 2.2.5, for the back-action of a projective measurement.
    """

    measure: bool = False

    @property
    def label(self) -> str:
        return "Read, measure" if self.measure else "Read"
