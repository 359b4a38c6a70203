"""Errors of the read-out: the marker, where it may stand, and what observables become."""

import helpers
import jax.numpy as jnp
import numpy as np
import oracle
import pytest

import qrnn_jax as qj
from qrnn_jax.circuit.draw_layout import columns
from qrnn_jax.circuit.lower import lower

PLACE = {0: 0, 1: 1, 2: 2}
ERRORS = {0: (0.1, 0.3), 2: (0.25, 0.05)}
OBSERVABLES = {
    "letter": qj.Y(2),
    "gate-like letter without error": qj.X(1),
    "word": qj.X(0) @ qj.Y(2),
    "long word": qj.X(2) @ qj.Z(0) @ qj.Y(1),
    "sum": 0.7 * qj.Z(0) @ qj.Z(2) - 0.4 * qj.X(0) + 1.1 * qj.Y(1),
    "probabilities": qj.Probabilities((2, 1, 0)),
    "fewer probabilities": qj.Probabilities((1, 2)),
}


def factors(seed):
    left = helpers.random_isometry(np.random.default_rng(seed), 8, 2) * np.sqrt([0.7, 0.3])
    return jnp.asarray(left), left @ left.conj().T


def read(observable):
    left, rho = factors(0)
    return observable.read(left, left, jnp.asarray(np.diag(rho).real), PLACE), rho


@pytest.mark.parametrize("observable", OBSERVABLES.values(), ids=OBSERVABLES)
def test_a_confused_observable_averages_the_reported_outcomes(observable):
    """Against the effects E_0 = (1-p01) P_0 + p10 P_1 and E_1 of each wire, as dense matrices."""
    confused = observable.confused(ERRORS)
    value, rho = read(confused)
    operators = oracle.observable_matrices(observable, 3, ERRORS)
    np.testing.assert_allclose(value, [np.trace(o @ rho).real for o in operators], atol=1e-15)
    np.testing.assert_allclose(confused.matrices(PLACE, 3), operators, atol=1e-15)
    assert confused.outputs == observable.outputs
    assert set(confused.wires) <= set(observable.wires)
    assert hash(confused) == hash(observable.confused(dict(ERRORS)))


def test_one_flipped_bit_by_hand():
    """<Z> = 0.2 has P(0) = 0.6, P(1) = 0.4: 0 is reported with 0.6 * 0.9 + 0.4 * 0.3 = 0.66."""
    left = jnp.sqrt(jnp.array([[0.6], [0.4]]))
    for observable, expected in ((qj.Z(0), [0.32]), (qj.Probabilities(0), [0.66, 0.34])):
        confused = observable.confused({0: (0.1, 0.3)})
        value = confused.read(left, left, jnp.array([0.6, 0.4]), {0: 0})
        np.testing.assert_allclose(value, expected, atol=1e-15)


def test_what_has_no_error_stays_the_same_object():
    for observable in (qj.Z(1), qj.Z(1) @ qj.X(1 + 2), qj.Probabilities((1, 3))):
        assert observable.confused(ERRORS) is observable
    assert repr(qj.Probabilities((0, 1))) == "Probabilities(on=(0, 1))"


def test_symmetric_errors_add_no_words():
    confused = (qj.X(0) @ qj.Y(2)).confused({0: (0.1, 0.1), 2: (0.2, 0.2)})
    ((coefficient, word),) = confused.as_sum().terms
    assert coefficient == pytest.approx(0.8 * 0.6)
    assert word == ((0, "X"), (2, "Y"))


@pytest.mark.parametrize("observable", [qj.X(0) @ qj.Z(2), qj.Probabilities((2, 0))])
def test_two_errors_in_a_row_multiply_their_matrices(observable):
    first, second = {0: (0.1, 0.3)}, {0: (0.2, 0.05)}
    both = np.array([[0.8, 0.05], [0.2, 0.95]]) @ np.array([[0.9, 0.3], [0.1, 0.7]])
    # the adjoint acts on observables, so the error that strikes last is applied first to a sum
    expected, _ = read(observable.confused({0: (both[1, 0], both[0, 1])}))
    order = (second, first) if isinstance(observable, qj.PauliSum) else (first, second)
    value, _ = read(observable.confused(order[0]).confused(order[1]))
    np.testing.assert_allclose(value, expected, atol=1e-15)


