"""Gates as products of real matrices and phases, which cost half and a quarter."""

from dataclasses import replace

import numpy as np

from qrnn_jax.circuit.fixed import S
from qrnn_jax.circuit.general import Unitary
from qrnn_jax.circuit.lower import Placed
from qrnn_jax.circuit.rotations import RX, RY


def spelt(placed: Placed) -> tuple[Placed, ...]:
    """A gate, or what takes its place: RX(a) = S^dagger RY(a) S, S acting first."""
    if not isinstance(placed.operation, RX):
        return (placed,)
    (wire,) = placed.wires
    inverse = Unitary(wire, np.diag([1, -1j]))
    turn = RY(wire, placed.operation.angle)
    return tuple(replace(placed, operation=gate) for gate in (S(wire), turn, inverse))
