"""Lowering keeps the step's map: the blocks, in their order, are the operations in theirs."""

import helpers
import jax
import jax.numpy as jnp
import numpy as np
import oracle
import pytest

import qrnn_jax as qj
from qrnn_jax.circuit.lower import lower, place
from qrnn_jax.circuit.matrices import apply_blocks, block_matrices
from qrnn_jax.circuit.spread import spread

W, D = qj.Weight, qj.Data


def apply_in_order(placed, rho, weights, data, wires):
    """Each operation by its Kraus matrices on its (renamed) wires, first one first."""
    for item in placed:
        kraus = oracle.kraus(item.operation, weights, data)
        full = [oracle.embed(matrix, item.wires, wires) for matrix in kraus]
        rho = sum(matrix @ rho @ matrix.conj().T for matrix in full)
    return rho


def members(blocks):
    return [item for block in blocks for item in block.members]


@pytest.mark.parametrize("max_wires", [1, 2, 3])
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("kind", ["noisy", "unitary"])
def test_the_blocks_are_the_operations_in_an_equivalent_order(kind, seed, max_wires):
    circuit = helpers.random_circuit(seed, wires=4, kind=kind, gates=12)
    weights, data = helpers.random_inputs(circuit, seed, steps=1)
    rename = {0: 2, 1: 0, 2: 3, 3: 1}
    indices = range(len(circuit.operations))
    blocks = lower(circuit, indices, max_wires=max_wires, rename=rename)
    original = place(circuit, indices, rename)
    assert sorted(id(item.operation) for item in members(blocks)) == sorted(
        id(item.operation) for item in original
    )
    vectors = helpers.random_isometry(np.random.default_rng(seed), 16, 3)
    rho = vectors @ np.diag([0.5, 0.3, 0.2]) @ vectors.conj().T
    result = apply_in_order(members(blocks), rho, weights, data[0], 4)
    expected = apply_in_order(original, rho, weights, data[0], 4)
    np.testing.assert_allclose(result, expected, atol=1e-13)


@pytest.mark.parametrize("max_wires", [1, 2, 4])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_matrices_of_the_blocks_multiply_to_the_matrix_of_the_circuit(seed, max_wires):
    circuit = helpers.random_circuit(seed, wires=4, kind="unitary", gates=12)
    weights, data = helpers.random_inputs(circuit, seed, steps=1)
    indices = range(len(circuit.operations))
    blocks = lower(circuit, indices, max_wires=max_wires)

    @jax.jit
    def multiply(weights, data):
        tape = spread(circuit, weights, data)
        return apply_blocks(blocks, block_matrices(blocks, tape), jnp.eye(16, dtype=complex), 4)

    expected = np.eye(16)
    for item in place(circuit, indices):
        (matrix,) = oracle.kraus(item.operation, weights, data[0])
        expected = oracle.embed(matrix, item.wires, 4) @ expected
    result = multiply(jnp.asarray(weights), jnp.asarray(data[0]))
    np.testing.assert_allclose(result, expected, atol=1e-13)


def test_a_gate_does_not_pass_one_that_it_does_not_commute_with():
    circuit = qj.Circuit(3, (qj.RX(0, W(0)), qj.CNOT(0, 1), qj.RX(0, W(1)), qj.RZ(2, W(2))))
    blocks = lower(circuit, range(4), max_wires=1)
    positions = {item.operation: index for index, item in enumerate(members(blocks))}
    assert positions[qj.RX(0, W(0))] < positions[qj.CNOT(0, 1)] < positions[qj.RX(0, W(1))]


def test_weight_gates_fuse_and_data_gates_and_channels_stay_alone():
    circuit = qj.Circuit(
        2,
        (
            qj.RX(0, W(0)),
            qj.RZ(1, W(1)),
            qj.CNOT(0, 1),
            qj.RY(0, D(0)),
            qj.BitFlip(1, 0.1),
            qj.H(0),
            qj.H(1),
        ),
    )
    blocks = lower(circuit, range(7), max_wires=2)
    assert len(blocks) == 4
    sizes = sorted(len(block.members) for block in blocks)
    assert sizes == [1, 1, 2, 3]
    varying = [block for block in blocks if block.varies]
    assert [type(item.operation).__name__ for item in members(varying)] == ["RY"]


def test_read_is_no_block_and_indices_select():
    circuit = qj.Circuit(1, (qj.H(0), qj.Read(), qj.S(0), qj.Reset(0)))
    blocks = lower(circuit, range(3), max_wires=1)
    assert [type(item.operation).__name__ for item in members(blocks)] == ["H", "S"]
