"""Rules under JAX's transforms equal autodiff: a rule gives an ordinary differentiable function."""

from itertools import product

import jax
import jax.numpy as jnp
import pytest
from jax import lax

import qrnn_jax as qj
from tests.gradients.jacobians import (
    SOME_CELLS,
    distance,
    scalar,
    size,
    some_models,
)
from tests.helpers import quick_jit, some

MODELS = some_models()


def loss_of(cell, rule):
    return lambda params, xs: scalar(qj.run(cell, params, xs, gradient=rule))


def forward(cell, rule):
    """One product of the Jacobian with a dense tangent of params and xs."""

    def results(params, xs):
        tangents = jax.tree.map(lambda p: jnp.cos(3 * p), params), jnp.sin(1 + xs)
        return jax.jvp(lambda *at: qj.run(cell, *at, gradient=rule), (params, xs), tangents)

    return results


def batched(cell, rule):
    """Gradients for a batch of parameters, each with its own sequence."""
    gradient = jax.grad(loss_of(cell, rule), argnums=(0, 1))

    def results(params, xs):
        many_params = jax.tree.map(lambda p: jnp.stack([p, 0.9 * p, p + 0.2]), params)
        return jax.vmap(gradient)(many_params, jnp.stack([xs, 0.5 * xs, -0.7 * xs]))

    return results


def trained(cell, rule):
    """Three steps of gradient descent inside `lax.scan`: one set of params for two sequences."""

    def loss(params, many_xs):
        return jax.vmap(loss_of(cell, rule), (None, 0))(params, many_xs).mean()

    def results(params, xs):
        def update(params, _):
            value, slope = jax.value_and_grad(loss)(params, jnp.stack([xs, -0.8 * xs]))
            return jax.tree.map(lambda p, g: p - 0.1 * g, params, slope), value

        return lax.scan(update, params, length=3)

    return results


def second_order(cell, rule):
    """All second derivatives, the mixed ones of params and xs too."""
    return jax.hessian(loss_of(cell, rule), argnums=(0, 1))


CASES = [*product([forward, batched, trained], MODELS), *some(product([second_order], MODELS), 3)]


@pytest.mark.parametrize(("transform", "model"), CASES)
def test_rules_compose_with_jax(transform, model):
    cell, params, xs = MODELS[model]
    shift = qj.ParameterShift(chunk=7 if model in SOME_CELLS else None)  # 7 leaves a remainder
    rules = [qj.Backprop(), shift]
    if model == "takaki":
        rules.append(qj.Checkpointed(every=2))  # T = 3 is not divisible

    @quick_jit
    def all_rules(params, xs):
        return [transform(cell, rule)(params, xs) for rule in rules]

    expected, *found = all_rules(params, xs)
    assert size(expected) > 0.01
    for result in found:
        assert distance(result, expected) < 1e-10
