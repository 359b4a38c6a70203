"""The quantum neuron with its ancillas: what a device plays, made of controlled rotations."""

from collections.abc import Iterator
from math import pi

from qrnn_jax.circuit.controlled import Controlled
from qrnn_jax.circuit.neuron import neuron_subsets
from qrnn_jax.circuit.operation import AbstractOperation
from qrnn_jax.circuit.postselect import Postselect
from qrnn_jax.circuit.rotations import RY
from qrnn_jax.circuit.slots import Slot


def explicit_neuron(
    sources: tuple[int, ...],
    target: int,
    angles: tuple[Slot, ...],
    ancillas: tuple[int, ...],
    turn: float = pi,
) -> Iterator[AbstractOperation]:
    """The operations of the neuron of order len(ancillas).

    Equation, order 1 on an ancilla a in |0>: R(eta) on a, chosen by the sources; RY(pi), which is
    -iY, on the target where a is 1; R(eta)^-1 on a; keep the runs with a = 0. Order k: the neuron
    of order k - 1 turns a; RY(pi) on the target where a is 1; its inverse on a; keep a = 0.

    Arguments:
        sources: the wires that choose the angle.
        target: the wire that is turned.
        angles: as in `Neuron`.
        ancillas: wires in |0>, left in |0>; the last one controls the target.
        turn: pi; -pi for the inverse of the neuron.
    """
    *inner, ancilla = ancillas
    for there in (True, False):
        if inner:
            half = pi if there else -pi
            yield from explicit_neuron(sources, ancilla, angles, tuple(inner), half)
        else:
            yield from _rotations(sources, ancilla, angles, there)
        if there:
            yield Controlled(RY(target, turn), (ancilla,))
    yield Postselect(ancilla, 0)


def _rotations(
    sources: tuple[int, ...], ancilla: int, angles: tuple[Slot, ...], there: bool
) -> Iterator[AbstractOperation]:
    """R(eta) on the ancilla, one rotation per subset of the sources; or its inverse."""
    subsets = neuron_subsets(len(sources), len(sources))[: len(angles)]
    for subset, angle in zip(subsets, angles):
        rotation = RY(ancilla, angle if there else -angle)
        controls = tuple(sources[position] for position in subset)
        yield Controlled(rotation, controls) if controls else rotation
