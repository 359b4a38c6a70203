"""Finite differences: errors as the scheme allows, the laws of the step, costs, refusals."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize_scalar

import qrnn_jax as qj
from qrnn_jax.circuit.spread import spread
from tests.gradients.jacobians import STEPS, distance, size
from tests.helpers import ALL_CELLS, INEXACT_RULES, cell_inputs, quick_jit

W, D = qj.Weight, qj.Data
BOUNDS = {"forward": 1e-6, "central": 1e-8, "five-point": 1e-10}
SIGMA = 0.6

CELL = qj.CircuitCell(
    qj.Circuit(
        3,
        (
            qj.RY(0, D(0)),
            qj.RY(1, 0.9),
            qj.RY(2, 0.6),
            qj.CRX(0, 1, W(0) * D(0)),
            qj.RXX(1, 2, W(1)),
            qj.AngleNoise(qj.RZ(2, W(0) - 2.5), 0.05),
            qj.BitFlip(1, 0.1 * W(1) + 0.4),
            qj.Reset(0),
        ),
    ),
    (qj.Z(1) @ qj.Y(2), qj.X(2)),
)
WEIGHTS, XS = np.array([0.7, -1.1]), np.array([[0.4], [-0.8], [1.9]])


def outputs(cell, rule):
    return lambda params, xs: qj.run(cell, params, xs, gradient=rule)


@pytest.mark.parametrize("scheme", BOUNDS)
def test_errors_are_those_of_the_scheme(scheme):
    """Weights and data; noise strengths and angle-dependent noise, which shift rules refuse."""
    rule = qj.FiniteDifference(scheme=scheme, chunk=5)

    @quick_jit
    def both(weights, xs):
        exact = jax.jacrev(outputs(CELL, qj.Backprop()), (0, 1))(weights, xs)
        return exact, jax.jacrev(outputs(CELL, rule), (0, 1))(weights, xs)

    expected, found = both(WEIGHTS, XS)
    assert size(expected) > 0.1
    assert distance(found, expected) < BOUNDS[scheme]
    assert not rule.is_unbiased
    for t in range(STEPS):  # outputs before a datum's step do not depend on it
        assert scheme == "forward" or np.all(np.asarray(found[1])[:t, :, t] == 0)


def test_data_that_depend_on_the_parameters_are_perturbed():
    rule = qj.FiniteDifference(scheme="five-point")

    def loss(weights, rule):
        return outputs(CELL, rule)(weights, XS * weights[1]).sum()

    expected, found = (
        quick_jit(jax.grad(lambda w, r=r: loss(w, r)))(WEIGHTS) for r in (qj.Backprop(), rule)
    )
    assert distance(found, expected) < 1e-10


@pytest.mark.parametrize("name", ["takaki", "circuit-noisy"])
def test_inexact_rules_serve_any_cell(name):
    cell = ALL_CELLS[name]
    params, xs = cell_inputs(cell, 1, steps=STEPS)
    rules = [qj.Backprop(), *INEXACT_RULES.values()]

    def loss(params, rule):
        key = jax.random.key(0) if rule.is_random else None
        return jnp.mean(qj.run(cell, params, xs, gradient=rule, key=key) ** 2)

    exact, differences, spsa = quick_jit(lambda p: [jax.grad(loss)(p, rule) for rule in rules])(
        params
    )
    assert size(exact) > 1e-3
    assert distance(differences, exact) < 1e-8
    # one direction D gives (D . g) D: of the same size in every entry that is moved
    assert 0 < distance(spsa, exact) < 30 * size(exact)


@pytest.mark.parametrize(
    ("scheme", "asked", "expected"),
    [
        ("forward", 0, 2 + 1),
        ("central", 0, 2 * 2),
        ("five-point", 0, 4 * 2),
        ("forward", (0, 1), 2 + 3 + 1),
        ("central", (0, 1), 2 * (2 + 3)),
    ],
)
def test_the_runs_are_those_that_were_counted(tapes, scheme, asked, expected):
    rule = qj.FiniteDifference(scheme=scheme, step=0.1, chunk=1010)
    gradient = jax.grad(lambda w, x: outputs(CELL, rule)(w, x).sum(), asked)
    quick_jit(gradient)(WEIGHTS, XS)
    jax.effects_barrier()
    assert len(tapes) == expected == rule.evaluations(CELL.circuit, STEPS, data=asked != 0)
    if asked:
        return
    found = {tuple(np.round(tape[0], 6)) for tape in tapes}
    moves = [m * 0.1 * e for m in (1, -1, 2, -2) for e in np.eye(2)] + [np.zeros(2)]
    rows = [spread(CELL.circuit, jnp.asarray(WEIGHTS + m), jnp.asarray(XS))[0] for m in moves]
    assert len(found) == expected
    assert found <= {tuple(np.round(np.asarray(row), 6)) for row in rows}


def exact_error(scheme, a, h, shots):
    """The mean squared error for f = cos a at constant sigma, from the scheme's definition."""
    f, derivative = np.cos, -np.sin(a)
    if scheme == "forward":
        bias, spread_ = (f(a + h) - f(a)) / h - derivative, 4.0
    elif scheme == "central":
        bias, spread_ = (f(a + h) - f(a - h)) / (2 * h) - derivative, 1.0
    else:
        found = 8 * (f(a + h) - f(a - h)) - f(a + 2 * h) + f(a - 2 * h)
        bias, spread_ = found / (12 * h) - derivative, 2.25
    return bias**2 + spread_ * SIGMA**2 / (shots * h**2)


