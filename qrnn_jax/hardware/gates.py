"""Gates by the names that OpenQASM 3 and Qiskit give them, as operations of this library."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from qrnn_jax.circuit import (
    CNOT,
    CRX,
    CRY,
    CRZ,
    CZ,
    RX,
    RXX,
    RY,
    RYY,
    RZ,
    RZZ,
    SWAP,
    U3,
    AbstractGate,
    Controlled,
    Evolution,
    H,
    S,
    T,
    Unitary,
    X,
    Y,
    Z,
)
from qrnn_jax.circuit.slots import Slot


class Known(NamedTuple):
    """A gate that can be read: its numbers of wires and angles, and what it becomes."""

    wires: int
    angles: int
    build: Callable[..., Sequence[AbstractGate]]


def _one(kind: Callable[..., Any]) -> Callable[..., Sequence[AbstractGate]]:
    return lambda *arguments: (kind(*arguments),)


def _constant(matrix: Any) -> Known:
    return Known(1, 0, lambda wire: (Unitary((wire,), np.array(matrix)),))


def _phase(wire: int, angle: Slot | float) -> U3:
    """diag(1, exp(i angle))."""
    return U3(wire, 0.0, 0.0, angle)


def _controlled(kind: Callable[..., Any], wires: int) -> Callable[..., Sequence[AbstractGate]]:
    """All wires but the last `wires` control."""
    return lambda *all_wires: (Controlled(kind(*all_wires[-wires:]), all_wires[:-wires]),)


def _cu(control: int, wire: int, *angles: Slot) -> Sequence[AbstractGate]:
    """Of Qiskit: its fourth angle is a phase of the controlled gate."""
    return _phase(control, angles[3]), Controlled(U3(wire, *angles[:3]), control)


def _cphase(control: int, wire: int, angle: Slot) -> Sequence[AbstractGate]:
    return (Controlled(_phase(wire, angle), control),)


def _u2(wire: int, phi: Slot, lam: Slot) -> Sequence[AbstractGate]:
    return (U3(wire, np.pi / 2, phi, lam),)


def _rzx(first: int, second: int, angle: Slot) -> Sequence[AbstractGate]:
    return (Evolution(0.5 * (Z(first) @ X(second)), angle),)


_EIGHTH = np.exp(0.25j * np.pi)
_U = Known(1, 3, _one(U3))
_P = Known(1, 1, _one(_phase))
_CX = Known(2, 0, _one(CNOT))
_CP = Known(2, 1, _cphase)
NAMED: dict[str, Known] = {
    **{kind.__name__.lower(): Known(1, 0, _one(kind)) for kind in (X, Y, Z, H, S, T)},
    **{kind.__name__.lower(): Known(1, 1, _one(kind)) for kind in (RX, RY, RZ)},
    **{kind.__name__.lower(): Known(2, 1, _one(kind)) for kind in (RXX, RYY, RZZ, CRX, CRY, CRZ)},
    **{"cx": _CX, "CX": _CX, "cnot": _CX, "cz": Known(2, 0, _one(CZ))},
    "swap": Known(2, 0, _one(SWAP)),
    **{"u": _U, "U": _U, "u3": _U, "u2": Known(1, 2, _u2)},
    **{"p": _P, "phase": _P, "u1": _P, "cp": _CP, "cphase": _CP, "cu1": _CP},
    "id": Known(1, 0, lambda wire: ()),
    **{"sdg": _constant(np.diag([1, -1j])), "si": _constant(np.diag([1, -1j]))},
    **{"tdg": _constant(np.diag([1, 1 / _EIGHTH])), "ti": _constant(np.diag([1, 1 / _EIGHTH]))},
    "sx": _constant(np.array([[1 + 1j, 1 - 1j], [1 - 1j, 1 + 1j]]) / 2),
    "cy": Known(2, 0, _controlled(Y, 1)),
    "ch": Known(2, 0, _controlled(H, 1)),
    "ccx": Known(3, 0, _controlled(X, 1)),
    "cswap": Known(3, 0, _controlled(SWAP, 2)),
    "cu": Known(2, 4, _cu),
    "rzx": Known(2, 1, _rzx),
}
# what a program in text may call: `stdgates.inc`, U, and the words of Braket for the same
_WORDS = "p x y z h s sdg t tdg sx rx ry rz cx cy cz cp crx cry crz ch swap ccx cswap cu CX phase"
_WORDS += " cphase id u1 u2 u3 U cnot si ti"
STANDARD = frozenset(_WORDS.split())
