"""Optimizers by name: all of optax's that take a learning rate, and messages that help."""

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from qrnn_jax import training

NAMES = training.optimizer_names()


def update(optimizer, gradient, params):
    """One update, with what line searches need, of f(p) = sum (p - 1)^2."""

    def loss(p):
        return jnp.sum((p - 1) ** 2)

    more = {"value": loss(params), "grad": gradient, "value_fn": loss}
    return optimizer.update(gradient, optimizer.init(params), params, **more)[0]


def test_the_names_are_those_of_optax():
    assert {"adam", "adamw", "sgd", "rmsprop", "lbfgs", "bfgs", "polyak_sgd"} <= set(NAMES)
    assert set(NAMES) - {"bfgs"} <= set(dir(optax))
    assert not any(name.startswith(("_", "scale_by")) for name in NAMES)
    assert list(NAMES) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("ignore:Specifying a key will be required:UserWarning")
@pytest.mark.filterwarnings("ignore:.* is deprecated:DeprecationWarning")
def test_every_name_makes_an_optimizer_or_says_what_is_missing(name):
    try:
        optimizer = training.make_optimizer(name, learning_rate=0.01)
    except ValueError as error:
        optimizer, said = None, str(error)
    if optimizer is None:
        assert "is missing; try `" in said
        return
    params = jnp.array([0.0, 2.0, 3.0])
    step = update(optimizer, 2 * (params - 1), params)
    assert step.shape == (3,)
    assert np.isfinite(step).all()
    # downhill, or not at all in the first step (rprop)
    assert float(step @ (params - 1)) < 0 or not np.asarray(step).any()


def test_learning_rate_and_options_arrive():
    params, gradient = jnp.array([1.0, -2.0]), jnp.array([0.5, 0.25])
    step = update(training.make_optimizer("sgd", learning_rate=0.2), gradient, params)
    np.testing.assert_allclose(step, [-0.1, -0.05], rtol=1e-15)
    found = update(
        training.make_optimizer("adamw", learning_rate=0.2, weight_decay=0.3), gradient, params
    )
    wanted = optax.adamw(0.2, weight_decay=0.3)
    np.testing.assert_array_equal(found, wanted.update(gradient, wanted.init(params), params)[0])


def test_the_learning_rate_of_polyak_sgd_has_another_name():
    params = jnp.array([0.0, 3.0])
    found = update(
        training.make_optimizer("polyak_sgd", learning_rate=0.03), 2 * (params - 1), params
    )
    np.testing.assert_allclose(found, -0.03 * 2 * (params - 1))


def test_bfgs_is_lbfgs():
    params = jnp.array([0.0, 3.0])
    first, second = (
        update(training.make_optimizer(name), 2 * (params - 1), params)
        for name in ("bfgs", "lbfgs")
    )
    np.testing.assert_array_equal(first, second)
    # its line search needs no learning rate
    assert np.linalg.norm(params + first - 1) < 0.6 * np.linalg.norm(params - 1)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("adamm", {}, r"must be one that optax has, but is 'adamm'; try 'adam"),
        ("lbfg", {}, r"but is 'lbfg'; try 'lbfgs'"),
        ("Adam", {}, r"but is 'Adam'; try 'adam"),
        ("12345", {}, r"try 'adabelief', 'adadelta', .*'yogi'"),
        ("chain", {}, r"must be one that optax has"),
        ("__class__", {}, r"must be one that optax has"),
        (
            "adam",
            {},
            r"`adam` must get `learning_rate`, but it is missing; try `learning_rate=0.01`",
        ),
        ("adam", {"learning_rate": 0.1, "beta1": 0.9}, r"but `beta1` is none; try 'b1'"),
        ("lbfgs", {"memory": 5}, r"but `memory` is none; try 'memory_size'"),
        ("lbfgs", {"memory_size": 0}, r"optax says: memory_size must be >= 1"),
    ],
)
def test_bad_names_and_options_are_answered_by_near_matches(name, options, message):
    with pytest.raises(ValueError, match=message):
        training.make_optimizer(name, **options)
