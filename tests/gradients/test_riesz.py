"""The Riesz rule: exact for weights scaled by data, where the equidistant rule is wrong."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import polygamma

import qrnn_jax as qj
from qrnn_jax.circuit.spread import spread
from qrnn_jax.gradients.riesz import _draw, _series
from tests.gradients.jacobians import distance, size, some_models
from tests.helpers import quick_jit

W, D = qj.Weight, qj.Data
MODELS = {name: some_models()[name] for name in ("noisy-102", "unitary-105", "takaki")}

PILOT = qj.CircuitCell(  # one weight, scaled by x_t in every step; non-commuting steps
    qj.Circuit(2, (qj.RX(0, W(0) * D(0)), qj.RY(0, -1.6), qj.CRY(0, 1, 0.4))),
    qj.Z(0),
)
PILOT_XS, OMEGA = np.array([[0.37], [-1.13], [0.71]]), 2.21
ANGLE = jnp.array([-1.5])


def last(weights, rule, **options):
    """The last output of the pilot circuit."""
    return qj.run(PILOT, weights, PILOT_XS, gradient=rule, **options)[-1, 0]


def slope(rule):
    return quick_jit(jax.grad(lambda weights: last(weights, rule)))(ANGLE)[0]


def outputs(cell, rule):
    return lambda params, xs: qj.run(cell, params, xs, gradient=rule)


@pytest.mark.parametrize("name", MODELS)
def test_riesz_equals_backprop(name):
    """Random circuits with weights multiplied by data, and the published cells."""
    cell, params, xs = MODELS[name]
    rule = qj.Riesz(chunk=50)
    mode = jax.jacfwd if len(name) % 2 else jax.jacrev

    @quick_jit
    def both(params, xs):
        exact = jax.jacrev(outputs(cell, qj.Backprop()))(params, xs)
        return exact, mode(outputs(cell, rule))(params, xs)

    expected, found = both(params, xs)
    assert size(expected) > 0.01
    assert distance(found, expected) < 1e-10


def test_the_random_circuits_scale_weights_by_data():
    circuits = [cell.circuit for name, (cell, _, _) in MODELS.items() if "-" in name]
    scaled = [
        any(
            None not in (term.weight, term.data)
            for slot in circuit.parameters
            for term in slot.terms
        )
        for circuit in circuits
    ]
    assert scaled == [True, True]


def test_the_equidistant_rule_is_wrong_where_this_one_is_right():
    """x = (0.37, -1.13, 0.71): three occurrences, Omega = 2.21, no common spacing."""
    order = np.arange(1, 7)  # the published nodes, in (0, 2 pi), for R = 3
    shifts = (2 * order - 1) * np.pi / 6
    coefficients = (-1.0) ** (order - 1) / (12 * np.sin(shifts / 2) ** 2)
    values = quick_jit(jax.vmap(lambda s: last(ANGLE + s, None)))(jnp.asarray(shifts))
    equidistant = float(jnp.vdot(jnp.asarray(coefficients), values))
    exact = float(slope(qj.Backprop()))
    found = float(slope(qj.Riesz()))
    assert abs(exact) > 0.1
    assert abs(found - exact) < 1e-11
    assert abs(equidistant - exact) > 0.5
    assert "multiplied by data" in qj.SharedShift().refusal(PILOT.circuit)


@pytest.mark.parametrize("terms", [2, 8, 16, 32, 64, 128])
def test_the_bias_is_within_its_bound(terms):
    """For every frequency up to Omega = 1: sum c_k exp(i w s_k) against i w."""
    series, omega = _series(terms), np.linspace(0, 1, 301)
    found = np.exp(1j * np.outer(omega, series.nodes)) @ series.factors
    error = np.abs(found - 1j * omega).max()
    bound = qj.Riesz(terms=terms).truncation
    assert error < bound + 1e-14
    assert error > bound / 30 or bound < 1e-11
    assert len(series.nodes) == terms
    assert qj.Riesz(terms=terms).is_unbiased == (terms >= 32)


def test_the_predicted_error_is_sigma_times_the_sum_of_coefficients():
    """Shots split by |coefficient|: 1.29 Omega at 64 terms, and Omega is the lower limit."""
    for terms, factor in [(32, 1.846), (64, 1.289), (128, 1.125)]:
        rule, shots = qj.Riesz(terms=terms), 10_000_000
        predicted = rule.predicted_stderr(PILOT.circuit, PILOT_XS, shots)[0]
        floor = OMEGA / np.sqrt(shots * rule.evaluations(PILOT.circuit, 3))
        np.testing.assert_allclose(predicted / floor, factor, rtol=1e-3)


def test_random_nodes_follow_their_law():
    """Chi-square over the first odd numbers of both signs; the tail against the trigamma."""
    count = 400_000
    numbers, signs = map(np.asarray, _draw(jax.random.key(5), count, jnp.float64))
    assert np.all(numbers % 2 == 1)
    np.testing.assert_array_equal(
        signs, np.where((np.abs(numbers) - 1) % 4 == 0, 1, -1) * np.sign(numbers)
    )
    values = [sign * n for n in range(1, 40, 2) for sign in (1, -1)]
    expected = count * 4 / (np.pi * np.array(values)) ** 2
    seen = np.array([(numbers == value).sum() for value in values])
    assert ((seen - expected) ** 2 / expected).sum() < len(values) + 4 * np.sqrt(2 * len(values))
    for order in (60, 64, 65, 70, 300):  # both sides of the end of the table
        chance = 2 / np.pi**2 * polygamma(1, order + 0.5)
        above = (np.abs(numbers) > 2 * order - 1).sum()
        assert abs(above - count * chance) < 4 * np.sqrt(count * chance)


def test_random_nodes_are_unbiased():
    """4000 draws: the mean is the gradient, the second moment at most Omega^2."""
    rule = qj.Riesz(samples=20)

    @quick_jit
    def many(keys):
        return jax.vmap(lambda key: jax.grad(last)(ANGLE, rule, key=key)[0])(keys)

    found = np.asarray(many(jax.random.split(jax.random.key(1), 200)))
    exact = float(slope(qj.Backprop()))
    assert abs(found.mean() - exact) < 4 * found.std(ddof=1) / np.sqrt(len(found))
    assert 0.1 < 20 * found.var(ddof=1) < OMEGA**2 - exact**2
    assert rule.draws == 20


def test_one_shot_counts_omega_with_a_sign():
    rule = qj.Riesz(samples=1)

    @quick_jit
    def many(keys):
        options = {"shots": 1, "prefixes": True}
        return jax.vmap(lambda key: jax.grad(last)(ANGLE, rule, key=key, **options)[0])(keys)

    found = np.asarray(many(jax.random.split(jax.random.key(4), 4000)))
    exact = float(slope(qj.Backprop()))
    np.testing.assert_allclose(np.abs(found), OMEGA)
    assert abs(found.mean() - exact) < 4 * OMEGA / np.sqrt(len(found))


@pytest.mark.parametrize(
    ("rule", "each"), [(qj.Riesz(terms=16, chunk=1002), 16), (qj.Riesz(samples=5, chunk=1003), 5)]
)
def test_the_runs_are_those_that_were_counted(tapes, rule, each):
    """So many per weight whatever T; the runs of one draw stand together."""
    circuit = qj.Circuit(
        2, (qj.RX(0, W(0) * D(0)), qj.CRY(0, 1, W(1)), qj.Evolution(0.0 * qj.Z(0), W(2)))
    )
    cell, weights, xs = qj.CircuitCell(circuit, qj.Z(1)), np.array([0.3, 0.8, 0.1]), PILOT_XS
    gradient = jax.grad(lambda w: qj.run(cell, w, xs, gradient=rule, key=jax.random.key(0)).sum())
    quick_jit(gradient)(weights)
    jax.effects_barrier()
    assert len(tapes) == rule.evaluations(circuit, 3) == rule.evaluations(circuit, 9) == 2 * each
    base = np.asarray(spread(circuit, jnp.asarray(weights), jnp.asarray(xs)))
    moved = sorted(np.flatnonzero(np.abs(tape - base)[0] > 1e-9).tolist() for tape in tapes)
    assert moved == [[0]] * each + [[1]] * each


@pytest.mark.parametrize("options", [{}, {"shots": 10, "prefixes": True}], ids=["exact", "shots"])
def test_data_of_zero_give_zero(options):
    """Omega = 0: no angle moves, the gradient is 0 and not NaN."""

    def total(weights):
        key, rule = jax.random.key(0), qj.Riesz(terms=8)
        return qj.run(PILOT, weights, jnp.zeros((2, 1)), gradient=rule, key=key, **options).sum()

    assert quick_jit(jax.grad(total))(ANGLE).tolist() == [0]


REFUSED = {
    "strength": (
        qj.BitFlip(0, 0.1 * W(0) + 0.4),
        0,
        r"`Riesz` must not differentiate a noise strength",
    ),
    "angle": (
        qj.AngleNoise(qj.RY(0, W(0)), 0.1),
        0,
        r"`Riesz` must not meet noise that depends on",
    ),
    "data": (
        qj.RZ(0, D(0)),
        1,
        r"`Riesz` must not differentiate data, .* try `ParameterShift\(\)`",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_by_name(name):
    operation, argnums, text = REFUSED[name]
    circuit = qj.Circuit(1, (qj.RX(0, W(0) + D(0)), operation))
    cell = qj.CircuitCell(circuit, qj.Z(0))
    assert (qj.Riesz().refusal(circuit) is None) == (name == "data")
    with pytest.raises(ValueError, match=text):
        jax.grad(lambda w, x: outputs(cell, qj.Riesz())(w, x).sum(), argnums)(
            ANGLE, jnp.ones((2, 1))
        )


def test_second_derivatives_are_refused():
    with pytest.raises(ValueError, match=r"`Riesz` must not be differentiated twice, .*Backprop"):
        jax.hessian(last)(ANGLE, qj.Riesz())


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"terms": 7}, "`terms` must be even, but is 7; try 8"),
        ({"terms": 0}, "`terms` must be an integer of 1 or more, but is 0"),
        ({"samples": -1}, "`samples` must be an integer of 1 or more, but is -1"),
        (
            {"terms": 8, "samples": 4},
            "`terms` and `samples` must not both be given, but are 8 and 4",
        ),
    ],
)
def test_settings_are_checked(settings, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        qj.Riesz(**settings)