HIGHER = {"forward": -np.cos(0.8), "central": np.sin(0.8), "five-point": -np.sin(0.8)}


@pytest.mark.parametrize("scheme", HIGHER)
def test_the_optimal_step_is_the_minimum(scheme):
    """f = cos a at a = 0.8, N = 1e10: what is left of higher orders is below 2 percent."""
    shots = 10**10
    found = minimize_scalar(
        lambda log: np.log(exact_error(scheme, 0.8, np.exp(log), shots)),
        bounds=(-9, 0),
        method="bounded",
        options={"xatol": 1e-6},
    )
    step = qj.FiniteDifference.optimal_step(scheme, shots, HIGHER[scheme], SIGMA)
    np.testing.assert_allclose(step, np.exp(found.x), rtol=0.02)
    error = qj.FiniteDifference.predicted_rmse(scheme, shots, HIGHER[scheme], SIGMA)
    np.testing.assert_allclose(error, np.exp(found.fun / 2), rtol=0.02)


def test_the_published_constants():
    """The closed forms, written out."""
    n, d, s = 5000, 0.7, 0.9
    steps = {
        "forward": 2 * (s / d) ** 0.5 * n**-0.25,
        "central": (18 * s**2 / (n * d**2)) ** (1 / 6),
        "five-point": (506.25 * s**2 / (n * d**2)) ** (1 / 10),
    }
    for scheme, step in steps.items():
        found = qj.FiniteDifference.optimal_step(scheme, n, -d, s)
        np.testing.assert_allclose(found, step, rtol=1e-12)
    predicted = qj.FiniteDifference.predicted_rmse
    np.testing.assert_allclose(predicted("forward", n, d, s), (2 * s * d) ** 0.5 * n**-0.25)
    np.testing.assert_allclose(
        predicted("central", n, d, s), 0.757 * (s**2 * d / n) ** (1 / 3), rtol=1e-3
    )
    for scheme, step in steps.items():
        best = predicted(scheme, n, d, s)
        np.testing.assert_allclose(predicted(scheme, n, d, s, step=step), best)
        assert min(predicted(scheme, n, d, s, step=step * f) for f in (0.9, 1.1)) > best


def test_predicted_errors_follow_the_variance_factors():
    """4, 1 and 2.25 times sigma^2 / (N h^2), N the shots on one of two derivatives."""
    shots, h = 10_000_000, 0.3
    for scheme, factor, runs in [("forward", 4, 2), ("central", 1, 2), ("five-point", 2.25, 4)]:
        rule = qj.FiniteDifference(scheme=scheme, step=h)
        found = rule.predicted_stderr(CELL.circuit, XS, shots, sigma=SIGMA)
        expected = np.sqrt(factor * SIGMA**2 / (runs * shots * h**2))
        np.testing.assert_allclose(found, [expected] * 2, rtol=1e-5)


