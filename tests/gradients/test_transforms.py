"""Every rule under every JAX transform equals autodiff: a rule is an ordinary differentiable function."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import qrnn_jax as qj
from tests.gradients.jacobians import QUICK, STEPS, distance, scalar, size, some_models

MODELS = some_models()
RULES = {
    "ParameterShift": qj.ParameterShift(chunk=7),  # divides no number of runs
    "Checkpointed": qj.Checkpointed(every=2),  # nor T = 3
}


def transformed(cell, rule):
    """All transforms at once, so that XLA compiles one program: (params, xs) -> name -> result."""

    def run(params, xs):
        return qj.run(cell, params, xs, gradient=rule)

    def loss(params, xs):
        return scalar(run(params, xs))

    def train(params, xs):
        def update(params, _):
            value, slope = jax.value_and_grad(loss)(params, xs)
            return jax.tree.map(lambda p, g: p - 0.1 * g, params, slope), value

        return lax.scan(update, params, length=3)

    def all_of_them(params, xs):
        gradient = jax.grad(loss, argnums=(0, 1))
        weights = jnp.arange(1.0, 1 + xs.size).reshape(xs.shape)
        tangents = jax.tree.map(lambda p: jnp.cos(3 * p), params), jnp.sin(weights)
        many_xs = jnp.stack([xs, 0.5 * xs, -0.7 * xs])
        many_params = jax.tree.map(lambda p: jnp.stack([p, 0.9 * p, p + 0.2]), params)
        return {
            "jvp": jax.jvp(run, (params, xs), tangents),
            "jacfwd": jax.jacfwd(run, argnums=(0, 1))(params, xs),
            "grad": gradient(params, xs),
            "vmap(grad) over xs": jax.vmap(gradient, (None, 0))(params, many_xs),
            "vmap(grad) over params": jax.vmap(gradient, (0, None))(many_params, xs),
            "grad(vmap)": jax.grad(lambda p: jax.vmap(loss, (None, 0))(p, many_xs).sum())(params),
            "training inside scan": train(params, xs),
            "Hessian": jax.hessian(loss, argnums=(0, 1))(params, xs),
        }

    return all_of_them


@pytest.fixture(scope="module", params=MODELS)
def results(request):
    cell, params, xs = MODELS[request.param]

    @jax.jit(compiler_options=QUICK)
    def compare(params, xs):
        rules = {"Backprop": qj.Backprop(), **RULES}
        return {name: transformed(cell, rule)(params, xs) for name, rule in rules.items()}

    return compare(params, xs)


TRANSFORMS = [
    "jvp",
    "jacfwd",
    "grad",
    "vmap(grad) over xs",
    "vmap(grad) over params",
    "grad(vmap)",
    "training inside scan",
    "Hessian",
]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("transform", TRANSFORMS)
def test_rules_compose_with_jax(results, rule, transform):
    expected, found = results["Backprop"][transform], results[rule][transform]
    assert size(expected) > 0.01
    assert distance(found, expected) < 1e-10
