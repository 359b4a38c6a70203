"""From a step's operations to the few instructions that every device understands.

Nothing is approximated. A controlled rotation becomes two half turns around a CNOT; any other gate
with one angle a, U(a) = exp(-i a G) U(0), becomes constant matrices around turns of Z words:

    exp(-i a G) = V exp(-i a sum_w c_w Z_w) V^dagger,     c = Walsh transform of the eigenvalues

A recorded bit lives on its wire, as in the simulator: `Measure(wire, to)` copies it by a CNOT and
measures the copy, `If(bit, gate)` is a controlled gate.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import combinations, pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from qrnn_jax.circuit import (
    RY,
    RZ,
    U3,
    AbstractChannel,
    AbstractGate,
    AbstractMarker,
    Circuit,
    Evolution,
    Flip,
    If,
    Measure,
    Reset,
    Unitary,
)
from qrnn_jax.hardware.template import Angle, Instruction

_FIXED = {"CNOT": "cx", "CZ": "cz", "SWAP": "swap", "H": "h", "S": "s", "T": "t"}
_FIXED |= {"X": "x", "Y": "y", "Z": "z"}
_ROTATIONS = {name: name.lower() for name in ("RX", "RY", "RZ", "RXX", "RYY", "RZZ")}
_CONTROLLED = {"CRX": "x", "CRY": "y", "CRZ": "z"}
TO_Z = {"X": ("h",), "Y": ("sdg", "h"), "Z": ()}  # then a measurement in Z is one of the letter
FROM_Z = {"X": ("h",), "Y": ("h", "s"), "Z": ()}
_SMALLEST = 1e-12  # coefficients below it are rounding

Lowered = Iterator[Instruction]
Columns = Sequence[int]


def lower_operation(operation: Any, columns: Columns) -> Lowered:
    """The instructions of one operation.

    Arguments:
        operation: a gate, a channel, a reset or a measurement.
        columns: the tape columns of its parameters.

    Raises:
        ValueError: there is no exact form in these instructions.
    """
    name, wires = type(operation).__name__, operation.wires
    if name in _FIXED:
        yield Instruction(_FIXED[name], wires)
    elif name in _ROTATIONS:
        yield Instruction(_ROTATIONS[name], wires, Angle(columns[0]))
    elif name in _CONTROLLED:
        yield from _controlled_rotation(_CONTROLLED[name], wires, columns[0])
    elif isinstance(operation, Reset):
        yield Instruction("reset", wires)
    elif isinstance(operation, Measure):
        yield from _measure(operation)
    elif isinstance(operation, AbstractGate):
        yield from _gate(operation, columns)
    elif isinstance(operation, AbstractChannel):
        yield _channel(operation)
    elif not isinstance(operation, AbstractMarker):
        raise ValueError(f"A device must be given operations that it knows, but not {operation}.")


def _gate(gate: AbstractGate, columns: Columns) -> Lowered:
    if isinstance(gate, U3):
        theta, phi, lam = columns
        for name, column in (("rz", lam), ("ry", theta), ("rz", phi)):
            yield Instruction(name, gate.wires, Angle(column))
    elif isinstance(gate, Flip):
        yield Instruction("rx", gate.wires, Angle(columns[0], scale=float(np.pi)))
    elif isinstance(gate, Unitary):
        yield _unitary(gate.wires, gate.constant.value)
    elif isinstance(gate, If) and isinstance(gate.gate, U3):
        yield from _if_u3(gate, columns)
    elif isinstance(gate, Evolution) and _commutes(gate):
        for coefficient, word in gate.hamiltonian.as_sum().terms:
            yield from _turn(word, Angle(columns[0], scale=2 * coefficient))
    elif len(columns) == 1:
        yield from _by_spectrum(gate, columns[0])
    elif not columns:
        yield _unitary(gate.wires, _constant(gate.matrix))
    else:
        raise ValueError(
            f"A device must be given gates that it can play exactly, but {gate} has "
            f"{len(columns)} angles and no such form; try rotations."
        )


def _if_u3(gate: If, columns: Columns) -> Lowered:
    """Under a classical bit the phase that U3 has beyond its three rotations does not matter."""
    theta, phi, lam = columns
    (wire,) = gate.gate.wires
    for kind, column in ((RZ, lam), (RY, theta), (RZ, phi)):
        yield from _by_spectrum(If(gate.bit, kind(wire, 0.0), gate.value), column)


def _controlled_rotation(letter: str, wires: tuple[int, ...], column: int) -> Lowered:
    """Half a turn, and half a turn back or on: X turns the sense of Y and Z around."""
    control, target = wires
    inner = "ry" if letter == "y" else "rz"
    frame = [Instruction("h", (target,))] if letter == "x" else []
    yield from frame
    for scale in (0.5, -0.5):
        yield Instruction(inner, (target,), Angle(column, scale))
        yield Instruction("cx", (control, target))
    yield from frame


def _measure(operation: Measure) -> Lowered:
    """In the basis, onto the other wire if there is one; the outcome itself goes to scratch."""
    wire, target = operation.wire, operation.wire if operation.to is None else operation.to
    if operation.to is not None:
        yield Instruction("reset", (operation.to,))
    yield from (Instruction(name, (wire,)) for name in TO_Z[operation.basis])
    if operation.to is not None:
        yield Instruction("cx", (wire, operation.to))
    yield Instruction("measure", (target,))
    yield from (Instruction(name, (wire,)) for name in FROM_Z[operation.basis])


def _channel(operation: AbstractChannel) -> Instruction:
    if operation.is_selective:
        raise ValueError(
            "A device must be given a circuit that keeps every run, but "
            f"{operation} keeps a part of them; try an engine with `shots=`."
        )
    slots = operation.parameters
    if any(slot.terms for slot in slots):
        raise ValueError(
            f"A device must be given noise of constant strength, but {operation} depends on "
            "weights or data; try a number."
        )
    kraus = _constant(lambda: operation.kraus(*(jnp.asarray(slot.constant) for slot in slots)))
    return Instruction("kraus", operation.wires, data=kraus.astype(complex).tobytes())


def _by_spectrum(gate: AbstractGate, column: int) -> Lowered:
    """V, turns of Z words, V^dagger: behind the gate at angle 0."""
    at_zero, generator = _generator(gate)
    energies, vectors = np.linalg.eigh(generator)
    yield _unitary(gate.wires, vectors.conj().T @ at_zero)
    for word, coefficient in _walsh(energies, gate.wires):
        yield from _turn(word, Angle(column, scale=2 * coefficient))
    yield _unitary(gate.wires, vectors)


def _generator(gate: AbstractGate) -> tuple[np.ndarray, np.ndarray]:
    """U(0) and G with U(a) = exp(-i a G) U(0); refused where the gate has no such form."""

    def both(angle: float) -> tuple[Any, Any]:
        value = jnp.asarray(angle)
        return jax.jvp(lambda a: gate.matrix(a), (value,), (jnp.ones_like(value),))

    at_zero, slope = _constant(partial(both, 0.0))
    generator = 1j * slope @ at_zero.conj().T
    for angle in (0.7, -2.3):
        energies, vectors = np.linalg.eigh(generator)
        expected = (vectors * np.exp(-1j * energies * angle)) @ vectors.conj().T @ at_zero
        found, _ = _constant(partial(both, angle))
        if not np.abs(expected - found).max() < 1e-9:
            raise ValueError(
                f"A device must be given gates that turn evenly with their angle, but {gate} does "
                "not; try rotations."
            )
    return at_zero, generator


def _walsh(energies: np.ndarray, wires: tuple[int, ...]) -> list[tuple[Any, float]]:
    """energies[b] = sum_w c_w (-1)^(bits of b on w), the constant left out: a phase."""
    bits = np.arange(len(energies))[:, None] >> np.arange(len(wires))[::-1] & 1
    found = []
    for size in range(1, len(wires) + 1):
        for places in combinations(range(len(wires)), size):
            signs = 1 - 2 * (bits[:, list(places)].sum(axis=1) % 2)
            coefficient = float(signs @ energies) / len(energies)
            if abs(coefficient) > _SMALLEST:
                found.append((tuple((wires[place], "Z") for place in places), coefficient))
    return found


def _turn(word: Sequence[tuple[int, str]], angle: Angle) -> Lowered:
    """exp(-i angle P / 2) for one Pauli word P."""
    letters, wires = [letter for _, letter in word], [wire for wire, _ in word]
    if not word:
        return
    if len(set(letters)) == 1 and len(word) <= 2:
        yield Instruction(f"r{letters[0].lower() * len(word)}", tuple(wires), angle)
        return
    ladder = [Instruction("cx", pair) for pair in pairwise(wires)]
    for wire, letter in word:
        yield from (Instruction(name, (wire,)) for name in TO_Z[letter])
    yield from ladder
    yield Instruction("rz", (wires[-1],), angle)
    yield from reversed(ladder)
    for wire, letter in word:
        yield from (Instruction(name, (wire,)) for name in FROM_Z[letter])


def _commutes(evolution: Evolution) -> bool:
    """Whether all words commute, so that the product of their turns is exact."""
    words = [dict(word) for _, word in evolution.hamiltonian.as_sum().terms]
    return all(
        sum(one[wire] != other[wire] for wire in one.keys() & other.keys()) % 2 == 0
        for one, other in combinations(words, 2)
    )


def _unitary(wires: tuple[int, ...], matrix: np.ndarray) -> Instruction:
    return Instruction("unitary", wires, data=np.asarray(matrix, complex).tobytes())


def _constant(function: Callable[[], Any]) -> Any:
    """What a JAX function of constants returns, as NumPy in double precision, also under jit."""
    with jax.enable_x64(True), jax.ensure_compile_time_eval():
        return jax.tree.map(np.asarray, function())


def expanded(instruction: Instruction) -> list[Instruction]:
    """Turns of two wires as cx and rz; every other instruction as it is."""
    name = instruction.name
    if name not in ("rxx", "ryy", "rzz"):
        return [instruction]
    assert instruction.angle is not None
    letter, (first, second) = name[1].upper(), instruction.wires
    there = [Instruction(n, (wire,)) for wire in (first, second) for n in TO_Z[letter]]
    back = [Instruction(n, (wire,)) for wire in (first, second) for n in FROM_Z[letter]]
    parity = Instruction("cx", (first, second))
    turn = Instruction("rz", (second,), instruction.angle, when=instruction.when)
    return [*there, parity, turn, parity, *back]


def operations_of(circuit: Circuit) -> Iterator[tuple[int, Any, Columns]]:
    """(index, operation, tape columns) of a step."""
    for index, (operation, offset) in enumerate(zip(circuit.operations, circuit.offsets)):
        yield index, operation, range(offset, offset + len(operation.parameters))
