"""Slots: affine in weights and data, evaluated by `spread`, refused by name otherwise."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import qrnn_jax as qj
from qrnn_jax.circuit.spread import spread

W, D = qj.Weight, qj.Data
WEIGHTS, DATA = np.array([0.3, -1.7]), np.array([[0.9, 2.0], [-0.4, 0.6], [1.1, -3.0]])
w0, w1 = WEIGHTS
x0, x1 = DATA.T  # one value per step

EXPRESSIONS = {
    "constant": (0.7 + 0 * W(0), 0.7 + 0 * x0),
    "weight": (W(1), w1 + 0 * x0),
    "data": (D(1), x1),
    "scaled": (0.5 * W(0) + 0.1, 0.5 * w0 + 0.1 + 0 * x0),
    "right-scaled": (W(0) * 3 - 1, w0 * 3 - 1 + 0 * x0),
    "divided": (D(0) / 4, x0 / 4),
    "negated": (-(W(1) - 2), -(w1 - 2) + 0 * x0),
    "subtracted from": (1 - D(1), 1 - x1),
    "difference": (W(0) - D(0) - W(1), w0 - x0 - w1),
    "product": (W(1) * D(0), w1 * x0),
    "expanded": ((2 * W(0) - 1) * (D(1) + 3), (2 * w0 - 1) * (x1 + 3)),
    "everything": (
        0.5 * W(0) * D(1) + 2 * (D(0) - 1) * 3 - W(1) / 4,
        0.5 * w0 * x1 + 2 * (x0 - 1) * 3 - w1 / 4,
    ),
    "recurring": (W(0) + 2 * W(0), 3 * w0 + 0 * x0),
}


def filled(slot):
    """A circuit whose first parameter is `slot`, and in which every index up to 1 is used."""
    return qj.Circuit(1, (qj.RX(0, slot), qj.RY(0, W(0)), qj.RY(0, W(1) * D(0)), qj.RZ(0, D(1))))


@pytest.mark.parametrize(("slot", "expected"), EXPRESSIONS.values(), ids=EXPRESSIONS)
def test_a_slot_has_the_value_of_its_expression(slot, expected):
    tape = spread(filled(slot), jnp.asarray(WEIGHTS), jnp.asarray(DATA))
    assert tape.shape == (3, 4)
    np.testing.assert_allclose(tape[:, 0], expected, rtol=1e-15, atol=1e-15)


def test_spread_fills_every_column_in_the_order_of_the_parameters():
    circuit = qj.Circuit(
        2, (qj.U3(0, W(0), 0.4, D(1)), qj.H(0), qj.CRX(1, 0, W(1) * D(0)), qj.RX(1, W(0)))
    )
    tape = spread(circuit, jnp.asarray(WEIGHTS), jnp.asarray(DATA))
    expected = np.stack([w0 + 0 * x0, 0.4 + 0 * x0, x1, w1 * x0, w0 + 0 * x0], axis=1)
    np.testing.assert_allclose(tape, expected, rtol=0, atol=1e-15)
    assert circuit.offsets == (0, 3, 3, 4)


def test_the_transpose_of_spread_sums_over_occurrences():
    circuit = filled(2 * W(0) - 3 * W(1) * D(1))
    cotangent = np.random.default_rng(0).normal(size=(3, 4))
    _, pull = jax.vjp(
        lambda weights, data: spread(circuit, weights, data),
        jnp.asarray(WEIGHTS),
        jnp.asarray(DATA),
    )
    weights_bar, data_bar = pull(jnp.asarray(cotangent))
    first, second, third, fourth = cotangent.T
    expected = [np.sum(2 * first + second), np.sum(-3 * x1 * first + x0 * third)]
    np.testing.assert_allclose(weights_bar, expected, atol=1e-14)
    expected = np.stack([w1 * third, -3 * w1 * first + fourth], axis=1)
    np.testing.assert_allclose(data_bar, expected, atol=1e-14)


def test_a_slot_knows_its_indices():
    slot = 2 * W(3) * D(1) + W(0) - 1
    assert slot.weights == {0, 3}
    assert slot.data == {1}
    assert slot.constant == -1
    assert (0 * W(3) + 1).weights == set()


@pytest.mark.parametrize(
    ("slot", "text"),
    [
        (2 * W(3), "2*w3"),
        (0.5 * W(0) * D(1) + 0.1, "0.5*w0*x1+0.1"),
        (-W(5), "-w5"),
        (W(0) - D(1), "w0-x1"),
        (1 - 0.25 * D(0), "-0.25*x0+1"),
        (W(0) * 0, "0"),
        (np.pi + 0 * W(0), "3.142"),
    ],
)
def test_a_slot_reads_like_its_expression(slot, text):
    assert repr(slot) == text


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: W(0) * W(1), "product of two weights"),
        (lambda: W(0) * W(0), "product of two weights"),
        (lambda: D(0) * (D(1) + 2), "product of two data values"),
        (lambda: (W(0) * D(0)) * W(1), "product of two weights"),
        (lambda: W(0) * D(0) * D(0), "product of two data values"),
    ],
)
def test_what_is_not_affine_is_refused_by_name(build, message):
    with pytest.raises(TypeError, match=message):
        build()


@pytest.mark.parametrize("index", [-1, 1.0, True, "0", None])
@pytest.mark.parametrize("kind", [W, D])
def test_an_index_must_be_a_non_negative_integer(kind, index):
    with pytest.raises(ValueError, match="Argument `index` must be an integer of 0 or more"):
        kind(index)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_constant_angle_must_be_finite(value):
    with pytest.raises(ValueError, match="Argument `angle` must be finite"):
        qj.RX(0, value)
    with pytest.raises(ValueError, match="Argument `other` must be finite"):
        W(0) + value


@pytest.mark.parametrize("value", [True, "0.1", None, 1j, np.ones(2)])
def test_an_angle_must_be_a_number_or_a_slot(value):
    with pytest.raises(TypeError, match="Argument `angle` must be a number or a slot"):
        qj.RX(0, value)


def test_a_traced_angle_is_sent_to_the_weights():
    with pytest.raises(TypeError, match=r"try `Weight\(i\)`"):
        jax.jit(lambda angle: qj.RX(0, angle).wire)(0.1)


def test_slots_are_values():
    assert 0.5 * W(0) + 1 == 1 + W(0) * 0.5
    assert hash(0.5 * W(0) + 1) == hash(1 + W(0) * 0.5)
    assert qj.RX(0, 1) == qj.RX(0, np.float32(1.0))
    assert qj.RX(0, W(0)) != qj.RX(0, D(0))
