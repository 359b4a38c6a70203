"""Gradients under shots: the numbers of `jax.grad`, honest errors, exact moments, counts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import qrnn_jax as qj

CIRCUIT = qj.Circuit(
    3,
    (
        qj.RY(0, qj.Data(0)),
        qj.RX(1, qj.Weight(0)),
        qj.CRX(0, 1, 0.7 * qj.Weight(1)),
        qj.RZZ(1, 2, qj.Weight(0) * qj.Data(0)),
        qj.RY(2, qj.Weight(2)),
        qj.CNOT(1, 2),
        qj.Reset(0),
        qj.Reset(2),
    ),
)
CELL = qj.CircuitCell(CIRCUIT, (qj.Z(2), qj.X(0) @ qj.Z(2)))
WEIGHTS = jnp.array([0.4, 1.3, -0.8])
XS = jnp.array([[0.9], [-0.6], [1.2]])
TARGETS = jnp.array([[0.1, 0.4], [-0.3, 0.2], [0.5, -0.6]])


def square(outputs: jax.Array) -> jax.Array:
    return jnp.mean((outputs - TARGETS) ** 2)


def cubic(outputs: jax.Array) -> jax.Array:
    return jnp.sum(outputs**3 * (1 + TARGETS))


@pytest.mark.parametrize(
    "rule",
    [
        qj.ParameterShift(),
        qj.ParameterShift(allocation="weighted"),
        qj.ParameterShift(horizon=2),
        qj.ParameterShift(samples=30),
    ],
    ids=str,
)
def test_an_estimate_is_what_jax_grad_returns_with_the_same_key(rule: qj.AbstractGradient) -> None:
    options = {"gradient": rule, "shots": 40, "key": jax.random.key(5)}
    found = qj.estimate_gradient(cubic, CELL, WEIGHTS, XS, **options)  # type: ignore[arg-type]

    def loss(weights: jax.Array) -> jax.Array:
        return cubic(qj.run(CELL, weights, XS, **options))  # type: ignore[arg-type]

    value, gradient = jax.value_and_grad(loss)(WEIGHTS)
    np.testing.assert_allclose(found.value, value, atol=1e-12)
    np.testing.assert_allclose(found.gradient, gradient, atol=1e-12)
    assert np.all(np.asarray(found.stderr) > 0)


@pytest.mark.parametrize(
    "rule", [qj.ParameterShift(), qj.ParameterShift(samples=400)], ids=["all", "samples"]
)
def test_stated_errors_are_honest_and_the_estimate_is_unbiased(rule: qj.AbstractGradient) -> None:
    """A quadratic loss: primal and shifted runs are independent, so their product has no bias."""
    exact = jax.grad(lambda w: square(qj.run(CELL, w, XS)))(WEIGHTS)

    def one(key: jax.Array) -> jax.Array:
        found = qj.estimate_gradient(square, CELL, WEIGHTS, XS, gradient=rule, shots=100, key=key)
        return (found.gradient - exact) / found.stderr

    scores = np.asarray(jax.lax.map(one, jax.random.split(jax.random.key(1), 300)))
    assert np.sqrt(np.mean(scores**2)) == pytest.approx(1, abs=0.09)  # 900 entries
    assert np.all(np.abs(scores.mean(axis=0)) * np.sqrt(300) < 4)


def test_exact_estimates_have_no_error() -> None:
    found = qj.estimate_gradient(cubic, CELL, WEIGHTS, XS)
    shift = qj.estimate_gradient(cubic, CELL, WEIGHTS, XS, gradient=qj.ParameterShift())
    assert np.array_equal(found.stderr, np.zeros(3))
    assert np.array_equal(shift.stderr, np.zeros(3))
    np.testing.assert_allclose(shift.gradient, found.gradient, atol=1e-12)


def test_parameters_of_the_classical_maps_are_differentiated_too() -> None:
    """Takaki's output is scaled by a classical factor; `scale` as a parameter would be, too."""
    cell = qj.cells.Viqueira(exchange=1, memory=1, layers=1, uploads=1)
    params = cell.init(jax.random.key(0)) + 0.3
    xs = jnp.array([[0.3], [-0.4]])

    def loss(outputs: jax.Array) -> jax.Array:
        return jnp.sum(outputs**2)

    options = {"shots": 50, "key": jax.random.key(2)}
    found = qj.estimate_gradient(loss, cell, params, xs, **options)  # type: ignore[arg-type]
    direct = jax.grad(lambda p: loss(qj.run(cell, p, xs, **options)))(params)  # type: ignore[arg-type]
    np.testing.assert_allclose(found.gradient, direct, atol=1e-12)
    assert abs(direct[0]) > 1e-3  # the bias, which no circuit sees


