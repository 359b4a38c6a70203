"""One job for a gradient: the unperturbed circuit rides along, and shares no shots."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import qrnn_jax as qj
from qrnn_jax.hardware import LocalDevice, Queue
from tests.hardware.spy import Spy

KEY = jax.random.key(8)
CELL = qj.CircuitCell(
    qj.Circuit(
        2,
        (
            qj.RY(0, qj.Data(0)),
            qj.RX(1, qj.Weight(0)),
            qj.CNOT(1, 0),
            qj.RY(1, qj.Weight(1)),
            qj.Reset(0),
        ),
    ),
    qj.Z(0),
)
WEIGHTS, XS = jnp.array([0.4, 1.3]), jnp.array([[0.3], [-0.9], [1.4]])
RULES = {
    "parameter-shift": qj.ParameterShift(),
    "samples": qj.ParameterShift(samples=9),
    "horizon": qj.ParameterShift(horizon=2),
    "shared": qj.SharedShift(allocation="uniform"),
    "riesz": qj.Riesz(samples=5),
    "difference": qj.FiniteDifference(step=0.3),
    "forward": qj.FiniteDifference(step=0.3, scheme="forward"),
    "spsa": qj.SPSA(step=0.2, directions=3),
}


def square(ys: jax.Array) -> jax.Array:
    """A loss whose gradient needs the unperturbed outputs."""
    return jnp.sum((ys - 0.1) ** 2)


def tape_of(weights: jax.Array) -> np.ndarray:
    from qrnn_jax.circuit.spread import spread

    return np.asarray(spread(CELL.circuit, weights, XS)).ravel()


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("jitted", [False, True])
def test_a_value_and_its_gradient_are_one_job(name: str, jitted: bool) -> None:
    rule, spy = RULES[name], Spy()
    engine = qj.Device(spy, shots=20)

    def loss(weights: jax.Array) -> jax.Array:
        return square(qj.run(CELL, weights, XS, engine=engine, gradient=rule, key=KEY))

    both = jax.value_and_grad(loss)
    value, gradient = (jax.jit(both) if jitted else both)(WEIGHTS)
    assert np.isfinite(value)
    assert np.abs(gradient).max() > 0
    (call,) = spy.calls
    assert len(call.rows) == 1 + rule.evaluations(CELL.circuit, steps=3)
    assert call.shots == 20
    np.testing.assert_allclose(call.rows[0], tape_of(WEIGHTS), atol=1e-12)  # unperturbed, in front
    np.testing.assert_allclose(value, square(1 - 2 * call.bits[0].mean(axis=0)))
    if name != "forward":  # its base run is one of its own
        assert (np.abs(call.rows[1:] - call.rows[0]).max(axis=1) > 0.01).all()


@pytest.mark.parametrize("on", ["outputs", "loss"])
@pytest.mark.parametrize("name", ["parameter-shift", "difference", "spsa"])
def test_a_gradient_with_its_errors_is_the_same_job(name: str, on: str) -> None:
    """Standard errors need no second look: the answer holds all covariances."""
    if name == "parameter-shift" and on == "loss":
        return
    rule = RULES[name] if on == "outputs" else type(RULES[name])(step=0.3, on="loss")
    spy = Spy()
    queue = Queue(spy, remembered=0)
    engine = qj.Device(queue, shots=20)
    options = {"engine": engine, "gradient": rule, "key": KEY}
    found = qj.estimate_gradient(square, CELL, WEIGHTS, XS, **options)
    runs = len(spy.calls[0].rows) - 1
    assert runs == rule.evaluations(CELL.circuit, steps=3)
    assert queue.jobs == 1
    if on == "outputs":
        again = jax.grad(lambda w: square(qj.run(CELL, w, XS, **options)))(WEIGHTS)
        np.testing.assert_allclose(found.gradient, again, rtol=1e-6)
        assert queue.jobs == 1  # remembered: the last request always is


def test_a_batch_of_sequences_is_one_job() -> None:
    spy = Spy()
    engine = qj.Device(spy, shots=20)

    def loss(weights: jax.Array, xs: jax.Array, key: jax.Array) -> jax.Array:
        return square(qj.run(CELL, weights, xs, engine=engine, key=key))

    def total(weights: jax.Array) -> jax.Array:
        many = jax.vmap(loss, (None, 0, 0))
        return jnp.sum(many(weights, jnp.stack([XS, -XS]), jax.random.split(KEY)))

    jax.value_and_grad(total)(WEIGHTS)
    per_sequence = 1 + qj.ParameterShift().evaluations(CELL.circuit, steps=3)
    assert [len(call.rows) for call in spy.calls] == [2 * per_sequence]


def test_rows_that_differ_in_shots_are_requests_of_their_own() -> None:
    """The unperturbed circuit has the shots that were asked for, whatever the split."""
    spy = Spy()
    engine = qj.Device(spy, shots=50)
    rule = qj.SharedShift()  # weighted
    loss = lambda w: square(qj.run(CELL, w, XS, engine=engine, gradient=rule, key=KEY))  # noqa: E731
    jax.value_and_grad(loss)(WEIGHTS)
    assert len(spy.calls) == len({call.shots for call in spy.calls}) > 1
    first = tape_of(WEIGHTS)
    plain = [c.shots for c in spy.calls for row in c.rows if np.allclose(row, first, atol=1e-9)]
    assert plain == [50]


def test_the_unperturbed_run_shares_no_shots_with_the_others() -> None:
    """H, then a turn about x: every run has the law of a fair coin, whatever its shift."""
    operations = (qj.H(0), qj.RX(0, qj.Weight(0)), qj.Reset(0))
    coin, spy = qj.CircuitCell(qj.Circuit(1, operations), qj.Z(0)), Spy()
    engine = qj.Device(spy, shots=400)
    play = lambda w: jnp.sum(qj.run(coin, w, jnp.zeros((3, 0)), engine=engine, key=KEY) ** 2)  # noqa: E731
    jax.value_and_grad(play)(jnp.zeros(1))
    (call,) = spy.calls
    signs = 1.0 - 2 * call.bits[..., 0].transpose(0, 2, 1).reshape(7 * 3, 400)
    assert np.abs(signs.mean(axis=1)).max() < 5 / 20  # fair
    for lag in range(3):
        products = signs @ np.roll(signs, lag, axis=1).T / 400
        if not lag:
            np.fill_diagonal(products, 0)
        assert np.abs(products).max() < 5 / 20  # 21 x 21 pairs, standard deviation 1 / 20


def test_every_row_has_a_key_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    keys, play = [], Queue.run

    def recorded(self, template, rows, shots, key):  # type: ignore[no-untyped-def]
        keys.append(np.array(key).reshape(len(rows), -1))
        return play(self, template, rows, shots, key)

    monkeypatch.setattr(Queue, "run", recorded)
    engine = qj.Device(LocalDevice(), shots=2)
    loss = lambda w: square(qj.run(CELL, w, XS, engine=engine, key=KEY))  # noqa: E731
    jax.value_and_grad(loss)(WEIGHTS)
    (found,) = keys
    assert len(np.unique(found, axis=0)) == len(found) == 13


def test_the_gradient_of_a_square_is_unbiased() -> None:
    """Were the shots of the value those of the shifted runs, the product would be off by 1/S."""
    engine = qj.Device(LocalDevice(), shots=4)
    keys = jax.random.split(KEY, 400)

    def slope(key: jax.Array) -> jax.Array:
        loss = lambda w: square(qj.run(CELL, w, XS, engine=engine, key=key))  # noqa: E731
        return jax.grad(loss)(WEIGHTS)

    found = jax.jit(jax.vmap(slope))(keys)
    exact = jax.grad(lambda w: square(qj.run(CELL, w, XS)))(WEIGHTS)
    stderr = np.std(found, axis=0) / np.sqrt(len(keys))
    assert (stderr < 0.2).all()
    assert np.abs((found.mean(axis=0) - exact) / stderr).max() < 4


def test_second_derivatives_follow_the_same_path() -> None:
    engine = qj.Device(LocalDevice(), shots=300)
    key = jax.random.key(2)

    def hessian(options: dict) -> jax.Array:
        slope = jax.grad(lambda w: square(qj.run(CELL, w, XS[:2], **options)))
        return jax.jacfwd(slope)(WEIGHTS)

    exact = hessian({"gradient": qj.Backprop()})
    rule = {"engine": engine, "gradient": qj.ParameterShift()}
    draws = np.stack([hessian({**rule, "key": k}) for k in jax.random.split(key, 12)])
    scores = (draws.mean(axis=0) - exact) / (draws.std(axis=0, ddof=1) / np.sqrt(len(draws)))
    assert np.abs(scores).max() < 5
    assert np.abs(exact).min() > 0.05
