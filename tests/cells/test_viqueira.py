"""Viqueira's task (a) from the published seed: the printed digits, without any downloaded data.

Numbers: `GOLDEN` were printed by the publication's code or recomputed from it independently.
Streams are NumPy's legacy ones, as there: parameters 2 pi random(P) after seed(13192) with the bias
0 in front; the order of windows permutation(32) per epoch after seeding again.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax import Array

import qrnn_jax as qj
from qrnn_jax import training

SEED = 13192
CELL = qj.cells.Viqueira(exchange=1, memory=2, layers=3, uploads=3)
FIRST_OUTPUTS = [0.1795168904, -0.1575758139, 0.0756648102, 0.0426269798, -0.0555986777]
LAST_OUTPUTS = [0.0511127470, 0.0707611205, 0.0813962512, 0.0967151850, 0.1069427408]
UNTRAINED = {"train": 0.226252721199, "validation": 0.262155180986, "test": 0.069638291848}
GRADIENT_START = [0.1279646287, 0.0251952763, -0.0196700529, -0.0104938582]
GRADIENT_NORM = 0.1886066864
CURVE = {0: ("0.206899", "0.274813"), 1: ("0.197499", "0.268157"), 2: ("0.187315", "0.265767")}
LATER = {25: (0.050125, 0.089327)}


def published_params() -> Array:
    state = np.random.RandomState(SEED)
    return jnp.asarray(np.concatenate([[0.0], 2 * np.pi * state.random_sample(25)]))


def task() -> qj.tasks.Task:
    return qj.tasks.decreasing_triangle()


def root_mean_square_error(params: Array, windows: qj.tasks.Windows) -> Array:
    return jnp.sqrt(training.mean_squared_error(CELL, params, training.Batch.of(windows)))


def window_loss(params: Array, inputs: Array, targets: Array) -> Array:
    """The mean squared error of the last five steps of one window."""
    return jnp.mean((qj.run(CELL, params, inputs) - targets)[-5:] ** 2)


@pytest.mark.parametrize(
    ("sizes", "ansatz", "count"),
    [
        ((1, 2, 3, 3), "EMCZ2", 26),
        ((2, 2, 4, 1), "EMCZ2", 39),
        ((2, 3, 5, 3), "EMCZ2", 65),
        ((1, 2, 2, 3), "EMCZ3", 1 + 3 * 3 + 3 * 3 * 2 + 3),
        ((2, 3, 5, 1), "EMCZ3", 1 + 3 * 2 + 3 * 5 * 5 + 3 * 2),
    ],
    ids=str,
)
def test_parameter_counts(sizes: tuple[int, int, int, int], ansatz: str, count: int) -> None:
    cell = qj.cells.Viqueira(*sizes, ansatz=ansatz)
    assert cell.init(jax.random.key(0)).shape == (count,)


def test_published_start() -> None:
    np.testing.assert_allclose(
        published_params()[1:4], [5.2197902988, 4.5708346349, 2.8268038615], atol=1e-9
    )
    assert qj.tasks.validation_windows(2) == (3, 5, 10, 13, 16, 19, 23, 38)


def test_golden_outputs_of_the_first_window() -> None:
    ys = qj.run(CELL, published_params(), task().train.inputs[0])[:, 0]
    np.testing.assert_allclose(ys[:5], FIRST_OUTPUTS, atol=1e-9)
    np.testing.assert_allclose(ys[-5:], LAST_OUTPUTS, atol=1e-9)


@pytest.mark.parametrize("split", UNTRAINED)
def test_golden_errors_before_training(split: str) -> None:
    found = root_mean_square_error(published_params(), getattr(task(), split))
    assert found == pytest.approx(UNTRAINED[split], abs=1e-9)


@pytest.mark.parametrize("rule", [qj.Backprop(), qj.ParameterShift()], ids=str)
def test_golden_gradient(rule: qj.AbstractGradient) -> None:
    train = task().train

    def loss(params: Array) -> Array:
        ys = qj.run(CELL, params, train.inputs[0], gradient=rule)
        return jnp.mean((ys - train.targets[0])[-5:] ** 2)

    value, gradient = jax.value_and_grad(loss)(published_params())
    # from the printed outputs; the notes swap two of its digits (0.0111660659758)
    printed = np.mean((LAST_OUTPUTS - train.targets[0, -5:, 0]) ** 2)
    assert printed == pytest.approx(0.0111666059758, abs=1e-9)
    assert value == pytest.approx(printed, abs=1e-9)
    np.testing.assert_allclose(gradient[:4], GRADIENT_START, atol=1e-9)
    assert jnp.linalg.norm(gradient) == pytest.approx(GRADIENT_NORM, abs=1e-9)


def joint_shift_gradient() -> tuple[Array, Array]:
    """(true gradient, the one from shifting a shared weight in all steps at once)."""
    train, params = task().train, published_params()
    inputs, targets = train.inputs[0], train.targets[0]

    def last(params: Array) -> Array:
        return qj.run(CELL, params, inputs)[-5:, 0]

    def joint(index: Array) -> Array:
        move = jnp.zeros(26).at[index].set(jnp.pi / 2)
        return (last(params + move) - last(params - move)) / 2

    residual = 2 / 5 * (last(params) - targets[-5:, 0])
    wrong = jax.vmap(joint)(jnp.arange(1, 26)) @ residual
    true = jax.grad(window_loss)(params, inputs, targets)
    return true, jnp.concatenate([true[:1], wrong])


def test_shifting_a_shared_weight_jointly_is_wrong_except_in_the_last_column() -> None:
    true, joint = joint_shift_gradient()
    assert np.abs(true - joint).max() > 1e-3
    assert joint[25] == pytest.approx(float(true[25]), abs=1e-10)
    # close enough to fool a test of norm and direction, as the notes warn
    assert jnp.linalg.norm(joint) == pytest.approx(0.182502, abs=1e-6)
    cosine = true @ joint / jnp.linalg.norm(true) / jnp.linalg.norm(joint)
    assert cosine == pytest.approx(0.983, abs=1e-3)


def windows_order(epochs: int) -> np.ndarray:
    state = np.random.RandomState(SEED)
    return np.stack([state.permutation(32) for _ in range(epochs)])


def test_order_of_windows() -> None:
    order = windows_order(2)
    assert order[0, :8].tolist() == [20, 15, 5, 4, 28, 10, 30, 17]
    assert order[1, :8].tolist() == [9, 3, 27, 15, 19, 1, 30, 31]


def replay(epochs: int) -> dict[int, tuple[float, float]]:
    """Root mean square errors (train, validation) after each epoch of one-window Adam updates."""
    data = task()
    inputs, targets = jnp.asarray(data.train.inputs), jnp.asarray(data.train.targets)
    optimizer = optax.adam(0.001, b1=0.9, b2=0.99, eps=1e-8)

    def update(carry: tuple, window: Array) -> tuple[tuple, None]:
        params, state = carry
        gradient = jax.grad(window_loss)(params, inputs[window], targets[window])
        updates, state = optimizer.update(gradient, state)
        return (optax.apply_updates(params, updates), state), None

    @jax.jit
    def epoch(carry: tuple, order: Array) -> tuple[tuple, tuple[Array, Array]]:
        carry, _ = jax.lax.scan(update, carry, order)
        error = partial(root_mean_square_error, carry[0])
        return carry, (error(data.train), error(data.validation))

    params = published_params()
    carry, curve = (params, optimizer.init(params)), {}
    for number, order in enumerate(windows_order(epochs)):
        carry, (train, validation) = epoch(carry, jnp.asarray(order))
        curve[number] = float(train), float(validation)
    return curve


def test_replay_gives_the_printed_digits() -> None:
    curve = replay(26)
    for number, digits in CURVE.items():
        assert tuple(f"{value:.6f}" for value in curve[number]) == digits
    for number, expected in LATER.items():
        np.testing.assert_allclose(curve[number], expected, atol=2e-5)