def test_moments_are_those_of_many_estimates() -> None:
    rule, shots = qj.ParameterShift(), 20
    moments = qj.gradient_moments(CELL, WEIGHTS, XS, gradient=rule, shots=shots)
    exact = jax.grad(lambda w: qj.run(CELL, w, XS)[-1, 0])(WEIGHTS)
    np.testing.assert_allclose(moments.mean, exact, atol=1e-12)

    def one(key: jax.Array) -> jax.Array:
        options = {"gradient": rule, "shots": shots, "key": key}
        return jax.grad(lambda w: qj.run(CELL, w, XS, **options)[-1, 0])(WEIGHTS)  # type: ignore[arg-type]

    found = np.asarray(jax.lax.map(one, jax.random.split(jax.random.key(3), 2000)))
    np.testing.assert_allclose(found.var(axis=0), moments.variance, rtol=0.13)  # 4 standard errors
    error = np.sqrt(moments.variance / 2000)
    assert np.all(np.abs(found.mean(axis=0) - exact) < 4 * error)


def test_the_predicted_error_is_exact_for_outcomes_of_full_spread() -> None:
    """Z of a wire that every shifted circuit leaves at <Z> = 0: sigma is 1 in each of them."""
    circuit = qj.Circuit(2, (qj.RX(0, qj.Weight(0)), qj.H(1), qj.RZ(1, 0.4), qj.CNOT(0, 1)))
    cell = qj.CircuitCell(circuit, (qj.Y(1),))
    rule, data = qj.ParameterShift(), np.zeros((6, 0))
    predicted = rule.predicted_stderr(circuit, data, shots=50)
    assert predicted[0] == pytest.approx(6 / np.sqrt(2 * 6 * 50))  # sigma T / sqrt(N)
    moments = qj.gradient_moments(cell, jnp.array([0.3]), data, gradient=rule, shots=50)
    assert float(jnp.sqrt(moments.variance[0])) <= predicted[0]


def test_weighted_allocation_gives_large_slopes_more_shots() -> None:
    circuit = qj.Circuit(1, (qj.RX(0, qj.Weight(0) * qj.Data(0)), qj.RY(0, 0.3), qj.Reset(0)))
    data = np.array([[2.0], [0.1], [1.0]])
    errors = [
        qj.ParameterShift(allocation=name).predicted_stderr(circuit, data, shots=6000)[0]
        for name in ("uniform", "weighted")
    ]
    # equal shots: sum of squares; best split: square of the sum (Cauchy-Schwarz)
    assert errors[0] == pytest.approx(np.sqrt((4 + 0.01 + 1) / (2 * 6000)), rel=1e-6)
    assert errors[1] == pytest.approx(3.1 / np.sqrt(6 * 6000), rel=1e-3)


