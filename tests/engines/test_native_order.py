"""Native code is told gates in an order in which they share passes, and the step stays the same."""

import numpy as np
import pytest

import qrnn_jax as qj
from qrnn_jax.circuit.lower import Block, Kind, lower_halves
from qrnn_jax.circuit.matrices import block_matrices
from qrnn_jax.engines.native_order import is_real_turn, pass_wires, passes
from tests.helpers import some


def ordered(circuit: qj.Circuit, most: int) -> tuple[Block, ...]:
    before, _ = lower_halves(circuit, max_wires=1, diagonal_wires=2)
    return passes(before, most)


def matrix(circuit: qj.Circuit, blocks: tuple[Block, ...], angles: np.ndarray) -> np.ndarray:
    """The product of blocks, embedded by the identity's columns."""
    size, total = circuit.wires, np.eye(2**circuit.wires, dtype=complex)
    for block, entries in zip(blocks, block_matrices(blocks, angles)):
        square = np.diag(entries) if block.kind is Kind.DIAGONAL else np.asarray(entries)
        state = total.reshape((2,) * size + (-1,))
        count = len(block.wires)
        gate = square.reshape((2,) * (2 * count))
        state = np.tensordot(gate, state, (range(count, 2 * count), block.wires))
        total = np.moveaxis(state, range(count), block.wires).reshape(2**size, -1)
    return total


def test_turns_come_first_and_the_phases_of_a_pass_are_one() -> None:
    layer = [op(w, qj.Weight(2 * w + k)) for w in range(6) for k, op in enumerate((qj.RY, qj.RZ))]
    blocks = ordered(qj.Circuit(6, (*layer, qj.CNOT(0, 5))), most=3)
    assert [(block.kind, block.wires) for block in blocks] == [
        *[(Kind.DENSE, (wire,)) for wire in (0, 1, 2)],
        (Kind.DIAGONAL, (0, 1, 2)),
        *[(Kind.DENSE, (wire,)) for wire in (3, 4, 5)],
        (Kind.DIAGONAL, (3, 4, 5)),
        (Kind.DENSE, (0, 5)),
    ]


def test_turns_about_x_are_real_turns_between_phases() -> None:
    gates = [qj.RX(wire, qj.Weight(wire)) for wire in range(3)] + [qj.RX(1, qj.Data(0))]
    blocks = ordered(qj.Circuit(3, tuple(gates)), most=3)
    assert [(block.kind, block.wires, block.varies) for block in blocks] == [
        (Kind.DIAGONAL, (0, 1, 2), False),
        *[(Kind.DENSE, (wire,), False) for wire in range(3)],
        (Kind.DIAGONAL, (0, 1, 2), False),
        (Kind.DENSE, (1,), True),
        (Kind.DIAGONAL, (1,), False),
    ]
    assert all(is_real_turn(block) for block in blocks if block.kind is Kind.DENSE)


@pytest.mark.parametrize("most", [1, 2, 3, 5])
@pytest.mark.parametrize("seed", some(range(6), 3))
def test_the_step_stays_the_same(most: int, seed: int) -> None:
    rng = np.random.default_rng([most, seed])
    one = (qj.RX, qj.RY, qj.RZ, qj.H, qj.S, qj.Y)
    two = (qj.CNOT, qj.CZ, qj.RZZ, qj.CRY)
    operations: list = []
    weights = iter(range(40))
    for _ in range(40):
        a, b = (int(wire) for wire in rng.choice(4, 2, replace=False))
        kinds = one if rng.random() < 0.7 or most == 1 else two
        make, wires = kinds[rng.integers(len(kinds))], (a,) if kinds is one else (a, b)
        slot = (qj.Weight(next(weights)),) if make in (qj.RX, qj.RY, qj.RZ, qj.RZZ, qj.CRY) else ()
        operations.append(make(*wires, *slot))
    circuit = qj.Circuit(4, tuple(operations))
    angles = rng.uniform(-3, 3, len(circuit.parameters))
    found = matrix(circuit, ordered(circuit, most), angles)
    plain, _ = lower_halves(circuit, max_wires=1, diagonal_wires=1)
    np.testing.assert_allclose(found, matrix(circuit, plain, angles), atol=1e-12)


@pytest.mark.parametrize(
    ("wires", "most", "expected"), [(8, 5, 4), (10, 5, 5), (3, 5, 3), (11, 5, 4)]
)
def test_passes_are_about_equally_large(wires: int, most: int, expected: int) -> None:
    assert pass_wires(wires, most) == expected
