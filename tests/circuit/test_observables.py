"""Pauli words and sums, probabilities: their algebra, their matrices, and how they are read."""

import helpers
import jax.numpy as jnp
import numpy as np
import oracle
import pytest

import qrnn_jax as qj

ONE, X, Y, Z = oracle.I2, oracle.X, oracle.Y, oracle.Z
PLACE = {0: 0, 1: 1, 2: 2}


def k(*factors):
    return oracle.kron(factors)


# text -> (observable, matrix on three wires)
SUMS = {
    "letter": (qj.Y(1), k(ONE, Y, ONE)),
    "word": (qj.X(2) @ qj.Z(0), k(Z, ONE, X)),
    "long word": (qj.X(2) @ qj.Z(0) @ qj.Y(1), k(Z, Y, X)),
    "weighted": (0.5 * qj.Z(0) @ qj.Y(2), 0.5 * k(Z, ONE, Y)),
    "right-weighted": (qj.X(1) * np.float64(-2), -2 * k(ONE, X, ONE)),
    "sum": (qj.X(0) + qj.Z(1), k(X, ONE, ONE) + k(ONE, Z, ONE)),
    "difference": (qj.X(0) - 0.3 * qj.Z(1), k(X, ONE, ONE) - 0.3 * k(ONE, Z, ONE)),
    "negated": (-(qj.X(0) - qj.Y(2)), k(ONE, ONE, Y) - k(X, ONE, ONE)),
    "distributed": (
        (2 * qj.X(0) - qj.Z(1)) @ (qj.Y(2) * 3),
        6 * k(X, ONE, Y) - 3 * k(ONE, Z, Y),
    ),
    "repeated": (qj.Z(0) + qj.Z(0), 2 * k(Z, ONE, ONE)),
    "diagonal": (qj.Z(2) - 0.7 * (qj.Z(2) @ qj.Z(0)), k(ONE, ONE, Z) - 0.7 * k(Z, ONE, Z)),
    "constant": (
        qj.PauliSum(((0.25, ()), (1.0, ((0, "X"),)))),
        0.25 * k(ONE, ONE, ONE) + k(X, ONE, ONE),
    ),
}


def factors(seed):
    """left, right (8, 2) with left right^dagger a density matrix, and that matrix."""
    left = helpers.random_isometry(np.random.default_rng(seed), 8, 2) * [0.6, 0.8]
    return jnp.asarray(left), left @ left.conj().T


def read(observable, place=PLACE):
    left, rho = factors(0)
    return observable.read(left, left, jnp.asarray(np.diag(rho).real), place), rho


@pytest.mark.parametrize(("observable", "expected"), SUMS.values(), ids=SUMS)
def test_a_sum_has_the_matrix_of_its_expression(observable, expected):
    np.testing.assert_allclose(observable.matrices(PLACE, 3), [expected], atol=1e-15)


@pytest.mark.parametrize(("observable", "expected"), SUMS.values(), ids=SUMS)
def test_a_sum_is_read_as_the_trace_with_its_matrix(observable, expected):
    value, rho = read(observable)
    assert observable.outputs == 1
    np.testing.assert_allclose(value, [np.trace(expected @ rho).real], atol=1e-14)


def test_reading_follows_renamed_wires():
    observable = qj.X(2) @ qj.Z(0) - 0.4 * qj.Z(2)
    place = {0: 1, 1: 0, 2: 2}
    value, rho = read(observable, place)
    expected = k(ONE, Z, X) - 0.4 * k(ONE, ONE, Z)
    np.testing.assert_allclose(value, [np.trace(expected @ rho).real], atol=1e-14)
    np.testing.assert_allclose(observable.matrices(place, 3), [expected], atol=1e-15)


@pytest.mark.parametrize("wires", [(1,), (0, 2), (2, 0), (1, 2, 0)])
def test_probabilities_are_the_traces_with_the_projectors(wires):
    observable = qj.Probabilities(wires)
    value, rho = read(observable)
    projectors = [oracle.embed(np.diag(row), wires, 3) for row in np.eye(2 ** len(wires))]
    assert observable.outputs == 2 ** len(wires)
    np.testing.assert_allclose(observable.matrices(PLACE, 3), projectors, atol=0)
    np.testing.assert_allclose(value, [np.trace(p @ rho).real for p in projectors], atol=1e-15)
    np.testing.assert_allclose(value.sum(), 1, atol=1e-14)


def test_observables_name_their_wires():
    assert (qj.Z(2) @ qj.X(0) + qj.Y(3)).wires == (0, 2, 3)
    assert qj.Probabilities((2, 0)).wires == (2, 0)
    assert qj.Probabilities(1).wires == (1,)


def test_a_sum_reads_like_its_expression():
    assert repr(0.5 * qj.Y(2) @ qj.Z(0) + qj.X(1)) == "0.5*Z0@Y2 + 1*X1"
    assert repr(qj.PauliSum(((2.0, ()),))) == "2*I"


def test_observables_are_values():
    assert qj.Z(0) @ qj.X(1) == qj.X(1) @ qj.Z(0)
    assert hash(qj.Z(0) @ qj.X(1)) == hash(qj.X(1) @ qj.Z(0))
    assert qj.Probabilities((0, 1)) != qj.Probabilities((1, 0))


def test_two_letters_on_one_wire_are_refused():
    with pytest.raises(ValueError, match="each wire once, but wire 1 appears twice; try simplify"):
        (qj.Z(0) @ qj.X(1)) @ qj.Y(1)


@pytest.mark.parametrize("factor", [1j, True, "2", qj.X(1), np.ones(2)])
def test_a_weight_must_be_real(factor):
    with pytest.raises(TypeError, match="must be weighted by a real number"):
        qj.Z(0) * factor


def test_probabilities_need_a_wire():
    with pytest.raises(ValueError, match="must name at least one wire, but is empty"):
        qj.Probabilities(())
    with pytest.raises(ValueError, match="must be an integer of 0 or more, but is -1"):
        qj.Probabilities((0, -1))
