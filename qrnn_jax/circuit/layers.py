"""Layers: a step on a pure state as few passes, each of a kind that is cheap on real numbers.

    REAL          gates with real matrices on a window of neighbouring wires: one real matrix
    PHASES        all diagonal gates that meet: one vector of phases
    PERMUTATION   CNOT, X and SWAP: one reordering of the amplitudes, however many gates
    DENSE         other gates on a few wires: one complex matrix
    MOVING        gates that depend on data

RX(a) = S^dagger RY(a) S, so all one-wire rotations are real matrices between phases.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, final

import numpy as np

from qrnn_jax.circuit.fixed import CNOT, SWAP
from qrnn_jax.circuit.lower import Placed, place
from qrnn_jax.circuit.operation import AbstractGate
from qrnn_jax.circuit.paulis import X
from qrnn_jax.circuit.spelling import spelt

if TYPE_CHECKING:
    from qrnn_jax.circuit.circuit import Circuit

_MOVING_WIRES = 2  # gates with data that are applied in one pass


class Form(Enum):
    """What a layer does to the amplitudes."""

    REAL = "a real matrix (2**k, 2**k) on neighbouring wires"
    PHASES = "phases (2**n,)"
    PERMUTATION = "another order of the amplitudes"
    DENSE = "a complex matrix (2**k, 2**k)"
    MOVING = "matrices that change from step to step"


@final
@dataclass(frozen=True)
class Layer:
    """Gates applied together.

    Arguments:
        form: how.
        room: the wires on which members may act; of a REAL layer, its whole window.
        members: the gates, first one first.
    """

    form: Form
    room: tuple[int, ...]
    members: tuple[Placed, ...]

    @property
    def wires(self) -> frozenset[int]:
        """The wires that a member acts on."""
        return frozenset(wire for member in self.members for wire in member.wires)


def layers(circuit: "Circuit", indices: Iterable[int], *, max_wires: int) -> tuple[Layer, ...]:
    """Sort the gates of a unitary step into layers.

    A gate moves to the front as far as it commutes for a visible reason (no common wire, or both
    diagonal), and joins the first layer of its form that it meets there.

    Arguments:
        circuit: the step; every operation is a gate.
        indices: positions of the operations, in order.
        max_wires: the largest window of a REAL layer, and the most wires of a DENSE one.

    Returns:
        Layers whose product equals the product of the gates.
    """
    windows = _windows(circuit.wires, max_wires)
    found: list[Layer] = []
    for placed in place(circuit, indices):
        for part in _parts(placed):
            _add(found, _opened(part, windows), max_wires)
    return tuple(found)


def _windows(count: int, most: int) -> list[tuple[int, ...]]:
    """The wires in runs of nearly equal length."""
    return [tuple(part.tolist()) for part in np.array_split(range(count), -(-count // most))]


def _parts(placed: Placed) -> tuple[Placed, ...]:
    """A gate with data stays whole."""
    return (placed,) if placed.varies else spelt(placed)


def _opened(placed: Placed, windows: list[tuple[int, ...]]) -> Layer:
    """A layer of one gate."""
    gate, wires = placed.operation, placed.wires
    assert isinstance(gate, AbstractGate)
    if placed.varies:
        return Layer(Form.MOVING, wires, (placed,))
    if gate.is_diagonal:
        return Layer(Form.PHASES, wires, (placed,))
    if isinstance(gate, CNOT | SWAP | X):
        return Layer(Form.PERMUTATION, wires, (placed,))
    home = [window for window in windows if set(wires) <= set(window)]
    if home and gate.is_real:
        return Layer(Form.REAL, home[0], (placed,))
    return Layer(Form.DENSE, wires, (placed,))


def _add(found: list[Layer], new: Layer, max_wires: int) -> None:
    """Join a layer, or stand as far in front as possible."""
    last = -1
    for index, layer in enumerate(found):
        commutes = layer.form is new.form is Form.PHASES
        if layer.wires & new.wires and not commutes:
            last = index
    for index in range(max(last, 0), len(found)):
        joined = _joined(found[index], new, max_wires)
        if joined is not None:
            found[index] = joined
            return
    found.insert(last + 1, new)


def _joined(layer: Layer, new: Layer, max_wires: int) -> Layer | None:
    """Both as one layer, the new gate last; None where they do not go together."""
    if layer.form is not new.form:
        return None
    room = tuple(sorted({*layer.room, *new.room}))
    if layer.form is Form.REAL and layer.room != new.room:
        return None
    if layer.form is Form.DENSE and len(room) > max_wires:
        return None
    if layer.form is Form.MOVING and not _side_by_side(layer, new, room):
        return None
    return Layer(layer.form, room, (*layer.members, *new.members))


def _side_by_side(layer: Layer, new: Layer, room: tuple[int, ...]) -> bool:
    """Whether gates with data act on neighbouring wires of their own, one each, real or not."""
    gates = [member.operation for member in (*layer.members, *new.members)]
    one_each = all(len(gate.wires) == 1 for gate in gates) and len(room) == len(gates)
    reals = {isinstance(gate, AbstractGate) and gate.is_real for gate in gates}
    near = room[-1] - room[0] == len(room) - 1
    ordered = layer.room < new.room
    return one_each and near and ordered and len(reals) == 1 and len(room) <= _MOVING_WIRES
