"""Post-selection: outputs are ratios, so numerator and denominator are differentiated apart."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import qrnn_jax as qj
from tests import oracle
from tests.helpers import quick_jit


def circuit(turned: qj.Slot) -> qj.Circuit:
    """Wires: 0 read and reset, 1 memory, 2 ancilla that must end in |1>. `turned` decides a lot."""
    return qj.Circuit(
        3,
        (
            qj.RY(0, 0.2 * qj.Data(0)),
            qj.RX(1, qj.Weight(0)),
            qj.RY(0, turned),
            qj.CRX(1, 0, qj.Weight(1)),
            qj.CRY(0, 2, 2.4),
            qj.RY(2, 0.25),
            qj.RZZ(1, 2, qj.Weight(2)),
            qj.AmplitudeDamping(1, 0.3),
            qj.Postselect(2, 1),
            qj.CNOT(0, 1),
            qj.RX(1, 0.4),
            qj.Reset(0),
            qj.Reset(2),
        ),
    )


CELL = qj.CircuitCell(circuit(qj.Weight(3)), (qj.Z(0),))
WEIGHTS = jnp.array([0.4, 0.5, -0.8, 0.2])
XS = jnp.array([[0.3], [-0.9], [1.4], [0.2]])
LIKELY = WEIGHTS.at[3].set(2.0)  # more runs survive
WIDE = qj.CircuitCell(circuit(qj.Weight(3)), (qj.X(0),))  # a read that is not almost certain
RULES = [qj.ParameterShift(), qj.ParameterShift(route="shared")]


def gradients(rule: qj.AbstractGradient) -> tuple:
    def last(weights: jax.Array, xs: jax.Array) -> jax.Array:
        return jnp.vdot(jnp.array([0.3, -0.2, 0.5, 1.0]), qj.run(CELL, weights, xs, gradient=rule))

    return quick_jit(jax.grad(last, argnums=(0, 1)))(WEIGHTS, XS)


def test_outputs_are_conditioned_on_success_so_far() -> None:
    expected, _ = oracle.run(CELL.circuit, CELL.observables, np.asarray(WEIGHTS), np.asarray(XS))
    np.testing.assert_allclose(qj.run(CELL, WEIGHTS, XS), expected, atol=1e-12)


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_rules_differentiate_the_ratio_exactly(rule: qj.AbstractGradient) -> None:
    exact, found = gradients(qj.Backprop()), gradients(rule)
    for a, b in zip(found, exact, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-10)


def test_exact_autodiff_agrees_with_differences_of_the_oracle() -> None:
    def outputs(weights: np.ndarray) -> np.ndarray:
        return oracle.run(CELL.circuit, CELL.observables, weights, np.asarray(XS))[0][:, 0]

    step, point = 0.003, np.asarray(WEIGHTS)
    jacobian = quick_jit(jax.jacrev(lambda w: qj.run(CELL, w, XS)[:, 0]))(WEIGHTS)
    for column, unit in enumerate(np.eye(4)):
        one, minus, two, minus_two = (outputs(point + k * step * unit) for k in (1, -1, 2, -2))
        difference = (8 * (one - minus) - (two - minus_two)) / (12 * step)
        np.testing.assert_allclose(jacobian[:, column], difference, atol=1e-7)


def test_shifting_the_ratio_itself_misses_by_more_than_one() -> None:
    """The same angles as data, so that single occurrences can be shifted from outside."""
    cell = qj.CircuitCell(circuit(qj.Data(1)), (qj.Z(0),))
    data = jnp.concatenate([XS, jnp.full_like(XS, WEIGHTS[3])], axis=1)
    shifts = jnp.pi / 2 * jnp.eye(4)[:, :, None] * jnp.array([0.0, 1.0])
    run = quick_jit(jax.vmap(lambda xs: qj.run(cell, WEIGHTS[:3], xs)[:, 0]))
    naive = jnp.sum(run(data + shifts) - run(data - shifts), axis=0) / 2
    truth = quick_jit(jax.jacrev(lambda w: qj.run(CELL, w, XS)[:, 0]))(WEIGHTS)[:, 3]
    assert np.abs(naive - truth).max() > 1


def test_later_steps_and_their_post_selections_change_nothing_before() -> None:
    later = XS.at[2:].set(2.9)
    np.testing.assert_array_equal(
        qj.run(CELL, WEIGHTS, XS)[:2], qj.run(CELL, WEIGHTS, later)[:2]
    )  # fmt: skip
    shifted = jax.jacrev(lambda xs: qj.run(CELL, WEIGHTS, xs, gradient=qj.ParameterShift()))
    entries = np.asarray(quick_jit(shifted)(XS))[:, 0, :, 0]
    np.testing.assert_array_equal(np.triu(entries, 1), 0)
    assert np.abs(np.tril(entries, -1)).max() > 1e-3


def test_the_log_success_is_the_probability_that_all_succeed() -> None:
    result = qj.simulate(CELL, WEIGHTS, XS)
    rho = np.zeros((8, 8), complex)
    rho[0, 0] = 1
    joint = []
    for x in np.asarray(XS):
        rho, _ = oracle.step(CELL.circuit, rho, np.asarray(WEIGHTS), x)  # never renormalised
        joint.append(np.trace(rho).real)
    np.testing.assert_allclose(qj.log_success(CELL, WEIGHTS, XS), np.log(joint), atol=1e-12)
    assert joint[-1] < 0.2
    assert float(jnp.trace(result.carry).real) == pytest.approx(1)


def test_streaming_goes_on_with_a_normalised_state() -> None:
    first = qj.simulate(CELL, WEIGHTS, XS[:3])
    second = qj.simulate(CELL, WEIGHTS, XS[3:], carry=first.carry)
    whole = qj.simulate(CELL, WEIGHTS, XS)
    np.testing.assert_allclose(second.outputs[0], whole.outputs[3], atol=1e-12)


def test_two_hundred_steps_stay_finite_in_float32() -> None:
    """The joint probability, about 2^-200, is far below what float32 can hold."""
    xs = np.random.default_rng(0).uniform(-1, 1, (200, 1))
    with jax.enable_x64(False):
        weights = jnp.array([0.4, 0.5, -0.8, 1.1])
        inputs = jnp.asarray(xs, jnp.float32)
        result = qj.simulate(CELL, weights, inputs)
        slope = quick_jit(jax.grad(lambda w: qj.run(CELL, w, inputs, gradient=RULES[1]).sum()))(
            weights
        )
        weight = float(qj.log_success(CELL, weights, inputs)[-1])
    assert -300 < weight < -88  # exp(-88) is the smallest normal number of float32
    assert np.isfinite(result.outputs).all()
    exact = quick_jit(jax.grad(lambda w: qj.run(CELL, w, xs).sum()))(jnp.asarray(weights, float))
    np.testing.assert_allclose(slope, exact, rtol=2e-3)


@pytest.mark.parametrize(
    "options",
    [{}, {"engine": qj.Trajectories(1)}, {"prefixes": True}],
    ids=["joint", "trajectories", "prefixes"],
)
def test_averages_over_the_survivors_are_honest(options: dict) -> None:
    exact = qj.run(WIDE, LIKELY, XS[:3])

    def one(key: jax.Array) -> jax.Array:
        found = qj.simulate(WIDE, LIKELY, XS[:3], shots=2000, key=key, **options)
        return (found.outputs - exact) / found.stderr

    scores = np.asarray(jax.lax.map(one, jax.random.split(jax.random.key(3), 40)))
    assert np.abs(scores).max() < 5
    assert 0.8 < np.sqrt(np.mean(scores**2)) < 1.2  # 120 scores


def test_branch_expectations_agree_with_the_density_matrix() -> None:
    options = {"engine": qj.Trajectories(4000), "key": jax.random.key(5)}
    found = qj.simulate(WIDE, LIKELY, XS[:3], **options)
    exact = qj.run(WIDE, LIKELY, XS[:3])
    assert np.all(np.abs(found.outputs - exact) < 5 * found.stderr)
    assert np.all(found.stderr < 0.1)


@pytest.mark.parametrize("prefixes", [False, True])
def test_the_standard_error_is_zero_where_all_survivors_agree(prefixes: bool) -> None:
    """Rounding in the variance of a ratio must not become the root of less than zero."""
    operations = (qj.RY(0, 2.0), qj.CNOT(0, 1), qj.Postselect(1, 1), qj.Reset(0), qj.Reset(1))
    sure = qj.CircuitCell(qj.Circuit(2, operations), (0.3 * qj.Z(0),))

    def one(key: jax.Array) -> qj.Result:
        options = {"shots": 37, "prefixes": prefixes, "key": key}
        return qj.simulate(sure, jnp.zeros(0), jnp.zeros((2, 0)), **options)

    found = quick_jit(jax.vmap(one))(jax.random.split(jax.random.key(0), 20))
    np.testing.assert_allclose(found.stderr, 0, atol=1e-7)
    np.testing.assert_allclose(found.outputs, -0.3, atol=1e-12)


@pytest.mark.slow
def test_gradients_under_shots_state_their_error() -> None:
    """A ratio is biased to order 1 / (S p); with many survivors the scores are standard."""

    def total(outputs: jax.Array) -> jax.Array:
        return jnp.sum(outputs[:2])

    truth = quick_jit(jax.grad(lambda w: total(qj.run(WIDE, w, XS[:2]))))(LIKELY)

    def one(key: jax.Array) -> jax.Array:
        options = {"shots": 40_000, "prefixes": True, "key": key}
        found = qj.estimate_gradient(total, WIDE, LIKELY, XS[:2], **options)
        return (found.gradient - truth) / found.stderr

    many = quick_jit(lambda keys: jax.lax.map(one, keys))
    scores = np.asarray(many(jax.random.split(jax.random.key(9), 100)))
    assert 0.9 < np.sqrt(np.mean(scores**2)) < 1.1  # 400 scores
    assert np.abs(scores.mean()) * 20 < 4.5


HOPELESS = qj.CircuitCell(qj.Circuit(1, (qj.RX(0, qj.Weight(0)), qj.Postselect(0, 1))), (qj.Z(0),))


def test_nothing_survives() -> None:
    xs = jnp.zeros((2, 0))
    with pytest.raises(ValueError, match="at step 0 nothing survives"):
        qj.run(HOPELESS, jnp.zeros(1), xs)
    assert np.isnan(jax.jit(lambda w: qj.run(HOPELESS, w, xs))(jnp.zeros(1))).all()
    # pi succeeds once and brings |1> back to |0> at the second step
    with pytest.raises(ValueError, match="at step 1 nothing survives"):
        qj.run(HOPELESS, jnp.array([jnp.pi]), xs, shots=20, prefixes=True, key=jax.random.key(0))


@pytest.mark.parametrize(
    "options",
    [{}, {"prefixes": True}, {"engine": qj.Trajectories(1)}],
    ids=["same-run", "prefixes", "trajectories"],
)
def test_several_settings_share_one_survival(options: dict) -> None:
    """Each setting estimates the survival; their average divides the sum of the reads."""
    operations = (
        qj.RY(0, qj.Weight(0)),
        qj.CRX(0, 1, 1.1),
        qj.Postselect(1, 1),
        qj.RX(0, 0.4),
        qj.Reset(0),
        qj.Reset(1),
    )
    cell = qj.CircuitCell(qj.Circuit(2, operations), (qj.Z(0), qj.Y(0), qj.Z(0) + 0.5 * qj.Y(0)))
    weights, xs = jnp.array([1.3]), jnp.zeros((2, 0))
    exact = qj.run(cell, weights, xs)
    found = qj.simulate(cell, weights, xs, shots=20_000, key=jax.random.key(1), **options)
    assert np.all(np.abs(found.outputs[0] - exact[0]) < 5 * found.stderr[0])
    assert np.abs(exact[0]).min() > 0.1


def test_the_log_success_has_a_gradient() -> None:
    def success(weights: jax.Array) -> jax.Array:
        return qj.log_success(CELL, weights, XS)[-1]

    step = 1e-5 * jnp.eye(4)
    differences = [(success(WEIGHTS + e) - success(WEIGHTS - e)) / 2e-5 for e in step]
    np.testing.assert_allclose(jax.grad(success)(WEIGHTS), differences, atol=1e-7)
    assert np.abs(differences).max() > 0.1


def test_an_estimate_that_nothing_survives_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing survives"):
        qj.estimate_gradient(jnp.sum, HOPELESS, jnp.zeros(1), jnp.zeros((2, 0)))
