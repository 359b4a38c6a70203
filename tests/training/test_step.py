"""One training step: what it computes, what it refuses, and what it carries."""

from dataclasses import dataclass
from typing import final

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import qrnn_jax as qj
from qrnn_jax import training
from tests.training.small import CELL, START, Fragile, same_bits, windows, with_bad_input

BATCH = training.Batch.of(windows())
BAD_BATCH = training.Batch.of(with_bad_input(windows(), 2))
ADAM = optax.adam(0.1)


def jitted(optimizer=ADAM, cell=CELL, **options):
    return jax.jit(training.make_step(cell, optimizer, **options))


def counters(state):
    return int(state.step), int(state.skipped), int(state.streak)


@pytest.fixture(scope="module")
def fragile():
    return jitted(cell=Fragile())


def test_a_step_is_gradient_descent():
    def loss(params):
        outputs = jax.vmap(lambda xs: qj.run(CELL, params, xs))(BATCH.inputs)
        return jnp.mean((outputs - BATCH.targets) ** 2)

    value, slope = jax.value_and_grad(loss)(START)
    state, metrics = jitted(optax.sgd(0.25))(training.init_state(START, optax.sgd(0.25)), BATCH)
    np.testing.assert_allclose(state.params, START - 0.25 * slope, rtol=0, atol=1e-14)
    assert float(metrics.loss) == pytest.approx(float(value), rel=1e-13)
    assert float(metrics.gradient_norm) == pytest.approx(float(np.linalg.norm(slope)), rel=1e-12)
    assert counters(state) == (1, 0, 0)


@final
@dataclass(frozen=True)
class Poison(qj.AbstractSimulatorGradient):
    """A rule that tells that it was asked."""

    def refusal(self, circuit):
        return None

    def differentiate(self, expectations):
        raise RuntimeError("the poisoned rule was asked")


def test_the_gradient_rule_is_the_one_asked_for():
    state = training.init_state(START, ADAM)
    with pytest.raises(RuntimeError, match="the poisoned rule was asked"):
        training.make_step(CELL, ADAM, gradient=Poison())(state, BATCH)
    shifted, _ = jitted(gradient=qj.ParameterShift())(state, BATCH)
    exact, _ = jitted()(state, BATCH)
    np.testing.assert_allclose(shifted.params, exact.params, rtol=0, atol=1e-10)


def test_a_nan_gradient_leaves_parameters_and_optimizer_untouched(fragile):
    first, _ = fragile(training.init_state(START, ADAM), BATCH)
    second, metrics = fragile(first, BAD_BATCH)
    assert not bool(metrics.used)
    assert np.isfinite(metrics.loss)
    assert np.isnan(metrics.gradient_norm)
    assert same_bits(second.params, first.params)
    assert same_bits(second.optimizer_state, first.optimizer_state)
    assert counters(second) == (2, 1, 1)
    third, metrics = fragile(second, BATCH)
    assert bool(metrics.used)
    assert counters(third) == (3, 1, 0)
    direct, _ = fragile(first, BATCH)  # as if the bad batch had never been there
    assert same_bits(third.params, direct.params)
    assert same_bits(third.optimizer_state, direct.optimizer_state)


def test_a_nan_loss_is_skipped(fragile):
    broken = BATCH._replace(targets=BATCH.targets.at[1, 2, 0].set(jnp.nan))
    state, metrics = fragile(training.init_state(START, ADAM), broken)
    assert np.isnan(metrics.loss)
    assert same_bits(state.params, START)
    assert counters(state) == (1, 1, 1)


def test_a_nan_gradient_is_skipped_even_if_the_optimizer_would_hide_it():
    optimizer = optax.chain(optax.zero_nans(), optax.sgd(0.1))
    state = training.init_state(START, optimizer)
    state, metrics = jitted(optimizer, cell=Fragile())(state, BAD_BATCH)
    assert not bool(metrics.used)
    assert same_bits(state.params, START)
    assert counters(state) == (1, 1, 1)


@pytest.mark.parametrize("size", [np.nan, np.inf, 1e16])
def test_meaningless_new_parameters_are_skipped(size):
    """Above 4.5e15 neighbouring float64 numbers lie 1 apart: no angle any more."""

    def update(updates, state, params=None):
        del params
        return jax.tree.map(lambda leaf: jnp.full_like(leaf, 1.0).at[1].set(size), updates), state

    jump = optax.GradientTransformation(lambda params: optax.EmptyState(), update)
    state, metrics = jitted(jump)(training.init_state(START, jump), BATCH)
    assert not bool(metrics.used)
    assert np.isfinite(metrics.loss)
    assert np.isfinite(metrics.gradient_norm)
    assert same_bits(state.params, START)


def test_equal_arguments_give_the_same_function():
    assert training.make_step(CELL, ADAM) is training.make_step(CELL, ADAM)
    shift = training.make_step(CELL, ADAM, gradient=qj.ParameterShift())
    assert shift is training.make_step(CELL, ADAM, gradient=qj.ParameterShift())
    assert shift is not training.make_step(CELL, ADAM)


def test_the_first_state_has_no_weak_types():
    """Or the second compiled call would differ from the first and compile again."""
    state = training.init_state({"a": 0.4, "b": START}, ADAM)
    assert not any(leaf.weak_type for leaf in jax.tree.leaves(state))
    assert state.params["a"].dtype == jnp.float64


@pytest.mark.parametrize("name", training.optimizer_names())
@pytest.mark.filterwarnings("ignore:Specifying a key will be required:UserWarning")
@pytest.mark.filterwarnings("ignore:.* is deprecated:DeprecationWarning")
def test_the_state_keeps_its_types_under_every_optimizer(name):
    """Or the loop over steps, one compiled program, would be refused."""
    optimizer = training.make_optimizer(name, learning_rate=0.01)
    state = training.init_state(START, optimizer)
    after, _ = jax.eval_shape(training.make_step(CELL, optimizer), state, BATCH)
    assert jax.tree.structure(after) == jax.tree.structure(state)
    for new, old in zip(jax.tree.leaves(after), jax.tree.leaves(state), strict=True):
        assert (new.shape, new.dtype) == (old.shape, old.dtype)