def test_a_horizon_drops_what_is_older() -> None:
    full = jax.jacrev(lambda w: qj.run(CELL, w, XS, gradient=qj.ParameterShift()))(WEIGHTS)
    short = jax.jacrev(lambda w: qj.run(CELL, w, XS, gradient=qj.ParameterShift(horizon=1)))(
        WEIGHTS
    )
    np.testing.assert_allclose(short[0], full[0], atol=1e-12)  # the first output has no past
    assert np.abs(short[2] - full[2]).max() > 1e-2
    enough = jax.jacrev(lambda w: qj.run(CELL, w, XS, gradient=qj.ParameterShift(horizon=3)))
    np.testing.assert_allclose(enough(WEIGHTS), full, atol=1e-12)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"route": "adjoint"}, "Argument `route` must be one of"),
        ({"allocation": "neyman"}, "Argument `allocation` must be one of"),
        ({"horizon": 0}, "Argument `horizon` must be an integer of 1 or more"),
        ({"samples": 1.5}, "Argument `samples` must be an integer of 1 or more"),
        ({"route": "shared", "samples": 3}, 'Argument `route` must be "replay" with'),
        ({"samples": 3, "allocation": "weighted"}, 'Argument `allocation` must be "uniform" with'),
    ],
)
def test_settings_that_cannot_be(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        qj.ParameterShift(**settings)


def test_moments_are_refused_where_there_are_none() -> None:
    with pytest.raises(ValueError, match="must be a rule that a device can follow"):
        qj.gradient_moments(CELL, WEIGHTS, XS, gradient=qj.Backprop(), shots=9)  # type: ignore[arg-type]
    selected = qj.CircuitCell(
        qj.Circuit(3, (*CIRCUIT.operations[:-2], qj.Postselect(0), qj.Reset(0))), (qj.Z(2),)
    )
    with pytest.raises(ValueError, match="must not post-select here"):
        qj.gradient_moments(selected, WEIGHTS, XS, gradient=qj.ParameterShift(), shots=9)


def test_a_horizon_is_in_the_predicted_error() -> None:
    circuit = qj.Circuit(1, (qj.RX(0, qj.Weight(0)),))
    errors = [
        qj.ParameterShift(horizon=h).predicted_stderr(circuit, np.zeros((8, 0)), 100)[0]
        for h in (8, 2)
    ]
    assert errors == pytest.approx([np.sqrt(8 / 200), np.sqrt(2 / 200)])


def test_a_weight_without_slope_does_not_spoil_the_other_errors() -> None:
    circuit = qj.Circuit(
        1, (qj.RX(0, qj.Weight(0) * qj.Data(0)), qj.RY(0, qj.Weight(1)), qj.Reset(0))
    )
    cell, xs = qj.CircuitCell(circuit, (qj.Z(0),)), jnp.array([[0.7], [0.0], [1.1]])
    rule = qj.ParameterShift(allocation="weighted")
    found = qj.estimate_gradient(
        jnp.sum,
        cell,
        jnp.array([0.4, 0.9]),
        xs,
        gradient=rule,
        shots=1000,
        key=jax.random.key(0),
    )
    assert np.all(np.isfinite(found.stderr))
    assert np.all(np.asarray(found.stderr) > 0)


def test_perturbing_the_loss_splits_its_shots_as_perturbing_the_outputs_does() -> None:
    """Five points weigh 8 : 1. For a linear loss both targets have the same error."""
    stderr = {}
    for target in ("outputs", "loss"):
        rule = qj.FiniteDifference(step=0.4, scheme="five-point", on=target)
        stderr[target] = qj.estimate_gradient(
            jnp.sum, CELL, WEIGHTS, XS, gradient=rule, shots=4000, key=jax.random.key(0)
        ).stderr
    np.testing.assert_allclose(stderr["outputs"], stderr["loss"], rtol=0.06)


def test_a_loss_is_perturbed_in_the_engines_type() -> None:
    circuit = qj.Circuit(1, (qj.RX(0, qj.Weight(0)),))
    cell, xs = qj.CircuitCell(circuit, (qj.Z(0),)), jnp.zeros((1, 0))
    engine, rule = qj.StateVector(dtype=np.complex64), qj.FiniteDifference(on="loss")
    found = qj.estimate_gradient(jnp.sum, cell, jnp.array([0.8]), xs, engine=engine, gradient=rule)
    assert found.gradient[0] == pytest.approx(-np.sin(0.8), abs=2e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"step": 3}, "Argument `step` must be an integer from -3 to 2"),
        ({"read": 2}, "Argument `read` must be an integer from 0 to 1"),
        ({"gradient": qj.FiniteDifference()}, "Argument `step` of `FiniteDifference`"),
        ({"gradient": qj.SPSA(step=0.1, on="loss")}, "must act on outputs here"),
    ],
)
def test_moments_of_what_is_not_there(options: dict, message: str) -> None:
    settings = {"gradient": qj.ParameterShift(), "shots": 9, "key": jax.random.key(0)} | options
    with pytest.raises(ValueError, match=message):
        qj.gradient_moments(CELL, WEIGHTS, XS, **settings)


