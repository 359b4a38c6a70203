"""The quantum neuron: against its ancillas, its formula by hand, and its shift rule."""

import jax
import jax.numpy as jnp
import numpy as np
import oracle
import pytest

import qrnn_jax as qj
from qrnn_jax.circuit.explicit_neuron import explicit_neuron
from qrnn_jax.circuit.neuron import monomials

W = qj.Weight
THETAS = np.array([0.4 + np.pi / 2, -0.7, 1.1, 0.6])
ANGLES = (W(0), W(1), W(2), W(3))
WIRES = ((2, 0), 1)  # the first source is the last wire


def neuron(kind=qj.Neuron, order=2):
    return kind(*WIRES, ANGLES, order)


def random_state(seed, size):
    rng = np.random.default_rng(seed)
    psi = rng.normal(size=size) + 1j * rng.normal(size=size)
    return psi / np.linalg.norm(psi)


def applied(order, thetas=THETAS):
    """The neuron on a random state of three wires, not normalised."""
    matrix = np.asarray(neuron(order=order).kraus(*jnp.asarray(thetas))[0])
    return oracle.embed(matrix, (*WIRES[0], WIRES[1]), 3) @ random_state(1, 8)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_it_is_what_its_ancillas_leave(order):
    ancillas = tuple(range(3, 3 + order))
    psi = np.kron(random_state(1, 8), np.eye(2**order)[0])
    operations = list(explicit_neuron(*WIRES, ANGLES, ancillas))
    rotated = [op for op in operations if ancillas[0] in op.wires[-1:] and op.parameters]
    assert len(rotated) >= 4 * 2**order  # every use of R is four rotations
    for operation in operations:
        (matrix,) = oracle.kraus(operation, THETAS, np.zeros(0))
        psi = oracle.embed(matrix, operation.wires, 3 + order) @ psi
    kept = psi.reshape(8, -1)
    np.testing.assert_allclose(kept[:, 0], applied(order), atol=1e-12)
    np.testing.assert_array_equal(kept[:, 1:], 0)
    with jax.enable_x64(False):
        single = jnp.asarray(THETAS, jnp.float32)
        matrix = np.asarray(neuron(order=order).kraus(*single)[0])
    small = oracle.embed(matrix, (*WIRES[0], WIRES[1]), 3) @ random_state(1, 8)
    assert 0 < np.abs(small - applied(order)).max() < 1e-5


@pytest.mark.parametrize("order", [1, 2, 3])
def test_its_activation_and_its_least_survival(order):
    """On a definite word: P(1) = sin^2 arctan tan^(2^order), t = eta / 2."""
    for t in (0.3, np.pi / 4, 1.2):
        amplitudes = np.asarray(qj.Neuron((), 0, (0.0,), order).kraus(jnp.asarray(2 * t))[0][:, 0])
        survival = np.sum(np.abs(amplitudes) ** 2)
        expected = np.sin(np.arctan(np.tan(t) ** 2**order)) ** 2
        np.testing.assert_allclose(np.abs(amplitudes[1]) ** 2 / survival, expected, atol=1e-12)
        least = {1: 1 / 2, 2: 1 / 8, 3: 1 / 128}[order]
        assert survival > least - 1e-15
        assert (abs(survival - least) < 1e-15) == (t == np.pi / 4)


def test_the_pre_activation_written_out():
    """eta at the word (x, y, z): bias, then single bits, then pairs, in order."""
    neuron = qj.Neuron((4, 1, 2), 0, tuple(map(float, 10.0 ** -np.arange(7))))
    assert neuron.degree == 2
    eta = np.asarray(neuron.activation_angles(*jnp.asarray(10.0 ** -np.arange(7))))
    assert eta[0b000] == pytest.approx(1)
    assert eta[0b100] == pytest.approx(1.1)
    assert eta[0b011] == pytest.approx(1.011001)
    assert eta[0b110] == pytest.approx(1.1101)
    assert eta[0b111] == pytest.approx(1.111111)
    assert monomials(3, 3).shape == (8, 8)
    assert monomials(0, 4).tolist() == [[1.0]]


@pytest.mark.parametrize("kind", [qj.Neuron, qj.UnitaryNeuron])
def test_its_matrix_is_the_oracles(kind):
    unit = neuron(kind, order=3)
    (expected,) = oracle.kraus(unit, THETAS, np.zeros(0))
    values = jnp.asarray(THETAS)
    matrix = unit.matrix(*values) if unit.is_unitary else unit.kraus(*values)[0]
    np.testing.assert_allclose(matrix, expected, atol=1e-15)
    assert not np.allclose(expected, expected.T, atol=0.1)
    if not unit.is_unitary:
        full = unit.superoperator(*values)
        np.testing.assert_allclose(full, np.kron(expected, expected), atol=1e-15)


