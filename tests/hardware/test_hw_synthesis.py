"""Constant matrices taken apart: the product is the matrix again, up to a phase."""

import numpy as np
import pytest

import qrnn_jax as qj
from qrnn_jax.hardware.synthesis import plain
from qrnn_jax.hardware.template import Instruction
from tests.helpers import random_isometry

RNG = np.random.default_rng(7)
ISING = qj.Evolution(0.3 * qj.X(0) + 0.9 * (qj.Z(0) @ qj.Z(1)) + 0.5 * qj.X(2), 0.7)
MATRICES = {
    "two wires": random_isometry(RNG, 4, 4),
    "three wires": random_isometry(RNG, 8, 8),
    "four wires": random_isometry(RNG, 16, 16),
    "identity": np.eye(8),
    "diagonal": np.diag(np.exp(1j * np.arange(8))),
    "permutation": np.eye(8)[[3, 1, 0, 2, 7, 4, 6, 5]],
    "real": np.linalg.qr(RNG.normal(size=(8, 8)))[0],
    "controlled": qj.Circuit(3, (qj.Controlled(qj.CZ(1, 2), 0),)).matrix(),
    "product": np.kron(random_isometry(RNG, 2, 2), random_isometry(RNG, 4, 4)),
    "evolution": qj.Circuit(3, (ISING,)).matrix(),
}  # fmt: skip


def product(instructions: list[Instruction], wires: int) -> np.ndarray:
    """By this library's own circuits."""
    gates = [
        qj.CNOT(*i.wires) if i.name == "cx" else qj.Unitary(i.wires, i.matrices[0])
        for i in instructions
    ]
    return qj.Circuit(wires, gates).matrix()


@pytest.mark.parametrize("name", MATRICES)
def test_the_parts_multiply_to_the_matrix(name: str) -> None:
    matrix = np.asarray(MATRICES[name], complex)
    wires = len(matrix).bit_length() - 1
    order = tuple(int(w) for w in np.random.default_rng(3).permutation(wires))
    parts = list(plain(Instruction("unitary", order, data=matrix.tobytes())))
    assert {i.name for i in parts} <= {"cx", "unitary"}
    assert all(len(i.wires) == 1 for i in parts if i.name == "unitary")
    assert sum(i.name == "cx" for i in parts) <= {2: 6, 3: 36, 4: 168}[wires]
    wanted = qj.Circuit(wires, (qj.Unitary(order, matrix),)).matrix()
    found = product(parts, wires)
    overlap = np.vdot(wanted, found) / len(matrix)
    assert abs(abs(overlap) - 1) < 1e-12
    np.testing.assert_allclose(found, wanted * overlap / abs(overlap), atol=1e-12)
