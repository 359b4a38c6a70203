"""Layers: few of them, each of one form, and their product is the step."""

import jax.numpy as jnp
import numpy as np
import pytest

import qrnn_jax as qj
from qrnn_jax.circuit.layers import Form, Layer, layers
from qrnn_jax.circuit.operation import AbstractGate
from qrnn_jax.circuit.spread import spread
from qrnn_jax.ops import apply_matrix
from tests.helpers import random_circuit, random_inputs

R, P, C, D, M = Form.REAL, Form.PHASES, Form.PERMUTATION, Form.DENSE, Form.MOVING


def layers_of(circuit: qj.Circuit, max_wires: int = 3) -> tuple[Layer, ...]:
    return layers(circuit, range(len(circuit.operations)), max_wires=max_wires)


def product(found: tuple[Layer, ...], circuit: qj.Circuit, tape: np.ndarray) -> np.ndarray:
    """The matrix of all members, layer after layer."""
    total = jnp.eye(2**circuit.wires, dtype=complex)
    for layer in found:
        for member in layer.members:
            assert isinstance(member.operation, AbstractGate)
            matrix = member.operation.matrix(*(tape[column] for column in member.columns))
            total = apply_matrix(matrix, total, member.wires, circuit.wires)
    return np.asarray(total)


def ring(wires: int) -> list:
    return [qj.CNOT(wire, (wire + 1) % wires) for wire in range(wires)]


def test_a_layer_of_rotations_and_a_ring_are_few_passes() -> None:
    turns = [
        g for w in range(5) for g in (qj.RY(w, qj.Weight(2 * w)), qj.RZ(w, qj.Weight(2 * w + 1)))
    ]
    data = [qj.RY(0, qj.Data(0)), qj.RY(1, qj.Data(0))]
    found = layers_of(qj.Circuit(5, [*data, *turns, *ring(5), *turns, *ring(5)]))
    forms = [layer.form for layer in found]
    assert sorted(forms[:3], key=str) == sorted([M, R, R], key=str)
    assert forms[3:] == [P, C, R, R, P, C]
    assert {layer.room for layer in found if layer.form is R} == {(0, 1, 2), (3, 4)}


def test_rx_is_a_real_turn_between_phases() -> None:
    found = layers_of(qj.Circuit(3, [qj.RX(wire, qj.Weight(wire)) for wire in range(3)]))
    assert [layer.form for layer in found] == [P, R, P]


def test_what_has_no_cheaper_form_is_dense() -> None:
    u3, far = qj.U3(0, 0.1, 0.2, 0.3), qj.CRY(0, 4, 0.3)
    forms = [layer.form for layer in layers_of(qj.Circuit(5, [u3, qj.CRY(0, 1, 0.3), far]))]
    assert forms == [D, R, D]


@pytest.mark.parametrize("max_wires", [1, 3])
@pytest.mark.parametrize("seed", range(6))
def test_the_product_is_the_step(seed: int, max_wires: int) -> None:
    circuit = random_circuit(seed, wires=4, kind="unitary", gates=24)
    extra = (qj.X(1), qj.RX(2, 0.4), qj.SWAP(3, 1), qj.S(3), qj.CNOT(3, 0), qj.RX(0, -1.1))
    circuit = qj.Circuit(4, (*circuit.operations, *extra))
    weights, xs = random_inputs(circuit, seed)
    tape = np.asarray(spread(circuit, jnp.asarray(weights), jnp.asarray(xs[0])))
    found = layers_of(circuit, max_wires)
    expected = circuit.matrix(weights=weights, data=xs[0])
    np.testing.assert_allclose(product(found, circuit, tape), expected, atol=1e-13)
