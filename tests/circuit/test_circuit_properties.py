"""Laws that hold for every circuit, on examples that hypothesis chooses."""

import helpers
import numpy as np
import oracle
from hypothesis import given, settings
from hypothesis import strategies as st

import qrnn_jax as qj
from qrnn_jax import ops
from qrnn_jax.circuit.lower import lower, place

W, D = qj.Weight, qj.Data
SEEDS = st.integers(0, 10**6)
# gates of few kinds and one size keep the number of compiled programs small
ANGLES = st.floats(-10, 10)
MAKERS = (
    lambda a, b, angle: qj.RX(a, angle),
    lambda a, b, angle: qj.RZ(b, angle),
    lambda a, b, angle: qj.CRY(a, b, angle),
    lambda a, b, angle: qj.RZZ(a, b, angle),
    lambda a, b, angle: qj.CZ(a, b),
    lambda a, b, angle: qj.CNOT(a, b),
)
GATES = st.builds(
    lambda maker, wires, angle: maker(*wires, angle),
    st.sampled_from(MAKERS),
    st.permutations(range(3)).map(lambda wires: wires[:2]),
    ANGLES,
)


def operators(placed, weights, data, wires):
    """The full Kraus matrices of each operation, by the NumPy oracle."""
    for item in placed:
        kraus = oracle.kraus(item.operation, weights, data)
        yield [oracle.embed(matrix, item.wires, wires) for matrix in kraus]


@settings(max_examples=6, deadline=None)
@given(st.lists(GATES, min_size=1, max_size=6))
def test_the_matrix_of_gates_is_unitary_and_keeps_norms(gates):
    matrix = qj.Circuit(3, gates).matrix()
    np.testing.assert_allclose(matrix.conj().T @ matrix, np.eye(8), atol=1e-13)
    vector = matrix @ helpers.random_isometry(np.random.default_rng(0), 8, 1)
    np.testing.assert_allclose(np.linalg.norm(vector), 1, atol=1e-13)


@settings(max_examples=6, deadline=None)
@given(st.lists(GATES, min_size=1, max_size=6))
def test_a_circuit_followed_by_another_has_the_product_of_their_matrices(gates):
    split = len(gates) // 2
    first, second = qj.Circuit(3, gates[:split]), qj.Circuit(3, gates[split:])
    expected = second.matrix() @ first.matrix()
    np.testing.assert_allclose(qj.Circuit(3, gates).matrix(), expected, atol=1e-13)


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.integers(1, 4), st.sampled_from(helpers.KINDS))
def test_fusion_keeps_the_map(seed, max_wires, kind):
    circuit = helpers.random_circuit(seed, wires=3, kind=kind, gates=10)
    weights, data = helpers.random_inputs(circuit, seed, steps=1)
    indices = range(len(circuit.operations))
    blocks = lower(circuit, indices, max_wires=max_wires)
    rho = oracle.kron([np.diag([0.7, 0.3]), [[0.5, 0.2j], [-0.2j, 0.5]], np.diag([0.4, 0.6])])
    results = []
    for placed in ([m for block in blocks for m in block.members], place(circuit, indices)):
        state = rho
        for kraus in operators(placed, weights, data[0], 3):
            state = sum(matrix @ state @ matrix.conj().T for matrix in kraus)
        results.append(state)
    np.testing.assert_allclose(*results, atol=1e-13)


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from((qj.Depolarizing, qj.BitFlip, qj.AmplitudeDamping, qj.PhaseDamping)),
    st.floats(0, 1),
    st.integers(0, 2),
    SEEDS,
)
def test_channels_keep_the_trace_and_positivity(channel, strength, wire, seed):
    vectors = helpers.random_isometry(np.random.default_rng(seed), 8, 2)
    rho = vectors @ np.diag([0.9, 0.1]) @ vectors.conj().T
    superoperator = channel(wire, strength).superoperator(np.float64(strength))
    result = np.asarray(ops.apply_superoperator(superoperator, rho, (wire,), 3))
    np.testing.assert_allclose(np.trace(result), 1, atol=1e-14)
    np.testing.assert_allclose(result, result.conj().T, atol=1e-15)
    assert np.linalg.eigvalsh(result).min() > -1e-14


@settings(max_examples=25, deadline=None)
@given(*[st.floats(-5, 5) for _ in range(5)])
def test_slots_obey_the_laws_of_arithmetic(a, b, w0, w1, x0):
    left, right = (a * W(0) - b) * D(0), b * W(1) + a
    numbers = ((a * w0 - b) * x0, b * w1 + a)
    weights, data = np.array([w0, w1]), np.array([x0])
    for slot, number in (
        (left + right, numbers[0] + numbers[1]),
        (left - right, numbers[0] - numbers[1]),
        (-left, -numbers[0]),
        (b * left, b * numbers[0]),
        (right / 4, numbers[1] / 4),
    ):
        assert abs(oracle.value(slot, weights, data) - number) <= 1e-12