def test_nothing_to_differentiate_is_said() -> None:
    cell = qj.CircuitCell(qj.Circuit(1, (qj.RX(0, qj.Data(0)), qj.Reset(0))), (qj.Z(0),))
    rule, key = qj.ParameterShift(), jax.random.key(0)
    nothing = jnp.zeros(0)
    with pytest.raises(ValueError, match="must set angles of the circuit"):
        qj.estimate_gradient(jnp.sum, cell, nothing, XS, gradient=rule, shots=9, key=key)
    with pytest.raises(ValueError, match="must have weights that set angles"):
        qj.gradient_moments(cell, nothing, XS, gradient=rule, shots=9)


def test_a_weighted_split_has_no_second_derivative() -> None:
    def total(weights: jax.Array) -> jax.Array:
        rule = qj.ParameterShift(allocation="weighted")
        return qj.run(CELL, weights, XS, gradient=rule).sum()

    with pytest.raises(ValueError, match='must be "uniform" for second derivatives'):
        jax.hessian(total)(WEIGHTS)


def test_second_derivatives_under_shots_are_unbiased() -> None:
    """Two shifts deep, every run with a key of its own."""
    circuit = qj.Circuit(1, (qj.RX(0, qj.Weight(0)), qj.RY(0, qj.Weight(1)), qj.Reset(0)))
    cell, xs = qj.CircuitCell(circuit, (qj.Z(0),)), jnp.zeros((1, 0))
    weights = jnp.array([0.7, 0.4])
    exact = jax.hessian(lambda w: qj.run(cell, w, xs)[0, 0])(weights)

    def one(key: jax.Array) -> jax.Array:
        return jax.hessian(lambda w: qj.run(cell, w, xs, shots=50, key=key)[0, 0])(weights)

    found = np.asarray(jax.lax.map(one, jax.random.split(jax.random.key(0), 400)))
    error = found.std(axis=0) / np.sqrt(400)
    assert np.all(error > 1e-3)
    assert np.all(np.abs(found.mean(axis=0) - exact) < 4 * error)


@pytest.mark.parametrize("step", [-1, 1])
def test_ages_add_up_to_the_gradient_and_tell_what_a_horizon_drops(step: int) -> None:
    ages = qj.gradient_by_age(CELL, WEIGHTS, XS, step=step, read=1)

    def gradient(rule: qj.AbstractGradient) -> jax.Array:
        return jax.grad(lambda w: qj.run(CELL, w, XS, gradient=rule)[step, 1])(WEIGHTS)

    np.testing.assert_allclose(ages.sum(axis=0), gradient(qj.Backprop()), atol=1e-12)
    kept = gradient(qj.ParameterShift(horizon=1))
    np.testing.assert_allclose(ages[0], kept, atol=1e-12)
    assert np.abs(ages[1]).max() > 1e-2
    assert np.array_equal(ages[step % 3 + 1 :], np.zeros((2 - step % 3, 3)))


@pytest.mark.parametrize(
    ("rule", "drawn"),
    [
        (qj.ParameterShift(), qj.ParameterShift(samples=9)),
        (qj.ParameterShift(samples=4, horizon=3), qj.ParameterShift(samples=9, horizon=3)),
        (qj.Riesz(samples=4), qj.Riesz(samples=9)),
        (qj.SPSA(step=0.2, directions=4), qj.SPSA(step=0.2, directions=9)),
    ],
)
def test_a_random_rule_takes_another_number_of_draws(
    rule: qj.AbstractEstimator, drawn: qj.AbstractEstimator
) -> None:
    assert rule.with_draws(9) == drawn
    assert drawn.draws == 9
    assert drawn.is_random
    assert rule.draws in (4, None)


@pytest.mark.parametrize("rule", [qj.SharedShift(), qj.FiniteDifference(step=0.1)])
def test_a_rule_that_never_draws_says_so(rule: qj.AbstractEstimator) -> None:
    assert rule.draws is None
    assert not rule.is_random
    with pytest.raises(ValueError, match="must draw at random, but"):
        rule.with_draws(9)