# --- the marker


def test_a_read_out_error_is_a_marker():
    error = qj.ReadoutError(1, 0.1, 0.3)
    circuit = qj.Circuit(3, (qj.H(0), error, qj.ReadoutError(2, 0.25), qj.Read(), qj.S(0)))
    assert error.wires == error.parameters == ()
    assert circuit.is_unitary
    assert circuit.readout_errors == {1: (0.1, 0.3), 2: (0.25, 0.25)}
    blocks = lower(circuit, range(5), max_wires=1)
    names = [type(item.operation).__name__ for block in blocks for item in block.members]
    assert names == ["H", "S"]
    without = qj.Circuit(3, (qj.H(0), qj.Read(), qj.S(0)))
    np.testing.assert_array_equal(circuit.matrix(), without.matrix())


@pytest.mark.parametrize(
    ("operations", "index"),
    [
        ((qj.H(0), qj.ReadoutError(0, 0.1)), 2),
        ((qj.H(0), qj.ReadoutError(0, 0.1), qj.Reset(0), qj.Reset(1)), 2),
        ((qj.ReadoutError(0, 0.1), qj.H(0), qj.Reset(0)), 2),
        ((qj.ReadoutError(0, 0.1), qj.Read(), qj.H(0)), 1),
    ],
)
def test_the_implied_read_out_stands_behind_the_error_and_before_the_resets(operations, index):
    assert qj.Circuit(2, operations).read_index == index


@pytest.mark.parametrize(
    "operations",
    [
        (qj.H(0), qj.Read(), qj.ReadoutError(0, 0.1)),
        (qj.H(0), qj.Reset(0), qj.ReadoutError(0, 0.1)),
    ],
)
def test_an_error_behind_the_read_out_is_refused(operations):
    message = r"must stand before the read-out, but operation 2, ReadoutError\(wire=0, .* try"
    with pytest.raises(ValueError, match=message):
        qj.Circuit(2, operations)


def test_two_errors_on_one_wire_are_refused():
    message = "at most one `ReadoutError`, but operation 2 is another one on wire 1; try"
    with pytest.raises(ValueError, match=message):
        qj.Circuit(2, (qj.ReadoutError(1, 0.1), qj.ReadoutError(0, 0.1), qj.ReadoutError(1, 0.2)))


def test_an_error_on_a_missing_wire_is_refused():
    with pytest.raises(ValueError, match=r"ReadoutError\(wire=2.* below 2, but names wire 2"):
        qj.Circuit(2, (qj.ReadoutError(2, 0.1),))
    with pytest.raises(ValueError, match="Argument `wire` must be an integer of 0 or more"):
        qj.ReadoutError(-1, 0.1)


@pytest.mark.parametrize("value", [-0.1, 1.1, np.nan, True, "0.1", qj.Weight(0)])
def test_probabilities_must_be_probabilities(value):
    with pytest.raises(ValueError, match=r"Argument `p01` must be in \[0, 1\], but is"):
        qj.ReadoutError(0, value, 0.1)
    with pytest.raises(ValueError, match=r"Argument `p10` must be in \[0, 1\], but is"):
        qj.ReadoutError(0, 0.1, value)


def test_inverted_outcomes_are_refused():
    message = r"must have a sum of 1 or less, but are 0.7 and 0.4; try `qj.X\(3\)` before"
    with pytest.raises(ValueError, match=message):
        qj.ReadoutError(3, 0.7, 0.4)
    assert qj.ReadoutError(3, 0.5).flips == (0.5, 0.5)


def test_an_error_is_drawn_on_its_wire():
    circuit = qj.Circuit(2, (qj.H(0), qj.ReadoutError(1, 0.02, 0.05), qj.Read(measure=True)))
    assert circuit.draw() == (
        "0: ─H───────────────────────┤Read, measure├─\n1: ─ReadoutError(0.02,0.05)─┤             ├─"
    )
    kinds = {mark.label[:7]: mark.kind for column in columns(circuit) for mark in column}
    assert kinds == {"H": "constant", "Readout": "channel", "Read, m": "barrier"}
    texts = [text.get_text() for text in circuit.draw("mpl").axes[0].texts]
    assert {"Readout", "Error(0.02,0.05)", "Read, measure"} <= set(texts)
