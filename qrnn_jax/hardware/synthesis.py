"""Constant matrices as CNOTs and gates on one wire: the quantum Shannon decomposition.

    U = (u1 (+) u2) [C -S; S C] (v1 (+) v2)        cosine-sine; the middle: RY of the first wire,
                                                    its angle chosen by the other wires
    a (+) b = (1 (x) V) (D (+) D^dagger) (1 (x) W)  the middle: RZ of the first wire, likewise

A turn chosen by other wires is half sums and half differences of its angles around CNOTs.

Source: Shende, Bullock and Markov, IEEE Trans. CAD 25, 1000 (2006), theorems 10, 12 and 8.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from qrnn_jax.hardware.template import Instruction

MAX_WIRES = 4
_ZERO = 1e-13  # angles below it are rounding

Made = Iterator[Instruction]
Wires = Sequence[int]


def plain(instruction: Instruction) -> Made:
    """A constant matrix as `cx` and matrices on one wire; every other instruction as it is.

    Equation: exact up to a global phase; 6, 36, 168 CNOTs at most for 2, 3, 4 wires.

    Arguments:
        instruction: any.

    Raises:
        ValueError: a matrix on more than 4 wires.
    """
    if instruction.name == "unitary" and len(instruction.wires) > MAX_WIRES:
        raise ValueError(
            f"A program must be made of plain gates, but this cell has a constant matrix on "
            f"{len(instruction.wires)} wires, which would need hundreds of them or more; try "
            '`to_qiskit(template)` (`--format qiskit`) and a compiler, `dialect="braket"` '
            "(`--format braket`), or a smaller cell."
        )
    if instruction.name == "unitary":
        yield from _shannon(np.array(instruction.matrices[0]), instruction.wires)
    else:
        yield instruction


def _shannon(matrix: np.ndarray, wires: Wires) -> Made:
    if len(wires) == 1:
        yield _constant(matrix, wires[0])
        return
    half = len(matrix) // 2
    from scipy import linalg  # slow to import, and seldom needed

    left, angles, right = linalg.cossin(matrix, p=half, q=half, separate=True)
    yield from _either(right[0], right[1], wires)
    yield from _turns("Y", 2 * angles, wires)
    yield from _either(left[0], left[1], wires)


def _either(first: np.ndarray, second: np.ndarray, wires: Wires) -> Made:
    """One matrix or the other, as the first wire says."""
    from scipy import linalg

    triangle, vectors = linalg.schur(first @ second.conj().T, output="complex")
    phases = np.angle(np.diag(triangle))  # a normal matrix: its triangle is diagonal
    rest = np.exp(0.5j * phases)[:, None] * (vectors.conj().T @ second)
    yield from _shannon(rest, wires[1:])
    yield from _turns("Z", -phases, wires)
    yield from _shannon(vectors, wires[1:])


def _turns(letter: str, angles: np.ndarray, wires: Wires) -> list[Instruction]:
    """A turn of the first wire about Y or Z by angles[bits of the others]."""
    if np.abs(angles).max() < _ZERO:
        return []
    if len(wires) == 1:
        cosine, sine = np.cos(angles[0] / 2), np.sin(angles[0] / 2)
        turn = [[cosine, -sine], [sine, cosine]]
        if letter == "Z":
            turn = [[cosine - 1j * sine, 0], [0, cosine + 1j * sine]]
        return [_constant(np.array(turn), wires[0])]
    target, control, *rest = wires
    zero, one = np.split(angles, 2)
    first = _turns(letter, (zero + one) / 2, (target, *rest))
    if np.abs(zero - one).max() < _ZERO:
        return first
    second = _turns(letter, (zero - one) / 2, (target, *rest))[::-1]  # the same turn
    if rest and first and second and first[-1] == second[0]:  # two CNOTs that meet
        first, second = first[:-1], second[1:]
    parity = Instruction("cx", (control, target))
    return [*first, parity, *second, parity]


def _constant(matrix: np.ndarray, wire: int) -> Instruction:
    return Instruction("unitary", (wire,), data=np.asarray(matrix, complex).tobytes())
