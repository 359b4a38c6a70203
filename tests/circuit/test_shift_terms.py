"""Shift rules from spectra: exact for every trainable gate, and only with the right spectrum."""

import helpers
import numpy as np
import oracle
import pytest

import qrnn_jax as qj
from qrnn_jax.circuit.spectrum import ShiftTerm, frequencies, shift_terms

W = qj.Weight
GENERIC = 0.3 * qj.X(0) + 0.7 * (qj.Z(0) @ qj.Z(1)) - 1.1 * qj.Y(1) + 0.45 * qj.Z(0) - qj.Z(1)
SPACED = 0.7 * (qj.X(0) + qj.Y(1))

# name -> (gate on wires 0 and 1, parameter, number of terms)
CASES = {
    "RX": (qj.RX(1, W(0)), 0, 2),
    "RY": (qj.RY(0, W(0)), 0, 2),
    "RZ": (qj.RZ(1, W(0)), 0, 2),
    "RXX": (qj.RXX(0, 1, W(0)), 0, 2),
    "RYY": (qj.RYY(1, 0, W(0)), 0, 2),
    "RZZ": (qj.RZZ(0, 1, W(0)), 0, 2),
    "CRX": (qj.CRX(1, 0, W(0)), 0, 4),
    "CRY": (qj.CRY(0, 1, W(0)), 0, 4),
    "CRZ": (qj.CRZ(1, 0, W(0)), 0, 4),
    "U3.theta": (qj.U3(0, W(0), -1.1, 2.3), 0, 2),
    "U3.phi": (qj.U3(0, 0.4, W(0), 2.3), 1, 2),
    "U3.lam": (qj.U3(0, 0.4, -1.1, W(0)), 2, 2),
    "Controlled": (qj.Controlled(qj.RZ(0, W(0)), 1), 0, 4),
    "Evolution, one frequency": (qj.Evolution(0.35 * qj.X(0), W(0)), 0, 2),
    "Evolution, equally spaced": (qj.Evolution(SPACED, W(0)), 0, 4),
    "Evolution, generic": (qj.Evolution(GENERIC, W(0)), 0, 12),
}


def expectation(gate, value):
    """<O> after a random state, the gate and another random unitary, all by the NumPy oracle."""
    rng = np.random.default_rng(5)
    before, after = (helpers.random_isometry(rng, 4, 4) for _ in range(2))
    (matrix,) = oracle.kraus(gate, np.array([value]), np.zeros(0))
    state = after @ oracle.embed(matrix, gate.wires, 2) @ before[:, 0]
    observable = oracle.kron([oracle.Z + 0.3 * oracle.X, oracle.Y + 0.2 * oracle.I2])
    return (state.conj() @ observable @ state).real


def derivative(gate, value, h=3e-3):
    """The central difference of order 6: exact to about 1e-12 for these frequencies."""
    odd = [expectation(gate, value + j * h) - expectation(gate, value - j * h) for j in (1, 2, 3)]
    return (45 * odd[0] - 9 * odd[1] + odd[2]) / (60 * h)


@pytest.mark.parametrize("value", [0.0, 0.9])
@pytest.mark.parametrize("name", CASES)
def test_the_shift_rule_is_the_exact_derivative(name, value):
    gate, parameter, count = CASES[name]
    terms = gate.shift_terms(parameter)
    assert len(terms) == count
    shifted = sum(c * expectation(gate, value + shift) for c, shift in terms)
    assert shifted == pytest.approx(derivative(gate, value), abs=2e-11)
    assert abs(shifted) > 0.01


def test_every_parametrised_gate_is_in_this_table():
    gates = helpers.public_classes(qj.AbstractGate)
    named = {name.split(".")[0].split(",")[0] for name in CASES}
    fixed = {"X", "Y", "Z", "H", "S", "T", "CNOT", "CZ", "SWAP", "Unitary"}
    # `If` needs a measurement, see test_conditional.py; these two have no rule
    assert {gate.__name__ for gate in gates} == named | fixed | {"If", "Flip", "UnitaryNeuron"}


def test_the_two_term_rule_is_wrong_for_a_controlled_rotation():
    gate = qj.CRX(1, 0, W(0))
    two_terms = qj.RX(0, W(0)).shift_terms(0)
    shifted = sum(c * expectation(gate, 0.9 + shift) for c, shift in two_terms)
    assert abs(shifted - derivative(gate, 0.9)) > 1e-2


def test_the_rules_of_the_literature():
    assert qj.RX(0, 0.1).shift_terms(0) == (ShiftTerm(0.5, np.pi / 2), ShiftTerm(-0.5, -np.pi / 2))
    root = np.sqrt(2)
    expected = [
        ((root + 1) / (4 * root), np.pi / 2),
        (-(root + 1) / (4 * root), -np.pi / 2),
        (-(root - 1) / (4 * root), 3 * np.pi / 2),
        ((root - 1) / (4 * root), -3 * np.pi / 2),
    ]
    np.testing.assert_allclose(qj.CRZ(0, 1, 0.1).shift_terms(0), expected, atol=1e-15)


def test_frequencies_are_the_distinct_gaps():
    np.testing.assert_allclose(frequencies(np.diag([0.0, 0.5, 2.0])), [0.5, 1.5, 2.0])
    np.testing.assert_allclose(frequencies(np.diag([-0.5, 0.0, 0.0, 0.5])), [0.5, 1.0])
    np.testing.assert_allclose(frequencies(np.diag([0.0, 1.0, 1.0 + 1e-13, 2.0])), [1.0, 2.0])
    assert frequencies(3 * np.eye(4)).size == 0


def test_a_global_phase_needs_no_shift():
    assert shift_terms(0.7 * np.eye(2)) == ()


@pytest.mark.parametrize("count", [1, 2, 5, 12, 32])
def test_equally_spaced_rules_differentiate_every_harmonic(count):
    spacing = 0.4
    terms = shift_terms(spacing * np.diag(np.arange(count + 1.0)))
    assert len(terms) == 2 * count
    harmonics = spacing * np.arange(1, count + 1)
    slopes = sum(c * np.sin(harmonics * shift) for c, shift in terms)
    np.testing.assert_allclose(slopes, harmonics, rtol=1e-11)


@pytest.mark.parametrize("seed", range(4))
def test_generic_rules_differentiate_every_frequency(seed):
    generator = np.diag(np.random.default_rng(seed).uniform(-2, 2, 4))
    gaps = frequencies(generator)
    terms = shift_terms(generator)
    assert len(terms) == 2 * gaps.size == 12
    np.testing.assert_allclose(sum(c * np.sin(gaps * s) for c, s in terms), gaps, atol=1e-10)


def test_too_many_frequencies_are_refused():
    generator = np.diag(np.random.default_rng(0).uniform(-1, 1, 9))
    with pytest.raises(ValueError, match=r"at most 32 frequencies .* has 36; try decomposing"):
        shift_terms(generator)