@pytest.mark.parametrize("rule", [qj.FiniteDifference(step=0.4), qj.SPSA(step=0.4, directions=2)])
def test_shots_spread_as_predicted(rule):
    circuit = qj.Circuit(2, (qj.RX(0, W(0)), qj.CRY(0, 1, 0.7), qj.Reset(0)))
    cell, weights, xs = qj.CircuitCell(circuit, qj.X(1)), jnp.array([0.2]), jnp.zeros((1, 0))
    options = {"gradient": rule, "shots": 100, "prefixes": True}

    @quick_jit
    def many(keys):
        def one(key):
            return jax.grad(lambda w: qj.run(cell, w, xs, key=key, **options)[0, 0])(weights)[0]

        return jax.vmap(one)(keys)

    found = np.asarray(many(jax.random.split(jax.random.key(0), 1000)))
    value = lambda w: qj.run(cell, w, xs)[0, 0]  # noqa: E731
    bias_free = (value(weights + 0.4) - value(weights - 0.4)) / 0.8
    predicted = rule.predicted_stderr(circuit, xs, 100)[0]
    assert abs(found.mean() - bias_free) < 4 * predicted / np.sqrt(1000)
    assert 0.85 < found.std() / predicted < 1.05  # sigma is at most 1


def test_shots_without_a_step_are_refused():
    cell, key = (
        qj.CircuitCell(qj.Circuit(1, (qj.RX(0, W(0)), qj.Reset(0))), qj.Z(0)),
        jax.random.key(0),
    )
    weights, xs = jnp.ones(1), jnp.zeros((2, 0))
    for rule, text in [
        (
            qj.FiniteDifference(),
            r"`step` of `FiniteDifference` must be given under shots.*optimal_",
        ),
        (qj.FiniteDifference(on="loss"), r"`step` of `FiniteDifference` must be given under shots"),
        (qj.SPSA(), r"`step` of `SPSA` must be given under shots, but is None"),
    ]:
        with pytest.raises(ValueError, match=text):
            qj.run(cell, weights, xs, gradient=rule, shots=10, key=key)
        with pytest.raises(ValueError, match=text):
            qj.estimate_gradient(jnp.sum, cell, weights, xs, gradient=rule, shots=10, key=key)
        with pytest.raises(ValueError, match=text):
            rule.predicted_stderr(cell.circuit, xs, 10)


@pytest.mark.parametrize(
    "rule", [qj.FiniteDifference(on="loss", scheme="five-point"), qj.SPSA(on="loss")]
)
def test_the_loss_itself_is_left_to_estimate_gradient(rule):
    text = r"must act on outputs here, but .* differentiates the loss itself; try `qj.estimate_grad"
    with pytest.raises(ValueError, match=text):
        qj.run(CELL, WEIGHTS, XS, gradient=rule, key=jax.random.key(0))


def test_differences_of_a_loss():
    def loss(ys):
        return jnp.sum(jnp.sin(ys) ** 2)

    rule = qj.FiniteDifference(on="loss", scheme="five-point")
    _, found, _ = qj.estimate_gradient(loss, CELL, WEIGHTS, XS, gradient=rule)
    exact = quick_jit(jax.grad(lambda w: loss(qj.run(CELL, w, XS))))(WEIGHTS)
    assert size(exact) > 0.1
    assert distance(found, exact) < 1e-10


@pytest.mark.parametrize("rule", [qj.FiniteDifference(), qj.SPSA()])
def test_second_derivatives_are_refused(rule):
    def total(weights):
        return qj.run(CELL, weights, XS, gradient=rule, key=jax.random.key(0)).sum()

    text = rf"`{type(rule).__name__}` must not be differentiated twice, .*Backprop"
    with pytest.raises(ValueError, match=text):
        jax.hessian(total)(jnp.asarray(WEIGHTS))


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"step": 0.0}, "`step` must be a positive number, but is 0.0"),
        ({"step": float("nan")}, "`step` must be a positive number, but is nan"),
        ({"scheme": "backward"}, "`scheme` must be one of ('forward', 'central', 'five-point')"),
        ({"on": "params"}, "`on` must be one of ('outputs', 'loss'), but is 'params'"),
    ],
)
def test_settings_are_checked(settings, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        qj.FiniteDifference(**settings)


def test_the_law_of_the_step_checks_its_arguments():
    for arguments, text in [
        (("centre", 10, 1.0), "`scheme` must be one of"),
        (("central", 0, 1.0), "`shots` must be an integer of 1 or more"),
        (("central", 10, 0.0), "`derivative` must be a positive number, but is 0.0"),
        (("central", 10, 1.0, -1.0), "`sigma` must be a positive number, but is -1.0"),
    ]:
        with pytest.raises(ValueError, match=text):
            qj.FiniteDifference.optimal_step(*arguments)
