"""A classical controller around a device: expectation values close the loop, step by step."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import qrnn_jax as qj
from qrnn_jax.hardware import LocalDevice, Queue
from tests.hardware.spy import Spy

KEY = jax.random.key(4)
CIRCUIT = qj.Circuit(
    2,
    (
        qj.RY(0, qj.Data(0)),
        qj.RX(1, qj.Weight(0)),
        qj.CNOT(0, 1),
        qj.RY(1, 0.7 * qj.Data(1)),
        qj.Reset(0),
    ),
)
CELL = qj.FeedbackCell(qj.CircuitCell(CIRCUIT, (qj.Z(0), qj.Z(1))), qj.Perceptron(1, 2, 2))
PARAMS, XS = CELL.init(jax.random.key(3)), jnp.array([[0.3], [-0.9], [0.4]])


def loss(ys: jax.Array) -> jax.Array:
    return jnp.sum(ys * jnp.array([[1.0, -0.5], [0.4, 0.8], [-0.9, 1.2]]))


def test_the_angles_of_a_step_follow_what_the_device_returned_before() -> None:
    spy = Spy()
    queue = Queue(spy, budget=3 * 50)
    found = qj.simulate(CELL, PARAMS, XS, engine=qj.Device(queue, shots=50), key=KEY)
    assert [call.template.steps for call in spy.calls] == [1, 2, 3]  # one request a step
    assert queue.left == 0
    own, h, rows = PARAMS["controller"], CELL.controller.start(PARAMS["controller"]), []
    for x, y, call in zip(XS, found.outputs, spy.calls):
        data = CELL.controller.angles(own, h, x)
        rows += [data[0], PARAMS["weights"][0], 0.7 * data[1]]
        np.testing.assert_allclose(call.rows, [rows], atol=1e-9)
        np.testing.assert_allclose(y, 1 - 2 * call.bits[0, :, -1].mean(axis=0))
        h = CELL.controller.update(own, h, x, y)
    np.testing.assert_allclose(found.stderr, np.sqrt((1 - found.outputs**2) / 49), atol=1e-9)


def test_a_batch_of_loops_is_one_request_a_step() -> None:
    spy = Spy()
    engine = qj.Device(spy, shots=10)
    run = lambda key: qj.run(CELL, PARAMS, XS, engine=engine, key=key)  # noqa: E731
    many = jax.vmap(run)(jax.random.split(KEY, 5))
    assert many.shape == (5, 3, 2)
    assert [(call.template.steps, len(call.rows)) for call in spy.calls] == [(1, 5), (2, 5), (3, 5)]


def test_the_causal_jacobian_closes_the_loop() -> None:
    """The gradient is that of the exact loop on average; 1/S of bias is below the noise."""
    spy, params = Spy(), jax.tree.map(lambda leaf: 0.3 * leaf, PARAMS)  # a loop that is not wild
    options = {"engine": qj.Device(spy, shots=500)}

    def slopes(params: Any, **options: Any) -> jax.Array:
        found = jax.grad(lambda p: loss(qj.run(CELL, p, XS, **options)))(params)
        return jnp.concatenate([jnp.ravel(leaf) for leaf in jax.tree.leaves(found)])

    exact, keys = slopes(params), jax.random.split(KEY, 16)
    found = jax.vmap(lambda key: slopes(params, **options, key=key))(keys)
    stderr = found.std(axis=0, ddof=1) / np.sqrt(len(keys))
    assert np.abs(exact).max() > 5
    assert (stderr < 0.3).all()
    assert np.abs((found.mean(axis=0) - exact) / stderr).max() < 4.5
    shifted = 2 * 3  # terms of a step: shifts of steps 1..t count for output t
    wanted = [1, 1, 1, shifted, 2 * shifted, 3 * shifted]
    assert [len(call.rows) for call in spy.calls] == [16 * rows for rows in wanted]


def test_errors_of_fed_back_estimates_are_not_made_up() -> None:
    engine = qj.Device(LocalDevice(), shots=20)
    found = qj.estimate_gradient(loss, CELL, PARAMS, XS, engine=engine, key=KEY)
    assert all(np.isnan(leaf).all() for leaf in jax.tree.leaves(found.stderr))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(found.gradient))


def test_a_loop_is_no_single_program() -> None:
    bits = qj.FeedbackCell(CELL.cell, CELL.controller, feed="bits")
    with pytest.raises(ValueError, match=r"`cell` must be one program, but is a `FeedbackCell`"):
        qj.hardware.to_openqasm3(CELL, 2)
    for cell in (CELL, bits):
        with pytest.raises(TypeError, match="`cell` must be a cell without a controller"):
            qj.hardware.angles(cell, PARAMS, XS)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="`cell` must be a cell without a controller"):
            qj.hardware.columns(cell)  # type: ignore[arg-type]


def test_refusals() -> None:
    engine = qj.Device(LocalDevice(), shots=20)
    with pytest.raises(ValueError, match="`gradient` must be `ParameterShift"):
        qj.run(CELL, PARAMS, XS, engine=engine, gradient=qj.Backprop(), key=KEY)
    with pytest.raises(ValueError, match="must not contradict the engine"):
        qj.run(CELL, PARAMS, XS, engine=engine, shots=3, key=KEY)