def test_the_unitary_neuron_rotates_every_branch():
    matrix = np.asarray(neuron(qj.UnitaryNeuron).matrix(*jnp.asarray(THETAS)))
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(8), atol=1e-15)
    kept = np.asarray(neuron().kraus(*jnp.asarray(THETAS))[0])
    for column in range(8):  # on a definite word the two agree
        np.testing.assert_allclose(
            kept[:, column] / np.linalg.norm(kept[:, column]), matrix[:, column], atol=1e-15
        )
    plus = np.kron(np.full(4, 0.5), [1, 0])
    ours = kept @ plus / np.linalg.norm(kept @ plus)
    assert abs(ours @ matrix @ plus) < 0.999  # and on a superposition they do not


@pytest.mark.parametrize("kind", [qj.Neuron, qj.UnitaryNeuron])
@pytest.mark.parametrize("eta", [0.0, np.pi / 2, np.pi, 2 * np.pi])
def test_derivatives_are_finite_at_the_singular_points_of_the_tangent(kind, eta):
    unit = kind((), 0, (0.0,))
    jacobian = jax.jacrev(lambda angle: jnp.stack(unit.amplitudes(angle)))(jnp.asarray(eta))
    assert np.isfinite(jacobian).all()


def joint(order, parameter, shift=0.0):
    """The unnormalised probability that ancillas succeed and wire 1 reads 1, later turned."""
    thetas = THETAS.copy()
    thetas[parameter] += shift
    after = oracle.embed(oracle.ROTATIONS["RX"](0.7), (1,), 3) @ applied(order, thetas)
    return np.sum(np.abs(after.reshape(2, 2, 2)[:, 1]) ** 2)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_its_shift_rule_differentiates_joint_probabilities(order):
    for parameter in (0, 1, 3):
        terms = neuron(order=order).shift_terms(parameter)
        assert len(terms) == 2 ** (order + 1)
        shifted = sum(c * joint(order, parameter, s) for c, s in terms)
        odd = [joint(order, parameter, s) - joint(order, parameter, -s) for s in (1e-3, 2e-3, 3e-3)]
        difference = (45 * odd[0] - 9 * odd[1] + odd[2]) / 60e-3
        assert shifted == pytest.approx(difference, abs=1e-10)
        two = sum(c * joint(order, parameter, s) for c, s in qj.RY(0, W(0)).shift_terms(0))
        assert abs(difference) > 1e-4
        assert abs(two - difference) > 0.01 * abs(difference)


def test_a_unitary_neuron_has_no_shift_rule():
    unit = neuron(qj.UnitaryNeuron)
    circuit = qj.Circuit(3, (unit,))
    assert not unit.has_shift_rule
    for asked in (lambda: unit.shift_terms(0), unit.generators):
        with pytest.raises(ValueError, match="finitely many frequencies, but UnitaryNeuron"):
            asked()
    for rule in (qj.ParameterShift(), qj.SharedShift(), qj.Riesz()):
        assert "UnitaryNeuron" in rule.refusal(circuit)


def test_what_is_no_neuron_is_refused():
    with pytest.raises(ValueError, match=r"up to some size, \[1, 3, 4\] for 2 sources, but has 2"):
        qj.Neuron((0, 1), 2, (0.1, 0.2))
    with pytest.raises(ValueError, match=r"`order` must be an integer of 1 or more, but is 0"):
        qj.UnitaryNeuron((), 0, (0.1,), 0)
    with pytest.raises(ValueError, match="must be distinct"):
        qj.Neuron((0, 1), 1, (0.1, 0.2, 0.3))


def test_trajectories_count_its_failures():
    """Under shots its survival is drawn: where the measured source is 1, fewer repetitions stay."""
    neuron = qj.Neuron((0,), 1, (0.3, 1.1))
    steps = (qj.H(0), qj.Measure(0), qj.RX(1, 0.4), neuron, qj.Reset(0), qj.Reset(1))
    cell = qj.CircuitCell(qj.Circuit(2, steps), (qj.Z(1), qj.Z(0)))
    xs = jnp.zeros((1, 0))
    exact, _ = oracle.run(cell.circuit, cell.observables, np.zeros(0), np.asarray(xs))
    options = {"engine": qj.Trajectories(1), "shots": 20_000, "key": jax.random.key(2)}
    found = qj.simulate(cell, jnp.zeros(0), xs, **options)
    assert np.all(np.abs(found.outputs - exact) < 5 * found.stderr)
    assert found.stderr.max() < 0.03


def test_a_picture_names_the_first_and_the_last_of_many_angles():
    angles = (W(0) + np.pi / 2, *map(W, range(1, 7)))
    text = qj.Circuit(4, (qj.Neuron((0, 1, 2), 3, angles),)).draw()
    assert text.splitlines()[3] == "3: ─╰Neuron(w0+1.571,..,w6)─┤    ├─"
