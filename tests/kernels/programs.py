"""Random programs for native loops, without a circuit: all kinds of gates, any wires and words."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from numpy.random import Generator
from qrnn_jax_kernels.loop import Family
from qrnn_jax_kernels.program import Gate, Kind, Program, Word

_MOST_WIRES = {Kind.COMPLEX: 2, Kind.REAL: 1, Kind.TURN: 1, Kind.DIAGONAL: 5, Kind.CNOT: 2}


class Case(NamedTuple):
    """A program with its numbers, states and cotangents, float64."""

    program: Program
    fixed: np.ndarray
    varying: np.ndarray
    start: np.ndarray
    slopes: tuple[np.ndarray, np.ndarray]


def random_case(wires: int, gates: int, steps: int, batch: int, *, shared: bool = False) -> Case:
    """Gates of all kinds; four words; `shared` numbers and start for all sequences."""
    rng = np.random.default_rng([wires, gates, steps, batch])
    used = [0, 0]
    made = []
    for index in range(gates):
        gate = _random_gate(rng, wires, Kind(index % 5), used)
        if gate is not None:
            made.append(gate)
            used[gate.varies] += gate.size
    words = tuple(_random_word(rng, wires) for _ in range(4))
    program = Program(wires, len(made) // 2, tuple(made), words)
    rows = 1 if shared else batch
    start = rng.normal(size=(rows, 2**wires, 2))
    return Case(
        program,
        _numbers(rng, program, False, (rows, used[0])),
        _numbers(rng, program, True, (batch, steps, used[1])),
        start / np.sqrt(np.sum(start**2, axis=(1, 2), keepdims=True)),
        (rng.normal(size=(batch, steps, 4)), rng.normal(size=(batch, 2**wires, 2))),
    )


def results(family: Family, case: Case, kind: type = np.float64) -> list[np.ndarray]:
    """Reads, last states, and the slopes of fixed and varying numbers and of the start."""
    fixed, varying, start = (jnp.asarray(part, kind) for part in case[1:4])
    reads, last = family.forward(case.program, fixed, varying, start)
    slopes = [jnp.asarray(part, kind) for part in case.slopes]
    back = family.backward(case.program, fixed, varying, last, *slopes)
    return [np.asarray(part) for part in (reads, last, *back)]


def error(case: Case, found: list[np.ndarray], expected: list[np.ndarray]) -> float:
    """The largest, relative to the largest number, of what two families made.

    Of a slope only what is along changes that leave a gate unitary: the rest does not matter, and
    families may leave it out.
    """
    pairs = [(found[k], expected[k]) for k in (0, 1, 4)]
    for gate in case.program.gates:
        numbers, k = (case.varying, 3) if gate.varies else (case.fixed, 2)
        cut = slice(gate.offset, gate.offset + gate.size)
        own = np.broadcast_to(numbers, found[k].shape)[..., cut]
        pairs.append(tuple(_along(gate, own, part[k][..., cut]) for part in (found, expected)))
    errors = [np.abs(a - b).max(initial=0) / max(1, np.abs(b).max(initial=0)) for a, b in pairs]
    return float(np.max(errors))  # what is no number stays none


def _random_gate(rng: Generator, wires: int, kind: Kind, used: list[int]) -> Gate | None:
    most = min(_MOST_WIRES[kind], wires)
    count = 2 if kind is Kind.CNOT else int(rng.integers(1, most + 1))
    if count > wires:
        return None
    varies = bool(rng.integers(2)) and kind is not Kind.CNOT
    where = tuple(int(wire) for wire in rng.permutation(wires)[:count])
    return Gate(kind, where, used[varies], varies)


def _random_word(rng: Generator, wires: int) -> Word:
    flips, signs = (int(bits) for bits in rng.integers(2**wires, size=2))
    return Word(flips, signs, (flips & signs).bit_count() % 4)


def _numbers(rng: Generator, program: Program, varies: bool, shape: tuple[int, ...]) -> np.ndarray:
    gates = [gate for gate in program.gates if gate.varies is varies]
    rows = [
        np.concatenate([_draw(rng, gate) for gate in gates]) if gates else np.zeros(0)
        for _ in range(int(np.prod(shape[:-1])))
    ]
    return np.array(rows).reshape(shape)


def _draw(rng: Generator, gate: Gate) -> np.ndarray:
    angle, side = rng.uniform(0, 6), 2 ** len(gate.wires)
    c, s = np.cos(angle), np.sin(angle)
    if gate.kind is Kind.TURN:
        return np.array([c, s])
    if gate.kind is Kind.REAL:
        return np.array([c, s, s, -c])
    if gate.kind is Kind.CNOT:
        return np.zeros(0)
    if gate.kind is Kind.DIAGONAL:
        entries = np.exp(1j * rng.uniform(0, 6, side))
    else:
        entries = np.linalg.qr(rng.normal(size=(side, side, 2)) @ (1, 1j))[0].reshape(-1)
    return np.stack([entries.real, entries.imag], -1).reshape(-1)


def _along(gate: Gate, numbers: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """The slope along d M = G M, for all G that are anti-Hermitian."""
    side = 2 ** len(gate.wires)
    if gate.kind is Kind.CNOT:
        return slope
    if gate.kind is Kind.TURN:
        return numbers[..., 0] * slope[..., 1] - numbers[..., 1] * slope[..., 0]
    if gate.kind is Kind.DIAGONAL:
        return (np.conj(_complex(numbers)) * _complex(slope)).imag
    real = gate.kind is Kind.REAL
    matrix, own = (
        (part if real else _complex(part)).reshape(*part.shape[:-1], side, side)
        for part in (numbers, slope)
    )
    product = own @ np.conj(np.swapaxes(matrix, -1, -2))
    return product - np.conj(np.swapaxes(product, -1, -2))


def _complex(numbers: np.ndarray) -> np.ndarray:
    return numbers[..., 0::2] + 1j * numbers[..., 1::2]
